/* SPDX-License-Identifier: BSD-3-Clause */
/* What serve.c and call.c share: a session is what a connection is for. */
#ifndef ECHO_SESSION_H
#define ECHO_SESSION_H

#include "serve.h"

struct session;

/* Does what can be done now. True: it is done with. */
typedef bool session_turn(struct session *s);

struct session {
	struct host *host;
	struct tcp_conn *conn;
	session_turn *turn;
	uint64_t at;           /* bytes of the pattern that were sent, */
	uint64_t left;         /* and that are to be; */
	uint64_t got;          /* that came, */
	bool wrong;            /* not as they should have */
	bool wants_back;       /* calls: */
	struct session *other; /* who asked for a call; the call that was asked for; NULL: gone */
	unsigned int used;     /* bytes of line */
	char line[512];
};

extern const struct tcp_ops session_ops;

/* NULL: no memory. */
struct session *session_new(struct host *host, session_turn *turn);
/* Closes its connection, if it has got one. */
void session_end(struct session *s);
/* Sends of the pattern what there is room for. False: there was no buffer. */
bool session_send_pattern(struct session *s);
/* Reads until the line holds `end`, which it is cut off before; false: it has not come yet. */
bool session_read_line(struct session *s, const char *end);
void free_chain(struct rte_mbuf *m);

/* ---- call.c --------------------------------------------------------------------------------- */

session_turn calls_turn;
/* A call, or who asked for one, is about to end: the other one hears of it. */
void call_over(struct session *s);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: a unix stream socket on which clients speak JSON-RPC, one line a request or
 * batch.
 *
 * What a client may do to the daemon is bounded: connections, bytes of a line, bytes waiting for it
 * to be read, and how long it may stand still in the middle of either. PATH.lock is locked as long
 * as the socket is served, and holds the pid.
 */
#ifndef CTL_LISTENER_H
#define CTL_LISTENER_H

#include <sys/types.h>

#include "ctl/ctl.h"

struct listener_conf {
	const char *path;
	mode_t mode;
	const char *owner, *group; /* NULL: as the process */
	uint32_t max_request;      /* bytes of a line, at most */
	uint32_t max_output;       /* bytes waiting for a client, at most */
	uint32_t max_connections;
	uint32_t stall_ms; /* half a request, or an answer nobody reads, for this long ends a
			      connection */
};

/* NULL with a fault added and errno. Connections are served by the loop of c. */
struct listener *listener_open(
	struct ctl *c, const struct listener_conf *conf, struct faults *faults);
/* Ends all connections and removes the socket. */
void listener_close(struct ctl *c, struct listener *l);

/* Once a turn: ends connections that stand still and frees those that ended. */
void listener_poll(struct ctl *c, struct listener *l);

unsigned int listener_connections(const struct listener *l);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON-RPC 2.0 over the control socket, one object or batch a line.
 *
 * A method is NOUN.VERB. Each noun is an area: one file rpc_NOUN.c and one word in meson.build,
 * from which rpc_table.c is generated; it defines `const struct rpc_area rpc_area_NOUN`. Every
 * method is described in schema/rpc.json, and its parameters are checked by that before the handler
 * runs.
 *
 *   line --rpc_input()--> struct rpc_call, one a request --handle()-->
 *     rpc_result() or rpc_error(); or rpc_defer(), and one of them in a later turn
 *   when all calls of a line are answered --> out(), one line
 */
#ifndef CTL_RPC_H
#define CTL_RPC_H

#include <jansson.h>
#include <stdbool.h>

#include "ctl/ctl.h"

/* JSON-RPC's own codes, and ours. */
#define RPC_PARSE_ERROR      (-32700)
#define RPC_INVALID_REQUEST  (-32600)
#define RPC_METHOD_NOT_FOUND (-32601)
#define RPC_INVALID_PARAMS   (-32602)
#define RPC_INTERNAL_ERROR   (-32603)
#define RPC_NOT_FOUND        1 /* no such service, pool, server ... */
#define RPC_EXISTS           2
#define RPC_REFUSED          3 /* configuration faults: error.data.faults lists them */
#define RPC_BUSY             4

/* Requests in a batch, and calls that wait for workers. */
#define RPC_BATCH_MAX    100
#define RPC_DEFERRED_MAX 64

struct rpc_call; /* one request being answered */

struct rpc_method {
	const char *verb; /* "list" */
	/* Answers with exactly one of the functions below, now or later. params: an object,
	 * checked. */
	void (*handle)(struct ctl *c, const json_t *params, struct rpc_call *call);
};

struct rpc_area {
	const char *noun;                 /* "service" */
	const struct rpc_method *methods; /* ended by a NULL verb */
};

/* The generated list, NULL at its end. */
extern const struct rpc_area *const rpc_table[];

void rpc_result(struct rpc_call *call, json_t *result); /* takes result; NULL: out of memory */
void rpc_error(struct rpc_call *call, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* RPC_REFUSED, or another code, with error.data.faults: a list of {"path", "text"}, and "warning":
 * true where so. */
void rpc_faults(struct rpc_call *call, int code, const char *what, const struct faults *faults);
json_t *rpc_faults_json(const struct faults *faults);

/* rpc_session.c: a server by "POOL/SERVER", or by its own name where no other pool has one of that
 * name. NULL when there is none: the call has been answered so. */
const struct server *rpc_find_server(struct ctl *c, const char *name, struct rpc_call *call);

/*
 * For calls that need the workers: step is called each turn of the loop until it returns true; it
 * has answered then and freed state. When rpc_gone() the client no longer listens: step may stop as
 * soon as no request of its is with a worker. release frees state when the daemon stops before
 * that; workers run no more then. false: too many wait already; the call has been answered so, and
 * state is still the caller's.
 */
bool rpc_defer(struct rpc_call *call,
	bool (*step)(struct ctl *c, struct rpc_call *call, void *state),
	void (*release)(void *state), void *state);
bool rpc_gone(const struct rpc_call *call);

/* ---- for ctl.c, the listener, tests ------------------------------------------------------- */

/* What c->rpc is; NULL with errno. */
struct rpc *rpc_create(void);
void rpc_destroy(struct rpc *r);

/* The whole of schema/rpc.json; borrowed. */
const json_t *rpc_schema(const struct rpc *r);

/* Answers one line of text: the listener's and the fuzz target's way in. Gives what the client is
 * to be sent, a whole line, to out(arg, text, len); not always before it returns. */
void rpc_input(struct ctl *c, const char *line, size_t len,
	void (*out)(void *arg, const char *text, size_t len), void *arg);

/* The text of an error that is no answer to a request (id null), a whole line; free() it. NULL: no
 * memory. */
char *rpc_complaint(int code, const char *text);

/* out must not be called with arg any more. */
void rpc_forget(struct rpc *r, const void *arg);

/* Whether calls that came with arg wait for workers. */
bool rpc_waiting(const struct rpc *r, const void *arg);

/* Runs the steps of deferred calls; returns how many still wait. */
unsigned int rpc_poll(struct ctl *c);

#endif

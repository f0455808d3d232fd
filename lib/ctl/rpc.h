/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON-RPC 2.0 over the control socket, one object or batch a line.
 *
 * A method belongs to an area: one file rpc_AREA.c and one word in meson.build, from which rpc_table.c is generated; it
 * defines `const struct rpc_method rpc_methods_AREA[]`, ended by a NULL name. Parameters are described in schema/rpc.json and checked before
 * the handler runs.
 */
#ifndef CTL_RPC_H
#define CTL_RPC_H

#include <jansson.h>

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

struct rpc_call; /* one request being answered */

struct rpc_method {
	const char *name; /* "service.list" */
	/* Answers with exactly one of the functions below, now or later. params: an object, checked. */
	void (*handle)(struct ctl *c, const json_t *params, struct rpc_call *call);
};

extern const struct rpc_method *const rpc_table[];

void rpc_result(struct rpc_call *call, json_t *result); /* takes result */
void rpc_error(struct rpc_call *call, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void rpc_faults(struct rpc_call *call, const struct faults *faults);

/* For calls that need the workers: step is called each turn of the loop until it returns true; destroy then, or when the
 * client has gone (step is not called again; it must still wait for requests under way before it frees them: keep returning). */
void rpc_defer(struct rpc_call *call, bool (*step)(struct ctl *c, struct rpc_call *call, void *state), void *state);

/* Server side, for ctl.c. */
struct rpc_server *rpc_server_open(struct ctl *c, const char *path, struct faults *faults);
void rpc_server_close(struct rpc_server *s);

/* Answers one line of text: the server's and the fuzz target's way in. Takes what the client would be sent
 * from out(arg, text, len), whole lines. */
void rpc_input(struct ctl *c, const char *line, size_t len,
	void (*out)(void *arg, const char *text, size_t len), void *arg);

#endif

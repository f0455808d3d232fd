/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layer 4 forwarding: what becomes of a packet that hits a flow, and of one that does not.
 *
 *   l4_forward_burst()  after the lookup: hit -> connection state -> rewrite -> PKT_SEND
 *                       miss -> service -> pick -> open flow -> as a hit
 *   l4_expire()         once a poll: closes flows whose time is over
 *
 * A forwarding mode is one file, fwd_NAME.c, and one word in meson.build, from which fwd_table.c is generated; it defines
 * `const struct fwd_ops fwd_ops_NAME`.
 */
#ifndef L4_L4_H
#define L4_L4_H

#include "base/counter.h"
#include "flow/flow.h"
#include "l4/conn.h"
#include "model/model.h"
#include "sched/sched.h"

/* What one worker keeps; table, counters and picks are its own. */
struct l4 {
	const struct model *model; /* of this burst */
	struct net_worker *net;
	struct flow_table *flows;
	struct sched_worker *sched;
	uint32_t now_ms;
	struct traffic *service;   /* by service slot */
	struct traffic *server;    /* by server slot */
};

struct fwd_ops {
	const char *name; /* "dr": enum mode's name */
	/* The answers' tuple of a new flow, in *ret; false: answers do not come this way, only the forward
	 * direction is indexed. */
	bool (*answers)(const struct tuple *fwd, const struct server *server, struct tuple *ret);
	/* Rewrites the packet for its direction. f holds both tuples. */
	void (*rewrite)(struct pkt *p, const struct flow *f);
	/* The address whose adjacency the rewritten packet goes to. */
	struct addr (*next)(const struct pkt *p, const struct flow *f, const struct model *m);
};

/* By enum mode; generated. */
extern const struct fwd_ops *const fwd_table[];

/* Handles every PKT_GO packet of the burst: PKT_SEND, PKT_DROP, PKT_PUNT or taken. */
void l4_forward_burst(struct l4 *l, struct burst *b);

/* Looks at flows whose timers are due, at most max; returns how many it looked at. */
unsigned int l4_expire(struct l4 *l, unsigned int max);

/* Closes a flow and keeps the counters right. */
void l4_close(struct l4 *l, struct flow *f);

#endif

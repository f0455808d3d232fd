/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layer 4 forwarding: what becomes of a packet that hits a flow, and of one that does not.
 *
 *   l4_forward_step()   after the lookup, hits: connection state -> rewrite -> PKT_SEND
 *   l4_open_burst()     misses: service -> pick -> open flow -> as a hit
 *   l4_error_burst()    ICMP errors -> flow of the quoted packet -> rewrite both -> PKT_SEND
 *   l4_expire()         once a poll: closes flows whose time is over
 *
 * Flows of kind LOCAL are TCP's: their packets, errors about these, and packets of no flow to a
 * service of mode tcp that may begin one become PKT_LOCAL. Nothing here changes or closes such a
 * flow.
 *
 * A forwarding mode is one file, fwd_NAME.c, and one word in meson.build, from which fwd_table.c is
 * generated; it defines `const struct fwd_ops fwd_ops_NAME`.
 */
#ifndef L4_L4_H
#define L4_L4_H

#include "base/counter.h"
#include "flow/ask.h"
#include "flow/flow.h"
#include "flow/lport.h"
#include "flow/steer.h"
#include "guard/rate.h"
#include "l4/conn.h"
#include "model/model.h"
#include "sched/persist.h"
#include "sched/sched.h"

struct path_table; /* l4/path.h */
struct synproxy;   /* l4/synproxy.h */

/* The adjacency of a server's address; valid while epoch is the neighbours' and gen the slot's. A
 * generation is never 0. */
struct server_hop {
	uint32_t epoch;
	uint16_t gen, adj;
};

/* New flows a second: see pace.h. */
struct pace {
	uint64_t tokens; /* a thousand for each flow */
	uint32_t stamp;  /* ms of the last refill */
};

/* What a worker keeps of a service for when there is too much. */
struct strain {
	uint64_t stateless; /* first packets that went to the Maglev server without an entry */
	uint64_t evicted;   /* flows that made room before their time was over */
	struct pace pace;
	uint32_t struck_ms; /* when a first packet last went without an entry, */
	bool struck;        /* if one did, */
	uint16_t gen;       /* of the service of this generation */
};

/* Of the flows that are only beginning (conn_embryonic()), by family: IPv4, IPv6. See evict.h. */
struct embryos {
	uint32_t n;        /* read by the control core */
	uint32_t hand;     /* of flow_search() */
	uint32_t since_ms; /* when a pause of the search began, */
	bool pausing;      /* if there is one */
	bool barren;       /* nothing found since the hand was at the beginning */
};

/* What one worker keeps; table, counters and picks are its own. */
struct l4 {
	const struct model *model; /* of this burst; set with l4_set_model() */
	struct net_worker *net;
	struct flow_table *flows;
	struct steer *steer;
	struct lport_table *lports;
	struct sched_worker *sched;
	struct ask *ask;
	struct persist *persist;  /* may be NULL: no client keeps its server */
	struct rate_table *rates; /* may be NULL: no source has a rate */
	/* While a burst of answers is forwarded: that burst, and the questions of its packets. */
	const struct burst *answered;
	struct question *answers;
	uint32_t now_ms;
	struct path_table *paths; /* shared by all workers */
	struct synproxy *synproxy;
	uint16_t mtu;            /* the least of all ports */
	uint16_t fits[MODE_ALL]; /* by mode: received packets up to this length fit everywhere */
	bool moved;              /* flows have been closed since the burst was looked up */
	unsigned int local;      /* packets of the burst that are PKT_LOCAL */
	/* A LOCAL flow whose timer has fired. NULL: there are no such flows. */
	void (*local_due)(void *arg, struct flow *f);
	void *local_arg;
	/* Of the flows that were opened since: bit (hash modulo 64) of their clients' packets. */
	uint64_t opened;
	uint32_t reset_stamp, reset_tokens; /* RSTs a second */
	/* Of ICMP errors about packets of flows, about outer packets, and about others. */
	struct net_bucket flow_error_rate, tunnel_error_rate, stray_error_rate;
	uint32_t gateway_turn;   /* of local ports */
	struct traffic *service; /* by service slot */
	struct guarded *guarded; /* likewise */
	struct traffic *server;  /* by server slot */
	struct server_hop *hop;  /* likewise */
	uint16_t packet_id;      /* of the last IPv4 header made here */
	/* For when there is too much: pace.h, evict.h. */
	struct pace pace[2];   /* over all services that can do without entries: IPv4, IPv6 */
	uint32_t struck_ms;    /* strain.struck_ms of the last one of all services */
	bool struck;           /* some service may be */
	struct strain *strain; /* by service slot */
	struct embryos embryos[2];
	uint64_t evicted; /* flows that made room before their time was over */
};

struct fwd_ops {
	const char *name; /* that of enum mode: "dr" */
	/* Whether the balancer sees the answers: the flow has a tuple for them, made by answers(),
	 * and a packet without a flow cannot be forwarded. Otherwise it goes by Maglev. */
	bool two_way;
	bool proxied;    /* flows that began with a SYN cookie: handshake.h, proxied.h */
	uint16_t growth; /* bytes that rewriting adds to a packet, at most */
	/* What is too big and must not be fragmented goes out in fragments all the same, besides
	 * the message to its sender, who may never hear it. */
	bool splits;
	/* two_way: the tuple of the answers of a new flow. Takes what that needs (a local port).
	 * DROP_none, or why there is none. */
	enum drop_reason (*answers)(struct l4 *l, const struct tuple *fwd,
		const struct service *service, const struct server *server, struct tuple *back);
	/* Gives back what answers() took, when the flow ends or could not be opened. May be NULL.
	 */
	void (*release)(struct l4 *l, const struct tuple *back);
	/* Whether the flow may go on after a change of addresses or of the gateway. NULL: it may.
	 */
	bool (*holds)(const struct l4 *l, const struct flow *f);
	/* The longest packet, as received like p, that is forwarded to next within mtu. NULL: mtu.
	 */
	uint16_t (*limit)(struct l4 *l, const struct pkt *p, const struct service *service,
		const struct server *server, const struct addr *next, uint16_t mtu);
	/* Makes of the packet what is sent: for p->dir of a flow, and (one-way modes) without one.
	 * May move p->l3 and change family and l3_len; may drop. NULL: it stays. */
	void (*rewrite)(struct l4 *l, struct pkt *p, struct flow *f);
	void (*rewrite_stateless)(struct l4 *l, struct pkt *p, const struct service *service,
		const struct server *server);
	/* Where packets of a direction go: the address whose route is looked up. */
	struct addr (*next)(const struct flow *f, uint8_t dir, const struct server *server);
};

/* By enum mode; generated. */
extern const struct fwd_ops *const fwd_table[];

/* Before a burst, when the snapshot is another one; l->net->table is of it already. */
void l4_set_model(struct l4 *l, const struct model *m);

/* Before a burst. */
void l4_forward_begin(struct l4 *l);

/* Handles the PKT_GO packets of flows among [from, to), after their lookup: PKT_SEND, PKT_DROP,
 * PKT_LOCAL or taken. Returns how many are left, which have no flow. */
unsigned int l4_forward_step(struct l4 *l, struct burst *b, unsigned int from, unsigned int to);

/* Handles those, once parse_first_burst() has judged them and they are at their owner: PKT_SEND,
 * PKT_DROP, PKT_LOCAL, PKT_KERNEL or taken. */
void l4_open_burst(struct l4 *l, struct burst *b);

/* Handles every PKT_ERROR packet of the burst: PKT_SEND, PKT_DROP, PKT_LOCAL, PKT_KERNEL or taken.
 */
void l4_error_burst(struct l4 *l, struct burst *b);

/* Looks at flows and persistence entries whose timers are due, at most max of each; returns how
 * many flows, or entries where those are more, it looked at. */
unsigned int l4_expire(struct l4 *l, unsigned int max);

/* The moment (ms) the flow's idle time-out is over if no packet comes. */
uint32_t l4_deadline(const struct l4 *l, const struct flow *f);

/* After a change: closes the flow if its service, server or local address is gone, or its client
 * may not have it any more, else sets its timer by the time-outs of now. */
void l4_revise(struct l4 *l, struct flow *f);

/* Closes a flow and keeps the counters right. */
void l4_close(struct l4 *l, struct flow *f);

#endif

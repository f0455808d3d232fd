/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: an object with everything one core writes, and worker_poll(), one turn of its loop. The
 * daemon runs worker_run() on a core for each; tests step several on one thread with a clock of
 * their own; the bench calls pipeline_run() with frames in hand.
 *
 * Order: workers_create(), snapshot_publish(), worker_run() on each core; to stop: worker_stop(),
 * join, workers_destroy().
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/rcu.h"
#include "flow/flow.h"
#include "flow/steer.h"
#include "l4/l4.h"
#include "model/model.h"
#include "net/frag.h"
#include "net/net.h"
#include "sched/sched.h"
#include "worker/local.h"

/* A receive queue that a worker polls. */
struct rx_queue {
	struct nic *nic;
	uint16_t queue;
};

/* When there is nothing to do: after `spins` empty polls the worker sleeps, first sleep_min,
 * doubling up to sleep_max microseconds; any packet ends it. spins 0: never sleeps. */
struct idle_conf {
	uint32_t spins;
	uint32_t sleep_min_us, sleep_max_us;
};

/* Pipeline stages whose cycles the bench can ask for; see pipeline_profile. */
enum stage {
	STAGE_PARSE,
	STAGE_LOOKUP,
	STAGE_FORWARD,
	STAGE_STEER,
	STAGE_OPEN,
	STAGE_OUTPUT,
	STAGE_COUNT
};
const char *stage_name(enum stage s);

struct worker_cycles {
	uint64_t busy, idle; /* of the time-stamp counter */
	uint64_t polls, busy_polls, sleeps;
};

/* The pointer workers load once a burst; the control core stores it. */
struct snapshot {
	struct model *model;
};

/* TCP of a worker: local.c's. */
struct local {
	struct tcp *tcp; /* NULL: none */
	unsigned int (*turn)(void *, const struct model *, struct tcp *, uint32_t, unsigned int);
	struct tcp_listener listener;
	uint64_t us_factor;
};

struct worker {
	uint16_t id;
	unsigned int lcore;
	int socket;
	bool stop; /* set by the control core */
	const struct snapshot *snapshot;
	struct rcu *rcu;
	struct net_worker *net;
	struct l4 l4; /* flow table, scheduler, traffic counters */
	struct local local;
	struct steer *steer;
	struct rte_ring *requests;      /* of the control core: struct worker_request */
	struct worker_request *current; /* the request whose walk goes on */
	unsigned int n_queues;
	struct rx_queue queue[NIC_MAX];
	struct idle_conf idle;
	uint64_t tsc_hz;
	uint64_t tsc_last;      /* of the last poll */
	uint64_t model_version; /* of l4.model: a new one may lie where the last one did */
	uint64_t ms_tsc;        /* tsc at which now_ms next changes */
	uint32_t now_ms;
	bool timers_due; /* there may be flows to expire */
	bool was_busy;   /* the last poll did work */
	struct worker_cycles cycles;
	uint64_t *stage_cycles; /* [STAGE_COUNT], bench only; NULL otherwise */
	struct burst burst;
};

struct workers_conf {
	unsigned int n;
	const unsigned int *lcores; /* may be NULL (tests) */
	struct nic **nics;
	unsigned int n_nics;
	struct neigh_table *neigh;
	const struct neigh_conf *neigh_conf;
	struct rte_mempool **pools; /* n + 1: the last for the control core */
	struct rcu *rcu;            /* n readers */
	const struct snapshot *snapshot;
	uint32_t max_v4, max_v6;       /* flow entries a worker */
	uint32_t persistence;          /* persistence entries a worker; 0: no table */
	uint32_t source_rates;         /* sources whose rate is counted, a worker; 0: no table */
	struct frag_conf frag;         /* max 0: frag_defaults */
	const struct local_app *local; /* NULL: no TCP ends here, and no service is of mode tcp */
	struct idle_conf idle;
	uint64_t tsc_hz; /* 0: the machine's counter */
	uint64_t tsc;    /* now, where tsc_hz is not 0 */
};

/* Milliseconds since the time-stamp counter was 0, wrapping: the one clock of workers and control
 * core. */
static inline uint32_t worker_ms(uint64_t tsc, uint64_t tsc_hz)
{
	return (uint32_t)(tsc / (tsc_hz / 1000));
}

/* All the workers of a process. */
struct workers {
	unsigned int n;
	struct worker **worker;
	struct net_worker **net; /* n + 1; the last is the control core's */
	struct steer **steer;
	struct path_table *paths; /* what is known of the ways to servers */
	struct ask **ask;
	struct hash_key secret; /* of the tables of persistence and of sources */
	struct hash_key cookie_secret;
	struct hash_key tcp_cookie; /* likewise, of connections that end here */
	struct rcu *rcu;
};

/* NULL with errno and a fault. Receive queues are dealt out: queue q of a nic goes to worker q % n,
 * all to worker (nic id % n) where there is but one. */
struct workers *workers_create(const struct workers_conf *conf, struct faults *faults);
void workers_destroy(struct workers *w);

/* One turn: control requests, packets handed over, receive queues, timers, TCP, sending. tsc: now.
 * Returns the work done (packets, timers); 0 means idle. Reports a quiescent state. */
unsigned int worker_poll(struct worker *w, uint64_t tsc);

/* The loop of a core, until worker_stop(). */
void worker_run(struct worker *w);
void worker_stop(struct worker *w);

/* ---- pipeline.c ----------------------------------------------------------------------------- */

/* A burst of received frames through all stages up to the transmit buffers; takes every mbuf. n <=
 * BURST_MAX. */
void pipeline_run(struct worker *w, struct rte_mbuf **mbufs, unsigned int n);

/* ---- publish.c: control core ---------------------------------------------------------------- */

/* Makes m what workers see from their next burst on, and retires the former one. Takes m. 0 or
 * -errno (then m is not taken and nothing changed). */
int snapshot_publish(
	struct snapshot *s, struct model *m, struct rcu *rcu, const struct model_sched *sched);

/* For model_build(): slots that no worker uses any more. */
struct model_idle workers_idle(struct workers *all);

/* ---- request.c: what the control core asks of workers --------------------------------------- */

/*
 * Walks over flows are done by their owner, a slice a poll. The control core fills a request a
 * worker, posts it and looks at done later; it never waits.
 */
/* SWEEP, after a change: flows of services and servers that are gone are closed, and of clients
 * that access lists now keep out, and the others' timers set to what time-outs are now. */
enum request_kind { REQUEST_LIST, REQUEST_COUNT, REQUEST_FLUSH, REQUEST_SWEEP };

/* What is walked over. */
enum request_of { REQUEST_FLOWS, REQUEST_PERSISTENCE };

struct flow_filter {
	struct prefix client; /* len 0 with a zero address: any */
	bool any_client;
	bool any_server; /* PERSISTENCE: server_addr does not matter, */
	uint64_t scope;  /* 0: any */
	struct addr server_addr;
	uint16_t service; /* slot, 0: any */
	uint16_t server;  /* slot, 0: any */
	uint8_t state;    /* enum conn_state, 0: any */
	uint8_t proto;    /* 0: any */
};

struct flow_info {
	struct tuple forward, back; /* back: proto 0 where only one direction is known */
	uint16_t service, server;   /* slots */
	uint16_t service_gen, server_gen;
	uint8_t state, mode, worker;
	uint32_t idle_ms, age_ms, expires_ms;
};

/* An entry of the persistence table. */
struct persist_info {
	struct persist_key key;
	struct addr server;
	uint16_t slot; /* of the server, when the entry was made */
	uint8_t prefix, worker;
	uint32_t idle_ms, expires_ms;
};

struct worker_request {
	enum request_kind kind;
	enum request_of of;
	struct flow_filter filter;
	uint64_t cursor;  /* in: where to start; out: where to go on, 0 at the end */
	uint64_t walk;    /* the worker's own: where it is */
	unsigned int max; /* LIST: room in out */
	struct flow_info *out;
	struct persist_info *entries; /* PERSISTENCE: in its place */
	unsigned int n;               /* LIST: filled */
	uint64_t matched;             /* COUNT, FLUSH */
	bool done;                    /* set last, with release order */
};

/* Control core. 0, or -EAGAIN if the worker's ring is full. The request stays the caller's but must
 * not be touched before request_done(). */
int request_post(struct worker *w, struct worker_request *r);
static inline bool request_done(const struct worker_request *r)
{
	return __atomic_load_n(&r->done, __ATOMIC_ACQUIRE);
}

/* Worker: a slice of the current request; returns entries visited. */
unsigned int request_serve(struct worker *w);

#endif

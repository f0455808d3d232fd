/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP that ends in a worker: its instance of lib/tcp, which has the worker's flow table, local
 * ports, ports and clock.
 *
 *   worker_poll()     local_advance() -> bursts: local_burst() -> local_flush() -> net_flush()
 *
 * What l4 has left at PKT_LOCAL goes to tcp_input(): segments of connections, and those without one
 * to a service of mode tcp, whose connections are accepted for the application.
 */
#ifndef WORKER_LOCAL_H
#define WORKER_LOCAL_H

#include "model/model.h"
#include "net/pkt.h"
#include "tcp/tcp.h"

struct worker;

/* What connections of services of mode tcp are for. Outlives the workers. */
struct local_app {
	/* At each poll, before events: the snapshot and the instance; its own timers, of which it
	 * lets no more than max fire. Returns how many did. NULL: it has none. */
	unsigned int (*turn)(
		void *ctx, const struct model *m, struct tcp *t, uint32_t now_ms, unsigned int max);
	const struct tcp_ops *ops; /* theirs, */
	void *const *ctx;          /* by worker: and tcp_ctx() at first; NULL: none */
	struct tcp_how how;
	/* The numbers of each worker's instance; the rest is filled in. */
	struct tcp_conf conf;
	/* By worker: tcp_conf.pool, with room for a packet of the largest MTU. Freed after the nics
	 * are closed. */
	struct rte_mempool *const *pools;
};

/* tcp_tag() of a connection when it is accepted: the service's slot and generation. */
static inline uint16_t local_service(uint32_t tag)
{
	return (uint16_t)tag;
}

static inline uint16_t local_service_gen(uint32_t tag)
{
	return (uint16_t)(tag >> 16);
}

/* app NULL: no TCP, and all of the functions below do nothing. rx: the worker's pool. cookie: equal
 * in all workers. tsc: now. 0 or -errno. */
int local_open(struct worker *w, const struct local_app *app, struct rte_mempool *rx,
	const struct hash_key *cookie, uint64_t tsc);
void local_close(struct worker *w);

/* At each poll before packets are looked at: the clock, and timers, at most max. Returns how many.
 */
unsigned int local_advance(struct worker *w, uint64_t tsc, unsigned int max);

/* Takes every PKT_LOCAL packet of the burst: PKT_TAKEN or PKT_DROP. */
void local_burst(struct worker *w, struct burst *b);

/* After the last burst of a poll: what the application does, and sends. Returns how many
 * connections had anything to do. */
unsigned int local_flush(struct worker *w);

#endif

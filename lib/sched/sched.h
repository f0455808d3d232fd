/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Picking a server of a pool for a new flow. A scheduler is one file and one word in meson.build,
 * from which sched_table.c is generated; it defines `const struct sched_ops sched_ops_NAME` (dashes
 * of the name as underscores).
 *
 * A table (built on the control core, immutable, shared by all workers) says everything that
 * follows from servers and weights; struct sched_worker holds what a worker itself writes.
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "base/hash.h"
#include "model/model.h"

/*
 * What one worker keeps for picking. others: every worker's load array, for least-connections and
 * limits, which read them and write none.
 */
struct sched_worker {
	unsigned int id, n_workers;
	uint32_t now_ms;     /* kept by the worker */
	uint32_t *position;  /* by pool slot: place in the pool's sequence; see sched_position() */
	uint64_t *load;      /* by server slot: a load word; written by lib/l4 through limit.h */
	uint32_t *elsewhere; /* by server slot: open flows of the other workers when last read */
	uint32_t *elsewhere_ms;  /* by pool slot: when that was */
	const uint64_t **others; /* [worker]: their load arrays, this worker's own included */
};

/* What a pick may depend on. */
struct sched_key {
	struct addr src;
	struct addr dst;
	rte_be16_t sport, dport;
	uint8_t proto;
};

struct sched_ops {
	const char *name; /* "round-robin" */
	/* The table of pool->servers' effective weights, NULL with errno. key: the cluster's. */
	void *(*build)(const struct pool *pool, const struct hash_key *key);
	void (*destroy)(void *table);
	/* An index into pool->servers, or -1 if no server takes new flows (all effective weights
	 * 0; least-connections: or at their limits). The server may be at its limit: limit_pick()
	 * looks at that. At most 400 cycles with 100 servers, no allocation. */
	int (*pick)(const struct pool *pool, struct sched_worker *w, const struct sched_key *key);
};

/* The generated list, NULL at its end. */
extern const struct sched_ops *const sched_list[];

const struct sched_ops *sched_find(const char *name); /* NULL if unknown */

/* For struct model_sched. build: 0 or -errno, and then the pool has no tables. */
int sched_pool_build(struct pool *pool, const struct hash_key *key, bool want_maglev);
void sched_pool_destroy(struct pool *pool);

/* NULL with errno. Needs the EAL: memory is the socket's (SOCKET_ID_ANY: anyone's). */
struct sched_worker *sched_worker_create(unsigned int id, unsigned int n_workers, int socket);
/* Makes the workers' load arrays known to each other; n is what each was created with. */
void sched_workers_join(struct sched_worker **w, unsigned int n);
void sched_worker_destroy(struct sched_worker *w);

static inline int sched_pick(
	const struct pool *pool, struct sched_worker *w, const struct sched_key *key)
{
	return pool->sched->pick(pool, w, key);
}

/*
 * A lookup table like Maglev's (Eisenbud et al. 2016, section 3.4): 65,537 slots, each server's
 * permutation of them drawn from its id and the cluster's key. Unlike there, a slot goes to the
 * server whose permutation reaches it first, by time weighted so that shares are in proportion to
 * weights; maglev_table.c says how shares are evened out. The table follows from the cluster's key
 * and the set of (id, effective weight) alone, so every balancer of a cluster has the same. Of 100
 * equal servers each has its share within 2 %, and removing one moves less than 0.5 % of the other
 * servers' slots.
 *
 * maglev_pick() hashes source and destination address and port, and protocol. -1 if no server takes
 * flows. table: pool->maglev_table.
 */
#define MAGLEV_SLOTS 65537
int maglev_pick(const void *table, const struct sched_key *what);

#endif

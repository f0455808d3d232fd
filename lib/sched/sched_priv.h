/* SPDX-License-Identifier: BSD-3-Clause */
/* What schedulers share. */
#ifndef SCHED_SCHED_PRIV_H
#define SCHED_SCHED_PRIV_H

#include "sched.h"

/*
 * The worker's place in a sequence of len things of the pool, below len. Workers start evenly
 * spread over the sequence, so that several of them do not all begin with the same server; the
 * place stays when a table is replaced.
 */
static inline uint32_t sched_position(
	const struct sched_worker *w, const struct pool *pool, uint32_t len)
{
	uint32_t position = w->position[pool->slot];

	if (position < len)
		return position;
	return (uint32_t)((uint64_t)len * w->id / w->n_workers);
}

/* Moves on from position by one. */
static inline void sched_position_next(
	struct sched_worker *w, const struct pool *pool, uint32_t position, uint32_t len)
{
	w->position[pool->slot] = position + 1 < len ? position + 1 : 0;
}

/* ---- maglev_table.c: of the schedulers maglev and source ------------------------------------ */

struct maglev_table {
	struct hash_key key;
	bool empty;                  /* no server takes flows */
	uint16_t slot[MAGLEV_SLOTS]; /* index into pool->servers */
};

/* As sched_ops.build and destroy. */
void *maglev_table_build(const struct pool *pool, const struct hash_key *key);
void maglev_table_destroy(void *table);

/* The server of a 64-bit hash, -1 if there is none. */
static inline int maglev_table_pick(const struct maglev_table *t, uint64_t hash)
{
	if (t->empty)
		return -1;
	return t->slot[(uint64_t)((__uint128_t)hash * MAGLEV_SLOTS >> 64)];
}

#endif

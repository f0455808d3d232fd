/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many flows a server has, and how many it may have, exact over all workers.
 *
 * Each worker has one 64-bit load word a server slot, which it alone writes, in single stores:
 *
 *   low half   its open flows that count (those in TIME_WAIT do not)
 *   high half  grants it has given less grants it has settled, modulo 2^32
 *
 * A limited server has a home worker, which alone gives grants for it: a grant is the right to open
 * one flow. Whoever holds a grant settles it once: by opening a flow (one store moves it from the
 * high half to the low one) or by giving it up. What is taken of a server is the sum of all halves
 * of all workers. Of what another worker does, opening leaves its word's sum as it is, and
 * everything else makes it smaller; so what the home reads is never less than the truth, and at
 * rest it is the truth. Nothing is locked, and a server without a limit has no home.
 *
 *   home: limit_grant() -> ring -> flow's owner: limit_open() or limit_give_up() ... limit_close()
 */
#ifndef SCHED_LIMIT_H
#define SCHED_LIMIT_H

#include "sched/sched.h"

#define LOAD_FLOW  UINT64_C(1)
#define LOAD_GRANT (UINT64_C(1) << 32)

static inline uint32_t load_active(const uint64_t word)
{
	return (uint32_t)word;
}

/* The worker's own word changes by this much. */
static inline void load_add(struct sched_worker *w, uint16_t slot, uint64_t difference)
{
	__atomic_store_n(&w->load[slot], w->load[slot] + difference, __ATOMIC_RELAXED);
}

/* A flow was opened; granted: with a grant of the server's home, which this settles. */
static inline void limit_open(struct sched_worker *w, uint16_t slot, bool granted)
{
	load_add(w, slot, granted ? LOAD_FLOW - LOAD_GRANT : LOAD_FLOW);
}

/* A flow counts no more. */
static inline void limit_close(struct sched_worker *w, uint16_t slot)
{
	load_add(w, slot, -LOAD_FLOW);
}

/* A grant is not used. */
static inline void limit_give_up(struct sched_worker *w, uint16_t slot)
{
	load_add(w, slot, -LOAD_GRANT);
}

/* Flows and grants of the server's slot, over all workers. Any worker. */
static inline uint32_t limit_taken(const struct sched_worker *w, uint16_t slot)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < w->n_workers; i++) {
		uint64_t word =
			w->others[i] ? __atomic_load_n(&w->others[i][slot], __ATOMIC_RELAXED) : 0;

		sum += (uint32_t)word + (uint32_t)(word >> 32);
	}
	return sum;
}

/* Whether the server takes no flow more; a limit of 0 is none. */
static inline bool limit_reached(const struct sched_worker *w, const struct server *s)
{
	return s->limit && limit_taken(w, s->slot) >= s->limit;
}

/* The next server in the pool's order after one of its own, around the end, that takes flows; -1:
 * no other does. For a flow that its scheduler's server will not do for. */
int limit_next(const struct pool *pool, const struct sched_worker *w, int pick);

/* The worker that grants flows to a limited server. */
static inline unsigned int limit_home(uint16_t slot, unsigned int n_workers)
{
	return slot % n_workers;
}

/* At the server's home: takes a place, if there is one. */
static inline bool limit_grant(struct sched_worker *w, const struct server *s)
{
	if (limit_reached(w, s))
		return false;
	load_add(w, s->slot, LOAD_GRANT);
	return true;
}

/*
 * As sched_pick(), and where the server picked is at its limit and the pool says "next", another
 * one: by the scheduler's further picks as long as they differ, then the next in the pool's order.
 * -1: none takes a flow. full: the first pick if it was at its limit and was passed over, else -1.
 */
int limit_pick(
	const struct pool *pool, struct sched_worker *w, const struct sched_key *key, int *full);

/* The worker that picked will not open the flow: another one counts it, and this one, for
 * least-connections, until it reads the others' load again. */
static inline void limit_picked_for_other(struct sched_worker *w, uint16_t slot)
{
	w->elsewhere[slot]++;
}

#endif

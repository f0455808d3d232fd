/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Least connections: the server with the lowest (open flows + 1) / weight, over the flows of all
 * workers.
 *
 * A worker's own numbers are exact. Those of the others are summed when a millisecond has passed
 * since, and after at most REFRESH_PICKS picks: their cache lines are always being written, and
 * reading them for each pick would cost more than the rest of it. What the others opened meanwhile
 * they spread themselves by the same rule.
 *
 * Equal loads: the search starts one server further each time. A server at its limit is passed
 * over, unless the pool wants its share refused.
 */
#include <errno.h>
#include <stdlib.h>

#include "limit.h"
#include "sched_priv.h"

#define REFRESH_PICKS 32 /* a power of two */

/* In configuration order, those that take flows. */
struct candidates {
	uint32_t n;
	struct candidate {
		uint32_t cost; /* of a flow: in proportion to 1 / weight */
		uint16_t slot;
		uint16_t index;
	} list[];
};

/* The least common multiple of the weights, so that costs are exact and equal loads compare as
 * equal; UINT32_MAX where it is larger. */
static uint32_t cost_unit(const struct pool *pool)
{
	uint64_t unit = 1;

	for (uint32_t i = 0; i < pool->n_servers; i++) {
		uint64_t weight = pool->servers[i].effective_weight, a = unit, b = weight;

		if (weight == 0)
			continue;
		while (b) {
			uint64_t rest = a % b;

			a = b;
			b = rest;
		}
		unit *= weight / a;
		if (unit > UINT32_MAX)
			return UINT32_MAX;
	}
	return (uint32_t)unit;
}

static void *build(const struct pool *pool, const struct hash_key *key)
{
	struct candidates *t = malloc(sizeof(*t) + pool->n_servers * sizeof(t->list[0]));
	uint32_t unit = cost_unit(pool);

	if (!t)
		return NULL;
	t->n = 0;
	for (uint32_t i = 0; i < pool->n_servers; i++) {
		const struct server *s = &pool->servers[i];

		if (s->effective_weight == 0)
			continue;
		t->list[t->n++] = (struct candidate){
			.cost = (uint32_t)(((uint64_t)unit + s->effective_weight / 2) /
					   s->effective_weight),
			.slot = s->slot,
			.index = (uint16_t)i,
		};
	}
	return t;
}

static void read_others(const struct candidates *t, struct sched_worker *w)
{
	for (uint32_t i = 0; i < t->n; i++) {
		uint16_t slot = t->list[i].slot;
		uint32_t sum = 0;

		for (unsigned int k = 0; k < w->n_workers; k++)
			if (k != w->id && w->others[k])
				sum += load_active(
					__atomic_load_n(&w->others[k][slot], __ATOMIC_RELAXED));
		w->elsewhere[slot] = sum;
	}
}

struct choice {
	uint64_t load;
	const struct candidate *candidate;
};

/* limits: a constant to its callers; a server at its limit is no choice then. */
static inline struct choice search(const struct sched_worker *w, const struct pool *pool,
	const struct candidate *c, const struct candidate *end, struct choice best, bool limits)
{
	const uint32_t *elsewhere = w->elsewhere;

	for (; c < end; c++) {
		uint64_t load = (uint64_t)(load_active(w->load[c->slot]) + elsewhere[c->slot] + 1) *
				c->cost;

		if (load < best.load && !(limits && limit_reached(w, &pool->servers[c->index])))
			best = (struct choice){ load, c };
	}
	return best;
}

static int pick(const struct pool *pool, struct sched_worker *w, const struct sched_key *key)
{
	const struct candidates *t = pool->sched_table;
	struct choice best = { UINT64_MAX, NULL };
	uint32_t start;

	if (t->n == 0)
		return -1;
	start = sched_position(w, pool, t->n);
	sched_position_next(w, pool, start, t->n);
	if (w->n_workers > 1 &&
		(start % REFRESH_PICKS == 0 || w->elsewhere_ms[pool->slot] != w->now_ms)) {
		w->elsewhere_ms[pool->slot] = w->now_ms;
		read_others(t, w);
	}
	if (pool->limited && pool->when_full == WHEN_FULL_NEXT) {
		best = search(w, pool, t->list + start, t->list + t->n, best, true);
		best = search(w, pool, t->list, t->list + start, best, true);
		return best.candidate ? best.candidate->index : -1;
	}
	best = search(w, pool, t->list + start, t->list + t->n, best, false);
	best = search(w, pool, t->list, t->list + start, best, false);
	return best.candidate->index;
}

const struct sched_ops sched_ops_least_connections = {
	.name = "least-connections", .build = build, .destroy = free, .pick = pick
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* Picking a server in a pool whose servers have limits; see limit.h. */
#include "limit.h"

/* Further picks of a scheduler that moves on, so that a full server's share is spread and does not
 * all fall on its neighbour. */
#define TRIES 4

static bool takes_flows(const struct sched_worker *w, const struct server *s)
{
	return s->effective_weight && !limit_reached(w, s);
}

int limit_next(const struct pool *pool, const struct sched_worker *w, int pick)
{
	for (unsigned int i = 1; i < pool->n_servers; i++) {
		unsigned int at = ((unsigned int)pick + i) % pool->n_servers;

		if (takes_flows(w, &pool->servers[at]))
			return (int)at;
	}
	return -1;
}

int limit_pick(
	const struct pool *pool, struct sched_worker *w, const struct sched_key *key, int *full)
{
	int pick = sched_pick(pool, w, key);

	*full = -1;
	if (pick < 0 || !pool->limited || pool->when_full != WHEN_FULL_NEXT)
		return pick;
	for (int tries = 0; tries < TRIES; tries++) {
		int next;

		if (!limit_reached(w, &pool->servers[pick]))
			return pick;
		if (*full < 0)
			*full = pick;
		next = sched_pick(pool, w, key);
		if (next < 0 || next == pick)
			break;
		pick = next;
	}
	for (unsigned int i = 0; i < pool->n_servers; i++) {
		unsigned int at = ((unsigned int)pick + i) % pool->n_servers;

		if (takes_flows(w, &pool->servers[at]))
			return (int)at;
	}
	return -1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many new flows a worker makes in a second, and what goes without one.
 *
 * Modes that see one direction (dr, tunnel) need no entry: a packet without goes to the server that
 * Maglev names. So a flood need not fill the table: above a rate, over all services of a family,
 * first packets go that way. Services with persistence or limits are left out of that
 * (struct service: tied), for their servers are not Maglev's to name. A service may have a rate of
 * its own, in any mode; what is above it and cannot go without an entry is refused.
 *
 * A flow that began without an entry has its server by Maglev, whatever the scheduler. Later it may
 * get an entry after all: its SYN comes again, or it is UDP, where each packet is as good as the
 * first. So as long as such flows may be about, PACE_MEMORY_MS after the last, new flows of the
 * service get entries with the server that Maglev names: it is the same one.
 */
#ifndef L4_PACE_H
#define L4_PACE_H

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "l4/l4.h"

/* Longer than a client waits between two SYNs but the last ones, and an idle UDP flow lives. */
#define PACE_MEMORY_MS 30000

/* One flow of rate a second; those of a second are saved up. False: there is none. */
static inline bool pace_take(struct pace *p, uint32_t rate, uint32_t now_ms)
{
	const uint64_t ms = RTE_MIN(now_ms - p->stamp, 1000u), most = (uint64_t)rate * 1000;

	p->tokens = RTE_MIN(p->tokens + ms * rate, most);
	p->stamp = now_ms;
	if (p->tokens < 1000)
		return false;
	p->tokens -= 1000;
	return true;
}

/* Whether a new flow of the service may have an entry. */
static inline bool pace_admits(struct l4 *l, const struct service *s, bool v6)
{
	const uint32_t all = l->model->new_flows[v6];

	if (s->new_flows && !pace_take(&l->strain[s->slot].pace, s->new_flows, l->now_ms))
		return false;
	return !all || s->tied || fwd_table[s->mode]->two_way ||
	       pace_take(&l->pace[v6], all, l->now_ms);
}

/* Whether a new flow of the service can go without an entry: not where a server has a limit, which
 * is exact. */
bool pace_may_go_without(const struct l4 *l, const struct service *s);

/* A first packet goes without an entry. */
void pace_strike(struct l4 *l, const struct service *s);

/* Whether flows without entries may be about; to be asked where l->struck. */
static inline bool pace_is_struck(const struct l4 *l, const struct service *s)
{
	const struct strain *strain = &l->strain[s->slot];

	return strain->struck && strain->gen == s->gen &&
	       l->now_ms - strain->struck_ms < PACE_MEMORY_MS;
}

/* Now and then. */
static inline void pace_relax(struct l4 *l)
{
	if (unlikely(l->struck) && l->now_ms - l->struck_ms >= PACE_MEMORY_MS)
		l->struck = false;
}

#endif

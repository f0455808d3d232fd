/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Room in a full flow table: flows that are only beginning make way for new ones; all others stay.
 *
 * Of a flood nearly all flows are of that kind, so the search, a hand that goes around the entries,
 * finds one within few steps. It is bounded, and pauses when it has been around in vain. The entry
 * that is freed is the one that is used next, so that behind the hand are the youngest flows, and
 * before it the oldest. A flow has EVICT_AGE_MS for its handshake, whatever comes.
 *
 * How many there are is counted where a state changes, never on a packet of an established flow.
 */
#ifndef L4_EVICT_H
#define L4_EVICT_H

#include "l4/l4.h"

#define EVICT_AGE_MS 250

/* A flow's state changes; CONN_NONE: it is not there, before and after. */
static inline void evict_count(
	struct l4 *l, const struct flow *f, enum conn_state from, enum conn_state to)
{
	uint32_t *n = &l->embryos[!!(f->flags & FLOW_V6)].n;

	__atomic_store_n(n, *n + (uint32_t)conn_embryonic(to) - (uint32_t)conn_embryonic(from),
		__ATOMIC_RELAXED);
}

/* As flow_open(), which has failed with DROP_flow_table_full. */
struct flow *evict_and_open(
	struct l4 *l, const struct tuple *fwd, const struct tuple *back, enum drop_reason *reason);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Room in a full flow table; see evict.h. Called by open.c and gateway.c. */
#include "evict.h"

/* Entries that are looked at for one new flow, and how long the search pauses after it went around
 * all of them in vain: who is too young now will not be then. */
#define STEPS    64
#define PAUSE_MS 50

/* An entry, and a place in the index for each tuple. */
#define WANTS 3

static bool is_v6(const struct tuple *t)
{
	return !(addr_is_v4(&t->src) && addr_is_v4(&t->dst));
}

/* A flow whose entry may be had, or NULL. */
static struct flow *search_entries(struct l4 *l, bool v6, const struct flow_wanted *want)
{
	struct embryos *e = &l->embryos[v6];
	const uint32_t from = e->hand;
	struct flow *f;

	if (e->n == 0 || (e->pausing && l->now_ms - e->since_ms < PAUSE_MS))
		return NULL;
	e->pausing = false;
	f = flow_search(l->flows, v6, &e->hand, STEPS, want);
	if (f) {
		e->barren = false;
		return f;
	}
	if (e->hand <= from) { /* around the end */
		e->pausing = e->barren;
		e->since_ms = l->now_ms;
		e->barren = true;
	}
	return NULL;
}

static bool evict(struct l4 *l, const struct tuple *fwd, const struct tuple *back)
{
	const struct flow_wanted want = {
		.states = CONN_EMBRYONIC, .now_ms = l->now_ms, .age_ms = EVICT_AGE_MS
	};
	const bool v6 = is_v6(fwd) || is_v6(back);
	struct flow *f;

	if (!flow_has_room(l->flows, v6)) {
		f = search_entries(l, v6, &want);
	} else { /* it is the index that has none */
		f = flow_search_index(l->flows, fwd, &want);
		if (!f)
			f = flow_search_index(l->flows, back, &want);
	}
	if (!f)
		return false;
	counter_add(&l->evicted, 1);
	counter_add(&l->strain[f->service].evicted, 1);
	l4_close(l, f);
	return true;
}

struct flow *evict_and_open(
	struct l4 *l, const struct tuple *fwd, const struct tuple *back, enum drop_reason *reason)
{
	struct flow *f = NULL;

	for (int i = 0; !f && i < WANTS; i++) {
		if (*reason != DROP_flow_table_full || !evict(l, fwd, back))
			return NULL;
		f = flow_open(l->flows, fwd, back, reason);
	}
	return f;
}

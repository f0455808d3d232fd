/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of sources of rate.h: an array of sets. Time is in units of 2^-32 ms, so that what a
 * token takes is exact to a part in ten millions at a million a second; it wraps with the clock's
 * milliseconds.
 *
 * Called by one worker alone, for new flows.
 */
#include "rate.h"

#include <errno.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "base/counter.h"

#define WAYS   4
#define SAMPLE 1024 /* sets that rate_used() looks at; 4,096 entries tell a per cent or two */

struct rate_entry {
	uint64_t full_at; /* when the bucket will be full */
	uint32_t tag;     /* of the source's hash */
	float share;      /* what a unit of time is of the time an empty bucket takes */
};

struct rate_set {
	struct rate_entry entry[WAYS];
} __rte_cache_aligned;

_Static_assert(sizeof(struct rate_set) == 64, "a set is one cache line");

struct rate_table {
	struct rate_set *set;
	uint32_t mask; /* of sets */
	struct hash_key secret;
	uint64_t evicted;
};

static uint32_t sets_for(uint32_t max)
{
	return rte_align32pow2(RTE_MAX(max / WAYS + (max % WAYS != 0), 1u));
}

uint64_t rate_bytes(uint32_t max)
{
	return sizeof(struct rate_table) + sets_for(max) * sizeof(struct rate_set);
}

struct rate_table *rate_create(uint32_t max, const struct hash_key *secret, int socket)
{
	const uint32_t sets = sets_for(max);
	struct rate_table *t = rte_zmalloc_socket("rates", sizeof(*t), 64, socket);

	if (!t) {
		errno = ENOMEM;
		return NULL;
	}
	/* Zeroed is full, whatever the time: a share of nothing. */
	t->set = rte_zmalloc_socket("rates", sets * sizeof(*t->set), 64, socket);
	t->mask = sets - 1;
	t->secret = *secret;
	if (t->set)
		return t;
	rte_free(t);
	errno = ENOMEM;
	return NULL;
}

void rate_destroy(struct rate_table *t)
{
	if (t)
		rte_free(t->set);
	rte_free(t);
}

uint64_t rate_hash(
	const struct rate_table *t, const struct source_rate *rule, const struct addr *client)
{
	const struct prefix p = { *client, addr_is_v4(client) ? rule->prefix_v4 : rule->prefix_v6 };
	const struct {
		uint64_t scope;
		struct addr network;
	} source = { rule->scope, prefix_network(&p).addr };

	return hash_siphash(&t->secret, &source, sizeof(source));
}

/* How empty a bucket is: from 0, full, to 1. What would be more was full long ago, and the clock
 * has come round since. */
static float emptiness(const struct rate_entry *e, uint64_t now)
{
	const int64_t ahead = (int64_t)(e->full_at - now);
	const float empty = ahead > 0 ? (float)ahead * e->share : 0;

	return empty < 1.001f ? empty : 0;
}

/* The source's entry, or the one that is to become its. */
static struct rate_entry *entry_of(struct rate_table *t, uint64_t hash, uint64_t now)
{
	struct rate_set *set = &t->set[hash & t->mask];
	const uint32_t tag = (uint32_t)(hash >> 32);
	struct rate_entry *fullest = NULL;
	float least = 2;

	for (unsigned int i = 0; i < WAYS; i++) {
		struct rate_entry *e = &set->entry[i];
		const float empty = emptiness(e, now);

		if (e->tag == tag && empty > 0)
			return e;
		if (empty < least) {
			least = empty;
			fullest = e;
		}
	}
	return fullest;
}

bool rate_admit(
	struct rate_table *t, uint64_t hash, const struct source_rate *rule, uint32_t now_ms)
{
	const uint64_t now = (uint64_t)now_ms << 32;
	const uint64_t token = (UINT64_C(1000) << 32) / rule->connections;
	const uint64_t room = token * rule->burst;
	const uint32_t tag = (uint32_t)(hash >> 32);
	struct rate_entry *e = entry_of(t, hash, now);
	const bool in_use = emptiness(e, now) > 0;
	uint64_t ahead = 0;
	bool admitted;

	if (in_use && e->tag == tag)
		ahead = RTE_MIN(e->full_at - now, room); /* another rule's bucket may be larger */
	else if (in_use)
		counter_add(&t->evicted, 1);
	admitted = ahead + token <= room;
	*e = (struct rate_entry){
		.full_at = now + ahead + (admitted ? token : 0),
		.tag = tag,
		.share = 1 / (float)room,
	};
	return admitted;
}

/* While the worker writes: an entry of which one half is older than the other counts wrong once. */
static bool is_used(const struct rate_entry *e, uint64_t now)
{
	struct rate_entry copy = { .full_at = __atomic_load_n(&e->full_at, __ATOMIC_RELAXED) };

	__atomic_load(&e->share, &copy.share, __ATOMIC_RELAXED);
	return emptiness(&copy, now) > 0;
}

uint32_t rate_used(const struct rate_table *t, uint32_t now_ms)
{
	const uint64_t now = (uint64_t)now_ms << 32;
	const uint32_t sets = t->mask + 1, looked = RTE_MIN(sets, (uint32_t)SAMPLE);
	const uint32_t step = sets / looked; /* both are powers of two */
	uint32_t n = 0;

	for (uint32_t i = 0; i < looked; i++)
		for (unsigned int k = 0; k < WAYS; k++)
			n += is_used(&t->set[i * step].entry[k], now);
	return n * step;
}

void rate_stats(const struct rate_table *t, struct rate_stats *out)
{
	out->max = (t->mask + 1) * WAYS;
	out->evicted = counter_read(&t->evicted);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast each source opens new flows: a worker's part of the table of sources.
 *
 * A source is a client's address or network, for a service or for all (struct source_rate). Its
 * hash names its home worker, which alone counts it, and stands for it: two sources of one set and
 * one 32-bit tag would share a count, and who wants that has to know a random key of 128 bits.
 *
 * A source is a bucket of tokens, kept as the moment when it will be full again; each new flow
 * moves that on by the time a token takes. So a bucket that is full needs no entry, no timer runs,
 * and nothing has to be collected.
 *
 * A set of four entries is a cache line. Where all four are in use, the fullest bucket makes room:
 * measured against its own size, so that a flood of sources that come once pushes out its own, and
 * a source that is over its rate stays, unless four such meet in one set.
 */
#ifndef GUARD_RATE_H
#define GUARD_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/hash.h"
#include "model/model.h"

struct rate_table;

/* Room for at least max sources. NULL with errno. secret: equal for all workers of a process. */
struct rate_table *rate_create(uint32_t max, const struct hash_key *secret, int socket);
void rate_destroy(struct rate_table *t);
/* What it takes. */
uint64_t rate_bytes(uint32_t max);

/* The source that the client belongs to under this rule. */
uint64_t rate_hash(
	const struct rate_table *t, const struct source_rate *rule, const struct addr *client);

/* The home of a hash. */
static inline unsigned int rate_home(uint64_t hash, unsigned int n_workers)
{
	return (unsigned int)(((hash >> 32) * n_workers) >> 32);
}

/* At the home: whether the source may open a flow now. If so, it is counted. now_ms never goes
 * back.
 */
bool rate_admit(
	struct rate_table *t, uint64_t hash, const struct source_rate *rule, uint32_t now_ms);

struct rate_stats {
	uint32_t max;
	uint64_t evicted; /* sources forgotten before their buckets were full */
};
/* Any core. */
void rate_stats(const struct rate_table *t, struct rate_stats *out);

/* Sources whose buckets are not full at the moment; of a large table an estimate, from a part of it
 * that is looked at. now_ms: as the home worker has it. Any core. */
uint32_t rate_used(const struct rate_table *t, uint32_t now_ms);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Maglev: by a hash of the whole tuple, equal on every balancer of a cluster. */
#include "sched_priv.h"

int maglev_pick(const void *table, const struct sched_key *what)
{
	const struct maglev_table *t = table;
	uint8_t bytes[16 + 16 + 2 + 2 + 1];

	memcpy(bytes, &what->src, 16);
	memcpy(bytes + 16, &what->dst, 16);
	memcpy(bytes + 32, &what->sport, 2);
	memcpy(bytes + 34, &what->dport, 2);
	bytes[36] = what->proto;
	return maglev_table_pick(t, hash_siphash(&t->key, bytes, sizeof(bytes)));
}

static int pick(const struct pool *pool, struct sched_worker *w, const struct sched_key *key)
{
	return maglev_pick(pool->sched_table, key);
}

const struct sched_ops sched_ops_maglev = {
	.name = "maglev", .build = maglev_table_build, .destroy = maglev_table_destroy, .pick = pick
};

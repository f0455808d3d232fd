/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * By the source address alone: a client keeps its server, whatever it connects to and from which
 * port, as long as that server takes flows; when another one goes, next to no client changes. The
 * table is Maglev's.
 */
#include "sched_priv.h"

static int pick(const struct pool *pool, struct sched_worker *w, const struct sched_key *key)
{
	const struct maglev_table *t = pool->sched_table;

	return maglev_table_pick(t, hash_siphash(&t->key, &key->src, sizeof(key->src)));
}

const struct sched_ops sched_ops_source = {
	.name = "source", .build = maglev_table_build, .destroy = maglev_table_destroy, .pick = pick
};

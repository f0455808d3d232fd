/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding schedulers, the tables of a pool, and what a worker keeps. */
#include "sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "sched_priv.h"

const struct sched_ops *sched_find(const char *name)
{
	for (const struct sched_ops *const *s = sched_list; *s; s++)
		if (strcmp((*s)->name, name) == 0)
			return *s;
	return NULL;
}

int sched_pool_build(struct pool *pool, const struct hash_key *key, bool want_maglev)
{
	pool->maglev_table = NULL;
	pool->sched_table = pool->sched->build(pool, key);
	if (!pool->sched_table)
		return -errno;
	if (!want_maglev)
		return 0;
	if (pool->sched->build == maglev_table_build)
		pool->maglev_table = pool->sched_table;
	else
		pool->maglev_table = maglev_table_build(pool, key);
	if (!pool->maglev_table) {
		int err = errno;

		sched_pool_destroy(pool);
		return -err;
	}
	return 0;
}

void sched_pool_destroy(struct pool *pool)
{
	if (pool->maglev_table != pool->sched_table)
		maglev_table_destroy(pool->maglev_table);
	if (pool->sched_table)
		pool->sched->destroy(pool->sched_table);
	pool->maglev_table = pool->sched_table = NULL;
}

/* Zeroed, on lines of its own: other workers read what is next to nothing of theirs. */
static void *array(size_t n, size_t size, int socket)
{
	return rte_calloc_socket("sched", n, size, RTE_CACHE_LINE_SIZE, socket);
}

struct sched_worker *sched_worker_create(unsigned int id, unsigned int n_workers, int socket)
{
	struct sched_worker *w = array(1, sizeof(*w), socket);

	if (!w)
		goto fail;
	w->id = id;
	w->n_workers = n_workers;
	w->position = array(MODEL_POOLS_MAX, sizeof(*w->position), socket);
	w->load = array(MODEL_SERVERS_MAX, sizeof(*w->load), socket);
	w->elsewhere = array(MODEL_SERVERS_MAX, sizeof(*w->elsewhere), socket);
	w->elsewhere_ms = array(MODEL_POOLS_MAX, sizeof(*w->elsewhere_ms), socket);
	w->others = array(n_workers, sizeof(*w->others), socket);
	if (!w->position || !w->load || !w->elsewhere || !w->elsewhere_ms || !w->others)
		goto fail;
	/* Nowhere yet: the first pick goes to the worker's own start. And nothing read yet. */
	memset(w->position, 0xff, MODEL_POOLS_MAX * sizeof(*w->position));
	memset(w->elsewhere_ms, 0xff, MODEL_POOLS_MAX * sizeof(*w->elsewhere_ms));
	w->others[id] = w->load;
	return w;

fail:
	sched_worker_destroy(w);
	errno = ENOMEM;
	return NULL;
}

void sched_workers_join(struct sched_worker **w, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < n; j++)
			w[i]->others[j] = w[j]->load;
}

void sched_worker_destroy(struct sched_worker *w)
{
	if (!w)
		return;
	rte_free(w->others);
	rte_free(w->elsewhere_ms);
	rte_free(w->elsewhere);
	rte_free(w->load);
	rte_free(w->position);
	rte_free(w);
}

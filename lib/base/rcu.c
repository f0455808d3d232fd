/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quiescent states. What waits for readers is a list in the order it was retired; tokens only grow,
 * so the list is looked at from its head until the first thing that must still wait.
 */
#include "rcu.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_rcu_qsbr.h>

struct rcu_retired {
	struct rcu_retired *next;
	uint64_t token;
	void (*destroy)(void *arg);
	void *arg;
};

struct rcu {
	struct rcu_retired *first, **last;
	struct rte_rcu_qsbr *qsbr;
};

struct rcu *rcu_create(unsigned int readers)
{
	/* rte_rcu_qsbr_get_memsize() gives 1 for what it refuses. */
	size_t size = readers ? rte_rcu_qsbr_get_memsize(readers) : 1;
	struct rcu *r;

	if (size == 1) {
		errno = EINVAL;
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->last = &r->first;
	r->qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(size, RTE_CACHE_LINE_SIZE));
	if (!r->qsbr) {
		free(r);
		return NULL;
	}
	rte_rcu_qsbr_init(r->qsbr, readers);
	/* A registered reader is offline until it says otherwise. */
	for (unsigned int i = 0; i < readers; i++)
		rte_rcu_qsbr_thread_register(r->qsbr, i);
	return r;
}

/* Takes the first thing off the list and destroys it. */
static void reclaim_first(struct rcu *r)
{
	struct rcu_retired *d = r->first;

	r->first = d->next;
	if (!r->first)
		r->last = &r->first;
	d->destroy(d->arg);
	free(d);
}

void rcu_destroy(struct rcu *r)
{
	if (!r)
		return;
	while (r->first)
		reclaim_first(r);
	free(r->qsbr);
	free(r);
}

struct rte_rcu_qsbr *rcu_qsbr(struct rcu *r)
{
	return r->qsbr;
}

void rcu_online(struct rcu *r, unsigned int reader)
{
	rte_rcu_qsbr_thread_online(r->qsbr, reader);
}

void rcu_offline(struct rcu *r, unsigned int reader)
{
	rte_rcu_qsbr_thread_offline(r->qsbr, reader);
}

void rcu_quiescent(struct rcu *r, unsigned int reader)
{
	rte_rcu_qsbr_quiescent(r->qsbr, reader);
}

struct rcu_retired *rcu_prepare(void)
{
	return malloc(sizeof(struct rcu_retired));
}

void rcu_commit(struct rcu *r, struct rcu_retired *prepared, void (*destroy)(void *arg), void *arg)
{
	*prepared = (struct rcu_retired){
		.token = rte_rcu_qsbr_start(r->qsbr), .destroy = destroy, .arg = arg
	};
	*r->last = prepared;
	r->last = &prepared->next;
}

int rcu_retire(struct rcu *r, void (*destroy)(void *arg), void *arg)
{
	struct rcu_retired *d = rcu_prepare();

	if (!d)
		return -ENOMEM;
	rcu_commit(r, d, destroy, arg);
	return 0;
}

unsigned int rcu_reclaim(struct rcu *r)
{
	unsigned int waiting = 0;

	while (r->first && rte_rcu_qsbr_check(r->qsbr, r->first->token, false) == 1)
		reclaim_first(r);
	for (const struct rcu_retired *d = r->first; d; d = d->next)
		waiting++;
	return waiting;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Publishing snapshots, and what the control core may know of workers without asking: their
 * counters. */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>

#include "sched/limit.h"

struct retired {
	struct model *model;
	const struct model_sched *sched;
};

static void retired_free(void *arg)
{
	struct retired *r = arg;

	model_free(r->model, r->sched);
	free(r);
}

int snapshot_publish(
	struct snapshot *s, struct model *m, struct rcu *rcu, const struct model_sched *sched)
{
	struct rcu_retired *prepared = NULL;
	struct retired *r = NULL;

	/* All memory first: once m is seen there is no way back. */
	if (s->model) {
		prepared = rcu_prepare();
		r = malloc(sizeof(*r));
		if (!prepared || !r) {
			free(prepared);
			free(r);
			return -ENOMEM;
		}
		*r = (struct retired){ s->model, sched };
	}
	__atomic_store_n(&s->model, m, __ATOMIC_RELEASE);
	if (r)
		rcu_commit(rcu, prepared, retired_free, r);
	return 0;
}

/* What workers see; a slot in it may get flows at any moment. */
static const struct model *published(const struct workers *all)
{
	return all->worker[0]->snapshot->model;
}

/* Whether the worker has flows of it. */
static bool is_active(const struct traffic *t)
{
	/* Closed is read first: a flow opened in between makes the slot busy, never idle. */
	uint64_t closed = counter_read(&t->flows_closed);

	return counter_read(&t->flows_opened) != closed;
}

static bool service_idle(void *arg, uint16_t slot)
{
	const struct workers *all = arg;

	if (published(all) && published(all)->service[slot])
		return false;

	for (unsigned int i = 0; i < all->n; i++)
		if (is_active(&all->worker[i]->l4.service[slot]))
			return false;
	return true;
}

static bool server_idle(void *arg, uint16_t slot)
{
	const struct workers *all = arg;

	if (published(all) && published(all)->server[slot])
		return false;

	/* A grant on its way is a flow to come. */
	if (limit_taken(all->worker[0]->l4.sched, slot))
		return false;
	for (unsigned int i = 0; i < all->n; i++)
		if (is_active(&all->worker[i]->l4.server[slot]))
			return false;
	return true;
}

struct model_idle workers_idle(struct workers *all)
{
	return (struct model_idle){ .service = service_idle, .server = server_idle, .arg = all };
}

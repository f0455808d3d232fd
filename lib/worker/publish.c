/* SPDX-License-Identifier: BSD-3-Clause */
/* Publishing snapshots, and what the control core may know of workers without asking: their counters. */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>

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

int snapshot_publish(struct snapshot *s, struct model *m, struct rcu *rcu,
	const struct model_sched *sched)
{
	struct retired *r = NULL;
	int rc;

	if (s->model) {
		r = malloc(sizeof(*r));
		if (!r)
			return -ENOMEM;
		*r = (struct retired){ s->model, sched };
	}
	struct model *former = s->model;

	__atomic_store_n(&s->model, m, __ATOMIC_RELEASE);
	if (!r)
		return 0;
	rc = rcu_retire(rcu, retired_free, r);
	if (rc < 0) {
		__atomic_store_n(&s->model, former, __ATOMIC_RELEASE);
		free(r);
	}
	return rc;
}

static bool service_idle(void *arg, uint16_t slot)
{
	const struct workers *all = arg;

	for (unsigned int i = 0; i < all->n; i++) {
		const struct traffic *t = &all->worker[i]->l4.service[slot];

		/* Closed is read first: a flow opened in between makes the slot busy, never idle. */
		uint64_t closed = counter_read(&t->flows_closed);

		if (counter_read(&t->flows_opened) != closed)
			return false;
	}
	return true;
}

static bool server_idle(void *arg, uint16_t slot)
{
	const struct workers *all = arg;

	for (unsigned int i = 0; i < all->n; i++)
		if (__atomic_load_n(&all->worker[i]->l4.sched->active[slot], __ATOMIC_RELAXED))
			return false;
	return true;
}

struct model_idle workers_idle(struct workers *all)
{
	return (struct model_idle){ .service = service_idle, .server = server_idle, .arg = all };
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* New flows without entries; see pace.h. Called by open.c. */
#include "pace.h"

bool pace_may_go_without(const struct l4 *l, const struct service *s)
{
	const struct pool *pool = l->model->pools[s->pool];

	if (fwd_table[s->mode]->two_way)
		return false;
	for (; pool; pool = pool->backup ? l->model->pools[pool->backup] : NULL)
		if (pool->limited)
			return false;
	return true;
}

void pace_strike(struct l4 *l, const struct service *s)
{
	struct strain *strain = &l->strain[s->slot];

	counter_add(&strain->stateless, 1);
	strain->struck_ms = l->struck_ms = l->now_ms;
	strain->struck = l->struck = true;
	strain->gen = s->gen;
}

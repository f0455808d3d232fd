/* SPDX-License-Identifier: BSD-3-Clause */
/* Who waits for a place, in order; see place.h. Called at the home of the pool. */
#include "base/counter.h"
#include "base/invariant.h"
#include "place_priv.h"
#include "sched/limit.h"

/* Attempts of a line in a turn. */
#define TRIES  64
#define PLENTY (1u << 30) /* places of a server without a limit */

static const struct pool *next_pool(const struct model *m, const struct pool *pool)
{
	return pool->backup ? m->pools[pool->backup] : NULL;
}

/* How many connections have left servers of the pool and its backups, over all workers. */
static uint32_t left_of(const struct places *p, uint16_t slot)
{
	const struct model *m = p->l4->model;
	uint32_t sum = 0;

	for (const struct pool *pool = m->pools[slot]; pool; pool = next_pool(m, pool))
		for (unsigned int i = 0; i < p->n; i++)
			sum += __atomic_load_n(&p->others[i]->left[pool->slot], __ATOMIC_ACQUIRE);
	return sum;
}

/* Places that are free in the pool and its backups. */
static uint32_t free_of(const struct places *p, uint16_t slot)
{
	const struct model *m = p->l4->model;
	uint32_t sum = 0;

	for (const struct pool *pool = m->pools[slot]; pool; pool = next_pool(m, pool)) {
		for (unsigned int i = 0; i < pool->n_servers && sum < PLENTY; i++) {
			const struct server *s = &pool->servers[i];
			const uint32_t taken = limit_taken(p->l4->sched, s->slot);

			if (!s->effective_weight)
				continue;
			if (!s->limit)
				sum += PLENTY;
			else if (taken < s->limit)
				sum += s->limit - taken;
		}
	}
	return sum;
}

static void set_n(struct places *p, struct line *line, uint32_t n)
{
	__atomic_store_n(&p->stats.waiting, p->stats.waiting - line->n + n, __ATOMIC_RELAXED);
	line->n = n;
}

bool line_is_busy(const struct places *p, uint16_t pool)
{
	return p->line[pool].n > 0;
}

void line_enter(struct places *p, struct place *pl, const struct service *service)
{
	struct line *line = &p->line[service->pool];
	struct place *before = TAILQ_LAST(&line->waiting, place_list);

	if (!pl->waited && service->proxy.queue_max && line->n >= service->proxy.queue_max) {
		counter_add(&p->stats.line_full, 1);
		place_answer(pl, PLACE_LINE_FULL);
		return;
	}
	__atomic_store_n(&pl->at, (uint8_t)(p->id + 1), __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&pl->gone, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&pl->at, 0, __ATOMIC_RELAXED);
		place_answer(pl, PLACE_NONE);
		return;
	}
	if (!pl->waited)
		counter_add(&p->stats.waited, 1);
	pl->waited = true;
	pl->line = service->pool;
	pl->stage = PLACE_LINE;
	while (before && before->ticket > pl->ticket)
		before = TAILQ_PREV(before, place_list, wait);
	if (before)
		TAILQ_INSERT_AFTER(&line->waiting, before, pl, wait);
	else
		TAILQ_INSERT_HEAD(&line->waiting, pl, wait);
	if (line->n == 0) {
		LIST_INSERT_HEAD(&p->active, line, active);
		line->scan = true;
	}
	set_n(p, line, line->n + 1);
}

void line_leave(struct places *p, struct place *pl)
{
	struct line *line = &p->line[pl->line];

	x_assert(pl->line && line->n > 0);
	TAILQ_REMOVE(&line->waiting, pl, wait);
	set_n(p, line, line->n - 1);
	if (line->n == 0) {
		LIST_REMOVE(line, active);
		line->credit = 0;
	}
	pl->line = 0;
	__atomic_store_n(&pl->at, 0, __ATOMIC_SEQ_CST);
}

void line_tried(struct places *p, struct place *pl)
{
	if (!pl->trying)
		return;
	x_assert(p->line[pl->trying].in_flight > 0);
	p->line[pl->trying].in_flight--;
	pl->trying = 0;
}

/* What a change has taken to another pool, or has made an end of. */
static void walk(struct places *p, struct line *line)
{
	const struct model *m = p->l4->model;
	struct place *pl, *next;

	for (pl = TAILQ_FIRST(&line->waiting); pl; pl = next) {
		const struct service *s = m->service[pl->q.service];

		next = TAILQ_NEXT(pl, wait);
		if (s && s->gen == pl->q.service_gen && s->pool == line->pool)
			continue;
		line_leave(p, pl);
		pl->ticket = 0;
		place_go_on(p, pl);
	}
	line->scan = true;
}

/* How many may try now. */
static uint32_t look(struct places *p, struct line *line)
{
	const uint32_t now_ms = p->l4->now_ms, left = left_of(p, line->pool);
	uint32_t free;

	if (line->scan || now_ms - line->scan_ms >= LINE_SCAN_MS) {
		free = free_of(p, line->pool);
		line->credit = free > line->in_flight ? free - line->in_flight : 0;
		line->scan_ms = now_ms;
		line->scan = false;
	} else {
		line->credit += left - line->left;
	}
	line->left = left;
	return RTE_MIN(line->credit, RTE_MIN(line->n, (uint32_t)TRIES));
}

static unsigned int line_turn(struct places *p, struct line *line)
{
	const unsigned int n = look(p, line);

	for (unsigned int i = 0; i < n; i++) {
		struct place *pl = TAILQ_FIRST(&line->waiting);

		line->credit--;
		line_leave(p, pl);
		pl->trying = line->pool;
		line->in_flight++;
		place_go_on(p, pl);
		if (TAILQ_FIRST(&line->waiting) == pl) { /* all full after all */
			line->credit = 0;
			return i + 1;
		}
		if (line->n == 0)
			return i + 1;
	}
	return n;
}

unsigned int lines_turn(struct places *p)
{
	const bool changed = p->version != p->l4->model->version;
	struct line *line, *next;
	unsigned int n = 0;

	p->version = p->l4->model->version;
	for (line = LIST_FIRST(&p->active); line; line = next) {
		next = LIST_NEXT(line, active);
		if (changed)
			walk(p, line);
		if (line->n)
			n += line_turn(p, line);
	}
	return n;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits: a property test of grants over several workers with messages in any order, lost messages,
 * and changes of the limit; and picking beside full servers.
 */
#include "limit.h"

#include "sched_test.h"

#define WORKERS 4
#define ON_WAY  64

/* ---- grants --------------------------------------------------------------------------------- */

enum message { QUESTION, GRANT };

struct world {
	struct sched_worker *w[WORKERS];
	struct server server;
	struct {
		enum message what;
		unsigned int to;
	} on_way[ON_WAY]; /* delivered in any order */
	unsigned int n_on_way;
	unsigned int open[WORKERS]; /* flows, as the test counts them */
	unsigned int grants;        /* on their way */
	uint64_t random, given, refused;
};

static void world_make(struct world *x, uint64_t seed, uint32_t limit)
{
	memset(x, 0, sizeof(*x));
	x->random = seed;
	x->server = (struct server){ .slot = 77, .limit = limit };
	for (unsigned int i = 0; i < WORKERS; i++)
		x->w[i] = test_worker_make(i, WORKERS);
	sched_workers_join(x->w, WORKERS);
}

static void world_free(struct world *x)
{
	for (unsigned int i = 0; i < WORKERS; i++)
		test_worker_free(x->w[i]);
}

static unsigned int all_open(const struct world *x)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < WORKERS; i++)
		n += x->open[i];
	return n;
}

/* Everybody reads the same, and it is the truth. */
static void check(const struct world *x)
{
	for (unsigned int i = 0; i < WORKERS; i++) {
		assert_int_equal(limit_taken(x->w[i], x->server.slot), all_open(x) + x->grants);
		assert_int_equal(load_active(x->w[i]->load[x->server.slot]), x->open[i]);
	}
}

static void post(struct world *x, enum message what, unsigned int to)
{
	x->on_way[x->n_on_way].what = what;
	x->on_way[x->n_on_way++].to = to;
}

/* The home decides; its answer may find the ring full. */
static void at_home(struct world *x, unsigned int asker)
{
	struct sched_worker *home = x->w[limit_home(x->server.slot, WORKERS)];
	bool room = !x->server.limit || all_open(x) + x->grants < x->server.limit;

	assert_int_equal(limit_grant(home, &x->server), room);
	if (!room) {
		x->refused++;
		return;
	}
	x->given++;
	x->grants++;
	if (x->n_on_way == ON_WAY || test_random(&x->random, 10) == 0) {
		limit_give_up(home, x->server.slot);
		x->grants--;
	} else {
		post(x, GRANT, asker);
	}
}

static void deliver(struct world *x)
{
	unsigned int at = test_random(&x->random, x->n_on_way), to = x->on_way[at].to;
	enum message what = x->on_way[at].what;

	x->on_way[at] = x->on_way[--x->n_on_way];
	if (what == QUESTION) {
		at_home(x, to);
	} else if (test_random(&x->random, 4)) {
		limit_open(x->w[to], x->server.slot, true);
		x->open[to]++;
		x->grants--;
	} else { /* no entry, no port, a flow there already, a server that is gone ... */
		limit_give_up(x->w[to], x->server.slot);
		x->grants--;
	}
}

static void step(struct world *x)
{
	unsigned int w = test_random(&x->random, WORKERS);

	switch (test_random(&x->random, 4)) {
	case 0:
	case 1:
		if (x->n_on_way < ON_WAY)
			post(x, QUESTION, w);
		break;
	case 2:
		if (x->n_on_way)
			deliver(x);
		break;
	default:
		if (x->open[w] && test_random(&x->random, 2)) {
			limit_close(x->w[w], x->server.slot);
			x->open[w]--;
		}
	}
}

static void test_never_above(void **state)
{
	uint64_t given = 0, refused = 0;

	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct world x;

		world_make(&x, seed, 1 + (uint32_t)seed % 17);
		for (unsigned int i = 0; i < 3000; i++) {
			step(&x);
			check(&x);
			assert_true(all_open(&x) + x.grants <= x.server.limit);
		}
		/* All end: nothing is left. */
		while (x.n_on_way)
			deliver(&x);
		for (unsigned int i = 0; i < WORKERS; i++)
			for (; x.open[i]; x.open[i]--)
				limit_close(x.w[i], x.server.slot);
		assert_int_equal(limit_taken(x.w[0], x.server.slot), 0);
		given += x.given;
		refused += x.refused;
		world_free(&x);
	}
	assert_true(given > 1000 && refused > 1000);
}

/* The limit changes, comes and goes; flows opened without it count. */
static void test_limit_changes(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct world x;

		world_make(&x, seed, 8);
		for (unsigned int i = 0; i < 5000; i++) {
			if (i % 100 == 0)
				x.server.limit = test_random(&x.random, 12);
			if (x.server.limit == 0) {
				unsigned int w = test_random(&x.random, WORKERS);

				limit_open(x.w[w], x.server.slot, false);
				x.open[w]++;
			} else {
				step(&x);
			}
			check(&x);
		}
		world_free(&x);
	}
}

/* Counters pass 2^32 without a trace. */
static void test_wrap(void **state)
{
	struct world x;

	world_make(&x, 1, 3);
	for (unsigned int i = 0; i < WORKERS; i++)
		x.w[i]->load[77] = (uint64_t)(i == 0 ? UINT32_MAX - 3 : i == 1 ? 4 : 0) << 32;
	check(&x);
	for (unsigned int i = 0; i < 3000; i++) {
		step(&x);
		check(&x);
	}
	world_free(&x);
}

/* ---- picking -------------------------------------------------------------------------------- */

static const struct sched_key somebody = { .proto = 6 };

static struct pool *limited_pool(const char *scheduler, unsigned int n, uint32_t limit)
{
	struct pool *p = test_pool_make(scheduler, n, NULL);

	for (unsigned int i = 0; i < n; i++)
		p->servers[i].limit = limit;
	p->limited = true;
	test_pool_build(p);
	return p;
}

/* Picks and opens until there is no more; count: what each server got. */
static unsigned int fill(struct pool *p, struct sched_worker **w, unsigned int n_workers,
	unsigned int max, unsigned int *count)
{
	struct sched_key key = somebody;

	for (unsigned int i = 0; i < max; i++) {
		struct sched_worker *me = w[i % n_workers];
		int full, at;

		key.src = addr_from_v4(i * 2654435761u);
		at = limit_pick(p, me, &key, &full);
		if (at < 0)
			return i;
		assert_false(limit_reached(me, &p->servers[at]));
		if (full >= 0) {
			assert_true(limit_reached(me, &p->servers[full]));
			assert_int_not_equal(full, at);
		}
		limit_open(me, p->servers[at].slot, false);
		count[at]++;
	}
	return max;
}

/* With every scheduler each place is found, none twice. */
static void test_fill(void **state)
{
	for (const struct sched_ops *const *s = sched_list; *s; s++) {
		struct pool *p = limited_pool((*s)->name, 10, 7);
		struct sched_worker *w[2] = { test_worker_make(0, 2), test_worker_make(1, 2) };
		unsigned int count[10] = { 0 };

		sched_workers_join(w, 2);
		assert_int_equal(fill(p, w, 2, 1000, count), 70);
		for (unsigned int i = 0; i < 10; i++)
			assert_int_equal(count[i], 7);
		limit_close(w[0], p->servers[4].slot);
		assert_int_equal(fill(p, w, 2, 1000, count), 1);
		assert_int_equal(count[4], 8);
		test_worker_free(w[0]);
		test_worker_free(w[1]);
		test_pool_free(p);
	}
}

/* "refuse": the scheduler's pick stands, full or not; servers of weight 0 get no overflow. */
static void test_others(void **state)
{
	struct pool *p = limited_pool("round-robin", 3, 1);
	struct sched_worker *w = test_worker_make(0, 1);
	unsigned int count[3] = { 0 };
	int full;

	p->servers[1].effective_weight = 0;
	sched_pool_destroy(p);
	test_pool_build(p);
	assert_int_equal(fill(p, &w, 1, 100, count), 2);
	assert_int_equal(count[1], 0);
	p->when_full = WHEN_FULL_REFUSE;
	assert_true(limit_pick(p, w, &somebody, &full) >= 0);
	assert_int_equal(full, -1);
	test_worker_free(w);
	test_pool_free(p);
}

/* From one server to the next, those that take flows, around the end and not back to itself. */
static void test_next(void **state)
{
	struct pool *p = limited_pool("source", 4, 1);
	struct sched_worker *w = test_worker_make(0, 1);

	p->servers[1].effective_weight = 0;
	limit_open(w, p->servers[2].slot, false);
	assert_int_equal(limit_next(p, w, 0), 3);
	assert_int_equal(limit_next(p, w, 3), 0);
	limit_open(w, p->servers[0].slot, false);
	assert_int_equal(limit_next(p, w, 3), -1);
	assert_int_equal(limit_next(p, w, 1), 3);
	test_worker_free(w);
	test_pool_free(p);
}

/* A full server's share goes to all the others alike. */
static void test_spread(void **state)
{
	static const char *const schedulers[] = { "round-robin", "least-connections" };

	for (unsigned int s = 0; s < 2; s++) {
		struct pool *p = limited_pool(schedulers[s], 5, 0);
		struct sched_worker *w = test_worker_make(0, 1);
		unsigned int count[5] = { 0 };

		p->servers[2].limit = 4;
		assert_int_equal(fill(p, &w, 1, 404, count), 404);
		assert_int_equal(count[2], 4);
		for (unsigned int i = 0; i < 5; i++)
			if (i != 2)
				assert_in_range(count[i], 98, 102);
		test_worker_free(w);
		test_pool_free(p);
	}
}

/* A home that picks for others does not give all of them to the server that was least loaded. */
static void test_for_others(void **state)
{
	struct pool *p = limited_pool("least-connections", 4, 1000);
	struct sched_worker *w[2] = { test_worker_make(0, 2), test_worker_make(1, 2) };
	unsigned int count[4] = { 0 };
	int full;

	sched_workers_join(w, 2);
	for (unsigned int i = 1; i < 4; i++)
		for (unsigned int k = 0; k < 10; k++)
			limit_open(w[1], p->servers[i].slot, false);
	for (unsigned int i = 0; i < 30; i++) {
		int at = limit_pick(p, w[0], &somebody, &full);

		count[at]++;
		limit_picked_for_other(w[0], p->servers[at].slot);
		if (i % 10 == 9) /* they arrive */
			for (unsigned int k = 0; k < 4; k++)
				for (; count[k]; count[k]--)
					limit_open(w[1], p->servers[k].slot, false);
	}
	for (unsigned int i = 0; i < 4; i++)
		assert_in_range(limit_taken(w[0], p->servers[i].slot), 13, 18);
	test_worker_free(w[0]);
	test_worker_free(w[1]);
	test_pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never_above),
		cmocka_unit_test(test_limit_changes),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

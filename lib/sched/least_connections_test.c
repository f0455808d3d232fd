/* SPDX-License-Identifier: BSD-3-Clause */
#include "sched_test.h"

#define WORKERS 3

static const struct sched_key any;

struct bed {
	struct pool *pool;
	struct sched_worker *w[WORKERS];
};

static void bed_make(struct bed *b, unsigned int n, const uint16_t *weights)
{
	b->pool = test_pool_make("least-connections", n, weights);
	test_pool_build(b->pool);
	for (unsigned int i = 0; i < WORKERS; i++)
		b->w[i] = test_worker_make(i, WORKERS);
	sched_workers_join(b->w, WORKERS);
}

static void bed_free(struct bed *b)
{
	for (unsigned int i = 0; i < WORKERS; i++)
		test_worker_free(b->w[i]);
	test_pool_free(b->pool);
}

/* Picks at a worker and opens the flow, as l4 does. */
static int open_at(struct bed *b, unsigned int worker)
{
	int i = sched_pick(b->pool, b->w[worker], &any);

	assert_in_range(i, 0, b->pool->n_servers - 1);
	b->w[worker]->load[b->pool->servers[i].slot]++;
	return i;
}

static uint32_t open_flows(const struct bed *b, unsigned int server)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < WORKERS; i++)
		sum += b->w[i]->load[b->pool->servers[server].slot];
	return sum;
}

static void new_millisecond(struct bed *b)
{
	for (unsigned int i = 0; i < WORKERS; i++)
		b->w[i]->now_ms++;
}

static void the_least_loaded_of_all_workers(void **state)
{
	struct bed b;

	bed_make(&b, 4, NULL);
	for (unsigned int i = 0; i < WORKERS; i++)
		for (unsigned int s = 0; s < 4; s++)
			b.w[i]->load[b.pool->servers[s].slot] = 10;
	/* Only the sum shows that server 2 has the least. */
	b.w[0]->load[b.pool->servers[2].slot] = 12;
	b.w[1]->load[b.pool->servers[2].slot] = 9;
	b.w[2]->load[b.pool->servers[2].slot] = 8;
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_int_equal(sched_pick(b.pool, b.w[i], &any), 2);
	bed_free(&b);
}

/* Against a plain computation with fractions, for random loads and weights. */
static void the_lowest_ratio(void **state)
{
	uint64_t random = 1;

	for (unsigned int trial = 0; trial < 200; trial++) {
		unsigned int n = 1 + test_random(&random, 100), at;
		uint32_t weight_max = trial % 2 ? 10 : 65535;
		uint16_t weights[100];
		double least = 1e30, got;
		struct bed b;
		int pick;

		for (unsigned int i = 0; i < n; i++)
			weights[i] = (uint16_t)test_random(&random, weight_max + 1);
		weights[n - 1] = 1;
		bed_make(&b, n, weights);
		for (unsigned int i = 0; i < n; i++) {
			double ratio;

			for (unsigned int k = 0; k < WORKERS; k++)
				b.w[k]->load[b.pool->servers[i].slot] =
					test_random(&random, 1 + weights[i] * 20u);
			ratio = weights[i] ? (open_flows(&b, i) + 1.0) / weights[i] : 1e30;
			least = ratio < least ? ratio : least;
		}
		at = test_random(&random, WORKERS);
		pick = sched_pick(b.pool, b.w[at], &any);
		assert_in_range(pick, 0, n - 1);
		assert_int_not_equal(weights[pick], 0);
		got = (open_flows(&b, (unsigned int)pick) + 1.0) / weights[pick];
		assert_true(got <= least * 1.0001);
		bed_free(&b);
	}
}

static void equal_loads_take_turns(void **state)
{
	static const uint16_t weights[5] = { 3, 3, 0, 3, 3 };
	unsigned int count[5] = { 0 };
	struct bed b;

	bed_make(&b, 5, weights);
	for (unsigned int k = 0; k < 40; k++) {
		int i = sched_pick(b.pool, b.w[0], &any);

		assert_in_range(i, 0, 4);
		count[i]++;
	}
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(count[i], i == 2 ? 0 : 10);
	bed_free(&b);
}

/* Ratios that are equal only as fractions: 3/3, 7/7 and 11/11 must not be told apart by rounding.
 */
static void equal_ratios_of_unequal_weights_take_turns(void **state)
{
	static const uint16_t weights[3] = { 65535, 39321, 60000 };
	unsigned int count[3] = { 0 };
	struct bed b;

	bed_make(&b, 3, weights);
	for (unsigned int i = 0; i < 3; i++)
		b.w[0]->load[b.pool->servers[i].slot] = weights[i] - 1u;
	for (unsigned int k = 0; k < 30; k++)
		count[sched_pick(b.pool, b.w[0], &any)]++;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(count[i], 10);
	bed_free(&b);
}

/* Flows that stay open end up in proportion to weights, whichever workers open them. */
static void shares_follow_weights(void **state)
{
	static const uint16_t weights[6] = { 1, 2, 3, 4, 0, 10 };
	uint64_t random = 3;
	struct bed b;

	bed_make(&b, 6, weights);
	for (unsigned int k = 0; k < 20000; k++) {
		open_at(&b, test_random(&random, WORKERS));
		if (k % 10 == 0)
			new_millisecond(&b);
	}
	for (unsigned int i = 0; i < 6; i++) {
		double share = open_flows(&b, i) / (weights[i] * 1000.0);

		if (weights[i] == 0)
			assert_int_equal(open_flows(&b, i), 0);
		else
			assert_true(share > 0.99 && share < 1.01);
	}
	bed_free(&b);
}

/* A worker learns of the others' flows in the next millisecond, and without one after some picks.
 */
static void others_are_read_again(void **state)
{
	unsigned int picks = 0;
	struct bed b;

	bed_make(&b, 2, NULL);
	b.w[1]->load[b.pool->servers[0].slot] = 1000;
	for (unsigned int k = 0; k < 4; k++)
		assert_int_equal(open_at(&b, 0), 1);
	b.w[1]->load[b.pool->servers[0].slot] = 0;
	new_millisecond(&b);
	assert_int_equal(open_at(&b, 0), 0);
	b.w[1]->load[b.pool->servers[0].slot] = 1000;
	new_millisecond(&b);
	assert_int_equal(open_at(&b, 0), 1);
	b.w[1]->load[b.pool->servers[0].slot] = 0;
	while (open_at(&b, 0) != 0)
		assert_in_range(picks++, 0, 2);
	bed_free(&b);
}

/* Three workers that open flows within the same millisecond, knowing little of each other. */
static void a_rush_stays_even(void **state)
{
	struct bed b;

	bed_make(&b, 100, NULL);
	for (unsigned int k = 0; k < 30000; k++)
		open_at(&b, k % WORKERS);
	for (unsigned int i = 0; i < 100; i++)
		assert_in_range(open_flows(&b, i), 297, 303);
	bed_free(&b);
}

/* A server that comes back empty is filled up first. */
static void a_newcomer_catches_up(void **state)
{
	struct bed b;

	bed_make(&b, 3, NULL);
	b.w[0]->load[b.pool->servers[0].slot] = 50;
	b.w[1]->load[b.pool->servers[1].slot] = 50;
	for (unsigned int k = 0; k < 49; k++)
		assert_int_equal(open_at(&b, 2), 2);
	bed_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_loaded_of_all_workers),
		cmocka_unit_test(the_lowest_ratio),
		cmocka_unit_test(equal_loads_take_turns),
		cmocka_unit_test(equal_ratios_of_unequal_weights_take_turns),
		cmocka_unit_test(shares_follow_weights),
		cmocka_unit_test(others_are_read_again),
		cmocka_unit_test(a_rush_stays_even),
		cmocka_unit_test(a_newcomer_catches_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

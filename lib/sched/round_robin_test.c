/* SPDX-License-Identifier: BSD-3-Clause */
#include "sched_test.h"

#define N_MAX 1000

static const struct sched_key any;

static void count_picks(
	const struct pool *p, struct sched_worker *w, unsigned int n, uint32_t *count)
{
	memset(count, 0, N_MAX * sizeof(*count));
	for (unsigned int k = 0; k < n; k++) {
		int i = sched_pick(p, w, &any);

		assert_in_range(i, 0, p->n_servers - 1);
		count[i]++;
	}
}

static void equal_weights_take_turns(void **state)
{
	static const uint16_t weights[4] = { 700, 700, 700, 700 };
	struct pool *p = test_pool_make("round-robin", 4, weights);
	struct sched_worker *w = test_worker_make(0, 1);

	test_pool_build(p);
	for (unsigned int k = 0; k < 12; k++)
		assert_int_equal(sched_pick(p, w, &any), k % 4);
	/* Four entries are enough. */
	assert_int_equal(w->position[p->slot], 0);
	test_pool_free(p);
	test_worker_free(w);
}

static void small_weights_are_interleaved(void **state)
{
	static const uint16_t weights[4] = { 5, 1, 0, 1 };
	static const int expected[7] = { 0, 0, 0, 1, 0, 0, 3 };
	struct pool *p = test_pool_make("round-robin", 4, weights);
	struct sched_worker *w = test_worker_make(0, 1);

	test_pool_build(p);
	for (unsigned int k = 0; k < 21; k++)
		assert_int_equal(sched_pick(p, w, &any), expected[k % 7]);
	test_pool_free(p);
	test_worker_free(w);
}

/* After any number of picks each server has had its share, give or take less than one pick. */
static void assert_smooth(const struct pool *p, uint32_t len, const uint32_t *share)
{
	struct sched_worker *w = test_worker_make(0, 1);
	uint32_t had[N_MAX] = { 0 };

	for (uint64_t t = 1; t <= 2ull * len; t++) {
		had[sched_pick(p, w, &any)]++;
		for (unsigned int i = 0; i < p->n_servers; i++) {
			/* |had - t * share / len| < 1 */
			int64_t off = (int64_t)((uint64_t)had[i] * len) - (int64_t)(t * share[i]);

			if (off >= (int64_t)len || off <= -(int64_t)len)
				fail_msg(
					"server %u had %u of the first %u", i, had[i], (uint32_t)t);
		}
	}
	for (unsigned int i = 0; i < p->n_servers; i++)
		assert_int_equal(had[i], 2 * share[i]);
	test_worker_free(w);
}

static void random_weights_are_exact_and_smooth(void **state)
{
	uint64_t random = 1;

	for (unsigned int trial = 0; trial < 60; trial++) {
		unsigned int n = 1 + test_random(&random, 40);
		uint32_t common = 1 + test_random(&random, 300), share[40], len = 0;
		uint16_t weights[40];

		for (unsigned int i = 0; i < n; i++) {
			/* The first keeps the common divisor from growing. */
			share[i] = i == 0 ? 1 : test_random(&random, trial % 2 ? 100 : 4);
			weights[i] = (uint16_t)(share[i] * common);
			len += share[i];
		}
		struct pool *p = test_pool_make("round-robin", n, weights);

		test_pool_build(p);
		assert_smooth(p, len, share);
		test_pool_free(p);
	}
}

/* Weights whose sum is beyond any sequence: within 1 % of each server's share. */
static void large_weights_within_one_percent(void **state)
{
	static const uint16_t weights[5] = { 65535, 65521, 32749, 16381, 8191 };
	struct pool *p = test_pool_make("round-robin", 5, weights);
	struct sched_worker *w = test_worker_make(0, 1);
	uint32_t count[N_MAX];
	double sum = 0;

	test_pool_build(p);
	for (unsigned int i = 0; i < 5; i++)
		sum += weights[i];
	count_picks(p, w, 16384 * 20, count);
	for (unsigned int i = 0; i < 5; i++) {
		double ratio = count[i] / (16384 * 20.0) / (weights[i] / sum);

		assert_true(ratio > 0.99 && ratio < 1.01);
	}
	test_pool_free(p);
	test_worker_free(w);
}

static void many_servers_within_one_percent(void **state)
{
	struct sched_worker *w = test_worker_make(0, 1);
	uint16_t weights[N_MAX];
	uint32_t count[N_MAX];
	uint64_t random = 2;
	double sum = 0;
	struct pool *p;

	for (unsigned int i = 0; i < N_MAX; i++)
		sum += weights[i] = (uint16_t)(40000 + test_random(&random, 25535));
	p = test_pool_make("round-robin", N_MAX, weights);
	test_pool_build(p);
	count_picks(p, w, 128 * N_MAX * 5, count);
	for (unsigned int i = 0; i < N_MAX; i++) {
		double ratio = count[i] / (128 * N_MAX * 5.0) / (weights[i] / sum);

		assert_true(ratio > 0.99 && ratio < 1.01);
	}
	test_pool_free(p);
	test_worker_free(w);
}

static void the_lightest_is_not_forgotten(void **state)
{
	static const uint16_t weights[4] = { 65535, 1, 0, 65535 };
	struct pool *p = test_pool_make("round-robin", 4, weights);
	struct sched_worker *w = test_worker_make(0, 1);
	uint32_t count[N_MAX];

	test_pool_build(p);
	count_picks(p, w, 16400, count);
	assert_in_range(count[1], 1, 2);
	assert_int_equal(count[2], 0);
	test_pool_free(p);
	test_worker_free(w);
}

/* Four workers in step over eight equal servers: in each step four different ones, spread apart. */
static void workers_start_apart(void **state)
{
	struct pool *p = test_pool_make("round-robin", 8, NULL);
	struct sched_worker *w[4];

	test_pool_build(p);
	for (unsigned int i = 0; i < 4; i++)
		w[i] = test_worker_make(i, 4);
	for (unsigned int k = 0; k < 16; k++)
		for (unsigned int i = 0; i < 4; i++)
			assert_int_equal(sched_pick(p, w[i], &any), (k + 2 * i) % 8);
	for (unsigned int i = 0; i < 4; i++)
		test_worker_free(w[i]);
	test_pool_free(p);
}

/* A worker goes on where it was when the table is replaced, and starts anew where that is too far.
 */
static void place_survives_a_new_table(void **state)
{
	struct pool *p = test_pool_make("round-robin", 6, NULL);
	struct sched_worker *w = test_worker_make(0, 1);

	test_pool_build(p);
	for (int k = 0; k < 4; k++)
		assert_int_equal(sched_pick(p, w, &any), k);
	p->servers[0].effective_weight = 0;
	sched_pool_destroy(p);
	test_pool_build(p);
	assert_int_equal(sched_pick(p, w, &any), 5);
	assert_int_equal(sched_pick(p, w, &any), 1);
	w->position[p->slot] = 5;
	assert_int_equal(sched_pick(p, w, &any), 1);
	test_pool_free(p);
	test_worker_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_weights_take_turns),
		cmocka_unit_test(small_weights_are_interleaved),
		cmocka_unit_test(random_weights_are_exact_and_smooth),
		cmocka_unit_test(large_weights_within_one_percent),
		cmocka_unit_test(many_servers_within_one_percent),
		cmocka_unit_test(the_lightest_is_not_forgotten),
		cmocka_unit_test(workers_start_apart),
		cmocka_unit_test(place_survives_a_new_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

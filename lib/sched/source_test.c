/* SPDX-License-Identifier: BSD-3-Clause */
#include "sched_test.h"

static struct sched_key client(uint32_t n)
{
	return (struct sched_key){ .src = addr_from_v4(rte_cpu_to_be_32(0x0a000000 + n)),
		.proto = 6 };
}

static void only_the_source_counts(void **state)
{
	struct pool *p = test_pool_make("source", 20, NULL);
	struct sched_worker *w[2] = { test_worker_make(0, 2), test_worker_make(1, 2) };

	test_pool_build(p);
	for (uint32_t n = 0; n < 500; n++) {
		struct sched_key key = client(n);
		int pick = sched_pick(p, w[0], &key);

		key.dst = addr_from_v4(n + 1);
		key.sport = (rte_be16_t)(n * 7 + 1);
		key.dport = 443;
		key.proto = 17;
		assert_int_equal(sched_pick(p, w[0], &key), pick);
		assert_int_equal(sched_pick(p, w[1], &key), pick);
	}
	test_pool_free(p);
	test_worker_free(w[0]);
	test_worker_free(w[1]);
}

static void clients_spread_by_weight(void **state)
{
	static const uint16_t weights[4] = { 1, 2, 0, 5 };
	struct pool *p = test_pool_make("source", 4, weights);
	struct sched_worker *w = test_worker_make(0, 1);
	unsigned int count[4] = { 0 };
	const unsigned int clients = 400000;

	test_pool_build(p);
	for (uint32_t n = 0; n < clients; n++) {
		struct sched_key key = client(n);

		count[sched_pick(p, w, &key)]++;
	}
	for (unsigned int i = 0; i < 4; i++) {
		double expected = clients * weights[i] / 8.0;

		/* Two per cent is six deviations of the smallest share. */
		assert_true(count[i] >= expected * 0.98 && count[i] <= expected * 1.02);
	}
	test_pool_free(p);
	test_worker_free(w);
}

static void clients_stay_when_another_server_goes(void **state)
{
	struct pool *before = test_pool_make("source", 100, NULL);
	struct pool *after = test_pool_make("source", 100, NULL);
	struct sched_worker *w = test_worker_make(0, 1);
	unsigned int stayed = 0, moved = 0;

	after->servers[42].effective_weight = 0;
	test_pool_build(before);
	test_pool_build(after);
	for (uint32_t n = 0; n < 100000; n++) {
		struct sched_key key = client(n);
		int a = sched_pick(before, w, &key), b = sched_pick(after, w, &key);

		assert_int_not_equal(b, 42);
		if (a != 42) {
			stayed += a == b;
			moved += a != b;
		}
	}
	assert_true(moved < 0.008 * (stayed + moved));
	test_pool_free(before);
	test_pool_free(after);
	test_worker_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_source_counts),
		cmocka_unit_test(clients_spread_by_weight),
		cmocka_unit_test(clients_stay_when_another_server_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "sched_test.h"
#include "test_eal.h"

static const char *const names[] = { "round-robin", "least-connections", "source", "maglev" };

static void find(void **state)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct sched_ops *ops = sched_find(names[i]);

		assert_non_null(ops);
		assert_string_equal(ops->name, names[i]);
	}
	while (sched_list[n])
		n++;
	assert_int_equal(n, sizeof(names) / sizeof(*names));
	assert_null(sched_find("round_robin"));
	assert_null(sched_find(""));
}

/* Whatever the scheduler: no server, one server, servers of weight 0. */
static void few_servers(void **state)
{
	static const uint16_t none[3] = { 0, 0, 0 }, middle[3] = { 0, 7, 0 };

	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct sched_worker *w = test_worker_make(1, 2);
		struct sched_key key = { .proto = 6 };
		struct pool *empty = test_pool_make(names[i], 0, NULL);
		struct pool *drained = test_pool_make(names[i], 3, none);
		struct pool *one = test_pool_make(names[i], 3, middle);

		test_pool_build(empty);
		test_pool_build(drained);
		test_pool_build(one);
		for (unsigned int k = 0; k < 100; k++) {
			key.src.w[3] = k;
			assert_int_equal(sched_pick(empty, w, &key), -1);
			assert_int_equal(sched_pick(drained, w, &key), -1);
			assert_int_equal(sched_pick(one, w, &key), 1);
		}
		test_pool_free(empty);
		test_pool_free(drained);
		test_pool_free(one);
		test_worker_free(w);
	}
}

/* The effective weight is what counts; it changes, and so does the table. */
static void rebuilt_with_other_weights(void **state)
{
	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct sched_worker *w = test_worker_make(0, 1);
		struct pool *p = test_pool_make(names[i], 10, NULL);
		struct sched_key key = { .proto = 17 };

		for (unsigned int drained = 0; drained < 10; drained++) {
			p->servers[drained].effective_weight = 0;
			test_pool_build(p);
			for (unsigned int k = 0; k < 200; k++) {
				key.src.w[3] = k;
				int pick = sched_pick(p, w, &key);

				if (drained == 9)
					assert_int_equal(pick, -1);
				else
					assert_in_range(pick, drained + 1, 9);
			}
			sched_pool_destroy(p);
		}
		test_pool_free(p);
		test_worker_free(w);
	}
}

static void maglev_beside_another_scheduler(void **state)
{
	for (unsigned int i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct pool *p = test_pool_make(names[i], 5, NULL);
		struct pool *maglev = test_pool_make("maglev", 5, NULL);
		struct sched_worker *w = test_worker_make(0, 1);
		struct sched_key key = { .proto = 6 };

		assert_int_equal(sched_pool_build(p, &test_cluster, true), 0);
		test_pool_build(maglev);
		assert_null(maglev->maglev_table);
		for (unsigned int k = 0; k < 100; k++) {
			key.sport = (rte_be16_t)k;
			assert_int_equal(
				maglev_pick(p->maglev_table, &key), sched_pick(maglev, w, &key));
		}
		test_pool_free(p);
		test_pool_free(maglev);
		test_worker_free(w);
	}
}

static void *no_memory(const struct pool *pool, const struct hash_key *key)
{
	errno = ENOMEM;
	return NULL;
}

static void failure_to_build(void **state)
{
	static const struct sched_ops failing = { .name = "failing", .build = no_memory };
	struct pool *p = test_pool_make("maglev", 2, NULL);

	p->sched = &failing;
	assert_int_equal(sched_pool_build(p, &test_cluster, true), -ENOMEM);
	assert_null(p->sched_table);
	assert_null(p->maglev_table);
	test_pool_free(p);
}

static void workers(void **state)
{
	struct sched_worker *w[3];

	for (unsigned int i = 0; i < 3; i++) {
		w[i] = sched_worker_create(i, 3, SOCKET_ID_ANY);
		assert_non_null(w[i]);
		assert_int_equal(w[i]->load[0], 0);
		assert_int_equal(w[i]->load[MODEL_SERVERS_MAX - 1], 0);
		w[i]->load[MODEL_SERVERS_MAX - 1] = i + 1;
		assert_int_equal(w[i]->position[MODEL_POOLS_MAX - 1], UINT32_MAX);
	}
	sched_workers_join(w, 3);
	for (unsigned int i = 0; i < 3; i++)
		for (unsigned int j = 0; j < 3; j++)
			assert_int_equal(w[i]->others[j][MODEL_SERVERS_MAX - 1], j + 1);
	for (unsigned int i = 0; i < 3; i++)
		sched_worker_destroy(w[i]);
	sched_worker_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(find),
		cmocka_unit_test(few_servers),
		cmocka_unit_test(rebuilt_with_other_weights),
		cmocka_unit_test(maglev_beside_another_scheduler),
		cmocka_unit_test(failure_to_build),
		cmocka_unit_test(workers),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

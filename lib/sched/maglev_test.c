/* SPDX-License-Identifier: BSD-3-Clause */
#include "sched_priv.h"
#include "sched_test.h"

/* The server whose name is s<number> in each slot: to compare tables of different pools. */
struct owners {
	uint16_t of[MAGLEV_SLOTS];
};

static struct owners owners_of(struct pool *p, const struct hash_key *key)
{
	struct maglev_table *t = maglev_table_build(p, key);
	struct owners o;

	assert_non_null(t);
	for (unsigned int s = 0; s < MAGLEV_SLOTS; s++) {
		assert_in_range(t->slot[s], 0, p->n_servers - 1);
		o.of[s] = (uint16_t)atoi(p->servers[t->slot[s]].name + 1);
	}
	maglev_table_destroy(t);
	return o;
}

/* Lowest and highest share of a server, as a multiple of what its weight is worth. */
struct spread {
	double low, high;
};

static struct spread spread_of(const struct owners *o, const struct pool *p)
{
	static unsigned int count[MODEL_SERVERS_MAX];
	struct spread s = { 1e9, 0 };
	double sum = 0;

	memset(count, 0, sizeof(count));
	for (unsigned int i = 0; i < MAGLEV_SLOTS; i++)
		count[o->of[i]]++;
	for (unsigned int i = 0; i < p->n_servers; i++)
		sum += p->servers[i].effective_weight;
	for (unsigned int i = 0; i < p->n_servers; i++) {
		unsigned int got = count[atoi(p->servers[i].name + 1)];
		double worth = p->servers[i].effective_weight / sum * MAGLEV_SLOTS;

		if (worth == 0) {
			assert_int_equal(got, 0);
			continue;
		}
		s.low = got / worth < s.low ? got / worth : s.low;
		s.high = got / worth > s.high ? got / worth : s.high;
	}
	return s;
}

/* Part of the slots that changed hands, of those that did not belong to `gone` before. */
static double moved(const struct owners *before, const struct owners *after, int gone)
{
	unsigned int kept = 0, changed = 0;

	for (unsigned int i = 0; i < MAGLEV_SLOTS; i++) {
		if (before->of[i] == gone)
			continue;
		kept += before->of[i] == after->of[i];
		changed += before->of[i] != after->of[i];
	}
	return (double)changed / (kept + changed);
}

static void shares_are_even(void **state)
{
	static const unsigned int sizes[] = { 1, 2, 3, 7, 20, 50, 100, 200, 1000 };
	static const double bound[] = { 1.001, 1.001, 1.002, 1.005, 1.01, 1.02, 1.03, 1.08, 1.4 };

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct pool *p = test_pool_make("maglev", sizes[i], NULL);
		struct owners o = owners_of(p, &test_cluster);
		struct spread s = spread_of(&o, p);

		print_message("# %u servers: shares from %.4f to %.4f of their due, max/min %.4f\n",
			sizes[i], s.low, s.high, s.high / s.low);
		assert_true(s.high / s.low < bound[i]);
		test_pool_free(p);
	}
}

static void shares_follow_weights(void **state)
{
	static const uint16_t few[6] = { 1, 2, 0, 3, 10, 100 };
	static const uint16_t wide[3] = { 65535, 65535, 6553 };
	uint16_t many[100];
	struct owners o;
	struct spread s;
	struct pool *p;

	for (unsigned int i = 0; i < 100; i++)
		many[i] = (uint16_t)(10 + i);
	p = test_pool_make("maglev", 6, few);
	o = owners_of(p, &test_cluster);
	s = spread_of(&o, p);
	assert_true(s.low > 0.98 && s.high < 1.02);
	test_pool_free(p);
	p = test_pool_make("maglev", 3, wide);
	o = owners_of(p, &test_cluster);
	s = spread_of(&o, p);
	assert_true(s.low > 0.99 && s.high < 1.01);
	test_pool_free(p);
	p = test_pool_make("maglev", 100, many);
	o = owners_of(p, &test_cluster);
	s = spread_of(&o, p);
	print_message(
		"# weights 10 to 109: shares from %.4f to %.4f of their due\n", s.low, s.high);
	assert_true(s.low > 0.95 && s.high < 1.05);
	test_pool_free(p);
}

/* Takes server i out of a pool's list. */
static struct pool *without(unsigned int n, unsigned int gone, const uint16_t *weights)
{
	struct pool *p = test_pool_make("maglev", n, weights);

	for (unsigned int i = gone; i + 1 < n; i++)
		p->servers[i] = p->servers[i + 1];
	p->n_servers--;
	return p;
}

static void removing_one_of_100_moves_little_else(void **state)
{
	struct pool *p = test_pool_make("maglev", 100, NULL);
	struct owners before = owners_of(p, &test_cluster);
	double worst = 0;

	for (int gone = 0; gone < 100; gone++) {
		struct pool *q = without(100, (unsigned int)gone, NULL);
		struct owners after = owners_of(q, &test_cluster);
		double part = moved(&before, &after, gone);

		worst = part > worst ? part : worst;
		test_pool_free(q);
	}
	print_message(
		"# removing one of 100: at most %.3f %% of the others' slots moved\n", 100 * worst);
	assert_true(worst <= 0.005);
	test_pool_free(p);
}

static void removing_among_few_or_many_moves_little_else(void **state)
{
	static const unsigned int sizes[] = { 2, 3, 5, 10, 30, 300, 1000 };

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct pool *p = test_pool_make("maglev", sizes[i], NULL);
		struct pool *q = without(sizes[i], sizes[i] / 2, NULL);
		struct owners before = owners_of(p, &test_cluster);
		struct owners after = owners_of(q, &test_cluster);
		double part = moved(&before, &after, (int)sizes[i] / 2);

		print_message("# removing one of %u: %.3f %%\n", sizes[i], 100 * part);
		assert_true(part <= 0.008);
		test_pool_free(p);
		test_pool_free(q);
	}
}

/* A server that takes no new flows is as good as gone. */
static void drained_is_removed(void **state)
{
	struct pool *p = test_pool_make("maglev", 50, NULL);
	struct pool *q = without(50, 17, NULL);
	struct owners drained, removed;

	p->servers[17].effective_weight = 0;
	drained = owners_of(p, &test_cluster);
	removed = owners_of(q, &test_cluster);
	assert_memory_equal(&drained, &removed, sizeof(drained));
	test_pool_free(p);
	test_pool_free(q);
}

static void ten_of_100_gone(void **state)
{
	struct pool *p = test_pool_make("maglev", 100, NULL);
	struct owners before = owners_of(p, &test_cluster), after;
	unsigned int changed = 0;

	for (unsigned int i = 0; i < 10; i++)
		p->servers[i * 10].effective_weight = 0;
	after = owners_of(p, &test_cluster);
	for (unsigned int i = 0; i < MAGLEV_SLOTS; i++)
		changed += before.of[i] % 10 != 0 && before.of[i] != after.of[i];
	assert_true(changed < 0.02 * MAGLEV_SLOTS);
	test_pool_free(p);
}

static void assert_order_does_not_matter(unsigned int n, const uint16_t *weights)
{
	struct pool *p = test_pool_make("maglev", n, weights);
	struct owners before = owners_of(p, &test_cluster), after;
	uint64_t random = 5;

	for (unsigned int i = n - 1; i > 0; i--) {
		unsigned int j = test_random(&random, i + 1);
		struct server s = p->servers[i];

		p->servers[i] = p->servers[j];
		p->servers[j] = s;
	}
	after = owners_of(p, &test_cluster);
	assert_memory_equal(&before, &after, sizeof(before));
	test_pool_free(p);
}

static void order_does_not_matter(void **state)
{
	uint16_t weights[60];
	uint64_t random = 5;

	for (unsigned int i = 0; i < 60; i++)
		weights[i] = (uint16_t)test_random(&random, 50);
	assert_order_does_not_matter(60, weights);
	/* So many of one weight that two reach a slot at the same time now and then. */
	assert_order_does_not_matter(1000, NULL);
}

/* Only ratios of weights count. */
static void common_factor_does_not_matter(void **state)
{
	static const uint16_t small[3] = { 2, 3, 4 }, large[3] = { 2000, 3000, 4000 };
	struct pool *p = test_pool_make("maglev", 3, small),
		    *q = test_pool_make("maglev", 3, large);
	struct owners a = owners_of(p, &test_cluster), b = owners_of(q, &test_cluster);

	assert_memory_equal(&a, &b, sizeof(a));
	test_pool_free(p);
	test_pool_free(q);
}

/* From weight 100 to 90 of 100 servers: it gives up a tenth of its slots; next to nothing else
 * moves. */
static void weight_change_moves_little(void **state)
{
	uint16_t weights[100];
	struct owners before, after;
	struct pool *p;

	for (unsigned int i = 0; i < 100; i++)
		weights[i] = 100;
	p = test_pool_make("maglev", 100, weights);
	before = owners_of(p, &test_cluster);
	p->servers[5].effective_weight = 90;
	after = owners_of(p, &test_cluster);
	assert_true(moved(&before, &after, 5) < 0.005);
	assert_true(moved(&before, &after, -1) < 0.006);
	test_pool_free(p);
}

static void another_key_is_another_table(void **state)
{
	struct hash_key other = { { 1, 2 } };
	struct pool *p = test_pool_make("maglev", 10, NULL);
	struct owners a = owners_of(p, &test_cluster), b = owners_of(p, &other);
	double part = moved(&a, &b, -1);

	assert_true(part > 0.85 && part < 0.95);
	test_pool_free(p);
}

/*
 * The table itself must not change between versions: balancers of a cluster are upgraded one after
 * the other. A hash over all slots of a pool of mixed weights.
 */
static void table_is_the_same_everywhere(void **state)
{
	uint16_t weights[30];
	struct owners o;
	struct pool *p;

	for (unsigned int i = 0; i < 30; i++)
		weights[i] = (uint16_t)(1 + i * i);
	p = test_pool_make("maglev", 30, weights);
	o = owners_of(p, &test_cluster);
	for (unsigned int i = 0; i < MAGLEV_SLOTS; i++)
		o.of[i] = rte_cpu_to_le_16(o.of[i]);
	assert_int_equal(hash_siphash(&test_cluster, &o, sizeof(o)), 0xaafb39be11fa34e4u);
	test_pool_free(p);
}

static void every_part_of_the_tuple_counts(void **state)
{
	struct pool *p = test_pool_make("maglev", 100, NULL);
	struct sched_worker *w = test_worker_make(0, 1);
	unsigned int other[5] = { 0 };

	test_pool_build(p);
	for (uint32_t n = 0; n < 1000; n++) {
		struct sched_key key = {
			.src = addr_from_v4(n), .dst = addr_from_v4(7), .proto = 6
		};
		struct sched_key changed[5] = { key, key, key, key, key };
		int pick = sched_pick(p, w, &key);

		assert_int_equal(sched_pick(p, w, &key), pick);
		changed[0].src.b[15] ^= 1;
		changed[1].dst.b[0] ^= 1;
		changed[2].sport ^= 1;
		changed[3].dport ^= 1;
		changed[4].proto ^= 1;
		for (unsigned int i = 0; i < 5; i++)
			other[i] += sched_pick(p, w, &changed[i]) != pick;
	}
	for (unsigned int i = 0; i < 5; i++)
		assert_in_range(other[i], 970, 1000);
	test_pool_free(p);
	test_worker_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_even),
		cmocka_unit_test(shares_follow_weights),
		cmocka_unit_test(removing_one_of_100_moves_little_else),
		cmocka_unit_test(removing_among_few_or_many_moves_little_else),
		cmocka_unit_test(drained_is_removed),
		cmocka_unit_test(ten_of_100_gone),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(common_factor_does_not_matter),
		cmocka_unit_test(weight_change_moves_little),
		cmocka_unit_test(another_key_is_another_table),
		cmocka_unit_test(table_is_the_same_everywhere),
		cmocka_unit_test(every_part_of_the_tuple_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

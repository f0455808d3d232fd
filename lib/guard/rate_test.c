/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates of sources against a token bucket counted in fractions, with a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_byteorder.h>

#include "rate.h"
#include "test_eal.h"

static const struct hash_key secret = { { 1, 2 } };

static uint64_t state;

static uint32_t next(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33);
}

static struct source_rate rule_of(uint32_t connections, uint32_t burst)
{
	return (struct source_rate){ .scope = 7,
		.connections = connections,
		.burst = burst,
		.prefix_v4 = 32,
		.prefix_v6 = 64 };
}

static struct addr client(uint32_t n)
{
	return addr_from_v4(rte_cpu_to_be_32(0x0a000000 + n));
}

static bool opens(
	struct rate_table *t, const struct source_rate *rule, const struct addr *a, uint32_t now)
{
	return rate_admit(t, rate_hash(t, rule, a), rule, now);
}

static unsigned int opens_many(struct rate_table *t, const struct source_rate *rule,
	const struct addr *a, uint32_t now, unsigned int n)
{
	unsigned int admitted = 0;

	while (n--)
		admitted += opens(t, rule, a, now);
	return admitted;
}

static uint64_t evicted(const struct rate_table *t)
{
	struct rate_stats s;

	rate_stats(t, &s);
	return s.evicted;
}

/* Those whose buckets are not full, exactly in a small table and nearly in a large one. */
static void test_used(void **unused)
{
	static const uint32_t sizes[] = { 4096, 1 << 20 };
	const struct source_rate rule = rule_of(10, 20); /* a token takes 100 ms */

	for (unsigned int s = 0; s < 2; s++) {
		struct rate_table *t = rate_create(sizes[s], &secret, SOCKET_ID_ANY);
		const uint32_t start = UINT32_MAX - 50, n = sizes[s] / 8;

		assert_non_null(t);
		assert_int_equal(rate_used(t, start), 0);
		for (uint32_t i = 0; i < n; i++) {
			struct addr a = client(i);

			assert_true(opens(t, &rule, &a, start));
			if (i % 2 == 0)
				assert_true(opens(t, &rule, &a, start));
		}
		/* Few sets have more than four of them. */
		assert_in_range(rate_used(t, start), n * 9 / 10, n * 11 / 10);
		if (s == 0)
			assert_in_range(rate_used(t, start), n - evicted(t), n - evicted(t));
		assert_in_range(rate_used(t, start + 150), n * 9 / 20, n * 11 / 20);
		assert_int_equal(rate_used(t, start + 201), 0);
		rate_destroy(t);
	}
}

static void test_burst(void **unused)
{
	struct rate_table *t = rate_create(1024, &secret, SOCKET_ID_ANY);
	const struct source_rate rule = rule_of(10, 25);
	const struct addr a = client(1), b = client(2);
	/* At the start, in the middle, and where the clock comes round. */
	const uint32_t starts[] = { 0, 1000000, UINT32_MAX - 500 };

	assert_non_null(t);
	for (unsigned int i = 0; i < 3; i++) {
		const uint32_t now = starts[i];

		assert_int_equal(opens_many(t, &rule, &a, now, 100), 25);
		assert_false(opens(t, &rule, &a, now + 99));
		assert_int_equal(opens_many(t, &rule, &a, now + 100, 100), 1);
		assert_int_equal(opens_many(t, &rule, &a, now + 1100, 100), 10);
		/* Another source has its own. */
		assert_int_equal(opens_many(t, &rule, &b, now + 1100, 100), 25);
		/* It never holds more than a burst. */
		assert_int_equal(opens_many(t, &rule, &a, now + 500000, 100), 25);
	}
	assert_int_equal(evicted(t), 0);
	rate_destroy(t);
}

/* What is turned away costs nothing: a source that tries all the time gets its rate, exactly. */
static void test_exact(void **unused)
{
	static const uint32_t rates[] = { 1, 3, 7, 100, 999, 1000, 1001, 12345, 1000000 };
	struct rate_table *t = rate_create(1024, &secret, SOCKET_ID_ANY);

	for (unsigned int i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		const uint32_t burst = rates[i] / 1000 + 2;
		const struct source_rate rule = rule_of(rates[i], burst);
		const struct addr a = client(100 + i);
		const unsigned int each = rates[i] / 1000 + 2;
		uint64_t admitted = 0;

		for (uint32_t ms = 0; ms < 60000; ms++)
			admitted += opens_many(t, &rule, &a, 5000 + ms, each);
		assert_in_range(
			admitted, UINT64_C(60) * rates[i] - 1, UINT64_C(60) * rates[i] + burst);
	}
	rate_destroy(t);
}

/* Random rules and times beside tokens counted in fractions of the rate. */
static void test_model(void **unused)
{
	struct rate_table *t = rate_create(65536, &secret, SOCKET_ID_ANY);

	for (unsigned int round = 0; round < 300; round++) {
		const uint32_t rate = 1 + next() % 2000, burst = 1 + next() % 100;
		const struct source_rate rule = rule_of(rate, burst);
		const struct addr a = client(1000 + round);
		/* Tokens times 1000, and a sliver for what rounding leaves. */
		uint64_t tokens = UINT64_C(1000) * burst;
		uint32_t now = next() * 2;

		for (unsigned int i = 0; i < 300; i++) {
			const uint32_t pause = next() % 3 ? next() % 3 : next() % 2000;
			bool got;

			now += pause;
			tokens += (uint64_t)pause * rate;
			if (tokens > UINT64_C(1000) * burst)
				tokens = UINT64_C(1000) * burst;
			got = opens(t, &rule, &a, now);
			assert_int_equal(got, tokens >= 1000);
			if (got)
				tokens -= 1000;
		}
	}
	assert_int_equal(evicted(t), 0);
	rate_destroy(t);
}

static void test_sources(void **unused)
{
	struct rate_table *t = rate_create(1024, &secret, SOCKET_ID_ANY);
	struct source_rate rule = rule_of(10, 1), other;
	struct addr a, b;

	addr_parse("2001:db8::1", &a);
	addr_parse("2001:db8::ffff:0:0:1", &b);
	assert_true(opens(t, &rule, &a, 0));
	assert_false(opens(t, &rule, &b, 0)); /* one network of 64 bits */
	addr_parse("2001:db8:0:1::1", &b);
	assert_true(opens(t, &rule, &b, 0));
	rule.prefix_v4 = 24;
	a = client(5);
	b = client(250);
	assert_true(opens(t, &rule, &a, 0));
	assert_false(opens(t, &rule, &b, 0));
	b = client(256);
	assert_true(opens(t, &rule, &b, 0));
	/* Another service counts apart. */
	other = rule;
	other.scope++;
	assert_true(opens(t, &other, &a, 0));
	assert_false(opens(t, &other, &a, 0));
	/* All of them are one. */
	rule.scope = 99;
	rule.prefix_v4 = 0;
	b = client(1 << 20);
	assert_true(opens(t, &rule, &a, 0));
	assert_false(opens(t, &rule, &b, 0));
	rate_destroy(t);
}

/* Another rule takes over what the source has used, as far as it can. */
static void test_change(void **unused)
{
	struct rate_table *t = rate_create(1024, &secret, SOCKET_ID_ANY);
	const struct source_rate wide = rule_of(10, 100), narrow = rule_of(10, 5),
				 fast = rule_of(1000, 10000);
	const struct addr a = client(1);

	assert_int_equal(opens_many(t, &wide, &a, 0, 200), 100);
	assert_int_equal(opens_many(t, &narrow, &a, 0, 10), 0);
	assert_int_equal(opens_many(t, &narrow, &a, 100, 10), 1);
	assert_int_equal(opens_many(t, &wide, &a, 100, 200), 95);
	assert_int_equal(opens_many(t, &fast, &a, 100, 20000), 0);
	assert_int_equal(opens_many(t, &fast, &a, 1100, 20000), 1000);
	rate_destroy(t);
}

/* A clock that has come round does not make an old entry count. */
static void test_old(void **unused)
{
	struct rate_table *t = rate_create(1024, &secret, SOCKET_ID_ANY);
	const struct source_rate rule = rule_of(1, 10);
	const struct addr a = client(1);
	const uint32_t later[] = { 20000, UINT32_MAX / 2 + 1000, UINT32_MAX - 50000 };

	for (unsigned int i = 0; i < 3; i++) {
		const uint32_t now = 12345;

		assert_int_equal(opens_many(t, &rule, &a, now, 20), 10);
		assert_int_equal(opens_many(t, &rule, &a, now + later[i], 20), 10);
		/* What this left is over at the next round. */
		assert_int_equal(opens_many(t, &rule, &a, now + later[i] + 10000, 20), 10);
	}
	rate_destroy(t);
}

/* A flood of sources that come once, twenty for each entry: those that are over their rate stay,
 * and it costs the same as before. */
static void test_flood(void **unused)
{
	struct rate_table *t = rate_create(4096, &secret, SOCKET_ID_ANY);
	const struct source_rate rule = rule_of(10, 20);
	unsigned int forgotten = 0, rejected = 0;
	uint32_t now = 77;

	for (unsigned int i = 0; i < 50; i++) {
		const struct addr a = client(i);

		assert_int_equal(opens_many(t, &rule, &a, now, 40), 20);
	}
	for (unsigned int n = 0; n < 20 * 4096; n++) {
		const struct addr once = client(1000 + n);

		/* Always: whoever comes first is let in, whatever it takes. */
		rejected += !opens(t, &rule, &once, now);
		if (n % 4096 == 0)
			now += 10;
	}
	assert_int_equal(rejected, 0);
	assert_true(evicted(t) > 10 * 4096);
	for (unsigned int i = 0; i < 50; i++) {
		const struct addr a = client(i);

		/* 200 ms: two more each. */
		forgotten += opens_many(t, &rule, &a, now, 40) != 2;
	}
	assert_int_equal(forgotten, 0);
	rate_destroy(t);
}

/* A slow rule's sources do not push out those over a fast rule's rate. */
static void test_flood_of_other_rule(void **unused)
{
	struct rate_table *t = rate_create(1024, &secret, SOCKET_ID_ANY);
	const struct source_rate fast = rule_of(1000, 100), slow = rule_of(1, 60);
	const struct addr a = client(1);

	assert_int_equal(opens_many(t, &fast, &a, 0, 1000), 100);
	for (unsigned int n = 0; n < 20000; n++) {
		const struct addr once = client(1000 + n);

		assert_true(opens(t, &slow, &once, 0));
	}
	assert_int_equal(opens_many(t, &fast, &a, 10, 1000), 10);
	rate_destroy(t);
}

/* More sources than entries, all over their rate: some are forgotten, none is kept out. */
static void test_full(void **unused)
{
	struct rate_table *t = rate_create(64, &secret, SOCKET_ID_ANY);
	const struct source_rate rule = rule_of(10, 10);
	struct rate_stats s;

	rate_stats(t, &s);
	assert_int_equal(s.max, 64);
	for (unsigned int i = 0; i < 1000; i++) {
		const struct addr a = client(i);

		assert_int_equal(opens_many(t, &rule, &a, 1000, 20), 10);
	}
	rate_destroy(t);
}

static void test_sizes(void **unused)
{
	static const uint32_t sizes[] = { 1, 3, 4, 5, 1000, 65536 };

	for (unsigned int i = 0; i < 6; i++) {
		struct rate_table *t = rate_create(sizes[i], &secret, SOCKET_ID_ANY);
		struct rate_stats s;

		assert_non_null(t);
		rate_stats(t, &s);
		assert_in_range(s.max, sizes[i], 2 * sizes[i] + 3);
		assert_true(rate_bytes(sizes[i]) >= s.max * 16u);
		rate_destroy(t);
	}
	rate_destroy(NULL);
}

/* Homes have equal parts. */
static void test_home(void **unused)
{
	struct rate_table *t = rate_create(64, &secret, SOCKET_ID_ANY);
	const struct source_rate rule = rule_of(1, 1);
	unsigned int count[3] = { 0 };

	for (unsigned int i = 0; i < 3000; i++) {
		const struct addr a = client(i);
		const unsigned int home = rate_home(rate_hash(t, &rule, &a), 3);

		assert_true(home < 3);
		count[home]++;
	}
	for (unsigned int i = 0; i < 3; i++)
		assert_in_range(count[i], 900, 1100);
	rate_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_used),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_old),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_flood_of_other_rule),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_home),
	};

	test_eal_init();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}

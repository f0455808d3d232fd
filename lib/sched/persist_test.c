/* SPDX-License-Identifier: BSD-3-Clause */
/* The persistence table: entries come, last, end in virtual time, and are found by one home. */
#include "persist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_malloc.h>

#include "sched_test.h"
#include "test_eal.h"

static const struct hash_key secret = { { 0x1111222233334444u, 0x5555666677778888u } };
static const struct persistence minute = { 7, 60000, 32, 128 };

static struct server server_at(unsigned int n)
{
	return (struct server){ .addr = addr_from_v4(rte_cpu_to_be_32(0x0a000000 + n)),
		.slot = (uint16_t)n };
}

static struct addr client_at(uint32_t n)
{
	return addr_from_v4(rte_cpu_to_be_32(0xc0000000 + n));
}

static bool put(struct persist *t, const struct persistence *rule, uint32_t client,
	unsigned int server, uint32_t now_ms)
{
	struct addr a = client_at(client);
	struct persist_key key = persist_key(rule, &a);
	struct server s = server_at(server);

	return persist_put(t, &key, persist_hash(t, &key), rule, &s, now_ms);
}

/* Its server's number, 0 where there is no entry. */
static unsigned int get(
	struct persist *t, const struct persistence *rule, uint32_t client, uint32_t now_ms)
{
	struct addr a = client_at(client);
	struct persist_key key = persist_key(rule, &a);
	struct persist_entry *e = persist_find(t, &key, persist_hash(t, &key), rule, now_ms);

	if (!e)
		return 0;
	assert_int_equal(e->slot, rte_be_to_cpu_32(addr_v4(&e->server)) & 0xffff);
	return e->slot;
}

static uint32_t used(const struct persist *t)
{
	struct persist_stats s;

	persist_stats(t, &s);
	return s.used;
}

static uint64_t evicted(const struct persist *t)
{
	struct persist_stats s;

	persist_stats(t, &s);
	return s.evicted;
}

static struct persist *create(uint32_t max, uint32_t now_ms)
{
	struct persist *t = persist_create(0, max, &secret, SOCKET_ID_ANY, now_ms);

	assert_non_null(t);
	return t;
}

static void test_entries(void **state)
{
	struct persist *t = create(1000, 5);
	const struct persistence other = { 8, 60000, 32, 128 };

	assert_int_equal(get(t, &minute, 1, 5), 0);
	assert_true(put(t, &minute, 1, 11, 5));
	assert_true(put(t, &minute, 2, 12, 5));
	assert_true(put(t, &other, 1, 13, 5));
	assert_int_equal(get(t, &minute, 1, 10), 11);
	assert_int_equal(get(t, &minute, 2, 10), 12);
	assert_int_equal(get(t, &other, 1, 10), 13);
	assert_int_equal(used(t), 3);
	assert_true(put(t, &minute, 1, 14, 10));
	assert_int_equal(get(t, &minute, 1, 10), 14);
	assert_int_equal(used(t), 3);
	persist_destroy(t);
}

static void test_prefix(void **state)
{
	static const uint8_t v6[2][16] = { { 0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5 },
		{ 0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 6 } };
	const struct persistence net = { 7, 60000, 24, 64 };
	struct addr a = addr_from_v6(v6[0]), b = addr_from_v6(v6[1]);
	struct persist_key ka = persist_key(&net, &a), kb = persist_key(&net, &b);
	struct persist *t = create(100, 0);

	assert_memory_equal(&ka, &kb, sizeof(ka));
	ka = persist_key(&minute, &a);
	kb = persist_key(&minute, &b);
	assert_memory_not_equal(&ka, &kb, sizeof(ka));
	put(t, &net, 0x100, 5, 0);
	assert_int_equal(get(t, &net, 0x1ff, 0), 5);
	assert_int_equal(get(t, &net, 0x200, 0), 0);
	persist_destroy(t);
}

/* Whatever the clock shows: over neither too early nor seen too late; collected soon after. */
static void test_expiry(void **state)
{
	static const uint32_t starts[] = { 0, 1000, UINT32_MAX - 30000, INT32_MAX - 5 };

	for (size_t i = 0; i < RTE_DIM(starts); i++) {
		uint32_t now = starts[i];
		struct persist *t = create(1000, now);

		put(t, &minute, 1, 11, now);
		put(t, &minute, 2, 12, now + 30000);
		now += 59999;
		assert_int_equal(get(t, &minute, 1, now), 11);
		now += 1;
		assert_int_equal(get(t, &minute, 1, now), 0); /* not collected yet */
		assert_int_equal(get(t, &minute, 2, now), 12);
		assert_int_equal(used(t), 1);
		/* Used, it lasts a time-out more. */
		put(t, &minute, 2, 12, now);
		for (uint32_t end = now + 59000; now < end; now += 500)
			while (persist_expire(t, now, 32))
				;
		assert_int_equal(used(t), 1);
		for (uint32_t end = now + 4000; now < end; now += 500)
			while (persist_expire(t, now, 32))
				;
		assert_int_equal(used(t), 0);
		persist_destroy(t);
	}
}

/* A shorter time-out holds at once, a longer one from the next use on. */
static void test_other_timeout(void **state)
{
	const struct persistence brief = { 7, 1000, 32, 128 };
	struct persist *t = create(1000, 0);

	put(t, &minute, 1, 11, 0);
	assert_int_equal(get(t, &brief, 1, 999), 11);
	assert_int_equal(get(t, &brief, 1, 1001), 0);
	put(t, &brief, 1, 11, 2000);
	assert_int_equal(get(t, &minute, 1, 2999), 11);
	assert_int_equal(get(t, &minute, 1, 3000), 0);
	put(t, &brief, 1, 11, 4000);
	put(t, &minute, 1, 11, 4500);
	for (uint32_t now = 4500; now < 64400; now += 100)
		persist_expire(t, now, 32);
	assert_int_equal(get(t, &minute, 1, 64400), 11);
	put(t, &brief, 1, 11, 64400);
	for (uint32_t now = 64400; now < 66400; now += 100)
		persist_expire(t, now, 32);
	assert_int_equal(used(t), 0);
	persist_destroy(t);
}

/* A million; one more takes the place of the oldest; ends make room; places are used again. */
static void test_million(void **state)
{
	const uint32_t n = 1000000;
	struct persist *t = create(n, 0);
	uint32_t now = 0;

	for (uint32_t i = 0; i < n; i++)
		if (!put(t, &minute, i, 1 + i % 999, i / 50))
			fail_msg("no room for entry %u", i);
	assert_int_equal(used(t), n);
	assert_true(put(t, &minute, 77, 5, 20000)); /* one there is takes no room */
	assert_int_equal(evicted(t), 0);
	assert_true(put(t, &minute, n, 5, 20000));
	assert_int_equal(evicted(t), 1);
	assert_int_equal(used(t), n);
	assert_int_equal(get(t, &minute, 0, 20000), 0);
	for (uint32_t i = 7; i < n; i += 7)
		if (i != 77 && get(t, &minute, i, 20000) != 1 + i % 999)
			fail_msg("entry %u is lost", i);
	while (now < 70100)
		if (persist_expire(t, now, 32) < 32)
			now += 100;
	assert_in_range(used(t), n * 9 / 20, n * 11 / 20);
	for (uint32_t i = n; used(t) < n; i++)
		assert_true(put(t, &minute, i, 1 + i % 999, now));
	assert_int_equal(evicted(t), 1);
	while (now < 150000)
		if (persist_expire(t, now, 32) < 32)
			now += 100;
	assert_int_equal(used(t), 0);
	persist_destroy(t);
}

/* The client comes again, and goes where it was. */
static void come_again(struct persist *t, uint32_t client, uint32_t now_ms)
{
	struct addr a = client_at(client);
	struct persist_key key = persist_key(&minute, &a);
	struct persist_entry *e = persist_find(t, &key, persist_hash(t, &key), &minute, now_ms);

	assert_non_null(e);
	persist_touch(t, e, &minute, now_ms);
}

/* Made-up clients, each of which comes once: who came again stays, and who is new has time to. */
static void test_flood(void **state)
{
	struct persist *t = create(1000, 0);
	uint32_t made_up = 100000;

	for (uint32_t i = 0; i < 500; i++) {
		assert_true(put(t, &minute, i, 1 + i, 0));
		come_again(t, i, 1);
	}
	for (uint32_t i = 0; i < 50000; i++)
		assert_true(put(t, &minute, made_up++, 9, 2));
	assert_int_equal(used(t), 1000);
	assert_int_equal(evicted(t), 49500);
	assert_true(put(t, &minute, 600, 601, 3));
	for (uint32_t i = 0; i < 400; i++)
		put(t, &minute, made_up++, 9, 4);
	come_again(t, 600, 5);
	for (uint32_t i = 0; i < 50000; i++)
		put(t, &minute, made_up++, 9, 6);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(get(t, &minute, i, 7), 1 + i);
	assert_int_equal(get(t, &minute, 600, 7), 601);
	persist_destroy(t);
}

/* Likewise when each comes twice: they have three quarters, and who is new has the rest. */
static void test_flood_of_twice(void **state)
{
	struct persist *t = create(1000, 0);

	for (uint32_t i = 0; i < 20000; i++) {
		assert_true(put(t, &minute, 100000 + i, 9, 0));
		come_again(t, 100000 + i, 0);
	}
	assert_int_equal(used(t), 1000);
	assert_true(put(t, &minute, 1, 11, 1));
	for (uint32_t i = 0; i < 249; i++)
		put(t, &minute, 200000 + i, 9, 1);
	assert_int_equal(get(t, &minute, 1, 1), 11);
	put(t, &minute, 300000, 9, 1);
	assert_int_equal(get(t, &minute, 1, 1), 0);
	/* What came twice last is still there. */
	assert_int_equal(get(t, &minute, 119999, 1), 9);
	assert_int_equal(get(t, &minute, 119250, 1), 9);
	persist_destroy(t);
}

/* The smallest tables. */
static void test_small(void **state)
{
	for (uint32_t max = 1; max < 6; max++) {
		struct persist *t = create(max, 0);

		for (uint32_t i = 0; i < 100; i++) {
			assert_true(put(t, &minute, i, 1 + i, i));
			assert_int_equal(get(t, &minute, i, i), 1 + i);
			if (i % 3)
				come_again(t, i, i);
			assert_in_range(used(t), 1, max);
		}
		while (persist_expire(t, 70000, 32))
			;
		assert_int_equal(used(t), 0);
		persist_destroy(t);
	}
}

/* persist_bytes() says what is taken, and never less. */
static void test_bytes(void **state)
{
	static const uint32_t sizes[] = { 1000, 65536, 100000, 300000 };

	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		struct rte_malloc_socket_stats before, after;
		struct persist *t;
		size_t bytes;

		rte_malloc_get_socket_stats(0, &before);
		t = create(sizes[i], 0);
		rte_malloc_get_socket_stats(0, &after);
		bytes = after.heap_allocsz_bytes - before.heap_allocsz_bytes;
		assert_in_range(persist_bytes(sizes[i]), bytes, bytes + bytes / 4 + 65536);
		persist_destroy(t);
	}
}

/* Every key has one home, the same for all tables of a secret; homes have equal parts. */
static void test_sharding(void **state)
{
	struct persist *a = create(100, 0), *b = persist_create(1, 200, &secret, SOCKET_ID_ANY, 0);
	unsigned int count[5] = { 0 };

	assert_non_null(b);
	for (uint32_t i = 0; i < 50000; i++) {
		struct addr client = client_at(i * 256);
		struct persist_key key = persist_key(&minute, &client);
		uint64_t hash = persist_hash(a, &key);

		assert_int_equal(hash, persist_hash(b, &key));
		assert_int_equal(persist_home(hash, 1), 0);
		count[persist_home(hash, 5)]++;
	}
	for (unsigned int i = 0; i < 5; i++)
		assert_in_range(count[i], 9600, 10400);
	persist_destroy(a);
	persist_destroy(b);
}

struct seen {
	unsigned int n;
	uint64_t sum;
	struct persist *t;
	bool drop;
};

static bool see(void *arg, struct persist_entry *e)
{
	struct seen *s = arg;

	s->n++;
	s->sum += e->slot;
	if (s->drop && e->slot % 2)
		persist_drop(s->t, e);
	return s->n % 10 != 0;
}

static void test_walk(void **state)
{
	struct persist *t = create(1000, 0);
	struct seen s = { .t = t };
	uint64_t cursor = 0;

	for (uint32_t i = 1; i <= 300; i++)
		put(t, &minute, i, i, 0);
	do
		persist_walk(t, &cursor, 7, see, &s);
	while (cursor);
	assert_int_equal(s.n, 300);
	assert_int_equal(s.sum, 300 * 301 / 2);
	s.drop = true;
	do
		persist_walk(t, &cursor, 64, see, &s);
	while (cursor);
	assert_int_equal(used(t), 150);
	assert_int_equal(get(t, &minute, 3, 1), 0);
	assert_int_equal(get(t, &minute, 4, 1), 4);
	persist_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_other_timeout),
		cmocka_unit_test(test_million),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_flood_of_twice),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_sharding),
		cmocka_unit_test(test_walk),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

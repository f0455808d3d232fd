/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known of the ways to servers, and for how long. */
#include "path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test_eal.h"

static const struct server a = { .slot = 1, .gen = 7 }, b = { .slot = 2, .gen = 7 };

static void learn(struct path_table *t, const struct server *s, uint16_t mtu, uint32_t now_ms)
{
	path_learn(t, &s, 1, mtu, now_ms);
}

static int setup(void **state)
{
	*state = path_table_create();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	path_table_destroy(*state);
	return 0;
}

static void test_nothing_is_known_at_first(void **state)
{
	assert_int_equal(path_mtu(*state, &a, 0), 0);
	assert_int_equal(path_floor(*state, 0), 0);
}

static void test_each_server_has_its_own(void **state)
{
	learn(*state, &a, 1400, 100);
	assert_int_equal(path_mtu(*state, &a, 100), 1400);
	assert_int_equal(path_mtu(*state, &b, 100), 0);
	learn(*state, &b, 1300, 100);
	learn(*state, &a, 1350, 100);
	assert_int_equal(path_mtu(*state, &a, 100), 1350);
	assert_int_equal(path_mtu(*state, &b, 100), 1300);
	assert_int_equal(path_floor(*state, 100), 1300);
}

/* The slot's next server may be anywhere. */
static void test_next_owner_of_a_slot_begins_anew(void **state)
{
	const struct server next = { .slot = 1, .gen = 8 };

	learn(*state, &a, 1400, 100);
	assert_int_equal(path_mtu(*state, &next, 100), 0);
	assert_int_equal(path_mtu(*state, &a, 100), 1400);
}

static void test_ageing(void **state)
{
	learn(*state, &a, 1400, 100);
	learn(*state, &b, 1300, 5000);
	assert_int_equal(path_mtu(*state, &a, 100 + PATH_MS - 1), 1400);
	assert_int_equal(path_mtu(*state, &a, 100 + PATH_MS), 0);
	assert_int_equal(path_mtu(*state, &b, 100 + PATH_MS), 1300);
	assert_int_equal(path_floor(*state, 100 + PATH_MS), 1300);
	/* What was found over does not come back when the clock has gone round. */
	assert_int_equal(path_mtu(*state, &a, 100), 0);
	/* A server that is learned of again later keeps the floor where it is. */
	learn(*state, &a, 1400, 5000 + PATH_MS - 1);
	assert_int_equal(path_floor(*state, 5000 + PATH_MS), 1300);
	assert_int_equal(path_mtu(*state, &b, 5000 + PATH_MS), 0);
	assert_int_equal(path_floor(*state, 5000 + 2 * PATH_MS), 0);
	learn(*state, &a, 1450, 5000 + 2 * PATH_MS);
	assert_int_equal(path_floor(*state, 5000 + 2 * PATH_MS), 1450);
}

/* Times around 2^32 ms, and a worker whose clock is a little behind the one that wrote. */
static void test_clocks(void **state)
{
	learn(*state, &a, 1400, UINT32_MAX - 10);
	assert_int_equal(path_mtu(*state, &a, 20), 1400);
	assert_int_equal(path_mtu(*state, &a, UINT32_MAX - 12), 1400);
	assert_int_equal(path_floor(*state, UINT32_MAX - 12), 1400);
	assert_int_equal(path_mtu(*state, &a, PATH_MS), 0);
}

/* Nobody asks for days, weeks, or until the clock has gone round nearly once. */
static void test_long_silence(void **state)
{
	const uint32_t day = 24 * 3600 * 1000;
	const uint32_t silences[] = { PATH_MS, 20 * day, 25 * day, 30 * day, 49 * day };

	for (size_t i = 0; i < sizeof(silences) / sizeof(silences[0]); i++) {
		const uint32_t now = 5000 + silences[i];

		learn(*state, &a, 1300, 5000);
		assert_int_equal(path_mtu(*state, &a, now), 0);
		assert_int_equal(path_floor(*state, now), 0);
		/* Nor does the old floor count when something is learned first. */
		learn(*state, &a, 1300, 5000);
		learn(*state, &b, 1400, now);
		assert_int_equal(path_floor(*state, now), 1400);
		assert_int_equal(path_mtu(*state, &a, now), 0);
		path_mtu(*state, &b, now + PATH_MS);
		path_floor(*state, now + PATH_MS);
	}
}

/* Servers of one address: the floor follows; nothing is written for what has just been said. */
static void test_again(void **state)
{
	const struct server *const both[] = { &a, &b };
	struct path_table *t = *state;
	uint64_t floor, word;

	path_learn(t, both, 2, 1400, 100);
	assert_int_equal(path_mtu(t, &a, 100), 1400);
	assert_int_equal(path_mtu(t, &b, 100), 1400);
	word = t->server[a.slot];
	floor = t->floor;
	path_learn(t, both, 2, 1400, 1099);
	path_learn(t, both, 2, 1450, 1099);
	assert_int_equal(t->server[a.slot], word);
	assert_int_equal(t->floor, floor);
	/* Later it is news that it still holds; for one of the two, too. */
	path_learn(t, both, 1, 1400, 1100);
	assert_int_equal(path_mtu(t, &a, 1099 + PATH_MS), 1400);
	assert_int_equal(path_floor(t, 1099 + PATH_MS), 1400);
	assert_int_equal(path_mtu(t, &b, 1099 + PATH_MS), 0);
	path_learn(t, both, 2, 1300, 1101 + PATH_MS);
	assert_int_equal(path_floor(t, 1101 + PATH_MS), 1300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_known_at_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_server_has_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_next_owner_of_a_slot_begins_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ageing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_silence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_again, setup, teardown),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

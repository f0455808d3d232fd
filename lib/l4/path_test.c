/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known of the ways to servers, and for how long. */
#include "path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test_eal.h"

static const struct server a = { .slot = 1, .gen = 7 }, b = { .slot = 2, .gen = 7 };

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
	path_learn(*state, &a, 1400, 100);
	assert_int_equal(path_mtu(*state, &a, 100), 1400);
	assert_int_equal(path_mtu(*state, &b, 100), 0);
	path_learn(*state, &b, 1300, 100);
	path_learn(*state, &a, 1350, 100);
	assert_int_equal(path_mtu(*state, &a, 100), 1350);
	assert_int_equal(path_mtu(*state, &b, 100), 1300);
	assert_int_equal(path_floor(*state, 100), 1300);
}

/* The slot's next server may be anywhere. */
static void test_next_owner_of_a_slot_begins_anew(void **state)
{
	const struct server next = { .slot = 1, .gen = 8 };

	path_learn(*state, &a, 1400, 100);
	assert_int_equal(path_mtu(*state, &next, 100), 0);
	assert_int_equal(path_mtu(*state, &a, 100), 1400);
}

static void test_ageing(void **state)
{
	path_learn(*state, &a, 1400, 100);
	path_learn(*state, &b, 1300, 5000);
	assert_int_equal(path_mtu(*state, &a, 100 + PATH_MS - 1), 1400);
	assert_int_equal(path_mtu(*state, &a, 100 + PATH_MS), 0);
	assert_int_equal(path_mtu(*state, &b, 100 + PATH_MS), 1300);
	assert_int_equal(path_floor(*state, 100 + PATH_MS), 1300);
	/* What was found over does not come back when the clock has gone round. */
	assert_int_equal(path_mtu(*state, &a, 100), 0);
	/* A server that is learned of again later keeps the floor where it is. */
	path_learn(*state, &a, 1400, 5000 + PATH_MS - 1);
	assert_int_equal(path_floor(*state, 5000 + PATH_MS), 1300);
	assert_int_equal(path_mtu(*state, &b, 5000 + PATH_MS), 0);
	assert_int_equal(path_floor(*state, 5000 + 2 * PATH_MS), 0);
	path_learn(*state, &a, 1450, 5000 + 2 * PATH_MS);
	assert_int_equal(path_floor(*state, 5000 + 2 * PATH_MS), 1450);
}

/* Times around 2^32 ms, and a worker whose clock is a little behind the one that wrote. */
static void test_clocks(void **state)
{
	path_learn(*state, &a, 1400, UINT32_MAX - 10);
	assert_int_equal(path_mtu(*state, &a, 20), 1400);
	assert_int_equal(path_mtu(*state, &a, UINT32_MAX - 12), 1400);
	assert_int_equal(path_floor(*state, UINT32_MAX - 12), 1400);
	assert_int_equal(path_mtu(*state, &a, PATH_MS), 0);
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
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

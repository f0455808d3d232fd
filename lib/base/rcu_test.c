/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rcu.h"

static char destroyed[16]; /* letters in the order of their destruction */
static unsigned int n_destroyed;

static char letters[] = "abcd";
#define A (&letters[0])
#define B (&letters[1])
#define C (&letters[2])
#define D (&letters[3])

static void note(void *letter)
{
	destroyed[n_destroyed++] = *(char *)letter;
	destroyed[n_destroyed] = '\0';
}

static int reset(void **state)
{
	n_destroyed = 0;
	destroyed[0] = '\0';
	return 0;
}

static void waits_for_every_online_reader(void **state)
{
	struct rcu *r = rcu_create(3);

	assert_non_null(r);
	rcu_online(r, 0);
	rcu_online(r, 2);
	assert_int_equal(rcu_retire(r, note, A), 0);
	assert_int_equal(rcu_reclaim(r), 1);
	rcu_quiescent(r, 0);
	assert_int_equal(rcu_reclaim(r), 1);
	assert_string_equal(destroyed, "");
	rcu_quiescent(r, 2);
	assert_int_equal(rcu_reclaim(r), 0);
	assert_string_equal(destroyed, "a");
	rcu_offline(r, 0);
	rcu_offline(r, 2);
	rcu_destroy(r);
}

static void offline_readers_hold_nothing(void **state)
{
	struct rcu *r = rcu_create(2);

	assert_int_equal(rcu_retire(r, note, A), 0);
	assert_int_equal(rcu_reclaim(r), 0);
	rcu_online(r, 1);
	assert_int_equal(rcu_retire(r, note, B), 0);
	assert_int_equal(rcu_reclaim(r), 1);
	rcu_offline(r, 1);
	assert_int_equal(rcu_reclaim(r), 0);
	assert_string_equal(destroyed, "ab");
	rcu_destroy(r);
}

/* Whoever comes online later cannot have seen what was retired before. */
static void newcomers_do_not_delay(void **state)
{
	struct rcu *r = rcu_create(2);

	rcu_online(r, 0);
	assert_int_equal(rcu_retire(r, note, A), 0);
	rcu_online(r, 1);
	rcu_quiescent(r, 0);
	assert_int_equal(rcu_reclaim(r), 0);
	assert_string_equal(destroyed, "a");
	rcu_offline(r, 0);
	rcu_offline(r, 1);
	rcu_destroy(r);
}

static void destroys_in_order_each_in_its_time(void **state)
{
	struct rcu *r = rcu_create(1);

	rcu_online(r, 0);
	assert_int_equal(rcu_retire(r, note, A), 0);
	assert_int_equal(rcu_retire(r, note, B), 0);
	rcu_quiescent(r, 0);
	assert_int_equal(rcu_retire(r, note, C), 0);
	assert_int_equal(rcu_reclaim(r), 1);
	assert_string_equal(destroyed, "ab");
	rcu_quiescent(r, 0);
	assert_int_equal(rcu_retire(r, note, D), 0);
	assert_int_equal(rcu_reclaim(r), 1);
	assert_string_equal(destroyed, "abc");
	rcu_offline(r, 0);
	rcu_destroy(r);
	assert_string_equal(destroyed, "abcd");
}

static void limits(void **state)
{
	errno = 0;
	assert_null(rcu_create(0));
	assert_int_equal(errno, EINVAL);
	rcu_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(waits_for_every_online_reader, reset),
		cmocka_unit_test_setup(offline_readers_hold_nothing, reset),
		cmocka_unit_test_setup(newcomers_do_not_delay, reset),
		cmocka_unit_test_setup(destroys_in_order_each_in_its_time, reset),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

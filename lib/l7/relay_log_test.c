/* SPDX-License-Identifier: BSD-3-Clause */
/* Records come out as they went in; what there is no room for is counted; what a service's log
 * leaves out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <rte_memory.h>

#include "l7/relay.h"
#include "l7/relay_log.h"
#include "test_eal.h"

static int group_setup(void **state)
{
	test_eal_init();
	return 0;
}

static int setup(void **state)
{
	*state = relay_log_create(SOCKET_ID_ANY);
	assert_non_null(*state);
	return 0;
}

static int teardown(void **state)
{
	relay_log_destroy(*state);
	return 0;
}

static struct relay_record numbered(uint64_t n)
{
	struct relay_record r;

	memset(&r, (int)(n % 251), sizeof(r));
	r.up = n;
	return r;
}

static void test_order(void **state)
{
	struct relay_log *l = *state;
	struct relay_record in, out[3];

	/* More than once around the ring. */
	for (uint64_t n = 0; n < 3 * RELAY_LOG_ROOM; n += 3) {
		for (uint64_t i = n; i < n + 3; i++) {
			in = numbered(i);
			relay_log_put(l, &in);
		}
		assert_int_equal(relay_log_waiting(l), 3);
		assert_int_equal(relay_log_take(l, out, 2), 2);
		assert_int_equal(relay_log_take(l, &out[2], 2), 1);
		for (uint64_t i = n; i < n + 3; i++) {
			in = numbered(i);
			assert_memory_equal(&out[i - n], &in, sizeof(in));
		}
	}
	assert_int_equal(relay_log_take(l, out, 3), 0);
	assert_int_equal(relay_log_lost(l), 0);
}

/* The oldest stay, the newest are lost. */
static void test_full(void **state)
{
	struct relay_log *l = *state;
	struct relay_record r;

	for (uint64_t n = 0; n < RELAY_LOG_ROOM + 5; n++) {
		r = numbered(n);
		relay_log_put(l, &r);
	}
	assert_int_equal(relay_log_waiting(l), RELAY_LOG_ROOM);
	assert_int_equal(relay_log_lost(l), 5);
	for (uint64_t n = 0; n < RELAY_LOG_ROOM; n++) {
		assert_int_equal(relay_log_take(l, &r, 1), 1);
		assert_int_equal(r.up, n);
	}
	assert_int_equal(relay_log_take(l, &r, 1), 0);
	relay_log_put(l, &r);
	assert_int_equal(relay_log_waiting(l), 1);
	assert_int_equal(relay_log_lost(l), 5);
}

static void test_wants(void **state)
{
	struct relay_record r = { .end = RELAY_END_done };

	assert_false(relay_log_wants(&r, CONNECTION_LOG_NONE));
	assert_true(relay_log_wants(&r, CONNECTION_LOG_ALL));
	assert_false(relay_log_wants(&r, CONNECTION_LOG_CARRIED));
	r.up = 1;
	assert_true(relay_log_wants(&r, CONNECTION_LOG_CARRIED));
	assert_false(relay_log_wants(&r, CONNECTION_LOG_NONE));
	r.up = 0;
	r.down = 1;
	assert_true(relay_log_wants(&r, CONNECTION_LOG_CARRIED));
	r.down = 0;
	for (unsigned int end = 0; end < RELAY_ENDS; end++) {
		r.end = (uint8_t)end;
		assert_int_equal(relay_log_wants(&r, CONNECTION_LOG_CARRIED),
			end != RELAY_END_done && end != RELAY_END_client_error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test(test_wants),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}

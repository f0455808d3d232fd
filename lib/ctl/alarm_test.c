/* SPDX-License-Identifier: BSD-3-Clause */
/* When there is an alarm and when there is none any more. What is measured is tested where there
 * are workers, in tests/packet. */
#include "alarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_next(void **state)
{
	bool on = false;

	for (unsigned int used = 0; used <= 1000; used++) {
		on = alarm_next(on, used, 1000);
		assert_int_equal(on, used > 800);
	}
	for (unsigned int used = 1000; used-- > 0;) {
		on = alarm_next(on, used, 1000);
		assert_int_equal(on, used > 700);
	}
	assert_false(alarm_next(false, 0, 0));
	assert_false(alarm_next(true, 0, 0));
	assert_true(alarm_next(false, UINT32_MAX, UINT32_MAX));
}

/* Without workers there is nothing. */
static void test_nothing(void **state)
{
	const struct config_target none = { 0 };
	struct alarms a = { 0 };
	json_t *list;

	alarm_turn(&a, &none, 5000);
	list = alarm_view(&a, &none, true);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drop.h"

static void reasons_have_names_and_texts(void **state)
{
	assert_string_equal(drop_name(DROP_none), "none");
	assert_string_equal(drop_name(DROP_ip_checksum), "ip_checksum");
	assert_string_equal(drop_name(DROP_MAX), "?");
	assert_string_equal(drop_text(DROP_MAX), "?");
	for (unsigned int i = 0; i < DROP_MAX; i++) {
		const char *name = drop_name(i);

		/* A label of a metric. */
		assert_int_equal(
			strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
		assert_true(strlen(drop_text(i)) > 0);
		for (unsigned int j = 0; j < i; j++) {
			assert_string_not_equal(name, drop_name(j));
			assert_string_not_equal(drop_text(i), drop_text(j));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons_have_names_and_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

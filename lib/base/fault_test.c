/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault.h"

static void faults_and_warnings(void **state)
{
	struct faults f = { 0 };

	fault_add(&f, "pools[0].scheduler", "\"%s\" is not a scheduler", "rr");
	fault_warn(&f, "", "%d of %d", 1, 2);
	fault_add(&f, "ports", "is missing");
	assert_int_equal(f.n, 3);
	assert_int_equal(f.errors, 2);
	assert_string_equal(f.list[0].path, "pools[0].scheduler");
	assert_string_equal(f.list[0].text, "\"rr\" is not a scheduler");
	assert_false(f.list[0].warning);
	assert_string_equal(f.list[1].path, "");
	assert_string_equal(f.list[1].text, "1 of 2");
	assert_true(f.list[1].warning);
	assert_false(f.list[2].warning);
	faults_free(&f);
	assert_null(f.list);
	assert_int_equal(f.n, 0);
	assert_int_equal(f.errors, 0);
}

static void closest(void **state)
{
	static const char *const names[] = { "round-robin", "least-connections", "source", "maglev",
		NULL };
	static const char *const none[] = { NULL };
	static const struct {
		const char *word, *expected;
	} cases[] = {
		{ "source", "source" },
		{ "sorce", "source" },   /* one left out */
		{ "ssource", "source" }, /* one too many */
		{ "sousce", "source" },  /* one wrong */
		{ "osurce", "source" },  /* two swapped */
		{ "mgalve", "maglev" },  /* two swaps of six letters */
		{ "mgalvx", NULL },      /* three edits of six letters */
		{ "roundrobin", "round-robin" },
		{ "round_robbin", "round-robin" },
		{ "leastconn", NULL },
		{ "least-connection", "least-connections" },
		{ "ma", NULL }, /* too short for any edit */
		{ "", NULL },
		{ "maglevmaglevmaglevmaglevmaglevmaglevmaglevmaglevmaglevmaglevmaglev", NULL },
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *found = fault_closest(cases[i].word, names);

		if (!cases[i].expected)
			assert_null(found);
		else
			assert_string_equal(found ? found : "(none)", cases[i].expected);
	}
	assert_null(fault_closest("source", none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_and_warnings),
		cmocka_unit_test(closest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

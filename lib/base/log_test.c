/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

/* Standard error is a pipe while a test runs. */
struct capture {
	int saved, from;
	char text[4096];
};

static void capture_start(struct capture *c)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	c->saved = dup(STDERR_FILENO);
	c->from = fds[0];
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
}

static const char *capture_end(struct capture *c)
{
	ssize_t n;

	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	n = read(c->from, c->text, sizeof(c->text) - 1);
	close(c->from);
	c->text[n > 0 ? n : 0] = '\0';
	return c->text;
}

static int reset(void **state)
{
	unsetenv("JOURNAL_STREAM");
	log_set_level(LOG_INFO);
	return 0;
}

static void lines_by_level(void **state)
{
	struct capture c;

	capture_start(&c);
	log_error("port %d", 1);
	log_warn("two");
	log_info("three");
	log_debug("four");
	log_set_level(LOG_ERR);
	log_warn("five");
	log_set_level(LOG_DEBUG);
	log_debug("six");
	assert_string_equal(capture_end(&c), "port 1\ntwo\nthree\nsix\n");
}

static void priority_for_the_journal(void **state)
{
	struct capture c;
	struct stat st;
	char stream[64];

	capture_start(&c);
	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_error("one");
	log_info("two");
	setenv("JOURNAL_STREAM", "1:1", 1); /* another file */
	log_info("three");
	assert_string_equal(capture_end(&c), "<3>one\n<6>two\nthree\n");
}

static void one_event_is_one_line(void **state)
{
	struct capture c;
	char longer[3000];
	const char *text;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	capture_start(&c);
	log_info("a\nb\033[31m\x7f"
		 "c");
	log_info("%s", longer);
	text = capture_end(&c);
	assert_memory_equal(text, "a?b?[31m?c\nx", 12);
	assert_ptr_equal(strchr(text + 11, '\n'), text + strlen(text) - 1);
	assert_in_range(strlen(text + 11), 1000, 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lines_by_level, reset),
		cmocka_unit_test_setup(priority_for_the_journal, reset),
		cmocka_unit_test_setup(one_event_is_one_line, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Files and sockets that lines go to: what arrives, what is counted, what is a fault. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "ctl/connlog_format.h"
#include "ctl/connlog_sink.h"

static char folder[64], path[96], other[96];

static int setup(void **state)
{
	strcpy(folder, "/tmp/sink_test.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/log", folder);
	snprintf(other, sizeof(other), "%s/log.1", folder);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	unlink(other);
	assert_int_equal(rmdir(folder), 0);
	return 0;
}

static struct connlog_conf to_file(const char *name)
{
	return (struct connlog_conf){ .path = name, .file = true };
}

static struct connlog_conf to_syslog(const char *name)
{
	return (struct connlog_conf){ .path = name, .facility = LOG_LOCAL3 };
}

static struct sink *opened(const struct connlog_conf *conf, struct connlog_stats *stats)
{
	struct faults faults = { 0 };
	struct sink *s = sink_open(conf, stats, &faults);

	assert_non_null(s);
	assert_int_equal(faults.n, 0);
	return s;
}

static void say(struct sink *s, const char *line)
{
	assert_int_equal(sink_line(s, line, strlen(line)), 0);
}

/* What the file has. */
static const char *content(const char *name)
{
	static char text[1 << 20];
	FILE *f = fopen(name, "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static void test_file(void **state)
{
	const struct connlog_conf conf = to_file(path);
	struct connlog_stats stats = { 0 };
	struct sink *s = opened(&conf, &stats);
	struct stat st;

	say(s, "one");
	say(s, "two");
	assert_string_equal(content(path), "");
	sink_flush(s);
	assert_string_equal(content(path), "one\ntwo\n");
	assert_int_equal(stats.written, 2);
	say(s, "three");
	sink_close(s);
	assert_string_equal(content(path), "one\ntwo\nthree\n");
	s = opened(&conf, &stats);
	say(s, "four");
	sink_close(s);
	assert_string_equal(content(path), "one\ntwo\nthree\nfour\n");
	assert_int_equal(stats.written, 4);
	assert_int_equal(stats.failed, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07137, 0);
}

/* More than the buffer holds, without a flush. */
static void test_file_long(void **state)
{
	const struct connlog_conf conf = to_file(path);
	struct connlog_stats stats = { 0 };
	struct sink *s = opened(&conf, &stats);
	char line[CONNLOG_LINE];
	const char *text;

	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 200; i++)
		assert_int_equal(sink_line(s, line, sizeof(line)), 0);
	sink_close(s);
	assert_int_equal(stats.written, 200);
	text = content(path);
	assert_int_equal(strlen(text), 200 * (sizeof(line) + 1));
	for (int i = 0; i < 200; i++)
		assert_int_equal(strcspn(text + i * (sizeof(line) + 1), "\n"), sizeof(line));
}

static void test_reopen(void **state)
{
	const struct connlog_conf conf = to_file(path);
	struct connlog_stats stats = { 0 };
	struct sink *s = opened(&conf, &stats);

	say(s, "one");
	assert_int_equal(rename(path, other), 0);
	say(s, "two");
	assert_int_equal(sink_reopen(s), 0);
	say(s, "three");
	sink_flush(s);
	assert_string_equal(content(other), "one\ntwo\n");
	assert_string_equal(content(path), "three\n");
	/* Where it cannot, it keeps the file it has. */
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(sink_reopen(s), -EISDIR);
	say(s, "four");
	sink_close(s);
	assert_int_equal(rmdir(path), 0);
	assert_string_equal(content(other), "three\nfour\n");
}

static void test_no_space(void **state)
{
	const struct connlog_conf conf = to_file("/dev/full");
	struct connlog_stats stats = { 0 };
	struct sink *s = opened(&conf, &stats);

	say(s, "one");
	say(s, "two");
	sink_flush(s);
	assert_int_equal(stats.failed, 2);
	say(s, "three");
	sink_close(s);
	assert_int_equal(stats.failed, 3);
	assert_int_equal(stats.written, 0);
}

/* A pipe takes the first part of a line: what comes later begins with a line of its own. */
static void test_torn(void **state)
{
	char pipe_text[4096 + 1];
	const struct connlog_conf conf = to_file(path);
	struct connlog_stats stats = { 0 };
	char line[CONNLOG_LINE];
	struct sink *s;
	int reader;
	ssize_t n;

	assert_int_equal(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(reader >= 0);
	assert_int_equal(fcntl(reader, F_SETPIPE_SZ, 4096), 4096);
	s = opened(&conf, &stats);
	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 60; i++)
		assert_int_equal(sink_line(s, line, 1200), 0);
	sink_flush(s);
	assert_int_equal(stats.written, 3);
	assert_int_equal(stats.failed, 57);
	n = read(reader, pipe_text, sizeof(pipe_text) - 1);
	assert_int_equal(n, 4096);
	assert_int_equal(pipe_text[n - 1], 'x');
	say(s, "whole");
	sink_close(s);
	n = read(reader, pipe_text, sizeof(pipe_text) - 1);
	assert_int_equal(n, 7);
	assert_memory_equal(pipe_text, "\nwhole\n", 7);
	close(reader);
}

static int listener(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	strcpy(at.sun_path, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void test_syslog(void **state)
{
	const struct connlog_conf conf = to_syslog(path);
	struct connlog_stats stats = { 0 };
	char text[2048], month[4], tail[2048];
	int fd = listener(path), priority, day, hour, minute, second, pid;
	struct sink *s = opened(&conf, &stats);
	ssize_t n;

	say(s, "hello world");
	n = recv(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_int_equal(sscanf(text, "<%d>%3s %2d %2d:%2d:%2d fairlead[%d]: %2000[^\n]", &priority,
				 month, &day, &hour, &minute, &second, &pid, tail),
		8);
	assert_int_equal(priority, LOG_LOCAL3 | LOG_INFO);
	assert_int_equal(pid, getpid());
	assert_string_equal(tail, "hello world");
	assert_int_equal(stats.written, 1);

	/* The daemon is started anew: what comes meanwhile fails, the rest arrives. */
	close(fd);
	unlink(path);
	say(s, "lost");
	assert_int_equal(stats.failed, 1);
	fd = listener(path);
	say(s, "found");
	assert_true(recv(fd, text, sizeof(text), 0) > 0);
	assert_int_equal(stats.written, 2);
	sink_close(s);
	close(fd);
}

/* Nobody reads: lines are not taken, and nothing waits for them. */
static void test_syslog_full(void **state)
{
	const struct connlog_conf conf = to_syslog(path);
	struct connlog_stats stats = { 0 };
	int fd = listener(path), rc = 0;
	struct sink *s = opened(&conf, &stats);
	char text[256];
	uint64_t n = 0;

	while (rc == 0 && n < 1000000) {
		rc = sink_line(s, "line", 4);
		n += rc == 0;
	}
	assert_int_equal(rc, -EAGAIN);
	assert_true(n > 0);
	assert_int_equal(stats.written, n);
	assert_int_equal(stats.failed, 0);
	assert_true(recv(fd, text, sizeof(text), 0) > 0);
	assert_int_equal(sink_line(s, "line", 4), 0);
	sink_close(s);
	close(fd);
}

/* What cannot be opened, and is found out without opening it. */
static void refused(const struct connlog_conf *conf, const char *where, const char *text)
{
	struct connlog_stats stats = { 0 };
	struct faults faults = { 0 };

	sink_check(conf, &faults);
	assert_int_equal(faults.errors, 1);
	assert_null(sink_open(conf, &stats, &faults));
	assert_int_equal(faults.errors, 2);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(faults.list[i].path, where);
		assert_string_equal(faults.list[i].text, text);
	}
	faults_free(&faults);
}

static void test_faults(void **state)
{
	char text[512], missing[128], long_path[200];
	struct connlog_conf conf = to_file(missing);
	struct faults faults = { 0 };

	snprintf(missing, sizeof(missing), "%s/no/log", folder);
	snprintf(text, sizeof(text),
		"%s cannot be written: No such file or directory; make its folder writable, or "
		"name another file",
		missing);
	refused(&conf, "connection-log.file", text);
	conf = to_file(folder);
	snprintf(text, sizeof(text),
		"%s cannot be written: Is a directory; make its folder writable, or name another "
		"file",
		folder);
	refused(&conf, "connection-log.file", text);
	conf = to_syslog(path);
	snprintf(text, sizeof(text),
		"%s cannot be sent to: No such file or directory; needed is the datagram socket of "
		"a syslog daemon that runs",
		path);
	refused(&conf, "connection-log.syslog", text);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	conf = to_syslog(long_path);
	snprintf(text, sizeof(text),
		"%s cannot be sent to: File name too long; needed is the datagram socket of a "
		"syslog daemon that runs",
		long_path);
	refused(&conf, "connection-log.syslog", text);
	/* A check leaves nothing behind. */
	conf = to_file(path);
	sink_check(&conf, &faults);
	assert_int_equal(faults.n, 0);
	assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reopen, setup, teardown),
		cmocka_unit_test(test_no_space),
		cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_syslog, setup, teardown),
		cmocka_unit_test_setup_teardown(test_syslog_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

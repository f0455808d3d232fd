/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket with real clients: what each may do to the daemon, and what it may not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "listener.h"
#include "test_ctl.h"
#include "test_eal.h"

#define MAX_REQUEST 4096
#define MAX_OUTPUT  (64 * 1024)
#define MAX_CLIENTS 4
#define STALL_MS    30000

static char folder[64], path[96];

static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stats.drops\"}\n";
static const char pong[] = "{\"jsonrpc\":\"2.0\",\"result\":[],\"id\":1}\n";

static struct listener_conf conf(void)
{
	return (struct listener_conf){ .path = path,
		.mode = 0660,
		.max_request = MAX_REQUEST,
		.max_output = MAX_OUTPUT,
		.max_connections = MAX_CLIENTS,
		.stall_ms = STALL_MS };
}

static int setup(void **state)
{
	struct test_ctl *t = test_ctl_open(test_document);
	struct listener_conf l = conf();
	struct faults faults = { 0 };

	strcpy(folder, "/tmp/listener_test.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/sock", folder);
	t->c.tsc_hz = rte_get_tsc_hz();
	t->c.epoll = epoll_create1(EPOLL_CLOEXEC);
	t->c.listener = listener_open(&t->c, &l, &faults);
	assert_non_null(t->c.listener);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test_ctl *t = *state;
	char lock[128];

	listener_close(&t->c, t->c.listener);
	close(t->c.epoll);
	test_ctl_close(t);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	assert_int_equal(access(lock, F_OK), -1);
	assert_int_equal(rmdir(folder), 0);
	return 0;
}

/* ---- clients ------------------------------------------------------------------------------ */

static int client(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(to.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void say(int fd, const void *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* The loop until it has nothing more to do. */
static void turns(struct test_ctl *t)
{
	for (int i = 0; i < 20; i++)
		ctl_turn(&t->c, 0);
}

/* What has come so far; "EOF" at its end where the connection has ended. */
static const char *heard(int fd)
{
	static char text[1 << 20];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(text) - 8 && (got = recv(fd, text + n, sizeof(text) - 8 - n, 0)) > 0)
		n += (size_t)got;
	strcpy(text + n, got == 0 || (got < 0 && errno != EAGAIN) ? "EOF" : "");
	return text;
}

static void exchange(struct test_ctl *t, int fd, const char *says, const char *hears)
{
	say(fd, says, strlen(says));
	turns(t);
	assert_string_equal(heard(fd), hears);
}

/* ---- lines -------------------------------------------------------------------------------- */

static void test_lines(void **state)
{
	int fd = client(), other = client();
	char two[256];

	exchange(*state, fd, ping, pong);
	/* One byte at a time, with another client in between. */
	for (size_t i = 0; i < strlen(ping) - 1; i++) {
		say(fd, ping + i, 1);
		ctl_turn(*state, 0);
	}
	exchange(*state, other, ping, pong);
	exchange(*state, fd, "\n", pong);
	/* Two lines and a half at once. */
	snprintf(two, sizeof(two), "%s%s%.10s", ping, ping, ping);
	say(fd, two, strlen(two));
	turns(*state);
	snprintf(two, sizeof(two), "%s%s", pong, pong);
	assert_string_equal(heard(fd), two);
	exchange(*state, fd, ping + 10, pong);
	close(fd);
	close(other);
	turns(*state);
	assert_int_equal(listener_connections(((struct test_ctl *)*state)->c.listener), 0);
}

/* Who closes its side after asking is answered all the same, even without the end of the line. */
static void test_half_close(void **state)
{
	char expected[128];
	int fd = client();

	say(fd, ping, strlen(ping) - 1);
	shutdown(fd, SHUT_WR);
	turns(*state);
	snprintf(expected, sizeof(expected), "%sEOF", pong);
	assert_string_equal(heard(fd), expected);
	close(fd);
}

static void test_too_long(void **state)
{
	static const char refused[] = "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":"
				      "\"request longer than 4096 bytes\"},\"id\":null}\n";
	char line[3 * MAX_REQUEST];
	int fd = client();

	/* The longest there may be; blanks are allowed between tokens. */
	memset(line, ' ', sizeof(line));
	memcpy(line, ping, strlen(ping) - 1);
	line[MAX_REQUEST] = '\n';
	say(fd, line, MAX_REQUEST + 1);
	turns(*state);
	assert_string_equal(heard(fd), pong);
	/* One more. */
	line[MAX_REQUEST] = ' ';
	line[MAX_REQUEST + 1] = '\n';
	say(fd, line, MAX_REQUEST + 2);
	turns(*state);
	assert_string_equal(heard(fd), refused);
	/* Far more, without an end: said once; what follows the end is served. */
	line[MAX_REQUEST + 1] = ' ';
	for (int i = 0; i < 10; i++) {
		say(fd, line, sizeof(line));
		turns(*state);
	}
	assert_string_equal(heard(fd), refused);
	say(fd, "\n", 1);
	exchange(*state, fd, ping, pong);
	close(fd);
}

static void test_garbage(void **state)
{
	uint32_t seed = 12345;
	char noise[1000];
	int fd = client();

	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < sizeof(noise); i++) {
			seed = seed * 1103515245 + 12345;
			noise[i] = (char)(seed >> 16);
		}
		say(fd, noise, sizeof(noise));
		turns(*state);
		heard(fd);
	}
	say(fd, "\n", 1);
	turns(*state);
	heard(fd);
	exchange(*state, fd, ping, pong);
	close(fd);
}

/* ---- limits ------------------------------------------------------------------------------- */

static void test_connections(void **state)
{
	int fd[MAX_CLIENTS], more;

	for (int i = 0; i < MAX_CLIENTS; i++) {
		fd[i] = client();
		exchange(*state, fd[i], ping, pong);
	}
	more = client();
	turns(*state);
	assert_string_equal(heard(more), "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":4,\"message\":"
					 "\"4 clients are connected already, no more are "
					 "allowed\"},\"id\":null}\nEOF");
	close(more);
	close(fd[0]);
	turns(*state);
	more = client();
	exchange(*state, more, ping, pong);
	for (int i = 1; i < MAX_CLIENTS; i++) {
		exchange(*state, fd[i], ping, pong);
		close(fd[i]);
	}
	close(more);
}

/* Who asks and does not read is not listened to any more, and loses nothing when it reads at last.
 */
static void test_back_pressure(void **state)
{
	static const char describe[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.describe\"}\n";
	unsigned int asked = 0, lines = 0;
	int fd = client();

	while (send(fd, describe, strlen(describe), MSG_NOSIGNAL) == (ssize_t)strlen(describe)) {
		asked++;
		ctl_turn(*state, 0);
		assert_true(asked < 100000);
	}
	for (int i = 0; i < 100000 && lines < asked; i++) {
		const char *text = heard(fd);

		assert_null(strstr(text, "EOF"));
		for (; *text; text++)
			lines += *text == '\n';
		ctl_turn(*state, 0);
	}
	assert_int_equal(lines, asked);
	/* The last request may have been taken in part: the rest of a line that is none. */
	close(fd);
}

/* An answer larger than all that may wait. */
static void test_too_much_output(void **state)
{
	char line[MAX_REQUEST] = "[";
	int fd = client();

	for (int i = 0; i < 40; i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line),
			"%s{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"rpc.describe\"}",
			i ? "," : "", i);
	strcat(line, "]\n");
	exchange(*state, fd, line, "EOF");
	close(fd);
	fd = client();
	exchange(*state, fd, ping, pong);
	close(fd);
}

/* Time passes, without waiting for it. */
static void later(struct test_ctl *t, uint64_t ms)
{
	t->c.now += ms;
	listener_poll(&t->c, t->c.listener);
}

static void test_stalled_writer(void **state)
{
	int fd = client(), idle = client();

	say(fd, ping, 10);
	turns(*state);
	later(*state, STALL_MS - 1000);
	say(fd, ping + 10, 10); /* a little more is not enough */
	turns(*state);
	assert_string_equal(heard(fd), "");
	later(*state, STALL_MS + 1);
	assert_string_equal(heard(fd), "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,"
				       "\"message\":\"the end of the request did not "
				       "come\"},\"id\":null}\nEOF");
	/* Who has nothing to say may stay. */
	exchange(*state, idle, ping, pong);
	close(fd);
	close(idle);
}

static void test_stalled_reader(void **state)
{
	static const char describe[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.describe\"}\n";
	struct test_ctl *t = *state;
	int fd = client();

	while (send(fd, describe, strlen(describe), MSG_NOSIGNAL) > 0)
		ctl_turn(&t->c, 0);
	later(t, STALL_MS + 1);
	assert_int_equal(listener_connections(t->c.listener), 0);
	close(fd);
}

/* ---- the socket itself -------------------------------------------------------------------- */

/* listener_open() fails with this errno and exactly this fault. */
static void refuse(struct test_ctl *t, const struct listener_conf *l, int error, const char *text)
{
	struct faults faults = { 0 };

	assert_null(listener_open(&t->c, l, &faults));
	assert_int_equal(errno, error);
	assert_int_equal(faults.n, 1);
	assert_string_equal(faults.list[0].text, text);
	faults_free(&faults);
}

static void test_second_daemon(void **state)
{
	struct listener_conf l = conf();
	char text[256];
	int fd;

	snprintf(text, sizeof(text),
		"another fairlead (pid %d) serves %s; stop it first, or give this one another "
		"--socket",
		getpid(), path);
	refuse(*state, &l, EBUSY, text);
	/* The first one is not hurt. */
	fd = client();
	exchange(*state, fd, ping, pong);
	close(fd);
}

static void test_path(void **state)
{
	struct test_ctl *t = *state;
	struct listener_conf l = conf();
	struct faults faults = { 0 };
	char other[128], dir[128], text[256], lock[160];
	struct listener *again;
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);

	/* What is in the way and is no socket stays. */
	snprintf(other, sizeof(other), "%s/file", folder);
	assert_int_equal(mknod(other, S_IFREG | 0600, 0), 0);
	l.path = other;
	snprintf(text, sizeof(text),
		"%s is there and is not a socket; remove it, or choose another path", other);
	refuse(t, &l, EEXIST, text);
	assert_int_equal(unlink(other), 0);
	snprintf(lock, sizeof(lock), "%s.lock", other);
	assert_int_equal(access(lock, F_OK), -1);

	/* A folder that is missing is not made; a socket that nobody serves goes. */
	snprintf(other, sizeof(other), "%s/run/sock", folder);
	snprintf(dir, sizeof(dir), "%s/run", folder);
	snprintf(text, sizeof(text),
		"no folder %s for the control socket: No such file or directory; make it, or "
		"choose another path",
		dir);
	refuse(t, &l, ENOENT, text);
	assert_int_equal(mkdir(dir, 0755), 0);
	l.mode = 0600;
	again = listener_open(&t->c, &l, &faults);
	assert_non_null(again);
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	listener_close(&t->c, again);
	assert_int_equal(mknod(other, S_IFSOCK | 0600, 0), 0);
	again = listener_open(&t->c, &l, &faults);
	assert_non_null(again);
	listener_close(&t->c, again);

	l.group = "no-such-group";
	refuse(t, &l, ENOENT, "no group \"no-such-group\" on this system");
	l.group = NULL;
	l.owner = "no-such-user";
	refuse(t, &l, ENOENT, "no user \"no-such-user\" on this system");
	snprintf(lock, sizeof(lock), "%s.lock", other);
	assert_int_equal(access(lock, F_OK), -1);
	assert_int_equal(rmdir(dir), 0);

	l = conf();
	l.path = "/tmp/"
		 "012345678901234567890123456789012345678901234567890123456789012345678901234567890"
		 "1234567890123456789012"
		 "3456789";
	refuse(t, &l, ENAMETOOLONG, "a path of 115 bytes; a socket's has 1 to 107");
	l.path = "/nonexistent/folder/sock";
	refuse(t, &l, ENOENT,
		"no folder /nonexistent/folder for the control socket: No such file or directory; "
		"make it, or choose another path");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_close, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_back_pressure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_much_output, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stalled_writer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stalled_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_daemon, setup, teardown),
		cmocka_unit_test_setup_teardown(test_path, setup, teardown),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The event loop: what one turn does, signals, and opening and closing. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "test_ctl.h"
#include "test_eal.h"

#define WORKERS 2

static struct rte_mempool *pool;
static char folder[64], path[96], file[96];

static int group_setup(void **state)
{
	pool = test_pool("ctl", 256);
	return 0;
}

static void file_write(const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(test_json(text), f);
	fclose(f);
}

static int setup(void **state)
{
	struct test_ctl *t = test_ctl_open_workers(test_document, WORKERS, pool);
	struct faults faults = { 0 };

	strcpy(folder, "/tmp/ctl_test.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/sock", folder);
	snprintf(file, sizeof(file), "%s/fairlead.json", folder);
	file_write(test_document);
	t->c.config_path = file;
	/* ctl_open() makes its own. */
	rpc_destroy(t->c.rpc);
	assert_int_equal(ctl_open(&t->c, path, &faults), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test_ctl *t = *state;
	char lock[128];

	ctl_close(&t->c);
	test_ctl_close(t);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	unlink(lock);
	unlink(file);
	assert_int_equal(rmdir(folder), 0);
	return 0;
}

static int client(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(to.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Control core and workers take turns. */
static void turns(struct test_ctl *t)
{
	for (int i = 0; i < 50; i++) {
		ctl_turn(&t->c, 0);
		for (unsigned int w = 0; w < WORKERS; w++)
			worker_poll(t->c.target.workers->worker[w], TEST_TSC);
	}
}

static void test_stop(void **state)
{
	struct test_ctl *t = *state;

	ctl_turn(&t->c, 0);
	assert_false(t->c.stop);
	raise(SIGTERM);
	/* Comes back by itself. */
	ctl_run(&t->c);
	assert_true(t->c.stop);
}

static void test_reload(void **state)
{
	static const char good[] =
		"{ 'workers': [1], 'control': 0, 'ports': [ { 'name': 'wan', 'device': 'ring:a' }, "
		"{ 'name': 'lan', 'device': 'ring:b' } ], 'pools': [ { 'name': 'new' } ] }";
	struct test_ctl *t = *state;

	file_write("{ \"workers\": 7 }");
	raise(SIGHUP);
	ctl_turn(&t->c, 0);
	assert_non_null(model_pool_by_name(config_model(&t->c.target), "web"));
	assert_false(t->c.stop);
	file_write(good);
	raise(SIGHUP);
	ctl_turn(&t->c, 0);
	assert_null(model_pool_by_name(config_model(&t->c.target), "web"));
	assert_non_null(model_pool_by_name(config_model(&t->c.target), "new"));
	t->c.config_path = NULL;
	raise(SIGHUP);
	ctl_turn(&t->c, 0);
	assert_non_null(model_pool_by_name(config_model(&t->c.target), "new"));
}

/* A call that waits for the workers, from a real client; and one whose client does not wait for it.
 */
static void test_deferred(void **state)
{
	static const char ask[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session.count\"}\n";
	static const char answer[] = "{\"jsonrpc\":\"2.0\",\"result\":{\"sessions\":0},\"id\":1}\n";
	struct test_ctl *t = *state;
	int fd = client(), hasty = client();
	char text[256] = "";

	assert_int_equal(send(hasty, ask, strlen(ask), 0), strlen(ask));
	ctl_turn(&t->c, 0);
	ctl_turn(&t->c, 0);
	close(hasty);
	assert_int_equal(send(fd, ask, strlen(ask), 0), strlen(ask));
	/* Nothing more to say, but something to hear. */
	shutdown(fd, SHUT_WR);
	ctl_turn(&t->c, 0);
	ctl_turn(&t->c, 0);
	assert_int_equal(recv(fd, text, sizeof(text), 0), -1);
	turns(t);
	assert_int_equal(recv(fd, text, sizeof(text), 0), strlen(answer));
	assert_memory_equal(text, answer, strlen(answer));
	assert_int_equal(recv(fd, text, sizeof(text), 0), 0);
	close(fd);
}

/* Punted packets are taken from every worker's ring and end somewhere: here nobody wants them. */
static void test_punts(void **state)
{
	struct test_ctl *t = *state;
	struct workers *all = t->c.target.workers;
	unsigned int before = rte_mempool_in_use_count(pool);

	for (unsigned int w = 0; w < WORKERS; w++)
		for (int i = 0; i < 5; i++) {
			struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
			struct rte_ether_hdr *eth;

			assert_non_null(m);
			eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, 60);
			memset(eth, 0, 60);
			eth->ether_type = RTE_BE16(0x88b5);
			net_punt(all->net[w], m);
		}
	ctl_turn(&t->c, 0);
	assert_true(t->c.busy);
	assert_int_equal(rte_mempool_in_use_count(pool), before);
	assert_int_equal(all->net[WORKERS]->drop[DROP_punt_unwanted], WORKERS * 5);
}

static void test_second(void **state)
{
	struct ctl second = ((struct test_ctl *)*state)->c;
	struct faults faults = { 0 };

	second.rpc = NULL;
	assert_int_equal(ctl_open(&second, path, &faults), -EBUSY);
	assert_int_equal(faults.errors, 1);
	faults_free(&faults);
	/* Nothing is left open, and the first goes on. */
	assert_int_equal(second.epoll, -1);
	assert_int_equal(second.signals, -1);
	test_deferred(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deferred, setup, teardown),
		cmocka_unit_test_setup_teardown(test_punts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second, setup, teardown),
	};
	sigset_t set;

	/* As main() does, before there are threads. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	test_eal_init();
	return cmocka_run_group_tests(tests, group_setup, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* From rings to lines: names, also of what is gone; what is left out; changes of the configuration;
 * a receiver that does not keep up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/connlog.h"
#include "l7/relay.h"
#include "l7/relay_log.h"
#include "test_ctl.h"

#define WORKERS 2

static struct rte_mempool *pool;
static char folder[64], path[96], other[96];
static struct relays *relays[WORKERS];
static uint64_t now = 5000;

/* Services "quiet" and, unless it is left out, "web"; log: of the document. */
#define DOCUMENT(log, web)                                                                         \
	"{ 'workers': [1, 2], 'control': 0," log                                                   \
	" 'ports': [ { 'name': 'wan', 'device': 'ring:a', 'addresses': ['192.0.2.1/24'] },"        \
	" { 'name': 'lan', 'device': 'ring:b', 'addresses': ['10.0.0.1/24'] } ],"                  \
	" 'pools': [ { 'name': 'p', 'backup': 'b', 'servers': [ { 'name': 's1', 'address': "       \
	"'10.0.0.11:80' } ] }, { 'name': 'b', 'servers': [ { 'name': 's2', 'address': "            \
	"'10.0.0.12:80' } ] } ],"                                                                  \
	" 'services': [ { 'name': 'quiet', 'address': '192.0.2.11:80', 'mode': 'tcp', 'pool': "    \
	"'p', 'connection-log': false }" web " ] }"
#define WEB ", { 'name': 'web', 'address': '192.0.2.10:80', 'mode': 'tcp', 'pool': 'p' }"

static char document[8192];

static const char *with(const char *key, const char *log_path, const char *more, const char *web)
{
	char log[512] = "";

	if (key)
		snprintf(log, sizeof(log), " 'connection-log': { '%s': '%s'%s },", key, log_path,
			more);
	snprintf(document, sizeof(document), DOCUMENT("%s", "%s"), log, web);
	return document;
}

static int group_setup(void **state)
{
	test_eal_init();
	pool = test_pool("connlog", 256);
	return 0;
}

static int setup(void **state)
{
	struct test_ctl *t = test_ctl_open_workers(with(NULL, NULL, "", WEB), WORKERS, pool);
	const struct relays_conf conf = { .max = 64, .socket = SOCKET_ID_ANY };

	strcpy(folder, "/tmp/connlog_test.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/log", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	for (unsigned int i = 0; i < WORKERS; i++) {
		relays[i] = relays_create(&conf);
		assert_non_null(relays[i]);
	}
	t->c.target.relays = relays;
	t->c.target.connlog = connlog_create();
	assert_non_null(t->c.target.connlog);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test_ctl *t = *state;

	connlog_destroy(t->c.target.connlog);
	test_ctl_close(t);
	for (unsigned int i = 0; i < WORKERS; i++)
		relays_destroy(relays[i]);
	unlink(path);
	unlink(other);
	assert_int_equal(rmdir(folder), 0);
	return 0;
}

static void turn(struct test_ctl *t)
{
	now += 100;
	config_poll(&t->c.target, now);
	connlog_turn(t->c.target.connlog, &t->c.target, now);
	rcu_reclaim(t->c.target.rcu);
}

static void configure(struct test_ctl *t, const char *text)
{
	test_ctl_configure(t, text);
	turn(t);
}

static struct service *service_named(struct test_ctl *t, const char *name)
{
	const struct model *m = t->snapshot.model;

	for (unsigned int i = 0; i < MODEL_SERVICES_MAX; i++)
		if (m->service[i] && !strcmp(m->service[i]->name, name))
			return (struct service *)(uintptr_t)m->service[i];
	return NULL;
}

static const struct server *server_named(struct test_ctl *t, const char *name)
{
	const struct model *m = t->snapshot.model;

	for (unsigned int i = 0; i < MODEL_SERVERS_MAX; i++)
		if (m->server[i] && !strcmp(m->server[i]->name, name))
			return m->server[i];
	return NULL;
}

/* A connection that has ended, with bytes for a mark. */
static struct relay_record ended(struct test_ctl *t, const char *service, uint64_t bytes)
{
	const struct service *s = service_named(t, service);
	const struct server *to = server_named(t, "s2");

	assert_non_null(s);
	return (struct relay_record){
		.up = bytes,
		.total_ms = 30,
		.ended_ms = (uint32_t)now,
		.service = s->slot,
		.service_gen = s->gen,
		.to = to->slot,
		.to_gen = to->gen,
		.end = RELAY_END_done,
	};
}

static void put(unsigned int worker, const struct relay_record *r)
{
	relay_log_put(relays_log(relays[worker]), r);
}

static const char *content(const char *name)
{
	static char text[1 << 20];
	FILE *f = fopen(name, "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static unsigned int lines(const char *name)
{
	unsigned int n = 0;

	for (const char *at = content(name); *at; at++)
		n += *at == '\n';
	return n;
}

static struct connlog_stats stats(struct test_ctl *t)
{
	struct connlog_stats s;

	connlog_stats(t->c.target.connlog, &t->c.target, &s);
	return s;
}

static void test_names(void **state)
{
	struct test_ctl *t = *state;
	struct relay_record r;

	configure(t, with("file", path, "", WEB));
	r = ended(t, "web", 1);
	put(0, &r);
	r.to = r.to_gen = 0;
	put(1, &r);
	t->c.target.workers->worker[0]->l4.service[r.service].flows_opened += 4;
	t->c.target.workers->worker[1]->l4.service[r.service].flows_opened += 3;
	t->c.target.workers->worker[1]->l4.service[r.service].flows_closed += 2;
	turn(t);
	/* A server's pool is its own, the backup; without a server, the service's. */
	assert_non_null(strstr(content(path), " service=web pool=b server=s2 "));
	assert_non_null(strstr(content(path), " service=web pool=p server=- "));
	assert_non_null(strstr(content(path), " service_active=5 server_active=0\n"));
	assert_non_null(strstr(content(path), " service_active=5 server_active=-\n"));
	/* Slots of former owners. */
	r.service_gen++;
	put(0, &r);
	turn(t);
	assert_non_null(strstr(content(path), " service=- pool=- server=- "));
	assert_int_equal(stats(t).written, 3);
}

/* What ends because its service is removed is told with its name. */
static void test_gone(void **state)
{
	struct test_ctl *t = *state;
	struct relay_record r;

	configure(t, with("file", path, "", WEB));
	r = ended(t, "web", 1);
	r.end = RELAY_END_gone;
	configure(t, with("file", path, "", ""));
	assert_null(service_named(t, "web"));
	put(0, &r);
	turn(t);
	assert_non_null(strstr(content(path), " service=web pool=b server=s2 "));
}

static void test_left_out(void **state)
{
	struct test_ctl *t = *state;
	struct relay_record r;

	configure(t, with("file", path, "", WEB));
	assert_int_equal(service_named(t, "web")->log, CONNECTION_LOG_ALL);
	assert_int_equal(service_named(t, "quiet")->log, CONNECTION_LOG_NONE);
	r = ended(t, "quiet", 1);
	put(0, &r);
	r = ended(t, "web", 0);
	put(0, &r);
	turn(t);
	assert_int_equal(lines(path), 1);
	configure(t, with("file", path, ", 'empty': false", WEB));
	assert_int_equal(service_named(t, "web")->log, CONNECTION_LOG_CARRIED);
	put(0, &r);
	turn(t);
	assert_int_equal(lines(path), 1);
	r.up = 1;
	put(0, &r);
	turn(t);
	assert_int_equal(lines(path), 2);
}

static void test_change(void **state)
{
	struct test_ctl *t = *state;
	struct relay_record r = ended(t, "web", 1);

	assert_int_equal(service_named(t, "web")->log, CONNECTION_LOG_NONE);
	put(0, &r);
	turn(t);
	configure(t, with("file", path, "", WEB));
	put(0, &r);
	turn(t);
	configure(t, with("file", other, ", 'format': 'json'", WEB));
	put(1, &r);
	turn(t);
	assert_int_equal(lines(path), 1);
	assert_int_equal(lines(other), 1);
	assert_int_equal(content(path)[0], '2');
	assert_int_equal(content(other)[0], '{');
	/* Renamed, and nobody has asked for a new one. */
	assert_int_equal(rename(other, path), 0);
	configure(t, with("file", other, ", 'format': 'json'", ""));
	put(1, &r);
	turn(t);
	assert_int_equal(lines(path), 2);
	connlog_reopen(t->c.target.connlog);
	put(1, &r);
	turn(t);
	assert_int_equal(lines(path), 2);
	assert_int_equal(lines(other), 1);
	configure(t, with(NULL, NULL, "", WEB));
	assert_int_equal(service_named(t, "web")->log, CONNECTION_LOG_NONE);
	put(1, &r);
	turn(t);
	assert_int_equal(lines(other), 1);
	assert_int_equal(relay_log_waiting(relays_log(relays[1])), 0);
	assert_int_equal(stats(t).written, 4);
}

/* A document that is refused, for the log's sake or another's, changes nothing. */
static void test_refused(void **state)
{
	struct test_ctl *t = *state;
	struct faults faults = { 0 };
	char missing[128];
	struct relay_record r;
	json_t *doc;

	configure(t, with("file", path, "", WEB));
	snprintf(missing, sizeof(missing), "%s/no/log", folder);
	with("file", missing, "", WEB);
	doc = config_parse(test_json(document), strlen(document), &faults);
	assert_false(config_check(doc, &faults));
	assert_int_equal(config_apply(&t->c.target, doc, &faults), -EINVAL);
	for (size_t i = 0; i < faults.n; i++)
		if (!faults.list[i].warning)
			assert_string_equal(faults.list[i].path, "connection-log.file");
	assert_int_equal(faults.errors, 2);
	faults_free(&faults);
	json_decref(doc);
	faults = (struct faults){ 0 };
	with("file", other, "", ", { 'name': 'web', 'address': '192.0.2.10:80' }");
	doc = config_parse(test_json(document), strlen(document), &faults);
	assert_int_equal(config_apply(&t->c.target, doc, &faults), -EINVAL);
	faults_free(&faults);
	json_decref(doc);
	r = ended(t, "web", 1);
	put(0, &r);
	turn(t);
	assert_int_equal(lines(path), 1);
	assert_int_equal(access(other, F_OK), -1);
}

/* Nobody reads the socket: records wait in their rings, then are lost, and none twice. */
static void test_back_pressure(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	const uint64_t all = 3 * RELAY_LOG_ROOM;
	struct test_ctl *t = *state;
	uint64_t next = 0, n;
	char text[2048];
	ssize_t len;

	strcpy(at.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	configure(t, with("syslog", path, "", WEB));
	for (uint64_t i = 0; i < all; i++) {
		struct relay_record r = ended(t, "web", i + 1);

		put(0, &r);
		if (i % 64 == 0)
			turn(t);
	}
	assert_true(relay_log_waiting(relays_log(relays[0])) > 0);
	assert_true(stats(t).lost > 0);
	for (unsigned int i = 0; i < 100000; i++) {
		while ((len = recv(fd, text, sizeof(text) - 1, 0)) > 0) {
			text[len] = '\0';
			n = strtoull(strstr(text, " bytes_in=") + 10, NULL, 10);
			assert_true(n > next);
			next = n;
		}
		if (stats(t).written + stats(t).lost == all)
			break;
		turn(t);
	}
	assert_int_equal(stats(t).written + stats(t).lost, all);
	assert_int_equal(stats(t).failed, 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_back_pressure, setup, teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}

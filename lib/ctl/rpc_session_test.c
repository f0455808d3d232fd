/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions: calls that wait for workers. Two worker objects without ports, flows put into their
 * tables by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>

#include <rte_cycles.h>

#include "test_ctl.h"
#include "test_eal.h"

#define WORKERS 2
#define FLOWS   40 /* of each worker */

static struct rte_mempool *pool;

static struct addr A(const char *text) {
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* Flow number i of a worker: 192.0.2.100+i -> web, to webA or webB in turn; every fifth is closing.
 */
static void
flow_add(struct worker *w, const struct model *m, unsigned int i)
{
	const struct service *service = model_service_by_name(m, "web");
	const struct server *server = model_server_by_name(m, "web", i % 2 ? "webB" : "webA");
	struct tuple fwd = { .src = addr_from_v4(RTE_BE32(0xc0000264 + i)),
		.dst = A("192.0.2.10"),
		.sport = rte_cpu_to_be_16((uint16_t)(1000 + w->id)),
		.dport = RTE_BE16(80),
		.proto = IPPROTO_TCP };
	struct tuple back = { .src = server->addr,
		.dst = fwd.src,
		.sport = RTE_BE16(80),
		.dport = fwd.sport,
		.proto = IPPROTO_TCP };
	enum drop_reason reason;
	struct flow *f = flow_open(w->l4.flows, &fwd, &back, &reason);

	assert_non_null(f);
	f->service = service->slot;
	f->service_gen = service->gen;
	f->server = server->slot;
	f->server_gen = server->gen;
	f->mode = MODE_NAT;
	f->state = i % 5 == 0 ? CONN_FIN : CONN_ESTABLISHED;
	f->born = f->seen = w->now_ms;
	counter_add(&w->l4.service[f->service].flows_opened, 1);
	counter_add(&w->l4.server[f->server].flows_opened, 1);
	w->l4.sched->load[f->server]++;
}

static int group_setup(void **state)
{
	pool = test_pool("session", 256);
	return 0;
}

static int setup(void **state)
{
	struct test_ctl *t = test_ctl_open_workers(test_document, WORKERS, pool);

	for (unsigned int w = 0; w < WORKERS; w++)
		for (unsigned int i = 0; i < FLOWS; i++)
			flow_add(t->c.target.workers->worker[w], t->snapshot.model, i);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	test_ctl_close(*state);
	return 0;
}

/* The answer to a call, whenever it comes. */
static json_t *ask(struct test_ctl *t, const char *method, const char *params)
{
	json_t *response = test_call(t, method, params);

	if (!response) {
		test_ctl_settle(t);
		response = json_loads(t->said, 0, NULL);
	}
	assert_non_null(response);
	assert_int_equal(t->lines, 1);
	return response;
}

static json_int_t number(
	struct test_ctl *t, const char *method, const char *params, const char *key)
{
	json_t *response = ask(t, method, params);
	json_t *value = json_object_get(json_object_get(response, "result"), key);
	json_int_t n = json_integer_value(value);

	assert_true(json_is_integer(value));
	json_decref(response);
	return n;
}

static json_int_t count(struct test_ctl *t, const char *params)
{
	return number(t, "session.count", params, "sessions");
}

static void refuse(
	struct test_ctl *t, const char *method, const char *params, int code, const char *text)
{
	json_t *response = ask(t, method, params);
	const json_t *error = json_object_get(response, "error");

	assert_string_equal(json_string_value(json_object_get(error, "message")), test_json(text));
	assert_int_equal(json_integer_value(json_object_get(error, "code")), code);
	json_decref(response);
}

static void test_count(void **state)
{
	struct test_ctl *t = *state;

	assert_int_equal(count(t, "{}"), 2 * FLOWS);
	assert_int_equal(count(t, "{'server':'webA'}"), FLOWS);
	assert_int_equal(count(t, "{'server':'web/webB'}"), FLOWS);
	assert_int_equal(count(t, "{'service':'web','protocol':'tcp'}"), 2 * FLOWS);
	assert_int_equal(count(t, "{'protocol':'udp'}"), 0);
	assert_int_equal(count(t, "{'state':'fin'}"), 2 * FLOWS / 5);
	assert_int_equal(count(t, "{'state':'fin','server':'webA'}"), FLOWS / 5);
	assert_int_equal(count(t, "{'client':'192.0.2.101'}"), 2);
	assert_int_equal(count(t, "{'client':'192.0.2.104/30'}"), 8);
	assert_int_equal(count(t, "{'client':'2001:db8::/32'}"), 0);
}

static void test_errors(void **state)
{
	struct test_ctl *t = *state;

	refuse(t, "session.count", "{'service':'wob'}", RPC_NOT_FOUND, "no service 'wob'");
	refuse(t, "session.list", "{'server':'webX'}", RPC_NOT_FOUND, "no server 'webX'");
	refuse(t, "session.list", "{'server':'nope/webA'}", RPC_NOT_FOUND, "no server 'nope/webA'");
	refuse(t, "session.list", "{'cursor':'7.0'}", RPC_INVALID_PARAMS,
		"cursor: not one that session.list gave");
	refuse(t, "session.list", "{'cursor':'xyz'}", RPC_INVALID_PARAMS,
		"cursor: not one that session.list gave");
	refuse(t, "session.list", "{'cursor':'0.0 '}", RPC_INVALID_PARAMS,
		"cursor: not one that session.list gave");
	refuse(t, "session.list", "{'limit':10001}", RPC_INVALID_PARAMS,
		"invalid parameters: limit: 10001; needed is an integer from 1 to 10000");
	refuse(t, "session.flush", "{}", RPC_INVALID_PARAMS,
		"say which sessions, or 'all': true for every one; not both");
	refuse(t, "session.flush", "{'all':true,'server':'webA'}", RPC_INVALID_PARAMS,
		"say which sessions, or 'all': true for every one; not both");
	refuse(t, "session.flush", "{'all':false}", RPC_INVALID_PARAMS,
		"say which sessions, or 'all': true for every one; not both");
	/* A name that two pools have. */
	json_decref(ask(t, "server.add", "{'pool':'spare','name':'webA','address':'10.0.0.19'}"));
	refuse(t, "session.count", "{'server':'webA'}", RPC_INVALID_PARAMS,
		"2 pools have a server 'webA'; say 'POOL/webA'");
}

static void test_list(void **state)
{
	struct test_ctl *t = *state;
	json_t *response = ask(t, "session.list", "{'client':'192.0.2.101'}"), *session;
	const json_t *result = json_object_get(response, "result");
	json_t *want;
	size_t i;

	assert_true(json_is_null(json_object_get(result, "cursor")));
	assert_int_equal(json_array_size(json_object_get(result, "sessions")), 2);
	json_array_foreach (json_object_get(result, "sessions"), i, session) {
		json_t *expires = json_object_get(session, "expires_ms");

		/* By the service's time-out, which is 15 minutes. */
		assert_int_equal(json_integer_value(expires), 15 * 60 * 1000);
		want = json_pack(
			"{s:s, s:o, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i}",
			"protocol", "tcp", "client", json_sprintf("192.0.2.101:%d", 1000 + (int)i),
			"source", json_sprintf("192.0.2.101:%d", 1000 + (int)i), "virtual",
			"192.0.2.10:80", "address", "10.0.0.12:80", "service", "web", "pool", "web",
			"server", "webB", "mode", "nat", "state", "established", "idle_ms", 0,
			"age_ms", 0, "expires_ms", 15 * 60 * 1000, "worker", (int)i);
		assert_true(json_equal(session, want));
		json_decref(want);
	}
	json_decref(response);
}

/* Pages of seven meet every session once. */
static void test_pages(void **state)
{
	struct test_ctl *t = *state;
	json_t *seen = json_object(), *response, *session, *cursor;
	char params[128] = "{'limit':7}";
	unsigned int pages = 0;
	size_t i;

	do {
		response = ask(t, "session.list", params);
		json_array_foreach (
			json_object_get(json_object_get(response, "result"), "sessions"), i,
			session) {
			const char *client = json_string_value(json_object_get(session, "client"));

			assert_null(json_object_get(seen, client));
			json_object_set_new(seen, client, json_true());
		}
		assert_true(i <= 7);
		cursor = json_object_get(json_object_get(response, "result"), "cursor");
		if (json_is_string(cursor))
			snprintf(params, sizeof(params), "{'limit':7,'cursor':'%s'}",
				json_string_value(cursor));
		i = json_is_string(cursor);
		json_decref(response);
		pages++;
	} while (i && pages < 100);
	assert_int_equal(json_object_size(seen), 2 * FLOWS);
	assert_true(pages >= 2 * FLOWS / 7);
	json_decref(seen);
}

static void test_flush(void **state)
{
	struct test_ctl *t = *state;

	assert_int_equal(number(t, "session.flush", "{'server':'webA'}", "flushed"), FLOWS);
	assert_int_equal(count(t, "{}"), FLOWS);
	assert_int_equal(count(t, "{'server':'webA'}"), 0);
	assert_int_equal(number(t, "session.flush", "{'all':true}", "flushed"), FLOWS);
	assert_int_equal(count(t, "{}"), 0);
}

/* A batch is answered when the last of it is. */
static void test_batch(void **state)
{
	static const char batch[] = "[{'jsonrpc':'2.0','id':1,'method':'session.count'},{'jsonrpc':"
				    "'2.0','id':2,'method':"
				    "'stats.drops'},{'jsonrpc':'2.0','method':'session.count'}]";
	struct test_ctl *t = *state;

	assert_string_equal(test_ask(t, batch), "");
	test_ctl_settle(t);
	assert_string_equal(t->said, test_json("[{'jsonrpc':'2.0','result':[],'id':2},{'jsonrpc':'"
					       "2.0','result':{'sessions':80},'id':1}]\n"));
}

/* The client goes while its call waits: nothing is sent, and the workers' requests are waited for.
 */
static void test_gone(void **state)
{
	struct test_ctl *t = *state;

	for (int i = 0; i < 3; i++) {
		assert_string_equal(
			test_ask(t, "{'jsonrpc':'2.0','id':1,'method':'session.list'}"), "");
		assert_string_equal(
			test_ask(t, "{'jsonrpc':'2.0','id':1,'method':'session.count'}"), "");
	}
	assert_int_equal(rpc_poll(&t->c), 6);
	assert_true(rpc_waiting(t->c.rpc, t));
	rpc_forget(t->c.rpc, t);
	/* The workers have them: still waiting. */
	assert_int_equal(rpc_poll(&t->c), 6);
	test_ctl_settle(t);
	assert_int_equal(rpc_poll(&t->c), 0);
	assert_false(rpc_waiting(t->c.rpc, t));
	assert_int_equal(t->n, 0);
}

static void test_too_many(void **state)
{
	struct test_ctl *t = *state;

	for (int i = 0; i < RPC_DEFERRED_MAX; i++)
		assert_string_equal(
			test_ask(t, "{'jsonrpc':'2.0','id':1,'method':'session.count'}"), "");
	assert_string_equal(test_ask(t, "{'jsonrpc':'2.0','id':2,'method':'session.count'}"),
		test_json("{'jsonrpc':'2.0','error':{'code':4,'message':'64 requests wait for the "
			  "workers already; try again "
			  "later'},'id':2}"));
	/* More than a worker's ring holds: those that do not fit are posted later. All are
	 * answered. */
	t->n = t->lines = 0;
	test_ctl_settle(t);
	assert_int_equal(t->lines, RPC_DEFERRED_MAX);
}

/* The daemon stops while calls wait: freed with it (the sanitizer would tell), nothing is sent. */
static void test_stop(void **state)
{
	struct test_ctl *t = *state;

	test_ask(t, "{'jsonrpc':'2.0','id':1,'method':'session.list'}");
	test_ask(t, "{'jsonrpc':'2.0','id':1,'method':'session.count'}");
	assert_int_equal(rpc_poll(&t->c), 2);
	assert_int_equal(t->n, 0);
}

static void test_worker_list(void **state)
{
	json_t *response = ask(*state, "worker.list", "{}");
	json_t *list = json_object_get(response, "result");

	assert_int_equal(json_array_size(list), WORKERS);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "id")), 1);
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(list, 1), "flows_v4")), FLOWS);
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(list, 0), "max_flows_v6")), 1024);
	json_decref(response);
	/* Sums over the workers. */
	response = ask(*state, "service.show", "{'name':'web'}");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(response, "result"), "active")),
		2 * FLOWS);
	json_decref(response);
}

static void test_neighbours(void **state)
{
	struct test_ctl *t = *state;
	json_t *response = ask(t, "neighbour.list", "{}");
	const json_t *result = json_object_get(response, "result");

	assert_true(json_is_array(json_object_get(result, "neighbours")));
	assert_true(json_is_null(json_object_get(result, "cursor")));
	json_decref(response);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flush, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_worker_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_neighbours, setup, teardown),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, group_setup, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions: calls that wait for workers. Two worker objects without ports, flows put into their tables by hand. */
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

struct fixture {
	struct test_ctl *t;
	struct rte_mempool *pools[WORKERS + 1];
	struct rcu *rcu;
	struct neigh_table *neigh;
	struct nic nic[2], *nics[2]; /* nothing is ever sent or received */
};

static struct addr A(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* Flow number i of a worker: 192.0.2.100+i -> web, to webA or webB in turn; every fifth is closing. */
static void flow_add(struct worker *w, const struct model *m, unsigned int i)
{
	const struct service *service = model_service_by_name(m, "web");
	const struct server *server = model_server_by_name(m, "web", i % 2 ? "webB" : "webA");
	struct tuple fwd = { .src = addr_from_v4(RTE_BE32(0xc0000264 + i)), .dst = A("192.0.2.10"),
		.sport = rte_cpu_to_be_16((uint16_t)(1000 + w->id)), .dport = RTE_BE16(80), .proto = IPPROTO_TCP };
	struct tuple back = { .src = server->addr, .dst = fwd.src, .sport = RTE_BE16(80), .dport = fwd.sport,
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
	w->l4.sched->active[f->server]++;
}

static int group_setup(void **state)
{
	static struct fixture x;

	for (int i = 0; i <= WORKERS; i++)
		x.pools[i] = x.pools[0] ? x.pools[0] : test_pool("session", 256);
	for (uint16_t i = 0; i < 2; i++) {
		x.nic[i] = (struct nic){ .id = i, .txqs = WORKERS + 1, .mtu = 1500 };
		x.nics[i] = &x.nic[i];
	}
	*state = &x;
	return 0;
}

static int setup(void **state)
{
	struct fixture *x = *state;
	struct faults faults = { 0 };
	struct neigh_conf neighbours = neigh_defaults;

	x->t = test_ctl_create();
	x->rcu = rcu_create(WORKERS);
	neighbours.workers = WORKERS + 1;
	x->neigh = neigh_create(&neighbours, x->rcu);
	struct workers_conf conf = { .n = WORKERS, .nics = x->nics, .n_nics = 2, .neigh = x->neigh, .neigh_conf = &neighbours, .pools = x->pools,
		.rcu = x->rcu, .snapshot = &x->t->snapshot, .max_v4 = 1024, .max_v6 = 1024, .tsc_hz = 1000000000 };
	x->t->c.target.workers = workers_create(&conf, &faults);
	assert_non_null(x->t->c.target.workers);
	x->t->c.target.neigh = x->neigh;
	x->t->c.target.rcu = x->rcu;
	test_ctl_configure(x->t, test_document);
	for (unsigned int w = 0; w < WORKERS; w++) {
		rcu_online(x->rcu, w);
		worker_poll(x->t->c.target.workers->worker[w], 1000000000);
		for (unsigned int i = 0; i < FLOWS; i++)
			flow_add(x->t->c.target.workers->worker[w], x->t->snapshot.model, i);
	}
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	struct workers *all = x->t->c.target.workers;

	for (unsigned int w = 0; w < WORKERS; w++)
		rcu_offline(x->rcu, w);
	test_ctl_close(x->t);
	workers_destroy(all);
	neigh_destroy(x->neigh);
	rcu_destroy(x->rcu);
	return 0;
}

/* Workers and control core take turns until the call is answered. */
static json_t *ask(struct fixture *x, const char *method, const char *params)
{
	json_t *response = test_call(x->t, method, params);

	for (int i = 0; i < 1000 && !response; i++) {
		for (unsigned int w = 0; w < WORKERS; w++)
			worker_poll(x->t->c.target.workers->worker[w], 1000000000);
		rpc_poll(&x->t->c);
		if (x->t->n)
			response = json_loads(x->t->said, 0, NULL);
	}
	assert_non_null(response);
	assert_int_equal(x->t->lines, 1);
	return response;
}

static json_int_t number(struct fixture *x, const char *method, const char *params, const char *key)
{
	json_t *response = ask(x, method, params);
	json_t *value = json_object_get(json_object_get(response, "result"), key);
	json_int_t n = json_integer_value(value);

	assert_true(json_is_integer(value));
	json_decref(response);
	return n;
}

static json_int_t count(struct fixture *x, const char *params)
{
	return number(x, "session.count", params, "sessions");
}

static void refuse(struct fixture *x, const char *method, const char *params, int code, const char *text)
{
	json_t *response = ask(x, method, params);
	const json_t *error = json_object_get(response, "error");

	assert_string_equal(json_string_value(json_object_get(error, "message")), text);
	assert_int_equal(json_integer_value(json_object_get(error, "code")), code);
	json_decref(response);
}

static void test_count(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(count(x, "{}"), 2 * FLOWS);
	assert_int_equal(count(x, "{\"server\":\"webA\"}"), FLOWS);
	assert_int_equal(count(x, "{\"server\":\"web/webB\"}"), FLOWS);
	assert_int_equal(count(x, "{\"service\":\"web\",\"protocol\":\"tcp\"}"), 2 * FLOWS);
	assert_int_equal(count(x, "{\"protocol\":\"udp\"}"), 0);
	assert_int_equal(count(x, "{\"state\":\"fin\"}"), 2 * FLOWS / 5);
	assert_int_equal(count(x, "{\"state\":\"fin\",\"server\":\"webA\"}"), FLOWS / 5);
	assert_int_equal(count(x, "{\"client\":\"192.0.2.101\"}"), 2);
	assert_int_equal(count(x, "{\"client\":\"192.0.2.104/30\"}"), 8);
	assert_int_equal(count(x, "{\"client\":\"2001:db8::/32\"}"), 0);
}

static void test_errors(void **state)
{
	struct fixture *x = *state;

	refuse(x, "session.count", "{\"service\":\"wob\"}", RPC_NOT_FOUND, "no service \"wob\"");
	refuse(x, "session.list", "{\"server\":\"webX\"}", RPC_NOT_FOUND, "no server \"webX\"");
	refuse(x, "session.list", "{\"server\":\"nope/webA\"}", RPC_NOT_FOUND, "no server \"nope/webA\"");
	refuse(x, "session.list", "{\"cursor\":\"7.0\"}", RPC_INVALID_PARAMS, "cursor: not one that session.list gave");
	refuse(x, "session.list", "{\"cursor\":\"xyz\"}", RPC_INVALID_PARAMS, "cursor: not one that session.list gave");
	refuse(x, "session.list", "{\"cursor\":\"0.0 \"}", RPC_INVALID_PARAMS, "cursor: not one that session.list gave");
	refuse(x, "session.list", "{\"limit\":10001}", RPC_INVALID_PARAMS,
		"invalid parameters: limit: 10001; needed is an integer from 1 to 10000");
	refuse(x, "session.flush", "{}", RPC_INVALID_PARAMS,
		"say which sessions, or \"all\": true for every one; not both");
	refuse(x, "session.flush", "{\"all\":true,\"server\":\"webA\"}", RPC_INVALID_PARAMS,
		"say which sessions, or \"all\": true for every one; not both");
	refuse(x, "session.flush", "{\"all\":false}", RPC_INVALID_PARAMS,
		"say which sessions, or \"all\": true for every one; not both");
	/* A name that two pools have. */
	json_decref(ask(x, "server.add", "{\"pool\":\"spare\",\"name\":\"webA\",\"address\":\"10.0.0.19\"}"));
	refuse(x, "session.count", "{\"server\":\"webA\"}", RPC_INVALID_PARAMS,
		"2 pools have a server \"webA\"; say \"POOL/webA\"");
}

static void test_list(void **state)
{
	struct fixture *x = *state;
	json_t *response = ask(x, "session.list", "{\"client\":\"192.0.2.101\"}"), *session;
	const json_t *result = json_object_get(response, "result");
	json_t *want;
	size_t i;

	assert_true(json_is_null(json_object_get(result, "cursor")));
	assert_int_equal(json_array_size(json_object_get(result, "sessions")), 2);
	json_array_foreach (json_object_get(result, "sessions"), i, session) {
		json_t *expires = json_object_get(session, "expires_ms");

		/* By the service's time-out, which is 15 minutes. */
		assert_int_equal(json_integer_value(expires), 15 * 60 * 1000);
		want = json_pack("{s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i}", "protocol", "tcp",
			"client", json_sprintf("192.0.2.101:%d", 1000 + (int)i), "virtual", "192.0.2.10:80", "address",
			"10.0.0.12:80", "service", "web", "pool", "web", "server", "webB", "mode", "nat", "state",
			"established", "idle_ms", 0, "age_ms", 0, "expires_ms", 15 * 60 * 1000, "worker", (int)i);
		assert_true(json_equal(session, want));
		json_decref(want);
	}
	json_decref(response);
}

/* Pages of seven meet every session once. */
static void test_pages(void **state)
{
	struct fixture *x = *state;
	json_t *seen = json_object(), *response, *session, *cursor;
	char params[128] = "{\"limit\":7}";
	unsigned int pages = 0;
	size_t i;

	do {
		response = ask(x, "session.list", params);
		json_array_foreach (json_object_get(json_object_get(response, "result"), "sessions"), i, session) {
			const char *client = json_string_value(json_object_get(session, "client"));

			assert_null(json_object_get(seen, client));
			json_object_set_new(seen, client, json_true());
		}
		assert_true(i <= 7);
		cursor = json_object_get(json_object_get(response, "result"), "cursor");
		if (json_is_string(cursor))
			snprintf(params, sizeof(params), "{\"limit\":7,\"cursor\":\"%s\"}", json_string_value(cursor));
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
	struct fixture *x = *state;

	assert_int_equal(number(x, "session.flush", "{\"server\":\"webA\"}", "flushed"), FLOWS);
	assert_int_equal(count(x, "{}"), FLOWS);
	assert_int_equal(count(x, "{\"server\":\"webA\"}"), 0);
	assert_int_equal(number(x, "session.flush", "{\"all\":true}", "flushed"), FLOWS);
	assert_int_equal(count(x, "{}"), 0);
}

/* A batch is answered when the last of it is. */
static void test_batch(void **state)
{
	static const char batch[] =
		"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session.count\"},{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":"
		"\"stats.drops\"},{\"jsonrpc\":\"2.0\",\"method\":\"session.count\"}]";
	struct fixture *x = *state;

	assert_string_equal(test_ask(x->t, batch), "");
	for (int i = 0; i < 1000 && rpc_poll(&x->t->c); i++)
		for (unsigned int w = 0; w < WORKERS; w++)
			worker_poll(x->t->c.target.workers->worker[w], 1000000000);
	assert_string_equal(x->t->said,
		"[{\"jsonrpc\":\"2.0\",\"result\":[],\"id\":2},{\"jsonrpc\":\"2.0\",\"result\":{\"sessions\":80},\"id\":1}]\n");
}

/* The client goes while its call waits: nothing is sent, and the workers' requests are waited for. */
static void test_gone(void **state)
{
	struct fixture *x = *state;

	for (int i = 0; i < 3; i++) {
		assert_string_equal(test_ask(x->t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session.list\"}"), "");
		assert_string_equal(test_ask(x->t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session.count\"}"), "");
	}
	assert_int_equal(rpc_poll(&x->t->c), 6);
	assert_true(rpc_waiting(x->t->c.rpc, x->t));
	rpc_forget(x->t->c.rpc, x->t);
	/* The workers have them: still waiting. */
	assert_int_equal(rpc_poll(&x->t->c), 6);
	for (int i = 0; i < 1000 && rpc_poll(&x->t->c); i++)
		for (unsigned int w = 0; w < WORKERS; w++)
			worker_poll(x->t->c.target.workers->worker[w], 1000000000);
	assert_int_equal(rpc_poll(&x->t->c), 0);
	assert_false(rpc_waiting(x->t->c.rpc, x->t));
	assert_int_equal(x->t->n, 0);
}

static void test_too_many(void **state)
{
	struct fixture *x = *state;

	for (int i = 0; i < RPC_DEFERRED_MAX; i++)
		assert_string_equal(test_ask(x->t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session.count\"}"), "");
	assert_string_equal(test_ask(x->t, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"session.count\"}"),
		"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":4,\"message\":\"64 requests wait for the workers already; try again "
		"later\"},\"id\":2}");
	/* More than a worker's ring holds: those that do not fit are posted later. All are answered. */
	x->t->n = x->t->lines = 0;
	for (int i = 0; i < 10000 && rpc_poll(&x->t->c); i++)
		for (unsigned int w = 0; w < WORKERS; w++)
			worker_poll(x->t->c.target.workers->worker[w], 1000000000);
	assert_int_equal(x->t->lines, RPC_DEFERRED_MAX);
}

/* The daemon stops while calls wait: freed with it (the sanitizer would tell), nothing is sent. */
static void test_stop(void **state)
{
	struct fixture *x = *state;

	test_ask(x->t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session.list\"}");
	test_ask(x->t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session.count\"}");
	assert_int_equal(rpc_poll(&x->t->c), 2);
	assert_int_equal(x->t->n, 0);
}

static void test_worker_list(void **state)
{
	json_t *response = ask(*state, "worker.list", "{}");
	json_t *list = json_object_get(response, "result");

	assert_int_equal(json_array_size(list), WORKERS);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "id")), 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "flows_v4")), FLOWS);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "max_flows_v6")), 1024);
	json_decref(response);
	/* Sums over the workers. */
	response = ask(*state, "service.show", "{\"name\":\"web\"}");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(response, "result"), "active")), 2 * FLOWS);
	json_decref(response);
}

static void test_neighbours(void **state)
{
	struct fixture *x = *state;
	json_t *response = ask(x, "neighbour.list", "{}");
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

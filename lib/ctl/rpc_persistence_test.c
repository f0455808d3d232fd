/* SPDX-License-Identifier: BSD-3-Clause */
/* Persistence: calls that wait for workers. Two worker objects without ports, entries put into
 * their tables by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "test_ctl.h"
#include "test_eal.h"

#define WORKERS 2
#define ENTRIES 20 /* of each worker */

static struct rte_mempool *pool;

/* Entry i of a worker: 198.51.WORKER.i keeps webA or webB in turn. */
static void entry_add(struct worker *w, const struct model *m, unsigned int i)
{
	const struct persistence rule = { model_service_by_name(m, "web")->persistence.scope, 60000,
		32, 128 };
	const struct server *server = model_server_by_name(m, "web", i % 2 ? "webB" : "webA");
	struct addr client = addr_from_v4(rte_cpu_to_be_32(0xc6330000 + w->id * 256u + i));
	struct persist_key key = persist_key(&rule, &client);

	assert_true(persist_put(
		w->l4.persist, &key, persist_hash(w->l4.persist, &key), &rule, server, w->now_ms));
}

static int group_setup(void **state)
{
	pool = test_pool("persistence", 256);
	return 0;
}

static int setup(void **state)
{
	struct test_ctl *t = test_ctl_open_workers(test_document, WORKERS, pool);

	for (unsigned int w = 0; w < WORKERS; w++)
		for (unsigned int i = 0; i < ENTRIES; i++)
			entry_add(t->c.target.workers->worker[w], t->snapshot.model, i);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	test_ctl_close(*state);
	return 0;
}

/* The result of a call, or its error, whenever it comes. */
static json_t *ask(struct test_ctl *t, const char *method, const char *params, const char *key)
{
	json_t *response = test_call(t, method, params), *part;

	if (!response) {
		test_ctl_settle(t);
		response = json_loads(t->said, 0, NULL);
	}
	part = json_incref(json_object_get(response, key));
	assert_non_null(part);
	json_decref(response);
	return part;
}

static json_int_t number(
	struct test_ctl *t, const char *method, const char *params, const char *key)
{
	json_t *result = ask(t, method, params, "result");
	json_int_t n = json_integer_value(json_object_get(result, key));

	json_decref(result);
	return n;
}

static void test_count(void **state)
{
	struct test_ctl *t = *state;

	assert_int_equal(number(t, "persistence.count", "{}", "entries"), 40);
	assert_int_equal(number(t, "persistence.count", "{'server':'webA'}", "entries"), 20);
	assert_int_equal(number(t, "persistence.count", "{'server':'web/webB'}", "entries"), 20);
	assert_int_equal(number(t, "persistence.count", "{'service':'web'}", "entries"), 40);
	assert_int_equal(
		number(t, "persistence.count", "{'client':'198.51.1.0/24'}", "entries"), 20);
	assert_int_equal(number(t, "persistence.count", "{'client':'198.51.0.7'}", "entries"), 1);
}

static void test_list(void **state)
{
	struct test_ctl *t = *state;
	char params[64] = "{'limit':7}";
	unsigned int n = 0, pages = 0;

	for (bool more = true; more; pages++) {
		json_t *result = ask(t, "persistence.list", params, "result");
		json_t *list = json_object_get(result, "entries"), *e;
		json_t *cursor = json_object_get(result, "cursor");
		size_t i;

		json_array_foreach (list, i, e) {
			const char *server = json_string_value(json_object_get(e, "server"));

			assert_true(!strcmp(server, "webA") || !strcmp(server, "webB"));
			assert_string_equal(json_string_value(json_array_get(
						    json_object_get(e, "services"), 0)),
				"web");
			assert_int_equal(
				json_integer_value(json_object_get(e, "expires_ms")), 60000);
			n++;
		}
		assert_true(json_array_size(list) <= 7);
		more = json_is_string(cursor);
		if (more)
			snprintf(params, sizeof(params), "{'limit':7,'cursor':'%s'}",
				json_string_value(cursor));
		json_decref(result);
	}
	assert_int_equal(n, 40);
	assert_in_range(pages, 6, 8);
}

static void test_flush(void **state)
{
	struct test_ctl *t = *state;

	assert_int_equal(number(t, "persistence.flush", "{'server':'webA'}", "flushed"), 20);
	assert_int_equal(number(t, "persistence.count", "{}", "entries"), 20);
	assert_int_equal(number(t, "persistence.flush", "{'all':true}", "flushed"), 20);
	assert_int_equal(number(t, "persistence.count", "{}", "entries"), 0);
}

static void test_errors(void **state)
{
	static const struct {
		const char *method, *params;
		json_int_t code;
	} bad[] = {
		{ "persistence.flush", "{}", RPC_INVALID_PARAMS },
		{ "persistence.flush", "{'all':true,'server':'webA'}", RPC_INVALID_PARAMS },
		{ "persistence.count", "{'service':'wob'}", RPC_NOT_FOUND },
		{ "persistence.count", "{'server':'wob'}", RPC_NOT_FOUND },
		{ "persistence.list", "{'cursor':'7.0'}", RPC_INVALID_PARAMS },
		{ "persistence.list", "{'cursor':'x'}", RPC_INVALID_PARAMS },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *error = ask(*state, bad[i].method, bad[i].params, "error");

		assert_int_equal(json_integer_value(json_object_get(error, "code")), bad[i].code);
		json_decref(error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flush, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, group_setup, NULL);
}

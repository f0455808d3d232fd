/* SPDX-License-Identifier: BSD-3-Clause */
/* The protocol: what is a request, what is answered, and with exactly which text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "test_ctl.h"
#include "test_eal.h"

static int setup(void **state)
{
	*state = test_ctl_open(test_document);
	return 0;
}

static int teardown(void **state)
{
	test_ctl_close(*state);
	return 0;
}

struct exchange {
	const char *says, *hears;
};

static void exchange_all(struct test_ctl *t, const struct exchange *e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(test_ask(t, e[i].says), test_json(e[i].hears));
	}
}

#define EXCHANGE(t, list) exchange_all(t, list, sizeof(list) / sizeof(list[0]))

#define COUNT_RESULT      "'result':[]"
#define DROPS             "'method':'stats.drops'"

static void test_ids(void **state)
{
	static const struct exchange list[] = {
		{ "{'jsonrpc':'2.0','id':1," DROPS "}",
			"{'jsonrpc':'2.0'," COUNT_RESULT ",'id':1}" },
		{ "{'jsonrpc':'2.0','id':-7," DROPS "}",
			"{'jsonrpc':'2.0'," COUNT_RESULT ",'id':-7}" },
		{ "{'jsonrpc':'2.0','id':1.5," DROPS "}",
			"{'jsonrpc':'2.0'," COUNT_RESULT ",'id':1.5}" },
		{ "{'jsonrpc':'2.0','id':'a'," DROPS "}",
			"{'jsonrpc':'2.0'," COUNT_RESULT ",'id':'a'}" },
		{ "{'jsonrpc':'2.0','id':''," DROPS "}",
			"{'jsonrpc':'2.0'," COUNT_RESULT ",'id':''}" },
		{ "{'jsonrpc':'2.0','id':null," DROPS "}",
			"{'jsonrpc':'2.0'," COUNT_RESULT ",'id':null}" },
		/* Notifications are never answered, whatever is wrong with them. */
		{ "{'jsonrpc':'2.0'," DROPS "}", "" },
		{ "{'jsonrpc':'2.0','method':'no.such'}", "" },
		{ "{'jsonrpc':'2.0','method':'pool.show','params':{}}", "" },
		/* Neither are empty lines. */
		{ "", "" },
		{ " \t\r", "" },
	};

	EXCHANGE(*state, list);
}

#define INVALID(text, id)                                                                          \
	"{'jsonrpc':'2.0','error':{'code':-32600,'message':'invalid request: " text "'},'id':" id  \
	"}"

static void test_invalid(void **state)
{
	static const struct exchange list[] = {
		{ "1", INVALID("a request is an object", "null") },
		{ "'x'", INVALID("a request is an object", "null") },
		{ "{}", INVALID("\\'jsonrpc\\' must be \\'2.0\\'", "null") },
		{ "{'id':4,'method':'stats.drops'}",
			INVALID("\\'jsonrpc\\' must be \\'2.0\\'", "4") },
		{ "{'jsonrpc':2.0,'id':4,'method':'stats.drops'}",
			INVALID("\\'jsonrpc\\' must be \\'2.0\\'", "4") },
		{ "{'jsonrpc':'2.0','id':[1]," DROPS "}",
			INVALID("\\'id\\' must be a string, a number or null", "null") },
		{ "{'jsonrpc':'2.0','id':true," DROPS "}",
			INVALID("\\'id\\' must be a string, a number or null", "null") },
		{ "{'jsonrpc':'2.0','id':1}", INVALID("\\'method\\' must be a string", "1") },
		{ "{'jsonrpc':'2.0','id':1,'method':7}",
			INVALID("\\'method\\' must be a string", "1") },
		{ "[]", INVALID("the batch is empty", "null") },
		{ "{'jsonrpc':'2.0','id':1,'method':'stats.drop'}",
			"{'jsonrpc':'2.0','error':{'code':-32601,'message':'no method "
			"\\'stats.drop\\'; did you "
			"mean \\'stats.drops\\'?'},'id':1}" },
		{ "{'jsonrpc':'2.0','id':1,'method':'zzz'}",
			"{'jsonrpc':'2.0','error':{'code':-32601,'message':'no method \\'zzz\\'; "
			"rpc.describe "
			"lists them'},'id':1}" },
		{ "{'jsonrpc':'2.0','id':1,'method':'stats.drops','params':[]}",
			"{'jsonrpc':'2.0','error':{'code':-32602,'message':'params must be an "
			"object'},'id':1}" },
		{ "{'jsonrpc':'2.0','id':1,'method':'server.list','params':{'poll':'x'}}",
			"{'jsonrpc':'2.0','error':{'code':-32602,'message':'invalid parameters: "
			"poll: unknown key; did "
			"you mean \\'pool\\'?','data':{'faults':[{'path':'poll','text':'unknown "
			"key; did you mean "
			"\\'pool\\'?'}]}},'id':1}" },
	};

	EXCHANGE(*state, list);
}

#define DEPTH 3000

/* Whatever comes in, what goes out is one line of JSON with an error, and the next request is
 * answered. */
static void hostile(struct test_ctl *t, const char *text, size_t len, int code)
{
	json_t *response = json_loads(test_ask_n(t, text, len), 0, NULL);

	assert_non_null(response);
	assert_int_equal(t->lines, 1);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(response, "error"), "code")),
		code);
	assert_true(json_is_null(json_object_get(response, "id")));
	json_decref(response);
	response = test_call(t, "stats.drops", NULL);
	assert_true(json_is_array(json_object_get(response, "result")));
	json_decref(response);
}

static void test_hostile(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} parse[] = {
		{ "{", 1 },
		{ "}", 1 },
		{ "[1,", 3 },
		{ "nonsense", 8 },
		{ "\0", 1 },
		{ "{}\0", 3 },
		{ "\xff\xfe", 2 },
		{ "{'jsonrpc':'2.0','id':1e999999,'method':'stats.drops'}", 53 },
		{ "{'jsonrpc':'2.0','id':99999999999999999999999,'method':'stats.drops'}", 68 },
		{ "{'id':1,'id':2}", 15 },
		{ "{'method':'\xc3('}", 15 },
		{ "{'method':'a\\u0000b'}", 21 },
		{ "{'method':'\\ud800'}", 19 },
		{ "{} {}", 5 },
	};
	char deep[DEPTH];

	for (size_t i = 0; i < sizeof(parse) / sizeof(parse[0]); i++) {
		for (size_t k = 0; k < parse[i].len; k++)
			deep[k] = parse[i].text[k] == '\'' ? '"' : parse[i].text[k];
		hostile(*state, deep, parse[i].len, RPC_PARSE_ERROR);
	}
	memset(deep, '[', sizeof(deep));
	hostile(*state, deep, sizeof(deep), RPC_PARSE_ERROR);
	/* Deep, but whole. */
	memset(deep + DEPTH / 2, ']', DEPTH / 2);
	test_ask_n(*state, deep, sizeof(deep));
	assert_int_equal(((struct test_ctl *)*state)->lines, 1);
}

static void test_parse_error_text(void **state)
{
	static const char number[] = "{\"id\":1e999999}";

	assert_string_equal(test_ask_n(*state, number, strlen(number)),
		"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"not JSON: byte 14: "
		"real number overflow near '1e999999'\"},\"id\":null}");
}

static void test_batches(void **state)
{
	static const struct exchange list[] = {
		{ "[{'jsonrpc':'2.0','id':1," DROPS "},{'jsonrpc':'2.0'," DROPS
		  "},{'jsonrpc':'2.0','id':2,"
		  "'method':'pool.show','params':{'name':'x'}}]",
			"[{'jsonrpc':'2.0'," COUNT_RESULT
			",'id':1},{'jsonrpc':'2.0','error':{'code':1,'message':"
			"'no pool \\'x\\''},'id':2}]" },
		{ "[1]", "[" INVALID("a request is an object", "null") "]" },
		{ "[[],{}]", "[" INVALID("a request is an object", "null") "," INVALID(
				     "\\'jsonrpc\\' must be \\'2.0\\'", "null") "]" },
		{ "[{'jsonrpc':'2.0'," DROPS "}]", "" },
	};
	char big[RPC_BATCH_MAX * 4 + 16] = "[1";

	EXCHANGE(*state, list);
	for (unsigned int i = 1; i < RPC_BATCH_MAX; i++)
		strcat(big, ",1");
	strcat(big, "]");
	test_ask(*state, big);
	assert_int_equal(((struct test_ctl *)*state)->said[0], '[');
	strcpy(big + strlen(big) - 1, ",1]");
	assert_string_equal(test_ask(*state, big),
		test_json(INVALID("a batch of 101, at most 100 are allowed", "null")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_invalid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parse_error_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batches, setup, teardown),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

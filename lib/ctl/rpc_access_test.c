/* SPDX-License-Identifier: BSD-3-Clause */
/* access.*: what it answers, and what it makes of the document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test_eal.h"
#include "test_scene.h"

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

/* What the document has for the service "web", or (NULL) at the top. */
static void document_has(struct test_ctl *t, bool service, const char *json)
{
	const json_t *doc = t->c.target.running;
	const json_t *o = service ? json_array_get(json_object_get(doc, "services"), 0) : doc;
	json_t *want = json_loads(test_json(json), JSON_DECODE_ANY, NULL);
	char *text = json_dumps(json_object_get(o, "access"), JSON_COMPACT);

	assert_non_null(want);
	if (!json_equal(json_object_get(o, "access"), want))
		fail_msg("the document has %s, not %s", text ? text : "nothing", json);
	free(text);
	json_decref(want);
}

#define EMPTY "{'entries':[],'cursor':null}"

static void test_list(void **state)
{
	static const struct scene list[] = {
		{ "access.list", NULL, EMPTY, 0, NULL },
		{ "access.list", "{'service':'web'}", EMPTY, 0, NULL },
		{ "access.list", "{'service':'wob'}", NULL, RPC_NOT_FOUND, "no service 'wob'" },
		{ "access.list", "{'cursor':'x'}", NULL, RPC_INVALID_PARAMS,
			"cursor: not one that access.list gave" },
		{ "access.deny", "{'prefix':['203.0.113.0/24','2001:db8:bad::/48','198.51.100.7']}",
			"{'warnings':[]}", 0, NULL },
		{ "access.others", "{'verdict':'deny','service':'web'}",
			"{'warnings':[{'path':'services[0].access','text':'lets nobody in: nothing "
			"is allowed, and others are denied','warning':true}]}",
			0, NULL },
		{ "access.allow", "{'prefix':'192.0.2.128/25','service':'web'}", "{'warnings':[]}",
			0, NULL },
		{ "access.list", NULL,
			"{'entries':[{'service':null,'prefix':'198.51.100.7/32','verdict':'deny'},"
			"{'service':null,'prefix':'203.0.113.0/24','verdict':'deny'},"
			"{'service':null,'prefix':'2001:db8:bad::/48','verdict':'deny'},"
			"{'service':null,'prefix':null,'verdict':'allow'},"
			"{'service':'web','prefix':'192.0.2.128/25','verdict':'allow'},"
			"{'service':'web','prefix':null,'verdict':'deny'}],'cursor':null}",
			0, NULL },
		{ "access.list", "{'service':'web'}",
			"{'entries':[{'service':'web','prefix':'192.0.2.128/25','verdict':'allow'},"
			"{'service':'web','prefix':null,'verdict':'deny'}],'cursor':null}",
			0, NULL },
		/* By pages. */
		{ "access.list", "{'limit':3}",
			"{'entries':[{'prefix':'198.51.100.7/32'},{'prefix':'203.0.113.0/24'},"
			"{'prefix':'2001:db8:bad::/48'}],'cursor':'3'}",
			0, NULL },
		{ "access.list", "{'limit':2,'cursor':'3'}",
			"{'entries':[{'service':null,'prefix':null},{'service':'web'}],'cursor':'5'"
			"}",
			0, NULL },
		{ "access.list", "{'limit':2,'cursor':'5'}",
			"{'entries':[{'service':'web','prefix':null}],'cursor':null}", 0, NULL },
		{ "access.list", "{'cursor':'999'}", EMPTY, 0, NULL },
	};

	PLAY(*state, list);
}

static void test_test(void **state)
{
	static const struct scene list[] = {
		{ "access.test", "{'address':'192.0.2.1'}", "{'verdict':'allow','decided':[]}", 0,
			NULL },
		{ "access.test", "{'address':'192.0.2.1','service':'wob'}", NULL, RPC_NOT_FOUND,
			"no service 'wob'" },
		{ "access.deny", "{'prefix':'10.0.0.0/8'}", "{}", 0, NULL },
		{ "access.allow", "{'prefix':'10.1.0.0/16'}", "{}", 0, NULL },
		{ "access.deny", "{'prefix':'10.1.2.3','service':'web'}", "{}", 0, NULL },
		{ "access.test", "{'address':'10.1.2.3'}",
			"{'verdict':'allow','decided':[{'service':null,'prefix':'10.1.0.0/16',"
			"'verdict':'allow'}]}",
			0, NULL },
		{ "access.test", "{'address':'10.1.2.3','service':'web'}",
			"{'verdict':'deny','decided':[{'service':null,'prefix':'10.1.0.0/16',"
			"'verdict':'allow'},{'service':'web','prefix':'10.1.2.3/"
			"32','verdict':'deny'}"
			"]}",
			0, NULL },
		/* What the first list denies, the second is not asked about. */
		{ "access.test", "{'address':'10.2.0.1','service':'web'}",
			"{'verdict':'deny','decided':[{'service':null,'prefix':'10.0.0.0/8'}]}", 0,
			NULL },
		{ "access.test", "{'address':'2001:db8::1','service':'web'}",
			"{'verdict':'allow','decided':[{'service':null,'prefix':null,'verdict':"
			"'allow'},{'service':'web','prefix':null,'verdict':'allow'}]}",
			0, NULL },
		{ "access.others", "{'verdict':'deny'}", "{}", 0, NULL },
		{ "access.test", "{'address':'2001:db8::1'}",
			"{'verdict':'deny','decided':[{'prefix':null,'verdict':'deny'}]}", 0,
			NULL },
	};

	PLAY(*state, list);
}

static void test_change(void **state)
{
	static const struct scene begin[] = {
		{ "access.deny", "{'prefix':'2001:DB8::/32','service':'web'}", "{'warnings':[]}", 0,
			NULL },
		{ "access.deny", "{'prefix':'2001:db8:0::/32','service':'web'}", NULL, RPC_EXISTS,
			"2001:db8:0::/32 is denied already" },
		{ "access.deny", "{'prefix':'203.0.113.1/24'}", NULL, RPC_INVALID_PARAMS,
			"invalid parameters: prefix: '203.0.113.1/24'; needed is a network such as "
			"'198.51.100.0/24' or '2001:db8::/32', without bits beyond its length, or "
			"a "
			"list of them" },
		{ "access.deny", "{'prefix':'203.0.113.0/24','service':'wob'}", NULL, RPC_NOT_FOUND,
			"no service 'wob'" },
		{ "access.remove", "{'prefix':'203.0.113.0/24'}", NULL, RPC_NOT_FOUND,
			"203.0.113.0/24 is in no list of all services" },
		{ "access.remove", "{'prefix':'203.0.113.0/24','service':'web'}", NULL,
			RPC_NOT_FOUND, "203.0.113.0/24 is in no list of web" },
	};
	/* From one list to the other; others are treated as before. */
	static const struct scene move[] = {
		{ "access.allow", "{'prefix':['2001:db8::/32','192.0.2.7'],'service':'web'}", "{}",
			0, NULL },
	};
	static const struct scene back[] = {
		{ "access.remove", "{'prefix':'192.0.2.7/32','service':'web'}", "{}", 0, NULL },
		{ "access.deny", "{'prefix':'2001:db8::/32','service':'web'}", "{}", 0, NULL },
	};
	struct test_ctl *t = *state;

	PLAY(t, begin);
	document_has(t, true, "{'deny':['2001:DB8::/32']}");
	PLAY(t, move);
	document_has(t, true, "{'deny':[],'others':'allow','allow':['2001:db8::/32','192.0.2.7']}");
	PLAY(t, back);
	document_has(t, true, "{'deny':['2001:db8::/32'],'others':'allow','allow':[]}");
}

/* The last prefix of an allow list goes: it does not let everybody in. */
static void test_last(void **state)
{
	static const struct scene list[] = {
		{ "service.remove", "{'name':'web'}", "{}", 0, NULL },
		{ "service.add",
			"{'name':'web','address':'192.0.2.10:80','mode':'nat','pool':'web','access'"
			":{"
			"'allow':['198.51.100.0/24']}}",
			"{'warnings':[]}", 0, NULL },
		{ "access.test", "{'address':'203.0.113.7','service':'web'}", "{'verdict':'deny'}",
			0, NULL },
		{ "access.remove", "{'prefix':'198.51.100.0/24','service':'web'}", "{}", 0, NULL },
		{ "access.test", "{'address':'203.0.113.7','service':'web'}", "{'verdict':'deny'}",
			0, NULL },
		{ "access.others", "{'verdict':'allow','service':'web'}", "{}", 0, NULL },
		{ "access.test", "{'address':'203.0.113.7','service':'web'}", "{'verdict':'allow'}",
			0, NULL },
	};

	PLAY(*state, list);
}

/* Nothing of a list of prefixes is done if one of them is wrong. */
static void test_whole(void **state)
{
	static const struct scene list[] = {
		{ "access.deny", "{'prefix':['203.0.113.0/24','203.0.113.0/24']}", NULL, RPC_EXISTS,
			"203.0.113.0/24 is denied already" },
		{ "access.list", NULL, EMPTY, 0, NULL },
		{ "access.deny", "{'prefix':['203.0.113.0/24','10.0.0.0/8']}", "{}", 0, NULL },
		{ "access.remove", "{'prefix':['10.0.0.0/8','10.0.0.0/8']}", NULL, RPC_NOT_FOUND,
			"10.0.0.0/8 is in no list of all services" },
		{ "access.list", NULL, "{'entries':[{},{},{}]}", 0, NULL },
	};

	PLAY(*state, list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_test, setup, teardown),
		cmocka_unit_test_setup_teardown(test_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
	};

	test_eal_init();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("rpc_access", tests, NULL, NULL);
}

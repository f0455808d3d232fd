/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every method, on a configuration without workers or devices: what it answers when it succeeds,
 * and the exact text when it does not. Sessions need workers: see rpc_session_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_ctl.h"
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

#define MISSING(key) "invalid parameters: " key ": missing; needed is a string"
#define NO_KEYS      "invalid parameters: x: unknown key; none is possible here"

/* ---- services, pools, servers ------------------------------------------------------------- */

#define WEB_A                                                                                      \
	"{'pool':'web','name':'webA','address':'10.0.0.11:80','weight':2,'effective_weight':2,'"   \
	"state':'enabled','active':0,'connections':0,'refused':0,'packets_in':0,'bytes_in':0,'"    \
	"packets_out':0,'bytes_out':0}"
#define WEB_B                                                                                      \
	"{'pool':'web','name':'webB','address':'10.0.0.12:80','weight':1,'effective_weight':1,'"   \
	"state':'enabled'}"
#define WEB                                                                                        \
	"{'name':'web','address':['192.0.2.10:80'],'protocol':'tcp','mode':'nat','pool':'web','"   \
	"active':0,'connections':0}"

static void test_service(void **state)
{
	static const struct scene list[] = {
		{ "service.list", NULL, "[" WEB "]", 0, NULL },
		{ "service.list", "{'x':1}", NULL, RPC_INVALID_PARAMS, NO_KEYS },
		{ "service.show", "{'name':'web'}",
			"{'name':'web','configuration':{'name':'web','address':'192.0.2.10:80','"
			"mode':'nat',"
			"'pool':'web'},'servers':[" WEB_A "," WEB_B "]}",
			0, NULL },
		{ "service.show", "{'name':'wob'}", NULL, RPC_NOT_FOUND, "no service 'wob'" },
		{ "service.show", NULL, NULL, RPC_INVALID_PARAMS, MISSING("name") },
		{ "service.add",
			"{'name':'dns','address':['192.0.2.11:53','192.0.2.11:8000-8010'],'mode':'"
			"nat',"
			"'protocol':'udp','pool':'web'}",
			"{'warnings':[]}", 0, NULL },
		{ "service.list", NULL,
			"[" WEB ",{'name':'dns','protocol':'udp','address':['192.0.2.11:53',"
			"'192.0.2.11:8000-8010']}]",
			0, NULL },
		{ "service.add",
			"{'name':'all','address':'192.0.2.12:*','mode':'nat','pool':'web'}",
			"{'warnings':[]}", 0, NULL },
		{ "service.show", "{'name':'all'}", "{'address':['192.0.2.12:*']}", 0, NULL },
		{ "service.remove", "{'name':'all'}", "{'warnings':[]}", 0, NULL },
		{ "service.add",
			"{'name':'dns','address':'192.0.2.12:53','mode':'nat','pool':'web'}", NULL,
			RPC_EXISTS, "service 'dns' exists already" },
		{ "service.remove", "{'name':'dns'}", "{'warnings':[]}", 0, NULL },
		{ "service.remove", "{'name':'dns'}", NULL, RPC_NOT_FOUND, "no service 'dns'" },
		{ "service.list", NULL, "[" WEB "]", 0, NULL },
	};

	PLAY(*state, list);
}

/* What is refused changes nothing, and comes with the path of every fault. */
static void test_service_refused(void **state)
{
	static const char params[] =
		"{'name':'two','address':'192.0.2.10:80','mode':'nat','pool':'none'}";
	json_t *response = test_call(*state, "service.add", params), *faults, *fault;
	const json_t *error = json_object_get(response, "error");
	bool pool = false;
	size_t i;

	assert_int_equal(json_integer_value(json_object_get(error, "code")), RPC_REFUSED);
	faults = json_object_get(json_object_get(error, "data"), "faults");
	assert_true(json_array_size(faults) >= 1);
	json_array_foreach (faults, i, fault) {
		assert_true(json_is_string(json_object_get(fault, "text")));
		pool |= strcmp(json_string_value(json_object_get(fault, "path")),
				"services[1].pool") == 0;
	}
	assert_true(pool);
	json_decref(response);
	play(*state, &(struct scene){ "service.list", NULL, "[" WEB "]", 0, NULL });
}

static void test_pools(void **state)
{
	static const struct scene list[] = {
		{ "pool.list", NULL,
			"[{'name':'web','scheduler':'round-robin','servers':2,'available':2,'"
			"services':['web']},"
			"{'name':'spare','scheduler':'maglev','servers':0,'available':0,'services':"
			"[]}]",
			0, NULL },
		{ "pool.list", "{'x':1}", NULL, RPC_INVALID_PARAMS, NO_KEYS },
		{ "pool.show", "{'name':'web'}",
			"{'name':'web','servers':[" WEB_A "," WEB_B
			"],'configuration':{'name':'web'}}",
			0, NULL },
		{ "pool.show", "{'name':'wub'}", NULL, RPC_NOT_FOUND, "no pool 'wub'" },
		{ "pool.add", "{'name':'new','scheduler':'least-connections'}", "{}", 0, NULL },
		{ "pool.show", "{'name':'new'}", "{'scheduler':'least-connections','servers':[]}",
			0, NULL },
		{ "pool.add", "{'name':'new'}", NULL, RPC_EXISTS, "pool 'new' exists already" },
		{ "pool.remove", "{'name':'new'}", "{}", 0, NULL },
		{ "pool.remove", "{'name':'new'}", NULL, RPC_NOT_FOUND, "no pool 'new'" },
		{ "pool.remove", "{'name':'web'}", NULL, RPC_REFUSED,
			"pool 'web' is in use by service 'web'; remove that first" },
	};

	PLAY(*state, list);
}

static void test_server(void **state)
{
	static const struct scene list[] = {
		{ "server.list", NULL, "[" WEB_A "," WEB_B "]", 0, NULL },
		{ "server.list", "{'pool':'spare'}", "[]", 0, NULL },
		{ "server.list", "{'pool':'none'}", NULL, RPC_NOT_FOUND, "no pool 'none'" },
		{ "server.show", "{'pool':'web','name':'webA'}",
			"{'name':'webA','configuration':{'name':'webA','address':'10.0.0.11:80','"
			"weight':2}}",
			0, NULL },
		{ "server.show", "{'pool':'web','name':'webX'}", NULL, RPC_NOT_FOUND,
			"no server 'webX' in pool 'web'" },
		{ "server.show", "{'pool':'web'}", NULL, RPC_INVALID_PARAMS, MISSING("name") },
		{ "server.add", "{'pool':'spare','name':'s','address':'10.0.0.13','weight':5}",
			"{'warnings':[]}", 0, NULL },
		{ "server.show", "{'pool':'spare','name':'s'}",
			"{'address':'10.0.0.13','weight':5,'effective_weight':5}", 0, NULL },
		{ "server.add", "{'pool':'spare','name':'s','address':'10.0.0.14'}", NULL,
			RPC_EXISTS, "server 's' exists in pool 'spare' already" },
		{ "server.add", "{'pool':'none','name':'s','address':'10.0.0.14'}", NULL,
			RPC_NOT_FOUND, "no pool 'none'" },
		{ "server.add", "{'pool':'spare','name':'t','address':'10.0.0.300'}", NULL,
			RPC_INVALID_PARAMS,
			"invalid parameters: address: '10.0.0.300'; needed is an address with or "
			"without a port such as "
			"'10.0.0.11:80', '10.0.0.11' or '[2001:db8::11]:80'" },
		{ "server.remove", "{'pool':'spare','name':'s'}", "{'warnings':[]}", 0, NULL },
		{ "server.remove", "{'pool':'spare','name':'s'}", NULL, RPC_NOT_FOUND,
			"no server 's' in pool 'spare'" },
		{ "server.remove", "{'pool':'none','name':'s'}", NULL, RPC_NOT_FOUND,
			"no pool 'none'" },
		{ "server.weight", "{'pool':'web','name':'webB','weight':7}", "{'warnings':[]}", 0,
			NULL },
		{ "server.show", "{'pool':'web','name':'webB'}",
			"{'weight':7,'effective_weight':7,'configuration':{'weight':7}}", 0, NULL },
		{ "server.weight", "{'pool':'web','name':'webB','weight':65536}", NULL,
			RPC_INVALID_PARAMS,
			"invalid parameters: weight: 65536; needed is an integer from 0 to 65535" },
		{ "server.weight", "{'pool':'web','name':'webB','weight':1}", "{}", 0, NULL },
	};

	PLAY(*state, list);
}

/* Administrative state is shown, counts, and is no part of the configuration. */
static void test_server_admin(void **state)
{
	static const struct scene list[] = {
		{ "server.drain", "{'pool':'web','name':'webA'}",
			"{'name':'webA','state':'drain','weight':2,'effective_weight':0,"
			"'warnings':[]}",
			0, NULL },
		{ "pool.show", "{'name':'web'}", "{'available':1}", 0, NULL },
		{ "server.disable", "{'pool':'web','name':'webA'}",
			"{'state':'disabled','effective_weight':0}", 0, NULL },
		/* It survives changes of the configuration. */
		{ "server.weight", "{'pool':'web','name':'webA','weight':3}", "{}", 0, NULL },
		{ "server.show", "{'pool':'web','name':'webA'}",
			"{'state':'disabled','weight':3,'effective_weight':0}", 0, NULL },
		{ "server.weight", "{'pool':'web','name':'webA','weight':2}", "{}", 0, NULL },
		{ "server.enable", "{'pool':'web','name':'webA'}", WEB_A, 0, NULL },
		{ "server.drain", "{'pool':'web','name':'x'}", NULL, RPC_NOT_FOUND,
			"no server 'x' in pool 'web'" },
		{ "server.disable", "{'pool':'x','name':'x'}", NULL, RPC_NOT_FOUND, "no pool 'x'" },
		{ "server.enable", "{'pool':'web'}", NULL, RPC_INVALID_PARAMS, MISSING("name") },
	};
	json_t *before = json_deep_copy(((struct test_ctl *)*state)->c.target.running);

	PLAY(*state, list);
	assert_true(json_equal(before, ((struct test_ctl *)*state)->c.target.running));
	json_decref(before);
}

/* It holds even where the file cannot be written; whoever asked is told. */
static void test_server_unsaved(void **state)
{
	static const struct scene list[] = {
		{ "server.drain", "{'pool':'web','name':'webA'}",
			"{'state':'drain','warnings':[{'path':'state','text':'not saved (No such "
			"file or directory): it holds until the daemon ends, and is lost then'}]}",
			0, NULL },
		{ "server.show", "{'pool':'web','name':'webA'}", "{'state':'drain'}", 0, NULL },
	};
	struct test_ctl *t = *state;
	char gone[] = "/tmp/rpc_methodsXXXXXX", file[64];
	struct faults faults = { 0 };

	assert_non_null(mkdtemp(gone));
	snprintf(file, sizeof(file), "%s/state", gone);
	assert_int_equal(admin_open(t->c.target.admin, file, &faults), 0);
	assert_int_equal(rmdir(gone), 0);
	PLAY(t, list);
	play(t, &list[0]); /* again: still not */
}

/* ---- network, counters, daemon ------------------------------------------------------------ */

static void test_network(void **state)
{
	static const struct scene list[] = {
		{ "port.list", NULL,
			"[{'name':'wan','addresses':['192.0.2.1/24','2001:db8:1::1/"
			"64'],'rx_packets':0,'tx_bytes':0},"
			"{'name':'lan'}]",
			0, NULL },
		{ "port.list", "{'x':1}", NULL, RPC_INVALID_PARAMS, NO_KEYS },
		{ "port.show", "{'name':'lan'}", "{'name':'lan','mac':'00:00:00:00:00:00'}", 0,
			NULL },
		{ "port.show", "{'name':'dmz'}", NULL, RPC_NOT_FOUND, "no port 'dmz'" },
		{ "route.list", NULL,
			"[{'to':'192.0.2.0/24','via':null,'port':'wan','connected':true},"
			"{'to':'2001:db8:1::/64','via':null,'port':'wan','connected':true},"
			"{'to':'10.0.0.0/24','via':null,'port':'lan','connected':true},"
			"{'to':'2001:db8:2::/64','via':null,'port':'lan','connected':true},"
			"{'to':'0.0.0.0/0','via':'192.0.2.254','port':'wan','connected':false}]",
			0, NULL },
		{ "route.list", "{'x':1}", NULL, RPC_INVALID_PARAMS, NO_KEYS },
		{ "neighbour.list", "{'cursor':'1 x'}", NULL, RPC_INVALID_PARAMS,
			"cursor: not one that neighbour.list gave" },
		{ "neighbour.list", "{'limit':0}", NULL, RPC_INVALID_PARAMS,
			"invalid parameters: limit: 0; needed is an integer from 1 to 10000" },
		{ "worker.list", NULL, "[]", 0, NULL },
		{ "worker.list", "{'x':1}", NULL, RPC_INVALID_PARAMS, NO_KEYS },
		{ "alarm.list", NULL, "[]", 0, NULL },
		{ "alarm.list", "{'x':1}", NULL, RPC_INVALID_PARAMS, NO_KEYS },
		{ "stats.show", NULL,
			"{'total':{'active':0,'connections':0,'refused':0,'rx_packets':0,'dropped':"
			"0,"
			"'cycles_per_packet':0},'services':[" WEB "],'servers':[" WEB_A "," WEB_B
			"],'workers':[],'alarms':[],"
			"'drops':[]}",
			0, NULL },
		{ "stats.show", "{'x':1}", NULL, RPC_INVALID_PARAMS, NO_KEYS },
		{ "stats.drops", NULL, "[]", 0, NULL },
		{ "stats.drops", "{'all':1}", NULL, RPC_INVALID_PARAMS,
			"invalid parameters: all: 1; needed is true or false" },
		{ "daemon.version", NULL, "{'jansson':'" JANSSON_VERSION "'}", 0, NULL },
		{ "daemon.version", "{'x':1}", NULL, RPC_INVALID_PARAMS, NO_KEYS },
		{ "daemon.status", NULL,
			"{'workers':0,'ports':2,'services':1,'pools':2,'servers':2,'configuration':"
			"null,'clients':0}",
			0, NULL },
		{ "daemon.status", "{'x':1}", NULL, RPC_INVALID_PARAMS, NO_KEYS },
		{ "rpc.describe", "{'method':'server.weight'}",
			"{'args':['pool','name','weight'],'params':{'type':'object'}}", 0, NULL },
		{ "rpc.describe", "{'method':'x'}", NULL, RPC_NOT_FOUND, "no method 'x'" },
		{ "rpc.describe", NULL, "{'methods':{'service.list':{}},'types':{'service':{}}}", 0,
			NULL },
	};

	PLAY(*state, list);
}

static void test_all_drops(void **state)
{
	json_t *response = test_call(*state, "stats.drops", "{'all':true}");

	assert_int_equal(json_array_size(json_object_get(response, "result")), DROP_MAX - 1);
	json_decref(response);
}

/* Each described method has a handler, and each handler a description. */
static void test_complete(void **state)
{
	struct test_ctl *t = *state;
	json_t *methods = json_object_get(rpc_schema(t->c.rpc), "methods");
	json_t *nouns = json_object_get(rpc_schema(t->c.rpc), "nouns");
	size_t handlers = 0;

	for (unsigned int i = 0; rpc_table[i]; i++) {
		assert_non_null(json_object_get(nouns, rpc_table[i]->noun));
		for (const struct rpc_method *m = rpc_table[i]->methods; m->verb; m++, handlers++) {
			char name[64];
			const json_t *method;

			snprintf(name, sizeof(name), "%s.%s", rpc_table[i]->noun, m->verb);
			method = json_object_get(methods, name);
			assert_non_null(method);
			assert_true(json_is_string(json_object_get(method, "doc")));
			assert_true(json_is_string(json_object_get(method, "result")));
			assert_true(json_array_size(json_object_get(method, "examples")) > 0);
			assert_true(json_is_object(json_object_get(method, "params")));
		}
	}
	assert_int_equal(handlers, json_object_size(methods));
}

/* ---- configuration ------------------------------------------------------------------------ */

static char folder[] = "/tmp/rpc_methods_test.XXXXXX", path[64];

static void file_write(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(test_json(text), f);
	fclose(f);
}

static int setup_file(void **state)
{
	setup(state);
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/fairlead.json", folder);
	file_write(test_document);
	((struct test_ctl *)*state)->c.config_path = path;
	return 0;
}

static int teardown_file(void **state)
{
	unlink(path);
	assert_int_equal(rmdir(folder), 0);
	return teardown(state);
}

static void test_config(void **state)
{
	static const struct scene list[] = {
		{ "config.show", NULL, "{'workers':[1],'services':[{'name':'web'}]}", 0, NULL },
		{ "config.show", "{'x':1}", NULL, RPC_INVALID_PARAMS, NO_KEYS },
		{ "config.check", NULL, "{}", 0, NULL },
		{ "config.check", "{'text':'{}'}", NULL, RPC_REFUSED,
			"refused: workers: missing; needed is a list, each element an integer from "
			"0 to 1023 (and more: see data.faults)" },
		{ "config.diff", NULL, "[]", 0, NULL },
		{ "config.diff", "{'text':'['}", NULL, RPC_REFUSED, NULL },
		{ "server.weight", "{'pool':'web','name':'webB','weight':9}", "{}", 0, NULL },
		{ "server.add", "{'pool':'spare','name':'s','address':'10.0.0.13'}", "{}", 0,
			NULL },
		{ "service.remove", "{'name':'web'}", "{}", 0, NULL },
		{ "config.diff", NULL,
			"[{'path':'pools[web].servers[webB].weight','from':9,'to':null},"
			"{'path':'pools[spare].servers[s]','from':{'name':'s','address':'10.0.0.13'"
			"},'to':null},"
			"{'path':'services[web]','from':null,'to':{'name':'web'}}]",
			0, NULL },
		{ "config.save", NULL, "{}", 0, NULL },
		{ "config.save", "{'x':1}", NULL, RPC_INVALID_PARAMS, NO_KEYS },
		{ "config.diff", NULL, "[]", 0, NULL },
		{ "service.list", NULL, "[]", 0, NULL },
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		json_t *response;

		if (list[i].result || list[i].message) {
			play(*state, &list[i]);
			continue;
		}
		/* The text is the JSON library's. */
		response = test_call(*state, list[i].method, list[i].params);
		assert_int_equal(json_integer_value(json_object_get(
					 json_object_get(response, "error"), "code")),
			list[i].code);
		json_decref(response);
	}
}

static void test_reload(void **state)
{
	static const char good[] =
		"{ /* a comment */ 'workers': [1], 'control': 0, 'ports': [ { 'name': 'wan', "
		"'device': 'ring:a',"
		" 'addresses': ['192.0.2.1/24'] } ], 'pools': [ { 'name': 'solo' } ] }";
	const struct scene refused = { "config.reload", NULL, NULL, RPC_REFUSED, NULL };
	json_t *response;
	int changes;

	/* A bad file changes nothing. */
	file_write("{ 'workers': [1], 'ports': 7 }");
	response = test_call(*state, refused.method, NULL);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(response, "error"), "code")),
		RPC_REFUSED);
	json_decref(response);
	play(*state, &(struct scene){ "service.list", NULL, "[" WEB "]", 0, NULL });
	/* A good one everything. */
	file_write(good);
	response = test_call(*state, "config.diff", NULL);
	changes = (int)json_array_size(json_object_get(response, "result"));
	json_decref(response);
	assert_true(changes > 0);
	response = test_call(*state, "config.reload", NULL);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(response, "result"), "changes")),
		changes);
	json_decref(response);
	play(*state, &(struct scene){ "config.reload", NULL, "{'changes':0}", 0, NULL });
	play(*state, &(struct scene){ "service.list", NULL, "[]", 0, NULL });
	play(*state, &(struct scene){ "pool.list", NULL, "[{'name':'solo'}]", 0, NULL });
	play(*state, &(struct scene){ "config.reload", "{'text':7}", NULL, RPC_INVALID_PARAMS,
			     "invalid parameters: text: 7; needed is a string" });
}

static void test_without_file(void **state)
{
	static const struct scene list[] = {
		{ "config.save", NULL, NULL, RPC_NOT_FOUND,
			"the daemon was started without a configuration file" },
		{ "config.reload", NULL, NULL, RPC_NOT_FOUND,
			"the daemon was started without a configuration file" },
		{ "config.check", NULL, NULL, RPC_NOT_FOUND,
			"the daemon was started without a configuration file" },
		{ "config.diff", NULL, NULL, RPC_NOT_FOUND,
			"the daemon was started without a configuration file" },
	};

	PLAY(*state, list);
}

/* What is saved replaces the file whole, keeps its mode, and follows a symbolic link. */
static void test_save(void **state)
{
	struct test_ctl *t = *state;
	char link[64];
	struct stat st;
	json_t *saved;

	snprintf(link, sizeof(link), "%s/link.json", folder);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(chmod(path, 0640), 0);
	t->c.config_path = link;
	play(t, &(struct scene){ "server.weight", "{'pool':'web','name':'webA','weight':4}", "{}",
			0, NULL });
	play(t, &(struct scene){ "config.save", NULL, "{}", 0, NULL });
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	saved = json_load_file(path, 0, NULL);
	assert_true(json_equal(saved, t->c.target.running));
	json_decref(saved);
	assert_int_equal(unlink(link), 0);

	t->c.config_path = "/nonexistent/fairlead.json";
	play(t, &(struct scene){ "config.save", NULL, NULL, RPC_REFUSED,
			"cannot write /nonexistent/fairlead.json: No such file or directory" });
	t->c.config_path = path;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_service, setup, teardown),
		cmocka_unit_test_setup_teardown(test_service_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pools, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_admin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_unsaved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_network, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_drops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_complete, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config, setup_file, teardown_file),
		cmocka_unit_test_setup_teardown(test_reload, setup_file, teardown_file),
		cmocka_unit_test_setup_teardown(test_without_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_save, setup_file, teardown_file),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The one door: all or nothing, what is shared, what needs a restart, when it is published, what
 * follows. */
#include <errno.h>
#include <netinet/in.h>

#include <rte_mbuf.h>

#include "base/rcu.h"
#include "config_priv.h"
#include "config_test.h"
#include "l4/conn.h"
#include "test_eal.h"

#define N_WORKERS 2

struct fixture {
	struct snapshot snapshot;
	struct nic nic[2];
	struct nic *nics[2];
	struct config_target t;
	uint64_t now; /* ms */
	uint64_t tsc;
};

#define WEB(weight)                                                                                \
	"{'name': 'web', 'servers': [{'name': 'a', 'address': '10.0.0.11:80', 'weight': " weight   \
	"}, {'name': 'b', 'address': '10.0.0.12:80'}]}"
#define DNS                                                                                        \
	"{'name': 'dns', 'scheduler': 'maglev', 'servers': [{'name': 'a', 'address': "             \
	"'10.0.0.21'}]}"
#define SVC_WEB "{'name': 'web', 'pool': 'web', 'mode': 'nat', 'address': '192.0.2.10:80'}"
#define SVC_DNS                                                                                    \
	"{'name': 'dns', 'pool': 'dns', 'mode': 'dr', 'protocol': 'udp', 'address': "              \
	"'192.0.2.10:53'}"
#define FULL(weight)                                                                               \
	AROUND("'pools': [" WEB(weight) ", " DNS "], 'services': [" SVC_WEB ", " SVC_DNS "]")

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	x->t = (struct config_target){ .snapshot = &x->snapshot,
		.slots = model_slots_create(),
		.admin = admin_create(),
		.rcu = rcu_create(N_WORKERS) };
	x->now = 1000;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	config_target_clear(&x->t);
	rcu_destroy(x->t.rcu);
	admin_destroy(x->t.admin);
	model_slots_destroy(x->t.slots);
	free(x);
	return 0;
}

/* Applies a document and compares the faults and warnings; expected "" is success. */
static void apply(struct fixture *x, const char *text, int rc, const char *expected)
{
	struct faults faults = { 0 };
	json_t *doc = text ? parse(text) : NULL;

	assert_int_equal(config_apply(&x->t, doc, &faults), rc);
	assert_faults(&faults, expected);
	json_decref(doc);
}

/* A turn of the control core, long after the one before. */
static const struct model *turn(struct fixture *x)
{
	x->now += 10;
	config_poll(&x->t, x->now);
	rcu_reclaim(x->t.rcu);
	return x->snapshot.model;
}

static const struct server *server(const struct fixture *x, const char *pool, const char *name)
{
	return model_server_by_name(x->snapshot.model, pool, name);
}

/* ---- publishing ----------------------------------------------------------------------------- */

static void test_first(void **state)
{
	struct fixture *x = *state;

	apply(x, FULL("1"), 0, "");
	assert_non_null(x->snapshot.model);
	assert_int_equal(x->snapshot.model->version, 1);
	assert_ptr_equal(config_model(&x->t), x->snapshot.model);
	assert_non_null(x->t.running);
	assert_int_equal(x->t.config->model.n_services, 2);
	assert_int_equal(config_poll(&x->t, 5), 0);
	assert_int_equal(x->snapshot.model->version, 1);
}

/* Changes of one turn are published together, and again only 10 ms later. */
static void test_interval(void **state)
{
	struct fixture *x = *state;
	const struct model *first;

	apply(x, FULL("1"), 0, "");
	first = x->snapshot.model;
	apply(x, FULL("2"), 0, "");
	apply(x, FULL("3"), 0, "");
	assert_ptr_equal(x->snapshot.model, first);
	assert_int_equal(model_server_by_name(config_model(&x->t), "web", "a")->weight, 3);
	config_poll(&x->t, 1000);
	assert_ptr_not_equal(x->snapshot.model, first);
	assert_ptr_equal(x->snapshot.model, config_model(&x->t));
	assert_int_equal(server(x, "web", "a")->weight, 3);

	apply(x, FULL("4"), 0, "");
	config_poll(&x->t, 1009);
	assert_int_equal(server(x, "web", "a")->weight, 3);
	config_poll(&x->t, 1010);
	assert_int_equal(server(x, "web", "a")->weight, 4);
}

/* ---- all or nothing ------------------------------------------------------------------------- */

static void test_faults(void **state)
{
	struct fixture *x = *state;
	const json_t *running;
	const struct config *config;
	const struct model *model;

	apply(x, "{'workers': [1], 'control': 0}", -EINVAL,
		"ports: missing; needed is a list of objects\n");
	assert_null(x->snapshot.model);
	assert_null(x->t.running);
	apply(x, FULL("1"), 0, "");
	running = x->t.running;
	config = x->t.config;
	model = x->snapshot.model;

	apply(x, FULL("-1"), -EINVAL,
		"pools[0].servers[0].weight: -1; needed is an integer from 0 to 65535\n");
	apply(x, AROUND("'services': [" SVC_WEB "]"), -EINVAL,
		"services[0].pool: no pool is called \"web\"\n");
	turn(x);
	assert_ptr_equal(x->t.running, running);
	assert_ptr_equal(x->t.config, config);
	assert_ptr_equal(x->snapshot.model, model);
}

static void test_restart(void **state)
{
#define DIFFERS ": differs from the running configuration, and a change of it needs a restart\n"
	static const struct bad_case cases[] = {
		{ "{'workers': [2], 'control': 0, " PORTS "}", "workers" DIFFERS },
		{ "{'workers': [1], 'control': 3, " PORTS "}", "control" DIFFERS },
		{ AROUND("'limits': {'flows': 5000}"), "limits" DIFFERS },
		{ AROUND("'idle': {'spins': 5}"), "idle" DIFFERS },
		{ AROUND("'neighbour': {'retries': 5}"), "neighbour" DIFFERS },
		{ AROUND("'control-socket': {'path': '/x'}"), "control-socket" DIFFERS },
		{ AROUND("'state': '/x'"), "state" DIFFERS },
		{ "{'workers': [1, 2], 'control': 0, 'ports': [{'name': 'wan', 'device': "
		  "'af_packet:w'}, {'name': 'x', 'device': 'af_packet:x'}]}",
			"workers" DIFFERS "ports[1].device: \"af_packet:x\" is not open; a new "
			"device needs a restart\n" },
		{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
		  "'af_packet:w', "
		  "'mtu': 9000}]}",
			"ports[0].mtu: the device was opened for 0 bytes; more needs a restart\n" },
	};
	struct fixture *x = *state;
	const json_t *running;

	apply(x, AROUND("'timeouts': {}"), 0, "");
	running = x->t.running;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		apply(x, cases[i].text, -EINVAL, cases[i].faults);
	assert_ptr_equal(x->t.running, running);
	/* What only spells the defaults out is no change. */
	apply(x,
		AROUND("'limits': {'flows': 1048576}, 'idle': {}, 'control-socket': {'mode': "
		       "'0660'}"),
		0, "");
}

/* ---- what stays ----------------------------------------------------------------------------- */

static void test_sharing(void **state)
{
	struct fixture *x = *state;
	const struct pool *web, *dns;
	uint16_t gen, slot, a_slot, a_gen;

	apply(x, FULL("1"), 0, "");
	web = model_pool_by_name(x->snapshot.model, "web");
	dns = model_pool_by_name(x->snapshot.model, "dns");
	gen = web->gen;
	slot = web->slot;
	a_slot = server(x, "web", "a")->slot;
	a_gen = server(x, "web", "a")->gen;

	apply(x, FULL("5"), 0, "");
	turn(x);
	assert_ptr_equal(model_pool_by_name(x->snapshot.model, "dns"), dns);
	web = model_pool_by_name(x->snapshot.model, "web");
	assert_int_equal(web->slot, slot);
	assert_int_not_equal(web->gen, gen);
	assert_int_equal(server(x, "web", "a")->slot, a_slot);
	assert_int_equal(server(x, "web", "a")->gen, a_gen);
	assert_int_equal(server(x, "web", "a")->weight, 5);
}

/* Pools that change before anybody saw them leave nothing behind. */
static void test_unseen(void **state)
{
	struct fixture *x = *state;
	const struct pool *dns;

	apply(x, FULL("1"), 0, "");
	dns = model_pool_by_name(x->snapshot.model, "dns");
	apply(x, AROUND("'pools': [" WEB("1") "]"), 0, "");
	apply(x, FULL("2"), 0, "");
	turn(x);
	assert_non_null(server(x, "dns", "a"));
	/* It was gone in between, so it is another one. */
	assert_ptr_not_equal(model_pool_by_name(x->snapshot.model, "dns"), dns);
	assert_int_equal(x->snapshot.model->version, 3);
}

/* Two that nobody polls. */
static void add_nics(struct fixture *x)
{
	for (unsigned int i = 0; i < 2; i++) {
		x->nic[i].id = (uint16_t)i;
		x->nic[i].txqs = N_WORKERS + 1;
		x->nic[i].mtu = 1500;
		x->nic[i].mac.addr_bytes[5] = (uint8_t)(i + 1);
		x->nics[i] = &x->nic[i];
	}
	x->t.nics = x->nics;
	x->t.n_nics = 2;
}

/* Ports are bound to devices by name: the order of the file may change, ports may come and go. */
static void test_ports(void **state)
{
	struct fixture *x = *state;
	const struct net_table *net;

	add_nics(x);
	apply(x, AROUND("'routes': []"), 0, "");
	apply(x,
		"{'workers': [1], 'control': 0, 'ports': [{'name': 'lan', 'device': "
		"'af_packet:l'}, "
		"{'name': 'v5', 'device': 'af_packet:w', 'vlan': 5}]}",
		0, "");
	net = turn(x)->net;
	assert_int_equal(net_port_count(net), 2);
	assert_int_equal(net_port(net, 0)->nic, 1);
	assert_int_equal(net_port(net, 0)->mac.addr_bytes[5], 2);
	assert_int_equal(net_port(net, 1)->nic, 0);
	assert_int_equal(net_port(net, 1)->mac.addr_bytes[5], 1);
	assert_int_equal(net_port_of(net, 0, 5), 1);
}

/* ---- administrative state ------------------------------------------------------------------- */

static void test_admin(void **state)
{
	struct fixture *x = *state;
	const json_t *running;

	apply(x, FULL("7"), 0, "");
	running = x->t.running;
	admin_set(x->t.admin, "web", "a", ADMIN_DRAIN);
	apply(x, NULL, 0, "");
	turn(x);
	assert_ptr_equal(x->t.running, running);
	assert_int_equal(server(x, "web", "a")->weight, 7);
	assert_int_equal(server(x, "web", "a")->effective_weight, 0);
	/* A reload does not end it. */
	apply(x, FULL("8"), 0, "");
	turn(x);
	assert_int_equal(server(x, "web", "a")->admin, ADMIN_DRAIN);
	assert_int_equal(server(x, "web", "a")->effective_weight, 0);
	admin_set(x->t.admin, "web", "a", ADMIN_ENABLED);
	apply(x, NULL, 0, "");
	turn(x);
	assert_int_equal(server(x, "web", "a")->effective_weight, 8);
}

/* ---- sweeping flows ------------------------------------------------------------------------- */

static void start_workers(struct fixture *x)
{
	static struct neigh_conf neigh;
	static struct rte_mempool *pools[N_WORKERS + 1];
	struct faults faults = { 0 };
	struct workers_conf conf = { .n = N_WORKERS,
		.nics = x->nics,
		.neigh_conf = &neigh,
		.pools = pools,
		.rcu = x->t.rcu,
		.snapshot = &x->snapshot,
		.max_v4 = 1024,
		.max_v6 = 64 };

	add_nics(x);
	conf.n_nics = 2;
	neigh = neigh_defaults;
	neigh.workers = N_WORKERS + 1;
	if (!pools[0])
		pools[0] = pools[1] = pools[2] = test_pool("apply", 1024);
	x->t.neigh = neigh_create(&neigh, x->t.rcu);
	assert_non_null(x->t.neigh);
	conf.neigh = x->t.neigh;
	x->t.workers = workers_create(&conf, &faults);
	assert_faults(&faults, "");
}

static void stop_workers(struct fixture *x)
{
	config_target_clear(&x->t);
	workers_destroy(x->t.workers);
	neigh_destroy(x->t.neigh);
}

static void poll_workers(struct fixture *x)
{
	for (unsigned int i = 0; i < N_WORKERS; i++)
		worker_poll(x->t.workers->worker[i], x->tsc += 1000);
}

/* A flow of a worker to a server of a service, as lib/l4 opens them. */
static void open_flow(struct fixture *x, unsigned int worker, uint16_t sport, const char *service,
	const char *name)
{
	struct l4 *l = &x->t.workers->worker[worker]->l4;
	const struct service *s = model_service_by_name(x->snapshot.model, service);
	const struct server *to = server(x, s->mode == MODE_DR ? "dns" : "web", name);
	struct tuple tuple = { .src = addr_from_v4(RTE_BE32(0xc6336407)),
		.dst = s->vips[0].addr,
		.sport = rte_cpu_to_be_16(sport),
		.dport = rte_cpu_to_be_16(s->vips[0].ports.first),
		.proto = s->proto };
	enum drop_reason reason;
	struct flow *f = flow_open(l->flows, &tuple, NULL, &reason);

	assert_non_null(f);
	f->mode = s->mode;
	f->state = CONN_UDP;
	f->service = s->slot;
	f->service_gen = s->gen;
	f->server = to->slot;
	f->server_gen = to->gen;
	l->sched->load[to->slot]++;
	counter_add(&l->service[s->slot].flows_opened, 1);
	counter_add(&l->server[to->slot].flows_opened, 1);
}

static unsigned int flows(const struct fixture *x, unsigned int worker)
{
	struct flow_stats stats;

	flow_stats(x->t.workers->worker[worker]->l4.flows, &stats);
	return stats.v4;
}

/* Turns until nothing is left to do. */
static void settle(struct fixture *x)
{
	for (unsigned int i = 0; i < 200; i++) {
		x->now += 10;
		poll_workers(x);
		rcu_reclaim(x->t.rcu);
		if (!config_poll(&x->t, x->now))
			return;
	}
	fail();
}

static void test_sweep(void **state)
{
	struct fixture *x = *state;
	uint16_t slot;

	start_workers(x);
	apply(x, FULL("1"), 0, "");
	poll_workers(x);
	for (uint16_t i = 0; i < 100; i++) {
		open_flow(x, i % 2, (uint16_t)(1000 + i), "web", i % 4 < 2 ? "a" : "b");
		open_flow(x, i % 2, (uint16_t)(1000 + i), "dns", "a");
	}
	assert_int_equal(flows(x, 0) + flows(x, 1), 200);

	/* Another weight, another scheduler, a drained server: no flow is touched. */
	apply(x, FULL("9"), 0, "");
	admin_set(x->t.admin, "web", "a", ADMIN_DRAIN);
	apply(x, NULL, 0, "");
	settle(x);
	assert_int_equal(flows(x, 0) + flows(x, 1), 200);

	/* A disabled server loses its flows, nobody else does. */
	admin_set(x->t.admin, "web", "a", ADMIN_DISABLED);
	apply(x, NULL, 0, "");
	settle(x);
	assert_int_equal(flows(x, 0) + flows(x, 1), 150);

	/* So does a server that is gone; its slot is free then. */
	slot = server(x, "web", "b")->slot;
	apply(x,
		AROUND("'pools': [{'name': 'web', 'servers': [{'name': 'c', 'address': "
		       "'10.0.0.13'}]}, " DNS "], 'services': [" SVC_WEB ", " SVC_DNS "]"),
		0, "");
	assert_int_not_equal(model_server_by_name(config_model(&x->t), "web", "c")->slot, slot);
	settle(x);
	assert_int_equal(flows(x, 0) + flows(x, 1), 100);

	/* And a service. */
	apply(x, AROUND("'pools': [" WEB("1") ", " DNS "]"), 0, "");
	settle(x);
	assert_int_equal(flows(x, 0) + flows(x, 1), 0);
	stop_workers(x);
}

/* ---- no memory to publish with ----------------------------------------------------------------
 */

static bool no_memory;

struct rcu_retired *__real_rcu_prepare(void);
struct rcu_retired *__wrap_rcu_prepare(void);
struct rcu_retired *__wrap_rcu_prepare(void)
{
	return no_memory ? NULL : __real_rcu_prepare();
}

/* The control core goes on by the networks that are published, for what is pending may be freed. */
static void test_unpublished(void **state)
{
	static const char *const changes[] = {
		"{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': 'af_packet:w', "
		"'addresses': ['192.0.2.2/24']}]}",
		"{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': 'af_packet:w', "
		"'addresses': ['192.0.2.3/24']}]}",
	};
	struct fixture *x = *state;
	const struct model *first;

	start_workers(x);
	apply(x, FULL("1"), 0, "");
	first = x->snapshot.model;
	no_memory = true;
	for (size_t i = 0; i < RTE_DIM(changes); i++) {
		apply(x, changes[i], 0, "");
		assert_ptr_equal(turn(x), first);
		assert_ptr_equal(x->t.workers->net[N_WORKERS]->table, first->net);
	}
	no_memory = false;
	assert_ptr_not_equal(turn(x), first);
	assert_ptr_equal(x->t.workers->net[N_WORKERS]->table, x->snapshot.model->net);
	stop_workers(x);
}

/* ---- the document itself -------------------------------------------------------------------- */

/* What runs, printed, starts the same system. */
static void test_round(void **state)
{
	struct fixture *x = *state;
	struct faults faults = { 0 };
	struct model_slots *slots = model_slots_create();
	struct model *m;
	struct config *c;
	json_t *doc;
	char *text;

	apply(x, FULL("3"), 0, "");
	text = json_dumps(x->t.running, JSON_INDENT(2));
	doc = config_parse(text, strlen(text), &faults);
	assert_true(json_equal(doc, x->t.running));
	c = config_read(doc, &faults);
	assert_non_null(c);
	m = model_build(&c->model, slots, NULL, NULL, &config_sched, &faults);
	assert_non_null(m);
	for (unsigned int i = 0; i < MODEL_SERVERS_MAX; i++) {
		const struct server *a = m->server[i], *b = x->snapshot.model->server[i];

		assert_int_equal(!a, !b);
		if (a)
			assert_true(a->id == b->id && a->weight == b->weight && a->port == b->port);
	}
	model_free(m, &config_sched);
	model_slots_destroy(slots);
	config_free(c);
	json_decref(doc);
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first),
		TEST(test_interval),
		TEST(test_faults),
		TEST(test_restart),
		TEST(test_sharing),
		TEST(test_unseen),
		TEST(test_ports),
		TEST(test_admin),
		TEST(test_sweep),
		TEST(test_unpublished),
		TEST(test_round),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

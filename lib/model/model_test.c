/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "model_priv.h"
#include "test_eal.h"

/* ---- what model_build() is handed: schedulers that only count ------------------------------- */

static unsigned int tables_built, tables_alive;
static int table_error;

static const struct sched_ops *fake_find(const char *name)
{
	static const char known[2];

	if (!strcmp(name, "round-robin"))
		return (const void *)&known[0];
	return !strcmp(name, "maglev") ? (const void *)&known[1] : NULL;
}

static int fake_build(struct pool *pool, const struct hash_key *key, bool want_maglev)
{
	if (table_error)
		return table_error;
	pool->sched_table = malloc(1);
	pool->maglev_table = want_maglev ? malloc(1) : NULL;
	tables_built++;
	tables_alive++;
	return 0;
}

static void fake_destroy(struct pool *pool)
{
	free(pool->sched_table);
	free(pool->maglev_table);
	tables_alive--;
}

/* Access lists that are compiled and not yet freed. */
static struct acl *fake_acl_build(
	const struct access_entry *entry, unsigned int n, bool deny_others)
{
	tables_built++;
	tables_alive++;
	return malloc(1);
}

static void fake_acl_free(struct acl *a)
{
	free(a);
	tables_alive--;
}

static const struct model_sched sched = { fake_find, fake_build, fake_destroy, fake_acl_build,
	fake_acl_free };

/* ---- a configuration to play with ----------------------------------------------------------- */

struct fixture {
	struct model_slots *slots;
	struct server_conf web[3], dns[2];
	struct pool_conf pools[2];
	struct vip vips[3];
	struct service_conf services[2];
	struct prefix address;
	struct port_conf port;
	struct model_conf conf;
};

static struct endpoint endpoint(const char *text)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(text, &e), 0);
	return e;
}

static struct vip vip(const char *text)
{
	struct endpoint e = endpoint(text);

	return (struct vip){ e.addr, { e.port, e.port } };
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	*x = (struct fixture){
		.web = { { "a", endpoint("10.0.0.11:80"), 1, ADMIN_ENABLED },
			{ "b", endpoint("10.0.0.12:80"), 2, ADMIN_ENABLED },
			{ "c", endpoint("10.0.0.13:80"), 1, ADMIN_ENABLED } },
		.dns = { { "a", endpoint("10.0.0.21"), 1, ADMIN_ENABLED },
			{ "b", endpoint("10.0.0.22"), 1, ADMIN_ENABLED } },
		.vips = { vip("192.0.2.10:80"), vip("192.0.2.10:443"), vip("192.0.2.9:53") },
	};
	x->pools[0] = (struct pool_conf){ "web", "round-robin", x->web, 3 };
	x->pools[1] = (struct pool_conf){ "dns", "maglev", x->dns, 2 };
	x->services[0] = (struct service_conf){ .name = "web",
		.pool = "web",
		.mode = MODE_NAT,
		.proto = IPPROTO_TCP,
		.vips = x->vips,
		.n_vips = 2,
		.vip_list = true };
	x->services[1] = (struct service_conf){ .name = "dns",
		.pool = "dns",
		.mode = MODE_DR,
		.proto = IPPROTO_UDP,
		.vips = &x->vips[2],
		.n_vips = 1 };
	assert_int_equal(prefix_parse("10.0.0.1/24", true, &x->address), 0);
	x->port = (struct port_conf){ .name = "lan", .addresses = &x->address, .n_addresses = 1 };
	x->conf = (struct model_conf){ .net = { .ports = &x->port, .n_ports = 1 },
		.pools = x->pools,
		.n_pools = 2,
		.services = x->services,
		.n_services = 2,
		.cluster_key = { { 3, 4 } } };
	x->slots = model_slots_create();
	assert_non_null(x->slots);
	tables_built = tables_alive = 0;
	table_error = 0;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(tables_alive, 0);
	model_slots_destroy(x->slots);
	free(x);
	return 0;
}

static struct model *build_idle(
	struct fixture *x, const struct model *previous, const struct model_idle *idle)
{
	struct faults f = { 0 };
	struct model *m = model_build(&x->conf, x->slots, previous, idle, &sched, &f);

	if (f.n)
		print_message("%s: %s\n", f.list[0].path, f.list[0].text);
	assert_int_equal(f.n, 0);
	assert_non_null(m);
	return m;
}

static struct model *build(struct fixture *x, const struct model *previous)
{
	return build_idle(x, previous, NULL);
}

/* ---- what is built -------------------------------------------------------------------------- */

static void test_contents(void **state)
{
	struct fixture *x = *state;
	struct model *m = build(x, NULL);
	const struct service *web = model_service_by_name(m, "web");
	const struct service *dns = model_service_by_name(m, "dns");
	const struct server *b = model_server_by_name(m, "web", "b");

	assert_int_equal(m->version, 1);
	assert_int_equal(m->n_services, 2);
	assert_int_equal(m->n_pools, 2);
	assert_int_equal(m->n_servers, 5);
	assert_non_null(web);
	assert_non_null(dns);
	assert_ptr_equal(model_service(m, &x->vips[1].addr, IPPROTO_TCP, RTE_BE16(443)), web);
	assert_ptr_equal(model_service(m, &x->vips[2].addr, IPPROTO_UDP, RTE_BE16(53)), dns);
	assert_ptr_equal(m->pools[web->pool], model_pool_by_name(m, "web"));
	assert_true(web->slot > 0 && b->slot > 0 && web->gen > 0 && b->gen > 0);
	assert_int_equal(m->service_gen[web->slot], web->gen);
	assert_int_equal(m->server_gen[b->slot], b->gen);
	assert_ptr_equal(m->server[b->slot], b);
	assert_int_equal(m->server_pool[b->slot], web->pool);
	assert_int_equal(b->weight, 2);
	assert_int_equal(b->effective_weight, 2);
	assert_int_equal(b->port, 80);
	/* Only DR needs a server for packets without a flow. */
	assert_null(m->pools[web->pool]->maglev_table);
	assert_non_null(m->pools[dns->pool]->maglev_table);
	/* Each virtual address once. */
	assert_int_equal(net_further_count(m->net), 2);
	assert_int_equal(net_local(m->net, &x->vips[0].addr, NULL), LOCAL_VIRTUAL);
	assert_int_equal(net_local(m->net, &x->vips[2].addr, NULL), LOCAL_VIRTUAL);
	/* Slot 0 names nothing; its service is the gateway's. */
	assert_int_equal(m->service[0]->mode, MODE_MASQUERADE);
	assert_null(model_service_by_name(m, m->service[0]->name));
	assert_null(m->server[0]);
	assert_int_equal(m->server_gen[0], 0);
	assert_null(model_service_by_name(m, "wbe"));
	assert_null(model_server_by_name(m, "web", "z"));
	assert_null(model_server_by_name(m, "wbe", "a"));
	model_free(m, &sched);
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void assert_sources(const struct server *s, unsigned int n, const char *first)
{
	struct addr a = address(first);

	assert_int_equal(s->n_sources, n);
	assert_true(addr_equal(&s->sources[0], &a));
}

static void test_servers_at(void **state)
{
	struct fixture *x = *state;
	const struct addr shared = address("10.0.0.12"), single = address("10.0.0.13");
	const struct addr before = address("10.0.0.10"), behind = address("10.0.0.99");
	const struct server *const *found;
	unsigned int n;
	struct model *m;

	/* One machine in both pools. */
	x->dns[1].endpoint = endpoint("10.0.0.12");
	m = build(x, NULL);
	found = model_servers_at(m, &shared, &n);
	assert_int_equal(n, 2);
	assert_true(found[0]->slot < found[1]->slot);
	for (unsigned int i = 0; i < n; i++)
		assert_true(found[i] == model_server_by_name(m, "web", "b") ||
			    found[i] == model_server_by_name(m, "dns", "b"));
	found = model_servers_at(m, &single, &n);
	assert_int_equal(n, 1);
	assert_string_equal(found[0]->name, "c");
	model_servers_at(m, &before, &n);
	assert_int_equal(n, 0);
	model_servers_at(m, &behind, &n);
	assert_int_equal(n, 0);
	model_free(m, &sched);
}

/* Those of the server's family; else what the port that leads there has. */
static void test_sources(void **state)
{
	struct fixture *x = *state;
	const struct addr list[] = { address("10.0.0.5"), address("2001:db8::5"),
		address("10.0.0.6") };
	struct route_conf route = { .via = address("10.0.0.254"), .port = NET_PORT_NONE };
	struct model *m, *next, *last;

	assert_int_equal(prefix_parse("10.9.0.0/16", false, &route.to), 0);
	x->conf.net.routes = &route;
	x->conf.net.n_routes = 1;
	x->web[0].sources = list;
	x->web[0].n_sources = 3;
	x->web[1].sources = &list[1];
	x->web[1].n_sources = 1;
	x->web[2].endpoint = endpoint("10.9.0.1:80");
	x->dns[0].endpoint = endpoint("172.16.0.1"); /* nothing leads there */
	m = build(x, NULL);
	assert_sources(model_server_by_name(m, "web", "a"), 2, "10.0.0.5");
	assert_true(addr_equal(&model_server_by_name(m, "web", "a")->sources[1], &list[2]));
	assert_sources(model_server_by_name(m, "web", "b"), 1, "10.0.0.1");
	assert_sources(model_server_by_name(m, "web", "c"), 1, "10.0.0.1");
	assert_int_equal(model_server_by_name(m, "dns", "a")->n_sources, 0);
	assert_int_equal(net_local(m->net, &list[0], NULL), LOCAL_PORT);
	assert_int_equal(net_local(m->net, &list[1], NULL), LOCAL_PORT);

	/* The pool is another one when they are others, also those by default. */
	next = build(x, m);
	assert_ptr_equal(model_pool_by_name(next, "web"), model_pool_by_name(m, "web"));
	x->web[0].n_sources = 2;
	last = build(x, next);
	assert_ptr_not_equal(model_pool_by_name(last, "web"), model_pool_by_name(m, "web"));
	assert_ptr_equal(model_pool_by_name(last, "dns"), model_pool_by_name(m, "dns"));
	assert_int_equal(model_server_by_name(last, "web", "a")->slot,
		model_server_by_name(m, "web", "a")->slot);
	model_free(m, &sched);
	model_free(next, &sched);
	assert_int_equal(prefix_parse("10.0.0.2/24", true, &x->address), 0);
	next = build(x, last);
	assert_sources(model_server_by_name(next, "web", "b"), 1, "10.0.0.2");
	model_free(last, &sched);
	model_free(next, &sched);
}

static void test_ids(void **state)
{
	struct fixture *x = *state;
	struct model *m = build(x, NULL);
	uint64_t web_a = model_server_by_name(m, "web", "a")->id;

	assert_true(web_a != model_server_by_name(m, "dns", "a")->id);
	model_free(m, &sched);

	/* Another process, another order: the same ids. */
	struct server_conf first = x->web[0];
	struct model_slots *other = model_slots_create();
	struct faults f = { 0 };
	x->web[0] = x->web[2];
	x->web[2] = first;
	m = model_build(&x->conf, other, NULL, NULL, &sched, &f);
	assert_non_null(m);
	assert_true(web_a == model_server_by_name(m, "web", "a")->id);
	model_free(m, &sched);
	model_slots_destroy(other);
}

static void test_admin(void **state)
{
	struct fixture *x = *state;

	x->web[0].admin = ADMIN_DRAIN;
	x->web[1].admin = ADMIN_DISABLED;
	struct model *m = build(x, NULL);
	assert_int_equal(model_server_by_name(m, "web", "a")->weight, 1);
	assert_int_equal(model_server_by_name(m, "web", "a")->effective_weight, 0);
	assert_int_equal(model_server_by_name(m, "web", "b")->weight, 2);
	assert_int_equal(model_server_by_name(m, "web", "b")->effective_weight, 0);
	assert_int_equal(model_server_by_name(m, "web", "b")->admin, ADMIN_DISABLED);
	assert_int_equal(model_server_by_name(m, "web", "c")->effective_weight, 1);
	model_free(m, &sched);
}

/* ---- sharing -------------------------------------------------------------------------------- */

static void test_share_all(void **state)
{
	struct fixture *x = *state;
	struct model *m1 = build(x, NULL);
	struct model *m2 = build(x, m1);

	assert_int_equal(tables_built, 2);
	assert_int_equal(m2->version, 2);
	assert_ptr_equal(model_pool_by_name(m1, "web"), model_pool_by_name(m2, "web"));
	assert_ptr_equal(model_service_by_name(m1, "dns"), model_service_by_name(m2, "dns"));
	model_free(m1, &sched);
	assert_int_equal(tables_alive, 2);
	assert_int_equal(model_pool_by_name(m2, "web")->n_servers, 3);
	model_free(m2, &sched);
}

static void test_share_rest(void **state)
{
	struct fixture *x = *state;
	struct model *m1 = build(x, NULL);
	uint16_t gen = model_pool_by_name(m1, "web")->gen;

	x->web[0].weight = 7;
	struct model *m2 = build(x, m1);
	assert_int_equal(tables_built, 3);
	assert_ptr_not_equal(model_pool_by_name(m1, "web"), model_pool_by_name(m2, "web"));
	assert_ptr_equal(model_pool_by_name(m1, "dns"), model_pool_by_name(m2, "dns"));
	assert_int_equal(model_pool_by_name(m2, "web")->slot, model_pool_by_name(m1, "web")->slot);
	assert_int_not_equal(model_pool_by_name(m2, "web")->gen, gen);
	/* The service says nothing of the servers and stays. */
	assert_ptr_equal(model_service_by_name(m1, "web"), model_service_by_name(m2, "web"));
	model_free(m1, &sched);
	model_free(m2, &sched);
}

/* Access lists are compiled once as long as they say the same, and freed with their last snapshot:
 * teardown counts. */
static void test_share_access(void **state)
{
	struct fixture *x = *state;
	struct access_entry all[2], own[1];
	struct model *m1, *m2, *m3;

	prefix_parse("203.0.113.0/24", false, &all[0].prefix);
	prefix_parse("192.0.2.0/24", false, &all[1].prefix);
	prefix_parse("10.0.0.0/8", false, &own[0].prefix);
	all[0].allow = all[1].allow = false;
	own[0].allow = true;
	x->conf.access = (struct access_conf){ .entries = all, .n_deny = 2 };
	x->services[0].access =
		(struct access_conf){ .deny_others = true, .entries = own, .n_allow = 1 };
	m1 = build(x, NULL);
	assert_int_equal(tables_built, 4);
	assert_true(m1->service[1]->guarded && m1->service[2]->guarded);
	assert_false(m1->service[0]->guarded);
	/* In order, whatever the order there. */
	assert_true(addr_equal(&m1->access->entry[0].prefix.addr, &all[1].prefix.addr));

	/* Another service, and the same list in another order. */
	x->services[1].refuse = REFUSE_ICMP;
	all[0] = m1->access->entry[0];
	all[1] = m1->access->entry[1];
	m2 = build(x, m1);
	assert_int_equal(tables_built, 4);
	assert_ptr_equal(m1->access, m2->access);
	assert_ptr_equal(model_service_by_name(m1, "web"), model_service_by_name(m2, "web"));
	assert_ptr_not_equal(model_service_by_name(m1, "dns"), model_service_by_name(m2, "dns"));
	model_free(m1, &sched);

	all[0].allow = true;
	x->services[0].access.deny_others = false;
	m3 = build(x, m2);
	assert_int_equal(tables_built, 6);
	model_free(m2, &sched);

	x->conf.access = x->services[0].access = (struct access_conf){ 0 };
	m1 = build(x, m3);
	model_free(m3, &sched);
	assert_null(m1->access);
	assert_null(model_service_by_name(m1, "web")->access);
	assert_false(model_service_by_name(m1, "web")->guarded);
	model_free(m1, &sched);
}

/* So are those of whom a service believes and of its monitors; and what a server's connections
 * begin with makes it another one. */
static void test_share_proxy_lists(void **state)
{
	struct fixture *x = *state;
	struct access_entry list[2] = { { .allow = true }, { .allow = true } };
	const struct access_conf one = { .deny_others = true, .entries = list, .n_allow = 1 };
	struct model *m1, *m2, *m3;
	const struct service *web;

	prefix_parse("203.0.113.0/24", false, &list[0].prefix);
	prefix_parse("192.0.2.0/24", false, &list[1].prefix);
	x->services[0].trusted = one;
	m1 = build(x, NULL);
	web = model_service_by_name(m1, "web");
	assert_int_equal(web->trusted->n, 1);
	assert_true(web->trusted->deny_others);
	assert_null(web->monitor);
	assert_false(web->guarded);
	assert_null(model_service_by_name(m1, "dns")->trusted);

	m2 = build(x, m1);
	assert_ptr_equal(web, model_service_by_name(m2, "web"));
	model_free(m1, &sched);

	x->services[0].monitor = one;
	m3 = build(x, m2);
	assert_ptr_not_equal(web, model_service_by_name(m3, "web"));
	assert_ptr_equal(web->trusted, model_service_by_name(m3, "web")->trusted);
	assert_int_equal(model_service_by_name(m3, "web")->monitor->n, 1);
	model_free(m2, &sched);

	web = model_service_by_name(m3, "web");
	x->services[0].trusted.n_allow = 2;
	m1 = build(x, m3);
	assert_ptr_not_equal(web, model_service_by_name(m1, "web"));
	assert_ptr_equal(web->monitor, model_service_by_name(m1, "web")->monitor);
	web = model_service_by_name(m1, "web");
	assert_int_equal(web->trusted->n, 2);
	model_free(m3, &sched);

	x->web[1].proxy_header = 2;
	m2 = build(x, m1);
	assert_ptr_equal(web, model_service_by_name(m2, "web"));
	assert_ptr_not_equal(m1->pools[web->pool], m2->pools[web->pool]);
	assert_int_equal(m2->pools[web->pool]->servers[1].proxy_header, 2);
	model_free(m1, &sched);
	model_free(m2, &sched);
}

/* A rate of all services, or of one, makes its new flows more than the scheduler's business. */
static void test_source_rate(void **state)
{
	struct fixture *x = *state;
	struct model *m1 = build(x, NULL), *m2, *m3;
	const struct source_rate_conf rate = { 10, 20, 32, 64 };

	assert_false(model_service_by_name(m1, "web")->assigned);
	x->services[0].source_rate = rate;
	m2 = build(x, m1);
	assert_true(model_service_by_name(m2, "web")->assigned);
	assert_false(model_service_by_name(m2, "dns")->assigned);
	assert_ptr_equal(model_service_by_name(m1, "dns"), model_service_by_name(m2, "dns"));
	x->conf.source_rate = rate;
	m3 = build(x, m2);
	assert_true(model_service_by_name(m3, "dns")->assigned);
	assert_true(m3->source_rate.scope != model_service_by_name(m3, "web")->source_rate.scope);
	model_free(m1, &sched);
	model_free(m2, &sched);
	model_free(m3, &sched);
}

static void test_share_unless_key(void **state)
{
	struct fixture *x = *state;
	struct model *m1 = build(x, NULL);

	x->conf.cluster_key.k[1]++;
	struct model *m2 = build(x, m1);
	assert_int_equal(tables_built, 4);
	model_free(m1, &sched);
	model_free(m2, &sched);
}

static void test_share_unless_maglev(void **state)
{
	struct fixture *x = *state;
	struct model *m1 = build(x, NULL);

	for (unsigned int i = 0; i < 3; i++)
		x->web[i].endpoint.port = 0;
	x->services[0].mode = MODE_DR;
	struct model *m2 = build(x, m1);
	assert_non_null(model_pool_by_name(m2, "web")->maglev_table);
	model_free(m1, &sched);
	model_free(m2, &sched);
}

/* ---- slots ---------------------------------------------------------------------------------- */

static void test_slots_stay(void **state)
{
	struct fixture *x = *state;
	struct model *m1 = build(x, NULL);
	struct server a = *model_server_by_name(m1, "web", "a");
	struct server c = *model_server_by_name(m1, "web", "c");

	/* b goes, c and a change places, a gets another weight. */
	struct server_conf first = x->web[0];
	x->web[0] = x->web[2];
	x->web[1] = first;
	x->web[1].weight = 9;
	x->pools[0].n_servers = 2;
	struct model *m2 = build(x, m1);
	assert_int_equal(model_server_by_name(m2, "web", "a")->slot, a.slot);
	assert_int_equal(model_server_by_name(m2, "web", "a")->gen, a.gen);
	assert_int_equal(model_server_by_name(m2, "web", "c")->slot, c.slot);
	assert_int_equal(model_server_by_name(m2, "web", "c")->gen, c.gen);
	uint16_t b = model_server_by_name(m1, "web", "b")->slot;
	assert_null(m2->server[b]);
	assert_int_equal(m2->server_gen[b], 0);
	model_free(m1, &sched);
	model_free(m2, &sched);
}

static bool busy;
static bool fake_idle(void *arg, uint16_t slot)
{
	return !busy;
}

static void test_slots_rest(void **state)
{
	struct fixture *x = *state;
	const struct model_idle idle = { fake_idle, fake_idle, NULL };
	struct model *m1 = build_idle(x, NULL, &idle);
	struct server b = *model_server_by_name(m1, "web", "b");

	/* Another address is another server; the former one's slot is not had in the same build, */
	busy = false;
	x->web[1].endpoint = endpoint("10.0.0.99:80");
	struct model *m2 = build_idle(x, m1, &idle);
	struct server b2 = *model_server_by_name(m2, "web", "b");
	assert_int_not_equal(b2.slot, b.slot);
	assert_true(b2.id == b.id);
	/* nor while a worker has flows of it, not even by itself, */
	busy = true;
	x->web[1].endpoint = endpoint("10.0.0.12:80");
	struct model *m3 = build_idle(x, m2, &idle);
	struct server b3 = *model_server_by_name(m3, "web", "b");
	assert_int_not_equal(b3.slot, b.slot);
	assert_int_not_equal(b3.slot, b2.slot);
	/* but then, with another generation. */
	busy = false;
	x->web[1].endpoint = endpoint("10.0.0.98:80");
	struct model *m4 = build_idle(x, m3, &idle);
	struct server b4 = *model_server_by_name(m4, "web", "b");
	assert_int_equal(b4.slot, b.slot);
	assert_int_not_equal(b4.gen, b.gen);
	model_free(m1, &sched);
	model_free(m2, &sched);
	model_free(m3, &sched);
	model_free(m4, &sched);
}

static void test_service_slots(void **state)
{
	struct fixture *x = *state;
	struct model *m1 = build(x, NULL);
	struct service web = *model_service_by_name(m1, "web");

	/* Other addresses, pool and time-outs leave it the same service, another mode does not. */
	x->services[0].n_vips = 1;
	x->services[0].pool = "dns";
	x->services[0].timeouts.udp = 5;
	struct model *m2 = build(x, m1);
	assert_int_equal(model_service_by_name(m2, "web")->slot, web.slot);
	assert_int_equal(model_service_by_name(m2, "web")->gen, web.gen);
	assert_int_equal(model_service_by_name(m2, "web")->timeouts.udp, 5);
	assert_null(model_service(m2, &x->vips[1].addr, IPPROTO_TCP, RTE_BE16(443)));
	x->services[0].mode = MODE_DR;
	struct model *m3 = build(x, m2);
	assert_int_not_equal(model_service_by_name(m3, "web")->slot, web.slot);
	model_free(m1, &sched);
	model_free(m2, &sched);
	model_free(m3, &sched);
}

/* Generations go round without ever being 0, and are kept by a commit alone. */
static void test_generations(void **state)
{
	struct fixture *x = *state;
	struct slot_plan *p = slots_begin(x->slots, NULL);
	uint16_t first, gen, last;

	assert_int_equal(slots_take(p, SLOT_POOL, 1, &first), 1);
	assert_int_equal(slots_take(p, SLOT_POOL, 1, &gen), 0); /* a key twice in a build */
	last = first;
	for (unsigned int i = 0; i < UINT16_MAX + 9; i++) {
		gen = slots_renew(p, SLOT_POOL, 1);
		assert_int_not_equal(gen, 0);
		assert_int_not_equal(gen, last);
		last = gen;
	}
	assert_int_equal(last, 10);
	slots_commit(p);

	p = slots_begin(x->slots, NULL);
	slots_renew(p, SLOT_POOL, slots_take(p, SLOT_POOL, 1, &gen));
	assert_int_equal(gen, 10);
	slots_abort(p);
	p = slots_begin(x->slots, NULL);
	assert_int_equal(slots_take(p, SLOT_POOL, 1, &gen), 1);
	assert_int_equal(gen, 10);
	slots_commit(p);
}

/* ---- faults --------------------------------------------------------------------------------- */

/* The faults of x->conf as text. */
static void assert_faults(struct fixture *x, const struct model *previous, const char *expected)
{
	struct faults f = { 0 };
	char text[2048] = "";
	size_t n = 0;

	assert_null(model_build(&x->conf, x->slots, previous, NULL, &sched, &f));
	for (size_t i = 0; i < f.n; i++)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, "%s: %s\n", f.list[i].path, f.list[i].text);
	assert_string_equal(text, expected);
	faults_free(&f);
}

static void test_faults_in_one_pass(void **state)
{
	struct fixture *x = *state;

	x->web[2].name = "a";
	x->dns[1].name = "x/y";
	x->pools[1].name = "web";
	x->pools[1].scheduler = "random";
	x->services[1].pool = "wob";
	x->services[1].name = "web";
	x->vips[2] = x->vips[0];
	x->services[1].proto = IPPROTO_TCP;
	x->port.vlan = 5000;
	assert_faults(x, NULL,
		"ports[0].vlan: 5000; 1 to 4094 is possible, or leave it out for untagged frames\n"
		"pools[1].name: \"web\" is the name of another one already, see pools[0]\n"
		"pools[0].servers[2].name: \"a\" is the name of another one already, "
		"see pools[0].servers[0]\n"
		"pools[1].scheduler: no scheduler is called \"random\"\n"
		"pools[1].servers[1].name: a name has 1 to 63 characters and no slash\n"
		"services[1].name: \"web\" is the name of another one already, see services[0]\n"
		"services[1].pool: no pool is called \"wob\"; did you mean \"web\"?\n"
		"services[1].address: port 80 of 192.0.2.10: taken already by "
		"services[0].address[0] (\"web\")\n");
}

static void test_faults_change_nothing(void **state)
{
	struct fixture *x = *state;
	struct model *m1 = build(x, NULL);
	struct server b = *model_server_by_name(m1, "web", "b");

	/* b is gone in a build that fails late. */
	x->pools[0].n_servers = 1;
	table_error = -ENOMEM;
	assert_faults(x, m1, ": cannot be built: Cannot allocate memory\n");
	table_error = 0;
	x->pools[0].n_servers = 3;
	struct model *m2 = build(x, m1);
	assert_int_equal(model_server_by_name(m2, "web", "b")->slot, b.slot);
	assert_int_equal(model_server_by_name(m2, "web", "b")->gen, b.gen);
	assert_ptr_equal(model_pool_by_name(m1, "web"), model_pool_by_name(m2, "web"));
	model_free(m1, &sched);
	model_free(m2, &sched);
}

static void test_too_many(void **state)
{
	struct fixture *x = *state;
	unsigned int n = MODEL_SERVERS_MAX;
	struct server_conf *servers = calloc(n, sizeof(*servers));
	char(*names)[8] = calloc(n, sizeof(*names));

	for (unsigned int i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "s%u", i);
		servers[i] = (struct server_conf){ names[i], x->web[0].endpoint, 1, ADMIN_ENABLED };
	}
	x->pools[0].servers = servers;
	x->pools[0].n_servers = n - 2;
	assert_faults(x, NULL, "pools: 16384 servers in all, the limit is 16383\n");
	x->pools[0].n_servers = n - 3;
	struct model *m = build(x, NULL);
	assert_int_equal(m->n_servers, n - 1);
	/* No slot is left for another one: those of this build's victims rest until the next. */
	servers[0].endpoint.port++;
	assert_faults(x, m,
		"pools[0].servers[0]: no room: flows of things removed lately still hold all "
		"slots; try again later, or choose another name\n");
	model_free(m, &sched);
	free(servers);
	free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_contents, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_servers_at, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sources, setup, teardown),
		cmocka_unit_test_setup_teardown(test_admin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_share_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_share_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_share_access, setup, teardown),
		cmocka_unit_test_setup_teardown(test_share_proxy_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_source_rate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_share_unless_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_share_unless_maglev, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slots_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slots_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_service_slots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_generations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_faults_in_one_pass, setup, teardown),
		cmocka_unit_test_setup_teardown(test_faults_change_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

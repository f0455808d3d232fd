/* SPDX-License-Identifier: BSD-3-Clause */
/* The address table: what is ours, which port a frame belongs to, routes, sharing, and every fault.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/net.h"
#include "test_eal.h"

#define MANY 5000

static struct addr A(const char *text) {
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct prefix
P(const char *text) {
	struct prefix p;

	assert_int_equal(prefix_parse(text, true, &p), 0);
	return p;
}

/* A configuration that is easy to write down: texts, ended by NULL. */
struct port_text {
	const char *name;
	uint8_t nic;
	uint16_t vlan, mtu;
	const char *addresses[5];
	const char *gateways[4];
};

struct route_text {
	const char *to, *via;
	uint8_t port;
};

struct conf_text {
	struct port_text ports[5];
	struct route_text routes[6];
	const char *virtuals[6];
};

struct built {
	struct net_conf conf;
	struct port_conf port[5];
	struct prefix address[5][5];
	struct addr gateway[5][4];
	struct route_conf route[6];
	struct addr virt[6];
};

static const struct net_conf *conf_of(const struct conf_text *text, struct built *b)
{
	memset(b, 0, sizeof(*b));
	b->conf = (struct net_conf){ .ports = b->port, .routes = b->route, .virtuals = b->virt };
	for (unsigned int i = 0; text->ports[i].name; i++) {
		const struct port_text *t = &text->ports[i];
		struct port_conf *p = &b->port[b->conf.n_ports++];

		snprintf(p->name, sizeof(p->name), "%s", t->name);
		p->nic = t->nic;
		p->vlan = t->vlan;
		p->mtu = t->mtu;
		p->mac = (struct rte_ether_addr){ { 2, 0, 0, 0, 0, t->nic } };
		p->addresses = b->address[i];
		p->gateways = b->gateway[i];
		for (; t->addresses[p->n_addresses]; p->n_addresses++)
			b->address[i][p->n_addresses] = P(t->addresses[p->n_addresses]);
		for (; t->gateways[p->n_gateways]; p->n_gateways++)
			b->gateway[i][p->n_gateways] = A(t->gateways[p->n_gateways]);
	}
	for (unsigned int i = 0; text->routes[i].to; i++) {
		struct route_conf *r = &b->route[b->conf.n_routes++];

		r->to = P(text->routes[i].to);
		if (text->routes[i].via)
			r->via = A(text->routes[i].via);
		r->port = text->routes[i].port;
	}
	for (unsigned int i = 0; text->virtuals[i]; i++)
		b->virt[b->conf.n_virtuals++] = A(text->virtuals[i]);
	return &b->conf;
}

static const struct conf_text two_arms = {
	.ports = {
		{ .name = "wan", .nic = 0, .addresses = { "192.0.2.1/24", "2001:db8:1::1/64" },
			.gateways = { "192.0.2.254", "fe80::fe" } },
		{ .name = "lan", .nic = 1, .mtu = 1400,
			.addresses = { "10.0.0.1/24", "10.0.0.2/24", "2001:db8:2::1/64" } },
		{ .name = "v7", .nic = 1, .vlan = 7, .addresses = { "10.7.0.1/16" } },
	},
	.routes = {
		{ "172.16.0.0/12", "10.0.0.254", 1 },
		{ "172.16.5.0/24", "10.7.0.254", NET_PORT_NONE },
		{ "198.18.0.0/15", NULL, 2 },
		{ "2001:db8:ff00::/40", "2001:db8:2::fe", 1 },
	},
	.virtuals = { "192.0.2.10", "203.0.113.9", "2001:db8:1::10", "10.0.0.1", "192.0.2.10" },
};

static struct net_table *build(const struct conf_text *text, const struct net_table *previous)
{
	struct faults faults = { 0 };
	struct net_table *t;
	struct built b;

	t = net_table_build(conf_of(text, &b), previous, &faults);
	for (size_t i = 0; i < faults.n; i++)
		print_error("%s: %s\n", faults.list[i].path, faults.list[i].text);
	assert_int_equal(faults.n, 0);
	assert_non_null(t);
	/* The table holds copies. */
	memset(&b, 0xa5, sizeof(b));
	return t;
}

static void test_ports(void **state)
{
	struct net_table *t = build(&two_arms, NULL);

	assert_int_equal(net_port_count(t), 3);
	assert_int_equal(net_port_of(t, 0, 0), 0);
	assert_int_equal(net_port_of(t, 1, 0), 1);
	assert_int_equal(net_port_of(t, 1, 7), 2);
	assert_int_equal(net_port_of(t, 1, 8), NET_PORT_NONE);
	assert_int_equal(net_port_of(t, 0, 7), NET_PORT_NONE);
	assert_int_equal(net_port_of(t, 2, 0), NET_PORT_NONE);
	assert_int_equal(net_port_of(t, UINT16_MAX, 0), NET_PORT_NONE);

	const struct port *p = net_port(t, 1);

	assert_string_equal(p->name, "lan");
	assert_int_equal(p->id, 1);
	assert_int_equal(p->mtu, 1400);
	assert_int_equal(p->n_addresses, 3);
	net_table_free(t);
}

static enum local_kind local(const struct net_table *t, const char *text, uint8_t *port)
{
	struct addr a = A(text);

	return net_local(t, &a, port);
}

static bool answers(const struct net_table *t, const char *text, uint8_t port)
{
	struct addr a = A(text);

	return net_answers(t, &a, port);
}

static void test_local(void **state)
{
	struct net_table *t = build(&two_arms, NULL);
	uint8_t port;

	assert_int_equal(local(t, "192.0.2.1", &port), LOCAL_PORT);
	assert_int_equal(port, 0);
	assert_int_equal(local(t, "10.7.0.1", &port), LOCAL_PORT);
	assert_int_equal(port, 2);
	assert_int_equal(local(t, "2001:db8:2::1", &port), LOCAL_PORT);
	assert_int_equal(port, 1);
	assert_int_equal(local(t, "203.0.113.9", &port), LOCAL_VIRTUAL);
	assert_int_equal(port, NET_PORT_NONE);
	assert_int_equal(local(t, "192.0.2.2", &port), LOCAL_NONE);
	assert_int_equal(local(t, "::", NULL), LOCAL_NONE);
	/* A port's address that is virtual too. */
	assert_int_equal(local(t, "10.0.0.1", &port), LOCAL_VIRTUAL);
	assert_int_equal(port, 1);
	/* EUI-64; the two ports of nic 1 share it. */
	assert_int_equal(local(t, "fe80::ff:fe00:1", &port), LOCAL_PORT);
	assert_int_equal(port, 1);
	assert_true(answers(t, "fe80::ff:fe00:1", 1));
	assert_true(answers(t, "fe80::ff:fe00:1", 2));
	assert_false(answers(t, "fe80::ff:fe00:1", 0));

	/* Answered where the network is, or everywhere if it is nowhere. */
	assert_true(answers(t, "192.0.2.10", 0));
	assert_false(answers(t, "192.0.2.10", 1));
	assert_true(answers(t, "203.0.113.9", 0));
	assert_true(answers(t, "203.0.113.9", 2));
	assert_true(answers(t, "192.0.2.1", 0));
	assert_false(answers(t, "192.0.2.1", 1));
	assert_false(answers(t, "192.0.2.99", 0));
	assert_false(answers(t, "192.0.2.10", NET_PORT_NONE));

	assert_int_equal(net_further_count(t), 4);
	struct addr a = A("2001:db8:1::10");
	assert_true(addr_equal(net_further(t, 2), &a));
	net_table_free(t);
}

/* Sources that are no port's are answered like virtual addresses, but are ours like a port's. */
static void test_sources(void **state)
{
	const struct addr sources[] = { A("10.0.0.1"), A("10.7.0.9"), A("192.0.2.1"),
		A("198.51.100.77") };
	struct faults faults = { 0 };
	struct net_table *t, *again;
	struct addr bad;
	uint8_t port;
	struct built b;

	conf_of(&two_arms, &b);
	b.conf.sources = sources;
	b.conf.n_sources = 4;
	t = net_table_build(&b.conf, NULL, &faults);
	assert_non_null(t);
	assert_int_equal(local(t, "10.0.0.1", NULL), LOCAL_VIRTUAL);
	assert_int_equal(local(t, "10.7.0.9", &port), LOCAL_PORT);
	assert_int_equal(port, 2);
	assert_true(answers(t, "10.7.0.9", 2));
	assert_false(answers(t, "10.7.0.9", 0));
	assert_int_equal(local(t, "198.51.100.77", &port), LOCAL_PORT);
	assert_int_equal(port, NET_PORT_NONE);
	assert_true(answers(t, "198.51.100.77", 0));
	/* Two of them are neither a port's nor virtual. */
	assert_int_equal(net_further_count(t), 4 + 2);
	again = net_table_build(&b.conf, t, &faults);
	assert_ptr_equal(again, t);
	net_table_free(again);
	b.conf.n_sources = 3;
	again = net_table_build(&b.conf, t, &faults);
	assert_ptr_not_equal(again, t);
	assert_int_equal(local(again, "198.51.100.77", NULL), LOCAL_NONE);
	net_table_free(again);
	net_table_free(t);

	bad = A("224.0.0.1");
	b.conf.sources = &bad;
	b.conf.n_sources = 1;
	assert_null(net_table_build(&b.conf, NULL, &faults));
	assert_int_equal(faults.errors, 1);
	faults_free(&faults);
}

static uint8_t flags_of(const struct net_table *t, const char *text)
{
	struct addr a = A(text);
	const struct local_addr *l = net_local_find(t, &a);

	return l ? l->flags : 0;
}

/* Whole networks: the smallest one that holds an address counts, an address of its own before. */
static void test_networks(void **state)
{
	const struct network_conf networks[] = { { A("203.0.112.0"), 9 }, { A("203.0.113.0"), 8 },
		{ A("192.0.2.128"), 6 }, { A("2001:db8:5::"), 64 },
		{ A("2001:db8:5:0:8000::"), 63 } };
	const struct network_conf by_client[] = { { A("2001:db8:5:0:8000::"), 63 },
		{ A("203.0.112.0"), 9 }, { A("192.0.2.10"), 0 } };
	struct faults faults = { 0 };
	struct net_table *t, *again;
	struct built b;
	uint8_t port;

	conf_of(&two_arms, &b);
	b.virt[4] = A("192.0.2.129");
	b.conf.networks = networks;
	b.conf.n_networks = 5;
	b.conf.by_client = by_client;
	b.conf.n_by_client = 3;
	b.address[0][0] = P("192.0.2.150/24");
	t = net_table_build(&b.conf, NULL, &faults);
	assert_non_null(t);
	assert_int_equal(local(t, "203.0.113.0", &port), LOCAL_VIRTUAL);
	assert_int_equal(port, NET_PORT_NONE);
	assert_int_equal(local(t, "203.0.113.255", NULL), LOCAL_VIRTUAL);
	assert_int_equal(local(t, "203.0.112.5", NULL), LOCAL_VIRTUAL);
	assert_int_equal(local(t, "203.0.114.0", NULL), LOCAL_NONE);
	assert_int_equal(local(t, "203.0.111.255", NULL), LOCAL_NONE);
	assert_int_equal(local(t, "192.0.2.191", NULL), LOCAL_VIRTUAL);
	assert_int_equal(local(t, "192.0.2.192", NULL), LOCAL_NONE);
	/* A port's own address in it stays the port's. */
	assert_int_equal(local(t, "192.0.2.150", &port), LOCAL_PORT);
	assert_int_equal(port, 0);
	assert_int_equal(local(t, "2001:db8:5::1", NULL), LOCAL_VIRTUAL);
	assert_int_equal(local(t, "2001:db8:5:1::1", NULL), LOCAL_NONE);
	assert_int_equal(local(t, "::", NULL), LOCAL_NONE);

	/* Answered where their network is, or everywhere. */
	assert_true(answers(t, "192.0.2.140", 0));
	assert_false(answers(t, "192.0.2.140", 1));
	assert_true(answers(t, "203.0.113.77", 0) && answers(t, "203.0.113.77", 2));
	assert_false(answers(t, "203.0.114.77", 0));

	/* Steered by the client's end: those, and what is within them. */
	assert_int_equal(flags_of(t, "192.0.2.10"), PKT_VIRTUAL | PKT_CLIENT);
	assert_int_equal(flags_of(t, "203.0.113.9"), PKT_VIRTUAL | PKT_CLIENT);
	assert_int_equal(flags_of(t, "203.0.113.10"), PKT_VIRTUAL | PKT_CLIENT);
	assert_int_equal(flags_of(t, "192.0.2.129"), PKT_VIRTUAL);
	assert_int_equal(flags_of(t, "192.0.2.130"), PKT_VIRTUAL);
	assert_int_equal(flags_of(t, "2001:db8:5::1"), PKT_VIRTUAL);
	assert_int_equal(flags_of(t, "2001:db8:5:0:8000::1"), PKT_VIRTUAL | PKT_CLIENT);
	assert_int_equal(flags_of(t, "192.0.2.150"), PKT_OURS);

	/* Another table as soon as one of them is another. */
	again = net_table_build(&b.conf, t, &faults);
	assert_ptr_equal(again, t);
	net_table_free(again);
	b.conf.n_by_client = 2;
	again = net_table_build(&b.conf, t, &faults);
	assert_ptr_not_equal(again, t);
	net_table_free(again);
	net_table_free(t);
	b.conf.networks = &(struct network_conf){ A("224.0.0.0"), 8 };
	b.conf.n_networks = 1;
	assert_null(net_table_build(&b.conf, NULL, &faults));
	assert_int_equal(faults.errors, 1);
	faults_free(&faults);
}

/* How many entries are looked at until an address is found. */
static unsigned int probes(const struct net_table *t, const struct addr *a)
{
	unsigned int n = 1;

	for (uint32_t i = net_local_hash(a); !addr_equal(&t->local[i & t->local_mask].addr, a); i++)
		n++;
	return n;
}

static void test_many_virtuals(void **state)
{
	unsigned int looked = 0;
	static struct addr virtuals[2 * MANY];
	struct faults faults = { 0 };
	struct net_table *t;
	struct built b;

	conf_of(&two_arms, &b);
	for (unsigned int i = 0; i < MANY; i++) {
		virtuals[2 * i] = addr_from_v4(rte_cpu_to_be_32(0xcb000000 + i));
		virtuals[2 * i + 1] = A("2001:db8:1::");
		virtuals[2 * i + 1].w[3] = rte_cpu_to_be_32(0x10000 + i);
	}
	b.conf.virtuals = virtuals;
	b.conf.n_virtuals = 2 * MANY;
	t = net_table_build(&b.conf, NULL, &faults);
	assert_non_null(t);
	assert_int_equal(net_further_count(t), 2 * MANY);
	for (unsigned int i = 0; i < 2 * MANY; i++) {
		assert_int_equal(net_local(t, &virtuals[i], NULL), LOCAL_VIRTUAL);
		assert_int_equal(net_answers(t, &virtuals[i], 1), i % 2 == 0);
		looked += probes(t, &virtuals[i]);
	}
	/* Addresses in a row, as virtual ones are, do not crowd together. */
	assert_true(looked < 2 * (2 * MANY));
	for (unsigned int i = MANY; i < 4 * MANY; i++) {
		struct addr a = addr_from_v4(rte_cpu_to_be_32(0xcb000000 + i));

		assert_int_equal(net_local(t, &a, NULL), LOCAL_NONE);
	}
	net_table_free(t);
}

static void check_route(const struct net_table *t, const char *dst, int port, const char *via)
{
	struct addr d = A(dst), v = { 0 };
	struct route_hop hop;

	if (port < 0) {
		assert_false(net_route(t, &d, &hop));
		return;
	}
	if (via)
		v = A(via);
	assert_true(net_route(t, &d, &hop));
	assert_int_equal(hop.port, port);
	assert_true(addr_equal(&hop.via, &v));
}

static void test_routes(void **state)
{
	static const struct conf_text no_default = {
		.ports = { { .name = "a", .addresses = { "10.0.0.1/31", "2001:db8::1/127" } } },
	};
	struct net_table *t = build(&two_arms, NULL);

	check_route(t, "192.0.2.77", 0, NULL);
	check_route(t, "10.0.0.200", 1, NULL);
	check_route(t, "10.7.200.1", 2, NULL);
	check_route(t, "172.16.4.1", 1, "10.0.0.254");
	check_route(t, "172.16.5.1", 2, "10.7.0.254");
	check_route(t, "198.19.255.255", 2, NULL);
	check_route(t, "198.20.0.0", 0, "192.0.2.254");
	check_route(t, "8.8.8.8", 0, "192.0.2.254");
	check_route(t, "255.255.255.254", 0, "192.0.2.254");
	check_route(t, "2001:db8:1::2", 0, NULL);
	check_route(t, "2001:db8:2::2", 1, NULL);
	check_route(t, "2001:db8:ff12::2", 1, "2001:db8:2::fe");
	check_route(t, "2001:db9::1", 0, "fe80::fe");
	net_table_free(t);

	t = build(&no_default, NULL);
	check_route(t, "10.0.0.0", 0, NULL);
	check_route(t, "10.0.0.2", -1, NULL);
	check_route(t, "2001:db8::", 0, NULL);
	check_route(t, "2001:db8::2", -1, NULL);
	net_table_free(t);
}

/* Longest match against a plain search, over random nested prefixes of both families. */
static void test_longest_match(void **state)
{
	enum { N = 300 };
	static struct route_conf routes[N];
	static const struct addr on_link;
	static const struct conf_text one = {
		.ports = { { .name = "a",
			.nic = 0,
			.addresses = { "10.0.0.1/24", "2001:db8::1/64" } } }
	};
	struct faults faults = { 0 };
	struct net_table *t;
	struct built b;

	conf_of(&one, &b);
	srandom(7);
	for (unsigned int i = 0; i < N; i++) {
		struct prefix p = { .addr = A("10.0.0.0"), .len = (uint8_t)(random() % 33) };
		bool again;

		do {
			if (i % 2) {
				p.addr = A("2001:db8::");
				p.addr.w[1] = (uint32_t)random() & 0x0f0f0f0f;
				p.addr.w[3] = (uint32_t)random() & 0x01010303;
				p.len = (uint8_t)(random() % 129);
			} else {
				p.addr.w[3] = (uint32_t)random() & 0x0301071f;
				p.len = (uint8_t)(random() % 33);
			}
			p = prefix_network(&p);
			again = false;
			for (unsigned int k = 0; k < i; k++)
				again |= routes[k].to.len == p.len &&
					 addr_equal(&routes[k].to.addr, &p.addr);
			for (unsigned int k = 0; k < 2; k++) {
				struct prefix net = prefix_network(&b.address[0][k]);

				again |= net.len == p.len && addr_equal(&net.addr, &p.addr);
			}
			again |= p.len == 0;
		} while (again);
		routes[i] = (struct route_conf){ .to = p, .port = 0 };
		routes[i].via = i % 2 ? A("2001:db8::1:0") : A("10.0.0.0");
		routes[i].via.w[3] |= rte_cpu_to_be_32(i % 2 ? 2 + i : 2 + i % 250);
	}
	b.conf.routes = routes;
	b.conf.n_routes = N;
	t = net_table_build(&b.conf, NULL, &faults);
	for (size_t i = 0; i < faults.n; i++)
		print_error("%s: %s\n", faults.list[i].path, faults.list[i].text);
	assert_non_null(t);

	for (unsigned int i = 0; i < 20000; i++) {
		struct addr a = A("2001:db8::");
		const struct addr *best = NULL;
		struct route_hop hop = { 0 };
		int len = -1;

		if (i % 2) {
			a.w[1] = (uint32_t)random() & 0x0f0f0f0f;
			a.w[3] = (uint32_t)random() & 0x01010303;
		} else {
			a = addr_from_v4((uint32_t)random() & 0x0301071f);
		}
		for (unsigned int k = 0; k < N; k++)
			if (prefix_contains(&routes[k].to, &a) && routes[k].to.len > len) {
				best = &routes[k].via;
				len = routes[k].to.len;
			}
		for (unsigned int k = 0; k < 2; k++) {
			struct prefix net = prefix_network(&b.address[0][k]);

			if (prefix_contains(&net, &a) && net.len > len) {
				best = &on_link;
				len = net.len;
			}
		}
		assert_int_equal(net_route(t, &a, &hop), best != NULL);
		if (best)
			assert_true(addr_equal(&hop.via, best));
	}
	net_table_free(t);
}

static void test_source(void **state)
{
	struct net_table *t = build(&two_arms, NULL);
	struct addr peer = A("10.0.0.77"), want = A("10.0.0.1");
	const struct port *lan = net_port(t, 1);

	assert_true(addr_equal(net_source(lan, &peer), &want));
	peer = A("8.8.8.8");
	assert_true(addr_equal(net_source(lan, &peer), &want));
	peer = A("2001:db9::1");
	want = A("2001:db8:2::1");
	assert_true(addr_equal(net_source(lan, &peer), &want));
	peer = A("fe80::9");
	assert_true(addr_equal(net_source(lan, &peer), &lan->link_local));
	peer = A("2001:db9::1");
	assert_null(net_source(net_port(t, 2), &peer));
	net_table_free(t);
}

static void test_sharing(void **state)
{
	struct net_table *a = build(&two_arms, NULL), *b, *c;
	struct conf_text other = two_arms;

	b = build(&two_arms, a);
	assert_ptr_equal(a, b);
	net_table_free(a);
	other.virtuals[1] = "203.0.113.8";
	c = build(&other, b);
	assert_ptr_not_equal(c, b);
	assert_int_equal(local(b, "203.0.113.9", NULL), LOCAL_VIRTUAL);
	assert_int_equal(local(c, "203.0.113.9", NULL), LOCAL_NONE);
	net_table_free(b);
	assert_int_equal(local(c, "203.0.113.8", NULL), LOCAL_VIRTUAL);
	net_table_free(c);

	other = two_arms;
	other.ports[1].mtu = 1500;
	a = build(&two_arms, NULL);
	b = build(&other, a);
	assert_ptr_not_equal(a, b);
	net_table_free(a);
	net_table_free(b);
}

static void test_list(void **state)
{
	struct net_table *t = build(&two_arms, NULL);
	struct route_info r[20];
	unsigned int n = 20;

	net_route_list(t, r, &n);
	assert_int_equal(n, 12);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(r[i].connected, i < 6);
	assert_int_equal(r[6].to.len, 0);
	assert_int_equal(r[8].to.len, 12);
	assert_int_equal(r[9].hop.port, 2);
	n = 2;
	net_route_list(t, r, &n);
	assert_int_equal(n, 12);
	net_table_free(t);
}

/* ---- faults --------------------------------------------------------------------------------- */

#define WAN                                                                                        \
	{                                                                                          \
		.name = "wan", .nic = 0, .addresses = { "192.0.2.1/24", "2001:db8:1::1/64" }       \
	}
#define LAN                                                                                        \
	{                                                                                          \
		.name = "lan", .nic = 1, .addresses = { "10.0.0.1/24" }                            \
	}

static const struct {
	struct conf_text conf;
	const char *path, *text; /* of the first fault; text is a part of it */
} bad[] = {
	{ { .ports = { WAN, { .name = "b", .nic = 1, .addresses = { "192.0.2.1/32" } } } },
		"ports[1].addresses[0]", "already an address of port \"wan\"" },
	{ { .ports = { { .name = "a", .addresses = { "10.0.0.1/24", "10.0.0.1/16" } } } },
		"ports[0].addresses[1]", "already an address of port \"a\"" },
	{ { .ports = { WAN, { .name = "b", .nic = 1, .addresses = { "192.0.2.2/24" } } } },
		"ports[1].addresses[0]", "network 192.0.2.0/24 is already on port \"wan\"" },
	{ { .ports = { { .name = "a", .addresses = { "192.0.2.0/24" } } } },
		"ports[0].addresses[0]", "names the network" },
	{ { .ports = { { .name = "a", .addresses = { "192.0.2.255/24" } } } },
		"ports[0].addresses[0]", "names the network" },
	{ { .ports = { { .name = "a", .addresses = { "2001:db8::/64" } } } },
		"ports[0].addresses[0]", "names the network" },
	{ { .ports = { { .name = "a", .addresses = { "224.0.0.1/24" } } } },
		"ports[0].addresses[0]", "a multicast address" },
	{ { .ports = { { .name = "a", .addresses = { "ff02::1/64" } } } }, "ports[0].addresses[0]",
		"a multicast address" },
	{ { .ports = { { .name = "a", .addresses = { "0.0.0.0/24" } } } }, "ports[0].addresses[0]",
		"the unspecified address" },
	{ { .ports = { { .name = "a", .addresses = { "127.0.0.1/8" } } } }, "ports[0].addresses[0]",
		"a loopback address" },
	{ { .ports = { { .name = "a", .addresses = { "::1/128" } } } }, "ports[0].addresses[0]",
		"a loopback address" },
	{ { .ports = { { .name = "a", .addresses = { "10.0.0.1/0" } } } }, "ports[0].addresses[0]",
		"prefix length 0" },
	{ { .ports = { { .name = "a", .nic = 3 }, { .name = "b", .nic = 3 } } }, "ports[1].device",
		"already port \"a\"" },
	{ { .ports = { { .name = "a", .vlan = 5 }, { .name = "b", .vlan = 5 } } }, "ports[1].vlan",
		"already port \"a\"" },
	{ { .ports = { { .name = "a", .vlan = 4095 } } }, "ports[0].vlan", "1 to 4094" },
	{ { .ports = { { .name = "a", .mtu = 575 } } }, "ports[0].mtu", "at least 576" },
	{ { .ports = { { .name = "a", .mtu = 1279, .addresses = { "2001:db8::1/64" } } } },
		"ports[0].mtu", "1280 is needed for IPv6" },
	{ { .ports = { { .name = "a",
		    .addresses = { "10.0.0.1/24" },
		    .gateways = { "10.0.1.1" } } } },
		"ports[0].gateways[0]", "in no network of port \"a\"" },
	{ { .ports = { { .name = "a",
		    .addresses = { "10.0.0.1/24" },
		    .gateways = { "10.0.0.1" } } } },
		"ports[0].gateways[0]", "the port's own address" },
	{ { .ports = { { .name = "a",
		    .addresses = { "10.0.0.1/24" },
		    .gateways = { "10.0.0.2", "10.0.0.3" } } } },
		"ports[0].gateways[1]", "already has an IPv4 gateway" },
	{ { .ports = { { .name = "a", .addresses = { "10.0.0.1/24" }, .gateways = { "10.0.0.2" } },
		    { .name = "b",
			    .nic = 1,
			    .addresses = { "10.0.1.1/24" },
			    .gateways = { "10.0.1.2" } } } },
		"ports[1].gateways[0]", "port \"a\" already has an IPv4 gateway" },
	{ { .ports = { WAN, LAN }, .routes = { { "10.9.0.0/16", "10.8.0.1", 1 } } },
		"routes[0].via", "in no network of port \"lan\"" },
	{ { .ports = { WAN, LAN }, .routes = { { "10.9.0.0/16", "10.8.0.1", NET_PORT_NONE } } },
		"routes[0].via", "in no network of any port" },
	{ { .ports = { WAN, LAN }, .routes = { { "10.9.0.0/16", "10.0.0.1", 1 } } },
		"routes[0].via", "our own address" },
	{ { .ports = { WAN, LAN }, .routes = { { "10.9.0.0/16", "2001:db8:1::9", 0 } } },
		"routes[0].via", "an IPv4 address is needed" },
	{ { .ports = { WAN, LAN }, .routes = { { "10.9.0.0/16", NULL, NET_PORT_NONE } } },
		"routes[0].port", "a route without \"via\" needs a port" },
	{ { .ports = { WAN, LAN }, .routes = { { "2001:db9::/32", "fe80::1", NET_PORT_NONE } } },
		"routes[0].port", "link-local" },
	{ { .ports = { WAN, LAN }, .routes = { { "10.9.0.0/16", NULL, 2 } } }, "routes[0].port",
		"no such port" },
	{ { .ports = { WAN, LAN }, .routes = { { "10.0.0.0/24", "192.0.2.9", 0 } } },
		"routes[0].to", "is the network of port \"lan\" itself" },
	{ { .ports = { WAN, LAN },
		  .routes = { { "10.9.0.0/16", "10.0.0.9", 1 },
			  { "10.9.0.0/16", "10.0.0.8", 1 } } },
		"routes[1].to", "routes[0] already leads to 10.9.0.0/16" },
	{ { .ports = { WAN, LAN }, .routes = { { "10.9.0.1/16", "10.0.0.9", 1 } } }, "routes[0].to",
		"10.9.0.0/16" },
	{ { .ports = { WAN, LAN }, .routes = { { "224.0.0.0/4", "10.0.0.9", 1 } } }, "routes[0].to",
		"multicast" },
	{ { .ports = { { .name = "a",
		    .addresses = { "10.0.0.1/24" },
		    .gateways = { "10.0.0.2" } } },
		  .routes = { { "0.0.0.0/0", "10.0.0.9", 0 } } },
		"routes[0].to", "already the IPv4 default route" },
	{ { .ports = { WAN }, .virtuals = { "0.0.0.0" } }, "services", "unspecified" },
	{ { .ports = { WAN }, .virtuals = { "ff02::9" } }, "services", "multicast" },
};

static void test_faults(void **state)
{
	struct net_table *before = build(&two_arms, NULL);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct faults faults = { 0 };
		struct built b;

		assert_null(net_table_build(conf_of(&bad[i].conf, &b), before, &faults));
		if (faults.errors == 0 || strcmp(faults.list[0].path, bad[i].path) != 0 ||
			!strstr(faults.list[0].text, bad[i].text))
			fail_msg("%zu: expected %s: %s, found %s: %s", i, bad[i].path, bad[i].text,
				faults.n ? faults.list[0].path : "nothing",
				faults.n ? faults.list[0].text : "");
		assert_int_equal(faults.errors, 1);
		faults_free(&faults);
	}
	net_table_free(before);
}

/* What looks odd and is right. */
static void test_no_faults(void **state)
{
	static const struct conf_text odd[] = {
		{ .ports = { { .name = "a",
				     .addresses = { "10.0.0.1/32", "10.0.0.2/31", "fe80::1/64" } },
			  { .name = "b", .nic = 1, .addresses = { "fe80::1/64" } } } },
		{ .ports = { { .name = "a", .nic = 0 }, { .name = "b", .nic = 0, .vlan = 9 } } },
		{ .ports = { WAN }, .routes = { { "10.0.0.0/8", NULL, 0 } } },
		{ .ports = { WAN }, .virtuals = { "192.0.2.1", "192.0.2.1" } },
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		net_table_free(build(&odd[i], NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_many_virtuals),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_longest_match),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_sharing),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_no_faults),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

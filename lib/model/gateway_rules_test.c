/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model_priv.h"

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct prefix prefix(const char *text, bool host)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, host, &p), 0);
	return p;
}

/* Two ports and one service. */
struct fixture {
	struct prefix wan[2], lan;
	struct port_conf ports[2];
	struct vip vip;
	struct service_conf service;
	struct gateway_pair pairs[4];
	struct gateway_masquerade masquerades[2];
	struct gateway_routing routing;
	struct addr sources[2];
	struct model_conf conf;
};

static void fill(struct fixture *x)
{
	memset(x, 0, sizeof(*x));
	x->wan[0] = prefix("192.0.2.1/24", true);
	x->wan[1] = prefix("192.0.2.2/24", true);
	x->lan = prefix("10.0.0.1/24", true);
	x->ports[0] = (struct port_conf){ .name = "wan", .addresses = x->wan, .n_addresses = 2 };
	x->ports[1] = (struct port_conf){ .name = "lan", .addresses = &x->lan, .n_addresses = 1 };
	x->vip.addr = addr("192.0.2.10");
	x->service.vips = &x->vip;
	x->service.n_vips = 1;
	x->conf.net.ports = x->ports;
	x->conf.net.n_ports = 2;
	x->conf.services = &x->service;
	x->conf.n_services = 1;
	x->conf.gateway.pairs = x->pairs;
	x->conf.gateway.masquerades = x->masquerades;
	x->conf.gateway.routings = &x->routing;
}

/* The one fault there is. */
static void expect_fault(const struct fixture *x, const char *path, const char *text)
{
	struct faults faults = { 0 };

	gateway_check(&x->conf, &faults);
	assert_int_equal(faults.errors, 1);
	assert_string_equal(faults.list[0].path, path);
	if (!strstr(faults.list[0].text, text))
		fail_msg("\"%s\" does not say \"%s\"", faults.list[0].text, text);
	faults_free(&faults);
}

static void test_pairs_are_checked(void **state)
{
	static const struct {
		const char *outside, *inside, *path, *text;
	} cases[] = {
		{ "192.0.2.50", "2001:db8::1", "gateway.one-to-one[1].inside", "family" },
		{ "192.0.2.2", "10.0.0.12", "gateway.one-to-one[1].outside", "address of a port" },
		{ "192.0.2.10", "10.0.0.12", "gateway.one-to-one[1].outside", "of a service" },
		{ "192.0.2.52", "10.0.0.1", "gateway.one-to-one[1].inside", "of the balancer" },
		{ "192.0.2.52", "192.0.2.10", "gateway.one-to-one[1].inside", "of the balancer" },
		{ "192.0.2.51", "10.0.0.12", "gateway.one-to-one[1].outside", "one-to-one[0]" },
		{ "192.0.2.52", "10.0.0.11", "gateway.one-to-one[1].inside", "one-to-one[0]" },
	};
	struct fixture x;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fill(&x);
		x.pairs[0] = (struct gateway_pair){ addr("192.0.2.51"), addr("10.0.0.11") };
		x.pairs[1] = (struct gateway_pair){ addr(cases[i].outside), addr(cases[i].inside) };
		x.conf.gateway.n_pairs = 2;
		expect_fault(&x, cases[i].path, cases[i].text);
	}
}

static void test_masquerades_and_routings_are_checked(void **state)
{
	struct fixture x;

	fill(&x);
	x.conf.gateway.n_masquerades = 1;
	x.masquerades[0].from = prefix("2001:db8:2::/64", false);
	expect_fault(&x, "gateway.masquerade[0].sources", "no IPv6 address");

	x.masquerades[0].from = prefix("10.0.0.0/24", false);
	x.masquerades[0].sources = x.sources;
	x.masquerades[0].n_sources = 2;
	x.sources[0] = addr("192.0.2.60");
	x.sources[1] = addr("2001:db8:1::60");
	expect_fault(&x, "gateway.masquerade[0].sources[1]", "family");
	x.sources[1] = addr("192.0.2.10");
	expect_fault(&x, "gateway.masquerade[0].sources[1]", "of a service");

	fill(&x);
	x.conf.gateway.n_routings = 1;
	x.routing.port[0] = x.routing.port[1] = 1;
	expect_fault(&x, "gateway.routing[0].between", "\"lan\" twice");
}

/* What other faults have left out is passed over. */
static void test_unread_values_are_no_faults(void **state)
{
	struct faults faults = { 0 };
	struct fixture x;

	fill(&x);
	x.conf.net = (struct net_conf){ 0 };
	x.conf.gateway.n_pairs = x.conf.gateway.n_masquerades = x.conf.gateway.n_routings = 1;
	x.masquerades[0].port = NET_PORT_NONE;
	x.routing.port[0] = x.routing.port[1] = NET_PORT_NONE;
	gateway_check(&x.conf, &faults);
	assert_int_equal(faults.n, 0);
}

static void test_lookups(void **state)
{
	const struct gateway_masquerade *rule;
	struct addr a;
	struct gateway *g;
	struct fixture x;

	fill(&x);
	assert_false(gateway_wanted(&x.conf.gateway));
	x.pairs[0] = (struct gateway_pair){ addr("192.0.2.51"), addr("10.0.0.11") };
	x.pairs[1] = (struct gateway_pair){ addr("2001:db8:1::52"), addr("2001:db8:2::12") };
	x.conf.gateway.n_pairs = 2;
	x.masquerades[0].from = prefix("10.0.0.128/25", false);
	x.masquerades[0].sources = x.sources;
	x.masquerades[0].n_sources = 1;
	x.sources[0] = addr("192.0.2.60");
	x.masquerades[1].from = prefix("10.0.0.0/24", false);
	x.conf.gateway.n_masquerades = 2;
	x.routing.port[1] = 1;
	x.conf.gateway.n_routings = 1;
	assert_true(gateway_wanted(&x.conf.gateway));
	g = gateway_build(&x.conf);
	assert_non_null(g);

	a = addr("192.0.2.51");
	assert_true(addr_equal(&gateway_by_outside(g, &a)->inside, &x.pairs[0].inside));
	assert_null(gateway_by_inside(g, &a));
	a = addr("2001:db8:2::12");
	assert_true(addr_equal(&gateway_by_inside(g, &a)->outside, &x.pairs[1].outside));
	assert_null(gateway_by_outside(g, &a));

	a = addr("10.0.0.200");
	rule = gateway_masquerade_of(g, &a, 0);
	assert_int_equal(rule->n_sources, 1);
	assert_true(addr_equal(&rule->sources[0], &x.sources[0]));
	assert_null(gateway_masquerade_of(g, &a, 1));
	a = addr("10.0.0.100");
	rule = gateway_masquerade_of(g, &a, 0);
	assert_int_equal(rule->n_sources, 2); /* the port's own */
	assert_true(addr_equal(&rule->sources[1], &x.wan[1].addr));
	a = addr("10.0.1.1");
	assert_null(gateway_masquerade_of(g, &a, 0));

	assert_true(gateway_routes(g, 0, 1) && gateway_routes(g, 1, 0));
	assert_false(gateway_routes(g, 0, 0) || gateway_routes(g, NET_PORT_NONE, 0));
	gateway_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs_are_checked),
		cmocka_unit_test(test_masquerades_and_routings_are_checked),
		cmocka_unit_test(test_unread_values_are_no_faults),
		cmocka_unit_test(test_lookups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

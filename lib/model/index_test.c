/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "model_priv.h"

#define ALL 0, 65535

static struct vip vip(const char *addr, uint16_t first, uint16_t last)
{
	struct vip v = { .ports = { first, last } };

	assert_int_equal(addr_parse(addr, &v.addr), 0);
	return v;
}

/* A model with nothing but services and their index. */
static struct model *model_with(unsigned int n)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	assert_true(n < MODEL_SERVICES_MAX);
	m->cluster_key = (struct hash_key){ { 1, 2 } };
	return m;
}

static struct service *add(struct model *m, unsigned int slot, uint8_t proto, struct vip v)
{
	struct service *s = calloc(1, sizeof(*s) + sizeof(v));

	assert_non_null(s);
	s->slot = (uint16_t)slot;
	s->proto = proto;
	s->n_vips = 1;
	s->vips[0] = v;
	m->service[slot] = s;
	return s;
}

static void index_it(struct model *m)
{
	m->index = index_build(m);
	assert_non_null(m->index);
}

static void drop(struct model *m)
{
	index_free(m->index);
	for (unsigned int i = 0; i < MODEL_SERVICES_MAX; i++)
		free((void *)(uintptr_t)m->service[i]);
	free(m);
}

/* The slot found, 0 for none. */
static unsigned int find(const struct model *m, const char *addr, uint8_t proto, uint16_t port)
{
	struct addr a;

	assert_int_equal(addr_parse(addr, &a), 0);
	const struct service *s = model_service(m, &a, proto, rte_cpu_to_be_16(port));
	return s ? s->slot : 0;
}

static void test_order(void **state)
{
	struct model *m = model_with(6);

	add(m, 1, IPPROTO_TCP, vip("192.0.2.10", 80, 80));
	add(m, 2, IPPROTO_TCP, vip("192.0.2.10", 80, 90));
	add(m, 3, IPPROTO_TCP, vip("192.0.2.10", ALL));
	add(m, 4, IPPROTO_TCP, vip("192.0.2.10", 8000, 8010));
	add(m, 5, IPPROTO_UDP, vip("192.0.2.10", 53, 53));
	index_it(m);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_TCP, 80), 1);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_TCP, 81), 2);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_TCP, 90), 2);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_TCP, 91), 3);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_TCP, 79), 3);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_TCP, 7999), 3);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_TCP, 8000), 4);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_TCP, 8010), 4);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_TCP, 65535), 3);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_UDP, 53), 5);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_UDP, 80), 0);
	assert_int_equal(find(m, "192.0.2.11", IPPROTO_TCP, 80), 0);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_SCTP, 80), 0);
	drop(m);
}

static void test_range_without_all(void **state)
{
	struct model *m = model_with(2);

	add(m, 1, IPPROTO_UDP, vip("2001:db8::10", 1000, 1999));
	index_it(m);
	assert_int_equal(find(m, "2001:db8::10", IPPROTO_UDP, 999), 0);
	assert_int_equal(find(m, "2001:db8::10", IPPROTO_UDP, 1000), 1);
	assert_int_equal(find(m, "2001:db8::10", IPPROTO_UDP, 1999), 1);
	assert_int_equal(find(m, "2001:db8::10", IPPROTO_UDP, 2000), 0);
	drop(m);
}

static void test_empty(void **state)
{
	struct model *m = model_with(0);

	index_it(m);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_TCP, 80), 0);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_TCP, 0), 0);
	drop(m);
}

static void test_port_zero(void **state)
{
	struct model *m = model_with(1);

	add(m, 1, IPPROTO_TCP, vip("192.0.2.10", ALL));
	index_it(m);
	assert_int_equal(find(m, "192.0.2.10", IPPROTO_TCP, 0), 1);
	drop(m);
}

/* What the index must answer, by looking at everything. */
static unsigned int oracle(
	const struct model *m, const struct addr *a, uint8_t proto, uint16_t port)
{
	unsigned int best = 0, best_width = UINT32_MAX;

	for (unsigned int i = 0; i < MODEL_SERVICES_MAX; i++) {
		const struct service *s = m->service[i];

		if (!s || s->proto != proto || !addr_equal(&s->vips[0].addr, a))
			continue;
		struct port_range r = s->vips[0].ports;
		unsigned int width = (unsigned int)r.last - r.first;

		if (port >= r.first && port <= r.last && width < best_width) {
			best = i;
			best_width = width;
		}
	}
	return best;
}

/* 4,000 services on 40 addresses: exact ports, ranges of ten, and all ports. */
static void test_many(void **state)
{
	struct model *m = model_with(4001);
	uint32_t seed = 1;

	for (unsigned int i = 1; i <= 4000; i++) {
		unsigned int k = (i - 1) / 40;
		char text[ADDR_TEXT];

		snprintf(text, sizeof(text), i % 2 ? "192.0.2.%u" : "2001:db8::%x", i % 40);
		if (k == 0)
			add(m, i, IPPROTO_TCP, vip(text, ALL));
		else if (k % 2)
			add(m, i, IPPROTO_TCP, vip(text, (uint16_t)(k * 20), (uint16_t)(k * 20)));
		else
			add(m, i, IPPROTO_TCP,
				vip(text, (uint16_t)(k * 20 - 5), (uint16_t)(k * 20 + 4)));
	}
	index_it(m);
	for (unsigned int i = 0; i < 20000; i++) {
		char text[ADDR_TEXT];
		struct addr a;

		seed = seed * 1664525 + 1013904223;
		unsigned int n = (seed >> 8) % 42;
		uint16_t port = (uint16_t)((seed >> 16) % 2100);
		snprintf(text, sizeof(text), n % 2 ? "192.0.2.%u" : "2001:db8::%x", n);
		assert_int_equal(addr_parse(text, &a), 0);
		assert_int_equal(
			find(m, text, IPPROTO_TCP, port), oracle(m, &a, IPPROTO_TCP, port));
		assert_int_equal(find(m, text, IPPROTO_UDP, port), 0);
	}
	drop(m);
}

/* ---- clashes --------------------------------------------------------------------------------- */

static void check(const struct service_conf *s, unsigned int n, struct faults *f)
{
	struct model_conf conf = { .services = s, .n_services = n };

	assert_int_equal(index_check(&conf, f), 0);
}

static struct vip network(const char *addr, uint8_t host_bits, uint16_t first, uint16_t last)
{
	struct vip v = vip(addr, first, last);

	v.host_bits = host_bits;
	return v;
}

/* What the address itself offers, then its networks, the smaller first; of each, exact port, range,
 * all. */
static void test_networks(void **state)
{
	struct model *m = model_with(8);

	add(m, 1, IPPROTO_TCP, vip("203.0.113.7", 443, 443));
	add(m, 2, IPPROTO_TCP, network("203.0.113.0", 8, 80, 80));
	add(m, 3, IPPROTO_TCP, network("203.0.112.0", 12, ALL));
	add(m, 4, IPPROTO_UDP, network("203.0.113.0", 8, 80, 90));
	add(m, 5, IPPROTO_TCP, network("2001:db8:5::", 64, 80, 80));
	add(m, 6, IPPROTO_TCP, vip("2001:db8:5::", 81, 81));
	index_it(m);
	assert_int_equal(find(m, "203.0.113.7", IPPROTO_TCP, 443), 1);
	assert_int_equal(find(m, "203.0.113.8", IPPROTO_TCP, 443), 3);
	assert_int_equal(find(m, "203.0.113.7", IPPROTO_TCP, 80), 2);
	assert_int_equal(find(m, "203.0.113.0", IPPROTO_TCP, 80), 2);
	assert_int_equal(find(m, "203.0.113.255", IPPROTO_TCP, 80), 2);
	assert_int_equal(find(m, "203.0.113.255", IPPROTO_TCP, 81), 3);
	assert_int_equal(find(m, "203.0.127.255", IPPROTO_TCP, 80), 3);
	assert_int_equal(find(m, "203.0.128.0", IPPROTO_TCP, 80), 0);
	assert_int_equal(find(m, "203.0.113.7", IPPROTO_UDP, 85), 4);
	assert_int_equal(find(m, "203.0.113.7", IPPROTO_UDP, 91), 0);
	assert_int_equal(find(m, "2001:db8:5::ffff:1", IPPROTO_TCP, 80), 5);
	assert_int_equal(find(m, "2001:db8:5::", IPPROTO_TCP, 81), 6);
	assert_int_equal(find(m, "2001:db8:5::1", IPPROTO_TCP, 81), 0);
	assert_int_equal(find(m, "2001:db8:5:1::1", IPPROTO_TCP, 80), 0);
	drop(m);
}

/* The same network twice clashes, a smaller one or an address in it does not. */
static void test_network_clash(void **state)
{
	struct vip a[] = { network("203.0.113.0", 8, 80, 80), network("203.0.112.0", 9, 80, 80),
		vip("203.0.113.0", 80, 80) };
	struct vip b = network("203.0.113.0", 8, 80, 80);
	struct service_conf s[] = {
		{ .name = "a", .proto = IPPROTO_TCP, .vips = a, .n_vips = 3, .vip_list = true },
		{ .name = "b", .proto = IPPROTO_TCP, .vips = &b, .n_vips = 1 },
	};
	struct faults f = { 0 };

	check(s, 2, &f);
	assert_int_equal(f.n, 1);
	assert_string_equal(f.list[0].path, "services[1].address");
	assert_string_equal(f.list[0].text,
		"port 80 of 203.0.113.0/24: taken already by services[0].address[0] (\"a\")");
	faults_free(&f);
}

static void test_no_clash(void **state)
{
	struct vip a[] = { vip("192.0.2.10", 80, 80), vip("192.0.2.10", 443, 443),
		vip("192.0.2.10", 70, 90), vip("192.0.2.10", ALL), vip("192.0.2.10", 91, 100) };
	struct vip b[] = { vip("192.0.2.11", 80, 80), vip("2001:db8::10", 80, 80) };
	struct service_conf s[] = {
		{ .name = "a", .proto = IPPROTO_TCP, .vips = a, .n_vips = 5, .vip_list = true },
		{ .name = "u", .proto = IPPROTO_UDP, .vips = a, .n_vips = 5, .vip_list = true },
		{ .name = "b", .proto = IPPROTO_TCP, .vips = b, .n_vips = 2, .vip_list = true },
	};
	struct faults f = { 0 };

	check(s, 3, &f);
	assert_int_equal(f.n, 0);
}

static void test_clash(void **state)
{
	struct vip a[] = { vip("192.0.2.10", 80, 80), vip("192.0.2.10", 1000, 2000),
		vip("2001:db8::10", ALL) };
	struct vip b[] = { vip("192.0.2.10", 1500, 1600), vip("192.0.2.10", 80, 80),
		vip("192.0.2.10", 1700, 2100) };
	struct vip c = vip("2001:db8::10", ALL);
	struct service_conf s[] = {
		{ .name = "a", .proto = IPPROTO_TCP, .vips = a, .n_vips = 3, .vip_list = true },
		{ .name = "b", .proto = IPPROTO_TCP, .vips = b, .n_vips = 3, .vip_list = true },
		{ .name = "c", .proto = IPPROTO_TCP, .vips = &c, .n_vips = 1 },
	};
	struct faults f = { 0 };

	check(s, 3, &f);
	assert_int_equal(f.n, 4);
	assert_string_equal(f.list[0].path, "services[1].address[0]");
	assert_string_equal(f.list[0].text, "ports 1500-1600 of 192.0.2.10: taken already by "
					    "services[0].address[1] (\"a\")");
	assert_string_equal(f.list[1].path, "services[1].address[2]");
	assert_string_equal(f.list[1].text, "ports 1700-2000 of 192.0.2.10: taken already by "
					    "services[0].address[1] (\"a\")");
	assert_string_equal(f.list[2].path, "services[2].address");
	assert_string_equal(f.list[2].text,
		"all ports of 2001:db8::10: taken already by services[0].address[2] (\"a\")");
	assert_string_equal(f.list[3].path, "services[1].address[1]");
	assert_string_equal(f.list[3].text,
		"port 80 of 192.0.2.10: taken already by services[0].address[0] (\"a\")");
	faults_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_range_without_all),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_port_zero),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_no_clash),
		cmocka_unit_test(test_clash),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_network_clash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What of the kernel's frames is let out, what the kernel is to have, and at which rate. That the
 * interfaces themselves work is tested from outside. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ether.h>
#include <rte_malloc.h>

#include "frame.h"
#include "kernel_priv.h"
#include "net_priv.h"
#include "test_eal.h"

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t router[6] = { 2, 0, 0, 0, 0, 9 };

static struct rte_mempool *pool;
static struct net_table *table;

/* wan and dmz share with the kernel, lan does not; 192.0.2.10 is virtual, 192.0.2.20 a source. */
static int build_table(void **state)
{
	static const char *const text[][2] = { { "192.0.2.1/24", "2001:db8:1::1/64" },
		{ "10.0.0.1/24", "2001:db8:2::1/64" }, { "10.7.0.1/24", NULL } };
	static const char *const names[] = { "wan", "lan", "dmz" };
	struct port_conf ports[3] = { 0 };
	struct prefix addresses[3][2];
	struct addr virtual, source;
	struct faults faults = { 0 };
	struct net_conf conf = { .ports = ports, .n_ports = 3 };

	test_eal_init();
	pool = test_pool("kernel", 63);
	for (unsigned int i = 0; i < 3; i++) {
		snprintf(ports[i].name, sizeof(ports[i].name), "%s", names[i]);
		ports[i].nic = (uint8_t)i;
		memcpy(ports[i].mac.addr_bytes, mac, 6);
		ports[i].mac.addr_bytes[5] = (uint8_t)(i + 1);
		ports[i].addresses = addresses[i];
		for (unsigned int k = 0; k < 2 && text[i][k]; k++)
			assert_int_equal(prefix_parse(text[i][k], true,
						 &addresses[i][ports[i].n_addresses++]),
				0);
		if (i != 1)
			snprintf(ports[i].kernel, sizeof(ports[i].kernel), "fl-%s", names[i]);
		ports[i].kernel_rate = 1000;
	}
	assert_int_equal(addr_parse("192.0.2.10", &virtual), 0);
	assert_int_equal(addr_parse("192.0.2.20", &source), 0);
	conf.virtuals = (void *)&virtual;
	conf.n_virtuals = 1;
	conf.sources = &source;
	conf.n_sources = 1;
	table = net_table_build(&conf, NULL, &faults);
	assert_non_null(table);
	return 0;
}

static int free_table(void **state)
{
	net_table_free(table);
	return 0;
}

static enum drop_reason check(const void *bytes, unsigned int len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	enum drop_reason reason;

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	reason = kernel_check(table, net_port(table, 0), m);
	rte_pktmbuf_free(m);
	return reason;
}

static enum drop_reason check_ip(
	uint8_t proto, const char *src, const char *dst, const uint8_t *from)
{
	struct frame_spec s = { .proto = proto, .src = src, .dst = dst, .sport = 1, .dport = 2 };
	struct frame f;

	memcpy(s.smac, from, 6);
	memcpy(s.dmac, router, 6);
	frame_build(&f, &s);
	return check(f.b, f.len);
}

static void ip_in_the_name_of_the_port(void **state)
{
	assert_int_equal(check_ip(IPPROTO_TCP, "192.0.2.1", "203.0.113.5", mac), DROP_none);
	assert_int_equal(check_ip(IPPROTO_UDP, "2001:db8:1::1", "2001:db8:c::7", mac), DROP_none);
	assert_int_equal(check_ip(IPPROTO_UDP, "fe80::ff:fe00:1", "fe80::9", mac), DROP_none);
	/* Another port's, that is the kernel's too. */
	assert_int_equal(check_ip(IPPROTO_TCP, "10.7.0.1", "203.0.113.5", mac), DROP_none);
}

static void ip_in_the_name_of_others(void **state)
{
	static const char *const others[] = { "192.0.2.10", "192.0.2.20", "10.0.0.1", "192.0.2.77",
		"0.0.0.0", "127.0.0.1" };

	for (size_t i = 0; i < RTE_DIM(others); i++)
		if (check_ip(IPPROTO_TCP, others[i], "203.0.113.5", mac) != DROP_kernel_source)
			fail_msg("%s was let out", others[i]);
	assert_int_equal(
		check_ip(IPPROTO_TCP, "2001:db8:2::1", "2001:db8:c::7", mac), DROP_kernel_source);
	/* A bridge on the interface, say. */
	assert_int_equal(
		check_ip(IPPROTO_TCP, "192.0.2.1", "203.0.113.5", router), DROP_kernel_source);
}

static enum drop_reason check_arp(const char *sender, const uint8_t *sha)
{
	uint8_t f[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct addr a;

	memcpy(f + 6, mac, 6);
	memcpy(f + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
	memcpy(f + 22, sha, 6);
	assert_int_equal(addr_parse(sender, &a), 0);
	memcpy(f + 28, &a.w[3], 4);
	memcpy(f + 38, "\xc0\x00\x02\xfe", 4);
	return check(f, sizeof(f));
}

static void arp(void **state)
{
	assert_int_equal(check_arp("192.0.2.1", mac), DROP_none);
	assert_int_equal(check_arp("0.0.0.0", mac), DROP_none); /* a probe */
	assert_int_equal(check_arp("192.0.2.10", mac), DROP_kernel_source);
	assert_int_equal(check_arp("192.0.2.1", router), DROP_kernel_source);
	/* Nobody reaches it there. */
	assert_int_equal(check_arp("10.7.0.1", mac), DROP_kernel_source);
}

/* A neighbour advertisement from an address of ours about target. */
static enum drop_reason check_advert(const char *target)
{
	struct frame_spec s = { .proto = IPPROTO_ICMPV6,
		.src = "2001:db8:1::1",
		.dst = "ff02::1",
		.tcp_flags = 136,
		.payload = 32 };
	struct frame f;
	struct addr a;

	memcpy(s.smac, mac, 6);
	frame_build(&f, &s);
	assert_int_equal(addr_parse(target, &a), 0);
	memcpy(f.b + f.l4 + 8, a.b, 16);
	frame_fix(&f);
	return check(f.b, f.len);
}

static void advertisements(void **state)
{
	assert_int_equal(check_advert("2001:db8:1::1"), DROP_none);
	assert_int_equal(check_advert("2001:db8:1::10"), DROP_kernel_source);
}

static void other_frames(void **state)
{
	uint8_t f[60] = { 0 };

	memcpy(f + 6, mac, 6);
	memcpy(f + 12, "\x88\xcc", 2);
	assert_int_equal(check(f, sizeof(f)), DROP_ethertype);
	memcpy(f + 12, "\x81\x00", 2);
	assert_int_equal(check(f, sizeof(f)), DROP_ethertype);
	memcpy(f + 12, "\x08\x00", 2);
	assert_int_equal(check(f, 33), DROP_frame_short);
	memcpy(f + 12, "\x08\x06", 2);
	assert_int_equal(check(f, 41), DROP_frame_short);
	memcpy(f + 12, "\x86\xdd", 2);
	assert_int_equal(check(f, 53), DROP_frame_short);
}

static bool wants(const char *dst, uint8_t port)
{
	struct frame_spec s = { .proto = IPPROTO_TCP,
		.src = strchr(dst, ':') ? "2001:db8:c::7" : "203.0.113.5",
		.dst = dst };
	struct pkt p = { .port = port };
	struct frame f;

	frame_build(&f, &s);
	p.family = f.family;
	p.l3 = f.b + f.l3;
	return net_kernel_wants(table, &p);
}

static void what_the_kernel_is_to_have(void **state)
{
	assert_true(wants("192.0.2.1", 0));
	assert_true(wants("2001:db8:1::1", 0));
	assert_true(wants("fe80::ff:fe00:1", 0));
	assert_true(wants("10.7.0.1", 0)); /* both share */
	assert_false(wants("10.0.0.1", 0));
	assert_false(wants("192.0.2.1", 1));
	assert_false(wants("192.0.2.10", 0));
	assert_false(wants("192.0.2.20", 0));
	assert_false(wants("192.0.2.77", 0));
	assert_false(wants("192.0.2.1", NET_PORT_NONE));
}

/* 1000 a second: 100 at once, then one each millisecond. */
static void rate(void **state)
{
	struct net_bucket b = { .stamp = 5000 };
	unsigned int passed = 0;

	assert_false(net_bucket_take(&b, 1000, 5000));
	for (unsigned int i = 0; i < 1000; i++)
		passed += net_bucket_take(&b, 1000, 6000);
	assert_int_equal(passed, 100);
	assert_true(net_bucket_take(&b, 1000, 6001));
	assert_false(net_bucket_take(&b, 1000, 6001));
	/* Less than one a millisecond adds up. */
	b = (struct net_bucket){ .stamp = 0 };
	for (uint32_t ms = passed = 0; ms < 1000; ms++)
		passed += net_bucket_take(&b, 100, ms);
	assert_in_range(passed, 98, 101);
	/* The clock wraps. */
	b = (struct net_bucket){ .stamp = UINT32_MAX - 10 };
	assert_true(net_bucket_take(&b, 1000, 10));
}

/* ---- what is longer than the interface takes ------------------------------------------------ */

struct given {
	unsigned int n;
	uint32_t at; /* payload that came */
	unsigned int head;
};

static void given_one(void *to, struct rte_mbuf *m)
{
	struct given *g = to;
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	assert_int_equal(m->nb_segs, 1);
	assert_in_range(m->pkt_len, 15, 14 + 1500);
	assert_memory_equal(frame, mac, 6);
	assert_memory_equal(frame + 6, router, 6);
	for (uint32_t i = 14 + g->head; i < m->data_len; i++, g->at++)
		assert_int_equal(frame[i], (uint8_t)(g->at * 7 + g->at / 251));
	g->n++;
	rte_pktmbuf_free(m);
}

/* A datagram of `payload` bytes in buffers of 1000; what is given of it. */
static struct given fit(struct net_worker *w, uint8_t family, uint32_t payload)
{
	const uint32_t ip = family == 4 ? 20 : 40, len = 14 + ip + payload;
	struct rte_mbuf *m = NULL;
	uint8_t head[54] = { 0 };

	memcpy(head, mac, 6);
	memcpy(head + 6, router, 6);
	memcpy(head + 12, family == 4 ? "\x08\0\x45" : "\x86\xdd\x60", 3);
	if (family == 4) {
		memcpy(head + 16, (uint8_t[]){ (uint8_t)((len - 14) >> 8), (uint8_t)(len - 14) },
			2);
		memcpy(head + 18, "\1\2", 2);
		memcpy(head + 22, "\x40\x11\0\0\xc6\x33\x64\x07\xc0\0\2\1", 12);
	} else {
		memcpy(head + 18, (uint8_t[]){ (uint8_t)(payload >> 8), (uint8_t)payload }, 2);
		memcpy(head + 20, "\x11\x40", 2);
	}
	for (uint32_t done = 0; done < len;) {
		const uint32_t n = RTE_MIN(1000u, len - done);
		struct rte_mbuf *s = rte_pktmbuf_alloc(pool);
		uint8_t *to;

		assert_non_null(s);
		to = (uint8_t *)rte_pktmbuf_append(s, (uint16_t)n);
		for (uint32_t i = 0; i < n; i++, done++) {
			const uint32_t at = done - 14 - ip;

			to[i] = done < 14 + ip ? head[done] : (uint8_t)(at * 7 + at / 251);
		}
		if (m)
			assert_int_equal(rte_pktmbuf_chain(m, s), 0);
		else
			m = s;
	}

	struct given g = { .head = ip + payload <= 1500 || family == 4 ? ip : ip + 8 };

	kernel_fit(w, m, 1500, given_one, &g);
	return g;
}

static void what_is_too_long(void **state)
{
	/* payload, frames of IPv4, of IPv6 */
	static const unsigned int sizes[][3] = { { 900, 1, 1 }, { 1481, 2, 2 }, { 4000, 3, 3 },
		{ 20000, 14, 14 } };
	static struct net_worker w;

	w = (struct net_worker){ .pool = pool, .n_workers = 1, .table = table };
	w.ident = ident_create(SOCKET_ID_ANY);
	assert_non_null(w.ident);
	for (unsigned int i = 0; i < RTE_DIM(sizes); i++)
		for (unsigned int v6 = 0; v6 < 2; v6++) {
			struct given g = fit(&w, v6 ? 6 : 4, sizes[i][0]);

			assert_int_equal(g.n, sizes[i][1 + v6]);
			assert_int_equal(g.at, sizes[i][0]);
		}
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	rte_free(w.ident);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip_in_the_name_of_the_port),
		cmocka_unit_test(ip_in_the_name_of_others),
		cmocka_unit_test(arp),
		cmocka_unit_test(advertisements),
		cmocka_unit_test(other_frames),
		cmocka_unit_test(what_the_kernel_is_to_have),
		cmocka_unit_test(rate),
		cmocka_unit_test(what_is_too_long),
	};

	return cmocka_run_group_tests(tests, build_table, free_table);
}

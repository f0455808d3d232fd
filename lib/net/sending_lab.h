/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the tests of neighbours and output: a balancer's sending half with nics that only remember
 * what they were given, and a clock that the test moves. Included once by a test program, whose
 * nic_tx() it is; the real one stays out of the program.
 */
#ifndef NET_SENDING_LAB_H
#define NET_SENDING_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <rte_arp.h>
#include <rte_ip.h>

#include "base/rcu.h"
#include "net_priv.h"

#define LAB_NICS    3
#define LAB_WORKERS 4
#define LAB_SENT    65536

/* Ports: wan on nic 0 (192.0.2.1/24, 2001:db8:1::1/64, gateways .254 and ::fe), lan on nic 1
 * (10.0.0.1/24, 2001:db8:2::1/64), v7 on nic 2 with VLAN 7 (10.7.0.1/24, 2001:db8:7::1/64). */
enum { WAN, LAN, V7 };

struct lab {
	struct rte_mempool *pool;
	unsigned int baseline; /* buffers of the pool in use while nothing goes on */
	struct rcu *rcu;
	struct neigh_conf conf;
	struct neigh_table *neigh;
	struct net_table *table;
	struct nic nic[LAB_NICS], *nics[LAB_NICS];
	unsigned int n; /* net_workers; the last is the control core's */
	struct net_worker **w, *control;
	uint32_t now;
	uint16_t room; /* packets a nic takes at once */
	struct {
		struct rte_mbuf *m;
		uint16_t nic, queue;
	} sent[LAB_SENT];
	unsigned int n_sent, seen; /* seen: those the test has looked at */
};

static struct lab lab;

uint16_t nic_tx(struct nic *nic, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t i;

	assert_true(queue < nic->txqs);
	for (i = 0; i < n && i < lab.room; i++) {
		assert_true(lab.n_sent < LAB_SENT);
		rte_mbuf_sanity_check(mbufs[i], 1);
		lab.sent[lab.n_sent].m = mbufs[i];
		lab.sent[lab.n_sent].nic = nic->id;
		lab.sent[lab.n_sent++].queue = queue;
	}
	return i;
}

static inline struct addr A(const char *text) {
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static inline struct rte_ether_addr
M(uint8_t last) {
	return (struct rte_ether_addr){ { 2, 0xaa, 0, 0, 0, last } };
}

static inline struct net_table *
lab_table(const struct addr *virtuals, unsigned int n_virtuals)
{
	static const char *const text[3][2] = { { "192.0.2.1/24", "2001:db8:1::1/64" },
		{ "10.0.0.1/24", "2001:db8:2::1/64" }, { "10.7.0.1/24", "2001:db8:7::1/64" } };
	static const char *const name[3] = { "wan", "lan", "v7" };
	struct addr gateways[2] = { A("192.0.2.254"), A("2001:db8:1::fe") };
	struct prefix addresses[3][2];
	struct port_conf ports[3] = { 0 };
	struct route_conf routes[] = {
		{ .to = { A("198.18.0.0"), 15 }, .via = A("10.0.0.254"), .port = LAN },
		{ .to = { A("203.0.113.0"), 24 }, .port = V7 },
	};
	struct net_conf conf = { .ports = ports,
		.n_ports = 3,
		.routes = routes,
		.n_routes = 2,
		.virtuals = virtuals,
		.n_virtuals = n_virtuals };
	struct faults faults = { 0 };

	for (unsigned int i = 0; i < 3; i++) {
		for (unsigned int j = 0; j < 2; j++)
			assert_int_equal(prefix_parse(text[i][j], true, &addresses[i][j]), 0);
		snprintf(ports[i].name, sizeof(ports[i].name), "%s", name[i]);
		ports[i].nic = (uint8_t)i;
		ports[i].vlan = i == V7 ? 7 : 0;
		ports[i].mtu = i == LAN ? 1400 : 0;
		ports[i].mac = (struct rte_ether_addr){ { 2, 0xbb, 0, 0, 0, (uint8_t)i } };
		ports[i].addresses = addresses[i];
		ports[i].n_addresses = 2;
	}
	ports[WAN].gateways = gateways;
	ports[WAN].n_gateways = 2;
	struct net_table *t = net_table_build(&conf, lab.table, &faults);

	assert_non_null(t);
	return t;
}

/* workers: without the control core. txqs: of each nic. conf NULL: the defaults. */
static inline void lab_open_with(struct rte_mempool *pool, unsigned int workers, uint16_t txqs,
	const struct neigh_conf *conf)
{
	struct rte_mempool *pools[LAB_WORKERS];
	struct addr virtuals[] = { A("192.0.2.10"), A("2001:db8:1::10"), A("203.0.113.200"),
		A("10.0.0.10") };

	memset(&lab, 0, sizeof(lab));
	lab.pool = pool;
	lab.baseline = rte_mempool_in_use_count(pool);
	lab.now = UINT32_MAX - 5000; /* the clock wraps soon */
	lab.room = UINT16_MAX;
	lab.n = workers + 1;
	lab.conf = conf ? *conf : neigh_defaults;
	lab.conf.workers = lab.n;
	lab.rcu = rcu_create(lab.n);
	lab.neigh = neigh_create(&lab.conf, lab.rcu);
	assert_non_null(lab.neigh);
	for (unsigned int i = 0; i < LAB_NICS; i++) {
		lab.nic[i] =
			(struct nic){ .id = (uint16_t)i, .txqs = txqs, .mtu = 1500, .up = true };
		lab.nics[i] = &lab.nic[i];
	}
	for (unsigned int i = 0; i < LAB_WORKERS; i++)
		pools[i] = pool;
	lab.table = lab_table(virtuals, RTE_DIM(virtuals));
	lab.w = net_workers_create(lab.n, lab.nics, LAB_NICS, lab.neigh, &lab.conf, pools, NULL);
	assert_non_null(lab.w);
	lab.control = lab.w[workers];
	for (unsigned int i = 0; i < lab.n; i++) {
		lab.w[i]->table = lab.table;
		lab.w[i]->now_ms = lab.now;
		lab.w[i]->punt_stamp = lab.now;
	}
	for (unsigned int i = 0; i < workers; i++)
		rcu_online(lab.rcu, i);
}

/* Everybody sees another table from now on. */
static inline void lab_change_table(struct net_table *t)
{
	assert_non_null(t);
	net_table_free(lab.table);
	lab.table = t;
	for (unsigned int i = 0; i < lab.n; i++)
		lab.w[i]->table = t;
}

/* Frees what was sent, so that the pool can be looked at. */
static inline void lab_forget_sent(void)
{
	for (unsigned int i = 0; i < lab.n_sent; i++)
		rte_pktmbuf_free(lab.sent[i].m);
	lab.n_sent = lab.seen = 0;
}

static inline void lab_close(void)
{
	for (unsigned int i = 0; i + 1 < lab.n; i++)
		rcu_offline(lab.rcu, i);
	net_workers_destroy(lab.w, lab.n);
	neigh_destroy(lab.neigh);
	rcu_destroy(lab.rcu);
	net_table_free(lab.table);
	lab_forget_sent();
	assert_int_equal(rte_mempool_in_use_count(lab.pool), lab.baseline);
}

/* One poll of everybody, ms later. */
static inline void lab_step(uint32_t ms)
{
	lab.now += ms;
	for (unsigned int i = 0; i < lab.n; i++)
		lab.w[i]->now_ms = lab.now;
	neigh_poll(lab.neigh, lab.control, lab.now);
	for (unsigned int i = 0; i < lab.n; i++) {
		lab.w[i]->epoch = neigh_epoch(lab.neigh);
		net_flush(lab.w[i]);
		if (i + 1 < lab.n)
			rcu_quiescent(lab.rcu, i);
	}
	net_flush(lab.control);
	rcu_reclaim(lab.rcu);
}

/* Lets time pass, 100 ms a poll. */
static inline void lab_pass(uint32_t ms)
{
	for (; ms >= 100; ms -= 100)
		lab_step(100);
	if (ms)
		lab_step(ms);
}

/* The next frame sent, or NULL. It stays the lab's. */
static inline struct rte_mbuf *lab_next(uint16_t *nic)
{
	if (lab.seen == lab.n_sent)
		return NULL;
	if (nic)
		*nic = lab.sent[lab.seen].nic;
	return lab.sent[lab.seen++].m;
}

static inline uint64_t lab_drops(enum drop_reason reason)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < lab.n; i++)
		n += lab.w[i]->drop[reason];
	return n;
}

/* ---- frames, byte by byte: not by the code under test --------------------------------------- */

static inline struct rte_mbuf *lab_frame(const void *bytes, size_t len, uint16_t nic)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(lab.pool);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	m->port = nic;
	return m;
}

/* An ARP frame; dst NULL: broadcast. */
static inline size_t lab_arp(uint8_t *out, const struct rte_ether_addr *dst, uint8_t op,
	struct rte_ether_addr sha, const char *spa, const char *tpa)
{
	static const uint8_t fixed[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0 };
	struct addr s = A(spa), t = A(tpa);

	memset(out, 0, 60);
	if (dst)
		memcpy(out, dst, 6);
	else
		memset(out, 0xff, 6);
	memcpy(out + 6, &sha, 6);
	memcpy(out + 12, fixed, sizeof(fixed));
	out[21] = op;
	memcpy(out + 22, &sha, 6);
	memcpy(out + 28, s.b + 12, 4);
	memcpy(out + 38, t.b + 12, 4);
	return 60;
}

static inline uint16_t lab_icmp6_sum(const uint8_t *ip, size_t len)
{
	uint32_t sum = (uint32_t)len + 58;

	for (size_t i = 8; i < 40 + len; i += 2)
		sum += (uint32_t)ip[i] << 8 | (i + 1 < 40 + len ? ip[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* A neighbour solicitation (135) or advertisement (136); mac NULL: without option. */
static inline size_t lab_nd(uint8_t *out, uint8_t type, uint8_t flags, const char *src,
	const char *dst, const char *target, uint8_t mac_from, const struct rte_ether_addr *mac)
{
	struct addr s = A(src), d = A(dst), t = A(target);
	size_t len = mac ? 32 : 24;

	memset(out, 0, 86);
	out[0] = out[1] = 0x33;
	memcpy(out + 2, d.b + 12, 4);
	memcpy(out + 6, &(struct rte_ether_addr){ { 2, 0xaa, 0, 0, 0, mac_from } }, 6);
	out[12] = 0x86;
	out[13] = 0xdd;
	out[14] = 0x60;
	out[19] = (uint8_t)len;
	out[20] = 58;
	out[21] = 255;
	memcpy(out + 22, s.b, 16);
	memcpy(out + 38, d.b, 16);
	out[54] = type;
	out[58] = flags;
	memcpy(out + 62, t.b, 16);
	if (mac) {
		out[78] = type == 135 ? 1 : 2;
		out[79] = 1;
		memcpy(out + 80, mac, 6);
	}
	uint16_t sum = lab_icmp6_sum(out + 14, len);

	out[56] = (uint8_t)(sum >> 8);
	out[57] = (uint8_t)sum;
	return 54 + len;
}

static inline void lab_input(const uint8_t *bytes, size_t len, uint16_t nic)
{
	neigh_input(lab.neigh, lab.control, lab_frame(bytes, len, nic));
	net_flush(lab.control);
	net_flush(lab.w[0]);
}

/* The neighbour answers a question of ours; a VLAN's tag is taken off by the nic. */
static inline void lab_answer(const char *addr, uint8_t port, uint8_t mac)
{
	struct rte_ether_addr m = M(mac), own = net_port(lab.table, port)->mac;
	struct rte_mbuf *frame;
	uint8_t f[128];
	size_t len;

	if (strchr(addr, ':'))
		len = lab_nd(f, 136, 0x60, addr, "2001:db8:1::1", addr, mac, &m);
	else
		len = lab_arp(f, &own, 2, m, addr, "192.0.2.1");
	memcpy(f, &own, 6);
	frame = lab_frame(f, len, port);
	if (port == V7) {
		frame->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		frame->vlan_tci = 7;
	}
	neigh_input(lab.neigh, lab.control, frame);
	net_flush(lab.control);
	net_flush(lab.w[0]);
}

static inline enum adj_state lab_state(uint8_t port, const char *addr)
{
	struct addr a = A(addr);

	return adj_word_state(neigh_word(lab.neigh, neigh_find(lab.neigh, port, &a)));
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One frame of arbitrary bytes on its way through parse_burst(), icmp_input() and net_output(), or
 * the control core's neigh_input(). The first byte of the input chooses the nic, whether the device
 * has stripped a tag and looked at checksums, whether the frame comes in two segments, and whether
 * its checksums are put right first; what is GO after parsing has to keep what pkt.h promises, and
 * afterwards no packet is left over.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ether.h>

#include "base/rcu.h"
#include "frame.h"
#include "net/encap.h"
#include "net/icmp_quote.h"
#include "net/parse.h"
#include "net/poison.h"
#include "test_eal.h"

#define CHOOSE_NIC      0x01
#define CHOOSE_STRIPPED 0x02
#define CHOOSE_SEGMENTS 0x04
#define CHOOSE_CHECKED  0x08 /* the device says that all checksums are right */
#define CHOOSE_RIGHT    0x10

/* The workers that point to it lie in memory that leak detection does not look at. */
static struct net_table *table;

static void free_table(void)
{
	net_table_free(table);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORKER, CONTROL, WORKERS };

static struct rte_mempool *pool;
static struct rcu *rcu;
static struct neigh_table *neigh;
static struct net_worker **workers;
static struct burst burst;
static uint32_t now;

#define require(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static struct net_table *make_table(void)
{
	struct prefix wan[2], tagged[2], lan[2];
	struct addr virtuals[2];
	struct faults faults = { 0 };
	struct net_table *built;

	require(prefix_parse("192.0.2.1/24", true, &wan[0]) == 0);
	require(prefix_parse("2001:db8:1::1/64", true, &wan[1]) == 0);
	require(prefix_parse("203.0.113.1/24", true, &tagged[0]) == 0);
	require(prefix_parse("2001:db8:3::1/64", true, &tagged[1]) == 0);
	require(prefix_parse("10.0.0.1/24", true, &lan[0]) == 0);
	require(prefix_parse("2001:db8:2::1/64", true, &lan[1]) == 0);
	require(addr_parse("192.0.2.10", &virtuals[0]) == 0);
	require(addr_parse("2001:db8:1::10", &virtuals[1]) == 0);
	struct port_conf ports[] = {
		{ "wan", .nic = 0, .mac = { { 2, 0, 0, 0, 0, 1 } }, .addresses = wan,
			.n_addresses = 2 },
		{ "tagged", .nic = 0, .vlan = 100, .mac = { { 2, 0, 0, 0, 0, 1 } },
			.addresses = tagged, .n_addresses = 2 },
		{ "lan", .nic = 1, .mac = { { 2, 0, 0, 0, 0, 2 } }, .addresses = lan,
			.n_addresses = 2 },
	};
	struct net_conf conf = {
		.ports = ports, .n_ports = 3, .virtuals = virtuals, .n_virtuals = 2
	};

	built = net_table_build(&conf, NULL, &faults);
	require(built);
	return built;
}

/* In place of port.c's: nothing leaves the program. */
uint16_t nic_tx(struct nic *nic, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	(void)nic;
	(void)queue;
	rte_pktmbuf_free_bulk(mbufs, n);
	return n;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct nic nic[2] = { { .id = 0, .txqs = WORKERS, .mtu = 1500, .up = true },
		{ .id = 1, .txqs = WORKERS, .mtu = 1500, .up = true } };
	static struct nic *nics[2] = { &nic[0], &nic[1] };
	struct neigh_conf conf = neigh_defaults;
	struct rte_mempool *pools[WORKERS];

	(void)argc;
	(void)argv;
	test_eal_init();
	pool = test_pool("fuzz", 255);
	pools[WORKER] = pools[CONTROL] = pool;
	conf.max = 16;
	conf.workers = WORKERS;
	rcu = rcu_create(WORKERS);
	require(rcu);
	neigh = neigh_create(&conf, rcu);
	require(neigh);
	workers = net_workers_create(WORKERS, nics, 2, neigh, &conf, pools, NULL);
	require(workers);
	table = make_table();
	atexit(free_table);
	workers[WORKER]->table = workers[CONTROL]->table = table;
	rcu_online(rcu, WORKER);
	return 0;
}

/* Puts the checksums of an IP packet right where its lengths allow it, so that what is behind them
 * is reached. */
static void put_right(struct frame *f)
{
	const uint8_t *l3;
	unsigned int length;

	f->l3 = f->b[12] == 0x81 && f->b[13] == 0 ? 18 : 14;
	l3 = f->b + f->l3;
	f->family = l3[0] >> 4;
	if (f->len < f->l3 + 40u || (f->family != 4 && f->family != 6))
		return;
	length = (f->family == 4 ? 0 : 40) + ((unsigned int)l3[f->family == 4 ? 2 : 4] << 8) +
		 l3[f->family == 4 ? 3 : 5];
	f->l4 = f->l3 + (f->family == 4 ? (l3[0] & 0xf) * 4u : 40);
	f->end = f->l3 + length;
	f->proto = l3[f->family == 4 ? 9 : 6];
	if (f->l4 >= f->l3 + 20u && f->l4 + 8u <= f->end && f->end <= f->len)
		frame_fix(f);
}

static struct rte_mbuf *make_mbuf(const uint8_t *data, uint16_t size, uint8_t choice)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint16_t first = choice & CHOOSE_SEGMENTS ? size / 2 : size;

	require(m);
	memcpy(rte_pktmbuf_append(m, first), data, first);
	if (first < size) {
		struct rte_mbuf *tail = rte_pktmbuf_alloc(pool);

		require(tail);
		memcpy(rte_pktmbuf_append(tail, size - first), data + first, size - first);
		require(rte_pktmbuf_chain(m, tail) == 0);
	}
	m->port = choice & CHOOSE_NIC;
	if (choice & CHOOSE_STRIPPED) {
		m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		m->vlan_tci = 100;
	}
	if (choice & CHOOSE_CHECKED)
		m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	pkt_poison(m);
	return m;
}

static void check_go(const struct pkt *p)
{
	const uint8_t *start = rte_pktmbuf_mtod(p->mbuf, const uint8_t *);
	unsigned int header = p->proto == IPPROTO_TCP ? 20 : 8;

	require(p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP);
	require(p->family == 4 || p->family == 6);
	require(p->l3 == start + RTE_ETHER_HDR_LEN && p->l4 >= p->l3 + (p->family == 4 ? 20 : 40));
	require(p->l4 + header <= start + p->mbuf->data_len);
	require(p->l4_len >= header && p->l3_len == p->l4_len + (p->l4 - p->l3));
	require((uint32_t)p->l3_len + RTE_ETHER_HDR_LEN == p->mbuf->pkt_len);
	require(p->port < net_port_count(workers[WORKER]->table));
}

/* What is quoted can be read, and written, as far as is said. */
static void check_error(const struct pkt *p)
{
	const uint8_t *end = rte_pktmbuf_mtod(p->mbuf, const uint8_t *) + p->mbuf->data_len;
	struct icmp_quote q;
	uint32_t off;

	require(icmp_quoted(p, &q));
	require(q.l3 >= p->l4 + 8 && q.l4 >= q.l3 + (p->family == 4 ? 20 : 40));
	require(q.l4_len >= 8 && q.l4 + q.l4_len <= end);
	require(!encap_inner(q.proto, q.l4, q.l4_len, &off) || off <= ENCAP_MAX - 40);
	for (uint8_t *b = q.l3; b < q.l4 + q.l4_len; b++)
		*b ^= 0xff;
}

/* What the end of the pipeline does: nobody forwards here. */
static void side_exit(struct net_worker *w, struct pkt *p)
{
	switch (p->verdict) {
	case PKT_TAKEN:
		break;
	case PKT_PUNT:
		net_punt(w, p->mbuf);
		break;
	case PKT_FRAGMENT:
		require(p->l4 + p->l4_len <= p->l3 + p->l3_len);
		net_drop(w, p->mbuf, DROP_ip_fragment);
		break;
	case PKT_GO:
	case PKT_ERROR:
	case PKT_DROP:
		net_drop(w, p->mbuf, (enum drop_reason)p->reason);
		break;
	default:
		abort();
	}
}

/* A poll of both cores, ms later. */
static void step(uint32_t ms)
{
	void *m;

	now += ms;
	workers[WORKER]->now_ms = workers[CONTROL]->now_ms = now;
	while (rte_ring_dequeue(workers[WORKER]->punt, &m) == 0)
		neigh_input(neigh, workers[CONTROL], m);
	neigh_poll(neigh, workers[CONTROL], now);
	for (unsigned int i = 0; i < WORKERS; i++) {
		workers[i]->epoch = neigh_epoch(neigh);
		net_flush(workers[i]);
	}
	rcu_quiescent(rcu, WORKER);
	rcu_reclaim(rcu);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char bucket[HASH_LINE];
	static const struct hash_index hashing = { .key = { { 1, 2 } }, .lines = bucket };
	static struct frame f;
	struct pkt *p = &burst.pkt[0];
	struct rte_mbuf *m;

	if (size < 2 || size > 2000)
		return 0;
	f.len = (unsigned int)size - 1;
	memcpy(f.b, data + 1, f.len);
	if (data[0] & CHOOSE_RIGHT)
		put_right(&f);
	m = make_mbuf(f.b, (uint16_t)f.len, data[0]);
	parse_burst(workers[WORKER], &hashing, &burst, &m, 1);
	parse_first_burst(workers[WORKER]->table, &burst);
	require(burst.n == 1);
	if (p->verdict == PKT_GO)
		check_go(p);
	else if (p->verdict == PKT_ERROR)
		check_error(p);
	icmp_input(workers[WORKER], &burst);
	net_output(workers[WORKER], &burst);
	side_exit(workers[WORKER], p);
	/* Long enough for whatever waits for a neighbour to give up. */
	for (unsigned int i = 0; i < 100 && (i < 2 || rte_mempool_in_use_count(pool)); i++)
		step(100);
	require(rte_mempool_in_use_count(pool) == 0);
	return 0;
}

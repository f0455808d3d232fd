/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parse_burst() on one frame of arbitrary bytes. The first byte of the input chooses the nic, whether the device has stripped a tag
 * and looked at checksums, and whether the frame comes in two segments; what is GO afterwards has to keep what pkt.h promises.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ether.h>

#include "net/parse.h"
#include "net/poison.h"
#include "test_eal.h"

#define CHOOSE_NIC      0x01
#define CHOOSE_STRIPPED 0x02
#define CHOOSE_SEGMENTS 0x04
#define CHOOSE_CHECKED  0x08 /* the device says that all checksums are right */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rte_mempool *pool;
static struct net_worker worker;
static struct burst burst;

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
	struct net_table *table;

	require(prefix_parse("192.0.2.1/24", true, &wan[0]) == 0);
	require(prefix_parse("2001:db8:1::1/64", true, &wan[1]) == 0);
	require(prefix_parse("203.0.113.1/24", true, &tagged[0]) == 0);
	require(prefix_parse("2001:db8:3::1/64", true, &tagged[1]) == 0);
	require(prefix_parse("10.0.0.1/24", true, &lan[0]) == 0);
	require(prefix_parse("2001:db8:2::1/64", true, &lan[1]) == 0);
	require(addr_parse("192.0.2.10", &virtuals[0]) == 0);
	require(addr_parse("2001:db8:1::10", &virtuals[1]) == 0);
	struct port_conf ports[] = {
		{ "wan", .nic = 0, .mac = { { 2, 0, 0, 0, 0, 1 } }, .addresses = wan, .n_addresses = 2 },
		{ "tagged", .nic = 0, .vlan = 100, .mac = { { 2, 0, 0, 0, 0, 1 } }, .addresses = tagged,
			.n_addresses = 2 },
		{ "lan", .nic = 1, .mac = { { 2, 0, 0, 0, 0, 2 } }, .addresses = lan, .n_addresses = 2 },
	};
	struct net_conf conf = {
		.ports = ports, .n_ports = 3, .virtuals = virtuals, .n_virtuals = 2
	};

	table = net_table_build(&conf, NULL, &faults);
	require(table);
	return table;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	test_eal_init();
	pool = test_pool("fuzz", 64);
	worker.table = make_table();
	worker.pool = pool;
	return 0;
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
	require(p->port < net_port_count(worker.table));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct hash_key key = { { 1, 2 } };
	struct rte_mbuf *m;

	if (size < 2 || size > 2000)
		return 0;
	m = make_mbuf(data + 1, (uint16_t)(size - 1), data[0]);
	parse_burst(&worker, &key, &burst, &m, 1);
	require(burst.n == 1);
	if (burst.pkt[0].verdict == PKT_GO)
		check_go(&burst.pkt[0]);
	if (burst.pkt[0].verdict != PKT_TAKEN) {
		pkt_unpoison(burst.pkt[0].mbuf);
		rte_pktmbuf_free(burst.pkt[0].mbuf);
	}
	require(rte_mempool_in_use_count(pool) == 0);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Owners agree for both directions, spread, and packets arrive whole at the other worker. */
#include "steer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "test_eal.h"

#define WORKERS 3
#define DEPTH   64

static struct rte_mempool *pool;
static uint64_t dropped[DROP_MAX];

/* In place of lib/net's. */
void net_drop(struct net_worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	(void)w;
	dropped[reason]++;
	rte_pktmbuf_free(m);
}

/* An IPv4 UDP header in a packet: a client's toward a virtual address, or the answer to it. */
static void put_packet(struct pkt *p, uint32_t client, uint16_t port, bool answer)
{
	uint32_t ends[2] = { rte_cpu_to_be_32(client), RTE_BE32(0xc000020a) };
	uint16_t ports[2] = { rte_cpu_to_be_16(port), RTE_BE16(80) };

	*p = (struct pkt){ .mbuf = rte_pktmbuf_alloc(pool),
		.family = 4,
		.proto = IPPROTO_UDP,
		.flags = answer ? 0 : PKT_VIRTUAL };
	assert_non_null(p->mbuf);
	p->l3 = (uint8_t *)rte_pktmbuf_append(p->mbuf, 28);
	p->l4 = p->l3 + 20;
	memcpy(p->l3 + 12, &ends[answer], 4);
	memcpy(p->l3 + 16, &ends[!answer], 4);
	memcpy(p->l4, &ports[answer], 2);
	memcpy(p->l4 + 2, &ports[!answer], 2);
}

static void test_owner_is_the_same_both_ways(void **state)
{
	(void)state;
	unsigned int count[WORKERS] = { 0 };
	struct steer **s = steer_create(WORKERS, DEPTH, NULL);

	assert_non_null(s);
	for (uint32_t i = 0; i < 3000; i++) {
		struct addr client = addr_from_v4(rte_cpu_to_be_32(0x0a000000 + i / 3));
		uint16_t port = (uint16_t)(1024 + i);
		const struct tuple tuple = { .src = client, .sport = rte_cpu_to_be_16(port) };
		unsigned int owner = steer_owner(s[0], &tuple, true);

		assert_true(owner < WORKERS);
		count[owner]++;
		for (int answer = 0; answer < 2; answer++) {
			struct burst b = { .n = 1 };
			struct rte_mbuf *m;

			put_packet(&b.pkt[0], 0x0a000000 + i / 3, port, answer);
			steer_burst(s[0], NULL, &b);
			if (owner == 0) {
				assert_int_equal(b.pkt[0].verdict, PKT_GO);
				rte_pktmbuf_free(b.pkt[0].mbuf);
				continue;
			}
			assert_int_equal(b.pkt[0].verdict, PKT_TAKEN);
			assert_int_equal(steer_receive(s[owner], &m, 1), 1);
			assert_ptr_equal(m, b.pkt[0].mbuf);
			assert_int_equal(m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK,
				RTE_MBUF_F_RX_L4_CKSUM_GOOD);
			rte_pktmbuf_free(m);
		}
	}
	for (int i = 0; i < WORKERS; i++)
		assert_in_range(count[i], 850, 1150);
	steer_destroy(s, WORKERS);
}

static void test_full_ring_is_counted(void **state)
{
	(void)state;
	struct steer **s = steer_create(2, DEPTH, NULL);
	unsigned int sent = 0;

	dropped[DROP_handoff_full] = 0;
	for (uint32_t i = 0; sent < DEPTH + 20; i++) {
		struct burst b = { .n = 1 };

		put_packet(&b.pkt[0], i, 5000, false);
		steer_burst(s[0], NULL, &b);
		if (b.pkt[0].verdict == PKT_TAKEN)
			sent++;
		else
			rte_pktmbuf_free(b.pkt[0].mbuf);
	}
	/* A ring of 64 places holds 63. */
	assert_int_equal(dropped[DROP_handoff_full], 21);
	assert_int_equal(s[0]->handed_over, DEPTH - 1);
	steer_destroy(s, 2);
	assert_int_equal(rte_mempool_avail_count(pool), pool->size);
}

static void test_every_sender_gets_a_turn(void **state)
{
	(void)state;
	struct steer **s = steer_create(WORKERS, DEPTH, NULL);
	unsigned int from[WORKERS] = { 0 };

	for (unsigned int w = 0; w < WORKERS; w++) {
		for (uint32_t i = 0, sent = 0; w != 1 && sent < 20; i++) {
			struct burst b = { .n = 1 };
			const struct tuple tuple = { .src = addr_from_v4(rte_cpu_to_be_32(i)),
				.sport = RTE_BE16(7) };

			if (steer_owner(s[0], &tuple, true) != 1)
				continue;
			put_packet(&b.pkt[0], i, 7, false);
			b.pkt[0].mbuf->port = (uint16_t)w;
			steer_burst(s[w], NULL, &b);
			assert_int_equal(b.pkt[0].verdict, PKT_TAKEN);
			sent++;
		}
	}
	for (int turn = 0; turn < 4; turn++) {
		struct rte_mbuf *m[5];
		unsigned int n = steer_receive(s[1], m, 5);

		assert_int_equal(n, 5);
		while (n--) {
			from[m[n]->port]++;
			rte_pktmbuf_free(m[n]);
		}
	}
	assert_true(from[0] >= 5 && from[2] >= 5);
	steer_destroy(s, WORKERS);
	assert_int_equal(rte_mempool_avail_count(pool), pool->size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owner_is_the_same_both_ways),
		cmocka_unit_test(test_full_ring_is_counted),
		cmocka_unit_test(test_every_sender_gets_a_turn),
	};

	test_eal_init();
	pool = test_pool("steer", 511);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

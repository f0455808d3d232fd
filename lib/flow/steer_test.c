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
#include "toeplitz.h"

/* No gateway. */
static const struct net_table table;
static struct net_worker net = { .table = &table };

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
	p->mbuf->port = 0;
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
			steer_burst(s[0], &net, &b);
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

/* ---- nics ----------------------------------------------------------------------------------- */

/* What a nic hashes of a packet. */
static uint32_t nic_hash(const uint8_t *key, const struct tuple *t, enum nic_hash what)
{
	const size_t skip = addr_is_v4(&t->src) ? 12 : 0, size = 16 - skip;
	uint8_t in[36];
	size_t n = 0;

	if (what != NIC_HASH_DESTINATION) {
		memcpy(in, t->src.b + skip, size);
		n += size;
	}
	if (what != NIC_HASH_SOURCE) {
		memcpy(in + n, t->dst.b + skip, size);
		n += size;
	}
	if (what != NIC_HASH_DESTINATION) {
		memcpy(in + n, &t->sport, 2);
		n += 2;
	}
	if (what != NIC_HASH_SOURCE) {
		memcpy(in + n, &t->dport, 2);
		n += 2;
	}
	return toeplitz(key, in, n);
}

static struct tuple tuple_of(const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct tuple t = { .sport = rte_cpu_to_be_16(sport),
		.dport = rte_cpu_to_be_16(dport),
		.proto = IPPROTO_TCP };

	assert_int_equal(addr_parse(src, &t.src), 0);
	assert_int_equal(addr_parse(dst, &t.dst), 0);
	return t;
}

/* The test's own hash against the vectors that Microsoft publishes for its key. */
static void test_toeplitz_of_the_test(void **state)
{
	static const uint8_t key[40] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
		0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4,
		0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac,
		0x01, 0xfa };
	static const struct {
		const char *src, *dst;
		uint16_t sport, dport;
		uint32_t hash;
	} vectors[] = {
		{ "66.9.149.187", "161.142.100.80", 2794, 1766, 0x51ccc178 },
		{ "199.92.111.2", "65.69.140.83", 14230, 4739, 0xc626b0ea },
		{ "24.19.198.95", "12.22.207.184", 12898, 38024, 0x5c2b394a },
		{ "38.27.205.30", "209.142.163.6", 48228, 2217, 0xafc7327f },
		{ "153.39.163.191", "202.188.127.2", 44251, 1303, 0x10e828a2 },
		{ "3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x40207d3d },
		{ "3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0xdde51bbf },
		{ "3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024,
			0x02d1feef },
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(vectors); i++) {
		struct tuple t = tuple_of(
			vectors[i].src, vectors[i].sport, vectors[i].dst, vectors[i].dport);

		assert_int_equal(nic_hash(key, &t, NIC_HASH_TUPLE), vectors[i].hash);
	}
}

static struct tuple random_tuple(bool v6)
{
	struct tuple t = { .sport = (rte_be16_t)(1 + rand() % 65535),
		.dport = (rte_be16_t)(1 + rand() % 65535),
		.proto = IPPROTO_TCP };

	t.src = t.dst = addr_from_v4(0);
	for (unsigned int i = v6 ? 0 : 12; i < 16; i++) {
		t.src.b[i] = (uint8_t)rand();
		t.dst.b[i] = (uint8_t)rand();
	}
	return t;
}

static void test_hash_is_a_nics(void **state)
{
	struct steer **s = steer_create(1, DEPTH, NULL);

	(void)state;
	assert_non_null(s);
	for (int i = 0; i < 2000; i++) {
		struct tuple t = random_tuple(i % 2);

		for (int what = NIC_HASH_TUPLE; what <= NIC_HASH_DESTINATION; what++)
			assert_int_equal(steer_hash(s[0], &t, (enum nic_hash)what),
				nic_hash(nic_rss_key, &t, (enum nic_hash)what));
	}
	steer_destroy(s, 1);
}

/* How a nic lies. */
enum lie { HONEST, WRONG_KEY, WRONG_FIELDS, NO_HASH, LIES };

/* Marks the packet as a nic would that hashes `what`. */
static void nic_marks(struct pkt *p, enum nic_hash what, enum lie lie)
{
	const struct tuple t = pkt_tuple(p);
	uint8_t key[NIC_RSS_KEY_SIZE];

	if (lie == NO_HASH)
		return;
	memcpy(key, nic_rss_key, sizeof(key));
	key[3] ^= lie == WRONG_KEY ? 0x10 : 0;
	if (lie == WRONG_FIELDS)
		what = what == NIC_HASH_SOURCE ? NIC_HASH_TUPLE : NIC_HASH_SOURCE;
	p->mbuf->hash.rss = nic_hash(key, &t, what);
	p->mbuf->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
}

static struct steer **make_steer(enum steer_way way, struct nic *nic)
{
	struct steer **s = steer_create(WORKERS, DEPTH, NULL);

	assert_non_null(s);
	steer_use(s, WORKERS, way, &nic, 1);
	return s;
}

/* Runs a packet through worker 0's steering; returns its owner. */
static unsigned int run_packet(struct steer **s, struct burst *b)
{
	struct rte_mbuf *m;

	steer_burst(s[0], &net, b);
	for (unsigned int w = 1; w < WORKERS; w++) {
		if (!steer_receive(s[w], &m, 1))
			continue;
		assert_int_equal(b->pkt[0].verdict, PKT_TAKEN);
		rte_pktmbuf_free(m);
		return w;
	}
	assert_int_equal(b->pkt[0].verdict, PKT_GO);
	rte_pktmbuf_free(b->pkt[0].mbuf);
	return 0;
}

/* Whatever the nic says, the owner is steer_owner()'s, both ways of a flow where they have the
 * client's end in common; and who lies is found out, once for each kind of packets. */
static void test_owner_whatever_the_nic_says(void **state)
{
	static const struct {
		enum steer_way way;
		enum nic_hash hash; /* of the nic: toward clients, where it matters */
	} ways[] = { { STEER_SOFTWARE, NIC_HASH_NONE }, { STEER_TUPLE, NIC_HASH_TUPLE },
		{ STEER_SPLIT, NIC_HASH_SOURCE } };

	(void)state;
	for (size_t i = 0; i < RTE_DIM(ways) * LIES; i++) {
		const enum lie lie = (enum lie)(i % LIES);
		const enum steer_way way = ways[i / LIES].way;
		struct nic nic = { .hash = (uint8_t)ways[i / LIES].hash };
		struct steer **s = make_steer(way, &nic);

		for (uint32_t n = 0; n < 600; n++) {
			const uint32_t client = 0x0a000000 + (uint32_t)rand() % 0xffff;
			const uint16_t port = (uint16_t)(1024 + rand() % 60000);
			unsigned int owner[2];

			for (int answer = 0; answer < 2; answer++) {
				struct burst b = { .n = 1 };
				struct tuple t;

				put_packet(&b.pkt[0], client, port, answer);
				t = pkt_tuple(&b.pkt[0]);
				nic_marks(&b.pkt[0], (enum nic_hash)nic.hash, lie);
				owner[answer] = run_packet(s, &b);
				assert_int_equal(owner[answer], steer_owner(s[0], &t, !answer));
			}
			if (way != STEER_TUPLE) /* here, answers go by the client's end */
				assert_int_equal(owner[0], owner[1]);
		}
		assert_int_equal(steer_nic_lies(s[0], 0), way != STEER_SOFTWARE && lie != HONEST);
		if (way == STEER_SOFTWARE)
			assert_int_equal(s[0]->computed, 0);
		else if (lie == HONEST)
			assert_in_range(s[0]->computed, 32, 40);
		else
			assert_int_equal(s[0]->computed, 600);
		steer_destroy(s, WORKERS);
	}
	assert_int_equal(rte_mempool_avail_count(pool), pool->size);
}

/* A nic that was right and no longer is, is found out: one packet now and then is looked at. */
static void test_nic_that_begins_to_lie(void **state)
{
	struct nic nic = { .hash = NIC_HASH_TUPLE };
	struct steer **s = make_steer(STEER_TUPLE, &nic);

	(void)state;
	for (uint32_t n = 0; n < 1200; n++) {
		struct burst b = { .n = 1 };

		put_packet(&b.pkt[0], n, 7, false);
		nic_marks(&b.pkt[0], NIC_HASH_TUPLE, n < 100 ? HONEST : WRONG_KEY);
		run_packet(s, &b);
		if (n == 1000)
			assert_false(steer_nic_lies(s[0], 0));
	}
	assert_true(steer_nic_lies(s[0], 0));
	steer_destroy(s, WORKERS);
}

/* What follows the IP header may have stopped a nic: no word about its hash. */
static void test_options_are_not_judged(void **state)
{
	struct nic nic = { .hash = NIC_HASH_TUPLE };
	struct steer **s = make_steer(STEER_TUPLE, &nic);

	(void)state;
	for (uint32_t n = 0; n < 300; n++) {
		struct burst b = { .n = 1 };
		struct pkt *p = &b.pkt[0];
		struct tuple t;
		bool options = n >= 100;

		put_packet(p, n, 7, false);
		nic_marks(p, NIC_HASH_TUPLE, options ? WRONG_FIELDS : HONEST);
		if (options) {
			assert_non_null(rte_pktmbuf_append(p->mbuf, 4));
			p->l4 = memmove(p->l4 + 4, p->l4, 8);
		}
		t = pkt_tuple(p);
		assert_int_equal(run_packet(s, &b), steer_owner(s[0], &t, true));
	}
	assert_false(steer_nic_lies(s[0], 0));
	steer_destroy(s, WORKERS);
}

/* The right hash on the wrong queue is counted; who gets the packet over computes nothing. */
static void test_wrong_core(void **state)
{
	struct nic nic = { .hash = NIC_HASH_TUPLE };
	struct steer **s = make_steer(STEER_TUPLE, &nic);
	unsigned int wrong = 0;

	(void)state;
	for (uint32_t n = 0; n < 300; n++) {
		struct burst b = { .n = 1 };
		struct rte_mbuf *m;
		struct tuple t;
		unsigned int owner;

		put_packet(&b.pkt[0], n, 7, false);
		t = pkt_tuple(&b.pkt[0]);
		nic_marks(&b.pkt[0], NIC_HASH_TUPLE, HONEST);
		owner = steer_owner(s[0], &t, true);
		steer_burst(s[0], &net, &b);
		if (owner == 0) {
			rte_pktmbuf_free(b.pkt[0].mbuf);
			continue;
		}
		wrong++;
		assert_int_equal(steer_receive(s[owner], &m, 1), 1);
		b.handed_over = true;
		b.pkt[0].verdict = PKT_GO;
		steer_burst(s[owner], &net, &b);
		assert_int_equal(b.pkt[0].verdict, PKT_GO);
		assert_int_equal(s[owner]->computed, 0);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(s[0]->wrong_core, wrong);
	assert_int_equal(s[0]->handed_over, wrong);
	steer_destroy(s, WORKERS);
}

/* A fragment goes to the worker of its datagram, once. */
static void test_fragments(void **state)
{
	struct nic nic = { .hash = NIC_HASH_TUPLE };
	struct steer **s = make_steer(STEER_TUPLE, &nic);
	struct burst b = { .n = 1 };
	struct rte_mbuf *m;

	(void)state;
	put_packet(&b.pkt[0], 1, 7, false);
	nic_marks(&b.pkt[0], NIC_HASH_TUPLE, HONEST);
	b.pkt[0].verdict = PKT_FRAGMENT;
	b.pkt[0].hash = UINT32_MAX;
	steer_burst(s[0], &net, &b);
	assert_int_equal(steer_receive(s[WORKERS - 1], &m, 1), 1);
	assert_int_equal(m->ol_flags & RTE_MBUF_F_RX_RSS_HASH, 0);
	b.handed_over = true;
	b.pkt[0].verdict = PKT_FRAGMENT;
	b.pkt[0].hash = 0;
	steer_burst(s[WORKERS - 1], &net, &b);
	assert_int_equal(b.pkt[0].verdict, PKT_FRAGMENT);
	rte_pktmbuf_free(m);
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
		steer_burst(s[0], &net, &b);
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
			steer_burst(s[w], &net, &b);
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
		cmocka_unit_test(test_toeplitz_of_the_test),
		cmocka_unit_test(test_hash_is_a_nics),
		cmocka_unit_test(test_owner_whatever_the_nic_says),
		cmocka_unit_test(test_nic_that_begins_to_lie),
		cmocka_unit_test(test_options_are_not_judged),
		cmocka_unit_test(test_wrong_core),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_full_ring_is_counted),
		cmocka_unit_test(test_every_sender_gets_a_turn),
	};

	test_eal_init();
	pool = test_pool("steer", 511);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parse_burst() on frames that end where their mbuf ends, with poison around them: a table of
 * good and bad ones, each cut at every length, each split at every byte, and seeded garbage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include <rte_ether.h>

#include "frame.h"
#include "frame_cases.h"
#include "net/parse.h"
#include "test_eal.h"

static struct rte_mempool *pool;
static struct net_table *table;
static struct net_worker worker;
static char bucket[HASH_LINE];
static const struct hash_index hashing = { .key = { { 0x0123456789abcdef, 0xfedcba9876543210 } },
	.lines = bucket };

/* What a packet without a flow meets. */
static void parse(struct burst *b, struct rte_mbuf **m, unsigned int n)
{
	unsigned int go = 0;

	parse_burst(&worker, &hashing, b, m, n);
	for (unsigned int i = 0; i < n; i++)
		go += b->pkt[i].verdict == PKT_GO;
	assert_int_equal(b->odd, n - go);
	for (unsigned int i = 0; i < n; i++)
		b->pkt[i].flow = NULL; /* the lookup's */
	parse_first_burst(worker.table, b);
}

/* Two ports on nic 0 (untagged, VLAN 100), one on nic 1. */
static void make_table(void)
{
	struct prefix wan[2], tag[1], lan[1];
	struct addr vip[2];
	struct faults faults = { 0 };
	struct port_conf ports[] = {
		{ "wan", .nic = 0, .mac = { { MAC_WAN } }, .addresses = wan, .n_addresses = 2 },
		{ "tag", .nic = 0, .vlan = 100, .mac = { { MAC_TAG } }, .addresses = tag,
			.n_addresses = 1 },
		{ "lan", .nic = 1, .mac = { { MAC_WAN } }, .addresses = lan, .n_addresses = 1 },
	};
	struct net_conf conf = { .ports = ports, .n_ports = 3, .virtuals = vip, .n_virtuals = 2 };

	assert_int_equal(prefix_parse(OWN4 "/24", true, &wan[0]), 0);
	assert_int_equal(prefix_parse(OWN6 "/64", true, &wan[1]), 0);
	assert_int_equal(prefix_parse("172.16.0.1/24", true, &tag[0]), 0);
	assert_int_equal(prefix_parse("10.0.0.1/24", true, &lan[0]), 0);
	assert_int_equal(addr_parse(VIP4, &vip[0]), 0);
	assert_int_equal(addr_parse(VIP6, &vip[1]), 0);
	table = net_table_build(&conf, NULL, &faults);
	assert_non_null(table);
}

/* ---- running them --------------------------------------------------------------------------- */

static void mark(struct rte_mbuf *m, const struct parse_case *c)
{
	m->port = c->nic;
	m->ol_flags |= c->ol_flags;
	m->vlan_tci = c->vlan_tci;
}

/* What later stages rely on. f: the frame as sent. */
static void check_go(const struct pkt *p, const struct frame *f, const char *name)
{
	const struct rte_mbuf *m = p->mbuf;
	const unsigned int tag = f->l3 - RTE_ETHER_HDR_LEN;
	struct tuple t = pkt_tuple(p);

	if (p->l3 != rte_pktmbuf_mtod(m, uint8_t *) + RTE_ETHER_HDR_LEN ||
		p->l4 - p->l3 != f->l4 - f->l3 || p->l3_len != f->end - f->l3 ||
		p->l4_len != f->end - f->l4 || m->pkt_len != f->end - tag ||
		p->family != f->family || p->proto != f->proto || p->flow || p->adj != ADJ_NONE ||
		p->tcp_flags != (f->proto == IPPROTO_TCP ? f->b[f->l4 + 13] : 0))
		fail_msg("%s: metadata", name);
	assert_memory_equal(&t.sport, f->b + f->l4, 2);
	assert_memory_equal(&t.dport, f->b + f->l4 + 2, 2);
	assert_int_equal(p->hash,
		f->family == 4
			? hash_tuple4(&hashing.key, f->b + f->l3 + 12, f->b + f->l4, f->proto)
			: hash_tuple6(&hashing.key, f->b + f->l3 + 8, f->b + f->l4, f->proto));
	/* Nothing of the headers lies in another segment. */
	assert_true(m->data_len >=
		    f->l4 - tag + (f->proto == IPPROTO_TCP ? (f->b[f->l4 + 12] >> 4) * 4u : 8u));
}

static void check(const struct parse_case *c, const struct frame *f, const struct pkt *p)
{
	if (p->verdict != c->verdict || (c->verdict == PKT_DROP && p->reason != c->reason))
		fail_msg("%s: verdict %d (%s) instead of %d (%s)", c->name, p->verdict,
			drop_name((enum drop_reason)p->reason), c->verdict, drop_name(c->reason));
	if (p->flags != c->flags || p->port != c->port)
		fail_msg("%s: flags %#x port %u", c->name, p->flags, p->port);
	if (p->verdict == PKT_GO)
		check_go(p, f, c->name);
}

static void every_case(void **state)
{
	static struct burst b;
	struct frame f;

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct rte_mbuf *m;

		make_frame(&f, &cases[i]);
		m = frame_mbuf(pool, f.b, f.len);
		mark(m, &cases[i]);
		parse(&b, &m, 1);
		assert_int_equal(b.n, 1);
		assert_ptr_equal(b.pkt[0].mbuf, m);
		check(&cases[i], &f, &b.pkt[0]);
		frame_free(m);
	}
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

/* The same in bursts, with good frames among them; counts what came in by each port. */
static void every_case_in_bursts(void **state)
{
	static struct burst b;
	static struct frame f[BURST_MAX];
	struct rte_mbuf *m[BURST_MAX];
	uint64_t packets[3] = { 0 }, bytes[3] = { 0 };

	memset(worker.port, 0, sizeof(worker.port));
	for (size_t first = 0; first < RTE_DIM(cases); first += BURST_MAX) {
		const unsigned int n =
			(unsigned int)RTE_MIN((size_t)BURST_MAX, RTE_DIM(cases) - first);

		for (unsigned int i = 0; i < n; i++) {
			const struct parse_case *c = &cases[first + i];

			make_frame(&f[i], c);
			m[i] = frame_mbuf(pool, f[i].b, f[i].len);
			mark(m[i], c);
			if (c->port < 3) {
				packets[c->port]++;
				bytes[c->port] += f[i].len;
			}
		}
		parse(&b, m, n);
		assert_int_equal(b.n, n);
		for (unsigned int i = 0; i < n; i++) {
			check(&cases[first + i], &f[i], &b.pkt[i]);
			frame_free(m[i]);
		}
	}
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(worker.port[i].rx_packets, packets[i]);
		assert_int_equal(worker.port[i].rx_bytes, bytes[i]);
	}
	parse(&b, m, 0);
	assert_int_equal(b.n, 0);
}

/* A frame that lost its end is never let through, whatever its length; nothing is read behind it.
 */
static void cut_at_every_length(void **state)
{
	static struct burst b;
	struct frame f;

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct parse_case *c = &cases[i];

		make_frame(&f, c);
		for (unsigned int len = 0; len < f.end; len++) {
			struct rte_mbuf *m = frame_mbuf(pool, f.b, len);

			mark(m, c);
			parse(&b, &m, 1);
			if (b.pkt[0].verdict != PKT_DROP)
				fail_msg("%s: passes with %u of %u bytes", c->name, len, f.end);
			if (c->verdict == PKT_GO && b.pkt[0].reason != DROP_frame_short &&
				b.pkt[0].reason != DROP_frame_truncated)
				fail_msg("%s: %u of %u bytes: %s", c->name, len, f.end,
					drop_name((enum drop_reason)b.pkt[0].reason));
			frame_free(m);
		}
	}
}

/* The same with an IP length that fits, so that the later checks meet the end. */
static void cut_with_its_length(void **state)
{
	static struct burst b;
	struct frame f;

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct parse_case *c = &cases[i];

		make_frame(&f, c);
		if (f.family == 0 || c->verdict == PKT_DROP)
			continue;

		const unsigned int fixed = f.family == 4 ? 20 : 40, end = f.end;
		const unsigned int whole = f.proto == IPPROTO_TCP ? 20 : 8;

		for (unsigned int len = f.l3 + fixed; len < end; len++) {
			const unsigned int l3_len = len - f.l3 - (f.family == 6 ? 40 : 0);
			struct rte_mbuf *m;

			f.b[f.l3 + (f.family == 4 ? 2 : 4)] = (uint8_t)(l3_len >> 8);
			f.b[f.l3 + (f.family == 4 ? 3 : 5)] = (uint8_t)l3_len;
			f.end = len;
			if (f.end >= f.l4)
				frame_fix(&f);
			m = frame_mbuf(pool, f.b, len);
			mark(m, c);
			parse(&b, &m, 1);
			if (len < f.l4 + whole && f.proto != 112 && b.pkt[0].verdict == PKT_GO)
				fail_msg("%s: passes with %u bytes", c->name, len);
			frame_free(m);
		}
	}
}

/* Two segments, cut anywhere: the verdict is that of the whole frame. */
static void split_at_every_byte(void **state)
{
	static struct burst b;
	struct frame f;

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		make_frame(&f, &cases[i]);
		for (unsigned int first = 0; first <= f.len; first++) {
			struct rte_mbuf *m = frame_mbuf_split(pool, f.b, f.len, first);

			mark(m, &cases[i]);
			parse(&b, &m, 1);
			check(&cases[i], &f, &b.pkt[0]);
			rte_mbuf_sanity_check(m, 1);
			frame_free(m);
		}
	}
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

/* Headers that cannot be brought together: the first segment has no room. */
static void split_without_room(void **state)
{
	static struct burst b;
	struct frame f;

	make_frame(&f, &cases[0]);
	for (unsigned int first = 0; first <= f.len; first++) {
		struct rte_mbuf *m = frame_mbuf(pool, f.b, first);

		assert_int_equal(
			rte_pktmbuf_chain(m, frame_mbuf(pool, f.b + first, f.len - first)), 0);
		parse(&b, &m, 1);
		if (first < f.len)
			assert_int_equal(b.pkt[0].reason, DROP_frame_short);
		else
			assert_int_equal(b.pkt[0].verdict, PKT_GO);
		frame_free(m);
	}
}

/* A long trailer over several segments is taken off, and the segments with it. */
static void trailer_over_segments(void **state)
{
	static struct burst b;
	struct frame f;

	for (unsigned int extra = 1; extra < 4; extra++) {
		struct rte_mbuf *m;

		make_frame(&f, &cases[0]);
		m = frame_mbuf_split(pool, f.b, f.len, 60 - extra);
		for (unsigned int i = 0; i < extra; i++)
			assert_int_equal(rte_pktmbuf_chain(m, frame_mbuf(pool, "trailer", 7)), 0);
		parse(&b, &m, 1);
		check(&cases[0], &f, &b.pkt[0]);
		rte_mbuf_sanity_check(m, 1);
		assert_int_equal(m->pkt_len, f.end);
		frame_free(m);
	}
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

/* A checksum that the other guest left out is there afterwards. */
static void missing_checksums_are_filled(void **state)
{
	static const enum base bases[] = { TCP4, TCP6, UDP4, UDP6 };
	static struct burst b;
	struct frame f;

	for (size_t i = 0; i < RTE_DIM(bases); i++) {
		const struct parse_case c = { .base = bases[i] };
		const unsigned int field = i < 2 ? 16 : 6;
		struct rte_mbuf *m;

		make_frame(&f, &c);
		m = frame_mbuf(pool, f.b, f.len);
		rte_pktmbuf_mtod(m, uint8_t *)[f.l4 + field] ^= 0x55;
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
		parse(&b, &m, 1);
		assert_int_equal(b.pkt[0].verdict, PKT_GO);
		assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), f.b, f.len);
		frame_free(m);
	}
}

/* ---- garbage -------------------------------------------------------------------------------- */

static uint64_t seed = 42;

static uint32_t rnd(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33);
}

/* What let-through packets promise, read again from the frame without believing the metadata. */
static void check_promise(const struct pkt *p)
{
	static struct frame f;

	f.len = f.end = p->mbuf->pkt_len;
	memcpy(f.b, rte_pktmbuf_mtod(p->mbuf, void *), f.len);
	f.l3 = RTE_ETHER_HDR_LEN;
	f.l4 = (unsigned int)(p->l4 - p->l3) + f.l3;
	f.family = p->family;
	f.proto = p->proto;
	assert_true(p->family == f.b[f.l3] >> 4);
	assert_true(p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP);
	assert_true(f.l4 + (p->proto == IPPROTO_TCP ? 20 : 8) <= f.end);
	assert_int_equal(p->l3_len, f.end - f.l3);
	if (p->proto == IPPROTO_UDP) /* only what its own length says is summed */
		f.end = f.l4 + (f.b[f.l4 + 4] << 8 | f.b[f.l4 + 5]);
	if (p->proto == IPPROTO_TCP || f.end == f.len)
		assert_true(frame_is_right(&f));
}

static void garbage(void **state)
{
	static struct burst b;
	struct frame f;
	unsigned int passed = 0;

	for (unsigned int round = 0; round < 150000; round++) {
		const struct parse_case *c = &cases[rnd() % RTE_DIM(cases)];
		struct rte_mbuf *m;

		make_frame(&f, c);
		for (unsigned int n = rnd() % 4; n > 0; n--)
			f.b[rnd() % f.len] ^= (uint8_t)(1u << rnd() % 8);
		if (rnd() % 2 && f.family)
			frame_fix(&f);
		if (rnd() % 4 == 0)
			f.len = rnd() % (f.len + 1);
		m = rnd() % 4 ? frame_mbuf(pool, f.b, f.len)
			      : frame_mbuf_split(pool, f.b, f.len, rnd() % (f.len + 1));
		m->port = c->nic;
		parse(&b, &m, 1);
		if (b.pkt[0].verdict == PKT_GO && m->nb_segs == 1) {
			check_promise(&b.pkt[0]);
			passed++;
		}
		frame_free(m);
	}
	assert_true(passed > 1000);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case),
		cmocka_unit_test(every_case_in_bursts),
		cmocka_unit_test(cut_at_every_length),
		cmocka_unit_test(cut_with_its_length),
		cmocka_unit_test(split_at_every_byte),
		cmocka_unit_test(split_without_room),
		cmocka_unit_test(trailer_over_segments),
		cmocka_unit_test(missing_checksums_are_filled),
		cmocka_unit_test(garbage),
	};

	test_eal_init();
	pool = test_pool("parse", 256);
	make_table();
	worker.table = table;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

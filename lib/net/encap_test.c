/* SPDX-License-Identifier: BSD-3-Clause */
/* Every encapsulation of every inner in every outer family, read back byte by byte. */
#include "encap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <rte_ip.h>

#include "frame.h"
#include "test_eal.h"

static struct rte_mempool *pool;

static const char *const client[] = { "198.51.100.7", "2001:db8:c::7" };
static const char *const virtual[] = { "192.0.2.10", "2001:db8:1::10" };
static const char *const own[] = { "10.0.0.1", "2001:db8:2::1" };
static const char *const server[] = { "10.0.0.11", "2001:db8:2::11" };

#define HASH 0xabcdef12u

/* A packet under test: the frame it was, and what it is now. */
struct box {
	struct frame inner;
	struct pkt p;
	struct addr src, dst;
	struct encap_outer outer;
};

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* first: bytes of the frame in the first of two segments; 0: one segment. */
static void box_fill(struct box *b, const struct frame *f, unsigned int first, bool outer6)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool),
			*rest = first ? rte_pktmbuf_alloc(pool) : NULL;
	const unsigned int n = first ? first : f->len;

	b->inner = *f;
	memcpy(rte_pktmbuf_append(m, (uint16_t)n), f->b, n);
	if (rest) {
		memcpy(rte_pktmbuf_append(rest, (uint16_t)(f->len - n)), f->b + n, f->len - n);
		assert_int_equal(rte_pktmbuf_chain(m, rest), 0);
	}
	b->p = (struct pkt){
		.mbuf = m,
		.l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, f->l3),
		.l4 = rte_pktmbuf_mtod_offset(m, uint8_t *, f->l4),
		.l3_len = (uint16_t)(f->end - f->l3),
		.l4_len = (uint16_t)(f->end - f->l4),
		.family = f->family,
		.proto = f->proto,
	};
	b->src = address(own[outer6]);
	b->dst = address(server[outer6]);
	b->outer = (struct encap_outer){ &b->src, &b->dst, HASH, 0x1234 };
}

static void make_inner(struct frame *f, bool v6, uint8_t proto, uint16_t payload)
{
	frame_build(f, &(struct frame_spec){ .proto = proto,
			       .src = client[v6],
			       .dst = virtual[v6],
			       .sport = 40000,
			       .dport = 80,
			       .tcp_flags = proto == IPPROTO_TCP ? 0x18 : 3,
			       .payload = payload });
}

/* What p is now, as a frame. */
static void unbox(const struct box *b, struct frame *out, uint8_t proto)
{
	const struct pkt *p = &b->p;
	uint8_t copy[FRAME_MAX];
	const uint32_t first =
		(uint32_t)(rte_pktmbuf_mtod(p->mbuf, uint8_t *) + p->mbuf->data_len - p->l3);

	memset(out, 0, sizeof(*out));
	out->family = p->family;
	out->proto = proto;
	out->l3 = 14;
	out->l4 = out->l3 + (p->family == 4 ? 20 : 40);
	out->len = out->end = out->l3 + p->l3_len;
	memcpy(copy, p->l3, RTE_MIN(first, (uint32_t)p->l3_len));
	if (p->mbuf->next)
		memcpy(copy + first, rte_pktmbuf_mtod(p->mbuf->next, void *), p->l3_len - first);
	memcpy(out->b + out->l3, copy, p->l3_len);
}

static unsigned int get2(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

static uint8_t outer_proto(enum encap e, bool inner6)
{
	if (e == ENCAP_GRE)
		return IPPROTO_GRE;
	if (e == ENCAP_GUE)
		return IPPROTO_UDP;
	return inner6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
}

static void check_ip(const struct frame *f, uint8_t proto, uint8_t tos, bool df)
{
	const uint8_t *l3 = f->b + f->l3;
	const bool v6 = f->family == 6;
	struct in6_addr a[2] = { 0 };

	assert_int_equal(l3[0] >> 4, f->family);
	if (v6) {
		assert_int_equal((l3[0] & 0xf) << 4 | l3[1] >> 4, tos);
		assert_int_equal((l3[1] & 0xfu) << 16 | get2(l3 + 2), HASH & 0xfffff);
		assert_int_equal(get2(l3 + 4), f->end - f->l4);
		assert_int_equal(l3[6], proto);
		assert_int_equal(l3[7], 64);
	} else {
		assert_int_equal(l3[0], 0x45);
		assert_int_equal(l3[1], tos);
		assert_int_equal(get2(l3 + 2), f->end - f->l3);
		assert_int_equal(get2(l3 + 4), 0x1234);
		assert_int_equal(get2(l3 + 6), df ? 0x4000 : 0);
		assert_int_equal(l3[8], 64);
		assert_int_equal(l3[9], proto);
	}
	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, own[v6], &a[0]), 1);
	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, server[v6], &a[1]), 1);
	assert_memory_equal(l3 + (v6 ? 8 : 12), &a[0], v6 ? 16 : 4);
	assert_memory_equal(l3 + (v6 ? 24 : 16), &a[1], v6 ? 16 : 4);
	assert_true(frame_is_right(f)); /* with UDP's checksum */
}

/* The headers between IP and the inner packet; returns their length. */
static unsigned int check_between(const struct frame *f, enum encap e, bool inner6)
{
	const uint8_t *l4 = f->b + f->l4;

	switch (e) {
	case ENCAP_GRE:
		assert_int_equal(get2(l4), 0);
		assert_int_equal(get2(l4 + 2), inner6 ? 0x86dd : 0x0800);
		return 4;
	case ENCAP_GUE:
		assert_int_equal(get2(l4), 49152 + (HASH & 0x3fff));
		assert_int_equal(get2(l4 + 2), 6080);
		assert_int_equal(get2(l4 + 4), f->end - f->l4);
		assert_int_not_equal(get2(l4 + 6), 0);
		assert_int_equal(l4[8], 0);
		assert_int_equal(l4[9], inner6 ? 41 : 4);
		assert_int_equal(get2(l4 + 10), 0);
		return 12;
	default:
		return 0;
	}
}

static void check_whole(struct box *b, enum encap e, uint8_t tos, bool df)
{
	const bool inner6 = b->inner.family == 6;
	const uint8_t proto = outer_proto(e, inner6);
	uint32_t off = 99;
	struct frame f;

	unbox(b, &f, proto);
	check_ip(&f, proto, tos, df);
	assert_int_equal(encap_overhead(e, f.family), f.l4 - f.l3 + check_between(&f, e, inner6));
	assert_true(encap_inner(proto, f.b + f.l4, f.end - f.l4, &off));
	assert_int_equal(off, check_between(&f, e, inner6));
	assert_int_equal(f.end - f.l4 - off, b->inner.end - b->inner.l3);
	assert_memory_equal(f.b + f.l4 + off, b->inner.b + b->inner.l3, b->inner.end - b->inner.l3);
}

static void push(struct box *b, enum encap e, enum drop_reason want)
{
	assert_int_equal(encap_push(&b->p, e, &b->outer), want);
}

static void each(void (*test)(enum encap e, bool inner6, bool outer6))
{
	for (unsigned int i = 0; i < ENCAP_COUNT * 4; i++)
		test((enum encap)(i / 4), i & 1, i & 2);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void carry(enum encap e, bool inner6, bool outer6)
{
	const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP,
		inner6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP };
	struct frame f;
	struct box b;

	for (unsigned int i = 0; i < RTE_DIM(protos); i++)
		for (uint16_t payload = 0; payload < 1400; payload += 199) {
			make_inner(&f, inner6, protos[i], payload);
			box_fill(&b, &f, 0, outer6);
			push(&b, e, DROP_none);
			check_whole(&b, e, 0, inner6);
			rte_pktmbuf_free(b.p.mbuf);
		}
}

static void test_carries(void **state)
{
	(void)state;
	each(carry);
}

/* All values of the type of service; DF of either kind, and a packet that is to be split. */
static void copy_fields(enum encap e, bool inner6, bool outer6)
{
	struct frame f;
	struct box b;

	for (unsigned int i = 0; i < 256 * 4; i++) {
		const uint8_t tos = (uint8_t)i;
		const bool df = i & 256, split = i & 512;

		make_inner(&f, inner6, IPPROTO_UDP, 33);
		if (inner6) {
			f.b[f.l3] = (uint8_t)(0x60 | tos >> 4);
			f.b[f.l3 + 1] = (uint8_t)(tos << 4);
		} else {
			f.b[f.l3 + 1] = tos;
			f.b[f.l3 + 6] = df ? 0x40 : 0;
		}
		frame_fix(&f);
		box_fill(&b, &f, 0, outer6);
		if (split)
			b.p.flags |= PKT_SPLIT;
		push(&b, e, DROP_none);
		check_whole(&b, e, tos, (df || inner6) && !split);
		rte_pktmbuf_free(b.p.mbuf);
	}
}

static void test_fields(void **state)
{
	(void)state;
	each(copy_fields);
}

/* What no checksum covers is summed: UDP without one, and bytes behind the UDP datagram. */
static void sum_uncovered(enum encap e, bool inner6, bool outer6)
{
	struct frame f;
	struct box b;

	make_inner(&f, inner6, IPPROTO_UDP, 301);
	if (!inner6)
		f.b[f.l4 + 6] = f.b[f.l4 + 7] = 0;
	box_fill(&b, &f, 0, outer6);
	push(&b, e, DROP_none);
	check_whole(&b, e, 0, inner6);
	rte_pktmbuf_free(b.p.mbuf);

	make_inner(&f, inner6, IPPROTO_UDP, 301);
	f.b[f.l4 + 5] -= 8; /* the datagram ends before the packet */
	box_fill(&b, &f, 0, outer6);
	push(&b, e, DROP_none);
	check_whole(&b, e, 0, inner6);
	rte_pktmbuf_free(b.p.mbuf);
}

static void test_sums(void **state)
{
	(void)state;
	each(sum_uncovered);
}

/* 0 would say that there is no checksum. */
static void test_sum_is_never_zero(void **state)
{
	struct frame f;
	struct box b;

	(void)state;
	for (uint32_t hash = 0; hash < 0x4000; hash++) {
		make_inner(&f, true, IPPROTO_TCP, 3);
		box_fill(&b, &f, 0, true);
		/* Of 65,536 sums there are 16,384 here; the address moves them over the rest. */
		b.src.b[15] = (uint8_t)(hash >> 12);
		b.src.b[14] = (uint8_t)(hash << 6);
		b.outer.hash = hash;
		push(&b, ENCAP_GUE, DROP_none);
		assert_int_not_equal(get2(b.p.l3 + 46), 0);
		rte_pktmbuf_free(b.p.mbuf);
	}
}

/* In two segments, and where there is no room in front. */
static void find_room(enum encap e, bool inner6, bool outer6)
{
	const uint16_t need = encap_overhead(e, outer6 ? 6 : 4);
	struct rte_mbuf *m;
	struct frame f;
	struct box b;

	make_inner(&f, inner6, IPPROTO_UDP, 701);
	if (!inner6)
		f.b[f.l4 + 6] = f.b[f.l4 + 7] = 0;
	box_fill(&b, &f, 101, outer6);
	push(&b, e, DROP_none);
	check_whole(&b, e, 0, inner6);
	rte_pktmbuf_free(b.p.mbuf);

	/* As a driver that leaves too little in front would give it. */
	for (uint16_t room = 0; room <= need + 4; room++) {
		box_fill(&b, &f, 0, outer6);
		m = b.p.mbuf;
		memmove((uint8_t *)m->buf_addr + room, rte_pktmbuf_mtod(m, void *), f.len);
		b.p.l3 -= m->data_off - room;
		b.p.l4 -= m->data_off - room;
		m->data_off = room;
		push(&b, e, DROP_none);
		check_whole(&b, e, 0, inner6);
		assert_true(b.p.l3 - (uint8_t *)m->buf_addr >= 18);
		assert_true(b.p.l3 + b.p.l3_len <= (uint8_t *)m->buf_addr + m->buf_len);
		rte_pktmbuf_free(m);
	}
}

static void test_room(void **state)
{
	(void)state;
	each(find_room);
}

static void test_no_room(void **state)
{
	struct rte_mbuf *m;
	struct frame f;
	struct box b;

	(void)state;
	make_inner(&f, false, IPPROTO_TCP, 100);
	/* The buffer ends with the packet. */
	box_fill(&b, &f, 0, false);
	m = b.p.mbuf;
	m->data_off = 0;
	memcpy(m->buf_addr, f.b, f.len);
	b.p.l3 = (uint8_t *)m->buf_addr + f.l3;
	b.p.l4 = (uint8_t *)m->buf_addr + f.l4;
	m->buf_len = (uint16_t)(f.len + 23);
	push(&b, ENCAP_IPIP, DROP_no_headroom);
	assert_memory_equal(b.p.l3, f.b + f.l3, f.end - f.l3);
	m->buf_len++;
	push(&b, ENCAP_IPIP, DROP_none);
	check_whole(&b, ENCAP_IPIP, 0, false);
	rte_pktmbuf_free(m);

	/* Nor is a first segment moved. */
	box_fill(&b, &f, 60, false);
	b.p.mbuf->buf_addr = b.p.l3 - 14;
	push(&b, ENCAP_IPIP, DROP_no_headroom);
	b.p.mbuf->buf_addr = (uint8_t *)b.p.mbuf->buf_addr - RTE_PKTMBUF_HEADROOM;
	rte_pktmbuf_free(b.p.mbuf);
}

/* An IP packet has 65,535 bytes at most. */
static void test_too_long(void **state)
{
	struct frame f;
	struct box b;

	(void)state;
	make_inner(&f, false, IPPROTO_TCP, 100);
	box_fill(&b, &f, 0, true);
	b.p.l3_len = UINT16_MAX - 40 + 1;
	push(&b, ENCAP_IPIP, DROP_too_big);
	rte_pktmbuf_free(b.p.mbuf);
}

static void test_others_are_not_read(void **state)
{
	static const uint8_t gre_key[8] = { 0x20, 0, 8, 0 }, gre_arp[4] = { 0, 0, 8, 6 };
	static const uint8_t dns[8] = { 0xc0, 0, 0, 53 }, gue[8] = { 0xc0, 0, 0x17, 0xc0 };
	uint32_t off;

	(void)state;
	assert_false(encap_inner(IPPROTO_TCP, dns, 8, &off));
	assert_false(encap_inner(IPPROTO_UDP, dns, 8, &off));
	assert_false(encap_inner(IPPROTO_UDP, gue, 7, &off));
	assert_true(encap_inner(IPPROTO_UDP, gue, 8, &off));
	assert_int_equal(off, 12);
	assert_false(encap_inner(IPPROTO_GRE, gre_key, 8, &off));
	assert_false(encap_inner(IPPROTO_GRE, gre_arp, 4, &off));
	assert_false(encap_inner(IPPROTO_GRE, gre_arp, 3, &off));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_carries),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_sum_is_never_zero),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_others_are_not_read),
	};

	test_eal_init();
	pool = test_pool("encap", 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

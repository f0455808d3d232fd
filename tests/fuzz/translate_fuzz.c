/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IP packet of arbitrary bytes into the other family and back: lib/l4/translate.c. The first
 * byte of the input chooses whether it comes in two segments and whether its checksums are put
 * right first. What parsing would not let through is not looked at. Afterwards the packet has to be
 * one of the other family, and whether its checksums are right may not have changed; an error has
 * to quote the packet that it is about.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "frame.h"
#include "l4/translate.h"
#include "net/icmp_quote.h"
#include "net/poison.h"
#include "net/wire.h"
#include "test_eal.h"

#define CHOOSE_SEGMENTS 0x01
#define CHOOSE_RIGHT    0x02
#define CHOOSE_SPLIT    0x04 /* it came in fragments */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static struct rte_mempool *pool;
static struct tuple client, server; /* what the packets of the two families become */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	test_eal_init();
	pool = test_pool("fuzz", 63);
	client.sport = RTE_BE16(80);
	client.dport = RTE_BE16(40000);
	server.sport = RTE_BE16(1025);
	server.dport = RTE_BE16(8080);
	require(addr_parse("2001:db8:1::10", &client.src) == 0);
	require(addr_parse("2001:db8:c::7", &client.dst) == 0);
	require(addr_parse("10.0.0.1", &server.src) == 0);
	require(addr_parse("10.0.0.11", &server.dst) == 0);
	return 0;
}

/* The offset of the transport header and what it is, or 0. */
static unsigned int walk(const uint8_t *l3, unsigned int len, uint8_t *proto)
{
	unsigned int off = 40;

	if (l3[0] >> 4 == 4) {
		off = (l3[0] & 0xf) * 4u;
		*proto = l3[9];
		return off >= 20 && off <= len ? off : 0;
	}
	*proto = l3[6];
	while ((*proto == IPPROTO_HOPOPTS || *proto == IPPROTO_DSTOPTS ||
		       *proto == IPPROTO_ROUTING || *proto == IPPROTO_FRAGMENT) &&
		off + 8 <= len) {
		const uint8_t *ext = l3 + off;

		off += *proto == IPPROTO_FRAGMENT ? 8 : (ext[1] + 1u) * 8;
		*proto = ext[0];
	}
	return off <= len ? off : 0;
}

/* Fills in f; false if it is nothing that is ever translated. */
static bool understand(struct frame *f)
{
	const uint8_t *l3 = f->b + f->l3, *l4;
	const unsigned int len = f->len - f->l3;
	unsigned int off, l4_len;

	if (len < 40 || (l3[0] >> 4 != 4 && l3[0] >> 4 != 6))
		return false;
	f->family = l3[0] >> 4;
	off = walk(l3, len, &f->proto);
	if (off == 0)
		return false;
	f->l4 = f->l3 + off;
	f->end = f->len;
	l4 = f->b + f->l4;
	l4_len = f->end - f->l4;
	if (f->proto == IPPROTO_TCP)
		return l4_len >= 20 && l4[12] >> 4 >= 5 && (l4[12] >> 4) * 4u <= l4_len;
	if (f->proto == IPPROTO_UDP)
		return l4_len >= 8 && (l4[4] << 8 | l4[5]) >= 8 &&
		       (unsigned int)(l4[4] << 8 | l4[5]) <= l4_len &&
		       (f->family == 4 || l4[6] || l4[7]);
	return f->proto == (f->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) && l4_len >= 8;
}

static struct pkt make_pkt(const struct frame *f, uint8_t choice)
{
	/* Both headers are in the first segment. */
	const unsigned int first =
		RTE_MIN(f->len, f->l4 + (f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP
							? 60u
							: (unsigned int)ICMP_QUOTE_SPAN));
	struct pkt p = { .family = f->family, .proto = f->proto };

	if ((choice & CHOOSE_SEGMENTS) && first < f->len)
		p.mbuf = frame_mbuf_split(pool, f->b, f->len, first);
	else
		p.mbuf = frame_mbuf(pool, f->b, f->len);
	if (choice & CHOOSE_SPLIT)
		p.flags = PKT_SPLIT;
	p.l3 = rte_pktmbuf_mtod_offset(p.mbuf, uint8_t *, f->l3);
	p.l4 = rte_pktmbuf_mtod_offset(p.mbuf, uint8_t *, f->l4);
	p.l3_len = (uint16_t)(f->end - f->l3);
	p.l4_len = (uint16_t)(f->end - f->l4);
	return p;
}

static bool sum_is_right(const struct pkt *p)
{
	const uint32_t off = (uint32_t)(p->l4 - rte_pktmbuf_mtod(p->mbuf, uint8_t *));
	const uint32_t len =
		p->proto == IPPROTO_UDP ? (uint32_t)(p->l4[4] << 8 | p->l4[5]) : p->l4_len;
	const uint64_t pseudo =
		p->proto == IPPROTO_ICMP ? 0 : wire_pseudo(p->l3, p->family, p->proto, len);

	return wire_fold(wire_sum_mbuf(p->mbuf, off, len, pseudo)) == 0xffff;
}

static void check_header(const struct pkt *p, uint8_t family)
{
	const unsigned int header = family == 4 ? 20 : 40;

	require(p->family == family && p->l3[0] >> 4 == family && p->l3 == p->l4 - header);
	require(p->l3_len == p->l4_len + header);
	if (family == 4) {
		require(p->l3[0] == 0x45 && (p->l3[2] << 8 | p->l3[3]) == p->l3_len);
		require(wire_is_right(wire_sum_ipv4(p->l3)));
	} else {
		require((p->l3[4] << 8 | p->l3[5]) == p->l4_len);
	}
}

/* One way, and with other ends back again. */
static void check_packet(struct pkt *p)
{
	for (int i = 0; i < 2; i++) {
		const bool right = sum_is_right(p),
			   none = p->proto == IPPROTO_UDP && p->l4[6] == 0 && p->l4[7] == 0;
		const uint8_t to = p->family == 4 ? 6 : 4;
		struct tuple got;

		translate_limit(p, 1500);
		require(translate_packet(p, to == 4 ? &server : &client, 77) == DROP_none);
		check_header(p, to);
		require(sum_is_right(p) == (right || none));
		got = pkt_tuple(p);
		require(addr_equal(&got.src, to == 4 ? &server.src : &client.src));
		require(addr_equal(&got.dst, to == 4 ? &server.dst : &client.dst));
		require(got.dport == (to == 4 ? server.dport : client.dport));
	}
}

static void check_error(struct pkt *p)
{
	const uint8_t to = p->family == 4 ? 6 : 4;
	struct icmp_quote q;
	struct tuple sent;

	if (!icmp_quoted(p, &q) || (q.proto != IPPROTO_TCP && q.proto != IPPROTO_UDP))
		return;
	sent = to == 4 ? server : client;
	sent.proto = q.proto;
	if (translate_error(p, q.l3, q.l4, &sent, 77) != DROP_none)
		return;
	check_header(p, to);
	p->proto = to == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	require(wire_fold(wire_sum(p->l4, p->l4_len,
			to == 4 ? 0 : wire_pseudo(p->l3, 6, IPPROTO_ICMPV6, p->l4_len))) == 0xffff);
	require(to == 4 || p->l3_len <= 1280);
	require(icmp_quoted(p, &q) && q.proto == sent.proto);
	require(addr_equal(&q.tuple.src, &sent.dst) && addr_equal(&q.tuple.dst, &sent.src));
	require(q.tuple.sport == sent.dport && q.tuple.dport == sent.sport);
	if (to == 4)
		require(wire_is_right(wire_sum_ipv4(q.l3)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame f;
	struct pkt p;

	if (size < 2 || size > 1600)
		return 0;
	memset(&f, 0, sizeof(f));
	f.l3 = RTE_ETHER_HDR_LEN;
	f.len = (unsigned int)size - 1 + f.l3;
	memcpy(f.b + f.l3, data + 1, size - 1);
	if (!understand(&f))
		return 0;
	if (data[0] & CHOOSE_RIGHT)
		frame_fix(&f);
	p = make_pkt(&f, data[0]);
	if (p.proto == IPPROTO_TCP || p.proto == IPPROTO_UDP)
		check_packet(&p);
	else
		check_error(&p);
	frame_free(p.mbuf);
	require(rte_mempool_in_use_count(pool) == 0);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a burst of frames and decides for each what it is: see parse.h.
 *
 *   parse_burst --> parse_plain       a frame like nearly all: one that it takes is PKT_GO
 *               \-> parse_frame()     any other one, also one that turns out to be bad
 *
 * parse_plain() only says yes. It asks as few questions as will do, several of them at once, and
 * leaves it to parse_frame.c to ask one by one, and to name what was wrong. What is true of every
 * packet of a flow if it was true of the first is asked by parse_first_burst(); whether the payload
 * is what was sent, which it may read all of, by parse_sum_is_right() where it matters.
 */
#include "parse.h"

#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "parse_priv.h"
#include "poison.h"
#include "wire.h"

/* Frames whose first line is asked for before they are looked at: when the burst begins, into L2,
 * which takes more questions than L1; and there once more when their turn comes near. */
#define FIRST 24
#define AHEAD 8

/* The shortest plain frame: UDP without payload over IPv4. */
#define PLAIN_MIN (RTE_ETHER_HDR_LEN + IPV4_LEN + UDP_LEN)

/* Type, and first byte of the IP header: version 4 and 5 words; version 6. */
#define TYPE_MASK4  RTE_BE32(0xffffff00)
#define TYPE_PLAIN4 RTE_BE32(0x08004500)
#define TYPE_MASK6  RTE_BE32(0xfffff000)
#define TYPE_PLAIN6 RTE_BE32(0x86dd6000)

/* A fragment's offset and that more come, in the fourth word of 16 bits. */
#define FRAGMENT_MASK RTE_BE64(0x3fff)

/* ---- TCP and UDP ---------------------------------------------------------------------------- */

static __rte_always_inline bool plain_tcp(struct pkt *p, const uint8_t *l4, uint32_t len)
{
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)l4;

	if (unlikely(len < TCP_LEN))
		return false;

	const uint32_t header = tcp->data_off >> 2 & 0x3c;

	p->tcp_flags = tcp->tcp_flags;
	/* Below TCP_LEN, too: it wraps around. */
	return header - TCP_LEN <= len - TCP_LEN && (TCP_FLAGS_OK >> (tcp->tcp_flags & 0x1f) & 1);
}

static __rte_always_inline bool plain_udp(
	struct pkt *p, const uint8_t *l4, uint32_t l4_len, uint8_t family)
{
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)l4;
	const uint32_t len = rte_be_to_cpu_16(udp->dgram_len);

	p->tcp_flags = 0;
	return len >= UDP_LEN && len <= l4_len && (family == 4 || udp->dgram_cksum != 0);
}

/* ---- frames --------------------------------------------------------------------------------- */

static __rte_always_inline bool plain_transport(struct pkt *p, struct rte_mbuf *m, uint8_t *l3,
	uint8_t family, uint8_t proto, uint32_t l3_len, const struct parse_link *l,
	const struct hash_index *index)
{
	const uint32_t l3_header = family == 4 ? IPV4_LEN : IPV6_LEN;
	const uint32_t frame_len = RTE_ETHER_HDR_LEN + l3_len;
	uint8_t *l4 = l3 + l3_header;

	if (likely(proto == IPPROTO_TCP)) {
		if (unlikely(!plain_tcp(p, l4, l3_len - l3_header)))
			return false;
	} else if (proto != IPPROTO_UDP ||
		   unlikely(!plain_udp(p, l4, l3_len - l3_header, family))) {
		return false;
	}
	p->hash = family == 4 ? hash_tuple4(&index->key, l3 + 12, l4, proto)
			      : hash_tuple6(&index->key, l3 + 8, l4, proto);
	rte_prefetch1(hash_line(index, p->hash));
	if (unlikely(frame_len != m->data_len)) { /* the padding of a short frame */
		m->data_len = (uint16_t)frame_len;
		m->pkt_len = frame_len;
		pkt_poison(m);
	}
	p->mbuf = m;
	p->l3 = l3;
	p->l4 = l4;
	p->l3_len = (uint16_t)l3_len;
	p->l4_len = (uint16_t)(l3_len - l3_header);
	p->family = family;
	p->proto = proto;
	p->verdict = PKT_GO;
	p->reason = 0;
	p->port = l->port;
	p->flags = 0;
	p->adj = ADJ_NONE;
	p->split = 0;
	return true;
}

/* Whether it is a plain frame, and all is right with it: then p is complete but for what the lookup
 * finds. Otherwise p may be half written. */
static __rte_always_inline bool parse_plain(const struct hash_index *index,
	const struct parse_link *l, struct pkt *p, struct rte_mbuf *m)
{
	uint8_t *eth = rte_pktmbuf_mtod(m, uint8_t *), *l3 = eth + RTE_ETHER_HDR_LEN;
	const uint32_t room = m->data_len;

	if (unlikely(link_kind(m) != l->plain || room < PLAIN_MIN || (m->ol_flags & l->unusual)))
		return false;

	const uint32_t type = load4(eth + 12);

	if (unlikely(mac_load(eth) != l->mac))
		return false;
	if (likely((type & TYPE_MASK4) == TYPE_PLAIN4)) {
		const uint64_t a = wire_load8(l3), b = wire_load8(l3 + 8);
		const uint32_t dst = load4(l3 + 16), l3_len = rte_be_to_cpu_16((uint16_t)(a >> 16));

		if (unlikely((a & FRAGMENT_MASK) || RTE_ETHER_HDR_LEN + l3_len > room ||
			     l3_len < IPV4_LEN + UDP_LEN))
			return false;
		if (!(m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_GOOD) &&
			unlikely(!wire_is_right(wire_add(wire_add(a, b), dst))))
			return false;
		return plain_transport(p, m, l3, 4, l3[9], l3_len, l, index);
	}
	if (likely((type & TYPE_MASK6) == TYPE_PLAIN6)) {
		const uint32_t l3_len = IPV6_LEN + rte_be_to_cpu_16(load2(l3 + 4));

		if (unlikely(RTE_ETHER_HDR_LEN + l3_len > room || l3_len < IPV6_LEN + UDP_LEN))
			return false;

		return plain_transport(p, m, l3, 6, l3[6], l3_len, l, index);
	}
	return false;
}

void parse_begin(struct parse *x, struct net_worker *w, const struct hash_index *index,
	struct burst *b, struct rte_mbuf **mbufs, unsigned int n)
{
	for (unsigned int i = 0; i < RTE_MIN(n, (unsigned int)FIRST); i++)
		rte_prefetch1(rte_pktmbuf_mtod(mbufs[i], void *));
	*x = (struct parse){ w, index, b, mbufs,
		{ .id = LINK_NONE,
			.port = NET_PORT_NONE,
			.mac = MAC_NONE,
			.counted = b->handed_over } };
	b->n = n;
	b->odd = 0;
	if (likely(n > 0))
		parse_link(w, &x->link, mbufs[0]->port, 0);
}

void parse_step(struct parse *x, unsigned int from, unsigned int to)
{
	struct rte_mbuf **mbufs = x->mbufs;
	const struct hash_index *index = x->index;
	struct burst *b = x->b;
	struct parse_link *l = &x->link;
	uint64_t packets = 0, bytes = 0;

	for (unsigned int i = from; i < to; i++) {
		struct pkt *p = &b->pkt[i];
		const uint32_t frame_len = mbufs[i]->pkt_len;

		if (i + AHEAD < b->n)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + AHEAD], void *));
		if (likely(parse_plain(index, l, p, mbufs[i]))) {
			packets++;
			bytes += frame_len;
			continue;
		}
		link_add(l, packets, bytes);
		packets = bytes = 0;
		parse_frame(x->w, index, l, p, mbufs[i]);
		b->odd += p->verdict != PKT_GO;
	}
	link_add(l, packets, bytes);
}

void parse_end(struct parse *x)
{
	link_count(x->w, &x->link);
}

void parse_burst(struct net_worker *w, const struct hash_index *index, struct burst *b,
	struct rte_mbuf **mbufs, unsigned int n)
{
	struct parse x;

	parse_begin(&x, w, index, b, mbufs, n);
	parse_step(&x, 0, n);
	parse_end(&x);
}

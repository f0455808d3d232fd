/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers of tunnels: see encap.h. */
#include "encap.h"

#include <netinet/in.h>
#include <stddef.h>

#include <rte_branch_prediction.h>
#include <rte_ether.h>
#include <rte_gre.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "poison.h"
#include "wire.h"

#define GRE_LEN     4
#define GUE_LEN     4
#define PORTS_FIRST 49152 /* dynamic ports (RFC 6335 6) */
#define PORTS_MASK  0x3fff
#define LABEL_MASK  0xfffff

const char *encap_name(enum encap e)
{
	static const char *const names[ENCAP_COUNT] = {
		[ENCAP_IPIP] = "ipip", [ENCAP_GRE] = "gre", [ENCAP_GUE] = "gue"
	};

	return names[e];
}

/* ---- what goes in ---------------------------------------------------------------------------- */

static uint8_t inner_tos(const struct pkt *p)
{
	return p->family == 4 ? p->l3[1] : (uint8_t)(p->l3[0] << 4 | p->l3[1] >> 4);
}

static bool inner_may_split(const struct pkt *p)
{
	return (p->flags & PKT_SPLIT) ||
	       (p->family == 4 && !(p->l3[offsetof(struct rte_ipv4_hdr, fragment_offset)] &
					  (RTE_IPV4_HDR_DF_FLAG >> 8)));
}

/* Whether the checksum of what p carries covers all of it. */
static bool is_covered(const struct pkt *p)
{
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)p->l4;

	if (p->proto == IPPROTO_TCP)
		return true;
	return p->proto == IPPROTO_UDP && udp->dgram_cksum != 0 &&
	       rte_be_to_cpu_16(udp->dgram_len) == p->l4_len;
}

/*
 * The sum of the whole inner packet, unread where checksums inside say it (of a packet that was
 * damaged they say something wrong, and the outer one is wrong too): an IPv4 header sums up
 * to 0, and so do TCP or UDP with their payload and the pseudo header, whose complement is what
 * there is without it. An IPv6 header has no checksum.
 */
static uint64_t inner_sum(const struct pkt *p)
{
	const uint32_t head = (uint32_t)(p->l4 - p->l3), fixed = p->family == 4 ? 20 : 40;
	const uint64_t pseudo = wire_pseudo(p->l3, p->family, p->proto, p->l4_len);
	uint64_t sum = p->family == 4 ? 0 : wire_sum(p->l3, fixed, 0);

	if (p->family == 6 && unlikely(head > fixed))
		sum = wire_sum(p->l3 + fixed, head - fixed, sum);
	if (likely(is_covered(p)))
		return sum + (uint16_t)~wire_fold(pseudo);
	return wire_sum_mbuf(
		p->mbuf, (uint32_t)(p->l4 - rte_pktmbuf_mtod(p->mbuf, uint8_t *)), p->l4_len, sum);
}

/* ---- headers ----------------------------------------------------------------------------------
 *
 * Their checksums are made of the values, not of the headers: reading at once what was written by
 * smaller stores makes a processor wait.
 */

static uint64_t addr_sum(const struct addr *a)
{
	return wire_halve(wire_add(a->q[0], a->q[1]));
}

static void put6(uint8_t *l3, uint8_t proto, uint8_t tos, uint16_t len, const struct encap_outer *o)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;

	ip->vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)tos << 20 | (o->hash & LABEL_MASK));
	ip->payload_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(*ip)));
	ip->proto = proto;
	ip->hop_limits = ENCAP_TTL;
	memcpy(ip->src_addr, o->src->b, sizeof(ip->src_addr));
	memcpy(ip->dst_addr, o->dst->b, sizeof(ip->dst_addr));
}

static void put_gre(uint8_t *at, uint8_t inner_family)
{
	const rte_be16_t head[2] = { 0,
		inner_family == 4 ? RTE_BE16(RTE_ETHER_TYPE_IPV4) : RTE_BE16(RTE_ETHER_TYPE_IPV6) };

	memcpy(at, head, GRE_LEN);
}

/* UDP, len bytes long, and GUE of variant 0 with neither flags nor optional fields; inside: what is
 * in it, as of IP's protocols. payload: the inner packet's sum. */
static void put_gue(
	uint8_t *at, uint8_t inside, uint16_t len, const struct encap_outer *o, uint64_t payload)
{
	const rte_be16_t port = rte_cpu_to_be_16((uint16_t)(PORTS_FIRST + (o->hash & PORTS_MASK)));
	const rte_be16_t length = rte_cpu_to_be_16(len), gue = rte_cpu_to_be_16(inside);
	/* An IPv4 address in its mapped form has 0xffff in front, which counts as nothing. */
	const uint64_t pseudo =
		addr_sum(o->src) + addr_sum(o->dst) + length + RTE_BE16(IPPROTO_UDP);
	const uint16_t sum = (uint16_t)~wire_fold(
		payload + pseudo + port + RTE_BE16(ENCAP_GUE_PORT) + length + gue);
	const rte_be16_t head[6] = { port, RTE_BE16(ENCAP_GUE_PORT), length, sum ? sum : 0xffff,
		gue, 0 };

	memcpy(at, head, sizeof(head));
}

/* ---- room ------------------------------------------------------------------------------------ */

/* Room for bytes more in front of the packet; where a driver left little, at the cost of that
 * behind it. */
static bool make_room(struct pkt *p, uint32_t bytes)
{
	struct rte_mbuf *m = p->mbuf;
	const uint32_t front = (uint32_t)(p->l3 - (uint8_t *)m->buf_addr);
	const uint32_t behind = m->buf_len - RTE_MIN(front + p->l3_len, (uint32_t)m->buf_len);

	pkt_unpoison(m);
	if (likely(front >= bytes + ENCAP_LINK_MAX))
		return true;

	const uint32_t shift = bytes + ENCAP_LINK_MAX - front;

	if (m->nb_segs != 1 || behind < shift)
		return false;
	memmove(p->l3 + shift, p->l3, p->l3_len);
	p->l3 += shift;
	p->l4 += shift;
	m->data_off = (uint16_t)(m->data_off + shift);
	return true;
}

enum drop_reason encap_push(struct pkt *p, enum encap e, const struct encap_outer *outer)
{
	const uint8_t family = addr_is_v4(outer->dst) ? 4 : 6, inside = p->family;
	const uint16_t bytes = encap_overhead(e, family), ip_len = family == 4 ? 20 : 40;
	const uint8_t tos = inner_tos(p);
	const bool split = inner_may_split(p);
	uint8_t proto = inside == 4 ? IPPROTO_IPIP : IPPROTO_IPV6, *l3;
	uint64_t payload = 0;
	uint16_t len;

	if (unlikely((uint32_t)p->l3_len + bytes > UINT16_MAX))
		return DROP_too_big;
	if (unlikely(!make_room(p, bytes)))
		return DROP_no_headroom;
	len = (uint16_t)(p->l3_len + bytes);
	l3 = p->l3 - bytes;
	if (e == ENCAP_GRE) {
		proto = IPPROTO_GRE;
		put_gre(l3 + ip_len, inside);
	} else if (e == ENCAP_GUE) {
		proto = IPPROTO_UDP;
		payload = inner_sum(p);
	}
	if (family == 4)
		encap_put4(l3, proto, tos, split ? 0 : RTE_BE16(RTE_IPV4_HDR_DF_FLAG), len,
			addr_v4(outer->src), addr_v4(outer->dst), outer->id);
	else
		put6(l3, proto, tos, len, outer);
	if (e == ENCAP_GUE)
		put_gue(l3 + ip_len, inside == 4 ? IPPROTO_IPIP : IPPROTO_IPV6,
			(uint16_t)(len - ip_len), outer, payload);
	p->l3 = l3;
	p->l3_len = len;
	p->family = family;
	return DROP_none;
}

/* ---- reading --------------------------------------------------------------------------------- */

bool encap_inner(uint8_t proto, const uint8_t *l4, uint32_t len, uint32_t *off)
{
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)l4;
	uint32_t word;

	switch (proto) {
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		*off = 0;
		return true;
	case IPPROTO_GRE:
		if (len < GRE_LEN)
			return false;
		memcpy(&word, l4, sizeof(word));
		*off = GRE_LEN;
		return word == RTE_BE32(RTE_ETHER_TYPE_IPV4) ||
		       word == RTE_BE32(RTE_ETHER_TYPE_IPV6);
	case IPPROTO_UDP:
		*off = sizeof(*udp) + GUE_LEN;
		return len >= sizeof(*udp) && udp->dst_port == RTE_BE16(ENCAP_GUE_PORT);
	default:
		return false;
	}
}

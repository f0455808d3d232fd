/* SPDX-License-Identifier: BSD-3-Clause */
/* What an ICMP error quotes: see icmp_quote.h. Nothing is read before it is known to be there. */
#include "icmp_quote.h"

#include <netinet/in.h>

#include <rte_ip.h>

#define ICMP_LEN 8

/* Quoted of the transport header at least: the ports, and UDP's checksum (RFC 792). */
#define L4_MIN  8

#define EXT_MAX 8 /* extension headers that are walked, as many as parse.c does */

/*
 * Destination unreachable, time exceeded, parameter problem, and IPv6's packet too big. Source
 * quench is none of them: nobody is to send, believe or pass it on (RFC 6633).
 */
static bool is_error(uint8_t family, uint8_t type)
{
	return family == 4 ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
}

static bool is_carried(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_IPIP ||
	       proto == IPPROTO_IPV6 || proto == IPPROTO_GRE;
}

/* The offset of the transport header, if len bytes have a whole IPv4 header and the packet is no
 * later fragment; else 0. */
static uint32_t walk4(const uint8_t *l3, uint32_t len, uint8_t *proto)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)l3;

	if (len < sizeof(*ip) || l3[0] >> 4 != 4 || (l3[0] & 0xf) < 5 ||
		(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)))
		return 0;
	*proto = ip->next_proto_id;
	return (l3[0] & 0xfu) * 4;
}

/* Likewise for IPv6 and its extension headers. */
static uint32_t walk6(const uint8_t *l3, uint32_t len, uint8_t *proto)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)l3;
	uint32_t off = sizeof(*ip);

	if (len < sizeof(*ip) || l3[0] >> 4 != 6)
		return 0;
	*proto = ip->proto;
	for (unsigned int n = 0; n < EXT_MAX && len >= off + 8; n++) {
		const uint8_t *ext = l3 + off;

		if (*proto == IPPROTO_FRAGMENT) {
			if (ext[2] || ext[3] & 0xf8)
				return 0;
			off += 8;
		} else if (*proto == IPPROTO_HOPOPTS || *proto == IPPROTO_DSTOPTS ||
			   *proto == IPPROTO_ROUTING) {
			off += (ext[1] + 1u) * 8;
		} else {
			return off;
		}
		*proto = ext[0];
	}
	return 0;
}

static struct addr address(const uint8_t *at, uint8_t family)
{
	uint32_t v4;

	if (family == 6)
		return addr_from_v6(at);
	memcpy(&v4, at, 4);
	return addr_from_v4(v4);
}

bool icmp_quoted(const struct pkt *p, struct icmp_quote *q)
{
	const uint32_t head = (uint32_t)(p->l4 - p->l3) + ICMP_LEN;
	const uint32_t span = RTE_MIN((uint32_t)p->l3_len, (uint32_t)ICMP_QUOTE_SPAN);
	const uint32_t len = span - RTE_MIN(head, span);
	const uint8_t *src, *dst;
	uint32_t off;

	if (!is_error(p->family, p->l4[0]))
		return false;
	q->l3 = p->l4 + ICMP_LEN;
	off = p->family == 4 ? walk4(q->l3, len, &q->proto) : walk6(q->l3, len, &q->proto);
	if (off == 0 || len < off + L4_MIN || !is_carried(q->proto))
		return false;
	q->l4 = q->l3 + off;
	q->l4_len = (uint16_t)(len - off);
	src = q->l3 + (p->family == 4 ? 12 : 8);
	dst = q->l3 + (p->family == 4 ? 16 : 24);
	q->tuple = (struct tuple){
		.src = address(dst, p->family), .dst = address(src, p->family), .proto = q->proto
	};
	if (q->proto == IPPROTO_TCP || q->proto == IPPROTO_UDP) {
		memcpy(&q->tuple.sport, q->l4 + 2, 2);
		memcpy(&q->tuple.dport, q->l4, 2);
		if (q->tuple.sport == 0 || q->tuple.dport == 0)
			return false;
	}

	/* Errors go to whoever sent the packet; one that goes elsewhere is a forgery that hopes to
	 * be rewritten. */
	const struct addr to = pkt_dst(p);

	return addr_equal(&to, &q->tuple.dst);
}

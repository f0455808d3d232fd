/* SPDX-License-Identifier: BSD-3-Clause */
/* Steps that forwarding modes share: each changes a header field and keeps the checksums right (RFC
 * 1624). */
#ifndef L4_REWRITE_H
#define L4_REWRITE_H

#include <rte_ip.h>

#include "net/pkt.h"
#include "net/wire.h"

/* New destination or source address and port. address: 4 or 16 bytes, as the packet's family has
 * them. */
void rewrite_destination(struct pkt *p, const void *address, rte_be16_t port);
void rewrite_source(struct pkt *p, const void *address, rte_be16_t port);
/* Both at once. */
void rewrite_ends(
	struct pkt *p, const void *src, rte_be16_t sport, const void *dst, rte_be16_t dport);

/* New source or destination address alone, in a packet of any protocol; of an ICMP or ICMPv6 echo,
 * also the identifier. */
void rewrite_address(struct pkt *p, bool source, const void *address);
void rewrite_echo(struct pkt *p, bool source, const void *address, rte_be16_t id);

/* Works the checksum of an ICMP or ICMPv6 message out anew. */
void rewrite_icmp_checksum(struct pkt *p);

/* The transport checksum takes up a change, made with wire_diff2() and its like. A UDP checksum of
 * 0 means none (RFC 768) and stays. */
void rewrite_l4_checksum(struct pkt *p, uint64_t diff);

/* Time to live, or hop limit. */
static inline uint8_t packet_ttl(const struct pkt *p)
{
	return p->l3[p->family == 4 ? offsetof(struct rte_ipv4_hdr, time_to_live)
				    : offsetof(struct rte_ipv6_hdr, hop_limits)];
}

/* Whether it may leave as fragments where it is too big for a link, or path, of this MTU. What came
 * in fragments that are not to be cut any smaller (IPv6, DF) may if they fit. */
static inline bool packet_may_split(const struct pkt *p, uint16_t mtu)
{
	return ((p->flags & PKT_SPLIT) && p->split <= mtu) ||
	       (p->family == 4 && !(p->l3[offsetof(struct rte_ipv4_hdr, fragment_offset)] &
					  (RTE_IPV4_HDR_DF_FLAG >> 8)));
}

/* Takes one off the time to live, which is at least 2. */
static __rte_always_inline void rewrite_ttl(struct pkt *p)
{
	uint32_t from, to;

	if (p->family == 6) {
		((struct rte_ipv6_hdr *)p->l3)->hop_limits--;
		return;
	}
	/*
	 * TTL, protocol and checksum are one word of 32 bits, here with the TTL at its low end: to
	 * take one off the TTL and to add the same to the checksum (RFC 1624) is one addition. The
	 * checksum's carry comes around; and 0xffff is never one.
	 */
	memcpy(&from, p->l3 + offsetof(struct rte_ipv4_hdr, time_to_live), 4);
	from = rte_le_to_cpu_32(from);
	to = from + 0xffff;
	to += (uint32_t)(to < from || to >= 0xffff0000) << 16;
	to = rte_cpu_to_le_32(to);
	memcpy(p->l3 + offsetof(struct rte_ipv4_hdr, time_to_live), &to, 4);
}

void rewrite_mss_options(struct pkt *p, uint16_t max);

/*
 * Keeps the segments that answer this one within what fits: in a SYN or SYN-ACK, no maximum segment
 * size above max (bytes behind the TCP header, RFC 9293 3.7.1). A segment without the option is
 * left alone: the sizes it stands for, 536 and 1220, fit everywhere.
 */
static inline void rewrite_mss(struct pkt *p, uint16_t max)
{
	if (p->tcp_flags & TCP_SYN)
		rewrite_mss_options(p, max);
}

#endif

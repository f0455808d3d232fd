/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets in packets: the headers that take a client's packet to a server as it is, over any number
 * of routers, and what a server's kernel takes off again.
 *
 *   ENCAP_IPIP  IP | inner packet                   RFC 2003, RFC 2473, RFC 4213
 *   ENCAP_GRE   IP | GRE, 4 bytes | inner packet    RFC 2784
 *   ENCAP_GUE   IP | UDP | GUE, 4 bytes | inner     draft-ietf-intarea-gue, variant 0
 *
 * Either IP is 4 or 6. What always holds of the outer header:
 *
 *   - its type of service is the inner one, ECN bits included (RFC 6040 4.1, normal mode);
 *   - it begins with a time to live of its own, 64;
 *   - over IPv4, don't fragment is as inside; an IPv6 packet inside counts as not to be
 *     fragmented, and one with PKT_SPLIT as to be;
 *   - the IPv6 flow label and GUE's source port are the same for all packets of a flow and differ
 *     between flows, so that routers and devices with several queues spread them (RFC 6438).
 *
 * GUE's UDP checksum is written for IPv4 too. RFC 6935 would allow none over IPv6, under conditions
 * (RFC 6936 5) that nobody here can know to be met; and it costs next to nothing, for TCP's and
 * UDP's own checksums inside say what the payload sums up to; where one is wrong, so is GUE's.
 */
#ifndef NET_ENCAP_H
#define NET_ENCAP_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "base/addr.h"
#include "base/drop.h"
#include "net/pkt.h"
#include "net/poison.h"
#include "net/wire.h"

enum encap { ENCAP_IPIP, ENCAP_GRE, ENCAP_GUE, ENCAP_COUNT };
const char *encap_name(enum encap e); /* "ipip" */

#define ENCAP_GUE_PORT 6080
#define ENCAP_MAX      52 /* most bytes that encapsulation adds: IPv6, UDP, GUE */

/* Bytes in front of the inner packet. family: of the outer one. */
static inline uint16_t encap_overhead(enum encap e, uint8_t family)
{
	static const uint8_t behind_ip[ENCAP_COUNT] = { [ENCAP_GRE] = 4, [ENCAP_GUE] = 12 };

	return (uint16_t)((family == 4 ? 20 : 40) + behind_ip[e]);
}

struct encap_outer {
	const struct addr *src, *dst; /* of one family */
	uint32_t hash;                /* of the flow */
	uint16_t id;                  /* IPv4: of the datagram (RFC 6864) */
};

/*
 * Puts the headers in front of p: l3, l3_len and family are the outer packet's afterwards, l4 and
 * proto stay the inner one's. p is a checked TCP or UDP packet or an ICMP message. DROP_none, or
 * why it cannot be: DROP_no_headroom, or DROP_too_big for an IP packet.
 */
enum drop_reason encap_push(struct pkt *p, enum encap e, const struct encap_outer *outer);

#define ENCAP_TTL      64
#define ENCAP_LINK_MAX (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN) /* what output writes in front */

/* Four parts of 8 bytes as they lie in memory. */
static inline uint64_t encap_word(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return a | b << 16 | c << 32 | d << 48;
}

_Static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "the first part is at the low end");

/* Writes an IPv4 header at l3; len: of the datagram. fragment, src, dst: network order. The
 * checksum is made of the values: reading at once what smaller stores wrote makes a processor wait.
 */
static __rte_always_inline void encap_put4(uint8_t *l3, uint8_t proto, uint8_t tos,
	rte_be16_t fragment, uint16_t len, rte_be32_t src, rte_be32_t dst, uint16_t id)
{
	/* Version, length and type of service, total length, identification, fragment; */
	const uint64_t first = encap_word(
		0x45u | (uint32_t)tos << 8, rte_cpu_to_be_16(len), rte_cpu_to_be_16(id), fragment);
	/* time to live and protocol, checksum, source. */
	uint64_t second = encap_word(ENCAP_TTL | (uint32_t)proto << 8, 0, src, 0);
	const uint16_t sum = (uint16_t)~wire_fold(wire_add(wire_add(first, second), dst));

	second |= encap_word(0, sum, 0, 0);
	memcpy(l3, &first, 8);
	memcpy(l3 + 8, &second, 8);
	memcpy(l3 + 16, &dst, 4);
}

/* encap_push() for what is most frequent: IPv4 in IPv4, with nothing between. False: there is not
 * the room, or the packet may be split; nothing has been done. */
static __rte_always_inline bool encap_push_ipip4(
	struct pkt *p, const struct addr *src, const struct addr *dst, uint16_t id)
{
	const uint32_t bytes = sizeof(struct rte_ipv4_hdr), len = p->l3_len + bytes;
	const uint64_t inner = wire_load8(p->l3);
	const ptrdiff_t front = p->l3 - (uint8_t *)p->mbuf->buf_addr;

	if (unlikely(front < (ptrdiff_t)(bytes + ENCAP_LINK_MAX) || len > UINT16_MAX ||
		     (p->flags & PKT_SPLIT)))
		return false;
	pkt_unpoison(p->mbuf);
	p->l3 -= bytes;
	p->l3_len = (uint16_t)len;
	encap_put4(p->l3, 4 /* IPPROTO_IPIP */, (uint8_t)(inner >> 8),
		(rte_be16_t)(inner >> 48 & RTE_BE16(RTE_IPV4_HDR_DF_FLAG)), (uint16_t)len,
		addr_v4(src), addr_v4(dst), id);
	return true;
}

/*
 * Looks for what encap_push() has put in: proto is the protocol of an IP header, behind which len
 * bytes are at hand at l4. *off becomes where the inner packet begins, which may be at len or
 * later. False: that is no header of a tunnel.
 */
bool encap_inner(uint8_t proto, const uint8_t *l4, uint32_t len, uint32_t *off);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between IPv6 and IPv4: packets whose flow has tuples of two families, and ICMP errors about them,
 * get a header of the other family (RFC 7915). Addresses and ports are the flow's own, in place of
 * the algorithm's mapping.
 *
 * Pure functions over a packet: they change its bytes, p->l3, family and the lengths, and neither
 * send nor count. The time to live is taken over: who forwards has taken one off. Both directions
 * are one path. Extension headers and options end here, the traffic class goes on, the flow label
 * is 0.
 */
#ifndef L4_TRANSLATE_H
#define L4_TRANSLATE_H

#include "base/addr.h"
#include "net/pkt.h"

/* What a packet without options grows by toward IPv6, and shrinks by toward IPv4. */
#define TRANSLATE_GROWTH 20

/* Every IPv6 link takes so much (RFC 8200 5), and what is no longer may be split by IPv4 routers:
 * its translation has DF clear. */
#define TRANSLATE_MTU_MIN 1280

/*
 * Makes of p, TCP or UDP, a packet of the other family with the addresses and ports of to. id: a
 * number in host order that packets from to->src to to->dst have not had for long; used where IPv4
 * may split. What may be split and would be too long for an IPv6 path becomes PKT_SPLIT, for no
 * router will do it (RFC 7915 4). DROP_none, or why it cannot be.
 */
enum drop_reason translate_packet(struct pkt *p, const struct tuple *to, uint16_t id);

/*
 * Makes of p, an ICMP error, the error of the other family from sent->dst to sent->src: about the
 * packet sent, which was p's quoted packet before it was translated. quoted, quoted_l4: IP and
 * transport header of the packet in p, at least 8 bytes of the latter, as icmp_quoted() finds them.
 * id: as above. Types without a counterpart are DROP_icmp_type (RFC 7915 4.2, 5.2).
 */
enum drop_reason translate_error(struct pkt *p, const uint8_t *quoted, uint8_t *quoted_l4,
	const struct tuple *sent, uint16_t id);

/* The longest packet like p, as it was received, whose translation goes through mtu, split or not.
 * ICMP errors are cut to what fits. */
uint16_t translate_limit(const struct pkt *p, uint16_t mtu);

#endif

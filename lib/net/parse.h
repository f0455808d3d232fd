/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From frames to struct pkt: the only place where bytes from the wire are believed or not. After it
 * every PKT_GO packet is a well-formed, unfragmented TCP or UDP packet whose headers lie in the
 * first segment, with right checksums, from a plausible source, not longer than its IP length says.
 *
 * Whatever the verdict, a VLAN tag is stripped (as a device does it: mbuf.vlan_tci and
 * RTE_MBUF_F_RX_VLAN_STRIPPED), so that the frame starts with 14 bytes of Ethernet header.
 */
#ifndef NET_PARSE_H
#define NET_PARSE_H

#include "base/hash.h"
#include "net/net.h"
#include "net/pkt.h"

/*
 * Fills b->pkt[0 .. n-1] from the frames in mbufs (mbuf.port: the nic) and sets each verdict:
 * PKT_GO, PKT_ERROR (what it quotes: net/icmp_quote.h; the first ICMP_QUOTE_SPAN bytes lie in the
 * first segment), PKT_ICMP (echo and other ICMP to our addresses), PKT_PUNT (ARP, ND, anything else
 * to an address of a port), or PKT_DROP with its reason. IPv6 extension headers are walked,
 * bounded. key: of the flow hash. Prefetches. n <= BURST_MAX.
 */
void parse_burst(struct net_worker *w, const struct hash_key *key, struct burst *b,
	struct rte_mbuf **mbufs, unsigned int n);

#endif

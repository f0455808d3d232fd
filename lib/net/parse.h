/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From frames to struct pkt: the only place where bytes from the wire are believed or not. After
 * parse_burst() every PKT_GO packet is a well-formed, unfragmented TCP or UDP packet whose headers
 * lie in the first segment, with a right IP checksum, not longer than its IP length says.
 *
 * The checksum of TCP or UDP is between the ends: what passes through keeps it as right or wrong as
 * it came, and the receiver drops what was damaged. So of packets that only pass, nearly all, the
 * payload is not read. Whoever takes a packet at its word, to open a flow or to change a state,
 * asks parse_sum_is_right() first.
 *
 * What it says of where it is from and for is believed in two steps: a packet whose tuple is that
 * of a flow has the addresses and ports that the flow's first packet had, so only packets without a
 * flow are asked for theirs, by parse_first_burst().
 *
 * Whatever the verdict, a VLAN tag is stripped (as a device does it: mbuf.vlan_tci and
 * RTE_MBUF_F_RX_VLAN_STRIPPED), so that the frame starts with 14 bytes of Ethernet header.
 */
#ifndef NET_PARSE_H
#define NET_PARSE_H

#include "base/hash.h"
#include "net/net.h"
#include "net/pkt.h"

/* A nic and a VLAN and what they stand for: of the last frame, for they change seldom within a
 * burst. Its frames are counted here first. See parse_priv.h. */
struct parse_link {
	uint32_t id;      /* nic << 16 | VLAN */
	uint32_t plain;   /* link_kind() of untagged frames in one segment; 0: none are plain */
	uint64_t unusual; /* flags of mbufs that a plain frame has not */
	uint64_t mac;     /* as mac_load() gives it, or MAC_NONE */
	uint64_t packets, bytes;
	uint8_t port; /* or NET_PORT_NONE */
	bool counted; /* by the worker that received them */
};

/* A burst on its way through parsing. */
struct parse {
	struct net_worker *w;
	const struct hash_index *index;
	struct burst *b;
	struct rte_mbuf **mbufs;
	struct parse_link link;
};

/*
 * Parsing of a burst in steps, so that what follows can begin with the first packets while the
 * memory of later ones is on its way: parse_begin(), then parse_step() from packet 0 to n without
 * gaps, then parse_end().
 *
 * Fills b->pkt[0 .. n-1] from the frames in mbufs (mbuf.port: the nic) and sets each verdict:
 * PKT_GO, PKT_ERROR (what it quotes: net/icmp_quote.h; the first ICMP_QUOTE_SPAN bytes lie in the
 * first segment), PKT_ICMP (echo and other ICMP to our addresses), PKT_PUNT (ARP, ND, anything else
 * to an address of a port), or PKT_DROP with its reason. IPv6 extension headers are walked,
 * bounded. index: where flows are looked for; fetched for each packet. b->odd: how many are not
 * PKT_GO. n <= BURST_MAX.
 */
void parse_begin(struct parse *x, struct net_worker *w, const struct hash_index *index,
	struct burst *b, struct rte_mbuf **mbufs, unsigned int n);
void parse_step(struct parse *x, unsigned int from, unsigned int to);
void parse_end(struct parse *x);

/* All of it at once. */
void parse_burst(struct net_worker *w, const struct hash_index *index, struct burst *b,
	struct rte_mbuf **mbufs, unsigned int n);

/* Whether the TCP or UDP checksum of a PKT_GO packet is right, or was found so by the device. If
 * not, the packet is dropped. */
bool parse_sum_is_right(struct pkt *p);

/* PKT_GO packets, which have no flow: drops those that are damaged, or from, or for, what no wire
 * should carry, and sets the flags of the others: whose their destination is. */
void parse_first_burst(const struct net_table *t, struct burst *b);

#endif

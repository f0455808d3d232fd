/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the flood generator; see main.c for what it is. */
#ifndef FLOOD_H
#define FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "base/addr.h"

#define FLOOD_TARGETS   16
#define FLOOD_FRAME_MAX 1514
#define FLOOD_BURST     64

enum flood_kind {
	FLOOD_SYN,      /* SYNs */
	FLOOD_ACK,      /* ACKs of connections that nobody has */
	FLOOD_FORGED,   /* a SYN, and from the same source an ACK that was guessed */
	FLOOD_CONNECT,  /* SYNs; each SYN-ACK is answered with the ACK it asks for, and no more */
	FLOOD_RST,      /* RSTs of connections that nobody has */
	FLOOD_UDP,      /* datagrams */
	FLOOD_FRAGMENT, /* first fragments of datagrams that never end; IPv4 */
	FLOOD_KINDS,
};

extern const char *const flood_kind_names[FLOOD_KINDS];

/* What differs from packet to packet. */
struct flood_origin {
	uint64_t source; /* IPv4: the lower 32 bits; IPv6: the lower half of the address */
	uint32_t seq, ack;
	rte_be16_t sport;
};

/* A frame with everything in place that does not differ, and the sums of that. */
struct flood_shape {
	uint8_t frame[FLOOD_FRAME_MAX];
	uint16_t len, l4;
	bool v6, tcp, ack, unsummed; /* unsummed: no checksum of layer 4 */
	uint64_t ip_sum, l4_sum;
};

/* flags: of TCP (RTE_TCP_SYN_FLAG ...), 0: UDP. size: length of the frame where it is more than
 * what its headers take. */
struct flood_look {
	uint8_t flags;
	bool fragment, mss_only; /* mss_only: a SYN with no other options */
	uint16_t size;
	struct rte_ether_addr from, to;
};

void flood_shape_make(
	struct flood_shape *s, const struct endpoint *target, const struct flood_look *look);

/* Writes a frame of the shape into an empty mbuf, with right checksums. */
void flood_shape_stamp(
	const struct flood_shape *s, const struct flood_origin *o, struct rte_mbuf *m);

/* A source out of 16.0.0.0 to 111.255.255.255, or of 2a00:f10d::/64. */
void flood_origin_draw(struct flood_origin *o, uint64_t *random);

/* What came back. */
struct flood_received {
	uint64_t packets, syn_acks, rsts, other_tcp, udp, icmp, neighbour, others;
};

/* The generator's own end of the link: a router with these addresses. */
struct flood_end {
	struct rte_ether_addr mac, peer;
	bool peer_known;
	bool connect; /* answer SYN-ACKs */
	struct addr address, address6, via;
	struct flood_received received;
};

/* An ARP request for the balancer's address. */
void flood_ask(const struct flood_end *e, struct rte_mbuf *m);

/* Takes a packet in; true: it was turned into an answer that is to be sent. */
bool flood_answer(struct flood_end *e, struct rte_mbuf *m);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP segments without data that are made here: RSTs, and what the SYN proxy says to clients and
 * servers.
 */
#ifndef L4_SEGMENT_H
#define L4_SEGMENT_H

#include <rte_tcp.h>

#include "net/net.h"
#include "net/tcpopt.h"

/* Numbers in host order. */
struct segment {
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
	struct tcp_options options; /* written as tcp_options_write() does */
};

#define SEGMENT_NO_OPTIONS ((struct tcp_options){ .wscale = TCPOPT_NO_SCALE })
#define SEGMENT_MAX        80 /* bytes, with both headers */

/* Whether a segment takes sequence space, being no SYN. */
static inline bool segment_carries(const struct pkt *p)
{
	return (p->tcp_flags & TCP_FIN) ||
	       p->l4_len > (p->l4[offsetof(struct rte_tcp_hdr, data_off)] >> 4) * 4u;
}

/* Source and destination of a segment as the wire has them. */
struct segment_ends {
	uint8_t addrs[32]; /* source, then destination: 8 or 32 bytes */
	rte_be16_t sport, dport;
	bool v6;
};

/* Writes IP and TCP header at l3, where SEGMENT_MAX bytes are free, with right checksums. Returns
 * their length. */
uint16_t segment_write(uint8_t *l3, const struct segment_ends *ends, const struct segment *s);

/* A new packet, as if it had been received: p is set, but for flow, hash and dir. False, counted as
 * a drop, where there is no mbuf. */
bool segment_make(
	struct net_worker *w, const struct tuple *t, const struct segment *s, struct pkt *p);

#endif

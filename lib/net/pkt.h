/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the stages of the pipeline know of a packet: one cache line beside the mbuf, never inside
 * it, filled by net/parse.c and read by every later stage. A burst is an array of them.
 *
 * A stage looks only at packets whose verdict is PKT_GO and leaves each either at PKT_GO (for the
 * next stage) or at the side exit it chose. The mbuf belongs to the pipeline until a verdict's
 * owner takes it: see enum pkt_verdict.
 */
#ifndef NET_PKT_H
#define NET_PKT_H

#include <stdint.h>

#include <rte_mbuf.h>

#include "base/addr.h"
#include "base/drop.h"

#define BURST_MAX 32

enum pkt_verdict {
	PKT_GO,       /* next stage */
	PKT_SEND,     /* rewritten; goes out through adjacency pkt.adj */
	PKT_DROP,     /* to be freed and counted under pkt.reason */
	PKT_PUNT,     /* to the control core */
	PKT_ICMP,     /* ICMP for one of our addresses, no error: net/icmp.c answers */
	PKT_ERROR,    /* ICMP error that quotes a TCP or UDP packet: follows that packet's flow */
	PKT_FRAGMENT, /* of a datagram that is collected by worker owner_of(pkt.hash) first */
	PKT_LOCAL,    /* for TCP here: of the flow pkt.flow, or (NULL) to pkt.service; an ICMP
		       * error about a segment of that flow */
	PKT_KERNEL,   /* for an address of ours, and nobody here wants it: the kernel's */
	PKT_ROUTED, /* neither TCP nor UDP, and not for us: the gateway's, else a drop under reason
		     */
	PKT_TAKEN,  /* somebody else has the mbuf now (held, queued, freed) */
};

/* pkt.flags; of TCP and UDP packets the first four are set only where they have no flow */
#define PKT_OURS    0x01 /* destination is an address of a port */
#define PKT_VIRTUAL 0x02 /* destination is a virtual address */
#define PKT_MAPPED  0x04 /* destination stands for a server: the gateway's */
#define PKT_CLIENT  0x08 /* steered by the client's end: see local_addr */
#define PKT_SPLIT   0x80 /* may leave as fragments, whatever DF says; see pkt.split */

/* pkt.tcp_flags: the byte of the TCP header */
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

/* Directions of a flow. */
#define DIR_FORWARD 0 /* client to server */
#define DIR_RETURN  1

struct flow;

struct pkt {
	struct rte_mbuf *mbuf;
	uint8_t *l3;       /* IP header; contiguous up to the end of the transport header. The 14
			    * bytes before it are the Ethernet header; VLAN tags are stripped */
	uint8_t *l4;       /* transport header */
	struct flow *flow; /* set by the lookup: where its flow should be, NULL where it has none */
	uint32_t hash;     /* hash_tuple4/6() of addresses, ports and protocol */
	uint16_t l3_len;   /* IP datagram, bytes, its header included */
	uint16_t l4_len;   /* transport header and payload, bytes */
	uint8_t family;    /* 4 or 6 */
	uint8_t proto;     /* IPPROTO_TCP, _UDP, _ICMP, _ICMPV6 */
	uint8_t verdict;   /* enum pkt_verdict */
	uint8_t reason;    /* enum drop_reason, with PKT_DROP */
	uint8_t port;      /* the port it came in on (index into net_table.ports) */
	uint8_t flags;
	uint8_t dir;       /* of flow: DIR_FORWARD or DIR_RETURN */
	uint8_t tcp_flags; /* 0 unless TCP */
	uint16_t adj;      /* with PKT_SEND */
	uint16_t split;    /* with PKT_SPLIT: datagrams longer than this leave as fragments of at
			    * most so many bytes, for the path is narrower than the link; 0: as many
			    * as the link takes */
	uint16_t service;  /* with PKT_LOCAL and no flow: its slot */
	uint8_t pad_[10];
} __rte_cache_aligned;

_Static_assert(sizeof(struct pkt) == 64, "one cache line a packet");

struct burst {
	unsigned int n;
	unsigned int odd; /* packets that parsing has not left at PKT_GO */
	bool handed_over; /* its packets have been received and counted before */
	struct pkt pkt[BURST_MAX];
};

/* Every packet of [from, to) that still goes the straight way, */
#define burst_step(b, p, from, to)                                                                 \
	for (struct pkt *p = &(b)->pkt[from], *p##_end = &(b)->pkt[to]; p < p##_end; p++)          \
		if (p->verdict == PKT_GO)

/* and every one of the burst. */
#define burst_foreach(b, p) burst_step(b, p, 0, (b)->n)

static inline void pkt_drop(struct pkt *p, enum drop_reason reason)
{
	p->verdict = PKT_DROP;
	p->reason = (uint8_t)reason;
}

/* Where source and destination address stand in the packet: 8 bytes (IPv4) or 32. */
static inline uint8_t *pkt_addrs(const struct pkt *p)
{
	return p->l3 + (p->family == 4 ? 12 : 8);
}

static inline struct addr pkt_src(const struct pkt *p)
{
	uint32_t v4;

	if (p->family == 6)
		return addr_from_v6(p->l3 + 8);
	memcpy(&v4, p->l3 + 12, 4);
	return addr_from_v4(v4);
}

static inline struct addr pkt_dst(const struct pkt *p)
{
	uint32_t v4;

	if (p->family == 6)
		return addr_from_v6(p->l3 + 24);
	memcpy(&v4, p->l3 + 16, 4);
	return addr_from_v4(v4);
}

/* The tuple of a TCP or UDP packet. */
static inline struct tuple pkt_tuple(const struct pkt *p)
{
	struct tuple t = { .src = pkt_src(p), .dst = pkt_dst(p), .proto = p->proto };

	memcpy(&t.sport, p->l4, 2);
	memcpy(&t.dport, p->l4 + 2, 2);
	return t;
}

/*
 * The tuple of an ICMP or ICMPv6 echo message: the identifier is the port of who asks, and the
 * other port is 0. False for other ICMP.
 */
static inline bool pkt_echo_tuple(const struct pkt *p, struct tuple *t)
{
	const uint8_t type = p->l4[0];
	const bool request = type == (p->family == 4 ? 8 : 128);

	if (p->proto != (p->family == 4 ? 1 : 58) ||
		(!request && type != (p->family == 4 ? 0 : 129)))
		return false;
	*t = (struct tuple){ .src = pkt_src(p), .dst = pkt_dst(p), .proto = p->proto };
	memcpy(request ? &t->sport : &t->dport, p->l4 + 4, 2);
	return true;
}

#endif

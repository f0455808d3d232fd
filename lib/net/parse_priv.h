/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between parse.c, plain frames, parse_frame.c, any frame, and parse_aside.c, what few have.
 * Functions that return false (or a length of 0) have set a verdict other than PKT_GO.
 *
 * None of them is marked cold: gcc then takes the loop that calls them for cold too.
 */
#ifndef NET_PARSE_PRIV_H
#define NET_PARSE_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_ether.h>

#include "net/net.h"
#include "net/parse.h"
#include "net/pkt.h"
#include "wire.h"

#define IPV4_LEN 20
#define IPV6_LEN 40
#define UDP_LEN  8
#define TCP_LEN  20

/* A frame has at least this; every kind that we know has more. */
#define FRAME_MIN (RTE_ETHER_HDR_LEN + IPV4_LEN)

/* By the first byte: 0.0.0.0/8, 127.0.0.0/8 and 240.0.0.0/4 are on no wire (RFC 6890), 224.0.0.0/4
 * is never a source, and as a destination looked at apart. */
static const bool ipv4_odd[256] = { [0] = true, [127] = true, [224 ... 255] = true };

/* Unspecified, loopback, IPv4 compatible (::/96) or IPv4 mapped: on no wire (RFC 4291 2.5). */
static __rte_always_inline bool ipv6_odd(const uint8_t *a)
{
	uint64_t high;
	uint32_t mid;

	memcpy(&high, a, 8);
	memcpy(&mid, a + 8, 4);
	return high == 0 && (mid == 0 || mid == RTE_BE32(0xffff));
}

/* 224.0.0.0/4, ff00::/8 */
static __rte_always_inline bool is_group4(const uint8_t *a)
{
	return a[0] >> 4 == 0xe;
}

static __rte_always_inline bool is_group6(const uint8_t *a)
{
	return a[0] == 0xff;
}

static inline uint32_t load4(const void *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

/* Whether parse_ipv4_unusual() has to look at the addresses or the TTL, */
static __rte_always_inline bool ipv4_unusual(const uint8_t *l3)
{
	return ipv4_odd[l3[12]] || ipv4_odd[l3[16]] || load4(l3 + 12) == load4(l3 + 16) ||
	       l3[8] == 0;
}

/* or parse_ipv6_unusual(). */
static __rte_always_inline bool ipv6_unusual(const uint8_t *l3)
{
	return ipv6_odd(l3 + 8) || ipv6_odd(l3 + 24) || is_group6(l3 + 8) || is_group6(l3 + 24) ||
	       memcmp(l3 + 8, l3 + 24, 16) == 0 || l3[7] == 0;
}

static inline uint16_t load2(const void *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return v;
}

/*
 * Bit i: TCP flags i (FIN SYN RST PSH ACK) can be true of a segment. At most one of SYN, RST and
 * FIN, and ACK everywhere but in a SYN or RST (RFC 9293 3.10.7); PSH, URG and the ECN bits are
 * free.
 */
#define SYN_RST_ACK                                                                                \
	(1u << TCP_SYN | 1u << TCP_RST | 1u << TCP_ACK | 1u << (TCP_ACK | TCP_FIN) |               \
		1u << (TCP_ACK | TCP_SYN) | 1u << (TCP_ACK | TCP_RST))
#define TCP_FLAGS_OK (SYN_RST_ACK | SYN_RST_ACK << TCP_PSH)

/* ---- links ---------------------------------------------------------------------------------- */

/* Flags that a plain frame has none of; parse_frame() looks at these. */
#define LINK_UNUSUAL                                                                               \
	(RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD)

#define LINK_NONE UINT32_MAX
#define MAC_NONE  UINT64_MAX /* equals no mac_load() */

static inline uint64_t mac_load(const void *frame)
{
	return wire_load8(frame) & RTE_BE64(0xffffffffffff0000);
}

/* Segments and nic of an mbuf at once. */
static __rte_always_inline uint32_t link_kind(const struct rte_mbuf *m)
{
	_Static_assert(offsetof(struct rte_mbuf, port) == offsetof(struct rte_mbuf, nb_segs) + 2,
		"side by side");
	return load4(&m->nb_segs);
}

static inline void link_add(struct parse_link *l, uint64_t packets, uint64_t bytes)
{
	l->packets += packets;
	l->bytes += bytes;
}

static inline void link_count(struct net_worker *w, const struct parse_link *l)
{
	if (l->port == NET_PORT_NONE || l->counted)
		return;
	counter_add(&w->port[l->port].rx_packets, l->packets);
	counter_add(&w->port[l->port].rx_bytes, l->bytes);
}

/* Makes l that of a nic and VLAN, after what it has counted until now. */
void parse_link(struct net_worker *w, struct parse_link *l, uint16_t nic, uint16_t vlan);

/* Any frame: sets the verdict. */
void parse_frame(struct net_worker *w, const struct hash_index *index, struct parse_link *l,
	struct pkt *p, struct rte_mbuf *m);

/* ---- frames --------------------------------------------------------------------------------- */

/* Joins the segments of a frame whose first len bytes are not contiguous. */
bool parse_join(struct pkt *p, uint32_t len);

/* Makes the first len bytes of the frame contiguous. Pointers into the first segment stay good. */
static __rte_always_inline bool parse_need(struct pkt *p, uint32_t len)
{
	return likely(p->mbuf->data_len >= len) || parse_join(p, len);
}

/* The same counted from the IP header. */
static __rte_always_inline bool parse_need_l3(struct pkt *p, uint32_t len)
{
	return parse_need(p, RTE_ETHER_HDR_LEN + len);
}

/*
 * The frame is not a single segment that ends where its IP datagram of total bytes does. Takes off
 * what follows (the padding of short frames) and makes the headers contiguous. header: at least so
 * long.
 */
bool parse_fit(struct pkt *p, uint32_t total, uint32_t header);

/* Takes a VLAN tag out of the frame, unless the device has done so. */
bool parse_strip(struct pkt *p);

/* A frame that is not for the port's own address: whether it may go on. Only ARP and multicast may
 * be sent to many. */
bool parse_station(struct pkt *p);

/* The mbuf says how it may leave: see pkt.split. */
void parse_marked(const struct net_worker *w, struct pkt *p);

/* Neither IPv4 nor IPv6. */
void parse_ethertype(struct pkt *p, rte_be16_t type, const struct net_table *t);

/* ---- IP ------------------------------------------------------------------------------------- */

/* The length of an IPv4 header that is not plain, made contiguous; 0: dropped. */
uint32_t parse_ipv4_header(struct pkt *p);

/* TTL 0, an odd address, the same address twice, a fragment or options: whether it may go on. len:
 * of the header. */
bool parse_ipv4_unusual(struct pkt *p, uint32_t len);

/* Walks the extension headers. Returns the offset of the first header that is none and its type in
 * *proto; 0: dropped. */
uint32_t parse_ipv6_walk(struct pkt *p, uint32_t l3_len, uint8_t *proto);

/* No payload, hop limit 0, an odd address, the same address twice or a packet for many: none goes
 * on. */
void parse_ipv6_unusual(struct pkt *p, uint32_t l3_len, const struct net_table *t);

/* ---- what IP carries ------------------------------------------------------------------------ */

_Static_assert((int)PKT_OURS == LOCAL_PORT && (int)PKT_VIRTUAL == LOCAL_VIRTUAL &&
		       (int)PKT_MAPPED == LOCAL_MAPPED,
	"flags by kind");

/* Whether the destination is ours; sets p->flags. */
static __rte_always_inline enum local_kind parse_local(
	struct pkt *p, const uint8_t *l3, uint8_t family, const struct net_table *t)
{
	const struct addr dst = family == 4 ? addr_from_v4(load4(l3 + 16)) : addr_from_v6(l3 + 24);
	const struct local_addr *l = net_local_find(t, &dst);

	p->flags |= l ? l->flags : 0;
	return l ? (enum local_kind)l->kind : LOCAL_NONE;
}

/* The checksum of len bytes from p->l4 on, which are in several segments, or whose sender left it
 * to the device: it is written to field then. */
bool parse_l4_unusual(struct pkt *p, uint32_t len, uint64_t pseudo, rte_be16_t *field);

/* ICMP over IPv4, ICMPv6 over IPv6. */
void parse_icmp(struct pkt *p, uint8_t family, const struct net_table *t);

/* Neither TCP, UDP nor ICMP. */
void parse_other(struct pkt *p, uint8_t family, const struct net_table *t);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a burst of frames and decides for each what it is: see parse.h.
 *
 *   parse_frame --> parse_ipv4 --> parse_transport     a TCP or UDP packet: straight, inlined
 *               \-> parse_ipv6 -/
 *
 * Everything that an ordinary packet does not need is in a function of its own, marked aside: a new
 * port, options and extension headers, multicast, ICMP, trimming, joining segments. Most of them
 * return false after they have set a verdict other than PKT_GO. The straight path only notices
 * that something is unusual and leaves it to them to find out what.
 *
 * No byte is read before need() has allowed it. Once the IP length is that of the frame, or fit()
 * has seen to it, the headers are contiguous as far as that length reaches.
 */
#include "parse.h"

#include <netinet/in.h>

#include <rte_arp.h>
#include <rte_branch_prediction.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "poison.h"
#include "wire.h"

/* Not __rte_cold: gcc then takes the loop that calls these for cold too. */
#define aside static __rte_noinline

/* Frames whose first line is asked for before they are looked at. */
#define AHEAD    6

#define IPV4_LEN 20
#define IPV6_LEN 40
#define UDP_LEN  8
#define ICMP_LEN 8 /* of every message there is */
#define TCP_LEN  20

/* The longest IPv4 and TCP headers; an IPv6 and a TCP header are shorter. */
#define HEADERS_MAX 120

/* A frame has at least this; every kind that we know has more. */
#define FRAME_MIN    (RTE_ETHER_HDR_LEN + IPV4_LEN)

#define IPV6_EXT_MAX 8 /* extension headers that are walked */

#define PROTO_VRRP   112
#define VRRP_GROUP4  RTE_BE32(0xe0000012) /* 224.0.0.18 */

/* ICMPv6 types of neighbour discovery, and the length of its questions without options. */
#define ND_FIRST        133
#define ND_SOLICITATION 135
#define ND_LAST         137
#define ND_LEN          24

/*
 * A nic and a VLAN and what they stand for: of the last frame, for they change seldom within a
 * burst. Its frames are counted here first.
 */
struct link {
	uint32_t id;  /* nic << 16 | VLAN */
	uint8_t port; /* or NET_PORT_NONE */
	uint64_t mac; /* as mac_load() gives it, or MAC_NONE */
	uint64_t packets, bytes;
};

#define LINK_NONE UINT32_MAX
#define MAC_NONE  UINT64_MAX /* equals no mac_load() */

/* ---- small things --------------------------------------------------------------------------- */

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

static inline uint64_t load8(const void *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static inline uint64_t mac_load(const void *frame)
{
	return load8(frame) & RTE_BE64(0xffffffffffff0000);
}

aside bool join(struct pkt *p, uint32_t len)
{
	struct rte_mbuf *m = p->mbuf;
	bool ok = m->pkt_len >= len;

	if (ok) {
		pkt_unpoison(m);
		ok = rte_pktmbuf_linearize(m) == 0;
		pkt_poison(m);
	}
	if (!ok)
		pkt_drop(p, DROP_frame_short);
	return ok;
}

/* Makes the first len bytes of the frame contiguous. Pointers into the first segment stay good. */
static __rte_always_inline bool need(struct pkt *p, uint32_t len)
{
	return likely(p->mbuf->data_len >= len) || join(p, len);
}

/* The same counted from the IP header. */
static __rte_always_inline bool need_l3(struct pkt *p, uint32_t len)
{
	return need(p, RTE_ETHER_HDR_LEN + len);
}

/* Cuts the packet behind its first len bytes. */
static void cut(struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *last = m;

	m->pkt_len = len;
	m->nb_segs = 1;
	for (; len > last->data_len; last = last->next) {
		len -= last->data_len;
		m->nb_segs++;
	}
	last->data_len = (uint16_t)len;
	if (last->next) {
		pkt_unpoison(last->next);
		rte_pktmbuf_free(last->next);
		last->next = NULL;
	}
	pkt_poison(m);
}

/*
 * The frame is not a single segment that ends where its IP datagram of total bytes does. Takes off
 * what follows (the padding of short frames) and makes the headers contiguous. header: at least so
 * long.
 */
aside bool fit(struct pkt *p, uint32_t total, uint32_t header)
{
	struct rte_mbuf *m = p->mbuf;

	if (total < header || total > UINT16_MAX) {
		pkt_drop(p, DROP_ip_length);
		return false;
	}
	if (m->pkt_len < RTE_ETHER_HDR_LEN + total) {
		pkt_drop(p, DROP_frame_truncated);
		return false;
	}
	if (m->pkt_len > RTE_ETHER_HDR_LEN + total)
		cut(m, RTE_ETHER_HDR_LEN + total);
	return need_l3(p, RTE_MIN(total, (uint32_t)HEADERS_MAX));
}

/* Whether fit() has nothing to do. */
static __rte_always_inline bool fits(const struct rte_mbuf *m, uint32_t total)
{
	return likely(RTE_ETHER_HDR_LEN + total == m->data_len && m->nb_segs == 1);
}

/* ---- destination ---------------------------------------------------------------------------- */

_Static_assert((int)PKT_OURS == LOCAL_PORT && (int)PKT_VIRTUAL == LOCAL_VIRTUAL, "flags by kind");

/* Whether the destination is ours, also as p->flags. */
static __rte_always_inline enum local_kind local_kind(
	struct pkt *p, const uint8_t *l3, uint8_t family, const struct net_table *t)
{
	const struct addr dst = family == 4 ? addr_from_v4(load4(l3 + 16)) : addr_from_v6(l3 + 24);
	enum local_kind kind = net_local(t, &dst, NULL);

	p->flags = (uint8_t)kind;
	return kind;
}

/* Neither TCP, UDP nor ICMP. */
aside void parse_other(struct pkt *p, uint8_t family, const struct net_table *t)
{
	if (p->proto != IPPROTO_NONE && local_kind(p, p->l3, family, t) == LOCAL_PORT)
		p->verdict = PKT_PUNT;
	else
		pkt_drop(p, DROP_ip_protocol);
}

/* ---- TCP and UDP ---------------------------------------------------------------------------- */

static uint64_t l4_sum(const struct pkt *p, uint32_t len, uint64_t pseudo)
{
	const struct rte_mbuf *m = p->mbuf;
	const uint32_t off = (uint32_t)(p->l4 - rte_pktmbuf_mtod(m, uint8_t *));

	return wire_sum_mbuf(m, off, len, pseudo);
}

/* Of several segments, or a neighbouring guest's packet, which a virtual device passed on without a
 * checksum: it is written. */
aside bool l4_unusual(struct pkt *p, uint32_t len, uint64_t pseudo, rte_be16_t *field)
{
	const uint64_t flags = p->mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	if (flags == RTE_MBUF_F_RX_L4_CKSUM_NONE) {
		*field = 0;
		*field = (rte_be16_t)~wire_fold(l4_sum(p, len, pseudo));
		if (*field == 0 && p->proto == IPPROTO_UDP)
			*field = 0xffff;
	} else if (!wire_is_right(l4_sum(p, len, pseudo))) {
		pkt_drop(p, DROP_l4_checksum);
		return false;
	}
	return true;
}

/* len: bytes from l4 on that the checksum in field covers. */
static __rte_always_inline bool l4_checksum(struct pkt *p, const struct rte_mbuf *m,
	const uint8_t *l3, uint8_t *l4, uint8_t family, uint8_t proto, uint32_t len,
	rte_be16_t *field)
{
	const uint64_t flags = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	if (flags == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;

	/* What a device calls bad is summed again: some err about UDP without a checksum. */
	const uint64_t pseudo = wire_pseudo(l3, family, proto, len);

	if (unlikely(flags == RTE_MBUF_F_RX_L4_CKSUM_NONE || m->nb_segs != 1))
		return l4_unusual(p, len, pseudo, field);
	if (likely(wire_is_right(wire_sum(l4, len, pseudo))))
		return true;
	pkt_drop(p, DROP_l4_checksum);
	return false;
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

static __rte_always_inline bool parse_tcp(struct pkt *p, const struct rte_mbuf *m,
	const uint8_t *l3, uint8_t *l4, uint8_t family, uint32_t l4_len)
{
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)l4;

	if (unlikely(l4_len < TCP_LEN)) {
		pkt_drop(p, DROP_l4_header);
		return false;
	}

	const uint32_t len = (tcp->data_off >> 4) * 4;
	const uint8_t flags = tcp->tcp_flags;
	const bool known = TCP_FLAGS_OK >> (flags & 0x1f) & 1;

	p->tcp_flags = flags;
	if (unlikely(len < TCP_LEN || len > l4_len || !known)) {
		pkt_drop(p, known ? DROP_l4_header : DROP_tcp_flags);
		return false;
	}
	return l4_checksum(p, m, l3, l4, family, IPPROTO_TCP, l4_len, &tcp->cksum);
}

static __rte_always_inline bool parse_udp(struct pkt *p, const struct rte_mbuf *m,
	const uint8_t *l3, uint8_t *l4, uint8_t family, uint32_t l4_len)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)l4;

	if (unlikely(l4_len < UDP_LEN)) {
		pkt_drop(p, DROP_l4_header);
		return false;
	}

	const uint32_t len = rte_be_to_cpu_16(udp->dgram_len);

	/* The IP payload may be longer; what follows is not the datagram's. */
	if (unlikely(len < UDP_LEN || len > l4_len)) {
		pkt_drop(p, DROP_l4_header);
		return false;
	}
	if (unlikely(udp->dgram_cksum == 0)) {
		if (family == 4)
			return true;
		pkt_drop(p, DROP_l4_checksum); /* RFC 8200 8.1 */
		return false;
	}
	return l4_checksum(p, m, l3, l4, family, IPPROTO_UDP, len, &udp->dgram_cksum);
}

aside void parse_icmp(struct pkt *p, uint8_t family, const struct net_table *t);

/* What lies l4_off bytes after the IP header, of protocol proto. */
static __rte_always_inline void parse_transport(struct pkt *p, struct rte_mbuf *m, uint8_t *l3,
	uint8_t family, uint8_t proto, uint32_t l3_len, uint32_t l4_off, const struct net_table *t,
	const struct hash_key *key)
{
	uint8_t *l4 = l3 + l4_off;
	const uint32_t l4_len = l3_len - l4_off;

	p->l4 = l4;
	p->l3_len = (uint16_t)l3_len;
	p->l4_len = (uint16_t)l4_len;
	p->proto = proto;
	if (likely(proto == IPPROTO_TCP)) {
		if (!parse_tcp(p, m, l3, l4, family, l4_len))
			return;
	} else if (likely(proto == IPPROTO_UDP)) {
		if (!parse_udp(p, m, l3, l4, family, l4_len))
			return;
	} else {
		if (proto == (family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
			parse_icmp(p, family, t);
		else
			parse_other(p, family, t);
		return;
	}

	const uint32_t ports = load4(l4);

	if (unlikely((ports & 0xffff) == 0 || ports >> 16 == 0)) {
		pkt_drop(p, DROP_port_zero);
		return;
	}
	local_kind(p, l3, family, t);
	p->hash = family == 4 ? hash_tuple4(key, l3 + 12, l4, proto)
			      : hash_tuple6(key, l3 + 8, l4, proto);
}

/* ---- ICMP ----------------------------------------------------------------------------------- */

/* Where neighbour discovery sends to many: all nodes, or a solicited node (RFC 4291 2.7.1). */
static bool is_nd_group(const uint8_t *dst)
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	static const uint8_t solicited[13] = { 0xff, 0x02, [11] = 1, [12] = 0xff };

	return memcmp(dst, all_nodes, sizeof(all_nodes)) == 0 ||
	       memcmp(dst, solicited, sizeof(solicited)) == 0;
}

/*
 * Router and neighbour solicitations and advertisements, redirects (RFC 4861). Questions for
 * others, of which a busy link has many, stay off the control core.
 */
static void parse_nd(struct pkt *p, const struct net_table *t)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)p->l3;
	const bool question = p->l4[0] == ND_SOLICITATION;
	struct addr target;

	/* 255: it came through no router (RFC 4861 7.1). */
	if (ip->hop_limits != 255 || (question && p->l4_len < ND_LEN)) {
		pkt_drop(p, DROP_nd_invalid);
		return;
	}
	if (question)
		target = addr_from_v6(p->l4 + 8);
	if ((is_group6(ip->dst_addr) && !is_nd_group(ip->dst_addr)) ||
		(question && net_local(t, &target, NULL) == LOCAL_NONE))
		pkt_drop(p, DROP_not_for_us);
	else
		p->verdict = PKT_PUNT;
}

aside void parse_icmp(struct pkt *p, uint8_t family, const struct net_table *t)
{
	const uint64_t pseudo = family == 4 ? 0 : wire_pseudo(p->l3, 6, IPPROTO_ICMPV6, p->l4_len);

	if (p->l4_len < ICMP_LEN)
		pkt_drop(p, DROP_l4_header);
	else if (wire_fold(l4_sum(p, p->l4_len, pseudo)) != 0xffff)
		pkt_drop(p, DROP_l4_checksum);
	else if (family == 6 && p->l4[0] >= ND_FIRST && p->l4[0] <= ND_LAST)
		parse_nd(p, t);
	else if (local_kind(p, p->l3, family, t) != LOCAL_NONE)
		p->verdict = PKT_ICMP;
	else
		pkt_drop(p, DROP_icmp_type);
}

/* ---- IPv4 ----------------------------------------------------------------------------------- */

/*
 * Of the first 8 bytes of an IPv4 header: version 4, 5 words long, no fragment (offset 0, none to
 * come), which is what nearly all are.
 */
#define IPV4_PLAIN_MASK RTE_BE64(0xff00000000003fff)
#define IPV4_PLAIN      RTE_BE64(0x4500000000000000)

/* The length of a header that is not plain, made contiguous; 0: dropped. */
aside uint32_t ipv4_header(struct pkt *p)
{
	const uint32_t len = (p->l3[0] & 0xf) * 4;
	const uint32_t total = (uint32_t)p->l3[2] << 8 | p->l3[3];

	if (p->l3[0] >> 4 != 4)
		pkt_drop(p, DROP_ip_version);
	else if (len < IPV4_LEN)
		pkt_drop(p, DROP_ip_header);
	else if (total < len)
		pkt_drop(p, DROP_ip_length);
	else if (need_l3(p, len))
		return len;
	return 0;
}

/* Options are let through but for the two that name a route (RFC 7126 4.3, 4.4). len: of the
 * header. */
static bool ipv4_options(struct pkt *p, uint32_t len)
{
	const uint8_t *o = p->l3 + IPV4_LEN, *end = p->l3 + len;

	while (o < end && o[0] != 0) {
		if (o[0] == 1) {
			o++;
			continue;
		}
		if (end - o < 2 || o[1] < 2 || o[1] > end - o) {
			pkt_drop(p, DROP_ip_header);
			return false;
		}
		if (o[0] == 131 || o[0] == 137) {
			pkt_drop(p, DROP_ip_source_route);
			return false;
		}
		o += o[1];
	}
	return true;
}

/* By the first byte: 0.0.0.0/8, 127.0.0.0/8 and 240.0.0.0/4 are on no wire (RFC 6890), 224.0.0.0/4
 * is never a source, and as a destination looked at apart. */
static const bool ipv4_odd[256] = { [0] = true, [127] = true, [224 ... 255] = true };

/* TTL 0, an odd address, the same address twice, a fragment or options: whether it may go on. */
aside bool ipv4_unusual(struct pkt *p, uint32_t len)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)p->l3;
	const uint8_t *src = p->l3 + 12, *dst = p->l3 + 16;

	if (len > IPV4_LEN && !ipv4_options(p, len))
		return false;
	if (ip->time_to_live == 0) {
		pkt_drop(p, DROP_ttl_expired);
	} else if (ipv4_odd[src[0]] || (ipv4_odd[dst[0]] && !is_group4(dst))) {
		pkt_drop(p, DROP_ip_martian);
	} else if (load4(src) == load4(dst)) {
		pkt_drop(p, DROP_ip_land);
	} else if (ip->fragment_offset & RTE_BE16(0x3fff)) {
		pkt_drop(p, DROP_ip_fragment); /* reassembly will take them from here */
	} else if (is_group4(dst)) {
		if (ip->next_proto_id == PROTO_VRRP && load4(dst) == VRRP_GROUP4)
			p->verdict = PKT_PUNT;
		else
			pkt_drop(p, DROP_not_for_us);
	} else {
		return true;
	}
	return false;
}

/* Whether the header's checksum is right; len: with options. */
static __rte_always_inline bool ipv4_checksum(
	const struct rte_mbuf *m, const uint8_t *l3, uint32_t len)
{
	if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return wire_is_right(likely(len == IPV4_LEN) ? wire_sum_ipv4(l3) : wire_sum(l3, len, 0));
}

static __rte_always_inline void parse_ipv4(struct pkt *p, struct rte_mbuf *m, uint8_t *l3,
	const struct net_table *t, const struct hash_key *key)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)l3;
	uint32_t len = IPV4_LEN;
	const bool plain = (load8(l3) & IPV4_PLAIN_MASK) == IPV4_PLAIN;

	p->family = 4;
	if (unlikely(!plain)) {
		len = ipv4_header(p);
		if (len == 0)
			return;
	}

	const uint32_t total = rte_be_to_cpu_16(ip->total_length);

	if (!fits(m, total) && !fit(p, total, IPV4_LEN))
		return;
	if (unlikely(!ipv4_checksum(m, l3, len))) {
		pkt_drop(p, DROP_ip_checksum);
		return;
	}
	if (unlikely(ipv4_odd[l3[12]] || ipv4_odd[l3[16]] || load4(l3 + 12) == load4(l3 + 16) ||
		     ip->time_to_live == 0 || !plain) &&
		!ipv4_unusual(p, len))
		return;
	parse_transport(p, m, l3, 4, ip->next_proto_id, total, len, t, key);
}

/* ---- IPv6 ----------------------------------------------------------------------------------- */

/* Whether an extension header may be skipped. Its first 8 bytes are there. */
static bool ipv6_extension(struct pkt *p, uint8_t type, const uint8_t *ext)
{
	switch (type) {
	case IPPROTO_ROUTING: /* RFC 5095; used up, any other type is only to be skipped */
		if (ext[2] != 0 && ext[3] == 0)
			return true;
		pkt_drop(p, DROP_ip_source_route);
		return false;
	case IPPROTO_FRAGMENT:
		/* Offset 0 and nothing to come: a whole packet (RFC 6946). Reassembly will take the
		 * others from here. */
		if (!((ext[2] << 8 | ext[3]) & 0xfff9))
			return true;
		pkt_drop(p, DROP_ip_fragment);
		return false;
	default: /* options: not ours to act upon (RFC 8200 4.3, 4.6) */
		return true;
	}
}

/* Walks the extension headers. Returns the offset of the first header that is none and its type in
 * *proto; 0: dropped. */
aside uint32_t ipv6_walk(struct pkt *p, uint32_t l3_len, uint8_t *proto)
{
	uint32_t off = IPV6_LEN;
	uint8_t next = *proto;

	for (unsigned int n = 0;; n++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS && next != IPPROTO_ROUTING &&
			next != IPPROTO_FRAGMENT)
			break;
		/* Hop-by-hop options come first or not at all (RFC 8200 4.1). */
		if (n == IPV6_EXT_MAX || (next == IPPROTO_HOPOPTS && n > 0) || l3_len < off + 8) {
			pkt_drop(p, DROP_ip_header);
			return 0;
		}
		if (!need_l3(p, off + 8))
			return 0;

		const uint8_t *ext = p->l3 + off;

		if (!ipv6_extension(p, next, ext))
			return 0;
		off += next == IPPROTO_FRAGMENT ? 8 : (ext[1] + 1u) * 8;
		next = ext[0];
		if (off > l3_len) {
			pkt_drop(p, DROP_ip_header);
			return 0;
		}
	}
	*proto = next;
	return need_l3(p, RTE_MIN(off + HEADERS_MAX / 2, l3_len)) ? off : 0;
}

/* Unspecified, loopback, IPv4 compatible (::/96) or IPv4 mapped: on no wire (RFC 4291 2.5). */
static __rte_always_inline bool ipv6_odd(const uint8_t *a)
{
	uint64_t high;
	uint32_t mid;

	memcpy(&high, a, 8);
	memcpy(&mid, a + 8, 4);
	return high == 0 && (mid == 0 || mid == RTE_BE32(0xffff));
}

/* No payload, hop limit 0, an odd address, the same address twice or a packet for many. */
aside void ipv6_unusual(struct pkt *p, uint32_t l3_len, const struct net_table *t)
{
	static const uint8_t unspecified[16] = { 0 };
	static const uint8_t vrrp[16] = { 0xff, 0x02, [15] = 0x12 };
	const uint8_t *src = p->l3 + 8, *dst = p->l3 + 24;
	const uint8_t proto = p->l3[6];
	/* Duplicate address detection asks from the unspecified address (RFC 4862 5.4.2). */
	const bool dad =
		proto == IPPROTO_ICMPV6 && is_group6(dst) && memcmp(src, unspecified, 16) == 0;

	if (l3_len == IPV6_LEN) {
		pkt_drop(p, DROP_ip_length); /* or it is in a jumbo option (RFC 2675) */
	} else if (p->l3[7] == 0) {
		pkt_drop(p, DROP_ttl_expired);
	} else if ((ipv6_odd(src) && !dad) || is_group6(src) || ipv6_odd(dst)) {
		pkt_drop(p, DROP_ip_martian);
	} else if (memcmp(src, dst, 16) == 0) {
		pkt_drop(p, DROP_ip_land);
	} else if (proto == IPPROTO_ICMPV6) {
		p->proto = proto;
		p->l3_len = (uint16_t)l3_len;
		p->l4 = p->l3 + IPV6_LEN;
		p->l4_len = (uint16_t)(l3_len - IPV6_LEN);
		parse_icmp(p, 6, t);
	} else if (proto == PROTO_VRRP && memcmp(dst, vrrp, 16) == 0) {
		p->verdict = PKT_PUNT;
	} else {
		pkt_drop(p, DROP_not_for_us);
	}
}

static __rte_always_inline void parse_ipv6(struct pkt *p, struct rte_mbuf *m, uint8_t *l3,
	const struct net_table *t, const struct hash_key *key)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)l3;
	uint32_t l4_off = IPV6_LEN;
	uint8_t proto;
	const uint32_t total = IPV6_LEN + rte_be_to_cpu_16(ip->payload_len);

	p->family = 6;
	if (unlikely(l3[0] >> 4 != 6)) {
		pkt_drop(p, DROP_ip_version);
		return;
	}
	if (!fits(m, total) && !fit(p, total, IPV6_LEN))
		return;
	if (unlikely(ipv6_odd(l3 + 8) || ipv6_odd(l3 + 24) || is_group6(l3 + 8) ||
		     is_group6(l3 + 24) || memcmp(l3 + 8, l3 + 24, 16) == 0 ||
		     ip->hop_limits == 0 || total == IPV6_LEN)) {
		ipv6_unusual(p, total, t);
		return;
	}
	proto = ip->proto;
	if (unlikely(proto != IPPROTO_TCP && proto != IPPROTO_UDP)) {
		l4_off = ipv6_walk(p, total, &proto);
		if (l4_off == 0)
			return;
	}
	parse_transport(p, m, l3, 6, proto, total, l4_off, t, key);
}

/* ---- frames --------------------------------------------------------------------------------- */

static void link_count(struct net_worker *w, const struct link *l)
{
	if (l->port == NET_PORT_NONE)
		return;
	counter_add(&w->port[l->port].rx_packets, l->packets);
	counter_add(&w->port[l->port].rx_bytes, l->bytes);
}

/* Finds the port of a nic and VLAN. last: what has been counted until now. */
aside struct link link_change(struct net_worker *w, struct link last, uint16_t nic, uint16_t vlan)
{
	struct link l = {
		.id = (uint32_t)nic << 16 | vlan,
		.port = net_port_of(w->table, nic, vlan),
		.mac = MAC_NONE,
	};

	link_count(w, &last);
	if (l.port != NET_PORT_NONE) {
		l.mac = 0;
		memcpy(&l.mac, &net_port(w->table, l.port)->mac, RTE_ETHER_ADDR_LEN);
	}
	return l;
}

/* A frame that is not for the port's own address: whether it may go on. Only ARP and multicast may
 * be sent to many. */
aside bool other_station(struct pkt *p)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)(p->l3 - RTE_ETHER_HDR_LEN);

	if (p->port == NET_PORT_NONE)
		pkt_drop(p, DROP_wrong_vlan);
	else if (!rte_is_multicast_ether_addr(&eth->dst_addr))
		pkt_drop(p, DROP_wrong_mac);
	else if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) && !is_group4(p->l3 + 16))
		pkt_drop(p, DROP_link_broadcast);
	else if (eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return true;
	else if (!need_l3(p, IPV6_LEN))
		return false;
	else if (!is_group6(p->l3 + 24))
		pkt_drop(p, DROP_link_broadcast);
	else
		return true;
	return false;
}

/* ARP goes to the control core, but for questions about others, of which a busy link has many. A
 * sender that asks for itself announces a change (RFC 5227 3). */
static void parse_arp(struct pkt *p, const struct net_table *t)
{
	const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)p->l3;

	if (!need_l3(p, sizeof(*arp)))
		return;

	const struct addr target = addr_from_v4(arp->arp_data.arp_tip);

	if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) &&
		arp->arp_data.arp_tip != arp->arp_data.arp_sip &&
		net_local(t, &target, NULL) == LOCAL_NONE)
		pkt_drop(p, DROP_not_for_us);
	else
		p->verdict = PKT_PUNT;
}

/* Neither IPv4 nor IPv6. */
aside void parse_ethertype(struct pkt *p, rte_be16_t type, const struct net_table *t)
{
	if (type == RTE_BE16(RTE_ETHER_TYPE_ARP))
		parse_arp(p, t);
	else
		pkt_drop(p, DROP_ethertype);
}

/* Takes the tag out of the frame, unless the device has done so. */
aside bool strip(struct pkt *p)
{
	if (p->mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
		return true;
	return need(p, FRAME_MIN + RTE_VLAN_HLEN) && rte_vlan_strip(p->mbuf) == 0;
}

static __rte_always_inline void parse_frame(struct net_worker *w, const struct net_table *t,
	const struct hash_key *key, struct link *l, struct pkt *p, struct rte_mbuf *m)
{
	const uint32_t frame_len = m->pkt_len;
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	uint16_t vlan = 0;

	*p = (struct pkt){ .mbuf = m, .verdict = PKT_GO, .port = NET_PORT_NONE, .adj = ADJ_NONE };
	if (!need(p, FRAME_MIN))
		return;
	if (unlikely((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) ||
		     eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN))) {
		if (!strip(p))
			return;
		vlan = m->vlan_tci & 0xfff;
		eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	}
	if (unlikely(((uint32_t)m->port << 16 | vlan) != l->id))
		*l = link_change(w, *l, m->port, vlan);
	l->packets++;
	l->bytes += frame_len;

	uint8_t *l3 = (uint8_t *)(uintptr_t)(eth + 1);
	const rte_be16_t type = eth->ether_type;

	p->l3 = l3;
	p->port = l->port;
	if (unlikely(mac_load(eth) != l->mac) && !other_station(p))
		return;
	if (likely(type == RTE_BE16(RTE_ETHER_TYPE_IPV4)))
		parse_ipv4(p, m, l3, t, key);
	else if (likely(type == RTE_BE16(RTE_ETHER_TYPE_IPV6)))
		parse_ipv6(p, m, l3, t, key);
	else
		parse_ethertype(p, type, t);
}

void parse_burst(struct net_worker *w, const struct hash_key *key, struct burst *b,
	struct rte_mbuf **mbufs, unsigned int n)
{
	struct link l = { .id = LINK_NONE, .port = NET_PORT_NONE, .mac = MAC_NONE };

	for (unsigned int i = 0; i < RTE_MIN(n, (unsigned int)AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (unsigned int i = 0; i < n; i++) {
		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + AHEAD], void *));
		parse_frame(w, w->table, key, &l, &b->pkt[i], mbufs[i]);
	}
	b->n = n;
	link_count(w, &l);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One frame, of whatever kind, asked one question after the other: see parse.h. parse.c gives it
 * those that are not plain.
 *
 *   parse_frame --> parse_ipv4 --> parse_transport     a TCP or UDP packet: straight, inlined
 *               \-> parse_ipv6 -/
 *
 * What only few of them need is in parse_aside.c: the straight path only notices that something is
 * unusual and leaves it to a function there to find out what.
 *
 * No byte is read before parse_need() has allowed it. Once the IP length is that of the frame, or
 * parse_fit() has seen to it, the headers are contiguous as far as that length reaches.
 */
#include "parse.h"

#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "parse_priv.h"
#include "wire.h"

/* Shorter segments are summed in place. They have at least 8 bytes. */
#define SUM_INLINE 64

/* Whether parse_fit() has nothing to do. */
static __rte_always_inline bool parse_fits(const struct rte_mbuf *m, uint32_t total)
{
	return likely(RTE_ETHER_HDR_LEN + total == m->data_len && m->nb_segs == 1);
}

/* ---- TCP and UDP ---------------------------------------------------------------------------- */

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
		return parse_l4_unusual(p, len, pseudo, field);
	if (likely(wire_is_right(
		    len < SUM_INLINE ? wire_sum_rest(l4, len, pseudo) : wire_sum(l4, len, pseudo))))
		return true;
	pkt_drop(p, DROP_l4_checksum);
	return false;
}

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

/* What lies l4_off bytes after the IP header, of protocol proto. */
static __rte_always_inline void parse_transport(struct pkt *p, struct rte_mbuf *m, uint8_t *l3,
	uint8_t family, uint8_t proto, uint32_t l3_len, uint32_t l4_off, const struct net_table *t,
	const struct hash_index *index)
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

	p->hash = family == 4 ? hash_tuple4(&index->key, l3 + 12, l4, proto)
			      : hash_tuple6(&index->key, l3 + 8, l4, proto);
	rte_prefetch1(hash_line(index, p->hash));
}

/* ---- IPv4 ----------------------------------------------------------------------------------- */

/*
 * Of the first 8 bytes of an IPv4 header: version 4, 5 words long, no fragment (offset 0, none to
 * come), which is what nearly all are.
 */
#define IPV4_PLAIN_MASK RTE_BE64(0xff00000000003fff)
#define IPV4_PLAIN      RTE_BE64(0x4500000000000000)

/* Whether the header's checksum is right; len: with options. */
static __rte_always_inline bool ipv4_checksum(
	const struct rte_mbuf *m, const uint8_t *l3, uint32_t len)
{
	if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return wire_is_right(likely(len == IPV4_LEN) ? wire_sum_ipv4(l3) : wire_sum(l3, len, 0));
}

static __rte_always_inline void parse_ipv4(struct pkt *p, struct rte_mbuf *m, uint8_t *l3,
	const struct net_table *t, const struct hash_index *index)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)l3;
	uint32_t len = IPV4_LEN;
	const bool plain = (wire_load8(l3) & IPV4_PLAIN_MASK) == IPV4_PLAIN;

	p->family = 4;
	if (unlikely(!plain)) {
		len = parse_ipv4_header(p);
		if (len == 0)
			return;
	}

	const uint32_t total = rte_be_to_cpu_16(ip->total_length);

	if (!parse_fits(m, total) && !parse_fit(p, total, IPV4_LEN))
		return;
	if (unlikely(!ipv4_checksum(m, l3, len))) {
		pkt_drop(p, DROP_ip_checksum);
		return;
	}
	if (unlikely(ipv4_unusual(l3) || !plain) && !parse_ipv4_unusual(p, len))
		return;
	parse_transport(p, m, l3, 4, ip->next_proto_id, total, len, t, index);
}

/* ---- IPv6 ----------------------------------------------------------------------------------- */

static __rte_always_inline void parse_ipv6(struct pkt *p, struct rte_mbuf *m, uint8_t *l3,
	const struct net_table *t, const struct hash_index *index)
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
	if (!parse_fits(m, total) && !parse_fit(p, total, IPV6_LEN))
		return;
	if (unlikely(ipv6_unusual(l3) || total == IPV6_LEN)) {
		parse_ipv6_unusual(p, total, t);
		return;
	}
	proto = ip->proto;
	if (unlikely(proto != IPPROTO_TCP && proto != IPPROTO_UDP)) {
		l4_off = parse_ipv6_walk(p, total, &proto);
		if (l4_off == 0)
			return;
	}
	parse_transport(p, m, l3, 6, proto, total, l4_off, t, index);
}

/* ---- frames --------------------------------------------------------------------------------- */

void parse_link(struct net_worker *w, struct parse_link *l, uint16_t nic, uint16_t vlan)
{
	struct parse_link next = {
		.id = (uint32_t)nic << 16 | vlan,
		.port = net_port_of(w->table, nic, vlan),
		.mac = MAC_NONE,
		.unusual = LINK_UNUSUAL | w->split.flag,
		.counted = l->counted,
	};

	link_count(w, l);
	if (next.port != NET_PORT_NONE) {
		next.mac = 0;
		memcpy(&next.mac, &net_port(w->table, next.port)->mac, RTE_ETHER_ADDR_LEN);
		next.plain = vlan ? 0 : (uint32_t)nic << 16 | 1;
	}
	*l = next;
}

void parse_frame(struct net_worker *w, const struct hash_index *index, struct parse_link *l,
	struct pkt *p, struct rte_mbuf *m)
{
	const struct net_table *t = w->table;
	const uint32_t frame_len = m->pkt_len;
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	uint16_t vlan = 0;

	*p = (struct pkt){ .mbuf = m, .verdict = PKT_GO, .port = NET_PORT_NONE, .adj = ADJ_NONE };
	if (!parse_need(p, FRAME_MIN))
		return;
	if (unlikely((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) ||
		     eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN))) {
		if (!parse_strip(p))
			return;
		vlan = m->vlan_tci & 0xfff;
		eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	}
	if (unlikely(((uint32_t)m->port << 16 | vlan) != l->id))
		parse_link(w, l, m->port, vlan);
	link_add(l, 1, frame_len);

	uint8_t *l3 = (uint8_t *)(uintptr_t)(eth + 1);
	const rte_be16_t type = eth->ether_type;

	p->l3 = l3;
	p->port = l->port;
	if (unlikely(mac_load(eth) != l->mac) && !parse_station(p))
		return;
	if (likely(type == RTE_BE16(RTE_ETHER_TYPE_IPV4)))
		parse_ipv4(p, m, l3, t, index);
	else if (likely(type == RTE_BE16(RTE_ETHER_TYPE_IPV6)))
		parse_ipv6(p, m, l3, t, index);
	else
		parse_ethertype(p, type, t);
	if (unlikely(m->ol_flags & w->split.flag))
		parse_marked(w, p);
}

bool parse_sum_is_right(struct pkt *p)
{
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)p->l4;
	uint32_t len = p->l4_len;

	if (p->proto == IPPROTO_UDP) {
		if (udp->dgram_cksum == 0) /* over IPv6 it would not have come so far */
			return true;
		len = rte_be_to_cpu_16(udp->dgram_len);
	} else if (p->proto != IPPROTO_TCP) {
		return true; /* parse_icmp() has summed it */
	}
	/* parse_frame() has written what the sender had left to its device. */
	if ((p->mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		return true;
	return l4_checksum(p, p->mbuf, p->l3, p->l4, p->family, p->proto, len, NULL);
}

/* ---- packets without a flow ----------------------------------------------------------------- */

static inline bool is_plausible(struct pkt *p, const struct net_table *t)
{
	if (p->family == 4)
		return likely(!ipv4_unusual(p->l3)) || parse_ipv4_unusual(p, IPV4_LEN);
	if (likely(!ipv6_unusual(p->l3)))
		return true;
	parse_ipv6_unusual(p, p->l3_len, t);
	return false;
}

void parse_first_burst(const struct net_table *t, struct burst *b)
{
	burst_foreach (b, p) {
		const uint32_t ports = load4(p->l4);

		if (!is_plausible(p, t) || !parse_sum_is_right(p))
			continue;
		if (unlikely((ports & 0xffff) == 0 || ports >> 16 == 0))
			pkt_drop(p, DROP_port_zero);
		else
			parse_local(p, p->l3, p->family, t);
	}
}

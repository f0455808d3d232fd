/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What most packets do not need, for parse.c: padding and segments, options and extension headers,
 * ICMP, multicast, ARP and neighbour discovery. parse_priv.h says what each function promises.
 */
#include <netinet/in.h>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "icmp_quote.h"
#include "net_priv.h"
#include "parse_priv.h"
#include "poison.h"
#include "wire.h"

#define ICMP_LEN     8 /* of every message there is */
#define IPV6_EXT_MAX 8 /* extension headers that are walked */

#define PROTO_VRRP   112
#define VRRP_GROUP4  RTE_BE32(0xe0000012) /* 224.0.0.18 */

/* ICMPv6 types of neighbour discovery, and the length of its questions without options. */
#define ND_FIRST        133
#define ND_SOLICITATION 135
#define ND_LAST         137
#define ND_LEN          24

/* The longest IPv4 and TCP headers; an IPv6 and a TCP header are shorter. */
#define HEADERS_MAX 120

/* ---- frames --------------------------------------------------------------------------------- */

bool parse_join(struct pkt *p, uint32_t len)
{
	struct rte_mbuf *m = p->mbuf;

	if (m->pkt_len < len || (uint32_t)m->data_len + rte_pktmbuf_tailroom(m) < len) {
		pkt_drop(p, DROP_frame_short);
		return false;
	}
	/* No more than is needed: the rest of a chain may be longer than a buffer. */
	pkt_unpoison(m);
	while (m->data_len < len) {
		struct rte_mbuf *next = m->next;
		const uint16_t n = (uint16_t)RTE_MIN(len - m->data_len, (uint32_t)next->data_len);

		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len),
			rte_pktmbuf_mtod(next, uint8_t *), n);
		m->data_len += n;
		next->data_off += n;
		next->data_len -= n;
		if (next->data_len == 0) {
			m->next = next->next;
			m->nb_segs--;
			next->next = NULL;
			next->nb_segs = 1;
			rte_pktmbuf_free_seg(next);
		}
	}
	pkt_poison(m);
	return true;
}

void parse_marked(const struct net_worker *w, struct pkt *p)
{
	if (split_marked(w, p->mbuf, &p->split))
		p->flags |= PKT_SPLIT;
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

bool parse_fit(struct pkt *p, uint32_t total, uint32_t header)
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
	return parse_need_l3(p, RTE_MIN(total, (uint32_t)HEADERS_MAX));
}

bool parse_station(struct pkt *p)
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
	else if (!parse_need_l3(p, IPV6_LEN))
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

	if (!parse_need_l3(p, sizeof(*arp)))
		return;

	const struct addr target = addr_from_v4(arp->arp_data.arp_tip);

	if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) &&
		arp->arp_data.arp_tip != arp->arp_data.arp_sip &&
		net_local(t, &target, NULL) == LOCAL_NONE)
		pkt_drop(p, DROP_not_for_us);
	else
		p->verdict = PKT_PUNT;
}

void parse_ethertype(struct pkt *p, rte_be16_t type, const struct net_table *t)
{
	if (type == RTE_BE16(RTE_ETHER_TYPE_ARP))
		parse_arp(p, t);
	else
		pkt_drop(p, DROP_ethertype);
}

bool parse_strip(struct pkt *p)
{
	if (p->mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
		return true;
	return parse_need(p, FRAME_MIN + RTE_VLAN_HLEN) && rte_vlan_strip(p->mbuf) == 0;
}

/* ---- TCP and UDP ---------------------------------------------------------------------------- */

/* Not for us: the gateway's, if there is one. */
static void parse_routed(struct pkt *p, enum drop_reason reason, const struct net_table *t)
{
	pkt_drop(p, reason);
	if (t->gateway)
		p->verdict = PKT_ROUTED;
}

void parse_other(struct pkt *p, uint8_t family, const struct net_table *t)
{
	const enum local_kind kind =
		p->proto == IPPROTO_NONE ? LOCAL_NONE : parse_local(p, p->l3, family, t);

	if (kind == LOCAL_PORT)
		p->verdict = net_kernel_wants(t, p) ? PKT_KERNEL : PKT_PUNT;
	else if (kind == LOCAL_VIRTUAL)
		pkt_drop(p, DROP_ip_protocol);
	else
		parse_routed(p, DROP_ip_protocol, t);
}

static uint64_t l4_sum(const struct pkt *p, uint32_t len, uint64_t pseudo)
{
	const struct rte_mbuf *m = p->mbuf;
	const uint32_t off = (uint32_t)(p->l4 - rte_pktmbuf_mtod(m, uint8_t *));

	return wire_sum_mbuf(m, off, len, pseudo);
}

bool parse_l4_unusual(struct pkt *p, uint32_t len, uint64_t pseudo, rte_be16_t *field)
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

/* Whether it is about a packet of a flow, or of a tunnel's between us and a server. To many nobody
 * sends such a thing. */
static bool is_error(const struct pkt *p)
{
	struct icmp_quote q;

	return icmp_quoted(p, &q) && !addr_is_multicast(&q.tuple.dst) &&
	       (q.proto == IPPROTO_TCP || q.proto == IPPROTO_UDP || (p->flags & PKT_OURS));
}

/* An error, echo, or anything else that is not neighbour discovery. */
static void parse_message(struct pkt *p, uint8_t family, const struct net_table *t)
{
	if (!parse_need_l3(p, RTE_MIN((uint32_t)p->l3_len, (uint32_t)ICMP_QUOTE_SPAN)))
		return;
	parse_local(p, p->l3, family, t);
	if (is_error(p))
		p->verdict = PKT_ERROR;
	else if (p->flags & (PKT_OURS | PKT_VIRTUAL))
		p->verdict = PKT_ICMP;
	else
		parse_routed(p, DROP_icmp_type, t);
}

void parse_icmp(struct pkt *p, uint8_t family, const struct net_table *t)
{
	const uint64_t pseudo = family == 4 ? 0 : wire_pseudo(p->l3, 6, IPPROTO_ICMPV6, p->l4_len);

	if (p->l4_len < ICMP_LEN)
		pkt_drop(p, DROP_l4_header);
	else if (wire_fold(l4_sum(p, p->l4_len, pseudo)) != 0xffff)
		pkt_drop(p, DROP_l4_checksum);
	else if (family == 6 && p->l4[0] >= ND_FIRST && p->l4[0] <= ND_LAST)
		parse_nd(p, t);
	else
		parse_message(p, family, t);
}

/* ---- IPv4 ----------------------------------------------------------------------------------- */

uint32_t parse_ipv4_header(struct pkt *p)
{
	const uint32_t len = (p->l3[0] & 0xf) * 4;
	const uint32_t total = (uint32_t)p->l3[2] << 8 | p->l3[3];

	if (p->l3[0] >> 4 != 4)
		pkt_drop(p, DROP_ip_version);
	else if (len < IPV4_LEN)
		pkt_drop(p, DROP_ip_header);
	else if (total < len)
		pkt_drop(p, DROP_ip_length);
	else if (parse_need_l3(p, len))
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

/* The fragment's payload lies off bytes after the IP header. All workers find the same hash. */
static void parse_fragment(struct pkt *p, uint32_t l3_len, uint32_t off, uint8_t proto)
{
	static const struct hash_key key = { { 0x6c62272e07bb0142u, 0x9e3779b97f4a7c15u } };
	uint32_t id = 0;

	p->verdict = PKT_FRAGMENT;
	p->l3_len = (uint16_t)l3_len;
	p->l4 = p->l3 + off;
	p->l4_len = (uint16_t)(l3_len - off);
	p->proto = proto;
	if (p->family == 4) {
		memcpy(&id, p->l3 + 4, 2);
		p->hash = hash_tuple4(&key, p->l3 + 12, &id, proto);
	} else {
		memcpy(&id, p->l4 - 4, 4);
		p->hash = hash_tuple6(&key, p->l3 + 8, &id, 0);
	}
}

bool parse_ipv4_unusual(struct pkt *p, uint32_t len)
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
	} else if (is_group4(dst) && (ip->fragment_offset & RTE_BE16(0x3fff))) {
		pkt_drop(p, DROP_not_for_us);
	} else if (ip->fragment_offset & RTE_BE16(0x3fff)) {
		parse_fragment(p, rte_be_to_cpu_16(ip->total_length), len, ip->next_proto_id);
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

/* ---- IPv6 ----------------------------------------------------------------------------------- */

/* Whether an extension header may be skipped. Its first 8 bytes are there. l3_len: of the packet.
 */
static bool ipv6_extension(struct pkt *p, uint32_t l3_len, uint8_t type, const uint8_t *ext)
{
	switch (type) {
	case IPPROTO_ROUTING: /* RFC 5095; used up, any other type is only to be skipped */
		if (ext[2] != 0 && ext[3] == 0)
			return true;
		pkt_drop(p, DROP_ip_source_route);
		return false;
	case IPPROTO_FRAGMENT:
		/* Offset 0 and nothing to come: a whole packet (RFC 6946). */
		if (!((ext[2] << 8 | ext[3]) & 0xfff9))
			return true;
		parse_fragment(p, l3_len, (uint32_t)(ext + 8 - p->l3), ext[0]);
		return false;
	default: /* options: not ours to act upon (RFC 8200 4.3, 4.6) */
		return true;
	}
}

uint32_t parse_ipv6_walk(struct pkt *p, uint32_t l3_len, uint8_t *proto)
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
		if (!parse_need_l3(p, off + 8))
			return 0;

		const uint8_t *ext = p->l3 + off;

		if (!ipv6_extension(p, l3_len, next, ext))
			return 0;
		off += next == IPPROTO_FRAGMENT ? 8 : (ext[1] + 1u) * 8;
		next = ext[0];
		if (off > l3_len) {
			pkt_drop(p, DROP_ip_header);
			return 0;
		}
	}
	*proto = next;
	return parse_need_l3(p, RTE_MIN(off + HEADERS_MAX / 2, l3_len)) ? off : 0;
}

void parse_ipv6_unusual(struct pkt *p, uint32_t l3_len, const struct net_table *t)
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

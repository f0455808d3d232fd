/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861, 4.3 and 4.4) on the wire, made into
 * one question-and-answer form for neigh.c. Pure, apart from taking buffers. What a receiver must
 * check before it believes a message (RFC 4861, 7.1) is checked here; whether it concerns us is
 * not.
 */
#include <netinet/in.h>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "net_priv.h"

#define ND_SOLICIT        135
#define ND_ADVERT         136
#define ND_HOP_LIMIT      255

#define ND_OPT_SOURCE_MAC 1
#define ND_OPT_TARGET_MAC 2

#define ND_ROUTER         0x80
#define ND_SOLICITED      0x40
#define ND_OVERRIDE       0x20

/* Solicitation and advertisement: the flags are zero in the former. */
struct nd_hdr {
	uint8_t type, code;
	rte_be16_t cksum;
	uint8_t flags, reserved[3];
	uint8_t target[16];
} __rte_packed __rte_aligned(2);

struct nd_opt {
	uint8_t type, len; /* len in units of 8 bytes */
	struct rte_ether_addr mac;
} __rte_packed __rte_aligned(2);

struct nd_packet {
	struct rte_ether_hdr eth;
	struct rte_ipv6_hdr ip;
	struct nd_hdr nd;
	struct nd_opt opt;
} __rte_packed __rte_aligned(2);

struct arp_packet {
	struct rte_ether_hdr eth;
	struct rte_arp_hdr arp;
} __rte_packed __rte_aligned(2);

/* A MAC that one station can have. */
static bool mac_is_sane(const struct rte_ether_addr *mac)
{
	return rte_is_valid_assigned_ether_addr(mac);
}

/* ---- taking apart --------------------------------------------------------------------------- */

static bool parse_arp(const uint8_t *at, size_t len, struct neigh_msg *msg)
{
	const struct rte_arp_hdr *arp = (const void *)at;
	rte_be32_t sip, tip;

	if (len < sizeof(*arp) || arp->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
		arp->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
		arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != 4)
		return false;
	memcpy(&sip, &arp->arp_data.arp_sip, 4);
	memcpy(&tip, &arp->arp_data.arp_tip, 4);
	msg->mac = arp->arp_data.arp_sha;
	msg->has_mac = true;
	msg->sender = addr_from_v4(sip);
	msg->target = addr_from_v4(tip);
	msg->override = true;
	if (!mac_is_sane(&msg->mac) || addr_is_multicast(&msg->sender))
		return false;
	/* Gratuitous, in either form: tells the sender's MAC and asks nothing (RFC 5227, 3). */
	if (sip == tip) {
		msg->op = NEIGH_ANSWER;
		msg->solicited = false;
		return true;
	}
	msg->op = arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) ? NEIGH_ASK : NEIGH_ANSWER;
	if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY))
		msg->target = msg->sender;
	return arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) ||
	       arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY);
}

/* The link-layer address option of a type; false when the options are malformed. */
static bool parse_nd_options(const uint8_t *at, size_t len, uint8_t type, struct neigh_msg *msg)
{
	while (len >= 8) {
		const struct nd_opt *opt = (const void *)at;
		size_t size = (size_t)opt->len * 8;

		if (size == 0 || size > len)
			return false;
		if (opt->type == type && opt->len == 1 && !msg->has_mac) {
			msg->mac = opt->mac;
			msg->has_mac = true;
			if (!mac_is_sane(&msg->mac))
				return false;
		}
		at += size;
		len -= size;
	}
	return len == 0;
}

/* RFC 4861, 7.1.1 and 7.1.2. */
static bool parse_nd(const uint8_t *at, size_t len, struct neigh_msg *msg)
{
	const struct rte_ipv6_hdr *ip = (const void *)at;
	const struct nd_hdr *nd = (const void *)(ip + 1);
	size_t payload;
	struct addr dst;

	if (len < sizeof(*ip) + sizeof(*nd))
		return false;
	payload = rte_be_to_cpu_16(ip->payload_len);
	if (payload < sizeof(*nd) || payload > len - sizeof(*ip) || ip->proto != IPPROTO_ICMPV6 ||
		ip->hop_limits != ND_HOP_LIMIT || nd->code != 0 ||
		rte_ipv6_udptcp_cksum(ip, nd) != 0)
		return false;
	dst = addr_from_v6(ip->dst_addr);
	msg->target = addr_from_v6(nd->target);
	msg->sender = addr_from_v6(ip->src_addr);
	if (addr_is_multicast(&msg->target) || addr_is_zero(&msg->target) ||
		addr_is_multicast(&msg->sender))
		return false;
	if (!parse_nd_options((const uint8_t *)(nd + 1), payload - sizeof(*nd),
		    nd->type == ND_SOLICIT ? ND_OPT_SOURCE_MAC : ND_OPT_TARGET_MAC, msg))
		return false;
	if (nd->type == ND_SOLICIT) {
		msg->op = NEIGH_ASK;
		/* From the unspecified address: a probe for duplicates, to the group, without MAC.
		 */
		return !addr_is_zero(&msg->sender) || (addr_is_multicast(&dst) && !msg->has_mac);
	}
	msg->op = NEIGH_ANSWER;
	msg->solicited = nd->flags & ND_SOLICITED;
	msg->override = nd->flags & ND_OVERRIDE;
	return !(addr_is_multicast(&dst) && msg->solicited);
}

bool neigh_msg_parse(const struct rte_mbuf *m, struct neigh_msg *msg, enum drop_reason *reason)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_ether_hdr *eth = (const void *)at;
	size_t len = m->data_len, off = sizeof(*eth);
	rte_be16_t type;

	*msg = (struct neigh_msg){ 0 };
	*reason = DROP_frame_short;
	if (len < sizeof(*eth))
		return false;
	type = eth->ether_type;
	msg->from = eth->src_addr;
	if (type == RTE_BE16(RTE_ETHER_TYPE_VLAN)) {
		const struct rte_vlan_hdr *tag = (const void *)(eth + 1);

		off += sizeof(*tag);
		if (len < off)
			return false;
		type = tag->eth_proto;
		msg->vlan = rte_be_to_cpu_16(tag->vlan_tci) & 0xfff;
	} else if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		msg->vlan = m->vlan_tci & 0xfff;
	}
	if (type == RTE_BE16(RTE_ETHER_TYPE_ARP)) {
		*reason = DROP_arp_invalid;
		/* An answer to us comes to our MAC, an unasked one to all. */
		msg->solicited = rte_is_unicast_ether_addr(&eth->dst_addr);
		return mac_is_sane(&msg->from) && parse_arp(at + off, len - off, msg);
	}
	*reason = DROP_punt_unwanted;
	if (type != RTE_BE16(RTE_ETHER_TYPE_IPV6) ||
		len < off + sizeof(struct rte_ipv6_hdr) + sizeof(struct nd_hdr) ||
		at[off + 6] != IPPROTO_ICMPV6 ||
		(at[off + sizeof(struct rte_ipv6_hdr)] != ND_SOLICIT &&
			at[off + sizeof(struct rte_ipv6_hdr)] != ND_ADVERT))
		return false;
	*reason = DROP_nd_invalid;
	return mac_is_sane(&msg->from) && parse_nd(at + off, len - off, msg);
}

/* ---- making --------------------------------------------------------------------------------- */

static const struct rte_ether_addr broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

static struct rte_mbuf *make_arp(struct rte_mempool *pool, const struct rte_ether_addr *src_mac,
	const struct rte_ether_addr *dst_mac, uint16_t op, rte_be32_t sip, rte_be32_t tip,
	const struct rte_ether_addr *tha)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (!m)
		return NULL;
	struct arp_packet *p = (void *)rte_pktmbuf_append(m, sizeof(*p));

	*p = (struct arp_packet){
		.eth = { .dst_addr = *dst_mac,
			.src_addr = *src_mac,
			.ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP) },
		.arp = { .arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
			.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
			.arp_hlen = RTE_ETHER_ADDR_LEN,
			.arp_plen = 4,
			.arp_opcode = rte_cpu_to_be_16(op),
			.arp_data = { .arp_sha = *src_mac, .arp_sip = sip, .arp_tip = tip } },
	};
	if (tha)
		p->arp.arp_data.arp_tha = *tha;
	return m;
}

/* dst_mac NULL: that of the multicast address dst (RFC 2464, 7). */
static struct rte_mbuf *make_nd(struct rte_mempool *pool, const struct rte_ether_addr *src_mac,
	const struct rte_ether_addr *dst_mac, const struct addr *src, const struct addr *dst,
	const struct addr *target, uint8_t type, uint8_t flags)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ether_addr group = { { 0x33, 0x33, dst->b[12], dst->b[13], dst->b[14],
		dst->b[15] } };
	struct nd_packet *p;

	if (!m)
		return NULL;
	p = (void *)rte_pktmbuf_append(m, sizeof(*p));
	*p = (struct nd_packet){
		.eth = { .dst_addr = dst_mac ? *dst_mac : group,
			.src_addr = *src_mac,
			.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6) },
		.ip = { .vtc_flow = RTE_BE32(UINT32_C(6) << 28),
			.payload_len = RTE_BE16(sizeof(struct nd_hdr) + sizeof(struct nd_opt)),
			.proto = IPPROTO_ICMPV6,
			.hop_limits = ND_HOP_LIMIT },
		.nd = { .type = type, .flags = flags },
		.opt = { .type = type == ND_SOLICIT ? ND_OPT_SOURCE_MAC : ND_OPT_TARGET_MAC,
			.len = 1,
			.mac = *src_mac },
	};
	memcpy(p->ip.src_addr, src->b, 16);
	memcpy(p->ip.dst_addr, dst->b, 16);
	memcpy(p->nd.target, target->b, 16);
	p->nd.cksum = rte_ipv6_udptcp_cksum(&p->ip, &p->nd);
	return m;
}

/* RFC 4291, 2.7.1: ff02::1:ff00:0/104 and the last 24 bits. */
static struct addr solicited_node(const struct addr *a)
{
	struct addr g = { .b = { 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a->b[13], a->b[14],
				  a->b[15] } };
	return g;
}

static const struct addr all_nodes = { .b = { [0] = 0xff, [1] = 2, [15] = 1 } };

struct rte_mbuf *neigh_msg_ask(struct rte_mempool *pool, const struct rte_ether_addr *src_mac,
	const struct addr *sender, const struct addr *target, const struct rte_ether_addr *unicast)
{
	if (addr_is_v4(target))
		return make_arp(pool, src_mac, unicast ? unicast : &broadcast, RTE_ARP_OP_REQUEST,
			addr_v4(sender), addr_v4(target), NULL);
	struct addr dst = unicast ? *target : solicited_node(target);
	return make_nd(pool, src_mac, unicast, sender, &dst, target, ND_SOLICIT, 0);
}

struct rte_mbuf *neigh_msg_answer(struct rte_mempool *pool, const struct rte_ether_addr *src_mac,
	const struct neigh_msg *question, bool router)
{
	const struct neigh_msg *q = question;
	uint8_t flags = ND_OVERRIDE | (router ? ND_ROUTER : 0);

	if (addr_is_v4(&q->target))
		return make_arp(pool, src_mac, &q->mac, RTE_ARP_OP_REPLY, addr_v4(&q->target),
			addr_v4(&q->sender), &q->mac);
	/* RFC 4861, 7.2.4: a probe for duplicates is answered to all, unsolicited. */
	if (addr_is_zero(&q->sender))
		return make_nd(
			pool, src_mac, NULL, &q->target, &all_nodes, &q->target, ND_ADVERT, flags);
	return make_nd(pool, src_mac, q->has_mac ? &q->mac : &q->from, &q->target, &q->sender,
		&q->target, ND_ADVERT, flags | ND_SOLICITED);
}

struct rte_mbuf *neigh_msg_announce(struct rte_mempool *pool, const struct rte_ether_addr *src_mac,
	const struct addr *own, bool router)
{
	if (addr_is_v4(own))
		return make_arp(pool, src_mac, &broadcast, RTE_ARP_OP_REQUEST, addr_v4(own),
			addr_v4(own), NULL);
	return make_nd(pool, src_mac, NULL, own, &all_nodes, own, ND_ADVERT,
		ND_OVERRIDE | (router ? ND_ROUTER : 0));
}

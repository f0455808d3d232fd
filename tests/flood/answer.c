/* SPDX-License-Identifier: BSD-3-Clause */
/* What the flood's end of the link does with what it receives: answers ARP and neighbour
 * solicitations for its own addresses, completes handshakes where that is wanted, and counts. */
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "flood.h"
#include "net/wire.h"

void flood_ask(const struct flood_end *e, struct rte_mbuf *m)
{
	struct {
		struct rte_ether_hdr eth;
		struct rte_arp_hdr arp;
	} *q = rte_pktmbuf_mtod(m, void *);

	m->data_len = sizeof(*q);
	m->pkt_len = sizeof(*q);
	memset(q, 0, sizeof(*q));
	memset(&q->eth.dst_addr, 0xff, RTE_ETHER_ADDR_LEN);
	q->eth.src_addr = e->mac;
	q->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	q->arp.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	q->arp.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	q->arp.arp_hlen = RTE_ETHER_ADDR_LEN;
	q->arp.arp_plen = 4;
	q->arp.arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST);
	q->arp.arp_data.arp_sha = e->mac;
	q->arp.arp_data.arp_sip = addr_v4(&e->address);
	q->arp.arp_data.arp_tip = addr_v4(&e->via);
}

static void turn_round(const struct flood_end *e, struct rte_ether_hdr *eth)
{
	eth->dst_addr = eth->src_addr;
	eth->src_addr = e->mac;
}

static bool answer_arp(struct flood_end *e, struct rte_ether_hdr *eth, uint16_t len)
{
	struct rte_arp_hdr *arp = (struct rte_arp_hdr *)(eth + 1);
	struct rte_arp_ipv4 *d = &arp->arp_data;

	if (len < sizeof(*eth) + sizeof(*arp))
		return false;
	if (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY) && d->arp_sip == addr_v4(&e->via)) {
		e->peer = d->arp_sha;
		e->peer_known = true;
		return false;
	}
	if (arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST) || d->arp_tip != addr_v4(&e->address))
		return false;
	turn_round(e, eth);
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	d->arp_tha = d->arp_sha;
	d->arp_tip = d->arp_sip;
	d->arp_sha = e->mac;
	d->arp_sip = addr_v4(&e->address);
	return true;
}

/* A solicitation becomes an advertisement (RFC 4861, 7.2.4): as long as it was, with a target
 * option. */
static bool answer_solicitation(
	struct flood_end *e, struct rte_mbuf *m, struct rte_ipv6_hdr *ip, uint16_t len)
{
	struct {
		struct nd_neighbor_advert na;
		uint8_t option[8];
	} *a = (void *)(ip + 1);
	const uint16_t size = sizeof(struct rte_ether_hdr) + sizeof(*ip) + sizeof(*a);

	if (len < size || a->na.nd_na_type != ND_NEIGHBOR_SOLICIT ||
		memcmp(&a->na.nd_na_target, e->address6.b, 16) != 0)
		return false;
	turn_round(e, rte_pktmbuf_mtod(m, struct rte_ether_hdr *));
	memcpy(ip->dst_addr, ip->src_addr, 16);
	memcpy(ip->src_addr, e->address6.b, 16);
	ip->payload_len = rte_cpu_to_be_16(sizeof(*a));
	a->na.nd_na_type = ND_NEIGHBOR_ADVERT;
	a->na.nd_na_flags_reserved = ND_NA_FLAG_ROUTER | ND_NA_FLAG_SOLICITED | ND_NA_FLAG_OVERRIDE;
	a->option[0] = ND_OPT_TARGET_LINKADDR;
	a->option[1] = 1;
	memcpy(a->option + 2, &e->mac, RTE_ETHER_ADDR_LEN);
	a->na.nd_na_cksum = 0;
	a->na.nd_na_cksum = (uint16_t)~wire_fold(
		wire_sum(a, sizeof(*a), wire_pseudo(ip, 6, IPPROTO_ICMPV6, sizeof(*a))));
	m->data_len = size;
	m->pkt_len = size;
	return true;
}

/* The third packet of a handshake, written over the second. */
static void acknowledge(const struct flood_end *e, struct rte_mbuf *m, uint8_t *l3, bool v6)
{
	struct rte_ipv4_hdr *ip4 = (void *)l3;
	struct rte_ipv6_hdr *ip6 = (void *)l3;
	struct rte_tcp_hdr *tcp = v6 ? (void *)(ip6 + 1) : (void *)(ip4 + 1);
	const rte_be16_t port = tcp->src_port;
	const rte_be32_t seq = tcp->recv_ack;
	uint8_t address[16];

	turn_round(e, rte_pktmbuf_mtod(m, struct rte_ether_hdr *));
	if (v6) {
		memcpy(address, ip6->src_addr, 16);
		memcpy(ip6->src_addr, ip6->dst_addr, 16);
		memcpy(ip6->dst_addr, address, 16);
		ip6->payload_len = rte_cpu_to_be_16(sizeof(*tcp));
	} else {
		memcpy(address, &ip4->src_addr, 4);
		ip4->src_addr = ip4->dst_addr;
		memcpy(&ip4->dst_addr, address, 4);
		ip4->total_length = rte_cpu_to_be_16(sizeof(*ip4) + sizeof(*tcp));
		ip4->hdr_checksum = 0;
		ip4->hdr_checksum = (uint16_t)~wire_fold(wire_sum_ipv4(ip4));
	}
	tcp->src_port = tcp->dst_port;
	tcp->dst_port = port;
	tcp->recv_ack = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + 1);
	tcp->sent_seq = seq;
	tcp->data_off = sizeof(*tcp) / 4 << 4;
	tcp->tcp_flags = RTE_TCP_ACK_FLAG;
	tcp->cksum = 0;
	tcp->cksum = (uint16_t)~wire_fold(wire_sum(
		tcp, sizeof(*tcp), wire_pseudo(l3, v6 ? 6 : 4, IPPROTO_TCP, sizeof(*tcp))));
	m->data_len = (uint16_t)((uint8_t *)(tcp + 1) - rte_pktmbuf_mtod(m, uint8_t *));
	m->pkt_len = m->data_len;
}

static bool take_tcp(struct flood_end *e, struct rte_mbuf *m, uint8_t *l3,
	const struct rte_tcp_hdr *tcp, bool v6)
{
	if (tcp->tcp_flags & RTE_TCP_RST_FLAG) {
		e->received.rsts++;
	} else if ((tcp->tcp_flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG)) ==
		   (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG)) {
		e->received.syn_acks++;
		if (e->connect) {
			acknowledge(e, m, l3, v6);
			return true;
		}
	} else {
		e->received.other_tcp++;
	}
	return false;
}

static bool take_ip(struct flood_end *e, struct rte_mbuf *m, uint8_t *l3, uint16_t len, bool v6)
{
	const uint8_t proto = v6 ? ((struct rte_ipv6_hdr *)l3)->proto
				 : ((struct rte_ipv4_hdr *)l3)->next_proto_id;
	uint8_t *l4 = l3 + (v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr));
	const uint16_t rest = len - (uint16_t)(l4 - rte_pktmbuf_mtod(m, uint8_t *));

	if (proto == IPPROTO_TCP && rest >= sizeof(struct rte_tcp_hdr))
		return take_tcp(e, m, l3, (struct rte_tcp_hdr *)l4, v6);
	if (proto == IPPROTO_ICMPV6 && rest >= 1 &&
		(*l4 == ND_NEIGHBOR_SOLICIT || *l4 == ND_NEIGHBOR_ADVERT)) {
		e->received.neighbour++;
		return answer_solicitation(e, m, (struct rte_ipv6_hdr *)l3, len);
	}
	if (proto == IPPROTO_UDP)
		e->received.udp++;
	else if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		e->received.icmp++;
	else
		e->received.others++;
	return false;
}

bool flood_answer(struct flood_end *e, struct rte_mbuf *m)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	const uint16_t len = m->data_len;
	uint8_t *l3 = (uint8_t *)(eth + 1);

	e->received.packets++;
	if (len >= sizeof(*eth) && eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP)) {
		e->received.neighbour++;
		return answer_arp(e, eth, len);
	}
	if (len >= sizeof(*eth) + sizeof(struct rte_ipv4_hdr) &&
		eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return take_ip(e, m, l3, len, false);
	if (len >= sizeof(*eth) + sizeof(struct rte_ipv6_hdr) &&
		eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return take_ip(e, m, l3, len, true);
	e->received.others++;
	return false;
}

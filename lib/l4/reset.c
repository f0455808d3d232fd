/* SPDX-License-Identifier: BSD-3-Clause */
#include "reset.h"

#include <netinet/in.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "net/wire.h"

#define RESET_TTL 64

/* Bytes of sequence space the segment takes. */
static uint32_t segment_length(const struct pkt *p, const struct rte_tcp_hdr *tcp)
{
	return p->l4_len - (uint32_t)(tcp->data_off >> 4) * 4 + !!(p->tcp_flags & TCP_SYN) +
	       !!(p->tcp_flags & TCP_FIN);
}

static void fill_tcp(struct rte_tcp_hdr *out, const struct pkt *p)
{
	const struct rte_tcp_hdr *in = (const struct rte_tcp_hdr *)p->l4;

	memset(out, 0, sizeof(*out));
	out->src_port = in->dst_port;
	out->dst_port = in->src_port;
	out->data_off = sizeof(*out) / 4 << 4;
	if (p->tcp_flags & TCP_ACK) {
		out->sent_seq = in->recv_ack;
		out->tcp_flags = TCP_RST;
	} else {
		out->recv_ack =
			rte_cpu_to_be_32(rte_be_to_cpu_32(in->sent_seq) + segment_length(p, in));
		out->tcp_flags = TCP_RST | TCP_ACK;
	}
}

static void fill_ip(uint8_t *out, const struct pkt *p)
{
	if (p->family == 4) {
		const struct rte_ipv4_hdr *in = (const struct rte_ipv4_hdr *)p->l3;
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)out;

		*ip = (struct rte_ipv4_hdr){
			.version_ihl = RTE_IPV4_VHL_DEF,
			.total_length = RTE_BE16(sizeof(*ip) + sizeof(struct rte_tcp_hdr)),
			.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
			.time_to_live = RESET_TTL,
			.next_proto_id = IPPROTO_TCP,
			.src_addr = in->dst_addr,
			.dst_addr = in->src_addr,
		};
		ip->hdr_checksum = (uint16_t)~wire_fold(wire_sum(ip, sizeof(*ip), 0));
	} else {
		const struct rte_ipv6_hdr *in = (const struct rte_ipv6_hdr *)p->l3;
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)out;

		*ip = (struct rte_ipv6_hdr){
			.vtc_flow = RTE_BE32(6u << 28),
			.payload_len = RTE_BE16(sizeof(struct rte_tcp_hdr)),
			.proto = IPPROTO_TCP,
			.hop_limits = RESET_TTL,
		};
		memcpy(ip->src_addr, in->dst_addr, 16);
		memcpy(ip->dst_addr, in->src_addr, 16);
	}
}

void reset_reply(struct net_worker *w, const struct pkt *p)
{
	uint16_t ip_len =
		p->family == 4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	uint16_t len = ip_len + sizeof(struct rte_tcp_hdr);
	struct addr client = pkt_src(p);
	struct rte_tcp_hdr *tcp;
	struct rte_mbuf *m;
	uint8_t *l3;

	if (p->tcp_flags & TCP_RST)
		return;
	m = rte_pktmbuf_alloc(w->pool);
	if (!m) {
		counter_add(&w->drop[DROP_no_mbuf], 1);
		return;
	}
	l3 = (uint8_t *)rte_pktmbuf_append(m, len);
	fill_ip(l3, p);
	tcp = (struct rte_tcp_hdr *)(l3 + ip_len);
	fill_tcp(tcp, p);
	tcp->cksum = (uint16_t)~wire_fold(
		wire_sum(tcp, sizeof(*tcp), wire_pseudo(l3, p->family, IPPROTO_TCP, sizeof(*tcp))));
	net_send(w, m, 0, &client);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* See segment.h. */
#include "segment.h"

#include <netinet/in.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "net/wire.h"

#define SEGMENT_TTL 64

static uint16_t write_ip(uint8_t *l3, const struct segment_ends *ends, uint16_t l4_len)
{
	if (ends->v6) {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;

		ip->vtc_flow = RTE_BE32(6u << 28);
		ip->payload_len = rte_cpu_to_be_16(l4_len);
		ip->proto = IPPROTO_TCP;
		ip->hop_limits = SEGMENT_TTL;
		memcpy(l3 + 8, ends->addrs, 32);
		return sizeof(*ip);
	}

	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;

	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + l4_len)),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = SEGMENT_TTL,
		.next_proto_id = IPPROTO_TCP,
	};
	memcpy(l3 + 12, ends->addrs, 8);
	ip->hdr_checksum = (uint16_t)~wire_fold(wire_sum_ipv4(l3));
	return sizeof(*ip);
}

uint16_t segment_write(uint8_t *l3, const struct segment_ends *ends, const struct segment *s)
{
	const uint16_t ip_len =
		ends->v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(l3 + ip_len);
	const uint16_t len =
		(uint16_t)(sizeof(*tcp) + tcp_options_write((uint8_t *)(tcp + 1), &s->options));

	*tcp = (struct rte_tcp_hdr){
		.src_port = ends->sport,
		.dst_port = ends->dport,
		.sent_seq = rte_cpu_to_be_32(s->seq),
		.recv_ack = rte_cpu_to_be_32(s->ack),
		.data_off = (uint8_t)(len / 4 << 4),
		.tcp_flags = s->flags,
		.rx_win = rte_cpu_to_be_16(s->window),
	};
	write_ip(l3, ends, len);
	tcp->cksum = (uint16_t)~wire_fold(wire_sum_rest(
		(uint8_t *)tcp, len, wire_pseudo(l3, ends->v6 ? 6 : 4, IPPROTO_TCP, len)));
	return (uint16_t)(ip_len + len);
}

bool segment_make(
	struct net_worker *w, const struct tuple *t, const struct segment *s, struct pkt *p)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);
	struct segment_ends ends = { .sport = t->sport, .dport = t->dport };
	uint8_t *l3;
	uint16_t len;

	if (!m) {
		counter_add(&w->drop[DROP_no_mbuf], 1);
		return false;
	}
	ends.v6 = !addr_is_v4(&t->src);
	if (ends.v6) {
		memcpy(ends.addrs, t->src.b, 16);
		memcpy(ends.addrs + 16, t->dst.b, 16);
	} else {
		memcpy(ends.addrs, &t->src.w[3], 4);
		memcpy(ends.addrs + 4, &t->dst.w[3], 4);
	}
	l3 = rte_pktmbuf_mtod(m, uint8_t *);
	len = segment_write(l3, &ends, s);
	m->data_len = len;
	m->pkt_len = len;
	*p = (struct pkt){
		.mbuf = m,
		.l3 = l3,
		.l4 = l3 + (ends.v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr)),
		.l3_len = len,
		.family = ends.v6 ? 6 : 4,
		.proto = IPPROTO_TCP,
		.verdict = PKT_GO,
		.port = NET_PORT_NONE,
		.tcp_flags = s->flags,
		.adj = ADJ_NONE,
	};
	p->l4_len = (uint16_t)(len - (p->l4 - p->l3));
	return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of the flood: a template for each target, and the few fields that differ. */
#include <netinet/in.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "flood.h"
#include "net/wire.h"

/* What a client of today offers: MSS 1460, SACK permitted, timestamps, window scale 7 (RFC 9293,
 * 7323, 2018). */
static const uint8_t syn_options[] = { 2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0x12, 0x34, 0x56, 0x78, 0, 0,
	0, 0, 1, 3, 3, 7 };

/* The upper half of IPv6 sources: 2a00:f10d:: */
static const uint8_t source_network[8] = { 0x2a, 0x00, 0xf1, 0x0d };

static uint16_t options_len(const struct flood_look *look)
{
	if (!(look->flags & RTE_TCP_SYN_FLAG))
		return 0;
	return look->mss_only ? 4 : sizeof(syn_options);
}

static uint16_t header_len(const struct flood_look *look)
{
	return look->flags ? sizeof(struct rte_tcp_hdr) + options_len(look)
			   : sizeof(struct rte_udp_hdr);
}

static void put_tcp(uint8_t *at, const struct endpoint *target, const struct flood_look *look)
{
	struct rte_tcp_hdr tcp = {
		.dst_port = rte_cpu_to_be_16(target->port),
		.data_off = (uint8_t)(header_len(look) / 4 << 4),
		.tcp_flags = look->flags,
		.rx_win = rte_cpu_to_be_16(64240),
	};

	memcpy(at, &tcp, sizeof(tcp));
	memcpy(at + sizeof(tcp), syn_options, options_len(look));
}

static void put_udp(uint8_t *at, const struct endpoint *target, uint16_t len)
{
	struct rte_udp_hdr udp = {
		.dst_port = rte_cpu_to_be_16(target->port),
		.dgram_len = rte_cpu_to_be_16(len),
	};

	memcpy(at, &udp, sizeof(udp));
}

static void put_ipv4(
	uint8_t *at, const struct endpoint *target, const struct flood_shape *s, bool fragment)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = 0x45,
		.total_length = rte_cpu_to_be_16(s->len - RTE_ETHER_HDR_LEN),
		.fragment_offset =
			rte_cpu_to_be_16(fragment ? RTE_IPV4_HDR_MF_FLAG : RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = 60,
		.next_proto_id = s->tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.dst_addr = addr_v4(&target->addr),
	};

	memcpy(at, &ip, sizeof(ip));
}

static void put_ipv6(uint8_t *at, const struct endpoint *target, const struct flood_shape *s)
{
	struct rte_ipv6_hdr ip = {
		.vtc_flow = RTE_BE32(0x60000000),
		.payload_len = rte_cpu_to_be_16(s->len - s->l4),
		.proto = s->tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.hop_limits = 60,
	};

	memcpy(ip.src_addr, source_network, sizeof(source_network));
	memcpy(ip.dst_addr, target->addr.b, 16);
	memcpy(at, &ip, sizeof(ip));
}

void flood_shape_make(
	struct flood_shape *s, const struct endpoint *target, const struct flood_look *look)
{
	struct rte_ether_hdr eth = { .dst_addr = look->to, .src_addr = look->from };
	uint8_t *l3 = s->frame + sizeof(eth), *l4;

	memset(s, 0, sizeof(*s));
	s->v6 = !addr_is_v4(&target->addr);
	s->tcp = look->flags != 0;
	s->ack = look->flags & RTE_TCP_ACK_FLAG;
	s->unsummed = look->fragment;
	s->l4 = sizeof(eth) + (s->v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr));
	s->len = RTE_MAX(s->l4 + header_len(look), look->size);
	if (look->fragment) /* of whole units, and as if more came (RFC 791) */
		s->len = s->l4 + RTE_MAX(8, (s->len - s->l4) / 8 * 8);
	eth.ether_type = s->v6 ? RTE_BE16(RTE_ETHER_TYPE_IPV6) : RTE_BE16(RTE_ETHER_TYPE_IPV4);
	memcpy(s->frame, &eth, sizeof(eth));
	l4 = s->frame + s->l4;
	if (s->tcp)
		put_tcp(l4, target, look);
	else
		put_udp(l4, target, s->len - s->l4 + (look->fragment ? 1024 : 0));
	if (s->v6)
		put_ipv6(l3, target, s);
	else
		put_ipv4(l3, target, s, look->fragment);
	s->ip_sum = s->v6 ? 0 : wire_sum_ipv4(l3);
	s->l4_sum = wire_sum(l4, s->len - s->l4,
		wire_pseudo(l3, s->v6 ? 6 : 4, s->tcp ? IPPROTO_TCP : IPPROTO_UDP, s->len - s->l4));
}

static inline uint64_t halves(uint64_t v)
{
	return (v & 0xffffffff) + (v >> 32);
}

static inline void put_sum(uint8_t *at, uint64_t sum, bool udp)
{
	uint16_t v = (uint16_t)~wire_fold(sum);

	if (udp && v == 0) /* there, that means "none" */
		v = 0xffff;
	memcpy(at, &v, sizeof(v));
}

void flood_shape_stamp(
	const struct flood_shape *s, const struct flood_origin *o, struct rte_mbuf *m)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint8_t *l3 = frame + RTE_ETHER_HDR_LEN, *l4 = frame + s->l4;
	const uint64_t source = halves(s->v6 ? o->source : (uint32_t)o->source);
	uint64_t sum = s->l4_sum + source + o->sport;

	m->data_len = s->len;
	m->pkt_len = s->len;
	memcpy(frame, s->frame, s->len);
	memcpy(l4, &o->sport, 2);
	if (s->v6) {
		memcpy(l3 + 16, &o->source, 8);
	} else {
		memcpy(l3 + 12, &o->source, 4);
		memcpy(l3 + 4, &o->seq, 2); /* identification */
		put_sum(l3 + 10, s->ip_sum + source + (o->seq & 0xffff), false);
	}
	if (s->unsummed)
		return;
	if (s->tcp) {
		memcpy(l4 + 4, &o->seq, 4);
		sum += o->seq;
		if (s->ack) {
			memcpy(l4 + 8, &o->ack, 4);
			sum += o->ack;
		}
	}
	put_sum(l4 + (s->tcp ? 16 : 6), sum, !s->tcp);
}

/* SplitMix64. */
static inline uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

void flood_origin_draw(struct flood_origin *o, uint64_t *random)
{
	const uint64_t a = draw(random), b = draw(random);

	/* The first byte of an IPv4 address is 16 to 111. */
	o->source = (a & ~0xffull) | (16 + (a & 0xff) % 96);
	o->seq = (uint32_t)b;
	o->ack = (uint32_t)(b >> 32);
	o->sport = rte_cpu_to_be_16((uint16_t)(1024 + (a ^ b) % 64512));
}

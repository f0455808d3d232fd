/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frames of the bench. Flow i goes from client 100.64.0.0 + i / 16 (or 2001:db8::6440:0 and
 * on), port 10000 + i % 16, to service i modulo their number. Services are 198.18.0.1 and on,
 * servers 172.16.0.1 and on, sources toward them 172.16.254.1 and on.
 */
#include <netinet/in.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "bench.h"

#define CLIENTS  BENCH_IPV4(100, 64, 0, 0)
#define SERVICES BENCH_IPV4(198, 18, 0, 1)
#define SERVERS  BENCH_IPV4(172, 16, 0, 1)
#define SOURCES  BENCH_IPV4(172, 16, 254, 1)

#define FCS_LEN  4

static const struct rte_ether_addr neighbour_mac = { { 0x02, 0xbe, 0, 0, 0, 1 } };

uint32_t frame_service(unsigned int i)
{
	return SERVICES + i;
}

uint32_t frame_server(unsigned int i)
{
	return SERVERS + i;
}

uint32_t frame_source(unsigned int i)
{
	return SOURCES + i;
}

uint32_t frame_self(unsigned int nic)
{
	return nic == BENCH_WAN ? BENCH_IPV4(192, 0, 2, 1) : BENCH_IPV4(172, 16, 255, 254);
}

unsigned int frame_family(const struct bench_options *o, unsigned int nic)
{
	return nic == BENCH_WAN ? o->family : o->server_family;
}

struct addr frame_addr(unsigned int family, uint32_t v4)
{
	struct addr a = addr_from_v4(rte_cpu_to_be_32(v4));

	if (family == 6) {
		a.q[0] = RTE_BE64(0x20010db800000000);
		a.w[2] = 0;
	}
	return a;
}

static void write_ip4(uint8_t *l3, const struct tuple *t, uint16_t len)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(len),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = 64,
		.next_proto_id = t->proto,
		.src_addr = addr_v4(&t->src),
		.dst_addr = addr_v4(&t->dst),
	};

	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	memcpy(l3, &ip, sizeof(ip));
}

static void write_ip6(uint8_t *l3, const struct tuple *t, uint16_t len)
{
	struct rte_ipv6_hdr ip = {
		.vtc_flow = RTE_BE32(0x60000000),
		.payload_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(ip))),
		.proto = t->proto,
		.hop_limits = 64,
	};

	memcpy(ip.src_addr, t->src.b, 16);
	memcpy(ip.dst_addr, t->dst.b, 16);
	memcpy(l3, &ip, sizeof(ip));
}

static bool is_answer(enum frame_kind kind)
{
	return kind == FRAME_SYN_ACK || kind == FRAME_ANSWER;
}

struct tuple frame_tuple(const struct bench_options *o, enum frame_kind kind, uint32_t i,
	const struct bench_flow *flow)
{
	const unsigned int family = frame_family(o, is_answer(kind) ? BENCH_LAN : BENCH_WAN);
	struct tuple t = {
		.src = frame_addr(family, CLIENTS + i / 16),
		.sport = rte_cpu_to_be_16((uint16_t)(10000 + i % 16)),
		.dst = frame_addr(family, frame_service(i % o->services)),
		.dport = RTE_BE16(80),
		.proto = o->proto,
	};

	if (!is_answer(kind))
		return t;
	t.dst = frame_addr(family, frame_server(flow->server));
	t.dport = RTE_BE16(8080);
	t.sport = flow->port;
	if (o->mode == MODE_FULLNAT)
		t.src = frame_addr(family, frame_source(flow->source));
	return tuple_reverse(&t);
}

/* Makes m a frame of len bytes, zero behind the headers, whose IP packet has ip_len; the rest is
 * padding. Where that is. */
static uint8_t *write_headers(struct rte_mbuf *m, const struct nic *nic, const struct tuple *t,
	uint16_t len, uint16_t ip_len)
{
	const bool v4 = addr_is_v4(&t->src);
	struct rte_ether_hdr *eth;

	rte_pktmbuf_reset(m);
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, len);
	m->port = nic->id;
	memset(eth, 0, len);
	eth->dst_addr = nic->mac;
	eth->src_addr = neighbour_mac;
	eth->ether_type = v4 ? RTE_BE16(RTE_ETHER_TYPE_IPV4) : RTE_BE16(RTE_ETHER_TYPE_IPV6);
	if (v4)
		write_ip4((uint8_t *)(eth + 1), t, ip_len);
	else
		write_ip6((uint8_t *)(eth + 1), t, ip_len);
	return (uint8_t *)(eth + 1);
}

/* The transport header, with room for a payload after it of which all is zero. */
static void write_transport(
	uint8_t *l4, enum frame_kind kind, const struct tuple *t, uint16_t len, uint32_t ack)
{
	static const uint8_t flags[FRAME_KINDS] = { RTE_TCP_SYN_FLAG,
		RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, RTE_TCP_ACK_FLAG, RTE_TCP_ACK_FLAG,
		RTE_TCP_ACK_FLAG, RTE_TCP_RST_FLAG };
	const struct rte_tcp_hdr tcp = {
		.src_port = t->sport,
		.dst_port = t->dport,
		/* Who waits for cookies counts: the SYN has been one number. */
		.sent_seq = rte_cpu_to_be_32(1 + (kind == FRAME_PROOF || kind == FRAME_RESET)),
		.recv_ack = rte_cpu_to_be_32(kind == FRAME_PROOF ? ack : 0),
		.data_off = 5 << 4,
		.tcp_flags = flags[kind],
		.rx_win = RTE_BE16(1000),
	};
	const struct rte_udp_hdr udp = {
		.src_port = t->sport,
		.dst_port = t->dport,
		.dgram_len = rte_cpu_to_be_16(len),
	};

	if (t->proto == IPPROTO_TCP)
		memcpy(l4, &tcp, sizeof(tcp));
	else
		memcpy(l4, &udp, sizeof(udp));
}

void frame_write(struct rte_mbuf *m, const struct rig *r, const struct bench_options *o,
	enum frame_kind kind, const struct tuple *t, uint32_t ack)
{
	const struct nic *nic = r->nic[is_answer(kind) ? BENCH_LAN : BENCH_WAN];
	const bool v4 = addr_is_v4(&t->src), tcp = t->proto == IPPROTO_TCP;
	const unsigned int ip_len = v4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	const unsigned int l4_len = tcp ? sizeof(struct rte_tcp_hdr) : sizeof(struct rte_udp_hdr);
	const uint16_t len =
		(uint16_t)RTE_MAX(RTE_ETHER_HDR_LEN + ip_len + l4_len, o->packet - FCS_LEN);
	/* Segments of a handshake carry nothing: what is longer is the padding of the frame. */
	const uint16_t ip_end =
		(uint16_t)(o->cookies ? ip_len + l4_len : (unsigned int)len - RTE_ETHER_HDR_LEN);
	uint8_t *l3 = write_headers(m, nic, t, len, ip_end), *sum;
	uint16_t cksum;

	write_transport(l3 + ip_len, kind, t, (uint16_t)(ip_end - ip_len), ack);
	sum = l3 + ip_len +
	      (tcp ? offsetof(struct rte_tcp_hdr, cksum)
		   : offsetof(struct rte_udp_hdr, dgram_cksum));
	cksum = v4 ? rte_ipv4_udptcp_cksum((void *)l3, l3 + ip_len)
		   : rte_ipv6_udptcp_cksum((void *)l3, l3 + ip_len);
	memcpy(sum, &cksum, sizeof(cksum));
}

void frame_segment(struct rte_mbuf *m, const struct rig *r, const struct tuple *t,
	const struct frame_segment *s)
{
	/* Segments of 1460 bytes, window scale 7, SACK. */
	static const uint8_t options[] = { 2, 4, 1460 >> 8, 1460 & 0xff, 3, 3, 7, 1, 4, 2, 1, 1 };
	const bool syn = s->flags & RTE_TCP_SYN_FLAG, v4 = addr_is_v4(&t->src);
	const uint16_t header = sizeof(struct rte_tcp_hdr) + (syn ? sizeof(options) : 0);
	const uint16_t before = v4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
	const uint16_t ip_len = before + header + s->len;
	uint8_t *l3 = write_headers(m, r->nic[BENCH_WAN], t, RTE_ETHER_HDR_LEN + ip_len, ip_len);
	uint8_t *l4 = l3 + before;
	struct rte_tcp_hdr tcp = {
		.src_port = t->sport,
		.dst_port = t->dport,
		.sent_seq = rte_cpu_to_be_32(s->seq),
		.recv_ack = rte_cpu_to_be_32(s->ack),
		.data_off = (uint8_t)(header / 4 << 4),
		.tcp_flags = s->flags,
		.rx_win = rte_cpu_to_be_16(s->window),
	};

	if (syn)
		memcpy(l4 + sizeof(tcp), options, sizeof(options));
	if (s->len)
		l4[header] = s->first;
	memcpy(l4, &tcp, sizeof(tcp));
	tcp.cksum =
		v4 ? rte_ipv4_udptcp_cksum((void *)l3, l4) : rte_ipv6_udptcp_cksum((void *)l3, l4);
	memcpy(l4, &tcp, sizeof(tcp));
}

uint32_t frame_flow(const struct rte_mbuf *m, unsigned int family)
{
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, RTE_ETHER_HDR_LEN);
	rte_be32_t last;
	rte_be16_t port;

	memcpy(&last, l3 + (family == 4 ? 16 : 36), 4);
	memcpy(&port, l3 + (family == 4 ? 22 : 42), 2);
	return (rte_be_to_cpu_32(last) - CLIENTS) * 16 + rte_be_to_cpu_16(port) - 10000;
}

struct bench_flow frame_chosen(const struct bench_options *o, const struct rte_mbuf *m)
{
	const bool v4 = frame_family(o, BENCH_LAN) == 4;
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, RTE_ETHER_HDR_LEN);
	struct bench_flow flow = { 0 };
	rte_be32_t last;

	if (o->cookies) {
		memcpy(&last, l3 + (frame_family(o, BENCH_WAN) == 4 ? 24 : 44), 4);
		flow.cookie = rte_be_to_cpu_32(last);
		return flow;
	}
	memcpy(&last, l3 + (v4 ? 16 : 36), 4);
	flow.server = (uint16_t)(rte_be_to_cpu_32(last) - SERVERS);
	if (o->mode == MODE_FULLNAT) {
		memcpy(&last, l3 + (v4 ? 12 : 20), 4);
		flow.source = (uint16_t)(rte_be_to_cpu_32(last) - SOURCES);
	}
	memcpy(&flow.port, l3 + (v4 ? 20 : 40), 2);
	return flow;
}

static void write_arp(
	struct rte_mbuf *m, const struct rig *r, unsigned int nic, const struct addr *a)
{
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(m, 60);
	struct rte_ether_hdr eth = { r->nic[nic]->mac, neighbour_mac,
		RTE_BE16(RTE_ETHER_TYPE_ARP) };
	struct rte_arp_hdr arp = {
		.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = 6, .arp_plen = 4, .arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY),
		.arp_data = {
			.arp_sha = neighbour_mac, .arp_sip = addr_v4(a), .arp_tha = r->nic[nic]->mac,
			.arp_tip = rte_cpu_to_be_32(frame_self(nic)),
		},
	};

	memset(frame, 0, 60);
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &arp, sizeof(arp));
}

/* A solicited neighbour advertisement (RFC 4861 4.4) with the target's link-layer address. */
static void write_na(
	struct rte_mbuf *m, const struct rig *r, unsigned int nic, const struct addr *a)
{
	enum { ICMP_LEN = 32 };
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(
		m, RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv6_hdr) + ICMP_LEN);
	struct rte_ether_hdr eth = { r->nic[nic]->mac, neighbour_mac,
		RTE_BE16(RTE_ETHER_TYPE_IPV6) };
	struct rte_ipv6_hdr ip = {
		.vtc_flow = RTE_BE32(0x60000000),
		.payload_len = RTE_BE16(ICMP_LEN),
		.proto = IPPROTO_ICMPV6,
		.hop_limits = 255,
	};
	const struct addr self = frame_addr(6, frame_self(nic));
	uint8_t icmp[ICMP_LEN] = { 136, 0, 0, 0, 0x60, [24] = 2, [25] = 1 };
	uint16_t sum;

	memcpy(ip.src_addr, a->b, 16);
	memcpy(ip.dst_addr, self.b, 16);
	memcpy(icmp + 8, a->b, 16);
	memcpy(icmp + 26, neighbour_mac.addr_bytes, 6);
	sum = rte_ipv6_udptcp_cksum(&ip, icmp);
	memcpy(icmp + 2, &sum, 2);
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + sizeof(eth), &ip, sizeof(ip));
	memcpy(frame + sizeof(eth) + sizeof(ip), icmp, sizeof(icmp));
}

void frame_neighbour(
	struct rte_mbuf *m, const struct rig *r, unsigned int nic, const struct addr *a)
{
	rte_pktmbuf_reset(m);
	m->port = r->nic[nic]->id;
	if (addr_is_v4(a))
		write_arp(m, r, nic, a);
	else
		write_na(m, r, nic, a);
}

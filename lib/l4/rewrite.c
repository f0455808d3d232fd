/* SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite.h"

#include <netinet/in.h>

#include <rte_tcp.h>
#include <rte_udp.h>

/* Kinds of TCP options (RFC 9293 3.2). */
#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2

/* Of ICMP and ICMPv6: the checksum, and an echo's identifier. */
#define ICMP_CKSUM 2
#define ICMP_ID    4

void rewrite_l4_checksum(struct pkt *p, uint64_t diff)
{
	uint8_t *at = p->l4 + (p->proto == IPPROTO_TCP ? offsetof(struct rte_tcp_hdr, cksum)
						       : offsetof(struct rte_udp_hdr, dgram_cksum));
	uint16_t sum;

	memcpy(&sum, at, sizeof(sum));
	if (p->proto == IPPROTO_UDP && sum == 0)
		return;
	sum = wire_adjust(sum, diff);
	if (p->proto == IPPROTO_UDP && sum == 0)
		sum = 0xffff;
	memcpy(at, &sum, sizeof(sum));
}

/* Writes an address where one stands in the IP header; the difference that makes. */
static inline uint64_t address_put(struct pkt *p, uint8_t *at, const void *address)
{
	uint64_t diff;

	if (p->family == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)p->l3;
		uint32_t from, to;

		memcpy(&from, at, 4);
		memcpy(&to, address, 4);
		diff = wire_diff4(from, to);
		ip->hdr_checksum = wire_adjust(ip->hdr_checksum, diff);
		memcpy(at, &to, 4);
	} else {
		diff = wire_diff16(at, address);
		memcpy(at, address, 16);
	}
	return diff;
}

static inline uint8_t *source_at(const struct pkt *p)
{
	return p->l3 + (p->family == 4 ? 12 : 8);
}

static inline uint8_t *destination_at(const struct pkt *p)
{
	return p->l3 + (p->family == 4 ? 16 : 24);
}

/* addr_at and port_at: the fields in the packet. */
static inline void rewrite_end(
	struct pkt *p, uint8_t *addr_at, uint8_t *port_at, const void *address, rte_be16_t port)
{
	const uint64_t diff = address_put(p, addr_at, address);
	uint16_t old_port;

	memcpy(&old_port, port_at, 2);
	memcpy(port_at, &port, 2);
	rewrite_l4_checksum(p, diff + wire_diff2(old_port, port));
}

void rewrite_destination(struct pkt *p, const void *address, rte_be16_t port)
{
	rewrite_end(p, destination_at(p), p->l4 + 2, address, port);
}

void rewrite_source(struct pkt *p, const void *address, rte_be16_t port)
{
	rewrite_end(p, source_at(p), p->l4, address, port);
}

/* ICMPv6 has the addresses in its checksum, ICMP has not (RFC 4443 2.3). */
static void icmp_adjust(struct pkt *p, uint64_t diff)
{
	uint16_t sum;

	memcpy(&sum, p->l4 + ICMP_CKSUM, sizeof(sum));
	sum = wire_adjust(sum, diff);
	memcpy(p->l4 + ICMP_CKSUM, &sum, sizeof(sum));
}

void rewrite_address(struct pkt *p, bool source, const void *address)
{
	const uint64_t diff = address_put(p, source ? source_at(p) : destination_at(p), address);

	if (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP)
		rewrite_l4_checksum(p, diff);
	else if (p->proto == IPPROTO_ICMPV6)
		icmp_adjust(p, diff);
}

void rewrite_echo(struct pkt *p, bool source, const void *address, rte_be16_t id)
{
	uint16_t from;

	rewrite_address(p, source, address);
	memcpy(&from, p->l4 + ICMP_ID, 2);
	memcpy(p->l4 + ICMP_ID, &id, 2);
	icmp_adjust(p, wire_diff2(from, id));
}

void rewrite_icmp_checksum(struct pkt *p)
{
	const uint32_t off = (uint32_t)(p->l4 - rte_pktmbuf_mtod(p->mbuf, uint8_t *));
	const uint64_t pseudo =
		p->family == 4 ? 0 : wire_pseudo(p->l3, 6, IPPROTO_ICMPV6, p->l4_len);
	uint16_t sum = 0;

	memcpy(p->l4 + ICMP_CKSUM, &sum, sizeof(sum));
	sum = (uint16_t)~wire_fold(wire_sum_mbuf(p->mbuf, off, p->l4_len, pseudo));
	memcpy(p->l4 + ICMP_CKSUM, &sum, sizeof(sum));
}

void rewrite_ends(
	struct pkt *p, const void *src, rte_be16_t sport, const void *dst, rte_be16_t dport)
{
	const rte_be16_t ports[2] = { sport, dport };
	uint8_t *addrs = pkt_addrs(p);
	uint32_t from[2], to[2];
	uint64_t diff;

	if (p->family == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)p->l3;

		memcpy(from, addrs, 8);
		memcpy(&to[0], src, 4);
		memcpy(&to[1], dst, 4);
		diff = wire_diff4(from[0], to[0]) + wire_diff4(from[1], to[1]);
		ip->hdr_checksum = wire_adjust(ip->hdr_checksum, diff);
		memcpy(addrs, to, 8);
	} else {
		diff = wire_diff16(addrs, src) + wire_diff16(addrs + 16, dst);
		memcpy(addrs, src, 16);
		memcpy(addrs + 16, dst, 16);
	}
	memcpy(&from[0], p->l4, 4);
	memcpy(&to[0], ports, 4);
	memcpy(p->l4, ports, 4);
	rewrite_l4_checksum(p, diff + wire_diff4(from[0], to[0]));
}

/* The value of an option, at offset at in the TCP header. */
static void mss_clamp(struct pkt *p, uint32_t at, uint16_t max)
{
	rte_be16_t from, to = rte_cpu_to_be_16(max);

	memcpy(&from, p->l4 + at, 2);
	if (rte_be_to_cpu_16(from) <= max)
		return;
	memcpy(p->l4 + at, &to, 2);
	/* At an odd offset its bytes stand in the other halves of two words (RFC 1071, 2 B). */
	rewrite_l4_checksum(
		p, at & 1 ? wire_diff2(rte_bswap16(from), rte_bswap16(to)) : wire_diff2(from, to));
}

void rewrite_mss_options(struct pkt *p, uint16_t max)
{
	const uint8_t *o = p->l4;
	const uint32_t end = (uint32_t)(o[offsetof(struct rte_tcp_hdr, data_off)] >> 4) * 4;
	uint32_t at = sizeof(struct rte_tcp_hdr);

	/* An option whose length cannot be true ends the list: what it and the rest mean is the
	 * receiver's to say. */
	while (at < end && o[at] != TCP_OPTION_END) {
		if (o[at] == TCP_OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || o[at + 1] < 2 || o[at + 1] > end - at)
			return;
		if (o[at] == TCP_OPTION_MSS && o[at + 1] == 4)
			mss_clamp(p, at + 2, max);
		at += o[at + 1];
	}
}

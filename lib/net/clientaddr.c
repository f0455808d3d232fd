/* SPDX-License-Identifier: BSD-3-Clause */
/* See clientaddr.h. */
#include "clientaddr.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "poison.h"
#include "wire.h"

#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_TOA 254

#define TOA_LEN4   8
#define TOA_LEN6   20

#define TCP_FIXED  20 /* bytes of a header without options */
#define TCP_MOST   60

/* Room in front of the IP header for a link header with a tag. */
#define LINK_ROOM (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)

static uint8_t *tcp_header(const struct pkt *p, uint32_t *len)
{
	*len = (uint32_t)(p->l4[offsetof(struct rte_tcp_hdr, data_off)] >> 4) * 4;
	return p->l4;
}

static void tcp_adjust(struct pkt *p, uint64_t diff)
{
	uint8_t *at = p->l4 + offsetof(struct rte_tcp_hdr, cksum);
	uint16_t sum;

	memcpy(&sum, at, sizeof(sum));
	sum = wire_adjust(sum, diff);
	memcpy(at, &sum, sizeof(sum));
}

/* The option as the segment has it; its length. */
static unsigned int toa_write(uint8_t *out, const struct addr *client, rte_be16_t port)
{
	bool v4 = addr_is_v4(client);

	out[0] = OPTION_TOA;
	out[1] = v4 ? TOA_LEN4 : TOA_LEN6;
	memcpy(out + 2, &port, 2);
	memcpy(out + 4, v4 ? &client->b[12] : client->b, v4 ? 4 : 16);
	return out[1];
}

/* The IP header says that the packet is n bytes longer. */
static void ip_grow(struct pkt *p, uint16_t n)
{
	uint8_t *at = p->l3 + (p->family == 4 ? offsetof(struct rte_ipv4_hdr, total_length)
					      : offsetof(struct rte_ipv6_hdr, payload_len));
	rte_be16_t from, to;

	memcpy(&from, at, 2);
	to = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(from) + n));
	memcpy(at, &to, 2);
	if (p->family == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)p->l3;

		ip->hdr_checksum = wire_adjust(ip->hdr_checksum, wire_diff2(from, to));
	}
}

bool clientaddr_put_toa(struct pkt *p, const struct addr *client, rte_be16_t port, uint16_t max_len)
{
	const uint16_t room = (uint16_t)(p->l3 - (uint8_t *)p->mbuf->buf_addr);
	uint32_t header, word;
	uint8_t option[TOA_LEN6];
	unsigned int n = toa_write(option, client, port);
	uint64_t diff = 0;
	uint16_t from, to;

	tcp_header(p, &header);
	if (header + n > TCP_MOST || p->l3_len + n > max_len || room < n + LINK_ROOM)
		return false;
	pkt_unpoison(p->mbuf);
	memmove(p->l3 - n, p->l3, (size_t)(p->l4 - p->l3) + TCP_FIXED);
	p->l3 -= n;
	p->l4 -= n;
	memcpy(p->l4 + TCP_FIXED, option, n);
	for (unsigned int i = 0; i < n; i += 4) {
		memcpy(&word, option + i, 4);
		diff += word;
	}
	/* Data offset with the flags behind it; the pseudo header's length. */
	memcpy(&from, p->l4 + offsetof(struct rte_tcp_hdr, data_off), 2);
	p->l4[offsetof(struct rte_tcp_hdr, data_off)] += (uint8_t)(n / 4 << 4);
	memcpy(&to, p->l4 + offsetof(struct rte_tcp_hdr, data_off), 2);
	diff += wire_diff2(from, to);
	diff += wire_diff2(
		rte_cpu_to_be_16(p->l4_len), rte_cpu_to_be_16((uint16_t)(p->l4_len + n)));
	tcp_adjust(p, diff);
	ip_grow(p, (uint16_t)n);
	p->l3_len = (uint16_t)(p->l3_len + n);
	p->l4_len = (uint16_t)(p->l4_len + n);
	return true;
}

void clientaddr_strip_toa(struct pkt *p)
{
	uint32_t end, at = TCP_FIXED;
	uint8_t *o = tcp_header(p, &end);
	const uint16_t before = wire_fold(wire_sum(o + TCP_FIXED, end - TCP_FIXED, 0));
	bool found = false;

	while (at + 1 < end && o[at] != OPTION_END) {
		uint32_t len = o[at] == OPTION_NOP ? 1 : o[at + 1];

		if (len == 0 || (o[at] != OPTION_NOP && len < 2) || at + len > end)
			break;
		if (o[at] == OPTION_TOA) {
			memset(o + at, OPTION_NOP, len);
			found = true;
		}
		at += len;
	}
	if (found)
		tcp_adjust(p,
			wire_diff2(before, wire_fold(wire_sum(o + TCP_FIXED, end - TCP_FIXED, 0))));
}

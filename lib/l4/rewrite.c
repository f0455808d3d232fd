/* SPDX-License-Identifier: BSD-3-Clause */
#include "rewrite.h"

#include <netinet/in.h>

#include <rte_tcp.h>
#include <rte_udp.h>

/* The transport checksum takes up a change. A UDP checksum of 0 means none (RFC 768) and stays. */
static void l4_adjust(struct pkt *p, uint64_t diff)
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

/* addr_at and port_at: the fields in the packet. */
static inline void rewrite_end(
	struct pkt *p, uint8_t *addr_at, uint8_t *port_at, const void *address, rte_be16_t port)
{
	uint16_t old_port;
	uint64_t diff;

	if (p->family == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)p->l3;
		uint32_t from, to;

		memcpy(&from, addr_at, 4);
		memcpy(&to, address, 4);
		diff = wire_diff4(from, to);
		ip->hdr_checksum = wire_adjust(ip->hdr_checksum, diff);
		memcpy(addr_at, &to, 4);
	} else {
		diff = wire_diff16(addr_at, address);
		memcpy(addr_at, address, 16);
	}
	memcpy(&old_port, port_at, 2);
	memcpy(port_at, &port, 2);
	l4_adjust(p, diff + wire_diff2(old_port, port));
}

void rewrite_destination(struct pkt *p, const void *address, rte_be16_t port)
{
	rewrite_end(p, p->l3 + (p->family == 4 ? 16 : 24), p->l4 + 2, address, port);
}

void rewrite_source(struct pkt *p, const void *address, rte_be16_t port)
{
	rewrite_end(p, p->l3 + (p->family == 4 ? 12 : 8), p->l4, address, port);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* See quote.h. */
#include "quote.h"

#include <netinet/in.h>

#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

uint64_t quote_put2(uint8_t *at, uint16_t to)
{
	uint16_t from;

	memcpy(&from, at, 2);
	memcpy(at, &to, 2);
	return wire_diff2(from, to);
}

uint64_t quote_put_address(uint8_t *at, uint8_t family, const struct addr *to)
{
	uint64_t diff;
	uint32_t from;

	if (family == 6) {
		diff = wire_diff16(at, to->b);
		memcpy(at, to->b, 16);
		return diff;
	}
	memcpy(&from, at, 4);
	memcpy(at, &to->w[3], 4);
	return wire_diff4(from, to->w[3]);
}

uint64_t quote_put_checksum(uint8_t *at, uint64_t diff, bool udp)
{
	uint16_t sum;

	memcpy(&sum, at, 2);
	if (udp && sum == 0) /* none */
		return 0;
	sum = wire_adjust(sum, diff);
	return quote_put2(at, udp && sum == 0 ? 0xffff : sum);
}

uint64_t quote_mend_ip(uint8_t *l3, uint8_t family, uint64_t addresses)
{
	if (family == 6)
		return 0;
	return quote_put_checksum(
		l3 + offsetof(struct rte_ipv4_hdr, hdr_checksum), addresses, false);
}

uint64_t quote_mend_l4(const struct icmp_quote *q, uint64_t diff)
{
	const bool udp = q->proto == IPPROTO_UDP;
	const size_t at = udp ? offsetof(struct rte_udp_hdr, dgram_cksum)
			      : offsetof(struct rte_tcp_hdr, cksum);

	if ((!udp && q->proto != IPPROTO_TCP) || q->l4_len < at + 2)
		return 0;
	return quote_put_checksum(q->l4 + at, diff, udp);
}

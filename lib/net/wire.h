/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksums as the wire has them (RFC 1071, RFC 1624). Sums are native-endian over memory, as the
 * one's complement sum allows; "folded" means 16 bits. Header structures are DPDK's (rte_ip.h, rte_tcp.h,
 * rte_udp.h, rte_icmp.h).
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include <stdint.h>
#include <string.h>

#include <rte_mbuf.h>

/* Sum of len bytes, 64 bits wide, not folded. */
uint64_t wire_sum(const void *data, size_t len, uint64_t sum);

/* Sum of len bytes of a possibly segmented packet from offset off on. */
uint64_t wire_sum_mbuf(const struct rte_mbuf *m, uint32_t off, uint32_t len, uint64_t sum);

static inline uint16_t wire_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* The difference that replacing old by new makes: to be added up and given to wire_adjust().
 * Lengths are multiples of 2. */
static inline uint64_t wire_diff2(uint16_t from, uint16_t to)
{
	return (uint64_t)(uint16_t)~from + to;
}

static inline uint64_t wire_diff4(uint32_t from, uint32_t to)
{
	return (uint64_t)(uint32_t)~from + to;
}

static inline uint64_t wire_diff16(const void *from, const void *to)
{
	uint32_t f[4], t[4];

	memcpy(f, from, 16);
	memcpy(t, to, 16);
	return wire_diff4(f[0], t[0]) + wire_diff4(f[1], t[1]) + wire_diff4(f[2], t[2]) +
	       wire_diff4(f[3], t[3]);
}

/* RFC 1624: HC' = ~(~HC + ~m + m'). */
static inline uint16_t wire_adjust(uint16_t cksum, uint64_t diff)
{
	return (uint16_t)~wire_fold((uint64_t)(uint16_t)~cksum + diff);
}

/* Sum of the pseudo header (RFC 9293 3.1, RFC 8200 8.1). l3: IP header of the family. */
uint64_t wire_pseudo(const void *l3, uint8_t family, uint8_t proto, uint32_t l4_len);

#endif

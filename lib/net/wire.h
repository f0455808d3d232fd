/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksums as the wire has them (RFC 1071, RFC 1624). Sums are native-endian over memory, as the
 * one's complement sum allows; "folded" means 16 bits. Header structures are DPDK's (rte_ip.h,
 * rte_tcp.h, rte_udp.h, rte_icmp.h).
 *
 * Sums are below 2^34 where nothing else is said, so that thousands of them may simply be added up.
 * A right checksum makes the folded sum of what it covers 0xffff.
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

/* Sum of len bytes, added to sum; an odd last byte counts as if a zero followed. No alignment is
 * needed. */
uint64_t wire_sum(const void *data, size_t len, uint64_t sum);

/* The same over len bytes of a possibly segmented packet from offset off on. The packet has at
 * least off + len bytes. */
uint64_t wire_sum_mbuf(const struct rte_mbuf *m, uint32_t off, uint32_t len, uint64_t sum);

/* One's complement addition of 64-bit words: the carry comes back in. */
static inline uint64_t wire_add(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

static inline uint64_t wire_halve(uint64_t sum)
{
	return (sum & 0xffffffff) + (sum >> 32);
}

static inline uint64_t wire_load8(const void *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* Sum of len bytes at the end of 8 or more, 64 bits wide: what wire_sum() does where it pays to
 * have it inline, for it is little. */
static inline uint64_t wire_sum_rest(const uint8_t *p, size_t len, uint64_t sum)
{
	const uint8_t *end = p + len;

	for (; end - p >= 8; p += 8)
		sum = wire_add(sum, wire_load8(p));
	if (len & 7) {
		/* The last bytes in their places in memory, with zeros behind them. */
		const uint64_t v = wire_load8(end - 8);
		const unsigned int others = 64 - 8 * (len & 7);

		sum = wire_add(
			sum, RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN ? v >> others : v << others);
	}
	return sum;
}

/* Each half added to the other: the upper one has the sum of both with its carry come around. */
static inline uint16_t wire_fold(uint64_t sum)
{
	uint32_t half;

	sum += sum << 32 | sum >> 32;
	half = (uint32_t)(sum >> 32);
	half += half << 16 | half >> 16;
	return (uint16_t)(half >> 16);
}

/* Whether the sum of something that is not all zeros folds to 0xffff: the checksum in it is right.
 * The same as dividing without remainder, which compilers do by one multiplication. */
static inline bool wire_is_right(uint64_t sum)
{
	return sum % 0xffff == 0;
}

/* Sum of an IPv4 header without options. */
static inline uint64_t wire_sum_ipv4(const void *l3)
{
	uint64_t a, b;
	uint32_t c;

	memcpy(&a, l3, 8);
	memcpy(&b, (const uint8_t *)l3 + 8, 8);
	memcpy(&c, (const uint8_t *)l3 + 16, 4);
	return wire_halve(wire_add(a, b)) + c;
}

/* Sum of the pseudo header (RFC 9293 3.1, RFC 8200 8.1). l3: IP header of the family; its own
 * protocol and length fields are not read. */
static inline uint64_t wire_pseudo(const void *l3, uint8_t family, uint8_t proto, uint32_t l4_len)
{
	uint64_t a[4] = { 0 };

	if (family == 4) {
		memcpy(a, (const uint8_t *)l3 + 12, 8);
	} else {
		memcpy(a, (const uint8_t *)l3 + 8, 32);
		a[0] = wire_add(wire_add(a[0], a[1]), wire_add(a[2], a[3]));
	}
	return wire_halve(a[0]) + rte_cpu_to_be_32(l4_len) + rte_cpu_to_be_16(proto);
}

/* The difference that replacing from by to makes: to be added up and given to wire_adjust().
 * What is replaced stands at an even offset of what the checksum covers. */
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

#endif

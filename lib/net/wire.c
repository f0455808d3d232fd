/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one's complement sum over memory and over segmented packets.
 *
 * 64-bit words are added with the carry brought back in: 2^64 - 1 is a multiple of 2^16 - 1, so
 * folding the result to 16 bits gives the sum of the 16-bit words (RFC 1071, 2 C). Four sums run
 * side by side so that one carry need not wait for another.
 */
#include "wire.h"

#include <rte_branch_prediction.h>

static inline uint64_t load8(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* n bytes, 1 to 7, in their places in memory with zeros behind them. have: bytes before them. */
static inline uint64_t load_tail(const uint8_t *p, size_t n, size_t have)
{
	uint64_t v = 0;

	if (have < 8) {
		memcpy(&v, p, n);
		return v;
	}
	v = load8(p + n - 8);
	return RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN ? v >> (64 - 8 * n) : v << (64 - 8 * n);
}

uint64_t wire_sum(const void *data, size_t len, uint64_t sum)
{
	const uint8_t *p = data, *end = p + len;

	if (len >= 64) {
		uint64_t a = 0, b = 0, c = 0, d = 0;

		for (; end - p >= 64; p += 64) {
			a = wire_add(a, load8(p));
			b = wire_add(b, load8(p + 8));
			c = wire_add(c, load8(p + 16));
			d = wire_add(d, load8(p + 24));
			a = wire_add(a, load8(p + 32));
			b = wire_add(b, load8(p + 40));
			c = wire_add(c, load8(p + 48));
			d = wire_add(d, load8(p + 56));
		}
		sum = wire_add(sum, wire_add(wire_add(a, b), wire_add(c, d)));
	}
	for (; end - p >= 8; p += 8)
		sum = wire_add(sum, load8(p));
	if (len & 7)
		sum = wire_add(sum, load_tail(p, len & 7, len & ~(size_t)7));
	return wire_halve(sum);
}

uint64_t wire_sum_mbuf(const struct rte_mbuf *m, uint32_t off, uint32_t len, uint64_t sum)
{
	uint32_t done = 0;

	while (off >= m->data_len && m->next) {
		off -= m->data_len;
		m = m->next;
	}
	for (; m && done < len; m = m->next, off = 0) {
		uint32_t n = RTE_MIN(len - done, m->data_len - off);
		uint64_t part = wire_sum(rte_pktmbuf_mtod_offset(m, uint8_t *, off), n, 0);

		/* After an odd number of bytes every byte stands in the other half (RFC 1071, 2 B).
		 */
		if (done & 1)
			part = rte_bswap16(wire_fold(part));
		sum = wire_halve(wire_add(sum, part));
		done += n;
	}
	return sum;
}

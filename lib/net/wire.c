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

uint64_t wire_sum(const void *data, size_t len, uint64_t sum)
{
	const uint8_t *p = data, *end = p + len;
	uint64_t few = 0;

	if (len < 8) {
		memcpy(&few, p, len);
		return wire_halve(wire_add(sum, few));
	}
	if (len >= 64) {
		uint64_t a = 0, b = 0, c = 0, d = 0;

		for (; end - p >= 64; p += 64) {
			a = wire_add(a, wire_load8(p));
			b = wire_add(b, wire_load8(p + 8));
			c = wire_add(c, wire_load8(p + 16));
			d = wire_add(d, wire_load8(p + 24));
			a = wire_add(a, wire_load8(p + 32));
			b = wire_add(b, wire_load8(p + 40));
			c = wire_add(c, wire_load8(p + 48));
			d = wire_add(d, wire_load8(p + 56));
		}
		sum = wire_add(sum, wire_add(wire_add(a, b), wire_add(c, d)));
	}
	return wire_halve(wire_sum_rest(p, (size_t)(end - p), sum));
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

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

/* The 0 to 7 bytes after the last whole word, in their places in memory. */
static inline uint64_t sum_tail(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;

	if (len & 4) {
		uint32_t v;

		memcpy(&v, p, 4);
		sum += v;
		p += 4;
	}
	if (len & 2) {
		uint16_t v;

		memcpy(&v, p, 2);
		sum += v;
		p += 2;
	}
	if (len & 1)
		sum += RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN ? *p : (uint64_t)*p << 8;
	return sum;
}

uint64_t wire_sum(const void *data, size_t len, uint64_t sum)
{
	const uint8_t *p = data;

	if (len >= 64) {
		uint64_t s[4] = { 0 };

		for (; len >= 64; len -= 64, p += 64) {
			for (unsigned int i = 0; i < 4; i++) {
				s[i] = wire_add(s[i], load8(p + 8 * i));
				s[i] = wire_add(s[i], load8(p + 32 + 8 * i));
			}
		}
		sum = wire_add(sum, wire_add(wire_add(s[0], s[1]), wire_add(s[2], s[3])));
	}
	for (; len >= 8; len -= 8, p += 8)
		sum = wire_add(sum, load8(p));
	return wire_halve(sum) + sum_tail(p, len);
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

		/* After an odd number of bytes every byte stands in the other half (RFC 1071, 2 B). */
		if (done & 1)
			part = rte_bswap16(wire_fold(part));
		sum = wire_halve(wire_add(sum, part));
		done += n;
	}
	return sum;
}

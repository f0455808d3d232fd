/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one's complement sum over memory and over segmented packets.
 *
 * 64-bit words are added with the carry brought back in: 2^64 - 1 is a multiple of 2^16 - 1, so
 * folding the result to 16 bits gives the sum of the 16-bit words (RFC 1071, 2 C). Four sums run
 * side by side so that one carry need not wait for another. Where the processor has AVX2, long
 * stretches are added up 32 bits at a time in lanes of 64, which no carry leaves.
 */
#include "wire.h"

#include <rte_branch_prediction.h>

#ifdef __x86_64__

#include <immintrin.h>

#define WIDE 64 /* bytes in a step of sum_wide() */

/* The sum of whole steps; len is a multiple of WIDE and at most 2^32. */
static __attribute__((target("avx2"))) uint64_t sum_wide(const uint8_t *p, size_t len)
{
	const __m256i low = _mm256_set1_epi64x(0xffffffff);
	__m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
	uint64_t lane[4];

	for (const uint8_t *end = p + len; p < end; p += WIDE) {
		const __m256i x = _mm256_loadu_si256((const __m256i_u *)p);
		const __m256i y = _mm256_loadu_si256((const __m256i_u *)(p + WIDE / 2));

		a = _mm256_add_epi64(a, _mm256_and_si256(x, low));
		b = _mm256_add_epi64(b, _mm256_srli_epi64(x, 32));
		c = _mm256_add_epi64(c, _mm256_and_si256(y, low));
		d = _mm256_add_epi64(d, _mm256_srli_epi64(y, 32));
	}
	a = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
	_mm256_storeu_si256((__m256i_u *)lane, a);
	return wire_halve(lane[0]) + wire_halve(lane[1]) + wire_halve(lane[2]) +
	       wire_halve(lane[3]);
}

/* What sum_wide() can take off the front; the rest is shorter than a step. */
static inline size_t wide_part(size_t len)
{
	return len >= 4 * WIDE && __builtin_cpu_supports("avx2") ? len & ~(size_t)(WIDE - 1) : 0;
}

#else

static inline uint64_t sum_wide(const uint8_t *p, size_t len)
{
	return 0;
}

static inline size_t wide_part(size_t len)
{
	return 0;
}

#endif

uint64_t wire_sum(const void *data, size_t len, uint64_t sum)
{
	const size_t wide = wide_part(len);
	const uint8_t *p = data, *end = p + len;
	uint64_t few = 0;

	if (wide) {
		sum = wire_add(sum, sum_wide(p, wide));
		p += wide;
		len -= wide;
	}
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

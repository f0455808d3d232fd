/* SPDX-License-Identifier: BSD-3-Clause */
/* wire.h against the definition: 16-bit words, one at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "poison.h"
#include "test_eal.h"
#include "wire.h"

#define ROUNDS 20000

static struct rte_mempool *pool;
static uint64_t seed = 1;

static uint32_t rnd(void)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33);
}

static void fill(uint8_t *p, size_t len)
{
	/* Often all ones or zeros: carries that run through. */
	const uint32_t kind = rnd() % 4;

	for (size_t i = 0; i < len; i++)
		p[i] = kind == 0 ? 0xff : kind == 1 ? 0 : (uint8_t)rnd();
}

static uint16_t naive(const uint8_t *p, size_t len, uint16_t start)
{
	uint32_t sum = start;

	for (size_t i = 0; i < len; i += 2) {
		uint8_t pair[2] = { p[i], i + 1 < len ? p[i + 1] : 0 };
		uint16_t v;

		memcpy(&v, pair, 2);
		sum += v;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* 0 and 0xffff are the same number in one's complement; only an all-zero input gives 0. */
static void sum_matches_definition(void **state)
{
	static uint8_t buf[4096 + 16];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		const size_t off = rnd() % 16, len = rnd() % (i % 8 ? 200 : 4096);
		const uint16_t start = (uint16_t)rnd();
		/* Exactly as long as it is summed: ASan sees one byte too many. */
		uint8_t *exact = malloc(off + len + 1);

		fill(buf, len);
		memcpy(exact + 1 + off, buf, len);

		const uint64_t sum = wire_sum(exact + 1 + off, len, start);

		assert_true(sum < 1ull << 34);
		assert_int_equal(wire_fold(sum), naive(buf, len, start));
		free(exact);
	}
}

static void sum_takes_a_wide_start(void **state)
{
	uint8_t buf[100];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		const size_t len = rnd() % sizeof(buf);
		const uint64_t start =
			i % 3 ? UINT64_MAX - rnd() % 3 : (uint64_t)rnd() << 32 | rnd();

		fill(buf, len);
		assert_int_equal(
			wire_fold(wire_sum(buf, len, start)), naive(buf, len, wire_fold(start)));
	}
}

static void fold_is_the_remainder(void **state)
{
	const uint64_t edge[] = { 0, 1, 0xffff, 0x10000, 0x1ffff, 0xffffffff, 0x100000000,
		0x1fffffffe, UINT64_MAX, UINT64_MAX - 1, 0xffff0000ffff0000 };

	for (unsigned int i = 0; i < ROUNDS; i++) {
		const uint64_t v = i < RTE_DIM(edge) ? edge[i] : (uint64_t)rnd() << 33 ^ rnd();

		assert_int_equal(wire_fold(v) % 0xffff, v % 0xffff);
		assert_true(v == 0 || wire_fold(v) != 0);
	}
}

static void ipv4_header_sum(void **state)
{
	uint8_t h[20];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		fill(h, sizeof(h));
		assert_int_equal(wire_fold(wire_sum_ipv4(h)), naive(h, sizeof(h), 0));
	}
}

/* The pseudo headers as RFC 9293 3.1 and RFC 8200 8.1 draw them. */
static void pseudo_header_sum(void **state)
{
	uint8_t l3[40];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		const uint8_t proto = (uint8_t)rnd();
		const uint16_t len = (uint16_t)rnd();
		const uint8_t tail4[4] = { 0, proto, (uint8_t)(len >> 8), (uint8_t)len };
		const uint8_t tail6[8] = { 0, 0, tail4[2], tail4[3], 0, 0, 0, proto };
		uint16_t want;

		fill(l3, sizeof(l3));
		want = naive(tail4, 4, naive(l3 + 12, 8, 0));
		assert_int_equal(wire_fold(wire_pseudo(l3, 4, proto, len)), want);
		want = naive(tail6, 8, naive(l3 + 8, 32, 0));
		assert_int_equal(wire_fold(wire_pseudo(l3, 6, proto, len)), want);
	}
}

/* A packet cut into up to 8 segments at any byte, also into empty ones. */
static struct rte_mbuf *chain(const uint8_t *data, uint32_t len)
{
	struct rte_mbuf *head = NULL;
	uint32_t done = 0;

	for (unsigned int left = 1 + rnd() % 8; left > 0; left--) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		const uint32_t n = left == 1 ? len - done : rnd() % (len - done + 1);

		assert_non_null(m);
		m->data_off = (uint16_t)(m->data_off + rnd() % 16);
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), data + done, n);
		done += n;
		if (head)
			assert_int_equal(rte_pktmbuf_chain(head, m), 0);
		else
			head = m;
	}
	pkt_poison(head);
	return head;
}

static void segmented_sum(void **state)
{
	static uint8_t buf[1500];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		const uint32_t size = 1 + rnd() % (i % 4 ? 64 : sizeof(buf));
		const uint32_t off = rnd() % (size + 1), len = rnd() % (size - off + 1);
		const uint16_t start = (uint16_t)rnd();

		fill(buf, size);

		struct rte_mbuf *m = chain(buf, size);

		assert_int_equal(
			wire_fold(wire_sum_mbuf(m, off, len, start)), naive(buf + off, len, start));
		pkt_unpoison(m);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static uint16_t cksum_of(const uint8_t *p, size_t len)
{
	return (uint16_t)~naive(p, len, 0);
}

/* wire_adjust() gives what computing anew would, whatever is replaced. 0 and 0xffff count as one.
 */
static void adjust_matches_recomputation(void **state)
{
	uint8_t buf[64], next[64];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t diff = 0;

		fill(buf, sizeof(buf));
		memcpy(next, buf, sizeof(buf));
		for (unsigned int n = 1 + rnd() % 3; n > 0; n--) {
			const unsigned int len = (unsigned int[]){ 2, 4, 16 }[rnd() % 3];
			uint8_t *at = next + 2 * (rnd() % ((sizeof(buf) - len) / 2 + 1));
			uint8_t to[16];
			uint32_t f = 0, t = 0;

			fill(to, sizeof(to));
			if (len == 16) {
				diff += wire_diff16(at, to);
			} else {
				memcpy(&f, at, len);
				memcpy(&t, to, len);
				diff += len == 2 ? wire_diff2((uint16_t)f, (uint16_t)t)
						 : wire_diff4(f, t);
			}
			memcpy(at, to, len);
		}

		const uint16_t adjusted = wire_adjust(cksum_of(buf, sizeof(buf)), diff);

		assert_int_equal(adjusted % 0xffff, cksum_of(next, sizeof(next)) % 0xffff);
		/* A receiver sums to all ones, unless everything is zero. */
		assert_true(naive(next, sizeof(next), adjusted) == 0xffff ||
			    cksum_of(next, sizeof(next)) == 0xffff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sum_matches_definition),
		cmocka_unit_test(sum_takes_a_wide_start),
		cmocka_unit_test(fold_is_the_remainder),
		cmocka_unit_test(ipv4_header_sum),
		cmocka_unit_test(pseudo_header_sum),
		cmocka_unit_test(segmented_sum),
		cmocka_unit_test(adjust_matches_recomputation),
	};

	test_eal_init();
	pool = test_pool("wire", 64);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

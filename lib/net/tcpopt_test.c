/* SPDX-License-Identifier: BSD-3-Clause */
/* Options read from headers as hosts write them, and from such as nobody should; and written. */
#include "tcpopt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A header with these options in memory that ends with it. */
static struct tcp_options read_options(const void *options, size_t len)
{
	struct tcp_options o;
	uint8_t *tcp = calloc(1, 20 + len);

	assert_non_null(tcp);
	assert_int_equal(len % 4, 0);
	tcp[12] = (uint8_t)((20 + len) / 4 << 4);
	if (len)
		memcpy(tcp + 20, options, len);
	tcp_options_read(tcp, &o);
	free(tcp);
	return o;
}

#define READ(...) read_options((const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

static void test_none(void **state)
{
	struct tcp_options o = read_options(NULL, 0);

	assert_false(o.has_mss || o.has_timestamp || o.sack_ok);
	assert_int_equal(o.wscale, TCPOPT_NO_SCALE);
	assert_int_equal(o.sack_blocks, 0);
}

/* A SYN of Linux. */
static void test_syn(void **state)
{
	struct tcp_options o = READ(2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7);

	assert_true(o.has_mss && o.has_timestamp && o.sack_ok);
	assert_int_equal(o.mss, 1460);
	assert_int_equal(o.tsval, 0x01020304);
	assert_int_equal(o.tsecr, 0);
	assert_int_equal(o.timestamp_at, 20 + 8);
	assert_int_equal(o.wscale, 7);
}

static void test_sack(void **state)
{
	struct tcp_options o = READ(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 18, 0, 0, 0, 3, 0,
		0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6);

	assert_int_equal(o.sack_at, 20 + 16);
	assert_int_equal(o.sack_blocks, 2);
	assert_int_equal(o.timestamp_at, 20 + 4);
	/* Not whole blocks. */
	o = READ(5, 11, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0);
	assert_int_equal(o.sack_blocks, 0);
	o = READ(5, 2, 1, 1);
	assert_int_equal(o.sack_blocks, 0);
}

/* Lengths that cannot be true end the list; what stands before counts. */
static void test_lengths(void **state)
{
	assert_false(READ(4, 2, 2, 6).has_mss);
	assert_true(READ(4, 2, 2, 6).sack_ok);
	assert_false(READ(9, 0, 4, 2).sack_ok);
	assert_false(READ(9, 1, 4, 2).sack_ok);
	assert_false(READ(1, 1, 1, 2).has_mss);
	assert_false(READ(2, 3, 5, 1, 2, 5, 5, 5, 5, 1, 1, 1).has_mss);
	assert_false(READ(8, 9, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1).has_timestamp);
	assert_false(READ(0, 0, 4, 2).sack_ok); /* the list has ended */
	assert_int_equal(READ(3, 3, 15, 0).wscale, TCPOPT_SCALE_MAX);
	assert_int_equal(READ(3, 2, 1, 1).wscale, TCPOPT_NO_SCALE);
}

static void test_last_counts(void **state)
{
	assert_int_equal(READ(2, 4, 1, 0, 2, 4, 2, 0).mss, 512);
}

/* What is written is read again, every combination. */
static void test_written(void **state)
{
	for (unsigned int i = 0; i < 16; i++) {
		const struct tcp_options in = {
			.has_mss = i & 1,
			.mss = 1440,
			.has_timestamp = i & 2,
			.tsval = 0xfffffffe,
			.tsecr = 7,
			.sack_ok = i & 4,
			.wscale = i & 8 ? 9 : TCPOPT_NO_SCALE,
		};
		uint8_t out[TCPOPT_MAX];
		const unsigned int len = tcp_options_write(out, &in);
		struct tcp_options o;

		assert_true(len <= 20);
		o = read_options(out, len);
		assert_int_equal(o.has_mss, in.has_mss);
		assert_int_equal(o.mss, in.has_mss ? 1440 : 0);
		assert_int_equal(o.has_timestamp, in.has_timestamp);
		assert_int_equal(o.tsval, in.has_timestamp ? in.tsval : 0);
		assert_int_equal(o.tsecr, in.has_timestamp ? in.tsecr : 0);
		assert_int_equal(o.sack_ok, in.sack_ok);
		assert_int_equal(o.wscale, in.wscale);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_syn),
		cmocka_unit_test(test_sack),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_last_counts),
		cmocka_unit_test(test_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Header fields that modes change: the options of a SYN. */
#include "rewrite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "frame.h"

/* What a SYN with these options (a multiple of 4 bytes) becomes when clamped to 1200. */
static void clamp(const char *src, const char *dst, uint8_t flags, const void *options,
	const void *want, uint8_t len)
{
	struct frame f;
	struct pkt p = { .family = strchr(src, ':') ? 6 : 4, .proto = IPPROTO_TCP };

	frame_build(&f, &(struct frame_spec){ .proto = IPPROTO_TCP,
				.src = src,
				.dst = dst,
				.sport = 40000,
				.dport = 80,
				.tcp_flags = flags,
				.payload = len + 3u });
	f.b[f.l4 + 12] = (uint8_t)((20 + len) / 4 << 4);
	memcpy(f.b + f.l4 + 20, options, len);
	frame_fix(&f);
	p.l3 = f.b + f.l3;
	p.l4 = f.b + f.l4;
	p.tcp_flags = flags;
	rewrite_mss(&p, 1200);
	assert_memory_equal(f.b + f.l4 + 20, want, len);
	assert_true(frame_is_right(&f));
}

static void both(uint8_t flags, const void *options, const void *want, uint8_t len)
{
	clamp("198.51.100.7", "192.0.2.10", flags, options, want, len);
	clamp("2001:db8:c::7", "2001:db8:1::10", flags, options, want, len);
}

/* 1460 is 05 b4, 1200 is 04 b0. */
static void test_mss_is_clamped(void **state)
{
	(void)state;
	both(TCP_SYN, "\2\4\5\xb4", "\2\4\4\xb0", 4);
	both(TCP_SYN | TCP_ACK, "\2\4\5\xb4", "\2\4\4\xb0", 4);
	both(TCP_SYN, "\2\4\xff\xff", "\2\4\4\xb0", 4);
	/* After one and after two fillers, after another option, at the very end. */
	both(TCP_SYN, "\1\2\4\5\xb4\0\0\0", "\1\2\4\4\xb0\0\0\0", 8);
	both(TCP_SYN, "\1\1\2\4\5\xb4\1\1", "\1\1\2\4\4\xb0\1\1", 8);
	both(TCP_SYN, "\1\3\3\7\2\4\5\xb4", "\1\3\3\7\2\4\4\xb0", 8);
	both(TCP_SYN, "\3\3\7\2\4\5\xb4\0", "\3\3\7\2\4\4\xb0\0", 8);
	/* Twice: whichever the receiver takes. */
	both(TCP_SYN, "\2\4\5\xb4\2\4\5\xb5", "\2\4\4\xb0\2\4\4\xb0", 8);
}

static void test_mss_is_left(void **state)
{
	(void)state;
	both(TCP_SYN, "\2\4\4\xb0", "\2\4\4\xb0", 4);
	both(TCP_SYN, "\2\4\2\x18", "\2\4\2\x18", 4);
	both(TCP_SYN, "\1\3\3\7", "\1\3\3\7", 4);
	both(TCP_SYN, "", "", 0);
	/* Only a SYN says it. */
	both(TCP_ACK, "\2\4\5\xb4", "\2\4\5\xb4", 4);
	/* Behind the end of the list. */
	both(TCP_SYN, "\1\0\0\0\2\4\5\xb4", "\1\0\0\0\2\4\5\xb4", 8);
}

static void test_odd_options(void **state)
{
	(void)state;
	both(TCP_SYN, "\1\1\1\2", "\1\1\1\2", 4);
	both(TCP_SYN, "\1\2\4\5", "\1\2\4\5", 4);
	both(TCP_SYN, "\2\5\5\xb4", "\2\5\5\xb4", 4);
	both(TCP_SYN, "\2\3\5\2\4\5\xb4\0", "\2\3\5\2\4\4\xb0\0", 8);
	both(TCP_SYN, "\x42\0\2\4\5\xb4\0\0", "\x42\0\2\4\5\xb4\0\0", 8);
	both(TCP_SYN, "\x42\1\2\4\5\xb4\0\0", "\x42\1\2\4\5\xb4\0\0", 8);
	both(TCP_SYN, "\x42\xff\2\4\5\xb4\0\0", "\x42\xff\2\4\5\xb4\0\0", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mss_is_clamped),
		cmocka_unit_test(test_mss_is_left),
		cmocka_unit_test(test_odd_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

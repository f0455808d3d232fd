/* SPDX-License-Identifier: BSD-3-Clause */
/* Cookies: what they bring back, when they end, and that nobody else makes them. */
#include "syncookie.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct hash_key secret = { { 0x0123456789abcdef, 0xfedcba9876543210 } };
static const uint8_t addrs[32] = { 198, 51, 100, 7, 192, 0, 2, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static const uint8_t ports[4] = { 0x13, 0x88, 0, 80 };

static struct syncookie_tuple connection(bool v6, uint32_t isn)
{
	return (struct syncookie_tuple){ addrs, ports, v6, isn };
}

/* As the client's ACK brings it back. */
static struct tcp_options echo(const struct tcp_options *sent, uint32_t tsval)
{
	return (struct tcp_options){
		.has_timestamp = sent->has_timestamp,
		.tsval = sent->has_timestamp ? tsval : 0,
		.tsecr = sent->has_timestamp ? sent->tsval : 0,
		.wscale = TCPOPT_NO_SCALE,
	};
}

static bool is_good(const struct syncookie *s, const struct syncookie_tuple *t, uint32_t cookie,
	const struct tcp_options *sent)
{
	struct tcp_options back = echo(sent, 1);

	return syncookie_check(s, t, cookie, &back);
}

/* Every combination of what a SYN may say comes back, with a clock near its end too. */
static void test_options(void **state)
{
	static const uint32_t clocks[] = { 0, 1, 31, 32, 0x7fffffff, 0xffffffff, 123456789 };
	static const uint16_t sizes[][2] = { { 1460, 1460 }, { 1459, 1440 }, { 65535, 8940 },
		{ 536, 536 }, { 100, 64 }, { 1, 64 }, { 1220, 1220 } };
	struct syncookie s;

	syncookie_init(&s, &secret, 77);
	for (unsigned int i = 0; i < 2 * 2 * 2 * 16 * 7 * 7; i++) {
		const bool v6 = i & 1;
		const uint32_t now = clocks[i / 128 % 7] - s.clock_offset;
		const struct syncookie_tuple t = connection(v6, i * 0x9e3779b9u);
		struct tcp_options o = {
			.has_mss = true,
			.mss = sizes[i / 128 / 7][0],
			.has_timestamp = i & 2,
			.sack_ok = i & 4,
			.wscale = i / 8 % 16,
			.tsval = 0xffff,
		};
		const uint32_t cookie = syncookie_make(&s, &t, &o, now);
		struct tcp_options back = echo(&o, 99);

		if (o.has_timestamp) /* not ahead of the clock, and close behind */
			assert_in_range(syncookie_clock(&s, now) - o.tsval, 0, 31);
		assert_true(syncookie_check(&s, &t, cookie, &back));
		assert_int_equal(back.mss, sizes[i / 128 / 7][1]);
		assert_int_equal(back.sack_ok, (i & 2) && (i & 4));
		assert_int_equal(back.wscale, i & 2 ? i / 8 % 16 : TCPOPT_NO_SCALE);
		assert_int_equal(back.tsval, i & 2 ? 99 : 0);
		assert_int_equal(o.sack_ok, back.sack_ok);
		assert_int_equal(o.wscale, back.wscale);
	}
}

static void test_no_size(void **state)
{
	struct syncookie s;

	syncookie_init(&s, &secret, 1);
	for (unsigned int v6 = 0; v6 < 2; v6++) {
		const struct syncookie_tuple t = connection(v6, 5);
		struct tcp_options o = { .wscale = TCPOPT_NO_SCALE }, back = o;
		const uint32_t cookie = syncookie_make(&s, &t, &o, 1000);

		assert_true(syncookie_check(&s, &t, cookie, &back));
		assert_int_equal(back.mss, v6 ? 1220 : 536);
	}
}

/* Good in its minute and the next, also where their number wraps, and no longer. */
static void test_age(void **state)
{
	static const uint64_t periods[] = { 0, 1, 2, 1000, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX };

	for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++) {
		const struct syncookie_tuple t = connection(i & 1, 0xffffffff);
		struct tcp_options o = {
			.has_mss = true, .mss = 1460, .has_timestamp = true, .wscale = 7
		};
		struct syncookie s;
		uint32_t cookie;

		syncookie_init(&s, &secret, periods[i]);
		cookie = syncookie_make(&s, &t, &o, 1);
		syncookie_advance(&s, periods[i]);
		assert_true(is_good(&s, &t, cookie, &o));
		syncookie_advance(&s, periods[i] + 1);
		assert_true(is_good(&s, &t, cookie, &o));
		for (uint64_t later = 2; later < 20; later++) {
			syncookie_advance(&s, periods[i] + later);
			assert_false(is_good(&s, &t, cookie, &o));
		}
	}
}

/* Two cores that never speak to each other. */
static void test_shared(void **state)
{
	const struct syncookie_tuple t = connection(false, 1);
	struct tcp_options o = { .has_mss = true, .mss = 1460, .wscale = TCPOPT_NO_SCALE };
	struct syncookie a, b;
	uint32_t cookie;

	syncookie_init(&a, &secret, 9);
	syncookie_init(&b, &secret, 3);
	syncookie_advance(&b, 10);
	cookie = syncookie_make(&a, &t, &o, 0);
	assert_true(is_good(&b, &t, cookie, &o));
	assert_int_equal(syncookie_clock(&a, 5), syncookie_clock(&b, 5));
}

/* Whatever differs makes it wrong: each bit of the connection, of the cookie's MAC, size and
 * minute, of what is kept in the timestamp; and another secret. */
static void test_forged(void **state)
{
	struct tcp_options o = {
		.has_mss = true, .mss = 1400, .has_timestamp = true, .sack_ok = true, .wscale = 9
	};
	const struct hash_key other = { { secret.k[0], secret.k[1] ^ 1 } };
	struct syncookie s, stranger;

	syncookie_init(&s, &secret, 4);
	syncookie_init(&stranger, &other, 4);
	for (unsigned int v6 = 0; v6 < 2; v6++) {
		const struct syncookie_tuple t = connection(v6, 0x12345678);
		const uint32_t cookie = syncookie_make(&s, &t, &o, 5000);
		struct tcp_options none = { .wscale = TCPOPT_NO_SCALE };

		assert_true(is_good(&s, &t, cookie, &o));
		assert_false(is_good(&stranger, &t, cookie, &o));
		assert_false(syncookie_check(&s, &t, cookie, &none));
		for (unsigned int bit = 0; bit < 32; bit++) {
			struct syncookie_tuple x = t;
			struct tcp_options back = o;
			uint8_t p[4];

			assert_false(is_good(&s, &t, cookie ^ 1u << bit, &o));
			x.isn ^= 1u << bit;
			assert_false(is_good(&s, &x, cookie, &o));
			x = t;
			memcpy(p, ports, 4);
			p[bit / 8] ^= 1u << bit % 8;
			x.ports = p;
			assert_false(is_good(&s, &x, cookie, &o));
			back.tsval ^= 1u << bit; /* sent, so echoed */
			assert_int_equal(is_good(&s, &t, cookie, &back), bit > 4);
		}
		for (unsigned int bit = 0; bit < (v6 ? 256 : 64); bit++) {
			uint8_t a[32];
			struct syncookie_tuple x = t;

			memcpy(a, addrs, 32);
			a[bit / 8] ^= 1u << bit % 8;
			x.addrs = a;
			assert_false(is_good(&s, &x, cookie, &o));
		}
	}
}

/* A million guesses, all of them wrong. */
static void test_guessed(void **state)
{
	const struct syncookie_tuple t = connection(false, 1);
	const struct tcp_options none = { .wscale = TCPOPT_NO_SCALE };
	struct syncookie s;
	unsigned int right = 0;
	uint32_t x = 1;

	syncookie_init(&s, &secret, 4);
	for (unsigned int i = 0; i < 1000000; i++) {
		struct tcp_options o = none;

		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		right += syncookie_check(&s, &t, x, &o);
	}
	assert_int_equal(right, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_no_size),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_guessed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

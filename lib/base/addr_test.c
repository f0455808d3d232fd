/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "addr.h"

static struct addr addr(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a))
		fail_msg("%s is an address", text);
	return a;
}

static struct prefix prefix(const char *text)
{
	struct prefix p;

	if (prefix_parse(text, false, &p))
		fail_msg("%s is a prefix", text);
	return p;
}

static void addresses(void **state)
{
	static const char *const good[] = { "0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1",
		"2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };
	static const char *const bad[] = { "", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.4 ",
		" ::1", "::g", "1:2:3:4:5:6:7", "::1%lo", "[::1]", "::ffff:192.0.2.1",
		"::ffff:c000:201", "name" };
	char buf[ADDR_TEXT];
	struct addr a;

	for (unsigned int i = 0; i < sizeof(good) / sizeof(*good); i++) {
		a = addr(good[i]);
		assert_string_equal(addr_format(&a, buf), good[i]);
		assert_int_equal(addr_is_v4(&a), strchr(good[i], '.') != NULL);
	}
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (addr_parse(bad[i], &a) != -EINVAL)
			fail_msg("\"%s\" was taken for an address", bad[i]);
	a = addr("192.0.2.1");
	assert_int_equal(addr_v4(&a), RTE_BE32(0xc0000201));
}

static void kinds_of_addresses(void **state)
{
	static const struct {
		const char *text;
		bool multicast, link_local, zero;
	} cases[] = {
		{ "223.255.255.255", false, false, false },
		{ "224.0.0.0", true, false, false },
		{ "239.255.255.255", true, false, false },
		{ "240.0.0.0", false, false, false },
		{ "ff02::1", true, false, false },
		{ "fe80::1", false, true, false },
		{ "febf::1", false, true, false },
		{ "fec0::1", false, false, false },
		{ "0.0.0.0", false, false, false }, /* in its mapped form */
		{ "::", false, false, true },
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct addr a = addr(cases[i].text);

		assert_int_equal(addr_is_multicast(&a), cases[i].multicast);
		assert_int_equal(addr_is_link_local(&a), cases[i].link_local);
		assert_int_equal(addr_is_zero(&a), cases[i].zero);
	}
}

static void endpoints(void **state)
{
	static const struct {
		const char *text, *addr, *out;
		uint16_t port;
	} good[] = {
		{ "192.0.2.1:80", "192.0.2.1", "192.0.2.1:80", 80 },
		{ "192.0.2.1", "192.0.2.1", "192.0.2.1", 0 },
		{ "[2001:db8::1]:65535", "2001:db8::1", "[2001:db8::1]:65535", 65535 },
		{ "[2001:db8::1]", "2001:db8::1", "2001:db8::1", 0 },
		{ "2001:db8::1:80", "2001:db8::1:80", "2001:db8::1:80", 0 },
		{ "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", 65535 },
	};
	static const char *const bad[] = { "", ":", ":80", "[]", "[]:80", "[::1", "[::1]80",
		"[::1]:", "[192.0.2.1]:80", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536",
		"192.0.2.1:080", "192.0.2.1:+1", "192.0.2.1:8 ", "192.0.2.1:99999999999999999999",
		"[::1]:80:80", "[::ffff:192.0.2.1]:80", "::ffff:192.0.2.1",
		"111111111111111111111111111111111111111111111111111111111111111:80" };
	char buf[ENDPOINT_TEXT];
	struct endpoint e;

	for (unsigned int i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct addr a = addr(good[i].addr);

		assert_int_equal(endpoint_parse(good[i].text, &e), 0);
		assert_true(addr_equal(&e.addr, &a));
		assert_int_equal(e.port, good[i].port);
		assert_string_equal(endpoint_format(&e, buf), good[i].out);
	}
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (endpoint_parse(bad[i], &e) != -EINVAL)
			fail_msg("\"%s\" was taken for an endpoint", bad[i]);
}

static void prefixes(void **state)
{
	static const char *const good[] = { "0.0.0.0/0", "192.0.2.0/24", "192.0.2.1/32",
		"128.0.0.0/1", "::/0", "2001:db8::/33", "2001:db8::1/128" };
	static const char *const bad[] = { "", "/", "/8", "192.0.2.1/24", "0.0.0.0/33", "::/129",
		"10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/08", "2001:db8:8000::/32", "::1/127",
		"::ffff:0:0/96", "10.0.0.0/8/8" };
	char buf[PREFIX_TEXT];
	struct prefix p;

	for (unsigned int i = 0; i < sizeof(good) / sizeof(*good); i++) {
		p = prefix(good[i]);
		assert_string_equal(prefix_format(&p, buf), good[i]);
	}
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (prefix_parse(bad[i], false, &p) != -EINVAL)
			fail_msg("\"%s\" was taken for a prefix", bad[i]);
	p = prefix("192.0.2.7");
	assert_string_equal(prefix_format(&p, buf), "192.0.2.7/32");
	assert_int_equal(prefix_parse("192.0.2.7/24", true, &p), 0);
	assert_string_equal(prefix_format(&p, buf), "192.0.2.7/24");
	p = prefix_network(&p);
	assert_string_equal(prefix_format(&p, buf), "192.0.2.0/24");
}

static void containment(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool inside;
	} cases[] = {
		{ "0.0.0.0/0", "255.1.2.3", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "192.0.2.1", false },
		{ "192.0.2.0/25", "192.0.2.127", true },
		{ "192.0.2.0/25", "192.0.2.128", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "192.0.2.1/32", "192.0.2.1", true },
		{ "192.0.2.1/32", "192.0.2.0", false },
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct prefix p = prefix(cases[i].prefix);
		struct addr a = addr(cases[i].addr);

		assert_int_equal(prefix_contains(&p, &a), cases[i].inside);
	}
}

/* Every length of both families, against a count of equal leading bits. */
static void containment_by_bits(void **state)
{
	for (unsigned int v4 = 0; v4 < 2; v4++) {
		unsigned int bits = v4 ? 32 : 128;
		struct addr a =
			addr(v4 ? "203.0.113.77" : "2001:db8:1234:5678:9abc:def0:1111:2222");

		for (unsigned int flip = 0; flip < bits; flip++) {
			struct addr b = a;
			unsigned int bit = flip + 128 - bits;

			b.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			for (unsigned int len = 0; len <= bits; len++) {
				struct prefix p = { .addr = a, .len = (uint8_t)len };

				p = prefix_network(&p);
				assert_true(prefix_contains(&p, &a));
				assert_int_equal(prefix_contains(&p, &b), len <= flip);
			}
		}
	}
}

static void tuple_reversed_twice_is_itself(void **state)
{
	struct tuple t = { addr("192.0.2.1"), addr("198.51.100.2"), 1, 2, 6 },
		     r = tuple_reverse(&t);

	assert_true(addr_equal(&r.src, &t.dst) && addr_equal(&r.dst, &t.src));
	assert_true(r.sport == 2 && r.dport == 1 && r.proto == 6);
	r = tuple_reverse(&r);
	assert_true(addr_equal(&r.src, &t.src) && r.sport == t.sport);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(kinds_of_addresses),
		cmocka_unit_test(endpoints),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(containment),
		cmocka_unit_test(containment_by_bits),
		cmocka_unit_test(tuple_reversed_twice_is_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

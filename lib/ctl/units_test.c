/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "config_test.h"
#include "units.h"

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		uint64_t us;
	} good[] = {
		{ "0s", 0 },
		{ "1us", 1 },
		{ "20ms", 20000 },
		{ "2s", 2000000 },
		{ "5m", 300000000 },
		{ "1h", 3600000000 },
		{ "1d", 86400000000 },
		{ "007s", 7000000 },
	};
	static const char *const bad[] = { "", "5", "s", " 5s", "5 s", "5S", "5sec", "-5s", "+5s",
		"1.5s", "0x5s", "18446744073709551616us", "9223372036854775807d" };
	uint64_t us;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(duration_parse(good[i].text, &us), 0);
		assert_int_equal(us, good[i].us);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		us = 77;
		assert_int_equal(duration_parse(bad[i], &us), -EINVAL);
		assert_int_equal(us, 77);
	}
}

static void test_size(void **state)
{
	uint64_t bytes;

	assert_int_equal(size_parse("512B", &bytes), 0);
	assert_int_equal(bytes, 512);
	assert_int_equal(size_parse("64KiB", &bytes), 0);
	assert_int_equal(bytes, 65536);
	assert_int_equal(size_parse("3GiB", &bytes), 0);
	assert_int_equal(bytes, UINT64_C(3) << 30);
	assert_int_equal(size_parse("64KB", &bytes), -EINVAL);
	assert_int_equal(size_parse("64", &bytes), -EINVAL);
	assert_int_equal(size_parse("64kib", &bytes), -EINVAL);
	assert_int_equal(size_parse("99999999999GiB", &bytes), -EINVAL);
}

static void test_vip(void **state)
{
	static const struct {
		const char *text, *addr;
		uint16_t first, last;
		uint8_t host_bits;
	} good[] = {
		{ "192.0.2.10:80", "192.0.2.10", 80, 80 },
		{ "192.0.2.10:1-65535", "192.0.2.10", 1, 65535 },
		{ "192.0.2.10:80-80", "192.0.2.10", 80, 80 },
		{ "192.0.2.10:*", "192.0.2.10", 0, 65535 },
		{ "[2001:db8::10]:80", "2001:db8::10", 80, 80 },
		{ "[2001:db8::10]:*", "2001:db8::10", 0, 65535 },
		{ "[::1]:1-2", "::1", 1, 2 },
		{ "203.0.113.0/24:80", "203.0.113.0", 80, 80, 8 },
		{ "203.0.113.9/32:80", "203.0.113.9", 80, 80, 0 },
		{ "[2001:db8:5::/64]:*", "2001:db8:5::", 0, 65535, 64 },
	};
	static const char *const bad[] = { "", ":", ":80", "192.0.2.10",
		"192.0.2.10:", "192.0.2.10:0", "192.0.2.10:65536", "192.0.2.10:080808080",
		"192.0.2.10:80-", "192.0.2.10:-80", "192.0.2.10:81-80", "192.0.2.10:80-81-82",
		"192.0.2.10:**", "192.0.2.10:80 ", " 192.0.2.10:80", "2001:db8::10:80",
		"[2001:db8::10]", "[2001:db8::10]80", "[2001:db8::10]:80:80", "192.0.2.10:80:90",
		"[192.0.2.10]:80", "192.0.2:80", "203.0.113.1/24:80", "203.0.113.0/33:80",
		"[2001:db8:5::]/64:80", "2001:db8:5::/64:80", "[2001:db8:5::/64:80",
		"203.0.113.0/:80", "name:80", "*:80",
		"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:80" };
	char text[ADDR_TEXT];
	struct vip v;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(vip_parse(good[i].text, &v), 0);
		assert_string_equal(addr_format(&v.addr, text), good[i].addr);
		assert_int_equal(v.ports.first, good[i].first);
		assert_int_equal(v.ports.last, good[i].last);
		assert_int_equal(v.host_bits, good[i].host_bits);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (vip_parse(bad[i], &v) == 0)
			print_message("%s\n", bad[i]);
		assert_int_equal(vip_parse(bad[i], &v), -EINVAL);
	}
}

static void test_mode(void **state)
{
	mode_t mode;

	assert_int_equal(mode_parse("0660", &mode), 0);
	assert_int_equal(mode, 0660);
	assert_int_equal(mode_parse("777", &mode), 0);
	assert_int_equal(mode, 0777);
	assert_int_equal(mode_parse("4755", &mode), -EINVAL);
	assert_int_equal(mode_parse("66", &mode), -EINVAL);
	assert_int_equal(mode_parse("0668", &mode), -EINVAL);
	assert_int_equal(mode_parse("rw-rw----", &mode), -EINVAL);
	assert_int_equal(mode_parse("", &mode), -EINVAL);
}

static void test_key(void **state)
{
	struct hash_key key;

	assert_int_equal(key_parse("00000000000000ff0100000000000000", &key), 0);
	assert_int_equal(((uint8_t *)key.k)[7], 0xff);
	assert_int_equal(((uint8_t *)key.k)[8], 1);
	assert_int_equal(key_parse("00000000000000ff010000000000000", &key), -EINVAL);
	assert_int_equal(key_parse("00000000000000ff01000000000000000", &key), -EINVAL);
	assert_int_equal(key_parse("0x000000000000ff0100000000000000", &key), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_vip),
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

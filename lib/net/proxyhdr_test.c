/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers byte by byte: every beginning waits for more, what follows changes nothing, and what is
 * written is read back. */
#include "proxyhdr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SIG "\r\n\r\n\0\r\nQUIT\n"

static struct endpoint endpoint(const char *text)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(text, &e), 0);
	return e;
}

static void assert_endpoint(const struct endpoint *e, const char *text)
{
	char got[ENDPOINT_TEXT];

	assert_string_equal(endpoint_format(e, got), text);
}

/* Of n bytes in memory of their own, so that a sanitizer sees their end. */
static enum proxyhdr_verdict parse(const void *data, size_t n, struct proxyhdr *out)
{
	uint8_t *copy = malloc(n ? n : 1);
	enum proxyhdr_verdict v;

	assert_non_null(copy);
	memcpy(copy, data, n);
	v = proxyhdr_parse(copy, (uint32_t)n, out);
	free(copy);
	return v;
}

/* A header of n bytes, and data behind it. */
static struct proxyhdr assert_header(const void *data, size_t n)
{
	uint8_t more[PROXYHDR_MAX + 3];
	struct proxyhdr h, longer;

	assert_true(n <= PROXYHDR_MAX);
	memcpy(more, data, n);
	memcpy(more + n, "\r\nP", 3);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(parse(data, i, &h), PROXYHDR_MORE);
	assert_int_equal(parse(data, n, &h), PROXYHDR_DONE);
	assert_int_equal(h.len, n);
	for (size_t i = 1; i <= 3; i++) {
		assert_int_equal(parse(more, n + i, &longer), PROXYHDR_DONE);
		assert_memory_equal(&h, &longer, sizeof(h));
	}
	return h;
}

/* Judged at the byte that makes the difference, and not again. */
static void assert_bad(const void *data, size_t n, size_t at, enum proxyhdr_verdict v)
{
	struct proxyhdr h;

	for (size_t i = 0; i <= n; i++)
		assert_int_equal(parse(data, i, &h), i < at ? PROXYHDR_MORE : v);
}

#define HEADER(text)     assert_header(text, sizeof(text) - 1)
#define BAD(text, at, v) assert_bad(text, sizeof(text) - 1, at, v)
/* That are judged by the last byte. */
#define WRONG(text) BAD(text, sizeof(text) - 1, PROXYHDR_WRONG)

static void assert_told(struct proxyhdr h, const char *src, const char *dst)
{
	assert_true(h.told);
	assert_endpoint(&h.src, src);
	assert_endpoint(&h.dst, dst);
}

static void test_v1(void **state)
{
	assert_told(HEADER("PROXY TCP4 198.51.100.7 192.0.2.10 40000 80\r\n"), "198.51.100.7:40000",
		"192.0.2.10:80");
	assert_told(HEADER("PROXY TCP4 255.255.255.255 0.0.0.0 65535 1\r\n"),
		"255.255.255.255:65535", "0.0.0.0:1");
	assert_told(HEADER("PROXY TCP6 2001:db8:9::7 2001:DB8:1::10 40000 443\r\n"),
		"[2001:db8:9::7]:40000", "[2001:db8:1::10]:443");
	assert_told(HEADER("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
			   "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
	assert_told(HEADER("PROXY TCP6 ::ffff:198.51.100.7 2001:db8::1 5 6\r\n"), "198.51.100.7:5",
		"[2001:db8::1]:6");
	assert_int_equal(HEADER("PROXY TCP4 1.2.3.4 5.6.7.8 0 0\r\n").src.port, 0);
	assert_false(HEADER("PROXY UNKNOWN\r\n").told);
	assert_false(HEADER("PROXY UNKNOWN \r\n").told);
	/* The longest there is. */
	assert_int_equal(HEADER("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
				"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n")
				 .len,
		107);
}

static void test_v1_wrong(void **state)
{
	char line[160];

	BAD("GET / HTTP/1.1\r\n", 1, PROXYHDR_NONE);
	BAD("PROPFIND /", 4, PROXYHDR_NONE);
	BAD("PROXYING", 6, PROXYHDR_NONE);
	BAD("\r\n\r\nQUIT", 5, PROXYHDR_NONE);
	WRONG("PROXY \r\n");
	WRONG("PROXY TCP\r\n");
	WRONG("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n");
	WRONG("PROXY UNKNOWNS\r\n");
	WRONG("PROXY TCP4\r\n");
	WRONG("PROXY TCP4 1.2.3.4\r\n");
	WRONG("PROXY TCP4 1.2.3.4 5.6.7.8\r\n");
	WRONG("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n");
	WRONG("PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n");
	WRONG("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n");
	WRONG("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n");
	WRONG("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n");
	WRONG("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n");
	WRONG("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n");
	WRONG("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n");
	WRONG("PROXY TCP4 1.2.3.4 5.6.7.8 1 4294967298\r\n");
	WRONG("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n");
	WRONG("PROXY TCP4 1.2.3.4 5.6.7.8 1 2x\r\n");
	WRONG("PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n");
	WRONG("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n");
	WRONG("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n");
	WRONG("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n");
	WRONG("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n");
	WRONG("PROXY TCP6 2001:db8::1%1 2001:db8::2 1 2\r\n");
	/* The end of a line is both bytes. */
	WRONG("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n");
	WRONG("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r");
	WRONG("PROXY UNKNOWN x\ry");
	/* One byte more than there may be. */
	snprintf(line, sizeof(line), "PROXY UNKNOWN %-92s\r\n", "");
	assert_bad(line, strlen(line), 106, PROXYHDR_LONG);
	snprintf(line, sizeof(line), "PROXY UNKNOWN %-91s\r\n", "");
	assert_header(line, strlen(line));
}

static void test_v2(void **state)
{
	assert_told(HEADER(SIG "\x21\x11\0\x0c\xc6\x33\x64\x07\xc0\0\x02\x0a\x9c\x40\0\x50"),
		"198.51.100.7:40000", "192.0.2.10:80");
	assert_told(HEADER(SIG "\x21\x21\0\x24"
			       "\x20\x01\x0d\xb8\0\x09\0\0\0\0\0\0\0\0\0\x07"
			       "\x20\x01\x0d\xb8\0\x01\0\0\0\0\0\0\0\0\0\x10\x9c\x40\x01\xbb"),
		"[2001:db8:9::7]:40000", "[2001:db8:1::10]:443");
	assert_told(HEADER(SIG "\x21\x21\0\x24"
			       "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x07"
			       "\x20\x01\x0d\xb8\0\x01\0\0\0\0\0\0\0\0\0\x10\x9c\x40\x01\xbb"),
		"198.51.100.7:40000", "[2001:db8:1::10]:443");
	/* Followed by a TLV, and by what is none. */
	assert_told(HEADER(SIG "\x21\x11\0\x11\xc6\x33\x64\x07\xc0\0\x02\x0a\x9c\x40\0\x50"
			       "\x04\0\x02\0\0"),
		"198.51.100.7:40000", "192.0.2.10:80");
	assert_told(
		HEADER(SIG "\x21\x11\0\x0e\xc6\x33\x64\x07\xc0\0\x02\x0a\x9c\x40\0\x50\x04\xff"),
		"198.51.100.7:40000", "192.0.2.10:80");
	/* LOCAL, whatever it says; unspecified; a Unix socket; datagrams. */
	assert_false(HEADER(SIG "\x20\0\0\0").told);
	assert_false(HEADER(SIG "\x20\xff\0\x02zz").told);
	assert_false(HEADER(SIG "\x20\x11\0\x0c\xc6\x33\x64\x07\xc0\0\x02\x0a\x9c\x40\0\x50").told);
	assert_false(HEADER(SIG "\x21\0\0\0").told);
	assert_false(HEADER(SIG "\x21\x31\0\x04\0\0\0\0").told);
	assert_false(HEADER(SIG "\x21\x12\0\x0c\xc6\x33\x64\x07\xc0\0\x02\x0a\x9c\x40\0\x50").told);
}

static void test_v2_wrong(void **state)
{
	uint8_t most[PROXYHDR_MAX] = SIG "\x21\x11";

	BAD(SIG "\x11\x11\0\x0c", 13, PROXYHDR_WRONG); /* version */
	BAD(SIG "\x31\x11\0\x0c", 13, PROXYHDR_WRONG);
	BAD(SIG "\x22\x11\0\x0c", 13, PROXYHDR_WRONG); /* command */
	BAD(SIG "\x21\x41\0\x0c", 14, PROXYHDR_WRONG); /* family */
	BAD(SIG "\x21\x13\0\x0c", 14, PROXYHDR_WRONG); /* protocol */
	BAD(SIG "\x21\x11\0\x0b\0\0\0\0\0\0\0\0\0\0\0", 16, PROXYHDR_WRONG);
	BAD(SIG "\x21\x21\0\x23\0\0\0\0\0\0\0\0\0\0\0", 16, PROXYHDR_WRONG);
	BAD("\r\n\r\n\0\r\nQUIT\r\x21", 12, PROXYHDR_NONE);
	most[14] = (PROXYHDR_MAX - 16) >> 8;
	most[15] = (PROXYHDR_MAX - 16) & 255;
	assert_header(most, sizeof(most));
	most[15]++;
	assert_bad(most, sizeof(most), 16, PROXYHDR_LONG);
	most[14] = most[15] = 0xff;
	assert_bad(most, sizeof(most), 16, PROXYHDR_LONG);
}

static void assert_written(
	unsigned int version, const char *from, const char *to, const void *bytes, size_t n)
{
	const struct endpoint src = endpoint(from), dst = endpoint(to);
	uint8_t out[PROXYHDR_WRITTEN_MAX];

	assert_int_equal(proxyhdr_write(version, &src, &dst, out), n);
	assert_memory_equal(out, bytes, n);
	assert_told(assert_header(out, n), from, to);
}

#define WRITTEN(version, from, to, text) assert_written(version, from, to, text, sizeof(text) - 1)

static void test_written(void **state)
{
	static const char longest[] = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";

	WRITTEN(1, "198.51.100.7:40000", "192.0.2.10:80",
		"PROXY TCP4 198.51.100.7 192.0.2.10 40000 80\r\n");
	WRITTEN(1, "[2001:db8:9::7]:1", "[2001:db8:1::10]:2",
		"PROXY TCP6 2001:db8:9::7 2001:db8:1::10 1 2\r\n");
	WRITTEN(1, "198.51.100.7:1", "[2001:db8:1::10]:2",
		"PROXY TCP6 ::ffff:198.51.100.7 2001:db8:1::10 1 2\r\n");
	WRITTEN(1, "[2001:db8:1::10]:1", "198.51.100.7:2",
		"PROXY TCP6 2001:db8:1::10 ::ffff:198.51.100.7 1 2\r\n");
	WRITTEN(1, longest, longest,
		"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n");
	WRITTEN(2, "198.51.100.7:40000", "192.0.2.10:80",
		SIG "\x21\x11\0\x0c\xc6\x33\x64\x07\xc0\0\x02\x0a\x9c\x40\0\x50");
	WRITTEN(2, "198.51.100.7:40000", "[2001:db8:1::10]:443",
		SIG "\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x07"
		    "\x20\x01\x0d\xb8\0\x01\0\0\0\0\0\0\0\0\0\x10\x9c\x40\x01\xbb");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v1),
		cmocka_unit_test(test_v1_wrong),
		cmocka_unit_test(test_v2),
		cmocka_unit_test(test_v2_wrong),
		cmocka_unit_test(test_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

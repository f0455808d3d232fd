/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading what ICMP errors quote: whole and cut, with options, extension headers and fragments, and
 * what must not be taken for a quoted packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "icmp_quote.h"

/* An error in a buffer of exactly its length, so that a sanitizer sees what is read beyond. */
struct error {
	uint8_t b[1024];
	uint32_t len;
	uint32_t l4; /* offset of the ICMP header */
	uint8_t family;
};

static void add(struct error *e, const void *data, size_t n)
{
	assert_true(e->len + n <= sizeof(e->b));
	memcpy(e->b + e->len, data, n);
	e->len += (uint32_t)n;
}

#define ADD(e, ...)                                                                                \
	add(e, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static const uint8_t client4[] = { 198, 51, 100, 7 }, vip4[] = { 192, 0, 2, 10 },
		     router4[] = { 203, 0, 113, 9 };
static const uint8_t client6[16] = { 0x20, 1, 0xd, 0xb8, 0xc, [15] = 7 },
		     vip6[16] = { 0x20, 1, 0xd, 0xb8, 1, [15] = 0x10 },
		     router6[16] = { 0x20, 1, 0xd, 0xb8, 0x99, [15] = 9 };

static void add_ip4(struct error *e, uint8_t words, uint16_t fragment, uint8_t proto,
	const uint8_t *src, const uint8_t *dst)
{
	ADD(e, (uint8_t)(0x40 | words), 0, 1, 44, 0, 1, (uint8_t)(fragment >> 8), (uint8_t)fragment,
		63, proto, 0xab, 0xcd);
	add(e, src, 4);
	add(e, dst, 4);
	for (uint8_t i = 5; i < words; i++)
		ADD(e, 1, 1, 1, 1);
}

static void add_ip6(struct error *e, uint8_t next, const uint8_t *src, const uint8_t *dst)
{
	ADD(e, 0x60, 0, 0, 0, 1, 44, next, 63);
	add(e, src, 16);
	add(e, dst, 16);
}

static void begin(struct error *e, uint8_t family, uint8_t type, uint8_t outer_words)
{
	e->len = 0;
	e->family = family;
	if (family == 4)
		add_ip4(e, outer_words, 0, 1, router4, vip4);
	else
		add_ip6(e, 58, router6, vip6);
	e->l4 = e->len;
	ADD(e, type, 0, 0, 0, 0, 0, 5, 0);
}

/* The ports, and the rest of a UDP header. */
static void add_l4(struct error *e)
{
	ADD(e, 0, 80, 0x9c, 0x40, 1, 24, 0x12, 0x34);
}

static bool quoted(struct error *e, uint32_t len, struct icmp_quote *q)
{
	uint8_t *copy = malloc(len);
	struct pkt p = {
		.family = e->family,
		.proto = e->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		.l3 = copy,
		.l4 = copy + e->l4,
		.l3_len = (uint16_t)len,
		.l4_len = (uint16_t)(len - e->l4),
	};
	bool ok;

	assert_non_null(copy);
	memcpy(copy, e->b, len);
	ok = icmp_quoted(&p, q);
	if (ok) { /* as offsets into the error */
		assert_ptr_equal(q->l4 + q->l4_len, copy + RTE_MIN(len, ICMP_QUOTE_SPAN));
		q->l3 = e->b + (q->l3 - copy);
		q->l4 = e->b + (q->l4 - copy);
	}
	free(copy);
	return ok;
}

static void check_tuple(const struct icmp_quote *q, uint8_t family, uint8_t proto)
{
	struct addr client = family == 4 ? addr_from_v4(*(const uint32_t *)(const void *)client4)
					 : addr_from_v6(client6);
	struct addr vip = family == 4 ? addr_from_v4(*(const uint32_t *)(const void *)vip4)
				      : addr_from_v6(vip6);

	assert_true(addr_equal(&q->tuple.src, &client));
	assert_true(addr_equal(&q->tuple.dst, &vip));
	assert_int_equal(q->tuple.proto, proto);
	assert_int_equal(q->proto, proto);
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP) {
		assert_int_equal(q->tuple.sport, 0);
		assert_int_equal(q->tuple.dport, 0);
		return;
	}
	assert_int_equal(q->tuple.sport, RTE_BE16(40000));
	assert_int_equal(q->tuple.dport, RTE_BE16(80));
}

/* Every type: which of them are errors. */
static void test_types(void **state)
{
	for (unsigned int type = 0; type < 256; type++) {
		struct icmp_quote q;
		struct error e;

		begin(&e, 4, (uint8_t)type, 5);
		add_ip4(&e, 5, 0, IPPROTO_TCP, vip4, client4);
		add_l4(&e);
		assert_int_equal(quoted(&e, e.len, &q), type == 3 || type == 11 || type == 12);
		begin(&e, 6, (uint8_t)type, 0);
		add_ip6(&e, IPPROTO_TCP, vip6, client6);
		add_l4(&e);
		assert_int_equal(quoted(&e, e.len, &q), type >= 1 && type <= 4);
	}
}

static void test_protocols(void **state)
{
	for (unsigned int proto = 0; proto < 256; proto++) {
		const bool known = proto == IPPROTO_TCP || proto == IPPROTO_UDP ||
				   proto == IPPROTO_IPIP || proto == IPPROTO_IPV6 ||
				   proto == IPPROTO_GRE;
		struct icmp_quote q;
		struct error e;

		begin(&e, 4, 3, 5);
		add_ip4(&e, 5, 0, (uint8_t)proto, vip4, client4);
		add_l4(&e);
		assert_int_equal(quoted(&e, e.len, &q), known);
		if (known)
			check_tuple(&q, 4, (uint8_t)proto);
		begin(&e, 6, 2, 0);
		add_ip6(&e, (uint8_t)proto, vip6, client6);
		add_l4(&e);
		assert_int_equal(quoted(&e, e.len, &q), known);
		if (known)
			check_tuple(&q, 6, (uint8_t)proto);
	}
}

/* Cut anywhere: 8 bytes of the transport header are needed and nothing is read behind the end. */
static void test_cut(void **state)
{
	for (int options = 0; options < 2; options++) {
		struct icmp_quote q;
		struct error e;
		uint32_t need;

		begin(&e, 4, 11, options ? 15 : 5);
		add_ip4(&e, options ? 15 : 5, 0, IPPROTO_UDP, vip4, client4);
		need = e.len + 8;
		add_l4(&e);
		ADD(&e, 1, 2, 3);
		for (uint32_t len = e.l4 + 8; len <= e.len; len++) {
			assert_int_equal(quoted(&e, len, &q), len >= need);
			if (len < need)
				continue;
			check_tuple(&q, 4, IPPROTO_UDP);
			assert_int_equal(q.l4_len, len - need + 8);
			assert_ptr_equal(q.l4, e.b + need - 8);
		}
		begin(&e, 6, 3, 0);
		add_ip6(&e, options ? IPPROTO_HOPOPTS : IPPROTO_UDP, vip6, client6);
		if (options) {
			ADD(&e, IPPROTO_ROUTING, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
			ADD(&e, IPPROTO_DSTOPTS, 0, 2, 0, 0, 0, 0, 0);
			ADD(&e, IPPROTO_UDP, 0, 1, 4, 0, 0, 0, 0);
		}
		need = e.len + 8;
		add_l4(&e);
		for (uint32_t len = e.l4 + 8; len <= e.len; len++)
			assert_int_equal(quoted(&e, len, &q), len >= need);
		check_tuple(&q, 6, IPPROTO_UDP);
	}
}

/* The first fragment has the ports, a later one has not. */
static void test_fragments(void **state)
{
	static const struct {
		uint16_t field4, field6;
		bool good;
	} cases[] = {
		{ 0x2000, 0x0001, true },  /* more to come */
		{ 0x4000, 0x0000, true },  /* DF; an atomic fragment */
		{ 0x2001, 0x0009, false }, /* offset 8 */
		{ 0x1fff, 0xfff8, false },
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct icmp_quote q;
		struct error e;

		begin(&e, 4, 3, 5);
		add_ip4(&e, 5, cases[i].field4, IPPROTO_UDP, vip4, client4);
		add_l4(&e);
		assert_int_equal(quoted(&e, e.len, &q), cases[i].good);
		begin(&e, 6, 2, 0);
		add_ip6(&e, IPPROTO_FRAGMENT, vip6, client6);
		/* Its second byte is no length. */
		ADD(&e, IPPROTO_UDP, 0xff, (uint8_t)(cases[i].field6 >> 8),
			(uint8_t)cases[i].field6, 0, 0, 0, 1);
		add_l4(&e);
		assert_int_equal(quoted(&e, e.len, &q), cases[i].good);
		if (cases[i].good)
			check_tuple(&q, 6, IPPROTO_UDP);
	}
}

static void test_refused(void **state)
{
	struct icmp_quote q;
	struct error e, f;
	size_t at;

	begin(&e, 4, 3, 5);
	at = e.len;
	add_ip4(&e, 5, 0, IPPROTO_UDP, vip4, client4);
	add_l4(&e);
	assert_true(quoted(&e, e.len, &q));
	f = e;
	f.b[at] = 0x65; /* another version */
	assert_false(quoted(&f, f.len, &q));
	f = e;
	f.b[at] = 0x44; /* a header of 16 bytes */
	assert_false(quoted(&f, f.len, &q));
	f = e;
	f.b[at + 15]++; /* somebody else sent it */
	assert_false(quoted(&f, f.len, &q));
	f = e;
	memset(f.b + at + 20, 0, 2); /* port 0 */
	assert_false(quoted(&f, f.len, &q));
	f = e;
	memset(f.b + at + 22, 0, 2);
	assert_false(quoted(&f, f.len, &q));
	f = e;
	f.b[at + 10] ^= 0xff; /* a wrong checksum, and a length that is not right */
	f.b[at + 2] = 0xff;
	assert_true(quoted(&f, f.len, &q));

	/* An error about an error. */
	begin(&e, 4, 3, 5);
	add_ip4(&e, 5, 0, IPPROTO_ICMP, vip4, client4);
	ADD(&e, 3, 4, 0, 0, 0, 0, 0, 0);
	add_ip4(&e, 5, 0, IPPROTO_UDP, client4, vip4);
	add_l4(&e);
	assert_false(quoted(&e, e.len, &q));
	/* IPv4 in an error of IPv6. */
	begin(&e, 6, 1, 0);
	add_ip4(&e, 5, 0, IPPROTO_UDP, vip4, client4);
	add_l4(&e);
	for (int i = 0; i < 20; i++)
		ADD(&e, 0, 0, 0, 0);
	assert_false(quoted(&e, e.len, &q));
}

/* Chains without end, and beyond what is contiguous. */
static void test_chains(void **state)
{
	for (unsigned int n = 0; n <= 8; n++) {
		struct icmp_quote q;
		struct error e;

		begin(&e, 6, 3, 0);
		add_ip6(&e, n ? IPPROTO_DSTOPTS : IPPROTO_TCP, vip6, client6);
		for (unsigned int i = 0; i < n; i++)
			ADD(&e, i + 1 < n ? IPPROTO_DSTOPTS : IPPROTO_TCP, 0, 1, 4, 0, 0, 0, 0);
		add_l4(&e);
		assert_int_equal(quoted(&e, e.len, &q), n < 8);
	}
	for (unsigned int words = 40; words < 60; words++) {
		struct icmp_quote q;
		struct error e;

		begin(&e, 6, 3, 0);
		add_ip6(&e, IPPROTO_DSTOPTS, vip6, client6);
		ADD(&e, IPPROTO_TCP, (uint8_t)(words - 1), 1, 4, 0, 0, 0, 0);
		for (unsigned int i = 1; i < words; i++)
			ADD(&e, 0, 0, 0, 0, 0, 0, 0, 0);
		add_l4(&e);
		assert_int_equal(quoted(&e, e.len, &q), 88 + words * 8 + 8 <= ICMP_QUOTE_SPAN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_chains),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

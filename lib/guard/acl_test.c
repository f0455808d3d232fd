/* SPDX-License-Identifier: BSD-3-Clause */
/* Access lists against the naive way: every entry looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "acl.h"

static uint64_t state;

static uint32_t next(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33);
}

static struct access_entry entry(const char *text, bool allow)
{
	struct access_entry e = { .allow = allow };

	assert_int_equal(prefix_parse(text, false, &e.prefix), 0);
	return e;
}

static bool allows(const struct acl *a, const char *text)
{
	struct addr client;

	assert_int_equal(addr_parse(text, &client), 0);
	return acl_allows(a, &client);
}

static void test_empty(void **unused)
{
	struct acl *everybody = acl_build(NULL, 0, false), *nobody = acl_build(NULL, 0, true);
	static const char *const clients[] = { "0.0.0.0", "255.255.255.255", "192.0.2.1",
		"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::1" };

	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		assert_true(allows(everybody, clients[i]));
		assert_false(allows(nobody, clients[i]));
	}
	acl_free(everybody);
	acl_free(nobody);
	acl_free(NULL);
}

static void test_nested(void **unused)
{
	const struct access_entry list[] = {
		entry("10.0.0.0/8", false),
		entry("10.1.0.0/16", true),
		entry("10.1.2.3", false),
		entry("10.1.2.4/31", false),
		entry("10.255.255.255", true),
		entry("2001:db8::/32", false),
		entry("2001:db8::/48", true),
		entry("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true),
	};
	struct acl *a = acl_build(list, sizeof(list) / sizeof(list[0]), false);

	assert_non_null(a);
	assert_true(allows(a, "9.255.255.255"));
	assert_false(allows(a, "10.0.0.0"));
	assert_false(allows(a, "10.0.255.255"));
	assert_true(allows(a, "10.1.0.0"));
	assert_true(allows(a, "10.1.2.2"));
	assert_false(allows(a, "10.1.2.3"));
	assert_false(allows(a, "10.1.2.4"));
	assert_false(allows(a, "10.1.2.5"));
	assert_true(allows(a, "10.1.2.6"));
	assert_true(allows(a, "10.1.255.255"));
	assert_false(allows(a, "10.2.0.0"));
	assert_false(allows(a, "10.255.255.254"));
	assert_true(allows(a, "10.255.255.255"));
	assert_true(allows(a, "11.0.0.0"));
	assert_true(allows(a, "2001:db8::1"));
	assert_false(allows(a, "2001:db8:1::1"));
	assert_false(allows(a, "2001:db8:ffff:ffff:ffff:ffff:ffff:fffe"));
	assert_true(allows(a, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
	assert_true(allows(a, "2001:db9::"));
	acl_free(a);
}

/* A prefix of IPv6 that holds the block in which IPv4 addresses are kept does not hold them. */
static void test_families(void **unused)
{
	static const char *const all_v6[] = { "::/0", "::/1", "::/64", "::/80" };

	for (unsigned int others = 0; others < 2; others++)
		for (size_t i = 0; i < 4; i++) {
			const struct access_entry list[] = { entry(all_v6[i], others),
				entry("192.0.2.0/24", others) };
			struct acl *one = acl_build(list, 1, others);
			struct acl *both = acl_build(list, 2, others);

			assert_int_equal(allows(one, "::1"), others);
			assert_int_equal(allows(one, "192.0.2.1"), !others);
			assert_int_equal(allows(one, "0.0.0.0"), !others);
			assert_int_equal(allows(one, "255.255.255.255"), !others);
			assert_int_equal(allows(both, "192.0.2.1"), others);
			assert_int_equal(allows(both, "192.0.3.0"), !others);
			acl_free(one);
			acl_free(both);
		}
	/* All of one family. */
	for (unsigned int allow = 0; allow < 2; allow++) {
		const struct access_entry v4 = entry("0.0.0.0/0", allow), v6 = entry("::/0", allow);
		struct acl *a = acl_build(&v4, 1, allow), *b = acl_build(&v6, 1, allow);

		assert_int_equal(allows(a, "0.0.0.0"), allow);
		assert_int_equal(allows(a, "255.255.255.255"), allow);
		assert_int_equal(allows(a, "::"), !allow);
		assert_int_equal(allows(a, "ffff::"), !allow);
		assert_int_equal(allows(b, "0.0.0.0"), !allow);
		assert_int_equal(allows(b, "::"), allow);
		assert_int_equal(allows(b, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), allow);
		acl_free(a);
		acl_free(b);
	}
}

/* ---- many ----------------------------------------------------------------------------------- */

/* Near to few networks, so that prefixes are nested, adjacent and around each other. */
static struct addr random_addr(void)
{
	struct addr a;

	if (next() % 2)
		return addr_from_v4(rte_cpu_to_be_32(
			next() % 4 ? 0x0a000000 | (next() & next() & 0xffffff) : next() * 2));
	for (unsigned int i = 0; i < 4; i++)
		a.w[i] = next() % 3 ? next() & next() & next() & next() : next() * 2;
	if (next() % 4)
		a.w[0] = rte_cpu_to_be_32(0x20010db8);
	if (addr_is_v4(&a))
		a.w[0] = 1;
	return a;
}

static int compare(const void *left, const void *right)
{
	const struct access_entry *a = left, *b = right;
	int d = addr_compare(&a->prefix.addr, &b->prefix.addr);

	return d ? d : a->prefix.len - b->prefix.len;
}

/* n at most, each prefix once, in any order. */
static unsigned int random_list(struct access_entry *list, unsigned int n)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct prefix p = { .addr = random_addr() };

		p.len = (uint8_t)(next() % (addr_is_v4(&p.addr) ? 33 : 129));
		list[i] = (struct access_entry){ prefix_network(&p), next() % 2 };
		/* "::ffff:0:0/96" and around it: the mapped block is no IPv6 network. */
		if (addr_is_v4(&list[i].prefix.addr) != addr_is_v4(&p.addr))
			list[i] = list[0];
	}
	qsort(list, n, sizeof(*list), compare);
	for (unsigned int i = 0; i < n; i++)
		if (i == 0 || compare(&list[i], &list[kept - 1]) != 0)
			list[kept++] = list[i];
	for (unsigned int i = kept; i > 1; i--) {
		unsigned int j = next() % i;
		struct access_entry e = list[i - 1];

		list[i - 1] = list[j];
		list[j] = e;
	}
	return kept;
}

/* One more or one less, at any bit: where ranges begin and end. */
static struct addr neighbour(const struct addr *a, bool up)
{
	struct addr n = *a;
	int i = 15;

	for (; i >= 0; i--) {
		n.b[i] = (uint8_t)(n.b[i] + (up ? 1 : -1));
		if (n.b[i] != (up ? 0 : 0xff))
			break;
	}
	return n;
}

static void check(const struct acl *a, const struct access_entry *list, unsigned int n,
	bool deny_others, const struct addr *client)
{
	const struct access_entry *e = acl_decides(list, n, client);

	assert_int_equal(acl_allows(a, client), e ? e->allow : !deny_others);
}

static void test_random(void **unused)
{
	static const unsigned int sizes[] = { 1, 2, 3, 7, 30, 500, 10000 };
	struct access_entry *list = calloc(10000, sizeof(*list));

	for (unsigned int s = 0; s < 7; s++)
		for (unsigned int round = 0; round < (sizes[s] > 1000 ? 1 : 50); round++) {
			const bool deny_others = next() % 2;
			const unsigned int n = random_list(list, sizes[s]);
			struct acl *a = acl_build(list, n, deny_others);

			assert_non_null(a);
			for (unsigned int i = 0; i < 400; i++) {
				const struct prefix *p = &list[next() % n].prefix;
				const unsigned int bits = addr_is_v4(&p->addr) ? 32 : 128;
				struct addr at = p->addr, client = random_addr();

				check(a, list, n, deny_others, &client);
				check(a, list, n, deny_others, &at);
				at = neighbour(&at, false);
				check(a, list, n, deny_others, &at);
				/* The last one within, and the one after it. */
				at = p->addr;
				for (unsigned int bit = p->len + 128 - bits; bit < 128; bit++)
					at.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
				check(a, list, n, deny_others, &at);
				at = neighbour(&at, true);
				check(a, list, n, deny_others, &at);
			}
			acl_free(a);
		}
	free(list);
}

/* Every prefix around one address, to the longest. */
static void test_deep(void **unused)
{
	struct access_entry list[129 + 33];
	struct addr v4 = addr_from_v4(RTE_BE32(0xc0000201)), v6;
	unsigned int n = 0;
	struct acl *a;

	memset(v6.b, 0, sizeof(v6.b));
	for (unsigned int len = 0; len <= 128; len++) {
		struct prefix p = { v6, (uint8_t)len };

		list[n++] = (struct access_entry){ prefix_network(&p), len % 2 };
	}
	for (unsigned int len = 0; len <= 32; len++) {
		struct prefix p = { v4, (uint8_t)len };

		list[n++] = (struct access_entry){ prefix_network(&p), len % 2 };
	}
	a = acl_build(list, n, true);
	assert_non_null(a);
	for (unsigned int bit = 0; bit < 128; bit++) {
		struct addr at = v6;

		at.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		check(a, list, n, true, &at);
	}
	for (unsigned int bit = 96; bit < 128; bit++) {
		struct addr at = v4;

		at.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		check(a, list, n, true, &at);
	}
	check(a, list, n, true, &v6);
	check(a, list, n, true, &v4);
	acl_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_deep),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("acl", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The option is where a server looks for it, and the rest of the segment as it was. */
#include "clientaddr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "test_eal.h"
#include "wire.h"

static struct rte_mempool *pool;

static const uint8_t payload[] = "GET / HTTP/1.1\r\n\r\nand an odd number";

/* A segment with these options (a multiple of four bytes) and sums that are right. */
static void segment(struct pkt *p, uint8_t family, const uint8_t *options, uint8_t n, size_t data)
{
	uint8_t ip_len = family == 4 ? 20 : 40;

	memset(p, 0, sizeof(*p));
	p->mbuf = rte_pktmbuf_alloc(pool);
	assert_non_null(p->mbuf);
	p->family = family;
	p->proto = IPPROTO_TCP;
	p->l4_len = (uint16_t)(20 + n + data);
	p->l3_len = (uint16_t)(ip_len + p->l4_len);
	p->l3 = (uint8_t *)rte_pktmbuf_append(p->mbuf, (uint16_t)(14 + p->l3_len)) + 14;
	p->l4 = p->l3 + ip_len;
	for (unsigned int i = 0; i < p->l3_len; i++)
		p->l3[i] = (uint8_t)rand();
	p->l3[0] = family == 4 ? 0x45 : 0x60;
	p->l4[12] = (uint8_t)((20 + n) / 4 << 4);
	p->l4[13] = TCP_ACK;
	if (n)
		memcpy(p->l4 + 20, options, n);
	memcpy(p->l4 + 20 + n, payload, data);
	if (family == 4) {
		p->l3[9] = IPPROTO_TCP;
		p->l3[2] = (uint8_t)(p->l3_len >> 8);
		p->l3[3] = (uint8_t)p->l3_len;
		p->l3[10] = p->l3[11] = 0;
		uint16_t sum = (uint16_t)~wire_fold(wire_sum(p->l3, 20, 0));
		memcpy(p->l3 + 10, &sum, 2);
	} else {
		p->l3[6] = IPPROTO_TCP;
		p->l3[4] = (uint8_t)(p->l4_len >> 8);
		p->l3[5] = (uint8_t)p->l4_len;
	}
	p->l4[16] = p->l4[17] = 0;
	uint16_t sum = (uint16_t)~wire_fold(
		wire_sum(p->l4, p->l4_len, wire_pseudo(p->l3, family, IPPROTO_TCP, p->l4_len)));
	memcpy(p->l4 + 16, &sum, 2);
}

static void assert_right(const struct pkt *p)
{
	if (p->family == 4) {
		assert_int_equal(wire_fold(wire_sum(p->l3, 20, 0)), 0xffff);
		assert_int_equal(p->l3[2] << 8 | p->l3[3], p->l3_len);
	} else {
		assert_int_equal(p->l3[4] << 8 | p->l3[5], p->l4_len);
	}
	assert_int_equal(wire_fold(wire_sum(p->l4, p->l4_len,
				 wire_pseudo(p->l3, p->family, IPPROTO_TCP, p->l4_len))),
		0xffff);
}

/* Everything of the segment but lengths, sums and what was put in is as before. */
static void put(uint8_t family, const char *client, uint8_t options)
{
	static const uint8_t timestamps[12] = { 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t more[40], before[256], n;
	struct addr a;
	struct pkt p;

	for (unsigned int i = 0; i < sizeof(more); i++)
		more[i] = timestamps[i % 12];
	assert_int_equal(addr_parse(client, &a), 0);
	n = addr_is_v4(&a) ? 8 : 20;
	segment(&p, family, more, options, sizeof(payload));
	memcpy(before, p.l4, p.l4_len);
	assert_true(clientaddr_put_toa(&p, &a, RTE_BE16(40000), UINT16_MAX));
	assert_right(&p);
	assert_int_equal(p.l4 - p.l3, family == 4 ? 20 : 40);
	assert_int_equal(p.l4_len, 20 + n + options + sizeof(payload));
	assert_int_equal(p.l4[12] >> 4, (20 + n + options) / 4);
	assert_int_equal(p.l4[12] & 15, before[12] & 15);
	assert_memory_equal(p.l4, before, 12);
	assert_int_equal(p.l4[13], before[13]);
	assert_int_equal(p.l4[20], 254);
	assert_int_equal(p.l4[21], n);
	assert_int_equal(p.l4[22] << 8 | p.l4[23], 40000);
	assert_memory_equal(p.l4 + 24, n == 8 ? &a.b[12] : a.b, n - 4);
	assert_memory_equal(p.l4 + 20 + n, before + 20, options + sizeof(payload));
	rte_pktmbuf_free(p.mbuf);
}

static void test_put(void **state)
{
	for (unsigned int i = 0; i < 200; i++) {
		put(4, "198.51.100.7", (uint8_t)(i % 9 * 4));
		put(6, "198.51.100.7", (uint8_t)(i % 9 * 4));
		put(6, "2001:db8:9::7", (uint8_t)(i % 6 * 4));
		put(4, "2001:db8:9::7", (uint8_t)(i % 6 * 4));
	}
}

/* Refused, and nothing is changed. */
static void refused(uint8_t family, const char *client, uint8_t options, uint16_t max)
{
	static const uint8_t nops[40] = { [0 ... 39] = 1 };
	uint8_t before[256];
	struct addr a;
	struct pkt p;

	assert_int_equal(addr_parse(client, &a), 0);
	segment(&p, family, nops, options, 10);
	memcpy(before, p.l3, p.l3_len);
	assert_false(clientaddr_put_toa(&p, &a, RTE_BE16(40000), max));
	assert_memory_equal(p.l3, before, p.l3_len);
	assert_right(&p);
	rte_pktmbuf_free(p.mbuf);
}

static void test_no_room(void **state)
{
	struct addr a;
	struct pkt p;

	refused(4, "198.51.100.7", 36, UINT16_MAX);
	refused(4, "198.51.100.7", 40, UINT16_MAX);
	refused(6, "2001:db8:9::7", 24, UINT16_MAX);
	refused(4, "198.51.100.7", 0, 20 + 20 + 10 + 7);
	refused(6, "2001:db8:9::7", 20, 40 + 40 + 10 + 19);

	/* No headroom: somebody has used it already. */
	assert_int_equal(addr_parse("198.51.100.7", &a), 0);
	segment(&p, 4, NULL, 0, 10);
	p.l3 = memmove((uint8_t *)p.mbuf->buf_addr + 20, p.l3, p.l3_len);
	p.l4 = p.l3 + 20;
	assert_false(clientaddr_put_toa(&p, &a, RTE_BE16(40000), UINT16_MAX));
	assert_right(&p);
	rte_pktmbuf_free(p.mbuf);
}

static void strip(const uint8_t *options, const uint8_t *then, uint8_t n)
{
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct pkt p;

		segment(&p, family, options, n, sizeof(payload));
		clientaddr_strip_toa(&p);
		assert_right(&p);
		assert_memory_equal(p.l4 + 20, then, n);
		rte_pktmbuf_free(p.mbuf);
	}
}

#define STRIP(from, to) strip((const uint8_t[])from, (const uint8_t[])to, sizeof((uint8_t[])from))
#define B(...)                                                                                     \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

/* A client that says it is another one. */
static void test_strip(void **state)
{
	STRIP(B(254, 8, 1, 2, 3, 4, 5, 6), B(1, 1, 1, 1, 1, 1, 1, 1));
	STRIP(B(1, 254, 3, 9, 2, 4, 5, 6), B(1, 1, 1, 1, 2, 4, 5, 6));
	STRIP(B(2, 4, 254, 8, 254, 4, 3, 4), B(2, 4, 254, 8, 1, 1, 1, 1));
	STRIP(B(2, 4, 1, 2, 8, 3, 254, 8), B(2, 4, 1, 2, 8, 3, 254, 8)); /* longer than there is */
	STRIP(B(0, 254, 3, 1), B(0, 254, 3, 1));
	STRIP(B(254, 0, 254, 2), B(254, 0, 254, 2));
	STRIP(B(1, 1, 1, 254), B(1, 1, 1, 254));
	STRIP(B(254, 2, 254, 2), B(1, 1, 1, 1));
	strip(NULL, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_strip),
	};

	test_eal_init();
	pool = test_pool("clientaddr", 64);
	srand(11);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

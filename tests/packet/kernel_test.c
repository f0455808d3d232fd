/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers give to the control core for the kernel: all that is for the port's own addresses
 * and nobody wants, as it came, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

#define TCP 6
#define UDP 17
#define GRE 47

static struct harness *balancer(unsigned int workers)
{
	return harness_create(&(struct harness_conf){ .file = "kernel.json", .workers = workers });
}

/* The next packet for the kernel of any worker, or NULL. */
static struct rte_mbuf *for_kernel(struct harness *h)
{
	void *m;

	for (unsigned int i = 0; i < h->workers->n; i++)
		if (rte_ring_sc_dequeue(h->workers->net[i]->kernel, &m) == 0)
			return m;
	return NULL;
}

/* The frame reaches the kernel as it is, once, and nobody else. */
static void kernels(struct harness *h, uint16_t nic, const struct frame *f)
{
	struct rte_mbuf *m;
	struct frame got;

	harness_send(h, nic, f);
	m = for_kernel(h);
	assert_non_null(m);
	assert_null(frame_read(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, &got));
	assert_memory_equal(got.src, f->src, 16);
	assert_memory_equal(got.dst, f->dst, 16);
	assert_int_equal(got.proto, f->proto);
	assert_int_equal(got.sport, f->sport);
	assert_int_equal(got.dport, f->dport);
	assert_int_equal(got.ttl, f->ttl);
	assert_int_equal(m->port, nic);
	rte_pktmbuf_free(m);
	assert_null(for_kernel(h));
	assert_null(harness_next(h, NULL));
}

struct case_of {
	const char *client, *own, *virtual;
	uint8_t echo_reply;
};

static const struct case_of cases[] = {
	{ "198.51.100.7", "192.0.2.1", "192.0.2.10", 0 },
	{ "2001:db8:c::7", "2001:db8:1::1", "2001:db8:1::10", 129 },
};

/* First segments, others, datagrams, other protocols, answers to the kernel's own echo requests. */
static void what_nobody_wants(void **state)
{
	const struct case_of *c = *state;

	for (unsigned int workers = 1; workers <= 3; workers += 2) {
		struct harness *h = balancer(workers);
		struct frame f = frame_make(TCP, c->client, 4000, c->own, 22, FRAME_SYN);

		for (uint16_t i = 0; i < 8; i++) {
			f.sport = (uint16_t)(4000 + i);
			kernels(h, WAN, &f);
		}
		f.flags = FRAME_ACK;
		kernels(h, WAN, &f);
		f = frame_make(UDP, c->client, 4000, c->own, 3784, 0);
		f.ttl = 255;
		kernels(h, WAN, &f);
		f.proto = GRE;
		f.sport = f.dport = 0;
		f.payload = (const uint8_t *)"\0\0\x88\xbe";
		f.payload_len = 4;
		kernels(h, WAN, &f);
		f.proto = f.family == 4 ? 1 : 58;
		f.icmp_type = c->echo_reply;
		f.icmp_rest = 0x00010002;
		kernels(h, WAN, &f);
		assert_int_equal(harness_all_drops(h), 0);
		harness_destroy(h);
	}
}

/* Echo requests are answered by us; virtual addresses, flows and services are not the kernel's. */
static void what_is_not_the_kernels(void **state)
{
	const struct case_of *c = *state;
	struct harness *h = balancer(1);
	struct frame f = frame_make(TCP, c->client, 4000, c->virtual, 81, FRAME_SYN), got;

	harness_dropped(h, WAN, &f, DROP_no_service);
	f.dport = 80;
	harness_through(h, WAN, &f, LAN);
	f.proto = f.family == 4 ? 1 : 58;
	f.icmp_type = c->echo_reply;
	f.icmp_rest = 0x00010002;
	harness_dropped(h, WAN, &f, DROP_icmp_type);
	f.icmp_type = f.family == 4 ? 8 : 128;
	frame_address(&f, f.dst, c->own);
	got = harness_through(h, WAN, &f, WAN);
	assert_int_equal(got.icmp_type, c->echo_reply);
	assert_null(for_kernel(h));
	harness_destroy(h);
}

/* The port without a share: all as ever, also for the address of one that has it. */
static void other_port(void **state)
{
	struct harness *h = balancer(1);
	struct frame f = frame_make(TCP, "10.0.0.11", 4000, "10.0.0.1", 22, FRAME_SYN);

	harness_dropped(h, LAN, &f, DROP_not_for_us);
	frame_address(&f, f.dst, "192.0.2.1");
	harness_dropped(h, LAN, &f, DROP_not_for_us);
	f = frame_make(TCP, "198.51.100.7", 4000, "10.0.0.1", 22, FRAME_SYN);
	harness_dropped(h, WAN, &f, DROP_not_for_us);
	assert_null(for_kernel(h));
	harness_destroy(h);
}

/* Answers to a flow's own address belong to the flow. */
static void fullnat_keeps_its_answers(void **state)
{
	struct harness *h = balancer(1);
	struct frame f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.11", 80, FRAME_SYN), back;

	f = harness_through(h, WAN, &f, LAN);
	back = frame_make(TCP, "10.0.0.11", 80, "10.0.0.1", f.sport, FRAME_SYN | FRAME_ACK);
	harness_through(h, LAN, &back, WAN);
	assert_null(for_kernel(h));
	harness_destroy(h);
}

/* 1000 a second, 100 of them at once; what is too much is counted. */
static void rate(void **state)
{
	struct harness *h = balancer(1);
	struct frame f = frame_make(UDP, "198.51.100.7", 4000, "192.0.2.1", 53, 0);
	struct rte_mbuf *m;
	unsigned int n = 0;

	harness_advance(h, 1000);
	for (unsigned int i = 0; i < 300; i++)
		harness_send(h, WAN, &f);
	while ((m = for_kernel(h)) != NULL) {
		rte_pktmbuf_free(m);
		n++;
	}
	assert_in_range(n, 100, 200);
	assert_int_equal(harness_drops(h, DROP_kernel_rate), 300 - n);
	harness_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "IPv4: what nobody wants", what_nobody_wants, NULL, NULL, (void *)&cases[0] },
		{ "IPv6: what nobody wants", what_nobody_wants, NULL, NULL, (void *)&cases[1] },
		{ "IPv4: what is not the kernel's", what_is_not_the_kernels, NULL, NULL,
			(void *)&cases[0] },
		{ "IPv6: what is not the kernel's", what_is_not_the_kernels, NULL, NULL,
			(void *)&cases[1] },
		cmocka_unit_test(other_port),
		cmocka_unit_test(fullnat_keeps_its_answers),
		cmocka_unit_test(rate),
	};

	harness_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

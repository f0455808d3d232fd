/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole networks as virtual addresses: each address of them is one, whoever asks for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

#define TCP     6
#define UDP     17
#define SERVERS 2

static struct harness *balancer(unsigned int workers)
{
	return harness_create(
		&(struct harness_conf){ .file = "networks.json", .workers = workers });
}

struct path {
	const char *name;
	const char *vip[4]; /* of one network: its first address, its last and some others */
	const char *client;
	const char *server; /* without its last digit */
	uint16_t port;
	enum mode mode;
};

static const struct path paths[] = {
	{ "DR IPv4", { "203.0.113.0", "203.0.113.255", "203.0.113.7", "203.0.113.128" },
		"198.51.100.7", "10.0.0.1", 80, MODE_DR },
	{ "NAT IPv4", { "203.0.113.0", "203.0.113.255", "203.0.113.7", "203.0.113.128" },
		"198.51.100.7", "10.0.0.1", 81, MODE_NAT },
	{ "FULLNAT IPv4", { "203.0.113.0", "203.0.113.255", "203.0.113.7", "203.0.113.128" },
		"198.51.100.7", "10.0.0.1", 83, MODE_FULLNAT },
	{ "tunnel IPv4", { "203.0.113.0", "203.0.113.255", "203.0.113.7", "203.0.113.128" },
		"198.51.100.7", "10.0.0.1", 84, MODE_TUNNEL },
	{ "FULLNAT IPv6",
		{ "2001:db8:5::1", "2001:db8:5::ffff:ffff:ffff:ffff", "2001:db8:5::77",
			"2001:db8:5:0:1::" },
		"2001:db8:c::7", "2001:db8:2::1", 83, MODE_FULLNAT },
	{ "DR IPv6",
		{ "2001:db8:5::1", "2001:db8:5::ffff:ffff:ffff:ffff", "2001:db8:5::77",
			"2001:db8:5:0:1::" },
		"2001:db8:c::7", "2001:db8:2::1", 80, MODE_DR },
	{ "NAT IPv6",
		{ "2001:db8:5::1", "2001:db8:5::ffff:ffff:ffff:ffff", "2001:db8:5::77",
			"2001:db8:5:0:1::" },
		"2001:db8:c::7", "2001:db8:2::1", 81, MODE_NAT },
};

/* Checks what came to a server for an address, and sends an answer where that passes us. */
static void check_one(struct harness *h, const struct path *p, const char *vip, struct frame got)
{
	struct frame vip_frame, back, out;

	frame_address(&vip_frame, vip_frame.dst, vip);
	if (p->mode == MODE_DR) {
		assert_memory_equal(got.dst, vip_frame.dst, 16);
		return;
	}
	if (p->mode == MODE_TUNNEL) { /* IP in IP: the destination of the inner header */
		assert_int_equal(got.proto, 4);
		assert_memory_equal(got.payload + 16, vip_frame.dst, 4);
		return;
	}
	back = frame_make(TCP, "0.0.0.0", got.dport, "0.0.0.0", got.sport, FRAME_SYN | FRAME_ACK);
	back.family = got.family;
	memcpy(back.src, got.dst, 16);
	memcpy(back.dst, got.src, 16);
	out = harness_through(h, LAN, &back, WAN);
	assert_memory_equal(out.src, vip_frame.dst, 16);
	assert_int_equal(out.sport, p->port);
}

/* A flow for each address of the network, though client and port are the same for all. */
static void test_path(void **state)
{
	const struct path *p = *state;

	for (unsigned int workers = 1; workers <= 3; workers += 2) {
		struct harness *h = balancer(workers);

		for (unsigned int i = 0; i < 4; i++) {
			/* It differs with NAT, or answers could not be told apart. */
			uint16_t sport = (uint16_t)(4000 + (p->mode == MODE_NAT ? i : 0));
			struct frame f =
				frame_make(TCP, p->client, sport, p->vip[i], p->port, FRAME_SYN);

			check_one(h, p, p->vip[i], harness_through(h, WAN, &f, LAN));
			assert_int_equal(harness_flows(h), i + 1);
			f.flags = FRAME_ACK;
			check_one(h, p, p->vip[i], harness_through(h, WAN, &f, LAN));
			assert_int_equal(harness_flows(h), i + 1);
		}
		assert_int_equal(harness_all_drops(h), 0);
		harness_destroy(h);
	}
}

/* Beside the network, on another port of it, and what an address of it offers by itself. */
static void test_edges(void **state)
{
	struct harness *h = balancer(1);
	struct frame f;

	f = frame_make(TCP, "198.51.100.7", 4000, "203.0.114.0", 80, FRAME_SYN);
	harness_dropped(h, WAN, &f, DROP_not_for_us);
	f = frame_make(TCP, "198.51.100.7", 4000, "203.0.112.255", 80, FRAME_SYN);
	harness_dropped(h, WAN, &f, DROP_not_for_us);
	f = frame_make(TCP, "198.51.100.7", 4000, "203.0.113.8", 82, FRAME_SYN);
	harness_dropped(h, WAN, &f, DROP_no_service);
	f = frame_make(TCP, "198.51.100.7", 4000, "203.0.113.7", 82, FRAME_SYN);
	harness_through(h, WAN, &f, LAN);
	/* Nobody there sends packets of its own: somebody pretends. */
	f = frame_make(TCP, "203.0.113.9", 4000, "203.0.113.7", 80, FRAME_SYN);
	harness_dropped(h, WAN, &f, DROP_ip_martian);
	f = frame_make(UDP, "198.51.100.7", 4000, "192.0.2.127", 5353, 0);
	harness_through(h, WAN, &f, LAN);
	f = frame_make(UDP, "198.51.100.7", 4000, "192.0.2.128", 5353, 0);
	harness_dropped(h, WAN, &f, DROP_not_for_us);
	harness_destroy(h);
}

/* Packets of a connection without a flow: the same server as with another balancer, by the whole
 * tuple, so that the addresses of the network spread. */
static void test_maglev(void **state)
{
	struct harness *h = balancer(3);
	unsigned int count[SERVERS] = { 0 };

	for (unsigned int i = 0; i < 100; i++) {
		char vip[32];
		struct frame f, first, again;

		snprintf(vip, sizeof(vip), "203.0.113.%u", 2 * i);
		f = frame_make(TCP, "198.51.100.7", 4000, vip, 80, FRAME_ACK);
		first = harness_through(h, WAN, &f, LAN);
		again = harness_through(h, WAN, &f, LAN);
		assert_memory_equal(first.eth_dst, again.eth_dst, 6);
		for (unsigned int s = 0; s < SERVERS; s++) {
			char server[32];

			snprintf(server, sizeof(server), "10.0.0.1%u", s + 1);
			frame_address(&f, f.dst, server);
			count[s] += memcmp(harness_find_host(h, LAN, f.dst, 4)->mac, first.eth_dst,
					    6) == 0;
		}
	}
	assert_int_equal(count[0] + count[1], 100);
	assert_in_range(count[0], 30, 70);
	assert_int_equal(harness_flows(h), 0);
	harness_destroy(h);
}

/* An ARP request for an address on a nic; returns how many answers came. */
static uint64_t ask_arp(struct harness *h, uint16_t nic, const char *address)
{
	uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0a, 0, 0, 0, 0, 1, 8, 6, 0, 1,
		8, 0, 6, 4, 0, 1, 0x0a, 0, 0, 0, 0, 1, 192, 0, 2, 254 };
	uint64_t before = h->answered;
	struct frame f;

	frame_address(&f, f.dst, address);
	memcpy(frame + 38, f.dst, 4);
	assert_true(harness_inject(h, nic, ANY_QUEUE, frame, sizeof(frame)));
	harness_step(h);
	return h->answered - before;
}

/* A neighbour solicitation to the solicited-node group (RFC 4861 4.3). */
static uint64_t ask_nd(struct harness *h, uint16_t nic, const char *address)
{
	struct frame f = { .family = 6, .proto = 58, .ttl = 255, .icmp_type = 135 };
	uint8_t payload[24] = { [16] = 1, 1, 0x0a, 0, 0, 0, 0, 9 }, buf[FRAME_MAX];
	uint64_t before = h->answered;

	frame_address(&f, f.dst, address);
	memcpy(payload, f.dst, 16);
	memcpy(f.dst, (uint8_t[13]){ 0xff, 2, [11] = 1, 0xff }, 13);
	frame_address(&f, f.src, "2001:db8:1::99");
	f.proto = 58;
	f.payload = payload;
	f.payload_len = sizeof(payload);
	memcpy(f.eth_dst, (uint8_t[3]){ 0x33, 0x33, 0xff }, 3);
	memcpy(f.eth_dst + 3, payload + 13, 3);
	memcpy(f.eth_src, payload + 18, 6);
	assert_true(harness_inject(h, nic, ANY_QUEUE, buf, frame_build(&f, buf)));
	harness_step(h);
	return h->answered - before;
}

/* Where the network is a port's, only there; elsewhere, on every port. */
static void test_neighbours_ask(void **state)
{
	struct harness *h = balancer(1);

	assert_int_equal(ask_arp(h, WAN, "192.0.2.64"), 1);
	assert_int_equal(ask_arp(h, WAN, "192.0.2.127"), 1);
	assert_int_equal(ask_arp(h, WAN, "192.0.2.128"), 0);
	assert_int_equal(ask_arp(h, LAN, "192.0.2.64"), 0);
	assert_int_equal(ask_arp(h, WAN, "203.0.113.200"), 1);
	assert_int_equal(ask_arp(h, LAN, "203.0.113.200"), 1);
	assert_int_equal(ask_arp(h, WAN, "203.0.114.1"), 0);
	assert_int_equal(ask_nd(h, WAN, "2001:db8:5::abcd:ef01"), 1);
	assert_int_equal(ask_nd(h, WAN, "2001:db8:5:1::abcd:ef01"), 0);
	harness_destroy(h);
}

/* A network that grows keeps its flows. */
static void test_reload(void **state)
{
	struct harness *h = balancer(3);
	struct frame f = frame_make(TCP, "198.51.100.7", 4000, "203.0.113.200", 81, FRAME_SYN);
	json_t *doc = harness_document(h);

	harness_through(h, WAN, &f, LAN);
	json_object_set_new(harness_named(doc, "services", "nat4"), "address",
		json_string("203.0.112.0/23:81"));
	harness_apply(h, doc);
	harness_step(h);
	f.flags = FRAME_ACK;
	harness_through(h, WAN, &f, LAN);
	assert_int_equal(harness_flows(h), 1);
	f = frame_make(TCP, "198.51.100.7", 4001, "203.0.112.200", 81, FRAME_SYN);
	harness_advance(h, 100);
	harness_through(h, WAN, &f, LAN);
	harness_destroy(h);
}

int main(void)
{
	struct CMUnitTest tests[sizeof(paths) / sizeof(paths[0]) + 4];
	size_t n = 0;

	for (; n < sizeof(paths) / sizeof(paths[0]); n++)
		tests[n] = (struct CMUnitTest){ paths[n].name, test_path, NULL, NULL,
			(void *)(uintptr_t)&paths[n] };
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_edges);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_maglev);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_neighbours_ask);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_reload);

	harness_init();
	return _cmocka_run_group_tests("networks", tests, n, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets in, packets out: every mode, family and protocol, both directions, with one worker and
 * with three, and with nics that have fewer queues than there are workers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

#define TCP     6
#define UDP     17

#define SERVERS 4

static const uint8_t payload[] = "an odd number of bytes, all of them ours";

/* ---- the matrix ----------------------------------------------------------------------------- */

struct shape {
	unsigned int workers;
	uint16_t rxqs, txqs;
};

struct path {
	const char *name;
	uint8_t proto;
	const char *vip;
	const char *client;
	const char *server; /* without its last digit */
	bool nat;
	struct shape shape;
};

#define SHAPES(...)                                                                                \
	{ __VA_ARGS__, .shape = { 1, 1, 2 } }, { __VA_ARGS__, .shape = { 3, 3, 4 } },              \
	{                                                                                          \
		__VA_ARGS__, .shape = { 3, 1, 1 }                                                  \
	}

static const struct path paths[] = {
	SHAPES("DR IPv4 TCP", TCP, "192.0.2.10", "198.51.100.7", "10.0.0.1", false),
	SHAPES("DR IPv4 UDP", UDP, "192.0.2.10", "198.51.100.7", "10.0.0.1", false),
	SHAPES("DR IPv6 TCP", TCP, "2001:db8:1::10", "2001:db8:c::7", "2001:db8:2::1", false),
	SHAPES("DR IPv6 UDP", UDP, "2001:db8:1::10", "2001:db8:c::7", "2001:db8:2::1", false),
	SHAPES("NAT IPv4 TCP", TCP, "192.0.2.20", "198.51.100.7", "10.0.0.1", true),
	SHAPES("NAT IPv4 UDP", UDP, "192.0.2.20", "198.51.100.7", "10.0.0.1", true),
	SHAPES("NAT IPv6 TCP", TCP, "2001:db8:1::20", "2001:db8:c::7", "2001:db8:2::1", true),
	SHAPES("NAT IPv6 UDP", UDP, "2001:db8:1::20", "2001:db8:c::7", "2001:db8:2::1", true),
};

static struct frame from_client(const struct path *p, uint16_t sport, uint8_t flags)
{
	struct frame f = frame_make(p->proto, p->client, sport, p->vip, 80, flags);

	if (p->proto == UDP || !(flags & FRAME_SYN)) {
		f.payload = payload;
		f.payload_len = sizeof(payload) - (sport % 2);
	}
	return f;
}

static void server_address(const struct path *p, unsigned int server, struct frame *f, uint8_t *to)
{
	char text[64];

	snprintf(text, sizeof(text), "%s%u", p->server, server + 1);
	frame_address(f, to, text);
}

/* Which server the frame went to, by its destination MAC. */
static unsigned int server_of(struct harness *h, const struct path *p, const struct frame *got)
{
	for (unsigned int s = 0; s < SERVERS; s++) {
		struct frame f;
		const struct harness_host *host;

		server_address(p, s, &f, f.dst);
		host = harness_find_host(h, LAN, f.dst, got->family);
		if (memcmp(host->mac, got->eth_dst, 6) == 0)
			return s;
	}
	fail_msg("sent to a MAC address that is no server's");
	return 0;
}

/* What must have become of a client's frame on its way to this server. */
static void check_forward(struct harness *h, const struct path *p, const struct frame *sent,
	const struct frame *got, unsigned int server)
{
	struct frame want = *sent;
	const char *field;

	want.ttl--;
	if (p->nat) {
		server_address(p, server, &want, want.dst);
		want.dport = 8080;
	}
	memcpy(want.eth_src, h->nic[LAN]->mac.addr_bytes, 6);
	memcpy(want.eth_dst, got->eth_dst, 6); /* server_of() looked at it */
	field = frame_differs(&want, got);
	if (field)
		fail_msg("toward the server: wrong %s", field);
}

/* The server's answer to what it got, and what the client must see of it. */
static void answer(struct harness *h, const struct path *p, const struct frame *got, uint8_t flags)
{
	struct frame back =
		frame_make(p->proto, "0.0.0.0", got->dport, "0.0.0.0", got->sport, flags);
	struct frame out, want;
	const char *field;

	back.family = got->family;
	back.id = got->family == 4 ? 77 : 0;
	memcpy(back.src, got->dst, 16);
	memcpy(back.dst, got->src, 16);
	back.tos = 0x10;
	back.payload = payload;
	back.payload_len = flags & FRAME_SYN ? 0 : 33;
	out = harness_through(h, LAN, &back, WAN);
	want = back;
	want.ttl--;
	frame_address(&want, want.src, p->vip);
	want.sport = 80;
	memcpy(want.eth_src, h->nic[WAN]->mac.addr_bytes, 6);
	memcpy(want.eth_dst, h->host[got->family == 6].mac, 6);
	field = frame_differs(&want, &out);
	if (field)
		fail_msg("toward the client: wrong %s", field);
}

static void test_path(void **state)
{
	const struct path *p = *state;
	struct harness *h = harness_create(&(struct harness_conf){ .file = "forward.json",
		.workers = p->shape.workers,
		.rxqs = p->shape.rxqs,
		.txqs = p->shape.txqs });
	unsigned int count[SERVERS] = { 0 }, least = UINT32_MAX, most = 0;

	for (uint16_t i = 0; i < 60; i++) {
		struct frame f = from_client(p, (uint16_t)(40000 + i), FRAME_SYN), got;
		unsigned int server;

		got = harness_through(h, WAN, &f, LAN);
		server = server_of(h, p, &got);
		count[server]++;
		check_forward(h, p, &f, &got, server);
		if (p->nat)
			answer(h, p, &got, FRAME_SYN | FRAME_ACK);
		for (int more = 0; more < 5; more++) { /* from any queue */
			f = from_client(p, (uint16_t)(40000 + i), FRAME_ACK);
			f.tos = (uint8_t)(more << 2);
			got = harness_through(h, WAN, &f, LAN);
			assert_int_equal(server_of(h, p, &got), server);
			check_forward(h, p, &f, &got, server);
			if (p->nat)
				answer(h, p, &got, FRAME_ACK | FRAME_PSH);
		}
	}
	assert_int_equal(harness_flows(h), 60);
	for (unsigned int s = 0; s < SERVERS; s++) {
		least = RTE_MIN(least, count[s]);
		most = RTE_MAX(most, count[s]);
	}
	/* Each worker takes turns on its own. */
	assert_true(most - least <= p->shape.workers);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* ---- what else forwarding is ----------------------------------------------------------------- */

static struct harness *one_worker(void)
{
	return harness_create(&(struct harness_conf){ .file = "forward.json", .workers = 1 });
}

static void test_udp_without_checksum(void **state)
{
	struct harness *h = one_worker();
	struct frame f = frame_make(UDP, "198.51.100.7", 4000, "192.0.2.20", 80, 0), got;

	f.no_checksum = true;
	f.payload = payload;
	f.payload_len = 7;
	got = harness_through(h, WAN, &f, LAN);
	assert_true(got.no_checksum);
	assert_int_equal(got.dport, 8080);
	harness_destroy(h);
}

/* Exact port before range before all ports, on each of a list of addresses. */
static void test_ports(void **state)
{
	static const struct {
		const char *vip;
		uint16_t port, out; /* 0: no service */
		bool nat;
	} cases[] = {
		{ "192.0.2.30", 8000, 8000, true },
		{ "192.0.2.30", 8010, 8010, true },
		{ "192.0.2.31", 8000, 8000, true },
		{ "192.0.2.31", 8010, 8010, true },
		{ "192.0.2.31", 8005, 8005, true },
		{ "192.0.2.30", 8005, 8080, true },
		{ "192.0.2.30", 7999, 7999, false },
		{ "192.0.2.30", 8011, 8011, false },
		{ "192.0.2.30", 1, 1, false },
		{ "192.0.2.30", 65535, 65535, false },
		{ "192.0.2.31", 7999, 0, false },
		{ "192.0.2.31", 8011, 0, false },
	};
	struct harness *h = one_worker();

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct frame f = frame_make(TCP, "198.51.100.7", (uint16_t)(4000 + i), cases[i].vip,
			cases[i].port, FRAME_SYN);
		struct frame got;

		if (cases[i].out == 0) {
			harness_dropped(h, WAN, &f, DROP_no_service);
			continue;
		}
		got = harness_through(h, WAN, &f, LAN);
		assert_int_equal(got.dport, cases[i].out);
		assert_int_equal(memcmp(got.dst, f.dst, 16) != 0, cases[i].nat);
	}
	harness_destroy(h);
}

/* One client port, two virtual addresses, one server: its answers could not be told apart. */
static void test_clash(void **state)
{
	struct harness *h = one_worker();
	struct frame f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.30", 8000, FRAME_SYN);

	harness_through(h, WAN, &f, LAN);
	f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.31", 8000, FRAME_SYN);
	harness_dropped(h, WAN, &f, DROP_flow_clash);
	/* Once the first is over it makes room. */
	f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.30", 8000, FRAME_RST);
	harness_through(h, WAN, &f, LAN);
	f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.31", 8000, FRAME_SYN);
	harness_through(h, WAN, &f, LAN);
	assert_int_equal(harness_flows(h), 1);
	harness_destroy(h);
}

static void test_not_forwarded(void **state)
{
	struct harness *h = one_worker();
	struct frame f = frame_make(UDP, "198.51.100.7", 4000, "192.0.2.30", 8000, 0);

	harness_dropped(h, WAN, &f, DROP_no_service);
	f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.40", 80, FRAME_SYN);
	harness_dropped(h, WAN, &f, DROP_no_server);
	f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.99", 80, FRAME_SYN);
	harness_dropped(h, WAN, &f, DROP_not_for_us);
	f = frame_make(TCP, "10.0.0.11", 8080, "198.51.100.7", 4000, FRAME_ACK);
	harness_dropped(h, LAN, &f, DROP_not_for_us);
	f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.10", 80, FRAME_SYN);
	memcpy(f.eth_dst, (uint8_t[]){ 2, 9, 9, 9, 9, 9 }, 6);
	harness_dropped(h, WAN, &f, DROP_wrong_mac);
	f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.10", 80, FRAME_SYN);
	memset(f.eth_dst, 0xff, 6);
	harness_dropped(h, WAN, &f, DROP_link_broadcast);
	f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.10", 80, FRAME_SYN);
	f.vlan = 7;
	harness_dropped(h, WAN, &f, DROP_wrong_vlan);
	f = frame_make(TCP, "192.0.2.10", 80, "192.0.2.10", 80, FRAME_SYN);
	harness_dropped(h, WAN, &f, DROP_ip_land);
	f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.10", 80, FRAME_SYN | FRAME_FIN);
	harness_dropped(h, WAN, &f, DROP_tcp_flags);
	/* From an address of our own, or so it says. */
	f = frame_make(TCP, "10.0.0.1", 4000, "192.0.2.20", 80, FRAME_SYN);
	harness_dropped(h, LAN, &f, DROP_ip_martian);
	f = frame_make(TCP, "192.0.2.10", 4000, "192.0.2.50", 80, FRAME_ACK);
	harness_dropped(h, WAN, &f, DROP_ip_martian);
	f = frame_make(1, "192.0.2.10", 0, "192.0.2.1", 0, 0);
	f.icmp_type = 8;
	harness_dropped(h, WAN, &f, DROP_ip_martian);
	assert_int_equal(harness_flows(h), 0);
	harness_destroy(h);
}

/* Echo requests to virtual and port addresses, from the gateway's side and from a neighbour. */
static void test_echo(void **state)
{
	static const struct {
		const char *from, *to;
		uint16_t nic;
	} cases[] = {
		{ "198.51.100.7", "192.0.2.10", WAN },
		{ "198.51.100.7", "192.0.2.1", WAN },
		{ "10.0.0.12", "10.0.0.1", LAN },
		{ "10.0.0.12", "192.0.2.10", LAN },
		{ "2001:db8:c::7", "2001:db8:1::10", WAN },
		{ "2001:db8:c::7", "2001:db8:1::1", WAN },
		{ "2001:db8:2::12", "2001:db8:2::1", LAN },
		{ "2001:db8:2::12", "2001:db8:1::10", LAN },
	};
	struct harness *h =
		harness_create(&(struct harness_conf){ .file = "forward.json", .workers = 3 });

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct frame f = frame_make(1, cases[i].from, 0, cases[i].to, 0, 0), got;
		const struct harness_host *host;

		f.proto = f.family == 4 ? 1 : 58;
		f.icmp_type = f.family == 4 ? 8 : 128;
		f.icmp_rest = 0xabcd0001;
		f.payload = payload;
		f.payload_len = sizeof(payload);
		got = harness_through(h, cases[i].nic, &f, cases[i].nic);
		assert_int_equal(got.icmp_type, f.family == 4 ? 0 : 129);
		assert_int_equal(got.icmp_rest, f.icmp_rest);
		assert_int_equal(got.payload_len, f.payload_len);
		assert_memory_equal(got.payload, payload, sizeof(payload));
		assert_memory_equal(got.src, f.dst, 16);
		assert_memory_equal(got.dst, f.src, 16);
		assert_true(got.ttl >= 64);
		host = harness_find_host(h, cases[i].nic, f.src, f.family);
		assert_memory_equal(got.eth_dst, (host ? host : &h->host[f.family == 6])->mac, 6);
	}
	harness_destroy(h);
}

/* ---- errors to the sender ------------------------------------------------------------------- */

/* An ICMP error about what was sent must have come out toward the client, quoting it as it was. */
static void check_error(
	struct harness *h, const struct frame *sent, uint8_t type, uint8_t code, uint32_t rest)
{
	struct frame got;
	const struct captured *c = harness_next(h, &got);
	const unsigned int ip = sent->family == 4 ? 20 : 40;

	assert_non_null(c);
	assert_null(harness_next(h, NULL));
	assert_int_equal(c->nic, WAN);
	assert_int_equal(got.proto, sent->family == 4 ? 1 : 58);
	assert_int_equal(got.icmp_type, type);
	assert_int_equal(got.icmp_code, code);
	assert_int_equal(got.icmp_rest, rest);
	assert_memory_equal(got.dst, sent->src, 16);
	assert_true(got.payload_len >= ip + 8);
	assert_memory_equal(
		got.payload + (sent->family == 4 ? 12 : 8), sent->src, ip == 20 ? 4 : 16);
	assert_memory_equal(
		got.payload + (sent->family == 4 ? 16 : 24), sent->dst, ip == 20 ? 4 : 16);
	assert_int_equal(got.payload[ip] << 8 | got.payload[ip + 1], sent->sport);
	assert_int_equal(got.payload[ip + 2] << 8 | got.payload[ip + 3], sent->dport);
	assert_int_equal(got.payload[sent->family == 4 ? 8 : 7], sent->ttl);
}

static const char *const vips[][2] = {
	{ "198.51.100.7", "192.0.2.10" },
	{ "198.51.100.7", "192.0.2.20" },
	{ "2001:db8:c::7", "2001:db8:1::10" },
	{ "2001:db8:c::7", "2001:db8:1::20" },
};

static void test_ttl(void **state)
{
	struct harness *h = one_worker();

	for (size_t i = 0; i < RTE_DIM(vips); i++) {
		struct frame f = frame_make(TCP, vips[i][0], 4000, vips[i][1], 80, FRAME_SYN);
		uint64_t drops = harness_drops(h, DROP_ttl_expired);

		for (int established = 0; established < 2; established++) {
			f.ttl = 1;
			harness_send(h, WAN, &f);
			assert_int_equal(harness_drops(h, DROP_ttl_expired), ++drops);
			check_error(h, &f, f.family == 4 ? 11 : 3, 0, 0);
			f.ttl = 2;
			assert_int_equal(harness_through(h, WAN, &f, LAN).ttl, 1);
			f.flags = FRAME_ACK;
			f.ttl = 9;
			assert_int_equal(harness_through(h, WAN, &f, LAN).ttl, 8);
		}
	}
	harness_destroy(h);
}

static void test_too_big(void **state)
{
	static uint8_t big[1500];
	struct harness *h = one_worker();

	for (size_t i = 0; i < RTE_DIM(vips); i++) {
		struct frame f = frame_make(UDP, vips[i][0], 4000, vips[i][1], 80, 0);
		const uint16_t head = f.family == 4 ? 28 : 48;

		f.df = f.family == 4;
		f.payload = big;
		for (int established = 0; established < 2; established++) {
			f.payload_len = (uint16_t)(1401 - head);
			harness_send(h, WAN, &f);
			check_error(h, &f, f.family == 4 ? 3 : 2, f.family == 4 ? 4 : 0, 1400);
			f.payload_len--;
			harness_through(h, WAN, &f, LAN);
		}
	}
	assert_int_equal(harness_drops(h, DROP_too_big), 2 * RTE_DIM(vips));
	harness_destroy(h);
}

/* ---- routes --------------------------------------------------------------------------------- */

static const uint8_t *mac_of(const struct harness *h, uint16_t nic, const char *addr)
{
	const struct harness_host *host;
	struct frame f;

	frame_address(&f, f.dst, addr);
	host = harness_find_host(h, nic, f.dst, f.family);
	assert_non_null(host);
	return host->mac;
}

/* A server behind a router is reached by the longest match, and its answers leave by the gateway.
 */
static void test_routes(void **state)
{
	(void)state;
	static const struct {
		const char *client, *vip, *router, *server, *gateway;
	} ways[] = {
		{ "198.51.100.7", "192.0.2.20", "10.0.0.12", "10.9.2.5", "192.0.2.254" },
		{ "198.51.100.7", "192.0.2.21", "10.0.0.13", "10.9.1.5", "192.0.2.254" },
		{ "2001:db8:ffff::7", "2001:db8:1::20", "2001:db8:2::12", "2001:db8:9:2::5",
			"2001:db8:1::fe" },
		{ "2001:db8:ffff::7", "2001:db8:1::21", "2001:db8:2::13", "2001:db8:9:1::5",
			"2001:db8:1::fe" },
	};
	struct harness *h =
		harness_create(&(struct harness_conf){ .file = "routes.json", .workers = 1 });

	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		struct frame syn =
			frame_make(TCP, ways[i].client, 5000, ways[i].vip, 80, FRAME_SYN);
		struct frame answer = frame_make(
			TCP, ways[i].server, 8080, ways[i].client, 5000, FRAME_SYN | FRAME_ACK);
		struct frame out = harness_through(h, WAN, &syn, LAN);

		assert_memory_equal(out.eth_dst, mac_of(h, LAN, ways[i].router), 6);
		assert_memory_equal(out.dst, answer.src, 16);
		out = harness_through(h, LAN, &answer, WAN);
		assert_memory_equal(out.eth_dst, mac_of(h, WAN, ways[i].gateway), 6);
		assert_memory_equal(out.src, syn.dst, 16);
		assert_int_equal(out.sport, 80);
	}
	harness_destroy(h);
}

/* ---- neighbours ----------------------------------------------------------------------------- */

/* Packets wait for the server's MAC address and then go in the order they came. */
static void test_hold(void **state)
{
	static const char *const all[] = { "10.0.0.11", "2001:db8:2::11" };
	struct harness *h = one_worker();
	struct frame f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.30", 8000, FRAME_SYN), got;

	harness_silence(h, LAN, all[0], true);
	for (uint32_t i = 0; i < 3; i++) {
		f.seq = i;
		harness_send(h, WAN, &f);
	}
	assert_null(harness_next(h, NULL));
	harness_advance(h, 100);
	assert_null(harness_next(h, NULL));
	harness_silence(h, LAN, all[0], false);
	harness_advance(h, 2500);
	for (uint32_t i = 0; i < 3; i++) {
		assert_non_null(harness_next(h, &got));
		assert_int_equal(got.seq, i);
		assert_int_equal(got.ttl, 63);
		assert_memory_equal(got.eth_dst, harness_silence(h, LAN, all[0], false)->mac, 6);
	}
	assert_null(harness_next(h, NULL));
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

static void test_hold_unanswered(void **state)
{
	struct harness *h = one_worker();
	struct frame f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.30", 8000, FRAME_SYN);
	struct harness_host *host = harness_silence(h, LAN, "10.0.0.11", true);

	for (unsigned int i = 0; i < 5; i++)
		harness_send(h, WAN, &f);
	harness_advance(h, 10000);
	assert_null(harness_next(h, NULL));
	assert_int_equal(harness_drops(h, DROP_neigh_unresolved), 5);
	assert_true(host->asked >= 3);
	/* More than may wait for one neighbour. */
	for (unsigned int i = 0; i < neigh_defaults.hold_each + 10; i++)
		harness_send(h, WAN, &f);
	harness_advance(h, 10000);
	assert_null(harness_next(h, NULL));
	assert_int_equal(harness_all_drops(h), 5 + neigh_defaults.hold_each + 10);
	/* It answers again, and so do packets flow again. */
	harness_silence(h, LAN, "10.0.0.11", false);
	for (int i = 0; i < 10 && h->n_out == h->next; i++) {
		harness_send(h, WAN, &f);
		harness_advance(h, 1000);
	}
	assert_non_null(harness_next(h, NULL));
	harness_destroy(h);
}

/* ---- several workers ------------------------------------------------------------------------ */

static uint64_t handed_over(const struct harness *h)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < h->conf.workers; i++)
		n += h->workers->steer[i]->handed_over;
	return n;
}

/* Both directions of a NAT flow are handled by one worker, whatever queues its packets come in on.
 */
static void test_owner(void **state)
{
	struct harness *h =
		harness_create(&(struct harness_conf){ .file = "forward.json", .workers = 3 });
	unsigned int owners = 0;
	struct addr client;

	assert_int_equal(addr_parse("198.51.100.7", &client), 0);
	for (uint16_t i = 0; i < 30; i++) {
		struct frame f = frame_make(
			TCP, "198.51.100.7", (uint16_t)(5000 + i), "192.0.2.20", 80, FRAME_SYN);
		struct frame got = harness_through(h, WAN, &f, LAN), back;
		const struct tuple tuple = { .src = client,
			.sport = rte_cpu_to_be_16((uint16_t)(5000 + i)) };
		unsigned int owner = steer_owner(h->workers->steer[0], &tuple, true);
		uint8_t buf[FRAME_MAX];
		size_t len;

		owners |= 1u << owner;
		back = frame_make(TCP, "0.0.0.0", 8080, "198.51.100.7", (uint16_t)(5000 + i),
			FRAME_SYN | FRAME_ACK);
		memcpy(back.src, got.dst, 16);
		memcpy(back.eth_dst, h->nic[LAN]->mac.addr_bytes, 6);
		memcpy(back.eth_src, got.eth_dst, 6);
		len = frame_build(&back, buf);
		for (uint16_t q = 0; q < 3; q++) {
			uint64_t before = handed_over(h);
			const struct captured *c;

			assert_true(harness_inject(h, LAN, q, buf, len));
			harness_step(h);
			c = harness_next(h, &got);
			assert_non_null(c);
			assert_int_equal(c->nic, WAN);
			assert_int_equal(c->queue, owner); /* sent by its owner */
			assert_int_equal(handed_over(h) - before, q == owner ? 0 : 1);
		}
	}
	assert_int_equal(owners, 7);
	harness_destroy(h);
}

/* A worker that does not empty its ring: packets for it are dropped and counted, and nothing else
 * is. */
static void test_handoff_full(void **state)
{
	struct harness *h = harness_create(
		&(struct harness_conf){ .file = "forward.json", .workers = 3, .packets = 16384 });
	struct frame f = frame_make(TCP, "198.51.100.7", 5000, "192.0.2.20", 80, FRAME_SYN), got;
	uint8_t buf[FRAME_MAX];
	uint64_t sent = 0, dropped, out = 0;
	uint16_t queue;

	got = harness_through(h, WAN, &f, LAN);
	queue = 0;
	while (h->workers->worker[queue]->l4.flows && queue < 3) {
		struct flow_stats s;

		flow_stats(h->workers->worker[queue]->l4.flows, &s);
		if (s.v4 == 0)
			break;
		queue++;
	}
	memcpy(f.eth_dst, h->nic[WAN]->mac.addr_bytes, 6);
	memcpy(f.eth_src, h->host[0].mac, 6);
	f.flags = FRAME_ACK;
	while (harness_drops(h, DROP_handoff_full) == 0 && sent < 12000) {
		for (int i = 0; i < 32; i++, sent++)
			assert_true(harness_inject(h, WAN, queue, buf, frame_build(&f, buf)));
		while (rte_ring_count(h->rx[WAN][queue]))
			worker_poll(h->workers->worker[queue], h->tsc);
	}
	dropped = harness_drops(h, DROP_handoff_full);
	assert_true(dropped > 0);
	harness_step(h);
	while (harness_next(h, &got))
		out++;
	assert_int_equal(out + dropped, sent);
	assert_int_equal(harness_all_drops(h), dropped);
	harness_destroy(h);
}

/* ---- VLAN ----------------------------------------------------------------------------------- */

static void test_vlan(void **state)
{
	static const char *const vip[][3] = {
		{ "198.51.100.7", "192.0.2.20", "10.0.0.11" },
		{ "2001:db8:c::7", "2001:db8:1::20", "2001:db8:2::11" },
	};
	struct harness *h =
		harness_create(&(struct harness_conf){ .file = "vlan.json", .workers = 1 });

	for (unsigned int i = 0; i < h->n_hosts; i++) {
		h->host[i].vlan = h->host[i].nic == WAN ? 100 : 200;
		h->host[i].nic = WAN;
	}
	for (int v6 = 0; v6 < 2; v6++) {
		struct frame f = frame_make(TCP, vip[v6][0], 4000, vip[v6][1], 80, FRAME_SYN), got;
		struct frame back;

		f.vlan = 100;
		got = harness_through(h, WAN, &f, WAN);
		assert_int_equal(got.vlan, 200);
		frame_address(&f, f.dst, vip[v6][2]);
		assert_memory_equal(got.dst, f.dst, 16);
		assert_memory_equal(
			got.eth_dst, harness_find_host(h, WAN, f.dst, f.family)->mac, 6);
		back = frame_make(TCP, vip[v6][2], 8080, vip[v6][0], 4000, FRAME_SYN | FRAME_ACK);
		back.vlan = 200;
		got = harness_through(h, WAN, &back, WAN);
		assert_int_equal(got.vlan, 100);
		assert_memory_equal(got.eth_dst, h->host[v6].mac, 6);
		back.vlan = 300;
		harness_dropped(h, WAN, &back, DROP_wrong_vlan);
		back.vlan = 0;
		harness_dropped(h, WAN, &back, DROP_wrong_vlan);
	}
	harness_destroy(h);
}

int main(void)
{
	struct CMUnitTest tests[RTE_DIM(paths) + 16];
	size_t n = 0;

	for (; n < RTE_DIM(paths); n++) {
		static char names[RTE_DIM(paths)][64];
		char *name = names[n];

		snprintf(name, 64, "%s, %u workers, %u queues", paths[n].name,
			paths[n].shape.workers, paths[n].shape.rxqs);
		tests[n] = (struct CMUnitTest){
			.name = name, .test_func = test_path, .initial_state = (void *)&paths[n]
		};
	}
#define ADD(test) tests[n++] = (struct CMUnitTest)cmocka_unit_test(test)
	ADD(test_udp_without_checksum);
	ADD(test_ports);
	ADD(test_clash);
	ADD(test_not_forwarded);
	ADD(test_echo);
	ADD(test_ttl);
	ADD(test_too_big);
	ADD(test_hold);
	ADD(test_hold_unanswered);
	ADD(test_owner);
	ADD(test_handoff_full);
	ADD(test_vlan);
	ADD(test_routes);
	harness_init();
	return _cmocka_run_group_tests("forward", tests, n, NULL, NULL);
}

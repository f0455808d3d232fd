/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments through the whole pipeline: DR and NAT, both ways, any order, any worker; what leaves
 * is in fragments again, which are put together here and compared with the datagram as it ought to
 * be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"
#include "pieces.h"

#define TCP     6
#define UDP     17
#define ICMP    1
#define ICMP6   58
#define PIECES  64
#define LAN_MTU 1400
#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:c::7"

struct path {
	const char *name, *client, *vip;
	uint8_t proto;
	bool nat;
	unsigned int workers;
};

#define BOTH(...)                                                                                  \
	{ __VA_ARGS__, .workers = 1 },                                                             \
	{                                                                                          \
		__VA_ARGS__, .workers = 3                                                          \
	}

static const struct path paths[] = {
	BOTH("DR IPv4 TCP", CLIENT4, "192.0.2.10", TCP, false),
	BOTH("DR IPv4 UDP", CLIENT4, "192.0.2.10", UDP, false),
	BOTH("DR IPv6 TCP", CLIENT6, "2001:db8:1::10", TCP, false),
	BOTH("DR IPv6 UDP", CLIENT6, "2001:db8:1::10", UDP, false),
	BOTH("NAT IPv4 TCP", CLIENT4, "192.0.2.20", TCP, true),
	BOTH("NAT IPv4 UDP", CLIENT4, "192.0.2.20", UDP, true),
	BOTH("NAT IPv6 TCP", CLIENT6, "2001:db8:1::20", TCP, true),
	BOTH("NAT IPv6 UDP", CLIENT6, "2001:db8:1::20", UDP, true),
};

/* ---- sending and reading -------------------------------------------------------------------- */

static uint8_t payload[65536];
static struct piece piece[PIECES];
static struct pieces pieces;

static struct harness *open_harness(unsigned int workers)
{
	struct harness *h = harness_create(
		&(struct harness_conf){ .file = "forward.json", .workers = workers });

	h->all_answer = true;
	memset(&pieces, 0, sizeof(pieces));
	return h;
}

static struct frame datagram(const struct path *p, uint16_t sport, uint8_t flags, uint16_t len)
{
	struct frame f = frame_make(p->proto, p->client, sport, p->vip, 80, flags);

	f.payload = payload;
	f.payload_len = len;
	return f;
}

/* Cuts it for a link of this MTU. */
static unsigned int cut(struct harness *h, uint16_t nic, struct frame *f, size_t mtu, uint32_t id)
{
	static uint8_t whole[PIECES_FRAME];
	const size_t each = (mtu - (f->family == 4 ? 20 : 48)) & ~7ul;
	size_t len;

	memcpy(f->eth_dst, h->nic[nic]->mac.addr_bytes, 6);
	memcpy(f->eth_src, (uint8_t[]){ 2, 1, 1, 1, 1, 1 }, 6);
	if (f->family == 4)
		f->id = (uint16_t)id;
	len = frame_build(f, whole);
	return pieces_cut(whole, len, each, id, piece, PIECES);
}

static void inject(struct harness *h, uint16_t nic, unsigned int i)
{
	assert_true(harness_inject(h, nic, ANY_QUEUE, piece[i].data, piece[i].len));
	harness_step(h);
}

/* The datagram that came out, in fragments or not; *n: how many frames, none longer than mtu. */
static bool whole(struct harness *h, uint16_t nic, size_t mtu, struct frame *got, unsigned int *n)
{
	static uint8_t frame[PIECES_FRAME];
	const struct captured *c;
	const char *wrong = NULL;
	size_t len = 0;

	for (*n = 0; len == 0 && (c = harness_take(h)) != NULL; ++*n) {
		assert_int_equal(c->nic, nic);
		assert_in_range(c->len, 15, 14 + mtu);
		if (pieces_is_fragment(c->data, c->len)) {
			struct whole *w = pieces_add(&pieces, c->data, c->len, &len, &wrong);

			if (w)
				memcpy(frame, w->data, len);
		} else {
			len = c->len;
			memcpy(frame, c->data, len);
		}
		if (wrong)
			fail_msg("%s", wrong);
	}
	if (len == 0)
		return false;
	wrong = frame_read(frame, len, got);
	if (wrong)
		fail_msg("%s", wrong);
	return true;
}

static void expect_whole(
	struct harness *h, uint16_t nic, size_t mtu, struct frame *got, unsigned int frames)
{
	unsigned int n;

	if (!whole(h, nic, mtu, got, &n)) {
		harness_print_drops(h);
		fail_msg("nothing came out");
	}
	assert_int_equal(n, frames);
	assert_null(harness_take(h));
}

static void check(const struct frame *want, const struct frame *got)
{
	struct frame w = *want;
	const char *field;

	w.ttl--;
	memcpy(w.eth_dst, got->eth_dst, 6);
	memcpy(w.eth_src, got->eth_src, 6);
	field = frame_differs(&w, got);
	if (field)
		fail_msg("wrong %s", field);
}

/* What a server must see of a client's datagram. */
static void check_forward(const struct path *p, const struct frame *sent, const struct frame *got)
{
	struct frame want = *sent;

	if (p->nat) {
		/* 10.0.0.11 to .14, 2001:db8:2::11 to ::14 */
		if (got->family == 4)
			assert_in_range(got->dst[3], 11, 14);
		else
			assert_in_range(got->dst[15], 0x11, 0x14);
		memcpy(want.dst, got->dst, 16);
		want.dport = 8080;
	}
	check(&want, got);
}

static const unsigned int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 },
	{ 2, 0, 1 }, { 2, 1, 0 } };

/* ---- tests ---------------------------------------------------------------------------------- */

/* The flow's first packet, whole; returns what the server got. */
static struct frame begin(struct harness *h, const struct path *p, uint16_t sport)
{
	struct frame f = datagram(p, sport, p->proto == TCP ? FRAME_SYN : 0, 0);

	return harness_through(h, WAN, &f, LAN);
}

/* Three fragments in every order, from the client and, through NAT, from the server. */
static void test_orders(void **state)
{
	const struct path *p = *state;
	struct harness *h = open_harness(p->workers);

	for (unsigned int o = 0; o < 6; o++) {
		const uint16_t sport = (uint16_t)(20000 + o);
		struct frame first = begin(h, p, sport), f, got;

		f = datagram(p, sport, p->proto == TCP ? FRAME_ACK : 0, 2900);
		assert_int_equal(cut(h, WAN, &f, 1200, 100 + o), 3);
		for (unsigned int i = 0; i < 3; i++) {
			assert_null(harness_take(h));
			inject(h, WAN, orders[o][i]);
		}
		/* As many as came, and none longer. */
		expect_whole(h, LAN, 1200, &got, 3);
		check_forward(p, &f, &got);
		if (!p->nat)
			continue;

		struct frame back = frame_make(p->proto, CLIENT4, 8080, CLIENT4, sport,
			p->proto == TCP ? FRAME_SYN | FRAME_ACK : 0);
		back.family = got.family;
		memcpy(back.src, first.dst, 16);
		memcpy(back.dst, first.src, 16);
		back.payload = payload;
		back.payload_len = 3300;
		assert_int_equal(cut(h, LAN, &back, 1400, 200 + o), 3);
		for (unsigned int i = 0; i < 3; i++)
			inject(h, LAN, orders[o][i]);
		expect_whole(h, WAN, 1400, &got, 3);
		frame_address(&back, back.src, p->vip);
		back.sport = 80;
		back.id = got.id; /* another one than the server's: its address is ours now */
		check(&back, &got);
	}
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* Datagrams of several flows between each other, each fragment at another worker. */
static void test_interleaved(void **state)
{
	const struct path *p = *state;
	struct harness *h = open_harness(p->workers);
	static struct piece all[8][3];
	struct frame f[8], got;
	unsigned int n, seen = 0;

	for (unsigned int i = 0; i < 8; i++) {
		begin(h, p, (uint16_t)(20000 + i));
		f[i] = datagram(p, (uint16_t)(20000 + i), p->proto == TCP ? FRAME_ACK : 0,
			(uint16_t)(2500 + i));
		assert_int_equal(cut(h, WAN, &f[i], 1200, 500 + i), 3);
		memcpy(all[i], piece, sizeof(all[i]));
	}
	for (unsigned int k = 0; k < 3; k++)
		for (unsigned int i = 0; i < 8; i++) {
			const struct piece *x = &all[(i * 3) % 8][(k + i) % 3];

			assert_true(harness_inject(h, WAN, ANY_QUEUE, x->data, x->len));
		}
	harness_step(h);
	while (whole(h, LAN, 1200, &got, &n)) {
		check_forward(p, &f[got.sport - 20000], &got);
		seen |= 1u << (got.sport - 20000);
	}
	assert_int_equal(seen, 0xff);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* What does not become whole is dropped in time, and its sender told. */
static void test_missing(void **state)
{
	const struct path *p = *state;
	struct harness *h = open_harness(p->workers);
	struct frame f, got;

	begin(h, p, 20000);
	f = datagram(p, 20000, p->proto == TCP ? FRAME_ACK : 0, 2900);
	for (unsigned int lost = 0; lost < 3; lost++) {
		const bool told = lost != 0;

		assert_int_equal(cut(h, WAN, &f, 1200, 700 + lost), 3);
		for (unsigned int i = 0; i < 3; i++)
			if (i != lost)
				inject(h, WAN, i);
		harness_advance(h, f.family == 4 ? 29000 : 59000);
		assert_null(harness_take(h));
		harness_advance(h, 2000);
		assert_int_equal(harness_drops(h, DROP_frag_timeout), 2 * (lost + 1));
		if (!told) {
			assert_null(harness_take(h));
			continue;
		}
		assert_non_null(harness_next(h, &got));
		assert_int_equal(got.proto, f.family == 4 ? ICMP : ICMP6);
		assert_int_equal(got.icmp_type, f.family == 4 ? 11 : 3);
		assert_int_equal(got.icmp_code, 1);
		assert_memory_equal(got.dst, f.src, 16);
		assert_memory_equal(got.src, f.dst, 16);
		/* It quotes the first fragment as it came. */
		assert_memory_equal(got.payload, piece[0].data + 14, 48);
	}
	harness_destroy(h);
}

/* Fragments that are longer than the next link takes: IPv4's are cut up again, the sender of
 * others learns what the link takes. */
static void test_smaller_link(void **state)
{
	const struct path *p = *state;
	struct harness *h = open_harness(p->workers);
	struct frame f, got;

	for (unsigned int df = 0; df < 2; df++) {
		unsigned int n;

		begin(h, p, (uint16_t)(20000 + df));
		f = datagram(p, (uint16_t)(20000 + df), p->proto == TCP ? FRAME_ACK : 0, 4100);
		f.df = df && f.family == 4;
		n = cut(h, WAN, &f, 1500, 900);
		assert_int_equal(n, 3);
		while (n > 0)
			inject(h, WAN, --n);
		if (f.family == 4 && !df) {
			expect_whole(h, LAN, LAN_MTU, &got, 3);
			check_forward(p, &f, &got);
			continue;
		}
		assert_non_null(harness_next(h, &got));
		assert_int_equal(got.icmp_type, f.family == 4 ? 3 : 2);
		assert_int_equal(got.icmp_code, f.family == 4 ? 4 : 0);
		assert_int_equal(got.icmp_rest & 0xffff, LAN_MTU);
		assert_memory_equal(got.dst, f.src, 16);
		assert_null(harness_take(h));
		/* Having learned it. */
		n = cut(h, WAN, &f, LAN_MTU, 901);
		for (unsigned int i = 0; i < n; i++)
			inject(h, WAN, i);
		expect_whole(h, LAN, LAN_MTU, &got, n);
		check_forward(p, &f, &got);
	}
	harness_destroy(h);
}

/* 60,000 bytes, shuffled, and again while the server's MAC address is not known. */
static void test_long(void **state)
{
	const struct path *p = *state;
	struct harness *h = open_harness(p->workers);
	struct frame f = datagram(p, 20000, p->proto == TCP ? FRAME_ACK : 0, 60000), got;
	uint32_t seed = 0x5eed;
	unsigned int n;

	begin(h, p, 20000);
	n = cut(h, WAN, &f, LAN_MTU, 1);
	for (unsigned int i = n - 1; i > 0; i--) {
		static struct piece swap;
		const unsigned int k = (seed = seed * 1103515245 + 12345) / 65536 % (i + 1);

		swap = piece[i];
		piece[i] = piece[k];
		piece[k] = swap;
	}
	for (unsigned int i = 0; i < n; i++)
		inject(h, WAN, i);
	expect_whole(h, LAN, LAN_MTU, &got, n);
	check_forward(p, &f, &got);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* The first packet of the flow is in fragments, and waits for the server's MAC address. */
static void test_hold(void **state)
{
	const struct path *p = *state;
	struct harness *h = open_harness(p->workers);
	struct frame f = datagram(p, 20000, p->proto == TCP ? FRAME_SYN : 0, 2900), got;

	h->all_answer = false;
	for (unsigned int i = 0; i < h->n_hosts; i++)
		h->host[i].silent = true;
	assert_int_equal(cut(h, WAN, &f, 1200, 3), 3);
	for (unsigned int i = 0; i < 3; i++)
		inject(h, WAN, 2 - i);
	assert_null(harness_take(h));
	for (unsigned int i = 0; i < h->n_hosts; i++)
		h->host[i].silent = false;
	harness_advance(h, 2500);
	expect_whole(h, LAN, 1200, &got, 3);
	check_forward(p, &f, &got);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* A bad checksum is found when the datagram is whole; overlaps before. */
static void test_bad(void **state)
{
	const struct path *p = *state;
	struct harness *h = open_harness(p->workers);
	struct frame f = datagram(p, 20000, p->proto == TCP ? FRAME_ACK : 0, 2900);

	begin(h, p, 20000);
	cut(h, WAN, &f, 1200, 1);
	piece[1].data[piece[1].len - 1] ^= 1;
	for (unsigned int i = 0; i < 3; i++)
		inject(h, WAN, i);
	assert_int_equal(harness_drops(h, DROP_l4_checksum), 1);
	cut(h, WAN, &f, 1200, 2);
	inject(h, WAN, 0);
	inject(h, WAN, 1);
	inject(h, WAN, 1);
	assert_int_equal(harness_drops(h, DROP_frag_duplicate), 1);
	cut(h, WAN, &f, 1208, 2);
	inject(h, WAN, 1);
	inject(h, WAN, 2);
	assert_int_equal(harness_drops(h, DROP_frag_overlap), 4);
	assert_null(harness_take(h));
	harness_destroy(h);
}

/* Pings longer than a link are answered in fragments. */
static void test_echo(void **state)
{
	const unsigned int workers = *(const unsigned int *)*state;
	struct harness *h = open_harness(workers);

	for (unsigned int v6 = 0; v6 < 2; v6++) {
		struct frame f = frame_make(v6 ? ICMP6 : ICMP, v6 ? CLIENT6 : CLIENT4, 0,
			v6 ? "2001:db8:1::10" : "192.0.2.10", 0, 0);
		struct frame got;

		f.icmp_type = v6 ? 128 : 8;
		f.icmp_rest = 0x12340001;
		f.payload = payload;
		f.payload_len = 4000;
		assert_int_equal(cut(h, WAN, &f, 1500, 4), 3);
		for (unsigned int i = 0; i < 3; i++)
			inject(h, WAN, (i + 1) % 3);
		expect_whole(h, WAN, 1500, &got, 3);
		assert_int_equal(got.icmp_type, v6 ? 129 : 0);
		assert_int_equal(got.icmp_rest, 0x12340001);
		assert_int_equal(got.payload_len, 4000);
		assert_memory_equal(got.payload, payload, 4000);
		assert_memory_equal(got.dst, f.src, 16);
	}
	harness_destroy(h);
}

int main(void)
{
	static const struct {
		const char *name;
		CMUnitTestFunction run;
	} kinds[] = { { "orders", test_orders }, { "interleaved", test_interleaved },
		{ "missing", test_missing }, { "smaller link", test_smaller_link },
		{ "long", test_long }, { "hold", test_hold }, { "bad", test_bad } };
	enum { N = sizeof(paths) / sizeof(paths[0]), K = sizeof(kinds) / sizeof(kinds[0]) };
	static struct CMUnitTest tests[N * K + 2];
	static char names[N * K][64];
	static unsigned int one = 1, three = 3;
	size_t n = 0;

	for (unsigned int i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 31 + i / 253);
	for (unsigned int k = 0; k < K; k++)
		for (unsigned int i = 0; i < N; i++, n++) {
			snprintf(names[n], sizeof(names[n]), "%s: %s, %u workers", kinds[k].name,
				paths[i].name, paths[i].workers);
			tests[n] = (struct CMUnitTest){ names[n], kinds[k].run, NULL, NULL,
				(void *)(uintptr_t)&paths[i] };
		}
	tests[n++] = (struct CMUnitTest){ "echo, 1 worker", test_echo, NULL, NULL, &one };
	tests[n++] = (struct CMUnitTest){ "echo, 3 workers", test_echo, NULL, NULL, &three };
	harness_init();
	return cmocka_run_group_tests_name("fragment", tests, NULL, NULL);
}

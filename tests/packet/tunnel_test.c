/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mode tunnel: every encapsulation of every inner in every outer family, TCP and UDP, with one
 * worker and with three. Outer headers are taken off here as a server would, by frame_read() and by
 * hand, and what is inside is compared with what the client sent.
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
#define LAN_MTU 1400

enum { IPIP = 1, GRE, GUE };

struct kind {
	uint8_t encap;
	bool outer6, inner6;
	uint8_t proto;
};

static const char *const clients[] = { "198.51.100.7", "2001:db8:c::7" };
static const char *const vips[] = { "192.0.2.10", "2001:db8:1::10" };
static const char *const own[] = { "10.0.0.1", "2001:db8:2::1" };
static const char *const servers[][2] = { { "10.0.0.11", "10.0.0.12" },
	{ "2001:db8:2::11", "2001:db8:2::12" } };
static const char *const routers[] = { "10.0.0.254", "2001:db8:2::fe" };

static uint8_t payload[1600];

/* ---- frames --------------------------------------------------------------------------------- */

static struct harness *start(unsigned int workers)
{
	return harness_create(&(struct harness_conf){ .file = "tunnel.json", .workers = workers });
}

static uint16_t port_of(const struct kind *k)
{
	return (uint16_t)((k->outer6 ? 60 : 40) + k->encap);
}

static uint16_t overhead(const struct kind *k)
{
	static const uint8_t behind_ip[] = { [IPIP] = 0, [GRE] = 4, [GUE] = 12 };

	return (uint16_t)((k->outer6 ? 40 : 20) + behind_ip[k->encap]);
}

static uint16_t ip_len(bool v6)
{
	return v6 ? 40 : 20;
}

/* A packet of the client's, len bytes long from its IP header on; 0: without payload. */
static struct frame from_client(const struct kind *k, uint16_t port, uint8_t flags, uint16_t len)
{
	struct frame f =
		frame_make(k->proto, clients[k->inner6], port, vips[k->inner6], port_of(k), flags);
	const uint16_t head = (uint16_t)(ip_len(k->inner6) + (k->proto == TCP ? 20 : 8));

	f.df = !k->inner6;
	f.payload = payload;
	f.payload_len = len ? (uint16_t)(len - head) : 0;
	return f;
}

/* Takes the outer headers off; what is inside as a frame, whose payload is in buf. */
static struct frame open_outer(
	const struct kind *k, const struct frame *outer, uint8_t buf[FRAME_MAX])
{
	const uint8_t *p = outer->payload;
	size_t len = outer->payload_len;
	const char *wrong;
	struct frame f;

	assert_int_equal(outer->family, k->outer6 ? 6 : 4);
	assert_int_equal(outer->ttl, 64);
	switch (k->encap) {
	case IPIP:
		assert_int_equal(outer->proto, k->inner6 ? 41 : 4);
		break;
	case GRE:
		assert_int_equal(outer->proto, 47);
		assert_memory_equal(p, k->inner6 ? "\0\0\x86\xdd" : "\0\0\x08\0", 4);
		p += 4;
		len -= 4;
		break;
	default:
		assert_int_equal(outer->proto, UDP);
		assert_int_equal(outer->dport, 6080);
		assert_true(outer->sport >= 49152);
		assert_false(outer->no_checksum);
		assert_memory_equal(p, k->inner6 ? "\0\x29\0\0" : "\0\4\0\0", 4);
		p += 4;
		len -= 4;
		break;
	}
	memset(buf, 0, 14);
	memcpy(buf + 12, k->inner6 ? "\x86\xdd" : "\x08\0", 2);
	memcpy(buf + 14, p, len);
	wrong = frame_read(buf, 14 + len, &f);
	if (wrong)
		fail_msg("inside: %s", wrong);
	return f;
}

static void check_inner(const struct frame *sent, const struct frame *inner)
{
	struct frame want = *sent;
	const char *field;

	want.ttl--;
	memset(want.eth_dst, 0, 6);
	memset(want.eth_src, 0, 6);
	field = frame_differs(&want, inner);
	if (field)
		fail_msg("inside: wrong %s", field);
}

/* Which server the outer packet is for; it comes from us. */
static unsigned int server_of(struct harness *h, const struct kind *k, const struct frame *outer)
{
	struct frame a;

	frame_address(&a, a.src, own[k->outer6]);
	assert_memory_equal(outer->src, a.src, 16);
	for (unsigned int s = 0; s < 2; s++) {
		frame_address(&a, a.dst, servers[k->outer6][s]);
		if (memcmp(outer->dst, a.dst, 16) != 0)
			continue;
		assert_memory_equal(
			outer->eth_dst, harness_find_host(h, LAN, a.dst, outer->family)->mac, 6);
		return s;
	}
	fail_msg("for none of the servers");
	return 0;
}

/* Sends a frame that must come out whole; returns the server it went to. */
static unsigned int pass(struct harness *h, const struct kind *k, const struct frame *f)
{
	uint8_t buf[FRAME_MAX];
	struct frame outer = harness_through(h, WAN, f, LAN), inner = open_outer(k, &outer, buf);

	check_inner(f, &inner);
	assert_int_equal(outer.tos, f->tos);
	if (!k->outer6)
		assert_int_equal(outer.df, k->inner6 || f->df);
	return server_of(h, k, &outer);
}

/* An ICMP error to the client about f. */
static void check_error(
	const struct captured *c, const struct frame *f, uint8_t type, uint8_t code, uint32_t rest)
{
	const bool v6 = f->family == 6;
	struct frame got;

	assert_non_null(c);
	assert_int_equal(c->nic, WAN);
	assert_null(frame_read(c->data, c->len, &got));
	assert_int_equal(got.proto, v6 ? 58 : 1);
	assert_int_equal(got.icmp_type, type);
	assert_int_equal(got.icmp_code, code);
	assert_int_equal(got.icmp_rest, rest);
	assert_memory_equal(got.src, f->dst, 16);
	assert_memory_equal(got.dst, f->src, 16);
	assert_memory_equal(got.payload + (v6 ? 8 : 12), f->src, v6 ? 16 : 4);
	assert_memory_equal(got.payload + (v6 ? 24 : 16), f->dst, v6 ? 16 : 4);
	assert_int_equal(got.payload[ip_len(v6)] << 8 | got.payload[ip_len(v6) + 1], f->sport);
}

/* "Too big", which says mtu. */
static void check_told(const struct captured *c, const struct frame *f, uint16_t mtu)
{
	const bool v6 = f->family == 6;

	check_error(c, f, v6 ? 2 : 3, v6 ? 0 : 4, mtu);
}

/* Sends a frame that must come out in fragments of at most mtu bytes, and be told of to the client
 * if told is not 0. */
static void split(
	struct harness *h, const struct kind *k, const struct frame *f, uint16_t mtu, uint16_t told)
{
	static struct pieces pieces;
	const struct captured *c;
	struct whole *w = NULL;
	const char *wrong = NULL;
	uint8_t buf[FRAME_MAX];
	struct frame outer, inner;
	size_t len;

	memset(&pieces, 0, sizeof(pieces));
	harness_send(h, WAN, f);
	while ((c = harness_take(h))) {
		if (c->nic == WAN) {
			assert_int_not_equal(told, 0);
			check_told(c, f, told);
			told = 0;
			continue;
		}
		assert_null(w);
		assert_true(pieces_is_fragment(c->data, c->len));
		assert_in_range(c->len, 15, 14 + mtu);
		w = pieces_add(&pieces, c->data, c->len, &len, &wrong);
		assert_null(wrong);
	}
	assert_int_equal(told, 0);
	assert_non_null(w);
	assert_int_equal(w->n, 2);
	wrong = frame_read(w->data, len, &outer);
	if (wrong)
		fail_msg("whole again: %s", wrong);
	assert_false(outer.df);
	inner = open_outer(k, &outer, buf);
	check_inner(f, &inner);
	server_of(h, k, &outer);
}

static void each_kind(void (*test)(struct harness *h, const struct kind *k), unsigned int workers)
{
	for (unsigned int i = 0; i < 24; i++) {
		const struct kind k = { (uint8_t)(IPIP + i % 3), i / 3 % 2, i / 6 % 2,
			i / 12 ? UDP : TCP };
		struct harness *h = start(workers);

		test(h, &k);
		harness_destroy(h);
	}
}

/* ---- flows ---------------------------------------------------------------------------------- */

static void one_path(struct harness *h, const struct kind *k)
{
	unsigned int went[2] = { 0 };

	for (uint16_t i = 0; i < 12; i++) {
		const uint16_t port = (uint16_t)(4000 + i);
		struct frame f = from_client(k, port, FRAME_SYN, k->proto == UDP ? 81u + i : 0);
		const unsigned int s = pass(h, k, &f);

		went[s]++;
		f = from_client(k, port, FRAME_ACK, 0);
		assert_int_equal(pass(h, k, &f), s);
		f = from_client(k, port, FRAME_ACK | FRAME_PSH, (uint16_t)(700 + i));
		f.tos = (uint8_t)(i << 4 | i); /* with every ECN value */
		f.df = !k->inner6 && (i & 1);
		assert_int_equal(pass(h, k, &f), s);
	}
	assert_true(went[0] > 2 && went[1] > 2);
	assert_int_equal(harness_flows(h), 12);
	assert_int_equal(harness_all_drops(h), 0);
}

static void test_paths(void **state)
{
	each_kind(one_path, 1);
}

static void test_paths_of_three_workers(void **state)
{
	each_kind(one_path, 3);
}

/* Without a flow, by Maglev: every balancer, every worker and every time the same server. */
static void test_stateless(void **state)
{
	const struct kind k = { GUE, true, false, TCP };
	unsigned int first[64], went[2] = { 0 };

	for (unsigned int run = 0; run < 3; run++) {
		struct harness *h = start(run == 2 ? 3 : 1);

		for (uint16_t i = 0; i < 64; i++) {
			struct frame f = from_client(&k, (uint16_t)(4000 + i), FRAME_ACK, 100);
			const unsigned int s = pass(h, &k, &f);

			if (run == 0)
				first[i] = s;
			assert_int_equal(first[i], s);
			went[s]++;
		}
		assert_int_equal(harness_flows(h), 0);
		harness_destroy(h);
	}
	assert_true(went[0] > 30 && went[1] > 30);
}

/* The encapsulation can change while flows go on. */
static void test_reload(void **state)
{
	struct kind k = { IPIP, false, false, TCP };
	struct harness *h = start(1);
	struct frame f = from_client(&k, 4000, FRAME_SYN, 0);
	const unsigned int s = pass(h, &k, &f);
	json_t *doc = harness_document(h);

	json_object_set_new(
		harness_named(doc, "services", "t41"), "encapsulation", json_string("gre"));
	harness_apply(h, doc);
	f = from_client(&k, 4000, FRAME_ACK, 60);
	struct frame outer = harness_through(h, WAN, &f, LAN);
	assert_int_equal(outer.proto, 47);
	assert_int_equal(server_of(h, &k, &outer), s);
	assert_int_equal(harness_flows(h), 1);
	harness_destroy(h);
}

static void test_source(void **state)
{
	struct harness *h = start(1);
	struct frame f = frame_make(TCP, clients[0], 4000, vips[0], 99, FRAME_SYN), a;
	struct frame outer = harness_through(h, WAN, &f, LAN);

	frame_address(&a, a.src, "10.0.0.5");
	assert_memory_equal(outer.src, a.src, 16);
	harness_destroy(h);
}

/* GUE's source port, and the outer IPv6 flow label with every encapsulation, are a flow's own. */
static void test_entropy(void **state)
{
	const struct kind kinds[] = { { GUE, false, false, UDP }, { GUE, true, true, UDP },
		{ IPIP, true, true, UDP } };

	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		const struct kind *k = &kinds[i];
		struct harness *h = start(1);
		uint32_t seen[64];
		unsigned int same = 0;

		for (uint16_t n = 0; n < 64; n++) {
			struct frame f = from_client(k, (uint16_t)(4000 + n), 0, 100);

			for (unsigned int again = 0; again < 3; again++) {
				const struct captured *c;
				struct frame outer;
				uint32_t mark;

				harness_send(h, WAN, &f);
				c = harness_next(h, &outer);
				mark = k->encap == GUE
					       ? outer.sport
					       : (uint32_t)(c->data[15] & 15) << 16 |
							 (uint32_t)c->data[16] << 8 | c->data[17];
				if (again)
					assert_int_equal(seen[n], mark);
				seen[n] = mark;
			}
			for (uint16_t o = 0; o < n; o++)
				same += seen[o] == seen[n];
		}
		assert_true(same < 4);
		harness_destroy(h);
	}
}

/* ---- sizes ---------------------------------------------------------------------------------- */

static void clamp(struct harness *h, const struct kind *k)
{
	const uint16_t fits = (uint16_t)(LAN_MTU - overhead(k) - ip_len(k->inner6) - 20);
	const uint16_t sizes[] = { 1460, 536, fits, (uint16_t)(fits + 1) };
	uint8_t buf[FRAME_MAX];

	if (k->proto == UDP)
		return;
	for (uint16_t i = 0; i < RTE_DIM(sizes); i++) {
		const uint8_t option[] = { 2, 4, (uint8_t)(sizes[i] >> 8), (uint8_t)sizes[i] };
		struct frame f = from_client(k, (uint16_t)(4000 + i), FRAME_SYN, 0), outer, inner;

		f.options = option;
		f.options_len = 4;
		outer = harness_through(h, WAN, &f, LAN);
		inner = open_outer(k, &outer, buf);
		assert_int_equal(inner.options_len, 4);
		assert_int_equal(inner.options[2] << 8 | inner.options[3], RTE_MIN(sizes[i], fits));
	}
}

static void test_mss(void **state)
{
	each_kind(clamp, 1);
}

/* What is just too big goes in two fragments, and its sender hears of it if that may help. */
static void too_big(struct harness *h, const struct kind *k)
{
	const uint16_t fits = (uint16_t)(LAN_MTU - overhead(k));

	/* With a flow, and (TCP) without one. */
	for (unsigned int open = 0; open < 2; open++) {
		struct frame f = from_client(k, 4000, FRAME_ACK, fits);

		if (open && k->proto == TCP) {
			struct frame syn = from_client(k, 4000, FRAME_SYN, 0);

			pass(h, k, &syn);
		}
		pass(h, k, &f);
		f = from_client(k, 4000, FRAME_ACK, (uint16_t)(fits + 1));
		split(h, k, &f, LAN_MTU, fits);
		f = from_client(k, 4000, FRAME_ACK, 1500);
		split(h, k, &f, LAN_MTU, fits);
		f.df = false;
		split(h, k, &f, LAN_MTU, k->inner6 ? fits : 0);
	}
	assert_int_equal(harness_all_drops(h), 0);
}

static void test_too_big(void **state)
{
	each_kind(too_big, 1);
}

/* It also waits for a neighbour before it is split. */
static void test_split_after_waiting(void **state)
{
	const struct kind k = { IPIP, false, false, UDP };
	struct harness *h = start(1);
	struct frame f = from_client(&k, 4000, 0, 1500);

	harness_silence(h, LAN, servers[0][0], true);
	harness_silence(h, LAN, servers[0][1], true);
	harness_send(h, WAN, &f);
	check_told(harness_take(h), &f, LAN_MTU - 20);
	assert_null(harness_take(h));
	harness_silence(h, LAN, servers[0][0], false);
	harness_silence(h, LAN, servers[0][1], false);
	harness_advance(h, 1100);
	for (unsigned int i = 0; i < 2; i++) {
		const struct captured *c = harness_take(h);

		assert_non_null(c);
		assert_true(pieces_is_fragment(c->data, c->len));
	}
	assert_null(harness_take(h));
	harness_destroy(h);
}

/* ---- what routers say ----------------------------------------------------------------------- */

/* Has a router send an error about the outer packet, of which it quotes n bytes. */
static void say_error(struct harness *h, const struct kind *k, const struct captured *outer,
	uint8_t type, uint8_t code, uint32_t rest, uint16_t n)
{
	uint8_t quote[FRAME_MAX];
	struct frame e = { .proto = k->outer6 ? 58 : 1,
		.ttl = 60,
		.icmp_type = type,
		.icmp_code = code,
		.icmp_rest = rest,
		.payload = quote };

	e.payload_len = (uint16_t)RTE_MIN(n, outer->len - 14);
	memcpy(quote, outer->data + 14, e.payload_len);
	frame_address(&e, e.src, routers[k->outer6]);
	frame_address(&e, e.dst, own[k->outer6]);
	harness_send(h, LAN, &e);
}

/* That it was too big. */
static void say(struct harness *h, const struct kind *k, const struct captured *outer, uint32_t mtu,
	uint16_t n)
{
	say_error(h, k, outer, k->outer6 ? 2 : 3, k->outer6 ? 0 : 4, mtu, n);
}

/* The outer packet of a frame, as captured; it stays good. */
static struct captured outer_of(struct harness *h, const struct frame *f)
{
	const struct captured *c;

	harness_send(h, WAN, f);
	c = harness_take(h);
	assert_non_null(c);
	assert_int_equal(c->nic, LAN);
	assert_null(harness_take(h));
	return *c;
}

/* The server with this flow, for which a path of 1,280 bytes is learned; the other one's stays. */
static void learn(struct harness *h, const struct kind *k)
{
	const uint16_t fits = (uint16_t)(LAN_MTU - overhead(k)), less = 1280 - overhead(k);
	const uint16_t told = k->inner6 ? 1280 : less;
	unsigned int told_server = 2;

	for (uint16_t port = 4000; port < 4012; port++) {
		struct frame syn = from_client(k, port, FRAME_SYN, k->proto == UDP ? 99 : 0);
		struct frame big = from_client(k, port, FRAME_ACK, fits);
		const unsigned int s = pass(h, k, &syn);

		if (told_server == 2) {
			struct captured c = outer_of(h, &big);

			say(h, k, &c, 1280, 548);
			check_told(harness_take(h), &big, told);
			harness_advance(h, 1);
			told_server = s;
		}
		if (s == told_server) {
			split(h, k, &big, 1280, told);
			big = from_client(k, port, FRAME_ACK, less);
			pass(h, k, &big);
			if (k->inner6) {
				/* What IPv6 may always send is split without a word. */
				big = from_client(k, port, FRAME_ACK, (uint16_t)(less + 1));
				split(h, k, &big, 1280, 0);
			}
		} else {
			pass(h, k, &big);
		}
	}
	assert_int_equal(harness_all_drops(h), 1);
	assert_int_equal(harness_drops(h, DROP_path_learned), 1);
}

static void test_learned(void **state)
{
	each_kind(learn, 1);
}

/* One worker hears it, all go by it. */
static void test_learned_by_three_workers(void **state)
{
	each_kind(learn, 3);
}

/* Routers quote 28 bytes (RFC 792), say no MTU (RFC 791), or one that no path has. */
static void test_little_said(void **state)
{
	static const struct {
		bool outer6;
		uint32_t said;
		uint16_t quote, known;
	} cases[] = {
		{ false, 1300, 28, 1300 },
		{ false, 0, 28, 1006 },
		{ false, 68, 28, 576 },
		{ true, 1300, 48, 1300 },
		{ true, 1000, 48, 1280 },
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const struct kind k = { IPIP, cases[i].outer6, false, TCP };
		const uint16_t fits = (uint16_t)(LAN_MTU - overhead(&k));
		const uint16_t less = (uint16_t)(cases[i].known - overhead(&k));
		struct harness *h = start(1);
		struct frame f = from_client(&k, 4000, FRAME_SYN, 0);
		struct captured c;

		pass(h, &k, &f);
		f = from_client(&k, 4000, FRAME_ACK, fits);
		c = outer_of(h, &f);
		say(h, &k, &c, cases[i].said, cases[i].quote);
		assert_null(harness_take(h));
		harness_advance(h, 1);
		f = from_client(&k, 4000, FRAME_ACK, less);
		pass(h, &k, &f);
		f = from_client(&k, 4000, FRAME_ACK, (uint16_t)(less + 1));
		split(h, &k, &f, cases[i].known, less);
		harness_destroy(h);
	}
}

/* A smaller size is learned at once, a larger one only when ten minutes have passed. */
static void test_ageing(void **state)
{
	const struct kind k = { IPIP, false, false, UDP };
	struct harness *h = start(1);
	struct frame f = from_client(&k, 4000, 0, 1380), g = from_client(&k, 4000, 0, 1270);
	struct captured c = outer_of(h, &f);

	say(h, &k, &c, 1300, 28);
	say(h, &k, &c, 1280, 28);
	say(h, &k, &c, 1400, 28);
	harness_advance(h, 1);
	split(h, &k, &g, 1280, 1260);
	for (unsigned int minutes = 0; minutes < 9; minutes++) {
		harness_jump(h, 60000);
		split(h, &k, &g, 1280, 1260);
	}
	harness_jump(h, 60000);
	harness_advance(h, 1);
	pass(h, &k, &g);
	pass(h, &k, &f);
	harness_destroy(h);
}

/* What is made up about no server leaves room for what is about one; and that ends, too. */
static void test_error_rate(void **state)
{
	const struct kind k = { IPIP, false, false, UDP };
	struct harness *h = start(1);
	struct frame f = from_client(&k, 4000, 0, 1380);
	struct captured c = outer_of(h, &f), stray = c;

	stray.data[14 + 19] = 99; /* quoted: to 10.0.0.99, which is no server */
	for (int i = 0; i < 1010; i++)
		say(h, &k, &stray, 1280, 28);
	assert_int_equal(harness_drops(h, DROP_icmp_error_flow), 1000);
	assert_int_equal(harness_drops(h, DROP_icmp_error_rate), 10);
	for (int i = 0; i < 1010; i++)
		say(h, &k, &c, 1280, 28);
	assert_int_equal(harness_drops(h, DROP_path_learned), 1000);
	assert_int_equal(harness_drops(h, DROP_icmp_error_rate), 20);
	harness_destroy(h);
}

/* About packets that are not ours. */
static void test_not_learned(void **state)
{
	const struct kind k = { IPIP, false, false, UDP };
	struct harness *h = start(1);
	struct frame f = from_client(&k, 4000, 0, 1380);
	struct captured c = outer_of(h, &f);
	struct frame e = { .proto = 1, .ttl = 60, .icmp_type = 3, .icmp_code = 4 };

	e.payload = c.data + 14;
	e.payload_len = 500;
	frame_address(&e, e.src, routers[0]);
	frame_address(&e, e.dst, own[0]);
	e.icmp_rest = 1280;
	c.data[14 + 19] = 99; /* quoted: to 10.0.0.99, which is no server */
	harness_dropped(h, LAN, &e, DROP_icmp_error_flow);
	c.data[14 + 19] = 11;
	c.data[14 + 15] = 2; /* not from us */
	harness_send(h, LAN, &e);
	assert_null(harness_take(h));
	harness_advance(h, 1);
	assert_int_equal(harness_drops(h, DROP_path_learned), 0);
	pass(h, &k, &f);
	harness_destroy(h);
}

/* The sender of an inner packet that is no service's, or not of this server, is not told. */
static void test_not_passed_on(void **state)
{
	const struct kind k = { IPIP, false, false, UDP };
	struct harness *h = start(1);
	struct frame f = from_client(&k, 4000, 0, 1380);
	struct captured c = outer_of(h, &f);

	c.data[14 + 20 + 20 + 3] = 99; /* the inner port: service of another pool, protocol */
	say(h, &k, &c, 1300, 548);
	assert_null(harness_take(h));
	c.data[14 + 20 + 20 + 3] = 61;
	say(h, &k, &c, 1300, 548);
	assert_null(harness_take(h));
	c.data[14 + 20 + 20 + 3] = 41;
	c.data[14 + 20 + 6] = 0; /* may be fragmented */
	say(h, &k, &c, 1300, 548);
	assert_null(harness_take(h));
	c.data[14 + 20 + 6] = 0x40;
	say(h, &k, &c, 1300, 548);
	check_told(harness_take(h), &f, 1280);
	harness_destroy(h);
}

/* A server that stands in for those of the service's pool is one of the service. */
static void test_backup(void **state)
{
	const struct kind k = { IPIP, false, false, UDP };
	struct harness *h = start(1);
	struct frame f = from_client(&k, 4000, 0, 1380);
	struct captured c;

	f.dport = 98;
	c = outer_of(h, &f);
	say(h, &k, &c, 1300, 548);
	check_told(harness_take(h), &f, 1280);
	harness_destroy(h);
}

/* Whatever keeps packets from their server is to the client a host that is not reached. */
static void unreachable(struct harness *h, const struct kind *k)
{
	static const struct {
		bool outer6;
		uint8_t type, code;
		bool told;
	} cases[] = {
		{ false, 3, 0, true },   /* network */
		{ false, 3, 1, true },   /* host */
		{ false, 3, 2, true },   /* protocol */
		{ false, 3, 5, false },  /* source route */
		{ false, 3, 13, true },  /* prohibited */
		{ false, 11, 0, true },  /* time to live */
		{ false, 11, 1, false }, /* reassembly */
		{ false, 12, 0, false },
		{ true, 1, 0, true },  /* no route */
		{ true, 1, 1, true },  /* prohibited */
		{ true, 1, 3, true },  /* address */
		{ true, 3, 0, true },  /* hop limit */
		{ true, 3, 1, false }, /* reassembly */
		{ true, 4, 1, false },
	};
	struct frame f = from_client(k, 4000, FRAME_ACK, 200);
	struct captured c = outer_of(h, &f);
	unsigned int told = 0;

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		if (cases[i].outer6 != k->outer6)
			continue;
		say_error(h, k, &c, cases[i].type, cases[i].code, 0, 200);
		if (cases[i].told)
			check_error(harness_take(h), &f, k->inner6 ? 1 : 3, k->inner6 ? 3 : 1, 0);
		told += cases[i].told;
		assert_null(harness_take(h));
		assert_int_equal(harness_drops(h, DROP_tunnel_unreachable), told);
	}
	harness_advance(h, 1);
	assert_int_equal(harness_drops(h, DROP_path_learned), 0);
	pass(h, k, &f);
}

static void test_unreachable(void **state)
{
	each_kind(unreachable, 1);
}

/* ---- buffers -------------------------------------------------------------------------------- */

/* A frame in an mbuf with so much room in front; in two segments if split is not 0. */
static void inject(struct harness *h, const struct frame *f, uint16_t room, uint16_t first)
{
	struct frame g = *f;
	uint8_t buf[FRAME_MAX];
	struct rte_mbuf *m = rte_pktmbuf_alloc(h->pool), *rest = rte_pktmbuf_alloc(h->pool);
	size_t len, n;

	memcpy(g.eth_dst, h->nic[WAN]->mac.addr_bytes, 6);
	memcpy(g.eth_src, h->host[g.family == 6].mac, 6);
	len = frame_build(&g, buf);
	n = first ? first : len;
	m->data_off = room;
	memcpy(rte_pktmbuf_append(m, (uint16_t)n), buf, n);
	if (first) {
		memcpy(rte_pktmbuf_append(rest, (uint16_t)(len - n)), buf + n, len - n);
		assert_int_equal(rte_pktmbuf_chain(m, rest), 0);
	} else {
		rte_pktmbuf_free(rest);
	}
	assert_true(harness_inject_mbuf(h, WAN, ANY_QUEUE, m));
	harness_step(h);
}

static void test_headroom(void **state)
{
	const struct kind k = { GUE, true, false, UDP };
	struct harness *h = start(1);
	struct frame f = from_client(&k, 4000, 0, 1000), outer, inner;
	uint8_t buf[FRAME_MAX];

	for (uint16_t room = 0; room < 128; room += 8) {
		inject(h, &f, room, 0);
		assert_non_null(harness_next(h, &outer));
		inner = open_outer(&k, &outer, buf);
		check_inner(&f, &inner);
	}
	/* In two segments, which are not moved. */
	inject(h, &f, 128, 200);
	assert_non_null(harness_next(h, &outer));
	inner = open_outer(&k, &outer, buf);
	check_inner(&f, &inner);
	inject(h, &f, 8, 200);
	assert_null(harness_take(h));
	assert_int_equal(harness_drops(h, DROP_no_headroom), 1);
	assert_int_equal(harness_all_drops(h), 1);
	harness_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_paths_of_three_workers),
		cmocka_unit_test(test_stateless),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_entropy),
		cmocka_unit_test(test_mss),
		cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_split_after_waiting),
		cmocka_unit_test(test_learned),
		cmocka_unit_test(test_learned_by_three_workers),
		cmocka_unit_test(test_little_said),
		cmocka_unit_test(test_ageing),
		cmocka_unit_test(test_error_rate),
		cmocka_unit_test(test_not_learned),
		cmocka_unit_test(test_not_passed_on),
		cmocka_unit_test(test_backup),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_headroom),
	};

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7 + (i >> 8));
	harness_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

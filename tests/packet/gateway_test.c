/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway for servers: one-to-one NAT, masquerade and routing, with one worker and with three.
 * Servers .11 and .13 have outside addresses, .12 is masqueraded, .14 may do nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"
#include "pieces.h"

#define ICMP  1
#define TCP   6
#define UDP   17
#define ICMP6 58
#define ESP   50

static const uint8_t payload[] = "forty-one bytes of what a server may say";

static struct harness *gateway(unsigned int workers)
{
	return harness_create(&(struct harness_conf){ .file = "gateway.json", .workers = workers });
}

static void expect(const struct frame *got, const struct frame *want)
{
	struct frame w = *want;
	const char *field;

	memcpy(w.eth_src, got->eth_src, 6);
	memcpy(w.eth_dst, got->eth_dst, 6);
	w.ttl--;
	field = frame_differs(&w, got);
	if (field)
		fail_msg("wrong %s", field);
}

static struct frame with_payload(struct frame f)
{
	f.payload = payload;
	f.payload_len = sizeof(payload);
	return f;
}

/* A message of ICMP or ICMPv6; rest: its second word. */
static struct frame icmp(
	const char *src, const char *dst, uint8_t type, uint8_t code, uint32_t rest)
{
	struct frame f = frame_make(UDP, src, 1, dst, 1, 0);

	f.proto = f.family == 4 ? ICMP : ICMP6;
	f.sport = f.dport = 0;
	f.icmp_type = type;
	f.icmp_code = code;
	f.icmp_rest = rest;
	return with_payload(f);
}

/* ---- one-to-one ------------------------------------------------------------------------------ */

static const struct {
	uint8_t proto;
	const char *peer, *outside, *inside;
} pairs[] = {
	{ TCP, "198.51.100.7", "192.0.2.51", "10.0.0.11" },
	{ UDP, "198.51.100.7", "192.0.2.51", "10.0.0.11" },
	{ ESP, "198.51.100.7", "192.0.2.51", "10.0.0.11" },
	{ ICMP, "198.51.100.7", "192.0.2.51", "10.0.0.11" },
	{ TCP, "2001:db8:c::7", "2001:db8:1::51", "2001:db8:2::11" },
	{ UDP, "2001:db8:c::7", "2001:db8:1::51", "2001:db8:2::11" },
	{ ESP, "2001:db8:c::7", "2001:db8:1::51", "2001:db8:2::11" },
	{ ICMP6, "2001:db8:c::7", "2001:db8:1::51", "2001:db8:2::11" },
};

static struct frame any(uint8_t proto, const char *src, const char *dst)
{
	struct frame f;

	if (proto == ICMP || proto == ICMP6)
		return icmp(src, dst, proto == ICMP ? 8 : 128, 0, 0x12340001);
	f = with_payload(frame_make(proto == TCP ? TCP : UDP, src, 5000, dst, 22, FRAME_ACK));
	if (proto == ESP) {
		f.proto = ESP;
		f.sport = f.dport = 0;
		f.flags = 0;
	}
	return f;
}

static void one_to_one(unsigned int workers)
{
	struct harness *h = gateway(workers);

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct frame f = any(pairs[i].proto, pairs[i].peer, pairs[i].outside);
		struct frame got = harness_through(h, WAN, &f, LAN);

		frame_address(&f, f.dst, pairs[i].inside);
		f.proto = got.proto;
		expect(&got, &f);

		f = any(pairs[i].proto, pairs[i].inside, pairs[i].peer);
		got = harness_through(h, LAN, &f, WAN);
		frame_address(&f, f.src, pairs[i].outside);
		f.proto = got.proto;
		expect(&got, &f);
	}
	assert_int_equal(harness_flows(h), 0);
	harness_destroy(h);
}

static void test_one_to_one(void **state)
{
	one_to_one(1);
	one_to_one(3);
}

/* A server reaches another one by its outside address, and is seen with its own. */
static void test_one_to_one_both_ends(void **state)
{
	struct harness *h = gateway(1);
	struct frame f = frame_make(TCP, "10.0.0.11", 4000, "192.0.2.53", 80, FRAME_SYN);
	struct frame got = harness_through(h, LAN, &f, LAN);

	frame_address(&f, f.src, "192.0.2.51");
	frame_address(&f, f.dst, "10.0.0.13");
	expect(&got, &f);
	harness_destroy(h);
}

/* An error says what its receiver sent: the addresses it quotes are put back. */
static void test_one_to_one_errors(void **state)
{
	struct harness *h = gateway(1);
	uint8_t data[FRAME_MAX];
	struct frame inner, f, got, quoted;
	size_t len;

	/* From a router outside, about a packet of the server. */
	inner = with_payload(frame_make(ESP, "192.0.2.51", 0, "198.51.100.7", 0, 0));
	len = frame_build(&inner, data);
	f = icmp("203.0.113.1", "192.0.2.51", 11, 0, 0);
	f.payload = data + 14;
	f.payload_len = (uint16_t)(len - 14);
	got = harness_through(h, WAN, &f, LAN);
	memcpy(data + 14, got.payload, got.payload_len);
	data[12] = 8;
	data[13] = 0;
	assert_null(frame_read(data, 14u + got.payload_len, &quoted));
	frame_address(&inner, inner.src, "10.0.0.11");
	frame_address(&f, f.dst, "10.0.0.11");
	assert_memory_equal(quoted.src, inner.src, 4);
	assert_memory_equal(quoted.dst, inner.dst, 4);
	assert_memory_equal(got.dst, f.dst, 4);

	/* From the server itself, about a packet to it. */
	inner = with_payload(frame_make(UDP, "198.51.100.7", 5000, "10.0.0.11", 53, 0));
	len = frame_build(&inner, data);
	f = icmp("10.0.0.11", "198.51.100.7", 3, 3, 0);
	f.payload = data + 14;
	f.payload_len = (uint16_t)(len - 14);
	got = harness_through(h, LAN, &f, WAN);
	memcpy(data + 14, got.payload, got.payload_len);
	assert_int_equal(got.icmp_type, 3);
	frame_address(&f, f.src, "192.0.2.51");
	assert_memory_equal(got.src, f.src, 4);
	assert_memory_equal(data + 14 + 16, f.src, 4);
	harness_destroy(h);
}

/* The packet that an error quotes whole, whose checksums are right. */
static struct frame quoted_by(const struct frame *error, uint8_t data[FRAME_MAX])
{
	const char *wrong;
	struct frame f;

	memset(data, 0, 14);
	memcpy(data + 12, error->family == 6 ? "\x86\xdd" : "\x08\0", 2);
	memcpy(data + 14, error->payload, error->payload_len);
	wrong = frame_read(data, 14u + error->payload_len, &f);
	if (wrong)
		fail_msg("quoted: %s", wrong);
	return f;
}

/* The checksums that are quoted are those of the packet as its sender knows it. */
static void test_one_to_one_quoted_checksums(void **state)
{
	struct harness *h = gateway(3);
	uint8_t sent[FRAME_MAX], data[FRAME_MAX];

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const bool v6 = pairs[i].proto == ICMP6 || strchr(pairs[i].inside, ':');
		struct frame inner, f, got, quoted;

		if (pairs[i].proto != TCP && pairs[i].proto != UDP)
			continue;
		/* From a router outside, about a packet of the server. */
		inner = any(pairs[i].proto, pairs[i].outside, pairs[i].peer);
		f = icmp(v6 ? "2001:db8:9::1" : "203.0.113.1", pairs[i].outside, v6 ? 3 : 11, 0, 0);
		f.payload_len = (uint16_t)(frame_build(&inner, sent) - 14);
		f.payload = sent + 14;
		got = harness_through(h, WAN, &f, LAN);
		quoted = quoted_by(&got, data);
		frame_address(&inner, inner.src, pairs[i].inside);
		assert_memory_equal(quoted.src, inner.src, 16);
		assert_memory_equal(quoted.dst, inner.dst, 16);

		/* From the server, about a packet to it. */
		inner = any(pairs[i].proto, pairs[i].peer, pairs[i].inside);
		f = icmp(pairs[i].inside, pairs[i].peer, v6 ? 1 : 3, v6 ? 4 : 3, 0);
		f.payload_len = (uint16_t)(frame_build(&inner, sent) - 14);
		f.payload = sent + 14;
		got = harness_through(h, LAN, &f, WAN);
		quoted = quoted_by(&got, data);
		frame_address(&inner, inner.dst, pairs[i].outside);
		assert_memory_equal(quoted.src, inner.src, 16);
		assert_memory_equal(quoted.dst, inner.dst, 16);
	}
	harness_destroy(h);
}

/* ---- masquerade ------------------------------------------------------------------------------ */

/* What the outside sends back to who sent got. */
static struct frame answer_to(const struct frame *got, uint8_t flags)
{
	struct frame f = *got;

	memcpy(f.src, got->dst, 16);
	memcpy(f.dst, got->src, 16);
	memset(f.eth_src, 0, 6);
	memset(f.eth_dst, 0, 6);
	f.sport = got->dport;
	f.dport = got->sport;
	f.flags = flags;
	f.ttl = 64;
	return f;
}

static bool is_source(const struct frame *f)
{
	static const uint8_t v4[2][4] = { { 192, 0, 2, 60 }, { 192, 0, 2, 61 } };
	static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 1 };

	return f->family == 4 ? !memcmp(f->src, v4[0], 4) || !memcmp(f->src, v4[1], 4)
			      : !memcmp(f->src, v6, 16);
}

static void masquerade(unsigned int workers)
{
	static const struct {
		uint8_t proto;
		const char *server, *peer;
	} cases[] = {
		{ TCP, "10.0.0.12", "198.51.100.7" },
		{ UDP, "10.0.0.12", "198.51.100.7" },
		{ ICMP, "10.0.0.12", "198.51.100.7" },
		{ TCP, "2001:db8:2::12", "2001:db8:c::7" },
		{ UDP, "2001:db8:2::12", "2001:db8:c::7" },
		{ ICMP6, "2001:db8:2::12", "2001:db8:c::7" },
	};
	struct harness *h = gateway(workers);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (uint16_t n = 0; n < 20; n++) {
			const bool echo = cases[i].proto == ICMP || cases[i].proto == ICMP6;
			struct frame f =
				frame_make(cases[i].proto == TCP ? TCP : UDP, cases[i].server,
					(uint16_t)(4000 + n), cases[i].peer, 80, FRAME_SYN);
			struct frame got, back, out;

			if (echo)
				f = icmp(cases[i].server, cases[i].peer,
					cases[i].proto == ICMP ? 8 : 128, 0,
					0x40000001u + ((uint32_t)n << 16));
			got = harness_through(h, LAN, &f, WAN);
			assert_true(is_source(&got));
			if (echo)
				assert_int_equal(got.icmp_rest & 0xffff, f.icmp_rest & 0xffff);
			else
				assert_true(got.sport >= 1024 && got.dport == 80);

			back = answer_to(&got, FRAME_SYN | FRAME_ACK);
			if (echo)
				back.icmp_type = cases[i].proto == ICMP ? 0 : 129;
			out = harness_through(h, WAN, &back, LAN);
			assert_memory_equal(out.dst, f.src, 16);
			assert_memory_equal(out.src, f.dst, 16);
			assert_int_equal(out.dport, f.sport);
			assert_int_equal(out.icmp_rest, f.icmp_rest);
		}
		assert_int_equal(harness_flows(h), 20 * (i + 1));
	}
	harness_destroy(h);
}

static void test_masquerade(void **state)
{
	masquerade(1);
	masquerade(3);
}

/* Connections do not share a port toward one destination; both sources are in use. */
static void test_masquerade_ports_differ(void **state)
{
	static uint8_t seen[2][65536];
	struct harness *h = gateway(3);

	for (unsigned int n = 0; n < 2000; n++) {
		struct frame f =
			frame_make(UDP, "10.0.0.12", (uint16_t)(2000 + n), "198.51.100.7", 53, 0);
		struct frame got = harness_through(h, LAN, &f, WAN);

		assert_int_equal(seen[got.src[3] - 60][got.sport]++, 0);
	}
	harness_destroy(h);
}

static void test_masquerade_needs_a_beginning(void **state)
{
	struct harness *h = gateway(1);
	struct frame f = frame_make(TCP, "10.0.0.12", 4000, "198.51.100.7", 80, FRAME_ACK);

	harness_dropped(h, LAN, &f, DROP_no_flow);
	f = icmp("10.0.0.12", "198.51.100.7", 0, 0, 0x12340001);
	harness_dropped(h, LAN, &f, DROP_no_flow);
	/* Nobody outside has asked for it. */
	f = frame_make(TCP, "198.51.100.7", 80, "192.0.2.60", 4000, FRAME_SYN | FRAME_ACK);
	harness_dropped(h, WAN, &f, DROP_not_for_us);
	harness_destroy(h);
}

/* An error about a packet as it was seen: quotes it behind the ICMP header. */
static struct frame error_about(const struct frame *seen, const char *router, uint8_t *room)
{
	const size_t len = frame_build(seen, room);
	struct frame f =
		icmp(router, router, seen->family == 4 ? 3 : 1, seen->family == 4 ? 3 : 4, 0);

	memcpy(f.dst, seen->src, 16);
	f.payload = room + 14;
	f.payload_len = (uint16_t)(len - 14);
	return f;
}

/* The packet that an error quotes. */
static struct frame quoted_in(const struct frame *error)
{
	static uint8_t data[FRAME_MAX];
	struct frame f;

	memset(data, 0, 14);
	data[12] = error->family == 4 ? 0x08 : 0x86;
	data[13] = error->family == 4 ? 0x00 : 0xdd;
	memcpy(data + 14, error->payload, error->payload_len);
	assert_null(frame_read(data, 14u + error->payload_len, &f));
	return f;
}

/* Errors about masqueraded connections: from outside to the server, from the server to outside. */
static void masquerade_errors(unsigned int workers)
{
	static const struct {
		uint8_t proto;
		const char *server, *peer, *router, *inner;
	} cases[] = {
		{ TCP, "10.0.0.12", "198.51.100.7", "203.0.113.1", "10.0.0.12" },
		{ UDP, "10.0.0.12", "198.51.100.7", "203.0.113.1", "10.0.0.12" },
		{ UDP, "2001:db8:2::12", "2001:db8:c::7", "2001:db8:d::1", "2001:db8:2::12" },
	};
	struct harness *h = gateway(workers);
	uint8_t room[FRAME_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame f = with_payload(frame_make(
			cases[i].proto, cases[i].server, 4000, cases[i].peer, 80, FRAME_SYN));
		struct frame out = harness_through(h, LAN, &f, WAN), sent = out, e, got, quote;

		sent.payload = payload;
		e = error_about(&sent, cases[i].router, room);
		got = harness_through(h, WAN, &e, LAN);
		assert_memory_equal(got.dst, f.src, 16);
		assert_memory_equal(got.src, e.src, 16);
		quote = quoted_in(&got);
		assert_memory_equal(quote.src, f.src, 16);
		assert_int_equal(quote.sport, 4000);
		assert_int_equal(quote.dport, 80);

		sent = answer_to(&out, FRAME_ACK);
		sent.payload = payload;
		got = harness_through(h, WAN, &sent, LAN); /* as the server sees it */
		got.payload = payload;
		e = error_about(&got, cases[i].inner, room);
		got = harness_through(h, LAN, &e, WAN);
		assert_memory_equal(got.src, out.src, 16); /* ours, not the server's */
		assert_memory_equal(got.dst, out.dst, 16);
		quote = quoted_in(&got);
		assert_memory_equal(quote.dst, out.src, 16);
		assert_int_equal(quote.dport, out.sport);
	}
	harness_destroy(h);
}

static void test_masquerade_errors(void **state)
{
	masquerade_errors(1);
	masquerade_errors(3);
}

/* The datagram that the balancer sent in fragments. */
static struct frame taken_whole(struct harness *h)
{
	static struct pieces all;
	const struct captured *c;
	struct whole *w = NULL;
	const char *wrong = NULL;
	struct frame f;
	size_t len = 0;

	memset(&all, 0, sizeof(all));
	while (!w && (c = harness_take(h)) != NULL)
		w = pieces_add(&all, c->data, c->len, &len, &wrong);
	assert_null(wrong);
	assert_non_null(w);
	assert_null(frame_read(w->data, len, &f));
	return f;
}

/* A datagram in three pieces, in an order that is not theirs; what leaves is one datagram again. */
static void fragments(unsigned int workers)
{
	static uint8_t data[1200];
	struct harness *h = gateway(workers);
	static const char *const from[] = { "10.0.0.12", "10.0.0.11", "2001:db8:2::12" };

	for (size_t i = 0; i < 3; i++) {
		struct frame f = frame_make(
			UDP, from[i], 4000, i == 2 ? "2001:db8:c::7" : "198.51.100.7", 53, 0);
		uint8_t whole[FRAME_MAX];
		struct piece piece[3];
		struct frame got;

		f.payload = data;
		f.payload_len = sizeof(data);
		memcpy(f.eth_dst, h->nic[LAN]->mac.addr_bytes, 6);
		assert_int_equal(
			pieces_cut(whole, frame_build(&f, whole), 480, 7 + (uint32_t)i, piece, 3),
			3);
		for (unsigned int j = 0; j < 3; j++) {
			const struct piece *p = &piece[(j + 2) % 3];

			assert_true(harness_inject(h, LAN, ANY_QUEUE, p->data, p->len));
			harness_step(h);
		}
		got = taken_whole(h);
		assert_int_equal(got.payload_len, sizeof(data));
		assert_int_equal(got.dport, 53);
		assert_memory_not_equal(got.src, f.src, 16);
	}
	harness_destroy(h);
}

static void test_fragments(void **state)
{
	fragments(1);
	fragments(3);
}

/* Ports toward one destination run out late, which is counted, and come back. */
static void test_masquerade_exhausted(void **state)
{
	struct harness *h = harness_create(
		&(struct harness_conf){ .file = "gateway.json", .workers = 1, .flows_v6 = 70000 });
	struct frame f = frame_make(UDP, "2001:db8:2::12", 1, "2001:db8:c::7", 53, 0);

	for (unsigned int port = 1; port < 65536; port++) {
		f.sport = (uint16_t)port;
		harness_send(h, LAN, &f);
		harness_forget(h);
	}
	assert_true(harness_flows(h) > 60000);
	assert_int_equal(harness_flows(h) + harness_drops(h, DROP_no_local_port), 65535);
	assert_true(harness_drops(h, DROP_no_local_port) > 0);
	harness_advance(h, 40000);
	assert_int_equal(harness_flows(h), 0);
	harness_through(h, LAN, &f, WAN);
	harness_destroy(h);
}

/* A rule that goes takes its flows along; others stay. */
static void test_masquerade_reload(void **state)
{
	struct harness *h = gateway(1);
	struct frame f4 = frame_make(UDP, "10.0.0.12", 4000, "198.51.100.7", 53, 0);
	struct frame f6 = frame_make(UDP, "2001:db8:2::12", 4000, "2001:db8:c::7", 53, 0);
	struct frame got = harness_through(h, LAN, &f4, WAN), back = answer_to(&got, 0);
	json_t *doc = harness_document(h);

	harness_through(h, LAN, &f6, WAN);
	assert_int_equal(harness_flows(h), 2);
	json_array_remove(json_object_get(json_object_get(doc, "gateway"), "masquerade"), 0);
	harness_apply(h, doc);
	harness_advance(h, 100);
	assert_int_equal(harness_flows(h), 1);
	harness_dropped(h, WAN, &back, DROP_not_for_us);
	harness_dropped(h, LAN, &f4, DROP_not_for_us);
	harness_through(h, LAN, &f6, WAN);
	harness_destroy(h);
}

/* ---- routing, and nothing -------------------------------------------------------------------- */

static void test_off_by_default(void **state)
{
	struct harness *h = gateway(1);
	struct frame f = frame_make(TCP, "10.0.0.14", 4000, "198.51.100.7", 80, FRAME_SYN);
	json_t *doc;

	harness_dropped(h, LAN, &f, DROP_not_for_us);
	f = icmp("10.0.0.14", "198.51.100.7", 8, 0, 1);
	harness_dropped(h, LAN, &f, DROP_icmp_type);

	doc = harness_document(h);
	json_object_del(doc, "gateway");
	harness_apply(h, doc);
	f = frame_make(TCP, "10.0.0.12", 4000, "198.51.100.7", 80, FRAME_SYN);
	harness_dropped(h, LAN, &f, DROP_not_for_us);
	f = frame_make(TCP, "198.51.100.7", 4000, "192.0.2.51", 80, FRAME_SYN);
	harness_dropped(h, WAN, &f, DROP_not_for_us);
	harness_destroy(h);
}

static void test_routing(void **state)
{
	struct harness *h = gateway(3);
	json_t *doc = harness_document(h), *gateway_object = json_object_get(doc, "gateway");
	struct frame f, got;

	json_object_set_new(
		gateway_object, "routing", json_pack("[{s:[ss]}]", "between", "wan", "lan"));
	harness_apply(h, doc);
	f = frame_make(TCP, "10.0.0.14", 4000, "198.51.100.7", 80, FRAME_SYN);
	got = harness_through(h, LAN, &f, WAN);
	expect(&got, &f);
	f = frame_make(UDP, "2001:db8:c::7", 80, "2001:db8:2::14", 4000, 0);
	got = harness_through(h, WAN, &f, LAN);
	expect(&got, &f);
	f = icmp("10.0.0.14", "198.51.100.7", 8, 0, 1);
	got = harness_through(h, LAN, &f, WAN);
	expect(&got, &f);

	/* The last hop of a packet: the sender is told. */
	f = frame_make(UDP, "10.0.0.14", 4000, "198.51.100.7", 80, 0);
	f.ttl = 1;
	got = harness_through(h, LAN, &f, LAN);
	assert_int_equal(got.icmp_type, 11);
	harness_destroy(h);
}

/* Nobody outside may pass for a server. */
static void test_spoofed_sources(void **state)
{
	struct harness *h = gateway(1);
	struct frame f = frame_make(UDP, "10.0.0.12", 4000, "10.0.0.14", 80, 0);

	harness_dropped(h, WAN, &f, DROP_not_for_us);
	f = frame_make(UDP, "10.0.0.11", 4000, "10.0.0.14", 80, 0);
	harness_dropped(h, WAN, &f, DROP_not_for_us);
	harness_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_to_one),
		cmocka_unit_test(test_one_to_one_both_ends),
		cmocka_unit_test(test_one_to_one_errors),
		cmocka_unit_test(test_one_to_one_quoted_checksums),
		cmocka_unit_test(test_masquerade),
		cmocka_unit_test(test_masquerade_ports_differ),
		cmocka_unit_test(test_masquerade_needs_a_beginning),
		cmocka_unit_test(test_masquerade_errors),
		cmocka_unit_test(test_masquerade_exhausted),
		cmocka_unit_test(test_masquerade_reload),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_off_by_default),
		cmocka_unit_test(test_routing),
		cmocka_unit_test(test_spoofed_sources),
	};

	harness_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

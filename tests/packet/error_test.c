/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors that routers send about packets we have forwarded: whom they reach, and in what shape
 * the packet they quote comes back to its sender. The routers here quote what was captured; what is
 * expected is built from what the sender sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

#define TCP         6
#define UDP         17

#define ROUTER4     "203.0.113.9"
#define ROUTER6     "2001:db8:99::9"

#define QUOTE_WHOLE 1232

static const uint8_t text[] = "an odd number of bytes, all of them ours.";

struct shape {
	unsigned int workers;
	uint16_t rxqs, txqs;
};

static const struct shape shapes[] = { { 1, 1, 2 }, { 3, 3, 4 }, { 3, 1, 1 } };

struct path {
	uint8_t proto;
	const char *client, *vip;
	bool nat;
};

static const struct path paths[] = {
	{ TCP, "198.51.100.7", "192.0.2.20", true },
	{ UDP, "198.51.100.7", "192.0.2.20", true },
	{ TCP, "2001:db8:c::7", "2001:db8:1::20", true },
	{ UDP, "2001:db8:c::7", "2001:db8:1::20", true },
	{ TCP, "198.51.100.7", "192.0.2.10", false },
	{ UDP, "198.51.100.7", "192.0.2.10", false },
	{ TCP, "2001:db8:c::7", "2001:db8:1::10", false },
	{ UDP, "2001:db8:c::7", "2001:db8:1::10", false },
};

static struct harness *start(const struct shape *s)
{
	return harness_create(&(struct harness_conf){
		.file = "forward.json", .workers = s->workers, .rxqs = s->rxqs, .txqs = s->txqs });
}

/* ---- quotes --------------------------------------------------------------------------------- */

/* The IP packet of a frame, or its first n bytes. */
struct quote {
	uint16_t len;
	uint8_t b[FRAME_MAX];
};

static struct quote quote(const struct frame *f, uint16_t n)
{
	uint8_t buf[FRAME_MAX];
	struct quote q = { 0 };

	q.len = (uint16_t)RTE_MIN(frame_build(f, buf) - 14, (size_t)n);
	memcpy(q.b, buf + 14, q.len);
	return q;
}

static uint16_t headers(const struct frame *f)
{
	return f->family == 4 ? 20 : 40;
}

/* "Too big" or "time exceeded" of a router, to the sender of the packet. */
static struct frame error_about(const struct frame *f, const struct quote *q, bool too_big)
{
	const bool v6 = f->family == 6;
	struct frame e = { .proto = v6 ? 58 : 1,
		.ttl = 200,
		.id = v6 ? 0 : 0x777,
		.tos = 0xc0,
		.payload = q->b,
		.payload_len = q->len };

	frame_address(&e, e.src, v6 ? ROUTER6 : ROUTER4);
	memcpy(e.dst, f->src, 16);
	if (too_big) {
		e.icmp_type = v6 ? 2 : 3;
		e.icmp_code = v6 ? 0 : 4;
		e.icmp_rest = 1280;
	} else {
		e.icmp_type = v6 ? 3 : 11;
	}
	return e;
}

/* The error comes out as want, apart from what the link adds. */
static void expect(
	struct harness *h, uint16_t in, const struct frame *error, uint16_t out, struct frame want)
{
	struct frame got = harness_through(h, in, error, out);
	const char *field;

	want.ttl--;
	memcpy(want.eth_src, h->nic[out]->mac.addr_bytes, 6);
	memcpy(want.eth_dst, got.eth_dst, 6);
	field = frame_differs(&want, &got);
	if (field)
		fail_msg("toward nic %u: wrong %s", out, field);
}

/* ---- flows ---------------------------------------------------------------------------------- */

static struct frame from_client(const struct path *p, uint16_t port, uint8_t flags)
{
	struct frame f = frame_make(p->proto, p->client, port, p->vip, 80, flags);

	f.payload = text;
	f.payload_len = flags & FRAME_SYN ? 0 : sizeof(text);
	f.df = f.family == 4;
	return f;
}

static struct frame answer_to(const struct frame *f)
{
	struct frame a = *f;

	memcpy(a.src, f->dst, 16);
	memcpy(a.dst, f->src, 16);
	memset(a.eth_src, 0, 6);
	memset(a.eth_dst, 0, 6);
	a.sport = f->dport;
	a.dport = f->sport;
	a.ttl = 61;
	a.flags = f->proto == TCP ? FRAME_ACK : 0;
	a.payload = text;
	a.payload_len = 25;
	return a;
}

/* What a router may quote behind the IP header: the least, up to the checksums, and all. */
static const uint16_t cuts[] = { 8, 11, 16, 18, 20, QUOTE_WHOLE };

/* About the client's packet, from a router between us and the server: the client shall see its own
 * packet in it, and the virtual address as the sender. */
static void toward_client(struct harness *h, const struct frame *sent, const struct frame *seen)
{
	for (size_t i = 0; i < RTE_DIM(cuts); i++) {
		struct frame mine = *sent, error, want;
		struct quote router = quote(seen, headers(seen) + cuts[i]), client;

		mine.ttl = seen->ttl;
		client = quote(&mine, headers(seen) + cuts[i]);
		error = want = error_about(seen, &router, i % 2);
		memcpy(want.src, sent->dst, 16);
		memcpy(want.dst, sent->src, 16);
		want.payload = client.b;
		expect(h, LAN, &error, WAN, want);
	}
}

/* About the server's answer, from a router between us and the client. */
static void toward_server(
	struct harness *h, const struct frame *sent, const struct frame *seen, const uint8_t *mac)
{
	for (size_t i = 0; i < RTE_DIM(cuts); i++) {
		struct frame mine = *sent, error, want;
		struct quote router = quote(seen, headers(seen) + cuts[i]), server;

		mine.ttl = seen->ttl;
		server = quote(&mine, headers(seen) + cuts[i]);
		error = want = error_about(seen, &router, i % 2);
		memcpy(want.dst, sent->src, 16);
		want.payload = server.b;
		expect(h, WAN, &error, LAN, want);
		assert_memory_equal(h->out[0].data, mac, 6);
	}
}

static void test_follow(void **state)
{
	for (size_t s = 0; s < RTE_DIM(shapes); s++)
		for (size_t i = 0; i < RTE_DIM(paths); i++) {
			const struct path *p = &paths[i];
			struct harness *h = start(&shapes[s]);

			for (uint16_t n = 0; n < 5; n++) {
				struct frame syn = from_client(p, 4000 + n, FRAME_SYN), seen, back;
				struct frame data = from_client(p, 4000 + n, FRAME_ACK);

				harness_through(h, WAN, &syn, LAN);
				seen = harness_through(h, WAN, &data, LAN);
				seen.payload = text;
				back = answer_to(&seen);
				if (p->nat) {
					struct frame out = harness_through(h, LAN, &back, WAN);

					out.payload = text;
					toward_client(h, &data, &seen);
					toward_server(h, &back, &out, seen.eth_dst);
				} else {
					toward_server(h, &back, &back, seen.eth_dst);
				}
			}
			assert_int_equal(harness_all_drops(h), 0);
			harness_destroy(h);
		}
}

/* Checksums in the quote that were wrong stay as wrong, and a UDP packet without one stays without;
 * options and a first fragment are no hindrance. */
static void test_odd_quotes(void **state)
{
	struct harness *h = start(&shapes[1]);
	struct frame sent = from_client(&paths[1], 4000, 0), seen, error, want;
	struct quote router, client;

	sent.no_checksum = true;
	seen = harness_through(h, WAN, &sent, LAN);
	seen.payload = text;
	toward_client(h, &sent, &seen);

	sent.no_checksum = false;
	seen = harness_through(h, WAN, &sent, LAN);
	seen.payload = text;
	sent.ttl = seen.ttl;
	router = quote(&seen, QUOTE_WHOLE);
	client = quote(&sent, QUOTE_WHOLE);
	error = want = error_about(&seen, &router, true);
	memcpy(want.src, sent.dst, 16);
	want.payload = client.b;
	router.b[8] = client.b[8] = 1; /* TTL, without the checksum */
	router.b[30] = client.b[30] ^= 0x55;
	expect(h, LAN, &error, WAN, want);
	router.b[6] = client.b[6] = 0x20; /* the first fragment */
	expect(h, LAN, &error, WAN, want);

	/* Two words of options in front of the ports. */
	memmove(router.b + 28, router.b + 20, 60);
	memmove(client.b + 28, client.b + 20, 60);
	memset(router.b + 20, 1, 8);
	memset(client.b + 20, 1, 8);
	router.b[0] = client.b[0] = 0x47;
	error.payload_len = want.payload_len = 80;
	expect(h, LAN, &error, WAN, want);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* An error whose quote lies in the second segment. */
static void test_segments(void **state)
{
	struct harness *h = start(&shapes[1]);
	struct frame sent = from_client(&paths[2], 4000, FRAME_SYN), seen, error, got;
	uint8_t buf[FRAME_MAX];
	struct quote q;

	seen = harness_through(h, WAN, &sent, LAN);
	q = quote(&seen, QUOTE_WHOLE);
	error = error_about(&seen, &q, true);
	memcpy(error.eth_dst, h->nic[LAN]->mac.addr_bytes, 6);
	for (uint16_t cut = 40; cut < 120; cut += 7) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(h->pool), *n = rte_pktmbuf_alloc(h->pool);
		const uint16_t len = (uint16_t)frame_build(&error, buf);

		memcpy(rte_pktmbuf_append(m, cut), buf, cut);
		memcpy(rte_pktmbuf_append(n, len - cut), buf + cut, len - cut);
		assert_int_equal(rte_pktmbuf_chain(m, n), 0);
		assert_true(harness_inject_mbuf(h, LAN, ANY_QUEUE, m));
		harness_step(h);
		assert_non_null(harness_next(h, &got));
		assert_memory_equal(got.dst, sent.src, 16);
		assert_memory_equal(got.payload + 24, sent.dst, 16);
	}
	harness_destroy(h);
}

/* ---- without a flow ------------------------------------------------------------------------- */

/* With DR, the server is the one that the client's packets without a flow would go to. */
static void test_stateless(void **state)
{
	struct harness *h = start(&shapes[1]);

	for (size_t i = 4; i < RTE_DIM(paths); i++)
		for (uint16_t n = 0; n < 20; n++) {
			struct frame f = from_client(&paths[i], 4000 + n, FRAME_ACK), back, to;
			struct frame error;
			struct quote q;

			if (f.proto == TCP) {
				to = harness_through(h, WAN, &f, LAN);
			} else { /* the same for UDP, whose packets open flows */
				struct frame t = f;

				t.proto = TCP;
				t.flags = FRAME_ACK;
				to = t;
			}
			back = answer_to(&f);
			q = quote(&back, headers(&back) + 8);
			error = error_about(&back, &q, true);
			expect(h, WAN, &error, LAN, error);
			if (f.proto == TCP)
				assert_memory_equal(h->out[0].data, to.eth_dst, 6);
		}
	assert_int_equal(harness_flows(h), 0);
	harness_destroy(h);
}

static void test_unknown(void **state)
{
	static const struct path other = { TCP, "198.51.100.7", "192.0.2.99", true };

	for (size_t s = 0; s < RTE_DIM(shapes); s++) {
		struct harness *h = start(&shapes[s]);

		for (size_t i = 0; i < RTE_DIM(paths); i++) {
			struct frame f = from_client(&paths[i], 4000, FRAME_ACK), back = f, error;
			struct quote q = quote(&f, headers(&f) + 8);

			/* To the client, about a packet that never passed. */
			error = error_about(&f, &q, false);
			harness_dropped(h, LAN, &error, DROP_icmp_error_flow);
			if (!paths[i].nat)
				continue;
			back = answer_to(&f);
			q = quote(&back, headers(&back) + 8);
			error = error_about(&back, &q, false);
			harness_dropped(h, WAN, &error, DROP_icmp_error_flow);
		}
		/* About a connection of the balancer itself. */
		struct frame f = frame_make(TCP, "192.0.2.1", 179, "192.0.2.254", 4000, FRAME_ACK);
		struct quote q = quote(&f, 28);
		struct frame error = error_about(&f, &q, false);

		harness_dropped(h, WAN, &error, DROP_icmp_error_flow);
		f = from_client(&other, 4000, FRAME_ACK);
		f = answer_to(&f);
		q = quote(&f, 28);
		error = error_about(&f, &q, false);
		harness_dropped(h, WAN, &error, DROP_icmp_error_flow);
		harness_destroy(h);
	}
}

/* ---- forgeries ------------------------------------------------------------------------------ */

static void test_forged(void **state)
{
	struct harness *h = start(&shapes[0]);
	struct frame sent = from_client(&paths[1], 4000, 0), seen, error, f;
	struct quote q;

	seen = harness_through(h, WAN, &sent, LAN);
	seen.payload = text;
	q = quote(&seen, QUOTE_WHOLE);
	error = error_about(&seen, &q, true);

	f = error; /* to somebody who did not send what is quoted */
	frame_address(&f, f.dst, "198.51.100.8");
	harness_dropped(h, LAN, &f, DROP_icmp_type);
	frame_address(&f, f.dst, "192.0.2.20");
	harness_dropped(h, LAN, &f, DROP_icmp_type);
	f = error; /* from ourselves */
	frame_address(&f, f.src, "10.0.0.1");
	harness_dropped(h, LAN, &f, DROP_ip_martian);
	f = error; /* source quench (RFC 6633), redirect */
	f.icmp_type = 4;
	harness_dropped(h, LAN, &f, DROP_icmp_type);
	f.icmp_type = 5;
	harness_dropped(h, LAN, &f, DROP_icmp_type);
	f = error; /* cut too short */
	f.payload_len = 27;
	harness_dropped(h, LAN, &f, DROP_icmp_type);
	f = error; /* about this error, which would be about itself */
	q = quote(&error, QUOTE_WHOLE);
	f = error_about(&error, &q, false);
	frame_address(&f, f.src, "203.0.113.10");
	harness_dropped(h, LAN, &f, DROP_icmp_type);
	harness_destroy(h);
}

/* An error ends its own way when its time is over, and no error answers it; so with a link that it
 * does not fit. */
static void test_no_error_about_errors(void **state)
{
	struct harness *h = start(&shapes[0]);
	struct frame sent = from_client(&paths[1], 4000, 0), seen, error;
	struct quote q;

	seen = harness_through(h, WAN, &sent, LAN);
	seen.payload = text;
	q = quote(&seen, QUOTE_WHOLE);
	error = error_about(&seen, &q, true);
	error.ttl = 1;
	harness_dropped(h, LAN, &error, DROP_ttl_expired);

	memset(q.b, 0x5a, sizeof(q.b));
	memcpy(q.b, quote(&sent, 28).b, 28);
	error = error_about(&sent, &q, true);
	sent = answer_to(&seen);
	seen = harness_through(h, LAN, &sent, WAN);
	seen.payload = text;
	memcpy(q.b, quote(&seen, 28).b, 28);
	error = error_about(&seen, &q, true);
	error.df = true;
	error.payload_len = 1400;
	harness_dropped(h, WAN, &error, DROP_too_big);
	harness_destroy(h);
}

/* Errors keep no flow alive. */
static void test_idle(void **state)
{
	struct harness *h = start(&shapes[1]);
	struct frame sent = from_client(&paths[1], 4000, 0), seen, error, want;
	struct flow_filter all = { .any_client = true };
	struct flow_info before, after;
	struct quote q, mine;

	seen = harness_through(h, WAN, &sent, LAN);
	seen.payload = text;
	q = quote(&seen, QUOTE_WHOLE);
	sent.ttl--;
	mine = quote(&sent, QUOTE_WHOLE);
	error = want = error_about(&seen, &q, true);
	memcpy(want.src, sent.dst, 16);
	want.payload = mine.b;
	assert_int_equal(harness_sessions(h, &all, &before, 1), 1);
	harness_advance(h, 5000);
	expect(h, LAN, &error, WAN, want);
	assert_int_equal(harness_sessions(h, &all, &after, 1), 1);
	assert_int_equal(after.idle_ms, before.idle_ms + 5000);
	assert_int_equal(after.state, before.state);
	harness_destroy(h);
}

/* A flood: a worker passes on 10,000 a second, a tenth of it at once. */
static void test_flood(void **state)
{
	struct harness *h = start(&shapes[0]);
	struct frame sent = from_client(&paths[0], 4000, FRAME_SYN), seen, error;
	struct quote q;

	seen = harness_through(h, WAN, &sent, LAN);
	q = quote(&seen, QUOTE_WHOLE);
	error = error_about(&seen, &q, true);
	for (int i = 0; i < 1000; i++)
		harness_through(h, LAN, &error, WAN);
	for (int i = 0; i < 10; i++)
		harness_dropped(h, LAN, &error, DROP_icmp_error_rate);
	harness_advance(h, 1);
	for (int i = 0; i < 10; i++)
		harness_through(h, LAN, &error, WAN);
	harness_dropped(h, LAN, &error, DROP_icmp_error_rate);
	harness_destroy(h);
}

/* Made up errors about no flow, however many, leave room for one about a flow. */
static void test_stray_flood(void **state)
{
	struct harness *h = start(&shapes[0]);
	struct frame sent = from_client(&paths[0], 4000, FRAME_SYN), seen, error, stray;
	struct frame never = from_client(&paths[0], 4001, FRAME_ACK);
	struct quote q, made_up;

	seen = harness_through(h, WAN, &sent, LAN);
	q = quote(&seen, QUOTE_WHOLE);
	error = error_about(&seen, &q, true);
	never = answer_to(&never);
	made_up = quote(&never, headers(&never) + 8);
	stray = error_about(&never, &made_up, false);
	for (int i = 0; i < 1000; i++)
		harness_dropped(h, WAN, &stray, DROP_icmp_error_flow);
	for (int i = 0; i < 10; i++)
		harness_dropped(h, WAN, &stray, DROP_icmp_error_rate);
	for (int i = 0; i < 1000; i++)
		harness_through(h, LAN, &error, WAN);
	harness_dropped(h, LAN, &error, DROP_icmp_error_rate);
	harness_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_odd_quotes),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_stateless),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_no_error_about_errors),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_stray_flood),
	};

	harness_init();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}

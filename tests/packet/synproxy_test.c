/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies and the SYN proxy: handshakes with every option, the numbers of established
 * connections, what is made up, and when cookies are used at all. What goes on while a server is
 * asked is in handshake_test.c.
 */
#include "synproxy_lab.h"

/* ---- handshakes ----------------------------------------------------------------------------- */

/* FINs of both sides. */
static void close_both(struct conn *c)
{
	struct options o = client_options(c);
	struct frame f = client_frame(c, FRAME_FIN | FRAME_ACK, c->isn + 99, c->cookie + 77, &o),
		     got;

	got = harness_through(c->h, WAN, &f, LAN);
	assert_int_equal(got.seq, c->isn + 99);
	assert_int_equal(got.ack, c->server + 77);
	f = server_frame(c, FRAME_FIN | FRAME_ACK, c->server + 77, c->isn + 100, NULL);
	got = harness_through(c->h, LAN, &f, WAN);
	assert_int_equal(got.seq, c->cookie + 77);
	assert_int_equal(got.ack, c->isn + 100);
}

static void test_way(void **state)
{
	const struct way *way = *state;

	for (unsigned int workers = 1; workers <= 3; workers += 2) {
		struct harness *h = balancer(workers);

		for (uint16_t i = 0; i < 8; i++) {
			struct conn c = conn_make(h, way, (uint16_t)(5000 + 7 * i));
			struct frame got = open_syn(&c);

			assert_int_equal(got.ttl, 64);
			assert_int_equal(got.window, 65535);
			assert_int_equal(c.synack.mss, way->mss4);
			assert_int_equal(harness_flows(h), i);
			open_ack(&c, 0);
			assert_int_equal(harness_flows(h), i + 1);
			open_server(&c, server_options(&c));
			talk(&c);
			close_both(&c);
		}
		assert_int_equal(harness_all_drops(h), 0);
		harness_destroy(h);
	}
}

/* Every combination of what a SYN may say: told to the client, and passed to the server. */
static void test_options(void **state)
{
	const struct way *way = *state;
	struct harness *h = balancer(2);

	for (uint16_t i = 0; i < 32; i++) {
		struct conn c = conn_make(h, way, (uint16_t)(6000 + i));
		struct frame got;
		struct options o;

		c.syn = (struct options){ .mss = i & 1 ? 1400 : 0,
			.stamps = i & 2,
			.sack = i & 4,
			.wscale = i & 8 ? (i & 16 ? 14 : 0) : NO_SCALE };
		got = open_syn(&c);
		assert_int_equal(c.synack.stamps, c.syn.stamps);
		assert_int_equal(c.synack.sack, c.syn.stamps && c.syn.sack);
		assert_int_equal(
			c.synack.wscale, c.syn.stamps && c.syn.wscale != NO_SCALE ? 7 : NO_SCALE);
		got = open_ack(&c, 0);
		o = options_read(&got);
		assert_int_equal(o.mss, i & 1 ? 1400 : way->vip[4] == ':' ? 1220 : 536);
		assert_int_equal(o.stamps, c.syn.stamps);
		if (o.stamps) {
			assert_int_equal(o.tsval, c.tsval);
			assert_int_equal(o.tsecr, 0);
		}
		assert_int_equal(o.sack, c.synack.sack);
		assert_int_equal(o.wscale, c.synack.wscale == NO_SCALE ? NO_SCALE : c.syn.wscale);
		/* Never scaled in a SYN. */
		assert_int_equal(got.window, o.wscale == NO_SCALE || o.wscale == 0 ? 500 : 65535);
		open_server(&c, server_options(&c));
		talk(&c);
	}
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* What a service offers. */
static void test_offers(void **state)
{
	static const struct way old = { "old", "old", "192.0.2.70", CLIENT4, "10.0.0.11", CLIENT4,
		1440, false };
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, &plain, 5000);
	struct frame got = open_syn(&c);

	assert_int_equal(got.window, 5000);
	assert_int_equal(c.synack.mss, 1000);
	assert_int_equal(c.synack.wscale, 3);
	assert_false(c.synack.sack);
	assert_true(c.synack.stamps);
	c = conn_make(h, &old, 5001);
	open_syn(&c);
	assert_false(c.synack.stamps || c.synack.sack);
	assert_int_equal(c.synack.wscale, NO_SCALE);
	open_ack(&c, 0);
	open_server(&c, server_options(&c));
	talk(&c);
	harness_destroy(h);
}

/* What the server takes is more than the client was told: it is told. */
static void test_window_update(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, &plain, 5000);
	struct options o;
	struct frame f, got;
	unsigned int seen = 0;

	open_syn(&c);
	open_ack(&c, 0);
	o = server_options(&c);
	options_write(&o, 0);
	f = server_frame(&c, FRAME_SYN | FRAME_ACK, c.server, c.isn + 1, &o);
	f.window = 64000;
	harness_send(h, LAN, &f);
	for (const struct captured *p; (p = harness_next(h, &got)) != NULL; seen++) {
		if (p->nic == LAN) {
			assert_int_equal(got.ack, c.server + 1);
			continue;
		}
		assert_toward_client(&c, &got);
		assert_int_equal(got.flags, FRAME_ACK);
		assert_int_equal(got.seq, c.cookie + 1);
		assert_int_equal(got.ack, c.isn + 1);
		assert_int_equal(got.window, 64000 >> 3);
		o = options_read(&got);
		assert_int_equal(o.tsecr, c.tsval);
		assert_int_equal(o.tsval, c.synack.tsval);
	}
	assert_int_equal(seen, 2);
	talk(&c);
	harness_destroy(h);
}

/* Numbers that wrap while the connection lives, on all sides. */
static void test_wrap(void **state)
{
	const struct way *way = *state;
	struct harness *h = balancer(1);

	for (uint16_t i = 0; i < 40; i++) {
		struct conn c = conn_make(h, way, (uint16_t)(5000 + i));

		c.isn = 0xffffffffu - i % 3;
		c.server = i % 2 ? 0xfffffffeu : 0x7fffffffu;
		c.tsval = 0xffffffffu - i % 5;
		c.server_ts = i % 4 ? 0xffffffe0u : 3;
		open_all(&c);
		talk(&c);
	}
	harness_destroy(h);
}

/* ---- established ---------------------------------------------------------------------------- */

/* The clock that the client sees goes on from the SYN-ACK's as if that were the server's, the echo
 * comes back as the server sent it, SACK blocks name the server's bytes; wherever the options
 * stand. */
static void test_stamps_and_sack(void **state)
{
	const struct way *way = *state;
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, way, 5000);
	struct options o, seen;
	struct frame f, got;
	uint32_t last;

	open_syn(&c);
	open_ack(&c, 0);
	harness_advance(h, 300); /* the server takes its time */
	got = open_server(&c, server_options(&c));
	seen = options_read(&got);
	assert_int_equal(seen.tsval, c.tsval);
	assert_int_equal(seen.tsecr, c.server_ts);
	last = c.synack.tsval;
	for (unsigned int pad = 0; pad < 4; pad++) {
		o = (struct options){ .stamps = true,
			.tsval = c.server_ts + 100 * pad,
			.tsecr = 0x12345678,
			.wscale = NO_SCALE,
			.n_blocks = 1,
			.block = { c.isn + 5, c.isn + 9 } };
		options_write(&o, pad);
		f = server_frame(&c, FRAME_ACK, c.server + 1 + pad, c.isn + 1, &o);
		got = harness_through(h, LAN, &f, WAN);
		seen = options_read(&got);
		assert_int_equal(seen.tsval - last, pad ? 100 : 0);
		last = seen.tsval;
		assert_int_equal(seen.tsecr, 0x12345678);
		assert_int_equal(seen.block[0], c.isn + 5);
		assert_int_equal(got.options_len, o.len);

		o = (struct options){ .stamps = pad != 3,
			.tsval = c.tsval + pad,
			.tsecr = last,
			.wscale = NO_SCALE,
			.n_blocks = pad == 3 ? 4 : 3 - pad % 2,
			.block = { c.cookie + 100, c.cookie + 200, c.cookie + 300, c.cookie + 400,
				c.cookie - 1, c.cookie, 7, 8 } };
		options_write(&o, pad);
		f = client_frame(&c, FRAME_ACK, c.isn + 1, c.cookie + 50, &o);
		got = harness_through(h, WAN, &f, LAN);
		seen = options_read(&got);
		assert_int_equal(got.ack, c.server + 50);
		if (pad != 3) {
			assert_int_equal(seen.tsval, c.tsval + pad);
			assert_int_equal(seen.tsecr, c.server_ts + 100 * pad);
		}
		assert_int_equal(seen.n_blocks, o.n_blocks);
		for (unsigned int i = 0; i < 2 * o.n_blocks; i++)
			assert_int_equal(seen.block[i] - c.server, o.block[i] - c.cookie);
	}
	harness_destroy(h);
}

/* Windows of servers with another scale than was announced, and of ones that know none. */
static void test_windows(void **state)
{
	static const struct {
		uint8_t scale;
		uint16_t window, seen;
	} cases[] = {
		{ 7, 1000, 1000 },
		{ 9, 1000, 4000 },
		{ 14, 1000, 65535 }, /* as much as can be said */
		{ 2, 1000, 31 },
		{ 0, 60000, 468 },
		{ NO_SCALE, 60000, 468 },
	};
	struct harness *h = balancer(1);

	for (uint16_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conn c = conn_make(h, *state, (uint16_t)(5000 + i));
		struct options o;
		struct frame f, got;

		open_syn(&c);
		open_ack(&c, 0);
		o = server_options(&c);
		o.wscale = cases[i].scale;
		got = open_server(&c, o);
		/* The client says 500 << 9. */
		assert_int_equal(got.window, cases[i].scale == NO_SCALE ? 65535 : 500);
		f = server_frame(&c, FRAME_ACK, c.server + 1, c.isn + 1, NULL);
		f.window = cases[i].window;
		got = harness_through(h, LAN, &f, WAN);
		assert_int_equal(got.window, cases[i].seen);
		o = client_options(&c);
		f = client_frame(&c, FRAME_ACK, c.isn + 1, c.cookie + 1, &o);
		f.window = 20;
		got = harness_through(h, WAN, &f, LAN);
		assert_int_equal(got.window, cases[i].scale == NO_SCALE ? 20 << 9 : 20);
	}
	harness_destroy(h);
}

/* A server without timestamps or SACK: the client's go on as they are. */
static void test_server_knows_less(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, *state, 5000);
	struct options o = { .mss = 1000, .wscale = NO_SCALE };
	struct frame got;

	open_syn(&c);
	open_ack(&c, 0);
	got = open_server(&c, o);
	assert_false(options_read(&got).stamps);
	c.synack.stamps = false;
	talk(&c);
	harness_destroy(h);
}

static void test_resets(void **state)
{
	struct harness *h = balancer(1);

	for (unsigned int i = 0; i < 2; i++) {
		struct conn c = conn_make(h, *state, (uint16_t)(5000 + i));
		struct frame f, got;

		open_all(&c);
		if (i) {
			f = client_frame(&c, FRAME_RST, c.isn + 1, 0, NULL);
			got = harness_through(h, WAN, &f, LAN);
			assert_int_equal(got.seq, c.isn + 1);
			assert_int_equal(got.ack, 0);
		} else {
			f = server_frame(&c, FRAME_RST | FRAME_ACK, c.server + 1, c.isn + 1, NULL);
			got = harness_through(h, LAN, &f, WAN);
			assert_int_equal(got.seq, c.cookie + 1);
			assert_int_equal(got.ack, c.isn + 1);
		}
		assert_int_equal(got.flags, f.flags);
	}
	harness_destroy(h);
}

/* ---- made up -------------------------------------------------------------------------------- */

static void test_forged(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, *state, 5000);
	const struct synproxy_traffic *t = traffic_of(h, 0, c.way->service);
	struct options o;
	struct frame f, got;

	open_syn(&c);
	o = client_options(&c);
	for (uint32_t bit = 0; bit < 32; bit++) {
		f = client_frame(&c, FRAME_ACK, c.isn + 1, (c.cookie ^ 1u << bit) + 1, &o);
		got = harness_through(h, WAN, &f, WAN); /* no-flow: reset */
		assert_int_equal(got.flags, FRAME_RST);
		assert_int_equal(got.seq, f.ack);
		f = client_frame(&c, FRAME_ACK, (c.isn ^ 1u << bit) + 1, c.cookie + 1, &o);
		got = harness_through(h, WAN, &f, WAN);
		assert_int_equal(got.flags, FRAME_RST);
	}
	assert_int_equal(harness_drops(h, DROP_cookie_wrong), 64);
	assert_int_equal(t->wrong, 64);
	assert_int_equal(harness_flows(h), 0);
	f = client_frame(&c, FRAME_RST | FRAME_ACK, c.isn + 1, c.cookie + 1, &o);
	harness_dropped(h, WAN, &f, DROP_cookie_wrong);
	f = client_frame(&c, FRAME_SYN | FRAME_ACK, c.isn + 1, c.cookie + 1, &o);
	harness_send(h, WAN, &f);
	assert_int_equal(harness_flows(h), 0);
	harness_forget(h);
	open_ack(&c, 0);
	assert_int_equal(t->sent, 1);
	assert_int_equal(t->accepted, 1);
	harness_destroy(h);
}

/* A cookie is good for one to two minutes. */
static void test_age(void **state)
{
	struct harness *h = balancer(1);

	for (uint16_t i = 0; i < 12; i++) {
		struct conn c = conn_make(h, *state, (uint16_t)(5000 + i)), old = c;
		struct options o;
		struct frame f, got;

		old.sport += 100;
		open_syn(&c);
		open_syn(&old);
		harness_advance(h, 55000);
		open_ack(&c, 0);
		open_server(&c, server_options(&c));
		harness_advance(h, 66000);
		harness_forget(h);
		o = client_options(&old);
		f = client_frame(&old, FRAME_ACK, old.isn + 1, old.cookie + 1, &o);
		got = harness_through(h, WAN, &f, WAN);
		assert_int_equal(got.flags, FRAME_RST);
	}
	harness_destroy(h);
}

/* ---- ICMP errors ---------------------------------------------------------------------------- */

/* An error about a segment: its sender knows the numbers in it. */
static void test_errors(void **state)
{
	struct harness *h = balancer(1);

	for (uint16_t i = 0; i < 2; i++) {
		struct conn c = conn_make(h, *state, (uint16_t)(5000 + i));
		const bool v6 = c.way->vip[4] == ':', server_v6 = c.way->server[4] == ':';
		const bool from_client = i == 1;
		struct frame about, e, got, inner;
		uint8_t quoted[FRAME_MAX], again[FRAME_MAX];
		size_t len;

		if (c.way->mixed)
			break;
		open_all(&c);
		/* As it was on the other side of us. */
		about = from_client ? server_frame(&c, FRAME_ACK, c.isn + 1, c.server + 7, NULL)
				    : client_frame(&c, FRAME_ACK, c.cookie + 9, c.isn + 3, NULL);
		inner = about;
		memcpy(about.src, inner.dst, 16);
		memcpy(about.dst, inner.src, 16);
		about.sport = inner.dport;
		about.dport = inner.sport;
		len = frame_build(&about, quoted);
		e = frame_make(v6 ? 58 : 1, from_client ? c.way->server : c.way->client, 0,
			from_client ? c.way->source : c.way->vip, 0, 0);
		e.icmp_type = v6 ? 1 : 3;
		e.icmp_code = v6 ? 4 : 3;
		e.payload = quoted + 14;
		e.payload_len = (uint16_t)(len - 14);
		got = harness_through(h, from_client ? LAN : WAN, &e, from_client ? WAN : LAN);
		/* Its checksum has been right, too, and still is. */
		memset(again, 0, 14);
		memcpy(again, quoted, 14);
		memcpy(again + 14, got.payload, got.payload_len);
		assert_null(frame_read(again, 14 + got.payload_len, &inner));
		if (from_client) {
			assert_int_equal(inner.seq, c.isn + 1);
			assert_int_equal(inner.ack, c.cookie + 7);
			assert_int_equal(inner.sport, c.sport);
		} else {
			assert_int_equal(inner.seq, c.server + 9);
			assert_int_equal(inner.ack, c.isn + 3);
			assert_int_equal(inner.sport, 8080);
		}
		assert_int_equal(v6, server_v6);
	}
	harness_destroy(h);
}

/* ---- TOA ------------------------------------------------------------------------------------ */

/* The segment that completes the handshake with the server says who the client is, ours or the
 * client's own. */
static void test_toa(void **state)
{
	static const struct way toa = { "toa4", "toa4", "192.0.2.40", CLIENT4, "10.0.0.11",
		"10.0.0.5", 1440, false };
	struct harness *h = balancer(1);

	for (uint16_t i = 0; i < 2; i++) {
		struct conn c = conn_make(h, &toa, (uint16_t)(5000 + i));
		struct frame got, who = frame_make(TCP, CLIENT4, 0, CLIENT4, 0, 0);

		open_syn(&c);
		got = open_ack(&c, i ? 100 : 0);
		assert_true(got.options[0] != 254);
		got = open_server(&c, server_options(&c));
		assert_int_equal(got.payload_len, i ? 100 : 0);
		assert_int_equal(got.options[0], 254);
		assert_int_equal(got.options[2] << 8 | got.options[3], c.sport);
		assert_memory_equal(got.options + 4, who.src, 4);
	}
	harness_destroy(h);
}

/* ---- when ----------------------------------------------------------------------------------- */

static const struct way automatic = { "auto", "auto", "192.0.2.50", CLIENT4, "10.0.0.11", CLIENT4,
	1440, false };

/* n SYNs of new clients; how many were answered by us. */
static unsigned int flood(struct harness *h, unsigned int n, uint16_t port)
{
	unsigned int cookies = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct frame f =
			frame_make(TCP, CLIENT4, (uint16_t)(port + i), "192.0.2.50", 80, FRAME_SYN);
		struct frame got;
		const struct captured *p;

		harness_send(h, WAN, &f);
		p = harness_next(h, &got);
		assert_non_null(p);
		cookies += p->nic == WAN;
		assert_null(harness_next(h, &got));
	}
	return cookies;
}

static void test_auto(void **state)
{
	struct harness *h = balancer(1);
	const struct synproxy_traffic *t = traffic_of(h, 0, "auto");
	struct conn c = conn_make(h, &automatic, 1000);
	struct frame f;

	harness_advance(h, 1000);
	/* Below its rate, for some seconds: nothing of ours. */
	for (uint16_t i = 0; i < 3; i++) {
		assert_int_equal(flood(h, 90, 2000 + 100 * i), 0);
		harness_advance(h, 1000);
	}
	f = client_frame(&c, FRAME_ACK, 1, 1, NULL);
	harness_dropped(h, WAN, &f, DROP_no_flow);
	assert_int_equal(t->on, 0);
	/* Above it: at once. */
	assert_int_equal(flood(h, 150, 3000), 50);
	assert_int_equal(t->on, 1);
	open_all(&c);
	talk(&c);
	f.sport++;
	harness_dropped(h, WAN, &f, DROP_cookie_wrong);
	/* More than half of the rate keeps it on. */
	for (uint16_t i = 0; i < 15; i++) {
		harness_advance(h, 1000);
		assert_int_equal(flood(h, 60, (uint16_t)(4000 + 60 * i)), 60);
	}
	/* Less than that does not. */
	for (uint16_t i = 0; i < 9; i++) {
		harness_advance(h, 1000);
		assert_int_equal(flood(h, 40, (uint16_t)(6000 + 60 * i)), 40);
	}
	harness_advance(h, 3000);
	assert_int_equal(t->on, 0);
	assert_int_equal(flood(h, 40, 8000), 0);
	harness_destroy(h);
}

/* Without any SYN more it goes off by itself; cookies given out are good until they are old. */
static void test_auto_ends(void **state)
{
	struct harness *h = balancer(1);
	const struct synproxy_traffic *t = traffic_of(h, 0, "auto");
	struct conn c = conn_make(h, &automatic, 1000);
	struct frame f;

	harness_advance(h, 1000);
	flood(h, 110, 3000);
	open_syn(&c);
	harness_advance(h, 13000);
	assert_int_equal(t->on, 0);
	harness_forget(h);
	open_ack(&c, 0);
	open_server(&c, server_options(&c));
	talk(&c);
	harness_advance(h, 130000);
	f = client_frame(&c, FRAME_ACK, 1, 1, NULL);
	f.sport++;
	harness_dropped(h, WAN, &f, DROP_no_flow);
	harness_destroy(h);
}

/* Workers look at their share. */
static void test_auto_workers(void **state)
{
	struct harness *h = balancer(4);
	unsigned int cookies;

	harness_advance(h, 1000);
	cookies = flood(h, 400, 3000);
	/* 25 a worker, and not one more */
	assert_int_equal(cookies, 300);
	harness_destroy(h);
}

/* A reload turns it on and off, and takes nothing from who is connected. */
static void test_reload(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, &automatic, 1000), d = conn_make(h, &automatic, 1001);
	json_t *doc = harness_document(h);
	struct frame f;

	json_object_set_new(harness_named(doc, "services", "auto"), "syn-proxy",
		json_pack("{s:s}", "mode", "always"));
	harness_apply(h, doc);
	open_all(&c);
	open_syn(&d);
	doc = harness_document(h);
	json_object_set_new(harness_named(doc, "services", "auto"), "syn-proxy",
		json_pack("{s:s}", "mode", "off"));
	harness_apply(h, doc);
	talk(&c);
	f = client_frame(&c, FRAME_SYN, 1, 0, NULL);
	f.sport = 1002;
	harness_through(h, WAN, &f, LAN);
	open_ack(&d, 0);
	open_server(&d, server_options(&d));
	talk(&d);
	harness_destroy(h);
}

/* A reload of the scale while the handshake goes on: the client shifts by what it was told. */
static void test_reload_scale(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, &plain, 5000);
	json_t *doc;
	struct options o;
	struct frame f, got;
	unsigned int told = 0;

	open_syn(&c);
	assert_int_equal(c.synack.wscale, 3);
	open_ack(&c, 0);
	doc = harness_document(h);
	json_object_set_new(json_object_get(harness_named(doc, "services", "plain"), "syn-proxy"),
		"window-scale", json_integer(9));
	harness_apply(h, doc);
	o = server_options(&c);
	o.wscale = 5;
	options_write(&o, 0);
	f = server_frame(&c, FRAME_SYN | FRAME_ACK, c.server, c.isn + 1, &o);
	f.window = 64000;
	harness_send(h, LAN, &f);
	for (const struct captured *p; (p = harness_next(h, &got)) != NULL;)
		if (p->nic == WAN) {
			assert_int_equal(got.window, 64000 >> 3);
			told++;
		}
	assert_int_equal(told, 1);
	f = server_frame(&c, FRAME_ACK, c.server + 1, c.isn + 1, NULL);
	got = harness_through(h, LAN, &f, WAN);
	assert_int_equal(got.window, 1000 << 2);
	harness_destroy(h);
}

/* A change's walk comes upon a handshake whose SYN is due again before its timer does. */
static void test_revised(void **state)
{
	struct harness *h = balancer(1);
	struct worker *w = h->workers->worker[0];
	struct conn c = conn_make(h, *state, 5000);
	const struct flow_filter all = { .any_client = true };
	struct flow_info info;
	struct frame got;
	uint8_t dir;

	open_syn(&c);
	open_ack(&c, 10);
	assert_int_equal(harness_sessions(h, &all, &info, 1), 1);
	w->l4.now_ms += 1001;
	l4_revise(&w->l4, flow_find(w->l4.flows, &info.forward, &dir));
	w->l4.now_ms -= 1001;
	harness_step(h);
	assert_int_equal(harness_flows(h), 1);
	assert_non_null(harness_next(h, &got));
	assert_toward_server(&c, &got);
	assert_int_equal(got.flags, FRAME_SYN);
	assert_null(harness_next(h, &got));
	open_server(&c, server_options(&c));
	talk(&c);
	harness_destroy(h);
}

/* A client that is denied while its handshake goes on hears nothing more, as any that is denied. */
static void test_denied(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, *state, 5000);
	json_t *doc = harness_document(h);

	open_syn(&c);
	open_ack(&c, 10);
	json_object_set_new(doc, "access", json_pack("{s:[s]}", "deny", c.way->client));
	harness_apply(h, doc);
	harness_advance(h, 10000);
	assert_null(harness_next(h, NULL));
	assert_int_equal(harness_flows(h), 0);
	harness_destroy(h);
}

static void test_off(void **state)
{
	struct harness *h = balancer(1);
	struct frame f = frame_make(TCP, CLIENT4, 1, "192.0.2.100", 80, FRAME_SYN);

	for (f.sport = 1; f.sport < 200; f.sport++)
		harness_through(h, WAN, &f, LAN);
	harness_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WAYS(test_way),
		WAYS(test_options),
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_window_update),
		WAYS(test_wrap),
		WAYS(test_stamps_and_sack),
		WAYS(test_windows),
		WAYS(test_server_knows_less),
		WAYS(test_resets),
		WAYS(test_forged),
		WAYS(test_age),
		WAYS(test_errors),
		cmocka_unit_test(test_toa),
		cmocka_unit_test(test_auto),
		cmocka_unit_test(test_auto_ends),
		cmocka_unit_test(test_auto_workers),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_reload_scale),
		WAYS(test_revised),
		WAYS(test_denied),
		cmocka_unit_test(test_off),
	};

	harness_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

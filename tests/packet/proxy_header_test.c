/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Relayed connections that begin with a header of the PROXY protocol, or ought to, through the
 * whole pipeline: the client and the server are spoken by hand. What is no header and what is, is
 * tested beside net/proxyhdr.c; here it is what becomes of the connection, when a server hears of
 * it, and what is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"
#include "l7/relay.h"

#define TCP       6
#define TRUSTED   "198.51.100.7"
#define STRANGER  "198.18.0.5"
#define MONITOR   "203.0.113.5"
#define VIP       "192.0.2.60"
#define SERVER    "10.0.0.11"
#define OURS      "10.0.0.1"
#define PAIRS     16

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define SAYS_V1   "PROXY TCP4 203.0.113.9 192.0.2.10 4660 443\r\n"
/* The same in version 2. */
#define SAYS_V2 SIGNATURE "\x21\x11\0\x0c\xcb\0\x71\x09\xc0\0\x02\x0a\x12\x34\x01\xbb"

/* ---- the balancer ---------------------------------------------------------------------------- */

struct scene {
	struct harness *h;
	struct relays *relays;
	bool used; /* they have what they need of their worker */

	/* The client. */
	const char *client;
	uint16_t port;
	uint32_t seq, ack;

	/* What has come out lately: flags of all packets, and the last one to the server with all
	 * data for it. */
	uint8_t wan, lan;
	struct frame to_server;
	uint8_t data[512];
	uint32_t got;
};

static struct scene scene;
static void *contexts[1];

static unsigned int turn(
	void *ctx, const struct model *m, struct tcp *t, uint32_t now_ms, unsigned int max)
{
	return scene.used ? relays_turn(ctx, m, t, now_ms, max) : 0;
}

static int setup(void **state)
{
	struct relays_conf conf = {
		.max = PAIRS, .socket = SOCKET_ID_ANY, .toward_servers = tcp_how_defaults
	};
	struct local_app app = {
		.turn = turn,
		.ops = &relays_accept,
		.ctx = contexts,
		.how = tcp_how_defaults,
		.conf = tcp_conf_defaults,
	};
	struct scene *s = &scene;
	struct worker *w;

	conf.toward_servers.ecn = false; /* a SYN is a SYN */
	app.conf.max_conns = 3 * PAIRS;
	app.conf.max_segments = 256;
	*s = (struct scene){ .relays = relays_create(&conf) };
	assert_non_null(s->relays);
	assert_int_equal(relays_join(&s->relays, 1), 0);
	contexts[0] = s->relays;
	s->h = harness_create(
		&(struct harness_conf){ .file = "proxy_header.json", .workers = 1, .local = &app });
	w = s->h->workers->worker[0];
	relays_use(s->relays, &w->l4, w->now_ms);
	s->used = true;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	harness_destroy(s->h);
	relays_destroy(s->relays);
	return 0;
}

static struct relays_stats stats(const struct scene *s)
{
	struct relays_stats out;

	relays_stats(s->relays, &out);
	return out;
}

/* ---- both ends ------------------------------------------------------------------------------- */

static void hear(struct scene *s)
{
	const struct captured *out;
	struct frame f;

	s->wan = s->lan = 0;
	s->got = 0;
	while ((out = harness_next(s->h, &f))) {
		if (out->nic == WAN) {
			s->wan |= f.flags;
			s->ack = f.seq + !!(f.flags & (FRAME_SYN | FRAME_FIN));
			continue;
		}
		assert_true(s->got + f.payload_len <= sizeof(s->data));
		memcpy(s->data + s->got, f.payload, f.payload_len);
		s->got += f.payload_len;
		s->lan |= f.flags;
		s->to_server = f;
	}
}

static void says(struct scene *s, uint8_t flags, const void *data, size_t len)
{
	struct frame f = frame_make(TCP, s->client, s->port, VIP, 80, flags);

	f.seq = s->seq;
	f.ack = flags & FRAME_ACK ? s->ack : 0;
	f.window = 30000;
	f.payload = data;
	f.payload_len = (uint16_t)len;
	harness_forget(s->h);
	harness_send(s->h, WAN, &f);
	s->seq += (uint32_t)len + !!(flags & (FRAME_SYN | FRAME_FIN));
	hear(s);
}

/* Answers the server's last packet. */
static void server_says(struct scene *s, uint8_t flags)
{
	const struct frame *to = &s->to_server;
	struct frame f = frame_make(TCP, SERVER, 8080, OURS, to->sport, flags);

	f.seq = 7000 + !(flags & FRAME_SYN);
	f.ack = to->seq + to->payload_len + !!(to->flags & FRAME_SYN);
	f.window = 30000;
	harness_forget(s->h);
	harness_send(s->h, LAN, &f);
	hear(s);
}

static void waits(struct scene *s, uint32_t ms)
{
	harness_forget(s->h);
	harness_advance(s->h, ms);
	hear(s);
}

/* A new connection; what comes back to the last segment of its handshake is left in s. */
static void connects(struct scene *s, const char *client, uint16_t port)
{
	s->client = client;
	s->port = port;
	s->seq = 77000u + port;
	says(s, FRAME_SYN, NULL, 0);
	assert_int_equal(s->wan, FRAME_SYN | FRAME_ACK);
	says(s, FRAME_ACK, NULL, 0);
}

static void assert_data(const struct scene *s, const void *data, size_t n)
{
	assert_int_equal(s->got, n);
	assert_memory_equal(s->data, data, n);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* Only the last byte has a server asked, and what it hears first is the balancer's own header. */
static void bytewise(struct scene *s, uint16_t port, const char *header, size_t n)
{
	connects(s, TRUSTED, port);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(s->lan, 0);
		says(s, FRAME_ACK, header + i, 1);
	}
	assert_int_equal(s->lan, FRAME_SYN);
	server_says(s, FRAME_SYN | FRAME_ACK);
	assert_data(s, SAYS_V2, sizeof(SAYS_V2) - 1);
	server_says(s, FRAME_ACK);
	says(s, FRAME_ACK, "hello", 5);
	assert_data(s, "hello", 5);
	server_says(s, FRAME_RST);
	assert_true(s->wan & FRAME_RST);
}

static void test_bytewise(void **state)
{
	struct scene *s = *state;

	bytewise(s, 4000, SAYS_V1, sizeof(SAYS_V1) - 1);
	bytewise(s, 4001, SAYS_V2, sizeof(SAYS_V2) - 1);
	assert_int_equal(stats(s).end[RELAY_END_server_error], 2);
	assert_int_equal(stats(s).pairs, 0);
}

/* Data behind the header in one segment waits for the server, behind the header for it. */
static void test_at_once(void **state)
{
	struct scene *s = *state;

	connects(s, TRUSTED, 4000);
	says(s, FRAME_ACK, SAYS_V1 "hello", sizeof(SAYS_V1) + 4);
	assert_int_equal(s->lan, FRAME_SYN);
	server_says(s, FRAME_SYN | FRAME_ACK);
	assert_data(s, SAYS_V2 "hello", sizeof(SAYS_V2) + 4);
}

/* A header is for the connection that comes about, not for one that was refused. */
static void test_refused_once(void **state)
{
	struct scene *s = *state;

	connects(s, TRUSTED, 4000);
	says(s, FRAME_ACK, SAYS_V1, sizeof(SAYS_V1) - 1);
	assert_int_equal(s->lan, FRAME_SYN);
	server_says(s, FRAME_RST | FRAME_ACK);
	assert_int_equal(s->wan | s->lan, 0);
	waits(s, 1100);
	assert_int_equal(s->lan, FRAME_SYN);
	server_says(s, FRAME_SYN | FRAME_ACK);
	assert_data(s, SAYS_V2, sizeof(SAYS_V2) - 1);
	assert_int_equal(stats(s).retried, 1);
}

/* Who is not trusted: its own address first, then what looks like a header. */
static void test_stranger(void **state)
{
	static const char own[] =
		SIGNATURE "\x21\x11\0\x0c\xc6\x12\0\x05\xc0\0\x02\x3c\x0f\xa0\0\x50";
	struct scene *s = *state;

	connects(s, STRANGER, 4000);
	assert_int_equal(s->lan, FRAME_SYN);
	says(s, FRAME_ACK, SAYS_V1, sizeof(SAYS_V1) - 1);
	server_says(s, FRAME_SYN | FRAME_ACK);
	assert_int_equal(s->got, sizeof(own) - 1 + sizeof(SAYS_V1) - 1);
	assert_memory_equal(s->data, own, sizeof(own) - 1);
	assert_memory_equal(s->data + sizeof(own) - 1, SAYS_V1, sizeof(SAYS_V1) - 1);
}

static void ends(struct scene *s, uint16_t port, const char *data, size_t n, uint8_t flags,
	enum relay_end why)
{
	const uint64_t before = stats(s).end[why];

	connects(s, TRUSTED, port);
	says(s, flags, data, n);
	assert_true(s->wan & FRAME_RST);
	assert_int_equal(s->lan, 0);
	assert_int_equal(stats(s).end[why], before + 1);
	assert_int_equal(stats(s).pairs, 0);
	assert_int_equal(harness_flows(s->h), 0);
}

static void test_ends(void **state)
{
	static const uint8_t fin = FRAME_FIN | FRAME_ACK;
	struct scene *s = *state;

	ends(s, 4000, "GET / HTTP/1.0\r\n\r\n", 18, FRAME_ACK, RELAY_END_header_missing);
	ends(s, 4001, "", 0, fin, RELAY_END_header_missing);
	ends(s, 4002, "PROXY TCP4 1.2.3.4\r\n", 20, FRAME_ACK, RELAY_END_header_wrong);
	ends(s, 4003, SIGNATURE "\x21\x11\xff\xff", 16, FRAME_ACK, RELAY_END_header_wrong);
	ends(s, 4004, SAYS_V2, sizeof(SAYS_V2) - 2, fin, RELAY_END_header_wrong);
	assert_int_equal(stats(s).end[RELAY_END_header_missing], 2);
	assert_int_equal(stats(s).end[RELAY_END_header_wrong], 3);
}

/* Bytes that come meanwhile do not put it off. */
static void test_timeout(void **state)
{
	struct scene *s = *state;

	connects(s, TRUSTED, 4000);
	for (unsigned int i = 0; i < 19; i++) {
		says(s, FRAME_ACK, &SAYS_V1[i], 1);
		waits(s, 100);
		assert_int_equal((s->wan & FRAME_RST) | s->lan, 0);
	}
	assert_int_equal(stats(s).pairs, 1);
	waits(s, 200);
	assert_true(s->wan & FRAME_RST);
	assert_int_equal(s->lan, 0);
	assert_int_equal(stats(s).end[RELAY_END_header_timeout], 1);
	assert_int_equal(stats(s).pairs, 0);
}

/* Takes neither an entry nor a server, and is no connection of the service. */
static void test_monitor(void **state)
{
	struct scene *s = *state;
	const struct model *m = s->h->snapshot.model;
	const struct traffic *traffic = s->h->workers->worker[0]->l4.service;

	for (uint16_t port = 4000; port < 4000 + 2 * PAIRS; port++) {
		connects(s, MONITOR, port);
		assert_true(s->wan & FRAME_FIN);
		assert_int_equal((s->wan & FRAME_RST) | s->lan, 0);
		says(s, FRAME_FIN | FRAME_ACK, NULL, 0);
		assert_int_equal(s->wan, FRAME_ACK);
	}
	assert_int_equal(stats(s).monitored, 2 * PAIRS);
	assert_int_equal(stats(s).full, 0);
	for (unsigned int i = 0; i < RELAY_ENDS; i++)
		assert_int_equal(stats(s).end[i], 0);
	for (unsigned int i = 0; i < MODEL_SERVICES_MAX; i++)
		assert_true(!m->service[i] || traffic[i].flows_opened == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bytewise, setup, teardown),
		cmocka_unit_test_setup_teardown(test_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stranger, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_monitor, setup, teardown),
	};

	harness_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

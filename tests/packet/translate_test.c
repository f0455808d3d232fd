/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6 clients of an IPv4 server: packets both ways, what does not fit, what routers say about it.
 * The links take 1380 bytes (clients) and 1400 (servers), so that 1360 bytes of IPv4 and 1420 of
 * IPv6 are the most that goes through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"
#include "pieces.h"

#define TCP     6
#define UDP     17

#define CLIENT  "2001:db8:c::7"
#define CLIENT4 "198.51.100.7"
#define VIRTUAL "2001:db8:1::10"
#define TOLD    "2001:db8:1::20"
#define SOURCE  "10.0.0.5"
#define SERVER  "10.0.0.11"
#define ROUTER4 "203.0.113.9"
#define ROUTER6 "2001:db8:99::9"

static uint8_t text[3000];

struct shape {
	unsigned int workers;
	uint16_t rxqs, txqs;
};

static const struct shape shapes[] = { { 1, 1, 2 }, { 3, 3, 4 }, { 3, 1, 1 } };

static struct harness *start(const struct shape *s)
{
	for (unsigned int i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7);
	return harness_create(&(struct harness_conf){ .file = "translate.json",
		.workers = s->workers,
		.rxqs = s->rxqs,
		.txqs = s->txqs });
}

static struct frame from_client(uint8_t proto, uint16_t port, uint8_t flags, uint16_t len)
{
	struct frame f = frame_make(proto, CLIENT, port, VIRTUAL, 80, flags);

	f.payload = text;
	f.payload_len = len;
	return f;
}

/* What the server sends to who sent it got. */
static struct frame from_server(const struct frame *got, uint8_t flags, uint16_t len)
{
	struct frame f = frame_make(got->proto, SERVER, got->dport, SOURCE, got->sport, flags);

	f.payload = text;
	f.payload_len = len;
	f.df = true;
	return f;
}

/* got is want, which is of the family of the frame before it came to us, with other ends. */
static void check(struct harness *h, uint16_t out, struct frame want, const struct frame *got)
{
	const char *field;

	want.ttl--;
	memcpy(want.eth_src, h->nic[out]->mac.addr_bytes, 6);
	memcpy(want.eth_dst, got->eth_dst, 6);
	field = frame_differs(&want, got);
	if (field)
		fail_msg("toward nic %u: wrong %s", out, field);
}

/* What the server must see of a client's frame. The identification is ours. */
static void check_server(struct harness *h, const struct frame *sent, const struct frame *got)
{
	struct frame want = *sent;
	const size_t len =
		40 + (sent->proto == TCP ? 20 + sent->options_len : 8) + sent->payload_len;

	frame_address(&want, want.src, SOURCE);
	frame_address(&want, want.dst, SERVER);
	want.sport = got->sport;
	want.dport = 8080;
	want.df = len > 1280;
	want.id = want.df ? 0 : got->id;
	check(h, LAN, want, got);
}

static void check_client(
	struct harness *h, const struct frame *answer, uint16_t port, const struct frame *got)
{
	struct frame want = *answer;

	frame_address(&want, want.src, VIRTUAL);
	frame_address(&want, want.dst, CLIENT);
	want.sport = 80;
	want.dport = port;
	want.df = want.no_checksum = false;
	want.id = 0;
	check(h, WAN, want, got);
}

static struct frame to_server(struct harness *h, const struct frame *f)
{
	struct frame got = harness_through(h, WAN, f, LAN);

	check_server(h, f, &got);
	return got;
}

static void to_client(struct harness *h, const struct frame *f, uint16_t port)
{
	struct frame got = harness_through(h, LAN, f, WAN);

	check_client(h, f, port, &got);
}

/* A flow of a client's port; returns what the server got first. */
static struct frame open_flow(struct harness *h, uint8_t proto, uint16_t port)
{
	struct frame f = from_client(proto, port, FRAME_SYN, proto == UDP ? 20 : 0), back;
	struct frame got = to_server(h, &f);

	back = from_server(&got, FRAME_SYN | FRAME_ACK, proto == UDP ? 30 : 0);
	to_client(h, &back, port);
	return got;
}

/* ---- packets -------------------------------------------------------------------------------- */

static void both_ways(const struct shape *s, uint8_t proto)
{
	struct harness *h = start(s);

	for (uint16_t i = 0; i < 40; i++) {
		const uint16_t port = (uint16_t)(40000 + i);
		struct frame first = open_flow(h, proto, port);

		for (uint16_t more = 0; more < 4; more++) {
			struct frame f = from_client(proto, port, FRAME_ACK, 100 + 20 * i + more);
			struct frame back = from_server(&first, FRAME_ACK, 300 + 20 * i + more),
				     got;

			f.tos = (uint8_t)(more << 6 | 3);
			f.ttl = (uint8_t)(2 + more);
			got = to_server(h, &f);
			assert_int_equal(got.sport, first.sport);
			back.tos = f.tos;
			back.df = more & 1;
			back.no_checksum = proto == UDP && (more & 2);
			back.ttl = f.ttl;
			to_client(h, &back, port);
		}
	}
	assert_int_equal(harness_flows(h), 40);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

static void test_both_ways(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(shapes); i++) {
		both_ways(&shapes[i], TCP);
		both_ways(&shapes[i], UDP);
	}
}

/* One service, one pool: IPv4 clients are not translated. */
static void test_clients_of_both_families(void **state)
{
	(void)state;
	struct harness *h = start(&shapes[0]);
	struct frame f = frame_make(UDP, CLIENT4, 40000, "192.0.2.10", 80, 0), got, want = f;

	open_flow(h, UDP, 40000);
	got = harness_through(h, WAN, &f, LAN);
	frame_address(&want, want.src, SOURCE);
	frame_address(&want, want.dst, SERVER);
	want.sport = got.sport;
	want.dport = 8080;
	check(h, LAN, want, &got);
	assert_int_equal(harness_flows(h), 2);
	harness_destroy(h);
}

/* What follows the IPv6 header goes, up to the transport header. */
static void test_extension_headers(void **state)
{
	(void)state;
	static const uint8_t chain[24] = { 60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4, 0, 0, 0, 0, UDP, 0,
		0, 0, 1, 2, 3, 4 };
	struct harness *h = start(&shapes[0]);
	struct frame f = from_client(UDP, 40000, 0, 200), got;
	uint8_t buf[FRAME_MAX];
	size_t len;

	memcpy(f.eth_dst, h->nic[WAN]->mac.addr_bytes, 6);
	len = frame_build(&f, buf);
	memmove(buf + 54 + sizeof(chain), buf + 54, len - 54);
	memcpy(buf + 54, chain, sizeof(chain));
	buf[14 + 5] = (uint8_t)(8 + 200 + sizeof(chain));
	buf[14 + 6] = 0;
	assert_true(harness_inject(h, WAN, ANY_QUEUE, buf, len + sizeof(chain)));
	harness_step(h);
	assert_non_null(harness_next(h, &got));
	check_server(h, &f, &got);
	harness_destroy(h);
}

/* The segments that follow fit both links: 1380 - 60 bytes. */
static void test_segment_size(void **state)
{
	(void)state;
	static const uint8_t options[] = { 1, 3, 3, 7, 2, 4, 1440 >> 8, 1440 & 255 },
			     want[] = { 1, 3, 3, 7, 2, 4, 1320 >> 8, 1320 & 255 };
	struct harness *h = start(&shapes[0]);
	struct frame f = from_client(TCP, 40000, FRAME_SYN, 0), back, got;

	f.options = options;
	f.options_len = sizeof(options);
	got = harness_through(h, WAN, &f, LAN);
	assert_int_equal(got.options_len, sizeof(want));
	assert_memory_equal(got.options, want, sizeof(want));
	back = from_server(&got, FRAME_SYN | FRAME_ACK, 0);
	back.options = options;
	back.options_len = sizeof(options);
	got = harness_through(h, LAN, &back, WAN);
	assert_memory_equal(got.options, want, sizeof(want));
	/* Data is data. */
	f = from_client(TCP, 40000, FRAME_ACK, 10);
	f.options = options;
	f.options_len = sizeof(options);
	got = harness_through(h, WAN, &f, LAN);
	assert_memory_equal(got.options, options, sizeof(options));
	harness_destroy(h);
}

/* The server is told the client's IPv6 address. */
static void test_client_address(void **state)
{
	(void)state;
	struct harness *h = start(&shapes[0]);
	struct frame f = frame_make(TCP, CLIENT, 40000, TOLD, 80, FRAME_SYN), got, back;

	got = harness_through(h, WAN, &f, LAN);
	assert_int_equal(got.family, 4);
	back = from_server(&got, FRAME_SYN | FRAME_ACK, 0);
	harness_through(h, LAN, &back, WAN);
	f.flags = FRAME_ACK;
	f.payload = text;
	f.payload_len = 77;
	got = harness_through(h, WAN, &f, LAN);
	assert_int_equal(got.options_len, 20);
	assert_int_equal(got.options[0], 254);
	assert_int_equal(got.options[2] << 8 | got.options[3], 40000);
	assert_memory_equal(got.options + 4, f.src, 16);
	assert_memory_equal(got.payload, text, 77);
	harness_destroy(h);
}

/* ---- what does not fit ----------------------------------------------------------------------- */

/* The ICMP message that comes back to nic instead: about f, from its destination. */
static void refused(struct harness *h, uint16_t nic, const struct frame *f, uint8_t type,
	uint8_t code, uint32_t rest)
{
	struct frame got = harness_through(h, nic, f, nic);

	assert_int_equal(got.family, f->family);
	assert_int_equal(got.icmp_type, type);
	assert_int_equal(got.icmp_code, code);
	assert_int_equal(got.icmp_rest, rest);
	assert_memory_equal(got.src, f->dst, 16);
	assert_memory_equal(got.dst, f->src, 16);
	/* It quotes addresses that the sender knows. */
	assert_memory_equal(
		got.payload + (f->family == 4 ? 12 : 8), f->src, f->family == 4 ? 4 : 16);
}

static void test_too_big(void **state)
{
	(void)state;
	struct harness *h = start(&shapes[0]);

	for (unsigned int i = 0; i < 2; i++) {
		const uint8_t proto = i ? UDP : TCP;
		const uint16_t header = i ? 8 : 20;
		struct frame first = open_flow(h, proto, 40000), f;

		/* Toward the server: 1420 bytes of IPv6 are 1400 of IPv4. */
		f = from_client(proto, 40000, FRAME_ACK, 1420 - 40 - header);
		to_server(h, &f);
		f.payload_len++;
		refused(h, WAN, &f, 2, 0, 1420);
		/* Toward the client: 1360 bytes of IPv4 are 1380 of IPv6. */
		f = from_server(&first, FRAME_ACK, 1360 - 20 - header);
		to_client(h, &f, 40000);
		f.payload_len++;
		refused(h, LAN, &f, 3, 4, 1360);
	}
	assert_int_equal(harness_drops(h, DROP_too_big), 4);
	harness_destroy(h);
}

/* A first packet is measured like any other. */
static void test_first_too_big(void **state)
{
	(void)state;
	struct harness *h = start(&shapes[0]);
	struct frame f = from_client(UDP, 40000, 0, 1421 - 48);

	refused(h, WAN, &f, 2, 0, 1420);
	f.payload_len--;
	to_server(h, &f);
	harness_destroy(h);
}

/* What may be split goes through: no longer than what every IPv6 path takes. */
static void test_split(void **state)
{
	(void)state;
	struct harness *h = start(&shapes[0]);
	struct frame first = open_flow(h, UDP, 40000), back;
	unsigned int n = 0, bytes = 0;
	const struct captured *c;

	back = from_server(&first, 0, 1300);
	back.df = false;
	harness_send(h, LAN, &back);
	while ((c = harness_take(h))) {
		const uint8_t *l3 = c->data + 14;

		assert_int_equal(c->nic, WAN);
		assert_int_equal(l3[6], 44);
		assert_true(c->len - 14 <= 1280);
		bytes += c->len - 14 - 48;
		n++;
	}
	assert_int_equal(n, 2);
	assert_int_equal(bytes, 8 + 1300);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* Sends it in fragments, the last one first, and puts together what comes out of it. */
static struct frame in_pieces(struct harness *h, uint16_t in, struct frame *f, uint32_t id)
{
	static uint8_t frame[PIECES_FRAME];
	static struct piece piece[8];
	static struct pieces pieces;
	const struct captured *c;
	const char *wrong = NULL;
	struct whole *w = NULL;
	struct frame got;
	unsigned int n;
	size_t len;

	memset(&pieces, 0, sizeof(pieces));
	memcpy(f->eth_dst, h->nic[in]->mac.addr_bytes, 6);
	n = pieces_cut(frame, frame_build(f, frame), 1152, id, piece, RTE_DIM(piece));
	assert_int_equal(n, 3);
	while (n--) {
		assert_true(harness_inject(h, in, ANY_QUEUE, piece[n].data, piece[n].len));
		harness_step(h);
	}
	while (!w && (c = harness_take(h))) {
		assert_int_equal(c->nic, in == WAN ? LAN : WAN);
		assert_true(c->len <= 14 + 1280);
		w = pieces_add(&pieces, c->data, c->len, &len, &wrong);
		assert_null(wrong);
	}
	if (!w) {
		harness_print_drops(h);
		fail_msg("nothing whole came out");
	}
	assert_null(frame_read(w->data, len, &got));
	return got;
}

static void test_fragments(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(shapes); i++) {
		struct harness *h = start(&shapes[i]);

		for (uint16_t port = 40000; port < 40008; port++) {
			struct frame first = open_flow(h, UDP, port), f, got;

			f = from_client(UDP, port, 0, 2990);
			got = in_pieces(h, WAN, &f, port);
			/* All of it may be split again. */
			frame_address(&f, f.src, SOURCE);
			frame_address(&f, f.dst, SERVER);
			f.sport = got.sport;
			f.dport = 8080;
			f.id = got.id;
			check(h, LAN, f, &got);
			assert_int_equal(got.sport, first.sport);

			f = from_server(&first, 0, 2991);
			f.df = false;
			f.no_checksum = port & 1;
			got = in_pieces(h, LAN, &f, port);
			check_client(h, &f, port, &got);
		}
		assert_int_equal(harness_all_drops(h), 0);
		harness_destroy(h);
	}
}

static void test_hop_limit(void **state)
{
	(void)state;
	struct harness *h = start(&shapes[0]);
	struct frame first = open_flow(h, TCP, 40000), f;

	f = from_client(TCP, 40000, FRAME_ACK, 10);
	f.ttl = 1;
	refused(h, WAN, &f, 3, 0, 0);
	f = from_server(&first, FRAME_ACK, 10);
	f.ttl = 1;
	refused(h, LAN, &f, 11, 0, 0);
	harness_destroy(h);
}

/* ---- ICMP errors of others ------------------------------------------------------------------- */

struct quote {
	uint16_t len;
	uint8_t b[FRAME_MAX];
};

static struct quote quote(const struct frame *f)
{
	uint8_t buf[FRAME_MAX];
	struct quote q;

	q.len = (uint16_t)(frame_build(f, buf) - 14);
	memcpy(q.b, buf + 14, q.len);
	return q;
}

static struct frame router_error(const char *router, const uint8_t *to, uint8_t type, uint8_t code,
	uint32_t rest, const struct quote *q)
{
	struct frame e = { .ttl = 50,
		.icmp_type = type,
		.icmp_code = code,
		.icmp_rest = rest,
		.payload = q->b,
		.payload_len = q->len };

	frame_address(&e, e.src, router);
	memcpy(e.dst, to, 16);
	e.proto = e.family == 4 ? 1 : 58;
	return e;
}

/* The error about got, which is what became of sent, reaches the sender in its own family. */
static void error_back(struct harness *h, uint16_t nic, const struct frame *error,
	const struct frame *sent, uint8_t type, uint8_t code, uint32_t rest)
{
	const uint16_t to = nic == WAN ? LAN : WAN;
	struct frame asked = *sent, got, quoted;
	uint8_t link[FRAME_MAX] = { [12] = sent->family == 4 ? 0x08 : 0x86,
		sent->family == 4 ? 0x00 : 0xdd };

	got = harness_through(h, nic, error, to);
	assert_int_equal(got.family, sent->family);
	assert_int_equal(got.icmp_type, type);
	assert_int_equal(got.icmp_code, code);
	assert_int_equal(got.icmp_rest, rest);
	assert_int_equal(got.ttl, error->ttl - 1);
	assert_memory_equal(got.src, sent->dst, 16);
	assert_memory_equal(got.dst, sent->src, 16);
	/* The packet as it was sent, checksums included. */
	memcpy(link + 14, got.payload, got.payload_len);
	assert_null(frame_read(link, 14u + got.payload_len, &quoted));
	asked.ttl--;
	asked.df = asked.family == 4;
	asked.id = 0;
	memset(asked.eth_src, 0, 6);
	assert_null(frame_differs(&asked, &quoted));
}

static void errors(const struct shape *s, uint8_t proto)
{
	struct harness *h = start(s);

	for (uint16_t port = 40000; port < 40010; port++) {
		struct frame first = open_flow(h, proto, port), f, got, e;
		struct quote q;

		f = from_client(proto, port, FRAME_ACK, 120);
		got = to_server(h, &f);
		q = quote(&got);
		e = router_error(ROUTER4, got.src, 3, 3, 0, &q);
		error_back(h, LAN, &e, &f, 1, 4, 0);
		e = router_error(ROUTER4, got.src, 3, 4, 1300, &q);
		error_back(h, LAN, &e, &f, 2, 0, 1320);
		e = router_error(ROUTER4, got.src, 11, 0, 0, &q);
		error_back(h, LAN, &e, &f, 3, 0, 0);

		f = from_server(&first, FRAME_ACK, 130);
		got = harness_through(h, LAN, &f, WAN);
		q = quote(&got);
		e = router_error(ROUTER6, got.dst, 2, 0, 1280, &q);
		memcpy(e.dst, got.src, 16);
		error_back(h, WAN, &e, &f, 3, 4, 1260);
		e.icmp_type = 1;
		e.icmp_code = 1;
		e.icmp_rest = 0;
		error_back(h, WAN, &e, &f, 3, 10, 0);
		/* There is no such thing in IPv4. */
		e.icmp_code = 6;
		harness_dropped(h, WAN, &e, DROP_icmp_type);
	}
	harness_destroy(h);
}

static void test_errors(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(shapes); i++) {
		errors(&shapes[i], TCP);
		errors(&shapes[i], UDP);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_clients_of_both_families),
		cmocka_unit_test(test_extension_headers),
		cmocka_unit_test(test_segment_size),
		cmocka_unit_test(test_client_address),
		cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_first_too_big),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_hop_limit),
		cmocka_unit_test(test_errors),
	};

	harness_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

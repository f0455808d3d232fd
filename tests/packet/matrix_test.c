/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every mode and encapsulation, in every family it has, TCP and UDP: packets both ways, ICMP errors
 * about them both ways, fragments in every order; with one worker and with three, where packets
 * arrive at any worker and are handed over, and where each arrives at its owner and none is. The
 * last has no fragments: they belong to the worker of their datagram first, so that a device cannot
 * bring them to the flow's owner.
 *
 * Each packet that comes out is compared, byte by byte but for what is free to choose (a local
 * port, an identification), with one that this program builds itself. The harness sees that nothing
 * leaks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"
#include "pieces.h"

#define TCP      6
#define UDP      17
#define FLOWS    6
#define PORT     80
#define OTHER    8080 /* servers' port, where the mode changes it */
#define GUE_PORT 6080
#define LINK_MTU 1280 /* of the router that complains */

/* ---- the table ------------------------------------------------------------------------------ */

enum kind { DR, NAT, FULLNAT, IPIP, GRE, GUE };

struct row {
	const char *name;
	enum kind kind;
	const char *client, *vip, *server;
	const char *source; /* FULLNAT and tunnels: ours */
};

#define C4 "198.51.100.7"
#define C6 "2001:db8:c::7"
#define S4 "10.0.0.11"
#define S6 "2001:db8:2::11"
#define O4 "10.0.0.1"
#define O6 "2001:db8:2::1"
#define V4 "192.0.2."
#define V6 "2001:db8:1::"

static const struct row rows[] = {
	{ "dr IPv4", DR, C4, V4 "10", S4, NULL },
	{ "dr IPv6", DR, C6, V6 "10", S6, NULL },
	{ "nat IPv4", NAT, C4, V4 "20", S4, NULL },
	{ "nat IPv6", NAT, C6, V6 "20", S6, NULL },
	{ "fullnat IPv4", FULLNAT, C4, V4 "30", S4, O4 },
	{ "fullnat IPv6", FULLNAT, C6, V6 "30", S6, O6 },
	{ "fullnat IPv6 to IPv4", FULLNAT, C6, V6 "35", S4, O4 },
	{ "ipip IPv4 in IPv4", IPIP, C4, V4 "40", S4, O4 },
	{ "ipip IPv6 in IPv6", IPIP, C6, V6 "40", S6, O6 },
	{ "ipip IPv6 in IPv4", IPIP, C6, V6 "45", S4, O4 },
	{ "ipip IPv4 in IPv6", IPIP, C4, V4 "45", S6, O6 },
	{ "gre IPv4 in IPv4", GRE, C4, V4 "50", S4, O4 },
	{ "gre IPv6 in IPv6", GRE, C6, V6 "50", S6, O6 },
	{ "gre IPv6 in IPv4", GRE, C6, V6 "55", S4, O4 },
	{ "gre IPv4 in IPv6", GRE, C4, V4 "55", S6, O6 },
	{ "gue IPv4 in IPv4", GUE, C4, V4 "60", S4, O4 },
	{ "gue IPv6 in IPv6", GUE, C6, V6 "60", S6, O6 },
	{ "gue IPv6 in IPv4", GUE, C6, V6 "65", S4, O4 },
	{ "gue IPv4 in IPv6", GUE, C4, V4 "65", S6, O6 },
};

struct shape {
	const char *name;
	struct harness_conf conf;
};

static const struct shape shapes[] = {
	{ "one worker", { .workers = 1 } },
	{ "three workers, hand-off", { .workers = 3, .rxqs = 1 } },
	{ "three workers, any queue", { .workers = 3 } },
	{ "three workers, owner's queue", { .workers = 3, .to_owner = true } },
};

struct run {
	const struct row *row;
	const struct shape *shape;
	uint8_t proto;
	struct harness *h;
	uint16_t port;  /* the client's, of this flow */
	uint16_t local; /* FULLNAT: ours, of this flow */
	bool split;     /* the packet came in fragments, and may leave in some */
	char name[96];
};

static bool two_way(const struct run *r)
{
	return r->row->kind == NAT || r->row->kind == FULLNAT;
}

static bool is_tunnel(const struct run *r)
{
	return r->row->kind >= IPIP;
}

static uint8_t family_of(const char *text)
{
	return strchr(text, ':') ? 6 : 4;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

struct bytes {
	uint16_t len;
	uint8_t b[FRAME_MAX];
};

/* The IP packet of a frame, or its first max bytes. */
static struct bytes packet(const struct frame *f, size_t max)
{
	uint8_t buf[FRAME_MAX];
	struct bytes p;

	p.len = (uint16_t)RTE_MIN(frame_build(f, buf) - 14, max);
	memcpy(p.b, buf + 14, p.len);
	return p;
}

static const uint8_t *pattern(void)
{
	static uint8_t bytes[1500];

	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 3);
	return bytes;
}

static struct frame from_client(const struct run *r, uint8_t flags, uint16_t len)
{
	struct frame f = frame_make(r->proto, r->row->client, r->port, r->row->vip, PORT, flags);

	f.tos = 0x28;
	f.df = f.family == 4;
	f.payload = pattern();
	f.payload_len = len;
	return f;
}

/* What a server answers to what it sees as a client at dst. */
static struct frame from_server(const struct run *r, const struct frame *seen, uint16_t len)
{
	struct frame f = *seen;

	memset(f.eth_src, 0, 6);
	memset(f.eth_dst, 0, 6);
	memcpy(f.src, seen->dst, 16);
	memcpy(f.dst, seen->src, 16);
	f.sport = seen->dport;
	f.dport = seen->sport;
	f.ttl = 61;
	f.id = seen->family == 4 ? 0x4321 : 0;
	f.df = seen->family == 4;
	f.flags = r->proto == TCP ? FRAME_ACK | FRAME_PSH : 0;
	f.payload = pattern() + 100;
	f.payload_len = len;
	return f;
}

/* ---- what must come out --------------------------------------------------------------------- */

static void same(const struct run *r, const char *what, uint16_t nic, struct frame want,
	const struct frame *got)
{
	const char *field;

	memcpy(want.eth_src, r->h->nic[nic]->mac.addr_bytes, 6);
	memcpy(want.eth_dst, got->eth_dst, 6);
	field = frame_differs(&want, got);
	if (field)
		fail_msg("%s, flow %u: %s: wrong %s", r->name, r->port, what, field);
}

/* It went to the server's station, or to the gateway's. */
static void station(const struct run *r, uint16_t nic, const struct frame *got)
{
	const struct harness_host *host = &r->h->host[got->family == 6];
	struct frame f;

	if (nic == LAN) {
		frame_address(&f, f.dst, r->row->server);
		host = harness_find_host(r->h, LAN, f.dst, f.family);
	}
	assert_memory_equal(got->eth_dst, host->mac, 6);
}

/* The other family's frame of the same packet: without extension headers, with an identification
 * that is free where the packet may be split on its way (RFC 7915 5.1). */
static void translated(struct frame *want, uint8_t family, const struct frame *got)
{
	const uint16_t len = (uint16_t)(frame_build(want, (uint8_t[FRAME_MAX]){ 0 }) - 14);

	if (family == want->family)
		return;
	want->family = family;
	want->df = family == 4 && len > 1280;
	want->id = family == 4 ? got->id : 0;
	if (want->proto == 1 || want->proto == 58)
		want->proto = family == 4 ? 1 : 58;
}

/* The packet inside the outer one is `inner`, as routed once. */
static void tunnelled(const struct run *r, struct frame inner, const struct frame *got)
{
	static const uint8_t protocol[] = { [GRE] = 47, [GUE] = UDP };
	struct frame want = { .proto = protocol[r->row->kind], .ttl = 64, .tos = inner.tos };
	const bool v4 = inner.family == 4;
	uint8_t buf[FRAME_MAX];
	struct bytes in;
	uint16_t head = 0;

	inner.ttl--;
	in = packet(&inner, FRAME_MAX);
	if (r->row->kind == IPIP)
		want.proto = v4 ? 4 : 41;
	if (r->row->kind == GRE) {
		memcpy(buf, v4 ? "\0\0\x08\x00" : "\0\0\x86\xdd", 4);
		head = 4;
	} else if (r->row->kind == GUE) {
		memcpy(buf, v4 ? "\0\x04\0\0" : "\0\x29\0\0", 4);
		head = 4;
		want.sport = got->sport;
		want.dport = GUE_PORT;
		assert_true(got->sport >= 49152); /* a dynamic port (RFC 6335 6) */
	}
	memcpy(buf + head, in.b, in.len);
	want.payload = buf;
	want.payload_len = head + in.len;
	frame_address(&want, want.src, r->row->source);
	frame_address(&want, want.dst, r->row->server);
	want.id = want.family == 4 ? got->id : 0;
	want.df = want.family == 4 && (v4 ? inner.df : !r->split);
	same(r, "in the tunnel", LAN, want, got);
}

/* The client's packet, as the server must see it. */
static void check_forward(struct run *r, const struct frame *sent, const struct frame *got)
{
	struct frame want = *sent;

	station(r, LAN, got);
	if (is_tunnel(r)) {
		tunnelled(r, want, got);
		return;
	}
	translated(&want, family_of(r->row->server), got);
	want.ttl--;
	if (two_way(r)) {
		frame_address(&want, want.dst, r->row->server);
		want.dport = OTHER;
	}
	if (r->row->kind == FULLNAT) {
		if (r->local == 0)
			r->local = got->sport;
		assert_true(r->local >= 1024);
		frame_address(&want, want.src, r->row->source);
		want.sport = r->local;
		if (r->split) /* what leaves split from another source is numbered anew */
			want.id = got->id;
	}
	same(r, "to the server", LAN, want, got);
}

static void check_return(struct run *r, const struct frame *sent, const struct frame *got)
{
	struct frame want = *sent;

	station(r, WAN, got);
	translated(&want, family_of(r->row->client), got);
	want.ttl--;
	frame_address(&want, want.src, r->row->vip);
	frame_address(&want, want.dst, r->row->client);
	want.sport = PORT;
	want.dport = r->port;
	if (r->split)
		want.id = got->id;
	same(r, "to the client", WAN, want, got);
}

/* ---- packets both ways ---------------------------------------------------------------------- */

static struct frame forward(struct run *r, const struct frame *sent)
{
	struct frame got = harness_through(r->h, WAN, sent, LAN);

	check_forward(r, sent, &got);
	got.payload = sent->payload;
	got.payload_len = sent->payload_len;
	return got;
}

static struct frame back(struct run *r, const struct frame *sent)
{
	struct frame got = harness_through(r->h, LAN, sent, WAN);

	check_return(r, sent, &got);
	got.payload = sent->payload;
	return got;
}

/* ---- fragments ------------------------------------------------------------------------------ */

/* The one packet that came out, whole or in fragments. */
static struct frame put_together(struct run *r, uint16_t nic)
{
	static struct pieces pieces;
	static struct captured last;
	const struct captured *c;
	const char *wrong = "nothing";
	struct frame got = { 0 };
	bool done = false;

	while ((c = harness_take(r->h)) != NULL) {
		const uint8_t *data = c->data;
		size_t len = c->len;

		assert_false(done);
		assert_int_equal(c->nic, nic);
		if (pieces_is_fragment(data, len)) {
			struct whole *w = pieces_add(&pieces, data, len, &len, &wrong);

			assert_null(wrong);
			if (!w)
				continue;
			data = w->data;
		}
		assert_true(len <= sizeof(last.data));
		memcpy(last.data, data, len);
		wrong = frame_read(last.data, len, &got);
		done = true;
	}
	if (wrong) {
		harness_print_drops(r->h);
		fail_msg("%s: of fragments came %s", r->name, wrong);
	}
	assert_true(done);
	return got;
}

/* Three fragments of the packet in this order. */
static struct frame in_pieces(
	struct run *r, uint16_t in, const struct frame *f, uint16_t out, unsigned int order)
{
	static const uint8_t orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 },
		{ 2, 0, 1 }, { 2, 1, 0 } };
	const struct harness_host *from = harness_find_host(r->h, in, f->src, f->family);
	struct frame g = *f;
	struct piece piece[3];
	uint8_t whole[FRAME_MAX];

	memcpy(g.eth_dst, r->h->nic[in]->mac.addr_bytes, 6);
	memcpy(g.eth_src, (from ? from : &r->h->host[f->family == 6])->mac, 6);
	assert_int_equal(
		pieces_cut(whole, frame_build(&g, whole), 104, f->id ? f->id : 99u, piece, 3), 3);
	for (unsigned int i = 0; i < 3; i++) {
		const struct piece *p = &piece[orders[order][i]];

		assert_null(harness_take(r->h));
		assert_true(harness_inject(r->h, in, ANY_QUEUE, p->data, p->len));
		harness_step(r->h);
	}
	return put_together(r, out);
}

static void fragments(struct run *r)
{
	r->split = true;
	for (unsigned int order = 0; order < 6; order++) {
		struct frame sent = from_client(r, FRAME_ACK, (uint16_t)(280 + order)), seen, reply;

		sent.df = false;
		sent.id = sent.family == 4 ? (uint16_t)(r->port + order) : 0;
		seen = in_pieces(r, WAN, &sent, LAN, order);
		check_forward(r, &sent, &seen);
		if (!two_way(r))
			continue;
		reply = from_server(r, &seen, (uint16_t)(270 + order));
		reply.df = false;
		reply.id = reply.family == 4 ? (uint16_t)(r->port + order) : 0;
		seen = in_pieces(r, LAN, &reply, WAN, order);
		check_return(r, &reply, &seen);
	}
	r->split = false;
}

/* ---- errors --------------------------------------------------------------------------------- */

/* A router's complaint about the packet it saw. */
static struct frame too_big(const struct frame *seen, const struct bytes *quote)
{
	const bool v6 = seen->family == 6;
	struct frame e = { .proto = v6 ? 58 : 1,
		.ttl = 199,
		.tos = 0xc0,
		.id = v6 ? 0 : 0x777,
		.icmp_type = v6 ? 2 : 3,
		.icmp_code = v6 ? 0 : 4,
		.icmp_rest = LINK_MTU,
		.payload = quote->b,
		.payload_len = quote->len };

	frame_address(&e, e.src, v6 ? "2001:db8:99::9" : "203.0.113.9");
	memcpy(e.dst, seen->src, 16);
	return e;
}

/* The complaint in the family of who is to hear it, about what that one sent. */
static void error_translated(struct frame *e, uint8_t family, const struct frame *got)
{
	if (family == e->family)
		return;
	translated(e, family, got);
	e->icmp_type = family == 6 ? 2 : 3;
	e->icmp_code = family == 6 ? 0 : 4;
	e->icmp_rest = (uint32_t)(LINK_MTU + (family == 6 ? 20 : -20));
}

/* Between us and the server, about the client's packet: it comes from the virtual address. */
static void error_to_client(struct run *r, const struct frame *sent, const struct frame *seen)
{
	struct frame mine = *sent, error, want, got;
	const struct bytes quote = packet(seen, 200);
	struct bytes client;

	mine.ttl = seen->ttl;
	mine.payload_len = seen->payload_len;
	client = packet(&mine, quote.len + (mine.family == seen->family ? 0u : 20u));
	error = want = too_big(seen, &quote);
	got = harness_through(r->h, LAN, &error, WAN);
	station(r, WAN, &got);
	error_translated(&want, family_of(r->row->client), &got);
	memcpy(want.src, sent->dst, 16);
	memcpy(want.dst, sent->src, 16);
	want.ttl--;
	want.payload = client.b;
	want.payload_len = client.len;
	same(r, "error to the client", WAN, want, &got);
}

/* Between us and the client, about the server's packet. */
static void error_to_server(struct run *r, const struct frame *sent, const struct frame *seen)
{
	struct frame mine = *sent, error, want, got;
	const struct bytes quote = packet(seen, 200);
	struct bytes server;

	error = want = too_big(seen, &quote);
	got = harness_through(r->h, WAN, &error, LAN);
	station(r, LAN, &got);
	mine.ttl = seen->ttl;
	if (mine.family != seen->family) { /* what IPv6 had no room for is lost */
		mine.id = (uint16_t)(got.payload[4] << 8 | got.payload[5]);
		mine.df = got.payload[6] & 0x40;
	}
	server = packet(&mine, quote.len - (mine.family == seen->family ? 0u : 20u));
	if (is_tunnel(r)) {
		tunnelled(r, want, &got);
		return;
	}
	error_translated(&want, family_of(r->row->server), &got);
	memcpy(want.dst, sent->src, 16);
	if (r->row->kind == FULLNAT)
		frame_address(&want, want.src, r->row->source);
	want.ttl--;
	want.payload = server.b;
	want.payload_len = server.len;
	same(r, "error to the server", LAN, want, &got);
}

/*
 * About the outer packet, of which the router was told our address: the client hears of it in words
 * about its own packet. An IPv6 client is told no less than 1,280 (RFC 8200 5). It is no packet to
 * pass on, but one of our own, and the path to the server is known from then on.
 */
static void error_about_outer(struct run *r)
{
	const bool v6 = family_of(r->row->client) == 6, outer6 = family_of(r->row->server) == 6;
	const uint16_t overhead =
		(uint16_t)((outer6 ? 40 : 20) + (r->row->kind == GRE          ? 4
							: r->row->kind == GUE ? 12
									      : 0));
	struct frame sent = from_client(r, FRAME_ACK, 1300), seen, error, want, got;
	struct bytes quote, mine;

	seen = harness_through(r->h, WAN, &sent, LAN);
	quote = packet(&seen, 200);
	error = too_big(&seen, &quote);
	got = harness_through(r->h, LAN, &error, WAN);
	station(r, WAN, &got);
	sent.ttl--;
	mine = packet(&sent, 200u - overhead);
	want = too_big(&sent, &mine);
	memcpy(want.src, sent.dst, 16);
	want.ttl = 64;
	want.tos = got.tos;
	want.id = got.id;
	want.df = got.df;
	want.icmp_rest = v6 ? 1280 : LINK_MTU - overhead;
	same(r, "error about an outer packet", WAN, want, &got);
	assert_int_equal(harness_drops(r->h, DROP_path_learned), 1);
}

/* ---- one flow, all of them ------------------------------------------------------------------ */

static void run_flow(struct run *r)
{
	struct frame first = from_client(r, FRAME_SYN, r->proto == TCP ? 0 : 33), sent, seen, reply;

	r->local = 0;
	seen = forward(r, &first);
	if (two_way(r)) {
		reply = from_server(r, &seen, 0);
		reply.flags = r->proto == TCP ? FRAME_SYN | FRAME_ACK : 0;
		back(r, &reply);
	}
	for (uint16_t len = 1; len < 1400; len = (uint16_t)(len * 5 + 2)) {
		sent = from_client(r, FRAME_ACK, len);
		seen = forward(r, &sent);
		if (two_way(r)) {
			struct frame out;

			reply = from_server(r, &seen, len);
			out = back(r, &reply);
			error_to_client(r, &sent, &seen);
			error_to_server(r, &reply, &out);
		} else { /* the server answers the client by itself */
			reply = from_server(r, &sent, len);
			error_to_server(r, &reply, &reply);
		}
	}
	/* They go to a worker of their own first. */
	if (!r->shape->conf.to_owner)
		fragments(r);
}

static void test_run(void **state)
{
	struct run *r = *state;
	struct harness_conf conf = r->shape->conf;
	uint64_t handed = 0;

	conf.file = "matrix.json";
	r->h = harness_create(&conf);
	for (uint16_t i = 0; i < FLOWS; i++) {
		r->port = (uint16_t)(4000 + i);
		run_flow(r);
	}
	assert_int_equal(harness_flows(r->h), FLOWS);
	if (is_tunnel(r))
		error_about_outer(r);
	if (harness_all_drops(r->h) != harness_drops(r->h, DROP_path_learned)) {
		harness_print_drops(r->h);
		fail_msg("%s: dropped", r->name);
	}
	for (unsigned int i = 0; i < conf.workers; i++)
		handed += r->h->workers->steer[i]->handed_over;
	if (conf.workers == 1 || conf.to_owner)
		assert_int_equal(handed, 0);
	else
		assert_true(handed > 0);
	harness_destroy(r->h);
}

#define RUNS (RTE_DIM(rows) * RTE_DIM(shapes) * 2)

int main(void)
{
	static struct CMUnitTest tests[RUNS];
	static struct run runs[RUNS];
	size_t n = 0;

	for (size_t i = 0; i < RTE_DIM(rows); i++)
		for (size_t s = 0; s < RTE_DIM(shapes); s++)
			for (unsigned int udp = 0; udp < 2; udp++) {
				struct run *r = &runs[n];

				*r = (struct run){ &rows[i], &shapes[s], udp ? UDP : TCP };
				snprintf(r->name, sizeof(r->name), "%s %s, %s", rows[i].name,
					udp ? "UDP" : "TCP", shapes[s].name);
				tests[n++] = (struct CMUnitTest){
					.name = r->name, .test_func = test_run, .initial_state = r
				};
			}
	harness_init();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("matrix", tests, NULL, NULL);
}

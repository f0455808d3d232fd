/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mode fullnat: both directions, the ports it takes and gives back, several sources, and the
 * client's address in a TCP option.
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

#define ALL     64512 /* ports of one source toward one server */

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:c::7"

static const uint8_t payload[] = "an odd number of bytes, all of them ours";

/* ---- both directions ------------------------------------------------------------------------- */

struct path {
	const char *name;
	uint8_t proto;
	const char *vip, *client, *source;
	const char *servers[2];
	unsigned int workers;
	uint16_t rxqs, txqs;
};

#define SHAPES(...)                                                                                \
	{ __VA_ARGS__, 1, 1, 2 }, { __VA_ARGS__, 3, 3, 4 },                                        \
	{                                                                                          \
		__VA_ARGS__, 3, 1, 1                                                               \
	}
#define FOUR                                                                                       \
	"192.0.2.10", CLIENT4, "10.0.0.1",                                                         \
	{                                                                                          \
		"10.0.0.11", "10.0.0.12"                                                           \
	}
#define SIX                                                                                        \
	"2001:db8:1::10", CLIENT6, "2001:db8:2::1",                                                \
	{                                                                                          \
		"2001:db8:2::11", "2001:db8:2::12"                                                 \
	}

static const struct path paths[] = {
	SHAPES("IPv4 TCP", TCP, FOUR),
	SHAPES("IPv4 UDP", UDP, FOUR),
	SHAPES("IPv6 TCP", TCP, SIX),
	SHAPES("IPv6 UDP", UDP, SIX),
};

static void fill(struct frame *f, uint16_t len)
{
	f->payload = payload;
	f->payload_len = len;
}

static void assert_same(const struct frame *want, const struct frame *got)
{
	const char *field = frame_differs(want, got);

	if (field)
		fail_msg("wrong %s", field);
}

/* What a client sent, as the server must see it; returns the local port. */
static uint16_t check_server(
	struct harness *h, const struct path *p, const struct frame *sent, const struct frame *got)
{
	const struct harness_host *host = harness_find_host(h, LAN, got->dst, got->family);
	struct frame want = *sent;
	struct frame server;

	assert_non_null(host);
	want.ttl--;
	memcpy(want.dst, got->dst, 16);
	want.dport = 8080;
	frame_address(&want, want.src, p->source);
	want.sport = got->sport;
	memcpy(want.eth_src, h->nic[LAN]->mac.addr_bytes, 6);
	memcpy(want.eth_dst, host->mac, 6);
	assert_same(&want, got);
	frame_address(&server, server.dst, p->servers[0]);
	if (memcmp(server.dst, got->dst, 16) != 0)
		frame_address(&server, server.dst, p->servers[1]);
	assert_memory_equal(server.dst, got->dst, 16);
	assert_true(got->sport >= 1024);
	return got->sport;
}

/* The frame that answers one the server got. */
static struct frame answer(const struct frame *got, uint8_t flags, uint16_t len)
{
	struct frame f = *got;

	memcpy(f.src, got->dst, 16);
	memcpy(f.dst, got->src, 16);
	f.sport = got->dport;
	f.dport = got->sport;
	if (got->proto == TCP) {
		f.seq = got->ack;
		f.ack = got->seq + 1;
		f.flags = flags;
	}
	f.ttl = 64;
	f.options_len = 0;
	memset(f.eth_dst, 0, 6);
	memset(f.eth_src, 0, 6);
	fill(&f, len);
	return f;
}

static void answer_through(struct harness *h, const struct path *p, const struct frame *got,
	uint16_t client_port, uint8_t flags)
{
	struct frame back = answer(got, flags, flags & FRAME_SYN ? 0 : 33);
	struct frame out, want;

	out = harness_through(h, LAN, &back, WAN);
	want = back;
	want.ttl--;
	frame_address(&want, want.src, p->vip);
	frame_address(&want, want.dst, p->client);
	want.sport = 80;
	want.dport = client_port;
	memcpy(want.eth_src, h->nic[WAN]->mac.addr_bytes, 6);
	memcpy(want.eth_dst, h->host[got->family == 6].mac, 6);
	assert_same(&want, &out);
}

static void test_path(void **state)
{
	const struct path *p = *state;
	struct harness *h = harness_create(&(struct harness_conf){
		.file = "fullnat.json", .workers = p->workers, .rxqs = p->rxqs, .txqs = p->txqs });
	uint16_t ports[60];
	uint8_t servers[60][16];
	uint64_t handed = 0;

	for (uint16_t i = 0; i < 60; i++) {
		uint16_t client = (uint16_t)(40000 + i);
		struct frame f = frame_make(p->proto, p->client, client, p->vip, 80, FRAME_SYN);
		struct frame got, server;

		if (p->proto == UDP)
			fill(&f, 21);
		server = harness_through(h, WAN, &f, LAN);
		ports[i] = check_server(h, p, &f, &server);
		memcpy(servers[i], server.dst, 16);
		server.payload_len = 0;
		answer_through(h, p, &server, client, FRAME_SYN | FRAME_ACK);
		for (int more = 0; more < 5; more++) { /* from any queue */
			f = frame_make(p->proto, p->client, client, p->vip, 80, FRAME_ACK);
			f.tos = (uint8_t)(more << 2);
			f.df = f.family == 4 && more % 2;
			fill(&f, (uint16_t)(sizeof(payload) - more));
			got = harness_through(h, WAN, &f, LAN);
			assert_int_equal(check_server(h, p, &f, &got), ports[i]);
			assert_memory_equal(got.dst, server.dst, 16);
			answer_through(h, p, &got, client, FRAME_ACK | FRAME_PSH);
		}
	}
	for (unsigned int i = 0; i < 60; i++)
		for (unsigned int j = 0; j < i; j++)
			if (ports[i] == ports[j])
				assert_memory_not_equal(servers[i], servers[j], 16);
	assert_int_equal(harness_flows(h), 60);
	assert_int_equal(harness_all_drops(h), 0);
	for (unsigned int i = 0; i < p->workers; i++)
		handed += h->workers->steer[i]->handed_over;
	assert_int_equal(handed > 0, p->workers > 1);
	harness_destroy(h);
}

/* ---- what else fullnat is -------------------------------------------------------------------- */

static struct harness *start(unsigned int workers, uint32_t flows)
{
	return harness_create(&(struct harness_conf){
		.file = "fullnat.json", .workers = workers, .flows_v4 = flows });
}

static struct lport_stats ports_in_use(const struct harness *h)
{
	struct lport_stats sum = { 0 }, s;

	for (unsigned int i = 0; i < h->workers->n; i++) {
		lport_stats(h->workers->worker[i]->l4.lports, &s);
		sum.sets += s.sets;
		sum.ports += s.ports;
	}
	return sum;
}

/* One arm: the server is on the clients' network, and answers through us even so. */
static void test_one_arm(void **state)
{
	struct harness *h = start(3, 0);
	struct frame f = frame_make(TCP, CLIENT4, 40000, "192.0.2.40", 80, FRAME_SYN), got, back;
	struct frame want;

	harness_host(h, WAN, 0, "192.0.2.21");
	got = harness_through(h, WAN, &f, WAN);
	frame_address(&want, want.dst, "192.0.2.21");
	frame_address(&want, want.src, "192.0.2.1");
	assert_memory_equal(got.dst, want.dst, 4);
	assert_memory_equal(got.src, want.src, 4);
	assert_int_equal(got.dport, 8080);
	back = answer(&got, FRAME_SYN | FRAME_ACK, 0);
	got = harness_through(h, WAN, &back, WAN);
	frame_address(&want, want.dst, CLIENT4);
	frame_address(&want, want.src, "192.0.2.40");
	assert_memory_equal(got.dst, want.dst, 4);
	assert_memory_equal(got.src, want.src, 4);
	assert_int_equal(got.sport, 80);
	assert_int_equal(got.dport, 40000);
	harness_destroy(h);
}

static void client(struct frame *f, unsigned int i)
{
	f->src[0] = 100;
	f->src[1] = (uint8_t)(64 + (i >> 16));
	f->src[2] = (uint8_t)(i >> 8);
	f->src[3] = (uint8_t)i;
}

/* Clients are spread over the sources of the server's family; each keeps its own. */
static void test_sources(void **state)
{
	struct harness *h = start(1, 0);
	unsigned int count[2] = { 0 };

	for (unsigned int i = 0; i < 200; i++) {
		uint8_t source = 0;

		for (uint16_t port = 1000; port < 1003; port++) {
			struct frame f = frame_make(UDP, CLIENT4, port, "192.0.2.30", 53, 0), got;

			client(&f, i);
			got = harness_through(h, WAN, &f, LAN);
			assert_true(got.src[3] == 5 || got.src[3] == 6);
			assert_true(source == 0 || source == got.src[3]);
			source = got.src[3];
		}
		count[source - 5]++;
	}
	assert_in_range(count[0], 60, 140);
	/* They are ours: echo is answered, and ARP. */
	struct frame ping = { .proto = 1, .ttl = 64, .icmp_type = 8, .icmp_rest = 0x10001 };
	frame_address(&ping, ping.src, "10.0.0.11");
	frame_address(&ping, ping.dst, "10.0.0.6");
	ping = harness_through(h, LAN, &ping, LAN);
	assert_int_equal(ping.icmp_type, 0);
	harness_destroy(h);
}

/* UDP flows by the thousand, a burst at a time: from this one on, n of one client address each. */
static void open_many(struct harness *h, const char *vip, uint16_t vport, unsigned int first,
	unsigned int n, struct frame *seen)
{
	for (unsigned int i = 0; i < n;) {
		/* The first one asks for the server's MAC address, by itself. */
		unsigned int size = i ? RTE_MIN(n - i, 256u) : 1;

		for (unsigned int k = 0; k < size; k++) {
			struct frame f = frame_make(UDP, CLIENT4, 5000, vip, vport, 0);
			uint8_t data[FRAME_MAX];
			size_t len;

			client(&f, first + i + k);
			f.ttl = 64;
			memcpy(f.eth_dst, h->nic[WAN]->mac.addr_bytes, 6);
			memcpy(f.eth_src, h->host[0].mac, 6);
			len = frame_build(&f, data);
			assert_true(harness_inject(h, WAN, ANY_QUEUE, data, len));
		}
		harness_step(h);
		for (unsigned int k = 0; k < size; k++) {
			/* Workers send each in its own turn: clients cannot be told by order. */
			assert_non_null(harness_next(h, &seen[i + k]));
		}
		i += size;
	}
}

static int by_server_side(const void *left, const void *right)
{
	const struct frame *const *a = left, *const *b = right;
	int d = memcmp((*a)->src, (*b)->src, 4);

	return d ? d : (int)(*a)->sport - (int)(*b)->sport;
}

/* Answers every one that the server saw; each client gets exactly one. */
static void answer_many(struct harness *h, struct frame *seen, unsigned int n)
{
	uint8_t *got = calloc(n, 1);

	assert_non_null(got);
	for (unsigned int i = 0; i < n;) {
		unsigned int size = i ? RTE_MIN(n - i, 256u) : 1;

		for (unsigned int k = 0; k < size; k++) {
			struct frame f = answer(&seen[i + k], 0, 5);
			const struct harness_host *host =
				harness_find_host(h, LAN, f.src, f.family);
			uint8_t data[FRAME_MAX];

			memcpy(f.eth_dst, h->nic[LAN]->mac.addr_bytes, 6);
			memcpy(f.eth_src, host->mac, 6);
			assert_true(harness_inject(h, LAN, ANY_QUEUE, data, frame_build(&f, data)));
		}
		harness_step(h);
		for (unsigned int k = 0; k < size; k++) {
			struct frame f;
			unsigned int who;

			assert_non_null(harness_next(h, &f));
			assert_int_equal(f.dport, 5000);
			who = (unsigned int)(f.dst[1] - 64) << 16 | (unsigned int)f.dst[2] << 8 |
			      f.dst[3];
			assert_true(who < n);
			assert_int_equal(got[who]++, 0);
		}
		i += size;
	}
	free(got);
}

static void many(unsigned int workers, unsigned int n)
{
	struct harness *h = start(workers, n);
	struct frame *seen = calloc(n, sizeof(*seen)), **sorted = calloc(n, sizeof(*sorted));
	unsigned int of_five = 0;

	assert_non_null(seen);
	assert_non_null(sorted);
	open_many(h, "192.0.2.30", 53, 0, n, seen);
	assert_int_equal(harness_flows(h), n);
	assert_int_equal(ports_in_use(h).ports, n);
	for (unsigned int i = 0; i < n; i++) {
		sorted[i] = &seen[i];
		of_five += seen[i].src[3] == 5;
		assert_int_equal(seen[i].dst[3], 12);
	}
	/* No two alike, and more than one source could have. */
	qsort(sorted, n, sizeof(*sorted), by_server_side);
	for (unsigned int i = 1; i < n; i++)
		assert_int_not_equal(by_server_side(&sorted[i - 1], &sorted[i]), 0);
	assert_true(of_five <= ALL && n - of_five <= ALL);
	answer_many(h, seen, n);
	assert_int_equal(harness_all_drops(h), 0);
	/* An answer makes it a stream; then all come back. */
	harness_jump(h, 181000);
	for (unsigned int i = 0; harness_flows(h) && i < n; i++)
		harness_turn(h);
	assert_int_equal(harness_flows(h), 0);
	assert_int_equal(ports_in_use(h).ports, 0);
	free(sorted);
	free(seen);
	harness_destroy(h);
}

static void test_many(void **state)
{
	many(1, 70000);
}

static void test_many_workers(void **state)
{
	many(3, 70000);
}

/* When every port toward the server is used, new flows are refused and counted, those that are go
 * on; and one that ends makes room for another. */
static void test_exhausted(void **state)
{
	struct harness *h = start(1, 70000);
	struct frame *seen = calloc(ALL, sizeof(*seen));
	struct frame f = frame_make(UDP, "203.0.113.9", 5000, "192.0.2.20", 80, 0), got, back;
	struct flow_filter filter = { .client = { .len = 32 } };
	uint32_t who;

	assert_non_null(seen);
	open_many(h, "192.0.2.20", 80, 0, ALL, seen);
	harness_dropped(h, WAN, &f, DROP_no_local_port);
	assert_int_equal(harness_flows(h), ALL);
	assert_int_equal(
		counter_read(
			&h->workers->worker[0]
				 ->l4.service[model_service_by_name(h->snapshot.model, "one")->slot]
				 .refused),
		1);
	/* Toward another server, and in the other protocol, there are as many again. */
	f.proto = TCP;
	f.flags = FRAME_SYN;
	harness_through(h, WAN, &f, LAN);
	f.proto = UDP;
	f.flags = 0;
	back = answer(&seen[77], 0, 3);
	harness_through(h, LAN, &back, WAN);

	client(&back, 100);
	memcpy(&who, back.src, sizeof(who));
	filter.client.addr = addr_from_v4(who);
	assert_int_equal(harness_count(h, REQUEST_FLUSH, &filter), 1);
	got = harness_through(h, WAN, &f, LAN);
	back = answer(&got, 0, 3);
	got = harness_through(h, LAN, &back, WAN);
	assert_memory_equal(got.dst, f.src, 4);
	client(&f, 100);
	harness_dropped(h, WAN, &f, DROP_no_local_port);
	free(seen);
	harness_destroy(h);
}

/* ---- ports come back ------------------------------------------------------------------------- */

static uint16_t open_one(struct harness *h, uint8_t proto, uint16_t port, struct frame *server)
{
	struct frame f = frame_make(proto, CLIENT4, port, "192.0.2.20", 80, FRAME_SYN);

	*server = harness_through(h, WAN, &f, LAN);
	return server->sport;
}

static void test_given_back(void **state)
{
	struct harness *h = start(3, 0);
	struct frame server, back, f;
	json_t *doc;
	uint16_t first;

	/* The time-out of a flow that is reset. */
	open_one(h, TCP, 40000, &server);
	assert_int_equal(ports_in_use(h).ports, 1);
	back = answer(&server, FRAME_RST | FRAME_ACK, 0);
	harness_through(h, LAN, &back, WAN);
	harness_advance(h, 9000);
	assert_int_equal(ports_in_use(h).ports, 1);
	harness_advance(h, 2000);
	assert_int_equal(ports_in_use(h).ports, 0);

	/* A SYN in the place of a flow that ends: another port. */
	first = open_one(h, TCP, 40000, &server);
	back = answer(&server, FRAME_RST | FRAME_ACK, 0);
	harness_through(h, LAN, &back, WAN);
	assert_int_not_equal(open_one(h, TCP, 40000, &server), first);
	assert_int_equal(ports_in_use(h).ports, 1);

	/* Flush. */
	open_one(h, UDP, 40000, &server);
	assert_int_equal(ports_in_use(h).ports, 2);
	assert_int_equal(
		harness_count(h, REQUEST_FLUSH, &(struct flow_filter){ .any_client = true }), 2);
	assert_int_equal(ports_in_use(h).ports, 0);
	harness_dropped(h, LAN, &back, DROP_not_for_us);

	/* The server goes, with both its flows; another one has none. */
	open_one(h, TCP, 40001, &server);
	open_one(h, UDP, 40001, &server);
	f = frame_make(TCP, CLIENT4, 40001, "192.0.2.10", 80, FRAME_SYN);
	harness_through(h, WAN, &f, LAN);
	doc = harness_document(h);
	json_array_clear(json_object_get(harness_named(doc, "pools", "one"), "servers"));
	harness_apply(h, doc);
	harness_advance(h, 100);
	assert_int_equal(ports_in_use(h).ports, 1);
	assert_int_equal(harness_flows(h), 1);
	harness_destroy(h);
}

/* Flows from an address that is ours no more end; those from one that was only added go on. */
static void test_source_gone(void **state)
{
	struct harness *h = start(1, 0);
	struct frame f[2], got;
	unsigned int of[2];
	json_t *doc, *sources;

	for (unsigned int i = 0, have = 0; have != 3; i++) {
		struct frame one = frame_make(UDP, CLIENT4, 1000, "192.0.2.30", 53, 0);

		client(&one, i);
		got = harness_through(h, WAN, &one, LAN);
		have |= 1u << (got.src[3] - 5);
		f[got.src[3] - 5] = one;
	}
	doc = harness_document(h);
	sources = json_object_get(harness_named(doc, "pools", "sources"), "sources");
	json_array_clear(sources);
	json_array_append_new(sources, json_string("10.0.0.6"));
	json_array_append_new(sources, json_string("10.0.0.7"));
	harness_apply(h, doc);
	harness_advance(h, 100);
	for (unsigned int i = 0; i < 2; i++) {
		got = harness_through(h, WAN, &f[i], LAN);
		of[i] = got.src[3];
	}
	assert_true(of[0] == 6 || of[0] == 7);
	assert_int_equal(of[1], 6);
	harness_destroy(h);
}

/* ---- TOA ------------------------------------------------------------------------------------- */

struct toa {
	const char *name, *vip, *client;
	unsigned int len;
};

static const struct toa toas[] = { { "TOA, IPv4", "192.0.2.50", CLIENT4, 8 },
	{ "TOA, IPv6", "2001:db8:1::50", CLIENT6, 20 } };

static const uint8_t timestamps[12] = { 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8 };

/* Sends a client's segment and looks for the option in what the server gets. */
static struct frame told(struct harness *h, const struct toa *t, const struct frame *f, bool wanted)
{
	struct frame got = harness_through(h, WAN, f, LAN), who;
	unsigned int more = wanted ? t->len : 0;

	assert_int_equal(got.options_len, f->options_len + more);
	if (wanted) {
		frame_address(&who, who.src, t->client);
		assert_int_equal(got.options[0], 254);
		assert_int_equal(got.options[1], t->len);
		assert_int_equal(got.options[2] << 8 | got.options[3], 40000);
		assert_memory_equal(got.options + 4, who.src, t->len - 4);
	}
	if (f->options_len)
		assert_memory_equal(got.options + more, f->options, f->options_len);
	assert_int_equal(got.seq, f->seq);
	assert_int_equal(got.ack, f->ack);
	assert_int_equal(got.payload_len, f->payload_len);
	if (f->payload_len)
		assert_memory_equal(got.payload, f->payload, f->payload_len);
	return got;
}

static struct frame segment(const struct toa *t, uint8_t flags, uint16_t len)
{
	struct frame f = frame_make(TCP, t->client, 40000, t->vip, 80, flags);

	fill(&f, len);
	f.options = timestamps;
	f.options_len = sizeof(timestamps);
	return f;
}

static void test_toa(void **state)
{
	const struct toa *t = *state;
	struct harness *h =
		harness_create(&(struct harness_conf){ .file = "fullnat.json", .workers = 3 });
	static uint8_t big[1400], nops[40], fake[8] = { 254, 8, 0, 7, 1, 2, 3, 4 };
	static const uint8_t blank[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	struct frame f = segment(t, FRAME_SYN, 0), server, back, got;

	memset(nops, 1, sizeof(nops));
	/* Not in the SYN. What a client says of itself is wiped out there, too. */
	f.options = fake;
	f.options_len = sizeof(fake);
	server = harness_through(h, WAN, &f, LAN);
	assert_int_equal(server.options_len, sizeof(blank));
	assert_memory_equal(server.options, blank, sizeof(blank));
	server.options_len = 0;
	back = answer(&server, FRAME_SYN | FRAME_ACK, 0);
	harness_through(h, LAN, &back, WAN);

	f = segment(t, FRAME_ACK, 0);
	told(h, t, &f, true);
	f = segment(t, FRAME_ACK | FRAME_PSH, 33);
	told(h, t, &f, true);
	/* No options of its own, and as many as leave room. */
	f.options_len = 0;
	told(h, t, &f, true);
	f.options = nops;
	f.options_len = (uint8_t)(40 - t->len);
	told(h, t, &f, true);
	/* Too many of them; a segment that would become too long. */
	f.options_len = (uint8_t)(44 - t->len);
	told(h, t, &f, false);
	f.options_len = 40;
	told(h, t, &f, false);
	f.options_len = 0;
	f.payload = big;
	f.payload_len = (uint16_t)(1280 - (t->len == 8 ? 20 : 40) - 20 - t->len);
	told(h, t, &f, true);
	f.payload_len++;
	told(h, t, &f, false);
	/* A lie in a header that has no room for the truth. */
	memcpy(nops + 32, fake, 8);
	f = segment(t, FRAME_ACK, 0);
	f.options = nops;
	f.options_len = 40;
	got = harness_through(h, WAN, &f, LAN);
	memset(nops, 1, sizeof(nops));
	assert_memory_equal(got.options, nops, 40);
	/* The server has not understood: it says the same again. */
	harness_through(h, LAN, &back, WAN);
	f = segment(t, FRAME_ACK, 0);
	told(h, t, &f, true);
	/* Now it has. */
	back = answer(&server, FRAME_ACK, 12);
	harness_through(h, LAN, &back, WAN);
	f = segment(t, FRAME_ACK, 33);
	told(h, t, &f, false);
	f = segment(t, FRAME_ACK | FRAME_FIN, 0);
	told(h, t, &f, false);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* A path too narrow for what is added: the client cannot help it, so it is left out. */
static void test_toa_too_big(void **state)
{
	const struct toa *t = &toas[0];
	struct harness *h = start(1, 0);
	struct frame f = segment(t, FRAME_SYN, 0), server, back, error;
	const struct captured *sent;
	uint8_t quote[60];

	server = harness_through(h, WAN, &f, LAN);
	server.options_len = 0;
	back = answer(&server, FRAME_SYN | FRAME_ACK, 0);
	harness_through(h, LAN, &back, WAN);
	f = segment(t, FRAME_ACK, 40);
	f.df = true;
	told(h, t, &f, true);
	harness_send(h, WAN, &f);
	sent = harness_next(h, &server);
	assert_non_null(sent);
	memcpy(quote, sent->data + 14, sizeof(quote));

	error = (struct frame){ .proto = 1,
		.ttl = 64,
		.icmp_type = 3,
		.icmp_code = 4,
		.icmp_rest = 100,
		.payload = quote,
		.payload_len = sizeof(quote) };
	frame_address(&error, error.src, "10.0.0.13");
	frame_address(&error, error.dst, "10.0.0.1");
	harness_send(h, LAN, &error);
	assert_non_null(harness_next(h, &error));
	assert_int_equal(error.icmp_code, 4);
	told(h, t, &f, false);
	harness_destroy(h);
}

/* Sends a segment in which the client claims to be somebody else; whether the server hears it. */
static bool lie_is_heard(struct harness *h, const struct toa *t, uint8_t flags)
{
	static const uint8_t fake[8] = { 254, 8, 0, 7, 1, 2, 3, 4 };
	static const uint8_t blank[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	struct frame f = segment(t, flags, 0), got;
	bool heard;

	f.options = fake;
	f.options_len = sizeof(fake);
	got = harness_through(h, WAN, &f, LAN);
	heard = !memcmp(got.options + got.options_len - sizeof(fake), fake, sizeof(fake));
	if (!heard)
		assert_memory_equal(
			got.options + got.options_len - sizeof(blank), blank, sizeof(blank));
	return heard;
}

/* A client cannot say that it is somebody else before the server has completed the handshake. */
static void no_lies(const struct toa *t)
{
	struct harness *h = start(1, 0);
	struct frame f = segment(t, FRAME_SYN, 0), server, back, error;
	uint8_t quote[60];

	assert_false(lie_is_heard(h, t, FRAME_SYN));
	server = harness_through(h, WAN, &f, LAN);
	server.options_len = 0;
	assert_false(lie_is_heard(h, t, FRAME_ACK));
	back = answer(&server, FRAME_SYN | FRAME_ACK, 0);
	harness_through(h, LAN, &back, WAN);
	assert_false(lie_is_heard(h, t, FRAME_ACK));
	/* A segment was lost, out of the window, too big or too long under way: it may be the next
	 * that completes the handshake. */
	assert_false(lie_is_heard(h, t, FRAME_ACK));
	back = answer(&server, FRAME_ACK, 0);
	harness_through(h, LAN, &back, WAN);
	assert_false(lie_is_heard(h, t, FRAME_ACK));
	harness_send(h, WAN, &f);
	memcpy(quote, harness_next(h, &f)->data + 14, sizeof(quote));
	error = (struct frame){ .proto = 1,
		.ttl = 64,
		.icmp_type = 11,
		.payload = quote,
		.payload_len = sizeof(quote) };
	memcpy(error.src, f.dst, 16);
	memcpy(error.dst, f.src, 16);
	error.family = f.family;
	harness_send(h, LAN, &error);
	assert_non_null(harness_next(h, &error));
	assert_false(lie_is_heard(h, t, FRAME_ACK));
	/* It is complete: no segment is looked at any more. */
	back.ack++;
	harness_through(h, LAN, &back, WAN);
	assert_true(lie_is_heard(h, t, FRAME_ACK));
	harness_destroy(h);
}

static void test_no_lies(void **state)
{
	no_lies(&(struct toa){ "", "192.0.2.20", CLIENT4, 8 });
	no_lies(&toas[0]);
}

/* Without it nothing is added, and other options stay. */
static void test_no_toa(void **state)
{
	static const struct toa t = { "", "192.0.2.20", CLIENT4, 8 };
	struct harness *h = start(1, 0);
	struct frame f = segment(&t, FRAME_SYN, 0), server, back;

	server = told(h, &t, &f, false);
	server.options_len = 0;
	back = answer(&server, FRAME_SYN | FRAME_ACK, 0);
	harness_through(h, LAN, &back, WAN);
	f = segment(&t, FRAME_ACK, 0);
	told(h, &t, &f, false);
	harness_destroy(h);
}

/* An address of the port that is a service's too is no source: its packets are clients'. */
static void test_virtual_address_is_no_source(void **state)
{
	for (unsigned int workers = 1; workers <= 3; workers += 2) {
		struct harness *h = harness_create(
			&(struct harness_conf){ .file = "fullnat.json", .workers = workers });
		json_t *doc = harness_document(h);
		struct frame other = frame_make(TCP, "10.0.0.9", 1, CLIENT4, 1, 0);

		json_array_append_new(
			json_object_get(harness_named(doc, "ports", "lan"), "addresses"),
			json_string("10.0.0.9/24"));
		json_array_append_new(json_object_get(doc, "services"),
			json_pack("{s:s,s:s,s:s,s:s,s:s}", "name", "own", "address", "10.0.0.1:443",
				"protocol", "tcp", "mode", "fullnat", "pool", "four"));
		harness_apply(h, doc);
		harness_advance(h, 100);
		for (unsigned int i = 0; i < 30; i++) {
			struct frame f = frame_make(
				TCP, CLIENT4, (uint16_t)(40000 + i), "192.0.2.10", 80, FRAME_SYN);
			struct frame server = harness_through(h, WAN, &f, LAN), back;

			assert_memory_equal(server.src, other.src, 4);
			back = answer(&server, FRAME_SYN | FRAME_ACK, 0);
			harness_through(h, LAN, &back, WAN);
		}
		assert_int_equal(harness_flows(h), 30);
		harness_destroy(h);
	}
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(test_one_arm),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_many_workers),
		cmocka_unit_test(test_exhausted),
		cmocka_unit_test(test_given_back),
		cmocka_unit_test(test_source_gone),
		cmocka_unit_test(test_toa_too_big),
		cmocka_unit_test(test_no_lies),
		cmocka_unit_test(test_no_toa),
		cmocka_unit_test(test_virtual_address_is_no_source),
	};
	struct CMUnitTest tests[RTE_DIM(paths) + RTE_DIM(plain) + RTE_DIM(toas)];
	char names[RTE_DIM(paths)][64];
	size_t n = 0;

	for (size_t i = 0; i < RTE_DIM(paths); i++) {
		snprintf(names[i], sizeof(names[i]), "%s, %u workers, %u queues", paths[i].name,
			paths[i].workers, paths[i].rxqs);
		tests[n++] = (struct CMUnitTest){ names[i], test_path, NULL, NULL,
			(void *)(uintptr_t)&paths[i] };
	}
	for (size_t i = 0; i < RTE_DIM(toas); i++)
		tests[n++] = (struct CMUnitTest){ toas[i].name, test_toa, NULL, NULL,
			(void *)(uintptr_t)&toas[i] };
	for (size_t i = 0; i < RTE_DIM(plain); i++)
		tests[n++] = plain[i];
	harness_init();
	return _cmocka_run_group_tests("fullnat", tests, n, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Local ports, packet buffers, the hold queue, the neighbour table and the rings used up, one at a
 * time, and the alarms before that. While it lasts, flows that exist go on without a loss and what
 * is refused is counted; a second after, new ones succeed. The flow table is full_test.c's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alarm_lab.h"
#include "talk.h"

static const struct where nat = { "nat", TCP, "198.51.100.7", "192.0.2.51" }; /* servers a and b */
static const struct where dr = { "dr", TCP, "198.51.100.7", "192.0.2.10" };   /* all four */
static const struct where fullnat = { "fullnat", TCP, "198.51.100.7", "192.0.2.30" };
static const struct where hashed = { "hashed", TCP, "198.51.100.7", "192.0.2.60" };
static const struct where kept = { "kept", TCP, "198.51.100.7", "192.0.2.61" };

static struct l4 *l4_of(struct harness *h)
{
	return &h->workers->worker[0]->l4;
}

static struct talk established(struct harness *h, const struct where *at, uint16_t sport)
{
	struct talk t = talk_of(h, at, sport);

	talk_establish(&t);
	return t;
}

/* New flows to four servers, two of which nothing was known of. */
static void reach_all(struct harness *h, uint16_t sport)
{
	for (uint16_t i = 0; i < 4; i++) {
		struct talk t = talk_of(h, &dr, (uint16_t)(sport + i));

		talk_client(&t, FRAME_SYN);
	}
}

/* ---- local ports ---------------------------------------------------------------------------- */

static struct tuple answers_of(const char *server, const char *source)
{
	struct tuple back = { .sport = RTE_BE16(8080), .proto = TCP };

	assert_int_equal(addr_parse(server, &back.src), 0);
	assert_int_equal(addr_parse(source, &back.dst), 0);
	return back;
}

/* Takes every port toward a server; returns the last one's answers. */
static struct tuple take_ports(struct harness *h, const char *server)
{
	struct tuple back = answers_of(server, "10.0.0.1"), last = back;
	unsigned int n = 0;

	while (lport_take(l4_of(h)->lports, &back, l4_of(h)->now_ms) == DROP_none) {
		last = back;
		n++;
	}
	assert_true(n > 60000);
	return last;
}

/* A scheduler that always names the same server does not keep a flow from the others. */
static void test_ports(void **state)
{
	static const char *const servers[] = { "10.0.0.11", "10.0.0.12", "10.0.0.13" };
	const struct where *at = *state;
	struct harness *h =
		harness_create(&(struct harness_conf){ .file = "full.json", .workers = 1 });
	struct talk first = established(h, at, 5000), t = first;
	struct tuple last = { 0 };
	struct frame f;

	for (unsigned int full = 0; full < 2; full++) { /* whoever it is gets full */
		char text[ADDR_TEXT];

		snprintf(text, sizeof(text), "10.0.0.%u", t.last.dst[3]);
		take_ports(h, text);
		t = established(h, at, (uint16_t)(6000 + full));
		assert_memory_not_equal(t.last.dst, first.last.dst, 4);
		talk_goes_on(&first);
	}
	for (unsigned int i = 0; i < RTE_DIM(servers); i++)
		if (t.last.dst[3] == 11 + i)
			last = take_ports(h, servers[i]);
	f = talk_frame(at, 7000, FRAME_SYN);
	for (int i = 0; i < 100; i++)
		harness_dropped(h, WAN, &f, DROP_no_local_port);
	talk_goes_on(&first);
	talk_goes_on(&t);
	/* One comes back, and is taken at once. */
	lport_give(l4_of(h)->lports, &last, l4_of(h)->now_ms);
	established(h, at, 7000);
	harness_destroy(h);
}

/* ---- packet buffers ------------------------------------------------------------------------- */

#define BUFFERS 512

static void test_no_buffer(void **state)
{
	struct harness *h = harness_create(&(struct harness_conf){
		.file = "full.json", .workers = 1, .packets = BUFFERS, .apart = true });
	struct talk t = established(h, &nat, 5000);
	struct rte_mbuf *all[BUFFERS];
	static const uint8_t payload[1380];
	unsigned int n = 0;
	struct frame f;

	established(h, &nat, 5001);
	while (n < BUFFERS && (all[n] = rte_pktmbuf_alloc(h->pool)))
		n++;
	assert_null(rte_pktmbuf_alloc(h->pool));

	talk_goes_on(&t);
	established(h, &nat, 5002); /* that takes none */
	/* An ICMP error, a RST, fragments: not to be had, and counted. */
	f = talk_frame(&nat, 5000, FRAME_ACK);
	f.ttl = 1;
	harness_send(h, WAN, &f);
	assert_int_equal(harness_drops(h, DROP_ttl_expired), 1);
	assert_int_equal(harness_drops(h, DROP_no_mbuf), 1);
	f = frame_make(TCP, "198.51.100.7", 5000, "192.0.2.54", 80, FRAME_ACK);
	harness_send(h, WAN, &f);
	assert_int_equal(harness_drops(h, DROP_no_flow), 1);
	assert_int_equal(harness_drops(h, DROP_no_mbuf), 2);
	f = talk_frame(&nat, 5000, FRAME_ACK);
	f.payload = payload;
	f.payload_len = sizeof(payload);
	harness_send(h, WAN, &f);
	assert_int_equal(harness_drops(h, DROP_no_mbuf), 3);
	/* Neither can servers be asked for their MACs; first packets wait for that. */
	for (uint16_t i = 0; i < 4; i++)
		talk_first(h, &dr, (uint16_t)(6000 + i));
	assert_true(harness_drops(h, DROP_no_mbuf) > 3);
	harness_forget(h);
	harness_advance(h, 500);
	assert_null(harness_next(h, NULL));
	talk_goes_on(&t);

	while (n > 0)
		rte_pktmbuf_free(all[--n]);
	harness_advance(h, 300);
	assert_non_null(harness_next(h, NULL));
	assert_non_null(harness_next(h, NULL));
	harness_forget(h);
	harness_send(h, WAN, &f);
	assert_non_null(harness_take(h)); /* in two */
	assert_non_null(harness_take(h));
	harness_forget(h);
	f = talk_frame(&nat, 5000, FRAME_ACK);
	f.ttl = 1;
	harness_through(h, WAN, &f, WAN);
	talk_goes_on(&t);
	harness_destroy(h);
}

/* ---- waiting for neighbours ----------------------------------------------------------------- */

/* Servers answer clients on the link that are not there: addresses of the i-th and of n more. */
static void scan(struct harness *h, unsigned int i, unsigned int n)
{
	for (const unsigned int end = i + n; i < end; i++) {
		char client[32];
		struct where at = nat;
		struct talk t;
		struct frame f;

		snprintf(client, sizeof(client), "192.0.2.%u", 100 + i);
		at.client = client;
		t = talk_of(h, &at, 5000);
		talk_client(&t, FRAME_SYN);
		f = t.last;
		memcpy(f.src, t.last.dst, 16);
		memcpy(f.dst, t.last.src, 16);
		f.sport = t.last.dport;
		f.dport = t.last.sport;
		f.flags = FRAME_SYN | FRAME_ACK;
		memset(f.eth_dst, 0, 6);
		memset(f.eth_src, 0, 6);
		harness_send(h, LAN, &f);
		assert_null(harness_next(h, NULL));
	}
}

static void test_hold_full(void **state)
{
	struct harness *h = harness_create(
		&(struct harness_conf){ .file = "full.json", .workers = 1, .hold = 16 });
	struct talk t = established(h, &nat, 5000);
	uint64_t full;

	established(h, &nat, 5001);
	scan(h, 0, 30);
	full = harness_drops(h, DROP_hold_full);
	assert_int_equal(full, 30 - 16);
	talk_goes_on(&t);
	/* Who has waited for long gives way, amid the scan and after it. */
	harness_advance(h, 150);
	scan(h, 30, 10);
	assert_int_equal(h->workers->net[0]->held, 16);
	assert_int_equal(harness_drops(h, DROP_hold_full), full + 10);
	reach_all(h, 6000);
	talk_goes_on(&t);
	harness_advance(h, 10000);
	assert_int_equal(h->workers->net[0]->held, 0);
	harness_destroy(h);
}

static void test_neighbours_full(void **state)
{
	struct harness *h = harness_create(
		&(struct harness_conf){ .file = "full.json", .workers = 1, .neighbours = 64 });
	struct talk t = established(h, &nat, 5000);

	established(h, &nat, 5001);
	for (unsigned int i = 0; i < 10; i++) {
		scan(h, 14 * i, 14);
		talk_goes_on(&t);
		harness_advance(h, 100);
	}
	assert_true(harness_drops(h, DROP_neigh_table_full) > 0);
	harness_advance(h, 1000);
	for (uint16_t i = 0; i < 8; i++)
		talk_first(h, &dr, (uint16_t)(6000 + i));
	harness_advance(h, 300);
	for (unsigned int i = 0; i < 8; i++)
		assert_non_null(harness_next(h, NULL));
	talk_goes_on(&t);
	harness_destroy(h);
}

/* ---- rings ---------------------------------------------------------------------------------- */

/* Gives a frame to a queue without turning. */
static void inject(struct harness *h, uint16_t queue, struct frame f)
{
	uint8_t buf[FRAME_MAX];

	memcpy(f.eth_dst, h->nic[WAN]->mac.addr_bytes, 6);
	memcpy(f.eth_src, h->host[0].mac, 6);
	assert_true(harness_inject(h, WAN, queue, buf, frame_build(&f, buf)));
}

static void poll_one(struct harness *h, unsigned int worker, unsigned int times)
{
	while (times-- > 0)
		worker_poll(h->workers->worker[worker], h->tsc);
}

/* The control core does not come round: ARP waits, and then goes. */
static void test_punt_full(void **state)
{
	static const uint8_t question[28] = { 0, 1, 8, 0, 6, 4, 0, 1, 10, 0, 0, 0, 0, 1, 192, 0, 2,
		254, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1 };
	struct harness *h =
		harness_create(&(struct harness_conf){ .file = "full.json", .workers = 1 });
	struct talk t = established(h, &nat, 5000);
	uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	uint64_t lost;

	memcpy(frame + 6, h->host[0].mac, 6);
	memcpy(frame + 12, (uint8_t[]){ 8, 6 }, 2);
	memcpy(frame + 14, question, sizeof(question));
	memcpy(frame + 22, h->host[0].mac, 6);
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 1500; i++)
			assert_true(harness_inject(h, WAN, 0, frame, sizeof(frame)));
		inject(h, 0, talk_frame(&nat, 5000, FRAME_ACK));
		poll_one(h, 0, 60);
		h->tsc += 100000000;
	}
	lost = harness_drops(h, DROP_punt_full) + harness_drops(h, DROP_punt_rate);
	assert_true(lost > 0);
	assert_int_equal(harness_all_drops(h), lost);
	harness_around(h);
	for (int round = 0; round < 4; round++)
		assert_non_null(harness_next(h, NULL));
	talk_goes_on(&t);
	harness_advance(h, 1000);
	lost = h->answered;
	assert_true(harness_inject(h, WAN, 0, frame, sizeof(frame)));
	harness_step(h);
	assert_int_equal(h->answered, lost + 1);
	reach_all(h, 6000);
	harness_destroy(h);
}

static unsigned int owner_of(struct harness *h, const struct frame *f)
{
	uint32_t src;

	memcpy(&src, f->src, sizeof(src));
	return steer_owner(h->workers->steer[0],
		&(struct tuple){ .src = addr_from_v4(src),
			.sport = rte_cpu_to_be_16(f->sport),
			.proto = f->proto },
		true);
}

/* Another worker does not come round: what is for it is lost beyond its rings, nothing else. */
static void test_rings_full(void **state)
{
	const struct where *at = *state;
	const enum drop_reason reason = at == &dr ? DROP_handoff_full : DROP_ask_full;
	struct harness *h = harness_create(&(struct harness_conf){
		.file = "full.json", .workers = 2, .flows_v4 = 8192, .to_owner = true });
	struct frame f = talk_frame(at, 1024, FRAME_SYN);
	struct talk mine[8];
	unsigned int n = 0;

	reach_all(h, 900);
	for (uint16_t sport = 1024; n < 8; sport++) { /* those of the worker that does */
		const unsigned int before = h->workers->worker[0]->l4.service[0].flows_opened;
		struct talk t = established(h, &nat, sport);
		struct flow_stats s;

		flow_stats(h->workers->worker[0]->l4.flows, &s);
		if (s.v4 > n + before)
			mine[n++] = t;
	}
	for (unsigned int i = 0; i < 6000 && harness_drops(h, reason) == 0; i++, f.sport++) {
		f.src[3] = (uint8_t)i; /* homes of clients are here and there */
		if (owner_of(h, &f) != (reason == DROP_handoff_full))
			continue;
		inject(h, 0, f);
		poll_one(h, 0, 1);
	}
	assert_true(harness_drops(h, reason) > 0);
	for (unsigned int i = 0; i < n; i++)
		inject(h, 0, talk_frame(&nat, mine[i].sport, FRAME_ACK));
	poll_one(h, 0, 1);
	assert_int_equal(harness_all_drops(h), harness_drops(h, reason));
	harness_step(h);
	harness_forget(h);
	for (unsigned int i = 0; i < n; i++)
		talk_goes_on(&mine[i]);
	for (unsigned int i = 0; i < 100; i++, f.sport++)
		harness_through(h, WAN, &f, LAN);
	assert_int_equal(harness_all_drops(h), harness_drops(h, reason));
	harness_destroy(h);
}

/* ---- alarms --------------------------------------------------------------------------------- */

/* Up above 80 per cent, down below 70, and not in between. */
static void test_alarm_flows(void **state)
{
	const struct flow_filter all = { .any_client = true };
	struct harness *h = harness_create(&(struct harness_conf){
		.file = "full.json", .workers = 1, .flows_v4 = 100, .flows_v6 = 100 });
	struct alarms a = { 0 };
	uint64_t used;

	for (uint16_t i = 0; i <= 90; i++) {
		assert_int_equal(alarm_of(h, &a, "flows", &used), i > 80);
		assert_int_equal(used, i);
		assert_false(alarm_of(h, &a, "flows-v6", &used));
		assert_int_equal(used, 0);
		talk_first(h, &fullnat, (uint16_t)(5000 + i));
	}
	for (uint16_t i = 91; i > 60; i--) {
		struct flow_info info;
		uint8_t dir;

		assert_int_equal(alarm_of(h, &a, "flows", &used), i > 70);
		assert_int_equal(used, i);
		assert_int_equal(harness_sessions(h, &all, &info, 1), 1);
		l4_close(l4_of(h), flow_find(l4_of(h)->flows, &info.forward, &dir));
	}
	harness_forget(h);
	harness_destroy(h);
}

static void test_alarm_others(void **state)
{
	struct harness *h = harness_create(&(struct harness_conf){ .file = "full.json",
		.workers = 1,
		.hold = 20,
		.neighbours = 40,
		.persistence = 100,
		.packets = BUFFERS,
		.apart = true });
	struct rte_mbuf *all[BUFFERS];
	struct alarms a = { 0 };
	unsigned int n = 0;
	struct tuple last;
	uint64_t used;

	established(h, &nat, 5000);
	established(h, &nat, 5001);
	assert_false(alarm_of(h, &a, "hold", &used));
	assert_int_equal(used, 0);
	scan(h, 0, 17);
	assert_true(alarm_of(h, &a, "hold", &used));
	assert_int_equal(used, 17);
	assert_false(alarm_of(h, &a, "neighbours", &used));
	assert_in_range(used, 17, 32);
	harness_advance(h, 5000);
	assert_false(alarm_of(h, &a, "hold", &used));
	scan(h, 20, 19);
	assert_true(alarm_of(h, &a, "neighbours", &used));

	assert_false(alarm_of(h, &a, "packets", &used));
	while (n < BUFFERS * 9 / 10 && (all[n] = rte_pktmbuf_alloc(h->pool)))
		n++;
	assert_true(alarm_of(h, &a, "packets", &used));
	assert_true(used >= n);
	while (n > 0)
		rte_pktmbuf_free(all[--n]);
	assert_false(alarm_of(h, &a, "packets", &used));

	last = take_ports(h, "10.0.0.11");
	assert_true(alarm_of(h, &a, "local-ports", &used));
	assert_int_equal(used, LPORT_COUNT);
	for (uint32_t port = LPORT_FIRST; port < 65536; port++) {
		last.dport = rte_cpu_to_be_16((uint16_t)port);
		lport_give(l4_of(h)->lports, &last, l4_of(h)->now_ms);
	}
	assert_false(alarm_of(h, &a, "local-ports", &used));
	assert_int_equal(used, 0);

	for (unsigned int i = 0; i < 85; i++) {
		char client[32];
		struct where at = kept;

		snprintf(client, sizeof(client), "198.51.100.%u", i + 1);
		at.client = client;
		assert_int_equal(alarm_of(h, &a, "persistence", &used), i > 80);
		assert_int_equal(used, i);
		talk_first(h, &at, 7000);
	}
	harness_forget(h);
	harness_destroy(h);
}

int main(void)
{
#define AT(test, where)                                                                            \
	(struct CMUnitTest)                                                                        \
	{                                                                                          \
		.name = #test " " #where, .test_func = test,                                       \
		.initial_state = (void *)(uintptr_t)&where                                         \
	}
	const struct CMUnitTest tests[] = {
		AT(test_ports, hashed),
		AT(test_ports, kept),
		cmocka_unit_test(test_no_buffer),
		cmocka_unit_test(test_hold_full),
		cmocka_unit_test(test_neighbours_full),
		cmocka_unit_test(test_punt_full),
		AT(test_rings_full, dr),
		AT(test_rings_full, kept),
		cmocka_unit_test(test_alarm_flows),
		cmocka_unit_test(test_alarm_others),
	};

	harness_init();
	return _cmocka_run_group_tests("starved", tests, RTE_DIM(tests), NULL, NULL);
}

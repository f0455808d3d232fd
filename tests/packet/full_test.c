/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything full, one thing at a time: the flow table, its index, the rate of new flows, local
 * ports, packet buffers, the hold queue, the neighbour table, the rings. While it lasts, flows that
 * exist go on without a loss and what is refused is counted; a second after, new ones succeed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "l4/conn.h"
#include "l4/evict.h"
#include "sched/limit.h"
#include "talk.h"

#define CLIENT "198.51.100.7"
#define DR     "192.0.2.10"
#define NAT    "192.0.2.20"

static struct l4 *l4_of(struct harness *h)
{
	return &h->workers->worker[0]->l4;
}

static struct harness *small(uint32_t flows)
{
	return harness_create(&(struct harness_conf){
		.file = "full.json", .workers = 1, .flows_v4 = flows, .flows_v6 = flows });
}

/* ---- connections ----------------------------------------------------------------------------- */

static const struct where two_way[] = {
	{ "NAT, IPv4, TCP", TCP, "198.51.100.7", "192.0.2.20" },
	{ "NAT, IPv4, UDP", UDP, "198.51.100.7", "192.0.2.20" },
	{ "NAT, IPv6, TCP", TCP, "2001:db8:c::7", "2001:db8:1::20" },
	{ "NAT, IPv6, UDP", UDP, "2001:db8:c::7", "2001:db8:1::20" },
	{ "FULLNAT, IPv4, TCP", TCP, "198.51.100.7", "192.0.2.30" },
	{ "FULLNAT, IPv4, UDP", UDP, "198.51.100.7", "192.0.2.30" },
	{ "FULLNAT, IPv6, TCP", TCP, "2001:db8:c::7", "2001:db8:1::30" },
	{ "FULLNAT, IPv6, UDP", UDP, "2001:db8:c::7", "2001:db8:1::30" },
};

static const struct where one_way[] = {
	{ "DR, IPv4, TCP", TCP, "198.51.100.7", "192.0.2.10" },
	{ "DR, IPv4, UDP", UDP, "198.51.100.7", "192.0.2.10" },
	{ "DR, IPv6, TCP", TCP, "2001:db8:c::7", "2001:db8:1::10" },
	{ "DR, IPv6, UDP", UDP, "2001:db8:c::7", "2001:db8:1::10" },
	{ "tunnel, IPv4, TCP", TCP, "198.51.100.7", "192.0.2.40" },
};

/* First packets that went without an entry. */
static uint64_t stateless(struct harness *h, const struct where *at)
{
	const struct frame f = talk_frame(at, 1, 0);
	const struct addr vip =
		f.family == 6 ? addr_from_v6(f.dst)
			      : addr_from_v4(rte_cpu_to_be_32((uint32_t)f.dst[0] << 24 |
							      (uint32_t)f.dst[1] << 16 |
							      (uint32_t)f.dst[2] << 8 | f.dst[3]));
	const struct service *s = model_service(h->snapshot.model, &vip, at->proto, RTE_BE16(80));
	uint64_t n = 0;

	assert_non_null(s);
	for (unsigned int i = 0; i < h->conf.workers; i++)
		n += h->workers->worker[i]->l4.strain[s->slot].stateless;
	return n;
}

static uint64_t in_state(struct harness *h, enum conn_state state)
{
	const struct flow_filter filter = { .any_client = true, .state = (uint8_t)state };

	return harness_count(h, REQUEST_COUNT, &filter);
}

/* The counts of flows that are only beginning are what the flows say. */
static void assert_embryos(struct harness *h)
{
	assert_int_equal(l4_of(h)->embryos[0].n + l4_of(h)->embryos[1].n,
		in_state(h, CONN_SYN) + in_state(h, CONN_SYN_ACK) + in_state(h, CONN_UDP));
}

static uint64_t local_ports(struct harness *h)
{
	struct lport_stats s;

	lport_stats(l4_of(h)->lports, &s);
	return s.ports;
}

/* ---- the flow table ------------------------------------------------------------------------- */

#define ENTRIES 64
#define KEPT    32

/* Half of a table established, half of it only begun: that half is what a flood gets. */
static void test_evict(void **state)
{
	const struct where *at = *state;
	struct harness *h = small(ENTRIES);
	struct talk kept[KEPT], late = talk_of(h, at, 9000);
	uint64_t full;

	for (uint16_t i = 0; i < KEPT; i++) {
		kept[i] = talk_of(h, at, (uint16_t)(5000 + i));
		talk_establish(&kept[i]);
	}
	for (uint16_t i = KEPT; i < ENTRIES; i++)
		talk_first(h, at, (uint16_t)(5000 + i));
	harness_forget(h);
	assert_int_equal(harness_flows(h), ENTRIES);
	assert_embryos(h);
	/* They have had no time yet. */
	struct frame f = talk_frame(at, 8000, FRAME_SYN);
	harness_dropped(h, WAN, &f, DROP_flow_table_full);
	assert_int_equal(l4_of(h)->evicted, 0);

	harness_advance(h, EVICT_AGE_MS + 10);
	full = harness_drops(h, DROP_flow_table_full);
	for (uint16_t i = 0; i < 400; i++) {
		talk_first(h, at, (uint16_t)(10000 + i));
		if (i == 200) { /* amid the flood */
			harness_forget(h);
			harness_advance(h, EVICT_AGE_MS);
			talk_establish(&late);
		}
		harness_forget(h);
		harness_advance(h, 1);
	}
	assert_int_equal(harness_flows(h), ENTRIES);
	assert_true(l4_of(h)->evicted >= ENTRIES - KEPT);
	assert_true(harness_drops(h, DROP_flow_table_full) > full); /* those had no time */
	assert_embryos(h);
	for (uint16_t i = 0; i < KEPT; i++)
		talk_goes_on(&kept[i]);
	talk_goes_on(&late);
	assert_int_equal(local_ports(h), strchr(at->name, 'F') ? ENTRIES : 0);

	/* A second after, it is as if nothing had been. */
	harness_advance(h, 1000);
	for (uint16_t i = 0; i < 8; i++) {
		struct talk t = talk_of(h, at, (uint16_t)(20000 + i));

		talk_establish(&t);
	}
	harness_destroy(h);
}

/* Established flows alone: a new one is refused, and room is there as soon as one has gone. */
static void test_established_stay(void **state)
{
	struct harness *h = small(ENTRIES);
	struct talk t[ENTRIES];
	struct frame f = talk_frame(&two_way[0], 9000, FRAME_SYN);
	struct flow_filter one = { .any_client = true, .state = CONN_RESET };

	for (uint16_t i = 0; i < ENTRIES; i++) {
		t[i] = talk_of(h, &two_way[0], (uint16_t)(5000 + i));
		talk_establish(&t[i]);
	}
	harness_advance(h, 1000);
	for (int i = 0; i < 100; i++)
		harness_dropped(h, WAN, &f, DROP_flow_table_full);
	for (uint16_t i = 0; i < ENTRIES; i++)
		talk_goes_on(&t[i]);
	assert_int_equal(l4_of(h)->evicted, 0);
	/* IPv6 has room of its own. */
	talk_first(h, &two_way[2], 9000);
	assert_int_equal(harness_flows(h), ENTRIES + 1);
	harness_forget(h);
	talk_client(&t[7], FRAME_RST);
	assert_int_equal(harness_count(h, REQUEST_FLUSH, &one), 1);
	harness_through(h, WAN, &f, LAN);
	assert_embryos(h);
	harness_destroy(h);
}

/* One flow in very many that may go: found within few tries, and soon nothing is searched. */
static void test_evict_needle(void **state)
{
	struct harness *h = small(1024);
	struct frame f = talk_frame(&two_way[0], 9000, FRAME_SYN);
	struct talk t;
	unsigned int tries = 0;

	for (uint16_t i = 0; i < 1024; i++) {
		t = talk_of(h, &two_way[0], (uint16_t)(10000 + i));
		if (i == 700)
			talk_first(h, &two_way[0], t.sport);
		else
			talk_establish(&t);
		harness_forget(h);
	}
	harness_advance(h, 1000);
	while (l4_of(h)->evicted == 0) {
		assert_true(tries++ < 1024 / 32);
		harness_send(h, WAN, &f);
	}
	harness_forget(h);
	/* The new one is too young: after two times around nothing is looked at for a while. */
	for (f.sport = 9001; f.sport < 9100; f.sport++)
		harness_dropped(h, WAN, &f, DROP_flow_table_full);
	assert_true(l4_of(h)->embryos[0].pausing);
	harness_advance(h, 1000);
	for (tries = 0; l4_of(h)->evicted == 1; f.sport++) {
		assert_true(tries++ < 1024 / 32);
		harness_send(h, WAN, &f);
	}
	harness_forget(h);
	talk_goes_on(&t);
	harness_destroy(h);
}

/* What a flow held goes back: its server's limit, and a place for servers' own connections. */
static void test_evict_gives_back(void **state)
{
	static const struct where limited = { "limited", TCP, CLIENT, "192.0.2.51" };
	struct harness *h = small(ENTRIES);
	const struct server *a = harness_server(h, "limited", "a");
	struct frame f;

	for (uint16_t i = 0; i < ENTRIES; i++)
		talk_first(h, &limited, (uint16_t)(5000 + i));
	assert_int_equal(limit_taken(l4_of(h)->sched, a->slot), 10);
	for (uint16_t round = 1; round < 20; round++) {
		harness_advance(h, EVICT_AGE_MS);
		for (uint16_t i = 0; i < ENTRIES / 2; i++)
			talk_first(h, &limited, (uint16_t)(5000 + round * ENTRIES + i));
		assert_int_equal(limit_taken(l4_of(h)->sched, a->slot), 10);
		assert_int_equal(harness_flows(h), ENTRIES);
	}
	harness_forget(h);
	harness_advance(h, EVICT_AGE_MS);
	f = frame_make(TCP, "10.0.0.11", 4000, "198.51.100.99", 443, FRAME_SYN);
	harness_through(h, LAN, &f, WAN);
	assert_embryos(h);
	harness_advance(h, 40000);
	assert_int_equal(harness_flows(h), 0);
	assert_int_equal(limit_taken(l4_of(h)->sched, a->slot), 0);
	assert_embryos(h);
	harness_destroy(h);
}

/* The index has no overflow bucket left, though there are entries: a flow of the chain goes. */
static void test_index_full(void **state)
{
	struct harness *h = harness_create(&(struct harness_conf){
		.file = "full.json", .workers = 1, .flows_v4 = 2048, .flows_v6 = 32 });
	struct frame f = talk_frame(&two_way[0], 80, FRAME_SYN);
	uint32_t opened = 0, client = 0;
	uint64_t full = 0;

	while (full == 0 || l4_of(h)->evicted == 0) {
		struct tuple t;

		do {
			client++;
			memcpy(f.src,
				(uint8_t[]){ 100, (uint8_t)(client >> 16), (uint8_t)(client >> 8),
					(uint8_t)client },
				4);
			t = (struct tuple){ .src = addr_from_v4(
						    rte_cpu_to_be_32(0x64000000 + client)),
				.dst = addr_from_v4(RTE_BE32(0xc0000214)),
				.sport = RTE_BE16(80),
				.dport = RTE_BE16(80),
				.proto = TCP };
		} while (flow_hash(l4_of(h)->flows, &t) >> 22); /* all in one bucket */
		harness_send(h, WAN, &f);
		harness_forget(h);
		assert_true(++opened < 2000);
		if (harness_drops(h, DROP_flow_table_full) > full) {
			full = harness_drops(h, DROP_flow_table_full);
			harness_advance(h, EVICT_AGE_MS + 10);
		}
	}
	assert_int_equal(full, 1);
	assert_true(harness_flows(h) < 2000);
	harness_send(h, WAN, &f);
	assert_non_null(harness_next(h, NULL));
	harness_destroy(h);
}

/* Without an entry to be had, DR and tunnels go by Maglev; not where a server has a limit. */
static void test_stateless_when_full(void **state)
{
	struct harness *h = small(ENTRIES);
	struct frame f;

	for (uint16_t i = 0; i < ENTRIES; i++)
		talk_first(h, &two_way[0], (uint16_t)(5000 + i));
	harness_forget(h);
	harness_advance(h, 1000);
	for (size_t i = 0; i < RTE_DIM(one_way); i++) {
		struct talk t = talk_of(h, &one_way[i], 9000);

		if (strchr(one_way[i].client, ':'))
			continue;
		talk_client(&t, FRAME_SYN);
		talk_more(&t, 5);
		assert_int_equal(stateless(h, &one_way[i]), one_way[i].proto == TCP ? 1 : 6);
	}
	f = frame_make(UDP, CLIENT, 9000, "192.0.2.50", 80, 0);
	harness_dropped(h, WAN, &f, DROP_flow_table_full);
	f = frame_make(TCP, CLIENT, 9000, "192.0.2.52", 80, FRAME_SYN); /* kept clients, too */
	harness_through(h, WAN, &f, LAN);
	assert_int_equal(l4_of(h)->evicted, 0);
	assert_int_equal(harness_flows(h), ENTRIES);
	harness_destroy(h);
}

/* ---- the rate of new flows ------------------------------------------------------------------ */

#define RATE  100
#define FLOOD 500

static void set_rate(struct harness *h, const char *service, unsigned int rate)
{
	json_t *doc = harness_document(h);
	json_t *o = service ? harness_named(doc, "services", service) : doc;

	json_object_set_new(o, "new-flows", json_integer(rate));
	harness_apply(h, doc);
}

/* Modes that see one direction, above the rate: nothing is lost, nobody changes servers, also when
 * the flood is over and SYNs come again or datagrams go on. */
static void test_rate_one_way(void **state)
{
	const struct where *at = *state;
	const bool v6 = strchr(at->client, ':');
	struct harness *h =
		harness_create(&(struct harness_conf){ .file = "full.json", .workers = 1 });
	struct talk *t = calloc(FLOOD, sizeof(*t));
	uint64_t without;

	assert_non_null(t);
	set_rate(h, NULL, RATE);
	for (uint16_t i = 0; i < FLOOD; i++) {
		t[i] = talk_of(h, at, (uint16_t)(5000 + i));
		talk_client(&t[i], FRAME_SYN);
	}
	assert_int_equal(harness_flows(h), RATE);
	assert_int_equal(stateless(h, at), FLOOD - RATE);
	/* The other family has its own. */
	talk_first(h, v6 ? &one_way[0] : &one_way[2], 5000);
	harness_forget(h);
	assert_int_equal(harness_flows(h), RATE + 1);
	for (uint16_t i = 0; i < FLOOD; i++)
		if (at->proto == TCP)
			talk_more(&t[i], 1);
	without = stateless(h, at);
	harness_advance(h, 1000);
	/* Some of those now get entries, with the server they have. */
	for (uint16_t i = FLOOD - RATE; i < FLOOD; i++)
		talk_again(&t[i]);
	assert_int_equal(stateless(h, at), without);
	assert_int_equal(harness_flows(h), 2 * RATE + 1);
	for (uint16_t i = 0; i < FLOOD; i++)
		talk_more(&t[i], 1);
	assert_int_equal(harness_all_drops(h), 0);

	/* Long after, the scheduler picks: one after the other. */
	harness_advance(h, 40000);
	assert_false(l4_of(h)->struck);
	for (uint16_t i = 0; i < 4; i++) {
		struct talk u = talk_of(h, at, (uint16_t)(6000 + i));

		talk_client(&u, FRAME_SYN);
		for (uint16_t k = 0; k < i; k++)
			assert_memory_not_equal(t[k].last.eth_dst, u.last.eth_dst, 6);
		t[i].last = u.last;
	}
	free(t);
	harness_destroy(h);
}

/* The same for a service whose flows another worker helps to place. */
static void test_rate_assigned(void **state)
{
	static const struct where backed = { "backed", TCP, CLIENT, "192.0.2.53" };
	struct harness *h =
		harness_create(&(struct harness_conf){ .file = "full.json", .workers = 3 });
	struct talk t[200];

	set_rate(h, NULL, 10);
	for (uint16_t i = 0; i < 200; i++) {
		t[i] = talk_of(h, &backed, (uint16_t)(5000 + i));
		talk_client(&t[i], FRAME_SYN);
	}
	assert_int_equal(harness_flows(h), 3 * 10);
	for (int round = 0; round < 10; round++) {
		harness_advance(h, 1000);
		for (uint16_t i = 0; i < 200; i++)
			talk_again(&t[i]);
	}
	assert_true(harness_flows(h) > 100);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* Modes that cannot go without an entry: above their service's rate new flows are refused. */
static void test_rate_two_way(void **state)
{
	static const char *const names[] = { "nat4-tcp", "nat4-udp", "nat6-tcp", "nat6-udp",
		"full4-tcp", "full4-udp", "full6-tcp", "full6-udp" };

	for (size_t i = 0; i < RTE_DIM(two_way); i++) {
		const struct where *at = &two_way[i], *other = &two_way[(i + 2) % 8];
		struct harness *h =
			harness_create(&(struct harness_conf){ .file = "full.json", .workers = 1 });
		struct talk kept = talk_of(h, at, 4000);
		struct frame f;

		set_rate(h, names[i], 50);
		talk_establish(&kept);
		for (f = talk_frame(at, 5000, FRAME_SYN); f.sport < 5049; f.sport++)
			harness_through(h, WAN, &f, LAN);
		for (; f.sport < 5100; f.sport++)
			harness_dropped(h, WAN, &f, DROP_flow_rate);
		talk_goes_on(&kept);
		talk_first(h, other, 4000); /* it is this service's alone */
		assert_non_null(harness_next(h, NULL));
		harness_advance(h, 500);
		for (; f.sport < 5125; f.sport++)
			harness_through(h, WAN, &f, LAN);
		harness_dropped(h, WAN, &f, DROP_flow_rate);
		harness_advance(h, 1000);
		for (; f.sport < 5175; f.sport++)
			harness_through(h, WAN, &f, LAN);
		talk_goes_on(&kept);
		harness_destroy(h);
	}
}

/* Persistence and limits are not Maglev's: the rate of all leaves them out, their own is kept. */
static void test_rate_tied(void **state)
{
	static const struct where kept = { "kept", TCP, CLIENT, "192.0.2.52" };
	static const struct where limited = { "limited", UDP, CLIENT, "192.0.2.50" };
	struct harness *h =
		harness_create(&(struct harness_conf){ .file = "full.json", .workers = 1 });
	struct talk t = talk_of(h, &kept, 4000);
	struct frame f, first;

	set_rate(h, NULL, 5);
	talk_client(&t, FRAME_SYN);
	first = t.last;
	for (t.sport = 4001; t.sport < 4020; t.sport++) {
		talk_client(&t, FRAME_SYN);
		assert_memory_equal(first.eth_dst, t.last.eth_dst, 6);
	}
	for (uint16_t i = 0; i < 20; i++)
		talk_first(h, &limited, (uint16_t)(5000 + i));
	harness_forget(h);
	assert_int_equal(harness_flows(h), 40);
	set_rate(h, "dr-limited", 30);
	harness_advance(h, 1000);
	f = talk_frame(&limited, 6000, 0);
	for (uint16_t i = 0; i < 30; i++, f.sport++)
		harness_through(h, WAN, &f, LAN);
	harness_dropped(h, WAN, &f, DROP_flow_rate);
	set_rate(h, "dr-kept", 1);
	harness_advance(h, 1000);
	for (t.sport = 7000; t.sport < 7020; t.sport++)
		talk_client(&t, FRAME_SYN);
	assert_int_equal(stateless(h, &kept), 19);
	assert_int_equal(limit_taken(l4_of(h)->sched, harness_server(h, "limited", "a")->slot), 10);
	harness_destroy(h);
}

static json_t *services_of(json_t *doc)
{
	return json_object_get(doc, "services");
}

/* A service whose first packets went without an entry is gone; one of another mode, whose pool has
 * no table for that, gets its slot before it is forgotten. */
static void test_rate_slot_again(void **state)
{
	static const struct where late = { "late", TCP, CLIENT, "192.0.2.70" };
	struct harness *h =
		harness_create(&(struct harness_conf){ .file = "full.json", .workers = 1 });
	const struct service *before = model_service_by_name(h->snapshot.model, "dr4-tcp"), *after;
	const uint16_t slot = before->slot;
	json_t *doc;

	(void)state;
	set_rate(h, NULL, 5);
	for (uint16_t i = 0; i < 20; i++) {
		struct talk t = talk_of(h, &one_way[0], (uint16_t)(5000 + i));

		talk_client(&t, FRAME_SYN);
	}
	assert_true(l4_of(h)->struck);
	doc = harness_document(h);
	assert_int_equal(json_array_remove(services_of(doc), 0), 0);
	harness_apply(h, doc);
	harness_advance(h, 1000);
	doc = harness_document(h);
	assert_int_equal(json_array_append_new(services_of(doc),
				 json_pack("{s:s, s:s, s:s, s:s}", "name", "late", "address",
					 "192.0.2.70:80", "mode", "nat", "pool", "hashed")),
		0);
	harness_apply(h, doc);
	after = model_service_by_name(h->snapshot.model, "late");
	assert_int_equal(after->slot, slot);
	assert_null(h->snapshot.model->pools[after->pool]->maglev_table);
	assert_true(l4_of(h)->struck);
	for (uint16_t i = 0; i < 4; i++)
		talk_first(h, &late, (uint16_t)(6000 + i));
	harness_forget(h);
	assert_int_equal(harness_flows(h), 4);
	harness_destroy(h);
}

int main(void)
{
	struct CMUnitTest tests[RTE_DIM(two_way) + RTE_DIM(one_way) + 32];
	size_t n = 0;

	for (; n < RTE_DIM(two_way); n++) {
		static char names[RTE_DIM(two_way)][64];

		snprintf(names[n], sizeof(names[n]), "full table: %s", two_way[n].name);
		tests[n] = (struct CMUnitTest){ .name = names[n],
			.test_func = test_evict,
			.initial_state = (void *)(uintptr_t)&two_way[n] };
	}
	for (size_t i = 0; i < RTE_DIM(one_way); i++, n++) {
		static char names[RTE_DIM(one_way)][64];

		snprintf(names[i], sizeof(names[i]), "rate: %s", one_way[i].name);
		tests[n] = (struct CMUnitTest){ .name = names[i],
			.test_func = test_rate_one_way,
			.initial_state = (void *)(uintptr_t)&one_way[i] };
	}
#define ADD(test) tests[n++] = (struct CMUnitTest)cmocka_unit_test(test)
	ADD(test_established_stay);
	ADD(test_evict_needle);
	ADD(test_evict_gives_back);
	ADD(test_index_full);
	ADD(test_stateless_when_full);
	ADD(test_rate_assigned);
	ADD(test_rate_two_way);
	ADD(test_rate_tied);
	ADD(test_rate_slot_again);
	harness_init();
	return _cmocka_run_group_tests("full", tests, n, NULL, NULL);
}

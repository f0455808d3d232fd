/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who serves a new flow: persistence, limits, backups, refusals; with one worker, where everything
 * is at hand, and with three, where a client's connections belong to all of them and questions
 * travel. The configuration is forward.json, changed by each test while it runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"
#include "sched/limit.h"

#define TCP     6
#define UDP     17
#define SERVERS 4
#define NOBODY  SERVERS

/* ---- the matrix ----------------------------------------------------------------------------- */

struct path {
	const char *service, *pool;
	uint8_t proto;
	const char *vip, *client; /* without its last number */
	bool nat;
	unsigned int workers;
	const char *mode; /* in place of the file's */
};

#define BOTH(...)                                                                                  \
	{ __VA_ARGS__, 1 },                                                                        \
	{                                                                                          \
		__VA_ARGS__, 3                                                                     \
	}

static const struct path paths[] = {
	BOTH("dr4-tcp", "dr4", TCP, "192.0.2.10", "198.51.100.", false),
	BOTH("dr4-udp", "dr4", UDP, "192.0.2.10", "198.51.100.", false),
	BOTH("dr6-tcp", "dr6", TCP, "2001:db8:1::10", "2001:db8:c::", false),
	BOTH("dr6-udp", "dr6", UDP, "2001:db8:1::10", "2001:db8:c::", false),
	BOTH("nat4-tcp", "nat4", TCP, "192.0.2.20", "198.51.100.", true),
	BOTH("nat4-udp", "nat4", UDP, "192.0.2.20", "198.51.100.", true),
	BOTH("nat6-tcp", "nat6", TCP, "2001:db8:1::20", "2001:db8:c::", true),
	BOTH("nat6-udp", "nat6", UDP, "2001:db8:1::20", "2001:db8:c::", true),
	{ "nat4-udp", "nat4", UDP, "192.0.2.20", "198.51.100.", true, 3, "fullnat" },
	{ "nat6-tcp", "nat6", TCP, "2001:db8:1::20", "2001:db8:c::", true, 3, "fullnat" },
};

static struct harness *lab(const struct path *p)
{
	struct harness *h = harness_create(
		&(struct harness_conf){ .file = "forward.json", .workers = p->workers });
	json_t *doc = harness_document(h);

	if (p->mode)
		json_object_set_new(
			harness_named(doc, "services", p->service), "mode", json_string(p->mode));
	harness_apply(h, doc);
	return h;
}

/* ---- changing the configuration -------------------------------------------------------------- */

static void set(json_t *doc, const char *list, const char *name, const char *json)
{
	json_t *more = json_loads(json, 0, NULL);

	assert_non_null(more);
	json_object_update(harness_named(doc, list, name), more);
	json_decref(more);
}

static void configure(struct harness *h, const char *list, const char *name, const char *json)
{
	json_t *doc = harness_document(h);

	set(doc, list, name, json);
	harness_apply(h, doc);
}

static json_t *server_of_document(json_t *doc, const char *pool, unsigned int server)
{
	return json_array_get(
		json_object_get(harness_named(doc, "pools", pool), "servers"), server);
}

static void configure_server(
	struct harness *h, const char *pool, unsigned int server, const char *key, json_int_t value)
{
	json_t *doc = harness_document(h);

	json_object_set_new(server_of_document(doc, pool, server), key, json_integer(value));
	harness_apply(h, doc);
}

static void administrate(struct harness *h, const char *pool, const char *server, enum admin state)
{
	assert_int_equal(admin_set(h->target.admin, pool, server, state), 0);
	harness_apply(h, NULL);
}

/* ---- connections ---------------------------------------------------------------------------- */

/* Whom a frame went to, by its destination MAC. */
static unsigned int who(struct harness *h, const struct frame *got)
{
	for (unsigned int s = 0; s < SERVERS; s++) {
		char text[64];
		struct frame f;

		snprintf(text, sizeof(text), "%s%u",
			got->family == 4 ? "10.0.0.1" : "2001:db8:2::1", s + 1);
		frame_address(&f, f.dst, text);
		if (!memcmp(harness_find_host(h, LAN, f.dst, f.family)->mac, got->eth_dst, 6))
			return s;
	}
	fail_msg("sent to a MAC address that is no server's");
	return NOBODY;
}

static struct frame first(const struct path *p, unsigned int client, uint16_t sport)
{
	char from[64];

	snprintf(from, sizeof(from), "%s%u", p->client, client);
	return frame_make(p->proto, from, sport, p->vip, 80, FRAME_SYN);
}

/* The first packet of a connection: the server it went to, or NOBODY. */
static unsigned int open_connection(
	struct harness *h, const struct path *p, unsigned int client, uint16_t sport)
{
	struct frame f = first(p, client, sport), got;
	const struct captured *c;
	unsigned int s;

	harness_send(h, WAN, &f);
	c = harness_next(h, &got);
	if (!c)
		return NOBODY;
	assert_int_equal(c->nic, LAN);
	s = who(h, &got);
	assert_null(harness_take(h));
	return s;
}

/* n connections of a client; how many each server got, and (last) nobody. */
static void open_many(struct harness *h, const struct path *p, unsigned int client, uint16_t sport,
	unsigned int n, unsigned int count[static SERVERS + 1])
{
	memset(count, 0, (SERVERS + 1) * sizeof(count[0]));
	for (unsigned int i = 0; i < n; i++)
		count[open_connection(h, p, client, (uint16_t)(sport + i))]++;
}

/* What a server has, summed over the workers as its home does. */
static uint32_t taken(const struct harness *h, const char *pool, const char *name)
{
	return limit_taken(h->workers->worker[0]->l4.sched, harness_server(h, pool, name)->slot);
}

/* No grant is left without a flow. */
static void assert_no_grants(const struct harness *h)
{
	uint32_t grants = 0, flows = 0;

	for (unsigned int slot = 0; slot < MODEL_SERVERS_MAX; slot++) {
		grants = 0;
		for (unsigned int i = 0; i < h->conf.workers; i++) {
			uint64_t load = h->workers->worker[i]->l4.sched->load[slot];

			grants += (uint32_t)(load >> 32);
			flows += load_active(load);
		}
		assert_int_equal(grants, 0);
	}
	assert_true(flows <= harness_flows(h));
}

static uint64_t entries(struct harness *h, const char *client)
{
	struct flow_filter filter = { .any_client = !client, .any_server = true };
	uint64_t n = 0;

	if (client)
		assert_int_equal(prefix_parse(client, false, &filter.client), 0);
	for (unsigned int i = 0; i < h->conf.workers; i++) {
		struct worker_request r = {
			.kind = REQUEST_COUNT, .of = REQUEST_PERSISTENCE, .filter = filter
		};

		assert_int_equal(request_post(h->workers->worker[i], &r), 0);
		for (int turns = 0; !request_done(&r); turns++) {
			assert_true(turns < 10000);
			harness_step(h);
		}
		n += r.matched;
	}
	return n;
}

/* Every worker has had a part in it. */
static void assert_split(const struct harness *h)
{
	for (unsigned int i = 0; i < h->conf.workers; i++) {
		struct flow_stats s;

		flow_stats(h->workers->worker[i]->l4.flows, &s);
		assert_true(s.v4 + s.v6 > 0);
	}
}

static uint64_t server_counter(struct harness *h, const char *pool, const char *name, size_t at)
{
	uint16_t slot = harness_server(h, pool, name)->slot;
	uint64_t n = 0;

	for (unsigned int i = 0; i < h->conf.workers; i++)
		n += *(uint64_t *)((char *)&h->workers->worker[i]->l4.server[slot] + at);
	return n;
}

/* ---- persistence ---------------------------------------------------------------------------- */

static void test_persistence(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	unsigned int count[SERVERS] = { 0 };

	configure(h, "services", p->service, "{\"persistence\": {\"timeout\": \"60s\"}}");
	for (unsigned int client = 1; client <= 40; client++) {
		unsigned int server = open_connection(h, p, client, 1000);

		count[server]++;
		for (uint16_t i = 1; i < 12; i++)
			assert_int_equal(
				open_connection(h, p, client, (uint16_t)(1000 + i)), server);
	}
	assert_split(h);
	for (unsigned int s = 0; s < SERVERS; s++)
		assert_in_range(count[s], 10 - 3, 10 + 3); /* each home takes turns on its own */
	assert_int_equal(entries(h, NULL), 40);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* Used again, an entry lasts; not used, it is over. */
static void test_timeout(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	unsigned int server, others = 0;

	configure(h, "services", p->service, "{\"persistence\": {\"timeout\": \"10s\"}}");
	server = open_connection(h, p, 1, 1000);
	for (uint16_t i = 1; i < 6; i++) {
		harness_advance(h, 8000);
		assert_int_equal(open_connection(h, p, 1, (uint16_t)(1000 + i)), server);
	}
	harness_advance(h, 9900);
	assert_int_equal(entries(h, NULL), 1);
	harness_advance(h, 200);
	assert_int_equal(entries(h, NULL), 0);
	for (uint16_t i = 0; i < 8; i++) {
		others += open_connection(h, p, 1, (uint16_t)(2000 + i)) != server;
		harness_advance(h, 10100);
	}
	assert_true(others > 0);
	/* A shorter time-out holds for what is there. */
	open_connection(h, p, 2, 1000);
	configure(h, "services", p->service, "{\"persistence\": {\"timeout\": \"2s\"}}");
	harness_advance(h, 3000);
	others = 0;
	for (uint16_t i = 0; i < 4; i++) {
		others |= 1u << open_connection(h, p, 2, (uint16_t)(3000 + i));
		harness_advance(h, 2100);
	}
	assert_int_not_equal(others & (others - 1), 0);
	harness_destroy(h);
}

static void test_prefix(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	unsigned int server;

	configure(h, "services", p->service,
		"{\"persistence\": {\"prefix\": 24, \"prefix-v6\": 64}}");
	server = open_connection(h, p, 1, 1000);
	for (unsigned int client = 2; client < 60; client++)
		assert_int_equal(open_connection(h, p, client, 1000), server);
	assert_int_equal(entries(h, NULL), 1);
	assert_int_equal(entries(h, p->vip[0] == '1' ? "198.51.100.77" : "2001:db8:c::77"), 1);
	assert_int_equal(entries(h, p->vip[0] == '1' ? "198.51.0.0/16" : "2001:db8::/32"), 1);
	assert_int_equal(entries(h, p->vip[0] == '1' ? "198.51.101.0/24" : "2001:db8:d::/64"), 0);
	configure(h, "services", p->service, "{\"persistence\": {\"prefix\": 32}}");
	for (unsigned int client = 1; client <= 20; client++)
		open_connection(h, p, client, 2000);
	assert_int_equal(entries(h, NULL), 21);
	harness_destroy(h);
}

/* Services of a group, TCP and UDP, NAT and DR, with two pools of the same machines. */
static void test_group(void **state)
{
	static const char *const group = "{\"persistence\": {\"group\": \"shop\"}}";
	static const struct path members[] = {
		{ "nat4-tcp", "nat4", TCP, "192.0.2.20", "198.51.100.", true, 3 },
		{ "nat4-udp", "nat4", UDP, "192.0.2.20", "198.51.100.", true, 3 },
		{ "dr4-tcp", "dr4", TCP, "192.0.2.10", "198.51.100.", false, 3 },
	};
	struct harness *h = lab(&members[0]);
	json_t *doc = harness_document(h);
	unsigned int seen = 0;

	for (size_t i = 0; i < RTE_DIM(members); i++)
		set(doc, "services", members[i].service, group);
	harness_apply(h, doc);
	for (unsigned int client = 1; client <= 30; client++) {
		unsigned int server = open_connection(h, &members[client % 3], client, 1000);

		seen |= 1u << server;
		for (uint16_t i = 0; i < 9; i++)
			assert_int_equal(
				open_connection(h, &members[i % 3], client, (uint16_t)(1001 + i)),
				server);
	}
	assert_int_equal(seen, (1u << SERVERS) - 1);
	assert_int_equal(entries(h, NULL), 30);
	harness_destroy(h);
}

/* Drained: its clients come back. Weight 0, disabled, removed: they get another one, and stay
 * there. */
static void test_server_goes(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	char name[2] = "a";
	unsigned int server, next;
	json_t *doc;

	configure(h, "services", p->service, "{\"persistence\": {}}");
	server = open_connection(h, p, 1, 1000);
	name[0] = (char)('a' + server);
	administrate(h, p->pool, name, ADMIN_DRAIN);
	for (uint16_t i = 0; i < 6; i++)
		assert_int_equal(open_connection(h, p, 1, (uint16_t)(1100 + i)), server);
	for (unsigned int client = 2; client < 20; client++)
		assert_int_not_equal(open_connection(h, p, client, 1000), server);

	administrate(h, p->pool, name, ADMIN_DISABLED);
	next = open_connection(h, p, 1, 1200);
	assert_int_not_equal(next, server);
	administrate(h, p->pool, name, ADMIN_ENABLED);
	for (uint16_t i = 0; i < 6; i++)
		assert_int_equal(open_connection(h, p, 1, (uint16_t)(1300 + i)), next);

	configure_server(h, p->pool, next, "weight", 0);
	server = open_connection(h, p, 1, 1400);
	assert_int_not_equal(server, next);
	configure_server(h, p->pool, next, "weight", 1);
	for (uint16_t i = 0; i < 6; i++)
		assert_int_equal(open_connection(h, p, 1, (uint16_t)(1500 + i)), server);

	doc = harness_document(h);
	json_array_remove(json_object_get(harness_named(doc, "pools", p->pool), "servers"), server);
	harness_apply(h, doc);
	assert_int_not_equal(open_connection(h, p, 1, 1600), server);
	harness_destroy(h);
}

static void test_table_full(void **state)
{
	const struct path *p = *state;
	struct harness *h = harness_create(&(struct harness_conf){
		.file = "forward.json", .workers = p->workers, .persistence = 8 });
	uint64_t evicted = 0;
	unsigned int server;

	configure(h, "services", p->service, "{\"persistence\": {\"timeout\": \"5s\"}}");
	for (unsigned int client = 1; client <= 100; client++)
		assert_int_not_equal(open_connection(h, p, client, 1000), NOBODY);
	for (unsigned int i = 0; i < p->workers; i++) {
		struct persist_stats s;

		persist_stats(h->workers->worker[i]->l4.persist, &s);
		assert_int_equal(s.used, 8);
		evicted += s.evicted;
	}
	assert_int_equal(evicted, 100 - 8 * p->workers);
	/* A new client is remembered; as it comes again, others that come once change nothing. */
	server = open_connection(h, p, 200, 1000);
	for (uint16_t i = 1; i < 6; i++) {
		assert_int_equal(open_connection(h, p, 200, 1000 + i), server);
		for (unsigned int client = 1; client <= 20; client++)
			open_connection(h, p, client, 2000 + i);
	}
	harness_advance(h, 6000);
	assert_int_equal(entries(h, NULL), 0);
	harness_destroy(h);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void test_limit(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	unsigned int count[SERVERS + 1];

	configure(h, "pools", p->pool, "{\"max-connections\": 5}");
	open_many(h, p, 1, 1000, 60, count);
	assert_split(h);
	for (unsigned int s = 0; s < SERVERS; s++)
		assert_int_equal(count[s], 5);
	assert_int_equal(count[NOBODY], 40);
	assert_int_equal(harness_drops(h, DROP_server_full), 40);
	assert_int_equal(harness_flows(h), 20);
	assert_int_equal(taken(h, p->pool, "b"), 5);
	/* More at one server; fewer, which ends nothing; none. */
	configure_server(h, p->pool, 1, "max-connections", 9);
	open_many(h, p, 2, 1000, 20, count);
	assert_int_equal(count[1], 4);
	assert_int_equal(count[NOBODY], 16);
	configure_server(h, p->pool, 1, "max-connections", 3);
	open_many(h, p, 2, 2000, 20, count);
	assert_int_equal(count[NOBODY], 20);
	assert_int_equal(taken(h, p->pool, "b"), 9);
	configure_server(h, p->pool, 1, "max-connections", 0);
	open_many(h, p, 2, 3000, 20, count);
	assert_int_equal(count[1], 20);
	/* What was opened without a limit counts when there is one. */
	configure_server(h, p->pool, 1, "max-connections", 30);
	open_many(h, p, 2, 4000, 20, count);
	assert_int_equal(count[1], 1);
	assert_no_grants(h);
	/* All of them end. */
	harness_advance(h, 400000);
	assert_int_equal(harness_flows(h), 0);
	assert_int_equal(taken(h, p->pool, "b"), 0);
	open_many(h, p, 3, 1000, 60, count);
	assert_int_equal(count[0], 5);
	assert_int_equal(count[NOBODY], 60 - 15 - 30);
	harness_destroy(h);
}

static void send_state(struct harness *h, const struct path *p, unsigned int client, uint16_t sport,
	bool from_server, uint8_t flags)
{
	struct frame f = first(p, client, sport);

	f.flags = flags;
	if (from_server) {
		struct frame back = frame_make(TCP, "10.0.0.11", 8080, "192.0.2.1", sport, flags);

		memcpy(back.dst, f.src, 16);
		f = back;
	}
	harness_through(h, from_server ? LAN : WAN, &f, from_server ? WAN : LAN);
}

/* A connection that both sides have closed makes room before its entry ends; one that begins anew
 * in its place takes it again. */
static void test_closed(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);

	configure_server(h, "nat4", 0, "max-connections", 2);
	for (unsigned int i = 1; i < SERVERS; i++)
		configure_server(h, "nat4", i, "weight", 0);
	for (uint16_t sport = 1000; sport < 1002; sport++) {
		assert_int_equal(open_connection(h, p, 1, sport), 0);
		send_state(h, p, 1, sport, true, FRAME_SYN | FRAME_ACK);
		send_state(h, p, 1, sport, false, FRAME_ACK);
	}
	assert_int_equal(open_connection(h, p, 1, 1002), NOBODY);
	send_state(h, p, 1, 1000, false, FRAME_FIN | FRAME_ACK);
	assert_int_equal(open_connection(h, p, 1, 1002), NOBODY);
	send_state(h, p, 1, 1000, true, FRAME_FIN | FRAME_ACK);
	send_state(h, p, 1, 1000, false, FRAME_ACK);
	assert_int_equal(taken(h, "nat4", "a"), 1);
	assert_int_equal(open_connection(h, p, 1, 1002), 0);
	assert_int_equal(open_connection(h, p, 1, 1003), NOBODY);
	/* Early re-use: a new connection, and there is no room for it. */
	assert_int_equal(open_connection(h, p, 1, 1000), NOBODY);
	send_state(h, p, 1, 1001, false, FRAME_RST);
	assert_int_equal(taken(h, "nat4", "a"), 2); /* a RST may be forged */
	assert_int_equal(open_connection(h, p, 1, 1001), 0);
	assert_int_equal(taken(h, "nat4", "a"), 2);
	assert_no_grants(h);
	harness_destroy(h);
}

static void test_refusal(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	unsigned int count[SERVERS + 1];
	struct frame f = first(p, 1, 3000), got;

	configure(h, "pools", p->pool, "{\"max-connections\": 1}");
	open_many(h, p, 1, 1000, 4, count);
	assert_int_equal(count[NOBODY], 0);
	assert_int_equal(open_connection(h, p, 1, 2000), NOBODY);

	configure(h, "services", p->service, "{\"refuse\": \"reset\"}");
	if (p->proto == TCP) {
		got = harness_through(h, WAN, &f, WAN);
		assert_int_equal(got.flags, FRAME_RST | FRAME_ACK);
		assert_int_equal(got.ack, f.seq + 1);
		assert_memory_equal(got.src, f.dst, 16);
		assert_memory_equal(got.dst, f.src, 16);
	} else {
		assert_int_equal(open_connection(h, p, 1, 3000), NOBODY);
	}
	configure(h, "services", p->service, "{\"refuse\": \"icmp\"}");
	got = harness_through(h, WAN, &f, WAN);
	assert_int_equal(got.icmp_type, got.family == 4 ? 3 : 1);
	assert_int_equal(got.icmp_code, got.family == 4 ? 3 : 4);
	assert_memory_equal(got.src, f.dst, 16);
	assert_int_equal(harness_drops(h, DROP_server_full), 3);

	/* The same where servers take nothing for another reason. */
	for (unsigned int s = 0; s < SERVERS; s++)
		configure_server(h, p->pool, s, "weight", 0);
	got = harness_through(h, WAN, &f, WAN);
	assert_int_equal(got.icmp_code, got.family == 4 ? 3 : 4);
	assert_int_equal(harness_drops(h, DROP_no_server), 1);
	harness_destroy(h);
}

/* "refuse": a full server's share is turned away. */
static void test_when_full(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	unsigned int count[SERVERS + 1];

	configure(h, "pools", p->pool, "{\"when-full\": \"refuse\"}");
	configure_server(h, p->pool, 2, "max-connections", 1);
	open_many(h, p, 1, 1000, 80, count);
	assert_int_equal(count[2], 1);
	assert_in_range(count[NOBODY], 19 - 3, 19 + 3);
	assert_int_equal(
		server_counter(h, p->pool, "c", offsetof(struct traffic, refused)), count[NOBODY]);
	/* By default its share is spread over the others. */
	configure(h, "pools", p->pool, "{\"when-full\": \"next\"}");
	open_many(h, p, 2, 1000, 90, count);
	assert_int_equal(count[2] + count[NOBODY], 0);
	for (unsigned int s = 0; s < SERVERS; s++)
		if (s != 2)
			assert_in_range(count[s], 25, 35);
	assert_true(server_counter(h, p->pool, "c", offsetof(struct traffic, overflowed)) > 15);
	harness_destroy(h);
}

/* A pool of one server for each that is to be in its own. */
static void add_pools(struct harness *h, const struct path *p)
{
	json_t *doc = harness_document(h);
	json_t *servers = json_object_get(harness_named(doc, "pools", p->pool), "servers");
	static const char *const names[] = { "one", "two", "three" };

	for (unsigned int i = 0; i < 3; i++) {
		json_t *pool = json_pack("{s:s, s:[O]}", "name", names[i], "servers",
			json_array_get(servers, i + 1));

		assert_non_null(pool);
		if (i < 2)
			json_object_set_new(pool, "backup", json_string(names[i + 1]));
		json_array_append_new(json_object_get(doc, "pools"), pool);
	}
	while (json_array_size(servers) > 1)
		json_array_remove(servers, 1);
	json_object_set_new(harness_named(doc, "pools", p->pool), "backup", json_string("one"));
	harness_apply(h, doc);
}

static void test_backup(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	unsigned int count[SERVERS + 1];
	json_t *doc;

	add_pools(h, p);
	open_many(h, p, 1, 1000, 10, count);
	assert_int_equal(count[0], 10);
	administrate(h, p->pool, "a", ADMIN_DRAIN);
	open_many(h, p, 1, 2000, 10, count);
	assert_int_equal(count[1], 10);
	administrate(h, "one", "b", ADMIN_DISABLED);
	open_many(h, p, 1, 3000, 10, count);
	assert_int_equal(count[2], 10);
	administrate(h, p->pool, "a", ADMIN_ENABLED);
	administrate(h, "one", "b", ADMIN_ENABLED);
	open_many(h, p, 1, 4000, 10, count);
	assert_int_equal(count[0], 10);
	/* Full as well: 25 + 5 + 5, and the rest. */
	doc = harness_document(h);
	set(doc, "pools", p->pool, "{\"max-connections\": 25}");
	set(doc, "pools", "one", "{\"max-connections\": 15}");
	set(doc, "pools", "two", "{\"max-connections\": 15}");
	harness_apply(h, doc);
	open_many(h, p, 2, 1000, 40, count);
	assert_int_equal(count[0], 5);
	assert_int_equal(count[1], 15); /* those of before ended when it was disabled */
	assert_int_equal(count[2], 5);
	assert_int_equal(count[3], 15);
	assert_no_grants(h);
	harness_destroy(h);
}

/* A client that was in a backup comes back; one whose server is full meanwhile, too. */
static void test_persistence_and_limits(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	unsigned int server, other, count[SERVERS + 1];

	configure(h, "services", p->service, "{\"persistence\": {\"timeout\": \"1h\"}}");
	server = open_connection(h, p, 1, 1000);
	configure_server(h, p->pool, server, "max-connections", 3);
	assert_int_equal(open_connection(h, p, 1, 1001), server);
	assert_int_equal(open_connection(h, p, 1, 1002), server);
	for (uint16_t i = 0; i < 5; i++) {
		other = open_connection(h, p, 1, (uint16_t)(1100 + i));
		assert_int_not_equal(other, server);
		assert_int_not_equal(other, NOBODY);
	}
	/* One that has no entry yet gets it for the server it meets, full ones passed over. */
	other = open_connection(h, p, 2, 1000);
	assert_int_not_equal(other, server);
	for (uint16_t i = 1; i < 8; i++)
		assert_int_equal(open_connection(h, p, 2, (uint16_t)(1000 + i)), other);
	configure_server(h, p->pool, server, "max-connections", 100);
	open_many(h, p, 1, 2000, 10, count);
	assert_int_equal(count[server], 10);
	assert_no_grants(h);
	harness_destroy(h);
}

static void test_persistence_and_backup(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	unsigned int count[SERVERS + 1];

	configure(h, "services", p->service, "{\"persistence\": {}}");
	add_pools(h, p);
	administrate(h, p->pool, "a", ADMIN_DISABLED);
	open_many(h, p, 1, 1000, 10, count);
	assert_int_equal(count[1], 10);
	administrate(h, p->pool, "a", ADMIN_ENABLED);
	open_many(h, p, 1, 2000, 10, count);
	assert_int_equal(count[0], 10);
	harness_destroy(h);
}

/* Least-connections of three workers, and a server that is full. */
static void test_least_connections(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	unsigned int count[SERVERS + 1];

	configure(h, "pools", p->pool, "{\"scheduler\": \"least-connections\"}");
	open_many(h, p, 1, 1000, 40, count);
	for (unsigned int s = 0; s < SERVERS; s++)
		assert_in_range(count[s], 8, 12);
	configure_server(h, p->pool, 0, "max-connections", count[0] + 2);
	open_many(h, p, 1, 2000, 62, count);
	assert_int_equal(count[0], 2);
	for (unsigned int s = 1; s < SERVERS; s++)
		assert_in_range(count[s], 18, 22);
	assert_int_equal(count[NOBODY], 0);
	/* With entries, homes pick for others. */
	configure(h, "services", p->service, "{\"persistence\": {}}");
	for (unsigned int client = 100; client < 148; client++)
		assert_int_not_equal(open_connection(h, p, client, 1000), NOBODY);
	for (unsigned int s = 1; s < SERVERS; s++) {
		char name[2] = { (char)('a' + s), 0 };

		assert_in_range(taken(h, p->pool, name), 42 - 5, 48 + 5);
	}
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* ---- what goes wrong on the way ------------------------------------------------------------- */

/* Gives the frames of a burst of clients to a queue of each worker. */
static void inject(struct harness *h, const struct path *p, unsigned int client, uint16_t sport,
	unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct frame f = first(p, client, (uint16_t)(sport + i));
		uint8_t buf[FRAME_MAX];

		memcpy(f.eth_dst, h->nic[WAN]->mac.addr_bytes, 6);
		memcpy(f.eth_src, h->host[f.family == 6].mac, 6);
		assert_true(
			harness_inject(h, WAN, (uint16_t)(i % h->rxqs), buf, frame_build(&f, buf)));
	}
}

/* Only some workers turn. */
static void poll_workers(struct harness *h, unsigned int mask, int times)
{
	while (times--)
		for (unsigned int i = 0; i < h->conf.workers; i++)
			if (mask & 1u << i)
				worker_poll(h->workers->worker[i], h->tsc);
}

/* The home does not turn: its ring fills, what does not go in is dropped, nothing is lost. */
static void test_ring_full(void **state)
{
	const struct path *p = *state;
	struct harness *h = harness_create(
		&(struct harness_conf){ .file = "forward.json", .workers = 3, .packets = 16384 });
	unsigned int home, sent = 0;
	uint64_t dropped;

	configure(h, "pools", p->pool, "{\"max-connections\": 700}");
	for (unsigned int s = 1; s < SERVERS; s++)
		configure_server(h, p->pool, s, "weight", 0);
	home = limit_home(harness_server(h, p->pool, "a")->slot, 3);
	for (unsigned int round = 0; round < 20; round++) {
		inject(h, p, 1 + round, 1000, 300);
		sent += 300;
		poll_workers(h, 7u & ~(1u << home), 40);
	}
	dropped = harness_drops(h, DROP_ask_full);
	assert_true(dropped > 0);
	harness_step(h);
	assert_int_equal(harness_flows(h), 700);
	assert_int_equal(taken(h, p->pool, "a"), 700);
	assert_no_grants(h);
	assert_int_equal(harness_drops(h, DROP_server_full) + harness_drops(h, DROP_handoff_full) +
				 harness_drops(h, DROP_ask_full) + 700,
		sent);
	harness_destroy(h);
}

/* The configuration changes while questions and answers are on their way. */
static void test_reload_on_the_way(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	uint16_t sport = 1000;

	configure(h, "services", p->service, "{\"persistence\": {}}");
	configure(h, "pools", p->pool, "{\"max-connections\": 40}");
	for (unsigned int round = 0; round < 60; round++) {
		json_t *doc;

		inject(h, p, 1 + round % 7, sport, 30);
		sport += 30;
		poll_workers(h, 1u + round % 7, (int)(1 + round % 3));
		doc = harness_document(h);
		json_object_set_new(server_of_document(doc, p->pool, round % 4), "max-connections",
			json_integer(round % 5 * 15));
		json_object_set_new(server_of_document(doc, p->pool, (round + 1) % 4), "weight",
			json_integer(round % 3));
		if (round % 4 == 1)
			json_object_del(harness_named(doc, "services", p->service), "persistence");
		else
			set(doc, "services", p->service,
				"{\"persistence\": {\"timeout\": \"9s\"}}");
		admin_set(h->target.admin, p->pool, "b",
			round % 5 == 2 ? ADMIN_DISABLED : ADMIN_ENABLED);
		harness_apply(h, doc);
		assert_no_grants(h);
	}
	harness_advance(h, 400000);
	assert_int_equal(harness_flows(h), 0);
	for (unsigned int s = 0; s < SERVERS; s++) {
		char name[2] = { (char)('a' + s), 0 };

		assert_int_equal(taken(h, p->pool, name), 0);
	}
	harness_destroy(h);
}

/* The same first packet twice while its question is on its way: one flow, one place taken. */
static void test_twice(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	struct frame got;

	configure(h, "pools", p->pool, "{\"max-connections\": 100}");
	for (unsigned int i = 0; i < 40; i++) {
		inject(h, p, 1, (uint16_t)(1000 + i), 1);
		inject(h, p, 1, (uint16_t)(1000 + i), 1);
	}
	harness_step(h);
	assert_int_equal(harness_flows(h), 40);
	assert_no_grants(h);
	for (unsigned int i = 0; i < 80; i++)
		assert_non_null(harness_next(h, &got));
	harness_destroy(h);
}

/* ---- all ------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	CMUnitTestFunction run;
} each_path[] = {
	{ "persistence", test_persistence },
	{ "time-out", test_timeout },
	{ "prefix", test_prefix },
	{ "server goes", test_server_goes },
	{ "table full", test_table_full },
	{ "limit", test_limit },
	{ "refusal", test_refusal },
	{ "when full", test_when_full },
	{ "backup", test_backup },
	{ "persistence and limits", test_persistence_and_limits },
	{ "persistence and backup", test_persistence_and_backup },
	{ "least-connections", test_least_connections },
	{ "reload on the way", test_reload_on_the_way },
	{ "twice", test_twice },
};

int main(void)
{
	static char names[RTE_DIM(paths) * RTE_DIM(each_path)][64];
	struct CMUnitTest tests[RTE_DIM(names) + 8];
	size_t n = 0;

	for (size_t t = 0; t < RTE_DIM(each_path); t++)
		for (size_t i = 0; i < RTE_DIM(paths); i++, n++) {
			snprintf(names[n], sizeof(names[n]), "%s, %s, %u workers",
				each_path[t].name, paths[i].service, paths[i].workers);
			tests[n] = (struct CMUnitTest){ names[n], each_path[t].run, NULL, NULL,
				(void *)&paths[i] };
		}
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_group);
	for (size_t i = 0; i < RTE_DIM(paths); i++) {
		if (!strcmp(paths[i].service, "nat4-tcp"))
			tests[n++] = (struct CMUnitTest){ "closed", test_closed, NULL, NULL,
				(void *)&paths[i] };
		if (paths[i].workers == 3 && paths[i].service[3] == '4')
			tests[n++] = (struct CMUnitTest){ "ring full", test_ring_full, NULL, NULL,
				(void *)&paths[i] };
	}
	harness_init();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("packet_home", tests, n, NULL, NULL);
}

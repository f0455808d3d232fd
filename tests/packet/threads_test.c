/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What crosses workers, with each on a thread of its own: packets and fragments handed over, the
 * questions about new flows (entries of persistence, servers' limits), local ports, what is learned
 * of paths, snapshots. The main thread is the control core, the clients, the servers and a router.
 *
 * Each flow has a number, which its packets carry as their payload, and the server's answers too.
 * Everything that was injected comes out or is counted under a drop reason: that is what is waited
 * for, with a bound that only a hang reaches.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_cycles.h>

#include "harness.h"
#include "l4/path.h"
#include "pieces.h"
#include "sched/limit.h"

#define TCP     6
#define UDP     17
#define IPIP    4
#define WORKERS 3
#define SERVERS 4
#define NOBODY  SERVERS
#define ROUNDS  6
#define FLOWS   1500 /* a round */
#define WINDOW  48   /* packets on their way at a time: as many wait for one neighbour */
#define CLIENTS 40
#define RELOAD  250 /* flows between two */
#define FLUSH   100

/* Pools of threads.json, by their servers' port; EXTRA comes and goes with each reload. */
enum { KEPT, FEW, BOTH, EXTRA, POOLS };
static const char *const pool_name[POOLS] = { "kept", "few", "both", "extra" };
static const uint32_t limit[POOLS] = { [FEW] = 25, [BOTH] = 40 };
#define SERVICES (POOLS * 4) /* by mode and protocol; of EXTRA there is but the first */
#define TUNNEL   SERVICES

struct lab {
	struct harness *h;
	pthread_t thread[WORKERS];
	unsigned int queue; /* turns */
	uint64_t sent, out; /* packets; the fragments of a datagram are one */
	uint32_t random;
	bool closing; /* flows are closed while others are opened */
	struct {
		uint8_t service, client, server;
	} flow[FLOWS];
	uint8_t home[SERVICES][CLIENTS];     /* the server a client is kept at */
	unsigned int opened[POOLS][SERVERS]; /* in this round */
	unsigned int reloads;
	struct pieces pieces;
};

static uint32_t dice(struct lab *l, uint32_t sides)
{
	l->random = l->random * 1664525 + 1013904223;
	return (l->random >> 8) % sides;
}

/* ---- clients, servers, a router -------------------------------------------------------------- */

static void inject(struct lab *l, uint16_t nic, const uint8_t *data, size_t len)
{
	assert_true(harness_inject(l->h, nic, (uint16_t)(l->queue++ % l->h->rxqs), data, len));
}

static void address(const struct lab *l, uint16_t nic, struct frame *f)
{
	memcpy(f->eth_dst, l->h->nic[nic]->mac.addr_bytes, 6);
	memcpy(f->eth_src, (uint8_t[]){ 2, 1, 1, 1, 1, 1 }, 6);
}

static void send_frame(struct lab *l, uint16_t nic, struct frame *f)
{
	uint8_t buf[FRAME_MAX];

	address(l, nic, f);
	inject(l, nic, buf, frame_build(f, buf));
	l->sent++;
}

/* A datagram in three fragments, the last first, at different queues. */
static void send_fragments(struct lab *l, struct frame *f, uint32_t id)
{
	static uint8_t whole[PIECES_FRAME];
	struct piece piece[4];
	unsigned int n;

	address(l, WAN, f);
	n = pieces_cut(whole, frame_build(f, whole), 608, id, piece, RTE_DIM(piece));
	assert_int_equal(n, 3);
	while (n--)
		inject(l, WAN, piece[n].data, piece[n].len);
	l->sent++;
}

/* The first packet of a flow, or all fragments of it, sometimes twice. */
static void open_flow(struct lab *l, uint32_t number)
{
	static uint8_t payload[1600];
	const uint8_t service = (uint8_t)dice(l, SERVICES + 1), client = (uint8_t)dice(l, CLIENTS);
	const uint8_t proto = service & 1 ? UDP : TCP;
	const unsigned int pool = service / 4;
	char from[32], to[32];
	struct frame f;

	l->flow[number].service = service;
	l->flow[number].client = client;
	l->flow[number].server = NOBODY;
	snprintf(from, sizeof(from), "198.51.100.%u", client + 1);
	snprintf(to, sizeof(to), "192.0.2.%u", service == TUNNEL ? 10 : service & 2 ? 30 : 20);
	f = frame_make(proto, from, (uint16_t)(1024 + number), to,
		(uint16_t)(service == TUNNEL ? 41 : 80 + pool), FRAME_SYN);
	memcpy(payload, &number, sizeof(number));
	f.payload = payload;
	f.payload_len = sizeof(number);
	if (proto == UDP && dice(l, 3) == 0) {
		f.payload_len = sizeof(payload);
		send_fragments(l, &f, number + 1);
		return;
	}
	send_frame(l, WAN, &f);
	if (dice(l, 4) == 0)
		send_frame(l, WAN, &f);
}

/* A server got a packet: whose flow is it, and may it be there? */
static void note(struct lab *l, uint32_t number, const struct frame *f)
{
	const uint8_t service = l->flow[number].service, server = (uint8_t)(f->dst[3] - 11);
	const unsigned int pool = service / 4;
	uint8_t *home = &l->home[service][l->flow[number].client];

	assert_true(f->dst[0] == 10 && server < SERVERS);
	assert_int_equal(f->dport, 8080 + pool);
	if (l->flow[number].server == NOBODY)
		l->opened[pool][server]++;
	else if (!l->closing && pool != EXTRA)
		assert_int_equal(l->flow[number].server, server);
	l->flow[number].server = server;
	/* One that was turned away at a full server loses the entry made for it, also if somebody
	 * else has come in there by then. */
	if (pool == KEPT || (pool == BOTH && !l->closing)) {
		if (*home != NOBODY)
			assert_int_equal(*home, server);
		*home = server;
	}
}

static void answer(struct lab *l, const struct frame *f)
{
	struct frame r = *f;

	memcpy(r.src, f->dst, 16);
	memcpy(r.dst, f->src, 16);
	r.sport = f->dport;
	r.dport = f->sport;
	r.flags = FRAME_SYN | FRAME_ACK;
	r.ack = f->seq + 1;
	r.payload_len = sizeof(uint32_t);
	send_frame(l, LAN, &r);
}

/* A router says that the packet of a tunnel was too big. */
static void too_big(struct lab *l, const struct captured *c)
{
	struct frame e = { .proto = 1,
		.ttl = 60,
		.icmp_type = 3,
		.icmp_code = 4,
		.icmp_rest = 1200 + dice(l, 100),
		.payload = c->data + 14,
		.payload_len = (uint16_t)(c->len - 14) };

	frame_address(&e, e.src, "10.0.0.254");
	frame_address(&e, e.dst, "10.0.0.1");
	send_frame(l, LAN, &e);
}

static void look(struct lab *l, const struct captured *c)
{
	const uint8_t *data = c->data;
	const char *wrong = NULL;
	size_t len = c->len;
	uint32_t number;
	struct frame f;

	if (pieces_is_fragment(data, len)) {
		struct whole *w = pieces_add(&l->pieces, data, len, &len, &wrong);

		if (wrong)
			fail_msg("%s", wrong);
		if (!w)
			return;
		data = w->data;
	}
	l->out++;
	wrong = frame_read(data, len, &f);
	if (wrong)
		fail_msg("%s", wrong);
	if (f.proto == IPIP) {
		too_big(l, c);
		return;
	}
	assert_true(f.payload_len >= sizeof(number));
	memcpy(&number, f.payload, sizeof(number));
	assert_true(number < FLOWS);
	if (c->nic == LAN) {
		note(l, number, &f);
		answer(l, &f);
	} else { /* to the client, from whom it asked */
		assert_int_equal(f.dst[3], l->flow[number].client + 1);
		assert_int_equal(f.dport, 1024 + number);
		assert_int_equal(f.src[3], l->flow[number].service & 2 ? 30 : 20);
		assert_int_equal(f.sport, 80 + l->flow[number].service / 4);
	}
}

/* ---- the control core ------------------------------------------------------------------------ */

static void turn(struct lab *l)
{
	const struct captured *c;

	l->h->tsc = rte_rdtsc();
	harness_around(l->h);
	while ((c = harness_take(l->h)) != NULL)
		look(l, c);
}

static bool under_way(const struct lab *l, uint64_t most)
{
	const uint64_t done = l->out + harness_all_drops(l->h);

	assert_true(done <= l->sent);
	return l->sent - done > most;
}

/* Until no more than these packets are on their way; fails after about 60 s. */
static void settle(struct lab *l, uint64_t most)
{
	for (int tries = 0; under_way(l, most); tries++) {
		if (tries == 600000) {
			harness_print_drops(l->h);
			fail_msg("of %lu packets %lu came out", (unsigned long)l->sent,
				(unsigned long)l->out);
		}
		turn(l);
		usleep(under_way(l, most) ? 20 : 0);
	}
}

/* Asks every worker and adds up. */
static uint64_t request(struct lab *l, enum request_kind kind, const struct flow_filter *filter)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < WORKERS; i++) {
		struct worker_request r = { .kind = kind, .filter = *filter };

		for (int tries = 0; request_post(l->h->workers->worker[i], &r) < 0; tries++) {
			assert_true(tries < 600000);
			turn(l);
		}
		for (int tries = 0; !request_done(&r); tries++) {
			assert_true(tries < 600000);
			turn(l);
			usleep(20);
		}
		n += r.matched;
	}
	return n;
}

/* Weights, a scheduler, and a pool and a service, which come and go. */
static void reload(struct lab *l)
{
	const unsigned int n = l->reloads++;
	json_t *doc = harness_document(l->h), *pools = json_object_get(doc, "pools"), *pool;
	json_t *services = json_object_get(doc, "services");
	struct faults faults = { 0 };

	pool = harness_named(doc, "pools", "kept");
	json_object_set_new(json_array_get(json_object_get(pool, "servers"), n % SERVERS), "weight",
		json_integer(1 + dice(l, 3)));
	json_object_set_new(harness_named(doc, "pools", "few"), "scheduler",
		json_string(n % 2 ? "round-robin" : "least-connections"));
	if (n % 2) {
		json_array_remove(pools, json_array_size(pools) - 1);
		json_array_remove(services, json_array_size(services) - 1);
	} else {
		json_array_append_new(pools,
			json_pack("{s:s, s:[{s:s, s:s, s:i}]}", "name", "extra", "servers", "name",
				"a", "address", "10.0.0.11:8083", "max-connections", 20));
		json_array_append_new(
			services, json_pack("{s:s, s:s, s:s, s:s, s:s, s:{}}", "name", "extra",
					  "address", "192.0.2.20:83", "protocol", "tcp", "mode",
					  "nat", "pool", "extra", "persistence"));
	}
	assert_int_equal(config_apply(&l->h->target, doc, &faults), 0);
	faults_free(&faults);
	json_decref(doc);
}

/* ---- what must hold at rest ------------------------------------------------------------------ */

/* Nothing is under way, so no grant is either. */
static void assert_no_grants(const struct lab *l)
{
	for (unsigned int slot = 0; slot < MODEL_SERVERS_MAX; slot++) {
		uint32_t grants = 0;

		for (unsigned int i = 0; i < WORKERS; i++)
			grants += (uint32_t)(counter_read(&l->h->workers->worker[i]
								   ->l4.sched->load[slot]) >>
					     32);
		assert_int_equal(grants, 0);
	}
}

static void assert_limits(struct lab *l)
{
	for (unsigned int p = KEPT; p <= BOTH; p++)
		for (unsigned int s = 0; s < SERVERS; s++) {
			const char name[2] = { (char)('a' + s), 0 };
			const uint16_t slot = harness_server(l->h, pool_name[p], name)->slot;
			const struct flow_filter filter = { .any_client = true, .server = slot };
			const uint64_t flows = request(l, REQUEST_COUNT, &filter);

			assert_int_equal(
				limit_taken(l->h->workers->worker[0]->l4.sched, slot), flows);
			if (!limit[p])
				continue;
			assert_true(flows <= limit[p]);
			if (l->closing)
				continue;
			assert_int_equal(l->opened[p][s], flows);
			if (p == FEW) /* there were enough for all of them */
				assert_int_equal(flows, limit[p]);
		}
	assert_no_grants(l);
}

/* All flows end. */
static void flush(struct lab *l)
{
	const struct flow_filter all = { .any_client = true };

	assert_true(request(l, REQUEST_FLUSH, &all) > 0);
	assert_int_equal(request(l, REQUEST_COUNT, &all), 0);
	assert_no_grants(l);
	for (unsigned int i = 0; i < WORKERS; i++) {
		const struct l4 *l4 = &l->h->workers->worker[i]->l4;
		struct lport_stats ports;

		lport_stats(l4->lports, &ports);
		assert_int_equal(ports.ports, 0);
		for (unsigned int slot = 0; slot < MODEL_SERVERS_MAX; slot++)
			assert_int_equal(load_active(counter_read(&l4->sched->load[slot])), 0);
	}
}

/* ---- the test -------------------------------------------------------------------------------- */

static void *loop(void *worker)
{
	worker_run(worker);
	return NULL;
}

static void start(struct lab *l)
{
	l->h = harness_create(&(struct harness_conf){ .file = "threads.json",
		.workers = WORKERS,
		.up_ms = (uint32_t)(rte_rdtsc() / 1000000) - 1000 });
	memset(l->home, NOBODY, sizeof(l->home));
	for (unsigned int i = 0; i < WORKERS; i++) {
		struct worker *w = l->h->workers->worker[i];

		w->idle = (struct idle_conf){ .spins = 8, .sleep_min_us = 10, .sleep_max_us = 50 };
		assert_int_equal(pthread_create(&l->thread[i], NULL, loop, w), 0);
	}
}

static void stop(struct lab *l)
{
	for (unsigned int i = 0; i < WORKERS; i++)
		worker_stop(l->h->workers->worker[i]);
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(l->thread[i], NULL), 0);
	l->h->tsc = rte_rdtsc();
}

/* In every other round flows of some clients are closed meanwhile. */
static void run_round(struct lab *l, unsigned int n)
{
	l->closing = n % 2;
	memset(l->opened, 0, sizeof(l->opened));
	memset(l->home[4 * BOTH], NOBODY, 4 * sizeof(l->home[0]));
	for (uint32_t i = 0; i < FLOWS; i++) {
		open_flow(l, i);
		settle(l, WINDOW);
		if (i % RELOAD == RELOAD / 2)
			reload(l);
		if (l->closing && i % FLUSH == FLUSH / 2) {
			struct flow_filter some = { 0 };

			assert_int_equal(
				prefix_parse(i % 3 ? "198.51.100.0/28" : "198.51.100.16/28", false,
					&some.client),
				0);
			request(l, REQUEST_FLUSH, &some);
		}
	}
	settle(l, 0);
	assert_limits(l);
	flush(l);
}

static void test_threads(void **state)
{
	static struct lab l;
	uint64_t asked = 0;

	start(&l);
	for (unsigned int n = 0; n < ROUNDS; n++)
		run_round(&l, n);
	stop(&l);
	for (unsigned int i = 0; i < WORKERS; i++) {
		asked += l.h->workers->worker[i]->l4.ask->asked;
		assert_true(path_floor(l.h->workers->paths, l.h->workers->worker[i]->now_ms) > 0);
	}
	assert_true(asked > ROUNDS * FLOWS / 2);
	assert_true(harness_drops(l.h, DROP_server_full) > 0);
	assert_true(harness_drops(l.h, DROP_path_learned) > 0);
	assert_int_equal(l.out + harness_all_drops(l.h), l.sent);
	harness_destroy(l.h); /* looks whether a packet is missing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
	};

	harness_init();
	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who serves a relayed connection, and who waits: limits of servers and services, the queue,
 * persistence. Clients and servers are spoken by hand, over one worker and over three, among which
 * questions travel; the servers count what they have, and that is compared with what they may have
 * after each frame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"
#include "l7/relay.h"
#include "sched/limit.h"

#define TCP     6
#define WEB     "192.0.2.60"
#define OTHER   "192.0.2.61"
#define CLIENTS 256
#define SERVERS 4 /* 10.0.0.11 .. .14 */
#define NOBODY  SERVERS
#define BASE    4000 /* the port of client 0 */

enum peer_state { IDLE, SYN_SENT, OPEN, CLOSED, RESET };

struct peer {
	enum peer_state state;
	const char *addr, *vip;
	uint16_t port; /* its own, or the balancer's */
	uint32_t seq, ack;
	bool fin;     /* it has sent one */
	uint16_t who; /* a client says that first, and a server hears it */
};

struct lab {
	struct harness *h;
	unsigned int workers;
	struct relays *relays[HARNESS_WORKERS];
	void *contexts[HARNESS_WORKERS];
	bool ready;
	struct peer client[CLIENTS];
	struct peer side[SERVERS][CLIENTS]; /* connections of the servers */
	unsigned int current[SERVERS], most[SERVERS], limit[SERVERS];
	unsigned int order[4096], n_order; /* clients, as they came to servers */
	struct frame say[4096];            /* what is to be said next */
	uint16_t nic[4096];
	unsigned int n_say;
};

static struct lab lab;

/* ---- the balancer --------------------------------------------------------------------------- */

static unsigned int turn(
	void *ctx, const struct model *m, struct tcp *t, uint32_t now_ms, unsigned int max)
{
	return lab.ready ? relays_turn(ctx, m, t, now_ms, max) : 0;
}

static void start(unsigned int workers)
{
	static const struct relays_conf conf = { .max = CLIENTS, .socket = SOCKET_ID_ANY };
	struct local_app app = { .turn = turn,
		.ops = &relays_accept,
		.ctx = lab.contexts,
		.how = tcp_how_defaults,
		.conf = tcp_conf_defaults };

	memset(&lab, 0, sizeof(lab));
	lab.workers = workers;
	for (unsigned int i = 0; i < workers; i++) {
		struct relays_conf one = conf;

		one.toward_servers = tcp_how_defaults;
		lab.contexts[i] = lab.relays[i] = relays_create(&one);
		assert_non_null(lab.relays[i]);
	}
	assert_int_equal(relays_join(lab.relays, workers), 0);
	app.conf.max_conns = 3 * CLIENTS;
	app.conf.max_segments = 4096;
	app.conf.time_wait_ms = 1000;
	lab.h = harness_create(&(struct harness_conf){
		.file = "places.json", .workers = workers, .local = &app, .to_owner = true });
	for (unsigned int i = 0; i < workers; i++) {
		struct worker *w = lab.h->workers->worker[i];

		relays_use(lab.relays[i], &w->l4, w->now_ms);
	}
	lab.ready = true;
	for (unsigned int s = 0; s < SERVERS; s++)
		lab.limit[s] = s == 3 ? CLIENTS : 1;
}

static struct relays_stats stats(void)
{
	struct relays_stats all = { 0 }, one;

	for (unsigned int i = 0; i < lab.workers; i++) {
		relays_stats(lab.relays[i], &one);
		all.pairs += one.pairs;
		all.waiting += one.waiting;
		all.waited += one.waited;
		all.retried += one.retried;
		all.redispatched += one.redispatched;
		for (unsigned int e = 0; e < RELAY_ENDS; e++)
			all.end[e] += one.end[e];
	}
	return all;
}

/* ---- the configuration ---------------------------------------------------------------------- */

static void pump(void);

static void configure(const char *list, const char *name, const char *json)
{
	json_t *doc = harness_document(lab.h), *more = json_loads(json, 0, NULL);

	assert_non_null(more);
	json_object_update(harness_named(doc, list, name), more);
	json_decref(more);
	harness_apply(lab.h, doc);
	pump();
}

/* Of each server of the pool. */
static void set_limit(unsigned int limit)
{
	char text[64];

	for (unsigned int s = 0; s < 3; s++)
		lab.limit[s] = limit ? limit : CLIENTS;
	snprintf(text, sizeof(text), "{ \"max-connections\": %u }", limit);
	configure("pools", "web", text);
}

static void administrate(const char *server, enum admin state)
{
	assert_int_equal(admin_set(lab.h->target.admin, "web", server, state), 0);
	harness_apply(lab.h, NULL);
	pump();
}

/* The first server alone. */
static void one_server(void)
{
	administrate("b", ADMIN_DRAIN);
	administrate("c", ADMIN_DRAIN);
}

/* ---- clients and servers -------------------------------------------------------------------- */

static struct frame segment(
	const char *from, uint16_t sport, const char *to, uint16_t dport, uint8_t flags)
{
	static const uint8_t mss[] = { 2, 4, 1460 >> 8, 1460 & 0xff };
	struct frame f = frame_make(TCP, from, sport, to, dport, flags);

	f.window = 30000;
	if (flags & FRAME_SYN) {
		f.options = mss;
		f.options_len = sizeof(mss);
	}
	return f;
}

static void say(uint16_t nic, struct frame f, struct peer *p)
{
	f.seq = p->seq;
	f.ack = f.flags & FRAME_ACK ? p->ack : 0;
	p->seq += !!(f.flags & FRAME_SYN) + !!(f.flags & FRAME_FIN) + f.payload_len;
	assert_true(lab.n_say < RTE_DIM(lab.say));
	lab.nic[lab.n_say] = nic;
	lab.say[lab.n_say++] = f;
}

static void client_says(unsigned int i, uint8_t flags)
{
	struct peer *c = &lab.client[i];

	say(WAN, segment(c->addr, c->port, c->vip, 80, flags), c);
}

static void server_says(unsigned int s, struct peer *p, uint8_t flags)
{
	char addr[32];

	snprintf(addr, sizeof(addr), "10.0.0.1%u", s + 1);
	say(LAN, segment(addr, 80, "10.0.0.1", p->port, flags), p);
}

static void client_begins(unsigned int i)
{
	struct peer *c = &lab.client[i];
	struct frame f = segment(c->addr, c->port, c->vip, 80, FRAME_ACK | FRAME_PSH);

	c->state = OPEN;
	c->who = (uint16_t)i;
	f.payload = (const uint8_t *)&c->who;
	f.payload_len = sizeof(c->who);
	say(WAN, f, c);
}

static void client_hears(const struct frame *f)
{
	const unsigned int i = f->dport - BASE;
	struct peer *c = &lab.client[i];

	assert_true(i < CLIENTS);
	if (f->flags & FRAME_RST) {
		c->state = RESET;
	} else if (f->flags & FRAME_SYN) {
		c->ack = f->seq + 1;
		if (c->state == SYN_SENT)
			client_begins(i);
	} else if (f->flags & FRAME_FIN) {
		c->ack = f->seq + 1;
		c->state = CLOSED;
		client_says(i, c->fin ? FRAME_ACK : FRAME_ACK | FRAME_FIN);
		c->fin = true;
	}
}

/* What the handshake is over for: what the server's program gets. */
static void server_gets(unsigned int s, struct peer *p)
{
	p->state = OPEN;
	lab.current[s]++;
	lab.most[s] = RTE_MAX(lab.most[s], lab.current[s]);
	assert_in_range(lab.current[s], 0, lab.limit[s]);
}

static void server_over(unsigned int s, struct peer *p)
{
	lab.current[s] -= p->state == OPEN;
	p->state = IDLE;
}

static void server_listens(unsigned int s, const struct frame *f)
{
	struct peer *p = lab.side[s];

	while (p->state != IDLE && p < lab.side[s] + CLIENTS)
		p++;
	assert_true(p < lab.side[s] + CLIENTS);
	*p = (struct peer){ .state = SYN_SENT, .port = f->sport, .seq = 5000, .ack = f->seq + 1 };
	server_says(s, p, FRAME_SYN | FRAME_ACK);
}

/* A server closes when the balancer does. */
static void server_hears(const struct frame *f)
{
	const unsigned int s = f->dst[3] - 11u;
	struct peer *p;

	assert_true(s < SERVERS);
	if (f->src[0] != 10) /* of layer 4, which does not get on */
		return;
	for (p = lab.side[s]; p < lab.side[s] + CLIENTS; p++)
		if (p->state != IDLE && p->port == f->sport)
			break;
	if (p == lab.side[s] + CLIENTS) {
		if (f->flags & FRAME_SYN)
			server_listens(s, f);
		return;
	}
	if (p->state == SYN_SENT && (f->flags & (FRAME_RST | FRAME_ACK)) == FRAME_ACK)
		server_gets(s, p);
	if (f->payload_len && !(f->flags & FRAME_RST)) {
		assert_int_equal(f->payload_len, sizeof(p->who));
		memcpy(&p->who, f->payload, sizeof(p->who));
		lab.order[lab.n_order++ % RTE_DIM(lab.order)] = p->who;
		p->ack = f->seq + f->payload_len;
		if (!(f->flags & FRAME_FIN))
			server_says(s, p, FRAME_ACK);
	}
	if (f->flags & FRAME_RST) {
		server_over(s, p);
	} else if (f->flags & FRAME_FIN) {
		p->ack = f->seq + f->payload_len + 1;
		server_says(s, p, FRAME_FIN | FRAME_ACK);
		server_over(s, p);
	}
}

/* What is to be said is, all workers turn once, and what comes of it is heard. False: it was
 * nothing.
 */
static bool move(void)
{
	static struct frame now[RTE_DIM(lab.say)];
	const struct captured *out;
	const unsigned int n = lab.n_say;
	struct frame f;
	bool any;

	memcpy(now, lab.say, n * sizeof(now[0]));
	lab.n_say = 0;
	for (unsigned int i = 0; i < n; i++)
		harness_give(lab.h, lab.nic[i], &now[i]);
	any = harness_turn(lab.h) > 0 || n > 0;
	while ((out = harness_next(lab.h, &f)) != NULL) {
		any = true;
		if (out->nic == WAN)
			client_hears(&f);
		else
			server_hears(&f);
	}
	return any;
}

/* Until everybody has said and heard everything. */
static void pump(void)
{
	while (move())
		;
}

static void opens_at(unsigned int i, const char *vip)
{
	lab.client[i] = (struct peer){ .state = SYN_SENT,
		.addr = "198.51.100.7",
		.vip = vip,
		.port = (uint16_t)(BASE + i),
		.seq = 77000u + i };
	client_says(i, FRAME_SYN);
}

static void opens(unsigned int i)
{
	opens_at(i, WEB);
	pump();
}

static void closes(unsigned int i)
{
	lab.client[i].fin = true;
	client_says(i, FRAME_FIN | FRAME_ACK);
	pump();
}

static void resets(unsigned int i)
{
	client_says(i, FRAME_RST | FRAME_ACK);
	lab.client[i].state = RESET;
	pump();
}

static void pass(uint32_t ms)
{
	for (uint32_t k = 0; k < ms; k += 10) {
		harness_advance(lab.h, 10);
		pump();
	}
}

static unsigned int served(void)
{
	return lab.current[0] + lab.current[1] + lab.current[2] + lab.current[3];
}

static unsigned int count_state(enum peer_state state)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < CLIENTS; i++)
		n += lab.client[i].state == state;
	return n;
}

/* A connection through layer 4, which is only to take a place. */
static void flow_begins(uint16_t sport)
{
	const struct frame f = frame_make(TCP, "198.51.100.9", sport, "192.0.2.20", 80, FRAME_SYN);

	harness_give(lab.h, WAN, &f);
}

static void flows_end(void)
{
	harness_count(lab.h, REQUEST_FLUSH,
		&(struct flow_filter){ .any_client = true, .any_server = true });
}

/* Everything is given back. */
static void finish(void)
{
	for (unsigned int i = 0; i < CLIENTS; i++)
		if (lab.client[i].state == OPEN)
			resets(i);
	flows_end();
	pass(200);
	assert_int_equal(served(), 0);
	assert_int_equal(stats().pairs, 0);
	assert_int_equal(stats().waiting, 0);
	for (unsigned int slot = 0; slot < MODEL_SERVERS_MAX; slot++)
		assert_int_equal(
			limit_taken(lab.h->workers->worker[0]->l4.sched, (uint16_t)slot), 0);
	pass(1500);
	harness_destroy(lab.h);
	for (unsigned int i = 0; i < lab.workers; i++)
		relays_destroy(lab.relays[i]);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void exact(unsigned int workers)
{
	start(workers);
	configure("services", "web", "{ \"proxy\": { \"queue-timeout\": \"0s\" } }");
	set_limit(5);
	for (unsigned int i = 0; i < 60; i++)
		opens_at(i, WEB); /* all at once */
	pump();
	for (unsigned int s = 0; s < 3; s++)
		assert_int_equal(lab.current[s], 5);
	assert_int_equal(count_state(OPEN), 15);
	assert_int_equal(count_state(RESET), 45);
	assert_int_equal(stats().end[RELAY_END_server_full], 45);
	assert_int_equal(stats().waited, 0);
	for (unsigned int i = 0; i < 60; i++)
		if (lab.client[i].state == OPEN) {
			closes(i);
			assert_int_equal(lab.client[i].state, CLOSED);
		}
	assert_int_equal(served(), 0);
	for (unsigned int i = 60; i < 75; i++)
		opens(i);
	assert_int_equal(served(), 15);
	finish();
}

static void test_exact(void **state)
{
	exact(1);
	exact(3);
}

/* "refuse": the server picked is full, and others are not asked, nor waited for. */
static void test_refuse(void **state)
{
	start(3);
	configure("pools", "web", "{ \"when-full\": \"refuse\" }");
	for (unsigned int i = 0; i < 6; i++)
		opens(i);
	assert_int_equal(served(), 3);
	assert_int_equal(stats().end[RELAY_END_server_full], 3);
	assert_int_equal(stats().waiting, 0);
	finish();
}

/* Of the service, over all workers; who waits counts. */
static void seats(unsigned int workers)
{
	start(workers);
	configure("services", "web", "{ \"proxy\": { \"max-connections\": 7 } }");
	for (unsigned int i = 0; i < 20; i++)
		opens_at(i, WEB);
	pump();
	assert_int_equal(served(), 3);
	assert_int_equal(stats().waiting, 4);
	assert_int_equal(stats().end[RELAY_END_service_full], 13);
	for (unsigned int i = 0; i < 20; i++)
		if (lab.client[i].state == OPEN) {
			resets(i);
			break;
		}
	for (unsigned int i = 20; i < 25; i++)
		opens(i);
	assert_int_equal(stats().end[RELAY_END_service_full], 13 + 4);
	assert_int_equal(stats().pairs, 7);
	configure("services", "web", "{ \"proxy\": { \"max-connections\": 0 } }");
	opens(30);
	assert_int_equal(stats().pairs, 8);
	finish();
}

static void test_seats(void **state)
{
	seats(1);
	seats(3);
}

/* ---- the queue ------------------------------------------------------------------------------ */

/* Who came first is served first, whatever worker it came to. */
static void order(unsigned int workers)
{
	start(workers);
	one_server();
	for (unsigned int i = 0; i < 40; i++)
		opens(i);
	assert_int_equal(served(), 1);
	assert_int_equal(stats().waiting, 39);
	assert_int_equal(stats().waited, 39);
	for (unsigned int i = 0; i < 40; i++) {
		assert_int_equal(lab.n_order, i + 1);
		assert_int_equal(lab.order[i], i);
		if (i % 2)
			closes(i);
		else
			resets(i);
		/* Who comes now is behind all others. */
		if (i % 8 == 0)
			opens(40 + i / 8);
	}
	for (unsigned int i = 40; i < 45; i++) {
		assert_int_equal(lab.order[i], i);
		closes(i);
	}
	assert_int_equal(stats().waiting, 0);
	assert_int_equal(lab.most[0], 1);
	finish();
}

static void test_order(void **state)
{
	order(1);
	order(3);
}

/* Each in its own time; the place that comes free then is the next one's. */
static void timeout(unsigned int workers)
{
	start(workers);
	one_server();
	configure("services", "web", "{ \"proxy\": { \"queue-timeout\": \"2s\" } }");
	for (unsigned int i = 0; i < 6; i++) {
		opens(i);
		pass(300);
	}
	assert_int_equal(stats().waiting, 5);
	pass(800); /* 2300 ms after client 1 */
	assert_int_equal(lab.client[1].state, RESET);
	assert_int_equal(lab.client[2].state, OPEN);
	assert_int_equal(stats().end[RELAY_END_queue_timeout], 1);
	assert_int_equal(stats().waiting, 4);
	closes(0);
	assert_int_equal(lab.order[1], 2);
	pass(3000);
	assert_int_equal(stats().end[RELAY_END_queue_timeout], 4);
	assert_int_equal(lab.client[2].state, OPEN);
	assert_int_equal(stats().waiting, 0);
	finish();
}

static void test_timeout(void **state)
{
	timeout(1);
	timeout(3);
}

static void aborted(unsigned int workers)
{
	start(workers);
	one_server();
	for (unsigned int i = 0; i < 12; i++)
		opens(i);
	for (unsigned int i = 1; i < 12; i += 2)
		resets(i);
	assert_int_equal(stats().end[RELAY_END_aborted], 6);
	assert_int_equal(stats().waiting, 5);
	/* One that has closed its half and waits for the answer has not left, */
	closes(2);
	assert_int_equal(stats().waiting, 5);
	/* unless the service says so. */
	configure("services", "web", "{ \"proxy\": { \"abort-on-close\": true } }");
	closes(4);
	assert_int_equal(lab.client[4].state, RESET);
	assert_int_equal(stats().end[RELAY_END_aborted], 7);
	assert_int_equal(stats().waiting, 4);
	resets(0);
	/* Client 2 is served, and gone at once. */
	assert_int_equal(lab.n_order, 3);
	assert_int_equal(lab.order[1], 2);
	assert_int_equal(lab.client[2].state, CLOSED);
	assert_int_equal(lab.order[2], 6);
	finish();
}

static void test_aborted(void **state)
{
	aborted(1);
	aborted(3);
}

static void test_queue_max(void **state)
{
	start(3);
	configure("services", "web", "{ \"proxy\": { \"queue-max\": 4 } }");
	for (unsigned int i = 0; i < 20; i++)
		opens_at(i, WEB);
	pump();
	assert_int_equal(served(), 3);
	assert_int_equal(stats().waiting, 4);
	assert_int_equal(stats().end[RELAY_END_queue_full], 13);
	finish();
}

/* Flows of layer 4 have the same places, and nobody says when one of them is over. */
static void test_with_flows(void **state)
{
	struct frame f = frame_make(TCP, "198.51.100.9", 999, "192.0.2.20", 80, FRAME_SYN);

	start(3);
	one_server();
	harness_send(lab.h, WAN, &f);
	assert_non_null(harness_next(lab.h, NULL));
	opens(0);
	assert_int_equal(stats().waiting, 1);
	assert_int_equal(harness_count(lab.h, REQUEST_FLUSH,
				 &(struct flow_filter){ .any_client = true, .any_server = true }),
		1);
	pass(50);
	assert_int_equal(stats().waiting, 0);
	assert_int_equal(served(), 1);
	finish();
}

/* Who comes the moment that a place is free, of which nobody has heard. */
static void test_at_once(void **state)
{
	struct frame first;

	start(1);
	one_server();
	for (unsigned int i = 0; i < 3; i++)
		opens(i);
	opens_at(3, WEB);
	while (lab.client[3].state != OPEN)
		move();
	client_says(0, FRAME_RST | FRAME_ACK);
	lab.client[0].state = RESET;
	first = lab.say[0];
	lab.say[0] = lab.say[1];
	lab.say[1] = first;
	pump();
	resets(1);
	resets(2);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(lab.order[i], i);
	finish();
}

/* The place is taken by somebody else again and again, elsewhere than where the line is. */
static void test_overtaken(void **state)
{
	start(3);
	administrate("a", ADMIN_DRAIN);
	administrate("c", ADMIN_DRAIN);
	for (unsigned int i = 0; i < 40; i++)
		opens(i);
	for (unsigned int i = 0; i < 40; i++) {
		assert_int_equal(lab.n_order, i + 1);
		assert_int_equal(lab.order[i], i);
		client_says(i, FRAME_RST | FRAME_ACK);
		lab.client[i].state = RESET;
		for (unsigned int k = 0; k < 4; k++) {
			flow_begins((uint16_t)(1000 + 4 * i + k));
			move();
		}
		pump();
		flows_end();
		pass(30);
	}
	finish();
}

/* ---- changes while clients wait ------------------------------------------------------------- */

static void changes(unsigned int workers)
{
	start(workers);
	one_server();
	for (unsigned int i = 0; i < 30; i++)
		opens_at(i, i % 3 == 2 ? OTHER : WEB);
	pump();
	assert_int_equal(stats().waiting, 29);
	/* A server takes connections again, and then has more places. */
	administrate("b", ADMIN_ENABLED);
	pass(20);
	assert_int_equal(lab.current[1], 1);
	set_limit(4);
	pass(20);
	assert_int_equal(lab.current[0], 4);
	assert_int_equal(lab.current[1], 4);
	assert_int_equal(stats().waiting, 22);
	/* Without it, its connections are over, and the others still wait. */
	administrate("b", ADMIN_DISABLED);
	pass(20);
	assert_int_equal(lab.current[1], 0);
	assert_int_equal(stats().waiting, 22);
	/* A lower limit ends nothing. */
	lab.limit[0] = 4;
	configure("pools", "web", "{ \"max-connections\": 2 }");
	pass(20);
	assert_int_equal(lab.current[0], 4);
	for (unsigned int i = 0, n = 0; i < 30 && n < 2; i++)
		if (lab.client[i].state == OPEN && lab.order[0] == i) {
			resets(i);
			n = 2;
		}
	assert_int_equal(lab.current[0], 3);
	/* One service has a pool of its own, with room; the other one's clients wait on. */
	configure("services", "other", "{ \"pool\": \"sorry\" }");
	pass(20);
	assert_int_equal(stats().waiting + lab.current[3], 22);
	assert_true(lab.current[3] > 0);
	/* A backup takes those. */
	configure("pools", "web", "{ \"backup\": \"sorry\" }");
	pass(20);
	assert_int_equal(stats().waiting, 0);
	finish();
}

static void test_changes(void **state)
{
	changes(1);
	changes(3);
}

static void service_gone(unsigned int workers)
{
	json_t *doc, *services;

	start(workers);
	one_server();
	for (unsigned int i = 0; i < 30; i++)
		opens_at(i, i % 2 ? OTHER : WEB);
	pump();
	doc = harness_document(lab.h);
	services = json_object_get(doc, "services");
	json_array_remove(services, 0);
	harness_apply(lab.h, doc);
	pass(50);
	assert_int_equal(stats().end[RELAY_END_gone], 15);
	assert_int_equal(stats().pairs, 15);
	assert_int_equal(served(), 1);
	finish();
}

static void test_service_gone(void **state)
{
	service_gone(1);
	service_gone(3);
}

/* ---- persistence ---------------------------------------------------------------------------- */

static void persistent(unsigned int workers)
{
	struct frame f, got;
	unsigned int s = NOBODY;

	start(workers);
	configure("services", "web",
		"{ \"persistence\": { \"timeout\": \"30m\", \"group\": \"g\" } }");
	configure("services", "nat",
		"{ \"persistence\": { \"timeout\": \"30m\", \"group\": \"g\" } }");
	set_limit(40);
	for (unsigned int i = 0; i < 30; i++)
		opens_at(i, WEB);
	pump();
	for (unsigned int k = 0; k < 3; k++)
		if (lab.current[k]) {
			assert_int_equal(lab.current[k], 30);
			s = k;
		}
	assert_true(s < 3);
	/* Layer 4 knows it too. */
	f = frame_make(TCP, "198.51.100.7", 999, "192.0.2.20", 80, FRAME_SYN);
	harness_send(lab.h, WAN, &f);
	assert_non_null(harness_next(lab.h, &got));
	assert_int_equal(got.dst[3], 11 + s);
	/* It is full: elsewhere, and back when there is room. */
	set_limit(31);
	opens(30);
	assert_int_equal(lab.current[s], 30);
	assert_int_equal(served(), 31);
	set_limit(40);
	opens(31);
	assert_int_equal(lab.current[s], 31);
	finish();
}

static void test_persistent(void **state)
{
	persistent(1);
	persistent(3);
}

/* ---- everything at once --------------------------------------------------------------------- */

static uint32_t seed;

static uint32_t dice(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static void step(void)
{
	const unsigned int i = dice(CLIENTS / 2);
	struct peer *c = &lab.client[i];

	if (c->state == IDLE || c->state == RESET || c->state == CLOSED)
		opens_at(i, dice(3) ? WEB : OTHER);
	else if (c->state == OPEN && dice(2)) {
		client_says(i, FRAME_RST | FRAME_ACK);
		c->state = RESET;
	} else if (c->state == OPEN && !c->fin) {
		c->fin = true;
		client_says(i, FRAME_FIN | FRAME_ACK);
	}
}

/* The servers check each connection against their limits, finish() that nothing is lost. */
static void everything(unsigned int workers)
{
	start(workers);
	set_limit(5);
	seed = 7 * workers;
	for (unsigned int n = 0; n < 3000; n++) {
		step();
		for (uint32_t moves = dice(4); moves > 0; moves--)
			move();
		if (dice(4) == 0)
			flow_begins((uint16_t)(1 + dice(1000)));
		if (dice(50) == 0) {
			pump();
			assert_int_equal(stats().pairs, count_state(OPEN));
			flows_end();
		}
		if (dice(200) == 0)
			pass(20);
		if (dice(300) == 0)
			administrate(dice(2) ? "b" : "c", dice(2) ? ADMIN_DRAIN : ADMIN_ENABLED);
		if (dice(400) == 0)
			configure("services", "other",
				dice(2) ? "{ \"pool\": \"sorry\" }" : "{ \"pool\": \"web\" }");
		if (dice(400) == 0)
			configure("services", "web",
				dice(2) ? "{ \"persistence\": { \"timeout\": \"30m\" } }"
					: "{ \"proxy\": { \"max-connections\": 20 } }");
	}
	pump();
	assert_true(stats().waited > 100);
	finish();
}

static void test_everything(void **state)
{
	everything(1);
	everything(2);
	everything(3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_seats),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_aborted),
		cmocka_unit_test(test_queue_max),
		cmocka_unit_test(test_with_flows),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_overtaken),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_service_gone),
		cmocka_unit_test(test_persistent),
		cmocka_unit_test(test_everything),
	};

	harness_init();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

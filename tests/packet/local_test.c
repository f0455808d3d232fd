/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections that end in a worker, through the whole pipeline: clients spoken by hand, and an
 * application that sends back what it hears and closes when the client does. What TCP itself does
 * is tested beside it; here it is what is around it: which packets it gets, on which worker, what
 * becomes of its own, time, and the flows that are not its.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

#define TCP       6
#define CLIENT4   "198.51.100.7"
#define CLIENT6   "2001:db8:c::7"
#define APP4      "192.0.2.60"
#define APP6      "2001:db8:1::60"

#define MSS       1000
#define TIME_WAIT 4000 /* ms */

/* ---- the application ------------------------------------------------------------------------ */

/* Of a worker. */
struct app {
	unsigned int opened, closed, failed;
	int error;
	uint32_t tag;
	bool mute; /* reads nothing */
};

/* Sends back what comes; "bye" makes it close first. */
static void echo(struct app *app, struct tcp_conn *c)
{
	struct rte_mbuf *m = tcp_read(c, UINT32_MAX, NULL);
	bool bye = false;

	while (m) {
		bye |= m->data_len >= 3 && memcmp(rte_pktmbuf_mtod(m, char *), "bye", 3) == 0;
		assert_int_equal(tcp_write(c, m), 0);
		m = tcp_read(c, UINT32_MAX, NULL);
	}
	if (!bye && !tcp_at_end(c))
		return;
	app->closed++;
	tcp_close(c);
}

static void event(struct tcp_conn *c, uint32_t events)
{
	struct app *app = tcp_ctx(c);

	if (events & TCP_EV_OPEN) {
		app->opened++;
		app->tag = tcp_tag(c);
	}
	if (events & TCP_EV_ERROR) {
		app->failed++;
		app->error = tcp_error(c);
		tcp_close(c);
		return;
	}
	if ((events & TCP_EV_READ) && !app->mute)
		echo(app, c);
}

static const struct tcp_ops ops = { .event = event };

static struct app apps[HARNESS_WORKERS];
static void *const contexts[HARNESS_WORKERS] = { &apps[0], &apps[1], &apps[2], &apps[3] };

static unsigned int all_opened(void)
{
	return apps[0].opened + apps[1].opened + apps[2].opened + apps[3].opened;
}

static unsigned int all_closed(void)
{
	return apps[0].closed + apps[1].closed + apps[2].closed + apps[3].closed;
}

static unsigned int all_failed(void)
{
	return apps[0].failed + apps[1].failed + apps[2].failed + apps[3].failed;
}

static struct harness *balancer_as(struct harness_conf conf)
{
	struct local_app app = {
		.ops = &ops, .ctx = contexts, .how = tcp_how_defaults, .conf = tcp_conf_defaults
	};

	memset(apps, 0, sizeof(apps));
	app.how.mss = MSS;
	app.conf.max_conns = 256;
	app.conf.max_segments = 1024;
	app.conf.time_wait_ms = TIME_WAIT;
	conf.file = "local.json";
	conf.local = &app;
	return harness_create(&conf);
}

static struct harness *balancer(unsigned int workers)
{
	return balancer_as((struct harness_conf){ .workers = workers });
}

static struct tcp_stats stats_of(const struct harness *h)
{
	struct tcp_stats all = { 0 }, one;

	for (unsigned int i = 0; i < h->conf.workers; i++) {
		tcp_stats(h->workers->worker[i]->local.tcp, &one);
		all.conns += one.conns;
		all.time_wait += one.time_wait;
	}
	return all;
}

/* ---- a client ------------------------------------------------------------------------------- */

struct client {
	struct harness *h;
	const char *addr, *vip;
	uint16_t port;
	uint32_t seq, ack;  /* the next byte of each side */
	struct frame last;  /* of the balancer */
	uint8_t seen;       /* all flags of its answers to the last segment */
	uint32_t got;       /* bytes that came in order in them */
	uint16_t longest;   /* IP packet among them, */
	uint16_t segments;  /* and most segments of an mbuf */
	uint8_t data[8192]; /* these bytes */
};

static struct client client_of(struct harness *h, const char *vip, uint16_t port)
{
	return (struct client){ .h = h,
		.addr = strchr(vip, ':') ? CLIENT6 : CLIENT4,
		.vip = vip,
		.port = port,
		.seq = 77000u + port };
}

static struct frame segment(const struct client *c, uint8_t flags, const void *data, size_t len)
{
	static const uint8_t mss[] = { 2, 4, 1460 >> 8, 1460 & 0xff };
	struct frame f = frame_make(TCP, c->addr, c->port, c->vip, 80, flags);

	f.seq = c->seq;
	f.ack = flags & FRAME_ACK ? c->ack : 0;
	f.window = 30000;
	if (flags & FRAME_SYN) {
		f.options = mss;
		f.options_len = sizeof(mss);
	}
	f.payload = data;
	f.payload_len = (uint16_t)len;
	return f;
}

/* What the balancer has said to this client. */
static void hear(struct client *c)
{
	const struct captured *out;
	struct frame f;

	c->seen = 0;
	c->got = 0;
	c->longest = c->segments = 0;
	while ((out = harness_next(c->h, &f))) {
		assert_int_equal(out->nic, WAN);
		assert_int_equal(f.sport, 80);
		assert_int_equal(f.dport, c->port);
		c->last = f;
		c->seen |= f.flags;
		c->longest = RTE_MAX(c->longest, (uint16_t)(out->len - 14));
		c->segments = RTE_MAX(c->segments, out->segments);
		if (f.flags & FRAME_SYN)
			c->ack = f.seq + 1;
		if (f.payload_len && f.seq == c->ack) {
			assert_true(c->got + f.payload_len <= sizeof(c->data));
			memcpy(c->data + c->got, f.payload, f.payload_len);
			c->got += f.payload_len;
			c->ack += f.payload_len;
		}
		if ((f.flags & FRAME_FIN) && f.seq + f.payload_len == c->ack)
			c->ack++;
	}
}

/* Sends a segment, and hears what comes back. */
static void says(struct client *c, uint8_t flags, const void *data, size_t len)
{
	const struct frame f = segment(c, flags, data, len);

	harness_forget(c->h);
	harness_send(c->h, WAN, &f);
	c->seq += (uint32_t)len + !!(flags & FRAME_SYN) + !!(flags & FRAME_FIN);
	hear(c);
}

static void connects(struct client *c)
{
	says(c, FRAME_SYN, NULL, 0);
	assert_int_equal(c->seen, FRAME_SYN | FRAME_ACK);
	assert_int_equal(c->last.ack, c->seq);
	says(c, FRAME_ACK, NULL, 0);
	assert_int_equal(c->seen, 0);
}

/* Says something, and it comes back. */
static void talks(struct client *c, const char *text)
{
	const size_t len = strlen(text);

	says(c, FRAME_ACK | FRAME_PSH, text, len);
	assert_int_equal(c->got, len);
	assert_memory_equal(c->data, text, len);
	assert_int_equal(c->last.ack, c->seq);
	says(c, FRAME_ACK, NULL, 0);
	assert_int_equal(c->seen, 0);
}

static void closes(struct client *c)
{
	says(c, FRAME_FIN | FRAME_ACK, NULL, 0);
	assert_true(c->seen & FRAME_FIN);
	assert_int_equal(c->last.ack, c->seq);
	says(c, FRAME_ACK, NULL, 0);
	assert_int_equal(c->seen, 0);
}

/* The application closes first, so that the connection is in TIME-WAIT here. */
static void is_left(struct client *c)
{
	says(c, FRAME_ACK | FRAME_PSH, "bye", 3);
	assert_int_equal(c->got, 3);
	assert_true(c->seen & FRAME_FIN);
	says(c, FRAME_FIN | FRAME_ACK, NULL, 0);
	assert_int_equal(c->seen, FRAME_ACK);
	assert_int_equal(c->last.ack, c->seq);
}

/* ---- connections ---------------------------------------------------------------------------- */

static void talk_with_all(struct harness *h, const char *vip, unsigned int n)
{
	struct client *c = calloc(n, sizeof(*c));

	assert_non_null(c);
	for (unsigned int i = 0; i < n; i++) {
		c[i] = client_of(h, vip, (uint16_t)(4000 + i));
		connects(&c[i]);
	}
	assert_int_equal(harness_flows(h), n);
	assert_int_equal(stats_of(h).conns, n);
	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int i = 0; i < n; i++)
			talks(&c[i], round % 2 ? "an odd number of bytes." : "and an even number");
	for (unsigned int i = 0; i < n; i++)
		closes(&c[i]);
	assert_int_equal(harness_flows(h), 0);
	assert_int_equal(stats_of(h).conns, 0);
	free(c);
}

static void test_echo(void **state)
{
	for (unsigned int workers = 1; workers <= 2; workers++) {
		struct harness *h = balancer(workers);

		talk_with_all(h, APP4, 24);
		talk_with_all(h, APP6, 24);
		assert_int_equal(all_opened(), 48);
		assert_int_equal(all_closed(), 48);
		assert_int_equal(all_failed(), 0);
		assert_int_equal(harness_all_drops(h), 0);
		/* Each is where its packets belong, and those that came in elsewhere were handed
		 * over. */
		if (workers == 2) {
			assert_true(apps[0].opened > 0 && apps[1].opened > 0);
			assert_true(h->workers->steer[0]->handed_over > 0);
		}
		harness_destroy(h);
	}
}

/* More than a segment each way, out of several mbufs; on nics that take no chains, in one. */
static void send_long(bool linear)
{
	struct harness *h = balancer_as((struct harness_conf){ .workers = 2, .linear = linear });
	struct client c = client_of(h, APP6, 4000);
	uint16_t segments = 0;
	uint8_t block[1400];
	uint32_t got = 0;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 7);
	connects(&c);
	for (unsigned int i = 0; i < 20; i++) {
		says(&c, FRAME_ACK, block, sizeof(block));
		for (uint32_t k = 0; k < c.got; k++)
			assert_int_equal(c.data[k], block[(got + k) % sizeof(block)]);
		assert_true(c.longest <= 40 + 20 + MSS);
		segments = RTE_MAX(segments, c.segments);
		got += c.got;
		says(&c, FRAME_ACK, NULL, 0);
		for (uint32_t k = 0; k < c.got; k++)
			assert_int_equal(c.data[k], block[(got + k) % sizeof(block)]);
		got += c.got;
	}
	for (unsigned int i = 0; i < 10 && got < 20 * sizeof(block); i++) {
		harness_forget(h);
		harness_advance(h, 100);
		hear(&c);
		got += c.got;
		says(&c, FRAME_ACK, NULL, 0);
		got += c.got;
	}
	assert_int_equal(got, 20 * sizeof(block));
	if (linear)
		assert_int_equal(segments, 1);
	else
		assert_true(segments > 1);
	closes(&c);
	harness_destroy(h);
}

static void test_long(void **state)
{
	send_long(false);
	send_long(true);
}

/* What the application is told of the service that a client came to. */
static void test_tag(void **state)
{
	struct harness *h = balancer(1);
	const struct service *s = model_service_by_name(h->snapshot.model, "app4");
	struct client c = client_of(h, "192.0.2.61", 4000);

	connects(&c);
	assert_int_equal(local_service(apps[0].tag), s->slot);
	assert_int_equal(local_service_gen(apps[0].tag), s->gen);
	closes(&c);
	harness_destroy(h);
}

/* A segment of no connection gets a RST; a port where nothing listens is silent as ever. */
static void test_nobody(void **state)
{
	struct harness *h = balancer(2);
	struct client c = client_of(h, APP4, 4000);
	struct frame f = frame_make(TCP, CLIENT4, 4000, APP4, 81, FRAME_SYN);

	says(&c, FRAME_ACK | FRAME_PSH, "hello", 5);
	assert_int_equal(c.seen & FRAME_RST, FRAME_RST);
	assert_int_equal(c.last.seq, c.ack);
	harness_dropped(h, WAN, &f, DROP_no_service);
	assert_int_equal(all_opened(), 0);
	harness_destroy(h);
}

/* A connection the other way, from a port whose answers come to this worker. */
static void test_connect(void **state)
{
	struct harness *h = balancer(2);

	for (unsigned int i = 0; i < 8; i++) {
		const unsigned int w = i % 2;
		struct tcp_target to = { .remote.port = 8080 };
		const struct captured *out;
		struct frame f, answer;

		assert_int_equal(addr_parse("10.0.0.1", &to.local), 0);
		assert_int_equal(addr_parse("10.0.0.11", &to.remote.addr), 0);
		assert_non_null(tcp_connect(
			h->workers->worker[w]->local.tcp, &to, &tcp_how_defaults, &ops, &apps[w]));
		harness_forget(h);
		harness_step(h);
		out = harness_next(h, &f);
		assert_non_null(out);
		assert_int_equal(out->nic, LAN);
		assert_int_equal(f.flags & 0x3f, FRAME_SYN);
		answer = frame_make(
			TCP, "10.0.0.11", 8080, "10.0.0.1", f.sport, FRAME_SYN | FRAME_ACK);
		answer.seq = 5000;
		answer.ack = f.seq + 1;
		f = harness_through(h, LAN, &answer, LAN);
		assert_int_equal(f.flags, FRAME_ACK);
		assert_int_equal(f.ack, 5001);
		assert_int_equal(apps[w].opened, i / 2 + 1);
		/* And a refusal. */
		answer.flags = FRAME_RST | FRAME_ACK;
		answer.seq = 5001;
		harness_send(h, LAN, &answer);
		assert_int_equal(apps[w].failed, i / 2 + 1);
	}
	assert_int_equal(harness_flows(h), 0);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* ---- one burst ------------------------------------------------------------------------------ */

/* Puts a segment into a receive queue, where it waits for the turn. */
static void queues(struct client *c, uint8_t flags, const char *data)
{
	struct frame f = segment(c, flags, data, strlen(data));
	uint8_t buf[FRAME_MAX];

	memcpy(f.eth_dst, c->h->nic[WAN]->mac.addr_bytes, 6);
	memcpy(f.eth_src, c->h->host[f.family == 6].mac, 6);
	assert_true(harness_inject(c->h, WAN, 0, buf, frame_build(&f, buf)));
	c->seq += (uint32_t)strlen(data) + !!(flags & FRAME_SYN) + !!(flags & FRAME_FIN);
}

static void test_burst_opens(void **state)
{
	struct harness *h = balancer(1);
	struct client c = client_of(h, APP4, 4000);

	queues(&c, FRAME_SYN, "");
	c.seq--; /* the same again: its connection is there by then */
	queues(&c, FRAME_SYN, "");
	harness_step(h);
	hear(&c);
	assert_int_equal(harness_flows(h), 1);
	assert_int_equal(stats_of(h).conns, 1);
	says(&c, FRAME_ACK, NULL, 0);
	talks(&c, "once");
	assert_int_equal(all_opened(), 1);

	/* All of it at once. */
	harness_forget(h);
	queues(&c, FRAME_ACK | FRAME_PSH, "one");
	queues(&c, FRAME_ACK | FRAME_PSH, "two");
	queues(&c, FRAME_ACK | FRAME_FIN, "");
	harness_step(h);
	hear(&c);
	assert_int_equal(c.got, 6);
	assert_memory_equal(c.data, "onetwo", 6);
	assert_true(c.seen & FRAME_FIN);
	says(&c, FRAME_ACK, NULL, 0);
	assert_int_equal(harness_flows(h), 0);
	assert_int_equal(harness_drops(h, DROP_tcp_outside), 1); /* the second SYN */
	assert_int_equal(harness_all_drops(h), 1);
	harness_destroy(h);
}

/* The connection is gone when its later segments' turn comes, and another one begins. */
static void test_burst_ends(void **state)
{
	struct harness *h = balancer(1);
	struct client c = client_of(h, APP4, 4000);

	connects(&c);
	harness_forget(h);
	queues(&c, FRAME_RST | FRAME_ACK, "");
	queues(&c, FRAME_ACK | FRAME_PSH, "late");
	c.seq += 1000000;
	queues(&c, FRAME_SYN, "");
	queues(&c, FRAME_RST, ""); /* kept out of what follows by its number */
	harness_step(h);
	hear(&c);
	assert_true(c.seen & FRAME_SYN);
	assert_true(c.seen & FRAME_RST); /* to what was late */
	assert_int_equal(all_failed(), 1);
	assert_int_equal(apps[0].error, -ECONNRESET);
	harness_destroy(h);
}

/* ---- what a service has beside its mode ----------------------------------------------------- */

static void test_access(void **state)
{
	struct harness *h = balancer(2);
	struct frame f = frame_make(TCP, CLIENT4, 4000, "192.0.2.63", 80, FRAME_SYN);
	struct client other = client_of(h, "192.0.2.63", 4001);

	harness_dropped(h, WAN, &f, DROP_denied);
	f.flags = FRAME_ACK;
	harness_dropped(h, WAN, &f, DROP_denied);
	other.addr = "203.0.113.7";
	connects(&other);
	talks(&other, "let in");
	closes(&other);
	harness_destroy(h);
}

/* Three at once, whatever workers they belong to. */
static void test_source_rate(void **state)
{
	for (unsigned int workers = 1; workers <= 3; workers++) {
		struct harness *h = balancer(workers);
		struct client c[6];

		for (uint16_t i = 0; i < 6; i++) {
			c[i] = client_of(h, "192.0.2.64", (uint16_t)(4000 + i));
			if (i < 3) {
				connects(&c[i]);
			} else {
				const struct frame f = segment(&c[i], FRAME_SYN, NULL, 0);

				harness_dropped(h, WAN, &f, DROP_source_rate);
			}
		}
		for (uint16_t i = 0; i < 3; i++) {
			talks(&c[i], "no new flow");
			closes(&c[i]);
		}
		harness_advance(h, 1000);
		connects(&c[5]);
		closes(&c[5]);
		harness_destroy(h);
	}
}

static void test_new_flows(void **state)
{
	struct harness *h = balancer(1);

	for (uint16_t i = 0; i < 6; i++) {
		struct client c = client_of(h, "192.0.2.65", (uint16_t)(4000 + i));
		const struct frame f = segment(&c, FRAME_SYN, NULL, 0);

		if (i < 4)
			connects(&c);
		else
			harness_dropped(h, WAN, &f, DROP_flow_rate);
	}
	assert_int_equal(all_opened(), 4);
	harness_destroy(h);
}

/* Nothing is kept of a SYN; the ACK that brings the cookie back is let through to TCP. */
static void test_cookies(void **state)
{
	struct harness *h = balancer(2);

	for (uint16_t i = 0; i < 8; i++) {
		struct client c = client_of(h, "192.0.2.62", (uint16_t)(4000 + i));

		says(&c, FRAME_SYN, NULL, 0);
		assert_int_equal(c.seen, FRAME_SYN | FRAME_ACK);
		assert_int_equal(harness_flows(h), 0);
		says(&c, FRAME_ACK, NULL, 0);
		assert_int_equal(harness_flows(h), 1);
		talks(&c, "with a cookie");
		closes(&c);
	}
	assert_int_equal(all_opened(), 8);
	harness_destroy(h);
}

/* ---- time ----------------------------------------------------------------------------------- */

static void test_time_wait(void **state)
{
	for (unsigned int workers = 1; workers <= 2; workers++) {
		struct harness *h = balancer(workers);
		struct client c = client_of(h, APP4, 4000), d = client_of(h, APP6, 4001);

		connects(&c);
		connects(&d);
		is_left(&c);
		is_left(&d);
		assert_int_equal(stats_of(h).conns, 0);
		assert_int_equal(stats_of(h).time_wait, 2);
		assert_int_equal(harness_flows(h), 2);
		/* The FIN comes again: it is acknowledged again. */
		c.seq--;
		says(&c, FRAME_FIN | FRAME_ACK, NULL, 0);
		assert_int_equal(c.seen, FRAME_ACK);
		harness_advance(h, TIME_WAIT - 1000);
		assert_int_equal(harness_flows(h), 2);
		harness_advance(h, 2000);
		assert_int_equal(harness_flows(h), 0);
		assert_int_equal(stats_of(h).time_wait, 0);
		harness_destroy(h);
	}
}

/* A client comes again while its last connection is in TIME-WAIT: as a new one, access lists
 * included. */
static void test_time_wait_again(void **state)
{
	struct harness *h = balancer(2);
	struct client c = client_of(h, APP4, 4000);
	struct frame f;
	json_t *doc;

	connects(&c);
	is_left(&c);
	c.seq += 100000;
	connects(&c);
	talks(&c, "again");
	assert_int_equal(all_opened(), 2);
	is_left(&c);
	doc = harness_document(h);
	json_object_set_new(harness_named(doc, "services", "app4"), "access",
		json_pack("{s:[s]}", "deny", CLIENT4 "/32"));
	harness_apply(h, doc);
	c.seq += 100000;
	f = segment(&c, FRAME_SYN, NULL, 0);
	harness_dropped(h, WAN, &f, DROP_denied);
	assert_int_equal(all_opened(), 2);
	harness_destroy(h);
}

/* What is not acknowledged is sent again when its time has come, though nothing else happens. */
static void test_timers(void **state)
{
	struct harness *h = balancer(2);
	struct client c = client_of(h, APP4, 4000);

	connects(&c);
	says(&c, FRAME_ACK | FRAME_PSH, "hello", 5);
	assert_int_equal(c.got, 5);
	harness_forget(h);
	harness_advance(h, 3000);
	c.ack -= 5;
	hear(&c);
	assert_int_equal(c.got, 5);
	assert_memory_equal(c.data, "hello", 5);
	says(&c, FRAME_ACK, NULL, 0);
	closes(&c);
	harness_destroy(h);
}

/* ---- ICMP errors ---------------------------------------------------------------------------- */

/* An error of a router about the last thing that the client heard. */
static struct frame error_about(
	const struct frame *about, uint8_t type, uint8_t code, uint32_t rest, uint8_t *quote)
{
	struct frame f = {
		.ttl = 64, .icmp_type = type, .icmp_code = code, .icmp_rest = rest, .payload = quote
	};
	uint8_t buf[FRAME_MAX];
	const size_t len = frame_build(about, buf) - 14;
	char text[48];

	f.payload_len = (uint16_t)RTE_MIN(len, (size_t)500);
	memcpy(quote, buf + 14, f.payload_len);
	snprintf(text, sizeof(text), "%s", about->family == 4 ? "203.0.113.9" : "2001:db8:99::9");
	frame_address(&f, f.src, text);
	memcpy(f.dst, about->src, 16);
	f.proto = about->family == 4 ? 1 : 58;
	return f;
}

/* Segments were too big for the way to the client: they come again, smaller. */
static void test_too_big(void **state)
{
	static const char *const vips[] = { APP4, APP6 };

	for (unsigned int i = 0; i < 4; i++) {
		struct harness *h = balancer(1 + i / 2);
		struct client c = client_of(h, vips[i % 2], 4000);
		const bool v6 = i % 2;
		const uint16_t mtu = v6 ? 1280 : 700;
		uint8_t quote[FRAME_MAX], block[1300] = { 0 };
		struct frame error;
		uint32_t got;

		apps[0].mute = apps[1].mute = false;
		connects(&c);
		says(&c, FRAME_ACK | FRAME_PSH, block, MSS);
		assert_int_equal(c.got, MSS);
		c.ack -= MSS;
		error = error_about(&c.last, v6 ? 2 : 3, v6 ? 0 : 4, mtu, quote);
		harness_forget(h);
		harness_send(h, WAN, &error);
		harness_advance(h, 3000);
		hear(&c);
		got = c.got;
		assert_int_equal(got, MSS);
		if (!v6)
			assert_true(c.longest <= mtu);
		assert_int_equal(harness_all_drops(h), 0);
		says(&c, FRAME_ACK, NULL, 0);
		closes(&c);
		harness_destroy(h);
	}
}

/* A server that is not there: connecting fails at once, and for the right reason. */
static void test_unreachable(void **state)
{
	static const struct {
		uint8_t type, code;
		int error;
	} cases[] = {
		{ 3, 3, -ECONNREFUSED },
		{ 3, 1, -EHOSTUNREACH },
		{ 3, 13, -EHOSTUNREACH },
		{ 11, 0, -EHOSTUNREACH },
	};

	for (unsigned int workers = 1; workers <= 2; workers++)
		for (size_t i = 0; i < RTE_DIM(cases); i++) {
			struct harness *h = balancer(workers);
			struct tcp_target to = { .remote.port = 8080 };
			uint8_t quote[FRAME_MAX];
			struct frame f, error;

			assert_int_equal(addr_parse("10.0.0.1", &to.local), 0);
			assert_int_equal(addr_parse("10.0.0.11", &to.remote.addr), 0);
			assert_non_null(tcp_connect(h->workers->worker[0]->local.tcp, &to,
				&tcp_how_defaults, &ops, &apps[0]));
			harness_step(h);
			assert_non_null(harness_next(h, &f));
			error = error_about(&f, cases[i].type, cases[i].code, 0, quote);
			harness_send(h, LAN, &error);
			if (!apps[0].failed)
				harness_advance(h, 130000); /* soft ones count at the end */
			assert_int_equal(apps[0].failed, 1);
			assert_int_equal(apps[0].error, cases[i].error);
			assert_int_equal(harness_flows(h), 0);
			assert_int_equal(harness_all_drops(h), 0);
			harness_destroy(h);
		}
}

/* ---- beside other flows --------------------------------------------------------------------- */

/* Connections that pass, as they would with nothing beside them. */
static void test_beside(void **state)
{
	for (unsigned int workers = 1; workers <= 2; workers++) {
		struct harness *h = balancer(workers);
		struct client c = client_of(h, APP4, 4000);
		struct frame f = frame_make(TCP, CLIENT4, 4000, "192.0.2.20", 80, FRAME_SYN), got,
			     back;
		struct flow_filter any = { .any_client = true };
		struct flow_info info[4];

		connects(&c);
		got = harness_through(h, WAN, &f, LAN);
		assert_int_equal(got.dport, 8080);
		back = frame_make(TCP, "10.0.0.11", 8080, CLIENT4, 4000, FRAME_SYN | FRAME_ACK);
		got = harness_through(h, LAN, &back, WAN);
		assert_int_equal(got.sport, 80);
		for (unsigned int i = 0; i < 5; i++) {
			f.flags = back.flags = FRAME_ACK;
			harness_through(h, WAN, &f, LAN);
			talks(&c, "beside");
			harness_through(h, LAN, &back, WAN);
		}
		/* Whoever lists or ends flows means these alone. */
		assert_int_equal(harness_flows(h), 2);
		assert_int_equal(harness_sessions(h, &any, info, 4), 1);
		assert_int_equal(info[0].mode, MODE_NAT);
		assert_int_equal(harness_count(h, REQUEST_COUNT, &any), 1);
		assert_int_equal(harness_count(h, REQUEST_FLUSH, &any), 1);
		assert_int_equal(harness_flows(h), 1);
		assert_int_equal(harness_count(h, REQUEST_SWEEP, &any), 0);
		talks(&c, "still there");
		closes(&c);
		assert_int_equal(harness_flows(h), 0);
		harness_destroy(h);
	}
}

/* Both kinds in one burst, in any order. */
static void test_mixed_burst(void **state)
{
	struct harness *h = balancer(1);
	struct client c = client_of(h, APP4, 4000), n = client_of(h, "192.0.2.20", 5000);
	const struct captured *out;
	unsigned int passed = 0, heard = 0;
	struct frame f;

	connects(&c);
	harness_forget(h);
	for (unsigned int i = 0; i < 10; i++) {
		queues(&n, i ? FRAME_ACK : FRAME_SYN, "");
		queues(&c, FRAME_ACK | FRAME_PSH, "x");
	}
	harness_step(h);
	while ((out = harness_next(h, &f))) {
		passed += out->nic == LAN;
		if (out->nic == WAN)
			heard += f.payload_len;
	}
	assert_int_equal(passed, 10);
	assert_int_equal(heard, 10);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* A full table makes room at the cost of those that are only beginning, never of a connection. */
static void test_full(void **state)
{
	struct harness *h = balancer_as((struct harness_conf){ .workers = 1, .flows_v4 = 8 });
	struct client c[6];
	unsigned int passed = 0;
	struct frame got;

	for (uint16_t i = 0; i < 6; i++) {
		c[i] = client_of(h, APP4, (uint16_t)(4000 + i));
		if (i < 3)
			connects(&c[i]);
		else /* half open */
			says(&c[i], FRAME_SYN, NULL, 0);
	}
	harness_advance(h, 500);
	for (uint16_t i = 0; i < 40; i++) {
		const struct frame f =
			frame_make(TCP, CLIENT4, (uint16_t)(5000 + i), "192.0.2.20", 80, FRAME_SYN);
		const struct captured *out;

		harness_forget(h);
		harness_send(h, WAN, &f);
		while ((out = harness_next(h, &got)))
			passed += out->nic == LAN;
		harness_advance(h, 50);
	}
	assert_in_range(passed, 4, 39);
	for (uint16_t i = 0; i < 6; i++) {
		harness_forget(h);
		if (i >= 3)
			says(&c[i], FRAME_ACK, NULL, 0);
		talks(&c[i], "still there");
		closes(&c[i]);
	}
	harness_destroy(h);
}

/* ---- changes -------------------------------------------------------------------------------- */

/* Connections outlive a change of anything, their own service's end included; new ones do not
 * begin then. */
static void test_reload(void **state)
{
	for (unsigned int workers = 1; workers <= 2; workers++) {
		struct harness *h = balancer(workers);
		struct client c[8];
		struct frame f;
		json_t *doc;

		for (uint16_t i = 0; i < 8; i++) {
			c[i] = client_of(h, i % 2 ? APP4 : APP6, (uint16_t)(4000 + i));
			connects(&c[i]);
		}
		/* Routes and addresses, and with them every adjacency. */
		doc = harness_document(h);
		json_array_append_new(
			json_object_get(
				json_array_get(json_object_get(doc, "ports"), 1), "addresses"),
			json_string("10.9.0.1/24"));
		json_object_set_new(doc, "routes",
			json_pack("[{s:s,s:s}]", "to", "198.51.100.0/24", "via", "192.0.2.254"));
		harness_apply(h, doc);
		for (uint16_t i = 0; i < 8; i++)
			talks(&c[i], "after a change");
		/* Nobody listens any more. */
		doc = harness_document(h);
		json_object_set_new(
			harness_named(doc, "services", "app4"), "address", json_string(APP4 ":81"));
		json_object_set_new(harness_named(doc, "services", "app6"), "address",
			json_string("[" APP6 "]:81"));
		harness_apply(h, doc);
		for (uint16_t i = 0; i < 8; i++)
			talks(&c[i], "after its end");
		f = frame_make(TCP, CLIENT4, 5000, APP4, 80, FRAME_SYN);
		harness_dropped(h, WAN, &f, DROP_no_service);
		for (uint16_t i = 0; i < 8; i++)
			closes(&c[i]);
		assert_int_equal(harness_flows(h), 0);
		assert_int_equal(all_failed(), 0);
		harness_destroy(h);
	}
}

/* The address is that of another service, then of another mode. */
static void test_other_mode(void **state)
{
	struct harness *h = balancer(2);
	struct client c = client_of(h, APP4, 4000);
	struct frame f = frame_make(TCP, CLIENT4, 5000, APP4, 80, FRAME_SYN);
	json_t *doc = harness_document(h);

	connects(&c);
	json_object_set_new(harness_named(doc, "services", "app4"), "mode", json_string("nat"));
	harness_apply(h, doc);
	harness_through(h, WAN, &f, LAN);
	talks(&c, "is where it was");
	closes(&c);
	assert_int_equal(harness_flows(h), 1);
	harness_destroy(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_burst_opens),
		cmocka_unit_test(test_burst_ends),
		cmocka_unit_test(test_access),
		cmocka_unit_test(test_source_rate),
		cmocka_unit_test(test_new_flows),
		cmocka_unit_test(test_cookies),
		cmocka_unit_test(test_time_wait),
		cmocka_unit_test(test_time_wait_again),
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_beside),
		cmocka_unit_test(test_mixed_burst),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_other_mode),
	};

	harness_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

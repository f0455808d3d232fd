/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SYN proxy while a server is asked: what the client sends meanwhile, what is lost or comes
 * twice, and servers that do not answer or refuse.
 */
#include "alarm_lab.h"
#include "synproxy_lab.h"

/* ---- what waits ----------------------------------------------------------------------------- */

static struct frame data_frame(struct conn *c, struct options *o, uint32_t at, uint16_t bytes)
{
	static const uint8_t data[1400];
	struct frame f;

	*o = client_options(c);
	f = client_frame(c, FRAME_ACK, c->isn + 1 + at, c->cookie + 1, o);
	f.payload = data;
	f.payload_len = bytes;
	return f;
}

/* What the client sends before the server has answered reaches it afterwards, once, in order; the
 * third packet may be data, and come again. */
static void test_held(void **state)
{
	struct harness *h = balancer(2);
	struct conn c = conn_make(h, *state, 5000);
	struct options o, answer;
	struct frame f, got;

	open_syn(&c);
	open_ack(&c, 100);
	for (unsigned int i = 0; i < 3; i++) {
		f = data_frame(&c, &o, i == 2 ? 0 : 100 * (i + 1), 100);
		harness_send(h, WAN, &f);
		assert_null(harness_next(h, &got));
	}
	f = data_frame(&c, &o, 300, 0);
	f.flags |= FRAME_FIN;
	harness_send(h, WAN, &f);
	assert_null(harness_next(h, &got));
	answer = server_options(&c);
	options_write(&answer, 0);
	f = server_frame(&c, FRAME_SYN | FRAME_ACK, c.server, c.isn + 1, &answer);
	harness_send(h, LAN, &f);
	for (unsigned int i = 0; i < 4; i++) {
		const struct captured *p = harness_next(h, &got);

		assert_non_null(p);
		assert_int_equal(p->nic, LAN);
		assert_toward_server(&c, &got);
		assert_int_equal(got.seq, c.isn + 1 + 100 * i);
		assert_int_equal(got.ack, c.server + 1);
		assert_int_equal(got.payload_len, i < 3 ? 100 : 0);
		assert_int_equal(!!(got.flags & FRAME_FIN), i == 3);
	}
	assert_null(harness_next(h, &got));
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* From a nic that says of each packet what it has hashed, which nobody has checked as long as the
 * packet is of a flow. */
static void send_hashed(struct harness *h, uint16_t nic, const struct frame *f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(h->pool);
	struct frame g = *f;

	assert_non_null(m);
	memcpy(g.eth_dst, h->nic[nic]->mac.addr_bytes, 6);
	memcpy(g.eth_src, (uint8_t[6]){ 0x0a, 0, 0, 9, 9, 9 }, 6);
	m->data_len = (uint16_t)frame_build(&g, rte_pktmbuf_mtod(m, uint8_t *));
	m->pkt_len = m->data_len;
	m->hash.rss = 0x12345678;
	m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
	assert_true(harness_inject_mbuf(h, nic, ANY_QUEUE, m));
	harness_step(h);
}

/* What has waited comes again as if another worker had believed its hash: it has none. */
static void test_held_hash(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, *state, 5000);
	struct options o, answer;
	struct frame f, got;

	open_syn(&c);
	open_ack(&c, 0);
	for (unsigned int i = 0; i < 3; i++) {
		f = data_frame(&c, &o, 100 * i, 100);
		send_hashed(h, WAN, &f);
		assert_null(harness_next(h, &got));
	}
	answer = server_options(&c);
	options_write(&answer, 0);
	f = server_frame(&c, FRAME_SYN | FRAME_ACK, c.server, c.isn + 1, &answer);
	harness_send(h, LAN, &f);
	for (unsigned int i = 0; i < 3; i++) {
		const struct captured *p = harness_next(h, &got);

		assert_non_null(p);
		assert_int_equal(got.payload_len, 100);
		assert_false(p->hashed);
	}
	/* Others keep theirs. */
	f = data_frame(&c, &o, 300, 100);
	send_hashed(h, WAN, &f);
	assert_true(harness_next(h, &got)->hashed);
	harness_destroy(h);
}

/* What one service may have of it. */
#define HOLD_ONE   512
#define PLACES_ONE 8192

/* More than waits is dropped, and counted; what waits is bounded for all clients. */
static void test_held_full(void **state)
{
	struct harness *h = balancer(1);
	struct alarms a = { 0 };
	struct conn d;
	uint64_t held = 0, used;

	for (uint16_t i = 0; i < 110; i++) {
		struct conn c = conn_make(h, *state, (uint16_t)(5000 + i));
		struct options o;
		struct frame f;

		open_syn(&c);
		open_ack(&c, 100);
		for (unsigned int k = 1; k < 12; k++) {
			f = data_frame(&c, &o, 100 * k, 100);
			harness_send(h, WAN, &f);
		}
		held += 10;
		assert_int_equal(harness_drops(h, DROP_handshake_hold_full),
			12 * (i + 1) - (held < HOLD_ONE ? held : HOLD_ONE));
		held = held < HOLD_ONE ? held : HOLD_ONE;
		assert_int_equal(
			alarm_of(h, &a, "handshake-hold", &used), held * 10 > HOLD_ONE * 8);
		assert_int_equal(used, held);
	}
	/* Another service has its own part, and when this one's clients are gone, all is as before.
	 */
	d = conn_make(h, &plain, 3000);
	open_syn(&d);
	open_ack(&d, 100);
	assert_int_equal(harness_drops(h, DROP_handshake_hold_full), 12 * 110 - HOLD_ONE);
	open_server(&d, server_options(&d));
	harness_advance(h, 8000);
	harness_forget(h);
	assert_int_equal(harness_drops(h, DROP_handshake_failed), HOLD_ONE);
	assert_false(alarm_of(h, &a, "handshake-hold", &used));
	assert_int_equal(used, 0);
	d = conn_make(h, *state, 4000);
	open_syn(&d);
	open_ack(&d, 100);
	assert_int_equal(harness_drops(h, DROP_handshake_hold_full), 12 * 110 - HOLD_ONE);
	harness_destroy(h); /* nothing is lost of what waited */
}

/* The alarm of handshakes is on, names the service, and takes its share for all there is. */
static void assert_full(struct harness *h, struct alarms *a, const struct way *way)
{
	json_t *list, *o;
	char of[64];

	alarm_look(a, &h->target);
	list = alarm_view(a, &h->target, false);
	assert_int_equal(json_array_size(list), 1);
	o = json_array_get(list, 0);
	snprintf(of, sizeof(of), "worker 0, %s", way->service);
	assert_string_equal(json_string_value(json_object_get(o, "of")), of);
	assert_string_equal(json_string_value(json_object_get(o, "resource")), "handshakes");
	assert_int_equal(json_integer_value(json_object_get(o, "max")), PLACES_ONE);
	assert_int_equal(json_integer_value(json_object_get(o, "percent")), 100);
	json_decref(list);
}

/* A service whose server is dead has half of the places, of another service there is room; later,
 * all of them again. */
static void test_places_full(void **state)
{
	struct harness *h = harness_create(&(struct harness_conf){
		.file = "synproxy.json", .workers = 1, .flows_v4 = 20000, .flows_v6 = 20000 });
	struct conn d = conn_make(h, &plain, 3000), last = conn_make(h, *state, 1);
	struct alarms a = { 0 };
	struct options o;
	struct frame f;
	uint64_t used;

	for (uint16_t i = 0; i < PLACES_ONE; i++) {
		struct conn c = conn_make(h, *state, (uint16_t)(5000 + i));

		assert_int_equal(alarm_of(h, &a, "handshakes", &used), i * 10 > PLACES_ONE * 8);
		assert_int_equal(used, i);
		open_syn(&c);
		open_ack(&c, 0);
	}
	assert_full(h, &a, *state);
	open_syn(&last);
	o = client_options(&last);
	f = client_frame(&last, FRAME_ACK, last.isn + 1, last.cookie + 1, &o);
	harness_dropped(h, WAN, &f, DROP_handshake_full);
	open_all(&d);
	talk(&d);
	harness_jump(h, 1100);
	harness_jump(h, 2100);
	harness_advance(h, 6000);
	harness_forget(h);
	assert_int_equal(harness_flows(h), 1);
	assert_false(alarm_of(h, &a, "handshakes", &used));
	assert_int_equal(used, 0);
	open_ack(&last, 0);
	open_server(&last, server_options(&last));
	talk(&last);
	harness_destroy(h);
}

/* What waits has the client's echo of the cookie's clock, which is some milliseconds behind ours,
 * and time has passed since: the server sees its own clock come back, from our ACK as well. What is
 * newer than the SYN is no older than it to the server, when the SYN comes again too. */
static void test_held_stamps(void **state)
{
	struct harness *h = balancer(1);

	for (uint16_t i = 0; i < 20; i++) {
		struct conn c = conn_make(h, *state, (uint16_t)(5000 + i));
		const uint32_t begin = c.tsval;
		struct options o, seen;
		struct frame f, got;

		harness_advance(h, 7);
		open_syn(&c);
		harness_advance(h, 11);
		open_ack(&c, i % 2 ? 100 : 0);
		for (unsigned int k = 1; i % 2 && k < 3; k++) {
			c.tsval += 40;
			f = data_frame(&c, &o, 100 * k, 100);
			harness_send(h, WAN, &f);
		}
		c.tsval += 1000;
		o = client_options(&c);
		f = client_frame(&c, FRAME_ACK, c.isn + 1, c.cookie + 1, &o);
		harness_send(h, WAN, &f);
		if (i % 4 > 1) {
			harness_advance(h, 1100);
			assert_non_null(harness_next(h, &got));
			assert_int_equal(got.flags, FRAME_SYN);
			assert_int_equal(options_read(&got).tsval, begin);
		} else {
			harness_advance(h, 13);
		}
		o = server_options(&c);
		o.tsecr = begin;
		options_write(&o, 0);
		f = server_frame(&c, FRAME_SYN | FRAME_ACK, c.server, c.isn + 1, &o);
		harness_send(h, LAN, &f);
		for (unsigned int k = 0; k < (i % 2 ? 3 : 1); k++) {
			assert_non_null(harness_next(h, &got));
			assert_toward_server(&c, &got);
			seen = options_read(&got);
			assert_int_equal(seen.tsval, begin + 40 * k);
			assert_int_equal(seen.tsecr, c.server_ts);
		}
		assert_null(harness_next(h, &got));
	}
	harness_destroy(h);
}

/* The third packet comes again, after the flow is there and after the server has answered. */
static void test_third_again(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, *state, 5000);
	struct options o = { 0 };
	struct frame f, got;

	open_syn(&c);
	open_ack(&c, 0);
	o = client_options(&c);
	f = client_frame(&c, FRAME_ACK, c.isn + 1, c.cookie + 1, &o);
	harness_send(h, WAN, &f);
	assert_null(harness_next(h, &got));
	open_server(&c, server_options(&c));
	got = harness_through(h, WAN, &f, LAN);
	assert_int_equal(got.ack, c.server + 1);
	assert_int_equal(harness_flows(h), 1);
	/* The server has not got it: its SYN-ACK comes again, and the client answers. */
	f = server_frame(&c, FRAME_SYN | FRAME_ACK, c.server, c.isn + 1, NULL);
	got = harness_through(h, LAN, &f, WAN);
	assert_int_equal(got.seq, c.cookie);
	talk(&c);
	harness_destroy(h);
}

/* Data that overtakes the third packet waits with the client, which sends it again: it is no reason
 * for a RST, though the service answers what has no flow. */
static void test_overtaking(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, *state, 5000);
	struct options o;
	struct frame f, got;

	open_syn(&c);
	f = data_frame(&c, &o, 1000, 100);
	harness_dropped(h, WAN, &f, DROP_cookie_wrong);
	open_ack(&c, 1000);
	harness_send(h, WAN, &f);
	assert_null(harness_next(h, &got));
	o = server_options(&c);
	options_write(&o, 0);
	f = server_frame(&c, FRAME_SYN | FRAME_ACK, c.server, c.isn + 1, &o);
	harness_send(h, LAN, &f);
	for (uint32_t i = 0; i < 2; i++) {
		assert_non_null(harness_next(h, &got));
		assert_int_equal(got.seq, c.isn + 1 + 1000 * i);
		assert_int_equal(got.ack, c.server + 1);
	}
	assert_null(harness_next(h, &got));
	harness_destroy(h);
}

/* ---- servers that do not answer ------------------------------------------------------------- */

static void assert_client_reset(struct conn *c, const struct frame *got)
{
	assert_toward_client(c, got);
	assert_int_equal(got->flags, FRAME_RST | FRAME_ACK);
	assert_int_equal(got->seq, c->cookie + 1);
	assert_int_equal(got->ack, c->isn + 1);
}

/* SYNs after 0, 1 and 3 seconds; after 7 the client is told. */
static void test_server_silent(void **state)
{
	static const uint32_t again[] = { 1000, 2000 };
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, *state, 5000);
	struct frame first, got;

	open_syn(&c);
	first = open_ack(&c, 50);
	for (unsigned int i = 0; i < 2; i++) {
		harness_advance(h, again[i] - 300);
		assert_null(harness_next(h, &got));
		harness_advance(h, 500);
		assert_non_null(harness_next(h, &got));
		assert_toward_server(&c, &got);
		assert_int_equal(got.flags, FRAME_SYN);
		assert_int_equal(got.seq, first.seq);
		assert_int_equal(got.window, first.window);
	}
	harness_advance(h, 3400);
	assert_null(harness_next(h, &got));
	harness_advance(h, 700);
	assert_non_null(harness_next(h, &got));
	assert_client_reset(&c, &got);
	assert_null(harness_next(h, &got));
	assert_int_equal(harness_flows(h), 0);
	assert_int_equal(harness_drops(h, DROP_handshake_failed), 1);
	assert_int_equal(traffic_of(h, 0, c.way->service)->failed, 1);
	harness_destroy(h);
}

/* The second SYN is answered. */
static void test_server_late(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, *state, 5000);
	struct frame got;

	open_syn(&c);
	open_ack(&c, 0);
	harness_advance(h, 1200);
	assert_non_null(harness_next(h, &got));
	assert_int_equal(got.flags, FRAME_SYN);
	open_server(&c, server_options(&c));
	talk(&c);
	harness_advance(h, 10000); /* and nothing comes after it */
	assert_null(harness_next(h, &got));
	harness_destroy(h);
}

/* No buffer for the SYN when the client is there: the handshake goes on, and the next try has one.
 * A reload or the client's segments meanwhile find it as any other. */
static void test_no_buffer(void **state)
{
	struct harness *h = harness_create(&(struct harness_conf){
		.file = "synproxy.json", .workers = 1, .packets = 512, .apart = true });
	struct conn c = conn_make(h, *state, 5000), d = conn_make(h, *state, 5001);
	struct rte_mbuf *all[512];
	struct options o;
	struct frame f, got;
	unsigned int n = 0;

	open_all(&d); /* who is where is known */
	open_syn(&c);
	while (n < 512 && (all[n] = rte_pktmbuf_alloc(h->pool)))
		n++;
	f = data_frame(&c, &o, 0, 100);
	harness_send(h, WAN, &f);
	assert_null(harness_next(h, &got));
	assert_int_equal(harness_drops(h, DROP_no_mbuf), 1);
	f = data_frame(&c, &o, 100, 100);
	harness_send(h, WAN, &f);
	assert_null(harness_next(h, &got));
	harness_apply(h, harness_document(h));
	assert_int_equal(harness_flows(h), 2);
	while (n > 0)
		rte_pktmbuf_free(all[--n]);
	harness_advance(h, 1100);
	assert_non_null(harness_next(h, &got));
	assert_toward_server(&c, &got);
	assert_int_equal(got.flags, FRAME_SYN);
	assert_null(harness_next(h, &got));
	o = server_options(&c);
	options_write(&o, 0);
	f = server_frame(&c, FRAME_SYN | FRAME_ACK, c.server, c.isn + 1, &o);
	harness_send(h, LAN, &f);
	for (uint32_t i = 0; i < 2; i++) {
		assert_non_null(harness_next(h, &got));
		assert_toward_server(&c, &got);
		assert_int_equal(got.seq, c.isn + 1 + 100 * i);
	}
	assert_null(harness_next(h, &got));
	talk(&d);
	assert_int_equal(harness_all_drops(h), 1);
	harness_destroy(h);
}

static void test_server_refuses(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, *state, 5000);
	struct frame f, got;

	open_syn(&c);
	open_ack(&c, 0);
	/* One that cannot be meant. */
	f = server_frame(&c, FRAME_RST | FRAME_ACK, 0, c.isn + 2, NULL);
	harness_dropped(h, LAN, &f, DROP_handshake_wrong);
	f = server_frame(&c, FRAME_RST | FRAME_ACK, 0, c.isn + 1, NULL);
	got = harness_through(h, LAN, &f, WAN);
	assert_client_reset(&c, &got);
	assert_int_equal(harness_flows(h), 0);
	assert_int_equal(traffic_of(h, 0, c.way->service)->failed, 1);
	harness_destroy(h);
}

/* The server has a connection between these ends that the client has forgotten. */
static void test_server_remembers(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, *state, 5000);
	struct frame f, got;

	open_syn(&c);
	open_ack(&c, 0);
	f = server_frame(&c, FRAME_ACK, 777, 888, NULL);
	got = harness_through(h, LAN, &f, LAN);
	assert_int_equal(got.flags, FRAME_RST);
	assert_int_equal(got.seq, 888);
	open_server(&c, server_options(&c));
	talk(&c);
	harness_destroy(h);
}

static void test_client_gives_up(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, *state, 5000);
	struct frame f, got;

	open_syn(&c);
	open_ack(&c, 10);
	f = client_frame(&c, FRAME_RST, c.isn + 0x20000, 0, NULL); /* far from its window */
	harness_dropped(h, WAN, &f, DROP_handshake_wrong);
	assert_int_equal(harness_flows(h), 1);
	f = client_frame(&c, FRAME_RST | FRAME_ACK, c.isn + 11, c.cookie + 1, NULL);
	got = harness_through(h, WAN, &f, LAN);
	assert_toward_server(&c, &got);
	assert_int_equal(got.flags, FRAME_RST);
	assert_int_equal(got.seq, c.isn + 1);
	assert_int_equal(harness_flows(h), 0);
	assert_int_equal(traffic_of(h, 0, c.way->service)->failed, 0);
	harness_destroy(h);
}

/* The client has forgotten its connection, and begins another one between the same ends. */
static void test_client_again(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, *state, 5000), again = c;
	struct options o;
	struct frame f, got;

	open_syn(&c);
	open_ack(&c, 10);
	again.isn += 100000;
	open_syn(&again);
	assert_int_equal(harness_flows(h), 1);
	o = client_options(&again);
	f = client_frame(&again, FRAME_ACK, again.isn + 1, again.cookie + 1, &o);
	harness_send(h, WAN, &f);
	assert_non_null(harness_next(h, &got));
	assert_int_equal(got.flags, FRAME_RST);
	assert_int_equal(got.seq, c.isn + 1);
	assert_non_null(harness_next(h, &got));
	assert_toward_server(&again, &got);
	assert_int_equal(got.flags, FRAME_SYN);
	assert_int_equal(got.seq, again.isn);
	assert_null(harness_next(h, &got));
	open_server(&again, server_options(&again));
	talk(&again);
	harness_destroy(h);
}

/* A service or server that goes while the handshake does: the client is told. */
static void test_server_removed(void **state)
{
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, *state, 5000);
	json_t *doc = harness_document(h);
	struct frame got;

	open_syn(&c);
	open_ack(&c, 10);
	json_object_set_new(
		json_array_get(json_object_get(harness_named(doc, "pools",
						       c.way->server[0] == '1' ? "four" : "six"),
				       "servers"),
			0),
		"address",
		json_string(c.way->server[0] == '1' ? "10.0.0.12:8080" : "[2001:db8:2::12]:8080"));
	harness_apply(h, doc);
	harness_advance(h, 2000);
	assert_non_null(harness_next(h, &got));
	assert_client_reset(&c, &got);
	assert_null(harness_next(h, &got));
	assert_int_equal(harness_flows(h), 0);
	harness_destroy(h);
}

static void test_no_server(void **state)
{
	static const struct way none = { "none", "none", "192.0.2.80", CLIENT4, "10.0.0.12",
		CLIENT4, 1440, false };
	struct harness *h = balancer(1);
	struct conn c = conn_make(h, &none, 5000);
	struct options o;
	struct frame f, got;

	open_syn(&c);
	o = client_options(&c);
	f = client_frame(&c, FRAME_ACK, c.isn + 1, c.cookie + 1, &o);
	got = harness_through(h, WAN, &f, WAN);
	assert_int_equal(got.flags, FRAME_RST);
	assert_int_equal(got.seq, c.cookie + 1);
	assert_int_equal(harness_drops(h, DROP_no_server), 1);
	harness_destroy(h);
}

/* Who serves is other workers' to say, and the third packet travels to them. */
static void test_assigned(void **state)
{
	static const struct way kept = { "kept", "kept", "192.0.2.90", CLIENT4, "10.0.0.13",
		CLIENT4, 1440, false };

	for (uint16_t port = 5000; port < 5008; port++) {
		struct harness *h = balancer(4);
		struct conn c = conn_make(h, &kept, port), more = conn_make(h, &kept, port + 100);
		struct options o;
		struct frame f, got;

		open_syn(&c);
		open_ack(&c, 33);
		open_syn(&more);
		o = client_options(&more);
		f = client_frame(&more, FRAME_ACK, more.isn + 1, more.cookie + 1, &o);
		got = harness_through(h, WAN, &f, WAN); /* the server is full */
		assert_int_equal(got.flags, FRAME_RST);
		open_server(&c, server_options(&c));
		talk(&c);
		harness_destroy(h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WAYS(test_held),
		WAYS(test_held_hash),
		WAYS(test_held_full),
		WAYS(test_places_full),
		WAYS(test_held_stamps),
		WAYS(test_third_again),
		WAYS(test_overtaking),
		WAYS(test_server_silent),
		WAYS(test_server_late),
		WAYS(test_no_buffer),
		WAYS(test_server_refuses),
		WAYS(test_server_remembers),
		WAYS(test_client_gives_up),
		WAYS(test_client_again),
		WAYS(test_server_removed),
		cmocka_unit_test(test_no_server),
		cmocka_unit_test(test_assigned),
	};

	harness_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

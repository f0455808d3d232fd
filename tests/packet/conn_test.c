/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows over time: states and time-outs, early port reuse, what has no flow, full tables, and what
 * a change of the configuration does to flows that exist.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"
#include "l4/conn.h"

#define TCP    6
#define UDP    17

#define CLIENT "198.51.100.7"
#define DR     "192.0.2.10"
#define NAT    "192.0.2.20"
#define RESET  "192.0.2.50"

static struct harness *balancer(unsigned int workers)
{
	return harness_create(&(struct harness_conf){ .file = "forward.json", .workers = workers });
}

/* ---- one connection, letter by letter ------------------------------------------------------- */

struct talk {
	struct harness *h;
	uint8_t proto;
	const char *vip;
	uint16_t sport;
	struct frame last; /* the last one that reached the server */
};

static struct frame client_frame(const struct talk *t, uint8_t flags)
{
	return frame_make(t->proto, CLIENT, t->sport, t->vip, 80, flags);
}

static void client_says(struct talk *t, uint8_t flags)
{
	struct frame f = client_frame(t, flags);

	t->last = harness_through(t->h, WAN, &f, LAN);
}

static struct frame server_frame(const struct talk *t, uint8_t flags)
{
	struct frame f = frame_make(t->proto, "10.0.0.1", 8080, CLIENT, t->sport, flags);

	memcpy(f.src, t->last.dst, 16);
	return f;
}

static void server_says(struct talk *t, uint8_t flags)
{
	struct frame f = server_frame(t, flags);

	harness_through(t->h, LAN, &f, WAN);
}

/* S SYN, A ACK, F FIN, R RST, U datagram of the client; small letters: the server's, s being its
 * SYN-ACK. */
static void talk(struct talk *t, const char *script)
{
	for (const char *c = script; *c; c++)
		switch (*c) {
		case 'S':
			client_says(t, FRAME_SYN);
			break;
		case 's':
			server_says(t, FRAME_SYN | FRAME_ACK);
			break;
		case 'A':
			client_says(t, FRAME_ACK);
			break;
		case 'a':
			server_says(t, FRAME_ACK);
			break;
		case 'F':
			client_says(t, FRAME_FIN | FRAME_ACK);
			break;
		case 'f':
			server_says(t, FRAME_FIN | FRAME_ACK);
			break;
		case 'R':
			client_says(t, FRAME_RST);
			break;
		case 'r':
			server_says(t, FRAME_RST | FRAME_ACK);
			break;
		case 'U':
			client_says(t, 0);
			break;
		case 'u':
			server_says(t, 0);
			break;
		default:
			fail_msg("%c", *c);
		}
}

static uint64_t opened(const struct harness *h)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < h->conf.workers; i++)
		for (unsigned int s = 0; s < MODEL_SERVICES_MAX; s++)
			n += h->workers->worker[i]->l4.service[s].flows_opened;
	return n;
}

/* ---- damaged on the way --------------------------------------------------------------------- */

/* Sends the client's segment with another last byte than its checksum covers. */
static void client_says_damaged(struct talk *t, uint8_t flags)
{
	static const uint8_t payload[] = "abc";
	struct frame f = client_frame(t, flags);
	uint8_t data[FRAME_MAX];
	size_t len;

	f.payload = payload;
	f.payload_len = sizeof(payload);
	memcpy(f.eth_dst, t->h->nic[WAN]->mac.addr_bytes, 6);
	len = frame_build(&f, data);
	data[len - 1] ^= 1;
	assert_true(harness_inject(t->h, WAN, 0, data, len));
	harness_step(t->h);
}

/* Data of a connection passes, as wrong as it came: its checksum is between the ends. What would
 * begin, end or take the place of a connection does not. */
static void test_damaged(void **state)
{
	struct harness *h = balancer(1);
	struct talk t = { .h = h, .proto = TCP, .vip = NAT, .sport = 5000 };
	const struct captured *c;
	struct frame f;

	client_says_damaged(&t, FRAME_SYN);
	assert_int_equal(harness_drops(h, DROP_l4_checksum), 1);
	assert_int_equal(harness_flows(h), 0);
	talk(&t, "SsA");
	client_says_damaged(&t, FRAME_ACK);
	c = harness_take(h);
	assert_non_null(c);
	assert_string_equal(frame_read(c->data, c->len, &f), "transport checksum");
	assert_int_equal(harness_drops(h, DROP_l4_checksum), 1);
	client_says_damaged(&t, FRAME_RST);
	client_says_damaged(&t, FRAME_FIN | FRAME_ACK);
	assert_int_equal(harness_drops(h, DROP_l4_checksum), 3);
	talk(&t, "AFfAa");
	client_says_damaged(&t, FRAME_SYN);
	assert_int_equal(harness_drops(h, DROP_l4_checksum), 4);
	assert_int_equal(opened(h), 1);
	assert_null(harness_take(h));
	harness_destroy(h);
}

/* ---- states and time-outs ------------------------------------------------------------------- */

static const struct state_case {
	const char *vip;
	uint8_t proto;
	const char *script;
	enum conn_state state;
} state_cases[] = {
	{ NAT, TCP, "S", CONN_SYN },
	{ NAT, TCP, "SS", CONN_SYN },
	{ NAT, TCP, "SA", CONN_SYN }, /* the server has said nothing */
	{ NAT, TCP, "Ss", CONN_SYN_ACK },
	{ NAT, TCP, "Sss", CONN_SYN_ACK },
	{ NAT, TCP, "SsA", CONN_ESTABLISHED },
	{ NAT, TCP, "SsAaAS", CONN_ESTABLISHED },
	{ NAT, TCP, "SsAF", CONN_FIN },
	{ NAT, TCP, "SsAf", CONN_FIN },
	{ NAT, TCP, "SsAFaFa", CONN_FIN },
	{ NAT, TCP, "SsAFf", CONN_TIME_WAIT },
	{ NAT, TCP, "SsAfFaA", CONN_TIME_WAIT },
	{ NAT, TCP, "SsAR", CONN_RESET },
	{ NAT, TCP, "SsAr", CONN_RESET },
	{ NAT, TCP, "Sr", CONN_RESET },
	{ NAT, UDP, "U", CONN_UDP },
	{ NAT, UDP, "UU", CONN_UDP },
	{ NAT, UDP, "Uu", CONN_UDP_STREAM },
	{ NAT, UDP, "UuU", CONN_UDP_STREAM },
	{ DR, TCP, "S", CONN_SYN },
	{ DR, TCP, "SA", CONN_ESTABLISHED },
	{ DR, TCP, "SAAA", CONN_ESTABLISHED },
	{ DR, TCP, "SAF", CONN_FIN },
	{ DR, TCP, "SAFAA", CONN_FIN },
	{ DR, TCP, "SAR", CONN_RESET },
	{ DR, UDP, "U", CONN_UDP },
	{ DR, UDP, "UU", CONN_UDP_STREAM },
};

static void test_state(void **state)
{
	const struct state_case *c = *state;
	struct harness *h = balancer(1);
	struct talk t = { .h = h, .proto = c->proto, .vip = c->vip, .sport = 5000 };
	struct flow_info info;
	uint32_t timeout;

	talk(&t, c->script);
	assert_int_equal(
		harness_sessions(h, &(struct flow_filter){ .any_client = true }, &info, 1), 1);
	assert_string_equal(conn_state_name(info.state), conn_state_name(c->state));
	timeout = conn_timeout(&h->snapshot.model->service[info.service]->timeouts, c->state);
	assert_true(timeout >= 1000);
	assert_in_range(info.expires_ms, timeout - 10, timeout);
	/* Not a moment too early, and soon after: the wheel rounds up by at most 1/63. */
	harness_advance(h, timeout - 100);
	assert_int_equal(harness_flows(h), 1);
	harness_advance(h, 1100 + timeout / 63);
	assert_int_equal(harness_flows(h), 0);
	harness_destroy(h);
}

/* What every state's time-out is unless the configuration says another. */
static void test_default_timeouts(void **state)
{
	struct harness *h = balancer(1);
	const struct timeouts *t = &model_service_by_name(h->snapshot.model, "nat4-tcp")->timeouts;

	assert_int_equal(t->tcp_syn, 30000);
	assert_true(t->tcp_established >= 300000);
	assert_true(t->tcp_fin >= 10000);
	assert_true(t->tcp_time_wait >= 60000); /* 25,000 a second of them must fit all the same */
	assert_true(t->tcp_reset >= 1000 && t->tcp_reset <= t->tcp_fin);
	assert_true(t->udp >= 10000 && t->udp_stream >= t->udp);
	harness_destroy(h);
}

/* The clock is as old as the machine, 32 bits of it: no moment of it is special. */
static void test_started_late(void **state)
{
	static const uint32_t up_ms[] = { 0x7ffff000, 0x90000000, 0xffffe000 };

	for (size_t i = 0; i < sizeof(up_ms) / sizeof(up_ms[0]); i++) {
		struct harness *h = harness_create(&(struct harness_conf){
			.file = "forward.json", .workers = 1, .up_ms = up_ms[i] });
		struct talk t = { .h = h, .proto = UDP, .vip = NAT, .sport = 5000 };

		talk(&t, "U");
		harness_advance(h, 29000);
		assert_int_equal(harness_flows(h), 1);
		harness_advance(h, 3000);
		assert_int_equal(harness_flows(h), 0);
		harness_destroy(h);
	}
}

/* The control core's clock is the same: neighbours are asked once a second, also then. */
static void test_asked_once_a_second(void **state)
{
	struct harness *h = harness_create(&(struct harness_conf){
		.file = "forward.json", .workers = 1, .up_ms = 0x90000000 });
	struct frame f = frame_make(TCP, CLIENT, 5000, "192.0.2.30", 8000, FRAME_SYN);
	const struct harness_host *server = harness_silence(h, LAN, "10.0.0.11", true);

	harness_send(h, WAN, &f);
	harness_advance(h, 1500);
	assert_int_equal(server->asked, 2);
	harness_advance(h, 4000);
	harness_destroy(h);
}

/* A new snapshot may be made where the one before the last was freed. */
static void test_snapshot_at_the_same_place(void **state)
{
	struct harness *h = balancer(1);
	struct model *model = h->snapshot.model, *kept = malloc(sizeof(*kept));
	struct net_worker *net = h->workers->net[0];
	struct net_table *other;
	struct faults faults = { 0 };

	assert_non_null(kept);
	memcpy(kept, model, sizeof(*kept));
	assert_ptr_equal(net->table, model->net);
	other = net_table_build(&(struct net_conf){ 0 }, NULL, &faults);
	assert_non_null(other);
	model->net = other;
	model->version++;
	worker_poll(h->workers->worker[0], h->tsc);
	assert_ptr_equal(net->table, other);
	memcpy(model, kept, sizeof(*kept));
	model->version += 2;
	worker_poll(h->workers->worker[0], h->tsc);
	assert_ptr_equal(net->table, model->net);
	net_table_free(other);
	free(kept);
	harness_destroy(h);
}

/* Packets keep a flow: nothing ends while they come. */
static void test_kept_alive(void **state)
{
	struct harness *h = balancer(1);
	struct talk t = { .h = h, .proto = UDP, .vip = NAT, .sport = 5000 };
	struct frame first;

	talk(&t, "U");
	first = t.last;
	for (int i = 0; i < 20; i++) {
		harness_advance(h, 20000);
		talk(&t, "U");
		assert_memory_equal(t.last.dst, first.dst, 16);
	}
	assert_int_equal(opened(h), 1);
	harness_destroy(h);
}

/* 49.7 days of milliseconds are over in the middle of connections. */
static void test_clock_wraps(void **state)
{
	struct harness *h = balancer(1);
	struct talk t = { .h = h, .proto = TCP, .vip = NAT, .sport = 5000 };

	for (int i = 0; i < 3; i++)
		harness_jump(h, 0x50000000);
	harness_jump(h, 0x10000000 - 20000 - (uint32_t)(h->tsc / 1000000 % 0x10000000));
	talk(&t, "SsA");
	t.sport++;
	talk(&t, "S");
	harness_advance(h, 25000);
	assert_true((uint32_t)(h->tsc / 1000000) < 10000);
	assert_int_equal(harness_flows(h), 2);
	harness_advance(h, 6000);
	assert_int_equal(harness_flows(h), 1);
	t.sport--;
	talk(&t, "AaFf");
	harness_advance(h, 200000);
	assert_int_equal(harness_flows(h), 0);
	harness_destroy(h);
}

/* ---- reuse and strays ------------------------------------------------------------------------ */

/* A SYN on what has ended is a new connection, which is scheduled; on a live one it is a stray. */
static void test_reuse(void **state)
{
	static const struct {
		const char *vip, *script;
		bool anew;
	} cases[] = {
		{ NAT, "SsA", false },
		{ NAT, "Ss", false },
		{ NAT, "SsAF", true },
		{ NAT, "SsAf", true },
		{ NAT, "SsAFf", true },
		{ NAT, "SsAr", true },
		{ DR, "SA", false },
		{ DR, "SAF", true },
		{ DR, "SAR", true },
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct harness *h = balancer(1);
		struct talk t = { .h = h, .proto = TCP, .vip = cases[i].vip, .sport = 5000 };
		struct flow_info info;
		struct frame before;

		talk(&t, cases[i].script);
		before = t.last;
		assert_int_equal(opened(h), 1);
		talk(&t, "S");
		assert_int_equal(harness_flows(h), 1);
		assert_int_equal(opened(h), cases[i].anew ? 2 : 1);
		/* Round-robin's next is another server. */
		assert_int_equal(memcmp(before.eth_dst, t.last.eth_dst, 6) != 0, cases[i].anew);
		harness_sessions(h, &(struct flow_filter){ .any_client = true }, &info, 1);
		if (cases[i].anew)
			assert_string_equal(conn_state_name(info.state), "syn");
		harness_destroy(h);
	}
}

/* The ACK of a NAT connection that has expired goes to no server. */
static void test_stray_dropped(void **state)
{
	struct harness *h = balancer(1);
	struct talk t = { .h = h, .proto = TCP, .vip = NAT, .sport = 5000 };
	struct frame f;

	talk(&t, "SsAFf");
	harness_advance(h, 3600000);
	assert_int_equal(harness_flows(h), 0);
	for (uint8_t flags = 0; flags < 4; flags++) {
		static const uint8_t stray[] = { FRAME_ACK, FRAME_FIN | FRAME_ACK, FRAME_RST,
			FRAME_SYN | FRAME_ACK };

		f = client_frame(&t, stray[flags]);
		harness_dropped(h, WAN, &f, DROP_no_flow);
	}
	f = server_frame(&t, FRAME_ACK);
	harness_dropped(h, LAN, &f, DROP_not_for_us);
	assert_int_equal(harness_flows(h), 0);
	harness_destroy(h);
}

/* "no_flow": "reset": the client learns that its connection is gone (RFC 9293 3.10.7.1). */
static void test_stray_reset(void **state)
{
	static const char *const ends[][2] = { { CLIENT, RESET },
		{ "2001:db8:c::7", "2001:db8:1::50" } };
	struct harness *h = balancer(1);

	for (int v6 = 0; v6 < 2; v6++) {
		struct frame f = frame_make(TCP, ends[v6][0], 5000, ends[v6][1], 80, FRAME_ACK),
			     got;

		f.seq = 111;
		f.ack = 222;
		got = harness_through(h, WAN, &f, WAN);
		assert_memory_equal(got.src, f.dst, 16);
		assert_memory_equal(got.dst, f.src, 16);
		assert_int_equal(got.sport, 80);
		assert_int_equal(got.dport, 5000);
		assert_int_equal(got.flags, FRAME_RST);
		assert_int_equal(got.seq, 222);
		assert_int_equal(got.payload_len, 0);
		f.flags = FRAME_RST;
		harness_dropped(h, WAN, &f, DROP_no_flow);
	}
	assert_int_equal(harness_drops(h, DROP_no_flow), 4);
	assert_int_equal(harness_flows(h), 0);
	harness_destroy(h);
}

/* DR without an entry: by Maglev, the same server every time and on every worker, and no flow. */
static void test_stray_maglev(void **state)
{
	static const unsigned int workers[] = { 1, 3 };
	uint8_t mac[40][6];
	unsigned int others = 0;

	for (size_t w = 0; w < RTE_DIM(workers); w++) {
		struct harness *h = balancer(workers[w]);

		for (uint16_t i = 0; i < 40; i++) {
			struct frame f =
				frame_make(TCP, CLIENT, (uint16_t)(5000 + i), DR, 80, FRAME_ACK);
			struct frame got = harness_through(h, WAN, &f, LAN);

			if (w == 0)
				memcpy(mac[i], got.eth_dst, 6);
			assert_memory_equal(mac[i], got.eth_dst, 6);
			assert_int_equal(got.ttl, 63);
			f.flags = FRAME_FIN | FRAME_ACK;
			got = harness_through(h, WAN, &f, LAN);
			assert_memory_equal(mac[i], got.eth_dst, 6);
			others += memcmp(mac[0], mac[i], 6) != 0;
		}
		assert_int_equal(harness_flows(h), 0);
		harness_destroy(h);
	}
	assert_in_range(others, 30, 79);
}

/* ---- full table ------------------------------------------------------------------------------ */

static void test_table_full(void **state)
{
	struct harness *h = harness_create(&(struct harness_conf){
		.file = "forward.json", .workers = 1, .flows_v4 = 32, .flows_v6 = 32 });
	struct talk t = { .h = h, .proto = TCP, .vip = NAT };
	struct frame f, syn, ack;

	for (t.sport = 5000; t.sport < 5032; t.sport++)
		talk(&t, "SsA");
	f = client_frame(&t, FRAME_SYN);
	harness_dropped(h, WAN, &f, DROP_flow_table_full);
	/* Those that have a flow keep it; IPv6 has room of its own. */
	t.sport = 5001;
	talk(&t, "A");
	f = frame_make(TCP, "2001:db8:c::7", 5000, "2001:db8:1::20", 80, FRAME_SYN);
	harness_through(h, WAN, &f, LAN);
	/* DR goes on without flows, by Maglev. */
	f = frame_make(TCP, CLIENT, 6000, DR, 80, FRAME_SYN);
	syn = harness_through(h, WAN, &f, LAN);
	f.flags = FRAME_ACK;
	ack = harness_through(h, WAN, &f, LAN);
	assert_memory_equal(syn.eth_dst, ack.eth_dst, 6);
	assert_int_equal(harness_flows(h), 33);
	/* Room again. */
	t.sport = 5002;
	talk(&t, "R");
	harness_advance(h, 60000);
	t.sport = 7000;
	talk(&t, "S");
	harness_destroy(h);
}

/* Full bursts of SYNs at every poll, as many a second as end in that time: the table does not fill
 * up. */
static void test_expiry_keeps_up(void **state)
{
	struct harness *h = balancer(1);
	uint64_t sent = 0;
	uint8_t buf[FRAME_MAX];

	while (sent < 20000) {
		for (int i = 0; i < BURST_MAX; i++, sent++) {
			struct frame f = frame_make(TCP, sent % 2 ? "198.51.100.7" : "198.51.100.8",
				(uint16_t)(1024 + sent / 2), sent % 4 < 2 ? NAT : DR, 80,
				FRAME_SYN);

			memcpy(f.eth_dst, h->nic[WAN]->mac.addr_bytes, 6);
			memcpy(f.eth_src, h->host[0].mac, 6);
			assert_true(harness_inject(h, WAN, 0, buf, frame_build(&f, buf)));
		}
		/* 30 s for 3,800 flows; the table holds 4,096. */
		h->tsc += 30000000000u / 3800 * BURST_MAX;
		harness_turn(h);
		harness_forget(h);
	}
	assert_int_equal(harness_drops(h, DROP_flow_table_full), 0);
	assert_int_equal(opened(h), sent);
	harness_destroy(h);
}

/* ---- sessions ------------------------------------------------------------------------------- */

static void test_sessions(void **state)
{
	struct harness *h = balancer(3);
	const struct service *service = model_service_by_name(h->snapshot.model, "nat4-tcp");
	struct talk t = { .h = h, .proto = TCP, .vip = NAT };
	struct flow_info info[64];
	struct flow_filter all = { .any_client = true }, some;

	for (t.sport = 5000; t.sport < 5040; t.sport++)
		talk(&t, t.sport % 2 ? "SsA" : "S");
	t = (struct talk){ .h = h, .proto = UDP, .vip = DR, .sport = 6000 };
	talk(&t, "U");

	assert_int_equal(harness_sessions(h, &all, info, 64), 41);
	for (int i = 0; i < 41; i++) {
		const struct flow_info *s = &info[i];

		assert_true(s->worker < 3);
		assert_int_equal(s->mode, s->forward.proto == TCP ? MODE_NAT : MODE_DR);
		if (s->mode == MODE_NAT) {
			assert_int_equal(s->service, service->slot);
			assert_int_equal(s->back.sport, RTE_BE16(8080));
			assert_true(addr_equal(&s->back.dst, &s->forward.src));
			assert_int_equal(s->state, rte_be_to_cpu_16(s->forward.sport) % 2
							   ? CONN_ESTABLISHED
							   : CONN_SYN);
		} else {
			assert_int_equal(s->back.proto, 0);
		}
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(&info[j].forward, &s->forward, sizeof(s->forward));
	}
	assert_int_equal(harness_count(h, REQUEST_COUNT, &all), 41);
	some = (struct flow_filter){ .any_client = true, .state = CONN_ESTABLISHED };
	assert_int_equal(harness_count(h, REQUEST_COUNT, &some), 20);
	some = (struct flow_filter){ .any_client = true, .proto = UDP };
	assert_int_equal(harness_count(h, REQUEST_COUNT, &some), 1);
	some = (struct flow_filter){ .any_client = false };
	assert_int_equal(prefix_parse("198.51.100.0/24", false, &some.client), 0);
	assert_int_equal(harness_count(h, REQUEST_COUNT, &some), 41);
	assert_int_equal(prefix_parse("198.51.101.0/24", false, &some.client), 0);
	assert_int_equal(harness_count(h, REQUEST_COUNT, &some), 0);
	some = (struct flow_filter){
		.any_client = true, .service = service->slot, .state = CONN_SYN
	};
	assert_int_equal(harness_count(h, REQUEST_FLUSH, &some), 20);
	assert_int_equal(harness_flows(h), 21);
	assert_int_equal(harness_count(h, REQUEST_FLUSH, &all), 21);
	assert_int_equal(harness_flows(h), 0);
	harness_destroy(h);
}

/* ---- changes of the configuration ----------------------------------------------------------- */

static bool went_to(struct harness *h, const struct frame *f, const char *server)
{
	struct frame want;

	frame_address(&want, want.dst, server);
	return memcmp(f->eth_dst, harness_find_host(h, LAN, want.dst, 4)->mac, 6) == 0;
}

static void remove_server(json_t *doc, const char *pool, const char *name)
{
	json_t *servers = json_object_get(harness_named(doc, "pools", pool), "servers"), *s;
	size_t i;

	json_array_foreach (servers, i, s)
		if (strcmp(json_string_value(json_object_get(s, "name")), name) == 0) {
			json_array_remove(servers, i);
			return;
		}
	fail_msg("no server %s", name);
}

/* A removed server's flows end, all others go on; its name coming back is another server. */
static void test_remove_server(void **state)
{
	struct harness *h = balancer(3);
	struct talk t[16];
	unsigned int to_b = 0;
	uint64_t expired;
	uint16_t slot = harness_server(h, "nat4", "b")->slot,
		 gen = harness_server(h, "nat4", "b")->gen;
	json_t *doc, *with = harness_document(h);
	const struct server *again;

	for (unsigned int i = 0; i < 16; i++) {
		t[i] = (struct talk){
			.h = h, .proto = TCP, .vip = NAT, .sport = (uint16_t)(5000 + i)
		};
		talk(&t[i], "SsA");
		to_b += went_to(h, &t[i].last, "10.0.0.12");
	}
	assert_true(to_b > 0);
	doc = harness_document(h);
	remove_server(doc, "nat4", "b");
	harness_apply(h, doc);
	/* Back at once, while its flows may still be there. */
	harness_apply(h, with);
	again = harness_server(h, "nat4", "b");
	assert_true(again->slot != slot || again->gen != gen);
	expired = harness_drops(h, DROP_flow_expired) + harness_drops(h, DROP_no_flow);
	for (unsigned int i = 0; i < 16; i++) {
		struct frame before = t[i].last, f = client_frame(&t[i], FRAME_ACK);

		if (went_to(h, &before, "10.0.0.12")) {
			harness_send(h, WAN, &f);
			assert_null(harness_next(h, NULL));
			assert_int_equal(harness_drops(h, DROP_flow_expired) +
						 harness_drops(h, DROP_no_flow),
				++expired);
		} else {
			talk(&t[i], "Aa");
			assert_memory_equal(before.eth_dst, t[i].last.eth_dst, 6);
		}
	}
	assert_int_equal(harness_flows(h), 16 - to_b);
	harness_destroy(h);
}

static void test_remove_service(void **state)
{
	struct harness *h = balancer(1);
	struct talk nat = { .h = h, .proto = TCP, .vip = NAT, .sport = 5000 };
	struct talk dr = { .h = h, .proto = TCP, .vip = DR, .sport = 5000 };
	json_t *doc = harness_document(h), *services = json_object_get(doc, "services"), *s;
	struct frame f;
	size_t i;

	talk(&nat, "SsA");
	talk(&dr, "SA");
	json_array_foreach (services, i, s)
		if (s == harness_named(doc, "services", "nat4-tcp"))
			break;
	json_array_remove(services, i);
	harness_apply(h, doc);
	f = client_frame(&nat, FRAME_ACK);
	harness_send(h, WAN, &f);
	assert_null(harness_next(h, NULL));
	assert_int_equal(harness_all_drops(h), 1);
	f = server_frame(&nat, FRAME_ACK);
	harness_send(h, LAN, &f);
	assert_null(harness_next(h, NULL));
	talk(&dr, "A");
	harness_advance(h, 1000);
	assert_int_equal(harness_flows(h), 1);
	harness_destroy(h);
}

/* Reloading the same file, or one with another service more, does nothing to flows. */
static void test_reload(void **state)
{
	struct harness *h = balancer(3);
	struct talk t[12];

	for (unsigned int i = 0; i < RTE_DIM(t); i++) {
		t[i] = (struct talk){
			.h = h, .proto = TCP, .vip = i % 2 ? NAT : DR, .sport = (uint16_t)(5000 + i)
		};
		talk(&t[i], i % 2 ? "SsA" : "SA");
	}
	for (int round = 0; round < 5; round++) {
		json_t *doc = harness_document(h),
		       *more = json_deep_copy(harness_named(doc, "services", "nat4-tcp"));
		char text[32];

		snprintf(text, sizeof(text), "192.0.2.60:%d", 100 + round);
		json_object_set_new(more, "address", json_string(text));
		snprintf(text, sizeof(text), "more%d", round);
		json_object_set_new(more, "name", json_string(text));
		json_array_append_new(json_object_get(doc, "services"), more);
		if (round == 3)
			remove_server(doc, "dr6", "a");
		harness_apply(h, doc);
		harness_advance(h, 500);
		for (unsigned int i = 0; i < RTE_DIM(t); i++) {
			struct frame before = t[i].last;

			talk(&t[i], i % 2 ? "Aa" : "A");
			assert_memory_equal(before.eth_dst, t[i].last.eth_dst, 6);
		}
	}
	assert_int_equal(opened(h), RTE_DIM(t));
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* Several frames in one burst: no turn between them. */
static void inject_client(struct talk *t, uint8_t flags)
{
	struct frame f = client_frame(t, flags);
	uint8_t buf[FRAME_MAX];

	memcpy(f.eth_dst, t->h->nic[WAN]->mac.addr_bytes, 6);
	memcpy(f.eth_src, t->h->host[0].mac, 6);
	assert_true(harness_inject(t->h, WAN, 0, buf, frame_build(&f, buf)));
}

/* A SYN and its repetition in one burst are one flow toward one server. */
static void test_syn_twice_in_a_burst(void **state)
{
	struct harness *h = balancer(1);
	struct talk warm = { .h = h, .proto = TCP, .vip = NAT, .sport = 4000 };
	struct talk t = { .h = h, .proto = TCP, .vip = NAT, .sport = 5000 };
	struct frame first, second;

	for (; warm.sport < 4004; warm.sport++) /* every server's MAC is known */
		talk(&warm, "S");
	inject_client(&t, FRAME_SYN);
	inject_client(&t, FRAME_SYN);
	harness_step(h);
	assert_non_null(harness_next(h, &first));
	assert_non_null(harness_next(h, &second));
	assert_memory_equal(first.dst, second.dst, 16);
	assert_null(harness_next(h, NULL));
	assert_int_equal(harness_flows(h), 5);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* A new connection on the tuple of one that is over, and a late ACK of the old one right behind it.
 */
static void test_reuse_in_a_burst(void **state)
{
	struct harness *h = balancer(1);
	struct talk t = { .h = h, .proto = TCP, .vip = NAT, .sport = 5000 };
	struct frame out;

	talk(&t, "SsAFf");
	assert_int_equal(opened(h), 1);
	inject_client(&t, FRAME_ACK);
	inject_client(&t, FRAME_SYN);
	inject_client(&t, FRAME_ACK);
	harness_advance(h, 10);
	for (int i = 0; i < 3; i++)
		assert_non_null(harness_next(h, &out));
	assert_int_equal(opened(h), 2);
	assert_int_equal(harness_flows(h), 1);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h);
}

/* Another gateway is the way for the answers of flows that exist, too. */
static void test_gateway_changed(void **state)
{
	struct harness *h = balancer(1);
	struct talk t = { .h = h, .proto = TCP, .vip = NAT, .sport = 5000 };
	const struct harness_host *other = harness_host(h, WAN, 0, "192.0.2.253");
	struct frame answer, out;
	json_t *doc;

	talk(&t, "SsAa");
	doc = harness_document(h);
	json_array_set_new(json_object_get(harness_named(doc, "ports", "wan"), "gateways"), 0,
		json_string("192.0.2.253"));
	harness_apply(h, doc);
	answer = server_frame(&t, FRAME_ACK);
	out = harness_through(h, LAN, &answer, WAN);
	assert_memory_equal(out.eth_dst, other->mac, 6);
	harness_destroy(h);
}

/* Time-outs that a reload shortens are those of flows that exist, too. */
static void test_timeout_shortened(void **state)
{
	struct harness *h = balancer(1);
	struct talk t = { .h = h, .proto = TCP, .vip = NAT, .sport = 5000 };
	json_t *doc;

	talk(&t, "SsA");
	harness_advance(h, 40000); /* beyond the first time-out: armed for the established one */
	doc = harness_document(h);
	json_object_set_new(harness_named(doc, "services", "nat4-tcp"), "timeouts",
		json_pack("{s:s}", "tcp-established", "60s"));
	harness_apply(h, doc);
	assert_int_equal(harness_flows(h), 1);
	harness_advance(h, 25000);
	assert_int_equal(harness_flows(h), 0);
	harness_destroy(h);
}

/* A slot that workers may still open flows to is not free for another owner. */
static void test_published_slot_is_busy(void **state)
{
	struct harness *h = balancer(1);
	struct model_idle idle = workers_idle(h->workers);

	assert_false(idle.server(idle.arg, harness_server(h, "nat4", "a")->slot));
	assert_false(
		idle.service(idle.arg, model_service_by_name(h->snapshot.model, "nat4-tcp")->slot));
	assert_true(idle.server(idle.arg, MODEL_SERVERS_MAX - 1));
	harness_destroy(h);
}

/* A frame is counted once, whoever handles it. */
static void test_handed_over_counted_once(void **state)
{
	struct harness *h = balancer(3);
	uint64_t received = 0;

	for (uint16_t i = 0; i < 60; i++) {
		struct talk t = { .h = h, .proto = UDP, .vip = NAT, .sport = (uint16_t)(5000 + i) };

		talk(&t, "Uu");
	}
	for (unsigned int i = 0; i < 3; i++)
		for (unsigned int port = 0; port < 2; port++)
			received += h->workers->net[i]->port[port].rx_packets;
	assert_true(h->workers->steer[0]->handed_over > 0);
	assert_int_equal(received, h->sent + h->host_sent);
	harness_destroy(h);
}

/* A drained server keeps its connections and gets no new ones; enabled again it does. */
static void test_drain(void **state)
{
	struct harness *h = balancer(1);
	struct talk t[8], fresh = { .h = h, .proto = TCP, .vip = NAT };
	bool seen = false;

	for (unsigned int i = 0; i < RTE_DIM(t); i++) {
		t[i] = (struct talk){
			.h = h, .proto = TCP, .vip = NAT, .sport = (uint16_t)(5000 + i)
		};
		talk(&t[i], "SsA");
	}
	assert_int_equal(admin_set(h->target.admin, "nat4", "a", ADMIN_DRAIN), 0);
	harness_apply(h, NULL);
	for (fresh.sport = 6000; fresh.sport < 6020; fresh.sport++) {
		talk(&fresh, "S");
		assert_false(went_to(h, &fresh.last, "10.0.0.11"));
	}
	for (unsigned int i = 0; i < RTE_DIM(t); i++) {
		struct frame before = t[i].last;

		talk(&t[i], "Aa");
		assert_memory_equal(before.eth_dst, t[i].last.eth_dst, 6);
	}
	assert_int_equal(admin_set(h->target.admin, "nat4", "a", ADMIN_ENABLED), 0);
	harness_apply(h, NULL);
	for (; fresh.sport < 6040; fresh.sport++) {
		talk(&fresh, "S");
		seen |= went_to(h, &fresh.last, "10.0.0.11");
	}
	assert_true(seen);
	harness_destroy(h);
}

/* No server takes new flows: refused and counted, old flows go on. */
static void test_all_drained(void **state)
{
	struct harness *h = balancer(1);
	struct talk t = { .h = h, .proto = TCP, .vip = NAT, .sport = 5000 };
	static const char *const names[] = { "a", "b", "c", "d" };
	struct frame f;

	talk(&t, "SsA");
	for (size_t i = 0; i < RTE_DIM(names); i++)
		assert_int_equal(admin_set(h->target.admin, "nat4", names[i], ADMIN_DRAIN), 0);
	harness_apply(h, NULL);
	talk(&t, "Aa");
	t.sport++;
	f = client_frame(&t, FRAME_SYN);
	harness_dropped(h, WAN, &f, DROP_no_server);
	assert_int_equal(
		h->workers->worker[0]
			->l4.service[model_service_by_name(h->snapshot.model, "nat4-tcp")->slot]
			.refused,
		1);
	harness_destroy(h);
}

int main(void)
{
	struct CMUnitTest tests[RTE_DIM(state_cases) + 32];
	size_t n = 0;

	for (; n < RTE_DIM(state_cases); n++) {
		const struct state_case *c = &state_cases[n];
		static char names[RTE_DIM(state_cases)][64];
		char *name = names[n];

		snprintf(name, 64, "%s %s %s: %s", strcmp(c->vip, NAT) == 0 ? "NAT" : "DR",
			c->proto == TCP ? "TCP" : "UDP", c->script, conn_state_name(c->state));
		tests[n] = (struct CMUnitTest){
			.name = name, .test_func = test_state, .initial_state = (void *)c
		};
	}
#define ADD(test) tests[n++] = (struct CMUnitTest)cmocka_unit_test(test)
	ADD(test_default_timeouts);
	ADD(test_kept_alive);
	ADD(test_clock_wraps);
	ADD(test_started_late);
	ADD(test_asked_once_a_second);
	ADD(test_gateway_changed);
	ADD(test_syn_twice_in_a_burst);
	ADD(test_reuse_in_a_burst);
	ADD(test_timeout_shortened);
	ADD(test_published_slot_is_busy);
	ADD(test_handed_over_counted_once);
	ADD(test_snapshot_at_the_same_place);
	ADD(test_reuse);
	ADD(test_damaged);
	ADD(test_stray_dropped);
	ADD(test_stray_reset);
	ADD(test_stray_maglev);
	ADD(test_table_full);
	ADD(test_expiry_keeps_up);
	ADD(test_sessions);
	ADD(test_remove_server);
	ADD(test_remove_service);
	ADD(test_reload);
	ADD(test_drain);
	ADD(test_all_drained);
	harness_init();
	return _cmocka_run_group_tests("conn", tests, n, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two instances and a wire between them that loses, reorders, repeats, damages and delays, all by a
 * seed, in virtual time: whatever it does, every byte arrives, once and in order, connections end,
 * and nothing of them is left.
 */
#include "tcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "flow/steer.h"
#include "net/wire.h"
#include "tcp_cc.h"
#include "test_eal.h"

#define PORT    80
#define POOL    4096
#define FRAMES  8192
#define PACKETS 65536

/* In place of lib/net's. */
void net_drop(struct net_worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	rte_pktmbuf_free(m);
}

/* ---- the wire ------------------------------------------------------------------------------- */

/* Per thousand, and microseconds. */
struct harm {
	unsigned int loss, repeat, damage, late;
	uint32_t delay_us, jitter_us, late_us;
	uint32_t us_per_packet; /* the bottleneck; 0: none */
	unsigned int queue;     /* packets that fit before it */
};

struct lab;

struct host {
	struct lab *lab;
	struct addr addr;
	struct tcp *tcp;
	struct flow_table *flows;
	uint64_t free_us; /* when the bottleneck of what it sends is free again */
	uint64_t drops[DROP_MAX];
};

struct packet {
	uint64_t at_us, order;
	unsigned int to;
	uint16_t len;
	uint8_t data[1700];
};

struct lab {
	struct host host[2];
	struct rte_mempool *pool, *rx;
	struct steer **steer;
	struct lport_table *lports; /* of both */
	struct tcp_listener listener;
	struct harm harm;
	uint64_t rng, now_us, order;
	struct packet *heap[PACKETS];
	unsigned int n;
	uint16_t mtu;
	uint64_t sent, harmed, cut;
};

static uint64_t draw(struct lab *l)
{
	uint64_t z = l->rng += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static bool happens(struct lab *l, unsigned int per_thousand)
{
	return draw(l) % 1000 < per_thousand;
}

static bool is_before(const struct packet *a, const struct packet *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void wire_push(struct lab *l, struct packet *p)
{
	unsigned int i = l->n++;

	assert_true(l->n < PACKETS);
	p->order = l->order++;
	for (; i && is_before(p, l->heap[(i - 1) / 2]); i = (i - 1) / 2)
		l->heap[i] = l->heap[(i - 1) / 2];
	l->heap[i] = p;
}

static struct packet *wire_pop(struct lab *l)
{
	struct packet *top = l->heap[0], *last = l->heap[--l->n];
	unsigned int i = 0, child;

	while ((child = 2 * i + 1) < l->n) {
		if (child + 1 < l->n && is_before(l->heap[child + 1], l->heap[child]))
			child++;
		if (!is_before(l->heap[child], last))
			break;
		l->heap[i] = l->heap[child];
		i = child;
	}
	l->heap[i] = last;
	return top;
}

static void wire_one(struct lab *l, struct host *from, const struct rte_mbuf *m)
{
	struct packet *p = malloc(sizeof(*p));
	uint64_t at = l->now_us;

	assert_non_null(p);
	assert_true(m->pkt_len <= l->mtu);
	p->to = from == &l->host[0];
	p->len = (uint16_t)m->pkt_len;
	if (rte_pktmbuf_read(m, 0, m->pkt_len, p->data) != p->data)
		memcpy(p->data, rte_pktmbuf_mtod(m, void *), m->pkt_len);
	if (l->harm.us_per_packet) {
		if (from->free_us < at)
			from->free_us = at;
		if (from->free_us - at > (uint64_t)l->harm.queue * l->harm.us_per_packet) {
			free(p);
			l->harmed++;
			return;
		}
		at = from->free_us += l->harm.us_per_packet;
	}
	at += l->harm.delay_us + (l->harm.jitter_us ? draw(l) % l->harm.jitter_us : 0);
	if (happens(l, l->harm.late)) {
		at += l->harm.late_us;
		l->harmed++;
	}
	if (happens(l, l->harm.damage)) {
		p->data[draw(l) % p->len] ^= (uint8_t)(1u << draw(l) % 8);
		l->harmed++;
	}
	p->at_us = at;
	wire_push(l, p);
}

/* The sums that a device is to fill in. */
static void fill_sums(uint8_t *l3, uint16_t len)
{
	const uint8_t family = l3[0] >> 4;
	const uint16_t ip_len = family == 4 ? 20 : 40;
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(l3 + ip_len);

	tcp->cksum = 0;
	tcp->cksum = (uint16_t)~wire_fold(wire_sum(tcp, (size_t)(len - ip_len),
		wire_pseudo(l3, family, IPPROTO_TCP, (uint32_t)(len - ip_len))));
	if (family == 4) {
		((struct rte_ipv4_hdr *)l3)->hdr_checksum = 0;
		((struct rte_ipv4_hdr *)l3)->hdr_checksum = (uint16_t)~wire_fold(wire_sum_ipv4(l3));
	}
}

/* One segment of a packet that a device cuts up: n bytes of its data from off on. */
static struct rte_mbuf *cut(struct lab *l, const struct rte_mbuf *m, uint32_t off, uint32_t n)
{
	const uint32_t header = (uint32_t)(m->l3_len + m->l4_len);
	struct rte_mbuf *s = rte_pktmbuf_alloc(l->rx);
	struct rte_tcp_hdr *tcp;
	const uint8_t *data;
	uint8_t *l3;

	assert_non_null(s);
	l3 = (uint8_t *)rte_pktmbuf_append(s, (uint16_t)(header + n));
	memcpy(l3, rte_pktmbuf_mtod(m, void *), header);
	data = rte_pktmbuf_read(m, header + off, n, l3 + header);
	if (data != l3 + header)
		memcpy(l3 + header, data, n);
	tcp = (struct rte_tcp_hdr *)(l3 + m->l3_len);
	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + off);
	if (header + off + n < m->pkt_len)
		tcp->tcp_flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (l3[0] >> 4 == 4)
		((struct rte_ipv4_hdr *)l3)->total_length =
			rte_cpu_to_be_16((uint16_t)(header + n));
	else
		((struct rte_ipv6_hdr *)l3)->payload_len =
			rte_cpu_to_be_16((uint16_t)(header + n - 40));
	fill_sums(l3, (uint16_t)(header + n));
	return s;
}

static void send_one(struct lab *l, struct host *from, const struct rte_mbuf *m)
{
	l->sent++;
	if (happens(l, l->harm.loss))
		l->harmed++;
	else
		wire_one(l, from, m);
	if (happens(l, l->harm.repeat)) {
		l->harmed++;
		wire_one(l, from, m);
	}
}

/* As a device does it. */
static void send_offloaded(struct lab *l, struct host *from, const struct rte_mbuf *m)
{
	const uint32_t data = m->pkt_len - m->l3_len - m->l4_len;
	const uint32_t size = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG ? m->tso_segsz : data;
	uint32_t off = 0;

	l->cut += size < data;
	do {
		const uint32_t n = RTE_MIN(size, data - off);
		struct rte_mbuf *s = cut(l, m, off, n);

		send_one(l, from, s);
		rte_pktmbuf_free(s);
		off += n;
	} while (off < data);
}

static void host_output(void *arg, struct rte_mbuf *m, const struct addr *dst, struct tcp_hop *hop)
{
	struct host *from = arg;
	struct lab *l = from->lab;

	assert_true(addr_equal(dst, &l->host[from == &l->host[0]].addr));
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM)
		send_offloaded(l, from, m);
	else
		send_one(l, from, m);
	rte_pktmbuf_free(m);
}

static uint16_t host_mtu(void *arg, const struct addr *dst)
{
	return ((struct host *)arg)->lab->mtu;
}

static const struct tcp_net_ops host_ops = { .output = host_output, .mtu = host_mtu };

/* As the parser would: what is damaged above IP goes on, the rest is lost. */
static bool parse(struct pkt *p, struct rte_mbuf *m)
{
	uint8_t *l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, RTE_ETHER_HDR_LEN);
	const uint16_t len = (uint16_t)(m->pkt_len - RTE_ETHER_HDR_LEN);
	const uint8_t family = l3[0] >> 4;
	const uint16_t ip_len = family == 4 ? 20 : 40;

	if ((family != 4 && family != 6) || len < ip_len + 20)
		return false;
	if (family == 4 && !wire_is_right(wire_sum_ipv4(l3)))
		return false;
	if (family == 6 &&
		(l3[6] != IPPROTO_TCP || rte_be_to_cpu_16(*(uint16_t *)(l3 + 4)) != len - ip_len))
		return false;
	*p = (struct pkt){ .mbuf = m,
		.l3 = l3,
		.l4 = l3 + ip_len,
		.l3_len = len,
		.l4_len = len - ip_len,
		.family = family,
		.proto = IPPROTO_TCP,
		.verdict = PKT_GO };
	if ((p->l4[12] >> 4) < 5 || (p->l4[12] >> 4) * 4u > p->l4_len)
		return false;
	p->tcp_flags = p->l4[13];
	return true;
}

static void receive(struct lab *l, const struct packet *in)
{
	struct host *to = &l->host[in->to];
	struct rte_mbuf *m = rte_pktmbuf_alloc(l->rx);
	struct pkt p;
	struct tuple t;
	struct flow *f;
	uint8_t dir;

	if (!m)
		return;
	memcpy(rte_pktmbuf_append(m, (uint16_t)(in->len + RTE_ETHER_HDR_LEN)) + RTE_ETHER_HDR_LEN,
		in->data, in->len);
	if (!parse(&p, m)) {
		rte_pktmbuf_free(m);
		return;
	}
	t = pkt_tuple(&p);
	f = flow_find(to->flows, &t, &dir);
	tcp_input(to->tcp, &p, f, in->to == 1 ? &l->listener : NULL);
	if (p.verdict == PKT_GO)
		tcp_input(to->tcp, &p, NULL, in->to == 1 ? &l->listener : NULL);
	assert_int_not_equal(p.verdict, PKT_GO);
	if (p.verdict == PKT_DROP) {
		to->drops[p.reason]++;
		rte_pktmbuf_free(m);
	}
}

/* ---- time ----------------------------------------------------------------------------------- */

static void host_turn(struct lab *l, struct host *h)
{
	const uint32_t now_ms = (uint32_t)(l->now_us / 1000);
	struct flow *due[32];
	unsigned int n;

	while (tcp_advance(h->tcp, l->now_us, now_ms, 32) == 32)
		;
	tcp_flush(h->tcp);
	while ((n = flow_due(h->flows, now_ms, due, 32)) > 0)
		for (unsigned int i = 0; i < n; i++)
			tcp_flow_due(h->tcp, due[i]);
}

/* On to the next packet, or a millisecond. */
static void step(struct lab *l)
{
	const uint64_t tick = (l->now_us / 1000 + 1) * 1000;

	if (l->n && l->heap[0]->at_us < tick) {
		struct packet *p = wire_pop(l);

		if (p->at_us > l->now_us)
			l->now_us = p->at_us;
		for (unsigned int i = 0; i < 2; i++)
			tcp_advance(l->host[i].tcp, l->now_us, (uint32_t)(l->now_us / 1000), 0);
		receive(l, p);
		tcp_flush(l->host[p->to].tcp);
		free(p);
		return;
	}
	l->now_us = tick;
	host_turn(l, &l->host[0]);
	host_turn(l, &l->host[1]);
}

static void run(struct lab *l, uint64_t us)
{
	const uint64_t end = l->now_us + us;

	while (l->now_us < end)
		step(l);
}

/* ---- making --------------------------------------------------------------------------------- */

static void host_make(struct lab *l, unsigned int i, bool v6, const struct tcp_conf *conf)
{
	struct host *h = &l->host[i];
	const struct flow_conf flows = {
		.max_v4 = 4096, .max_v6 = 4096, .socket = SOCKET_ID_ANY, .key = { { 1, 2 } }
	};
	struct tcp_conf c = *conf;
	char text[32];

	h->lab = l;
	snprintf(text, sizeof(text), v6 ? "2001:db8::%u" : "192.0.2.%u", i + 1);
	assert_int_equal(addr_parse(text, &h->addr), 0);
	h->flows = flow_table_create(&flows, (uint32_t)(l->now_us / 1000));
	c.flows = h->flows;
	c.lports = l->lports;
	c.pool = l->pool;
	c.rx = l->rx;
	c.secret.k[0] = i + 1;
	c.net = &host_ops;
	c.net_arg = h;
	h->tcp = tcp_create(&c, l->now_us, (uint32_t)(l->now_us / 1000));
	assert_non_null(h->tcp);
}

static struct lab *lab_make(uint64_t seed, bool v6, const struct harm *harm,
	const struct tcp_ops *ops, uint32_t segmentation)
{
	static unsigned int number;
	struct lab *l = calloc(1, sizeof(*l));
	struct tcp_conf conf = tcp_conf_defaults;
	char name[32];

	assert_non_null(l);
	l->rng = seed;
	l->now_us = 1000000;
	l->mtu = 1500;
	l->harm = *harm;
	snprintf(name, sizeof(name), "own%u", number);
	l->pool = test_pool(name, POOL);
	snprintf(name, sizeof(name), "rx%u", number++);
	l->rx = test_pool(name, FRAMES);
	l->steer = steer_create(1, 64, NULL);
	l->lports = lport_create(l->steer[0], 64, SOCKET_ID_ANY);
	conf.max_conns = 1024;
	conf.max_half_open = 64;
	conf.max_orphans = 512;
	conf.max_segments = 16384;
	conf.offload = segmentation > 0;
	conf.segmentation = segmentation;
	host_make(l, 0, v6, &conf);
	host_make(l, 1, v6, &conf);
	l->listener = (struct tcp_listener){ .ops = ops, .ctx = l, .how = tcp_how_defaults };
	return l;
}

/* Nothing may be left of what was there. */
static void lab_free(struct lab *l)
{
	struct tcp_stats s;

	l->harm = (struct harm){ 0 };
	run(l, 200 * 1000000ull);
	assert_int_equal(l->n, 0);
	for (unsigned int i = 0; i < 2; i++) {
		struct host *h = &l->host[i];
		struct flow_stats flows;

		tcp_stats(h->tcp, &s);
		assert_int_equal(s.conns, 0);
		assert_int_equal(s.half_open, 0);
		assert_int_equal(s.orphans, 0);
		assert_int_equal(s.time_wait, 0);
		assert_int_equal(s.segments, 0);
		flow_stats(h->flows, &flows);
		assert_int_equal(flows.v4 + flows.v6, 0);
		tcp_destroy(h->tcp);
		flow_table_destroy(h->flows);
	}
	lport_destroy(l->lports);
	steer_destroy(l->steer, 1);
	assert_int_equal(rte_mempool_avail_count(l->pool), POOL);
	assert_int_equal(rte_mempool_avail_count(l->rx), FRAMES);
	rte_mempool_free(l->pool);
	rte_mempool_free(l->rx);
	free(l);
}

static uint64_t counted(const struct lab *l, unsigned int host, enum tcp_count what)
{
	struct tcp_stats s;

	tcp_stats(l->host[host].tcp, &s);
	return s.count[what];
}

/* ---- an application: sends so much of a pattern, and looks at what it gets ------------------ */

struct app {
	struct tcp_conn *conn;
	struct lab *lab;
	uint64_t to_send, to_get; /* bytes */
	uint64_t sent, got;
	uint8_t key, peer_key;
	unsigned int opened, failed;
	int error;
	bool by_reference, slow, closed;
};

static uint8_t pattern(uint8_t key, uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16) + key);
}

static void app_send(struct app *a)
{
	uint8_t data[4000];

	while (a->sent < a->to_send) {
		uint32_t room = tcp_writable(a->conn),
			 n = 1 + (uint32_t)(draw(a->lab) % sizeof(data));

		if (draw(a->lab) % 4 == 0)
			n = 1 + n % 50;
		n = RTE_MIN(n, (uint32_t)RTE_MIN(room, a->to_send - a->sent));
		if (n == 0)
			return;
		for (uint32_t i = 0; i < n; i++)
			data[i] = pattern(a->key, a->sent + i);
		if (tcp_write_copy(a->conn, data, n) < 0)
			return;
		a->sent += n;
	}
	tcp_shutdown(a->conn);
}

static void app_take(struct app *a, const uint8_t *data, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (data[i] != pattern(a->peer_key, a->got + i))
			fail_msg("byte %lu is wrong", a->got + i);
	a->got += n;
}

static void app_get(struct app *a)
{
	uint8_t data[3000];
	uint32_t n;

	if (a->slow && draw(a->lab) % 8)
		return;
	if (a->by_reference) {
		struct rte_mbuf *m = tcp_read(a->conn, UINT32_MAX, &n), *next;

		for (; m; m = next) {
			next = m->next;
			app_take(a, rte_pktmbuf_mtod(m, uint8_t *), m->data_len);
			m->next = NULL;
			rte_pktmbuf_free_seg(m);
		}
	} else {
		while ((n = tcp_read_copy(a->conn, data, sizeof(data))) > 0)
			app_take(a, data, n);
	}
}

static void app_finish(struct app *a)
{
	if (a->closed || !tcp_at_end(a->conn) || a->sent < a->to_send)
		return;
	assert_int_equal(a->got, a->to_get);
	a->closed = true;
	tcp_close(a->conn);
}

static void app_event(struct tcp_conn *c, uint32_t events)
{
	struct app *a = tcp_ctx(c);

	assert_false(a->closed);
	if (events & TCP_EV_ERROR) {
		a->error = tcp_error(c);
		a->failed++;
		a->closed = true;
		tcp_close(c);
		return;
	}
	if (events & TCP_EV_OPEN)
		a->opened++;
	app_get(a);
	app_send(a);
	app_finish(a);
}

static const struct tcp_ops app_ops = { app_event };

/* The server's applications: as many as there are connections, found by the order they come in. */
struct crowd {
	unsigned int n;
	struct app *server, *client;
	bool done;
};

static struct crowd *the_crowd;

static void accept_event(struct tcp_conn *c, uint32_t events)
{
	const struct tuple t = tcp_tuple(c);
	struct crowd *crowd = the_crowd;

	assert_true(events & TCP_EV_OPEN);
	for (unsigned int i = 0; i < crowd->n; i++) {
		struct app *a = &crowd->server[i];

		if (crowd->client[i].conn == NULL ||
			tcp_tuple(crowd->client[i].conn).dport != t.sport || a->conn)
			continue;
		a->conn = c;
		tcp_set_ctx(c, a);
		tcp_set_ops(c, &app_ops);
		app_event(c, events);
		return;
	}
	tcp_abort(c); /* of one that has given up */
}

static const struct tcp_ops accept_ops = { accept_event };

static bool all_closed(const struct crowd *c)
{
	for (unsigned int i = 0; i < c->n; i++)
		if (!c->client[i].closed || (c->server[i].conn && !c->server[i].closed))
			return false;
	return true;
}

/* Slow readers come back for what they left. */
static void crowd_poke(struct crowd *c)
{
	for (unsigned int i = 0; i < 2 * c->n; i++) {
		struct app *a = i < c->n ? &c->client[i] : &c->server[i - c->n];

		if (a->slow && a->conn && !a->closed && a->opened)
			app_event(a->conn, 0);
	}
}

struct way {
	const char *name;
	struct harm harm;
	unsigned int conns;
	uint64_t up, down;
	void (*how)(struct tcp_how *client, struct tcp_how *server);
	bool slow;
	uint32_t segmentation;
};

static void way_run(const struct way *w, uint64_t seed, bool v6)
{
	struct lab *l = lab_make(seed, v6, &w->harm, &accept_ops, w->segmentation);
	struct crowd crowd = { .n = w->conns };
	struct tcp_how how = tcp_how_defaults;
	const uint64_t limit = l->now_us + 3600 * 1000000ull;

	the_crowd = &crowd;
	crowd.client = calloc(w->conns, sizeof(struct app));
	crowd.server = calloc(w->conns, sizeof(struct app));
	how.retries = l->listener.how.retries = 100;
	how.syn_retries = l->listener.how.syn_retries = 20;
	how.linger_ms = l->listener.how.linger_ms = 3600000;
	if (w->how)
		w->how(&how, &l->listener.how);
	for (unsigned int i = 0; i < w->conns; i++) {
		const struct tcp_target to = { .local = l->host[0].addr,
			.remote = { l->host[1].addr, PORT } };
		struct app *c = &crowd.client[i], *s = &crowd.server[i];

		*c = (struct app){ .lab = l,
			.to_send = draw(l) % (2 * w->up + 1),
			.to_get = draw(l) % (2 * w->down + 1),
			.key = (uint8_t)draw(l),
			.peer_key = (uint8_t)draw(l),
			.by_reference = draw(l) % 2,
			.slow = w->slow };
		*s = (struct app){ .lab = l,
			.to_send = c->to_get,
			.to_get = c->to_send,
			.key = c->peer_key,
			.peer_key = c->key,
			.by_reference = draw(l) % 2,
			.slow = w->slow };
		c->conn = tcp_connect(l->host[0].tcp, &to, &how, &app_ops, c);
		assert_non_null(c->conn);
	}
	while (!all_closed(&crowd)) {
		step(l);
		if (w->slow && draw(l) % 64 == 0)
			crowd_poke(&crowd);
		if (l->now_us > limit)
			fail_msg("%s, seed %lu: not over after an hour", w->name, seed);
	}
	for (unsigned int i = 0; i < w->conns; i++) {
		assert_int_equal(crowd.client[i].failed + crowd.server[i].failed, 0);
		assert_int_equal(crowd.client[i].got, crowd.client[i].to_get);
		assert_int_equal(crowd.server[i].got, crowd.server[i].to_get);
	}
	if (w->harm.loss)
		assert_true(l->harmed > 0);
	if (w->segmentation)
		assert_true(l->cut > 0);
	lab_free(l);
	free(crowd.client);
	free(crowd.server);
}

/* ---- ways to be tested ---------------------------------------------------------------------- */

static void no_sack(struct tcp_how *client, struct tcp_how *server)
{
	server->sack = false;
	client->cc = server->cc = &tcp_cc_reno;
}

static void no_stamps(struct tcp_how *client, struct tcp_how *server)
{
	client->timestamps = false;
}

static void plain(struct tcp_how *client, struct tcp_how *server)
{
	client->timestamps = client->sack = client->window_scale = client->ecn = false;
	client->rcvbuf = 20000;
	client->nagle = server->nagle = true;
}

static void small_windows(struct tcp_how *client, struct tcp_how *server)
{
	client->rcvbuf = server->rcvbuf = 3000;
	client->sndbuf = server->sndbuf = 5000;
}

static void small_segments(struct tcp_how *client, struct tcp_how *server)
{
	client->mss = 88;
	client->rcvbuf = server->rcvbuf = 40000;
}

/* All harm at once; of these three more or less. */
#define EVERYTHING(lost, repeated, late_by)                                                        \
	.loss = lost, .repeat = repeated, .damage = 20, .late = 100, .late_us = late_by,           \
	.delay_us = 2000, .jitter_us = 4000

static const struct way ways[] = {
	{ "clean", { .delay_us = 100 }, 20, 100000, 100000, NULL, false },
	{ "far", { .delay_us = 50000, .jitter_us = 100 }, 4, 1000000, 1000000, NULL, false },
	{ "lossy", { .loss = 20, .delay_us = 5000 }, 10, 300000, 300000, NULL, false },
	{ "lossy without SACK", { .loss = 20, .delay_us = 5000 }, 10, 100000, 100000, no_sack,
		false },
	{ "lossy without timestamps", { .loss = 20, .repeat = 10, .delay_us = 5000 }, 10, 100000,
		100000, no_stamps, false },
	{ "lossy and plain", { .loss = 30, .delay_us = 2000 }, 10, 50000, 50000, plain, false },
	{ "reordering", { .late = 100, .late_us = 3000, .delay_us = 2000, .jitter_us = 500 }, 10,
		300000, 300000, NULL, false },
	{ "everything", { EVERYTHING(50, 50, 20000) }, 10, 50000, 50000, NULL, false },
	{ "everything, small windows", { EVERYTHING(50, 50, 20000) }, 6, 20000, 20000,
		small_windows, false },
	{ "everything, small segments", { EVERYTHING(30, 50, 20000) }, 6, 20000, 20000,
		small_segments, false },
	{ "slow readers", { .loss = 10, .delay_us = 1000 }, 6, 100000, 100000, small_windows,
		true },
	{ "bottleneck", { .delay_us = 10000, .us_per_packet = 120, .queue = 60 }, 4, 2000000,
		2000000, NULL, false },
	{ "segmenting port", { .delay_us = 1000 }, 4, 1000000, 1000000, NULL, false, 60000 },
	{ "segmenting port, everything", { EVERYTHING(30, 30, 10000) }, 6, 200000, 200000, NULL,
		false, 20000 },
};

static void test_ways(void **state)
{
	const char *only = getenv("TCP_WAY");

	for (unsigned int i = 0; i < RTE_DIM(ways); i++) {
		if (only && strcmp(only, ways[i].name))
			continue;
		for (uint64_t seed = 1; seed <= 4; seed++)
			way_run(&ways[i], seed, seed % 2);
	}
}

static void test_refused(void **state)
{
	struct lab *l = lab_make(1, false, &(struct harm){ .delay_us = 100 }, &accept_ops, 0);
	/* Nobody accepts at the first host. */
	const struct tcp_target to = { .local = l->host[1].addr,
		.remote = { l->host[0].addr, PORT } };
	struct app a = { .lab = l };

	a.conn = tcp_connect(l->host[1].tcp, &to, &tcp_how_defaults, &app_ops, &a);
	assert_non_null(a.conn);
	run(l, 10000);
	assert_int_equal(a.error, -ECONNREFUSED);
	assert_int_equal(counted(l, 0, TCP_COUNT_resets_out), 1);
	lab_free(l);
}

/* ---- a flight ------------------------------------------------------------------------------- */

static void idle_event(struct tcp_conn *c, uint32_t events)
{
	if (events & TCP_EV_ERROR)
		tcp_close(c);
}

static const struct tcp_ops idle_ops = { idle_event };

/* The last segment that the congestion window lets go is pushed, for a receiver that holds its
 * acknowledgement back otherwise; and when none comes a probe follows after two round trips, be
 * they as short as on a local network. */
static void test_flight(void **state)
{
	static const uint8_t data[100000];
	struct lab *l = lab_make(1, false, &(struct harm){ .delay_us = 100 }, &idle_ops, 0);
	const struct tcp_target to = { .local = l->host[0].addr,
		.remote = { l->host[1].addr, PORT } };
	struct tcp_conn *c = tcp_connect(l->host[0].tcp, &to, &tcp_how_defaults, &idle_ops, NULL);

	assert_non_null(c);
	run(l, 10000);
	assert_int_equal(l->n, 0);
	assert_int_equal(tcp_write_copy(c, data, sizeof(data)), 0);
	tcp_flush(l->host[0].tcp);
	assert_int_equal(l->n, 10);
	while (l->n) { /* and all are lost */
		struct packet *p = wire_pop(l);

		assert_int_equal(p->data[33] & 0x08, l->n ? 0 : 0x08);
		free(p);
	}
	run(l, 4000);
	assert_int_equal(counted(l, 0, TCP_COUNT_probes), 1);
	tcp_abort(c);
	lab_free(l);
}

/* Of what is on the wire, in order: 1 arrives now, 0 never does. */
static void deliver(struct lab *l, const char *which)
{
	for (; *which; which++) {
		struct packet *p = wire_pop(l);

		if (*which == '1') {
			if (p->at_us > l->now_us)
				l->now_us = p->at_us;
			tcp_advance(l->host[p->to].tcp, l->now_us, (uint32_t)(l->now_us / 1000), 0);
			receive(l, p);
		}
		free(p);
	}
}

/* A receiver reports last first what came apart; where the reports between are lost, that is no
 * reordering, and the third segment behind a hole tells at once that it is one. */
static void test_reports_lost(void **state)
{
	static const uint8_t data[14480];
	struct lab *l = lab_make(1, false, &(struct harm){ .delay_us = 1000 }, &idle_ops, 0);
	const struct tcp_target to = { .local = l->host[0].addr,
		.remote = { l->host[1].addr, PORT } };
	struct tcp_conn *c = tcp_connect(l->host[0].tcp, &to, &tcp_how_defaults, &idle_ops, NULL);

	run(l, 10000);
	assert_int_equal(tcp_write_copy(c, data, sizeof(data)), 0);
	tcp_flush(l->host[0].tcp);
	assert_int_equal(l->n, 10);
	for (const char **step = (const char *[]){ "01", "01", "1", NULL }; *step; step++) {
		deliver(l, *step);
		tcp_flush(l->host[1].tcp);
	}
	deliver(l, "00000");
	assert_int_equal(l->n, 3);
	deliver(l, "01");
	assert_int_equal(counted(l, 0, TCP_COUNT_recoveries), 0);
	deliver(l, "1");
	assert_int_equal(counted(l, 0, TCP_COUNT_recoveries), 1);
	tcp_abort(c);
	lab_free(l);
}

/* The server's side of the last connection that was opened. */
static struct tcp_conn *accepted;

static void accepted_event(struct tcp_conn *c, uint32_t events)
{
	if ((events & TCP_EV_OPEN) && tcp_ctx(c))
		accepted = c;
	if (events & TCP_EV_ERROR)
		tcp_close(c);
}

static const struct tcp_ops accepted_ops = { accepted_event };

/* One side says something, and a stranger goes on in its name. */
static void speak_for(struct lab *l, unsigned int host, struct tcp_conn *c)
{
	struct packet *real, *forged = malloc(sizeof(*forged));
	struct rte_tcp_hdr *tcp;

	assert_non_null(forged);
	assert_int_equal(tcp_write_copy(c, "0123456789", 10), 0);
	tcp_flush(l->host[host].tcp);
	assert_int_equal(l->n, 1);
	real = wire_pop(l);
	*forged = *real;
	tcp = (struct rte_tcp_hdr *)(forged->data + 20);
	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + 10);
	fill_sums(forged->data, forged->len);
	wire_push(l, real);
	wire_push(l, forged);
	while (l->n) { /* what is said to it is lost */
		struct packet *p = wire_pop(l);

		if (p->to != host)
			receive(l, p);
		free(p);
	}
}

/* Two ends that each think that the other acknowledges what was never sent would go on answering
 * each other as fast as the wire is (RFC 5961 5.3); and what is sent again meets the same. */
static void test_storm(void **state)
{
	struct lab *l = lab_make(1, false, &(struct harm){ .delay_us = 100 }, &accepted_ops, 0);
	const struct tcp_target to = { .local = l->host[0].addr,
		.remote = { l->host[1].addr, PORT } };
	struct tcp_conn *c =
		tcp_connect(l->host[0].tcp, &to, &tcp_how_defaults, &accepted_ops, NULL);

	accepted = NULL;
	run(l, 10000);
	assert_non_null(accepted);
	speak_for(l, 0, c);
	speak_for(l, 1, accepted);
	l->sent = 0;
	run(l, 10 * 1000000ull);
	assert_in_range(counted(l, 0, TCP_COUNT_challenges), 1, 21);
	assert_in_range(counted(l, 1, TCP_COUNT_challenges), 1, 21);
	assert_true(counted(l, 0, TCP_COUNT_challenges_held) > 0);
	assert_in_range(l->sent, 1, 80);
	tcp_abort(c);
	tcp_abort(accepted);
	lab_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_reports_lost),
		cmocka_unit_test(test_flight),
		cmocka_unit_test(test_ways),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

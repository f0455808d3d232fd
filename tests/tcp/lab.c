/* SPDX-License-Identifier: BSD-3-Clause */
#include "lab.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "device.h"
#include "net/poison.h"
#include "test_eal.h"

#define POOL      4095
#define ETHER_LEN 14
#define OURS(v6)  ((v6) ? "2001:db8:1::1" : "192.0.2.1")
#define PEERS(v6) ((v6) ? "2001:db8:2::2" : "198.51.100.2")

/* Packets that come, those that are sent, and what the application writes. */
enum { RX, TX, APP };
static struct rte_mempool *pools[LAB_POOLS];

void lab_init(void)
{
	test_eal_init();
	pools[RX] = test_pool("rx", POOL);
	pools[TX] = test_pool("tx", POOL);
	pools[APP] = test_pool("app", POOL);
}

void lab_fault(struct lab *lab, const char *format, ...)
{
	va_list args;

	if (lab->fault[0] != '\0')
		return;
	va_start(args, format);
	vsnprintf(lab->fault, sizeof(lab->fault), format, args);
	va_end(args);
}

struct rte_mbuf *lab_mbuf(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools[APP]);

	if (!m)
		abort();
	return m;
}

void lab_feed(struct lab *lab)
{
	rte_pktmbuf_free(lab->taken);
	lab->taken = NULL;
}

void lab_starve(struct lab *lab, bool rx, unsigned int left)
{
	struct rte_mempool *pool = pools[rx ? RX : TX];
	struct rte_mbuf *m;

	lab_feed(lab);
	while (rte_mempool_avail_count(pool) > left && (m = rte_pktmbuf_alloc(pool))) {
		m->next = lab->taken;
		lab->taken = m;
	}
}

static uint32_t now_ms(const struct lab *lab)
{
	return lab->began_ms + (uint32_t)((lab->now_us - lab->began_us) / 1000);
}

static struct addr address(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a) != 0)
		abort();
	return a;
}

/* A connection's packets as they come in. */
static struct tuple conn_tuple(const struct lab_conn *n)
{
	return (struct tuple){
		.src = address(PEERS(n->lab->v6)),
		.dst = address(OURS(n->lab->v6)),
		.sport = rte_cpu_to_be_16(n->peer_port),
		.dport = rte_cpu_to_be_16(n->our_port),
		.proto = IPPROTO_TCP,
	};
}

static struct lab_conn *find_conn(struct lab *lab, uint16_t our_port, uint16_t peer_port)
{
	for (unsigned int i = 1; i < CONNS; i++) {
		struct lab_conn *n = &lab->conn[i];

		if (n->our_port == 0 && n->peer_port == peer_port)
			n->our_port = our_port; /* the one that was chosen */
		if (n->peer_port == peer_port && n->our_port == our_port)
			return n;
	}
	return NULL;
}

/* ---- what is sent --------------------------------------------------------------------------- */

/* Every byte of a stream is what the application wrote there. */
static void check_data(
	struct lab *lab, const struct lab_conn *n, const struct frame *f, const struct seg_sent *s)
{
	const uint32_t at = s->seq + !!(s->flags & SEG_SYN) - n->base.our_seq - 1;
	const uint8_t *data = f->b + f->len - s->len;

	if (s->len == 0 || (int32_t)at < 0)
		return;
	if (at + s->len > n->sent)
		lab_fault(lab, "data up to offset %u, and only %u bytes were written", at + s->len,
			n->sent);
	for (uint32_t i = 0; i < s->len; i++)
		if (data[i] != stream_byte(at + i, true)) {
			lab_fault(lab, "wrong byte sent at offset %u", at + i);
			return;
		}
}

static void note_base(struct lab_conn *n, const struct seg_sent *s)
{
	const uint32_t end = s->seq + s->len + !!(s->flags & SEG_SYN) + !!(s->flags & SEG_FIN);
	const uint8_t *stamp = segment_option(s, 8);

	if (s->flags & SEG_SYN && s->seq != n->base.our_seq) {
		n->former_seq = n->base.our_seq;
		n->base.our_seq = s->seq;
		n->has_ts = false;
		n->sent = n->read = 0;
	}
	if (s->flags & SEG_SYN || (int32_t)(end - n->sent_end) > 0)
		n->sent_end = end;
	if (!stamp || s->flags & SEG_RST)
		return;
	memcpy(&n->ts_recent, stamp + 2, 4);
	n->ts_recent = rte_be_to_cpu_32(n->ts_recent);
	if (!n->has_ts)
		n->base.our_ts = n->ts_recent;
	n->has_ts = true;
}

static void check_mbuf(struct lab *lab, const struct rte_mbuf *m)
{
	uint32_t len = 0, n = 0;

	if (rte_pktmbuf_headroom(m) < ETHER_LEN + 4)
		lab_fault(lab, "no headroom for a link header");
	if (rte_mbuf_refcnt_read(m) != 1 || !RTE_MBUF_DIRECT(m))
		lab_fault(lab, "a packet whose headers are shared");
	for (const struct rte_mbuf *p = m; p; p = p->next, n++)
		len += p->data_len;
	if (len != m->pkt_len || n != m->nb_segs)
		lab_fault(lab, "an mbuf of %u bytes in %u segments says %u in %u", len, n,
			m->pkt_len, m->nb_segs);
	if (lab->conf.tcp.linear && n != 1)
		lab_fault(lab, "a packet of %u segments", n);
}

static void check_sent(struct lab *lab, struct frame *f)
{
	struct seg_sent *s = &lab->sent[lab->n_sent];
	const char *wrong;
	struct lab_conn *n;

	memset(s, 0, sizeof(*s));
	s->at_us = lab->now_us;
	wrong = segment_read(f, s);
	if (wrong) {
		lab_fault(lab, "a packet sent has %s", wrong);
		return;
	}
	if (f->len - ETHER_LEN > lab->conf.mtu + (lab->v6 ? 20u : 0u))
		lab_fault(lab, "a packet of %u bytes", f->len - ETHER_LEN);
	if (!frame_is_right(f))
		lab_fault(lab, "a packet with a wrong checksum");
	n = find_conn(lab, s->sport, s->dport);
	if (!n) {
		lab_fault(lab, "a packet from port %u to port %u", s->sport, s->dport);
		return;
	}
	s->conn = n->number;
	note_base(n, s);
	wrong = rules_sent(&n->rules, s);
	if (wrong)
		lab_fault(lab, "a segment sent has %s", wrong);
	check_data(lab, n, f, s);
	lab->n_sent++;
}

static struct addr destination(const struct lab *lab, const uint8_t *l3)
{
	uint32_t v4;

	if (lab->v6)
		return addr_from_v6(l3 + 24);
	memcpy(&v4, l3 + 16, 4);
	return addr_from_v4(v4);
}

/* A packet as it goes over the wire. */
static void wire(void *arg, const uint8_t *packet, uint32_t len)
{
	const struct addr peer = address(PEERS(((struct lab *)arg)->v6));
	struct lab *lab = arg;
	static struct frame f;
	struct addr to;

	if (lab->n_sent == lab->room) {
		lab->room = lab->room ? 2 * lab->room : 64;
		lab->sent = realloc(lab->sent, lab->room * sizeof(*lab->sent));
		if (!lab->sent)
			abort();
	}
	memset(&f, 0, sizeof(f));
	f.l3 = ETHER_LEN;
	f.len = ETHER_LEN + len;
	memcpy(f.b + ETHER_LEN, packet, len);
	check_sent(lab, &f);
	to = destination(lab, f.b + ETHER_LEN);
	if (!addr_equal(&to, &peer))
		lab_fault(lab, "a packet to somebody else");
}

static void output(void *arg, struct rte_mbuf *m, const struct addr *dst, struct tcp_hop *hop)
{
	struct lab *lab = arg;
	const struct addr peer = address(PEERS(lab->v6));
	static uint8_t packet[FRAME_MAX - ETHER_LEN];
	const char *wrong = NULL;
	const void *bytes;

	check_mbuf(lab, m);
	if (!addr_equal(&peer, dst) || !hop)
		lab_fault(lab, "a packet to somebody else");
	if (lab->conf.tcp.offload) {
		wrong = device_take(m, wire, lab);
	} else {
		bytes = m->pkt_len <= sizeof(packet) ? rte_pktmbuf_read(m, 0, m->pkt_len, packet)
						     : NULL;
		if (!bytes || m->ol_flags & RTE_MBUF_F_TX_L4_MASK)
			wrong = "more bytes than a link takes, or work for the device";
		else
			wire(lab, bytes, m->pkt_len);
	}
	if (wrong)
		lab_fault(lab, "a packet has %s", wrong);
	frame_free(m);
}

static uint16_t link_mtu(void *arg, const struct addr *dst)
{
	const struct lab *lab = arg;

	return lab->conf.mtu ? (uint16_t)(lab->conf.mtu + (addr_is_v4(dst) ? 0 : 20)) : 0;
}

static const struct tcp_net_ops net_ops = { .output = output, .mtu = link_mtu };

/* ---- events --------------------------------------------------------------------------------- */

/* Until a connection of the peer is open its context is that of the listener: connection 0. */
static void event(struct tcp_conn *c, uint32_t events)
{
	const struct tuple t = tcp_tuple(c);
	struct lab_conn *n = tcp_ctx(c);
	struct lab *lab = n->lab;

	if (n->number == 0 && events & TCP_EV_OPEN) {
		n = find_conn(lab, rte_be_to_cpu_16(t.dport), rte_be_to_cpu_16(t.sport));
		if (n && !n->c) {
			tcp_set_ctx(c, n);
			n->c = c;
		}
	}
	if (!n || n->c != c) {
		lab_fault(lab, "events %#x of a connection that is not open", events);
		return;
	}
	if (events == 0 || (events & TCP_EV_ERROR && tcp_error(c) == 0) ||
		(!(events & TCP_EV_ERROR) && tcp_error(c) != 0))
		lab_fault(lab, "events %#x with error %d", events, tcp_error(c));
	n->events |= events;
	for (unsigned int i = 0; i < 4; i++)
		if (events & 1u << i && n->reaction[i] && n->c && !lab->react(lab, n->reaction[i]))
			return;
}

static const struct tcp_ops ops = { .event = event };

/* ---- time and packets ----------------------------------------------------------------------- */

void lab_flush(struct lab *lab)
{
	tcp_flush(lab->tcp);
}

static void turn(struct lab *lab)
{
	struct flow *due[32];
	unsigned int n;

	do
		n = tcp_advance(lab->tcp, lab->now_us, now_ms(lab), 32);
	while (n == 32);
	do {
		n = flow_due(lab->flows, now_ms(lab), due, 32);
		for (unsigned int i = 0; i < n; i++)
			tcp_flow_due(lab->tcp, due[i]);
	} while (n == 32);
	tcp_flush(lab->tcp);
}

void lab_run(struct lab *lab, uint64_t at_us, bool until_sent)
{
	while (lab->now_us < at_us) {
		if (until_sent && lab->first < lab->n_sent)
			return;
		lab->now_us = RTE_MIN(at_us, (lab->now_us / 1000 + 1) * 1000);
		turn(lab);
	}
}

/* As a port has it: IPv6 in two segments, for the data of a packet need not lie in the first. */
static struct rte_mbuf *mbuf_of(const struct lab *lab, const struct frame *f, uint32_t data)
{
	const unsigned int first = f->len - data + data / 3;

	if (lab->v6 && first < f->len)
		return frame_mbuf_split(pools[RX], f->b, f->len, first);
	return frame_mbuf(pools[RX], f->b, f->len);
}

/* What parsing and the lookup find. */
static void pkt_of(struct lab *lab, struct pkt *p, struct rte_mbuf *m, const struct frame *f)
{
	struct tuple t;

	*p = (struct pkt){ .mbuf = m, .family = f->family, .proto = f->proto, .flags = PKT_OURS };
	p->l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, f->l3);
	p->l4 = rte_pktmbuf_mtod_offset(m, uint8_t *, f->l4);
	p->l3_len = (uint16_t)(f->end - f->l3);
	p->l4_len = (uint16_t)(f->end - f->l4);
	p->tcp_flags = p->l4[13];
	t = pkt_tuple(p);
	p->hash = flow_hash(lab->flows, &t);
	flow_find_packet(lab->flows, p);
}

static void stamp(const struct lab *lab, const struct lab_conn *n, struct segment *s)
{
	s->option[0] = s->option[1] = (struct seg_option){ .kind = 1 };
	s->option[2] = (struct seg_option){ .kind = 8, .n = 2 };
	s->option[2].number[0] = (struct seg_number){ SEG_ABSOLUTE,
		n->base.peer_ts + (uint32_t)((lab->now_us - lab->began_us) / 1000) };
	s->option[2].number[1] = (struct seg_number){ SEG_ABSOLUTE, n->ts_recent };
	s->n_options = 3;
}

void lab_input(struct lab *lab, struct lab_conn *n, const struct segment *s, bool last)
{
	const struct seg_ends ends = { PEERS(lab->v6), OURS(lab->v6), n->peer_port, n->our_port };
	const struct tcp_listener *listener;
	struct segment whole = *s;
	static struct frame f;
	struct pkt p;

	if (n->stamps && !s->has_options && !(s->flags & SEG_RST))
		stamp(lab, n, &whole);
	if (s->flags & SEG_ACK && s->ack.kind == SEG_UNSAID)
		whole.ack = (struct seg_number){ SEG_ABSOLUTE, n->last_ack };
	if (s->ack.kind == SEG_ALL)
		whole.ack = (struct seg_number){ SEG_ABSOLUTE, n->sent_end };
	if (s->len > FRAME_MAX - 200) {
		lab_fault(lab, "a segment of %u bytes is more than there is room for", s->len);
		return;
	}
	segment_build(&f, &whole, &n->base, &ends);
	if (!s->bad_sum)
		rules_came(&n->rules, &f);
	memcpy(&n->last_ack, f.b + f.l4 + 8, 4);
	n->last_ack = rte_be_to_cpu_32(n->last_ack);
	pkt_of(lab, &p, mbuf_of(lab, &f, s->len), &f);
	if (p.flow && p.flow->kind != FLOW_LOCAL)
		p.flow = NULL;
	listener = lab->listening && n->our_port == 80 ? &lab->listener : NULL;
	tcp_input(lab->tcp, &p, p.flow, p.flow ? NULL : listener);
	if (p.verdict == PKT_GO && p.flow)
		tcp_input(lab->tcp, &p, NULL, listener);
	lab->last_dropped = p.verdict == PKT_DROP;
	lab->last_reason = lab->last_dropped ? p.reason : DROP_none;
	if (lab->last_dropped) {
		frame_free(p.mbuf);
	} else if (p.verdict != PKT_TAKEN) {
		frame_free(p.mbuf);
		lab_fault(lab, "a segment is left with verdict %u", p.verdict);
	}
	if (lab->last_dropped && (p.reason == DROP_none || p.reason >= DROP_MAX))
		lab_fault(lab, "a segment is dropped for no reason");
	if (last)
		tcp_flush(lab->tcp);
}

void lab_icmp(struct lab *lab, struct lab_conn *n, enum tcp_icmp what, uint32_t seq, uint16_t mtu)
{
	const struct tuple t = conn_tuple(n);
	struct flow *f;
	uint8_t dir;

	f = flow_find(lab->flows, &t, &dir);
	if (!f)
		lab_fault(lab, "an ICMP error about a connection that is not there");
	else
		tcp_icmp_error(lab->tcp, f, what, n->base.our_seq + seq,
			mtu ? (uint16_t)(mtu + (lab->v6 ? 20 : 0)) : 0);
	tcp_flush(lab->tcp);
}

int lab_connect(struct lab *lab, struct lab_conn *n, bool any_port)
{
	struct tcp_target to;
	struct tcp_conn *c;
	struct tuple t;

	n->our_port = (uint16_t)(any_port ? 0 : 5000 + n->number);
	n->peer_port = (uint16_t)(9000 + n->number);
	to = (struct tcp_target){ .local = address(OURS(lab->v6)), .local_port = n->our_port };
	to.remote = (struct endpoint){ address(PEERS(lab->v6)), n->peer_port };
	c = tcp_connect(lab->tcp, &to, &lab->conf.how, &ops, n);
	if (!c)
		return -errno;
	n->c = c;
	t = tcp_tuple(n->c);
	n->our_port = rte_be_to_cpu_16(t.dport);
	if (rte_be_to_cpu_16(t.sport) != n->peer_port || n->our_port == 0)
		lab_fault(lab, "a connection of port %u", n->our_port);
	return 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

/* The numbers of one family come to their end during a case, those of the other do not. */
struct lab *lab_create(bool v6, bool device)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	if (!lab)
		abort();
	lab->v6 = v6;
	for (unsigned int i = 0; i < LAB_POOLS; i++)
		lab->used[i] = rte_mempool_in_use_count(pools[i]);
	lab->began_us = lab->now_us = v6 ? (1ull << 32) - 3000000 : 5000000;
	lab->began_ms = v6 ? UINT32_MAX - 3500 : 5000;
	lab->conf =
		(struct lab_conf){ .tcp = tcp_conf_defaults, .how = tcp_how_defaults, .mtu = 1500 };
	lab->conf.tcp.max_conns = 48;
	lab->conf.tcp.max_half_open = 32;
	lab->conf.tcp.max_orphans = 16;
	lab->conf.tcp.max_segments = 2048;
	lab->conf.tcp.offload = device;
	lab->conf.tcp.segmentation = device ? DEVICE_MOST : 0;
	for (unsigned int i = 0; i < CONNS; i++) {
		struct lab_conn *n = &lab->conn[i];

		n->number = i;
		n->lab = lab;
		n->rules.v6 = v6;
		n->our_port = 80;
		n->peer_port = (uint16_t)(40000 + i);
		n->base.peer_seq = v6 ? UINT32_MAX - 700 - i : 1000000 * i;
		n->base.peer_ts = v6 ? UINT32_MAX - 90 - i : 77000 * i;
	}
	return lab;
}

void lab_start(struct lab *lab)
{
	const struct flow_conf flows = { .max_v4 = 256,
		.max_v6 = 256,
		.socket = SOCKET_ID_ANY,
		.key = { { 0x1234567, 0x89abcdef } } };
	struct tcp_conf *conf = &lab->conf.tcp;

	lab->flows = flow_table_create(&flows, now_ms(lab));
	lab->steer = steer_create(1, 64, NULL);
	lab->lports = lab->steer ? lport_create(lab->steer[0], 16, SOCKET_ID_ANY) : NULL;
	if (!lab->flows || !lab->lports)
		abort();
	if (conf->linear)
		conf->segmentation = 0;
	conf->socket = SOCKET_ID_ANY;
	conf->flows = lab->flows;
	conf->lports = lab->lports;
	conf->pool = pools[TX];
	conf->rx = pools[RX];
	conf->secret = (struct hash_key){ { 11, 12 } };
	conf->cookie = (struct hash_key){ { 13, 14 } };
	conf->net = &net_ops;
	conf->net_arg = lab;
	lab->tcp = tcp_create(conf, lab->now_us, now_ms(lab));
	if (!lab->tcp)
		abort();
	lab->listener = (struct tcp_listener){ .ops = &ops, .ctx = &lab->conn[0] };
}

/* Others may have been left by a case that failed. */
static void check_pool(struct lab *lab, unsigned int i)
{
	const unsigned int used = rte_mempool_in_use_count(pools[i]);

	if (used != lab->used[i])
		lab_fault(lab, "%d packets of pool \"%s\" are left", (int)(used - lab->used[i]),
			pools[i]->name);
}

/* Connections that are the application's are cut off; the others have their time to end. */
void lab_finish(struct lab *lab)
{
	struct lport_stats ports;
	struct flow_stats flows;
	struct tcp_stats s;

	for (unsigned int i = 0; i < CONNS; i++) {
		if (lab->conn[i].c)
			tcp_abort(lab->conn[i].c);
		lab->conn[i].c = NULL;
		memset(lab->conn[i].reaction, 0, sizeof(lab->conn[i].reaction));
	}
	lab->listening = false;
	lab_feed(lab);
	tcp_flush(lab->tcp);
	tcp_stats(lab->tcp, &s);
	for (unsigned int i = 0; i < 3600 && s.conns + s.time_wait; i++) {
		lab->now_us += 500000;
		turn(lab);
		tcp_stats(lab->tcp, &s);
	}
	lport_stats(lab->lports, &ports);
	flow_stats(lab->flows, &flows);
	if (s.conns || s.half_open || s.orphans || s.time_wait || s.segments)
		lab_fault(lab,
			"left: %u connections, %u half open, %u orphans, %u in TIME-WAIT, %u "
			"segments",
			s.conns, s.half_open, s.orphans, s.time_wait, s.segments);
	if (ports.ports || flows.v4 || flows.v6)
		lab_fault(lab, "left: %u ports, %u flows", (unsigned int)ports.ports,
			flows.v4 + flows.v6);
	for (unsigned int i = 0; i < LAB_POOLS; i++)
		check_pool(lab, i);
}

void lab_destroy(struct lab *lab)
{
	if (lab->tcp) {
		tcp_destroy(lab->tcp);
		lport_destroy(lab->lports);
		steer_destroy(lab->steer, 1);
		flow_table_destroy(lab->flows);
	}
	lab_feed(lab);
	free(lab->sent);
	free(lab);
}

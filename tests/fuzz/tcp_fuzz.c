/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whatever a peer sends, whatever the application does, in any order and at any time. The input is
 * a list of steps, a byte that says which and its arguments:
 *
 *   0, 1  a segment: flags, how far its number and its acknowledgement are from those that would be
 *         next (2 bytes each), window (2), length of options (1), options, bytes of data (1; times
 * 8) 2     time passes: 2 bytes, milliseconds; with the high bit seconds 3     the application: 1
 * byte, what; 2 bytes, how much 4     connects: 1 byte, how 5     an ICMP error: 1 byte, what; 2
 * how far from what is in flight; 2 the MTU 6     what the listener and the connections are to be:
 * 2 bytes 7     the burst is over
 *
 * Numbers are relative so that chance finds its way into every state. Required: what is sent is
 * well formed, carries the bytes that were written, and lies within what the peer has allowed; and
 * when the application has closed and time has passed nothing is left.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "flow/flow.h"
#include "net/tcpopt.h"
#include "net/wire.h"
#include "tcp/tcp.h"
#include "tcp/tcp_cc.h"
#include "test_eal.h"

#define POOL      512
#define FRAMES    512
#define STEPS_MAX 400
#define HOUR_MS   3600000u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

/* The one connection there is, as the peer sees it. */
static struct {
	struct tcp *tcp;
	struct flow_table *flows;
	struct rte_mempool *pool, *rx;
	struct tcp_conn *conn;
	struct tcp_how how;
	struct tuple in; /* of what the peer sends */
	uint64_t now_us;
	uint32_t next;  /* the number after the last that came from us */
	uint32_t acked; /* what we acknowledged last */
	uint32_t first; /* of our data */
	bool has_first, v6;
	uint64_t written;
	uint8_t cookies;
} it;

/* In place of lib/net's. */
void net_drop(struct net_worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	rte_pktmbuf_free(m);
}

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 13 + (at >> 8));
}

/* ---- what is sent --------------------------------------------------------------------------- */

static void look_at_options(const uint8_t *tcp, uint8_t flags)
{
	struct tcp_options o;

	tcp_options_read(tcp, &o);
	require((flags & TCP_SYN) || o.wscale == TCPOPT_NO_SCALE);
	for (unsigned int i = 0; i < o.sack_blocks; i++) {
		uint32_t start, end;

		memcpy(&start, tcp + o.sack_at + 8 * i, 4);
		memcpy(&end, tcp + o.sack_at + 8 * i + 4, 4);
		require((int32_t)(rte_be_to_cpu_32(end) - rte_be_to_cpu_32(start)) > 0);
	}
}

static void output(void *arg, struct rte_mbuf *m, const struct addr *dst, struct tcp_hop *hop)
{
	uint8_t flat[4096];
	const uint8_t *at = rte_pktmbuf_read(m, 0, m->pkt_len, flat);
	const uint8_t family = at[0] >> 4;
	const uint32_t ip = family == 4 ? 20 : 40, len = m->pkt_len - ip;
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(at + ip);
	const uint32_t header = (uint32_t)(tcp->data_off >> 4) * 4, data = len - header;
	const uint32_t seq = rte_be_to_cpu_32(tcp->sent_seq);

	require(addr_equal(dst, &it.in.src) && m->pkt_len <= 1500 && header >= 20 && header <= len);
	require(wire_is_right(wire_sum(tcp, len, wire_pseudo(at, family, IPPROTO_TCP, len))));
	require(family == 6 || wire_is_right(wire_sum_ipv4(at)));
	look_at_options((const uint8_t *)tcp, tcp->tcp_flags);
	if (tcp->tcp_flags & TCP_SYN) {
		it.first = seq + 1;
		it.has_first = true;
	}
	for (uint32_t i = 0; i < data; i++) {
		const uint32_t off = seq - it.first + i;

		require(it.has_first && off < it.written);
		require(((const uint8_t *)tcp)[header + i] == pattern(off));
	}
	if (!(tcp->tcp_flags & TCP_RST)) {
		it.next = seq + data + !!(tcp->tcp_flags & TCP_SYN) + !!(tcp->tcp_flags & TCP_FIN);
		if (tcp->tcp_flags & TCP_ACK)
			it.acked = rte_be_to_cpu_32(tcp->recv_ack);
	}
	rte_pktmbuf_free(m);
}

static uint16_t mtu(void *arg, const struct addr *dst)
{
	return 1500;
}

static const struct tcp_net_ops net_ops = { output, mtu };

/* ---- the application ------------------------------------------------------------------------ */

static void event(struct tcp_conn *c, uint32_t events)
{
	if (events & TCP_EV_OPEN && c != it.conn) {
		if (it.conn)
			tcp_abort(it.conn);
		it.conn = c;
	}
	if (events & TCP_EV_ERROR) {
		require(tcp_error(c) < 0 && c == it.conn);
		tcp_close(c);
		it.conn = NULL;
	}
}

static const struct tcp_ops ops = { event };

static void app_write(uint32_t n)
{
	uint8_t data[4096];

	n = RTE_MIN(n, (uint32_t)sizeof(data));
	n = RTE_MIN(n, tcp_writable(it.conn));
	for (uint32_t i = 0; i < n; i++)
		data[i] = pattern(it.written + i);
	if (tcp_write_copy(it.conn, data, n) == 0)
		it.written += n;
}

static void app_read(uint32_t n, bool copy)
{
	uint8_t data[4096];
	uint32_t len;
	struct rte_mbuf *m;

	if (copy) {
		tcp_read_copy(it.conn, data, RTE_MIN(n, (uint32_t)sizeof(data)));
		return;
	}
	m = tcp_read(it.conn, n, &len);
	while (m) {
		struct rte_mbuf *next = m->next;

		require(m->data_len <= len);
		len -= m->data_len;
		m->next = NULL;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
}

static void application(uint8_t what, uint32_t n)
{
	if (!it.conn)
		return;
	switch (what % 8) {
	case 0:
	case 1:
		app_write(n);
		break;
	case 2:
	case 3:
		app_read(n, what % 2);
		break;
	case 4:
		tcp_shutdown(it.conn);
		break;
	case 5:
		tcp_close(it.conn);
		it.conn = NULL;
		break;
	case 6:
		tcp_abort(it.conn);
		it.conn = NULL;
		break;
	default:
		require(tcp_at_end(it.conn) ? tcp_readable(it.conn) == 0 : true);
	}
}

static void connect_out(uint8_t how)
{
	const struct tcp_target to = { .local = it.in.dst,
		.local_port = rte_be_to_cpu_16(it.in.dport),
		.remote = { it.in.src, rte_be_to_cpu_16(it.in.sport) } };

	if (it.conn)
		return;
	it.how.ecn = how & 1;
	it.conn = tcp_connect(it.tcp, &to, &it.how, &ops, NULL);
	if (it.conn)
		it.written = 0;
}

/* ---- what comes ----------------------------------------------------------------------------- */

struct input {
	const uint8_t *at, *end;
};

static uint8_t take1(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static uint16_t take2(struct input *in)
{
	const uint8_t low = take1(in);

	return (uint16_t)(low | take1(in) << 8);
}

static void write_ip(uint8_t *l3, uint16_t l4_len)
{
	if (it.v6) {
		l3[0] = 0x60;
		memcpy(l3 + 8, &it.in.src, 16);
		memcpy(l3 + 24, &it.in.dst, 16);
		return;
	}
	l3[0] = 0x45;
	memcpy(l3 + 12, &it.in.src.w[3], 4);
	memcpy(l3 + 16, &it.in.dst.w[3], 4);
}

static void give(struct pkt *p)
{
	const struct tcp_listener listener = {
		.ops = &ops, .how = it.how, .cookies = it.cookies % 3
	};
	uint8_t dir;
	struct flow *f = flow_find(it.flows, &it.in, &dir);
	const bool opens = !f && (p->tcp_flags & TCP_SYN);

	if (opens && !it.conn)
		it.written = 0;
	tcp_input(it.tcp, p, f, it.conn ? NULL : &listener);
	if (p->verdict == PKT_GO)
		tcp_input(it.tcp, p, NULL, it.conn ? NULL : &listener);
	require(p->verdict == PKT_DROP || p->verdict == PKT_TAKEN);
	if (p->verdict == PKT_DROP)
		rte_pktmbuf_free(p->mbuf);
}

static void segment(struct input *in)
{
	const uint8_t flags = take1(in);
	const uint32_t seq = it.acked + (uint32_t)(int16_t)take2(in);
	const uint32_t ack = it.next + (uint32_t)(int16_t)take2(in);
	const uint16_t wnd = take2(in);
	const uint8_t options = (take1(in) % 41) & 0xfc;
	const uint16_t ip = it.v6 ? 40 : 20;
	struct rte_mbuf *m = rte_pktmbuf_alloc(it.rx);
	struct rte_tcp_hdr *tcp;
	uint16_t data;
	struct pkt p;
	uint8_t *l3;

	if (!m)
		return;
	l3 = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(ip + 20 + options));
	memset(l3, 0, ip + 20u + options);
	tcp = (struct rte_tcp_hdr *)(l3 + ip);
	for (unsigned int i = 0; i < options; i++)
		((uint8_t *)(tcp + 1))[i] = take1(in);
	data = (uint16_t)(take1(in) * 8u % 1461);
	memset(rte_pktmbuf_append(m, data), 0x5a, data);
	*tcp = (struct rte_tcp_hdr){
		.src_port = it.in.sport,
		.dst_port = it.in.dport,
		.sent_seq = rte_cpu_to_be_32(seq),
		.recv_ack = rte_cpu_to_be_32(ack),
		.data_off = (uint8_t)((20 + options) / 4 << 4),
		.tcp_flags = flags,
		.rx_win = rte_cpu_to_be_16(wnd),
	};
	write_ip(l3, (uint16_t)(20 + options + data));
	p = (struct pkt){ .mbuf = m,
		.l3 = l3,
		.l4 = (uint8_t *)tcp,
		.l3_len = (uint16_t)m->pkt_len,
		.l4_len = (uint16_t)(m->pkt_len - ip),
		.family = it.v6 ? 6 : 4,
		.proto = IPPROTO_TCP,
		.verdict = PKT_GO,
		.tcp_flags = flags };
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD; /* what else would be dropped */
	give(&p);
}

static void pass(uint64_t ms)
{
	struct flow *due[32];
	unsigned int n;

	it.now_us += ms * 1000;
	while (tcp_advance(it.tcp, it.now_us, (uint32_t)(it.now_us / 1000), 32) == 32)
		;
	tcp_flush(it.tcp);
	while ((n = flow_due(it.flows, (uint32_t)(it.now_us / 1000), due, 32)) > 0)
		for (unsigned int i = 0; i < n; i++)
			tcp_flow_due(it.tcp, due[i]);
}

static void icmp(struct input *in)
{
	const uint8_t what = take1(in);
	const uint32_t seq = it.next + (uint32_t)(int16_t)take2(in);
	const uint16_t size = take2(in);
	uint8_t dir;
	struct flow *f = flow_find(it.flows, &it.in, &dir);

	if (f)
		tcp_icmp_error(it.tcp, f, what % 3, seq, size);
}

static void choose(uint8_t a, uint8_t b)
{
	it.how.timestamps = a & 1;
	it.how.sack = a & 2;
	it.how.window_scale = a & 4;
	it.how.nagle = a & 8;
	it.how.cc = a & 16 ? &tcp_cc_reno : &tcp_cc_cubic;
	it.how.keep_idle_ms = a & 32 ? 10000 : 0;
	it.how.rcvbuf = 1000u << b % 8;
	it.how.sndbuf = 1000u << (b >> 3) % 8;
	it.cookies = (uint8_t)(a >> 6);
}

static void run(struct input *in)
{
	for (unsigned int i = 0; i < STEPS_MAX && in->at < in->end; i++) {
		switch (take1(in) % 8) {
		case 0:
		case 1:
			segment(in);
			break;
		case 2: {
			const uint16_t t = take2(in);

			pass(t & 0x8000 ? (t & 0x7fffu) * 1000ull : t);
			break;
		}
		case 3: {
			const uint8_t what = take1(in);

			application(what, take2(in));
			break;
		}
		case 4:
			connect_out(take1(in));
			break;
		case 5:
			icmp(in);
			break;
		case 6: {
			const uint8_t a = take1(in);

			choose(a, take1(in));
			break;
		}
		default:
			tcp_flush(it.tcp);
		}
	}
}

/* ---- from beginning to end ------------------------------------------------------------------ */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	test_eal_init();
	it.pool = test_pool("own", POOL);
	it.rx = test_pool("rx", FRAMES);
	return 0;
}

static void begin(bool v6)
{
	const struct flow_conf flows = { .max_v4 = 8, .max_v6 = 8, .socket = SOCKET_ID_ANY };
	struct tcp_conf conf = tcp_conf_defaults;

	it.now_us = 1000000;
	it.v6 = v6;
	it.conn = NULL;
	it.how = tcp_how_defaults;
	it.written = it.next = it.acked = it.first = 0;
	it.has_first = false;
	it.cookies = 0;
	it.in = (struct tuple){ .sport = 0x1234, .dport = 0x5000, .proto = IPPROTO_TCP };
	require(addr_parse(v6 ? "2001:db8::1" : "192.0.2.1", &it.in.src) == 0);
	require(addr_parse(v6 ? "2001:db8::2" : "192.0.2.2", &it.in.dst) == 0);
	it.flows = flow_table_create(&flows, 1000);
	conf.max_conns = 4;
	conf.max_half_open = 2;
	conf.max_segments = 128;
	conf.flows = it.flows;
	conf.pool = it.pool;
	conf.rx = it.rx;
	conf.net = &net_ops;
	it.tcp = tcp_create(&conf, it.now_us, 1000);
	require(it.flows && it.tcp);
}

static void end(void)
{
	struct tcp_stats s;

	tcp_flush(it.tcp);
	if (it.conn)
		tcp_close(it.conn);
	it.conn = NULL;
	for (unsigned int i = 0; i < 200; i++)
		pass(HOUR_MS / 20);
	tcp_stats(it.tcp, &s);
	require(s.conns == 0 && s.segments == 0 && s.half_open == 0 && s.orphans == 0);
	require(s.time_wait == 0);
	tcp_destroy(it.tcp);
	flow_table_destroy(it.flows);
	require(rte_mempool_avail_count(it.pool) == POOL);
	require(rte_mempool_avail_count(it.rx) == FRAMES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };

	begin(take1(&in) & 1);
	run(&in);
	end();
	return 0;
}

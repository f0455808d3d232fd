/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of TCP: an instance and a peer whose every segment the test makes. */
#ifndef TEST_TCP_H
#define TEST_TCP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "net/tcpopt.h"
#include "tcp/tcp.h"
#include "test_eal.h"

#define POOL     256
#define FRAMES   512
#define SENT_MAX 4096
#define PEER_ISS 0xfffff000u

/* In place of lib/net's. */
void net_drop(struct net_worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	rte_pktmbuf_free(m);
}

/* What the instance sent, numbers relative to what was first on either side. */
struct sent {
	uint32_t seq, ack, len, wnd;
	uint16_t port; /* the peer's */
	uint8_t flags;
	struct tcp_options o;
};

struct bench {
	struct tcp *tcp;
	struct flow_table *flows;
	struct rte_mempool *pool, *rx;
	struct tcp_how how;
	struct tuple in;
	uint64_t now_us;
	uint32_t iss;
	uint16_t mtu;
	struct tcp_conn *conn;
	uint32_t events;
	unsigned int n;
	struct sent sent[SENT_MAX];
};

static struct bench it;

/* ---- what it sends -------------------------------------------------------------------------- */

static inline void output(
	void *arg, struct rte_mbuf *m, const struct addr *dst, struct tcp_hop *hop)
{
	const struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, 20);
	struct sent *s = &it.sent[it.n % SENT_MAX];

	if (tcp->tcp_flags & TCP_SYN)
		it.iss = rte_be_to_cpu_32(tcp->sent_seq);
	*s = (struct sent){ .seq = rte_be_to_cpu_32(tcp->sent_seq) - it.iss,
		.ack = rte_be_to_cpu_32(tcp->recv_ack) - PEER_ISS,
		.len = m->pkt_len - 20 - (uint32_t)(tcp->data_off >> 4) * 4,
		.wnd = rte_be_to_cpu_16(tcp->rx_win),
		.port = rte_be_to_cpu_16(tcp->dst_port),
		.flags = tcp->tcp_flags };
	tcp_options_read((const uint8_t *)tcp, &s->o);
	it.n++;
	rte_pktmbuf_free(m);
}

static inline uint16_t mtu(void *arg, const struct addr *dst)
{
	return it.mtu;
}

static const struct tcp_net_ops net_ops = { output, mtu };

static inline const struct sent *last(void)
{
	assert_true(it.n > 0);
	return &it.sent[(it.n - 1) % SENT_MAX];
}

/* ---- the application ------------------------------------------------------------------------ */

static inline void event(struct tcp_conn *c, uint32_t events)
{
	it.conn = c;
	it.events |= events;
	if (events & TCP_EV_ERROR) {
		tcp_close(c);
		it.conn = NULL;
	}
}

static const struct tcp_ops ops = { event };

static inline void write_bytes(struct tcp_conn *c, uint32_t n)
{
	uint8_t data[2000];

	memset(data, 0x42, sizeof(data));
	while (n) {
		const uint32_t some = RTE_MIN(n, (uint32_t)sizeof(data));

		assert_int_equal(tcp_write_copy(c, data, some), 0);
		n -= some;
	}
	tcp_flush(it.tcp);
}

/* ---- what the peer sends -------------------------------------------------------------------- */

/* What a segment says besides what all do. */
struct extra {
	bool stamps, sack_ok;
	uint8_t wscale; /* one more than it; 0: none */
	uint16_t mss;
	uint32_t tsval, tsecr;
	unsigned int blocks;
	uint32_t sack[6]; /* relative */
};

static inline unsigned int write_options(uint8_t *at, uint8_t flags, const struct extra *x)
{
	const struct tcp_options o = { .has_mss = x->mss && (flags & TCP_SYN),
		.mss = x->mss,
		.has_timestamp = x->stamps,
		.sack_ok = x->sack_ok && (flags & TCP_SYN),
		.tsval = x->tsval,
		.tsecr = x->tsecr,
		.wscale = x->wscale && (flags & TCP_SYN) ? x->wscale - 1 : TCPOPT_NO_SCALE };
	unsigned int n = tcp_options_write(at, &o);

	if (!x->blocks)
		return n;
	at[n++] = TCPOPT_NOP;
	at[n++] = TCPOPT_NOP;
	at[n++] = TCPOPT_SACK;
	at[n++] = (uint8_t)(2 + 8 * x->blocks);
	for (unsigned int i = 0; i < 2 * x->blocks; i++) {
		const rte_be32_t v = rte_cpu_to_be_32(it.iss + x->sack[i]);

		memcpy(at + n, &v, 4);
		n += 4;
	}
	return n;
}

/* Numbers relative: 1 is the first byte of either side. Not flushed. */
static inline void give(uint8_t flags, uint32_t seq, uint32_t ack, uint16_t wnd, uint32_t len,
	const struct extra *x)
{
	static const struct extra none;
	const struct tcp_listener listener = { .ops = &ops, .how = it.how };
	struct rte_mbuf *m = rte_pktmbuf_alloc(it.rx);
	struct rte_tcp_hdr *tcp;
	uint8_t options[40], dir;
	struct flow *f;
	unsigned int n;
	struct pkt p;
	uint8_t *l3;

	assert_non_null(m);
	n = write_options(options, flags, x ? x : &none);
	l3 = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(40 + n + len));
	assert_non_null(l3);
	memset(l3, 0x24, 40 + n + len);
	tcp = (struct rte_tcp_hdr *)(l3 + 20);
	memcpy(tcp + 1, options, n);
	l3[0] = 0x45;
	l3[1] = 0;
	memcpy(l3 + 12, &it.in.src.w[3], 4);
	memcpy(l3 + 16, &it.in.dst.w[3], 4);
	*tcp = (struct rte_tcp_hdr){ .src_port = it.in.sport,
		.dst_port = it.in.dport,
		.sent_seq = rte_cpu_to_be_32(PEER_ISS + seq),
		.recv_ack = rte_cpu_to_be_32(flags & TCP_ACK ? it.iss + ack : 0),
		.data_off = (uint8_t)((20 + n) / 4 << 4),
		.tcp_flags = flags,
		.rx_win = rte_cpu_to_be_16(wnd) };
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	p = (struct pkt){ .mbuf = m,
		.l3 = l3,
		.l4 = (uint8_t *)tcp,
		.l3_len = (uint16_t)m->pkt_len,
		.l4_len = (uint16_t)(m->pkt_len - 20),
		.family = 4,
		.proto = IPPROTO_TCP,
		.verdict = PKT_GO,
		.tcp_flags = flags };
	f = flow_find(it.flows, &it.in, &dir);
	tcp_input(it.tcp, &p, f, &listener);
	if (p.verdict == PKT_GO)
		tcp_input(it.tcp, &p, NULL, &listener);
	if (p.verdict == PKT_DROP)
		rte_pktmbuf_free(m);
}

static inline void say(uint8_t flags, uint32_t seq, uint32_t ack, uint16_t wnd, uint32_t len,
	const struct extra *x)
{
	give(flags, seq, ack, wnd, len, x);
	tcp_flush(it.tcp);
}

static inline void pass(uint64_t ms)
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

/* So long, in steps of a millisecond; or until something is sent. Whether it was. */
static inline bool wait_for_segment(uint64_t ms)
{
	const unsigned int n = it.n;

	while (ms-- && it.n == n)
		pass(1);
	return it.n != n;
}

/* ---- from beginning to end ------------------------------------------------------------------ */

static inline int begin(void **state)
{
	const struct flow_conf flows = { .max_v4 = 64, .max_v6 = 8, .socket = SOCKET_ID_ANY };
	struct tcp_conf conf = tcp_conf_defaults;
	struct rte_mempool *pool = it.pool, *rx = it.rx;
	void (*change)(struct tcp_conf *) = *state;

	it = (struct bench){ .pool = pool, .rx = rx, .now_us = 1000000, .mtu = 1500 };
	it.how = tcp_how_defaults;
	it.in = (struct tuple){
		.sport = rte_cpu_to_be_16(1000), .dport = rte_cpu_to_be_16(80), .proto = IPPROTO_TCP
	};
	assert_int_equal(addr_parse("192.0.2.1", &it.in.src), 0);
	assert_int_equal(addr_parse("192.0.2.2", &it.in.dst), 0);
	it.flows = flow_table_create(&flows, 1000);
	conf.max_conns = 16;
	conf.max_half_open = 8;
	conf.max_segments = 256;
	conf.flows = it.flows;
	conf.pool = it.pool;
	conf.rx = it.rx;
	conf.net = &net_ops;
	if (change)
		change(&conf);
	it.tcp = tcp_create(&conf, it.now_us, 1000);
	assert_non_null(it.tcp);
	return 0;
}

static inline int end(void **state)
{
	tcp_destroy(it.tcp);
	flow_table_destroy(it.flows);
	assert_int_equal(rte_mempool_avail_count(it.pool), POOL);
	assert_int_equal(rte_mempool_avail_count(it.rx), FRAMES);
	return 0;
}

/* The peer opens a connection, with a round trip so long; its first byte is number 1. */
static inline void open_from_afar(uint64_t ms, const struct extra *x)
{
	struct extra ack = x ? *x : (struct extra){ 0 };

	it.conn = NULL;
	say(TCP_SYN, 0, 0, 65535, 0, x);
	assert_int_equal(last()->flags, TCP_SYN | TCP_ACK);
	ack.tsecr = last()->o.tsval;
	pass(ms);
	say(TCP_ACK, 1, 1, 65535, 0, &ack);
	assert_non_null(it.conn);
}

static inline void open_by_peer(const struct extra *x)
{
	open_from_afar(0, x);
}

static inline struct tcp_conn *connect_to_peer(uint16_t local_port)
{
	const struct tcp_target to = {
		.local = it.in.dst, .local_port = local_port, .remote = { it.in.src, 1000 }
	};

	return tcp_connect(it.tcp, &to, &it.how, &ops, NULL);
}

static inline uint64_t counted(enum tcp_count what)
{
	struct tcp_stats s;

	tcp_stats(it.tcp, &s);
	return s.count[what];
}

static inline struct tcp_info info(void)
{
	struct tcp_info i;

	tcp_info(it.conn, &i);
	return i;
}

#endif

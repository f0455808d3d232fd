/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instances, and the life of connections: made, opened, over, freed; events to the application.
 *
 *                 tcp_connect()                      tcp_listen_input(): SYN
 *                       |                                     |
 *                    SYN_SENT --- SYN: tcp_in.c -----> SYN_RECEIVED <-- (a cookie skips it)
 *                       |                                     |
 *                       +-- SYN-ACK: tcp_established() -+- ACK: tcp_established()
 *                                                       |
 *                 send_fin() (tcp_out.c)           ESTABLISHED      FIN: fin_came() (tcp_in.c)
 *                       +-------------------------------+--------------------+
 *                  FIN_WAIT_1 -- FIN: fin_came() --> CLOSING            CLOSE_WAIT
 *                       |                               |                    | send_fin()
 *            ACK: fin_acked() (tcp_in.c)        ACK: fin_acked()         LAST_ACK
 *                       |                               |                    | ACK: fin_acked()
 *                  FIN_WAIT_2 -- FIN: fin_came() --> TIME_WAIT            CLOSED
 *                                                       | tcp_flow_due()
 *                                                    CLOSED
 *
 * tcp_end() leads from anywhere to CLOSED. In TIME_WAIT nothing is left but the flow entry.
 *
 * A connection has a flow in all states but the last two, and an entry as long as either side of
 * this library needs it: the application (CONN_OWNED), or the peer.
 */
#include "tcp_priv.h"

#include <string.h>

#include <netinet/in.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "net/poison.h"

const struct tcp_how tcp_how_defaults = {
	.cc = &tcp_cc_cubic,
	.rcvbuf = 1 << 20,
	.sndbuf = 1 << 20,
	.timestamps = true,
	.sack = true,
	.window_scale = true,
	.ecn = true,
	.syn_retries = 5,
	.retries = 10,
	.keep_count = 9,
	.keep_interval_ms = 75000,
	.fin_wait_ms = 60000,
	.linger_ms = 60000,
};

const struct tcp_conf tcp_conf_defaults = {
	.max_conns = 65536,
	.max_half_open = 4096,
	.max_orphans = 8192,
	.max_segments = 262144,
	.time_wait_ms = 60000,
	.socket = SOCKET_ID_ANY,
};

const char *tcp_state_name(enum tcp_state s)
{
	static const char *const names[TCP_STATES] = { "CLOSED", "SYN_SENT", "SYN_RECEIVED",
		"ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING", "LAST_ACK",
		"TIME_WAIT" };

	return names[s];
}

static inline void conn_prefetch(const struct tcp_conn *c)
{
	for (size_t i = 0; i < sizeof(*c); i += RTE_CACHE_LINE_SIZE)
		rte_prefetch0((const char *)c + i);
}

/* ---- instances ------------------------------------------------------------------------------ */

uint64_t tcp_bytes(const struct tcp_conf *conf)
{
	return sizeof(struct tcp) + (uint64_t)conf->max_conns * sizeof(struct tcp_conn) +
	       (uint64_t)conf->max_segments * sizeof(struct tcp_seg);
}

/* By the clock that does not go around. */
static uint64_t cookie_period(uint64_t now_us)
{
	return now_us / (SYNCOOKIE_PERIOD_S * 1000000ull);
}

struct tcp *tcp_create(const struct tcp_conf *conf, uint64_t now_us, uint32_t now_ms)
{
	struct tcp *t = rte_zmalloc_socket("tcp", sizeof(*t), 64, conf->socket);

	if (!t)
		goto fail;
	t->conf = *conf;
	t->now_us = now_us;
	t->now_ms = t->pressure_ms = t->reset_ms = now_ms;
	t->reset_tokens = RESETS_PER_S;
	t->conn = rte_zmalloc_socket(
		"tcp_conns", (size_t)conf->max_conns * sizeof(*t->conn), 64, conf->socket);
	t->seg = rte_zmalloc_socket(
		"tcp_segs", (size_t)conf->max_segments * sizeof(*t->seg), 64, conf->socket);
	if (!t->conn || !t->seg)
		goto fail;
	/* The first ones are used first. */
	for (uint32_t i = conf->max_conns; i-- > 0;) {
		t->conn[i].next = t->free_conn;
		t->free_conn = &t->conn[i];
	}
	for (uint32_t i = conf->max_segments; i-- > 0;) {
		t->seg[i].next = t->free_seg;
		t->free_seg = &t->seg[i];
	}
	wheel_init(&t->wheel, &t->conn[0].timer, sizeof(*t->conn), 0, now_ms);
	syncookie_init(&t->cookie, &conf->cookie, cookie_period(now_us));
	tcp_pressure(t);
	return t;

fail:
	tcp_destroy(t);
	errno = ENOMEM;
	return NULL;
}

void tcp_destroy(struct tcp *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; t->conn && i < t->conf.max_conns; i++) {
		struct tcp_conn *c = &t->conn[i];

		if (!c->tcp)
			continue;
		tcp_queue_free(&c->snd);
		tcp_queue_free(&c->rcv);
		tcp_queue_free_ooo(c);
		if (c->flow)
			tcp_flow_close(t, c->flow);
	}
	rte_free(t->conn);
	rte_free(t->seg);
	rte_free(t);
}

unsigned int tcp_advance(struct tcp *t, uint64_t now_us, uint32_t now_ms, unsigned int max)
{
	uint32_t due[BURST_MAX];
	unsigned int n;

	t->now_us = now_us;
	t->reused = NULL;
	if (now_ms != t->now_ms) {
		t->now_ms = now_ms;
		syncookie_advance(&t->cookie, cookie_period(now_us));
		if (now_ms != t->pressure_ms)
			tcp_pressure(t);
	}
	n = wheel_advance(&t->wheel, now_ms, due, RTE_MIN(max, (unsigned int)BURST_MAX));
	for (unsigned int i = 0; i < n; i++)
		tcp_timer_fire(&t->conn[due[i]]);
	return n;
}

void tcp_input(struct tcp *t, struct pkt *p, struct flow *f, const struct tcp_listener *listener)
{
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)p->l4;
	const uint8_t tos = p->family == 4 ? p->l3[1] : (uint8_t)(p->l3[0] << 4 | p->l3[1] >> 4);
	struct arrival a = {
		.p = p,
		.seq = rte_be_to_cpu_32(tcp->sent_seq),
		.ack = rte_be_to_cpu_32(tcp->recv_ack),
		.len = p->l4_len - (uint32_t)(tcp->data_off >> 4) * 4,
		.wnd = rte_be_to_cpu_16(tcp->rx_win),
		.flags = tcp->tcp_flags,
		.marked = (tos & 3) == 3,
		.capable = (tos & 3) != 0,
	};

	if (!parse_sum_is_right(p))
		return;
	tcp_counted(t, segments_in);
	tcp_options_read(p->l4, &a.o);
	if (!f) {
		t->behind = p->mbuf == t->reused;
		tcp_listen_input(t, &a, listener);
		t->behind = false;
	} else if (f->state != TCP_TIME_WAIT) {
		tcp_conn_input(&t->conn[f->conn], &a);
	} else if (!tcp_wait_input(t, &a, f)) {
		return;
	}
	if (p->verdict == PKT_GO) {
		pkt_unpoison(p->mbuf);
		rte_pktmbuf_free(p->mbuf);
		p->verdict = PKT_TAKEN;
	}
}

void tcp_prefetch(const struct tcp *t, const struct flow *f)
{
	if (f->state != TCP_TIME_WAIT)
		conn_prefetch(&t->conn[f->conn]);
}

/* ---- events --------------------------------------------------------------------------------- */

void tcp_pend(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	if (c->flags & CONN_PENDING)
		return;
	c->flags |= CONN_PENDING;
	c->next = NULL;
	if (t->pending)
		t->pending_tail->next = c;
	else
		t->pending = c;
	t->pending_tail = c;
}

void tcp_raise(struct tcp_conn *c, uint32_t event)
{
	if (c->flags & CONN_OWNED)
		c->events |= (uint8_t)event;
	tcp_pend(c);
}

static void conn_free(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	if (c->flags & CONN_PENDING) {
		c->flags |= CONN_DEAD;
		return;
	}
	c->tcp = NULL;
	c->next = t->free_conn;
	t->free_conn = c;
	t->n_conns--;
}

/* One connection's turn. It stays marked as pending meanwhile, so that whatever the application
 * does to it waits until its call is over. */
static void conn_turn(struct tcp_conn *c)
{
	const uint8_t events = c->events;

	c->events = 0;
	if (events && (c->flags & CONN_OWNED))
		c->ops->event(c, events);
	if (!(c->flags & CONN_DEAD) && c->flow) {
		tcp_output(c);
		tcp_queue_settle(c);
	}
	c->flags &= ~CONN_PENDING;
	if (c->flags & CONN_DEAD)
		conn_free(c);
	else if (c->events)
		tcp_pend(c);
}

unsigned int tcp_flush(struct tcp *t)
{
	unsigned int n = 0;

	while (t->pending) {
		struct tcp_conn *c = t->pending;

		t->pending = c->next;
		conn_turn(c);
		n++;
	}
	return n;
}

/* ---- connections ---------------------------------------------------------------------------- */

/* RFC 6528 3: a clock of 4 microseconds and a keyed hash of the tuple. Behind the numbers of one in
 * TIME-WAIT whose place it takes, which may have been faster than the clock (RFC 6191 2). */
uint32_t tcp_isn(const struct tcp *t, const struct tuple *in)
{
	const struct {
		struct addr a[2];
		uint64_t ports; /* no room between that is not set */
	} of = { { in->src, in->dst }, (uint64_t)in->sport << 16 | in->dport };
	const uint32_t isn = (uint32_t)hash_siphash(&t->conf.secret, &of, sizeof(of)) +
			     (uint32_t)(t->now_us >> 2);

	return t->behind ? seq_max(isn, t->reused_nxt) : isn;
}

uint16_t tcp_mss_of(const struct tcp *t, const struct tcp_how *how, const struct addr *peer)
{
	const uint16_t headers = TCP_HEADER + (addr_is_v4(peer) ? IPV4_HEADER : IPV6_HEADER);
	const uint16_t mtu = t->conf.net->mtu(t->conf.net_arg, peer);
	uint16_t mss;

	if (mtu <= headers)
		return 0;
	mss = RTE_MAX(mtu - headers, MSS_MIN);
	return how->mss ? RTE_MIN(mss, RTE_MAX(how->mss, MSS_MIN)) : mss;
}

void tcp_set_mss(struct tcp_conn *c)
{
	c->mss = RTE_MIN(c->peer_mss, c->path_mss);
	if (c->flags & CONN_STAMPS)
		c->mss -= STAMP_ROOM;
}

/* The least shift with which all of the buffer can be announced. */
static uint8_t scale_of(const struct tcp_how *how)
{
	uint8_t scale = 0;

	if (!how->window_scale)
		return TCPOPT_NO_SCALE;
	while (scale < TCPOPT_SCALE_MAX && how->rcvbuf >> scale > UINT16_MAX)
		scale++;
	return scale;
}

struct tcp_conn *tcp_conn_new(struct tcp *t, const struct tuple *in, const struct tcp_how *how,
	const struct tcp_ops *ops, void *ctx, enum drop_reason *reason)
{
	const struct tuple out = tuple_reverse(in);
	struct tcp_conn *c = t->free_conn;
	struct flow *f;

	if (!c) {
		tcp_counted(t, full);
		*reason = DROP_tcp_full;
		return NULL;
	}
	f = flow_open(t->conf.flows, in, NULL, reason);
	if (!f)
		return NULL;
	f->kind = FLOW_LOCAL;
	f->conn = (uint32_t)(c - t->conn);
	t->free_conn = c->next;
	if (t->free_conn) /* for the next one */
		conn_prefetch(t->free_conn);
	t->n_conns++;
	*c = (struct tcp_conn){
		.tcp = t,
		.flow = f,
		.ops = ops,
		.ctx = ctx,
		.how = *how,
		.peer_mss = addr_is_v4(&in->src) ? MSS_DEFAULT_V4 : MSS_DEFAULT_V6,
		.flags = addr_is_v4(&in->src) ? 0 : CONN_V6,
		.rcv_wscale = scale_of(how),
		.rto_ms = RTO_INITIAL_MS,
		.ssthresh = UINT32_MAX,
		.quick = QUICK_ACKS,
		.undo_left = -1,
		.reo_mult = 1,
		.heard_ms = t->now_ms,
		.pseudo = tcp_pseudo(&out),
	};
	wheel_node_init(&c->timer);
	c->path_mss = tcp_mss_of(t, how, &in->src);
	if (!c->path_mss)
		c->path_mss = c->peer_mss;
	tcp_set_mss(c);
	c->iss = tcp_isn(t, in);
	c->snd_una = c->snd_nxt = c->recover = c->fack = c->ecn_end = c->iss;
	return c;
}

/* Asked by an invariant alone. */
static __rte_unused bool may_follow(enum tcp_state from, enum tcp_state to)
{
	static const uint16_t next[TCP_STATES] = {
		[TCP_CLOSED] = 1u << TCP_SYN_SENT | 1u << TCP_SYN_RECEIVED | 1u << TCP_ESTABLISHED,
		[TCP_SYN_SENT] = 1u << TCP_SYN_RECEIVED | 1u << TCP_ESTABLISHED | 1u << TCP_CLOSED,
		[TCP_SYN_RECEIVED] = 1u << TCP_ESTABLISHED | 1u << TCP_CLOSED,
		[TCP_ESTABLISHED] = 1u << TCP_FIN_WAIT_1 | 1u << TCP_CLOSE_WAIT | 1u << TCP_CLOSED,
		[TCP_FIN_WAIT_1] = 1u << TCP_FIN_WAIT_2 | 1u << TCP_CLOSING | 1u << TCP_CLOSED,
		[TCP_FIN_WAIT_2] = 1u << TCP_TIME_WAIT | 1u << TCP_CLOSED,
		[TCP_CLOSE_WAIT] = 1u << TCP_LAST_ACK | 1u << TCP_CLOSED,
		[TCP_CLOSING] = 1u << TCP_TIME_WAIT | 1u << TCP_CLOSED,
		[TCP_LAST_ACK] = 1u << TCP_CLOSED,
		[TCP_TIME_WAIT] = 1u << TCP_CLOSED,
	};

	return next[from] & 1u << to;
}

void tcp_enter(struct tcp_conn *c, enum tcp_state next)
{
	x_assert(may_follow((enum tcp_state)c->state, next));
	c->state = (uint8_t)next;
	if (c->flow)
		c->flow->state = (uint8_t)next;
	if (c->flags & CONN_HALF_OPEN && next != TCP_SYN_RECEIVED) {
		c->flags &= ~CONN_HALF_OPEN;
		c->tcp->n_half_open--;
	}
}

void tcp_established(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	tcp_enter(c, TCP_ESTABLISHED);
	c->flags |= CONN_WAS_OPEN;
	/* RFC 5681 3.1: one segment where a SYN was lost. RFC 6298 5.7: time, where that is all
	 * that is known. */
	c->cwnd = c->backoff ? c->mss : tcp_initial_window(c->mss);
	if (c->backoff && c->srtt_us == 0)
		c->rto_ms = RTO_SYN_LOST_MS;
	c->backoff = 0;
	c->recover = c->snd_una;
	tcp_timer_stop(c, TIMER_RTX);
	if (c->flags & CONN_PASSIVE) {
		c->flags |= CONN_OWNED;
		tcp_counted(t, opened_passive);
	} else {
		tcp_counted(t, opened_active);
	}
	tcp_long_timer(c);
	tcp_raise(c, TCP_EV_OPEN);
}

void tcp_flow_close(struct tcp *t, struct flow *f)
{
	if (f->state == TCP_TIME_WAIT)
		t->n_time_wait--;
	if (f->adj[1] & TCP_FLOW_PORT) {
		const struct tuple in = flow_tuple(f, DIR_FORWARD);

		lport_give(t->conf.lports, &in, t->now_ms);
	}
	flow_close(t->conf.flows, f);
}

void tcp_flow_due(struct tcp *t, struct flow *f)
{
	x_assert(f->state == TCP_TIME_WAIT);
	tcp_flow_close(t, f);
}

/* What it holds but for data to be read. */
static void conn_release(struct tcp_conn *c)
{
	wheel_disarm(&c->tcp->wheel, (uint32_t)(c - c->tcp->conn));
	c->timers = 0;
	tcp_queue_free_sent(c);
	tcp_queue_free_ooo(c);
	tcp_queue_free(&c->snd);
	c->nxt_buf = NULL;
}

void tcp_drop_entry(struct tcp_conn *c)
{
	if (c->flags & CONN_OWNED)
		return;
	if (c->flags & CONN_ORPHAN)
		c->tcp->n_orphans--;
	tcp_queue_free(&c->rcv);
	conn_free(c);
}

void tcp_end(struct tcp_conn *c, int error)
{
	struct tcp *t = c->tcp;
	const bool opening = !(c->flags & CONN_WAS_OPEN);

	if (opening && !(c->flags & CONN_PASSIVE))
		tcp_counted(t, open_failed);
	else if (opening)
		tcp_counted(t, half_open_dropped);
	conn_release(c);
	if (error)
		tcp_queue_free(&c->rcv);
	tcp_enter(c, TCP_CLOSED);
	if (c->flow)
		tcp_flow_close(t, c->flow);
	c->flow = NULL;
	c->error = error;
	if (error)
		tcp_raise(c, TCP_EV_ERROR);
	tcp_drop_entry(c);
}

void tcp_break(struct tcp_conn *c, int error)
{
	const struct outgoing out = {
		.seq = c->snd_nxt,
		.ack = c->rcv_nxt,
		.flags = TCP_RST | TCP_ACK,
		.o.wscale = TCPOPT_NO_SCALE,
	};

	if (c->state > TCP_SYN_SENT) {
		tcp_emit(c, &out, NULL, 0, 0);
		tcp_counted(c->tcp, resets_out);
	}
	tcp_end(c, error);
}

/* The entry stays, with what answers need; the connection is done with. */
void tcp_time_wait(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;
	struct flow *f = c->flow;
	struct tcp_wait *wait = flow_room(f);

	tcp_enter(c, TCP_TIME_WAIT);
	conn_release(c);
	*wait = (struct tcp_wait){ c->snd_nxt, c->rcv_nxt, c->ts_recent };
	f->conn = TCP_NO_CONN;
	f->adj[0] = (uint16_t)RTE_MIN((c->rcv_adv - c->rcv_nxt) >> c->rcv_wscale, UINT16_MAX);
	if (c->flags & CONN_STAMPS)
		f->adj[1] |= TCP_FLOW_STAMPS;
	f->born = t->now_ms - CHALLENGE_MS;
	f->seen = t->now_ms;
	flow_arm(t->conf.flows, f, t->now_ms + t->conf.time_wait_ms);
	t->n_time_wait++;
	tcp_counted(t, time_wait);
	c->flow = NULL;
	tcp_drop_entry(c);
}

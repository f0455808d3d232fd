/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments of no connection: SYNs to a listener, cookies that come back (RFC 4987 3.6), what is
 * answered with a RST; and those of connections in TIME-WAIT, of which only the flow entry is left.
 *
 * A client's SYN gets an entry as long as there are few that have not proved their address;
 * beyond that, or where the listener says so, its SYN-ACK bears a cookie and nothing is kept.
 */
#include "tcp_priv.h"

#include <netinet/in.h>

/* ---- opening -------------------------------------------------------------------------------- */

static void refuse(struct tcp *t, struct arrival *a, enum drop_reason reason)
{
	if (!(a->flags & TCP_RST))
		tcp_reset_reply(t, a);
	pkt_drop(a->p, reason);
}

static struct syncookie_tuple cookie_tuple(const struct arrival *a, uint32_t isn)
{
	return (struct syncookie_tuple){
		.addrs = pkt_addrs(a->p),
		.ports = a->p->l4,
		.v6 = a->p->family == 6,
		.isn = isn,
	};
}

/* Our scale where both have one. */
static uint8_t answer_scale(const struct tcp_listener *l, const struct tcp_options *o)
{
	uint8_t scale = 0;

	if (!l->how.window_scale || o->wscale == TCPOPT_NO_SCALE)
		return TCPOPT_NO_SCALE;
	while (scale < TCPOPT_SCALE_MAX && l->how.rcvbuf >> scale > UINT16_MAX)
		scale++;
	return scale;
}

static void send_cookie(struct tcp *t, struct arrival *a, const struct tcp_listener *l)
{
	const struct tuple in = pkt_tuple(a->p), to = tuple_reverse(&in);
	const struct syncookie_tuple of = cookie_tuple(a, a->seq);
	struct outgoing out = { .ack = a->seq + 1, .flags = TCP_SYN | TCP_ACK, .o = a->o };

	out.o.has_timestamp &= l->how.timestamps;
	out.o.sack_ok &= l->how.sack;
	if (!l->how.window_scale)
		out.o.wscale = TCPOPT_NO_SCALE;
	out.seq = syncookie_make(&t->cookie, &of, &out.o, t->now_ms);
	out.o.tsecr = a->o.tsval;
	out.o.has_mss = true;
	out.o.mss = tcp_mss_of(t, &l->how, &in.src);
	out.o.wscale = answer_scale(l, &out.o);
	out.wnd = (uint16_t)RTE_MIN(l->how.rcvbuf, (uint32_t)UINT16_MAX);
	if (!tcp_emit_alone(t, &to, &out))
		return;
	t->cookies = true;
	t->cookie_ms = t->now_ms;
	tcp_counted(t, cookies_sent);
}

static bool wants_cookie(const struct tcp *t, const struct tcp_listener *l)
{
	if (l->cookies != TCP_COOKIES_AUTO)
		return l->cookies == TCP_COOKIES_ALWAYS;
	return t->n_half_open >= t->conf.max_half_open || !t->free_conn;
}

static void syn_came(struct tcp *t, struct arrival *a, const struct tcp_listener *l)
{
	const struct tuple in = pkt_tuple(a->p);
	enum drop_reason reason = DROP_tcp_full;
	struct tcp_conn *c = NULL;

	if (wants_cookie(t, l)) {
		send_cookie(t, a, l);
		return;
	}
	if (t->n_half_open < t->conf.max_half_open)
		c = tcp_conn_new(t, &in, &l->how, l->ops, l->ctx, &reason);
	if (!c) {
		pkt_drop(a->p, reason);
		return;
	}
	c->tag = l->tag;
	c->flags |= CONN_PASSIVE | CONN_HALF_OPEN;
	t->n_half_open++;
	c->irs = a->seq;
	c->rcv_nxt = c->last_ack = a->seq + 1;
	if ((a->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR) && l->how.ecn)
		c->flags |= CONN_ECN;
	tcp_agree(c, &a->o);
	tcp_enter(c, TCP_SYN_RECEIVED);
	tcp_send_syn(c);
}

/* An acknowledgement of a cookie makes a connection, which then takes the segment. */
static void cookie_came(struct tcp *t, struct arrival *a, const struct tcp_listener *l)
{
	const struct tuple in = pkt_tuple(a->p);
	const struct syncookie_tuple of = cookie_tuple(a, a->seq - 1);
	struct tcp_options o = a->o;
	enum drop_reason reason;
	struct tcp_conn *c;

	if (!t->cookies || t->now_ms - t->cookie_ms > SYNCOOKIE_LIFE_MS) {
		refuse(t, a, DROP_tcp_no_conn);
		return;
	}
	if (!syncookie_check(&t->cookie, &of, a->ack - 1, &o)) {
		tcp_counted(t, cookies_bad);
		refuse(t, a, DROP_cookie_wrong);
		return;
	}
	c = tcp_conn_new(t, &in, &l->how, l->ops, l->ctx, &reason);
	if (!c) {
		refuse(t, a, reason);
		return;
	}
	tcp_counted(t, cookies_good);
	c->tag = l->tag;
	c->flags |= CONN_PASSIVE;
	c->irs = a->seq - 1;
	c->rcv_nxt = c->last_ack = a->seq;
	c->rcv_adv = a->seq + RTE_MIN(l->how.rcvbuf, (uint32_t)UINT16_MAX);
	c->iss = a->ack - 1;
	c->snd_una = c->snd_nxt = c->fack = c->ecn_end = a->ack;
	tcp_agree(c, &o);
	c->snd_wl1 = a->seq - 1;
	tcp_established(c);
	tcp_conn_input(c, a);
}

void tcp_listen_input(struct tcp *t, struct arrival *a, const struct tcp_listener *l)
{
	if (l && !(a->flags & (TCP_SYN | TCP_ACK))) /* RFC 9293 3.10.7.2, fourth */
		pkt_drop(a->p, DROP_tcp_no_conn);
	else if (!l || (a->flags & TCP_RST))
		refuse(t, a, DROP_tcp_no_conn);
	else if ((a->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		syn_came(t, a, l);
	else if (a->flags & TCP_SYN || l->cookies == TCP_COOKIES_NEVER)
		refuse(t, a, DROP_tcp_no_conn);
	else
		cookie_came(t, a, l);
}

/* ---- TIME-WAIT ------------------------------------------------------------------------------ */

static void wait_answer(struct tcp *t, const struct arrival *a, struct flow *f)
{
	const struct tcp_wait *wait = flow_room(f);
	const struct tuple in = pkt_tuple(a->p), to = tuple_reverse(&in);
	const struct outgoing out = {
		.seq = wait->snd_nxt,
		.ack = wait->rcv_nxt,
		.wnd = f->adj[0],
		.flags = TCP_ACK,
		.o = {
			.wscale = TCPOPT_NO_SCALE,
			.has_timestamp = f->adj[1] & TCP_FLOW_STAMPS,
			.tsval = tcp_stamp(t),
			.tsecr = wait->ts_recent,
		},
	};

	/* What has a length asks once for each time it is sent, and others might for ever. */
	if (arrival_length(a) == 0 && t->now_ms - f->born < CHALLENGE_MS) {
		tcp_counted(t, challenges_held);
		return;
	}
	f->born = t->now_ms;
	tcp_emit_alone(t, &to, &out);
	tcp_counted(t, challenges);
}

/* RFC 6191 2: a SYN that cannot be of the old connection. */
static bool is_newer(const struct arrival *a, const struct flow *f, const struct tcp_wait *wait)
{
	if ((f->adj[1] & TCP_FLOW_STAMPS) && a->o.has_timestamp && a->o.tsval != wait->ts_recent)
		return seq_lt(wait->ts_recent, a->o.tsval);
	return seq_lt(wait->rcv_nxt, a->seq);
}

bool tcp_wait_input(struct tcp *t, struct arrival *a, struct flow *f)
{
	struct tcp_wait *wait = flow_room(f);

	if (a->flags & TCP_RST) { /* RFC 1337 */
		pkt_drop(a->p, DROP_tcp_outside);
		return true;
	}
	if ((a->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && is_newer(a, f, wait)) {
		tcp_counted(t, time_wait_reused);
		t->reused = a->p->mbuf;
		t->reused_nxt = wait->snd_nxt;
		tcp_flow_close(t, f);
		return false;
	}
	if (a->seq == wait->rcv_nxt && arrival_length(a) == 0)
		return true;
	if (!(a->flags & (TCP_SYN | TCP_ACK))) {
		pkt_drop(a->p, DROP_tcp_ack_wrong);
		return true;
	}
	if ((a->flags & TCP_FIN) && seq_le(a->seq, wait->rcv_nxt)) {
		f->seen = t->now_ms;
		flow_arm(t->conf.flows, f, t->now_ms + t->conf.time_wait_ms);
	}
	wait_answer(t, a, f);
	pkt_drop(a->p, DROP_tcp_outside);
	return true;
}

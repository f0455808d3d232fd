/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A segment of a connection, checked and worked on in the order of RFC 9293 3.10.7.3 and 3.10.7.4,
 * with RFC 7323 (timestamps) and RFC 5961 (what a stranger may guess) in their places. Nothing is
 * sent from here but resets and challenges: tcp_flush() does it.
 */
#include "tcp_priv.h"

/* ---- what both say when they open ----------------------------------------------------------- */

void tcp_agree(struct tcp_conn *c, const struct tcp_options *o)
{
	if (o->sack_ok && c->how.sack)
		c->flags |= CONN_SACK;
	if (o->has_timestamp && c->how.timestamps) {
		c->flags |= CONN_STAMPS;
		c->ts_recent = o->tsval;
		c->ts_recent_ms = c->tcp->now_ms;
	}
	if (o->wscale != TCPOPT_NO_SCALE && c->rcv_wscale != TCPOPT_NO_SCALE) {
		c->flags |= CONN_SCALE;
		c->snd_wscale = o->wscale;
	} else {
		c->snd_wscale = c->rcv_wscale = 0;
	}
	if (o->has_mss)
		c->peer_mss = RTE_MAX(o->mss, MSS_MIN);
	tcp_set_mss(c);
}

/* ---- what is not acceptable ----------------------------------------------------------------- */

void tcp_challenge(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	if (c->challenged && t->now_ms - c->challenge_ms < CHALLENGE_MS) {
		tcp_counted(t, challenges_held);
		return;
	}
	c->challenged = true;
	c->challenge_ms = t->now_ms;
	tcp_counted(t, challenges);
	tcp_send_ack(c);
}

/* RFC 7323 5.5: after 24 days the other's clock may have gone around. */
static bool is_outdated(const struct tcp_conn *c)
{
	return c->tcp->now_ms - c->ts_recent_ms > STAMP_LIFE_MS;
}

/* RFC 7323 5.3. True: the segment is old, or has no timestamp. */
static bool is_stale(struct tcp_conn *c, struct arrival *a)
{
	if (!(c->flags & CONN_STAMPS) || (a->flags & TCP_RST))
		return false;
	if (!a->o.has_timestamp) {
		pkt_drop(a->p, DROP_tcp_paws);
		return true;
	}
	if (!seq_lt(a->o.tsval, c->ts_recent) || is_outdated(c))
		return false;
	if (arrival_length(a) > 0) {
		c->flags |= CONN_ACK_NOW;
		tcp_pend(c);
	} else {
		tcp_challenge(c);
	}
	pkt_drop(a->p, DROP_tcp_paws);
	return true;
}

/* RFC 9293 3.10.7.4, first: whether some of it is in the window. */
static bool is_inside(const struct tcp_conn *c, const struct arrival *a)
{
	const uint32_t window = c->rcv_adv - c->rcv_nxt, len = arrival_length(a);
	const uint32_t first = a->seq - c->rcv_nxt, last = first + len - 1;

	if (len == 0)
		return window ? first < window : first == 0;
	return window && (first < window || last < window);
}

/* Of what is not: an answer, unless it is a reset. What came before is reported as a duplicate. */
static void turn_away(struct tcp_conn *c, struct arrival *a)
{
	struct tcp *t = c->tcp;
	const uint32_t end = a->seq + a->len;

	pkt_drop(a->p, DROP_tcp_outside);
	if (a->flags & TCP_RST)
		return;
	if (c->state == TCP_SYN_RECEIVED && (a->flags & TCP_SYN) && a->seq == c->irs) {
		tcp_resend(c, c->sent);
		return;
	}
	/* Anybody can send a SYN (RFC 5961 4.2). */
	if (arrival_length(a) == 0 || (a->flags & TCP_SYN) || !seq_lt(a->seq, c->rcv_nxt)) {
		tcp_challenge(c);
		return;
	}
	tcp_counted(t, duplicates);
	if (a->len > 0) {
		c->dsack[0] = a->seq;
		c->dsack[1] = seq_lt(c->rcv_nxt, end) ? c->rcv_nxt : end;
	}
	c->flags |= CONN_ACK_NOW;
	tcp_pend(c);
}

/* RFC 9293 3.10.7.4, second, as RFC 5961 3.2 has it. */
static void reset_came(struct tcp_conn *c, struct arrival *a)
{
	if (a->seq != c->rcv_nxt) {
		tcp_challenge(c);
		pkt_drop(a->p, DROP_tcp_outside);
		return;
	}
	tcp_counted(c->tcp, resets_in);
	tcp_end(c, c->state == TCP_SYN_RECEIVED && !(c->flags & CONN_PASSIVE) ? -ECONNREFUSED
									      : -ECONNRESET);
}

/* Acknowledgements that cannot be (fifth; RFC 5961 5.2). True: there is nothing to do with it. */
static bool is_wrong_ack(struct tcp_conn *c, struct arrival *a)
{
	const uint32_t oldest = c->snd_una - c->max_wnd;

	if (!(a->flags & TCP_ACK)) {
		pkt_drop(a->p, DROP_tcp_ack_wrong);
		return true;
	}
	if (c->state == TCP_SYN_RECEIVED) {
		if (seq_lt(c->snd_una, a->ack) && seq_le(a->ack, c->snd_nxt))
			return false;
		tcp_reset_reply(c->tcp, a);
		pkt_drop(a->p, DROP_tcp_ack_wrong);
		return true;
	}
	if (seq_le(oldest, a->ack) && seq_le(a->ack, c->snd_nxt))
		return false;
	tcp_challenge(c);
	pkt_drop(a->p, DROP_tcp_ack_wrong);
	return true;
}

/* ---- SYN-SENT (3.10.7.3) -------------------------------------------------------------------- */

static void syn_sent_input(struct tcp_conn *c, struct arrival *a)
{
	const bool acks = a->flags & TCP_ACK;
	uint8_t timeouts;

	if (acks && !(seq_lt(c->iss, a->ack) && seq_le(a->ack, c->snd_nxt))) {
		if (!(a->flags & TCP_RST))
			tcp_reset_reply(c->tcp, a);
		pkt_drop(a->p, DROP_tcp_ack_wrong);
		return;
	}
	if (a->flags & TCP_RST) {
		if (!acks) {
			pkt_drop(a->p, DROP_tcp_outside);
			return;
		}
		tcp_counted(c->tcp, resets_in);
		tcp_end(c, -ECONNREFUSED);
		return;
	}
	if (!(a->flags & TCP_SYN)) {
		pkt_drop(a->p, DROP_tcp_outside);
		return;
	}
	c->irs = a->seq;
	c->rcv_nxt = c->last_ack = a->seq + 1;
	c->rcv_adv = c->rcv_nxt + RTE_MIN(c->how.rcvbuf, (uint32_t)UINT16_MAX);
	tcp_agree(c, &a->o);
	if (!acks) { /* simultaneous open */
		tcp_enter(c, TCP_SYN_RECEIVED);
		tcp_resend(c, c->sent);
		return;
	}
	if ((a->flags & (TCP_ECE | TCP_CWR)) == TCP_ECE && c->how.ecn)
		c->flags |= CONN_ECN;
	timeouts = c->backoff;
	tcp_ack(c, a);
	c->backoff = timeouts; /* for tcp_established() */
	c->snd_wl1 = a->seq;   /* the window of a SYN is not scaled */
	c->snd_wl2 = a->ack;
	c->snd_wnd = c->max_wnd = a->wnd;
	tcp_established(c);
	c->flags |= CONN_ACK_NOW;
}

/* ---- data and FIN (seventh, eighth) --------------------------------------------------------- */

/* What is acknowledged at once, and what with the next segment or a little later (RFC 5681 4.2).
 * plain: it was next, and filled no gap. */
static void schedule_ack(struct tcp_conn *c, bool plain)
{
	if (c->quick) {
		c->quick--;
		c->flags |= CONN_ACK_NOW;
	}
	if (!plain || c->ooo || c->rcv_nxt - c->last_ack >= 2u * c->mss)
		c->flags |= CONN_ACK_NOW;
	else if (!tcp_timer_runs(c, TIMER_ACK))
		tcp_timer_set(c, TIMER_ACK, ACK_DELAY_MS);
	tcp_pend(c);
}

/* False: the connection is over. */
static bool data_came(struct tcp_conn *c, struct arrival *a)
{
	const bool gap = c->ooo != NULL;
	struct tcp *t = c->tcp;
	bool moved;

	/* Nothing comes after its FIN. */
	if (c->state != TCP_ESTABLISHED && c->state != TCP_FIN_WAIT_1 && c->state != TCP_FIN_WAIT_2)
		return true;
	if (seq_le(a->seq + a->len, c->rcv_nxt)) { /* it has come before, but for a FIN */
		tcp_counted(t, duplicates);
		c->dsack[0] = a->seq;
		c->dsack[1] = a->seq + a->len;
		schedule_ack(c, false);
		return true;
	}
	if (!(c->flags & CONN_OWNED)) { /* RFC 1122 4.2.2.13 */
		pkt_drop(a->p, DROP_tcp_closed);
		tcp_break(c, 0);
		return false;
	}
	moved = tcp_queue_segment(c, a);
	schedule_ack(c, moved && !gap);
	if (moved)
		tcp_raise(c, TCP_EV_READ);
	return true;
}

/* The peer's FIN is next. False: the connection is over. */
static bool fin_came(struct tcp_conn *c)
{
	c->rcv_nxt++;
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt); /* it may stand right behind the window */
	c->flags |= CONN_FIN_GOT | CONN_ACK_NOW;
	c->ooo_fin = false;
	tcp_raise(c, TCP_EV_READ);
	switch (c->state) {
	case TCP_ESTABLISHED:
		tcp_enter(c, TCP_CLOSE_WAIT);
		return true;
	case TCP_FIN_WAIT_1:
		tcp_enter(c, TCP_CLOSING);
		return true;
	default:
		x_assert(c->state == TCP_FIN_WAIT_2);
		tcp_send_ack(c);
		tcp_time_wait(c);
		return false;
	}
}

/* A FIN stands behind its segment's data; if some before it is missing, it waits. */
static void note_fin(struct tcp_conn *c, const struct arrival *a)
{
	const uint32_t at = a->seq + a->len;

	if (!(c->flags & CONN_FIN_GOT) && seq_le(c->rcv_nxt, at) && seq_lt(at, c->rcv_adv + 1)) {
		c->ooo_fin = true;
		c->fin_seq = at;
	}
	/* One that came before, or comes too early, is answered at once. */
	c->flags |= CONN_ACK_NOW;
	tcp_pend(c);
}

/* ---- acknowledgements of ours --------------------------------------------------------------- */

/* Our FIN has been acknowledged, perhaps. False: the connection is over. */
static bool fin_acked(struct tcp_conn *c)
{
	if (!(c->flags & CONN_FIN_SENT) || c->snd_una != c->snd_nxt)
		return true;
	switch (c->state) {
	case TCP_FIN_WAIT_1:
		tcp_enter(c, TCP_FIN_WAIT_2);
		tcp_long_timer(c);
		return true;
	case TCP_CLOSING:
		if (c->flags & CONN_ACK_NOW)
			tcp_send_ack(c);
		tcp_time_wait(c);
		return false;
	case TCP_LAST_ACK:
		tcp_end(c, 0);
		return false;
	default:
		return true;
	}
}

/* RFC 7323 4.3. */
static inline void keep_stamp(struct tcp_conn *c, const struct arrival *a)
{
	if (a->o.has_timestamp && (c->flags & CONN_STAMPS) && seq_le(a->seq, c->last_ack) &&
		(!seq_lt(a->o.tsval, c->ts_recent) || is_outdated(c))) {
		c->ts_recent = a->o.tsval;
		c->ts_recent_ms = c->tcp->now_ms;
	}
}

/* Marks of congestion: those of the packet, told to the peer until it says that it has heard. */
static inline void keep_marks(struct tcp_conn *c, const struct arrival *a)
{
	if (!(c->flags & CONN_ECN))
		return;
	if (a->flags & TCP_CWR)
		c->flags &= ~CONN_ECE;
	if (a->marked) {
		tcp_counted(c->tcp, ecn_marks);
		c->flags |= CONN_ECE | CONN_ACK_NOW;
		tcp_pend(c);
	}
}

/* SYN-RECEIVED, and the acknowledgement is right. */
static void handshake_done(struct tcp_conn *c, const struct arrival *a)
{
	c->snd_wl1 = a->seq - 1;
	tcp_established(c);
}

/* From the fifth step on. */
static void take_segment(struct tcp_conn *c, struct arrival *a)
{
	const bool apart = a->len > 0 && (c->ooo || a->seq != c->rcv_nxt);

	if (is_wrong_ack(c, a))
		return;
	if (c->state == TCP_SYN_RECEIVED)
		handshake_done(c, a);
	keep_stamp(c, a);
	keep_marks(c, a);
	tcp_ack(c, a);
	if (!fin_acked(c))
		return;
	if (a->flags & TCP_FIN)
		note_fin(c, a);
	if (a->len > 0 && !data_came(c, a))
		return;
	if (c->ooo_fin && c->fin_seq == c->rcv_nxt && !(c->flags & CONN_FIN_GOT) && !fin_came(c))
		return;
	/* What is out of order is told at once, not with the rest of the burst: without SACK each
	 * one counts (RFC 5681 4.2), and the only one of a flight might be lost. */
	if (apart && (c->flags & CONN_ACK_NOW))
		tcp_send_ack(c);
}

void tcp_conn_input(struct tcp_conn *c, struct arrival *a)
{
	if (c->state == TCP_SYN_SENT) {
		syn_sent_input(c, a);
		return;
	}
	if (is_stale(c, a))
		return;
	/* Both opened at once: the SYN has come before, what it acknowledges is news. */
	if (c->state == TCP_SYN_RECEIVED && a->seq == c->irs &&
		(a->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK)) {
		a->flags &= (uint8_t)~TCP_SYN;
		a->seq++;
		a->wnd >>= c->snd_wscale; /* for it is not scaled */
		c->flags |= CONN_ACK_NOW;
	}
	if (!is_inside(c, a)) {
		/* Acknowledgements at a closed window are good (3.10.7.4, first). */
		if (c->rcv_adv == c->rcv_nxt && a->seq == c->rcv_nxt &&
			!(a->flags & (TCP_SYN | TCP_RST)) && !is_wrong_ack(c, a)) {
			tcp_ack(c, a);
			if (!fin_acked(c))
				return;
			c->flags |= CONN_ACK_NOW;
			tcp_pend(c);
			pkt_drop(a->p, DROP_tcp_no_room);
			return;
		}
		turn_away(c, a);
		return;
	}
	if (a->flags & TCP_RST) {
		reset_came(c, a);
		return;
	}
	if (a->flags & TCP_SYN) { /* fourth; RFC 5961 4.2 */
		tcp_challenge(c);
		pkt_drop(a->p, DROP_tcp_outside);
		return;
	}
	take_segment(c, a);
}

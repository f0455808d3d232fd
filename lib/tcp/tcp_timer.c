/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens when nothing comes. Each connection has one node in the wheel, armed for no later
 * than the first of its timers; when it fires they are looked at, and it is armed for the next.
 *
 *   TIMER_RTX   one of, by conn.rtx:
 *     RTX_TIMEOUT   retransmission time-out (RFC 6298 5), SYNs included
 *     RTX_PROBE     tail loss probe (RFC 8985 7)
 *     RTX_REORDER   segments that are lost unless their acknowledgements come (RFC 8985 6.2)
 *     RTX_PERSIST   the peer's window is closed, or too small to be worth it (RFC 9293 3.8.6.1);
 *                   or there was no buffer
 *   TIMER_ACK   a delayed acknowledgement is due (RFC 5681 4.2)
 *   TIMER_LONG  one of, by who has the connection:
 *     the application   keep-alive (RFC 9293 3.8.4)
 *     nobody            the peer has had its time to take the rest, or to close
 */
#include "tcp_priv.h"

/* Time-outs of large segments in a row after which the path is thought to swallow them (RFC 2923
 * 2.1, RFC 4821 7.7). */
#define BLACK_HOLE_TIMEOUTS 3

static void arm(struct tcp_conn *c, uint32_t at_ms)
{
	if (wheel_is_armed(&c->timer) && (int32_t)(c->armed_ms - at_ms) <= 0)
		return;
	c->armed_ms = at_ms;
	wheel_arm(&c->tcp->wheel, (uint32_t)(c - c->tcp->conn), at_ms);
}

void tcp_timer_set(struct tcp_conn *c, enum tcp_timer which, uint32_t after_ms)
{
	c->deadline[which] = c->tcp->now_ms + after_ms;
	c->timers |= (uint8_t)(1u << which);
	arm(c, c->deadline[which]);
}

static uint32_t backed_off(const struct tcp_conn *c)
{
	const uint64_t ms = (uint64_t)c->rto_ms << RTE_MIN(c->backoff, 16);

	return (uint32_t)RTE_MIN(ms, (uint64_t)RTO_MAX_MS);
}

/* ---- what to wait for ----------------------------------------------------------------------- */

static bool may_probe(const struct tcp_conn *c)
{
	return (c->flags & CONN_SACK) && !(c->flags & CONN_PROBED) && c->srtt_us &&
	       c->recovery == RECOVERY_NONE && c->n_sacked == 0 && c->backoff == 0 &&
	       c->state >= TCP_ESTABLISHED;
}

/* RFC 8985 7.2: one segment's acknowledgement may be delayed. */
static uint32_t probe_after(const struct tcp_conn *c)
{
	uint32_t ms = (2 * c->srtt_us + 999) / 1000;

	if (c->snd_nxt - c->snd_una <= c->mss)
		ms += RTO_MIN_MS;
	return RTE_MAX(ms, (uint32_t)PROBE_MIN_MS);
}

void tcp_rearm(struct tcp_conn *c)
{
	uint32_t after = backed_off(c);

	if (!c->sent) {
		if (c->rtx != RTX_PERSIST)
			tcp_timer_stop(c, TIMER_RTX);
		return;
	}
	if (c->rtx == RTX_REORDER && tcp_timer_runs(c, TIMER_RTX))
		return;
	c->rtx = RTX_TIMEOUT;
	if (may_probe(c) && probe_after(c) < after) {
		c->rtx = RTX_PROBE;
		after = probe_after(c);
	}
	tcp_timer_set(c, TIMER_RTX, after);
}

/* More has been sent, and what would have been too late for a probe of one segment is not now. */
static void sooner_probe(struct tcp_conn *c)
{
	if (c->rtx == RTX_TIMEOUT && may_probe(c) &&
		(int32_t)(c->deadline[TIMER_RTX] - c->tcp->now_ms) > (int32_t)probe_after(c)) {
		c->rtx = RTX_PROBE;
		tcp_timer_set(c, TIMER_RTX, probe_after(c));
	}
}

void tcp_sent(struct tcp_conn *c, bool anything)
{
	if (c->sent) {
		if (c->rtx == RTX_PERSIST || !tcp_timer_runs(c, TIMER_RTX) ||
			(anything && c->rtx == RTX_PROBE)) {
			if (c->rtx == RTX_PERSIST)
				c->backoff = 0;
			c->rtx = RTX_TIMEOUT;
			tcp_rearm(c);
		} else if (anything) {
			sooner_probe(c);
		}
		return;
	}
	if (!c->nxt_buf && (c->flags & (CONN_FIN | CONN_FIN_SENT)) != CONN_FIN) {
		tcp_timer_stop(c, TIMER_RTX);
		return;
	}
	/* But where the window has opened a little, that is not to wait as long as one that has
	 * not. */
	if (c->rtx == RTX_PERSIST && tcp_timer_runs(c, TIMER_RTX) &&
		(c->snd_wnd == 0 || c->backoff == 0))
		return;
	/* Something waits, and nothing on its way will bring news. */
	c->rtx = RTX_PERSIST;
	c->backoff = 0;
	tcp_timer_set(c, TIMER_RTX, c->snd_wnd ? RTO_MIN_MS : backed_off(c));
}

void tcp_long_timer(struct tcp_conn *c)
{
	if (!(c->flags & CONN_OWNED))
		tcp_timer_set(c, TIMER_LONG,
			c->state == TCP_FIN_WAIT_2 ? c->how.fin_wait_ms : c->how.linger_ms);
	else if (c->how.keep_idle_ms)
		tcp_timer_set(c, TIMER_LONG, c->how.keep_idle_ms);
}

/* ---- retransmission ------------------------------------------------------------------------- */

/* Less for a path that takes no large segments. */
static void suspect_black_hole(struct tcp_conn *c)
{
	const uint16_t least = c->flags & CONN_V6 ? MSS_DEFAULT_V6 : MSS_DEFAULT_V4;

	if (RTE_MIN(c->sent->len, (uint32_t)c->mss) <= least ||
		++c->mtu_fails < BLACK_HOLE_TIMEOUTS)
		return;
	c->mtu_fails = 0;
	/* First what nearly every tunnel takes, then what every path does. */
	c->path_mss = c->path_mss > MSS_DEFAULT_V6 ? MSS_DEFAULT_V6 : least;
	tcp_set_mss(c);
	tcp_counted(c->tcp, black_holes);
}

/* RFC 8985 6.3: those sent just now may yet arrive; without SACK nothing is known of any. */
static void mark_all_lost(struct tcp_conn *c)
{
	const uint32_t now = (uint32_t)c->tcp->now_us;

	/* The peer took back what it had reported (RFC 2018 8). */
	if (c->sent->flags & SEG_SACKED) {
		for (struct tcp_seg *s = c->sent; s; s = s->next) {
			if (!(s->flags & SEG_SACKED))
				continue;
			s->flags &= (uint8_t)~SEG_SACKED;
			c->pipe += s->len;
		}
		c->sacked = c->n_sacked = 0;
	}
	tcp_mark_lost(c, c->sent);
	for (struct tcp_seg *s = c->sent->next; s; s = s->next)
		if (!(c->flags & CONN_SACK) || !c->rack_rtt_us ||
			now - s->sent_us >= c->rack_rtt_us)
			tcp_mark_lost(c, s);
}

/* False: the connection is over. */
static bool syn_timeout(struct tcp_conn *c)
{
	if (c->backoff >= c->how.syn_retries) {
		tcp_counted(c->tcp, timed_out);
		tcp_end(c, -ETIMEDOUT);
		return false;
	}
	c->backoff++;
	if (c->sent)
		tcp_resend(c, c->sent);
	else
		tcp_send_syn(c);
	tcp_timer_set(c, TIMER_RTX, backed_off(c));
	return true;
}

/* The peer holds its window closed and says so: that is no silence. It has answered the last probe
 * if it was heard since; the one before is half as old again. */
static bool is_held_off(const struct tcp_conn *c)
{
	const uint32_t last = backed_off(c);

	return c->snd_wnd == 0 && c->tcp->now_ms - c->heard_ms <= last + last / 4;
}

static bool timeout(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	if (c->backoff >= c->how.retries && !is_held_off(c)) {
		tcp_counted(t, timed_out);
		tcp_break(c, -ETIMEDOUT);
		return false;
	}
	tcp_counted(t, timeouts);
	suspect_black_hole(c);
	tcp_enter_recovery(c, RECOVERY_LOSS);
	c->cwnd = c->mss;
	c->dupacks = 0;
	mark_all_lost(c);
	if (!tcp_resend(c, c->sent)) /* for want of a buffer: that was no try */
		c->mtu_fails -= !!c->mtu_fails;
	else if (c->backoff < UINT8_MAX)
		c->backoff++;
	tcp_timer_set(c, TIMER_RTX, backed_off(c));
	return true;
}

static void reorder_over(struct tcp_conn *c)
{
	c->rtx = RTX_TIMEOUT;
	if (tcp_rack_detect(c) && c->recovery == RECOVERY_NONE) {
		tcp_counted(c->tcp, recoveries);
		tcp_enter_recovery(c, RECOVERY_FAST);
	}
	if (c->lost && c->recovery == RECOVERY_FAST && c->prr_out == 0)
		c->cwnd = c->pipe + c->mss;
	tcp_pend(c);
	if (c->rtx != RTX_REORDER)
		tcp_rearm(c);
}

static void persist(struct tcp_conn *c)
{
	const uint32_t left = c->snd_una + c->snd_wnd - c->snd_nxt;

	if ((int32_t)left > 0 || !c->nxt_buf) {
		/* Little, but all there is; or a buffer was missing. */
		tcp_send_small(c);
	} else {
		tcp_counted(c->tcp, window_probes);
		tcp_send_probe(c);
		if (c->backoff < UINT8_MAX)
			c->backoff++;
	}
	if (c->sent) {
		c->rtx = RTX_TIMEOUT;
		c->backoff = 0;
	}
	tcp_timer_set(c, TIMER_RTX, backed_off(c));
}

static bool rtx_over(struct tcp_conn *c)
{
	switch (c->rtx) {
	case RTX_PROBE:
		tcp_counted(c->tcp, probes);
		tcp_send_tail(c);
		c->rtx = RTX_TIMEOUT;
		tcp_timer_set(c, TIMER_RTX, backed_off(c));
		return true;
	case RTX_REORDER:
		reorder_over(c);
		return true;
	case RTX_PERSIST:
		if (c->backoff >= c->how.retries && !is_held_off(c)) {
			tcp_counted(c->tcp, timed_out);
			tcp_break(c, -ETIMEDOUT);
			return false;
		}
		persist(c);
		return true;
	default:
		if (c->state < TCP_ESTABLISHED)
			return syn_timeout(c);
		return !c->sent || timeout(c);
	}
}

/* ---- long ----------------------------------------------------------------------------------- */

static bool long_over(struct tcp_conn *c)
{
	const uint32_t idle = c->tcp->now_ms - c->heard_ms;

	if (!(c->flags & CONN_OWNED)) {
		tcp_counted(c->tcp, orphans_killed);
		tcp_break(c, 0);
		return false;
	}
	if (!c->how.keep_idle_ms)
		return true;
	if (c->keep_sent == 0 && idle < c->how.keep_idle_ms) {
		tcp_timer_set(c, TIMER_LONG, c->how.keep_idle_ms - idle);
		return true;
	}
	if (c->keep_sent >= c->how.keep_count) {
		tcp_counted(c->tcp, timed_out);
		tcp_break(c, -ETIMEDOUT);
		return false;
	}
	c->keep_sent++;
	tcp_counted(c->tcp, keepalives);
	tcp_send_probe(c);
	tcp_timer_set(c, TIMER_LONG, c->how.keep_interval_ms);
	return true;
}

/* ---- the wheel ------------------------------------------------------------------------------ */

static bool take_due(struct tcp_conn *c, enum tcp_timer which)
{
	if (!tcp_timer_runs(c, which) || (int32_t)(c->deadline[which] - c->tcp->now_ms) > 0)
		return false;
	tcp_timer_stop(c, which);
	return true;
}

void tcp_timer_fire(struct tcp_conn *c)
{
	if (take_due(c, TIMER_ACK)) {
		c->flags |= CONN_ACK_NOW;
		tcp_pend(c);
	}
	if (take_due(c, TIMER_RTX) && !rtx_over(c))
		return;
	if (take_due(c, TIMER_LONG) && !long_over(c))
		return;
	for (unsigned int i = 0; i < TIMERS; i++)
		if (tcp_timer_runs(c, (enum tcp_timer)i))
			arm(c, c->deadline[i]);
}

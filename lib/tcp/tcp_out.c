/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a connection sends now: what is lost, then what is new, as far as the peer's window and the
 * congestion window go; else an acknowledgement, if one is due. Called once for all that a burst
 * brought, by tcp_flush().
 */
#include "tcp_priv.h"

/* ---- what every segment says ---------------------------------------------------------------- */

/* The right edge that could be announced now. It never goes back. */
static uint32_t right_edge(const struct tcp_conn *c)
{
	const uint32_t held = c->rcv.bytes;
	const uint32_t room = c->how.rcvbuf > held && !(c->tcp->pressure & PRESSURE_OWN)
				      ? c->how.rcvbuf - held
				      : 0;
	const uint32_t most = (uint32_t)UINT16_MAX << c->rcv_wscale;

	return seq_max(c->rcv_adv, c->rcv_nxt + RTE_MIN(room, most));
}

/* A step that is worth telling (RFC 1122 4.2.3.3). */
static bool is_worth(const struct tcp_conn *c, uint32_t edge, uint32_t segments)
{
	return edge - c->rcv_adv >= RTE_MIN(c->how.rcvbuf / 2, segments * c->mss);
}

bool tcp_window_grew(const struct tcp_conn *c)
{
	return is_worth(c, right_edge(c), 2);
}

/*
 * The window field: rounded up, so that what has been announced is not taken back. But that may add
 * up, with segments of odd lengths and nobody who reads; beyond one step more than the buffer it is
 * rounded down (RFC 7323 2.4). What has been announced is taken in all the same.
 */
static uint16_t announce(struct tcp_conn *c)
{
	const uint32_t edge = right_edge(c), step = 1u << c->rcv_wscale;
	const uint32_t most = c->rcv_nxt - c->rcv.bytes + c->how.rcvbuf + step;
	uint32_t wnd;

	if (is_worth(c, edge, 1))
		c->rcv_adv = edge;
	wnd = (c->rcv_adv - c->rcv_nxt + step - 1) >> c->rcv_wscale;
	if (seq_lt(most, c->rcv_nxt + (wnd << c->rcv_wscale)))
		wnd = (c->rcv_adv - c->rcv_nxt) >> c->rcv_wscale;
	wnd = RTE_MIN(wnd, (uint32_t)UINT16_MAX);
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt + (wnd << c->rcv_wscale));
	return (uint16_t)wnd;
}

static unsigned int max_sacks(const struct tcp_conn *c)
{
	return c->flags & CONN_STAMPS ? 3 : 4;
}

static unsigned int count_sacks(const struct tcp_conn *c)
{
	const unsigned int n = (c->dsack[0] != c->dsack[1]) + (unsigned int)c->n_ooo;

	return c->flags & CONN_SACK ? RTE_MIN(n, max_sacks(c)) : 0;
}

/* The run that a byte is of, or NULL. */
static const struct tcp_seg *run_of(const struct tcp_conn *c, uint32_t seq)
{
	for (const struct tcp_seg *s = c->ooo; s; s = s->next)
		if (seq - s->seq < s->len)
			return s;
	return NULL;
}

static bool is_listed(const struct outgoing *out, unsigned int from, uint32_t start)
{
	for (unsigned int i = from; i < out->n_sacks; i++)
		if (out->sack[2 * i] == start)
			return true;
	return false;
}

static void list_run(struct outgoing *out, const struct tcp_seg *s)
{
	out->sack[2 * out->n_sacks] = s->seq;
	out->sack[2 * out->n_sacks + 1] = s->seq + s->len;
	out->n_sacks++;
}

/* RFC 2018 4, RFC 2883 4: what came twice, then the run that grew last, then those before it, and
 * others as far as there is room. */
static void write_runs(struct tcp_conn *c, struct outgoing *out)
{
	const unsigned int max = max_sacks(c);
	const bool duplicate = c->dsack[0] != c->dsack[1];

	out->n_sacks = 0;
	if (!(c->flags & CONN_SACK) || (!duplicate && !c->ooo))
		return;
	if (duplicate) {
		out->sack[0] = c->dsack[0];
		out->sack[1] = c->dsack[1];
		out->n_sacks = 1;
		c->dsack[0] = c->dsack[1];
		tcp_counted(c->tcp, dsacks_out);
	}
	for (unsigned int i = 0; i < c->n_recent && out->n_sacks < max; i++) {
		const struct tcp_seg *s = run_of(c, c->recent[i]);

		if (!s || is_listed(out, duplicate, s->seq))
			continue;
		list_run(out, s);
	}
	for (const struct tcp_seg *s = c->ooo; s && out->n_sacks < max; s = s->next)
		if (!is_listed(out, duplicate, s->seq))
			list_run(out, s);
	if (!c->ooo)
		c->n_recent = 0;
}

static void prepare(struct tcp_conn *c, struct outgoing *out, uint32_t seq, uint8_t flags)
{
	out->seq = seq;
	out->ack = c->rcv_nxt;
	out->flags = flags | TCP_ACK;
	if (c->flags & CONN_ECE)
		out->flags |= TCP_ECE;
	out->capable = false;
	out->size = (uint16_t)tcp_room(c);
	out->wnd = announce(c);
	out->o.has_timestamp = c->flags & CONN_STAMPS;
	out->o.tsval = tcp_stamp(c->tcp);
	out->o.tsecr = c->ts_recent;
	write_runs(c, out);
}

/* The peer has been told all there is to tell. */
static void acknowledged(struct tcp_conn *c)
{
	c->last_ack = c->rcv_nxt;
	c->flags &= ~(CONN_ACK_NOW | CONN_RENEW);
	tcp_timer_stop(c, TIMER_ACK);
}

uint32_t tcp_room(const struct tcp_conn *c)
{
	const uint32_t sacks = count_sacks(c), options = sacks ? 4 + 8 * sacks : 0;

	return c->mss > options ? c->mss - options : 1;
}

/* ---- without data --------------------------------------------------------------------------- */

void tcp_send_ack(struct tcp_conn *c)
{
	struct outgoing out;

	prepare(c, &out, c->snd_nxt, 0);
	if (tcp_emit(c, &out, NULL, 0, 0))
		acknowledged(c);
	else
		tcp_timer_set(c, TIMER_ACK, RETRY_MS);
}

void tcp_send_probe(struct tcp_conn *c)
{
	struct outgoing out;

	prepare(c, &out, c->snd_una - 1, 0);
	if (tcp_emit(c, &out, NULL, 0, 0))
		acknowledged(c);
}

static bool emit_syn(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;
	const bool answers = c->state == TCP_SYN_RECEIVED;
	struct outgoing out = {
		.seq = c->iss,
		.ack = answers ? c->rcv_nxt : 0,
		.flags = TCP_SYN | (answers ? TCP_ACK : 0),
		.wnd = (uint16_t)RTE_MIN(c->how.rcvbuf, (uint32_t)UINT16_MAX),
		.o = {
			.has_mss = true,
			.mss = c->path_mss,
			.sack_ok = answers ? !!(c->flags & CONN_SACK) : c->how.sack,
			.has_timestamp = answers ? !!(c->flags & CONN_STAMPS) : c->how.timestamps,
			.tsval = tcp_stamp(t),
			.tsecr = answers ? c->ts_recent : 0,
			.wscale = answers && !(c->flags & CONN_SCALE) ? TCPOPT_NO_SCALE
								      : c->rcv_wscale,
		},
	};

	if (!answers && c->how.ecn && !c->backoff) /* RFC 3168 6.1.1.1: without, if it was lost */
		out.flags |= TCP_ECE | TCP_CWR;
	else if (answers && (c->flags & CONN_ECN))
		out.flags |= TCP_ECE;
	if (answers) {
		c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt + out.wnd);
		c->last_ack = c->rcv_nxt;
	}
	return tcp_emit(c, &out, NULL, 0, 0);
}

void tcp_send_syn(struct tcp_conn *c)
{
	struct tcp_seg *s = tcp_seg_take(c->tcp, 0);

	if (c->state == TCP_SYN_RECEIVED)
		c->rcv_adv = c->rcv_nxt;
	if (s) {
		*s = (struct tcp_seg){ .seq = c->iss, .flags = SEG_SYN };
		s->sent_us = (uint32_t)c->tcp->now_us;
		c->sent = c->sent_tail = s;
		c->n_sent = 1;
		c->snd_nxt = c->iss + 1;
		emit_syn(c);
	}
	c->rtx = RTX_TIMEOUT;
	tcp_timer_set(c, TIMER_RTX, c->rto_ms);
}

/* ---- again ---------------------------------------------------------------------------------- */

bool tcp_seg_split(struct tcp_conn *c, struct tcp_seg *s, uint32_t len)
{
	struct tcp_seg *rest = tcp_seg_take(c->tcp, 0);
	uint32_t off = s->off + len;

	if (!rest)
		return false;
	*rest = *s;
	rest->seq += len;
	rest->len -= len;
	while (off >= rest->buf->data_len && rest->buf->next) {
		off -= rest->buf->data_len;
		rest->buf = rest->buf->next;
	}
	rest->off = (uint16_t)off;
	s->len = len;
	s->flags &= (uint8_t)~SEG_FIN;
	s->next = rest;
	if (c->sent_tail == s)
		c->sent_tail = rest;
	c->n_sent++;
	c->n_sacked += !!(s->flags & SEG_SACKED);
	c->lost += !!(s->flags & SEG_LOST);
	return true;
}

/* What was counted as lost is on its way again. */
static void note_resent(struct tcp_conn *c, struct tcp_seg *s)
{
	struct tcp *t = c->tcp;

	s->sent_us = (uint32_t)t->now_us;
	if (s->flags & SEG_LOST) {
		c->lost--;
		c->pipe += s->len;
	}
	s->flags = (uint8_t)((s->flags & ~SEG_LOST) | SEG_AGAIN);
	c->prr_out += s->len;
	c->retransmitted++;
	if (c->undo_left >= 0) {
		c->undo_left++;
		if (!c->undo_ts)
			c->undo_ts = tcp_stamp(t);
	}
	tcp_counted(t, retransmitted);
}

static bool emit_again(struct tcp_conn *c, struct tcp_seg *s)
{
	const uint32_t room = tcp_room(c);
	struct outgoing out;
	uint32_t len;

	if (s->len > room)
		tcp_seg_split(c, s, room);
	/* Without a descriptor for the rest the first part of it will be acknowledged. */
	len = RTE_MIN(s->len, room);
	prepare(c, &out, s->seq, s->flags & SEG_FIN && len == s->len ? TCP_FIN : 0);
	if (!s->next)
		out.flags |= TCP_PSH;
	if (!tcp_emit(c, &out, s->buf, s->off, len))
		return false;
	acknowledged(c);
	return true;
}

bool tcp_resend(struct tcp_conn *c, struct tcp_seg *s)
{
	if (!s || !(s->flags & SEG_SYN ? emit_syn(c) : emit_again(c, s)))
		return false;
	note_resent(c, s);
	return true;
}

/* Bytes that congestion control lets go now. */
static uint32_t allowed(const struct tcp_conn *c)
{
	const uint32_t flight = conn_in_flight(c);

	return c->cwnd > flight ? c->cwnd - flight : 0;
}

static bool resend_lost(struct tcp_conn *c)
{
	bool any = false;

	for (struct tcp_seg *s = c->sent; s && c->lost; s = s->next) {
		if (!(s->flags & SEG_LOST))
			continue;
		if (c->pipe > 0 && allowed(c) < RTE_MIN(s->len, (uint32_t)c->mss)) {
			c->flags |= CONN_LIMITED;
			break;
		}
		if (s != c->sent && !seq_lt(s->seq, c->snd_una + c->snd_wnd))
			break;
		if (!tcp_resend(c, s))
			break;
		any = true;
	}
	return any;
}

/* ---- new ------------------------------------------------------------------------------------ */

static void advance_next(struct tcp_conn *c, uint32_t len)
{
	uint32_t off = c->nxt_off + len;

	while (c->nxt_buf && off >= c->nxt_buf->data_len) {
		off -= c->nxt_buf->data_len;
		c->nxt_buf = c->nxt_buf->next;
	}
	x_assert(c->nxt_buf || off == 0);
	c->nxt_off = (uint16_t)off;
}

static void fin_sent(struct tcp_conn *c)
{
	c->flags |= CONN_FIN_SENT;
	tcp_enter(c, c->state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT_1);
}

/* Bytes that the peer's window has room for. */
static uint32_t window_left(const struct tcp_conn *c)
{
	const int32_t left = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt);

	return left > 0 ? (uint32_t)left : 0;
}

/*
 * Whether the peer should tell of so many bytes at once (PSH), for nothing follows them for now: it
 * is all there is (RFC 9293 3.9.1.2), or what is left has to wait for an acknowledgement. Many
 * receivers delay it otherwise, and where one for a whole flight is lost, the next one's too.
 */
static bool is_pushed(const struct tcp_conn *c, uint32_t len)
{
	const uint32_t next = RTE_MIN(conn_unsent(c) - len, tcp_room(c));

	return next == 0 || window_left(c) < len + next || allowed(c) < len + next;
}

/* len bytes, and a FIN if it is behind them. False: no buffer, or no descriptor. */
static bool send_next(struct tcp_conn *c, uint32_t len)
{
	struct tcp *t = c->tcp;
	const bool fin = len == conn_unsent(c) && (c->flags & CONN_FIN);
	struct tcp_seg *s = tcp_seg_take(t, c->n_sent);
	struct outgoing out;

	if (!s) {
		tcp_counted(t, no_buffer);
		return false;
	}
	prepare(c, &out, c->snd_nxt,
		(fin ? TCP_FIN : 0) | (len && is_pushed(c, len) ? TCP_PSH : 0));
	if (len && (c->flags & CONN_ECN)) {
		out.capable = true;
		if (c->flags & CONN_CWR)
			out.flags |= TCP_CWR;
	}
	if (!tcp_emit(c, &out, c->nxt_buf, c->nxt_off, len)) {
		tcp_seg_give(t, s);
		return false;
	}
	acknowledged(c);
	if (len)
		c->flags &= ~CONN_CWR;
	*s = (struct tcp_seg){
		.buf = c->nxt_buf,
		.off = c->nxt_off,
		.seq = c->snd_nxt,
		.len = len,
		.sent_us = (uint32_t)t->now_us,
		.flags = fin ? SEG_FIN : 0,
	};
	if (c->sent)
		c->sent_tail->next = s;
	else
		c->sent = s;
	c->sent_tail = s;
	c->n_sent++;
	advance_next(c, len);
	c->pipe += len;
	c->prr_out += len;
	c->snd_nxt += len + fin;
	c->sent_ms = t->now_ms;
	counter_add(&t->count[TCP_COUNT_bytes_out], len);
	if (fin)
		fin_sent(c);
	return true;
}

/* Whether a segment that could be larger should wait (RFC 9293 3.8.6.2.1, 3.7.4). */
static bool should_wait(const struct tcp_conn *c, uint32_t len, uint32_t unsent, uint32_t room)
{
	if (len >= room || len >= c->max_wnd / 2)
		return false;
	if (len == unsent)
		return c->how.nagle && c->sent && !(c->flags & CONN_FIN);
	return true;
}

/* After a pause the network may be another one (RFC 5681 4.1). */
static void restart_idle(struct tcp_conn *c)
{
	if (c->sent || c->tcp->now_ms - c->sent_ms <= c->rto_ms)
		return;
	c->cwnd = RTE_MIN(c->cwnd, tcp_initial_window(c->mss));
}

/* Bytes for one packet, of which a segment carries `room`; 0: none go now. */
static uint32_t packet_size(const struct tcp_conn *c, uint32_t unsent, uint32_t room)
{
	const uint32_t most = c->tcp->conf.segmentation / room * room;
	uint32_t len = RTE_MIN(RTE_MIN(unsent, RTE_MAX(most, room)), window_left(c));
	const uint32_t may = RTE_MAX(allowed(c), c->pipe ? 0 : room);

	if (len > room && len > may)
		len = RTE_MAX(may / room * room, room);
	/* What is left over waits for more of the window, or as it is small (RFC 9293 3.7.4). */
	if (len > room && (len < unsent || (c->how.nagle && !(c->flags & CONN_FIN))))
		len -= len % room;
	return len;
}

static bool fin_is_due(const struct tcp_conn *c)
{
	return (c->flags & (CONN_FIN | CONN_FIN_SENT)) == CONN_FIN;
}

static bool send_new(struct tcp_conn *c)
{
	const uint32_t begin = c->snd_nxt;
	bool blocked = false, sent;

	if (!c->nxt_buf && !fin_is_due(c))
		return false;
	restart_idle(c);
	while (c->nxt_buf || fin_is_due(c)) {
		const uint32_t unsent = conn_unsent(c), room = tcp_room(c);
		const uint32_t len = packet_size(c, unsent, room);

		if ((len == 0 && unsent > 0) || (len && should_wait(c, len, unsent, room)))
			break;
		blocked = len && c->pipe > 0 && allowed(c) < len;
		if (blocked || !send_next(c, len))
			break;
	}
	sent = c->snd_nxt != begin;
	if (blocked || (c->cwnd < c->ssthresh && 2 * c->pipe >= c->cwnd))
		c->flags |= CONN_LIMITED;
	else if (sent || c->nxt_buf)
		c->flags &= ~CONN_LIMITED;
	return sent;
}

void tcp_send_tail(struct tcp_conn *c)
{
	const uint32_t unsent = conn_unsent(c);
	const uint32_t len = RTE_MIN(RTE_MIN(unsent, tcp_room(c)), window_left(c));

	if (len > 0 && send_next(c, len)) {
		c->flags &= ~CONN_PROBE_AGAIN;
	} else if (c->sent_tail) {
		const uint32_t more = c->sent_tail->len ? c->sent_tail->len - 1 : 0;

		if (more >= tcp_room(c))
			tcp_seg_split(c, c->sent_tail, more - more % tcp_room(c));
		tcp_resend(c, c->sent_tail);
		c->flags |= CONN_PROBE_AGAIN;
	}
	c->flags |= CONN_PROBED;
	c->probe_end = c->snd_nxt;
}

void tcp_send_small(struct tcp_conn *c)
{
	const uint32_t len = RTE_MIN(RTE_MIN(conn_unsent(c), tcp_room(c)), window_left(c));

	if (len > 0 || (fin_is_due(c) && !c->nxt_buf))
		send_next(c, len);
}

void tcp_output(struct tcp_conn *c)
{
	bool sent = false;

	if (c->state < TCP_ESTABLISHED)
		return;
	if (c->lost)
		sent = resend_lost(c);
	sent |= send_new(c);
	if (!sent && (c->flags & CONN_RENEW) && !tcp_window_grew(c))
		c->flags &= ~CONN_RENEW;
	if (!sent && (c->flags & (CONN_ACK_NOW | CONN_RENEW)))
		tcp_send_ack(c);
	tcp_sent(c, sent);
}

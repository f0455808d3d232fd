/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an acknowledgement says: how far the peer is, what window it has, which segments arrived out
 * of order (RFC 2018), which came twice (RFC 2883); and what follows: round-trip times, which
 * segments are lost (RACK, RFC 8985; where there is no SACK, three duplicates, RFC 6582), how much
 * may be on its way (RFC 6937 in recovery), and whether a loss was none (RFC 3522, RFC 3708).
 *
 * Every segment of conn.sent is in one of three places: delivered out of order (SEG_SACKED), lost
 * and to be sent again (SEG_LOST), or on its way, which is what `pipe` counts.
 */
#include <string.h>

#include "tcp_priv.h"

#define REO_PERSIST     16 /* RFC 8985 6.2: recoveries that a wider window lasts */
#define MIN_RTT_LIFE_MS (300u * 1000)

/* What one acknowledgement brought. */
struct news {
	uint32_t acked;     /* bytes of data by which snd_una moved */
	uint32_t delivered; /* bytes that arrived, acknowledged or reported */
	uint32_t segments;  /* that left the list */
	uint32_t first_us;  /* when the earliest segment never sent twice was sent; with has_rtt */
	uint32_t last_us;   /* and the latest */
	bool has_rtt;
	bool moved;     /* snd_una did */
	bool duplicate; /* the peer reports something as come twice */
	bool again;     /* a segment sent twice was acknowledged */
	bool new_lost;
	uint8_t backoff; /* time-outs before */
};

uint32_t tcp_initial_window(uint16_t mss)
{
	return RTE_MIN((uint32_t)SEGMENTS_INITIAL * mss, RTE_MAX(2u * mss, 14600u));
}

/* ---- round-trip times (RFC 6298 2) ---------------------------------------------------------- */

void tcp_rtt_sample(struct tcp_conn *c, uint32_t us)
{
	uint32_t off, rto_us;

	if (c->srtt_us == 0) {
		c->srtt_us = RTE_MAX(us, 1u);
		c->rttvar_us = us / 2;
	} else {
		off = us > c->srtt_us ? us - c->srtt_us : c->srtt_us - us;
		c->rttvar_us = c->rttvar_us - c->rttvar_us / 4 + off / 4;
		c->srtt_us = c->srtt_us - c->srtt_us / 8 + us / 8;
		c->srtt_us = RTE_MAX(c->srtt_us, 1u);
	}
	rto_us = c->srtt_us + RTE_MAX(4 * c->rttvar_us, 1000u);
	c->rto_ms =
		RTE_MAX(RTE_MIN((rto_us + 999) / 1000, (uint32_t)RTO_MAX_MS), (uint32_t)RTO_MIN_MS);
}

static void keep_min_rtt(struct tcp_conn *c, uint32_t us)
{
	const uint32_t now = c->tcp->now_ms;

	if (c->min_rtt_us && us > c->min_rtt_us && now - c->min_rtt_ms < MIN_RTT_LIFE_MS)
		return;
	c->min_rtt_us = RTE_MAX(us, 1u);
	c->min_rtt_ms = now;
}

static void take_rtt(struct tcp_conn *c, const struct arrival *a, const struct news *n)
{
	const uint64_t doubled = (uint64_t)c->rto_ms << RTE_MIN(n->backoff, 16);
	const uint32_t now_us = (uint32_t)c->tcp->now_us;

	/* Karn's algorithm: until a round trip is known again (RFC 6298 3, 5.7). */
	c->rto_ms = (uint32_t)RTE_MIN(doubled, (uint64_t)RTO_MAX_MS);

	/* What was acknowledged with something that was sent again has perhaps waited for it. */
	if (n->has_rtt && !n->again) {
		tcp_rtt_sample(c, now_us - n->first_us);
		keep_min_rtt(c, now_us - n->last_us);
	} else if (n->moved && (c->flags & CONN_STAMPS) && a->o.has_timestamp && a->o.tsecr) {
		const uint32_t ms = tcp_stamp(c->tcp) - a->o.tsecr;

		if (ms < RTO_MAX_MS) /* RFC 7323 4.1 */
			tcp_rtt_sample(c, RTE_MAX(ms, 1u) * 1000);
	}
}

/* ---- RACK (RFC 8985) ------------------------------------------------------------------------ */

static bool sent_after(uint32_t us1, uint32_t end1, uint32_t us2, uint32_t end2)
{
	return us1 == us2 ? seq_lt(end2, end1) : seq_lt(us2, us1);
}

/* A segment has arrived (6.2, steps 1 to 3). */
static void rack_delivered(struct tcp_conn *c, const struct arrival *a, const struct tcp_seg *s)
{
	const uint32_t rtt = (uint32_t)c->tcp->now_us - s->sent_us, end = seg_end(s);

	if (seq_lt(c->fack, end))
		c->fack = end;
	else if (!(s->flags & SEG_AGAIN) && end != c->fack)
		c->flags |= CONN_REORDERS;
	if (s->flags & SEG_AGAIN) {
		/* Perhaps it was the first one that arrived. */
		if (c->min_rtt_us && rtt < c->min_rtt_us)
			return;
		if ((c->flags & CONN_STAMPS) && a->o.has_timestamp &&
			(tcp_stamp(c->tcp) - a->o.tsecr) * 1000ull > rtt + 1000ull)
			return;
	}
	if (c->rack_rtt_us && !sent_after(s->sent_us, end, c->rack_us, c->rack_end))
		return;
	c->rack_us = s->sent_us;
	c->rack_end = end;
	c->rack_rtt_us = RTE_MAX(rtt, 1u);
}

/* Step 4. */
static uint32_t reorder_window(const struct tcp_conn *c)
{
	/* RFC 6675 counts bytes as well: of what the device has cut up it is they that tell. */
	if (!(c->flags & CONN_REORDERS) &&
		(c->recovery != RECOVERY_NONE || c->n_sacked >= DUPACKS ||
			c->sacked > (DUPACKS - 1) * (uint32_t)c->mss))
		return 0;
	return RTE_MIN(c->min_rtt_us / 4 * c->reo_mult, c->srtt_us);
}

void tcp_mark_lost(struct tcp_conn *c, struct tcp_seg *s)
{
	if (s->flags & (SEG_LOST | SEG_SACKED))
		return;
	s->flags |= SEG_LOST;
	c->lost++;
	c->pipe -= s->len;
}

/* Step 5. */
bool tcp_rack_detect(struct tcp_conn *c)
{
	const uint32_t now = (uint32_t)c->tcp->now_us, reo = reorder_window(c);
	uint32_t wait = 0;
	bool found = false;

	if (!c->rack_rtt_us)
		return false;
	for (struct tcp_seg *s = c->sent; s; s = s->next) {
		int32_t left;

		if (s->flags & (SEG_SACKED | SEG_LOST))
			continue;
		if (!sent_after(c->rack_us, c->rack_end, s->sent_us, seg_end(s))) {
			if (!(s->flags & SEG_AGAIN))
				break; /* those behind were sent later still */
			continue;
		}
		left = (int32_t)(s->sent_us + c->rack_rtt_us + reo - now);
		if (left <= 0) {
			tcp_mark_lost(c, s);
			found = true;
		} else {
			wait = RTE_MAX(wait, (uint32_t)left);
		}
	}
	if (wait) {
		c->rtx = RTX_REORDER;
		tcp_timer_set(c, TIMER_RTX, (wait + 999) / 1000);
	} else if (c->rtx == RTX_REORDER) {
		tcp_timer_stop(c, TIMER_RTX);
		c->rtx = RTX_TIMEOUT;
	}
	return found;
}

/* The window for reordering grows with each round that had duplicates. */
static void adapt_reorder(struct tcp_conn *c)
{
	if (c->reo_keep && seq_lt(c->snd_una, c->reo_end))
		return;
	if (c->reo_mult < UINT8_MAX)
		c->reo_mult++;
	c->reo_keep = REO_PERSIST;
	c->reo_end = c->snd_nxt;
}

/* ---- SACK ----------------------------------------------------------------------------------- */

static uint32_t load(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return rte_be_to_cpu_32(v);
}

/* Where the device cut a packet up, a part of it may have arrived. No segment was as short as this
 * part would be, unless it was the last: a peer cannot have us keep account of bytes. */
static bool may_split(const struct tcp_conn *c, const struct tcp_seg *s, uint32_t len)
{
	return s->len > c->mss && len < s->len && len >= c->mss / 4u;
}

/* Whether s begins with what has arrived, and nothing else is in it. */
static bool is_covered(struct tcp_conn *c, struct tcp_seg *s, uint32_t start, uint32_t end)
{
	if (seq_lt(s->seq, start)) {
		if (may_split(c, s, start - s->seq))
			tcp_seg_split(c, s, start - s->seq);
		return false; /* the next one may be */
	}
	if (seq_le(seg_end(s), end))
		return true;
	return may_split(c, s, end - s->seq) && tcp_seg_split(c, s, end - s->seq);
}

static void sack_block(
	struct tcp_conn *c, const struct arrival *a, uint32_t start, uint32_t end, struct news *n)
{
	for (struct tcp_seg *s = c->sent; s && seq_lt(s->seq, end); s = s->next) {
		if ((s->flags & SEG_SACKED) || !is_covered(c, s, start, end))
			continue;
		if (s->flags & SEG_LOST) {
			s->flags &= (uint8_t)~SEG_LOST;
			c->lost--;
		} else {
			c->pipe -= s->len;
		}
		s->flags |= SEG_SACKED;
		c->sacked += s->len;
		c->n_sacked++;
		n->delivered += s->len;
		rack_delivered(c, a, s);
	}
}

/* RFC 2883 4: the first block tells of a duplicate if it is below the acknowledgement or inside the
 * second one. */
static bool is_duplicate_report(const uint8_t *at, unsigned int blocks, const struct arrival *a)
{
	const uint32_t start = load(at), end = load(at + 4);

	if (seq_le(end, a->ack) && seq_lt(start, end))
		return true;
	return blocks > 1 && seq_le(load(at + 8), start) && seq_le(end, load(at + 12));
}

static void take_sacks(struct tcp_conn *c, const struct arrival *a, struct news *n)
{
	struct run {
		uint32_t start, end;
	} run[SACKS_MAX];
	const uint8_t *at = a->p->l4 + a->o.sack_at;
	unsigned int i = 0, runs = 0;

	if (is_duplicate_report(at, a->o.sack_blocks, a)) {
		n->duplicate = true;
		tcp_counted(c->tcp, dsacks_in);
		if (c->undo_left > 0 && seq_lt(c->undo_una, load(at + 4)))
			c->undo_left--;
		adapt_reorder(c);
		i = 1;
	}
	for (; i < a->o.sack_blocks; i++) {
		const struct run r = { load(at + 8 * i), load(at + 8 * i + 4) };
		unsigned int k = runs;

		if (!seq_lt(r.start, r.end) || seq_lt(r.start, a->ack) || seq_lt(c->snd_nxt, r.end))
			continue;
		/* In order, or what an acknowledgement that was lost had told would look as if it
		 * had been overtaken. */
		for (; k && seq_lt(r.start, run[k - 1].start); k--)
			run[k] = run[k - 1];
		run[k] = r;
		runs++;
	}
	for (i = 0; i < runs; i++)
		sack_block(c, a, run[i].start, run[i].end, n);
}

/* ---- what is acknowledged ------------------------------------------------------------------- */

/* A segment's first n bytes are the peer's. */
static void seg_advance(struct tcp_conn *c, struct tcp_seg *s, uint32_t n)
{
	uint32_t off = s->off + n;

	s->flags &= (uint8_t)~SEG_SYN;
	if (!(s->flags & (SEG_SACKED | SEG_LOST)))
		c->pipe -= n;
	if (s->flags & SEG_SACKED)
		c->sacked -= n;
	s->seq += n;
	s->len -= n;
	while (s->buf->next && off >= s->buf->data_len) {
		off -= s->buf->data_len;
		s->buf = s->buf->next;
	}
	s->off = (uint16_t)off;
}

static void seg_acked(
	struct tcp_conn *c, const struct arrival *a, struct tcp_seg *s, struct news *n)
{
	n->segments++;
	n->again |= !!(s->flags & SEG_AGAIN);
	if (s->flags & SEG_SACKED) {
		c->sacked -= s->len;
		c->n_sacked--;
		return;
	}
	if (s->flags & SEG_LOST)
		c->lost--;
	else
		c->pipe -= s->len;
	n->delivered += s->len;
	rack_delivered(c, a, s);
	if (!(s->flags & SEG_AGAIN)) {
		if (!n->has_rtt)
			n->first_us = s->sent_us;
		n->last_us = s->sent_us;
		n->has_rtt = true;
	}
}

static void take_ack(struct tcp_conn *c, const struct arrival *a, struct news *n)
{
	uint32_t fin = 0, syn = 0;
	struct tcp_seg *s;

	n->moved = a->ack != c->snd_una;
	if (!n->moved)
		return;
	while ((s = c->sent) && seq_le(seg_end(s), a->ack)) {
		syn |= s->flags & SEG_SYN;
		fin |= s->flags & SEG_FIN;
		seg_acked(c, a, s, n);
		c->sent = s->next;
		if (!c->sent)
			c->sent_tail = NULL;
		c->n_sent--;
		tcp_seg_give(c->tcp, s);
	}
	if (s && seq_lt(s->seq, a->ack)) {
		n->delivered += a->ack - s->seq;
		if (!(s->flags & (SEG_AGAIN | SEG_SACKED))) {
			if (!n->has_rtt)
				n->first_us = s->sent_us;
			n->last_us = s->sent_us;
			n->has_rtt = true;
		}
		seg_advance(c, s, a->ack - s->seq);
	}
	n->acked = a->ack - c->snd_una - !!syn - !!fin;
	c->snd_una = a->ack;
	/* These are not left behind by half of all numbers. */
	c->ecn_end = seq_max(c->ecn_end, a->ack - 1);
	if (c->recovery == RECOVERY_NONE)
		c->recover = seq_max(c->recover, a->ack);
	tcp_queue_drop(c, n->acked);
	n->backoff = c->backoff;
	c->backoff = 0;
	c->mtu_fails = 0;
}

/* RFC 9293 3.10.7.4, fifth. Whether the window is another one. */
static bool take_window(struct tcp_conn *c, const struct arrival *a)
{
	const uint32_t before = c->snd_wnd;

	if (!(seq_lt(c->snd_wl1, a->seq) || (c->snd_wl1 == a->seq && seq_le(c->snd_wl2, a->ack))))
		return false;
	c->snd_wnd = (uint32_t)a->wnd << c->snd_wscale;
	c->snd_wl1 = a->seq;
	c->snd_wl2 = a->ack;
	c->max_wnd = RTE_MAX(c->max_wnd, c->snd_wnd);
	if (c->snd_wnd == 0 && before != 0 && conn_unsent(c) > 0)
		tcp_counted(c->tcp, zero_windows);
	return c->snd_wnd != before;
}

/* ---- recovery ------------------------------------------------------------------------------- */

void tcp_enter_recovery(struct tcp_conn *c, enum recovery how)
{
	if (c->recovery == RECOVERY_NONE) {
		c->undo_cwnd = c->cwnd;
		c->undo_ssthresh = c->ssthresh;
		c->undo_una = c->snd_una;
		c->undo_left = 0;
		c->undo_ts = 0;
		c->ssthresh = c->how.cc->reduce(c);
	}
	c->recovery = (uint8_t)how;
	c->recover = c->snd_nxt;
	c->prr_delivered = c->prr_out = 0;
	c->recover_fs = RTE_MAX(c->snd_nxt - c->snd_una - c->sacked, 1u);
	c->flags &= ~CONN_PROBED;
	if (c->flags & CONN_ECN)
		c->flags |= CONN_CWR;
	c->ecn_end = c->snd_nxt;
}

static void leave_recovery(struct tcp_conn *c)
{
	if (c->recovery == RECOVERY_FAST)
		c->cwnd = c->ssthresh;
	c->recovery = RECOVERY_NONE;
	c->dupacks = 0;
	if (c->reo_keep && --c->reo_keep == 0)
		c->reo_mult = 1;
}

/* The loss was none: what was sent is on its way still. */
static void undo(struct tcp_conn *c)
{
	tcp_counted(c->tcp, undone);
	for (struct tcp_seg *s = c->sent; s; s = s->next) {
		if (!(s->flags & SEG_LOST))
			continue;
		s->flags &= (uint8_t)~SEG_LOST;
		c->pipe += s->len;
	}
	c->lost = 0;
	c->cwnd = RTE_MAX(c->cwnd, c->undo_cwnd);
	c->ssthresh = RTE_MAX(c->ssthresh, c->undo_ssthresh);
	if (c->how.cc->undo)
		c->how.cc->undo(c);
	c->recovery = RECOVERY_NONE;
	c->dupacks = 0;
	c->undo_left = -1;
}

/* RFC 3522: what moved snd_una was sent before the retransmission. RFC 3708: every retransmission
 * has been reported as a duplicate. */
static bool was_spurious(const struct tcp_conn *c, const struct arrival *a, const struct news *n)
{
	if (c->undo_left < 0 || c->undo_ts == 0)
		return false;
	if (n->duplicate && c->undo_left == 0)
		return true;
	return c->recovery != RECOVERY_NONE && n->moved && n->again && (c->flags & CONN_STAMPS) &&
	       a->o.has_timestamp && a->o.tsecr && seq_lt(a->o.tsecr, c->undo_ts);
}

/* RFC 6937 3.1, as RFC 9937 has it: how much may be sent for what this one brought. */
static void reduce_proportionally(struct tcp_conn *c, const struct news *n)
{
	const bool reno = !(c->flags & CONN_SACK);
	const uint32_t flight = conn_in_flight(c);
	uint32_t more;

	c->prr_delivered += n->delivered;
	if (flight > c->ssthresh) {
		const uint64_t share =
			((uint64_t)c->prr_delivered * c->ssthresh + c->recover_fs - 1) /
			c->recover_fs;

		more = share > c->prr_out ? (uint32_t)share - c->prr_out : 0;
	} else {
		more = c->prr_delivered > c->prr_out ? c->prr_delivered - c->prr_out : 0;
		if (n->moved && !n->new_lost)
			more = RTE_MAX(more, n->delivered) + c->mss;
		more = RTE_MIN(more, c->ssthresh - flight);
	}
	/* The retransmission that begins it; and RFC 6582 3.2, step 3. */
	if (c->prr_out == 0 || (reno && n->moved && n->new_lost))
		more = RTE_MAX(more, (uint32_t)c->mss);
	c->cwnd = flight + more;
}

/* The first segment on its way is lost; of a packet that the device has cut up, no more than that.
 */
static void head_is_lost(struct tcp_conn *c, struct news *n)
{
	struct tcp_seg *head = c->sent;

	if (head->len > c->mss)
		tcp_seg_split(c, head, c->mss);
	tcp_mark_lost(c, head);
	n->new_lost = true;
}

/* Without SACK: RFC 5681 3.2, RFC 6582 3.2. */
static void count_duplicates(struct tcp_conn *c, struct news *n, bool is_dupack)
{
	const struct tcp_seg *head = c->sent;

	if (n->moved) {
		const uint32_t segments = RTE_MAX(n->segments, (n->acked + c->mss - 1) / c->mss);
		const uint32_t others = segments ? segments - 1 : 0;
		const uint32_t known = RTE_MIN(others, (uint32_t)c->dupacks);

		/* Those are what has been counted before, by duplicates. */
		n->delivered -= RTE_MIN(n->delivered, known * c->mss);
		c->dupacks = (uint8_t)(c->recovery == RECOVERY_FAST ? c->dupacks - known : 0);
		if (c->recovery == RECOVERY_FAST && head && seq_lt(c->snd_una, c->recover) &&
			!(head->flags & (SEG_LOST | SEG_AGAIN)))
			head_is_lost(c, n);
		return;
	}
	if (!is_dupack || !head)
		return;
	if (c->dupacks < UINT8_MAX)
		c->dupacks++;
	n->delivered += c->mss;
	if (c->dupacks == DUPACKS && c->recovery == RECOVERY_NONE && seq_le(c->recover, c->snd_una))
		head_is_lost(c, n);
}

/* RFC 8985 7.4.2. */
static void end_probe(
	struct tcp_conn *c, const struct arrival *a, const struct news *n, bool is_dupack)
{
	if (!(c->flags & CONN_PROBED) || seq_lt(a->ack, c->probe_end))
		return;
	if (!(c->flags & CONN_PROBE_AGAIN) || n->duplicate ||
		(a->ack == c->probe_end && is_dupack)) {
		c->flags &= ~CONN_PROBED;
	} else if (seq_lt(c->probe_end, a->ack)) {
		/* The probe repaired a loss that nothing else has told. */
		c->flags &= ~CONN_PROBED;
		c->ssthresh = c->how.cc->reduce(c);
		c->cwnd = c->ssthresh;
	}
}

static void grow(struct tcp_conn *c, uint32_t bytes)
{
	if (c->cwnd < c->ssthresh) { /* slow start; of RFC 3465 what is certain after a time-out */
		const uint32_t most = c->recovery == RECOVERY_LOSS ? c->mss : bytes;
		const uint32_t step = RTE_MIN(RTE_MIN(bytes, most), c->ssthresh - c->cwnd);

		c->cwnd += step;
		bytes -= step;
		if (c->cwnd < c->ssthresh)
			return;
	}
	if (bytes)
		c->how.cc->acked(c, bytes);
}

/* RFC 3168 6.1.2: a mark counts as a loss, once a round. */
static void take_mark(struct tcp_conn *c, const struct arrival *a)
{
	if (!(c->flags & CONN_ECN) || !(a->flags & TCP_ECE) || c->recovery != RECOVERY_NONE ||
		seq_le(c->snd_una, c->ecn_end))
		return;
	c->ssthresh = c->how.cc->reduce(c);
	c->cwnd = c->ssthresh;
	c->ecn_end = c->snd_nxt;
	c->flags |= CONN_CWR;
}

static void control(struct tcp_conn *c, const struct arrival *a, struct news *n)
{
	const bool limited = (c->flags & CONN_LIMITED) || c->recovery == RECOVERY_LOSS;
	const bool marked = (c->flags & CONN_ECN) && (a->flags & TCP_ECE);
	bool cut;

	if ((c->flags & CONN_SACK) && n->delivered && (c->n_sacked || c->recovery != RECOVERY_NONE))
		n->new_lost |= tcp_rack_detect(c);
	if (was_spurious(c, a, n))
		undo(c);
	if (n->new_lost && c->recovery == RECOVERY_NONE && c->lost) {
		tcp_counted(c->tcp, recoveries);
		tcp_enter_recovery(c, RECOVERY_FAST);
		n->delivered = 0; /* it led here, and is in recover_fs */
	}
	cut = c->recovery == RECOVERY_FAST;
	if (c->recovery != RECOVERY_NONE && !seq_lt(c->snd_una, c->recover))
		leave_recovery(c);
	/* What ends a recovery, or tells of a mark, is not what makes the window larger. */
	if (c->recovery == RECOVERY_FAST)
		reduce_proportionally(c, n);
	else if (n->acked && limited && !cut && !marked)
		grow(c, n->acked);
	take_mark(c, a);
}

/* ---- all of it ------------------------------------------------------------------------------ */

void tcp_ack(struct tcp_conn *c, const struct arrival *a)
{
	struct news n = { 0 };
	bool changed, opened, is_dupack;

	c->heard_ms = c->tcp->now_ms;
	c->keep_sent = 0;
	if (seq_lt(a->ack, c->snd_una))
		return; /* a newer one has come before */
	opened = c->snd_wnd == 0;
	changed = take_window(c, a);
	opened &= changed;
	/* What was sent again arrives last, and may turn out to have been for nothing. */
	if (!c->sent && !a->o.sack_blocks && !(c->flags & CONN_PROBED)) {
		if (changed)
			tcp_pend(c);
		return;
	}
	take_ack(c, a, &n);
	/* What was sent again found the window closed. */
	if (opened && c->backoff && c->sent)
		tcp_mark_lost(c, c->sent);
	if (a->o.sack_blocks && (c->flags & CONN_SACK))
		take_sacks(c, a, &n);
	is_dupack = !n.moved && !changed && arrival_length(a) == 0 && !a->o.sack_blocks;
	if (!(c->flags & CONN_SACK))
		count_duplicates(c, &n, is_dupack);
	take_rtt(c, a, &n);
	end_probe(c, a, &n, is_dupack);
	if (c->state >= TCP_ESTABLISHED)
		control(c, a, &n);
	if (!c->sent || n.moved || !tcp_timer_runs(c, TIMER_RTX))
		tcp_rearm(c);
	if (n.acked && !(c->flags & CONN_OWNED))
		tcp_long_timer(c); /* slow is not stuck */
	if (n.acked && (c->flags & CONN_FULL) && c->snd.bytes <= c->how.sndbuf / 2) {
		c->flags &= ~CONN_FULL;
		tcp_raise(c, TCP_EV_WRITE);
	}
	if (c->nxt_buf || c->lost || (c->flags & CONN_FIN))
		tcp_pend(c);
}

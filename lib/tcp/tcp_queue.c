/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data that waits.
 *
 * Full segments stay in the mbufs they came in. Small ones are copied into the tail of what they
 * follow, or out into a buffer of the instance, so that bytes that nobody reads never hold more
 * than a few times their number of the ports' buffers. When those run low everything is copied out;
 * when the instance's own do, windows stop growing and nothing is kept out of order; when both do,
 * nothing is taken in.
 *
 * Of bytes that came twice the first count: what is there is never replaced.
 */
#include <string.h>

#include <rte_mempool.h>

#include "net/poison.h"
#include "tcp_priv.h"

/* A segment with less than 1 / SMALL of its buffer's room is small. */
#define SMALL 4

/* A pool of which less than such a part is free runs low; the last part of ours is for headers, for
 * without them nothing leaves that data waits for. */
#define LOW_PORTS 4
#define LOW_OWN   8
#define HEADERS   16

/* ---- descriptors ---------------------------------------------------------------------------- */

struct tcp_seg *tcp_seg_take(struct tcp *t, uint32_t have)
{
	const uint32_t left = t->conf.max_segments - t->n_segs;
	struct tcp_seg *s = t->free_seg;

	if (unlikely(!s || (have >= SEGMENTS_SURE && have > left / 4)))
		return NULL;
	t->free_seg = s->next;
	t->n_segs++;
	return s;
}

void tcp_seg_give(struct tcp *t, struct tcp_seg *s)
{
	s->next = t->free_seg;
	t->free_seg = s;
	t->n_segs--;
}

/* ---- chains --------------------------------------------------------------------------------- */

static void free_chain(struct rte_mbuf *m)
{
	while (m) {
		struct rte_mbuf *next = m->next;

		m->next = NULL;
		pkt_unpoison(m);
		rte_pktmbuf_free_seg(m);
		m = next;
	}
}

void tcp_queue_free(struct tcp_queue *q)
{
	free_chain(q->head);
	*q = (struct tcp_queue){ 0 };
}

void tcp_queue_add(
	struct tcp_queue *q, struct rte_mbuf *head, struct rte_mbuf *tail, uint32_t bytes)
{
	if (q->tail)
		q->tail->next = head;
	else
		q->head = head;
	q->tail = tail;
	q->bytes += bytes;
}

/* Room behind the data of a buffer that is ours alone. */
static uint32_t tail_room(const struct tcp *t, const struct rte_mbuf *m)
{
	if (!m || m->pool != t->conf.pool || !RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1)
		return 0;
	return rte_pktmbuf_tailroom(m);
}

/* As many mbufs as so many bytes need, empty; NULL: there are not so many. */
static struct rte_mbuf *take_buffers(struct tcp *t, uint32_t bytes)
{
	struct rte_mbuf *first = NULL;

	for (uint32_t room = 0; room < bytes;) {
		struct rte_mbuf *m = t->copies ? rte_pktmbuf_alloc(t->conf.pool) : NULL;

		if (!m) {
			tcp_counted(t, no_buffer);
			free_chain(first);
			return NULL;
		}
		t->copies--;
		m->next = first;
		first = m;
		room += rte_pktmbuf_tailroom(m);
	}
	return first;
}

static uint32_t fill(struct rte_mbuf *m, const uint8_t *data, uint32_t len)
{
	const uint32_t n = RTE_MIN(len, (uint32_t)rte_pktmbuf_tailroom(m));

	memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len), data, n);
	m->data_len += (uint16_t)n;
	m->pkt_len = m->data_len;
	return n;
}

int tcp_queue_copy(struct tcp *t, struct tcp_queue *q, const void *data, uint32_t len)
{
	const uint32_t room = tail_room(t, q->tail);
	const uint8_t *from = data;
	struct rte_mbuf *more = NULL;

	if (len > room) {
		more = take_buffers(t, len - room);
		if (!more)
			return -ENOBUFS;
	}
	if (room) {
		const uint32_t n = fill(q->tail, from, len);

		q->bytes += n;
		from += n;
		len -= n;
	}
	while (more) {
		struct rte_mbuf *m = more;
		uint32_t n;

		more = m->next;
		m->next = NULL;
		n = fill(m, from, len);
		tcp_queue_add(q, m, m, n);
		from += n;
		len -= n;
	}
	return 0;
}

/* Copies len bytes of a chain from off on. */
static int copy_chain(
	struct tcp *t, struct tcp_queue *q, const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	for (; m && len; m = m->next) {
		uint32_t n;

		if (off >= m->data_len) {
			off -= m->data_len;
			continue;
		}
		n = RTE_MIN(len, m->data_len - off);
		if (tcp_queue_copy(t, q, rte_pktmbuf_mtod_offset(m, uint8_t *, off), n) < 0)
			return -ENOBUFS;
		off = 0;
		len -= n;
	}
	return 0;
}

void tcp_queue_settle(struct tcp_conn *c)
{
	struct rte_mbuf *m = c->rcv.head;
	struct tcp_queue q = { 0 };

	if (likely(!m) || m->next || m->pool == c->tcp->conf.pool ||
		m->data_len >= m->buf_len / SMALL)
		return;
	if (copy_chain(c->tcp, &q, m, 0, m->data_len) < 0) {
		tcp_queue_free(&q);
		return;
	}
	tcp_queue_free(&c->rcv);
	c->rcv = q;
	tcp_counted(c->tcp, copied);
}

/* ---- pressure ------------------------------------------------------------------------------- */

void tcp_pressure(struct tcp *t)
{
	const struct rte_mempool *own = t->conf.pool, *rx = t->conf.rx;
	const unsigned int free = rte_mempool_avail_count(own), headers = own->size / HEADERS;

	t->pressure_ms = t->now_ms;
	t->pressure = 0;
	if (free < own->size / LOW_OWN)
		t->pressure |= PRESSURE_OWN;
	if (rx && rte_mempool_avail_count(rx) < rx->size / LOW_PORTS)
		t->pressure |= PRESSURE_PORTS;
	t->copies = free > headers ? free - headers : 0;
}

/* ---- what came ------------------------------------------------------------------------------ */

/* The payload alone: a chain of the packet's mbufs without those that have none of it. */
static void payload(struct arrival *a, struct tcp_queue *q)
{
	struct rte_mbuf *m = a->p->mbuf, *next;
	uint32_t off =
		(uint32_t)(a->p->l4 - rte_pktmbuf_mtod(m, uint8_t *)) + (a->p->l4_len - a->len);

	*q = (struct tcp_queue){ 0 };
	for (; m; m = next) {
		const uint32_t cut = RTE_MIN(off, (uint32_t)m->data_len);

		next = m->next;
		m->next = NULL;
		m->nb_segs = 1;
		m->data_off += (uint16_t)cut;
		m->data_len -= (uint16_t)cut;
		m->pkt_len = m->data_len;
		off -= cut;
		if (m->data_len)
			tcp_queue_add(q, m, m, m->data_len);
		else
			free_chain(m);
	}
	a->p->verdict = PKT_TAKEN;
}

/* Takes bytes off the front. */
static void cut_front(struct tcp_queue *q, uint32_t n)
{
	q->bytes -= n;
	while (n && n >= q->head->data_len) {
		struct rte_mbuf *m = q->head;

		n -= m->data_len;
		q->head = m->next;
		m->next = NULL;
		free_chain(m);
	}
	if (!q->head) {
		q->tail = NULL;
	} else if (n) {
		q->head->data_off += (uint16_t)n;
		q->head->data_len -= (uint16_t)n;
	}
}

/* Leaves the first n bytes, at least one. */
static void cut_back(struct tcp_queue *q, uint32_t n)
{
	struct rte_mbuf *m = q->head;

	q->bytes = n;
	for (; n > m->data_len; m = m->next)
		n -= m->data_len;
	m->data_len = (uint16_t)n;
	free_chain(m->next);
	m->next = NULL;
	q->tail = m;
}

/* Adds q to what is in order behind it, or leaves it for the caller to add: whether it was copied.
 * Where there is no buffer for a copy it stays as it is. */
static bool join(struct tcp_conn *c, struct tcp_queue *to, struct tcp_queue *q)
{
	struct tcp *t = c->tcp;
	const bool small = q->bytes < q->head->buf_len / SMALL;

	/* What is next is perhaps read at once: tcp_queue_settle(). */
	if (!(small && (to->tail || to != &c->rcv)) && !(t->pressure & PRESSURE_PORTS))
		return false;
	if (copy_chain(t, to, q->head, 0, q->bytes) < 0)
		return false;
	tcp_counted(t, copied);
	tcp_queue_free(q);
	return true;
}

static void append(struct tcp_conn *c, struct tcp_queue *to, struct tcp_queue *q)
{
	const uint32_t before = to->bytes, bytes = q->bytes;

	if (join(c, to, q))
		return;
	/* A copy that broke off has left some of it there. */
	if (to->bytes > before)
		cut_front(q, to->bytes - before);
	tcp_queue_add(to, q->head, q->tail, q->bytes);
	x_assert(to->bytes == before + bytes);
}

/* What is in order now, of the runs that waited. */
static void take_runs(struct tcp_conn *c)
{
	struct tcp_seg *s;

	while ((s = c->ooo) && seq_le(s->seq, c->rcv_nxt)) {
		const uint32_t over = c->rcv_nxt - s->seq;
		struct tcp_queue q = { s->buf, s->tail, s->len };

		c->ooo = s->next;
		if (!c->ooo)
			c->ooo_tail = NULL;
		c->n_ooo--;
		c->ooo_bytes -= s->len;
		tcp_seg_give(c->tcp, s);
		if (over >= q.bytes) {
			tcp_queue_free(&q);
			continue;
		}
		cut_front(&q, over);
		c->rcv_nxt += q.bytes;
		counter_add(&c->tcp->count[TCP_COUNT_bytes_in], q.bytes);
		tcp_queue_add(&c->rcv, q.head, q.tail, q.bytes);
	}
}

/* Puts a byte's run first among those to be reported (RFC 2018 4). */
static void note_recent(struct tcp_conn *c, const struct tcp_seg *run)
{
	uint32_t kept[SACKS_MAX] = { run->seq };
	unsigned int n = 1;

	for (unsigned int i = 0; i < c->n_recent && n < SACKS_MAX; i++)
		if (c->recent[i] - run->seq >= run->len)
			kept[n++] = c->recent[i];
	memcpy(c->recent, kept, sizeof(kept));
	c->n_recent = (uint8_t)n;
}

/* The run before seq, or NULL. The last one is it nearly always. */
static struct tcp_seg *run_before(struct tcp_conn *c, uint32_t seq)
{
	struct tcp_seg *before = NULL;

	if (c->ooo_tail && seq_le(c->ooo_tail->seq, seq))
		return c->ooo_tail;
	for (struct tcp_seg *s = c->ooo; s && seq_le(s->seq, seq); s = s->next)
		before = s;
	return before;
}

/* Joins a run with the next if they touch now. */
static void close_gap(struct tcp_conn *c, struct tcp_seg *s)
{
	struct tcp_seg *next = s->next;

	if (!next || s->seq + s->len != next->seq)
		return;
	s->tail->next = next->buf;
	s->tail = next->tail;
	s->len += next->len;
	s->next = next->next;
	if (c->ooo_tail == next)
		c->ooo_tail = s;
	c->n_ooo--;
	tcp_seg_give(c->tcp, next);
}

/* A run of its own between two others. NULL: there is no room. */
static struct tcp_seg *insert_run(
	struct tcp_conn *c, struct tcp_seg *before, uint32_t seq, const struct tcp_queue *q)
{
	struct tcp_seg *s = c->n_ooo < HOLES_MAX ? tcp_seg_take(c->tcp, c->n_ooo) : NULL;

	if (!s)
		return NULL;
	*s = (struct tcp_seg){ .buf = q->head, .tail = q->tail, .seq = seq, .len = q->bytes };
	s->next = before ? before->next : c->ooo;
	if (before)
		before->next = s;
	else
		c->ooo = s;
	if (!s->next)
		c->ooo_tail = s;
	c->n_ooo++;
	return s;
}

/*
 * Puts bytes that nobody has into their place: q is [seq, seq + bytes), which lies between `before`
 * and its successor. Takes q. NULL: there was no room, and they are lost.
 */
static struct tcp_seg *put_run(
	struct tcp_conn *c, struct tcp_seg *before, uint32_t seq, struct tcp_queue *q)
{
	const uint32_t bytes = q->bytes;
	struct tcp_seg *s = before;

	if (before && before->seq + before->len == seq) {
		struct tcp_queue run = { before->buf, before->tail, before->len };

		append(c, &run, q);
		before->tail = run.tail;
		before->len = run.bytes;
	} else {
		struct tcp_queue own = { 0 };

		append(c, &own, q);
		s = insert_run(c, before, seq, &own);
		if (!s) {
			tcp_queue_free(&own);
			return NULL;
		}
	}
	c->ooo_bytes += bytes;
	close_gap(c, s);
	return s;
}

/* The first `bytes` of q, in a queue of their own; q keeps the rest. False: no buffer. */
static bool split_front(
	struct tcp_conn *c, struct tcp_queue *q, uint32_t bytes, struct tcp_queue *out)
{
	*out = (struct tcp_queue){ 0 };
	if (copy_chain(c->tcp, out, q->head, 0, bytes) < 0) {
		tcp_queue_free(out);
		return false;
	}
	cut_front(q, bytes);
	return true;
}

/* Those bytes of q that nobody has go to their places, the rest is freed. */
static void keep_out_of_order(struct tcp_conn *c, uint32_t seq, struct tcp_queue *q)
{
	struct tcp_seg *run = NULL;

	while (q->bytes) {
		struct tcp_seg *before = run_before(c, seq);
		const struct tcp_seg *after = before ? before->next : c->ooo;
		const uint32_t have = before ? before->seq + before->len - seq : 0;
		struct tcp_queue part = { 0 };
		uint32_t gap;

		if (before && (int32_t)have > 0) {
			const uint32_t n = RTE_MIN(have, q->bytes);

			cut_front(q, n);
			seq += n;
			run = before;
			continue;
		}
		gap = after ? after->seq - seq : UINT32_MAX;
		if (gap >= q->bytes) {
			part = *q;
			*q = (struct tcp_queue){ 0 };
		} else if (!split_front(c, q, gap, &part)) {
			break;
		}
		seq += part.bytes;
		run = put_run(c, before, seq - part.bytes, &part);
		if (!run)
			break;
	}
	tcp_queue_free(q);
	if (run)
		note_recent(c, run);
}

/* What of the segment has come before is to be reported (RFC 2883 4). */
static void note_duplicate(struct tcp_conn *c, const struct arrival *a)
{
	const uint32_t end = a->seq + a->len;
	const struct tcp_seg *s;

	if (seq_lt(a->seq, c->rcv_nxt)) {
		c->dsack[0] = a->seq;
		c->dsack[1] = seq_lt(end, c->rcv_nxt) ? end : c->rcv_nxt;
		return;
	}
	s = run_before(c, a->seq);
	if (s && seq_lt(a->seq, s->seq + s->len)) {
		c->dsack[0] = a->seq;
		c->dsack[1] = seq_lt(end, s->seq + s->len) ? end : s->seq + s->len;
	}
}

/* What later segments brought first stays as it came: of q, which is next, that before the first
 * run is left, and that behind it goes to its place. */
static void keep_first(struct tcp_conn *c, uint32_t seq, struct tcp_queue *q)
{
	const uint32_t run = c->ooo->seq;
	struct tcp_queue front;

	if (seq_lt(run + c->ooo->len, seq + q->bytes) && split_front(c, q, run - seq, &front)) {
		keep_out_of_order(c, run, q);
		*q = front;
		return;
	}
	cut_back(q, run - seq);
}

bool tcp_queue_segment(struct tcp_conn *c, struct arrival *a)
{
	struct tcp *t = c->tcp;
	uint32_t seq = a->seq;
	struct tcp_queue q;

	if (t->pressure == (PRESSURE_PORTS | PRESSURE_OWN)) {
		pkt_drop(a->p, DROP_tcp_no_room);
		return false;
	}
	note_duplicate(c, a);
	payload(a, &q);
	if (seq_lt(seq, c->rcv_nxt)) {
		cut_front(&q, c->rcv_nxt - seq);
		seq = c->rcv_nxt;
	}
	if (seq_lt(c->rcv_adv, seq + q.bytes))
		cut_back(&q, c->rcv_adv - seq);
	if (seq != c->rcv_nxt) {
		tcp_counted(t, out_of_order);
		if (t->pressure & PRESSURE_OWN)
			tcp_queue_free(&q);
		else
			keep_out_of_order(c, seq, &q);
		return false;
	}
	if (c->ooo && seq_lt(c->ooo->seq, seq + q.bytes))
		keep_first(c, seq, &q);
	counter_add(&t->count[TCP_COUNT_bytes_in], q.bytes);
	c->rcv_nxt += q.bytes;
	append(c, &c->rcv, &q);
	if (c->ooo)
		take_runs(c);
	return true;
}

/* ---- what is to be sent, and was ------------------------------------------------------------ */

int tcp_queue_put(struct tcp_conn *c, const void *data, uint32_t len)
{
	struct rte_mbuf *tail = c->snd.tail;
	const uint16_t off = tail ? tail->data_len : 0;

	if (tcp_queue_copy(c->tcp, &c->snd, data, len) < 0)
		return -ENOBUFS;
	if (c->nxt_buf || len == 0)
		return 0;
	if (tail && tail->data_len > off) {
		c->nxt_buf = tail;
		c->nxt_off = off;
	} else {
		c->nxt_buf = tail ? tail->next : c->snd.head;
		c->nxt_off = 0;
	}
	return 0;
}

/* Whether it is better copied: little, and there is room behind the last, or it is a port's. */
static bool is_copied(const struct tcp_conn *c, const struct rte_mbuf *m)
{
	return m->data_len < m->buf_len / SMALL &&
	       (tail_room(c->tcp, c->snd.tail) >= m->data_len || m->pool != c->tcp->conf.pool);
}

void tcp_queue_write(struct tcp_conn *c, struct rte_mbuf *chain)
{
	struct rte_mbuf *next;

	for (struct rte_mbuf *m = chain; m; m = next) {
		next = m->next;
		m->next = NULL;
		if (m->data_len == 0 ||
			(is_copied(c, m) &&
				tcp_queue_put(c, rte_pktmbuf_mtod(m, void *), m->data_len) == 0)) {
			free_chain(m);
			continue;
		}
		tcp_queue_add(&c->snd, m, m, m->data_len);
		if (!c->nxt_buf) {
			c->nxt_buf = m;
			c->nxt_off = 0;
		}
	}
}

void tcp_queue_drop(struct tcp_conn *c, uint32_t bytes)
{
	struct tcp_queue *q = &c->snd;

	q->bytes -= bytes;
	bytes += c->head_off;
	while (bytes && bytes >= q->head->data_len) {
		struct rte_mbuf *m = q->head;

		bytes -= m->data_len;
		q->head = m->next;
		m->next = NULL;
		x_assert(m != c->nxt_buf);
		free_chain(m);
	}
	if (!q->head)
		q->tail = NULL;
	c->head_off = bytes;
}

void tcp_queue_free_ooo(struct tcp_conn *c)
{
	struct tcp_seg *next;

	for (struct tcp_seg *s = c->ooo; s; s = next) {
		next = s->next;
		free_chain(s->buf);
		tcp_seg_give(c->tcp, s);
	}
	c->ooo = c->ooo_tail = NULL;
	c->n_ooo = 0;
	c->ooo_bytes = 0;
}

void tcp_queue_free_sent(struct tcp_conn *c)
{
	struct tcp_seg *next;

	for (struct tcp_seg *s = c->sent; s; s = next) {
		next = s->next;
		tcp_seg_give(c->tcp, s);
	}
	c->sent = c->sent_tail = NULL;
	c->n_sent = c->n_sacked = c->lost = 0;
	c->pipe = c->sacked = 0;
}

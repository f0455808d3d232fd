/* SPDX-License-Identifier: BSD-3-Clause */
/* What the application asks of a connection: see tcp.h. */
#include <string.h>

#include <netinet/in.h>

#include "net/poison.h"
#include "tcp_priv.h"

/* ---- opening -------------------------------------------------------------------------------- */

/* The local port, given or taken; 0 or -errno. */
static int take_port(struct tcp *t, struct tuple *in, uint16_t port)
{
	uint8_t dir;

	if (port) {
		in->dport = rte_cpu_to_be_16(port);
		return flow_find(t->conf.flows, in, &dir) ? -EADDRINUSE : 0;
	}
	if (!t->conf.lports || lport_take(t->conf.lports, in, t->now_ms) != DROP_none)
		return -EADDRNOTAVAIL;
	return 0;
}

struct tcp_conn *tcp_connect(struct tcp *t, const struct tcp_target *to, const struct tcp_how *how,
	const struct tcp_ops *ops, void *ctx)
{
	struct tuple in = { .src = to->remote.addr,
		.dst = to->local,
		.sport = rte_cpu_to_be_16(to->remote.port),
		.proto = IPPROTO_TCP };
	enum drop_reason reason;
	struct tcp_conn *c;
	int rc;

	if (!tcp_mss_of(t, how, &in.src)) {
		errno = ENETUNREACH;
		return NULL;
	}
	rc = take_port(t, &in, to->local_port);
	if (rc < 0) {
		errno = -rc;
		return NULL;
	}
	c = tcp_conn_new(t, &in, how, ops, ctx, &reason);
	if (!c) {
		if (!to->local_port)
			lport_give(t->conf.lports, &in, t->now_ms);
		errno = reason == DROP_flow_clash ? EADDRINUSE : ENOBUFS;
		return NULL;
	}
	if (!to->local_port)
		c->flow->adj[1] |= TCP_FLOW_PORT;
	c->flags |= CONN_OWNED;
	tcp_enter(c, TCP_SYN_SENT);
	tcp_send_syn(c);
	return c;
}

/* ---- what it is ----------------------------------------------------------------------------- */

void *tcp_ctx(const struct tcp_conn *c)
{
	return c->ctx;
}

void tcp_set_ctx(struct tcp_conn *c, void *ctx)
{
	c->ctx = ctx;
}

void tcp_set_ops(struct tcp_conn *c, const struct tcp_ops *ops)
{
	c->ops = ops;
}

uint32_t tcp_tag(const struct tcp_conn *c)
{
	return c->tag;
}

struct tcp *tcp_of(const struct tcp_conn *c)
{
	return c->tcp;
}

int tcp_error(const struct tcp_conn *c)
{
	return c->error;
}

/* ---- reading -------------------------------------------------------------------------------- */

uint32_t tcp_readable(const struct tcp_conn *c)
{
	return c->rcv.bytes;
}

const struct rte_mbuf *tcp_peek(const struct tcp_conn *c)
{
	return c->rcv.head;
}

bool tcp_at_end(const struct tcp_conn *c)
{
	return (c->flags & CONN_FIN_GOT) && c->rcv.bytes == 0;
}

/* After something has been read. */
static void reading_done(struct tcp_conn *c)
{
	if (c->flow && !(c->flags & CONN_FIN_GOT) && tcp_window_grew(c)) {
		c->flags |= CONN_RENEW;
		tcp_pend(c);
	}
}

struct rte_mbuf *tcp_read(struct tcp_conn *c, uint32_t max, uint32_t *len)
{
	struct rte_mbuf *head = c->rcv.head, *last = head;
	uint32_t bytes;

	if (len)
		*len = 0;
	if (!head || max == 0)
		return NULL;
	bytes = head->data_len;
	while (last->next && bytes + last->next->data_len <= max) {
		last = last->next;
		bytes += last->data_len;
	}
	c->rcv.head = last->next;
	if (!c->rcv.head)
		c->rcv.tail = NULL;
	last->next = NULL;
	c->rcv.bytes -= bytes;
	if (len)
		*len = bytes;
	reading_done(c);
	return head;
}

uint32_t tcp_read_copy(struct tcp_conn *c, void *data, uint32_t len)
{
	struct rte_mbuf *m;
	uint32_t done = 0;

	while ((m = c->rcv.head) && done < len) {
		const uint32_t n = RTE_MIN((uint32_t)m->data_len, len - done);

		memcpy((uint8_t *)data + done, rte_pktmbuf_mtod(m, void *), n);
		done += n;
		if (n < m->data_len) {
			m->data_off += (uint16_t)n;
			m->data_len -= (uint16_t)n;
			break;
		}
		c->rcv.head = m->next;
		if (!c->rcv.head)
			c->rcv.tail = NULL;
		m->next = NULL;
		pkt_unpoison(m);
		rte_pktmbuf_free_seg(m);
	}
	c->rcv.bytes -= done;
	reading_done(c);
	return done;
}

/* ---- writing -------------------------------------------------------------------------------- */

uint32_t tcp_writable(struct tcp_conn *c)
{
	if (c->snd.bytes < c->how.sndbuf)
		return c->how.sndbuf - c->snd.bytes;
	c->flags |= CONN_FULL;
	return 0;
}

static bool may_write(const struct tcp_conn *c)
{
	return c->flow && !(c->flags & CONN_FIN) && c->state != TCP_CLOSED;
}

int tcp_write(struct tcp_conn *c, struct rte_mbuf *chain)
{
	struct tcp_queue q = { .head = chain };

	if (!may_write(c)) {
		tcp_queue_free(&q);
		return -EPIPE;
	}
	tcp_queue_write(c, chain);
	if (conn_may_send(c))
		tcp_pend(c);
	return 0;
}

int tcp_write_copy(struct tcp_conn *c, const void *data, uint32_t len)
{
	int rc;

	if (!may_write(c))
		return -EPIPE;
	rc = tcp_queue_put(c, data, len);
	if (rc == 0 && conn_may_send(c))
		tcp_pend(c);
	return rc;
}

/* ---- closing -------------------------------------------------------------------------------- */

void tcp_shutdown(struct tcp_conn *c)
{
	if (!may_write(c))
		return;
	c->flags |= CONN_FIN;
	if (conn_may_send(c))
		tcp_pend(c);
}

/* The application's share of the entry. */
static void disown(struct tcp_conn *c)
{
	x_assert(c->flags & CONN_OWNED);
	c->flags = (c->flags & ~CONN_OWNED) | CONN_ORPHAN;
	c->events = 0;
	c->tcp->n_orphans++;
}

void tcp_close(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;
	const bool unread = c->rcv.bytes > 0;

	disown(c);
	if (!c->flow) { /* it is over */
		tcp_drop_entry(c);
		return;
	}
	if (c->state == TCP_SYN_SENT || unread) {
		tcp_break(c, 0);
		return;
	}
	if (t->n_orphans > t->conf.max_orphans) {
		tcp_counted(t, orphans_killed);
		tcp_break(c, 0);
		return;
	}
	c->flags |= CONN_FIN;
	tcp_long_timer(c);
	tcp_pend(c);
}

void tcp_abort(struct tcp_conn *c)
{
	disown(c);
	if (c->flow)
		tcp_break(c, 0);
	else
		tcp_drop_entry(c);
}

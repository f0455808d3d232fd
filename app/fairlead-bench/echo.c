/* SPDX-License-Identifier: BSD-3-Clause */
/* The application of l7: see enum echo_role. It does as little as can be done. */
#include "bench.h"

#define SEGMENT 1460

static void fail(struct tcp_conn *c)
{
	struct echo *e = tcp_ctx(c);

	e->failed++;
	tcp_close(c);
}

/* What comes goes back, by the buffers it came in. */
static void back(struct tcp_conn *c, uint32_t events)
{
	struct rte_mbuf *m;
	bool leave = false;

	if (events & TCP_EV_ERROR) {
		fail(c);
		return;
	}
	m = tcp_read(c, UINT32_MAX, NULL);
	if (m) {
		leave = m->data_len == 1 && *rte_pktmbuf_mtod(m, char *) == ECHO_LEAVE;
		tcp_write(c, m);
	}
	if (leave || tcp_at_end(c))
		tcp_close(c);
}

static void take(struct tcp_conn *c, uint32_t events)
{
	struct echo *e = tcp_ctx(c);
	struct rte_mbuf *m, *next;
	uint32_t len = 0;

	if (events & TCP_EV_ERROR) {
		fail(c);
		return;
	}
	for (m = tcp_read(c, UINT32_MAX, &len); m; m = next) {
		next = m->next;
		rte_pktmbuf_free_seg(m);
	}
	e->taken += len;
	if (tcp_at_end(c))
		tcp_close(c);
}

static void give(struct tcp_conn *c, uint32_t events)
{
	struct echo *e = tcp_ctx(c);
	struct rte_mbuf *m;

	if (events & TCP_EV_ERROR) {
		fail(c);
		return;
	}
	m = tcp_read(c, UINT32_MAX, NULL); /* what asks for it */
	if (m)
		rte_pktmbuf_free(m);
	while (e->give >= SEGMENT && tcp_writable(c) > 0) {
		m = rte_pktmbuf_alloc(e->pool);
		if (!m)
			break;
		rte_pktmbuf_append(m, SEGMENT);
		e->give -= SEGMENT;
		tcp_write(c, m);
	}
	if (tcp_at_end(c))
		tcp_close(c);
}

static const struct tcp_ops role_ops[ECHO_ROLES] = {
	[ECHO_BACK] = { .event = back },
	[ECHO_TAKE] = { .event = take },
	[ECHO_GIVE] = { .event = give },
};

static void begin(struct tcp_conn *c, uint32_t events)
{
	struct echo *e = tcp_ctx(c);
	const struct tuple t = tcp_tuple(c);
	const uint32_t role = rte_be_to_cpu_32(t.dst.w[3]) - frame_service(0);
	const struct tcp_ops *ops = &role_ops[role < ECHO_ROLES ? role : ECHO_BACK];

	e->opened++;
	tcp_set_ops(c, ops);
	ops->event(c, events);
}

const struct tcp_ops echo_ops = { .event = begin };

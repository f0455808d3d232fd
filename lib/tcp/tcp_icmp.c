/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Errors from the network about segments sent, believed as far as RFC 5927 says: only where what
 * they quote is on its way, and never so that they end an open connection.
 */
#include "tcp_priv.h"

static int error_of(enum tcp_icmp what)
{
	return what == TCP_ICMP_PORT ? -ECONNREFUSED : -EHOSTUNREACH;
}

/* Routers that do not say how narrow the path is: the next of the usual sizes (RFC 1191 7.1). */
static uint16_t next_size(uint16_t mtu)
{
	static const uint16_t usual[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296 };
	unsigned int i = 0;

	while (i + 1 < RTE_DIM(usual) && usual[i] >= mtu)
		i++;
	return usual[i];
}

/* RFC 1191 6.5, RFC 8201 5: what was too large is sent again at once, smaller. It says nothing of
 * congestion. */
static void too_big(struct tcp_conn *c, uint16_t mtu)
{
	const uint16_t headers = TCP_HEADER + (c->flags & CONN_V6 ? IPV6_HEADER : IPV4_HEADER);
	/* IPv4 hosts may be told less than 576 (RFC 791), IPv6 ones at least 1280 (RFC 8200 5). */
	const uint16_t least = c->flags & CONN_V6 ? 1280 : headers + STAMP_ROOM + MSS_MIN;
	uint16_t mss;

	if (mtu == 0)
		mtu = next_size(c->path_mss + headers);
	mss = RTE_MAX(mtu, least) - headers;
	if (mss >= c->path_mss)
		return;
	tcp_counted(c->tcp, path_mtu);
	c->path_mss = mss;
	tcp_set_mss(c);
	for (struct tcp_seg *s = c->sent; s; s = s->next)
		if (s->len > c->mss)
			tcp_mark_lost(c, s);
	tcp_pend(c);
}

void tcp_icmp_error(struct tcp *t, struct flow *f, enum tcp_icmp what, uint32_t seq, uint16_t mtu)
{
	struct tcp_conn *c;

	if (f->state == TCP_TIME_WAIT)
		return;
	c = &t->conn[f->conn];
	if (seq_lt(seq, c->snd_una) || !seq_lt(seq, c->snd_nxt))
		return;
	if (what == TCP_ICMP_TOO_BIG)
		too_big(c, mtu);
	else if (c->state == TCP_SYN_SENT)
		tcp_end(c, error_of(what));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A segment's bytes. Headers get an mbuf of their own, each time the segment is sent; data is
 * attached to it by reference, or copied behind them where it is little, or where the port wants
 * packets in one piece.
 */
#include "tcp_priv.h"

#include <string.h>

#include <netinet/in.h>

#include <rte_ip.h>

#include "net/wire.h"

#define HOPS     64
#define COPY_MAX 192 /* less data than this is cheaper to copy than to attach */

/* Where a segment goes, as its headers have it. */
struct ends {
	const void *src, *dst; /* 4 or 16 bytes */
	rte_be16_t sport, dport;
	uint16_t pseudo; /* tcp_pseudo() */
	bool v6;
};

uint16_t tcp_pseudo(const struct tuple *to)
{
	uint64_t sum = rte_cpu_to_be_16(IPPROTO_TCP) + to->sport + to->dport;

	if (addr_is_v4(&to->src))
		sum += (uint64_t)to->src.w[3] + to->dst.w[3];
	else
		for (unsigned int i = 0; i < 4; i++)
			sum += (uint64_t)to->src.w[i] + to->dst.w[i];
	return wire_fold(sum);
}

static unsigned int write_stamps(uint8_t *at, const struct tcp_options *o)
{
	const uint32_t words[3] = { RTE_BE32(TCPOPT_NOP << 24 | TCPOPT_NOP << 16 |
					     TCPOPT_TIMESTAMP << 8 | TCPOPT_LEN_TS),
		rte_cpu_to_be_32(o->tsval), rte_cpu_to_be_32(o->tsecr) };

	memcpy(at, words, sizeof(words));
	return sizeof(words);
}

static unsigned int write_sacks(uint8_t *at, const struct outgoing *out)
{
	const unsigned int len = 2 + 8u * out->n_sacks;

	at[0] = at[1] = TCPOPT_NOP;
	at[2] = TCPOPT_SACK;
	at[3] = (uint8_t)len;
	for (unsigned int i = 0; i < 2u * out->n_sacks; i++) {
		const uint32_t v = rte_cpu_to_be_32(out->sack[i]);

		memcpy(at + 4 + 4 * i, &v, 4);
	}
	return 2 + len;
}

static unsigned int write_options(uint8_t *at, const struct outgoing *out)
{
	unsigned int n = 0;

	if (out->flags & TCP_SYN)
		return tcp_options_write(at, &out->o);
	if (out->o.has_timestamp)
		n = write_stamps(at, &out->o);
	if (out->n_sacks)
		n += write_sacks(at + n, out);
	return n;
}

/* TCP header and options; returns their length. The checksum is 0 yet. */
static uint16_t write_tcp(uint8_t *at, const struct ends *e, const struct outgoing *out)
{
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)at;
	const uint16_t len = (uint16_t)(sizeof(*tcp) + write_options(at + sizeof(*tcp), out));

	*tcp = (struct rte_tcp_hdr){
		.src_port = e->sport,
		.dst_port = e->dport,
		.sent_seq = rte_cpu_to_be_32(out->seq),
		.recv_ack = rte_cpu_to_be_32(out->ack),
		.data_off = (uint8_t)(len / 4 << 4),
		.tcp_flags = out->flags,
		.rx_win = rte_cpu_to_be_16(out->wnd),
	};
	return len;
}

static void write_ip(uint8_t *l3, const struct ends *e, bool capable, uint32_t l4_len)
{
	if (e->v6) {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;

		ip->vtc_flow = rte_cpu_to_be_32(6u << 28 | (capable ? 2u << 20 : 0));
		ip->payload_len = rte_cpu_to_be_16((uint16_t)l4_len);
		ip->proto = IPPROTO_TCP;
		ip->hop_limits = HOPS;
		memcpy(l3 + 8, e->src, 16);
		memcpy(l3 + 24, e->dst, 16);
		return;
	}

	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;

	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = capable ? 2 : 0,
		.total_length = rte_cpu_to_be_16((uint16_t)(IPV4_HEADER + l4_len)),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = HOPS,
		.next_proto_id = IPPROTO_TCP,
	};
	memcpy(l3 + 12, e->src, 4);
	memcpy(l3 + 16, e->dst, 4);
	ip->hdr_checksum = (uint16_t)~wire_fold(wire_sum_ipv4(l3));
}

/* Data by reference behind the headers. */
static bool attach(
	struct tcp *t, struct rte_mbuf *m, const struct rte_mbuf *buf, uint32_t off, uint32_t len)
{
	struct rte_mbuf *last = m;

	for (; len > 0; buf = buf->next) {
		const uint32_t n = off < buf->data_len ? RTE_MIN(len, buf->data_len - off) : 0;
		struct rte_mbuf *part;

		if (n == 0) {
			off -= buf->data_len;
			continue;
		}
		part = rte_pktmbuf_alloc(t->conf.pool);
		if (!part)
			return false;
		/* Counts a reference: the data itself is only read. */
		rte_pktmbuf_attach(part, (struct rte_mbuf *)(uintptr_t)buf);
		part->data_off += (uint16_t)off;
		part->data_len = (uint16_t)n;
		last->next = part;
		last = part;
		m->nb_segs++;
		m->pkt_len += n;
		len -= n;
		off = 0;
	}
	return true;
}

static bool copy(struct rte_mbuf *m, const struct rte_mbuf *buf, uint32_t off, uint32_t len)
{
	uint8_t *to = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len);

	if (len > rte_pktmbuf_tailroom(m))
		return false;
	m->data_len += (uint16_t)len;
	m->pkt_len += len;
	for (; len > 0; buf = buf->next) {
		const uint32_t n = off < buf->data_len ? RTE_MIN(len, buf->data_len - off) : 0;

		if (n == 0) {
			off -= buf->data_len;
			continue;
		}
		memcpy(to, rte_pktmbuf_mtod_offset(buf, uint8_t *, off), n);
		to += n;
		len -= n;
		off = 0;
	}
	return true;
}

/* Left to the device, which wants the pseudo header's sum there. That has no ports; and where the
 * packet is to be cut up, no length. */
static void leave_to_device(
	struct rte_mbuf *m, const struct ends *e, uint16_t ip_len, uint32_t size)
{
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, ip_len);
	const uint32_t len = m->pkt_len - ip_len, header = tcp->data_off >> 4 << 2;
	uint64_t pseudo = (uint64_t)e->pseudo + (uint16_t)~e->sport + (uint16_t)~e->dport;

	m->l3_len = ip_len;
	m->l4_len = header;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	if (e->v6) {
		m->ol_flags |= RTE_MBUF_F_TX_IPV6;
	} else {
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
		rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *)->hdr_checksum = 0;
	}
	if (len - header > size) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
		m->tso_segsz = (uint16_t)size;
	} else {
		pseudo += rte_cpu_to_be_16((uint16_t)len);
	}
	tcp->cksum = wire_fold(pseudo);
}

/* size: bytes of data that one segment carries. */
static void checksum(const struct tcp *t, struct rte_mbuf *m, const struct ends *e, uint16_t ip_len,
	uint32_t size)
{
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, ip_len);
	const uint32_t len = m->pkt_len - ip_len;
	const uint64_t pseudo = (uint64_t)e->pseudo + rte_cpu_to_be_16((uint16_t)len);

	if (t->conf.offload) {
		leave_to_device(m, e, ip_len, size);
		return;
	}
	/* The ports are in the pseudo header's sum already. */
	tcp->cksum = (uint16_t)~wire_fold(wire_sum_mbuf(m, ip_len + 4u, len - 4, pseudo));
}

static struct rte_mbuf *make(struct tcp *t, const struct ends *e, const struct outgoing *out,
	const struct rte_mbuf *buf, uint32_t off, uint32_t len, uint32_t size)
{
	const uint16_t ip_len = e->v6 ? IPV6_HEADER : IPV4_HEADER;
	struct rte_mbuf *m = rte_pktmbuf_alloc(t->conf.pool);
	uint8_t *l3;

	if (!m)
		goto fail;
	l3 = rte_pktmbuf_mtod(m, uint8_t *);
	m->data_len = (uint16_t)(ip_len + write_tcp(l3 + ip_len, e, out));
	m->pkt_len = m->data_len;
	if (len > 0 && !(t->conf.linear || len <= COPY_MAX ? copy(m, buf, off, len)
							   : attach(t, m, buf, off, len)))
		goto fail;
	write_ip(l3, e, out->capable, m->pkt_len - ip_len);
	checksum(t, m, e, ip_len, size);
	tcp_counted(t, segments_out);
	return m;

fail:
	tcp_counted(t, no_buffer);
	rte_pktmbuf_free(m);
	return NULL;
}

/* Out is the way back: where the flow's packets come from is where these go. */
static void conn_ends(const struct tcp_conn *c, struct ends *e)
{
	const struct flow *f = c->flow;

	e->dst = flow_source(f, DIR_FORWARD, &e->dport);
	e->src = flow_destination(f, DIR_FORWARD, &e->sport);
	e->pseudo = c->pseudo;
	e->v6 = c->flags & CONN_V6;
}

bool tcp_emit(struct tcp_conn *c, const struct outgoing *out, const struct rte_mbuf *buf,
	uint32_t off, uint32_t len)
{
	struct tcp *t = c->tcp;
	struct addr dst = addr_from_v4(0);
	struct rte_mbuf *m;
	struct ends e;

	conn_ends(c, &e);
	m = make(t, &e, out, buf, off, len, out->size);
	if (!m)
		return false;
	if (e.v6)
		dst = addr_from_v6(e.dst);
	else
		memcpy(&dst.w[3], e.dst, 4);
	t->conf.net->output(t->conf.net_arg, m, &dst, &c->hop);
	return true;
}

bool tcp_emit_alone(struct tcp *t, const struct tuple *to, const struct outgoing *out)
{
	struct tcp_hop hop = { 0 };
	const bool v6 = !addr_is_v4(&to->src);
	const struct ends e = {
		.src = v6 ? (const void *)&to->src : &to->src.w[3],
		.dst = v6 ? (const void *)&to->dst : &to->dst.w[3],
		.sport = to->sport,
		.dport = to->dport,
		.pseudo = tcp_pseudo(to),
		.v6 = v6,
	};
	struct rte_mbuf *m = make(t, &e, out, NULL, 0, 0, 0);

	if (!m)
		return false;
	t->conf.net->output(t->conf.net_arg, m, &to->dst, &hop);
	return true;
}

void tcp_reset_reply(struct tcp *t, const struct arrival *a)
{
	const struct tuple in = pkt_tuple(a->p), to = tuple_reverse(&in);
	struct outgoing out = { .flags = TCP_RST, .o.wscale = TCPOPT_NO_SCALE };

	if (t->now_ms - t->reset_ms >= 1000) {
		t->reset_ms = t->now_ms;
		t->reset_tokens = RESETS_PER_S;
	}
	if (!t->reset_tokens) {
		tcp_counted(t, resets_held);
		return;
	}
	t->reset_tokens--;
	if (a->flags & TCP_ACK) {
		out.seq = a->ack;
	} else {
		out.ack = a->seq + arrival_length(a);
		out.flags |= TCP_ACK;
	}
	if (tcp_emit_alone(t, &to, &out))
		tcp_counted(t, resets_out);
}

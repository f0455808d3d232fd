/* SPDX-License-Identifier: BSD-3-Clause */
/* See proxied.h. Checksums take up what changes (RFC 1624). */
#include "proxied.h"

#include <rte_branch_prediction.h>
#include <rte_icmp.h>
#include <rte_tcp.h>

#include "net/tcpopt.h"
#include "quote.h"
#include "rewrite.h"

#define SEQ    offsetof(struct rte_tcp_hdr, sent_seq)
#define ACK    offsetof(struct rte_tcp_hdr, recv_ack)
#define WINDOW offsetof(struct rte_tcp_hdr, rx_win)

/* Options as nearly all segments have them: NOP, NOP, timestamps of 10 bytes. */
#define PLAIN_STAMP RTE_BE32(0x0101080a)
#define PLAIN_AT    24 /* of the first number */
#define PLAIN_LEN   32 /* of the header */

/* A number grows by so much; the difference that makes. */
static uint64_t put4(uint8_t *tcp, uint32_t at, uint32_t more)
{
	rte_be32_t from, to;
	uint64_t diff;

	memcpy(&from, tcp + at, 4);
	to = rte_cpu_to_be_32(rte_be_to_cpu_32(from) + more);
	memcpy(tcp + at, &to, 4);
	diff = wire_diff4(from, to);
	/* At an odd offset bytes stand in the other halves of words (RFC 1071, 2 B). */
	return at & 1 ? rte_bswap16(wire_fold(diff)) : diff;
}

static uint64_t put_window(uint8_t *tcp, int shift)
{
	rte_be16_t from, to;
	uint32_t window;

	memcpy(&from, tcp + WINDOW, 2);
	window = rte_be_to_cpu_16(from);
	window = shift > 0 ? RTE_MIN(window << shift, (uint32_t)UINT16_MAX) : window >> -shift;
	to = rte_cpu_to_be_16((uint16_t)window);
	memcpy(tcp + WINDOW, &to, 2);
	return wire_diff2(from, to);
}

/* Timestamp toward the client; echo and SACK toward the server. dir is a constant to callers. */
static uint64_t put_options(struct pkt *p, const struct flow_side *side, uint8_t dir)
{
	uint8_t *tcp = p->l4;
	const uint8_t header = (uint8_t)((tcp[offsetof(struct rte_tcp_hdr, data_off)] >> 4) * 4);
	struct tcp_options o = { .timestamp_at = PLAIN_AT };
	uint64_t diff = 0;
	uint32_t first;

	memcpy(&first, tcp + sizeof(struct rte_tcp_hdr), 4);
	if (unlikely(header != PLAIN_LEN || first != PLAIN_STAMP))
		tcp_options_read(tcp, &o);
	if (o.timestamp_at && side->stamps) {
		if (dir == DIR_RETURN)
			diff += put4(tcp, o.timestamp_at, side->stamp_delta);
		else if (p->tcp_flags & TCP_ACK) /* else the echo says nothing (RFC 7323 3.2) */
			diff += put4(tcp, o.timestamp_at + 4u, -side->stamp_delta);
	}
	for (unsigned int i = 0; dir == DIR_FORWARD && i < o.sack_blocks * 2u; i++)
		diff += put4(tcp, o.sack_at + 4 * i, -side->seq_delta);
	return diff;
}

void proxied_translate(struct l4 *l, struct pkt *p, const struct flow *f)
{
	const struct flow_side *side = flow_side(l->flows, f);
	const bool options =
		p->l4[offsetof(struct rte_tcp_hdr, data_off)] >> 4 > sizeof(struct rte_tcp_hdr) / 4;
	const int shift = side->window_shift[p->dir];
	uint64_t diff = 0;

	if (p->dir == DIR_RETURN) {
		diff += put4(p->l4, SEQ, side->seq_delta);
		if (options)
			diff += put_options(p, side, DIR_RETURN);
	} else {
		if (p->tcp_flags & TCP_ACK)
			diff += put4(p->l4, ACK, -side->seq_delta);
		if (options)
			diff += put_options(p, side, DIR_FORWARD);
	}
	if (shift && !(p->tcp_flags & TCP_SYN))
		diff += put_window(p->l4, shift);
	rewrite_l4_checksum(p, diff);
}

void proxied_quote(struct l4 *l, struct pkt *p, const struct icmp_quote *q, const struct flow *f)
{
	const uint32_t delta = flow_side(l->flows, f)->seq_delta;
	uint64_t diff = 0;

	/* What is quoted went the other way: the server's segment, seen by the client's side, or
	 * the client's, as it is on the server's. */
	if (p->dir == DIR_FORWARD)
		diff = put4(q->l4, SEQ, -delta);
	else if (q->l4_len >= ACK + 4)
		diff = put4(q->l4, ACK, delta);
	diff += quote_mend_l4(q, diff);
	quote_put_checksum(p->l4 + offsetof(struct rte_icmp_hdr, icmp_cksum), diff, false);
}

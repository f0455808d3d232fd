/* SPDX-License-Identifier: BSD-3-Clause */
#include "reset.h"

#include <rte_tcp.h>

#include "segment.h"

/* Bytes of sequence space the segment takes. */
static uint32_t segment_length(const struct pkt *p, const struct rte_tcp_hdr *tcp)
{
	return p->l4_len - (uint32_t)(tcp->data_off >> 4) * 4 + !!(p->tcp_flags & TCP_SYN) +
	       !!(p->tcp_flags & TCP_FIN);
}

void reset_reply(struct net_worker *w, const struct pkt *p)
{
	const struct rte_tcp_hdr *in = (const struct rte_tcp_hdr *)p->l4;
	const struct tuple tuple = pkt_tuple(p), back = tuple_reverse(&tuple);
	struct segment s = { .flags = TCP_RST, .options = SEGMENT_NO_OPTIONS };
	struct pkt made;

	if (p->tcp_flags & TCP_RST)
		return;
	if (p->tcp_flags & TCP_ACK) {
		s.seq = rte_be_to_cpu_32(in->recv_ack);
	} else {
		s.ack = rte_be_to_cpu_32(in->sent_seq) + segment_length(p, in);
		s.flags |= TCP_ACK;
	}
	if (segment_make(w, &back, &s, &made))
		net_send(w, made.mbuf, 0, &back.dst);
}

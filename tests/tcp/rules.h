/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What holds for every segment that a connection sends, whatever the case is about: it carries no
 * more than the peer's MSS (RFC 6691) and stays in the window (RFC 9293 3.8.6); what is
 * acknowledged and the end of our window never go back (RFC 7323 2.4), nor does our clock; options
 * are those that were agreed on (RFC 7323 3.2, RFC 2018 2).
 */
#ifndef TCP_RULES_H
#define TCP_RULES_H

#include "segment.h"

/* Of a SYN. */
struct rules_offer {
	uint32_t mss;
	bool scale, stamps, sack;
	uint8_t shift;
};

struct rules {
	bool v6;
	bool began, agreed; /* a SYN was sent; and anything after it, when the offers count */
	uint32_t isn;       /* of that SYN */
	struct rules_offer our, peer;
	bool has_edge;
	uint32_t peer_edge; /* the end of the peer's window, as far as it ever was */
	bool has_sent;
	uint32_t ack, our_edge, stamp; /* that were sent last */
};

/* A segment of the peer comes: a frame of segment_build(). */
void rules_came(struct rules *r, const struct frame *f);

/* A segment is sent. NULL, or which rule it breaks. */
const char *rules_sent(struct rules *r, const struct seg_sent *s);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#include "rules.h"

#include <string.h>

#define MSS       2
#define WSCALE    3
#define SACK_OK   4
#define SACK      5
#define STAMP     8
#define MSS_LEAST 64 /* less is not believed */

static bool is_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static struct rules_offer offer_of(const struct seg_sent *s, bool v6)
{
	const uint8_t *mss = segment_option(s, MSS), *scale = segment_option(s, WSCALE);
	struct rules_offer o = { .mss = v6 ? 1220 : 536 };

	if (mss && mss[1] == 4)
		o.mss = (uint32_t)mss[2] << 8 | mss[3];
	if (o.mss < MSS_LEAST)
		o.mss = MSS_LEAST;
	o.scale = scale && scale[1] == 3;
	o.shift = !o.scale ? 0 : scale[2] > 14 ? 14 : scale[2];
	o.stamps = segment_option(s, STAMP) != NULL;
	o.sack = segment_option(s, SACK_OK) != NULL;
	return o;
}

static unsigned int shift(const struct rules *r, const struct rules_offer *o)
{
	return r->our.scale && r->peer.scale ? o->shift : 0;
}

void rules_came(struct rules *r, const struct frame *f)
{
	struct seg_sent s = { 0 };
	struct frame copy = *f;
	uint32_t edge;

	if (segment_read(&copy, &s) || s.flags & SEG_RST)
		return;
	if (s.flags & SEG_SYN && !r->agreed)
		r->peer = offer_of(&s, r->v6);
	if (!(s.flags & SEG_ACK) || !r->began)
		return;
	edge = s.ack + ((uint32_t)s.win << (s.flags & SEG_SYN ? 0 : shift(r, &r->peer)));
	if (!r->has_edge || is_after(edge, r->peer_edge))
		r->peer_edge = edge;
	r->has_edge = true;
}

/* A connection begins. A SYN of the peer may have come already. */
static void begin(struct rules *r, const struct seg_sent *s)
{
	const bool again = r->began && r->isn == s->seq;

	if (!again) {
		r->agreed = r->has_edge = r->has_sent = false;
		r->isn = s->seq;
		r->began = true;
	}
	r->our = offer_of(s, r->v6);
}

static const char *check_options(const struct rules *r, const struct seg_sent *s)
{
	const bool stamps = r->our.stamps && r->peer.stamps, sack = r->our.sack && r->peer.sack;

	if (stamps && !segment_option(s, STAMP))
		return "no timestamps";
	if (!stamps && segment_option(s, STAMP))
		return "timestamps that were not agreed on";
	if (!sack && segment_option(s, SACK))
		return "SACK that was not agreed on";
	if (segment_option(s, MSS) || segment_option(s, WSCALE) || segment_option(s, SACK_OK))
		return "options of a SYN";
	if (s->len + (s->len ? s->n_options : 0) > r->peer.mss)
		return "more than the peer's MSS";
	return NULL;
}

static const char *check_progress(struct rules *r, const struct seg_sent *s)
{
	const uint32_t edge = s->ack + ((uint32_t)s->win << shift(r, &r->our));
	const uint8_t *o = segment_option(s, STAMP);
	const uint32_t stamp =
		!o ? 0 : (uint32_t)o[2] << 24 | (uint32_t)o[3] << 16 | (uint32_t)o[4] << 8 | o[5];
	const char *wrong = NULL;

	if (r->has_sent && is_after(r->ack, s->ack))
		wrong = "an acknowledgement that goes back";
	else if (r->has_sent && is_after(r->our_edge, edge))
		wrong = "a window that shrinks";
	else if (r->has_sent && o && is_after(r->stamp, stamp))
		wrong = "a timestamp that goes back";
	r->has_sent = true;
	r->ack = s->ack;
	r->our_edge = edge;
	r->stamp = stamp;
	return wrong;
}

const char *rules_sent(struct rules *r, const struct seg_sent *s)
{
	const char *wrong;

	if (s->flags & SEG_RST)
		return NULL;
	if (s->flags & SEG_SYN) {
		begin(r, s);
		return s->len ? "data in a SYN" : NULL;
	}
	r->agreed = true;
	if (s->len && (!r->has_edge || is_after(s->seq + s->len, r->peer_edge)))
		return "data beyond the peer's window";
	wrong = check_options(r, s);
	return wrong ? wrong : check_progress(r, s);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "way.h"

#define ARP        0x0806
#define IPV6       0x86dd
#define HOP_BY_HOP 0
#define ICMPV6     58

void way_init(struct way *w, const struct way_profile *p, uint64_t seed, unsigned int number)
{
	*w = (struct way){ .profile = *p };
	harm_init(&w->harm, &p->harm, seed, number);
	STAILQ_INIT(&w->link);
	STAILQ_INIT(&w->queue);
	STAILQ_INIT(&w->held);
}

static struct frame *pop(struct way *w, struct frames *from)
{
	struct frame *f = STAILQ_FIRST(from);

	STAILQ_REMOVE_HEAD(from, next);
	w->frames--;
	return f;
}

void way_clear(struct way *w)
{
	struct frames *const all[] = { &w->link, &w->queue, &w->held };

	for (unsigned int i = 0; i < 3; i++)
		while (!STAILQ_EMPTY(all[i]))
			free(pop(w, all[i]));
}

/* ARP, ND (RFC 4861: ICMPv6 133 to 137) and MLD, which alone has a hop-by-hop header in front of
 * its ICMPv6 (RFC 2710 section 3, RFC 3810 section 5). */
static bool is_link(const uint8_t *data, uint32_t len)
{
	const uint8_t *ip = data + WAY_HEADER;
	const uint8_t *after = ip + 40;
	unsigned int type;

	if (len < WAY_HEADER)
		return true; /* nothing behind the header that could be harmed */
	type = data[12] << 8 | data[13];
	if (type != IPV6 || len < WAY_HEADER + 48)
		return type == ARP;
	if (ip[6] == HOP_BY_HOP)
		return after[0] == ICMPV6;
	return ip[6] == ICMPV6 && after[0] >= 133 && after[0] <= 137;
}

static struct frame *copy(struct way *w, struct frames *to, const uint8_t *data, uint32_t len)
{
	struct frame *f = malloc(sizeof(*f) + len);

	if (!f)
		return NULL;
	*f = (struct frame){ .len = len };
	memcpy(f->data, data, len);
	STAILQ_INSERT_TAIL(to, f, next);
	w->frames++;
	return f;
}

/* When the last byte of a frame that comes now is through the bottleneck; false where the queue in
 * front of it is full. */
static bool bottleneck(struct way *w, uint32_t len, uint64_t now, uint64_t *done)
{
	const struct way_profile *p = &w->profile;
	const double start = w->busy_until > (double)now ? w->busy_until : (double)now;
	const double end = start + len * p->byte_ns;

	if (w->frames >= WAY_FRAMES || end - (double)now > p->queue * p->byte_ns)
		return false;
	w->busy_until = end;
	*done = p->byte_ns > 0 ? (uint64_t)end : now;
	return true;
}

static int enqueue(
	struct way *w, const uint8_t *data, uint32_t len, const struct harm_choice *c, uint64_t now)
{
	const struct way_profile *p = &w->profile;
	struct frame *f;
	uint64_t done;

	if (!bottleneck(w, len, now, &done)) {
		w->counters.queue_full++;
		return 0;
	}
	f = copy(w, &w->queue, data, len);
	if (!f)
		return -ENOMEM;
	if (c->corrupt) {
		const uint64_t bit = c->bit % ((len - WAY_HEADER) * 8);

		f->data[WAY_HEADER + bit / 8] ^= 1 << bit % 8;
	}
	/* Jitter keeps the order: a frame that would overtake leaves with the one in front. */
	f->due = done + p->delay_ns + (int64_t)(c->jitter * (double)p->jitter_ns);
	if (f->due < w->last_due)
		f->due = w->last_due;
	w->last_due = f->due;
	f->hold = c->reorder;
	return 0;
}

int way_put(struct way *w, const uint8_t *data, uint32_t len, uint64_t now)
{
	struct harm_choice choice;
	int rc;

	w->counters.received++;
	w->counters.bytes += len;
	if (is_link(data, len)) {
		w->counters.link++;
		return copy(w, &w->link, data, len) ? 0 : -ENOMEM;
	}
	if (w->profile.mtu && len > WAY_HEADER + w->profile.mtu) {
		w->counters.too_big++;
		return 0;
	}
	harm_choose(&w->harm, &choice);
	choice.corrupt &= len > WAY_HEADER;
	w->counters.lost += choice.lose;
	w->counters.corrupted += choice.corrupt;
	w->counters.duplicated += choice.duplicate;
	rc = choice.lose ? 0 : enqueue(w, data, len, &choice, now);
	if (!rc && choice.duplicate)
		rc = enqueue(w, data, len, &choice, now);
	return rc;
}

static struct frame *out(struct way *w, struct frames *from)
{
	w->counters.out++;
	return pop(w, from);
}

/* Whether the frame that has been held longest has to go: enough others have passed it, or its time
 * is over. Who comes late finds the order that it would have found in time. */
static bool hold_over(const struct way *w, uint64_t now)
{
	const struct frame *held = STAILQ_FIRST(&w->held), *queued = STAILQ_FIRST(&w->queue);

	if (!held)
		return false;
	if (w->passed - held->passed >= w->profile.hold_frames)
		return true;
	return held->due <= now && (!queued || held->due <= queued->due);
}

static void hold_first(struct way *w)
{
	struct frame *f = STAILQ_FIRST(&w->queue);

	STAILQ_REMOVE_HEAD(&w->queue, next);
	f->due += w->profile.hold_ns;
	f->passed = w->passed;
	STAILQ_INSERT_TAIL(&w->held, f, next);
	w->counters.held++;
}

struct frame *way_take(struct way *w, uint64_t now)
{
	const struct frame *f;

	if (!STAILQ_EMPTY(&w->link))
		return out(w, &w->link);
	for (;;) {
		if (hold_over(w, now)) {
			f = STAILQ_FIRST(&w->held);
			w->counters.reordered += w->passed > f->passed;
			return out(w, &w->held);
		}
		f = STAILQ_FIRST(&w->queue);
		if (!f || f->due > now)
			return NULL;
		if (!f->hold) {
			w->passed++;
			return out(w, &w->queue);
		}
		hold_first(w);
	}
}

uint64_t way_next(const struct way *w)
{
	const struct frame *queued = STAILQ_FIRST(&w->queue), *held = STAILQ_FIRST(&w->held);
	uint64_t next = UINT64_MAX;

	if (!STAILQ_EMPTY(&w->link))
		return 0;
	if (queued)
		next = queued->due;
	if (held && held->due < next)
		next = held->due;
	return next;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timer wheel. What always holds: a node in slot s of level k fires when the level's own clock,
 * now >> 2k, reaches the one number in (now >> 2k, (now >> 2k) + 255] that is s modulo 256. While
 * an advance is cut short by its max, `now` stays, so this stays true of what has not fired yet.
 */
#include "wheel.h"

#include "invariant.h"

#define LEVEL_SHIFT 2 /* a level's slots are 4 times as long as those of the level below */
#define SLOT_MASK   (WHEEL_SLOTS - 1)

static inline struct wheel_node *node(const struct wheel *w, uint32_t i)
{
	return (struct wheel_node *)(w->base + (size_t)i * w->stride);
}

void wheel_init(struct wheel *w, void *base, size_t stride, uint32_t tick_shift, uint32_t now_ms)
{
	*w = (struct wheel){
		.base = base, .stride = stride, .tick_shift = tick_shift, .now_ms = now_ms
	};
	for (unsigned int s = 0; s <= WHEEL_DUE; s++)
		w->slot[s] = WHEEL_NIL;
}

/* Makes first the first node of a slot, WHEEL_NIL none. */
static void slot_set(struct wheel *w, uint32_t s, uint32_t first)
{
	w->slot[s] = first;
	if (first != WHEEL_NIL)
		node(w, first)->prev = WHEEL_HEAD | s;
	if (s < WHEEL_DUE) {
		uint64_t *word = &w->used[s / WHEEL_SLOTS][s % WHEEL_SLOTS / 64];
		uint64_t bit = 1ull << (s % 64);

		*word = first != WHEEL_NIL ? *word | bit : *word & ~bit;
	}
}

/* The slot of a time, in the finest level that reaches it. */
static uint32_t slot_of(const struct wheel *w, uint32_t at_ms)
{
	int32_t ms = (int32_t)(at_ms - w->now_ms);
	uint64_t at, wait = 0, to = 0;
	unsigned int level;

	if (ms <= 0)
		return WHEEL_DUE;
	/* Rounded up, here and for the level: never before its time. */
	at = w->now + (((uint64_t)(uint32_t)ms + (1ull << w->tick_shift) - 1) >> w->tick_shift);
	for (level = 0; level < WHEEL_LEVELS; level++) {
		unsigned int shift = level * LEVEL_SHIFT;

		to = (at + (1ull << shift) - 1) >> shift;
		wait = to - (w->now >> shift);
		if (wait < WHEEL_SLOTS)
			return level * WHEEL_SLOTS + (to & SLOT_MASK);
	}
	level--;
	to -= wait - SLOT_MASK;
	return level * WHEEL_SLOTS + (to & SLOT_MASK);
}

void wheel_arm(struct wheel *w, uint32_t i, uint32_t at_ms)
{
	struct wheel_node *n = node(w, i);
	uint32_t s;

	x_assert(i < WHEEL_HEAD);
	if (wheel_is_armed(n))
		wheel_disarm(w, i);
	s = slot_of(w, at_ms);
	n->next = w->slot[s];
	if (n->next != WHEEL_NIL)
		node(w, n->next)->prev = i;
	slot_set(w, s, i);
	w->armed++;
}

void wheel_disarm(struct wheel *w, uint32_t i)
{
	struct wheel_node *n = node(w, i);

	if (!wheel_is_armed(n))
		return;
	if (n->prev & WHEEL_HEAD) {
		slot_set(w, n->prev & ~WHEEL_HEAD, n->next);
	} else {
		node(w, n->prev)->next = n->next;
		if (n->next != WHEEL_NIL)
			node(w, n->next)->prev = n->prev;
	}
	wheel_node_init(n);
	w->armed--;
}

/* Takes at most max nodes from the head of a slot. */
static unsigned int slot_take(struct wheel *w, uint32_t s, uint32_t *out, unsigned int max)
{
	uint32_t i = w->slot[s];
	unsigned int n = 0;

	while (i != WHEEL_NIL && n < max) {
		struct wheel_node *taken = node(w, i);

		out[n++] = i;
		i = taken->next;
		wheel_node_init(taken);
	}
	if (n > 0)
		slot_set(w, s, i);
	w->armed -= n;
	return n;
}

/* The first slot at or after `from` and before `end` (numbers of the level's clock, end - from at
 * most WHEEL_SLOTS) that is not empty; end if there is none. */
static uint64_t next_used(const struct wheel *w, unsigned int level, uint64_t from, uint64_t end)
{
	while (from < end) {
		unsigned int s = from & SLOT_MASK;
		uint64_t word = w->used[level][s / 64] >> (s % 64);

		if (word) {
			from += (unsigned int)__builtin_ctzll(word);
			return from < end ? from : end;
		}
		from += 64 - s % 64;
	}
	return end;
}

unsigned int wheel_advance(struct wheel *w, uint32_t now_ms, uint32_t *out, unsigned int max)
{
	int32_t ms = (int32_t)(now_ms - w->now_ms);
	uint64_t target = w->now + (ms > 0 ? (uint32_t)ms >> w->tick_shift : 0);
	unsigned int n = slot_take(w, WHEEL_DUE, out, max);

	for (unsigned int level = 0; level < WHEEL_LEVELS; level++) {
		unsigned int shift = level * LEVEL_SHIFT;
		uint64_t from = (w->now >> shift) + 1, end = (target >> shift) + 1;

		if (from >= end)
			break; /* nor has a coarser clock moved */
		if (end - from > WHEEL_SLOTS)
			end = from + WHEEL_SLOTS;
		while ((from = next_used(w, level, from, end)) < end) {
			if (n == max)
				return n;
			n += slot_take(
				w, level * WHEEL_SLOTS + (from & SLOT_MASK), out + n, max - n);
		}
	}
	/* Nothing but WHEEL_DUE can have anything left. */
	w->now_ms += (uint32_t)(target - w->now) << w->tick_shift;
	w->now = target;
	return n;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A timer wheel of several resolutions (after Varghese and Lauck 1987, scheme 7) over nodes named
 * by a 32-bit index, so that a node costs 8 bytes inside whatever it times. The owner keeps the
 * nodes in an array of its own and tells the wheel how to reach them: base address and stride.
 *
 * Level k has 256 slots of 4^k ticks each. A node goes into the finest level that reaches its time
 * and stays there until it fires: nothing ever cascades, so a timer costs two list operations in
 * its life. The price is that a far time is rounded up to its level's slot.
 *
 * Time is in milliseconds (32 bits, wrapping; what is less than 2^31 ahead is the future); the
 * wheel's tick is 2^tick_shift ms. A node never fires before its time. It is due less than two
 * ticks after it if it was armed for at most 254 ticks ahead, else at most two ticks and 1/63 of
 * the time it was armed for later. Times beyond the wheel's reach (4 million ticks) fire there:
 * owners re-arm what they find alive ("lazy" timers: a packet only stamps).
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_LEVELS 8
#define WHEEL_SLOTS  256
#define WHEEL_DUE    (WHEEL_LEVELS * WHEEL_SLOTS) /* a slot more: armed for what was the past */
#define WHEEL_NIL    UINT32_MAX

/* 8 bytes in each timed thing. Unarmed: prev == WHEEL_NIL. A first node's prev names its slot:
 * WHEEL_HEAD | slot number. Indices stay below WHEEL_HEAD. */
#define WHEEL_HEAD 0x80000000u
struct wheel_node {
	uint32_t next, prev;
};

struct wheel {
	char *base; /* node i is at base + i * stride */
	size_t stride;
	uint64_t
		now; /* ticks since wheel_init(); nothing armed is before it, except in WHEEL_DUE */
	uint32_t now_ms; /* when this tick began */
	uint32_t tick_shift;
	uint32_t armed;                                /* nodes in the wheel */
	uint32_t slot[WHEEL_DUE + 1];                  /* first node, or WHEEL_NIL */
	uint64_t used[WHEEL_LEVELS][WHEEL_SLOTS / 64]; /* bit: slot not empty */
};

/* base: address of the node of index 0; stride: bytes from one to the next. now_ms: current time.
 */
void wheel_init(struct wheel *w, void *base, size_t stride, uint32_t tick_shift, uint32_t now_ms);

/* Makes a node unarmed without looking at what it was. */
static inline void wheel_node_init(struct wheel_node *n)
{
	n->next = n->prev = WHEEL_NIL;
}

static inline bool wheel_is_armed(const struct wheel_node *n)
{
	return n->prev != WHEEL_NIL;
}

/* Arms node i for at_ms, moving it if it is armed. A time in the past fires at the next advance, or
 * at the latest with the next tick. */
void wheel_arm(struct wheel *w, uint32_t i, uint32_t at_ms);

/* Disarms node i; nothing happens if it is not armed. */
void wheel_disarm(struct wheel *w, uint32_t i);

/* Moves time forward and takes at most max nodes that are due: their indices go to out, unarmed.
 * Returns how many. Less than max means that nothing else is due at now_ms; otherwise call again
 * (this burst or the next: the rest stay due and can still be disarmed or re-armed).
 * The work is bounded by max plus a constant, also after a long pause. */
unsigned int wheel_advance(struct wheel *w, uint32_t now_ms, uint32_t *out, unsigned int max);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hierarchical timer wheel (Varghese and Lauck 1987) over nodes named by a 32-bit index, so that
 * a node costs 8 bytes inside whatever it times. The owner keeps the nodes in an array of its own
 * and tells the wheel how to reach them: base address, stride and the offset of struct wheel_node.
 *
 * Time is in milliseconds (32 bits, wrapping); the wheel's tick is 2^tick_shift ms. A node fires at
 * the first advance at or after its time, never before. Times further away than the wheel reaches
 * fire at its horizon: owners re-arm what they find alive ("lazy" timers: a packet only stamps).
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_LEVELS 4
#define WHEEL_SLOTS  256
#define WHEEL_NIL    UINT32_MAX

/* 8 bytes in each timed thing. Unarmed: prev == WHEEL_NIL and next == WHEEL_NIL. A first node's
 * prev names its slot: WHEEL_HEAD | slot number. Indices stay below WHEEL_HEAD. */
#define WHEEL_HEAD 0x80000000u
struct wheel_node {
	uint32_t next, prev;
};

struct wheel {
	char *base; /* node i is at base + i * stride */
	size_t stride;
	uint32_t now;  /* tick last advanced to */
	uint32_t tick_shift;
	uint32_t armed;                              /* nodes in the wheel */
	uint32_t slot[WHEEL_LEVELS * WHEEL_SLOTS];   /* first node, or WHEEL_NIL */
	uint64_t used[WHEEL_LEVELS * WHEEL_SLOTS / 64]; /* bit: slot not empty */
	uint32_t due;                                /* nodes taken out but not fired yet */
};

/* base: address of the node of index 0; stride: bytes from one to the next. now_ms: current time. */
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

/* Arms node i for at_ms, moving it if it is armed. A time in the past fires at the next advance. */
void wheel_arm(struct wheel *w, uint32_t i, uint32_t at_ms);

/* Disarms node i; nothing happens if it is not armed. */
void wheel_disarm(struct wheel *w, uint32_t i);

/* Moves time forward and takes at most max nodes that are due: their indices go to out, unarmed.
 * Returns how many. Less than max means that nothing else is due at now_ms; otherwise call again
 * (this burst or the next: the rest stay due and can still be disarmed or re-armed).
 * The work is bounded by max plus a constant, also after a long pause. */
unsigned int wheel_advance(struct wheel *w, uint32_t now_ms, uint32_t *out, unsigned int max);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One direction of the relay: frames go in, and come out harmed, late, twice, or not at all. Knows
 * neither sockets nor clocks: time is an argument, in nanoseconds of any monotonic clock.
 *
 * A frame's way: MTU, harm, queue of the bottleneck (rate), delay, and for some a hold, while later
 * ones pass. Only the hold changes the order. What a link itself needs (ARP, ND, MLD) is handed on
 * at once, and no choice is made for it, so that the choices for the rest do not depend on it.
 *
 * main.c calls way_put() for what it receives, then way_take() until there is nothing more, and
 * comes back at way_next() at the latest.
 */
#ifndef RELAY_WAY_H
#define RELAY_WAY_H

#include <stddef.h>
#include <sys/queue.h>

#include "harm.h"

/* Of an Ethernet header without tags. */
#define WAY_HEADER 14
/* Frames that a way holds at most. */
#define WAY_FRAMES 65536

struct way_profile {
	struct harm_profile harm;
	unsigned int hold_frames; /* a frame that is held goes when as many later ones have, */
	uint64_t hold_ns;         /* or after this time */
	uint64_t delay_ns;        /* of each frame, */
	uint64_t jitter_ns;       /* give or take as much, which is no more than the delay */
	double byte_ns;           /* time that the bottleneck needs for a byte; 0: none */
	uint32_t queue;           /* bytes that wait for it at most, the frame in it included */
	uint32_t mtu;             /* bytes behind the Ethernet header; 0: any */
};

/* In frames, but for `bytes`. received = link + too_big + lost + those that harm let through. */
struct way_counters {
	uint64_t received, bytes;
	uint64_t link; /* handed on unharmed: ARP, ND, MLD */
	uint64_t too_big, lost;
	uint64_t duplicated, corrupted;
	uint64_t queue_full; /* copies dropped by the bottleneck, or by WAY_FRAMES */
	uint64_t held;       /* copies held back, of which */
	uint64_t reordered;  /* so many were in fact passed by later ones */
	uint64_t out;        /* copies and link frames that came out */
};

struct frame {
	STAILQ_ENTRY(frame) next;
	uint64_t due;    /* leaves not before this time */
	uint64_t passed; /* the way's count when it was held */
	bool hold;
	uint32_t len;
	uint8_t data[];
};

STAILQ_HEAD(frames, frame);

struct way {
	struct way_profile profile;
	struct harm harm;
	struct way_counters counters;
	struct frames link, queue, held; /* the latter two in order of `due` */
	uint64_t passed;                 /* frames that came out without a hold */
	uint64_t last_due;
	double busy_until; /* when the bottleneck has sent all that waits for it */
	unsigned int frames;
};

/* The profile is copied. `number` tells the ways of a seed apart. */
void way_init(struct way *w, const struct way_profile *p, uint64_t seed, unsigned int number);

/* Frees the frames that are still in it. */
void way_clear(struct way *w);

/* A frame has come. The data is copied. -ENOMEM, or 0 whatever becomes of the frame. */
int way_put(struct way *w, const uint8_t *data, uint32_t len, uint64_t now);

/* The next frame that has to leave by now, or NULL. The caller frees it. */
struct frame *way_take(struct way *w, uint64_t now);

/* When way_take() has something next, if nothing comes before; UINT64_MAX for never. */
uint64_t way_next(const struct way *w);

#endif

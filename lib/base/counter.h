/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters: each has one writer (a worker or the control core) and any number of readers. The
 * writer adds without a locked instruction; a reader on another core sees a whole value, perhaps
 * a little old. Nothing is ever reset: whoever wants a rate subtracts.
 */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdint.h>

static inline void counter_add(uint64_t *c, uint64_t n)
{
#ifdef __x86_64__
	/* One instruction, which the compiler would not make of an atomic load and store. */
	__asm__("addq %1, %0" : "+m"(*c) : "er"(n));
#else
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
#endif
}

static inline uint64_t counter_read(const uint64_t *c)
{
	return __atomic_load_n(c, __ATOMIC_RELAXED);
}

/* Packets and bytes of something in both directions, and its flows. Bytes are those of the IP
 * datagram. "in" is from the client. */
struct traffic {
	uint64_t packets_in, bytes_in; /* in order: traffic_count() counts on it */
	uint64_t packets_out, bytes_out;
	uint64_t flows_opened, flows_closed; /* active = opened - closed */
	uint64_t refused;                    /* new flows turned away */
	uint64_t overflowed;                 /* new flows that a limit sent to another server */
};

/* What access lists and rates of sources keep from a service. */
struct guarded {
	uint64_t denied;    /* packets of clients that may not open flows */
	uint64_t over_rate; /* new flows of sources that are too fast */
	uint64_t cut;       /* flows closed because their client may no longer have them */
};

/* A packet of so many bytes; out: from the server, 0 or 1. */
static inline void traffic_count(struct traffic *t, unsigned int out, uint64_t bytes)
{
	uint64_t *pair = &t->packets_in + 2 * out;

	counter_add(&pair[0], 1);
	counter_add(&pair[1], bytes);
}

#endif

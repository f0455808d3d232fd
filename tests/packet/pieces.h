/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments for the packet tests: a frame cut into some, and what the balancer sent put together
 * again. As frame.h: nothing here uses lib/, and what is put together is believed nothing.
 */
#ifndef PACKET_PIECES_H
#define PACKET_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIECES_FRAME (14 + 65535)

/* One fragment, as a frame. */
struct piece {
	size_t len;
	uint8_t data[2048];
};

/* Cuts a frame (untagged, no options or extension headers) into fragments that carry `each` bytes
 * of its payload, a multiple of 8, the last one the rest. Returns how many; out has room for max.
 */
unsigned int pieces_cut(const uint8_t *frame, size_t len, size_t each, uint32_t id,
	struct piece *out, unsigned int max);

/* What has come of one datagram. */
struct whole {
	bool used;
	uint8_t key[41];
	uint32_t got, total; /* bytes of payload; total 0: not known yet */
	unsigned int n;      /* fragments */
	uint32_t longest;    /* of them, bytes from the IP header on */
	size_t head;         /* bytes of headers in front of the payload */
	uint8_t data[PIECES_FRAME];
	bool have[65536 / 8]; /* by eight bytes */
};

#define PIECES_MAX 16

struct pieces {
	struct whole whole[PIECES_MAX];
};

/* Whether the frame is a fragment. */
bool pieces_is_fragment(const uint8_t *frame, size_t len);

/* Takes a fragment. Returns the datagram as a frame when it is complete, good until the next call;
 * NULL before. *wrong: NULL, or what is wrong with it. */
struct whole *pieces_add(
	struct pieces *p, const uint8_t *frame, size_t len, size_t *whole_len, const char **wrong);

#endif

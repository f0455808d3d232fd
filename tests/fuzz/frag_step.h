/* SPDX-License-Identifier: BSD-3-Clause */
/* The input of frag_fuzz.c: a byte of FRAG_CHOOSE_*, then steps, each a fragment or a run of them.
 */
#ifndef FRAG_STEP_H
#define FRAG_STEP_H

#include <stdint.h>

#define FRAG_CHOOSE_LARGE 0x01 /* 1024 mbufs may wait, not 16 */
#define FRAG_CHOOSE_LATE  0x02 /* the clock is about to go round */

/* frag_step.what */
#define FRAG_V6       0x01
#define FRAG_HOST     0x02 /* the second of the two hosts */
#define FRAG_MORE     0x04 /* the last of the run is not the end either */
#define FRAG_SEGMENTS 0x08 /* in two mbufs */
#define FRAG_BACK     0x10 /* the run goes from its end to its beginning */
#define FRAG_IDS      0x20 /* the run is one of datagrams, not of parts of one */
#define FRAG_SPOIL    0x40 /* a byte of the headers is another one */

struct frag_step {
	uint8_t what;
	uint8_t id;
	uint8_t where[2]; /* 3 bits: which protocol; 13 bits: offset in units of 8 bytes */
	uint8_t len;      /* of payload, in units of 8 bytes */
	uint8_t rest;     /* 3 bits: words of IPv4 options, or IPv6 extension headers; 2 bits: ECN;
			   * 3 bits: bytes of payload besides */
	uint8_t run;      /* fragments besides the first */
	uint8_t pause;    /* its square is what time passes before, ms */
	uint8_t at;       /* what is spoilt; kinds of IPv6 extension headers, 2 bits each */
	uint8_t with;     /* the bits that change there; what the payload begins with */
};

_Static_assert(sizeof(struct frag_step) == 10, "as it is in corpus/frag");

#endif

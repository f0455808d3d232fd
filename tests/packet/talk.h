/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections for packet tests, spoken by hand: what a client and the server that it got say to
 * each other. Every packet must come out, or the test fails; over UDP the flags do not matter.
 */
#ifndef PACKET_TALK_H
#define PACKET_TALK_H

#include "harness.h"

#define TCP 6
#define UDP 17

/* A service and who speaks to it. */
struct where {
	const char *name;
	uint8_t proto;
	const char *client, *vip;
};

struct talk {
	struct harness *h;
	const struct where *at;
	uint16_t sport;
	struct frame last; /* as the server got it */
};

struct talk talk_of(struct harness *h, const struct where *at, uint16_t sport);

/* A packet of the client, by itself, */
struct frame talk_frame(const struct where *at, uint16_t sport, uint8_t flags);
/* and the first one of a connection, sent; what becomes of it is the caller's to see. */
void talk_first(struct harness *h, const struct where *at, uint16_t sport);

/* The client or the server says something. */
void talk_client(struct talk *t, uint8_t flags);
void talk_server(struct talk *t, uint8_t flags);

/* A handshake, or a question and its answer. */
void talk_establish(struct talk *t);
/* Data passes both ways, to the server that had it before. */
void talk_goes_on(struct talk *t);
/* The first packet comes again, and goes where it went. */
void talk_again(struct talk *t);
/* So many more packets of the client go where the last one went. */
void talk_more(struct talk *t, unsigned int n);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handshake with the server, for a client that has come back with a SYN cookie.
 *
 *   handshake_begin()    flow opened -> SYN to the server            flow: CONN_SYN
 *   handshake_retry()    no answer for 1, 2, 4 s -> SYN again, twice; then given up
 *   handshake_packet()   SYN-ACK -> our ACK, or what has waited      flow: CONN_ESTABLISHED
 *                        RST, or given up -> RST to the client       flow: closed
 *                        the client's segments meanwhile wait, its RST ends it
 *
 * A flow of a proxied mode is in CONN_SYN as long as its handshake goes on, and never again. What
 * is needed meanwhile is in a table of a worker's own; the flow's struct flow_side names the place.
 * Packets of the client that wait are few for a flow and bounded in all: what finds no room is
 * dropped, and the client sends it again. Of places and of waiting packets a service has as many as
 * are left to the others at most: dead servers are no service's but their own to suffer. When the
 * server has answered they run through the pipeline anew.
 */
#ifndef L4_HANDSHAKE_H
#define L4_HANDSHAKE_H

#include "l4/l4.h"

struct handshakes;
struct synproxy_client;

/* NULL where there is no memory. */
struct handshakes *handshakes_create(int socket);
/* Frees packets that wait too. */
void handshakes_destroy(struct handshakes *h);

uint64_t handshakes_bytes(void);

/* Whether there is room for one more of the service. */
bool handshake_room(const struct l4 *l, const struct service *service);

/* What a service has of something, and may have at most as long as others have what they have. */
struct handshake_share {
	uint16_t service; /* its slot */
	uint32_t used, max;
};

/* Of all services the one that is nearest its share: of handshakes that go on, of buffers of
 * packets that wait. Any core. */
struct handshake_share handshake_fullest(const struct l4 *l);
struct handshake_share handshake_hold_fullest(const struct l4 *l);

/* f has just been opened, for the client whose segment p is. p is taken. There is room. */
void handshake_begin(
	struct l4 *l, struct pkt *p, struct flow *f, const struct synproxy_client *client);

/* A packet, either way, of a flow whose handshake goes on; may close the flow. */
void handshake_packet(struct l4 *l, struct pkt *p, struct flow *f);

/* When (ms) the SYN is sent again, or the handshake given up. */
uint32_t handshake_deadline(const struct l4 *l, const struct flow *f);

/* That moment has come. False: the flow is to be closed. */
bool handshake_retry(struct l4 *l, struct flow *f);

/* The client of a handshake that goes on need not be told of its end. */
void handshake_hush(struct l4 *l, const struct flow *f);

/* The flow is about to be closed; if the handshake still goes on, the client hears a RST. */
void handshake_end(struct l4 *l, struct flow *f);

/* Packets, at most max, that have waited and are to run through the pipeline now. */
unsigned int handshake_take(struct l4 *l, struct rte_mbuf **out, unsigned int max);

#endif

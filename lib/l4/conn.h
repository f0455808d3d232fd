/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of a forwarded connection, as far as a device in the middle can see it.
 *
 *   TCP, both directions seen (NAT):
 *     -- SYN ------------> SYN        half open, tcp_syn
 *     SYN -- SYN-ACK ----> SYN_ACK    the server has answered, tcp_syn
 *     SYN_ACK -- ACK ----> ESTABLISHED tcp_established
 *     ESTABLISHED -- FIN > FIN        one side has closed, tcp_fin
 *     FIN -- other FIN --> TIME_WAIT  both have, tcp_time_wait
 *     any -- RST --------> RESET      tcp_reset
 *   TCP, one direction (DR): the second packet of the client with ACK establishes; its FIN leads to
 * FIN, and what follows the client's FIN does not shorten it: tcp_fin covers the server's closing.
 *   UDP: -- first -------> UDP        udp
 *        -- answer (NAT) or second packet (DR) -> UDP_STREAM, udp_stream
 *
 *   RESET -- the connection goes on in every direction seen -> ESTABLISHED (the RST was forged)
 *
 *   A SYN on a flow in FIN, TIME_WAIT or RESET is a new connection (early port reuse).
 */
#ifndef L4_CONN_H
#define L4_CONN_H

#include <stdint.h>

#include "flow/flow.h"
#include "model/model.h"

enum conn_state {
	CONN_NONE,
	CONN_SYN,
	CONN_SYN_ACK, /* the server's SYN-ACK has passed, the client's ACK has not */
	CONN_ESTABLISHED,
	CONN_FIN,
	CONN_TIME_WAIT,
	CONN_RESET,
	CONN_UDP,
	CONN_UDP_STREAM,
	CONN_STATES
};

const char *conn_state_name(enum conn_state s);    /* "time-wait" */
enum conn_state conn_state_find(const char *name); /* CONN_NONE: no such state */

/* The state that a packet of this direction leads to; may set flow.flags. Pure but for that. */
enum conn_state conn_next(struct flow *f, uint8_t dir, uint8_t tcp_flags);

/* The idle time-out of a state, ms. */
uint32_t conn_timeout(const struct timeouts *t, enum conn_state s);

/* Whether a SYN may take the flow's place. */
static inline int conn_reusable(enum conn_state s)
{
	return s == CONN_FIN || s == CONN_TIME_WAIT || s == CONN_RESET;
}

/* Whether it is only beginning: the handshake is not over, the datagram not answered. Those who
 * flood make no other flows, so these make room first. A bit for each such state. */
#define CONN_EMBRYONIC (1u << CONN_SYN | 1u << CONN_SYN_ACK | 1u << CONN_UDP)

static inline bool conn_embryonic(enum conn_state s)
{
	return CONN_EMBRYONIC >> s & 1;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Congestion control behind one table of functions. An algorithm decides the window in congestion
 * avoidance and how much of it a loss leaves; slow start, recovery (RFC 6675, 6937, 8985) and
 * time-outs are the same for all and elsewhere (tcp_ack.c, tcp_timer.c).
 */
#ifndef TCP_TCP_CC_H
#define TCP_TCP_CC_H

#include <stdint.h>

struct tcp_conn;

/* What an algorithm keeps for a connection; all zero at first. */
struct tcp_cc_state {
	uint64_t epoch_us; /* when this stage of congestion avoidance began; 0: it has not */
	uint64_t grown_us; /* when the window last grew, or might have */
	uint32_t w_max;    /* bytes: the window before the last reduction */
	uint32_t k_ms;     /* until the cubic is at w_max again */
	uint32_t w_est;    /* bytes: what Reno would have */
	uint32_t prior;    /* bytes: the window just before the last reduction */
	uint32_t left;     /* bytes acknowledged that did not make a whole step */
};

struct tcp_cc_ops {
	const char *name;
	/* So many bytes have been acknowledged in congestion avoidance, and the window was used
	 * up: changes cwnd. */
	void (*acked)(struct tcp_conn *c, uint32_t bytes);
	/* There was a loss or a congestion mark: the new ssthresh, bytes. */
	uint32_t (*reduce)(struct tcp_conn *c);
	/* The loss was none: as it was before. */
	void (*undo)(struct tcp_conn *c);
};

extern const struct tcp_cc_ops tcp_cc_reno;  /* RFC 5681 */
extern const struct tcp_cc_ops tcp_cc_cubic; /* RFC 9438 */

#endif

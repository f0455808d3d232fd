/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP options as a segment has them (RFC 9293 3.1, RFC 7323, RFC 2018): read once, written where a
 * segment is made here. Of an option that comes twice the last one counts. Nothing is believed: an
 * option whose length cannot be true ends the list, and one of a known kind with another length
 * than it must have is passed over.
 */
#ifndef NET_TCPOPT_H
#define NET_TCPOPT_H

#include <stdbool.h>
#include <stdint.h>

#define TCPOPT_END       0
#define TCPOPT_NOP       1
#define TCPOPT_MSS       2
#define TCPOPT_WSCALE    3
#define TCPOPT_SACK_OK   4
#define TCPOPT_SACK      5
#define TCPOPT_TIMESTAMP 8

#define TCPOPT_LEN_MSS   4
#define TCPOPT_LEN_TS    10

#define TCPOPT_MAX       40 /* bytes of options in a header */
#define TCPOPT_SCALE_MAX 14 /* RFC 7323 2.3 */
#define TCPOPT_NO_SCALE  15

/* Numbers in host order. */
struct tcp_options {
	bool has_mss, has_timestamp, sack_ok;
	uint8_t wscale; /* at most TCPOPT_SCALE_MAX, or TCPOPT_NO_SCALE */
	uint16_t mss;
	uint32_t tsval, tsecr;
	/* Offsets in the TCP header, 0: not there. Of the timestamps' two numbers; of the first
	 * SACK block, and how many blocks there are. */
	uint8_t timestamp_at, sack_at, sack_blocks;
};

/* tcp: a whole TCP header whose data offset has been found right. */
void tcp_options_read(const uint8_t *tcp, struct tcp_options *o);

/* Writes MSS, SACK-permitted, timestamps and window scale, as far as they are there; at and sack
 * blocks are not looked at. Returns how many bytes, a multiple of four, at most 20. SACK-permitted
 * and timestamps share words where both are there. */
unsigned int tcp_options_write(uint8_t *out, const struct tcp_options *o);

#endif

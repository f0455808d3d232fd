/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the echo program does with connections, by the port that they come to (the numbers are those
 * of the small services that every host once had):
 *
 *   7   echo (RFC 862)
 *   9   discard (RFC 863)
 *   19  source: the pattern without end, as RFC 864 has it
 *   80  HTTP: the answer to "GET /N" has N bytes of the pattern
 *   1   calls: a line "echo ADDRESS PORT N" opens a connection there, sends N bytes of the pattern
 *       and the end, and wants them back; "send" wants nothing back but the end. The answer is a
 *       line of JSON. Further lines follow it.
 *
 * The pattern's byte at i is i modulo PATTERN_PERIOD, a prime, so that no piece of it that is out
 * of its place looks right.
 *
 * A connection has a session from its first event to tcp_close(). All of it belongs to one worker.
 */
#ifndef ECHO_SERVE_H
#define ECHO_SERVE_H

#include "tcp/tcp.h"

#define PATTERN_PERIOD 251u

/* Of a worker. Its own to write; the control core reads. */
struct host {
	struct tcp_how how;  /* of calls, */
	struct addr from[2]; /* and where they come from: by IPv6; no service has these */
	uint64_t sessions;   /* that there are */
	uint64_t failed;     /* that ended with an error */
	uint64_t starved;    /* that were given up for want of a buffer */
};

/* For struct local_app; ctx: the worker's struct host. */
extern const struct tcp_ops server_ops;

/* Before anything else. */
void serve_init(void);

#endif

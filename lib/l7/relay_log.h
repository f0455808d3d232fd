/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known of a relayed connection when it ends, on its way from the worker to the control
 * core, which writes it to the connection log (ctl/connlog.h). One ring a worker: the worker puts,
 * the control core takes, and neither waits for the other.
 */
#ifndef L7_RELAY_LOG_H
#define L7_RELAY_LOG_H

#include <stdint.h>

#include "base/addr.h"
#include "model/model.h"

/* A multiple of 4 bytes long: the ring's unit. */
struct relay_record {
	struct tuple client; /* source: the peer; destination: the virtual address */
	struct endpoint who; /* the client: the peer, or who that has named by a PROXY header */
	struct tuple server; /* source: the server; destination: the balancer's own address. All
			      * zero where none was ever connected to. */
	uint64_t up, down;   /* bytes from the client, from the server */
	uint64_t total_ms;
	uint32_t ended_ms; /* the workers' clock */
	/* Of total_ms: for a header of the client, in a queue, for connections to servers with the
	 * pauses between them. */
	uint32_t header_ms, queue_ms, connect_ms;
	uint16_t service, service_gen;
	uint16_t to, to_gen; /* the server's slot, the last one's that was tried; 0: none was */
	uint8_t retries;     /* connections to servers that failed and were tried again */
	uint8_t end;         /* enum relay_end */
	uint8_t pad_[6];
};

/* Whether the log of a service wants it; see enum connection_log. */
bool relay_log_wants(const struct relay_record *r, enum connection_log which);

/* Records that a ring holds. */
#define RELAY_LOG_ROOM 4095

struct relay_log;

/* NULL with errno. */
struct relay_log *relay_log_create(int socket);
void relay_log_destroy(struct relay_log *l);
uint64_t relay_log_bytes(void);

/* Worker: where there is no room the record is lost, and counted. */
void relay_log_put(struct relay_log *l, const struct relay_record *r);

/* Control core: the oldest ones, at most max. Returns how many. */
unsigned int relay_log_take(struct relay_log *l, struct relay_record *out, unsigned int max);

/* Any core: how many wait, and how many were lost since the start. */
unsigned int relay_log_waiting(const struct relay_log *l);
uint64_t relay_log_lost(const struct relay_log *l);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The local ports of one worker: for flows that leave from an address of ours, so that answers come
 * back to it (FULLNAT, masquerade, connections of our own).
 *
 * Ports in use are kept for each (source address, server's address and port, protocol): a set. So
 * one source carries as many flows to each server as there are ports, LPORT_COUNT, and what two
 * pools have in common (twins, the same server twice) shares one set. A port is taken only where
 * steer_owner() of the answers' tuple is this worker, so workers never take the same one and need
 * not ask each other.
 *
 * In a set ports are taken in turn (next fit), which gives each the longest rest before its next
 * use: the server may still have the former connection in TIME-WAIT. What ports are a worker's own
 * is worked out 64 at a time, when the turn first comes to them.
 *
 * Sets are made on first use, bounded in number, and freed some time after their last port was
 * given back.
 */
#ifndef FLOW_LPORT_H
#define FLOW_LPORT_H

#include "base/addr.h"
#include "flow/steer.h"

#define LPORT_FIRST 1024 /* the system ports below are left alone (RFC 6335, 6) */
#define LPORT_COUNT (65536 - LPORT_FIRST)

/* Sets a worker may have: what keeps somebody who asks on every port of a service that has all of
 * them from taking all memory. */
#define LPORT_SETS_MAX 16384

struct lport_table;

/* For the worker that s belongs to: at most max_sets sets. NULL with errno. */
struct lport_table *lport_create(const struct steer *s, unsigned int max_sets, int socket);
void lport_destroy(struct lport_table *t);

/*
 * Takes a port for answers as *back describes them: all of it is given but dport, which is set. src
 * and sport are the server's, dst is the source address. DROP_none, or DROP_no_local_port where all
 * are in use or there is no room for another set.
 */
enum drop_reason lport_take(struct lport_table *t, struct tuple *back, uint32_t now_ms);

/* Gives it back. */
void lport_give(struct lport_table *t, const struct tuple *back, uint32_t now_ms);

/* Memory of so many sets, taken as they are made. */
uint64_t lport_bytes(unsigned int sets);

struct lport_stats {
	uint64_t sets;  /* that exist, those that rest included */
	uint64_t ports; /* in use */
};
/* Any core; values of slightly different moments. */
void lport_stats(const struct lport_table *t, struct lport_stats *out);

/* The source and server with most ports in use, as far as known: where another pair comes to have
 * more, it is known with its next flow. max 0: there has been none yet. */
struct lport_fullest {
	struct addr source;
	struct endpoint server;
	uint32_t used, max;
};
/* Any core. */
void lport_fullest(const struct lport_table *t, struct lport_fullest *out);

#endif

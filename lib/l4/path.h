/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long a packet may be on its way to a server, where a router has said less than the link
 * allows (RFC 1191, RFC 8201): soft state that all workers share.
 *
 * What is known of a server is one word, replaced in one store, so no reader sees half of it. Any
 * worker may write: what it writes is what a router has just said, whoever was first. A word names
 * the generation of the server's slot, and counts for ten minutes, after which a larger packet is
 * tried again (RFC 1191 6.3).
 */
#ifndef L4_PATH_H
#define L4_PATH_H

#include <stdint.h>

#include "model/model.h"

#define PATH_MS   600000 /* how long it is believed */
#define PATH_MIN4 576    /* routers that claim less are not believed: */
#define PATH_MIN6 1280   /* RFC 8200 5 */

struct path_table {
	uint64_t floor; /* no server's is less than this one, as long as it counts */
	uint64_t server[MODEL_SERVERS_MAX]; /* by slot */
};

/* NULL without memory. */
struct path_table *path_table_create(void);
void path_table_destroy(struct path_table *t);

/* A router has said that packets to these n servers, which have one address, must not be longer
 * than mtu. Who is known to be behind less keeps that; what is said again and again is written once
 * a second. */
void path_learn(struct path_table *t, const struct server *const *servers, unsigned int n,
	uint16_t mtu, uint32_t now_ms);

/* What is known; 0: nothing. */
uint16_t path_mtu(struct path_table *t, const struct server *s, uint32_t now_ms);

/* The least that is known of any server, or a little less; 0: nothing is known of any. */
uint16_t path_floor(struct path_table *t, uint32_t now_ms);

#endif

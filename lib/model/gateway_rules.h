/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway for servers: what becomes of packets that are for none of our addresses and belong to
 * no flow. All of it is off unless it is configured. Part of the snapshot, never written after it
 * was built; lib/l4/gateway.c applies it.
 *
 *   one-to-one   an outside address stands for a server: one is put for the other, both ways, in
 *                packets of every protocol
 *   masquerade   connections that servers begin leave a port with an address and a local port of
 *                ours, like every home router does it (RFC 3022, NAPT)
 *   routing      packets pass between two ports as they are
 */
#ifndef MODEL_GATEWAY_RULES_H
#define MODEL_GATEWAY_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/fault.h"
#include "net/net.h"

#define GATEWAY_PAIRS_MAX       4096
#define GATEWAY_MASQUERADES_MAX 64

struct model_conf;

struct gateway_pair {
	struct addr outside, inside; /* of one family */
};

struct gateway_masquerade {
	struct prefix from;         /* whose connections */
	uint8_t port;               /* leaving through it */
	const struct addr *sources; /* addresses put in the place of theirs; none: the port's */
	unsigned int n_sources;
};

struct gateway_routing {
	uint8_t port[2]; /* packets pass both ways */
};

/* As ctl/config.c fills it; port NET_PORT_NONE and zero addresses have been found wrong before and
 * are passed over. */
struct gateway_conf {
	const struct gateway_pair *pairs;
	unsigned int n_pairs;
	const struct gateway_masquerade *masquerades;
	unsigned int n_masquerades;
	const struct gateway_routing *routings;
	unsigned int n_routings;
};

struct gateway {
	uint64_t reach[NET_PORTS_MAX]; /* by port of arrival: a bit for each port routed to */
	unsigned int n_masquerades;
	struct gateway_masquerade *masquerades; /* each with at least one source */
	struct addr *sources;                   /* of all of them */
	unsigned int n_pairs;
	struct gateway_pair *pairs;
	uint32_t mask;     /* of the two indexes: open addressing, an eighth full */
	uint16_t *outside; /* pair + 1, 0: free */
	uint16_t *inside;
};

/* Whether anything is configured. */
static inline bool gateway_wanted(const struct gateway_conf *conf)
{
	return conf->n_pairs || conf->n_masquerades || conf->n_routings;
}

/* NULL with errno: ENOMEM. conf has been checked. */
struct gateway *gateway_build(const struct model_conf *conf);
void gateway_free(struct gateway *g);

/* ---- packet path ----------------------------------------------------------------------------- */

/* The pair of an outside or of an inside address, or NULL. */
const struct gateway_pair *gateway_by_outside(const struct gateway *g, const struct addr *a);
const struct gateway_pair *gateway_by_inside(const struct gateway *g, const struct addr *a);

/* The rule for packets from src that leave through port, or NULL. */
const struct gateway_masquerade *gateway_masquerade_of(
	const struct gateway *g, const struct addr *src, uint8_t port);

/* Whether packets pass from one port to another as they are. */
static inline bool gateway_routes(const struct gateway *g, uint8_t from, uint8_t to)
{
	return from < NET_PORTS_MAX && to < NET_PORTS_MAX && (g->reach[from] >> to & 1);
}

#endif

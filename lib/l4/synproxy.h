/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SYN proxy of modes that see both directions: under a flood, clients prove that they are there
 * before anything is kept of them.
 *
 *   client                     balancer                                   server
 *   SYN (isn)           --->   synproxy_answer(): no state
 *                       <---   SYN-ACK (cookie)
 *   ACK, data           --->   synproxy_check(): a flow, handshake.h
 *                              SYN (isn)                           --->
 *                                                                  <---   SYN-ACK
 *                              ACK, data that has waited           --->
 *                       <-->   proxied.h: numbers translated       <-->
 *
 * Each worker counts the SYNs of a service that begin something new, and takes its share of the
 * service's rate for the measure: more than that in a second turns cookies on at once, ten seconds
 * with less than half of it off.
 *
 * Called by l4.c, open.c and, for the time, by the worker. Everything belongs to one worker; others
 * read the counters.
 */
#ifndef L4_SYNPROXY_H
#define L4_SYNPROXY_H

#include <rte_branch_prediction.h>

#include "base/counter.h"
#include "guard/syncookie.h"
#include "l4/l4.h"

/* What is counted for a service. */
struct synproxy_traffic {
	uint64_t sent;     /* SYNs answered with a cookie */
	uint64_t accepted; /* clients that came back with one */
	uint64_t wrong;    /* segments of no flow that came with none */
	uint64_t failed;   /* accepted, and then the server did not answer, or refused */
	uint64_t on;       /* 1: SYNs are answered with cookies at present */
};

/* How a service does in this second. */
struct synproxy_meter {
	uint32_t since;   /* ms: when the second began */
	uint32_t syns;    /* in it */
	uint32_t sent_ms; /* the last cookie */
	uint16_t gen;     /* of the service */
	uint8_t quiet;    /* whole seconds before this one with few */
	bool on;
	bool expects; /* a cookie may still come back */
	bool listed;  /* in synproxy.lively */
};

struct handshakes; /* handshake.h */

struct synproxy {
	struct syncookie cookie;
	struct synproxy_meter *meter;     /* by service slot */
	struct synproxy_traffic *traffic; /* likewise */
	uint16_t *lively;                 /* slots of services that are on, or expect */
	unsigned int n_lively;
	uint32_t looked; /* ms: when they were last looked at */
	struct handshakes *handshakes;
};

/* A client that has come back: from its segment. Host order. */
struct synproxy_client {
	uint32_t isn, cookie;
	uint16_t window;
	struct tcp_options options; /* agreed on; tsval is the client's */
};

/* secret: equal in all workers. period: of the cookies' clock. NULL with errno. */
struct synproxy *synproxy_create(const struct hash_key *secret, uint64_t period, int socket);
/* Frees packets that wait too. */
void synproxy_destroy(struct synproxy *s);

/* Memory of one, with all that is in it. */
uint64_t synproxy_bytes(void);

/* See below. */
bool synproxy_count(struct l4 *l, const struct service *service);
void synproxy_look(struct l4 *l);

/* A SYN that begins something new: counts it. True: it is for synproxy_answer(). */
static inline bool synproxy_takes(struct l4 *l, const struct service *service)
{
	return service->syn_proxy.mode != SYN_PROXY_OFF && synproxy_count(l, service);
}

/* Whether cookies of the service may still come back. */
static inline bool synproxy_expects(const struct l4 *l, const struct service *service)
{
	const struct synproxy_meter *m = &l->synproxy->meter[service->slot];

	return m->expects && m->gen == service->gen;
}

/* Time passes: services that are quiet are turned off. */
static inline void synproxy_tick(struct l4 *l)
{
	if (unlikely(l->now_ms - l->synproxy->looked >= 1000))
		synproxy_look(l);
}

/* Makes of a SYN its SYN-ACK: PKT_SEND, or dealt with otherwise. */
void synproxy_answer(struct l4 *l, struct pkt *p, const struct service *service);

/* Whether a segment of no flow acknowledges a cookie; counts those that do not. */
bool synproxy_check(struct l4 *l, const struct pkt *p, const struct service *service,
	struct synproxy_client *out);

#endif

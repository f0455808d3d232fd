/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections relayed: a client's is accepted, a server is picked and connected to, and what either
 * says goes to the other (services of mode tcp). One `struct relays` a worker, which alone calls
 * it; see worker/local.h for when.
 *
 *   accepted --> [HEADER -->] ASKING --> CONNECTING --> OPEN --> over
 *                              ^             |
 *                              |             v
 *                              `--------- WAITING    a while later, perhaps another server
 *
 * HEADER: of a client that is trusted (struct service.trusted), until its PROXY header has come.
 * ASKING: who serves it, and whether it has to wait for that, is asked of the workers whose matter
 * that is (place.h). A pair that is over while it asks stays LEFT until its question is back.
 *
 * Data moves as mbufs, uncopied, as far as the receiver's queue has room; what has none stays with
 * the sender, whose window closes. A FIN is passed on when everything before it has been, and the
 * other direction goes on; a reset or a failure of one side is a reset for the other.
 */
#ifndef L7_RELAY_H
#define L7_RELAY_H

#include "base/counter.h"
#include "l4/l4.h"
#include "model/model.h"
#include "tcp/tcp.h"

struct relays;
struct relay_log;

struct relays_conf {
	uint32_t max; /* pairs */
	int socket;
	struct tcp_how toward_servers;
};

/* NULL with errno. */
struct relays *relays_create(const struct relays_conf *conf);
/* Those of all workers, in order, before any is used. 0 or -errno. */
int relays_join(struct relays **all, unsigned int n);
/* Before the first turn: what the worker picks servers with, and counts by. */
void relays_use(struct relays *r, struct l4 *l4, uint32_t now_ms);
/* Connections belong to their instance of TCP, which is destroyed first. */
void relays_destroy(struct relays *r);
uint64_t relays_bytes(uint32_t max);
/* Where connections of services that want it are put when they end. */
struct relay_log *relays_log(const struct relays *r);

/* Of connections that listeners accept; their context is the struct relays, their tag that of
 * worker/local.h. */
extern const struct tcp_ops relays_accept;

/*
 * At each poll, after TCP's timers and before its events: the snapshot of the burst, the instance,
 * the clock; ends what took too long, or whose service or server is gone; looks at no more than max
 * pairs. Returns how many had anything to do.
 */
unsigned int relays_turn(
	struct relays *r, const struct model *m, struct tcp *t, uint32_t now_ms, unsigned int max);

/* Why a pair is over. */
enum relay_end {
#define RELAY_END(name, text) RELAY_END_##name,
#include "relay_end.def"
#undef RELAY_END
	RELAY_ENDS
};
const char *relay_end_name(enum relay_end e);
const char *relay_end_text(enum relay_end e);

struct relays_stats {
	uint32_t pairs, max;
	uint64_t end[RELAY_ENDS];
	uint64_t retried;      /* connections to servers that were tried again, */
	uint64_t redispatched; /* with another server */
	uint64_t full;         /* clients refused for want of an entry */
	uint64_t monitored;    /* connections from a service's monitor network */
	uint32_t waiting;      /* for a place on a server, in queues of this worker */
	uint64_t waited;       /* connections that have been in one */
};
/* Any core. */
void relays_stats(const struct relays *r, struct relays_stats *out);

#endif

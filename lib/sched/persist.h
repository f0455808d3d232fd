/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which server a client keeps: a worker's part of the persistence table.
 *
 * A key (scope, client's address or network) has one home worker, which alone reads and writes its
 * entry. An entry names the server by its address, which holds for another pool of the group and
 * after a restart of the server's slot, and by the slot it had, which tells twins of one address
 * apart.
 *
 * Time-outs are lazy, as those of flows: use stamps an entry; the wheel asks when it could be over.
 * What is over is never found, be it collected or not.
 *
 * A full table makes room for every new client. The entry that was used longest ago goes: of those
 * whose client came once, as long as there are any. So a flood of made-up clients pushes out its
 * own. Entries whose client came again have three quarters of the table at most, so that there is
 * room for new clients to come again; beyond that the one used longest ago counts as new.
 */
#ifndef SCHED_PERSIST_H
#define SCHED_PERSIST_H

#include <sys/queue.h>

#include "base/addr.h"
#include "base/hash.h"
#include "base/wheel.h"
#include "model/model.h"

struct persist_key {
	uint64_t scope;     /* struct persistence: a group's or a service's */
	struct addr client; /* bits beyond the prefix are cleared */
};

struct persist_entry {
	struct wheel_node timer;
	uint32_t seen;       /* ms of the last use */
	uint32_t timeout_ms; /* 0: a free entry */
	struct persist_key key;
	struct addr server;
	uint16_t slot;
	uint8_t prefix; /* of the key */
	bool again;     /* used since it was made */
	TAILQ_ENTRY(persist_entry) use;
};

struct persist;

/* A table of at most max entries, NULL with errno. secret: equal for all workers of a process. */
struct persist *persist_create(
	unsigned int id, uint32_t max, const struct hash_key *secret, int socket, uint32_t now_ms);
void persist_destroy(struct persist *t);
/* What it takes, about. */
uint64_t persist_bytes(uint32_t max);

/* rule: of the service, as configured now. */
struct persist_key persist_key(const struct persistence *rule, const struct addr *client);
uint64_t persist_hash(const struct persist *t, const struct persist_key *key);

/* The home of a hash. */
static inline unsigned int persist_home(uint64_t hash, unsigned int n_workers)
{
	return (unsigned int)(((hash >> 32) * n_workers) >> 32);
}

/* The entry, or NULL. Nothing is stamped. Of the time-out now and that when the entry was used
 * last, the shorter one holds. */
struct persist_entry *persist_find(struct persist *t, const struct persist_key *key, uint64_t hash,
	const struct persistence *rule, uint32_t now_ms);

/* The entry, which there is or is made: it names this server, and was used now. False without room,
 * which only a table of no entries has not. */
bool persist_put(struct persist *t, const struct persist_key *key, uint64_t hash,
	const struct persistence *rule, const struct server *server, uint32_t now_ms);

/* The client came again. */
void persist_touch(struct persist *t, struct persist_entry *e, const struct persistence *rule,
	uint32_t now_ms);

/* Forgets an entry that persist_find() or a walk gave. */
void persist_drop(struct persist *t, struct persist_entry *e);

/* Looks at entries whose timers are due, at most max (up to 32), and drops what is over; how many
 * it looked at. */
unsigned int persist_expire(struct persist *t, uint32_t now_ms, unsigned int max);

/* As flow_walk(). */
void persist_walk(struct persist *t, uint64_t *cursor, unsigned int max,
	bool (*visit)(void *arg, struct persist_entry *e), void *arg);

struct persist_stats {
	uint32_t used, max;
	uint64_t evicted; /* entries that made room before their time was over */
};
/* Any core. */
void persist_stats(const struct persist *t, struct persist_stats *out);

#endif

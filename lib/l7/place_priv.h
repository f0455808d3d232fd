/* SPDX-License-Identifier: BSD-3-Clause */
/* Between place.c, questions and how they travel, and place_line.c, who waits. */
#ifndef L7_PLACE_PRIV_H
#define L7_PLACE_PRIV_H

#include <rte_ring.h>

#include "place.h"

TAILQ_HEAD(place_list, place);
STAILQ_HEAD(place_notes, place_note);

/* Who waits for a pool, at its home. */
struct line {
	struct place_list waiting; /* by ticket */
	uint32_t n;
	uint32_t credit;    /* so many may be tried now */
	uint32_t in_flight; /* so many are being tried */
	uint32_t left;      /* places_left() when it was last looked at */
	uint32_t scan_ms;   /* when servers were, */
	bool scan;          /* and that they are to be */
	uint16_t pool;
	LIST_ENTRY(line) active; /* of lines that are not empty */
};

/* Written by its worker alone, read by all. */
struct place_shared {
	uint32_t left[MODEL_POOLS_MAX];     /* connections that have left a server, modulo 2^32 */
	uint64_t seats[MODEL_SERVICES_MAX]; /* as load words of sched/limit.h */
};

struct places {
	unsigned int id, n;
	int socket;
	struct l4 *l4;
	const struct place_shared **others; /* [n], this one's included */
	struct place_shared *shared;
	struct rte_ring **in, **out; /* [from], [to]; NULL for itself */
	struct place_notes *later;   /* [to] */
	unsigned int turn;           /* of senders */
	struct place_list back;      /* answers for this worker */
	uint64_t ticket;
	struct line *line; /* by pool slot */
	LIST_HEAD(, line) active;
	uint64_t version; /* of the model when lines were last walked */
	struct places_stats stats;
};

/* Goes as far with the question as this worker may. True: it is answered, and this is its owner. */
bool place_run(struct places *p, struct place *pl);
/* The same, and leaves it to places_turn() then. */
void place_go_on(struct places *p, struct place *pl);
void place_answer(struct place *pl, enum place_answer what);

/* The pools that serve it, and whether those who come may have to wait. */
static inline bool place_has_line(const struct model *m, const struct service *service)
{
	const struct pool *pool = m->pools[service->pool];
	bool limited = false;

	if (!service->proxy.queue_ms)
		return false;
	for (; pool; pool = pool->backup ? m->pools[pool->backup] : NULL) {
		if (pool->limited && pool->when_full != WHEN_FULL_NEXT)
			return false;
		limited |= pool->limited;
	}
	return limited;
}

static inline unsigned int line_home(uint16_t pool, unsigned int n_workers)
{
	return pool % n_workers;
}

/* Whether who comes now has to wait. */
bool line_is_busy(const struct places *p, uint16_t pool);
/* In order of tickets; or it is answered, for there is no room, or nobody waits for it. */
void line_enter(struct places *p, struct place *pl, const struct service *service);
void line_leave(struct places *p, struct place *pl);
/* One that left the line for an attempt has had it. */
void line_tried(struct places *p, struct place *pl);
/* Lets those try whose turn it is; returns how many. */
unsigned int lines_turn(struct places *p);

#endif

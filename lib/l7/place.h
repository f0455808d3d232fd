/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A server, and a place on it, for a connection of a service of mode tcp: the same steps as for new
 * flows of layer 4 (l4/assign.h), which share persistence entries and limits with these, and before
 * them the limit of the service and a line of those that wait.
 *
 *                 it has a limit              it has a queue                  all are full
 *   place_ask() ----> PLACE_SEAT ----> PLACE_LINE ----> PLACE_STEPS ------------+
 *                     the service's     the pool's       those of assign.h      |
 *                     home              home |  ^                |              | in a line
 *                                            |  `----------------|--------------'
 *                                            v                   v
 *                                         refused ----------> PLACE_ANSWER, its owner
 *
 * A question is part of the connection and travels as a pointer, through a mesh of single-producer
 * single-consumer rings; what a ring has no room for waits with its sender. So none is lost, there
 * is one for each connection, and a queue takes no memory.
 *
 * Line: each pool has one worker that orders all who wait for it, those who asked first in front.
 * Who comes while somebody waits goes to the end. It moves when a relayed connection leaves one of
 * the pool's servers, and every LINE_SCAN_MS for what else may make room: flows of layer 4, another
 * configuration. Pools of "when-full": "refuse" have none.
 *
 * What always holds: while place.out is true everything but the owner's own and place.gone belongs
 * to whoever has the question, so its connection must not be used again; a grant (ASK_GRANTED,
 * SEAT_GRANTED) belongs to who has the question too, and is settled once.
 */
#ifndef L7_PLACE_H
#define L7_PLACE_H

#include <sys/queue.h>

#include "flow/ask.h"
#include "l4/l4.h"

#define LINE_SCAN_MS 10

enum place_stage { PLACE_SEAT, PLACE_LINE, PLACE_STEPS, PLACE_ANSWER };

enum place_answer {
	PLACE_SERVER,     /* place.q has it */
	PLACE_NONE,       /* no server takes connections, or the service is gone */
	PLACE_FULL,       /* all are full, and there is no queue */
	PLACE_SEATS_FULL, /* the service has as many connections as it may */
	PLACE_LINE_FULL,  /* as many wait as may */
};

/* Of a connection's place among those its service may have. */
enum place_seat { SEAT_NONE, SEAT_GRANTED, SEAT_TAKEN };

struct place;

/* What goes through rings: the question of a place, or that it be given back. */
struct place_note {
	STAILQ_ENTRY(place_note) next; /* with a sender whose ring is full */
	struct place *of;
};

struct place {
	struct place_note asked, recall;
	TAILQ_ENTRY(place) wait;
	struct question q;
	struct sched_key key;
	uint64_t ticket; /* of the line: who has the lower one goes first; 0: none */
	uint16_t line;   /* slot of the pool it waits for; 0: it does not */
	uint16_t trying; /* likewise, having left the line for an attempt */
	uint8_t stage;   /* enum place_stage */
	uint8_t answer;  /* enum place_answer */
	uint8_t seat;    /* enum place_seat */
	uint8_t owner;   /* the worker that asks */
	bool other;      /* another server than q.server, if there is one */
	bool waited;     /* it has been in a line */
	/* Read by all: nobody wants the answer (the owner's); the worker in whose line it is, and
	 * one (that worker's), 0: in none. */
	bool gone;
	uint8_t at;
	/* The owner's: the question is with the homes, and so is the recall. */
	bool out, recalled;
};

struct places_stats {
	uint32_t waiting;    /* in lines of this worker */
	uint64_t waited;     /* connections that have been in one */
	uint64_t line_full;  /* that a line had no room for */
	uint64_t sent;       /* notes to other workers */
	uint64_t sent_later; /* of which so many waited for a ring */
};

/* A worker's part. */
struct places;

/* NULL with errno. */
struct places *places_create(int socket);
/* Those of all workers, in order, before any is used; n: as many as workers. 0 or -errno. */
int places_join(struct places **all, unsigned int n);
void places_destroy(struct places *p);
uint64_t places_bytes(void);
/* l4: the worker's. */
void places_use(struct places *p, struct l4 *l4);
/* Any core. */
void places_stats(const struct places *p, struct places_stats *out);

/*
 * At each poll: what other workers have sent, and the lines of this one. Fills in places whose
 * questions are back, at most max; returns how many. work: what there was to do.
 */
unsigned int places_turn(
	struct places *p, struct place **back, unsigned int max, unsigned int *work);

/* Of a new connection. */
void place_begin(struct places *p, struct place *pl, uint16_t service, uint16_t service_gen);

/* Asks for a server. again: another one than the last, if there is one. True: the answer is there;
 * else it comes with places_turn(). */
bool place_ask(struct places *p, struct place *pl, const struct service *service,
	const struct sched_key *key, bool again);

/* After an answer: the server, whose place is taken now, or NULL where it is gone meanwhile. */
const struct server *place_take(struct places *p, struct place *pl);
/* What place_take() took is given back. slot: the server's. */
void place_leave(struct places *p, uint16_t slot);

/* The connection is over; a server has been left before. Gives up what it has, and takes it out of
 * the line. False: its question is out; it comes back with places_turn(), place.gone being set, and
 * is then to be ended again. */
bool place_end(struct places *p, struct place *pl);

#endif

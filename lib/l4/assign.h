/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who serves a new flow of a service that has more than a scheduler: a rate of its source,
 * persistence, servers with limits, backup pools (struct service: assigned).
 *
 *                      too fast
 *   assign_begin() --> RATE, RATE_ALL ----------------------------------> DONE
 *                        |
 *                        | persistence      server picked          full, "next"
 *                        +----> ENTRY -------------> GRANT <-------------------- PICK
 *                        |     no persistence         |  \                       ^
 *                        +------> PICK ---------------+   `-- full, gone --------+
 *                                                     | granted, or no limit
 *                           entry is out of date      v
 *                         NOTE <------------------- decided ------> DONE
 *                           `--------------------------------------^
 *
 * Each step is the task of one worker (flow/ask.h): RATE and RATE_ALL of the home of the source,
 * ENTRY and NOTE of the home of the client's key, GRANT of the home of the server, DONE of the
 * owner of the flow. assign_advance() goes as far as this worker may, and says who goes on; who is
 * at hand costs no ring.
 *
 * For a packet of a service of mode tcp there are the rates alone: who serves the connection is the
 * application's question, assign_begin_server(), which goes on from there.
 *
 * What always holds: a question with ASK_GRANTED stands for one grant, which its holder settles or
 * passes on with it. Steps are bounded by question.tries.
 */
#ifndef L4_ASSIGN_H
#define L4_ASSIGN_H

#include "flow/ask.h"
#include "l4/l4.h"

/* A new question of this worker about a flow of the service. */
void assign_begin(const struct l4 *l, const struct service *service, struct question *q);

/* Of mode tcp, for the application: who serves a connection whose source is within its rates. */
void assign_begin_server(const struct l4 *l, const struct service *service, struct question *q);

/* Decides what this worker may decide. Returns the worker that goes on: this one only where it is
 * the owner, and then q->server is chosen, or 0 and q->reason says why there is none. */
unsigned int assign_advance(struct l4 *l, struct question *q, const struct sched_key *key);

/* Another server, for the one chosen would not do; false after too many. */
bool assign_again(struct l4 *l, struct question *q);

/* The server chosen, if it still is what it was; else NULL. */
const struct server *assign_server(const struct l4 *l, const struct question *q);

/* Gives up the grant, if there is one. */
void assign_settle(struct l4 *l, struct question *q);

/* Sends the packet to another worker with its question. False, with the grant given up, when the
 * ring is full: the packet is still the caller's. */
bool assign_send(struct l4 *l, unsigned int to, struct rte_mbuf *m, const struct question *q);

/* A packet that another worker sent, l->model and clock set. True: it is an answer for this worker,
 * whose question the caller finds with the packet; otherwise it has been passed on or dropped. */
bool assign_serve(struct l4 *l, struct rte_mbuf *m);

/* Where the headers of a packet are, for the homes. */
void assign_headers(struct question *q, const struct pkt *p);

#endif

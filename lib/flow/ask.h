/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Questions that workers ask each other about new flows; they travel with the packet.
 *
 * What a question says is in a dynamic field of the packet's mbuf, so nothing waits in a table: the
 * owner of a new flow gives the packet to a home worker, which decides and gives it to the next
 * home, or back. A packet that is lost on the way is a lost first packet; what was granted to it is
 * given up by whoever could not pass it on.
 *
 * The mesh is one single-producer single-consumer ring for each ordered pair of workers, apart from
 * that of packets handed over: these packets have had their stages, and go where they are meant to.
 */
#ifndef FLOW_ASK_H
#define FLOW_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_ring.h>

/* What comes next, and whose task it is. */
enum ask_step {
	ASK_RATE,     /* whether the source may, by the service's rate: the source's home */
	ASK_RATE_ALL, /* the same by the rate over all services */
	ASK_ENTRY,    /* the server the client keeps: the home of its key */
	ASK_PICK,     /* another server: whoever has the question */
	ASK_GRANT,    /* a place on the server: the server's home */
	ASK_NOTE,     /* the entry is to name another server after all: the home of the key */
	ASK_DONE,     /* the owner */
};

/* question.flags */
#define ASK_FRESH      0x01 /* the entry was made for this flow */
#define ASK_MOVED      0x02 /* another server has been picked since */
#define ASK_OVERFLOWED 0x04 /* a server that was full has been passed over */
#define ASK_MAGLEV     0x10 /* Maglev is to pick: flows without entries are about, l4/pace.h */
#define ASK_UNFIT      0x20 /* the server picked would not do, for this flow */
#define ASK_GRANTED    0x08 /* the packet carries a grant of the server */

struct question {
	uint8_t step;  /* enum ask_step */
	uint8_t owner; /* the worker that asks */
	uint8_t flags;
	uint8_t tries;  /* servers that turned out to be full or gone */
	uint8_t reason; /* done without a server: enum drop_reason */
	uint8_t proto;
	uint16_t service, service_gen;
	uint16_t server, server_gen; /* 0: none */
	uint16_t l3, l4;             /* where the headers are, from the mbuf's buf_addr */
};

struct ask {
	unsigned int id, n_workers;
	int field;             /* the mbuf's dynamic field */
	unsigned int next;     /* where ask_receive() begins */
	uint64_t asked;        /* questions and answers sent */
	struct rte_ring **in;  /* [from]: NULL for itself */
	struct rte_ring **out; /* [to] */
};

/* The rings among n workers (depth packets each) and each one's struct ask; an array of n pointers,
 * NULL with errno. */
struct ask **ask_create(unsigned int n, unsigned int depth, const int *sockets);
/* Frees the packets left in the rings too. */
void ask_destroy(struct ask **a, unsigned int n);

/* The question that travels with the packet. */
static inline struct question *ask_question(const struct ask *a, struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, a->field, struct question *);
}

/* Gives a packet with its question to another worker. False when the ring is full. */
bool ask_send(struct ask *a, unsigned int to, struct rte_mbuf *m);

/* Packets that others gave to this worker, at most max; a fair turn for each sender. */
unsigned int ask_receive(struct ask *a, struct rte_mbuf **out, unsigned int max);

#endif

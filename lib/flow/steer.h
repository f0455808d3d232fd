/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which worker owns a packet, and getting it there.
 *
 * The owner in software follows from the client's end alone, which no forwarding mode changes: of a
 * packet to one of our virtual addresses, that is its source; of any other packet (an answer of a
 * server), its destination. So both directions of a NAT flow have one owner without any table, on
 * one arm or two; and a mode that chooses its local port chooses one that makes it the owner.
 *
 * Hand-off is a mesh of single-producer single-consumer rings, one for each ordered pair of
 * workers, filled and drained in bursts. The receiver parses the packet again.
 */
#ifndef FLOW_STEER_H
#define FLOW_STEER_H

#include <rte_ring.h>

#include "net/net.h"
#include "net/pkt.h"

struct steer {
	unsigned int id, n_workers;
	struct rte_ring **in;  /* [from]: NULL for itself */
	struct rte_ring **out; /* [to] */
	struct {
		unsigned int n;
		struct rte_mbuf *mbuf[BURST_MAX];
	} * staged;                       /* [to]: of this burst */
	unsigned int next;                /* where steer_receive() begins */
	uint64_t handed_over, taken_over; /* packets */
};

/* The rings among n workers (depth packets each) and each one's struct steer; an array of n
 * pointers, NULL with errno. */
struct steer **steer_create(unsigned int n, unsigned int depth, const int *sockets);
/* Frees the packets left in the rings too. */
void steer_destroy(struct steer **s, unsigned int n);

/* The worker that owns packets of this tuple. from_client: its destination is a virtual address. */
unsigned int steer_owner(const struct steer *s, const struct tuple *t, bool from_client);

/* Marks packets of other workers PKT_HANDOFF and hands them over; frees and counts what a full ring
 * does not take. Nothing to do with one worker. */
void steer_burst(struct steer *s, struct net_worker *net, struct burst *b);

/* Packets that others handed to this worker, at most max; a fair turn for each sender. */
unsigned int steer_receive(struct steer *s, struct rte_mbuf **out, unsigned int max);

#endif

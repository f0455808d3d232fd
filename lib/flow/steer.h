/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which worker owns a packet, and getting it there.
 *
 * Both directions of a flow have one owner, without any table. What both have in common is the
 * client's end, which no forwarding mode changes: of a packet to one of our virtual addresses, that
 * is its source; of any other packet (an answer of a server), its destination. A mode that chooses
 * its local port chooses one that makes it the owner. The ways:
 *
 * - software: a hash of the client's end, computed for each packet; nothing is asked of a nic.
 * - tuple: each nic hashes addresses and ports (Toeplitz, with nic_rss_key), and its queue is the
 *   owner's: of packets to a virtual address and to addresses of ours. Where a service of the
 *   address brings answers to the client itself (NAT), both its directions go by the client's end,
 *   as in software.
 * - split: nics toward clients hash the source, nics toward servers the destination: the client's
 *   end either way, so that NAT's packets too arrive at their owner.
 *
 * The way is chosen at start and stays. A nic is never believed for nothing: the first packets of
 * each queue have the nic's hash compared with our own, and one now and then later; where they
 * differ, or the packet is one that a nic need not understand, the hash is computed. So the owner
 * of a tuple is the same whatever nics do; they only save the computing and the hand-off.
 *
 * Hand-off is a mesh of single-producer single-consumer rings, one for each ordered pair of
 * workers, filled and drained in bursts. The receiver parses the packet again.
 */
#ifndef FLOW_STEER_H
#define FLOW_STEER_H

#include <rte_ring.h>

#include "net/net.h"
#include "net/pkt.h"

enum steer_way { STEER_SOFTWARE, STEER_TUPLE, STEER_SPLIT };

/* The low bits of a hash that choose a place of the redirection table: see nic_conf.hash. */
#define STEER_TABLE NIC_HASH_TABLE

/* struct steer_nic.doubt: by kind of packet (IPv6, UDP, tagged). 0: its hash is believed; else how
 * much is to be seen before it is, up to STEER_LIES, after which it never is. */
#define STEER_KINDS 8
#define STEER_LIES  UINT8_MAX

struct steer_nic {
	uint8_t hash; /* enum nic_hash */
	uint8_t doubt[STEER_KINDS];
};

struct steer {
	unsigned int id, n_workers;
	enum steer_way way;
	const struct net_table *table; /* of this burst; set by the worker, NULL in some tests */
	uint8_t by[16];                /* what the owner follows from, by pkt.flags */
	uint8_t owner[STEER_TABLE];
	uint32_t key[NIC_RSS_KEY_SIZE / 4]; /* nic_rss_key for rte_softrss_be() */
	struct steer_nic nic[NIC_MAX];
	uint32_t bursts;
	struct rte_ring **in;  /* [from]: NULL for itself */
	struct rte_ring **out; /* [to] */
	struct {
		unsigned int n;
		struct rte_mbuf *mbuf[BURST_MAX];
	} * staged;                       /* [to]: of this burst */
	unsigned int next;                /* where steer_receive() begins */
	uint64_t handed_over, taken_over; /* packets */
	uint64_t wrong_core; /* of handed_over: a nic was to bring them to their owner */
	uint64_t computed;   /* hashes that a nic was to give and did not, or not believably */
};

/* The rings among n workers (depth packets each) and each one's struct steer, the way software; an
 * array of n pointers, NULL with errno. */
struct steer **steer_create(unsigned int n, unsigned int depth, const int *sockets);
/* Frees the packets left in the rings too. */
void steer_destroy(struct steer **s, unsigned int n);

/* Before the first packet: another way, with what each nic hashes. Nothing changes with one worker.
 */
void steer_use(struct steer **s, unsigned int n, enum steer_way way, struct nic *const *nics,
	unsigned int n_nics);

/* Whether the hash of a nic was found wrong by a worker, for some kind of packets. Any core. */
bool steer_nic_lies(const struct steer *s, unsigned int nic);

/* The hash of a tuple as a nic computes it that covers `what`. */
uint32_t steer_hash(const struct steer *s, const struct tuple *t, enum nic_hash what);

/* The worker that owns packets of this tuple. from_client: its destination is a virtual address. */
unsigned int steer_owner(const struct steer *s, const struct tuple *t, bool from_client);

/* Hands packets of other workers over (PKT_TAKEN); frees and counts what a full ring
 * does not take. Nothing to do with one worker. Fragments go to the worker that pkt.hash names,
 * once. */
void steer_burst(struct steer *s, struct net_worker *net, struct burst *b);

/* Packets that others handed to this worker, at most max; a fair turn for each sender. */
unsigned int steer_receive(struct steer *s, struct rte_mbuf **out, unsigned int max);

#endif

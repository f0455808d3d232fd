/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of lib/net that address and send share: the neighbours' hot part, the hold queue,
 * ARP and ND messages. */
#ifndef NET_NET_PRIV_H
#define NET_NET_PRIV_H

#include <rte_hash.h>

#include "net/net.h"

/* ---- netconf.c, table.c --------------------------------------------------------------------- */

/* The port of a route: the configured one, or that whose network holds the next hop, or
 * NET_PORT_NONE. */
uint8_t route_port(const struct net_conf *conf, const struct route_conf *r);

/* Whether a is the first or (IPv4) last address of p's network: no host's. */
bool prefix_is_end(const struct prefix *p, const struct addr *a);

/* prefix_contains() for an address with its network: p may have host bits. */
static inline bool prefix_holds(const struct prefix *p, const struct addr *a)
{
	struct prefix net = prefix_network(p);

	return prefix_contains(&net, a);
}

/* ---- neigh.c -------------------------------------------------------------------------------- */

/* What a neighbour is found by; no padding that is not zero, for it is hashed as it is. */
struct neigh_key {
	struct addr addr;
	uint32_t port;
	uint32_t zero;
};

/* A worker's wish to know a neighbour, as it travels through the ring. */
struct neigh_wish {
	struct addr addr;
	uint64_t port;
};

/* The part of struct neigh_table that workers read. */
struct neigh_shared {
	uint64_t *word;        /* [max] */
	struct neigh_key *key; /* [max]; constant while the slot is not free */
	uint32_t max;
	uint32_t epoch;      /* counts neighbours forgotten */
	uint32_t settled;    /* counts questions answered or given up: the hold queue looks again */
	bool full;           /* the last one wanted found no room */
	uint32_t give_up_ms; /* after which a question counts as unanswered */
	struct rte_hash *index; /* position of a key is its adjacency */
	uint32_t **used;        /* [worker]: net_worker.adj_used */
	struct rte_ring **wish; /* [worker]: wishes for the control core */
	unsigned int workers;
};

static inline const struct neigh_shared *neigh_shared(const struct neigh_table *n)
{
	return (const struct neigh_shared *)n;
}

static inline uint64_t adj_word_load(const struct neigh_shared *s, uint16_t adj)
{
	return adj < s->max ? __atomic_load_n(&s->word[adj], __ATOMIC_ACQUIRE) : 0;
}

static inline bool adj_word_sends(uint64_t word)
{
	enum adj_state state = adj_word_state(word);

	return state == ADJ_REACHABLE || state == ADJ_STALE;
}

/* ---- neigh_msg.c: ARP and ND on the wire ---------------------------------------------------- */

enum neigh_op { NEIGH_ASK, NEIGH_ANSWER };

/* One question or answer of either protocol. */
struct neigh_msg {
	enum neigh_op op;
	struct addr sender; /* who speaks; unspecified of its family in a probe for duplicates */
	struct addr target; /* asked for; in an ND answer, whose MAC is told */
	struct rte_ether_addr mac;  /* the sender's (an answer: the target's), if has_mac */
	struct rte_ether_addr from; /* Ethernet source: where an answer can go */
	bool has_mac;
	bool solicited; /* an answer to a question of ours */
	bool override;  /* replaces what was known */
	uint16_t vlan;
};

/* Takes a frame apart. false: not well-formed, *reason says what. */
bool neigh_msg_parse(const struct rte_mbuf *m, struct neigh_msg *msg, enum drop_reason *reason);

/* Makes frames, without VLAN tag. NULL when there is no buffer. src_mac: of the port. */
struct rte_mbuf *neigh_msg_ask(struct rte_mempool *pool, const struct rte_ether_addr *src_mac,
	const struct addr *sender, const struct addr *target, const struct rte_ether_addr *unicast);
struct rte_mbuf *neigh_msg_answer(struct rte_mempool *pool, const struct rte_ether_addr *src_mac,
	const struct neigh_msg *question, bool router);
/* Gratuitous ARP or unsolicited NA for an address of ours. */
struct rte_mbuf *neigh_msg_announce(struct rte_mempool *pool, const struct rte_ether_addr *src_mac,
	const struct addr *own, bool router);

/* ---- hold.c --------------------------------------------------------------------------------- */

struct hold *hold_create(unsigned int max, unsigned int each, int socket);
/* Drops what still waits, under DROP_shutdown. */
void hold_destroy(struct hold *h, struct net_worker *w);

/* Takes the packet, to wait for an address on a port, or drops it (DROP_hold_full). */
void hold_packet(struct net_worker *w, struct rte_mbuf *m, uint16_t l3_off, uint16_t l3_len,
	uint8_t port, const struct addr *addr);

/* Sends what can be sent, drops what waited too long. A bounded piece of work. */
void hold_run(struct net_worker *w);

/* ---- split.c -------------------------------------------------------------------------------- */

struct ident *ident_create(int socket);

/* 0 or -errno. */
int split_register(struct split_mark *mark);

/* Writes PKT_SPLIT and pkt.split into the mbuf, */
static inline void split_mark(const struct net_worker *w, struct rte_mbuf *m, uint16_t split)
{
	m->ol_flags |= w->split.flag;
	*RTE_MBUF_DYNFIELD(m, w->split.at, uint16_t *) = split;
}

/* and reads them. */
static inline bool split_marked(
	const struct net_worker *w, const struct rte_mbuf *m, uint16_t *split)
{
	if (!(m->ol_flags & w->split.flag))
		return false;
	*split = *RTE_MBUF_DYNFIELD(m, w->split.at, const uint16_t *);
	return true;
}

/* How long the fragments of a datagram may be: split is its pkt.split. */
static inline uint16_t split_limit(uint16_t split, uint16_t mtu)
{
	return split && split < mtu ? split : mtu;
}

/* Whether everybody may cut it up. */
static inline bool split_is_free(const uint8_t *l3)
{
	return l3[0] >> 4 == 4 && !(l3[6] & 0x40);
}

/* Cuts the datagram at l3 into fragments of at most so many bytes and gives them away in order,
 * each one mbuf that begins with its IP header; takes the mbuf. */
void split_each(struct net_worker *w, struct rte_mbuf *m, const uint8_t *l3, uint16_t l3_len,
	uint16_t most, void (*give)(void *to, struct rte_mbuf *piece), void *to);

/* Sends the datagram at l3 as fragments of at most so many bytes to a neighbour whose word says
 * that it can be; takes the mbuf. */
void split_send(struct net_worker *w, struct rte_mbuf *m, uint8_t *l3, uint16_t l3_len,
	uint16_t most, uint64_t word);

/* A copy of the datagram at l3 in one segment, or NULL; frees m. */
struct rte_mbuf *split_linear(
	struct net_worker *w, struct rte_mbuf *m, const uint8_t *l3, uint16_t l3_len);

/* ---- output.c ------------------------------------------------------------------------------- */

/* Sends a packet to an adjacency whose word says that it can be. */
void output_packet(
	struct net_worker *w, struct rte_mbuf *m, uint8_t *l3, uint16_t l3_len, uint64_t word);

/* The same with a datagram of one mbuf, which has nothing else, that fits the link. */
void output_fitting(struct net_worker *w, struct rte_mbuf *m, uint16_t l3_len, uint64_t word);

#endif

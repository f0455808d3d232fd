/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reassembly: a worker's fragments that wait for the rest of their datagram (RFC 791, RFC 815,
 * RFC 8200 4.5).
 *
 *   parse_burst()   says PKT_FRAGMENT, and by pkt.hash which worker collects the datagram
 *   frag_input()    takes the fragment there, at the end of the pipeline
 *   frag_take()     gives the datagrams that have become whole: they run through the pipeline again
 *   frag_expire()   once a poll: drops what has waited too long
 *
 * What always holds: the fragments of a datagram stand in order and do not overlap (RFC 5722; for
 * IPv4 too). Where one does, all of the datagram goes, and what still comes of it. There are never
 * more mbufs here than conf.max, nor more than half of them from one source; a refused datagram, of
 * which nothing is kept, counts as one. When there is no room, the datagram that has waited longest
 * goes, for those that can become whole mostly do so within milliseconds, and a flood of first
 * fragments displaces itself.
 */
#ifndef NET_FRAG_H
#define NET_FRAG_H

#include "base/hash.h"
#include "net/net.h"

struct frag_conf {
	uint32_t max;           /* mbufs that may wait in a worker */
	uint32_t timeout_ms[2]; /* IPv4, IPv6: since the first fragment that came */
	/* Spreads sources and datagrams over groups; NULL: drawn at random, so that nobody can
	 * choose his. */
	const struct hash_key *key;
};

/* Most fragments of one datagram: enough for 65,535 bytes by way of an MTU of 296. */
#define FRAG_PIECES 256

/* 1024; 30 s, and 60 s as RFC 8200 4.5 has it. */
extern const struct frag_conf frag_defaults;

struct frags;

/* NULL with errno. frag_destroy() drops what waits, under DROP_shutdown; f may be NULL. */
struct frags *frag_create(const struct frag_conf *conf, int socket);
void frag_destroy(struct frags *f, struct net_worker *w);

/* What it takes, for planning. */
uint64_t frag_bytes(const struct frag_conf *conf);

/* Takes the mbuf of a PKT_FRAGMENT packet into w->frags; at most BURST_MAX between two calls of
 * frag_take(). */
void frag_input(struct net_worker *w, struct pkt *p);

/* Datagrams that are whole: received frames again, but that their mbufs are chains, each an mbuf a
 * fragment, and marked (see pkt.split). out has room for BURST_MAX. */
unsigned int frag_take(struct net_worker *w, struct rte_mbuf **out);

/* Time-outs, a bounded number of them; returns how many datagrams. The sender of one to an address
 * of ours whose first fragment is there is told (RFC 792, RFC 8200 4.5). */
unsigned int frag_expire(struct net_worker *w);

/* mbufs and datagrams that wait. */
struct frag_stats {
	uint32_t mbufs, datagrams;
	uint32_t max; /* mbufs */
};
struct frag_stats frag_stats(const struct frags *f);

#endif

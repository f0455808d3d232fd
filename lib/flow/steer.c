/* SPDX-License-Identifier: BSD-3-Clause */
/* Owners of packets and the rings between workers; see steer.h. */
#include "steer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_hash_crc.h>
#include <rte_thash.h>

#include "base/counter.h"
#include "net/icmp_quote.h"

/* What the owner of a packet follows from. The first are what a nic may hash. */
enum steer_by {
	BY_TUPLE = NIC_HASH_TUPLE,
	BY_SOURCE = NIC_HASH_SOURCE,
	BY_DESTINATION = NIC_HASH_DESTINATION,
	BY_CLIENT_SOURCE, /* the client's end, by a hash of ours */
	BY_CLIENT_DESTINATION,
};

/* pkt.flags that choose it. */
#define BY_FLAGS 0x0f

/* Packets of a queue that must have the right hash before it is believed, what a wrong one costs,
 * and how often (in bursts with packets of no flow) one is looked at later. */
#define DOUBT_FIRST 32
#define DOUBT_WRONG 8
#define DOUBT_AGAIN 1024

/* ---- hashes --------------------------------------------------------------------------------- */

static unsigned int endpoint_owner(
	const struct addr *client, rte_be16_t port, unsigned int n_workers)
{
	uint32_t h = rte_hash_crc_8byte(client->q[0], port);

	h = rte_hash_crc_8byte(client->q[1], h);
	return (unsigned int)(((uint64_t)h * n_workers) >> 32);
}

/* The input of a nic's hash, in words; returns the next place. */
static uint32_t *put_addr(uint32_t *out, const struct addr *a)
{
	for (unsigned int i = addr_is_v4(a) ? 3 : 0; i < 4; i++)
		*out++ = rte_be_to_cpu_32(a->w[i]);
	return out;
}

uint32_t steer_hash(const struct steer *s, const struct tuple *t, enum nic_hash what)
{
	const uint32_t sport = rte_be_to_cpu_16(t->sport), dport = rte_be_to_cpu_16(t->dport);
	uint32_t word[9], *end = word;

	/* A key bit counts for the input bit beside it: zeroes at the end change nothing. */
	if (what != NIC_HASH_DESTINATION)
		end = put_addr(end, &t->src);
	if (what != NIC_HASH_SOURCE)
		end = put_addr(end, &t->dst);
	*end++ = what == NIC_HASH_TUPLE ? sport << 16 | dport
					: (what == NIC_HASH_SOURCE ? sport : dport) << 16;
	return rte_softrss_be(word, (uint32_t)(end - word), (const uint8_t *)s->key);
}

static unsigned int owner_by(const struct steer *s, const struct tuple *t, enum steer_by by)
{
	if (by == BY_CLIENT_SOURCE)
		return endpoint_owner(&t->src, t->sport, s->n_workers);
	if (by == BY_CLIENT_DESTINATION)
		return endpoint_owner(&t->dst, t->dport, s->n_workers);
	return s->owner[steer_hash(s, t, (enum nic_hash)by) % STEER_TABLE];
}

unsigned int steer_owner(const struct steer *s, const struct tuple *t, bool from_client)
{
	uint8_t flags = from_client ? PKT_VIRTUAL : 0;

	/* Elsewhere nothing hangs on more than that. */
	if (s->way == STEER_TUPLE && s->table) {
		const struct local_addr *l = net_local_find(s->table, &t->dst);

		flags = l ? l->flags : 0;
	}
	return owner_by(s, t, (enum steer_by)s->by[flags & BY_FLAGS]);
}

/* ---- a nic's hash --------------------------------------------------------------------------- */

/* Kinds of packets that a nic may hash by other rules. */
static inline unsigned int kind_of(const struct pkt *p)
{
	return (p->family == 6) | (p->proto == IPPROTO_UDP) << 1 |
	       ((p->mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) << 2;
}

/* Whether nothing is between the IP header and the ports that a nic may stumble over. */
static inline bool is_plain(const struct pkt *p)
{
	return p->l4 - p->l3 == (p->family == 4 ? 20 : 40);
}

/* What a nic said of a packet whose hash is h. */
static void judge(struct steer_nic *nic, const struct pkt *p, uint32_t h)
{
	const struct rte_mbuf *m = p->mbuf;
	uint8_t *doubt = &nic->doubt[kind_of(p)];

	if (*doubt == STEER_LIES)
		return;
	if ((m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) && m->hash.rss == h)
		*doubt -= *doubt > 0;
	else
		*doubt = (uint8_t)RTE_MIN(*doubt + DOUBT_WRONG, STEER_LIES);
}

/* The right hash, also into the mbuf, for its next worker. received: the mbuf has a nic's. */
static __rte_noinline uint32_t hash_compute(
	struct steer *s, const struct pkt *p, enum steer_by by, bool received)
{
	struct steer_nic *nic = &s->nic[p->mbuf->port];
	const struct tuple t = pkt_tuple(p);
	const uint32_t h = steer_hash(s, &t, (enum nic_hash)by);

	if (received && nic->hash == by) {
		counter_add(&s->computed, 1);
		if (is_plain(p))
			judge(nic, p, h);
	}
	p->mbuf->hash.rss = h;
	p->mbuf->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
	return h;
}

/* received: from a queue; otherwise the mbuf has what another worker put there or believed. */
static inline uint32_t packet_hash(
	struct steer *s, const struct pkt *p, enum steer_by by, bool received)
{
	const struct rte_mbuf *m = p->mbuf;
	const struct steer_nic *nic = &s->nic[m->port];

	if (likely((m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) &&
		    (!received || (nic->hash == by && nic->doubt[kind_of(p)] == 0 && is_plain(p)))))
		return m->hash.rss;
	return hash_compute(s, p, by, received);
}

static void doubt_again(struct steer *s)
{
	for (unsigned int i = 0; i < NIC_MAX; i++)
		for (unsigned int k = 0; k < STEER_KINDS; k++)
			s->nic[i].doubt[k] += s->nic[i].doubt[k] == 0;
}

bool steer_nic_lies(const struct steer *s, unsigned int nic)
{
	bool lies = false;

	for (unsigned int k = 0; k < STEER_KINDS; k++)
		lies |= __atomic_load_n(&s->nic[nic].doubt[k], __ATOMIC_RELAXED) == STEER_LIES;
	return lies;
}

/* ---- a burst -------------------------------------------------------------------------------- */

static inline unsigned int client_owner(const struct pkt *p, bool source, unsigned int n_workers)
{
	struct addr client = source ? pkt_src(p) : pkt_dst(p);
	rte_be16_t port;

	memcpy(&port, p->l4 + (source ? 0 : 2), sizeof(port));
	return endpoint_owner(&client, port, n_workers);
}

static inline unsigned int packet_owner(struct steer *s, const struct pkt *p, bool received)
{
	const enum steer_by by = (enum steer_by)s->by[p->flags & BY_FLAGS];

	if (by < BY_CLIENT_SOURCE)
		return s->owner[packet_hash(s, p, by, received) % STEER_TABLE];
	return client_owner(p, by == BY_CLIENT_SOURCE, s->n_workers);
}

/* The packet has been checked: its next owner need not sum it again. What a nic hashed is of use to
 * it only if its owner follows from that. */
static void mark_checked(const struct steer *s, const struct pkt *p)
{
	struct rte_mbuf *m = p->mbuf;

	if (s->by[p->flags & BY_FLAGS] >= BY_CLIENT_SOURCE)
		m->ol_flags &= ~RTE_MBUF_F_RX_RSS_HASH;
	m->ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK);
	m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

static void staged_send(struct steer *s, struct net_worker *net, unsigned int to)
{
	unsigned int n = s->staged[to].n, sent;

	sent = rte_ring_sp_enqueue_burst(s->out[to], (void **)s->staged[to].mbuf, n, NULL);
	for (unsigned int i = sent; i < n; i++)
		net_drop(net, s->staged[to].mbuf[i], DROP_handoff_full);
	counter_add(&s->handed_over, sent);
	s->staged[to].n = 0;
}

static void stage(struct steer *s, struct pkt *p, unsigned int owner)
{
	s->staged[owner].mbuf[s->staged[owner].n++] = p->mbuf;
	p->verdict = PKT_TAKEN;
}

/* Whether a nic was to bring this packet to its owner. */
static bool nic_chose(const struct steer *s, const struct pkt *p)
{
	return s->nic[p->mbuf->port].hash == s->by[p->flags & BY_FLAGS];
}

/* An ICMP error goes to the worker of the packets that come its way. */
static unsigned int error_owner(
	const struct steer *s, const struct net_table *table, const struct pkt *p)
{
	struct icmp_quote q;

	if (!icmp_quoted(p, &q)) /* parsing has made sure */
		return s->id;
	return steer_owner(s, &q.tuple, net_local(table, &q.tuple.dst, NULL) == LOCAL_VIRTUAL);
}

/*
 * Echo requests and replies that pass the gateway have flows too: see pkt_echo_tuple(). Whether any
 * is handed over.
 */
static bool stage_echoes(struct steer *s, struct burst *b)
{
	struct tuple tuple;
	bool any = false;

	for (struct pkt *p = b->pkt; p < b->pkt + b->n; p++) {
		const bool reply = p->verdict == PKT_ICMP && (p->flags & PKT_OURS);
		unsigned int owner;

		if ((!reply && p->verdict != PKT_ROUTED) || !pkt_echo_tuple(p, &tuple) ||
			(reply && tuple.dport == 0))
			continue;
		owner = steer_owner(s, &tuple, false);
		if (owner == s->id)
			continue;
		stage(s, p, owner);
		any = true;
	}
	return any;
}

void steer_burst(struct steer *s, struct net_worker *net, struct burst *b)
{
	bool any = false;

	if (s->n_workers == 1)
		return;
	if (unlikely(++s->bursts % DOUBT_AGAIN == 0))
		doubt_again(s);
	for (struct pkt *p = b->pkt; p < b->pkt + b->n; p++) {
		unsigned int owner;

		if (likely(p->verdict == PKT_GO)) {
			owner = packet_owner(s, p, !b->handed_over);
			if (owner == s->id)
				continue;
			if (!b->handed_over && nic_chose(s, p))
				counter_add(&s->wrong_core, 1);
			mark_checked(s, p);
		} else if (p->verdict == PKT_FRAGMENT && !b->handed_over) {
			/* Of whatever a nic hashed, it is not the datagram's tuple. */
			p->mbuf->ol_flags &= ~RTE_MBUF_F_RX_RSS_HASH;
			owner = (unsigned int)(((uint64_t)p->hash * s->n_workers) >> 32);
			if (owner == s->id)
				continue;
		} else if (p->verdict == PKT_ERROR) {
			owner = error_owner(s, net->table, p);
			if (owner == s->id)
				continue;
		} else {
			continue;
		}
		stage(s, p, owner);
		any = true;
	}
	if (unlikely(net->table->gateway))
		any |= stage_echoes(s, b);
	for (unsigned int to = 0; any && to < s->n_workers; to++)
		if (s->staged[to].n)
			staged_send(s, net, to);
}

unsigned int steer_receive(struct steer *s, struct rte_mbuf **out, unsigned int max)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n_workers && n < max; i++) {
		unsigned int from = (s->id + s->next + i) % s->n_workers;

		if (from != s->id)
			n += rte_ring_sc_dequeue_burst(
				s->in[from], (void **)out + n, max - n, NULL);
	}
	if (n) {
		s->next++;
		counter_add(&s->taken_over, n);
	}
	return n;
}

/* ---- making --------------------------------------------------------------------------------- */

static enum steer_by choose_by(enum steer_way way, uint8_t flags)
{
	switch (way) {
	case STEER_TUPLE:
		if (flags & PKT_CLIENT)
			return BY_CLIENT_SOURCE;
		return flags ? BY_TUPLE : BY_CLIENT_DESTINATION;
	case STEER_SPLIT:
		return flags & PKT_VIRTUAL ? BY_SOURCE : BY_DESTINATION;
	default:
		return flags & PKT_VIRTUAL ? BY_CLIENT_SOURCE : BY_CLIENT_DESTINATION;
	}
}

static void use(struct steer *s, enum steer_way way, struct nic *const *nics, unsigned int n_nics)
{
	s->way = way;
	for (unsigned int i = 0; i < RTE_DIM(s->by); i++)
		s->by[i] = (uint8_t)choose_by(way, (uint8_t)i);
	for (unsigned int i = 0; i < STEER_TABLE; i++)
		s->owner[i] = (uint8_t)(i % s->n_workers);
	memcpy(s->key, nic_rss_key, sizeof(s->key));
	rte_convert_rss_key(s->key, s->key, sizeof(s->key));
	for (unsigned int i = 0; i < n_nics; i++) {
		s->nic[i].hash = nics[i]->hash;
		memset(s->nic[i].doubt, DOUBT_FIRST, sizeof(s->nic[i].doubt));
	}
}

void steer_use(struct steer **s, unsigned int n, enum steer_way way, struct nic *const *nics,
	unsigned int n_nics)
{
	for (unsigned int i = 0; n > 1 && i < n; i++)
		use(s[i], way, nics, n_nics);
}

static struct steer *steer_alloc(unsigned int id, unsigned int n)
{
	struct steer *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->id = id;
	s->n_workers = n;
	use(s, STEER_SOFTWARE, NULL, 0);
	s->in = calloc(n, sizeof(*s->in));
	s->out = calloc(n, sizeof(*s->out));
	s->staged = calloc(n, sizeof(*s->staged));
	if (s->in && s->out && s->staged)
		return s;
	free(s->staged);
	free(s->out);
	free(s->in);
	free(s);
	return NULL;
}

struct steer **steer_create(unsigned int n, unsigned int depth, const int *sockets)
{
	struct steer **s = calloc(n, sizeof(*s));

	if (!s)
		return NULL;
	for (unsigned int i = 0; i < n; i++) {
		s[i] = steer_alloc(i, n);
		if (!s[i])
			goto fail;
	}
	for (unsigned int from = 0; from < n; from++) {
		for (unsigned int to = 0; to < n; to++) {
			char name[RTE_RING_NAMESIZE];

			if (from == to)
				continue;
			snprintf(name, sizeof(name), "handoff_%hu_%hu", (unsigned short)from,
				(unsigned short)to);
			s[from]->out[to] = s[to]->in[from] =
				rte_ring_create(name, depth, sockets ? sockets[to] : SOCKET_ID_ANY,
					RING_F_SP_ENQ | RING_F_SC_DEQ);
			if (!s[from]->out[to])
				goto fail;
		}
	}
	return s;

fail:
	steer_destroy(s, n);
	errno = ENOMEM;
	return NULL;
}

static void ring_drain(struct rte_ring *r)
{
	struct rte_mbuf *m;

	while (rte_ring_dequeue(r, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

void steer_destroy(struct steer **s, unsigned int n)
{
	for (unsigned int i = 0; i < n && s[i]; i++) {
		for (unsigned int to = 0; to < n; to++)
			if (s[i]->out[to])
				ring_drain(s[i]->out[to]);
		free(s[i]->staged);
		free(s[i]->out);
		free(s[i]->in);
		free(s[i]);
	}
	free(s);
}

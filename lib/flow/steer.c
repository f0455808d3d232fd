/* SPDX-License-Identifier: BSD-3-Clause */
/* Owners of packets and the rings between workers; see steer.h. */
#include "steer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_hash_crc.h>

static unsigned int endpoint_owner(
	const struct addr *client, rte_be16_t port, unsigned int n_workers)
{
	uint32_t h = rte_hash_crc_8byte(client->q[0], port);

	h = rte_hash_crc_8byte(client->q[1], h);
	return (unsigned int)(((uint64_t)h * n_workers) >> 32);
}

static unsigned int packet_owner(const struct pkt *p, unsigned int n_workers)
{
	bool inbound = p->flags & PKT_VIRTUAL;
	struct addr client = inbound ? pkt_src(p) : pkt_dst(p);
	rte_be16_t port;

	memcpy(&port, p->l4 + (inbound ? 0 : 2), sizeof(port));
	return endpoint_owner(&client, port, n_workers);
}

unsigned int steer_owner(const struct steer *s, const struct tuple *t, bool from_client)
{
	return from_client ? endpoint_owner(&t->src, t->sport, s->n_workers)
			   : endpoint_owner(&t->dst, t->dport, s->n_workers);
}

/* The packet has been checked: its next owner need not sum it again. */
static void mark_checked(struct rte_mbuf *m)
{
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

void steer_burst(struct steer *s, struct net_worker *net, struct burst *b)
{
	bool any = false;

	if (s->n_workers == 1)
		return;
	burst_foreach (b, p) {
		unsigned int owner = packet_owner(p, s->n_workers);

		if (owner == s->id)
			continue;
		mark_checked(p->mbuf);
		s->staged[owner].mbuf[s->staged[owner].n++] = p->mbuf;
		p->verdict = PKT_TAKEN;
		any = true;
	}
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

static struct steer *steer_alloc(unsigned int id, unsigned int n)
{
	struct steer *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->id = id;
	s->n_workers = n;
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

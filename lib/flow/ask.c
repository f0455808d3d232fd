/* SPDX-License-Identifier: BSD-3-Clause */
/* The mesh of rings for questions; see ask.h. */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>

#include "base/counter.h"

bool ask_send(struct ask *a, unsigned int to, struct rte_mbuf *m)
{
	/* The packet has been checked: who takes it up again need not sum it again. */
	m->ol_flags &= ~(RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK);
	m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	if (rte_ring_sp_enqueue(a->out[to], m) != 0)
		return false;
	counter_add(&a->asked, 1);
	return true;
}

unsigned int ask_receive(struct ask *a, struct rte_mbuf **out, unsigned int max)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < a->n_workers && n < max; i++) {
		unsigned int from = (a->id + a->next + i) % a->n_workers;

		if (from != a->id)
			n += rte_ring_sc_dequeue_burst(
				a->in[from], (void **)out + n, max - n, NULL);
	}
	if (n)
		a->next++;
	return n;
}

static struct ask *ask_alloc(unsigned int id, unsigned int n, int field)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->id = id;
	a->n_workers = n;
	a->field = field;
	a->in = calloc(n, sizeof(*a->in));
	a->out = calloc(n, sizeof(*a->out));
	if (a->in && a->out)
		return a;
	free(a->out);
	free(a->in);
	free(a);
	return NULL;
}

struct ask **ask_create(unsigned int n, unsigned int depth, const int *sockets)
{
	static const struct rte_mbuf_dynfield field = {
		.name = "fairlead_question",
		.size = sizeof(struct question),
		.align = _Alignof(struct question),
	};
	int offset = rte_mbuf_dynfield_register(&field);
	struct ask **a = calloc(n, sizeof(*a));

	if (!a || offset < 0) {
		free(a);
		errno = offset < 0 ? rte_errno : ENOMEM;
		return NULL;
	}
	for (unsigned int i = 0; i < n; i++) {
		a[i] = ask_alloc(i, n, offset);
		if (!a[i])
			goto fail;
	}
	for (unsigned int from = 0; from < n; from++) {
		for (unsigned int to = 0; to < n; to++) {
			char name[RTE_RING_NAMESIZE];

			if (from == to)
				continue;
			snprintf(name, sizeof(name), "ask_%hu_%hu", (unsigned short)from,
				(unsigned short)to);
			a[from]->out[to] = a[to]->in[from] =
				rte_ring_create(name, depth, sockets ? sockets[to] : SOCKET_ID_ANY,
					RING_F_SP_ENQ | RING_F_SC_DEQ);
			if (!a[from]->out[to])
				goto fail;
		}
	}
	return a;

fail:
	ask_destroy(a, n);
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

void ask_destroy(struct ask **a, unsigned int n)
{
	for (unsigned int i = 0; a && i < n && a[i]; i++) {
		for (unsigned int to = 0; to < n; to++)
			if (a[i]->out[to])
				ring_drain(a[i]->out[to]);
		free(a[i]->out);
		free(a[i]->in);
		free(a[i]);
	}
	free(a);
}

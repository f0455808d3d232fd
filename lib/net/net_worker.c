/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making and freeing what each worker and the control core need for sending: buffers, the hold
 * queue, the ring of punts, and transmit rings between those pairs of cores that need one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "net_priv.h"

#define PUNT_RING   2048
#define KERNEL_RING 1024
#define TX_RING     1024

static struct rte_ring *ring_make(
	const char *what, const struct net_worker *w, unsigned int i, unsigned int size, int socket)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "%s%u_%p", what, i, (const void *)w);
	return rte_ring_create(name, size, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static void ring_drain(struct net_worker *w, struct rte_ring *ring)
{
	void *m;

	while (ring && rte_ring_sc_dequeue(ring, &m) == 0)
		net_drop(w, m, DROP_shutdown);
	rte_ring_free(ring);
}

static void worker_free(struct net_worker *w)
{
	if (!w)
		return;
	hold_destroy(w->hold, w);
	rte_free(w->ident);
	for (unsigned int i = 0; i < w->n_nics; i++)
		for (unsigned int j = 0; j < w->tx[i].n; j++)
			net_drop(w, w->tx[i].mbuf[j], DROP_shutdown);
	ring_drain(w, w->punt);
	ring_drain(w, w->kernel);
	/* Each ring stands twice, with its sender and with its owner, who frees it. */
	for (unsigned int i = 0; w->tx_in && i < w->n_workers; i++)
		ring_drain(w, w->tx_in[i]);
	rte_free(w->tx_in);
	rte_free(w->tx_out);
	rte_free(w);
}

static struct net_worker *worker_make(unsigned int id, unsigned int n, struct nic **nics,
	unsigned int n_nics, struct neigh_table *neigh, const struct neigh_conf *conf, int socket)
{
	struct net_worker *w =
		rte_zmalloc_socket("net_worker", sizeof(*w), RTE_CACHE_LINE_SIZE, socket);
	int rc;

	if (!w) {
		errno = ENOMEM;
		return NULL;
	}
	w->id = (uint16_t)id;
	w->n_workers = (uint16_t)n;
	w->n_nics = (uint16_t)n_nics;
	w->nics = nics;
	w->neigh = neigh;
	w->adj_used = neigh_shared(neigh)->used[id];
	for (unsigned int i = 0; i < n_nics; i++)
		if (nics[i]->lacp && id < nics[i]->txqs)
			w->slow_nics |= 1u << i;
	w->tx_in = rte_zmalloc_socket("tx_in", n * sizeof(*w->tx_in), 0, socket);
	w->tx_out = rte_zmalloc_socket("tx_out", n * sizeof(*w->tx_out), 0, socket);
	w->hold = hold_create(conf->hold_max, conf->hold_each, socket);
	errno = ENOMEM;
	if (!w->tx_in || !w->tx_out || !w->hold)
		goto fail;
	w->ident = ident_create(socket);
	if (!w->ident)
		goto fail;
	rc = split_register(&w->split);
	if (rc < 0) {
		errno = -rc;
		goto fail;
	}
	/* The control core is the one who takes punts. */
	if (id + 1 < n) {
		w->punt = ring_make("punt", w, id, PUNT_RING, socket);
		w->kernel = ring_make("kernel", w, id, KERNEL_RING, socket);
		errno = rte_errno;
		if (!w->punt || !w->kernel)
			goto fail;
	}
	return w;

fail:
	worker_free(w);
	return NULL;
}

/* A ring from each worker to the owner of every queue that it has to share. */
static int workers_connect(struct net_worker **w, unsigned int n, const int *sockets)
{
	for (unsigned int s = 0; s < n; s++)
		for (unsigned int i = 0; i < w[s]->n_nics; i++) {
			const struct nic *nic = w[s]->nics[i];
			unsigned int owner = s < nic->txqs ? s : s % nic->txqs;

			if (owner == s || w[s]->tx_out[owner])
				continue;
			w[s]->tx_out[owner] = ring_make("tx", w[s], owner, TX_RING,
				sockets ? sockets[owner] : SOCKET_ID_ANY);
			if (!w[s]->tx_out[owner])
				return -rte_errno;
			w[owner]->tx_in[s] = w[s]->tx_out[owner];
		}
	return 0;
}

struct net_worker **net_workers_create(unsigned int n, struct nic **nics, unsigned int n_nics,
	struct neigh_table *neigh, const struct neigh_conf *conf, struct rte_mempool **pools,
	const int *sockets)
{
	struct net_worker **w;
	int rc;

	for (unsigned int i = 0; i < n_nics; i++)
		if (nics[i]->txqs == 0)
			n = 0;
	if (n == 0 || n > neigh_shared(neigh)->workers || n_nics > NIC_MAX) {
		errno = EINVAL;
		return NULL;
	}
	w = calloc(n, sizeof(*w));
	if (!w)
		return NULL;
	for (unsigned int i = 0; i < n; i++) {
		w[i] = worker_make(
			i, n, nics, n_nics, neigh, conf, sockets ? sockets[i] : SOCKET_ID_ANY);
		rc = -errno;
		if (!w[i])
			goto fail;
		w[i]->pool = pools[i];
	}
	rc = workers_connect(w, n, sockets);
	if (!rc)
		return w;
fail:
	net_workers_destroy(w, n);
	errno = -rc;
	return NULL;
}

void net_workers_destroy(struct net_worker **w, unsigned int n)
{
	for (unsigned int i = 0; w && i < n; i++)
		worker_free(w[i]);
	free(w);
}

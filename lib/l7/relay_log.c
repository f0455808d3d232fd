/* SPDX-License-Identifier: BSD-3-Clause */
/* See relay_log.h. The ring lies in memory of its own, for named ones are to be told apart. */
#include "relay_log.h"

#include <errno.h>

#include <rte_malloc.h>
#include <rte_ring.h>

#include "base/counter.h"
#include "relay.h"

_Static_assert(sizeof(struct relay_record) % 4 == 0, "rte_ring_enqueue_elem() says so");

struct relay_log {
	struct rte_ring *ring;
	uint64_t lost;
};

/* One more, which a ring never fills. */
#define SLOTS (RELAY_LOG_ROOM + 1)

static size_t ring_bytes(void)
{
	return (size_t)rte_ring_get_memsize_elem(sizeof(struct relay_record), SLOTS);
}

uint64_t relay_log_bytes(void)
{
	return sizeof(struct relay_log) + ring_bytes();
}

struct relay_log *relay_log_create(int socket)
{
	struct relay_log *l = rte_zmalloc_socket("relay_log", sizeof(*l), 64, socket);

	if (!l)
		goto fail;
	l->ring = rte_zmalloc_socket("relay_log", ring_bytes(), RTE_CACHE_LINE_SIZE, socket);
	if (!l->ring ||
		rte_ring_init(l->ring, "relay_log", SLOTS, RING_F_SP_ENQ | RING_F_SC_DEQ) < 0)
		goto fail;
	return l;

fail:
	relay_log_destroy(l);
	errno = ENOMEM;
	return NULL;
}

void relay_log_destroy(struct relay_log *l)
{
	if (!l)
		return;
	rte_free(l->ring);
	rte_free(l);
}

bool relay_log_wants(const struct relay_record *r, enum connection_log which)
{
	if (which != CONNECTION_LOG_CARRIED || r->up || r->down)
		return which != CONNECTION_LOG_NONE;
	/* What failed is no visitor that had nothing to say. */
	return r->end != RELAY_END_done && r->end != RELAY_END_client_error;
}

void relay_log_put(struct relay_log *l, const struct relay_record *r)
{
	/* The ring does not write to it. */
	if (rte_ring_sp_enqueue_elem(l->ring, (void *)(uintptr_t)r, sizeof(*r)) < 0)
		counter_add(&l->lost, 1);
}

unsigned int relay_log_take(struct relay_log *l, struct relay_record *out, unsigned int max)
{
	return rte_ring_sc_dequeue_burst_elem(l->ring, out, sizeof(*out), max, NULL);
}

unsigned int relay_log_waiting(const struct relay_log *l)
{
	return rte_ring_count(l->ring);
}

uint64_t relay_log_lost(const struct relay_log *l)
{
	return counter_read(&l->lost);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's packets that wait for a neighbour to answer. They are grouped by neighbour, sent in
 * the order they came in, bounded in all and for each neighbour, and dropped when the neighbour
 * counts as failed or has not answered in time. Where there is no room, those go that wait for the
 * neighbour asked for longest, so that a scan displaces itself. A new group tells the control core
 * through the wish ring, and again from time to time while the neighbour table knows nothing of it.
 *
 * Groups stand in a list in the order they began, so the oldest is first to time out. The table's
 * "settled" count says when a look at the groups is worth it; a look is cut into slices.
 */
#include <errno.h>
#include <stdio.h>

#include <rte_branch_prediction.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_jhash.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include "net_priv.h"

#define WISH_MS 100 /* between two wishes for one neighbour */
/* After which they end unless more packets come, so that what nobody waits for does not take the
 * room that the neighbour table makes. */
#define WISH_END_MS 1000
#define RUN_SLICE   32 /* groups looked at in one run */
#define NIL         UINT32_MAX
/* A neighbour that has not answered for so long gives way where there is no room; most answer
 * within a few milliseconds. */
#define PATIENCE_MS 100

struct held {
	struct rte_mbuf *mbuf;
	uint32_t next;
	uint16_t l3_off; /* from buf_addr */
	uint16_t l3_len;
};

/* Packets for one neighbour. */
struct hold_group {
	uint32_t first, last; /* held */
	uint32_t n;
	uint32_t older, newer;
	uint32_t since;  /* ms: its first packet */
	uint32_t wished; /* ms: the last wish for it */
	struct neigh_key key;
};

struct hold {
	uint32_t max, each;
	uint32_t n_groups;
	uint32_t free;           /* held */
	uint32_t oldest, newest; /* groups */
	uint32_t cursor;         /* group to look at next, NIL: no look under way */
	uint32_t settled;        /* neigh_shared.settled of the last look */
	uint32_t looked_ms;      /* when it began */
	struct rte_hash *index;  /* position of a key is its group */
	struct hold_group *group;
	struct held held[];
};

struct hold *hold_create(unsigned int max, unsigned int each, int socket)
{
	struct hold *h = rte_zmalloc_socket(
		"hold", sizeof(*h) + max * sizeof(h->held[0]), RTE_CACHE_LINE_SIZE, socket);
	char name[RTE_HASH_NAMESIZE];

	if (!h) {
		errno = ENOMEM;
		return NULL;
	}
	snprintf(name, sizeof(name), "hold_%p", (void *)h);
	struct rte_hash_parameters params = {
		.name = name,
		.entries = RTE_MAX(max, 8u),
		.key_len = sizeof(struct neigh_key),
		.hash_func = rte_jhash,
		.hash_func_init_val = (uint32_t)rte_rand(),
		.socket_id = socket,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	h->index = rte_hash_create(&params);
	if (!h->index) {
		errno = rte_errno;
		rte_free(h);
		return NULL;
	}
	h->group = rte_zmalloc_socket("hold_groups", params.entries * sizeof(*h->group), 0, socket);
	if (!h->group) {
		rte_hash_free(h->index);
		rte_free(h);
		errno = ENOMEM;
		return NULL;
	}
	h->max = max;
	h->each = each;
	h->oldest = h->newest = h->cursor = NIL;
	h->free = max ? 0 : NIL;
	for (uint32_t i = 0; i < max; i++)
		h->held[i].next = i + 1 < max ? i + 1 : NIL;
	return h;
}

void hold_destroy(struct hold *h, struct net_worker *w)
{
	if (!h)
		return;
	for (uint32_t g = h->oldest; g != NIL; g = h->group[g].newer)
		for (uint32_t i = h->group[g].first; i != NIL; i = h->held[i].next)
			net_drop(w, h->held[i].mbuf, DROP_shutdown);
	w->held = 0;
	rte_free(h->group);
	rte_hash_free(h->index);
	rte_free(h);
}

void net_held(const struct net_worker *w, uint64_t *used, uint64_t *max)
{
	*used = __atomic_load_n(&w->held, __ATOMIC_RELAXED);
	*max = w->hold->max;
}

static void hold_wish(struct net_worker *w, struct hold_group *g)
{
	struct neigh_wish wish = { .addr = g->key.addr, .port = g->key.port };

	g->wished = w->now_ms;
	/* No room: the next look wishes again. */
	rte_ring_sp_enqueue_elem(neigh_shared(w->neigh)->wish[w->id], &wish, sizeof(wish));
}

/* ---- groups --------------------------------------------------------------------------------- */

static uint32_t group_open(struct hold *h, const struct neigh_key *key, uint32_t now_ms)
{
	int32_t at = rte_hash_add_key(h->index, key);

	if (at < 0)
		return NIL;
	struct hold_group *g = &h->group[at];

	*g = (struct hold_group){ .first = NIL,
		.last = NIL,
		.older = h->newest,
		.newer = NIL,
		.since = now_ms,
		.key = *key };
	if (h->newest == NIL)
		h->oldest = (uint32_t)at;
	else
		h->group[h->newest].newer = (uint32_t)at;
	h->newest = (uint32_t)at;
	h->n_groups++;
	return (uint32_t)at;
}

static void group_close(struct hold *h, uint32_t at)
{
	struct hold_group *g = &h->group[at];

	if (h->cursor == at)
		h->cursor = g->newer;
	if (g->older == NIL)
		h->oldest = g->newer;
	else
		h->group[g->older].newer = g->newer;
	if (g->newer == NIL)
		h->newest = g->older;
	else
		h->group[g->newer].older = g->older;
	rte_hash_del_key(h->index, &g->key);
	h->n_groups--;
}

/* Ends a group: its packets are sent to the adjacency of word, or (0) dropped as unresolved. */
static void group_end(struct net_worker *w, uint32_t at, uint64_t word)
{
	struct hold *h = w->hold;
	uint32_t i = h->group[at].first;

	/* First out of the books: a sent packet may come back here. */
	group_close(h, at);
	while (i != NIL) {
		struct held held = h->held[i];

		h->held[i].next = h->free;
		h->free = i;
		i = held.next;
		w->held--;
		if (word)
			output_packet(w, held.mbuf, (uint8_t *)held.mbuf->buf_addr + held.l3_off,
				held.l3_len, word);
		else
			net_drop(w, held.mbuf, DROP_neigh_unresolved);
	}
}

/* A packet of the neighbour that has been waited for the longest makes room, if that is long. */
static void hold_displace(struct net_worker *w)
{
	struct hold *h = w->hold;
	const uint32_t at = h->oldest;
	struct hold_group *g = &h->group[at];
	uint32_t i;

	if (at == NIL || w->now_ms - g->since < PATIENCE_MS)
		return;
	i = g->first;
	g->first = h->held[i].next;
	g->n--;
	h->held[i].next = h->free;
	h->free = i;
	w->held--;
	if (g->first == NIL)
		group_close(h, at);
	net_drop(w, h->held[i].mbuf, DROP_hold_full);
}

/* Somebody still sends to a neighbour that no wish is made for any more. */
static void hold_remind(struct net_worker *w, struct hold_group *g)
{
	if (w->now_ms - g->since >= WISH_END_MS && w->now_ms - g->wished >= WISH_MS)
		hold_wish(w, g);
}

void hold_packet(struct net_worker *w, struct rte_mbuf *m, uint16_t l3_off, uint16_t l3_len,
	uint8_t port, const struct addr *addr)
{
	struct neigh_key key = { .addr = *addr, .port = port };
	struct hold *h = w->hold;
	int32_t at;
	uint32_t i;

	if (unlikely(h->free == NIL))
		hold_displace(w);
	at = rte_hash_lookup(h->index, &key);
	if (at >= 0)
		hold_remind(w, &h->group[at]);
	i = h->free;
	if (i == NIL || (at >= 0 && h->group[at].n >= h->each)) {
		net_drop(w, m, DROP_hold_full);
		return;
	}
	if (at < 0) {
		uint32_t opened = group_open(h, &key, w->now_ms);

		if (opened == NIL) {
			net_drop(w, m, DROP_hold_full);
			return;
		}
		at = (int32_t)opened;
		hold_wish(w, &h->group[at]);
	}
	struct hold_group *g = &h->group[at];

	h->free = h->held[i].next;
	h->held[i] = (struct held){ .mbuf = m, .next = NIL, .l3_off = l3_off, .l3_len = l3_len };
	if (g->last == NIL)
		g->first = i;
	else
		h->held[g->last].next = i;
	g->last = i;
	g->n++;
	w->held++;
}

/* ---- looking after them --------------------------------------------------------------------- */

static void group_look(struct net_worker *w, uint32_t at)
{
	struct hold_group *g = &w->hold->group[at];
	uint16_t adj = neigh_find(w->neigh, (uint8_t)g->key.port, &g->key.addr);
	uint64_t word = neigh_word(w->neigh, adj);

	if (adj_word_sends(word)) {
		w->adj_used[adj] = w->now_ms;
		group_end(w, at, word);
	} else if (adj_word_state(word) == ADJ_FAILED) {
		group_end(w, at, 0);
	} else if (adj_word_state(word) == ADJ_FREE && w->now_ms - g->since < WISH_END_MS &&
		   w->now_ms - g->wished >= WISH_MS) {
		hold_wish(w, g);
	}
}

void hold_run(struct net_worker *w)
{
	const struct neigh_shared *s = neigh_shared(w->neigh);
	uint32_t settled = __atomic_load_n(&s->settled, __ATOMIC_ACQUIRE);
	struct hold *h = w->hold;

	/* Some more time than the control core takes to see the failure itself. */
	for (unsigned int i = 0; i < RUN_SLICE && h->oldest != NIL; i++) {
		if (w->now_ms - h->group[h->oldest].since < s->give_up_ms + s->give_up_ms / 2)
			break;
		group_end(w, h->oldest, 0);
	}
	if (h->cursor == NIL && (settled != h->settled || w->now_ms - h->looked_ms >= WISH_MS)) {
		h->cursor = h->oldest;
		h->settled = settled;
		h->looked_ms = w->now_ms;
	}
	for (unsigned int i = 0; i < RUN_SLICE && h->cursor != NIL; i++) {
		uint32_t at = h->cursor;

		h->cursor = h->group[at].newer;
		group_look(w, at);
	}
}

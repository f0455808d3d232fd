/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Weighted round-robin: a sequence in which each server comes as often as its weight says and as
 * evenly spread as can be, made once; a pick reads the next entry.
 *
 * In a sequence of `len` entries a server with `count` of them owns `count` windows: its k-th entry
 * must lie in [k * len / count, (k + 1) * len / count), widened to whole entries. Taking at each
 * place, among the windows that are open, the one that ends first meets all of them (Baruah et al.
 * 1996: the windows of pfair scheduling on one processor, where the earliest deadline is optimal).
 * So any first t entries hold t * count / len of a server, give or take less than one.
 */
#include <errno.h>
#include <stdlib.h>

#include "sched_priv.h"

/* A sequence may be this long, or so many entries a server where that is more. Rounding to whole
 * entries puts a server of average weight off by less than 0.5 %. */
#define LEN_MAX          16384u
#define ENTRIES_A_SERVER 128u
#define NIL              UINT32_MAX

struct sequence {
	uint32_t len; /* 0: no server takes flows */
	uint16_t index[];
};

/* While building: the windows of a server that takes flows. */
struct turn {
	uint32_t count; /* entries of the sequence */
	uint32_t done;
	uint32_t next; /* another whose window opens at the same place */
	uint16_t index;
};

struct builder {
	struct turn *turns;
	uint32_t n;
	uint32_t len;
	uint32_t *opens; /* [len]: turns whose next window opens there */
	uint64_t *heap;  /* of open windows: end << 16 | turn, the least first */
	uint32_t n_heap;
};

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Sets turns and len. A sum of weights that is too large is scaled down; each server keeps an
 * entry. */
static void count_entries(struct builder *b, const struct pool *pool)
{
	uint64_t sum = 0, limit;
	uint32_t divisor = 0;

	for (uint32_t i = 0; i < pool->n_servers; i++) {
		uint16_t weight = pool->servers[i].effective_weight;

		if (weight == 0)
			continue;
		b->turns[b->n++] = (struct turn){ .count = weight, .index = (uint16_t)i };
		divisor = gcd(weight, divisor);
		sum += weight;
	}
	if (b->n == 0)
		return;
	sum /= divisor;
	limit = (uint64_t)b->n * ENTRIES_A_SERVER > LEN_MAX ? b->n * ENTRIES_A_SERVER : LEN_MAX;
	for (uint32_t i = 0; i < b->n; i++) {
		struct turn *turn = &b->turns[i];

		turn->count /= divisor;
		if (sum > limit)
			turn->count = (uint32_t)((turn->count * limit + sum / 2) / sum);
		if (turn->count == 0)
			turn->count = 1;
		b->len += turn->count;
	}
}

static void heap_push(struct builder *b, uint64_t value)
{
	uint32_t at = b->n_heap++;

	for (; at > 0 && b->heap[(at - 1) / 2] > value; at = (at - 1) / 2)
		b->heap[at] = b->heap[(at - 1) / 2];
	b->heap[at] = value;
}

static uint64_t heap_pop(struct builder *b)
{
	uint64_t least = b->heap[0], value = b->heap[--b->n_heap];
	uint32_t at = 0, child;

	while ((child = 2 * at + 1) < b->n_heap) {
		if (child + 1 < b->n_heap && b->heap[child + 1] < b->heap[child])
			child++;
		if (b->heap[child] >= value)
			break;
		b->heap[at] = b->heap[child];
		at = child;
	}
	b->heap[at] = value;
	return least;
}

/* Notes where the next window of a turn opens, if it has another. */
static void wait_for_window(struct builder *b, uint32_t i)
{
	struct turn *turn = &b->turns[i];

	if (turn->done < turn->count) {
		uint32_t at = (uint32_t)((uint64_t)turn->done * b->len / turn->count);

		turn->next = b->opens[at];
		b->opens[at] = i;
	}
}

static void fill(struct builder *b, uint16_t *out)
{
	for (uint32_t i = 0; i < b->n; i++)
		wait_for_window(b, i);
	for (uint32_t at = 0; at < b->len; at++) {
		uint32_t i;

		for (i = b->opens[at]; i != NIL; i = b->turns[i].next) {
			const struct turn *turn = &b->turns[i];
			uint64_t end = (uint64_t)(turn->done + 1) * b->len;

			heap_push(b, (end + turn->count - 1) / turn->count << 16 | i);
		}
		i = heap_pop(b) & 0xffff;
		out[at] = b->turns[i].index;
		b->turns[i].done++;
		wait_for_window(b, i);
	}
}

static void *build(const struct pool *pool, const struct hash_key *key)
{
	struct builder b = { .turns = calloc(pool->n_servers + 1u, sizeof(*b.turns)) };
	struct sequence *s = NULL;

	if (b.turns) {
		count_entries(&b, pool);
		b.opens = malloc((b.len + 1u) * sizeof(*b.opens));
		b.heap = malloc((b.n + 1u) * sizeof(*b.heap));
		s = malloc(sizeof(*s) + b.len * sizeof(s->index[0]));
	}
	if (!b.opens || !b.heap || !s) {
		free(s);
		s = NULL;
		errno = ENOMEM;
		goto out;
	}
	for (uint32_t i = 0; i < b.len; i++)
		b.opens[i] = NIL;
	s->len = b.len;
	fill(&b, s->index);
out:
	free(b.heap);
	free(b.opens);
	free(b.turns);
	return s;
}

static int pick(const struct pool *pool, struct sched_worker *w, const struct sched_key *key)
{
	const struct sequence *s = pool->sched_table;
	uint32_t at;

	if (s->len == 0)
		return -1;
	at = sched_position(w, pool, s->len);
	sched_position_next(w, pool, at, s->len);
	return s->index[at];
}

const struct sched_ops sched_ops_round_robin = {
	.name = "round-robin", .build = build, .destroy = free, .pick = pick
};

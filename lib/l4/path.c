/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known of paths to servers: see path.h. A word is generation << 48 | MTU << 32 | when it
 * was learned, in ms; 0: nothing. */
#include "path.h"

#include <rte_malloc.h>

static uint64_t word_make(uint16_t gen, uint16_t mtu, uint32_t now_ms)
{
	return (uint64_t)gen << 48 | (uint64_t)mtu << 32 | now_ms;
}

static uint16_t word_gen(uint64_t word)
{
	return (uint16_t)(word >> 48);
}

static uint16_t word_mtu(uint64_t word)
{
	return (uint16_t)(word >> 32);
}

/* The word, or 0 if its time is over. It is taken away then, for times come round after 49 days. */
static uint64_t word_load(uint64_t *at, uint32_t now_ms)
{
	uint64_t word = __atomic_load_n(at, __ATOMIC_RELAXED);

	/* Another worker's clock may be a little ahead. */
	if (!word || (int32_t)(now_ms - (uint32_t)word) < PATH_MS)
		return word;
	__atomic_compare_exchange_n(at, &word, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return 0;
}

struct path_table *path_table_create(void)
{
	return rte_zmalloc("paths", sizeof(struct path_table), RTE_CACHE_LINE_SIZE);
}

void path_table_destroy(struct path_table *t)
{
	rte_free(t);
}

void path_learn(struct path_table *t, const struct server *s, uint16_t mtu, uint32_t now_ms)
{
	uint64_t floor = __atomic_load_n(&t->floor, __ATOMIC_RELAXED), next;

	__atomic_store_n(&t->server[s->slot], word_make(s->gen, mtu, now_ms), __ATOMIC_RELAXED);
	/* It goes up only by ageing: none of the words that it is about outlives it then. */
	do {
		uint16_t least = word_mtu(floor);

		if (!least || (int32_t)(now_ms - (uint32_t)floor) >= PATH_MS || mtu < least)
			least = mtu;
		next = word_make(0, least, now_ms);
	} while (!__atomic_compare_exchange_n(
		&t->floor, &floor, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

uint16_t path_mtu(struct path_table *t, const struct server *s, uint32_t now_ms)
{
	const uint64_t word = word_load(&t->server[s->slot], now_ms);

	return word_gen(word) == s->gen ? word_mtu(word) : 0;
}

uint16_t path_floor(struct path_table *t, uint32_t now_ms)
{
	return word_mtu(word_load(&t->floor, now_ms));
}

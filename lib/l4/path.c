/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known of paths to servers: see path.h. A word is generation << 48 | MTU << 32 | when it
 * was learned, in ms; 0: nothing. */
#include "path.h"

#include <rte_malloc.h>

#define CLOCKS_MS 1000 /* workers' clocks do not differ by as much */
#define AGAIN_MS  1000 /* what was said less than this ago is not news */

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

/* Whether the word was learned less than ms ago. Another worker's clock may be a little ahead; what
 * is further ahead is from 25 days ago and more, for times come round after 49. */
static bool word_within(uint64_t word, int32_t ms, uint32_t now_ms)
{
	const int32_t age = (int32_t)(now_ms - (uint32_t)word);

	return age > -CLOCKS_MS && age < ms;
}

/* The word, or 0 if its time is over. It is taken away then, so that it never comes round. */
static uint64_t word_load(uint64_t *at, uint32_t now_ms)
{
	uint64_t word = __atomic_load_n(at, __ATOMIC_RELAXED);

	if (!word || word_within(word, PATH_MS, now_ms))
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

/* A word goes up by ageing alone (RFC 1191 6.3). False: there was nothing new. */
static bool learn_one(struct path_table *t, const struct server *s, uint16_t mtu, uint32_t now_ms)
{
	const uint64_t word = word_load(&t->server[s->slot], now_ms);

	if (word && word_gen(word) == s->gen &&
		(word_mtu(word) < mtu ||
			(word_mtu(word) == mtu && word_within(word, AGAIN_MS, now_ms))))
		return false;
	__atomic_store_n(&t->server[s->slot], word_make(s->gen, mtu, now_ms), __ATOMIC_RELAXED);
	return true;
}

void path_learn(struct path_table *t, const struct server *const *servers, unsigned int n,
	uint16_t mtu, uint32_t now_ms)
{
	uint64_t floor, next;
	bool news = false;

	for (unsigned int i = 0; i < n; i++)
		news |= learn_one(t, servers[i], mtu, now_ms);
	if (!news)
		return;
	floor = __atomic_load_n(&t->floor, __ATOMIC_RELAXED);
	/* It goes up only by ageing: none of the words that it is about outlives it then. */
	do {
		uint16_t least = word_mtu(floor);

		if (!least || !word_within(floor, PATH_MS, now_ms) || mtu < least)
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

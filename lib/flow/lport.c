/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Local ports; see lport.h.
 *
 *   set: 1024 words of 64 ports, a bit is set where the port is ours and free
 *        above them, a bit for each word that may have one: it has, or nobody has looked yet
 *        a bit for each word whose ports' owners are known
 *
 * Always: a word may have one if and only if it is not known or not zero. Taking one looks at the
 * cursor's word, then at the words that the upper level names. A word becomes known when the cursor
 * first comes to it.
 */
#include "lport.h"

#include <errno.h>
#include <stdio.h>
#include <sys/queue.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>

#include "base/counter.h"
#include "base/hash.h"
#include "base/invariant.h"

/* Sets that are found without asking the hash table. */
#define RECENT      1024

#define WORDS       1024
#define UPPER_WORDS (WORDS / 64)

/* Words learnt for one port at most: where so many have none of ours, others will have to look
 * further. Even with 64 workers a port in 4096 is ours. */
#define LEARN_MAX 64

/* How long a set keeps its turn after its last port was given back, ms: at least twice the time
 * that servers keep a connection in TIME-WAIT. */
#define REST_MS 240000

/* What a set is of. */
struct key {
	struct addr source, server;
	rte_be16_t port;
	uint16_t proto;
	uint32_t zero; /* a key is compared as memory */
};

_Static_assert(sizeof(struct key) == 40, "without padding");

struct set {
	struct key key;
	uint32_t used;         /* ports in use */
	uint32_t idle_ms;      /* since when none is */
	uint16_t cursor;       /* the port whose turn it is */
	TAILQ_ENTRY(set) rest; /* while none is in use */
	uint64_t may_have[UPPER_WORDS], known[UPPER_WORDS];
	uint64_t free[WORDS];
};

TAILQ_HEAD(rest_list, set);

struct lport_table {
	const struct steer *steer;
	struct rte_hash *sets; /* struct key -> struct set */
	struct set *recent[RECENT];
	struct rest_list rest; /* those without a port in use, the longest first */
	uint64_t n_sets, ports;
	struct set *fullest; /* what is shown; NULL: a set that is gone */
	uint32_t shown_seq;  /* odd while shown is written */
	struct lport_fullest shown;
	unsigned int max_sets;
	int socket;
};

static inline bool bit_test(const uint64_t *bits, unsigned int i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static inline void bit_set(uint64_t *bits, unsigned int i)
{
	bits[i / 64] |= UINT64_C(1) << i % 64;
}

static inline void bit_clear(uint64_t *bits, unsigned int i)
{
	bits[i / 64] &= ~(UINT64_C(1) << i % 64);
}

static struct key key_of(const struct tuple *back)
{
	return (struct key){
		.source = back->dst,
		.server = back->src,
		.port = back->sport,
		.proto = back->proto,
	};
}

/* ---- ports of a set ------------------------------------------------------------------------- */

/* Finds out which ports of a word are ours. */
static void learn(const struct lport_table *t, struct set *s, unsigned int word)
{
	struct tuple back = {
		.src = s->key.server,
		.dst = s->key.source,
		.sport = s->key.port,
		.proto = (uint8_t)s->key.proto,
	};
	uint64_t ours = UINT64_MAX;

	if (t->steer->n_workers > 1) {
		ours = 0;
		for (unsigned int i = 0; i < 64; i++) {
			back.dport = rte_cpu_to_be_16((uint16_t)(word * 64 + i));
			if (steer_owner(t->steer, &back, false) == t->steer->id)
				ours |= UINT64_C(1) << i;
		}
	}
	s->free[word] = ours;
	bit_set(s->known, word);
	if (!ours)
		bit_clear(s->may_have, word);
}

/* The first word from this one on, around the end, that may have a free port; WORDS: none. */
static unsigned int next_word(const struct set *s, unsigned int word)
{
	uint64_t bits = s->may_have[word / 64] & UINT64_MAX << word % 64;

	for (unsigned int i = 0; i <= UPPER_WORDS; i++) {
		unsigned int upper = (word / 64 + i) % UPPER_WORDS;

		if (i > 0)
			bits = s->may_have[upper];
		if (bits)
			return upper * 64 + (unsigned int)__builtin_ctzll(bits);
	}
	return WORDS;
}

/* A free port of the set, or 0. */
static uint16_t set_take(const struct lport_table *t, struct set *s)
{
	unsigned int word = s->cursor / 64, learnt = 0;
	/* What is behind the cursor in its word comes last. */
	uint64_t mask = UINT64_MAX << s->cursor % 64, bits;

	for (;;) {
		if (!bit_test(s->known, word)) {
			if (learnt++ == LEARN_MAX) {
				s->cursor = (uint16_t)(word * 64);
				return 0;
			}
			learn(t, s, word);
		}
		bits = s->free[word] & mask;
		if (bits)
			break;
		word = next_word(s, (word + 1) % WORDS);
		if (word == WORDS)
			return 0;
		mask = UINT64_MAX;
	}

	unsigned int port = word * 64 + (unsigned int)__builtin_ctzll(bits);

	bit_clear(s->free, port);
	if (s->free[word] == 0)
		bit_clear(s->may_have, word);
	s->cursor = (uint16_t)(port + 1); /* behind 65535 is 0, where there are none */
	return (uint16_t)port;
}

/* ---- the fullest set ------------------------------------------------------------------------ */

/* Another set is the fullest. */
static void show(struct lport_table *t, struct set *s)
{
	t->fullest = s;
	__atomic_store_n(&t->shown_seq, t->shown_seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	t->shown = (struct lport_fullest){
		.source = s->key.source,
		.server = { .addr = s->key.server, .port = rte_be_to_cpu_16(s->key.port) },
		.max = LPORT_COUNT / t->steer->n_workers,
	};
	__atomic_store_n(&t->shown_seq, t->shown_seq + 1, __ATOMIC_RELEASE);
}

/* A set has one port in use more, or less. */
static inline void show_used(struct lport_table *t, struct set *s)
{
	if (s != t->fullest) {
		if (t->fullest && t->fullest->used >= s->used)
			return;
		show(t, s);
	}
	__atomic_store_n(&t->shown.used, s->used, __ATOMIC_RELAXED);
}

void lport_fullest(const struct lport_table *t, struct lport_fullest *out)
{
	uint32_t seq;

	do {
		seq = __atomic_load_n(&t->shown_seq, __ATOMIC_ACQUIRE);
		*out = t->shown;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (seq & 1 || seq != __atomic_load_n(&t->shown_seq, __ATOMIC_RELAXED));
	out->used = __atomic_load_n(&t->shown.used, __ATOMIC_RELAXED);
}

/* ---- sets ----------------------------------------------------------------------------------- */

static inline struct set **recent_of(struct lport_table *t, const struct key *key)
{
	const uint64_t a = key->source.q[1] ^ key->source.q[0] ^ UINT64_C(0x9e3779b97f4a7c15);
	const uint64_t b = key->server.q[1] ^ key->server.q[0] ^
			   ((uint64_t)key->port << 32 | key->proto) ^ UINT64_C(0xd6e8feb86659fd93);

	return &t->recent[hash_fold(a, b) % RECENT];
}

static void set_free(struct lport_table *t, struct set *s)
{
	struct set **recent = recent_of(t, &s->key);

	if (*recent == s)
		*recent = NULL;
	TAILQ_REMOVE(&t->rest, s, rest);
	rte_hash_del_key(t->sets, &s->key);
	counter_add(&t->n_sets, UINT64_MAX);
	if (t->fullest == s)
		t->fullest = NULL;
	rte_free(s);
}

/* Frees sets that have rested long enough. */
static void sets_reap(struct lport_table *t, uint32_t now_ms)
{
	struct set *s;

	while ((s = TAILQ_FIRST(&t->rest)) != NULL && now_ms - s->idle_ms >= REST_MS)
		set_free(t, s);
}

static struct set *set_find(struct lport_table *t, const struct key *key)
{
	struct set **recent = recent_of(t, key);
	void *s;

	if (likely(*recent && memcmp(&(*recent)->key, key, sizeof(*key)) == 0))
		return *recent;
	if (rte_hash_lookup_data(t->sets, key, &s) < 0)
		return NULL;
	*recent = s;
	return s;
}

static struct set *set_make(struct lport_table *t, const struct key *key, uint32_t now_ms)
{
	struct set *s;

	sets_reap(t, now_ms);
	/* Rather than refuse, take that of whoever has rested longest. */
	if (t->n_sets == t->max_sets && !TAILQ_EMPTY(&t->rest))
		set_free(t, TAILQ_FIRST(&t->rest));
	if (t->n_sets == t->max_sets)
		return NULL;
	s = rte_zmalloc_socket("lports", sizeof(*s), 64, t->socket);
	if (!s)
		return NULL;
	s->key = *key;
	memset(s->may_have, 0xff, sizeof(s->may_have));
	for (unsigned int i = 0; i < LPORT_FIRST / 64; i++) {
		bit_clear(s->may_have, i);
		bit_set(s->known, i);
	}
	/* Anywhere: a set that is made anew, also after a restart, is not to begin with the ports
	 * it had last. */
	s->cursor = (uint16_t)(LPORT_FIRST + rte_hash_crc_8byte(rte_rdtsc(), now_ms) % LPORT_COUNT);
	if (rte_hash_add_key_data(t->sets, key, s) < 0) {
		rte_free(s);
		return NULL;
	}
	s->idle_ms = now_ms;
	TAILQ_INSERT_TAIL(&t->rest, s, rest);
	counter_add(&t->n_sets, 1);
	return s;
}

enum drop_reason lport_take(struct lport_table *t, struct tuple *back, uint32_t now_ms)
{
	const struct key key = key_of(back);
	struct set *s = set_find(t, &key);
	uint16_t port;

	if (unlikely(!s)) {
		s = set_make(t, &key, now_ms);
		if (!s)
			return DROP_no_local_port;
	}
	port = set_take(t, s);
	if (!port)
		return DROP_no_local_port;
	if (s->used++ == 0)
		TAILQ_REMOVE(&t->rest, s, rest);
	show_used(t, s);
	counter_add(&t->ports, 1);
	back->dport = rte_cpu_to_be_16(port);
	return DROP_none;
}

void lport_give(struct lport_table *t, const struct tuple *back, uint32_t now_ms)
{
	const struct key key = key_of(back);
	struct set *s = set_find(t, &key);
	uint16_t port = rte_be_to_cpu_16(back->dport);

	x_assert(s && s->used && port >= LPORT_FIRST && !bit_test(s->free, port));
	if (unlikely(!s))
		return;
	bit_set(s->free, port);
	bit_set(s->may_have, port / 64);
	counter_add(&t->ports, UINT64_MAX);
	s->used--;
	if (s == t->fullest)
		show_used(t, s);
	if (s->used == 0) {
		s->idle_ms = now_ms;
		TAILQ_INSERT_TAIL(&t->rest, s, rest);
		sets_reap(t, now_ms);
	}
}

void lport_stats(const struct lport_table *t, struct lport_stats *out)
{
	*out = (struct lport_stats){
		.sets = counter_read(&t->n_sets),
		.ports = counter_read(&t->ports),
	};
}

/* ---- life ----------------------------------------------------------------------------------- */

uint64_t lport_bytes(unsigned int sets)
{
	/* With its places in the hash table. */
	return sets * (sizeof(struct set) + 4 * sizeof(struct key));
}

struct lport_table *lport_create(const struct steer *s, unsigned int max_sets, int socket)
{
	struct rte_hash_parameters params = {
		.entries = RTE_MAX(max_sets, 8u), /* fewer it does not make */
		.key_len = sizeof(struct key),
		.hash_func = rte_hash_crc,
		.socket_id = socket,
		/* Whoever fits by number has a place. */
		.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	struct lport_table *t = rte_zmalloc_socket("lport_table", sizeof(*t), 64, socket);
	char name[RTE_HASH_NAMESIZE];

	if (!t) {
		errno = ENOMEM;
		return NULL;
	}
	snprintf(name, sizeof(name), "lports_%u", s->id);
	params.name = name;
	t->sets = rte_hash_create(&params);
	if (!t->sets) {
		rte_free(t);
		errno = rte_errno;
		return NULL;
	}
	t->steer = s;
	t->max_sets = max_sets;
	t->socket = socket;
	TAILQ_INIT(&t->rest);
	return t;
}

void lport_destroy(struct lport_table *t)
{
	const void *key;
	uint32_t at = 0;
	void *s;

	if (!t)
		return;
	while (rte_hash_iterate(t->sets, &key, &s, &at) >= 0)
		rte_free(s);
	rte_hash_free(t->sets);
	rte_free(t);
}

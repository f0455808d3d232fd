/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The persistence table of persist.h: rte_hash finds the place of a key, which is the place of its
 * entry; a wheel over the entries. Called by one worker alone.
 */
#include "persist.h"

#include <errno.h>
#include <stdio.h>

#include <rte_common.h>
#include <rte_hash.h>
#include <rte_malloc.h>

#include "base/counter.h"
#include "base/invariant.h"

#define TICK_SHIFT 8 /* the wheel's tick: 256 ms */
#define DUE_MAX    32

TAILQ_HEAD(uses, persist_entry); /* used longest ago: first */

struct persist {
	struct rte_hash *hash;
	struct persist_entry *entry; /* by place */
	struct hash_key secret;
	uint32_t max, used;
	uint32_t top; /* places from here on were never used */
	uint64_t evicted;
	struct uses once, again; /* entries by struct persist_entry: again */
	uint32_t n_again;
	struct wheel wheel;
};

static uint8_t prefix_of(const struct persistence *rule, const struct addr *client)
{
	return addr_is_v4(client) ? rule->prefix_v4 : rule->prefix_v6;
}

struct persist_key persist_key(const struct persistence *rule, const struct addr *client)
{
	struct prefix p = { *client, prefix_of(rule, client) };

	return (struct persist_key){ rule->scope, prefix_network(&p).addr };
}

uint64_t persist_hash(const struct persist *t, const struct persist_key *key)
{
	return hash_siphash(&t->secret, key, sizeof(*key));
}

/* The part of the time-out that is left, 0 or less when it is over. */
static int32_t left(const struct persist_entry *e, uint32_t timeout_ms, uint32_t now_ms)
{
	return (int32_t)(e->seen + RTE_MIN(timeout_ms, e->timeout_ms) - now_ms);
}

struct persist_entry *persist_find(struct persist *t, const struct persist_key *key, uint64_t hash,
	const struct persistence *rule, uint32_t now_ms)
{
	int32_t at = rte_hash_lookup_with_hash(t->hash, key, (hash_sig_t)hash);
	struct persist_entry *e;

	if (at < 0)
		return NULL;
	e = &t->entry[at];
	if (left(e, rule->timeout_ms, now_ms) > 0)
		return e;
	persist_drop(t, e);
	return NULL;
}

static void uses_leave(struct persist *t, struct persist_entry *e)
{
	TAILQ_REMOVE(e->again ? &t->again : &t->once, e, use);
	t->n_again -= e->again;
}

static void uses_enter(struct persist *t, struct persist_entry *e, bool again)
{
	e->again = again;
	TAILQ_INSERT_TAIL(again ? &t->again : &t->once, e, use);
	t->n_again += again;
	if (t->n_again > t->max - t->max / 4) {
		struct persist_entry *oldest = TAILQ_FIRST(&t->again);

		uses_leave(t, oldest);
		uses_enter(t, oldest, false);
	}
}

/* The entry that is missed least goes. */
static void make_room(struct persist *t)
{
	struct persist_entry *e = TAILQ_FIRST(&t->once);

	if (!e)
		e = TAILQ_FIRST(&t->again);
	if (!e)
		return;
	persist_drop(t, e);
	counter_add(&t->evicted, 1);
}

static void stamp(
	struct persist *t, struct persist_entry *e, const struct persistence *rule, uint32_t now_ms)
{
	/* A longer time-out is found out when the timer fires. */
	if (rule->timeout_ms < e->timeout_ms || !wheel_is_armed(&e->timer))
		wheel_arm(&t->wheel, (uint32_t)(e - t->entry), now_ms + rule->timeout_ms);
	e->seen = now_ms;
	e->timeout_ms = rule->timeout_ms;
}

void persist_touch(
	struct persist *t, struct persist_entry *e, const struct persistence *rule, uint32_t now_ms)
{
	stamp(t, e, rule, now_ms);
	uses_leave(t, e);
	uses_enter(t, e, true);
}

bool persist_put(struct persist *t, const struct persist_key *key, uint64_t hash,
	const struct persistence *rule, const struct server *server, uint32_t now_ms)
{
	int32_t at = rte_hash_lookup_with_hash(t->hash, key, (hash_sig_t)hash);
	struct persist_entry *e;

	if (at < 0) {
		if (t->used >= t->max)
			make_room(t);
		if (t->used < t->max)
			at = rte_hash_add_key_with_hash(t->hash, key, (hash_sig_t)hash);
	}
	if (at < 0)
		return false;
	e = &t->entry[at];
	if (!e->timeout_ms) {
		t->used++;
		e->key = *key;
		t->top = RTE_MAX(t->top, (uint32_t)at + 1);
		wheel_node_init(&e->timer);
		uses_enter(t, e, false);
	} else {
		uses_leave(t, e);
		uses_enter(t, e, e->again);
	}
	e->server = server->addr;
	e->slot = server->slot;
	e->prefix = prefix_of(rule, &key->client);
	stamp(t, e, rule, now_ms);
	return true;
}

void persist_drop(struct persist *t, struct persist_entry *e)
{
	x_assert(e->timeout_ms);
	wheel_disarm(&t->wheel, (uint32_t)(e - t->entry));
	uses_leave(t, e);
	e->timeout_ms = 0;
	t->used--;
	rte_hash_del_key_with_hash(t->hash, &e->key, (hash_sig_t)persist_hash(t, &e->key));
}

unsigned int persist_expire(struct persist *t, uint32_t now_ms, unsigned int max)
{
	uint32_t due[DUE_MAX];
	unsigned int n = wheel_advance(&t->wheel, now_ms, due, RTE_MIN(max, (unsigned int)DUE_MAX));

	for (unsigned int i = 0; i < n; i++) {
		struct persist_entry *e = &t->entry[due[i]];

		if (left(e, e->timeout_ms, now_ms) > 0)
			wheel_arm(&t->wheel, due[i], e->seen + e->timeout_ms);
		else
			persist_drop(t, e);
	}
	return n;
}

void persist_walk(struct persist *t, uint64_t *cursor, unsigned int max,
	bool (*visit)(void *arg, struct persist_entry *e), void *arg)
{
	uint64_t at = *cursor;

	for (; max > 0 && at < t->top; max--) {
		struct persist_entry *e = &t->entry[at++];

		if (e->timeout_ms && !visit(arg, e))
			break;
	}
	*cursor = at < t->top ? at : 0;
}

void persist_stats(const struct persist *t, struct persist_stats *out)
{
	*out = (struct persist_stats){
		.used = t ? __atomic_load_n(&t->used, __ATOMIC_RELAXED) : 0,
		.max = t ? t->max : 0,
		.evicted = t ? counter_read(&t->evicted) : 0,
	};
}

uint64_t persist_bytes(uint32_t max)
{
	const uint64_t places = (uint64_t)RTE_MAX(max, 8u) + 1, full = rte_align64pow2(places - 1);

	/* Of rte_hash: 32 bytes a key, buckets of 64 bytes for 8 keys and as many to overflow into,
	 * lists of free places and of free buckets. */
	return sizeof(struct persist) + places * (sizeof(struct persist_entry) + 32) + full * 16 +
	       rte_align64pow2(places) * 4 + rte_align64pow2(full / 8 + 1) * 4 + 4096;
}

struct persist *persist_create(
	unsigned int id, uint32_t max, const struct hash_key *secret, int socket, uint32_t now_ms)
{
	struct persist *t = rte_zmalloc_socket("persist", sizeof(*t), 64, socket);
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters params = {
		.name = name,
		.entries = RTE_MAX(max, 8u),
		.key_len = sizeof(struct persist_key),
		.socket_id = socket == SOCKET_ID_ANY ? 0 : socket,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};

	if (!t)
		goto fail;
	t->max = max;
	TAILQ_INIT(&t->once);
	TAILQ_INIT(&t->again);
	t->secret = *secret;
	snprintf(name, sizeof(name), "persist%u_%p", id, (void *)t);
	t->entry = rte_zmalloc_socket(
		"persist", ((size_t)params.entries + 1) * sizeof(*t->entry), 64, socket);
	t->hash = rte_hash_create(&params);
	if (!t->entry || !t->hash)
		goto fail;
	wheel_init(&t->wheel, &t->entry[0].timer, sizeof(*t->entry), TICK_SHIFT, now_ms);
	return t;

fail:
	persist_destroy(t);
	errno = ENOMEM;
	return NULL;
}

void persist_destroy(struct persist *t)
{
	if (!t)
		return;
	rte_hash_free(t->hash);
	rte_free(t->entry);
	rte_free(t);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table of flow.h: buckets of one cache line, entries in two arenas (IPv4, IPv6), one
 * wheel an arena. Called by one worker alone.
 *
 * Invariants: a tuple stands in the index once; only the last bucket of a chain has room (holes are
 * filled from the tail), so that a chain is never longer than it must be; a free entry is FLOW_FREE
 * and unarmed.
 */
#include "flow.h"

#include <errno.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>
#include <rte_vect.h>

#include "base/invariant.h"

#define BUCKET_SLOTS 8
/* Average fill of the buckets when every entry is in use with both directions. With 5 of 8, 7 % of
 * the buckets overflow; the overflow buckets are an eighth. */
#define BUCKET_FILL 5
#define NIL         UINT32_MAX

/* A reference: size class, direction, whether the tuple is IPv4's in an IPv6 entry, index of the
 * entry. */
#define REF_V6       0x80000000u
#define REF_RET      0x40000000u
#define REF_MAPPED   0x20000000u /* with REF_V6 alone */
#define REF_INDEX    0x1fffffffu

#define SEARCH_AHEAD 512 /* bytes that flow_search() fetches ahead */

#define TICK_SHIFT   6 /* the wheels' tick: 64 ms */

struct bucket {
	uint16_t tag[BUCKET_SLOTS]; /* 0: free */
	uint32_t ref[BUCKET_SLOTS];
	uint32_t next; /* overflow bucket, or NIL */
	uint32_t pad_[3];
} __rte_cache_aligned;

_Static_assert(sizeof(struct bucket) == HASH_LINE, "one cache line a bucket");

/* Entries of one size. */
struct arena {
	char *entries;
	uint32_t shift; /* an entry has 2^shift bytes */
	uint32_t max, used;
	uint32_t fresh;         /* entries from here on were never used */
	uint32_t free;          /* first free entry before fresh, or NIL */
	struct flow_side *side; /* by entry */
	struct wheel wheel;
};

struct flow_table {
	struct hash_index index; /* of the buckets that hashes choose among: lines of .buckets */
	uint32_t n_overflow;
	struct bucket *buckets; /* index.n, then n_overflow */
	uint32_t overflow_free; /* first free overflow bucket, or NIL */
	uint32_t overflow_used;
	uint64_t bytes;
	struct arena v4, v6;
};

static inline uint16_t tag_of(uint32_t hash)
{
	uint16_t tag = (uint16_t)hash;
	return tag ? tag : 1;
}

/* The low bits are the tag. */
static inline struct bucket *bucket_of(const struct flow_table *t, uint32_t hash)
{
	return hash_line(&t->index, hash);
}

static inline struct flow *entry_at(const struct arena *a, uint32_t i)
{
	return (struct flow *)(a->entries + ((size_t)i << a->shift));
}

static inline struct arena *arena_of(struct flow_table *t, const struct flow *f)
{
	return f->flags & FLOW_V6 ? &t->v6 : &t->v4;
}

static inline uint32_t index_of(const struct arena *a, const struct flow *f)
{
	return (uint32_t)((size_t)((const char *)f - a->entries) >> a->shift);
}

static inline struct flow *entry_of(const struct flow_table *t, uint32_t ref)
{
	return ref & REF_V6 ? &((struct flow6 *)t->v6.entries)[ref & REF_INDEX].f
			    : &((struct flow4 *)t->v4.entries)[ref & REF_INDEX].f;
}

static inline uint8_t ref_dir(uint32_t ref)
{
	return ref & REF_RET ? DIR_RETURN : DIR_FORWARD;
}

/* A bit for each slot whose tag is tag. */
static inline unsigned int bucket_match(const struct bucket *b, uint16_t tag)
{
#ifdef RTE_ARCH_X86
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)b->tag);
	__m128i eq = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));

	return (unsigned int)_mm_movemask_epi8(_mm_packs_epi16(eq, _mm_setzero_si128()));
#else
	unsigned int mask = 0;

	for (unsigned int i = 0; i < BUCKET_SLOTS; i++)
		mask |= (unsigned int)(b->tag[i] == tag) << i;
	return mask;
#endif
}

/* ---- tuples --------------------------------------------------------------------------------- */

/* A tuple as packets have it: addresses together, ports together. v6 is a constant to callers. */
struct key {
	uint8_t addrs[32];
	uint32_t ports;
	uint8_t proto;
	bool v6;
};

static void key_of(const struct tuple *t, struct key *k)
{
	k->v6 = !(addr_is_v4(&t->src) && addr_is_v4(&t->dst));
	if (k->v6) {
		memcpy(k->addrs, t->src.b, 16);
		memcpy(k->addrs + 16, t->dst.b, 16);
	} else {
		memcpy(k->addrs, &t->src.w[3], 4);
		memcpy(k->addrs + 4, &t->dst.w[3], 4);
	}
	memcpy(&k->ports, &t->sport, 2);
	memcpy((uint8_t *)&k->ports + 2, &t->dport, 2);
	k->proto = t->proto;
}

static inline uint32_t key_hash(const struct hash_key *key, const struct key *k)
{
	return k->v6 ? hash_tuple6(key, k->addrs, &k->ports, k->proto)
		     : hash_tuple4(key, k->addrs, &k->ports, k->proto);
}

/* ---- lookup --------------------------------------------------------------------------------- */

/* Whether a reference is to this tuple, an ordinary one. v6 is a constant to callers. */
static __rte_always_inline bool ref_equals(const struct flow_table *t, uint32_t ref,
	const void *addrs, const void *ports, uint8_t proto, bool v6)
{
	return !!(ref & REF_V6) == v6 &&
	       flow_has_tuple(entry_of(t, ref), ref_dir(ref), addrs, ports, proto, v6);
}

/* Whether a reference is to this IPv4 tuple, in mapped form. No IPv6 packet has mapped addresses,
 * so that none is ever taken for it. */
static bool ref_equals_mapped(const struct flow_table *t, uint32_t ref, const void *addrs,
	const void *ports, uint8_t proto)
{
	uint32_t a[2];

	if (!(ref & REF_MAPPED))
		return false;
	memcpy(a, addrs, 8);

	const struct addr mapped[2] = { addr_from_v4(a[0]), addr_from_v4(a[1]) };

	return flow_has_tuple(entry_of(t, ref), ref_dir(ref), mapped, ports, proto, true);
}

/* The reference of a tuple in a bucket's slots given by mask, else in the rest of the chain; NIL.
 */
static uint32_t chain_find(const struct flow_table *t, const struct bucket *b, unsigned int mask,
	uint16_t tag, const void *addrs, const void *ports, uint8_t proto, bool v6)
{
	for (;;) {
		for (; mask; mask &= mask - 1) {
			uint32_t ref = b->ref[__builtin_ctz(mask)];

			if (ref_equals(t, ref, addrs, ports, proto, v6) ||
				(!v6 && ref_equals_mapped(t, ref, addrs, ports, proto)))
				return ref;
		}
		if (b->next == NIL)
			return NIL;
		b = &t->buckets[b->next];
		mask = bucket_match(b, tag);
	}
}

/* Where no slot of the bucket has the packet's tag. */
static void packet_search(const struct flow_table *t, struct pkt *p)
{
	const uint16_t tag = tag_of(p->hash);
	const struct bucket *b = bucket_of(t, p->hash);
	const uint32_t ref = chain_find(
		t, b, bucket_match(b, tag), tag, pkt_addrs(p), p->l4, p->proto, p->family == 6);

	p->flow = NULL;
	if (ref == NIL)
		return;
	p->flow = entry_of(t, ref);
	p->dir = ref_dir(ref);
}

struct flow *flow_find_packet(const struct flow_table *t, struct pkt *p)
{
	packet_search(t, p);
	return p->flow;
}

void flow_lookup_step(struct flow_table *t, struct burst *b, unsigned int from, unsigned int to)
{
	burst_step(b, p, from, to)
	{
		const struct bucket *bucket = bucket_of(t, p->hash);
		const unsigned int match = bucket_match(bucket, tag_of(p->hash));

		if (unlikely(!match)) {
			p->flow = NULL;
			if (unlikely(bucket->next != NIL))
				packet_search(t, p);
			continue;
		}

		const uint32_t ref = bucket->ref[__builtin_ctz(match)];

		p->flow = entry_of(t, ref);
		p->dir = ref_dir(ref);
		/* Into L2: there is room for more questions than in L1. */
		rte_prefetch1(p->flow);
		if (ref & REF_V6)
			rte_prefetch1((const char *)p->flow + 64);
	}
}

static uint32_t key_find(const struct flow_table *t, const struct key *k, uint32_t hash)
{
	const struct bucket *b = bucket_of(t, hash);
	uint16_t tag = tag_of(hash);

	return chain_find(t, b, bucket_match(b, tag), tag, k->addrs, &k->ports, k->proto, k->v6);
}

struct flow *flow_find(struct flow_table *t, const struct tuple *tuple, uint8_t *dir)
{
	struct key k;
	uint32_t ref;

	key_of(tuple, &k);
	ref = key_find(t, &k, key_hash(&t->index.key, &k));
	if (ref == NIL)
		return NULL;
	*dir = ref_dir(ref);
	return entry_of(t, ref);
}

uint32_t flow_hash(const struct flow_table *t, const struct tuple *tuple)
{
	struct key k;

	key_of(tuple, &k);
	return key_hash(&t->index.key, &k);
}

const struct hash_index *flow_index(const struct flow_table *t)
{
	return &t->index;
}

/* ---- index ---------------------------------------------------------------------------------- */

static uint32_t overflow_take(struct flow_table *t)
{
	uint32_t i = t->overflow_free;

	if (i == NIL)
		return NIL;
	t->overflow_free = t->buckets[i].next;
	t->overflow_used++;
	memset(&t->buckets[i], 0, sizeof(t->buckets[i]));
	t->buckets[i].next = NIL;
	return i;
}

static void overflow_give(struct flow_table *t, uint32_t i)
{
	t->buckets[i].next = t->overflow_free;
	t->overflow_free = i;
	t->overflow_used--;
}

static int index_add(struct flow_table *t, uint32_t hash, uint32_t ref)
{
	struct bucket *b = bucket_of(t, hash);
	unsigned int empty;

	while (b->next != NIL)
		b = &t->buckets[b->next];
	empty = bucket_match(b, 0);
	if (!empty) {
		b->next = overflow_take(t);
		if (b->next == NIL)
			return -ENOSPC;
		b = &t->buckets[b->next];
		empty = 1;
	}
	unsigned int slot = (unsigned int)__builtin_ctz(empty);
	b->tag[slot] = tag_of(hash);
	b->ref[slot] = ref;
	return 0;
}

/* Takes a reference out and fills the hole from the chain's tail. */
static void index_remove(struct flow_table *t, uint32_t hash, uint32_t ref)
{
	struct bucket *b = bucket_of(t, hash), *tail, *before = NULL;
	unsigned int slot, last;

	for (;;) {
		unsigned int mask = bucket_match(b, tag_of(hash));

		for (; mask; mask &= mask - 1)
			if (b->ref[__builtin_ctz(mask)] == ref)
				break;
		if (mask) {
			slot = (unsigned int)__builtin_ctz(mask);
			break;
		}
		x_assert(b->next != NIL);
		if (b->next == NIL)
			return;
		b = &t->buckets[b->next];
	}
	for (tail = bucket_of(t, hash); tail->next != NIL; tail = &t->buckets[tail->next])
		before = tail;
	last = BUCKET_SLOTS - 1;
	while (tail->tag[last] == 0)
		last--;
	b->tag[slot] = tail->tag[last];
	b->ref[slot] = tail->ref[last];
	tail->tag[last] = 0;
	if (before && bucket_match(tail, 0) == (1u << BUCKET_SLOTS) - 1) {
		overflow_give(t, before->next);
		before->next = NIL;
	}
}

/* ---- entries -------------------------------------------------------------------------------- */

static struct flow *entry_take(struct arena *a)
{
	struct flow *f;

	if (a->free != NIL) {
		f = entry_at(a, a->free);
		a->free = f->born;
	} else if (a->fresh < a->max) {
		f = entry_at(a, a->fresh++);
	} else {
		return NULL;
	}
	memset(f, 0, sizeof(*f));
	wheel_node_init(&f->timer);
	a->used++;
	return f;
}

static void entry_give(struct arena *a, struct flow *f)
{
	f->kind = FLOW_FREE;
	f->born = a->free;
	a->free = index_of(a, f);
	a->used--;
}

static void tuple_put(struct flow *f, uint8_t dir, const struct tuple *t)
{
	if (f->flags & FLOW_V6) {
		struct tuple6 *d = &((struct flow6 *)f)->tuple[dir];

		*d = (struct tuple6){ t->src, t->dst, t->sport, t->dport };
	} else {
		struct tuple4 *d = &((struct flow4 *)f)->tuple[dir];

		*d = (struct tuple4){ addr_v4(&t->src), addr_v4(&t->dst), t->sport, t->dport };
	}
}

struct tuple flow_tuple(const struct flow *f, uint8_t dir)
{
	if (f->flags & FLOW_V6) {
		const struct tuple6 *s = &((const struct flow6 *)f)->tuple[dir];

		return (struct tuple){ s->src, s->dst, s->sport, s->dport, f->proto };
	}
	const struct tuple4 *s = &((const struct flow4 *)f)->tuple[dir];

	return (struct tuple){ addr_from_v4(s->src), addr_from_v4(s->dst), s->sport, s->dport,
		f->proto };
}

/* The reference to a direction of a flow; v6: what its tuple is. */
static uint32_t ref_of(const struct arena *a, const struct flow *f, uint8_t dir, bool v6)
{
	uint32_t ref = index_of(a, f) | (dir == DIR_RETURN ? REF_RET : 0);

	if (f->flags & FLOW_V6)
		ref |= v6 ? REF_V6 : REF_V6 | REF_MAPPED;
	return ref;
}

/* A tuple's hash, and whether it is IPv6's. */
struct place {
	uint32_t hash;
	bool v6;
};

/* An entry for tuples that are in no flow. NULL: there is no room. */
static struct flow *enter(struct flow_table *t, const struct tuple *fwd, struct place pf,
	const struct tuple *ret, struct place pr)
{
	const bool v6 = pf.v6 || pr.v6, mixed = ret && pf.v6 != pr.v6;
	struct arena *a = v6 ? &t->v6 : &t->v4;
	struct flow *f = entry_take(a);
	uint32_t ref;

	if (!f)
		return NULL;
	f->kind = FLOW_FORWARD;
	f->proto = fwd->proto;
	f->flags =
		(uint8_t)((v6 ? FLOW_V6 : 0) | (ret ? FLOW_RETURN : 0) | (mixed ? FLOW_MIXED : 0));
	tuple_put(f, DIR_FORWARD, fwd);
	if (ret)
		tuple_put(f, DIR_RETURN, ret);

	ref = ref_of(a, f, DIR_FORWARD, pf.v6);
	if (index_add(t, pf.hash, ref) < 0)
		goto fail_entry;
	if (ret && index_add(t, pr.hash, ref_of(a, f, DIR_RETURN, pr.v6)) < 0)
		goto fail_index;
	return f;

fail_index:
	index_remove(t, pf.hash, ref);
fail_entry:
	entry_give(a, f);
	return NULL;
}

struct flow *flow_open(struct flow_table *t, const struct tuple *fwd, const struct tuple *ret,
	enum drop_reason *reason)
{
	struct place pf, pr = { .v6 = false };
	struct key kf, kr;

	*reason = DROP_flow_clash;
	if (ret) {
		key_of(ret, &kr);
		pr = (struct place){ key_hash(&t->index.key, &kr), kr.v6 };
		rte_prefetch0(bucket_of(t, pr.hash));
	}
	key_of(fwd, &kf);
	pf = (struct place){ key_hash(&t->index.key, &kf), kf.v6 };
	if (key_find(t, &kf, pf.hash) != NIL)
		return NULL;
	if (ret && key_find(t, &kr, pr.hash) != NIL)
		return NULL;
	*reason = DROP_flow_table_full;
	return enter(t, fwd, pf, ret, pr);
}

struct flow *flow_open_known(struct flow_table *t, const struct tuple *fwd, uint32_t fwd_hash,
	const struct tuple *ret, uint32_t ret_hash, enum drop_reason *reason)
{
	const struct place pf = { fwd_hash, !(addr_is_v4(&fwd->src) && addr_is_v4(&fwd->dst)) };
	struct place pr = { ret_hash, false };
	struct key kr;

	x_assert(fwd_hash == flow_hash(t, fwd));
	if (ret) {
		x_assert(ret_hash == flow_hash(t, ret));
		key_of(ret, &kr);
		pr.v6 = kr.v6;
		*reason = DROP_flow_clash;
		if (key_find(t, &kr, ret_hash) != NIL)
			return NULL;
	}
	*reason = DROP_flow_table_full;
	return enter(t, fwd, pf, ret, pr);
}

static void unindex(struct flow_table *t, const struct flow *f, uint8_t dir)
{
	const struct tuple tuple = flow_tuple(f, dir);
	struct key k;

	key_of(&tuple, &k);
	index_remove(t, key_hash(&t->index.key, &k), ref_of(arena_of(t, f), f, dir, k.v6));
}

void flow_close(struct flow_table *t, struct flow *f)
{
	struct arena *a = arena_of(t, f);

	x_assert(f->kind != FLOW_FREE);
	unindex(t, f, DIR_FORWARD);
	if (f->flags & FLOW_RETURN)
		unindex(t, f, DIR_RETURN);
	wheel_disarm(&a->wheel, index_of(a, f));
	entry_give(a, f);
}

struct flow_side *flow_side(struct flow_table *t, const struct flow *f)
{
	const struct arena *a = arena_of(t, f);

	return &a->side[index_of(a, f)];
}

/* ---- time ----------------------------------------------------------------------------------- */

void flow_arm(struct flow_table *t, struct flow *f, uint32_t at_ms)
{
	struct arena *a = arena_of(t, f);

	wheel_arm(&a->wheel, index_of(a, f), at_ms);
}

static unsigned int arena_due(struct arena *a, uint32_t now_ms, struct flow **out, unsigned int max)
{
	uint32_t index[BURST_MAX];
	unsigned int n =
		wheel_advance(&a->wheel, now_ms, index, RTE_MIN(max, (unsigned int)BURST_MAX));

	for (unsigned int i = 0; i < n; i++) {
		out[i] = entry_at(a, index[i]);
		rte_prefetch0(out[i]);
	}
	return n;
}

unsigned int flow_due(struct flow_table *t, uint32_t now_ms, struct flow **out, unsigned int max)
{
	/* Neither family waits for the other; what one leaves the other may have. */
	unsigned int n = arena_due(&t->v4, now_ms, out, (max + 1) / 2);

	n += arena_due(&t->v6, now_ms, out + n, max - n);
	return n + arena_due(&t->v4, now_ms, out + n, max - n);
}

uint32_t flow_prefetch_tuple(const struct flow_table *t, const struct tuple *tuple)
{
	const uint32_t hash = flow_hash(t, tuple);

	rte_prefetch0(bucket_of(t, hash));
	return hash;
}

void flow_prefetch(const struct flow_table *t, const struct flow *f)
{
	struct tuple tuple = flow_tuple(f, DIR_FORWARD);

	flow_prefetch_tuple(t, &tuple);
	if (f->flags & FLOW_RETURN) {
		tuple = flow_tuple(f, DIR_RETURN);
		flow_prefetch_tuple(t, &tuple);
	}
}

/* ---- walking and counting ------------------------------------------------------------------- */

void flow_walk(struct flow_table *t, uint64_t *cursor, unsigned int max,
	bool (*visit)(void *arg, struct flow *f), void *arg)
{
	uint64_t at = *cursor;

	while (max-- > 0) {
		if (at >= t->v4.fresh && at < t->v4.max)
			at = t->v4.max;
		const struct arena *a = at < t->v4.max ? &t->v4 : &t->v6;
		uint32_t i = (uint32_t)(a == &t->v4 ? at : at - t->v4.max);

		if (i >= a->fresh) {
			at = 0;
			break;
		}
		struct flow *f = entry_at(a, i);

		at++;
		if (f->kind != FLOW_FREE && !visit(arg, f))
			break;
	}
	if (at >= (uint64_t)t->v4.max + t->v6.fresh)
		at = 0;
	*cursor = at;
}

bool flow_has_room(const struct flow_table *t, bool v6)
{
	const struct arena *a = v6 ? &t->v6 : &t->v4;

	return a->used < a->max;
}

static bool is_wanted(const struct flow *f, const struct flow_wanted *want)
{
	return f->kind == FLOW_FORWARD && want->states >> f->state & 1 &&
	       want->now_ms - f->born >= want->age_ms;
}

struct flow *flow_search(struct flow_table *t, bool v6, uint32_t *hand, unsigned int max,
	const struct flow_wanted *want)
{
	const struct arena *a = v6 ? &t->v6 : &t->v4;
	uint32_t at = *hand;

	for (unsigned int n = RTE_MIN(max, a->fresh); n > 0; n--) {
		struct flow *f;

		if (at >= a->fresh)
			at = 0;
		f = entry_at(a, at++);
		rte_prefetch0((const char *)f + SEARCH_AHEAD); /* beyond the end does no harm */
		*hand = at;
		if (is_wanted(f, want))
			return f;
	}
	return NULL;
}

struct flow *flow_search_index(
	struct flow_table *t, const struct tuple *tuple, const struct flow_wanted *want)
{
	const struct bucket *b = bucket_of(t, flow_hash(t, tuple));
	struct flow *found = NULL;

	for (;; b = &t->buckets[b->next]) {
		for (unsigned int i = 0; i < BUCKET_SLOTS; i++) {
			if (b->tag[i] == 0)
				return NULL;
			if (!found && is_wanted(entry_of(t, b->ref[i]), want))
				found = entry_of(t, b->ref[i]);
		}
		if (b->next == NIL)
			return found;
	}
}

void flow_stats(const struct flow_table *t, struct flow_stats *out)
{
	*out = (struct flow_stats){
		.v4 = __atomic_load_n(&t->v4.used, __ATOMIC_RELAXED),
		.v6 = __atomic_load_n(&t->v6.used, __ATOMIC_RELAXED),
		.max_v4 = t->v4.max,
		.max_v6 = t->v6.max,
		.bytes = t->bytes,
		.overflow = __atomic_load_n(&t->overflow_used, __ATOMIC_RELAXED),
	};
}

/* ---- life ----------------------------------------------------------------------------------- */

static void table_size(const struct flow_conf *conf, uint32_t *buckets, uint32_t *overflow)
{
	uint64_t keys = 2 * ((uint64_t)conf->max_v4 + conf->max_v6);

	*buckets = (uint32_t)(keys / BUCKET_FILL + 1);
	*overflow = *buckets / 8 + 16;
}

uint64_t flow_table_bytes(const struct flow_conf *conf)
{
	uint32_t buckets, overflow;

	table_size(conf, &buckets, &overflow);
	return ((uint64_t)buckets + overflow) * sizeof(struct bucket) +
	       (uint64_t)conf->max_v4 * (sizeof(struct flow4) + sizeof(struct flow_side)) +
	       (uint64_t)conf->max_v6 * (sizeof(struct flow6) + sizeof(struct flow_side)) +
	       sizeof(struct flow_table);
}

static int arena_init(
	struct arena *a, const char *name, size_t size, uint32_t max, int socket, uint32_t now_ms)
{
	a->shift = (uint32_t)rte_log2_u32((uint32_t)size);
	a->max = max;
	a->free = NIL;
	/* One entry at least, so that the wheel has a base. */
	a->entries = rte_zmalloc_socket(name, size * RTE_MAX(max, 1u), 64, socket);
	a->side = rte_zmalloc_socket("flow_side", sizeof(*a->side) * RTE_MAX(max, 1u), 64, socket);
	if (!a->entries || !a->side)
		return -ENOMEM;
	wheel_init(&a->wheel, a->entries + offsetof(struct flow, timer), size, TICK_SHIFT, now_ms);
	return 0;
}

struct flow_table *flow_table_create(const struct flow_conf *conf, uint32_t now_ms)
{
	struct flow_table *t;

	if (conf->max_v4 > REF_INDEX || conf->max_v6 > REF_INDEX) {
		errno = EINVAL;
		return NULL;
	}
	t = rte_zmalloc_socket("flow_table", sizeof(*t), 64, conf->socket);
	if (!t)
		goto fail;
	t->index.key = conf->key;
	t->bytes = flow_table_bytes(conf);
	table_size(conf, &t->index.n, &t->n_overflow);
	t->buckets = rte_zmalloc_socket("flow_buckets",
		((size_t)t->index.n + t->n_overflow) * sizeof(struct bucket), 64, conf->socket);
	if (!t->buckets)
		goto fail;
	t->index.lines = t->buckets;
	for (uint32_t i = 0; i < t->index.n + t->n_overflow; i++)
		t->buckets[i].next = NIL;
	t->overflow_free = NIL;
	for (uint32_t i = t->index.n + t->n_overflow; i-- > t->index.n;) {
		t->buckets[i].next = t->overflow_free;
		t->overflow_free = i;
	}
	if (arena_init(
		    &t->v4, "flows_v4", sizeof(struct flow4), conf->max_v4, conf->socket, now_ms) ||
		arena_init(&t->v6, "flows_v6", sizeof(struct flow6), conf->max_v6, conf->socket,
			now_ms))
		goto fail;
	return t;

fail:
	flow_table_destroy(t);
	errno = ENOMEM;
	return NULL;
}

void flow_table_destroy(struct flow_table *t)
{
	if (!t)
		return;
	rte_free(t->v6.side);
	rte_free(t->v4.side);
	rte_free(t->v6.entries);
	rte_free(t->v4.entries);
	rte_free(t->buckets);
	rte_free(t);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sequences of fragments, in time, through parse_burst() and reassembly (net/frag.h), beside a
 * model of it that has lists of copies where frag.c has an index and chains. After each fragment
 * the same packets have been dropped for the same reasons, the same ones wait, and what comes out
 * is the datagram that the model has put together, byte by byte. No buffer is in use but by those
 * that wait, and in the end none. frag_step.h says what the input is.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ether.h>

#include "base/rcu.h"
#include "frag_step.h"
#include "frame.h"
#include "net/frag.h"
#include "net/net_priv.h"
#include "net/parse.h"
#include "test_eal.h"

#define SMALL     16
#define LARGE     1024
#define FRAGMENTS 1500 /* most of an input */
#define ROOM      2304
#define ETH       RTE_ETHER_HDR_LEN

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static struct rte_mempool *pool;
static struct net_worker *worker;
static struct net_table *table;
static struct frags *small, *large;
static struct burst burst;
static unsigned int told; /* ICMP errors */

static void free_table(void)
{
	net_table_free(table);
}

/* In place of port.c's: nothing is ever sent. */
uint16_t nic_tx(struct nic *nic, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	(void)nic;
	(void)queue;
	(void)mbufs;
	abort();
	return n;
}

/* Instead of icmp.c's: all that could be quoted can be read. */
void icmp_error(struct net_worker *w, const struct pkt *p, enum icmp_err what, uint16_t mtu)
{
	static uint8_t copy[ROOM];
	const uint32_t off = (uint32_t)(p->l3 - rte_pktmbuf_mtod(p->mbuf, uint8_t *));
	const uint8_t *l3 = rte_pktmbuf_read(p->mbuf, off, p->l3_len, copy);

	(void)w;
	require(what == ICMP_ERR_REASSEMBLY && mtu == 0);
	require(l3 && p->l3_len <= ROOM && p->l4 - p->l3 + p->l4_len == p->l3_len);
	memmove(copy, l3, p->l3_len);
	told++;
}

/* ---- fragments ------------------------------------------------------------------------------ */

/* The addresses, by family and host. Packets of the first hosts are for a virtual address. */
static const uint8_t addresses4[2][8] = {
	{ 198, 51, 100, 7, 192, 0, 2, 10 },
	{ 198, 51, 100, 8, 192, 0, 2, 99 },
};
static const uint8_t addresses6[2][32] = {
	{ 0x20, 1, 0xd, 0xb8, 0, 9, [15] = 7, 0x20, 1, 0xd, 0xb8, 0, 1, [31] = 0x10 },
	{ 0x20, 1, 0xd, 0xb8, 0, 9, [15] = 8, 0x20, 1, 0xd, 0xb8, 0, 1, [31] = 0x99 },
};

struct fragment {
	unsigned int len; /* of the frame */
	uint8_t b[ROOM];
};

static void put2(uint8_t *at, unsigned int v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static unsigned int get2(const uint8_t *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

static unsigned int sum_header(const uint8_t *l3)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < (l3[0] & 0xfu) * 4; i += 2)
		sum += get2(l3 + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void fix_header(uint8_t *l3)
{
	put2(l3 + 10, 0);
	put2(l3 + 10, ~sum_header(l3) & 0xffff);
}

/* Changes a byte of the headers, but for those of the addresses. */
static void spoil(const struct frag_step *s, uint8_t *l3, unsigned int head)
{
	const unsigned int at = s->at % head;
	const unsigned int first = l3[0] >> 4 == 4 ? 12 : 8, end = l3[0] >> 4 == 4 ? 20 : 40;

	if ((s->what & FRAG_SPOIL) && (at < first || at >= end))
		l3[at] ^= s->with;
}

/* Headers with the given payload length, from l3 on; returns theirs. */
static unsigned int put4(const struct frag_step *s, uint8_t *l3, uint8_t proto, unsigned int id,
	unsigned int where, bool more, unsigned int len)
{
	const unsigned int head = 20 + (s->rest >> 5) * 4u;

	memset(l3, 1, head); /* options that do nothing */
	l3[0] = (uint8_t)(0x40 | head / 4);
	l3[1] = s->rest >> 3 & 3;
	put2(l3 + 2, head + len);
	put2(l3 + 4, id);
	put2(l3 + 6, where | (more ? 0x2000 : 0));
	l3[8] = 60;
	l3[9] = proto;
	memcpy(l3 + 12, addresses4[!!(s->what & FRAG_HOST)], 8);
	spoil(s, l3, head);
	if ((l3[0] & 0xf) * 4u <= head + len)
		fix_header(l3);
	return head;
}

static unsigned int put6(const struct frag_step *s, uint8_t *l3, uint8_t proto, unsigned int id,
	unsigned int where, bool more, unsigned int len)
{
	static const uint8_t kinds[4] = { IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT,
		IPPROTO_HOPOPTS };
	uint8_t *type = l3 + 6, *ext = l3 + 40;

	memset(l3, 0, 40 + 8 * 8);
	l3[0] = 0x60;
	l3[1] = (uint8_t)((s->rest >> 3 & 3) << 4);
	l3[7] = 60;
	memcpy(l3 + 8, addresses6[!!(s->what & FRAG_HOST)], 32);
	for (unsigned int i = 0; i < s->rest >> 5; i++, ext += 8) {
		*type = kinds[s->at >> i % 4 * 2 & 3];
		if (*type == IPPROTO_ROUTING)
			ext[2] = 4;
		else if (*type == IPPROTO_FRAGMENT)
			ext[1] = s->with; /* reserved; the rest says that it is all there is */
		type = ext;
	}
	*type = IPPROTO_FRAGMENT;
	ext[0] = proto;
	put2(ext + 2, where << 3 | more);
	put2(ext + 6, id);
	ext += 8;
	put2(l3 + 4, (unsigned int)(ext - l3) - 40 + len);
	spoil(s, l3, (unsigned int)(ext - l3));
	return (unsigned int)(ext - l3);
}

/* The nth fragment of a step's run. */
static void make_fragment(const struct frag_step *s, unsigned int nth, struct fragment *f)
{
	static const uint8_t protos[8] = { IPPROTO_UDP, IPPROTO_TCP, IPPROTO_ICMP, IPPROTO_ICMPV6,
		IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT, IPPROTO_SCTP };
	const unsigned int at = s->what & FRAG_BACK ? s->run - nth : nth;
	const bool ids = s->what & FRAG_IDS, more = (s->what & FRAG_MORE) || (!ids && at < s->run);
	const unsigned int len = s->len * 8u + (more && s->run ? 0 : s->rest & 7u);
	const unsigned int id = s->id + (ids ? nth * 256 : 0);
	const unsigned int where = (get2(s->where) + (ids ? 0 : at * s->len)) & 0x1fff;
	const uint8_t proto = protos[s->where[0] >> 5];
	uint8_t *l3 = f->b + ETH;
	unsigned int head;

	memcpy(f->b, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
	put2(f->b + 12, s->what & FRAG_V6 ? 0x86dd : 0x0800);
	if (s->what & FRAG_V6)
		head = put6(s, l3, proto, id, where, more, len);
	else
		head = put4(s, l3, proto, id, where, more, len);
	for (unsigned int i = 0; i < len; i++)
		l3[head + i] = (uint8_t)(where + s->with + i * 13 + i / 256);
	f->len = ETH + head + len;
}

/* ---- the model: what a fragment says -------------------------------------------------------- */

struct said {
	uint8_t key[40]; /* family, protocol of IPv4, identification, addresses */
	uint8_t family, proto, ecn;
	unsigned int head; /* bytes in front of the payload, the link's included */
	unsigned int type; /* where the type of the IPv6 fragment header stands */
	unsigned int off, len;
	bool more;
};

static void read4(const struct fragment *f, struct said *s)
{
	const uint8_t *l3 = f->b + ETH;

	s->proto = l3[9];
	s->ecn = l3[1] & 3;
	s->head = ETH + (l3[0] & 0xfu) * 4;
	s->off = (get2(l3 + 6) & 0x1fff) * 8;
	s->more = l3[6] & 0x20;
	s->len = ETH + get2(l3 + 2) - s->head;
	s->key[1] = s->proto;
	memcpy(s->key + 2, l3 + 4, 2);
	memcpy(s->key + 8, l3 + 12, 8);
}

static void read6(const struct fragment *f, struct said *s)
{
	const uint8_t *l3 = f->b + ETH, *ext = l3 + 40, *type = l3 + 6;

	while (*type != IPPROTO_FRAGMENT || !(get2(ext + 2) & 0xfff9)) {
		const unsigned int len = *type == IPPROTO_FRAGMENT ? 8 : (ext[1] + 1u) * 8;

		type = ext;
		ext += len;
		require(ext + 8 <= f->b + f->len);
	}
	s->proto = ext[0];
	s->ecn = l3[1] >> 4 & 3;
	s->type = (unsigned int)(type - f->b);
	s->head = (unsigned int)(ext + 8 - f->b);
	s->off = get2(ext + 2) & 0xfff8;
	s->more = ext[3] & 1;
	s->len = ETH + 40 + get2(l3 + 4) - s->head;
	memcpy(s->key + 2, ext + 4, 4);
	memcpy(s->key + 8, l3 + 8, 32);
}

/* Whether it lacks a part of the headers that all of it is judged by. here: payload that is in the
 * first segment. */
static bool is_tiny(const struct fragment *f, const struct said *s, unsigned int here)
{
	const uint8_t *b = f->b + s->head;
	unsigned int at = 0, need = 0;
	uint8_t proto = s->proto;

	if (s->off)
		return proto == IPPROTO_TCP && s->off <= 8;
	while (s->family == 6 && (proto == IPPROTO_DSTOPTS || proto == IPPROTO_ROUTING)) {
		if (here < at + 8)
			return true;
		proto = b[at];
		at += (b[at + 1] + 1u) * 8;
	}
	if (proto == IPPROTO_TCP)
		need = here < at + 20 ? 20 : (b[at + 12] >> 4) * 4u;
	else if (proto == IPPROTO_UDP || proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		need = 8;
	return here < at + need;
}

static enum drop_reason judge(const struct fragment *f, const struct said *s, unsigned int here)
{
	const unsigned int head = s->head - ETH - (s->family == 6 ? 8 : 0);

	if (s->len == 0 || (s->more && s->len % 8) || head + s->off + s->len > 65535)
		return DROP_frag_header;
	return is_tiny(f, s, RTE_MIN(here, s->len)) ? DROP_frag_tiny : DROP_none;
}

/* ---- the model: what waits ------------------------------------------------------------------ */

struct part {
	struct part *next;
	struct said said;
	unsigned int mbufs;
	struct fragment f;
};

struct entry {
	struct said first; /* whose key it has */
	struct part *parts;
	unsigned int n, mbufs, group;
	uint32_t since;
	bool refused;
};

static struct {
	unsigned int max, n; /* mbufs; entries */
	struct entry *entry[LARGE];
	uint64_t drop[DROP_MAX];
	uint64_t whole;
	unsigned int told;
} model; /* entry[]: in order of age */

static unsigned int waiting(unsigned int group)
{
	unsigned int mbufs = 0;

	for (unsigned int i = 0; i < model.n; i++)
		if (group == 0 || model.entry[i]->group == group)
			mbufs += model.entry[i]->mbufs;
	return mbufs;
}

/* What is charged for them: one for a datagram at the least. */
static unsigned int room_taken(unsigned int group)
{
	unsigned int room = 0;

	for (unsigned int i = 0; i < model.n; i++)
		if (group == 0 || model.entry[i]->group == group)
			room += model.entry[i]->mbufs ? model.entry[i]->mbufs : 1;
	return room;
}

static void forget_parts(struct entry *e, enum drop_reason reason)
{
	model.drop[reason] += reason == DROP_none ? 0 : e->n;
	while (e->parts) {
		struct part *next = e->parts->next;

		free(e->parts);
		e->parts = next;
	}
	e->n = e->mbufs = 0;
}

static void forget(unsigned int i, enum drop_reason reason)
{
	forget_parts(model.entry[i], reason);
	free(model.entry[i]);
	model.n--;
	memmove(model.entry + i, model.entry + i + 1, (model.n - i) * sizeof(model.entry[0]));
}

/* Two IPv4 hosts, and one IPv6 network that both others are in. */
static unsigned int group_of(const struct said *s)
{
	return s->family == 6 ? 3 : s->key[8 + 3] == 7 ? 1 : 2;
}

static void make_room(unsigned int mbufs, unsigned int group)
{
	while (room_taken(group) + mbufs > model.max / 2) {
		unsigned int i = 0;

		while (model.entry[i]->group != group)
			i++;
		forget(i, DROP_frag_full);
	}
	while (room_taken(0) + mbufs > model.max)
		forget(0, DROP_frag_full);
}

/* What the fragment is to those that are there. */
static enum drop_reason compare(const struct entry *e, const struct said *s)
{
	const unsigned int end = s->off + s->len;

	if (e->refused)
		return DROP_frag_overlap;
	for (const struct part *p = e->parts; p; p = p->next)
		if (p->said.off == s->off && p->said.len == s->len && p->said.more == s->more)
			return DROP_frag_duplicate;
	for (const struct part *p = e->parts; p; p = p->next) {
		const unsigned int p_end = p->said.off + p->said.len;

		if ((s->off < p_end && p->said.off < end) ||
			(!p->said.more && (!s->more || end >= p_end)) ||
			(!s->more && p->said.off > s->off))
			return DROP_frag_overlap;
	}
	return e->n == FRAG_PIECES ? DROP_frag_many : DROP_none;
}

/* ---- the model: what becomes whole ---------------------------------------------------------- */

static struct {
	unsigned int len; /* 0: nothing has */
	unsigned int longest;
	uint8_t b[ETH + 65535 + 8];
} whole;

static void write_whole(const struct entry *e, unsigned int total, bool congestion)
{
	uint8_t *l3 = whole.b + ETH;
	unsigned int head = 0;

	for (const struct part *p = e->parts; p; p = p->next)
		if (p->said.off == 0) {
			head = p->said.head;
			memcpy(whole.b, p->f.b, head);
			if (p->said.family == 6) {
				whole.b[p->said.type] = p->f.b[head - 8];
				head -= 8;
			}
		}
	for (const struct part *p = e->parts; p; p = p->next) {
		memcpy(whole.b + head + p->said.off, p->f.b + p->said.head, p->said.len);
		whole.longest = RTE_MAX(whole.longest, p->said.head - ETH + p->said.len);
	}
	whole.len = head + total;
	if (e->first.family == 4) {
		l3[1] |= congestion ? 3 : 0;
		put2(l3 + 2, whole.len - ETH);
		put2(l3 + 6, get2(l3 + 6) & 0x4000);
		fix_header(l3);
	} else {
		l3[1] |= congestion ? 0x30 : 0;
		put2(l3 + 4, whole.len - ETH - 40);
	}
}

static void finish(unsigned int i)
{
	const struct entry *e = model.entry[i];
	unsigned int got = 0, total = 0, head = 0, ecn = 0;

	for (const struct part *p = e->parts; p; p = p->next) {
		got += p->said.len;
		ecn |= 1u << p->said.ecn;
		if (!p->said.more)
			total = p->said.off + p->said.len;
		if (p->said.off == 0)
			head = p->said.head - ETH - (p->said.family == 6 ? 8 : 0);
	}
	if (got != total)
		return;
	if (head + total > 65535 || (ecn & 9) == 9) {
		forget(i, DROP_frag_header);
		return;
	}
	write_whole(e, total, ecn & 8);
	forget(i, DROP_none);
	model.whole++;
}

static void add_part(
	struct entry *e, const struct fragment *f, const struct said *s, unsigned int mbufs)
{
	struct part *p = malloc(sizeof(*p));

	require(p);
	*p = (struct part){ .next = e->parts, .said = *s, .mbufs = mbufs };
	memcpy(&p->f, f, offsetof(struct fragment, b) + f->len);
	e->parts = p;
	e->n++;
	e->mbufs += mbufs;
}

/* Takes a fragment in mbufs, here bytes of whose payload are in the first one. */
static void model_take(
	const struct fragment *f, const struct said *s, unsigned int mbufs, unsigned int here)
{
	enum drop_reason reason = judge(f, s, here);
	unsigned int i = 0;

	if (reason != DROP_none) {
		model.drop[reason]++;
		return;
	}
	make_room(mbufs, group_of(s));
	while (i < model.n && memcmp(model.entry[i]->first.key, s->key, sizeof(s->key)) != 0)
		i++;
	if (i == model.n) {
		struct entry *e = malloc(sizeof(*e));

		require(e);
		*e = (struct entry){ .first = *s, .group = group_of(s), .since = worker->now_ms };
		model.entry[model.n++] = e;
	}
	reason = compare(model.entry[i], s);
	if (reason == DROP_none) {
		add_part(model.entry[i], f, s, mbufs);
		finish(i);
		return;
	}
	model.drop[reason]++;
	if (reason != DROP_frag_duplicate) {
		forget_parts(model.entry[i], reason);
		model.entry[i]->refused = true;
	}
}

static void model_expire(void)
{
	for (unsigned int i = 0; i < model.n;) {
		const struct entry *e = model.entry[i];
		const bool v6 = e->first.family == 6;
		const uint8_t *dst = e->first.key + 8 + (v6 ? 16 : 4);

		if (worker->now_ms - e->since < (v6 ? 60000 : 30000)) {
			i++;
			continue;
		}
		for (const struct part *p = e->parts; p; p = p->next)
			model.told += p->said.off == 0 && dst[v6 ? 15 : 3] == (v6 ? 0x10 : 10);
		forget(i, DROP_frag_timeout);
	}
}

/* ---- both ----------------------------------------------------------------------------------- */

static void check_same(void)
{
	const struct frag_stats stats = frag_stats(worker->frags);

	require(stats.mbufs == waiting(0) && stats.datagrams == model.n);
	require(stats.mbufs <= model.max && told == model.told);
	require(worker->frag.datagrams_in == model.whole);
	require(rte_mempool_in_use_count(pool) == stats.mbufs);
	require(memcmp(worker->drop, model.drop, sizeof(model.drop)) == 0);
}

/* A datagram that is whole runs once more, and is no fragment again. */
static void check_whole(struct rte_mbuf *m)
{
	static char bucket[HASH_LINE];
	static const struct hash_index hashing = { .key = { { 1, 2 } }, .lines = bucket };
	static uint8_t copy[sizeof(whole.b)];
	struct rte_mbuf *none[BURST_MAX];
	uint16_t longest = 0;

	rte_mbuf_sanity_check(m, 1);
	require(m->pkt_len == whole.len && split_marked(worker, m, &longest));
	require(longest == whole.longest);
	require(memcmp(rte_pktmbuf_read(m, 0, whole.len, copy), whole.b, whole.len) == 0);
	parse_burst(worker, &hashing, &burst, &m, 1);
	if (burst.pkt[0].verdict != PKT_FRAGMENT) {
		frame_free(burst.pkt[0].mbuf);
		return;
	}
	frag_input(worker, &burst.pkt[0]);
	model.drop[DROP_ip_fragment]++;
	require(frag_take(worker, none) == 0);
}

static void check_parsed(const struct pkt *p, const struct said *s)
{
	const uint8_t *start = rte_pktmbuf_mtod(p->mbuf, const uint8_t *);

	require(p->family == s->family && p->proto == s->proto && p->l3 == start + ETH);
	require(p->l4 == start + s->head && p->l4_len == s->len);
	require((uint32_t)p->l3_len + ETH == s->head + s->len &&
		p->mbuf->pkt_len == s->head + s->len);
}

static void take(const struct fragment *f, const struct frag_step *step)
{
	static char bucket[HASH_LINE];
	static const struct hash_index hashing = { .key = { { 1, 2 } }, .lines = bucket };
	const bool two = step->what & FRAG_SEGMENTS;
	struct rte_mbuf *m = two ? frame_mbuf_split(pool, f->b, f->len, 1 + step->at % (f->len - 1))
				 : frame_mbuf(pool, f->b, f->len);
	struct rte_mbuf *out[BURST_MAX];
	struct pkt *p = &burst.pkt[0];
	struct said s = { 0 };

	parse_burst(worker, &hashing, &burst, &m, 1);
	require(burst.n == 1 && p->verdict != PKT_TAKEN);
	if (p->verdict != PKT_FRAGMENT) {
		frame_free(p->mbuf);
		return;
	}
	s.family = s.key[0] = f->b[12] == 0x86 ? 6 : 4;
	if (s.family == 6)
		read6(f, &s);
	else
		read4(f, &s);
	check_parsed(p, &s);
	whole.len = whole.longest = 0;
	model_take(f, &s, p->mbuf->nb_segs, p->mbuf->data_len - s.head);
	frag_input(worker, p);
	require(p->verdict == PKT_TAKEN);
	require(frag_take(worker, out) == (whole.len != 0));
	if (whole.len)
		check_whole(out[0]);
	check_same();
}

static void pass(uint32_t ms)
{
	unsigned int n;

	worker->now_ms += ms;
	do {
		n = frag_expire(worker);
		require(n <= 32);
	} while (n);
	model_expire();
	check_same();
}

static void begin(uint8_t choice)
{
	worker->frags = choice & FRAG_CHOOSE_LARGE ? large : small;
	worker->now_ms = choice & FRAG_CHOOSE_LATE ? UINT32_MAX - 20000 : 0;
	memset(worker->drop, 0, sizeof(worker->drop));
	worker->frag = (struct frag_counters){ 0 };
	told = 0;
	memset(&model, 0, sizeof(model));
	model.max = choice & FRAG_CHOOSE_LARGE ? LARGE : SMALL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fragment f;
	unsigned int budget = FRAGMENTS;
	struct frag_step step;

	if (size < 1)
		return 0;
	begin(data[0]);
	for (size_t at = 1; at + sizeof(step) <= size; at += sizeof(step)) {
		memcpy(&step, data + at, sizeof(step));
		pass((uint32_t)step.pause * step.pause);
		for (unsigned int i = 0; i <= step.run && budget; i++, budget--) {
			worker->now_ms++; /* that none is as old as another */
			make_fragment(&step, i, &f);
			take(&f, &step);
		}
	}
	pass(60000);
	require(model.n == 0 && rte_mempool_in_use_count(pool) == 0);
	return 0;
}

/* ---- making --------------------------------------------------------------------------------- */

static struct net_table *make_table(void)
{
	struct prefix addresses[2];
	struct addr virtuals[2];
	struct faults faults = { 0 };
	struct net_table *built;

	require(prefix_parse("192.0.2.1/24", true, &addresses[0]) == 0);
	require(prefix_parse("2001:db8:1::1/64", true, &addresses[1]) == 0);
	require(addr_parse("192.0.2.10", &virtuals[0]) == 0);
	require(addr_parse("2001:db8:1::10", &virtuals[1]) == 0);
	struct port_conf port = { "wan", .mac = { { 2, 0, 0, 0, 0, 1 } }, .addresses = addresses,
		.n_addresses = 2 };
	struct net_conf conf = {
		.ports = &port, .n_ports = 1, .virtuals = virtuals, .n_virtuals = 2
	};

	built = net_table_build(&conf, NULL, &faults);
	require(built);
	return built;
}

/* Whether half of what may wait can be one host's and there is still room for another's. */
static bool are_apart(uint8_t one, uint8_t other, unsigned int max)
{
	static char bucket[HASH_LINE];
	static const struct hash_index hashing = { .key = { { 1, 2 } }, .lines = bucket };
	static struct fragment f;
	struct frag_step step = { .what = one | FRAG_MORE | FRAG_IDS, .len = 1 };

	begin(max == LARGE ? FRAG_CHOOSE_LARGE : 0);
	for (unsigned int i = 0; i <= max / 2; i++) {
		if (i == max / 2)
			step.what = other | FRAG_MORE | FRAG_IDS;
		/* 256 of each identification's second byte. */
		step.id = (uint8_t)(i / 256);
		make_fragment(&step, i % 256, &f);

		struct rte_mbuf *m = frame_mbuf(pool, f.b, f.len);

		parse_burst(worker, &hashing, &burst, &m, 1);
		frag_input(worker, &burst.pkt[0]);
	}
	worker->now_ms += 60000;
	while (frag_expire(worker))
		;
	return worker->drop[DROP_frag_full] == 0;
}

/* Which sources have their share together is up to a random key: here, those of one network. */
static struct frags *make_frags(unsigned int max)
{
	const struct frag_conf conf = { .max = max, .timeout_ms = { 30000, 60000 } };
	struct frags **at = max == LARGE ? &large : &small;

	for (;;) {
		*at = frag_create(&conf, SOCKET_ID_ANY);
		require(*at);
		if (are_apart(0, FRAG_HOST, max) && are_apart(0, FRAG_V6, max) &&
			are_apart(FRAG_HOST, FRAG_V6, max))
			return *at;
		frag_destroy(*at, worker);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct nic nic = { .txqs = 1, .mtu = 1500, .up = true };
	static struct nic *nics[1] = { &nic };
	/* Packet memory holds on to them, where leak detection does not look. */
	static struct net_worker **workers __rte_used;
	static struct rcu *rcu __rte_used;
	static struct neigh_table *neigh __rte_used;
	struct neigh_conf conf = neigh_defaults;

	(void)argc;
	(void)argv;
	test_eal_init();
	pool = test_pool("fuzz", 2047);
	conf.max = 16;
	conf.workers = 1;
	rcu = rcu_create(1);
	require(rcu);
	neigh = neigh_create(&conf, rcu);
	require(neigh);
	workers = net_workers_create(1, nics, 1, neigh, &conf, &pool, NULL);
	require(workers);
	worker = workers[0];
	table = make_table();
	atexit(free_table);
	worker->table = table;
	small = make_frags(SMALL);
	large = make_frags(LARGE);
	return 0;
}

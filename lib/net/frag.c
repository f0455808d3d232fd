/* SPDX-License-Identifier: BSD-3-Clause */
/* Reassembly; see frag.h. */
#include "frag.h"

#include <errno.h>
#include <netinet/in.h>

#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_tcp.h>

#include "base/hash.h"
#include "base/invariant.h"
#include "net_priv.h"
#include "poison.h"
#include "wire.h"

#define NIL          UINT32_MAX
#define IPV6_LEN     40
#define FRAG_LEN     8   /* IPv6 fragment header */
#define SOURCES      256 /* groups of sources that have a share each */
#define EXPIRE_SLICE 32

/* What a datagram is known by. The type of IPv6 payload may differ between fragments (RFC 8200
 * 4.5). No padding that is not zero: it is hashed as it is. */
struct frag_key {
	struct addr src, dst;
	uint32_t id;
	uint16_t family, proto; /* proto: IPv4 alone */
};

/* A fragment that waits. */
struct piece {
	struct rte_mbuf *mbuf;
	uint32_t next;
	uint16_t off, len; /* of the datagram's payload, bytes */
	uint16_t head;     /* bytes of headers in the mbuf, the link's included */
};

enum { BY_AGE, BY_SOURCE, LISTS };

struct datagram {
	struct frag_key key;
	uint32_t bucket; /* of the index, */
	uint32_t next;   /* and the next one there, or the next that is free */
	uint32_t older[LISTS], newer[LISTS];
	uint32_t first, last; /* pieces, in order */
	uint32_t got, total;  /* bytes of payload; total 0: the end has not come */
	uint32_t mbufs;
	uint32_t since;   /* ms */
	uint16_t source;  /* group */
	uint16_t n;       /* pieces */
	uint16_t longest; /* fragment, bytes from the IP header on */
	uint8_t port;     /* of the last one that came */
	uint8_t ecn;      /* bit of each codepoint seen */
	bool refused;     /* what comes of it is dropped */
};

struct list {
	uint32_t oldest, newest;
};

struct frags {
	struct frag_conf conf;
	struct hash_key hash_key;
	uint32_t n_datagrams, n_buckets; /* there are; n_buckets is a power of two */
	uint32_t open;                   /* datagrams in use */
	uint32_t mbufs;
	uint32_t taken; /* room: at most conf.max */
	uint32_t free_piece, free_datagram;
	struct list age[2]; /* by family */
	struct list source[SOURCES];
	uint32_t of_source[SOURCES]; /* room: at most half of conf.max */
	unsigned int n_ready;
	struct rte_mbuf *ready[BURST_MAX];
	struct piece *piece; /* [conf.max] */
	struct datagram *datagram;
	uint32_t *bucket; /* first datagram */
};

const struct frag_conf frag_defaults = { .max = 1024, .timeout_ms = { 30000, 60000 } };

/* ---- making --------------------------------------------------------------------------------- */

/* Each datagram takes room, so there are never more of them than mbufs. */
uint64_t frag_bytes(const struct frag_conf *conf)
{
	const uint32_t n = conf->max;

	return sizeof(struct frags) + n * (sizeof(struct piece) + sizeof(struct datagram)) +
	       rte_align32pow2(n) * sizeof(uint32_t);
}

static void frags_init(struct frags *f, const struct frag_conf *conf)
{
	const struct list none = { NIL, NIL };

	f->conf = *conf;
	f->age[0] = f->age[1] = none;
	for (unsigned int i = 0; i < SOURCES; i++)
		f->source[i] = none;
	for (uint32_t i = 0; i < f->n_buckets; i++)
		f->bucket[i] = NIL;
	f->free_piece = f->free_datagram = NIL;
	for (uint32_t i = conf->max; i-- > 0;) {
		f->piece[i].next = f->free_piece;
		f->free_piece = i;
	}
	for (uint32_t i = f->n_datagrams; i-- > 0;) {
		f->datagram[i].next = f->free_datagram;
		f->free_datagram = i;
	}
}

struct frags *frag_create(const struct frag_conf *conf, int socket)
{
	struct frags *f = rte_zmalloc_socket("frags", sizeof(*f), RTE_CACHE_LINE_SIZE, socket);
	int rc = -ENOMEM;

	if (!f)
		goto fail;
	f->n_datagrams = conf->max;
	f->n_buckets = rte_align32pow2(f->n_datagrams);
	f->piece = rte_zmalloc_socket("pieces", conf->max * sizeof(*f->piece), 0, socket);
	f->datagram =
		rte_zmalloc_socket("datagrams", f->n_datagrams * sizeof(*f->datagram), 0, socket);
	f->bucket = rte_zmalloc_socket("buckets", f->n_buckets * sizeof(*f->bucket), 0, socket);
	if (!f->piece || !f->datagram || !f->bucket)
		goto fail;
	if (conf->key)
		f->hash_key = *conf->key;
	rc = conf->key ? 0 : hash_key_random(&f->hash_key);
	if (rc < 0)
		goto fail;
	frags_init(f, conf);
	return f;

fail:
	frag_destroy(f, NULL);
	errno = -rc;
	return NULL;
}

struct frag_stats frag_stats(const struct frags *f)
{
	return (struct frag_stats){
		.mbufs = __atomic_load_n(&f->mbufs, __ATOMIC_RELAXED),
		.datagrams = __atomic_load_n(&f->open, __ATOMIC_RELAXED),
		.max = f->conf.max,
	};
}

/* ---- lists and index ------------------------------------------------------------------------ */

static struct list *list_of(struct frags *f, const struct datagram *d, unsigned int which)
{
	return which == BY_AGE ? &f->age[d->key.family == 6] : &f->source[d->source];
}

static void list_add(struct frags *f, uint32_t i, unsigned int which)
{
	struct datagram *d = &f->datagram[i];
	struct list *l = list_of(f, d, which);

	d->older[which] = l->newest;
	d->newer[which] = NIL;
	if (l->newest == NIL)
		l->oldest = i;
	else
		f->datagram[l->newest].newer[which] = i;
	l->newest = i;
}

static void list_remove(struct frags *f, uint32_t i, unsigned int which)
{
	struct datagram *d = &f->datagram[i];
	struct list *l = list_of(f, d, which);

	if (d->older[which] == NIL)
		l->oldest = d->newer[which];
	else
		f->datagram[d->older[which]].newer[which] = d->newer[which];
	if (d->newer[which] == NIL)
		l->newest = d->older[which];
	else
		f->datagram[d->newer[which]].older[which] = d->older[which];
}

static uint32_t datagram_find(const struct frags *f, const struct frag_key *key, uint32_t bucket)
{
	uint32_t i = f->bucket[bucket];

	while (i != NIL && memcmp(&f->datagram[i].key, key, sizeof(*key)) != 0)
		i = f->datagram[i].next;
	return i;
}

/* One host has one address in IPv4, and a network of 64 bits in IPv6. */
static uint16_t source_of(const struct frags *f, const struct frag_key *key)
{
	return (uint16_t)(hash_siphash(&f->hash_key, key->src.b, key->family == 6 ? 8 : 16) %
			  SOURCES);
}

/*
 * A datagram takes the room of its mbufs, and of one while it has none: so do refused ones, or a
 * source could have them without end.
 */
static void datagram_hold(struct frags *f, struct datagram *d, uint32_t mbufs)
{
	const uint32_t more = RTE_MAX(mbufs, 1u) - RTE_MAX(d->mbufs, 1u); /* or less: wraps */

	f->taken += more;
	f->of_source[d->source] += more;
	f->mbufs += mbufs - d->mbufs;
	d->mbufs = mbufs;
}

/* There is a free one. */
static uint32_t datagram_open(
	struct frags *f, const struct frag_key *key, uint32_t bucket, uint32_t now_ms)
{
	const uint32_t i = f->free_datagram;
	struct datagram *d = &f->datagram[i];

	f->free_datagram = d->next;
	*d = (struct datagram){ .key = *key,
		.bucket = bucket,
		.next = f->bucket[bucket],
		.first = NIL,
		.last = NIL,
		.since = now_ms,
		.source = source_of(f, key) };
	f->bucket[bucket] = i;
	list_add(f, i, BY_AGE);
	list_add(f, i, BY_SOURCE);
	f->taken++;
	f->of_source[d->source]++;
	f->open++;
	return i;
}

/* It has no pieces any more. */
static void datagram_close(struct frags *f, uint32_t i)
{
	struct datagram *d = &f->datagram[i];
	uint32_t *link = &f->bucket[d->bucket];

	while (*link != i)
		link = &f->datagram[*link].next;
	*link = d->next;
	list_remove(f, i, BY_AGE);
	list_remove(f, i, BY_SOURCE);
	d->next = f->free_datagram;
	f->free_datagram = i;
	f->taken--;
	f->of_source[d->source]--;
	f->open--;
}

/* Takes the pieces off a datagram, their mbufs being somebody else's now. */
static void pieces_release(struct frags *f, struct datagram *d)
{
	if (d->first != NIL) {
		f->piece[d->last].next = f->free_piece;
		f->free_piece = d->first;
	}
	d->first = d->last = NIL;
	datagram_hold(f, d, 0);
}

static void pieces_drop(
	struct frags *f, struct net_worker *w, struct datagram *d, enum drop_reason reason)
{
	for (uint32_t i = d->first; i != NIL; i = f->piece[i].next)
		net_drop(w, f->piece[i].mbuf, reason);
	pieces_release(f, d);
}

static void datagram_drop(
	struct frags *f, struct net_worker *w, uint32_t i, enum drop_reason reason)
{
	pieces_drop(f, w, &f->datagram[i], reason);
	datagram_close(f, i);
}

void frag_destroy(struct frags *f, struct net_worker *w)
{
	if (!f)
		return;
	for (unsigned int v6 = 0; w && v6 < 2; v6++)
		while (f->age[v6].oldest != NIL)
			datagram_drop(f, w, f->age[v6].oldest, DROP_shutdown);
	rte_free(f->bucket);
	rte_free(f->datagram);
	rte_free(f->piece);
	rte_free(f);
}

/* ---- bounds --------------------------------------------------------------------------------- */

static uint32_t oldest(const struct frags *f)
{
	const uint32_t a = f->age[0].oldest, b = f->age[1].oldest;

	if (a == NIL || b == NIL)
		return a == NIL ? b : a;
	return (int32_t)(f->datagram[a].since - f->datagram[b].since) <= 0 ? a : b;
}

/* Room for a fragment of n mbufs and for its datagram. What is in the way goes. */
static bool make_room(struct frags *f, struct net_worker *w, uint32_t n, uint16_t source)
{
	if (n > f->conf.max / 2)
		return false;
	while (f->of_source[source] + n > f->conf.max / 2)
		datagram_drop(f, w, f->source[source].oldest, DROP_frag_full);
	while (f->taken + n > f->conf.max)
		datagram_drop(f, w, oldest(f), DROP_frag_full);
	return true;
}

/* ---- what a fragment says ------------------------------------------------------------------- */

struct said {
	struct frag_key key;
	uint32_t off, len;
	bool more;
};

/*
 * Whether a first fragment has the header that filters and balancers look at, as a whole (RFC 1858
 * 3.2, RFC 7112); and whether another one would lie over its flags (RFC 1858 3.2.2, RFC 3128).
 */
static bool has_headers(const struct pkt *p, const struct said *s)
{
	const uint32_t here =
		p->mbuf->data_len - (uint32_t)(p->l4 - rte_pktmbuf_mtod(p->mbuf, uint8_t *));
	uint32_t at = 0, len = RTE_MIN(s->len, here);
	uint8_t proto = p->proto;

	if (s->off)
		return s->off > 8 || proto != IPPROTO_TCP;
	while (p->family == 6 && (proto == IPPROTO_DSTOPTS || proto == IPPROTO_ROUTING)) {
		if (at + 8 > len)
			return false;
		proto = p->l4[at];
		at += (p->l4[at + 1] + 1u) * 8;
	}
	if (proto == IPPROTO_TCP)
		return at + sizeof(struct rte_tcp_hdr) <= len &&
		       at + (p->l4[at + 12] >> 4) * 4u <= len;
	if (proto == IPPROTO_UDP || proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		return at + 8 <= len;
	return at <= len;
}

static enum drop_reason look(const struct pkt *p, struct said *s)
{
	*s = (struct said){ .key = { .src = pkt_src(p), .dst = pkt_dst(p), .family = p->family },
		.len = p->l4_len };
	if (p->family == 4) {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)p->l3;
		const uint16_t where = rte_be_to_cpu_16(ip->fragment_offset);

		s->key.id = ip->packet_id;
		s->key.proto = p->proto;
		s->off = (where & RTE_IPV4_HDR_OFFSET_MASK) * 8u;
		s->more = where & RTE_IPV4_HDR_MF_FLAG;
	} else {
		const uint8_t *frag = p->l4 - FRAG_LEN;

		memcpy(&s->key.id, frag + 4, 4);
		s->off = ((uint32_t)frag[2] << 8 | frag[3]) & 0xfff8;
		s->more = frag[3] & 1;
	}
	const uint32_t head = p->l3_len - s->len - (p->family == 6 ? FRAG_LEN : 0);

	/* All but the last carry multiples of 8 bytes; nothing reaches beyond what a length field
	 * can say. */
	if (s->len == 0 || (s->more && s->len % 8) || head + s->off + s->len > UINT16_MAX)
		return DROP_frag_header;
	return has_headers(p, s) ? DROP_none : DROP_frag_tiny;
}

/* ---- putting together ----------------------------------------------------------------------- */

/* Explicit congestion notification (RFC 3168 5.3): one fragment that met congestion says so for the
 * datagram. Returns what is to be set, 0: nothing; -1: a sender that does not take part cannot have
 * sent such fragments. */
static int ecn_of(uint8_t seen)
{
	if (!(seen & 1 << 3))
		return 0;
	return seen & 1 << 0 ? -1 : 3;
}

static void whole4(uint8_t *l3, uint32_t len, int ecn)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;

	ip->type_of_service |= (uint8_t)ecn;
	ip->total_length = rte_cpu_to_be_16((uint16_t)len);
	ip->fragment_offset &= RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~wire_fold(wire_sum(l3, (l3[0] & 15) * 4u, 0));
}

/* Takes out the fragment header, which ends where the payload begins. */
static void whole6(struct rte_mbuf *m, uint32_t head, uint32_t len, int ecn)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *l3 = frame + RTE_ETHER_HDR_LEN;
	const uint8_t *frag = frame + head - FRAG_LEN;
	const rte_be16_t payload = rte_cpu_to_be_16((uint16_t)(len - IPV6_LEN));
	uint8_t *type = l3 + 6;

	/* One may stand in front that says it is no fragment (RFC 6946); it has no length. */
	for (uint8_t *ext = l3 + IPV6_LEN; ext < frag;) {
		const uint32_t size = *type == IPPROTO_FRAGMENT ? FRAG_LEN : (ext[1] + 1u) * 8;

		type = ext;
		ext += size;
	}
	*type = frag[0];
	memcpy(l3 + 4, &payload, 2);
	l3[1] |= (uint8_t)(ecn << 4);
	memmove(frame + FRAG_LEN, frame, head - FRAG_LEN);
	rte_pktmbuf_adj(m, FRAG_LEN);
}

/* The payloads of all the others behind the first, each in its own mbuf. */
static struct rte_mbuf *chain(const struct frags *f, const struct datagram *d)
{
	struct rte_mbuf *m = f->piece[d->first].mbuf, *end = m;

	pkt_unpoison(m);
	for (uint32_t i = f->piece[d->first].next; i != NIL; i = f->piece[i].next) {
		struct rte_mbuf *next = f->piece[i].mbuf;

		pkt_unpoison(next);
		rte_pktmbuf_adj(next, f->piece[i].head);
		while (end->next)
			end = end->next;
		end->next = next;
		m->nb_segs += next->nb_segs;
		m->pkt_len += next->pkt_len;
		next->nb_segs = 1;
	}
	return m;
}

/* Everything is there. */
static void datagram_done(struct frags *f, struct net_worker *w, uint32_t i)
{
	struct datagram *d = &f->datagram[i];
	const uint32_t head = f->piece[d->first].head;
	const int ecn = ecn_of(d->ecn);
	const uint32_t len =
		head - RTE_ETHER_HDR_LEN + d->total - (d->key.family == 6 ? FRAG_LEN : 0);
	struct rte_mbuf *m;

	if (len > UINT16_MAX || ecn < 0) {
		datagram_drop(f, w, i, DROP_frag_header);
		return;
	}
	m = chain(f, d);
	if (d->key.family == 4)
		whole4(rte_pktmbuf_mtod_offset(m, uint8_t *, RTE_ETHER_HDR_LEN), len, ecn);
	else
		whole6(m, head, len, ecn);
	/* What a device said was of fragments. */
	m->ol_flags &= ~(
		RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_RSS_HASH);
	split_mark(w, m, d->longest);
	x_assert(m->pkt_len == RTE_ETHER_HDR_LEN + len);
	counter_add(&w->frag.datagrams_in, 1);
	pieces_release(f, d);
	datagram_close(f, i);
	f->ready[f->n_ready++] = m;
}

unsigned int frag_take(struct net_worker *w, struct rte_mbuf **out)
{
	struct frags *f = w->frags;
	const unsigned int n = f->n_ready;

	memcpy(out, f->ready, n * sizeof(*out));
	f->n_ready = 0;
	return n;
}

/* ---- taking --------------------------------------------------------------------------------- */

/*
 * Where a fragment belongs: behind piece *after (NIL: in front). DROP_none, or why it does not go
 * anywhere: it is there already, or it contradicts what is.
 */
static enum drop_reason place(
	const struct frags *f, const struct datagram *d, const struct said *s, uint32_t *after)
{
	const uint32_t end = s->off + s->len;
	uint32_t before = d->first;

	*after = NIL;
	if (d->last != NIL && f->piece[d->last].off < s->off) {
		*after = d->last; /* in order, as most do */
		before = NIL;
	}
	while (before != NIL && f->piece[before].off < s->off) {
		*after = before;
		before = f->piece[before].next;
	}

	const struct piece *low = *after == NIL ? NULL : &f->piece[*after];
	const struct piece *high = before == NIL ? NULL : &f->piece[before];

	if (high && high->off == s->off && high->len == s->len &&
		s->more == (d->total == 0 || end < d->total))
		return DROP_frag_duplicate;
	if ((low && low->off + low->len > s->off) || (high && end > high->off))
		return DROP_frag_overlap;
	/* The end is one, and behind everything. */
	if (s->more ? d->total && end >= d->total : d->total || high)
		return DROP_frag_overlap;
	return d->n == FRAG_PIECES ? DROP_frag_many : DROP_none;
}

static void insert(struct frags *f, struct datagram *d, const struct pkt *p, const struct said *s,
	uint32_t after)
{
	const uint32_t at = f->free_piece;
	struct piece *piece = &f->piece[at];
	const uint8_t tos = p->family == 4 ? p->l3[1] : p->l3[1] >> 4;

	f->free_piece = piece->next;
	*piece = (struct piece){ .mbuf = p->mbuf,
		.next = after == NIL ? d->first : f->piece[after].next,
		.off = (uint16_t)s->off,
		.len = (uint16_t)s->len,
		.head = (uint16_t)(p->l4 - rte_pktmbuf_mtod(p->mbuf, uint8_t *)) };
	if (after == NIL)
		d->first = at;
	else
		f->piece[after].next = at;
	if (d->last == after)
		d->last = at;
	d->n++;
	d->got += s->len;
	if (!s->more)
		d->total = s->off + s->len;
	d->longest = RTE_MAX(d->longest, p->l3_len);
	d->ecn |= (uint8_t)(1u << (tos & 3));
	d->port = p->port;
	datagram_hold(f, d, d->mbufs + p->mbuf->nb_segs);
}

void frag_input(struct net_worker *w, struct pkt *p)
{
	struct frags *f = w->frags;
	struct datagram *d;
	struct said s;
	uint32_t after, i, bucket;
	/* One that has been put together already is none again. */
	enum drop_reason reason = p->flags & PKT_SPLIT ? DROP_ip_fragment : look(p, &s);

	counter_add(&w->frag.fragments_in, 1);
	p->verdict = PKT_TAKEN;
	if (reason == DROP_none && !make_room(f, w, p->mbuf->nb_segs, source_of(f, &s.key)))
		reason = DROP_frag_full;
	if (reason != DROP_none) {
		net_drop(w, p->mbuf, reason);
		return;
	}
	bucket = (uint32_t)hash_siphash(&f->hash_key, &s.key, sizeof(s.key)) & (f->n_buckets - 1);
	i = datagram_find(f, &s.key, bucket);
	if (i == NIL)
		i = datagram_open(f, &s.key, bucket, w->now_ms);
	d = &f->datagram[i];
	reason = d->refused ? DROP_frag_overlap : place(f, d, &s, &after);
	if (reason == DROP_none) {
		insert(f, d, p, &s, after);
		if (d->got == d->total)
			datagram_done(f, w, i);
		return;
	}
	net_drop(w, p->mbuf, reason);
	if (reason != DROP_frag_duplicate) {
		pieces_drop(f, w, d, reason);
		d->refused = true;
	}
}

/* ---- time ----------------------------------------------------------------------------------- */

/* "Fragment reassembly time exceeded", where the first fragment is there to be quoted. */
static void tell_sender(struct frags *f, struct net_worker *w, const struct datagram *d)
{
	const struct piece *piece = d->first == NIL ? NULL : &f->piece[d->first];
	struct pkt p = { .family = (uint8_t)d->key.family, .port = d->port };

	if (!piece || piece->off != 0 || d->port >= net_port_count(w->table) ||
		net_local(w->table, &d->key.dst, NULL) == LOCAL_NONE)
		return;
	p.mbuf = piece->mbuf;
	p.l3 = rte_pktmbuf_mtod_offset(p.mbuf, uint8_t *, RTE_ETHER_HDR_LEN);
	p.l3_len = (uint16_t)(piece->head - RTE_ETHER_HDR_LEN + piece->len);
	p.l4 = rte_pktmbuf_mtod_offset(p.mbuf, uint8_t *, piece->head);
	p.l4_len = piece->len;
	p.proto = d->key.family == 4 ? (uint8_t)d->key.proto : p.l4[-FRAG_LEN];
	icmp_error(w, &p, ICMP_ERR_REASSEMBLY, 0);
}

unsigned int frag_expire(struct net_worker *w)
{
	struct frags *f = w->frags;
	unsigned int n = 0;

	for (unsigned int v6 = 0; v6 < 2; v6++) {
		uint32_t i;

		while (n < EXPIRE_SLICE && (i = f->age[v6].oldest) != NIL) {
			if (w->now_ms - f->datagram[i].since < f->conf.timeout_ms[v6])
				break;
			tell_sender(f, w, &f->datagram[i]);
			datagram_drop(f, w, i, DROP_frag_timeout);
			n++;
		}
	}
	return n;
}

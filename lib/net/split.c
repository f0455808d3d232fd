/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datagrams that leave as fragments (RFC 791 3.2, RFC 8200 4.5), and chains of mbufs for ports that
 * send single ones alone. Called by output.c where a datagram does not simply go, and by kernel.c.
 *
 * Fragments are copies in mbufs of our own, so that nobody holds on to the datagram. All but the
 * last carry the most that fits.
 *
 * A datagram keeps its sender's identification while it has its sender's address: whoever cuts up
 * others of the same sender, another balancer perhaps, does so too. Where its source is an address
 * of ours, several senders' numbers meet, so it gets one of ours; likewise IPv6, whose datagrams
 * have none while they are whole.
 */
#include <errno.h>
#include <netinet/in.h>

#include <rte_errno.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include "base/invariant.h"
#include "net_priv.h"
#include "poison.h"
#include "wire.h"

#define IPV4_LEN    20
#define IPV4_MAX    60
#define IPV6_LEN    40
#define IPV6_MAX    256 /* header and extension headers that each fragment repeats */
#define FRAG_LEN    8   /* fragment header */
#define IDENT_SLOTS 256

int split_register(struct split_mark *mark)
{
	static const struct rte_mbuf_dynfield length = {
		.name = "fairlead_split_length",
		.size = sizeof(uint16_t),
		.align = _Alignof(uint16_t),
	};
	static const struct rte_mbuf_dynflag flag = { .name = "fairlead_split" };
	int at = rte_mbuf_dynfield_register(&length), bit = rte_mbuf_dynflag_register(&flag);

	if (at < 0 || bit < 0)
		return -rte_errno;
	*mark = (struct split_mark){ .flag = RTE_BIT64(bit), .at = at };
	return 0;
}

/* ---- identifications ------------------------------------------------------------------------ */

/* RFC 7739 5.3: a keyed hash of the addresses, and a counter that they share with few others. */
struct ident {
	struct hash_key key;
	uint32_t counter[IDENT_SLOTS];
};

struct ident *ident_create(int socket)
{
	struct ident *i = rte_malloc_socket("ident", sizeof(*i), RTE_CACHE_LINE_SIZE, socket);
	int rc;

	if (!i) {
		errno = ENOMEM;
		return NULL;
	}
	rc = hash_key_random(&i->key);
	if (rc < 0) {
		rte_free(i);
		errno = -rc;
		return NULL;
	}
	for (unsigned int n = 0; n < IDENT_SLOTS; n++)
		i->counter[n] = (uint32_t)rte_rand();
	return i;
}

uint32_t net_ident(struct net_worker *w, const uint8_t *l3)
{
	const bool v6 = l3[0] >> 4 == 6;
	const uint64_t h = hash_siphash(&w->ident->key, l3 + (v6 ? 8 : 12), v6 ? 32 : 8);
	const uint32_t n = w->ident->counter[h >> 56]++;

	/* The worker's number in it: no two workers give the same. */
	return ((uint32_t)h + n) * w->n_workers + w->id;
}

/* ---- copying -------------------------------------------------------------------------------- */

/* How far a chain has been read. */
struct cursor {
	const struct rte_mbuf *seg;
	uint32_t off;
};

/* Copies the next len bytes, which the chain has. */
static void cursor_read(struct cursor *c, uint8_t *to, uint32_t len)
{
	while (len) {
		const uint32_t n = RTE_MIN(c->seg->data_len - c->off, len);

		memcpy(to, rte_pktmbuf_mtod_offset(c->seg, const uint8_t *, c->off), n);
		to += n;
		len -= n;
		c->off += n;
		if (c->off == c->seg->data_len) {
			c->seg = c->seg->next;
			c->off = 0;
		}
	}
}

/* Makes the datagram start where its IP header is: rewriting may have moved it. */
static void trim_front(struct rte_mbuf *m, const uint8_t *l3)
{
	const int by = (int)(l3 - rte_pktmbuf_mtod(m, const uint8_t *));

	m->data_off = (uint16_t)(m->data_off + by);
	m->data_len = (uint16_t)(m->data_len - by);
	m->pkt_len = (uint32_t)((int)m->pkt_len - by);
}

struct rte_mbuf *split_linear(
	struct net_worker *w, struct rte_mbuf *m, const uint8_t *l3, uint16_t l3_len)
{
	struct rte_mbuf *copy = rte_pktmbuf_alloc(w->pool);
	char *to = copy ? rte_pktmbuf_append(copy, l3_len) : NULL;
	struct cursor from = { .seg = m };

	pkt_unpoison(m);
	if (to) {
		trim_front(m, l3);
		cursor_read(&from, (uint8_t *)to, l3_len);
		/* What the device is to do stays to be done. */
		copy->ol_flags |= m->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK;
		copy->tx_offload = m->tx_offload;
		rte_pktmbuf_free(m);
		return copy;
	}
	rte_pktmbuf_free(copy);
	net_drop(w, m, DROP_no_mbuf);
	return NULL;
}

/* ---- headers -------------------------------------------------------------------------------- */

/* A datagram that is cut up. */
struct split {
	const uint8_t *l3;
	uint32_t
		head; /* bytes at l3 that are headers of every fragment; the others are dealt out */
	uint32_t next_at;        /* IPv6: where in them the type of what follows stands */
	uint32_t id;             /* as net_ident() gives it */
	uint8_t later[IPV4_MAX]; /* IPv4: the header of all fragments but the first */
	uint32_t later_len;
};

/* Options with the "copied" bit are in every fragment, the others in the first (RFC 791 3.1). */
static void later_header(struct split *s)
{
	const uint8_t *o = s->l3 + IPV4_LEN, *end = s->l3 + s->head;
	uint32_t at = IPV4_LEN;

	memset(s->later, 0, sizeof(s->later));
	memcpy(s->later, s->l3, IPV4_LEN);
	while (o < end && o[0] != 0) {
		const uint32_t len = o[0] == 1 || end - o < 2 ? 1 : o[1];

		if (len == 0 || len > end - o)
			break;
		if (len > 1 && (o[0] & 0x80)) {
			memcpy(s->later + at, o, len);
			at += len;
		}
		o += len;
	}
	s->later_len = RTE_ALIGN_CEIL(at, 4u);
	s->later[0] = (uint8_t)(0x40 | s->later_len / 4);
}

static bool split_begin4(struct net_worker *w, struct split *s)
{
	const struct addr src = addr_from_v4(((const struct rte_ipv4_hdr *)s->l3)->src_addr);
	const rte_be16_t id = ((const struct rte_ipv4_hdr *)s->l3)->packet_id;

	s->head = (s->l3[0] & 0xf) * 4u;
	/* 0 is what datagrams have that their sender did not think to be cut up (RFC 6864 4.1). */
	s->id = id != 0 && net_local(w->table, &src, NULL) == LOCAL_NONE ? rte_be_to_cpu_16(id)
									 : net_ident(w, s->l3);
	later_header(s);
	return true;
}

/* Hop-by-hop options, routing headers and what is in front of them are for every fragment. */
static bool split_begin6(struct net_worker *w, struct split *s, uint32_t contiguous)
{
	uint32_t off = IPV6_LEN, type_at = 6;

	s->head = IPV6_LEN;
	s->next_at = type_at;
	for (;;) {
		const uint8_t type = s->l3[type_at];

		if (type != IPPROTO_HOPOPTS && type != IPPROTO_ROUTING && type != IPPROTO_DSTOPTS)
			break;
		if (off + 2 > contiguous)
			return false;
		type_at = off;
		off += (s->l3[off + 1] + 1u) * 8;
		if (type != IPPROTO_DSTOPTS) {
			s->head = off;
			s->next_at = type_at;
		}
	}
	s->id = net_ident(w, s->l3);
	return s->head <= IPV6_MAX && s->head <= contiguous;
}

/* The header of the fragment of len bytes that stand at off, in front of them; returns its length.
 */
static uint32_t head_write(
	const struct split *s, uint8_t *to, uint32_t off, uint32_t len, bool more)
{
	if (s->l3[0] >> 4 == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)to;
		const uint32_t head = off ? s->later_len : s->head;

		memcpy(to, off ? s->later : s->l3, head);
		ip->total_length = rte_cpu_to_be_16((uint16_t)(head + len));
		ip->packet_id = rte_cpu_to_be_16((uint16_t)s->id);
		ip->fragment_offset &= RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
		ip->fragment_offset |=
			rte_cpu_to_be_16((uint16_t)(off / 8 | (more ? RTE_IPV4_HDR_MF_FLAG : 0)));
		ip->hdr_checksum = 0;
		ip->hdr_checksum = (uint16_t)~wire_fold(wire_sum(to, head, 0));
		return head;
	}

	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)to;
	uint8_t *frag = to + s->head;
	const rte_be16_t where = rte_cpu_to_be_16((uint16_t)(off | more));
	const rte_be32_t id = rte_cpu_to_be_32(s->id);

	memcpy(to, s->l3, s->head);
	ip->payload_len = rte_cpu_to_be_16((uint16_t)(s->head - IPV6_LEN + FRAG_LEN + len));
	frag[0] = to[s->next_at];
	frag[1] = 0;
	memcpy(frag + 2, &where, 2);
	memcpy(frag + 4, &id, 4);
	to[s->next_at] = IPPROTO_FRAGMENT;
	return s->head + FRAG_LEN;
}

/* ---- cutting -------------------------------------------------------------------------------- */

/* The longest datagram that a buffer of ours takes. */
static uint32_t buffer_room(const struct net_worker *w)
{
	return rte_pktmbuf_data_room_size(w->pool) - RTE_PKTMBUF_HEADROOM;
}

static bool split_begin(
	struct net_worker *w, struct split *s, const struct rte_mbuf *m, uint16_t l3_len)
{
	const bool known = s->l3[0] >> 4 == 4 ? split_begin4(w, s)
					      : split_begin6(w, s, RTE_MIN(m->data_len, l3_len));

	return known && s->head < l3_len && s->head <= m->data_len;
}

void split_each(struct net_worker *w, struct rte_mbuf *m, const uint8_t *l3, uint16_t l3_len,
	uint16_t most, void (*give)(void *to, struct rte_mbuf *piece), void *to)
{
	struct split s = { .l3 = l3 };

	/* No checksum is left to the device: none could sum over fragments. */
	x_assert(!(m->ol_flags & RTE_MBUF_F_TX_L4_MASK));
	pkt_unpoison(m);
	trim_front(m, l3);
	if (!split_begin(w, &s, m, l3_len) || most < s.head + FRAG_LEN + 8) {
		net_drop(w, m, DROP_too_big);
		return;
	}

	struct cursor from = { .seg = m, .off = s.head };
	const uint32_t total = l3_len - s.head;
	const uint32_t room = (RTE_MIN((uint32_t)most, buffer_room(w)) - s.head -
				      (l3[0] >> 4 == 6 ? FRAG_LEN : 0)) &
			      ~7u;

	if (from.off == m->data_len)
		from = (struct cursor){ .seg = m->next };
	counter_add(&w->frag.datagrams_out, 1);
	for (uint32_t off = 0, len; off < total; off += len) {
		struct rte_mbuf *piece = rte_pktmbuf_alloc(w->pool);

		len = RTE_MIN(room, total - off);
		if (!piece) {
			net_drop(w, m, DROP_no_mbuf);
			return;
		}

		uint8_t *bytes = rte_pktmbuf_mtod(piece, uint8_t *);
		const uint32_t head = head_write(&s, bytes, off, len, off + len < total);

		cursor_read(&from, bytes + head, len);
		rte_pktmbuf_append(piece, (uint16_t)(head + len));
		counter_add(&w->frag.fragments_out, 1);
		give(to, piece);
	}
	rte_pktmbuf_free(m);
}

struct sending {
	struct net_worker *w;
	uint64_t word;
};

static void send_piece(void *to, struct rte_mbuf *piece)
{
	const struct sending *s = to;

	output_fitting(s->w, piece, piece->data_len, s->word);
}

void split_send(struct net_worker *w, struct rte_mbuf *m, uint8_t *l3, uint16_t l3_len,
	uint16_t most, uint64_t word)
{
	struct sending s = { .w = w, .word = word };

	split_each(w, m, l3, l3_len, most, send_piece, &s);
}

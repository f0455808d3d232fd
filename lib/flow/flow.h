/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker's flow table: every flow the worker forwards (FORWARD) or ends itself (LOCAL, a TCP
 * connection of ours), found by the tuple of either direction.
 *
 *   bucket (one cache line): 8 tags of 16 bits, 8 references, a link to an overflow bucket
 *   reference: index of the entry, its size class (IPv4 or IPv6) and the direction its tuple is
 *   entry: 64 bytes for IPv4, 128 for IPv6; struct flow first in both, then the two tuples
 *   side: 16 bytes an entry, elsewhere, for flows that began with a SYN cookie
 *
 * The tuples of a translated flow are of two families. Its entry is one for IPv6, the IPv4 tuple
 * stands in it in mapped form, and a bit of the reference to it says that IPv4 packets match.
 *
 * One writer, no locks. Each pass over a burst fetches what the next one reads: parsing the buckets
 * (flow_index()), the lookup the entries, which are compared where they are used
 * (flow_of_packet()). An established packet costs two cache lines, writes one stamp, moves no
 * timer.
 *
 * Time-outs are lazy: packets stamp flow.seen; the wheel asks at the earliest moment the flow could
 * have ended and is armed anew if it has not. A state with a shorter time-out re-arms at once.
 */
#ifndef FLOW_FLOW_H
#define FLOW_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/hash.h"
#include "base/wheel.h"
#include "net/net.h"
#include "net/pkt.h"

enum flow_kind { FLOW_FREE, FLOW_FORWARD, FLOW_LOCAL };

/* flow.flags */
#define FLOW_V6 0x01 /* a struct flow6 */
#define FLOW_RETURN                                                                                \
	0x02 /* both directions are indexed (NAT); otherwise only the forward one (DR) */
#define FLOW_FIN_FWD   0x04 /* FIN seen from the client, */
#define FLOW_FIN_RET   0x08 /* from the server */
#define FLOW_ALIVE_FWD 0x10 /* ACK without RST seen after a RST, from the client, */
#define FLOW_ALIVE_RET 0x20 /* from the server */
#define FLOW_MIXED     0x40 /* one tuple is IPv6, the other IPv4: a struct flow6, and translated */
#define FLOW_UNSURE    0x80 /* the server may still take a segment's word for who the client is */

/* Never 0, which is that of LOCAL flows: by it a packet of one is told from all others at no cost
 * to them. */
#define FLOW_EPOCH(e) (((e) << 1 | 1) & 0xffffff)

/* First 40 bytes of an entry. */
struct flow {
	uint32_t seen; /* ms of the last packet */
	uint8_t kind;  /* enum flow_kind */
	uint8_t flags;
	uint8_t state; /* enum conn_state, l4/conn.h; LOCAL: TCP's own */
	uint8_t mode;  /* enum mode of the service when it was opened */
	uint16_t service, service_gen;
	uint16_t server, server_gen;
	uint16_t adj[2]; /* by direction: where to; see epoch */
	uint32_t proto : 8;
	uint32_t epoch : 24; /* as long as it is l4_epoch(), adj and the generations are true */
	struct wheel_node timer;
	union {
		uint32_t conn; /* LOCAL: the connection's number */
		struct {
			uint16_t
				acked; /* of the server's SYN-ACK: what it acknowledges, low half */
			uint16_t quiet; /* whether nothing is to be added to segments any more */
		} unsure;               /* FORWARD, as long as FLOW_UNSURE */
	};
	uint32_t born; /* ms of the first packet; a free entry: the next free one */
};

/* Tuples as the packets carry them: the first is what clients send, the second what comes back. */
struct flow4 {
	struct flow f;
	struct tuple4 {
		uint32_t src, dst;
		rte_be16_t sport, dport;
	} tuple[2];
};

struct flow6 {
	struct flow f;
	struct tuple6 {
		struct addr src, dst;
		rte_be16_t sport, dport;
	} tuple[2];
	uint8_t pad_[8];
};

_Static_assert(sizeof(struct flow) == 40, "flow header");
_Static_assert(sizeof(struct flow4) == 64, "an IPv4 flow is one cache line");
_Static_assert(sizeof(struct flow6) == 128, "an IPv6 flow is two cache lines");

/*
 * Beside each entry, and touched only by flows that began with a SYN cookie (l4/proxied.h): what
 * their segments are translated by. Whoever opens such a flow sets it.
 */
struct flow_side {
	uint32_t
		seq_delta; /* the server's sequence numbers as the client sees them: so much more */
	uint32_t stamp_delta;   /* its timestamps likewise */
	uint32_t handshake;     /* l4/handshake.h: one more than its number; 0: it is over */
	int8_t window_shift[2]; /* by direction: windows are shifted left, or right if negative */
	bool stamps;            /* timestamps are translated */
	uint8_t pad_;
};

_Static_assert(sizeof(struct flow_side) == 16, "four a cache line");

struct flow_conf {
	uint32_t max_v4, max_v6; /* entries */
	int socket;
	struct hash_key key;
};

struct flow_table;

/* NULL with errno. Memory is taken at once: flow_table_bytes() says how much beforehand. */
struct flow_table *flow_table_create(const struct flow_conf *conf, uint32_t now_ms);
void flow_table_destroy(struct flow_table *t);
uint64_t flow_table_bytes(const struct flow_conf *conf);

/* The hash of a tuple under the table's key, equal to pkt.hash of its packets. */
uint32_t flow_hash(const struct flow_table *t, const struct tuple *tuple);

/* The table's key, and where its buckets are, for parse_burst(). */
const struct hash_index *flow_index(const struct flow_table *t);

/* Sets flow and dir of the PKT_GO packets [from, to) to the flow that each is nearly certainly of,
 * which is fetched: flow_of_packet() makes sure. NULL: it is of none. */
void flow_lookup_step(struct flow_table *t, struct burst *b, unsigned int from, unsigned int to);

/* The whole lookup of one packet: sets its flow and dir. */
struct flow *flow_find_packet(const struct flow_table *t, struct pkt *p);

/* Whether this is an entry's tuple of a direction, which is of the family given. addrs, ports: as
 * packets have them. */
static __rte_always_inline bool flow_has_tuple(const struct flow *f, uint8_t dir, const void *addrs,
	const void *ports, uint8_t proto, bool v6)
{
	uint64_t a[4], d[2];
	uint32_t p, q;

	memcpy(&p, ports, 4);
	if (v6) {
		const struct tuple6 *t = &((const struct flow6 *)f)->tuple[dir];

		memcpy(a, addrs, 32);
		memcpy(&q, &t->sport, 4);
		d[0] = (t->src.q[0] ^ a[0]) | (t->src.q[1] ^ a[1]);
		d[1] = (t->dst.q[0] ^ a[2]) | (t->dst.q[1] ^ a[3]);
		return (d[0] | d[1] | (p ^ q) | (f->proto ^ proto)) == 0;
	}

	const struct tuple4 *t = &((const struct flow4 *)f)->tuple[dir];

	memcpy(&a[0], addrs, 8);
	memcpy(&d[0], &t->src, 8);
	memcpy(&q, &t->sport, 4);
	return ((d[0] ^ a[0]) | (p ^ q) | (f->proto ^ proto)) == 0;
}

/* After flow_lookup_step(), and as long as no flow has been opened or closed since: the flow of a
 * packet, its dir set, or NULL. */
static __rte_always_inline struct flow *flow_of_packet(const struct flow_table *t, struct pkt *p)
{
	struct flow *f = p->flow;

	if (!f)
		return NULL;
	if (likely(p->family == 4)) {
		if (likely(!(f->flags & FLOW_V6) &&
			    flow_has_tuple(f, p->dir, p->l3 + 12, p->l4, p->proto, false)))
			return f;
	} else if (likely((f->flags & FLOW_V6) &&
			   flow_has_tuple(f, p->dir, p->l3 + 8, p->l4, p->proto, true))) {
		return f;
	}
	return flow_find_packet(t, p);
}

/* The flow of one tuple and which direction it is, or NULL. */
struct flow *flow_find(struct flow_table *t, const struct tuple *tuple, uint8_t *dir);

/*
 * A new entry for fwd and, unless it is NULL, the answers' tuple ret: kind FORWARD, tuples and
 * proto set, indexed, the rest zero, its timer unarmed. Each tuple is of one family. NULL with
 * *reason set: DROP_flow_table_full, or DROP_flow_clash when either tuple is already in the table.
 */
struct flow *flow_open(struct flow_table *t, const struct tuple *fwd, const struct tuple *ret,
	enum drop_reason *reason);

/* Fetches what flow_open() will look at for one of its tuples; returns the tuple's hash. */
uint32_t flow_prefetch_tuple(const struct flow_table *t, const struct tuple *tuple);

/* As flow_open(), for a fwd that is known to be in no flow, and tuples whose hashes are known. */
struct flow *flow_open_known(struct flow_table *t, const struct tuple *fwd, uint32_t fwd_hash,
	const struct tuple *ret, uint32_t ret_hash, enum drop_reason *reason);

/* Takes the flow out of index and wheel and frees the entry. */
void flow_close(struct flow_table *t, struct flow *f);

/* The tuple of one direction (DIR_RETURN only with FLOW_RETURN). */
struct tuple flow_tuple(const struct flow *f, uint8_t dir);

/* The source of a direction's tuple, or its destination: where its 4 or 16 bytes of address stand,
 * and the port. Not of FLOW_MIXED ones, where it is always a struct addr. */
static inline const void *flow_source(const struct flow *f, uint8_t dir, rte_be16_t *port)
{
	if (f->flags & FLOW_V6) {
		*port = ((const struct flow6 *)f)->tuple[dir].sport;
		return &((const struct flow6 *)f)->tuple[dir].src;
	}
	*port = ((const struct flow4 *)f)->tuple[dir].sport;
	return &((const struct flow4 *)f)->tuple[dir].src;
}

static inline const void *flow_destination(const struct flow *f, uint8_t dir, rte_be16_t *port)
{
	if (f->flags & FLOW_V6) {
		*port = ((const struct flow6 *)f)->tuple[dir].dport;
		return &((const struct flow6 *)f)->tuple[dir].dst;
	}
	*port = ((const struct flow4 *)f)->tuple[dir].dport;
	return &((const struct flow4 *)f)->tuple[dir].dst;
}

/* Of a LOCAL flow, which has one tuple: the room of the other, 12 bytes or more, zero at first. */
static inline void *flow_room(struct flow *f)
{
	return f->flags & FLOW_V6 ? (void *)&((struct flow6 *)f)->tuple[1]
				  : (void *)&((struct flow4 *)f)->tuple[1];
}

/* What is beside the flow's entry. */
struct flow_side *flow_side(struct flow_table *t, const struct flow *f);

/* (Re)arms the flow's timer. */
void flow_arm(struct flow_table *t, struct flow *f, uint32_t at_ms);

/* Flows whose timer is due, at most max; like wheel_advance(). */
unsigned int flow_due(struct flow_table *t, uint32_t now_ms, struct flow **out, unsigned int max);

/* Fetches what flow_close() will look at; the entry itself is at hand. */
void flow_prefetch(const struct flow_table *t, const struct flow *f);

/* A walk over all entries in slices: flows that stay during the whole walk are met exactly once.
 * Visits at most max entries (free ones count) from *cursor on, calls visit for each flow, which
 * may close it and returns false to stop early after it. *cursor is 0 at the end. */
void flow_walk(struct flow_table *t, uint64_t *cursor, unsigned int max,
	bool (*visit)(void *arg, struct flow *f), void *arg);

/* Whether an entry is free for a flow that has an IPv6 tuple, or for one that has none. */
bool flow_has_room(const struct flow_table *t, bool v6);

/* What flow_search() is to find, of FORWARD ones. */
struct flow_wanted {
	uint32_t states;         /* a bit for each that will do: 1 << flow.state */
	uint32_t now_ms, age_ms; /* as old at least, since flow.born */
};

/* The first flow wanted from entry *hand on, around the end, among at most max entries; NULL if
 * there is none. *hand: where to go on, 0 at first. */
struct flow *flow_search(struct flow_table *t, bool v6, uint32_t *hand, unsigned int max,
	const struct flow_wanted *want);

/* A flow wanted whose end makes room for this tuple in the index; NULL where there is room, or no
 * such flow. */
struct flow *flow_search_index(
	struct flow_table *t, const struct tuple *tuple, const struct flow_wanted *want);

struct flow_stats {
	uint32_t v4, v6; /* entries in use */
	uint32_t max_v4, max_v6;
	uint64_t bytes;    /* memory of the table */
	uint32_t overflow; /* overflow buckets in use */
};
/* Any core; values of slightly different moments. */
void flow_stats(const struct flow_table *t, struct flow_stats *out);

#endif

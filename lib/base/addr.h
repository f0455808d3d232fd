/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses, endpoints, prefixes and tuples: IPv4 and IPv6 in one type.
 *
 * An IPv4 address is kept in its mapped form ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that one
 * comparison and one hash serve both families. Mapped addresses on the wire are dropped by
 * net/parse.c, so the two families never meet.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>

struct addr {
	union {
		uint8_t b[16];
		uint32_t w[4]; /* network order; an IPv4 address is w[3] */
		uint64_t q[2];
	};
};

/* An address and a TCP or UDP port in host order; port 0 means "none given". */
struct endpoint {
	struct addr addr;
	uint16_t port;
};

/* A network: the address has no bits beyond len. len counts from the family's own first bit:
 * 0 to 32 for IPv4, 0 to 128 for IPv6. */
struct prefix {
	struct addr addr;
	uint8_t len;
};

/* One direction of a flow as packets carry it. */
struct tuple {
	struct addr src, dst;
	rte_be16_t sport, dport;
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP */
};

/* Longest text addr_format() and friends write, NUL included. */
#define ADDR_TEXT     46
#define ENDPOINT_TEXT (ADDR_TEXT + 8) /* "[...]:65535" */
#define PREFIX_TEXT   (ADDR_TEXT + 4)

static inline struct addr addr_from_v4(rte_be32_t v4)
{
	struct addr a = { .w = { 0, 0, RTE_BE32(0xffff), v4 } };
	return a;
}

static inline struct addr addr_from_v6(const void *bytes)
{
	struct addr a;
	memcpy(a.b, bytes, sizeof(a.b));
	return a;
}

static inline bool addr_is_v4(const struct addr *a)
{
	return a->q[0] == 0 && a->w[2] == RTE_BE32(0xffff);
}

/* The IPv4 address in network order; a must be one. */
static inline rte_be32_t addr_v4(const struct addr *a)
{
	return a->w[3];
}

static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}

static inline bool addr_is_zero(const struct addr *a)
{
	return a->q[1] == 0 && a->q[0] == 0;
}

/* fe80::/10 */
static inline bool addr_is_link_local(const struct addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* 224.0.0.0/4 or ff00::/8 */
bool addr_is_multicast(const struct addr *a);

/* Order of memory: for sorting and binary search. */
static inline int addr_compare(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

/* Parses "192.0.2.1" or "2001:db8::1". 0, or -EINVAL. A mapped address (::ffff:192.0.2.1) is
 * refused: it would be taken for IPv4. */
int addr_parse(const char *text, struct addr *out);

/* Parses "192.0.2.1:80" or "[2001:db8::1]:80"; without a port, "192.0.2.1" or "2001:db8::1" or
 * "[2001:db8::1]" gives port 0. 0, or -EINVAL. */
int endpoint_parse(const char *text, struct endpoint *out);

/* Parses "192.0.2.0/24". host keeps the bits beyond the length (an interface's address with its
 * network); without it such bits are an error. Without "/len" the prefix is a single address.
 * 0, or -EINVAL. */
int prefix_parse(const char *text, bool host, struct prefix *out);

/* Each writes at most the size above and returns buf. */
char *addr_format(const struct addr *a, char buf[static ADDR_TEXT]);
char *endpoint_format(const struct endpoint *e, char buf[static ENDPOINT_TEXT]);
char *prefix_format(const struct prefix *p, char buf[static PREFIX_TEXT]);

/* Whether a is inside p; false when the families differ. */
bool prefix_contains(const struct prefix *p, const struct addr *a);

/* p with the bits beyond its length cleared. */
struct prefix prefix_network(const struct prefix *p);

/* The address with its low bits cleared: the network of all that differ in them alone. bits <= 128.
 */
static inline struct addr addr_network(const struct addr *a, unsigned int bits)
{
	struct addr n = *a;

	if (bits >= 64) {
		n.q[1] = 0;
		n.q[0] &= bits < 128 ? rte_cpu_to_be_64(UINT64_MAX << (bits - 64)) : 0;
	} else {
		n.q[1] &= rte_cpu_to_be_64(UINT64_MAX << bits);
	}
	return n;
}

/* The tuple of the answer. */
static inline struct tuple tuple_reverse(const struct tuple *t)
{
	struct tuple r = { .src = t->dst,
		.dst = t->src,
		.sport = t->dport,
		.dport = t->sport,
		.proto = t->proto };
	return r;
}

#endif

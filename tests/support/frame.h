/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests: well-formed frames from a description, to be sent as they are or spoilt on purpose. */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#define FRAME_MAX 2048

struct frame_spec {
	uint8_t proto;         /* IPPROTO_TCP, _UDP, _ICMP, _ICMPV6 or another without a header */
	const char *src, *dst; /* both IPv4 or both IPv6 */
	uint16_t sport, dport; /* ICMP: identifier and sequence number */
	uint8_t tcp_flags;     /* or ICMP type */
	uint16_t payload;      /* bytes, 0 1 2 ... */
	uint16_t vlan;         /* a tag in the frame; 0: none */
	const char *ext;       /* IPv4 options (times 4) or IPv6 extension headers */
	uint8_t ext_len;
	uint8_t ext_type; /* IPv6: type of the first of them */
	uint8_t ttl;      /* 0: 64, and 255 for neighbour discovery */
	uint8_t smac[6], dmac[6];
};

struct frame {
	uint8_t b[FRAME_MAX];
	unsigned int len;
	unsigned int l3, l4; /* offsets */
	unsigned int end;    /* of the IP datagram */
	uint8_t family, proto;
};

/* Lengths and checksums are right. Aborts on a bad description. */
void frame_build(struct frame *f, const struct frame_spec *s);

/* Computes the checksums anew, over what lies between l3, l4 and end, after something was changed.
 */
void frame_fix(struct frame *f);

/* Whether the checksums of f are right; UDP may have none. */
int frame_is_right(const struct frame *f);

/* An mbuf with len bytes at the end of its room (at an even address), poisoned around. From nic 0.
 */
struct rte_mbuf *frame_mbuf(struct rte_mempool *pool, const void *bytes, unsigned int len);

/* The same in two segments, cut after first bytes; the first has room left behind it. */
struct rte_mbuf *frame_mbuf_split(
	struct rte_mempool *pool, const void *bytes, unsigned int len, unsigned int first);

/* Frees a packet, poisoned or not. */
void frame_free(struct rte_mbuf *m);

#endif

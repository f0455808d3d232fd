/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/poison.h"

/* Checksums by the definition (RFC 1071), so that they do not depend on what is tested. */
static uint32_t sum16(const uint8_t *p, unsigned int len, uint32_t sum)
{
	for (unsigned int i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void put2(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t l4_sum(const struct frame *f)
{
	const uint8_t *l3 = f->b + f->l3;
	const unsigned int len = f->end - f->l4;
	uint32_t sum = sum16(f->b + f->l4, len, 0);

	if (f->proto == IPPROTO_ICMP)
		return sum;
	sum += f->family == 4 ? sum16(l3 + 12, 8, 0) : sum16(l3 + 8, 32, 0);
	return sum + f->proto + len;
}

/* Offset of the transport checksum after l4; 0: there is none. */
static unsigned int l4_field(const struct frame *f)
{
	switch (f->proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	default:
		return 0;
	}
}

void frame_fix(struct frame *f)
{
	uint8_t *l3 = f->b + f->l3, *field = f->b + f->l4 + l4_field(f);

	if (f->family == 4) {
		put2(l3 + 10, 0);
		put2(l3 + 10, (uint16_t)~fold(sum16(l3, (l3[0] & 0xf) * 4u, 0)));
	}
	if (l4_field(f) == 0 || l4_field(f) + 2 > f->end - f->l4)
		return;
	put2(field, 0);
	uint16_t cksum = (uint16_t)~fold(l4_sum(f));
	put2(field, cksum == 0 && f->proto == IPPROTO_UDP ? 0xffff : cksum);
}

int frame_is_right(const struct frame *f)
{
	const uint8_t *l3 = f->b + f->l3, *field = f->b + f->l4 + l4_field(f);

	if (f->family == 4 && fold(sum16(l3, (l3[0] & 0xf) * 4u, 0)) != 0xffff)
		return false;
	if (f->proto == IPPROTO_UDP && f->family == 4 && field[0] == 0 && field[1] == 0)
		return true;
	return l4_field(f) == 0 || fold(l4_sum(f)) == 0xffff;
}

static void need(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "frame: bad %s\n", what);
		abort();
	}
}

static unsigned int put_l3(struct frame *f, const struct frame_spec *s, unsigned int l4_len)
{
	uint8_t *p = f->b + f->l3;
	const bool nd = s->proto == IPPROTO_ICMPV6 && s->tcp_flags >= 133 && s->tcp_flags <= 137;
	const uint8_t ttl = s->ttl ? s->ttl : nd ? 255 : 64;
	const unsigned int fixed = f->family == 4 ? 20 : 40;

	if (f->family == 4) {
		need(s->ext_len % 4 == 0 && s->ext_len <= 40, "options");
		p[0] = (uint8_t)(0x45 + s->ext_len / 4);
		put2(p + 2, 20u + s->ext_len + l4_len);
		put2(p + 4, 0x1234);
		p[8] = ttl;
		p[9] = s->proto;
		need(inet_pton(AF_INET, s->src, p + 12) == 1, "source");
		need(inet_pton(AF_INET, s->dst, p + 16) == 1, "destination");
	} else {
		p[0] = 0x60;
		put2(p + 4, s->ext_len + l4_len);
		p[6] = s->ext_len ? s->ext_type : s->proto;
		p[7] = ttl;
		need(inet_pton(AF_INET6, s->src, p + 8) == 1, "source");
		need(inet_pton(AF_INET6, s->dst, p + 24) == 1, "destination");
	}
	memcpy(p + fixed, s->ext ? s->ext : "", s->ext_len);
	return fixed + s->ext_len;
}

static unsigned int put_l4(struct frame *f, const struct frame_spec *s)
{
	uint8_t *p = f->b + f->l4;

	switch (s->proto) {
	case IPPROTO_TCP:
		put2(p, s->sport);
		put2(p + 2, s->dport);
		put2(p + 6, 7);
		put2(p + 10, s->tcp_flags & 0x10 ? 9 : 0);
		p[12] = 0x50;
		p[13] = s->tcp_flags;
		put2(p + 14, 0x2000);
		return 20;
	case IPPROTO_UDP:
		put2(p, s->sport);
		put2(p + 2, s->dport);
		put2(p + 4, 8u + s->payload);
		return 8;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		p[0] = s->tcp_flags;
		put2(p + 4, s->sport);
		put2(p + 6, s->dport);
		return 8;
	default:
		return 0;
	}
}

void frame_build(struct frame *f, const struct frame_spec *s)
{
	static const uint8_t l4_header[256] = {
		[IPPROTO_TCP] = 20, [IPPROTO_UDP] = 8, [IPPROTO_ICMP] = 8, [IPPROTO_ICMPV6] = 8
	};
	const unsigned int l4_len = l4_header[s->proto] + s->payload;
	uint8_t *p = f->b;

	memset(f, 0, sizeof(*f));
	f->family = strchr(s->src, ':') ? 6 : 4;
	f->proto = s->proto;
	need(l4_len + s->ext_len + 64u <= FRAME_MAX, "length");
	memcpy(p, s->dmac, 6);
	memcpy(p + 6, s->smac, 6);
	p += 12;
	if (s->vlan) {
		put2(p, 0x8100);
		put2(p + 2, s->vlan);
		p += 4;
	}
	put2(p, f->family == 4 ? 0x0800 : 0x86dd);
	f->l3 = (unsigned int)(p + 2 - f->b);
	f->l4 = f->l3 + put_l3(f, s, l4_len);
	for (unsigned int i = 0, at = f->l4 + put_l4(f, s); i < s->payload; i++)
		f->b[at + i] = (uint8_t)i;
	f->len = f->end = f->l4 + l4_len;
	frame_fix(f);
}

struct rte_mbuf *frame_mbuf(struct rte_mempool *pool, const void *bytes, unsigned int len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	need(m && len <= m->buf_len, "room for a packet");
	m->data_off = (uint16_t)((m->buf_len - len) & ~1u);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	m->port = 0;
	memcpy(rte_pktmbuf_mtod(m, void *), bytes, len);
	pkt_poison(m);
	return m;
}

struct rte_mbuf *frame_mbuf_split(
	struct rte_mempool *pool, const void *bytes, unsigned int len, unsigned int first)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_mbuf *rest = frame_mbuf(pool, (const uint8_t *)bytes + first, len - first);

	need(m && first <= rte_pktmbuf_tailroom(m), "room for a packet");
	m->data_len = (uint16_t)first;
	m->pkt_len = first;
	m->port = 0;
	memcpy(rte_pktmbuf_mtod(m, void *), bytes, first);
	need(rte_pktmbuf_chain(m, rest) == 0, "chain");
	pkt_poison(m);
	return m;
}

void frame_free(struct rte_mbuf *m)
{
	pkt_unpoison(m);
	rte_pktmbuf_free(m);
}

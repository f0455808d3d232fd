/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames made and read back: see frame.h. Offsets are those of RFC 791, 768, 792, 4443, 8200, 9293.
 */
#include "frame.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define P_ICMP  1
#define P_TCP   6
#define P_UDP   17
#define P_ICMP6 58

static void put2(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put4(uint8_t *p, uint32_t v)
{
	put2(p, (uint16_t)(v >> 16));
	put2(p + 2, (uint16_t)v);
}

static uint16_t get2(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get4(const uint8_t *p)
{
	return (uint32_t)get2(p) << 16 | get2(p + 2);
}

uint32_t frame_sum(uint32_t start, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		start += i % 2 ? data[i] : (uint32_t)data[i] << 8;
		start = (start & 0xffff) + (start >> 16);
	}
	return start;
}

uint16_t frame_cksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The checksum of a transport header and its payload with the pseudo-header in front. */
static uint16_t transport_cksum(
	const uint8_t *l3, uint8_t family, uint8_t proto, const uint8_t *l4, size_t len)
{
	uint32_t sum = 0;

	if (proto != P_ICMP) {
		if (family == 4)
			sum = frame_sum(sum, l3 + 12, 8);
		else
			sum = frame_sum(sum, l3 + 8, 32);
		sum += proto;
		sum += (uint32_t)(len >> 16) + (uint32_t)(len & 0xffff);
	}
	return frame_cksum(frame_sum(sum, l4, len));
}

void frame_address(struct frame *f, uint8_t *to, const char *text)
{
	f->family = strchr(text, ':') ? 6 : 4;
	memset(to, 0, 16);
	if (inet_pton(f->family == 4 ? AF_INET : AF_INET6, text, to) != 1)
		abort();
}

struct frame frame_make(uint8_t proto, const char *src, uint16_t sport, const char *dst,
	uint16_t dport, uint8_t flags)
{
	struct frame f = {
		.proto = proto,
		.ttl = 64,
		.sport = sport,
		.dport = dport,
	};

	frame_address(&f, f.src, src);
	frame_address(&f, f.dst, dst);
	if (f.family == 4)
		f.id = 0x1234;
	if (proto == P_TCP) {
		f.flags = flags;
		f.seq = 1000;
		f.ack = flags & FRAME_ACK ? 2000 : 0;
		f.window = 5000;
	}
	return f;
}

static size_t transport_header(const struct frame *f, uint8_t *l4)
{
	switch (f->proto) {
	case P_TCP:
		put2(l4, f->sport);
		put2(l4 + 2, f->dport);
		put4(l4 + 4, f->seq);
		put4(l4 + 8, f->ack);
		l4[12] = (uint8_t)((5 + f->options_len / 4) << 4);
		l4[13] = f->flags;
		put2(l4 + 14, f->window);
		if (f->options_len)
			memcpy(l4 + 20, f->options, f->options_len);
		return 20u + f->options_len;
	case P_UDP:
		put2(l4, f->sport);
		put2(l4 + 2, f->dport);
		put2(l4 + 4, (uint16_t)(8 + f->payload_len));
		return 8;
	case P_ICMP:
	case P_ICMP6:
		l4[0] = f->icmp_type;
		l4[1] = f->icmp_code;
		put4(l4 + 4, f->icmp_rest);
		return 8;
	default:
		return 0;
	}
}

static void transport_finish(const struct frame *f, const uint8_t *l3, uint8_t *l4, size_t len)
{
	uint16_t c = transport_cksum(l3, f->family, f->proto, l4, len);

	if (f->proto == P_TCP)
		put2(l4 + 16, c);
	else if (f->proto == P_UDP && !f->no_checksum)
		put2(l4 + 6, c ? c : 0xffff);
	else if (f->proto == P_ICMP || f->proto == P_ICMP6)
		put2(l4 + 2, c);
}

size_t frame_build(const struct frame *f, uint8_t *out)
{
	uint8_t *p = out, *l3, *l4;
	size_t len;

	memset(out, 0, 14 + 4 + 40 + 20);
	memcpy(p, f->eth_dst, 6);
	memcpy(p + 6, f->eth_src, 6);
	p += 12;
	if (f->vlan) {
		put2(p, 0x8100);
		put2(p + 2, f->vlan);
		p += 4;
	}
	put2(p, f->family == 4 ? 0x0800 : 0x86dd);
	l3 = p + 2;
	l4 = l3 + (f->family == 4 ? 20 : 40);
	len = transport_header(f, l4);
	if (f->payload_len)
		memcpy(l4 + len, f->payload, f->payload_len);
	len += f->payload_len;
	if (f->family == 4) {
		l3[0] = 0x45;
		l3[1] = f->tos;
		put2(l3 + 2, (uint16_t)(20 + len));
		put2(l3 + 4, f->id);
		put2(l3 + 6, f->df ? 0x4000 : 0);
		l3[8] = f->ttl;
		l3[9] = f->proto;
		memcpy(l3 + 12, f->src, 4);
		memcpy(l3 + 16, f->dst, 4);
		put2(l3 + 10, frame_cksum(frame_sum(0, l3, 20)));
	} else {
		put4(l3, 6u << 28 | (uint32_t)f->tos << 20);
		put2(l3 + 4, (uint16_t)len);
		l3[6] = f->proto;
		l3[7] = f->ttl;
		memcpy(l3 + 8, f->src, 16);
		memcpy(l3 + 24, f->dst, 16);
	}
	transport_finish(f, l3, l4, len);
	return (size_t)(l4 - out) + len;
}

/* The transport header, with len bytes of it and its payload. */
static const char *read_transport(struct frame *f, const uint8_t *l3, const uint8_t *l4, size_t len)
{
	size_t head = f->proto == P_TCP ? 20 : 8;

	if (len < head)
		return "transport header cut";
	if (f->proto == P_UDP) { /* what follows the datagram inside the packet is not its own */
		if (get2(l4 + 4) < 8 || get2(l4 + 4) > len)
			return "UDP length";
		len = get2(l4 + 4);
	}
	if (f->proto == P_UDP && f->family == 4 && get2(l4 + 6) == 0)
		f->no_checksum = true;
	if (f->proto == P_UDP && f->family == 6 && get2(l4 + 6) == 0)
		return "UDP checksum 0 over IPv6";
	if (f->proto == P_TCP) {
		head = (size_t)(l4[12] >> 4) * 4;
		if (head < 20 || head > len)
			return "TCP header length";
		f->seq = get4(l4 + 4);
		f->ack = get4(l4 + 8);
		f->flags = l4[13];
		f->window = get2(l4 + 14);
		f->options = l4 + 20;
		f->options_len = (uint8_t)(head - 20);
	} else if (f->proto != P_UDP) {
		f->icmp_type = l4[0];
		f->icmp_code = l4[1];
		f->icmp_rest = get4(l4 + 4);
	}
	if (f->proto == P_TCP || f->proto == P_UDP) {
		f->sport = get2(l4);
		f->dport = get2(l4 + 2);
		if (f->sport == 0 || f->dport == 0)
			return "port 0";
	}
	f->payload = l4 + head;
	f->payload_len = (uint16_t)(len - head);
	if (!f->no_checksum && transport_cksum(l3, f->family, f->proto, l4, len) != 0)
		return "transport checksum";
	return NULL;
}

static const char *read_v4(struct frame *f, const uint8_t *l3, size_t len)
{
	size_t ihl, total;

	if (len < 20)
		return "IPv4 header cut";
	ihl = (size_t)(l3[0] & 15) * 4;
	total = get2(l3 + 2);
	if (l3[0] >> 4 != 4)
		return "IP version";
	if (ihl < 20 || ihl > total)
		return "IPv4 header length";
	if (total > len)
		return "IPv4 total length";
	if (total < len)
		return "bytes behind the datagram";
	if (frame_cksum(frame_sum(0, l3, ihl)) != 0)
		return "IPv4 header checksum";
	if (get2(l3 + 6) & 0x3fff)
		return "fragment";
	f->tos = l3[1];
	f->id = get2(l3 + 4);
	f->df = (get2(l3 + 6) & 0x4000) != 0;
	f->ttl = l3[8];
	f->proto = l3[9];
	memcpy(f->src, l3 + 12, 4);
	memcpy(f->dst, l3 + 16, 4);
	if (f->proto == P_TCP || f->proto == P_UDP || f->proto == P_ICMP)
		return read_transport(f, l3, l3 + ihl, total - ihl);
	f->payload = l3 + ihl;
	f->payload_len = (uint16_t)(total - ihl);
	return NULL;
}

static const char *read_v6(struct frame *f, const uint8_t *l3, size_t len)
{
	size_t total, off = 40;
	uint8_t next;

	if (len < 40)
		return "IPv6 header cut";
	total = 40 + (size_t)get2(l3 + 4);
	if (l3[0] >> 4 != 6)
		return "IP version";
	if (total > len)
		return "IPv6 payload length";
	if (total < len)
		return "bytes behind the datagram";
	f->tos = (uint8_t)(get4(l3) >> 20);
	f->ttl = l3[7];
	memcpy(f->src, l3 + 8, 16);
	memcpy(f->dst, l3 + 24, 16);
	for (next = l3[6]; next == 0 || next == 43 || next == 44 || next == 60;) {
		size_t ext = off;

		if (off + 8 > total)
			return "IPv6 header chain";
		if (next == 43 && (l3[ext + 2] == 0 || l3[ext + 3] != 0))
			return "IPv6 source route";
		if (next == 44 && (get2(l3 + ext + 2) & 0xfff9))
			return "fragment";
		off += next == 44 ? 8 : ((size_t)l3[ext + 1] + 1) * 8;
		if (off > total)
			return "IPv6 header chain";
		next = l3[ext];
	}
	f->proto = next;
	if (next == P_TCP || next == P_UDP || next == P_ICMP6)
		return read_transport(f, l3, l3 + off, total - off);
	f->payload = l3 + off;
	f->payload_len = (uint16_t)(total - off);
	return NULL;
}

const char *frame_read(const uint8_t *data, size_t len, struct frame *f)
{
	const uint8_t *p = data + 12;

	memset(f, 0, sizeof(*f));
	if (len < 14)
		return "frame cut";
	memcpy(f->eth_dst, data, 6);
	memcpy(f->eth_src, data + 6, 6);
	if (get2(p) == 0x8100) {
		if (len < 18)
			return "VLAN tag cut";
		f->vlan = get2(p + 2) & 0xfff;
		p += 4;
	}
	f->ethertype = get2(p);
	p += 2;
	len -= (size_t)(p - data);
	if (f->ethertype == 0x0800) {
		f->family = 4;
		return read_v4(f, p, len);
	}
	if (f->ethertype == 0x86dd) {
		f->family = 6;
		return read_v6(f, p, len);
	}
	f->payload = p;
	f->payload_len = (uint16_t)len;
	return NULL;
}

const char *frame_differs(const struct frame *a, const struct frame *b)
{
#define SAME(field)                                                                                \
	if (memcmp(&a->field, &b->field, sizeof(a->field)) != 0)                                   \
	return #field
	SAME(eth_dst);
	SAME(eth_src);
	SAME(vlan);
	SAME(family);
	SAME(proto);
	SAME(ttl);
	SAME(tos);
	SAME(id);
	SAME(df);
	SAME(src);
	SAME(dst);
	SAME(sport);
	SAME(dport);
	SAME(seq);
	SAME(ack);
	SAME(flags);
	SAME(window);
	SAME(options_len);
	SAME(no_checksum);
	SAME(icmp_type);
	SAME(icmp_code);
	SAME(icmp_rest);
	SAME(payload_len);
#undef SAME
	if (a->options_len && memcmp(a->options, b->options, a->options_len) != 0)
		return "options";
	if (a->payload_len && memcmp(a->payload, b->payload, a->payload_len) != 0)
		return "payload";
	return NULL;
}

static void fix_transport(uint8_t *l3, uint8_t family, uint8_t proto, uint8_t *l4, size_t len)
{
	static const uint8_t at[] = { [P_TCP] = 16, [P_UDP] = 6, [P_ICMP] = 2, [P_ICMP6] = 2 };
	uint16_t c;

	if (proto >= sizeof(at) || at[proto] == 0 || len < (size_t)at[proto] + 2)
		return;
	put2(l4 + at[proto], 0);
	c = transport_cksum(l3, family, proto, l4, len);
	put2(l4 + at[proto], proto == P_UDP && c == 0 ? 0xffff : c);
}

void frame_fix(uint8_t *data, size_t len)
{
	size_t off = 12, ihl, total;
	uint8_t *l3, next;

	if (len < 14)
		return;
	for (int tags = 0; tags < 2 && off + 6 <= len && get2(data + off) == 0x8100; tags++)
		off += 4;
	l3 = data + off + 2;
	len = len < off + 2 ? 0 : len - off - 2;
	if (len >= 20 && get2(data + off) == 0x0800) {
		ihl = (size_t)(l3[0] & 15) * 4;
		total = get2(l3 + 2);
		if (ihl < 20 || ihl > len)
			return;
		put2(l3 + 10, 0);
		put2(l3 + 10, frame_cksum(frame_sum(0, l3, ihl)));
		if (total <= len && total >= ihl)
			fix_transport(l3, 4, l3[9], l3 + ihl, total - ihl);
	} else if (len >= 40 && get2(data + off) == 0x86dd) {
		total = 40 + (size_t)get2(l3 + 4);
		off = 40;
		for (next = l3[6];
			off + 8 <= len && (next == 0 || next == 60 || next == 43 || next == 44);) {
			size_t ext = off;

			off += next == 44 ? 8 : ((size_t)l3[ext + 1] + 1) * 8;
			next = l3[ext];
		}
		if (total <= len && off <= total)
			fix_transport(l3, 6, next, l3 + off, total - off);
	}
}

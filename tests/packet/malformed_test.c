/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * More than a million frames, most of them broken in ways that make sense, through the real
 * pipeline. Each is accounted for once, nothing malformed comes out (but data of flows whose
 * checksum was wrong when they came, and still is), and no packet is lost from the pool. In builds
 * with AddressSanitizer the room around each packet is poisoned.
 *
 * FAIRLEAD_SEED and FAIRLEAD_FRAMES choose others; the seed is printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"
#include "pieces.h"

#define TCP    6
#define UDP    17
#define ICMP   1
#define ICMP6  58

#define FRAMES 1000000 /* for each number of workers */
#define BURST  48
#define ROOM   1600

struct gen {
	uint64_t state;
	uint8_t data[FRAME_MAX];
	size_t len;
	size_t l3; /* offset of the IP header */
};

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t rnd(struct gen *g)
{
	uint64_t z = (g->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint32_t below(struct gen *g, uint32_t n)
{
	return (uint32_t)(((rnd(g) >> 32) * n) >> 32);
}

static bool one_in(struct gen *g, uint32_t n)
{
	return below(g, n) == 0;
}

#define PICK(g, array) ((array)[below(g, sizeof(array) / sizeof((array)[0]))])

/* ---- well-formed frames --------------------------------------------------------------------- */

static const char *const vip4[] = { "192.0.2.10", "192.0.2.20", "192.0.2.30", "192.0.2.31",
	"192.0.2.50" };
static const char *const vip6[] = { "2001:db8:1::10", "2001:db8:1::20", "2001:db8:1::50" };
static const char *const server4[] = { "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14" };
static const char *const server6[] = { "2001:db8:2::11", "2001:db8:2::12", "2001:db8:2::13",
	"2001:db8:2::14" };
static const char *const own4[] = { "192.0.2.1", "10.0.0.1", "192.0.2.10", "192.0.2.20" };
static const char *const own6[] = { "2001:db8:1::1", "2001:db8:2::1", "2001:db8:1::10" };
static const char *const client4[] = { "198.51.100.1", "198.51.100.2", "203.0.113.9" };
static const char *const client6[] = { "2001:db8:c::1", "2001:db8:c::2", "2001:db8:d::9" };

static void payload(struct gen *g, struct frame *f)
{
	static uint8_t bytes[1500];

	for (size_t i = 0; i < 64; i++)
		bytes[i] = (uint8_t)rnd(g);
	f->payload = bytes;
	f->payload_len = (uint16_t)(one_in(g, 10) ? below(g, 1450) : below(g, 120));
}

/* Towards a service, or an answer of a server. */
static struct frame make_flow(struct gen *g, bool v6, bool back)
{
	static const uint8_t flags[] = { FRAME_SYN, FRAME_SYN, FRAME_ACK, FRAME_ACK, FRAME_ACK,
		FRAME_ACK | FRAME_PSH, FRAME_FIN | FRAME_ACK, FRAME_RST, FRAME_RST | FRAME_ACK,
		FRAME_SYN | FRAME_ACK };
	static const uint16_t ports[] = { 80, 80, 80, 80, 80, 8000, 443 };
	uint8_t proto = one_in(g, 4) ? UDP : TCP;
	uint16_t client = (uint16_t)(1024 + below(g, 600));
	struct frame f;

	if (back)
		f = frame_make(proto, v6 ? PICK(g, server6) : PICK(g, server4), 8080,
			v6 ? PICK(g, client6) : PICK(g, client4), client, PICK(g, flags));
	else
		f = frame_make(proto, v6 ? PICK(g, client6) : PICK(g, client4), client,
			v6 ? PICK(g, vip6) : PICK(g, vip4), PICK(g, ports), PICK(g, flags));
	if (proto == UDP)
		f.no_checksum = !v6 && one_in(g, 8);
	return f;
}

static struct frame make_icmp(struct gen *g, bool v6)
{
	static const uint8_t types4[] = { 8, 8, 8, 0, 3, 5, 11, 13 };
	static const uint8_t types6[] = { 128, 128, 128, 129, 1, 2, 3, 133, 134, 135, 136, 137 };
	struct frame f = frame_make(ICMP, v6 ? PICK(g, client6) : PICK(g, client4), 0,
		v6 ? PICK(g, own6) : PICK(g, own4), 0, 0);

	f.proto = v6 ? ICMP6 : ICMP;
	f.icmp_type = v6 ? PICK(g, types6) : PICK(g, types4);
	f.icmp_rest = (uint32_t)rnd(g);
	if (v6 && f.icmp_type >= 133)
		f.ttl = 255;
	return f;
}

static void make_arp(struct gen *g, const struct harness *h, uint16_t nic)
{
	static const uint8_t head[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0 };
	struct frame from, to;

	memset(g->data, 0, 60);
	frame_address(&from, from.src, PICK(g, server4));
	frame_address(&to, to.dst, PICK(g, own4));
	memset(g->data, 0xff, 6);
	memcpy(g->data + 6, h->host[2].mac, 6);
	memcpy(g->data + 12, head, sizeof(head));
	g->data[21] = (uint8_t)(1 + below(g, 2));
	memcpy(g->data + 22, h->host[2].mac, 6);
	memcpy(g->data + 28, from.src, 4);
	memcpy(g->data + 38, to.dst, 4);
	g->l3 = 14;
	g->len = 60;
	if (g->data[21] == 2 || one_in(g, 4))
		memcpy(g->data, h->nic[nic]->mac.addr_bytes, 6);
}

static void make(struct gen *g, const struct harness *h, uint16_t *nic)
{
	bool v6 = one_in(g, 2), back = one_in(g, 4);
	struct frame f;

	*nic = back ? LAN : WAN;
	if (one_in(g, 40)) {
		make_arp(g, h, *nic);
		return;
	}
	f = one_in(g, 8) ? make_icmp(g, v6) : make_flow(g, v6, back);
	payload(g, &f);
	memcpy(f.eth_dst, h->nic[*nic]->mac.addr_bytes, 6);
	memcpy(f.eth_src, h->host[back ? 2 : 0].mac, 6);
	g->l3 = 14;
	g->len = frame_build(&f, g->data);
}

/* ---- what may be wrong with them ------------------------------------------------------------ */

static bool is6(const struct gen *g)
{
	return g->data[g->l3] >> 4 == 6;
}

static size_t l4(const struct gen *g)
{
	return g->l3 + (is6(g) ? 40 : (size_t)(g->data[g->l3] & 15) * 4);
}

/* Writes v at an offset, if the frame goes that far. */
static void set1(struct gen *g, size_t at, uint32_t v)
{
	if (at < g->len)
		g->data[at] = (uint8_t)v;
}

static void set2(struct gen *g, size_t at, uint32_t v)
{
	set1(g, at, v >> 8);
	set1(g, at + 1, v);
}

static uint16_t get2(const struct gen *g, size_t at)
{
	return at + 1 < g->len ? (uint16_t)(g->data[at] << 8 | g->data[at + 1]) : 0;
}

/* Makes room for n bytes at an offset. */
static bool insert(struct gen *g, size_t at, size_t n)
{
	if (at > g->len || g->len + n > ROOM)
		return false;
	memmove(g->data + at + n, g->data + at, g->len - at);
	memset(g->data + at, 0, n);
	g->len += n;
	return true;
}

/* A length that is a little or very wrong. */
static uint32_t length(struct gen *g, uint32_t right)
{
	switch (below(g, 6)) {
	case 0:
		return right + 1 + below(g, 8);
	case 1:
		return right - 1 - below(g, 8);
	case 2:
		return below(g, 64);
	case 3:
		return 0xffff - below(g, 64);
	case 4:
		return 0;
	default:
		return (uint32_t)rnd(g) & 0xffff;
	}
}

static void cut(struct gen *g)
{
	g->len = one_in(g, 3) ? 1 + below(g, 60) : 1 + below(g, (uint32_t)g->len);
}

static void trail(struct gen *g)
{
	size_t n = 1 + below(g, 100);

	if (g->len + n > ROOM)
		return;
	for (size_t i = 0; i < n; i++)
		g->data[g->len++] = (uint8_t)rnd(g);
}

static void ip_length(struct gen *g)
{
	size_t at = g->l3 + (is6(g) ? 4 : 2);

	set2(g, at, length(g, get2(g, at)));
}

static void ip_version(struct gen *g)
{
	set1(g, g->l3, one_in(g, 2) ? (uint32_t)rnd(g) : (is6(g) ? 0x60 : 0x40) | below(g, 16));
}

static void ip_protocol(struct gen *g)
{
	static const uint8_t some[] = { 0, 1, 2, 6, 17, 43, 44, 47, 50, 51, 58, 59, 60, 112, 132,
		255 };

	set1(g, g->l3 + (is6(g) ? 6 : 9), PICK(g, some));
}

static void fragment(struct gen *g)
{
	if (!is6(g)) {
		set2(g, g->l3 + 6, one_in(g, 2) ? 0x2000 : (uint32_t)rnd(g));
		return;
	}
	uint8_t next = g->data[g->l3 + 6];

	if (g->len < g->l3 + 40 || !insert(g, g->l3 + 40, 8))
		return;
	set1(g, g->l3 + 6, 44);
	set1(g, g->l3 + 40, next);
	set2(g, g->l3 + 42, one_in(g, 2) ? below(g, 8) : (uint32_t)rnd(g));
	set2(g, g->l3 + 4, get2(g, g->l3 + 4) + 8u);
}

/* A chain of extension headers, most of it right. */
static void extend(struct gen *g)
{
	static const uint8_t types[] = { 0, 60, 60, 43, 44, 51, 59, 0 };
	uint8_t next;

	if (!is6(g) || g->len < g->l3 + 40)
		return;
	for (uint32_t n = 1 + below(g, one_in(g, 10) ? 12 : 3); n > 0; n--) {
		size_t units = below(g, 3), bytes = (units + 1) * 8;

		next = g->data[g->l3 + 6];
		if (!insert(g, g->l3 + 40, bytes))
			return;
		set1(g, g->l3 + 6, PICK(g, types));
		set1(g, g->l3 + 40, next);
		set1(g, g->l3 + 41, one_in(g, 12) ? (uint32_t)rnd(g) : (uint32_t)units);
		set2(g, g->l3 + 42, one_in(g, 3) ? (uint32_t)rnd(g) : 0x0400);
		set2(g, g->l3 + 4, get2(g, g->l3 + 4) + (uint32_t)bytes);
	}
}

/* IPv4 options: no-ops, record route, source routes, or nonsense. */
static void options(struct gen *g)
{
	static const uint8_t types[] = { 0, 1, 7, 68, 130, 131, 137, 148, 255 };
	size_t n = (1 + below(g, 10)) * 4, at = g->l3 + 20;

	if (is6(g) || (g->data[g->l3] & 15) != 5 || g->len < at || !insert(g, at, n))
		return;
	set1(g, g->l3, 0x45 + (uint32_t)n / 4);
	set2(g, g->l3 + 2, get2(g, g->l3 + 2) + (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		set1(g, at + i, 1);
	set1(g, at, PICK(g, types));
	set1(g, at + 1, one_in(g, 3) ? (uint32_t)rnd(g) : (uint32_t)n);
	set1(g, at + 2, one_in(g, 3) ? (uint32_t)rnd(g) : 4);
}

static void tcp_offset(struct gen *g)
{
	set1(g, l4(g) + 12, (uint32_t)rnd(g));
}

static void tcp_flags(struct gen *g)
{
	set1(g, l4(g) + 13, (uint32_t)rnd(g));
}

static void udp_length(struct gen *g)
{
	set2(g, l4(g) + 4, length(g, get2(g, l4(g) + 4)));
}

static void ports(struct gen *g)
{
	set2(g, l4(g) + (one_in(g, 2) ? 0 : 2), one_in(g, 2) ? 0 : (uint32_t)rnd(g));
}

static void ttl(struct gen *g)
{
	set1(g, g->l3 + (is6(g) ? 7 : 8), below(g, 3));
}

static void land(struct gen *g)
{
	if (g->len >= g->l3 + 40)
		memcpy(g->data + g->l3 + (is6(g) ? 8 : 12), g->data + g->l3 + (is6(g) ? 24 : 16),
			is6(g) ? 16 : 4);
	if (one_in(g, 2))
		set2(g, l4(g), get2(g, l4(g) + 2));
}

static void martian(struct gen *g)
{
	static const char *const four[] = { "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255",
		"240.0.0.1", "192.0.2.255", "192.0.2.77", "10.0.0.200", "0.1.2.3" };
	static const char *const six[] = { "::", "::1", "ff02::1", "ff02::1:ff00:1",
		"::ffff:192.0.2.1", "::192.0.2.1", "fe80::1", "2001:db8:1::77", "fe80::ff:fe00:1",
		"ff05::2" };
	struct frame f;

	frame_address(&f, f.src, is6(g) ? PICK(g, six) : PICK(g, four));
	if (g->len >= g->l3 + 40)
		memcpy(g->data + g->l3 + (is6(g) ? 8 : 12) + (one_in(g, 2) ? (is6(g) ? 16 : 4) : 0),
			f.src, is6(g) ? 16 : 4);
}

static void link_address(struct gen *g)
{
	static const uint8_t macs[][6] = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		{ 0x01, 0, 0x5e, 0, 0, 1 }, { 0x33, 0x33, 0, 0, 0, 1 }, { 2, 9, 9, 9, 9, 9 },
		{ 0x33, 0x33, 0xff, 0, 0, 1 } };

	memcpy(g->data, PICK(g, macs), 6);
}

static void ethertype(struct gen *g)
{
	static const uint16_t types[] = { 0x0800, 0x86dd, 0x0806, 0x8100, 0x88a8, 0x8847, 0x88cc,
		46, 0 };

	set2(g, g->l3 - 2, PICK(g, types));
}

static void tag(struct gen *g)
{
	if (!insert(g, 12, 4))
		return;
	set2(g, 12, one_in(g, 8) ? 0x88a8 : 0x8100);
	set2(g, 14, one_in(g, 2) ? 0 : (uint32_t)rnd(g));
	g->l3 += 4;
}

static void bytes(struct gen *g)
{
	for (uint32_t n = 1 + below(g, 4); n > 0; n--)
		g->data[below(g, (uint32_t)g->len)] = (uint8_t)rnd(g);
}

static void bit(struct gen *g)
{
	g->data[below(g, (uint32_t)g->len)] ^= (uint8_t)(1u << below(g, 8));
}

static void garbage(struct gen *g)
{
	for (size_t i = one_in(g, 2) ? 14 : 0; i < g->len; i++)
		g->data[i] = (uint8_t)rnd(g);
}

static void checksum(struct gen *g)
{
	set1(g, one_in(g, 2) && !is6(g) ? g->l3 + 10 : l4(g) + 16, (uint32_t)rnd(g));
}

static void mutate(struct gen *g)
{
	static void (*const all[])(struct gen *) = { cut, trail, ip_length, ip_version, ip_protocol,
		fragment, extend, extend, options, tcp_offset, tcp_flags, udp_length, ports, ttl,
		land, martian, link_address, ethertype, tag, bytes, bit, garbage, checksum };
	bool touched = false;

	for (uint32_t n = one_in(g, 8) ? 0 : one_in(g, 3) ? 3 : 1; n > 0; n--) {
		PICK(g, all)(g);
		touched = true;
	}
	/* Otherwise checksums would stop nearly everything at the door. */
	if (touched && !one_in(g, 3))
		frame_fix(g->data, g->len);
}

/* ---- sending and accounting ----------------------------------------------------------------- */

struct tally {
	uint64_t forwarded, echoed, errors, resets;
	struct pieces *pieces;
};

/* A frame that came out, or a datagram whose fragments did. */
struct sent {
	uint16_t nic;
	const uint8_t *data;
	size_t len;
};

static void complain(const struct sent *c, const char *what)
{
	for (size_t i = 0; i < c->len; i++)
		print_error("%02x%s", c->data[i], i % 16 == 15 ? "\n" : " ");
	fail_msg("sent through nic %u: %s", c->nic, what);
}

static bool is_multicast(const struct frame *f, const uint8_t *a)
{
	return f->family == 4 ? a[0] >= 224 : a[0] == 0xff;
}

/* Whether a frame that came out is one that may. */
static void check_whole(const struct harness *h, const struct sent *c, struct tally *t)
{
	struct frame f;
	const char *wrong = frame_read(c->data, c->len, &f);
	const bool damaged = wrong && strcmp(wrong, "transport checksum") == 0;

	if (wrong && (!damaged || (f.proto != TCP && f.proto != UDP)))
		complain(c, wrong);
	if (damaged && f.proto == TCP && (f.flags & (FRAME_SYN | FRAME_FIN | FRAME_RST)))
		complain(c, "damaged, and taken at its word");
	if (f.family == 0 ||
		(f.proto != TCP && f.proto != UDP && f.proto != ICMP && f.proto != ICMP6))
		complain(c, "neither TCP, UDP nor ICMP");
	if (f.vlan)
		complain(c, "a VLAN tag");
	if (f.ttl == 0)
		complain(c, "time to live 0");
	if (memcmp(f.src, f.dst, 16) == 0)
		complain(c, "land");
	if (is_multicast(&f, f.src) || is_multicast(&f, f.dst) ||
		(f.family == 4 && f.src[0] == 127))
		complain(c, "an address that no wire should carry");
	if (memcmp(f.eth_src, h->nic[c->nic]->mac.addr_bytes, 6) != 0 || (f.eth_dst[0] & 1))
		complain(c, "MAC addresses");
	if (f.proto == TCP) {
		uint8_t kind = f.flags & (FRAME_SYN | FRAME_FIN | FRAME_RST);

		if ((kind & (kind - 1)) || !(f.flags & (FRAME_SYN | FRAME_RST | FRAME_ACK)))
			complain(c, "TCP flags");
	}
	if (f.proto == ICMP || f.proto == ICMP6) {
		if (f.icmp_type == (f.family == 4 ? 0 : 129))
			t->echoed++;
		else if (f.icmp_type == 3 || f.icmp_type == 11 ||
			 (f.family == 6 && f.icmp_type < 4))
			t->errors++;
		else
			complain(c, "ICMP type");
	} else if (f.proto == TCP && (f.flags & FRAME_RST) && f.window == 0) {
		t->resets++; /* our own: what a server sends has a window */
	} else {
		t->forwarded++;
	}
}

/* What is sent as fragments (IPv4 datagrams longer than the MTU that may be) is looked at when it
 * is whole again. */
static void check(const struct harness *h, const struct captured *c, struct tally *t)
{
	struct sent sent = { c->nic, c->data, c->len };
	const char *wrong = NULL;

	if (pieces_is_fragment(c->data, c->len)) {
		struct whole *whole = pieces_add(t->pieces, c->data, c->len, &sent.len, &wrong);

		if (wrong)
			complain(&sent, wrong);
		if (!whole)
			return;
		sent.data = whole->data;
	}
	check_whole(h, &sent, t);
}

/* In pieces now and then, as a driver with small buffers gives them. */
static bool inject(struct harness *h, struct gen *g, uint16_t nic)
{
	size_t first = one_in(g, 6) ? 1 + below(g, (uint32_t)g->len) : g->len;
	struct rte_mbuf *m, *next;
	uint16_t queue = (uint16_t)below(g, h->rxqs);

	if (first == g->len)
		return harness_inject(h, nic, queue, g->data, g->len);
	m = rte_pktmbuf_alloc(h->pool);
	next = rte_pktmbuf_alloc(h->pool);
	assert_true(m && next);
	memcpy(rte_pktmbuf_append(m, (uint16_t)first), g->data, first);
	memcpy(rte_pktmbuf_append(next, (uint16_t)(g->len - first)), g->data + first,
		g->len - first);
	assert_int_equal(rte_pktmbuf_chain(m, next), 0);
	return harness_inject_mbuf(h, nic, queue, m);
}

/* Fragments that are not accounted for by themselves: of datagrams that became whole, each of which
 * counts as one. */
static uint64_t merged(const struct harness *h)
{
	static const enum drop_reason alone[] = { DROP_ip_fragment, DROP_frag_header,
		DROP_frag_tiny, DROP_frag_overlap, DROP_frag_duplicate, DROP_frag_many,
		DROP_frag_full, DROP_frag_timeout };
	uint64_t n = 0;

	for (unsigned int i = 0; i < h->conf.workers; i++)
		n += h->workers->net[i]->frag.fragments_in - h->workers->net[i]->frag.datagrams_in;
	for (unsigned int i = 0; i < sizeof(alone) / sizeof(alone[0]); i++)
		n -= harness_drops(h, alone[i]);
	return n;
}

static void check_sums(struct harness *h, const struct tally *t)
{
	const uint64_t in = h->sent + h->host_sent;
	unsigned int reasons = 0;
	uint64_t drops = 0, sum;

	for (unsigned int r = 0; r < DROP_MAX; r++) {
		uint64_t n = 0;

		for (unsigned int i = 0; i < h->conf.workers; i++)
			n += h->workers->net[i]->drop[r];
		drops += n;
		reasons += n > 0;
	}
	sum = t->forwarded + t->echoed + drops + h->punted + merged(h);
	print_message("# %lu frames: %lu forwarded, %lu echoed, %lu dropped for %u reasons, %lu "
		      "punted; %lu ICMP "
		      "errors, %lu resets of our own\n",
		(unsigned long)in, (unsigned long)t->forwarded, (unsigned long)t->echoed,
		(unsigned long)drops, reasons, (unsigned long)h->punted, (unsigned long)t->errors,
		(unsigned long)t->resets);
	/* Among what could not be sent may be errors and resets of our own. */
	if (sum < in || sum > in + harness_drops(h, DROP_no_route) +
					harness_drops(h, DROP_neigh_unresolved)) {
		harness_print_drops(h);
		fail_msg("%lu frames in, %lu accounted for", (unsigned long)in, (unsigned long)sum);
	}
	/* The generator reaches what it is for. */
	assert_true(t->forwarded > in / 20 && t->echoed > in / 1000 && h->punted > in / 1000);
	assert_true(reasons >= 20);
}

static void test_malformed(void **state)
{
	const char *seed = getenv("FAIRLEAD_SEED"), *frames = getenv("FAIRLEAD_FRAMES");
	unsigned long left = frames ? strtoul(frames, NULL, 0) : FRAMES;
	struct gen g = { .state = seed ? strtoull(seed, NULL, 0) : 0x5eed };
	struct harness *h = harness_create(&(struct harness_conf){
		.file = "forward.json", .workers = *(unsigned int *)*state });
	struct tally t = { .pieces = calloc(1, sizeof(*t.pieces)) };
	const struct captured *c;

	assert_non_null(t.pieces);
	h->all_answer = true;
	print_message("# FAIRLEAD_SEED=%lu\n", (unsigned long)g.state);
	while (left > 0) {
		for (unsigned int i = 0; i < BURST && left > 0; i++, left--) {
			uint16_t nic;

			make(&g, h, &nic);
			mutate(&g);
			assert_true(inject(h, &g, nic));
		}
		harness_advance(h, 2);
		while ((c = harness_take(h)))
			check(h, c, &t);
	}
	harness_advance(h, 61000); /* fragments wait longest */
	while ((c = harness_take(h)))
		check(h, c, &t);
	check_sums(h, &t);
	harness_destroy(h);
	free(t.pieces);
}

int main(void)
{
	static unsigned int one = 1, three = 3;
	const struct CMUnitTest tests[] = {
		{ "malformed frames, 1 worker", test_malformed, NULL, NULL, &one },
		{ "malformed frames, 3 workers", test_malformed, NULL, NULL, &three },
	};

	harness_init();
	return cmocka_run_group_tests_name("malformed", tests, NULL, NULL);
}

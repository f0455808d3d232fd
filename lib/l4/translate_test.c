/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets and ICMP errors into the other family: compared with what was built in it at once. */
#include "translate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <rte_ether.h>

#include "frame.h"
#include "net/poison.h"
#include "test_eal.h"

#define CLIENT  "2001:db8:c::7"
#define VIRTUAL "2001:db8:1::10"
#define OURS    "10.0.0.1"
#define SERVER  "10.0.0.11"
#define ROUTER4 "10.9.9.9"
#define ROUTER6 "2001:db8:9::9"

#define CPORT   40000
#define VPORT   80
#define LPORT   1025
#define SPORT   8080

#define ID      0xbeef

static struct rte_mempool *pool;

static struct tuple make_tuple(
	const char *src, uint16_t sport, const char *dst, uint16_t dport, uint8_t proto)
{
	struct tuple t = {
		.sport = rte_cpu_to_be_16(sport), .dport = rte_cpu_to_be_16(dport), .proto = proto
	};

	assert_int_equal(addr_parse(src, &t.src), 0);
	assert_int_equal(addr_parse(dst, &t.dst), 0);
	return t;
}

/* What a client sends and what the server gets of it, or the same of an answer. */
struct two {
	struct frame_spec v6, v4;
};

static struct two make_two(uint8_t proto, uint16_t payload, bool back)
{
	struct frame_spec v6 = { .proto = proto, .payload = payload, .tcp_flags = 0x10 }, v4 = v6;

	v6.src = back ? VIRTUAL : CLIENT;
	v6.dst = back ? CLIENT : VIRTUAL;
	v6.sport = back ? VPORT : CPORT;
	v6.dport = back ? CPORT : VPORT;
	v4.src = back ? SERVER : OURS;
	v4.dst = back ? OURS : SERVER;
	v4.sport = back ? SPORT : LPORT;
	v4.dport = back ? LPORT : SPORT;
	return (struct two){ v6, v4 };
}

static struct tuple tuple_of(const struct frame_spec *s)
{
	return make_tuple(s->src, s->sport, s->dst, s->dport, s->proto);
}

/* f as parsing leaves it; first: bytes in the first segment, 0: all. */
static struct pkt parsed(const struct frame *f, unsigned int first)
{
	struct pkt p = { .family = f->family, .proto = f->proto };

	p.mbuf = first ? frame_mbuf_split(pool, f->b, f->len, first)
		       : frame_mbuf(pool, f->b, f->len);
	p.l3 = rte_pktmbuf_mtod_offset(p.mbuf, uint8_t *, f->l3);
	p.l4 = rte_pktmbuf_mtod_offset(p.mbuf, uint8_t *, f->l4);
	p.l3_len = (uint16_t)(f->end - f->l3);
	p.l4_len = (uint16_t)(f->end - f->l4);
	return p;
}

static void set_id(struct frame *f, uint16_t id, bool df)
{
	uint8_t *l3 = f->b + f->l3;

	l3[4] = (uint8_t)(id >> 8);
	l3[5] = (uint8_t)id;
	l3[6] = df ? 0x40 : 0;
	frame_fix(f);
}

/* p is the datagram of want, bytes and all. */
static void check_bytes(const struct pkt *p, const struct frame *want)
{
	static uint8_t got[FRAME_MAX];
	const uint32_t off = (uint32_t)(p->l4 - rte_pktmbuf_mtod(p->mbuf, uint8_t *));
	const uint32_t header = (uint32_t)(p->l4 - p->l3);

	assert_int_equal(p->family, want->family);
	assert_int_equal(p->proto, want->proto);
	assert_int_equal(p->l3_len, want->end - want->l3);
	assert_int_equal(p->l4_len, want->end - want->l4);
	memcpy(got, p->l3, header);
	if (p->mbuf->nb_segs == 1) {
		memcpy(got + header, p->l4, p->l4_len);
	} else {
		const void *rest = rte_pktmbuf_read(p->mbuf, off, p->l4_len, got + header);

		assert_non_null(rest);
		if (rest != got + header)
			memcpy(got + header, rest, p->l4_len);
	}
	assert_memory_equal(got, want->b + want->l3, p->l3_len);
}

/* ---- packets -------------------------------------------------------------------------------- */

static void check_packet(const struct frame *from, const struct frame *want,
	const struct frame_spec *to, unsigned int first)
{
	struct pkt p = parsed(from, first);
	const struct tuple tuple = tuple_of(to);

	assert_int_equal(translate_packet(&p, &tuple, ID), DROP_none);
	check_bytes(&p, want);
	assert_true(frame_is_right(want));
	frame_free(p.mbuf);
}

static void test_packets(void **state)
{
	(void)state;
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	struct frame six, four;

	for (unsigned int i = 0; i < 2 * RTE_DIM(protos); i++) {
		for (uint16_t payload = 0; payload < 70; payload++) {
			struct two t = make_two(protos[i / 2], payload, i & 1);

			t.v6.ttl = t.v4.ttl = (uint8_t)(payload + 1);
			frame_build(&six, &t.v6);
			frame_build(&four, &t.v4);
			set_id(&four, ID, false);
			check_packet(&six, &four, &t.v4, 0);
			check_packet(&four, &six, &t.v6, 0);
			if (payload > 20) {
				check_packet(&six, &four, &t.v4, six.l4 + 25);
				check_packet(&four, &six, &t.v6, four.l4 + 25);
			}
		}
	}
}

/* Every transport checksum there is survives, for the payload makes it so. */
static void test_all_checksums(void **state)
{
	(void)state;
	struct two t = make_two(IPPROTO_UDP, 2, false);
	struct frame six, four;

	for (unsigned int i = 0; i < 0x10000; i += 7) {
		frame_build(&six, &t.v6);
		frame_build(&four, &t.v4);
		six.b[six.l4 + 8] = four.b[four.l4 + 8] = (uint8_t)(i >> 8);
		six.b[six.l4 + 9] = four.b[four.l4 + 9] = (uint8_t)i;
		frame_fix(&six);
		set_id(&four, ID, false);
		check_packet(&six, &four, &t.v4, 0);
		check_packet(&four, &six, &t.v6, 0);
	}
}

static void test_traffic_class(void **state)
{
	(void)state;
	struct two t = make_two(IPPROTO_TCP, 10, false);
	struct frame six, four;

	frame_build(&six, &t.v6);
	frame_build(&four, &t.v4);
	six.b[six.l3] = 0x6b; /* class b9 */
	six.b[six.l3 + 1] = 0x90;
	four.b[four.l3 + 1] = 0xb9;
	set_id(&four, ID, false);
	check_packet(&four, &six, &t.v6, 0);
	six.b[six.l3 + 1] = 0x9c; /* a flow label gets lost */
	six.b[six.l3 + 3] = 0x77;
	check_packet(&six, &four, &t.v4, 0);
}

/* What stands between IP and transport header is left out. */
static void test_extension_headers_and_options(void **state)
{
	(void)state;
	static const char hop_and_fragment[16] = { IPPROTO_FRAGMENT, 0, 1, 4, 0, 0, 0, 0,
		IPPROTO_TCP, 0, 0, 0, 1, 2, 3, 4 };
	struct two t = make_two(IPPROTO_TCP, 33, false);
	struct frame six, four, plain;

	frame_build(&plain, &t.v4);
	set_id(&plain, ID, false);
	t.v6.ext = hop_and_fragment;
	t.v6.ext_len = sizeof(hop_and_fragment);
	t.v6.ext_type = IPPROTO_HOPOPTS;
	frame_build(&six, &t.v6);
	check_packet(&six, &plain, &t.v4, 0);

	t = make_two(IPPROTO_TCP, 33, true);
	frame_build(&plain, &t.v6);
	t.v4.ext =
		"\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1";
	t.v4.ext_len = 40;
	frame_build(&four, &t.v4);
	check_packet(&four, &plain, &t.v6, 0);
	/* More than there was room for between the headers. */
	t.v4.ext_len = 4;
	frame_build(&four, &t.v4);
	check_packet(&four, &plain, &t.v6, 0);
}

static void test_udp_without_checksum(void **state)
{
	(void)state;
	for (uint16_t payload = 0; payload < 40; payload++) {
		struct two t = make_two(IPPROTO_UDP, payload, true);
		struct frame six, four;

		frame_build(&six, &t.v6);
		frame_build(&four, &t.v4);
		four.b[four.l4 + 6] = four.b[four.l4 + 7] = 0;
		check_packet(&four, &six, &t.v6, 0);
		if (payload > 20)
			check_packet(&four, &six, &t.v6, four.l4 + 13);
	}
}

/* The datagram is shorter than what IP carries. */
static void test_udp_with_more_behind(void **state)
{
	(void)state;
	struct two t = make_two(IPPROTO_UDP, 9, true);
	struct frame six, four;

	frame_build(&four, &t.v4);
	frame_build(&six, &t.v6);
	for (int i = 0; i < 2; i++) {
		struct frame *f = i ? &six : &four;

		f->b[f->l4 + 5] = 8 + 4;
		f->b[f->l4 + 6] = f->b[f->l4 + 7] = 0;
	}
	/* The sum of pseudo header, header and the first four bytes, by the definition. */
	six.end -= 5;
	frame_fix(&six);
	six.end += 5;

	struct pkt p = parsed(&four, 0);
	const struct tuple tuple = tuple_of(&t.v6);

	assert_int_equal(translate_packet(&p, &tuple, ID), DROP_none);
	check_bytes(&p, &six);
	frame_free(p.mbuf);
}

/* DF and splitting about the size that every IPv6 path takes. */
static void test_splitting(void **state)
{
	(void)state;
	struct two t = make_two(IPPROTO_UDP, 0, false);
	const struct tuple to4 = tuple_of(&t.v4), to6 = tuple_of(&t.v6);
	struct frame f;
	struct pkt p;

	for (uint16_t len = 1279; len <= 1281; len++) {
		t.v6.payload = len - 48;
		frame_build(&f, &t.v6);
		p = parsed(&f, 0);
		assert_int_equal(translate_packet(&p, &to4, ID), DROP_none);
		assert_int_equal(p.l3[6], len > 1280 ? 0x40 : 0);
		assert_int_equal(p.l3[4], len > 1280 ? 0 : ID >> 8);
		assert_false(p.flags & PKT_SPLIT);
		frame_free(p.mbuf);
		/* It came in fragments. */
		p = parsed(&f, 0);
		p.flags = PKT_SPLIT;
		assert_int_equal(translate_packet(&p, &to4, ID), DROP_none);
		assert_int_equal(p.l3[6], 0);
		assert_int_equal(p.l3[5], ID & 0xff);
		frame_free(p.mbuf);

		t.v4.payload = len - 48;
		frame_build(&f, &t.v4);
		p = parsed(&f, 0);
		assert_int_equal(translate_packet(&p, &to6, ID), DROP_none);
		assert_int_equal(p.l3_len, len);
		assert_int_equal(p.flags, len > 1280 ? PKT_SPLIT : 0);
		assert_int_equal(p.split, len > 1280 ? 1280 : 0);
		frame_free(p.mbuf);
		set_id(&f, 7, true);
		p = parsed(&f, 0);
		assert_int_equal(translate_packet(&p, &to6, ID), DROP_none);
		assert_int_equal(p.flags, 0);
		frame_free(p.mbuf);
	}
}

static void test_limit(void **state)
{
	(void)state;
	struct two t = make_two(IPPROTO_TCP, 0, false);
	struct frame f;
	struct pkt p;

	frame_build(&f, &t.v6);
	p = parsed(&f, 0);
	assert_int_equal(translate_limit(&p, 1500), 1520);
	assert_int_equal(translate_limit(&p, 1280), 1300);
	/* Shorter ones may be split. */
	assert_int_equal(translate_limit(&p, 1000), 1280);
	assert_int_equal(translate_limit(&p, 65535), 65535);
	p.l4 += 16; /* extension headers stay behind */
	assert_int_equal(translate_limit(&p, 1500), 1536);
	frame_free(p.mbuf);

	frame_build(&f, &t.v4);
	p = parsed(&f, 0);
	assert_int_equal(translate_limit(&p, 1500), 1480);
	assert_int_equal(translate_limit(&p, 1280), 1260);
	p.l4 += 40;
	assert_int_equal(translate_limit(&p, 1500), 1520);
	p.proto = IPPROTO_ICMP;
	assert_int_equal(translate_limit(&p, 1500), UINT16_MAX);
	frame_free(p.mbuf);
}

/* Neither a buffer without room nor a datagram that is too long for IPv6 is written to. */
static void test_refused(void **state)
{
	(void)state;
	struct two t = make_two(IPPROTO_TCP, 20, true);
	const struct tuple to6 = tuple_of(&t.v6);
	struct frame f;
	struct pkt p;

	frame_build(&f, &t.v4);
	p = parsed(&f, 0);
	p.l4_len = UINT16_MAX - 20;
	p.l3_len = UINT16_MAX;
	assert_int_equal(translate_packet(&p, &to6, ID), DROP_ip_length);
	p = (struct pkt){ .family = 4, .proto = IPPROTO_TCP, .mbuf = p.mbuf, .l4_len = 40 };
	pkt_unpoison(p.mbuf);
	p.l3 = (uint8_t *)p.mbuf->buf_addr + RTE_ETHER_HDR_LEN;
	memcpy(p.l3, f.b + f.l3, 60);
	p.l4 = p.l3 + 20;
	assert_int_equal(translate_packet(&p, &to6, ID), DROP_no_headroom);
	assert_memory_equal(p.l3, f.b + f.l3, 60);
	frame_free(p.mbuf);
}

/* ---- ICMP errors ---------------------------------------------------------------------------- */

#define SKIP 0xff /* no counterpart */

struct error_case {
	uint8_t type, code;
	uint32_t rest;
	uint8_t to_type, to_code;
	uint32_t to_rest;
};

/* IPv4 to IPv6 (RFC 7915 4.2). */
static const struct error_case cases4[] = {
	{ 3, 0, 0, 1, 0, 0 },
	{ 3, 1, 0, 1, 0, 0 },
	{ 3, 2, 0, 4, 1, 6 },
	{ 3, 3, 0, 1, 4, 0 },
	{ 3, 4, 1400, 2, 0, 1420 },
	{ 3, 4, 1260, 2, 0, 1280 },
	{ 3, 4, 576, 2, 0, 1280 },
	{ 3, 4, 65535, 2, 0, 65555 },
	{ 3, 4, 0, 2, 0, 1280 }, /* quotes a short packet */
	{ 3, 5, 0, 1, 0, 0 },
	{ 3, 6, 0, 1, 0, 0 },
	{ 3, 7, 0, 1, 0, 0 },
	{ 3, 8, 0, 1, 0, 0 },
	{ 3, 9, 0, 1, 1, 0 },
	{ 3, 10, 0, 1, 1, 0 },
	{ 3, 11, 0, 1, 0, 0 },
	{ 3, 12, 0, 1, 0, 0 },
	{ 3, 13, 0, 1, 1, 0 },
	{ 3, 14, 0, SKIP, 0, 0 },
	{ 3, 15, 0, 1, 1, 0 },
	{ 3, 16, 0, SKIP, 0, 0 },
	{ 4, 0, 0, SKIP, 0, 0 },
	{ 5, 0, 0, SKIP, 0, 0 },
	{ 11, 0, 0, 3, 0, 0 },
	{ 11, 1, 0, 3, 1, 0 },
	{ 12, 0, 0x00000000, 4, 0, 0 },
	{ 12, 0, 0x01000000, 4, 0, 1 },
	{ 12, 0, 0x02000000, 4, 0, 4 },
	{ 12, 2, 0x03000000, 4, 0, 4 },
	{ 12, 0, 0x04000000, SKIP, 0, 0 },
	{ 12, 0, 0x07000000, SKIP, 0, 0 },
	{ 12, 0, 0x08000000, 4, 0, 7 },
	{ 12, 0, 0x09000000, 4, 0, 6 },
	{ 12, 0, 0x0a000000, SKIP, 0, 0 },
	{ 12, 0, 0x0f000000, 4, 0, 8 },
	{ 12, 0, 0x10000000, 4, 0, 24 },
	{ 12, 0, 0x13000000, 4, 0, 24 },
	{ 12, 0, 0x14000000, SKIP, 0, 0 },
	{ 12, 1, 0, SKIP, 0, 0 },
};

/* IPv6 to IPv4 (RFC 7915 5.2). */
static const struct error_case cases6[] = {
	{ 1, 0, 0, 3, 1, 0 },
	{ 1, 1, 0, 3, 10, 0 },
	{ 1, 2, 0, 3, 1, 0 },
	{ 1, 3, 0, 3, 1, 0 },
	{ 1, 4, 0, 3, 3, 0 },
	{ 1, 5, 0, SKIP, 0, 0 },
	{ 2, 0, 1500, 3, 4, 1480 },
	{ 2, 0, 1280, 3, 4, 1260 },
	{ 2, 0, 1000, 3, 4, 1260 },
	{ 2, 0, 100000, 3, 4, 65515 },
	{ 3, 0, 0, 11, 0, 0 },
	{ 3, 1, 0, 11, 1, 0 },
	{ 4, 0, 0, 12, 0, 0x00000000 },
	{ 4, 0, 1, 12, 0, 0x01000000 },
	{ 4, 0, 2, SKIP, 0, 0 },
	{ 4, 0, 4, 12, 0, 0x02000000 },
	{ 4, 0, 5, 12, 0, 0x02000000 },
	{ 4, 0, 6, 12, 0, 0x09000000 },
	{ 4, 0, 7, 12, 0, 0x08000000 },
	{ 4, 0, 8, 12, 0, 0x0c000000 },
	{ 4, 0, 23, 12, 0, 0x0c000000 },
	{ 4, 0, 24, 12, 0, 0x10000000 },
	{ 4, 0, 39, 12, 0, 0x10000000 },
	{ 4, 0, 40, SKIP, 0, 0 },
	{ 4, 0, 0x01000001, SKIP, 0, 0 },
	{ 4, 1, 6, 3, 2, 0 },
	{ 4, 2, 0, SKIP, 0, 0 },
	{ 100, 0, 0, SKIP, 0, 0 },
};

/* An error from a router about len bytes of a frame's datagram. */
static void make_error(struct frame *f, const char *src, const char *dst, uint8_t type,
	uint8_t code, uint32_t rest, const struct frame *about, unsigned int len)
{
	const bool v6 = strchr(src, ':');

	frame_build(f, &(struct frame_spec){ .proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
			       .src = src,
			       .dst = dst,
			       .tcp_flags = type,
			       .payload = (uint16_t)len,
			       .sport = (uint16_t)(rest >> 16),
			       .dport = (uint16_t)rest,
			       .ttl = 61 });
	f->b[f->l4 + 1] = code;
	memcpy(f->b + f->l4 + 8, about->b + about->l3, len);
	frame_fix(f);
	if (!v6)
		set_id(f, ID, false);
}

static enum drop_reason translate(struct pkt *p, unsigned int header, const struct tuple *sent)
{
	uint8_t *quoted = p->l4 + 8;

	return translate_error(p, quoted, quoted + header, sent, ID);
}

/* quoted: the packet in the error; sent: what it was. */
static void check_error(const struct error_case *c, const char *router, const char *receiver,
	const struct frame *quoted, unsigned int len, const struct frame_spec *to,
	const struct frame *sent, unsigned int to_len)
{
	const struct tuple tuple = tuple_of(to);
	struct frame error, want;
	struct pkt p;

	make_error(&error, router, receiver, c->type, c->code, c->rest, quoted, len);
	for (unsigned int first = 0; first <= error.l4 + 100 && first < error.len; first += 90) {
		if (first && first < error.l4 + 8 + quoted->l4 - quoted->l3 + 8)
			continue;
		p = parsed(&error, first);
		if (c->to_type == SKIP) {
			assert_int_equal(
				translate(&p, quoted->l4 - quoted->l3, &tuple), DROP_icmp_type);
		} else {
			make_error(&want, to->dst, to->src, c->to_type, c->to_code, c->to_rest,
				sent, to_len);
			assert_int_equal(translate(&p, quoted->l4 - quoted->l3, &tuple), DROP_none);
			check_bytes(&p, &want);
			assert_true(frame_is_right(&want));
		}
		frame_free(p.mbuf);
	}
}

/* A router between us and the server about a client's packet, and one on the client's side about an
 * answer. Cut anywhere behind the first 8 bytes of the transport header. */
static void check_errors(uint8_t proto, unsigned int kept)
{
	const struct two out = make_two(proto, 60, false), back = make_two(proto, 60, true);
	struct frame quoted, sent;

	frame_build(&quoted, &out.v4);
	frame_build(&sent, &out.v6);
	for (unsigned int i = 0; i < RTE_DIM(cases4); i++)
		check_error(
			&cases4[i], ROUTER4, OURS, &quoted, 20 + kept, &out.v6, &sent, 40 + kept);
	frame_build(&quoted, &back.v6);
	frame_build(&sent, &back.v4);
	set_id(&sent, 0, true);
	for (unsigned int i = 0; i < RTE_DIM(cases6); i++)
		check_error(&cases6[i], ROUTER6, CLIENT, &quoted, 40 + kept, &back.v4, &sent,
			20 + kept);
}

static void test_errors(void **state)
{
	(void)state;
	static const unsigned int kept[] = { 8, 9, 16, 18, 20, 21, 68 };

	for (unsigned int i = 0; i < RTE_DIM(kept); i++) {
		check_errors(IPPROTO_TCP, kept[i]);
		check_errors(IPPROTO_UDP, kept[i]);
	}
}

/* A router that does not say the MTU: the next usual one below the quoted packet's length. */
static void test_plateaus(void **state)
{
	(void)state;
	static const struct {
		uint16_t len;
		uint32_t mtu;
	} lengths[] = { { 65535, 32020 }, { 9000, 8186 }, { 1500, 1512 }, { 1493, 1512 },
		{ 1492, 1280 }, { 1270, 1280 } };
	const struct two out = make_two(IPPROTO_TCP, 20, false);
	struct frame quoted, sent;

	for (unsigned int i = 0; i < RTE_DIM(lengths); i++) {
		const struct error_case c = { 3, 4, 0, 2, 0, lengths[i].mtu };
		const uint16_t l4_len = lengths[i].len - 20;

		frame_build(&quoted, &out.v4);
		quoted.b[quoted.l3 + 2] = (uint8_t)(lengths[i].len >> 8);
		quoted.b[quoted.l3 + 3] = (uint8_t)lengths[i].len;
		frame_build(&sent, &out.v6);
		/* IPv6 has no name for the very longest, and they were none of ours. */
		sent.b[sent.l3 + 4] = (uint8_t)(RTE_MIN(l4_len, 65495) >> 8);
		sent.b[sent.l3 + 5] = (uint8_t)RTE_MIN(l4_len, 65495);
		check_error(&c, ROUTER4, OURS, &quoted, 48, &out.v6, &sent, 68);
	}
}

/* Options and extension headers of the quoted packet and around it go. */
static void test_error_headers(void **state)
{
	(void)state;
	static const char fragment[8] = { IPPROTO_UDP, 0, 0, 1, 9, 9, 9, 9 };
	const struct error_case too_big = { 2, 0, 1400, 3, 4, 1372 }, port = { 3, 3, 0, 1, 4, 0 };
	struct two t = make_two(IPPROTO_UDP, 30, true);
	struct frame quoted, sent;

	/* The first fragment of what left us in fragments. */
	frame_build(&sent, &t.v4);
	set_id(&sent, 0, true);
	t.v6.ext = fragment;
	t.v6.ext_len = sizeof(fragment);
	t.v6.ext_type = IPPROTO_FRAGMENT;
	frame_build(&quoted, &t.v6);
	check_error(&too_big, ROUTER6, CLIENT, &quoted, 40 + 8 + 20, &t.v4, &sent, 40);

	t = make_two(IPPROTO_UDP, 30, false);
	frame_build(&sent, &t.v6);
	t.v4.ext = "\1\1\1\0";
	t.v4.ext_len = 4;
	frame_build(&quoted, &t.v4);
	check_error(&port, ROUTER4, OURS, &quoted, 24 + 20, &t.v6, &sent, 60);
}

/* RFC 4884: what follows the quoted packet is not the packet's. */
static void test_error_extensions(void **state)
{
	(void)state;
	const struct two out = make_two(IPPROTO_UDP, 20, false),
			 back = make_two(IPPROTO_UDP, 20, true);
	struct frame quoted, sent;
	struct error_case c = { 3, 3, 32 << 16, 1, 4, 0 };

	frame_build(&quoted, &out.v4);
	frame_build(&sent, &out.v6);
	memset(quoted.b + quoted.end, 0, 80); /* padding up to 128 */
	memset(quoted.b + quoted.l3 + 128, 0x20, 12);
	check_error(&c, ROUTER4, OURS, &quoted, 140, &out.v6, &sent, 68);
	/* It says more than there is. */
	check_error(&c, ROUTER4, OURS, &quoted, 40, &out.v6, &sent, 60);

	c = (struct error_case){ 3, 0, 16u << 24, 11, 0, 0 };
	frame_build(&quoted, &back.v6);
	frame_build(&sent, &back.v4);
	set_id(&sent, 0, true);
	memset(quoted.b + quoted.end, 0, 60);
	memset(quoted.b + quoted.l3 + 128, 0x20, 12);
	check_error(&c, ROUTER6, CLIENT, &quoted, 140, &back.v4, &sent, 48);
	/* No room for a packet in it: not a length. */
	c.rest = 1u << 24;
	check_error(&c, ROUTER6, CLIENT, &quoted, 68, &back.v4, &sent, 48);
}

/* An ICMPv6 error is no longer than 1280 bytes. */
static void test_error_length(void **state)
{
	(void)state;
	const struct two out = make_two(IPPROTO_TCP, 1400, false);
	const struct error_case c = { 3, 4, 1400, 2, 0, 1420 };
	struct frame quoted, sent;

	frame_build(&quoted, &out.v4);
	frame_build(&sent, &out.v6);
	check_error(&c, ROUTER4, OURS, &quoted, 1400, &out.v6, &sent, 1280 - 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_all_checksums),
		cmocka_unit_test(test_traffic_class),
		cmocka_unit_test(test_extension_headers_and_options),
		cmocka_unit_test(test_udp_without_checksum),
		cmocka_unit_test(test_udp_with_more_behind),
		cmocka_unit_test(test_splitting),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_plateaus),
		cmocka_unit_test(test_error_headers),
		cmocka_unit_test(test_error_extensions),
		cmocka_unit_test(test_error_length),
	};

	test_eal_init();
	pool = test_pool("translate", 63);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

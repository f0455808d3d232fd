/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Echo replies and ICMP errors from the frame that comes in to the frame that goes out, through
 * parse_burst() and net_output(). What is expected is built by tests/support/frame.c, not by the
 * code under test.
 */
#include "sending_lab.h"

#include "frame.h"
#include "parse.h"
#include "test_eal.h"

static struct rte_mempool *pool;
static char bucket[HASH_LINE];
static const struct hash_index hashing = { .key = { { 1, 2 } }, .lines = bucket };
static struct burst burst;

#define CLIENT_MAC 9

/* By family, 4 and 6: a client on wan, a virtual address, wan's own, and something to forward to.
 */
static const struct {
	const char *client, *virtual, *own, *server;
	uint8_t icmp, request, reply;
} net[2] = {
	{ "192.0.2.77", "192.0.2.10", "192.0.2.1", "198.51.100.5", IPPROTO_ICMP, 8, 0 },
	{ "2001:db8:1::77", "2001:db8:1::10", "2001:db8:1::1", "2001:db8:77::5", IPPROTO_ICMPV6,
		128, 129 },
};

static int setup(void **state)
{
	lab_open_with(pool, 1, 2, NULL);
	return 0;
}

static int teardown(void **state)
{
	lab_close();
	return 0;
}

/* The client's MAC becomes known on wan. */
static void meet_client(unsigned int v6)
{
	struct addr a = A(net[v6].client);

	neigh_need(lab.neigh, lab.control, WAN, &a);
	lab_step(1);
	lab_answer(net[v6].client, WAN, CLIENT_MAC);
	lab_step(1);
	lab_forget_sent();
}

static struct frame_spec from_client(unsigned int v6, const char *dst)
{
	struct frame_spec s = { .proto = net[v6].icmp,
		.src = net[v6].client,
		.dst = dst,
		.sport = 77,
		.dport = 1,
		.tcp_flags = net[v6].request,
		.payload = 56 };

	memcpy(s.smac, &(struct rte_ether_addr){ { 2, 0xaa, 0, 0, 0, CLIENT_MAC } }, 6);
	memcpy(s.dmac, &net_port(lab.table, WAN)->mac, 6);
	return s;
}

/* The same packet the other way round. */
static struct frame_spec answer_to(const struct frame_spec *q, unsigned int v6)
{
	struct frame_spec s = *q;

	s.src = q->dst;
	s.dst = q->src;
	s.tcp_flags = net[v6].reply;
	s.ttl = 64;
	s.ext_len = 0;
	memcpy(s.smac, q->dmac, 6);
	memcpy(s.dmac, q->smac, 6);
	return s;
}

static struct pkt *parse(struct rte_mbuf *m)
{
	lab.w[0]->now_ms = lab.now;
	parse_burst(lab.w[0], &hashing, &burst, &m, 1);
	return &burst.pkt[0];
}

/* What the pipeline does with an ICMP packet. */
static struct pkt *input(struct rte_mbuf *m)
{
	struct pkt *p = parse(m);

	assert_int_equal(p->verdict, PKT_ICMP);
	icmp_input(lab.w[0], &burst);
	net_output(lab.w[0], &burst);
	if (p->verdict == PKT_DROP)
		net_drop(lab.w[0], p->mbuf, (enum drop_reason)p->reason);
	net_flush(lab.w[0]);
	return p;
}

static void expect_sent(const struct frame *want, uint16_t nic)
{
	uint16_t got_nic;
	struct rte_mbuf *m = lab_next(&got_nic);
	uint8_t got[FRAME_MAX];

	assert_non_null(m);
	assert_int_equal(got_nic, nic);
	assert_int_equal(m->pkt_len, want->len);
	assert_memory_equal(rte_pktmbuf_read(m, 0, want->len, got), want->b, want->len);
	assert_null(lab_next(NULL));
}

static void expect_dropped(struct frame *f, enum drop_reason reason)
{
	const uint64_t before = lab_drops(reason);

	assert_int_equal(input(frame_mbuf(pool, f->b, f->len))->verdict, PKT_DROP);
	assert_int_equal(lab_drops(reason), before + 1);
	assert_null(lab_next(NULL));
}

/* ---- echo ----------------------------------------------------------------------------------- */

static void echo_is_answered(void **state)
{
	static const uint16_t payloads[] = { 0, 1, 2, 55, 56, 500, 1471 };
	struct frame q, r;

	for (unsigned int v6 = 0; v6 < 2; v6++) {
		meet_client(v6);
		for (unsigned int i = 0; i < 2 * RTE_DIM(payloads); i++) {
			struct frame_spec s =
				from_client(v6, i % 2 ? net[v6].own : net[v6].virtual);
			struct frame_spec a;

			s.payload = RTE_MIN(payloads[i / 2], (uint16_t)(v6 ? 1452 : 1472));
			a = answer_to(&s, v6);
			frame_build(&q, &s);
			frame_build(&r, &a);
			assert_int_equal(input(frame_mbuf(pool, q.b, q.len))->verdict, PKT_TAKEN);
			expect_sent(&r, WAN);
			assert_int_equal(
				input(frame_mbuf_split(pool, q.b, q.len, q.l4 + 8))->verdict,
				PKT_TAKEN);
			expect_sent(&r, WAN);
		}
	}
}

/* A reply of nothing but zeros has the checksum 0xffff. */
static void echo_of_zeros(void **state)
{
	static const uint16_t lengths[] = { 8, 9, 64 };
	struct rte_mbuf *m;
	struct frame q;
	uint16_t nic;

	meet_client(false);
	for (unsigned int i = 0; i < RTE_DIM(lengths); i++) {
		struct frame_spec s = from_client(false, net[0].own);
		const uint8_t *l4;

		s.payload = lengths[i] - 8;
		frame_build(&q, &s);
		memset(q.b + q.l4, 0, lengths[i]);
		q.b[q.l4] = 8;
		q.b[q.l4 + 2] = 0xf7;
		q.b[q.l4 + 3] = 0xff;
		assert_int_equal(input(frame_mbuf(pool, q.b, q.len))->verdict, PKT_TAKEN);
		m = lab_next(&nic);
		assert_non_null(m);
		l4 = rte_pktmbuf_mtod_offset(m, const uint8_t *, q.l4);
		assert_int_equal(l4[0], 0);
		assert_int_equal(l4[2] << 8 | l4[3], 0xffff);
	}
}

/* Options and extension headers stay behind; padding too. */
static void echo_reply_is_plain(void **state)
{
	static const char options[] = "\7\7\4\0\0\0\0\0";
	static const char headers[] = "\x3c\0\1\4\0\0\0\0\x3a\0\1\4\0\0\0\0";
	struct frame q, r;

	for (unsigned int v6 = 0; v6 < 2; v6++) {
		struct frame_spec s = from_client(v6, net[v6].virtual), a;

		meet_client(v6);
		s.ext = v6 ? headers : options;
		s.ext_len = v6 ? sizeof(headers) - 1 : sizeof(options) - 1;
		s.ext_type = 0;
		a = answer_to(&s, v6);
		frame_build(&q, &s);
		frame_build(&r, &a);
		assert_int_equal(input(frame_mbuf(pool, q.b, q.len + 11))->verdict, PKT_TAKEN);
		expect_sent(&r, WAN);
	}
}

/* Type of service, traffic class, identification and DF are the request's. */
static void echo_reply_keeps(void **state)
{
	struct frame q, r;

	for (unsigned int v6 = 0; v6 < 2; v6++) {
		struct frame_spec s = from_client(v6, net[v6].virtual), a = answer_to(&s, v6);

		meet_client(v6);
		frame_build(&q, &s);
		frame_build(&r, &a);
		for (struct frame *f = &q;; f = &r) {
			uint8_t *l3 = f->b + f->l3;

			if (v6) {
				l3[0] |= 0x0b;
				l3[1] |= 0x80;
			} else {
				l3[1] = 0xb8;
				l3[4] = 0xfe;
				l3[6] = 0x40;
			}
			frame_fix(f);
			if (f == &r)
				break;
		}
		assert_int_equal(input(frame_mbuf(pool, q.b, q.len))->verdict, PKT_TAKEN);
		expect_sent(&r, WAN);
	}
}

static void echo_on_a_vlan(void **state)
{
	struct frame q, r;
	struct frame_spec s = from_client(0, "192.0.2.10"), a;
	struct addr peer = A("10.7.0.9");
	struct rte_mbuf *m;

	neigh_need(lab.neigh, lab.control, V7, &peer);
	lab_step(1);
	{
		struct rte_ether_addr mac = M(CLIENT_MAC), own = net_port(lab.table, V7)->mac;
		uint8_t f[64];
		struct rte_mbuf *arp =
			lab_frame(f, lab_arp(f, &own, 2, mac, "10.7.0.9", "10.7.0.1"), V7);

		arp->vlan_tci = 7;
		arp->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		neigh_input(lab.neigh, lab.control, arp);
		lab_step(1);
		lab_forget_sent();
	}
	s.src = "10.7.0.9";
	s.vlan = 7;
	memcpy(s.dmac, &net_port(lab.table, V7)->mac, 6);
	a = answer_to(&s, 0);
	frame_build(&q, &s);
	frame_build(&r, &a);
	m = frame_mbuf(pool, q.b, q.len);
	m->port = V7;
	assert_int_equal(input(m)->verdict, PKT_TAKEN);
	expect_sent(&r, V7);
}

/* The asker's MAC is not known: the reply waits for it. */
static void echo_reply_waits(void **state)
{
	struct frame q, r;

	for (unsigned int v6 = 0; v6 < 2; v6++) {
		struct frame_spec s = from_client(v6, net[v6].virtual), a = answer_to(&s, v6);

		frame_build(&q, &s);
		frame_build(&r, &a);
		assert_int_equal(input(frame_mbuf(pool, q.b, q.len))->verdict, PKT_TAKEN);
		assert_null(lab_next(NULL));
		lab_step(1); /* the question goes out */
		assert_non_null(lab_next(NULL));
		lab_answer(net[v6].client, WAN, CLIENT_MAC);
		lab_step(1);
		expect_sent(&r, WAN);
	}
}

static void others_are_dropped(void **state)
{
	static const uint8_t types[2][6] = { { 0, 3, 5, 11, 13, 17 }, { 129, 1, 2, 3, 4, 139 } };
	struct frame f;

	for (unsigned int v6 = 0; v6 < 2; v6++) {
		struct frame_spec s = from_client(v6, net[v6].virtual);

		for (unsigned int i = 0; i < 6; i++) {
			s.tcp_flags = types[v6][i];
			frame_build(&f, &s);
			expect_dropped(&f, DROP_icmp_type);
		}
		s.tcp_flags = net[v6].request;
		frame_build(&f, &s);
		f.b[f.l4 + 1] = 1; /* a code that echo does not have */
		frame_fix(&f);
		expect_dropped(&f, DROP_icmp_type);
	}
}

static void echo_is_limited(void **state)
{
	struct frame_spec s = from_client(0, net[0].virtual);
	struct frame f;
	unsigned int sent = 0;

	meet_client(0);
	frame_build(&f, &s);
	for (unsigned int i = 0; i < 3000; i++)
		sent += input(frame_mbuf(pool, f.b, f.len))->verdict == PKT_TAKEN;
	assert_in_range(sent, 1, 2000);
	assert_int_equal(lab_drops(DROP_icmp_rate), 3000 - sent);
	lab_forget_sent();
	expect_dropped(&f, DROP_icmp_rate);
	for (unsigned int ms = 0; ms < 10; ms++) { /* a steady trickle is never refused */
		lab_step(1);
		assert_int_equal(input(frame_mbuf(pool, f.b, f.len))->verdict, PKT_TAKEN);
	}
	lab_pass(10000);
	lab_forget_sent();
	assert_int_equal(input(frame_mbuf(pool, f.b, f.len))->verdict, PKT_TAKEN);
}

/* ---- errors --------------------------------------------------------------------------------- */

static const struct {
	enum icmp_err what;
	uint16_t mtu;
	struct {
		uint8_t type, code;
	} message[2];
} errors[] = {
	{ ICMP_ERR_TOO_BIG, 1400, { { 3, 4 }, { 2, 0 } } },
	{ ICMP_ERR_TTL, 0, { { 11, 0 }, { 3, 0 } } },
	{ ICMP_ERR_PORT, 0, { { 3, 3 }, { 1, 4 } } },
	{ ICMP_ERR_HOST, 0, { { 3, 1 }, { 1, 3 } } },
	{ ICMP_ERR_REASSEMBLY, 0, { { 11, 1 }, { 3, 1 } } },
};

/* Reads the error that was sent about the packet in f: from is its source. */
static void expect_error(
	const struct frame *f, unsigned int v6, unsigned int what, const char *from)
{
	struct rte_mbuf *m = lab_next(NULL);
	const unsigned int ip_len = v6 ? 40 : 20, most = v6 ? 1280 : 576;
	const unsigned int l3_len = f->end - f->l3;
	const unsigned int quote = RTE_MIN(l3_len, most - ip_len - 8);
	const struct addr src = A(from), dst = A(net[v6].client);
	struct frame e = {
		.l3 = 14, .l4 = 14 + ip_len, .family = v6 ? 6 : 4, .proto = net[v6].icmp
	};
	const uint8_t *l3 = e.b + e.l3, *l4 = e.b + e.l4;

	assert_non_null(m);
	e.len = e.end = m->pkt_len;
	assert_int_equal(e.len, 14 + ip_len + 8 + quote);
	memcpy(e.b, rte_pktmbuf_mtod(m, void *), e.len);
	assert_true(frame_is_right(&e));
	assert_int_equal(l3[0] >> 4, v6 ? 6 : 4);
	assert_int_equal(l3[v6 ? 7 : 8], 64);
	assert_int_equal(l3[v6 ? 6 : 9], net[v6].icmp);
	assert_int_equal(l3[v6 ? 4 : 2] << 8 | l3[v6 ? 5 : 3], e.len - 14 - (v6 ? 40 : 0));
	assert_memory_equal(l3 + (v6 ? 8 : 12), v6 ? src.b : src.b + 12, v6 ? 16 : 4);
	assert_memory_equal(l3 + (v6 ? 24 : 16), v6 ? dst.b : dst.b + 12, v6 ? 16 : 4);
	assert_int_equal(l4[0], errors[what].message[v6].type);
	assert_int_equal(l4[1], errors[what].message[v6].code);
	assert_int_equal(l4[4] << 8 | l4[5], 0);
	assert_int_equal(l4[6] << 8 | l4[7], errors[what].mtu);
	assert_memory_equal(l4 + 8, f->b + f->l3, quote);
	assert_null(lab_next(NULL));
}

static void errors_quote(void **state)
{
	static const uint16_t payloads[] = { 0, 3, 500, 541, 1400 };
	struct frame f;

	for (unsigned int i = 0; i < 2 * RTE_DIM(errors) * RTE_DIM(payloads); i++) {
		const unsigned int v6 = i & 1, what = (i >> 1) % RTE_DIM(errors);
		struct frame_spec s = from_client(v6, net[v6].server);
		struct pkt *p;

		s.proto = i & 4 ? IPPROTO_UDP : IPPROTO_TCP;
		s.tcp_flags = TCP_SYN;
		s.payload = payloads[i / (2 * RTE_DIM(errors))];
		if (i < 2 * RTE_DIM(errors))
			meet_client(v6);
		frame_build(&f, &s);
		p = parse(i % 3 ? frame_mbuf(pool, f.b, f.len)
				: frame_mbuf_split(pool, f.b, f.len, RTE_MIN(f.l4 + 20, f.len)));
		assert_int_equal(p->verdict, PKT_GO);
		icmp_error(lab.w[0], p, errors[what].what, errors[what].mtu);
		net_flush(lab.w[0]);
		expect_error(&f, v6, what, net[v6].own);
		frame_free(p->mbuf);
	}
}

/* About a packet for an address of ours, the error comes from that address. */
static void errors_come_from_the_destination(void **state)
{
	struct frame f;

	for (unsigned int i = 0; i < 4; i++) {
		const unsigned int v6 = i & 1;
		const char *dst = i & 2 ? net[v6].own : net[v6].virtual;
		struct frame_spec s = from_client(v6, dst);
		struct pkt *p;

		s.proto = IPPROTO_UDP;
		meet_client(v6);
		frame_build(&f, &s);
		p = parse(frame_mbuf(pool, f.b, f.len));
		icmp_error(lab.w[0], p, ICMP_ERR_PORT, 0);
		net_flush(lab.w[0]);
		expect_error(&f, v6, 2, dst);
		frame_free(p->mbuf);
	}
}

/* Lets icmp_error() see the packet of a frame; whether anything was sent. */
static bool error_about(const struct frame_spec *s, void (*spoil)(struct pkt *p))
{
	struct frame f;
	struct pkt *p;
	bool sent;

	frame_build(&f, s);
	p = parse(frame_mbuf(pool, f.b, f.len));
	if (spoil)
		spoil(p);
	icmp_error(lab.w[0], p, ICMP_ERR_TTL, 0);
	net_flush(lab.w[0]);
	sent = lab_next(NULL) != NULL;
	lab_forget_sent();
	frame_free(p->mbuf);
	return sent;
}

static void no_port(struct pkt *p)
{
	p->port = NET_PORT_NONE;
}

static void from_nobody(struct pkt *p)
{
	memset(pkt_addrs(p), 0, p->family == 4 ? 4 : 16);
}

static void from_many(struct pkt *p)
{
	memset(pkt_addrs(p), 0xff, 1);
	if (p->family == 4)
		pkt_addrs(p)[0] = 224;
}

static void to_many(struct pkt *p)
{
	uint8_t *dst = pkt_addrs(p) + (p->family == 4 ? 4 : 16);

	dst[0] = p->family == 4 ? 239 : 0xff;
}

static void from_us(struct pkt *p)
{
	const struct addr own = A(net[p->family == 6].own);

	memcpy(pkt_addrs(p), p->family == 4 ? own.b + 12 : own.b, p->family == 4 ? 4 : 16);
}

static void errors_not_sent(void **state)
{
	static const uint8_t error_types[2][4] = { { 3, 4, 5, 11 }, { 1, 2, 3, 137 } };

	for (unsigned int v6 = 0; v6 < 2; v6++) {
		struct frame_spec s = from_client(v6, net[v6].server);

		meet_client(v6);
		s.tcp_flags = net[v6].request;
		assert_true(error_about(&s, NULL));
		for (unsigned int i = 0; i < 4; i++) {
			s.tcp_flags = error_types[v6][i];
			assert_false(error_about(&s, NULL));
		}
		s.proto = IPPROTO_UDP;
		assert_true(error_about(&s, NULL));
		assert_false(error_about(&s, no_port));
		assert_false(error_about(&s, from_nobody));
		assert_false(error_about(&s, from_many));
		assert_false(error_about(&s, to_many));
		assert_false(error_about(&s, from_us));
	}
}

/* Errors have a limit of their own, which echo requests do not use up. */
static void errors_are_limited(void **state)
{
	struct frame_spec s = from_client(0, net[0].server), e = from_client(0, net[0].virtual);
	struct frame f;
	unsigned int sent = 0;

	meet_client(0);
	frame_build(&f, &e);
	for (unsigned int i = 0; i < 1100; i++)
		input(frame_mbuf(pool, f.b, f.len));
	lab_forget_sent();
	s.proto = IPPROTO_UDP;
	for (unsigned int i = 0; i < 1000; i++)
		sent += error_about(&s, NULL);
	assert_in_range(sent, 50, 500);
	assert_false(error_about(&s, NULL));
	lab_step(5);
	assert_true(error_about(&s, NULL));
}

static void errors_without_buffers(void **state)
{
	struct frame_spec s = from_client(0, net[0].server);
	static struct rte_mbuf *all[4096];
	unsigned int n = 0;
	struct frame f;
	struct pkt *p;

	meet_client(0);
	s.proto = IPPROTO_UDP;
	frame_build(&f, &s);
	p = parse(frame_mbuf(pool, f.b, f.len));
	while (n < RTE_DIM(all) && (all[n] = rte_pktmbuf_alloc(pool)))
		n++;
	assert_in_range(n, 1, RTE_DIM(all) - 1);
	icmp_error(lab.w[0], p, ICMP_ERR_TTL, 0);
	net_flush(lab.w[0]);
	assert_null(lab_next(NULL));
	while (n > 0)
		rte_pktmbuf_free(all[--n]);
	frame_free(p->mbuf);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(echo_is_answered),
		TEST(echo_of_zeros),
		TEST(echo_reply_is_plain),
		TEST(echo_reply_keeps),
		TEST(echo_on_a_vlan),
		TEST(echo_reply_waits),
		TEST(others_are_dropped),
		TEST(echo_is_limited),
		TEST(errors_quote),
		TEST(errors_come_from_the_destination),
		TEST(errors_not_sent),
		TEST(errors_are_limited),
		TEST(errors_without_buffers),
	};

	test_eal_init();
	pool = test_pool("icmp", 4000);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

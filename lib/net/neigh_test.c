/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbours: every transition by time and by message, in both families, with a clock of the
 * test's. */
#include "sending_lab.h"
#include "test_eal.h"

static struct rte_mempool *pool;

static void lab_open(unsigned int workers, uint16_t txqs, const struct neigh_conf *conf)
{
	lab_open_with(pool, workers, txqs, conf);
}

static const struct {
	const char *peer, *other, *third; /* neighbours on lan */
	const char *own;                  /* lan's address */
} net[2] = {
	{ "10.0.0.9", "10.0.0.8", "10.0.0.7", "10.0.0.1" },
	{ "2001:db8:2::9", "2001:db8:2::8", "2001:db8:2::7", "2001:db8:2::1" },
};

static void need(const char *addr, uint8_t port)
{
	struct addr a = A(addr);

	neigh_need(lab.neigh, lab.control, port, &a);
	net_flush(lab.control);
}

/* The neighbour is in use: what net_resolve() notes of it. */
static void use(const char *addr, uint8_t port)
{
	struct addr a = A(addr);
	uint16_t adj = neigh_find(lab.neigh, port, &a);

	assert_int_not_equal(adj, ADJ_NONE);
	lab.w[0]->adj_used[adj] = lab.now;
}

static bool has_mac(const char *addr, uint8_t port, uint8_t mac)
{
	struct rte_ether_addr m = M(mac);
	struct addr a = A(addr);
	uint64_t word = neigh_word(lab.neigh, neigh_find(lab.neigh, port, &a));

	assert_int_equal(adj_word_port(word), port);
	return memcmp(&word, &m, 6) == 0;
}

/* Lets time pass until the state is reached; returns how long that took. used: by a packet each
 * step. */
static uint32_t wait_for(const char *addr, enum adj_state state, bool used)
{
	uint32_t ms;

	for (ms = 0; lab_state(LAN, addr) != state; ms += 20) {
		assert_true(ms < 60000);
		if (used)
			use(addr, LAN);
		lab_step(20);
	}
	return ms;
}

/* The next frame sent is a question for addr; returns whether it was to one station. */
static bool asked(const char *addr, uint8_t port)
{
	struct addr a = A(addr);
	uint16_t nic;
	struct rte_mbuf *m = lab_next(&nic);
	const uint8_t *f;

	if (!m)
		fail_msg("nothing was asked for %s", addr);
	f = rte_pktmbuf_mtod(m, const uint8_t *);
	assert_int_equal(nic, port);
	if (addr_is_v4(&a)) {
		assert_int_equal(m->pkt_len, 42);
		assert_int_equal(f[21], 1);
		assert_memory_equal(f + 38, a.b + 12, 4);
	} else {
		assert_int_equal(m->pkt_len, 86);
		assert_int_equal(f[54], 135);
		assert_memory_equal(f + 62, a.b, 16);
	}
	return !(f[0] & 1);
}

/* The bytes of the next frame sent, which must be there. */
static const uint8_t *next_bytes(void)
{
	struct rte_mbuf *m = lab_next(NULL);

	assert_non_null(m);
	return rte_pktmbuf_mtod(m, const uint8_t *);
}

static void quiet(void)
{
	assert_null(lab_next(NULL));
}

/* ---- questions ------------------------------------------------------------------------------ */

static void test_question_arp(void **state)
{
	static const uint8_t expected[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0xbb, 0, 0, 0,
		1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0xbb, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0,
		10, 0, 0, 9 };
	struct rte_mbuf *m;

	lab_open(1, 4, NULL);
	need("10.0.0.9", LAN);
	m = lab_next(NULL);
	assert_non_null(m);
	assert_int_equal(m->pkt_len, sizeof(expected));
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), expected, sizeof(expected));
	lab_close();
}

static void test_question_nd(void **state)
{
	uint8_t expected[128];
	const uint8_t *f;
	struct rte_ether_addr mac;
	struct rte_mbuf *m;
	size_t len;

	lab_open(1, 4, NULL);
	mac = net_port(lab.table, LAN)->mac;
	need("2001:db8:2::12:3456", LAN);
	m = lab_next(NULL);
	assert_non_null(m);
	len = lab_nd(expected, 135, 0, "2001:db8:2::1", "ff02::1:ff12:3456", "2001:db8:2::12:3456",
		0, &mac);
	memcpy(expected + 6, &mac, 6);
	assert_int_equal(m->pkt_len, len);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), expected, len);

	/* A link-local neighbour is asked from the port's link-local address. */
	need("fe80::77", LAN);
	f = next_bytes();
	assert_memory_equal(f + 22, net_port(lab.table, LAN)->link_local.b, 16);
	lab_close();
}

static void test_question_vlan(void **state)
{
	static const uint8_t tag[4] = { 0x81, 0, 0, 7 };
	struct rte_mbuf *m;

	lab_open(1, 4, NULL);
	need("10.7.0.9", V7);
	m = lab_next(NULL);
	assert_int_equal(m->pkt_len, 46);
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, void *, 12), tag, 4);
	assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[17], 6);
	lab.nic[V7].tx_offloads = NIC_TX_VLAN;
	need("10.7.0.8", V7);
	m = lab_next(NULL);
	assert_int_equal(m->pkt_len, 42);
	assert_true(m->ol_flags & RTE_MBUF_F_TX_VLAN);
	assert_int_equal(m->vlan_tci, 7);
	lab_close();
}

/* ---- by time -------------------------------------------------------------------------------- */

static void test_resolved(void **state)
{
	for (unsigned int v = 0; v < 2; v++) {
		lab_open(1, 4, NULL);
		need(net[v].peer, LAN);
		assert_int_equal(lab_state(LAN, net[v].peer), ADJ_INCOMPLETE);
		assert_false(asked(net[v].peer, LAN));
		/* Wanted again: asked no more than once. */
		need(net[v].peer, LAN);
		quiet();
		lab_answer(net[v].peer, LAN, 9);
		assert_int_equal(lab_state(LAN, net[v].peer), ADJ_REACHABLE);
		assert_true(has_mac(net[v].peer, LAN, 9));
		lab_pass(5000);
		quiet();
		/* On another port nobody knows it. */
		assert_int_equal(lab_state(WAN, net[v].peer), ADJ_FREE);
		lab_close();
	}
}

static void test_failed(void **state)
{
	lab_open(1, 4, NULL);
	for (unsigned int v = 0; v < 2; v++) {
		unsigned int questions = 0;

		need(net[v].peer, LAN);
		for (unsigned int ms = 0; ms < 2900; ms += 100) {
			assert_int_equal(lab_state(LAN, net[v].peer), ADJ_INCOMPLETE);
			lab_step(100);
		}
		while (lab.seen < lab.n_sent)
			questions += !asked(net[v].peer, LAN);
		assert_int_equal(questions, 3);
		wait_for(net[v].peer, ADJ_FAILED, false);
		/* Nobody wants it: nobody asks. */
		lab_pass(20000);
		quiet();
		/* Wanted: asked again, with a longer pause each time, up to a limit. */
		assert_in_range(wait_for(net[v].peer, ADJ_INCOMPLETE, true), 0, 1100);
		for (unsigned int i = 0; i < 3; i++) {
			uint32_t pause = i ? 4000 : 2000;

			assert_in_range(wait_for(net[v].peer, ADJ_FAILED, true), 2900, 3300);
			assert_int_equal(lab.n_sent - lab.seen, 3);
			lab.seen = lab.n_sent;
			assert_in_range(
				wait_for(net[v].peer, ADJ_INCOMPLETE, true), pause, pause + 200);
		}
		lab_answer(net[v].peer, LAN, 4);
		assert_int_equal(lab_state(LAN, net[v].peer), ADJ_REACHABLE);
		lab.seen = lab.n_sent;
	}
	lab_close();
}

/* A failed neighbour that speaks is one again, wanted or not. */
static void test_failed_speaks(void **state)
{
	uint8_t f[128];

	lab_open(1, 4, NULL);
	need(net[0].peer, LAN);
	lab_pass(3500);
	assert_int_equal(lab_state(LAN, net[0].peer), ADJ_FAILED);
	lab_input(f, lab_arp(f, NULL, 1, M(9), net[0].peer, net[0].own), LAN);
	assert_int_equal(lab_state(LAN, net[0].peer), ADJ_STALE);
	assert_true(has_mac(net[0].peer, LAN, 9));
	lab_close();
}

static void test_refresh(void **state)
{
	lab_open(1, 4, NULL);
	for (unsigned int v = 0; v < 2; v++) {
		need(net[v].peer, LAN);
		lab_answer(net[v].peer, LAN, 9);
		lab.seen = lab.n_sent;
		lab_pass(20000);
		use(net[v].peer, LAN);
		quiet();
		/* In use: asked at once, itself alone, and still sent to. */
		assert_in_range(wait_for(net[v].peer, ADJ_STALE, false), 10000, 10600);
		assert_true(has_mac(net[v].peer, LAN, 9));
		assert_true(asked(net[v].peer, LAN));
		lab_answer(net[v].peer, LAN, 9);
		assert_int_equal(lab_state(LAN, net[v].peer), ADJ_REACHABLE);
		/* Not used since: not asked, but known. */
		wait_for(net[v].peer, ADJ_STALE, false);
		lab_pass(5000);
		quiet();
		/* Used again: itself first, then all, then no more packets for it. */
		assert_in_range(wait_for(net[v].peer, ADJ_FAILED, true), 3000, 4400);
		assert_true(asked(net[v].peer, LAN));
		assert_false(asked(net[v].peer, LAN));
		assert_false(asked(net[v].peer, LAN));
		quiet();
		/* Its last use was before it failed. */
		lab_pass(5000);
		quiet();
	}
	lab_close();
}

/* A silent MAC in constant use is not sent to for longer than the refresh and the retries. */
static void test_silence_bound(void **state)
{
	uint32_t ms = 0;

	lab_open(1, 4, NULL);
	need(net[0].peer, LAN);
	lab_answer(net[0].peer, LAN, 9);
	while (lab_state(LAN, net[0].peer) != ADJ_FAILED && ms < 100000) {
		use(net[0].peer, LAN);
		lab_step(10);
		ms += 10;
	}
	/* The wheel rounds by up to a 63rd. */
	assert_in_range(ms, 33000, 30000 + 3 * 1000 + 700);
	lab_close();
}

static void test_unused_collected(void **state)
{
	struct neigh_info info[8];
	uint32_t cursor = 0, epoch;

	lab_open(1, 4, NULL);
	need(net[0].peer, LAN);
	lab_answer(net[0].peer, LAN, 9);
	need(net[1].peer, LAN);
	epoch = neigh_epoch(lab.neigh);
	lab_pass(100000);
	use(net[0].peer, LAN);
	lab_answer(net[0].peer, LAN, 9);
	lab_pass(50000);
	/* The failed one is gone, the one used lately is not. */
	assert_int_equal(neigh_list(lab.neigh, &cursor, info, 8), 1);
	assert_int_equal(cursor, 0);
	assert_int_equal(info[0].used_ms, 50000);
	assert_int_equal(info[0].port, LAN);
	assert_int_equal(neigh_epoch(lab.neigh), epoch + 1);
	lab_pass(200000);
	assert_int_equal(neigh_list(lab.neigh, &cursor, info, 8), 0);
	assert_int_equal(neigh_epoch(lab.neigh), epoch + 2);
	lab_close();
}

/* ---- by message ----------------------------------------------------------------------------- */

static void test_mac_change(void **state)
{
	struct rte_ether_addr m7 = M(7), m6 = M(6), m5 = M(5);
	uint8_t f[128];

	lab_open(1, 4, NULL);
	for (unsigned int v = 0; v < 2; v++) {
		need(net[v].peer, LAN);
		lab_answer(net[v].peer, LAN, 9);
		lab.seen = lab.n_sent;
		/* Gratuitous, request form; unsolicited with override. */
		if (v == 0)
			lab_input(f, lab_arp(f, NULL, 1, m7, net[0].peer, net[0].peer), LAN);
		else
			lab_input(f,
				lab_nd(f, 136, 0x20, net[1].peer, "ff02::1", net[1].peer, 7, &m7),
				LAN);
		assert_true(has_mac(net[v].peer, LAN, 7));
		assert_int_equal(lab_state(LAN, net[v].peer), ADJ_STALE);
		quiet();
		/* It is checked once it is used. */
		lab_step(20);
		use(net[v].peer, LAN);
		lab_pass(1100);
		assert_true(asked(net[v].peer, LAN));
		lab_answer(net[v].peer, LAN, 7);
		assert_int_equal(lab_state(LAN, net[v].peer), ADJ_REACHABLE);
		/* Gratuitous, answer form; a question that tells another MAC. */
		if (v == 0)
			lab_input(f, lab_arp(f, NULL, 2, m6, net[0].peer, net[0].peer), LAN);
		else
			lab_input(f,
				lab_nd(f, 135, 0, net[1].peer, "ff02::1:ff00:1", net[1].own, 6,
					&m6),
				LAN);
		assert_true(has_mac(net[v].peer, LAN, 6));
		lab.seen = lab.n_sent;
	}
	/* RFC 4861, 7.2.5: without override the MAC stays, and is doubted. */
	lab_answer(net[1].peer, LAN, 6);
	need(net[1].other, LAN);
	lab_answer(net[1].other, LAN, 8);
	lab.seen = lab.n_sent;
	lab_step(20);
	use(net[1].other, LAN);
	lab_step(20);
	lab_input(f, lab_nd(f, 136, 0, net[1].other, "ff02::1", net[1].other, 5, &m5), LAN);
	assert_true(has_mac(net[1].other, LAN, 8));
	assert_int_equal(lab_state(LAN, net[1].other), ADJ_STALE);
	lab_pass(100);
	assert_true(asked(net[1].other, LAN));
	/* An answer without MAC confirms the one that is known. */
	lab_input(f, lab_nd(f, 136, 0x40, net[1].other, net[1].own, net[1].other, 8, NULL), LAN);
	assert_int_equal(lab_state(LAN, net[1].other), ADJ_REACHABLE);
	/* A question from a known MAC changes nothing; nor does an answer nobody asked for. */
	lab_pass(31000);
	lab.seen = lab.n_sent;
	assert_int_equal(lab_state(LAN, net[0].peer), ADJ_STALE);
	lab_answer(net[0].peer, LAN, 6);
	assert_int_equal(lab_state(LAN, net[0].peer), ADJ_STALE);
	lab_close();
}

static void test_unknown_not_learnt(void **state)
{
	struct rte_ether_addr m9 = M(9), bad = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	static const struct rte_ether_addr zero;
	uint8_t f[128];

	lab_open(1, 4, NULL);
	/* An answer to no question. */
	lab_answer(net[0].peer, LAN, 9);
	lab_answer(net[1].peer, LAN, 9);
	assert_int_equal(lab_state(LAN, net[0].peer), ADJ_FREE);
	assert_int_equal(lab_state(LAN, net[1].peer), ADJ_FREE);
	/* A question for another host. */
	lab_input(f, lab_arp(f, NULL, 1, M(9), net[0].peer, net[0].other), LAN);
	assert_int_equal(lab_state(LAN, net[0].peer), ADJ_FREE);
	/* A question to us from a host that cannot be there: answered (it costs nothing), not
	 * learnt. */
	lab_input(f, lab_arp(f, NULL, 1, M(9), "10.0.1.9", net[0].own), LAN);
	assert_int_equal(lab_state(LAN, "10.0.1.9"), ADJ_FREE);
	lab_input(f, lab_arp(f, NULL, 1, M(9), "10.0.0.255", net[0].own), LAN);
	assert_int_equal(lab_state(LAN, "10.0.0.255"), ADJ_FREE);
	lab_input(f, lab_arp(f, NULL, 1, M(9), "0.0.0.0", net[0].own), LAN);
	assert_int_equal(lab_state(LAN, "0.0.0.0"), ADJ_FREE);
	lab_input(f, lab_nd(f, 135, 0, "2001:db8:9::9", "ff02::1:ff00:1", net[1].own, 9, &m9), LAN);
	assert_int_equal(lab_state(LAN, "2001:db8:9::9"), ADJ_FREE);
	/* MACs that no station has. */
	need(net[0].peer, LAN);
	lab_input(f, lab_arp(f, NULL, 2, bad, net[0].peer, net[0].own), LAN);
	lab_input(f, lab_arp(f, NULL, 2, zero, net[0].peer, net[0].own), LAN);
	assert_int_equal(lab_state(LAN, net[0].peer), ADJ_INCOMPLETE);
	assert_int_equal(lab_drops(DROP_arp_invalid), 2);
	need(net[1].peer, LAN);
	lab_input(f, lab_nd(f, 136, 0x60, net[1].peer, net[1].own, net[1].peer, 9, &bad), LAN);
	assert_int_equal(lab_state(LAN, net[1].peer), ADJ_INCOMPLETE);
	assert_int_equal(lab_drops(DROP_nd_invalid), 1);
	/* The right question does make it known, to be checked when it is used. */
	lab_input(f, lab_arp(f, NULL, 1, M(8), net[0].other, net[0].own), LAN);
	assert_int_equal(lab_state(LAN, net[0].other), ADJ_STALE);
	lab_input(f, lab_nd(f, 135, 0, "fe80::8", "ff02::1:ff00:1", net[1].own, 9, &m9), LAN);
	assert_int_equal(lab_state(LAN, "fe80::8"), ADJ_STALE);
	/* On-link by a route that says so. */
	lab_input(f, lab_arp(f, NULL, 1, M(8), "203.0.113.4", "10.7.0.1"), LAN);
	assert_int_equal(lab_state(LAN, "203.0.113.4"), ADJ_FREE);
	f[16] = 0;
	lab_close();
}

static void test_malformed(void **state)
{
	struct rte_ether_addr m9 = M(9);
	uint8_t f[128], g[128];
	size_t len;

	lab_open(1, 4, NULL);
	len = lab_arp(f, NULL, 1, M(9), net[0].peer, net[0].own);
	for (unsigned int i = 14; i < 22; i++) {
		memcpy(g, f, len);
		g[i] ^= 0x10;
		lab_input(g, len, LAN);
	}
	lab_input(f, 41, LAN);
	assert_int_equal(lab_drops(DROP_arp_invalid), 9);
	lab_input(f, 13, LAN);
	assert_int_equal(lab_drops(DROP_frame_short), 1);

	len = lab_nd(f, 135, 0, net[1].peer, "ff02::1:ff00:1", net[1].own, 9, &m9);
	static const unsigned int at[] = { 18 /* length */, 19, 21 /* hop limit */, 55 /* code */,
		56 /* checksum */, 63 /* target */, 79 /* option length */ };
	for (unsigned int i = 0; i < RTE_DIM(at); i++) {
		memcpy(g, f, len);
		g[at[i]] ^= 0x04;
		lab_input(g, len, LAN);
	}
	assert_int_equal(lab_drops(DROP_nd_invalid), RTE_DIM(at));
	lab_input(f, 77, LAN);
	assert_int_equal(lab_drops(DROP_punt_unwanted), 1);
	/* Well summed and still wrong. */
	len = lab_nd(f, 135, 0, "::", net[1].own, net[1].own, 9, NULL);
	lab_input(f, len, LAN);
	len = lab_nd(f, 135, 0, "::", "ff02::1:ff00:1", net[1].own, 9, &m9);
	lab_input(f, len, LAN);
	len = lab_nd(f, 135, 0, net[1].peer, "ff02::1:ff00:1", "ff02::5", 9, &m9);
	lab_input(f, len, LAN);
	len = lab_nd(f, 136, 0x60, net[1].peer, "ff02::1", net[1].peer, 9, &m9);
	lab_input(f, len, LAN);
	assert_int_equal(lab_drops(DROP_nd_invalid), RTE_DIM(at) + 4);
	/* Router advertisements and the like. */
	len = lab_nd(f, 134, 0, "fe80::1", "ff02::1", net[1].own, 9, &m9);
	lab_input(f, len, LAN);
	assert_int_equal(lab_drops(DROP_punt_unwanted), 2);
	lab_input(f, lab_arp(f, NULL, 1, M(9), "10.7.0.9", "10.7.0.1"), V7);
	assert_int_equal(lab_drops(DROP_wrong_vlan), 1);
	quiet();
	lab_close();
}

/* ---- answers -------------------------------------------------------------------------------- */

static bool answered_arp(const char *target, uint16_t nic)
{
	struct rte_ether_addr m9 = M(9);
	struct addr t = A(target);
	uint8_t f[128];
	uint16_t out;
	struct rte_mbuf *m;

	lab_input(f, lab_arp(f, NULL, 1, m9, "192.0.2.77", target), nic);
	m = lab_next(&out);
	if (!m)
		return false;
	const uint8_t *a = rte_pktmbuf_mtod(m, const uint8_t *);
	struct addr asker = A("192.0.2.77");

	assert_int_equal(out, nic);
	assert_memory_equal(a, &m9, 6);
	assert_memory_equal(a + 6, &net_port(lab.table, (uint8_t)nic)->mac, 6);
	assert_int_equal(a[21], 2);
	assert_memory_equal(a + 22, a + 6, 6);
	assert_memory_equal(a + 28, t.b + 12, 4);
	assert_memory_equal(a + 32, &m9, 6);
	assert_memory_equal(a + 38, asker.b + 12, 4);
	return true;
}

static void test_answers_arp(void **state)
{
	lab_open(1, 4, NULL);
	assert_true(answered_arp("192.0.2.1", WAN));
	assert_false(answered_arp("192.0.2.1", LAN));
	assert_true(answered_arp("192.0.2.10", WAN));
	assert_false(answered_arp("192.0.2.10", LAN));
	assert_true(answered_arp("203.0.113.200", LAN));
	assert_false(answered_arp("192.0.2.11", WAN));
	lab_close();
}

/* RFC 5227, 2.1.1: somebody is about to take our address. */
static void test_answers_arp_probe(void **state)
{
	const uint8_t *a;
	uint8_t f[128];

	lab_open(1, 4, NULL);
	lab_input(f, lab_arp(f, NULL, 1, M(9), "0.0.0.0", "192.0.2.10"), WAN);
	a = next_bytes();
	assert_int_equal(a[21], 2);
	assert_int_equal(a[31], 10);
	lab_close();
}

static void test_answers_arp_vlan(void **state)
{
	static const uint8_t tag[4] = { 0x81, 0, 0x60, 7 };
	uint8_t f[128], g[128];
	struct rte_mbuf *m;
	size_t len;

	lab_open(1, 4, NULL);
	len = lab_arp(f, NULL, 1, M(9), "10.7.0.9", "10.7.0.1");
	memcpy(g, f, 12);
	memcpy(g + 12, tag, 4);
	memcpy(g + 16, f + 12, len - 12);
	lab_input(g, len + 4, V7);
	m = lab_next(NULL);
	assert_non_null(m);
	assert_int_equal(m->pkt_len, 46);
	assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[15], 7);
	assert_int_equal(lab_state(V7, "10.7.0.9"), ADJ_STALE);
	/* The tag taken off by the nic. */
	m = lab_frame(f, len, V7);
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 7;
	neigh_input(lab.neigh, lab.control, m);
	net_flush(lab.control);
	assert_non_null(lab_next(NULL));
	lab_close();
}

static void test_answers_nd(void **state)
{
	struct rte_ether_addr m9 = M(9), own;
	uint8_t f[128], expected[128];
	char link_local[ADDR_TEXT];
	struct rte_mbuf *m;
	size_t len;

	lab_open(1, 4, NULL);
	own = net_port(lab.table, WAN)->mac;
	/* A port's address: solicited, override, router. */
	lab_input(f, lab_nd(f, 135, 0, "2001:db8:1::9", "ff02::1:ff00:1", "2001:db8:1::1", 9, &m9),
		WAN);
	m = lab_next(NULL);
	assert_non_null(m);
	len = lab_nd(
		expected, 136, 0xe0, "2001:db8:1::1", "2001:db8:1::9", "2001:db8:1::1", 0, &own);
	memcpy(expected, &m9, 6);
	memcpy(expected + 6, &own, 6);
	assert_int_equal(m->pkt_len, len);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), expected, len);
	/* A virtual one: a host. Without the MAC option the frame's source is answered. */
	lab_input(f,
		lab_nd(f, 135, 0, "2001:db8:1::9", "2001:db8:1::10", "2001:db8:1::10", 9, NULL),
		WAN);
	m = lab_next(NULL);
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[58], 0x60);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), &m9, 6);
	/* A probe for duplicates: to all, not solicited. */
	lab_input(f, lab_nd(f, 135, 0, "::", "ff02::1:ff00:10", "2001:db8:1::10", 9, NULL), WAN);
	m = lab_next(NULL);
	assert_non_null(m);
	len = lab_nd(expected, 136, 0x20, "2001:db8:1::10", "ff02::1", "2001:db8:1::10", 0, &own);
	memcpy(expected + 6, &own, 6);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), expected, len);
	/* The link-local address, of this port alone. */
	addr_format(&net_port(lab.table, WAN)->link_local, link_local);
	lab_input(f, lab_nd(f, 135, 0, "fe80::9", "ff02::1:ff00:0", link_local, 9, &m9), WAN);
	assert_non_null(lab_next(NULL));
	lab_input(f, lab_nd(f, 135, 0, "fe80::9", "ff02::1:ff00:0", link_local, 9, &m9), LAN);
	lab_input(f,
		lab_nd(f, 135, 0, "2001:db8:2::9", "ff02::1:ff00:10", "2001:db8:1::10", 9, &m9),
		LAN);
	quiet();
	lab_close();
}

static void test_conflict(void **state)
{
	struct rte_ether_addr m9 = M(9), own;
	const uint8_t *a;
	uint8_t f[128];
	struct rte_mbuf *m;

	lab_open(1, 4, NULL);
	/* A server of a DR service that speaks from the virtual address. */
	lab_input(f, lab_arp(f, NULL, 1, M(9), "192.0.2.10", "192.0.2.254"), WAN);
	m = lab_next(NULL);
	assert_non_null(m);
	a = rte_pktmbuf_mtod(m, const uint8_t *);
	assert_int_equal(a[0], 0xff);
	assert_memory_equal(a + 28, a + 38, 4);
	assert_int_equal(a[41], 10);
	assert_int_equal(lab_state(WAN, "192.0.2.10"), ADJ_FREE);
	/* Again: silence for ten seconds. */
	lab_input(f, lab_arp(f, NULL, 2, M(9), "192.0.2.10", "192.0.2.254"), WAN);
	lab_pass(9000);
	lab_input(f, lab_arp(f, NULL, 1, M(9), "192.0.2.10", "192.0.2.10"), WAN);
	quiet();
	lab_pass(1100);
	lab_input(f, lab_arp(f, NULL, 1, M(9), "192.0.2.10", "192.0.2.10"), WAN);
	assert_non_null(lab_next(NULL));
	/* Others join in: that is the same conflict. */
	lab_input(f, lab_arp(f, NULL, 1, M(8), "192.0.2.10", "192.0.2.10"), WAN);
	quiet();
	/* Who claims our address is answered all the same, and not learnt. */
	lab_input(f, lab_arp(f, NULL, 1, M(8), "192.0.2.10", "192.0.2.1"), WAN);
	assert_int_equal(next_bytes()[21], 2);
	quiet();
	/* IPv6: somebody answers for us. */
	lab_input(f, lab_nd(f, 136, 0x20, "2001:db8:1::10", "ff02::1", "2001:db8:1::10", 9, &m9),
		WAN);
	m = lab_next(NULL);
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[54], 136);
	/* Our own frame in a loop is none. */
	own = net_port(lab.table, WAN)->mac;
	lab_input(f, lab_arp(f, NULL, 1, own, "192.0.2.1", "192.0.2.1"), WAN);
	quiet();
	lab_close();

	/* A flood of them is not answered by another. */
	struct addr virtuals[200];

	lab_open(1, 4, NULL);
	for (unsigned int i = 0; i < 200; i++)
		virtuals[i] = addr_from_v4(rte_cpu_to_be_32(0xc0000214 + i));
	lab_change_table(lab_table(virtuals, 200));
	for (unsigned int i = 0; i < 200; i++) {
		char text[ADDR_TEXT];

		addr_format(&virtuals[i], text);
		lab_input(f, lab_arp(f, NULL, 1, M((uint8_t)i), text, text), WAN);
	}
	assert_int_equal(lab.n_sent, 16);
	lab_close();
}

/* ---- room ----------------------------------------------------------------------------------- */

static const char *nth(char text[ADDR_TEXT], unsigned int i)
{
	snprintf(text, ADDR_TEXT, "2001:db8:2::%x:%x", 1 + (i + 1) / 65536, (i + 1) % 65536);
	return text;
}

static void test_flood(void **state)
{
	struct neigh_conf conf = neigh_defaults;
	struct rte_ether_addr m9 = M(9);
	char text[ADDR_TEXT];
	uint8_t f[128];

	conf.max = 64;
	lab_open(1, 4, &conf);
	for (unsigned int i = 0; i < 40; i++) {
		need(nth(text, i), LAN);
		lab_answer(nth(text, i), LAN, (uint8_t)(i + 1));
	}
	/* Strangers ask us for something, as fast as they can, for a minute; those we talk to
	 * answer. */
	for (unsigned int s = 0; s < 600; s++) {
		for (unsigned int i = 0; i < 40; i++) {
			use(nth(text, i), LAN);
			if (s % 5 == 0)
				lab_answer(nth(text, i), LAN, (uint8_t)(i + 1));
		}
		for (unsigned int i = 0; i < 100; i++) {
			nth(text, 1000 + 100 * s + i);
			lab_input(f, lab_nd(f, 135, 0, text, "ff02::1:ff00:1", net[1].own, 9, &m9),
				LAN);
		}
		/* ... and want to be found. */
		for (unsigned int i = 0; i < 100; i++)
			need(nth(text, 0x7000 + 100 * s + i), LAN);
		lab_step(100);
		lab_forget_sent();
	}
	for (unsigned int i = 0; i < 40; i++) {
		assert_true(lab_state(LAN, nth(text, i)) == ADJ_REACHABLE ||
			    lab_state(LAN, nth(text, i)) == ADJ_STALE);
		assert_true(has_mac(nth(text, i), LAN, (uint8_t)(i + 1)));
	}
	lab_close();
}

/* A full table makes room: what failed first, then what was used least lately. */
static void test_make_room(void **state)
{
	struct neigh_conf conf = neigh_defaults;
	char text[ADDR_TEXT];
	unsigned int got = 0;

	conf.max = 64;
	lab_open(1, 4, &conf);
	for (unsigned int i = 0; i < 64; i++) {
		need(nth(text, i), LAN);
		lab_answer(nth(text, i), LAN, 9);
		use(nth(text, i), LAN);
		/* The later ones are used later. */
		lab_step(1000);
	}
	lab_forget_sent();
	for (unsigned int i = 24; i < 64; i++)
		use(nth(text, i), LAN);
	/* Everybody answers: no failures. */
	for (unsigned int s = 0; s < 100 && got < 4; s++) {
		for (unsigned int i = 0; i < 64; i++)
			lab_answer(nth(text, i), LAN, 9);
		got = 0;
		for (unsigned int i = 0; i < 4; i++) {
			need(nth(text, 100 + i), LAN);
			got += lab_state(LAN, nth(text, 100 + i)) != ADJ_FREE;
		}
		lab_step(100);
		lab_forget_sent();
	}
	assert_int_equal(got, 4);
	for (unsigned int i = 24; i < 64; i++)
		assert_int_not_equal(lab_state(LAN, nth(text, i)), ADJ_FREE);
	lab_close();
}

/* A forgotten slot is not used again while a worker may still look at it, and the epoch says so. */
static void test_reuse(void **state)
{
	struct neigh_conf conf = neigh_defaults;
	char text[ADDR_TEXT];
	struct addr first = A("2001:db8:2::1:1");
	uint32_t epoch;
	uint16_t adj;

	conf.max = 8;
	lab_open(2, 4, &conf);
	for (unsigned int i = 0; i < 8; i++)
		need(nth(text, i), LAN);
	adj = neigh_find(lab.neigh, LAN, &first);
	assert_int_not_equal(adj, ADJ_NONE);
	epoch = neigh_epoch(lab.neigh);
	lab_pass(4000); /* all failed */
	need(nth(text, 100), LAN);
	assert_int_equal(lab_state(LAN, nth(text, 100)), ADJ_FREE);

	/* Polls of the control core, while worker 1 is in the middle of a burst. */
	for (unsigned int i = 0; i < 100; i++) {
		lab.now += 10;
		lab.control->now_ms = lab.now;
		neigh_poll(lab.neigh, lab.control, lab.now);
		rcu_quiescent(lab.rcu, 0);
		rcu_reclaim(lab.rcu);
		need(nth(text, 100 + i), LAN);
		assert_int_equal(lab_state(LAN, nth(text, 100 + i)), ADJ_FREE);
		assert_true(adj_word_state(neigh_word(lab.neigh, adj)) == ADJ_FAILED ||
			    neigh_word(lab.neigh, adj) == 0);
	}
	assert_true(neigh_epoch(lab.neigh) > epoch);
	rcu_quiescent(lab.rcu, 1);
	rcu_reclaim(lab.rcu);
	need(nth(text, 7), LAN);
	need(nth(text, 300), LAN);
	assert_int_equal(lab_state(LAN, nth(text, 300)), ADJ_INCOMPLETE);
	lab_close();
}

/* ---- announcements -------------------------------------------------------------------------- */

static void test_announce(void **state)
{
	unsigned int v4 = 0, v6 = 0, virt = 0;
	struct rte_mbuf *m;
	uint16_t nic;

	lab_open(1, 4, NULL);
	neigh_announce(lab.neigh, WAN);
	for (unsigned int round = 0; round < 3; round++) {
		lab_step(10);
		while ((m = lab_next(&nic))) {
			const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);

			assert_int_equal(nic, WAN);
			assert_memory_equal(f + 6, &net_port(lab.table, WAN)->mac, 6);
			if (f[12] == 8) {
				v4++;
				assert_int_equal(f[0], 0xff);
				assert_int_equal(f[21], 1);
				assert_memory_equal(f + 28, f + 38, 4);
				virt += f[31] == 10;
			} else {
				v6++;
				assert_int_equal(f[0], 0x33);
				assert_int_equal(f[54], 136);
				assert_int_equal(f[58] & 0x60, 0x20);
				assert_memory_equal(f + 22, f + 62, 16);
			}
		}
		/* .1, .10 and the one that is on no port; ::1, ::10 and the link-local one. */
		assert_int_equal(v4, 3 * (round + 1));
		assert_int_equal(v6, 3 * (round + 1));
		assert_int_equal(virt, round + 1);
		lab_pass(900);
		quiet();
		lab_step(90);
	}
	lab_pass(5000);
	quiet();
	lab_close();
}

static void test_announce_many(void **state)
{
	enum { N = 3000 };
	static struct addr virtuals[N];
	unsigned int polls = 0;

	lab_open(1, 4, NULL);
	for (unsigned int i = 0; i < N; i++)
		virtuals[i] = addr_from_v4(rte_cpu_to_be_32(0xcb710000 + 2 + i));
	lab_change_table(lab_table(virtuals, N));
	neigh_announce(lab.neigh, WAN);
	while (lab.n_sent < 3 * (N + 3)) {
		unsigned int before = lab.n_sent;

		lab_step(50);
		assert_true(lab.n_sent - before <= 256);
		assert_true(++polls < 200);
	}
	lab_pass(3000);
	assert_int_equal(lab.n_sent, 3 * (N + 3));
	assert_int_equal(lab_drops(DROP_tx_full), 0);
	lab_close();
}

/* ---- the table of ports changes ------------------------------------------------------------- */

static void test_table_changed(void **state)
{
	struct prefix addresses[1];
	struct port_conf ports[2] = { 0 };
	struct net_conf conf = { .ports = ports, .n_ports = 2 };
	struct faults faults = { 0 };

	lab_open(1, 4, NULL);
	need("192.0.2.9", WAN);
	need("10.0.0.9", LAN);
	need("10.0.0.200", LAN);
	need("10.7.0.9", V7);
	need("fe80::9", LAN);
	/* wan is another device now, lan's network is smaller, v7 is gone. */
	assert_int_equal(prefix_parse("10.0.0.1/25", true, &addresses[0]), 0);
	ports[0].nic = 2;
	ports[1].nic = 1;
	ports[1].addresses = addresses;
	ports[1].n_addresses = 1;
	lab_change_table(net_table_build(&conf, lab.table, &faults));
	neigh_table_changed(lab.neigh, lab.control);
	assert_int_equal(lab_state(WAN, "192.0.2.9"), ADJ_FREE);
	assert_int_equal(lab_state(LAN, "10.0.0.9"), ADJ_INCOMPLETE);
	assert_int_equal(lab_state(LAN, "10.0.0.200"), ADJ_FREE);
	assert_int_equal(lab_state(V7, "10.7.0.9"), ADJ_FREE);
	assert_int_equal(lab_state(LAN, "fe80::9"), ADJ_INCOMPLETE);
	assert_int_equal(
		neigh_epoch(lab.neigh), 4); /* three forgotten, and routes that may be others */
	lab_pass(5000);
	lab_close();
}

static void test_refused(void **state)
{
	struct neigh_conf conf = neigh_defaults;

	conf.workers = 1;
	conf.max = ADJ_NONE;
	assert_null(neigh_create(&conf, NULL));
	conf.max = 100;
	conf.retries = 0;
	assert_null(neigh_create(&conf, NULL));

	lab_open(1, 4, NULL);
	need("10.0.0.1", LAN);  /* ourselves */
	need("224.0.0.5", LAN); /* nobody */
	need("10.0.0.9", 3);    /* nowhere */
	lab_pass(1000);
	quiet();
	lab_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_question_arp),
		cmocka_unit_test(test_question_nd),
		cmocka_unit_test(test_question_vlan),
		cmocka_unit_test(test_resolved),
		cmocka_unit_test(test_failed),
		cmocka_unit_test(test_failed_speaks),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_silence_bound),
		cmocka_unit_test(test_unused_collected),
		cmocka_unit_test(test_mac_change),
		cmocka_unit_test(test_unknown_not_learnt),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_answers_arp),
		cmocka_unit_test(test_answers_arp_probe),
		cmocka_unit_test(test_answers_arp_vlan),
		cmocka_unit_test(test_answers_nd),
		cmocka_unit_test(test_conflict),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_make_room),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_announce),
		cmocka_unit_test(test_announce_many),
		cmocka_unit_test(test_table_changed),
		cmocka_unit_test(test_refused),
	};

	test_eal_init();
	pool = test_pool("lab", 16383);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

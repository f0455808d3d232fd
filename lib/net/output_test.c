/* SPDX-License-Identifier: BSD-3-Clause */
/* The way out: link headers, MTU, nics that are full, down or shared, and packets that wait. */
#include "sending_lab.h"
#include "test_eal.h"

static struct rte_mempool *pool;

static struct {
	unsigned int n;
	enum icmp_err what;
	uint16_t mtu;
} icmp; /* what icmp_error() was asked for */

/* Instead of icmp.c's. */
void icmp_error(struct net_worker *w, const struct pkt *p, enum icmp_err what, uint16_t mtu)
{
	icmp.n++;
	icmp.what = what;
	icmp.mtu = mtu;
}

static void lab_open(unsigned int workers, uint16_t txqs, const struct neigh_conf *conf)
{
	lab_open_with(pool, workers, txqs, conf);
	memset(&icmp, 0, sizeof(icmp));
}

/* The payload's first byte tells packets apart. */
#define MARK_AT 60 /* from the IP header on: both families have it */

/* A packet as parse.c leaves it, its link header l2 bytes long, with IP header at l3. */
static struct rte_mbuf *packet(
	struct pkt *p, uint8_t family, uint16_t l2, uint16_t l3_len, uint8_t mark)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *b;

	assert_non_null(m);
	b = (uint8_t *)rte_pktmbuf_append(m, l2 + l3_len);
	assert_non_null(b);
	memset(b, 0xee, l2);
	memset(b + l2, 0, l3_len);
	b[l2] = family == 4 ? 0x45 : 0x60;
	if (l3_len > MARK_AT)
		b[l2 + MARK_AT] = mark;
	m->port = 0;
	*p = (struct pkt){ .mbuf = m,
		.l3 = b + l2,
		.l3_len = l3_len,
		.family = family,
		.verdict = PKT_GO,
		.port = WAN };
	return m;
}

static uint8_t mark_of(const struct rte_mbuf *m)
{
	return *rte_pktmbuf_mtod_offset(m, const uint8_t *, 14 + MARK_AT);
}

/* A neighbour that is known. */
static void know(const char *text, uint8_t port, uint8_t mac)
{
	struct addr a = A(text);

	neigh_need(lab.neigh, lab.control, port, &a);
	net_flush(lab.control);
	net_flush(lab.w[0]);
	lab_answer(text, port, mac);
	lab_step(0);
	lab_forget_sent();
	assert_int_equal(lab_state(port, text), ADJ_REACHABLE);
}

/* Through net_resolve() and net_output(), as the pipeline does; returns what became of it. */
static enum pkt_verdict push(struct net_worker *w, const struct pkt *from, const char *to)
{
	struct burst b = { .n = 1 };
	struct addr dst = A(to);
	struct pkt *p = &b.pkt[0];

	*p = *from;
	p->adj = net_resolve(w, p, &dst);
	if (p->adj != ADJ_NONE)
		p->verdict = PKT_SEND;
	else if (p->verdict == PKT_DROP)
		net_drop(w, p->mbuf, p->reason);
	enum pkt_verdict verdict = p->verdict;
	net_output(w, &b);
	return verdict;
}

static enum pkt_verdict push4(struct net_worker *w, const char *to, uint8_t mark)
{
	struct pkt p;

	packet(&p, 4, 14, 100, mark);
	return push(w, &p, to);
}

/* ---- link headers --------------------------------------------------------------------------- */

static void test_header(void **state)
{
	static const uint8_t v4[14] = { 2, 0xaa, 0, 0, 0, 9, 2, 0xbb, 0, 0, 0, 1, 8, 0 };
	static const uint8_t v6[14] = { 2, 0xaa, 0, 0, 0, 8, 2, 0xbb, 0, 0, 0, 1, 0x86, 0xdd };
	struct rte_mbuf *m;
	struct pkt p;
	uint16_t nic;

	lab_open(1, 2, NULL);
	know("10.0.0.9", LAN, 9);
	know("2001:db8:2::8", LAN, 8);
	/* Untagged in; 20 bytes of padding are cut. */
	packet(&p, 4, 14, 100, 1);
	p.l3_len = 80;
	assert_int_equal(push(lab.w[0], &p, "10.0.0.9"), PKT_SEND);
	/* Tagged in. */
	packet(&p, 6, 18, 200, 2);
	assert_int_equal(push(lab.w[0], &p, "2001:db8:2::8"), PKT_SEND);
	assert_int_equal(lab.n_sent, 0);
	assert_int_equal(net_flush(lab.w[0]), 2);

	m = lab_next(&nic);
	assert_int_equal(nic, LAN);
	assert_int_equal(m->pkt_len, 94);
	assert_int_equal(m->data_len, 94);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), v4, 14);
	assert_int_equal(mark_of(m), 1);
	m = lab_next(&nic);
	assert_int_equal(m->pkt_len, 214);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), v6, 14);
	assert_int_equal(mark_of(m), 2);
	assert_int_equal(lab.w[0]->port[LAN].tx_packets, 2);
	assert_int_equal(lab.w[0]->port[LAN].tx_bytes, 94 + 214);
	lab_close();
}

static void test_vlan(void **state)
{
	static const uint8_t soft4[18] = { 2, 0xaa, 0, 0, 0, 9, 2, 0xbb, 0, 0, 0, 2, 0x81, 0, 0, 7,
		8, 0 };
	static const uint8_t soft6[18] = { 2, 0xaa, 0, 0, 0, 8, 2, 0xbb, 0, 0, 0, 2, 0x81, 0, 0, 7,
		0x86, 0xdd };
	static const uint8_t hard[14] = { 2, 0xaa, 0, 0, 0, 9, 2, 0xbb, 0, 0, 0, 2, 8, 0 };
	struct rte_mbuf *m;
	struct pkt p;

	lab_open(1, 2, NULL);
	know("10.7.0.9", V7, 9);
	know("2001:db8:7::8", V7, 8);
	packet(&p, 4, 14, 100, 1);
	push(lab.w[0], &p, "10.7.0.9");
	packet(&p, 6, 18, 100, 1);
	push(lab.w[0], &p, "2001:db8:7::8");
	lab.nic[V7].tx_offloads = NIC_TX_VLAN;
	m = packet(&p, 4, 14, 100, 1);
	m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	push(lab.w[0], &p, "10.7.0.9");
	net_flush(lab.w[0]);

	m = lab_next(NULL);
	assert_int_equal(m->pkt_len, 118);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), soft4, 18);
	m = lab_next(NULL);
	assert_int_equal(m->pkt_len, 118);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), soft6, 18);
	m = lab_next(NULL);
	assert_int_equal(m->pkt_len, 114);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), hard, 14);
	assert_true(m->ol_flags & RTE_MBUF_F_TX_VLAN);
	assert_int_equal(m->vlan_tci, 7);
	assert_int_equal(m->l2_len, 14);
	lab_close();
}

static void test_segments(void **state)
{
	struct rte_mbuf *m, *tail;
	struct pkt p;

	lab_open(1, 2, NULL);
	know("10.0.0.9", LAN, 9);
	for (unsigned int i = 0; i < 2; i++) {
		lab.nic[LAN].tx_offloads = i ? NIC_TX_MULTI_SEG : 0;
		m = packet(&p, 4, 18, 100, 3);
		tail = rte_pktmbuf_alloc(pool);
		memset(rte_pktmbuf_append(tail, 500), 0x77, 500);
		assert_int_equal(rte_pktmbuf_chain(m, tail), 0);
		p.l3_len = 600;
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
		m->l3_len = 20;
		push(lab.w[0], &p, "10.0.0.9");
		net_flush(lab.w[0]);
	}
	/* One mbuf for a port that sends no chains. */
	m = lab_next(NULL);
	assert_int_equal(m->pkt_len, 614);
	assert_int_equal(m->nb_segs, 1);
	assert_int_equal(mark_of(m), 3);
	assert_true(m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM);
	assert_int_equal(m->l2_len, 14);
	assert_int_equal(m->l3_len, 20);
	assert_int_equal(*rte_pktmbuf_mtod_offset(m, uint8_t *, 113), 0);
	assert_int_equal(*rte_pktmbuf_mtod_offset(m, uint8_t *, 114), 0x77);
	assert_int_equal(*rte_pktmbuf_mtod_offset(m, uint8_t *, 613), 0x77);
	m = lab_next(NULL);
	assert_int_equal(m->pkt_len, 614);
	assert_int_equal(m->data_len, 114);
	assert_int_equal(m->next->data_len, 500);
	lab_close();
}

static void test_mtu(void **state)
{
	struct pkt p;

	lab_open(1, 2, NULL);
	know("10.0.0.9", LAN, 9);
	know("2001:db8:2::8", LAN, 8);
	know("192.0.2.9", WAN, 7);
	/* lan has its own, 1400. */
	packet(&p, 4, 14, 1400, 1);
	push(lab.w[0], &p, "10.0.0.9");
	packet(&p, 4, 14, 1401, 1);
	p.l3[6] = 0x40;
	push(lab.w[0], &p, "10.0.0.9");
	assert_int_equal(icmp.n, 1);
	assert_int_equal(icmp.what, ICMP_ERR_TOO_BIG);
	assert_int_equal(icmp.mtu, 1400);
	packet(&p, 6, 14, 1401, 1);
	push(lab.w[0], &p, "2001:db8:2::8");
	assert_int_equal(icmp.n, 2);
	/* wan has the nic's. */
	packet(&p, 4, 14, 1500, 1);
	push(lab.w[0], &p, "192.0.2.9");
	packet(&p, 4, 14, 1501, 1);
	p.l3[6] = 0x40;
	push(lab.w[0], &p, "192.0.2.9");
	assert_int_equal(icmp.mtu, 1500);
	assert_int_equal(lab_drops(DROP_too_big), 3);
	net_flush(lab.w[0]);
	assert_int_equal(lab.n_sent, 2);
	lab_close();
}

/* ---- where to ------------------------------------------------------------------------------- */

static void test_route(void **state)
{
	struct pkt p;
	uint16_t nic;

	lab_open(1, 2, NULL);
	know("192.0.2.254", WAN, 1);
	know("10.0.0.254", LAN, 2);
	know("203.0.113.5", V7, 3);
	know("fe80::5", LAN, 4);
	push4(lab.w[0], "8.8.8.8", 1);     /* default */
	push4(lab.w[0], "198.18.77.1", 2); /* static */
	push4(lab.w[0], "203.0.113.5", 3); /* on-link by a route */
	packet(&p, 6, 14, 100, 4);         /* back to a link-local address */
	p.port = LAN;
	assert_int_equal(push(lab.w[0], &p, "fe80::5"), PKT_SEND);
	packet(&p, 6, 14, 100, 5);
	p.port = NET_PORT_NONE;
	assert_int_equal(push(lab.w[0], &p, "fe80::5"), PKT_DROP);
	assert_int_equal(lab_drops(DROP_no_route), 1);
	net_flush(lab.w[0]);

	assert_int_equal(rte_pktmbuf_mtod(lab.sent[0].m, uint8_t *)[5], 1);
	assert_int_equal(rte_pktmbuf_mtod(lab.sent[1].m, uint8_t *)[5], 2);
	assert_int_equal(rte_pktmbuf_mtod(lab.sent[2].m, uint8_t *)[5], 4);
	assert_int_equal(rte_pktmbuf_mtod(lab.sent[3].m, uint8_t *)[5], 3);
	lab_next(&nic);
	assert_int_equal(nic, WAN);
	/* Where it went is noted as in use. */
	struct addr gw = A("192.0.2.254");
	assert_int_equal(lab.w[0]->adj_used[neigh_find(lab.neigh, WAN, &gw)], lab.now);
	lab_close();
}

/* ---- nics ----------------------------------------------------------------------------------- */

static void test_link_down(void **state)
{
	lab_open(1, 2, NULL);
	know("10.0.0.9", LAN, 9);
	lab.nic[LAN].up = false;
	for (unsigned int i = 0; i < 40; i++)
		push4(lab.w[0], "10.0.0.9", 1);
	net_flush(lab.w[0]);
	assert_int_equal(lab.n_sent, 0);
	assert_int_equal(lab_drops(DROP_link_down), 40);
	lab.nic[LAN].up = true;
	push4(lab.w[0], "10.0.0.9", 1);
	net_flush(lab.w[0]);
	assert_int_equal(lab.n_sent, 1);
	lab_close();
}

/* What does not fit is offered once more, in its order, then dropped. */
static void test_tx_full(void **state)
{
	lab_open(1, 2, NULL);
	know("10.0.0.9", LAN, 9);
	lab.room = 2;
	for (uint8_t i = 1; i <= 5; i++)
		push4(lab.w[0], "10.0.0.9", i);
	net_flush(lab.w[0]); /* 1 2; 3 4 5 tried */
	push4(lab.w[0], "10.0.0.9", 6);
	net_flush(lab.w[0]); /* 3 4; 5 dropped, 6 tried */
	assert_int_equal(lab_drops(DROP_tx_full), 1);
	net_flush(lab.w[0]);
	net_flush(lab.w[0]);
	assert_int_equal(lab.n_sent, 5);
	assert_int_equal(mark_of(lab.sent[2].m), 3);
	assert_int_equal(mark_of(lab.sent[3].m), 4);
	assert_int_equal(mark_of(lab.sent[4].m), 6);
	assert_int_equal(lab_drops(DROP_tx_full), 1);

	/* Nothing at all goes: the buffer fills, is tried, and then the newest are dropped. */
	lab.room = 0;
	for (unsigned int i = 0; i < 2 * BURST_MAX; i++)
		push4(lab.w[0], "10.0.0.9", 9);
	assert_int_equal(lab.w[0]->tx[LAN].n + lab_drops(DROP_tx_full), 2 * BURST_MAX + 1);
	net_flush(lab.w[0]);
	net_flush(lab.w[0]);
	assert_int_equal(lab_drops(DROP_tx_full), 2 * BURST_MAX + 1);
	lab_close();
}

/* Three workers and the control core on nics with one and two queues. */
static void test_rings(void **state)
{
	static const uint16_t txqs[] = { 1, 2 };

	for (unsigned int t = 0; t < RTE_DIM(txqs); t++) {
		unsigned int by_queue[2] = { 0 };

		lab_open(3, txqs[t], NULL);
		know("10.0.0.9", LAN, 9);
		know("192.0.2.9", WAN, 8);
		for (unsigned int i = 0; i < lab.n; i++)
			for (unsigned int k = 0; k < 4; k++) {
				push4(lab.w[i], "10.0.0.9", (uint8_t)(16 * i + k));
				push4(lab.w[i], "192.0.2.9", (uint8_t)(16 * i + k));
			}
		for (unsigned int i = lab.n; i-- > 0;)
			net_flush(lab.w[i]);
		for (unsigned int i = 0; i < lab.n; i++)
			net_flush(lab.w[i]);
		assert_int_equal(lab.n_sent, 8 * lab.n);
		for (unsigned int i = 0; i < lab.n_sent; i++) {
			uint8_t mac = rte_pktmbuf_mtod(lab.sent[i].m, uint8_t *)[5];

			/* The packet's nic did not get lost in the ring. */
			assert_int_equal(lab.sent[i].nic, mac == 9 ? LAN : WAN);
			by_queue[lab.sent[i].queue]++;
			assert_int_equal(
				(mark_of(lab.sent[i].m) >> 4) % txqs[t], lab.sent[i].queue);
		}
		assert_int_equal(by_queue[0], 8 * lab.n / txqs[t]);
		/* Rings stand only where a packet can go. */
		assert_null(lab.w[0]->tx_out[1]);
		assert_null(lab.w[3]->tx_out[2]);
		assert_int_equal(lab.w[1]->tx_out[0] != NULL, txqs[t] == 1);
		lab_close();
	}
}

static void test_ring_full(void **state)
{
	lab_open(2, 1, NULL);
	know("10.0.0.9", LAN, 9);
	/* The owner does not come round. */
	for (unsigned int i = 0; i < 3000; i++) {
		push4(lab.w[1], "10.0.0.9", 1);
		net_flush(lab.w[1]);
	}
	assert_true(lab_drops(DROP_tx_full) > 1000);
	for (unsigned int i = 0; i < 100; i++) {
		net_flush(lab.w[0]);
		net_flush(lab.w[1]);
	}
	assert_int_equal(lab.n_sent + lab_drops(DROP_tx_full), 3000);
	/* What is left in a ring at the end is freed. */
	push4(lab.w[1], "10.0.0.9", 1);
	net_flush(lab.w[1]);
	lab_close();
}

/* ---- waiting -------------------------------------------------------------------------------- */

static unsigned int questions(void)
{
	unsigned int n = 0;
	struct rte_mbuf *m;

	while ((m = lab_next(NULL))) {
		const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);

		n += f[12] == 8 && f[13] == 6 && f[21] == 1;
	}
	return n;
}

static void test_hold_order(void **state)
{
	lab_open(1, 2, NULL);
	for (uint8_t i = 1; i <= 10; i++)
		assert_int_equal(push4(lab.w[0], "10.0.0.9", i), PKT_TAKEN);
	push4(lab.w[0], "10.0.0.8", 99);
	assert_int_equal(lab.w[0]->held, 11);
	lab_step(1);
	lab_step(1);
	/* Asked once for each. */
	assert_int_equal(questions(), 2);
	/* Known by name now, still without an answer. */
	push4(lab.w[0], "10.0.0.9", 11);
	lab_step(200);
	assert_int_equal(questions(), 0);
	assert_int_equal(lab.w[0]->held, 12);

	lab_answer("10.0.0.9", LAN, 9);
	lab_forget_sent();
	lab.control->now_ms = lab.now;
	/* The answer was seen by lab_answer()'s flush; a newer packet comes after those that
	 * waited. */
	push4(lab.w[0], "10.0.0.9", 12);
	assert_int_equal(lab.w[0]->held, 1);
	net_flush(lab.w[0]);
	lab_close();

	/* The same without a flush in between: net_output() lets them out first. */
	lab_open(1, 2, NULL);
	for (uint8_t i = 1; i <= 5; i++)
		push4(lab.w[0], "10.0.0.9", i);
	lab_step(1);
	lab_forget_sent();
	struct rte_ether_addr own = net_port(lab.table, LAN)->mac;
	uint8_t f[128];
	size_t len = lab_arp(f, &own, 2, M(9), "10.0.0.9", "10.0.0.1");

	neigh_input(lab.neigh, lab.control, lab_frame(f, len, LAN));
	push4(lab.w[0], "10.0.0.9", 6);
	net_flush(lab.w[0]);
	assert_int_equal(lab.n_sent, 6);
	for (unsigned int i = 0; i < 6; i++) {
		assert_int_equal(mark_of(lab.sent[i].m), i + 1);
		assert_int_equal(rte_pktmbuf_mtod(lab.sent[i].m, uint8_t *)[5], 9);
	}
	lab_close();
}

static void test_hold_bounds(void **state)
{
	struct neigh_conf conf = neigh_defaults;
	char text[ADDR_TEXT];

	conf.hold_max = 20;
	conf.hold_each = 8;
	lab_open(1, 2, &conf);
	for (unsigned int i = 0; i < 10; i++)
		push4(lab.w[0], "10.0.0.9", 1);
	assert_int_equal(lab_drops(DROP_hold_full), 2);
	for (unsigned int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "10.0.0.%u", 100 + i);
		push4(lab.w[0], text, 1);
	}
	assert_int_equal(lab_drops(DROP_hold_full), 2 + 8);
	assert_int_equal(lab.w[0]->held, 20);
	/* One resolves: room for others. */
	lab_step(10);
	lab_answer("10.0.0.9", LAN, 9);
	assert_int_equal(lab.w[0]->held, 12);
	push4(lab.w[0], "10.0.0.130", 1);
	assert_int_equal(lab.w[0]->held, 13);
	lab_pass(6000);
	assert_int_equal(lab.w[0]->held, 0);
	assert_int_equal(lab_drops(DROP_neigh_unresolved), 13);
	lab_close();
}

/* Without room a packet that has waited for long makes some, and not one that came just now. */
static void test_hold_displaces(void **state)
{
	struct neigh_conf conf = neigh_defaults;
	char text[ADDR_TEXT];

	conf.hold_max = 20;
	lab_open(1, 2, &conf);
	for (unsigned int i = 0; i < 10; i++)
		push4(lab.w[0], "10.0.0.9", (uint8_t)i);
	lab_pass(150);
	for (unsigned int i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "10.0.0.%u", 100 + i);
		push4(lab.w[0], text, 1);
	}
	assert_int_equal(lab_drops(DROP_hold_full), 0);
	for (unsigned int i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "10.0.0.%u", 110 + i);
		push4(lab.w[0], text, 1);
	}
	assert_int_equal(lab_drops(DROP_hold_full), 4);
	assert_int_equal(lab.w[0]->held, 20);
	/* The last six are still there, in order. */
	lab_forget_sent();
	lab_answer("10.0.0.9", LAN, 9);
	assert_int_equal(lab.n_sent, 6);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(mark_of(lab.sent[i].m), 4 + i);
	/* A group of which nothing is left ends. */
	for (unsigned int i = 0; i < 6; i++)
		push4(lab.w[0], "10.0.0.130", 1);
	assert_int_equal(lab_drops(DROP_hold_full), 4);
	push4(lab.w[0], "10.0.0.131", 1);
	assert_int_equal(lab_drops(DROP_hold_full), 5);
	lab_pass(150);
	for (unsigned int i = 0; i < 20; i++)
		push4(lab.w[0], "10.0.0.132", 1);
	assert_int_equal(lab_drops(DROP_hold_full), 5 + 20);
	lab_pass(6000);
	assert_int_equal(lab.w[0]->held, 0);
	lab_close();
}

static void test_hold_failure(void **state)
{
	struct addr peer = A("10.0.0.9");
	struct burst b = { .n = 1 };
	uint16_t adj;

	lab_open(1, 2, NULL);
	push4(lab.w[0], "10.0.0.9", 1);
	lab_pass(2900);
	assert_int_equal(lab.w[0]->held, 1);
	lab_pass(400);
	assert_int_equal(lab.w[0]->held, 0);
	assert_int_equal(lab_drops(DROP_neigh_unresolved), 1);
	assert_int_equal(lab_state(LAN, "10.0.0.9"), ADJ_FAILED);
	/* Failed: dropped at once, and that says that it is wanted again. */
	assert_int_equal(push4(lab.w[0], "10.0.0.9", 2), PKT_DROP);
	assert_int_equal(lab_drops(DROP_neigh_unresolved), 2);
	questions();
	lab_pass(1200);
	assert_int_equal(questions(), 1);
	/* A flow that has cached the number waits as well, or is dropped. */
	adj = neigh_find(lab.neigh, LAN, &peer);
	packet(&b.pkt[0], 4, 14, 100, 3);
	b.pkt[0].verdict = PKT_SEND;
	b.pkt[0].adj = adj;
	net_output(lab.w[0], &b);
	assert_int_equal(b.pkt[0].verdict, PKT_TAKEN);
	assert_int_equal(lab.w[0]->held, 1);
	lab_pass(3300);
	packet(&b.pkt[0], 4, 14, 100, 3);
	b.pkt[0].verdict = PKT_SEND;
	net_output(lab.w[0], &b);
	assert_int_equal(lab_drops(DROP_neigh_unresolved), 4);
	/* A number that nobody has. */
	packet(&b.pkt[0], 4, 14, 100, 3);
	b.pkt[0].verdict = PKT_SEND;
	b.pkt[0].adj = ADJ_NONE;
	net_output(lab.w[0], &b);
	assert_int_equal(lab_drops(DROP_neigh_unresolved), 5);
	lab_close();
}

/* The control core never comes round: packets do not wait for ever, and wishes are few. */
static void test_hold_alone(void **state)
{
	lab_open(1, 2, NULL);
	for (unsigned int i = 0; i < 600; i++) {
		lab.w[0]->now_ms = lab.now += 5;
		push4(lab.w[0], "10.0.0.9", 1);
		net_flush(lab.w[0]);
	}
	/* One wish at once, then one every 100 ms. */
	assert_in_range(rte_ring_count(neigh_shared(lab.neigh)->wish[0]), 20, 31);
	for (unsigned int i = 0; i < 400; i++) {
		lab.w[0]->now_ms = lab.now += 5;
		net_flush(lab.w[0]);
	}
	assert_int_equal(lab.w[0]->held, 0);
	assert_int_equal(lab_drops(DROP_neigh_unresolved) + lab_drops(DROP_hold_full), 600);
	lab_close();
}

/* Many neighbours wait: a look is cut into slices, and all go out in the end. */
static void test_hold_many(void **state)
{
	char text[ADDR_TEXT];

	lab_open(1, 2, NULL);
	for (unsigned int i = 2; i < 202; i++) {
		snprintf(text, sizeof(text), "10.0.0.%u", i);
		push4(lab.w[0], text, (uint8_t)i);
	}
	assert_int_equal(lab.w[0]->held, 200);
	lab_step(10);
	lab_forget_sent();
	for (unsigned int i = 2; i < 202; i++) {
		struct rte_ether_addr own = net_port(lab.table, LAN)->mac;
		uint8_t f[128];

		snprintf(text, sizeof(text), "10.0.0.%u", i);
		size_t len = lab_arp(f, &own, 2, M((uint8_t)i), text, "10.0.0.1");
		neigh_input(lab.neigh, lab.control, lab_frame(f, len, LAN));
	}
	lab_forget_sent();
	net_flush(lab.w[0]);
	assert_in_range(lab.n_sent, 1, 64);
	for (unsigned int i = 0; i < 20; i++)
		net_flush(lab.w[0]);
	/* 10.0.0.10 is a virtual address of ours: nobody else's. */
	assert_int_equal(lab.n_sent, 199);
	assert_int_equal(lab.w[0]->held, 1);
	for (unsigned int i = 0; i < lab.n_sent; i++)
		assert_int_equal(
			mark_of(lab.sent[i].m), rte_pktmbuf_mtod(lab.sent[i].m, uint8_t *)[5]);
	lab_pass(5000);
	assert_int_equal(lab.w[0]->held, 0);
	lab_close();
}

static void test_table_full(void **state)
{
	struct neigh_conf conf = neigh_defaults;
	char text[ADDR_TEXT];

	conf.max = 8;
	lab_open(1, 2, &conf);
	for (unsigned int i = 0; i < 12; i++) {
		snprintf(text, sizeof(text), "10.0.0.%u", 100 + i);
		push4(lab.w[0], text, 1);
	}
	lab_step(10);
	/* Eight are asked for; now it is known that there is no room. */
	assert_int_equal(push4(lab.w[0], "10.0.0.200", 1), PKT_DROP);
	assert_int_equal(lab_drops(DROP_neigh_table_full), 1);
	assert_int_equal(push4(lab.w[0], "10.0.0.100", 1), PKT_TAKEN);
	lab_pass(6000);
	assert_int_equal(lab.w[0]->held, 0);
	lab_close();
}

/* ---- packets of our own --------------------------------------------------------------------- */

static void test_send(void **state)
{
	struct addr to = A("10.0.0.9"), nowhere = A("fe80::9");
	struct rte_mbuf *m;
	struct pkt p;

	lab_open(1, 2, NULL);
	know("10.0.0.9", LAN, 9);
	net_send(lab.w[0], packet(&p, 4, 0, 100, 1), 0, &to);
	net_send(lab.w[0], packet(&p, 4, 14, 100, 1), 14, &to);
	m = packet(&p, 4, 14, 1401, 1);
	p.l3[6] = 0x40;
	net_send(lab.w[0], m, 14, &to);
	net_send(lab.w[0], packet(&p, 6, 14, 100, 1), 14, &nowhere);
	net_flush(lab.w[0]);
	assert_int_equal(lab.n_sent, 2);
	while ((m = lab_next(NULL)))
		assert_int_equal(m->pkt_len, 114);
	assert_int_equal(lab_drops(DROP_too_big), 1);
	assert_int_equal(lab_drops(DROP_no_route), 1);
	assert_int_equal(icmp.n, 0);
	/* No headroom for a tag. */
	m = packet(&p, 4, 14, 100, 1);
	rte_pktmbuf_prepend(m, rte_pktmbuf_headroom(m));
	net_send_frame(lab.w[0], m, V7);
	assert_int_equal(lab_drops(DROP_no_mbuf), 1);
	lab_close();
}

static void test_send_by(void **state)
{
	struct addr to = A("10.0.0.9"), other = A("10.0.0.8"), nowhere = A("fe80::9");
	uint16_t adj = ADJ_NONE, unknown = ADJ_NONE;
	struct rte_mbuf *m;
	struct pkt p;

	lab_open(1, 2, NULL);
	know("10.0.0.9", LAN, 9);
	for (uint8_t i = 1; i <= 3; i++)
		net_send_by(lab.w[0], packet(&p, 4, 0, 100, i), &to, &adj);
	assert_int_equal(adj, neigh_find(lab.neigh, LAN, &to));
	/* It waits, and then goes before what is sent later. */
	net_send_by(lab.w[0], packet(&p, 4, 0, 100, 4), &other, &unknown);
	assert_int_equal(unknown, ADJ_NONE);
	assert_int_equal(lab.w[0]->held, 1);
	net_flush(lab.w[0]);
	assert_int_equal(lab.n_sent, 3);
	for (uint8_t i = 1; i <= 3; i++) {
		m = lab_next(NULL);
		assert_int_equal(m->pkt_len, 114);
		assert_int_equal(rte_pktmbuf_mtod(m, uint8_t *)[5], 9);
		assert_int_equal(mark_of(m), i);
	}
	know("10.0.0.8", LAN, 8);
	assert_int_equal(lab.w[0]->held, 0);

	/* Where the way is known, it is noted as in use; the rest is as with net_send(). */
	lab_step(1000);
	m = packet(&p, 4, 0, 1401, 1);
	p.l3[6] = 0x40;
	net_send_by(lab.w[0], m, &to, &adj);
	assert_int_equal(lab.w[0]->adj_used[adj], lab.now);
	assert_int_equal(lab_drops(DROP_too_big), 1);
	net_send_by(lab.w[0], packet(&p, 6, 0, 100, 1), &nowhere, &unknown);
	assert_int_equal(lab_drops(DROP_no_route), 1);
	lab_close();
}

static void test_punt(void **state)
{
	void *m = NULL;
	struct pkt p;

	lab_open(1, 2, NULL);
	lab_step(1000);
	for (unsigned int i = 0; i < 1500; i++)
		net_punt(lab.w[0], packet(&p, 4, 14, 60, 1));
	assert_int_equal(lab_drops(DROP_punt_rate), 500);
	lab_step(10);
	for (unsigned int i = 0; i < 150; i++)
		net_punt(lab.w[0], packet(&p, 4, 14, 60, 1));
	assert_int_equal(lab_drops(DROP_punt_rate), 550);
	lab_step(1000);
	for (unsigned int i = 0; i < 1000; i++)
		net_punt(lab.w[0], packet(&p, 4, 14, 60, 1));
	assert_int_equal(lab_drops(DROP_punt_full), 2100 - 2047);
	net_punt(lab.control, packet(&p, 4, 14, 60, 1));
	assert_int_equal(lab_drops(DROP_punt_unwanted), 1);
	assert_int_equal(rte_ring_sc_dequeue(lab.w[0]->punt, &m), 0);
	rte_pktmbuf_free(m);
	lab_close();
}

static void test_create(void **state)
{
	struct rte_mempool *pools[5] = { pool, pool, pool, pool, pool };

	lab_open(1, 2, NULL);
	/* More than the neighbours have room for. */
	assert_null(net_workers_create(5, lab.nics, LAB_NICS, lab.neigh, &lab.conf, pools, NULL));
	lab.nic[1].txqs = 0;
	assert_null(net_workers_create(2, lab.nics, LAB_NICS, lab.neigh, &lab.conf, pools, NULL));
	lab_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_route),
		cmocka_unit_test(test_link_down),
		cmocka_unit_test(test_tx_full),
		cmocka_unit_test(test_rings),
		cmocka_unit_test(test_ring_full),
		cmocka_unit_test(test_hold_order),
		cmocka_unit_test(test_hold_bounds),
		cmocka_unit_test(test_hold_displaces),
		cmocka_unit_test(test_hold_failure),
		cmocka_unit_test(test_hold_alone),
		cmocka_unit_test(test_hold_many),
		cmocka_unit_test(test_table_full),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_send_by),
		cmocka_unit_test(test_punt),
		cmocka_unit_test(test_create),
	};

	test_eal_init();
	pool = test_pool("lab", 16383);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

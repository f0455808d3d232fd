/* SPDX-License-Identifier: BSD-3-Clause */
/* Datagrams cut up on their way out: put together again here, byte by byte. */
#include "sending_lab.h"
#include "test_eal.h"

static struct rte_mempool *pool;

static unsigned int errors;

/* Instead of icmp.c's. */
void icmp_error(struct net_worker *w, const struct pkt *p, enum icmp_err what, uint16_t mtu)
{
	errors++;
}

static void open_lab(void)
{
	lab_open_with(pool, 1, 2, NULL);
	errors = 0;
}

static void know(const char *text, uint8_t port, uint8_t mac)
{
	struct addr a = A(text);

	neigh_need(lab.neigh, lab.control, port, &a);
	net_flush(lab.control);
	net_flush(lab.w[0]);
	lab_answer(text, port, mac);
	lab_step(0);
	lab_forget_sent();
}

static uint8_t content(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

/* ---- datagrams ------------------------------------------------------------------------------ */

struct datagram {
	uint8_t family;
	const char *src;
	uint32_t payload; /* bytes behind the headers */
	uint32_t segment; /* bytes an mbuf, 0: all in one */
	uint16_t id;      /* IPv4 */
	bool df;
	const uint8_t *extra; /* IPv4 options, IPv6 extension headers */
	uint32_t extra_len;
	uint8_t next; /* IPv6: type of the first of them */
};

static void put(struct rte_mbuf *m, uint32_t at, uint8_t b)
{
	while (at >= m->data_len) {
		at -= m->data_len;
		m = m->next;
	}
	rte_pktmbuf_mtod(m, uint8_t *)[at] = b;
}

static uint8_t get(const struct rte_mbuf *m, uint32_t at)
{
	while (at >= m->data_len) {
		at -= m->data_len;
		m = m->next;
	}
	return rte_pktmbuf_mtod(m, const uint8_t *)[at];
}

static uint32_t head_of(const struct datagram *d)
{
	return (d->family == 4 ? 20 : 40) + d->extra_len;
}

static void write_header(const struct datagram *d, uint8_t *l3, uint32_t len, const struct addr *to)
{
	const struct addr src = A(d->src);

	memset(l3, 0, head_of(d));
	if (d->family == 4) {
		l3[0] = (uint8_t)(0x40 | head_of(d) / 4);
		l3[2] = (uint8_t)(len >> 8);
		l3[3] = (uint8_t)len;
		l3[4] = (uint8_t)(d->id >> 8);
		l3[5] = (uint8_t)d->id;
		l3[6] = d->df ? 0x40 : 0;
		l3[8] = 63;
		l3[9] = IPPROTO_UDP;
		memcpy(l3 + 12, src.b + 12, 4);
		memcpy(l3 + 16, to->b + 12, 4);
	} else {
		l3[0] = 0x60;
		l3[4] = (uint8_t)((len - 40) >> 8);
		l3[5] = (uint8_t)(len - 40);
		l3[6] = d->extra_len ? d->next : IPPROTO_UDP;
		l3[7] = 63;
		memcpy(l3 + 8, src.b, 16);
		memcpy(l3 + 24, to->b, 16);
	}
	if (d->extra_len)
		memcpy(l3 + head_of(d) - d->extra_len, d->extra, d->extra_len);
}

/* As parse.c leaves it: 14 bytes of Ethernet in front. */
static void make(struct pkt *p, const struct datagram *d, const char *dst)
{
	const uint32_t head = head_of(d), len = head + d->payload;
	const uint32_t each = d->segment ? d->segment : len;
	const struct addr to = A(dst);
	struct rte_mbuf *m = NULL;

	for (uint32_t done = 0; done < len;) {
		struct rte_mbuf *s = rte_pktmbuf_alloc(pool);
		const uint32_t n = RTE_MIN(each, len - done);

		assert_non_null(s);
		assert_non_null(rte_pktmbuf_append(s, (uint16_t)(n + (done ? 0 : 14))));
		if (m)
			assert_int_equal(rte_pktmbuf_chain(m, s), 0);
		else
			m = s;
		done += n;
	}
	*p = (struct pkt){ .mbuf = m,
		.l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, 14),
		.l3_len = (uint16_t)len,
		.family = d->family,
		.verdict = PKT_SEND,
		.port = WAN };
	write_header(d, p->l3, len, &to);
	for (uint32_t i = 0; i < d->payload; i++)
		put(m, 14 + head + i, content(i));
}

static void push(struct pkt *p, const char *dst)
{
	const struct addr to = A(dst);
	struct burst b = { .n = 1 };

	p->adj = net_resolve(lab.w[0], p, &to);
	if (p->adj == ADJ_NONE)
		return;
	b.pkt[0] = *p;
	net_output(lab.w[0], &b);
	assert_int_equal(b.pkt[0].verdict, PKT_TAKEN);
	net_flush(lab.w[0]);
}

/* ---- fragments ------------------------------------------------------------------------------ */

struct fragment {
	uint32_t off, len, head, id;
	bool more, df;
};

static struct fragment look4(const uint8_t *l3, uint32_t len)
{
	const uint32_t head = (l3[0] & 15) * 4u, word = (uint32_t)l3[6] << 8 | l3[7];
	uint32_t sum = 0;

	assert_int_equal(l3[2] << 8 | l3[3], len);
	for (uint32_t i = 0; i < head; i += 2)
		sum += (uint32_t)l3[i] << 8 | l3[i + 1];
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	return (struct fragment){ .off = (word & 0x1fff) * 8,
		.len = len - head,
		.head = head,
		.id = (uint32_t)l3[4] << 8 | l3[5],
		.more = word & 0x2000,
		.df = word & 0x4000 };
}

/* The fragment header stands at head - 8. */
static struct fragment look6(const uint8_t *l3, uint32_t len, uint32_t head)
{
	const uint8_t *f = l3 + head - 8;

	assert_int_equal(l3[4] << 8 | l3[5], len - 40);
	assert_int_equal(f[1], 0);
	return (struct fragment){ .off = ((uint32_t)f[2] << 8 | f[3]) & 0xfff8,
		.len = len - head,
		.head = head,
		.id = (uint32_t)f[4] << 24 | (uint32_t)f[5] << 16 | (uint32_t)f[6] << 8 | f[7],
		.more = f[3] & 1 };
}

/* All that was sent is the datagram's fragments, none longer than most, in order; returns how many
 * and their identification. */
static unsigned int check(const struct datagram *d, uint32_t most, uint32_t head6, uint32_t *id)
{
	unsigned int n = 0;
	uint32_t at = 0;

	for (const struct rte_mbuf *m; (m = lab_next(NULL)) != NULL; n++) {
		const uint8_t *l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, 14);
		const uint32_t len = m->pkt_len - 14;
		struct fragment f = d->family == 4 ? look4(l3, len) : look6(l3, len, head6);

		assert_int_equal(m->nb_segs, 1);
		assert_in_range(len, 1, most);
		assert_int_equal(f.off, at);
		assert_int_equal(f.more, at + f.len < d->payload);
		assert_int_equal(f.df, d->df);
		if (f.more) {
			assert_int_equal(f.len % 8, 0);
			assert_true(len + 8 > most); /* as long as can be */
		}
		if (n == 0)
			*id = f.id;
		assert_int_equal(f.id, *id);
		for (uint32_t i = 0; i < f.len; i++)
			assert_int_equal(get(m, 14 + f.head + i), content(at + i));
		at += f.len;
	}
	assert_int_equal(at, d->payload);
	return n;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void test_ipv4(void **state)
{
	static const uint32_t sizes[] = { 1381, 1384, 2752, 2753, 4000, 65515 };
	static const uint32_t segments[] = { 0, 1000, 1400, 61 };
	struct pkt p;
	uint32_t id;

	open_lab();
	know("10.0.0.9", LAN, 9);
	for (unsigned int s = 0; s < RTE_DIM(segments); s++)
		for (unsigned int i = 0; i < RTE_DIM(sizes); i++) {
			struct datagram d = { 4, "198.51.100.7", sizes[i], segments[s], 0x1234 };
			unsigned int n;

			if (d.segment == 0 && d.payload > 1700)
				d.segment = 1400;
			make(&p, &d, "10.0.0.9");
			push(&p, "10.0.0.9");
			n = check(&d, 1400, 0, &id);
			assert_int_equal(n, (sizes[i] + 1375) / 1376);
			assert_int_equal(id, 0x1234); /* its sender's, with its sender's address */
			lab_forget_sent();
		}
	assert_int_equal(lab.w[0]->frag.datagrams_out, RTE_DIM(sizes) * RTE_DIM(segments));
	assert_int_equal(errors, 0);
	lab_close();
}

static void test_options(void **state)
{
	/* Record route (7) is for the first fragment alone, router alert (148) for all. */
	static const uint8_t options[] = { 1, 7, 7, 4, 0, 0, 0, 1, 148, 4, 0, 0 };
	struct datagram d = { 4, "198.51.100.7", 3000, 900, 77, .extra = options, .extra_len = 12 };
	const struct rte_mbuf *m;
	struct pkt p;

	open_lab();
	know("10.0.0.9", LAN, 9);
	make(&p, &d, "10.0.0.9");
	push(&p, "10.0.0.9");
	assert_int_equal(lab.n_sent, 3);
	m = lab.sent[0].m;
	assert_int_equal(get(m, 14), 0x48);
	assert_int_equal(get(m, 14 + 21), 7);
	for (unsigned int i = 1; i < 3; i++) {
		m = lab.sent[i].m;
		assert_int_equal(get(m, 14), 0x46);
		assert_int_equal(get(m, 14 + 20), 148);
		assert_int_equal(get(m, 14 + 21), 4);
	}
	/* Offsets count from the first fragment's payload: 1400 - 32 of it in multiples of 8. */
	assert_int_equal(
		look4(rte_pktmbuf_mtod_offset(m, uint8_t *, 14), m->pkt_len - 14).off, 1368 + 1368);
	lab_close();
}

static void test_ipv6(void **state)
{
	static const uint32_t sizes[] = { 1361, 1368, 4000, 65000 };
	struct pkt p;
	uint32_t id, last = 0;

	open_lab();
	know("2001:db8:2::8", LAN, 8);
	for (unsigned int i = 0; i < RTE_DIM(sizes); i++) {
		struct datagram d = { 6, "2001:db8:99::7", sizes[i], 1200 };

		make(&p, &d, "2001:db8:2::8");
		p.flags = PKT_SPLIT;
		push(&p, "2001:db8:2::8");
		assert_int_equal(check(&d, 1400, 48, &id), (sizes[i] + 1351) / 1352);
		assert_true(i == 0 || id != last);
		last = id;
		for (unsigned int n = 0; n < lab.n_sent; n++) {
			assert_int_equal(get(lab.sent[n].m, 14 + 6), IPPROTO_FRAGMENT);
			assert_int_equal(get(lab.sent[n].m, 14 + 40), IPPROTO_UDP);
		}
		lab_forget_sent();
	}
	/* Without the mark its sender is told. */
	make(&p, &(struct datagram){ 6, "2001:db8:99::7", 2000, 1200 }, "2001:db8:2::8");
	push(&p, "2001:db8:2::8");
	assert_int_equal(errors, 1);
	assert_int_equal(lab_drops(DROP_too_big), 1);
	lab_close();
}

/* Hop-by-hop options and a routing header are for every fragment, the destination options behind
 * them are part of what is cut up. */
static void test_extension_headers(void **state)
{
	static const uint8_t ext[] = { IPPROTO_ROUTING, 0, 1, 4, 0, 0, 0, 0, IPPROTO_DSTOPTS, 0, 4,
		0, 0, 0, 0, 0 };
	struct datagram d = { 6, "2001:db8:99::7", 3000, 1000, .extra = ext,
		.extra_len = sizeof(ext), .next = IPPROTO_HOPOPTS };
	struct pkt p;
	uint32_t id;

	open_lab();
	know("2001:db8:2::8", LAN, 8);
	make(&p, &d, "2001:db8:2::8");
	/* The payload begins with destination options. */
	put(p.mbuf, 14 + 56, IPPROTO_UDP);
	put(p.mbuf, 14 + 57, 0);
	p.flags = PKT_SPLIT;
	push(&p, "2001:db8:2::8");
	assert_int_equal(lab.n_sent, 3);
	for (unsigned int n = 0; n < lab.n_sent; n++) {
		const struct rte_mbuf *m = lab.sent[n].m;

		assert_int_equal(get(m, 14 + 6), IPPROTO_HOPOPTS);
		assert_int_equal(get(m, 14 + 40), IPPROTO_ROUTING);
		assert_int_equal(get(m, 14 + 48), IPPROTO_FRAGMENT);
		assert_int_equal(get(m, 14 + 56), IPPROTO_DSTOPTS);
	}
	put(lab.sent[0].m, 14 + 64, content(0));
	put(lab.sent[0].m, 14 + 65, content(1));
	check(&d, 1400, 64, &id);
	lab_close();
}

/* No fragment is longer than the packet says, be the link's MTU what it is; the hold queue keeps to
 * it too. */
static void test_length(void **state)
{
	struct datagram d4 = { 4, "198.51.100.7", 3000, 1000, 9, true };
	struct datagram d6 = { 6, "2001:db8:99::7", 3000, 1000 };
	struct pkt p;
	uint32_t id;

	open_lab();
	know("10.0.0.9", LAN, 9);
	/* Also what the link would take whole. */
	for (d4.payload = 1300; d4.payload <= 3000; d4.payload += 1700) {
		make(&p, &d4, "10.0.0.9");
		p.flags = PKT_SPLIT;
		p.split = 1280;
		push(&p, "10.0.0.9");
		assert_int_equal(check(&d4, 1280, 0, &id), d4.payload == 3000 ? 3 : 2);
		lab_forget_sent();
	}
	for (unsigned int i = 0; i < 2; i++) {
		make(&p, &d6, "2001:db8:2::8");
		p.flags = PKT_SPLIT;
		p.split = i ? 0 : 1280;
		push(&p, "2001:db8:2::8");
	}
	assert_int_equal(lab.w[0]->held, 2);
	lab_step(0);
	lab_forget_sent();
	lab_answer("2001:db8:2::8", LAN, 8);
	lab_step(0);
	assert_int_equal(lab.w[0]->held, 0);
	assert_int_equal(lab.n_sent, 6);
	lab.n_sent = 3;
	assert_int_equal(check(&d6, 1280, 48, &id), 3);
	lab.n_sent = 6;
	assert_int_equal(check(&d6, 1400, 48, &id), 3);
	lab_close();
}

/* Where the source is an address of ours, the identification is too. */
static void test_identification(void **state)
{
	struct datagram d = { 4, "192.0.2.10", 3000, 1000, 5 };
	uint32_t id[3];
	struct pkt p;

	open_lab();
	know("10.0.0.9", LAN, 9);
	for (unsigned int i = 0; i < 3; i++) {
		if (i == 2)
			d = (struct datagram){ 4, "198.51.100.7", 3000, 1000, 0 };
		make(&p, &d, "10.0.0.9");
		push(&p, "10.0.0.9");
		check(&d, 1400, 0, &id[i]);
		lab_forget_sent();
	}
	assert_int_equal((uint16_t)(id[0] + lab.n), id[1]);
	/* No number of its sender's: one of ours. It may be 0 too, so ask twice. */
	make(&p, &d, "10.0.0.9");
	push(&p, "10.0.0.9");
	check(&d, 1400, 0, &id[1]);
	assert_int_equal((uint16_t)(id[2] + lab.n), id[1]);
	lab_close();
}

/* Out of buffers: what cannot be made is counted once, nothing is lost. */
static void test_no_buffers(void **state)
{
	struct datagram d = { 4, "198.51.100.7", 5000, 1400, 5 };
	struct rte_mempool *small = rte_pktmbuf_pool_create("small", 3, 0, 0, 2048, SOCKET_ID_ANY);
	struct pkt p;

	assert_non_null(small);
	open_lab();
	know("10.0.0.9", LAN, 9);
	lab.w[0]->pool = small;
	make(&p, &d, "10.0.0.9");
	push(&p, "10.0.0.9");
	assert_int_equal(lab.n_sent, 3);
	assert_int_equal(lab_drops(DROP_no_mbuf), 1);
	lab_forget_sent();
	/* An MTU without room for eight bytes. */
	make(&p, &d, "10.0.0.9");
	p.flags = PKT_SPLIT;
	p.split = 27;
	push(&p, "10.0.0.9");
	assert_int_equal(lab_drops(DROP_too_big), 1);
	lab_close();
	rte_mempool_free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_extension_headers),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_identification),
		cmocka_unit_test(test_no_buffers),
	};

	test_eal_init();
	pool = test_pool("split_test", 4095);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

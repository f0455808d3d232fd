/* SPDX-License-Identifier: BSD-3-Clause */
/* Reassembly: every order, what overlaps, repeats, lacks or is too much, bounds and time; and a
 * random stream against a model that only has bytes. */
#include "frag.h"

#include "sending_lab.h"
#include "test_eal.h"

static struct rte_mempool *pool;

static struct {
	unsigned int n;
	enum icmp_err what;
	struct pkt p;
} icmp;

/* Instead of icmp.c's. */
void icmp_error(struct net_worker *w, const struct pkt *p, enum icmp_err what, uint16_t mtu)
{
	icmp.n++;
	icmp.what = what;
	icmp.p = *p;
}

static void open_lab(uint32_t max)
{
	static const struct hash_key key = { { 1, 2 } };
	const struct frag_conf conf = { .max = max, .timeout_ms = { 30000, 60000 }, .key = &key };

	lab_open_with(pool, 1, 2, NULL);
	memset(&icmp, 0, sizeof(icmp));
	lab.w[0]->frags = frag_create(&conf, SOCKET_ID_ANY);
	assert_non_null(lab.w[0]->frags);
}

static void close_lab(void)
{
	frag_destroy(lab.w[0]->frags, lab.w[0]);
	lab_close();
}

/* ---- datagrams ------------------------------------------------------------------------------ */

struct spec {
	uint8_t family;
	uint32_t id;
	uint32_t len; /* of the payload */
	uint8_t proto;
	uint8_t host; /* last byte of the source */
	bool df;
	uint8_t ecn;
};

#define UDP4                                                                                       \
	{                                                                                          \
		.family = 4, .proto = IPPROTO_UDP, .host = 7                                       \
	}
#define UDP6                                                                                       \
	{                                                                                          \
		.family = 6, .proto = IPPROTO_UDP, .host = 7                                       \
	}

static uint8_t content(const struct spec *s, uint32_t i)
{
	/* Where a TCP header would have its length: 20 bytes. */
	return i == 12 ? 0x50 : (uint8_t)(i * 13 + i / 256 + s->id);
}

/* Gives fragment [off, end) of it, as parse_burst() does. Segments of at most `segment` bytes. */
static void give(const struct spec *s, uint32_t off, uint32_t end, bool more)
{
	const uint32_t ip = s->family == 4 ? 20 : 48, total = ip + end - off;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *l3;
	struct pkt p;

	assert_non_null(m);
	l3 = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(14 + total)) + 14;
	memset(l3 - 14, 0xe0, 14);
	memset(l3, 0, ip);
	if (s->family == 4) {
		const uint32_t where = off / 8 | (more ? 0x2000 : 0) | (s->df ? 0x4000 : 0);

		l3[0] = 0x45;
		l3[1] = s->ecn;
		l3[2] = (uint8_t)(total >> 8);
		l3[3] = (uint8_t)total;
		l3[4] = (uint8_t)(s->id >> 8);
		l3[5] = (uint8_t)s->id;
		l3[6] = (uint8_t)(where >> 8);
		l3[7] = (uint8_t)where;
		l3[8] = 60;
		l3[9] = s->proto;
		memcpy(l3 + 12, (uint8_t[]){ 198, 51, 100, s->host }, 4);
		memcpy(l3 + 16, (uint8_t[]){ 192, 0, 2, 10 }, 4);
	} else {
		l3[0] = 0x60;
		l3[1] = (uint8_t)(s->ecn << 4);
		l3[4] = (uint8_t)((total - 40) >> 8);
		l3[5] = (uint8_t)(total - 40);
		l3[6] = IPPROTO_FRAGMENT;
		l3[7] = 60;
		memcpy(l3 + 8, (uint8_t[]){ 0x20, 1, 0xd, 0xb8, 0, 9, 0, s->host }, 8);
		memcpy(l3 + 24, A("2001:db8:1::10").b, 16);
		l3[40] = s->proto;
		l3[42] = (uint8_t)(off >> 8);
		l3[43] = (uint8_t)(off | more);
		memcpy(l3 + 44, &s->id, 4);
	}
	for (uint32_t i = off; i < end; i++)
		l3[ip + i - off] = content(s, i);
	p = (struct pkt){ .mbuf = m,
		.l3 = l3,
		.l4 = l3 + ip,
		.l3_len = (uint16_t)total,
		.l4_len = (uint16_t)(end - off),
		.family = s->family,
		.proto = s->proto,
		.port = WAN,
		.verdict = PKT_FRAGMENT };
	frag_input(lab.w[0], &p);
	assert_int_equal(p.verdict, PKT_TAKEN);
}

static uint8_t get(const struct rte_mbuf *m, uint32_t at)
{
	while (at >= m->data_len) {
		at -= m->data_len;
		m = m->next;
	}
	return rte_pktmbuf_mtod(m, const uint8_t *)[at];
}

/* The one datagram that is whole now, checked to the last byte. longest: fragment. */
static void expect(const struct spec *s, uint32_t longest)
{
	const uint32_t ip = s->family == 4 ? 20 : 40, total = ip + s->len;
	struct rte_mbuf *out[BURST_MAX], *m;
	uint32_t sum = 0;
	uint16_t split = 0;

	assert_int_equal(frag_take(lab.w[0], out), 1);
	m = out[0];
	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(m->pkt_len, 14 + total);
	assert_true(split_marked(lab.w[0], m, &split));
	assert_int_equal(split, longest);
	assert_int_equal(get(m, 0), 0xe0);
	assert_int_equal(get(m, 14), s->family == 4 ? 0x45 : 0x60);
	if (s->family == 4) {
		for (uint32_t i = 0; i < 20; i += 2)
			sum += (uint32_t)get(m, 14 + i) << 8 | get(m, 15 + i);
		assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
		assert_int_equal(get(m, 16) << 8 | get(m, 17), total);
		assert_int_equal(get(m, 20) << 8 | get(m, 21), s->df ? 0x4000 : 0);
		assert_int_equal(get(m, 23), s->proto);
		assert_int_equal(get(m, 15) & 3, s->ecn);
	} else {
		assert_int_equal(get(m, 18) << 8 | get(m, 19), s->len);
		assert_int_equal(get(m, 20), s->proto);
		assert_int_equal(get(m, 15) >> 4 & 3, s->ecn);
	}
	for (uint32_t i = 0; i < s->len; i++)
		assert_int_equal(get(m, 14 + ip + i), content(s, i));
	rte_pktmbuf_free(m);
}

static void expect_none(void)
{
	struct rte_mbuf *out[BURST_MAX];

	assert_int_equal(frag_take(lab.w[0], out), 0);
}

static void expect_waiting(uint32_t mbufs, uint32_t datagrams)
{
	const struct frag_stats stats = frag_stats(lab.w[0]->frags);

	assert_int_equal(stats.mbufs, mbufs);
	assert_int_equal(stats.datagrams, datagrams);
}

static void pass(uint32_t ms)
{
	lab.now += ms;
	lab.w[0]->now_ms = lab.now;
	while (frag_expire(lab.w[0]))
		;
}

/* ---- tests ---------------------------------------------------------------------------------- */

/* The nth order of n things. */
static void order(unsigned int nth, unsigned int n, unsigned int *out)
{
	for (unsigned int i = 0; i < n; i++) {
		const unsigned int at = nth % (i + 1);

		nth /= i + 1;
		memmove(out + at + 1, out + at, (i - at) * sizeof(*out));
		out[at] = i;
	}
}

static void test_orders(void **state)
{
	static const uint32_t cut[] = { 0, 64, 96, 1000, 1008, 1111 };
	const unsigned int n = RTE_DIM(cut) - 1;
	struct spec s[] = { UDP4, UDP6 };

	open_lab(256);
	for (unsigned int f = 0; f < 2; f++)
		for (unsigned int nth = 0; nth < 120; nth++) {
			unsigned int at[5];

			order(nth, n, at);
			s[f].id = nth;
			s[f].len = cut[n];
			s[f].df = nth & 1 && f == 0;
			for (unsigned int i = 0; i < n; i++) {
				expect_none();
				give(&s[f], cut[at[i]], cut[at[i] + 1], at[i] + 1 < n);
			}
			expect(&s[f], (f ? 48 : 20) + 904);
			expect_waiting(0, 0);
		}
	assert_int_equal(lab.w[0]->frag.datagrams_in, 240);
	assert_int_equal(lab.w[0]->frag.fragments_in, 1200);
	close_lab();
}

/* As long as can be, forwards, backwards, the last or the first one out of turn; many at once. */
static void test_long(void **state)
{
	struct spec s[] = { UDP4, UDP6 };

	open_lab(512);
	for (unsigned int f = 0; f < 2; f++)
		for (unsigned int how = 0; how < 4; how++) {
			const uint32_t each = f ? 1448 : 1480, len = 65535 - (f ? 40 : 20);
			const unsigned int n = (len + each - 1) / each;

			s[f].len = len;
			s[f].id = how;
			for (unsigned int i = 0; i < n; i++) {
				const unsigned int k = how == 0   ? i
						       : how == 1 ? n - 1 - i
						       : how == 2 ? (i + n - 1) % n
								  : (i + 1) % n;

				expect_none();
				give(&s[f], k * each, RTE_MIN((k + 1) * each, len), k + 1 < n);
			}
			assert_in_range(n, 45, 46);
			expect(&s[f], (f ? 48 : 20) + each);
		}
	/* A byte more is none that can be. */
	give(&s[0], 65512, 65516, false);
	give(&s[1], 65488, 65496, false);
	assert_int_equal(lab_drops(DROP_frag_header), 2);
	close_lab();
}

static void test_interleaved(void **state)
{
	struct spec s[20];

	open_lab(512);
	for (unsigned int i = 0; i < 20; i++)
		s[i] = (struct spec){ i & 1 ? 6 : 4, 100 + i / 4, 3000, IPPROTO_UDP,
			(uint8_t)(7 + (i >> 1 & 1)) };
	for (unsigned int part = 0; part < 3; part++)
		for (unsigned int i = 0; i < 20; i++) {
			give(&s[i], part * 1000, (part + 1) * 1000, part < 2);
			if (part == 2)
				expect(&s[i], (s[i].family == 4 ? 20 : 48) + 1000);
			else
				expect_none();
		}
	/* Protocols tell IPv4 datagrams apart, and not IPv6 ones (RFC 8200 4.5). */
	for (unsigned int i = 0; i < 2; i++) {
		give(&s[i], 0, 1000, true);
		s[i].proto = 200;
		give(&s[i], 2000, 3000, false);
		give(&s[i], 1000, 2000, true);
	}
	s[1].proto = IPPROTO_UDP;
	expect(&s[1], 1048);
	expect_waiting(3, 2);
	close_lab();
}

static void test_duplicates(void **state)
{
	struct spec s[] = { UDP4, UDP6 };

	open_lab(256);
	for (unsigned int f = 0; f < 2; f++) {
		s[f].len = 3000;
		for (unsigned int i = 0; i < 2; i++)
			give(&s[f], 2000, 3000, false);
		for (unsigned int i = 0; i < 3; i++)
			give(&s[f], 0, 1000, true);
		give(&s[f], 2000, 3000, false);
		give(&s[f], 1000, 2000, true);
		expect(&s[f], (f ? 48 : 20) + 1000);
		assert_int_equal(lab_drops(DROP_frag_duplicate), 4 * (f + 1));
	}
	close_lab();
}

/* RFC 5722: all of the datagram goes, and what still comes of it. */
static void test_overlaps(void **state)
{
	static const struct {
		uint32_t off, end;
		bool more;
	} bad[] = {
		{ 8, 16, true },       /* within the first */
		{ 992, 1008, true },   /* over its end */
		{ 0, 1008, true },     /* all of it and more */
		{ 0, 992, true },      /* a shorter one at its place */
		{ 1992, 2008, true },  /* into the next */
		{ 2992, 3000, true },  /* up to the end, with more to come */
		{ 3000, 3008, true },  /* behind the end */
		{ 3000, 3008, false }, /* another end */
		{ 1000, 1500, false }, /* an end before what is there */
		{ 2000, 3000, true },  /* what was the end is none */
	};
	struct spec s[] = { UDP4, UDP6 };
	uint64_t dropped = 0;

	open_lab(256);
	for (unsigned int f = 0; f < 2; f++)
		for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
			s[f].id = i;
			s[f].len = 3000;
			give(&s[f], 0, 1000, true);
			give(&s[f], 2000, 3000, false);
			give(&s[f], bad[i].off, bad[i].end, bad[i].more);
			give(&s[f], 1000, 2000, true);
			expect_none();
			dropped += 4;
			assert_int_equal(lab_drops(DROP_frag_overlap), dropped);
			expect_waiting(0, f * RTE_DIM(bad) + i + 1);
			/* The sender's next one has another number. */
			s[f].id = 1000 + i;
			give(&s[f], 0, 1504, true);
			give(&s[f], 1504, 3000, false);
			expect(&s[f], (f ? 48 : 20) + 1504);
		}
	pass(60000);
	expect_waiting(0, 0);
	assert_int_equal(icmp.n, 0);
	close_lab();
}

static void test_malformed(void **state)
{
	struct spec s[] = { UDP4, UDP6 };

	open_lab(256);
	for (unsigned int f = 0; f < 2; f++) {
		give(&s[f], 0, 1001, true);   /* no multiple of eight */
		give(&s[f], 800, 800, false); /* nothing */
		give(&s[f], 800, 800, true);
		assert_int_equal(lab_drops(DROP_frag_header), 3 * (f + 1));
		/* RFC 1858, RFC 3128 */
		s[f].proto = IPPROTO_TCP;
		give(&s[f], 0, 16, true);
		give(&s[f], 8, 16, true);
		give(&s[f], 8, 100, false);
		assert_int_equal(lab_drops(DROP_frag_tiny), 3 * (f + 1));
		give(&s[f], 16, 24, true);
		give(&s[f], 0, 24, true);
	}
	/* An IPv6 datagram whose first fragment ends within its destination options (RFC 7112). */
	s[1].proto = IPPROTO_DSTOPTS;
	s[1].id = 13; /* the second byte is 26: 27 * 8 bytes of options */
	give(&s[1], 0, 200, true);
	assert_int_equal(lab_drops(DROP_frag_tiny), 7);
	close_lab();
}

static void test_congestion(void **state)
{
	/* Marks of two fragments, and of the whole; -1: dropped (RFC 3168 5.3). */
	static const int8_t marks[][3] = { { 0, 0, 0 }, { 1, 1, 1 }, { 2, 3, 3 }, { 3, 1, 3 },
		{ 3, 0, -1 }, { 0, 3, -1 }, { 2, 1, 2 } };
	struct spec s[] = { UDP4, UDP6 };
	uint64_t dropped = 0;

	open_lab(256);
	for (unsigned int f = 0; f < 2; f++)
		for (unsigned int i = 0; i < RTE_DIM(marks); i++) {
			s[f].len = 2000;
			s[f].ecn = (uint8_t)marks[i][0];
			give(&s[f], 0, 1000, true);
			s[f].ecn = (uint8_t)marks[i][1];
			give(&s[f], 1000, 2000, false);
			s[f].ecn = (uint8_t)marks[i][2];
			if (marks[i][2] < 0) {
				expect_none();
				dropped += 2;
			} else {
				expect(&s[f], (f ? 48 : 20) + 1000);
			}
			assert_int_equal(lab_drops(DROP_frag_header), dropped);
		}
	close_lab();
}

static void test_time(void **state)
{
	struct spec s4 = UDP4, s6 = UDP6;

	open_lab(256);
	s4.len = s6.len = 3000;
	give(&s4, 0, 1000, true);
	give(&s6, 0, 1000, true);
	pass(20000);
	give(&s4, 1000, 2000, true); /* time counts from the first that came */
	pass(9999);
	expect_waiting(3, 2);
	pass(1);
	expect_waiting(1, 1);
	assert_int_equal(lab_drops(DROP_frag_timeout), 2);
	assert_int_equal(icmp.n, 1);
	assert_int_equal(icmp.what, ICMP_ERR_REASSEMBLY);
	assert_int_equal(icmp.p.family, 4);
	assert_int_equal(icmp.p.l3_len, 1020);
	assert_int_equal(icmp.p.port, WAN);
	/* The rest begins a datagram of its own, whose first fragment is not there: no error. */
	give(&s4, 2000, 3000, false);
	expect_none();
	pass(29999);
	assert_int_equal(icmp.n, 1);
	pass(1);
	assert_int_equal(icmp.n, 2);
	assert_int_equal(icmp.p.family, 6);
	assert_int_equal(icmp.p.proto, IPPROTO_UDP);
	expect_waiting(0, 0);
	assert_int_equal(lab_drops(DROP_frag_timeout), 4);
	close_lab();
}

/* First fragments without end displace each other; what becomes whole does so all the while. */
static void test_flood(void **state)
{
	struct spec bad = UDP4, good = UDP6;

	open_lab(256);
	good.len = 3000;
	for (unsigned int i = 0; i < 3000; i++) {
		bad.id = i;
		bad.host = (uint8_t)i;
		give(&bad, 0, 1000, true);
		if (i % 100 == 0)
			give(&good, 0, 1000, true);
		if (i % 100 == 20)
			give(&good, 1000, 2000, true);
		if (i % 100 == 40) {
			give(&good, 2000, 3000, false);
			expect(&good, 1048);
			good.id++;
		}
	}
	assert_in_range(frag_stats(lab.w[0]->frags).mbufs, 100, 256);
	assert_int_equal(lab_drops(DROP_frag_full) + frag_stats(lab.w[0]->frags).mbufs, 3000);
	close_lab();
}

/* One source has half of the room, the others the rest. */
static void test_share(void **state)
{
	struct spec greedy = UDP4, good = { .family = 4, .proto = IPPROTO_UDP, .host = 8 };

	open_lab(256);
	good.len = 3000;
	give(&good, 0, 1000, true);
	for (unsigned int i = 0; i < 2000; i++) {
		greedy.id = i;
		greedy.len = 2000;
		give(&greedy, 0, 1000, true);
		if (i == 1000)
			give(&good, 1000, 2000, true);
	}
	expect_waiting(130, 129);
	give(&good, 2000, 3000, false);
	expect(&good, 1020);
	/* Of its own it keeps the latest. */
	give(&greedy, 1000, 2000, false);
	expect(&greedy, 1020);
	close_lab();
}

/*
 * Many sources wait with a fragment each, and one sends more datagrams than there is room for, that
 * stay (0) or are refused (1): it displaces its own alone. A few of the others may have the group
 * of the greedy one.
 */
static void test_share_datagrams(void **state)
{
	for (unsigned int refused = 0; refused < 2; refused++) {
		struct spec greedy = UDP4, good = { .family = 4, .proto = IPPROTO_UDP };
		unsigned int whole = 0;

		open_lab(256);
		good.len = 2000;
		for (unsigned int i = 0; i < 60; i++) {
			good.host = (uint8_t)(100 + i);
			give(&good, 0, 1000, true);
		}
		for (unsigned int i = 0; i < 2000; i++) {
			greedy.id = 1000 + i;
			give(&greedy, 0, 1000, true);
			if (refused)
				give(&greedy, 8, 1008, true);
		}
		assert_in_range(frag_stats(lab.w[0]->frags).datagrams, 128, 188);
		for (unsigned int i = 0; i < 60; i++) {
			struct rte_mbuf *out[BURST_MAX];

			good.host = (uint8_t)(100 + i);
			give(&good, 1000, 2000, false);
			if (frag_take(lab.w[0], out) == 1) {
				rte_pktmbuf_free(out[0]);
				whole++;
			}
		}
		assert_in_range(whole, 55, 60);
		pass(30000);
		expect_waiting(0, 0);
		close_lab();
	}
}

/* Refused datagrams take room too, and give it back. */
static void test_refused_room(void **state)
{
	struct spec bad = UDP4, s = UDP6;

	open_lab(256);
	for (unsigned int turn = 0; turn < 3; turn++) {
		for (unsigned int i = 0; i < 2000; i++) {
			bad.id = turn << 12 | i;
			bad.host = (uint8_t)i;
			give(&bad, 0, 1000, true);
			give(&bad, 8, 1008, true);
		}
		assert_in_range(frag_stats(lab.w[0]->frags).datagrams, 200, 256);
		pass(30000);
		expect_waiting(0, 0);
	}
	/* All of a source's half is there again. */
	s.len = 128 * 8;
	for (uint32_t i = 0; i < 128; i++)
		give(&s, i * 8, i * 8 + 8, i < 127);
	expect(&s, 56);
	close_lab();
}

static void test_too_many(void **state)
{
	struct spec s = UDP4;

	open_lab(1024);
	s.len = FRAG_PIECES * 8 + 8;
	for (uint32_t i = 0; i <= FRAG_PIECES; i++)
		give(&s, i * 8, i * 8 + 8, i < FRAG_PIECES);
	expect_none();
	assert_int_equal(lab_drops(DROP_frag_many), FRAG_PIECES + 1);
	s.id++;
	s.len = FRAG_PIECES * 8;
	for (uint32_t i = 0; i < FRAG_PIECES; i++)
		give(&s, i * 8, i * 8 + 8, i < FRAG_PIECES - 1);
	expect(&s, 28);
	close_lab();
}

/* ---- against a model ------------------------------------------------------------------------ */

static uint64_t rnd_state;

static uint32_t rnd(uint32_t below)
{
	rnd_state = rnd_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rnd_state >> 33) % below;
}

#define MODEL_UNITS 48 /* of 8 bytes */
#define MODEL_COUNT 6

struct model {
	struct spec s;
	bool have[MODEL_UNITS + 1];
	bool piece[MODEL_UNITS + 1][MODEL_UNITS + 1][2]; /* [first][behind][more] */
	uint32_t total;                                  /* units */
	bool refused;
};

/* What becomes of the datagram by this fragment: 1: whole, 0: not yet, or refused. */
static bool model_give(struct model *m, uint32_t first, uint32_t end, bool more)
{
	if (m->refused)
		return false;
	if (m->piece[first][end][more])
		return false;
	for (uint32_t i = 0; i <= MODEL_UNITS; i++) {
		m->refused |= m->have[i] && i >= first && i < end;
		m->refused |= m->have[i] && !more && i >= end;
	}
	m->refused |= m->total && (more ? end >= m->total : true);
	if (m->refused)
		return false;
	for (uint32_t i = first; i < end; i++)
		m->have[i] = true;
	m->piece[first][end][more] = true;
	if (!more)
		m->total = end;
	for (uint32_t i = 0; i < m->total; i++)
		if (!m->have[i])
			return false;
	return m->total != 0;
}

static void test_random(void **state)
{
	static struct model model[MODEL_COUNT];
	unsigned int whole = 0, refused = 0;
	uint32_t next = 0;

	rnd_state = 0x5eed;
	open_lab(1024);
	memset(model, 0, sizeof(model));
	for (unsigned int turn = 0; turn < 60000; turn++) {
		struct model *m = &model[rnd(MODEL_COUNT)];
		uint32_t first, end;
		bool more, done;

		/* What was refused is not to displace what the model still has. */
		if (turn % 1000 == 0) {
			pass(60000);
			memset(model, 0, sizeof(model));
		}
		if (m->s.family == 0)
			m->s = (struct spec){ rnd(2) ? 4 : 6, next++,
				(10 + rnd(MODEL_UNITS - 10)) * 8, IPPROTO_UDP, 7 };
		/* Mostly cuts at multiples of four units, so that they fit together. */
		first = rnd((m->s.len / 8 + 3) / 4) * 4;
		end = RTE_MIN(first + 4, m->s.len / 8);
		if (rnd(60) == 0)
			end = first + 1 + rnd(MODEL_UNITS - first);
		more = end * 8 < m->s.len ? rnd(200) != 0 : rnd(200) == 0;
		done = model_give(m, first, end, more);
		give(&m->s, first * 8, end * 8, more);
		if (!done) {
			expect_none();
		} else {
			uint32_t longest = 0;

			for (uint32_t a = 0; a < MODEL_UNITS; a++)
				for (uint32_t b = a + 1; b <= MODEL_UNITS; b++)
					if (m->piece[a][b][0] || m->piece[a][b][1])
						longest = RTE_MAX(longest, (b - a) * 8);
			m->s.len = m->total * 8;
			expect(&m->s, longest + (m->s.family == 4 ? 20 : 48));
			whole++;
		}
		if (done || (m->refused && rnd(4) == 0)) {
			refused += m->refused;
			memset(m, 0, sizeof(*m));
		}
	}
	assert_true(whole > 500 && refused > 500);
	pass(60000);
	expect_waiting(0, 0);
	close_lab();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_interleaved),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_congestion),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_share_datagrams),
		cmocka_unit_test(test_refused_room),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_random),
	};

	test_eal_init();
	pool = test_pool("frag_test", 4095);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

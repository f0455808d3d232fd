/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steering with nics that hash: emulated here, from the frame's fields and by the test's own
 * Toeplitz (toeplitz.h, checked against the published vectors in steer_test.c of lib/flow), with
 * the hash in the mbuf and the queue by the redirection table. Some of them lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"
#include "toeplitz.h"

#define TCP     6
#define WORKERS 3
#define FLOWS   24

/* What a nic does otherwise than it was told. */
enum lie { HONEST, WRONG_KEY, WRONG_FIELDS, WRONG_TABLE, NO_HASH, LIES };

static const char *const lie_name[] = { "honest", "wrong key", "wrong fields", "wrong table",
	"no hash" };

struct lab {
	struct harness *h;
	enum steer_way way;
	enum lie lie;
};

static struct lab lab_start(const char *file, enum steer_way way, enum lie lie)
{
	struct lab l = { .way = way, .lie = lie };

	l.h = harness_create(&(struct harness_conf){ .file = file, .workers = WORKERS });
	if (way == STEER_TUPLE) {
		l.h->nic[WAN]->hash = l.h->nic[LAN]->hash = NIC_HASH_TUPLE;
	} else if (way == STEER_SPLIT) {
		l.h->nic[WAN]->hash = NIC_HASH_SOURCE;
		l.h->nic[LAN]->hash = NIC_HASH_DESTINATION;
	}
	steer_use(l.h->workers->steer, WORKERS, way, l.h->nic, HARNESS_NICS);
	return l;
}

/* ---- the nic -------------------------------------------------------------------------------- */

static uint32_t frame_hash(const struct frame *f, enum nic_hash what, bool wrong_key)
{
	const size_t size = f->family == 4 ? 4 : 16;
	const uint16_t sport = rte_cpu_to_be_16(f->sport), dport = rte_cpu_to_be_16(f->dport);
	uint8_t in[36], key[NIC_RSS_KEY_SIZE], *end = in;

	memcpy(key, nic_rss_key, sizeof(key));
	for (size_t i = 0; wrong_key && i < sizeof(key); i++)
		key[i] ^= 0x5a;
	if (what != NIC_HASH_DESTINATION)
		end = (uint8_t *)memcpy(end, f->src, size) + size;
	if (what != NIC_HASH_SOURCE)
		end = (uint8_t *)memcpy(end, f->dst, size) + size;
	if (what != NIC_HASH_DESTINATION)
		end = (uint8_t *)memcpy(end, &sport, 2) + 2;
	if (what != NIC_HASH_SOURCE)
		end = (uint8_t *)memcpy(end, &dport, 2) + 2;
	return toeplitz(key, in, (size_t)(end - in));
}

/* A frame comes in by a nic, which hashes it and picks a queue. */
static void receive(const struct lab *l, uint16_t nic, const struct frame *f)
{
	enum nic_hash what = (enum nic_hash)l->h->nic[nic]->hash;
	struct rte_mbuf *m = rte_pktmbuf_alloc(l->h->pool);
	struct frame g = *f;
	uint8_t buf[FRAME_MAX];
	uint16_t len, queue;
	uint32_t hash;

	assert_non_null(m);
	memcpy(g.eth_dst, l->h->nic[nic]->mac.addr_bytes, 6);
	memcpy(g.eth_src, (uint8_t[6]){ 0x0a, 0, 0, 9, 9, 9 }, 6);
	len = (uint16_t)frame_build(&g, buf);
	memcpy(rte_pktmbuf_append(m, len), buf, len);
	if (what == NIC_HASH_NONE) {
		assert_true(harness_inject_mbuf(l->h, nic, ANY_QUEUE, m));
		harness_step(l->h);
		return;
	}
	if (l->lie == WRONG_FIELDS)
		what = what == NIC_HASH_SOURCE ? NIC_HASH_DESTINATION : NIC_HASH_SOURCE;
	hash = frame_hash(&g, what, l->lie == WRONG_KEY);
	if (l->lie != NO_HASH) {
		m->hash.rss = hash;
		m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
	}
	queue = (uint16_t)((hash % 128 + (l->lie == WRONG_TABLE)) % WORKERS);
	assert_true(harness_inject_mbuf(l->h, nic, queue, m));
	harness_step(l->h);
}

/* The one frame that came out, by nic out. */
static struct frame out_of(const struct lab *l, uint16_t out)
{
	struct frame got;
	const struct captured *c = harness_next(l->h, &got);

	if (!c) {
		harness_print_drops(l->h);
		fail_msg("nothing came out");
	}
	assert_int_equal(c->nic, out);
	assert_null(harness_next(l->h, NULL));
	return got;
}

/* ---- flows ---------------------------------------------------------------------------------- */

struct path {
	const char *vip, *client;
	uint16_t port;
	enum mode mode;
};

static const struct path paths[] = {
	{ "192.0.2.10", "198.51.100.7", 80, MODE_DR },
	{ "2001:db8:1::10", "2001:db8:c::7", 80, MODE_DR },
	{ "192.0.2.20", "198.51.100.7", 80, MODE_NAT },
	{ "2001:db8:1::20", "2001:db8:c::7", 80, MODE_NAT },
	{ "192.0.2.30", "198.51.100.7", 80, MODE_FULLNAT },
	{ "2001:db8:1::30", "2001:db8:c::7", 80, MODE_FULLNAT },
	{ "192.0.2.40", "198.51.100.7", 80, MODE_NAT },
	{ "192.0.2.40", "198.51.100.7", 81, MODE_FULLNAT },
	{ "203.0.113.8", "198.51.100.7", 80, MODE_NAT },
	{ "203.0.113.9", "198.51.100.8", 80, MODE_NAT },
	{ "203.0.113.9", "198.51.100.7", 81, MODE_FULLNAT },
};

/* SYN, its answer, ACK: whatever the queues they come in on, they meet at one worker. */
static void run_flow(const struct lab *l, const struct path *p, uint16_t sport)
{
	struct frame f = frame_make(TCP, p->client, sport, p->vip, p->port, FRAME_SYN);
	struct frame first, back, out;

	receive(l, WAN, &f);
	first = out_of(l, LAN);
	if (p->mode != MODE_DR) {
		back = frame_make(
			TCP, p->client, first.dport, p->client, first.sport, FRAME_SYN | FRAME_ACK);
		memcpy(back.src, first.dst, 16);
		memcpy(back.dst, first.src, 16);
		receive(l, LAN, &back);
		out = out_of(l, WAN);
		assert_memory_equal(out.src, f.dst, 16);
		assert_memory_equal(out.dst, f.src, 16);
		assert_int_equal(out.sport, p->port);
		assert_int_equal(out.dport, sport);
	}
	f.flags = FRAME_ACK;
	receive(l, WAN, &f);
	out = out_of(l, LAN);
	assert_memory_equal(out.eth_dst, first.eth_dst, 6);
	assert_memory_equal(out.dst, first.dst, 16);
	assert_int_equal(out.sport, first.sport);
}

struct sums {
	uint64_t handed_over, wrong_core, computed;
};

static struct sums sums(const struct lab *l)
{
	struct sums s = { 0 };

	for (unsigned int i = 0; i < WORKERS; i++) {
		s.handed_over += l->h->workers->steer[i]->handed_over;
		s.wrong_core += l->h->workers->steer[i]->wrong_core;
		s.computed += l->h->workers->steer[i]->computed;
	}
	return s;
}

/* Whether a nic's hash brings both directions of this to their owner. */
static bool nic_steers(enum steer_way way, const struct path *p)
{
	if (way == STEER_SPLIT)
		return true; /* the clients are outside, the servers inside */
	return way == STEER_TUPLE && p->mode != MODE_NAT && strcmp(p->vip, "192.0.2.40") != 0 &&
	       strcmp(p->vip, "203.0.113.9") != 0;
}

static void check_sums(const struct lab *l, const struct path *p, const struct sums *before)
{
	const struct sums after = sums(l);
	const uint64_t handed = after.handed_over - before->handed_over;
	const uint64_t wrong = after.wrong_core - before->wrong_core;
	const uint64_t computed = after.computed - before->computed;

	/* In software, two packets of three are another worker's. */
	if (!nic_steers(l->way, p)) {
		assert_true(handed > 0);
	} else if (l->lie == HONEST || l->lie == NO_HASH) {
		assert_int_equal(handed, 0);
	} else {
		assert_true(handed > 0);
		assert_int_equal(wrong, handed);
	}
	if (nic_steers(l->way, p) && l->lie != HONEST && l->lie != WRONG_TABLE)
		assert_true(computed > 0);
	if (l->lie == HONEST)
		assert_int_equal(wrong, 0);
	if (l->way == STEER_SOFTWARE)
		assert_int_equal(wrong + computed, 0);
}

static const enum steer_way ways[] = { STEER_SOFTWARE, STEER_TUPLE, STEER_SPLIT };

/* Every way, every mode, and every lie: what changes is who computes and hands over, no more. */
static void test_flows(void **state)
{
	for (size_t w = 0; w < RTE_DIM(ways); w++)
		for (int lie = 0; lie < LIES; lie++) {
			struct lab l = lab_start("steer.json", ways[w], (enum lie)lie);

			print_message("# way %zu, nic: %s\n", w, lie_name[lie]);
			for (size_t i = 0; i < RTE_DIM(paths); i++) {
				const struct sums before = sums(&l);

				for (uint16_t k = 0; k < FLOWS; k++)
					run_flow(&l, &paths[i], (uint16_t)(5000 + 100 * i + k));
				check_sums(&l, &paths[i], &before);
			}
			assert_int_equal(harness_flows(l.h), FLOWS * RTE_DIM(paths));
			assert_int_equal(harness_all_drops(l.h), 0);
			harness_destroy(l.h);
		}
}

/* A nic is believed after some packets, and then nothing is computed; one that lies never. Packets
 * that arrive where their flow is are not asked. */
static void test_belief(void **state)
{
	static const struct path dr = { "192.0.2.10", "198.51.100.7", 80, MODE_DR };

	for (int lie = 0; lie < LIES; lie++) {
		struct lab l = lab_start("steer.json", STEER_TUPLE, (enum lie)lie);
		const bool honest = lie == HONEST || lie == WRONG_TABLE;
		uint64_t settled;

		for (uint16_t k = 0; k < 150; k++)
			run_flow(&l, &dr, (uint16_t)(5000 + k));
		settled = sums(&l).computed;
		assert_in_range(settled, 1, honest ? 32 * WORKERS : 300);
		for (uint16_t k = 150; k < 250; k++)
			run_flow(&l, &dr, (uint16_t)(5000 + k));
		/* Of each flow the first packet; not those that come to their flow by chance. */
		assert_in_range(sums(&l).computed - settled, honest ? 0 : 100, honest ? 0 : 199);
		for (unsigned int i = 0; i < WORKERS; i++)
			assert_int_equal(
				steer_nic_lies(l.h->workers->steer[i], WAN), honest ? 0 : 1);
		assert_false(steer_nic_lies(l.h->workers->steer[0], LAN));
		harness_destroy(l.h);
	}
}

/* ---- owners --------------------------------------------------------------------------------- */

/* The worker that had the last packet: it dropped one, or sent what came out. */
static unsigned int worker_of(const struct lab *l, uint64_t *drops)
{
	const struct captured *c = harness_take(l->h);
	unsigned int worker = c ? c->queue : WORKERS;

	for (unsigned int i = 0; i < WORKERS; i++) {
		uint64_t now = 0;

		for (unsigned int r = 0; r < DROP_MAX; r++)
			now += l->h->workers->net[i]->drop[r];
		if (!c && now != drops[i])
			worker = i;
		drops[i] = now;
	}
	assert_true(worker < WORKERS);
	return worker;
}

static void random_end(uint8_t *out, uint8_t family)
{
	for (unsigned int i = 0; i < (family == 4 ? 4 : 16); i++)
		out[i] = (uint8_t)rand();
	out[0] = family == 4 ? 198 : 0x20;
	out[1] = family == 4 ? 18 : 0x01;
}

/* steer_owner() and the pipeline name the same worker, for destinations of every sort. */
static void test_owner(void **state)
{
	static const char *const to[] = { "192.0.2.10", "192.0.2.20", "192.0.2.30", "192.0.2.40",
		"192.0.2.1", "10.0.0.1", "203.0.113.200", "203.0.113.9", NULL, "2001:db8:1::10",
		"2001:db8:1::20", "2001:db8:1::30", "2001:db8:2::1" };

	srand(7);
	for (size_t n = 0; n < RTE_DIM(ways) * LIES; n++) {
		struct lab l = lab_start("steer.json", ways[n / LIES], (enum lie)(n % LIES));
		uint64_t drops[WORKERS] = { 0 };

		/* So that the servers are known, and what goes to them goes at once. */
		for (uint16_t k = 0; k < 8; k++) {
			run_flow(&l, &paths[0], (uint16_t)(5000 + k));
			run_flow(&l, &paths[1], (uint16_t)(5000 + k));
		}
		for (unsigned int i = 0; i < 400; i++) {
			const char *vip = to[(unsigned int)rand() % RTE_DIM(to)];
			struct frame f = frame_make(TCP, vip ? vip : "198.51.100.9",
				(uint16_t)(1 + rand() % 65535), vip ? vip : "198.51.100.9",
				(uint16_t)(rand() % 2 ? 80 : 1024 + rand() % 60000), FRAME_ACK);
			struct tuple t = { .sport = rte_cpu_to_be_16(f.sport),
				.dport = rte_cpu_to_be_16(f.dport),
				.proto = TCP };
			bool v4 = f.family == 4;

			random_end(f.src, f.family);
			t.src = t.dst = addr_from_v4(0);
			memcpy(t.src.b + (v4 ? 12 : 0), f.src, v4 ? 4 : 16);
			memcpy(t.dst.b + (v4 ? 12 : 0), f.dst, v4 ? 4 : 16);
			receive(&l, rand() % 2 ? WAN : LAN, &f);
			assert_int_equal(worker_of(&l, drops),
				steer_owner(l.h->workers->steer[0], &t,
					net_local(l.h->snapshot.model->net, &t.dst, NULL) ==
						LOCAL_VIRTUAL));
		}
		harness_destroy(l.h);
	}
}

/* ---- changes -------------------------------------------------------------------------------- */

/* Split by side, and then services that bring packets in on the other side: servers as clients, and
 * virtual addresses among the servers. Handed over, and right. */
static void test_split_broken(void **state)
{
	struct lab l = lab_start("steer.json", STEER_SPLIT, HONEST);
	json_t *doc = harness_document(l.h);

	json_object_set_new(harness_named(doc, "services", "dr4"), "address",
		json_pack("[s, s]", "192.0.2.10:80", "10.0.0.100:80"));
	harness_apply(l.h, doc);
	harness_step(l.h);
	for (uint16_t k = 0; k < FLOWS; k++) {
		struct frame f = frame_make(
			TCP, "10.0.0.77", (uint16_t)(6000 + k), "10.0.0.100", 80, FRAME_SYN);

		receive(&l, LAN, &f);
		out_of(&l, LAN);
		f.flags = FRAME_ACK;
		receive(&l, LAN, &f);
		out_of(&l, LAN);
	}
	assert_int_equal(harness_flows(l.h), FLOWS);
	assert_true(sums(&l).handed_over > 0);
	assert_int_equal(sums(&l).wrong_core, 0);
	for (uint16_t k = 0; k < FLOWS; k++)
		run_flow(&l, &paths[2], (uint16_t)(7000 + k));
	assert_int_equal(harness_all_drops(l.h), 0);
	harness_destroy(l.h);
}

/* Nics steer by addresses and ports, and an address gets NAT: from then on its packets go by the
 * client's end. */
static void test_address_gets_nat(void **state)
{
	static const struct path nat = { "192.0.2.30", "198.51.100.7", 8080, MODE_NAT };
	struct lab l = lab_start("steer.json", STEER_TUPLE, HONEST);
	json_t *doc = harness_document(l.h);

	json_array_append_new(json_object_get(doc, "services"),
		json_pack("{s:s, s:s, s:s, s:s}", "name", "late", "address", "192.0.2.30:8080",
			"mode", "nat", "pool", "four"));
	harness_apply(l.h, doc);
	harness_step(l.h);
	for (uint16_t k = 0; k < FLOWS; k++) {
		run_flow(&l, &nat, (uint16_t)(6000 + k));
		run_flow(&l, &paths[4], (uint16_t)(6000 + k));
	}
	assert_true(sums(&l).handed_over > 0);
	assert_int_equal(harness_all_drops(l.h), 0);
	harness_destroy(l.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flows),
		cmocka_unit_test(test_belief),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_split_broken),
		cmocka_unit_test(test_address_gets_nat),
	};

	harness_init();
	return cmocka_run_group_tests_name("steer", tests, NULL, NULL);
}

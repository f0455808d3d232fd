/* SPDX-License-Identifier: BSD-3-Clause */
/* The flow table against a plain list, full tables, walks and time. */
#include "flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <rte_random.h>

#include "test_eal.h"

static struct flow_table *make(uint32_t v4, uint32_t v6)
{
	struct flow_conf conf = {
		.max_v4 = v4, .max_v6 = v6, .socket = SOCKET_ID_ANY, .key = { { 0x1234, 0x9876 } }
	};
	struct flow_table *t = flow_table_create(&conf, 0);

	assert_non_null(t);
	return t;
}

/* The i-th client's tuple to a fixed virtual address, and the answers of a server. */
static struct tuple client_tuple(uint32_t i, bool v6)
{
	struct tuple t = { .sport = rte_cpu_to_be_16((uint16_t)(1024 + i % 60000)),
		.dport = RTE_BE16(80),
		.proto = IPPROTO_TCP };

	if (v6) {
		t.src = addr_from_v6("\x20\x01\x0d\xb8\0\1\0\0\0\0\0\0\0\0\0\0");
		t.src.w[3] = rte_cpu_to_be_32(i);
		t.dst = addr_from_v6("\x20\x01\x0d\xb8\0\2\0\0\0\0\0\0\0\0\0\x10");
	} else {
		t.src = addr_from_v4(rte_cpu_to_be_32(0x0a000000 + i));
		t.dst = addr_from_v4(RTE_BE32(0xc000020a));
	}
	return t;
}

static struct tuple answer_tuple(uint32_t i, bool v6)
{
	struct tuple t = client_tuple(i, v6);
	struct addr server = t.dst;

	server.b[15] = 77;
	return (struct tuple){ server, t.src, RTE_BE16(8080), t.sport, t.proto };
}

static struct flow *open_nat(struct flow_table *t, uint32_t i, bool v6, enum drop_reason *reason)
{
	struct tuple f = client_tuple(i, v6), r = answer_tuple(i, v6);

	return flow_open(t, &f, &r, reason);
}

/* What an IPv4 server answers the i-th IPv6 client: to an address and a port of ours. */
static struct tuple translated_tuple(uint32_t i)
{
	return (struct tuple){ addr_from_v4(RTE_BE32(0x0a630003)),
		addr_from_v4(rte_cpu_to_be_32(0x0a640000 + i)), RTE_BE16(8080),
		rte_cpu_to_be_16((uint16_t)(1024 + i)), IPPROTO_TCP };
}

static struct flow *open_translated(struct flow_table *t, uint32_t i, enum drop_reason *reason)
{
	struct tuple f = client_tuple(i, true), r = translated_tuple(i);

	return flow_open(t, &f, &r, reason);
}

static void assert_pair(struct flow_table *t, struct flow *f, struct tuple fwd, struct tuple ret)
{
	uint8_t dir = 9;

	assert_ptr_equal(flow_find(t, &fwd, &dir), f);
	if (f)
		assert_int_equal(dir, DIR_FORWARD);
	assert_ptr_equal(flow_find(t, &ret, &dir), f);
	if (f)
		assert_int_equal(dir, DIR_RETURN);
}

static void assert_found(struct flow_table *t, struct flow *f, uint32_t i, bool v6)
{
	assert_pair(t, f, client_tuple(i, v6), answer_tuple(i, v6));
}

static void assert_translated(struct flow_table *t, struct flow *f, uint32_t i)
{
	assert_pair(t, f, client_tuple(i, true), translated_tuple(i));
}

#define MODEL 3000
/* IPv4, IPv6 and translated flows, 3000 of each at most. */
enum { V4, V6, MIXED, KINDS };

static struct flow *open_kind(struct flow_table *t, int kind, uint32_t i)
{
	enum drop_reason reason;

	/* Forward tuples of the two kinds that have IPv6 ones must differ. */
	return kind == MIXED ? open_translated(t, MODEL + i, &reason)
			     : open_nat(t, i, kind == V6, &reason);
}

static void assert_kind(struct flow_table *t, struct flow *f, int kind, uint32_t i)
{
	if (kind == MIXED)
		assert_translated(t, f, MODEL + i);
	else
		assert_found(t, f, i, kind == V6);
}

static void test_against_a_list(void **state)
{
	(void)state;
	struct flow_table *t = make(MODEL, 2 * MODEL);
	struct flow *flow[KINDS][MODEL] = { 0 };
	struct flow_stats s;
	unsigned int held = 0;

	rte_srand(42);
	for (int step = 0; step < 300000; step++) {
		uint32_t i = (uint32_t)rte_rand_max(MODEL);
		int kind = (int)rte_rand_max(KINDS);

		if (flow[kind][i]) {
			assert_kind(t, flow[kind][i], kind, i);
			flow_close(t, flow[kind][i]);
			flow[kind][i] = NULL;
			held--;
			assert_kind(t, NULL, kind, i);
		} else {
			flow[kind][i] = open_kind(t, kind, i);
			assert_non_null(flow[kind][i]);
			held++;
		}
	}
	for (int kind = 0; kind < KINDS; kind++)
		for (uint32_t i = 0; i < MODEL; i++)
			assert_kind(t, flow[kind][i], kind, i);
	flow_stats(t, &s);
	assert_int_equal(s.v4 + s.v6, held);
	flow_table_destroy(t);
}

static void test_full_table_refuses_and_recovers(void **state)
{
	(void)state;
	struct flow_table *t = make(10000, 0);
	enum drop_reason reason = DROP_none;
	struct flow *last = NULL;

	for (uint32_t i = 0; i < 10000; i++) {
		last = open_nat(t, i, false, &reason);
		assert_non_null(last);
	}
	assert_null(open_nat(t, 10000, false, &reason));
	assert_int_equal(reason, DROP_flow_table_full);
	assert_null(open_nat(t, 1, true, &reason));
	assert_int_equal(reason, DROP_flow_table_full);
	assert_found(t, last, 9999, false);
	flow_close(t, last);
	assert_non_null(open_nat(t, 10000, false, &reason));
	flow_table_destroy(t);
}

/* All tuples in one bucket's chain: found, and the overflow buckets come back. */
static void test_overflow_chain(void **state)
{
	(void)state;
	struct flow_table *t = make(20000, 0);
	struct flow_stats s;
	enum drop_reason reason;
	struct flow *f[20000];

	for (uint32_t i = 0; i < 20000; i++)
		f[i] = open_nat(t, i, false, &reason);
	flow_stats(t, &s);
	assert_true(s.overflow > 0);
	for (uint32_t i = 0; i < 20000; i++) {
		assert_found(t, f[i], i, false);
		flow_close(t, f[i]);
	}
	flow_stats(t, &s);
	assert_int_equal(s.overflow, 0);
	assert_int_equal(s.v4, 0);
	flow_table_destroy(t);
}

/* The hand goes around all entries, in steps, and finds what is in a state and of an age. */
static void test_search(void **state)
{
	(void)state;
	struct flow_table *t = make(100, 0);
	struct flow_wanted want = { .states = 1u << 3 | 1u << 5, .now_ms = 50, .age_ms = 100 };
	enum drop_reason reason;
	struct flow *f[100], *found;
	uint32_t hand = 0, steps = 0;

	assert_true(flow_has_room(t, false));
	assert_false(flow_has_room(t, true));
	assert_null(flow_search(t, false, &hand, 10, &want));
	for (uint32_t i = 0; i < 100; i++) {
		f[i] = open_nat(t, i, false, &reason);
		f[i]->state = (uint8_t)(i % 8);
		f[i]->born = 50u - (i < 50 ? 100 : 99);
	}
	assert_false(flow_has_room(t, false));
	for (unsigned int n = 0; n < 24; n++) { /* twice around: 12 are old enough */
		while (!(found = flow_search(t, false, &hand, 7, &want)))
			assert_true(++steps < 100);
		assert_true(found->state == 3 || found->state == 5);
		assert_true(found < f[50]);
		found->born--; /* how often it was met */
	}
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(f[i]->born, 50u - 100 - (i % 8 == 3 || i % 8 == 5 ? 2 : 0));
	for (uint32_t i = 0; i < 50; i++)
		if (f[i]->state == 3 || f[i]->state == 5)
			flow_close(t, f[i]);
	assert_null(flow_search(t, false, &hand, 1000, &want));
	assert_true(flow_has_room(t, false));
	flow_table_destroy(t);
}

/* What is TCP's is none of those that make room, whatever stands where others have their state. */
static void test_search_local(void **state)
{
	(void)state;
	struct flow_table *t = make(2, 0);
	const struct flow_wanted want = { .states = 1u << 3, .now_ms = 1000, .age_ms = 100 };
	enum drop_reason reason;
	struct flow *f[2];
	uint32_t hand = 0;

	for (uint32_t i = 0; i < 2; i++) {
		f[i] = open_nat(t, i, false, &reason);
		f[i]->state = 3;
	}
	f[0]->kind = FLOW_LOCAL;
	assert_ptr_equal(flow_search(t, false, &hand, 2, &want), f[1]);
	f[1]->kind = FLOW_LOCAL;
	assert_null(flow_search(t, false, &hand, 4, &want));
	flow_table_destroy(t);
}

/* An epoch is never that of LOCAL flows, and differs from the one before. */
static void test_epoch(void **state)
{
	(void)state;
	for (uint32_t e = UINT32_MAX - 10; e != 10; e++) {
		assert_int_not_equal(FLOW_EPOCH(e), 0);
		assert_int_not_equal(FLOW_EPOCH(e), FLOW_EPOCH(e + 1));
		assert_in_range(FLOW_EPOCH(e), 0, 0xffffff);
	}
}

/* With entries left and the overflow buckets used up, a flow of the chain makes room. */
static void test_index_full(void **state)
{
	(void)state;
	struct flow_table *t = make(4096, 0);
	const struct flow_wanted want = { .states = 1u << 3, .now_ms = 1000, .age_ms = 100 };
	enum drop_reason reason = DROP_none;
	struct flow *f = NULL;
	struct tuple tuple, other;
	uint32_t i;

	for (i = 0; i == 0 || f; i++) {
		do
			tuple = client_tuple(i, false);
		while (flow_hash(t, &tuple) >> 22 && ++i); /* into one bucket or two */
		f = flow_open(t, &tuple, NULL, &reason);
		if (f)
			f->state = 3;
		else
			break;
	}
	assert_int_equal(reason, DROP_flow_table_full);
	assert_true(flow_has_room(t, false));
	for (uint32_t k = 0; k < 10; k++) {
		other = client_tuple(++i, false);
		if (flow_hash(t, &other) >> 31) /* elsewhere there is room */
			assert_null(flow_search_index(t, &other, &want));
	}
	f = flow_search_index(t, &tuple, &want);
	assert_non_null(f);
	flow_close(t, f);
	assert_null(flow_search_index(t, &tuple, &want));
	assert_non_null(flow_open(t, &tuple, NULL, &reason));
	flow_table_destroy(t);
}

static void test_clash(void **state)
{
	(void)state;
	struct flow_table *t = make(10, 10);
	struct tuple a = client_tuple(1, false), b = client_tuple(2, false);
	struct tuple ret = answer_tuple(1, false);
	enum drop_reason reason;

	assert_non_null(flow_open(t, &a, &ret, &reason));
	assert_null(flow_open(t, &a, NULL, &reason));
	assert_int_equal(reason, DROP_flow_clash);
	assert_null(flow_open(t, &b, &ret, &reason));
	assert_int_equal(reason, DROP_flow_clash);
	assert_non_null(flow_open(t, &b, NULL, &reason));
	/* Same ports and addresses, other protocol: another flow. */
	a.proto = ret.proto = IPPROTO_UDP;
	assert_non_null(flow_open(t, &a, &ret, &reason));
	flow_table_destroy(t);
}

static void test_tuples_are_kept(void **state)
{
	(void)state;
	struct flow_table *t = make(10, 10);
	enum drop_reason reason;

	for (int v6 = 0; v6 < 2; v6++) {
		struct tuple fwd = client_tuple(5, v6), ret = answer_tuple(5, v6);
		struct flow *f = flow_open(t, &fwd, &ret, &reason);
		struct tuple got = flow_tuple(f, DIR_FORWARD);

		assert_int_equal(f->adj[0], 0);
		assert_true(addr_equal(&got.src, &fwd.src) && addr_equal(&got.dst, &fwd.dst));
		assert_int_equal(got.sport, fwd.sport);
		got = flow_tuple(f, DIR_RETURN);
		assert_true(addr_equal(&got.src, &ret.src) && addr_equal(&got.dst, &ret.dst));
		assert_int_equal(got.dport, ret.dport);
		assert_int_equal(got.proto, IPPROTO_TCP);
	}
	flow_table_destroy(t);
}

/* A flow whose tuples are of two families, in either order. */
static void test_two_families(void **state)
{
	(void)state;
	struct flow_table *t = make(10, 10);
	struct tuple fwd = client_tuple(1, true), ret = translated_tuple(1), got;
	struct tuple other = client_tuple(2, true), short_fwd = client_tuple(3, false);
	struct flow_stats s;
	enum drop_reason reason;
	struct flow *f, *g;

	f = flow_open(t, &fwd, &ret, &reason);
	assert_non_null(f);
	assert_int_equal(f->flags, FLOW_V6 | FLOW_RETURN | FLOW_MIXED);
	flow_stats(t, &s);
	assert_int_equal(s.v4, 0);
	assert_int_equal(s.v6, 1);
	got = flow_tuple(f, DIR_RETURN);
	assert_true(addr_equal(&got.src, &ret.src) && addr_equal(&got.dst, &ret.dst));
	assert_int_equal(got.dport, ret.dport);
	/* The answers' tuple is taken, whoever asks for it. */
	assert_null(flow_open(t, &other, &ret, &reason));
	assert_int_equal(reason, DROP_flow_clash);
	assert_null(flow_open(t, &short_fwd, &ret, &reason));
	assert_int_equal(reason, DROP_flow_clash);
	assert_null(flow_open(t, &ret, NULL, &reason));
	assert_int_equal(reason, DROP_flow_clash);
	/* Another port is another flow. */
	ret.dport++;
	assert_non_null(flow_open(t, &short_fwd, &ret, &reason));
	assert_translated(t, f, 1);

	ret = answer_tuple(4, true);
	fwd = client_tuple(4, false);
	g = flow_open(t, &fwd, &ret, &reason);
	assert_non_null(g);
	assert_int_equal(g->flags, FLOW_V6 | FLOW_RETURN | FLOW_MIXED);
	assert_pair(t, g, fwd, ret);
	flow_close(t, g);
	assert_pair(t, NULL, fwd, ret);
	flow_close(t, f);
	assert_translated(t, NULL, 1);
	flow_table_destroy(t);
}

/* A burst of hits and misses, both families and directions, at the packets' own headers. */
static void test_burst(void **state)
{
	(void)state;
	struct flow_table *t = make(100, 100);
	static uint8_t frame[BURST_MAX][64];
	struct burst b = { .n = BURST_MAX };
	struct flow *expect[BURST_MAX] = { 0 };
	enum drop_reason reason;

	for (uint32_t i = 0; i < BURST_MAX; i++) {
		struct pkt *p = &b.pkt[i];
		bool v6 = i & 1, back = i & 2, translated = i % 8 >= 5;
		struct tuple tuple = back ? answer_tuple(i, v6) : client_tuple(i, v6);

		/* IPv6 forward, IPv4 back. */
		if (translated) {
			v6 = !back;
			tuple = back ? translated_tuple(i) : client_tuple(i, true);
		}
		if (i % 5 && translated)
			expect[i] = open_translated(t, i, &reason);
		else if (i % 5)
			expect[i] = open_nat(t, i, v6, &reason);
		p->l3 = frame[i];
		p->l4 = frame[i] + (v6 ? 40 : 20);
		p->family = v6 ? 6 : 4;
		p->proto = tuple.proto;
		p->verdict = i == 7 ? PKT_DROP : PKT_GO;
		p->flow = (struct flow *)frame;
		if (v6) {
			memcpy(p->l3 + 8, tuple.src.b, 16);
			memcpy(p->l3 + 24, tuple.dst.b, 16);
		} else {
			memcpy(p->l3 + 12, &tuple.src.w[3], 4);
			memcpy(p->l3 + 16, &tuple.dst.w[3], 4);
		}
		memcpy(p->l4, &tuple.sport, 2);
		memcpy(p->l4 + 2, &tuple.dport, 2);
		p->hash = flow_hash(t, &tuple);
	}
	flow_lookup_step(t, &b, 0, b.n);
	for (uint32_t i = 0; i < BURST_MAX; i++) {
		if (i == 7) {
			assert_ptr_equal(b.pkt[i].flow, frame);
			continue;
		}
		assert_ptr_equal(b.pkt[i].flow, expect[i]);
		if (expect[i])
			assert_int_equal(b.pkt[i].dir, i & 2 ? DIR_RETURN : DIR_FORWARD);
	}
	flow_table_destroy(t);
}

static void test_timers(void **state)
{
	(void)state;
	struct flow_table *t = make(100, 100);
	struct flow *f[40], *due[64];
	enum drop_reason reason;
	unsigned int n = 0;

	for (uint32_t i = 0; i < 40; i++) {
		f[i] = i % 4 == 3 ? open_translated(t, i, &reason) : open_nat(t, i, i & 1, &reason);
		flow_arm(t, f[i], 1000 + 1000 * i);
	}
	flow_close(t, f[3]); /* a closed flow is never due */
	for (uint32_t now = 0; now < 60000; now += 50) {
		unsigned int got = flow_due(t, now, due, 64);

		for (unsigned int i = 0; i < got; i++) {
			struct tuple tuple = flow_tuple(due[i], DIR_FORWARD);
			uint32_t who = rte_be_to_cpu_32(tuple.src.w[3]) & 0xffffff;

			assert_int_not_equal(who, 3);
			/* The wheel's rounding, and this loop's step. */
			uint32_t at = 1000 + 1000 * who;
			assert_in_range(now, at, at + 2 * 64 + at / 63 + 50);
		}
		n += got;
	}
	assert_int_equal(n, 39);
	flow_table_destroy(t);
}

static bool count_visit(void *arg, struct flow *f)
{
	unsigned int *seen = arg;
	struct tuple tuple = flow_tuple(f, DIR_FORWARD);

	seen[rte_be_to_cpu_32(tuple.src.w[3]) & 0xffffff]++;
	return true;
}

static void test_walk_meets_each_once(void **state)
{
	(void)state;
	struct flow_table *t = make(500, 500);
	unsigned int seen[600] = { 0 };
	struct flow *f[400];
	enum drop_reason reason;
	uint64_t cursor = 0;
	int slices = 0;

	for (uint32_t i = 0; i < 400; i++)
		f[i] = i % 4 == 3 ? open_translated(t, i, &reason) : open_nat(t, i, i & 1, &reason);
	do {
		flow_walk(t, &cursor, 7, count_visit, seen);
		/* Flows that come and go meanwhile do not disturb the others. */
		uint32_t extra = 500 + (uint32_t)(slices % 100);
		struct flow *e = open_nat(t, extra, slices & 1, &reason);
		assert_non_null(e);
		flow_close(t, e);
		slices++;
		assert_true(slices < 1000);
	} while (cursor);
	for (uint32_t i = 0; i < 400; i++) {
		assert_int_equal(seen[i], 1);
		flow_close(t, f[i]);
	}
	flow_table_destroy(t);
}

static void test_memory_is_as_promised(void **state)
{
	(void)state;
	struct flow_conf conf = { .max_v4 = 1 << 20, .max_v6 = 0 };

	assert_true(flow_table_bytes(&conf) / conf.max_v4 <= 128);
	conf = (struct flow_conf){ .max_v4 = 0, .max_v6 = 1 << 20 };
	assert_true(flow_table_bytes(&conf) / conf.max_v6 <= 192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_a_list),
		cmocka_unit_test(test_full_table_refuses_and_recovers),
		cmocka_unit_test(test_overflow_chain),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_search_local),
		cmocka_unit_test(test_epoch),
		cmocka_unit_test(test_index_full),
		cmocka_unit_test(test_clash),
		cmocka_unit_test(test_tuples_are_kept),
		cmocka_unit_test(test_two_families),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_walk_meets_each_once),
		cmocka_unit_test(test_memory_is_as_promised),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports are the worker's own, each taken once, rest as long as can be, and come back. */
#include "lport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "test_eal.h"

/* In place of lib/net's. */
void net_drop(struct net_worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	rte_pktmbuf_free(m);
}

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* Answers of a server to one of our addresses. */
static struct tuple answers(const char *server, uint16_t port, const char *source)
{
	return (struct tuple){
		.src = address(server),
		.dst = address(source),
		.sport = rte_cpu_to_be_16(port),
		.proto = IPPROTO_TCP,
	};
}

/* Tables of n workers. */
struct workers {
	unsigned int n;
	struct steer **steer;
	struct lport_table *table[8];
};

static void workers_make(struct workers *w, unsigned int n, unsigned int max_sets)
{
	w->n = n;
	w->steer = steer_create(n, 64, NULL);
	assert_non_null(w->steer);
	for (unsigned int i = 0; i < n; i++) {
		w->table[i] = lport_create(w->steer[i], max_sets, SOCKET_ID_ANY);
		assert_non_null(w->table[i]);
	}
}

static void workers_free(struct workers *w)
{
	for (unsigned int i = 0; i < w->n; i++)
		lport_destroy(w->table[i]);
	steer_destroy(w->steer, w->n);
}

static uint16_t take(struct lport_table *t, struct tuple *back)
{
	assert_int_equal(lport_take(t, back, 0), DROP_none);
	return rte_be_to_cpu_16(back->dport);
}

static void assert_stats(const struct lport_table *t, unsigned int sets, unsigned int ports)
{
	struct lport_stats s;

	lport_stats(t, &s);
	assert_int_equal(s.sets, sets);
	assert_int_equal(s.ports, ports);
}

/* However many workers there are, together they have each port once. */
static void all_ports(unsigned int n, const char *server, const char *source)
{
	static uint8_t taken[65536];
	struct workers w;
	unsigned int total = 0, least = UINT32_MAX;

	memset(taken, 0, sizeof(taken));
	workers_make(&w, n, 4);
	for (unsigned int i = 0; i < n; i++) {
		struct tuple back = answers(server, 80, source);
		unsigned int count = 0;

		/* A refusal may be but the end of patience with ports of others. */
		for (unsigned int refused = 0; refused < 2;) {
			if (lport_take(w.table[i], &back, 0) != DROP_none) {
				refused++;
				continue;
			}
			assert_int_equal(steer_owner(w.steer[i], &back, false), i);
			assert_int_equal(taken[rte_be_to_cpu_16(back.dport)]++, 0);
			count++;
		}
		total += count;
		least = RTE_MIN(least, count);
	}
	assert_int_equal(total, LPORT_COUNT);
	for (unsigned int port = 0; port < 65536; port++)
		assert_int_equal(taken[port], port >= LPORT_FIRST);
	assert_true(least > LPORT_COUNT / n / 2);
	workers_free(&w);
}

static void test_ownership(void **state)
{
	for (unsigned int n = 1; n <= 8; n++) {
		all_ports(n, "10.0.0.11", "10.0.0.1");
		all_ports(n, "2001:db8:2::11", "2001:db8:2::1");
	}
}

/* Exhausted, then one given back is the one that is had. */
static void test_exhaustion(void **state)
{
	struct tuple back = answers("10.0.0.11", 80, "10.0.0.1"), one;
	struct workers w;

	workers_make(&w, 1, 4);
	for (unsigned int i = 0; i < LPORT_COUNT; i++)
		take(w.table[0], &back);
	assert_stats(w.table[0], 1, LPORT_COUNT);
	assert_int_equal(lport_take(w.table[0], &back, 0), DROP_no_local_port);
	for (unsigned int i = 0; i < 10; i++) {
		one = back;
		one.dport = rte_cpu_to_be_16((uint16_t)(i % 2 ? 1024 + i : 65535 - i));
		lport_give(w.table[0], &one, 0);
		assert_int_equal(take(w.table[0], &back), rte_be_to_cpu_16(one.dport));
		assert_int_equal(lport_take(w.table[0], &back, 0), DROP_no_local_port);
	}
	workers_free(&w);
}

/* A port that was given back is not used again before all others have been. */
static void test_reuse_distance(void **state)
{
	struct tuple back = answers("10.0.0.11", 80, "10.0.0.1");
	struct workers w;
	uint16_t first;

	workers_make(&w, 1, 4);
	first = take(w.table[0], &back);
	lport_give(w.table[0], &back, 0);
	for (unsigned int i = 1; i < LPORT_COUNT; i++) {
		assert_int_not_equal(take(w.table[0], &back), first);
		lport_give(w.table[0], &back, 0);
	}
	assert_int_equal(take(w.table[0], &back), first);
	workers_free(&w);
}

/* Of three workers each finds its share by turns, too. */
static void test_reuse_distance_workers(void **state)
{
	struct tuple back = answers("10.0.0.11", 80, "10.0.0.1");
	unsigned int owned = 0;
	struct workers w;
	uint16_t first;

	workers_make(&w, 3, 4);
	for (unsigned int port = LPORT_FIRST; port < 65536; port++) {
		back.dport = rte_cpu_to_be_16((uint16_t)port);
		owned += steer_owner(w.steer[1], &back, false) == 1;
	}
	first = take(w.table[1], &back);
	lport_give(w.table[1], &back, 0);
	for (unsigned int i = 1; i < owned; i++) {
		assert_int_not_equal(take(w.table[1], &back), first);
		lport_give(w.table[1], &back, 0);
	}
	assert_int_equal(take(w.table[1], &back), first);
	workers_free(&w);
}

/* Twins, the same server in two pools, share a set; all else has one of its own. */
static void test_sets(void **state)
{
	struct tuple base = answers("10.0.0.11", 80, "10.0.0.1"), twin = base, t[4];
	struct workers w;
	uint16_t a, b;

	workers_make(&w, 1, 16);
	a = take(w.table[0], &base);
	b = take(w.table[0], &twin);
	assert_int_not_equal(a, b);
	assert_stats(w.table[0], 1, 2);

	t[0] = answers("10.0.0.12", 80, "10.0.0.1");
	t[1] = answers("10.0.0.11", 81, "10.0.0.1");
	t[2] = answers("10.0.0.11", 80, "10.0.0.2");
	t[3] = base;
	t[3].proto = IPPROTO_UDP;
	for (unsigned int i = 0; i < 4; i++) {
		take(w.table[0], &t[i]);
		assert_stats(w.table[0], 2 + i, 3 + i);
	}
	for (unsigned int i = 0; i < LPORT_COUNT - 2; i++)
		take(w.table[0], &base);
	assert_int_equal(lport_take(w.table[0], &twin, 0), DROP_no_local_port);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(lport_take(w.table[0], &t[i], 0), DROP_none);
	workers_free(&w);
}

/* No more sets than allowed; what is not in use makes room, the longest unused first. */
static void test_bound(void **state)
{
	struct tuple t[5];
	struct workers w;

	workers_make(&w, 1, 3);
	for (unsigned int i = 0; i < 5; i++)
		t[i] = answers("10.0.0.11", (uint16_t)(80 + i), "10.0.0.1");
	for (unsigned int i = 0; i < 3; i++)
		take(w.table[0], &t[i]);
	assert_int_equal(lport_take(w.table[0], &t[3], 0), DROP_no_local_port);
	lport_give(w.table[0], &t[1], 10);
	lport_give(w.table[0], &t[0], 20);
	assert_stats(w.table[0], 3, 1);
	take(w.table[0], &t[3]); /* in place of 1 */
	take(w.table[0], &t[0]); /* its set is still there */
	assert_stats(w.table[0], 3, 3);
	assert_int_equal(lport_take(w.table[0], &t[4], 20), DROP_no_local_port);
	workers_free(&w);
}

/* A set is freed when it has not been used for some minutes, and then begins anew. */
static void test_rest(void **state)
{
	struct tuple a = answers("10.0.0.11", 80, "10.0.0.1");
	struct tuple b = answers("10.0.0.12", 80, "10.0.0.1");
	const uint32_t start = UINT32_MAX - 1000; /* the clock runs over */
	struct workers w;

	workers_make(&w, 1, 4);
	assert_int_equal(lport_take(w.table[0], &a, start), DROP_none);
	lport_give(w.table[0], &a, start);
	assert_int_equal(lport_take(w.table[0], &b, start + 60000), DROP_none);
	assert_stats(w.table[0], 2, 1);
	lport_give(w.table[0], &b, start + 300000);
	assert_stats(w.table[0], 1, 0);
	assert_int_equal(lport_take(w.table[0], &a, start + 600000), DROP_none);
	assert_stats(w.table[0], 1, 1);
	lport_give(w.table[0], &a, start + 600000);
	assert_stats(w.table[0], 1, 0);
	workers_free(&w);
}

/* At random, against a plain record of what is taken. */
static void test_random(void **state)
{
	enum { SETS = 3, HELD = 40000 };
	static uint8_t taken[SETS][65536];
	static struct tuple held[HELD];
	static uint8_t of[HELD];
	struct tuple base[SETS] = { answers("10.0.0.11", 80, "10.0.0.1"),
		answers("10.0.0.11", 80, "10.0.0.2"), answers("10.0.0.12", 80, "10.0.0.1") };
	unsigned int n = 0;
	struct workers w;

	srand(7);
	workers_make(&w, 2, 4);
	for (unsigned int i = 0; i < 400000; i++) {
		unsigned int pick = (unsigned int)rand();

		if (n < HELD && (pick & 1 || i % 100000 < 50000)) {
			of[n] = (uint8_t)(pick / 2 % SETS);
			held[n] = base[of[n]];
			assert_int_equal(lport_take(w.table[0], &held[n], 0), DROP_none);
			assert_int_equal(steer_owner(w.steer[0], &held[n], false), 0);
			assert_int_equal(taken[of[n]][rte_be_to_cpu_16(held[n].dport)]++, 0);
			n++;
		} else if (n > 0) {
			unsigned int k = pick / 2 % n;

			lport_give(w.table[0], &held[k], 0);
			taken[of[k]][rte_be_to_cpu_16(held[k].dport)]--;
			held[k] = held[--n];
			of[k] = of[n];
		}
	}
	while (n-- > 0)
		lport_give(w.table[0], &held[n], 0);
	assert_stats(w.table[0], SETS, 0);
	workers_free(&w);
}

static void assert_fullest(struct lport_table *t, const char *server, uint32_t used)
{
	struct lport_fullest f;
	char text[ADDR_TEXT];

	lport_fullest(t, &f);
	assert_string_equal(addr_format(&f.server.addr, text), server);
	assert_string_equal(addr_format(&f.source, text), "10.0.0.1");
	assert_int_equal(f.server.port, 80);
	assert_int_equal(f.used, used);
	assert_int_equal(f.max, LPORT_COUNT);
}

/* The set with most ports in use, also when it has fewer again, and when it is gone. */
static void test_fullest(void **state)
{
	struct tuple a[3], b[3], c[4];
	struct lport_fullest f;
	struct workers w;

	workers_make(&w, 1, 2);
	lport_fullest(w.table[0], &f);
	assert_int_equal(f.max, 0);
	for (unsigned int i = 0; i < 3; i++) {
		a[i] = answers("10.0.0.11", 80, "10.0.0.1");
		take(w.table[0], &a[i]);
		assert_fullest(w.table[0], "10.0.0.11", i + 1);
		b[i] = answers("10.0.0.12", 80, "10.0.0.1");
		take(w.table[0], &b[i]);
		assert_fullest(w.table[0], "10.0.0.11", i + 1);
	}
	lport_give(w.table[0], &a[0], 0);
	assert_fullest(w.table[0], "10.0.0.11", 2);
	lport_give(w.table[0], &b[0], 0);
	take(w.table[0], &b[0]);
	assert_fullest(w.table[0], "10.0.0.12", 3);
	for (unsigned int i = 0; i < 3; i++) /* which makes it the one to go */
		lport_give(w.table[0], &b[i], 0);
	assert_fullest(w.table[0], "10.0.0.12", 0);
	for (unsigned int i = 0; i < 4; i++) {
		c[i] = answers("10.0.0.13", 80, "10.0.0.1");
		take(w.table[0], &c[i]);
		assert_fullest(w.table[0], "10.0.0.13", i + 1);
	}
	workers_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ownership),
		cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_reuse_distance),
		cmocka_unit_test(test_reuse_distance_workers),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_fullest),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_random),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

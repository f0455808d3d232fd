/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The workers' own loop, on threads of its own: it sleeps when there is nothing to do, lets go of
 * former snapshots meanwhile, and hands packets over between threads without losing one. Waits are
 * for counters, with a bound that only a hang reaches.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_cycles.h>

#include "harness.h"

#define TCP     6
#define PACKETS 4000
#define WINDOW  256 /* on their way at a time: no ring overflows */

/* Until cond holds; fails after about 20 s. */
#define WAIT_FOR(cond)                                                                             \
	do {                                                                                       \
		for (int tries_ = 0; !(cond); tries_++) {                                          \
			if (tries_ == 200000)                                                      \
				fail_msg("waited in vain for " #cond);                             \
			usleep(100);                                                               \
		}                                                                                  \
	} while (0)

static struct harness *balancer(unsigned int workers)
{
	/* The workers' clock goes on where the harness's was; milliseconds wrap. */
	return harness_create(&(struct harness_conf){ .file = "forward.json",
		.workers = workers,
		.up_ms = (uint32_t)(rte_rdtsc() / 1000000) - 1000 });
}

static void *loop(void *worker)
{
	worker_run(worker);
	return NULL;
}

static void start(struct harness *h, pthread_t *thread, struct idle_conf idle)
{
	for (unsigned int i = 0; i < h->conf.workers; i++) {
		h->workers->worker[i]->idle = idle;
		assert_int_equal(pthread_create(&thread[i], NULL, loop, h->workers->worker[i]), 0);
	}
}

/* Back to the one thread of the harness. */
static void stop(struct harness *h, pthread_t *thread)
{
	for (unsigned int i = 0; i < h->conf.workers; i++)
		worker_stop(h->workers->worker[i]);
	for (unsigned int i = 0; i < h->conf.workers; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	h->tsc = rte_rdtsc();
}

static void test_sleeps(void **state)
{
	struct harness *h = balancer(1);
	struct worker *w = h->workers->worker[0];
	struct faults faults = { 0 };
	const struct model *before = h->snapshot.model;
	const uint64_t version = before->version;
	json_t *doc = harness_document(h);
	pthread_t thread;

	start(h, &thread,
		(struct idle_conf){ .spins = 8, .sleep_min_us = 10, .sleep_max_us = 100 });
	WAIT_FOR(counter_read(&w->cycles.sleeps) > 20);
	assert_int_equal(config_apply(&h->target, doc, &faults), 0);
	json_decref(doc);
	faults_free(&faults);
	/* Some time after the last publish. */
	WAIT_FOR(config_poll(&h->target, UINT32_MAX) == 0 &&
		 __atomic_load_n(&w->model_version, __ATOMIC_RELAXED) != version);
	WAIT_FOR(rcu_reclaim(h->rcu) == 0);
	stop(h, &thread);
	harness_destroy(h);
}

static void test_never_sleeps(void **state)
{
	struct harness *h = balancer(1);
	struct worker *w = h->workers->worker[0];
	uint64_t polls = counter_read(&w->cycles.polls);
	pthread_t thread;

	start(h, &thread,
		(struct idle_conf){ .spins = 0, .sleep_min_us = 10, .sleep_max_us = 100 });
	WAIT_FOR(counter_read(&w->cycles.polls) > polls + 100000);
	stop(h, &thread);
	assert_int_equal(counter_read(&w->cycles.sleeps), 0);
	harness_destroy(h);
}

/* Frames for servers among those that were sent; frees all. */
static unsigned int collect(struct harness *h)
{
	struct rte_mbuf *m;
	struct frame f;
	unsigned int n = 0;

	for (unsigned int q = 0; q < h->txqs; q++)
		while (rte_ring_dequeue(h->tx[LAN][q], (void **)&m) == 0) {
			assert_null(frame_read(rte_pktmbuf_mtod(m, uint8_t *), m->pkt_len, &f));
			n += f.proto == TCP;
			rte_pktmbuf_free(m);
		}
	return n;
}

static void test_two_threads(void **state)
{
	struct harness *h = balancer(2);
	unsigned int sent = 0, got = 0;
	pthread_t thread[2];
	uint8_t buf[FRAME_MAX];
	struct frame f;

	/* So that each server's MAC address is known and flows are there. */
	for (uint16_t i = 0; i < 64; i++) {
		f = frame_make(
			TCP, "198.51.100.7", (uint16_t)(5000 + i), "192.0.2.20", 80, FRAME_SYN);
		harness_through(h, WAN, &f, LAN);
	}
	start(h, thread, (struct idle_conf){ .spins = 8, .sleep_min_us = 10, .sleep_max_us = 100 });
	while (sent < PACKETS) {
		/* Each flow from both queues in turn: half of it is another worker's. */
		for (; sent < PACKETS && sent - got < WINDOW; sent++) {
			f = frame_make(TCP, "198.51.100.7", (uint16_t)(5000 + sent / 2 % 64),
				"192.0.2.20", 80, FRAME_ACK);
			memcpy(f.eth_dst, h->nic[WAN]->mac.addr_bytes, 6);
			memcpy(f.eth_src, h->host[0].mac, 6);
			assert_true(harness_inject(
				h, WAN, (uint16_t)(sent % 2), buf, frame_build(&f, buf)));
		}
		WAIT_FOR((got += collect(h)) == sent);
	}
	stop(h, thread);
	assert_int_equal(got, PACKETS);
	assert_int_equal(harness_flows(h), 64);
	assert_int_equal(harness_all_drops(h), 0);
	harness_destroy(h); /* looks whether a packet is missing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sleeps),
		cmocka_unit_test(test_never_sleeps),
		cmocka_unit_test(test_two_threads),
	};

	harness_init();
	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* For the tests of schedulers: pools without a model. */
#ifndef SCHED_SCHED_TEST_H
#define SCHED_SCHED_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sched.h"

static const struct hash_key test_cluster = { { 0x0123456789abcdefu, 0xfedcba9876543210u } };

/* A pool of n servers "s0", "s1" .. of the given weights (NULL: all 1) in slots from 100 on. */
static inline struct pool *test_pool_make(
	const char *scheduler, unsigned int n, const uint16_t *weights)
{
	struct pool *p = calloc(1, sizeof(*p) + n * sizeof(p->servers[0]));

	assert_non_null(p);
	p->slot = 3;
	p->n_servers = (uint16_t)n;
	p->sched = sched_find(scheduler);
	assert_non_null(p->sched);
	for (unsigned int i = 0; i < n; i++) {
		struct server *s = &p->servers[i];

		snprintf(s->name, sizeof(s->name), "s%u", i);
		s->id = hash_siphash(&test_cluster, s->name, strlen(s->name));
		s->slot = (uint16_t)(100 + i);
		s->weight = s->effective_weight = weights ? weights[i] : 1;
	}
	return p;
}

static inline void test_pool_build(struct pool *p)
{
	assert_int_equal(sched_pool_build(p, &test_cluster, false), 0);
}

static inline void test_pool_free(struct pool *p)
{
	sched_pool_destroy(p);
	free(p);
}

/* A worker without the EAL's memory. */
struct test_worker {
	struct sched_worker w;
	uint32_t position[8], elsewhere_ms[8];
	uint64_t load[MODEL_SERVERS_MAX];
	uint32_t elsewhere[MODEL_SERVERS_MAX];
	const uint64_t *others[8];
};

static inline struct sched_worker *test_worker_make(unsigned int id, unsigned int n_workers)
{
	struct test_worker *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	memset(t->position, 0xff, sizeof(t->position));
	memset(t->elsewhere_ms, 0xff, sizeof(t->elsewhere_ms));
	t->w = (struct sched_worker){
		.id = id,
		.n_workers = n_workers,
		.position = t->position,
		.load = t->load,
		.elsewhere = t->elsewhere,
		.elsewhere_ms = t->elsewhere_ms,
		.others = t->others,
	};
	t->others[id] = t->load;
	return &t->w;
}

static inline void test_worker_free(struct sched_worker *w)
{
	free(w);
}

/* A linear congruential generator; below is less than 2^32. */
static inline uint32_t test_random(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((*state >> 32) * below >> 32);
}

#endif

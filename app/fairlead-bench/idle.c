/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual time that goes by without packets: what timers cost, and how long a poll of them is. */
#include <rte_cycles.h>

#include "bench.h"

/* Polls by what they took: STEP cycles a place, the last one has all that took longer. */
#define STEP   32
#define PLACES 8192

/*
 * IDLE_ROUND polls in a row. Of those that did the most the one with the shortest longest poll
 * counts: others are short for want of work, or long for what the machine did besides.
 */
struct idle_round {
	uint64_t closed; /* flows */
	uint64_t work;   /* timers looked at */
	uint64_t longest;
};

struct idle_clock {
	struct run *run;
	struct idle *out;
	uint64_t longest;
	uint32_t open; /* flows when the round began */
	struct idle_round now, best;
	uint64_t place[PLACES];
};

static uint32_t flows_open(const struct run *run)
{
	const struct flow_stats s = rig_flows(run->rig);

	return s.v4 + s.v6;
}

static bool is_better(const struct idle_round *a, const struct idle_round *b)
{
	if (a->closed != b->closed)
		return a->closed > b->closed;
	return a->work != b->work ? a->work > b->work : a->longest < b->longest;
}

static void round_end(struct idle_clock *c)
{
	const uint32_t open = flows_open(c->run);

	c->now.closed = c->open - open;
	if (is_better(&c->now, &c->best))
		c->best = c->now;
	c->now = (struct idle_round){ 0 };
	c->open = open;
}

static void add(struct idle_clock *c, uint64_t spent, unsigned int work)
{
	c->out->cycles += spent;
	c->place[RTE_MIN(spent / STEP, (uint64_t)PLACES - 1)]++;
	c->longest = RTE_MAX(c->longest, spent);
	c->now.longest = RTE_MAX(c->now.longest, spent);
	c->now.work += work;
	if (++c->out->polls % IDLE_ROUND == 0)
		round_end(c);
}

static void report(struct idle_clock *c)
{
	const double us = (double)rte_get_tsc_hz() / 1e6;
	const uint64_t beyond = c->out->polls / 1000;
	unsigned int i = PLACES;
	uint64_t seen = 0;

	if (c->out->polls < IDLE_ROUND)
		round_end(c);
	while (i > 0 && seen <= beyond)
		seen += c->place[--i];
	c->out->p999_us = (double)(i + 1) * STEP / us;
	c->out->max_us = (double)c->longest / us;
	c->out->round_max_us = (double)c->best.longest / us;
}

void run_idle(struct run *run, uint32_t ms, struct idle *out)
{
	struct idle unused = { 0 };
	struct idle_clock clock = {
		.run = run, .out = out ? out : &unused, .open = flows_open(run)
	};

	for (unsigned int i = 0; i < run->n; i++) {
		struct lane *l = &run->lane[i];

		for (uint32_t passed = 0; passed < ms;) {
			const uint64_t t = rte_rdtsc_precise();
			const unsigned int work = worker_poll(l->worker, l->ns);
			const uint64_t spent = rte_rdtsc_precise() - t;

			if (work)
				add(&clock, spent, work);
			l->ns += work ? 0 : 1000000;
			passed += !work;
		}
	}
	report(&clock);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cycles a packet of pipeline_run(), from the burst in hand to the burst ready to send: the best of
 * several rounds, and the stages in rounds of their own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench.h"

/* Rounds go on, up to so many times as many as were asked for, until an eighth of those came as
 * near to the best as this. */
#define MORE 16
#define NEAR 0.02

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The bursts of a round; sorts them. */
static void bursts_report(struct lane *l, struct bench_cost *out)
{
	const double us = (double)rte_get_tsc_hz() / 1e6;
	const unsigned int n = RTE_MIN(l->n_bursts, (unsigned int)BENCH_ROUND);

	qsort(l->burst, n, sizeof(l->burst[0]), ascending);
	out->p999_us = RTE_MAX(out->p999_us, (double)l->burst[n * 999 / 1000] / us);
	out->max_us = RTE_MAX(out->max_us, (double)l->burst[n - 1] / us);
}

static struct bench_cost round_cost(struct run *run)
{
	struct bench_cost cost = { 0 };
	uint64_t cycles = 0, rest = 0, packets = 0;

	for (unsigned int i = 0; i < run->n; i++) {
		struct lane *l = &run->lane[i];

		cost.worker[i] = (double)l->cycles / l->packets;
		cycles += l->cycles;
		rest += l->rest;
		packets += l->packets;
		bursts_report(l, &cost);
	}
	cost.cycles_per_packet = (double)cycles / (double)packets;
	cost.poll = (double)rest / (double)packets;
	return cost;
}

/*
 * Whether enough rounds came near the best one to believe it. Where others use the machine whole
 * stretches of rounds are slow, and a single fast one may be chance.
 */
struct belief {
	double mark; /* the best when counting began */
	unsigned int near;
};

static void believe(struct belief *b, double cycles)
{
	if (b->near == 0 || cycles < b->mark * (1 - NEAR)) {
		b->mark = cycles;
		b->near = 0;
	}
	b->near += cycles <= b->mark * (1 + NEAR);
}

/* What stages took in a round, cycles a packet; makes workers count anew. */
static void stages_take(struct run *run, uint64_t (*of)[STAGE_COUNT], double *out)
{
	uint64_t packets = 0;

	memset(out, 0, STAGE_COUNT * sizeof(*out));
	for (unsigned int w = 0; w < run->n; w++)
		packets += run->lane[w].packets;
	for (unsigned int w = 0; w < run->n; w++)
		for (unsigned int s = 0; s < STAGE_COUNT; s++)
			out[s] += (double)of[w][s] / (double)packets;
	memset(of, 0, run->n * sizeof(*of));
}

int bench_rounds(struct run *run, struct bench_cost *best, double *stage)
{
	const unsigned int least = run->o->rounds, wanted = (least + 7) / 8;
	uint64_t of[BENCH_WORKERS_MAX][STAGE_COUNT] = { { 0 } };
	struct belief belief = { 0 };
	int rc = 0;

	for (unsigned int w = 0; stage && w < run->n; w++)
		run->lane[w].worker->stage_cycles = of[w];
	for (unsigned int i = 0; i < least || (belief.near < wanted && i < least * MORE); i++) {
		struct bench_cost cost;
		double now[STAGE_COUNT];

		rc = run_round(run);
		if (rc < 0)
			break;
		cost = round_cost(run);
		stages_take(run, of, now);
		believe(&belief, cost.cycles_per_packet);
		if (i > 0 && cost.cycles_per_packet >= best->cycles_per_packet)
			continue;
		*best = cost;
		if (stage)
			memcpy(stage, now, sizeof(now));
	}
	for (unsigned int w = 0; w < run->n; w++)
		run->lane[w].worker->stage_cycles = NULL;
	return rc;
}

/* Cycles that reading the clock adds to a burst. */
static double clock_cost(void)
{
	uint64_t best = UINT64_MAX;

	for (unsigned int i = 0; i < 10000; i++) {
		const uint64_t t = rte_rdtsc_precise();

		best = RTE_MIN(best, rte_rdtsc_precise() - t);
	}
	return (double)best;
}

/* The table as full of first packets as it stays: each meets the end of one begun 30 s ago. */
static int warm(struct run *run)
{
	const uint64_t begun = (uint64_t)rig_embryos(run->o) * 5 / 4;
	const uint64_t packets = run->mix ? begun * 100 / run->mix : 0;

	for (uint64_t sent = 0; sent < packets; sent += BENCH_ROUND * run->n)
		if (run_round(run) < 0)
			return -1;
	return 0;
}

double bench_bytes_per_flow(const struct flow_stats *s)
{
	return (double)s->bytes / (s->max_v4 + s->max_v6);
}

static int measure(struct run *run, struct bench_result *out)
{
	const struct bench_options *o = run->o;
	struct bench_cost direct, staged;

	if (o->mix < 100 && !o->cookies) {
		if (run_establish(run, NULL) < 0)
			return -1;
		run_idle(run, BENCH_SYN_MS + 1000, NULL); /* no timer of the opening is left */
	}
	run_phase(run, HANDOFF_NONE, o->mix);
	if (warm(run) < 0)
		return -1;
	if (o->handoff) {
		if (bench_rounds(run, &direct, NULL) < 0)
			return -1;
		out->direct = direct.cycles_per_packet;
		run_phase(run, o->handoff, o->mix);
	}
	if (bench_rounds(run, &out->cost, NULL) < 0)
		return -1;
	return bench_rounds(run, &staged, out->stage);
}

int bench_l4(struct rig *r, const struct bench_options *o, struct bench_result *out)
{
	struct flow_stats flows;
	struct run run;
	int rc = run_open(&run, r, o);

	*out = (struct bench_result){ 0 };
	if (rc < 0)
		fprintf(stderr, "fairlead-bench: out of memory\n");
	else
		rc = measure(&run, out);
	if (rc == 0) {
		flows = rig_flows(r);
		out->flows_open = flows.v4 + flows.v6;
		out->table_bytes = flows.bytes;
		out->bytes_per_flow = bench_bytes_per_flow(&flows);
		out->packets = (uint64_t)BENCH_ROUND * run.n;
		out->dropped = run_lost(&run);
		out->threads = run.threads;
		out->hugepages = !o->no_huge;
		out->clock = clock_cost() / BURST_MAX;
		out->tsc_mhz = (double)rte_get_tsc_hz() / 1e6;
		for (unsigned int i = 0; i < run.n; i++)
			out->handed_over += run.lane[i].worker->steer->handed_over;
	}
	run_close(&run);
	return rc;
}

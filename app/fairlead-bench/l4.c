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

static int best_round(struct run *run, struct bench_cost *best)
{
	for (unsigned int i = 0; i < run->o->rounds; i++) {
		struct bench_cost cost;

		if (run_round(run) < 0)
			return -1;
		cost = round_cost(run);
		if (i == 0 || cost.cycles_per_packet < best->cycles_per_packet)
			*best = cost;
	}
	return 0;
}

/* Rounds with the clock read between stages, which costs a little itself. */
static int stages(struct run *run, struct bench_result *out)
{
	uint64_t stage[BENCH_WORKERS_MAX][STAGE_COUNT];
	double best = 0;

	for (unsigned int i = 0; i < run->o->rounds; i++) {
		uint64_t sum[STAGE_COUNT] = { 0 }, packets = 0;
		double each;

		memset(stage, 0, sizeof(stage));
		for (unsigned int w = 0; w < run->n; w++)
			run->lane[w].worker->stage_cycles = stage[w];
		if (run_round(run) < 0)
			return -1;
		for (unsigned int w = 0; w < run->n; w++) {
			run->lane[w].worker->stage_cycles = NULL;
			packets += run->lane[w].packets;
			for (unsigned int s = 0; s < STAGE_COUNT; s++)
				sum[s] += stage[w][s];
		}
		each = round_cost(run).cycles_per_packet;
		if (i > 0 && each >= best)
			continue;
		best = each;
		for (unsigned int s = 0; s < STAGE_COUNT; s++)
			out->stage[s] = (double)sum[s] / (double)packets;
	}
	return 0;
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

/* What was given to the workers and has not come out again; what they count as dropped is less,
 * where packets leave by a side exit. */
static uint64_t lost(const struct run *run)
{
	uint64_t sent = 0, collected = 0;

	for (unsigned int i = 0; i < run->n; i++) {
		sent += run->lane[i].sent;
		collected += run->lane[i].collected;
	}
	return RTE_MAX(sent - collected, rig_dropped(run->rig));
}

static int measure(struct run *run, struct bench_result *out)
{
	const struct bench_options *o = run->o;
	struct bench_cost direct;

	if (o->mix < 100 && run_establish(run, NULL) < 0)
		return -1;
	run_phase(run, HANDOFF_NONE, o->mix);
	if (warm(run) < 0)
		return -1;
	if (o->handoff) {
		if (best_round(run, &direct) < 0)
			return -1;
		out->direct = direct.cycles_per_packet;
		run_phase(run, o->handoff, o->mix);
	}
	if (best_round(run, &out->cost) < 0)
		return -1;
	return stages(run, out);
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
		out->bytes_per_flow = (double)flows.bytes / (flows.max_v4 + flows.max_v6);
		out->packets = (uint64_t)BENCH_ROUND * run.n;
		out->dropped = lost(&run);
		out->threads = run.threads;
		out->hugepages = !o->no_huge;
		out->tsc_mhz = (double)rte_get_tsc_hz() / 1e6;
		for (unsigned int i = 0; i < run.n; i++)
			out->handed_over += run.lane[i].worker->steer->handed_over;
	}
	run_close(&run);
	return rc;
}

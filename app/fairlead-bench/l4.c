/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cycles a packet of pipeline_run(), from the burst in hand to the burst ready to send.
 *
 * A round is a batch of as many packets as there are mbufs (more than L2 holds), of flows in random
 * order. The batch is written first; then, burst by burst, the part of an mbuf that a driver writes
 * when it receives is written (so it is in the cache, and the frame is not), and the clock runs
 * over pipeline_run() alone. With --new the rest of a poll is measured too, for it ends flows as
 * fast as the packets begin them.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench.h"

#define SYN_TIMEOUT_NS 30000000000u

struct item {
	struct rte_mbuf *mbuf;
	uint16_t nic, len;
};

struct run {
	struct rig *rig;
	const struct bench_options *o;
	struct item *item; /* a batch */
	struct rte_mbuf **back;
	unsigned int n_back; /* mbufs at hand for the next batch */
	unsigned int at;     /* of the batch: the next packet to run */
	uint64_t *burst;     /* cycles of each burst of the round */
	unsigned int n_bursts;
	bool two_way;            /* the mode sees answers */
	struct bench_flow *flow; /* by flow, where it does */
	uint64_t random;
	uint32_t next;   /* --new: the next flow */
	double ns_burst; /* virtual time that a burst takes */
	double ns_left;
};

static uint32_t random_flow(struct run *run)
{
	/* xorshift64 (Marsaglia 2003) */
	run->random ^= run->random << 13;
	run->random ^= run->random >> 7;
	run->random ^= run->random << 17;
	return (uint32_t)(((run->random >> 32) * run->o->flows) >> 32);
}

/* Mbufs for a whole batch, whatever was dropped since. */
static int refill(struct run *run)
{
	while (run->n_back < run->o->packets) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(run->rig->pool);

		if (!m)
			return -1;
		run->back[run->n_back++] = m;
	}
	return 0;
}

static void batch_put(struct run *run, unsigned int i, enum frame_kind kind, uint32_t flow)
{
	struct rte_mbuf *m = run->back[i];

	frame_write(m, run->rig, run->o, kind, flow, &run->flow[flow]);
	run->item[i] = (struct item){ m, m->port, m->data_len };
}

/* What a driver writes when it receives. */
static inline void receive(const struct item *item, struct rte_mbuf **burst, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = item[i].mbuf;

		m->data_off = RTE_PKTMBUF_HEADROOM;
		rte_mbuf_refcnt_set(m, 1);
		m->nb_segs = 1;
		m->port = item[i].nic;
		m->ol_flags = 0;
		m->pkt_len = item[i].len;
		m->data_len = item[i].len;
		m->vlan_tci = 0;
		burst[i] = m;
	}
}

static void time_pass(struct run *run)
{
	run->ns_left += run->ns_burst;
	run->rig->ns += (uint64_t)run->ns_left;
	run->ns_left -= floor(run->ns_left);
}

/* Runs n packets of the batch; returns the cycles. What comes out goes to run->back. */
static uint64_t batch_run(struct run *run, unsigned int n)
{
	struct worker *w = run->rig->worker;
	struct rte_mbuf *burst[BURST_MAX];
	uint64_t total = 0;

	run->n_bursts = 0;
	while (n > 0) {
		unsigned int size = RTE_MIN(n, (unsigned int)BURST_MAX);
		uint64_t t, spent;

		receive(&run->item[run->at], burst, size);
		run->at += size;
		n -= size;
		t = rte_rdtsc_precise();
		pipeline_run(w, burst, size);
		spent = rte_rdtsc_precise() - t;
		run->n_back += rig_collect(run->rig, run->back + run->n_back);
		time_pass(run);
		t = rte_rdtsc_precise();
		worker_poll(w, run->rig->ns);
		if (run->o->new_flows)
			spent += rte_rdtsc_precise() - t;
		run->burst[run->n_bursts++] = spent;
		total += spent;
	}
	return total;
}

/* ---- flows ---------------------------------------------------------------------------------- */

/* Sends one packet of each of n flows from first on. */
static int send_each(struct run *run, enum frame_kind kind, uint32_t first, unsigned int n)
{
	if (refill(run) < 0)
		return -1;
	for (unsigned int i = 0; i < n; i++)
		batch_put(run, i, kind, first + i);

	unsigned int kept = run->o->packets - n;
	struct rte_mbuf **rest = malloc((kept + 1) * sizeof(*rest));

	if (!rest)
		return -1;
	memcpy(rest, run->back + n, kept * sizeof(*rest));
	run->at = run->n_back = 0;
	batch_run(run, n);
	if (kind == FRAME_SYN && run->two_way)
		for (unsigned int i = 0; i < run->n_back; i++)
			run->flow[first + i] = frame_chosen(run->back[i], run->o->family);
	memcpy(run->back + run->n_back, rest, kept * sizeof(*rest));
	run->n_back += kept;
	free(rest);
	return 0;
}

static int open_flows(struct run *run)
{
	for (uint32_t first = 0; first < run->o->flows; first += run->o->packets) {
		unsigned int n = RTE_MIN(run->o->flows - first, run->o->packets);

		if (send_each(run, FRAME_SYN, first, n) < 0)
			return -1;
		if (run->two_way && send_each(run, FRAME_SYN_ACK, first, n) < 0)
			return -1;
		if (send_each(run, FRAME_ACK, first, n) < 0)
			return -1;
	}
	return 0;
}

/* ---- rounds --------------------------------------------------------------------------------- */

/* A burst comes from one nic: in two-way modes every second one has servers' answers. */
static void fill_established(struct run *run)
{
	for (unsigned int i = 0; i < run->o->packets; i++) {
		bool back = run->two_way && i / BURST_MAX % 2;

		batch_put(run, i, back ? FRAME_ANSWER : FRAME_ACK, random_flow(run));
	}
}

/* Tuples come round after four times as many flows as the table holds: long after their end. */
static void fill_new(struct run *run)
{
	for (unsigned int i = 0; i < run->o->packets; i++) {
		struct rte_mbuf *m = run->back[i];

		frame_write(m, run->rig, run->o, FRAME_SYN, run->next, NULL);
		run->item[i] = (struct item){ m, m->port, m->data_len };
		run->next = (run->next + 1) % (4 * run->o->flows);
	}
}

/* The next round of the batch, or the first of another one. */
static int round_run(struct run *run, uint64_t *cycles)
{
	if (run->at == run->o->packets) {
		if (refill(run) < 0)
			return -1;
		if (run->o->new_flows)
			fill_new(run);
		else
			fill_established(run);
		run->at = run->n_back = 0;
	}
	*cycles = batch_run(run, RTE_MIN(run->o->packets - run->at, (unsigned int)BENCH_ROUND));
	return 0;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void bursts_report(struct run *run, struct bench_result *out)
{
	const double us = (double)rte_get_tsc_hz() / 1e6;

	qsort(run->burst, run->n_bursts, sizeof(run->burst[0]), ascending);
	out->burst_p999_us = (double)run->burst[(uint64_t)run->n_bursts * 999 / 1000] / us;
	out->burst_max_us = (double)run->burst[run->n_bursts - 1] / us;
}

/* One more round with the clock read between stages, which costs a little itself. */
static int stages_report(struct run *run, struct bench_result *out)
{
	uint64_t cycles, stage[STAGE_COUNT], best = UINT64_MAX;

	for (unsigned int i = 0; i < run->o->rounds; i++) {
		memset(stage, 0, sizeof(stage));
		run->rig->worker->stage_cycles = stage;
		if (round_run(run, &cycles) < 0)
			return -1;
		run->rig->worker->stage_cycles = NULL;
		if (cycles >= best)
			continue;
		best = cycles;
		for (unsigned int s = 0; s < STAGE_COUNT; s++)
			out->stage[s] = (double)stage[s] / BENCH_ROUND;
	}
	out->staged = true;
	return 0;
}

static int measure(struct run *run, struct bench_result *out)
{
	uint64_t cycles, best = UINT64_MAX, before = rig_dropped(run->rig);
	struct flow_stats flows;

	for (unsigned int i = 0; i < run->o->rounds; i++) {
		if (round_run(run, &cycles) < 0)
			return -1;
		if (cycles >= best)
			continue;
		best = cycles;
		bursts_report(run, out);
	}
	flow_stats(run->rig->worker->l4.flows, &flows);
	out->packets = BENCH_ROUND;
	out->cycles_per_packet = (double)best / BENCH_ROUND;
	out->flows_open = flows.v4 + flows.v6;
	out->bytes_per_flow = (double)flows.bytes / (flows.max_v4 + flows.max_v6);
	if (stages_report(run, out) < 0)
		return -1;
	out->dropped = rig_dropped(run->rig) - before;
	return 0;
}

/* The table as full as it stays: each first packet meets the end of a flow begun 30 s ago. */
static int warm_new(struct run *run)
{
	uint64_t cycles;

	run->ns_burst = (double)SYN_TIMEOUT_NS / run->o->flows * BURST_MAX;
	for (uint64_t sent = 0; sent < run->o->flows + run->o->flows / 4; sent += BENCH_ROUND)
		if (round_run(run, &cycles) < 0)
			return -1;
	return 0;
}

int bench_l4(struct rig *r, const struct bench_options *o, struct bench_result *out)
{
	struct run run = { .rig = r, .o = o, .random = 88172645463325252u, .ns_burst = 32 * 100.0 };
	int rc = -1;

	run.at = o->packets; /* nothing is left to run */
	run.item = calloc(o->packets, sizeof(*run.item));
	run.back = calloc(o->packets + BURST_MAX, sizeof(*run.back));
	run.burst = calloc(o->packets / BURST_MAX + 1, sizeof(*run.burst));
	run.two_way = fwd_table[o->mode]->two_way;
	run.flow = calloc(o->flows, sizeof(*run.flow));
	if (!run.item || !run.back || !run.burst || !run.flow)
		goto out;
	rc = o->new_flows ? warm_new(&run) : open_flows(&run);
	if (!o->new_flows)
		run.at = o->packets;
	if (rc == 0)
		rc = measure(&run, out);
	for (unsigned int i = 0; i < run.n_back; i++)
		rte_pktmbuf_free(run.back[i]);
	for (unsigned int i = run.at; i < o->packets; i++)
		rte_pktmbuf_free(run.item[i].mbuf);
out:
	if (rc < 0)
		fprintf(stderr, "fairlead-bench: out of memory\n");
	free(run.flow);
	free(run.burst);
	free(run.back);
	free(run.item);
	return rc;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of many flows on one worker: they are made, held beyond the time-out of first packets,
 * hit, and expire, with the memory that takes. Each packet of making counts once, for there is no
 * second time; so its figures are a mean, with the best round beside it.
 */
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench.h"

#define HOLD_MS (4 * BENCH_SYN_MS)

struct life {
	struct tally made[FRAME_KINDS];
	struct idle hold, expiry;
	struct bench_cost hit;
	struct flow_stats full; /* the table when all flows are there */
	uint32_t made_open, held_open, hit_open, left_open;
	uint64_t ports_left; /* local ports that were not given back */
	uint64_t rss, huge;  /* bytes of the process */
	uint64_t dropped;
};

/* A line of /proc/self/status, in bytes. */
static uint64_t status_bytes(const char *name)
{
	const size_t len = strlen(name);
	unsigned long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "r");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			sscanf(line + len + 1, "%lu", &kib);
	fclose(f);
	return (uint64_t)kib * 1024;
}

static uint32_t flows_open(const struct rig *r)
{
	const struct flow_stats s = rig_flows(r);

	return s.v4 + s.v6;
}

static int live(struct run *run, struct life *life)
{
	const struct rig *r = run->rig;
	struct lport_stats ports;

	if (run_establish(run, life->made) < 0)
		return -1;
	life->made_open = flows_open(r);
	run_idle(run, HOLD_MS, &life->hold);
	life->held_open = flows_open(r);
	life->full = rig_flows(r);
	life->rss = status_bytes("VmRSS");
	life->huge = status_bytes("HugetlbPages");
	run_phase(run, HANDOFF_NONE, 0);
	if (bench_rounds(run, &life->hit, NULL) < 0)
		return -1;
	life->hit_open = flows_open(r);
	run_idle(run, BENCH_ESTABLISHED_MS + 1000, &life->expiry);
	life->left_open = flows_open(r);
	for (unsigned int i = 0; i < run->n; i++) {
		lport_stats(run->lane[i].worker->l4.lports, &ports);
		life->ports_left += ports.ports;
	}
	life->dropped = run_lost(run);
	return 0;
}

static const char *const kind_name[FRAME_KINDS] = { "first", "answer", "third" };

static void text(const struct bench_options *o, const struct life *life)
{
	printf("mode      %s, IPv%u, %u flows on %u worker%s\n", mode_name(o->mode), o->family,
		o->flows, o->workers, o->workers == 1 ? "" : "s");
	printf("memory    table %.1f MiB, %.1f bytes a flow; process: %.1f MiB in hugepages, %.1f "
	       "MiB besides\n",
		(double)life->full.bytes / (1 << 20), bench_bytes_per_flow(&life->full),
		(double)life->huge / (1 << 20), (double)life->rss / (1 << 20));
	printf("made      %u open\n", life->made_open);
	for (unsigned int k = 0; k < FRAME_KINDS; k++)
		if (life->made[k].packets)
			printf("  %-8s%.1f cycles a packet, best round %.1f\n", kind_name[k],
				(double)life->made[k].cycles / (double)life->made[k].packets,
				life->made[k].best);
	printf("held      %u open after %u s without a packet; timers: %.1f cycles a flow, longest "
	       "poll %.2f us\n",
		life->held_open, HOLD_MS / 1000, (double)life->hold.cycles / o->flows,
		life->hold.round_max_us);
	printf("hit       %u open; %.1f cycles a packet, burst p99.9 %.2f us\n", life->hit_open,
		life->hit.cycles_per_packet, life->hit.p999_us);
	printf("expired   %u left; %.1f cycles a flow, polls p99.9 %.2f us, longest %.2f us in the "
	       "best %u, %.2f us of all\n",
		life->left_open, (double)life->expiry.cycles / o->flows, life->expiry.p999_us,
		life->expiry.round_max_us, IDLE_ROUND, life->expiry.max_us);
	printf("dropped   %lu\n", (unsigned long)life->dropped);
}

static void json_idle(const char *name, const struct idle *idle, uint32_t flows)
{
	printf("\"%s\": {\"cycles_per_flow\": %.2f, \"polls\": %lu, \"poll_p999_us\": %.3f, "
	       "\"poll_round_max_us\": %.3f, \"poll_max_us\": %.3f}, ",
		name, (double)idle->cycles / flows, (unsigned long)idle->polls, idle->p999_us,
		idle->round_max_us, idle->max_us);
}

static void json(const struct bench_options *o, const struct life *life)
{
	printf("{\"bench\": \"l4-life\", \"mode\": \"%s\", \"family\": %u, \"flows\": %u, "
	       "\"workers\": %u, \"hugepages\": %s, ",
		mode_name(o->mode), o->family, o->flows, o->workers, o->no_huge ? "false" : "true");
	printf("\"table_bytes\": %lu, \"bytes_per_flow\": %.2f, \"huge_bytes\": %lu, "
	       "\"rss_bytes\": %lu, \"made\": {\"flows_open\": %u",
		(unsigned long)life->full.bytes, bench_bytes_per_flow(&life->full),
		(unsigned long)life->huge, (unsigned long)life->rss, life->made_open);
	for (unsigned int k = 0; k < FRAME_KINDS; k++)
		if (life->made[k].packets)
			printf(", \"%s_cycles\": %.2f, \"%s_cycles_best\": %.2f", kind_name[k],
				(double)life->made[k].cycles / (double)life->made[k].packets,
				kind_name[k], life->made[k].best);
	printf("}, ");
	json_idle("held", &life->hold, o->flows);
	printf("\"held_open\": %u, \"hit\": {\"flows_open\": %u, \"cycles_per_packet\": %.2f, "
	       "\"burst_p999_us\": %.3f}, ",
		life->held_open, life->hit_open, life->hit.cycles_per_packet, life->hit.p999_us);
	json_idle("expired", &life->expiry, o->flows);
	printf("\"left_open\": %u, \"local_ports_left\": %lu, \"dropped\": %lu}\n", life->left_open,
		(unsigned long)life->ports_left, (unsigned long)life->dropped);
}

/* Whether every flow was there as long as it should, and no longer. */
static bool whole(const struct bench_options *o, const struct life *life)
{
	return life->made_open == o->flows && life->held_open == o->flows &&
	       life->hit_open == o->flows && life->left_open == 0 && life->ports_left == 0 &&
	       life->dropped == 0;
}

int bench_life(struct rig *r, const struct bench_options *o)
{
	struct life life = { 0 };
	struct run run;
	int rc = run_open(&run, r, o);

	if (rc == 0)
		rc = live(&run, &life);
	else
		fprintf(stderr, "fairlead-bench: out of memory\n");
	run_close(&run);
	if (rc < 0)
		return rc;
	(o->json ? json : text)(o, &life);
	return whole(o, &life) ? 0 : -1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What becomes of a burst: this list of stages, top to bottom. Each works on the packets whose
 * verdict is still PKT_GO. Those of flows, nearly all, are done after three of them and go out; the
 * others have stages of their own, in which each is brought to the worker that owns it. A packet
 * whose flow is here needs no steering: only its owner has a flow.
 *
 * What is for TCP here has been left by all of them, and is given to it (local.h) before output.
 *
 * The last step deals with the side exits, and runs what was waiting for packets of the burst:
 * datagrams that have become whole, clients' segments whose server has answered.
 */
#include "worker.h"

#include <rte_branch_prediction.h>
#include <rte_cycles.h>

#include "l4/gateway.h"
#include "l4/handshake.h"
#include "net/frag.h"
#include "net/parse.h"
#include "net/poison.h"

/* Packets that each stage takes at a time, and how many the lookup is behind parsing, and
 * forwarding behind the lookup: whole steps. */
#define STEP   8
#define BEHIND 16

const char *stage_name(enum stage s)
{
	static const char *const names[STAGE_COUNT] = { "parse", "lookup", "forward", "steer",
		"open", "output" };

	return names[s];
}

/* Cycles of a stage, when somebody wants them. */
static inline void stage_done(struct worker *w, enum stage s, uint64_t *since)
{
	if (unlikely(w->stage_cycles != NULL)) {
		uint64_t now = rte_rdtsc();

		w->stage_cycles[s] += now - *since;
		*since = now;
	}
}

/* Drops, punts, fragments, what the kernel is to have; what was taken is no longer ours. */
static void side_exits(struct worker *w, struct burst *b)
{
	for (unsigned int i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];

		if (p->verdict == PKT_DROP)
			net_drop(w->net, p->mbuf, (enum drop_reason)p->reason);
		else if (unlikely(p->verdict == PKT_PUNT))
			net_punt(w->net, p->mbuf);
		else if (unlikely(p->verdict == PKT_KERNEL))
			net_kernel(w->net, p);
		else if (unlikely(p->verdict == PKT_FRAGMENT))
			frag_input(w->net, p);
	}
}

/* Packets that have been here before: received and counted. */
static void run_again(struct worker *w, struct rte_mbuf **mbufs, unsigned int n)
{
	const bool handed_over = w->burst.handed_over;
	struct question *const answers = w->l4.answers; /* of other packets */

	w->burst.handed_over = true;
	w->l4.answers = NULL;
	pipeline_run(w, mbufs, n);
	w->l4.answers = answers;
	w->burst.handed_over = handed_over;
}

/* What the burst has set free goes all the way, once: a fragment within is none again, and no
 * segment waits for its server twice. */
static void run_freed(struct worker *w)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	unsigned int n = frag_take(w->net, mbufs);

	if (unlikely(n > 0))
		run_again(w, mbufs, n);
	while (unlikely((n = handshake_take(&w->l4, mbufs, BURST_MAX)) > 0))
		run_again(w, mbufs, n);
}

/*
 * The packets of flows. Parsing fetches a packet's bucket, the lookup its flow. Memory answers
 * several questions at once, but only while there is other work, and a core forgets those that are
 * too many: so each stage follows some packets behind the one before, and what it needs arrives
 * while other packets are worked on. Returns how many packets are of no flow.
 */
static unsigned int run_flows(
	struct worker *w, struct rte_mbuf **mbufs, unsigned int n, uint64_t *since)
{
	struct flow_table *flows = w->l4.flows;
	struct burst *b = &w->burst;
	struct parse parse;
	unsigned int left = 0;

	parse_begin(&parse, w->net, flow_index(flows), b, mbufs, n);
	l4_forward_begin(&w->l4);
	for (unsigned int i = 0; i < n + 2 * BEHIND; i += STEP) {
		if (i < n)
			parse_step(&parse, i, RTE_MIN(i + STEP, n));
		stage_done(w, STAGE_PARSE, since);
		if (i >= BEHIND && i - BEHIND < n)
			flow_lookup_step(flows, b, i - BEHIND, RTE_MIN(i - BEHIND + STEP, n));
		stage_done(w, STAGE_LOOKUP, since);
		if (i >= 2 * BEHIND)
			left += l4_forward_step(
				&w->l4, b, i - 2 * BEHIND, RTE_MIN(i - 2 * BEHIND + STEP, n));
		stage_done(w, STAGE_FORWARD, since);
	}
	parse_end(&parse);
	return left;
}

/* What is of no flow, or neither TCP nor UDP: to its owner, and there a flow of its own or a side
 * exit. Answers to questions about new flows are where they belong. */
static void run_others(struct worker *w, struct burst *b, uint64_t *since)
{
	parse_first_burst(w->net->table, b);
	if (likely(!w->l4.answers))
		steer_burst(w->steer, w->net, b);
	stage_done(w, STAGE_STEER, since);
	l4_open_burst(&w->l4, b);
	if (b->odd) {
		l4_error_burst(&w->l4, b);
		gateway_burst(&w->l4, b);
		icmp_input(w->net, b);
	}
	stage_done(w, STAGE_OPEN, since);
}

void pipeline_run(struct worker *w, struct rte_mbuf **mbufs, unsigned int n)
{
	struct burst *b = &w->burst;
	unsigned int unknown;
	uint64_t since = w->stage_cycles ? rte_rdtsc() : 0;

	for (unsigned int i = 0; i < n; i++) /* with AddressSanitizer alone */
		pkt_poison(mbufs[i]);
	unknown = run_flows(w, mbufs, n, &since);
	if (unlikely(unknown + b->odd))
		run_others(w, b, &since);
	if (unlikely(w->l4.local))
		local_burst(w, b);
	if (unlikely(net_output(w->net, b) < n))
		side_exits(w, b);
	run_freed(w);
	stage_done(w, STAGE_OUTPUT, &since);
}

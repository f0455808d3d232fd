/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Batches of packets through the workers. A lane is a worker with packets of its own; lanes run in
 * turn on one thread, or each on its core.
 *
 * A batch is as many packets as a lane has mbufs (more than L2 holds), of flows in random order. It
 * is written first; then, burst by burst, the part of an mbuf that a driver writes when it receives
 * is written (so it is in the cache, and the frame is not), and the clock runs over pipeline_run()
 * alone. Where run.polls is set, the rest of a poll counts too: it ends flows as fast as packets
 * begin them, and takes in what other workers hand over.
 *
 * Each flow comes in at one lane, whatever the phase, as behind a nic that hashes.
 */
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include "bench.h"

/* ---- flows ---------------------------------------------------------------------------------- */

static uint32_t random_below(struct lane *l, uint32_t limit)
{
	/* xorshift64 (Marsaglia 2003) */
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return (uint32_t)(((l->random >> 32) * limit) >> 32);
}

static unsigned int find_owner(const struct run *run, uint32_t flow)
{
	const struct tuple t = frame_tuple(run->o, FRAME_SYN, flow, NULL);

	return steer_owner(run->lane[0].worker->steer, &t, true);
}

static unsigned int owner_of(const struct run *run, uint32_t flow)
{
	if (run->n == 1)
		return 0;
	return run->owner && flow < run->o->flows ? run->owner[flow] : find_owner(run, flow);
}

/* The lane that gets the packets of a flow. */
static unsigned int lane_of(const struct run *run, uint32_t flow)
{
	const unsigned int owner = owner_of(run, flow), n = run->n;

	if (run->handoff == HANDOFF_ALL)
		return (owner + 1 + flow % (n - 1)) % n;
	/* The middle of a product, so that neighbours do not take turns. */
	if (run->handoff == HANDOFF_RANDOM)
		return (flow * 2654435761u >> 15) % n;
	return owner;
}

static uint32_t pick_flow(struct lane *l)
{
	uint32_t flow;

	do
		flow = random_below(l, l->run->o->flows);
	while (l->run->n > 1 && lane_of(l->run, flow) != l->id);
	return flow;
}

/* Tuples come round after four times as many as there are at a time: long after their end. With a
 * mix, they begin behind those of the established flows. */
static uint32_t next_flow(struct lane *l)
{
	const struct bench_options *o = l->run->o;
	const uint32_t first = o->mix == 100 ? 0 : o->flows, count = 4 * rig_embryos(o);
	uint32_t flow;

	do {
		flow = first + l->next;
		l->next = (l->next + 1) % count;
	} while (l->run->n > 1 && lane_of(l->run, flow) != l->id);
	return flow;
}

/* ---- a batch -------------------------------------------------------------------------------- */

/* As many mbufs as a batch has, whatever was dropped or handed over since. */
static void refill(struct lane *l)
{
	const struct run *run = l->run;

	while (l->n_back < run->o->packets) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(run->rig->pool);

		if (!m) {
			__atomic_store_n(&l->run->failed, true, __ATOMIC_RELAXED);
			return;
		}
		l->back[l->n_back++] = m;
	}
	while (l->n_back > run->o->packets)
		rte_pktmbuf_free(l->back[--l->n_back]);
}

/* The mbufs of items that were not run. */
static void take_back(struct lane *l)
{
	while (l->at < l->n_items)
		l->back[l->n_back++] = l->item[l->at++].mbuf;
	l->at = l->until = l->n_items = 0;
}

/* Puts a packet into the batch; mbufs of l->back are used in their order. */
static void put(struct lane *l, enum frame_kind kind, uint32_t flow)
{
	struct run *run = l->run;
	struct rte_mbuf *m = l->back[l->n_items];
	const struct bench_flow *seen = run->flow ? &run->flow[flow] : NULL;
	const struct tuple t = frame_tuple(run->o, kind, flow, seen);
	struct item *item = &l->item[l->n_items++];

	frame_write(m, run->rig, run->o, kind, &t, seen ? seen->cookie + 1 : 0);
	*item = (struct item){ .mbuf = m, .flow = flow, .nic = m->port, .len = m->data_len };
	if (run->n > 1 && run->rig->nic[m->port]->hash != NIC_HASH_NONE)
		item->hash = steer_hash(
			l->worker->steer, &t, (enum nic_hash)run->rig->nic[m->port]->hash);
}

/* What put() has used is no longer at hand. */
static void batch_done(struct lane *l)
{
	l->n_back -= l->n_items;
	memmove(l->back, l->back + l->n_items, l->n_back * sizeof(*l->back));
}

/*
 * A burst comes from one nic. Of the packets that begin no flow half are answers, where the mode
 * sees those: there are bursts of answers, and the others have the first packets.
 */
static void fill(struct lane *l)
{
	const struct run *run = l->run;
	const double mix = run->mix / 100.0, back = run->two_way ? (1 - mix) / 2 : 0;
	const uint32_t begin = (uint32_t)(mix / (1 - back) * (1u << 24) + 0.5);

	take_back(l);
	refill(l);
	if (run->failed)
		return;
	while (l->n_items < run->o->packets) {
		bool answers;

		l->back_due += back;
		answers = l->back_due >= 1;
		l->back_due -= answers;
		for (unsigned int i = 0; i < BURST_MAX; i++)
			if (answers)
				put(l, FRAME_ANSWER, pick_flow(l));
			else if (begin && random_below(l, 1u << 24) < begin)
				put(l, FRAME_SYN, next_flow(l));
			else
				put(l, FRAME_ACK, pick_flow(l));
	}
	batch_done(l);
}

/* ---- a burst -------------------------------------------------------------------------------- */

/* What a driver writes when it receives. */
static inline void receive(
	const struct item *item, struct rte_mbuf **burst, unsigned int n, uint64_t flags)
{
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = item[i].mbuf;

		m->data_off = RTE_PKTMBUF_HEADROOM;
		rte_mbuf_refcnt_set(m, 1);
		m->nb_segs = 1;
		m->port = item[i].nic;
		m->ol_flags = flags;
		m->pkt_len = item[i].len;
		m->data_len = item[i].len;
		m->vlan_tci = 0;
		m->hash.rss = item[i].hash;
		burst[i] = m;
	}
}

static void time_pass(struct lane *l)
{
	l->ns_left += l->run->ns_burst;
	l->ns += (uint64_t)l->ns_left;
	l->ns_left -= floor(l->ns_left);
}

static void collect(struct lane *l)
{
	unsigned int n = rig_collect(l->run->rig, l->worker, l->back + l->n_back);

	l->n_back += n;
	l->collected += n;
}

/* Whether every other worker's ring takes a burst: what is dropped there is no figure. */
static bool has_room(const struct lane *l)
{
	for (unsigned int to = 0; l->run->handoff && to < l->run->n; to++)
		if (to != l->id && rte_ring_free_count(l->worker->steer->out[to]) < BURST_MAX)
			return false;
	return true;
}

/* One turn of a lane: a burst, if there is one, and the rest of a poll. Whether it did anything. */
static bool turn(struct lane *l)
{
	const struct run *run = l->run;
	const uint64_t flags = run->rig->nic[BENCH_WAN]->hash ? RTE_MBUF_F_RX_RSS_HASH : 0;
	const unsigned int size = RTE_MIN(l->until - l->at, (unsigned int)BURST_MAX);
	const bool going = size && has_room(l);
	struct rte_mbuf *burst[BURST_MAX];
	uint64_t t, spent = 0, rest;
	unsigned int work;

	if (going) {
		receive(&l->item[l->at], burst, size, flags);
		l->at += size;
		l->sent += size;
		l->packets += size;
		t = rte_rdtsc_precise();
		pipeline_run(l->worker, burst, size);
		spent = rte_rdtsc_precise() - t;
		/* With a hand-off half of them leave in the poll, so that all have to. */
		if (!run->o->handoff)
			collect(l);
		time_pass(l);
	}
	t = rte_rdtsc_precise();
	work = worker_poll(l->worker, l->ns);
	rest = rte_rdtsc_precise() - t;
	collect(l);
	if (!going && work == 0)
		return size > 0;
	l->rest += rest;
	if (run->polls)
		spent += rest;
	if (going || run->polls) {
		l->burst[l->n_bursts++ % BENCH_ROUND] = spent;
		l->cycles += spent;
	}
	return true;
}

/* Whether a lane has something to do. One that has sent all its packets waits for bursts, as long
 * as others send: they are what a worker under load takes over. */
static bool has_work(const struct lane *l, bool quiet)
{
	const struct run *run = l->run;
	unsigned int handed = 0;

	if (l->at < l->until)
		return true;
	if (!run->handoff || quiet)
		return run->handoff;
	for (unsigned int from = 0; from < run->n; from++)
		if (from != l->id)
			handed += rte_ring_count(l->worker->steer->in[from]);
	return handed >= BURST_MAX;
}

/* Turns of n lanes from l on, until their rounds are over and nothing is under way to them. */
static void turns(struct lane *l, unsigned int n)
{
	struct run *run = l->run;
	unsigned int left = n;
	bool quiet, any;

	do {
		quiet = __atomic_load_n(&run->sending, __ATOMIC_ACQUIRE) == 0;
		any = false;
		for (unsigned int i = 0; i < n; i++) {
			const bool had = l[i].at < l[i].until;

			if (!has_work(&l[i], quiet))
				continue;
			any |= turn(&l[i]);
			if (had && l[i].at == l[i].until) {
				left--;
				__atomic_sub_fetch(&run->sending, 1, __ATOMIC_RELEASE);
			}
		}
	} while (left || (run->handoff && (any || !quiet)));
}

/* ---- a round -------------------------------------------------------------------------------- */

static int cookie_round(struct run *run);

static void round_begin(struct lane *l)
{
	if (l->at == l->n_items)
		fill(l);
	l->until = RTE_MIN(l->at + BENCH_ROUND, l->n_items);
	l->cycles = l->rest = 0;
	l->packets = l->n_bursts = 0;
}

/* What each core does; all start at once. */
static int lane_thread(void *arg)
{
	struct lane *l = arg;
	struct run *run = l->run;

	round_begin(l);
	__atomic_add_fetch(&run->arrived, 1, __ATOMIC_ACQ_REL);
	for (unsigned int spins = 1; __atomic_load_n(&run->arrived, __ATOMIC_ACQUIRE) < run->n;
		spins++) {
		rte_pause();
		if (spins % 4096 == 0)
			sched_yield();
	}
	if (!__atomic_load_n(&run->failed, __ATOMIC_RELAXED))
		turns(l, 1);
	return 0;
}

int run_round(struct run *run)
{
	unsigned int next = 1;
	unsigned int lcore;

	if (run->o->cookies)
		return cookie_round(run);
	run->arrived = 0;
	__atomic_store_n(&run->sending, run->n, __ATOMIC_RELEASE);
	if (run->threads) {
		RTE_LCORE_FOREACH_WORKER(lcore)
		rte_eal_remote_launch(lane_thread, &run->lane[next++], lcore);
		lane_thread(&run->lane[0]);
		rte_eal_mp_wait_lcore();
	} else {
		for (unsigned int i = 0; i < run->n; i++)
			round_begin(&run->lane[i]);
		if (!run->failed)
			turns(run->lane, run->n);
	}
	if (run->failed)
		fprintf(stderr, "fairlead-bench: out of packets\n");
	return run->failed ? -1 : 0;
}

void run_phase(struct run *run, enum handoff handoff, unsigned int mix)
{
	const struct bench_options *o = run->o;
	uint32_t next = 0;

	run->handoff = handoff;
	run->mix = mix;
	/* As many first packets are open at a time as rig_embryos() says. */
	run->ns_burst =
		mix ? (double)BENCH_SYN_MS * 1e6 * run->n / rig_embryos(o) * BURST_MAX * mix / 100
		    : BURST_MAX * 100.0;
	for (unsigned int i = 0; i < run->n; i++)
		next = RTE_MAX(next, run->lane[i].next);
	for (unsigned int i = 0; i < run->n; i++) {
		take_back(&run->lane[i]);
		run->lane[i].next = next; /* nobody begins what another one has just begun */
	}
}

/* What drops count is less than what is lost, where packets leave by a side exit. */
uint64_t run_lost(const struct run *run)
{
	uint64_t sent = 0, collected = 0;

	for (unsigned int i = 0; i < run->n; i++) {
		sent += run->lane[i].sent;
		collected += run->lane[i].collected;
	}
	return RTE_MAX(sent - collected, rig_dropped(run->rig));
}

/* ---- opening -------------------------------------------------------------------------------- */

/* What has come out in place of a lane's batch: to which servers the flows have gone. */
static int learn(struct run *run, struct lane *l, unsigned int kept)
{
	for (unsigned int i = 0; i < l->n_items; i++) {
		const uint32_t flow = l->item[i].flow;

		if (kept + i >= l->n_back)
			return -1;
		run->flow[flow] = frame_chosen(run->o, l->back[kept + i]);
	}
	return 0;
}

static void tally_add(struct tally *t, const struct lane *l)
{
	const double each = (double)l->cycles / l->packets;

	t->packets += l->packets;
	t->cycles += l->cycles;
	if (l->packets == BENCH_ROUND && (t->best == 0 || each < t->best))
		t->best = each;
}

/* Sends one packet of each of n flows from first on. */
static int send_each(
	struct run *run, enum frame_kind kind, uint32_t first, uint32_t n, struct tally *tally)
{
	for (unsigned int i = 0; i < run->n; i++) {
		take_back(&run->lane[i]);
		refill(&run->lane[i]);
	}
	if (run->failed)
		return -1;
	for (uint32_t flow = first; flow < first + n; flow++)
		put(&run->lane[lane_of(run, flow)], kind, flow);
	for (unsigned int i = 0; i < run->n; i++) {
		struct lane *l = &run->lane[i];
		unsigned int kept;

		batch_done(l);
		kept = l->n_back;
		while (l->at < l->n_items) {
			run->sending = 1;
			round_begin(l);
			turns(l, 1);
			if (tally)
				tally_add(&tally[kind], l);
		}
		if (kind == FRAME_SYN && run->two_way && learn(run, l, kept) < 0)
			return -1;
	}
	return 0;
}

int run_establish(struct run *run, struct tally *tally)
{
	const struct bench_options *o = run->o;
	int rc = 0;

	run_phase(run, HANDOFF_NONE, 0);
	for (uint32_t flow = 0; run->n > 1 && flow < o->flows; flow++)
		run->owner[flow] = (uint8_t)find_owner(run, flow);
	for (uint32_t first = 0; rc == 0 && first < o->flows; first += o->packets) {
		const uint32_t n = RTE_MIN(o->flows - first, o->packets);

		rc = send_each(run, FRAME_SYN, first, n, tally);
		if (rc == 0 && run->two_way)
			rc = send_each(run, FRAME_SYN_ACK, first, n, tally);
		if (rc == 0)
			rc = send_each(run, FRAME_ACK, first, n, tally);
	}
	if (rc < 0)
		fprintf(stderr, "fairlead-bench: not all flows could be opened\n");
	return rc;
}

/* ---- cookies -------------------------------------------------------------------------------- */

/* How many clients there are, of whom BENCH_ROUND at a time come. */
static uint32_t cookie_clients(const struct bench_options *o)
{
	return RTE_MAX(o->flows / BENCH_ROUND, 1u) * BENCH_ROUND;
}

/*
 * What is measured comes last, so that the lane has its cycles and nothing else's. Of clients that
 * have proved themselves, the handshakes with servers are left when their ACKs are through; before
 * the next ones come they give up.
 */
static int cookie_round(struct run *run)
{
	struct lane *l = &run->lane[0];
	const bool ack = run->o->cookies == COOKIES_ACK;
	uint64_t *stages = l->worker->stage_cycles;
	const uint32_t last = l->next;
	int rc = 0;

	l->worker->stage_cycles = ack ? NULL : stages;
	if (ack && run->proved)
		rc = send_each(run, FRAME_RESET, last, BENCH_ROUND, NULL);
	l->next = (last + BENCH_ROUND) % cookie_clients(run->o);
	if (rc == 0)
		rc = send_each(run, FRAME_SYN, l->next, BENCH_ROUND, NULL);
	l->worker->stage_cycles = stages;
	if (rc == 0 && ack)
		rc = send_each(run, FRAME_PROOF, l->next, BENCH_ROUND, NULL);
	run->proved = true;
	return rc;
}

/* ---- making --------------------------------------------------------------------------------- */

static int lane_open(struct run *run, unsigned int id)
{
	struct lane *l = &run->lane[id];
	const size_t packets = run->o->packets;

	l->run = run;
	l->id = id;
	l->worker = run->rig->workers->worker[id];
	l->ns = RIG_START_NS;
	l->random = 88172645463325252u + id * 0x9e3779b97f4a7c15u;
	l->item = calloc(packets, sizeof(*l->item));
	l->back = calloc(packets * run->n + RIG_COLLECT_MAX, sizeof(*l->back));
	l->burst = calloc(BENCH_ROUND, sizeof(*l->burst));
	return l->item && l->back && l->burst ? 0 : -1;
}

int run_open(struct run *run, struct rig *r, const struct bench_options *o)
{
	*run = (struct run){ .rig = r, .o = o, .n = o->workers };
	run->two_way = fwd_table[o->mode]->two_way;
	run->polls = o->mix || o->handoff;
	run->threads = rte_lcore_count() > 1;
	run->lane = calloc(run->n, sizeof(*run->lane));
	if (!run->lane)
		return -1;
	for (unsigned int i = 0; i < run->n; i++)
		if (lane_open(run, i) < 0)
			return -1;
	if (o->mix == 100)
		return 0;
	if (run->two_way) {
		run->flow = calloc(RTE_MAX((size_t)o->flows + 4 * rig_embryos(o), BENCH_ROUND),
			sizeof(*run->flow));
		if (!run->flow)
			return -1;
	}
	if (run->n > 1) {
		run->owner = calloc(o->flows, sizeof(*run->owner));
		if (!run->owner)
			return -1;
	}
	return 0;
}

void run_close(struct run *run)
{
	for (unsigned int i = 0; run->lane && i < run->n; i++) {
		struct lane *l = &run->lane[i];

		if (l->item && l->back)
			take_back(l);
		for (unsigned int k = 0; k < l->n_back; k++)
			rte_pktmbuf_free(l->back[k]);
		free(l->burst);
		free(l->back);
		free(l->item);
	}
	free(run->lane);
	free(run->owner);
	free(run->flow);
}

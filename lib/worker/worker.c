/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers: their making, one turn of the loop, and the loop. */
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_pause.h>

#include "base/log.h"
#include "l4/assign.h"
#include "l4/path.h"
#include "l4/synproxy.h"

#define HANDOFF_DEPTH 1024
#define ASK_DEPTH     1024
#define REQUEST_DEPTH 16
/* Flows looked at in a poll: at least as fast as packets can open them, and a few more. */
#define EXPIRE_A_POLL   BURST_MAX
#define EXPIRE_A_PACKET 2

/* ---- one turn ------------------------------------------------------------------------------- */

static uint64_t cookie_period(uint64_t tsc, uint64_t tsc_hz)
{
	return tsc / (tsc_hz * SYNCOOKIE_PERIOD_S);
}

static void clock_advance(struct worker *w, uint64_t tsc)
{
	if (likely(tsc < w->ms_tsc))
		return;
	w->now_ms = worker_ms(tsc, w->tsc_hz);
	w->ms_tsc = (tsc / (w->tsc_hz / 1000) + 1) * (w->tsc_hz / 1000);
	w->l4.now_ms = w->net->now_ms = w->l4.sched->now_ms = w->now_ms;
	syncookie_advance(&w->l4.synproxy->cookie, cookie_period(tsc, w->tsc_hz));
	w->timers_due = true;
}

/* What this poll sees of the control core's work. */
static bool snapshot_load(struct worker *w)
{
	/* Before the model: who sees that adjacencies are to be asked for anew sees the routes that
	 * made it so. */
	uint32_t epoch = neigh_epoch(w->net->neigh);
	const struct model *m = __atomic_load_n(&w->snapshot->model, __ATOMIC_ACQUIRE);

	if (unlikely(!m))
		return false;
	if (unlikely(m != w->l4.model || m->version != w->model_version)) {
		w->model_version = m->version;
		w->net->table = w->steer->table = m->net;
		l4_set_model(&w->l4, m);
	}
	w->net->epoch = epoch;
	return true;
}

/* Questions of other workers, and their answers to ours. */
static unsigned int receive_questions(struct worker *w)
{
	struct question answers[BURST_MAX];
	struct rte_mbuf *mbufs[BURST_MAX];
	unsigned int n = ask_receive(w->l4.ask, mbufs, BURST_MAX), answered = 0;

	for (unsigned int i = 0; i < n; i++)
		if (assign_serve(&w->l4, mbufs[i])) {
			answers[answered] = *ask_question(w->l4.ask, mbufs[i]);
			mbufs[answered++] = mbufs[i];
		}
	if (answered == 0)
		return n;
	w->burst.handed_over = true;
	w->l4.answers = answers;
	w->l4.answered = &w->burst;
	pipeline_run(w, mbufs, answered);
	w->l4.answers = NULL;
	w->burst.handed_over = false;
	for (unsigned int i = 0; i < answered; i++) /* what opened no flow after all */
		assign_settle(&w->l4, &answers[i]);
	return n;
}

static unsigned int receive(struct worker *w)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	unsigned int n, total = 0;

	if (w->steer->n_workers > 1) {
		total += receive_questions(w);
		n = steer_receive(w->steer, mbufs, BURST_MAX);
		if (n) {
			w->burst.handed_over = true;
			pipeline_run(w, mbufs, n);
			w->burst.handed_over = false;
			total += n;
		}
	}
	for (unsigned int i = 0; i < w->n_queues; i++) {
		n = nic_rx(w->queue[i].nic, w->queue[i].queue, mbufs, BURST_MAX);
		if (n)
			pipeline_run(w, mbufs, n);
		total += n;
	}
	return total;
}

/* A bounded number of timers a poll; those left are due in the next. */
static unsigned int expire(struct worker *w, unsigned int packets)
{
	const unsigned int most = EXPIRE_A_POLL + EXPIRE_A_PACKET * packets;
	unsigned int n, total = 0;

	while (w->timers_due && total < most) {
		n = l4_expire(&w->l4, BURST_MAX);
		w->timers_due = n > 0;
		total += n;
	}
	return total;
}

unsigned int worker_poll(struct worker *w, uint64_t tsc)
{
	uint64_t passed = tsc - w->tsc_last;
	unsigned int work, packets;

	/* The time since the last poll began is that poll's. */
	counter_add(w->was_busy ? &w->cycles.busy : &w->cycles.idle, passed);
	w->tsc_last = tsc;
	clock_advance(w, tsc);
	if (unlikely(!snapshot_load(w)))
		return 0;

	work = request_serve(w);
	work += local_advance(w, tsc, EXPIRE_A_POLL);
	packets = receive(w);
	work += packets + expire(w, packets);
	work += local_flush(w);
	work += frag_expire(w->net);
	work += net_flush(w->net);
	rcu_quiescent(w->rcu, w->id);

	w->was_busy = work > 0;
	counter_add(&w->cycles.polls, 1);
	if (work)
		counter_add(&w->cycles.busy_polls, 1);
	return work;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void worker_sleep(struct worker *w, uint32_t us)
{
	rcu_offline(w->rcu, w->id);
	usleep(us);
	rcu_online(w->rcu, w->id);
	counter_add(&w->cycles.sleeps, 1);
}

void worker_run(struct worker *w)
{
	uint32_t quiet = 0, us = w->idle.sleep_min_us;

	/* Sleeps of a few microseconds are to be just that. */
	prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
	w->tsc_last = rte_rdtsc();
	rcu_online(w->rcu, w->id);
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		if (worker_poll(w, rte_rdtsc())) {
			quiet = 0;
			us = w->idle.sleep_min_us;
		} else if (w->idle.spins && ++quiet > w->idle.spins) {
			worker_sleep(w, us);
			us = RTE_MIN(us * 2, w->idle.sleep_max_us);
		} else {
			rte_pause();
		}
	}
	rcu_offline(w->rcu, w->id);
}

void worker_stop(struct worker *w)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
}

/* ---- making --------------------------------------------------------------------------------- */

/* What is known of clients. */
static int clients_init(struct worker *w, const struct workers_conf *conf, struct workers *all)
{
	if (conf->persistence) {
		w->l4.persist = persist_create(
			w->id, conf->persistence, &all->secret, w->socket, w->now_ms);
		if (!w->l4.persist)
			return -ENOMEM;
	}
	if (conf->source_rates) {
		w->l4.rates = rate_create(conf->source_rates, &all->secret, w->socket);
		if (!w->l4.rates)
			return -ENOMEM;
	}
	return 0;
}

static int worker_init(struct worker *w, const struct workers_conf *conf, struct workers *all)
{
	struct flow_conf flows = {
		.max_v4 = conf->max_v4, .max_v6 = conf->max_v6, .socket = w->socket
	};
	const struct frag_conf frag = conf->frag.max ? conf->frag : frag_defaults;
	char name[RTE_RING_NAMESIZE];
	int rc = hash_key_random(&flows.key);

	if (rc < 0)
		return rc;
	w->snapshot = conf->snapshot;
	w->rcu = conf->rcu;
	w->idle = conf->idle;
	w->tsc_hz = conf->tsc_hz ? conf->tsc_hz : rte_get_tsc_hz();
	w->net = w->l4.net = all->net[w->id];
	w->steer = w->l4.steer = all->steer[w->id];
	w->l4.paths = all->paths;
	w->l4.packet_id = w->id;
	w->now_ms = w->net->now_ms;
	snprintf(name, sizeof(name), "requests_%hu", w->id);
	w->requests =
		rte_ring_create(name, REQUEST_DEPTH, w->socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
	w->l4.flows = flow_table_create(&flows, w->now_ms);
	w->l4.lports = lport_create(w->steer, LPORT_SETS_MAX, w->socket);
	w->l4.sched = sched_worker_create(w->id, conf->n, w->socket);
	w->l4.ask = all->ask[w->id];
	rc = clients_init(w, conf, all);
	if (rc)
		return rc;
	w->l4.guarded = rte_calloc_socket(
		"guarded", MODEL_SERVICES_MAX, sizeof(struct guarded), 64, w->socket);
	w->l4.service = rte_calloc_socket(
		"traffic", MODEL_SERVICES_MAX, sizeof(struct traffic), 64, w->socket);
	w->l4.server = rte_calloc_socket(
		"traffic", MODEL_SERVERS_MAX, sizeof(struct traffic), 64, w->socket);
	w->l4.strain = rte_calloc_socket(
		"strain", MODEL_SERVICES_MAX, sizeof(struct strain), 64, w->socket);
	w->l4.hop = rte_calloc_socket(
		"hops", MODEL_SERVERS_MAX, sizeof(struct server_hop), 64, w->socket);
	w->l4.synproxy = synproxy_create(&all->cookie_secret,
		cookie_period(conf->tsc_hz ? conf->tsc : rte_rdtsc(), w->tsc_hz), w->socket);
	w->net->frags = frag_create(&frag, w->socket);
	if (!w->net->frags)
		return -ENOMEM;
	if (!w->requests || !w->l4.flows || !w->l4.lports || !w->l4.sched || !w->l4.service ||
		!w->l4.guarded || !w->l4.server || !w->l4.strain || !w->l4.hop || !w->l4.synproxy)
		return -ENOMEM;
	return local_open(w, conf->local, conf->pools[w->id], &all->tcp_cookie,
		conf->tsc_hz ? conf->tsc : rte_rdtsc());
}

/* Everybody's timers start at the present, the control core's too. */
static void set_clocks(struct workers *all, const struct workers_conf *conf)
{
	uint32_t now_ms = conf->tsc_hz ? worker_ms(conf->tsc, conf->tsc_hz)
				       : worker_ms(rte_rdtsc(), rte_get_tsc_hz());

	for (unsigned int i = 0; i <= conf->n; i++)
		all->net[i]->now_ms = now_ms;
}

/* Queue q of a nic is polled by worker q; a nic of one queue by worker (its number) modulo n. */
static void deal_queues(struct workers *all, const struct workers_conf *conf)
{
	for (unsigned int i = 0; i < conf->n_nics; i++) {
		struct nic *nic = conf->nics[i];

		for (uint16_t q = 0; q < nic->rxqs; q++) {
			unsigned int to = nic->rxqs == 1 ? nic->id % conf->n : q % conf->n;
			struct worker *w = all->worker[to];

			w->queue[w->n_queues++] = (struct rx_queue){ nic, q };
		}
	}
}

static struct worker *worker_alloc(const struct workers_conf *conf, unsigned int id)
{
	int socket = conf->lcores ? (int)rte_lcore_to_socket_id(conf->lcores[id]) : SOCKET_ID_ANY;
	struct worker *w = rte_zmalloc_socket("worker", sizeof(*w), 64, socket);

	if (w) {
		w->id = (uint16_t)id;
		w->lcore = conf->lcores ? conf->lcores[id] : 0;
		w->socket = socket;
	}
	return w;
}

struct workers *workers_create(const struct workers_conf *conf, struct faults *faults)
{
	struct workers *all = calloc(1, sizeof(*all));
	struct sched_worker **scheds = calloc(conf->n, sizeof(*scheds));
	int *sockets = calloc(conf->n + 1, sizeof(*sockets));

	if (!all || !scheds || !sockets)
		goto fail;
	all->n = conf->n;
	all->rcu = conf->rcu;
	all->worker = calloc(conf->n, sizeof(*all->worker));
	if (!all->worker)
		goto fail;
	for (unsigned int i = 0; i < conf->n; i++) {
		all->worker[i] = worker_alloc(conf, i);
		if (!all->worker[i])
			goto fail;
		sockets[i] = all->worker[i]->socket;
	}
	sockets[conf->n] = SOCKET_ID_ANY;
	all->net = net_workers_create(conf->n + 1, conf->nics, conf->n_nics, conf->neigh,
		conf->neigh_conf, conf->pools, sockets);
	all->steer = steer_create(conf->n, HANDOFF_DEPTH, sockets);
	all->paths = path_table_create();
	all->ask = ask_create(conf->n, ASK_DEPTH, sockets);
	if (!all->net || !all->steer || !all->paths || !all->ask ||
		hash_key_random(&all->secret) < 0 || hash_key_random(&all->cookie_secret) < 0 ||
		hash_key_random(&all->tcp_cookie) < 0)
		goto fail;
	set_clocks(all, conf);
	for (unsigned int i = 0; i < conf->n; i++) {
		if (worker_init(all->worker[i], conf, all) < 0)
			goto fail;
		scheds[i] = all->worker[i]->l4.sched;
	}
	sched_workers_join(scheds, conf->n);
	deal_queues(all, conf);
	free(sockets);
	free(scheds);
	return all;

fail:
	fault_add(faults, "limits",
		"not enough memory for %u workers with %u IPv4 and %u IPv6 flows and %u "
		"persistence entries and %u sources each",
		conf->n, conf->max_v4, conf->max_v6, conf->persistence, conf->source_rates);
	free(sockets);
	free(scheds);
	workers_destroy(all);
	errno = ENOMEM;
	return NULL;
}

static void worker_free(struct worker *w)
{
	local_close(w);
	if (w->net) {
		frag_destroy(w->net->frags, w->net);
		w->net->frags = NULL;
	}
	synproxy_destroy(w->l4.synproxy);
	rte_free(w->l4.hop);
	rte_free(w->l4.strain);
	rte_free(w->l4.server);
	rte_free(w->l4.service);
	rte_free(w->l4.guarded);
	if (w->l4.sched)
		sched_worker_destroy(w->l4.sched);
	lport_destroy(w->l4.lports);
	rate_destroy(w->l4.rates);
	persist_destroy(w->l4.persist);
	flow_table_destroy(w->l4.flows);
	rte_ring_free(w->requests);
	rte_free(w);
}

void workers_destroy(struct workers *all)
{
	if (!all)
		return;
	if (all->worker)
		for (unsigned int i = 0; i < all->n && all->worker[i]; i++)
			worker_free(all->worker[i]);
	ask_destroy(all->ask, all->n);
	if (all->steer)
		steer_destroy(all->steer, all->n);
	path_table_destroy(all->paths);
	if (all->net)
		net_workers_destroy(all->net, all->n + 1);
	free(all->worker);
	free(all);
}

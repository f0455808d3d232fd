/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layer 4 forwarding, top to bottom: a burst, a hit, a miss, time. See l4.h for who calls it.
 *
 * Within a burst flows may be opened and closed, so that what the burst lookup found for later
 * packets is out of date: `moved` makes them look again.
 */
#include "l4.h"

#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_ip.h>

#include "base/invariant.h"
#include "reset.h"
#include "rewrite.h"

/* RSTs a worker sends in a second in answer to segments without a flow. */
#define RESETS_PER_SECOND 1000

void l4_set_model(struct l4 *l, const struct model *m)
{
	uint16_t mtu = UINT16_MAX;

	for (unsigned int i = 0; i < net_port_count(m->net); i++)
		mtu = RTE_MIN(mtu, net_mtu(l->net, (uint8_t)i));
	l->model = m;
	l->mtu_min = mtu;
}

/* ---- what hits and misses share ------------------------------------------------------------- */

/* Whether the flow's service and server are still those it was opened for. */
static inline bool flow_is_current(const struct l4 *l, const struct flow *f)
{
	return l->model->service_gen[f->service] == f->service_gen &&
	       l->model->server_gen[f->server] == f->server_gen;
}

static inline void count_packet(
	struct l4 *l, const struct pkt *p, uint16_t service, uint16_t server)
{
	struct traffic *v = &l->service[service], *s = &l->server[server];

	if (p->dir == DIR_FORWARD) {
		counter_add(&v->packets_in, 1);
		counter_add(&v->bytes_in, p->l3_len);
		counter_add(&s->packets_in, 1);
		counter_add(&s->bytes_in, p->l3_len);
	} else {
		counter_add(&v->packets_out, 1);
		counter_add(&v->bytes_out, p->l3_len);
		counter_add(&s->packets_out, 1);
		counter_add(&s->bytes_out, p->l3_len);
	}
}

/* Whether the packet may live on; before anything is rewritten: errors quote it as it came. */
static inline bool may_live(struct l4 *l, struct pkt *p)
{
	if (likely(packet_ttl(p) > 1))
		return true;
	icmp_error(l->net, p, ICMP_ERR_TTL, 0);
	pkt_drop(p, DROP_ttl_expired);
	return false;
}

/* Whether it fits where it goes to. */
static bool may_pass(struct l4 *l, struct pkt *p, const struct addr *next)
{
	struct route_hop hop;
	uint16_t mtu;

	if (likely(p->l3_len <= l->mtu_min) || !net_route(l->model->net, next, &hop))
		return true;
	mtu = net_mtu(l->net, hop.port);
	if (p->l3_len <= mtu)
		return true;
	net_too_big(l->net, p, mtu);
	return false;
}

static inline void rewrite(const struct fwd_ops *mode, struct pkt *p, const struct flow *f)
{
	rewrite_ttl(p);
	if (mode->rewrite)
		mode->rewrite(p, f);
}

/* ---- hit ------------------------------------------------------------------------------------ */

static void enter_state(struct l4 *l, struct flow *f, enum conn_state next)
{
	const struct timeouts *t = &l->model->service[f->service]->timeouts;
	uint32_t after = conn_timeout(t, next);

	/* A longer time-out is found out when the timer fires; a shorter one must not wait for
	 * that. */
	if (f->state == CONN_NONE || after < conn_timeout(t, (enum conn_state)f->state))
		flow_arm(l->flows, f, l->now_ms + after);
	f->state = (uint8_t)next;
}

/* Data and ACKs of an established connection change nothing. */
static inline bool changes_state(const struct flow *f, const struct pkt *p)
{
	if (f->state == CONN_ESTABLISHED)
		return p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST);
	return f->state != CONN_UDP_STREAM;
}

/* As net_resolve(); toward a server it is remembered, for its next new flow. */
static uint16_t resolve(struct l4 *l, struct pkt *p, const struct flow *f, const struct addr *next)
{
	struct server_hop *hop = &l->hop[f->server];
	uint16_t adj;

	if (p->dir == DIR_FORWARD && hop->gen == f->server_gen && hop->epoch == l->net->epoch)
		return hop->adj;
	adj = net_resolve(l->net, p, next);
	if (p->dir == DIR_FORWARD && adj != ADJ_NONE)
		*hop = (struct server_hop){ l->net->epoch, f->server_gen, adj };
	return adj;
}

static void forward_hit(struct l4 *l, struct pkt *p, struct flow *f)
{
	const struct fwd_ops *mode = fwd_table[f->mode];
	const struct server *server = l->model->server[f->server];
	struct net_worker *net = l->net;
	struct addr next;

	f->seen = l->now_ms;
	if (unlikely(changes_state(f, p))) {
		enum conn_state state = conn_next(f, p->dir, p->tcp_flags);

		if (state != f->state)
			enter_state(l, f, state);
	}
	if (unlikely(f->epoch != FLOW_EPOCH(net->epoch))) {
		f->epoch = FLOW_EPOCH(net->epoch);
		f->adj[DIR_FORWARD] = f->adj[DIR_RETURN] = ADJ_NONE;
	}
	count_packet(l, p, f->service, f->server);
	if (!may_live(l, p))
		return;
	p->adj = f->adj[p->dir];
	if (likely(p->adj != ADJ_NONE && p->l3_len <= l->mtu_min)) {
		rewrite(mode, p, f);
		p->verdict = PKT_SEND;
		return;
	}

	next = mode->next(f, p->dir, server);
	if (!may_pass(l, p, &next))
		return;
	rewrite(mode, p, f);
	p->adj = resolve(l, p, f, &next);
	if (p->adj != ADJ_NONE) {
		f->adj[p->dir] = p->adj;
		p->verdict = PKT_SEND;
	}
}

/* ---- miss ----------------------------------------------------------------------------------- */

static void key_of_packet(const struct tuple *t, struct sched_key *key)
{
	*key = (struct sched_key){ .src = t->src,
		.dst = t->dst,
		.sport = t->sport,
		.dport = t->dport,
		.proto = t->proto };
}

/*
 * Without an entry, for modes that see one direction: to the Maglev server, which every worker,
 * every balancer of a cluster and this one after a restart agree on.
 */
static void forward_stateless(
	struct l4 *l, struct pkt *p, const struct service *service, const struct tuple *tuple)
{
	const struct pool *pool = l->model->pools[service->pool];
	const struct server *server;
	struct sched_key key;
	int pick;

	key_of_packet(tuple, &key);
	pick = maglev_pick(pool->maglev_table, &key);
	if (pick < 0) {
		counter_add(&l->service[service->slot].refused, 1);
		pkt_drop(p, DROP_no_server);
		return;
	}
	server = &pool->servers[pick];
	if (!may_live(l, p) || !may_pass(l, p, &server->addr))
		return;
	count_packet(l, p, service->slot, server->slot);
	rewrite_ttl(p);
	p->adj = net_resolve(l->net, p, &server->addr);
	if (p->adj != ADJ_NONE)
		p->verdict = PKT_SEND;
}

static void refuse_unknown(struct l4 *l, struct pkt *p, const struct service *service)
{
	if (service->no_flow == NO_FLOW_RESET && p->proto == IPPROTO_TCP) {
		if (l->now_ms - l->reset_stamp >= 1000) {
			l->reset_stamp = l->now_ms;
			l->reset_tokens = RESETS_PER_SECOND;
		}
		if (l->reset_tokens) {
			l->reset_tokens--;
			reset_reply(l->net, p);
		}
	}
	pkt_drop(p, DROP_no_flow);
}

/* An entry for the flow toward this server; one that is only waiting for its end makes room. */
static struct flow *open_toward(struct l4 *l, const struct fwd_ops *mode, const struct tuple *tuple,
	const struct server *server, enum drop_reason *reason)
{
	struct tuple back;
	struct flow *f;
	uint8_t dir;

	if (!mode->two_way)
		return flow_open(l->flows, tuple, NULL, reason);
	back = mode->answers(tuple, server);
	f = flow_open(l->flows, tuple, &back, reason);
	if (f || *reason != DROP_flow_clash)
		return f;
	f = flow_find(l->flows, &back, &dir);
	if (!f || !conn_reusable((enum conn_state)f->state))
		return NULL;
	l4_close(l, f);
	return flow_open(l->flows, tuple, &back, reason);
}

static void flow_begin(
	struct l4 *l, struct flow *f, const struct service *service, const struct server *server)
{
	f->mode = service->mode;
	f->service = service->slot;
	f->service_gen = service->gen;
	f->server = server->slot;
	f->server_gen = server->gen;
	f->adj[DIR_FORWARD] = f->adj[DIR_RETURN] = ADJ_NONE;
	f->epoch = FLOW_EPOCH(l->net->epoch);
	f->born = f->seen = l->now_ms;
	l->sched->active[server->slot]++;
	counter_add(&l->service[service->slot].flows_opened, 1);
	counter_add(&l->server[server->slot].flows_opened, 1);
	l->moved = true;
}

/* Picks a server and opens the flow, still without state or timer; NULL after having decided the
 * packet's fate. */
static struct flow *open_flow(
	struct l4 *l, struct pkt *p, const struct service *service, const struct tuple *tuple)
{
	const struct pool *pool = l->model->pools[service->pool];
	const struct fwd_ops *mode = fwd_table[service->mode];
	enum drop_reason reason = DROP_no_server;
	struct sched_key key;

	key_of_packet(tuple, &key);
	/* Another server when answers of the first choice could not be told from those of an older
	 * flow. */
	for (int tries = 0; tries < 4; tries++) {
		int pick = sched_pick(pool, l->sched, &key);

		if (pick < 0)
			break;

		const struct server *server = &pool->servers[pick];
		struct flow *f = open_toward(l, mode, tuple, server, &reason);

		if (f) {
			flow_begin(l, f, service, server);
			return f;
		}
		if (reason != DROP_flow_clash)
			break;
	}
	if (reason == DROP_flow_table_full && !mode->two_way) {
		forward_stateless(l, p, service, tuple);
		return NULL;
	}
	counter_add(&l->service[service->slot].refused, 1);
	pkt_drop(p, reason);
	return NULL;
}

static void forward_miss(struct l4 *l, struct pkt *p, enum drop_reason unknown)
{
	const struct service *service;
	struct tuple tuple;
	struct flow *f;

	if (!(p->flags & PKT_VIRTUAL)) {
		pkt_drop(p, unknown == DROP_none ? DROP_not_for_us : unknown);
		return;
	}
	tuple = pkt_tuple(p);
	/* We send nothing to ourselves over a wire: somebody pretends. */
	if (net_local(l->model->net, &tuple.src, NULL) != LOCAL_NONE) {
		pkt_drop(p, DROP_ip_martian);
		return;
	}
	service = model_service(l->model, &tuple.dst, tuple.proto, tuple.dport);
	if (!service) {
		pkt_drop(p, DROP_no_service);
		return;
	}
	p->dir = DIR_FORWARD;
	if (p->proto == IPPROTO_TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN) {
		if (fwd_table[service->mode]->two_way)
			refuse_unknown(l, p, service);
		else
			forward_stateless(l, p, service, &tuple);
		return;
	}
	f = open_flow(l, p, service, &tuple);
	if (f)
		forward_hit(l, p, f);
}

/* ---- burst ---------------------------------------------------------------------------------- */

static bool is_new_connection(const struct flow *f, const struct pkt *p)
{
	return p->proto == IPPROTO_TCP && p->dir == DIR_FORWARD &&
	       (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN &&
	       conn_reusable((enum conn_state)f->state);
}

void l4_forward_burst(struct l4 *l, struct burst *b)
{
	l->moved = false;
	burst_foreach (b, p) {
		enum drop_reason unknown = DROP_none;
		struct flow *f = p->flow;

		if (unlikely(l->moved)) {
			struct tuple tuple = pkt_tuple(p);

			f = flow_find(l->flows, &tuple, &p->dir);
		}
		if (f && unlikely(!flow_is_current(l, f))) {
			l4_close(l, f);
			f = NULL;
			unknown = DROP_flow_expired;
		} else if (f && unlikely(is_new_connection(f, p))) {
			l4_close(l, f);
			f = NULL;
		}
		if (likely(f != NULL))
			forward_hit(l, p, f);
		else
			forward_miss(l, p, unknown);
	}
}

/* ---- time ----------------------------------------------------------------------------------- */

void l4_close(struct l4 *l, struct flow *f)
{
	x_assert(l->sched->active[f->server] > 0);
	l->sched->active[f->server]--;
	counter_add(&l->service[f->service].flows_closed, 1);
	counter_add(&l->server[f->server].flows_closed, 1);
	flow_close(l->flows, f);
	l->moved = true;
}

uint32_t l4_deadline(const struct l4 *l, const struct flow *f)
{
	if (!flow_is_current(l, f))
		return l->now_ms;
	return f->seen +
	       conn_timeout(&l->model->service[f->service]->timeouts, (enum conn_state)f->state);
}

void l4_revise(struct l4 *l, struct flow *f)
{
	uint32_t deadline = l4_deadline(l, f);

	if ((int32_t)(deadline - l->now_ms) > 0)
		flow_arm(l->flows, f, deadline);
	else
		l4_close(l, f);
}

unsigned int l4_expire(struct l4 *l, unsigned int max)
{
	struct flow *due[BURST_MAX];
	unsigned int n = flow_due(l->flows, l->now_ms, due, RTE_MIN(max, RTE_DIM(due))), over = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint32_t deadline = l4_deadline(l, due[i]);

		if ((int32_t)(deadline - l->now_ms) > 0) {
			flow_arm(l->flows, due[i], deadline);
		} else {
			flow_prefetch(l->flows, due[i]);
			due[over++] = due[i];
		}
	}
	for (unsigned int i = 0; i < over; i++)
		l4_close(l, due[i]);
	return n;
}

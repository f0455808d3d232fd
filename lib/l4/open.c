/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets that belong to no flow: the service of the address, a server, a new flow; or without one,
 * by Maglev; or a refusal. Called by worker/pipeline.c.
 */
#include "l4_priv.h"

#include <netinet/in.h>

#include "assign.h"
#include "evict.h"
#include "gateway.h"
#include "handshake.h"
#include "pace.h"
#include "reset.h"
#include "sched/limit.h"
#include "segment.h"
#include "synproxy.h"

/* RSTs a worker sends in a second in answer to segments without a flow. */
#define RESETS_PER_SECOND 1000

/* Servers that may turn out to have no local port, or answers that clash, before a new flow is
 * refused. */
#define SERVERS_TRIED 16

static void key_of_packet(const struct tuple *t, struct sched_key *key)
{
	*key = (struct sched_key){ .src = t->src,
		.dst = t->dst,
		.sport = t->sport,
		.dport = t->dport,
		.proto = t->proto };
}

void l4_forward_stateless(
	struct l4 *l, struct pkt *p, const struct service *service, const struct tuple *tuple)
{
	const struct pool *pool = l->model->pools[service->pool];
	const struct server *server;
	struct sched_key key;
	int pick;

	key_of_packet(tuple, &key);
	pick = maglev_pick(pool->maglev_table, &key);
	while (pick < 0 && pool->backup) {
		pool = l->model->pools[pool->backup];
		pick = maglev_pick(pool->maglev_table, &key);
	}
	if (pick < 0) {
		counter_add(&l->service[service->slot].refused, 1);
		pkt_drop(p, DROP_no_server);
		return;
	}
	server = &pool->servers[pick];
	if (!may_live(l, p) || (p->l3_len > l->fits[service->mode] &&
				       !l4_may_pass(l, p, service, server, &server->addr)))
		return;
	count_packet(l, p, service->slot, server->slot);
	rewrite_ttl(p);
	p->verdict = PKT_SEND;
	if (fwd_table[service->mode]->rewrite_stateless)
		fwd_table[service->mode]->rewrite_stateless(l, p, service, server);
	if (p->verdict == PKT_SEND)
		p->adj = net_resolve(l->net, p, &server->addr);
}

void l4_reset_sender(struct l4 *l, const struct pkt *p)
{
	if (l->now_ms - l->reset_stamp >= 1000) {
		l->reset_stamp = l->now_ms;
		l->reset_tokens = RESETS_PER_SECOND;
	}
	if (l->reset_tokens) {
		l->reset_tokens--;
		reset_reply(l->net, p);
	}
}

static void refuse_unknown(struct l4 *l, struct pkt *p, const struct service *service)
{
	if (service->no_flow == NO_FLOW_RESET && p->proto == IPPROTO_TCP)
		l4_reset_sender(l, p);
	pkt_drop(p, DROP_no_flow);
}

/* A new flow that is not to be. The client is told only where it is the servers' state, and not a
 * want of room here. */
static void refuse_new(
	struct l4 *l, struct pkt *p, const struct service *service, enum drop_reason reason)
{
	/* A client that has come back with a cookie has a connection, as far as it knows. */
	const bool connected = p->proto == IPPROTO_TCP && !(p->tcp_flags & TCP_SYN);

	counter_add(&l->service[service->slot].refused, 1);
	if (reason == DROP_source_rate)
		counter_add(&l->guarded[service->slot].over_rate, 1);
	if (reason == DROP_no_server || reason == DROP_server_full) {
		if (connected || (service->refuse == REFUSE_RESET && p->proto == IPPROTO_TCP))
			l4_reset_sender(l, p);
		else if (service->refuse == REFUSE_ICMP)
			icmp_error(l->net, p, ICMP_ERR_PORT, 0);
	}
	pkt_drop(p, reason);
}

/* A new flow that there is no entry for: without one where that can be, else it is not to be. */
static void go_without(struct l4 *l, struct pkt *p, const struct service *service,
	const struct tuple *tuple, enum drop_reason reason)
{
	if (!pace_may_go_without(l, service)) {
		refuse_new(l, p, service, reason);
		return;
	}
	pace_strike(l, service);
	l4_forward_stateless(l, p, service, tuple);
}

/* The flow that stands in the way of these answers, if it is only waiting for its end, makes room.
 */
static bool make_room(struct l4 *l, const struct tuple *back)
{
	uint8_t dir;
	struct flow *f = flow_find(l->flows, back, &dir);

	if (!f || f->kind != FLOW_FORWARD || !conn_reusable((enum conn_state)f->state))
		return false;
	l4_close(l, f);
	return true;
}

/* flow_open() has not found room for the flow, or another one in the way of its answers. NULL: nor
 * is there any other; what back has taken is given back. */
static struct flow *enter_anyhow(struct l4 *l, const struct fwd_ops *mode,
	const struct tuple *tuple, const struct tuple *back, enum drop_reason *reason)
{
	struct flow *f = NULL;

	if (!mode->two_way)
		return NULL;
	if (*reason == DROP_flow_clash && make_room(l, back))
		f = flow_open(l->flows, tuple, back, reason);
	if (unlikely(!f && *reason == DROP_flow_table_full))
		f = evict_and_open(l, tuple, back, reason);
	if (!f && mode->release)
		mode->release(l, back);
	return f;
}

/* An entry for the flow toward this server. */
static struct flow *open_toward(struct l4 *l, const struct tuple *tuple,
	const struct service *service, const struct server *server, enum drop_reason *reason)
{
	const struct fwd_ops *mode = fwd_table[service->mode];
	struct tuple back;
	struct flow *f;

	*reason = mode->two_way ? mode->answers(l, tuple, service, server, &back) : DROP_none;
	if (*reason != DROP_none)
		return NULL;
	f = flow_open(l->flows, tuple, mode->two_way ? &back : NULL, reason);
	return f ? f : enter_anyhow(l, mode, tuple, &back, reason);
}

/* Whether the flow could go to another server: answers of the first choice could not be told from
 * those of other flows. */
static bool wants_other_server(enum drop_reason reason)
{
	return reason == DROP_flow_clash || reason == DROP_no_local_port;
}

/* granted: with a grant of the server's home. */
static void flow_begin(struct l4 *l, const struct pkt *p, struct flow *f,
	const struct service *service, const struct server *server, bool granted)
{
	f->mode = service->mode;
	f->service = service->slot;
	f->service_gen = service->gen;
	f->server = server->slot;
	f->server_gen = server->gen;
	f->adj[DIR_FORWARD] = f->adj[DIR_RETURN] = ADJ_NONE;
	f->epoch = l4_epoch(l);
	f->born = f->seen = l->now_ms;
	limit_open(l->sched, server->slot, granted);
	counter_add(&l->service[service->slot].flows_opened, 1);
	counter_add(&l->server[server->slot].flows_opened, 1);
	l4_note_opened(l, p);
}

/* The packet goes to the worker that decides next. */
static void ask(struct l4 *l, struct pkt *p, struct question *q, unsigned int to)
{
	assign_headers(q, p);
	if (assign_send(l, to, p->mbuf, q))
		p->verdict = PKT_TAKEN;
	else
		pkt_drop(p, DROP_ask_full);
	q->flags &= (uint8_t)~ASK_GRANTED; /* it has gone with the packet */
}

/* What has been decided about the packet's flow: it comes with an answer about this service, or the
 * question begins. */
static struct question *question_of(
	struct l4 *l, const struct pkt *p, const struct service *service, struct question *fresh)
{
	if (l->answers) {
		struct question *q = &l->answers[p - l->answered->pkt];

		if (q->service == service->slot && q->service_gen == service->gen)
			return q;
	}
	assign_begin(l, service, fresh);
	return fresh;
}

/* As open_flow(), for services that have more than a scheduler; NULL also when the packet is on its
 * way to another worker. */
static struct flow *open_assigned(struct l4 *l, struct pkt *p, const struct service *service,
	const struct tuple *tuple, const struct sched_key *key)
{
	struct question fresh, *q = question_of(l, p, service, &fresh);
	const struct server *server;
	enum drop_reason reason;
	struct flow *f;

	do {
		unsigned int to = assign_advance(l, q, key);

		if (to != l->ask->id) {
			ask(l, p, q, to);
			return NULL;
		}
		reason = (enum drop_reason)q->reason;
		if (!q->server)
			break;
		reason = DROP_no_server;
		server = assign_server(l, q);
		if (!server)
			continue; /* gone since */
		f = open_toward(l, tuple, service, server, &reason);
		if (f) {
			flow_begin(l, p, f, service, server, q->flags & ASK_GRANTED);
			if (q->flags & ASK_OVERFLOWED)
				counter_add(&l->service[service->slot].overflowed, 1);
			q->flags &= (uint8_t)~ASK_GRANTED;
			return f;
		}
		if (!wants_other_server(reason))
			break;
		q->flags |= ASK_UNFIT;
	} while (assign_again(l, q));
	assign_settle(l, q);
	if (reason == DROP_flow_table_full)
		go_without(l, p, service, tuple, reason);
	else
		refuse_new(l, p, service, reason);
	return NULL;
}

/* Picks a server and opens the flow, still without state or timer; NULL after having decided the
 * packet's fate. */
static struct flow *open_flow(
	struct l4 *l, struct pkt *p, const struct service *service, const struct tuple *tuple)
{
	const struct pool *pool = l->model->pools[service->pool];
	enum drop_reason reason = DROP_no_server;
	struct sched_key key;
	int pick;

	key_of_packet(tuple, &key);
	if (unlikely(service->assigned))
		return open_assigned(l, p, service, tuple, &key);
	pick = unlikely(l->struck) && pace_is_struck(l, service)
		       ? maglev_pick(pool->maglev_table, &key)
		       : sched_pick(pool, l->sched, &key);
	for (int tries = 0; pick >= 0 && tries < SERVERS_TRIED; tries++) {
		const struct server *server = &pool->servers[pick];
		struct flow *f = open_toward(l, tuple, service, server, &reason);

		if (f) {
			flow_begin(l, p, f, service, server, false);
			return f;
		}
		if (!wants_other_server(reason))
			break;
		pick = limit_next(pool, l->sched, pick);
	}
	if (reason == DROP_flow_table_full)
		go_without(l, p, service, tuple, reason);
	else
		refuse_new(l, p, service, reason);
	return NULL;
}

/* ---- in two passes -------------------------------------------------------------------------- */

/* A flow that is going to be opened: its server has been picked, the place of its answers in the
 * index is being fetched. */
struct opening {
	const struct service *service;
	const struct server *server; /* NULL: none has been picked */
	struct tuple tuple, back;
	uint32_t back_hash;
};

/* The first pass. False: it is not as simple as that. */
static bool choose(struct l4 *l, struct pkt *p, const struct service *service,
	const struct tuple *tuple, struct opening *o)
{
	const struct fwd_ops *mode = fwd_table[service->mode];
	const struct pool *pool = l->model->pools[service->pool];
	const struct server *server;
	struct sched_key key;
	int pick;

	if (unlikely(service->assigned || l->struck))
		return false;
	key_of_packet(tuple, &key);
	pick = sched_pick(pool, l->sched, &key);
	if (unlikely(pick < 0))
		return false;
	server = &pool->servers[pick];
	if (mode->two_way) {
		if (mode->answers(l, tuple, service, server, &o->back) != DROP_none)
			return false;
		o->back_hash = flow_prefetch_tuple(l->flows, &o->back);
	}
	o->service = service;
	o->server = server;
	o->tuple = *tuple;
	limit_open(l->sched, server->slot, false); /* so that the next pick sees it */
	l4_note_opened(l, p);
	return true;
}

/* The second. */
static void open_chosen(struct l4 *l, struct pkt *p, const struct opening *o)
{
	const struct fwd_ops *mode = fwd_table[o->service->mode];
	enum drop_reason reason;
	struct flow *f;

	limit_close(l->sched, o->server->slot); /* flow_begin() counts it */
	/* Packets of the same tuple come to forward_behind(). */
	f = flow_open_known(l->flows, &o->tuple, p->hash, mode->two_way ? &o->back : NULL,
		o->back_hash, &reason);
	if (unlikely(!f))
		f = enter_anyhow(l, mode, &o->tuple, &o->back, &reason);
	if (likely(f != NULL))
		flow_begin(l, p, f, o->service, o->server, false);
	else if (wants_other_server(reason))
		f = open_flow(l, p, o->service, &o->tuple);
	else if (reason == DROP_flow_table_full)
		go_without(l, p, o->service, &o->tuple, reason);
	else
		refuse_new(l, p, o->service, reason);
	if (f)
		l4_forward_hit(l, p, f);
}

/* ---- packets without a flow ----------------------------------------------------------------- */

/* A packet of a client that access lists keep out, be it a first one or not. It hears nothing. */
static void deny(struct l4 *l, struct pkt *p, const struct service *service)
{
	counter_add(&l->guarded[service->slot].denied, 1);
	pkt_drop(p, DROP_denied);
}

/* Whether a new flow is within the rate of its worker and service. What comes back with an answer
 * has been counted when it was asked about. */
static inline bool may_begin(struct l4 *l, const struct pkt *p, const struct service *service)
{
	return unlikely(l->answers != NULL) || pace_admits(l, service, p->family == 6);
}

/*
 * TCP of a mode that needs a flow, of none and no SYN. While cookies are in use it may come with
 * one; what carries data and does not may have overtaken the segment that does, so that a RST would
 * end a connection that is about to be.
 */
static void forward_flowless(
	struct l4 *l, struct pkt *p, const struct service *service, const struct tuple *tuple)
{
	struct synproxy_client client;
	struct flow *f;

	if (likely(!synproxy_expects(l, service))) {
		refuse_unknown(l, p, service);
	} else if (!synproxy_check(l, p, service, &client)) {
		if (service->no_flow == NO_FLOW_RESET && !segment_carries(p))
			l4_reset_sender(l, p);
		pkt_drop(p, DROP_cookie_wrong);
	} else if (!handshake_room(l, service)) {
		pkt_drop(p, DROP_handshake_full);
	} else if (unlikely(!may_begin(l, p, service))) {
		go_without(l, p, service, tuple, DROP_flow_rate);
	} else {
		f = open_flow(l, p, service, tuple);
		if (f)
			handshake_begin(l, p, f, &client);
	}
}

/* Whether the source of a new connection that ends here is within its rates. If not, or as long as
 * other workers are asked, the packet has been dealt with. */
static bool source_may(
	struct l4 *l, struct pkt *p, const struct service *service, const struct tuple *tuple)
{
	struct question fresh, *q = question_of(l, p, service, &fresh);
	struct sched_key key;
	unsigned int to;

	key_of_packet(tuple, &key);
	to = assign_advance(l, q, &key);
	if (to != l->ask->id)
		ask(l, p, q, to);
	else if (q->reason != DROP_none)
		refuse_new(l, p, service, (enum drop_reason)q->reason);
	else
		return true;
	return false;
}

/* A packet of no flow to a service whose connections end here. A SYN is a new flow, as everywhere;
 * what any other segment is (it may bring a cookie back, for a SYN that was one) TCP knows. */
static void leave_new(struct l4 *l, struct pkt *p, const struct service *service,
	const struct tuple *tuple, bool syn)
{
	if (syn && unlikely(!may_begin(l, p, service))) {
		refuse_new(l, p, service, DROP_flow_rate);
		return;
	}
	if (syn && unlikely(service->assigned) && !source_may(l, p, service, tuple))
		return;
	p->flow = NULL;
	p->service = service->slot;
	l4_leave(l, p);
}

/* A packet to a virtual address. o: where an opening may be left for later; NULL: there is no
 * later.
 */
static void forward_new(struct l4 *l, struct pkt *p, struct opening *o)
{
	const struct tuple tuple = pkt_tuple(p);
	const struct service *service;
	struct flow *f;
	bool syn;

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
	if (unlikely(service->guarded) && !client_may(l, service, &tuple.src)) {
		deny(l, p, service);
		return;
	}
	p->dir = DIR_FORWARD;
	syn = (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
	if (unlikely(service->mode == MODE_TCP)) {
		leave_new(l, p, service, &tuple, syn);
		return;
	}
	if (p->proto == IPPROTO_TCP && !syn) {
		if (fwd_table[service->mode]->two_way)
			forward_flowless(l, p, service, &tuple);
		else
			l4_forward_stateless(l, p, service, &tuple);
		return;
	}
	/* Answers of other workers have been admitted before they were questions. */
	if (likely(!l->answers) && unlikely(synproxy_takes(l, service))) {
		synproxy_answer(l, p, service);
		return;
	}
	if (unlikely(!may_begin(l, p, service))) {
		go_without(l, p, service, &tuple, DROP_flow_rate);
		return;
	}
	if (likely(o != NULL) && choose(l, p, service, &tuple, o))
		return;
	f = open_flow(l, p, service, &tuple);
	if (f)
		l4_forward_hit(l, p, f);
}

/* unknown: why it has no flow, if that is known, or DROP_none. */
static void forward_unknown(
	struct l4 *l, struct pkt *p, enum drop_reason unknown, struct opening *o)
{
	if (p->flags & PKT_VIRTUAL)
		forward_new(l, p, o);
	else if (unknown == DROP_none && (p->flags & PKT_OURS) &&
		 net_kernel_wants(l->model->net, p))
		p->verdict = PKT_KERNEL;
	else if (unknown != DROP_none || !gateway_forward(l, p))
		pkt_drop(p, unknown == DROP_none ? DROP_not_for_us : unknown);
}

/* A packet behind one that has opened a flow, which may be its own. */
static void forward_behind(struct l4 *l, struct pkt *p)
{
	struct flow *f = flow_find_packet(l->flows, p);

	if (f)
		l4_forward_hit(l, p, f);
	if (!f || p->verdict == PKT_GO) /* or it was not of that flow after all */
		forward_unknown(l, p, (enum drop_reason)p->reason, NULL);
}

void l4_open_burst(struct l4 *l, struct burst *b)
{
	struct opening opening[BURST_MAX];

	burst_foreach (b, p) {
		struct opening *o = &opening[p - b->pkt];

		o->server = NULL;
		if (likely(!l4_may_be_opened(l, p)))
			forward_unknown(l, p, (enum drop_reason)p->reason, o);
	}
	burst_foreach (b, p) {
		struct opening *o = &opening[p - b->pkt];

		if (likely(o->server != NULL))
			open_chosen(l, p, o);
		else
			forward_behind(l, p);
	}
}

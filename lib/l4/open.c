/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets that belong to no flow: the service of the address, a server, a new flow; or without one,
 * by Maglev; or a refusal. Called by l4.c.
 */
#include "l4_priv.h"

#include <netinet/in.h>

#include "gateway.h"
#include "reset.h"

/* RSTs a worker sends in a second in answer to segments without a flow. */
#define RESETS_PER_SECOND 1000

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

/* The flow that stands in the way of these answers, if it is only waiting for its end, makes room.
 */
static bool make_room(struct l4 *l, const struct tuple *back)
{
	uint8_t dir;
	struct flow *f = flow_find(l->flows, back, &dir);

	if (!f || !conn_reusable((enum conn_state)f->state))
		return false;
	l4_close(l, f);
	return true;
}

/* An entry for the flow toward this server. */
static struct flow *open_toward(struct l4 *l, const struct tuple *tuple,
	const struct service *service, const struct server *server, enum drop_reason *reason)
{
	const struct fwd_ops *mode = fwd_table[service->mode];
	struct tuple back;
	struct flow *f;

	if (!mode->two_way)
		return flow_open(l->flows, tuple, NULL, reason);
	*reason = mode->answers(l, tuple, service, server, &back);
	if (*reason != DROP_none)
		return NULL;
	f = flow_open(l->flows, tuple, &back, reason);
	if (!f && *reason == DROP_flow_clash && make_room(l, &back))
		f = flow_open(l->flows, tuple, &back, reason);
	if (!f && mode->release)
		mode->release(l, &back);
	return f;
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
	enum drop_reason reason = DROP_no_server;
	struct sched_key key;

	key_of_packet(tuple, &key);
	/* Another server when answers of the first choice could not be told from those of other
	 * flows. */
	for (int tries = 0; tries < 4; tries++) {
		int pick = sched_pick(pool, l->sched, &key);

		if (pick < 0)
			break;

		const struct server *server = &pool->servers[pick];
		struct flow *f = open_toward(l, tuple, service, server, &reason);

		if (f) {
			flow_begin(l, f, service, server);
			return f;
		}
		if (reason != DROP_flow_clash && reason != DROP_no_local_port)
			break;
	}
	if (reason == DROP_flow_table_full && !fwd_table[service->mode]->two_way) {
		l4_forward_stateless(l, p, service, tuple);
		return NULL;
	}
	counter_add(&l->service[service->slot].refused, 1);
	pkt_drop(p, reason);
	return NULL;
}

/* A packet to a virtual address. */
static void forward_new(struct l4 *l, struct pkt *p)
{
	const struct tuple tuple = pkt_tuple(p);
	const struct service *service;
	struct flow *f;

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
			l4_forward_stateless(l, p, service, &tuple);
		return;
	}
	f = open_flow(l, p, service, &tuple);
	if (f)
		l4_forward_hit(l, p, f);
}

void l4_forward_miss(struct l4 *l, struct pkt *p, enum drop_reason unknown)
{
	if (p->flags & PKT_VIRTUAL)
		forward_new(l, p);
	else if (unknown == DROP_none && (p->flags & PKT_OURS) &&
		 net_kernel_wants(l->model->net, p))
		p->verdict = PKT_KERNEL;
	else if (unknown != DROP_none || !gateway_forward(l, p))
		pkt_drop(p, unknown == DROP_none ? DROP_not_for_us : unknown);
}

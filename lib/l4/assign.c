/* SPDX-License-Identifier: BSD-3-Clause */
/* Who serves a new flow; see assign.h. Called by open.c for flows of this worker, and by the
 * worker's loop for questions of others. */
#include "assign.h"

#include <rte_ip.h>

#include "guard/rate.h"
#include "pace.h"
#include "sched/limit.h"
#include "sched/persist.h"

/* Servers that may turn out to be full or gone before the flow is refused. What is known to be full
 * is passed over when picking, so this happens only where others were faster. */
#define TRIES_MAX 16

/* ---- small things --------------------------------------------------------------------------- */

static const struct service *question_service(const struct l4 *l, const struct question *q)
{
	return l->model->service_gen[q->service] == q->service_gen ? l->model->service[q->service]
								   : NULL;
}

const struct server *assign_server(const struct l4 *l, const struct question *q)
{
	/* A disabled server has no generation. */
	return q->server && l->model->server_gen[q->server] == q->server_gen
		       ? l->model->server[q->server]
		       : NULL;
}

void assign_settle(struct l4 *l, struct question *q)
{
	if (q->flags & ASK_GRANTED)
		limit_give_up(l->sched, q->server);
	q->flags &= (uint8_t)~ASK_GRANTED;
}

static void choose(struct question *q, const struct server *s)
{
	q->server = s->slot;
	q->server_gen = s->gen;
	q->step = ASK_GRANT;
}

/* The server is decided on, or (0) that there is none. */
static void decide(struct question *q)
{
	bool moved = !q->server || (q->flags & ASK_MOVED);

	q->step = (q->flags & ASK_FRESH) && moved ? ASK_NOTE : ASK_DONE;
}

static void decide_none(struct question *q, enum drop_reason reason)
{
	q->server = 0;
	q->reason = (uint8_t)reason;
	decide(q);
}

static const struct pool *backup_of(const struct l4 *l, const struct pool *pool)
{
	return pool->backup ? l->model->pools[pool->backup] : NULL;
}

/* ---- rates of sources ----------------------------------------------------------------------- */

/* The first step that is about servers. */
static enum ask_step first_of_server(const struct service *service)
{
	return service->persistence.timeout_ms ? ASK_ENTRY : ASK_PICK;
}

/* What comes after RATE and RATE_ALL: the first step that is about servers, where this is where one
 * is chosen. */
static enum ask_step past_rates(const struct service *service)
{
	return service->mode == MODE_TCP ? ASK_DONE : first_of_server(service);
}

/* RATE, then RATE_ALL: what the service turns away is not counted against what the source may do at
 * others. Returns the home. */
static unsigned int at_source(struct l4 *l, struct question *q, const struct service *service,
	const struct sched_key *key)
{
	const bool own = q->step == ASK_RATE;
	const struct source_rate *rule = own ? &service->source_rate : &l->model->source_rate;

	if (rule->connections && l->rates) {
		const uint64_t hash = rate_hash(l->rates, rule, &key->src);
		const unsigned int home = rate_home(hash, l->ask->n_workers);

		if (home != l->ask->id)
			return home;
		if (!rate_admit(l->rates, hash, rule, l->now_ms)) {
			decide_none(q, DROP_source_rate);
			return home;
		}
	}
	q->step = own ? ASK_RATE_ALL : past_rates(service);
	return l->ask->id;
}

/* ---- picking -------------------------------------------------------------------------------- */

static const struct server *pick_in(
	struct l4 *l, struct question *q, const struct pool *pool, const struct sched_key *key)
{
	const struct server *unfit = q->flags & ASK_UNFIT ? l->model->server[q->server] : NULL;
	int full = -1, pick;

	if (unlikely(unfit != NULL) && l->model->server_pool[q->server] == pool->slot)
		pick = limit_next(pool, l->sched, (int)(unfit - pool->servers));
	else if (unlikely(q->flags & ASK_MAGLEV) && pool->maglev_table)
		pick = maglev_pick(pool->maglev_table, key);
	else
		pick = limit_pick(pool, l->sched, key, &full);
	q->flags &= (uint8_t)~ASK_UNFIT;

	if (full >= 0) {
		counter_add(&l->server[pool->servers[full].slot].overflowed, 1);
		q->flags |= ASK_OVERFLOWED;
	}
	if (pick < 0)
		return NULL;
	if (q->owner != l->ask->id)
		limit_picked_for_other(l->sched, pool->servers[pick].slot);
	return &pool->servers[pick];
}

/* Why no pool of the service takes the flow. */
static enum drop_reason why_none(const struct l4 *l, const struct service *service)
{
	const struct pool *pool = l->model->pools[service->pool];

	for (; pool; pool = backup_of(l, pool))
		for (unsigned int i = 0; pool->limited && i < pool->n_servers; i++)
			if (pool->servers[i].limit && pool->servers[i].effective_weight)
				return DROP_server_full;
	return DROP_no_server;
}

static void pick(struct l4 *l, struct question *q, const struct service *service,
	const struct sched_key *key)
{
	const struct pool *pool = l->model->pools[service->pool];

	for (; pool; pool = backup_of(l, pool)) {
		const struct server *s = pick_in(l, q, pool, key);

		if (s) {
			choose(q, s);
			return;
		}
	}
	decide_none(q, why_none(l, service));
}

/* ---- persistence ---------------------------------------------------------------------------- */

/* Whether a client may come back to it: also when it is drained, but not with a weight of 0. */
static bool keeps_clients(const struct l4 *l, const struct server *s)
{
	return l->model->server_gen[s->slot] && s->weight;
}

/* The entry's server, if it is of this pool and may be used. */
static const struct server *kept(
	const struct l4 *l, const struct pool *pool, const struct persist_entry *e)
{
	const struct server *s = l->model->server[e->slot];

	if (!s || l->model->server_pool[e->slot] != pool->slot || !addr_equal(&s->addr, &e->server))
		s = model_server_at(pool, &e->server);
	return s && keeps_clients(l, s) ? s : NULL;
}

/*
 * The server that the client keeps; else one is picked and noted. A pool is looked at only when
 * those before it take nothing, so that a client is not kept in a backup longer than that. That the
 * server is full changes no entry: its home says so later, and the client comes back when it can.
 */
static void find_entry(struct l4 *l, struct question *q, const struct service *service,
	const struct sched_key *key, const struct persist_key *client, uint64_t hash)
{
	const struct persistence *rule = &service->persistence;
	const struct pool *pool = l->model->pools[service->pool];
	struct persist_entry *e = persist_find(l->persist, client, hash, rule, l->now_ms);

	for (; pool; pool = backup_of(l, pool)) {
		const struct server *s = e ? kept(l, pool, e) : NULL;

		if (s) {
			persist_touch(l->persist, e, rule, l->now_ms);
			choose(q, s);
			return;
		}
		s = pick_in(l, q, pool, key);
		if (!s)
			continue;
		if (persist_put(l->persist, client, hash, rule, s, l->now_ms))
			q->flags |= ASK_FRESH;
		choose(q, s);
		return;
	}
	decide_none(q, why_none(l, service));
}

/* The entry made for this flow is to name who serves it, or to go. */
static void note_entry(struct l4 *l, struct question *q, const struct service *service,
	const struct persist_key *client, uint64_t hash)
{
	const struct persistence *rule = &service->persistence;
	const struct server *s = assign_server(l, q);
	struct persist_entry *e;

	q->step = ASK_DONE;
	if (s) {
		persist_put(l->persist, client, hash, rule, s, l->now_ms);
		return;
	}
	e = persist_find(l->persist, client, hash, rule, l->now_ms);
	if (e)
		persist_drop(l->persist, e);
}

/* ENTRY and NOTE. Returns the home. */
static unsigned int at_client(struct l4 *l, struct question *q, const struct service *service,
	const struct sched_key *key)
{
	const struct persistence *rule = &service->persistence;
	struct persist_key client;
	unsigned int home;
	uint64_t hash;

	if (!rule->timeout_ms || !l->persist) { /* since a change of configuration, or no table */
		q->step = q->step == ASK_ENTRY ? ASK_PICK : ASK_DONE;
		return l->ask->id;
	}
	client = persist_key(rule, &key->src);
	hash = persist_hash(l->persist, &client);
	home = persist_home(hash, l->ask->n_workers);
	if (home != l->ask->id)
		return home;
	if (q->step == ASK_ENTRY)
		find_entry(l, q, service, key, &client, hash);
	else
		note_entry(l, q, service, &client, hash);
	return home;
}

/* ---- limits --------------------------------------------------------------------------------- */

/* GRANT. Returns the home. */
static unsigned int at_server(struct l4 *l, struct question *q)
{
	const struct server *s = assign_server(l, q);
	unsigned int home = l->ask->id;

	if (!s) { /* gone since it was chosen */
		if (!assign_again(l, q))
			decide_none(q, DROP_no_server);
		return home;
	}
	if (!s->limit) {
		decide(q);
		return home;
	}
	home = limit_home(s->slot, l->ask->n_workers);
	if (home != l->ask->id)
		return home;
	if (limit_grant(l->sched, s)) {
		q->flags |= ASK_GRANTED;
		decide(q);
	} else if (l->model->pools[l->model->server_pool[s->slot]]->when_full == WHEN_FULL_REFUSE) {
		counter_add(&l->server[s->slot].refused, 1);
		decide_none(q, DROP_server_full);
	} else {
		counter_add(&l->server[s->slot].overflowed, 1);
		q->flags |= ASK_OVERFLOWED;
		if (!assign_again(l, q))
			decide_none(q, DROP_server_full);
	}
	return home;
}

/* ---- the whole ------------------------------------------------------------------------------ */

void assign_begin(const struct l4 *l, const struct service *service, struct question *q)
{
	*q = (struct question){
		.step = ASK_RATE,
		.owner = (uint8_t)l->ask->id,
		.proto = service->proto,
		.service = service->slot,
		.service_gen = service->gen,
		.flags = l->struck && pace_is_struck(l, service) ? ASK_MAGLEV : 0,
	};
}

void assign_begin_server(const struct l4 *l, const struct service *service, struct question *q)
{
	assign_begin(l, service, q);
	q->step = (uint8_t)first_of_server(service);
}

bool assign_again(struct l4 *l, struct question *q)
{
	assign_settle(l, q);
	q->flags |= ASK_MOVED;
	q->step = ASK_PICK;
	return ++q->tries <= TRIES_MAX;
}

unsigned int assign_advance(struct l4 *l, struct question *q, const struct sched_key *key)
{
	const struct service *service = question_service(l, q);
	unsigned int at = l->ask->id;

	if (!service) {
		assign_settle(l, q);
		q->server = 0;
		q->reason = DROP_no_service;
		q->step = ASK_DONE;
	}
	while (q->step != ASK_DONE && at == l->ask->id) {
		switch ((enum ask_step)q->step) {
		case ASK_RATE:
		case ASK_RATE_ALL:
			at = at_source(l, q, service, key);
			break;
		case ASK_ENTRY:
		case ASK_NOTE:
			at = at_client(l, q, service, key);
			break;
		case ASK_PICK:
			pick(l, q, service, key);
			break;
		case ASK_GRANT:
			at = at_server(l, q);
			break;
		case ASK_DONE:
			break;
		}
	}
	return q->step == ASK_DONE ? q->owner : at;
}

/* ---- with packets --------------------------------------------------------------------------- */

void assign_headers(struct question *q, const struct pkt *p)
{
	q->l3 = (uint16_t)(p->l3 - (const uint8_t *)p->mbuf->buf_addr);
	q->l4 = (uint16_t)(p->l4 - (const uint8_t *)p->mbuf->buf_addr);
}

bool assign_send(struct l4 *l, unsigned int to, struct rte_mbuf *m, const struct question *q)
{
	*ask_question(l->ask, m) = *q;
	if (ask_send(l->ask, to, m))
		return true;
	assign_settle(l, ask_question(l->ask, m));
	return false;
}

/* What a scheduler sees of the packet. */
static struct sched_key packet_key(const struct rte_mbuf *m, const struct question *q)
{
	const uint8_t *l3 = (const uint8_t *)m->buf_addr + q->l3;
	const uint8_t *l4 = (const uint8_t *)m->buf_addr + q->l4;
	struct sched_key key = { .proto = q->proto };

	if (l3[0] >> 4 == 4) {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)l3;

		key.src = addr_from_v4(ip->src_addr);
		key.dst = addr_from_v4(ip->dst_addr);
	} else {
		const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)l3;

		key.src = addr_from_v6(ip->src_addr);
		key.dst = addr_from_v6(ip->dst_addr);
	}
	memcpy(&key.sport, l4, sizeof(key.sport));
	memcpy(&key.dport, l4 + 2, sizeof(key.dport));
	return key;
}

bool assign_serve(struct l4 *l, struct rte_mbuf *m)
{
	struct question q = *ask_question(l->ask, m);
	struct sched_key key = packet_key(m, &q);
	unsigned int to = assign_advance(l, &q, &key);

	if (to == l->ask->id) {
		*ask_question(l->ask, m) = q;
		return true;
	}
	if (!assign_send(l, to, m, &q))
		net_drop(l->net, m, DROP_ask_full);
	return false;
}

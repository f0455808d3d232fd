/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of the control core that a worker serves in slices. */
#include "worker.h"

#include <errno.h>

/* Entries visited in a poll: a few microseconds. */
#define SLICE 64

int request_post(struct worker *w, struct worker_request *r)
{
	r->done = false;
	r->n = 0;
	r->matched = 0;
	r->walk = r->cursor;
	return rte_ring_sp_enqueue(w->requests, r) == 0 ? 0 : -EAGAIN;
}

static bool flow_matches(const struct flow_filter *filter, const struct flow *f)
{
	if ((filter->service && filter->service != f->service) ||
		(filter->server && filter->server != f->server) ||
		(filter->state && filter->state != f->state) ||
		(filter->proto && filter->proto != f->proto))
		return false;
	if (filter->any_client)
		return true;

	struct tuple t = flow_tuple(f, DIR_FORWARD);

	return prefix_contains(&filter->client, &t.src);
}

static void flow_describe(const struct worker *w, const struct flow *f, struct flow_info *out)
{
	uint32_t left = l4_deadline(&w->l4, f) - w->now_ms;

	*out = (struct flow_info){
		.forward = flow_tuple(f, DIR_FORWARD),
		.service = f->service,
		.service_gen = f->service_gen,
		.server = f->server,
		.server_gen = f->server_gen,
		.state = f->state,
		.mode = f->mode,
		.worker = (uint8_t)w->id,
		.idle_ms = w->now_ms - f->seen,
		.age_ms = w->now_ms - f->born,
		.expires_ms = (int32_t)left > 0 ? left : 0,
	};
	if (f->flags & FLOW_RETURN)
		out->back = flow_tuple(f, DIR_RETURN);
}

/* One flow of the walk; false when the list is full. LOCAL ones are no sessions, and TCP's to end.
 */
static bool visit(void *arg, struct flow *f)
{
	struct worker *w = arg;
	struct worker_request *r = w->current;

	if (f->kind != FLOW_FORWARD || !flow_matches(&r->filter, f))
		return true;
	r->matched++;
	switch (r->kind) {
	case REQUEST_COUNT:
		break;
	case REQUEST_FLUSH:
		l4_close(&w->l4, f);
		break;
	case REQUEST_SWEEP:
		l4_revise(&w->l4, f);
		break;
	case REQUEST_LIST:
		flow_describe(w, f, &r->out[r->n++]);
		return r->n < r->max;
	}
	return true;
}

static bool entry_matches(const struct flow_filter *filter, const struct persist_entry *e)
{
	const struct prefix clients = { e->key.client, e->prefix };

	if ((filter->scope && filter->scope != e->key.scope) ||
		(!filter->any_server && !addr_equal(&filter->server_addr, &e->server)))
		return false;
	/* The entry's network is among the clients asked for, or they in it. */
	return filter->any_client || prefix_contains(&filter->client, &e->key.client) ||
	       prefix_contains(&clients, &filter->client.addr);
}

/* One entry of the walk; false when the list is full. */
static bool visit_entry(void *arg, struct persist_entry *e)
{
	struct worker *w = arg;
	struct worker_request *r = w->current;
	uint32_t left = e->seen + e->timeout_ms - w->now_ms;

	/* What is over and not collected yet is nothing. */
	if ((int32_t)left <= 0 || !entry_matches(&r->filter, e))
		return true;
	r->matched++;
	if (r->kind == REQUEST_FLUSH)
		persist_drop(w->l4.persist, e);
	if (r->kind != REQUEST_LIST)
		return true;
	r->entries[r->n++] = (struct persist_info){
		.key = e->key,
		.server = e->server,
		.slot = e->slot,
		.prefix = e->prefix,
		.worker = (uint8_t)w->id,
		.idle_ms = w->now_ms - e->seen,
		.expires_ms = left,
	};
	return r->n < r->max;
}

static void walk_slice(struct worker *w, struct worker_request *r)
{
	if (r->of == REQUEST_FLOWS)
		flow_walk(w->l4.flows, &r->walk, SLICE, visit, w);
	else if (w->l4.persist)
		persist_walk(w->l4.persist, &r->walk, SLICE, visit_entry, w);
}

unsigned int request_serve(struct worker *w)
{
	struct worker_request *r;

	/* The walk begins in the next poll, which sees what was published before the request was
	 * posted. */
	if (!w->current)
		return rte_ring_sc_dequeue(w->requests, (void **)&w->current) == 0;
	r = w->current;
	if (r->kind != REQUEST_LIST || r->max > 0)
		walk_slice(w, r);
	if (r->walk == 0 || (r->kind == REQUEST_LIST && r->n >= r->max)) {
		r->cursor = r->walk;
		w->current = NULL;
		__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
	}
	return SLICE;
}

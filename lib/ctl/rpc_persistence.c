/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * persistence.list, count, flush. Entries belong to the workers, as flows do: requests are posted
 * to them and the call is answered in a later turn. A list asks one worker after the other until
 * its page is full; a cursor is "WORKER.POSITION" in hexadecimal.
 */
#include "rpc.h"
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_DEFAULT 100

/* The state of one call: a request at a time. */
struct entry_walk {
	struct worker_request r;
	bool posted;
	unsigned int worker; /* the one asked now */
	unsigned int limit;  /* LIST: entries still wanted */
	uint64_t matched;
	json_t *entries; /* LIST */
	struct persist_info found[];
};

static bool filter_read(
	struct ctl *c, const json_t *params, struct rpc_call *call, struct flow_filter *f)
{
	const char *client = json_string_value(json_object_get(params, "client"));
	const char *service = json_string_value(json_object_get(params, "service"));
	const char *server = json_string_value(json_object_get(params, "server"));

	*f = (struct flow_filter){ .any_client = !client, .any_server = !server };
	if (client)
		prefix_parse(client, false, &f->client);
	if (service) {
		const struct service *s = model_service_by_name(ctl_model(c), service);

		if (!s) {
			rpc_error(call, RPC_NOT_FOUND, "no service \"%s\"", service);
			return false;
		}
		f->scope = s->persistence.scope;
	}
	if (server) {
		const struct server *s = rpc_find_server(c, server, call);

		if (!s)
			return false;
		f->server_addr = s->addr;
	}
	return true;
}

static json_t *entry_view(struct ctl *c, const struct persist_info *e)
{
	const struct model *m = ctl_model(c);
	const struct server *s = m->server[e->slot];
	const struct prefix clients = { e->key.client, e->prefix };
	json_t *services = json_array(), *o;

	for (unsigned int i = 1; i < MODEL_SERVICES_MAX; i++)
		if (m->service[i] && m->service[i]->persistence.scope == e->key.scope)
			json_array_append_new(services, json_string(m->service[i]->name));
	o = json_pack("{s:o, s:o, s:o, s:I, s:I, s:i}", "client", view_prefix(&clients), "services",
		services, "address", view_addr(&e->server), "idle_ms", (json_int_t)e->idle_ms,
		"expires_ms", (json_int_t)e->expires_ms, "worker", (int)e->worker);
	if (s && addr_equal(&s->addr, &e->server)) {
		json_object_set_new(
			o, "pool", json_string(m->pools[m->server_pool[e->slot]]->name));
		json_object_set_new(o, "server", json_string(s->name));
	}
	return o;
}

static void walk_release(void *state)
{
	struct entry_walk *w = state;

	json_decref(w->entries);
	free(w);
}

/* The present worker has done its part; whether there is more to ask. */
static bool walk_take(struct ctl *c, struct entry_walk *w)
{
	struct worker_request *r = &w->r;

	w->matched += r->matched;
	w->posted = false;
	for (unsigned int i = 0; i < r->n; i++)
		json_array_append_new(w->entries, entry_view(c, &r->entries[i]));
	w->limit -= r->n;
	r->max = w->limit;
	if (r->cursor == 0)
		w->worker++;
	return w->worker < c->target.workers->n && (r->kind != REQUEST_LIST || w->limit > 0);
}

static bool walk_step(struct ctl *c, struct rpc_call *call, void *state)
{
	struct entry_walk *w = state;
	json_t *cursor = NULL;

	if (rpc_gone(call) && !w->posted) {
		walk_release(w);
		rpc_error(call, RPC_INTERNAL_ERROR, "the client has gone");
		return true;
	}
	if (!w->posted)
		w->posted = request_post(c->target.workers->worker[w->worker], &w->r) == 0;
	if (!w->posted || !request_done(&w->r) || walk_take(c, w))
		return false;
	if (w->r.kind != REQUEST_LIST) {
		rpc_result(
			call, json_pack("{s:I}", w->r.kind == REQUEST_COUNT ? "entries" : "flushed",
				      (json_int_t)w->matched));
	} else {
		if (w->worker < c->target.workers->n)
			cursor =
				json_sprintf("%x.%llx", w->worker, (unsigned long long)w->r.cursor);
		rpc_result(call, json_pack("{s:O, s:o}", "entries", w->entries, "cursor",
					 cursor ? cursor : json_null()));
	}
	walk_release(w);
	return true;
}

static struct entry_walk *walk_create(struct ctl *c, const json_t *params, struct rpc_call *call,
	enum request_kind kind, unsigned int limit)
{
	struct entry_walk *w = calloc(1, sizeof(*w) + limit * sizeof(w->found[0]));

	if (!w) {
		rpc_error(call, RPC_INTERNAL_ERROR, "out of memory");
		return NULL;
	}
	w->r.kind = kind;
	w->r.of = REQUEST_PERSISTENCE;
	w->r.entries = w->found;
	w->r.max = w->limit = limit;
	w->entries = json_array();
	if (filter_read(c, params, call, &w->r.filter))
		return w;
	walk_release(w);
	return NULL;
}

static void walk_defer(struct rpc_call *call, struct entry_walk *w)
{
	if (w && !rpc_defer(call, walk_step, walk_release, w))
		walk_release(w);
}

static bool cursor_read(struct ctl *c, const char *text, struct entry_walk *w)
{
	unsigned long long position;
	int end = 0;

	if (!text)
		return true;
	if (sscanf(text, "%8x.%16llx%n", &w->worker, &position, &end) != 2 || text[end] != '\0')
		return false;
	w->r.cursor = position;
	return w->worker < c->target.workers->n;
}

static void persistence_list(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const json_t *limit = json_object_get(params, "limit");
	struct entry_walk *w = walk_create(c, params, call, REQUEST_LIST,
		limit ? (unsigned int)json_integer_value(limit) : PAGE_DEFAULT);

	if (w && !cursor_read(c, json_string_value(json_object_get(params, "cursor")), w)) {
		rpc_error(call, RPC_INVALID_PARAMS, "cursor: not one that persistence.list gave");
		walk_release(w);
	} else {
		walk_defer(call, w);
	}
}

static void persistence_count(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	walk_defer(call, walk_create(c, params, call, REQUEST_COUNT, 0));
}

static void persistence_flush(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const json_t *given = json_object_get(params, "all");
	bool all = json_is_true(given), some = json_object_size(params) > (given ? 1 : 0);

	if (all == some)
		rpc_error(call, RPC_INVALID_PARAMS,
			"say which entries, or \"all\": true for every one; not both");
	else
		walk_defer(call, walk_create(c, params, call, REQUEST_FLUSH, 0));
}

static const struct rpc_method methods[] = {
	{ "list", persistence_list },
	{ "count", persistence_count },
	{ "flush", persistence_flush },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_persistence = { "persistence", methods };

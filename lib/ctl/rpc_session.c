/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session.list, count, flush. Flows belong to the workers, so these post requests to them and are
 * answered in a later turn: a list asks one worker after the other until its page is full, the
 * others ask all at once.
 *
 * A cursor is "WORKER.POSITION" in hexadecimal: where the next page begins.
 */
#include "rpc.h"
#include "view.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_DEFAULT 100

/* The state of one call. */
struct session_walk {
	unsigned int worker;     /* LIST: the one asked now */
	unsigned int limit;      /* LIST: sessions still wanted */
	json_t *sessions;        /* LIST */
	struct flow_info *found; /* LIST: room for limit */
	unsigned int n;          /* requests */
	struct {
		struct worker_request r;
		bool posted;
	} request[];
};

/* ---- what is asked for -------------------------------------------------------------------- */

const struct server *rpc_find_server(struct ctl *c, const char *name, struct rpc_call *call)
{
	const struct model *m = ctl_model(c);
	const struct server *found = NULL;
	const char *slash = strchr(name, '/');
	char pool[MODEL_NAME_MAX];
	unsigned int n = 0;

	for (unsigned int i = 1; i < MODEL_SERVERS_MAX && !slash; i++)
		if (m->server[i] && strcmp(m->server[i]->name, name) == 0) {
			found = m->server[i];
			n++;
		}
	if (slash) {
		snprintf(pool, sizeof(pool), "%.*s", (int)(slash - name), name);
		found = model_server_by_name(m, pool, slash + 1);
		n = found != NULL;
	}
	if (n == 1)
		return found;
	if (n == 0)
		rpc_error(call, RPC_NOT_FOUND, "no server \"%s\"", name);
	else
		rpc_error(call, RPC_INVALID_PARAMS,
			"%u pools have a server \"%s\"; say \"POOL/%s\"", n, name, name);
	return NULL;
}

/* The filter that parameters describe; false when the call has been answered with an error. */
static bool filter_read(
	struct ctl *c, const json_t *params, struct rpc_call *call, struct flow_filter *f)
{
	const char *client = json_string_value(json_object_get(params, "client"));
	const char *service = json_string_value(json_object_get(params, "service"));
	const char *server = json_string_value(json_object_get(params, "server"));
	const char *state = json_string_value(json_object_get(params, "state"));
	const char *protocol = json_string_value(json_object_get(params, "protocol"));

	*f = (struct flow_filter){ .any_client = client == NULL };
	if (client)
		prefix_parse(client, false, &f->client);
	if (service) {
		const struct service *s = model_service_by_name(ctl_model(c), service);

		if (!s) {
			rpc_error(call, RPC_NOT_FOUND, "no service \"%s\"", service);
			return false;
		}
		f->service = s->slot;
	}
	if (server) {
		const struct server *s = rpc_find_server(c, server, call);

		if (!s)
			return false;
		f->server = s->slot;
	}
	f->state = state ? conn_state_find(state) : CONN_NONE;
	f->proto = !protocol ? 0 : strcmp(protocol, "tcp") == 0 ? IPPROTO_TCP : IPPROTO_UDP;
	return true;
}

/* ---- the walk ----------------------------------------------------------------------------- */

static void walk_release(void *state)
{
	struct session_walk *w = state;

	json_decref(w->sessions);
	free(w->found);
	free(w);
}

static struct session_walk *walk_create(
	struct ctl *c, enum request_kind kind, const struct flow_filter *f)
{
	unsigned int n = kind == REQUEST_LIST ? 1 : c->target.workers->n;
	struct session_walk *w = calloc(1, sizeof(*w) + n * sizeof(w->request[0]));

	if (!w)
		return NULL;
	w->n = n;
	for (unsigned int i = 0; i < n; i++) {
		w->request[i].r.kind = kind;
		w->request[i].r.filter = *f;
	}
	return w;
}

/* Posts a request if it is not yet, unless the worker's ring is full. true when it is done. */
static bool walk_ask(struct ctl *c, struct session_walk *w, unsigned int i, unsigned int worker)
{
	if (!w->request[i].posted &&
		request_post(c->target.workers->worker[worker], &w->request[i].r) == 0)
		w->request[i].posted = true;
	return w->request[i].posted && request_done(&w->request[i].r);
}

/* Whether no worker has a request of it. */
static bool walk_idle(const struct session_walk *w)
{
	for (unsigned int i = 0; i < w->n; i++)
		if (w->request[i].posted && !request_done(&w->request[i].r))
			return false;
	return true;
}

static void walk_defer(struct rpc_call *call, struct session_walk *w,
	bool (*step)(struct ctl *c, struct rpc_call *call, void *state))
{
	if (!w)
		rpc_error(call, RPC_INTERNAL_ERROR, "out of memory");
	else if (!rpc_defer(call, step, walk_release, w))
		walk_release(w);
}

/* ---- list --------------------------------------------------------------------------------- */

static void set_name(json_t *o, const char *key, const char *name)
{
	json_object_set_new(o, key, name ? json_string(name) : json_null());
}

/* The server's end: as its answers carry it, or, where those are not seen, as the configuration
 * says. */
static json_t *server_address(const struct flow_info *f, const struct server *s)
{
	if (f->back.proto)
		return view_endpoint(&f->back.src, rte_be_to_cpu_16(f->back.sport));
	if (s)
		return view_endpoint(
			&s->addr, s->port ? s->port : rte_be_to_cpu_16(f->forward.dport));
	return json_null();
}

/* Who the server takes for the client: with fullnat, one of our addresses and local ports. */
static json_t *source_address(const struct flow_info *f)
{
	if (f->back.proto)
		return view_endpoint(&f->back.dst, rte_be_to_cpu_16(f->back.dport));
	return view_endpoint(&f->forward.src, rte_be_to_cpu_16(f->forward.sport));
}

static json_t *session_view(struct ctl *c, const struct flow_info *f)
{
	const struct model *m = ctl_model(c);
	const struct service *service =
		m->service_gen[f->service] == f->service_gen ? m->service[f->service] : NULL;
	const struct server *server =
		m->server_gen[f->server] == f->server_gen ? m->server[f->server] : NULL;
	const struct pool *pool = server ? m->pools[m->server_pool[f->server]] : NULL;
	json_t *o = json_object();

	set_name(o, "protocol", view_proto(f->forward.proto));
	json_object_set_new(
		o, "client", view_endpoint(&f->forward.src, rte_be_to_cpu_16(f->forward.sport)));
	json_object_set_new(
		o, "virtual", view_endpoint(&f->forward.dst, rte_be_to_cpu_16(f->forward.dport)));
	json_object_set_new(o, "source", source_address(f));
	json_object_set_new(o, "address", server_address(f, server));
	set_name(o, "service", service ? service->name : NULL);
	set_name(o, "pool", pool ? pool->name : NULL);
	set_name(o, "server", server ? server->name : NULL);
	set_name(o, "mode", mode_name(f->mode));
	set_name(o, "state", conn_state_name(f->state));
	json_object_set_new(o, "idle_ms", json_integer(f->idle_ms));
	json_object_set_new(o, "age_ms", json_integer(f->age_ms));
	json_object_set_new(o, "expires_ms", json_integer(f->expires_ms));
	json_object_set_new(o, "worker", json_integer(f->worker));
	return o;
}

/* One worker has filled a part of the page; whether there is more to ask. */
static bool list_take(struct ctl *c, struct session_walk *w)
{
	struct worker_request *r = &w->request[0].r;

	for (unsigned int i = 0; i < r->n; i++)
		json_array_append_new(w->sessions, session_view(c, &r->out[i]));
	w->limit -= r->n;
	w->request[0].posted = false;
	if (r->cursor == 0)
		w->worker++;
	r->max = w->limit;
	return w->limit > 0 && w->worker < c->target.workers->n;
}

static bool list_step(struct ctl *c, struct rpc_call *call, void *state)
{
	struct session_walk *w = state;
	struct worker_request *r = &w->request[0].r;
	json_t *cursor;

	if (rpc_gone(call) && walk_idle(w)) {
		walk_release(w);
		rpc_error(call, RPC_INTERNAL_ERROR, "the client has gone");
		return true;
	}
	if (!walk_ask(c, w, 0, w->worker) || list_take(c, w))
		return false;
	cursor = w->worker < c->target.workers->n
			 ? json_sprintf("%x.%llx", w->worker, (unsigned long long)r->cursor)
			 : json_null();
	rpc_result(call, json_pack("{s:O, s:o}", "sessions", w->sessions, "cursor", cursor));
	walk_release(w);
	return true;
}

static bool cursor_read(struct ctl *c, const char *text, struct session_walk *w)
{
	unsigned long long position;
	int end = 0;

	if (!text)
		return true;
	if (sscanf(text, "%8x.%16llx%n", &w->worker, &position, &end) != 2 || text[end] != '\0')
		return false;
	w->request[0].r.cursor = position;
	return w->worker < c->target.workers->n;
}

static void session_list(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const json_t *limit = json_object_get(params, "limit");
	struct flow_filter filter;
	struct session_walk *w;

	if (!filter_read(c, params, call, &filter))
		return;
	w = walk_create(c, REQUEST_LIST, &filter);
	if (!w) {
		rpc_error(call, RPC_INTERNAL_ERROR, "out of memory");
		return;
	}
	w->limit = limit ? (unsigned int)json_integer_value(limit) : PAGE_DEFAULT;
	w->sessions = json_array();
	w->found = calloc(w->limit, sizeof(*w->found));
	w->request[0].r.out = w->found;
	w->request[0].r.max = w->limit;
	if (!w->found || !w->sessions) {
		rpc_error(call, RPC_INTERNAL_ERROR, "out of memory");
		walk_release(w);
	} else if (!cursor_read(c, json_string_value(json_object_get(params, "cursor")), w)) {
		rpc_error(call, RPC_INVALID_PARAMS, "cursor: not one that session.list gave");
		walk_release(w);
	} else {
		walk_defer(call, w, list_step);
	}
}

/* ---- count and flush ---------------------------------------------------------------------- */

static bool sum_step(struct ctl *c, struct rpc_call *call, void *state)
{
	struct session_walk *w = state;
	uint64_t sum = 0;
	bool done = true;

	for (unsigned int i = 0; i < w->n; i++)
		done &= walk_ask(c, w, i, i);
	if (!done)
		return false;
	for (unsigned int i = 0; i < w->n; i++)
		sum += w->request[i].r.matched;
	rpc_result(call,
		json_pack("{s:I}", w->request[0].r.kind == REQUEST_COUNT ? "sessions" : "flushed",
			(json_int_t)sum));
	walk_release(w);
	return true;
}

static void session_count(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	struct flow_filter filter;

	if (filter_read(c, params, call, &filter))
		walk_defer(call, walk_create(c, REQUEST_COUNT, &filter), sum_step);
}

static void session_flush(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const json_t *given = json_object_get(params, "all");
	bool all = json_is_true(given), some = json_object_size(params) > (given ? 1 : 0);
	struct flow_filter filter;

	if (!filter_read(c, params, call, &filter))
		return;
	if (all == some)
		rpc_error(call, RPC_INVALID_PARAMS,
			"say which sessions, or \"all\": true for every one; not both");
	else
		walk_defer(call, walk_create(c, REQUEST_FLUSH, &filter), sum_step);
}

static const struct rpc_method methods[] = {
	{ "list", session_list },
	{ "count", session_count },
	{ "flush", session_flush },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_session = { "session", methods };

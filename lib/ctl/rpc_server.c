/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * server.list, show, add, remove, weight, drain, disable, enable. The first five are about the
 * configuration; the last three about administrative state, which is no part of it.
 */
#include "edit.h"
#include "view.h"

#include <string.h>

static const char *text(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* The pool and server that the parameters name; answers when there is no such. */
static const struct server *server_named(
	struct ctl *c, const json_t *params, struct rpc_call *call, const struct pool **pool)
{
	const struct server *s;

	*pool = model_pool_by_name(ctl_model(c), text(params, "pool"));
	if (!*pool) {
		rpc_error(call, RPC_NOT_FOUND, "no pool \"%s\"", text(params, "pool"));
		return NULL;
	}
	s = model_server_by_name(ctl_model(c), text(params, "pool"), text(params, "name"));
	if (!s)
		rpc_error(call, RPC_NOT_FOUND, "no server \"%s\" in pool \"%s\"",
			text(params, "name"), (*pool)->name);
	return s;
}

/* The list of servers of a pool in a document. */
static json_t *servers_of(json_t *doc, const char *pool)
{
	return edit_list(edit_find(edit_list(doc, "pools"), pool, NULL), "servers");
}

static void server_list(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const char *name = text(params, "pool");
	const struct pool *pool = name ? model_pool_by_name(ctl_model(c), name) : NULL;

	if (name && !pool)
		rpc_error(call, RPC_NOT_FOUND, "no pool \"%s\"", name);
	else
		rpc_result(call, view_servers(c, pool));
}

static void server_show(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const struct pool *pool;
	const struct server *s = server_named(c, params, call, &pool);
	json_t *o;

	if (!s)
		return;
	o = view_server(c, pool, s);
	json_object_set(o, "configuration",
		edit_find(servers_of(c->target.running, pool->name), s->name, NULL));
	rpc_result(call, o);
}

static void server_add(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const struct pool *pool = model_pool_by_name(ctl_model(c), text(params, "pool"));
	json_t *doc, *server;

	if (!pool) {
		rpc_error(call, RPC_NOT_FOUND, "no pool \"%s\"", text(params, "pool"));
		return;
	}
	if (model_server_by_name(ctl_model(c), pool->name, text(params, "name"))) {
		rpc_error(call, RPC_EXISTS, "server \"%s\" exists in pool \"%s\" already",
			text(params, "name"), pool->name);
		return;
	}
	doc = edit_begin(c);
	server = json_deep_copy(params);
	json_object_del(server, "pool");
	json_array_append_new(servers_of(doc, pool->name), server);
	edit_apply(c, call, doc);
}

static void server_remove(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const struct pool *pool;
	const struct server *s = server_named(c, params, call, &pool);
	json_t *doc, *list;
	size_t at;

	if (!s)
		return;
	doc = edit_begin(c);
	list = servers_of(doc, pool->name);
	if (edit_find(list, s->name, &at))
		json_array_remove(list, at);
	edit_apply(c, call, doc);
}

static void server_weight(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const struct pool *pool;
	const struct server *s = server_named(c, params, call, &pool);
	json_t *doc;

	if (!s)
		return;
	doc = edit_begin(c);
	json_object_set(edit_find(servers_of(doc, pool->name), s->name, NULL), "weight",
		json_object_get(params, "weight"));
	edit_apply(c, call, doc);
}

/* The server as it now is. What could not be saved holds, but not for the next daemon: a warning.
 */
static json_t *admin_result(struct ctl *c, const json_t *params)
{
	const struct pool *pool = model_pool_by_name(ctl_model(c), text(params, "pool"));
	const struct server *s =
		model_server_by_name(ctl_model(c), text(params, "pool"), text(params, "name"));
	json_t *o = view_server(c, pool, s);
	struct faults faults = { 0 };
	int rc = admin_save(c->target.admin);

	if (rc)
		fault_warn(&faults, "state",
			"not saved (%s): it holds until the daemon ends, and is lost then",
			strerror(-rc));
	json_object_set_new(o, "warnings", rpc_faults_json(&faults));
	faults_free(&faults);
	return o;
}

/* Administrative state: kept only if it can be applied. */
static void server_admin(
	struct ctl *c, const json_t *params, struct rpc_call *call, enum admin state)
{
	struct admin_state *admin = c->target.admin;
	struct faults faults = { 0 };
	const struct pool *pool;
	const struct server *s = server_named(c, params, call, &pool);
	enum admin before;
	int rc;

	if (!s)
		return;
	before = admin_get(admin, pool->name, s->name);
	rc = admin_set(admin, pool->name, s->name, state);
	if (rc == 0)
		rc = config_apply(&c->target, NULL, &faults);
	if (rc == 0) {
		rpc_result(call, admin_result(c, params));
	} else {
		admin_set(admin, pool->name, s->name, before);
		rpc_error(call, RPC_INTERNAL_ERROR, "cannot apply: %s", strerror(-rc));
	}
	faults_free(&faults);
}

static void server_drain(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	server_admin(c, params, call, ADMIN_DRAIN);
}

static void server_disable(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	server_admin(c, params, call, ADMIN_DISABLED);
}

static void server_enable(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	server_admin(c, params, call, ADMIN_ENABLED);
}

static const struct rpc_method methods[] = {
	{ "list", server_list },
	{ "show", server_show },
	{ "add", server_add },
	{ "remove", server_remove },
	{ "weight", server_weight },
	{ "drain", server_drain },
	{ "disable", server_disable },
	{ "enable", server_enable },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_server = { "server", methods };

/* SPDX-License-Identifier: BSD-3-Clause */
/* pool.list, show, add, remove. */
#include "edit.h"
#include "view.h"

static void pool_list(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const struct model *m = ctl_model(c);
	json_t *list = json_array();

	for (unsigned int i = 0; i < MODEL_POOLS_MAX; i++)
		if (m->pools[i])
			json_array_append_new(list, view_pool(c, m->pools[i]));
	rpc_result(call, list);
}

static void pool_show(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	const struct pool *p = model_pool_by_name(ctl_model(c), name);
	json_t *list = json_object_get(c->target.running, "pools");
	json_t *o;

	if (!p) {
		rpc_error(call, RPC_NOT_FOUND, "no pool \"%s\"", name);
		return;
	}
	o = view_pool(c, p);
	json_object_set(o, "configuration", edit_find(list, name, NULL));
	json_object_set_new(o, "servers", view_servers(c, p));
	rpc_result(call, o);
}

static void pool_add(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	json_t *doc, *pool;

	if (model_pool_by_name(ctl_model(c), name)) {
		rpc_error(call, RPC_EXISTS, "pool \"%s\" exists already", name);
		return;
	}
	doc = edit_begin(c);
	pool = json_deep_copy(params);
	edit_list(pool, "servers");
	json_array_append_new(edit_list(doc, "pools"), pool);
	edit_apply(c, call, doc);
}

static const struct service *pool_user(const struct model *m, const struct pool *p)
{
	for (unsigned int i = 1; i < MODEL_SERVICES_MAX; i++)
		if (m->service[i] && m->service[i]->pool == p->slot)
			return m->service[i];
	return NULL;
}

static void pool_remove(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	const struct pool *p = model_pool_by_name(ctl_model(c), name);
	const struct service *user = p ? pool_user(ctl_model(c), p) : NULL;
	json_t *doc, *list;
	size_t at;

	if (!p) {
		rpc_error(call, RPC_NOT_FOUND, "no pool \"%s\"", name);
		return;
	}
	if (user) {
		rpc_error(call, RPC_REFUSED,
			"pool \"%s\" is in use by service \"%s\"; remove that first", name,
			user->name);
		return;
	}
	doc = edit_begin(c);
	list = edit_list(doc, "pools");
	if (edit_find(list, name, &at))
		json_array_remove(list, at);
	edit_apply(c, call, doc);
}

static const struct rpc_method methods[] = {
	{ "list", pool_list },
	{ "show", pool_show },
	{ "add", pool_add },
	{ "remove", pool_remove },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_pool = { "pool", methods };

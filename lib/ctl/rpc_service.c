/* SPDX-License-Identifier: BSD-3-Clause */
/* service.list, show, add, remove. */
#include "edit.h"
#include "view.h"

static void service_list(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	rpc_result(call, view_services(c));
}

static void service_show(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	const struct service *s = model_service_by_name(ctl_model(c), name);
	json_t *list = json_object_get(c->target.running, "services");
	json_t *o;

	if (!s) {
		rpc_error(call, RPC_NOT_FOUND, "no service \"%s\"", name);
		return;
	}
	o = view_service(c, s);
	json_object_set(o, "configuration", edit_find(list, name, NULL));
	json_object_set_new(o, "servers", view_servers(c, ctl_model(c)->pools[s->pool]));
	rpc_result(call, o);
}

static void service_add(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	json_t *doc;

	if (model_service_by_name(ctl_model(c), name)) {
		rpc_error(call, RPC_EXISTS, "service \"%s\" exists already", name);
		return;
	}
	doc = edit_begin(c);
	json_array_append_new(edit_list(doc, "services"), json_deep_copy(params));
	edit_apply(c, call, doc);
}

static void service_remove(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	json_t *doc = edit_begin(c), *list = edit_list(doc, "services");
	size_t at;

	if (!edit_find(list, name, &at)) {
		rpc_error(call, RPC_NOT_FOUND, "no service \"%s\"", name);
		json_decref(doc);
		return;
	}
	json_array_remove(list, at);
	edit_apply(c, call, doc);
}

static const struct rpc_method methods[] = {
	{ "list", service_list },
	{ "show", service_show },
	{ "add", service_add },
	{ "remove", service_remove },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_service = { "service", methods };

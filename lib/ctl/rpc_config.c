/* SPDX-License-Identifier: BSD-3-Clause */
/* config.show, check, diff, reload, save. */
#include "edit.h"
#include "rpc.h"
#include "save.h"

#include <string.h>

static void method_show(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	rpc_result(call, json_deep_copy(c->target.running));
}

/* The document that a call is about: its "text", or the configuration's file. Answers when it
 * cannot be had. */
static json_t *document(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const json_t *text = json_object_get(params, "text");
	struct faults faults = { 0 };
	json_t *doc = NULL;

	if (text)
		doc = config_parse(json_string_value(text), json_string_length(text), &faults);
	else if (c->config_path)
		doc = config_load(c->config_path, &faults);
	else
		rpc_error(
			call, RPC_NOT_FOUND, "the daemon was started without a configuration file");
	if (!doc && faults.errors)
		rpc_faults(call, RPC_REFUSED, text ? "refused" : c->config_path, &faults);
	faults_free(&faults);
	return doc;
}

static void method_check(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	json_t *doc = document(c, params, call);
	struct faults faults = { 0 };

	if (!doc)
		return;
	if (config_check(doc, &faults))
		rpc_result(call, json_pack("{s:o}", "warnings", rpc_faults_json(&faults)));
	else
		rpc_faults(call, RPC_REFUSED, "refused", &faults);
	faults_free(&faults);
	json_decref(doc);
}

/* ---- diff --------------------------------------------------------------------------------- */

static void diff(json_t *list, const char *path, const json_t *from, const json_t *to);

static void difference(json_t *list, const char *path, const json_t *from, const json_t *to)
{
	json_t *o = json_pack("{s:s}", "path", path);

	json_object_set_new(o, "from", from ? json_deep_copy(from) : json_null());
	json_object_set_new(o, "to", to ? json_deep_copy(to) : json_null());
	json_array_append_new(list, o);
}

/* One step down, with the path that leads there: "pools[web].servers", or "services" at the top. */
static void diff_below(json_t *list, const char *path, const char *fmt, const char *name,
	const json_t *from, const json_t *to)
{
	json_t *step = json_sprintf(fmt, path, name);

	if (step)
		diff(list, json_string_value(step), from, to);
	json_decref(step);
}

static void diff_objects(json_t *list, const char *path, const json_t *from, const json_t *to)
{
	const char *fmt = path[0] ? "%s.%s" : "%s%s";
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)from, key, value)
		diff_below(list, path, fmt, key, value, json_object_get(to, key));
	json_object_foreach ((json_t *)to, key, value)
		if (!json_object_get(from, key))
			diff_below(list, path, fmt, key, NULL, value);
}

/* Whether each element is an object with a name. */
static bool named(const json_t *list)
{
	json_t *o;
	size_t i;

	json_array_foreach (list, i, o)
		if (!json_is_string(json_object_get(o, "name")))
			return false;
	return json_is_array(list);
}

/* Lists of named things are compared name by name; the order of the things is no difference. */
static void diff_named(json_t *list, const char *path, const json_t *from, const json_t *to)
{
	json_t *o;
	size_t i;

	json_array_foreach (from, i, o) {
		const char *name = json_string_value(json_object_get(o, "name"));

		diff_below(list, path, "%s[%s]", name, o, edit_find((json_t *)to, name, NULL));
	}
	json_array_foreach (to, i, o) {
		const char *name = json_string_value(json_object_get(o, "name"));

		if (!edit_find((json_t *)from, name, NULL))
			diff_below(list, path, "%s[%s]", name, NULL, o);
	}
}

static void diff(json_t *list, const char *path, const json_t *from, const json_t *to)
{
	if (from && to && json_equal((json_t *)from, (json_t *)to))
		return;
	if (json_is_object(from) && json_is_object(to))
		diff_objects(list, path, from, to);
	else if (named(from) && named(to))
		diff_named(list, path, from, to);
	else
		difference(list, path, from, to);
}

static void method_diff(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	json_t *doc = document(c, params, call);
	json_t *list;

	if (!doc)
		return;
	list = json_array();
	diff(list, "", c->target.running, doc);
	rpc_result(call, list);
	json_decref(doc);
}

/* ---- reload and save ---------------------------------------------------------------------- */

static void method_reload(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	json_t *doc = document(c, params, call), *changes;

	if (!doc)
		return;
	changes = json_array();
	diff(changes, "", c->target.running, doc);
	edit_apply_with(c, call, doc, json_pack("{s:i}", "changes", (int)json_array_size(changes)));
	json_decref(changes);
}

static void method_save(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	int rc;

	if (!c->config_path) {
		rpc_error(
			call, RPC_NOT_FOUND, "the daemon was started without a configuration file");
		return;
	}
	rc = save_document(c->config_path, c->target.running);
	if (rc < 0)
		rpc_error(call, RPC_REFUSED, "cannot write %s: %s", c->config_path, strerror(-rc));
	else
		rpc_result(call, json_pack("{s:s}", "path", c->config_path));
}

static const struct rpc_method methods[] = {
	{ "show", method_show },
	{ "check", method_check },
	{ "diff", method_diff },
	{ "reload", method_reload },
	{ "save", method_save },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_config = { "config", methods };

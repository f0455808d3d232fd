/* SPDX-License-Identifier: BSD-3-Clause */
/* Changing the configuration by RPC. */
#include "edit.h"

#include <string.h>

json_t *edit_begin(const struct ctl *c)
{
	return json_deep_copy(c->target.running);
}

json_t *edit_list(json_t *o, const char *key)
{
	json_t *list = json_object_get(o, key);

	if (!list) {
		list = json_array();
		json_object_set_new(o, key, list);
	}
	return list;
}

json_t *edit_find(json_t *list, const char *name, size_t *index)
{
	json_t *o;
	size_t i;

	json_array_foreach (list, i, o) {
		const char *its = json_string_value(json_object_get(o, "name"));

		if (!its || strcmp(its, name) != 0)
			continue;
		if (index)
			*index = i;
		return o;
	}
	return NULL;
}

void edit_apply(struct ctl *c, struct rpc_call *call, json_t *doc)
{
	edit_apply_with(c, call, doc, json_object());
}

void edit_apply_with(struct ctl *c, struct rpc_call *call, json_t *doc, json_t *result)
{
	struct faults faults = { 0 };
	int rc = config_apply(&c->target, doc, &faults);

	if (rc == 0) {
		json_object_set_new(result, "warnings", rpc_faults_json(&faults));
		rpc_result(call, json_incref(result));
	} else if (faults.errors) {
		rpc_faults(call, RPC_REFUSED, "refused", &faults);
	} else {
		rpc_error(call, RPC_INTERNAL_ERROR, "cannot apply the configuration: %s",
			strerror(-rc));
	}
	json_decref(result);
	faults_free(&faults);
	json_decref(doc);
}

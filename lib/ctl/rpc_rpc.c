/* SPDX-License-Identifier: BSD-3-Clause */
/* rpc.describe: the schema by which all methods are known. */
#include "rpc.h"

static void rpc_describe(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const json_t *schema = rpc_schema(c->rpc);
	const char *name = json_string_value(json_object_get(params, "method"));
	json_t *method;

	if (!name) {
		rpc_result(call, json_deep_copy(schema));
		return;
	}
	method = json_object_get(json_object_get(schema, "methods"), name);
	if (method)
		rpc_result(call, json_deep_copy(method));
	else
		rpc_error(call, RPC_NOT_FOUND, "no method \"%s\"", name);
}

static const struct rpc_method methods[] = {
	{ "describe", rpc_describe },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_rpc = { "rpc", methods };

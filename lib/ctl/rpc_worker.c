/* SPDX-License-Identifier: BSD-3-Clause */
/* worker.list. */
#include "rpc.h"
#include "view.h"

static void worker_list(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	rpc_result(call, view_workers(c));
}

static const struct rpc_method methods[] = {
	{ "list", worker_list },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_worker = { "worker", methods };

/* SPDX-License-Identifier: BSD-3-Clause */
/* alarm.list. */
#include "alarm.h"
#include "rpc.h"

static void alarm_list(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	alarm_look(&c->alarms, &c->target);
	rpc_result(call, alarm_view(&c->alarms, &c->target, true));
}

static const struct rpc_method methods[] = {
	{ "list", alarm_list },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_alarm = { "alarm", methods };

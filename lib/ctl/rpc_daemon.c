/* SPDX-License-Identifier: BSD-3-Clause */
/* daemon.version, status. */
#include "rpc.h"
#include "view.h"

#include <unistd.h>

#include <rte_version.h>

#include "listener.h"

static void daemon_version(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	rpc_result(call, json_pack("{s:s, s:s, s:s}", "fairlead", FAIRLEAD_VERSION, "dpdk",
				 rte_version(), "jansson", jansson_version_str()));
}

static void daemon_status(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const struct model *m = ctl_model(c);
	json_t *o = json_object();

	json_object_set_new(o, "pid", json_integer(getpid()));
	json_object_set_new(o, "uptime_ms", json_integer((json_int_t)(c->now - c->started)));
	json_object_set_new(
		o, "configuration", c->config_path ? json_string(c->config_path) : json_null());
	json_object_set_new(o, "changes", json_integer((json_int_t)m->version));
	json_object_set_new(
		o, "workers", json_integer(c->target.workers ? c->target.workers->n : 0));
	json_object_set_new(o, "ports", json_integer(net_port_count(m->net)));
	json_object_set_new(o, "services", json_integer(m->n_services));
	json_object_set_new(o, "pools", json_integer(m->n_pools));
	json_object_set_new(o, "servers", json_integer(m->n_servers));
	json_object_set_new(
		o, "clients", json_integer(c->listener ? listener_connections(c->listener) : 0));
	rpc_result(call, o);
}

static const struct rpc_method methods[] = {
	{ "version", daemon_version },
	{ "status", daemon_status },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_daemon = { "daemon", methods };

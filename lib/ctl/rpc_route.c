/* SPDX-License-Identifier: BSD-3-Clause */
/* route.list. */
#include "rpc.h"
#include "view.h"

#include <stdlib.h>

static json_t *route_view(const struct net_table *t, const struct route_info *r)
{
	json_t *o = json_object();

	json_object_set_new(o, "to", view_prefix(&r->to));
	json_object_set_new(
		o, "via", addr_is_zero(&r->hop.via) ? json_null() : view_addr(&r->hop.via));
	json_object_set_new(o, "port", json_string(net_port(t, r->hop.port)->name));
	json_object_set_new(o, "connected", json_boolean(r->connected));
	return o;
}

static void route_list(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const struct net_table *t = ctl_model(c)->net;
	struct route_info *routes;
	unsigned int n = 0, room;
	json_t *list;

	net_route_list(t, NULL, &n);
	room = n;
	routes = calloc(room ? room : 1, sizeof(*routes));
	if (!routes) {
		rpc_error(call, RPC_INTERNAL_ERROR, "out of memory");
		return;
	}
	net_route_list(t, routes, &n);
	list = json_array();
	for (unsigned int i = 0; i < room; i++)
		json_array_append_new(list, route_view(t, &routes[i]));
	free(routes);
	rpc_result(call, list);
}

static const struct rpc_method methods[] = {
	{ "list", route_list },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_route = { "route", methods };

/* SPDX-License-Identifier: BSD-3-Clause */
/* neighbour.list. A cursor is neigh_list()'s own, in decimal. */
#include "rpc.h"
#include "view.h"

#include <stdio.h>
#include <string.h>

#define PAGE_DEFAULT 1000
#define SLICE        64

static const char *state_name(enum adj_state s)
{
	switch (s) {
	case ADJ_INCOMPLETE:
		return "incomplete";
	case ADJ_REACHABLE:
		return "reachable";
	case ADJ_STALE:
		return "stale";
	case ADJ_FAILED:
		return "failed";
	default:
		return "free";
	}
}

static json_t *neighbour_view(const struct net_table *t, const struct neigh_info *info)
{
	bool known = info->state == ADJ_REACHABLE || info->state == ADJ_STALE;
	json_t *o = json_object();

	json_object_set_new(o, "address", view_addr(&info->addr));
	json_object_set_new(o, "port",
		info->port < net_port_count(t) ? json_string(net_port(t, info->port)->name)
					       : json_null());
	json_object_set_new(o, "mac", known ? view_mac(&info->mac) : json_null());
	json_object_set_new(o, "state", json_string(state_name(info->state)));
	json_object_set_new(o, "age_ms", known ? json_integer(info->age_ms) : json_null());
	json_object_set_new(o, "used_ms",
		info->used_ms == UINT32_MAX ? json_null() : json_integer(info->used_ms));
	return o;
}

/* Appends neighbours from *cursor on, at most max. */
static void list_fill(struct ctl *c, json_t *list, uint32_t *cursor, size_t max)
{
	struct neigh_info info[SLICE];

	do {
		size_t left = max - json_array_size(list);
		unsigned int n = neigh_list(
			c->target.neigh, cursor, info, left < SLICE ? (unsigned int)left : SLICE);

		for (unsigned int i = 0; i < n; i++)
			json_array_append_new(list, neighbour_view(ctl_model(c)->net, &info[i]));
	} while (*cursor != 0 && json_array_size(list) < max);
}

static void neighbour_list(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const char *from = json_string_value(json_object_get(params, "cursor"));
	const json_t *limit = json_object_get(params, "limit");
	json_t *list, *next;
	uint32_t cursor = 0;
	int end = 0;

	if (from && (sscanf(from, "%10u%n", &cursor, &end) != 1 || from[end] != '\0')) {
		rpc_error(call, RPC_INVALID_PARAMS, "cursor: not one that neighbour.list gave");
		return;
	}
	list = json_array();
	list_fill(c, list, &cursor, limit ? (size_t)json_integer_value(limit) : PAGE_DEFAULT);
	next = cursor ? json_sprintf("%u", cursor) : json_null();
	rpc_result(call, json_pack("{s:o, s:o}", "neighbours", list, "cursor", next));
}

static const struct rpc_method methods[] = {
	{ "list", neighbour_list },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_neighbour = { "neighbour", methods };

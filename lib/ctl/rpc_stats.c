/* SPDX-License-Identifier: BSD-3-Clause */
/* stats.show, drops. */
#include "rpc.h"
#include "view.h"

static json_t *drops_view(struct ctl *c, bool all)
{
	json_t *list = json_array();

	for (unsigned int i = DROP_none + 1; i < DROP_MAX; i++) {
		uint64_t n = view_dropped(c, (enum drop_reason)i);

		if (n || all)
			json_array_append_new(
				list, json_pack("{s:s, s:I, s:s}", "reason", drop_name(i),
					      "packets", (json_int_t)n, "meaning", drop_text(i)));
	}
	return list;
}

/* The sum of a key over a list. */
static json_int_t sum(const json_t *list, const char *key)
{
	json_int_t n = 0;
	json_t *o;
	size_t i;

	json_array_foreach (list, i, o)
		n += json_integer_value(json_object_get(o, key));
	return n;
}

static void sums(json_t *o, const json_t *list, const char *const *keys)
{
	for (unsigned int i = 0; keys[i]; i++)
		json_object_set_new(o, keys[i], json_integer(sum(list, keys[i])));
}

static json_t *total_view(
	const json_t *services, const json_t *ports, const json_t *workers, const json_t *drops)
{
	static const char *const of_services[] = { "active", "connections", "refused", "stateless",
		"evicted", NULL };
	static const char *const of_ports[] = { "rx_packets", "rx_bytes", "tx_packets", "tx_bytes",
		NULL };
	static const char *const of_workers[] = { "busy_cycles", "idle_cycles", NULL };
	json_int_t packets = sum(workers, "packets"), busy = sum(workers, "busy_cycles");
	json_t *o = json_object();

	sums(o, services, of_services);
	sums(o, ports, of_ports);
	json_object_set_new(o, "dropped", json_integer(sum(drops, "packets")));
	sums(o, workers, of_workers);
	json_object_set_new(o, "cycles_per_packet", json_integer(packets ? busy / packets : 0));
	return o;
}

static json_t *connection_log_view(const struct ctl *c)
{
	struct connlog_stats s;

	connlog_stats(c->target.connlog, &c->target, &s);
	return json_pack("{s:I, s:I, s:I}", "written", (json_int_t)s.written, "lost",
		(json_int_t)s.lost, "failed", (json_int_t)s.failed);
}

static void stats_show(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	json_t *services = view_services(c), *ports = view_ports(c), *workers = view_workers(c);
	json_t *drops = drops_view(c, false);

	alarm_look(&c->alarms, &c->target);
	rpc_result(call,
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "total",
			total_view(services, ports, workers, drops), "connection_log",
			connection_log_view(c), "alarms", alarm_view(&c->alarms, &c->target, false),
			"services", services, "servers", view_servers(c, NULL), "ports", ports,
			"workers", workers, "drops", drops));
}

static void stats_drops(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	rpc_result(call, drops_view(c, json_is_true(json_object_get(params, "all"))));
}

static const struct rpc_method methods[] = {
	{ "show", stats_show },
	{ "drops", stats_drops },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_stats = { "stats", methods };

/* SPDX-License-Identifier: BSD-3-Clause */
/* port.list, show. */
#include "rpc.h"
#include "steering.h"
#include "view.h"

#include <string.h>

static void port_list(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	rpc_result(call, view_ports(c));
}

static json_t *offloads(uint16_t have, const char *const *names)
{
	json_t *list = json_array();

	for (unsigned int i = 0; names[i]; i++)
		if (have & 1u << i)
			json_array_append_new(list, json_string(names[i]));
	return list;
}

/* What the device is and does; a port is one of the things on it. */
static void show_nic(json_t *o, const struct nic *nic)
{
	/* In the order of the bits NIC_RX_* and NIC_TX_*. */
	static const char *const rx[] = { "ip-checksum", "l4-checksum", "vlan-strip", "rss-hash",
		NULL };
	static const char *const tx[] = { "ip-checksum", "l4-checksum", "vlan", "multi-segment",
		NULL };

	json_object_set_new(o, "driver", json_string(nic->driver));
	json_object_set_new(o, "interface", json_string(nic->iface));
	json_object_set_new(o, "socket", json_integer(nic->socket));
	json_object_set_new(o, "rx_offloads", offloads(nic->rx_offloads, rx));
	json_object_set_new(o, "tx_offloads", offloads(nic->tx_offloads, tx));
	json_object_set_new(o, "link_source", json_string(nic->link_real ? "driver" : "kernel"));
	json_object_set_new(o, "link_changes", json_integer(nic->link_changes));
}

/* The kernel's share; `to` is to the kernel. */
static void show_kernel(json_t *o, const struct ctl *c, const struct port *p)
{
	struct kernel_counters n;

	if (!kernel_counters_read(c->target.kernel, p->id, &n))
		return;
	json_object_set_new(o, "kernel",
		json_pack("{s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I}", "interface", p->kernel,
			"rate", (int)p->kernel_rate, "to_packets", (json_int_t)n.to_packets,
			"to_bytes", (json_int_t)n.to_bytes, "to_dropped", (json_int_t)n.to_dropped,
			"from_packets", (json_int_t)n.from_packets, "from_bytes",
			(json_int_t)n.from_bytes, "from_dropped", (json_int_t)n.from_dropped));
}

static void port_show(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	const struct net_table *t = ctl_model(c)->net;
	const struct port *p = NULL;
	json_t *o;

	for (unsigned int i = 0; i < net_port_count(t) && !p; i++)
		if (strcmp(net_port(t, (uint8_t)i)->name, name) == 0)
			p = net_port(t, (uint8_t)i);
	if (!p) {
		rpc_error(call, RPC_NOT_FOUND, "no port \"%s\"", name);
		return;
	}
	o = view_port(c, p);
	if (p->nic < c->target.n_nics)
		show_nic(o, c->target.nics[p->nic]);
	if (c->target.steering && c->target.steering->why[0])
		json_object_set_new(o, "steering_why", json_string(c->target.steering->why));
	show_kernel(o, c, p);
	rpc_result(call, o);
}

static const struct rpc_method methods[] = {
	{ "list", port_list },
	{ "show", port_show },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_port = { "port", methods };

/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether the addresses to speak to servers from (`sources`) can be what they are to be. Called by
 * crosscheck.c. */
#include <stdio.h>
#include <stdlib.h>

#include "config_priv.h"

struct check {
	const struct config *c;
	struct faults *faults;
	struct addr *virtuals, *servers; /* of the whole document, sorted */
	size_t n_virtuals, n_servers;
	const struct vip **networks; /* virtual ones */
	size_t n_networks;
};

static int addr_order(const void *a, const void *b)
{
	return addr_compare(a, b);
}

static bool collect(struct check *x)
{
	const struct model_conf *m = &x->c->model;
	size_t vips = 0, servers = 0;

	for (unsigned int i = 0; i < m->n_services; i++)
		vips += m->services[i].n_vips;
	for (unsigned int i = 0; i < m->n_pools; i++)
		servers += m->pools[i].n_servers;
	x->virtuals = calloc(vips + 1, sizeof(*x->virtuals));
	x->networks = calloc(vips + 1, sizeof(*x->networks));
	x->servers = calloc(servers + 1, sizeof(*x->servers));
	if (!x->virtuals || !x->networks || !x->servers)
		return false;
	for (unsigned int i = 0; i < m->n_services; i++)
		for (unsigned int j = 0; j < m->services[i].n_vips; j++) {
			const struct vip *v = &m->services[i].vips[j];

			x->virtuals[x->n_virtuals++] = v->addr;
			if (v->host_bits)
				x->networks[x->n_networks++] = v;
		}
	for (unsigned int i = 0; i < m->n_pools; i++)
		for (unsigned int j = 0; j < m->pools[i].n_servers; j++)
			x->servers[x->n_servers++] = m->pools[i].servers[j].endpoint.addr;
	qsort(x->virtuals, x->n_virtuals, sizeof(*x->virtuals), addr_order);
	qsort(x->servers, x->n_servers, sizeof(*x->servers), addr_order);
	return true;
}

static bool among(const struct addr *a, const struct addr *list, size_t n)
{
	return bsearch(a, list, n, sizeof(*a), addr_order);
}

static bool is_virtual(const struct check *x, const struct addr *a)
{
	for (size_t i = 0; i < x->n_networks; i++)
		if (vip_holds(x->networks[i], a))
			return true;
	return among(a, x->virtuals, x->n_virtuals);
}

/* Whether a packet to the address would come to us by itself. */
static bool in_network(const struct net_conf *net, const struct addr *a)
{
	for (unsigned int i = 0; i < net->n_ports; i++)
		for (unsigned int j = 0; j < net->ports[i].n_addresses; j++) {
			struct prefix p = prefix_network(&net->ports[i].addresses[j]);

			if (prefix_contains(&p, a))
				return true;
		}
	return false;
}

/* One of a list at a path such as "pools[1].sources". */
static void check_one(
	struct check *x, bool net_known, const char *path, const struct addr *list, unsigned int k)
{
	const char *why = net_addr_unusable(&list[k]);
	char at[96], text[ADDR_TEXT];
	unsigned int first = 0;

	snprintf(at, sizeof(at), "%s[%u]", path, k);
	addr_format(&list[k], text);
	while (!addr_equal(&list[first], &list[k]))
		first++;
	if (why)
		fault_add(x->faults, at, "%s is %s; an address of a host is needed", text, why);
	else if (addr_is_link_local(&list[k]))
		fault_add(x->faults, at,
			"%s is a link-local address; one that is the same on every link is needed",
			text);
	else if (first < k)
		fault_add(x->faults, at, "%s is %s[%u] already", text, path, first);
	else if (is_virtual(x, &list[k]))
		fault_add(x->faults, at,
			"%s is a virtual address of a service, where packets are taken for "
			"clients'; another address is needed",
			text);
	else if (among(&list[k], x->servers, x->n_servers))
		fault_add(x->faults, at,
			"%s is the address of a server; an address of the balancer is needed",
			text);
	else if (net_known && !in_network(&x->c->model.net, &list[k]))
		fault_warn(x->faults, at,
			"%s is in no network of a port: nobody will ask for it by ARP or ND, so a "
			"router must send it here",
			text);
}

/* The list of an object of the document, whose addresses must all have been read: paths count. */
static void check_list(struct check *x, bool net_known, const char *path, const json_t *list)
{
	size_t n = json_array_size(list);
	struct addr *addrs = calloc(n + 1, sizeof(*addrs));
	unsigned int k = 0;

	while (addrs && k < n && json_is_string(json_array_get(list, k)) &&
		!addr_parse(json_string_value(json_array_get(list, k)), &addrs[k]))
		check_one(x, net_known, path, addrs, k++);
	free(addrs);
}

/* The port that leads to an address, NULL if none does: as the table of routes will have it. */
static const struct port_conf *port_toward(const struct net_conf *net, const struct addr *a)
{
	const struct port_conf *found = NULL;
	int best = -1;

	for (unsigned int i = 0; i < net->n_ports; i++) {
		const struct port_conf *p = &net->ports[i];

		for (unsigned int j = 0; j < p->n_gateways; j++)
			if (best < 0 && addr_is_v4(&p->gateways[j]) == addr_is_v4(a)) {
				found = p;
				best = 0;
			}
		for (unsigned int j = 0; j < p->n_addresses; j++) {
			struct prefix network = prefix_network(&p->addresses[j]);

			if (network.len > best && prefix_contains(&network, a)) {
				found = p;
				best = network.len;
			}
		}
	}
	for (unsigned int i = 0; i < net->n_routes; i++) {
		const struct route_conf *r = &net->routes[i];

		if (r->to.len <= best || !prefix_contains(&r->to, a))
			continue;
		best = r->to.len;
		found = r->port < net->n_ports ? &net->ports[r->port] : port_toward(net, &r->via);
	}
	return found;
}

bool crosscheck_has_source(const struct net_conf *net, const struct server_conf *server,
	const struct addr *virtuals, size_t n_virtuals)
{
	const struct addr *a = &server->endpoint.addr;
	const struct port_conf *port;

	for (unsigned int i = 0; i < server->n_sources; i++)
		if (addr_is_v4(&server->sources[i]) == addr_is_v4(a))
			return true;
	port = port_toward(net, a);
	for (unsigned int i = 0; port && i < port->n_addresses; i++)
		if (addr_is_v4(&port->addresses[i].addr) == addr_is_v4(a) &&
			!addr_is_link_local(&port->addresses[i].addr) &&
			!among(&port->addresses[i].addr, virtuals, n_virtuals))
			return true;
	return false;
}

void crosscheck_sources(const struct config *c, bool net_known, struct faults *faults)
{
	struct check x = { .c = c, .faults = faults };
	const json_t *pool, *server;
	char path[80];
	size_t i, j;

	if (collect(&x))
		json_array_foreach (json_object_get(c->doc, "pools"), i, pool) {
			snprintf(path, sizeof(path), "pools[%zu].sources", i);
			check_list(&x, net_known, path, json_object_get(pool, "sources"));
			json_array_foreach (json_object_get(pool, "servers"), j, server) {
				snprintf(path, sizeof(path), "pools[%zu].servers[%zu].sources", i,
					j);
				check_list(&x, net_known, path, json_object_get(server, "sources"));
			}
		}
	else
		fault_add(faults, "", "out of memory");
	free(x.virtuals);
	free(x.networks);
	free(x.servers);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Checking and compiling what gateway_rules.h describes. */
#include "model_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

/* ---- faults --------------------------------------------------------------------------------- */

/* Which port has the address as its own, or NET_PORT_NONE. */
static uint8_t owner_port(const struct net_conf *net, const struct addr *a)
{
	for (unsigned int i = 0; i < net->n_ports; i++)
		for (unsigned int j = 0; j < net->ports[i].n_addresses; j++)
			if (addr_equal(&net->ports[i].addresses[j].addr, a))
				return (uint8_t)i;
	return NET_PORT_NONE;
}

static bool is_virtual(const struct model_conf *conf, const struct addr *a)
{
	for (unsigned int i = 0; i < conf->n_services; i++)
		for (unsigned int j = 0; j < conf->services[i].n_vips; j++)
			if (vip_holds(&conf->services[i].vips[j], a))
				return true;
	return false;
}

static void check_pair(const struct model_conf *conf, unsigned int i, struct faults *faults)
{
	const struct gateway_pair *pairs = conf->gateway.pairs, *p = &pairs[i];
	const struct net_conf *net = &conf->net;
	char outside[64], inside[64], text[ADDR_TEXT];

	snprintf(outside, sizeof(outside), "gateway.one-to-one[%u].outside", i);
	snprintf(inside, sizeof(inside), "gateway.one-to-one[%u].inside", i);
	if (addr_is_zero(&p->outside) || addr_is_zero(&p->inside))
		return;
	if (addr_is_v4(&p->outside) != addr_is_v4(&p->inside))
		fault_add(faults, inside, "%s is not of the family of \"outside\"",
			addr_format(&p->inside, text));
	if (owner_port(net, &p->outside) != NET_PORT_NONE)
		fault_add(faults, outside,
			"%s is an address of a port; a server needs one of its own",
			addr_format(&p->outside, text));
	if (is_virtual(conf, &p->outside))
		fault_add(faults, outside,
			"%s is the address of a service; a server needs one of its own",
			addr_format(&p->outside, text));
	if (owner_port(net, &p->inside) != NET_PORT_NONE || is_virtual(conf, &p->inside))
		fault_add(faults, inside, "%s is an address of the balancer, not of a server",
			addr_format(&p->inside, text));
	for (unsigned int j = 0; j < i; j++) {
		if (addr_equal(&pairs[j].outside, &p->outside))
			fault_add(faults, outside, "%s is in one-to-one[%u] already",
				addr_format(&p->outside, text), j);
		if (addr_equal(&pairs[j].inside, &p->inside))
			fault_add(faults, inside, "%s is in one-to-one[%u] already",
				addr_format(&p->inside, text), j);
	}
}

/*
 * Writes a rule's sources to out (if not NULL): those named, or those of the port's own that are no
 * service's. Returns how many.
 */
static unsigned int sources_of(
	const struct model_conf *conf, const struct gateway_masquerade *m, struct addr *out)
{
	const struct port_conf *port = &conf->net.ports[m->port];
	unsigned int n = 0;

	for (unsigned int i = 0; i < m->n_sources; i++, n++)
		if (out)
			out[n] = m->sources[i];
	for (unsigned int i = 0; m->n_sources == 0 && i < port->n_addresses; i++) {
		const struct addr *a = &port->addresses[i].addr;

		if (addr_is_v4(a) != addr_is_v4(&m->from.addr) || addr_is_link_local(a) ||
			is_virtual(conf, a))
			continue;
		if (out)
			out[n] = *a;
		n++;
	}
	return n;
}

static void check_masquerade(const struct model_conf *conf, unsigned int i, struct faults *faults)
{
	const struct gateway_masquerade *m = &conf->gateway.masquerades[i];
	const struct net_conf *net = &conf->net;
	const bool v4 = addr_is_v4(&m->from.addr);
	char path[64], text[ADDR_TEXT];

	if (m->port == NET_PORT_NONE)
		return;
	if (sources_of(conf, m, NULL) == 0) {
		snprintf(path, sizeof(path), "gateway.masquerade[%u].sources", i);
		fault_add(faults, path,
			"port \"%s\" has no IPv%d address to put in the place of the servers'; "
			"give "
			"the port one, or name \"sources\"",
			net->ports[m->port].name, v4 ? 4 : 6);
	}
	for (unsigned int j = 0; j < m->n_sources; j++) {
		snprintf(path, sizeof(path), "gateway.masquerade[%u].sources[%u]", i, j);
		if (addr_is_zero(&m->sources[j]))
			continue;
		if (addr_is_v4(&m->sources[j]) != v4)
			fault_add(faults, path, "%s is not of the family of \"from\"",
				addr_format(&m->sources[j], text));
		else if (is_virtual(conf, &m->sources[j]))
			fault_add(faults, path, "%s is the address of a service",
				addr_format(&m->sources[j], text));
	}
}

void gateway_check(const struct model_conf *conf, struct faults *faults)
{
	const struct gateway_conf *g = &conf->gateway;
	char path[64];

	for (unsigned int i = 0; i < g->n_pairs; i++)
		check_pair(conf, i, faults);
	for (unsigned int i = 0; i < g->n_masquerades; i++)
		check_masquerade(conf, i, faults);
	for (unsigned int i = 0; i < g->n_routings; i++) {
		const uint8_t *port = g->routings[i].port;

		snprintf(path, sizeof(path), "gateway.routing[%u].between", i);
		if (port[0] == port[1] && port[0] != NET_PORT_NONE)
			fault_add(faults, path, "names \"%s\" twice; routing is between two ports",
				conf->net.ports[port[0]].name);
	}
}

/* ---- building ------------------------------------------------------------------------------- */

static void index_put(struct gateway *g, uint16_t *index, const struct addr *a, unsigned int pair)
{
	uint32_t i = net_local_hash(a);

	while (index[i & g->mask])
		i++;
	index[i & g->mask] = (uint16_t)(pair + 1);
}

static int build_pairs(struct gateway *g, const struct gateway_conf *conf)
{
	const uint32_t size = rte_align32pow2(RTE_MAX(8u, 8 * conf->n_pairs));

	g->n_pairs = conf->n_pairs;
	g->mask = size - 1;
	g->pairs = calloc(conf->n_pairs + 1, sizeof(*g->pairs));
	g->outside = calloc(size, sizeof(*g->outside));
	g->inside = calloc(size, sizeof(*g->inside));
	if (!g->pairs || !g->outside || !g->inside)
		return -ENOMEM;
	for (unsigned int i = 0; i < conf->n_pairs; i++) {
		g->pairs[i] = conf->pairs[i];
		index_put(g, g->outside, &conf->pairs[i].outside, i);
		index_put(g, g->inside, &conf->pairs[i].inside, i);
	}
	return 0;
}

static int build_masquerades(struct gateway *g, const struct model_conf *model)
{
	const struct gateway_conf *conf = &model->gateway;
	unsigned int total = 0;

	for (unsigned int i = 0; i < conf->n_masquerades; i++)
		total += sources_of(model, &conf->masquerades[i], NULL);
	g->masquerades = calloc(conf->n_masquerades + 1, sizeof(*g->masquerades));
	g->sources = calloc(total + 1, sizeof(*g->sources));
	if (!g->masquerades || !g->sources)
		return -ENOMEM;
	total = 0;
	for (unsigned int i = 0; i < conf->n_masquerades; i++) {
		struct gateway_masquerade *m = &g->masquerades[g->n_masquerades];

		*m = conf->masquerades[i];
		m->sources = g->sources + total;
		m->n_sources = sources_of(model, &conf->masquerades[i], g->sources + total);
		total += m->n_sources;
		g->n_masquerades += m->n_sources > 0;
	}
	return 0;
}

struct gateway *gateway_build(const struct model_conf *model)
{
	const struct gateway_conf *conf = &model->gateway;
	struct gateway *g = calloc(1, sizeof(*g));

	if (!g || build_pairs(g, conf) < 0 || build_masquerades(g, model) < 0) {
		gateway_free(g);
		errno = ENOMEM;
		return NULL;
	}
	for (unsigned int i = 0; i < conf->n_routings; i++) {
		const uint8_t *port = conf->routings[i].port;

		g->reach[port[0]] |= UINT64_C(1) << port[1];
		g->reach[port[1]] |= UINT64_C(1) << port[0];
	}
	return g;
}

void gateway_free(struct gateway *g)
{
	if (!g)
		return;
	free(g->inside);
	free(g->outside);
	free(g->pairs);
	free(g->sources);
	free(g->masquerades);
	free(g);
}

/* ---- packet path ----------------------------------------------------------------------------- */

const struct gateway_pair *gateway_by_outside(const struct gateway *g, const struct addr *a)
{
	for (uint32_t i = net_local_hash(a); g->outside[i & g->mask]; i++) {
		const struct gateway_pair *p = &g->pairs[g->outside[i & g->mask] - 1];

		if (addr_equal(&p->outside, a))
			return p;
	}
	return NULL;
}

const struct gateway_pair *gateway_by_inside(const struct gateway *g, const struct addr *a)
{
	for (uint32_t i = net_local_hash(a); g->inside[i & g->mask]; i++) {
		const struct gateway_pair *p = &g->pairs[g->inside[i & g->mask] - 1];

		if (addr_equal(&p->inside, a))
			return p;
	}
	return NULL;
}

const struct gateway_masquerade *gateway_masquerade_of(
	const struct gateway *g, const struct addr *src, uint8_t port)
{
	for (unsigned int i = 0; i < g->n_masquerades; i++)
		if (g->masquerades[i].port == port && prefix_contains(&g->masquerades[i].from, src))
			return &g->masquerades[i];
	return NULL;
}

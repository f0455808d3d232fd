/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can be wrong with ports, addresses, gateways and routes: net_conf_check(). Pure; called for
 * "--check" and before a table is built. Every fault is reported, not only the first.
 */
#include "net/net.h"

#include <stdio.h>

#include "net_priv.h"

#define VLAN_MAX 4094 /* 802.1Q: 4095 is reserved */
#define MTU_MIN4 576  /* what every IPv4 host must accept (RFC 791) */
#define MTU_MIN6 1280 /* RFC 8200, 5 */

struct check {
	const struct net_conf *conf;
	struct faults *faults;
	char path[64];
};

static const char *path_port(struct check *c, unsigned int i, const char *what, int j)
{
	if (j < 0)
		snprintf(c->path, sizeof(c->path), "ports[%u].%s", i, what);
	else
		snprintf(c->path, sizeof(c->path), "ports[%u].%s[%d]", i, what, j);
	return c->path;
}

static const char *path_route(struct check *c, unsigned int i, const char *what)
{
	snprintf(c->path, sizeof(c->path), "routes[%u].%s", i, what);
	return c->path;
}

static unsigned int family_bits(const struct addr *a)
{
	return addr_is_v4(a) ? 32 : 128;
}

static const char *family_name(const struct addr *a)
{
	return addr_is_v4(a) ? "IPv4" : "IPv6";
}

const char *net_addr_unusable(const struct addr *a)
{
	struct addr any4 = addr_from_v4(0);
	struct addr loop6 = { .b = { [15] = 1 } };

	if (addr_is_zero(a) || addr_equal(a, &any4))
		return "the unspecified address";
	if (addr_is_multicast(a))
		return "a multicast address";
	if (addr_is_v4(a) ? a->b[12] == 127 : addr_equal(a, &loop6))
		return "a loopback address";
	if (addr_is_v4(a) && addr_v4(a) == UINT32_MAX)
		return "the broadcast address";
	return NULL;
}

bool prefix_is_end(const struct prefix *p, const struct addr *a)
{
	unsigned int bits = family_bits(&p->addr);

	/* RFC 3021: a /31 has two hosts and no broadcast; RFC 6164 says the same of /127. */
	if (p->len + 1u >= bits)
		return false;
	struct prefix net = prefix_network(p);
	if (addr_equal(&net.addr, a))
		return true;
	if (bits == 128)
		return false;
	uint32_t host = UINT32_MAX >> p->len;
	return (rte_be_to_cpu_32(addr_v4(a)) & host) == host;
}

bool net_on_link(const struct port *p, const struct addr *a)
{
	if (addr_is_link_local(a))
		return true;
	for (unsigned int i = 0; i < p->n_addresses; i++)
		if (prefix_holds(&p->addresses[i], a))
			return true;
	return false;
}

static bool port_on_link(const struct port_conf *p, const struct addr *a)
{
	for (unsigned int i = 0; i < p->n_addresses; i++)
		if (prefix_holds(&p->addresses[i], a))
			return true;
	return addr_is_link_local(a);
}

/* Whether the address, or else its network, stands at an earlier place; adds the fault. */
static void check_address_unique(struct check *c, unsigned int i, unsigned int j)
{
	const struct net_conf *n = c->conf;
	const struct prefix *p = &n->ports[i].addresses[j];
	struct prefix net = prefix_network(p);
	char text[PREFIX_TEXT];

	for (unsigned int k = 0; k <= i; k++) {
		/* A link-local address means another thing on each link. */
		if (k < i && addr_is_link_local(&p->addr))
			continue;
		unsigned int end = k < i ? n->ports[k].n_addresses : j;
		for (unsigned int l = 0; l < end; l++) {
			const struct prefix *q = &n->ports[k].addresses[l];
			struct prefix other = prefix_network(q);

			if (addr_equal(&p->addr, &q->addr)) {
				fault_add(c->faults, path_port(c, i, "addresses", (int)j),
					"%s is already an address of port \"%s\"; each address is "
					"given once",
					addr_format(&p->addr, text), n->ports[k].name);
				return;
			}
			if (k < i && net.len == other.len && addr_equal(&net.addr, &other.addr)) {
				fault_add(c->faults, path_port(c, i, "addresses", (int)j),
					"network %s is already on port \"%s\"; a network is on "
					"one port",
					prefix_format(&net, text), n->ports[k].name);
				return;
			}
		}
	}
}

static void check_addresses(struct check *c, unsigned int i)
{
	const struct port_conf *port = &c->conf->ports[i];
	char text[PREFIX_TEXT];

	for (unsigned int j = 0; j < port->n_addresses; j++) {
		const struct prefix *p = &port->addresses[j];
		const char *why = net_addr_unusable(&p->addr);

		if (why) {
			fault_add(c->faults, path_port(c, i, "addresses", (int)j),
				"%s is %s; an address of a host is needed",
				addr_format(&p->addr, text), why);
			continue;
		}
		if (p->len == 0 || p->len > family_bits(&p->addr)) {
			fault_add(c->faults, path_port(c, i, "addresses", (int)j),
				"prefix length %u; 1 to %u is possible for %s", p->len,
				family_bits(&p->addr), family_name(&p->addr));
			continue;
		}
		if (prefix_is_end(p, &p->addr)) {
			fault_add(c->faults, path_port(c, i, "addresses", (int)j),
				"%s names the network or its broadcast address; an address of a "
				"host in it is needed",
				prefix_format(p, text));
			continue;
		}
		check_address_unique(c, i, j);
	}
}

static void check_gateways(struct check *c, unsigned int i)
{
	const struct net_conf *n = c->conf;
	const struct port_conf *port = &n->ports[i];
	char text[ADDR_TEXT];

	for (unsigned int j = 0; j < port->n_gateways; j++) {
		const struct addr *gw = &port->gateways[j];
		bool own = false;

		for (unsigned int k = 0; k < port->n_addresses; k++)
			own |= addr_equal(gw, &port->addresses[k].addr);
		if (own || net_addr_unusable(gw)) {
			fault_add(c->faults, path_port(c, i, "gateways", (int)j),
				"%s is %s; the address of a router is needed",
				addr_format(gw, text),
				own ? "the port's own address" : net_addr_unusable(gw));
		} else if (!port_on_link(port, gw)) {
			fault_add(c->faults, path_port(c, i, "gateways", (int)j),
				"%s is in no network of port \"%s\"; a gateway must be reached "
				"directly",
				addr_format(gw, text), port->name);
		}
		for (unsigned int k = 0; k <= i; k++) {
			unsigned int end = k < i ? n->ports[k].n_gateways : j;

			for (unsigned int l = 0; l < end; l++) {
				if (addr_is_v4(&n->ports[k].gateways[l]) != addr_is_v4(gw))
					continue;
				fault_add(c->faults, path_port(c, i, "gateways", (int)j),
					"port \"%s\" already has an %s gateway; there is one "
					"default route a family, give the others as routes",
					n->ports[k].name, family_name(gw));
				k = i;
				break;
			}
		}
	}
}

static void check_port(struct check *c, unsigned int i)
{
	const struct port_conf *p = &c->conf->ports[i];
	uint16_t least = MTU_MIN4;

	if (p->nic >= NIC_MAX)
		fault_add(
			c->faults, path_port(c, i, "device", -1), "more than %d devices", NIC_MAX);
	if (p->vlan > VLAN_MAX)
		fault_add(c->faults, path_port(c, i, "vlan", -1),
			"%u; 1 to %d is possible, or leave it out for untagged frames", p->vlan,
			VLAN_MAX);
	for (unsigned int k = 0; k < i; k++) {
		const struct port_conf *q = &c->conf->ports[k];

		if (q->nic != p->nic || q->vlan != p->vlan)
			continue;
		if (p->vlan)
			fault_add(c->faults, path_port(c, i, "vlan", -1),
				"VLAN %u of this device is already port \"%s\"", p->vlan, q->name);
		else
			fault_add(c->faults, path_port(c, i, "device", -1),
				"the device is already port \"%s\"; several ports on a device "
				"need a \"vlan\" each",
				q->name);
		break;
	}
	for (unsigned int k = 0; k < p->n_addresses; k++)
		if (!addr_is_v4(&p->addresses[k].addr))
			least = MTU_MIN6;
	if (p->mtu && p->mtu < least)
		fault_add(c->faults, path_port(c, i, "mtu", -1), "%u; at least %u is needed%s",
			p->mtu, least, least == MTU_MIN6 ? " for IPv6" : "");
	check_addresses(c, i);
	check_gateways(c, i);
}

uint8_t route_port(const struct net_conf *conf, const struct route_conf *r)
{
	if (r->port != NET_PORT_NONE || addr_is_link_local(&r->via))
		return r->port;
	for (unsigned int i = 0; i < conf->n_ports; i++)
		if (port_on_link(&conf->ports[i], &r->via))
			return (uint8_t)i;
	return NET_PORT_NONE;
}

static bool same_prefix(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && addr_equal(&a->addr, &b->addr);
}

/* Whether something else already leads to the very same prefix. */
static void check_route_unique(struct check *c, unsigned int i)
{
	const struct net_conf *n = c->conf;
	const struct prefix *to = &n->routes[i].to;
	char text[PREFIX_TEXT];

	for (unsigned int k = 0; k < n->n_ports; k++) {
		const struct port_conf *p = &n->ports[k];

		for (unsigned int l = 0; l < p->n_addresses; l++) {
			struct prefix net = prefix_network(&p->addresses[l]);

			if (same_prefix(&net, to))
				fault_add(c->faults, path_route(c, i, "to"),
					"%s is the network of port \"%s\" itself",
					prefix_format(to, text), p->name);
		}
		for (unsigned int l = 0; l < p->n_gateways; l++)
			if (to->len == 0 && addr_is_v4(&to->addr) == addr_is_v4(&p->gateways[l]))
				fault_add(c->faults, path_route(c, i, "to"),
					"the gateway of port \"%s\" is already the %s default "
					"route",
					p->name, family_name(&to->addr));
	}
	for (unsigned int k = 0; k < i; k++)
		if (same_prefix(&n->routes[k].to, to)) {
			fault_add(c->faults, path_route(c, i, "to"),
				"routes[%u] already leads to %s", k, prefix_format(to, text));
			break;
		}
}

/* The next hop, which is not zero. */
static void check_via(struct check *c, unsigned int i)
{
	const struct net_conf *n = c->conf;
	const struct route_conf *r = &n->routes[i];
	uint8_t port = route_port(n, r);
	const char *why = net_addr_unusable(&r->via);
	char text[ADDR_TEXT];

	if (addr_is_v4(&r->via) != addr_is_v4(&r->to.addr)) {
		fault_add(c->faults, path_route(c, i, "via"),
			"%s is not of the family of the route; an %s address is needed",
			addr_format(&r->via, text), family_name(&r->to.addr));
		return;
	}
	for (unsigned int k = 0; k < n->n_ports; k++)
		for (unsigned int l = 0; l < n->ports[k].n_addresses; l++)
			if (addr_equal(&r->via, &n->ports[k].addresses[l].addr))
				why = "our own address";
	if (why)
		fault_add(c->faults, path_route(c, i, "via"),
			"%s is %s; the address of a router is needed", addr_format(&r->via, text),
			why);
	else if (port == NET_PORT_NONE && addr_is_link_local(&r->via))
		fault_add(c->faults, path_route(c, i, "port"),
			"missing; a link-local \"via\" needs a port");
	else if (port == NET_PORT_NONE)
		fault_add(c->faults, path_route(c, i, "via"),
			"%s is in no network of any port; a next hop must be reached directly",
			addr_format(&r->via, text));
	else if (port < n->n_ports && !port_on_link(&n->ports[port], &r->via))
		fault_add(c->faults, path_route(c, i, "via"),
			"%s is in no network of port \"%s\"; a next hop must be reached directly",
			addr_format(&r->via, text), n->ports[port].name);
}

static void check_route(struct check *c, unsigned int i)
{
	const struct net_conf *n = c->conf;
	const struct route_conf *r = &n->routes[i];
	char text[PREFIX_TEXT];
	struct prefix net;

	if (r->to.len > family_bits(&r->to.addr)) {
		fault_add(c->faults, path_route(c, i, "to"), "prefix length %u; at most %u for %s",
			r->to.len, family_bits(&r->to.addr), family_name(&r->to.addr));
		return;
	}
	net = prefix_network(&r->to);
	if (!same_prefix(&net, &r->to))
		fault_add(c->faults, path_route(c, i, "to"),
			"address bits beyond the length; the network is %s",
			prefix_format(&net, text));
	if (addr_is_multicast(&r->to.addr) && r->to.len)
		fault_add(c->faults, path_route(c, i, "to"), "%s is multicast, which is not routed",
			prefix_format(&r->to, text));
	check_route_unique(c, i);
	if (r->port != NET_PORT_NONE && r->port >= n->n_ports)
		fault_add(c->faults, path_route(c, i, "port"), "there is no such port");
	if (!addr_is_zero(&r->via))
		check_via(c, i);
	else if (r->port == NET_PORT_NONE)
		fault_add(c->faults, path_route(c, i, "port"),
			"missing; a route without \"via\" needs a port");
}

bool net_conf_check(const struct net_conf *conf, struct faults *faults)
{
	struct check c = { .conf = conf, .faults = faults };
	size_t before = faults->errors;

	if (conf->n_ports > NET_PORTS_MAX) {
		fault_add(faults, "ports", "%u ports; at most %d are possible", conf->n_ports,
			NET_PORTS_MAX);
		return false;
	}
	for (unsigned int i = 0; i < conf->n_ports; i++)
		check_port(&c, i);
	for (unsigned int i = 0; i < conf->n_routes; i++)
		check_route(&c, i);
	for (unsigned int i = 0; i < conf->n_virtuals; i++) {
		char text[ADDR_TEXT];

		if (net_addr_unusable(&conf->virtuals[i]))
			fault_add(faults, "services", "virtual address %s is %s",
				addr_format(&conf->virtuals[i], text),
				net_addr_unusable(&conf->virtuals[i]));
	}
	for (unsigned int i = 0; i < conf->n_networks; i++) {
		char text[ADDR_TEXT];

		if (net_addr_unusable(&conf->networks[i].addr))
			fault_add(faults, "services", "virtual network %s is %s",
				addr_format(&conf->networks[i].addr, text),
				net_addr_unusable(&conf->networks[i].addr));
	}
	for (unsigned int i = 0; i < conf->n_sources; i++) {
		char text[ADDR_TEXT];

		if (net_addr_unusable(&conf->sources[i]))
			fault_add(faults, "pools", "source address %s is %s",
				addr_format(&conf->sources[i], text),
				net_addr_unusable(&conf->sources[i]));
	}
	return faults->errors == before;
}

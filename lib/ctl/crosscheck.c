/* SPDX-License-Identifier: BSD-3-Clause */
/* What does not fit together in a configuration whose single values are right, and what is worth a
 * warning. */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_priv.h"

/* net_bonding wants to be called every 100 ms. */
#define LACP_SLEEP_US 50000u

struct cross {
	const struct config *c;
	const struct net_conf *net; /* NULL: not known whole */
	struct faults *faults;
	struct addr *virtuals; /* of all services, sorted */
	size_t n_virtuals;
	const struct vip **networks; /* those that are whole networks */
	size_t n_networks;
	const struct pool_conf **pools; /* those with a name, sorted by it */
	size_t n_pools;
	bool *relayed; /* by pool of the configuration: a service of mode tcp uses it */
	char path[96];
};

static const char *at(struct cross *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static const char *at(struct cross *x, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(x->path, sizeof(x->path), fmt, ap);
	va_end(ap);
	return x->path;
}

static const char *family(const struct addr *a)
{
	return addr_is_v4(a) ? "IPv4" : "IPv6";
}

/* ---- cores and limits ----------------------------------------------------------------------- */

static void check_cores(struct cross *x)
{
	const struct config *c = x->c;
	bool shared = false;

	for (unsigned int i = 0; i < c->n_workers; i++) {
		if (c->workers[i] == CORE_UNKNOWN)
			continue;
		if (c->workers[i] == c->control && !shared)
			fault_add(x->faults, "control",
				"core %u is a worker too (workers[%u]); the control core needs one "
				"of its own",
				c->control, i);
		shared |= c->workers[i] == c->control;
		for (unsigned int j = 0; j < i; j++) {
			if (c->workers[j] != c->workers[i])
				continue;
			fault_add(x->faults, at(x, "workers[%u]", i),
				"core %u is workers[%u] already; each worker has a core of its own",
				c->workers[i], j);
			break;
		}
	}
}

static void check_limits(struct cross *x)
{
	const struct config *c = x->c;

	if (c->idle.sleep_min_us > c->idle.sleep_max_us)
		fault_add(x->faults, "idle.sleep-min", "longer than sleep-max (%u us > %u us)",
			c->idle.sleep_min_us, c->idle.sleep_max_us);
	for (unsigned int i = 0; i < c->n_devices; i++)
		if (!strncmp(c->devices[i], "bond:lacp", 9) && c->idle.sleep_max_us > LACP_SLEEP_US)
			fault_add(x->faults, "idle.sleep-max",
				"%u us; at most %u with a bond of mode lacp (\"%s\"), whose "
				"messages wait for a worker that is awake",
				c->idle.sleep_max_us, LACP_SLEEP_US, c->devices[i]);
	if (c->neighbour.hold_each > c->neighbour.hold_max)
		fault_add(x->faults, "limits.hold-each",
			"%u is more than all that may be held (hold, %u)", c->neighbour.hold_each,
			c->neighbour.hold_max);
	if (c->fragments.max > c->limits.packets / 2)
		fault_add(x->faults, "limits.fragments",
			"%u is more than half of the packets (%u): nothing would be left to "
			"receive with",
			c->fragments.max, c->limits.packets);
}

/* ---- addresses and ports -------------------------------------------------------------------- */

static void check_port_names(struct cross *x)
{
	const struct net_conf *net = &x->c->model.net;

	for (unsigned int i = 0; i < net->n_ports; i++)
		for (unsigned int j = 0; j < i; j++) {
			if (!net->ports[i].name[0] ||
				strcmp(net->ports[i].name, net->ports[j].name) != 0)
				continue;
			fault_add(x->faults, at(x, "ports[%u].name", i),
				"\"%s\" is the name of another one already, see ports[%u]",
				net->ports[i].name, j);
			break;
		}
}

/* Whether a is in the network of a port's address. */
static bool in_network(const struct prefix *address, const struct addr *a)
{
	struct prefix net = prefix_network(address);

	return prefix_contains(&net, a);
}

/* The address of a port in whose network a is, or NULL. */
static const struct prefix *network_of(const struct net_conf *net, const struct addr *a)
{
	for (unsigned int i = 0; i < net->n_ports; i++)
		for (unsigned int j = 0; j < net->ports[i].n_addresses; j++)
			if (in_network(&net->ports[i].addresses[j], a))
				return &net->ports[i].addresses[j];
	return NULL;
}

static bool is_port_address(const struct net_conf *net, const struct addr *a)
{
	for (unsigned int i = 0; i < net->n_ports; i++)
		for (unsigned int j = 0; j < net->ports[i].n_addresses; j++)
			if (addr_equal(&net->ports[i].addresses[j].addr, a))
				return true;
	return false;
}

/* ---- pools ---------------------------------------------------------------------------------- */

static int server_order(const void *left, const void *right)
{
	const struct server_conf *const *a = left, *const *b = right;
	int d = addr_compare(&(*a)->endpoint.addr, &(*b)->endpoint.addr);

	if (d)
		return d;
	if ((*a)->endpoint.port != (*b)->endpoint.port)
		return (*a)->endpoint.port - (*b)->endpoint.port;
	return *a < *b ? -1 : *a > *b;
}

/* Servers that ask the same machine on the same port. */
static void check_twins(struct cross *x, unsigned int p, const struct pool_conf *pool)
{
	const struct server_conf **sorted = calloc(pool->n_servers + 1, sizeof(*sorted));
	char text[ENDPOINT_TEXT];

	for (unsigned int i = 0; sorted && i < pool->n_servers; i++)
		sorted[i] = &pool->servers[i];
	if (sorted)
		qsort(sorted, pool->n_servers, sizeof(*sorted), server_order);
	for (unsigned int i = 1; sorted && i < pool->n_servers; i++) {
		const struct endpoint *a = &sorted[i - 1]->endpoint, *b = &sorted[i]->endpoint;

		if (addr_is_zero(&b->addr) || !addr_equal(&a->addr, &b->addr) || a->port != b->port)
			continue;
		fault_warn(x->faults,
			at(x, "pools[%u].servers[%zu].address", p,
				(size_t)(sorted[i] - pool->servers)),
			"%s is servers[%zu] already: the machine gets the share of both",
			endpoint_format(b, text), (size_t)(sorted[i - 1] - pool->servers));
	}
	free(sorted);
}

static int addr_order(const void *a, const void *b)
{
	return addr_compare(a, b);
}

static bool is_virtual(const struct cross *x, const struct addr *a)
{
	for (size_t i = 0; i < x->n_networks; i++)
		if (vip_holds(x->networks[i], a))
			return true;
	return bsearch(a, x->virtuals, x->n_virtuals, sizeof(*a), addr_order);
}

/* The file's format has health checks, this version has not: say so rather than let somebody rely
 * on them. */
static void check_checks(struct cross *x, unsigned int p)
{
	const json_t *pool = json_array_get(json_object_get(x->c->doc, "pools"), p), *server;
	static const char text[] =
		"health checks are not carried out by this version: servers count as up";
	size_t i;

	if (json_object_get(pool, "check"))
		fault_warn(x->faults, at(x, "pools[%u].check", p), "%s", text);
	json_array_foreach (json_object_get(pool, "servers"), i, server)
		if (json_object_get(server, "check"))
			fault_warn(
				x->faults, at(x, "pools[%u].servers[%zu].check", p, i), "%s", text);
}

static void check_pool(struct cross *x, unsigned int p)
{
	const struct pool_conf *pool = &x->c->model.pools[p];
	unsigned int weights = 0;
	char text[ADDR_TEXT];

	for (unsigned int i = 0; i < pool->n_servers; i++) {
		const struct addr *a = &pool->servers[i].endpoint.addr;

		weights += pool->servers[i].weight;
		if (addr_is_zero(a))
			continue;
		if (x->net && is_port_address(x->net, a))
			fault_add(x->faults, at(x, "pools[%u].servers[%u].address", p, i),
				"%s is the balancer's own address; the address of a server is "
				"needed",
				addr_format(a, text));
		else if (is_virtual(x, a))
			fault_add(x->faults, at(x, "pools[%u].servers[%u].address", p, i),
				"%s is a virtual address of a service; the address of a server is "
				"needed",
				addr_format(a, text));
	}
	if (pool->n_servers && !weights)
		fault_warn(x->faults, at(x, "pools[%u].servers", p),
			"all weights are 0: no server takes new flows");
	check_twins(x, p, pool);
	check_checks(x, p);
}

/* ---- services ------------------------------------------------------------------------------- */

static int pool_order(const void *left, const void *right)
{
	const struct pool_conf *const *a = left, *const *b = right;

	return strcmp((*a)->name, (*b)->name);
}

static const struct pool_conf *pool_of(const struct cross *x, const char *name)
{
	const struct pool_conf wanted = { .name = name }, *key = &wanted;
	const struct pool_conf **found = NULL;

	if (name)
		found = bsearch(&key, x->pools, x->n_pools, sizeof(key), pool_order);
	return found ? *found : NULL;
}

static const char *at_vip(struct cross *x, unsigned int service, unsigned int vip)
{
	if (x->c->model.services[service].vip_list)
		return at(x, "services[%u].address[%u]", service, vip);
	return at(x, "services[%u].address", service);
}

static const char *vip_text(const struct vip *v, char text[static PREFIX_TEXT])
{
	const struct prefix p = vip_prefix(v);

	return v->host_bits ? prefix_format(&p, text) : addr_format(&v->addr, text);
}

/* Who is in a virtual network can be spoken to no more: it is ours then. */
static void check_network(struct cross *x, unsigned int i, unsigned int j)
{
	const struct vip *v = &x->c->model.services[i].vips[j];
	const struct net_conf *net = x->net;
	const char *path = at_vip(x, i, j);
	char whole[PREFIX_TEXT], other[PREFIX_TEXT];

	vip_text(v, whole);
	for (unsigned int p = 0; p < net->n_ports; p++) {
		const struct port_conf *port = &net->ports[p];

		for (unsigned int k = 0; k < port->n_addresses; k++) {
			const struct prefix own = prefix_network(&port->addresses[k]);

			if (own.len >= vip_prefix(v).len && vip_holds(v, &own.addr))
				fault_add(x->faults, path,
					"%s takes in %s, the network of ports[%u]: all neighbours "
					"there would be virtual addresses; a network beside it, "
					"or a smaller part of it, is needed",
					whole, prefix_format(&own, other), p);
		}
		for (unsigned int k = 0; k < port->n_gateways; k++)
			if (vip_holds(v, &port->gateways[k]))
				fault_add(x->faults, path,
					"%s takes in %s, a gateway of ports[%u]; a network without "
					"it is needed",
					whole, addr_format(&port->gateways[k], other), p);
	}
	for (unsigned int r = 0; r < net->n_routes; r++)
		if (vip_holds(v, &net->routes[r].via))
			fault_add(x->faults, path,
				"%s takes in %s, the router of routes[%u]; a network without it is "
				"needed",
				whole, addr_format(&net->routes[r].via, other), r);
}

static void check_vips(struct cross *x, unsigned int i)
{
	const struct service_conf *s = &x->c->model.services[i];
	char text[PREFIX_TEXT];

	for (unsigned int j = 0; j < s->n_vips; j++) {
		const struct vip *v = &s->vips[j];

		if (v->host_bits)
			check_network(x, i, j);
		if (addr_is_zero(&v->addr) || network_of(x->net, &v->addr))
			continue;
		fault_warn(x->faults, at_vip(x, i, j),
			"%s is in no network of a port: nobody will ask for it by ARP or ND, so a "
			"router must send it here",
			vip_text(v, text));
	}
}

/* "server "a" (10.0.0.1)", and how many more. */
static const char *culprit(const struct server_conf *s, unsigned int more, char out[static 200])
{
	char text[ENDPOINT_TEXT], others[32] = "";

	if (more)
		snprintf(others, sizeof(others), " and %u more", more);
	snprintf(out, 200, "server \"%s\" (%s)%s", s->name ? s->name : "",
		endpoint_format(&s->endpoint, text), others);
	return out;
}

/*
 * Asks of each server of the pool whether it is wrong for a service (or one of its addresses);
 * returns the first that is, with how many others are in *more.
 */
static const struct server_conf *find_wrong(const struct cross *x, const struct pool_conf *pool,
	const struct service_conf *s,
	bool (*wrong)(
		const struct cross *, const struct service_conf *, const struct server_conf *),
	unsigned int *more)
{
	const struct server_conf *first = NULL;

	*more = 0;
	for (unsigned int i = 0; i < pool->n_servers; i++) {
		if (addr_is_zero(&pool->servers[i].endpoint.addr) ||
			!wrong(x, s, &pool->servers[i]))
			continue;
		if (first)
			(*more)++;
		else
			first = &pool->servers[i];
	}
	return first;
}

/* Whether clients of an address cannot be given the server, for it is of the other family. IPv6
 * clients may have IPv4 servers where that is translated. */
static bool other_family(
	const struct cross *x, const struct service_conf *s, const struct server_conf *server)
{
	if (s->mode == MODE_FULLNAT && addr_is_v4(&server->endpoint.addr))
		return false;
	for (unsigned int i = 0; i < s->n_vips; i++)
		if (!addr_is_zero(&s->vips[i].addr) &&
			addr_is_v4(&s->vips[i].addr) != addr_is_v4(&server->endpoint.addr))
			return true;
	return false;
}

static bool other_port(
	const struct cross *x, const struct service_conf *s, const struct server_conf *server)
{
	uint16_t port = server->endpoint.port;

	for (unsigned int i = 0; port && i < s->n_vips; i++)
		if (!addr_is_zero(&s->vips[i].addr) &&
			(s->vips[i].ports.first != port || s->vips[i].ports.last != port))
			return true;
	return false;
}

static bool behind_router(
	const struct cross *x, const struct service_conf *s, const struct server_conf *server)
{
	return !network_of(x->net, &server->endpoint.addr);
}

/* Whether the server is on a network that clients reach the virtual address through. */
static bool one_arm(
	const struct cross *x, const struct service_conf *s, const struct server_conf *server)
{
	if (x->net->n_ports == 1)
		return true;
	for (unsigned int i = 0; i < s->n_vips; i++) {
		const struct prefix *p = network_of(x->net, &s->vips[i].addr);

		if (p && in_network(p, &server->endpoint.addr))
			return true;
	}
	return false;
}

static void check_family(struct cross *x, unsigned int i, const struct pool_conf *pool)
{
	const struct service_conf *s = &x->c->model.services[i];
	unsigned int more;
	const struct server_conf *wrong = find_wrong(x, pool, s, other_family, &more);
	const char *why, * or = "";
	char who[200];

	if (!wrong)
		return;
	if (s->mode == MODE_FULLNAT)
		why = "gives IPv6 clients IPv4 servers, but never IPv4 clients IPv6 ones";
	else
		why = "needs servers of the family of all addresses";
	if (s->mode != MODE_FULLNAT && addr_is_v4(&wrong->endpoint.addr))
		or = ", or use mode fullnat, which gives IPv6 clients IPv4 servers";
	fault_add(x->faults, at(x, "services[%u].pool", i),
		"%s of pool \"%s\" is %s, and the service has an %s address; mode %s %s: make a "
		"service and a pool for each family%s",
		culprit(wrong, more, who), pool->name, family(&wrong->endpoint.addr),
		addr_is_v4(&wrong->endpoint.addr) ? "IPv6" : "IPv4", mode_name(s->mode), why, or);
}

/* Modes that leave packets as they are. */
static void check_port(struct cross *x, unsigned int i, const struct pool_conf *pool)
{
	const struct service_conf *s = &x->c->model.services[i];
	unsigned int more;
	const struct server_conf *wrong = find_wrong(x, pool, s, other_port, &more);
	char who[200];

	if (wrong)
		fault_add(x->faults, at(x, "services[%u].mode", i),
			"in mode %s packets arrive with the client's port, so %s of pool \"%s\" "
			"cannot "
			"be asked on port %u; leave the servers' ports out, or use mode nat",
			mode_name(s->mode), culprit(wrong, more, who), pool->name,
			wrong->endpoint.port);
}

static void check_dr(struct cross *x, unsigned int i, const struct pool_conf *pool)
{
	const struct service_conf *s = &x->c->model.services[i];
	const struct server_conf *wrong;
	unsigned int more;
	char who[200];

	check_port(x, i, pool);
	wrong = x->net ? find_wrong(x, pool, s, behind_router, &more) : NULL;
	if (wrong)
		fault_warn(x->faults, at(x, "services[%u].mode", i),
			"%s of pool \"%s\" is in no network of a port; in mode dr a server must be "
			"a "
			"neighbour, not behind a router",
			culprit(wrong, more, who), pool->name);
}

static bool no_source(
	const struct cross *x, const struct service_conf *s, const struct server_conf *server)
{
	return !crosscheck_has_source(x->net, server, x->virtuals, x->n_virtuals);
}

static void check_tunnel(struct cross *x, unsigned int i, const struct pool_conf *pool)
{
	const struct service_conf *s = &x->c->model.services[i];
	const struct server_conf *wrong;
	unsigned int more;
	char who[200];

	check_port(x, i, pool);
	wrong = x->net ? find_wrong(x, pool, s, no_source, &more) : NULL;
	if (wrong)
		fault_warn(x->faults, at(x, "services[%u].mode", i),
			"no port that leads to %s of pool \"%s\" has an %s address, which packets "
			"there would come from; give it one, or name one in the pool's "
			"\"sources\"",
			culprit(wrong, more, who), pool->name, family(&wrong->endpoint.addr));
}

static void check_encapsulation(struct cross *x, unsigned int i)
{
	const json_t *o = json_array_get(json_object_get(x->c->doc, "services"), i);
	const enum mode mode = x->c->model.services[i].mode;

	if (mode != MODE_TUNNEL && json_object_get(o, "encapsulation"))
		fault_warn(x->faults, at(x, "services[%u].encapsulation", i),
			"without effect: the service is of mode %s, not tunnel", mode_name(mode));
}

static void check_nat(struct cross *x, unsigned int i, const struct pool_conf *pool)
{
	const struct service_conf *s = &x->c->model.services[i];
	unsigned int more;
	const struct server_conf *wrong = x->net ? find_wrong(x, pool, s, one_arm, &more) : NULL;
	char who[200];

	if (wrong)
		fault_warn(x->faults, at(x, "services[%u].mode", i),
			"mode nat with one arm: %s of pool \"%s\" can answer clients on its own "
			"network "
			"directly, past the balancer, and those connections fail; put the servers "
			"on a "
			"network of their own, with the balancer as their gateway",
			culprit(wrong, more, who), pool->name);
}

static void check_source(struct cross *x, unsigned int i, const struct pool_conf *pool)
{
	const struct service_conf *s = &x->c->model.services[i];
	unsigned int more;
	const struct server_conf *wrong = x->net ? find_wrong(x, pool, s, no_source, &more) : NULL;
	char who[200];

	if (wrong)
		fault_warn(x->faults, at(x, "services[%u].mode", i),
			"mode %s speaks to servers from an address of its own, and for %s of "
			"pool \"%s\" there is no %s one; give the pool \"sources\", or the port "
			"that leads there an address",
			mode_name(s->mode), culprit(wrong, more, who), pool->name,
			family(&wrong->endpoint.addr));
}

/* The client's address is told where the server does not see it, by a TCP option. */
static void check_client_address(struct cross *x, unsigned int i)
{
	const struct service_conf *s = &x->c->model.services[i];

	if (s->client_address == CLIENT_ADDRESS_NONE || s->mode == MODE_COUNT)
		return;
	if (s->mode != MODE_FULLNAT)
		fault_add(x->faults, at(x, "services[%u].client-address", i),
			"in mode %s servers see the client's own address; leave this out, or use "
			"mode fullnat",
			mode_name(s->mode));
	else if (s->proto != IPPROTO_TCP)
		fault_add(x->faults, at(x, "services[%u].client-address", i),
			"toa is an option of TCP, and the service's protocol is udp; leave this "
			"out");
}

/* Answering for the server takes a mode that sees what it says. */
static void check_syn_proxy(struct cross *x, unsigned int i)
{
	const struct service_conf *s = &x->c->model.services[i];

	if (s->syn_proxy.mode == SYN_PROXY_OFF || s->mode == MODE_COUNT)
		return;
	if (s->proto != IPPROTO_TCP)
		fault_add(x->faults, at(x, "services[%u].syn-proxy", i),
			"SYNs are TCP's, and the service's protocol is udp; leave this out");
	else if (s->mode != MODE_NAT && s->mode != MODE_FULLNAT && s->mode != MODE_TCP)
		fault_add(x->faults, at(x, "services[%u].syn-proxy", i),
			"in mode %s servers answer clients by themselves, so that nobody else can "
			"shake hands for them; leave this out, or use mode nat or fullnat",
			mode_name(s->mode));
}

/* The servers of a pool of the service: its own, or a backup. */
static void check_servers(struct cross *x, unsigned int i, const struct pool_conf *pool)
{
	const struct service_conf *s = &x->c->model.services[i];

	if (pool->n_servers == 0)
		fault_warn(x->faults, at(x, "services[%u].pool", i), "pool \"%s\" has no servers",
			pool->name);
	if (s->mode == MODE_TUNNEL)
		check_tunnel(x, i, pool);
	else if (s->mode != MODE_TCP)
		check_family(x, i, pool);
	if (s->mode == MODE_DR)
		check_dr(x, i, pool);
	else if (s->mode == MODE_NAT)
		check_nat(x, i, pool);
	else if (s->mode == MODE_FULLNAT || s->mode == MODE_TCP)
		check_source(x, i, pool);
}

static void check_relayed(struct cross *x, unsigned int i)
{
	const struct service_conf *s = &x->c->model.services[i];
	const json_t *o = json_array_get(json_object_get(x->c->doc, "services"), i);

	if (s->mode != MODE_TCP && s->mode != MODE_COUNT && json_object_get(o, "proxy"))
		fault_warn(x->faults, at(x, "services[%u].proxy", i),
			"without effect: the service is of mode %s, not tcp", mode_name(s->mode));
	if (s->mode != MODE_TCP && s->mode != MODE_COUNT && json_object_get(o, "connection-log"))
		fault_warn(x->faults, at(x, "services[%u].connection-log", i),
			"without effect: connections of mode %s are not logged",
			mode_name(s->mode));
	if (s->mode != MODE_TCP)
		return;
	if (s->proto != IPPROTO_TCP)
		fault_add(x->faults, at(x, "services[%u].protocol", i),
			"mode tcp is for protocol tcp");
}

static void check_service(struct cross *x, unsigned int i)
{
	const struct service_conf *s = &x->c->model.services[i];
	const struct pool_conf *pool = pool_of(x, s->pool);

	if (x->net)
		check_vips(x, i);
	check_client_address(x, i);
	check_syn_proxy(x, i);
	check_relayed(x, i);
	if (!pool || s->mode == MODE_COUNT)
		return;
	check_encapsulation(x, i);
	/* A circle of backups is a fault of its own. */
	for (size_t n = 0; pool && n < x->n_pools; n++) {
		check_servers(x, i, pool);
		x->relayed[pool - x->c->model.pools] |= s->mode == MODE_TCP;
		pool = pool_of(x, pool->backup);
	}
}

/* After the services. */
static void check_proxy_header(struct cross *x, unsigned int i)
{
	const struct pool_conf *pool = &x->c->model.pools[i];

	for (unsigned int j = 0; !x->relayed[i] && j < pool->n_servers; j++) {
		if (!pool->servers[j].proxy_header)
			continue;
		fault_warn(x->faults, at(x, "pools[%u].proxy-header", i),
			"without effect: no service of mode tcp uses the pool");
		break;
	}
}

static bool sort_names(struct cross *x)
{
	const struct model_conf *m = &x->c->model;
	size_t n = 0;

	for (unsigned int i = 0; i < m->n_services; i++)
		n += m->services[i].n_vips;
	x->virtuals = calloc(n + 1, sizeof(*x->virtuals));
	x->networks = calloc(n + 1, sizeof(const struct vip *));
	x->pools = calloc(m->n_pools + 1, sizeof(const struct pool_conf *));
	x->relayed = calloc(m->n_pools + 1, sizeof(*x->relayed));
	if (!x->virtuals || !x->networks || !x->pools || !x->relayed)
		return false;
	for (unsigned int i = 0; i < m->n_services; i++)
		for (unsigned int j = 0; j < m->services[i].n_vips; j++)
			if (m->services[i].vips[j].host_bits)
				x->networks[x->n_networks++] = &m->services[i].vips[j];
			else
				x->virtuals[x->n_virtuals++] = m->services[i].vips[j].addr;
	for (unsigned int i = 0; i < m->n_pools; i++)
		if (m->pools[i].name)
			x->pools[x->n_pools++] = &m->pools[i];
	qsort(x->virtuals, x->n_virtuals, sizeof(*x->virtuals), addr_order);
	qsort(x->pools, x->n_pools, sizeof(const struct pool_conf *), pool_order);
	return true;
}

void crosscheck(const struct config *c, bool net_known, struct faults *faults)
{
	struct cross x = { .c = c, .net = net_known ? &c->model.net : NULL, .faults = faults };

	if (!sort_names(&x)) {
		fault_add(faults, "", "out of memory");
		goto out;
	}
	check_cores(&x);
	check_limits(&x);
	check_port_names(&x);
	crosscheck_kernel(c, faults);
	for (unsigned int i = 0; i < c->model.n_pools; i++)
		check_pool(&x, i);
	crosscheck_sources(c, net_known, faults);
	crosscheck_serve(c, faults);
	crosscheck_access(c, faults);
	for (unsigned int i = 0; i < c->model.n_services; i++)
		check_service(&x, i);
	for (unsigned int i = 0; i < c->model.n_pools; i++)
		check_proxy_header(&x, i);
out:
	free(x.virtuals);
	free(x.networks);
	free(x.pools);
	free(x.relayed);
}

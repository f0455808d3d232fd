/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The immutable table of ports, own addresses and routes: built by the control core for each
 * snapshot, read by every stage. The two things asked for each packet (the port of a frame, whether
 * an address is ours) are inline in net.h; a route is looked up once a flow, in DPDK's RIB, a
 * compressed tree that costs a few hundred bytes a route where a DIR24-8 table would cost 32 MB.
 *
 * References are counted without atomics: only the control core builds and frees.
 */
#include "net/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_rib.h>
#include <rte_rib6.h>

#include "net_priv.h"

/* What no packet needs inline. */
struct net_table_rest {
	unsigned int refs;
	unsigned int n_ports, n_routes, n_further;
	struct port port[NET_PORTS_MAX];
	struct prefix *addresses;  /* of all ports */
	struct route_info *routes; /* connected, then gateways, then configured ones */
	struct addr *further;      /* virtual addresses and sources */
	uint8_t *conf;             /* the configuration in one piece, to tell whether it changed */
	size_t conf_len;
	struct rte_rib *rib4; /* next hop: index into routes */
	struct rte_rib6 *rib6;
};

/* ---- the configuration in one piece --------------------------------------------------------- */

static void put(uint8_t **at, size_t *len, const void *data, size_t n)
{
	if (*at && n) {
		memcpy(*at, data, n);
		*at += n;
	}
	*len += n;
}

static size_t networks_serialise(const struct network_conf *list, unsigned int n, uint8_t **out)
{
	size_t len = 0;

	put(out, &len, &n, sizeof(n));
	for (unsigned int i = 0; i < n; i++) {
		put(out, &len, &list[i].addr, sizeof(list[i].addr));
		put(out, &len, &list[i].host_bits, 1);
	}
	return len;
}

/* Writes the configuration to out (if not NULL), fields only, no padding; returns its length. */
static size_t conf_serialise(const struct net_conf *c, uint8_t *out)
{
	size_t len = 0;

	put(&out, &len, &c->n_ports, sizeof(c->n_ports));
	for (unsigned int i = 0; i < c->n_ports; i++) {
		const struct port_conf *p = &c->ports[i];

		put(&out, &len, p->name, strnlen(p->name, sizeof(p->name) - 1) + 1);
		put(&out, &len, &p->nic, sizeof(p->nic));
		put(&out, &len, &p->vlan, sizeof(p->vlan));
		put(&out, &len, &p->mtu, sizeof(p->mtu));
		put(&out, &len, &p->mac, sizeof(p->mac));
		put(&out, &len, &p->n_addresses, sizeof(p->n_addresses));
		for (unsigned int j = 0; j < p->n_addresses; j++) {
			put(&out, &len, &p->addresses[j].addr, sizeof(struct addr));
			put(&out, &len, &p->addresses[j].len, 1);
		}
		put(&out, &len, &p->n_gateways, sizeof(p->n_gateways));
		put(&out, &len, p->gateways, p->n_gateways * sizeof(struct addr));
		put(&out, &len, p->kernel, strnlen(p->kernel, sizeof(p->kernel) - 1) + 1);
		put(&out, &len, &p->kernel_rate, sizeof(p->kernel_rate));
	}
	put(&out, &len, &c->n_routes, sizeof(c->n_routes));
	for (unsigned int i = 0; i < c->n_routes; i++) {
		put(&out, &len, &c->routes[i].to.addr, sizeof(struct addr));
		put(&out, &len, &c->routes[i].to.len, 1);
		put(&out, &len, &c->routes[i].via, sizeof(struct addr));
		put(&out, &len, &c->routes[i].port, 1);
	}
	put(&out, &len, &c->n_virtuals, sizeof(c->n_virtuals));
	put(&out, &len, c->virtuals, c->n_virtuals * sizeof(struct addr));
	put(&out, &len, &c->n_sources, sizeof(c->n_sources));
	put(&out, &len, c->sources, c->n_sources * sizeof(struct addr));
	len += networks_serialise(c->networks, c->n_networks, &out);
	len += networks_serialise(c->by_client, c->n_by_client, &out);
	put(&out, &len, c->mapped, c->n_mapped * sizeof(struct addr));
	put(&out, &len, &c->gateway, sizeof(c->gateway));
	return len;
}

/* ---- building ------------------------------------------------------------------------------- */

static struct addr link_local_of(const struct rte_ether_addr *mac)
{
	const uint8_t *m = mac->addr_bytes;
	/* RFC 4291, appendix A: EUI-64 with the universal bit inverted. */
	struct addr a = { .b = { 0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe,
				  m[3], m[4], m[5] } };
	return a;
}

static void build_link(struct net_link *l, const struct port_conf *p)
{
	static const rte_be16_t types[2] = { RTE_BE16(RTE_ETHER_TYPE_IPV4),
		RTE_BE16(RTE_ETHER_TYPE_IPV6) };
	rte_be16_t tci = rte_cpu_to_be_16(p->vlan);

	l->nic = p->nic;
	l->vlan = p->vlan;
	l->mtu = p->mtu;
	for (unsigned int i = 0; i < 2; i++) {
		memcpy(&l->tail[i], p->mac.addr_bytes, 6);
		memcpy((uint8_t *)&l->tail[i] + 6, &types[i], 2);
		memcpy(&l->tag[i], &tci, 2);
		memcpy((uint8_t *)&l->tag[i] + 2, &types[i], 2);
	}
}

static int build_ports(struct net_table *t, const struct net_conf *c)
{
	struct net_table_rest *r = t->rest;
	unsigned int total = 0;
	uint8_t *port_of;
	struct prefix *at;

	for (unsigned int i = 0; i < c->n_ports; i++) {
		total += c->ports[i].n_addresses;
		t->n_nics = RTE_MAX(t->n_nics, c->ports[i].nic + 1u);
	}
	t->port_of = port_of = malloc(RTE_MAX(1u, t->n_nics) * 4096);
	r->addresses = at = calloc(total + 1, sizeof(*at));
	if (!port_of || !at)
		return -ENOMEM;
	memset(port_of, NET_PORT_NONE, (size_t)t->n_nics * 4096);

	r->n_ports = c->n_ports;
	for (unsigned int i = 0; i < c->n_ports; i++) {
		const struct port_conf *p = &c->ports[i];
		struct port *o = &r->port[i];

		port_of[(uint32_t)p->nic << 12 | p->vlan] = (uint8_t)i;
		build_link(&t->link[i], p);
		o->id = (uint8_t)i;
		o->nic = p->nic;
		o->vlan = p->vlan;
		o->mtu = p->mtu;
		o->mac = p->mac;
		o->link_local = link_local_of(&p->mac);
		snprintf(o->name, sizeof(o->name), "%s", p->name);
		snprintf(o->kernel, sizeof(o->kernel), "%s", p->kernel);
		o->kernel_rate = p->kernel_rate;
		if (o->kernel[0])
			t->kernel |= UINT64_C(1) << i;
		o->addresses = at;
		o->n_addresses = p->n_addresses;
		if (p->n_addresses)
			memcpy(at, p->addresses, p->n_addresses * sizeof(*at));
		at += p->n_addresses;
	}
	return 0;
}

/* The slot of an address, a free one if it is not there. */
static struct local_addr *local_slot(struct local_addr *slots, uint32_t mask, const struct addr *a)
{
	uint32_t i = net_local_hash(a);

	while (slots[i & mask].kind != LOCAL_NONE && !addr_equal(&slots[i & mask].addr, a))
		i++;
	return &slots[i & mask];
}

static void local_add_port(
	struct local_addr *slots, uint32_t mask, const struct addr *a, uint8_t port)
{
	struct local_addr *l = local_slot(slots, mask, a);

	if (l->kind == LOCAL_NONE) {
		l->addr = *a;
		l->kind = LOCAL_PORT;
		l->port = port;
	}
	l->ports |= UINT64_C(1) << port;
}

/* On which ports an address that is no port's is answered: where its network is, else on all. */
static uint64_t further_ports(const struct net_table_rest *r, const struct addr *a)
{
	uint64_t ports = 0;

	for (unsigned int i = 0; i < r->n_ports; i++)
		for (unsigned int j = 0; j < r->port[i].n_addresses; j++)
			if (prefix_holds(&r->port[i].addresses[j], a))
				ports |= UINT64_C(1) << i;
	return ports ? ports : UINT64_MAX;
}

/* An address that no port has, or that a port shares: virtual, or mapped. */
static void local_add(
	struct net_table *t, struct local_addr *slots, const struct addr *a, enum local_kind kind)
{
	struct net_table_rest *r = t->rest;
	struct local_addr *l = local_slot(slots, t->local_mask, a);

	if (l->kind == LOCAL_VIRTUAL || l->kind == LOCAL_MAPPED)
		return;
	if (l->kind == LOCAL_NONE)
		l->port = NET_PORT_NONE;
	l->kind = (uint8_t)kind;
	l->addr = *a;
	l->ports |= further_ports(r, a);
	r->further[r->n_further++] = *a;
}

static int build_locals(struct net_table *t, const struct net_conf *c)
{
	struct net_table_rest *r = t->rest;
	uint32_t n = c->n_virtuals + c->n_sources + c->n_mapped + r->n_ports;
	struct local_addr *slots;

	for (unsigned int i = 0; i < r->n_ports; i++)
		n += r->port[i].n_addresses;
	t->local_mask = rte_align32pow2(RTE_MAX(8u, 8 * n)) - 1;
	t->local = slots =
		aligned_alloc(RTE_CACHE_LINE_SIZE, ((size_t)t->local_mask + 1) * sizeof(*slots));
	r->further = calloc(c->n_virtuals + c->n_sources + c->n_mapped + 1, sizeof(*r->further));
	if (!slots || !r->further)
		return -ENOMEM;
	memset(slots, 0, ((size_t)t->local_mask + 1) * sizeof(*slots));

	for (unsigned int i = 0; i < r->n_ports; i++) {
		const struct port *p = &r->port[i];

		local_add_port(slots, t->local_mask, &p->link_local, p->id);
		for (unsigned int j = 0; j < p->n_addresses; j++)
			local_add_port(slots, t->local_mask, &p->addresses[j].addr, p->id);
	}
	for (unsigned int i = 0; i < c->n_virtuals; i++)
		local_add(t, slots, &c->virtuals[i], LOCAL_VIRTUAL);
	for (unsigned int i = 0; i < c->n_mapped; i++)
		local_add(t, slots, &c->mapped[i], LOCAL_MAPPED);
	for (unsigned int i = 0; i < c->n_sources; i++) {
		struct local_addr *l = local_slot(slots, t->local_mask, &c->sources[i]);

		if (l->kind != LOCAL_NONE)
			continue;
		l->kind = LOCAL_PORT;
		l->addr = c->sources[i];
		l->ports = further_ports(r, &c->sources[i]);
		l->port =
			l->ports == UINT64_MAX ? NET_PORT_NONE : (uint8_t)__builtin_ctzll(l->ports);
		r->further[r->n_further++] = c->sources[i];
	}
	for (uint32_t i = 0; i <= t->local_mask; i++)
		slots[i].flags = slots[i].kind; /* they are numbered alike */
	return 0;
}

/* ---- virtual networks ----------------------------------------------------------------------- */

/*
 * Few and of few sizes: for each size a look at the table of networks with the address so far
 * cleared, the smallest first. An address is in no network of the other family: of an IPv4 one of
 * which more than its own bits are cleared, nothing is left.
 */
struct net_networks {
	unsigned int n_sizes;
	uint32_t mask;
	uint8_t size[129]; /* host bits, rising */
	struct local_addr slots[];
};

/* The slot of a network, a free one if it is not there. */
static const struct local_addr *network_slot(
	const struct net_networks *n, const struct addr *a, uint8_t host_bits)
{
	uint32_t i = net_local_hash(a);

	while (n->slots[i & n->mask].kind != LOCAL_NONE &&
		(n->slots[i & n->mask].host_bits != host_bits ||
			!addr_equal(&n->slots[i & n->mask].addr, a)))
		i++;
	return &n->slots[i & n->mask];
}

const struct local_addr *net_network_find(const struct net_table *t, struct addr a)
{
	const struct net_networks *n = t->networks;

	for (unsigned int i = 0; i < n->n_sizes; i++) {
		const struct addr net = addr_network(&a, n->size[i]);
		const struct local_addr *l = network_slot(n, &net, n->size[i]);

		if (l->kind != LOCAL_NONE)
			return l;
	}
	return NULL;
}

static int build_networks(struct net_table *t, const struct net_conf *c)
{
	uint32_t size = rte_align32pow2(RTE_MAX(8u, 4 * c->n_networks));
	bool used[129] = { false };
	struct net_networks *n;

	if (c->n_networks == 0)
		return 0;
	n = calloc(1, sizeof(*n) + size * sizeof(n->slots[0]));
	if (!n)
		return -ENOMEM;
	t->networks = n;
	n->mask = size - 1;
	for (unsigned int i = 0; i < c->n_networks; i++) {
		const struct network_conf *net = &c->networks[i];
		const struct local_addr *slot = network_slot(n, &net->addr, net->host_bits);
		struct local_addr *l = &n->slots[slot - n->slots];

		*l = (struct local_addr){
			.addr = net->addr,
			.ports = further_ports(t->rest, &net->addr),
			.kind = LOCAL_VIRTUAL,
			.port = NET_PORT_NONE,
			.flags = PKT_VIRTUAL,
			.host_bits = net->host_bits,
		};
		used[net->host_bits] = true;
	}
	for (unsigned int i = 0; i < RTE_DIM(used); i++)
		if (used[i])
			n->size[n->n_sizes++] = (uint8_t)i;
	return 0;
}

/* Whether packets to a virtual address or network are steered by the client's end: it, or a network
 * around it whose services are its own too, is among those. */
static bool is_by_client(const struct net_conf *c, const struct addr *a, uint8_t host_bits)
{
	for (unsigned int i = 0; i < c->n_by_client; i++) {
		const struct network_conf *net = &c->by_client[i];
		const struct addr around = addr_network(a, net->host_bits);

		if (net->host_bits >= host_bits && addr_equal(&around, &net->addr))
			return true;
	}
	return false;
}

static void mark_by_client(struct net_table *t, const struct net_conf *c)
{
	struct local_addr *local = (struct local_addr *)(uintptr_t)t->local;
	struct net_networks *n = (struct net_networks *)(uintptr_t)t->networks;

	for (uint32_t i = 0; c->n_by_client && i <= t->local_mask; i++)
		if (local[i].kind == LOCAL_VIRTUAL && is_by_client(c, &local[i].addr, 0))
			local[i].flags |= PKT_CLIENT;
	for (uint32_t i = 0; n && i <= n->mask; i++)
		if (n->slots[i].kind == LOCAL_VIRTUAL &&
			is_by_client(c, &n->slots[i].addr, n->slots[i].host_bits))
			n->slots[i].flags |= PKT_CLIENT;
}

/* ---- routes --------------------------------------------------------------------------------- */

static void route_put(struct net_table_rest *r, struct prefix to, const struct addr *via,
	uint8_t port, bool connected)
{
	struct route_info *i = &r->routes[r->n_routes++];

	i->to = to;
	i->hop.port = port;
	i->connected = connected;
	if (via)
		i->hop.via = *via;
}

static int route_insert(struct net_table_rest *r, unsigned int i)
{
	const struct prefix *to = &r->routes[i].to;

	if (addr_is_v4(&to->addr)) {
		struct rte_rib_node *node =
			rte_rib_insert(r->rib4, rte_be_to_cpu_32(addr_v4(&to->addr)), to->len);
		return node ? rte_rib_set_nh(node, i) : -rte_errno;
	}
	struct rte_rib6_node *node = rte_rib6_insert(r->rib6, to->addr.b, to->len);
	return node ? rte_rib6_set_nh(node, i) : -rte_errno;
}

static int build_routes(struct net_table *t, const struct net_conf *c)
{
	struct net_table_rest *r = t->rest;
	unsigned int max = c->n_routes;
	char name[32];
	int rc;

	for (unsigned int i = 0; i < c->n_ports; i++)
		max += c->ports[i].n_addresses + c->ports[i].n_gateways;
	r->routes = calloc(max + 1, sizeof(*r->routes));
	/* Every prefix may need a node that only branches. */
	struct rte_rib_conf conf4 = { .max_nodes = 2 * (int)max + 2 };
	struct rte_rib6_conf conf6 = { .max_nodes = 2 * (int)max + 2 };

	snprintf(name, sizeof(name), "n4_%p", (void *)t);
	r->rib4 = rte_rib_create(name, SOCKET_ID_ANY, &conf4);
	snprintf(name, sizeof(name), "n6_%p", (void *)t);
	r->rib6 = rte_rib6_create(name, SOCKET_ID_ANY, &conf6);
	if (!r->routes || !r->rib4 || !r->rib6)
		return -ENOMEM;

	for (unsigned int i = 0; i < r->n_ports; i++)
		for (unsigned int j = 0; j < r->port[i].n_addresses; j++) {
			const struct prefix *p = &r->port[i].addresses[j];

			/* A link-local network is on every link: net_resolve() needs no route. */
			if (!addr_is_link_local(&p->addr))
				route_put(r, prefix_network(p), NULL, (uint8_t)i, true);
		}
	for (unsigned int i = 0; i < c->n_ports; i++)
		for (unsigned int j = 0; j < c->ports[i].n_gateways; j++) {
			const struct addr *via = &c->ports[i].gateways[j];
			struct prefix any = { .len = 0 };

			if (addr_is_v4(via))
				any.addr = addr_from_v4(0);
			route_put(r, any, via, (uint8_t)i, false);
		}
	for (unsigned int i = 0; i < c->n_routes; i++)
		route_put(
			r, c->routes[i].to, &c->routes[i].via, route_port(c, &c->routes[i]), false);

	for (unsigned int i = 0; i < r->n_routes; i++) {
		rc = route_insert(r, i);
		/* Two addresses of a port in one network give the same route twice. */
		if (rc && rc != -EEXIST)
			return rc;
	}
	return 0;
}

struct net_table *net_table_build(
	const struct net_conf *conf, const struct net_table *previous, struct faults *faults)
{
	size_t len = conf_serialise(conf, NULL);
	uint8_t *copy = malloc(len);
	struct net_table *t;
	int rc = -ENOMEM;

	if (!copy)
		goto fail;
	conf_serialise(conf, copy);
	if (previous && previous->rest->conf_len == len &&
		memcmp(previous->rest->conf, copy, len) == 0) {
		free(copy);
		previous->rest->refs++;
		return (struct net_table *)(uintptr_t)previous;
	}
	if (!net_conf_check(conf, faults)) {
		free(copy);
		return NULL;
	}
	t = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN(sizeof(*t), RTE_CACHE_LINE_SIZE));
	if (!t)
		goto fail;
	memset(t, 0, sizeof(*t));
	t->rest = calloc(1, sizeof(*t->rest));
	if (!t->rest) {
		free(t);
		goto fail;
	}
	t->rest->refs = 1;
	t->rest->conf = copy;
	t->rest->conf_len = len;

	t->gateway = conf->gateway;
	rc = build_ports(t, conf);
	if (!rc)
		rc = build_locals(t, conf);
	if (!rc)
		rc = build_networks(t, conf);
	if (!rc)
		rc = build_routes(t, conf);
	if (!rc) {
		mark_by_client(t, conf);
		return t;
	}
	net_table_free(t);
	copy = NULL;
fail:
	free(copy);
	fault_add(faults, "", "no memory for addresses and routes (%s)", strerror(-rc));
	return NULL;
}

void net_table_free(struct net_table *t)
{
	if (!t || --t->rest->refs)
		return;
	struct net_table_rest *r = t->rest;

	rte_rib6_free(r->rib6);
	rte_rib_free(r->rib4);
	free(r->routes);
	free(r->further);
	free(r->addresses);
	free(r->conf);
	free(r);
	free((void *)(uintptr_t)t->networks);
	free((void *)(uintptr_t)t->local);
	free((void *)(uintptr_t)t->port_of);
	free(t);
}

/* ---- asking --------------------------------------------------------------------------------- */

const struct port *net_port(const struct net_table *t, uint8_t id)
{
	return &t->rest->port[id];
}

unsigned int net_port_count(const struct net_table *t)
{
	return t->rest->n_ports;
}

static bool port_has(const struct port *p, const struct addr *a)
{
	for (unsigned int i = 0; i < p->n_addresses; i++)
		if (addr_equal(&p->addresses[i].addr, a))
			return true;
	return addr_equal(&p->link_local, a);
}

bool net_kernel_has(const struct net_table *t, const struct addr *a)
{
	const struct local_addr *l = net_local_find(t, a);
	uint64_t ports = l && l->kind == LOCAL_PORT ? l->ports & t->kernel : 0;

	/* Sources are answered for on ports whose address they are not. */
	for (; ports; ports &= ports - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(ports);

		if (i < t->rest->n_ports && port_has(&t->rest->port[i], a))
			return true;
	}
	return false;
}

bool net_kernel_wants(const struct net_table *t, const struct pkt *p)
{
	const struct addr dst = pkt_dst(p);

	return p->port < NET_PORTS_MAX && (t->kernel >> p->port & 1) && net_kernel_has(t, &dst);
}

bool net_answers(const struct net_table *t, const struct addr *a, uint8_t port)
{
	const struct local_addr *l = net_local_find(t, a);

	return l && port < NET_PORTS_MAX && (l->ports >> port & 1);
}

unsigned int net_further_count(const struct net_table *t)
{
	return t->rest->n_further;
}

const struct addr *net_further(const struct net_table *t, unsigned int i)
{
	return &t->rest->further[i];
}

bool net_route(const struct net_table *t, const struct addr *dst, struct route_hop *out)
{
	const struct net_table_rest *r = t->rest;
	uint64_t i;

	if (addr_is_v4(dst)) {
		struct rte_rib_node *n = rte_rib_lookup(r->rib4, rte_be_to_cpu_32(addr_v4(dst)));

		if (!n || rte_rib_get_nh(n, &i))
			return false;
	} else {
		struct rte_rib6_node *n = rte_rib6_lookup(r->rib6, dst->b);

		if (!n || rte_rib6_get_nh(n, &i))
			return false;
	}
	*out = r->routes[i].hop;
	return true;
}

const struct addr *net_source(const struct port *p, const struct addr *peer)
{
	const struct addr *first = NULL;

	for (unsigned int i = 0; i < p->n_addresses; i++) {
		const struct prefix *own = &p->addresses[i];

		if (addr_is_v4(&own->addr) != addr_is_v4(peer))
			continue;
		if (prefix_holds(own, peer))
			return &own->addr;
		if (!first && !addr_is_link_local(&own->addr))
			first = &own->addr;
	}
	return addr_is_link_local(peer) ? &p->link_local : first;
}

void net_route_list(const struct net_table *t, struct route_info *out, unsigned int *n)
{
	const struct net_table_rest *r = t->rest;
	unsigned int room = RTE_MIN(*n, r->n_routes);

	if (room)
		memcpy(out, r->routes, room * sizeof(*out));
	*n = r->n_routes;
}

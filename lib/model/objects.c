/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pools and services of a snapshot: each is the former snapshot's, where it is equal, or a new
 * one. Slots first, because they are part of what is compared.
 *
 * Called by model.c, which has looked for faults before: those found here are of slots alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_priv.h"

/* Their key is no secret and never changes. */
uint64_t model_id(const void *data, size_t len)
{
	static const struct hash_key key = { { UINT64_C(0x666169726c656164),
		UINT64_C(0x6e616d6573206f66) } };

	return hash_siphash(&key, data, len);
}

static uint64_t server_id(const char *pool, const char *server)
{
	char text[2 * MODEL_NAME_MAX];
	int n = snprintf(text, sizeof(text), "%s/%s", pool, server);

	return model_id(text, (size_t)n);
}

/* What makes it the same server or service, for its slot. */
static uint64_t server_key(uint64_t id, const struct endpoint *e)
{
	struct {
		uint64_t id;
		struct addr addr;
		uint64_t port;
	} what = { id, e->addr, e->port };

	return model_id(&what, sizeof(what));
}

static uint64_t service_key(uint64_t id, enum mode mode, uint8_t proto)
{
	uint64_t what[] = { id, (uint64_t)mode, proto };

	return model_id(what, sizeof(what));
}

static uint16_t take_slot(
	struct build *b, enum slot_kind kind, uint64_t key, uint16_t *gen, const char *path)
{
	uint16_t slot = slots_take(b->slots, kind, key, gen);

	if (!slot)
		fault_add(b->faults, path,
			"no room: flows of things removed lately still hold all "
			"slots; try again later, or choose another name");
	return slot;
}

/* ---- pools ---------------------------------------------------------------------------------- */

/* The address of the port that leads to the server, or NULL: one that is no service's, for answers
 * to a virtual address would be taken for clients' packets. */
static const struct addr *default_source(const struct net_table *t, const struct addr *server)
{
	const struct addr *peer = server, *own;
	const struct port *port;
	struct route_hop hop;

	if (!net_route(t, server, &hop))
		return NULL;
	if (!addr_is_zero(&hop.via) && !addr_is_link_local(&hop.via))
		peer = &hop.via;
	port = net_port(t, hop.port);
	own = net_source(port, peer);
	if (!own || net_local(t, own, NULL) == LOCAL_PORT)
		return own;
	for (unsigned int i = 0; i < port->n_addresses; i++) {
		const struct addr *a = &port->addresses[i].addr;

		if (addr_is_v4(a) == addr_is_v4(server) && !addr_is_link_local(a) &&
			net_local(t, a, NULL) == LOCAL_PORT)
			return a;
	}
	return NULL;
}

/* Sources of the server's family, or the default, into out, which has room for all and one. */
static void server_sources(struct server *s, const struct server_conf *conf,
	const struct net_table *t, struct addr *out)
{
	s->sources = out;
	for (unsigned int i = 0; i < conf->n_sources; i++)
		if (addr_is_v4(&conf->sources[i]) == addr_is_v4(&s->addr))
			out[s->n_sources++] = conf->sources[i];
	if (s->n_sources == 0) {
		const struct addr *own = default_source(t, &s->addr);

		if (own)
			out[s->n_sources++] = *own;
	}
}

static void server_init(struct server *s, const struct server_conf *conf, uint64_t id)
{
	snprintf(s->name, sizeof(s->name), "%s", conf->name);
	s->id = id;
	s->addr = conf->endpoint.addr;
	s->port = conf->endpoint.port;
	s->weight = conf->weight;
	s->limit = conf->limit;
	s->proxy_header = conf->proxy_header;
	s->effective_weight = conf->admin == ADMIN_ENABLED ? conf->weight : 0;
	s->admin = (uint8_t)conf->admin;
}

static bool server_equal(const struct server *a, const struct server *b)
{
	return a->slot == b->slot && a->gen == b->gen && a->id == b->id && a->port == b->port &&
	       addr_equal(&a->addr, &b->addr) && a->weight == b->weight && a->admin == b->admin &&
	       a->limit == b->limit && a->proxy_header == b->proxy_header &&
	       !strcmp(a->name, b->name) && a->n_sources == b->n_sources &&
	       !memcmp(a->sources, b->sources, a->n_sources * sizeof(a->sources[0]));
}

/* Whether the former pool can stand in for p. */
static bool pool_equal(const struct pool *former, const struct pool *p, bool want_maglev)
{
	if (strcmp(former->name, p->name) != 0 || former->slot != p->slot ||
		former->sched != p->sched || former->n_servers != p->n_servers ||
		former->backup != p->backup || former->when_full != p->when_full ||
		(want_maglev && !former->maglev_table))
		return false;
	for (unsigned int i = 0; i < p->n_servers; i++)
		if (!server_equal(&former->servers[i], &p->servers[i]))
			return false;
	return true;
}

static struct pool *pool_create(struct build *b, unsigned int i)
{
	const struct pool_conf *conf = &b->conf->pools[i];
	size_t size = sizeof(struct pool) + conf->n_servers * sizeof(struct server), n_sources = 0;
	struct addr *sources;
	struct pool *p;
	char path[64];

	for (unsigned int j = 0; j < conf->n_servers; j++)
		n_sources += conf->servers[j].n_sources + 1;
	p = calloc(1, size + n_sources * sizeof(struct addr));
	if (!p)
		return NULL;
	sources = (struct addr *)((char *)p + size);
	p->refs = 1;
	p->n_servers = (uint16_t)conf->n_servers;
	p->sched = b->sched->find(conf->scheduler);
	snprintf(p->name, sizeof(p->name), "%s", conf->name);
	p->slot = b->pool_slot[i];
	p->backup = b->backup[i] < 0 ? 0 : b->pool_slot[b->backup[i]];
	p->when_full = (uint8_t)conf->when_full;
	for (unsigned int j = 0; j < conf->n_servers; j++) {
		const struct server_conf *server = &conf->servers[j];
		uint64_t id = server_id(conf->name, server->name);
		struct server *s = &p->servers[j];

		snprintf(path, sizeof(path), "pools[%u].servers[%u]", i, j);
		server_init(s, server, id);
		server_sources(s, server, b->m->net, sources);
		sources += server->n_sources + 1;
		p->limited |= s->limit > 0;
		s->slot =
			take_slot(b, SLOT_SERVER, server_key(id, &server->endpoint), &s->gen, path);
	}
	if (chain_index(p) == 0)
		return p;
	free(p);
	return NULL;
}

static void pool_free(struct pool *p)
{
	free((uint16_t *)(uintptr_t)p->by_addr);
	free(p);
}

void pool_unref(const struct pool *shared, const struct model_sched *sched)
{
	struct pool *p = (struct pool *)(uintptr_t)shared; /* ours to count, not the workers' */

	if (p && --p->refs == 0) {
		sched->destroy(p);
		pool_free(p);
	}
}

/* The pool of the model: the former one if it is equal, otherwise p with its tables. Takes p. */
static const struct pool *pool_settle(struct build *b, struct pool *p, bool want_maglev)
{
	const struct model *was = b->previous;
	const struct pool *former = was ? was->pools[p->slot] : NULL;
	int rc;

	if (former && pool_equal(former, p, want_maglev) &&
		!memcmp(&was->cluster_key, &b->conf->cluster_key, sizeof(was->cluster_key))) {
		pool_free(p);
		p = (struct pool *)(uintptr_t)former;
		p->refs++;
		return p;
	}
	p->gen = slots_renew(b->slots, SLOT_POOL, p->slot);
	rc = b->sched->build(p, &b->conf->cluster_key, want_maglev);
	if (rc) {
		pool_free(p);
		errno = -rc;
		return NULL;
	}
	return p;
}

/* All of them first: a pool names its backup by the slot. */
static void take_pool_slots(struct build *b)
{
	for (unsigned int i = 0; i < b->conf->n_pools; i++) {
		const char *name = b->conf->pools[i].name;
		char path[64];
		uint16_t gen;

		snprintf(path, sizeof(path), "pools[%u]", i);
		b->pool_slot[i] = take_slot(b, SLOT_POOL, model_id(name, strlen(name)), &gen, path);
	}
}

int pools_build(struct build *b)
{
	struct model *m = b->m;

	take_pool_slots(b);
	for (unsigned int i = 0; i < b->conf->n_pools; i++) {
		struct pool *fresh = pool_create(b, i);
		const struct pool *p;

		if (!fresh)
			return -ENOMEM;
		if (b->faults->errors) {
			pool_free(fresh);
			return -EINVAL;
		}
		p = pool_settle(b, fresh, b->want_maglev[i]);
		if (!p)
			return -errno;
		m->pools[p->slot] = p;
		m->n_pools++;
		for (unsigned int j = 0; j < p->n_servers; j++) {
			const struct server *s = &p->servers[j];

			m->server[s->slot] = s;
			/* A disabled server's flows are not to go on: no generation is theirs. */
			m->server_gen[s->slot] = s->admin == ADMIN_DISABLED ? 0 : s->gen;
			m->server_pool[s->slot] = p->slot;
			m->n_servers++;
		}
	}
	return 0;
}

/* ---- services ------------------------------------------------------------------------------- */

static bool vips_equal(const struct service *a, const struct service *b)
{
	for (unsigned int i = 0; i < a->n_vips; i++)
		if (!addr_equal(&a->vips[i].addr, &b->vips[i].addr) ||
			a->vips[i].ports.first != b->vips[i].ports.first ||
			a->vips[i].ports.last != b->vips[i].ports.last ||
			a->vips[i].host_bits != b->vips[i].host_bits)
			return false;
	return true;
}

static bool service_equal(const struct service *a, const struct service *b)
{
	return a->id == b->id && a->slot == b->slot && a->gen == b->gen && a->mode == b->mode &&
	       a->proto == b->proto && a->encap == b->encap && a->no_flow == b->no_flow &&
	       a->client_address == b->client_address && a->pool == b->pool &&
	       a->new_flows == b->new_flows && a->refuse == b->refuse && a->log == b->log &&
	       a->assigned == b->assigned && a->tied == b->tied && a->grows == b->grows &&
	       !memcmp(&a->syn_proxy, &b->syn_proxy, sizeof(a->syn_proxy)) &&
	       !memcmp(&a->proxy, &b->proxy, sizeof(a->proxy)) &&
	       a->persistence.scope == b->persistence.scope &&
	       a->persistence.timeout_ms == b->persistence.timeout_ms &&
	       a->persistence.prefix_v4 == b->persistence.prefix_v4 &&
	       a->persistence.prefix_v6 == b->persistence.prefix_v6 && a->guarded == b->guarded &&
	       a->access == b->access && a->trusted == b->trusted && a->monitor == b->monitor &&
	       source_rate_equal(&a->source_rate, &b->source_rate) && a->n_vips == b->n_vips &&
	       !strcmp(a->name, b->name) &&
	       !memcmp(&a->timeouts, &b->timeouts, sizeof(a->timeouts)) && vips_equal(a, b);
}

uint64_t model_group_scope(const char *group)
{
	char text[MODEL_NAME_MAX + 8];
	int n = snprintf(text, sizeof(text), "group/%s", group); /* no service has a slash */

	return model_id(text, (size_t)n);
}

/* Whether its new flows need more than a scheduler. */
static bool service_is_assigned(const struct build *b, const struct service *s)
{
	const struct pool *pool = b->m->pools[s->pool];

	return s->persistence.timeout_ms || pool->limited || pool->backup ||
	       s->source_rate.connections || b->m->source_rate.connections;
}

void service_unref(const struct service *shared, const struct model_sched *sched)
{
	struct service *s = (struct service *)(uintptr_t)shared;

	if (!s || --s->refs > 0)
		return;
	access_unref(s->access, sched);
	access_unref(s->trusted, sched);
	access_unref(s->monitor, sched);
	free(s);
}

/* The service of that slot in the former snapshot, whatever it was. */
static const struct service *former_service(const struct build *b, uint16_t slot)
{
	return b->previous ? b->previous->service[slot] : NULL;
}

/* Whether its servers are not Maglev's to name. */
static bool service_is_tied(const struct build *b, const struct service *s)
{
	const struct pool *pool = b->m->pools[s->pool];

	while (pool->backup && !pool->limited)
		pool = b->m->pools[pool->backup];
	return s->persistence.timeout_ms || pool->limited;
}

/* Whether some of its packets from IPv4 clients go to an IPv6 server. */
static bool service_grows(const struct build *b, const struct service *s)
{
	const struct pool *pool = b->m->pools[s->pool];

	for (; pool; pool = pool->backup ? b->m->pools[pool->backup] : NULL)
		for (unsigned int i = 0; i < pool->n_servers; i++)
			if (!addr_is_v4(&pool->servers[i].addr))
				return true;
	return false;
}

static struct service *service_create(struct build *b, unsigned int i)
{
	const struct service_conf *conf = &b->conf->services[i];
	struct service *s = calloc(1, sizeof(*s) + conf->n_vips * sizeof(s->vips[0]));
	const struct service *former;
	char path[64];

	if (!s)
		return NULL;
	snprintf(path, sizeof(path), "services[%u]", i);
	s->refs = 1;
	snprintf(s->name, sizeof(s->name), "%s", conf->name);
	s->id = model_id(conf->name, strlen(conf->name));
	s->slot = take_slot(
		b, SLOT_SERVICE, service_key(s->id, conf->mode, conf->proto), &s->gen, path);
	s->mode = (uint8_t)conf->mode;
	s->proto = conf->proto;
	s->encap = (uint8_t)conf->encap;
	s->no_flow = (uint8_t)conf->no_flow;
	s->client_address = (uint8_t)conf->client_address;
	s->pool = b->pool_slot[b->service_pool[i]];
	s->refuse = (uint8_t)conf->refuse;
	s->log = (uint8_t)conf->log;
	s->new_flows = conf->new_flows;
	s->persistence = (struct persistence){
		.scope = conf->persistence.group ? model_group_scope(conf->persistence.group)
						 : s->id,
		.timeout_ms = conf->persistence.timeout_ms,
		.prefix_v4 = conf->persistence.prefix_v4,
		.prefix_v6 = conf->persistence.prefix_v6,
	};
	s->source_rate = source_rate_of(&conf->source_rate, s->id);
	s->assigned = service_is_assigned(b, s);
	s->tied = service_is_tied(b, s);
	s->grows = service_grows(b, s);
	s->syn_proxy = conf->syn_proxy;
	s->proxy = conf->proxy;
	s->timeouts = conf->timeouts;
	s->n_vips = conf->n_vips;
	memcpy(s->vips, conf->vips, conf->n_vips * sizeof(s->vips[0]));
	former = former_service(b, s->slot);
	if (access_settle(&conf->access, former ? former->access : NULL, b->sched, &s->access) ||
		access_settle(
			&conf->trusted, former ? former->trusted : NULL, b->sched, &s->trusted) ||
		access_settle(
			&conf->monitor, former ? former->monitor : NULL, b->sched, &s->monitor)) {
		service_unref(s, b->sched);
		return NULL;
	}
	s->guarded = s->access || b->m->access;
	return s;
}

int services_build(struct build *b)
{
	struct model *m = b->m;

	for (unsigned int i = 0; i < b->conf->n_services; i++) {
		struct service *s = service_create(b, i);

		if (!s)
			return -ENOMEM;
		if (!s->slot) {
			service_unref(s, b->sched);
			return -EINVAL;
		}
		const struct service *former = former_service(b, s->slot);

		if (former && service_equal(former, s)) {
			service_unref(s, b->sched);
			s = (struct service *)(uintptr_t)former;
			s->refs++;
		}
		m->service[s->slot] = s;
		m->service_gen[s->slot] = s->gen;
		m->n_services++;
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building a snapshot from what the configuration says and from the snapshot before it.
 *
 * In this order: faults that concern several objects, slots for everything, pools (shared with the
 * previous snapshot or compiled), services (shared or copied), ports and routes, the index. Only
 * then are the slots committed. Pools and services belong to all snapshots that refer to them; the
 * control core alone counts the references.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_priv.h"

const char *mode_name(enum mode m)
{
	static const char *const names[MODE_ALL] = { [MODE_DR] = "dr",
		[MODE_NAT] = "nat",
		[MODE_FULLNAT] = "fullnat",
		[MODE_TUNNEL] = "tunnel",
		[MODE_MASQUERADE] = "masquerade",
		[MODE_NAT_PROXIED] = "nat",
		[MODE_FULLNAT_PROXIED] = "fullnat" };

	return m < MODE_ALL ? names[m] : "?";
}

bool mode_by_client(enum mode m)
{
	return m == MODE_NAT;
}

const char *admin_name(enum admin a)
{
	static const char *const names[] = {
		[ADMIN_ENABLED] = "enabled", [ADMIN_DRAIN] = "drain", [ADMIN_DISABLED] = "disabled"
	};

	return names[a];
}

/* Ids must be equal on every balancer, so their key is no secret and never changes. */
static uint64_t id_hash(const void *data, size_t len)
{
	static const struct hash_key key = { { UINT64_C(0x666169726c656164),
		UINT64_C(0x6e616d6573206f66) } };

	return hash_siphash(&key, data, len);
}

static uint64_t server_id(const char *pool, const char *server)
{
	char text[2 * MODEL_NAME_MAX];
	int n = snprintf(text, sizeof(text), "%s/%s", pool, server);

	return id_hash(text, (size_t)n);
}

/* What makes it the same server or service, for its slot. */
static uint64_t server_key(uint64_t id, const struct endpoint *e)
{
	struct {
		uint64_t id;
		struct addr addr;
		uint64_t port;
	} what = { id, e->addr, e->port };

	return id_hash(&what, sizeof(what));
}

static uint64_t service_key(uint64_t id, enum mode mode, uint8_t proto)
{
	uint64_t what[] = { id, (uint64_t)mode, proto };

	return id_hash(what, sizeof(what));
}

/* ---- names ---------------------------------------------------------------------------------- */

struct name {
	const char *name;
	unsigned int i; /* in the configuration */
};

struct names {
	struct name *list; /* sorted */
	unsigned int n;
	bool incomplete; /* some had none */
};

static int name_compare(const void *left, const void *right)
{
	const struct name *a = left, *b = right;
	int d = strcmp(a->name, b->name);

	return d ? d : (a->i > b->i) - (a->i < b->i);
}

/* stride: from one element's name to the next one's, so that pools, services and servers go the
 * same way. */
static int names_init(struct names *x, const char *const *first, size_t stride, unsigned int n)
{
	*x = (struct names){ .list = calloc(n + 1, sizeof(*x->list)) };
	if (!x->list)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		const char *name = *(const char *const *)((const char *)first + i * stride);

		if (name)
			x->list[x->n++] = (struct name){ name, i };
		else
			x->incomplete = true;
	}
	qsort(x->list, x->n, sizeof(*x->list), name_compare);
	return 0;
}

#define NAMES_INIT(x, array, n) names_init(x, &(array)->name, sizeof(*(array)), n)

/* Index in the configuration of the first of that name, or -1. */
static int names_find(const struct names *x, const char *name)
{
	unsigned int low = 0, high = x->n;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (strcmp(x->list[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < x->n && !strcmp(x->list[low].name, name) ? (int)x->list[low].i : -1;
}

/* prefix: "pools" or "pools[3].servers". */
static void names_check(const struct names *x, const char *prefix, struct faults *faults)
{
	char path[64];

	for (unsigned int i = 0; i < x->n; i++) {
		const struct name *name = &x->list[i];
		size_t len = strlen(name->name);

		snprintf(path, sizeof(path), "%s[%u].name", prefix, name->i);
		if (len == 0 || len >= MODEL_NAME_MAX || strchr(name->name, '/'))
			fault_add(faults, path, "a name has 1 to %d characters and no slash",
				MODEL_NAME_MAX - 1);
		else if (i > 0 && !strcmp(name[-1].name, name->name))
			fault_add(faults, path,
				"\"%s\" is the name of another one already, "
				"see %s[%u]",
				name->name, prefix, names_find(x, name->name));
	}
}

static void names_free(struct names *x)
{
	free(x->list);
	x->list = NULL;
}

/* The closest of the names, or NULL. */
static const char *names_closest(const struct names *x, const char *word)
{
	const char **list = calloc(x->n + 1, sizeof(*list));
	const char *best = NULL;

	if (list) {
		for (unsigned int i = 0; i < x->n; i++)
			list[i] = x->list[i].name;
		best = fault_closest(word, list);
	}
	free(list);
	return best;
}

/* ---- building ------------------------------------------------------------------------------- */

struct build {
	const struct model_conf *conf;
	const struct model *previous;
	const struct model_sched *sched;
	struct faults *faults;
	struct slot_plan *slots;
	struct names pools;
	struct model *m;
	unsigned int *service_pool; /* by service in the configuration: its pool there */
	int *backup;                /* by pool in the configuration: its backup there, or -1 */
	bool *want_maglev;          /* by pool in the configuration */
	uint16_t *pool_slot;        /* the same */
};

static void check_count(
	struct build *b, const char *path, unsigned int n, unsigned int slots, const char *what)
{
	if (n >= slots)
		fault_add(b->faults, path, "%u %s, the limit is %u", n, what, slots - 1);
}

static void unknown_pool(struct build *b, const char *path, const char *name)
{
	const char *guess = names_closest(&b->pools, name);

	fault_add(b->faults, path, "no pool is called \"%s\"%s%s%s", name,
		guess ? "; did you mean \"" : "", guess ? guess : "", guess ? "\"?" : "");
}

static void check_backups(struct build *b)
{
	char path[64];

	for (unsigned int i = 0; i < b->conf->n_pools; i++) {
		const char *backup = b->conf->pools[i].backup;

		b->backup[i] = backup ? names_find(&b->pools, backup) : -1;
		snprintf(path, sizeof(path), "pools[%u].backup", i);
		if (backup && b->backup[i] < 0 && !b->pools.incomplete)
			unknown_pool(b, path, backup);
	}
	chain_check(b->conf, b->backup, b->faults);
}

static int check_pools(struct build *b)
{
	const struct model_conf *conf = b->conf;
	unsigned int servers = 0;
	int rc = NAMES_INIT(&b->pools, conf->pools, conf->n_pools);

	check_count(b, "pools", conf->n_pools, MODEL_POOLS_MAX, "pools");
	if (rc)
		return rc;
	names_check(&b->pools, "pools", b->faults);
	check_backups(b);
	for (unsigned int i = 0; i < conf->n_pools; i++) {
		const struct pool_conf *pool = &conf->pools[i];
		struct names names;
		char path[64];

		servers += pool->n_servers;
		if (pool->scheduler && !b->sched->find(pool->scheduler)) {
			snprintf(path, sizeof(path), "pools[%u].scheduler", i);
			fault_add(
				b->faults, path, "no scheduler is called \"%s\"", pool->scheduler);
		}
		rc = NAMES_INIT(&names, pool->servers, pool->n_servers);
		if (rc)
			return rc;
		snprintf(path, sizeof(path), "pools[%u].servers", i);
		names_check(&names, path, b->faults);
		names_free(&names);
	}
	check_count(b, "pools", servers, MODEL_SERVERS_MAX, "servers in all");
	return 0;
}

static int check_services(struct build *b)
{
	const struct model_conf *conf = b->conf;
	struct names names;
	int rc = NAMES_INIT(&names, conf->services, conf->n_services);

	check_count(b, "services", conf->n_services, MODEL_SERVICES_MAX, "services");
	if (rc)
		return rc;
	names_check(&names, "services", b->faults);
	names_free(&names);
	for (unsigned int i = 0; i < conf->n_services; i++) {
		const struct service_conf *s = &conf->services[i];
		int pool = s->pool ? names_find(&b->pools, s->pool) : -1;
		char path[64];

		if (!s->pool || (pool < 0 && b->pools.incomplete))
			continue;
		if (pool >= 0) {
			b->service_pool[i] = (unsigned int)pool;
			b->want_maglev[pool] |= s->mode == MODE_DR || s->mode == MODE_TUNNEL;
			continue;
		}
		snprintf(path, sizeof(path), "services[%u].pool", i);
		unknown_pool(b, path, s->pool);
	}
	return index_check(conf, b->faults);
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
	s->effective_weight = conf->admin == ADMIN_ENABLED ? conf->weight : 0;
	s->admin = (uint8_t)conf->admin;
}

static bool server_equal(const struct server *a, const struct server *b)
{
	return a->slot == b->slot && a->gen == b->gen && a->id == b->id && a->port == b->port &&
	       addr_equal(&a->addr, &b->addr) && a->weight == b->weight && a->admin == b->admin &&
	       a->limit == b->limit && !strcmp(a->name, b->name) && a->n_sources == b->n_sources &&
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

static void pool_unref(const struct pool *shared, const struct model_sched *sched)
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
		b->pool_slot[i] = take_slot(b, SLOT_POOL, id_hash(name, strlen(name)), &gen, path);
	}
}

static int build_pools(struct build *b)
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
	       a->new_flows == b->new_flows && a->refuse == b->refuse &&
	       a->assigned == b->assigned && a->tied == b->tied && a->grows == b->grows &&
	       !memcmp(&a->syn_proxy, &b->syn_proxy, sizeof(a->syn_proxy)) &&
	       a->persistence.scope == b->persistence.scope &&
	       a->persistence.timeout_ms == b->persistence.timeout_ms &&
	       a->persistence.prefix_v4 == b->persistence.prefix_v4 &&
	       a->persistence.prefix_v6 == b->persistence.prefix_v6 && a->guarded == b->guarded &&
	       a->access == b->access && source_rate_equal(&a->source_rate, &b->source_rate) &&
	       a->n_vips == b->n_vips && !strcmp(a->name, b->name) &&
	       !memcmp(&a->timeouts, &b->timeouts, sizeof(a->timeouts)) && vips_equal(a, b);
}

uint64_t model_group_scope(const char *group)
{
	char text[MODEL_NAME_MAX + 8];
	int n = snprintf(text, sizeof(text), "group/%s", group); /* no service has a slash */

	return id_hash(text, (size_t)n);
}

/* Whether its new flows need more than a scheduler. */
static bool service_is_assigned(const struct build *b, const struct service *s)
{
	const struct pool *pool = b->m->pools[s->pool];

	return s->persistence.timeout_ms || pool->limited || pool->backup ||
	       s->source_rate.connections || b->m->source_rate.connections;
}

static void service_unref(const struct service *shared, const struct model_sched *sched)
{
	struct service *s = (struct service *)(uintptr_t)shared;

	if (!s || --s->refs > 0)
		return;
	access_unref(s->access, sched);
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
	s->id = id_hash(conf->name, strlen(conf->name));
	s->slot = take_slot(
		b, SLOT_SERVICE, service_key(s->id, conf->mode, conf->proto), &s->gen, path);
	s->mode = (uint8_t)conf->mode;
	s->proto = conf->proto;
	s->encap = (uint8_t)conf->encap;
	s->no_flow = (uint8_t)conf->no_flow;
	s->client_address = (uint8_t)conf->client_address;
	s->pool = b->pool_slot[b->service_pool[i]];
	s->refuse = (uint8_t)conf->refuse;
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
	s->timeouts = conf->timeouts;
	s->n_vips = conf->n_vips;
	memcpy(s->vips, conf->vips, conf->n_vips * sizeof(s->vips[0]));
	former = former_service(b, s->slot);
	if (access_settle(&conf->access, former ? former->access : NULL, b->sched, &s->access)) {
		free(s);
		return NULL;
	}
	s->guarded = s->access || b->m->access;
	return s;
}

static int build_services(struct build *b)
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

/* What the gateway's flows have for a service: slot 0, known to no index and no name. */
static int build_gateway(struct build *b)
{
	const struct model_conf *conf = b->conf;
	struct service *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->refs = 1;
	snprintf(s->name, sizeof(s->name), "gateway");
	s->mode = MODE_MASQUERADE;
	s->timeouts = conf->timeouts;
	b->m->service[0] = s;
	if (!gateway_wanted(&conf->gateway))
		return 0;
	b->m->gateway = gateway_build(conf);
	return b->m->gateway ? 0 : -errno;
}

/* What holds for every service. */
static int build_guard(struct build *b)
{
	static const char all[] = "all/services"; /* no service has a slash */

	b->m->source_rate = source_rate_of(&b->conf->source_rate, id_hash(all, sizeof(all) - 1));
	return access_settle(&b->conf->access, b->previous ? b->previous->access : NULL, b->sched,
		&b->m->access);
}

static int addr_order(const void *a, const void *b)
{
	return addr_compare(a, b);
}

/* Each of n addresses once, in order. */
static unsigned int addr_settle(struct addr *list, size_t n)
{
	unsigned int kept = 0;

	qsort(list, n, sizeof(*list), addr_order);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || !addr_equal(&list[i], &list[kept - 1]))
			list[kept++] = list[i];
	return kept;
}

static int network_order(const void *left, const void *right)
{
	const struct network_conf *a = left, *b = right;

	return a->host_bits != b->host_bits ? a->host_bits - b->host_bits
					    : addr_compare(&a->addr, &b->addr);
}

/* Each of n networks once, the smallest first. */
static unsigned int network_settle(struct network_conf *list, size_t n)
{
	unsigned int kept = 0;

	qsort(list, n, sizeof(*list), network_order);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || network_order(&list[i], &list[kept - 1]) != 0)
			list[kept++] = list[i];
	return kept;
}

/* What the services listen on. */
struct virtuals {
	struct addr *addr;              /* single addresses */
	struct network_conf *network;   /* whole networks */
	struct network_conf *by_client; /* of both, where a mode needs it: see PKT_CLIENT */
};

static int virtuals_collect(struct virtuals *v, const struct model_conf *conf, struct net_conf *net)
{
	size_t total = 1, n_addr = 0, n_network = 0, n_by_client = 0;

	for (unsigned int i = 0; i < conf->n_services; i++)
		total += conf->services[i].n_vips;
	v->addr = calloc(total, sizeof(*v->addr));
	v->network = calloc(total, sizeof(*v->network));
	v->by_client = calloc(total, sizeof(*v->by_client));
	if (!v->addr || !v->network || !v->by_client)
		return -ENOMEM;
	for (unsigned int i = 0; i < conf->n_services; i++)
		for (unsigned int j = 0; j < conf->services[i].n_vips; j++) {
			const struct vip *vip = &conf->services[i].vips[j];
			const struct network_conf whole = { vip->addr, vip->host_bits };

			if (vip->host_bits)
				v->network[n_network++] = whole;
			else
				v->addr[n_addr++] = vip->addr;
			if (mode_by_client(conf->services[i].mode))
				v->by_client[n_by_client++] = whole;
		}
	net->virtuals = v->addr;
	net->n_virtuals = addr_settle(v->addr, n_addr);
	net->networks = v->network;
	net->n_networks = network_settle(v->network, n_network);
	net->by_client = v->by_client;
	net->n_by_client = network_settle(v->by_client, n_by_client);
	return 0;
}

static void virtuals_free(struct virtuals *v)
{
	free(v->addr);
	free(v->network);
	free(v->by_client);
}

/* The servers', and those the configuration of the net has by itself. */
static struct addr *all_sources(const struct model_conf *conf, unsigned int *n)
{
	size_t total = conf->net.n_sources, k = 0;
	struct addr *list;

	for (unsigned int i = 0; i < conf->n_pools; i++)
		for (unsigned int j = 0; j < conf->pools[i].n_servers; j++)
			total += conf->pools[i].servers[j].n_sources;
	list = calloc(total + 1, sizeof(*list));
	if (!list)
		return NULL;
	for (unsigned int i = 0; i < conf->net.n_sources; i++)
		list[k++] = conf->net.sources[i];
	for (unsigned int i = 0; i < conf->n_pools; i++)
		for (unsigned int j = 0; j < conf->pools[i].n_servers; j++) {
			const struct server_conf *s = &conf->pools[i].servers[j];

			for (unsigned int l = 0; l < s->n_sources; l++)
				list[k++] = s->sources[l];
		}
	*n = addr_settle(list, k);
	return list;
}

/* The outside addresses of servers. */
static struct addr *all_mapped(const struct model_conf *conf, unsigned int *n)
{
	struct addr *list = calloc(conf->gateway.n_pairs + 1, sizeof(*list));

	for (unsigned int i = 0; list && i < conf->gateway.n_pairs; i++)
		list[i] = conf->gateway.pairs[i].outside;
	*n = conf->gateway.n_pairs;
	return list;
}

/* Ports, routes, each virtual address, each source and each outside address once. */
static int build_net(struct build *b)
{
	struct net_conf net = b->conf->net;
	struct virtuals virtuals = { 0 };
	struct addr *sources = all_sources(b->conf, &net.n_sources);
	struct addr *mapped = all_mapped(b->conf, &net.n_mapped);

	net.sources = sources;
	net.mapped = mapped;
	net.gateway = gateway_wanted(&b->conf->gateway);
	if (sources && mapped && virtuals_collect(&virtuals, b->conf, &net) == 0)
		b->m->net = net_table_build(&net, b->previous ? b->previous->net : NULL, b->faults);
	free(mapped);
	virtuals_free(&virtuals);
	free(sources);
	if (b->m->net)
		return 0;
	return b->faults->errors ? -EINVAL : -ENOMEM;
}

/* All faults of the configuration, in one pass. */
static int check_all(struct build *b)
{
	const struct model_conf *conf = b->conf;
	int rc;

	b->service_pool = calloc(conf->n_services + 1, sizeof(*b->service_pool));
	b->backup = calloc(conf->n_pools + 1, sizeof(*b->backup));
	b->want_maglev = calloc(conf->n_pools + 1, sizeof(*b->want_maglev));
	b->pool_slot = calloc(conf->n_pools + 1, sizeof(*b->pool_slot));
	if (!b->service_pool || !b->backup || !b->want_maglev || !b->pool_slot)
		return -ENOMEM;
	net_conf_check(&conf->net, b->faults);
	gateway_check(conf, b->faults);
	rc = access_check(conf, b->faults);
	if (!rc)
		rc = check_pools(b);
	if (!rc)
		rc = check_services(b);
	if (rc)
		return rc;
	if (b->faults->errors)
		return -EINVAL;
	for (unsigned int i = 0; i < conf->n_pools; i++)
		for (int at = b->backup[i]; b->want_maglev[i] && at >= 0; at = b->backup[at])
			b->want_maglev[at] = true;
	return 0;
}

/* Whether every slot has the generation that it had. */
static bool same_generations(const struct model *a, const struct model *b)
{
	return memcmp(a->service_gen, b->service_gen, sizeof(a->service_gen)) == 0 &&
	       memcmp(a->server_gen, b->server_gen, sizeof(a->server_gen)) == 0;
}

static int build_all(struct build *b, struct model_slots *slots, const struct model_idle *idle)
{
	int rc = check_all(b);

	if (rc)
		return rc;
	b->m = calloc(1, sizeof(*b->m));
	if (!b->m)
		return -ENOMEM;
	rc = build_net(b);
	if (rc)
		return rc;
	b->slots = slots_begin(slots, idle);
	if (!b->slots)
		return -ENOMEM;
	b->m->version = b->previous ? b->previous->version + 1 : 1;
	b->m->cluster_key = b->conf->cluster_key;
	memcpy(b->m->new_flows, b->conf->new_flows, sizeof(b->m->new_flows));
	rc = build_guard(b);
	if (!rc)
		rc = build_pools(b);
	if (!rc)
		rc = build_services(b);
	if (!rc)
		rc = build_gateway(b);
	if (rc)
		return rc;
	b->m->index = index_build(b->m);
	if (!b->m->index)
		return -ENOMEM;
	rc = by_address_build(b->m);
	if (rc)
		return rc;
	if (b->previous)
		b->m->generations = b->previous->generations + !same_generations(b->previous, b->m);
	slots_commit(b->slots);
	b->slots = NULL;
	return 0;
}

/* Hands the faults found over and frees what building needed. */
static void build_end(struct build *b, int rc, struct faults *faults)
{
	struct faults *own = b->faults;

	if (b->slots)
		slots_abort(b->slots);
	names_free(&b->pools);
	free(b->service_pool);
	free(b->backup);
	free(b->want_maglev);
	free(b->pool_slot);
	if (rc && !own->errors)
		fault_add(own, "", "cannot be built: %s", strerror(-rc));
	for (size_t i = 0; i < own->n; i++)
		(own->list[i].warning ? fault_warn : fault_add)(
			faults, own->list[i].path, "%s", own->list[i].text);
	faults_free(own);
}

bool model_check(
	const struct model_conf *conf, const struct model_sched *sched, struct faults *faults)
{
	struct faults own = { 0 }; /* those that were there before are not ours */
	struct build b = { .conf = conf, .sched = sched, .faults = &own };
	int rc = check_all(&b);

	build_end(&b, rc, faults);
	return rc == 0;
}

struct model *model_build(const struct model_conf *conf, struct model_slots *slots,
	const struct model *previous, const struct model_idle *idle,
	const struct model_sched *sched, struct faults *faults)
{
	struct faults own = { 0 };
	struct build b = { .conf = conf, .previous = previous, .sched = sched, .faults = &own };
	int rc = build_all(&b, slots, idle);

	if (rc) {
		model_free(b.m, sched);
		b.m = NULL;
	}
	build_end(&b, rc, faults);
	if (rc)
		errno = -rc;
	return b.m;
}

void model_free(struct model *m, const struct model_sched *sched)
{
	if (!m)
		return;
	index_free(m->index);
	gateway_free(m->gateway);
	free(m->by_address);
	for (unsigned int i = 0; i < MODEL_SERVICES_MAX; i++)
		service_unref(m->service[i], sched);
	access_unref(m->access, sched);
	for (unsigned int i = 0; i < MODEL_POOLS_MAX; i++)
		pool_unref(m->pools[i], sched);
	if (m->net)
		net_table_free(m->net);
	free(m);
}

/* ---- by name -------------------------------------------------------------------------------- */

const struct service *model_service_by_name(const struct model *m, const char *name)
{
	for (unsigned int i = 1; i < MODEL_SERVICES_MAX; i++)
		if (m->service[i] && !strcmp(m->service[i]->name, name))
			return m->service[i];
	return NULL;
}

const struct pool *model_pool_by_name(const struct model *m, const char *name)
{
	for (unsigned int i = 0; i < MODEL_POOLS_MAX; i++)
		if (m->pools[i] && !strcmp(m->pools[i]->name, name))
			return m->pools[i];
	return NULL;
}

const struct server *model_server_by_name(
	const struct model *m, const char *pool, const char *server)
{
	const struct pool *p = model_pool_by_name(m, pool);

	for (unsigned int i = 0; p && i < p->n_servers; i++)
		if (!strcmp(p->servers[i].name, server))
			return &p->servers[i];
	return NULL;
}

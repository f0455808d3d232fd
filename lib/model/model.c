/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Building a snapshot from what the configuration says and from the snapshot before it.
 *
 * In this order: faults that concern several objects, slots for everything, pools (shared with the
 * previous snapshot or compiled), services (shared or copied), ports and routes, the index. Only
 * then are the slots committed. Pools and services (objects.c) belong to all snapshots that refer
 * to them; the control core alone counts the references.
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
		[MODE_FULLNAT_PROXIED] = "fullnat",
		[MODE_TCP] = "tcp" };

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

/* ---- names ---------------------------------------------------------------------------------- */

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

	b->m->source_rate = source_rate_of(&b->conf->source_rate, model_id(all, sizeof(all) - 1));
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
		rc = pools_build(b);
	if (!rc)
		rc = services_build(b);
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

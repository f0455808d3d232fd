/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one door through which a change reaches the workers.
 *
 *   config_apply()  document -> config -> model; on success all three are what is in force
 *   config_poll()   publishes the model, unless one was published less than 10 ms ago; then
 * announces addresses that are new and has flows swept whose service or server is gone or whose
 * client is now kept out
 *
 * A model that is not published yet when the next one is built is dropped; nobody has seen it.
 * Slots and generations are those of the last model built, published or not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "base/log.h"
#include "config.h"
#include "config_priv.h"
#include "schema.h"
#include "steering.h"
#include "tally.h"

#define PUBLISH_INTERVAL_MS 10

/* A sweep of orphaned flows by one worker. */
struct sweep {
	struct worker_request request;
	bool posted; /* the worker has the request */
	bool wanted; /* to be posted as soon as it is free */
};

struct config_change {
	struct model *pending; /* built, not published; NULL: none */
	uint64_t published_ms; /* when the last one was */
	bool published;
	unsigned int n_sweeps;
	struct sweep sweeps[]; /* by worker */
};

static struct config_change *change_get(struct config_target *t)
{
	unsigned int n = t->workers ? t->workers->n : 0;

	if (!t->change) {
		t->change = calloc(1, sizeof(*t->change) + n * sizeof(t->change->sweeps[0]));
		if (t->change)
			t->change->n_sweeps = n;
	}
	return t->change;
}

const struct model *config_model(const struct config_target *t)
{
	return t->change && t->change->pending ? t->change->pending : t->snapshot->model;
}

/* ---- what is fixed until restart ------------------------------------------------------------ */

/* A member as it counts: its own value, else what the schema gives it. */
static bool member_equal(const struct schema *s, const json_t *rule, const json_t *a,
	const json_t *b, const char *key)
{
	const json_t *x = schema_get(s, rule, a, key), *y = schema_get(s, rule, b, key);
	const json_t *keys = json_object_get(schema_key(s, rule, key), "keys");
	const json_t *sub;
	const char *name;

	if (!keys)
		return (!x && !y) || json_equal((json_t *)(uintptr_t)x, (json_t *)(uintptr_t)y);
	json_object_foreach ((json_t *)(uintptr_t)keys, name, sub)
		if (!member_equal(s, schema_key(s, rule, key), x, y, name))
			return false;
	return true;
}

static void check_members(
	const struct config *now, const struct config *next, struct faults *faults)
{
	const struct schema *s = next->schema;
	const json_t *rule = json_object_get(json_object_get(s->doc, "types"), "config");
	const json_t *member;
	const char *key;

	json_object_foreach (json_object_get(rule, "keys"), key, member) {
		if (!json_is_true(json_object_get(member, "restart")))
			continue;
		/* The default of "control" is what the machine has. */
		bool equal = !strcmp(key, "control")
				     ? now->control == next->control
				     : member_equal(s, rule, now->doc, next->doc, key);
		if (!equal)
			fault_add(faults, key,
				"differs from the running configuration, and a change "
				"of it needs a restart");
	}
}

/* The list of devices goes over, copied: the former configuration will be freed. */
static bool keep_devices(const struct config *now, struct config *next)
{
	unsigned int n = now->n_devices;
	const char **devices = arena_alloc(next->arena, n, sizeof(*devices));
	uint16_t *mtu = arena_alloc(next->arena, n, sizeof(*mtu));

	for (unsigned int i = 0; devices && mtu && i < n; i++) {
		char *name = arena_alloc(next->arena, strlen(now->devices[i]) + 1, 1);

		if (!name)
			return false;
		devices[i] = strcpy(name, now->devices[i]);
		mtu[i] = now->device_mtu[i];
	}
	next->devices = devices;
	next->device_mtu = mtu;
	next->n_devices = n;
	return devices && mtu;
}

/* The kernel's interfaces are made at start; ports may come to theirs, and leave them. */
static bool kernel_is_open(const struct config_target *t, const char *interface)
{
	if (t->nics)
		return kernel_has(t->kernel, interface);
	for (unsigned int i = 0; i < t->config->n_kernels; i++)
		if (!strcmp(t->config->kernels[i].interface, interface))
			return true;
	return false;
}

/* Devices are opened at start with their MTU; ports find theirs by its name, whatever the order now
 * is. */
static void bind_devices(const struct config_target *t, struct config *next, struct faults *faults)
{
	const struct config *now = t->config;
	struct port_conf *ports = (struct port_conf *)(uintptr_t)next->model.net.ports;
	char path[48];

	for (unsigned int i = 0; i < next->model.net.n_ports; i++) {
		const char *device = next->devices[ports[i].nic];
		unsigned int k = 0;
		uint16_t mtu;

		while (k < now->n_devices && strcmp(now->devices[k], device) != 0)
			k++;
		if (k == now->n_devices) {
			snprintf(path, sizeof(path), "ports[%u].device", i);
			fault_add(faults, path, "\"%s\" is not open; a new device needs a restart",
				device);
			continue;
		}
		ports[i].nic = (uint8_t)k;
		mtu = t->nics ? t->nics[k]->mtu : now->device_mtu[k];
		if (ports[i].mtu <= mtu)
			continue;
		snprintf(path, sizeof(path), "ports[%u].mtu", i);
		fault_add(faults, path, "the device was opened for %u bytes; more needs a restart",
			mtu);
	}
	for (unsigned int i = 0; i < next->n_kernels; i++) {
		const struct kernel_conf *k = &next->kernels[i];

		if (kernel_is_open(t, k->interface))
			continue;
		snprintf(path, sizeof(path), "ports[%u].kernel.interface", k->port);
		fault_add(faults, path, "\"%s\" is not open; a new interface needs a restart",
			k->interface);
	}
	if (!keep_devices(now, next))
		fault_add(faults, "", "out of memory");
}

/* ---- from configuration to model ------------------------------------------------------------ */

/* MAC addresses of the ports and administrative state of the servers: what the document does not
 * say. */
static void fill_in(const struct config_target *t, struct config *c)
{
	struct port_conf *ports = (struct port_conf *)(uintptr_t)c->model.net.ports;

	for (unsigned int i = 0; i < c->model.net.n_ports; i++)
		if (t->nics && ports[i].nic < t->n_nics)
			ports[i].mac = t->nics[ports[i].nic]->mac;
	for (unsigned int i = 0; t->admin && i < c->model.n_pools; i++) {
		const struct pool_conf *pool = &c->model.pools[i];
		struct server_conf *servers = (struct server_conf *)(uintptr_t)pool->servers;

		for (unsigned int j = 0; j < pool->n_servers; j++)
			servers[j].admin = admin_get(t->admin, pool->name, servers[j].name);
	}
}

static struct model *build(struct config_target *t, const struct config *c, struct faults *faults)
{
	struct model_idle idle;

	if (t->workers)
		idle = workers_idle(t->workers);
	return model_build(&c->model, t->slots, config_model(t), t->workers ? &idle : NULL,
		&config_sched, faults);
}

/* ---- publishing ----------------------------------------------------------------------------- */

static const struct port *port_by_name(const struct net_table *t, const char *name)
{
	for (unsigned int i = 0; i < net_port_count(t); i++)
		if (!strcmp(net_port(t, (uint8_t)i)->name, name))
			return net_port(t, (uint8_t)i);
	return NULL;
}

/* Whether the port answers for an address that it did not answer for before. */
static bool port_has_news(
	const struct net_table *now, const struct net_table *next, const struct port *p)
{
	const struct port *was = port_by_name(now, p->name);

	if (!was || was->nic != p->nic || was->vlan != p->vlan)
		return true;
	for (unsigned int i = 0; i < p->n_addresses; i++)
		if (!net_answers(now, &p->addresses[i].addr, was->id))
			return true;
	for (unsigned int i = 0; i < net_further_count(next); i++)
		if (net_answers(next, net_further(next, i), p->id) &&
			!net_answers(now, net_further(next, i), was->id))
			return true;
	return false;
}

/* Which ports to announce: bit by port. Before the first model, and without neighbours: none. */
static uint64_t ports_with_news(const struct model *now, const struct model *next)
{
	uint64_t news = 0;

	for (unsigned int i = 0; i < net_port_count(next->net); i++)
		if (!now || port_has_news(now->net, next->net, net_port(next->net, (uint8_t)i)))
			news |= UINT64_C(1) << i;
	return news;
}

/* Whether flows of the former model may have lost their service or server. */
static bool has_orphans(const struct model *now, const struct model *next)
{
	if (!now)
		return false;
	for (unsigned int i = 0; i < MODEL_SERVICES_MAX; i++)
		if (now->service_gen[i] && now->service_gen[i] != next->service_gen[i])
			return true;
	for (unsigned int i = 0; i < MODEL_SERVERS_MAX; i++)
		if (now->server_gen[i] && now->server_gen[i] != next->server_gen[i])
			return true;
	return false;
}

/* Whether flows of a service may have to end sooner than their timers were set for. */
static bool has_shorter_timeouts(const struct model *now, const struct model *next)
{
	for (unsigned int i = 0; now && i < MODEL_SERVICES_MAX; i++) {
		const struct service *was = now->service[i], *is = next->service[i];

		if (was && is && memcmp(&was->timeouts, &is->timeouts, sizeof(is->timeouts)) != 0)
			return true;
	}
	return false;
}

/* Whether clients that have flows may be kept out now. A list that lets in more is swept for too.
 */
static bool has_other_access(const struct model *now, const struct model *next)
{
	if (!now)
		return false;
	if (next->access && now->access != next->access)
		return true;
	for (unsigned int i = 0; i < MODEL_SERVICES_MAX; i++) {
		const struct service *was = now->service[i], *is = next->service[i];

		if (was && is && is->access && was->access != is->access)
			return true;
	}
	return false;
}

/*
 * Neighbours on ports and networks that the new table has no more are forgotten before it is
 * published, so that no worker finds them by it, and again after, for those a worker asked for
 * meanwhile by the old one.
 */
static void change_neighbours(struct config_target *t, const struct net_table *table)
{
	struct net_worker *control = t->workers->net[t->workers->n];

	control->table = table;
	neigh_table_changed(t->neigh, control);
}

static void announce(struct config_target *t, const struct net_table *table, uint64_t news)
{
	for (unsigned int i = 0; i < net_port_count(table); i++)
		if (news & UINT64_C(1) << i)
			neigh_announce(t->neigh, (uint8_t)i);
}

/* Makes the pending model the published one. 0 or -errno, and then it is still pending. */
static int publish(struct config_target *t, uint64_t now_ms)
{
	struct config_change *change = t->change;
	struct model *next = change->pending;
	uint64_t news = ports_with_news(t->snapshot->model, next);
	const struct model *now = t->snapshot->model;
	bool readdressed = !now || now->net != next->net;
	bool sweep = has_orphans(now, next) || has_shorter_timeouts(now, next) ||
		     has_other_access(now, next) || (now && (readdressed || now->gateway));
	bool net = t->neigh && t->workers && readdressed;
	int rc = tally_change(t, now, next);

	if (rc)
		return rc;
	if (net)
		change_neighbours(t, next->net);
	rc = snapshot_publish(t->snapshot, next, t->rcu, &config_sched);
	if (rc) {
		/* The next change may free what is pending. */
		if (net && now)
			change_neighbours(t, now->net);
		return rc;
	}
	change->pending = NULL;
	if (net && t->kernel)
		kernel_sync(t->kernel, next->net);
	change->published = true;
	change->published_ms = now_ms;
	if (net)
		change_neighbours(t, next->net);
	if (t->neigh)
		announce(t, next->net, news);
	for (unsigned int i = 0; sweep && i < change->n_sweeps; i++)
		change->sweeps[i].wanted = true;
	return 0;
}

/* Posts what waits; returns how many workers still sweep. */
static unsigned int sweeps_poll(struct config_target *t)
{
	unsigned int under_way = 0;

	for (unsigned int i = 0; i < t->change->n_sweeps; i++) {
		struct sweep *s = &t->change->sweeps[i];

		if (s->posted && request_done(&s->request))
			s->posted = false;
		if (s->wanted && !s->posted) {
			s->request = (struct worker_request){
				.kind = REQUEST_SWEEP,
				.filter = { .any_client = true },
			};
			if (request_post(t->workers->worker[i], &s->request) == 0) {
				s->posted = true;
				s->wanted = false;
			}
		}
		under_way += s->posted || s->wanted;
	}
	return under_way;
}

/* ---- the door ------------------------------------------------------------------------------- */

int config_apply(struct config_target *t, const json_t *doc, struct faults *faults)
{
	struct config_change *change = change_get(t);
	struct faults own = { 0 }; /* those that were there before are not ours */
	struct config *c = NULL;
	struct model *m = NULL;
	int rc = -EINVAL;

	if (!change) {
		fault_add(&own, "", "out of memory");
		rc = -ENOMEM;
		goto out;
	}
	c = config_read(doc ? doc : t->running, &own);
	if (c && t->config) {
		check_members(t->config, c, &own);
		bind_devices(t, c, &own);
	}
	if (!c || own.errors)
		goto out;
	fill_in(t, c);
	if (t->connlog && connlog_prepare(t->connlog, &c->connlog, &own) < 0)
		goto out;
	m = build(t, c, &own);
	if (!m)
		goto out;
	if (t->steering && t->config)
		steering_warn(t->steering, t->config, c, &own);

	if (change->pending)
		model_free(change->pending, &config_sched);
	change->pending = m;
	if (!t->snapshot->model && (rc = publish(t, 0)) != 0) {
		change->pending = NULL;
		fault_add(&own, "", "cannot be published: %s", strerror(-rc));
		goto out;
	}
	if (t->connlog)
		connlog_commit(t->connlog);
	json_incref(c->doc);
	json_decref(t->running);
	t->running = c->doc;
	config_free(t->config);
	t->config = c;
	if (t->steering)
		steering_changed(t->steering, t->config);
	c = NULL;
	m = NULL;
	rc = 0;
out:
	if (t->connlog)
		connlog_cancel(t->connlog);
	if (m)
		model_free(m, &config_sched);
	config_free(c);
	for (size_t i = 0; i < own.n; i++)
		(own.list[i].warning ? fault_warn : fault_add)(
			faults, own.list[i].path, "%s", own.list[i].text);
	faults_free(&own);
	return rc;
}

unsigned int config_poll(struct config_target *t, uint64_t now_ms)
{
	struct config_change *change = t->change;
	unsigned int work;
	int rc;

	rc = t->admin ? admin_save(t->admin) : 0;
	if (rc)
		log_error("administrative state is not saved: %s", strerror(-rc));
	if (!change)
		return 0;
	work = sweeps_poll(t) + (change->pending != NULL);
	if (change->pending && now_ms - change->published_ms >= PUBLISH_INTERVAL_MS) {
		rc = publish(t, now_ms);
		if (rc) {
			log_error("a change is not published yet: %s", strerror(-rc));
			change->published_ms = now_ms; /* so the next try is not at once */
		}
	}
	return work;
}

void config_target_clear(struct config_target *t)
{
	if (t->change && t->change->pending)
		model_free(t->change->pending, &config_sched);
	if (t->snapshot) {
		model_free(t->snapshot->model, &config_sched);
		t->snapshot->model = NULL;
	}
	free(t->change);
	tally_free(t);
	config_free(t->config);
	json_decref(t->running);
	t->change = NULL;
	t->config = NULL;
	t->running = NULL;
}

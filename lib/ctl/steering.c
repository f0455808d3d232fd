/* SPDX-License-Identifier: BSD-3-Clause */
/* How packets reach their worker; see steering.h. */
#include "steering.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* ---- sides ---------------------------------------------------------------------------------- */

/* Keeps the nic if its prefix is the longest so far. */
static void nearer(const struct prefix *p, const struct addr *a, uint8_t nic, int *len, int *best)
{
	const struct prefix net = prefix_network(p);

	if (prefix_contains(&net, a) && net.len > *len) {
		*len = net.len;
		*best = nic;
	}
}

/* The nic on one of whose networks the address is, or -1. */
static int nic_on(const struct net_conf *net, const struct addr *a, int *len)
{
	int best = -1;

	for (unsigned int i = 0; i < net->n_ports; i++)
		for (unsigned int j = 0; j < net->ports[i].n_addresses; j++)
			nearer(&net->ports[i].addresses[j], a, net->ports[i].nic, len, &best);
	return best;
}

/* The nic through which the address is reached, or -1: as net_route() will say. */
static int nic_toward(const struct net_conf *net, const struct addr *a)
{
	int len = -1, best = nic_on(net, a, &len);

	for (unsigned int i = 0; i < net->n_routes; i++) {
		const struct route_conf *r = &net->routes[i];
		int via_len = -1;
		int nic = r->port != NET_PORT_NONE ? net->ports[r->port].nic
						   : nic_on(net, &r->via, &via_len);

		if (nic >= 0)
			nearer(&r->to, a, (uint8_t)nic, &len, &best);
	}
	for (unsigned int i = 0; best < 0 && i < net->n_ports; i++)
		for (unsigned int j = 0; j < net->ports[i].n_gateways; j++)
			if (addr_is_v4(&net->ports[i].gateways[j]) == addr_is_v4(a))
				best = net->ports[i].nic;
	return best;
}

static const struct pool_conf *pool_named(const struct model_conf *m, const char *name)
{
	for (unsigned int i = 0; name && i < m->n_pools; i++)
		if (!strcmp(m->pools[i].name, name))
			return &m->pools[i];
	return NULL;
}

/* Each nic that leads to a server whose answers pass here: of the service's pool and of those that
 * stand in for it. False if one of them is not known. */
static bool mark_inside(const struct config *c, const struct service_conf *s, bool *inside)
{
	const struct model_conf *m = &c->model;
	const struct pool_conf *pool = pool_named(m, s->pool);

	/* A circle of backups is a fault of its own. */
	for (unsigned int n = 0; pool && n < m->n_pools; n++) {
		for (unsigned int j = 0; j < pool->n_servers; j++) {
			int nic = nic_toward(&m->net, &pool->servers[j].endpoint.addr);

			if (nic < 0)
				return false;
			inside[nic] = true;
		}
		pool = pool_named(m, pool->backup);
	}
	return true;
}

/* Each nic on which clients are known to arrive. */
static void mark_outside(const struct config *c, bool *outside)
{
	const struct model_conf *m = &c->model;

	for (unsigned int i = 0; i < m->net.n_ports; i++)
		if (m->net.ports[i].n_gateways)
			outside[m->net.ports[i].nic] = true;
	for (unsigned int i = 0; i < m->n_services; i++)
		for (unsigned int j = 0; j < m->services[i].n_vips; j++) {
			int len = -1, nic = nic_on(&m->net, &m->services[i].vips[j].addr, &len);

			if (nic >= 0)
				outside[nic] = true;
		}
}

bool steering_sides(const struct config *c, uint8_t *hash)
{
	const struct model_conf *m = &c->model;
	bool inside[NIC_MAX] = { false }, outside[NIC_MAX] = { false }, wanted = false;

	/* The servers' own flows enter toward clients, and their answers toward servers. */
	if (json_object_get(c->doc, "gateway"))
		return false;
	for (unsigned int i = 0; i < m->n_services; i++) {
		const struct service_conf *s = &m->services[i];

		if (s->mode == MODE_FULLNAT || s->mode == MODE_TCP)
			return false;
		if (!mode_by_client(s->mode))
			continue;
		wanted = true;
		if (!mark_inside(c, s, inside))
			return false;
	}
	mark_outside(c, outside);
	for (unsigned int i = 0; i < c->n_devices; i++) {
		if (inside[i] && outside[i])
			return false;
		hash[i] = inside[i] ? NIC_HASH_DESTINATION : NIC_HASH_SOURCE;
	}
	return wanted;
}

/* ---- at start ------------------------------------------------------------------------------- */

static int keep_software(struct steering *s, const struct config *c, struct faults *faults)
{
	s->way = STEER_SOFTWARE;
	memset(s->hash, NIC_HASH_NONE, sizeof(s->hash));
	if (c->steering != STEERING_NIC)
		return 0;
	fault_add(faults, "steering",
		"\"nic\" is not possible: %s; needed is \"auto\" or \"software\", or other devices",
		s->why);
	return -EINVAL;
}

int steering_plan(struct steering *s, const struct config *c,
	const struct nic_profile *const *profiles, struct faults *faults)
{
	unsigned int hashes[NIC_MAX];
	bool split;

	*s = (struct steering){ .way = STEER_SOFTWARE };
	if (c->n_workers == 1 || c->steering == STEERING_SOFTWARE)
		return 0;
	for (unsigned int i = 0; i < c->n_devices; i++) {
		char why[128];

		hashes[i] = nic_device_hashes(c->devices[i], i, profiles ? profiles[i] : NULL,
			(uint16_t)c->n_workers, why, sizeof(why));
		if (hashes[i])
			continue;
		snprintf(s->why, sizeof(s->why), "%s: %s", c->devices[i], why);
		return keep_software(s, c, faults);
	}
	split = steering_sides(c, s->hash);
	for (unsigned int i = 0; i < c->n_devices; i++)
		split = split && (hashes[i] & 1u << s->hash[i]);
	s->way = split ? STEER_SPLIT : STEER_TUPLE;
	for (unsigned int i = 0; !split && i < c->n_devices; i++)
		s->hash[i] = NIC_HASH_TUPLE;
	return 0;
}

int steering_settle(
	struct steering *s, const struct config *c, struct nic *const *nics, struct faults *faults)
{
	for (unsigned int i = 0; s->way != STEER_SOFTWARE && i < c->n_devices; i++) {
		if (nics[i]->hash == s->hash[i])
			continue;
		snprintf(s->why, sizeof(s->why), "%s: %s", c->devices[i], nics[i]->hash_why);
		return keep_software(s, c, faults);
	}
	return 0;
}

void steering_use(
	const struct steering *s, struct workers *all, struct nic *const *nics, unsigned int n_nics)
{
	static const char *const ways[] = { "in software",
		"by nics, which hash addresses and ports",
		"by nics, which hash the client's address and port" };

	if (all->n == 1)
		return;
	steer_use(all->steer, all->n, s->way, nics, n_nics);
	log_info("packets are steered to workers %s%s%s%s", ways[s->way], s->why[0] ? " (" : "",
		s->why, s->why[0] ? ")" : "");
}

/* ---- later ---------------------------------------------------------------------------------- */

/* Whether an address has services of modes whose answers need the client's end for their owner, or
 * of others. */
static bool serves(const struct config *c, const struct vip *v, bool by_client)
{
	const struct model_conf *m = &c->model;

	for (unsigned int i = 0; i < m->n_services; i++) {
		const struct service_conf *s = &m->services[i];

		for (unsigned int j = 0; j < s->n_vips && mode_by_client(s->mode) == by_client; j++)
			if (s->vips[j].host_bits == v->host_bits &&
				addr_equal(&s->vips[j].addr, &v->addr))
				return true;
	}
	return false;
}

void steering_warn(const struct steering *s, const struct config *from, const struct config *to,
	struct faults *faults)
{
	const struct model_conf *m = &to->model;

	for (unsigned int i = 0; s->way == STEER_TUPLE && i < m->n_services; i++)
		for (unsigned int j = 0; j < m->services[i].n_vips; j++) {
			const struct vip *v = &m->services[i].vips[j];
			const bool nat = serves(to, v, true);
			char path[64], text[PREFIX_TEXT];
			const struct prefix p = vip_prefix(v);

			if (mode_by_client(m->services[i].mode) != nat ||
				serves(from, v, true) == nat || !serves(from, v, false))
				continue;
			snprintf(path, sizeof(path), "services[%u].address", i);
			prefix_format(&p, text);
			fault_warn(faults, path,
				"%s %s mode nat by this: nics then bring its connections to other "
				"workers, and those of other modes that there are end",
				text, nat ? "gets" : "is left by");
		}
}

void steering_changed(struct steering *s, const struct config *c)
{
	uint8_t hash[NIC_MAX] = { 0 };

	if (s->way != STEER_SPLIT || s->told_changed ||
		(steering_sides(c, hash) && !memcmp(hash, s->hash, c->n_devices)))
		return;
	s->told_changed = true;
	log_warn("steering: nics were told at start to hash the client's end of packets, by which "
		 "not all of this configuration's reach their worker; the others are handed over. "
		 "A restart chooses anew");
}

static bool lies(const struct workers *all, const struct nic *nic)
{
	bool found = false;

	for (unsigned int i = 0; nic->hash != NIC_HASH_NONE && i < all->n; i++)
		found |= steer_nic_lies(all->steer[i], nic->id);
	return found;
}

void steering_look(
	struct steering *s, const struct workers *all, struct nic *const *nics, unsigned int n_nics)
{
	for (unsigned int i = 0; s->way != STEER_SOFTWARE && i < n_nics; i++) {
		if (s->told_lies[i] || !lies(all, nics[i]))
			continue;
		s->told_lies[i] = true;
		log_warn("%s: the hash that comes with packets is wrong, and is computed instead",
			nics[i]->device);
	}
}

const char *steering_text(const struct workers *all, const struct nic *nic)
{
	if (!all || all->n == 1)
		return "one worker";
	if (all->steer[0]->way == STEER_SOFTWARE)
		return "software";
	if (lies(all, nic))
		return "nic, wrong hash";
	if (all->steer[0]->way == STEER_TUPLE)
		return "nic";
	return nic->hash == NIC_HASH_SOURCE ? "nic, source" : "nic, destination";
}

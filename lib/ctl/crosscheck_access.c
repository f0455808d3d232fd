/* SPDX-License-Identifier: BSD-3-Clause */
/* What does not fit together about who may open flows and how fast: lists that let nobody in, or
 * everybody. Called by crosscheck.c. Prefixes that are there twice are model_check()'s. */
#include <stdio.h>

#include "config_priv.h"

/* Whether there is an IPv4 entry, or (v4 false) an IPv6 one, that allows. */
static bool allows_some(const struct access_conf *a, bool v4)
{
	for (unsigned int i = 0; i < a->n_allow; i++)
		if (a->entries[i].prefix.len == ACCESS_UNKNOWN ||
			addr_is_v4(&a->entries[i].prefix.addr) == v4)
			return true;
	return !a->deny_others;
}

/* prefix: "" or "services[3]." */
static void check_access(const struct access_conf *a, const char *prefix, struct faults *faults)
{
	char path[64];

	snprintf(path, sizeof(path), "%saccess", prefix);
	if (a->deny_others && a->n_allow == 0)
		fault_warn(faults, path,
			"lets nobody in: nothing is allowed, and others are "
			"denied");
	else if (!a->deny_others && a->n_allow > 0 && a->n_deny == 0)
		fault_warn(faults, path,
			"without effect: others are allowed as well, and nothing is denied");
}

/* An allow list of one family keeps all of the other out, which is easily forgotten. */
static void check_families(const struct config *c, unsigned int i, struct faults *faults)
{
	const struct service_conf *s = &c->model.services[i];
	char path[64];

	if (s->access.n_allow == 0)
		return;
	snprintf(path, sizeof(path), "services[%u].access.allow", i);
	for (unsigned int j = 0; j < s->n_vips; j++) {
		const struct addr *vip = &s->vips[j].addr;
		const bool v4 = addr_is_v4(vip);

		if (addr_is_zero(vip) || allows_some(&s->access, v4))
			continue;
		fault_warn(faults, path,
			"no %s prefix, and the service has an %s address: nobody gets in there",
			v4 ? "IPv4" : "IPv6", v4 ? "IPv4" : "IPv6");
		return;
	}
}

/* The workers' clock has milliseconds: what comes within one comes at once, and of what a bucket
 * has beyond its size in the next the fraction is lost. */
static void check_rate(const struct source_rate_conf *r, const char *prefix, struct faults *faults)
{
	const uint32_t least = r->connections / 1000 + 2;
	char path[64];

	if (r->burst >= least || r->connections <= 100)
		return;
	snprintf(path, sizeof(path), "%ssource-rate.burst", prefix);
	fault_warn(faults, path,
		"%u, and time is told by the millisecond: %u a second are not reached; %u would "
		"be enough",
		r->burst, r->connections, least);
}

/* Whether all that p holds is held by an entry. */
static bool holds(const struct access_conf *a, const struct prefix *p)
{
	for (unsigned int i = 0; i < a->n_allow; i++) {
		const struct prefix *e = &a->entries[i].prefix;

		if (e->len != ACCESS_UNKNOWN && e->len <= p->len && prefix_contains(e, &p->addr))
			return true;
	}
	return false;
}

/* Monitors come first. */
static void check_trusted(const struct service_conf *s, unsigned int i, struct faults *faults)
{
	for (unsigned int j = 0; j < s->trusted.n_allow; j++) {
		const struct prefix *p = &s->trusted.entries[j].prefix;
		char path[64];

		if (p->len == ACCESS_UNKNOWN || !holds(&s->monitor, p))
			continue;
		snprintf(path, sizeof(path), "services[%u].proxy.accept-header.trusted[%u]", i, j);
		fault_warn(faults, path,
			"without effect: \"monitor\" holds it, and their connections are closed");
	}
}

void crosscheck_access(const struct config *c, struct faults *faults)
{
	check_access(&c->model.access, "", faults);
	check_rate(&c->model.source_rate, "", faults);
	for (unsigned int i = 0; i < c->model.n_services; i++) {
		char prefix[32];

		snprintf(prefix, sizeof(prefix), "services[%u].", i);
		check_access(&c->model.services[i].access, prefix, faults);
		check_families(c, i, faults);
		check_trusted(&c->model.services[i], i, faults);
		check_rate(&c->model.services[i].source_rate, prefix, faults);
	}
}

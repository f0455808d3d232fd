/* SPDX-License-Identifier: BSD-3-Clause */
/* What does not fit together about who serves a new flow: persistence and its groups, limits.
 * Called by crosscheck.c. Circles of backups are model_check()'s. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "config_priv.h"

/* The first service of the same group, this one where it is the first. */
static unsigned int group_first(const struct model_conf *m, unsigned int i)
{
	const char *group = m->services[i].persistence.group;
	unsigned int first = 0;

	while (first < i && (!m->services[first].persistence.group ||
				    strcmp(m->services[first].persistence.group, group) != 0))
		first++;
	return first;
}

static void check_group(const struct model_conf *m, unsigned int i, struct faults *faults)
{
	const struct service_conf *s = &m->services[i], *first = &m->services[group_first(m, i)];
	char path[64];

	snprintf(path, sizeof(path), "services[%u].persistence", i);
	if (s->persistence.prefix_v4 != first->persistence.prefix_v4 ||
		s->persistence.prefix_v6 != first->persistence.prefix_v6)
		fault_add(faults, path,
			"prefixes %u and %u; service \"%s\" of the same group \"%s\" has %u and "
			"%u, and what they share is found by one prefix only",
			s->persistence.prefix_v4, s->persistence.prefix_v6,
			first->name ? first->name : "", s->persistence.group,
			first->persistence.prefix_v4, first->persistence.prefix_v6);
	else if (s->persistence.timeout_ms != first->persistence.timeout_ms)
		fault_warn(faults, path,
			"time-out %u s; service \"%s\" of the same group \"%s\" has %u s, and the "
			"one used last counts",
			s->persistence.timeout_ms / 1000, first->name ? first->name : "",
			s->persistence.group, first->persistence.timeout_ms / 1000);
}

static void check_persistence(const struct model_conf *m, unsigned int i, struct faults *faults)
{
	const struct service_conf *s = &m->services[i];
	bool udp = s->proto == IPPROTO_UDP;
	uint32_t idle = udp ? s->timeouts.udp_stream : s->timeouts.tcp_established;
	char path[64];

	if (s->persistence.timeout_ms < idle) {
		snprintf(path, sizeof(path), "services[%u].persistence.timeout", i);
		fault_warn(faults, path,
			"%u s is shorter than what a connection may be idle (%s, %u s): a client "
			"can lose its server while it is connected to it",
			s->persistence.timeout_ms / 1000, udp ? "udp-stream" : "tcp-established",
			idle / 1000);
	}
	if (s->persistence.group)
		check_group(m, i, faults);
}

static void check_limits(const struct config *c, unsigned int i, struct faults *faults)
{
	const struct pool_conf *pool = &c->model.pools[i];
	bool limited = false;
	char path[64];

	for (unsigned int j = 0; j < pool->n_servers; j++)
		limited |= pool->servers[j].limit > 0;
	if (pool->when_full == WHEN_FULL_REFUSE && !limited) {
		snprintf(path, sizeof(path), "pools[%u].when-full", i);
		fault_warn(faults, path,
			"without effect: no server of the pool has \"max-connections\"");
	}
}

void crosscheck_serve(const struct config *c, struct faults *faults)
{
	for (unsigned int i = 0; i < c->model.n_pools; i++)
		check_limits(c, i, faults);
	for (unsigned int i = 0; i < c->model.n_services; i++)
		if (c->model.services[i].persistence.timeout_ms)
			check_persistence(&c->model, i, faults);
}

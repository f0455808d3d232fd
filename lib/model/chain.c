/* SPDX-License-Identifier: BSD-3-Clause */
/* What pools are to each other and to their servers' addresses: chains of backups, which end, and
 * the server of an address. */
#include <stdio.h>
#include <stdlib.h>

#include "model_priv.h"

/* The pools of a loop, as "a" -> "b" -> "a". */
static void loop_text(
	const struct model_conf *conf, const int *backup, unsigned int from, char *out, size_t size)
{
	size_t len = (size_t)snprintf(out, size, "\"%s\"", conf->pools[from].name);
	unsigned int at = from;

	do {
		at = (unsigned int)backup[at];
		if (len < size)
			len += (size_t)snprintf(
				out + len, size - len, " -> \"%s\"", conf->pools[at].name);
	} while (at != from);
}

void chain_check(const struct model_conf *conf, const int *backup, struct faults *faults)
{
	char path[64], text[512];

	for (unsigned int i = 0; i < conf->n_pools; i++) {
		int at = backup[i];

		/* After as many steps as there are pools it is in a loop that it is no part of. A
		 * loop is told once, at the first of its pools. */
		for (unsigned int steps = 0; at > (int)i && steps < conf->n_pools; steps++)
			at = backup[at];
		if (at != (int)i)
			continue;
		loop_text(conf, backup, i, text, sizeof(text));
		snprintf(path, sizeof(path), "pools[%u].backup", i);
		fault_add(faults, path, "backups go round in a circle: %s", text);
	}
}

static int addr_order(const void *left, const void *right, void *arg)
{
	const uint16_t *a = left, *b = right;
	const struct server *servers = arg;
	int d = addr_compare(&servers[*a].addr, &servers[*b].addr);

	return d ? d : *a - *b;
}

int chain_index(struct pool *p)
{
	uint16_t *index = calloc(p->n_servers + 1u, sizeof(*index));

	if (!index)
		return -1;
	for (uint16_t i = 0; i < p->n_servers; i++)
		index[i] = i;
	qsort_r(index, p->n_servers, sizeof(*index), addr_order, p->servers);
	p->by_addr = index;
	return 0;
}

const struct server *model_server_at(const struct pool *pool, const struct addr *addr)
{
	unsigned int low = 0, high = pool->n_servers;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (addr_compare(&pool->servers[pool->by_addr[mid]].addr, addr) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == pool->n_servers || !addr_equal(&pool->servers[pool->by_addr[low]].addr, addr))
		return NULL;
	return &pool->servers[pool->by_addr[low]];
}

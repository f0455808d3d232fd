/* SPDX-License-Identifier: BSD-3-Clause */
/* Servers by address: the same machine may be a server of several pools, or several of one. */
#include <errno.h>
#include <stdlib.h>

#include "model_priv.h"

static int order(const void *left, const void *right)
{
	const struct server *const *a = left, *const *b = right;
	int d = addr_compare(&(*a)->addr, &(*b)->addr);

	return d ? d : (*a)->slot - (*b)->slot;
}

int by_address_build(struct model *m)
{
	unsigned int n = 0;

	m->by_address = calloc(m->n_servers + 1, sizeof(*m->by_address));
	if (!m->by_address)
		return -ENOMEM;
	for (unsigned int i = 0; i < MODEL_SERVERS_MAX; i++)
		if (m->server[i])
			m->by_address[n++] = m->server[i];
	qsort(m->by_address, n, sizeof(*m->by_address), order);
	return 0;
}

const struct server *const *model_servers_at(
	const struct model *m, const struct addr *a, unsigned int *n)
{
	unsigned int low = 0, high = m->n_servers, end;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (addr_compare(&m->by_address[mid]->addr, a) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < m->n_servers && addr_equal(&m->by_address[end]->addr, a);)
		end++;
	*n = end - low;
	return &m->by_address[low];
}

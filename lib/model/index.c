/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a destination to its service. Read by workers for each packet that has no flow.
 *
 *   table: open addressing, half full at most; key (address, protocol, port)
 *            port > 0: the service of exactly that port
 *            port 0, which no packet has: what else the address offers, a struct span
 *          of a network, the address without its free bits, and how many they are in the key
 *   span:  ranges of ports, sorted and disjoint, and the service of all other ports
 *
 * So an exact port is one probe, usually of one cache line (two entries each); everything else is
 * one more probe and perhaps a binary search.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "model_priv.h"

struct range {
	struct port_range ports;
	const struct service *service;
};

struct span {
	const struct service *all; /* or NULL */
	unsigned int n;
	const struct range *ranges;
};

struct index_entry {
	struct addr addr;
	uint32_t key; /* host bits << 24 | protocol << 16 | port in host order */
	uint32_t pad_;
	const void *what; /* struct service, or struct span where the port is 0; NULL: empty */
};

_Static_assert(sizeof(struct index_entry) == 32, "two entries a cache line");

struct service_index {
	struct hash_key key;
	uint32_t mask;
	struct index_entry *table;
	struct span *spans;
	struct range *ranges;
	unsigned int n_sizes; /* of networks */
	uint8_t size[129];    /* their host bits, rising */
};

static inline uint32_t index_key(uint8_t host_bits, uint8_t proto, uint16_t port)
{
	return (uint32_t)host_bits << 24 | (uint32_t)proto << 16 | port;
}

/* Odd multiplier: the port must not cancel against neighbouring addresses. */
static inline uint32_t index_hash(const struct hash_key *k, const struct addr *a, uint32_t key)
{
	uint64_t h = hash_fold(
		a->q[0] ^ k->k[0] ^ key * UINT64_C(0x9e3779b97f4a7c15), a->q[1] ^ k->k[1]);

	return (uint32_t)(h >> 20);
}

static inline const void *index_find(
	const struct service_index *x, const struct addr *a, uint32_t key)
{
	uint32_t i = index_hash(&x->key, a, key);

	for (;; i++) {
		const struct index_entry *e = &x->table[i & x->mask];

		if (likely(e->key == key && addr_equal(&e->addr, a)))
			return e->what; /* an empty entry has key 0, which none that is asked for
					   has */
		if (!e->what)
			return NULL;
	}
}

static const struct service *span_find(const struct span *s, uint16_t port)
{
	unsigned int low = 0, high = s->n;

	while (low < high) {
		unsigned int mid = (low + high) / 2;
		const struct range *r = &s->ranges[mid];

		if (port < r->ports.first)
			high = mid;
		else if (port > r->ports.last)
			low = mid + 1;
		else
			return r->service;
	}
	return s->all;
}

/* Of exactly this address or network. */
static inline const struct service *service_at(const struct service_index *x, const struct addr *a,
	uint8_t host_bits, uint8_t proto, uint16_t port)
{
	const struct service *exact = index_find(x, a, index_key(host_bits, proto, port));

	if (likely(exact && port != 0))
		return exact;
	const struct span *span = index_find(x, a, index_key(host_bits, proto, 0));
	return span ? span_find(span, port) : NULL;
}

const struct service *model_service(
	const struct model *m, const struct addr *dst, uint8_t proto, rte_be16_t port)
{
	const struct service_index *x = m->index;
	const uint16_t p = rte_be_to_cpu_16(port);
	const struct service *s = service_at(x, dst, 0, proto, p);

	for (unsigned int i = 0; unlikely(!s && i < x->n_sizes); i++) {
		const struct addr network = addr_network(dst, x->size[i]);

		s = service_at(x, &network, x->size[i], proto, p);
	}
	return s;
}

/* ---- building: every address a service claims, sorted --------------------------------------- */

enum claim_class { CLAIM_EXACT, CLAIM_RANGE, CLAIM_ALL };

struct claim {
	struct vip vip;
	uint8_t proto;
	uint8_t class;             /* enum claim_class */
	unsigned int service, nth; /* index in the configuration, or slot; which of its addresses */
};

static enum claim_class claim_class(const struct port_range *r)
{
	if (r->first == r->last)
		return CLAIM_EXACT;
	return r->first == 0 && r->last == UINT16_MAX ? CLAIM_ALL : CLAIM_RANGE;
}

/* Exact ports last, so that each address's ranges and all-ports come as one run. */
static int claim_compare(const void *left, const void *right)
{
	const struct claim *a = left, *b = right;
	int exact = (a->class == CLAIM_EXACT) - (b->class == CLAIM_EXACT);
	int d;

	if (exact)
		return exact;
	if ((d = addr_compare(&a->vip.addr, &b->vip.addr)) != 0)
		return d;
	if (a->vip.host_bits != b->vip.host_bits)
		return a->vip.host_bits - b->vip.host_bits;
	if (a->proto != b->proto)
		return a->proto - b->proto;
	if (a->class != b->class)
		return a->class - b->class;
	if (a->vip.ports.first != b->vip.ports.first)
		return a->vip.ports.first - b->vip.ports.first;
	if (a->service != b->service)
		return a->service < b->service ? -1 : 1;
	return a->nth < b->nth ? -1 : a->nth > b->nth;
}

/* Adds those that have an address; returns how many. */
static size_t claims_add(struct claim *out, const struct vip *vips, unsigned int n, uint8_t proto,
	unsigned int service)
{
	size_t added = 0;

	for (unsigned int i = 0; i < n; i++)
		if (!addr_is_zero(&vips[i].addr))
			out[added++] = (struct claim){
				.vip = vips[i],
				.proto = proto,
				.class = (uint8_t)claim_class(&vips[i].ports),
				.service = service,
				.nth = i,
			};
	return added;
}

static bool same_address(const struct claim *a, const struct claim *b)
{
	return a->proto == b->proto && a->vip.host_bits == b->vip.host_bits &&
	       addr_equal(&a->vip.addr, &b->vip.addr);
}

static void claim_path(const struct model_conf *conf, const struct claim *c, char *out, size_t size)
{
	if (conf->services[c->service].vip_list)
		snprintf(out, size, "services[%u].address[%u]", c->service, c->nth);
	else
		snprintf(out, size, "services[%u].address", c->service);
}

/* The address, or the network. */
static const char *vip_network_format(const struct vip *v, char text[static PREFIX_TEXT])
{
	const struct prefix p = vip_prefix(v);

	return v->host_bits ? prefix_format(&p, text) : addr_format(&v->addr, text);
}

static void claim_clash(const struct model_conf *conf, const struct claim *a, const struct claim *b,
	struct faults *faults)
{
	bool swap = a->service > b->service || (a->service == b->service && a->nth > b->nth);
	const struct claim *first = swap ? b : a, *second = swap ? a : b;
	uint16_t low = RTE_MAX(a->vip.ports.first, b->vip.ports.first);
	uint16_t high = RTE_MIN(a->vip.ports.last, b->vip.ports.last);
	char ports[24], text[PREFIX_TEXT], path[64], other[64];

	claim_path(conf, second, path, sizeof(path));
	claim_path(conf, first, other, sizeof(other));
	if (a->class == CLAIM_ALL)
		snprintf(ports, sizeof(ports), "all ports");
	else if (low == high)
		snprintf(ports, sizeof(ports), "port %u", low);
	else
		snprintf(ports, sizeof(ports), "ports %u-%u", low, high);
	fault_add(faults, path, "%s of %s: taken already by %s (\"%s\")", ports,
		vip_network_format(&a->vip, text), other, conf->services[first->service].name);
}

int index_check(const struct model_conf *conf, struct faults *faults)
{
	size_t total = 0, n = 0;

	for (unsigned int i = 0; i < conf->n_services; i++)
		total += conf->services[i].n_vips;
	struct claim *c = calloc(total + 1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	for (unsigned int i = 0; i < conf->n_services; i++)
		n += claims_add(&c[n], conf->services[i].vips, conf->services[i].n_vips,
			conf->services[i].proto, i);
	qsort(c, n, sizeof(*c), claim_compare);

	/* reach: of the claims so far on this address, the one that goes farthest. */
	for (size_t i = 1, reach = 0; i < n; i++) {
		if (c[i].class != c[reach].class || !same_address(&c[i], &c[reach])) {
			reach = i;
			continue;
		}
		if (c[i].vip.ports.first <= c[reach].vip.ports.last)
			claim_clash(conf, &c[reach], &c[i], faults);
		if (c[i].vip.ports.last > c[reach].vip.ports.last)
			reach = i;
	}
	free(c);
	return 0;
}

static void table_insert(
	struct service_index *x, const struct addr *a, uint32_t key, const void *what)
{
	uint32_t i = index_hash(&x->key, a, key);

	while (x->table[i & x->mask].what)
		i++;
	x->table[i & x->mask] = (struct index_entry){ .addr = *a, .key = key, .what = what };
}

/* Fills the index from sorted claims. */
static void index_fill(
	struct service_index *x, const struct model *m, const struct claim *c, size_t n)
{
	struct span *span = x->spans;
	struct range *range = x->ranges;
	size_t i = 0;

	while (i < n && c[i].class != CLAIM_EXACT) {
		const struct claim *first = &c[i];

		span->ranges = range;
		for (; i < n && c[i].class != CLAIM_EXACT && same_address(first, &c[i]); i++) {
			if (c[i].class == CLAIM_ALL) {
				span->all = m->service[c[i].service];
				continue;
			}
			*range++ = (struct range){ c[i].vip.ports, m->service[c[i].service] };
			span->n++;
		}
		table_insert(x, &first->vip.addr, index_key(first->vip.host_bits, first->proto, 0),
			span++);
	}
	for (; i < n; i++)
		table_insert(x, &c[i].vip.addr,
			index_key(c[i].vip.host_bits, c[i].proto, c[i].vip.ports.first),
			m->service[c[i].service]);
}

static void index_sizes(struct service_index *x, const struct claim *c, size_t n)
{
	bool used[129] = { false };

	for (size_t i = 0; i < n; i++)
		used[c[i].vip.host_bits] = true;
	for (unsigned int i = 1; i < RTE_DIM(used); i++)
		if (used[i])
			x->size[x->n_sizes++] = (uint8_t)i;
}

struct service_index *index_build(const struct model *m)
{
	struct service_index *x = calloc(1, sizeof(*x));
	struct claim *claims = NULL;
	size_t total = 0, n = 0;

	if (!x)
		return NULL;
	for (unsigned int i = 0; i < MODEL_SERVICES_MAX; i++)
		total += m->service[i] ? m->service[i]->n_vips : 0;
	size_t size = rte_align64pow2(2 * total + 1);
	claims = calloc(total + 1, sizeof(*claims));
	x->spans = calloc(total + 1, sizeof(*x->spans));
	x->ranges = calloc(total + 1, sizeof(*x->ranges));
	x->table = aligned_alloc(
		RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(size * sizeof(*x->table), RTE_CACHE_LINE_SIZE));
	if (!claims || !x->spans || !x->ranges || !x->table) {
		free(claims);
		index_free(x);
		errno = ENOMEM;
		return NULL;
	}
	memset(x->table, 0, size * sizeof(*x->table));
	x->mask = (uint32_t)size - 1;
	x->key = m->cluster_key;
	for (unsigned int i = 0; i < MODEL_SERVICES_MAX; i++) {
		const struct service *s = m->service[i];

		if (s)
			n += claims_add(&claims[n], s->vips, s->n_vips, s->proto, i);
	}
	qsort(claims, n, sizeof(*claims), claim_compare);
	index_fill(x, m, claims, n);
	index_sizes(x, claims, n);
	free(claims);
	return x;
}

void index_free(struct service_index *x)
{
	if (!x)
		return;
	free(x->table);
	free(x->spans);
	free(x->ranges);
	free(x);
}

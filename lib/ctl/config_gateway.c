/* SPDX-License-Identifier: BSD-3-Clause */
/* What "gateway" of a document means. Like config.c it reads on where there are faults. */
#include <errno.h>
#include <stdio.h>

#include "config_priv.h"

/* The port a member names; NET_PORT_NONE where ports are not known or this one is not. */
static uint8_t read_port(
	struct reader *r, const json_t *name, const char *list, size_t i, const char *member)
{
	char path[64];

	if (!json_is_string(name) || !r->net_known)
		return NET_PORT_NONE;
	snprintf(path, sizeof(path), "gateway.%s[%zu].%s", list, i, member);
	return config_find_port(r, path, json_string_value(name));
}

static void read_address(const json_t *text, struct addr *out)
{
	if (json_is_string(text))
		addr_parse(json_string_value(text), out);
}

static int read_pairs(struct reader *r, const json_t *array)
{
	struct gateway_conf *g = &r->c->model.gateway;
	struct gateway_pair *pairs = config_alloc(r, json_array_size(array), sizeof(*pairs));
	const json_t *o;
	size_t i;

	if (!pairs)
		return -ENOMEM;
	json_array_foreach ((json_t *)(uintptr_t)array, i, o) {
		read_address(json_object_get(o, "outside"), &pairs[i].outside);
		read_address(json_object_get(o, "inside"), &pairs[i].inside);
	}
	g->pairs = pairs;
	g->n_pairs = (unsigned int)json_array_size(array);
	return 0;
}

static int read_masquerade(
	struct reader *r, const json_t *o, size_t i, struct gateway_masquerade *m)
{
	const json_t *list = json_object_get(o, "sources"), *text;
	const char *from = json_string_value(json_object_get(o, "from"));
	struct addr *sources = config_alloc(r, json_array_size(list), sizeof(*sources));
	size_t j;

	if (!sources)
		return -ENOMEM;
	if (from)
		prefix_parse(from, false, &m->from);
	m->port = read_port(r, json_object_get(o, "port"), "masquerade", i, "port");
	json_array_foreach ((json_t *)(uintptr_t)list, j, text)
		read_address(text, &sources[j]);
	m->sources = sources;
	m->n_sources = (unsigned int)json_array_size(list);
	return 0;
}

/* What servers are masqueraded with is ours. */
static int own_sources(struct reader *r)
{
	const struct gateway_conf *g = &r->c->model.gateway;
	unsigned int n = 0;
	struct addr *all;

	for (unsigned int i = 0; i < g->n_masquerades; i++)
		n += g->masquerades[i].n_sources;
	all = config_alloc(r, n, sizeof(*all));
	if (!all)
		return -ENOMEM;
	r->c->model.net.sources = all;
	r->c->model.net.n_sources = n;
	for (unsigned int i = 0; i < g->n_masquerades; i++)
		for (unsigned int j = 0; j < g->masquerades[i].n_sources; j++)
			*all++ = g->masquerades[i].sources[j];
	return 0;
}

static int read_masquerades(struct reader *r, const json_t *array)
{
	struct gateway_conf *g = &r->c->model.gateway;
	struct gateway_masquerade *list = config_alloc(r, json_array_size(array), sizeof(*list));
	const json_t *o;
	size_t i;

	if (!list)
		return -ENOMEM;
	json_array_foreach ((json_t *)(uintptr_t)array, i, o) {
		int rc = read_masquerade(r, o, i, &list[i]);

		if (rc)
			return rc;
	}
	g->masquerades = list;
	g->n_masquerades = (unsigned int)json_array_size(array);
	return own_sources(r);
}

static int read_routings(struct reader *r, const json_t *array)
{
	struct gateway_conf *g = &r->c->model.gateway;
	struct gateway_routing *list = config_alloc(r, json_array_size(array), sizeof(*list));
	const json_t *o;
	size_t i;

	if (!list)
		return -ENOMEM;
	json_array_foreach ((json_t *)(uintptr_t)array, i, o) {
		const json_t *between = json_object_get(o, "between");

		for (size_t j = 0; j < 2; j++) {
			char member[16];

			snprintf(member, sizeof(member), "between[%zu]", j);
			list[i].port[j] =
				read_port(r, json_array_get(between, j), "routing", i, member);
		}
	}
	g->routings = list;
	g->n_routings = (unsigned int)json_array_size(array);
	return 0;
}

int config_read_gateway(struct reader *r)
{
	const json_t *o = json_object_get(r->doc, "gateway");
	int rc = read_pairs(r, json_object_get(o, "one-to-one"));

	if (!rc)
		rc = read_masquerades(r, json_object_get(o, "masquerade"));
	return rc ? rc : read_routings(r, json_object_get(o, "routing"));
}

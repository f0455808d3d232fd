/* SPDX-License-Identifier: BSD-3-Clause */
/* What a document says about who may open flows, and how fast: "access" and "source-rate", at the
 * top and of a service. Called by config.c. */
#include <errno.h>
#include <string.h>

#include "config_priv.h"
#include "schema.h"

static void read_list(const json_t *list, bool allow, struct access_entry *out)
{
	const json_t *e;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)list, i, e) {
		const char *text = json_string_value(e);

		out[i].allow = allow;
		if (!text || prefix_parse(text, false, &out[i].prefix) != 0)
			out[i].prefix.len = ACCESS_UNKNOWN;
	}
}

int config_read_access(
	struct reader *r, const json_t *rule, const json_t *o, struct access_conf *out)
{
	const json_t *access = schema_get(r->schema, rule, o, "access");
	const json_t *allow = json_object_get(access, "allow");
	const json_t *deny = json_object_get(access, "deny");
	const char *others = json_string_value(json_object_get(access, "others"));
	struct access_entry *entries =
		config_alloc(r, json_array_size(allow) + json_array_size(deny), sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	out->n_allow = (unsigned int)json_array_size(allow);
	out->n_deny = (unsigned int)json_array_size(deny);
	out->entries = entries;
	out->deny_others = others ? !strcmp(others, "deny") : allow != NULL;
	read_list(allow, true, entries);
	read_list(deny, false, entries + out->n_allow);
	return 0;
}

int config_read_prefixes(struct reader *r, const json_t *list, struct access_conf *out)
{
	const size_t n = json_array_size(list);
	struct access_entry *entries = config_alloc(r, n, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	if (n == 0)
		return 0;
	*out = (struct access_conf){
		.deny_others = true,
		.entries = entries,
		.n_allow = (unsigned int)n,
	};
	read_list(list, true, entries);
	return 0;
}

/* What stands there if it is a number that may; else 0. */
static uint32_t rate_of(const json_t *value)
{
	const json_int_t n = json_integer_value(value);

	return n >= 1 && n <= MODEL_RATE_MAX ? (uint32_t)n : 0;
}

void config_read_source_rate(
	struct reader *r, const json_t *rule, const json_t *o, struct source_rate_conf *out)
{
	const json_t *rate = schema_get(r->schema, rule, o, "source-rate");
	const json_t *own = schema_key(r->schema, rule, "source-rate");
	const json_t *v4 = schema_get(r->schema, own, rate, "prefix");
	const json_t *v6 = schema_get(r->schema, own, rate, "prefix-v6");

	out->connections = rate_of(json_object_get(rate, "connections"));
	out->burst = rate_of(json_object_get(rate, "burst"));
	if (out->burst == 0)
		out->burst = out->connections;
	out->prefix_v4 = (uint8_t)json_integer_value(v4);
	out->prefix_v6 = (uint8_t)json_integer_value(v6);
}

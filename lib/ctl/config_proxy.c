/* SPDX-License-Identifier: BSD-3-Clause */
/* What a document says about headers of the PROXY protocol and about monitors: "proxy" of a
 * service, "proxy-header" of a pool or a server. Called by config.c. */
#include <errno.h>
#include <string.h>

#include "config_priv.h"
#include "schema.h"
#include "units.h"

uint8_t config_proxy_header(const char *text)
{
	if (text && !strcmp(text, "v1"))
		return 1;
	return text && !strcmp(text, "v2") ? 2 : 0;
}

int config_read_headers(
	struct reader *r, const json_t *rule, const json_t *o, struct service_conf *s)
{
	const json_t *accept = json_object_get(o, "accept-header");
	const json_t *timeout = schema_get(
		r->schema, schema_key(r->schema, rule, "accept-header"), accept, "timeout");
	const char *text = json_string_value(timeout);
	uint64_t us = 0;
	int rc;

	if (text && duration_parse(text, &us))
		us = 0;
	s->proxy.header_ms = (uint32_t)(us / 1000);
	rc = config_read_prefixes(r, json_object_get(accept, "trusted"), &s->trusted);
	return rc ? rc : config_read_prefixes(r, json_object_get(o, "monitor"), &s->monitor);
}

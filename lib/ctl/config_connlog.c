/* SPDX-License-Identifier: BSD-3-Clause */
/* "connection-log", of the document and of services. */
#include <string.h>
#include <syslog.h>

#include "config_priv.h"
#include "schema.h"

static const struct {
	const char *name;
	int facility;
} facilities[] = {
	{ "user", LOG_USER },
	{ "daemon", LOG_DAEMON },
	{ "local0", LOG_LOCAL0 },
	{ "local1", LOG_LOCAL1 },
	{ "local2", LOG_LOCAL2 },
	{ "local3", LOG_LOCAL3 },
	{ "local4", LOG_LOCAL4 },
	{ "local5", LOG_LOCAL5 },
	{ "local6", LOG_LOCAL6 },
	{ "local7", LOG_LOCAL7 },
};

static int facility_of(const char *name)
{
	for (size_t i = 0; name && i < sizeof(facilities) / sizeof(facilities[0]); i++)
		if (!strcmp(facilities[i].name, name))
			return facilities[i].facility;
	return LOG_LOCAL0;
}

void config_read_connlog(struct reader *r)
{
	const json_t *rule = schema_key(r->schema, r->rule, "connection-log");
	const json_t *o = json_object_get(r->doc, "connection-log");
	const json_t *file = json_object_get(o, "file"), *syslog = json_object_get(o, "syslog");
	struct config *c = r->c;
	const char *format = json_string_value(schema_get(r->schema, rule, o, "format"));

	if (!json_is_object(o))
		return;
	if (file && syslog)
		fault_add(r->faults, "connection-log",
			"both \"file\" and \"syslog\"; needed is one of them");
	else if (!file && !syslog)
		fault_add(r->faults, "connection-log",
			"neither \"file\" nor \"syslog\"; needed is one of them");
	c->connlog = (struct connlog_conf){
		.path = json_string_value(file ? file : syslog),
		.file = file != NULL,
		.json = format && !strcmp(format, "json"),
		.facility =
			facility_of(json_string_value(schema_get(r->schema, rule, o, "facility"))),
	};
	c->connlog_empty = json_is_true(schema_get(r->schema, rule, o, "empty"));
}

enum connection_log config_service_log(
	const struct reader *r, const json_t *rule, const json_t *service)
{
	if (!r->c->connlog.path ||
		!json_is_true(schema_get(r->schema, rule, service, "connection-log")))
		return CONNECTION_LOG_NONE;
	return r->c->connlog_empty ? CONNECTION_LOG_ALL : CONNECTION_LOG_CARRIED;
}

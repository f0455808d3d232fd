/* SPDX-License-Identifier: BSD-3-Clause */
/* See connlog_format.h. Both formats say the same fields in the same order: those of fields_of().
 */
#include "connlog_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include <jansson.h>

#include "l7/relay.h"

#define START_TEXT 32
#define FIELDS     19

/* Text, or a number; neither: not known. */
struct field {
	const char *key;
	const char *text;
	uint64_t number;
	bool is_number;
};

struct fields {
	unsigned int n;
	struct field field[FIELDS];
	char start[START_TEXT];
	char client[ENDPOINT_TEXT], peer[ENDPOINT_TEXT], address[ENDPOINT_TEXT];
	char source[ENDPOINT_TEXT], target[ENDPOINT_TEXT];
};

/* RFC 3339, in UTC. */
static const char *start_format(uint64_t ms, char out[static START_TEXT])
{
	const time_t s = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(out, START_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, START_TEXT - n, ".%03uZ", (unsigned int)(ms % 1000));
	return out;
}

/* NULL where there is no address. */
static const char *side_format(
	const struct addr *a, rte_be16_t port, char out[static ENDPOINT_TEXT])
{
	const struct endpoint e = { .addr = *a, .port = rte_be_to_cpu_16(port) };

	return addr_is_zero(a) ? NULL : endpoint_format(&e, out);
}

static void add_text(struct fields *f, const char *key, const char *text)
{
	f->field[f->n++] = (struct field){ .key = key, .text = text };
}

static void add_number(struct fields *f, const char *key, bool known, uint64_t number)
{
	f->field[f->n++] = (struct field){ .key = key, .number = number, .is_number = known };
}

static void fields_of(const struct connlog_entry *e, struct fields *f)
{
	const struct relay_record *r = e->record;
	const struct tuple *c = &r->client, *s = &r->server;

	f->n = 0;
	add_text(f, "start", start_format(e->began_ms, f->start));
	add_text(f, "client", endpoint_format(&r->who, f->client));
	add_text(f, "peer", side_format(&c->src, c->sport, f->peer));
	add_text(f, "address", side_format(&c->dst, c->dport, f->address));
	add_text(f, "service", e->service);
	add_text(f, "pool", e->pool);
	add_text(f, "server", e->server);
	add_text(f, "source", side_format(&s->dst, s->dport, f->source));
	add_text(f, "target", side_format(&s->src, s->sport, f->target));
	add_number(f, "bytes_in", true, r->up);
	add_number(f, "bytes_out", true, r->down);
	add_number(f, "header_ms", true, r->header_ms);
	add_number(f, "queue_ms", true, r->queue_ms);
	add_number(f, "connect_ms", true, r->connect_ms);
	add_number(f, "total_ms", true, r->total_ms);
	add_number(f, "retries", true, r->retries);
	add_text(f, "end", relay_end_name((enum relay_end)r->end));
	add_number(f, "service_active", e->service != NULL, e->service_active);
	add_number(f, "server_active", e->server != NULL, e->server_active);
}

size_t connlog_text(const struct connlog_entry *e, char out[static CONNLOG_LINE])
{
	struct fields f;
	size_t n;

	fields_of(e, &f);
	n = (size_t)snprintf(out, CONNLOG_LINE, "%s", f.start);
	for (unsigned int i = 1; i < f.n && n < CONNLOG_LINE; i++) {
		const struct field *field = &f.field[i];
		char *at = out + n;
		const size_t room = CONNLOG_LINE - n;

		if (field->is_number)
			n += (size_t)snprintf(at, room, " %s=%" PRIu64, field->key, field->number);
		else
			n += (size_t)snprintf(
				at, room, " %s=%s", field->key, field->text ? field->text : "-");
	}
	return n < CONNLOG_LINE ? n : CONNLOG_LINE - 1;
}

size_t connlog_json(const struct connlog_entry *e, char out[static CONNLOG_LINE])
{
	json_t *o = json_object();
	struct fields f;
	size_t n;

	fields_of(e, &f);
	for (unsigned int i = 0; i < f.n; i++) {
		const struct field *field = &f.field[i];
		json_t *value = field->is_number ? json_integer((json_int_t)field->number)
				: field->text    ? json_string(field->text)
						 : json_null();

		json_object_set_new(o, field->key, value);
	}
	n = o ? json_dumpb(o, out, CONNLOG_LINE - 1, JSON_COMPACT) : 0;
	json_decref(o);
	if (n >= CONNLOG_LINE)
		n = 0;
	out[n] = '\0';
	return n;
}

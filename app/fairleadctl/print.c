/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Results for people: tables with aligned columns where the schema names columns ("table", or
 * "tables" for parts of an object), else "key  value" lines. What has no columns is shown as JSON.
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- cells -------------------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static bool begins_with(const char *s, const char *begin)
{
	return strncmp(s, begin, strlen(begin)) == 0;
}

/* 1536 as "1.5 KiB". */
static json_t *bytes_text(json_int_t n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = (double)n;
	unsigned int u = 0;

	for (; value >= 1024 && u < 5; u++)
		value /= 1024;
	return json_sprintf(u ? "%.1f %s" : "%.0f %s", value, units[u]);
}

/* 90061000 ms as "1d 1h", 1500 as "1.5s". */
static json_t *time_text(json_int_t ms)
{
	long long s = ms / 1000;

	if (s < 60)
		return json_sprintf("%.1fs", (double)ms / 1000);
	if (s < 3600)
		return json_sprintf("%lldm %llds", s / 60, s % 60);
	if (s < 86400)
		return json_sprintf("%lldh %lldm", s / 3600, s / 60 % 60);
	return json_sprintf("%lldd %lldh", s / 86400, s / 3600 % 24);
}

static json_t *number_text(const char *key, const json_t *value)
{
	json_int_t n = json_integer_value(value);

	if (begins_with(key, "bytes") || ends_with(key, "_bytes"))
		return bytes_text(n);
	if (ends_with(key, "_ms"))
		return time_text(n);
	return json_sprintf("%lld", (long long)n);
}

static json_t *cell_text(const char *key, const json_t *value);

static json_t *list_text(const json_t *list)
{
	json_t *text = json_string(""), *one, *item;
	size_t i;

	json_array_foreach (list, i, item) {
		one = cell_text("", item);
		json_t *joined = json_sprintf(
			"%s%s%s", json_string_value(text), i ? "," : "", json_string_value(one));

		json_decref(text);
		json_decref(one);
		text = joined;
	}
	if (json_array_size(list))
		return text;
	json_decref(text);
	return json_string("-");
}

/* A value as it stands in a cell: a JSON string. */
static json_t *cell_text(const char *key, const json_t *value)
{
	char *json;
	json_t *text;

	if (!value || json_is_null(value))
		return json_string("-");
	if (json_is_string(value))
		return json_string(json_string_value(value));
	if (json_is_integer(value))
		return number_text(key, value);
	if (json_is_real(value))
		return json_sprintf("%.1f%%", 100 * json_real_value(value));
	if (json_is_boolean(value))
		return json_string(json_is_true(value) ? "yes" : "no");
	if (json_is_array(value) && !json_is_object(json_array_get(value, 0)))
		return list_text(value);
	json = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	text = json_string(json ? json : "?");
	free(json);
	return text;
}

/* Columns that a terminal needs: one for each UTF-8 character. */
static int width(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void pad(int n)
{
	while (n-- > 0)
		putchar(' ');
}

/* "bytes_in" as "BYTES IN", "idle_ms" as "IDLE". */
static json_t *title(const char *key)
{
	size_t len = strlen(key) - (ends_with(key, "_ms") ? 3 : 0);
	char text[64];

	len = len < sizeof(text) ? len : sizeof(text) - 1;
	for (size_t i = 0; i < len; i++)
		text[i] = key[i] == '_'                    ? ' '
			  : key[i] >= 'a' && key[i] <= 'z' ? (char)(key[i] - 32)
							   : key[i];
	text[len] = '\0';
	return json_string(text);
}

/* ---- tables ------------------------------------------------------------------------------- */

/* Whether a column holds numbers: they are aligned to the right. */
static bool column_numeric(const json_t *rows, const char *key)
{
	json_t *row, *value;
	bool numeric = false;
	size_t i;

	json_array_foreach (rows, i, row) {
		value = json_object_get(row, key);
		if (value && !json_is_number(value) && !json_is_null(value))
			return false;
		numeric |= json_is_number(value);
	}
	return numeric;
}

/* One column: its title, then its cells; sets how wide it is. */
static json_t *column_make(const json_t *rows, const char *key, int *wide)
{
	json_t *cells = json_array(), *row;
	size_t i;

	json_array_append_new(cells, title(key));
	json_array_foreach (rows, i, row)
		json_array_append_new(cells, cell_text(key, json_object_get(row, key)));
	*wide = 0;
	json_array_foreach (cells, i, row) {
		int w = width(json_string_value(row));

		*wide = w > *wide ? w : *wide;
	}
	return cells;
}

#define COLUMNS_MAX 32

static void table_print(const json_t *rows, const json_t *columns)
{
	size_t n = json_array_size(columns), lines = json_array_size(rows) + 1;
	json_t *cells[COLUMNS_MAX];
	int wide[COLUMNS_MAX];
	bool right[COLUMNS_MAX];

	if (json_array_size(rows) == 0) {
		puts("none");
		return;
	}
	n = n < COLUMNS_MAX ? n : COLUMNS_MAX;
	for (size_t i = 0; i < n; i++) {
		const char *key = json_string_value(json_array_get(columns, i));

		cells[i] = column_make(rows, key, &wide[i]);
		right[i] = column_numeric(rows, key);
	}
	for (size_t line = 0; line < lines; line++) {
		for (size_t i = 0; i < n; i++) {
			const char *text = json_string_value(json_array_get(cells[i], line));
			int gap = wide[i] - width(text);

			pad(right[i] ? gap : 0);
			fputs(text, stdout);
			pad(i + 1 == n ? 0 : (right[i] ? 0 : gap) + 2);
		}
		putchar('\n');
	}
	for (size_t i = 0; i < n; i++)
		json_decref(cells[i]);
}

static void json_print(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

/* ---- objects ------------------------------------------------------------------------------ */

static void heading(const char *key)
{
	json_t *text = title(key);

	printf("\n%s\n", json_string_value(text));
	json_decref(text);
}

/* What a line does not hold: a list of objects by the table of the method that "tables" names for
 * it, or JSON. */
static void part_print(const json_t *method, const char *key, const json_t *value)
{
	const char *like =
		json_string_value(json_object_get(json_object_get(method, "tables"), key));
	const json_t *methods = json_object_get(spec(), "methods");
	const json_t *columns =
		json_object_get(json_object_get(methods, like ? like : ""), "table");

	heading(key);
	if (columns && json_is_array(value))
		table_print(value, columns);
	else
		json_print(value);
}

static bool is_part(const json_t *method, const char *key, const json_t *value)
{
	return json_is_object(value) || json_object_get(json_object_get(method, "tables"), key) ||
	       json_is_object(json_array_get(value, 0));
}

/* "key  value" lines first, then the parts. */
static void lines_print(const json_t *o)
{
	const char *key;
	json_t *value;
	int wide = 0;

	json_object_foreach ((json_t *)o, key, value)
		wide = width(key) > wide ? width(key) : wide;
	json_object_foreach ((json_t *)o, key, value) {
		json_t *text = cell_text(key, value);

		printf("%-*s  %s\n", wide, key, json_string_value(text));
		json_decref(text);
	}
}

static void object_print(const json_t *method, const json_t *o)
{
	json_t *lines = json_object();
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)o, key, value)
		if (!is_part(method, key, value))
			json_object_set(lines, key, value);
	lines_print(lines);
	json_decref(lines);
	json_object_foreach ((json_t *)o, key, value)
		if (is_part(method, key, value)) {
			if (json_object_get(json_object_get(method, "tables"), key) ||
				!json_is_object(value) || strcmp(key, "configuration") == 0) {
				part_print(method, key, value);
			} else {
				heading(key);
				lines_print(value);
			}
		}
}

/* ---- results ------------------------------------------------------------------------------ */

static void warnings_print(const json_t *list)
{
	json_t *fault;
	size_t i;

	json_array_foreach (list, i, fault)
		fprintf(stderr, "warning: %s: %s\n",
			json_string_value(json_object_get(fault, "path")),
			json_string_value(json_object_get(fault, "text")));
}

/* "reloaded: 2 changes". */
static void changes_print(json_int_t n)
{
	if (n)
		printf("reloaded: %" JSON_INTEGER_FORMAT " change%s\n", n, n == 1 ? "" : "s");
	else
		puts("no change");
}

/* What changes something has nothing to say but its warnings and, a reload, how much changed. */
static void result_print(const struct command *c, const json_t *result)
{
	const char *done = json_string_value(json_object_get(c->method, "done"));
	const json_t *warnings = json_object_get(result, "warnings");
	const json_t *changes = json_object_get(result, "changes");

	if (json_object_get(c->method, "print")) {
		json_print(result);
	} else if (warnings) {
		warnings_print(warnings);
		if (done)
			puts(done);
		if (changes)
			changes_print(json_integer_value(changes));
	} else if (json_is_object(result)) {
		object_print(c->method, result);
	} else {
		json_print(result);
	}
}

void print_results(const struct command *c, const json_t *results)
{
	const char *key = json_string_value(json_object_get(c->method, "rows"));
	const json_t *columns = json_object_get(c->method, "table");
	const json_t *first = json_array_get(results, 0),
		     *rows = key ? json_object_get(first, key) : first;
	const char *cursor = json_string_value(json_object_get(first, "cursor"));
	json_t *result;
	size_t i;

	if (columns) {
		/* A list, or one thing a call. */
		table_print(json_is_array(rows) ? rows : results, columns);
		if (cursor)
			fprintf(stderr, "more: add --cursor %s\n", cursor);
		json_array_foreach (results, i, result)
			warnings_print(json_object_get(result, "warnings"));
		return;
	}
	json_array_foreach (results, i, result)
		result_print(c, result);
}

void print_error(const json_t *error)
{
	const json_t *faults = json_object_get(json_object_get(error, "data"), "faults");
	json_t *fault;
	size_t i;

	if (json_array_size(faults) == 0)
		fprintf(stderr, "fairleadctl: %s\n",
			json_string_value(json_object_get(error, "message")));
	json_array_foreach (faults, i, fault) {
		const char *path = json_string_value(json_object_get(fault, "path"));

		fprintf(stderr, "fairleadctl: %s%s%s%s\n",
			json_is_true(json_object_get(fault, "warning")) ? "warning: " : "", path,
			path && *path ? ": " : "",
			json_string_value(json_object_get(fault, "text")));
	}
}

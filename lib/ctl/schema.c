/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interpreter of our schemas. A fault reads "what was found; what is needed". It never stops at
 * the first: what is wrong with one member does not keep the others from being looked at.
 */
#include "schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "model/model.h"
#include "sched/sched.h"
#include "units.h"

#define PATH_MAX_TEXT 512
#define WORDS_MAX     64
#define FOUND_MAX     96
#define NEEDED_MAX    640

struct check {
	const struct schema *schema;
	struct faults *faults;
	char path[PATH_MAX_TEXT];
};

struct schema *schema_load(const char *text, size_t len)
{
	struct schema *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (s->doc)
		return s;
	free(s);
	errno = EINVAL;
	return NULL;
}

void schema_free(struct schema *s)
{
	if (!s)
		return;
	json_decref(s->doc);
	free(s);
}

const json_t *schema_rule(const struct schema *s, const json_t *rule)
{
	const json_t *ref = json_object_get(rule, "ref");

	if (!ref)
		return rule;
	return json_object_get(json_object_get(s->doc, "types"), json_string_value(ref));
}

const json_t *schema_key(const struct schema *s, const json_t *rule, const char *key)
{
	return json_object_get(json_object_get(schema_rule(s, rule), "keys"), key);
}

const json_t *schema_get(
	const struct schema *s, const json_t *rule, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return value ? value : json_object_get(schema_key(s, rule, key), "default");
}

/* ---- lists of words the program knows ------------------------------------------------------- */

static const char *scheduler_word(unsigned int i)
{
	return sched_list[i] ? sched_list[i]->name : NULL;
}

static const char *mode_word(unsigned int i)
{
	if (i < MODE_COUNT)
		return mode_name((enum mode)i);
	return i == MODE_COUNT ? mode_name(MODE_TCP) : NULL;
}

static const char *admin_word(unsigned int i)
{
	return i <= ADMIN_DISABLED ? admin_name((enum admin)i) : NULL;
}

static const struct {
	const char *name;
	const char *(*word)(unsigned int i);
} word_lists[] = {
	{ "schedulers", scheduler_word },
	{ "modes", mode_word },
	{ "admin-states", admin_word },
};

/* The words possible for a string, NULL at the end; returns how many. 0: any. */
static unsigned int rule_words(const json_t *rule, const char *out[static WORDS_MAX])
{
	const json_t *values = json_object_get(rule, "values");
	const char *list = json_string_value(json_object_get(rule, "words"));
	unsigned int n = 0;

	for (; n < json_array_size(values) && n < WORDS_MAX - 1; n++)
		out[n] = json_string_value(json_array_get(values, n));
	for (size_t i = 0; list && i < sizeof(word_lists) / sizeof(word_lists[0]); i++) {
		if (strcmp(word_lists[i].name, list) != 0)
			continue;
		for (const char *word; n < WORDS_MAX - 1 && (word = word_lists[i].word(n)); n++)
			out[n] = word;
	}
	out[n] = NULL;
	return n;
}

/* ---- saying what was found and what is needed ----------------------------------------------- */

/* JSON text of a value on one line, cut where it gets long. */
static const char *found(const json_t *value, char out[static FOUND_MAX])
{
	char *text;

	if (json_is_object(value))
		return "an object";
	if (json_is_array(value))
		return "a list";
	text = json_dumps(value, JSON_ENCODE_ANY);
	if (!text)
		return "a value";
	size_t len = strlen(text), cut = FOUND_MAX - 5;

	if (len > cut) {
		while ((text[cut] & 0xc0) == 0x80) /* not inside a UTF-8 character */
			cut--;
		snprintf(out, FOUND_MAX, "%.*s...", (int)cut, text);
	} else {
		memcpy(out, text, len + 1);
	}
	free(text);
	return out;
}

/* "a", "a" or "b", "a", "b" or "c". */
static void join_words(const char *const *words, unsigned int n, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (unsigned int i = 0; i < n && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s\"%s\"",
			i == 0       ? ""
			: i == n - 1 ? " or "
				     : ", ",
			words[i]);
}

static void needed_string(const json_t *rule, char out[static NEEDED_MAX])
{
	const char *format = json_string_value(json_object_get(rule, "format"));
	const char *words[WORDS_MAX];
	unsigned int n = rule_words(rule, words);

	if (n)
		join_words(words, n, out, NEEDED_MAX);
	else
		snprintf(out, NEEDED_MAX, "%s", format ? format_find(format)->needed : "a string");
	if (json_is_integer(json_object_get(rule, "max"))) {
		size_t len = strlen(out);

		snprintf(out + len, NEEDED_MAX - len, ", at most %d characters",
			(int)json_integer_value(json_object_get(rule, "max")));
	}
}

/* A string that may be a list of them. */
static void needed_strings(const json_t *rule, char out[static NEEDED_MAX])
{
	size_t len;

	needed_string(rule, out);
	len = strlen(out);
	if (json_is_true(json_object_get(rule, "list")))
		snprintf(out + len, NEEDED_MAX - len, ", or a list of them");
}

static const char *needed(const struct schema *s, const json_t *rule, char out[static NEEDED_MAX])
{
	const char *type = json_string_value(json_object_get(rule, "type"));
	const json_t *items = schema_rule(s, json_object_get(rule, "items"));

	if (!strcmp(type, "object"))
		return "an object";
	if (!strcmp(type, "boolean"))
		return "true or false";
	if (!strcmp(type, "array") &&
		!strcmp(json_string_value(json_object_get(items, "type")), "object"))
		return "a list of objects";
	if (!strcmp(type, "array")) {
		char element[NEEDED_MAX];

		snprintf(out, NEEDED_MAX, "a list, each element %.*s", NEEDED_MAX - 32,
			needed(s, items, element));
	} else if (!strcmp(type, "integer")) {
		snprintf(out, NEEDED_MAX,
			"an integer from %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(rule, "min")),
			json_integer_value(json_object_get(rule, "max")));
	} else {
		needed_strings(rule, out);
	}
	return out;
}

static void fault_value(struct check *c, const json_t *rule, const json_t *value)
{
	char what[FOUND_MAX], right[NEEDED_MAX];

	fault_add(c->faults, c->path, "%s; needed is %s", value ? found(value, what) : "missing",
		needed(c->schema, rule, right));
}

/* ---- paths ---------------------------------------------------------------------------------- */

static bool plain_key(const char *key)
{
	return key[0] &&
	       key[strspn(key,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == '\0';
}

/* Appends a key to the path; returns its former length, for path_leave(). */
static size_t path_key(struct check *c, const char *key)
{
	size_t len = strlen(c->path);
	char *quoted = NULL;

	if (plain_key(key)) {
		snprintf(c->path + len, sizeof(c->path) - len, "%s%.64s", len ? "." : "", key);
		return len;
	}
	json_t *text = json_string(key);
	if (text)
		quoted = json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	snprintf(c->path + len, sizeof(c->path) - len, "[%.64s]", quoted ? quoted : "?");
	free(quoted);
	json_decref(text);
	return len;
}

static size_t path_index(struct check *c, size_t i)
{
	size_t len = strlen(c->path);

	snprintf(c->path + len, sizeof(c->path) - len, "[%zu]", i);
	return len;
}

static void path_leave(struct check *c, size_t len)
{
	c->path[len] = '\0';
}

/* ---- checking ------------------------------------------------------------------------------- */

static void check_value(struct check *c, const json_t *rule, const json_t *value);

static void fault_unknown(struct check *c, const json_t *keys, const char *key)
{
	const char *known[WORDS_MAX + 1];
	const char *guess, *name;
	const json_t *rule;
	unsigned int n = 0;
	char text[NEEDED_MAX];

	json_object_foreach ((json_t *)(uintptr_t)keys, name, rule)
		if (n < WORDS_MAX)
			known[n++] = name;
	known[n] = NULL;
	guess = fault_closest(key, known);
	if (guess) {
		fault_add(c->faults, c->path, "unknown key; did you mean \"%s\"?", guess);
		return;
	}
	join_words(known, n, text, sizeof(text));
	if (n)
		fault_add(c->faults, c->path, "unknown key; possible here is %s", text);
	else
		fault_add(c->faults, c->path, "unknown key; none is possible here");
}

static void check_object(struct check *c, const json_t *rule, const json_t *value)
{
	const json_t *keys = json_object_get(rule, "keys");
	const json_t *member;
	const char *key;
	size_t len;

	if (!json_is_object(value)) {
		fault_value(c, rule, value);
		return;
	}
	json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
		const json_t *sub = json_object_get(keys, key);

		len = path_key(c, key);
		if (sub)
			check_value(c, sub, member);
		else
			fault_unknown(c, keys, key);
		path_leave(c, len);
	}
	json_object_foreach ((json_t *)(uintptr_t)keys, key, member) {
		if (!json_is_true(json_object_get(member, "required")) ||
			json_object_get(value, key))
			continue;
		len = path_key(c, key);
		fault_value(c, schema_rule(c->schema, member), NULL);
		path_leave(c, len);
	}
}

static void check_count(struct check *c, const json_t *rule, size_t n)
{
	const json_t *min = json_object_get(rule, "min"), *max = json_object_get(rule, "max");

	if (min && n < (size_t)json_integer_value(min))
		fault_add(c->faults, c->path, "%zu elements; needed is at least %d", n,
			(int)json_integer_value(min));
	if (max && n > (size_t)json_integer_value(max))
		fault_add(c->faults, c->path, "%zu elements; possible is at most %d", n,
			(int)json_integer_value(max));
}

static void check_array(struct check *c, const json_t *rule, const json_t *value)
{
	const json_t *items = json_object_get(rule, "items");

	if (!json_is_array(value)) {
		fault_value(c, rule, value);
		return;
	}
	check_count(c, rule, json_array_size(value));
	for (size_t i = 0; i < json_array_size(value); i++) {
		size_t len = path_index(c, i);

		check_value(c, items, json_array_get(value, i));
		path_leave(c, len);
	}
}

static void check_integer(struct check *c, const json_t *rule, const json_t *value)
{
	const json_t *min = json_object_get(rule, "min"), *max = json_object_get(rule, "max");
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || (min && n < json_integer_value(min)) ||
		(max && n > json_integer_value(max)))
		fault_value(c, rule, value);
}

static void check_word(struct check *c, const json_t *rule, const json_t *value,
	const char *const *words, unsigned int n)
{
	const char *text = json_string_value(value);
	const char *guess;
	char what[FOUND_MAX], right[NEEDED_MAX];

	for (unsigned int i = 0; i < n; i++)
		if (!strcmp(words[i], text))
			return;
	guess = fault_closest(text, words);
	if (!guess) {
		fault_value(c, rule, value);
		return;
	}
	fault_add(c->faults, c->path, "%s; needed is %s; did you mean \"%s\"?", found(value, what),
		needed(c->schema, rule, right), guess);
}

/* Durations and sizes are compared by what they mean. */
static bool unit_value(const char *format, const char *text, uint64_t *out)
{
	if (!strcmp(format, "duration"))
		return duration_parse(text, out) == 0;
	return !strcmp(format, "size") && size_parse(text, out) == 0;
}

static void check_range(struct check *c, const json_t *rule, const json_t *value)
{
	const char *format = json_string_value(json_object_get(rule, "format"));
	const char *min = json_string_value(json_object_get(rule, "min"));
	const char *max = json_string_value(json_object_get(rule, "max"));
	uint64_t v, low, high;
	char what[FOUND_MAX];

	if (!min || !max || !unit_value(format, json_string_value(value), &v) ||
		!unit_value(format, min, &low) || !unit_value(format, max, &high))
		return;
	if (v < low || v > high)
		fault_add(c->faults, c->path, "%s; needed is a %s from %s to %s",
			found(value, what), format, min, max);
}

static void check_format(struct check *c, const json_t *rule, const json_t *value)
{
	const struct format *format =
		format_find(json_string_value(json_object_get(rule, "format")));
	const json_t *max = json_object_get(rule, "max");
	char why[FORMAT_WHY] = "";

	if (!format->check(json_string_value(value), why)) {
		if (why[0])
			fault_add(c->faults, c->path, "%s", why);
		else
			fault_value(c, rule, value);
	} else if (json_is_integer(max) &&
		   json_string_length(value) > (size_t)json_integer_value(max)) {
		fault_add(c->faults, c->path, "%zu characters; possible is at most %d",
			json_string_length(value), (int)json_integer_value(max));
	} else {
		check_range(c, rule, value);
	}
}

static void check_string(struct check *c, const json_t *rule, const json_t *value)
{
	const char *words[WORDS_MAX];
	unsigned int n = rule_words(rule, words);

	if (!json_is_string(value))
		fault_value(c, rule, value);
	else if (n)
		check_word(c, rule, value, words, n);
	else if (json_object_get(rule, "format"))
		check_format(c, rule, value);
}

/* A string, or a list of one or more of them. */
static void check_strings(struct check *c, const json_t *rule, const json_t *value)
{
	if (!json_is_array(value) || !json_is_true(json_object_get(rule, "list"))) {
		check_string(c, rule, value);
		return;
	}
	if (json_array_size(value) == 0)
		fault_add(c->faults, c->path, "an empty list; needed is at least one element");

	json_t *element = json_copy((json_t *)(uintptr_t)rule);

	json_object_del(element, "list");
	for (size_t i = 0; i < json_array_size(value); i++) {
		size_t len = path_index(c, i);

		check_string(c, element, json_array_get(value, i));
		path_leave(c, len);
	}
	json_decref(element);
}

static void check_value(struct check *c, const json_t *rule, const json_t *value)
{
	rule = schema_rule(c->schema, rule);
	const char *type = json_string_value(json_object_get(rule, "type"));

	if (!strcmp(type, "object"))
		check_object(c, rule, value);
	else if (!strcmp(type, "array"))
		check_array(c, rule, value);
	else if (!strcmp(type, "integer"))
		check_integer(c, rule, value);
	else if (!strcmp(type, "string"))
		check_strings(c, rule, value);
	else if (!strcmp(type, "boolean") && !json_is_boolean(value))
		fault_value(c, rule, value);
}

bool schema_check(const struct schema *s, const json_t *rule, const json_t *value, const char *path,
	struct faults *faults)
{
	struct check c = { .schema = s, .faults = faults };
	size_t before = faults->errors;

	snprintf(c.path, sizeof(c.path), "%s", path);
	check_value(&c, rule, value);
	return faults->errors == before;
}

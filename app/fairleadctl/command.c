/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From words to parameters, by the schema: "args" says which keys may be given by place, every key
 * may be given as
 * "--key value", keys of objects as "--key.key value", a boolean as "--key" alone. Of the key that
 * "each" names there may be several: one call each.
 */
#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "ctl/schema.h"

/* ---- the schema --------------------------------------------------------------------------- */

const json_t *spec(void)
{
	static json_t *doc;

	if (!doc)
		doc = json_loadb(schema_rpc_text, schema_rpc_len, 0, NULL);
	return doc;
}

const json_t *spec_rule(const json_t *rule)
{
	const char *ref = json_string_value(json_object_get(rule, "ref"));

	return ref ? json_object_get(json_object_get(spec(), "types"), ref) : rule;
}

const json_t *spec_method(const char *noun, const char *verb)
{
	json_t *name = json_sprintf("%s.%s", noun, verb);
	const json_t *method =
		name ? json_object_get(json_object_get(spec(), "methods"), json_string_value(name))
		     : NULL;

	json_decref(name);
	return method;
}

const json_t *spec_keys(const json_t *method)
{
	return json_object_get(spec_rule(json_object_get(method, "params")), "keys");
}

const char **spec_nouns(void)
{
	json_t *nouns = json_object_get(spec(), "nouns");
	const char **names = calloc(json_object_size(nouns) + 2, sizeof(*names));
	const char *noun;
	json_t *unused;
	size_t n = 0;

	if (!names)
		abort();
	json_object_foreach (nouns, noun, unused)
		names[n++] = noun;
	return names;
}

const char **spec_verbs(const char *noun)
{
	json_t *methods = json_object_get(spec(), "methods");
	const char **names = calloc(json_object_size(methods) + 1, sizeof(*names));
	size_t n = 0, len = strlen(noun);
	const char *name;
	json_t *unused;

	if (!names)
		abort();
	json_object_foreach (methods, name, unused)
		if (strncmp(name, noun, len) == 0 && name[len] == '.')
			names[n++] = name + len + 1;
	return names;
}

/* ---- complaints --------------------------------------------------------------------------- */

/* names is taken. */
static enum exit_code unknown(const char *what, const char *word, const char **names)
{
	const char *close = fault_closest(word, names);

	if (close) {
		fprintf(stderr, "fairleadctl: no %s \"%s\"; did you mean \"%s\"?\n", what, word,
			close);
	} else {
		fprintf(stderr, "fairleadctl: no %s \"%s\"; there is:", what, word);
		for (unsigned int i = 0; names[i]; i++)
			fprintf(stderr, " %s", names[i]);
		fputc('\n', stderr);
	}
	free(names);
	return EXIT_USAGE;
}

static enum exit_code usage(const struct command *c, const char *what, const char *word)
{
	fprintf(stderr, "fairleadctl: ");
	fprintf(stderr, what, word);
	fputc('\n', stderr);
	help_usage_line(c->noun, c->verb);
	return EXIT_USAGE;
}

static enum exit_code unknown_option(const char *option, const json_t *keys)
{
	const char **names = calloc(json_object_size(keys) + 1, sizeof(*names));
	const char *key;
	json_t *unused;
	size_t n = 0;

	if (!names)
		abort();
	json_object_foreach ((json_t *)keys, key, unused)
		names[n++] = key;
	return unknown("option", option, names);
}

/* ---- values ------------------------------------------------------------------------------- */

/* The text of a file, "-" being standard input. */
static json_t *file_text(const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	size_t size = 0, len = 0, n;
	char *text = NULL;
	json_t *s;

	if (!f) {
		fprintf(stderr, "fairleadctl: cannot read %s: %s\n", path, strerror(errno));
		return NULL;
	}
	do {
		size += 65536;
		text = realloc(text, size);
		if (!text)
			abort();
		n = fread(text + len, 1, size - len, f);
		len += n;
	} while (n > 0);
	if (f != stdin)
		fclose(f);
	s = json_stringn(text, len);
	free(text);
	if (!s)
		fprintf(stderr, "fairleadctl: %s is not UTF-8\n", path);
	return s;
}

/* The value of a word under a rule; NULL after saying what is wrong. */
static json_t *value_of(const char *key, const json_t *rule, const char *word)
{
	const char *type = json_string_value(json_object_get(rule, "type"));
	json_t *value;
	char *end;

	if (json_is_true(json_object_get(rule, "file")))
		return file_text(word);
	if (!type || strcmp(type, "string") == 0) {
		value = json_string(word);
	} else if (strcmp(type, "integer") == 0) {
		long long n = strtoll(word, &end, 10);

		value = *word && *end == '\0' ? json_integer(n) : NULL;
	} else {
		value = json_loads(word, JSON_DECODE_ANY, NULL);
	}
	if (!value)
		fprintf(stderr, "fairleadctl: %s: \"%s\" is no %s\n", key, word,
			!type || strcmp(type, "string") == 0 ? "UTF-8" : type);
	return value;
}

/* Sets a key; a second value of one that may be a list makes it one. */
static enum exit_code value_set(json_t *o, const char *key, const json_t *rule, json_t *value)
{
	json_t *before = json_object_get(o, key), *list;

	if (!before) {
		json_object_set_new(o, key, value);
		return EXIT_DONE;
	}
	if (!json_is_true(json_object_get(rule, "list"))) {
		fprintf(stderr, "fairleadctl: %s is given twice\n", key);
		json_decref(value);
		return EXIT_USAGE;
	}
	if (json_is_array(before)) {
		json_array_append_new(before, value);
	} else {
		list = json_pack("[O, o]", before, value);
		json_object_set_new(o, key, list);
	}
	return EXIT_DONE;
}

/* ---- options ------------------------------------------------------------------------------ */

/* Follows "a.b.c" down to the object that has c; made as needed. NULL: no such option. */
static json_t *option_place(json_t *o, const json_t **keys, char *path, char **last)
{
	char *dot;

	while ((dot = strchr(path, '.'))) {
		const json_t *rule;
		json_t *below;

		*dot = '\0';
		rule = spec_rule(json_object_get(*keys, path));
		*keys = json_object_get(rule, "keys");
		if (!*keys)
			return NULL;
		below = json_object_get(o, path);
		if (!below) {
			below = json_object();
			json_object_set_new(o, path, below);
		}
		o = below;
		path = dot + 1;
	}
	*last = path;
	return json_object_get(*keys, path) ? o : NULL;
}

/* words[*i] begins with "--". */
static enum exit_code option_take(struct command *c, json_t *params, char **words, int n, int *i)
{
	const json_t *keys = spec_keys(c->method), *rule;
	char *path = strdup(words[*i] + 2), *equals, *last = path;
	enum exit_code code = EXIT_USAGE;
	json_t *place, *value = NULL;
	const char *type;

	if (!path)
		abort();
	equals = strchr(path, '=');
	if (equals)
		*equals = '\0';
	place = option_place(params, &keys, path, &last);
	if (!place) {
		unknown_option(last, keys ? keys : spec_keys(c->method));
		goto out;
	}
	rule = spec_rule(json_object_get(keys, last));
	type = json_string_value(json_object_get(rule, "type"));
	if (type && strcmp(type, "boolean") == 0 && !equals)
		value = json_true();
	else if (equals)
		value = value_of(last, rule, equals + 1);
	else if (*i + 1 < n)
		value = value_of(last, rule, words[++*i]);
	else
		usage(c, "--%s needs a value", last);
	if (value)
		code = value_set(place, last, rule, value);
out:
	free(path);
	return code;
}

/* ---- places ------------------------------------------------------------------------------- */

/* Sets the word at a place; those beyond the last place belong to "each". */
static enum exit_code place_take(
	struct command *c, json_t *params, json_t *more, size_t place, const char *word)
{
	const json_t *args = json_object_get(c->method, "args");
	const char *each = json_string_value(json_object_get(c->method, "each"));
	const char *key = json_string_value(json_array_get(args, place));
	json_t *value;

	if (!key && !each)
		return usage(c, "unexpected argument \"%s\"", word);
	if (!key)
		key = each;
	value = value_of(key, spec_rule(json_object_get(spec_keys(c->method), key)), word);
	if (!value)
		return EXIT_USAGE;
	if (place < json_array_size(args))
		return value_set(params, key, NULL, value);
	json_array_append_new(more, value);
	return EXIT_DONE;
}

static enum exit_code required_check(const struct command *c, const json_t *params)
{
	const char *key;
	json_t *rule;

	json_object_foreach ((json_t *)spec_keys(c->method), key, rule)
		if (json_is_true(json_object_get(spec_rule(rule), "required")) &&
			!json_object_get(params, key))
			return usage(c, "%s is missing", key);
	return EXIT_DONE;
}

static enum exit_code words_take(
	struct command *c, json_t *params, json_t *more, char **words, int n)
{
	enum exit_code code = EXIT_DONE;
	bool plain = false; /* after "--" */
	size_t place = 0;

	for (int i = 0; i < n && code == EXIT_DONE; i++) {
		if (!plain && strcmp(words[i], "--") == 0)
			plain = true;
		else if (!plain && strncmp(words[i], "--", 2) == 0)
			code = option_take(c, params, words, n, &i);
		else
			code = place_take(c, params, more, place++, words[i]);
	}
	return code == EXIT_DONE ? required_check(c, params) : code;
}

static enum exit_code method_find(struct command *c, char **words, int n)
{
	const char **verbs = spec_verbs(words[0]);
	json_t *name;

	c->noun = words[0];
	c->verb = n > 1 ? words[1] : NULL;
	if (!verbs[0]) {
		free(verbs);
		return unknown("command", words[0], spec_nouns());
	}
	if (!c->verb) {
		free(verbs);
		fprintf(stderr, "fairleadctl: %s what?\n", c->noun);
		help_noun(c->noun);
		return EXIT_USAGE;
	}
	c->method = spec_method(c->noun, c->verb);
	if (!c->method)
		return unknown("verb", c->verb, verbs);
	free(verbs);
	name = json_sprintf("%s.%s", c->noun, c->verb);
	c->name = name ? strdup(json_string_value(name)) : NULL;
	json_decref(name);
	return EXIT_DONE;
}

enum exit_code command_parse(struct command *c, char **words, int n)
{
	enum exit_code code = method_find(c, words, n);
	json_t *params, *more, *value;
	size_t i;

	if (code != EXIT_DONE)
		return code;
	params = json_object();
	more = json_array();
	c->calls = json_array();
	code = words_take(c, params, more, words + 2, n - 2);
	json_array_append(c->calls, params);
	json_array_foreach (more, i, value) {
		json_t *copy = json_copy(params);

		json_object_set(copy, json_string_value(json_object_get(c->method, "each")), value);
		json_array_append_new(c->calls, copy);
	}
	json_decref(more);
	json_decref(params);
	return code;
}

void command_clear(struct command *c)
{
	json_decref(c->calls);
	free((char *)c->name);
}

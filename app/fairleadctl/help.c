/* SPDX-License-Identifier: BSD-3-Clause */
/* Help and completion, made of the schema. */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

/* Text of the schema without its backquotes. */
static void print_plain(const char *text)
{
	for (; *text; text++)
		if (*text != '`')
			putchar(*text);
}

/* The first sentence. */
static void print_brief(const char *text)
{
	const char *end = strstr(text, ". ");
	char brief[200];

	snprintf(brief, sizeof(brief), "%.*s", end ? (int)(end - text) : (int)strlen(text), text);
	if (!end && brief[0] && brief[strlen(brief) - 1] == '.')
		brief[strlen(brief) - 1] = '\0';
	print_plain(brief);
	putchar('\n');
}

static void print_upper(FILE *f, const char *word)
{
	for (; *word; word++)
		fputc(*word >= 'a' && *word <= 'z' ? *word - 32 : *word, f);
}

/* What is given by place: "FILE" for what is read from one. */
static const char *place_name(const json_t *method, const char *key)
{
	const json_t *rule = spec_rule(json_object_get(spec_keys(method), key));

	return json_is_true(json_object_get(rule, "file")) ? "file" : key;
}

static void usage_words(FILE *f, const char *noun, const char *verb)
{
	const json_t *method = spec_method(noun, verb), *keys = spec_keys(method);
	const json_t *args = json_object_get(method, "args");
	json_t *arg;
	size_t i;

	fprintf(f, "fairleadctl %s %s", noun, verb);
	json_array_foreach (args, i, arg) {
		const char *key = json_string_value(arg);
		bool required = json_is_true(
			json_object_get(spec_rule(json_object_get(keys, key)), "required"));

		fputs(required ? " " : " [", f);
		print_upper(f, place_name(method, key));
		fputs(required ? "" : "]", f);
	}
	if (json_object_get(method, "each"))
		fputs("...", f);
	if (json_object_size(keys) > json_array_size(args))
		fputs(" [OPTIONS]", f);
	fputc('\n', f);
}

void help_usage_line(const char *noun, const char *verb)
{
	fputs("usage: ", stderr);
	usage_words(stderr, noun, verb);
}

void help_all(void)
{
	const json_t *nouns = json_object_get(spec(), "nouns");
	const char *noun;
	json_t *doc;

	puts("usage: fairleadctl [--socket PATH] [--json] NOUN VERB [ARGUMENTS]\n"
	     "       fairleadctl help [NOUN [VERB]]\n"
	     "       fairleadctl completion bash\n");
	json_object_foreach ((json_t *)nouns, noun, doc) {
		const char **verbs = spec_verbs(noun);

		printf("  %-10s ", noun);
		print_plain(json_string_value(doc));
		printf("\n             ");
		for (unsigned int i = 0; verbs[i]; i++)
			printf("%s%s", i ? ", " : "", verbs[i]);
		putchar('\n');
		free(verbs);
	}
	puts("\n  --socket PATH  the daemon's socket, " DEFAULT_SOCKET " by default\n"
	     "  --json         print the result as it came\n\n"
	     "Exit codes: 0 done, 1 refused, 2 usage, 3 no daemon at the socket, 4 partly done.");
}

void help_noun(const char *noun)
{
	const char *doc = text_of(json_object_get(spec(), "nouns"), noun);
	const char **verbs = spec_verbs(noun);

	if (!verbs[0])
		printf("There is no command \"%s\"; see: fairleadctl help\n", noun);
	else
		printf("%s\n\n", doc);
	for (unsigned int i = 0; verbs[i]; i++) {
		fputs("  ", stdout);
		usage_words(stdout, noun, verbs[i]);
		fputs("      ", stdout);
		print_brief(text_of(spec_method(noun, verbs[i]), "doc"));
	}
	free(verbs);
}

/* "name=VALUE" lines of one level of keys. */
static void print_keys(const json_t *keys, const char *before)
{
	const char *key;
	json_t *rule;

	json_object_foreach ((json_t *)keys, key, rule) {
		const json_t *values, *below;
		json_t *value;
		size_t i;

		rule = (json_t *)spec_rule(rule);
		below = json_object_get(rule, "keys");
		if (below) {
			json_t *path = json_sprintf("%s%s.", before, key);

			print_keys(below, json_string_value(path));
			json_decref(path);
			continue;
		}
		printf("  --%s%s\n      ", before, key);
		print_plain(text_of(rule, "doc"));
		values = json_object_get(rule, "values");
		json_array_foreach (values, i, value)
			printf("%s%s", i ? ", " : " One of: ", json_string_value(value));
		puts(json_array_size(values) ? "." : "");
	}
}

void help_command(const char *noun, const char *verb)
{
	const json_t *method = spec_method(noun, verb);
	json_t *example;
	size_t i;

	if (!method) {
		help_noun(noun);
		return;
	}
	printf("usage: ");
	usage_words(stdout, noun, verb);
	putchar('\n');
	print_plain(text_of(method, "doc"));
	printf("\n\n");
	if (json_object_size(spec_keys(method)))
		print_keys(spec_keys(method), "");
	printf("\nResult: ");
	print_plain(text_of(method, "result"));
	puts("\n\nExamples:");
	json_array_foreach (json_object_get(method, "examples"), i, example)
		printf("  fairleadctl %s\n", json_string_value(example));
}

/* ---- completion --------------------------------------------------------------------------- */

enum exit_code help_completion(const char *shell)
{
	if (strcmp(shell, "bash") != 0) {
		fprintf(stderr,
			"fairleadctl: completion is there for bash: fairleadctl completion bash\n");
		return EXIT_USAGE;
	}
	puts("# Load with: source <(fairleadctl completion bash)\n"
	     "_fairleadctl()\n"
	     "{\n"
	     "\tlocal IFS=$'\\n' cur=\"${COMP_WORDS[COMP_CWORD]}\"\n"
	     "\tCOMPREPLY=($(compgen -W \"$(fairleadctl complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" "
	     "2>/dev/null)\""
	     " -- \"$cur\"))\n"
	     "}\n"
	     "complete -o default -F _fairleadctl fairleadctl");
	return EXIT_DONE;
}

static void print_names(const char **names)
{
	for (unsigned int i = 0; names[i]; i++)
		puts(names[i]);
	free(names);
}

/* Names that the daemon knows: what "NOUN list" calls them; of servers, those of one pool. */
static void print_things(const char *socket, const char *noun, const char *pool)
{
	json_t *method = json_sprintf("%s.list", noun), *params = json_object(), *response, *thing;
	int fd = client_connect(socket, true);
	size_t i;

	if (fd < 0 || !spec_method(noun, "list"))
		goto out;
	if (pool)
		json_object_set_new(params, "pool", json_string(pool));
	response = client_call(fd, json_string_value(method), params, 1);
	json_array_foreach (json_object_get(response, "result"), i, thing) {
		const char *name = json_string_value(json_object_get(thing, "name"));

		if (name)
			puts(name);
	}
	json_decref(response);
out:
	if (fd >= 0)
		close(fd);
	json_decref(params);
	json_decref(method);
}

/* Words that a value of a key can be. */
static void print_values(const char *socket, const char *noun, const char *key, const json_t *rule,
	char *const *places)
{
	json_t *value;
	size_t i;

	json_array_foreach (json_object_get(rule, "values"), i, value)
		puts(json_string_value(value));
	if (strcmp(key, "pool") == 0 || strcmp(key, "service") == 0)
		print_things(socket, key, NULL);
	else if (strcmp(key, "name") == 0)
		print_things(socket, noun, strcmp(noun, "server") == 0 ? places[0] : NULL);
}

/* Arguments of a command; the last word is being typed. */
static void complete_arguments(
	const char *socket, const char *noun, const json_t *method, char **words, int n)
{
	const json_t *keys = spec_keys(method), *args = json_object_get(method, "args");
	const char *key = NULL;
	char *places[2] = { NULL, NULL };
	size_t place = 0;
	json_t *rule;

	for (int i = 0; i < n - 1; i++) {
		const bool option = strncmp(words[i], "--", 2) == 0;

		rule = option ? (json_t *)spec_rule(json_object_get(keys, words[i] + 2)) : NULL;
		key = NULL;
		if (option && strcmp(text_of(rule, "type"), "boolean") == 0)
			continue;
		if (option && i + 2 == n)
			key = words[i] + 2;
		else if (option)
			i++;
		else if (place < 2)
			places[place++] = words[i];
	}
	if (strncmp(words[n - 1], "-", 1) == 0 && !key) {
		json_object_foreach ((json_t *)keys, key, rule)
			printf("--%s\n", key);
		return;
	}
	if (!key)
		key = json_string_value(json_array_get(args, place));
	if (!key)
		key = json_string_value(json_object_get(method, "each"));
	if (key)
		print_values(socket, noun, key, spec_rule(json_object_get(keys, key)), places);
}

void help_complete(const char *socket, char **words, int n)
{
	const json_t *method;

	while (n > 1 && strncmp(words[0], "--", 2) == 0) {
		bool with_value = strcmp(words[0], "--socket") == 0;

		if (with_value && n > 2)
			socket = words[1];
		words += with_value ? 2 : 1;
		n -= with_value ? 2 : 1;
	}
	if (n < 1)
		return;
	if (n == 1) {
		print_names(spec_nouns());
		puts("help\ncompletion");
	} else if (n == 2) {
		print_names(spec_verbs(words[0]));
	} else {
		method = spec_method(words[0], words[1]);
		if (method)
			complete_arguments(socket, words[0], method, words + 2, n - 2);
	}
}

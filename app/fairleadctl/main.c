/* SPDX-License-Identifier: BSD-3-Clause */
/* fairleadctl: its own options, and the order of things. */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
	const char *socket;
	bool json;
	bool help;
};

/* Takes our own options out of the words, wherever they stand; what follows "--" is left alone.
 * false: usage. */
static bool options_take(struct options *o, char **words, int *n)
{
	int kept = 0;

	for (int i = 0; i < *n; i++) {
		char *word = words[i];

		if (strcmp(word, "--") == 0) {
			while (i < *n)
				words[kept++] = words[i++];
		} else if (strcmp(word, "--json") == 0) {
			o->json = true;
		} else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
			o->help = true;
		} else if (strncmp(word, "--socket=", 9) == 0) {
			o->socket = word + 9;
		} else if (strcmp(word, "--socket") == 0 && i + 1 < *n) {
			o->socket = words[++i];
		} else if (strcmp(word, "--socket") == 0) {
			fprintf(stderr, "fairleadctl: --socket needs a path\n");
			return false;
		} else {
			words[kept++] = word;
		}
	}
	*n = kept;
	return true;
}

static void json_line(FILE *f, const json_t *value)
{
	json_dumpf(value, f, JSON_COMPACT | JSON_ENCODE_ANY);
	fputc('\n', f);
}

/* One call after the other on one connection; results go to an array. */
static enum exit_code run(const struct options *o, const struct command *c)
{
	json_t *results = json_array(), *params;
	size_t i, done = 0, n = json_array_size(c->calls);
	int fd = client_connect(o->socket, false);

	if (fd < 0) {
		json_decref(results);
		return EXIT_NO_DAEMON;
	}
	json_array_foreach (c->calls, i, params) {
		json_t *response = client_call(fd, c->name, params, (int)i + 1);
		const json_t *error = json_object_get(response, "error");

		if (!response)
			break;
		if (error && o->json)
			json_line(stderr, error);
		else if (error)
			print_error(error);
		else if (o->json)
			json_line(stdout, json_object_get(response, "result"));
		else
			json_array_append(results, json_object_get(response, "result"));
		done += !error;
		json_decref(response);
	}
	close(fd);
	if (!o->json && done)
		print_results(c, results);
	json_decref(results);
	return done == n ? EXIT_DONE : done ? EXIT_PARTLY : EXIT_REFUSED;
}

/* The few commands that are no methods. true: it was one, and code is how it ended. */
static bool own_command(const struct options *o, char **words, int n, enum exit_code *code)
{
	*code = EXIT_DONE;
	if (n == 0 || strcmp(words[0], "help") == 0) {
		if (n > 2)
			help_command(words[1], words[2]);
		else if (n > 1)
			help_noun(words[1]);
		else
			help_all();
		if (n == 0 && !o->help)
			*code = EXIT_USAGE;
		return true;
	}
	if (strcmp(words[0], "completion") == 0) {
		*code = help_completion(n > 1 ? words[1] : "");
		return true;
	}
	if (strcmp(words[0], "complete") == 0) {
		help_complete(o->socket, words + 1, n - 1);
		return true;
	}
	if (o->help) {
		if (n > 1)
			help_command(words[0], words[1]);
		else
			help_noun(words[0]);
	}
	return o->help;
}

int main(int argc, char **argv)
{
	struct options o = { .socket = DEFAULT_SOCKET };
	struct command c = { 0 };
	enum exit_code code;
	int n = argc - 1;

	/* "complete" is about the words as they are typed. */
	if ((n == 0 || strcmp(argv[1], "complete") != 0) && !options_take(&o, argv + 1, &n))
		return EXIT_USAGE;
	if (own_command(&o, argv + 1, n, &code))
		return code;
	code = command_parse(&c, argv + 1, n);
	if (code == EXIT_DONE)
		code = run(&o, &c);
	command_clear(&c);
	return code;
}

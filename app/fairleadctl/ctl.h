/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fairleadctl: a thin client of the control socket. It knows no command: all it knows of them is
 * schema/rpc.json, built in.
 *
 *   words --command_parse()--> calls of one method --client_call()--> results
 *   results --print_results()--> text
 */
#ifndef FAIRLEADCTL_CTL_H
#define FAIRLEADCTL_CTL_H

#include <jansson.h>
#include <stdbool.h>

#define DEFAULT_SOCKET "/run/fairlead/fairlead.sock"

enum exit_code { EXIT_DONE, EXIT_REFUSED, EXIT_USAGE, EXIT_NO_DAEMON, EXIT_PARTLY };

/* What was asked for on the command line. */
struct command {
	const char *noun, *verb;
	const char *name;     /* "server.drain" */
	const json_t *method; /* its description */
	json_t *calls;        /* array of params: more than one where a name may be repeated */
};

/* ---- command.c ---------------------------------------------------------------------------- */

/* The built-in schema; borrowed. */
const json_t *spec(void);
/* The description of a method, NULL if there is none. */
const json_t *spec_method(const char *noun, const char *verb);
/* The keys of a method's parameters: { KEY: RULE ... }. */
const json_t *spec_keys(const json_t *method);
/* A rule, or what it refers to. */
const json_t *spec_rule(const json_t *rule);
/* NULL-terminated; free() it. */
const char **spec_nouns(void);
const char **spec_verbs(const char *noun);

/* words: NOUN VERB ARGUMENTS. EXIT_DONE, or EXIT_USAGE after saying what is wrong. */
enum exit_code command_parse(struct command *c, char **words, int n);
void command_clear(struct command *c);

/* ---- client.c ----------------------------------------------------------------------------- */

/* A connected socket, or -1 after saying why not (unless quiet). */
int client_connect(const char *path, bool quiet);
/* One call. Returns the whole response object, or NULL after saying what happened. */
json_t *client_call(int fd, const char *method, const json_t *params, int id);

/* ---- print.c ------------------------------------------------------------------------------ */

/* All results of a command. */
void print_results(const struct command *c, const json_t *results);
/* An error object, on standard error. */
void print_error(const json_t *error);

/* ---- help.c ------------------------------------------------------------------------------- */

void help_all(void);
void help_noun(const char *noun);
void help_command(const char *noun, const char *verb);
/* "usage: fairleadctl server drain POOL NAME [NAME...]" */
void help_usage_line(const char *noun, const char *verb);
/* The script for a shell. */
enum exit_code help_completion(const char *shell);
/* Prints what may stand in place of the last word. */
void help_complete(const char *socket, char **words, int n);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scripts of segments: README.md describes the language. A script is read as a whole, macros,
 * tables and matrices written out, before any of its cases is played; what is wrong with it is said
 * with file and line.
 */
#ifndef TCP_SCRIPT_H
#define TCP_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "segment.h"

#define STEP_WORDS 24
#define CONNS      64 /* that a case may speak of, and one more than the last number */

/* What a line does. Those without a segment are STEP_verb. */
enum step_kind {
	STEP_IN,      /* "<": a segment comes, and the burst ends */
	STEP_IN_MORE, /* "<<": and the burst goes on */
	STEP_OUT,     /* ">": a segment must have gone */
	STEP_OUT_ANY, /* "> ...": whatever has gone is of no interest */
	STEP_NOTHING, /* "> nothing": no segment may have gone */
#define VERB(name, args) STEP_##name,
#include "verbs.def"
#undef VERB
	STEP_KINDS
};

/* When a step is taken, in us after the one before; for what is expected: between which times. */
struct when {
	uint64_t from, to;
};

struct script;

struct step {
	struct script *script;
	const char *file;
	unsigned int line;
	struct when when;
	enum step_kind kind;
	unsigned int conn;
	struct segment seg;
	unsigned int n_words; /* after the verb */
	char *word[STEP_WORDS];
	struct step *reaction; /* of "react" */
};

struct test_case {
	char *title;
	bool v4, v6;
	bool plain; /* not with a device that cuts packets up */
	unsigned int n_steps;
	struct step *steps;
};

struct script {
	unsigned int n_cases;
	struct test_case *cases;
	struct piece *pieces; /* its memory */
};

/* NULL, with the reason on stderr, where it is no script. */
struct script *script_load(const char *path);
void script_free(struct script *s);

/* Memory that is freed with the script; zero. */
void *script_alloc(struct script *s, size_t size);

/* One line of a case, cut into words (which stay the caller's, and last as long as the step).
 * False with why, at most why_size bytes with NUL, where it is none. */
bool step_parse(
	struct step *step, char **words, unsigned int n_words, char *why, unsigned int why_size);

/* A sum of decimal numbers: "1001+20-3". False where text is none. */
bool number_parse(const char *text, int64_t *out);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A list of faults found in one pass over something a user wrote: where (a JSON path such as
 * "pools[0].servers[1].address"), what was found and what would be right. Warnings ride along.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>
#include <stddef.h>

struct fault {
	char *path; /* "" for the whole document */
	char *text; /* one line without a full stop */
	bool warning;
};

struct faults {
	struct fault *list;
	size_t n;
	size_t errors; /* those that are not warnings */
};

/* Adds one; path and text are copied. Out of memory counts as an error without text. */
void fault_add(struct faults *f, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void fault_warn(struct faults *f, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void faults_free(struct faults *f);

/* The candidate closest to word (Damerau-Levenshtein distance at most a third of its length), or
 * NULL: for "did you mean". candidates ends with NULL. */
const char *fault_closest(const char *word, const char *const *candidates);

#endif

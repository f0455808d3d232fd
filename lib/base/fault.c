/* SPDX-License-Identifier: BSD-3-Clause */
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Words longer than this are not names of ours, and no suggestion is looked for. */
#define WORD_MAX 64

static void append(struct faults *f, const char *path, bool warning, const char *fmt, va_list ap)
{
	struct fault fault = { .warning = warning };
	struct fault *list;

	f->errors += !warning;
	fault.path = strdup(path);
	if (!fault.path)
		return;
	if (vasprintf(&fault.text, fmt, ap) < 0)
		goto free_path;
	list = reallocarray(f->list, f->n + 1, sizeof(*list));
	if (!list)
		goto free_text;
	f->list = list;
	f->list[f->n++] = fault;
	return;

free_text:
	free(fault.text);
free_path:
	free(fault.path);
}

void fault_add(struct faults *f, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append(f, path, false, fmt, ap);
	va_end(ap);
}

void fault_warn(struct faults *f, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append(f, path, true, fmt, ap);
	va_end(ap);
}

void faults_free(struct faults *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->list[i].path);
		free(f->list[i].text);
	}
	free(f->list);
	*f = (struct faults){ 0 };
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/*
 * Damerau-Levenshtein distance in its restricted form (a pair of swapped letters counts once and is
 * not changed again). Three rows of the usual matrix; both words have at most WORD_MAX letters.
 */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *oldest = before;

		before = above;
		above = row;
		row = oldest;
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			bool differ = a[i - 1] != b[j - 1];

			row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + differ);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
	}
	return row[b_len];
}

const char *fault_closest(const char *word, const char *const *candidates)
{
	const char *best = NULL;
	size_t len = strlen(word), best_distance = len / 3 + 1;

	if (len > WORD_MAX)
		return NULL;
	for (; *candidates; candidates++) {
		size_t n = strlen(*candidates), d;

		if (n > WORD_MAX)
			continue;
		d = distance(word, len, *candidates, n);
		if (d < best_distance) {
			best = *candidates;
			best_distance = d;
		}
	}
	return best;
}

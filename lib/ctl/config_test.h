/* SPDX-License-Identifier: BSD-3-Clause */
/* For the tests of configuration: documents written with ' for ", and faults as text. */
#ifndef CTL_CONFIG_TEST_H
#define CTL_CONFIG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"

/* What most configurations of the tests have around what they are about. */
#define PORTS                                                                                      \
	"'ports': [{'name': 'wan', 'device': 'af_packet:w', "                                      \
	"'addresses': ['192.0.2.1/24', '2001:db8:1::1/64']}, "                                     \
	"{'name': 'lan', 'device': 'af_packet:l', 'addresses': ['10.0.0.1/24', 'fd00::1/64']}]"
#define AROUND(...)  "{'workers': [1], 'control': 0, " PORTS ", " __VA_ARGS__ "}"
#define SERVERS(...) "'pools': [{'name': 'web', 'servers': [" __VA_ARGS__ "]}]"
#define POOL         SERVERS("{'name': 'a', 'address': '10.0.0.11:80'}")
#define SERVICE(...) "'services': [{'name': 'web', 'pool': 'web', " __VA_ARGS__ "}]"

struct bad_case {
	const char *text;
	const char *faults; /* "path: text\n" each */
};

/* The text with ' turned into "; to be freed. */
static inline char *unquote(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

static inline json_t *parse(const char *text)
{
	struct faults faults = { 0 };
	char *copy = unquote(text);
	json_t *doc = config_parse(copy, strlen(copy), &faults);

	if (faults.n)
		print_message("%s\n", faults.list[0].text);
	assert_non_null(doc);
	assert_int_equal(faults.n, 0);
	free(copy);
	return doc;
}

/* All faults, warnings marked, a line each; to be freed. */
static inline char *faults_text(const struct faults *faults)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	for (size_t i = 0; i < faults->n; i++)
		fprintf(f, "%s%s: %s\n", faults->list[i].warning ? "warning: " : "",
			faults->list[i].path, faults->list[i].text);
	fclose(f);
	return text;
}

static inline void assert_faults(struct faults *faults, const char *expected)
{
	char *text = faults_text(faults);

	assert_string_equal(text, expected);
	free(text);
	faults_free(faults);
}

/* Reads a document and compares what is found; those with errors must not give a configuration. */
static inline void assert_case(const struct bad_case *b)
{
	struct faults faults = { 0 };
	json_t *doc = parse(b->text);
	struct config *c = config_read(doc, &faults);

	assert_int_equal(c == NULL, faults.errors > 0);
	assert_faults(&faults, b->faults);
	config_free(c);
	json_decref(doc);
}

#endif

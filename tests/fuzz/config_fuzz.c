/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration on arbitrary text: read, judged, measured and forgotten. A text that is good
 * has to be good again when it is printed and read once more.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/config.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

/* Whether the text is a configuration; again: what it prints as, for the caller to free, if it is.
 */
static bool read_text(const char *text, size_t len, char **again)
{
	struct faults faults = { 0 };
	json_t *doc = config_parse(text, len, &faults);
	struct config *c = doc ? config_read(doc, &faults) : NULL;

	if (c) {
		struct memory_plan plan;

		config_memory(c, &plan);
		if (again)
			*again = json_dumps(doc, JSON_COMPACT);
	}
	if (!c && faults.errors == 0)
		abort(); /* refused without a reason */
	config_free(c);
	json_decref(doc);
	faults_free(&faults);
	return c != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *again = NULL;

	if (read_text((const char *)data, size, &again)) {
		if (!again || !read_text(again, strlen(again), NULL))
			abort();
		free(again);
	}
	return 0;
}

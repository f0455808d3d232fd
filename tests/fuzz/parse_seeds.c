/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes seeds for parse_fuzz.c into a folder: some of the frames of tests/support/frame_cases.h,
 * well spread. Not run by the tests; corpus/parse was made with
 *
 *   ninja -C build tests/fuzz/parse_seeds && build/tests/fuzz/parse_seeds tests/fuzz/corpus/parse
 *
 * The ICMP errors there (error-*) were made by hand.
 */
#include <ctype.h>
#include <stdio.h>

#include <rte_common.h>

#include "frame_cases.h"

#define STEP 8

static int write_seed(const char *folder, const struct parse_case *c)
{
	char path[512], name[64];
	struct frame f;
	FILE *out;
	size_t n = 0;

	for (const char *p = c->name; *p && n < sizeof(name) - 1; p++)
		name[n++] = isalnum((unsigned char)*p) ? *p : '-';
	name[n] = '\0';
	snprintf(path, sizeof(path), "%s/case-%s", folder, name);
	make_frame(&f, c);
	out = fopen(path, "wb");
	if (!out) {
		perror(path);
		return 1;
	}
	fputc(c->nic & 1, out);
	fwrite(f.b, 1, f.len, out);
	return fclose(out) ? 1 : 0;
}

int main(int argc, char **argv)
{
	int bad = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	for (size_t i = 0; i < RTE_DIM(cases); i += STEP)
		bad |= write_seed(argv[1], &cases[i]);
	return bad;
}

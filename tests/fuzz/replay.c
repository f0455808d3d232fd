/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a fuzz target over the files of its corpus, and over the beginnings of each: a test without
 * libFuzzer. Prints TAP. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_READ (1u << 20)
/* Longer files are cut at fewer places. */
#define CUTS 256

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int replay(const char *path)
{
	uint8_t *data = malloc(SIZE_MAX_READ);
	FILE *f = fopen(path, "rb");
	size_t size = f && data ? fread(data, 1, SIZE_MAX_READ, f) : 0;
	size_t step = size / CUTS + 1;

	if (f)
		fclose(f);
	for (size_t cut = 0; f && data && cut < size; cut += step) {
		/* In memory of its own, so that a sanitizer sees its end. */
		uint8_t *part = malloc(cut ? cut : 1);

		memcpy(part, data, cut);
		LLVMFuzzerTestOneInput(part, cut);
		free(part);
	}
	if (f && data)
		LLVMFuzzerTestOneInput(data, size);
	free(data);
	return f && data ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct dirent **entries = NULL;
	char path[4096];
	int n, bad = 0;

	LLVMFuzzerInitialize(&argc, &argv);
	n = argc > 1 ? scandir(argv[1], &entries, visible, alphasort) : -1;
	if (n <= 0) {
		fprintf(stderr, "no corpus\n");
		return 1;
	}
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
		int rc = replay(path);

		printf("%s %d - %s\n", rc ? "not ok" : "ok", i + 1, entries[i]->d_name);
		fflush(stdout);
		bad |= rc;
		free(entries[i]);
	}
	free(entries);
	return bad ? 1 : 0;
}

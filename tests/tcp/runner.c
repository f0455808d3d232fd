/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plays scripts of segments and prints TAP: a test for each case and family of addresses.
 *
 *   runner [-c TEXT] [-d] FILE|FOLDER...    -c: only cases whose title contains the text
 *                                           -d: a device makes checksums and cuts packets up
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab.h"
#include "play.h"

#define FILES 256

struct run {
	const char *only; /* of titles; "": all */
	bool device;
	unsigned int n_files, n_tests, n_failed;
	char *file[FILES];
	struct script *script[FILES];
};

static void add_file(struct run *r, const char *path)
{
	if (r->n_files < FILES)
		r->file[r->n_files++] = strdup(path);
}

static int is_script(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');

	return dot && strcmp(dot, ".tcp") == 0;
}

static void add_path(struct run *r, const char *path)
{
	struct dirent **names;
	struct stat st;
	char full[4096];
	int n;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		add_file(r, path);
		return;
	}
	n = scandir(path, &names, is_script, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(full, sizeof(full), "%s/%s", path, names[i]->d_name);
		add_file(r, full);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static bool wanted(const struct run *r, const struct test_case *c)
{
	return strstr(c->title, r->only) && !(c->plain && r->device);
}

static void run_test(struct run *r, const char *file, const struct test_case *c, bool v6)
{
	char why[PLAY_TEXT];
	const bool good = play_case(c, v6, r->device, why);
	const char *slash = strrchr(file, '/');
	const char *base = slash ? slash + 1 : file;

	printf("%sok %u - %.*s %s, IPv%d%s\n", good ? "" : "not ", ++r->n_tests,
		(int)strcspn(base, "."), base, c->title, v6 ? 6 : 4, r->device ? ", cut up" : "");
	if (!good)
		printf("# %s\n", why);
	fflush(stdout);
	r->n_failed += !good;
}

static void run_script(struct run *r, unsigned int i)
{
	for (unsigned int k = 0; k < r->script[i]->n_cases; k++) {
		const struct test_case *c = &r->script[i]->cases[k];

		if (c->v4 && wanted(r, c))
			run_test(r, r->file[i], c, false);
		if (c->v6 && wanted(r, c))
			run_test(r, r->file[i], c, true);
	}
}

static unsigned int count_tests(const struct run *r)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->n_files; i++)
		for (unsigned int k = 0; k < r->script[i]->n_cases; k++) {
			const struct test_case *c = &r->script[i]->cases[k];

			if (wanted(r, c))
				n += (unsigned int)c->v4 + c->v6;
		}
	return n;
}

static void free_files(struct run *r)
{
	for (unsigned int i = 0; i < r->n_files; i++) {
		if (r->script[i])
			script_free(r->script[i]);
		free(r->file[i]);
	}
}

int main(int argc, char **argv)
{
	struct run r = { .only = "" };
	bool good = true;
	int option;

	while ((option = getopt(argc, argv, "c:d")) != -1)
		if (option == 'c')
			r.only = optarg;
		else if (option == 'd')
			r.device = true;
		else
			return 2;
	for (int i = optind; i < argc; i++)
		add_path(&r, argv[i]);
	for (unsigned int i = 0; i < r.n_files; i++) {
		r.script[i] = script_load(r.file[i]);
		good = good && r.script[i];
	}
	if (!good || count_tests(&r) == 0) {
		fprintf(stderr, "%s: no cases\n", argv[0]);
		free_files(&r);
		return 2;
	}
	lab_init();
	printf("1..%u\n", count_tests(&r));
	for (unsigned int i = 0; i < r.n_files; i++)
		run_script(&r, i);
	free_files(&r);
	if (r.n_failed)
		printf("# %u of %u failed\n", r.n_failed, r.n_tests);
	return r.n_failed ? 1 : 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes seeds for frag_fuzz.c into a folder. Not run by the tests; corpus/frag was made with
 *
 *   ninja -C build tests/fuzz/frag_seeds && build/tests/fuzz/frag_seeds tests/fuzz/corpus/frag
 *
 * What was found since (atomic-*) was added by hand.
 */
#include <stdio.h>

#include "frag_step.h"

#define STEPS 4
#define TCP   0x20 /* where[0] */

static const struct seed {
	const char *name;
	uint8_t choice;
	struct frag_step step[STEPS]; /* up to one of length 0 */
} seeds[] = {
	{ "in-order", 0, { { .len = 8, .run = 3, .rest = 3, .with = 5 } } },
	{ "in-order-6", 0, { { .what = FRAG_V6, .len = 8, .run = 3, .rest = 3 } } },
	{ "reverse", 0, { { .what = FRAG_BACK, .len = 180, .run = 3, .rest = 7 } } },
	{ "reverse-6", 0, { { .what = FRAG_V6 | FRAG_BACK, .len = 180, .run = 3 } } },
	{ "segments", 0, { { .what = FRAG_SEGMENTS, .len = 100, .run = 2, .at = 90 } } },
	{ "segments-6", 0,
		{ { .what = FRAG_V6 | FRAG_SEGMENTS, .len = 100, .run = 2, .at = 150 } } },
	{ "options", 0, { { .len = 8, .run = 2, .rest = 0xe3 } } },
	{ "extensions", 0, { { .what = FRAG_V6, .len = 8, .run = 2, .rest = 0x63, .at = 4 } } },
	{ "congestion", 0,
		{ { .what = FRAG_MORE, .len = 8, .rest = 0x10 },
			{ .where = { 0, 8 }, .len = 1, .rest = 0x18 } } },
	{ "tiny", 0, { { .what = FRAG_MORE, .where = { TCP, 0 }, .len = 1 } } },
	{ "duplicate", 0,
		{ { .what = FRAG_MORE, .len = 8 }, { .what = FRAG_MORE, .len = 8 },
			{ .where = { 0, 8 }, .len = 1 } } },
	{ "overlap", 0,
		{ { .what = FRAG_MORE, .len = 8 }, { .where = { 0, 7 }, .len = 2 },
			{ .what = FRAG_MORE, .len = 8 } } },
	{ "two-ends", 0,
		{ { .where = { 0, 8 }, .len = 1 }, { .where = { 0, 16 }, .len = 1 },
			{ .what = FRAG_MORE, .len = 8 } } },
	{ "time", FRAG_CHOOSE_LATE,
		{ { .what = FRAG_MORE, .len = 8 }, { .what = FRAG_MORE | FRAG_V6, .len = 8 },
			{ .where = { 0, 8 }, .len = 1, .pause = 175 },
			{ .what = FRAG_V6, .where = { 0, 8 }, .len = 1, .pause = 120 } } },
	{ "flood", 0,
		{ { .what = FRAG_MORE | FRAG_IDS, .len = 8, .run = 40 },
			{ .what = FRAG_MORE | FRAG_IDS | FRAG_HOST, .len = 8, .run = 20 },
			{ .what = FRAG_MORE | FRAG_IDS | FRAG_V6, .len = 8, .run = 20 } } },
	{ "refused", 0,
		{ { .what = FRAG_MORE | FRAG_IDS, .len = 8, .run = 20 },
			{ .where = { 0, 4 }, .what = FRAG_MORE | FRAG_IDS, .len = 8, .run = 20 },
			{ .what = FRAG_IDS | FRAG_V6, .len = 8, .run = 20 } } },
	{ "many", FRAG_CHOOSE_LARGE,
		{ { .what = FRAG_MORE, .len = 2, .run = 255 },
			{ .where = { 2, 0 }, .len = 2, .run = 1 } } },
	{ "longest", FRAG_CHOOSE_LARGE, { { .len = 180, .run = 44, .rest = 7 } } },
	{ "longest-6", FRAG_CHOOSE_LARGE, { { .what = FRAG_V6, .len = 160, .run = 50 } } },
	{ "spoilt", 0, { { .what = FRAG_SPOIL, .len = 8, .run = 2, .at = 6, .with = 0x80 } } },
};

static int write_seed(const char *folder, const struct seed *s)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", folder, s->name);
	out = fopen(path, "wb");
	if (!out) {
		perror(path);
		return 1;
	}
	fputc(s->choice, out);
	for (unsigned int i = 0; i < STEPS && s->step[i].len; i++)
		fwrite(&s->step[i], sizeof(s->step[i]), 1, out);
	return fclose(out) ? 1 : 0;
}

int main(int argc, char **argv)
{
	int bad = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		bad |= write_seed(argv[1], &seeds[i]);
	return bad;
}

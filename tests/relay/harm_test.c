/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "harm.h"

#define FRAMES 100000
#define SEEDS  5

/* What became of FRAMES frames. */
struct tally {
	uint32_t lost, runs, reordered, duplicated, corrupted;
	double jitter, least, most;
	uint32_t upper_bits; /* frames whose bit number is in the upper half */
};

static struct tally tally_of(const struct harm_profile *p, uint64_t seed)
{
	struct tally t = { .least = 2, .most = -2 };
	struct harm_choice c = { 0 };
	struct harm h;

	harm_init(&h, p, seed, 0);
	for (unsigned int i = 0; i < FRAMES; i++) {
		const bool before = c.lose;

		harm_choose(&h, &c);
		t.lost += c.lose;
		t.runs += c.lose && !before;
		if (c.lose) {
			assert_false(c.reorder || c.duplicate || c.corrupt);
			continue;
		}
		t.reordered += c.reorder;
		t.duplicated += c.duplicate;
		t.corrupted += c.corrupt;
		t.jitter += c.jitter;
		t.least = fmin(t.least, c.jitter);
		t.most = fmax(t.most, c.jitter);
		t.upper_bits += c.bit >> 63;
	}
	return t;
}

/* Within five standard deviations of `share` of n. */
static void assert_share(uint32_t count, uint32_t n, double share)
{
	const double off = fabs(count - n * share), allowed = 5 * sqrt(n * share * (1 - share));

	if (off > allowed)
		fail_msg("%u of %u, which is not %g", count, n, share);
}

static bool same(struct harm *a, struct harm *b, unsigned int n)
{
	struct harm_choice x, y;
	bool equal = true;

	for (unsigned int i = 0; i < n; i++) {
		harm_choose(a, &x);
		harm_choose(b, &y);
		equal = equal && x.lose == y.lose && x.reorder == y.reorder &&
			x.duplicate == y.duplicate && x.corrupt == y.corrupt && x.bit == y.bit &&
			x.jitter == y.jitter;
	}
	return equal;
}

static const struct harm_profile some = {
	.loss = 0.02, .reorder = 0.02, .duplicate = 0.01, .corrupt = 0.005
};

static void test_same_seed(void **state)
{
	struct harm_profile bursts = some;
	struct harm a, b;

	bursts.burst = 4;
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		for (unsigned int way = 0; way < 2; way++) {
			harm_init(&a, &some, seed, way);
			harm_init(&b, &some, seed, way);
			assert_true(same(&a, &b, FRAMES));
			harm_init(&a, &bursts, seed, way);
			harm_init(&b, &bursts, seed, way);
			assert_true(same(&a, &b, FRAMES));
		}
}

static void test_other_seed_or_way(void **state)
{
	struct harm a, b;

	harm_init(&a, &some, 1, 0);
	harm_init(&b, &some, 2, 0);
	assert_false(same(&a, &b, 10));
	harm_init(&a, &some, 1, 0);
	harm_init(&b, &some, 1, 1);
	assert_false(same(&a, &b, 10));
	/* Nor is one way another seed's other way, or a few frames ahead of it. */
	for (uint64_t seed = 0; seed < 4; seed++)
		for (unsigned int ahead = 0; ahead < 4; ahead++) {
			struct harm_choice c;

			harm_init(&a, &some, 1, 0);
			harm_init(&b, &some, seed, 1);
			for (unsigned int i = 0; i < ahead; i++)
				harm_choose(&b, &c);
			assert_false(same(&a, &b, 10));
		}
}

static void test_rates(void **state)
{
	static const double shares[] = { 0.001, 0.005, 0.02, 0.05, 0.5 };

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		for (unsigned int i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
			const double s = shares[i];
			const struct harm_profile p = {
				.loss = s, .reorder = s / 2, .duplicate = s / 3, .corrupt = s / 4
			};
			const struct tally t = tally_of(&p, seed);
			const uint32_t rest = FRAMES - t.lost;

			assert_share(t.lost, FRAMES, s);
			assert_share(t.reordered, rest, s / 2);
			assert_share(t.duplicated, rest, s / 3);
			assert_share(t.corrupted, rest, s / 4);
			assert_share(t.upper_bits, rest, 0.5);
		}
}

static void test_jitter(void **state)
{
	const struct tally t = tally_of(&(struct harm_profile){ 0 }, 1);

	assert_true(t.least >= -1 && t.least < -0.99 && t.most <= 1 && t.most > 0.99);
	/* The standard deviation of one is 1/sqrt(3). */
	assert_true(fabs(t.jitter / FRAMES) < 5 / sqrt(3.0 * FRAMES));
}

static void test_nothing_and_all(void **state)
{
	struct tally t = tally_of(&(struct harm_profile){ 0 }, 1);

	assert_int_equal(t.lost + t.reordered + t.duplicated + t.corrupted, 0);
	t = tally_of(&(struct harm_profile){ .burst = 5 }, 1);
	assert_int_equal(t.lost, 0);
	t = tally_of(&(struct harm_profile){ .reorder = 1, .duplicate = 1, .corrupt = 1 }, 1);
	assert_int_equal(t.reordered, FRAMES);
	assert_int_equal(t.duplicated, FRAMES);
	assert_int_equal(t.corrupted, FRAMES);
	t = tally_of(&(struct harm_profile){ .loss = 1 }, 1);
	assert_int_equal(t.lost, FRAMES);
}

/* The share is that asked for, and the runs are as long. A run counts for as much as its length
 * tells, so that bounds are wider than those of independent frames. */
static void test_bursts(void **state)
{
	static const double shares[] = { 0.01, 0.05 }, lengths[] = { 1, 3, 10 };

	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		for (unsigned int i = 0; i < 6; i++) {
			const double share = shares[i / 3], length = lengths[i % 3];
			const struct harm_profile p = { .loss = share, .burst = length };
			const struct tally t = tally_of(&p, seed);
			const double runs = FRAMES * share / length;

			assert_true(fabs(t.runs - runs) < 5 * sqrt(runs));
			assert_true(fabs((double)t.lost / t.runs - length) <=
				    5 * sqrt(length * (length - 1) / t.runs));
		}
}

/* Losses of independent frames come in runs, too, but in short ones. */
static void test_no_bursts(void **state)
{
	const struct tally t = tally_of(&(struct harm_profile){ .loss = 0.05 }, 1);

	assert_true(fabs((double)t.lost / t.runs - 1 / 0.95) < 0.05);
}

static void test_harms_do_not_mix(void **state)
{
	const struct harm_profile less = { .loss = 0.02, .corrupt = 0.01 };
	struct harm a, b;
	struct harm_choice x, y;

	harm_init(&a, &some, 3, 0);
	harm_init(&b, &less, 3, 0);
	for (unsigned int i = 0; i < FRAMES; i++) {
		harm_choose(&a, &x);
		harm_choose(&b, &y);
		assert_int_equal(x.lose, y.lose);
		assert_true(y.corrupt || !x.corrupt); /* of 0.5 %, among those of 1 % */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_seed),
		cmocka_unit_test(test_other_seed_or_way),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_nothing_and_all),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_no_bursts),
		cmocka_unit_test(test_harms_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

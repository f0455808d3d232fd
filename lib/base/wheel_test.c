/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wheel.h"

#define NODES 1000

/* Something timed, with the node somewhere inside. `at` and `armed_ms` are what the test remembers.
 */
struct timed {
	uint64_t pad;
	struct wheel_node node;
	uint64_t at, armed_ms; /* ms since the start; these do not wrap */
	bool armed;
};

struct bed {
	struct wheel w;
	struct timed t[NODES];
	uint32_t first_ms; /* the wheel's clock at the start */
	uint64_t now;      /* ms since the start */
	uint32_t shift;
	uint64_t random;
	uint64_t reach; /* ms */
};

static uint32_t rnd(struct bed *b, uint32_t below)
{
	b->random = b->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((b->random >> 32) * below >> 32);
}

static void bed_init(struct bed *b, uint32_t shift, uint32_t first_ms, uint64_t seed)
{
	*b = (struct bed){ .first_ms = first_ms, .shift = shift, .random = seed };
	b->reach = 4 * 1024 * 1024ull << shift;
	for (unsigned int i = 0; i < NODES; i++)
		wheel_node_init(&b->t[i].node);
	wheel_init(&b->w, &b->t[0].node, sizeof(b->t[0]), shift, first_ms);
}

static void arm(struct bed *b, uint32_t i, uint64_t at)
{
	wheel_arm(&b->w, i, b->first_ms + (uint32_t)at);
	b->t[i].at = at;
	b->t[i].armed_ms = b->now;
	b->t[i].armed = true;
}

/* The latest moment at which a node may still be in the wheel, as wheel.h promises. */
static uint64_t latest(const struct bed *b, const struct timed *t)
{
	uint64_t wait = t->at > t->armed_ms ? t->at - t->armed_ms : 0;
	uint64_t late = (2ull << b->shift) - 1;

	if (wait == 0)
		return t->armed_ms + (1ull << b->shift) - 1;
	if (wait > 254ull << b->shift)
		late += wait / 63;
	return t->at + late;
}

/* Advances in portions and checks what fires and, at the end, that nothing overdue has stayed. */
static void advance(struct bed *b, uint64_t ms, unsigned int max)
{
	uint32_t out[NODES];
	unsigned int n, armed = 0;

	b->now += ms;
	do {
		n = wheel_advance(&b->w, b->first_ms + (uint32_t)b->now, out, max);
		assert_in_range(n, 0, max);
		for (unsigned int i = 0; i < n; i++) {
			struct timed *t = &b->t[out[i]];

			assert_true(t->armed);
			assert_false(wheel_is_armed(&t->node));
			/* Early only at the horizon, which is within a slot of its level. */
			if (t->at > b->now && b->now - t->armed_ms < b->reach - (b->reach >> 6))
				fail_msg("fired %llu ms early",
					(unsigned long long)(t->at - b->now));
			t->armed = false;
		}
		/* The rest may be disarmed or armed anew before it is called for. */
		if (n == max && rnd(b, 2)) {
			uint32_t i = rnd(b, NODES);

			wheel_disarm(&b->w, i);
			b->t[i].armed = false;
		}
	} while (n == max);
	for (unsigned int i = 0; i < NODES; i++) {
		struct timed *t = &b->t[i];

		assert_int_equal(t->armed, wheel_is_armed(&t->node));
		if (t->armed && latest(b, t) <= b->now)
			fail_msg(
				"did not fire: %llu ms late", (unsigned long long)(b->now - t->at));
		armed += t->armed;
	}
	assert_int_equal(b->w.armed, armed);
}

/* Delays of all sizes, uniform in their number of bits; half of them from a few, so that lists in
 * slots grow long. */
static uint64_t some_delay(struct bed *b)
{
	if (rnd(b, 2))
		return 1000u << rnd(b, 3);
	return rnd(b, UINT32_MAX) >> (1 + rnd(b, 31));
}

static void against_a_list(uint32_t shift, uint32_t first_ms, uint64_t seed)
{
	struct bed *b = malloc(sizeof(*b));

	assert_non_null(b);
	bed_init(b, shift, first_ms, seed);
	for (unsigned int step = 0; step < 6000; step++) {
		for (unsigned int k = rnd(b, 8); k > 0; k--) {
			uint32_t i = rnd(b, NODES);

			switch (rnd(b, 8)) {
			case 0:
				wheel_disarm(&b->w, i);
				b->t[i].armed = false;
				break;
			case 1: /* in the past */
				arm(b, i,
					b->now - rnd(b, b->now < 5000 ? (uint32_t)b->now + 1
								      : 5000));
				break;
			default:
				arm(b, i, b->now + some_delay(b));
			}
		}
		advance(b, rnd(b, 4) ? rnd(b, 40) : some_delay(b) >> rnd(b, 12), 1 + rnd(b, 64));
	}
	/* In the end everything fires, though what was beyond the reach has to be asked for again.
	 */
	advance(b, 1u << 30, NODES);
	advance(b, 1u << 30, NODES);
	advance(b, 1u << 30, NODES);
	assert_int_equal(b->w.armed, 0);
	for (unsigned int i = 0; i < WHEEL_LEVELS * WHEEL_SLOTS / 64; i++)
		assert_int_equal((&b->w.used[0][0])[i], 0);
	free(b);
}

static void random_tick_1ms(void **state)
{
	against_a_list(0, 0, 1);
}

static void random_tick_8ms_across_the_wrap(void **state)
{
	against_a_list(3, UINT32_MAX - 20000, 2);
}

static void random_tick_64ms_odd_start(void **state)
{
	against_a_list(6, 0x7ffffff1, 3);
}

static void short_delays_are_exact(void **state)
{
	struct bed *b = malloc(sizeof(*b));
	uint32_t out[1];

	assert_non_null(b);
	bed_init(b, 0, UINT32_MAX - 3, 4); /* the clock wraps under it */
	for (uint32_t delay = 1; delay < 255; delay++) {
		uint32_t now = b->first_ms + (uint32_t)b->now;

		wheel_arm(&b->w, 7, now + delay);
		assert_int_equal(wheel_advance(&b->w, now + delay - 1, out, 1), 0);
		assert_int_equal(wheel_advance(&b->w, now + delay, out, 1), 1);
		assert_int_equal(out[0], 7);
		b->now += delay;
	}
	free(b);
}

static void the_past_fires_at_once(void **state)
{
	struct bed *b = malloc(sizeof(*b));
	uint32_t out[4];

	assert_non_null(b);
	bed_init(b, 6, 100, 5);
	wheel_arm(&b->w, 1, 100);
	wheel_arm(&b->w, 2, 50);
	wheel_arm(&b->w, 3, 40);
	wheel_disarm(&b->w, 2);
	wheel_disarm(&b->w, 2);
	assert_int_equal(wheel_advance(&b->w, 100, out, 4), 2);
	assert_int_equal(wheel_advance(&b->w, 100, out, 4), 0);
	/* A clock that steps back a little moves nothing. */
	wheel_arm(&b->w, 1, 164);
	assert_int_equal(wheel_advance(&b->w, 90, out, 4), 0);
	assert_int_equal(wheel_advance(&b->w, 163, out, 4), 0);
	assert_int_equal(wheel_advance(&b->w, 164, out, 4), 1);
	free(b);
}

/* All nodes due in one slot and spread over many: each call takes max, and what waits can go away.
 */
static void a_pause_is_worked_off_in_portions(void **state)
{
	struct bed *b = malloc(sizeof(*b));
	unsigned int taken = 0, n;
	uint32_t out[16];

	assert_non_null(b);
	bed_init(b, 0, 0, 6);
	for (uint32_t i = 0; i < NODES; i++)
		wheel_arm(&b->w, i, i % 2 ? 500 : 1 + i * 97);
	while ((n = wheel_advance(&b->w, 1000000, out, 16)) > 0) {
		assert_true(n == 16 || b->w.armed == 0);
		taken += n;
		if (taken == 160) {
			uint32_t left = 0;

			while (!wheel_is_armed(&b->t[left].node))
				left++;
			wheel_disarm(&b->w, left);
			taken++;
		}
	}
	assert_int_equal(taken, NODES);
	assert_int_equal(b->w.armed, 0);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_tick_1ms),
		cmocka_unit_test(random_tick_8ms_across_the_wrap),
		cmocka_unit_test(random_tick_64ms_odd_start),
		cmocka_unit_test(short_delays_are_exact),
		cmocka_unit_test(the_past_fires_at_once),
		cmocka_unit_test(a_pause_is_worked_off_in_portions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

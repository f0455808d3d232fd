/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "way.h"

#define MS   1000000ull
#define SIZE 100

/* Frames are told apart by the number in their last four bytes. */
static void put_sized(struct way *w, uint32_t number, uint32_t len, uint64_t now)
{
	uint8_t data[2000] = { [12] = 0x08, [14] = 0x45 };

	memcpy(data + len - 4, &number, 4);
	assert_int_equal(way_put(w, data, len, now), 0);
}

static void put(struct way *w, uint32_t number, uint64_t now)
{
	put_sized(w, number, SIZE, now);
}

/* The number of the frame that comes out, or -1 if none does. */
static int64_t take(struct way *w, uint64_t now)
{
	struct frame *f = way_take(w, now);
	uint32_t number;

	if (!f)
		return -1;
	memcpy(&number, f->data + f->len - 4, 4);
	free(f);
	return number;
}

static const struct way_profile plain = { .hold_frames = 3, .hold_ns = 10 * MS, .queue = 65536 };

static void test_plain(void **state)
{
	struct way w;

	way_init(&w, &plain, 1, 0);
	assert_int_equal(way_next(&w), UINT64_MAX);
	for (unsigned int i = 0; i < 100; i++)
		put(&w, i, 5);
	assert_int_equal(way_next(&w), 5);
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(take(&w, 5), i);
	assert_int_equal(take(&w, 5), -1);
	assert_int_equal(w.counters.received, 100);
	assert_int_equal(w.counters.bytes, 100 * SIZE);
	assert_int_equal(w.counters.out, 100);
	way_clear(&w);
}

/* What comes out is what a generator of the same seed lets through. */
static void test_as_chosen(void **state)
{
	struct way_profile p = plain;
	struct harm_choice c;
	struct harm h;
	struct way w;

	p.harm = (struct harm_profile){ .loss = 0.1, .duplicate = 0.1 };
	way_init(&w, &p, 7, 1);
	harm_init(&h, &p.harm, 7, 1);
	for (unsigned int i = 0; i < 10000; i++) {
		put(&w, i, i);
		harm_choose(&h, &c);
		for (int copies = c.lose ? 0 : 1 + c.duplicate; copies; copies--)
			assert_int_equal(take(&w, i), i);
		assert_int_equal(take(&w, i), -1);
	}
	assert_true(w.counters.lost > 800 && w.counters.duplicated > 700);
	assert_int_equal(w.counters.out, 10000 - w.counters.lost + w.counters.duplicated);
	way_clear(&w);
}

static unsigned int bits_set(const uint8_t *data, uint32_t len)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < len; i++)
		n += __builtin_popcount(data[i]);
	return n;
}

static void test_corrupt(void **state)
{
	struct way_profile p = plain;
	uint8_t hit[SIZE] = { 0 };
	struct way w;

	p.harm.corrupt = 1;
	way_init(&w, &p, 1, 0);
	for (unsigned int i = 0; i < 20000; i++) {
		struct frame *f;
		uint8_t data[SIZE] = { 0 };

		assert_int_equal(way_put(&w, data, SIZE, 0), 0);
		f = way_take(&w, 0);
		assert_int_equal(bits_set(f->data, SIZE), 1);
		for (unsigned int k = 0; k < SIZE; k++)
			hit[k] |= f->data[k];
		free(f);
	}
	assert_int_equal(bits_set(hit, WAY_HEADER), 0);
	assert_int_equal(bits_set(hit, SIZE), (SIZE - WAY_HEADER) * 8);
	/* No bit behind the header to flip, nor room to look for one. */
	for (unsigned int len = 1; len <= WAY_HEADER; len++) {
		assert_int_equal(way_put(&w, hit, len, 0), 0);
		free(way_take(&w, 0));
	}
	assert_int_equal(w.counters.corrupted, 20000);
	way_clear(&w);
}

/* ARP, ND and MLD go on at once where nothing else does; and no choice is made for them. */
static void test_link(void **state)
{
	uint8_t arp[60] = { [12] = 0x08, [13] = 0x06 };
	uint8_t six[90] = { [12] = 0x86, [13] = 0xdd, [14] = 0x60 };
	struct way_profile p = plain;
	struct way w;

	p.harm.loss = 1;
	p.delay_ns = 50 * MS;
	p.mtu = 68;
	way_init(&w, &p, 1, 0);
	assert_int_equal(way_put(&w, arp, sizeof(arp), 0), 0);
	six[20] = 58;
	for (unsigned int type = 130; type < 140; type++) {
		six[54] = type;
		assert_int_equal(way_put(&w, six, 80, 0), 0);
	}
	six[20] = 0; /* hop-by-hop */
	six[54] = 58;
	assert_int_equal(way_put(&w, six, sizeof(six), 0), 0);
	six[54] = 17;
	assert_int_equal(way_put(&w, six, 80, 0), 0);
	assert_int_equal(way_next(&w), 0);
	for (unsigned int i = 0; i < 1 + 5 + 1; i++)
		assert_int_equal(take(&w, 0), 0);
	assert_int_equal(take(&w, 1000 * MS), -1);
	assert_int_equal(w.counters.link, 7);
	assert_int_equal(w.counters.lost, 6);
	way_clear(&w);
}

static void test_link_takes_no_choice(void **state)
{
	const uint8_t arp[60] = { [12] = 0x08, [13] = 0x06 };
	struct way_profile p = plain;
	struct way a, b;

	p.harm.loss = 0.5;
	way_init(&a, &p, 1, 0);
	way_init(&b, &p, 1, 0);
	for (unsigned int i = 0; i < 1000; i++) {
		assert_int_equal(way_put(&b, arp, sizeof(arp), i), 0);
		free(way_take(&b, i));
		put(&a, i, i);
		put(&b, i, i);
		assert_int_equal(take(&a, i), take(&b, i));
	}
	way_clear(&a);
	way_clear(&b);
}

static void test_delay(void **state)
{
	struct way_profile p = plain;
	struct way w;

	p.delay_ns = 20 * MS;
	way_init(&w, &p, 1, 0);
	put(&w, 1, 3 * MS);
	put(&w, 2, 4 * MS);
	assert_int_equal(way_next(&w), 23 * MS);
	assert_int_equal(take(&w, 23 * MS - 1), -1);
	assert_int_equal(take(&w, 23 * MS), 1);
	assert_int_equal(take(&w, 23 * MS), -1);
	assert_int_equal(way_next(&w), 24 * MS);
	assert_int_equal(take(&w, 24 * MS), 2);
	way_clear(&w);
}

/* Frames 3 ms apart, each delayed by 20 ms give or take 5. */
static void test_jitter(void **state)
{
	struct way_profile p = plain;
	uint64_t least = UINT64_MAX, most = 0;
	struct way w;

	p.delay_ns = 20 * MS;
	p.jitter_ns = 5 * MS;
	way_init(&w, &p, 1, 0);
	for (unsigned int i = 0; i < 1000; i++)
		put(&w, i, i * 3 * MS);
	for (unsigned int i = 0; i < 1000; i++) {
		const uint64_t at = way_next(&w), late = at - i * 3 * MS;

		assert_int_equal(take(&w, at - 1), -1);
		assert_int_equal(take(&w, at), i);
		least = late < least ? late : least;
		most = late > most ? late : most;
	}
	assert_true(least >= 15 * MS && least < 16 * MS && most <= 25 * MS && most > 24 * MS);
	way_clear(&w);
}

/* The first frame that is held, of this seed. */
static unsigned int first_held(const struct way_profile *p, uint64_t seed)
{
	struct harm_choice c;
	struct harm h;
	unsigned int n = 0;

	harm_init(&h, &p->harm, seed, 0);
	for (harm_choose(&h, &c); !c.reorder; n++)
		harm_choose(&h, &c);
	return n;
}

/* A frame is held until three have passed it. */
static void test_held_by_number(void **state)
{
	struct way_profile p = plain;
	unsigned int held;
	struct way w;

	p.harm.reorder = 0.02;
	held = first_held(&p, 5);
	way_init(&w, &p, 5, 0);
	for (unsigned int i = 0; i <= held + 4; i++)
		put(&w, i, 0);
	for (unsigned int i = 0; i < held; i++)
		assert_int_equal(take(&w, 0), i);
	assert_int_equal(take(&w, 0), held + 1);
	assert_int_equal(take(&w, 0), held + 2);
	assert_int_equal(take(&w, 0), held + 3);
	assert_int_equal(take(&w, 0), held);
	assert_int_equal(take(&w, 0), held + 4);
	assert_int_equal(take(&w, 0), -1);
	assert_int_equal(w.counters.held, 1);
	assert_int_equal(w.counters.reordered, 1);
	way_clear(&w);
}

/* Or until its time is over: after one that passed it, or after none, which is no reordering. */
static void test_held_by_time(void **state)
{
	struct way_profile p = plain;
	struct way w;

	p.harm.reorder = 1;
	p.delay_ns = MS;
	way_init(&w, &p, 1, 0);
	put(&w, 1, 0);
	put(&w, 2, 2 * MS);
	assert_int_equal(take(&w, MS), -1);
	assert_int_equal(way_next(&w), 3 * MS);
	assert_int_equal(take(&w, 3 * MS), -1);
	assert_int_equal(way_next(&w), 11 * MS);
	assert_int_equal(take(&w, 11 * MS - 1), -1);
	assert_int_equal(take(&w, 11 * MS), 1);
	/* The second is looked at late, and still comes before one that is due later. */
	put(&w, 3, 13 * MS);
	assert_int_equal(take(&w, 30 * MS), 2);
	assert_int_equal(take(&w, 30 * MS), 3);
	assert_int_equal(take(&w, 30 * MS), -1);
	assert_int_equal(w.counters.held, 3);
	assert_int_equal(w.counters.reordered, 0);
	way_clear(&w);
}

/* The order is the same whether way_take() is called when there is something, or once at the end.
 */
static void test_late_order(void **state)
{
	struct way_profile p = plain;
	struct way a, b;

	p.harm.reorder = 0.2;
	p.delay_ns = 5 * MS;
	p.jitter_ns = 4 * MS;
	way_init(&a, &p, 1, 0);
	way_init(&b, &p, 1, 0);
	for (unsigned int i = 0; i < 1000; i++) {
		put(&a, i, i * 4 * MS);
		put(&b, i, i * 4 * MS);
	}
	for (unsigned int i = 0; i < 1000; i++) {
		int64_t number = -1;

		while (number < 0)
			number = take(&a, way_next(&a));
		assert_int_equal(number, take(&b, 10000 * MS));
	}
	assert_true(a.counters.reordered > 100 && a.counters.held < 300);
	assert_int_equal(a.counters.reordered, b.counters.reordered);
	way_clear(&a);
	way_clear(&b);
}

/* 8 Mbit/s are 1000 ns a byte. */
static void test_rate(void **state)
{
	struct way_profile p = plain;
	struct way w;

	p.byte_ns = 1000;
	p.delay_ns = MS;
	p.queue = 5000;
	way_init(&w, &p, 1, 0);
	for (unsigned int i = 0; i < 8; i++)
		put_sized(&w, i, 1000, 0);
	assert_int_equal(w.counters.queue_full, 3);
	/* One has left, so that there is room for another. */
	put_sized(&w, 8, 1000, MS);
	put_sized(&w, 9, 100, MS);
	assert_int_equal(w.counters.queue_full, 4);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(way_next(&w), (i + 2) * MS);
		assert_int_equal(take(&w, (i + 2) * MS), i);
	}
	assert_int_equal(take(&w, 7 * MS), 8);
	assert_int_equal(take(&w, 100 * MS), -1);
	/* Time in which there was nothing to send is not made up for. */
	put_sized(&w, 10, 1000, 100 * MS);
	put_sized(&w, 11, 1000, 100 * MS);
	assert_int_equal(way_next(&w), 102 * MS);
	assert_int_equal(take(&w, 102 * MS), 10);
	assert_int_equal(way_next(&w), 103 * MS);
	way_clear(&w);
}

static void test_bound(void **state)
{
	struct way_profile p = plain;
	struct way w;

	p.delay_ns = MS;
	way_init(&w, &p, 1, 0);
	for (unsigned int i = 0; i < WAY_FRAMES + 10; i++)
		put(&w, i, 0);
	assert_int_equal(w.counters.queue_full, 10);
	assert_int_equal(take(&w, MS), 0);
	put(&w, 0, 0);
	assert_int_equal(w.counters.queue_full, 10);
	way_clear(&w);
	assert_int_equal(way_next(&w), UINT64_MAX);
}

static void test_mtu(void **state)
{
	struct way_profile p = plain;
	struct way w;

	p.mtu = 1280;
	way_init(&w, &p, 1, 0);
	put_sized(&w, 1, 1280 + WAY_HEADER + 1, 0);
	put_sized(&w, 2, 1280 + WAY_HEADER, 0);
	assert_int_equal(take(&w, 0), 2);
	assert_int_equal(take(&w, 0), -1);
	assert_int_equal(w.counters.too_big, 1);
	way_clear(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_as_chosen),
		cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_link_takes_no_choice),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_held_by_number),
		cmocka_unit_test(test_held_by_time),
		cmocka_unit_test(test_late_order),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_mtu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

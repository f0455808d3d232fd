/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hash.h"

/* The reference vectors of SipHash-2-4: key 00 01 .. 0f; input i is the bytes 00 01 .. i-1. The
 * numbers are the outputs read as little-endian. */
static const uint64_t expected[64] = {
	0x726fdb47dd0e0e31,
	0x74f839c593dc67fd,
	0x0d6c8009d9a94f5a,
	0x85676696d7fb7e2d,
	0xcf2794e0277187b7,
	0x18765564cd99a68d,
	0xcbc9466e58fee3ce,
	0xab0200f58b01d137,
	0x93f5f5799a932462,
	0x9e0082df0ba9e4b0,
	0x7a5dbbc594ddb9f3,
	0xf4b32f46226bada7,
	0x751e8fbc860ee5fb,
	0x14ea5627c0843d90,
	0xf723ca908e7af2ee,
	0xa129ca6149be45e5,
	0x3f2acc7f57c29bdb,
	0x699ae9f52cbe4794,
	0x4bc1b3f0968dd39c,
	0xbb6dc91da77961bd,
	0xbed65cf21aa2ee98,
	0xd0f2cbb02e3b67c7,
	0x93536795e3a33e88,
	0xa80c038ccd5ccec8,
	0xb8ad50c6f649af94,
	0xbce192de8a85b8ea,
	0x17d835b85bbb15f3,
	0x2f2e6163076bcfad,
	0xde4daaaca71dc9a5,
	0xa6a2506687956571,
	0xad87a3535c49ef28,
	0x32d892fad841c342,
	0x7127512f72f27cce,
	0xa7f32346f95978e3,
	0x12e0b01abb051238,
	0x15e034d40fa197ae,
	0x314dffbe0815a3b4,
	0x027990f029623981,
	0xcadcd4e59ef40c4d,
	0x9abfd8766a33735c,
	0x0e3ea96b5304a7d0,
	0xad0c42d6fc585992,
	0x187306c89bc215a9,
	0xd4a60abcf3792b95,
	0xf935451de4f21df2,
	0xa9538f0419755787,
	0xdb9acddff56ca510,
	0xd06c98cd5c0975eb,
	0xe612a3cb9ecba951,
	0xc766e62cfcadaf96,
	0xee64435a9752fe72,
	0xa192d576b245165a,
	0x0a8787bf8ecb74b2,
	0x81b3e73d20b49b6f,
	0x7fa8220ba3b2ecea,
	0x245731c13ca42499,
	0xb78dbfaf3a8d83bd,
	0xea1ad565322a1a0b,
	0x60e61c23a3795013,
	0x6606d7e446282b93,
	0x6ca4ecb15c5f91e1,
	0x9f626da15c9625f3,
	0xe51b38608ef25f57,
	0x958a324ceb064572,
};

static void siphash_reference_vectors(void **state)
{
	struct hash_key key = { { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u } };
	uint8_t room[65], *data = room + 1; /* not aligned */

	for (unsigned int i = 0; i < 64; i++) {
		data[i] = (uint8_t)i;
		assert_int_equal(hash_siphash(&key, data, i), expected[i]);
	}
}

static void random_keys_differ(void **state)
{
	struct hash_key a = { { 0, 0 } }, b = { { 0, 0 } };

	assert_int_equal(hash_key_random(&a), 0);
	assert_int_equal(hash_key_random(&b), 0);
	assert_memory_not_equal(&a, &b, sizeof(a));
}

/* Tuples as a few clients make them, addresses and ports counting up, must spread over buckets like
 * random ones: chi-squared of 256 buckets has mean 255 and deviation 22.6; 400 is six of them. */
static double chi_squared(const unsigned int bucket[256], unsigned int n)
{
	double sum = 0, mean = n / 256.0;

	for (unsigned int i = 0; i < 256; i++)
		sum += (bucket[i] - mean) * (bucket[i] - mean) / mean;
	return sum;
}

static void tuples_spread(void **state)
{
	struct hash_key key = { { 0x243f6a8885a308d3u, 0x13198a2e03707344u } };
	unsigned int n = 0, low4[256] = { 0 }, high4[256] = { 0 }, low6[256] = { 0 },
		     high6[256] = { 0 };
	uint8_t v4[8] = { 10, 0, 0, 0, 192, 0, 2, 1 }, v6[32] = { 0x20, 0x01, 0x0d, 0xb8 };
	uint8_t ports[4] = { 0, 0, 0, 80 };

	v6[16] = 0x20;
	for (unsigned int host = 0; host < 64; host++)
		for (unsigned int port = 0; port < 1024; port++, n++) {
			v4[3] = v6[15] = (uint8_t)host;
			ports[0] = (uint8_t)(port >> 8);
			ports[1] = (uint8_t)port;
			uint32_t h4 = hash_tuple4(&key, v4, ports, 6);
			uint32_t h6 = hash_tuple6(&key, v6, ports, 6);
			low4[h4 & 255]++;
			high4[h4 >> 24]++;
			low6[h6 & 255]++;
			high6[h6 >> 24]++;
		}
	assert_true(chi_squared(low4, n) < 400);
	assert_true(chi_squared(high4, n) < 400);
	assert_true(chi_squared(low6, n) < 400);
	assert_true(chi_squared(high6, n) < 400);
}

static void every_field_counts(void **state)
{
	struct hash_key key = { { 0x243f6a8885a308d3u, 0x13198a2e03707344u } };
	uint8_t in[32 + 4] = { 0 };
	uint32_t v4 = hash_tuple4(&key, in, in + 32, 6), v6 = hash_tuple6(&key, in, in + 32, 6);

	assert_int_not_equal(v4, hash_tuple4(&key, in, in + 32, 17));
	assert_int_not_equal(v6, hash_tuple6(&key, in, in + 32, 17));
	for (unsigned int i = 0; i < sizeof(in); i++) {
		in[i] = 1;
		if (i < 8 || i >= 32)
			assert_int_not_equal(v4, hash_tuple4(&key, in, in + 32, 6));
		assert_int_not_equal(v6, hash_tuple6(&key, in, in + 32, 6));
		in[i] = 0;
	}
}

/* Flows of one client and one server, which differ in one port: with every key, no place has many
 * more than others. 200 keys are enough for one that goes wrong with a few in a hundred. */
static void test_ports_alone(void **state)
{
	static uint8_t count[4096];
	struct hash_key key = { { 0x243f6a8885a308d3, 0x13198a2e03707344 } };
	uint8_t addrs[32];

	(void)state;
	for (unsigned int round = 0; round < 200; round++) {
		key.k[0] = hash_siphash(&key, &round, sizeof(round));
		key.k[1] = hash_siphash(&key, &round, sizeof(round));
		for (unsigned int i = 0; i < sizeof(addrs); i++)
			addrs[i] = (uint8_t)hash_siphash(&key, &i, sizeof(i));
		for (unsigned int v6 = 0; v6 < 2; v6++) {
			memset(count, 0, sizeof(count));
			for (uint32_t i = 0; i < 20000; i++) {
				const uint8_t ports[4] = { (uint8_t)(i >> 8), (uint8_t)i, 0, 80 };
				const uint32_t h = v6 ? hash_tuple6(&key, addrs, ports, 17)
						      : hash_tuple4(&key, addrs, ports, 17);

				assert_true(++count[h >> 20] < 30); /* 5 on average */
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports_alone),
		cmocka_unit_test(siphash_reference_vectors),
		cmocka_unit_test(random_keys_differ),
		cmocka_unit_test(tuples_spread),
		cmocka_unit_test(every_field_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

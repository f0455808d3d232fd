/* SPDX-License-Identifier: BSD-3-Clause */
/* A nic's hash, for tests: nothing here is of the product. */
#ifndef TEST_TOEPLITZ_H
#define TEST_TOEPLITZ_H

#include <stddef.h>
#include <stdint.h>

/*
 * Toeplitz by its definition (Microsoft, "RSS hashing functions"), a bit at a time: for each bit of
 * the input that is set, the 32 bits of the key that begin there.
 */
static inline uint32_t toeplitz(const uint8_t *key, const uint8_t *in, size_t len)
{
	uint32_t h = 0;

	for (size_t i = 0; i < len * 8; i++) {
		uint32_t window = 0;

		if (!(in[i / 8] >> (7 - i % 8) & 1))
			continue;
		for (size_t k = i; k < i + 32; k++)
			window = window << 1 | (key[k / 8] >> (7 - k % 8) & 1);
		h ^= window;
	}
	return h;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a connection begins with, as it comes: more and more bytes. Each beginning of a header waits
 * for more, and from one byte on the verdict is the same. Ends that were told, and any ends, are
 * read back from what is written of them.
 */
#include <stdlib.h>
#include <string.h>

#include "net/proxyhdr.h"

/* More of the input than the longest header has is of no interest. */
#define MOST (PROXYHDR_MAX + 16)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static bool ends_equal(const struct proxyhdr *a, const struct proxyhdr *b)
{
	return addr_equal(&a->src.addr, &b->src.addr) && a->src.port == b->src.port &&
	       addr_equal(&a->dst.addr, &b->dst.addr) && a->dst.port == b->dst.port;
}

static void read_back(const struct proxyhdr *h)
{
	for (unsigned int version = 1; version <= 2; version++) {
		uint8_t out[PROXYHDR_WRITTEN_MAX];
		const uint32_t n = proxyhdr_write(version, &h->src, &h->dst, out);
		struct proxyhdr again;

		require(n < PROXYHDR_WRITTEN_MAX);
		require(proxyhdr_parse(out, n, &again) == PROXYHDR_DONE);
		require(again.told && again.len == n && ends_equal(h, &again));
	}
}

/* Ends of the input's own bytes; odd first byte: IPv4 both. */
static void any_ends(const uint8_t *data, size_t size)
{
	struct proxyhdr h = { .told = true };
	uint8_t b[37] = { 0 };

	memcpy(b, data, size < sizeof(b) ? size : sizeof(b));
	h.src.addr = addr_from_v6(b + 1);
	h.dst.addr = addr_from_v6(b + 17);
	if (b[0] & 1) {
		h.src.addr = addr_from_v4(h.src.addr.w[0]);
		h.dst.addr = addr_from_v4(h.dst.addr.w[0]);
	}
	h.src.port = (uint16_t)(b[33] << 8 | b[34]);
	h.dst.port = (uint16_t)(b[35] << 8 | b[36]);
	read_back(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint32_t most = size < MOST ? (uint32_t)size : MOST;
	enum proxyhdr_verdict verdict = PROXYHDR_MORE, v;
	uint8_t *copy = malloc(most + 1u); /* its end is that of the bytes there are */
	struct proxyhdr first = { 0 };

	require(copy);
	for (uint32_t n = 0; n <= most; n++) {
		uint8_t *at = copy + (most + 1 - n);
		struct proxyhdr h = { 0 };

		if (n > 0)
			memcpy(at, data, n);
		v = proxyhdr_parse(at, n, &h);
		require(verdict == PROXYHDR_MORE || v == verdict);
		if (v == PROXYHDR_DONE && verdict == PROXYHDR_MORE) {
			require(h.len == n);
			first = h;
		}
		if (v == PROXYHDR_DONE)
			require(h.len == first.len && h.told == first.told &&
				ends_equal(&h, &first));
		verdict = v;
	}
	free(copy);
	require(verdict != PROXYHDR_MORE || most < PROXYHDR_MAX);
	if (verdict == PROXYHDR_DONE && first.told)
		read_back(&first);
	any_ends(data, size);
	return 0;
}

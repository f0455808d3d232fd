/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keyed hashes.
 *
 * hash_siphash() is SipHash-2-4 (Aumasson, Bernstein 2012): for what an attacker must not predict
 * or what must be equal on every balancer of a cluster. Miss path only.
 *
 * hash_tuple4() and hash_tuple6() fold 64 x 64 multiplications of the tuple with a secret key: a
 * few cycles, no known way to make collisions without the key. For a worker's own flow table.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct hash_key {
	uint64_t k[2];
};

uint64_t hash_siphash(const struct hash_key *key, const void *data, size_t len);

/* A key from the kernel's random source. 0, or -errno. */
int hash_key_random(struct hash_key *key);

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* One multiplication more: of tuples whose ports alone differ, which are many, the first makes an
 * arithmetic progression, and with some keys that comes back to the same few places. */
static inline uint32_t hash_end(uint64_t h, const struct hash_key *key)
{
	return (uint32_t)(hash_fold(h ^ key->k[1], 0x9e3779b97f4a7c15u) >> 16);
}

/* addrs: source then destination address as in an IPv4 header (8 bytes); ports: source then
 * destination port as in a TCP or UDP header (4 bytes). Neither needs alignment. */
static inline uint32_t hash_tuple4(
	const struct hash_key *key, const void *addrs, const void *ports, uint8_t proto)
{
	uint64_t a;
	uint32_t p;

	memcpy(&a, addrs, 8);
	memcpy(&p, ports, 4);
	uint64_t h = hash_fold(a ^ key->k[0], ((uint64_t)p << 8 | proto) ^ key->k[1]);
	return hash_end(h, key);
}

/* The same for an IPv6 header (32 bytes of addresses). */
static inline uint32_t hash_tuple6(
	const struct hash_key *key, const void *addrs, const void *ports, uint8_t proto)
{
	uint64_t a[4];
	uint32_t p;

	memcpy(a, addrs, 32);
	memcpy(&p, ports, 4);
	uint64_t h = hash_fold(a[0] ^ key->k[0], a[1] ^ key->k[1]);
	h ^= hash_fold(a[2] ^ key->k[1], a[3] ^ key->k[0] ^ 0x9e3779b97f4a7c15u);
	h = hash_fold(h ^ key->k[0], ((uint64_t)p << 8 | proto) ^ key->k[1]);
	return hash_end(h, key);
}

/* Where a hash table of cache lines keeps them, for whoever knows a hash before the table's owner
 * looks: n lines from lines on. */
struct hash_index {
	struct hash_key key;
	void *lines;
	uint32_t n;
};

#define HASH_LINE 64

/* The line of a hash. The high bits choose, the low ones are left to tell hashes apart. */
static inline void *hash_line(const struct hash_index *x, uint32_t hash)
{
	return (char *)x->lines + (((uint64_t)hash * x->n) >> 32) * HASH_LINE;
}

#endif

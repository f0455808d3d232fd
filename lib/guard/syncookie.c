/* SPDX-License-Identifier: BSD-3-Clause */
/* See syncookie.h. The work of a SYN is two dozen bytes of SipHash, of IPv6 twice that. */
#include "syncookie.h"

#include <rte_branch_prediction.h>
#include <rte_common.h>

/* Bits of a cookie. */
#define MAC_SHIFT 4
#define MSS_SHIFT 1
#define MSS_MASK  7
#define MINUTE    1

/* Bits of a timestamp: the scale, none being TCPOPT_NO_SCALE, and whether SACK is permitted. */
#define STAMP_SACK 0x10
#define STAMP_MASK 0x1f
/* In the place of these bits, for the MAC, where there are no timestamps. */
#define STAMP_NONE 0x20

/*
 * Sizes, the next lower one is taken. What IPv4 and IPv6 have by default; a tunnel or two less than
 * Ethernet; Ethernet under IPv6 and IPv4; jumbo frames. A client that says less than 64 is served
 * with 64.
 */
static const uint16_t sizes[MSS_MASK + 1] = { 64, 536, 1220, 1340, 1400, 1440, 1460, 8940 };

/* Which of them; a client that gives no size has the default of its family. */
static unsigned int size_index(const struct tcp_options *o, bool v6)
{
	const uint16_t mss = o->has_mss ? o->mss : v6 ? 1220 : 536;
	unsigned int i = 0;

	for (unsigned int k = 1; k < RTE_DIM(sizes); k++)
		i += sizes[k] <= mss;
	return i;
}

static struct hash_key key_of(const struct syncookie *s, uint64_t period)
{
	struct hash_key key;

	for (uint64_t i = 0; i < RTE_DIM(key.k); i++) {
		const uint64_t what[2] = { period, i };

		key.k[i] = hash_siphash(&s->secret, what, sizeof(what));
	}
	return key;
}

void syncookie_renew(struct syncookie *s, uint64_t period)
{
	s->period = period;
	s->key[period & MINUTE] = key_of(s, period);
	s->key[(period - 1) & MINUTE] = key_of(s, period - 1);
}

void syncookie_init(struct syncookie *s, const struct hash_key *secret, uint64_t period)
{
	static const char what[] = "clock of timestamps";

	s->secret = *secret;
	s->clock_offset = (uint32_t)hash_siphash(secret, what, sizeof(what));
	syncookie_renew(s, period);
}

/* All but the MAC; kept: index of the size and the timestamp's bits. */
static inline uint32_t mac(
	const struct hash_key *key, const struct syncookie_tuple *t, uint32_t index, uint32_t bits)
{
	const uint32_t kept = index << 8 | bits;
	uint64_t words[6];
	uint32_t ports;

	memcpy(&ports, t->ports, 4);
	if (t->v6) {
		memcpy(words, t->addrs, 32);
		words[4] = (uint64_t)ports << 32 | t->isn;
		words[5] = kept;
		return (uint32_t)hash_siphash(key, words, 48) << MAC_SHIFT;
	}
	memcpy(words, t->addrs, 8);
	words[1] = (uint64_t)ports << 32 | t->isn;
	words[2] = kept;
	return (uint32_t)hash_siphash(key, words, 24) << MAC_SHIFT;
}

uint32_t syncookie_make(const struct syncookie *s, const struct syncookie_tuple *t,
	struct tcp_options *o, uint32_t now_ms)
{
	const uint32_t clock = syncookie_clock(s, now_ms), minute = s->period & MINUTE;
	const uint32_t index = size_index(o, t->v6);
	uint32_t bits = STAMP_NONE;

	if (o->has_timestamp) {
		bits = o->wscale | (o->sack_ok ? STAMP_SACK : 0);
		o->tsval = (clock & ~(uint32_t)STAMP_MASK) | bits;
		if ((int32_t)(o->tsval - clock) > 0)
			o->tsval -= STAMP_MASK + 1;
	} else {
		o->sack_ok = false;
		o->wscale = TCPOPT_NO_SCALE;
	}
	return mac(&s->key[minute], t, index, bits) | index << MSS_SHIFT | minute;
}

bool syncookie_check(const struct syncookie *s, const struct syncookie_tuple *t, uint32_t cookie,
	struct tcp_options *o)
{
	const uint32_t index = cookie >> MSS_SHIFT & MSS_MASK;
	const uint32_t bits = o->has_timestamp ? o->tsecr & STAMP_MASK : STAMP_NONE;

	if (((mac(&s->key[cookie & MINUTE], t, index, bits) ^ cookie) >> MAC_SHIFT) != 0)
		return false;
	o->has_mss = true;
	o->mss = sizes[index];
	o->sack_ok = o->has_timestamp && (bits & STAMP_SACK);
	o->wscale = o->has_timestamp ? bits & 0xf : TCPOPT_NO_SCALE;
	return true;
}

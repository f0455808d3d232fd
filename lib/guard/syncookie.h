/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies (RFC 4987 3.6): what a SYN-ACK's sequence number says so that the ACK that answers it
 * proves that somebody is at the client's address, and brings back what of the SYN is needed.
 *
 *   bit 31 ... 4    a MAC: SipHash of addresses, ports, the client's sequence number and all that
 * is kept, under a key of this minute bit 3 ... 1     the client's maximum segment size: an index
 * into a table bit 0           the minute, odd or even
 *
 * Window scale and SACK-permitted are in the low bits of the timestamp that goes with the SYN-ACK
 * and comes back as an echo; a client without timestamps has neither. They are in the MAC too.
 *
 * A guess is right once in 2^28. A cookie is good in the minute it was made in and in the next.
 *
 * Keys are made from a secret and the number of the minute, by each worker for itself: all have the
 * same without telling each other. Nothing is kept of a SYN.
 */
#ifndef GUARD_SYNCOOKIE_H
#define GUARD_SYNCOOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "net/tcpopt.h"

#define SYNCOOKIE_PERIOD_S 60

/* How long a cookie may be good, ms. */
#define SYNCOOKIE_LIFE_MS (2 * SYNCOOKIE_PERIOD_S * 1000)

/* What one core keeps; written by it alone. */
struct syncookie {
	struct hash_key secret; /* equal in all cores */
	uint64_t period;        /* minutes since the clock began */
	struct hash_key key[2]; /* of odd and even minutes: this one and the one before */
	uint32_t clock_offset;  /* of our timestamps, so that they do not tell the uptime */
};

/* Of which connection: as its packets from the client have it. */
struct syncookie_tuple {
	const void *addrs; /* source, then destination: 8 bytes of IPv4, 32 of IPv6 */
	const void *ports; /* source, then destination: 4 bytes */
	bool v6;
	uint32_t isn; /* the client's, host order */
};

void syncookie_init(struct syncookie *s, const struct hash_key *secret, uint64_t period);

/* The clock says minute number period, which never goes back. */
void syncookie_renew(struct syncookie *s, uint64_t period);

static inline void syncookie_advance(struct syncookie *s, uint64_t period)
{
	if (period != s->period)
		syncookie_renew(s, period);
}

/*
 * The sequence number of a SYN-ACK. o: the options that both sides are to use, has_mss or not:
 * timestamps, SACK and window scale only where the client said so and we agree. SACK and scale
 * without timestamps cannot be kept: they are taken out of o. o->tsval becomes our timestamp.
 * now_ms: the clock.
 */
uint32_t syncookie_make(const struct syncookie *s, const struct syncookie_tuple *t,
	struct tcp_options *o, uint32_t now_ms);

/*
 * Whether cookie was made for this connection. o: as read from the segment that came with it;
 * becomes what was agreed on: has_mss and mss, wscale, sack_ok; has_timestamp, tsval and tsecr
 * stay. The size is never more than the client's, unless that is below 64, which is served with 64;
 * where it gave none, the one of RFC 9293 3.7.1.
 */
bool syncookie_check(const struct syncookie *s, const struct syncookie_tuple *t, uint32_t cookie,
	struct tcp_options *o);

/* Our clock of timestamps (ms): none of a cookie is ahead of it. */
static inline uint32_t syncookie_clock(const struct syncookie *s, uint32_t now_ms)
{
	return now_ms + s->clock_offset;
}

#endif

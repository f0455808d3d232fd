/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PROXY protocol (haproxy.org, proxy-protocol.txt), versions 1 and 2: the first bytes of a
 * connection say whose it really is. Pure: bytes in, bytes out, nothing is kept between calls.
 *
 * Who reads a header looks at all bytes there are, from the first one on, each time that there are
 * more: no beginning of a header is anything but PROXYHDR_MORE, and what has been judged once is
 * judged the same when more follows.
 */
#ifndef NET_PROXYHDR_H
#define NET_PROXYHDR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

/* Bytes of the longest header that is read. Version 1 ends by itself at 107; version 2 is to fit
 * into the segment that every host takes (section 2). */
#define PROXYHDR_MAX 536
/* Of the longest that is written, and a NUL. */
#define PROXYHDR_WRITTEN_MAX 108

struct proxyhdr {
	uint16_t len; /* bytes, of all of it */
	/* Both ends are told. Otherwise (LOCAL, UNKNOWN, an unspecified family, a Unix socket,
	 * datagrams) those of the connection hold. */
	bool told;
	struct endpoint src, dst; /* the client, and what it connected to */
};

enum proxyhdr_verdict {
	PROXYHDR_MORE,  /* not all there */
	PROXYHDR_DONE,  /* *out */
	PROXYHDR_NONE,  /* does not begin like a header */
	PROXYHDR_WRONG, /* begins like one, and breaks its rules */
	PROXYHDR_LONG,  /* longer than is read */
};

/* Of the n bytes a connection begins with. *out is written for PROXYHDR_DONE alone. What version 2
 * has beside addresses (TLVs) is counted in len and not looked at. Mapped IPv4 addresses in IPv6
 * ones' place are IPv4 ones. */
enum proxyhdr_verdict proxyhdr_parse(const uint8_t *data, uint32_t n, struct proxyhdr *out);

/* Of a TCP connection; version: 1 or 2. Returns how many bytes. Where one end is IPv4 and the other
 * is not, it is written in mapped form. */
uint32_t proxyhdr_write(unsigned int version, const struct endpoint *src,
	const struct endpoint *dst, uint8_t out[static PROXYHDR_WRITTEN_MAX]);

#endif

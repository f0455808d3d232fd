/* SPDX-License-Identifier: BSD-3-Clause */
/* See proxyhdr.h. Sections are those of proxy-protocol.txt. */
#include "proxyhdr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#define V1_MAX     107 /* section 2.1, with its CRLF */
#define V2_FIXED   16
#define V2_IPV4    12 /* bytes of addresses and ports */
#define V2_IPV6    36

#define V2_VERSION 0x20
#define V2_LOCAL   0
#define V2_PROXY   1
#define V2_TCP4    0x11
#define V2_TCP6    0x21

static const uint8_t v1_begin[] = { 'P', 'R', 'O', 'X', 'Y', ' ' };
static const uint8_t v2_begin[] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T',
	'\n' };

/* ---- version 1 ------------------------------------------------------------------------------ */

/* A blank and what is between it and the next one, as a string. false: there is none, or it is no
 * word of a header. */
static bool take_word(const uint8_t **at, const uint8_t *end, char word[static ADDR_TEXT])
{
	const uint8_t *begin = *at + 1, *stop;
	size_t n;

	if (*at == end || **at != ' ')
		return false;
	stop = memchr(begin, ' ', (size_t)(end - begin));
	stop = stop ? stop : end;
	n = (size_t)(stop - begin);
	if (n == 0 || n >= ADDR_TEXT || memchr(begin, '\0', n))
		return false;
	memcpy(word, begin, n);
	word[n] = '\0';
	*at = stop;
	return true;
}

/* Its family is told before it, so a mapped address is one of IPv6's. */
static bool take_addr(const uint8_t **at, const uint8_t *end, bool v4, struct addr *out)
{
	char word[ADDR_TEXT];
	struct in6_addr v6;
	struct in_addr in;

	if (!take_word(at, end, word) ||
		inet_pton(v4 ? AF_INET : AF_INET6, word, v4 ? (void *)&in : &v6) != 1)
		return false;
	*out = v4 ? addr_from_v4(in.s_addr) : addr_from_v6(&v6);
	return true;
}

/* Decimal, without leading zeros. */
static bool take_port(const uint8_t **at, const uint8_t *end, uint16_t *out)
{
	char word[ADDR_TEXT];
	uint32_t n = 0;

	if (!take_word(at, end, word) || (word[0] == '0' && word[1] != '\0'))
		return false;
	for (const char *c = word; *c; c++) {
		if (*c < '0' || *c > '9')
			return false;
		n = n * 10 + (uint32_t)(*c - '0');
		if (n > UINT16_MAX)
			return false;
	}
	*out = (uint16_t)n;
	return true;
}

/* From the first blank to the CR. */
static enum proxyhdr_verdict parse_line(const uint8_t *at, const uint8_t *end, struct proxyhdr *out)
{
	char family[ADDR_TEXT];
	bool v4;

	if (!take_word(&at, end, family))
		return PROXYHDR_WRONG;
	if (!strcmp(family, "UNKNOWN")) /* whatever follows */
		return PROXYHDR_DONE;
	v4 = !strcmp(family, "TCP4");
	if ((!v4 && strcmp(family, "TCP6") != 0) || !take_addr(&at, end, v4, &out->src.addr) ||
		!take_addr(&at, end, v4, &out->dst.addr) || !take_port(&at, end, &out->src.port) ||
		!take_port(&at, end, &out->dst.port) || at != end)
		return PROXYHDR_WRONG;
	out->told = true;
	return PROXYHDR_DONE;
}

static enum proxyhdr_verdict parse_v1(const uint8_t *data, uint32_t n, struct proxyhdr *out)
{
	const uint32_t most = RTE_MIN(n, (uint32_t)V1_MAX);
	struct proxyhdr h = { 0 };
	enum proxyhdr_verdict v;
	uint32_t cr = 0;

	while (cr < most && data[cr] != '\r' && data[cr] != '\n')
		cr++;
	if (cr + 1 >= V1_MAX)
		return PROXYHDR_LONG;
	if (cr < most && data[cr] == '\n')
		return PROXYHDR_WRONG;
	if (cr + 1 >= n)
		return PROXYHDR_MORE;
	if (data[cr + 1] != '\n')
		return PROXYHDR_WRONG;
	v = parse_line(data + sizeof(v1_begin) - 1, data + cr, &h);
	h.len = (uint16_t)(cr + 2);
	if (v == PROXYHDR_DONE)
		*out = h;
	return v;
}

/* ---- version 2 ------------------------------------------------------------------------------ */

static uint16_t get_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static struct addr get_addr(const uint8_t *at, bool v4)
{
	rte_be32_t in;

	if (!v4)
		return addr_from_v6(at);
	memcpy(&in, at, sizeof(in));
	return addr_from_v4(in);
}

/* Both addresses, both ports. */
static void get_ends(const uint8_t *at, bool v4, struct proxyhdr *out)
{
	const uint32_t size = v4 ? 4 : 16;

	out->src.addr = get_addr(at, v4);
	out->dst.addr = get_addr(at + size, v4);
	out->src.port = get_u16(at + 2 * size);
	out->dst.port = get_u16(at + 2 * size + 2);
	out->told = true;
}

/* Section 2.2: what is unassigned is refused, but for that of a LOCAL header, which is ignored. */
static bool family_is_known(uint8_t family)
{
	return family >> 4 <= 3 && (family & 15) <= 2;
}

static enum proxyhdr_verdict parse_v2(const uint8_t *data, uint32_t n, struct proxyhdr *out)
{
	const uint8_t command = n > 12 ? data[12] & 15 : 0, family = n > 13 ? data[13] : 0;
	struct proxyhdr h = { 0 };
	uint32_t need = 0;

	if (n > 12 && ((data[12] & 0xf0) != V2_VERSION || command > V2_PROXY))
		return PROXYHDR_WRONG;
	if (n > 13 && command == V2_PROXY && !family_is_known(family))
		return PROXYHDR_WRONG;
	if (n < V2_FIXED)
		return PROXYHDR_MORE;
	h.len = get_u16(data + 14);
	if (h.len > PROXYHDR_MAX - V2_FIXED)
		return PROXYHDR_LONG;
	if (command == V2_PROXY && (family == V2_TCP4 || family == V2_TCP6))
		need = family == V2_TCP4 ? V2_IPV4 : V2_IPV6;
	if (h.len < need)
		return PROXYHDR_WRONG;
	h.len += V2_FIXED;
	if (n < h.len)
		return PROXYHDR_MORE;
	if (need)
		get_ends(data + V2_FIXED, family == V2_TCP4, &h);
	*out = h;
	return PROXYHDR_DONE;
}

enum proxyhdr_verdict proxyhdr_parse(const uint8_t *data, uint32_t n, struct proxyhdr *out)
{
	if (n == 0)
		return PROXYHDR_MORE;
	if (!memcmp(data, v1_begin, RTE_MIN(n, (uint32_t)sizeof(v1_begin))))
		return parse_v1(data, n, out);
	if (!memcmp(data, v2_begin, RTE_MIN(n, (uint32_t)sizeof(v2_begin))))
		return parse_v2(data, n, out);
	return PROXYHDR_NONE;
}

/* ---- writing -------------------------------------------------------------------------------- */

static uint32_t write_v1(
	const struct endpoint *src, const struct endpoint *dst, bool v4, uint8_t *out)
{
	const int family = v4 ? AF_INET : AF_INET6;
	const unsigned int from = v4 ? 12 : 0; /* byte of the address */
	char a[ADDR_TEXT], b[ADDR_TEXT];

	inet_ntop(family, src->addr.b + from, a, sizeof(a));
	inet_ntop(family, dst->addr.b + from, b, sizeof(b));
	return (uint32_t)snprintf((char *)out, PROXYHDR_WRITTEN_MAX, "PROXY TCP%d %s %s %u %u\r\n",
		v4 ? 4 : 6, a, b, src->port, dst->port);
}

static uint8_t *put(uint8_t *at, const void *data, size_t len)
{
	memcpy(at, data, len);
	return at + len;
}

static uint8_t *put_u16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
	return at + 2;
}

static uint32_t write_v2(
	const struct endpoint *src, const struct endpoint *dst, bool v4, uint8_t *out)
{
	const unsigned int from = v4 ? 12 : 0; /* byte of the address */
	uint8_t *at = put(out, v2_begin, sizeof(v2_begin));

	*at++ = V2_VERSION | V2_PROXY;
	*at++ = v4 ? V2_TCP4 : V2_TCP6;
	at = put_u16(at, v4 ? V2_IPV4 : V2_IPV6);
	at = put(at, src->addr.b + from, 16 - from);
	at = put(at, dst->addr.b + from, 16 - from);
	at = put_u16(at, src->port);
	at = put_u16(at, dst->port);
	return (uint32_t)(at - out);
}

uint32_t proxyhdr_write(unsigned int version, const struct endpoint *src,
	const struct endpoint *dst, uint8_t out[static PROXYHDR_WRITTEN_MAX])
{
	const bool v4 = addr_is_v4(&src->addr) && addr_is_v4(&dst->addr);

	return version == 1 ? write_v1(src, dst, v4, out) : write_v2(src, dst, v4, out);
}

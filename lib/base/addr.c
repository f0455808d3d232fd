/* SPDX-License-Identifier: BSD-3-Clause */
/* Text forms of addresses, endpoints and prefixes. Control side: configuration, RPC, log. */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

bool addr_is_multicast(const struct addr *a)
{
	return addr_is_v4(a) ? (a->b[12] & 0xf0) == 0xe0 : a->b[0] == 0xff;
}

int addr_parse(const char *text, struct addr *out)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*out = addr_from_v4(v4.s_addr);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6) == 1) {
		struct addr a = addr_from_v6(&v6);

		if (addr_is_v4(&a))
			return -EINVAL;
		*out = a;
		return 0;
	}
	return -EINVAL;
}

/* A decimal number without sign, blanks or leading zeros, at most max; nothing may follow it. */
static int parse_number(const char *text, unsigned int max, unsigned int *out)
{
	unsigned int v = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		v = v * 10 + (unsigned int)(*text - '0');
		if (v > max)
			return -EINVAL;
	}
	*out = v;
	return 0;
}

/* Copies text[0..len) into buf as a string; -EINVAL if it is longer than any address. */
static int copy_part(const char *text, size_t len, char buf[static ADDR_TEXT])
{
	if (len >= ADDR_TEXT)
		return -EINVAL;
	memcpy(buf, text, len);
	buf[len] = '\0';
	return 0;
}

int endpoint_parse(const char *text, struct endpoint *out)
{
	bool bracket = text[0] == '[';
	const char *first = text + bracket, *end, *port = NULL;
	char part[ADDR_TEXT];
	struct endpoint e = { .port = 0 };
	unsigned int number;

	if (bracket) {
		end = strchr(first, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return -EINVAL;
		if (end[1] == ':')
			port = end + 2;
	} else {
		/* One colon comes before a port; more are an IPv6 address without one. */
		const char *colon = strchr(first, ':');

		if (colon && strchr(colon + 1, ':'))
			colon = NULL;
		if (colon)
			port = colon + 1;
		end = colon ? colon : first + strlen(first);
	}
	if (copy_part(first, (size_t)(end - first), part) || addr_parse(part, &e.addr))
		return -EINVAL;
	if (bracket && addr_is_v4(&e.addr))
		return -EINVAL;
	if (port) {
		if (parse_number(port, UINT16_MAX, &number) || number == 0)
			return -EINVAL;
		e.port = (uint16_t)number;
	}
	*out = e;
	return 0;
}

int prefix_parse(const char *text, bool host, struct prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char part[ADDR_TEXT];
	struct prefix p;
	unsigned int max, number;

	if (copy_part(text, len, part) || addr_parse(part, &p.addr))
		return -EINVAL;
	max = addr_is_v4(&p.addr) ? 32 : 128;
	number = max;
	if (slash && parse_number(slash + 1, max, &number))
		return -EINVAL;
	p.len = (uint8_t)number;
	if (!host) {
		struct prefix net = prefix_network(&p);

		if (!addr_equal(&net.addr, &p.addr))
			return -EINVAL;
	}
	*out = p;
	return 0;
}

char *addr_format(const struct addr *a, char buf[static ADDR_TEXT])
{
	bool v4 = addr_is_v4(a);

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &a->b[12] : a->b, buf, ADDR_TEXT);
	return buf;
}

char *endpoint_format(const struct endpoint *e, char buf[static ENDPOINT_TEXT])
{
	char text[ADDR_TEXT];

	addr_format(&e->addr, text);
	if (e->port == 0)
		snprintf(buf, ENDPOINT_TEXT, "%s", text);
	else
		snprintf(buf, ENDPOINT_TEXT, addr_is_v4(&e->addr) ? "%s:%u" : "[%s]:%u", text,
			e->port);
	return buf;
}

char *prefix_format(const struct prefix *p, char buf[static PREFIX_TEXT])
{
	char text[ADDR_TEXT];

	snprintf(buf, PREFIX_TEXT, "%s/%u", addr_format(&p->addr, text), p->len);
	return buf;
}

struct prefix prefix_network(const struct prefix *p)
{
	struct prefix net = *p;
	unsigned int bit = p->len + (addr_is_v4(&p->addr) ? 96 : 0);

	for (unsigned int i = 0; i<16; i++, bit = bit> 8 ? bit - 8 : 0)
		if (bit < 8)
			net.addr.b[i] &= (uint8_t)(0xff00 >> bit);
	return net;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	struct prefix same = { .addr = *a, .len = p->len };

	if (addr_is_v4(&p->addr) != addr_is_v4(a))
		return false;
	same = prefix_network(&same);
	return addr_equal(&same.addr, &p->addr);
}

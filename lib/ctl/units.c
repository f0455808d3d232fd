/* SPDX-License-Identifier: BSD-3-Clause */
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t value;
};

static int unit_parse(const char *text, const struct unit *units, uint64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (errno)
		return -EINVAL;
	for (const struct unit *u = units; u->name; u++) {
		if (strcmp(end, u->name) != 0)
			continue;
		if (n > INT64_MAX / u->value)
			return -EINVAL;
		*out = n * u->value;
		return 0;
	}
	return -EINVAL;
}

int duration_parse(const char *text, uint64_t *us)
{
	static const struct unit units[] = {
		{ "us", 1 },
		{ "ms", 1000 },
		{ "s", 1000000 },
		{ "m", UINT64_C(60) * 1000000 },
		{ "h", UINT64_C(3600) * 1000000 },
		{ "d", UINT64_C(86400) * 1000000 },
		{ NULL, 0 },
	};

	return unit_parse(text, units, us);
}

int size_parse(const char *text, uint64_t *bytes)
{
	static const struct unit units[] = {
		{ "B", 1 },
		{ "KiB", 1024 },
		{ "MiB", 1024 * 1024 },
		{ "GiB", 1024 * 1024 * 1024 },
		{ NULL, 0 },
	};

	return unit_parse(text, units, bytes);
}

/* A port number from 1 to 65535 at *text, which moves behind it. */
static int port_parse(const char **text, uint16_t *out)
{
	unsigned int n = 0;
	const char *p = *text;

	for (; isdigit((unsigned char)*p) && n <= UINT16_MAX; p++)
		n = n * 10 + (unsigned int)(*p - '0');
	if (p == *text || n == 0 || n > UINT16_MAX)
		return -EINVAL;
	*text = p;
	*out = (uint16_t)n;
	return 0;
}

static int ports_parse(const char *text, struct port_range *out)
{
	struct port_range r = { 0, UINT16_MAX };

	if (!strcmp(text, "*")) {
		*out = r;
		return 0;
	}
	if (port_parse(&text, &r.first))
		return -EINVAL;
	r.last = r.first;
	if (*text == '-') {
		text++;
		if (port_parse(&text, &r.last) || r.last < r.first)
			return -EINVAL;
	}
	if (*text != '\0')
		return -EINVAL;
	*out = r;
	return 0;
}

int vip_parse(const char *text, struct vip *out)
{
	const char *colon = strrchr(text, ':');
	char host[PREFIX_TEXT + 2], *from = host, *end;
	struct vip v = { 0 };
	struct prefix p;

	/* The colon before the port is the last one, and the only one outside brackets. */
	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	if ((strchr(host, ':') != NULL) != (host[0] == '['))
		return -EINVAL;
	if (host[0] == '[') {
		from++;
		end = strchr(from, ']');
		if (!end || end[1] != '\0')
			return -EINVAL;
		*end = '\0';
	}
	if (prefix_parse(from, false, &p) || ports_parse(colon + 1, &v.ports))
		return -EINVAL;
	v.addr = p.addr;
	v.host_bits = (uint8_t)((addr_is_v4(&p.addr) ? 32 : 128) - p.len);
	*out = v;
	return 0;
}

int mode_parse(const char *text, mode_t *out)
{
	size_t len = strspn(text, "01234567");

	if (text[len] != '\0' || len < 3 || len > 4 || (len == 4 && text[0] != '0'))
		return -EINVAL;
	*out = (mode_t)strtoul(text, NULL, 8);
	return 0;
}

int key_parse(const char *text, struct hash_key *out)
{
	uint8_t bytes[16];

	if (strlen(text) != 2 * sizeof(bytes) || strspn(text, "0123456789abcdefABCDEF") != 32)
		return -EINVAL;
	for (unsigned int i = 0; i < sizeof(bytes); i++) {
		char hex[3] = { text[2 * i], text[2 * i + 1], '\0' };

		bytes[i] = (uint8_t)strtoul(hex, NULL, 16);
	}
	memcpy(out->k, bytes, sizeof(bytes));
	return 0;
}

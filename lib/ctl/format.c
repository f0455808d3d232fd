/* SPDX-License-Identifier: BSD-3-Clause */
#include "format.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "net/port.h"
#include "units.h"

static bool is_name(const char *text, char why[static FORMAT_WHY])
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t len = strspn(text, letters);

	return text[len] == '\0' && len > 0 && !strchr("._-", text[0]);
}

static bool is_address(const char *text, char why[static FORMAT_WHY])
{
	struct addr a;

	return addr_parse(text, &a) == 0;
}

/* Whether packets of a client may go to a; says why not. */
static bool is_host(const struct addr *a, char why[static FORMAT_WHY])
{
	const char *kind = NULL;
	char text[ADDR_TEXT];

	if (addr_is_multicast(a))
		kind = "a multicast address";
	else if (addr_is_link_local(a))
		kind = "a link-local address";
	else if (addr_is_v4(a) && a->w[3] == UINT32_MAX)
		kind = "the broadcast address";
	else if (addr_is_v4(a) && a->b[12] >= 240)
		kind = "a reserved address";
	else if (addr_is_v4(a) ? a->b[12] == 127 : a->q[0] == 0 && a->q[1] == RTE_BE64(1))
		kind = "a loopback address";
	else if (addr_is_v4(a) ? a->b[12] == 0 : addr_is_zero(a))
		kind = "no address of a host";
	if (kind)
		snprintf(why, FORMAT_WHY, "%s is %s; needed is one that packets can be sent to",
			addr_format(a, text), kind);
	return !kind;
}

static bool is_endpoint(const char *text, char why[static FORMAT_WHY])
{
	struct endpoint e;

	return endpoint_parse(text, &e) == 0 && is_host(&e.addr, why);
}

static bool is_listen(const char *text, char why[static FORMAT_WHY])
{
	struct vip v;

	if (vip_parse(text, &v))
		return false;
	if (vip_too_large(&v)) {
		const struct prefix p = vip_prefix(&v);
		char network[PREFIX_TEXT];

		snprintf(why, FORMAT_WHY,
			"%s is too large a network; needed is a /%d at most of IPv4, a /%d of IPv6",
			prefix_format(&p, network), 32 - NETWORK_BITS_V4, 128 - NETWORK_BITS_V6);
		return false;
	}
	return is_host(&v.addr, why);
}

static bool is_prefix(const char *text, char why[static FORMAT_WHY])
{
	struct prefix p;

	return prefix_parse(text, false, &p) == 0;
}

static bool is_host_prefix(const char *text, char why[static FORMAT_WHY])
{
	struct prefix p;

	return strchr(text, '/') && prefix_parse(text, true, &p) == 0;
}

static bool is_duration(const char *text, char why[static FORMAT_WHY])
{
	uint64_t us;

	return duration_parse(text, &us) == 0;
}

static bool is_size(const char *text, char why[static FORMAT_WHY])
{
	uint64_t bytes;

	return size_parse(text, &bytes) == 0;
}

static bool is_device(const char *text, char why[static FORMAT_WHY])
{
	struct device_spec spec;

	return device_parse(text, 0, &spec, why, FORMAT_WHY) == 0;
}

static bool is_interface(const char *text, char why[static FORMAT_WHY])
{
	size_t len = strlen(text);

	if (len >= IFNAMSIZ) {
		snprintf(why, FORMAT_WHY,
			"interface name \"%s\" has %zu characters, at most %d are possible", text,
			len, IFNAMSIZ - 1);
		return false;
	}
	return is_name(text, why);
}

static bool is_path(const char *text, char why[static FORMAT_WHY])
{
	return text[0] == '/' && text[strlen(text) - 1] != '/';
}

static bool is_user(const char *text, char why[static FORMAT_WHY])
{
	return text[0] != '\0' && strlen(text) < 64;
}

static bool is_mode(const char *text, char why[static FORMAT_WHY])
{
	mode_t mode;

	return mode_parse(text, &mode) == 0;
}

static bool is_key(const char *text, char why[static FORMAT_WHY])
{
	struct hash_key key;

	return key_parse(text, &key) == 0;
}

/* clang-format off */
static const struct format formats[] = {
	{ "name",
	  "a name of letters, digits, \".\", \"_\" or \"-\" that begins with a letter or digit",
	  is_name },
	{ "address", "an address such as \"192.0.2.1\" or \"2001:db8::1\"", is_address },
	{ "endpoint",
	  "an address with or without a port such as \"10.0.0.11:80\", \"10.0.0.11\" or \"[2001:db8::11]:80\"",
	  is_endpoint },
	{ "listen",
	  "an address with ports such as \"192.0.2.10:80\", \"192.0.2.10:8000-8010\", \"192.0.2.10:*\", "
	  "\"[2001:db8::10]:80\" or, for a whole network, \"203.0.113.0/24:80\"",
	  is_listen },
	{ "prefix",
	  "a network such as \"198.51.100.0/24\" or \"2001:db8::/32\", without bits beyond its length",
	  is_prefix },
	{ "host-prefix",
	  "an address with the length of its network such as \"192.0.2.1/24\" or \"2001:db8::1/64\"",
	  is_host_prefix },
	{ "duration",
	  "a duration such as \"500us\", \"20ms\", \"2s\", \"5m\", \"1h\" or \"1d\"",
	  is_duration },
	{ "size", "a size such as \"512B\", \"64KiB\", \"16MiB\" or \"1GiB\"", is_size },
	{ "device", "a device such as \"0000:3b:00.0\" or \"af_packet:eth1\"", is_device },
	{ "interface",
	  "the name of an interface: letters, digits, \".\", \"_\" or \"-\", at most 15", is_interface },
	{ "path", "the absolute path of a file", is_path },
	{ "user", "a name of the system's user or group database", is_user },
	{ "mode", "file permissions in octal such as \"0660\"", is_mode },
	{ "key", "32 hexadecimal digits", is_key },
};
/* clang-format on */

const struct format *format_find(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}

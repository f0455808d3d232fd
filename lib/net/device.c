/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device strings of the configuration, and what the EAL wants to hear for them. Pure: nothing here
 * needs a running EAL, so that "--check" and the tests use it too.
 */
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port_priv.h"

/* Names of net_ring's rings are "ETH_RXTX15_net_ring_NAME", of at most 28 characters. */
#define RING_NAME_MAX 8

static const char forms[] =
	"a PCI address (0000:3b:00.0), af_packet:IFACE, af_xdp:IFACE, tap:NAME, "
	"memif:PATH[,role=server], ring:NAME, pcap:IN[,OUT], bond:MODE,DEVICE,DEVICE or a vdev "
	"string of DPDK (net_...)";

struct text {
	char *at;
	size_t size;
};

static int __attribute__((format(printf, 2, 3))) wrong(struct text *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->at, err->size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int set_arg(struct device_spec *out, struct text *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int set_arg(struct device_spec *out, struct text *err, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out->arg, sizeof(out->arg), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(out->arg))
		return wrong(err, "too long: at most %zu characters", sizeof(out->arg) - 1);
	return 0;
}

/* Whether s may stand as a value in a vdev string: no list separators, blanks or controls. */
static bool value_ok(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)s[i]) || strchr(",[]=", s[i]))
			return false;
	return len > 0;
}

static int check_iface(const char *name, size_t len, struct text *err)
{
	if (len == 0)
		return wrong(err, "no interface name after the colon");
	if (len >= IFNAMSIZ)
		return wrong(err,
			"interface name \"%.*s\" has %zu characters, at most %d are possible",
			(int)len, name, len, IFNAMSIZ - 1);
	if (!value_ok(name, len) || memchr(name, '/', len))
		return wrong(err, "\"%.*s\" is not the name of an interface", (int)len, name);
	return 0;
}

/* af_packet:IFACE, af_xdp:IFACE, tap:NAME; rest: more arguments of the driver, behind a comma. */
static int parse_iface(const char *rest, const char *driver, const char *fixed, unsigned int index,
	struct device_spec *out, struct text *err)
{
	size_t len = strcspn(rest, ",");
	int rc = check_iface(rest, len, err);

	if (rc)
		return rc;
	if (rest[len] == ',' && rest[len + 1] == '\0')
		return wrong(err, "nothing behind the comma");
	snprintf(out->driver, sizeof(out->driver), "%s", driver);
	snprintf(out->name, sizeof(out->name), "%s%u", driver, index);
	snprintf(out->iface, sizeof(out->iface), "%.*s", (int)len, rest);
	return set_arg(out, err, "%s,iface=%s%s%s", out->name, out->iface, fixed, rest + len);
}

static int parse_tap(
	const char *rest, unsigned int index, struct device_spec *out, struct text *err)
{
	return parse_iface(rest, "net_tap", "", index, out, err);
}

static int parse_af_packet(
	const char *rest, unsigned int index, struct device_spec *out, struct text *err)
{
	return parse_iface(rest, "net_af_packet", "", index, out, err);
}

static int parse_af_xdp(
	const char *rest, unsigned int index, struct device_spec *out, struct text *err)
{
	bool queues = strstr(rest, ",start_queue=") || strstr(rest, ",queue_count=");

	return parse_iface(
		rest, "net_af_xdp", queues ? "" : ",start_queue=0,queue_count=1", index, out, err);
}

static int parse_memif(
	const char *rest, unsigned int index, struct device_spec *out, struct text *err)
{
	size_t len = strcspn(rest, ",");
	const char *more = rest + len;
	const char *role = strstr(more, ",role=");

	if (!value_ok(rest, len) || *rest != '/')
		return wrong(
			err, "memif wants the absolute path of a socket: memif:/run/memif.sock");
	if (len > 107)
		return wrong(err, "the path of a socket has at most 107 characters");
	if (*more == ',' && more[1] == '\0')
		return wrong(err, "nothing behind the comma");
	if (role) {
		const char *value = role + 6;
		size_t n = strcspn(value, ",");

		if (!(n == 6 && (!memcmp(value, "server", 6) || !memcmp(value, "client", 6))))
			return wrong(err, "role is server or client, not \"%.*s\"", (int)n, value);
	}
	snprintf(out->driver, sizeof(out->driver), "net_memif");
	snprintf(out->name, sizeof(out->name), "net_memif%u", index);
	/* Abstract sockets are the driver's default; a path is a file here. */
	return set_arg(out, err, "%s,socket=%.*s%s%s%s", out->name, (int)len, rest,
		strstr(more, ",socket-abstract=") ? "" : ",socket-abstract=no",
		role ? "" : ",role=client", more);
}

static int parse_ring(
	const char *rest, unsigned int index, struct device_spec *out, struct text *err)
{
	size_t len = strlen(rest);

	(void)index;
	if (!value_ok(rest, len) || strchr(rest, '/'))
		return wrong(err, "ring wants a name: ring:a");
	if (len > RING_NAME_MAX)
		return wrong(err, "ring name \"%s\" has %zu characters, at most %d are possible",
			rest, len, RING_NAME_MAX);
	snprintf(out->driver, sizeof(out->driver), "net_ring");
	snprintf(out->name, sizeof(out->name), "net_ring_%s", rest);
	return set_arg(out, err, "%s", out->name);
}

/* pcap:IN[,OUT]; without OUT what is sent is thrown away. */
static int parse_pcap(
	const char *rest, unsigned int index, struct device_spec *out, struct text *err)
{
	size_t in = strcspn(rest, ",");
	const char *to = rest[in] == ',' ? rest + in + 1 : NULL;

	if (!value_ok(rest, in) || (to && !value_ok(to, strlen(to))))
		return wrong(err, "pcap wants one or two files: pcap:IN[,OUT]");
	snprintf(out->driver, sizeof(out->driver), "net_pcap");
	snprintf(out->name, sizeof(out->name), "net_pcap%u", index);
	return set_arg(out, err, "%s,rx_pcap=%.*s%s%s", out->name, (int)in, rest,
		to ? ",tx_pcap=" : "", to ? to : "");
}

/* The driver a vdev's name stands for: the name without the number or word that makes it unique. */
static void vdev_driver(const char *name, char *driver, size_t size)
{
	static const char *const known[] = { "af_packet", "af_xdp", "bonding", "failsafe", "kni",
		"memif", "null", "pcap", "ring", "softnic", "tap", "tun", "vdev_netvsc", "vhost",
		"virtio_user" };
	const char *bare = name + strlen("net_");
	size_t len;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		len = strlen(known[i]);
		if (!strncmp(bare, known[i], len)) {
			snprintf(driver, size, "net_%s", known[i]);
			return;
		}
	}
	len = strlen(bare);
	while (len > 0 && isdigit((unsigned char)bare[len - 1]))
		len--;
	snprintf(driver, size, "net_%.*s", (int)len, bare);
}

/* A vdev string as it is: NAME[,KEY=VALUE]...; NAME begins with net_ or, an alias of old, eth_. */
static int parse_vdev(const char *device, struct device_spec *out, struct text *err)
{
	size_t len = strcspn(device, ",");
	const char *iface = strstr(device, ",iface=");

	if (len >= sizeof(out->name))
		return wrong(err, "the name before the comma has at most %zu characters",
			sizeof(out->name) - 1);
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)device[i]) && !strchr("_-.", device[i]))
			return wrong(err, "\"%.*s\" is not the name of a vdev", (int)len, device);
	if (len == strlen("net_"))
		return wrong(err, "\"%.*s\" alone names no driver", (int)len, device);
	memcpy(out->name, device, len);
	vdev_driver(out->name, out->driver, sizeof(out->driver));
	if (iface) {
		size_t n = strcspn(iface + 7, ",");

		if (check_iface(iface + 7, n, err))
			return -EINVAL;
		snprintf(out->iface, sizeof(out->iface), "%.*s", (int)n, iface + 7);
	}
	return set_arg(out, err, "%s", device);
}

/* n hexadecimal digits at most, then the character end; moves *s behind it. -1: not so. */
static long hex_field(const char **s, size_t n, char end)
{
	size_t len = 0;
	long v;

	while (isxdigit((unsigned char)(*s)[len]))
		len++;
	if (len == 0 || len > n || (*s)[len] != end)
		return -1;
	v = strtol(*s, NULL, 16);
	*s += len + (end != '\0');
	return v;
}

/* [DDDD:]BB:DD.F, as lspci prints it; -1 if it does not look like one. */
static int pci_address(const char *s, size_t len, char *out, size_t size)
{
	char buf[16];
	const char *p = buf;
	long domain = 0, bus, dev, fn;

	if (len >= sizeof(buf))
		return -1;
	memcpy(buf, s, len);
	buf[len] = '\0';
	if (strchr(buf, ':') != strrchr(buf, ':'))
		domain = hex_field(&p, 8, ':');
	bus = hex_field(&p, 2, ':');
	dev = bus < 0 ? -1 : hex_field(&p, 2, '.');
	fn = dev < 0 ? -1 : hex_field(&p, 1, '\0');
	if (domain < 0 || bus < 0 || dev < 0 || dev > 0x1f || fn < 0 || fn > 7)
		return -1;
	snprintf(out, size, "%.4lx:%.2lx:%.2lx.%lx", domain, bus, dev, fn);
	return 0;
}

static int parse_pci(const char *device, struct device_spec *out, struct text *err)
{
	size_t len = strcspn(device, ",");

	if (pci_address(device, len, out->name, sizeof(out->name)))
		return wrong(err, "\"%.*s\" is not a PCI address such as 0000:3b:00.0", (int)len,
			device);
	if (device[len] == ',' && device[len + 1] == '\0')
		return wrong(err, "nothing behind the comma");
	out->pci = true;
	return set_arg(out, err, "%s%s", out->name, device + len);
}

/* ---- bonds ----------------------------------------------------------------------------------- */

static const char *const plain_forms[] = {
	"af_packet:", "af_xdp:", "tap:", "memif:", "ring:", "pcap:", "bond:", "net_", "eth_", NULL
};

/* Whether a device begins here, rather than an argument of the one before. */
static bool begins_device(const char *s)
{
	size_t hex = strspn(s, "0123456789abcdefABCDEF");

	for (unsigned int i = 0; plain_forms[i]; i++)
		if (!strncmp(s, plain_forms[i], strlen(plain_forms[i])))
			return true;
	return hex > 0 && hex <= 8 && s[hex] == ':';
}

/* The k-th member and its length; NULL: there is none. */
static const char *member_at(const char *device, unsigned int k, size_t *len)
{
	const char *at = strncmp(device, "bond:", 5) ? NULL : strchr(device, ',');

	for (; at; k--) {
		const char *end = ++at;

		do {
			end += strcspn(end, ",");
		} while (*end == ',' && !begins_device(end + 1) && end++);
		*len = (size_t)(end - at);
		if (k == 0)
			return at;
		at = *end == ',' ? end : NULL;
	}
	return NULL;
}

unsigned int device_member_count(const char *device)
{
	unsigned int n = 0;
	size_t len;

	while (member_at(device, n, &len))
		n++;
	return n;
}

void device_member(const char *device, unsigned int k, char *out, size_t size)
{
	size_t len = 0;
	const char *at = member_at(device, k, &len);

	snprintf(out, size, "%.*s", (int)len, at ? at : "");
}

unsigned int device_member_index(unsigned int index, unsigned int k)
{
	return (index + 1) * 100 + k;
}

static int parse_bond(
	const char *rest, unsigned int index, struct device_spec *out, struct text *err)
{
	static const struct {
		const char *name, *args;
	} modes[] = {
		{ "active-backup", "mode=1" },
		/* By addresses and ports: behind a router all have one MAC. */
		{ "lacp", "mode=4,xmit_policy=l34" },
	};
	const char *device = rest - strlen("bond:"), *args = NULL;
	unsigned int n = device_member_count(device);
	size_t len = strcspn(rest, ",");
	char text[96], arg[sizeof(out->arg)];

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (len == strlen(modes[i].name) && !strncmp(rest, modes[i].name, len))
			args = modes[i].args;
	if (!args)
		return wrong(err, "bond wants a mode, active-backup or lacp, not \"%.*s\"",
			(int)len, rest);
	if (n < 2 || n > NIC_MEMBERS_MAX)
		return wrong(err, "a bond has 2 to %d devices, not %u: bond:lacp,DEVICE,DEVICE",
			NIC_MEMBERS_MAX, n);
	snprintf(out->name, sizeof(out->name), "net_bonding%u", index);
	snprintf(out->driver, sizeof(out->driver), "net_bonding");
	snprintf(arg, sizeof(arg), "%s,%s", out->name, args);
	for (unsigned int k = 0; k < n; k++) {
		struct device_spec member;

		member_at(device, k, &len);
		device_member(device, k, text, sizeof(text));
		if (len >= sizeof(text))
			return wrong(err, "a member has at most %zu characters", sizeof(text) - 1);
		if (!strncmp(text, "bond:", 5))
			return wrong(err, "a bond is made of devices, not of bonds");
		if (device_parse(text, device_member_index(index, k), &member, err->at, err->size))
			return -EINVAL;
		snprintf(arg + strlen(arg), sizeof(arg) - strlen(arg), ",slave=%s", member.name);
	}
	return set_arg(out, err, "%s", arg);
}

int device_parse(
	const char *device, unsigned int index, struct device_spec *out, char *err, size_t err_size)
{
	static const struct {
		const char *prefix;
		int (*parse)(const char *, unsigned int, struct device_spec *, struct text *);
	} kinds[] = {
		{ "af_packet:", parse_af_packet },
		{ "af_xdp:", parse_af_xdp },
		{ "tap:", parse_tap },
		{ "memif:", parse_memif },
		{ "ring:", parse_ring },
		{ "pcap:", parse_pcap },
		{ "bond:", parse_bond },
	};
	struct text text = { err, err_size };
	const char *colon = strchr(device, ':');

	memset(out, 0, sizeof(*out));
	if (err_size > 0)
		err[0] = '\0';
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i].prefix);

		if (!strncmp(device, kinds[i].prefix, len))
			return kinds[i].parse(device + len, index, out, &text);
	}
	if (!strncmp(device, "net_", 4) || !strncmp(device, "eth_", 4))
		return parse_vdev(device, out, &text);
	if (colon && isxdigit((unsigned char)device[0]) && colon - device <= 8 &&
		strspn(device, "0123456789abcdefABCDEF") == (size_t)(colon - device))
		return parse_pci(device, out, &text);
	return wrong(&text, "\"%s\" is no device; a device is %s", device, forms);
}

void kernel_device(const struct kernel_conf *conf, unsigned int i, struct device_spec *out)
{
	const char *driver = conf->vhost ? "net_virtio_user" : "net_tap";

	memset(out, 0, sizeof(*out));
	snprintf(out->driver, sizeof(out->driver), "%s", driver);
	snprintf(out->name, sizeof(out->name), "%s_kernel%u", driver, i);
	snprintf(out->iface, sizeof(out->iface), "%s", conf->interface);
	snprintf(out->arg, sizeof(out->arg), "%s,%siface=%s", out->name,
		conf->vhost ? "path=/dev/vhost-net,queues=1,queue_size=256," : "", out->iface);
}

/* Whether a device argument has this key already. */
static bool has_key(const char *arg, const char *key, size_t len)
{
	for (const char *p = strchr(arg, ','); p; p = strchr(p + 1, ','))
		if (!strncmp(p + 1, key, len) && p[1 + len] == '=')
			return true;
	return false;
}

int device_add_args(struct device_spec *spec, const char *devargs)
{
	while (*devargs != '\0') {
		size_t len = strcspn(devargs, ","), used = strlen(spec->arg);

		if (!has_key(spec->arg, devargs, strcspn(devargs, "=,"))) {
			if (used + len + 2 > sizeof(spec->arg))
				return -EINVAL;
			snprintf(spec->arg + used, sizeof(spec->arg) - used, ",%.*s", (int)len,
				devargs);
		}
		devargs += len + (devargs[len] == ',');
	}
	return 0;
}

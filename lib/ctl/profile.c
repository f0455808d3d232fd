/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading driver profiles. A document is
 *
 *   { "driver": "net_x", "notes": ["..."],
 *     "queues": 16, "descriptors": { "receive": 1024, "transmit": 1024 }, "burst": 32,
 *     "rss": ["ip4", "tcp4", "udp4", "ip6", "tcp6", "udp6"],
 *     "offloads": { "without": ["rx-l4-checksum"] },
 *     "arguments": { "framesz": 2048 }, "eal": ["--option"] }
 *
 * of which "driver" alone is needed. Everything wrong is reported in one pass.
 */
#include "profile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A word that stands for a bit. */
struct word {
	const char *name;
	uint16_t rx, tx;
};

static const struct word rss_words[] = {
	{ "ip4", NIC_RSS_IP4, 0 },
	{ "tcp4", NIC_RSS_TCP4, 0 },
	{ "udp4", NIC_RSS_UDP4, 0 },
	{ "ip6", NIC_RSS_IP6, 0 },
	{ "tcp6", NIC_RSS_TCP6, 0 },
	{ "udp6", NIC_RSS_UDP6, 0 },
	{ NULL, 0, 0 },
};

/* The names nic_open() logs them by. */
static const struct word offload_words[] = {
	{ "rx-ip-checksum", NIC_RX_IP_CKSUM, 0 },
	{ "rx-l4-checksum", NIC_RX_L4_CKSUM, 0 },
	{ "rx-vlan-strip", NIC_RX_VLAN_STRIP, 0 },
	{ "rx-rss-hash", NIC_RX_RSS_HASH, 0 },
	{ "tx-ip-checksum", 0, NIC_TX_IP_CKSUM },
	{ "tx-l4-checksum", 0, NIC_TX_L4_CKSUM },
	{ "tx-vlan-insert", 0, NIC_TX_VLAN },
	{ "tx-multi-segment", 0, NIC_TX_MULTI_SEG },
	{ NULL, 0, 0 },
};

struct reader {
	const char *file;
	struct nic_profile *out;
	struct faults *faults;
};

static void __attribute__((format(printf, 3, 4)))
wrong(const struct reader *r, const char *path, const char *fmt, ...)
{
	char where[256], text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(where, sizeof(where), "%s%s%s", r->file, path[0] ? ": " : "", path);
	fault_add(r->faults, where, "%s", text);
}

static uint16_t read_count(
	const struct reader *r, const json_t *v, const char *path, unsigned int max)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 1 || n > (json_int_t)max) {
		wrong(r, path, "must be a number from 1 to %u", max);
		return 0;
	}
	return (uint16_t)n;
}

/* An array of words; their bits go to *rx and *tx. */
static void read_words(const struct reader *r, const json_t *v, const char *path,
	const struct word *words, uint16_t *rx, uint16_t *tx)
{
	const char *names[16];
	size_t i, n = 0;
	char at[64];
	json_t *e;

	while (words[n].name) {
		names[n] = words[n].name;
		n++;
	}
	names[n] = NULL;
	*rx = *tx = 0;
	if (!json_is_array(v)) {
		wrong(r, path, "must be a list of words");
		return;
	}
	json_array_foreach (v, i, e) {
		const char *s = json_string_value(e);
		const struct word *w = words;

		while (s && w->name && strcmp(w->name, s))
			w++;
		if (s && w->name) {
			*rx |= w->rx;
			*tx |= w->tx;
			continue;
		}
		const char *near = s ? fault_closest(s, names) : NULL;

		snprintf(at, sizeof(at), "%s[%zu]", path, i);
		wrong(r, at, "unknown%s%s%s; known are %s to %s", near ? "; did you mean \"" : "",
			near ? near : "", near ? "\"?" : "", names[0], names[n - 1]);
	}
}

static void read_driver(struct reader *r, const json_t *v)
{
	const char *s = json_string_value(v);

	if (!s || !s[0] || strlen(s) >= sizeof(r->out->driver))
		wrong(r, "driver", "must be the name of a driver, such as \"net_ixgbe\"");
	else
		snprintf(r->out->driver, sizeof(r->out->driver), "%s", s);
}

static void read_descriptors(struct reader *r, const json_t *v)
{
	const char *key;
	json_t *e;

	if (!json_is_object(v))
		wrong(r, "descriptors", "must be an object with \"receive\" and \"transmit\"");
	json_object_foreach ((json_t *)v, key, e) {
		if (!strcmp(key, "receive"))
			r->out->rx_descriptors = read_count(r, e, "descriptors.receive", 32768);
		else if (!strcmp(key, "transmit"))
			r->out->tx_descriptors = read_count(r, e, "descriptors.transmit", 32768);
		else
			wrong(r, "descriptors", "unknown key \"%s\"; known are receive, transmit",
				key);
	}
}

static void read_offloads(struct reader *r, const json_t *v)
{
	const char *key;
	json_t *e;

	if (!json_is_object(v))
		wrong(r, "offloads", "must be an object with \"without\"");
	json_object_foreach ((json_t *)v, key, e) {
		if (!strcmp(key, "without"))
			read_words(r, e, "offloads.without", offload_words, &r->out->rx_without,
				&r->out->tx_without);
		else
			wrong(r, "offloads", "unknown key \"%s\"; known is without", key);
	}
}

static bool no_separators(const char *s)
{
	return s[0] != '\0' && !s[strcspn(s, ",= \t\n")];
}

/* { "framesz": 2048, "mode": "x" } becomes "framesz=2048,mode=x". */
static void read_arguments(struct reader *r, const json_t *v)
{
	size_t used = 0, size = sizeof(r->out->devargs);
	const char *key;
	char at[64];
	json_t *e;

	if (!json_is_object(v))
		wrong(r, "arguments", "must be an object of numbers and strings");
	json_object_foreach ((json_t *)v, key, e) {
		char number[24];
		const char *s = json_string_value(e);

		if (json_is_integer(e)) {
			snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
				json_integer_value(e));
			s = number;
		}
		if (!s || !no_separators(s) || !no_separators(key)) {
			snprintf(at, sizeof(at), "arguments.%s", key);
			wrong(r, at, "must be a number or a string without blanks, commas and =");
			continue;
		}
		used += (size_t)snprintf(r->out->devargs + used, used < size ? size - used : 0,
			"%s%s=%s", used ? "," : "", key, s);
		if (used >= size) {
			wrong(r, "arguments", "too many: at most %zu characters", size - 1);
			return;
		}
	}
}

static void read_eal(struct reader *r, const json_t *v)
{
	size_t used = 0, size = sizeof(r->out->eal_args), i;
	char at[32];
	json_t *e;

	if (!json_is_array(v))
		wrong(r, "eal", "must be a list of EAL arguments");
	json_array_foreach (v, i, e) {
		const char *s = json_string_value(e);

		if (!s || s[0] != '-' || s[strcspn(s, " \t\n")]) {
			snprintf(at, sizeof(at), "eal[%zu]", i);
			wrong(r, at, "must be one EAL argument, such as \"--option=value\"");
			continue;
		}
		used += (size_t)snprintf(r->out->eal_args + used, used < size ? size - used : 0,
			"%s%s", used ? " " : "", s);
		if (used >= size) {
			wrong(r, "eal", "too many: at most %zu characters", size - 1);
			return;
		}
	}
}

static void read_key(struct reader *r, const char *key, const json_t *v)
{
	static const char *const known[] = { "driver", "notes", "queues", "descriptors", "burst",
		"rss", "offloads", "arguments", "eal", NULL };
	uint16_t none;

	if (!strcmp(key, "driver")) {
		read_driver(r, v);
	} else if (!strcmp(key, "queues")) {
		r->out->max_queues = read_count(r, v, key, 1024);
	} else if (!strcmp(key, "burst")) {
		r->out->burst = read_count(r, v, key, 512);
	} else if (!strcmp(key, "descriptors")) {
		read_descriptors(r, v);
	} else if (!strcmp(key, "rss")) {
		read_words(r, v, key, rss_words, &r->out->rss, &none);
	} else if (!strcmp(key, "offloads")) {
		read_offloads(r, v);
	} else if (!strcmp(key, "arguments")) {
		read_arguments(r, v);
	} else if (!strcmp(key, "eal")) {
		read_eal(r, v);
	} else if (strcmp(key, "notes") != 0) { /* for who reads the file */
		const char *near = fault_closest(key, known);

		wrong(r, "", "unknown key \"%s\"%s%s%s", key, near ? "; did you mean \"" : "",
			near ? near : "", near ? "\"?" : "");
	}
}

int profile_read(
	const json_t *doc, const char *file, struct nic_profile *out, struct faults *faults)
{
	struct reader r = { .file = file, .out = out, .faults = faults };
	size_t before = faults->errors;
	const char *key;
	json_t *v;

	*out = nic_profile_default;
	if (!json_is_object(doc)) {
		wrong(&r, "", "must be an object");
		return -EINVAL;
	}
	json_object_foreach ((json_t *)doc, key, v)
		read_key(&r, key, v);
	if (!json_object_get(doc, "driver"))
		wrong(&r, "driver", "is missing");
	return faults->errors > before ? -EINVAL : 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

int profile_load(
	const char *dir, const char *driver, struct nic_profile *out, struct faults *faults)
{
	char file[64], path[4096];
	json_error_t error;
	json_t *doc;
	int rc;

	snprintf(file, sizeof(file), "%s.json", driver);
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	if (access(path, F_OK) < 0) {
		snprintf(file, sizeof(file), "default.json");
		snprintf(path, sizeof(path), "%s/%s", dir, file);
	}
	if (access(path, F_OK) < 0) {
		fault_add(faults, "",
			"the driver profiles are not in %s: run meson install, or start the "
			"program in its build folder",
			dir);
		return -ENOENT;
	}
	doc = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!doc) {
		fault_add(faults, file, "%s, line %d: %s", path, error.line, error.text);
		return -EINVAL;
	}
	rc = profile_read(doc, file, out, faults);
	json_decref(doc);
	return rc;
}

static const char *profile_dir(void)
{
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[n > 0 ? n : 0] = '\0';
	return strncmp(exe, BUILD_DIR "/", sizeof(BUILD_DIR)) ? PROFILE_DIR : SOURCE_PROFILE_DIR;
}

/* A bond can do what all of its members can. */
static int load_members(const char *device, struct nic_profile *bond, struct faults *faults)
{
	const unsigned int n = device_member_count(device);
	int rc = 0;

	for (unsigned int k = 0; rc == 0 && k < n && k < NIC_MEMBERS_MAX; k++) {
		struct nic_profile member = nic_profile_default;
		struct device_spec spec;
		char text[96], err[8];

		device_member(device, k, text, sizeof(text));
		if (device_parse(text, 0, &spec, err, sizeof(err)) || spec.pci)
			continue;
		rc = profile_load(profile_dir(), spec.driver, &member, faults);
		memcpy(bond->member_args[k], member.devargs, sizeof(member.devargs));
		bond->rx_without |= member.rx_without;
		bond->tx_without |= member.tx_without;
		bond->rss &= member.rss;
		if (member.burst && (!bond->burst || member.burst < bond->burst))
			bond->burst = member.burst;
		if (member.max_queues &&
			(!bond->max_queues || member.max_queues < bond->max_queues))
			bond->max_queues = member.max_queues;
		if (member.eal_args[0] && !bond->eal_args[0])
			memcpy(bond->eal_args, member.eal_args, sizeof(bond->eal_args));
	}
	return rc;
}

struct nic_profile **profiles_load(
	const char *const *devices, unsigned int n, struct faults *faults)
{
	struct nic_profile **profiles = calloc(n + 1, sizeof(*profiles));
	int rc = 0;

	/* Without the folder every device would say the same. */
	for (unsigned int i = 0; profiles && i < n && rc != -ENOENT; i++) {
		struct device_spec spec;
		char err[8];
		int one = 0;

		profiles[i] = calloc(1, sizeof(*profiles[i]));
		if (!profiles[i])
			goto memory;
		if (device_parse(devices[i], i, &spec, err, sizeof(err)) || spec.pci)
			*profiles[i] = nic_profile_default;
		else
			one = profile_load(profile_dir(), spec.driver, profiles[i], faults);
		if (one == 0)
			one = load_members(devices[i], profiles[i], faults);
		rc = one ? one : rc;
	}
	if (!profiles)
		goto memory;
	if (rc == 0)
		return profiles;
	profiles_free(profiles, n);
	return NULL;
memory:
	fault_add(faults, "", "out of memory");
	profiles_free(profiles, n);
	return NULL;
}

int profiles_found(struct nic_profile **profiles, const char *const *devices, unsigned int n,
	struct faults *faults)
{
	int rc = 0;

	for (unsigned int i = 0; i < n && rc != -ENOENT; i++) {
		struct device_spec spec;
		char driver[32], err[8];
		int one;

		if (device_parse(devices[i], i, &spec, err, sizeof(err)) || !spec.pci ||
			nic_device_driver(devices[i], i, driver, sizeof(driver)))
			continue;
		one = profile_load(profile_dir(), driver, profiles[i], faults);
		rc = one ? one : rc;
	}
	return rc;
}

void profiles_free(struct nic_profile **profiles, unsigned int n)
{
	for (unsigned int i = 0; profiles && i < n; i++)
		free(profiles[i]);
	free(profiles);
}

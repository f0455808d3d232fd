/* SPDX-License-Identifier: BSD-3-Clause */
/* What would keep the interfaces of the kernel's share from being made: found before the EAL
 * starts, and told by "--check". */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "precheck.h"

typedef void add_fn(struct faults *f, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether a process has the TUN/TAP interface open: the kernel says its name in fdinfo. */
static bool holds(const struct host *h, const char *pid, const char *interface)
{
	char path[512], text[1024], line[64];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(line, sizeof(line), "iff:\t%s\n", interface);
	host_path(h, path, sizeof(path), "/proc/%.16s/fdinfo", pid);
	d = opendir(path);
	while (d && !found && (e = readdir(d))) {
		FILE *f;
		size_t n;

		host_path(h, path, sizeof(path), "/proc/%.16s/fdinfo/%.16s", pid, e->d_name);
		f = fopen(path, "re");
		n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
		if (f)
			fclose(f);
		text[n] = '\0';
		found = strstr(text, line) != NULL;
	}
	if (d)
		closedir(d);
	return found;
}

/* Who has the interface: "fairlead, pid 12", or "" when no process does. */
static void holder(const struct host *h, const char *interface, char *out, size_t size)
{
	char path[512], comm[32];
	struct dirent *e;
	DIR *d;

	out[0] = '\0';
	host_path(h, path, sizeof(path), "/proc");
	d = opendir(path);
	while (d && !out[0] && (e = readdir(d))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || !holds(h, e->d_name, interface))
			continue;
		host_path(h, path, sizeof(path), "/proc/%.16s/comm", e->d_name);
		host_text(path, comm, sizeof(comm));
		snprintf(out, size, "%s, pid %.16s", comm, e->d_name);
	}
	if (d)
		closedir(d);
}

static void check_name(const struct host *h, const struct kernel_conf *k, const char *path,
	bool running, struct faults *faults, add_fn *add)
{
	char who[64];

	if (h->iface_flags(k->interface) < 0)
		return;
	holder(h, k->interface, who, sizeof(who));
	if (running && !strncmp(who, "fairlead,", 9))
		return;
	add(faults, path,
		"there is an interface \"%s\" already (%s): choose another name, or delete it "
		"with: "
		"ip link del %s",
		k->interface, who[0] ? who : "no process has it open", k->interface);
}

static void check_one(const struct host *h, const struct kernel_conf *k, bool running,
	struct faults *faults, add_fn *add)
{
	const char *device = k->vhost ? "/dev/vhost-net" : "/dev/net/tun";
	char path[32], file[256];

	snprintf(path, sizeof(path), "ports[%u].kernel", k->port);
	check_name(h, k, path, running, faults, add);
	if (!host_capable(h, CAP_NET_ADMIN))
		add(faults, path,
			"interface %s: this process lacks CAP_NET_ADMIN: start it as root or by "
			"its "
			"systemd unit, or give it the capability with setcap",
			k->interface);
	host_path(h, file, sizeof(file), "%s", device);
	if (access(file, F_OK) < 0)
		add(faults, path, "interface %s: %s is missing: modprobe %s", k->interface, device,
			k->vhost ? "vhost_net" : "tun");
	else if (access(file, R_OK | W_OK) < 0)
		add(faults, path, "interface %s: no permission for %s", k->interface, device);
}

void precheck_kernels(
	const struct host *h, const struct kernel_conf *k, unsigned int n, struct faults *faults)
{
	for (unsigned int i = 0; i < n; i++)
		check_one(h, &k[i], false, faults, fault_add);
}

void eal_warn_kernels(const struct kernel_conf *k, unsigned int n, struct faults *faults)
{
	struct host h;

	host_real(&h);
	for (unsigned int i = 0; i < n; i++)
		check_one(&h, &k[i], true, faults, fault_warn);
}

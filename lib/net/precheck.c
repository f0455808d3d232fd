/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What would keep the EAL from starting, looked up before it tries: another instance, cores,
 * interfaces, PCI devices and the drivers that hold them, permissions, memory. Every fault says
 * what was found and what to do.
 *
 * All that is read of the machine comes through struct host, so that tests bring their own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_config.h>

#include "precheck.h"

/* ---- reading the machine --------------------------------------------------------------------- */

int host_path(const struct host *h, char *out, size_t size, const char *fmt, ...)
{
	size_t used = (size_t)snprintf(out, size, "%s", h->root);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out + used, size - used, fmt, ap);
	va_end(ap);
	return n < 0 || used + (size_t)n >= size ? -ENAMETOOLONG : 0;
}

void host_text(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(out, 1, size - 1, f) : 0;

	if (f)
		fclose(f);
	while (n > 0 && out[n - 1] == '\n')
		n--;
	out[n] = '\0';
}

static uint64_t read_number(const char *path)
{
	char text[32];

	host_text(path, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

static int kernel_iface_flags(const char *name)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	rc = ioctl(fd, SIOCGIFFLAGS, &ifr) < 0 ? -errno : (unsigned short)ifr.ifr_flags;
	close(fd);
	return rc;
}

/* Tries it: a cpuset of the container may forbid a core that is online. */
static int kernel_core_usable(unsigned int core)
{
	cpu_set_t before, one;
	int rc;

	if (core >= CPU_SETSIZE || sched_getaffinity(0, sizeof(before), &before) < 0)
		return -errno;
	CPU_ZERO(&one);
	CPU_SET(core, &one);
	rc = sched_setaffinity(0, sizeof(one), &one) < 0 ? -errno : 0;
	sched_setaffinity(0, sizeof(before), &before);
	return rc;
}

const struct host *host_real(struct host *h)
{
	const char *run = getenv("RUNTIME_DIRECTORY"); /* the EAL follows systemd in this */

	if (!run)
		run = getuid() == 0 ? "/var/run" : getenv("XDG_RUNTIME_DIR");
	*h = (struct host){
		.root = "",
		.run = run ? run : "/tmp",
		.iface_flags = kernel_iface_flags,
		.core_usable = kernel_core_usable,
	};
	return h;
}

/* Whether a list of the kernel ("0-3,8") holds a number. */
static bool list_has(const char *list, unsigned int n)
{
	while (*list != '\0') {
		char *end;
		unsigned long from = strtoul(list, &end, 10), to = from;

		if (end == list)
			return false;
		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		if (n >= from && n <= to)
			return true;
		list = end + (*end == ',');
	}
	return false;
}

/* ---- the user's EAL arguments ---------------------------------------------------------------- */

/* Options of which the next word is the value; without "=", that is. */
static bool takes_word(const char *arg)
{
	static const char *const longs[] = { "allow", "base-virtaddr", "block", "file-prefix",
		"force-max-simd-bitwidth", "huge-dir", "iova-mode", "lcores", "log-level",
		"main-lcore", "mbuf-pool-ops-name", "proc-type", "socket-limit", "socket-mem",
		"syslog", "trace", "trace-bufsz", "trace-dir", "trace-mode", "vdev", "vfio-intr",
		"vfio-vf-token" };

	if (arg[1] != '-')
		return arg[1] != '\0' && arg[2] == '\0' && strchr("abcdlmnrsS", arg[1]);
	for (size_t i = 0; i < sizeof(longs) / sizeof(longs[0]); i++)
		if (!strcmp(arg + 2, longs[i]))
			return true;
	return false;
}

/* At a word that is no option the EAL stops reading, without a word about what follows. */
static void check_words(const struct eal_plan *plan, struct faults *faults)
{
	for (unsigned int i = 0; i < plan->n_extra; i++) {
		const char *arg = plan->extra[i];

		if (arg[0] != '-' || arg[1] == '\0' || !strcmp(arg, "--"))
			fault_add(faults, "",
				"EAL argument \"%s\": neither an option nor the value of one "
				"(--option=value)",
				arg);
		else if (takes_word(arg))
			i++;
	}
}

/* Without what comes on top of it. */
static uint64_t planned_mib(const struct eal_plan *plan)
{
	return (plan->memory + (1u << 20) - 1) >> 20;
}

static void check_options(const struct eal_plan *plan, struct faults *faults)
{
	static const char cores[] = "cores are given by \"workers\" and \"control\"";
	static const char devices[] = "name the device in ports[].device";
	const uint64_t planned = planned_mib(plan);
	const char *given;
	static const struct {
		const char *option, *instead;
	} ours[] = {
		{ "-l", cores },
		{ "-c", cores },
		{ "-s", cores },
		{ "-S", cores },
		{ "--lcores", cores },
		{ "--main-lcore", cores },
		{ "--master-lcore", cores },
		{ "-a", devices },
		{ "--allow", devices },
		{ "--vdev", devices },
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (eal_has_option(plan, ours[i].option, NULL))
			fault_add(faults, "", "EAL argument %s: %s of the configuration",
				ours[i].option, ours[i].instead);
	check_words(plan, faults);
	if (eal_has_option(plan, "-m", &given) && strtoull(given, NULL, 10) < planned)
		fault_add(faults, "",
			"EAL argument -m: %" PRIu64
			" MiB are planned, \"%s\" is less: leave -m out, "
			"or lower \"limits\"",
			planned, given);
}

/* ---- another instance ------------------------------------------------------------------------ */

int eal_lock_holder(const char *dir)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/config", dir) >= sizeof(path))
		return 0;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) < 0)
		lock.l_type = F_UNLCK;
	close(fd);
	if (lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid > 0 ? lock.l_pid : -1;
}

static bool check_instance(const struct host *h, const struct eal_plan *plan, struct faults *faults)
{
	const char *prefix = eal_file_prefix(plan);
	char path[512], comm[64], who[128];
	int pid;

	if (eal_has_option(plan, "--in-memory", NULL) ||
		eal_has_option(plan, "--no-shconf", NULL) ||
		host_path(h, path, sizeof(path), "%s/dpdk/%s", h->run, prefix))
		return true;
	pid = eal_lock_holder(path);
	if (pid == 0)
		return true;
	host_path(h, path, sizeof(path), "/proc/%d/comm", pid);
	host_text(path, comm, sizeof(comm));
	if (pid > 0)
		snprintf(who, sizeof(who), "pid %d%s%s", pid, comm[0] ? ", " : "", comm);
	else
		snprintf(who, sizeof(who), "in another container");
	fault_add(faults, "",
		"another process (%s) runs with the EAL file prefix \"%s\": stop it, or give this "
		"one a "
		"prefix of its own with: -- --file-prefix NAME",
		who, prefix);
	return false;
}

/* ---- cores ----------------------------------------------------------------------------------- */

struct cores {
	char present[256], online[256], isolated[256];
};

static void check_core(const struct host *h, const struct cores *c, unsigned int core,
	const char *path, struct faults *faults)
{
	const char *isolated = c->isolated[0] ? c->isolated : "none";

	if (!list_has(c->present, core))
		fault_add(faults, path, "core %u does not exist; online are %s, isolated %s", core,
			c->online, isolated);
	else if (!list_has(c->online, core))
		fault_add(faults, path,
			"core %u is offline: echo 1 > /sys/devices/system/cpu/cpu%u/online; online "
			"are "
			"%s, isolated %s",
			core, core, c->online, isolated);
	else if (core >= RTE_MAX_LCORE)
		fault_add(faults, path, "core %u: this DPDK knows cores 0 to %d only", core,
			RTE_MAX_LCORE - 1);
	else if (h->core_usable(core))
		fault_add(faults, path,
			"this process may not run on core %u: a cpuset (container, systemd's "
			"AllowedCPUs=) keeps it away; online are %s, isolated %s",
			core, c->online, isolated);
}

static void check_cores(const struct host *h, const struct eal_plan *plan, struct faults *faults)
{
	struct cores c;
	char path[256];

	host_path(h, path, sizeof(path), "/sys/devices/system/cpu/present");
	host_text(path, c.present, sizeof(c.present));
	host_path(h, path, sizeof(path), "/sys/devices/system/cpu/online");
	host_text(path, c.online, sizeof(c.online));
	host_path(h, path, sizeof(path), "/sys/devices/system/cpu/isolated");
	host_text(path, c.isolated, sizeof(c.isolated));
	if (!plan->lcores)
		check_core(h, &c, plan->control, "control", faults);
	if (plan->n_workers == 0)
		fault_add(faults, "workers", "no core at all; online are %s, isolated %s", c.online,
			c.isolated[0] ? c.isolated : "none");
	for (unsigned int i = 0; i < plan->n_workers; i++) {
		unsigned int twin = 0;

		snprintf(path, sizeof(path), "workers[%u]", i);
		if (!plan->lcores)
			check_core(h, &c, plan->workers[i], path, faults);
		while (plan->workers[twin] != plan->workers[i])
			twin++;
		if (twin < i)
			fault_add(faults, path, "core %u is said twice (workers[%u])",
				plan->workers[i], twin);
		if (plan->workers[i] == plan->control)
			fault_add(faults, path,
				"core %u is the control core: a worker never leaves its core to "
				"others; online are %s, isolated %s",
				plan->control, c.online, c.isolated[0] ? c.isolated : "none");
	}
}

/* ---- kernel interfaces ----------------------------------------------------------------------- */

bool host_capable(const struct host *h, unsigned int cap)
{
	char path[256], text[4096];
	const char *line;

	host_path(h, path, sizeof(path), "/proc/self/status");
	host_text(path, text, sizeof(text));
	line = strstr(text, "\nCapEff:");
	return !line || (strtoull(line + 8, NULL, 16) >> cap & 1);
}

static void need_capability(const struct host *h, unsigned int cap, const char *name,
	const char *device, const char *path, struct faults *faults)
{
	if (!host_capable(h, cap))
		fault_add(faults, path,
			"%s: this process lacks %s: start it as root or by its systemd unit, or "
			"give it "
			"the capability with setcap",
			device, name);
}

/* The name of an interface that is there and much like this one. */
static void closest_iface(const char *name, char *out, size_t size)
{
	struct if_nameindex *all = if_nameindex();
	const char *names[64];
	size_t n = 0;
	const char *best;

	out[0] = '\0';
	for (size_t i = 0; all && all[i].if_index && n < 63; i++)
		names[n++] = all[i].if_name;
	names[n] = NULL;
	best = fault_closest(name, names);
	if (best)
		snprintf(out, size, "; did you mean \"%s\"?", best);
	if (all)
		if_freenameindex(all);
}

static void check_iface(const struct host *h, const char *device, const struct device_spec *s,
	const char *path, struct faults *faults)
{
	int flags = h->iface_flags(s->iface);
	char hint[64];

	if (flags < 0) {
		closest_iface(s->iface, hint, sizeof(hint));
		fault_add(faults, path,
			"%s: there is no interface \"%s\" in this network namespace (ip link lists "
			"them)%s",
			device, s->iface, hint);
	} else if (!(flags & IFF_UP)) {
		fault_add(faults, path, "%s: interface \"%s\" is down: ip link set %s up", device,
			s->iface, s->iface);
	}
}

/* ---- PCI devices ----------------------------------------------------------------------------- */

/* The last component of what a link in /sys points to, "" if there is none. */
static void link_name(const char *path, char *out, size_t size)
{
	char to[512];
	ssize_t n = readlink(path, to, sizeof(to) - 1);

	to[n > 0 ? n : 0] = '\0';
	snprintf(out, size, "%s", n > 0 ? basename(to) : "");
}

static void list_nics(const struct host *h, char *out, size_t size)
{
	char path[512], class[16];
	struct dirent *e;
	size_t used = 0;
	DIR *d;

	out[0] = '\0';
	host_path(h, path, sizeof(path), "/sys/bus/pci/devices");
	d = opendir(path);
	while (d && (e = readdir(d)) && used + 20 < size) {
		host_path(h, path, sizeof(path), "/sys/bus/pci/devices/%.32s/class", e->d_name);
		host_text(path, class, sizeof(class));
		if (!strncmp(class, "0x02", 4))
			used += (size_t)snprintf(
				out + used, size - used, "%s%.16s", used ? ", " : "", e->d_name);
	}
	if (d)
		closedir(d);
}

/* vfio-pci wants an IOMMU, or its no-IOMMU mode, and the group's file. */
static void check_vfio(const struct host *h, const char *device, const struct device_spec *s,
	const char *path, struct faults *faults)
{
	char file[512], group[32];

	host_path(h, file, sizeof(file), "/sys/bus/pci/devices/%s/iommu_group", s->name);
	link_name(file, group, sizeof(group));
	if (!group[0]) {
		fault_add(faults, path,
			"%s: vfio-pci holds it, but no IOMMU is on: switch on VT-d or AMD-Vi in "
			"the "
			"firmware and boot with intel_iommu=on iommu=pt, or take the risk with "
			"scripts/bind-nic bind --no-iommu %s",
			device, s->name);
		return;
	}
	host_path(h, file, sizeof(file), "/dev/vfio/%s", group);
	if (access(file, R_OK | W_OK) == 0 || errno == EACCES)
		goto found;
	host_path(h, file, sizeof(file), "/dev/vfio/noiommu-%s", group);
found:
	if (access(file, R_OK | W_OK) == 0)
		return;
	if (errno == EACCES)
		fault_add(faults, path,
			"%s: no permission for %s: start as root, or chown it to the user", device,
			file);
	else
		fault_add(faults, path,
			"%s: /dev/vfio/%s is missing: modprobe vfio-pci, then "
			"scripts/bind-nic bind %s",
			device, group, s->name);
}

/* Drivers of the kernel beside which DPDK works (bifurcated). */
static bool shares_device(const char *driver)
{
	return !strcmp(driver, "mlx4_core") || !strcmp(driver, "mlx5_core");
}

static bool passes_device(const char *driver)
{
	return !strcmp(driver, "vfio-pci") || !strcmp(driver, "uio_pci_generic") ||
	       !strcmp(driver, "igb_uio");
}

static void check_pci(const struct host *h, const char *device, const struct device_spec *s,
	const char *path, struct faults *faults)
{
	char file[512], driver[64], nics[512];

	host_path(h, file, sizeof(file), "/sys/bus/pci/devices/%s", s->name);
	if (access(file, F_OK) < 0) {
		list_nics(h, nics, sizeof(nics));
		fault_add(faults, path, "%s: there is no PCI device %s; network devices are: %s",
			device, s->name, nics[0] ? nics : "none");
		return;
	}
	host_path(h, file, sizeof(file), "/sys/bus/pci/devices/%s/driver", s->name);
	link_name(file, driver, sizeof(driver));
	if (!strcmp(driver, "vfio-pci")) {
		check_vfio(h, device, s, path, faults);
	} else if (shares_device(driver)) {
		host_path(h, file, sizeof(file), "/sys/bus/pci/devices/%s/infiniband", s->name);
		if (access(file, F_OK) < 0)
			fault_add(faults, path, "%s: %s runs without RDMA: modprobe %.4s_ib",
				device, driver, driver);
	} else if (!passes_device(driver)) {
		fault_add(faults, path,
			"%s: %s%s holds it, DPDK needs it at vfio-pci: scripts/bind-nic bind %s",
			device, driver[0] ? "the kernel's driver " : "no driver", driver, s->name);
	}
}

/* ---- devices --------------------------------------------------------------------------------- */

/* Files that virtual devices are given. */
static void check_files(const struct host *h, const char *device, const struct device_spec *s,
	const char *path, struct faults *faults)
{
	const char *key = !strcmp(s->driver, "net_pcap") ? ",rx_pcap=" : ",socket=";
	const char *value = strstr(s->arg, key);
	char file[300], dir[300];

	if (!value)
		return;
	value += strlen(key);
	snprintf(file, sizeof(file), "%.*s", (int)strcspn(value, ","), value);
	if (!strcmp(s->driver, "net_pcap") && access(file, R_OK) < 0)
		fault_add(faults, path, "%s: cannot read %s: %s", device, file, strerror(errno));
	snprintf(dir, sizeof(dir), "%s", file);
	if (!strcmp(s->driver, "net_memif") && strstr(s->arg, ",role=server") &&
		access(dirname(dir), W_OK) < 0)
		fault_add(faults, path, "%s: cannot make the socket in %s: %s", device, dir,
			strerror(errno));
}

static void check_device(const struct host *h, const char *device, const struct device_spec *s,
	const char *path, struct faults *faults)
{
	char file[256];

	if (s->pci) {
		check_pci(h, device, s, path, faults);
	} else if (!strcmp(s->driver, "net_af_packet")) {
		check_iface(h, device, s, path, faults);
		need_capability(h, CAP_NET_RAW, "CAP_NET_RAW", device, path, faults);
	} else if (!strcmp(s->driver, "net_af_xdp")) {
		check_iface(h, device, s, path, faults);
		need_capability(h, CAP_NET_RAW, "CAP_NET_RAW", device, path, faults);
		need_capability(h, CAP_NET_ADMIN, "CAP_NET_ADMIN", device, path, faults);
		if (!host_capable(h, CAP_SYS_ADMIN))
			need_capability(h, CAP_BPF, "CAP_BPF", device, path, faults);
	} else if (!strcmp(s->driver, "net_tap")) {
		need_capability(h, CAP_NET_ADMIN, "CAP_NET_ADMIN", device, path, faults);
		host_path(h, file, sizeof(file), "/dev/net/tun");
		if (access(file, F_OK) < 0)
			fault_add(
				faults, path, "%s: /dev/net/tun is missing: modprobe tun", device);
	} else {
		check_files(h, device, s, path, faults);
	}
}

/* What a bond is made of. */
static void check_members(const struct host *h, const char *device, unsigned int index,
	const char *path, struct faults *faults)
{
	const unsigned int n = device_member_count(device);
	struct device_spec spec[NIC_MEMBERS_MAX];
	char text[96], err[8];

	for (unsigned int k = 0; k < n && k < NIC_MEMBERS_MAX; k++) {
		device_member(device, k, text, sizeof(text));
		if (device_parse(text, device_member_index(index, k), &spec[k], err, sizeof(err)))
			continue;
		check_device(h, text, &spec[k], path, faults);
		for (unsigned int j = 0; j < k; j++)
			if (!strcmp(spec[j].name, spec[k].name) ||
				(spec[k].iface[0] && !strcmp(spec[j].iface, spec[k].iface)))
				fault_add(faults, path, "%s is a member of the bond twice", text);
	}
}

static void check_devices(const struct host *h, const struct eal_plan *plan,
	const struct device_spec *specs, struct faults *faults)
{
	char path[32];

	for (unsigned int i = 0; i < plan->n_devices; i++) {
		snprintf(path, sizeof(path), "ports[%u].device", i);
		check_device(h, plan->devices[i], &specs[i], path, faults);
		check_members(h, plan->devices[i], i, path, faults);
		for (unsigned int k = 0; k < i; k++)
			if (!strcmp(specs[k].name, specs[i].name))
				fault_add(faults, path, "%s is the same device as %s (ports[%u])",
					plan->devices[i], plan->devices[k], k);
	}
}

/* ---- memory ---------------------------------------------------------------------------------- */

#define PAGE_SIZES_MAX 8

/* Hugepages of one size. */
struct pages {
	uint64_t kib, total, free;
	char mount[256]; /* "" when there is none */
};

struct memory {
	struct pages size[PAGE_SIZES_MAX];
	unsigned int n;
	uint64_t default_kib, available_mib;
};

/* A number with a unit of the mount option pagesize ("2M", "1024M", "1G"), in KiB. */
static uint64_t size_kib(const char *s)
{
	char *end;
	uint64_t v = strtoull(s, &end, 10);

	switch (*end) {
	case 'G':
	case 'g':
		return v << 20;
	case 'M':
	case 'm':
		return v << 10;
	case 'K':
	case 'k':
		return v;
	default:
		return v >> 10;
	}
}

static void read_mounts(const struct host *h, const struct eal_plan *plan, struct memory *m)
{
	char path[256], line[1024], where[256], type[64], options[512];
	const char *only = NULL;
	FILE *f;

	eal_has_option(plan, "--huge-dir", &only);
	host_path(h, path, sizeof(path), "/proc/mounts");
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		const char *pagesize;
		uint64_t kib;

		if (sscanf(line, "%*s %255s %63s %511s", where, type, options) != 3 ||
			strcmp(type, "hugetlbfs") || (only && strcmp(only, where)))
			continue;
		pagesize = strstr(options, "pagesize=");
		kib = pagesize ? size_kib(pagesize + 9) : m->default_kib;
		for (unsigned int i = 0; i < m->n; i++)
			if (m->size[i].kib == kib && !m->size[i].mount[0])
				host_path(
					h, m->size[i].mount, sizeof(m->size[i].mount), "%s", where);
	}
	if (f)
		fclose(f);
}

static uint64_t meminfo(const struct host *h, const char *key)
{
	char path[256], text[4096];
	const char *line;

	host_path(h, path, sizeof(path), "/proc/meminfo");
	host_text(path, text, sizeof(text));
	line = strstr(text, key);
	return line ? strtoull(line + strlen(key), NULL, 10) : 0;
}

static void read_memory(const struct host *h, const struct eal_plan *plan, struct memory *m)
{
	char dir[256], path[512];
	struct dirent *e;
	DIR *d;

	memset(m, 0, sizeof(*m));
	m->default_kib = meminfo(h, "Hugepagesize:");
	m->available_mib = meminfo(h, "MemAvailable:") >> 10;
	host_path(h, dir, sizeof(dir), "/sys/kernel/mm/hugepages");
	d = opendir(dir);
	while (d && (e = readdir(d)) && m->n < PAGE_SIZES_MAX) {
		struct pages *p = &m->size[m->n];

		if (sscanf(e->d_name, "hugepages-%" SCNu64 "kB", &p->kib) != 1)
			continue;
		snprintf(path, sizeof(path), "%s/%.64s/nr_hugepages", dir, e->d_name);
		p->total = read_number(path);
		snprintf(path, sizeof(path), "%s/%.64s/free_hugepages", dir, e->d_name);
		p->free = read_number(path);
		m->n++;
	}
	if (d)
		closedir(d);
	read_mounts(h, plan, m);
}

/* What the user fixed with -m (check_options() refuses less than the plan) or --socket-mem, else
 * the plan; MiB. */
static uint64_t needed_mib(const struct eal_plan *plan)
{
	const char *value;
	uint64_t sum = 0;

	if (eal_has_option(plan, "-m", &value)) {
		sum = strtoull(value, NULL, 10);
		return sum < planned_mib(plan) ? eal_plan_mib(plan) : sum;
	}
	if (!eal_has_option(plan, "--socket-mem", &value))
		return eal_plan_mib(plan);
	for (char *end; *value != '\0'; value = *end == ',' ? end + 1 : "") {
		sum += strtoull(value, &end, 10);
		if (*end != ',' && *end != '\0')
			break;
	}
	return sum;
}

static void page_name(uint64_t kib, char *out, size_t size)
{
	if (kib >= 1u << 20)
		snprintf(out, size, "%" PRIu64 " GiB", kib >> 20);
	else
		snprintf(out, size, "%" PRIu64 " MiB", kib >> 10);
}

/* "3 of 512 free of 2 MiB, none of 1 GiB" */
static void describe_pages(const struct memory *m, char *out, size_t size)
{
	size_t used = 0;
	char page[32];

	out[0] = '\0';
	for (unsigned int i = 0; i < m->n && used < size; i++) {
		page_name(m->size[i].kib, page, sizeof(page));
		used += (size_t)snprintf(out + used, size - used,
			"%s%" PRIu64 " of %" PRIu64 " pages of %s", used ? ", " : "",
			m->size[i].free, m->size[i].total, page);
	}
	if (!out[0])
		snprintf(out, size, "none, for this kernel has no hugepages");
}

/* Whether pages of this size can be used; a fault where they are there and cannot. */
static bool pages_usable(const struct pages *p, bool in_memory, struct faults *faults)
{
	char page[32];

	if (p->free == 0)
		return false;
	if (in_memory)
		return true;
	page_name(p->kib, page, sizeof(page));
	if (!p->mount[0]) {
		fault_add(faults, "",
			"%" PRIu64 " hugepages of %s are free, but no hugetlbfs of that size is "
			"mounted: mkdir -p /dev/hugepages && mount -t hugetlbfs -o "
			"pagesize=%" PRIu64
			"K none /dev/hugepages, or use them without files: -- --in-memory",
			p->free, page, p->kib);
		return false;
	}
	if (access(p->mount, W_OK | X_OK) < 0) {
		fault_add(faults, "",
			"no permission to write in %s, where hugepages of %s are mounted: start as "
			"root, chown it to the user, or use them without files: -- --in-memory",
			p->mount, page);
		return false;
	}
	return true;
}

static void check_hugepages(
	const struct memory *m, uint64_t need, bool in_memory, struct faults *faults)
{
	struct faults unusable = { 0 };
	uint64_t have = 0, usable = 0;
	char pages[256];

	for (unsigned int i = 0; i < m->n; i++) {
		uint64_t mib = m->size[i].free * m->size[i].kib >> 10;

		have += mib;
		usable += pages_usable(&m->size[i], in_memory, &unusable) ? mib : 0;
	}
	describe_pages(m, pages, sizeof(pages));
	if (have == 0 || have < need)
		fault_add(faults, "",
			"%" PRIu64 " MiB of hugepages are planned, free are %s: reserve them with "
			"scripts/bind-nic hugepages %" PRIu64 "M, or do without: -- --no-huge",
			need, pages, need);
	else if (usable < need)
		for (size_t i = 0; i < unusable.n; i++)
			fault_add(faults, "", "%s", unusable.list[i].text);
	faults_free(&unusable);
}

static void check_memory(const struct host *h, const struct eal_plan *plan, struct faults *faults)
{
	uint64_t need = needed_mib(plan);
	struct memory m;

	read_memory(h, plan, &m);
	if (!eal_has_option(plan, "--no-huge", NULL))
		check_hugepages(&m, need, eal_has_option(plan, "--in-memory", NULL), faults);
	else if (m.available_mib && m.available_mib < need)
		fault_add(faults, "",
			"%" PRIu64 " MiB of memory are planned, %" PRIu64
			" MiB are available: lower \"limits\"",
			need, m.available_mib);
}

int eal_precheck(const struct host *h, const struct eal_plan *plan, const struct device_spec *specs,
	struct faults *faults)
{
	size_t before = faults->errors;

	/* The other instance may be why memory and devices are taken: say that alone. */
	if (!check_instance(h, plan, faults))
		return -EBUSY;
	check_options(plan, faults);
	check_cores(h, plan, faults);
	check_devices(h, plan, specs, faults);
	precheck_kernels(h, plan->kernels, plan->n_kernels, faults);
	check_memory(h, plan, faults);
	return faults->errors > before ? -EINVAL : 0;
}

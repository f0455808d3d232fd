/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting the EAL, so that what is missing is said in our words.
 *
 * First everything that can be looked up is looked up (precheck.c), since the EAL's own messages
 * seldom name the cause. Then the arguments are put together and the EAL is started with its log
 * caught. It starts happily without a device that was asked for: each is compared with what was
 * probed. After the start DPDK's log lines go to ours.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "base/log.h"
#include "precheck.h"

/* ---- what DPDK says -------------------------------------------------------------------------- */

static int syslog_level(unsigned int level)
{
	return level >= RTE_LOG_EMERG && level <= RTE_LOG_DEBUG ? (int)level - 1 : LOG_INFO;
}

/* Stands in for write(2) of the stream DPDK logs to: rte_vlog() flushes after each message. */
static ssize_t log_line(void *cookie, const char *buf, size_t n)
{
	size_t len = n;

	while (len > 0 && buf[len - 1] == '\n')
		len--;
	log_write(syslog_level((unsigned int)rte_log_cur_msg_loglevel()), "%.*s", (int)len, buf);
	return (ssize_t)n;
}

/* From now on DPDK's lines go to our log. */
static void log_divert(void)
{
	FILE *f = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = log_line });

	if (f)
		rte_openlog_stream(f);
}

static void log_restore(void)
{
	FILE *f = rte_log_get_stream();

	rte_openlog_stream(NULL);
	if (f != stderr)
		fclose(f);
}

/* While the EAL starts, all that it and its drivers write is kept in a file in memory: besides its
 * log, it prints to both standard streams. */
struct capture {
	int file, out, err; /* the file, and where the standard streams went before */
	FILE *log;
	char *text; /* after capture_end() */
};

/* The log's part of it: what comes before an abort is shown at once, or nobody would see it. */
static ssize_t capture_line(void *cookie, const char *buf, size_t n)
{
	struct capture *c = cookie;
	int fd = rte_log_cur_msg_loglevel() <= (int)RTE_LOG_CRIT ? c->err : STDERR_FILENO;

	return write(fd, buf, n);
}

static int capture_begin(struct capture *c)
{
	cookie_io_functions_t io = { .write = capture_line };

	c->file = memfd_create("eal-log", MFD_CLOEXEC);
	c->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	c->err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	c->log = fopencookie(c, "w", io);
	if (c->file < 0 || c->out < 0 || c->err < 0 || !c->log)
		return -errno;
	fflush(stdout);
	dup2(c->file, STDOUT_FILENO);
	dup2(c->file, STDERR_FILENO);
	rte_openlog_stream(c->log);
	return 0;
}

static void capture_end(struct capture *c)
{
	off_t size;

	rte_openlog_stream(NULL);
	fclose(c->log);
	fflush(stdout);
	dup2(c->out, STDOUT_FILENO);
	dup2(c->err, STDERR_FILENO);
	size = lseek(c->file, 0, SEEK_END);
	c->text = calloc(1, (size_t)size + 1);
	if (c->text && pread(c->file, c->text, (size_t)size, 0) < 0)
		c->text[0] = '\0';
	close(c->file);
	close(c->out);
	close(c->err);
}

/* Lines that hold word ("": all) in one line, without those that say that all is well. */
static const char *captured(const struct capture *c, const char *word, char *out, size_t size)
{
	char *copy = strdup(c->text ? c->text : ""), *save = NULL;
	size_t used = 0;

	out[0] = '\0';
	for (char *l = copy ? strtok_r(copy, "\n", &save) : NULL; l;
		l = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(l, "EAL: Detected", 13) || !strstr(l, word) || strstr(out, l))
			continue;
		if (!strncmp(l, "Usage: ", 7) || used + strlen(l) + 4 > size)
			break;
		used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " / " : "", l);
	}
	free(copy);
	return out[0] ? out : "nothing";
}

static void captured_to_log(const struct capture *c)
{
	char *copy = strdup(c->text ? c->text : ""), *save = NULL;

	for (char *l = copy ? strtok_r(copy, "\n", &save) : NULL; l;
		l = strtok_r(NULL, "\n", &save))
		log_debug("%s", l);
	free(copy);
}

/* ---- arguments ------------------------------------------------------------------------------- */

static void args_add(struct eal_args *a, const char *s)
{
	char **v = realloc(a->v, sizeof(*v) * (size_t)(a->n + 2));

	if (v)
		a->v = v;
	if (!v || !(v[a->n] = strdup(s))) {
		a->failed = true;
		return;
	}
	v[++a->n] = NULL;
}

static void args_add2(struct eal_args *a, const char *option, const char *value)
{
	args_add(a, option);
	args_add(a, value);
}

void eal_args_free(struct eal_args *a)
{
	for (int i = 0; i < a->n; i++)
		free(a->v[i]);
	free(a->v);
}

bool eal_has_option(const struct eal_plan *plan, const char *option, const char **value)
{
	size_t len = strlen(option);

	/* Of several, the last counts for the EAL. */
	for (unsigned int i = plan->n_extra; i-- > 0;) {
		const char *arg = plan->extra[i];
		bool is_short = option[1] != '-';

		if (strncmp(arg, option, len) || !(arg[len] == '\0' || arg[len] == '=' || is_short))
			continue;
		if (value)
			*value = arg[len] == '='         ? arg + len + 1
				 : arg[len] != '\0'      ? arg + len
				 : i + 1 < plan->n_extra ? plan->extra[i + 1]
							 : "";
		return true;
	}
	return false;
}

static void add_cores(struct eal_args *a, const struct eal_plan *plan)
{
	char list[1024], number[16];
	size_t used = (size_t)snprintf(list, sizeof(list), "%u", plan->control);

	for (unsigned int i = 0; i < plan->n_workers && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, ",%u", plan->workers[i]);
	snprintf(number, sizeof(number), "%u", plan->control);
	args_add2(a, plan->lcores ? "--lcores" : "-l", plan->lcores ? plan->lcores : list);
	args_add2(a, "--main-lcore", number);
}

/* EAL arguments of profiles, each once. */
static void add_profile_args(struct eal_args *a, const struct eal_plan *plan)
{
	for (unsigned int i = 0; plan->profiles && i < plan->n_devices; i++) {
		char copy[sizeof(plan->profiles[0]->eal_args)], *save = NULL;

		if (!plan->profiles[i])
			continue;
		snprintf(copy, sizeof(copy), "%s", plan->profiles[i]->eal_args);
		for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
			bool known = false;

			for (int k = 0; k < a->n; k++)
				known |= !strcmp(a->v[k], w);
			if (!known)
				args_add(a, w);
		}
	}
}

/* The k-th member of device i, with its profile's arguments. 0, or -EINVAL. */
static int member_spec(
	const struct eal_plan *plan, unsigned int i, unsigned int k, struct device_spec *out)
{
	const struct nic_profile *profile = plan->profiles ? plan->profiles[i] : NULL;
	char text[sizeof(((struct nic_member *)0)->device)], err[8];

	device_member(plan->devices[i], k, text, sizeof(text));
	if (device_parse(text, device_member_index(i, k), out, err, sizeof(err)))
		return -EINVAL;
	return profile ? device_add_args(out, profile->member_args[k]) : 0;
}

static void add_device(struct eal_args *a, const struct device_spec *spec, bool *pci)
{
	args_add2(a, spec->pci ? "-a" : "--vdev", spec->arg);
	*pci |= spec->pci;
}

static void add_devices(
	struct eal_args *a, const struct eal_plan *plan, const struct device_spec *specs)
{
	bool pci = false;

	for (unsigned int i = 0; i < plan->n_devices; i++) {
		struct device_spec member;

		/* A bond looks for its members when it is made. */
		for (unsigned int k = 0; k < device_member_count(plan->devices[i]); k++)
			if (member_spec(plan, i, k, &member) == 0)
				add_device(a, &member, &pci);
		add_device(a, &specs[i], &pci);
	}
	for (unsigned int i = 0; i < plan->n_kernels; i++) {
		struct device_spec spec;

		kernel_device(&plan->kernels[i], i, &spec);
		args_add2(a, "--vdev", spec.arg);
	}
	if (!pci)
		args_add(a, "--no-pci");
}

uint64_t eal_plan_mib(const struct eal_plan *plan)
{
	/* What the EAL, the drivers and the allocator's headers take beside what was planned. */
	uint64_t slack = plan->memory / 16 + (64u << 20);

	return (plan->memory + slack + (1u << 20) - 1) >> 20;
}

int eal_args_build(struct eal_args *a, const struct eal_plan *plan, const struct device_spec *specs)
{
	bool no_huge = eal_has_option(plan, "--no-huge", NULL);
	char mib[24];

	args_add(a, plan->program);
	/* Left to itself, the EAL joins another instance of the prefix as its secondary process. */
	args_add(a, "--proc-type=primary");
	add_cores(a, plan);
	if (!eal_has_option(plan, "--file-prefix", NULL))
		args_add2(a, "--file-prefix", eal_file_prefix(plan));
	add_devices(a, plan, specs);
	add_profile_args(a, plan);
	/* Files of hugepages would outlive us and keep the memory taken. */
	if (!eal_has_option(plan, "--no-huge", NULL) &&
		!eal_has_option(plan, "--in-memory", NULL) &&
		!eal_has_option(plan, "--huge-unlink", NULL) &&
		!eal_has_option(plan, "--single-file-segments", NULL))
		args_add(a, "--huge-unlink=always");
	if (no_huge && !eal_has_option(plan, "-m", NULL)) {
		snprintf(mib, sizeof(mib), "%llu", (unsigned long long)eal_plan_mib(plan));
		args_add2(a, "-m", mib);
	}
	for (unsigned int i = 0; i < plan->n_extra; i++) {
		bool in_memory = no_huge && !strcmp(plan->extra[i], "--in-memory");

		/* Both are sensible together, and DPDK 22.11 refuses that. */
		args_add(a, in_memory ? "--no-shconf" : plan->extra[i]);
	}
	return a->failed ? -ENOMEM : 0;
}

const char *eal_file_prefix(const struct eal_plan *plan)
{
	const char *value;

	if (eal_has_option(plan, "--file-prefix", &value))
		return value;
	return plan->file_prefix ? plan->file_prefix : "fairlead";
}

/* ---- start and stop -------------------------------------------------------------------------- */

static int parse_devices(
	const struct eal_plan *plan, struct device_spec *specs, struct faults *faults)
{
	char path[32], err[512];
	int rc = 0;

	for (unsigned int i = 0; i < plan->n_devices; i++) {
		snprintf(path, sizeof(path), "ports[%u].device", i);
		if (device_parse(plan->devices[i], i, &specs[i], err, sizeof(err))) {
			fault_add(faults, path, "%s", err);
			rc = -EINVAL;
		} else if (plan->profiles && plan->profiles[i] &&
			   device_add_args(&specs[i], plan->profiles[i]->devargs)) {
			fault_add(faults, path,
				"%s: too long with the arguments of its profile (%s)",
				plan->devices[i], plan->profiles[i]->devargs);
			rc = -EINVAL;
		}
	}
	return rc;
}

static int init_captured(struct eal_args *a, struct capture *c)
{
	char **v = malloc(sizeof(*v) * (size_t)(a->n + 1)); /* it is reordered */
	int rc = v ? capture_begin(c) : -ENOMEM;

	if (rc == 0) {
		memcpy(v, a->v, sizeof(*v) * (size_t)(a->n + 1));
		rc = rte_eal_init(a->n, v) < 0 ? -rte_errno : 0;
		capture_end(c);
		captured_to_log(c);
	}
	free(v);
	return rc;
}

/* Every device that was asked for must have been probed. */
static int check_probed(const struct eal_plan *plan, const struct device_spec *specs,
	const struct capture *c, struct faults *faults)
{
	char path[32], lines[1024];
	int rc = 0;

	for (unsigned int i = 0; i < plan->n_devices; i++) {
		struct device_spec member;

		snprintf(path, sizeof(path), "ports[%u].device", i);
		for (unsigned int k = 0; k < device_member_count(plan->devices[i]); k++) {
			if (member_spec(plan, i, k, &member) || nic_probed(member.name))
				continue;
			fault_add(faults, path, "%s: %s%s did not take %s; DPDK says: %s",
				plan->devices[i], member.pci ? "DPDK's drivers" : "the driver ",
				member.driver, member.pci ? member.name : member.iface,
				captured(c, member.name, lines, sizeof(lines)));
			rc = -ENODEV;
		}
		if (nic_probed(specs[i].name))
			continue;
		fault_add(faults, path, "%s: %s%s did not take it; DPDK says: %s", plan->devices[i],
			specs[i].pci ? "DPDK's drivers" : "the driver ", specs[i].driver,
			captured(c, specs[i].name, lines, sizeof(lines)));
		rc = -ENODEV;
	}
	for (unsigned int i = 0; i < plan->n_kernels; i++) {
		struct device_spec spec;

		kernel_device(&plan->kernels[i], i, &spec);
		if (nic_probed(spec.name))
			continue;
		snprintf(path, sizeof(path), "ports[%u].kernel", plan->kernels[i].port);
		fault_add(faults, path, "the driver %s did not make interface %s; DPDK says: %s",
			spec.driver, spec.iface, captured(c, spec.iface, lines, sizeof(lines)));
		rc = -ENODEV;
	}
	return rc;
}

/* The EAL did not start: a virtual device whose driver is not installed, or its own words. */
static void explain_failure(const struct eal_plan *plan, const struct device_spec *specs, int rc,
	const struct capture *c, struct faults *faults)
{
	char text[1024];
	bool known = false;

	for (unsigned int i = 0; i < plan->n_devices; i++) {
		char path[32];

		snprintf(text, sizeof(text), "failed to parse device \"%s\"", specs[i].name);
		if (specs[i].pci || !c->text || !strstr(c->text, text))
			continue;
		snprintf(path, sizeof(path), "ports[%u].device", i);
		fault_add(faults, path,
			"%s: this DPDK has no driver %s; Debian has drivers in packages named "
			"librte-net-...",
			plan->devices[i], specs[i].driver);
		known = true;
	}
	if (!known)
		fault_add(faults, "", "the EAL does not start (%s); it says: %s", strerror(-rc),
			captured(c, "", text, sizeof(text)));
}

int eal_start(const struct eal_plan *plan, struct faults *faults)
{
	struct device_spec *specs = calloc(plan->n_devices + 1, sizeof(*specs));
	struct capture capture = { 0 };
	struct eal_args args = { 0 };
	struct host host;
	int rc = -ENOMEM;

	if (!specs) {
		fault_add(faults, "", "out of memory");
		return rc;
	}
	rc = parse_devices(plan, specs, faults);
	if (rc)
		goto out;
	rc = eal_precheck(host_real(&host), plan, specs, faults);
	if (rc)
		goto out;
	rc = eal_args_build(&args, plan, specs);
	if (rc == 0)
		rc = init_captured(&args, &capture);
	if (rc) {
		explain_failure(plan, specs, rc, &capture, faults);
		goto out;
	}
	log_divert();
	rc = check_probed(plan, specs, &capture, faults);
	if (rc)
		eal_stop();
out:
	free(capture.text);
	eal_args_free(&args);
	free(specs);
	return rc;
}

/* What the EAL leaves in its folder of /run. */
static void remove_run_dir(const char *dir)
{
	static const char *const ours[] = { "config", "hugepage_info", "hugepage_data", "fbarray_",
		"mp_socket", "dpdk_telemetry" };
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d)))
		for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			if (!strncmp(e->d_name, ours[i], strlen(ours[i])) &&
				(size_t)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) <
					sizeof(path))
				unlink(path);
	if (d)
		closedir(d);
	rmdir(dir);
}

void eal_stop(void)
{
	const char *dir = rte_eal_get_runtime_dir();
	char copy[PATH_MAX] = "";

	if (dir)
		snprintf(copy, sizeof(copy), "%s", dir);
	rte_eal_cleanup();
	log_restore();
	/* Started without shared files (--in-memory), we may be guests in the folder of another. */
	if (copy[0] && !eal_lock_holder(copy))
		remove_run_dir(copy);
}

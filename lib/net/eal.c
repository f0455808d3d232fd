/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting the EAL, so that what is missing is said in our words.
 *
 * First everything that can be looked up is looked up (precheck.c), since the EAL's own messages
 * seldom name the cause. Then the arguments are put together and the EAL is started with its log
 * caught. It starts happily without a device that was asked for: each is compared with what was
 * probed. After the start DPDK's log lines go to ours.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "base/log.h"
#include "port_priv.h"

/* ---- DPDK's log ------------------------------------------------------------------------------ */

/* Cookie of the stream that the EAL logs to; freed when the stream is closed. */
struct eal_log {
	bool started; /* lines go to our log; before, they are caught */
	size_t n;
	char caught[16384];
};

static int syslog_level(unsigned int level)
{
	return level >= RTE_LOG_EMERG && level <= RTE_LOG_DEBUG ? (int)level - 1 : LOG_INFO;
}

/* Stands in for write(2) of the stream: rte_vlog() flushes after each message. */
static ssize_t eal_log_write(void *cookie, const char *buf, size_t n)
{
	struct eal_log *log = cookie;
	size_t room = sizeof(log->caught) - 1 - log->n, len = n;

	while (len > 0 && buf[len - 1] == '\n')
		len--;
	if (log->started) {
		log_write(syslog_level((unsigned int)rte_log_cur_msg_loglevel()), "%.*s", (int)len,
			buf);
		return (ssize_t)n;
	}
	log_debug("%.*s", (int)len, buf);
	memcpy(log->caught + log->n, buf, n < room ? n : room);
	log->n += n < room ? n : room;
	return (ssize_t)n;
}

static int eal_log_close(void *cookie)
{
	free(cookie);
	return 0;
}

static FILE *eal_log_open(struct eal_log **out)
{
	cookie_io_functions_t io = { .write = eal_log_write, .close = eal_log_close };
	struct eal_log *log = calloc(1, sizeof(*log));
	FILE *f = log ? fopencookie(log, "w", io) : NULL;

	if (!f) {
		free(log);
		return NULL;
	}
	rte_openlog_stream(f);
	*out = log;
	return f;
}

static void eal_log_end(void)
{
	FILE *f = rte_log_get_stream();

	rte_openlog_stream(NULL);
	fclose(f);
}

/* The caught lines that hold word ("" for all), the last first to go when room is short, in one
 * line. */
static const char *caught_lines(struct eal_log *log, const char *word, char *out, size_t size)
{
	char *copy = strdup(log->caught), *save = NULL;
	size_t used = 0;

	out[0] = '\0';
	for (char *l = copy ? strtok_r(copy, "\n", &save) : NULL; l;
		l = strtok_r(NULL, "\n", &save)) {
		if (!strstr(l, word) || used + strlen(l) + 4 > size)
			continue;
		used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " / " : "", l);
	}
	free(copy);
	return out[0] ? out : "nothing";
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* An argument vector; strings are its own. */
struct args {
	char **v;
	int n;
	bool failed; /* out of memory */
};

static void args_add(struct args *a, const char *s)
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

static void args_add2(struct args *a, const char *option, const char *value)
{
	args_add(a, option);
	args_add(a, value);
}

static void args_free(struct args *a)
{
	for (int i = 0; i < a->n; i++)
		free(a->v[i]);
	free(a->v);
}

bool eal_has_option(const struct eal_plan *plan, const char *option, const char **value)
{
	size_t len = strlen(option);

	for (unsigned int i = 0; i < plan->n_extra; i++) {
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

static void add_cores(struct args *a, const struct eal_plan *plan)
{
	char list[1024], number[16];
	size_t used = (size_t)snprintf(list, sizeof(list), "%u", plan->control);

	for (unsigned int i = 0; i < plan->n_workers && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, ",%u", plan->workers[i]);
	snprintf(number, sizeof(number), "%u", plan->control);
	args_add2(a, "-l", list);
	args_add2(a, "--main-lcore", number);
}

/* EAL arguments of profiles, each once. */
static void add_profile_args(struct args *a, const struct eal_plan *plan)
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

static void add_devices(
	struct args *a, const struct eal_plan *plan, const struct device_spec *specs)
{
	bool pci = eal_has_option(plan, "-a", NULL) || eal_has_option(plan, "--allow", NULL);

	for (unsigned int i = 0; i < plan->n_devices; i++) {
		args_add2(a, specs[i].pci ? "-a" : "--vdev", specs[i].arg);
		pci |= specs[i].pci;
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

static int build_args(struct args *a, const struct eal_plan *plan, const struct device_spec *specs)
{
	char mib[24];

	args_add(a, plan->program);
	add_cores(a, plan);
	if (!eal_has_option(plan, "--file-prefix", NULL))
		args_add2(a, "--file-prefix", eal_file_prefix(plan));
	add_devices(a, plan, specs);
	add_profile_args(a, plan);
	if (eal_has_option(plan, "--no-huge", NULL) && !eal_has_option(plan, "-m", NULL)) {
		snprintf(mib, sizeof(mib), "%llu", (unsigned long long)eal_plan_mib(plan));
		args_add2(a, "-m", mib);
	}
	for (unsigned int i = 0; i < plan->n_extra; i++)
		args_add(a, plan->extra[i]);
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

/* rte_eal_init() prints its usage to standard output when it does not know an argument. */
static int eal_init_quietly(struct args *a)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), out = dup(STDOUT_FILENO), rc;
	char **v = malloc(sizeof(*v) * (size_t)(a->n + 1)); /* it is reordered */

	fflush(stdout);
	if (null >= 0 && out >= 0)
		dup2(null, STDOUT_FILENO);
	if (v)
		memcpy(v, a->v, sizeof(*v) * (size_t)(a->n + 1));
	rc = v ? rte_eal_init(a->n, v) : -1;
	fflush(stdout);
	if (null >= 0 && out >= 0)
		dup2(out, STDOUT_FILENO);
	close(null);
	close(out);
	free(v);
	return rc < 0 ? -rte_errno : 0;
}

/* Every device that was asked for must have been probed. */
static int check_probed(const struct eal_plan *plan, const struct device_spec *specs,
	struct eal_log *log, struct faults *faults)
{
	char path[32], lines[1024];
	int rc = 0;

	for (unsigned int i = 0; i < plan->n_devices; i++) {
		if (nic_probed(specs[i].name))
			continue;
		snprintf(path, sizeof(path), "ports[%u].device", i);
		fault_add(faults, path, "%s: no driver of DPDK took the device (%s); DPDK says: %s",
			plan->devices[i], specs[i].driver[0] ? specs[i].driver : "PCI",
			caught_lines(log, specs[i].name, lines, sizeof(lines)));
		rc = -ENODEV;
	}
	return rc;
}

int eal_start(const struct eal_plan *plan, struct faults *faults)
{
	struct device_spec *specs = calloc(plan->n_devices + 1, sizeof(*specs));
	struct args args = { 0 };
	struct eal_log *log;
	char lines[1024];
	int rc = -ENOMEM;

	if (!specs)
		goto memory;
	rc = parse_devices(plan, specs, faults);
	if (rc)
		goto out;
	rc = build_args(&args, plan, specs);
	if (rc || !eal_log_open(&log))
		goto memory;
	rc = eal_init_quietly(&args);
	if (rc) {
		fault_add(faults, "", "the EAL does not start (%s); it says: %s", strerror(-rc),
			caught_lines(log, "", lines, sizeof(lines)));
		eal_log_end();
		goto out;
	}
	rc = check_probed(plan, specs, log, faults);
	log->started = true;
	if (rc)
		eal_stop();
	goto out;
memory:
	rc = -ENOMEM;
	fault_add(faults, "", "out of memory");
out:
	args_free(&args);
	free(specs);
	return rc;
}

void eal_stop(void)
{
	rte_eal_cleanup();
	eal_log_end();
}

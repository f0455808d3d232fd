/* SPDX-License-Identifier: BSD-3-Clause */
/* Private to lib/net: what eal_start() looks up before it starts the EAL. */
#ifndef NET_PRECHECK_H
#define NET_PRECHECK_H

#include "port_priv.h"

/* How the machine is seen. root stands before /sys, /proc, /dev and what is mounted: "", or the
 * tree of a test. */
struct host {
	const char *root;
	const char *run; /* where the EAL keeps its "dpdk" directory, below root */
	int (*iface_flags)(const char *name);  /* IFF_*, or -errno */
	int (*core_usable)(unsigned int core); /* may this process run there: 0, or -errno */
};

/* Fills in the machine itself. Returns h. */
const struct host *host_real(struct host *h);

/* A path below root. 0, or -ENAMETOOLONG. */
int host_path(const struct host *h, char *out, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The beginning of a file as a string without its last newline, "" if it cannot be read. */
void host_text(const char *path, char *out, size_t size);
/* Whether this process has a capability (CAP_*). */
bool host_capable(const struct host *h, unsigned int cap);

/* precheck_kernel.c: faults with the interfaces of the kernel's share. */
void precheck_kernels(
	const struct host *h, const struct kernel_conf *k, unsigned int n, struct faults *faults);

/* 0, or -errno with every fault found; specs[i]: of plan->devices[i]. */
int eal_precheck(const struct host *h, const struct eal_plan *plan, const struct device_spec *specs,
	struct faults *faults);

/* The process that holds the EAL's lock in its run directory (-1: of another pid namespace), 0 if
 * no other does. A lock of our own is lost by asking. */
int eal_lock_holder(const char *dir);

#endif

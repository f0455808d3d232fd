/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files behind net/port.h share: port.c (ethdev), eal.c, precheck.c, link.c. */
#ifndef NET_PORT_PRIV_H
#define NET_PORT_PRIV_H

#include "port.h"

/* port.c: whether the EAL has an Ethernet device of this name. */
bool nic_probed(const char *name);

/* device.c: adds those of a profile's arguments ("a=1,b=2") that the device string does not say
 * itself. 0, or -EINVAL when there is no room. */
int device_add_args(struct device_spec *spec, const char *devargs);

/* device.c: the virtual device that makes the i-th interface of the kernel's share. */
void kernel_device(const struct kernel_conf *conf, unsigned int i, struct device_spec *out);

/* port.c: the link as the driver sees it; speed in Mbit/s, 0 when unknown. */
void nic_driver_link(const struct nic *nic, bool *up, uint64_t *speed);

/* port.c: workers on another NUMA node than a nic. Their entries of "workers", with the nodes, go
 * to out ("workers[1] on node 0, workers[2] on node 3"); false if there are none. Nodes below 0 are
 * unknown. */
bool nic_far_workers(int node, const int *workers, unsigned int n, char *out, size_t size);

/* eal.c: whether the user's EAL arguments have an option ("-m", "--no-huge"); value, if not NULL,
 * gets what follows it. */
bool eal_has_option(const struct eal_plan *plan, const char *option, const char **value);
const char *eal_file_prefix(const struct eal_plan *plan);

/* eal.c: the argument vector for rte_eal_init(); strings are its own. Starts zeroed. 0, or -ENOMEM;
 * to be freed in both cases. */
struct eal_args {
	char **v; /* ends with NULL */
	int n;
	bool failed; /* out of memory */
};
int eal_args_build(
	struct eal_args *a, const struct eal_plan *plan, const struct device_spec *specs);
void eal_args_free(struct eal_args *a);

#endif

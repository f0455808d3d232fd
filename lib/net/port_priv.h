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

struct rte_eth_conf;
struct rte_eth_dev_info;

/* rss.c: the hashes (bits of enum nic_hash) that a device can steer by with so many queues; 0:
 * none, and why. */
unsigned int rss_able(const struct rte_eth_dev_info *info, const struct nic_profile *profile,
	uint16_t rxqs, char *why, size_t size);

/* rss.c: puts the hash into what a device is to be configured with; sets nic->rss. */
void rss_configure(struct nic *nic, const struct nic_profile *profile, enum nic_hash hash,
	const struct rte_eth_dev_info *info, struct rte_eth_conf *eth);

/* rss.c: on the started device: sets its redirection table and reads everything back. asked: the
 * types of packets to hash. Sets nic->hash, or hash_why. */
void rss_settle(struct nic *nic, const struct nic_conf *conf, const struct rte_eth_dev_info *info,
	uint64_t asked);

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

/* SPDX-License-Identifier: BSD-3-Clause */
/* What kernel.c (packets) and kernel_link.c (the interface as the kernel has it) share. */
#ifndef NET_KERNEL_PRIV_H
#define NET_KERNEL_PRIV_H

#include "kernel.h"

/* ---- kernel.c ------------------------------------------------------------------------------- */

/* DROP_none: a frame that the kernel sent may leave by the port. m: one segment. */
enum drop_reason kernel_check(
	const struct net_table *t, const struct port *p, const struct rte_mbuf *m);

/* Gives a frame away as it is, or in frames that are fragments if it is a datagram longer than mtu:
 * the kernel puts it together. Takes the mbuf. */
void kernel_fit(struct net_worker *control, struct rte_mbuf *m, uint16_t mtu,
	void (*give)(void *to, struct rte_mbuf *m), void *to);

/* ---- kernel_link.c -------------------------------------------------------------------------- */

/* An interface's settings, and what was set before. */
struct kernel_link {
	char name[NET_KERNEL_NAME];
	int index;
	bool up;
	uint16_t mtu;
	struct rte_ether_addr mac;
	unsigned int n_addresses;
	struct prefix *addresses; /* those that we gave it */
};

/* A socket for requests to the kernel; -errno. */
int kernel_netlink(void);

/* Gives the interface MAC, MTU and addresses, and brings it up; addresses of the last call that are
 * not among them are taken away, those of others stay. The kernel makes no address of its own.
 * Each failure is logged. 0, or the first one as -errno. */
int kernel_link_set(struct kernel_link *l, int netlink, const struct rte_ether_addr *mac,
	uint16_t mtu, const struct prefix *addresses, unsigned int n);
/* Down, and without the addresses. */
void kernel_link_clear(struct kernel_link *l, int netlink);

/*
 * A device of the kernel that a port uses (af_packet) shows its packets to the kernel too, which
 * now has the port's addresses: it would take each a second time. So the kernel is made deaf on the
 * device, by settings that are as they were after kernel_hear().
 */
#define KERNEL_SETTINGS 3
struct kernel_hush {
	char name[NET_KERNEL_NAME]; /* "": not hushed */
	int before[KERNEL_SETTINGS];
};
void kernel_hush(struct kernel_hush *h, const char *interface);
void kernel_hear(struct kernel_hush *h);

#endif

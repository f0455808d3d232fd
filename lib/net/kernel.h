/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's share of the ports: an interface of the kernel beside each port that is configured
 * to have one, with the port's MAC, MTU and addresses. What is for the port and nobody here wants
 * (ssh, BGP) goes to the kernel through it, and what the kernel sends leaves by the port.
 *
 *   worker: PKT_KERNEL -> net_kernel() -> ring -> control core: kernel_take() -> interface
 *   interface -> control core: kernel_poll() -> checked -> net_send_frame()
 *
 * We answer ARP, neighbour solicitations and echo requests for the port's addresses; the kernel
 * gets none of them. It asks for its neighbours itself: its questions go out, and the answers reach
 * both (kernel_overhear()). Virtual addresses are never on its interfaces, and nothing is let out
 * that speaks in the name of one.
 *
 * Control core only. Order: eal_start() with the interfaces in its plan, nic_open(), kernel_open(),
 * kernel_sync() after each publication; kernel_close() before nic_close(). The kernel deletes the
 * interfaces with the process, however that ends.
 */
#ifndef NET_KERNEL_H
#define NET_KERNEL_H

#include "net/net.h"

struct kernel;

/* Opens the interfaces that eal_start() has made. pool: for what the kernel sends. nics: those of
 * the ports, kept. NULL with errno and a fault at "ports[I].kernel". */
struct kernel *kernel_open(const struct kernel_conf *conf, unsigned int n, struct nic **nics,
	unsigned int n_nics, struct rte_mempool *pool, struct faults *faults);
void kernel_close(struct kernel *k);

/* Whether an interface is open: a new one needs a restart. */
bool kernel_has(const struct kernel *k, const char *interface);

/* Makes the interfaces what the ports of t are; one that no port has any more goes down. What the
 * kernel refuses is logged. t must stay until the next call. */
void kernel_sync(struct kernel *k, const struct net_table *t);

/* The descriptor that is readable when the kernel has sent on the i-th interface, -1 if there is
 * none: kernel_poll() has to be called at times anyway. i < kernel_count(). */
unsigned int kernel_count(const struct kernel *k);
int kernel_fd(const struct kernel *k, unsigned int i);

/* What the worker w has for the kernel goes to it; returns how many packets. control: the control
 * core's, here and below. */
unsigned int kernel_take(struct kernel *k, struct net_worker *control, struct net_worker *w);

/* What the kernel sent goes out of the ports; returns how many frames. The interfaces' carrier
 * follows the nics' link. */
unsigned int kernel_poll(struct kernel *k, struct net_worker *control);

/* A punted ARP or ND frame, before neigh_input() gets it: an answer is copied to the kernel. */
void kernel_overhear(struct kernel *k, struct net_worker *control, struct rte_mbuf *m);

struct kernel_counters {
	uint64_t to_packets, to_bytes, to_dropped;
	uint64_t from_packets, from_bytes, from_dropped;
};
/* false: the port has no share. */
bool kernel_counters_read(const struct kernel *k, uint8_t port, struct kernel_counters *out);

#endif

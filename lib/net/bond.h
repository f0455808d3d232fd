/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bonded devices: what DPDK's net_bonding leaves to us. Private to lib/net; called by port.c and
 * link.c on the control core.
 *
 * Members that are devices of the kernel (af_packet) say "up" to net_bonding for ever. Their
 * carrier is watched like any other's, and net_bonding is told: in mode active-backup which member
 * is to carry the traffic, with LACP by a message that says that the partner has left.
 */
#ifndef NET_BOND_H
#define NET_BOND_H

#include "port_priv.h"

/* Finds the members of a bond and has net_bonding take them in; nic->ethdev is not configured yet.
 * index: of the device. 0, or -errno. */
int bond_open(struct nic *nic, unsigned int index, struct rte_mempool *pool);
/* After rte_eth_dev_start(): members hear what is for the bond, whatever their own MAC is. */
void bond_started(struct nic *nic);
/* The bond is closed: its members follow. */
void bond_close(struct nic *nic);

/* Follows the members' state (nic->member[].up of those of the kernel is set by the caller).
 * Returns whether the traffic has moved to another member. */
bool bond_poll(struct nic *nic, bool *up, uint64_t *speed);

#endif

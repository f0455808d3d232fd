/* SPDX-License-Identifier: BSD-3-Clause */
#include "bond.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eth_bond.h>
#include <rte_eth_bond_8023ad.h>
#include <rte_ethdev.h>
#include <rte_ether.h>

#include "base/log.h"

/* A worker that was in the middle of a burst of a member has left it after this long. */
#define SETTLED_S 1
/* Packets thrown away at a time that a backup has received. */
#define DRAIN_MAX 4096

/* What a member needs beside what everybody sees of it. */
struct bond_member {
	int held;     /* packet socket that keeps the interface promiscuous, or -1 */
	bool leave;   /* a message is to be put before the bond: the partner has left */
	uint64_t was; /* tsc when it last carried traffic; 0: never */
	struct rte_mempool *pool;
};

struct bond {
	struct bond_member member[NIC_MEMBERS_MAX];
};

/* ---- LACP: telling that a partner has left --------------------------------------------------- */

/* A LACPDU (IEEE 802.1AX 6.4.2.3) of a partner that is out of sync and knows nothing of us. */
static struct rte_mbuf *departure(struct rte_mempool *pool)
{
	static const struct rte_ether_addr group = { { 0x01, 0x80, 0xc2, 0, 0, 2 } };
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_ether_hdr *eth;
	uint8_t *pdu;

	if (!m)
		return NULL;
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, sizeof(*eth) + 110);
	if (!eth) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memset(eth, 0, sizeof(*eth) + 110);
	eth->dst_addr = group;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_SLOW);
	pdu = (uint8_t *)(eth + 1);
	pdu[0] = 1; /* subtype: LACP */
	pdu[1] = 1; /* version */
	pdu[2] = 1; /* actor: type, length, ... */
	pdu[3] = 20;
	pdu[18] = STATE_LACP_ACTIVE | STATE_AGGREGATION; /* ... state */
	pdu[22] = 2;                                     /* partner */
	pdu[23] = 20;
	pdu[42] = 3; /* collector */
	pdu[43] = 16;
	return m;
}

/* On the worker that polls the member's queue: the message comes in as if the member had received
 * it. */
static uint16_t put_departure(
	uint16_t ethdev, uint16_t queue, struct rte_mbuf **m, uint16_t n, uint16_t max, void *arg)
{
	struct bond_member *b = arg;

	if (n < max && __atomic_load_n(&b->leave, __ATOMIC_RELAXED) &&
		__atomic_exchange_n(&b->leave, false, __ATOMIC_RELAXED)) {
		m[n] = departure(b->pool);
		if (m[n])
			m[n++]->port = ethdev;
	}
	(void)queue;
	return n;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* In promiscuous mode for as long as the socket is open: its MAC may not be the bond's, and LACP is
 * spoken to a group. */
static int hold_promiscuous(int ifindex)
{
	struct packet_mreq req = { .mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0 && setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &req, sizeof(req)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int member_open(struct nic *nic, unsigned int index, unsigned int k)
{
	struct nic_member *m = &nic->member[k];
	struct device_spec spec;
	char err[8];

	device_member(nic->device, k, m->device, sizeof(m->device));
	if (device_parse(m->device, device_member_index(index, k), &spec, err, sizeof(err)))
		return -EINVAL;
	if (rte_eth_dev_get_port_by_name(spec.name, &m->ethdev))
		return -ENODEV;
	snprintf(m->iface, sizeof(m->iface), "%.15s", spec.iface);
	if (m->iface[0]) {
		m->ifindex = (int)if_nametoindex(m->iface);
		nic->bond->member[k].held = hold_promiscuous(m->ifindex);
	}
	return 0;
}

int bond_open(struct nic *nic, unsigned int index, struct rte_mempool *pool)
{
	const struct rte_eth_conf plain = { 0 };
	int rc = 0;

	nic->bond = calloc(1, sizeof(*nic->bond));
	if (!nic->bond)
		return -ENOMEM;
	for (unsigned int k = 0; k < NIC_MEMBERS_MAX; k++)
		nic->bond->member[k] = (struct bond_member){ .held = -1, .pool = pool };
	for (unsigned int k = 0; rc == 0 && k < device_member_count(nic->device); k++) {
		rc = member_open(nic, index, k);
		nic->n_members++;
	}
	/* Until it is configured it has no members, and so none of their abilities. */
	if (rc == 0)
		rc = rte_eth_dev_configure(nic->ethdev, 1, 1, &plain);
	nic->lacp = rte_eth_bond_mode_get(nic->ethdev) == BONDING_MODE_8023AD;
	return rc;
}

void bond_started(struct nic *nic)
{
	/* net_bonding itself drops what is not for its MAC, and without all-multicast mode, which
	 * af_packet lacks, what is for many. */
	if (nic->lacp && rte_eth_promiscuous_enable(nic->ethdev))
		log_warn("%s: no promiscuous mode", nic->device);
	for (unsigned int k = 0; nic->lacp && k < nic->n_members; k++)
		if (nic->member[k].iface[0])
			rte_eth_add_rx_callback(
				nic->member[k].ethdev, 0, put_departure, &nic->bond->member[k]);
}

void bond_close(struct nic *nic)
{
	for (unsigned int k = 0; nic->bond && k < nic->n_members; k++) {
		rte_eth_dev_close(nic->member[k].ethdev);
		if (nic->bond->member[k].held >= 0)
			close(nic->bond->member[k].held);
	}
	free(nic->bond);
	nic->bond = NULL;
}

/* ---- following the members ------------------------------------------------------------------- */

static bool settled(const struct bond_member *b)
{
	return !b->was || rte_rdtsc() - b->was > SETTLED_S * rte_get_tsc_hz();
}

/* What a backup has received meanwhile would come up, old, when it takes over. Nobody else polls
 * it: net_bonding itself never moves away from a member that is always up. */
static void drain(const struct nic *nic, unsigned int k)
{
	struct rte_mbuf *m[32];
	uint16_t n = 32;

	for (unsigned int total = 0; n == 32 && total < DRAIN_MAX; total += n) {
		n = rte_eth_rx_burst(nic->member[k].ethdev, 0, m, 32);
		rte_pktmbuf_free_bulk(m, n);
	}
}

/* Mode active-backup with members of the kernel. Returns whether the traffic moved. */
static bool fail_over(struct nic *nic)
{
	int primary = rte_eth_bond_primary_get(nic->ethdev);
	unsigned int now = nic->n_members, next = nic->n_members;

	for (unsigned int k = 0; k < nic->n_members; k++) {
		if (nic->member[k].ethdev == primary)
			now = k;
		else if (next == nic->n_members && nic->member[k].up)
			next = k;
	}
	if (now == nic->n_members)
		return false;
	nic->bond->member[now].was = rte_rdtsc();
	for (unsigned int k = 0; k < nic->n_members; k++) {
		nic->member[k].active = k == now && nic->member[k].up;
		if (k != now && settled(&nic->bond->member[k]) && nic->member[k].iface[0])
			drain(nic, k);
	}
	if (nic->member[now].up || next == nic->n_members)
		return false;
	if (rte_eth_bond_primary_set(nic->ethdev, nic->member[next].ethdev))
		return false;
	nic->member[now].active = false;
	nic->member[next].active = true;
	log_warn("%s: %s has no link, %s takes over", nic->device, nic->member[now].device,
		nic->member[next].device);
	return true;
}

/* net_bonding's own view, where it has one. */
static void ask_members(struct nic *nic)
{
	const uint8_t working = STATE_COLLECTING | STATE_DISTRIBUTING;
	int primary = rte_eth_bond_primary_get(nic->ethdev);

	for (unsigned int k = 0; k < nic->n_members; k++) {
		struct nic_member *m = &nic->member[k];
		struct rte_eth_bond_8023ad_slave_info info;

		if (!nic->lacp)
			m->active = m->up && m->ethdev == primary;
		else if (rte_eth_bond_8023ad_slave_info(nic->ethdev, m->ethdev, &info) == 0)
			m->active = m->up && (info.actor_state & working) == working;
		if (nic->lacp && m->iface[0] && !m->up)
			__atomic_store_n(&nic->bond->member[k].leave, true, __ATOMIC_RELAXED);
	}
}

bool bond_poll(struct nic *nic, bool *up, uint64_t *speed)
{
	bool moved = false, kernel = false, any = false;
	struct rte_eth_link link;

	for (unsigned int k = 0; k < nic->n_members; k++) {
		struct nic_member *m = &nic->member[k];

		kernel |= m->iface[0] != '\0';
		if (!m->iface[0])
			m->up = rte_eth_link_get_nowait(m->ethdev, &link) == 0 &&
				link.link_status == RTE_ETH_LINK_UP;
	}
	if (kernel && !nic->lacp)
		moved = fail_over(nic);
	else
		ask_members(nic);
	nic_driver_link(nic, up, speed);
	for (unsigned int k = 0; k < nic->n_members; k++)
		any |= nic->lacp ? nic->member[k].active : nic->member[k].up;
	*up = any && (kernel || *up);
	if (kernel)
		*speed = 0;
	return moved;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An Ethernet device of DPDK as a nic: what it can do is asked once, when it is opened, and settled
 * flag by flag; what it cannot do is done in software by parse.c and output.c.
 *
 * One thread opens and closes (the control core, at start and stop). A queue belongs to one worker.
 */
#include "port.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <numa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>

#include "base/log.h"
#include "bond.h"
#include "port_priv.h"

#define DESCRIPTORS_DEFAULT 1024
#define BURST_DEFAULT       32

const struct nic_profile nic_profile_default = { .rss = NIC_RSS_ALL };

/* A nic and what only this file needs of it. */
struct nic_dev {
	struct nic nic;
	int allmulti; /* packet socket that keeps the kernel interface in all-multicast mode, or -1
		       */
};

/* Our name of an offload, DPDK's flags for it (all are needed) and how the log calls it. */
struct offload {
	uint16_t bit;
	uint64_t flags;
	const char *name;
};

static const struct offload rx_offloads[] = {
	{ NIC_RX_IP_CKSUM, RTE_ETH_RX_OFFLOAD_IPV4_CKSUM, "rx-ip-checksum" },
	{ NIC_RX_L4_CKSUM, RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM,
		"rx-l4-checksum" },
	{ NIC_RX_VLAN_STRIP, RTE_ETH_RX_OFFLOAD_VLAN_STRIP, "rx-vlan-strip" },
	{ NIC_RX_RSS_HASH, RTE_ETH_RX_OFFLOAD_RSS_HASH, "rx-rss-hash" },
	{ 0, 0, NULL },
};

static const struct offload tx_offloads[] = {
	{ NIC_TX_IP_CKSUM, RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, "tx-ip-checksum" },
	{ NIC_TX_L4_CKSUM, RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM,
		"tx-l4-checksum" },
	{ NIC_TX_VLAN, RTE_ETH_TX_OFFLOAD_VLAN_INSERT, "tx-vlan-insert" },
	{ NIC_TX_MULTI_SEG, RTE_ETH_TX_OFFLOAD_MULTI_SEGS, "tx-multi-segment" },
	{ 0, 0, NULL },
};

/* What is at hand while a nic is being opened. */
struct opening {
	const struct nic_conf *conf;
	const struct nic_profile *profile;
	struct device_spec spec;
	struct rte_eth_dev_info info;
	struct rte_eth_conf eth;
	struct rte_mempool *pool;
	struct nic_dev *dev;
	struct faults *faults;
	char path[32]; /* of faults */
};

static int __attribute__((format(printf, 3, 4)))
refuse(struct opening *o, int rc, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fault_add(o->faults, o->path, "%s: %s", o->conf->device, text);
	return rc < 0 ? rc : -EIO;
}

bool nic_probed(const char *name)
{
	uint16_t ethdev;

	return rte_eth_dev_get_port_by_name(name, &ethdev) == 0;
}

/* The name a profile goes by: mlx5 calls itself after the bus it was found on. */
static const char *profile_name(const char *driver)
{
	return !strncmp(driver, "mlx5_", 5) ? "net_mlx5" : driver;
}

static int find_ethdev(const char *device, unsigned int index, uint16_t *ethdev)
{
	struct device_spec spec;
	char err[8];

	if (device_parse(device, index, &spec, err, sizeof(err)))
		return -EINVAL;
	return rte_eth_dev_get_port_by_name(spec.name, ethdev);
}

int nic_device_driver(const char *device, unsigned int index, char *driver, size_t size)
{
	struct rte_eth_dev_info info;
	uint16_t ethdev;

	if (find_ethdev(device, index, &ethdev) || rte_eth_dev_info_get(ethdev, &info))
		return -ENODEV;
	snprintf(driver, size, "%s", profile_name(info.driver_name));
	return 0;
}

unsigned int nic_device_hashes(const char *device, unsigned int index,
	const struct nic_profile *profile, uint16_t rxqs, char *why, size_t size)
{
	struct rte_eth_dev_info info;
	uint16_t ethdev;

	if (!find_ethdev(device, index, &ethdev) && !rte_eth_dev_info_get(ethdev, &info))
		return rss_able(&info, profile ? profile : &nic_profile_default, rxqs, why, size);
	snprintf(why, size, "the driver does not describe it");
	return 0;
}

int nic_device_socket(const char *device, unsigned int device_index)
{
	uint16_t ethdev;

	if (find_ethdev(device, device_index, &ethdev))
		return -1;
	return rte_eth_dev_socket_id(ethdev);
}

/* ---- what the device can do ------------------------------------------------------------------ */

/* The bits of a table that the device has and the profile does not forbid; *flags gets DPDK's.
 * Those that are left to software are added to the list in text. */
static uint16_t resolve(const struct offload *table, uint64_t has, uint16_t without,
	uint64_t *flags, char *device, char *software, size_t size)
{
	uint16_t bits = 0;

	*flags = 0;
	for (const struct offload *f = table; f->name; f++) {
		bool ok = (has & f->flags) == f->flags && !(without & f->bit);
		char *list = ok ? device : software;
		size_t used = strlen(list);

		snprintf(list + used, size - used, " %s", f->name);
		if (ok) {
			bits |= f->bit;
			*flags |= f->flags;
		}
	}
	return bits;
}

static void resolve_offloads(struct opening *o)
{
	struct nic *nic = &o->dev->nic;
	char device[160] = "", software[160] = "";

	nic->rx_offloads = resolve(rx_offloads, o->info.rx_offload_capa, o->profile->rx_without,
		&o->eth.rxmode.offloads, device, software, sizeof(device));
	nic->tx_offloads = resolve(tx_offloads, o->info.tx_offload_capa, o->profile->tx_without,
		&o->eth.txmode.offloads, device, software, sizeof(device));
	log_info("%s: offloads of the device:%s; in software:%s", nic->device,
		device[0] ? device : " none", software[0] ? software : " none");
}

static uint16_t at_most(uint32_t want, uint32_t has, uint32_t profile)
{
	uint32_t n = want ? want : 1;

	if (has && n > has)
		n = has;
	if (profile && n > profile)
		n = profile;
	return (uint16_t)n;
}

static void resolve_queues(struct opening *o)
{
	struct nic *nic = &o->dev->nic;

	nic->rxqs = at_most(o->conf->want_rxqs, o->info.max_rx_queues, o->profile->max_queues);
	nic->txqs = at_most(o->conf->want_txqs, o->info.max_tx_queues, o->profile->max_queues);
}

/* ---- the kernel's interface ------------------------------------------------------------------ */

static int iface_mtu(const char *iface)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%.15s", iface);
	rc = ioctl(fd, SIOCGIFMTU, &ifr) < 0 ? -errno : ifr.ifr_mtu;
	close(fd);
	return rc;
}

/* A packet socket that receives nothing and holds the interface in all-multicast mode while it is
 * open: neighbour discovery and VRRP are multicast, and af_packet cannot ask for it itself. */
static int hold_allmulti(int ifindex)
{
	struct packet_mreq req = { .mr_type = PACKET_MR_ALLMULTI, .mr_ifindex = ifindex };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0 && setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &req, sizeof(req)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* ---- MTU ------------------------------------------------------------------------------------- */

/* What a frame of af_packet's ring holds: framesz less what the kernel puts in front of the
 * Ethernet header (TPACKET_V2), that header and a VLAN tag. Longer frames arrive cut off. */
static uint32_t af_packet_mtu(const char *arg)
{
	const char *framesz = strstr(arg, ",framesz=");
	uint32_t size = framesz ? (uint32_t)strtoul(framesz + 9, NULL, 10) : 2048;
	uint32_t before = TPACKET_ALIGN(TPACKET2_HDRLEN + 16) - RTE_ETHER_HDR_LEN;

	return size > before + 100 ? size - before - RTE_ETHER_HDR_LEN - RTE_VLAN_HLEN : 0;
}

/* Largest MTU whose frames fit one buffer of the pool. */
static uint32_t pool_mtu(struct rte_mempool *pool)
{
	return rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM - RTE_ETHER_HDR_LEN -
	       RTE_ETHER_CRC_LEN - 2 * RTE_VLAN_HLEN;
}

/* The smallest of a bond's members, 0 where none is a device of the kernel. */
static int members_mtu(const struct nic *nic)
{
	int least = 0;

	for (unsigned int k = 0; k < nic->n_members; k++) {
		int mtu = nic->member[k].iface[0] ? iface_mtu(nic->member[k].iface) : 0;

		if (mtu > 0 && (least == 0 || mtu < least))
			least = mtu;
	}
	return least;
}

/*
 * The MTU before the device is configured. A kernel interface keeps its own: the administrator set
 * it, and other users may depend on it. Elsewhere the configured one, or 1500.
 */
static int choose_mtu(struct opening *o)
{
	struct nic *nic = &o->dev->nic;
	uint32_t want = o->conf->mtu, max = UINT16_MAX;
	int kernel = nic->iface[0] ? iface_mtu(nic->iface) : members_mtu(nic);

	if (kernel > 0) {
		if (want > (uint32_t)kernel)
			return refuse(o, -EINVAL,
				"MTU %u is more than interface %s has (%d): ip link set %s mtu %u",
				want, nic->iface, kernel, nic->iface, want);
		max = kernel;
	} else if (o->info.max_mtu) {
		max = o->info.max_mtu;
	}
	if (!strcmp(nic->driver, "net_af_packet"))
		max = RTE_MIN(max, af_packet_mtu(o->spec.arg));
	for (unsigned int k = 0; k < nic->n_members; k++)
		if (!strncmp(nic->member[k].device, "af_packet:", 10))
			max = RTE_MIN(max, af_packet_mtu(o->profile->member_args[k]));
	if (!(o->info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER))
		max = RTE_MIN(max, pool_mtu(o->pool));
	if (want > max)
		return refuse(o, -EINVAL, "MTU %u is more than this device can have here (%u)",
			want, max);
	if (!want && kernel > (int)max)
		fault_warn(o->faults, o->path,
			"%s: interface %s has MTU %d, but frames above %u arrive cut off and are "
			"dropped: ip link set %s mtu %u",
			nic->device, nic->iface, kernel, max, nic->iface, max);
	nic->mtu = want ? want : RTE_MIN(max, (uint32_t)(kernel > 0 ? kernel : RTE_ETHER_MTU));
	if (nic->mtu > pool_mtu(o->pool))
		o->eth.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	/* Drivers that say nothing of their limits are taken for 1518-byte ones by ethdev. */
	o->eth.rxmode.mtu = kernel > 0 ? RTE_MIN(nic->mtu, RTE_ETHER_MTU) : nic->mtu;
	return 0;
}

static void apply_mtu(struct opening *o)
{
	struct nic *nic = &o->dev->nic;
	int rc;

	if (nic->iface[0])
		return;
	rc = rte_eth_dev_set_mtu(nic->ethdev, nic->mtu);
	if (rc && rc != -ENOTSUP) {
		fault_warn(o->faults, o->path, "%s: the driver refuses MTU %u (%s)", nic->device,
			nic->mtu, rte_strerror(-rc));
		rte_eth_dev_get_mtu(nic->ethdev, &nic->mtu);
	}
}

/* ---- opening --------------------------------------------------------------------------------- */

static uint16_t descriptors(uint16_t conf, uint16_t profile, uint16_t device)
{
	if (conf)
		return conf;
	if (profile)
		return profile;
	return device ? device : DESCRIPTORS_DEFAULT;
}

static int setup_queues(struct opening *o)
{
	struct nic *nic = &o->dev->nic;
	struct rte_eth_rxconf rx = o->info.default_rxconf;
	struct rte_eth_txconf tx = o->info.default_txconf;
	unsigned int socket =
		nic->socket < 0 ? (unsigned int)SOCKET_ID_ANY : (unsigned int)nic->socket;
	uint16_t rxd = descriptors(o->conf->rx_descriptors, o->profile->rx_descriptors,
		o->info.default_rxportconf.ring_size);
	uint16_t txd = descriptors(o->conf->tx_descriptors, o->profile->tx_descriptors,
		o->info.default_txportconf.ring_size);
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(nic->ethdev, &rxd, &txd);

	if (rc)
		return refuse(o, rc, "%u receive and %u transmit descriptors are not possible: %s",
			rxd, txd, rte_strerror(-rc));
	rx.offloads = o->eth.rxmode.offloads;
	tx.offloads = o->eth.txmode.offloads;
	for (uint16_t q = 0; q < nic->rxqs; q++) {
		rc = rte_eth_rx_queue_setup(nic->ethdev, q, rxd, socket, &rx, o->pool);
		if (rc)
			return refuse(o, rc, "receive queue %u with %u descriptors: %s", q, rxd,
				rte_strerror(-rc));
	}
	for (uint16_t q = 0; q < nic->txqs; q++) {
		rc = rte_eth_tx_queue_setup(nic->ethdev, q, txd, socket, &tx);
		if (rc)
			return refuse(o, rc, "transmit queue %u with %u descriptors: %s", q, txd,
				rte_strerror(-rc));
	}
	return 0;
}

/* Called on the started device: some drivers keep neither setting over a start. */
static void setup_filters(struct opening *o)
{
	struct nic *nic = &o->dev->nic;
	int rc = rte_eth_promiscuous_disable(nic->ethdev);

	if (rc && rc != -ENOTSUP)
		log_warn("%s: promiscuous mode: %s", nic->device, rte_strerror(-rc));
	rc = rte_eth_allmulticast_enable(nic->ethdev);
	if (nic->n_members)
		bond_started(nic);
	else if (rc == -ENOTSUP && nic->iface[0])
		o->dev->allmulti = hold_allmulti(nic->ifindex);
	else if (rc && rc != -ENOTSUP)
		log_warn("%s: all-multicast mode: %s", nic->device, rte_strerror(-rc));
}

static void node_cores(int node, char *out, size_t size)
{
	struct bitmask *cpus = numa_allocate_cpumask();
	size_t used = 0;

	out[0] = '\0';
	if (numa_node_to_cpus(node, cpus) == 0)
		for (unsigned int i = 0; i < cpus->size && used + 8 < size; i++)
			if (numa_bitmask_isbitset(cpus, i))
				used += (size_t)snprintf(
					out + used, size - used, "%s%u", used ? "," : "", i);
	numa_free_cpumask(cpus);
}

bool nic_far_workers(int node, const int *workers, unsigned int n, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned int i = 0; node >= 0 && i < n && used < size; i++)
		if (workers[i] >= 0 && workers[i] != node)
			used += (size_t)snprintf(out + used, size - used,
				"%sworkers[%u] on node %d", used ? ", " : "", i, workers[i]);
	return used > 0;
}

static void check_numa(struct opening *o)
{
	struct nic *nic = &o->dev->nic;
	char cores[256], far[256];

	if (!nic_far_workers(nic->socket, o->conf->worker_sockets, o->conf->n_worker_sockets, far,
		    sizeof(far)) ||
		numa_available() < 0)
		return;
	node_cores(nic->socket, cores, sizeof(cores));
	fault_warn(o->faults, o->path,
		"%s is on NUMA node %d, but %s: every packet of theirs crosses between the nodes; "
		"cores of node %d are %s",
		nic->device, nic->socket, far, nic->socket, cores);
}

/* Some drivers want powers of two, some as many queues one way as the other, and say so only by
 * refusing. */
static int configure_queues(struct opening *o)
{
	struct nic *nic = &o->dev->nic;
	uint16_t rx = nic->rxqs, tx = nic->txqs, both = RTE_MIN(rx, tx);
	const uint16_t tries[][2] = {
		{ rx, tx },
		{ rte_align32prevpow2(rx), rte_align32prevpow2(tx) },
		{ both, both },
		{ rte_align32prevpow2(both), rte_align32prevpow2(both) },
		{ 1, 1 },
	};
	int rc = -EINVAL;

	for (size_t i = 0; rc && i < RTE_DIM(tries); i++) {
		nic->rxqs = tries[i][0];
		nic->txqs = tries[i][1];
		rc = rte_eth_dev_configure(nic->ethdev, nic->rxqs, nic->txqs, &o->eth);
	}
	if (rc == 0 && (nic->rxqs != rx || nic->txqs != tx))
		log_info("%s: %u receive and %u transmit queues: the driver refuses %u and %u",
			nic->device, nic->rxqs, nic->txqs, rx, tx);
	return rc;
}

static int configure(struct opening *o)
{
	struct nic *nic = &o->dev->nic;
	int rc;

	resolve_offloads(o);
	resolve_queues(o);
	rss_configure(&o->dev->nic, o->profile, o->conf->hash, &o->info, &o->eth);
	rc = choose_mtu(o);
	if (rc)
		return rc;
	rc = configure_queues(o);
	if (rc)
		return refuse(o, rc, "the driver %s refuses %u receive and %u transmit queues: %s",
			nic->driver, nic->rxqs, nic->txqs, rte_strerror(-rc));
	apply_mtu(o);
	return setup_queues(o);
}

static int identify(struct opening *o)
{
	struct nic *nic = &o->dev->nic;
	char err[256];
	int rc = device_parse(o->conf->device, o->conf->device_index, &o->spec, err, sizeof(err));

	if (rc)
		return refuse(o, rc, "%s", err);
	device_add_args(&o->spec, o->profile->devargs);
	rc = rte_eth_dev_get_port_by_name(o->spec.name, &nic->ethdev);
	if (rc)
		return refuse(o, -ENODEV, "the EAL has no device %s", o->spec.name);
	snprintf(nic->device, sizeof(nic->device), "%s", o->conf->device);
	if (device_member_count(nic->device)) {
		rc = bond_open(nic, o->conf->device_index, o->pool);
		if (rc)
			return refuse(o, rc, "its members cannot be joined: %s", rte_strerror(-rc));
	}
	rc = rte_eth_dev_info_get(nic->ethdev, &o->info);
	if (rc)
		return refuse(o, rc, "the driver does not describe it: %s", rte_strerror(-rc));
	nic->id = o->conf->id;
	snprintf(nic->driver, sizeof(nic->driver), "%s", profile_name(o->info.driver_name));
	snprintf(nic->iface, sizeof(nic->iface), "%.15s", o->spec.iface);
	if (nic->iface[0])
		nic->ifindex = (int)if_nametoindex(nic->iface);
	nic->socket = rte_eth_dev_socket_id(nic->ethdev);
	rte_eth_macaddr_get(nic->ethdev, &nic->mac);
	/* af_packet and af_xdp never report a change, tap only that of its own descriptor. */
	nic->link_real = nic->iface[0] == '\0' && nic->n_members == 0;
	/* A ring hands over what was put in, with the number it had. */
	nic->foreign = nic->id != nic->ethdev || !strcmp(nic->driver, "net_ring");
	nic->burst = o->profile->burst ? o->profile->burst : BURST_DEFAULT;
	return 0;
}

struct nic *nic_open(const struct nic_conf *conf, struct rte_mempool *pool, struct faults *faults)
{
	struct opening o = {
		.conf = conf,
		.profile = conf->profile ? conf->profile : &nic_profile_default,
		.pool = pool,
		.faults = faults,
	};
	int rc = -ENOMEM;

	snprintf(o.path, sizeof(o.path), "ports[%u].device", conf->device_index);
	o.dev = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN(sizeof(*o.dev), RTE_CACHE_LINE_SIZE));
	if (!o.dev)
		goto fail;
	memset(o.dev, 0, sizeof(*o.dev));
	o.dev->allmulti = -1;
	rc = identify(&o);
	if (rc)
		goto fail;
	rc = configure(&o);
	if (rc)
		goto fail;
	rc = rte_eth_dev_start(o.dev->nic.ethdev);
	if (rc) {
		rc = refuse(&o, rc, "the driver %s does not start: %s", o.dev->nic.driver,
			rte_strerror(-rc));
		goto fail;
	}
	rss_settle(&o.dev->nic, conf, &o.info, o.eth.rx_adv_conf.rss_conf.rss_hf);
	setup_filters(&o);
	check_numa(&o);
	return &o.dev->nic;
fail:
	if (o.dev)
		bond_close(&o.dev->nic);
	free(o.dev);
	errno = -rc;
	return NULL;
}

void nic_close(struct nic *nic)
{
	struct nic_dev *dev = (struct nic_dev *)nic;

	if (!nic)
		return;
	rte_eth_dev_stop(nic->ethdev);
	rte_eth_dev_close(nic->ethdev);
	bond_close(nic);
	if (dev->allmulti >= 0)
		close(dev->allmulti);
	free(dev);
}

/* ---- packets --------------------------------------------------------------------------------- */

uint16_t nic_rx(struct nic *nic, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	n = rte_eth_rx_burst(nic->ethdev, queue, mbufs, RTE_MIN(n, nic->burst));
	if (nic->foreign)
		for (uint16_t i = 0; i < n; i++)
			mbufs[i]->port = nic->id;
	return n;
}

uint16_t nic_tx(struct nic *nic, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	return rte_eth_tx_burst(nic->ethdev, queue, mbufs, n);
}

/* ---- link and counters ----------------------------------------------------------------------- */

void nic_driver_link(const struct nic *nic, bool *up, uint64_t *speed)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(nic->ethdev, &link)) {
		*up = false;
		*speed = 0;
		return;
	}
	*up = link.link_status == RTE_ETH_LINK_UP;
	*speed = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
}

int nic_stats_read(const struct nic *nic, struct nic_stats *out)
{
	struct rte_eth_stats s;
	int rc = rte_eth_stats_get(nic->ethdev, &s);

	if (rc)
		return rc;
	out->rx_missed = s.imissed;
	out->rx_errors = s.ierrors;
	out->rx_nombuf = s.rx_nombuf;
	out->tx_errors = s.oerrors;
	return 0;
}

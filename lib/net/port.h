/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network devices: starting the EAL with them, opening them, receiving and transmitting.
 *
 * "nic" is a DPDK device with its queues. "port" (net/net.h) is what the configuration calls one: a
 * name, addresses and perhaps a VLAN on a nic; several ports may share a nic. port.c, rss.c, bond.c
 * and kernel.c are the only files in lib/ that see rte_ethdev.
 *
 * Order: eal_start() with every device of the configuration, nic_open() for each, then workers call
 * nic_rx() and nic_tx(), the control core nic_poll_link(); nic_close(); eal_stop().
 */
#ifndef NET_PORT_H
#define NET_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "base/fault.h"

#define NIC_MAX 32

/* The Toeplitz key of every nic, so that all of them hash a tuple alike. Drivers that want a longer
 * one get the zeroes behind it: the tuples of IPv4 and IPv6 with ports reach no further than 40. */
#define NIC_RSS_KEY_SIZE 40
#define NIC_RSS_KEY_ROOM 64
extern const uint8_t nic_rss_key[NIC_RSS_KEY_ROOM];

/* What the hash of a nic's TCP and UDP packets covers, which chooses their queue and comes with
 * them.
 */
enum nic_hash {
	NIC_HASH_NONE,        /* not known, or not known to be right */
	NIC_HASH_TUPLE,       /* addresses and ports */
	NIC_HASH_SOURCE,      /* source address and port alone, side by side */
	NIC_HASH_DESTINATION, /* likewise */
};

/* Places of the redirection table that count: place i, of a hash whose low bits are i, is queue i
 * modulo the queues. Larger tables repeat themselves. */
#define NIC_HASH_TABLE 128

/* nic.rx_offloads and nic.tx_offloads: what the device does for us; for each bit that is missing
 * there is a software path (parse.c, output.c). */
#define NIC_RX_IP_CKSUM   0x01
#define NIC_RX_L4_CKSUM   0x02
#define NIC_RX_VLAN_STRIP 0x04
#define NIC_RX_RSS_HASH   0x08
#define NIC_TX_IP_CKSUM   0x01
#define NIC_TX_L4_CKSUM   0x02
#define NIC_TX_VLAN       0x04
#define NIC_TX_MULTI_SEG  0x08

/* nic_profile.rss: what the hash of received packets covers. */
#define NIC_RSS_IP4  0x01
#define NIC_RSS_TCP4 0x02
#define NIC_RSS_UDP4 0x04
#define NIC_RSS_IP6  0x08
#define NIC_RSS_TCP6 0x10
#define NIC_RSS_UDP6 0x20
#define NIC_RSS_ALL  0x3f

/* A device that a bond is made of. */
#define NIC_MEMBERS_MAX 8
struct nic_member {
	uint16_t ethdev;
	char device[96]; /* as configured */
	char iface[16];  /* kernel interface behind it, "" if none */
	int ifindex;
	bool up;     /* has link */
	bool active; /* carries traffic */
};

/*
 * What we know of a driver, from drivers-config/DRIVER.json (ctl/profile.c reads them). Zero and ""
 * leave the matter to the device.
 */
struct nic_profile {
	char driver[32];
	uint16_t max_queues;                     /* in use, each way */
	uint16_t rx_descriptors, tx_descriptors; /* a queue */
	uint16_t burst;                          /* packets a receive call, at most */
	uint16_t rx_without, tx_without; /* NIC_RX_*, NIC_TX_* it claims but must not be given */
	uint16_t rss;                    /* NIC_RSS_*; 0: no RSS */
	char devargs[128];               /* "framesz=2048,framecnt=512", for virtual devices */
	char eal_args[128];              /* EAL arguments, a blank between them */
	char member_args[NIC_MEMBERS_MAX][128]; /* devargs of a bond's members */
};

/* What holds where there is no profile: NIC_RSS_ALL and the device's own values. */
extern const struct nic_profile nic_profile_default;

struct nic {
	uint16_t id;     /* index among the opened nics; mbuf.port carries it after nic_rx() */
	uint16_t ethdev; /* DPDK's number */
	uint16_t rxqs, txqs;
	uint16_t mtu;
	uint16_t rx_offloads, tx_offloads;
	uint16_t burst; /* packets a receive call, at most */
	uint16_t rss;   /* NIC_RSS_*: what the device's hash covers, 0 without RSS */
	uint8_t hash;   /* enum nic_hash: set, read back, and one queue for each that was wanted */
	char hash_why[64]; /* what keeps it from being as asked for */
	int socket;        /* NUMA node, or -1 */
	struct rte_ether_addr mac;
	char device[128]; /* as configured: "af_packet:lb-wan" */
	char driver[32];  /* "net_af_packet" */
	char iface[16];   /* kernel interface behind it, "" if none */
	int ifindex;      /* of iface when the nic was opened */
	bool link_real;   /* the driver reports link changes itself */
	bool foreign;     /* received mbufs carry another number than id, or none */
	bool up;          /* written by nic_poll_link() alone */
	uint32_t link_changes;
	uint64_t speed; /* Mbit/s, 0 when unknown */
	bool lacp; /* a bond that wants a transmit call every 100 ms, with packets or without */
	uint8_t n_members; /* of a bond, else 0 */
	struct nic_member member[NIC_MEMBERS_MAX];
	struct bond *bond; /* bond.c */
};

/* An interface of the kernel beside a port, see net/kernel.h. */
struct kernel_conf {
	const char *interface; /* at most 15 characters */
	bool vhost;            /* by vhost-net, else by TUN/TAP */
	unsigned int port;     /* index in "ports", for the paths of faults */
};

/* What the EAL is to be started with. */
struct eal_plan {
	const char *program;        /* argv[0] */
	const char *const *devices; /* distinct device strings, as configured */
	unsigned int n_devices;
	const struct nic_profile *const *profiles; /* [n_devices]; NULL, or NULL entries: none */
	const struct kernel_conf *kernels;
	unsigned int n_kernels;
	const unsigned int *workers; /* cores; EAL lcores in this order */
	unsigned int n_workers;
	unsigned int control; /* core of the control core: the main lcore */
	const char *lcores;   /* where lcores run, as the EAL's --lcores has it; NULL: each on the
			       * core of its number. For tests, which may have fewer cores. */
	uint64_t memory;      /* bytes planned: packets, flows, tables */
	const char *file_prefix; /* tells instances apart; NULL: "fairlead" */
	char **extra;            /* EAL arguments of the user, after "--" */
	unsigned int n_extra;
};

/*
 * Starts the EAL and makes sure that every device was really probed. On failure adds faults that
 * say what is missing and what to do (core absent or offline, hugepages absent or too few,
 * permission, second instance, interface absent, down or its name too long, NIC still bound to the
 * kernel's driver) and returns -errno. The path of a device's fault is "ports[I].device", with I
 * the device's index in plan.devices; of a core's "workers[I]" or "control".
 */
int eal_start(const struct eal_plan *plan, struct faults *faults);
void eal_stop(void);

/* Memory to have, in MiB: plan.memory and what comes on top of it. */
uint64_t eal_plan_mib(const struct eal_plan *plan);

/* What would keep eal_start() from making the kernel's interfaces, as warnings: for "--check".
 * Those of a fairlead that runs are in order. */
void eal_warn_kernels(const struct kernel_conf *k, unsigned int n, struct faults *faults);

/* What a device string needs of the EAL: the -a or --vdev argument ("net_af_packet0,iface=x,...")
 * for "af_packet:IFACE", "af_xdp:IFACE", "tap:NAME", "memif:PATH[,role=server]", "ring:NAME",
 * "pcap:IN[,OUT]", "bond:MODE,DEVICE,DEVICE", a PCI address, or any vdev string as it is. index
 * makes the vdev's name unique. Pure: no EAL needed. 0, or -EINVAL with text saying what is wrong
 * and what would be right. */
struct device_spec {
	bool pci;
	char arg[256];   /* after -a or --vdev= */
	char name[64];   /* how the EAL calls it */
	char driver[32]; /* "net_af_packet"; "" for PCI */
	char iface[64];  /* kernel interface, or "" */
};
int device_parse(const char *device, unsigned int index, struct device_spec *out, char *err,
	size_t err_size);

/* The members of "bond:MODE,DEVICE,DEVICE...": how many (0: no bond), the k-th as it is written,
 * and the index that device_parse() wants for it. */
unsigned int device_member_count(const char *device);
void device_member(const char *device, unsigned int k, char *out, size_t size);
unsigned int device_member_index(unsigned int index, unsigned int k);

/* After eal_start(): the driver that took the device. 0, or -ENODEV. */
int nic_device_driver(const char *device, unsigned int index, char *driver, size_t size);

/*
 * How a nic is opened; zero means the profile's or the driver's value. A device that is there
 * already (rte_eth_from_rings("x") makes "net_ring_x") is named by its vdev name.
 */
struct nic_conf {
	uint16_t id;
	const char *device;
	unsigned int device_index;         /* in eal_plan.devices */
	const struct nic_profile *profile; /* of its driver; NULL: nic_profile_default */
	uint16_t want_rxqs;                /* workers that would poll it */
	uint16_t want_txqs;                /* workers + 1 for the control core */
	enum nic_hash hash;                /* NIC_HASH_NONE: nobody relies on it */
	uint16_t mtu;
	uint16_t rx_descriptors, tx_descriptors;
	const int *
		worker_sockets; /* NUMA node of each worker, or -1: a warning where it is another */
	unsigned int n_worker_sockets;
};

/* Configures and starts the device: promiscuous off, all-multicast on (ND, VRRP). pool: where
 * received packets go, on the nic's socket. Fewer queues than wanted are no error. NULL with a
 * fault added. */
struct nic *nic_open(const struct nic_conf *conf, struct rte_mempool *pool, struct faults *faults);
void nic_close(struct nic *nic);

/* After eal_start(): what a device's hash can cover so that it steers packets to so many queues:
 * bits 1 << enum nic_hash. 0: nothing, and why says what is missing. */
unsigned int nic_device_hashes(const char *device, unsigned int device_index,
	const struct nic_profile *profile, uint16_t rxqs, char *why, size_t size);

/* The NUMA node of a device before it is opened, -1 if unknown. */
int nic_device_socket(const char *device, unsigned int device_index);

/* One receive or transmit burst. queue is owned by the calling worker. nic_rx() sets mbuf.port to
 * nic->id. Who asks for NIC_TX_L4_CKSUM has put the sum of the pseudo-header into the checksum and
 * set l2_len, l3_len and the flags of RTE_MBUF_F_TX_* already. nic_tx() returns how many were
 * taken, from the front. */
uint16_t nic_rx(struct nic *nic, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);
uint16_t nic_tx(struct nic *nic, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n);

/* Reads the link of every nic: from the driver where it reports it, else the carrier of the kernel
 * interface by netlink. changed[i] is set for those that came up or went down. Control core.
 * w: from link_watch_open(), called after the last nic_open(); its descriptor wakes the event loop.
 * Drivers that report for themselves are asked at each call: call it once a second too. */
struct link_watch;
struct link_watch *link_watch_open(void);
int link_watch_fd(const struct link_watch *w);
void link_watch_close(struct link_watch *w);
unsigned int nic_poll_link(struct link_watch *w, struct nic **nics, unsigned int n, bool *changed);

/* The driver's own counters, for "port show": missed and failed packets. */
struct nic_stats {
	uint64_t rx_missed, rx_errors, rx_nombuf, tx_errors;
};
int nic_stats_read(const struct nic *nic, struct nic_stats *out);

#endif

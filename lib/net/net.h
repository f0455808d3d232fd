/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layer 3 of the balancer: its ports, addresses and routes (immutable, part of the snapshot), the
 * neighbours (written by the control core, read by all), and what each worker keeps for sending.
 *
 *   net_conf --net_table_build()--> struct net_table   read by every stage, never written
 *   struct neigh_table                                 one for the process; neigh.c
 *   struct net_worker                                  one a worker, and one for the control core
 *
 * A packet leaves in two steps. A forwarding mode asks net_resolve() for the adjacency toward an
 * address (route, then neighbour) once a flow and keeps its number; net_output() writes the link
 * header of the adjacency and queues the packet on a nic. Packets to a neighbour that is not known
 * yet wait in the worker's hold queue (hold.c), bounded, while the control core asks.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf_dyn.h>
#include <rte_ring.h>

#include "base/addr.h"
#include "base/counter.h"
#include "base/drop.h"
#include "base/fault.h"
#include "base/hash.h"
#include "net/pkt.h"
#include "net/port.h"

#define NET_PORTS_MAX   64
#define NET_NAME_MAX    32
#define NET_PORT_NONE   0xff

#define NET_KERNEL_NAME 16 /* an interface's name in the kernel, with its 0 */

/* ---- configuration, as ctl/config.c fills it ------------------------------------------------ */

struct port_conf {
	char name[NET_NAME_MAX];
	uint8_t nic;   /* index into the opened nics */
	uint16_t vlan; /* 0: untagged */
	uint16_t mtu;  /* 0: the nic's */
	struct rte_ether_addr mac;
	const struct prefix *addresses; /* with host bits: 192.0.2.1/24 */
	unsigned int n_addresses;
	const struct addr *gateways; /* default routes through this port, at most one a family */
	unsigned int n_gateways;
	char kernel[NET_KERNEL_NAME]; /* interface of the kernel's share; "": it has none */
	uint32_t kernel_rate;         /* packets a second to the kernel */
};

struct route_conf {
	struct prefix to;
	struct addr via; /* zero: on-link */
	uint8_t port;    /* NET_PORT_NONE: the one whose network holds via */
};

/* A whole network of virtual addresses: low host_bits of addr are free, and 0 in it. */
struct network_conf {
	struct addr addr;
	uint8_t host_bits;
};

struct net_conf {
	const struct port_conf *ports;
	unsigned int n_ports;
	const struct route_conf *routes;
	unsigned int n_routes;
	const struct addr *virtuals; /* virtual addresses */
	unsigned int n_virtuals;
	const struct network_conf *networks; /* virtual ones */
	unsigned int n_networks;
	/* Virtual addresses (host_bits 0) and networks whose packets are steered by the client's
	 * end: see PKT_CLIENT. */
	const struct network_conf *by_client;
	unsigned int n_by_client;
	const struct addr *sources; /* addresses to speak to servers from, a port's or not */
	unsigned int n_sources;
	const struct addr
		*mapped; /* addresses that we answer for and that stand for a server each */
	unsigned int n_mapped;
	bool gateway; /* packets to none of our addresses may be forwarded */
};

/* Finds what is wrong with it: needs no EAL. Adds faults with paths "ports[I]..." and
 * "routes[I]..."; whether there was none that is an error. net_table_build() calls it too. */
bool net_conf_check(const struct net_conf *conf, struct faults *faults);

/* ---- the immutable table -------------------------------------------------------------------- */

struct port {
	uint8_t id, nic;
	uint16_t vlan, mtu; /* mtu 0: the nic's; see net_mtu() */
	struct rte_ether_addr mac;
	char name[NET_NAME_MAX];
	unsigned int n_addresses;
	const struct prefix *addresses;
	struct addr link_local;       /* fe80::/64 and the MAC's EUI-64: every port has it */
	char kernel[NET_KERNEL_NAME]; /* see port_conf */
	uint32_t kernel_rate;
};

/* LOCAL_PORT: a port's, or a source that is no port's. LOCAL_MAPPED: one that stands for a server.
 */
enum local_kind { LOCAL_NONE, LOCAL_PORT, LOCAL_VIRTUAL, LOCAL_MAPPED = 4 };

/* An address of ours, in an open-addressing table that is at most an eighth full: most addresses
 * are not ours, and one look is to tell. */
struct local_addr {
	struct addr addr;
	uint64_t ports; /* bit of each port on which requests for it are answered */
	uint8_t kind;   /* enum local_kind; LOCAL_NONE: free */
	uint8_t port;   /* the one that has it, or NET_PORT_NONE */
	/* PKT_* of packets to it. PKT_CLIENT: answers to a client that have passed a server do not
	 * bear the address or a port of ours, so that only the client's end tells whose both
	 * directions are. */
	uint8_t flags;
	uint8_t host_bits; /* of a network: how many low bits are free; 0: one address */
	uint8_t pad_[4];
};

/* What net_output() writes for a port; see link_header() in net_priv.h. */
struct net_link {
	uint64_t tail[2]; /* by family (IPv4, IPv6): source MAC and type, as on the wire */
	uint32_t tag[2];  /* likewise: VLAN and type */
	uint16_t vlan, mtu;
	uint8_t nic;
	uint8_t pad_[3];
};

/* Where a destination is reached: through a port, by way of a gateway or (zero) on-link. */
struct route_hop {
	struct addr via;
	uint8_t port;
};

/* table.c; the fields are here for the inline functions below alone. */
struct net_table {
	const uint8_t *port_of; /* [nic * 4096 + VLAN] */
	const struct local_addr *local;
	uint32_t local_mask;
	uint32_t n_nics;
	uint64_t kernel;                     /* bit of each port whose kernel has a share */
	const struct net_networks *networks; /* NULL: none */
	bool gateway;                        /* as in net_conf */
	struct net_link link[NET_PORTS_MAX]; /* by port */
	struct net_table_rest *rest;
};

/* Builds a table. When nothing differs from previous (which may be NULL), returns previous itself
 * with one more reference: each table returned is freed once. Control core. NULL with faults added.
 */
struct net_table *net_table_build(
	const struct net_conf *conf, const struct net_table *previous, struct faults *faults);
void net_table_free(struct net_table *t);

const struct port *net_port(const struct net_table *t, uint8_t id); /* id < net_port_count() */
unsigned int net_port_count(const struct net_table *t);

/* The port of frames of a nic with this VLAN (0: untagged), or NET_PORT_NONE. Constant time. */
static inline uint8_t net_port_of(const struct net_table *t, uint16_t nic, uint16_t vlan)
{
	if (nic >= t->n_nics)
		return NET_PORT_NONE;
	return t->port_of[(uint32_t)nic << 12 | (vlan & 0xfff)];
}

/* The low bits choose the place. Neighbouring addresses differ in the last byte, the top one of
 * q[1], which only the upper half of a product brings down. The administrator chooses the keys: no
 * secret is needed. */
static inline uint32_t net_local_hash(const struct addr *a)
{
	return (uint32_t)hash_fold(a->q[0] ^ 0x9e3779b97f4a7c15u, a->q[1] ^ 0xd6e8feb86659fd93u);
}

/* The entry of the smallest virtual network that holds the address, or NULL; there are networks. By
 * value: who looks an address up has it in registers, and this must not cost it its place there. */
const struct local_addr *net_network_find(const struct net_table *t, struct addr a);

/* The entry of an address of ours, or that of its network, or NULL. Constant time; packet path. */
static inline const struct local_addr *net_local_find(
	const struct net_table *t, const struct addr *a)
{
	for (uint32_t i = net_local_hash(a);; i++) {
		const struct local_addr *l = &t->local[i & t->local_mask];

		if (l->kind == LOCAL_NONE)
			return unlikely(t->networks != NULL) ? net_network_find(t, *a) : NULL;
		if (addr_equal(&l->addr, a))
			return l;
	}
}

/* Whether an address is ours, and how. A virtual address that is also a port's is LOCAL_VIRTUAL.
 * port (if not NULL) gets the port that has it, else NET_PORT_NONE; for the link-local address that
 * ports with one MAC share, the first of them. */
static inline enum local_kind net_local(
	const struct net_table *t, const struct addr *a, uint8_t *port)
{
	const struct local_addr *l = net_local_find(t, a);

	if (port)
		*port = l ? l->port : NET_PORT_NONE;
	return l ? (enum local_kind)l->kind : LOCAL_NONE;
}

/* Whether ARP or ND for the address is answered on this port: it is the port's, or it is virtual
 * or a source and its network is there or on no port at all. */
bool net_answers(const struct net_table *t, const struct addr *a, uint8_t port);

/* Longest match. false: no route. */
bool net_route(const struct net_table *t, const struct addr *dst, struct route_hop *out);

/* The port's own address to speak to peer from: one whose network holds peer (a link-local one for
 * link-local peers), else the first of the family; NULL if there is none. */
const struct addr *net_source(const struct port *p, const struct addr *peer);

/* Routes in configuration order, connected ones first, for "route list". n: in: room, out: how many
 * there are. */
struct route_info {
	struct prefix to;
	struct route_hop hop;
	bool connected;
};
void net_route_list(const struct net_table *t, struct route_info *out, unsigned int *n);

/* Each address of ours that is no port's (virtual ones, sources, mapped ones) once, for gratuitous
 * ARP. */
unsigned int net_further_count(const struct net_table *t);
const struct addr *net_further(const struct net_table *t, unsigned int i);

/* Why no host may have the address ("a multicast address"), or NULL. */
const char *net_addr_unusable(const struct addr *a);

/* Whether a is in a network of the port, or link-local: a neighbour there, not behind a gateway. */
bool net_on_link(const struct port *p, const struct addr *a);

/* ---- neighbours ----------------------------------------------------------------------------- */

/*
 * An adjacency is a small number that names a neighbour on a port. Its word holds all that sending
 * needs and is replaced in one store, so that a reader never sees half a MAC address. The control
 * core alone writes. Numbers may be cached (flows do) together with neigh_epoch(): when the epoch
 * has moved on, ask net_resolve() again, for numbers may have been given to other neighbours.
 */
#define ADJ_NONE UINT16_MAX

enum adj_state {
	ADJ_FREE,
	ADJ_INCOMPLETE, /* asked, no answer yet */
	ADJ_REACHABLE,
	ADJ_STALE,  /* answered before; in use while it is asked again */
	ADJ_FAILED, /* did not answer; packets are dropped until it is asked again */
};

/* Word: bytes 0 to 5 the MAC in memory order, byte 6 the port, byte 7 the state. */
static inline enum adj_state adj_word_state(uint64_t word)
{
	return (enum adj_state)(word >> 56);
}

static inline uint8_t adj_word_port(uint64_t word)
{
	return (uint8_t)(word >> 48);
}

struct neigh_table;
struct rcu;

struct neigh_conf {
	unsigned int max;       /* neighbours, at most 65,534 */
	unsigned int workers;   /* net_workers, the control core's included */
	unsigned int hold_max;  /* packets waiting in one worker */
	unsigned int hold_each; /* of them for one neighbour */
	uint32_t retry_ms;      /* between questions */
	unsigned int retries;   /* before it counts as failed */
	uint32_t reachable_ms;  /* asked again (unicast first) after this long in use */
};
/* What neigh_conf has by default: 16384, -, 4096, 64, 1000 ms, 3, 30 s. */
extern const struct neigh_conf neigh_defaults;

struct neigh_table *neigh_create(const struct neigh_conf *conf, struct rcu *rcu);
void neigh_destroy(struct neigh_table *n);

uint32_t neigh_epoch(const struct neigh_table *n);
uint64_t neigh_word(const struct neigh_table *n, uint16_t adj);

/* Any core: the adjacency of an address on a port, ADJ_NONE if there is none. Lock-free. */
uint16_t neigh_find(const struct neigh_table *n, uint8_t port, const struct addr *a);

/* Control core. neigh_poll() sends what is due (questions, retries, gratuitous announcements) and
 * collects what nobody uses; call it at least every 100 ms. neigh_input() takes a punted ARP or ND
 * frame; it frees the mbuf. neigh_need(): a worker or the control core wants this neighbour. */
struct net_worker;
void neigh_poll(struct neigh_table *n, struct net_worker *control, uint32_t now_ms);
void neigh_input(struct neigh_table *n, struct net_worker *control, struct rte_mbuf *m);
void neigh_need(
	struct neigh_table *n, struct net_worker *control, uint8_t port, const struct addr *a);
/* Announces every virtual and port address of the port (gratuitous ARP, unsolicited NA), three
 * times a second apart: at start, when the link comes up, when addresses were added. */
void neigh_announce(struct neigh_table *n, uint8_t port);
/* The table of ports and addresses changed (control->table is the new one, just published): forgets
 * neighbours on ports or networks that are gone. */
void neigh_table_changed(struct neigh_table *n, struct net_worker *control);

struct neigh_info {
	struct addr addr;
	uint8_t port;
	enum adj_state state;
	struct rte_ether_addr mac;
	uint32_t age_ms;  /* since the last answer; UINT32_MAX: never */
	uint32_t used_ms; /* since a packet last went there; UINT32_MAX: never */
};
/* Neighbours from *cursor on, at most max; returns how many, *cursor moves, 0 at the end. */
/* Entries in use, and how many there may be. Control core. */
void neigh_used(const struct neigh_table *n, uint64_t *used, uint64_t *max);
unsigned int neigh_list(
	const struct neigh_table *n, uint32_t *cursor, struct neigh_info *out, unsigned int max);

/* ---- what a worker needs to send ------------------------------------------------------------ */

/* Frames, with their link header and without FCS. tx: queued; what the nic had no room for counts
 * here and as a drop. */
struct port_counters {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

/* Packets for one nic, not yet given to it; the first ones were offered once without success. */
struct tx_buffer {
	uint16_t n, tried;
	struct rte_mbuf *mbuf[BURST_MAX];
};

/* What ICMP was sent lately: leaks away with time, none at first. */
struct icmp_limit {
	uint32_t stamp; /* now_ms of the last leak */
	uint16_t echoes, errors;
};

/* A rate: packets that may pass now, in thousandths; none at first. */
struct net_bucket {
	uint32_t tokens, stamp; /* stamp: now_ms of the last refill */
};

/* Datagrams and fragments: of what arrived in pieces, and of what left so. */
struct frag_counters {
	uint64_t fragments_in, datagrams_in;   /* received; made whole */
	uint64_t fragments_out, datagrams_out; /* sent; cut up for it */
};

/* PKT_SPLIT and pkt.split where there is an mbuf alone: a flag in ol_flags, and where the length
 * stands in the mbuf (uint16_t). Registered with DPDK, the same for all workers. */
struct split_mark {
	uint64_t flag;
	int at;
};

struct hold;  /* hold.c */
struct ident; /* split.c */
struct frags; /* frag.c */

/*
 * One for each worker and one, the last, for the control core. Fields are for lib/net and, where
 * marked, for the worker; everything is written by its owner alone.
 */
struct net_worker {
	const struct net_table *table; /* set by the worker at each burst from the snapshot */
	uint32_t now_ms;               /* set by the worker at each poll */
	uint32_t epoch;                /* neigh_epoch() of this burst, set by the worker */
	uint16_t fits;                 /* IP datagrams up to this length leave through any port as
					* they are: set with table, or 0 */
	uint16_t id;
	uint16_t n_workers; /* net_workers there are, the control core's included */
	uint16_t n_nics;
	struct nic **nics;
	struct neigh_table *neigh;
	struct hold *hold;
	uint32_t held;            /* packets in it */
	uint32_t *adj_used;       /* by adjacency: now_ms of the last packet; read by neigh.c */
	struct rte_mempool *pool; /* for packets of our own making */
	struct rte_ring *punt;    /* to the control core: packets (worker: single producer) */
	struct rte_ring **tx_in;  /* [sender]: packets of others to send on a queue of ours */
	struct rte_ring **tx_out; /* [owner]: packets of ours whose queue another one owns */
	uint32_t punt_tokens, punt_stamp; /* rate limit of punts */
	struct rte_ring *kernel; /* to the control core: packets for the kernel (single producer) */
	struct net_bucket kernel_rate[NET_PORTS_MAX];
	struct icmp_limit icmp;
	struct split_mark split;
	struct ident *ident; /* identifications of datagrams that we cut up */
	struct frag_counters frag;
	struct frags *frags; /* set by the worker; the control core has none */
	uint32_t slow_nics;  /* bit of each nic that wants a transmit call at times (nic.lacp) */
	uint32_t slow_ms;    /* now_ms of the last ones */
	struct tx_buffer tx[NIC_MAX];
	struct port_counters port[NET_PORTS_MAX];
	uint64_t drop[DROP_MAX];
};

/* Makes n workers' worth (the last is the control core's) with the rings among them, on the NUMA
 * nodes given (sockets[i], or NULL). Returns an array of n pointers, NULL with errno. */
struct net_worker **net_workers_create(unsigned int n, struct nic **nics, unsigned int n_nics,
	struct neigh_table *neigh, const struct neigh_conf *conf, struct rte_mempool **pools,
	const int *sockets);
void net_workers_destroy(struct net_worker **w, unsigned int n);

/* The largest IP datagram that can leave through a port. */
static inline uint16_t net_mtu(const struct net_worker *w, uint8_t port)
{
	const struct net_link *link = &w->table->link[port];

	return link->mtu ? link->mtu : w->nics[link->nic]->mtu;
}

/* Packets that wait for neighbours, and how many may. Any core. */
void net_held(const struct net_worker *w, uint64_t *used, uint64_t *max);

/* Frees the packet and counts it. */
void net_drop(struct net_worker *w, struct rte_mbuf *m, enum drop_reason reason);

/* Gives the packet to the control core, within the rate limit. Always takes it. */
void net_punt(struct net_worker *w, struct rte_mbuf *m);

/* Takes one packet's worth from a bucket that is filled with rate packets a second, and holds
 * those of a tenth of one. false: there is none. */
bool net_bucket_take(struct net_bucket *b, uint32_t rate, uint32_t now_ms);

/* Whether an address is one of a port that the kernel has a share of, and so the kernel's too. */
bool net_kernel_has(const struct net_table *t, const struct addr *a);

/* Whether the kernel is to have a packet for an address of a port that nobody here wants: both the
 * port it came in on and the one that has the address share with it. Not on the straight path. */
bool net_kernel_wants(const struct net_table *t, const struct pkt *p);

/* Gives a PKT_KERNEL packet to the control core for the kernel (net/kernel.h), within its port's
 * rate. Always takes it. */
void net_kernel(struct net_worker *w, struct pkt *p);

/*
 * The adjacency toward dst, for a packet whose IP header is at p->l3 and final. Returns it when it
 * can be sent to at once. Otherwise returns ADJ_NONE and has dealt with the packet: it waits in the
 * hold queue (PKT_TAKEN) or is a drop with a reason.
 */
uint16_t net_resolve(struct net_worker *w, struct pkt *p, const struct addr *dst);

/* Drops a packet that does not fit the MTU of where it goes to, and tells its sender where that
 * helps. To be called before the packet is rewritten. */
void net_too_big(struct net_worker *w, struct pkt *p, uint16_t mtu);

/* Sends every PKT_SEND packet of the burst by its p->adj: decides what to do when the adjacency's
 * state or the MTU does not allow it (hold, drop, ICMP too big), writes the link header, queues,
 * counts. Returns how many there were: they are PKT_TAKEN. */
unsigned int net_output(struct net_worker *w, struct burst *b);

/* One packet of our own, IP header at offset l3_off of its data: to dst, resolved and sent or held.
 */
void net_send(struct net_worker *w, struct rte_mbuf *m, uint16_t l3_off, const struct addr *dst);

/*
 * The same for a packet that begins at its data, whose sender keeps the adjacency: *adj is what the
 * last call toward dst in this epoch (net_worker.epoch) left there, ADJ_NONE at first.
 */
void net_send_by(struct net_worker *w, struct rte_mbuf *m, const struct addr *dst, uint16_t *adj);

/* One frame of our own, link header (without VLAN tag) written: out of a port. */
void net_send_frame(struct net_worker *w, struct rte_mbuf *m, uint8_t port);

/* Gives the buffers to the nics or to the owners' rings, sends what others put into ours, looks
 * after the hold queue. Once a poll; returns how many packets it moved. */
unsigned int net_flush(struct net_worker *w);

/* ---- fragments on the way out: split.c ------------------------------------------------------ */

/*
 * net_output() and net_send() cut up what is longer than the link's MTU where it may be: IPv4
 * without "don't fragment", and PKT_SPLIT. What a packet says of it (PKT_SPLIT, pkt.split) goes
 * with the mbuf through hold queues and to other workers.
 *
 * A reassembled datagram is PKT_SPLIT, and pkt.split is the length of the longest fragment that
 * came: none that leaves is longer, for its sender may know of a smaller MTU on the way.
 */

/* An identification for a datagram of the addresses in the IP header at l3: not to be guessed and
 * long not repeated (RFC 7739 5.3); IPv4 takes the low half. */
uint32_t net_ident(struct net_worker *w, const uint8_t *l3);

/* ---- ICMP ----------------------------------------------------------------------------------- */

/* Answers the echo requests among the burst's PKT_ICMP packets (they become PKT_SEND or are taken),
 * within the rate limit, drops the rest. */
void icmp_input(struct net_worker *w, struct burst *b);

/*
 * An ICMP error about p to its sender (RFC 1122 3.2.2, RFC 4443 2.4: never about errors,
 * broadcasts, fragments or unspecified sources, nor to ourselves; rate-limited). It comes from p's
 * destination if that is ours, else from the port that p came in on. p stays with the caller; its
 * addresses must be those it arrived with, for they are quoted. mtu: with ICMP_ERR_TOO_BIG.
 */
enum icmp_err { ICMP_ERR_TOO_BIG, ICMP_ERR_TTL, ICMP_ERR_PORT, ICMP_ERR_HOST, ICMP_ERR_REASSEMBLY };
void icmp_error(struct net_worker *w, const struct pkt *p, enum icmp_err what, uint16_t mtu);

#endif

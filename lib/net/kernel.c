/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets between the ports and the kernel, see kernel.h. Each interface is a device of DPDK
 * (net_tap, or net_virtio_user with vhost-net behind it) with one queue each way.
 */
#include "kernel.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_arp.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ip.h>

#include "base/log.h"
#include "kernel_priv.h"
#include "net_priv.h"
#include "port_priv.h"

#define DESCRIPTORS 128 /* net_tap holds as many packets ready */
#define TAKE_MAX    64  /* packets of one worker at a time */
#define POLL_BURSTS 4   /* bursts of one interface at a time */
#define HUSHED_MAX  (NIC_MAX * NIC_MEMBERS_MAX)

#define ND_ADVERT   136

struct share {
	struct kernel_link link;
	uint16_t ethdev;
	int fd;       /* readable when the kernel has sent; -1: none */
	bool tap;     /* fd is the TAP's own, else an eventfd */
	bool carrier; /* as we told the kernel last */
	uint8_t port; /* NET_PORT_NONE: no port has it now */
	uint16_t mtu;
	struct net_bucket rate;
	struct kernel_counters counters;
};

struct kernel {
	const struct net_table *table; /* of the last kernel_sync() */
	struct nic **nics;
	unsigned int n_nics;
	int netlink;
	struct kernel_hush hush[HUSHED_MAX];
	struct share *of_port[NET_PORTS_MAX];
	unsigned int n;
	struct share share[];
};

/* ---- opening -------------------------------------------------------------------------------- */

static int share_queues(struct share *s, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = { .intr_conf = { .rxq = 1 } };
	struct rte_eth_dev_info info;
	uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS;
	int rc = rte_eth_dev_info_get(s->ethdev, &info);

	if (rc)
		return rc;
	/* Datagrams that were put together have several segments. */
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	rc = rte_eth_dev_configure(s->ethdev, 1, 1, &conf);
	if (rc)
		return rc;
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(s->ethdev, &rx, &tx);
	if (rc == 0)
		rc = rte_eth_rx_queue_setup(
			s->ethdev, 0, rx, (unsigned int)SOCKET_ID_ANY, NULL, pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(s->ethdev, 0, tx, (unsigned int)SOCKET_ID_ANY, NULL);
	return rc ? rc : rte_eth_dev_start(s->ethdev);
}

static int share_open(
	struct share *s, const struct kernel_conf *conf, unsigned int i, struct rte_mempool *pool)
{
	struct device_spec spec;
	int rc;

	kernel_device(conf, i, &spec);
	snprintf(s->link.name, sizeof(s->link.name), "%s", conf->interface);
	s->port = NET_PORT_NONE;
	s->carrier = true;
	s->tap = !strcmp(spec.driver, "net_tap");
	rc = rte_eth_dev_get_port_by_name(spec.name, &s->ethdev);
	if (rc)
		return rc;
	rc = share_queues(s, pool);
	if (rc)
		return rc;
	s->link.index = (int)if_nametoindex(s->link.name);
	if (s->link.index == 0)
		return -errno;
	s->fd = rte_eth_dev_rx_intr_ctl_q_get_fd(s->ethdev, 0);
	if (s->fd >= 0)
		rte_eth_dev_rx_intr_enable(s->ethdev, 0);
	return 0;
}

struct kernel *kernel_open(const struct kernel_conf *conf, unsigned int n, struct nic **nics,
	unsigned int n_nics, struct rte_mempool *pool, struct faults *faults)
{
	struct kernel *k = calloc(1, sizeof(*k) + n * sizeof(k->share[0]));
	char path[32];
	int rc = -ENOMEM;

	if (!k)
		goto fail;
	k->nics = nics;
	k->n_nics = n_nics;
	k->netlink = rc = kernel_netlink();
	if (rc < 0)
		goto fail;
	for (; k->n < n; k->n++) {
		rc = share_open(&k->share[k->n], &conf[k->n], k->n, pool);
		if (rc)
			goto fail;
	}
	return k;
fail:
	snprintf(path, sizeof(path), "ports[%u].kernel", conf[k ? k->n : 0].port);
	fault_add(faults, path, "interface %s does not open: %s", conf[k ? k->n : 0].interface,
		strerror(-rc));
	kernel_close(k);
	errno = -rc;
	return NULL;
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	for (unsigned int i = 0; i < k->n; i++) {
		rte_eth_dev_stop(k->share[i].ethdev);
		rte_eth_dev_close(k->share[i].ethdev);
		free(k->share[i].link.addresses);
	}
	for (unsigned int i = 0; i < HUSHED_MAX; i++)
		kernel_hear(&k->hush[i]);
	if (k->netlink >= 0)
		close(k->netlink);
	free(k);
}

bool kernel_has(const struct kernel *k, const char *interface)
{
	for (unsigned int i = 0; k && i < k->n; i++)
		if (!strcmp(k->share[i].link.name, interface))
			return true;
	return false;
}

unsigned int kernel_count(const struct kernel *k)
{
	return k ? k->n : 0;
}

int kernel_fd(const struct kernel *k, unsigned int i)
{
	return k->share[i].fd;
}

bool kernel_counters_read(const struct kernel *k, uint8_t port, struct kernel_counters *out)
{
	if (!k || port >= NET_PORTS_MAX || !k->of_port[port])
		return false;
	*out = k->of_port[port]->counters;
	return true;
}

/* ---- being what the port is ----------------------------------------------------------------- */

/* The port's addresses but for virtual ones, and its link-local one. Returns how many. */
static unsigned int share_addresses(
	const struct net_table *t, const struct port *p, struct prefix *out)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->n_addresses; i++)
		if (net_local(t, &p->addresses[i].addr, NULL) == LOCAL_PORT)
			out[n++] = p->addresses[i];
	out[n++] = (struct prefix){ .addr = p->link_local, .len = 64 };
	return n;
}

/* The driver's own limit bounds what it takes: net_tap's are frames of 1522 bytes. */
static uint16_t share_mtu(const struct share *s, uint16_t want)
{
	if (rte_eth_dev_set_mtu(s->ethdev, want) == 0)
		return want;
	return rte_eth_dev_set_mtu(s->ethdev, RTE_ETHER_MTU) ? want : RTE_ETHER_MTU;
}

static void hush(struct kernel *k, const char *interface)
{
	unsigned int i = 0;

	while (i < HUSHED_MAX && k->hush[i].name[0] && strcmp(k->hush[i].name, interface) != 0)
		i++;
	if (i < HUSHED_MAX)
		kernel_hush(&k->hush[i], interface);
}

static void share_sync(struct kernel *k, struct share *s, const struct port *p)
{
	const struct nic *nic = k->nics[p->nic];
	struct prefix *addresses = calloc(p->n_addresses + 1u, sizeof(*addresses));

	if (!addresses) {
		log_error("%s: out of memory", s->link.name);
		return;
	}
	s->port = p->id;
	k->of_port[p->id] = s;
	if (nic->iface[0])
		hush(k, nic->iface);
	for (unsigned int i = 0; i < nic->n_members; i++)
		if (nic->member[i].iface[0])
			hush(k, nic->member[i].iface);
	s->mtu = share_mtu(s, p->mtu ? p->mtu : nic->mtu);
	kernel_link_set(&s->link, k->netlink, &p->mac, s->mtu, addresses,
		share_addresses(k->table, p, addresses));
	free(addresses);
}

void kernel_sync(struct kernel *k, const struct net_table *t)
{
	k->table = t;
	memset(k->of_port, 0, sizeof(k->of_port));
	for (unsigned int i = 0; i < k->n; i++) {
		struct share *s = &k->share[i];
		const struct port *p = NULL;

		for (unsigned int j = 0; j < net_port_count(t) && !p; j++)
			if (!strcmp(net_port(t, (uint8_t)j)->kernel, s->link.name))
				p = net_port(t, (uint8_t)j);
		s->port = NET_PORT_NONE;
		if (p && p->nic < k->n_nics)
			share_sync(k, s, p);
		else
			kernel_link_clear(&s->link, k->netlink);
	}
}

/* The kernel's routes, and BIRD, follow the link. */
static void share_carrier(struct share *s, bool up)
{
	int on = up;

	if (s->carrier == up)
		return;
	s->carrier = up;
	if (s->tap && s->fd >= 0 && ioctl(s->fd, TUNSETCARRIER, &on) < 0)
		log_debug("%s: carrier: %s", s->link.name, strerror(errno));
}

/* ---- to the kernel -------------------------------------------------------------------------- */

/* The share of the port that a frame came in on, or NULL. */
static struct share *share_of(const struct kernel *k, const struct rte_mbuf *m)
{
	const bool tagged = m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED;
	uint8_t port = net_port_of(k->table, m->port, tagged ? m->vlan_tci & 0xfff : 0);

	return port < NET_PORTS_MAX ? k->of_port[port] : NULL;
}

static bool share_give(struct share *s, struct rte_mbuf *m)
{
	const uint32_t len = m->pkt_len;

	if (rte_eth_tx_burst(s->ethdev, 0, &m, 1) != 1) {
		s->counters.to_dropped++;
		return false;
	}
	s->counters.to_packets++;
	s->counters.to_bytes += len;
	return true;
}

/* How long the datagram of a frame is, without what stands behind it; 0: there is none. Workers
 * have parsed it, so it is all there. */
static uint16_t frame_datagram(const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const uint8_t *l3 = (const uint8_t *)(eth + 1);

	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4))
		return rte_be_to_cpu_16(((const struct rte_ipv4_hdr *)l3)->total_length);
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6))
		return (uint16_t)(sizeof(struct rte_ipv6_hdr) +
				  rte_be_to_cpu_16(((const struct rte_ipv6_hdr *)l3)->payload_len));
	return 0;
}

struct fit {
	struct rte_ether_hdr eth;
	void (*give)(void *to, struct rte_mbuf *m);
	void *to;
};

static void fit_piece(void *to, struct rte_mbuf *piece)
{
	const struct fit *f = to;

	memcpy(rte_pktmbuf_prepend(piece, sizeof(f->eth)), &f->eth, sizeof(f->eth));
	f->give(f->to, piece);
}

void kernel_fit(struct net_worker *control, struct rte_mbuf *m, uint16_t mtu,
	void (*give)(void *to, struct rte_mbuf *m), void *to)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const uint16_t len = frame_datagram(m);
	struct fit f = { .eth = *eth, .give = give, .to = to };

	if (len <= mtu)
		give(to, m);
	else
		split_each(control, m, (const uint8_t *)(eth + 1), len, mtu, fit_piece, &f);
}

struct taker {
	struct share *share;
	struct net_worker *control;
};

static void taker_give(void *to, struct rte_mbuf *m)
{
	const struct taker *t = to;

	if (!share_give(t->share, m))
		net_drop(t->control, m, DROP_kernel_full);
}

unsigned int kernel_take(struct kernel *k, struct net_worker *control, struct net_worker *w)
{
	struct rte_mbuf *m[TAKE_MAX];
	unsigned int n = rte_ring_sc_dequeue_burst(w->kernel, (void **)m, TAKE_MAX, NULL);

	for (unsigned int i = 0; i < n; i++) {
		struct share *s = share_of(k, m[i]);

		if (!s) {
			net_drop(control, m[i], DROP_not_for_us);
		} else if (!net_bucket_take(&s->rate, net_port(k->table, s->port)->kernel_rate,
				   control->now_ms)) {
			s->counters.to_dropped++;
			net_drop(control, m[i], DROP_kernel_rate);
		} else {
			struct taker t = { .share = s, .control = control };

			kernel_fit(control, m[i], s->mtu, taker_give, &t);
		}
	}
	return n;
}

/* Whether the kernel has a use for what a neighbour says: answers, and word of a change (RFC 5227
 * 3). About addresses of ours it hears nothing: we defend them. */
static bool overhears(const struct net_table *t, const struct neigh_msg *msg)
{
	if (msg->op != NEIGH_ANSWER && !addr_equal(&msg->sender, &msg->target))
		return false;
	return net_local(t, &msg->target, NULL) == LOCAL_NONE;
}

void kernel_overhear(struct kernel *k, struct net_worker *control, struct rte_mbuf *m)
{
	struct share *s = share_of(k, m);
	enum drop_reason reason;
	struct neigh_msg msg;

	if (!s || !neigh_msg_parse(m, &msg, &reason) || !overhears(k->table, &msg))
		return;
	rte_mbuf_refcnt_update(m, 1);
	if (!share_give(s, m))
		rte_mbuf_refcnt_update(m, -1);
}

/* ---- from the kernel ------------------------------------------------------------------------ */

/* An address that the kernel has from us, or none at all. */
static bool speaks_for_itself(const struct net_table *t, const struct addr *a, bool may_be_zero)
{
	const struct addr zero4 = addr_from_v4(0);

	if (addr_is_zero(a) || addr_equal(a, &zero4))
		return may_be_zero;
	return net_kernel_has(t, a);
}

static bool arp_is_own(const struct net_table *t, const struct port *p, const uint8_t *l3)
{
	const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)l3;
	const struct addr sender = addr_from_v4(arp->arp_data.arp_sip);

	return rte_is_same_ether_addr(&arp->arp_data.arp_sha, &p->mac) &&
	       speaks_for_itself(t, &sender, true) &&
	       (addr_v4(&sender) == 0 || net_answers(t, &sender, p->id));
}

static bool ipv6_is_own(const struct net_table *t, const uint8_t *l3, uint32_t len)
{
	const struct addr src = addr_from_v6(l3 + 8);

	if (!speaks_for_itself(t, &src, true))
		return false;
	/* An advertisement is about its target, whoever sends it. */
	if (l3[6] == IPPROTO_ICMPV6 && len >= 64 && l3[40] == ND_ADVERT) {
		const struct addr target = addr_from_v6(l3 + 48);

		return speaks_for_itself(t, &target, false);
	}
	return true;
}

enum drop_reason kernel_check(
	const struct net_table *t, const struct port *p, const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const uint8_t *l3 = (const uint8_t *)(eth + 1);
	const uint32_t len = m->data_len - (uint32_t)RTE_ETHER_HDR_LEN; /* if it has so much */
	struct addr src;
	uint32_t v4;

	if (m->nb_segs != 1 || m->data_len < RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr))
		return DROP_frame_short;
	if (!rte_is_same_ether_addr(&eth->src_addr, &p->mac))
		return DROP_kernel_source;
	switch (rte_be_to_cpu_16(eth->ether_type)) {
	case RTE_ETHER_TYPE_ARP:
		if (len < sizeof(struct rte_arp_hdr))
			return DROP_frame_short;
		return arp_is_own(t, p, l3) ? DROP_none : DROP_kernel_source;
	case RTE_ETHER_TYPE_IPV4:
		memcpy(&v4, l3 + 12, 4);
		src = addr_from_v4(v4);
		return speaks_for_itself(t, &src, false) ? DROP_none : DROP_kernel_source;
	case RTE_ETHER_TYPE_IPV6:
		if (len < sizeof(struct rte_ipv6_hdr))
			return DROP_frame_short;
		return ipv6_is_own(t, l3, len) ? DROP_none : DROP_kernel_source;
	default:
		return DROP_ethertype;
	}
}

static void share_send(
	struct kernel *k, struct net_worker *control, struct share *s, struct rte_mbuf *m)
{
	const struct port *p = net_port(k->table, s->port);
	enum drop_reason reason = kernel_check(k->table, p, m);

	if (reason != DROP_none) {
		s->counters.from_dropped++;
		net_drop(control, m, reason);
		return;
	}
	s->counters.from_packets++;
	s->counters.from_bytes += m->pkt_len;
	net_send_frame(control, m, p->id);
}

static unsigned int share_poll(struct kernel *k, struct net_worker *control, struct share *s)
{
	struct rte_mbuf *m[BURST_MAX];
	unsigned int total = 0;
	uint64_t events;
	uint16_t n;

	if (!s->tap && s->fd >= 0 && read(s->fd, &events, sizeof(events)) < 0)
		events = 0; /* nothing came; polled all the same */
	for (unsigned int i = 0; i < POLL_BURSTS; i++) {
		n = rte_eth_rx_burst(s->ethdev, 0, m, BURST_MAX);
		for (uint16_t j = 0; j < n; j++)
			if (s->port != NET_PORT_NONE)
				share_send(k, control, s, m[j]);
			else
				rte_pktmbuf_free(m[j]);
		total += n;
		if (n < BURST_MAX)
			break;
	}
	return total;
}

unsigned int kernel_poll(struct kernel *k, struct net_worker *control)
{
	unsigned int total = 0;

	for (unsigned int i = 0; i < k->n; i++) {
		struct share *s = &k->share[i];

		if (s->port != NET_PORT_NONE)
			share_carrier(s, k->nics[net_port(k->table, s->port)->nic]->up);
		total += share_poll(k, control, s);
	}
	return total;
}

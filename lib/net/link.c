/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether the link of a nic is up.
 *
 * af_packet and af_xdp of DPDK 22.11 say "up" for ever. Where a kernel interface stands behind the
 * nic we follow the kernel instead, by rtnetlink: IFF_UP and IFF_RUNNING (carrier, and the
 * operational state of RFC 2863 up). The interface is known by its index: one that was deleted, or
 * moved to another namespace, is down, and stays so when a new one takes its name, because the
 * driver's sockets hang on the old one.
 *
 * The socket belongs to the network namespace the process is in when it is opened. After an
 * overrun everything is asked for again.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bond.h"
#include "port_priv.h"

struct link_watch {
	int fd;
	uint32_t seq;
	bool stale;                    /* everything must be asked for again */
	bool dump;                     /* an answer to a request for everything is coming in */
	bool torn;                     /* and is of no use: interfaces changed meanwhile */
	bool seen[NIC_MAX];            /* [position in nics]: in that answer */
	uint32_t seen_member[NIC_MAX]; /* likewise: bits of a bond's members */
	char buf[32768] __attribute__((aligned(8)));
};

/* What nic_poll_link() was called with. */
struct watched {
	struct nic **nics;
	unsigned int n;
	bool *changed;
};

/* Asks for the state of all interfaces; the answer comes with the next reads. */
static int resync(struct link_watch *w)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} req = {
		.h = { .nlmsg_len = sizeof(req),
			.nlmsg_type = RTM_GETLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			.nlmsg_seq = ++w->seq },
		.i = { .ifi_family = AF_UNSPEC },
	};

	memset(w->seen, 0, sizeof(w->seen));
	memset(w->seen_member, 0, sizeof(w->seen_member));
	w->torn = false;
	w->dump = send(w->fd, &req, sizeof(req), 0) >= 0;
	w->stale = !w->dump;
	return w->dump ? 0 : -errno;
}

struct link_watch *link_watch_open(void)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	struct link_watch *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return NULL;
	w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (w->fd < 0)
		goto fail;
	if (bind(w->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		goto fail_fd;
	rc = resync(w);
	if (rc) {
		errno = -rc;
		goto fail_fd;
	}
	return w;
fail_fd:
	rc = errno;
	close(w->fd);
	errno = rc;
fail:
	free(w);
	return NULL;
}

int link_watch_fd(const struct link_watch *w)
{
	return w->fd;
}

void link_watch_close(struct link_watch *w)
{
	if (!w)
		return;
	close(w->fd);
	free(w);
}

static uint64_t iface_speed(const char *iface)
{
	struct ethtool_cmd cmd = { .cmd = ETHTOOL_GSET };
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t speed = 0;

	if (fd < 0)
		return 0;
	memcpy(ifr.ifr_name, iface, strnlen(iface, IFNAMSIZ - 1));
	ifr.ifr_data = (void *)&cmd;
	if (ioctl(fd, SIOCETHTOOL, &ifr) == 0)
		speed = ethtool_cmd_speed(&cmd);
	close(fd);
	return speed == (uint32_t)SPEED_UNKNOWN ? 0 : speed;
}

static void set_link(struct watched *all, unsigned int i, bool up, uint64_t speed)
{
	struct nic *nic = all->nics[i];

	nic->speed = up ? speed : 0;
	if (nic->up == up)
		return;
	nic->up = up;
	nic->link_changes++;
	all->changed[i] = true;
}

static void link_message(struct link_watch *w, struct watched *all, const struct nlmsghdr *h)
{
	const struct ifinfomsg *info = NLMSG_DATA(h);
	const unsigned int running = IFF_UP | IFF_RUNNING;
	bool up = h->nlmsg_type == RTM_NEWLINK && (info->ifi_flags & running) == running;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return;
	for (unsigned int i = 0; i < all->n; i++) {
		struct nic *nic = all->nics[i];

		for (unsigned int k = 0; nic && k < nic->n_members; k++)
			if (nic->member[k].iface[0] && nic->member[k].ifindex == info->ifi_index) {
				nic->member[k].up = up;
				w->seen_member[i] |= 1u << k;
			}
		if (!nic || nic->link_real || nic->n_members || nic->ifindex != info->ifi_index)
			continue;
		w->seen[i] = true;
		set_link(all, i, up, up && !nic->up ? iface_speed(nic->iface) : nic->speed);
	}
}

/* The answer is complete: an interface it does not hold is gone. */
static void dump_done(struct link_watch *w, struct watched *all)
{
	w->dump = false;
	if (w->torn) {
		resync(w);
		return;
	}
	for (unsigned int i = 0; i < all->n; i++) {
		struct nic *nic = all->nics[i];

		for (unsigned int k = 0; nic && k < nic->n_members; k++)
			if (nic->member[k].iface[0] && !(w->seen_member[i] >> k & 1))
				nic->member[k].up = false;
		if (nic && !nic->link_real && !nic->n_members && !w->seen[i])
			set_link(all, i, false, 0);
	}
}

static void messages(struct link_watch *w, struct watched *all, int len)
{
	for (struct nlmsghdr *h = (struct nlmsghdr *)w->buf; NLMSG_OK(h, (unsigned int)len);
		h = NLMSG_NEXT(h, len)) {
		bool answer = w->dump && h->nlmsg_seq == w->seq;

		if (answer && (h->nlmsg_flags & NLM_F_DUMP_INTR))
			w->torn = true;
		if (h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK)
			link_message(w, all, h);
		else if (answer && h->nlmsg_type == NLMSG_DONE)
			dump_done(w, all);
		else if (answer && h->nlmsg_type == NLMSG_ERROR) /* another answer is under way */
			resync(w);
	}
}

static void follow_kernel(struct link_watch *w, struct watched *all)
{
	if (w->stale)
		resync(w);
	for (;;) {
		ssize_t len = recv(w->fd, w->buf, sizeof(w->buf), 0);

		if (len > 0)
			messages(w, all, (int)len);
		else if (len < 0 && errno == ENOBUFS)
			resync(w);
		else if (len == 0 || errno != EINTR)
			return;
	}
}

unsigned int nic_poll_link(struct link_watch *w, struct nic **nics, unsigned int n, bool *changed)
{
	struct watched all = { nics, n < NIC_MAX ? n : NIC_MAX, changed };
	unsigned int count = 0;

	memset(changed, 0, all.n * sizeof(*changed));
	follow_kernel(w, &all);
	for (unsigned int i = 0; i < all.n; i++) {
		if (nics[i] && nics[i]->link_real) {
			uint64_t speed;
			bool up;

			nic_driver_link(nics[i], &up, &speed);
			set_link(&all, i, up, speed);
		}
		if (nics[i] && nics[i]->n_members) {
			uint64_t speed;
			bool up, moved = bond_poll(nics[i], &up, &speed);

			set_link(&all, i, up, speed);
			changed[i] |= moved;
		}
		count += changed[i];
	}
	return count;
}

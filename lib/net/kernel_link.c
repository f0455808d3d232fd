/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interfaces of the kernel's share, as the kernel has them: MAC, MTU and addresses by
 * rtnetlink, and a few settings in /proc/sys. Requests are few and each waits for its answer, which
 * the kernel gives at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel_priv.h"

/* ---- requests ------------------------------------------------------------------------------- */

struct request {
	struct nlmsghdr h;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
	};
	uint8_t room[256];
};

static void begin(struct request *r, uint16_t type, uint16_t flags, size_t body)
{
	memset(r, 0, sizeof(*r));
	r->h.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	r->h.nlmsg_type = type;
	r->h.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
}

static struct rtattr *put(struct request *r, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((uint8_t *)r + NLMSG_ALIGN(r->h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	r->h.nlmsg_len = (uint32_t)(NLMSG_ALIGN(r->h.nlmsg_len) + RTA_ALIGN(a->rta_len));
	return a;
}

/* What was put since a belongs into it. */
static void nest_end(struct request *r, struct rtattr *a)
{
	a->rta_len = (uint16_t)((uint8_t *)r + r->h.nlmsg_len - (uint8_t *)a);
}

int kernel_netlink(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

static int ask(int netlink, struct request *r)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		uint8_t quoted[512];
	} answer;

	if (sendto(netlink, r, r->h.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	if (recv(netlink, &answer, sizeof(answer), 0) < (ssize_t)NLMSG_LENGTH(sizeof(answer.e)))
		return -EIO;
	return answer.h.nlmsg_type == NLMSG_ERROR ? answer.e.error : -EIO;
}

/* ---- settings ------------------------------------------------------------------------------- */

static void setting_path(
	char *out, size_t size, const char *family, const char *interface, const char *key)
{
	snprintf(out, size, "/proc/sys/net/%s/conf/%s/%s", family, interface, key);
}

/* -1: there is no such setting. */
static int setting_get(const char *family, const char *interface, const char *key)
{
	char path[128];
	int value = -1;
	FILE *f;

	setting_path(path, sizeof(path), family, interface, key);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%d", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

static bool setting_put(const char *family, const char *interface, const char *key, int value)
{
	char path[128];
	FILE *f;
	int n;

	setting_path(path, sizeof(path), family, interface, key);
	f = fopen(path, "we");
	if (!f)
		return false;
	n = fprintf(f, "%d\n", value);
	return fclose(f) == 0 && n > 0;
}

static const struct {
	const char *family, *key;
	int value;
} deaf[KERNEL_SETTINGS] = {
	/* Every source is reached through another interface, so none is believed here... */
	{ "ipv4", "rp_filter", 1 },
	/* ... and probes, which have none, are not answered. */
	{ "ipv4", "arp_ignore", 8 },
	{ "ipv6", "disable_ipv6", 1 },
};

void kernel_hush(struct kernel_hush *h, const char *interface)
{
	if (h->name[0])
		return;
	snprintf(h->name, sizeof(h->name), "%s", interface);
	for (unsigned int i = 0; i < KERNEL_SETTINGS; i++) {
		h->before[i] = setting_get(deaf[i].family, interface, deaf[i].key);
		if (h->before[i] < 0 || h->before[i] == deaf[i].value)
			h->before[i] = -1;
		else if (!setting_put(deaf[i].family, interface, deaf[i].key, deaf[i].value))
			log_warn("%s: the kernel takes packets there too, and each twice: "
				 "sysctl -w net.%s.conf.%s.%s=%d",
				interface, deaf[i].family, interface, deaf[i].key, deaf[i].value);
	}
}

void kernel_hear(struct kernel_hush *h)
{
	for (unsigned int i = 0; h->name[0] && i < KERNEL_SETTINGS; i++)
		if (h->before[i] >= 0)
			setting_put(deaf[i].family, h->name, deaf[i].key, h->before[i]);
	h->name[0] = '\0';
}

/* ---- the link ------------------------------------------------------------------------------- */

/* Logs what the kernel refuses. */
static int done(const struct kernel_link *l, int rc, const char *what)
{
	if (rc)
		log_warn("%s: %s: %s", l->name, what, strerror(-rc));
	return rc;
}

static void begin_link(struct request *r, const struct kernel_link *l, bool up)
{
	begin(r, RTM_NEWLINK, 0, sizeof(r->link));
	r->link.ifi_index = l->index;
	r->link.ifi_change = IFF_UP;
	r->link.ifi_flags = up ? IFF_UP : 0;
}

static int link_up(const struct kernel_link *l, int netlink, bool up)
{
	struct request r;

	begin_link(&r, l, up);
	return ask(netlink, &r);
}

/* No address by itself: it would make one of the MAC, which we give it, and ask all others whether
 * they have it, which we answer. */
static int no_generated_address(const struct kernel_link *l, int netlink)
{
	const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
	struct rtattr *spec, *family;
	struct request r;

	begin(&r, RTM_NEWLINK, 0, sizeof(r.link));
	r.link.ifi_index = l->index;
	spec = put(&r, IFLA_AF_SPEC, NULL, 0);
	family = put(&r, AF_INET6, NULL, 0);
	put(&r, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
	nest_end(&r, family);
	nest_end(&r, spec);
	return ask(netlink, &r);
}

/* Going down takes the IPv6 addresses with it, those the kernel made as well. */
static int link_dress(
	struct kernel_link *l, int netlink, const struct rte_ether_addr *mac, uint16_t mtu)
{
	const uint32_t wide = mtu;
	struct request r;
	int rc;

	setting_put("ipv6", l->name, "disable_ipv6", 0);
	setting_put("ipv6", l->name, "accept_ra", 0);
	setting_put("ipv6", l->name, "router_solicitations", 0);
	/* Ask in the name of an address of the port, whatever the packet's source is. */
	setting_put("ipv4", l->name, "arp_announce", 2);
	if (no_generated_address(l, netlink))
		log_debug("%s: no IPv6 in the kernel", l->name);
	begin_link(&r, l, false);
	put(&r, IFLA_ADDRESS, mac->addr_bytes, sizeof(mac->addr_bytes));
	put(&r, IFLA_MTU, &wide, sizeof(wide));
	rc = ask(netlink, &r);
	if (rc == 0)
		rc = link_up(l, netlink, true);
	l->up = rc == 0;
	l->mac = *mac;
	l->mtu = mtu;
	return done(l, rc, "MAC and MTU");
}

/* ---- addresses ------------------------------------------------------------------------------ */

static int address_change(
	const struct kernel_link *l, int netlink, const struct prefix *p, bool add)
{
	const bool v4 = addr_is_v4(&p->addr);
	const void *bytes = v4 ? (const void *)&p->addr.w[3] : p->addr.b;
	const size_t len = v4 ? 4 : 16;
	struct request r;

	begin(&r, add ? RTM_NEWADDR : RTM_DELADDR, add ? NLM_F_CREATE | NLM_F_REPLACE : 0,
		sizeof(r.addr));
	r.addr.ifa_family = v4 ? AF_INET : AF_INET6;
	r.addr.ifa_prefixlen = p->len;
	r.addr.ifa_index = (uint32_t)l->index;
	/* Duplicates are found by us, who answer for the address. */
	r.addr.ifa_flags = v4 ? 0 : IFA_F_NODAD;
	r.addr.ifa_scope = addr_is_link_local(&p->addr) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	put(&r, IFA_LOCAL, bytes, len);
	put(&r, IFA_ADDRESS, bytes, len);
	if (v4 && p->len < 31) {
		const uint32_t all = addr_v4(&p->addr) | htonl(UINT32_MAX >> p->len);

		put(&r, IFA_BROADCAST, &all, sizeof(all));
	}
	return ask(netlink, &r);
}

static bool among(const struct prefix *p, const struct prefix *list, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (list[i].len == p->len && addr_equal(&list[i].addr, &p->addr))
			return true;
	return false;
}

int kernel_link_set(struct kernel_link *l, int netlink, const struct rte_ether_addr *mac,
	uint16_t mtu, const struct prefix *addresses, unsigned int n)
{
	struct prefix *copy = calloc(n + 1, sizeof(*copy));
	char text[PREFIX_TEXT];
	int rc = copy ? 0 : -ENOMEM;

	if (rc)
		return done(l, rc, "addresses");
	memcpy(copy, addresses, n * sizeof(*copy));
	if (!l->up || l->mtu != mtu || !rte_is_same_ether_addr(&l->mac, mac))
		rc = link_dress(l, netlink, mac, mtu);
	for (unsigned int i = 0; i < l->n_addresses; i++)
		if (!among(&l->addresses[i], copy, n))
			address_change(l, netlink, &l->addresses[i], false);
	for (unsigned int i = 0; i < n; i++) {
		int one = done(l, address_change(l, netlink, &copy[i], true),
			prefix_format(&copy[i], text));

		rc = rc ? rc : one;
	}
	free(l->addresses);
	l->addresses = copy;
	l->n_addresses = n;
	return rc;
}

void kernel_link_clear(struct kernel_link *l, int netlink)
{
	for (unsigned int i = 0; i < l->n_addresses; i++)
		address_change(l, netlink, &l->addresses[i], false);
	free(l->addresses);
	l->addresses = NULL;
	l->n_addresses = 0;
	if (l->up)
		done(l, link_up(l, netlink, false), "down");
	l->up = false;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors about outer packets: see tunnel.h.
 *
 * What is quoted may be made up. It can lower what is sent to a server in one piece, for ten
 * minutes and to no less than path.h allows, and have an error sent to a client, which is up to
 * that to believe; no more: the packets themselves go on being sent.
 */
#include "tunnel.h"

#include <netinet/in.h>

#include <rte_ip.h>

#include "l4_priv.h"
#include "net/encap.h"
#include "path.h"
#include "rewrite.h"

/* The size that a packet of len bytes was probably too big for, where a router does not say (RFC
 * 1191 7.1). */
static uint16_t plateau(uint16_t len)
{
	static const uint16_t sizes[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006 };

	for (unsigned int i = 0; i < RTE_DIM(sizes); i++)
		if (sizes[i] < len)
			return sizes[i];
	return PATH_MIN4;
}

/* What the error says how long packets may be; 0: it is about something else. */
static uint16_t said_mtu(const struct pkt *p, const struct icmp_quote *q)
{
	uint32_t mtu;

	memcpy(&mtu, p->l4 + 4, sizeof(mtu));
	mtu = rte_be_to_cpu_32(mtu);
	if (p->family == 6)
		return p->l4[0] == 2 ? (uint16_t)RTE_MIN(RTE_MAX(mtu, (uint32_t)PATH_MIN6),
					       (uint32_t)UINT16_MAX)
				     : 0;
	if (p->l4[0] != 3 || p->l4[1] != 4)
		return 0;
	mtu &= UINT16_MAX; /* the other half is not part of it (RFC 1191 4) */
	if (mtu == 0)
		mtu = plateau((uint16_t)(q->l3[2] << 8 | q->l3[3]));
	return (uint16_t)RTE_MAX(mtu, (uint32_t)PATH_MIN4);
}

/* The packet inside, as far as it is quoted: false where that is too little to tell its sender. */
static bool inner_read(const struct pkt *p, const struct icmp_quote *q, struct pkt *inner)
{
	const uint32_t ports = 8; /* and what else of the transport header is always quoted */
	uint32_t off, len;
	uint8_t *l3;

	if (!encap_inner(q->proto, q->l4, q->l4_len, &off) || off + 20 + ports > q->l4_len)
		return false;
	l3 = q->l4 + off;
	len = q->l4_len - off;
	*inner = (struct pkt){ .mbuf = p->mbuf, .l3 = l3, .port = p->port };
	if (l3[0] == 0x45) {
		inner->family = 4;
		inner->proto = ((const struct rte_ipv4_hdr *)l3)->next_proto_id;
		inner->l4 = l3 + 20;
	} else if (l3[0] >> 4 == 6 && len >= 40 + ports) {
		inner->family = 6;
		inner->proto = ((const struct rte_ipv6_hdr *)l3)->proto;
		inner->l4 = l3 + 40;
	} else {
		return false;
	}
	inner->l3_len = (uint16_t)len;
	return inner->proto == IPPROTO_TCP || inner->proto == IPPROTO_UDP;
}

/* How long the packet was. */
static uint32_t inner_len(const struct pkt *inner)
{
	return inner->family == 4 ? (uint32_t)inner->l3[2] << 8 | inner->l3[3]
				  : 40u + ((uint32_t)inner->l3[4] << 8 | inner->l3[5]);
}

/* Whether the service sends packets to servers of the pool: its own, or one that stands in. */
static bool sends_to(const struct model *m, const struct service *service, uint16_t pool)
{
	uint16_t at = service->pool;

	while (at && at != pool)
		at = m->pools[at]->backup;
	return at;
}

/* Tells who sent the packet inside, if it is one that we have put there: whether it is. mtu: what
 * outer packets may have; 0: none arrive. */
static bool pass_on(struct l4 *l, const struct pkt *p, const struct icmp_quote *q,
	const struct server *server, uint16_t mtu)
{
	const struct model *m = l->model;
	const struct service *service;
	struct pkt inner;
	uint16_t room;

	if (!inner_read(p, q, &inner))
		return false;

	const struct tuple t = pkt_tuple(&inner);

	service = model_service(m, &t.dst, t.proto, t.dport);
	if (!service || service->mode != MODE_TUNNEL ||
		!sends_to(m, service, m->server_pool[server->slot]))
		return false;
	if (mtu == 0) {
		icmp_error(l->net, &inner, ICMP_ERR_HOST, 0);
		return true;
	}
	room = tunnel_room(service, server, mtu);
	if (inner.family == 6)
		room = RTE_MAX(room, RTE_IPV6_MIN_MTU);
	if (inner_len(&inner) > room && !packet_may_split(&inner, room))
		icmp_error(l->net, &inner, ICMP_ERR_TOO_BIG, room);
	return true;
}

/*
 * Whether the error says that packets do not get to the server at all: unreachable, whatever for,
 * or a time to live used up, by a loop or a way that is too long. To the sender of what is inside,
 * all of these are a host that is not reached (RFC 2003 4.1, 4.4, RFC 2473 8). Not so a fragment
 * that was lost (time exceeded, 1), a source route that failed, and parameter problems, which are
 * about headers that the sender has not made (RFC 2003 4.1, 4.5).
 */
static bool is_no_way(const struct pkt *p)
{
	const uint8_t type = p->l4[0], code = p->l4[1];

	if (p->family == 6)
		return type == 1 || (type == 3 && code == 0);
	return (type == 3 && code != 4 && code != 5) || (type == 11 && code == 0);
}

bool tunnel_error(struct l4 *l, struct pkt *p, const struct icmp_quote *q)
{
	const struct server *const *servers;
	bool told = false;
	unsigned int n;
	uint32_t off;
	uint16_t mtu;

	if (!(p->flags & PKT_OURS) || !encap_inner(q->proto, q->l4, q->l4_len, &off))
		return false;
	servers = model_servers_at(l->model, &q->tuple.src, &n);
	if (n == 0)
		return false;
	if (!l4_error_allowed(l, p, &l->tunnel_error_rate))
		return true;
	mtu = said_mtu(p, q);
	if (mtu == 0 && !is_no_way(p)) {
		pkt_drop(p, DROP_icmp_type);
		return true;
	}
	if (mtu)
		path_learn(l->paths, servers, n, mtu, l->now_ms);
	for (unsigned int i = 0; i < n && !told; i++)
		told = pass_on(l, p, q, servers[i], mtu);
	pkt_drop(p, mtu ? DROP_path_learned : DROP_tunnel_unreachable);
	return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tunnel: the packet keeps its addresses and goes to the server inside another one, over routers if
 * need be; the server has the virtual address too and answers the client by itself.
 *
 * What does not fit is never lost in silence. Its sender is told, and it goes out all the same, in
 * fragments that the server puts together: a client that hears no ICMP is served too.
 */
#include "l4_priv.h"
#include "net/encap.h"
#include "path.h"
#include "rewrite.h"
#include "tunnel.h"

uint16_t tunnel_room(const struct service *service, const struct server *server, uint16_t mtu)
{
	return mtu - encap_overhead(service->encap, addr_is_v4(&server->addr) ? 4 : 6);
}

static uint16_t tunnel_limit(struct l4 *l, const struct pkt *p, const struct service *service,
	const struct server *server, const struct addr *next, uint16_t mtu)
{
	const uint16_t known = path_mtu(l->paths, server, l->now_ms);

	return tunnel_room(service, server, known && known < mtu ? known : mtu);
}

/* In a SYN: the segments that answer it are to be such as this way could carry, too. What the
 * client itself sends is up to the server's SYN-ACK, which does not come by here. */
static void clamp_mss(
	struct l4 *l, struct pkt *p, const struct service *service, const struct server *server)
{
	struct route_hop hop;

	if (net_route(l->model->net, &server->addr, &hop))
		rewrite_mss(p, tunnel_limit(l, p, service, server, &server->addr,
				       net_mtu(l->net, hop.port)) -
				       (p->family == 4 ? 40 : 60));
}

static void tunnel_rewrite_stateless(
	struct l4 *l, struct pkt *p, const struct service *service, const struct server *server)
{
	struct encap_outer outer = { .dst = &server->addr, .hash = p->hash };
	enum drop_reason reason;

	if (server->n_sources == 0) {
		pkt_drop(p, DROP_no_source);
		return;
	}
	outer.src = &server->sources[0];
	outer.id = l4_next_id(l);
	if (p->tcp_flags & TCP_SYN)
		clamp_mss(l, p, service, server);
	if (p->flags & PKT_SPLIT)
		p->split = path_mtu(l->paths, server, l->now_ms);
	reason = encap_push(p, service->encap, &outer);
	if (reason != DROP_none)
		pkt_drop(p, reason);
}

static void tunnel_rewrite(struct l4 *l, struct pkt *p, struct flow *f)
{
	const struct service *service = l->model->service[f->service];
	const struct server *server = l->model->server[f->server];

	if (likely(service->encap == ENCAP_IPIP && p->family == 4 && addr_is_v4(&server->addr) &&
		    server->n_sources > 0 && !(p->tcp_flags & TCP_SYN)) &&
		likely(encap_push_ipip4(p, &server->sources[0], &server->addr, l4_next_id(l))))
		return;
	tunnel_rewrite_stateless(l, p, service, server);
}

static struct addr tunnel_next(const struct flow *f, uint8_t dir, const struct server *server)
{
	return server->addr;
}

const struct fwd_ops fwd_ops_tunnel = {
	.name = "tunnel",
	.growth = ENCAP_MAX,
	.splits = true,
	.limit = tunnel_limit,
	.rewrite = tunnel_rewrite,
	.rewrite_stateless = tunnel_rewrite_stateless,
	.next = tunnel_next,
};

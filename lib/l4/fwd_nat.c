/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two-arm NAT: the destination becomes the server's address and port; the server's answers pass the
 * balancer, its gateway, and get the virtual address as their source again.
 */
#include "l4.h"
#include "proxied.h"
#include "rewrite.h"

static enum drop_reason nat_answers(struct l4 *l, const struct tuple *fwd,
	const struct service *service, const struct server *server, struct tuple *back)
{
	*back = (struct tuple){
		.src = server->addr,
		.dst = fwd->src,
		.sport = server->port ? rte_cpu_to_be_16(server->port) : fwd->dport,
		.dport = fwd->sport,
		.proto = fwd->proto,
	};
	return DROP_none;
}

static void nat_rewrite(struct l4 *l, struct pkt *p, struct flow *f)
{
	const void *address;
	rte_be16_t port;

	if (p->dir == DIR_FORWARD) {
		address = flow_source(f, DIR_RETURN, &port);
		rewrite_destination(p, address, port);
	} else {
		address = flow_destination(f, DIR_FORWARD, &port);
		rewrite_source(p, address, port);
	}
}

static void nat_rewrite_proxied(struct l4 *l, struct pkt *p, struct flow *f)
{
	proxied_translate(l, p, f);
	nat_rewrite(l, p, f);
}

static struct addr nat_next(const struct flow *f, uint8_t dir, const struct server *server)
{
	return flow_tuple(f, dir == DIR_FORWARD ? DIR_RETURN : DIR_FORWARD).src;
}

const struct fwd_ops fwd_ops_nat = {
	.name = "nat",
	.two_way = true,
	.answers = nat_answers,
	.rewrite = nat_rewrite,
	.next = nat_next,
};

const struct fwd_ops fwd_ops_nat_proxied = {
	.name = "nat",
	.two_way = true,
	.proxied = true,
	.rewrite = nat_rewrite_proxied,
	.next = nat_next,
};

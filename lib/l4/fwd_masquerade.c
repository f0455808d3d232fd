/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Masquerade: connections that servers begin leave with an address and a local port of ours; the
 * answers come back to them (RFC 3022). Echo requests and replies (RFC 5508 3) have an identifier
 * in the place of ports. No service has this mode: flows are opened by gateway.c.
 */
#include <netinet/in.h>

#include "gateway.h"
#include "l4.h"
#include "rewrite.h"

static void masquerade_rewrite(struct l4 *l, struct pkt *p, struct flow *f)
{
	const bool out = p->dir == DIR_FORWARD;
	rte_be16_t port;
	/* What answers are sent to stands for the server, and the other way round. */
	const void *address =
		out ? flow_destination(f, DIR_RETURN, &port) : flow_source(f, DIR_FORWARD, &port);

	if (f->proto == IPPROTO_ICMP || f->proto == IPPROTO_ICMPV6)
		rewrite_echo(p, out, address, port);
	else if (out)
		rewrite_source(p, address, port);
	else
		rewrite_destination(p, address, port);
}

static struct addr masquerade_next(const struct flow *f, uint8_t dir, const struct server *server)
{
	return dir == DIR_FORWARD ? flow_tuple(f, DIR_FORWARD).dst : flow_tuple(f, DIR_FORWARD).src;
}

const struct fwd_ops fwd_ops_masquerade = {
	.name = "masquerade",
	.two_way = true,
	.holds = gateway_keeps,
	.rewrite = masquerade_rewrite,
	.next = masquerade_next,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* What routers say about packets of mode tunnel. Called by error.c. */
#ifndef L4_TUNNEL_H
#define L4_TUNNEL_H

#include "l4/l4.h"
#include "net/icmp_quote.h"

/* The longest packet that fits into one of mtu bytes toward a server. */
uint16_t tunnel_room(const struct service *service, const struct server *server, uint16_t mtu);

/*
 * An ICMP error to an address of ours, of which q is what it quotes. If that is an outer packet
 * toward a server, deals with it and returns true: of one that was too big, it is remembered how
 * long it may be (path.h). Where enough of the inner packet is quoted its sender is told at once of
 * that, or that the server is not reached. Any worker may do it.
 */
bool tunnel_error(struct l4 *l, struct pkt *p, const struct icmp_quote *q);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Telling a server who the client is, where it sees another source address.
 *
 * TOA is a TCP option of kind 254 (experimental, RFC 4727) that Linux modules of that name read
 * from the segment that completes the handshake:
 *
 *   254, 8,  port (2 bytes), IPv4 address (4)
 *   254, 20, port (2 bytes), IPv6 address (16)
 *
 * Both functions are for TCP packets as net/parse.c leaves them; checksums stay right.
 */
#ifndef NET_CLIENTADDR_H
#define NET_CLIENTADDR_H

#include <stdbool.h>

#include "net/pkt.h"

/*
 * Puts the option in front of all others: what follows an end of options is not read. Moves p->l3
 * and p->l4 into the headroom. false, and the packet is as before, where the TCP header has no room
 * for it or the packet would become longer than max_len.
 */
bool clientaddr_put_toa(
	struct pkt *p, const struct addr *client, rte_be16_t port, uint16_t max_len);

/* Turns options of that kind which the packet came with into no-operations: a client's word for who
 * it is counts for nothing. */
void clientaddr_strip_toa(struct pkt *p);

#endif

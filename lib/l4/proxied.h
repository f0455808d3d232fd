/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections that began with a SYN cookie: the client knows the balancer's sequence numbers, clock
 * and window scale, the server has its own. What the one says of the other's is translated in each
 * segment, by what is beside the flow's entry (struct flow_side):
 *
 *                      sequence  acknowledgement  SACK       timestamp  echo      window
 *   server to client   + delta                               + delta              shifted
 *   client to server             - delta          - delta               - delta   shifted
 *
 * Called by the modes, before they rewrite the ends of a segment, and by error.c.
 */
#ifndef L4_PROXIED_H
#define L4_PROXIED_H

#include "l4/l4.h"
#include "net/icmp_quote.h"

/* Translates a segment of direction p->dir; its checksum stays right. */
void proxied_translate(struct l4 *l, struct pkt *p, const struct flow *f);

/* p is an ICMP error of direction p->dir about a segment of the flow, quoted in it as q says: makes
 * of the quoted numbers those that its sender sent. Checksums of quote and error stay right. */
void proxied_quote(struct l4 *l, struct pkt *p, const struct icmp_quote *q, const struct flow *f);

#endif

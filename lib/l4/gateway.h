/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway for servers (model/gateway_rules.h) at work: packets that belong to no flow and are
 * for none of our addresses, or for one that stands for a server. In this order: one-to-one,
 * masquerade, routing. Called by open.c and, for what is neither TCP nor UDP, by the pipeline.
 *
 * Servers are believed to be who they say only where they are routed to (strict reverse path, RFC
 * 3704 2.2): nobody outside may use the address of one.
 */
#ifndef L4_GATEWAY_H
#define L4_GATEWAY_H

#include "l4/l4.h"

/* A packet that has no flow, its verdict PKT_GO, PKT_ERROR or PKT_ROUTED. False: it is not the
 * gateway's and as it was. Otherwise it has been dealt with. */
bool gateway_forward(struct l4 *l, struct pkt *p);

/* The burst's packets that are neither TCP nor UDP: PKT_ROUTED, and echo replies to an address that
 * servers are masqueraded with. Those that the gateway does not want are dropped, or stay what they
 * are. */
void gateway_burst(struct l4 *l, struct burst *b);

/* Whether a masqueraded flow may go on: its rule is still there. */
bool gateway_keeps(const struct l4 *l, const struct flow *f);

#endif

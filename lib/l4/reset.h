/* SPDX-License-Identifier: BSD-3-Clause */
/* A RST in answer to a TCP segment that belongs to no connection (RFC 9293, 3.10.7.1). */
#ifndef L4_RESET_H
#define L4_RESET_H

#include "net/net.h"

/* To the sender of p, from its destination; nothing for a RST. p is left alone. */
void reset_reply(struct net_worker *w, const struct pkt *p);

#endif

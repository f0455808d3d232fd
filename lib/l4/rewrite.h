/* SPDX-License-Identifier: BSD-3-Clause */
/* Steps that forwarding modes share: each changes a header field and keeps the checksums right (RFC 1624). */
#ifndef L4_REWRITE_H
#define L4_REWRITE_H

#include "net/pkt.h"

/* New destination or source address and port. address: 4 or 16 bytes, as the packet's family has them. */
void rewrite_destination(struct pkt *p, const void *address, rte_be16_t port);
void rewrite_source(struct pkt *p, const void *address, rte_be16_t port);

/* Takes one off the time to live (hop limit), which is at least 2. */
void rewrite_ttl(struct pkt *p);

#endif

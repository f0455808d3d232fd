/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fields of packets that are quoted in ICMP errors, and of the errors themselves. Each function
 * returns the difference that it makes to a checksum over what it changed (net/wire.h). Called by
 * error.c and gateway.c.
 */
#ifndef L4_QUOTE_H
#define L4_QUOTE_H

#include "net/icmp_quote.h"
#include "net/wire.h"

uint64_t quote_put2(uint8_t *at, uint16_t to);
uint64_t quote_put_address(uint8_t *at, uint8_t family, const struct addr *to);

/* A checksum takes up diff. It may have been wrong before, and stays as wrong as it was. */
uint64_t quote_put_checksum(uint8_t *at, uint64_t diff, bool udp);

/* The header checksum of the quoted packet takes up a change of its addresses. */
uint64_t quote_mend_ip(uint8_t *l3, uint8_t family, uint64_t addresses);

/* That of its TCP or UDP header, if so much is quoted, takes up one of what it covers. */
uint64_t quote_mend_l4(const struct icmp_quote *q, uint64_t diff);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet that an ICMP or ICMPv6 error is about: its header and first bytes follow that of the
 * error (RFC 792, RFC 4443 3). Read by net/parse.c to tell what the error is, by flow/steer.c to
 * find the worker of its flow and by l4/error.c to find the flow.
 *
 * What is quoted is as old as the packet and may be cut, changed on the way, or made up: no byte is
 * believed but for what it takes to find a flow. Its checksums are not looked at, for they often
 * are those from before a router took one off the time to live.
 */
#ifndef NET_ICMP_QUOTE_H
#define NET_ICMP_QUOTE_H

#include <stdbool.h>

#include "net/pkt.h"

/* So much of an error, from its IP header on, is contiguous after parsing: room for two chains of
 * headers. What is quoted behind it is never looked at. */
#define ICMP_QUOTE_SPAN 512

struct icmp_quote {
	uint8_t *l3;        /* IP header of the quoted packet, of the error's family */
	uint8_t *l4;        /* its transport header: */
	uint16_t l4_len;    /* so many bytes of it can be read, 8 at least */
	uint8_t proto;      /* what it is: IPPROTO_TCP, _UDP, or a tunnel: _IPIP, _IPV6, _GRE */
	struct tuple tuple; /* of what comes the other way, as the error does; tunnel: no ports */
};

/* Reads what p, ICMP of right length and checksum, quotes. False: p is no error that is about a TCP
 * or UDP packet or a tunnel's, or too little of that is quoted, or not its beginning, or it is not
 * the error's receiver who sent it. */
bool icmp_quoted(const struct pkt *p, struct icmp_quote *q);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames for the packet tests: made from a description, and read back into one by a strict reader.
 *
 * Nothing here uses lib/: byte by byte, with checksums summed the naive way, so that what the
 * product does is compared with something that does not share its mistakes.
 */
#ifndef PACKET_FRAME_H
#define PACKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 2048

#define FRAME_FIN 0x01
#define FRAME_SYN 0x02
#define FRAME_RST 0x04
#define FRAME_PSH 0x08
#define FRAME_ACK 0x10

struct frame {
	uint8_t eth_dst[6], eth_src[6];
	uint16_t vlan;      /* 0: untagged */
	uint16_t ethertype; /* read only: behind the tag */
	uint8_t family;     /* 4, 6, or 0: not IP */
	uint8_t proto;      /* 6, 17, 1 or 58; another one: payload follows the IP header */
	uint8_t ttl;
	uint8_t tos;
	uint16_t id; /* IPv4 identification */
	bool df;
	uint8_t src[16], dst[16]; /* an IPv4 address stands in the first four bytes */
	uint16_t sport, dport;    /* host order */
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	const uint8_t
		*options; /* TCP: behind the fixed header, a multiple of four bytes, at most 40 */
	uint8_t options_len;
	bool no_checksum; /* UDP over IPv4: sent without one */
	uint8_t icmp_type, icmp_code;
	uint32_t icmp_rest;     /* second word: identifier and sequence, MTU ... */
	const uint8_t *payload; /* behind the innermost header */
	uint16_t payload_len;
};

/* Sets an address from text; also the family, and the protocol's ICMP to match. */
void frame_address(struct frame *f, uint8_t *to, const char *text);

/* TCP or UDP from src:sport to dst:dport, TTL 64, and TCP flags. */
struct frame frame_make(uint8_t proto, const char *src, uint16_t sport, const char *dst,
	uint16_t dport, uint8_t flags);

/* Writes the frame; returns its length. out has room for FRAME_MAX. */
size_t frame_build(const struct frame *f, uint8_t *out);

/* Reads a frame: NULL, or what is wrong with it. Believes nothing: lengths, checksums, versions,
 * header lengths. f->payload points into data. "transport checksum": nothing else is wrong. */
const char *frame_read(const uint8_t *data, size_t len, struct frame *f);

/* NULL when both say the same, or the name of the first field that differs. */
const char *frame_differs(const struct frame *a, const struct frame *b);

/* One's complement checksum of len bytes as of RFC 1071, summed by pairs. start: sum so far. */
uint32_t frame_sum(uint32_t start, const uint8_t *data, size_t len);
uint16_t frame_cksum(uint32_t sum);

/* Writes the checksums a frame ought to have, as far as its lengths make sense: after a mutation.
 */
void frame_fix(uint8_t *data, size_t len);

#endif

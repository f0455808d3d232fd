/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A TCP segment as scripts say it: what is not said has a value of its own where the segment is
 * sent, and may be anything where it is expected.
 */
#ifndef TCP_SEGMENT_H
#define TCP_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "frame.h"

#define SEG_FIN     0x01
#define SEG_SYN     0x02
#define SEG_RST     0x04
#define SEG_PSH     0x08
#define SEG_ACK     0x10
#define SEG_URG     0x20
#define SEG_ECE     0x40
#define SEG_CWR     0x80

#define SEG_OPTIONS 12 /* of one segment */
#define SEG_NUMBERS 8  /* of one option */
#define SEG_TEXT    400

/* A number, by what it counts from. */
struct seg_number {
	/* SEG_ALL: what acknowledges everything that was sent */
	enum { SEG_UNSAID, SEG_RELATIVE, SEG_ABSOLUTE, SEG_ALL } kind;
	uint32_t v;
};

/* kind: as on the wire; or SEG_RAW, whose numbers are bytes. */
#define SEG_RAW 256
struct seg_option {
	unsigned int kind, n;
	struct seg_number number[SEG_NUMBERS];
};

struct segment {
	uint8_t flags, free_flags; /* that must be there, that may be */
	bool any_flags;
	struct seg_number seq, ack;
	uint32_t len;   /* of data */
	uint32_t piece; /* data comes in segments of so many bytes; 0: in one */
	uint32_t gap;   /* with so many missing between them */
	bool any_len;
	struct seg_number win, urg;
	bool has_options, more_options; /* they are said; there may be others */
	unsigned int n_options;
	struct seg_option option[SEG_OPTIONS];
	int ecn;  /* the two bits of the IP header; -1: not said */
	int fill; /* what all data is instead of its pattern; -1: is the pattern */
	bool bad_sum;
};

/* What relative numbers of one connection count from: the first sequence number and timestamp of
 * the peer, whom scripts play, and of us. */
struct seg_base {
	uint32_t peer_seq, our_seq;
	uint32_t peer_ts, our_ts;
};

/* From whom to whom. */
struct seg_ends {
	const char *src, *dst;
	uint16_t sport, dport;
};

/* A segment that we sent. */
struct seg_sent {
	uint64_t at_us;
	unsigned int conn;
	uint8_t flags, ecn;
	uint32_t seq, ack, len;
	uint16_t win, urg;
	uint8_t n_options, options[40]; /* bytes */
	uint16_t sport, dport;
};

/* A segment of the peer, all of it said, as a frame. */
void segment_build(struct frame *f, const struct segment *s, const struct seg_base *base,
	const struct seg_ends *ends);

/* Reads an IP packet that begins at f->b[f->l3] and ends the frame. NULL; or what is wrong with it.
 */
const char *segment_read(struct frame *f, struct seg_sent *out);

/* Where in a segment's options one of this kind is (its first byte), or NULL. */
const uint8_t *segment_option(const struct seg_sent *s, unsigned int kind);

/* Whether a segment sent is what is expected. If not, why says what differs. */
bool segment_match(const struct segment *want, const struct seg_sent *got,
	const struct seg_base *base, char *why, unsigned int why_size);

/* As a script would say it. */
void segment_format(const struct seg_sent *s, const struct seg_base *base, char text[SEG_TEXT]);

/* The byte of a stream at an offset from its beginning. ours: what we send. */
static inline uint8_t stream_byte(uint32_t offset, bool ours)
{
	return (uint8_t)(offset * 31 + (offset >> 8) * 7 + (offset >> 16) * 3 + (ours ? 101 : 5));
}

#endif

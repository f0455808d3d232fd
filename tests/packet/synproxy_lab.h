/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client and a server with the SYN proxy between them, played by hand: each step sends one
 * segment and looks at what comes of it. The numbers are those of each side; what the other side
 * must see of them is worked out here.
 */
#ifndef PACKET_SYNPROXY_LAB_H
#define PACKET_SYNPROXY_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"
#include "l4/synproxy.h"

#define TCP      6
#define CLIENT4  "198.51.100.7"
#define CLIENT6  "2001:db8:c::7"

#define NO_SCALE 15

/* Where it goes through. */
struct way {
	const char *name, *service, *vip, *client, *server,
		*source; /* source: as the server sees it */
	uint16_t mss4;   /* told to clients */
	bool mixed;
};

static const struct way ways[] = {
	{ "nat4", "nat4", "192.0.2.10", CLIENT4, "10.0.0.11", CLIENT4, 1440, false },
	{ "nat6", "nat6", "2001:db8:1::10", CLIENT6, "2001:db8:2::11", CLIENT6, 1420, false },
	{ "full4", "full4", "192.0.2.20", CLIENT4, "10.0.0.11", "10.0.0.5", 1440, false },
	{ "full6", "full6", "2001:db8:1::20", CLIENT6, "2001:db8:2::11", "2001:db8:2::5", 1420,
		false },
	{ "mixed", "mixed", "2001:db8:1::30", CLIENT6, "10.0.0.11", "10.0.0.5", 1420, true },
};
#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

/* Options of a segment: what is there, and the numbers. */
struct options {
	uint16_t mss; /* 0: none */
	bool stamps, sack;
	uint8_t wscale;
	uint32_t tsval, tsecr;
	unsigned int n_blocks;
	uint32_t block[8];
	uint8_t raw[40];
	uint8_t len;
};

static inline void put_option4(struct options *o, uint32_t v)
{
	for (int i = 24; i >= 0; i -= 8)
		o->raw[o->len++] = (uint8_t)(v >> i);
}

/* Lays them out; pad: NOPs in front, which move what follows to odd offsets. */
static inline void options_write(struct options *o, unsigned int pad)
{
	o->len = 0;
	while (pad-- > 0)
		o->raw[o->len++] = 1;
	if (o->mss) {
		o->raw[o->len++] = 2;
		o->raw[o->len++] = 4;
		o->raw[o->len++] = (uint8_t)(o->mss >> 8);
		o->raw[o->len++] = (uint8_t)o->mss;
	}
	if (o->sack) {
		o->raw[o->len++] = 4;
		o->raw[o->len++] = 2;
	}
	if (o->stamps) {
		o->raw[o->len++] = 8;
		o->raw[o->len++] = 10;
		put_option4(o, o->tsval);
		put_option4(o, o->tsecr);
	}
	if (o->wscale != NO_SCALE) {
		o->raw[o->len++] = 3;
		o->raw[o->len++] = 3;
		o->raw[o->len++] = o->wscale;
	}
	if (o->n_blocks) {
		o->raw[o->len++] = 5;
		o->raw[o->len++] = (uint8_t)(2 + 8 * o->n_blocks);
		for (unsigned int i = 0; i < 2 * o->n_blocks; i++)
			put_option4(o, o->block[i]);
	}
	while (o->len % 4)
		o->raw[o->len++] = 1;
	assert_true(o->len <= 40);
}

static inline uint32_t get_option4(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline struct options options_read(const struct frame *f)
{
	struct options o = { .wscale = NO_SCALE };
	const uint8_t *p = f->options, *end = p + f->options_len;

	while (p < end && *p != 0) {
		if (*p == 1) {
			p++;
			continue;
		}
		assert_true(end - p >= 2 && p[1] >= 2 && p[1] <= end - p);
		if (*p == 2)
			o.mss = (uint16_t)(p[2] << 8 | p[3]);
		if (*p == 3)
			o.wscale = p[2];
		if (*p == 4)
			o.sack = true;
		if (*p == 8) {
			o.stamps = true;
			o.tsval = get_option4(p + 2);
			o.tsecr = get_option4(p + 6);
		}
		if (*p == 5) {
			o.n_blocks = p[1] / 8;
			for (unsigned int i = 0; i < 2 * o.n_blocks; i++)
				o.block[i] = get_option4(p + 2 + 4 * i);
		}
		p += p[1];
	}
	return o;
}

/* One connection. */
struct conn {
	struct harness *h;
	const struct way *way;
	uint16_t sport;            /* the client's */
	uint16_t seen;             /* and as the server sees it */
	uint32_t isn;              /* the client's */
	uint32_t cookie;           /* ours */
	uint32_t server;           /* the server's */
	uint16_t window;           /* the client's, as its segments have it */
	struct options syn;        /* what the client said */
	struct options synack;     /* what it was told */
	uint32_t tsval, server_ts; /* clocks */
};

static inline struct conn conn_make(struct harness *h, const struct way *way, uint16_t sport)
{
	return (struct conn){ .h = h,
		.way = way,
		.sport = sport,
		.isn = 0x10203040u + sport,
		.server = 0xa0b0c0d0u - sport,
		.window = 500,
		.tsval = 0x01000000u + sport,
		.server_ts = 0x77000000u,
		.syn = { .mss = 1460, .stamps = true, .sack = true, .wscale = 9 } };
}

static inline struct frame client_frame(
	const struct conn *c, uint8_t flags, uint32_t seq, uint32_t ack, const struct options *o)
{
	struct frame f = frame_make(TCP, c->way->client, c->sport, c->way->vip, 80, flags);

	f.seq = seq;
	f.ack = ack;
	f.window = c->window;
	if (o) {
		f.options = o->raw;
		f.options_len = o->len;
	}
	return f;
}

static inline struct frame server_frame(
	const struct conn *c, uint8_t flags, uint32_t seq, uint32_t ack, const struct options *o)
{
	struct frame f = frame_make(
		TCP, c->way->server, 8080, c->way->source, c->seen ? c->seen : c->sport, flags);

	f.seq = seq;
	f.ack = ack;
	f.window = 1000;
	if (o) {
		f.options = o->raw;
		f.options_len = o->len;
	}
	return f;
}

/* The ends of what came out. */
static inline void assert_toward_client(const struct conn *c, const struct frame *f)
{
	struct frame want = frame_make(TCP, c->way->vip, 80, c->way->client, c->sport, 0);

	assert_int_equal(f->family, want.family);
	assert_memory_equal(f->src, want.src, 16);
	assert_memory_equal(f->dst, want.dst, 16);
	assert_int_equal(f->sport, 80);
	assert_int_equal(f->dport, c->sport);
}

static inline void assert_toward_server(struct conn *c, const struct frame *f)
{
	struct frame want = frame_make(TCP, c->way->source, 1, c->way->server, 8080, 0);

	assert_int_equal(f->family, want.family);
	assert_memory_equal(f->src, want.src, 16);
	assert_memory_equal(f->dst, want.dst, 16);
	assert_int_equal(f->dport, 8080);
	if (!c->seen)
		c->seen = f->sport;
	assert_int_equal(f->sport, c->seen);
	if (strcmp(c->way->source, c->way->client) == 0)
		assert_int_equal(f->sport, c->sport);
}

/* SYN, and the SYN-ACK that answers it. */
static inline struct frame open_syn(struct conn *c)
{
	struct options o = c->syn;
	struct frame f, got;

	o.tsval = c->tsval;
	options_write(&o, 0);
	f = client_frame(c, FRAME_SYN, c->isn, 0, &o);
	got = harness_through(c->h, WAN, &f, WAN);
	assert_toward_client(c, &got);
	assert_int_equal(got.flags, FRAME_SYN | FRAME_ACK);
	assert_int_equal(got.ack, c->isn + 1);
	assert_true(got.window > 0);
	assert_int_equal(got.payload_len, 0);
	c->cookie = got.seq;
	c->synack = options_read(&got);
	if (c->synack.stamps)
		assert_int_equal(c->synack.tsecr, c->tsval);
	return got;
}

/* Options of the client's further segments. */
static inline struct options client_options(const struct conn *c)
{
	struct options o = { .stamps = c->synack.stamps,
		.tsval = c->tsval,
		.tsecr = c->synack.tsval,
		.wscale = NO_SCALE };

	options_write(&o, c->synack.stamps ? 2 : 0);
	return o;
}

/* ACK with so many bytes, and the SYN to the server. */
static inline struct frame open_ack(struct conn *c, uint16_t bytes)
{
	static const uint8_t data[1400] = "third";
	struct options o = client_options(c);
	struct frame f = client_frame(c, FRAME_ACK, c->isn + 1, c->cookie + 1, &o), got;

	f.payload = data;
	f.payload_len = bytes;
	got = harness_through(c->h, WAN, &f, LAN);
	assert_toward_server(c, &got);
	assert_int_equal(got.flags, FRAME_SYN);
	assert_int_equal(got.seq, c->isn);
	assert_int_equal(got.ack, 0);
	assert_int_equal(got.payload_len, 0);
	return got;
}

/* The server's SYN-ACK, by what the SYN offered; what comes of it toward the server. */
static inline struct options server_options(const struct conn *c)
{
	return (struct options){ .mss = 1400,
		.stamps = c->synack.stamps,
		.tsval = c->server_ts,
		.tsecr = c->tsval,
		.sack = c->synack.sack,
		.wscale = c->synack.wscale };
}

static inline struct frame open_server(struct conn *c, struct options o)
{
	struct frame f, got;

	options_write(&o, 0);
	f = server_frame(c, FRAME_SYN | FRAME_ACK, c->server, c->isn + 1, &o);
	got = harness_through(c->h, LAN, &f, LAN);
	assert_toward_server(c, &got);
	assert_int_equal(got.flags & ~FRAME_PSH, FRAME_ACK);
	assert_int_equal(got.seq, c->isn + 1);
	assert_int_equal(got.ack, c->server + 1);
	return got;
}

/* All of it. */
static inline void open_all(struct conn *c)
{
	open_syn(c);
	open_ack(c, 0);
	open_server(c, server_options(c));
}

static inline const struct synproxy_traffic *traffic_of(
	const struct harness *h, unsigned int worker, const char *service)
{
	const struct service *s = model_service_by_name(h->snapshot.model, service);

	assert_non_null(s);
	return &h->workers->worker[worker]->l4.synproxy->traffic[s->slot];
}

static inline struct harness *balancer(unsigned int workers)
{
	return harness_create(
		&(struct harness_conf){ .file = "synproxy.json", .workers = workers });
}

static const struct way plain = { "plain", "plain", "192.0.2.60", CLIENT4, "10.0.0.11", CLIENT4,
	1000, false };

/* What talk() says. */
static const uint8_t said[] = "an odd number of bytes, all of them sent";

/* Data each way, of an open connection. */
static inline void talk(struct conn *c)
{
	struct options o = client_options(c);
	struct frame f = client_frame(c, FRAME_ACK | FRAME_PSH, c->isn + 1, c->cookie + 1, &o), got;
	struct options back = { .stamps = c->synack.stamps,
		.wscale = NO_SCALE,
		.tsval = c->server_ts + 50,
		.tsecr = c->tsval };

	f.payload = said;
	f.payload_len = sizeof(said);
	got = harness_through(c->h, WAN, &f, LAN);
	assert_toward_server(c, &got);
	assert_int_equal(got.seq, c->isn + 1);
	assert_int_equal(got.ack, c->server + 1);
	assert_int_equal(got.payload_len, sizeof(said));
	assert_memory_equal(got.payload, said, sizeof(said));

	options_write(&back, 0);
	f = server_frame(c, FRAME_ACK, c->server + 1, c->isn + 1 + sizeof(said), &back);
	f.payload = said;
	f.payload_len = 17;
	got = harness_through(c->h, LAN, &f, WAN);
	assert_toward_client(c, &got);
	assert_int_equal(got.seq, c->cookie + 1);
	assert_int_equal(got.ack, (uint32_t)(c->isn + 1 + sizeof(said)));
	assert_memory_equal(got.payload, said, 17);
}

/* A test, each way. */
#define WAYS(test)                                                                                 \
	{ #test " nat4", test, NULL, NULL, (void *)(uintptr_t)&ways[0] },                          \
		{ #test " nat6", test, NULL, NULL, (void *)(uintptr_t)&ways[1] },                  \
		{ #test " full4", test, NULL, NULL, (void *)(uintptr_t)&ways[2] },                 \
		{ #test " full6", test, NULL, NULL, (void *)(uintptr_t)&ways[3] },                 \
	{                                                                                          \
#test " mixed", test, NULL, NULL, (void *)(uintptr_t)&ways[4]                      \
	}

#endif

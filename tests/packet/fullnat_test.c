/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mode fullnat: both directions, the ports it takes and gives back, several sources, and the
 * client's address in a TCP option.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

#define TCP     6
#define UDP     17

#define ALL     64512 /* ports of one source toward one server */

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:c::7"

static const uint8_t payload[] = "an odd number of bytes, all of them ours";

/* ---- both directions ------------------------------------------------------------------------- */

struct path {
	const char *name;
	uint8_t proto;
	const char *vip, *client, *source;
	const char *servers[2];
	unsigned int workers;
	uint16_t rxqs, txqs;
};

#define SHAPES(...)                                                                                \
	{ __VA_ARGS__, 1, 1, 2 }, { __VA_ARGS__, 3, 3, 4 },                                        \
	{                                                                                          \
		__VA_ARGS__, 3, 1, 1                                                               \
	}
#define FOUR                                                                                       \
	"192.0.2.10", CLIENT4, "10.0.0.1",                                                         \
	{                                                                                          \
		"10.0.0.11", "10.0.0.12"                                                           \
	}
#define SIX                                                                                        \
	"2001:db8:1::10", CLIENT6, "2001:db8:2::1",                                                \
	{                                                                                          \
		"2001:db8:2::11", "2001:db8:2::12"                                                 \
	}

static const struct path paths[] = {
	SHAPES("IPv4 TCP", TCP, FOUR),
	SHAPES("IPv4 UDP", UDP, FOUR),
	SHAPES("IPv6 TCP", TCP, SIX),
	SHAPES("IPv6 UDP", UDP, SIX),
};

static void fill(struct frame *f, uint16_t len)
{
	f->payload = payload;
	f->payload_len = len;
}

static void assert_same(const struct frame *want, const struct frame *got)
{
	const char *field = frame_differs(want, got);

	if (field)
		fail_msg("wrong %s", field);
}

/* What a client sent, as the server must see it; returns the local port. */
static uint16_t check_server(
	struct harness *h, const struct path *p, const struct frame *sent, const struct frame *got)
{
	const struct harness_host *host = harness_find_host(h, LAN, got->dst, got->family);
	struct frame want = *sent;
	struct frame server;

	assert_non_null(host);
	want.ttl--;
	memcpy(want.dst, got->dst, 16);
	want.dport = 8080;
	frame_address(&want, want.src, p->source);
	want.sport = got->sport;
	memcpy(want.eth_src, h->nic[LAN]->mac.addr_bytes, 6);
	memcpy(want.eth_dst, host->mac, 6);
	assert_same(&want, got);
	frame_address(&server, server.dst, p->servers[0]);
	if (memcmp(server.dst, got->dst, 16) != 0)
		frame_address(&server, server.dst, p->servers[1]);
	assert_memory_equal(server.dst, got->dst, 16);
	assert_true(got->sport >= 1024);
	return got->sport;
}

/* The frame that answers one the server got. */
static struct frame answer(const struct frame *got, uint8_t flags, uint16_t len)
{
	struct frame f = *got;

	memcpy(f.src, got->dst, 16);
	memcpy(f.dst, got->src, 16);
	f.sport = got->dport;
	f.dport = got->sport;
	if (got->proto == TCP) {
		f.seq = got->ack;
		f.ack = got->seq + 1;
		f.flags = flags;
	}
	f.ttl = 64;
	f.options_len = 0;
	memset(f.eth_dst, 0, 6);
	memset(f.eth_src, 0, 6);
	fill(&f, len);
	return f;
}

static void answer_through(struct harness *h, const struct path *p, const struct frame *got,
	uint16_t client_port, uint8_t flags)
{
	struct frame back = answer(got, flags, flags & FRAME_SYN ? 0 : 33);
	struct frame out, want;

	out = harness_through(h, LAN, &back, WAN);
	want = back;
	want.ttl--;
	frame_address(&want, want.src, p->vip);
	frame_address(&want, want.dst, p->client);
	want.sport = 80;
	want.dport = client_port;
	memcpy(want.eth_src, h->nic[WAN]->mac.addr_bytes, 6);
	memcpy(want.eth_dst, h->host[got->family == 6].mac, 6);
	assert_same(&want, &out);
}

static void test_path(void **state)
{
	const struct path *p = *state;
	struct harness *h = harness_create(&(struct harness_conf){
		.file = "fullnat.json", .workers = p->workers, .rxqs = p->rxqs, .txqs = p->txqs });
	uint16_t ports[60];
	uint64_t handed = 0;

	for (uint16_t i = 0; i < 60; i++) {
		uint16_t client = (uint16_t)(40000 + i);
		struct frame f = frame_make(p->proto, p->client, client, p->vip, 80, FRAME_SYN);
		struct frame got, server;

		if (p->proto == UDP)
			fill(&f, 21);
		server = harness_through(h, WAN, &f, LAN);
		ports[i] = check_server(h, p, &f, &server);
		server.payload_len = 0;
		answer_through(h, p, &server, client, FRAME_SYN | FRAME_ACK);
		for (int more = 0; more < 5; more++) { /* from any queue */
			f = frame_make(p->proto, p->client, client, p->vip, 80, FRAME_ACK);
			f.tos = (uint8_t)(more << 2);
			f.df = f.family == 4 && more % 2;
			fill(&f, (uint16_t)(sizeof(payload) - more));
			got = harness_through(h, WAN, &f, LAN);
			assert_int_equal(check_server(h, p, &f, &got), ports[i]);
			assert_memory_equal(got.dst, server.dst, 16);
			answer_through(h, p, &got, client, FRAME_ACK | FRAME_PSH);
		}
	}
	for (unsigned int i = 0; i < 60; i++)
		for (unsigned int j = 0; j < i; j++)
			if (ports[i] == ports[j])
				assert_int_not_equal(i % 2, j % 2); /* toward another server */
	assert_int_equal(harness_flows(h), 60);
	assert_int_equal(harness_all_drops(h), 0);
	for (unsigned int i = 0; i < p->workers; i++)
		handed += h->workers->steer[i]->handed_over;
	assert_int_equal(handed > 0, p->workers > 1);
	harness_destroy(h);
}

int main(void)
{
	struct CMUnitTest tests[RTE_DIM(paths)];
	char names[RTE_DIM(paths)][64];
	size_t n = 0;

	for (size_t i = 0; i < RTE_DIM(paths); i++) {
		snprintf(names[i], sizeof(names[i]), "%s, %u workers, %u queues", paths[i].name,
			paths[i].workers, paths[i].rxqs);
		tests[n++] = (struct CMUnitTest){ names[i], test_path, NULL, NULL,
			(void *)(uintptr_t)&paths[i] };
	}
	harness_init();
	return _cmocka_run_group_tests("fullnat", tests, n, NULL, NULL);
}

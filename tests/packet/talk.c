/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections, spoken by hand: see talk.h. */
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct talk talk_of(struct harness *h, const struct where *at, uint16_t sport)
{
	return (struct talk){ .h = h, .at = at, .sport = sport };
}

struct frame talk_frame(const struct where *at, uint16_t sport, uint8_t flags)
{
	return frame_make(at->proto, at->client, sport, at->vip, 80, at->proto == TCP ? flags : 0);
}

void talk_client(struct talk *t, uint8_t flags)
{
	struct frame f = talk_frame(t->at, t->sport, flags);

	t->last = harness_through(t->h, WAN, &f, LAN);
}

void talk_server(struct talk *t, uint8_t flags)
{
	struct frame f = t->last;

	memcpy(f.src, t->last.dst, 16);
	memcpy(f.dst, t->last.src, 16);
	f.sport = t->last.dport;
	f.dport = t->last.sport;
	f.flags = t->at->proto == TCP ? flags : 0;
	f.ttl = 64;
	memset(f.eth_dst, 0, 6);
	memset(f.eth_src, 0, 6);
	harness_through(t->h, LAN, &f, WAN);
}

void talk_establish(struct talk *t)
{
	talk_client(t, FRAME_SYN);
	talk_server(t, FRAME_SYN | FRAME_ACK);
	talk_client(t, FRAME_ACK);
}

void talk_goes_on(struct talk *t)
{
	const struct frame before = t->last;

	talk_client(t, FRAME_ACK | FRAME_PSH);
	assert_memory_equal(before.eth_dst, t->last.eth_dst, 6);
	talk_server(t, FRAME_ACK | FRAME_PSH);
}

void talk_again(struct talk *t)
{
	const struct frame before = t->last;

	talk_client(t, FRAME_SYN);
	assert_memory_equal(before.eth_dst, t->last.eth_dst, 6);
}

void talk_more(struct talk *t, unsigned int n)
{
	const struct frame before = t->last;

	while (n-- > 0) {
		talk_client(t, FRAME_ACK);
		assert_memory_equal(before.eth_dst, t->last.eth_dst, 6);
	}
}

void talk_first(struct harness *h, const struct where *at, uint16_t sport)
{
	struct frame f = talk_frame(at, sport, FRAME_SYN);

	harness_send(h, WAN, &f);
}

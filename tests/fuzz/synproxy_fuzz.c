/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A TCP segment of arbitrary bytes meets the SYN proxy: net/tcpopt.c, guard/syncookie.c and
 * l4/proxied.c. The first byte chooses family and direction, the next ten by what is translated;
 * the rest is the segment. What parsing would not let through is not looked at.
 *
 * Required: a cookie made of its options brings them back and no other is taken; a translated
 * segment has a right checksum if it had one before, and its old bytes when it is translated back.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "guard/syncookie.h"
#include "l4/proxied.h"
#include "net/wire.h"
#include "test_eal.h"

#define CHOOSE_V6     0x01
#define CHOOSE_RETURN 0x02
#define CHOOSE_STAMPS 0x04
#define CHOOSE_SHIFT  0x08

#define CHOICE        11 /* bytes */
#define SEGMENT_MAX   1500

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static struct l4 l4;
static struct flow *flow;
static struct syncookie cookies;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct flow_conf conf = { .max_v4 = 16, .max_v6 = 1, .socket = SOCKET_ID_ANY };
	const struct hash_key secret = { { 1, 2 } };
	struct tuple forward = { .sport = 1, .dport = 2, .proto = IPPROTO_TCP }, back = forward;
	enum drop_reason reason;

	(void)argc;
	(void)argv;
	test_eal_init();
	l4.flows = flow_table_create(&conf, 0);
	require(l4.flows);
	require(addr_parse("198.51.100.7", &forward.src) == 0);
	require(addr_parse("192.0.2.10", &forward.dst) == 0);
	require(addr_parse("10.0.0.11", &back.src) == 0);
	back.dst = forward.src;
	flow = flow_open(l4.flows, &forward, &back, &reason);
	require(flow);
	syncookie_init(&cookies, &secret, 7);
	return 0;
}

static uint32_t load4(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, 4);
	return rte_be_to_cpu_32(v);
}

static void bake(const uint8_t *addrs, const uint8_t *tcp, bool v6)
{
	const struct syncookie_tuple t = { addrs, tcp, v6, load4(tcp + 4) };
	struct tcp_options o, back = { .wscale = TCPOPT_NO_SCALE }, wrong;
	uint32_t cookie;

	tcp_options_read(tcp, &o);
	cookie = syncookie_make(&cookies, &t, &o, load4(tcp + 8));
	back.has_timestamp = o.has_timestamp;
	back.tsecr = o.has_timestamp ? o.tsval : 0;
	wrong = back;
	require(syncookie_check(&cookies, &t, cookie, &back));
	require(back.sack_ok == o.sack_ok && back.wscale == o.wscale);
	require(!o.has_mss || back.mss <= RTE_MAX(o.mss, 64));
	require(!syncookie_check(&cookies, &t, cookie ^ 0x10, &wrong));
}

/* Of header and data, right or not. */
static uint16_t sum_of(const struct pkt *p)
{
	return wire_fold(
		wire_sum(p->l4, p->l4_len, wire_pseudo(p->l3, p->family, IPPROTO_TCP, p->l4_len)));
}

static void translate(struct pkt *p, const uint8_t *choice)
{
	struct flow_side *side = flow_side(l4.flows, flow);
	uint8_t was[SEGMENT_MAX];
	const uint16_t sum = sum_of(p);

	*side = (struct flow_side){ .seq_delta = load4(choice + 1),
		.stamp_delta = load4(choice + 5),
		.stamps = choice[0] & CHOOSE_STAMPS };
	if (choice[0] & CHOOSE_SHIFT)
		side->window_shift[p->dir] = (int8_t)(choice[9] % 29 - 14);
	memcpy(was, p->l4, p->l4_len);
	proxied_translate(&l4, p, flow);
	/* Zero has two forms. */
	require(sum_of(p) % 0xffff == sum % 0xffff);
	if (choice[0] & CHOOSE_SHIFT)
		return;
	side->seq_delta = -side->seq_delta;
	side->stamp_delta = -side->stamp_delta;
	proxied_translate(&l4, p, flow);
	memcpy(was + 16, p->l4 + 16, 2);
	require(memcmp(was, p->l4, p->l4_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const bool v6 = size > 0 && data[0] & CHOOSE_V6;
	const size_t ip = v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	const uint8_t *tcp = data + CHOICE;
	uint8_t *packet;
	struct pkt p;
	size_t len;

	if (size < CHOICE + sizeof(struct rte_tcp_hdr))
		return 0;
	len = RTE_MIN(size - CHOICE, (size_t)SEGMENT_MAX);
	if (tcp[12] >> 4 < 5 || (tcp[12] >> 4) * 4u > len)
		return 0;
	/* Its memory ends where it does. */
	packet = calloc(1, ip + len);
	require(packet);
	memcpy(packet + ip, tcp, len);
	memset(packet + (v6 ? 8 : 12), data[10], v6 ? 32 : 8);
	p = (struct pkt){
		.l3 = packet,
		.l4 = packet + ip,
		.l3_len = (uint16_t)(ip + len),
		.l4_len = (uint16_t)len,
		.family = v6 ? 6 : 4,
		.proto = IPPROTO_TCP,
		.tcp_flags = tcp[13],
		.dir = data[0] & CHOOSE_RETURN ? DIR_RETURN : DIR_FORWARD,
	};
	bake(pkt_addrs(&p), p.l4, v6);
	translate(&p, data);
	free(packet);
	return 0;
}

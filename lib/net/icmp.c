/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP and ICMPv6 of our own: answers to echo requests (RFC 792, RFC 4443 4.2) and errors about
 * packets that cannot be forwarded. icmp_input() runs after parse_burst(), which has checked
 * lengths and checksums; icmp_error() is called by whoever refuses a packet.
 *
 * Both are limited per worker, apart from each other, so that a flood of echo requests does not
 * suppress the errors that path MTU discovery lives on.
 */
#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "net.h"
#include "wire.h"

/* A millisecond each, and at once. */
#define ECHO_RATE     10
#define ECHO_BURST    1000
#define ERROR_RATE    1
#define ERROR_BURST   100

#define ECHO_REQUEST4 8
#define ECHO_REPLY4   0
#define ECHO_REQUEST6 128
#define ECHO_REPLY6   129

#define TTL           64

/* An error quotes what fits into this datagram (RFC 1812 4.3.2.3, RFC 4443 3.1). */
#define ERROR_MAX4 576
#define ERROR_MAX6 1280

#define IPV4_LEN   20
#define IPV6_LEN   40
#define ICMP_LEN   8

/* ---- rate ----------------------------------------------------------------------------------- */

static uint16_t leak(uint16_t level, uint32_t ms, uint32_t rate)
{
	return ms >= level / rate + 1 ? 0 : (uint16_t)(level - ms * rate);
}

static void limit_advance(struct icmp_limit *l, uint32_t now_ms)
{
	const uint32_t ms = now_ms - l->stamp;

	if (ms == 0)
		return;
	l->echoes = leak(l->echoes, ms, ECHO_RATE);
	l->errors = leak(l->errors, ms, ERROR_RATE);
	l->stamp = now_ms;
}

/* ---- IP headers of our own ------------------------------------------------------------------ */

/* How the IP header of a message of ours is to be; addresses as the family has them on the wire. */
struct header {
	uint8_t family;
	uint8_t tos;
	uint16_t l4_len;
	rte_be16_t id, fragment; /* IPv4 alone */
};

static uint32_t header_len(uint8_t family)
{
	return family == 4 ? IPV4_LEN : IPV6_LEN;
}

/* Copies the address into an IP header's source and destination field, and back. */
static void addr_store(uint8_t *to, uint8_t family, const struct addr *a)
{
	if (family == 4)
		memcpy(to, &a->w[3], 4);
	else
		memcpy(to, a->b, 16);
}

/* Writes a plain header, without options or extension headers, at l3. */
static void header_write(
	uint8_t *l3, const struct header *h, const struct addr *src, const struct addr *dst)
{
	if (h->family == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;

		*ip = (struct rte_ipv4_hdr){
			.version_ihl = 0x45,
			.type_of_service = h->tos,
			.total_length = rte_cpu_to_be_16(IPV4_LEN + h->l4_len),
			.packet_id = h->id,
			.fragment_offset = h->fragment,
			.time_to_live = TTL,
			.next_proto_id = IPPROTO_ICMP,
		};
		addr_store(l3 + 12, 4, src);
		addr_store(l3 + 16, 4, dst);
		ip->hdr_checksum = (uint16_t)~wire_fold(wire_sum_ipv4(l3));
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;

		*ip = (struct rte_ipv6_hdr){
			.vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)h->tos << 20),
			.payload_len = rte_cpu_to_be_16(h->l4_len),
			.proto = IPPROTO_ICMPV6,
			.hop_limits = TTL,
		};
		addr_store(l3 + 8, 6, src);
		addr_store(l3 + 24, 6, dst);
	}
}

/* ---- echo ----------------------------------------------------------------------------------- */

static bool is_echo_request(const struct pkt *p)
{
	return p->l4[0] == (p->family == 4 ? ECHO_REQUEST4 : ECHO_REQUEST6) && p->l4[1] == 0;
}

/*
 * Turns a request into its reply. Identification, DF and the type of service are the request's
 * (RFC 1122 3.2.2.6), options and extension headers are left out: the new header takes the last
 * bytes of the old ones, and what is then too much in front of the frame goes.
 */
static void echo_reply(struct pkt *p, const struct addr *to)
{
	const struct addr from = pkt_dst(p);
	struct header h = { .family = p->family, .l4_len = p->l4_len };
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)p->l4;
	uint16_t before, after;

	if (p->family == 4) {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)p->l3;

		h.tos = ip->type_of_service;
		h.id = ip->packet_id;
		h.fragment = ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	} else {
		h.tos = (uint8_t)(p->l3[0] << 4 | p->l3[1] >> 4);
	}

	memcpy(&before, p->l4, 2);
	icmp->icmp_type = p->family == 4 ? ECHO_REPLY4 : ECHO_REPLY6;
	memcpy(&after, p->l4, 2);
	/* The pseudo header of ICMPv6 sums up to the same with its addresses swapped. */
	icmp->icmp_cksum = wire_adjust(icmp->icmp_cksum, wire_diff2(before, after));
	/* A reply may be zeros alone: the one sum that an adjustment cannot tell from 0xffff (RFC
	 * 1624, 3). */
	if (unlikely(icmp->icmp_cksum == 0) && p->family == 4 &&
		wire_sum_mbuf(p->mbuf, (uint32_t)(p->l4 - rte_pktmbuf_mtod(p->mbuf, uint8_t *)),
			p->l4_len, 0) == 0)
		icmp->icmp_cksum = 0xffff;

	uint8_t *l3 = p->l4 - header_len(p->family);

	if (l3 != p->l3)
		rte_pktmbuf_adj(p->mbuf, (uint16_t)(l3 - p->l3));
	p->l3 = l3;
	p->l3_len = (uint16_t)(header_len(p->family) + p->l4_len);
	header_write(l3, &h, &from, to);
}

void icmp_input(struct net_worker *w, struct burst *b)
{
	limit_advance(&w->icmp, w->now_ms);
	for (struct pkt *p = b->pkt; p < b->pkt + b->n; p++) {
		if (p->verdict != PKT_ICMP)
			continue;
		if (!is_echo_request(p)) {
			/* Answers to the kernel's own requests, and what it alone understands. */
			if (net_kernel_wants(w->table, p))
				p->verdict = PKT_KERNEL;
			else
				pkt_drop(p, DROP_icmp_type);
			continue;
		}
		if (w->icmp.echoes >= ECHO_BURST) {
			pkt_drop(p, DROP_icmp_rate);
			continue;
		}

		const struct addr to = pkt_src(p);

		/* Nobody on a wire is one of us. */
		if (net_local(w->table, &to, NULL) != LOCAL_NONE) {
			pkt_drop(p, DROP_ip_martian);
			continue;
		}
		w->icmp.echoes++;
		echo_reply(p, &to);
		p->adj = net_resolve(w, p, &to);
		if (p->adj != ADJ_NONE)
			p->verdict = PKT_SEND;
	}
}

/* ---- errors --------------------------------------------------------------------------------- */

static const struct {
	uint8_t type, code;
} error_message[][2] = {
	/* IPv4, IPv6 */
	[ICMP_ERR_TOO_BIG] = { { 3, 4 }, { 2, 0 } },
	[ICMP_ERR_TTL] = { { 11, 0 }, { 3, 0 } },
	[ICMP_ERR_PORT] = { { 3, 3 }, { 1, 4 } },
	[ICMP_ERR_HOST] = { { 3, 1 }, { 1, 3 } },
	[ICMP_ERR_REASSEMBLY] = { { 11, 1 }, { 3, 1 } },
};

/* Whether p is ICMP other than echo: an error, or something that might be one. */
static bool is_icmp_error(const struct pkt *p)
{
	if (p->proto == IPPROTO_ICMP)
		return p->l4[0] != ECHO_REQUEST4 && p->l4[0] != ECHO_REPLY4;
	if (p->proto == IPPROTO_ICMPV6)
		return p->l4[0] != ECHO_REQUEST6 && p->l4[0] != ECHO_REPLY6;
	return false;
}

/* Whether an error about p may be sent, and from which address. */
static const struct addr *error_source(const struct net_worker *w, const struct pkt *p,
	const struct addr *src, const struct addr *dst)
{
	if (p->port == NET_PORT_NONE || is_icmp_error(p))
		return NULL;
	if (addr_is_zero(src) || addr_is_multicast(src) || addr_is_multicast(dst) ||
		net_local(w->table, src, NULL) != LOCAL_NONE)
		return NULL;
	if (net_local(w->table, dst, NULL) != LOCAL_NONE)
		return dst;
	return net_source(net_port(w->table, p->port), src);
}

/* The ICMP header and the quoted packet, which is to follow it already. */
static void error_write(
	uint8_t *l4, const struct header *h, enum icmp_err what, uint16_t mtu, const uint8_t *l3)
{
	const bool v6 = h->family == 6;
	uint16_t cksum;

	l4[0] = error_message[what][v6].type;
	l4[1] = error_message[what][v6].code;
	memset(l4 + 2, 0, ICMP_LEN - 2);
	if (what ==
		ICMP_ERR_TOO_BIG) { /* low half of the word in both (RFC 1191 4, RFC 4443 3.2) */
		const rte_be16_t be = rte_cpu_to_be_16(mtu);

		memcpy(l4 + 6, &be, 2);
	}
	cksum = (uint16_t)~wire_fold(
		wire_sum(l4, h->l4_len, v6 ? wire_pseudo(l3, 6, IPPROTO_ICMPV6, h->l4_len) : 0));
	memcpy(l4 + 2, &cksum, 2);
}

void icmp_error(struct net_worker *w, const struct pkt *p, enum icmp_err what, uint16_t mtu)
{
	const struct addr src = pkt_src(p), dst = pkt_dst(p);
	const struct addr *from = error_source(w, p, &src, &dst);
	const uint32_t ip_len = header_len(p->family);
	const uint32_t room = (p->family == 4 ? ERROR_MAX4 : ERROR_MAX6) - ip_len - ICMP_LEN;
	const uint32_t quote = RTE_MIN((uint32_t)p->l3_len, room);
	struct header h = { .family = p->family, .l4_len = (uint16_t)(ICMP_LEN + quote) };

	limit_advance(&w->icmp, w->now_ms);
	if (!from || w->icmp.errors >= ERROR_BURST)
		return;

	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);

	if (!m) {
		counter_add(&w->drop[DROP_no_mbuf], 1);
		return;
	}

	uint8_t *frame =
		(uint8_t *)rte_pktmbuf_append(m, (uint16_t)(RTE_ETHER_HDR_LEN + ip_len + h.l4_len));

	if (!frame) {
		rte_pktmbuf_free(m);
		return;
	}

	uint8_t *l3 = frame + RTE_ETHER_HDR_LEN, *l4 = l3 + ip_len;
	const void *quoted = rte_pktmbuf_read(p->mbuf,
		(uint32_t)(p->l3 - rte_pktmbuf_mtod(p->mbuf, uint8_t *)), quote, l4 + ICMP_LEN);

	if (!quoted) {
		rte_pktmbuf_free(m);
		return;
	}
	if (quoted != l4 + ICMP_LEN)
		memcpy(l4 + ICMP_LEN, quoted, quote);
	memset(frame, 0, RTE_ETHER_HDR_LEN);
	header_write(l3, &h, from, &src);
	error_write(l4, &h, what, mtu, l3);
	w->icmp.errors++;
	net_send(w, m, RTE_ETHER_HDR_LEN, &src);
}

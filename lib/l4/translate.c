/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers of the other family: see translate.h. The transport header stays where it is, and the new
 * IP header goes in front of it; an ICMP error has three more headers in front of the quoted
 * transport header, written from the inside out after what they are made of has been read.
 */
#include "translate.h"

#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "base/invariant.h"
#include "net/poison.h"
#include "rewrite.h"

#define IPV4_LEN 20
#define IPV6_LEN 40
#define ICMP_LEN 8

/* ---- IP headers ----------------------------------------------------------------------------- */

/* What the headers of both families say. */
struct header {
	uint8_t family;
	uint8_t tos, ttl;
	uint8_t proto;
	bool df;     /* IPv4 */
	uint16_t id; /* IPv4 */
	uint16_t l4_len;
};

static uint8_t header_len(uint8_t family)
{
	return family == 4 ? IPV4_LEN : IPV6_LEN;
}

/* Reads tos and ttl. */
static struct header header_read(const uint8_t *l3, uint8_t family)
{
	struct header h = { .family = family };

	if (family == 4) {
		h.tos = l3[1];
		h.ttl = l3[8];
	} else {
		h.tos = (uint8_t)(l3[0] << 4 | l3[1] >> 4);
		h.ttl = l3[7];
	}
	return h;
}

/* Source and destination as the family has them on the wire; returns their length. */
static uint8_t addresses_put(
	uint8_t out[static 32], uint8_t family, const struct addr *src, const struct addr *dst)
{
	if (family == 4) {
		memcpy(out, &src->w[3], 4);
		memcpy(out + 4, &dst->w[3], 4);
		return 8;
	}
	memcpy(out, src->b, 16);
	memcpy(out + 16, dst->b, 16);
	return 32;
}

/* addrs: as addresses_put() made them. */
static void header_write(uint8_t *l3, const struct header *h, const uint8_t *addrs)
{
	if (h->family == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;

		*ip = (struct rte_ipv4_hdr){
			.version_ihl = 0x45,
			.type_of_service = h->tos,
			.total_length = rte_cpu_to_be_16(IPV4_LEN + h->l4_len),
			.packet_id = rte_cpu_to_be_16(h->id),
			.fragment_offset = h->df ? RTE_BE16(RTE_IPV4_HDR_DF_FLAG) : 0,
			.time_to_live = h->ttl,
			.next_proto_id = h->proto,
		};
		memcpy(l3 + 12, addrs, 8);
		ip->hdr_checksum = (uint16_t)~wire_fold(wire_sum_ipv4(l3));
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;

		*ip = (struct rte_ipv6_hdr){
			.vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)h->tos << 20),
			.payload_len = rte_cpu_to_be_16(h->l4_len),
			.proto = h->proto,
			.hop_limits = h->ttl,
		};
		memcpy(l3 + 8, addrs, 32);
	}
}

/* Whether IP and link headers that begin here are inside the buffer. */
static bool has_room(const struct rte_mbuf *m, const uint8_t *l3)
{
	return l3 - (const uint8_t *)m->buf_addr >= RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN;
}

/* ---- transport headers ---------------------------------------------------------------------- */

/* The change that other addresses and ports make to a checksum; writes the ports. The lengths and
 * protocols of the two pseudo headers sum up to the same. */
static uint64_t ends_change(uint8_t *l4, const uint8_t *old, uint8_t old_len, const uint8_t *new,
	uint8_t new_len, const struct tuple *to)
{
	const rte_be16_t ports[2] = { to->sport, to->dport };
	uint32_t old_ports, new_ports;

	memcpy(&old_ports, l4, 4);
	memcpy(&new_ports, ports, 4);
	memcpy(l4, ports, 4);
	return (uint16_t)~wire_fold(wire_sum(old, old_len, 0)) + wire_sum(new, new_len, 0) +
	       wire_diff4(old_ports, new_ports);
}

/* A UDP datagram without a checksum gets one: IPv6 needs it (RFC 7915 4.5). */
static void udp_sum(struct pkt *p)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)p->l4;
	const uint32_t len = rte_be_to_cpu_16(udp->dgram_len);
	const uint32_t off = (uint32_t)(p->l4 - rte_pktmbuf_mtod(p->mbuf, uint8_t *));
	const uint16_t sum = (uint16_t)~wire_fold(
		wire_sum_mbuf(p->mbuf, off, len, wire_pseudo(p->l3, 6, IPPROTO_UDP, len)));

	udp->dgram_cksum = sum ? sum : 0xffff;
}

/* ---- packets -------------------------------------------------------------------------------- */

/* The header's DF and identification toward IPv4 (RFC 7915 5.1). Those of a fragment header are not
 * taken over: many clients share one source, and their numbers meet. */
static void may_split4(const struct pkt *p, struct header *h, uint16_t id)
{
	h->df = !(p->flags & PKT_SPLIT) &&
		IPV4_LEN + h->l4_len > TRANSLATE_MTU_MIN - TRANSLATE_GROWTH;
	h->id = h->df ? 0 : id;
}

/* Toward IPv6 (RFC 7915 4): p, still IPv4, is split here if anybody may. */
static void may_split6(struct pkt *p)
{
	if (p->l4_len <= TRANSLATE_MTU_MIN - IPV6_LEN || !packet_may_split(p, UINT16_MAX))
		return;
	p->flags |= PKT_SPLIT;
	if (p->split == 0 || p->split > TRANSLATE_MTU_MIN)
		p->split = TRANSLATE_MTU_MIN;
}

enum drop_reason translate_packet(struct pkt *p, const struct tuple *to, uint16_t id)
{
	struct header h = header_read(p->l3, p->family);
	const uint8_t to_family = p->family == 4 ? 6 : 4;
	uint8_t *l3 = p->l4 - header_len(to_family);
	uint8_t addrs[32], len;
	uint64_t change;

	if (to_family == 6 && p->l4_len > UINT16_MAX - IPV6_LEN)
		return DROP_ip_length;
	if (!has_room(p->mbuf, l3))
		return DROP_no_headroom;
	h.family = to_family;
	h.proto = p->proto;
	h.l4_len = p->l4_len;
	len = addresses_put(addrs, to_family, &to->src, &to->dst);
	change = ends_change(p->l4, pkt_addrs(p), p->family == 4 ? 8 : 32, addrs, len, to);
	rewrite_l4_checksum(p, change);
	if (to_family == 4)
		may_split4(p, &h, id);
	else
		may_split6(p);
	pkt_unpoison(p->mbuf);
	header_write(l3, &h, addrs);
	p->l3 = l3;
	p->l3_len = (uint16_t)(header_len(to_family) + p->l4_len);
	p->family = to_family;
	if (to_family == 6 && p->proto == IPPROTO_UDP &&
		((struct rte_udp_hdr *)p->l4)->dgram_cksum == 0)
		udp_sum(p);
	return DROP_none;
}

uint16_t translate_limit(const struct pkt *p, uint16_t mtu)
{
	const int gone = (int)(p->l4 - p->l3);
	const int limit = mtu + gone - (p->family == 4 ? IPV6_LEN : IPV4_LEN);

	if (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP)
		return UINT16_MAX;
	return (uint16_t)RTE_MAX(
		0, RTE_MIN(p->family == 6 ? RTE_MAX(limit, TRANSLATE_MTU_MIN) : limit, UINT16_MAX));
}

/* ---- ICMP errors: types, codes, second words ------------------------------------------------ */

#define UNREACHABLE4  3
#define EXCEEDED4     11
#define PARAMETER4    12
#define UNREACHABLE6  1
#define TOO_BIG6      2
#define EXCEEDED6     3
#define PARAMETER6    4

#define TOO_BIG4_CODE 4

struct message {
	uint8_t type, code; /* type 0: there is none */
	uint32_t rest;      /* the header's second word, host order */
};

/* The ICMPv6 message of "destination unreachable" by code; what is not here is dropped. */
static const struct {
	uint8_t type, code;
} unreachable4[] = {
	[0] = { UNREACHABLE6, 0 },
	[1] = { UNREACHABLE6, 0 },
	[2] = { PARAMETER6, 1 }, /* protocol: it points to the next header, below */
	[3] = { UNREACHABLE6, 4 },
	[TOO_BIG4_CODE] = { TOO_BIG6, 0 },
	[5 ... 8] = { UNREACHABLE6, 0 },
	[9 ... 10] = { UNREACHABLE6, 1 },
	[11 ... 12] = { UNREACHABLE6, 0 },
	[13] = { UNREACHABLE6, 1 },
	[15] = { UNREACHABLE6, 1 },
};

/* The ICMP code of "destination unreachable" by ICMPv6's. */
static const uint8_t unreachable6[] = { 1, 10, 1, 1, 3 };

#define NOWHERE 0xff

/* Where the field that an IPv4 header has at an offset is in an IPv6 header, and back; the offset
 * of a field is that of its first byte. */
static const uint8_t pointer4[IPV4_LEN] = { 0, 1, 4, 4, NOWHERE, NOWHERE, NOWHERE, NOWHERE, 7, 6,
	NOWHERE, NOWHERE, 8, 8, 8, 8, 24, 24, 24, 24 };
static const uint8_t pointer6[IPV6_LEN] = { 0, 1, NOWHERE, NOWHERE, 2, 2, 9, 8, [8 ... 23] = 12,
	[24 ... 39] = 16 };

/* A router that does not say the next hop's MTU: the next usual one (RFC 1191 7.1). */
static uint32_t plateau(uint32_t len)
{
	static const uint16_t usual[] = { 65535, 32000, 17914, 8166, 4352, 2002, 1492 };

	for (unsigned int i = 0; i < RTE_DIM(usual); i++)
		if (usual[i] < len)
			return usual[i];
	return 0;
}

static struct message message_to6(const uint8_t *icmp, const uint8_t *quoted)
{
	struct message m = { 0 };
	uint32_t mtu;

	if (icmp[0] == EXCEEDED4)
		return (struct message){ EXCEEDED6, icmp[1], 0 };
	if (icmp[0] == PARAMETER4 && (icmp[1] == 0 || icmp[1] == 2)) {
		if (icmp[4] < IPV4_LEN && pointer4[icmp[4]] != NOWHERE)
			m = (struct message){ PARAMETER6, 0, pointer4[icmp[4]] };
		return m;
	}
	if (icmp[0] != UNREACHABLE4 || icmp[1] >= RTE_DIM(unreachable4))
		return m;
	m.type = unreachable4[icmp[1]].type;
	m.code = unreachable4[icmp[1]].code;
	if (m.type == PARAMETER6)
		m.rest = offsetof(struct rte_ipv6_hdr, proto);
	if (m.type == TOO_BIG6) {
		mtu = (uint32_t)icmp[6] << 8 | icmp[7];
		if (mtu == 0)
			mtu = plateau((uint32_t)quoted[2] << 8 | quoted[3]);
		m.rest = RTE_MAX(mtu + TRANSLATE_GROWTH, (uint32_t)TRANSLATE_MTU_MIN);
	}
	return m;
}

static struct message message_to4(const uint8_t *icmp, const uint8_t *quoted)
{
	struct message m = { 0 };
	uint32_t rest;

	memcpy(&rest, icmp + 4, 4);
	rest = rte_be_to_cpu_32(rest);
	switch (icmp[0]) {
	case UNREACHABLE6:
		if (icmp[1] < RTE_DIM(unreachable6))
			m = (struct message){ UNREACHABLE4, unreachable6[icmp[1]], 0 };
		break;
	case TOO_BIG6:
		/* Less than 1280 is no MTU of IPv6 (RFC 8201 4). What was split on its way has a
		 * header more. */
		rest = RTE_MAX(RTE_MIN(rest, (uint32_t)UINT16_MAX), (uint32_t)TRANSLATE_MTU_MIN);
		rest -= TRANSLATE_GROWTH + (quoted[6] == IPPROTO_FRAGMENT ? 8 : 0);
		m = (struct message){ UNREACHABLE4, TOO_BIG4_CODE, rest };
		break;
	case EXCEEDED6:
		m = (struct message){ EXCEEDED4, icmp[1], 0 };
		break;
	case PARAMETER6:
		if (icmp[1] == 1)
			m = (struct message){ UNREACHABLE4, 2, 0 };
		else if (icmp[1] == 0 && rest < IPV6_LEN && pointer6[rest] != NOWHERE)
			m = (struct message){ PARAMETER4, 0, (uint32_t)pointer6[rest] << 24 };
		break;
	}
	return m;
}

/* ---- ICMP errors: what they quote ----------------------------------------------------------- */

/* The bytes of transport header and payload that the quoted packet had when it was sent. */
static uint16_t quoted_l4_len(const uint8_t *quoted, const uint8_t *quoted_l4, uint8_t family)
{
	const int len =
		family == 4 ? quoted[2] << 8 | quoted[3] : IPV6_LEN + (quoted[4] << 8 | quoted[5]);
	const int header = (int)(quoted_l4 - quoted);

	return (uint16_t)RTE_MAX(0, RTE_MIN(len - header, UINT16_MAX - IPV6_LEN));
}

/*
 * How many bytes from quoted_l4 on are to go on: all there are, but for extensions behind the
 * quoted packet (RFC 4884), which stand elsewhere in the other family, and what an IPv6 error has
 * no room for (RFC 4443 2.4).
 */
static uint32_t quote_kept(const struct pkt *p, const uint8_t *quoted, const uint8_t *quoted_l4)
{
	const uint8_t *icmp = p->l4, *end = p->l4 + p->l4_len;
	const uint32_t header = (uint32_t)(quoted_l4 - quoted);
	uint32_t kept = (uint32_t)(end - quoted_l4), words = 0, was;

	if (p->family == 4)
		words = icmp[5] *
			(icmp[0] == UNREACHABLE4 || icmp[0] == EXCEEDED4 || icmp[0] == PARAMETER4);
	else if (icmp[0] == UNREACHABLE6 || icmp[0] == EXCEEDED6)
		words = icmp[4] * 2u;
	if (words && words * 4 >= header + 8) {
		kept = RTE_MIN(kept, words * 4 - header);
		/* Short packets are padded up to the extensions. */
		was = quoted_l4_len(quoted, quoted_l4, p->family);
		kept = RTE_MIN(kept, RTE_MAX(was, 8u));
	}
	if (p->family == 4)
		kept = RTE_MIN(kept, TRANSLATE_MTU_MIN - 2u * IPV6_LEN - ICMP_LEN);
	return kept;
}

/* Puts ports and checksum of the quoted transport header, of which len bytes are there, to what
 * they were in the packet sent. */
static void quote_transport(uint8_t *l4, uint32_t len, const uint8_t *old, uint8_t old_len,
	const uint8_t *new, uint8_t new_len, const struct tuple *sent)
{
	const bool udp = sent->proto == IPPROTO_UDP;
	const uint32_t at = udp ? offsetof(struct rte_udp_hdr, dgram_cksum)
				: offsetof(struct rte_tcp_hdr, cksum);
	const uint64_t change = ends_change(l4, old, old_len, new, new_len, sent);
	uint16_t sum;

	if (len < at + 2)
		return;
	memcpy(&sum, l4 + at, 2);
	if (udp && sum == 0)
		return;
	sum = wire_adjust(sum, change);
	if (udp && sum == 0)
		sum = 0xffff;
	memcpy(l4 + at, &sum, 2);
}

/* The ICMP header at l4, whose quote is there, before an IP header at l3. */
static void icmp_write(
	uint8_t *l3, uint8_t family, uint8_t *l4, uint16_t l4_len, const struct message *m)
{
	const rte_be32_t rest = rte_cpu_to_be_32(m->rest);
	uint16_t sum;

	l4[0] = m->type;
	l4[1] = m->code;
	memset(l4 + 2, 0, 2);
	memcpy(l4 + 4, &rest, 4);
	sum = (uint16_t)~wire_fold(
		wire_sum(l4, l4_len, family == 6 ? wire_pseudo(l3, 6, IPPROTO_ICMPV6, l4_len) : 0));
	memcpy(l4 + 2, &sum, 2);
}

enum drop_reason translate_error(struct pkt *p, const uint8_t *quoted, uint8_t *quoted_l4,
	const struct tuple *sent, uint16_t id)
{
	const uint8_t from = p->family, to = from == 4 ? 6 : 4, len = header_len(to);
	struct message message = to == 6 ? message_to6(p->l4, quoted) : message_to4(p->l4, quoted);
	struct header outer = header_read(p->l3, from), inner = header_read(quoted, from);
	uint8_t *inner_l3 = quoted_l4 - len, *l4 = inner_l3 - ICMP_LEN, *l3 = l4 - len;
	uint8_t addrs[32], addrs_len;
	uint32_t kept;

	if (message.type == 0)
		return DROP_icmp_type;
	pkt_unpoison(p->mbuf);
	if (!has_room(p->mbuf, l3) || rte_pktmbuf_linearize(p->mbuf) != 0)
		return DROP_no_headroom;
	kept = quote_kept(p, quoted, quoted_l4);
	x_assert(kept >= 8);

	inner.family = to;
	inner.proto = sent->proto;
	inner.l4_len = quoted_l4_len(quoted, quoted_l4, from);
	inner.df = true;
	addrs_len = addresses_put(addrs, to, &sent->src, &sent->dst);
	quote_transport(quoted_l4, kept, quoted + (from == 4 ? 12 : 8), from == 4 ? 8 : 32, addrs,
		addrs_len, sent);
	header_write(inner_l3, &inner, addrs);

	outer.family = to;
	outer.proto = to == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	outer.l4_len = (uint16_t)(ICMP_LEN + len + kept);
	outer.id = id;
	addresses_put(addrs, to, &sent->dst, &sent->src);
	header_write(l3, &outer, addrs);
	icmp_write(l3, to, l4, outer.l4_len, &message);

	p->l3 = l3;
	p->l4 = l4;
	p->l3_len = (uint16_t)(len + outer.l4_len);
	p->l4_len = outer.l4_len;
	p->family = to;
	p->proto = outer.proto;
	return DROP_none;
}

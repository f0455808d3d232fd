/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a burst of frames and decides for each what it is: see parse.h.
 *
 *   parse_frame --> parse_ipv4 --> parse_transport     a TCP or UDP packet: straight, inlined
 *               \-> parse_ipv6 -/
 *
 * Everything that an ordinary packet does not need is in a function of its own, marked cold: a new
 * port, options and extension headers, multicast, ICMP, trimming, joining segments. Such a function
 * returns false after it has set a verdict other than PKT_GO.
 *
 * No byte is read before need() or the packet's length has allowed it.
 */
#include "parse.h"

#include <netinet/in.h>

#include <rte_arp.h>
#include <rte_branch_prediction.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "poison.h"
#include "wire.h"

/* Not __rte_cold: GCC then takes the straight path for unlikely too and compiles it for size. */
#define cold __rte_noinline

/* Frames whose first line is asked for before they are looked at. */
#define AHEAD 6

#define IPV4_LEN   20
#define IPV6_LEN   40
#define L4_MIN     8  /* UDP, and every ICMP message there is */
#define TCP_LEN    20

#define IPV6_EXT_MAX 8 /* extension headers that are walked */

#define PROTO_VRRP 112

#define LINK_NONE UINT32_MAX

struct parser {
	struct net_worker *w;
	const struct net_table *table;
	const struct hash_key *key;
	/* The nic and VLAN of the last frame and what they stand for; ports change seldom within
	 * a burst, so its frames are counted here first. */
	uint32_t link;
	uint8_t port;
	uint64_t mac; /* as mac_load() gives it */
	uint64_t packets, bytes;
	bool counted; /* by the worker that received them */
};

/* ---- small things --------------------------------------------------------------------------- */

static inline uint64_t mac_load(const void *frame)
{
	uint64_t v;

	memcpy(&v, frame, 8);
	return v & RTE_BE64(0xffffffffffff0000);
}

static inline uint32_t load4(const void *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static inline uint32_t l3_room(const struct pkt *p)
{
	return p->mbuf->pkt_len - RTE_ETHER_HDR_LEN;
}

static cold bool join(struct pkt *p, uint32_t len)
{
	struct rte_mbuf *m = p->mbuf;
	bool ok = m->pkt_len >= len;

	if (ok) {
		pkt_unpoison(m);
		ok = rte_pktmbuf_linearize(m) == 0;
		pkt_poison(m);
	}
	if (!ok)
		pkt_drop(p, DROP_frame_short);
	return ok;
}

/* Makes the first len bytes of the frame contiguous. Pointers into the first segment stay good. */
static __rte_always_inline bool need(struct pkt *p, uint32_t len)
{
	return likely(p->mbuf->data_len >= len) || join(p, len);
}

/* The same counted from the IP header. */
static __rte_always_inline bool need_l3(struct pkt *p, uint32_t len)
{
	return need(p, RTE_ETHER_HDR_LEN + len);
}

/* Cuts the frame to an IP datagram of len bytes: what follows is the padding of short frames. */
static cold bool fit(struct pkt *p, uint32_t len)
{
	struct rte_mbuf *m = p->mbuf, *last = m;
	uint32_t left = RTE_ETHER_HDR_LEN + len;

	if (len > l3_room(p)) {
		pkt_drop(p, DROP_frame_truncated);
		return false;
	}
	m->pkt_len = left;
	while (left > last->data_len) {
		left -= last->data_len;
		last = last->next;
	}
	last->data_len = (uint16_t)left;
	if (last->next) {
		pkt_unpoison(last->next);
		rte_pktmbuf_free(last->next);
		last->next = NULL;
		m->nb_segs = 1;
		for (last = m; last->next; last = last->next)
			m->nb_segs++;
	}
	pkt_poison(m);
	return true;
}

/* ---- destination ---------------------------------------------------------------------------- */

static __rte_always_inline enum local_kind local_kind(
	const struct parser *ps, struct pkt *p, uint8_t family)
{
	const struct addr dst = family == 4 ? addr_from_v4(load4(p->l3 + 16)) :
					      addr_from_v6(p->l3 + 24);
	enum local_kind kind = net_local(ps->table, &dst, NULL);

	p->flags = kind == LOCAL_VIRTUAL ? PKT_VIRTUAL : kind == LOCAL_PORT ? PKT_OURS : 0;
	return kind;
}

/* Neither TCP, UDP nor ICMP. */
static cold void parse_other(const struct parser *ps, struct pkt *p, uint8_t family)
{
	if (p->proto != IPPROTO_NONE && local_kind(ps, p, family) == LOCAL_PORT)
		p->verdict = PKT_PUNT;
	else
		pkt_drop(p, DROP_ip_protocol);
}

/* ---- TCP and UDP ---------------------------------------------------------------------------- */

static inline uint64_t l4_sum(const struct pkt *p, uint32_t len, uint64_t sum)
{
	const struct rte_mbuf *m = p->mbuf;

	if (likely(m->nb_segs == 1))
		return wire_sum(p->l4, len, sum);
	return wire_sum_mbuf(m, (uint32_t)(p->l4 - rte_pktmbuf_mtod(m, uint8_t *)), len, sum);
}

/* A neighbouring guest's packet that a virtual device passed on before any checksum was made. */
static cold void fill_checksum(struct pkt *p, uint32_t len, uint64_t pseudo, rte_be16_t *field)
{
	*field = 0;
	*field = (rte_be16_t)~wire_fold(l4_sum(p, len, pseudo));
	if (*field == 0 && p->proto == IPPROTO_UDP)
		*field = 0xffff;
}

static __rte_always_inline bool l4_checksum(
	struct pkt *p, uint8_t family, uint8_t proto, uint32_t len, rte_be16_t *field)
{
	const uint64_t flags = p->mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	if (flags == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;

	/* What a device calls bad is summed again: some err about UDP without a checksum. */
	const uint64_t pseudo = wire_pseudo(p->l3, family, proto, len);

	if (unlikely(flags == RTE_MBUF_F_RX_L4_CKSUM_NONE))
		fill_checksum(p, len, pseudo, field);
	else if (unlikely(wire_fold(l4_sum(p, len, pseudo)) != 0xffff)) {
		pkt_drop(p, DROP_l4_checksum);
		return false;
	}
	return true;
}

/*
 * Bit i: TCP flags i (FIN SYN RST PSH ACK) can be true of a segment. At most one of SYN, RST and FIN,
 * and ACK everywhere but in a SYN or RST (RFC 9293 3.10.7); PSH, URG and the ECN bits are free.
 */
#define SYN_RST_ACK                                                                                \
	(1u << TCP_SYN | 1u << TCP_RST | 1u << TCP_ACK | 1u << (TCP_ACK | TCP_FIN) |               \
		1u << (TCP_ACK | TCP_SYN) | 1u << (TCP_ACK | TCP_RST))
#define TCP_FLAGS_OK (SYN_RST_ACK | SYN_RST_ACK << TCP_PSH)

static __rte_always_inline bool parse_tcp(struct pkt *p, uint8_t family, uint32_t l4_off)
{
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)p->l4;

	if (unlikely(p->l4_len < TCP_LEN)) {
		pkt_drop(p, DROP_l4_header);
		return false;
	}
	if (!need_l3(p, l4_off + TCP_LEN))
		return false;

	const uint32_t len = (tcp->data_off >> 4) * 4;

	if (unlikely(len < TCP_LEN || len > p->l4_len)) {
		pkt_drop(p, DROP_l4_header);
		return false;
	}
	if (!need_l3(p, l4_off + len))
		return false;
	if (unlikely(!(TCP_FLAGS_OK >> (tcp->tcp_flags & 0x1f) & 1))) {
		pkt_drop(p, DROP_tcp_flags);
		return false;
	}
	p->tcp_flags = tcp->tcp_flags;
	return l4_checksum(p, family, IPPROTO_TCP, p->l4_len, &tcp->cksum);
}

static __rte_always_inline bool parse_udp(struct pkt *p, uint8_t family, uint32_t l4_off)
{
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)p->l4;

	if (unlikely(p->l4_len < L4_MIN)) {
		pkt_drop(p, DROP_l4_header);
		return false;
	}
	if (!need_l3(p, l4_off + L4_MIN))
		return false;

	const uint32_t len = rte_be_to_cpu_16(udp->dgram_len);

	/* The IP payload may be longer; what follows is not the datagram's. */
	if (unlikely(len < L4_MIN || len > p->l4_len)) {
		pkt_drop(p, DROP_l4_header);
		return false;
	}
	if (unlikely(udp->dgram_cksum == 0)) {
		if (family == 4)
			return true;
		pkt_drop(p, DROP_l4_checksum); /* RFC 8200 8.1 */
		return false;
	}
	return l4_checksum(p, family, IPPROTO_UDP, len, &udp->dgram_cksum);
}

static cold void parse_icmp(const struct parser *ps, struct pkt *p, uint8_t family);

/* p->proto and what lies l4_off bytes after the IP header. */
static __rte_always_inline void parse_transport(
	const struct parser *ps, struct pkt *p, uint8_t family, uint32_t l4_off)
{
	p->l4 = p->l3 + l4_off;
	p->l4_len = (uint16_t)(p->l3_len - l4_off);

	if (likely(p->proto == IPPROTO_TCP)) {
		if (!parse_tcp(p, family, l4_off))
			return;
	} else if (likely(p->proto == IPPROTO_UDP)) {
		if (!parse_udp(p, family, l4_off))
			return;
	} else {
		if (p->proto == (family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
			parse_icmp(ps, p, family);
		else
			parse_other(ps, p, family);
		return;
	}

	const uint32_t ports = load4(p->l4);

	if (unlikely(!(ports & RTE_BE32(0xffff0000)) || !(ports & RTE_BE32(0x0000ffff)))) {
		pkt_drop(p, DROP_port_zero);
		return;
	}
	local_kind(ps, p, family);
	p->hash = family == 4 ? hash_tuple4(ps->key, p->l3 + 12, p->l4, p->proto) :
				hash_tuple6(ps->key, p->l3 + 8, p->l4, p->proto);
	p->verdict = PKT_GO;
}

/* ---- ICMP ----------------------------------------------------------------------------------- */

/* Where neighbour discovery sends to many: all nodes, or a solicited node (RFC 4291 2.7.1). */
static bool is_nd_group(const uint8_t *dst)
{
	static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
	static const uint8_t solicited[13] = { 0xff, 0x02, [11] = 1, [12] = 0xff };

	return memcmp(dst, all_nodes, sizeof(all_nodes)) == 0 ||
	       memcmp(dst, solicited, sizeof(solicited)) == 0;
}

/* Router and neighbour solicitations and advertisements, redirects (RFC 4861). */
static void parse_nd(struct pkt *p)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)p->l3;

	if (ip->hop_limits != 255) /* came through a router: RFC 4861 7.1 */
		pkt_drop(p, DROP_nd_invalid);
	else if (ip->dst_addr[0] == 0xff && !is_nd_group(ip->dst_addr))
		pkt_drop(p, DROP_not_for_us);
	else
		p->verdict = PKT_PUNT;
}

static cold void parse_icmp(const struct parser *ps, struct pkt *p, uint8_t family)
{
	const uint64_t pseudo =
		family == 4 ? 0 : wire_pseudo(p->l3, 6, IPPROTO_ICMPV6, p->l4_len);

	if (p->l4_len < L4_MIN) {
		pkt_drop(p, DROP_l4_header);
		return;
	}
	if (!need_l3(p, (uint32_t)(p->l4 - p->l3) + L4_MIN))
		return;
	if (wire_fold(l4_sum(p, p->l4_len, pseudo)) != 0xffff) {
		pkt_drop(p, DROP_l4_checksum);
		return;
	}
	if (family == 6 && p->l4[0] >= 133 && p->l4[0] <= 137)
		parse_nd(p);
	else if (local_kind(ps, p, family) != LOCAL_NONE)
		p->verdict = PKT_ICMP;
	else
		pkt_drop(p, DROP_icmp_type);
}

/* ---- IPv4 ----------------------------------------------------------------------------------- */

/* Version and header length that are not those of a plain header; sets len, makes it contiguous. */
static cold bool ipv4_header(struct pkt *p, uint32_t *len)
{
	*len = (p->l3[0] & 0xf) * 4;
	if (p->l3[0] >> 4 != 4)
		pkt_drop(p, DROP_ip_version);
	else if (*len < IPV4_LEN)
		pkt_drop(p, DROP_ip_header);
	else
		return need_l3(p, *len);
	return false;
}

/* Options are let through but for the two that name a route (RFC 7126 4.3, 4.4). */
static cold bool ipv4_options(struct pkt *p, uint32_t len)
{
	const uint8_t *o = p->l3 + IPV4_LEN, *end = p->l3 + len;

	while (o < end && o[0] != 0) {
		if (o[0] == 1) {
			o++;
			continue;
		}
		if (end - o < 2 || o[1] < 2 || o[1] > end - o) {
			pkt_drop(p, DROP_ip_header);
			return false;
		}
		if (o[0] == 131 || o[0] == 137) {
			pkt_drop(p, DROP_ip_source_route);
			return false;
		}
		o += o[1];
	}
	return true;
}

/* 0.0.0.0/8, 127.0.0.0/8 and 224.0.0.0/3: never a source, and of the last only 224.0.0.0/4 a
 * destination (RFC 6890). first: the address's first byte. */
static __rte_always_inline bool ipv4_odd(uint8_t first)
{
	return (uint8_t)(first - 1) >= 223 || first == 127;
}

/* One of the addresses is odd, or the frame was sent to many stations. */
static cold void ipv4_unusual(const struct parser *ps, struct pkt *p)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)p->l3;
	const uint8_t *dst = p->l3 + 16;

	if (ipv4_odd(p->l3[12]) || (ipv4_odd(dst[0]) && dst[0] >> 4 != 0xe))
		pkt_drop(p, DROP_ip_martian);
	else if (ip->src_addr == ip->dst_addr)
		pkt_drop(p, DROP_ip_land);
	else if (dst[0] >> 4 != 0xe)
		pkt_drop(p, DROP_link_broadcast);
	else if (p->proto == PROTO_VRRP && ip->dst_addr == RTE_BE32(0xe0000012) /* 224.0.0.18 */)
		p->verdict = PKT_PUNT;
	else
		pkt_drop(p, DROP_not_for_us);
}

static __rte_always_inline bool ipv4_checksum(const struct pkt *p, uint32_t len)
{
	if ((p->mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return wire_fold(likely(len == IPV4_LEN) ? wire_sum_ipv4(p->l3) :
						   wire_sum(p->l3, len, 0)) == 0xffff;
}

/* group: the frame was sent to many stations. */
static __rte_always_inline void parse_ipv4(const struct parser *ps, struct pkt *p, bool group)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)p->l3;
	uint32_t len = IPV4_LEN;

	p->family = 4;
	if (!need_l3(p, IPV4_LEN))
		return;
	if (unlikely(ip->version_ihl != 0x45) && !ipv4_header(p, &len))
		return;

	const uint32_t total = rte_be_to_cpu_16(ip->total_length);

	if (unlikely(total < len)) {
		pkt_drop(p, DROP_ip_length);
		return;
	}
	if (unlikely(total != l3_room(p)) && !fit(p, total))
		return;
	p->l3_len = (uint16_t)total;
	p->proto = ip->next_proto_id;
	if (unlikely(!ipv4_checksum(p, len))) {
		pkt_drop(p, DROP_ip_checksum);
		return;
	}
	if (unlikely(len > IPV4_LEN) && !ipv4_options(p, len))
		return;
	if (unlikely(ip->time_to_live == 0)) {
		pkt_drop(p, DROP_ttl_expired);
		return;
	}
	if (unlikely(ipv4_odd(p->l3[12]) || ipv4_odd(p->l3[16]) || ip->src_addr == ip->dst_addr ||
		    group)) {
		ipv4_unusual(ps, p);
		return;
	}
	/* More to come, or not the first. Reassembly will take them from here. */
	if (unlikely(ip->fragment_offset & RTE_BE16(0x3fff))) {
		pkt_drop(p, DROP_ip_fragment);
		return;
	}
	parse_transport(ps, p, 4, len);
}

/* ---- IPv6 ----------------------------------------------------------------------------------- */

/* Whether an extension header may be skipped. Its first 8 bytes are there. */
static bool ipv6_extension(struct pkt *p, uint8_t type, const uint8_t *ext)
{
	switch (type) {
	case IPPROTO_ROUTING: /* RFC 5095; used up, any other type is only to be skipped */
		if (ext[2] != 0 && ext[3] == 0)
			return true;
		pkt_drop(p, DROP_ip_source_route);
		return false;
	case IPPROTO_FRAGMENT:
		/* Offset 0 and nothing to come: a whole packet (RFC 6946). Reassembly will take the
		 * others from here. */
		if (!((ext[2] << 8 | ext[3]) & 0xfff9))
			return true;
		pkt_drop(p, DROP_ip_fragment);
		return false;
	default: /* options: not ours to act upon (RFC 8200 4.3, 4.6) */
		return true;
	}
}

/* Walks the extension headers to the first header that is none: its place and p->proto. */
static cold bool ipv6_walk(struct pkt *p, uint32_t *l4_off)
{
	uint32_t off = IPV6_LEN;
	uint8_t next = p->proto;

	for (unsigned int n = 0;; n++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS && next != IPPROTO_ROUTING &&
			next != IPPROTO_FRAGMENT)
			break;
		/* Hop-by-hop options come first or not at all (RFC 8200 4.1). */
		if (n == IPV6_EXT_MAX || (next == IPPROTO_HOPOPTS && n > 0) ||
			p->l3_len < off + 8) {
			pkt_drop(p, DROP_ip_header);
			return false;
		}
		if (!need_l3(p, off + 8))
			return false;

		const uint8_t *ext = p->l3 + off;

		if (!ipv6_extension(p, next, ext))
			return false;
		off += next == IPPROTO_FRAGMENT ? 8 : (ext[1] + 1u) * 8;
		next = ext[0];
		if (off > p->l3_len) {
			pkt_drop(p, DROP_ip_header);
			return false;
		}
	}
	p->proto = next;
	*l4_off = off;
	return true;
}

/* Unspecified, loopback, IPv4 compatible (::/96) or IPv4 mapped: on no wire (RFC 4291 2.5). */
static __rte_always_inline bool ipv6_odd(const uint8_t *a)
{
	uint64_t high;
	uint32_t mid;

	memcpy(&high, a, 8);
	memcpy(&mid, a + 8, 4);
	return high == 0 && (mid == 0 || mid == RTE_BE32(0xffff));
}

/* One of the addresses is odd, or the packet or its frame was sent to many. */
static cold void ipv6_unusual(const struct parser *ps, struct pkt *p)
{
	static const uint8_t unspecified[16] = { 0 };
	static const uint8_t vrrp[16] = { 0xff, 0x02, [15] = 0x12 };
	const uint8_t *src = p->l3 + 8, *dst = p->l3 + 24;
	const bool icmp = p->proto == IPPROTO_ICMPV6, multicast = dst[0] == 0xff;
	/* Duplicate address detection asks from the unspecified address (RFC 4862 5.4.2). */
	const bool dad = icmp && multicast && memcmp(src, unspecified, 16) == 0;

	if ((ipv6_odd(src) && !dad) || src[0] == 0xff || ipv6_odd(dst)) {
		pkt_drop(p, DROP_ip_martian);
	} else if (memcmp(src, dst, 16) == 0) {
		pkt_drop(p, DROP_ip_land);
	} else if (!multicast) {
		pkt_drop(p, DROP_link_broadcast);
	} else if (icmp) {
		p->l4 = p->l3 + IPV6_LEN;
		p->l4_len = p->l3_len - IPV6_LEN;
		parse_icmp(ps, p, 6);
	} else if (p->proto == PROTO_VRRP && memcmp(dst, vrrp, 16) == 0) {
		p->verdict = PKT_PUNT;
	} else {
		pkt_drop(p, DROP_not_for_us);
	}
}

static __rte_always_inline void parse_ipv6(const struct parser *ps, struct pkt *p, bool group)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)p->l3;
	uint32_t l4_off = IPV6_LEN;

	p->family = 6;
	if (!need_l3(p, IPV6_LEN))
		return;
	if (unlikely(p->l3[0] >> 4 != 6)) {
		pkt_drop(p, DROP_ip_version);
		return;
	}

	const uint32_t payload = rte_be_to_cpu_16(ip->payload_len), total = IPV6_LEN + payload;

	/* No payload, or its length in a jumbo option (RFC 2675): nothing for us. */
	if (unlikely(payload == 0 || total > UINT16_MAX)) {
		pkt_drop(p, DROP_ip_length);
		return;
	}
	if (unlikely(total != l3_room(p)) && !fit(p, total))
		return;
	p->l3_len = (uint16_t)total;
	p->proto = ip->proto;
	if (unlikely(ip->hop_limits == 0)) {
		pkt_drop(p, DROP_ttl_expired);
		return;
	}
	if (unlikely(ipv6_odd(ip->src_addr) || ipv6_odd(ip->dst_addr) ||
		    ip->src_addr[0] == 0xff || ip->dst_addr[0] == 0xff || group ||
		    memcmp(ip->src_addr, ip->dst_addr, 16) == 0)) {
		ipv6_unusual(ps, p);
		return;
	}
	if (unlikely(p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP) && !ipv6_walk(p, &l4_off))
		return;
	parse_transport(ps, p, 6, l4_off);
}

/* ---- frames --------------------------------------------------------------------------------- */

static void count(struct parser *ps)
{
	if (ps->packets && !ps->counted) {
		counter_add(&ps->w->port[ps->port].rx_packets, ps->packets);
		counter_add(&ps->w->port[ps->port].rx_bytes, ps->bytes);
	}
	ps->packets = ps->bytes = 0;
}

/* Finds the port of a nic and VLAN. */
static cold void link_change(struct parser *ps, uint16_t nic, uint16_t vlan)
{
	count(ps);
	ps->link = (uint32_t)nic << 16 | vlan;
	ps->port = net_port_of(ps->table, nic, vlan);
	ps->mac = 0;
	if (ps->port != NET_PORT_NONE)
		memcpy(&ps->mac, net_port(ps->table, ps->port)->mac.addr_bytes, RTE_ETHER_ADDR_LEN);
}

/* Neither IPv4 nor IPv6. */
static cold void parse_ethertype(struct pkt *p, rte_be16_t type)
{
	if (type != RTE_BE16(RTE_ETHER_TYPE_ARP))
		pkt_drop(p, DROP_ethertype);
	else if (need_l3(p, sizeof(struct rte_arp_hdr)))
		p->verdict = PKT_PUNT;
}

/* Takes the tag out of the frame, as a device would. */
static cold bool strip(struct pkt *p)
{
	return need(p, RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN) && rte_vlan_strip(p->mbuf) == 0;
}

static __rte_always_inline void parse_frame(struct parser *ps, struct pkt *p, struct rte_mbuf *m)
{
	const uint32_t frame_len = m->pkt_len;
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	uint16_t vlan = 0;
	bool group = false;

	*p = (struct pkt){ .mbuf = m, .port = NET_PORT_NONE, .adj = ADJ_NONE };
	if (!need(p, RTE_ETHER_HDR_LEN))
		return;
	if (unlikely(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)) {
		vlan = m->vlan_tci & 0xfff;
	} else if (unlikely(eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN))) {
		if (!strip(p))
			return;
		vlan = m->vlan_tci & 0xfff;
		eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	}
	p->l3 = (uint8_t *)(uintptr_t)(eth + 1);

	if (unlikely(((uint32_t)m->port << 16 | vlan) != ps->link))
		link_change(ps, m->port, vlan);
	if (unlikely(ps->port == NET_PORT_NONE)) {
		pkt_drop(p, DROP_wrong_vlan);
		return;
	}
	p->port = ps->port;
	ps->packets++;
	ps->bytes += frame_len;

	if (unlikely(mac_load(eth) != ps->mac)) {
		group = eth->dst_addr.addr_bytes[0] & 1;
		if (!group) {
			pkt_drop(p, DROP_wrong_mac);
			return;
		}
	}
	if (likely(eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4)))
		parse_ipv4(ps, p, group);
	else if (likely(eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6)))
		parse_ipv6(ps, p, group);
	else
		parse_ethertype(p, eth->ether_type);
}

void parse_burst(struct net_worker *w, const struct hash_key *key, struct burst *b,
	struct rte_mbuf **mbufs, unsigned int n)
{
	struct parser ps = {
		.w = w, .table = w->table, .key = key, .link = LINK_NONE, .port = NET_PORT_NONE,
		.counted = b->handed_over
	};

	for (unsigned int i = 0; i < RTE_MIN(n, (unsigned int)AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
	for (unsigned int i = 0; i < n; i++) {
		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + AHEAD], void *));
		parse_frame(&ps, &b->pkt[i], mbufs[i]);
	}
	b->n = n;
	count(&ps);
}

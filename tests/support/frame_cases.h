/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests: frames, good and bad, and what parse_burst() is to make of each. A case is one
 * of a few well-formed frames and how it differs.
 */
#ifndef FRAME_CASES_H
#define FRAME_CASES_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_ether.h>

#include "frame.h"
#include "net/net.h"

#define MAC_CLIENT 2, 0, 0, 0, 0, 0xc1
#define MAC_WAN    2, 0, 0, 0, 0, 1
#define MAC_TAG    2, 0, 0, 0, 0, 2
#define MAC_ALL    0xff, 0xff, 0xff, 0xff, 0xff, 0xff
#define MAC_GROUP4 1, 0, 0x5e, 0, 0, 0x12
#define MAC_GROUP6 0x33, 0x33, 0xff, 0, 0, 0x10

#define CLIENT4    "198.51.100.7"
#define CLIENT6    "2001:db8:9::7"
#define VIP4       "192.0.2.10"
#define VIP6       "2001:db8:1::10"
#define OWN4       "192.0.2.1"
#define OWN6       "2001:db8:1::1"
#define OTHER4     "203.0.113.9"
#define OTHER6     "2001:db8:5::9"

/* Frames that cases start from. */
enum base { TCP4, UDP4, ICMP4, TCP6, UDP6, ICMP6, NS6, NA6, ARP4, BASES };

static const struct frame_spec base_spec[BASES] = {
#define LINK .smac = { MAC_CLIENT }, .dmac = { MAC_WAN }
	[TCP4] = { IPPROTO_TCP, CLIENT4, VIP4, 40000, 80, TCP_SYN, 5, LINK },
	[UDP4] = { IPPROTO_UDP, CLIENT4, VIP4, 40000, 53, 0, 5, LINK },
	[ICMP4] = { IPPROTO_ICMP, CLIENT4, VIP4, 7, 1, 8, 5, LINK },
	[TCP6] = { IPPROTO_TCP, CLIENT6, VIP6, 40000, 80, TCP_SYN, 5, LINK },
	[UDP6] = { IPPROTO_UDP, CLIENT6, VIP6, 40000, 53, 0, 5, LINK },
	[ICMP6] = { IPPROTO_ICMPV6, CLIENT6, VIP6, 7, 1, 128, 5, LINK },
	/* The payload, 16 bytes, is the target; see make_frame(). */
	[NS6] = { IPPROTO_ICMPV6, CLIENT6, "ff02::1:ff00:10", 0, 0, 135, 16, LINK },
	[NA6] = { IPPROTO_ICMPV6, CLIENT6, OWN6, 0, 0, 136, 16, LINK },
#undef LINK
};

enum where { END, L2, L3, L4 };

struct edit {
	enum where at; /* END: no more edits */
	uint8_t off, value;
};

struct parse_case {
	const char *name;
	enum base base;
	const char *src, *dst; /* instead of the base's */
	const char *ext;       /* options, extension headers */
	uint8_t ext_len, ext_type;
	uint8_t proto, ttl, icmp; /* instead of the base's, unless 0 */
	uint16_t vlan;
	uint8_t dmac[6]; /* likewise */
	struct edit edit[8];
	bool broken;  /* checksums stay as they were before the edits */
	uint16_t pad; /* bytes after the datagram */
	uint16_t nic;
	uint64_t ol_flags;
	uint16_t vlan_tci; /* with RTE_MBUF_F_RX_VLAN_STRIPPED */
	enum pkt_verdict verdict;
	enum drop_reason reason;
	uint8_t flags;
	uint8_t port;
};

static void make_arp(struct frame *f)
{
	static const uint8_t arp[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0xc1, 8,
		6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 0xc1, 192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 192,
		0, 2, 10 };

	memset(f, 0, sizeof(*f));
	memcpy(f->b, arp, sizeof(arp));
	f->len = f->end = sizeof(arp);
	f->l3 = RTE_ETHER_HDR_LEN;
}

static void make_frame(struct frame *f, const struct parse_case *c)
{
	struct frame_spec s = base_spec[c->base];
	static const uint8_t none[6];

	if (c->base == ARP4) {
		make_arp(f);
	} else {
		s.src = c->src ? c->src : s.src;
		s.dst = c->dst ? c->dst : s.dst;
		s.ext = c->ext;
		s.ext_len = c->ext_len;
		s.ext_type = c->ext_type;
		s.proto = c->proto ? c->proto : s.proto;
		s.ttl = c->ttl;
		s.vlan = c->vlan;
		s.tcp_flags = c->icmp ? c->icmp : s.tcp_flags;
		if (memcmp(c->dmac, none, 6) != 0)
			memcpy(s.dmac, c->dmac, 6);
		frame_build(f, &s);
		if (c->base == NS6) {
			inet_pton(AF_INET6, VIP6, f->b + f->l4 + 8);
			frame_fix(f);
		}
	}
	for (const struct edit *e = c->edit; e->at != END; e++)
		f->b[(e->at == L2 ? 0 : e->at == L3 ? f->l3 : f->l4) + e->off] = e->value;
	if (!c->broken && c->base != ARP4)
		frame_fix(f);
	memset(f->b + f->len, 0xee, c->pad);
	f->len += c->pad;
}

#define EXT(bytes)        .ext = bytes, .ext_len = sizeof(bytes) - 1
#define EXT6(type, bytes) EXT(bytes), .ext_type = type
#define GOES              .verdict = PKT_GO, .flags = PKT_VIRTUAL
#define DROPS(r)          .verdict = PKT_DROP, .reason = DROP_##r
#define FRAGMENT          .verdict = PKT_FRAGMENT
#define PUNTS             .verdict = PKT_PUNT
#define ECHO              .verdict = PKT_ICMP, .flags = PKT_VIRTUAL

/* An options header of 8 bytes with one PadN; the next header is its first byte. */
#define OPT6(next) next "\0\1\4\0\0\0\0"
#define TCP_       "\x06"
#define UDP_       "\x11"

static const struct parse_case cases[] = {
	/* Ordinary packets */
	{ "tcp4", TCP4, GOES },
	{ "udp4", UDP4, GOES },
	{ "icmp4 echo", ICMP4, ECHO },
	{ "tcp6", TCP6, GOES },
	{ "udp6", UDP6, GOES },
	{ "icmp6 echo", ICMP6, ECHO },
	{ "tcp4 to a port", TCP4, .dst = OWN4, .verdict = PKT_GO, .flags = PKT_OURS },
	{ "udp4 to a port", UDP4, .dst = OWN4, .verdict = PKT_GO, .flags = PKT_OURS },
	{ "tcp6 to a port", TCP6, .dst = OWN6, .verdict = PKT_GO, .flags = PKT_OURS },
	{ "udp6 to a port", UDP6, .dst = OWN6, .verdict = PKT_GO, .flags = PKT_OURS },
	{ "tcp4 to another", TCP4, .dst = OTHER4, .verdict = PKT_GO },
	{ "udp4 to another", UDP4, .dst = OTHER4, .verdict = PKT_GO },
	{ "tcp6 to another", TCP6, .dst = OTHER6, .verdict = PKT_GO },
	{ "udp6 to another", UDP6, .dst = OTHER6, .verdict = PKT_GO },
	{ "tcp4 to another port's address", TCP4, .dst = "10.0.0.1", .verdict = PKT_GO,
		.flags = PKT_OURS },
	{ "tcp4 padded to 60", TCP4, .pad = 1, GOES },
	{ "tcp4 with a long trailer", TCP4, .pad = 400, GOES },
	{ "tcp6 with a trailer", TCP6, .pad = 9, GOES },
	{ "udp4 with a trailer", UDP4, .pad = 13, GOES },
	{ "icmp4 with a trailer", ICMP4, .pad = 13, ECHO },
	{ "tcp4 ttl 1", TCP4, .ttl = 1, GOES },
	{ "tcp6 hop limit 1", TCP6, .ttl = 1, GOES },
	{ "tcp4 don't fragment", TCP4, .edit = { { L3, 6, 0x40 } }, GOES },
	{ "tcp4 ECN", TCP4, .edit = { { L3, 1, 3 } }, GOES },
	{ "tcp6 traffic class and flow label", TCP6,
		.edit = { { L3, 0, 0x6f }, { L3, 1, 0xff }, { L3, 3, 1 } }, GOES },

	/* Link */
	{ "tcp4 for another station", TCP4, .dmac = { 2, 0, 0, 0, 0, 9 }, DROPS(wrong_mac) },
	{ "tcp6 for another station", TCP6, .dmac = { 2, 0, 0, 0, 0, 9 }, DROPS(wrong_mac) },
	{ "tcp4 to the tagged port's MAC", TCP4, .dmac = { MAC_TAG }, DROPS(wrong_mac) },
	{ "tcp4 in a broadcast", TCP4, .dmac = { MAC_ALL }, DROPS(link_broadcast) },
	{ "udp4 in a multicast", UDP4, .dmac = { MAC_GROUP4 }, DROPS(link_broadcast) },
	{ "icmp4 in a broadcast", ICMP4, .dmac = { MAC_ALL }, DROPS(link_broadcast) },
	{ "tcp6 in a multicast", TCP6, .dmac = { MAC_GROUP6 }, DROPS(link_broadcast) },
	{ "icmp6 in a multicast", ICMP6, .dmac = { MAC_GROUP6 }, DROPS(link_broadcast) },
	{ "ethertype 0x0801", TCP4, .edit = { { L2, 13, 1 } }, DROPS(ethertype) },
	{ "length instead of a type", TCP4, .edit = { { L2, 12, 0 }, { L2, 13, 60 } },
		DROPS(ethertype) },
	{ "spanning tree", TCP4, .dmac = { 1, 0x80, 0xc2, 0, 0, 0 },
		.edit = { { L2, 12, 0 }, { L2, 13, 38 } }, DROPS(ethertype) },
	{ "type of a service tag", TCP4, .edit = { { L2, 12, 0x88 }, { L2, 13, 0xa8 } },
		DROPS(ethertype) },

	/* VLAN */
	{ "tcp4 tagged", TCP4, .vlan = 100, .dmac = { MAC_TAG }, GOES, .port = 1 },
	{ "udp4 tagged", UDP4, .vlan = 100, .dmac = { MAC_TAG }, GOES, .port = 1 },
	{ "tcp6 tagged", TCP6, .vlan = 100, .dmac = { MAC_TAG }, GOES, .port = 1 },
	{ "icmp6 tagged", ICMP6, .vlan = 100, .dmac = { MAC_TAG }, ECHO, .port = 1 },
	{ "tcp4 tagged with a priority", TCP4, .vlan = 0xe064, .dmac = { MAC_TAG }, GOES,
		.port = 1 },
	{ "tcp4 with a priority alone", TCP4, .vlan = 0xe000, GOES },
	{ "tcp4 tagged, padded", TCP4, .vlan = 100, .dmac = { MAC_TAG }, .pad = 7, GOES,
		.port = 1 },
	{ "tcp4 tag stripped", TCP4, .dmac = { MAC_TAG }, .vlan_tci = 0x2064,
		.ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, GOES, .port = 1 },
	{ "tcp6 tag stripped", TCP6, .dmac = { MAC_TAG }, .vlan_tci = 100,
		.ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, GOES, .port = 1 },
	{ "tcp4 two tags, one stripped", TCP4, .vlan = 100, .dmac = { MAC_TAG }, .vlan_tci = 100,
		.ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, DROPS(ethertype),
		.port = 1 },
	{ "tcp4 two tags", TCP4, .vlan = 100, .dmac = { MAC_TAG },
		.edit = { { L2, 16, 0x81 }, { L2, 17, 0 } }, DROPS(ethertype), .port = 1 },
	{ "unknown vlan", TCP4, .vlan = 101, .dmac = { MAC_TAG }, DROPS(wrong_vlan),
		.port = NET_PORT_NONE },
	{ "unknown vlan stripped", TCP4, .vlan_tci = 101,
		.ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, DROPS(wrong_vlan),
		.port = NET_PORT_NONE },
	{ "vlan of another nic", TCP4, .vlan = 100, .nic = 1, DROPS(wrong_vlan),
		.port = NET_PORT_NONE },
	{ "second nic", TCP4, .nic = 1, GOES, .port = 2 },
	{ "unknown nic", TCP4, .nic = 31, DROPS(wrong_vlan), .port = NET_PORT_NONE },
	{ "tagged MAC without the tag", TCP4, .vlan = 100, DROPS(wrong_mac), .port = 1 },

	/* ARP */
	{ "arp for a virtual address", ARP4, PUNTS },
	{ "arp padded", ARP4, .pad = 18, PUNTS },
	{ "arp for a port", ARP4, .edit = { { L2, 41, 1 } }, PUNTS },
	{ "arp unicast", ARP4,
		.edit = { { L2, 0, 2 }, { L2, 1, 0 }, { L2, 2, 0 }, { L2, 3, 0 }, { L2, 4, 0 },
			{ L2, 5, 1 } },
		PUNTS },
	{ "arp for another station", ARP4, .edit = { { L2, 0, 2 } }, DROPS(wrong_mac) },
	{ "arp for others", ARP4, .edit = { { L2, 41, 99 } }, DROPS(not_for_us) },
	{ "arp announcement", ARP4, .edit = { { L2, 41, 7 } }, PUNTS },
	{ "arp answer for others", ARP4, .edit = { { L2, 21, 2 }, { L2, 41, 99 } }, PUNTS },

	/* IPv4 header */
	{ "version 5", TCP4, .edit = { { L3, 0, 0x55 } }, DROPS(ip_version) },
	{ "version 6 in IPv4", TCP4, .edit = { { L3, 0, 0x65 } }, DROPS(ip_version) },
	{ "version 0", TCP4, .edit = { { L3, 0, 0x05 } }, DROPS(ip_version) },
	{ "header length 0", TCP4, .edit = { { L3, 0, 0x40 } }, .broken = true, DROPS(ip_header) },
	{ "header length 16", TCP4, .edit = { { L3, 0, 0x44 } }, DROPS(ip_header) },
	{ "header length beyond the frame", TCP4, .edit = { { L3, 0, 0x4f } }, .broken = true,
		DROPS(ip_length) },
	{ "header length beyond the datagram", TCP4, .edit = { { L3, 0, 0x4f } }, .broken = true,
		.pad = 40, DROPS(ip_length) },
	{ "total length 0", TCP4, .edit = { { L3, 3, 0 } }, DROPS(ip_length) },
	{ "total length 19", TCP4, .edit = { { L3, 3, 19 } }, DROPS(ip_length) },
	{ "total length 20", TCP4, .edit = { { L3, 3, 20 } }, DROPS(l4_header) },
	{ "total length one too many", TCP4, .edit = { { L3, 3, 46 } }, DROPS(frame_truncated) },
	{ "total length 65535", TCP4, .edit = { { L3, 2, 255 }, { L3, 3, 255 } },
		DROPS(frame_truncated) },
	{ "udp4 one too many", UDP4, .edit = { { L3, 3, 34 } }, DROPS(frame_truncated) },
	{ "header checksum", TCP4, .edit = { { L3, 11, 0x5a } }, .broken = true,
		DROPS(ip_checksum) },
	{ "header checksum, ttl changed", UDP4, .edit = { { L3, 8, 63 } }, .broken = true,
		DROPS(ip_checksum) },
	{ "header checksum with options", TCP4, EXT("\1\1\1\0"), .edit = { { L3, 8, 63 } },
		.broken = true, DROPS(ip_checksum) },
	{ "header checksum said to be good", TCP4, .edit = { { L3, 8, 63 } }, .broken = true,
		.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD, GOES },
	{ "header checksum said to be bad", TCP4, .edit = { { L3, 8, 63 } }, .broken = true,
		.ol_flags = RTE_MBUF_F_RX_IP_CKSUM_BAD, DROPS(ip_checksum) },
	{ "ttl 0", TCP4, .edit = { { L3, 8, 0 } }, DROPS(ttl_expired) },
	{ "udp4 ttl 0", UDP4, .edit = { { L3, 8, 0 } }, DROPS(ttl_expired) },

	/* IPv4 options */
	{ "no-operations", TCP4, EXT("\1\1\1\1"), GOES },
	{ "end of list", TCP4, EXT("\0\377\377\377"), GOES },
	{ "router alert", UDP4, EXT("\224\4\0\0"), GOES },
	{ "timestamp, 40 bytes", ICMP4, EXT("\104\50\5\0................................\0\0\0\0"),
		ECHO },
	{ "record route", TCP4, EXT("\7\7\4\0\0\0\0\0"), GOES },
	{ "loose source route", TCP4, EXT("\203\7\4\1\2\3\4\0"), DROPS(ip_source_route) },
	{ "strict source route", TCP4, EXT("\211\7\4\1\2\3\4\0"), DROPS(ip_source_route) },
	{ "source route after others", TCP4, EXT("\1\224\4\0\0\203\3\4"), DROPS(ip_source_route) },
	{ "source route after the end", TCP4, EXT("\0\203\3\4"), GOES },
	{ "option length 0", TCP4, EXT("\7\0\0\0"), DROPS(ip_header) },
	{ "option length 1", TCP4, EXT("\7\1\0\0"), DROPS(ip_header) },
	{ "option beyond the header", TCP4, EXT("\1\7\4\0"), DROPS(ip_header) },
	{ "option without a length", TCP4, EXT("\1\1\1\7"), DROPS(ip_header) },
	{ "option length 255", TCP4, EXT("\7\377\0\0"), DROPS(ip_header) },

	/* IPv4 fragments */
	{ "more fragments", TCP4, .edit = { { L3, 6, 0x20 } }, FRAGMENT },
	{ "last fragment", UDP4, .edit = { { L3, 7, 1 } }, FRAGMENT },
	{ "middle fragment", UDP4, .edit = { { L3, 6, 0x3f }, { L3, 7, 0xff } }, FRAGMENT },
	{ "fragment with DF", ICMP4, .edit = { { L3, 6, 0x60 } }, FRAGMENT },
	{ "reserved bit", TCP4, .edit = { { L3, 6, 0x80 } }, GOES },

	/* IPv4 addresses */
	{ "from 0/8", TCP4, .src = "0.1.2.3", DROPS(ip_martian) },
	{ "from 0.0.0.0", UDP4, .src = "0.0.0.0", DROPS(ip_martian) },
	{ "from 127/8", TCP4, .src = "127.0.0.1", DROPS(ip_martian) },
	{ "from 224/4", UDP4, .src = "224.0.0.1", DROPS(ip_martian) },
	{ "from 239.255.255.255", UDP4, .src = "239.255.255.255", DROPS(ip_martian) },
	{ "from 240/4", TCP4, .src = "240.0.0.1", DROPS(ip_martian) },
	{ "from broadcast", UDP4, .src = "255.255.255.255", DROPS(ip_martian) },
	{ "icmp4 from broadcast", ICMP4, .src = "255.255.255.255", DROPS(ip_martian) },
	{ "from 223", TCP4, .src = "223.255.255.255", GOES },
	{ "from 1", TCP4, .src = "1.0.0.0", GOES },
	{ "from 126", TCP4, .src = "126.0.0.1", GOES },
	{ "from 128", TCP4, .src = "128.0.0.1", GOES },
	{ "to 0/8", TCP4, .dst = "0.0.0.1", DROPS(ip_martian) },
	{ "to 127/8", TCP4, .dst = "127.0.0.1", DROPS(ip_martian) },
	{ "to 240/4", TCP4, .dst = "240.0.0.1", DROPS(ip_martian) },
	{ "to broadcast", UDP4, .dst = "255.255.255.255", DROPS(ip_martian) },
	{ "to broadcast in a broadcast", UDP4, .dst = "255.255.255.255", .dmac = { MAC_ALL },
		DROPS(link_broadcast) },
	{ "to a group", UDP4, .dst = "239.1.2.3", .dmac = { MAC_GROUP4 }, DROPS(not_for_us) },
	{ "to a group, unicast frame", UDP4, .dst = "224.0.0.251", DROPS(not_for_us) },
	{ "icmp4 to all hosts", ICMP4, .dst = "224.0.0.1", .dmac = { MAC_GROUP4 },
		DROPS(not_for_us) },
	{ "vrrp4", UDP4, .proto = 112, .dst = "224.0.0.18", .dmac = { MAC_GROUP4 }, PUNTS },
	{ "vrrp4 from nowhere", UDP4, .proto = 112, .src = "127.0.0.1", .dst = "224.0.0.18",
		.dmac = { MAC_GROUP4 }, DROPS(ip_martian) },
	{ "vrrp4 to another group", UDP4, .proto = 112, .dst = "224.0.0.19", .dmac = { MAC_GROUP4 },
		DROPS(not_for_us) },
	{ "land tcp4", TCP4, .src = VIP4, DROPS(ip_land) },
	{ "land udp4", UDP4, .src = VIP4, DROPS(ip_land) },
	{ "land icmp4", ICMP4, .src = VIP4, DROPS(ip_land) },
	{ "land between others", TCP4, .src = OTHER4, .dst = OTHER4, DROPS(ip_land) },

	/* Protocols over IPv4 */
	{ "gre to a port", UDP4, .proto = 47, .dst = OWN4, PUNTS, .flags = PKT_OURS },
	{ "gre to a virtual address", UDP4, .proto = 47, DROPS(ip_protocol), .flags = PKT_VIRTUAL },
	{ "gre to another", UDP4, .proto = 47, .dst = OTHER4, DROPS(ip_protocol) },
	{ "esp4 to a virtual address", UDP4, .proto = 50, DROPS(ip_protocol),
		.flags = PKT_VIRTUAL },
	{ "icmp6 over IPv4", UDP4, .proto = 58, DROPS(ip_protocol), .flags = PKT_VIRTUAL },
	{ "protocol 0", UDP4, .edit = { { L3, 9, 0 } }, DROPS(ip_protocol), .flags = PKT_VIRTUAL },
	{ "sctp to a virtual address", UDP4, .proto = 132, DROPS(ip_protocol),
		.flags = PKT_VIRTUAL },

	/* ICMP */
	{ "icmp4 to a port", ICMP4, .dst = OWN4, .verdict = PKT_ICMP, .flags = PKT_OURS },
	{ "icmp4 to another", ICMP4, .dst = OTHER4, DROPS(icmp_type) },
	{ "icmp4 unreachable to us", ICMP4, .icmp = 3, ECHO },
	{ "icmp4 too short", ICMP4, .edit = { { L3, 3, 27 } }, DROPS(l4_header) },
	{ "icmp4 empty", ICMP4, .edit = { { L3, 3, 20 } }, DROPS(l4_header) },
	{ "icmp4 checksum", ICMP4, .edit = { { L4, 9, 0x77 } }, .broken = true,
		DROPS(l4_checksum) },
	{ "icmp6 to a port", ICMP6, .dst = OWN6, .verdict = PKT_ICMP, .flags = PKT_OURS },
	{ "icmp6 to another", ICMP6, .dst = OTHER6, DROPS(icmp_type) },
	{ "icmp6 too big to us", ICMP6, .icmp = 2, ECHO },
	{ "icmp6 too short", ICMP6, .edit = { { L3, 5, 7 } }, DROPS(l4_header) },
	{ "icmp6 checksum", ICMP6, .edit = { { L4, 9, 0x77 } }, .broken = true,
		DROPS(l4_checksum) },
	{ "icmp6 to all nodes", ICMP6, .dst = "ff02::1", .dmac = { MAC_GROUP6 }, DROPS(icmp_type) },
	{ "icmp6 behind options", ICMP6, EXT6(0, OPT6("\x3a")), ECHO },

	/* Neighbour discovery */
	{ "ns to its group", NS6, .dmac = { MAC_GROUP6 }, PUNTS },
	{ "ns in a unicast frame", NS6, PUNTS },
	{ "ns to the address itself", NS6, .dst = VIP6, PUNTS },
	{ "ns to all nodes", NS6, .dst = "ff02::1", .dmac = { MAC_GROUP6 }, PUNTS },
	{ "ns from nobody (duplicate detection)", NS6, .src = "::", .dmac = { MAC_GROUP6 }, PUNTS },
	{ "ns from nobody to unicast", NS6, .src = "::", .dst = VIP6, DROPS(ip_martian) },
	{ "ns about another", NS6, .dmac = { MAC_GROUP6 }, .edit = { { L4, 23, 0x11 } },
		DROPS(not_for_us) },
	{ "ns to another group", NS6, .dst = "ff02::2", .dmac = { MAC_GROUP6 }, DROPS(not_for_us) },
	{ "ns through a router", NS6, .ttl = 254, .dmac = { MAC_GROUP6 }, DROPS(nd_invalid) },
	{ "ns without its target", ICMP6, .icmp = 135, DROPS(nd_invalid) },
	{ "ns checksum", NS6, .edit = { { L4, 9, 0x77 } }, .broken = true, DROPS(l4_checksum) },
	{ "na", NA6, PUNTS },
	{ "na to all nodes", NA6, .dst = "ff02::1", .dmac = { MAC_GROUP6 }, PUNTS },
	{ "na through a router", NA6, .ttl = 64, DROPS(nd_invalid) },
	{ "router advertisement", NA6, .icmp = 134, .dst = "ff02::1", .dmac = { MAC_GROUP6 },
		PUNTS },
	{ "redirect", NA6, .icmp = 137, PUNTS },
	{ "type 132 (not discovery)", NA6, .icmp = 132, .verdict = PKT_ICMP, .flags = PKT_OURS },
	{ "type 138 (not discovery)", NA6, .icmp = 138, .verdict = PKT_ICMP, .flags = PKT_OURS },
	{ "mld from nobody", NA6, .icmp = 143, .src = "::", .dst = "ff02::16",
		.dmac = { MAC_GROUP6 }, DROPS(icmp_type) },

	/* TCP */
	{ "tcp4 length 19", TCP4, .edit = { { L3, 3, 39 } }, DROPS(l4_header) },
	{ "tcp6 length 19", TCP6, .edit = { { L3, 5, 19 } }, DROPS(l4_header) },
	{ "tcp4 offset 0", TCP4, .edit = { { L4, 12, 0 } }, DROPS(l4_header) },
	{ "tcp4 offset 4", TCP4, .edit = { { L4, 12, 0x40 } }, DROPS(l4_header) },
	{ "tcp4 offset beyond", TCP4, .edit = { { L4, 12, 0x70 } }, DROPS(l4_header) },
	{ "tcp6 offset 15", TCP6, .edit = { { L4, 12, 0xf0 } }, DROPS(l4_header) },
	{ "tcp4 offset 6", TCP4, .edit = { { L4, 12, 0x60 } }, GOES },
	{ "tcp4 no flags", TCP4, .edit = { { L4, 13, 0 } }, DROPS(tcp_flags) },
	{ "tcp6 no flags", TCP6, .edit = { { L4, 13, 0 } }, DROPS(tcp_flags) },
	{ "tcp4 PSH alone", TCP4, .edit = { { L4, 13, 8 } }, DROPS(tcp_flags) },
	{ "tcp4 URG alone", TCP4, .edit = { { L4, 13, 0x20 } }, DROPS(tcp_flags) },
	{ "tcp4 FIN alone", TCP4, .edit = { { L4, 13, 1 } }, DROPS(tcp_flags) },
	{ "tcp4 FIN PSH URG", TCP4, .edit = { { L4, 13, 0x29 } }, DROPS(tcp_flags) },
	{ "tcp4 SYN FIN", TCP4, .edit = { { L4, 13, 3 } }, DROPS(tcp_flags) },
	{ "tcp4 SYN FIN ACK", TCP4, .edit = { { L4, 13, 0x13 } }, DROPS(tcp_flags) },
	{ "tcp4 SYN RST", TCP4, .edit = { { L4, 13, 6 } }, DROPS(tcp_flags) },
	{ "tcp4 SYN RST ACK", TCP4, .edit = { { L4, 13, 0x16 } }, DROPS(tcp_flags) },
	{ "tcp4 FIN RST ACK", TCP4, .edit = { { L4, 13, 0x15 } }, DROPS(tcp_flags) },
	{ "tcp4 all flags", TCP4, .edit = { { L4, 13, 0xff } }, DROPS(tcp_flags) },
	{ "tcp4 SYN ECE CWR", TCP4, .edit = { { L4, 13, 0xc2 } }, GOES },
	{ "tcp4 SYN ACK", TCP4, .edit = { { L4, 13, 0x12 } }, GOES },
	{ "tcp4 SYN PSH", TCP4, .edit = { { L4, 13, 0x0a } }, GOES },
	{ "tcp4 ACK", TCP4, .edit = { { L4, 13, 0x10 } }, GOES },
	{ "tcp4 PSH ACK", TCP4, .edit = { { L4, 13, 0x18 } }, GOES },
	{ "tcp4 FIN ACK", TCP4, .edit = { { L4, 13, 0x11 } }, GOES },
	{ "tcp4 FIN PSH ACK URG", TCP4, .edit = { { L4, 13, 0x39 } }, GOES },
	{ "tcp4 RST", TCP4, .edit = { { L4, 13, 4 } }, GOES },
	{ "tcp4 RST ACK", TCP4, .edit = { { L4, 13, 0x14 } }, GOES },
	{ "tcp4 source port 0", TCP4, .edit = { { L4, 0, 0 }, { L4, 1, 0 } }, DROPS(port_zero) },
	{ "tcp4 destination port 0", TCP4, .edit = { { L4, 2, 0 }, { L4, 3, 0 } },
		DROPS(port_zero) },
	{ "tcp6 source port 0", TCP6, .edit = { { L4, 0, 0 }, { L4, 1, 0 } }, DROPS(port_zero) },
	{ "tcp4 port 256", TCP4, .edit = { { L4, 2, 1 }, { L4, 3, 0 } }, GOES },
	{ "tcp4 port 1", TCP4, .edit = { { L4, 2, 0 }, { L4, 3, 1 } }, GOES },
	{ "tcp4 checksum", TCP4, .edit = { { L4, 21, 0x77 } }, .broken = true, DROPS(l4_checksum) },
	{ "tcp4 checksum 0", TCP4, .edit = { { L4, 16, 0 }, { L4, 17, 0 } }, .broken = true,
		DROPS(l4_checksum) },
	{ "tcp6 checksum", TCP6, .edit = { { L4, 24, 0x77 } }, .broken = true, DROPS(l4_checksum) },
	{ "tcp4 checksum said to be good", TCP4, .edit = { { L4, 21, 0x77 } }, .broken = true,
		.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD, GOES },
	{ "tcp4 checksum wrongly said to be bad", TCP4, .ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD,
		GOES },
	{ "tcp6 checksum said to be bad", TCP6, .edit = { { L4, 21, 0x77 } }, .broken = true,
		.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD, DROPS(l4_checksum) },
	{ "tcp4 checksum not made yet", TCP4, .edit = { { L4, 16, 1 }, { L4, 17, 2 } },
		.broken = true, .ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE, GOES },
	{ "tcp6 checksum not made yet", TCP6, .edit = { { L4, 16, 1 }, { L4, 17, 2 } },
		.broken = true, .ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE, GOES },
	{ "udp6 checksum not made yet", UDP6, .edit = { { L4, 6, 1 }, { L4, 7, 2 } },
		.broken = true, .ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE, GOES },

	/* UDP */
	{ "udp4 without checksum", UDP4, .edit = { { L4, 6, 0 }, { L4, 7, 0 } }, .broken = true,
		GOES },
	{ "udp6 without checksum", UDP6, .edit = { { L4, 6, 0 }, { L4, 7, 0 } }, .broken = true,
		DROPS(l4_checksum) },
	{ "udp6 without checksum, said to be good", UDP6, .edit = { { L4, 6, 0 }, { L4, 7, 0 } },
		.broken = true, .ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD, DROPS(l4_checksum) },
	{ "udp4 checksum", UDP4, .edit = { { L4, 9, 0x77 } }, .broken = true, DROPS(l4_checksum) },
	{ "udp6 checksum", UDP6, .edit = { { L4, 9, 0x77 } }, .broken = true, DROPS(l4_checksum) },
	{ "udp4 of 7 bytes", UDP4, .edit = { { L3, 3, 27 } }, DROPS(l4_header) },
	{ "udp6 of 7 bytes", UDP6, .edit = { { L3, 5, 7 } }, DROPS(l4_header) },
	{ "udp4 length 7", UDP4, .edit = { { L4, 5, 7 } }, DROPS(l4_header) },
	{ "udp4 length 0", UDP4, .edit = { { L4, 5, 0 } }, DROPS(l4_header) },
	{ "udp6 length 0", UDP6, .edit = { { L4, 5, 0 } }, DROPS(l4_header) },
	{ "udp4 length one too many", UDP4, .edit = { { L4, 5, 14 } }, DROPS(l4_header) },
	{ "udp6 length one too many", UDP6, .edit = { { L4, 5, 14 } }, DROPS(l4_header) },
	{ "udp4 length one less", UDP4, .edit = { { L4, 5, 12 }, { L4, 6, 0 }, { L4, 7, 0 } },
		.broken = true, GOES },
	{ "udp4 source port 0", UDP4, .edit = { { L4, 0, 0 }, { L4, 1, 0 } }, DROPS(port_zero) },
	{ "udp6 destination port 0", UDP6, .edit = { { L4, 2, 0 }, { L4, 3, 0 } },
		DROPS(port_zero) },

	/* IPv6 header */
	{ "version 4 in IPv6", TCP6, .edit = { { L3, 0, 0x40 } }, .broken = true,
		DROPS(ip_version) },
	{ "version 7", UDP6, .edit = { { L3, 0, 0x70 } }, DROPS(ip_version) },
	{ "payload length 0", TCP6, .edit = { { L3, 5, 0 } }, DROPS(ip_length) },
	{ "jumbogram", TCP6, EXT6(0, TCP_ "\0\302\4\0\1\0\0"), .edit = { { L3, 5, 0 } },
		DROPS(ip_length) },
	{ "payload length one too many", TCP6, .edit = { { L3, 5, 26 } }, DROPS(frame_truncated) },
	{ "payload length 65535", TCP6, .edit = { { L3, 4, 255 }, { L3, 5, 255 } },
		DROPS(ip_length) },
	{ "hop limit 0", TCP6, .edit = { { L3, 7, 0 } }, DROPS(ttl_expired) },
	{ "icmp6 hop limit 0", ICMP6, .edit = { { L3, 7, 0 } }, DROPS(ttl_expired) },

	/* IPv6 addresses */
	{ "from ::", TCP6, .src = "::", DROPS(ip_martian) },
	{ "from ::1", TCP6, .src = "::1", DROPS(ip_martian) },
	{ "from a compatible address", TCP6, .src = "::192.0.2.1", DROPS(ip_martian) },
	{ "from a mapped address", TCP6, .src = "::ffff:192.0.2.1", DROPS(ip_martian) },
	{ "from a group", UDP6, .src = "ff02::1", DROPS(ip_martian) },
	{ "icmp6 from ::", ICMP6, .src = "::", DROPS(ip_martian) },
	{ "to ::", TCP6, .dst = "::", DROPS(ip_martian) },
	{ "to ::1", TCP6, .dst = "::1", DROPS(ip_martian) },
	{ "to a mapped address", TCP6, .dst = "::ffff:192.0.2.10", DROPS(ip_martian) },
	{ "from a translated address", TCP6, .src = "64:ff9b::192.0.2.1", GOES },
	{ "from a link-local address", TCP6, .src = "fe80::1", GOES },
	{ "to a group, udp6", UDP6, .dst = "ff02::fb", .dmac = { MAC_GROUP6 }, DROPS(not_for_us) },
	{ "to a group, options first", UDP6, .dst = "ff02::fb", EXT6(0, OPT6(UDP_)),
		DROPS(not_for_us) },
	{ "vrrp6", UDP6, .proto = 112, .dst = "ff02::12", .dmac = { MAC_GROUP6 }, PUNTS },
	{ "vrrp6 to another group", UDP6, .proto = 112, .dst = "ff02::13", .dmac = { MAC_GROUP6 },
		DROPS(not_for_us) },
	{ "land tcp6", TCP6, .src = VIP6, DROPS(ip_land) },
	{ "land icmp6", ICMP6, .src = VIP6, DROPS(ip_land) },

	/* IPv6 extension headers */
	{ "hop-by-hop options", TCP6, EXT6(0, OPT6(TCP_)), GOES },
	{ "destination options", UDP6, EXT6(60, OPT6(UDP_)), GOES },
	{ "hop-by-hop, destination options", TCP6, EXT6(0, OPT6("\x3c") OPT6(TCP_)), GOES },
	{ "options of 24 bytes", TCP6, EXT6(60, TCP_ "\2......................"), GOES },
	{ "hop-by-hop second", TCP6, EXT6(60, OPT6("\0") OPT6(TCP_)), DROPS(ip_header) },
	{ "hop-by-hop twice", TCP6, EXT6(0, OPT6("\0") OPT6(TCP_)), DROPS(ip_header) },
	{ "eight headers", TCP6,
		EXT6(60, OPT6("\x3c") OPT6("\x3c") OPT6("\x3c") OPT6("\x3c") OPT6("\x3c")
				 OPT6("\x3c") OPT6("\x3c") OPT6(TCP_)),
		GOES },
	{ "nine headers", TCP6,
		EXT6(60, OPT6("\x3c") OPT6("\x3c") OPT6("\x3c") OPT6("\x3c") OPT6("\x3c")
				 OPT6("\x3c") OPT6("\x3c") OPT6("\x3c") OPT6(TCP_)),
		DROPS(ip_header) },
	{ "options beyond the packet", TCP6, EXT6(60, TCP_ "\377\1\4\0\0\0\0"), DROPS(ip_header) },
	{ "options cut", TCP6, EXT6(60, OPT6(TCP_)), .edit = { { L3, 5, 7 } }, DROPS(ip_header) },
	{ "options up to the end", TCP6, EXT6(60, OPT6(TCP_)), .edit = { { L3, 5, 8 } },
		DROPS(l4_header) },
	{ "routing header type 0", TCP6, EXT6(43, TCP_ "\0\0\0\0\0\0\0"), DROPS(ip_source_route) },
	{ "routing header with segments left", TCP6, EXT6(43, TCP_ "\0\4\1\0\0\0\0"),
		DROPS(ip_source_route) },
	{ "routing header used up", TCP6, EXT6(43, TCP_ "\0\4\0\0\0\0\0"), GOES },
	{ "routing header after options", TCP6, EXT6(0, OPT6("\x2b") TCP_ "\0\2\1\0\0\0\0"),
		DROPS(ip_source_route) },
	{ "atomic fragment", TCP6, EXT6(44, TCP_ "\0\0\0\1\2\3\4"), GOES },
	{ "atomic fragment udp6", UDP6, EXT6(44, UDP_ "\0\0\0\1\2\3\4"), GOES },
	{ "atomic fragment, reserved bits", TCP6, EXT6(44, TCP_ "\7\0\6\1\2\3\4"), GOES },
	{ "first fragment", TCP6, EXT6(44, TCP_ "\0\0\1\1\2\3\4"), FRAGMENT },
	{ "last fragment, IPv6", TCP6, EXT6(44, TCP_ "\0\0\10\1\2\3\4"), FRAGMENT },
	{ "fragment far away", UDP6, EXT6(44, UDP_ "\0\377\371\1\2\3\4"), FRAGMENT },
	{ "fragment behind options", TCP6, EXT6(0, OPT6("\x2c") TCP_ "\0\0\1\1\2\3\4"), FRAGMENT },
	{ "authentication header", TCP6, EXT6(51, TCP_ "\4......................"),
		DROPS(ip_protocol), .flags = PKT_VIRTUAL },
	{ "esp", TCP6, EXT6(50, "........"), DROPS(ip_protocol), .flags = PKT_VIRTUAL },
	{ "esp behind options", TCP6, EXT6(60, OPT6("\x32")), DROPS(ip_protocol),
		.flags = PKT_VIRTUAL },
	{ "no next header", TCP6, EXT6(59, "........"), DROPS(ip_protocol) },
	{ "no next header to a port", TCP6, .dst = OWN6, EXT6(59, "........"), DROPS(ip_protocol) },
	{ "mobility header", TCP6, EXT6(135, TCP_ "\0......"), DROPS(ip_protocol),
		.flags = PKT_VIRTUAL },
	{ "icmp4 over IPv6", UDP6, .proto = IPPROTO_ICMP, DROPS(ip_protocol),
		.flags = PKT_VIRTUAL },
	{ "unknown to a port", UDP6, .proto = 253, .dst = OWN6, PUNTS, .flags = PKT_OURS },
	{ "unknown to another", UDP6, .proto = 253, .dst = OTHER6, DROPS(ip_protocol) },
};

#endif

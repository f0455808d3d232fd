/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include <stdbool.h>
#include <string.h>

#include <netinet/in.h>

#include "frame.h"

#define PACKET_MAX 65535
#define FIN_PSH    0x09
#define CWR        0x80

/* A packet as it is given, and what it says of itself. */
struct packet {
	uint8_t b[PACKET_MAX];
	uint32_t len, l3_len, header; /* all; up to the TCP header, up to the data */
	bool v6;
};

static void put2(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get2(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get4(const uint8_t *p)
{
	return get2(p) << 16 | get2(p + 2);
}

/* Of addresses and protocol, and of the length unless the device puts that in. */
static uint32_t pseudo_sum(const struct packet *p, uint32_t length)
{
	const uint32_t from = p->v6 ? 8 : 12, to = p->v6 ? 40 : 20;
	uint32_t sum = IPPROTO_TCP + length;

	for (uint32_t i = from; i < to; i += 2)
		sum += get2(p->b + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static const char *check(const struct packet *p, const struct rte_mbuf *m, bool cut)
{
	const uint64_t family = p->v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
	const uint64_t families = RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_IPV4;

	if ((m->ol_flags & families) != family)
		return "flags of another family";
	if ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) != RTE_MBUF_F_TX_TCP_CKSUM)
		return "no flag for a checksum";
	if (!p->v6 && !(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM))
		return "no flag for the checksum of IP";
	if (!p->v6 && get2(p->b + 10) != 0)
		return "a checksum of IP where the device puts it";
	if (m->l3_len != p->l3_len || m->l4_len != p->header - p->l3_len)
		return "wrong lengths of headers";
	if (get2(p->b + p->l3_len + 16) != pseudo_sum(p, cut ? 0 : p->len - p->l3_len))
		return "a wrong sum of the pseudo header";
	if (cut && (m->tso_segsz == 0 || p->len - p->header <= m->tso_segsz))
		return "nothing to cut up";
	return NULL;
}

/* The data from off on, in a packet of its own. */
static void send_piece(
	const struct packet *p, uint32_t off, uint32_t len, device_send *send, void *arg)
{
	static struct frame f;
	uint8_t *tcp;

	memset(&f, 0, sizeof(f));
	f.family = p->v6 ? 6 : 4;
	f.proto = IPPROTO_TCP;
	f.l4 = p->l3_len;
	f.len = f.end = p->header + len;
	memcpy(f.b, p->b, p->header);
	memcpy(f.b + p->header, p->b + p->header + off, len);
	put2(f.b + (p->v6 ? 4 : 2), p->v6 ? f.len - 40 : f.len);
	tcp = f.b + p->l3_len;
	put2(tcp + 4, (get4(tcp + 4) + off) >> 16);
	put2(tcp + 6, get4(p->b + p->l3_len + 4) + off);
	if (p->header + off + len < p->len)
		tcp[13] &= (uint8_t)~FIN_PSH;
	if (off)
		tcp[13] &= (uint8_t)~CWR;
	frame_fix(&f);
	send(arg, f.b, f.len);
}

const char *device_take(const struct rte_mbuf *m, device_send *send, void *arg)
{
	const bool cut = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
	static struct packet p;
	const char *wrong;
	const void *bytes;
	uint32_t most;

	bytes = m->pkt_len <= sizeof(p.b) ? rte_pktmbuf_read(m, 0, m->pkt_len, p.b) : NULL;
	if (!bytes)
		return "more bytes than IP has";
	if (bytes != p.b)
		memcpy(p.b, bytes, m->pkt_len);
	p.len = m->pkt_len;
	p.v6 = p.b[0] >> 4 == 6;
	p.l3_len = p.v6 ? 40 : 20;
	p.header = p.l3_len + (p.b[p.l3_len + 12] >> 4) * 4u;
	wrong = check(&p, m, cut);
	if (wrong)
		return wrong;
	most = cut ? m->tso_segsz : p.len;
	if (p.header + (cut ? most : p.len - p.header) > FRAME_MAX)
		return "a packet that no link takes";
	for (uint32_t off = 0; off == 0 || p.header + off < p.len; off += most)
		send_piece(&p, off, RTE_MIN(most, p.len - p.header - off), send, arg);
	return NULL;
}

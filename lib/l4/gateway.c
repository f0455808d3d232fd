/* SPDX-License-Identifier: BSD-3-Clause */
/* See gateway.h. */
#include "gateway.h"

#include <netinet/in.h>

#include "evict.h"
#include "l4_priv.h"
#include "quote.h"
#include "sched/limit.h"

#define ICMP_LEN 8

/* Local ports: the range; how many are looked at for a connection, and how many of them in the
 * table. */
#define PORT_FIRST 1024
#define PORT_TRIES 4096
#define OPEN_TRIES 64

/* What is put for the addresses of a packet; NULL: they stay. */
struct mapping {
	const struct gateway_pair *src, *dst;
};

static uint32_t load4(const void *at)
{
	uint32_t v;

	memcpy(&v, at, 4);
	return v;
}

static bool is_icmp(const struct pkt *p)
{
	return p->proto == (p->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* Errors: RFC 792 (unreachable, source quench, time exceeded, parameter problem), RFC 4443 2.1. */
static bool is_icmp_error(const struct pkt *p)
{
	const uint8_t type = p->l4[0];

	if (!is_icmp(p))
		return false;
	return p->family == 4 ? type == 3 || type == 4 || type == 11 || type == 12 : type < 128;
}

/* Whether an address is routed to where the packet came from. */
static bool comes_from(const struct l4 *l, const struct addr *src, uint8_t port)
{
	struct route_hop hop;

	return net_route(l->model->net, src, &hop) && hop.port == port;
}

/* ---- one-to-one ------------------------------------------------------------------------------ */

/* The address at a place of an IP header. */
static struct addr addr_at(const uint8_t *at, uint8_t family)
{
	return family == 6 ? addr_from_v6(at) : addr_from_v4(load4(at));
}

/* Its 4 or 16 bytes as packets have them. */
static const void *on_wire(const struct addr *a)
{
	return addr_is_v4(a) ? (const void *)&a->w[3] : a->b;
}

/*
 * The packet that an ICMP error quotes came from who gets the error or went to who caused it. Its
 * addresses change the other way round, so that the receiver knows the packet as its own. Before
 * the error's own addresses change.
 */
static void map_quote(const struct gateway *g, struct pkt *p)
{
	const bool v6 = p->family == 6;
	uint8_t *quoted = p->l4 + ICMP_LEN;
	uint8_t *src = quoted + (v6 ? 8 : 12), *dst = quoted + (v6 ? 24 : 16);
	const struct gateway_pair *pair;
	struct icmp_quote q;
	uint64_t diff = 0;
	struct addr a;
	bool carries;

	if (p->l4_len < ICMP_LEN + (v6 ? 40 : 20) || quoted[0] >> 4 != p->family)
		return;
	carries = icmp_quoted(p, &q);
	a = addr_at(src, p->family);
	pair = gateway_by_outside(g, &a);
	if (pair)
		diff += quote_put_address(src, p->family, &pair->inside);
	a = addr_at(dst, p->family);
	pair = gateway_by_inside(g, &a);
	if (pair)
		diff += quote_put_address(dst, p->family, &pair->outside);
	quote_mend_ip(quoted, p->family, diff);
	if (carries)
		quote_mend_l4(&q, diff);
}

static void map_addresses(const struct gateway *g, struct pkt *p, const struct mapping *map)
{
	const bool error = is_icmp_error(p);

	if (error)
		map_quote(g, p);
	if (map->dst)
		rewrite_address(p, false, on_wire(&map->dst->inside));
	if (map->src)
		rewrite_address(p, true, on_wire(&map->src->outside));
	if (error)
		rewrite_icmp_checksum(p);
}

/* ---- masquerade ------------------------------------------------------------------------------ */

/* The tuple of a TCP or UDP packet, or of an echo request or reply. */
static bool tuple_of(const struct pkt *p, struct tuple *t)
{
	if (is_icmp(p))
		return pkt_echo_tuple(p, t);
	*t = pkt_tuple(p);
	return p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP;
}

/* Whether a packet with this tuple may begin a connection. */
static bool begins(const struct pkt *p, const struct tuple *t)
{
	if (p->proto == IPPROTO_TCP)
		return (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
	return t->sport != 0; /* an echo reply has none */
}

static void flow_begin(struct l4 *l, struct flow *f)
{
	const struct service *service = l->model->service[0];

	f->mode = service->mode;
	f->adj[DIR_FORWARD] = f->adj[DIR_RETURN] = ADJ_NONE;
	f->epoch = l4_epoch(l);
	f->born = f->seen = l->now_ms;
	limit_open(l->sched, 0, false);
	counter_add(&l->service[0].flows_opened, 1);
	counter_add(&l->server[0].flows_opened, 1);
}

/*
 * A port of ours for the answers: tried in turn from a place that the connection's ends choose (RFC
 * 6056, 3.3.3), until one makes this worker the answers' owner and is free toward this destination.
 */
static struct flow *open_from(
	struct l4 *l, const struct tuple *tuple, struct tuple *back, enum drop_reason *reason)
{
	const uint32_t place = flow_hash(l->flows, tuple) + l->gateway_turn++;
	unsigned int opens = 0;

	for (uint32_t i = 0; i < PORT_TRIES && opens < OPEN_TRIES; i++) {
		struct flow *f;

		back->dport = rte_cpu_to_be_16(
			(uint16_t)(PORT_FIRST + (place + i) % (65536 - PORT_FIRST)));
		if (steer_owner(l->steer, back, false) != l->steer->id)
			continue;
		f = flow_open(l->flows, tuple, back, reason);
		if (!f && *reason == DROP_flow_table_full)
			f = evict_and_open(l, tuple, back, reason);
		if (f || *reason != DROP_flow_clash)
			return f;
		opens++;
	}
	*reason = DROP_no_local_port;
	return NULL;
}

/* The flow of a connection that a server begins; NULL with *reason. */
static struct flow *masquerade_open(struct l4 *l, const struct gateway_masquerade *rule,
	const struct tuple *tuple, enum drop_reason *reason)
{
	struct tuple back = { .src = tuple->dst, .sport = tuple->dport, .proto = tuple->proto };
	/* One server always with the same one, as far as it goes. */
	const uint32_t first = net_local_hash(&tuple->src);
	struct flow *f = NULL;

	*reason = DROP_no_local_port;
	for (unsigned int i = 0; !f && i < rule->n_sources; i++) {
		back.dst = rule->sources[(first + i) % rule->n_sources];
		f = open_from(l, tuple, &back, reason);
		if (*reason != DROP_no_local_port)
			break;
	}
	if (f)
		flow_begin(l, f);
	return f;
}

static void masquerade(struct l4 *l, struct pkt *p, const struct gateway_masquerade *rule)
{
	enum drop_reason reason = DROP_no_flow;
	struct tuple tuple;
	struct flow *f = NULL;

	if (!tuple_of(p, &tuple))
		reason = DROP_ip_protocol;
	else if (begins(p, &tuple))
		f = masquerade_open(l, rule, &tuple, &reason);
	p->dir = DIR_FORWARD;
	if (f) {
		l4_note_opened(l, p);
		l4_forward_hit(l, p, f);
	} else {
		pkt_drop(p, reason);
	}
}

bool gateway_keeps(const struct l4 *l, const struct flow *f)
{
	const struct gateway *g = l->model->gateway;
	const struct tuple forward = flow_tuple(f, DIR_FORWARD), back = flow_tuple(f, DIR_RETURN);

	for (unsigned int i = 0; g && i < g->n_masquerades; i++) {
		const struct gateway_masquerade *m = &g->masquerades[i];

		if (!prefix_contains(&m->from, &forward.src))
			continue;
		for (unsigned int j = 0; j < m->n_sources; j++)
			if (addr_equal(&m->sources[j], &back.dst))
				return true;
	}
	return false;
}

/* ---- a packet -------------------------------------------------------------------------------- */

/* Whether it may leave through a port; if not, it has been dealt with. */
static bool may_leave(struct l4 *l, struct pkt *p, uint8_t port)
{
	const uint16_t mtu = net_mtu(l->net, port);

	if (!may_live(l, p))
		return false;
	if (p->l3_len <= mtu || packet_may_split(p, mtu))
		return true;
	net_too_big(l->net, p, mtu);
	return false;
}

static void send_mapped(
	struct l4 *l, struct pkt *p, const struct mapping *map, const struct addr *dst)
{
	p->dir = map->dst ? DIR_RETURN : DIR_FORWARD;
	count_packet(l, p, 0, 0);
	map_addresses(l->model->gateway, p, map);
	rewrite_ttl(p);
	p->verdict = PKT_SEND;
	p->adj = net_resolve(l->net, p, dst);
}

bool gateway_forward(struct l4 *l, struct pkt *p)
{
	const struct gateway *g = l->model->gateway;
	const struct gateway_masquerade *rule;
	struct addr src = pkt_src(p), dst = pkt_dst(p);
	struct mapping map = { NULL, NULL };
	struct route_hop hop;
	bool inside;

	if (!g || (p->flags & (PKT_OURS | PKT_VIRTUAL)) || addr_is_link_local(&src) ||
		addr_is_link_local(&dst))
		return false;
	if (p->flags & PKT_MAPPED) {
		map.dst = gateway_by_outside(g, &dst);
		dst = map.dst->inside;
	}
	if (!net_route(l->model->net, &dst, &hop))
		return false;
	inside = net_local(l->model->net, &src, NULL) == LOCAL_NONE && comes_from(l, &src, p->port);
	if (inside && (hop.port != p->port || map.dst))
		map.src = gateway_by_inside(g, &src);
	if (!map.src && !map.dst) {
		rule = inside ? gateway_masquerade_of(g, &src, hop.port) : NULL;
		if (rule) {
			masquerade(l, p, rule);
			return true;
		}
		if (!gateway_routes(g, p->port, hop.port))
			return false;
	}
	if (may_leave(l, p, hop.port))
		send_mapped(l, p, &map, &dst);
	return true;
}

/* An echo request or reply of a masqueraded flow. */
static bool forward_echo(struct l4 *l, struct pkt *p)
{
	struct tuple tuple;
	struct flow *f;

	if (!is_icmp(p) || !pkt_echo_tuple(p, &tuple))
		return false;
	f = flow_find(l->flows, &tuple, &p->dir);
	if (!f)
		return false;
	l4_forward_hit(l, p, f);
	return true;
}

void gateway_burst(struct l4 *l, struct burst *b)
{
	if (!l->model->gateway)
		return;
	for (struct pkt *p = b->pkt; p < b->pkt + b->n; p++) {
		if (p->verdict == PKT_ICMP && (p->flags & PKT_OURS))
			forward_echo(l, p);
		else if (p->verdict == PKT_ROUTED && !forward_echo(l, p) && !gateway_forward(l, p))
			pkt_drop(p, (enum drop_reason)p->reason);
	}
}

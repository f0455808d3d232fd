/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors that others send about packets we have forwarded (RFC 792, RFC 4443): they follow the
 * flow of the packet they quote, against its direction, and reach who sent it in a shape it knows.
 *
 *   quoted, as the router saw it   the packet after it was rewritten: in reverse, one of the flow's
 *                                  tuples, which says the direction of the error
 *   quoted, as it leaves us        the packet before: the flow's other tuple
 *   receiver                       who sent the quoted packet
 *   sender                         the router, unless this direction hides where packets come from
 *
 * Modes that see one direction rewrite the error like any packet of the client. An error is
 * believed if its flow exists, and changes nothing of it: no state, no time-out; only that nothing
 * is added to its packets any more. Whether its sequence number can be true is up to the receiver.
 *
 * What is made up about no flow takes nothing from the share of those about flows.
 *
 * Called by the pipeline; the owner of the flow's packets gets the errors too (flow/steer.c).
 */
#include "l4_priv.h"

#include <netinet/in.h>

#include <rte_icmp.h>

#include "gateway.h"
#include "proxied.h"
#include "quote.h"
#include "translate.h"
#include "tunnel.h"

/* What a worker passes on of a kind in a second, a tenth of it at once after a pause. */
#define ERROR_RATE 10000

/* ---- rewriting ------------------------------------------------------------------------------ */

/* Makes the quoted packet what its sender sent, as far as it is there. */
static uint64_t restore_quote(const struct icmp_quote *q, uint8_t family, const struct tuple *sent)
{
	uint8_t *src = q->l3 + (family == 4 ? 12 : 8), *dst = q->l3 + (family == 4 ? 16 : 24);
	const uint64_t addresses = quote_put_address(src, family, &sent->src) +
				   quote_put_address(dst, family, &sent->dst);
	const uint64_t ports = quote_put2(q->l4, sent->sport) + quote_put2(q->l4 + 2, sent->dport);

	return addresses + ports + quote_mend_ip(q->l3, family, addresses) +
	       quote_mend_l4(q, addresses + ports);
}

/* Rewrites an error of direction p->dir of a flow whose two directions we see. */
static void rewrite_error(struct pkt *p, const struct icmp_quote *q, const struct flow *f)
{
	const struct tuple seen = flow_tuple(f, p->dir), sent = flow_tuple(f, !p->dir);
	uint8_t *src = pkt_addrs(p), *dst = src + (p->family == 4 ? 4 : 16);
	uint64_t outer = quote_put_address(dst, p->family, &sent.src);
	uint64_t diff = restore_quote(q, p->family, &sent);

	if (!addr_equal(&seen.src, &sent.dst))
		outer += quote_put_address(src, p->family, &sent.dst);
	if (p->family == 4)
		quote_put_checksum(
			p->l3 + offsetof(struct rte_ipv4_hdr, hdr_checksum), outer, false);
	else
		diff += outer; /* the pseudo header */
	quote_put_checksum(p->l4 + offsetof(struct rte_icmp_hdr, icmp_cksum), diff, false);
}

/* Likewise of a flow between two families. */
static void translate(struct l4 *l, struct pkt *p, const struct icmp_quote *q, const struct flow *f)
{
	const struct tuple sent = flow_tuple(f, !p->dir);
	const enum drop_reason reason = translate_error(p, q->l3, q->l4, &sent, l4_next_id(l));

	if (reason != DROP_none)
		pkt_drop(p, reason);
}

/* ---- what becomes of an error --------------------------------------------------------------- */

bool l4_error_allowed(struct l4 *l, struct pkt *p, struct net_bucket *bucket)
{
	if (net_bucket_take(bucket, ERROR_RATE, l->now_ms))
		return true;
	pkt_drop(p, DROP_icmp_error_rate);
	return false;
}

/* An error about a packet of a flow. */
static void follow(struct l4 *l, struct pkt *p, const struct icmp_quote *q, struct flow *f)
{
	const struct fwd_ops *mode = fwd_table[f->mode];
	const struct server *server = l->model->server[f->server];
	const struct addr next = mode->next(f, p->dir, server);

	if (!l4_error_allowed(l, p, &l->flow_error_rate))
		return;
	/* What we add for the server may be what made it too big: that, at least, can be left
	 * out. */
	if (p->dir == DIR_RETURN && (f->flags & FLOW_UNSURE))
		f->unsure.quiet = true;
	count_packet(l, p, f->service, f->server);
	if (!may_live(l, p))
		return;
	if (p->l3_len > l->fits[f->mode] &&
		!l4_may_pass(l, p, l->model->service[f->service], server, &next))
		return;
	rewrite_ttl(p);
	p->verdict = PKT_SEND;
	if (mode->proxied)
		proxied_quote(l, p, q, f);
	if (f->flags & FLOW_MIXED)
		translate(l, p, q, f);
	else if (f->flags & FLOW_RETURN)
		rewrite_error(p, q, f);
	else if (mode->rewrite)
		mode->rewrite(l, p, f);
	if (p->verdict == PKT_SEND)
		p->adj = net_resolve(l->net, p, &next);
}

/* An error about a packet of no flow: of a server that answers clients by itself, or the kernel. */
static void follow_none(struct l4 *l, struct pkt *p, const struct icmp_quote *q)
{
	const struct service *service = NULL;

	if (p->flags & PKT_VIRTUAL)
		service = model_service(l->model, &q->tuple.dst, q->tuple.proto, q->tuple.dport);
	p->dir = DIR_FORWARD;
	if (service && !fwd_table[service->mode]->two_way)
		l4_forward_stateless(l, p, service, &q->tuple);
	else if ((p->flags & PKT_OURS) && net_kernel_wants(l->model->net, p))
		p->verdict = PKT_KERNEL;
	else if (!gateway_forward(l, p))
		pkt_drop(p, DROP_icmp_error_flow);
}

static void forward_error(struct l4 *l, struct pkt *p)
{
	const struct addr src = pkt_src(p);
	struct icmp_quote q;
	struct flow *f;

	if (net_local(l->model->net, &src, NULL) != LOCAL_NONE) {
		pkt_drop(p, DROP_ip_martian); /* nobody on a wire is one of us */
	} else if (!icmp_quoted(p, &q)) {
		pkt_drop(p, DROP_icmp_type);
	} else {
		p->hash = flow_hash(l->flows, &q.tuple); /* the way of the flow's packets */
		f = flow_find(l->flows, &q.tuple, &p->dir);
		if (f && f->kind == FLOW_LOCAL) {
			p->flow = f;
			if (l4_error_allowed(l, p, &l->flow_error_rate))
				l4_leave(l, p);
		} else if (f && flow_is_current(l, f)) {
			follow(l, p, &q, f);
		} else if (!tunnel_error(l, p, &q) &&
			   l4_error_allowed(l, p, &l->stray_error_rate)) {
			follow_none(l, p, &q);
		}
	}
}

void l4_error_burst(struct l4 *l, struct burst *b)
{
	for (struct pkt *p = b->pkt; p < b->pkt + b->n; p++)
		if (unlikely(p->verdict == PKT_ERROR))
			forward_error(l, p);
}

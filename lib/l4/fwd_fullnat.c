/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FULLNAT: destination and source are both rewritten. The server sees one of our own addresses (its
 * `sources`) with a local port, so its answers come back whatever its routes are, to the worker
 * that has the flow. In both directions a packet becomes the flow's other tuple, the other way
 * round.
 *
 * Where clients are IPv6 and the server is IPv4, the two tuples are of two families, and packets
 * change theirs: translate.h.
 *
 * Of several sources a client always gets the same first; when its ports toward the server are used
 * up, the next one.
 */
#include "l4_priv.h"
#include "net/clientaddr.h"
#include "net/parse.h"
#include "proxied.h"
#include "rewrite.h"
#include "translate.h"

#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_hash_crc.h>
#include <rte_tcp.h>

/* Segments that carry the client's address are no longer than what every IPv6 path and, in
 * practice, every IPv4 path takes: their sender does not know of what is added, and could not make
 * them shorter. */
#define TOLD_MAX 1280

static enum drop_reason fullnat_answers(struct l4 *l, const struct tuple *fwd,
	const struct service *service, const struct server *server, struct tuple *back)
{
	uint32_t client = rte_hash_crc_8byte(fwd->src.q[0], 0);
	enum drop_reason reason = DROP_no_source;

	client = rte_hash_crc_8byte(fwd->src.q[1], client);
	*back = (struct tuple){
		.src = server->addr,
		.sport = server->port ? rte_cpu_to_be_16(server->port) : fwd->dport,
		.proto = fwd->proto,
	};
	for (unsigned int i = 0; i < server->n_sources; i++) {
		back->dst = server->sources[(client % server->n_sources + i) % server->n_sources];
		reason = lport_take(l->lports, back, l->now_ms);
		if (reason == DROP_none)
			break;
	}
	return reason;
}

static void fullnat_release(struct l4 *l, const struct tuple *back)
{
	lport_give(l->lports, back, l->now_ms);
}

/* The source address may be ours no more. */
static bool fullnat_holds(const struct l4 *l, const struct flow *f)
{
	const struct tuple back = flow_tuple(f, DIR_RETURN);

	return net_local(l->model->net, &back.dst, NULL) == LOCAL_PORT;
}

/* Of a segment that is no SYN and no RST, where the server's SYN-ACK has passed: whether it shows
 * that the server has completed the handshake. Until it has, it can only acknowledge the SYN, as it
 * does when a segment is out of its window. */
static bool is_sure(const struct pkt *p, const struct flow *f)
{
	const uint16_t header =
		(uint16_t)((p->l4[offsetof(struct rte_tcp_hdr, data_off)] >> 4) * 4);
	uint16_t acked;

	memcpy(&acked, p->l4 + offsetof(struct rte_tcp_hdr, recv_ack) + 2, sizeof(acked));
	return (p->tcp_flags & TCP_FIN) || p->l4_len > header || acked != f->unsure.acked;
}

/*
 * A server with a module for it learns who the client is from the segment that completes the
 * handshake. The client's segments that may be this one say nothing but the truth: options of the
 * client's own are blanked, and with `client-address`: "toa" they carry its address, SYNs excepted.
 */
static void tell_client(struct l4 *l, struct pkt *p, struct flow *f)
{
	struct tuple t;

	if (p->dir == DIR_RETURN) {
		if (p->tcp_flags & TCP_SYN)
			memcpy(&f->unsure.acked, p->l4 + offsetof(struct rte_tcp_hdr, recv_ack) + 2,
				sizeof(f->unsure.acked));
		else if (!(p->tcp_flags & TCP_RST) && f->state != CONN_SYN && is_sure(p, f) &&
			 parse_sum_is_right(p))
			f->flags &= (uint8_t)~FLOW_UNSURE;
		return;
	}
	clientaddr_strip_toa(p);
	if ((p->tcp_flags & (TCP_SYN | TCP_RST)) || f->unsure.quiet ||
		l->model->service[f->service]->client_address != CLIENT_ADDRESS_TOA)
		return;
	t = flow_tuple(f, DIR_FORWARD);
	clientaddr_put_toa(p, &t.src, t.sport, RTE_MIN(l->fits[f->mode], (uint16_t)TOLD_MAX));
}

/* The most that a segment may carry between these two, each on a link of its own. */
static uint16_t segment_size(struct l4 *l, const struct addr *client, const struct addr *server)
{
	const struct addr *const ends[2] = { client, server };
	uint16_t max = UINT16_MAX;

	for (unsigned int i = 0; i < 2; i++) {
		const uint16_t headers = addr_is_v4(ends[i]) ? 40 : 60;
		struct route_hop hop;

		if (net_route(l->model->net, ends[i], &hop))
			max = RTE_MIN(max, net_mtu(l->net, hop.port) - headers);
	}
	return max;
}

/* Between two families. A SYN says how long the segments may be that come the other way. */
static void translate(struct l4 *l, struct pkt *p, const struct flow *f)
{
	const struct tuple other = flow_tuple(f, p->dir ^ 1), to = tuple_reverse(&other);
	const struct addr from = pkt_src(p);
	enum drop_reason reason;

	/* Other packets of this mode do not grow, so that l->fits knows nothing of it. */
	if (p->family == 4 && p->l3_len + TRANSLATE_GROWTH > l->fits[f->mode] &&
		!l4_may_pass(
			l, p, l->model->service[f->service], l->model->server[f->server], &to.dst))
		return;
	if (p->tcp_flags & TCP_SYN)
		rewrite_mss(p, segment_size(l, &from, &to.dst));
	reason = translate_packet(p, &to, l4_next_id(l));
	if (reason != DROP_none)
		pkt_drop(p, reason);
}

static void fullnat_rewrite(struct l4 *l, struct pkt *p, struct flow *f)
{
	const uint8_t other = p->dir ^ 1;
	const void *src, *dst;
	rte_be16_t sport, dport;

	if (unlikely(f->state == CONN_SYN && p->dir == DIR_FORWARD))
		f->flags |= FLOW_UNSURE;
	if (unlikely(f->flags & FLOW_UNSURE))
		tell_client(l, p, f);
	if (unlikely(f->flags & FLOW_MIXED)) {
		translate(l, p, f);
		return;
	}
	src = flow_destination(f, other, &sport);
	dst = flow_source(f, other, &dport);
	rewrite_ends(p, src, sport, dst, dport);
}

static void fullnat_rewrite_proxied(struct l4 *l, struct pkt *p, struct flow *f)
{
	proxied_translate(l, p, f);
	fullnat_rewrite(l, p, f);
}

static struct addr fullnat_next(const struct flow *f, uint8_t dir, const struct server *server)
{
	return flow_tuple(f, dir ^ 1).src;
}

static uint16_t fullnat_limit(struct l4 *l, const struct pkt *p, const struct service *service,
	const struct server *server, const struct addr *next, uint16_t mtu)
{
	return addr_is_v4(next) == (p->family == 4) ? mtu : translate_limit(p, mtu);
}

const struct fwd_ops fwd_ops_fullnat = {
	.name = "fullnat",
	.two_way = true,
	.answers = fullnat_answers,
	.release = fullnat_release,
	.holds = fullnat_holds,
	.limit = fullnat_limit,
	.rewrite = fullnat_rewrite,
	.next = fullnat_next,
};

const struct fwd_ops fwd_ops_fullnat_proxied = {
	.name = "fullnat",
	.two_way = true,
	.proxied = true,
	.release = fullnat_release,
	.holds = fullnat_holds,
	.limit = fullnat_limit,
	.rewrite = fullnat_rewrite_proxied,
	.next = fullnat_next,
};

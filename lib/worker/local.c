/* SPDX-License-Identifier: BSD-3-Clause */
/* See local.h. */
#include "local.h"

#include <errno.h>
#include <netinet/in.h>

#include <rte_branch_prediction.h>

#include "net/icmp_quote.h"
#include "net/parse.h"
#include "net/poison.h"
#include "worker.h"

/* struct local.us_factor has so many bits behind the point: an hour's error is under 1 us. */
#define US_SHIFT 44

/* Segments whose connections are fetched before they are looked at. */
#define AHEAD 3

/* ---- sending -------------------------------------------------------------------------------- */

static void output(void *arg, struct rte_mbuf *m, const struct addr *dst, struct tcp_hop *hop)
{
	struct net_worker *net = arg;
	const uint32_t epoch = net->epoch << 1 | 1; /* never 0, which is a new connection's */

	if (unlikely(hop->epoch != epoch)) {
		hop->epoch = epoch;
		hop->adj = ADJ_NONE;
	}
	net_send_by(net, m, dst, &hop->adj);
}

static uint16_t mtu_toward(void *arg, const struct addr *dst)
{
	const struct net_worker *net = arg;
	struct route_hop hop;

	return net_route(net->table, dst, &hop) ? net_mtu(net, hop.port) : 0;
}

static const struct tcp_net_ops net_ops = { .output = output, .mtu = mtu_toward };

/* ---- ICMP errors ---------------------------------------------------------------------------- */

/* The MTU that an error says a segment was too big for, or 0: it says something else, or nothing to
 * go by (RFC 1191 4, RFC 8201 4). */
static uint16_t too_big_for(const struct pkt *p)
{
	const uint8_t *icmp = p->l4;
	uint32_t mtu;

	if (p->family == 4)
		return icmp[0] == 3 && icmp[1] == 4 ? (uint16_t)(icmp[6] << 8 | icmp[7]) : 0;
	if (icmp[0] != 2)
		return 0;
	memcpy(&mtu, icmp + 4, 4);
	mtu = rte_be_to_cpu_32(mtu);
	return mtu < RTE_IPV6_MIN_MTU ? 0 : (uint16_t)RTE_MIN(mtu, (uint32_t)UINT16_MAX);
}

/* What the others come to (RFC 1122 4.2.3.9, RFC 5461 2); false: nothing. */
static bool says_failure(const struct pkt *p, enum tcp_icmp *what)
{
	const uint8_t type = p->l4[0], code = p->l4[1];

	*what = TCP_ICMP_HOST;
	if (p->family == 4) {
		if (type == 3 && (code == 2 || code == 3)) /* protocol, port */
			*what = TCP_ICMP_PORT;
		return (type == 3 && code != 4) || (type == 11 && code == 0);
	}
	if ((type == 1 && code == 4) || (type == 4 && code == 1)) /* port, next header */
		*what = TCP_ICMP_PORT;
	return type == 1 || (type == 3 && code == 0) || (type == 4 && code == 1);
}

static void take_error(struct worker *w, struct pkt *p)
{
	const uint16_t mtu = too_big_for(p);
	enum tcp_icmp what = TCP_ICMP_TOO_BIG;
	struct flow *f = NULL;
	struct icmp_quote q;
	uint32_t seq;

	/* The connection may have ended since. */
	if (icmp_quoted(p, &q) && q.proto == IPPROTO_TCP)
		f = flow_find(w->l4.flows, &q.tuple, &p->dir);
	if (f && f->kind == FLOW_LOCAL && (mtu || says_failure(p, &what))) {
		memcpy(&seq, q.l4 + 4, 4);
		tcp_icmp_error(w->local.tcp, f, what, rte_be_to_cpu_32(seq), mtu);
	}
	pkt_unpoison(p->mbuf);
	rte_pktmbuf_free(p->mbuf);
	p->verdict = PKT_TAKEN;
}

/* ---- segments ------------------------------------------------------------------------------- */

static const struct tcp_listener *listener_of(struct worker *w, const struct service *service)
{
	static const uint8_t cookies[] = {
		[SYN_PROXY_OFF] = TCP_COOKIES_NEVER,
		[SYN_PROXY_AUTO] = TCP_COOKIES_AUTO,
		[SYN_PROXY_ALWAYS] = TCP_COOKIES_ALWAYS,
	};
	struct tcp_listener *l = &w->local.listener;

	if (!service || service->mode != MODE_TCP)
		return NULL;
	l->tag = service->slot | (uint32_t)service->gen << 16;
	l->cookies = cookies[service->syn_proxy.mode];
	return l;
}

/* Leaves it at PKT_GO where its connection has ended, and it may begin another one. */
static void take_segment(struct worker *w, struct pkt *p)
{
	struct flow_table *flows = w->l4.flows;
	const bool had = p->flow != NULL;
	struct flow *f;

	/* Segments before it may have begun its connection, or ended it. */
	f = had && p->flow->kind == FLOW_LOCAL ? flow_of_packet(flows, p)
					       : flow_find_packet(flows, p);
	p->verdict = PKT_GO;
	if (unlikely(!f && had))
		return;
	pkt_unpoison(p->mbuf);
	tcp_input(w->local.tcp, p, f, f ? NULL : listener_of(w, w->l4.model->service[p->service]));
}

static inline void fetch(const struct worker *w, const struct pkt *p)
{
	if (p->verdict == PKT_LOCAL && p->proto == IPPROTO_TCP && p->flow && w->local.tcp)
		tcp_prefetch(w->local.tcp, p->flow);
}

/* Returns how many packets were left at PKT_GO. */
static unsigned int take(struct worker *w, struct burst *b)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < RTE_MIN(b->n, (unsigned int)AHEAD); i++)
		fetch(w, &b->pkt[i]);
	for (struct pkt *p = b->pkt; p < b->pkt + b->n; p++) {
		if (p + AHEAD < b->pkt + b->n)
			fetch(w, p + AHEAD);
		if (p->verdict != PKT_LOCAL)
			continue;
		if (unlikely(!w->local.tcp))
			pkt_drop(p, DROP_no_service);
		else if (likely(p->proto == IPPROTO_TCP))
			take_segment(w, p);
		else
			take_error(w, p);
		left += p->verdict == PKT_GO;
	}
	return left;
}

void local_burst(struct worker *w, struct burst *b)
{
	if (likely(take(w, b) == 0))
		return;
	/* They have no flow any more, and go the way of those that had none. */
	parse_first_burst(w->net->table, b);
	l4_open_burst(&w->l4, b);
	take(w, b);
	burst_foreach (b, p)
		pkt_drop(p, DROP_no_flow); /* ended twice in a burst */
}

/* ---- time ----------------------------------------------------------------------------------- */

static uint64_t us_of(const struct worker *w, uint64_t tsc)
{
	return (uint64_t)(((unsigned __int128)tsc * w->local.us_factor) >> US_SHIFT);
}

unsigned int local_advance(struct worker *w, uint64_t tsc, unsigned int max)
{
	const struct local *l = &w->local;
	unsigned int n;

	if (likely(!l->tcp))
		return 0;
	n = tcp_advance(l->tcp, us_of(w, tsc), w->now_ms, max);
	if (l->turn)
		n += l->turn(l->listener.ctx, w->l4.model, l->tcp, w->now_ms, max);
	return n;
}

unsigned int local_flush(struct worker *w)
{
	return likely(!w->local.tcp) ? 0 : tcp_flush(w->local.tcp);
}

static void flow_over(void *arg, struct flow *f)
{
	tcp_flow_due(arg, f);
}

/* ---- life ----------------------------------------------------------------------------------- */

/* What every nic does by itself. */
static uint16_t common_offloads(const struct net_worker *net)
{
	uint16_t all = UINT16_MAX;

	for (unsigned int i = 0; i < net->n_nics; i++)
		all &= net->nics[i]->tx_offloads;
	return all;
}

int local_open(struct worker *w, const struct local_app *app, struct rte_mempool *rx,
	const struct hash_key *cookie, uint64_t tsc)
{
	const uint16_t sums = NIC_TX_IP_CKSUM | NIC_TX_L4_CKSUM;
	struct local *l = &w->local;
	struct tcp_conf conf;
	int rc;

	if (!app)
		return 0;
	conf = app->conf;
	conf.socket = w->socket;
	conf.linear = !(common_offloads(w->net) & NIC_TX_MULTI_SEG);
	conf.offload = (common_offloads(w->net) & sums) == sums;
	conf.flows = w->l4.flows;
	conf.lports = w->l4.lports;
	conf.pool = app->pools[w->id];
	conf.rx = rx;
	conf.cookie = *cookie;
	conf.net = &net_ops;
	conf.net_arg = w->net;
	rc = hash_key_random(&conf.secret);
	if (rc < 0)
		return rc;
	l->us_factor = (uint64_t)(((unsigned __int128)1000000 << US_SHIFT) / w->tsc_hz);
	l->listener = (struct tcp_listener){
		.ops = app->ops,
		.ctx = app->ctx ? app->ctx[w->id] : NULL,
		.how = app->how,
	};
	l->turn = app->turn;
	l->tcp = tcp_create(&conf, us_of(w, tsc), w->now_ms);
	if (!l->tcp)
		return -errno;
	w->l4.local_due = flow_over;
	w->l4.local_arg = l->tcp;
	return 0;
}

void local_close(struct worker *w)
{
	if (w->local.tcp)
		tcp_destroy(w->local.tcp);
	w->local.tcp = NULL;
}

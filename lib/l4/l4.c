/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Layer 4 forwarding: a burst, a hit, time. Packets without a flow are open.c's. See l4.h for who
 * calls it.
 *
 * Within a burst flows may be opened and closed, so that what the burst lookup found for later
 * packets is out of date: `moved` makes them look again.
 */
#include "l4_priv.h"

#include <netinet/in.h>

#include "evict.h"
#include "handshake.h"
#include "net/parse.h"
#include "pace.h"
#include "path.h"
#include "sched/limit.h"
#include "synproxy.h"

static void set_fits(struct l4 *l)
{
	const uint16_t known = path_floor(l->paths, l->now_ms);
	const uint16_t path = known && known < l->mtu ? known : l->mtu;

	for (unsigned int i = 0; i < MODE_ALL; i++)
		l->fits[i] = (fwd_table[i]->splits ? path : l->mtu) - fwd_table[i]->growth;
}

void l4_set_model(struct l4 *l, const struct model *m)
{
	uint16_t mtu = UINT16_MAX;

	for (unsigned int i = 0; i < net_port_count(m->net); i++)
		mtu = RTE_MIN(mtu, net_mtu(l->net, (uint8_t)i));
	l->model = m;
	l->mtu = l->net->fits = mtu;
	set_fits(l);
}

/* ---- hit ------------------------------------------------------------------------------------ */

/* Whether it counts for its server's load and limit: until both sides have closed. */
static inline bool flow_counts(const struct flow *f)
{
	const uint8_t both = FLOW_FIN_FWD | FLOW_FIN_RET;

	return (f->flags & both) != both;
}

/* What the link toward next takes; 0: there is no way. */
static uint16_t link_mtu(const struct l4 *l, const struct pkt *p, const struct addr *next)
{
	struct route_hop hop;

	if (p->adj != ADJ_NONE)
		return net_mtu(l->net, adj_word_port(neigh_word(l->net->neigh, p->adj)));
	return net_route(l->model->net, next, &hop) ? net_mtu(l->net, hop.port) : 0;
}

/* Lets a packet that is too big go in fragments. Its sender hears of it, so that the next one fits;
 * an IPv6 host of no less than 1,280 bytes, which it may always send (RFC 2473 7.1). */
static void send_split(struct l4 *l, struct pkt *p, uint16_t mtu)
{
	const uint16_t told = p->family == 6 ? RTE_MAX(mtu, RTE_IPV6_MIN_MTU) : mtu;

	if (!packet_may_split(p, told) && p->l3_len > told)
		icmp_error(l->net, p, ICMP_ERR_TOO_BIG, told);
	p->flags |= PKT_SPLIT;
}

bool l4_may_pass(struct l4 *l, struct pkt *p, const struct service *service,
	const struct server *server, const struct addr *next)
{
	const struct fwd_ops *mode = fwd_table[service->mode];
	uint16_t mtu = link_mtu(l, p, next);

	if (mtu == 0)
		return true;
	if (mode->limit)
		mtu = mode->limit(l, p, service, server, next, mtu);
	if (p->l3_len <= mtu)
		return true;
	if (mode->splits)
		send_split(l, p, mtu);
	else if (!packet_may_split(p, mtu))
		net_too_big(l->net, p, mtu);
	return p->verdict != PKT_DROP;
}

/* Whether the server has not answered yet, and packets are handshake.c's. */
static inline bool is_shaking(const struct flow *f)
{
	return fwd_table[f->mode]->proxied && f->state == CONN_SYN;
}

void l4_ttl_expired(struct l4 *l, struct pkt *p)
{
	if (packet_ttl(p) > 0)
		icmp_error(l->net, p, ICMP_ERR_TTL, 0);
	pkt_drop(p, DROP_ttl_expired);
}

static __rte_always_inline void rewrite(
	struct l4 *l, const struct fwd_ops *mode, struct pkt *p, struct flow *f)
{
	rewrite_ttl(p);
	p->verdict = PKT_SEND;
	if (mode->rewrite)
		mode->rewrite(l, p, f);
}

void l4_enter_state(struct l4 *l, struct flow *f, enum conn_state next)
{
	const struct timeouts *t = &l->model->service[f->service]->timeouts;
	uint32_t after = conn_timeout(t, next);

	/* A longer time-out is found out when the timer fires; a shorter one must not wait for
	 * that. */
	if (f->state == CONN_NONE || after < conn_timeout(t, (enum conn_state)f->state))
		flow_arm(l->flows, f, l->now_ms + after);
	evict_count(l, f, (enum conn_state)f->state, next);
	f->state = (uint8_t)next;
}

/* Data and ACKs of an established connection change nothing. */
static __rte_always_inline bool changes_state(const struct flow *f, const struct pkt *p)
{
	if (likely(!(p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST))))
		return f->state != CONN_ESTABLISHED && f->state != CONN_UDP_STREAM;
	return true;
}

/* False: the packet has been dealt with, or (PKT_GO) is not of this flow, which is closed. */
static __rte_noinline bool change_state(struct l4 *l, struct pkt *p, struct flow *f)
{
	const bool counted = flow_counts(f);
	enum conn_state state;

	if (!parse_sum_is_right(p))
		return false;
	f->seen = l->now_ms;
	if (unlikely(is_shaking(f))) {
		handshake_packet(l, p, f);
		return false;
	}
	state = conn_next(f, p->dir, p->tcp_flags);
	if (counted && !flow_counts(f))
		limit_close(l->sched, f->server);
	if (state != f->state)
		l4_enter_state(l, f, state);
	return true;
}

/* As net_resolve(); toward a server it is remembered, for its next new flow. */
static uint16_t resolve(struct l4 *l, struct pkt *p, const struct flow *f, const struct addr *next)
{
	struct server_hop *hop = &l->hop[f->server];
	/* A link-local address is looked for where the packet came from. */
	const bool known = p->dir == DIR_FORWARD && f->server && !addr_is_link_local(next);
	uint16_t adj;

	if (known && hop->gen == f->server_gen && hop->epoch == l->net->epoch)
		return hop->adj;
	adj = net_resolve(l->net, p, next);
	if (known && adj != ADJ_NONE)
		*hop = (struct server_hop){ l->net->epoch, f->server_gen, adj };
	return adj;
}

/* A packet whose way is not known, or that may be too long for it. */
static __rte_noinline void forward_aside(struct l4 *l, struct pkt *p, struct flow *f)
{
	const struct fwd_ops *mode = fwd_table[f->mode];
	const struct server *server = l->model->server[f->server];
	const struct addr next = mode->next(f, p->dir, server);

	if (p->l3_len > l->fits[f->mode] &&
		!l4_may_pass(l, p, l->model->service[f->service], server, &next))
		return;
	rewrite(l, mode, p, f);
	if (p->verdict != PKT_SEND)
		return;
	p->adj = resolve(l, p, f, &next);
	if (p->adj != ADJ_NONE)
		f->adj[p->dir] = p->adj;
}

/* f: current, its adjacencies valid or none. */
static __rte_always_inline void forward(struct l4 *l, struct pkt *p, struct flow *f)
{
	if (unlikely(changes_state(f, p)) && !change_state(l, p, f))
		return;
	f->seen = l->now_ms;
	count_packet(l, p, f->service, f->server);
	if (!may_live(l, p))
		return;
	p->adj = f->adj[p->dir];
	if (likely(p->adj != ADJ_NONE && p->l3_len <= l->fits[f->mode]))
		rewrite(l, fwd_table[f->mode], p, f);
	else
		forward_aside(l, p, f);
}

/* Neighbours or generations have changed: forgets the flow's ways. */
static void renew(struct flow *f, uint32_t epoch)
{
	f->epoch = epoch;
	f->adj[DIR_FORWARD] = f->adj[DIR_RETURN] = ADJ_NONE;
}

void l4_forward_hit(struct l4 *l, struct pkt *p, struct flow *f)
{
	const uint32_t epoch = l4_epoch(l);

	if (f->epoch != epoch)
		renew(f, epoch);
	forward(l, p, f);
}

/* ---- burst ---------------------------------------------------------------------------------- */

/* A SYN that may take the place of a connection that is over. */
static __rte_always_inline bool is_new_connection(const struct flow *f, const struct pkt *p)
{
	return unlikely((p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) && p->dir == DIR_FORWARD &&
	       conn_reusable((enum conn_state)f->state);
}

/* Whether a flow of a former epoch may go on. If not, it is closed; or it is TCP's, and so is the
 * packet. */
static __rte_noinline bool may_go_on(struct l4 *l, struct pkt *p, struct flow *f, uint32_t epoch)
{
	if (f->kind == FLOW_LOCAL) {
		p->flow = f;
		l4_leave(l, p);
		return false;
	}
	if (flow_is_current(l, f)) {
		renew(f, epoch);
		return true;
	}
	l4_close(l, f);
	p->reason = DROP_flow_expired; /* if it cannot begin another one */
	return false;
}

void l4_forward_begin(struct l4 *l)
{
	l->moved = false;
	l->opened = 0;
	l->local = 0;
}

unsigned int l4_forward_step(struct l4 *l, struct burst *b, unsigned int from, unsigned int to)
{
	const uint32_t epoch = l4_epoch(l);
	unsigned int left = 0;

	burst_step(b, p, from, to)
	{
		struct flow *f = unlikely(l->moved) ? flow_find_packet(l->flows, p)
						    : flow_of_packet(l->flows, p);

		if (unlikely(f == NULL || (f->epoch != epoch && !may_go_on(l, p, f, epoch)))) {
			left += p->verdict == PKT_GO;
			continue;
		}
		if (is_new_connection(f, p)) {
			if (parse_sum_is_right(p)) {
				l4_close(l, f);
				left++;
			}
			continue;
		}
		forward(l, p, f);
	}
	if (unlikely(l->moved)) { /* some may have found that they are of no flow */
		left = 0;
		burst_step(b, p, from, to) left++;
	}
	return left;
}

/* ---- time ----------------------------------------------------------------------------------- */

void l4_close(struct l4 *l, struct flow *f)
{
	if (fwd_table[f->mode]->proxied)
		handshake_end(l, f);
	if (flow_counts(f))
		limit_close(l->sched, f->server);
	evict_count(l, f, (enum conn_state)f->state, CONN_NONE);
	counter_add(&l->service[f->service].flows_closed, 1);
	counter_add(&l->server[f->server].flows_closed, 1);
	if (fwd_table[f->mode]->release) {
		const struct tuple back = flow_tuple(f, DIR_RETURN);

		fwd_table[f->mode]->release(l, &back);
	}
	flow_close(l->flows, f);
	l->moved = true;
}

uint32_t l4_deadline(const struct l4 *l, const struct flow *f)
{
	if (!flow_is_current(l, f))
		return l->now_ms;
	if (is_shaking(f))
		return handshake_deadline(l, f);
	return f->seen +
	       conn_timeout(&l->model->service[f->service]->timeouts, (enum conn_state)f->state);
}

/* Whether the mode can do without what the change took away. */
static bool flow_holds(const struct l4 *l, const struct flow *f)
{
	const struct fwd_ops *mode = fwd_table[f->mode];

	return !mode->holds || mode->holds(l, f);
}

/* Whether access lists, which may be others since it was opened, let its client in. */
static bool flow_client_may(const struct l4 *l, const struct flow *f)
{
	const struct service *service = l->model->service[f->service];
	struct tuple t;

	if (!flow_is_current(l, f) || likely(!service->guarded))
		return true;
	t = flow_tuple(f, DIR_FORWARD);
	return client_may(l, service, &t.src);
}

/* The flow's time is up: it is closed, unless its handshake gets another try. */
static void fire(struct l4 *l, struct flow *f)
{
	if (f->kind == FLOW_LOCAL)
		l->local_due(l->local_arg, f);
	else if (!is_shaking(f) || !handshake_retry(l, f))
		l4_close(l, f);
}

void l4_revise(struct l4 *l, struct flow *f)
{
	uint32_t deadline;

	if (!flow_client_may(l, f)) {
		counter_add(&l->guarded[f->service].cut, 1);
		if (is_shaking(f))
			handshake_hush(l, f);
		l4_close(l, f);
		return;
	}
	if (!flow_holds(l, f)) {
		l4_close(l, f);
		return;
	}
	deadline = l4_deadline(l, f);
	if ((int32_t)(deadline - l->now_ms) > 0)
		flow_arm(l->flows, f, deadline);
	else
		fire(l, f);
}

unsigned int l4_expire(struct l4 *l, unsigned int max)
{
	struct flow *due[BURST_MAX];
	unsigned int n = flow_due(l->flows, l->now_ms, due, RTE_MIN(max, RTE_DIM(due))), over = 0;

	set_fits(l);
	pace_relax(l);
	for (unsigned int i = 0; i < n; i++) {
		const bool local = due[i]->kind == FLOW_LOCAL;
		uint32_t deadline = local ? l->now_ms : l4_deadline(l, due[i]);

		if ((int32_t)(deadline - l->now_ms) > 0) {
			flow_arm(l->flows, due[i], deadline);
		} else {
			flow_prefetch(l->flows, due[i]);
			due[over++] = due[i];
		}
	}
	for (unsigned int i = 0; i < over; i++)
		fire(l, due[i]);
	synproxy_tick(l);
	if (l->persist)
		n = RTE_MAX(n, persist_expire(l->persist, l->now_ms, max));
	return n;
}

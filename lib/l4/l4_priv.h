/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files of this folder: l4.c, packets of flows, open.c, packets without, and the rest.
 */
#ifndef L4_L4_PRIV_H
#define L4_L4_PRIV_H

#include <rte_branch_prediction.h>

#include "guard/acl.h"
#include "l4/l4.h"
#include "rewrite.h"

static __rte_always_inline void count_packet(
	struct l4 *l, const struct pkt *p, uint16_t service, uint16_t server)
{
	traffic_count(&l->service[service], p->dir, p->l3_len);
	traffic_count(&l->server[server], p->dir, p->l3_len);
}

/* Whether the flow's service and server are still those it was opened for. */
static inline bool flow_is_current(const struct l4 *l, const struct flow *f)
{
	return l->model->service_gen[f->service] == f->service_gen &&
	       l->model->server_gen[f->server] == f->server_gen;
}

/* Whether access lists let the client in, that for all services and its own; for guarded services.
 */
static inline bool client_may(
	const struct l4 *l, const struct service *service, const struct addr *client)
{
	const struct access *all = l->model->access, *own = service->access;

	return (!all || acl_allows(all->acl, client)) && (!own || acl_allows(own->acl, client));
}

/*
 * What flow.epoch is compared with: as long as it is the same, the neighbours that the flow's
 * adjacencies name are the same, and flow_is_current() is true as it was.
 */
static inline uint32_t l4_epoch(const struct l4 *l)
{
	return FLOW_EPOCH(l->net->epoch + l->model->generations);
}

/* The packet is TCP's. */
static inline void l4_leave(struct l4 *l, struct pkt *p)
{
	p->verdict = PKT_LOCAL;
	l->local++;
}

/* A packet has opened a flow, */
static inline void l4_note_opened(struct l4 *l, const struct pkt *p)
{
	l->opened |= 1ull << (p->hash % 64);
}

/* and one behind it in the burst may be of the same. */
static inline bool l4_may_be_opened(const struct l4 *l, const struct pkt *p)
{
	return l->opened >> (p->hash % 64) & 1;
}

/* An identification for an IPv4 header that is made here. Workers number apart from each other. */
static inline uint16_t l4_next_id(struct l4 *l)
{
	const unsigned int step = l->steer->n_workers;

	l->packet_id = l->packet_id + step <= UINT16_MAX ? (uint16_t)(l->packet_id + step)
							 : (uint16_t)l->steer->id;
	return l->packet_id;
}

/* Its time to live is used up: tells the sender, and drops it. A packet that came without any is
 * nobody's to answer. */
void l4_ttl_expired(struct l4 *l, struct pkt *p);

/* Whether the packet may live on; before anything is rewritten: errors quote it as it came. */
static __rte_always_inline bool may_live(struct l4 *l, struct pkt *p)
{
	if (likely(packet_ttl(p) > 1))
		return true;
	l4_ttl_expired(l, p);
	return false;
}

/*
 * Whether it fits where it goes to; if not, it has been dealt with. To be asked before the packet
 * is rewritten, when it is longer than l->fits[] of its mode.
 */
bool l4_may_pass(struct l4 *l, struct pkt *p, const struct service *service,
	const struct server *server, const struct addr *next);

/* Whether an ICMP error may pass; counted under a bucket, of which there is one for each kind so
 * that none starves another. If not, it is dropped. */
bool l4_error_allowed(struct l4 *l, struct pkt *p, struct net_bucket *bucket);

/* A packet of a flow: state, rewriting, where to. */
void l4_forward_hit(struct l4 *l, struct pkt *p, struct flow *f);

/* A RST to the sender, unless there were too many this second. */
void l4_reset_sender(struct l4 *l, const struct pkt *p);

/* The flow is in another state, but CONN_NONE, from now on: counts, and arms its timer. */
void l4_enter_state(struct l4 *l, struct flow *f, enum conn_state next);

/* Without an entry, for modes that see one direction: to the Maglev server of the tuple, which
 * every worker, every balancer of a cluster and this one after a restart agree on. */
void l4_forward_stateless(
	struct l4 *l, struct pkt *p, const struct service *service, const struct tuple *tuple);

#endif

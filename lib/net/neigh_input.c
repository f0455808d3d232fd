/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbours as conversation: what is learnt from ARP and ND messages, what is answered, who claims
 * an address of ours, and announcements of our own. The table itself and what time does to it are
 * in neigh.c. Control core only.
 */
#include "base/log.h"
#include "neigh_priv.h"

#define ANNOUNCE_TIMES 3
#define ANNOUNCE_MS    1000
#define DEFEND_MS      10000 /* RFC 5227, 2.4(c): DEFEND_INTERVAL */

/* ---- announcements -------------------------------------------------------------------------- */

void neigh_announce(struct neigh_table *n, uint8_t port)
{
	if (port < NET_PORTS_MAX)
		n->announcement[port] = (struct announcement){ .left = ANNOUNCE_TIMES };
}

static void announce_address(
	struct net_worker *control, const struct port *p, const struct addr *a, bool router)
{
	struct rte_mbuf *m = neigh_msg_announce(control->pool, &p->mac, a, router);

	if (m)
		net_send_frame(control, m, p->id);
	else
		counter_add(&control->drop[DROP_no_mbuf], 1);
}

/* The k-th thing to announce on a port: its own addresses, then those that are no
 * port's. NULL: no more. */
static const struct addr *announce_nth(
	const struct net_table *t, const struct port *p, unsigned int k, bool *router)
{
	*router = k <= p->n_addresses;
	if (k == 0)
		return &p->link_local;
	if (*router)
		return &p->addresses[k - 1].addr;
	k -= p->n_addresses + 1;
	return k < net_further_count(t) ? net_further(t, k) : NULL;
}

void neigh_announce_port(
	struct neigh_table *n, struct net_worker *control, uint8_t id, unsigned int *budget)
{
	struct announcement *an = &n->announcement[id];
	const struct port *p = net_port(control->table, id);
	bool router;

	if (!an->left || (an->waiting && (int32_t)(n->now - an->at_ms) < 0))
		return;
	if (an->cursor == 0)
		an->at_ms = n->now + ANNOUNCE_MS;
	an->waiting = false;
	while (*budget) {
		const struct addr *a = announce_nth(control->table, p, an->cursor, &router);

		if (!a) {
			an->cursor = 0;
			an->waiting = true;
			an->left--;
			return;
		}
		an->cursor++;
		if (!net_answers(control->table, a, id))
			continue;
		announce_address(control, p, a, router);
		(*budget)--;
	}
}

/* ---- messages ------------------------------------------------------------------------------- */

/* RFC 4861, 7.2.5 and 7.2.3; ARP in the same terms. create: a question to us makes it known. */
static void neigh_learn(struct neigh_table *n, uint8_t port, const struct addr *a,
	const struct neigh_msg *msg, bool create)
{
	uint16_t i = neigh_find(n, port, a);
	char text[ADDR_TEXT];

	if (i == ADJ_NONE) {
		/* Half of the table is kept for those we look for: a flood does not fill it. */
		if (!create || !msg->has_mac || n->live >= n->shared.max / 2)
			return;
		i = neigh_add(n, port, a);
		if (i != ADJ_NONE)
			neigh_settle_mac(n, i, &msg->mac, false);
		return;
	}
	struct neigh_entry *e = &n->entry[i];
	bool answered = msg->op == NEIGH_ANSWER && msg->solicited && e->tries > 0;
	struct rte_ether_addr known = neigh_mac(n, i);

	if (!adj_word_sends(n->shared.word[i])) {
		if (msg->has_mac)
			neigh_settle_mac(n, i, &msg->mac, answered);
		return;
	}
	if (!msg->has_mac || rte_is_same_ether_addr(&msg->mac, &known)) {
		if (answered)
			neigh_settle_mac(n, i, &known, true);
		return;
	}
	if (!msg->override && msg->op == NEIGH_ANSWER) {
		/* Somebody says otherwise, without insisting: ask. */
		if (neigh_state(n, i) == ADJ_REACHABLE) {
			neigh_set(n, i, &known, ADJ_STALE);
			neigh_arm(n, i, 0);
		}
		return;
	}
	log_debug("neighbour %s moved from " RTE_ETHER_ADDR_PRT_FMT " to " RTE_ETHER_ADDR_PRT_FMT,
		addr_format(a, text), RTE_ETHER_ADDR_BYTES(&known),
		RTE_ETHER_ADDR_BYTES(&msg->mac));
	neigh_settle_mac(n, i, &msg->mac, answered);
}

/* What is known of claims to an address; a new one in the place of the oldest, or NULL while there
 * are too many to speak of each. */
static struct conflict *conflict_of(
	struct neigh_table *n, const struct addr *a, const struct rte_ether_addr *mac, bool *fresh)
{
	struct conflict *c;

	*fresh = false;
	for (unsigned int i = 0; i < CONFLICTS; i++)
		if (n->conflict[i].used && addr_equal(&n->conflict[i].addr, a))
			return &n->conflict[i];
	c = &n->conflict[n->next_conflict % CONFLICTS];
	if (c->used && n->now - c->defended < DEFEND_MS)
		return NULL;
	n->next_conflict++;
	*c = (struct conflict){ .addr = *a, .mac = *mac, .used = true };
	*fresh = true;
	return c;
}

/* Somebody else uses an address of ours: say so once, and tell the others who has it. */
static void neigh_conflict(struct neigh_table *n, struct net_worker *control, const struct port *p,
	const struct addr *a, const struct rte_ether_addr *mac)
{
	struct conflict *c;
	char text[ADDR_TEXT];
	bool fresh;

	for (unsigned int i = 0; i < net_port_count(control->table); i++)
		if (rte_is_same_ether_addr(&net_port(control->table, (uint8_t)i)->mac, mac))
			return; /* our own frame came back */
	c = conflict_of(n, a, mac, &fresh);
	if (!c || (!fresh && n->now - c->defended < DEFEND_MS))
		return;
	if (fresh || !rte_is_same_ether_addr(&c->mac, mac))
		log_warn("address %s of port \"%s\" is also claimed by " RTE_ETHER_ADDR_PRT_FMT
			 " (a server of a DR service must not answer ARP for it)",
			addr_format(a, text), p->name, RTE_ETHER_ADDR_BYTES(mac));
	c->mac = *mac;
	c->defended = n->now;
	announce_address(control, p, a, net_local(control->table, a, NULL) == LOCAL_PORT);
}

static void neigh_question(struct neigh_table *n, struct net_worker *control, const struct port *p,
	const struct neigh_msg *msg)
{
	const struct net_table *t = control->table;
	bool ours = net_answers(t, &msg->target, p->id);
	struct rte_mbuf *m;

	if (msg->has_mac && net_answers(t, &msg->sender, p->id))
		neigh_conflict(n, control, p, &msg->sender, &msg->mac);
	else if (msg->has_mac && neigh_plausible(t, p, &msg->sender))
		neigh_learn(n, p->id, &msg->sender, msg, ours);
	if (!ours)
		return;
	m = neigh_msg_answer(
		control->pool, &p->mac, msg, net_local(t, &msg->target, NULL) == LOCAL_PORT);
	if (m)
		net_send_frame(control, m, p->id);
	else
		counter_add(&control->drop[DROP_no_mbuf], 1);
}

void neigh_input(struct neigh_table *n, struct net_worker *control, struct rte_mbuf *m)
{
	enum drop_reason reason;
	struct neigh_msg msg;
	uint8_t port;

	if (!neigh_msg_parse(m, &msg, &reason)) {
		net_drop(control, m, reason);
		return;
	}
	port = net_port_of(control->table, m->port, msg.vlan);
	if (port == NET_PORT_NONE) {
		net_drop(control, m, DROP_wrong_vlan);
		return;
	}
	rte_pktmbuf_free(m);
	neigh_clock(n, control, control->now_ms);

	const struct port *p = net_port(control->table, port);

	if (msg.op == NEIGH_ASK)
		neigh_question(n, control, p, &msg);
	else if (net_answers(control->table, &msg.target, port))
		neigh_conflict(n, control, p, &msg.target, msg.has_mac ? &msg.mac : &msg.from);
	else if (neigh_plausible(control->table, p, &msg.target))
		neigh_learn(n, port, &msg.target, &msg, false);
}

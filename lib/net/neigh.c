/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The neighbour table: who has which MAC on which port, by ARP and ND alike. The control core alone
 * writes; workers read the words and the index without locks and tell what they use by stamps
 * (net_worker.adj_used) and what they miss by wishes (a ring each).
 *
 *                   asked in vain                     pause over and wanted
 *   (none) --need--> INCOMPLETE ---------> FAILED ------------------> INCOMPLETE
 *      |                 | answer             | answer
 *      |                 v                    |
 *      |  learned    REACHABLE <--------------+
 *      |                 | reachable_ms over       ^ answer
 *      +-------------> STALE --used: asked again---+--- in vain --> FAILED
 *
 * STALE is sent to while it is asked: unicast first, then by broadcast or multicast; so no packet
 * goes to a MAC that has been silent for longer than reachable_ms + retries * retry_ms while it was
 * used. Every transition is made in neigh_due() (time), neigh_learn() (messages; neigh_input.c),
 * neigh_add() and neigh_forget().
 *
 * A slot that is forgotten is used again only after every worker has passed a quiescent state, and
 * the epoch has moved on before: cached adjacencies are asked for anew, never taken for another
 * neighbour's.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_jhash.h>
#include <rte_random.h>

#include "base/invariant.h"
#include "base/log.h"
#include "base/rcu.h"
#include "base/wheel.h"
#include "neigh_priv.h"

#define TICK_SHIFT    4    /* of the timer wheel: 16 ms */
#define WISH_RING     1024 /* wishes on their way from one worker */
#define POLL_BATCH    256  /* wishes of one worker, and announcements a poll */
#define TIMER_ROUNDS  16   /* of POLL_BATCH timers a poll: most only look who is in use */
#define UNUSED_FACTOR 4    /* collected after this many times reachable_ms without use */
#define NO_MBUF_MS    100u /* until the next attempt where there was no buffer for a question */
#define BACKOFF_MAX   4    /* pause of a failed neighbour: 1, 2, then 4 times retry_ms */

const struct neigh_conf neigh_defaults = {
	.max = 16384,
	.hold_max = 4096,
	.hold_each = 64,
	.retry_ms = 1000,
	.retries = 3,
	.reachable_ms = 30000,
};

/* ---- making and freeing --------------------------------------------------------------------- */

static int neigh_create_shared(struct neigh_shared *s, const struct neigh_conf *conf)
{
	char name[RTE_HASH_NAMESIZE];

	s->max = conf->max;
	s->workers = conf->workers;
	s->give_up_ms = conf->retries * conf->retry_ms;
	s->word = calloc(s->max, sizeof(*s->word));
	s->key = calloc(s->max, sizeof(*s->key));
	s->used = calloc(s->workers, sizeof(*s->used));
	s->wish = calloc(s->workers, sizeof(*s->wish));
	if (!s->word || !s->key || !s->used || !s->wish)
		return -ENOMEM;

	snprintf(name, sizeof(name), "neigh_%p", (void *)s);
	struct rte_hash_parameters params = {
		.name = name,
		.entries = s->max,
		.key_len = sizeof(struct neigh_key),
		.hash_func = rte_jhash,
		.hash_func_init_val = (uint32_t)rte_rand(),
		.socket_id = SOCKET_ID_ANY,
		.extra_flag =
			RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	s->index = rte_hash_create(&params);
	if (!s->index)
		return -rte_errno;

	for (unsigned int i = 0; i < s->workers; i++) {
		snprintf(name, sizeof(name), "w%u_%p", i, (void *)s);
		s->used[i] = calloc(s->max, sizeof(**s->used));
		s->wish[i] = rte_ring_create_elem(name, sizeof(struct neigh_wish), WISH_RING,
			SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (!s->used[i])
			return -ENOMEM;
		if (!s->wish[i])
			return -rte_errno;
	}
	return 0;
}

struct neigh_table *neigh_create(const struct neigh_conf *conf, struct rcu *rcu)
{
	struct neigh_table *n;
	int rc;

	if (conf->max < 8 || conf->max >= ADJ_NONE || conf->workers == 0 || conf->retries == 0 ||
		conf->retry_ms == 0) {
		errno = EINVAL;
		return NULL;
	}
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->conf = *conf;
	n->rcu = rcu;
	n->horizon = UNUSED_FACTOR * conf->reachable_ms;
	rc = neigh_create_shared(&n->shared, conf);
	if (rc)
		goto fail;
	n->entry = calloc(conf->max, sizeof(*n->entry));
	rc = -ENOMEM;
	if (!n->entry)
		goto fail;
	for (unsigned int i = 0; i < conf->max; i++) {
		n->entry[i].table = n;
		wheel_node_init(&n->entry[i].timer);
	}
	return n;

fail:
	neigh_destroy(n);
	errno = -rc;
	return NULL;
}

void neigh_destroy(struct neigh_table *n)
{
	if (!n)
		return;
	if (n->retiring)
		rcu_reclaim(n->rcu);
	/* A reader is online against the rules: better to lose the memory than to free it. */
	if (n->retiring)
		return;
	struct neigh_shared *s = &n->shared;

	for (unsigned int i = 0; i < s->workers; i++) {
		if (s->wish)
			rte_ring_free(s->wish[i]);
		if (s->used)
			free(s->used[i]);
	}
	rte_hash_free(s->index);
	free(s->wish);
	free(s->used);
	free(s->key);
	free(s->word);
	free(n->entry);
	free(n);
}

/* ---- what any core may ask ------------------------------------------------------------------ */

uint32_t neigh_epoch(const struct neigh_table *n)
{
	return __atomic_load_n(&n->shared.epoch, __ATOMIC_ACQUIRE);
}

uint64_t neigh_word(const struct neigh_table *n, uint16_t adj)
{
	return adj_word_load(&n->shared, adj);
}

uint16_t neigh_find(const struct neigh_table *n, uint8_t port, const struct addr *a)
{
	struct neigh_key key = { .addr = *a, .port = port };
	int32_t at = rte_hash_lookup(n->shared.index, &key);

	return at < 0 ? ADJ_NONE : (uint16_t)at;
}

/* ---- entries -------------------------------------------------------------------------------- */

void neigh_set(
	struct neigh_table *n, uint16_t i, const struct rte_ether_addr *mac, enum adj_state state)
{
	uint64_t word = 0;

	if (mac)
		memcpy(&word, mac->addr_bytes, RTE_ETHER_ADDR_LEN);
	word |= (uint64_t)n->shared.key[i].port << 48 | (uint64_t)state << 56;
	__atomic_store_n(&n->shared.word[i], word, __ATOMIC_RELEASE);
}

struct rte_ether_addr neigh_mac(const struct neigh_table *n, uint16_t i)
{
	struct rte_ether_addr mac;

	memcpy(mac.addr_bytes, &n->shared.word[i], RTE_ETHER_ADDR_LEN);
	return mac;
}

enum adj_state neigh_state(const struct neigh_table *n, uint16_t i)
{
	return adj_word_state(n->shared.word[i]);
}

/* The hold queues are to look again. */
static void neigh_settle(struct neigh_table *n)
{
	__atomic_store_n(&n->shared.settled, n->shared.settled + 1, __ATOMIC_RELEASE);
}

void neigh_arm(struct neigh_table *n, uint16_t i, uint32_t in_ms)
{
	wheel_arm(&n->wheel, i, n->now + in_ms);
}

/* Milliseconds since a worker last sent to it; UINT32_MAX: not since the slot was taken. */
static uint32_t neigh_used_ms(const struct neigh_table *n, uint16_t i)
{
	uint32_t life = n->now - n->entry[i].born, best = UINT32_MAX;

	for (unsigned int w = 0; w < n->shared.workers; w++) {
		uint32_t stamp = __atomic_load_n(&n->shared.used[w][i], __ATOMIC_RELAXED);
		uint32_t age = n->now - stamp;

		if (stamp == 0)
			continue; /* never */
		/* A worker's clock may have been read a little later than ours. */
		if ((int32_t)age < 0 && (int32_t)age > -60000)
			age = 0;
		if (age <= life && age < best)
			best = age;
	}
	return best;
}

/* A new entry without state, or ADJ_NONE when there is no room. */
uint16_t neigh_add(struct neigh_table *n, uint8_t port, const struct addr *a)
{
	struct neigh_key key = { .addr = *a, .port = port };
	int32_t at = rte_hash_add_key(n->shared.index, &key);

	if (at < 0 || at >= (int32_t)n->shared.max)
		return ADJ_NONE;
	struct neigh_entry *e = &n->entry[at];

	x_assert(!e->live && n->shared.word[at] == 0);
	n->shared.key[at] = key;
	e->born = e->confirmed = e->asked = n->now;
	e->tries = e->backoff = 0;
	e->answered = false;
	e->live = true;
	n->live++;
	return (uint16_t)at;
}

/* After the grace period: the slot may be used again. */
static void neigh_release(void *arg)
{
	struct neigh_entry *e = arg;
	struct neigh_table *n = e->table;

	rte_hash_free_key_with_position(n->shared.index, (int32_t)(e - n->entry));
	n->retiring--;
}

static void neigh_retire(struct neigh_table *n, uint16_t i)
{
	struct neigh_entry *e = &n->entry[i];

	n->unretired -= e->unretired;
	e->unretired = rcu_retire(n->rcu, neigh_release, e) != 0;
	n->unretired += e->unretired;
	n->retiring += !e->unretired;
}

/* Adjacencies that were remembered are good no more. */
static void neigh_advance(struct neigh_table *n)
{
	__atomic_store_n(&n->shared.epoch, n->shared.epoch + 1, __ATOMIC_RELEASE);
}

static void neigh_forget(struct neigh_table *n, uint16_t i)
{
	x_assert(n->entry[i].live);
	wheel_disarm(&n->wheel, i);
	__atomic_store_n(&n->shared.word[i], 0, __ATOMIC_RELEASE);
	neigh_advance(n);
	rte_hash_del_key(n->shared.index, &n->shared.key[i]);
	n->entry[i].live = false;
	n->live--;
	neigh_retire(n, i);
	neigh_settle(n);
}

/* The neighbour's MAC is known now: from an answer of its own or from what it told unasked. */
void neigh_settle_mac(
	struct neigh_table *n, uint16_t i, const struct rte_ether_addr *mac, bool answered)
{
	struct neigh_entry *e = &n->entry[i];

	neigh_set(n, i, mac, answered ? ADJ_REACHABLE : ADJ_STALE);
	e->confirmed = n->now;
	e->answered = true;
	e->tries = e->backoff = 0;
	neigh_arm(n, i, answered ? n->conf.reachable_ms : n->conf.retry_ms);
	neigh_settle(n);
}

/* ---- asking --------------------------------------------------------------------------------- */

static void neigh_ask(struct neigh_table *n, struct net_worker *control, uint16_t i,
	const struct rte_ether_addr *mac)
{
	const struct neigh_key *key = &n->shared.key[i];
	struct neigh_entry *e = &n->entry[i];
	struct addr none4 = addr_from_v4(0);

	e->tries++;
	e->asked = n->now;
	neigh_arm(n, i, n->conf.retry_ms);
	if (key->port >= net_port_count(control->table))
		return;
	const struct port *port = net_port(control->table, (uint8_t)key->port);
	const struct addr *source = net_source(port, &key->addr);

	if (!source)
		source = addr_is_v4(&key->addr) ? &none4 : &port->link_local;
	struct rte_mbuf *m = neigh_msg_ask(control->pool, &port->mac, source, &key->addr, mac);
	if (m) {
		net_send_frame(control, m, port->id);
	} else { /* that was no question */
		counter_add(&control->drop[DROP_no_mbuf], 1);
		e->tries--;
		neigh_arm(n, i, RTE_MIN(n->conf.retry_ms, NO_MBUF_MS));
	}
}

static void neigh_ask_first(struct neigh_table *n, struct net_worker *control, uint16_t i)
{
	n->entry[i].tries = 0;
	neigh_set(n, i, NULL, ADJ_INCOMPLETE);
	neigh_ask(n, control, i, NULL);
}

static void neigh_fail(struct neigh_table *n, uint16_t i)
{
	struct neigh_entry *e = &n->entry[i];
	char text[ADDR_TEXT];

	neigh_set(n, i, NULL, ADJ_FAILED);
	e->asked = n->now;
	e->backoff = e->backoff ? (uint8_t)RTE_MIN(2 * e->backoff, BACKOFF_MAX) : 1;
	neigh_arm(n, i, e->backoff * n->conf.retry_ms);
	neigh_settle(n);
	log_debug("neighbour %s on port %u does not answer",
		addr_format(&n->shared.key[i].addr, text), n->shared.key[i].port);
}

/* STALE: ask again if it is in use, forget it if it has not been for long. */
static void neigh_due_stale(struct neigh_table *n, struct net_worker *control, uint16_t i)
{
	struct neigh_entry *e = &n->entry[i];
	struct rte_ether_addr mac = neigh_mac(n, i);
	uint32_t used = neigh_used_ms(n, i);

	if (e->tries >= n->conf.retries)
		neigh_fail(n, i);
	else if (e->tries > 0)
		neigh_ask(n, control, i, NULL);
	else if (used < n->now - e->confirmed)
		neigh_ask(n, control, i, &mac);
	else if (RTE_MIN(used, n->now - e->born) >= UNUSED_FACTOR * n->conf.reachable_ms)
		neigh_forget(n, i);
	else
		neigh_arm(n, i, n->conf.retry_ms);
}

static void neigh_due_failed(struct neigh_table *n, struct net_worker *control, uint16_t i)
{
	struct neigh_entry *e = &n->entry[i];
	uint32_t since = n->now - e->asked;

	if (neigh_used_ms(n, i) <= since)
		neigh_ask_first(n, control, i);
	else if (since >= UNUSED_FACTOR * n->conf.reachable_ms)
		neigh_forget(n, i);
	else
		neigh_arm(n, i, n->conf.retry_ms);
}

/* The timer of a neighbour is due. */
static void neigh_due(struct neigh_table *n, struct net_worker *control, uint16_t i)
{
	struct neigh_entry *e = &n->entry[i];
	struct rte_ether_addr mac = neigh_mac(n, i);

	switch (neigh_state(n, i)) {
	case ADJ_INCOMPLETE:
		if (e->tries >= n->conf.retries)
			neigh_fail(n, i);
		else
			neigh_ask(n, control, i, NULL);
		break;
	case ADJ_REACHABLE:
		/* The wheel does not reach as far as one may configure. */
		if (n->now - e->confirmed < n->conf.reachable_ms) {
			neigh_arm(n, i, n->conf.reachable_ms - (n->now - e->confirmed));
			break;
		}
		neigh_set(n, i, &mac, ADJ_STALE);
		e->tries = 0;
		neigh_due_stale(n, control, i);
		break;
	case ADJ_STALE:
		neigh_due_stale(n, control, i);
		break;
	case ADJ_FAILED:
		neigh_due_failed(n, control, i);
		break;
	case ADJ_FREE:
		x_assert(!"a free neighbour has no timer");
		break;
	}
}

/* ---- time ----------------------------------------------------------------------------------- */

static void neigh_see_ports(struct neigh_table *n, const struct net_table *t)
{
	n->n_seen = net_port_count(t);
	for (unsigned int i = 0; i < n->n_seen; i++) {
		n->seen[i].nic = net_port(t, (uint8_t)i)->nic;
		n->seen[i].vlan = net_port(t, (uint8_t)i)->vlan;
	}
}

void neigh_clock(struct neigh_table *n, const struct net_worker *control, uint32_t now_ms)
{
	if (!n->started) {
		wheel_init(&n->wheel, &n->entry[0].timer, sizeof(n->entry[0]), TICK_SHIFT, now_ms);
		neigh_see_ports(n, control->table);
		n->started = true;
	}
	n->now = now_ms;
}

void neigh_need(
	struct neigh_table *n, struct net_worker *control, uint8_t port, const struct addr *a)
{
	uint16_t i;

	neigh_clock(n, control, control->now_ms);
	if (port >= net_port_count(control->table) || addr_is_multicast(a) ||
		net_local(control->table, a, NULL) != LOCAL_NONE)
		return;
	if (neigh_find(n, port, a) != ADJ_NONE)
		return;
	i = neigh_add(n, port, a);
	if (i == ADJ_NONE)
		__atomic_store_n(&n->shared.full, true, __ATOMIC_RELAXED);
	else
		neigh_ask_first(n, control, i);
}

static void neigh_poll_wishes(struct neigh_table *n, struct net_worker *control)
{
	struct neigh_wish wish[32];

	for (unsigned int w = 0; w < n->shared.workers; w++) {
		unsigned int got, total = 0;

		do {
			got = rte_ring_sc_dequeue_burst_elem(
				n->shared.wish[w], wish, sizeof(wish[0]), RTE_DIM(wish), NULL);
			for (unsigned int i = 0; i < got; i++)
				neigh_need(n, control, (uint8_t)wish[i].port, &wish[i].addr);
			total += got;
		} while (got == RTE_DIM(wish) && total < POLL_BATCH);
	}
}

static void neigh_poll_timers(struct neigh_table *n, struct net_worker *control)
{
	uint32_t due[POLL_BATCH];
	unsigned int got, rounds = 0;

	do {
		got = wheel_advance(&n->wheel, n->now, due, POLL_BATCH);
		for (unsigned int i = 0; i < got; i++)
			neigh_due(n, control, (uint16_t)due[i]);
	} while (got == POLL_BATCH && ++rounds < TIMER_ROUNDS);
}

/* The second choice: those that have been asked once and have not answered by now. A scan makes no
 * others, and most who are there have. */
static unsigned int neigh_drop_silent(struct neigh_table *n, unsigned int want)
{
	unsigned int freed = 0;

	for (unsigned int i = 0; i < n->shared.max && freed < want; i++) {
		const struct neigh_entry *e = &n->entry[i];

		if (!e->live || e->answered || neigh_state(n, (uint16_t)i) != ADJ_INCOMPLETE ||
			n->now - e->born < n->conf.retry_ms / 2)
			continue;
		neigh_forget(n, (uint16_t)i);
		freed++;
	}
	return freed;
}

/*
 * Somebody found no room: forgets what failed, what was never used, and what has not been used for
 * the longest time, but nothing in use. The horizon halves from poll to poll while it is not
 * enough.
 */
static void neigh_make_room(struct neigh_table *n)
{
	unsigned int want = RTE_MAX(1u, n->shared.max / 16), freed = 0;
	uint32_t least = n->conf.reachable_ms;

	for (unsigned int i = 0; i < n->shared.max && freed < want; i++) {
		uint32_t used;

		if (!n->entry[i].live || neigh_state(n, (uint16_t)i) == ADJ_INCOMPLETE)
			continue;
		used = neigh_used_ms(n, (uint16_t)i);
		if (neigh_state(n, (uint16_t)i) != ADJ_FAILED && used < n->horizon)
			continue;
		if (used == UINT32_MAX && n->now - n->entry[i].born < n->conf.retry_ms)
			continue;
		neigh_forget(n, (uint16_t)i);
		freed++;
	}
	if (freed == 0)
		freed = neigh_drop_silent(n, want);
	if (freed < want)
		n->horizon = RTE_MAX(n->horizon / 2, least);
	else
		n->horizon = UNUSED_FACTOR * least;
	__atomic_store_n(&n->shared.full, false, __ATOMIC_RELAXED);
}

static void neigh_poll_unretired(struct neigh_table *n)
{
	for (unsigned int i = 0; i < n->shared.max && n->unretired; i++)
		if (n->entry[i].unretired)
			neigh_retire(n, (uint16_t)i);
}

void neigh_poll(struct neigh_table *n, struct net_worker *control, uint32_t now_ms)
{
	unsigned int budget = POLL_BATCH;

	control->now_ms = now_ms;
	neigh_clock(n, control, now_ms);
	if (n->unretired)
		neigh_poll_unretired(n);
	if (n->shared.full)
		neigh_make_room(n);
	neigh_poll_wishes(n, control);
	neigh_poll_timers(n, control);
	for (unsigned int i = 0; i < net_port_count(control->table) && budget; i++)
		neigh_announce_port(n, control, (uint8_t)i, &budget);
}

/* Whether an address can be a neighbour's on this port. */
bool neigh_plausible(const struct net_table *t, const struct port *p, const struct addr *a)
{
	struct route_hop hop;

	if (addr_is_multicast(a) || net_local(t, a, NULL) != LOCAL_NONE)
		return false;
	for (unsigned int i = 0; i < p->n_addresses; i++)
		if (prefix_holds(&p->addresses[i], a))
			return !prefix_is_end(&p->addresses[i], a);
	if (net_on_link(p, a))
		return true;
	return net_route(t, a, &hop) && hop.port == p->id && addr_is_zero(&hop.via);
}

void neigh_table_changed(struct neigh_table *n, struct net_worker *control)
{
	const struct net_table *t = control->table;

	neigh_clock(n, control, control->now_ms);
	for (unsigned int i = 0; i < n->shared.max; i++) {
		uint32_t port = n->shared.key[i].port;

		if (!n->entry[i].live)
			continue;
		if (port >= net_port_count(t) || port >= n->n_seen ||
			net_port(t, (uint8_t)port)->nic != n->seen[port].nic ||
			net_port(t, (uint8_t)port)->vlan != n->seen[port].vlan ||
			!neigh_plausible(t, net_port(t, (uint8_t)port), &n->shared.key[i].addr))
			neigh_forget(n, (uint16_t)i);
	}
	/* Routes may be others: what was resolved by the former ones is to be asked for anew. */
	neigh_advance(n);
	neigh_see_ports(n, t);
}

void neigh_used(const struct neigh_table *n, uint64_t *used, uint64_t *max)
{
	*used = n->live + n->retiring;
	*max = n->shared.max;
}

/* ---- listing -------------------------------------------------------------------------------- */

unsigned int neigh_list(
	const struct neigh_table *n, uint32_t *cursor, struct neigh_info *out, unsigned int max)
{
	unsigned int got = 0;
	uint32_t i;

	for (i = *cursor; i < n->shared.max && got < max; i++) {
		const struct neigh_entry *e = &n->entry[i];

		if (!e->live)
			continue;
		out[got++] = (struct neigh_info){
			.addr = n->shared.key[i].addr,
			.port = (uint8_t)n->shared.key[i].port,
			.state = neigh_state(n, (uint16_t)i),
			.mac = neigh_mac(n, (uint16_t)i),
			.age_ms = e->answered ? n->now - e->confirmed : UINT32_MAX,
			.used_ms = neigh_used_ms(n, (uint16_t)i),
		};
	}
	*cursor = i < n->shared.max ? i : 0;
	return got;
}

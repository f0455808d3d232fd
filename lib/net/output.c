/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way out: from a destination to an adjacency (net_resolve), from an adjacency to a frame in
 * the buffer of a nic (net_output, net_send, net_send_frame), from the buffers to the nics
 * (net_flush). All of it for one worker by itself; nothing here blocks or locks.
 *
 * Worker w owns transmit queue w of a nic that has that many; otherwise its packets go by ring to
 * the owner of queue w % txqs. What a nic has no room for is offered once more at the next flush,
 * then dropped.
 */
#include <errno.h>

#include <rte_branch_prediction.h>
#include <rte_ip.h>

#include "base/invariant.h"
#include "net_priv.h"
#include "poison.h"

#define PUNT_PER_MS 10   /* packets a worker may give the control core, */
#define PUNT_BURST  1000 /* and how many at once after a pause */
#define SLOW_MS     20   /* between transmit calls that LACP lives on */

/* Longer chains are copied into one mbuf: devices differ in what they take, all take this. */
#define CHAIN_MAX 8

/* Bytes 12 and 13 of a frame with a VLAN tag, where a net_link.tail has the type. */
#define TAIL_MAC  UINT64_C(0x0000ffffffffffff)
#define TAIL_VLAN ((uint64_t)RTE_BE16(RTE_ETHER_TYPE_VLAN) << 48)

_Static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "words are laid over bytes of the frame");

void net_drop(struct net_worker *w, struct rte_mbuf *m, enum drop_reason reason)
{
	pkt_unpoison(m);
	counter_add(&w->drop[reason], 1);
	rte_pktmbuf_free(m);
}

void net_punt(struct net_worker *w, struct rte_mbuf *m)
{
	uint32_t ms = w->now_ms - w->punt_stamp;

	pkt_unpoison(m);
	if (ms) {
		w->punt_stamp = w->now_ms;
		w->punt_tokens =
			ms >= PUNT_BURST / PUNT_PER_MS
				? PUNT_BURST
				: RTE_MIN(w->punt_tokens + ms * PUNT_PER_MS, (uint32_t)PUNT_BURST);
	}
	if (!w->punt)
		net_drop(w, m, DROP_punt_unwanted);
	else if (w->punt_tokens == 0)
		net_drop(w, m, DROP_punt_rate);
	else if (rte_ring_sp_enqueue(w->punt, m) != 0)
		net_drop(w, m, DROP_punt_full);
	else
		w->punt_tokens--;
}

bool net_bucket_take(struct net_bucket *b, uint32_t rate, uint32_t now_ms)
{
	const uint32_t ms = RTE_MIN(now_ms - b->stamp, 100u), most = rate * 100;

	b->tokens = RTE_MIN(b->tokens + ms * rate, most);
	b->stamp = now_ms;
	if (b->tokens < 1000)
		return false;
	b->tokens -= 1000;
	return true;
}

void net_kernel(struct net_worker *w, struct pkt *p)
{
	pkt_unpoison(p->mbuf);
	if (!w->kernel || p->port >= net_port_count(w->table) || !(w->table->kernel >> p->port & 1))
		net_drop(w, p->mbuf, DROP_not_for_us);
	else if (!net_bucket_take(&w->kernel_rate[p->port],
			 net_port(w->table, p->port)->kernel_rate, w->now_ms))
		net_drop(w, p->mbuf, DROP_kernel_rate);
	else if (rte_ring_sp_enqueue(w->kernel, p->mbuf) != 0)
		net_drop(w, p->mbuf, DROP_kernel_full);
	p->verdict = PKT_TAKEN;
}

/* ---- from the buffers to the nics ----------------------------------------------------------- */

/* How many of the buffer's packets the nic, or the ring to its queue's owner, takes now. */
static uint16_t tx_give(struct net_worker *w, struct nic *nic, struct tx_buffer *b)
{
	if (likely(w->id < nic->txqs))
		return nic_tx(nic, w->id, b->mbuf, b->n);

	struct rte_ring *ring = w->tx_out[w->id % nic->txqs];

	for (unsigned int i = 0; i < b->n; i++)
		b->mbuf[i]->port = nic->id;
	return (uint16_t)rte_ring_sp_enqueue_burst(ring, (void **)b->mbuf, b->n, NULL);
}

/* Empties a buffer as far as it goes; returns how many packets left. */
static unsigned int tx_flush(struct net_worker *w, unsigned int id)
{
	struct tx_buffer *b = &w->tx[id];
	struct nic *nic = w->nics[id];
	uint16_t sent, drop = 0, kept = 0;

	if (unlikely(!__atomic_load_n(&nic->up, __ATOMIC_RELAXED))) {
		for (unsigned int i = 0; i < b->n; i++)
			net_drop(w, b->mbuf[i], DROP_link_down);
		b->n = b->tried = 0;
		return 0;
	}
	sent = tx_give(w, nic, b);
	if (likely(sent == b->n)) {
		b->n = b->tried = 0;
		return sent;
	}
	/* Second time for those that were tried before. */
	if (b->tried > sent)
		drop = b->tried - sent;
	for (unsigned int i = sent; i < b->n; i++)
		if (i < sent + drop)
			net_drop(w, b->mbuf[i], DROP_tx_full);
		else
			b->mbuf[kept++] = b->mbuf[i];
	b->n = b->tried = kept;
	return sent;
}

static inline void tx_put(struct net_worker *w, unsigned int nic, struct rte_mbuf *m)
{
	struct tx_buffer *b = &w->tx[nic];

	if (unlikely(b->n == BURST_MAX)) {
		tx_flush(w, nic);
		if (b->n == BURST_MAX) {
			net_drop(w, m, DROP_tx_full);
			return;
		}
	}
	b->mbuf[b->n++] = m;
}

/* Takes over what others want sent on queues of ours. */
static void tx_collect(struct net_worker *w)
{
	struct rte_mbuf *m[BURST_MAX];

	for (unsigned int s = 0; s < w->n_workers; s++) {
		if (!w->tx_in[s])
			continue;
		unsigned int n =
			rte_ring_sc_dequeue_burst(w->tx_in[s], (void **)m, BURST_MAX, NULL);
		for (unsigned int i = 0; i < n; i++)
			tx_put(w, m[i]->port, m[i]);
	}
}

/* net_bonding sends its own messages when it is called, and wants that every 100 ms. */
static void tx_slow(struct net_worker *w)
{
	w->slow_ms = w->now_ms;
	for (unsigned int i = 0; i < w->n_nics; i++)
		if (w->slow_nics >> i & 1)
			nic_tx(w->nics[i], w->id, NULL, 0);
}

unsigned int net_flush(struct net_worker *w)
{
	unsigned int moved = 0;

	tx_collect(w);
	if (unlikely(w->held))
		hold_run(w);
	if (unlikely(w->slow_nics) && w->now_ms - w->slow_ms >= SLOW_MS)
		tx_slow(w);
	for (unsigned int i = 0; i < w->n_nics; i++)
		if (w->tx[i].n)
			moved += tx_flush(w, i);
	return moved;
}

/* ---- link headers --------------------------------------------------------------------------- */

static inline void port_count(struct net_worker *w, uint8_t port, uint32_t bytes)
{
	counter_add(&w->port[port].tx_packets, 1);
	counter_add(&w->port[port].tx_bytes, bytes);
}

/* Writes the header in front of l3 and returns where it starts. word: the MAC in its first six
 * bytes. */
static inline uint8_t *link_header(const struct net_worker *w, const struct net_link *link,
	struct rte_mbuf *m, uint8_t *l3, uint64_t word)
{
	unsigned int v6 = l3[0] >> 4 == 6;
	uint8_t *h = l3 - RTE_ETHER_HDR_LEN;

	if (unlikely(link->vlan != 0)) {
		if (w->nics[link->nic]->tx_offloads & NIC_TX_VLAN) {
			m->ol_flags |= RTE_MBUF_F_TX_VLAN;
			m->vlan_tci = link->vlan;
		} else {
			uint64_t tail = (link->tail[v6] & TAIL_MAC) | TAIL_VLAN;

			h -= RTE_VLAN_HLEN;
			memcpy(h, &word, 8);
			memcpy(h + 6, &tail, 8);
			memcpy(h + 14, &link->tag[v6], 4);
			return h;
		}
	}
	/* Two overlapping stores: the word's last two bytes are not the frame's. */
	memcpy(h, &word, 8);
	memcpy(h + 6, &link->tail[v6], 8);
	return h;
}

/* Whether a chain is more than the nic takes as one packet. */
static bool chain_too_long(const struct net_worker *w, const struct rte_mbuf *m, unsigned int nic)
{
	return !(w->nics[nic]->tx_offloads & NIC_TX_MULTI_SEG) || m->nb_segs > CHAIN_MAX;
}

static __rte_always_inline void output_one(
	struct net_worker *w, struct rte_mbuf *m, uint8_t *l3, uint16_t l3_len, uint64_t word)
{
	uint8_t port = adj_word_port(word);
	const struct net_link *link = &w->table->link[port];

	pkt_unpoison(m);
	if (unlikely(m->nb_segs != 1) && chain_too_long(w, m, link->nic)) {
		m = split_linear(w, m, l3, l3_len);
		if (!m)
			return;
		l3 = rte_pktmbuf_mtod(m, uint8_t *);
	}

	uint8_t *h = link_header(w, link, m, l3, word);
	uint16_t off = (uint16_t)(h - (uint8_t *)m->buf_addr);
	uint16_t l2_len = (uint16_t)(l3 - h);

	if (likely(m->nb_segs == 1)) {
		/* Also cuts the padding of a short frame. */
		m->data_len = l2_len + l3_len;
		m->pkt_len = m->data_len;
	} else {
		int grown = (int)m->data_off - off;

		m->data_len = (uint16_t)(m->data_len + grown);
		m->pkt_len = (uint32_t)((int)m->pkt_len + grown);
	}
	m->data_off = off;
	if (unlikely(m->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK))
		m->l2_len = l2_len;
	port_count(w, port, m->pkt_len);
	tx_put(w, link->nic, m);
}

/* The same, where it is not worth its place in the code. */
static __rte_noinline void output_aside(
	struct net_worker *w, struct rte_mbuf *m, uint8_t *l3, uint16_t l3_len, uint64_t word)
{
	output_one(w, m, l3, l3_len, word);
}

void output_packet(
	struct net_worker *w, struct rte_mbuf *m, uint8_t *l3, uint16_t l3_len, uint64_t word)
{
	const uint16_t mtu = net_mtu(w, adj_word_port(word));
	uint16_t split = 0;
	const bool may = split_marked(w, m, &split) || split_is_free(l3);
	const uint16_t most = split_limit(split, mtu);

	if (l3_len <= most)
		output_aside(w, m, l3, l3_len, word);
	else if (may)
		split_send(w, m, l3, l3_len, most, word);
	else
		net_drop(w, m, DROP_too_big);
}

void output_fitting(struct net_worker *w, struct rte_mbuf *m, uint16_t l3_len, uint64_t word)
{
	output_aside(w, m, rte_pktmbuf_mtod(m, uint8_t *), l3_len, word);
}

/* ---- sending -------------------------------------------------------------------------------- */

/* What is known of it is to be known when the mbuf is all that is left. */
static void output_hold(struct net_worker *w, struct pkt *p, uint8_t port, const struct addr *addr)
{
	if (p->flags & PKT_SPLIT)
		split_mark(w, p->mbuf, p->split);
	hold_packet(w, p->mbuf, (uint16_t)(p->l3 - (uint8_t *)p->mbuf->buf_addr), p->l3_len, port,
		addr);
	p->verdict = PKT_TAKEN;
}

/* The packet cannot go to the adjacency at once: waits or is dropped. */
static void output_wait(struct net_worker *w, struct pkt *p, uint16_t adj, uint64_t word)
{
	const struct neigh_shared *s = neigh_shared(w->neigh);

	switch (adj_word_state(word)) {
	case ADJ_INCOMPLETE:
		output_hold(w, p, (uint8_t)s->key[adj].port, &s->key[adj].addr);
		break;
	case ADJ_FREE:
	case ADJ_FAILED:
	case ADJ_REACHABLE:
	case ADJ_STALE:
		pkt_drop(p, DROP_neigh_unresolved);
		break;
	}
}

uint16_t net_resolve(struct net_worker *w, struct pkt *p, const struct addr *dst)
{
	const struct neigh_shared *s = neigh_shared(w->neigh);
	struct route_hop hop = { .port = p->port };
	const struct addr *next = dst;
	uint64_t word;
	uint16_t adj;

	/* A link-local address says nothing of the link: it is where the packet came from. */
	if (addr_is_link_local(dst) ? hop.port >= net_port_count(w->table)
				    : !net_route(w->table, dst, &hop)) {
		pkt_drop(p, DROP_no_route);
		return ADJ_NONE;
	}
	if (!addr_is_zero(&hop.via))
		next = &hop.via;
	adj = neigh_find(w->neigh, hop.port, next);
	word = adj_word_load(s, adj);
	if (likely(adj_word_sends(word))) {
		w->adj_used[adj] = w->now_ms;
		return adj;
	}
	if (adj_word_state(word) != ADJ_FREE) {
		w->adj_used[adj] = w->now_ms;
		output_wait(w, p, adj, word);
	} else if (__atomic_load_n(&s->full, __ATOMIC_RELAXED)) {
		pkt_drop(p, DROP_neigh_table_full);
	} else {
		output_hold(w, p, hop.port, next);
	}
	return ADJ_NONE;
}

void net_too_big(struct net_worker *w, struct pkt *p, uint16_t mtu)
{
	/* Nobody would believe an error about IPv4 without "don't fragment". */
	if (p->family == 6 || (p->l3[6] & (RTE_IPV4_HDR_DF_FLAG >> 8)))
		icmp_error(w, p, ICMP_ERR_TOO_BIG, mtu);
	pkt_drop(p, DROP_too_big);
}

/* What net_output() does with a packet that does not simply go. */
static __rte_noinline void output_slow(struct net_worker *w, struct pkt *p, uint64_t word)
{
	const bool may = (p->flags & PKT_SPLIT) || split_is_free(p->l3);

	if (likely(p->adj < neigh_shared(w->neigh)->max))
		w->adj_used[p->adj] = w->now_ms;
	if (!adj_word_sends(word)) {
		output_wait(w, p, p->adj, word);
	} else {
		const uint16_t mtu = net_mtu(w, adj_word_port(word));
		const uint16_t most = split_limit(p->split, mtu);

		if (p->l3_len <= most)
			output_aside(w, p->mbuf, p->l3, p->l3_len, word);
		else if (may)
			split_send(w, p->mbuf, p->l3, p->l3_len, most, word);
		else
			net_too_big(w, p, mtu);
	}
	if (p->verdict == PKT_DROP)
		net_drop(w, p->mbuf, p->reason);
	p->verdict = PKT_TAKEN;
}

/* A packet in one segment, to a neighbour that is sent to as it is. */
static __rte_always_inline void output_plain(
	struct net_worker *w, const struct pkt *p, const struct net_link *link, uint64_t word)
{
	struct rte_mbuf *m = p->mbuf;
	uint8_t *h = p->l3 - RTE_ETHER_HDR_LEN;
	const uint16_t len = RTE_ETHER_HDR_LEN + p->l3_len;

	pkt_unpoison(m);
	/* Two overlapping stores: the word's last two bytes are not the frame's. */
	memcpy(h, &word, 8);
	memcpy(h + 6, &link->tail[p->family == 6], 8);
	m->data_off = (uint16_t)(h - (uint8_t *)m->buf_addr);
	m->data_len = len; /* without the padding of a short frame */
	m->pkt_len = len;
	port_count(w, adj_word_port(word), len);
	tx_put(w, link->nic, m);
}

unsigned int net_output(struct net_worker *w, struct burst *b)
{
	const struct neigh_shared *s = neigh_shared(w->neigh);
	const struct net_link *links = w->table->link;
	unsigned int taken = 0;

	/* Those that wait go first: the order of a flow's packets stays. */
	if (unlikely(w->held))
		hold_run(w);
	for (unsigned int i = 0; i < b->n; i++) {
		struct pkt *p = &b->pkt[i];

		if (unlikely(p->verdict != PKT_SEND))
			continue;

		const uint64_t word = adj_word_load(s, p->adj);
		const struct rte_mbuf *m = p->mbuf;

		taken++;
		if (unlikely(!adj_word_sends(word) || p->l3_len > w->fits ||
			     (p->flags & PKT_SPLIT))) {
			output_slow(w, p, word);
			continue;
		}

		const struct net_link *link = &links[adj_word_port(word)];

		w->adj_used[p->adj] = w->now_ms;
		p->verdict = PKT_TAKEN;
		if (likely(m->nb_segs == 1 && link->vlan == 0 &&
			    !(m->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK)))
			output_plain(w, p, link, word);
		else
			output_aside(w, p->mbuf, p->l3, p->l3_len, word);
	}
	return taken;
}

/* Returns the adjacency that it went by, or ADJ_NONE. */
static uint16_t send_own(
	struct net_worker *w, struct rte_mbuf *m, uint16_t l3_off, const struct addr *dst)
{
	struct pkt p = {
		.mbuf = m,
		.l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, l3_off),
		.l3_len = (uint16_t)(m->pkt_len - l3_off),
		.family = addr_is_v4(dst) ? 4 : 6,
		.port = NET_PORT_NONE,
	};
	uint16_t adj;

	if (unlikely(w->held))
		hold_run(w);
	adj = net_resolve(w, &p, dst);
	if (adj != ADJ_NONE)
		output_packet(w, m, p.l3, p.l3_len, neigh_word(w->neigh, adj));
	else if (p.verdict == PKT_DROP)
		net_drop(w, m, p.reason);
	return adj;
}

void net_send(struct net_worker *w, struct rte_mbuf *m, uint16_t l3_off, const struct addr *dst)
{
	send_own(w, m, l3_off, dst);
}

void net_send_by(struct net_worker *w, struct rte_mbuf *m, const struct addr *dst, uint16_t *adj)
{
	/* ADJ_NONE is never one: word 0. */
	const uint64_t word = adj_word_load(neigh_shared(w->neigh), *adj);

	if (unlikely(!adj_word_sends(word))) {
		*adj = send_own(w, m, 0, dst);
		return;
	}
	if (unlikely(w->held))
		hold_run(w);
	w->adj_used[*adj] = w->now_ms;
	if (likely(m->pkt_len <= w->fits))
		output_aside(w, m, rte_pktmbuf_mtod(m, uint8_t *), (uint16_t)m->pkt_len, word);
	else
		output_packet(w, m, rte_pktmbuf_mtod(m, uint8_t *), (uint16_t)m->pkt_len, word);
}

void net_send_frame(struct net_worker *w, struct rte_mbuf *m, uint8_t port)
{
	const struct net_link *link = &w->table->link[port];
	struct {
		rte_be16_t type, tci;
	} tag = { RTE_BE16(RTE_ETHER_TYPE_VLAN), rte_cpu_to_be_16(link->vlan) };

	pkt_unpoison(m);
	if (link->vlan && (w->nics[link->nic]->tx_offloads & NIC_TX_VLAN)) {
		m->ol_flags |= RTE_MBUF_F_TX_VLAN;
		m->vlan_tci = link->vlan;
	} else if (link->vlan) {
		uint8_t *h = (void *)rte_pktmbuf_prepend(m, RTE_VLAN_HLEN);

		if (!h) {
			net_drop(w, m, DROP_no_mbuf);
			return;
		}
		memmove(h, h + RTE_VLAN_HLEN, 2 * RTE_ETHER_ADDR_LEN);
		memcpy(h + 2 * RTE_ETHER_ADDR_LEN, &tag, sizeof(tag));
	}
	port_count(w, port, m->pkt_len);
	tx_put(w, link->nic, m);
}

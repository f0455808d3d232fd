/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other ends of l7's connections: clients that keep 16 bytes of each, lose nothing and do what
 * their task is, no more. They run between the polls of the worker, and the clock runs over the
 * polls alone: from the frames in a ring to the frames in a ring.
 *
 * What they have to say waits in a queue; of that a few bursts at a time go into the receive ring,
 * so that the worker's caches are not those of one burst, and the worker polls until it has taken
 * them. Virtual time hardly moves: nothing is ever late.
 *
 * Connections that are made go through their steps together, each step in another random order, so
 * that what the worker keeps of one is never beside what it has just looked at.
 */
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_tcp.h>

#include "bench.h"

#define BATCH        256  /* frames in the receive ring */
#define POLL_NS      1000 /* of virtual time */
#define SEGMENT      1460
#define WINDOW       65535 /* as it stands in a SYN; */
#define WINDOW_LATER 2048  /* shifted by 7 */
#define UNDER_WAY    (44 * SEGMENT)

/* The k-th flow of a role: frame_tuple() deals them out to the services in turn. */
static uint32_t number_of(enum echo_role role, uint32_t k)
{
	return ECHO_ROLES * k + role;
}

/* ---- saying --------------------------------------------------------------------------------- */

static void say(struct peers *p, uint32_t i, uint8_t flags, uint16_t len, uint8_t first)
{
	const struct tuple t = frame_tuple(p->o, FRAME_SYN, i, NULL);
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->rig->pool);
	struct peer *peer = &p->peer[i];
	const struct frame_segment s = {
		.seq = peer->seq,
		.ack = flags & RTE_TCP_ACK_FLAG ? peer->ack : 0,
		.window = flags & RTE_TCP_SYN_FLAG ? WINDOW : WINDOW_LATER,
		.len = len,
		.flags = flags,
		.first = first,
	};

	if (!m || p->tail - p->head > p->mask) {
		p->errors++;
		rte_pktmbuf_free(m);
		return;
	}
	frame_segment(m, p->rig, &t, &s);
	p->queue[p->tail++ & p->mask] = m;
	peer->seq += len + !!(flags & (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG));
	peer->unsaid = 0;
}

static void acknowledge(struct peers *p, uint32_t i)
{
	say(p, i, RTE_TCP_ACK_FLAG, 0, 0);
}

/* As much as there is to send, and may be under way. */
static void stream(struct peers *p, uint32_t i)
{
	const struct peer *peer = &p->peer[i];

	while (p->left >= SEGMENT && peer->seq + SEGMENT - peer->una <= UNDER_WAY) {
		p->left -= SEGMENT;
		say(p, i, RTE_TCP_ACK_FLAG, SEGMENT, 0);
	}
}

static void begin(struct peers *p, enum peers_task task, enum echo_role role, uint32_t i)
{
	struct peer *peer = &p->peer[i];

	peer->task = (uint8_t)task;
	if (task != PEERS_STREAM) {
		*peer = (struct peer){ .seq = 0x1000 + i * 64, .task = (uint8_t)task };
		say(p, i, RTE_TCP_SYN_FLAG, 0, 0);
		return;
	}
	peer->una = peer->seq;
	p->done++;
	if (role == ECHO_GIVE) /* it is asked for */
		say(p, i, RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG, 1, 0);
	else
		stream(p, i);
}

/* ---- hearing -------------------------------------------------------------------------------- */

/* A segment of the balancer. */
struct heard {
	uint32_t seq, ack, len;
	uint8_t flags;
};

static struct heard read_segment(const struct rte_mbuf *m, unsigned int family)
{
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, RTE_ETHER_HDR_LEN);
	const uint16_t before = family == 4 ? 20 : 40;
	struct rte_tcp_hdr tcp;

	memcpy(&tcp, l3 + before, sizeof(tcp));
	return (struct heard){
		.seq = rte_be_to_cpu_32(tcp.sent_seq),
		.ack = rte_be_to_cpu_32(tcp.recv_ack),
		.len = m->pkt_len - RTE_ETHER_HDR_LEN - before - (tcp.data_off >> 4) * 4u,
		.flags = tcp.tcp_flags,
	};
}

static void hear_syn_ack(struct peers *p, uint32_t i, const struct heard *h)
{
	struct peer *peer = &p->peer[i];

	peer->ack = h->seq + 1;
	peer->una = h->ack;
	acknowledge(p, i);
	if (peer->task == PEERS_LIFE)
		say(p, i, RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG, 1, 'x');
	else if (peer->task == PEERS_LEAVE)
		say(p, i, RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG, 1, ECHO_LEAVE);
	else
		p->done++;
}

static void hear_fin(struct peers *p, uint32_t i)
{
	struct peer *peer = &p->peer[i];

	peer->ack++;
	if (peer->task == PEERS_LEAVE)
		say(p, i, RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG, 0, 0);
	else
		acknowledge(p, i);
	p->done++;
}

static void hear_data(struct peers *p, uint32_t i, uint32_t len)
{
	struct peer *peer = &p->peer[i];

	peer->ack += len;
	p->heard += len;
	if (peer->task == PEERS_LIFE) {
		say(p, i, RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG, 0, 0);
	} else if (peer->task == PEERS_STREAM) {
		peer->unsaid++;
		if (i % ECHO_ROLES == ECHO_BACK) {
			peer->una += len;
			stream(p, i);
		}
		if (peer->unsaid > 1)
			acknowledge(p, i);
	}
}

static void hear(struct peers *p, struct rte_mbuf *m)
{
	const uint32_t i = frame_flow(m, p->o->family);
	const struct heard h = read_segment(m, p->o->family);
	struct peer *peer = &p->peer[i];

	if (i >= p->n || (h.flags & RTE_TCP_RST_FLAG)) {
		p->errors++;
	} else if (h.flags & RTE_TCP_SYN_FLAG) {
		hear_syn_ack(p, i, &h);
	} else if (h.seq != peer->ack) { /* it has been said before, or something is missing */
		p->errors++;
	} else {
		if (peer->task == PEERS_STREAM && i % ECHO_ROLES == ECHO_TAKE) {
			peer->una = h.ack;
			stream(p, i);
		}
		if (h.len)
			hear_data(p, i, h.len);
		if (h.flags & RTE_TCP_FIN_FLAG)
			hear_fin(p, i);
	}
	rte_pktmbuf_free(m);
}

/* ---- turns ---------------------------------------------------------------------------------- */

/* A poll, and what came of it: heard at once, or later. Returns how many frames. */
static unsigned int poll(struct peers *p, bool later)
{
	struct worker *w = p->rig->workers->worker[0];
	struct rte_mbuf *out[RIG_COLLECT_MAX];
	const uint64_t t = rte_rdtsc_precise();
	unsigned int n;

	worker_poll(w, p->ns);
	p->cycles += rte_rdtsc_precise() - t;
	p->ns += POLL_NS;
	n = rig_collect(p->rig, w, out);
	for (unsigned int k = 0; k < n; k++)
		if (later && p->n_said <= p->mask)
			p->said[p->n_said++] = out[k];
		else
			hear(p, out[k]);
	return n;
}

/* Until everything in the queue has been said, and its answers are there. */
static void run(struct peers *p, bool later)
{
	struct rte_ring *rx = p->rig->rx[BENCH_WAN][0];
	unsigned int n;

	do {
		while (p->head != p->tail && rte_ring_count(rx) < BATCH)
			rte_ring_enqueue(rx, p->queue[p->head++ & p->mask]);
		n = 0;
		do
			n += poll(p, later);
		while (rte_ring_count(rx) > 0);
	} while (p->head != p->tail || n > 0);
}

static size_t random_below(struct peers *p, size_t limit)
{
	/* xorshift64 (Marsaglia 2003) */
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return (size_t)(((p->random >> 32) * limit) >> 32);
}

/* Until there is nothing more to say. */
static void settle(struct peers *p, bool later)
{
	run(p, later);
	while (p->n_said > 0) {
		size_t n = p->n_said;

		p->n_said = 0;
		while (n > 0) {
			const size_t k = random_below(p, n--);
			struct rte_mbuf *m = p->said[k];

			p->said[k] = p->said[n];
			hear(p, m);
		}
		run(p, later);
	}
}

void peers_do(
	struct peers *p, enum peers_task task, enum echo_role role, uint32_t first, uint32_t n)
{
	const uint64_t before = p->done;

	for (uint32_t at = 0; at < n;) {
		const uint32_t until = RTE_MIN(n, at + p->o->connections);

		for (; at < until; at++)
			begin(p, task, role, number_of(role, first + at));
		settle(p, task != PEERS_STREAM);
	}
	p->errors += n - (p->done - before);
}

/* ---- life ----------------------------------------------------------------------------------- */

int peers_open(struct peers *p, struct rig *r, const struct bench_options *o)
{
	const uint32_t packets = rte_align32pow2(r->pool->size);

	*p = (struct peers){ .rig = r,
		.o = o,
		.ns = RIG_START_NS,
		.mask = packets - 1,
		.random = 88172645463325252u };
	p->n = ECHO_ROLES * (o->idle + o->time_wait + o->connections + o->streams);
	p->peer = calloc(p->n, sizeof(*p->peer));
	p->queue = calloc(packets, sizeof(*p->queue));
	p->said = calloc(packets, sizeof(*p->said));
	return p->peer && p->queue && p->said ? 0 : -1;
}

void peers_close(struct peers *p)
{
	while (p->head != p->tail)
		rte_pktmbuf_free(p->queue[p->head++ & p->mask]);
	free(p->said);
	free(p->queue);
	free(p->peer);
}

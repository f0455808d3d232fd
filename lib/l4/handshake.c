/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See handshake.h. Sequence numbers: isn is the client's own and goes to the server as it is;
 * cookie is the balancer's toward the client, in the place of the server's.
 */
#include "handshake.h"

#include <rte_malloc.h>
#include <rte_tcp.h>

#include "evict.h"
#include "l4_priv.h"
#include "net/poison.h"
#include "reset.h"
#include "segment.h"
#include "synproxy.h"

#define HANDSHAKES_MAX 16384 /* of a worker, at a time */
#define HOLD_EACH      10    /* packets of a client: what it may send at once (RFC 6928) */
#define HOLD_MAX       1024  /* of all clients of a worker, in buffers */
#define TRIES          3     /* SYNs */
#define FIRST_WAIT     1000  /* ms; then twice as long each time (RFC 6298 2.1, 5.5) */

struct handshake {
	uint32_t isn, cookie;
	uint32_t at_ms; /* see handshake_deadline() */
	uint32_t tsval; /* of the segment that opened the flow: nothing that waits is older */
	uint32_t last;  /* of the client's last */
	uint32_t echo;  /* our clock in the SYN-ACK, as the client has it */
	uint16_t mss, window;
	uint8_t wscale;  /* the client's */
	uint8_t offered; /* ours, which the client shifts the server's windows by */
	bool sack_ok, stamps;
	bool quiet; /* the client needs not be told of its end */
	uint8_t tries, n_held;
	uint32_t next_free;
	uint32_t held_seq[HOLD_EACH];
	struct rte_mbuf *held[HOLD_EACH];
};

struct handshakes {
	struct handshake *list;
	uint32_t fresh, free; /* list[fresh] and on were never used; free: one more than an index */
	uint32_t used;
	uint32_t held; /* buffers, ready ones included */
	/* Of each service, by slot: a part of used, and of held without those that are ready. */
	uint16_t used_by[MODEL_SERVICES_MAX], held_by[MODEL_SERVICES_MAX];
	unsigned int ready_from, n_ready;
	struct rte_mbuf *ready[HOLD_MAX];
};

static struct handshakes *all_of(const struct l4 *l)
{
	return l->synproxy->handshakes;
}

static struct handshake *handshake_of(const struct l4 *l, const struct flow *f)
{
	return &all_of(l)->list[flow_side(l->flows, f)->handshake - 1];
}

/* Of the flow's service, whoever has the slot now. */
static void count_failed(struct l4 *l, const struct flow *f)
{
	counter_add(&l->synproxy->traffic[f->service].failed, 1);
}

/* ---- places --------------------------------------------------------------------------------- */

/*
 * A service may have as much as is left to others, so that one whose servers are dead has half of
 * all at most, two of them a third each, and there is always something left for one that has none.
 */
static bool has_share(uint32_t max, uint32_t used, uint32_t mine, uint32_t more)
{
	return used + mine + 2 * more <= max;
}

bool handshake_room(const struct l4 *l, const struct service *service)
{
	const struct handshakes *all = all_of(l);

	return has_share(HANDSHAKES_MAX, all->used, all->used_by[service->slot], 1);
}

/* The share that has_share() gives is half of what others leave, and so the service that has most
 * is nearest to it. */
static struct handshake_share fullest(uint32_t max, const uint32_t *used, const uint16_t *by)
{
	struct handshake_share s = { 0 };
	uint32_t all;

	for (uint16_t i = 0; i < MODEL_SERVICES_MAX; i++) {
		const uint16_t mine = __atomic_load_n(&by[i], __ATOMIC_RELAXED);

		if (mine > s.used) {
			s.service = i;
			s.used = mine;
		}
	}
	/* The worker may have counted on since. */
	all = RTE_MIN(RTE_MAX(__atomic_load_n(used, __ATOMIC_RELAXED), s.used), max);
	s.max = (max - (all - s.used)) / 2;
	return s;
}

struct handshake_share handshake_fullest(const struct l4 *l)
{
	const struct handshakes *all = all_of(l);

	return fullest(HANDSHAKES_MAX, &all->used, all->used_by);
}

struct handshake_share handshake_hold_fullest(const struct l4 *l)
{
	const struct handshakes *all = all_of(l);

	return fullest(HOLD_MAX, &all->held, all->held_by);
}

static struct handshake *place_take(struct l4 *l, const struct flow *f)
{
	struct flow_side *side = flow_side(l->flows, f);
	struct handshakes *all = all_of(l);
	struct handshake *h;

	if (all->free) {
		side->handshake = all->free;
		h = &all->list[all->free - 1];
		all->free = h->next_free;
	} else {
		h = &all->list[all->fresh++];
		side->handshake = all->fresh;
	}
	all->used++;
	all->used_by[f->service]++;
	return h;
}

static void place_give(struct l4 *l, const struct flow *f)
{
	struct flow_side *side = flow_side(l->flows, f);
	struct handshakes *all = all_of(l);

	all->list[side->handshake - 1].next_free = all->free;
	all->free = side->handshake;
	all->used--;
	all->used_by[f->service]--;
	side->handshake = 0;
}

static void drop_held(struct l4 *l, const struct flow *f, struct handshake *h)
{
	struct handshakes *all = all_of(l);

	for (unsigned int i = 0; i < h->n_held; i++) {
		all->held -= h->held[i]->nb_segs;
		all->held_by[f->service] =
			(uint16_t)(all->held_by[f->service] - h->held[i]->nb_segs);
		net_drop(l->net, h->held[i], DROP_handshake_failed);
	}
	h->n_held = 0;
}

/* ---- sending -------------------------------------------------------------------------------- */

/* A segment of ours is to begin the flow's states, whichever it is in. */
static void begin_anew(struct l4 *l, struct flow *f)
{
	evict_count(l, f, (enum conn_state)f->state, CONN_NONE);
	f->state = CONN_NONE;
}

/* A segment as if the client had sent it: the flow's mode rewrites it. */
static void send_to_server(struct l4 *l, struct flow *f, const struct segment *s)
{
	const struct tuple tuple = flow_tuple(f, DIR_FORWARD);
	struct pkt p;
	struct addr next;

	if (!segment_make(l->net, &tuple, s, &p))
		return;
	p.flow = f;
	p.dir = DIR_FORWARD;
	next = fwd_table[f->mode]->next(f, DIR_FORWARD, l->model->server[f->server]);
	l4_forward_hit(l, &p, f);
	if (p.verdict == PKT_SEND) {
		p.mbuf->data_off = (uint16_t)(p.l3 - (uint8_t *)p.mbuf->buf_addr);
		p.mbuf->data_len = p.l3_len;
		p.mbuf->pkt_len = p.l3_len;
		net_send(l->net, p.mbuf, 0, &next);
	} else if (p.verdict == PKT_DROP) {
		net_drop(l->net, p.mbuf, (enum drop_reason)p.reason);
	}
}

static void send_to_client(struct l4 *l, const struct flow *f, const struct segment *s)
{
	const struct tuple forward = flow_tuple(f, DIR_FORWARD), tuple = tuple_reverse(&forward);
	struct pkt p;

	if (segment_make(l->net, &tuple, s, &p))
		net_send(l->net, p.mbuf, 0, &tuple.dst);
}

static uint8_t scale_of(uint8_t wscale)
{
	return wscale == TCPOPT_NO_SCALE ? 0 : wscale;
}

static void send_syn(struct l4 *l, struct flow *f, struct handshake *h)
{
	const struct segment s = {
		.seq = h->isn,
		/* A SYN's window is not scaled (RFC 7323 2.2). */
		.window = (uint16_t)RTE_MIN(
			(uint32_t)h->window << scale_of(h->wscale), (uint32_t)UINT16_MAX),
		.flags = TCP_SYN,
		.options = { .has_mss = true,
			.mss = h->mss,
			.has_timestamp = h->stamps,
			.tsval = h->tsval,
			.sack_ok = h->sack_ok,
			.wscale = h->wscale },
	};

	h->at_ms = l->now_ms + (FIRST_WAIT << h->tries++);
	begin_anew(l, f);
	send_to_server(l, f, &s);
	/* Without a buffer none has gone out: the next one is on time all the same. */
	if (f->state == CONN_NONE)
		l4_enter_state(l, f, CONN_SYN);
	flow_arm(l->flows, f, h->at_ms);
}

/* What a server gets whose answer is of no use any more. */
static void reset_server(struct l4 *l, struct flow *f, const struct handshake *h)
{
	const struct segment s = {
		.seq = h->isn + 1, .flags = TCP_RST, .options = SEGMENT_NO_OPTIONS
	};

	begin_anew(l, f);
	send_to_server(l, f, &s);
}

/* ---- packets of the client ------------------------------------------------------------------ */

/* The packet was for us, and has been understood. */
static void consume(struct pkt *p)
{
	pkt_unpoison(p->mbuf);
	rte_pktmbuf_free(p->mbuf);
	p->verdict = PKT_TAKEN;
}

/* Until the server can have it. */
static void hold(
	struct l4 *l, struct pkt *p, const struct flow *f, struct handshake *h, uint32_t seq)
{
	const uint16_t buffers = p->mbuf->nb_segs;
	struct handshakes *all = all_of(l);
	uint16_t *mine = &all->held_by[f->service];

	for (unsigned int i = 0; i < h->n_held; i++)
		if (h->held_seq[i] == seq) { /* again; the longer one may come later */
			consume(p);
			return;
		}
	if (h->n_held == HOLD_EACH || !has_share(HOLD_MAX, all->held, *mine, buffers)) {
		pkt_drop(p, DROP_handshake_hold_full);
		return;
	}
	pkt_unpoison(p->mbuf);
	/* A nic's hash was not looked at, for it is a flow's packet; when it comes again it counts
	 * for a hash that was. */
	p->mbuf->ol_flags &= ~RTE_MBUF_F_RX_RSS_HASH;
	all->held += buffers;
	*mine = (uint16_t)(*mine + buffers);
	h->held_seq[h->n_held] = seq;
	h->held[h->n_held++] = p->mbuf;
	p->verdict = PKT_TAKEN;
}

/* An ACK that is none of this connection: it may be the third packet of another one between the
 * same ends, whose client has forgotten this one. */
static void other_ack(struct l4 *l, struct pkt *p, struct flow *f, struct handshake *h)
{
	const struct service *service = l->model->service[f->service];
	struct synproxy_client client;

	if (!synproxy_expects(l, service) || !synproxy_check(l, p, service, &client)) {
		pkt_drop(p, DROP_handshake_wrong);
		return;
	}
	h->quiet = true;
	reset_server(l, f, h);
	l4_close(l, f);
	/* It stays PKT_GO: of no flow. */
}

static void client_ack(struct l4 *l, struct pkt *p, struct flow *f, struct handshake *h)
{
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)p->l4;
	const uint32_t seq = rte_be_to_cpu_32(tcp->sent_seq);
	const uint32_t window = l->model->service[f->service]->syn_proxy.window;
	struct tcp_options o;

	if (rte_be_to_cpu_32(tcp->recv_ack) != h->cookie + 1 || seq - (h->isn + 1) > window) {
		other_ack(l, p, f, h);
		return;
	}
	tcp_options_read(p->l4, &o);
	h->window = rte_be_to_cpu_16(tcp->rx_win);
	if (o.has_timestamp && (int32_t)(o.tsval - h->last) > 0)
		h->last = o.tsval;
	if (segment_carries(p))
		hold(l, p, f, h, seq);
	else
		consume(p);
}

static void client_reset(struct l4 *l, struct pkt *p, struct flow *f, struct handshake *h)
{
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)p->l4;
	const uint32_t window = l->model->service[f->service]->syn_proxy.window;

	if (rte_be_to_cpu_32(tcp->sent_seq) - (h->isn + 1) > window) {
		pkt_drop(p, DROP_handshake_wrong);
		return;
	}
	h->quiet = true;
	reset_server(l, f, h);
	l4_close(l, f);
	consume(p);
}

static void from_client(struct l4 *l, struct pkt *p, struct flow *f, struct handshake *h)
{
	if (p->tcp_flags & TCP_RST)
		client_reset(l, p, f, h);
	else if (p->tcp_flags & TCP_SYN) /* another connection, perhaps: see other_ack() */
		synproxy_answer(l, p, l->model->service[f->service]);
	else
		client_ack(l, p, f, h);
}

/* ---- packets of the server ------------------------------------------------------------------ */

/*
 * What the two sides take for granted differs; from now on it is translated. o: of the SYN-ACK.
 *
 * The client's echo of the cookie's clock becomes that of the server's, to the millisecond: a
 * server may take no other one for an answer to its SYN-ACK, and what waits has no other.
 */
static void translate_from_now(struct l4 *l, struct flow *f, const struct handshake *h,
	uint32_t server_isn, const struct tcp_options *o)
{
	const bool scales = h->wscale != TCPOPT_NO_SCALE;
	struct flow_side *side = flow_side(l->flows, f);

	side->seq_delta = h->cookie - server_isn;
	side->stamps = h->stamps && o->has_timestamp;
	side->stamp_delta = h->echo - o->tsval;
	/* The client shifts the server's windows by what we announced, the server by what it did.
	 */
	side->window_shift[DIR_RETURN] = scales ? (int8_t)(scale_of(o->wscale) - h->offered) : 0;
	/* And a server that knows no scale takes the client's windows for what they are not. */
	side->window_shift[DIR_FORWARD] =
		scales && o->wscale == TCPOPT_NO_SCALE ? (int8_t)h->wscale : 0;
}

/* Without anything of the client's to send, an ACK of our own completes the handshake. */
static void send_ack(struct l4 *l, struct flow *f, const struct handshake *h)
{
	const struct segment s = {
		.seq = h->isn + 1,
		.ack = h->cookie + 1,
		.window = h->window,
		.flags = TCP_ACK,
		.options = { .has_timestamp = flow_side(l->flows, f)->stamps,
			.tsval = h->tsval,
			.tsecr = h->echo,
			.wscale = TCPOPT_NO_SCALE },
	};

	send_to_server(l, f, &s);
}

/* The client may send more at once than we said. window: as the server's SYN-ACK has it. */
static void send_window(
	struct l4 *l, const struct flow *f, const struct handshake *h, uint16_t window)
{
	const struct syn_proxy *rules = &l->model->service[f->service]->syn_proxy;
	const bool scales = h->wscale != TCPOPT_NO_SCALE;
	const struct segment s = {
		.seq = h->cookie + 1,
		.ack = h->isn + 1,
		.window = (uint16_t)(window >> (scales ? h->offered : 0)),
		.flags = TCP_ACK,
		.options = { .has_timestamp = h->stamps,
			.tsval = h->echo,
			.tsecr = h->last,
			.wscale = TCPOPT_NO_SCALE },
	};

	if (window > rules->window)
		send_to_client(l, f, &s);
}

static void release_held(struct handshakes *all, const struct flow *f, struct handshake *h)
{
	for (unsigned int i = 0; i < h->n_held; i++) {
		all->ready[(all->ready_from + all->n_ready++) % HOLD_MAX] = h->held[i];
		all->held_by[f->service] =
			(uint16_t)(all->held_by[f->service] - h->held[i]->nb_segs);
	}
	h->n_held = 0;
}

static void complete(struct l4 *l, struct pkt *p, struct flow *f, struct handshake *h)
{
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)p->l4;
	const bool waits = h->n_held > 0;
	struct tcp_options o;

	tcp_options_read(p->l4, &o);
	translate_from_now(l, f, h, rte_be_to_cpu_32(tcp->sent_seq), &o);
	/* fwd_fullnat.c tells by it when the server has completed the handshake. */
	if (f->flags & FLOW_UNSURE)
		memcpy(&f->unsure.acked, (const uint8_t *)&tcp->recv_ack + 2,
			sizeof(f->unsure.acked));
	l4_enter_state(l, f, CONN_ESTABLISHED);
	f->seen = l->now_ms;
	count_packet(l, p, f->service, f->server);
	if (waits)
		release_held(all_of(l), f, h);
	else
		send_ack(l, f, h);
	send_window(l, f, h, rte_be_to_cpu_16(tcp->rx_win));
	place_give(l, f);
	consume(p);
}

static void from_server(struct l4 *l, struct pkt *p, struct flow *f, struct handshake *h)
{
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)p->l4;
	const bool ours = (p->tcp_flags & TCP_ACK) && rte_be_to_cpu_32(tcp->recv_ack) == h->isn + 1;

	if ((p->tcp_flags & TCP_RST) && ours) {
		l4_close(l, f); /* the client hears of it */
		consume(p);
	} else if ((p->tcp_flags & (TCP_SYN | TCP_RST)) == TCP_SYN && ours) {
		complete(l, p, f, h);
	} else {
		/* It has another connection between these ends, which the client has forgotten
		 * (RFC 9293 3.5.1): its SYN comes again when that is gone. */
		if (p->tcp_flags & TCP_ACK)
			l4_reset_sender(l, p);
		pkt_drop(p, DROP_handshake_wrong);
	}
}

void handshake_packet(struct l4 *l, struct pkt *p, struct flow *f)
{
	struct handshake *h = handshake_of(l, f);

	if (p->dir == DIR_FORWARD)
		from_client(l, p, f, h);
	else
		from_server(l, p, f, h);
}

/* ---- begin and end -------------------------------------------------------------------------- */

void handshake_begin(
	struct l4 *l, struct pkt *p, struct flow *f, const struct synproxy_client *client)
{
	struct handshake *h;

	*flow_side(l->flows, f) = (struct flow_side){ 0 };
	h = place_take(l, f);
	*h = (struct handshake){
		.isn = client->isn,
		.cookie = client->cookie,
		.tsval = client->options.tsval,
		.last = client->options.tsval,
		.echo = client->options.tsecr,
		.mss = client->options.mss,
		.window = client->window,
		.wscale = client->options.wscale,
		.offered = l->model->service[f->service]->syn_proxy.wscale,
		.sack_ok = client->options.sack_ok,
		.stamps = client->options.has_timestamp,
	};
	f->mode = f->mode == MODE_NAT ? MODE_NAT_PROXIED : MODE_FULLNAT_PROXIED;
	counter_add(&l->synproxy->traffic[f->service].accepted, 1);
	send_syn(l, f, h);
	if (segment_carries(p))
		hold(l, p, f, h, h->isn + 1);
	else
		consume(p);
}

uint32_t handshake_deadline(const struct l4 *l, const struct flow *f)
{
	return handshake_of(l, f)->at_ms;
}

bool handshake_retry(struct l4 *l, struct flow *f)
{
	struct handshake *h = handshake_of(l, f);

	if (h->tries == TRIES || !flow_is_current(l, f))
		return false;
	send_syn(l, f, h);
	return true;
}

void handshake_hush(struct l4 *l, const struct flow *f)
{
	handshake_of(l, f)->quiet = true;
}

void handshake_end(struct l4 *l, struct flow *f)
{
	struct handshake *h;
	struct segment s = { .flags = TCP_RST | TCP_ACK, .options = SEGMENT_NO_OPTIONS };

	if (!flow_side(l->flows, f)->handshake)
		return;
	h = handshake_of(l, f);
	if (!h->quiet) {
		s.seq = h->cookie + 1;
		s.ack = h->isn + 1;
		send_to_client(l, f, &s);
		count_failed(l, f);
	}
	drop_held(l, f, h);
	place_give(l, f);
}

unsigned int handshake_take(struct l4 *l, struct rte_mbuf **out, unsigned int max)
{
	struct handshakes *all = all_of(l);
	const unsigned int n = RTE_MIN(max, all->n_ready);

	for (unsigned int i = 0; i < n; i++) {
		out[i] = all->ready[(all->ready_from + i) % HOLD_MAX];
		all->held -= out[i]->nb_segs;
	}
	all->ready_from = (all->ready_from + n) % HOLD_MAX;
	all->n_ready -= n;
	return n;
}

struct handshakes *handshakes_create(int socket)
{
	struct handshakes *all = rte_zmalloc_socket("handshakes", sizeof(*all), 64, socket);

	if (!all)
		return NULL;
	all->list =
		rte_calloc_socket("handshake_list", HANDSHAKES_MAX, sizeof(*all->list), 64, socket);
	if (!all->list) {
		rte_free(all);
		return NULL;
	}
	return all;
}

uint64_t handshakes_bytes(void)
{
	return sizeof(struct handshakes) + HANDSHAKES_MAX * sizeof(struct handshake);
}

void handshakes_destroy(struct handshakes *all)
{
	if (!all)
		return;
	for (uint32_t i = 0; i < all->fresh; i++)
		for (unsigned int k = 0; k < all->list[i].n_held; k++)
			rte_pktmbuf_free(all->list[i].held[k]);
	rte_free(all->list);
	rte_free(all);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* See synproxy.h: when cookies are used, SYN-ACKs, and what comes back. */
#include "synproxy.h"

#include <errno.h>

#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_tcp.h>

#include "handshake.h"
#include "l4_priv.h"
#include "net/poison.h"
#include "segment.h"

#define SECOND    1000
#define QUIET_OFF 10 /* seconds */

/* ---- when ----------------------------------------------------------------------------------- */

static void list(struct synproxy *s, struct synproxy_meter *m, uint16_t slot)
{
	if (!m->listed)
		s->lively[s->n_lively++] = slot;
	m->listed = true;
}

static void turn(struct synproxy *s, uint16_t slot, bool on)
{
	struct synproxy_meter *m = &s->meter[slot];

	m->on = on;
	__atomic_store_n(&s->traffic[slot].on, on, __ATOMIC_RELAXED);
	if (on)
		list(s, m, slot);
}

/* Whether so many SYNs in a second are more than factor / 2 of this worker's share. */
static bool exceeds(
	const struct l4 *l, const struct service *service, uint32_t syns, uint32_t factor)
{
	return (uint64_t)syns * l->steer->n_workers * 2 >
	       (uint64_t)service->syn_proxy.rate * factor;
}

/* Another second has begun, or several. */
static void next_second(struct l4 *l, struct synproxy_meter *m, const struct service *service)
{
	const uint32_t passed = (l->now_ms - m->since) / SECOND;
	const uint32_t quiet = exceeds(l, service, m->syns, 1) ? passed - 1 : m->quiet + passed;

	m->quiet = (uint8_t)RTE_MIN(quiet, (uint32_t)UINT8_MAX);
	m->since += passed * SECOND;
	m->syns = 0;
	if (m->on && m->quiet >= QUIET_OFF && service->syn_proxy.mode != SYN_PROXY_ALWAYS)
		turn(l->synproxy, service->slot, false);
}

/* The slot has another service now. */
static void meter_begin(struct l4 *l, struct synproxy_meter *m, const struct service *service)
{
	turn(l->synproxy, service->slot, false);
	*m = (struct synproxy_meter){
		.since = l->now_ms, .gen = service->gen, .listed = m->listed
	};
}

bool synproxy_count(struct l4 *l, const struct service *service)
{
	struct synproxy_meter *m = &l->synproxy->meter[service->slot];

	if (unlikely(m->gen != service->gen))
		meter_begin(l, m, service);
	if (unlikely(l->now_ms - m->since >= SECOND))
		next_second(l, m, service);
	m->syns++;
	if (unlikely(!m->on && (service->syn_proxy.mode == SYN_PROXY_ALWAYS ||
				       exceeds(l, service, m->syns, 2)))) {
		m->quiet = 0;
		turn(l->synproxy, service->slot, true);
	}
	return m->on;
}

/* One of the services that are lively; whether it stays one. */
static bool look_at(struct l4 *l, uint16_t slot)
{
	const struct service *service = l->model->service[slot];
	struct synproxy_meter *m = &l->synproxy->meter[slot];

	if (!service || service->gen != m->gen) {
		turn(l->synproxy, slot, false);
		m->expects = false;
	} else if (service->syn_proxy.mode == SYN_PROXY_OFF) {
		turn(l->synproxy, slot, false);
	} else if (l->now_ms - m->since >= SECOND) {
		next_second(l, m, service);
	}
	if (l->now_ms - m->sent_ms > SYNCOOKIE_LIFE_MS)
		m->expects = false;
	m->listed = m->on || m->expects;
	return m->listed;
}

void synproxy_look(struct l4 *l)
{
	struct synproxy *s = l->synproxy;
	unsigned int kept = 0;

	s->looked = l->now_ms;
	for (unsigned int i = 0; i < s->n_lively; i++)
		if (look_at(l, s->lively[i]))
			s->lively[kept++] = s->lively[i];
	s->n_lively = kept;
}

/* ---- SYN ------------------------------------------------------------------------------------ */

/* What both sides are to use: as far as the client says so and the service allows. */
static void agree(struct tcp_options *o, const struct syn_proxy *rules)
{
	o->has_timestamp &= rules->timestamps;
	o->sack_ok &= rules->sack;
}

/* The size of segments that fit on the ways to client and server. */
static uint16_t fitting_size(const struct l4 *l, const struct pkt *p, const struct service *service)
{
	const uint16_t headers = p->family == 6 || service->grows ? 60 : 40;

	return RTE_MIN(service->syn_proxy.mss, (uint16_t)(l->mtu - headers));
}

static void ends_reverse(const struct pkt *p, struct segment_ends *ends)
{
	const uint8_t *addrs = pkt_addrs(p);

	ends->v6 = p->family == 6;
	if (ends->v6) {
		memcpy(ends->addrs, addrs + 16, 16);
		memcpy(ends->addrs + 16, addrs, 16);
	} else {
		memcpy(ends->addrs, addrs + 4, 4);
		memcpy(ends->addrs + 4, addrs, 4);
	}
	memcpy(&ends->sport, p->l4 + 2, 2);
	memcpy(&ends->dport, p->l4, 2);
}

/* In the place of the packet there is. */
static void replace(struct pkt *p, const struct segment *s)
{
	struct segment_ends ends;

	ends_reverse(p, &ends);
	pkt_unpoison(p->mbuf);
	if (unlikely(p->mbuf->next != NULL)) {
		rte_pktmbuf_free(p->mbuf->next);
		p->mbuf->next = NULL;
		p->mbuf->nb_segs = 1;
	}
	p->l3_len = segment_write(p->l3, &ends, s);
	p->l4 = p->l3 + (ends.v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr));
	p->l4_len = (uint16_t)(p->l3_len - (p->l4 - p->l3));
	p->mbuf->data_len = (uint16_t)(p->l3 - rte_pktmbuf_mtod(p->mbuf, uint8_t *) + p->l3_len);
	p->mbuf->pkt_len = p->mbuf->data_len;
	p->tcp_flags = s->flags;
	p->flags &= (uint8_t)~PKT_SPLIT;
	p->split = 0;
}

static struct syncookie_tuple tuple_of(const struct pkt *p, uint32_t isn)
{
	return (struct syncookie_tuple){ pkt_addrs(p), p->l4, p->family == 6, isn };
}

static void note_sent(struct l4 *l, const struct service *service)
{
	struct synproxy_meter *m = &l->synproxy->meter[service->slot];

	m->sent_ms = l->now_ms;
	m->expects = true;
	list(l->synproxy, m, service->slot);
	counter_add(&l->synproxy->traffic[service->slot].sent, 1);
}

void synproxy_answer(struct l4 *l, struct pkt *p, const struct service *service)
{
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)p->l4;
	const uint8_t *end = (const uint8_t *)p->mbuf->buf_addr + p->mbuf->buf_len;
	const uint32_t isn = rte_be_to_cpu_32(tcp->sent_seq);
	const struct syncookie_tuple connection = tuple_of(p, isn);
	const struct addr client = pkt_src(p);
	struct segment s = {
		.ack = isn + 1,
		.window = service->syn_proxy.window,
		.flags = TCP_SYN | TCP_ACK,
	};

	if (unlikely(end - p->l3 < SEGMENT_MAX)) {
		pkt_drop(p, DROP_no_headroom);
		return;
	}
	tcp_options_read(p->l4, &s.options);
	agree(&s.options, &service->syn_proxy);
	s.options.tsecr = s.options.tsval;
	s.seq = syncookie_make(&l->synproxy->cookie, &connection, &s.options, l->now_ms);
	/* Ours, where the client's stood. */
	s.options.has_mss = true;
	s.options.mss = fitting_size(l, p, service);
	if (s.options.wscale != TCPOPT_NO_SCALE)
		s.options.wscale = service->syn_proxy.wscale;
	note_sent(l, service);
	replace(p, &s);
	p->verdict = PKT_SEND;
	p->adj = net_resolve(l->net, p, &client);
}

/* ---- ACK ------------------------------------------------------------------------------------ */

bool synproxy_check(struct l4 *l, const struct pkt *p, const struct service *service,
	struct synproxy_client *out)
{
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)p->l4;
	struct syncookie_tuple connection;

	if ((p->tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK)
		return false;
	out->isn = rte_be_to_cpu_32(tcp->sent_seq) - 1;
	out->cookie = rte_be_to_cpu_32(tcp->recv_ack) - 1;
	out->window = rte_be_to_cpu_16(tcp->rx_win);
	connection = tuple_of(p, out->isn);
	tcp_options_read(p->l4, &out->options);
	if (syncookie_check(&l->synproxy->cookie, &connection, out->cookie, &out->options))
		return true;
	counter_add(&l->synproxy->traffic[service->slot].wrong, 1);
	return false;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct synproxy *synproxy_create(const struct hash_key *secret, uint64_t period, int socket)
{
	struct synproxy *s = rte_zmalloc_socket("synproxy", sizeof(*s), 64, socket);

	if (!s)
		goto fail;
	syncookie_init(&s->cookie, secret, period);
	s->meter = rte_calloc_socket(
		"synproxy_meters", MODEL_SERVICES_MAX, sizeof(*s->meter), 64, socket);
	s->traffic = rte_calloc_socket(
		"synproxy_traffic", MODEL_SERVICES_MAX, sizeof(*s->traffic), 64, socket);
	s->lively = rte_calloc_socket(
		"synproxy_lively", MODEL_SERVICES_MAX, sizeof(*s->lively), 64, socket);
	s->handshakes = handshakes_create(socket);
	if (s->meter && s->traffic && s->lively && s->handshakes)
		return s;
fail:
	synproxy_destroy(s);
	errno = ENOMEM;
	return NULL;
}

uint64_t synproxy_bytes(void)
{
	return sizeof(struct synproxy) + handshakes_bytes() +
	       MODEL_SERVICES_MAX * (sizeof(struct synproxy_meter) +
					    sizeof(struct synproxy_traffic) + sizeof(uint16_t));
}

void synproxy_destroy(struct synproxy *s)
{
	if (!s)
		return;
	handshakes_destroy(s->handshakes);
	rte_free(s->lively);
	rte_free(s->traffic);
	rte_free(s->meter);
	rte_free(s);
}

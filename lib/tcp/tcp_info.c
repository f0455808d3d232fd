/* SPDX-License-Identifier: BSD-3-Clause */
/* Figures of instances and connections. */
#include "tcp_priv.h"

const char *tcp_count_name(enum tcp_count c)
{
	static const char *const names[TCP_COUNTS] = {
#define TCP_COUNT(name, text) #name,
#include "tcp_count.def"
#undef TCP_COUNT
	};

	return names[c];
}

const char *tcp_count_text(enum tcp_count c)
{
	static const char *const texts[TCP_COUNTS] = {
#define TCP_COUNT(name, text) text,
#include "tcp_count.def"
#undef TCP_COUNT
	};

	return texts[c];
}

void tcp_stats(const struct tcp *t, struct tcp_stats *out)
{
	for (unsigned int i = 0; i < TCP_COUNTS; i++)
		out->count[i] = counter_read(&t->count[i]);
	out->conns = __atomic_load_n(&t->n_conns, __ATOMIC_RELAXED);
	out->half_open = __atomic_load_n(&t->n_half_open, __ATOMIC_RELAXED);
	out->orphans = __atomic_load_n(&t->n_orphans, __ATOMIC_RELAXED);
	out->time_wait = __atomic_load_n(&t->n_time_wait, __ATOMIC_RELAXED);
	out->segments = __atomic_load_n(&t->n_segs, __ATOMIC_RELAXED);
	out->bytes = tcp_bytes(&t->conf);
}

struct tuple tcp_tuple(const struct tcp_conn *c)
{
	return c->flow ? flow_tuple(c->flow, DIR_FORWARD) : (struct tuple){ 0 };
}

void tcp_info(const struct tcp_conn *c, struct tcp_info *out)
{
	*out = (struct tcp_info){
		.state = (enum tcp_state)c->state,
		.cwnd = c->cwnd,
		.ssthresh = c->ssthresh,
		.srtt_us = c->srtt_us,
		.rttvar_us = c->rttvar_us,
		.rto_ms = c->rto_ms,
		.min_rtt_us = c->min_rtt_us,
		.snd_wnd = c->snd_wnd,
		.rcv_wnd = c->rcv_adv - c->rcv_nxt,
		.unacked = c->snd_nxt - c->snd_una,
		.unsent = c->state >= TCP_ESTABLISHED ? conn_unsent(c) : c->snd.bytes,
		.queued = c->rcv.bytes,
		.retransmitted = c->retransmitted,
		.mss = c->mss,
		.snd_wscale = c->snd_wscale,
		.rcv_wscale = c->rcv_wscale,
		.timestamps = c->flags & CONN_STAMPS,
		.sack = c->flags & CONN_SACK,
		.ecn = c->flags & CONN_ECN,
		.recovering = c->recovery != RECOVERY_NONE,
	};
}

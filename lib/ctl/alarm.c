/* SPDX-License-Identifier: BSD-3-Clause */
/* How full everything is; see alarm.h. Called by ctl.c once a turn, and by RPC methods. */
#include "alarm.h"

#include <rte_mempool.h>

#include "base/log.h"
#include "l4/handshake.h"
#include "l7/relay.h"
#include "l7/relay_log.h"

#define LOOK_MS 1000

/* One thing of a kind. */
struct measure {
	uint64_t used, max;
	char of[96]; /* whose it is */
};

struct kind {
	const char *resource; /* as in `limits`, where it is a key of it */
	const char *what;     /* in the log */
	const char *remedy;
	/* The i-th thing of the kind; false: there is none, and m is not looked at. */
	bool (*measure)(const struct config_target *t, unsigned int i, struct measure *m);
};

static void of_worker(const struct config_target *t, unsigned int i, struct measure *m)
{
	if (i < t->workers->n)
		snprintf(m->of, sizeof(m->of), "worker %u", i);
	else
		snprintf(m->of, sizeof(m->of), "control core");
}

/* The i-th worker, if there is one. */
static const struct l4 *worker_l4(const struct config_target *t, unsigned int i, struct measure *m)
{
	if (i >= t->workers->n)
		return NULL;
	of_worker(t, i, m);
	return &t->workers->worker[i]->l4;
}

static bool measure_flows(const struct config_target *t, unsigned int i, struct measure *m)
{
	const struct l4 *l = worker_l4(t, i, m);
	struct flow_stats s;

	if (!l)
		return false;
	flow_stats(l->flows, &s);
	m->used = s.v4;
	m->max = s.max_v4;
	return true;
}

static bool measure_flows_v6(const struct config_target *t, unsigned int i, struct measure *m)
{
	const struct l4 *l = worker_l4(t, i, m);
	struct flow_stats s;

	if (!l)
		return false;
	flow_stats(l->flows, &s);
	m->used = s.v6;
	m->max = s.max_v6;
	return true;
}

static bool measure_persistence(const struct config_target *t, unsigned int i, struct measure *m)
{
	const struct l4 *l = worker_l4(t, i, m);
	struct persist_stats s;

	if (!l || !l->persist)
		return false;
	persist_stats(l->persist, &s);
	m->used = s.used;
	m->max = s.max;
	return true;
}

static bool measure_source_rates(const struct config_target *t, unsigned int i, struct measure *m)
{
	const struct l4 *l = worker_l4(t, i, m);
	struct rate_stats s;

	if (!l || !l->rates)
		return false;
	rate_stats(l->rates, &s);
	m->used = rate_used(l->rates, __atomic_load_n(&l->now_ms, __ATOMIC_RELAXED));
	m->max = s.max;
	return true;
}

/* No service gets all of it, so that the one that is nearest its share tells. */
static bool measure_share(const struct config_target *t, unsigned int i,
	struct handshake_share (*fullest)(const struct l4 *l), struct measure *m)
{
	const struct l4 *l = worker_l4(t, i, m);
	const struct service *service = NULL;
	struct handshake_share s;

	if (!l)
		return false;
	s = fullest(l);
	m->used = s.used;
	m->max = s.max;
	if (s.used)
		service = config_model(t)->service[s.service];
	if (service)
		snprintf(m->of, sizeof(m->of), "worker %u, %s", i, service->name);
	return true;
}

static bool measure_handshakes(const struct config_target *t, unsigned int i, struct measure *m)
{
	return measure_share(t, i, handshake_fullest, m);
}

static bool measure_handshake_hold(const struct config_target *t, unsigned int i, struct measure *m)
{
	return measure_share(t, i, handshake_hold_fullest, m);
}

/* Of all sources and servers, the pair that has most in use. */
static bool measure_local_ports(const struct config_target *t, unsigned int i, struct measure *m)
{
	const struct l4 *l = worker_l4(t, i, m);
	char source[ADDR_TEXT], server[ENDPOINT_TEXT];
	struct lport_fullest s;

	if (!l)
		return false;
	lport_fullest(l->lports, &s);
	m->used = s.used;
	m->max = s.max;
	snprintf(m->of, sizeof(m->of), "worker %u, %s to %s", i, addr_format(&s.source, source),
		endpoint_format(&s.server, server));
	return true;
}

/* Each pool once: that of the first who has it. */
static bool measure_packets(const struct config_target *t, unsigned int i, struct measure *m)
{
	struct rte_mempool *pool;

	if (i > t->workers->n)
		return false;
	pool = t->workers->net[i]->pool;
	m->max = 0;
	for (unsigned int k = 0; k < i; k++)
		if (t->workers->net[k]->pool == pool)
			return true;
	m->max = pool->size;
	m->used = rte_mempool_in_use_count(pool);
	snprintf(m->of, sizeof(m->of), "%s", pool->name);
	return true;
}

static bool measure_fragments(const struct config_target *t, unsigned int i, struct measure *m)
{
	const struct l4 *l = worker_l4(t, i, m);
	struct frag_stats s;

	if (!l)
		return false;
	s = frag_stats(l->net->frags);
	m->used = s.mbufs;
	m->max = s.max;
	return true;
}

static bool measure_hold(const struct config_target *t, unsigned int i, struct measure *m)
{
	if (i > t->workers->n)
		return false;
	of_worker(t, i, m);
	net_held(t->workers->net[i], &m->used, &m->max);
	return true;
}

static bool measure_neighbours(const struct config_target *t, unsigned int i, struct measure *m)
{
	if (i > 0 || !t->neigh)
		return false;
	snprintf(m->of, sizeof(m->of), "all workers");
	neigh_used(t->neigh, &m->used, &m->max);
	return true;
}

static bool measure_connection_log(const struct config_target *t, unsigned int i, struct measure *m)
{
	if (!t->relays || i >= t->workers->n)
		return false;
	of_worker(t, i, m);
	m->used = relay_log_waiting(relays_log(t->relays[i]));
	m->max = RELAY_LOG_ROOM;
	return true;
}

static const struct kind kinds[ALARM_KINDS] = {
	{ "flows", "IPv4 flows", "raise limits.flows, or shorten timeouts", measure_flows },
	{ "flows-v6", "IPv6 flows", "raise limits.flows-v6, or shorten timeouts",
		measure_flows_v6 },
	{ "persistence", "persistence entries", "raise limits.persistence", measure_persistence },
	{ "source-rates", "sources whose rate is counted", "raise limits.source-rates",
		measure_source_rates },
	{ "handshakes", "handshakes with servers", "see that the service's servers answer",
		measure_handshakes },
	{ "handshake-hold", "segments that wait for a handshake with a server",
		"see that the service's servers answer", measure_handshake_hold },
	{ "local-ports", "local ports", "give the pool more sources", measure_local_ports },
	{ "packets", "packet buffers", "raise limits.packets", measure_packets },
	{ "fragments", "fragments that wait", "raise limits.fragments", measure_fragments },
	{ "hold", "packets that wait for neighbours",
		"see that neighbours answer, or raise limits.hold", measure_hold },
	{ "neighbours", "neighbours", "raise limits.neighbours", measure_neighbours },
	{ "connection-log", "connections that wait to be logged",
		"see that what connection-log names takes what is written",
		measure_connection_log },
};

static bool measure(
	const struct config_target *t, const struct kind *k, unsigned int i, struct measure *m)
{
	return t->workers && i < ALARM_EACH && k->measure(t, i, m);
}

static unsigned int percent(const struct measure *m)
{
	return m->max ? (unsigned int)(m->used * 100 / m->max) : 0;
}

bool alarm_next(bool on, uint64_t used, uint64_t max)
{
	return used * 100 > max * (on ? ALARM_OFF : ALARM_ON);
}

static void look(const struct kind *k, const struct measure *m, bool *on)
{
	const bool now = alarm_next(*on, m->used, m->max);

	if (now && !*on)
		log_warn("%s: %u %% of the room for %s is used (%lu of %lu); %s", m->of, percent(m),
			k->what, m->used, m->max, k->remedy);
	else if (!now && *on)
		log_info("%s: %u %% of the room for %s is used again (%lu of %lu)", m->of,
			percent(m), k->what, m->used, m->max);
	*on = now;
}

void alarm_look(struct alarms *a, const struct config_target *t)
{
	struct measure m;

	for (unsigned int k = 0; k < ALARM_KINDS; k++)
		for (unsigned int i = 0; measure(t, &kinds[k], i, &m); i++)
			if (m.max)
				look(&kinds[k], &m, &a->on[k][i]);
}

void alarm_turn(struct alarms *a, const struct config_target *t, uint64_t now_ms)
{
	if (now_ms < a->look_at)
		return;
	a->look_at = now_ms + LOOK_MS;
	alarm_look(a, t);
}

json_t *alarm_view(const struct alarms *a, const struct config_target *t, bool all)
{
	json_t *list = json_array();
	struct measure m;

	for (unsigned int k = 0; k < ALARM_KINDS; k++)
		for (unsigned int i = 0; measure(t, &kinds[k], i, &m); i++) {
			if (!m.max || !(all || a->on[k][i]))
				continue;
			json_array_append_new(list,
				json_pack("{s:s, s:s, s:I, s:I, s:i, s:b, s:s}", "resource",
					kinds[k].resource, "of", m.of, "used", (json_int_t)m.used,
					"max", (json_int_t)m.max, "percent", (int)percent(&m),
					"alarm", a->on[k][i], "remedy", kinds[k].remedy));
		}
	return list;
}

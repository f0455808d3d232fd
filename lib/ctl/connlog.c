/* SPDX-License-Identifier: BSD-3-Clause */
/* See connlog.h. */
#include "connlog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "config.h"
#include "connlog_format.h"
#include "connlog_sink.h"
#include "l7/relay.h"
#include "tally.h"

#define BATCH 32
/* Records a turn: clients of the control socket are not to wait for them. */
#define A_TURN 1024

/* The last owner of a slot, be it gone or not. */
struct known {
	uint16_t gen; /* 0: none */
	uint8_t log;  /* enum connection_log; of services */
	char name[MODEL_NAME_MAX];
	char pool[MODEL_NAME_MAX];
};

struct connlog {
	struct sink *sink; /* NULL: there is no log */
	struct sink *next; /* prepared */
	bool prepared;
	struct connlog_stats stats; /* lost: unused */
	uint64_t version;           /* of the model that known is up to */
	unsigned int worker;        /* whose ring is the next */
	unsigned int n, at;         /* records in batch, and the next of them */
	struct relay_record batch[BATCH];
	struct known service[MODEL_SERVICES_MAX];
	struct known server[MODEL_SERVERS_MAX];
};

struct connlog *connlog_create(void)
{
	return calloc(1, sizeof(struct connlog));
}

void connlog_destroy(struct connlog *l)
{
	if (!l)
		return;
	connlog_cancel(l);
	sink_close(l->sink);
	free(l);
}

/* ---- changes -------------------------------------------------------------------------------- */

static bool conf_equal(const struct connlog_conf *a, const struct connlog_conf *b)
{
	return a->file == b->file && a->json == b->json && a->facility == b->facility &&
	       !strcmp(a->path, b->path);
}

int connlog_prepare(struct connlog *l, const struct connlog_conf *conf, struct faults *faults)
{
	connlog_cancel(l);
	if (conf->path && l->sink && conf_equal(conf, sink_conf(l->sink))) {
		l->next = l->sink;
	} else if (conf->path) {
		l->next = sink_open(conf, &l->stats, faults);
		if (!l->next)
			return -EINVAL;
	}
	l->prepared = true;
	return 0;
}

void connlog_commit(struct connlog *l)
{
	if (!l->prepared)
		return;
	if (l->sink != l->next)
		sink_close(l->sink);
	l->sink = l->next;
	l->next = NULL;
	l->prepared = false;
}

void connlog_cancel(struct connlog *l)
{
	if (l->next != l->sink)
		sink_close(l->next);
	l->next = NULL;
	l->prepared = false;
}

void connlog_check(const struct connlog_conf *conf, struct faults *faults)
{
	if (conf->path)
		sink_check(conf, faults);
}

void connlog_reopen(struct connlog *l)
{
	const int rc = l->sink ? sink_reopen(l->sink) : 0;

	if (rc < 0)
		log_error("connection log: %s cannot be opened anew: %s; the former file goes on",
			sink_conf(l->sink)->path, strerror(-rc));
}

/* ---- names ---------------------------------------------------------------------------------- */

static void learn(struct known *k, uint16_t gen, const char *name, const struct pool *pool)
{
	k->gen = gen;
	snprintf(k->name, sizeof(k->name), "%s", name);
	snprintf(k->pool, sizeof(k->pool), "%s", pool->name);
}

static void learn_all(struct connlog *l, const struct model *m)
{
	l->version = m->version;
	for (unsigned int i = 1; i < MODEL_SERVICES_MAX; i++) {
		const struct service *s = m->service[i];

		if (!s || s->mode != MODE_TCP)
			continue;
		learn(&l->service[i], s->gen, s->name, m->pools[s->pool]);
		l->service[i].log = s->log;
	}
	for (unsigned int i = 1; i < MODEL_SERVERS_MAX; i++) {
		const struct server *s = m->server[i];

		if (s)
			learn(&l->server[i], s->gen, s->name, m->pools[m->server_pool[i]]);
	}
}

/* NULL: the slot has, or had, another owner. */
static const struct known *known_as(const struct known *slots, uint16_t slot, uint16_t gen)
{
	return slot && slots[slot].gen == gen ? &slots[slot] : NULL;
}

static uint64_t active(struct traffic t)
{
	return t.flows_opened - t.flows_closed;
}

/* ---- writing -------------------------------------------------------------------------------- */

static uint64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* now_ms is the workers' clock; wall: what time that is. 0, or -EAGAIN: not now. */
static int record_write(struct connlog *l, const struct config_target *t,
	const struct relay_record *r, uint64_t now_ms, uint64_t wall)
{
	const struct known *service = known_as(l->service, r->service, r->service_gen);
	const struct known *server = known_as(l->server, r->to, r->to_gen);
	const int32_t ago = (int32_t)((uint32_t)now_ms - r->ended_ms);
	struct connlog_entry e = {
		.record = r,
		.began_ms = wall - (uint64_t)(int64_t)ago - r->total_ms,
	};
	char line[CONNLOG_LINE];
	size_t len;

	if (!l->sink || (service && !relay_log_wants(r, service->log)))
		return 0;
	if (service) {
		e.service = service->name;
		e.pool = service->pool;
		e.service_active = active(tally_service(t, r->service));
	}
	if (server) {
		e.server = server->name;
		e.pool = server->pool;
		e.server_active = active(tally_server(t, r->to));
	}
	len = (sink_conf(l->sink)->json ? connlog_json : connlog_text)(&e, line);
	return sink_line(l->sink, line, len);
}

/* The next records, of the workers in turn. */
static bool refill(struct connlog *l, const struct config_target *t)
{
	l->at = l->n = 0;
	for (unsigned int i = 0; l->n == 0 && i < t->workers->n; i++) {
		l->worker = (l->worker + 1) % t->workers->n;
		l->n = relay_log_take(relays_log(t->relays[l->worker]), l->batch, BATCH);
	}
	return l->n > 0;
}

unsigned int connlog_turn(struct connlog *l, const struct config_target *t, uint64_t now_ms)
{
	const uint64_t wall = wall_ms();
	unsigned int done = 0;

	if (!t->relays)
		return 0;
	if (t->snapshot->model->version != l->version)
		learn_all(l, t->snapshot->model);
	for (; done < A_TURN && (l->at < l->n || refill(l, t)); l->at++, done++)
		if (record_write(l, t, &l->batch[l->at], now_ms, wall) < 0)
			break;
	if (l->sink)
		sink_flush(l->sink);
	return done;
}

void connlog_stats(
	const struct connlog *l, const struct config_target *t, struct connlog_stats *out)
{
	*out = l ? l->stats : (struct connlog_stats){ 0 };
	for (unsigned int i = 0; t->relays && i < t->workers->n; i++)
		out->lost += relay_log_lost(relays_log(t->relays[i]));
}

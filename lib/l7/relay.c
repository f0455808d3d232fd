/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See relay.h. A pair holds one connection to the client and, at times, one to the server. Both are
 * this file's until it closes them, so a pair is over in one place, relay_over(), and nowhere does
 * one side know more than the other.
 */
#include "relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_malloc.h>

#include "base/wheel.h"
#include "guard/acl.h"
#include "net/proxyhdr.h"
#include "place.h"
#include "relay_log.h"

/* Before a server that refused is tried again. */
#define RETRY_MS   1000
#define TICK_SHIFT 3 /* 8 ms */
/* Pairs a turn that a change of the snapshot has looked at. */
#define SWEEP 64
/* Answers a turn. */
#define ANSWERS 64
/* How long others may be asked, where the service has no queue. */
#define ASK_MS 10000

enum relay_state {
	RELAY_FREE,
	RELAY_HEADER,
	RELAY_ASKING,
	RELAY_CONNECTING,
	RELAY_WAITING,
	RELAY_OPEN,
	RELAY_LEFT,
	RELAY_STATES
};

/* relay.flags */
#define CLIENT_DONE 0x01 /* its FIN has been passed on */
#define SERVER_DONE 0x02

struct relay {
	struct wheel_node timer;
	uint32_t armed_ms;
	uint8_t state; /* enum relay_state */
	uint8_t flags;
	uint8_t tries;  /* connections to servers that failed */
	uint8_t failed; /* enum relay_end of the last one */
	struct relays *all;
	struct tcp_conn *client, *server; /* server NULL: none now */
	uint16_t service, service_gen;
	uint16_t to, to_gen; /* slot of the server; 0: none has been picked */
	uint16_t last;       /* of the one that failed last */
	uint8_t header;      /* version of the PROXY header that it wants; 0: none */
	struct tuple who;    /* the client's, by its packets or its PROXY header */
	uint32_t since_ms;   /* when this state began */
	uint32_t spent_ms[RELAY_STATES];
	uint64_t began;      /* relays.clock */
	struct tuple toward; /* of the last connection to a server */
	struct place place;
	uint32_t client_ms, server_ms; /* when something last moved to or from each */
	uint64_t up, down;             /* bytes */
	struct relay *next;            /* free */
};

struct relays {
	struct relays_conf conf;
	struct places *places;
	struct traffic *service, *server; /* by slot */
	const struct model *model;
	struct tcp *tcp;
	uint32_t now_ms;
	uint64_t clock;       /* ms, which does not wrap */
	uint32_t turn;        /* of sources */
	uint32_t generations; /* model->generations when pairs were last looked at */
	uint32_t sweep;       /* the next to look at; conf.max: all have been */
	struct relay *free;
	struct relay *relay; /* [conf.max] */
	struct relays_stats stats;
	struct relay_log *log;
	struct wheel wheel;
};

static const struct tcp_ops client_ops, server_ops;

/* ---- life ----------------------------------------------------------------------------------- */

uint64_t relays_bytes(uint32_t max)
{
	return sizeof(struct relays) + (uint64_t)max * sizeof(struct relay) + relay_log_bytes() +
	       places_bytes();
}

struct relays *relays_create(const struct relays_conf *conf)
{
	struct relays *all = rte_zmalloc_socket("relays", sizeof(*all), 64, conf->socket);

	if (!all)
		goto fail;
	all->relay = rte_zmalloc_socket(
		"relays", (size_t)conf->max * sizeof(*all->relay), 64, conf->socket);
	all->log = relay_log_create(conf->socket);
	all->places = places_create(conf->socket);
	if (!all->relay || !all->log || !all->places)
		goto fail;
	all->conf = *conf;
	all->sweep = conf->max;
	all->stats.max = conf->max;
	for (uint32_t i = conf->max; i-- > 0;) {
		all->relay[i].next = all->free;
		all->free = &all->relay[i];
	}
	return all;

fail:
	relays_destroy(all);
	errno = ENOMEM;
	return NULL;
}

int relays_join(struct relays **all, unsigned int n)
{
	struct places **places = calloc(n, sizeof(*places));
	int rc = -ENOMEM;

	for (unsigned int i = 0; places && i < n; i++)
		places[i] = all[i]->places;
	if (places)
		rc = places_join(places, n);
	free(places);
	return rc;
}

void relays_use(struct relays *all, struct l4 *l4, uint32_t now_ms)
{
	places_use(all->places, l4);
	all->service = l4->service;
	all->server = l4->server;
	all->now_ms = now_ms;
	wheel_init(&all->wheel, &all->relay[0].timer, sizeof(*all->relay), TICK_SHIFT, all->now_ms);
}

void relays_destroy(struct relays *all)
{
	if (!all)
		return;
	relay_log_destroy(all->log);
	places_destroy(all->places);
	rte_free(all->relay);
	rte_free(all);
}

struct relay_log *relays_log(const struct relays *all)
{
	return all->log;
}

static uint32_t index_of(const struct relay *r)
{
	return (uint32_t)(r - r->all->relay);
}

/* If it is still there. */
static const struct service *service_at(const struct relays *all, uint16_t slot, uint16_t gen)
{
	return all->model->service_gen[slot] == gen ? all->model->service[slot] : NULL;
}

static const struct service *service_of(const struct relay *r)
{
	return service_at(r->all, r->service, r->service_gen);
}

static struct relay *relay_new(struct relays *all, struct tcp_conn *client)
{
	const uint32_t tag = tcp_tag(client);
	struct relay *r = all->free;

	if (!r) {
		counter_add(&all->stats.full, 1);
		return NULL;
	}
	all->free = r->next;
	*r = (struct relay){
		.all = all,
		.client = client,
		.service = (uint16_t)tag,
		.service_gen = (uint16_t)(tag >> 16),
		.who = tcp_tuple(client),
		.began = all->clock,
		.since_ms = all->now_ms,
		.client_ms = all->now_ms,
		.server_ms = all->now_ms,
	};
	wheel_node_init(&r->timer);
	place_begin(all->places, &r->place, r->service, r->service_gen);
	__atomic_store_n(&all->stats.pairs, all->stats.pairs + 1, __ATOMIC_RELAXED);
	counter_add(&all->service[r->service].flows_opened, 1);
	return r;
}

/* The server is no longer counted on. */
static void leave_server(struct relay *r)
{
	struct relays *all = r->all;

	if (!r->to)
		return;
	place_leave(all->places, r->to);
	counter_add(&all->server[r->to].flows_closed, 1);
	r->to = 0;
}

static void relay_free(struct relay *r)
{
	struct relays *all = r->all;

	r->state = RELAY_FREE;
	r->next = all->free;
	all->free = r;
	__atomic_store_n(&all->stats.pairs, all->stats.pairs - 1, __ATOMIC_RELAXED);
}

/* The time in its state so far. */
static void spend(struct relay *r)
{
	r->spent_ms[r->state] += r->all->now_ms - r->since_ms;
	r->since_ms = r->all->now_ms;
}

/* The client's connection is still open, as far as tcp goes. */
static void log_end(struct relay *r, enum relay_end why)
{
	const struct service *service = service_of(r);
	const struct relays *all = r->all;

	if (service && service->log == CONNECTION_LOG_NONE)
		return;
	spend(r);
	const struct relay_record record = {
		.client = tcp_tuple(r->client),
		.who = { r->who.src, rte_be_to_cpu_16(r->who.sport) },
		.server = r->toward,
		.up = r->up,
		.down = r->down,
		.total_ms = all->clock - r->began,
		.ended_ms = all->now_ms,
		.header_ms = r->spent_ms[RELAY_HEADER],
		.queue_ms = r->spent_ms[RELAY_ASKING],
		.connect_ms = r->spent_ms[RELAY_CONNECTING] + r->spent_ms[RELAY_WAITING],
		.service = r->service,
		.service_gen = r->service_gen,
		.to = r->to ? r->to : r->last,
		.to_gen = r->to_gen,
		.retries = r->tries,
		.end = (uint8_t)why,
	};
	/* Where the service is gone, the control core remembers what it wanted. */
	if (!service || relay_log_wants(&record, service->log))
		relay_log_put(all->log, &record);
}

/* Closes what is still open: with a FIN, or a RST. */
static void relay_over(struct relay *r, enum relay_end why)
{
	struct relays *all = r->all;
	void (*const close)(struct tcp_conn *) = why == RELAY_END_done ? tcp_close : tcp_abort;

	log_end(r, why);
	close(r->client);
	if (r->server)
		close(r->server);
	leave_server(r);
	counter_add(&all->service[r->service].flows_closed, 1);
	counter_add(&all->stats.end[why], 1);
	wheel_disarm(&all->wheel, index_of(r));
	if (place_end(all->places, &r->place))
		relay_free(r);
	else
		r->state = RELAY_LEFT;
}

/* ---- time ----------------------------------------------------------------------------------- */

static bool is_half_closed(const struct relay *r)
{
	return r->flags & (CLIENT_DONE | SERVER_DONE);
}

static uint32_t later(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0 ? b : a;
}

static uint32_t sooner(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0 ? a : b;
}

/* When it has taken too long, and what that is then. */
static uint32_t deadline(
	const struct relay *r, const struct proxy_rules *rules, enum relay_end *why)
{
	const uint32_t last = later(r->client_ms, r->server_ms);
	const uint32_t client = r->client_ms + rules->client_ms;
	const uint32_t server = r->server_ms + rules->server_ms;

	switch (r->state) {
	case RELAY_HEADER:
		*why = RELAY_END_header_timeout;
		return r->since_ms + rules->header_ms;
	case RELAY_ASKING:
		*why = RELAY_END_queue_timeout;
		return r->since_ms + (rules->queue_ms ? rules->queue_ms : ASK_MS);
	case RELAY_CONNECTING:
		*why = RELAY_END_connect_timeout;
		return r->since_ms + rules->connect_ms;
	case RELAY_WAITING:
		*why = (enum relay_end)r->failed;
		return r->since_ms + RETRY_MS;
	default:
		break;
	}
	if (is_half_closed(r)) {
		*why = RELAY_END_half_closed_timeout;
		return last + rules->half_closed_ms;
	}
	if (rules->tunnel_ms) {
		*why = RELAY_END_tunnel_timeout;
		return last + rules->tunnel_ms;
	}
	*why = (int32_t)(client - server) < 0 ? RELAY_END_client_timeout : RELAY_END_server_timeout;
	return sooner(client, server);
}

/* Armed for no later than it is due; lazily, for most deadlines only move away. */
static void relay_arm(struct relay *r)
{
	const struct service *service = service_of(r);
	enum relay_end why;
	uint32_t at;

	if (!service)
		return; /* the sweep ends it */
	at = deadline(r, &service->proxy, &why);
	if (wheel_is_armed(&r->timer) && (int32_t)(r->armed_ms - at) <= 0)
		return;
	r->armed_ms = at;
	wheel_arm(&r->all->wheel, index_of(r), at);
}

static void enter(struct relay *r, enum relay_state state)
{
	spend(r);
	r->state = (uint8_t)state;
	relay_arm(r);
}

/* ---- a server ------------------------------------------------------------------------------- */

static void key_of(const struct relay *r, struct sched_key *key)
{
	const struct tuple *t = &r->who;

	*key = (struct sched_key){ .src = t->src,
		.dst = t->dst,
		.sport = t->sport,
		.dport = t->dport,
		.proto = t->proto };
}

/* From one of the addresses for that, in turn. NULL: no local port is free at any. */
static struct tcp_conn *open_toward(struct relay *r, const struct server *s)
{
	struct relays *all = r->all;
	const uint16_t asked = rte_be_to_cpu_16(tcp_tuple(r->client).dport);
	struct tcp_target to = { .remote = { s->addr, s->port ? s->port : asked } };
	struct tcp_conn *c = NULL;

	for (unsigned int i = 0; !c && i < s->n_sources; i++) {
		to.local = s->sources[(all->turn + i) % s->n_sources];
		c = tcp_connect(all->tcp, &to, &all->conf.toward_servers, &server_ops, r);
	}
	all->turn++;
	return c;
}

/* The connection to the server came to nothing. */
static void try_again(struct relay *r, enum relay_end why)
{
	const struct service *service = service_of(r);
	struct relays *all = r->all;

	r->last = r->to; /* not the same again, if there are others */
	leave_server(r);
	r->server = NULL;
	r->failed = (uint8_t)why;
	if (!service || r->tries >= service->proxy.retries) {
		relay_over(r, service ? why : RELAY_END_gone);
		return;
	}
	r->tries++;
	counter_add(&all->stats.retried, 1);
	enter(r, RELAY_WAITING);
}

static void connect_server(struct relay *r, const struct server *s)
{
	struct relays *all = r->all;

	if (r->tries && s->slot != r->last)
		counter_add(&all->stats.redispatched, 1);
	r->to = s->slot;
	r->to_gen = s->gen;
	r->header = s->proxy_header;
	counter_add(&all->server[s->slot].flows_opened, 1);
	r->server = open_toward(r, s);
	r->toward = r->server ? tcp_tuple(r->server) : (struct tuple){ 0 };
	if (!r->server) {
		try_again(r, RELAY_END_no_source);
		return;
	}
	enter(r, RELAY_CONNECTING);
}

/* A server, or what there is none for. False: it has to be asked for again. */
static bool answered(struct relay *r)
{
	static const enum relay_end ends[] = {
		[PLACE_NONE] = RELAY_END_no_server,
		[PLACE_FULL] = RELAY_END_server_full,
		[PLACE_SEATS_FULL] = RELAY_END_service_full,
		[PLACE_LINE_FULL] = RELAY_END_queue_full,
	};
	const struct server *s;

	if (!service_of(r) || r->place.answer != PLACE_SERVER) {
		relay_over(r, service_of(r) ? ends[r->place.answer] : RELAY_END_gone);
		return true;
	}
	s = place_take(r->all->places, &r->place);
	if (s)
		connect_server(r, s);
	return s != NULL;
}

/* again: another server than the one that failed just now, if there is one. */
static void ask_place(struct relay *r, bool again)
{
	const struct service *service = service_of(r);
	struct sched_key key;

	if (!service) {
		relay_over(r, RELAY_END_gone);
		return;
	}
	key_of(r, &key);
	enter(r, RELAY_ASKING);
	while (place_ask(r->all->places, &r->place, service, &key, again) && !answered(r))
		again = false;
}

/* Those that have been answered since. */
static unsigned int receive_answers(struct relays *all)
{
	struct place *back[ANSWERS];
	unsigned int work, n = places_turn(all->places, back, ANSWERS, &work);

	for (unsigned int i = 0; i < n; i++) {
		struct relay *r = container_of(back[i], struct relay, place);

		if (r->state == RELAY_LEFT) {
			place_end(all->places, &r->place);
			relay_free(r);
		} else if (!answered(r)) {
			ask_place(r, false);
		}
	}
	return work + n;
}

/* ---- headers -------------------------------------------------------------------------------- */

/* The first bytes there are to read, which stay there. */
static uint32_t peek(const struct tcp_conn *c, uint8_t *out, uint32_t max)
{
	uint32_t n = 0;

	for (const struct rte_mbuf *m = tcp_peek(c); m && n < max; m = m->next) {
		const uint32_t part = RTE_MIN((uint32_t)m->data_len, max - n);

		memcpy(out + n, rte_pktmbuf_mtod(m, const uint8_t *), part);
		n += part;
	}
	return n;
}

static bool is_closing(const struct tcp_conn *c)
{
	struct tcp_info info;

	tcp_info(c, &info);
	return info.state == TCP_CLOSE_WAIT;
}

/* Of a client that is to begin with a header: goes on where all of it has come. */
static void take_header(struct relay *r)
{
	uint8_t bytes[PROXYHDR_MAX];
	const uint32_t n = peek(r->client, bytes, sizeof(bytes));
	struct proxyhdr h;

	switch (proxyhdr_parse(bytes, n, &h)) {
	case PROXYHDR_DONE:
		tcp_read_copy(r->client, bytes, h.len);
		if (h.told)
			r->who = (struct tuple){ .src = h.src.addr,
				.dst = h.dst.addr,
				.sport = rte_cpu_to_be_16(h.src.port),
				.dport = rte_cpu_to_be_16(h.dst.port),
				.proto = IPPROTO_TCP };
		ask_place(r, false);
		break;
	case PROXYHDR_MORE:
		if (is_closing(r->client))
			relay_over(r, n ? RELAY_END_header_wrong : RELAY_END_header_missing);
		break;
	case PROXYHDR_NONE:
		relay_over(r, RELAY_END_header_missing);
		break;
	default:
		relay_over(r, RELAY_END_header_wrong);
		break;
	}
}

/* The first bytes of the connection to the server. false: no buffer. */
static bool put_header(struct relay *r)
{
	const struct endpoint src = { r->who.src, rte_be_to_cpu_16(r->who.sport) };
	const struct endpoint dst = { r->who.dst, rte_be_to_cpu_16(r->who.dport) };
	uint8_t bytes[PROXYHDR_WRITTEN_MAX];
	uint32_t n;

	if (!r->header)
		return true;
	n = proxyhdr_write(r->header, &src, &dst, bytes);
	return tcp_write_copy(r->server, bytes, n) == 0;
}

/* ---- exchange ------------------------------------------------------------------------------- */

/* As much as the receiver has room for. True: something moved. */
static bool pump(struct tcp_conn *from, struct tcp_conn *to, uint64_t *bytes)
{
	bool any = false;
	uint32_t room, n;

	while (tcp_readable(from) && (room = tcp_writable(to)) > 0) {
		struct rte_mbuf *m = tcp_read(from, room, &n);

		*bytes += n;
		any = true;
		if (tcp_write(to, m) < 0)
			break;
	}
	return any;
}

static void pass_fin(struct relay *r, uint8_t flag, struct tcp_conn *from, struct tcp_conn *to)
{
	if ((r->flags & flag) || !tcp_at_end(from))
		return;
	r->flags |= flag;
	tcp_shutdown(to);
}

static void count_bytes(struct relay *r, uint64_t up, uint64_t down)
{
	struct traffic *service = &r->all->service[r->service];
	struct traffic *server = &r->all->server[r->to];

	counter_add(&service->bytes_in, up);
	counter_add(&service->bytes_out, down);
	counter_add(&server->bytes_in, up);
	counter_add(&server->bytes_out, down);
	r->up += up;
	r->down += down;
}

static void exchange(struct relay *r)
{
	uint64_t up = 0, down = 0;
	const bool rose = pump(r->client, r->server, &up);
	const bool fell = pump(r->server, r->client, &down);

	if (rose || fell)
		count_bytes(r, up, down);
	pass_fin(r, CLIENT_DONE, r->client, r->server);
	pass_fin(r, SERVER_DONE, r->server, r->client);
	if ((r->flags & (CLIENT_DONE | SERVER_DONE)) == (CLIENT_DONE | SERVER_DONE))
		relay_over(r, RELAY_END_done);
	else
		relay_arm(r);
}

/* ---- events --------------------------------------------------------------------------------- */

static bool is_listed(const struct access *list, const struct tcp_conn *c)
{
	const struct tuple t = tcp_tuple(c);

	return list && acl_allows(list->acl, &t.src);
}

static void accept_event(struct tcp_conn *c, uint32_t events)
{
	struct relays *all = tcp_ctx(c);
	const uint32_t tag = tcp_tag(c);
	const struct service *s = service_at(all, (uint16_t)tag, (uint16_t)(tag >> 16));
	struct relay *r;

	if (s && !(events & TCP_EV_ERROR) && is_listed(s->monitor, c)) {
		counter_add(&all->stats.monitored, 1);
		tcp_close(c);
		return;
	}
	r = events & TCP_EV_ERROR ? NULL : relay_new(all, c);
	if (!r) {
		tcp_abort(c);
		return;
	}
	tcp_set_ctx(c, r);
	tcp_set_ops(c, &client_ops);
	if (s && is_listed(s->trusted, c)) {
		enter(r, RELAY_HEADER);
		take_header(r);
	} else {
		ask_place(r, false);
	}
}

/* Whether a client that has closed its half is taken to have left. */
static bool gives_up(const struct relay *r)
{
	const struct service *service = service_of(r);

	return service && service->proxy.abort_on_close && is_closing(r->client);
}

static void client_event(struct tcp_conn *c, uint32_t events)
{
	struct relay *r = tcp_ctx(c);

	if (events & TCP_EV_ERROR) {
		relay_over(
			r, r->state == RELAY_ASKING ? RELAY_END_aborted : RELAY_END_client_error);
		return;
	}
	r->client_ms = r->all->now_ms;
	if (r->state == RELAY_HEADER)
		take_header(r);
	else if (r->state == RELAY_OPEN)
		exchange(r);
	else if (r->state == RELAY_ASKING && gives_up(r))
		relay_over(r, RELAY_END_aborted);
}

static void server_event(struct tcp_conn *c, uint32_t events)
{
	struct relay *r = tcp_ctx(c);

	if ((events & TCP_EV_ERROR) && r->state == RELAY_CONNECTING) {
		const bool late = tcp_error(c) == -ETIMEDOUT;

		tcp_close(c);
		try_again(r, late ? RELAY_END_connect_timeout : RELAY_END_refused);
		return;
	}
	if (events & TCP_EV_ERROR) {
		relay_over(r, RELAY_END_server_error);
		return;
	}
	r->server_ms = r->all->now_ms;
	if (events & TCP_EV_OPEN) {
		enter(r, RELAY_OPEN);
		if (!put_header(r)) {
			relay_over(r, RELAY_END_no_memory);
			return;
		}
	}
	exchange(r);
}

const struct tcp_ops relays_accept = { accept_event };
static const struct tcp_ops client_ops = { client_event };
static const struct tcp_ops server_ops = { server_event };

/* ---- a turn --------------------------------------------------------------------------------- */

static void fire(struct relay *r)
{
	const struct service *service = service_of(r);
	enum relay_end why;

	if (!service) {
		relay_over(r, RELAY_END_gone);
		return;
	}
	if ((int32_t)(deadline(r, &service->proxy, &why) - r->all->now_ms) > 0) {
		relay_arm(r);
		return;
	}
	if (r->state == RELAY_WAITING) {
		ask_place(r, true);
	} else if (r->state == RELAY_CONNECTING) {
		tcp_abort(r->server);
		try_again(r, why);
	} else {
		relay_over(r, why);
	}
}

/* What a change took away. */
static bool is_gone(const struct relay *r)
{
	const struct model *m = r->all->model;

	return m->service_gen[r->service] != r->service_gen ||
	       (r->to && m->server_gen[r->to] != r->to_gen);
}

static unsigned int sweep(struct relays *all)
{
	unsigned int n = 0;

	for (; all->sweep < all->conf.max && n < SWEEP; all->sweep++, n++) {
		struct relay *r = &all->relay[all->sweep];

		if (r->state == RELAY_FREE || r->state == RELAY_LEFT)
			continue;
		if (is_gone(r))
			relay_over(r, RELAY_END_gone);
		else
			relay_arm(r); /* time-outs may be shorter */
	}
	return n;
}

unsigned int relays_turn(
	struct relays *all, const struct model *m, struct tcp *t, uint32_t now_ms, unsigned int max)
{
	uint32_t due[64];
	unsigned int n, fired;

	all->model = m;
	all->tcp = t;
	all->clock += now_ms - all->now_ms;
	all->now_ms = now_ms;
	if (unlikely(all->generations != m->generations)) {
		all->generations = m->generations;
		all->sweep = 0;
	}
	n = receive_answers(all);
	fired = wheel_advance(&all->wheel, now_ms, due, RTE_MIN(max, (unsigned int)RTE_DIM(due)));
	for (unsigned int i = 0; i < fired; i++)
		fire(&all->relay[due[i]]);
	n += fired;
	if (unlikely(all->sweep < all->conf.max))
		n += sweep(all);
	return n;
}

void relays_stats(const struct relays *r, struct relays_stats *out)
{
	struct places_stats places;

	places_stats(r->places, &places);
	*out = (struct relays_stats){
		.pairs = __atomic_load_n(&r->stats.pairs, __ATOMIC_RELAXED),
		.max = r->stats.max,
		.retried = counter_read(&r->stats.retried),
		.redispatched = counter_read(&r->stats.redispatched),
		.full = counter_read(&r->stats.full),
		.monitored = counter_read(&r->stats.monitored),
		.waiting = places.waiting,
		.waited = places.waited,
	};
	for (unsigned int i = 0; i < RELAY_ENDS; i++)
		out->end[i] = counter_read(&r->stats.end[i]);
}

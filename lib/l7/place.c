/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions of connections, and how they travel; see place.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_branch_prediction.h>
#include <rte_malloc.h>

#include "base/counter.h"
#include "base/invariant.h"
#include "l4/assign.h"
#include "place_priv.h"
#include "sched/limit.h"

#define RING_DEPTH 1024
/* Notes taken from one ring in a turn. */
#define BURST 64

/* ---- the mesh ------------------------------------------------------------------------------- */

static bool is_recall(const struct place_note *note)
{
	return note == &note->of->recall;
}

/* In order, whatever has no room waits here. */
static void note_send(struct places *p, unsigned int to, struct place_note *note)
{
	counter_add(&p->stats.sent, 1);
	if (STAILQ_EMPTY(&p->later[to]) && rte_ring_sp_enqueue(p->out[to], note) == 0)
		return;
	counter_add(&p->stats.sent_later, 1);
	STAILQ_INSERT_TAIL(&p->later[to], note, next);
}

static unsigned int send_later(struct places *p)
{
	unsigned int n = 0;

	for (unsigned int to = 0; to < p->n; to++) {
		struct place_notes *later = &p->later[to];
		struct place_note *note;

		while (unlikely((note = STAILQ_FIRST(later)) != NULL)) {
			/* Once it is in the ring it is another's. */
			STAILQ_REMOVE_HEAD(later, next);
			if (rte_ring_sp_enqueue(p->out[to], note) < 0) {
				STAILQ_INSERT_HEAD(later, note, next);
				break;
			}
			n++;
		}
	}
	return n;
}

static void place_send(struct places *p, struct place *pl, unsigned int to)
{
	note_send(p, to, &pl->asked);
}

/* ---- steps ---------------------------------------------------------------------------------- */

static const struct service *service_of(const struct places *p, const struct place *pl)
{
	const struct model *m = p->l4->model;

	return m->service_gen[pl->q.service] == pl->q.service_gen ? m->service[pl->q.service]
								  : NULL;
}

static bool is_gone(const struct place *pl)
{
	return __atomic_load_n(&pl->gone, __ATOMIC_ACQUIRE);
}

static void seats_add(struct places *p, uint16_t service, uint64_t difference)
{
	uint64_t *word = &p->shared->seats[service];

	__atomic_store_n(word, *word + difference, __ATOMIC_RELAXED);
}

/* Over all workers, what has been granted included; see limit_taken(). */
static uint32_t seats_taken(const struct places *p, uint16_t service)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < p->n; i++) {
		const uint64_t word =
			__atomic_load_n(&p->others[i]->seats[service], __ATOMIC_RELAXED);

		sum += (uint32_t)word + (uint32_t)(word >> 32);
	}
	return sum;
}

void place_answer(struct place *pl, enum place_answer what)
{
	pl->stage = PLACE_ANSWER;
	pl->answer = (uint8_t)what;
}

/* The steps return whose task the next one is. */
static unsigned int seat_step(struct places *p, struct place *pl, const struct service *service)
{
	const uint32_t max = service->proxy.max_connections;
	const unsigned int home = service->slot % p->n;

	if (max && home != p->id)
		return home;
	if (max && seats_taken(p, service->slot) >= max) {
		place_answer(pl, PLACE_SEATS_FULL);
		return p->id;
	}
	seats_add(p, service->slot, LOAD_GRANT);
	pl->seat = SEAT_GRANTED;
	pl->stage = PLACE_LINE;
	return p->id;
}

/* The steps of assign.h begin, at their asker: the owner, or who orders the line. */
static void steps_begin(struct places *p, struct place *pl, const struct service *service)
{
	const uint8_t fresh = pl->q.flags & ASK_FRESH;
	const uint16_t last = pl->q.server, last_gen = pl->q.server_gen;

	assign_begin_server(p->l4, service, &pl->q);
	if (pl->other) {
		pl->q.flags = fresh | ASK_MOVED | ASK_UNFIT;
		pl->q.server = last;
		pl->q.server_gen = last_gen;
		pl->q.step = ASK_PICK;
	}
	pl->stage = PLACE_STEPS;
}

static unsigned int line_step(struct places *p, struct place *pl, const struct service *service)
{
	const bool line = place_has_line(p->l4->model, service);
	const unsigned int home = line ? line_home(service->pool, p->n) : pl->owner;

	x_assert(!pl->trying || home == p->id || !line);
	if (home != p->id)
		return home;
	if (line && !pl->ticket)
		pl->ticket = ++p->ticket;
	if (line && !pl->trying && line_is_busy(p, service->pool))
		line_enter(p, pl, service);
	else
		steps_begin(p, pl, service);
	return home;
}

/* Back with who asked: what has been decided. */
static void decided(struct places *p, struct place *pl, const struct service *service)
{
	if (pl->q.server) {
		if (pl->owner != p->id)
			limit_picked_for_other(p->l4->sched, pl->q.server);
		place_answer(pl, PLACE_SERVER);
	} else if (!service) {
		place_answer(pl, PLACE_NONE);
	} else if (pl->other) { /* there is none; so the same again */
		pl->other = false;
		steps_begin(p, pl, service);
	} else if (pl->q.reason != DROP_server_full) {
		place_answer(pl, PLACE_NONE);
	} else if (!place_has_line(p->l4->model, service)) {
		place_answer(pl, PLACE_FULL);
	} else if (pl->ticket && line_home(service->pool, p->n) == p->id) {
		line_enter(p, pl, service);
	} else { /* the configuration has changed */
		pl->ticket = 0;
		pl->stage = PLACE_LINE;
	}
}

static unsigned int steps_step(struct places *p, struct place *pl, const struct service *service)
{
	const unsigned int to = assign_advance(p->l4, &pl->q, &pl->key);

	if (to == p->id) {
		line_tried(p, pl);
		decided(p, pl, service);
	}
	return to;
}

bool place_run(struct places *p, struct place *pl)
{
	while (pl->stage != PLACE_ANSWER) {
		const struct service *service = service_of(p, pl);
		unsigned int at = p->id;

		if (pl->stage == PLACE_STEPS) {
			at = steps_step(p, pl, service);
		} else if (!service || is_gone(pl)) {
			line_tried(p, pl);
			place_answer(pl, PLACE_NONE);
		} else if (pl->stage == PLACE_SEAT) {
			at = seat_step(p, pl, service);
		} else {
			at = line_step(p, pl, service);
		}
		if (at != p->id) {
			place_send(p, pl, at);
			return false;
		}
		if (pl->line)
			return false;
	}
	if (pl->owner == p->id)
		return true;
	place_send(p, pl, pl->owner);
	return false;
}

void place_go_on(struct places *p, struct place *pl)
{
	if (place_run(p, pl))
		TAILQ_INSERT_TAIL(&p->back, pl, wait);
}

/* ---- the owner ------------------------------------------------------------------------------ */

void place_begin(struct places *p, struct place *pl, uint16_t service, uint16_t service_gen)
{
	*pl = (struct place){
		.asked = { .of = pl },
		.recall = { .of = pl },
		.q = { .service = service, .service_gen = service_gen },
		.owner = (uint8_t)p->id,
	};
}

bool place_ask(struct places *p, struct place *pl, const struct service *service,
	const struct sched_key *key, bool again)
{
	x_assert(!pl->out);
	pl->key = *key;
	pl->other = again;
	pl->ticket = 0;
	pl->stage = pl->seat == SEAT_NONE ? PLACE_SEAT : PLACE_LINE;
	pl->q.service = service->slot;
	pl->q.service_gen = service->gen;
	pl->out = true;
	if (place_run(p, pl))
		pl->out = false;
	return !pl->out;
}

const struct server *place_take(struct places *p, struct place *pl)
{
	const struct server *s = assign_server(p->l4, &pl->q);

	if (pl->seat == SEAT_GRANTED) {
		seats_add(p, pl->q.service, LOAD_FLOW - LOAD_GRANT);
		pl->seat = SEAT_TAKEN;
	}
	if (!s) {
		assign_settle(p->l4, &pl->q);
		return NULL;
	}
	limit_open(p->l4->sched, s->slot, pl->q.flags & ASK_GRANTED);
	pl->q.flags &= (uint8_t)~ASK_GRANTED;
	return s;
}

void place_leave(struct places *p, uint16_t slot)
{
	uint32_t *left = &p->shared->left[p->l4->model->server_pool[slot]];

	limit_close(p->l4->sched, slot);
	/* After the place itself: who hears of it finds it. */
	__atomic_store_n(left, *left + 1, __ATOMIC_RELEASE);
}

/* What it was granted is given up. */
static void give_up(struct places *p, struct place *pl)
{
	assign_settle(p->l4, &pl->q);
	if (pl->seat != SEAT_NONE)
		seats_add(p, pl->q.service, pl->seat == SEAT_GRANTED ? -LOAD_GRANT : -LOAD_FLOW);
	pl->seat = SEAT_NONE;
}

bool place_end(struct places *p, struct place *pl)
{
	uint8_t at;

	if (!pl->out) {
		give_up(p, pl);
		return true;
	}
	/* Either it is seen there to be in a line, or who lets it enter one sees that it is gone.
	 */
	__atomic_store_n(&pl->gone, true, __ATOMIC_SEQ_CST);
	at = __atomic_load_n(&pl->at, __ATOMIC_SEQ_CST);
	if (at == p->id + 1) {
		line_leave(p, pl);
		pl->out = false;
		give_up(p, pl);
		return true;
	}
	if (at) {
		pl->recalled = true;
		note_send(p, at - 1u, &pl->recall);
	}
	return false;
}

/* ---- a turn --------------------------------------------------------------------------------- */

/* A recall, with the line it was sent to, or back from there. */
static void recall_arrived(struct places *p, struct place *pl)
{
	if (pl->owner == p->id) {
		pl->recalled = false;
		if (!pl->out)
			TAILQ_INSERT_TAIL(&p->back, pl, wait);
		return;
	}
	/* Otherwise the question has gone on, and is not to be looked at. */
	if (__atomic_load_n(&pl->at, __ATOMIC_RELAXED) == p->id + 1) {
		line_leave(p, pl);
		place_answer(pl, PLACE_NONE);
		place_go_on(p, pl);
	}
	note_send(p, pl->owner, &pl->recall);
}

static unsigned int receive(struct places *p)
{
	struct place_note *notes[BURST];
	unsigned int n, total = 0;

	for (unsigned int i = 0; i < p->n; i++) {
		const unsigned int from = (p->turn + i) % p->n;

		if (from == p->id)
			continue;
		n = rte_ring_sc_dequeue_burst(p->in[from], (void **)notes, BURST, NULL);
		for (unsigned int k = 0; k < n; k++)
			if (is_recall(notes[k]))
				recall_arrived(p, notes[k]->of);
			else
				place_go_on(p, notes[k]->of);
		total += n;
	}
	p->turn++;
	return total;
}

unsigned int places_turn(
	struct places *p, struct place **back, unsigned int max, unsigned int *work)
{
	unsigned int n = 0;
	struct place *pl;

	*work = send_later(p) + receive(p) + lines_turn(p);
	while (n < max && (pl = TAILQ_FIRST(&p->back)) != NULL) {
		TAILQ_REMOVE(&p->back, pl, wait);
		pl->out = false;
		if (!pl->recalled) /* else it comes again with that */
			back[n++] = pl;
	}
	return n;
}

/* ---- life ----------------------------------------------------------------------------------- */

uint64_t places_bytes(void)
{
	return sizeof(struct places) + sizeof(struct place_shared) +
	       MODEL_POOLS_MAX * sizeof(struct line);
}

struct places *places_create(int socket)
{
	struct places *p = rte_zmalloc_socket("places", sizeof(*p), 64, socket);

	if (!p)
		goto fail;
	p->socket = socket;
	p->shared = rte_zmalloc_socket("places", sizeof(*p->shared), 64, socket);
	p->line = rte_calloc_socket("places", MODEL_POOLS_MAX, sizeof(*p->line), 64, socket);
	if (!p->shared || !p->line)
		goto fail;
	TAILQ_INIT(&p->back);
	LIST_INIT(&p->active);
	for (unsigned int i = 0; i < MODEL_POOLS_MAX; i++) {
		TAILQ_INIT(&p->line[i].waiting);
		p->line[i].pool = (uint16_t)i;
	}
	return p;

fail:
	places_destroy(p);
	errno = ENOMEM;
	return NULL;
}

static int join(struct places *p, unsigned int id, struct places **all, unsigned int n)
{
	p->id = id;
	p->n = n;
	p->others = calloc(n, sizeof(struct place_shared *));
	p->in = calloc(n, sizeof(*p->in));
	p->out = calloc(n, sizeof(*p->out));
	p->later = calloc(n, sizeof(*p->later));
	if (!p->others || !p->in || !p->out || !p->later)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		p->others[i] = all[i]->shared;
		STAILQ_INIT(&p->later[i]);
	}
	return 0;
}

int places_join(struct places **all, unsigned int n)
{
	char name[RTE_RING_NAMESIZE];

	for (unsigned int i = 0; i < n; i++)
		if (join(all[i], i, all, n) < 0)
			return -ENOMEM;
	for (unsigned int from = 0; from < n; from++) {
		for (unsigned int to = 0; to < n; to++) {
			if (from == to)
				continue;
			snprintf(name, sizeof(name), "place_%hu_%hu", (unsigned short)from,
				(unsigned short)to);
			all[from]->out[to] = all[to]->in[from] = rte_ring_create(
				name, RING_DEPTH, all[to]->socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
			if (!all[from]->out[to])
				return -ENOMEM;
		}
	}
	return 0;
}

void places_destroy(struct places *p)
{
	if (!p)
		return;
	for (unsigned int to = 0; p->out && to < p->n; to++)
		rte_ring_free(p->out[to]);
	free(p->later);
	free(p->out);
	free(p->in);
	free(p->others);
	rte_free(p->line);
	rte_free(p->shared);
	rte_free(p);
}

void places_use(struct places *p, struct l4 *l4)
{
	p->l4 = l4;
}

void places_stats(const struct places *p, struct places_stats *out)
{
	*out = (struct places_stats){
		.waiting = __atomic_load_n(&p->stats.waiting, __ATOMIC_RELAXED),
		.waited = counter_read(&p->stats.waited),
		.line_full = counter_read(&p->stats.line_full),
		.sent = counter_read(&p->stats.sent),
		.sent_later = counter_read(&p->stats.sent_later),
	};
}

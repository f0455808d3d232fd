/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slots and generations of services, servers and pools, kept from one snapshot to the next.
 *
 *   FREE --take--> USED --not taken in a build that is committed--> RESTING --idle, take--> USED
 *
 * A thing is known by a 64-bit key (a hash of what makes it the same thing). A build works on a
 * copy, so that a build that fails changes nothing. The lowest slot that can be had is given out; a
 * slot that loses its owner in a build is not given out in that same build.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/invariant.h"
#include "model_priv.h"

enum slot_state { FREE, USED, RESTING };

struct slot {
	uint64_t key;
	uint16_t gen; /* of the present owner, or of the last one */
	uint8_t state;
	bool taken; /* in this build */
};

struct slot_space {
	unsigned int max;
	struct slot *slot; /* [max]; the first is never used */
};

struct model_slots {
	struct slot_space space[SLOT_KINDS];
};

struct slot_plan {
	struct model_slots *slots;
	struct model_slots *next;
	const struct model_idle *idle;
	struct {
		unsigned int mask;
		uint16_t *bucket;  /* by key: slots in use, 0: none */
		unsigned int scan; /* no slot below it can be had */
	} find[SLOT_KINDS];
};

static const unsigned int space_max[SLOT_KINDS] = {
	[SLOT_SERVICE] = MODEL_SERVICES_MAX,
	[SLOT_SERVER] = MODEL_SERVERS_MAX,
	[SLOT_POOL] = MODEL_POOLS_MAX,
};

struct model_slots *model_slots_create(void)
{
	struct model_slots *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	for (int k = 0; k < SLOT_KINDS; k++) {
		s->space[k].max = space_max[k];
		s->space[k].slot = calloc(space_max[k], sizeof(struct slot));
		if (!s->space[k].slot) {
			model_slots_destroy(s);
			errno = ENOMEM;
			return NULL;
		}
	}
	return s;
}

void model_slots_destroy(struct model_slots *s)
{
	if (!s)
		return;
	for (int k = 0; k < SLOT_KINDS; k++)
		free(s->space[k].slot);
	free(s);
}

static void find_insert(struct slot_plan *p, enum slot_kind kind, uint16_t slot)
{
	unsigned int mask = p->find[kind].mask;
	unsigned int i = (unsigned int)p->next->space[kind].slot[slot].key & mask;

	while (p->find[kind].bucket[i])
		i = (i + 1) & mask;
	p->find[kind].bucket[i] = slot;
}

static uint16_t find_key(const struct slot_plan *p, enum slot_kind kind, uint64_t key)
{
	unsigned int mask = p->find[kind].mask;
	uint16_t slot;

	for (unsigned int i = (unsigned int)key & mask; (slot = p->find[kind].bucket[i]) != 0;
		i = (i + 1) & mask)
		if (p->next->space[kind].slot[slot].key == key)
			return slot;
	return 0;
}

static void plan_free(struct slot_plan *p)
{
	for (int k = 0; k < SLOT_KINDS; k++)
		free(p->find[k].bucket);
	model_slots_destroy(p->next);
	free(p);
}

struct slot_plan *slots_begin(struct model_slots *s, const struct model_idle *idle)
{
	struct slot_plan *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->slots = s;
	p->idle = idle;
	p->next = model_slots_create();
	if (!p->next)
		goto fail;
	for (int k = 0; k < SLOT_KINDS; k++) {
		struct slot *slot = p->next->space[k].slot;
		unsigned int max = s->space[k].max;

		memcpy(slot, s->space[k].slot, max * sizeof(*slot));
		p->find[k].mask = 2 * max - 1; /* max is a power of two */
		p->find[k].scan = 1;
		p->find[k].bucket = calloc(2 * (size_t)max, sizeof(uint16_t));
		if (!p->find[k].bucket)
			goto fail;
		for (unsigned int i = 1; i < max; i++)
			if (slot[i].state == USED)
				find_insert(p, (enum slot_kind)k, (uint16_t)i);
	}
	return p;

fail:
	plan_free(p);
	errno = ENOMEM;
	return NULL;
}

void slots_abort(struct slot_plan *p)
{
	plan_free(p);
}

void slots_commit(struct slot_plan *p)
{
	for (int k = 0; k < SLOT_KINDS; k++) {
		struct slot *slot = p->next->space[k].slot;

		for (unsigned int i = 1; i < space_max[k]; i++) {
			if (slot[i].state == USED && !slot[i].taken)
				slot[i].state = RESTING;
			slot[i].taken = false;
		}
	}

	struct model_slots was = *p->slots;
	*p->slots = *p->next;
	*p->next = was;
	plan_free(p);
}

static bool slot_idle(const struct slot_plan *p, enum slot_kind kind, uint16_t slot)
{
	if (!p->idle || kind == SLOT_POOL) /* no flow names a pool */
		return true;
	return kind == SLOT_SERVICE ? p->idle->service(p->idle->arg, slot)
				    : p->idle->server(p->idle->arg, slot);
}

static uint16_t next_gen(uint16_t gen)
{
	return gen == UINT16_MAX ? 1 : (uint16_t)(gen + 1); /* 0 means "nothing there" */
}

uint16_t slots_take(struct slot_plan *p, enum slot_kind kind, uint64_t key, uint16_t *gen)
{
	struct slot *slot = p->next->space[kind].slot;
	uint16_t i = find_key(p, kind, key);

	if (i) {
		if (slot[i].taken)
			return 0;
		slot[i].taken = true;
		*gen = slot[i].gen;
		return i;
	}
	for (unsigned int *scan = &p->find[kind].scan; *scan < space_max[kind]; (*scan)++) {
		i = (uint16_t)*scan;
		if (slot[i].state == USED || (slot[i].state == RESTING && !slot_idle(p, kind, i)))
			continue;
		slot[i] = (struct slot){
			.key = key, .gen = next_gen(slot[i].gen), .state = USED, .taken = true
		};
		find_insert(p, kind, i);
		*gen = slot[i].gen;
		return i;
	}
	return 0;
}

uint16_t slots_renew(struct slot_plan *p, enum slot_kind kind, uint16_t slot)
{
	struct slot *s = &p->next->space[kind].slot[slot];

	x_assert(s->state == USED && s->taken);
	s->gen = next_gen(s->gen);
	return s->gen;
}

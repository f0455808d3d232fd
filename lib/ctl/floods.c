/* SPDX-License-Identifier: BSD-3-Clause */
/* See floods.h. */
#include "floods.h"

#include <stdlib.h>

#include "base/log.h"
#include "tally.h"

#define LOOK_MS 1000

/* A service that was seen using cookies. */
struct flood {
	uint16_t gen; /* of the service; 0: none was */
	uint64_t since, sent, accepted;
};

struct floods {
	uint64_t next; /* ms: when to look */
	struct flood of[MODEL_SERVICES_MAX];
};

struct floods *floods_create(void)
{
	return calloc(1, sizeof(struct floods));
}

void floods_destroy(struct floods *f)
{
	free(f);
}

static void begins(
	struct flood *f, const struct service *s, const struct synproxy_traffic *t, uint64_t now)
{
	*f = (struct flood){ s->gen, now, t->sent, t->accepted };
	log_warn("service %s: SYN cookies on, for more than %u SYNs a second", s->name,
		s->syn_proxy.rate);
}

static void ends(
	struct flood *f, const struct service *s, const struct synproxy_traffic *t, uint64_t now)
{
	log_info("service %s: SYN cookies off after %llu s: %llu sent, %llu accepted", s->name,
		(unsigned long long)((now - f->since) / 1000),
		(unsigned long long)(t->sent - f->sent),
		(unsigned long long)(t->accepted - f->accepted));
	f->gen = 0;
}

static void look_at(struct flood *f, const struct config_target *t, uint16_t slot, uint64_t now)
{
	const struct service *s = config_model(t)->service[slot];
	struct synproxy_traffic traffic;

	if (!s || s->syn_proxy.mode != SYN_PROXY_AUTO || (f->gen && f->gen != s->gen))
		f->gen = 0;
	if (!s || s->syn_proxy.mode != SYN_PROXY_AUTO)
		return;
	traffic = tally_synproxy(t, slot);
	if (traffic.on && !f->gen)
		begins(f, s, &traffic, now);
	else if (!traffic.on && f->gen)
		ends(f, s, &traffic, now);
}

void floods_look(struct floods *f, const struct config_target *t, uint64_t now)
{
	if (now < f->next)
		return;
	f->next = now + LOOK_MS;
	for (unsigned int i = 1; i < MODEL_SERVICES_MAX; i++)
		look_at(&f->of[i], t, (uint16_t)i, now);
}

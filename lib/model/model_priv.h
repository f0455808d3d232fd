/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of this folder share. */
#ifndef MODEL_MODEL_PRIV_H
#define MODEL_MODEL_PRIV_H

#include "model.h"

/* ---- model.c: what is known while a snapshot is built --------------------------------------- */

struct name {
	const char *name;
	unsigned int i; /* in the configuration */
};

struct names {
	struct name *list; /* sorted */
	unsigned int n;
	bool incomplete; /* some had none */
};

struct slot_plan;

struct build {
	const struct model_conf *conf;
	const struct model *previous;
	const struct model_sched *sched;
	struct faults *faults;
	struct slot_plan *slots;
	struct names pools;
	struct model *m;
	unsigned int *service_pool; /* by service in the configuration: its pool there */
	int *backup;                /* by pool in the configuration: its backup there, or -1 */
	bool *want_maglev;          /* by pool in the configuration */
	uint16_t *pool_slot;        /* the same */
};

/* ---- objects.c: pools and services ---------------------------------------------------------- */

/* What a name stands for on every balancer, and after a restart. */
uint64_t model_id(const void *data, size_t len);

/* Into b->m. 0, -EINVAL with a fault, or another -errno. */
int pools_build(struct build *b);
/* Likewise, after the pools. */
int services_build(struct build *b);

/* One reference less; NULL is nothing. */
void pool_unref(const struct pool *shared, const struct model_sched *sched);
void service_unref(const struct service *shared, const struct model_sched *sched);

/* ---- slots.c: which slot and generation a thing has ----------------------------------------- */

enum slot_kind { SLOT_SERVICE, SLOT_SERVER, SLOT_POOL, SLOT_KINDS };

/*
 * Slots as they will be if the build succeeds: begin, take for everything that is configured, then
 * commit (what was not taken rests from now on) or abort (nothing has changed).
 */
struct slot_plan *slots_begin(struct model_slots *s, const struct model_idle *idle);
void slots_commit(struct slot_plan *p);
void slots_abort(struct slot_plan *p);

/* The slot of the thing that key stands for: the one it has, else a free one with the next
 * generation. 0: none is free, or the key was taken already in this build. */
uint16_t slots_take(struct slot_plan *p, enum slot_kind kind, uint64_t key, uint16_t *gen);

/* The next generation of a slot that was taken: its contents are others. */
uint16_t slots_renew(struct slot_plan *p, enum slot_kind kind, uint16_t slot);

/* ---- gateway_rules.c ------------------------------------------------------------------------ */

/* Adds a fault, at "gateway....", for what the gateway cannot do beside the ports and services. */
void gateway_check(const struct model_conf *conf, struct faults *faults);

/* ---- chain.c -------------------------------------------------------------------------------- */

/* Adds a fault for every circle of backups. backup: by pool, -1 where it has none. */
void chain_check(const struct model_conf *conf, const int *backup, struct faults *faults);

/* Fills by_addr. 0, or -1 without memory. */
int chain_index(struct pool *p);

/* ---- index.c -------------------------------------------------------------------------------- */

/* Adds a fault for every address and port that two services claim. 0, or -ENOMEM. */
int index_check(const struct model_conf *conf, struct faults *faults);

/* The index of the services of m; NULL with errno. */
struct service_index *index_build(const struct model *m);
void index_free(struct service_index *x);

/* ---- access.c ------------------------------------------------------------------------------- */

/* Adds a fault for every prefix that a list has twice. 0, or -ENOMEM. */
int access_check(const struct model_conf *conf, struct faults *faults);

/* The list as configured, one reference more: former where it says the same, which may be NULL.
 * Puts NULL where everybody may. 0 or -errno. */
int access_settle(const struct access_conf *conf, const struct access *former,
	const struct model_sched *sched, const struct access **out);
void access_unref(const struct access *shared, const struct model_sched *sched);

/* scope: whose count. */
struct source_rate source_rate_of(const struct source_rate_conf *conf, uint64_t scope);
bool source_rate_equal(const struct source_rate *a, const struct source_rate *b);

/* ---- by_address.c --------------------------------------------------------------------------- */

/* Makes m->by_address of m->server. 0, or -ENOMEM. */
int by_address_build(struct model *m);

#endif

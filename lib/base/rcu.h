/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quiescent states (rte_rcu_qsbr), named for what we do with them.
 *
 * Workers are the readers: they report once a poll with rcu_quiescent() and go offline before they
 * sleep. The control core is the only writer: it unpublishes something, hands it to rcu_retire(),
 * and calls rcu_reclaim() from its event loop; the destructor runs when every online worker has
 * passed a quiescent state. Nothing ever waits.
 */
#ifndef BASE_RCU_H
#define BASE_RCU_H

#include <stdint.h>

struct rcu;
struct rcu_retired;
struct rte_rcu_qsbr;

/* readers: how many threads may register, ids 0 .. readers-1. NULL with errno. */
struct rcu *rcu_create(unsigned int readers);
/* Runs every destructor still waiting; no reader may be online. */
void rcu_destroy(struct rcu *r);

/* The variable itself, for rte_rcu_qsbr_quiescent() on the packet path and for DPDK libraries that
 * take one. */
struct rte_rcu_qsbr *rcu_qsbr(struct rcu *r);

/* Reader side. */
void rcu_online(struct rcu *r, unsigned int reader);
void rcu_offline(struct rcu *r, unsigned int reader);
void rcu_quiescent(struct rcu *r, unsigned int reader);

/* Calls destroy(arg) once no reader can hold what was reachable before. 0, or -ENOMEM, and then
 * nothing was queued: the caller keeps it. */
int rcu_retire(struct rcu *r, void (*destroy)(void *arg), void *arg);

/* The same in two steps, for what must not fail half-way: memory first (NULL with errno), then,
 * after the thing was unpublished, the rest. What was prepared is committed or freed with free().
 */
struct rcu_retired *rcu_prepare(void);
void rcu_commit(struct rcu *r, struct rcu_retired *prepared, void (*destroy)(void *arg), void *arg);

/* Runs the destructors whose time has come; returns how many still wait. */
unsigned int rcu_reclaim(struct rcu *r);

#endif

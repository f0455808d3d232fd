/* SPDX-License-Identifier: BSD-3-Clause */
/* The neighbour table's insides, shared by neigh.c (the table, time) and neigh_input.c (messages).
 */
#ifndef NET_NEIGH_PRIV_H
#define NET_NEIGH_PRIV_H

#include "base/wheel.h"
#include "net_priv.h"

#define CONFLICTS 16 /* remembered, so that each is logged once */

/* What only the control core knows of a neighbour. */
struct neigh_entry {
	struct neigh_table *table;
	struct wheel_node timer;
	uint32_t born;      /* ms: when the slot was taken */
	uint32_t confirmed; /* of the last answer */
	uint32_t asked;     /* of the last question, or when it was given up */
	uint8_t tries;      /* questions since the last answer */
	uint8_t backoff;
	bool live;
	bool answered;  /* ever */
	bool unretired; /* forgotten, but the list of the retired had no memory */
};

struct announcement {
	uint8_t left; /* rounds */
	bool waiting; /* for at_ms */
	uint32_t at_ms;
	unsigned int cursor;
};

struct conflict {
	struct addr addr;
	struct rte_ether_addr mac;
	uint32_t defended;
	bool used;
};

struct neigh_table {
	struct neigh_shared shared; /* first: see neigh_shared() */
	struct neigh_conf conf;
	struct rcu *rcu;
	struct neigh_entry *entry; /* [max] */
	struct wheel wheel;
	uint32_t now;
	bool started;
	unsigned int live, retiring, unretired;
	uint32_t horizon; /* unused for longer: makes room when the table is full */
	struct announcement announcement[NET_PORTS_MAX];
	struct conflict conflict[CONFLICTS];
	unsigned int next_conflict;
	struct {
		uint8_t nic;
		uint16_t vlan;
	} seen[NET_PORTS_MAX]; /* ports as of the table seen last */
	unsigned int n_seen;
};

/* neigh.c */

/* The time is control->now_ms or later; prepares the first use. */
void neigh_clock(struct neigh_table *n, const struct net_worker *control, uint32_t now_ms);

/* A new entry without state, or ADJ_NONE when there is no room. */
uint16_t neigh_add(struct neigh_table *n, uint8_t port, const struct addr *a);

enum adj_state neigh_state(const struct neigh_table *n, uint16_t i);
struct rte_ether_addr neigh_mac(const struct neigh_table *n, uint16_t i);
void neigh_set(
	struct neigh_table *n, uint16_t i, const struct rte_ether_addr *mac, enum adj_state state);
void neigh_arm(struct neigh_table *n, uint16_t i, uint32_t in_ms);

/* The neighbour's MAC is known now: from an answer of its own or from what it told unasked. */
void neigh_settle_mac(
	struct neigh_table *n, uint16_t i, const struct rte_ether_addr *mac, bool answered);

/* Whether an address can be a neighbour's on this port. */
bool neigh_plausible(const struct net_table *t, const struct port *p, const struct addr *a);

/* neigh_input.c */

/* Sends what is due of a port's announcements, at most *budget frames, and takes them off it. */
void neigh_announce_port(
	struct neigh_table *n, struct net_worker *control, uint8_t id, unsigned int *budget);

#endif

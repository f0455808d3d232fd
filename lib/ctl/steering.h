/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chooses at start how packets reach their worker (flow/steer.h), by what the configuration asks
 * for, what its services need and what all nics can do; and tells of what turns out otherwise.
 *
 * Order: steering_plan() before the nics are opened, each with plan.hash, steering_settle() after,
 * steering_use() when there are workers; then steering_changed() after each reload, and
 * steering_look() now and then.
 */
#ifndef CTL_STEERING_H
#define CTL_STEERING_H

#include "ctl/config.h"

struct steering {
	enum steer_way way;
	uint8_t hash[NIC_MAX];   /* by device: enum nic_hash to open it with */
	char why[256];           /* what keeps nics from steering; "" */
	bool told_changed;       /* that the configuration is no longer what split steering wants */
	bool told_lies[NIC_MAX]; /* that a nic's hash is wrong */
};

/* 0, or -EINVAL with a fault: "nic" is asked for and impossible. After eal_start(). */
int steering_plan(struct steering *s, const struct config *c,
	const struct nic_profile *const *profiles, struct faults *faults);

/* What the nics, now open, made of it. The same. */
int steering_settle(
	struct steering *s, const struct config *c, struct nic *const *nics, struct faults *faults);

void steering_use(const struct steering *s, struct workers *all, struct nic *const *nics,
	unsigned int n_nics);

/* Which nics are toward clients (NIC_HASH_SOURCE) and which toward servers (NIC_HASH_DESTINATION),
 * when NAT alone has answers pass here and its clients and servers are on nics of their own; false
 * otherwise. */
bool steering_sides(const struct config *c, uint8_t *hash);

/* Of a reload: warns of addresses whose flows get other owners by it. With the way tuple that is
 * where NAT comes to an address, or leaves it. */
void steering_warn(const struct steering *s, const struct config *from, const struct config *to,
	struct faults *faults);

void steering_changed(struct steering *s, const struct config *c);
void steering_look(struct steering *s, const struct workers *all, struct nic *const *nics,
	unsigned int n_nics);

/* For "port list": "one worker", "software", "nic", "nic, source", "nic, destination", or "nic,
 * wrong hash", where it is computed after all. */
const char *steering_text(const struct workers *all, const struct nic *nic);

#endif

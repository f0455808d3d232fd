/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's parts in the order they start: each step needs those above it. daemon_stop() undoes
 * what was done, in reverse, from any point.
 */
#ifndef FAIRLEAD_DAEMON_H
#define FAIRLEAD_DAEMON_H

#include "ctl/config.h"
#include "ctl/ctl.h"
#include "ctl/steering.h"
#include "l7/relay.h"

struct options {
	const char *config_path;
	const char *socket_path; /* NULL: the configuration's */
	bool check;
	char **eal_args;
	unsigned int n_eal_args;
	const char *lcores; /* struct eal_plan.lcores */
};

struct daemon {
	struct options options;
	json_t *document;
	struct config *config;
	struct nic_profile **profiles; /* by device */
	bool eal;
	struct rte_mempool **pools;        /* by NUMA node; NULL where nothing is */
	struct rte_mempool **worker_pools; /* n + 1, borrowed from pools */
	struct nic *nics[NIC_MAX];
	struct steering steering;
	struct kernel *kernel;
	struct rcu *rcu;
	struct neigh_table *neigh;
	struct snapshot snapshot;
	struct workers *workers;
	struct model_slots *slots;
	struct admin_state *admin;
	struct connlog *connlog;
	/* What connections to services of mode tcp are for; NULL: they are relayed to servers. */
	struct local_app *local;
	struct local_app relay_app;
	struct relays **relays;         /* by worker */
	struct rte_mempool **tcp_pools; /* by worker */
	bool launched;
	bool control; /* ctl is open */
	struct ctl ctl;
};

/* The file read and judged. 0, or -EINVAL with faults. */
int daemon_configure(struct daemon *d, struct faults *faults);

/* EAL, packet pools, nics, workers, first snapshot, cores, control socket. 0, or -errno with
 * faults. */
int daemon_start(struct daemon *d, struct faults *faults);

void daemon_stop(struct daemon *d);

#endif

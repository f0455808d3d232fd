/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control core: one thread, one event loop (epoll), nothing in it ever blocks. It answers JSON-RPC on the control
 * socket, keeps neighbours and links, serves the workers' punts, and runs config_apply() for whoever asks.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "ctl/config.h"

struct rpc_server;

struct ctl {
	struct config_target target;
	const char *config_path;         /* for "config reload" and "config save"; may be NULL */
	struct link_watch *links;
	struct rpc_server *rpc;
	int epoll;
	int signals;                     /* signalfd: TERM, INT stop; HUP reloads */
	bool stop;
	uint64_t started;                /* CLOCK_MONOTONIC ms */
};

/* c->target is filled by the caller. Opens the socket, with a lock against a second daemon. 0, or -errno with a fault. */
int ctl_open(struct ctl *c, const char *socket_path, struct faults *faults);

/* Runs until SIGTERM, SIGINT or ctl.stop. */
void ctl_run(struct ctl *c);
void ctl_close(struct ctl *c);

/* One turn of the loop, waiting at most timeout_ms for something to happen: for tests. */
void ctl_turn(struct ctl *c, int timeout_ms);

#endif

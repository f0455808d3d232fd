/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control core: one thread, one event loop (epoll), nothing in it ever blocks. It answers
 * JSON-RPC on the control socket, keeps neighbours and links, serves the workers' punts, and runs
 * config_apply() for whoever asks.
 *
 * Order: signals blocked before any thread starts, config_apply() for the first snapshot, workers
 * started, ctl_open(), ctl_run(), workers stopped, ctl_close(), workers_destroy().
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "ctl/alarm.h"
#include "ctl/config.h"

struct ctl;
struct rpc;
struct floods;
struct listener;

/* Something the loop waits for; lives inside its owner, whose function is called with what epoll
 * said. */
struct ctl_source {
	void (*ready)(struct ctl *c, struct ctl_source *s, uint32_t events);
};

struct ctl {
	struct config_target target;
	const char *config_path;  /* for "config reload" and "config save"; may be NULL */
	struct link_watch *links; /* NULL without ports */
	struct rpc *rpc;
	struct floods *floods;
	struct listener *listener;
	int epoll;
	int signals; /* signalfd: TERM, INT stop; HUP reloads */
	struct ctl_source on_signal, on_link;
	struct ctl_source on_kernel[NET_PORTS_MAX]; /* by interface of the kernel's share */
	bool stop;
	bool busy; /* the last turn found work: come back soon */
	uint64_t tsc_hz;
	uint64_t now;     /* ms since the time-stamp counter was 0, as at the start of this turn */
	uint64_t started; /* now at ctl_open() */
	struct alarms alarms;
	uint64_t links_at; /* when links are looked at next */
};

/* The folder of the control socket is there, or is the default's and is made. To be asked before
 * admin_open(), which would make it for a state file beside the socket. 0, or -errno with a
 * fault. */
int ctl_folder_check(const char *path, struct faults *faults);

/* c->target is filled by the caller, with a snapshot in force. Opens the socket, with a lock
 * against a second daemon. 0, or -errno with a fault; then nothing is left open. */
int ctl_open(struct ctl *c, const char *socket_path, struct faults *faults);

/* Runs until SIGTERM, SIGINT or ctl.stop. */
void ctl_run(struct ctl *c);

/* Workers run no more: requests that they have not served are forgotten. */
void ctl_close(struct ctl *c);

/* One turn of the loop, waiting at most timeout_ms for something to happen: for tests. */
void ctl_turn(struct ctl *c, int timeout_ms);

/* (Re)registers fd with the loop for these epoll events; closing fd ends it. 0 or -errno. */
int ctl_watch(struct ctl *c, int fd, uint32_t events, struct ctl_source *s);

#endif

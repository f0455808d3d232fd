/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection log: a line for each connection of a service of mode tcp when it ends. Workers
 * leave records in rings (l7/relay_log.h); the control core takes them once a turn, finds the names
 * that belong to their numbers, and writes.
 *
 * Names are looked up among all that were ever published, not in the snapshot alone: what ends
 * because its service was removed is told with the service's name.
 */
#ifndef CTL_CONNLOG_H
#define CTL_CONNLOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

struct connlog;
struct config_target;

struct connlog_conf {
	const char *path; /* NULL: there is no log */
	bool file;        /* path is a file; else a syslog daemon's socket */
	bool json;
	int facility; /* of syslog */
};

/* Lines written; those that could not be; and records lost because the rings were full. */
struct connlog_stats {
	uint64_t written, failed, lost;
};

/* Without a log. NULL with errno. */
struct connlog *connlog_create(void);
/* Writes what is left. NULL: nothing happens. */
void connlog_destroy(struct connlog *l);

/*
 * A change comes in two steps, so that it is made with all others or not at all: prepare opens what
 * conf names, 0, or -EINVAL with a fault; then commit writes there from now on, or cancel closes it
 * again. Cancel after commit, or without prepare, does nothing.
 */
int connlog_prepare(struct connlog *l, const struct connlog_conf *conf, struct faults *faults);
void connlog_commit(struct connlog *l);
void connlog_cancel(struct connlog *l);

/* Adds a fault where connlog_prepare() would; changes nothing. */
void connlog_check(const struct connlog_conf *conf, struct faults *faults);

/* Once a turn of the loop, after snapshots were published. now_ms: of the workers' clock. Returns
 * how many records there were. */
unsigned int connlog_turn(struct connlog *l, const struct config_target *t, uint64_t now_ms);

/* The file has been renamed: goes on with a new one. */
void connlog_reopen(struct connlog *l);

/* l NULL: none. */
void connlog_stats(
	const struct connlog *l, const struct config_target *t, struct connlog_stats *out);

#endif

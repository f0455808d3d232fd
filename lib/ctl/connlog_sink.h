/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where lines of the connection log go: a file that is appended to, or the socket of a syslog
 * daemon. Neither waits: what a socket does not take now is to be offered again.
 */
#ifndef CTL_CONNLOG_SINK_H
#define CTL_CONNLOG_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "ctl/connlog.h"

struct sink;

/* The one that conf names; NULL with a fault. stats outlive it. */
struct sink *sink_open(
	const struct connlog_conf *conf, struct connlog_stats *stats, struct faults *faults);
/* Writes what is left. NULL: nothing happens. */
void sink_close(struct sink *s);

/* Adds a fault where sink_open() would; makes no file. */
void sink_check(const struct connlog_conf *conf, struct faults *faults);

/* A line without its end, no longer than CONNLOG_LINE. 0: taken, and counted as written or failed
 * at the latest by sink_flush(); -EAGAIN: not now. */
int sink_line(struct sink *s, const char *line, size_t len);
void sink_flush(struct sink *s);

/* Opens the file anew, after the one there was has been renamed. 0, or -errno, and then it goes on
 * with the one it has. */
int sink_reopen(struct sink *s);

/* What it was opened with. */
const struct connlog_conf *sink_conf(const struct sink *s);

#endif

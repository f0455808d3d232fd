/* SPDX-License-Identifier: BSD-3-Clause */
/* A line of the connection log; docs/connection-log.md describes it field by field. */
#ifndef CTL_CONNLOG_FORMAT_H
#define CTL_CONNLOG_FORMAT_H

#include <stddef.h>

#include "l7/relay_log.h"

/* A connection that has ended. */
struct connlog_entry {
	const struct relay_record *record;
	uint64_t began_ms;                   /* since 1970 */
	const char *service, *pool, *server; /* NULL: there is none, or nobody remembers it */
	uint64_t service_active, server_active;
};

/* Longest line, NUL included. */
#define CONNLOG_LINE 1280

/* Writes a line without its end; returns its length, 0 without memory. */
size_t connlog_text(const struct connlog_entry *e, char out[static CONNLOG_LINE]);
size_t connlog_json(const struct connlog_entry *e, char out[static CONNLOG_LINE]);

#endif

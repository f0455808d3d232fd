/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control side's log: one line an event, to standard error, with the syslog priority in
 * front ("<6>") when standard error is the journal (JOURNAL_STREAM is set). Never called on the
 * packet path: count there instead.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <syslog.h>

/* Lines above this level (LOG_ERR .. LOG_DEBUG) are not written. LOG_INFO at start. */
void log_set_level(int level);

void log_write(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif

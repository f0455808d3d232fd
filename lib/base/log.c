/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_LEN 1024

/* Set once at start, before other threads log. The one process-wide setting: a log has no owner. */
static int max_level = LOG_INFO;

void log_set_level(int level)
{
	__atomic_store_n(&max_level, level, __ATOMIC_RELAXED);
}

/* Whether standard error is the journal's stream: systemd.exec(5) says to compare device and
 * inode, since the variable is also inherited by programs whose standard error is another file. */
static bool to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

/* One write() a line, so that lines of several threads do not mix. What a peer sent may be in a
 * message: control characters must not reach a terminal or make a second line. */
void log_write(int level, const char *fmt, ...)
{
	char line[LINE_MAX_LEN];
	size_t start = 0, len, room;
	va_list ap;
	int n;

	if (level > __atomic_load_n(&max_level, __ATOMIC_RELAXED))
		return;
	if (to_journal())
		start = (size_t)snprintf(line, sizeof(line), "<%d>", level);
	room = sizeof(line) - start - 1;
	va_start(ap, fmt);
	n = vsnprintf(line + start, room + 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	len = start + ((size_t)n < room ? (size_t)n : room);
	for (size_t i = start; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	if (len == sizeof(line) - 1)
		len--;
	line[len++] = '\n';
	/* Nobody is left to tell when standard error is gone. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

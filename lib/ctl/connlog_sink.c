/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See connlog_sink.h. syslog(3) is of no use here: it knows one path, and waits where the daemon
 * does not read. What is sent is what it sends: the header of RFC 3164, 4.1, without the host.
 */
#include "connlog_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "connlog_format.h"

#define BUFFER (64 * 1024)
/* "<134>Nov 28 10:43:44 fairlead[4194304]: " */
#define HEADER 64

struct sink {
	struct connlog_conf conf;
	char *path;
	int fd;
	bool failing; /* the log has been told */
	bool torn;    /* file: it ends within a line */
	struct connlog_stats *stats;
	struct sockaddr_un to; /* syslog */
	unsigned int lines;    /* file: in the buffer */
	size_t len;
	char buffer[BUFFER];
};

static void failed(struct sink *s, unsigned int lines, int error)
{
	s->stats->failed += lines;
	if (!s->failing)
		log_error("connection log: %s: %s; lines are lost", s->path, strerror(error));
	s->failing = true;
}

static void written(struct sink *s, unsigned int lines)
{
	s->stats->written += lines;
	if (s->failing)
		log_info("connection log: %s is written to again", s->path);
	s->failing = false;
}

/* ---- file ----------------------------------------------------------------------------------- */

/* Not blocking: somebody may have put a pipe there. */
static int file_open(const char *path)
{
	const int fd =
		open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);

	return fd < 0 ? -errno : fd;
}

/* How much of it; errno where that is not all. */
static size_t file_write(struct sink *s, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		const ssize_t n = write(s->fd, data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		done += (size_t)n;
	}
	return done;
}

static unsigned int lines_in(const char *data, size_t len)
{
	unsigned int n = 0;

	for (size_t i = 0; i < len; i++)
		n += data[i] == '\n';
	return n;
}

static void file_flush(struct sink *s)
{
	unsigned int lines;
	size_t done = 0;
	int error;

	if (s->len == 0)
		return;
	if (s->torn && file_write(s, "\n", 1) == 1)
		s->torn = false;
	if (!s->torn)
		done = file_write(s, s->buffer, s->len);
	error = errno;
	lines = lines_in(s->buffer, done);
	if (done > 0)
		s->torn = s->buffer[done - 1] != '\n';
	if (lines)
		written(s, lines);
	if (lines < s->lines)
		failed(s, s->lines - lines, error);
	s->len = s->lines = 0;
}

static int file_line(struct sink *s, const char *line, size_t len)
{
	if (s->len + len + 1 > sizeof(s->buffer))
		file_flush(s);
	memcpy(s->buffer + s->len, line, len);
	s->len += len;
	s->buffer[s->len++] = '\n';
	s->lines++;
	return 0;
}

static int file_check(const char *path)
{
	char folder[PATH_MAX];
	struct stat st;

	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return -EISDIR;
		return access(path, W_OK) < 0 ? -errno : 0;
	}
	if (errno != ENOENT)
		return -errno;
	snprintf(folder, sizeof(folder), "%s", path);
	return access(dirname(folder), W_OK | X_OK) < 0 ? -errno : 0;
}

/* ---- syslog --------------------------------------------------------------------------------- */

static int address_of(const char *path, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(out->sun_path))
		return -ENAMETOOLONG;
	strcpy(out->sun_path, path);
	return 0;
}

static int socket_open(void)
{
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* Whether somebody listens, by a socket of its own: what is not connected goes on when the daemon
 * has been started anew. */
static int syslog_check(const char *path)
{
	struct sockaddr_un to;
	int rc = address_of(path, &to), fd;

	if (rc)
		return rc;
	fd = socket_open();
	if (fd < 0)
		return fd;
	rc = connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int syslog_line(struct sink *s, const char *line, size_t len)
{
	char data[HEADER + CONNLOG_LINE], date[24];
	const time_t now = time(NULL);
	struct tm tm;
	int n;

	localtime_r(&now, &tm);
	strftime(date, sizeof(date), "%b %e %H:%M:%S", &tm);
	n = snprintf(data, sizeof(data), "<%d>%s fairlead[%d]: %.*s", s->conf.facility | LOG_INFO,
		date, (int)getpid(), (int)len, line);
	if (sendto(s->fd, data, (size_t)n, MSG_NOSIGNAL, (const struct sockaddr *)&s->to,
		    sizeof(s->to)) >= 0)
		written(s, 1);
	else if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)
		return -EAGAIN;
	else
		failed(s, 1, errno);
	return 0;
}

/* ---- either --------------------------------------------------------------------------------- */

static void fault_path(const struct connlog_conf *conf, int error, struct faults *faults)
{
	if (conf->file)
		fault_add(faults, "connection-log.file",
			"%s cannot be written: %s; make its folder writable, or name another file",
			conf->path, strerror(error));
	else
		fault_add(faults, "connection-log.syslog",
			"%s cannot be sent to: %s; needed is the datagram socket of a syslog "
			"daemon that runs",
			conf->path, strerror(error));
}

void sink_check(const struct connlog_conf *conf, struct faults *faults)
{
	const int rc = conf->file ? file_check(conf->path) : syslog_check(conf->path);

	if (rc < 0)
		fault_path(conf, -rc, faults);
}

struct sink *sink_open(
	const struct connlog_conf *conf, struct connlog_stats *stats, struct faults *faults)
{
	struct sink *s = calloc(1, sizeof(*s));
	char *path = strdup(conf->path);
	int rc = s && path ? 0 : -ENOMEM;

	if (rc == 0 && !conf->file)
		rc = syslog_check(path);
	if (rc == 0)
		rc = conf->file ? file_open(path) : socket_open();
	if (rc < 0) {
		fault_path(conf, -rc, faults);
		free(path);
		free(s);
		return NULL;
	}
	s->fd = rc;
	s->conf = *conf;
	s->conf.path = s->path = path;
	s->stats = stats;
	if (!conf->file)
		address_of(path, &s->to);
	return s;
}

void sink_close(struct sink *s)
{
	if (!s)
		return;
	sink_flush(s);
	close(s->fd);
	free(s->path);
	free(s);
}

int sink_line(struct sink *s, const char *line, size_t len)
{
	return s->conf.file ? file_line(s, line, len) : syslog_line(s, line, len);
}

void sink_flush(struct sink *s)
{
	if (s->conf.file)
		file_flush(s);
}

int sink_reopen(struct sink *s)
{
	int fd;

	if (!s->conf.file)
		return 0;
	sink_flush(s);
	fd = file_open(s->path);
	if (fd < 0)
		return fd;
	close(s->fd);
	s->fd = fd;
	s->torn = false;
	return 0;
}

const struct connlog_conf *sink_conf(const struct sink *s)
{
	return &s->conf;
}

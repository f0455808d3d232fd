/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket: connecting, one call, and where else a daemon might be. */
#include "ctl.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_S 60

/* A connected socket or -errno. */
static int try_connect(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = TIMEOUT_S };
	int fd, rc;

	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	return fd;
}

/* Says which daemons answer beside the path that was asked, from the locks in its folder. Returns
 * how many. */
static unsigned int look_in(const char *folder, size_t len, const char *asked)
{
	unsigned int n = 0;
	char pattern[512];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%.*s/*.lock", (int)len, folder);
	if (glob(pattern, 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *path = found.gl_pathv[i];
		struct ucred peer = { 0 };
		socklen_t size = sizeof(peer);
		int fd;

		path[strlen(path) - strlen(".lock")] = '\0';
		fd = strcmp(path, asked) == 0 ? -1 : try_connect(path);
		if (fd < 0)
			continue;
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
		fprintf(stderr, "  one runs (pid %d) at %s: say --socket %s\n", (int)peer.pid, path,
			path);
		close(fd);
		n++;
	}
	globfree(&found);
	return n;
}

static void say_where(const char *asked)
{
	const char *usual = "/run/fairlead", *slash = strrchr(asked, '/');
	size_t len = slash ? (size_t)(slash - asked) : 0;
	unsigned int n = look_in(usual, strlen(usual), asked);

	if (slash && (len != strlen(usual) || strncmp(asked, usual, len) != 0))
		n += look_in(asked, len, asked);
	if (n == 0)
		fprintf(stderr,
			"  none was found elsewhere; start one with: fairlead --config FILE\n");
}

int client_connect(const char *path, bool quiet)
{
	int fd = try_connect(path);

	if (fd >= 0 || quiet)
		return fd < 0 ? -1 : fd;
	if (fd == -EACCES) {
		fprintf(stderr,
			"fairleadctl: you may not use %s; ask as root or as a member of its "
			"group\n",
			path);
		return -1;
	}
	fprintf(stderr, "fairleadctl: no daemon at %s (%s)\n", path, strerror(-fd));
	say_where(path);
	return -1;
}

static int send_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static json_t *line_parse(const char *text, size_t len)
{
	json_error_t error;
	json_t *response = json_loadb(text, len, 0, &error);

	if (!response)
		fprintf(stderr, "fairleadctl: the answer is not JSON: %s\n", error.text);
	return response;
}

/* One line from the daemon, parsed. */
static json_t *receive(int fd)
{
	size_t size = 65536, len = 0;
	char *text = malloc(size);
	json_t *response = NULL;

	while (text) {
		ssize_t n = recv(fd, text + len, size - len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fprintf(stderr, "fairleadctl: %s\n",
				n == 0            ? "the daemon closed the connection"
				: errno == EAGAIN ? "no answer within 60 s"
						  : strerror(errno));
			break;
		}
		len += (size_t)n;
		if (text[len - 1] == '\n') {
			response = line_parse(text, len);
			break;
		}
		if (len == size) {
			char *more = realloc(text, size *= 2);

			if (!more)
				break;
			text = more;
		}
	}
	free(text);
	return response;
}

json_t *client_call(int fd, const char *method, const json_t *params, int id)
{
	json_t *request = json_pack("{s:s, s:i, s:s, s:O}", "jsonrpc", "2.0", "id", id, "method",
		method, "params", params);
	char *text = json_dumps(request, JSON_COMPACT);
	int rc = text ? send_all(fd, text, strlen(text)) : -ENOMEM;

	if (rc == 0)
		rc = send_all(fd, "\n", 1);
	json_decref(request);
	free(text);
	/* Who was refused a connection finds out why by reading. */
	if (rc < 0 && rc != -EPIPE) {
		fprintf(stderr, "fairleadctl: cannot send: %s\n", strerror(-rc));
		return NULL;
	}
	return receive(fd);
}

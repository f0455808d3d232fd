/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing a configuration file: a temporary file beside it, fsync, rename, fsync of the folder. */
#include "save.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* The new file gets the mode and owner of the one it replaces. */
static int write_like(int fd, const char *like, const char *text)
{
	struct stat st;
	int rc;

	if (stat(like, &st) == 0) {
		if (fchmod(fd, st.st_mode & 07777) < 0)
			return -errno;
		/* Without the right to give files away it stays ours. */
		if (fchown(fd, st.st_uid, st.st_gid) < 0 && errno != EPERM)
			return -errno;
	}
	rc = write_all(fd, text, strlen(text));
	if (rc == 0)
		rc = write_all(fd, "\n", 1);
	return rc == 0 && fsync(fd) < 0 ? -errno : rc;
}

/* Makes the rename last. */
static void folder_sync(const char *path)
{
	char *copy = strdup(path);
	int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(copy);
}

static int replace(const char *path, const char *text)
{
	char *temporary;
	int fd, rc;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		free(temporary);
		return rc;
	}
	rc = write_like(fd, path, text);
	close(fd);
	if (rc == 0 && rename(temporary, path) < 0)
		rc = -errno;
	if (rc < 0)
		unlink(temporary);
	else
		folder_sync(path);
	free(temporary);
	return rc;
}

int save_document(const char *path, const json_t *doc)
{
	char *text = json_dumps(doc, JSON_INDENT(2)), *target = realpath(path, NULL);
	int rc = text ? replace(target ? target : path, text) : -ENOMEM;

	free(target);
	free(text);
	return rc;
}

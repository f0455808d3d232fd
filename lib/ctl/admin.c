/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Administrative state of servers, by pool and name. Only what is not "enabled" is kept, so it is
 * small and a list will do. The file is one JSON object, { "servers": { "POOL/SERVER": "drain", ...
 * } }, replaced whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

struct admin_state {
	json_t *servers; /* object: "pool/server" -> "drain" or "disabled" */
	char *path;      /* file, or NULL */
	bool dirty;      /* to be saved */
	bool unsaved;    /* the last attempt failed; what is set next is a new one */
};

struct admin_state *admin_create(void)
{
	struct admin_state *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->servers = json_object();
	if (a->servers)
		return a;
	free(a);
	return NULL;
}

void admin_destroy(struct admin_state *a)
{
	if (!a)
		return;
	json_decref(a->servers);
	free(a->path);
	free(a);
}

static int admin_parse(const char *text, enum admin *out)
{
	for (int i = ADMIN_ENABLED; text && i <= ADMIN_DISABLED; i++)
		if (!strcmp(text, admin_name((enum admin)i))) {
			*out = (enum admin)i;
			return 0;
		}
	return -EINVAL;
}

static void server_path(const char *pool, const char *server, char out[static 2 * MODEL_NAME_MAX])
{
	snprintf(out, 2 * MODEL_NAME_MAX, "%s/%s", pool, server);
}

enum admin admin_get(const struct admin_state *a, const char *pool, const char *server)
{
	char name[2 * MODEL_NAME_MAX];
	enum admin state = ADMIN_ENABLED;

	server_path(pool, server, name);
	admin_parse(json_string_value(json_object_get(a->servers, name)), &state);
	return state;
}

int admin_set(struct admin_state *a, const char *pool, const char *server, enum admin state)
{
	char name[2 * MODEL_NAME_MAX];

	a->dirty |= a->unsaved;
	if (admin_get(a, pool, server) == state)
		return 0;
	server_path(pool, server, name);
	if (state == ADMIN_ENABLED)
		json_object_del(a->servers, name);
	else if (json_object_set_new(a->servers, name, json_string(admin_name(state))))
		return -ENOMEM;
	a->dirty = true;
	return 0;
}

int admin_path(const char *state, const char *folders, const char *socket, char *out, size_t size)
{
	size_t first = folders ? strcspn(folders, ":") : 0;
	int n;

	if (state)
		n = snprintf(out, size, "%s", state);
	else if (first > 0)
		n = snprintf(out, size, "%.*s/state", (int)first, folders);
	else
		n = snprintf(out, size, "%s.state", socket);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* Files can be made beside the path. The last folder is made if need be, as the socket's is. */
static int folder_check(const char *path, struct faults *faults)
{
	char copy[PATH_MAX];
	const char *folder;
	struct stat st;
	int rc = 0;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy)) {
		fault_add(faults, "state", "%.64s...: longer than a path may be", path);
		return -ENAMETOOLONG;
	}
	folder = dirname(copy);
	if (access(folder, F_OK) < 0 && mkdir(folder, 0755) < 0)
		rc = -errno;
	else if (stat(folder, &st) == 0 && !S_ISDIR(st.st_mode))
		rc = -ENOTDIR;
	else if (access(folder, W_OK | X_OK) < 0)
		rc = -errno;
	if (rc)
		fault_add(faults, "state",
			"%s cannot be written: folder %s: %s; make that folder writable, or name "
			"another file",
			path, folder, strerror(-rc));
	return rc;
}

int admin_open(struct admin_state *a, const char *path, struct faults *faults)
{
	int rc = folder_check(path, faults);
	json_error_t err;
	json_t *doc, *servers, *value;
	const char *name;
	enum admin state;

	if (rc)
		return rc;
	if (access(path, F_OK) == 0) {
		doc = json_load_file(path, JSON_REJECT_DUPLICATES, &err);
		servers = json_object_get(doc, "servers");
		if (!json_is_object(servers)) {
			fault_add(faults, "state", "%s is no state file of ours (%s); move it away",
				path, doc ? "\"servers\" is missing" : err.text);
			json_decref(doc);
			return -EINVAL;
		}
		json_object_foreach (servers, name, value)
			if (!admin_parse(json_string_value(value), &state) &&
				state != ADMIN_ENABLED)
				json_object_set(a->servers, name, value);
		json_decref(doc);
	}
	free(a->path);
	a->path = strdup(path);
	return a->path ? 0 : -ENOMEM;
}

/* Written beside and renamed, so that a crash leaves the old or the new file. */
static int write_file(const json_t *doc, const char *path)
{
	char beside[4096];
	int fd, rc = 0;

	if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	if (json_dumpfd(doc, fd, JSON_INDENT(2) | JSON_SORT_KEYS))
		rc = -EIO;
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && rename(beside, path))
		rc = -errno;
	if (rc)
		unlink(beside);
	return rc;
}

int admin_save(struct admin_state *a)
{
	json_t *doc;
	int rc;

	if (!a->dirty || !a->path)
		return 0;
	doc = json_pack("{s:O}", "servers", a->servers);
	rc = doc ? write_file(doc, a->path) : -ENOMEM;
	json_decref(doc);
	a->dirty = false; /* not tried again before something is set */
	a->unsaved = rc != 0;
	return rc;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket and its connections. A connection reads into one buffer of a line's greatest
 * length and hands each whole line to rpc_input(); answers are sent at once as far as the kernel
 * takes them, and the rest waits in `out`. While something waits, nothing more is read: who does
 * not read answers cannot ask.
 *
 * A connection that ends is only marked and freed in listener_poll(), for epoll may have more
 * events of it in hand.
 */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "rpc.h"

#define READ_SIZE 16384

struct connection {
	struct ctl_source source; /* first */
	struct listener *listener;
	struct rpc *rpc;
	struct ctl *c;
	struct connection *next;
	int fd;
	bool dead;
	bool closing;     /* the client has sent its last: ends when it is answered */
	bool skipping;    /* in the rest of a line that is too long */
	uint32_t watched; /* epoll events asked for */
	uint64_t moved; /* ms: when a line was last handled or a byte sent, or nothing was to do */
	char *in;       /* the beginning of a line */
	size_t n_in, in_size;
	char *out; /* bytes out_at .. n_out wait to be sent */
	size_t n_out, out_at, out_size;
};

struct listener {
	struct ctl_source source; /* first */
	struct listener_conf conf;
	char *path;
	int fd, lock;
	unsigned int n;
	struct connection *connections;
};

unsigned int listener_connections(const struct listener *l)
{
	return l->n;
}

/* ---- sending ------------------------------------------------------------------------------ */

static void connection_end(struct connection *k, const char *why)
{
	if (k->dead)
		return;
	if (why)
		log_warn("control socket: client cut off: %s", why);
	k->dead = true;
	/* What is deferred for it must not be sent to whoever gets its memory next. */
	rpc_forget(k->rpc, k);
}

/* Room for more bytes after n of a buffer; doubles. */
static bool room(char **buf, size_t *size, size_t n, size_t more)
{
	size_t want = *size ? *size : 4096;
	char *grown;

	if (n + more <= *size)
		return true;
	while (want < n + more)
		want *= 2;
	grown = realloc(*buf, want);
	if (!grown)
		return false;
	*buf = grown;
	*size = want;
	return true;
}

static void connection_flush(struct connection *k)
{
	while (!k->dead && k->out_at < k->n_out) {
		ssize_t n = send(k->fd, k->out + k->out_at, k->n_out - k->out_at,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				connection_end(k, NULL);
			return;
		}
		k->out_at += (size_t)n;
		k->moved = k->c->now;
	}
	free(k->out);
	k->out = NULL;
	k->n_out = k->out_at = k->out_size = 0;
}

/* For rpc_input(). */
static void connection_out(void *arg, const char *text, size_t len)
{
	struct connection *k = arg;

	if (k->dead)
		return;
	if (k->n_out - k->out_at + len > k->listener->conf.max_output) {
		connection_end(k, "it does not read its answers");
		return;
	}
	if (!room(&k->out, &k->out_size, k->n_out, len)) {
		connection_end(k, "out of memory");
		return;
	}
	memcpy(k->out + k->n_out, text, len);
	k->n_out += len;
}

/* ---- receiving ---------------------------------------------------------------------------- */

static void connection_complain(struct connection *k, int code, const char *text)
{
	char *line = rpc_complaint(code, text);

	if (line)
		connection_out(k, line, strlen(line));
	free(line);
}

static void connection_too_long(struct connection *k)
{
	char text[96];

	snprintf(text, sizeof(text), "request longer than %u bytes", k->listener->conf.max_request);
	connection_complain(k, RPC_INVALID_REQUEST, text);
}

/* Handles the whole lines of the buffer, as long as answers go out; keeps the rest. */
static void connection_lines(struct connection *k)
{
	size_t at = 0;

	while (!k->dead && k->n_out == 0) {
		char *end = at < k->n_in ? memchr(k->in + at, '\n', k->n_in - at) : NULL;
		size_t len = end ? (size_t)(end - k->in) - at : 0;

		if (!end)
			break;
		if (k->skipping)
			k->skipping = false;
		else if (len > k->listener->conf.max_request)
			connection_too_long(k);
		else
			rpc_input(k->c, k->in + at, len, connection_out, k);
		at += len + 1;
		k->moved = k->c->now;
		connection_flush(k);
	}
	if (at && at < k->n_in)
		memmove(k->in, k->in + at, k->n_in - at);
	k->n_in -= at;
}

/* A line without an end that is as long as a line may be: says so once and forgets it up to its
 * end. */
static void connection_limit(struct connection *k)
{
	if (k->n_in <= k->listener->conf.max_request || memchr(k->in, '\n', k->n_in))
		return;
	if (!k->skipping) {
		connection_too_long(k);
		connection_flush(k);
	}
	k->skipping = true;
	k->n_in = 0;
}

static void connection_read(struct connection *k)
{
	ssize_t n;

	if (!room(&k->in, &k->in_size, k->n_in, READ_SIZE)) {
		connection_end(k, "out of memory");
		return;
	}
	n = recv(k->fd, k->in + k->n_in, READ_SIZE, MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			connection_end(k, NULL);
		return;
	}
	k->n_in += (size_t)n;
	if (n > 0)
		return;
	/* The end of what the client says ends its last line too. */
	k->closing = true;
	if (k->n_in)
		k->in[k->n_in++] = '\n';
}

/* What is to be waited for: answers to go out before anything else comes in. */
static void connection_watch(struct connection *k)
{
	uint32_t events = k->n_out ? EPOLLOUT : k->closing ? 0 : EPOLLIN;

	if (k->dead || events == k->watched)
		return;
	if (ctl_watch(k->c, k->fd, events, &k->source) < 0)
		connection_end(k, "out of memory");
	k->watched = events;
}

static void connection_ready(struct ctl *c, struct ctl_source *s, uint32_t events)
{
	struct connection *k = (struct connection *)s;

	if (k->dead)
		return;
	if (events & EPOLLERR) {
		connection_end(k, NULL);
		return;
	}
	connection_flush(k);
	if (!k->dead && k->n_out == 0 && (events & EPOLLIN) && !k->closing)
		connection_read(k);
	connection_lines(k);
	connection_limit(k);
	if (events & EPOLLHUP && !(events & EPOLLIN))
		connection_end(k, NULL);
	connection_watch(k);
}

/* ---- connections -------------------------------------------------------------------------- */

static void connection_free(struct connection *k)
{
	close(k->fd);
	free(k->in);
	free(k->out);
	free(k);
}

static void connection_refuse(const struct listener *l, int fd)
{
	char text[96];
	char *line;

	snprintf(text, sizeof(text), "%u clients are connected already, no more are allowed",
		l->conf.max_connections);
	line = rpc_complaint(RPC_BUSY, text);
	/* A fresh socket has room for a line; if not, the client sees the end alone. */
	if (line && send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("control socket: client refused");
	free(line);
	close(fd);
}

static void connection_open(struct ctl *c, struct listener *l, int fd)
{
	struct connection *k = calloc(1, sizeof(*k));

	if (!k) {
		close(fd);
		return;
	}
	*k = (struct connection){ .source.ready = connection_ready,
		.listener = l,
		.rpc = c->rpc,
		.c = c,
		.fd = fd,
		.watched = EPOLLIN,
		.moved = c->now };
	if (ctl_watch(c, fd, EPOLLIN, &k->source) < 0) {
		connection_free(k);
		return;
	}
	k->next = l->connections;
	l->connections = k;
	l->n++;
}

static void listener_ready(struct ctl *c, struct ctl_source *s, uint32_t events)
{
	struct listener *l = (struct listener *)s;
	int fd;

	while ((fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (l->n >= l->conf.max_connections)
			connection_refuse(l, fd);
		else
			connection_open(c, l, fd);
	}
}

/* Ends what stands still. A client that has sent whole requests and reads its answers may stay for
 * ever. */
static void connection_check(struct connection *k, uint64_t now)
{
	const uint32_t stall = k->listener->conf.stall_ms;

	if (k->dead)
		return;
	/* Deferred calls may have answered in this turn. */
	if (k->n_out) {
		connection_flush(k);
		connection_lines(k);
		connection_watch(k);
	}
	if (k->n_out == 0 && k->n_in == 0 && !k->skipping)
		k->moved = now;
	if (k->n_out && now - k->moved >= stall) {
		connection_end(k, "it does not read its answers");
	} else if (now - k->moved >= stall) {
		connection_complain(k, RPC_INVALID_REQUEST, "the end of the request did not come");
		connection_flush(k);
		connection_end(k, "it does not end its request");
	}
	if (k->closing && k->n_out == 0 && !rpc_waiting(k->rpc, k))
		connection_end(k, NULL);
}

void listener_poll(struct ctl *c, struct listener *l)
{
	struct connection **at = &l->connections;

	while (*at) {
		struct connection *k = *at;

		connection_check(k, c->now);
		if (!k->dead) {
			at = &k->next;
			continue;
		}
		*at = k->next;
		l->n--;
		connection_free(k);
	}
}

/* ---- the socket --------------------------------------------------------------------------- */

/* The longest path of a lock, with its NUL. */
#define LOCK_NAME_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) + 8)

static void lock_name(const char *path, char name[LOCK_NAME_MAX])
{
	snprintf(name, LOCK_NAME_MAX, "%s.lock", path);
}

/* Whether fd is the file of that name still: who held the lock last may have removed it meanwhile.
 */
static bool lock_is_there(int fd, const char *name)
{
	struct stat open, there;

	return fstat(fd, &open) == 0 && stat(name, &there) == 0 && open.st_dev == there.st_dev &&
	       open.st_ino == there.st_ino;
}

/* Opens the lock and locks it. Its descriptor, or -errno; -EBUSY with the owner's pid, a number or
 * "". */
static int lock_open(const char *name, char pid[16])
{
	ssize_t n;
	int fd, rc;

	do {
		fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
			n = read(fd, pid, 15);
			pid[n > 0 ? n : 0] = '\0';
			pid[strspn(pid, "0123456789")] = '\0';
			close(fd);
			return rc;
		}
		rc = lock_is_there(fd, name);
		if (!rc)
			close(fd);
	} while (!rc);
	return fd;
}

/* The lock says who serves PATH. Returns its descriptor, or -errno with a fault. */
static int lock_take(const char *path, struct faults *faults)
{
	char name[LOCK_NAME_MAX], pid[16] = "";
	int fd, n;

	lock_name(path, name);
	fd = lock_open(name, pid);
	if (fd == -EBUSY)
		fault_add(faults, "control-socket.path",
			"another fairlead (pid %s) serves %s; stop it first, or give this one "
			"another --socket",
			pid[0] ? pid : "unknown", path);
	else if (fd < 0)
		fault_add(faults, "control-socket.path", "cannot open the lock %s: %s", name,
			strerror(-fd));
	if (fd < 0)
		return fd;
	n = snprintf(pid, sizeof(pid), "%d\n", getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n)
		log_warn("cannot write the pid into %s: %s", name, strerror(errno));
	return fd;
}

/* Removes the lock while it is held, so that nobody finds it unlocked. */
static void lock_release(int fd, const char *path)
{
	char name[LOCK_NAME_MAX];

	lock_name(path, name);
	unlink(name);
	close(fd);
}

/* Removes a socket that a daemon before us left; the lock is ours, so nobody serves it. */
static int stale_remove(const char *path, struct faults *faults)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		fault_add(faults, "control-socket.path",
			"%s is there and is not a socket; remove it, or choose another path", path);
		return -EEXIST;
	}
	return unlink(path) < 0 ? -errno : 0;
}

/* The ids that owner and group stand for; (uid_t)-1 leaves them. */
static int owner_find(
	const struct listener_conf *conf, uid_t *uid, gid_t *gid, struct faults *faults)
{
	const struct passwd *user = conf->owner ? getpwnam(conf->owner) : NULL;
	const struct group *group = conf->group ? getgrnam(conf->group) : NULL;

	if (conf->owner && !user)
		fault_add(faults, "control-socket.owner", "no user \"%s\" on this system",
			conf->owner);
	if (conf->group && !group)
		fault_add(faults, "control-socket.group", "no group \"%s\" on this system",
			conf->group);
	*uid = user ? user->pw_uid : (uid_t)-1;
	*gid = group ? group->gr_gid : (gid_t)-1;
	return (conf->owner && !user) || (conf->group && !group) ? -ENOENT : 0;
}

/* Mode and owner are set before anyone can connect. */
static int socket_bind(const struct listener_conf *conf, int fd, struct faults *faults)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	uid_t uid;
	gid_t gid;
	int rc = owner_find(conf, &uid, &gid, faults);

	if (rc < 0)
		return rc;
	strcpy(to.sun_path, conf->path);
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0) {
		if (chmod(conf->path, conf->mode) == 0 &&
			(((uid == (uid_t)-1) && gid == (gid_t)-1) ||
				chown(conf->path, uid, gid) == 0) &&
			listen(fd, 64) == 0)
			return 0;
		rc = -errno;
		unlink(conf->path);
	} else {
		rc = -errno;
	}
	fault_add(faults, "control-socket.path", "cannot make the socket %s: %s", conf->path,
		strerror(-rc));
	return rc;
}

/* Only the default's folder is made: another that is missing may well be a slip of the pen. */
int ctl_folder_check(const char *path, struct faults *faults)
{
	static const char usual[] = "/run/fairlead";
	const char *slash = strrchr(path, '/');
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int rc;

	if (!slash || slash == path)
		return 0;
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
	if (access(folder, F_OK) == 0)
		return 0;
	rc = -errno;
	if (strcmp(folder, usual) == 0) {
		if (mkdir(folder, 0755) == 0)
			return 0;
		rc = -errno;
	}
	fault_add(faults, "control-socket.path",
		"no folder %s for the control socket: %s; make it, or choose another path", folder,
		strerror(-rc));
	return rc;
}

static int path_check(const char *path, struct faults *faults)
{
	const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (strlen(path) <= max && path[0] != '\0')
		return 0;
	fault_add(faults, "control-socket.path", "a path of %zu bytes; a socket's has 1 to %zu",
		strlen(path), max);
	return -ENAMETOOLONG;
}

static int listener_bind(struct ctl *c, struct listener *l, struct faults *faults)
{
	int rc = path_check(l->conf.path, faults);

	if (rc < 0)
		return rc;
	rc = ctl_folder_check(l->conf.path, faults);
	if (rc < 0)
		return rc;
	l->lock = lock_take(l->conf.path, faults);
	if (l->lock < 0)
		return l->lock;
	rc = stale_remove(l->conf.path, faults);
	if (rc < 0)
		return rc;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	rc = socket_bind(&l->conf, l->fd, faults);
	if (rc < 0) {
		close(l->fd);
		l->fd = -1;
		return rc;
	}
	return ctl_watch(c, l->fd, EPOLLIN, &l->source);
}

struct listener *listener_open(
	struct ctl *c, const struct listener_conf *conf, struct faults *faults)
{
	struct listener *l = calloc(1, sizeof(*l));
	size_t before = faults->errors;
	int rc = -ENOMEM;

	if (!l)
		goto fail;
	l->conf = *conf;
	l->source.ready = listener_ready;
	l->fd = l->lock = -1;
	l->conf.path = l->path = strdup(conf->path);
	if (!l->path)
		goto fail;
	rc = listener_bind(c, l, faults);
	if (rc == 0)
		return l;
fail:
	if (faults->errors == before)
		fault_add(faults, "control-socket.path", "cannot serve %s: %s", conf->path,
			strerror(-rc));
	if (l)
		listener_close(c, l);
	errno = -rc;
	return NULL;
}

void listener_close(struct ctl *c, struct listener *l)
{
	for (struct connection *k = l->connections; k; k = k->next)
		connection_end(k, NULL);
	if (l->connections)
		listener_poll(c, l);
	if (l->fd >= 0) {
		unlink(l->path);
		close(l->fd);
	}
	if (l->lock >= 0)
		lock_release(l->lock, l->path);
	free(l->path);
	free(l);
}

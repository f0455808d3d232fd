/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control core's event loop. A turn: wait, serve what is ready (signals, links, clients), then
 * what workers have sent (punted packets), neighbours, packets of our own, deferred calls, memory
 * that nobody holds any more.
 *
 * Rings and neighbours have no descriptor to wait for, so a turn waits IDLE_MS at most, BUSY_MS
 * while there is work.
 */
#include "ctl.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "base/log.h"
#include "base/rcu.h"
#include "floods.h"
#include "listener.h"
#include "rpc.h"
#include "steering.h"

#define BUSY_MS                1
#define IDLE_MS                10
#define LINKS_MS               1000 /* drivers that report for themselves are asked this often */
#define PUNT_BURST             64   /* packets of one worker a turn */
#define EVENTS                 64

#define SOCKET_MAX_REQUEST     (256 * 1024)
#define SOCKET_MAX_OUTPUT      (32 * 1024 * 1024)
#define SOCKET_MAX_CONNECTIONS 64
#define SOCKET_STALL_MS        30000

int ctl_watch(struct ctl *c, int fd, uint32_t events, struct ctl_source *s)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &ev) == 0)
		return 0;
	if (errno == EEXIST && epoll_ctl(c->epoll, EPOLL_CTL_MOD, fd, &ev) == 0)
		return 0;
	return -errno;
}

/* ---- signals ------------------------------------------------------------------------------ */

static void reload(struct ctl *c)
{
	struct faults faults = { 0 };
	json_t *doc = c->config_path ? config_load(c->config_path, &faults) : NULL;

	if (!c->config_path)
		log_warn("SIGHUP: no configuration file to reload");
	else if (doc && config_apply(&c->target, doc, &faults) == 0)
		log_info("SIGHUP: %s reloaded", c->config_path);
	else
		log_error("SIGHUP: %s refused; the running configuration stays", c->config_path);
	for (size_t i = 0; i < faults.n; i++) {
		const struct fault *f = &faults.list[i];

		log_write(f->warning ? LOG_WARNING : LOG_ERR, "%s: %s%s%s", c->config_path, f->path,
			f->path[0] ? ": " : "", f->text);
	}
	faults_free(&faults);
	json_decref(doc);
}

static void signal_ready(struct ctl *c, struct ctl_source *s, uint32_t events)
{
	struct signalfd_siginfo info;

	while (read(c->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			reload(c);
			if (c->target.connlog)
				connlog_reopen(c->target.connlog);
			continue;
		}
		log_info("%s from process %u: stopping", strsignal((int)info.ssi_signo),
			info.ssi_pid);
		c->stop = true;
	}
}

/* ---- what a turn does --------------------------------------------------------------------- */

static struct net_worker *control_net(struct ctl *c)
{
	return c->target.workers ? c->target.workers->net[c->target.workers->n] : NULL;
}

/* The time, by the workers' clock, and what the control core's own packets go by. */
static void clock_advance(struct ctl *c)
{
	struct net_worker *net = control_net(c);
	uint64_t tsc = rte_rdtsc();

	c->now = tsc / (c->tsc_hz / 1000);
	if (!net)
		return;
	net->now_ms = worker_ms(tsc, c->tsc_hz);
	net->table = c->target.snapshot->model->net;
	net->epoch = neigh_epoch(c->target.neigh);
}

static void links_look(struct ctl *c)
{
	struct config_target *t = &c->target;
	bool changed[NIC_MAX] = { false };
	const struct net_table *table = t->snapshot->model->net;

	c->links_at = c->now + LINKS_MS;
	if (t->steering)
		steering_look(t->steering, t->workers, t->nics, t->n_nics);
	if (!nic_poll_link(c->links, t->nics, t->n_nics, changed))
		return;
	for (unsigned int i = 0; i < t->n_nics; i++)
		if (changed[i])
			log_info("%s: link %s", t->nics[i]->device, t->nics[i]->up ? "up" : "down");
	for (unsigned int i = 0; i < net_port_count(table); i++) {
		const struct port *p = net_port(table, (uint8_t)i);

		if (changed[p->nic] && t->nics[p->nic]->up)
			neigh_announce(t->neigh, p->id);
	}
}

static void link_ready(struct ctl *c, struct ctl_source *s, uint32_t events)
{
	links_look(c);
}

/* net_turn() sees to the packets; here only an interface that somebody has deleted, which would be
 * ready for ever. */
static void kernel_ready(struct ctl *c, struct ctl_source *s, uint32_t events)
{
	unsigned int i = (unsigned int)(s - c->on_kernel);

	if (!(events & (EPOLLERR | EPOLLHUP)))
		return;
	log_warn("an interface of the kernel's share is gone; a restart makes it anew");
	epoll_ctl(c->epoll, EPOLL_CTL_DEL, kernel_fd(c->target.kernel, i), NULL);
}

/* Packets that workers punted: ARP and ND; neigh_input() drops what it does not want. */
static unsigned int punts_drain(struct ctl *c)
{
	struct workers *all = c->target.workers;
	struct net_worker *net = control_net(c);
	struct rte_mbuf *mbufs[PUNT_BURST];
	unsigned int total = 0;

	for (unsigned int i = 0; i < all->n; i++) {
		unsigned int n = rte_ring_sc_dequeue_burst(
			all->net[i]->punt, (void **)mbufs, PUNT_BURST, NULL);

		for (unsigned int k = 0; k < n; k++) {
			if (c->target.kernel)
				kernel_overhear(c->target.kernel, net, mbufs[k]);
			neigh_input(c->target.neigh, net, mbufs[k]);
		}
		total += n;
	}
	return total;
}

/* Packets between the ports and the kernel. */
static unsigned int kernel_turn(struct ctl *c, struct net_worker *net)
{
	unsigned int work = 0;

	if (!c->target.kernel)
		return 0;
	for (unsigned int i = 0; i < c->target.workers->n; i++)
		work += kernel_take(c->target.kernel, net, c->target.workers->net[i]);
	return work + kernel_poll(c->target.kernel, net);
}

/* The network side of a turn; returns how much there was to do. */
static unsigned int net_turn(struct ctl *c)
{
	struct net_worker *net = control_net(c);
	unsigned int work;

	if (!net)
		return 0;
	if (c->links && c->now >= c->links_at)
		links_look(c);
	work = punts_drain(c);
	work += kernel_turn(c, net);
	neigh_poll(c->target.neigh, net, net->now_ms);
	return work + net_flush(net);
}

void ctl_turn(struct ctl *c, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(c->epoll, events, EVENTS, timeout_ms);
	unsigned int work;

	clock_advance(c);
	for (int i = 0; i < n; i++) {
		struct ctl_source *s = events[i].data.ptr;

		s->ready(c, s, events[i].events);
	}
	work = config_poll(&c->target, c->now);
	/* Perhaps there is another snapshot now. */
	clock_advance(c);
	if (c->floods)
		floods_look(c->floods, &c->target, c->now);
	work += net_turn(c);
	alarm_turn(&c->alarms, &c->target, c->now);
	work += rpc_poll(c);
	clock_advance(c);
	if (c->target.connlog)
		work += connlog_turn(c->target.connlog, &c->target, c->now);
	listener_poll(c, c->listener);
	if (c->target.rcu)
		work += rcu_reclaim(c->target.rcu);
	c->busy = work > 0;
}

void ctl_run(struct ctl *c)
{
	while (!c->stop)
		ctl_turn(c, c->busy ? BUSY_MS : IDLE_MS);
}

/* ---- opening and closing ------------------------------------------------------------------ */

static int signals_open(struct ctl *c)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	c->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (c->signals < 0)
		return -errno;
	c->on_signal.ready = signal_ready;
	return ctl_watch(c, c->signals, EPOLLIN, &c->on_signal);
}

static int links_open(struct ctl *c)
{
	if (!c->target.n_nics)
		return 0;
	c->links = link_watch_open();
	if (!c->links)
		return -errno;
	c->on_link.ready = link_ready;
	return ctl_watch(c, link_watch_fd(c->links), EPOLLIN, &c->on_link);
}

static int kernel_watch(struct ctl *c)
{
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && i < kernel_count(c->target.kernel); i++) {
		int fd = kernel_fd(c->target.kernel, i);

		c->on_kernel[i].ready = kernel_ready;
		if (fd >= 0)
			rc = ctl_watch(c, fd, EPOLLIN, &c->on_kernel[i]);
	}
	return rc;
}

static struct listener *socket_open(struct ctl *c, const char *path, struct faults *faults)
{
	const struct config *config = c->target.config;
	struct listener_conf conf = {
		.path = path,
		.mode = 0660,
		.max_request = SOCKET_MAX_REQUEST,
		.max_output = SOCKET_MAX_OUTPUT,
		.max_connections = SOCKET_MAX_CONNECTIONS,
		.stall_ms = SOCKET_STALL_MS,
	};

	if (config) {
		conf.mode = config->socket.mode;
		conf.owner = config->socket.owner;
		conf.group = config->socket.group;
		conf.max_request = config->socket.max_request;
		conf.max_connections = config->socket.max_connections;
	}
	return listener_open(c, &conf, faults);
}

int ctl_open(struct ctl *c, const char *socket_path, struct faults *faults)
{
	int rc;

	c->signals = -1;
	c->links = NULL;
	c->listener = NULL;
	c->tsc_hz = rte_get_tsc_hz();
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->rpc = rpc_create();
	c->floods = floods_create();
	rc = c->epoll < 0 || !c->rpc || !c->floods ? -errno : signals_open(c);
	if (rc == 0)
		rc = links_open(c);
	if (rc == 0)
		rc = kernel_watch(c);
	if (rc < 0) {
		fault_add(faults, "", "cannot set up the event loop: %s", strerror(-rc));
		goto fail;
	}
	clock_advance(c);
	c->started = c->now;
	c->listener = socket_open(c, socket_path, faults);
	if (c->listener)
		return 0;
	rc = -errno;
fail:
	ctl_close(c);
	return rc;
}

/* What workers have left when they stopped. */
static void connlog_finish(struct ctl *c)
{
	if (!c->target.connlog)
		return;
	clock_advance(c);
	while (connlog_turn(c->target.connlog, &c->target, c->now))
		;
}

void ctl_close(struct ctl *c)
{
	connlog_finish(c);
	if (c->listener)
		listener_close(c, c->listener);
	c->listener = NULL;
	rpc_destroy(c->rpc);
	c->rpc = NULL;
	floods_destroy(c->floods);
	c->floods = NULL;
	if (c->links)
		link_watch_close(c->links);
	c->links = NULL;
	if (c->signals >= 0)
		close(c->signals);
	if (c->epoll >= 0)
		close(c->epoll);
	c->signals = c->epoll = -1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon with small services in it (serve.h) for connections to services of mode tcp: TCP that
 * ends in workers, for end-to-end tests. Started by tests/support/tcpecho.py.
 *
 * SIGUSR1 asks for a report, a line of JSON. SIGTERM and SIGINT end it once nothing is left of any
 * connection; if something still is after some seconds the exit status is 3. The last line is the
 * report.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon.h"
#include "serve.h"
#include "tcp/tcp_cc.h"

#define WORKERS_MAX RTE_MAX_LCORE
#define QUIET_MS    10000

struct program {
	struct daemon daemon;
	struct local_app local;
	struct host host[WORKERS_MAX];
	void *ctx[WORKERS_MAX];
	int signals;
	struct ctl_source on_signal;
};

/* The event loop's callbacks know nothing else. */
static struct program program;

static const char usage[] =
	"usage: echo --config FILE [OPTIONS] [-- EAL ARGUMENTS]\n"
	"\n"
	"  --socket PATH     the control socket\n"
	"  --lcores MAP      where workers run, as the EAL has it: they may share a core\n"
	"  --cc NAME         cubic or reno (cubic)\n"
	"  --buffers BYTES   of a connection, each way\n"
	"  --retries N       time-outs in a row before a connection fails\n"
	"  --half-open N     clients that have not proved their address, a worker\n";

/* ---- the report ----------------------------------------------------------------------------- */

static json_t *report_pool(const struct rte_mempool *pool)
{
	return json_pack(
		"{s:i, s:i}", "size", (int)pool->size, "free", (int)rte_mempool_avail_count(pool));
}

static json_t *report_worker(const struct worker *w, const struct host *s)
{
	json_t *counts = json_object();
	struct tcp_stats stats;

	tcp_stats(w->local.tcp, &stats);
	for (unsigned int i = 0; i < TCP_COUNTS; i++)
		json_object_set_new(counts, tcp_count_name((enum tcp_count)i),
			json_integer((json_int_t)stats.count[i]));
	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:o}", "conns", (int)stats.conns,
		"half_open", (int)stats.half_open, "orphans", (int)stats.orphans, "time_wait",
		(int)stats.time_wait, "segments", (int)stats.segments, "sessions",
		(json_int_t)counter_read(&s->sessions), "failed",
		(json_int_t)counter_read(&s->failed), "starved",
		(json_int_t)counter_read(&s->starved), "count", counts);
}

static void report(void)
{
	const struct daemon *d = &program.daemon;
	json_t *workers = json_array(), *pools = json_array(), *all;

	for (unsigned int i = 0; i < d->workers->n; i++) {
		json_array_append_new(
			workers, report_worker(d->workers->worker[i], &program.host[i]));
		json_array_append_new(pools, report_pool(d->tcp_pools[i]));
	}
	all = json_pack("{s:o, s:o, s:o}", "workers", workers, "tcp_packets", pools, "packets",
		report_pool(d->worker_pools[0]));
	json_dumpf(all, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(all);
}

/* Nothing is held by connections, nor by anything else. */
static bool is_quiet(void)
{
	const struct daemon *d = &program.daemon;
	bool quiet = rte_mempool_full(d->worker_pools[0]);

	for (unsigned int i = 0; i < d->workers->n; i++) {
		struct tcp_stats stats;

		tcp_stats(d->workers->worker[i]->local.tcp, &stats);
		quiet &= stats.conns == 0 && stats.half_open == 0 && stats.orphans == 0 &&
			 stats.segments == 0 && counter_read(&program.host[i].sessions) == 0 &&
			 rte_mempool_full(d->tcp_pools[i]);
	}
	return quiet;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void signal_ready(struct ctl *c, struct ctl_source *s, uint32_t events)
{
	struct signalfd_siginfo info;

	while (read(program.signals, &info, sizeof(info)) == sizeof(info))
		report();
}

static int watch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	program.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	program.on_signal.ready = signal_ready;
	return program.signals < 0 ? -1
				   : ctl_watch(&program.daemon.ctl, program.signals, EPOLLIN,
					     &program.on_signal);
}

/* The exit status. */
static int run(void)
{
	struct ctl *ctl = &program.daemon.ctl;
	uint64_t end;
	bool quiet;

	if (watch_signals() < 0)
		return 1;
	log_info("echo: ready");
	ctl_run(ctl);
	for (end = ctl->now + QUIET_MS; !(quiet = is_quiet()) && ctl->now < end;)
		ctl_turn(ctl, 10);
	report();
	return quiet ? 0 : 3;
}

/* ---- start ---------------------------------------------------------------------------------- */

static void __attribute__((noreturn)) wrong(void)
{
	fputs(usage, stderr);
	exit(2);
}

static uint32_t number(void)
{
	char *end;
	const unsigned long n = strtoul(optarg, &end, 10);

	if (*optarg == '\0' || *end != '\0' || n > UINT32_MAX)
		wrong();
	return (uint32_t)n;
}

static void local_option(struct local_app *local, int option)
{
	switch (option) {
	case 'a':
		local->how.cc = strcmp(optarg, "reno") == 0 ? &tcp_cc_reno : &tcp_cc_cubic;
		break;
	case 'b':
		local->how.rcvbuf = local->how.sndbuf = number();
		break;
	case 'r':
		local->how.retries = (uint8_t)number();
		break;
	case 'h':
		local->conf.max_half_open = number();
		break;
	default:
		wrong();
	}
}

static void options_read(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "lcores", required_argument, NULL, 'l' },
		{ "cc", required_argument, NULL, 'a' },
		{ "buffers", required_argument, NULL, 'b' },
		{ "retries", required_argument, NULL, 'r' },
		{ "half-open", required_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options *o = &program.daemon.options;
	int opt;

	while ((opt = getopt_long(argc, argv, "+", longs, NULL)) != -1)
		if (opt == 'c')
			o->config_path = optarg;
		else if (opt == 's')
			o->socket_path = optarg;
		else if (opt == 'l')
			o->lcores = optarg;
		else
			local_option(&program.local, opt);
	o->eal_args = argv + optind;
	o->n_eal_args = (unsigned int)(argc - optind);
	if (!o->config_path)
		wrong();
}

/* The first address of each version that the port has. */
static void set_sources(const struct port_conf *port)
{
	for (unsigned int k = port->n_addresses; k-- > 0;) {
		const struct addr *a = &port->addresses[k].addr;

		for (unsigned int i = 0; i < WORKERS_MAX; i++)
			program.host[i].from[!addr_is_v4(a)] = *a;
	}
}

/* For signalfd, and before any thread is there to get them. */
static void signals_block(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int main(int argc, char **argv)
{
	struct daemon *d = &program.daemon;
	struct faults faults = { 0 };
	int rc;

	serve_init();
	program.local = (struct local_app){
		.ops = &server_ops,
		.ctx = program.ctx,
		.how = tcp_how_defaults,
		.conf = tcp_conf_defaults,
	};
	program.local.conf.max_conns = 4096;
	program.local.conf.max_segments = 65536;
	options_read(argc, argv);
	for (unsigned int i = 0; i < WORKERS_MAX; i++) {
		program.host[i].how = program.local.how;
		program.ctx[i] = &program.host[i];
	}
	d->local = &program.local;
	signals_block();
	rc = daemon_configure(d, &faults);
	if (rc == 0) {
		set_sources(&d->config->model.net.ports[0]);
		rc = daemon_start(d, &faults);
	}
	for (size_t i = 0; i < faults.n; i++)
		fprintf(stderr, "echo: %s: %s\n", faults.list[i].path, faults.list[i].text);
	faults_free(&faults);
	rc = rc == 0 ? run() : 1;
	daemon_stop(d);
	return rc;
}

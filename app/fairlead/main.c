/* SPDX-License-Identifier: BSD-3-Clause */
/* fairlead: the daemon. Reads its options, starts, serves until told to stop. Exit codes: 0 done, 1
 * refused, 2 usage. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon.h"
#include "notify.h"

static const char usage[] =
	"usage: fairlead --config FILE [--check] [--socket PATH] [-- EAL ARGUMENTS]\n"
	"\n"
	"  --config FILE   the configuration, JSON with comments\n"
	"  --check         judge the configuration and stop: 0 when it is good, 1 with every fault "
	"printed\n"
	"  --socket PATH   the control socket; default: the configuration's, "
	"/run/fairlead/fairlead.sock\n"
	"  --verbose       log more\n"
	"  --version       print the version\n"
	"  --help          print this\n"
	"\n"
	"What follows \"--\" goes to DPDK's EAL, for example: -- --no-huge\n"
	"The configuration is described in docs/reference/configuration.md and fairlead(8).\n";

/* -1: go on; otherwise the exit code. */
static int options_read(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "check", no_argument, NULL, 'k' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "+c:s:h", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o->config_path = optarg;
			break;
		case 's':
			o->socket_path = optarg;
			break;
		case 'k':
			o->check = true;
			break;
		case 'v':
			log_set_level(LOG_DEBUG);
			break;
		case 'V':
			puts("fairlead " FAIRLEAD_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0) {
		fprintf(stderr,
			"fairlead: unexpected argument \"%s\"; EAL arguments come after \"--\"\n%s",
			argv[optind], usage);
		return 2;
	}
	o->eal_args = argv + optind;
	o->n_eal_args = (unsigned int)(argc - optind);
	if (o->config_path)
		return -1;
	fprintf(stderr, "fairlead: --config FILE is missing\n%s", usage);
	return 2;
}

static void faults_print(const char *file, const struct faults *faults)
{
	for (size_t i = 0; i < faults->n; i++) {
		const struct fault *f = &faults->list[i];

		fprintf(stderr, "%s: %s%s%s%s\n", file, f->warning ? "warning: " : "", f->path,
			f->path[0] ? ": " : "", f->text);
	}
}

/* Judges the file and nothing else; the exit code. */
static int check(const char *file)
{
	struct faults faults = { 0 };
	json_t *doc = config_load(file, &faults);
	bool good = doc && config_check(doc, &faults);

	faults_print(file, &faults);
	faults_free(&faults);
	json_decref(doc);
	return good ? 0 : 1;
}

/* For signalfd, and before any thread is there to get them. */
static void signals_block(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	static struct daemon d;
	struct faults faults = { 0 };
	int rc = options_read(argc, argv, &d.options);

	if (rc >= 0)
		return rc;
	if (d.options.check)
		return check(d.options.config_path);
	signals_block();
	rc = daemon_configure(&d, &faults);
	if (rc == 0)
		rc = daemon_start(&d, &faults);
	faults_print(d.options.config_path, &faults);
	faults_free(&faults);
	if (rc == 0) {
		log_info("started: %u workers, %u ports, %u services", d.config->n_workers,
			d.config->model.net.n_ports, d.config->model.n_services);
		notify_state("READY=1");
		ctl_run(&d.ctl);
		notify_state("STOPPING=1");
	}
	daemon_stop(&d);
	return rc == 0 ? 0 : 1;
}

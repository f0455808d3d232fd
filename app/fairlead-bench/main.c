/* SPDX-License-Identifier: BSD-3-Clause */
/* fairlead-bench: the EAL on as many cores as are wanted, and what to run. See bench.h. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>

#include "base/log.h"
#include "bench.h"

/* Bytes in free hugepages of the default size. */
static uint64_t huge_free(void)
{
	unsigned long pages = 0, kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "HugePages_Free: %lu", &pages);
		sscanf(line, "Hugepagesize: %lu", &kib);
	}
	fclose(f);
	return (uint64_t)pages * kib * 1024;
}

/* The cores, o->core and those below it, one for each worker if there are so many. */
static void list_cores(const struct bench_options *o, char *out, size_t size)
{
	const unsigned int there = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	const bool threads =
		o->workers > 1 && !o->stepped && there >= o->workers && o->core + 1 >= o->workers;
	size_t n = 0;

	for (unsigned int i = 0; i < (threads ? o->workers : 1) && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%u", i ? "," : "", o->core - i);
}

static uint64_t memory_mib(const struct bench_options *o)
{
	const uint64_t need = rig_memory(o);

	return (need + need / 8) >> 20;
}

/* Decides o->no_huge, too. */
static int start_eal(struct bench_options *o)
{
	uint64_t mib = memory_mib(o);
	/* rte_eal_init() wants writable strings. */
	char words[12][96] = { "fairlead-bench", "", "--no-pci", "--no-telemetry",
		"--log-level=lib.eal:error", "-l", "", "--main-lcore", "", "--no-huge", "-m", "" };
	char *argv[13] = { NULL };
	int argc;

	if (!o->no_huge && huge_free() >> 20 < mib) {
		o->no_huge = true;
		mib = memory_mib(o);
	}
	/* No files, so that it runs beside a daemon. */
	strcpy(words[1], o->no_huge ? "--no-shconf" : "--in-memory");
	list_cores(o, words[6], sizeof(words[6]));
	snprintf(words[8], sizeof(words[8]), "%u", o->core);
	snprintf(words[11], sizeof(words[11]), "%lu", (unsigned long)mib + 32);
	for (argc = 0; argc < (o->no_huge ? 12 : 9); argc++)
		argv[argc] = words[argc];
	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "fairlead-bench: the EAL does not start on core %s with %lu MiB\n",
			words[6], (unsigned long)mib);
		return -1;
	}
	return 0;
}

int bench_run(struct bench_options *o, struct bench_result *out)
{
	struct rig rig;
	int rc;

	if (start_eal(o) < 0)
		return -1;
	rc = rig_open(&rig, o);
	if (rc == 0) {
		rc = o->kind == BENCH_LIFE ? bench_life(&rig, o)
		     : o->kind == BENCH_L7 ? bench_l7(&rig, o)
					   : bench_l4(&rig, o, out);
		rig_print_drops(&rig);
	}
	rig_close(&rig);
	rte_eal_cleanup();
	return rc;
}

static int run_one(struct bench_options *o)
{
	struct bench_result result;
	const int rc = bench_run(o, &result);

	if (rc < 0 || o->kind == BENCH_LIFE || o->kind == BENCH_L7)
		return rc;
	if (o->json) {
		report_json(o, &result);
		printf("\n");
	} else {
		report_text(o, &result);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct bench_options o = {
		.mode = MODE_NAT,
		.family = 4,
		.server_family = 4,
		.proto = IPPROTO_TCP,
		.scheduler = "round-robin",
		.services = 100,
		.servers = 100,
		.packet = 64,
		.rounds = 64,
		.passes = 2,
		.packets = 65536,
		.workers = 1,
		.core = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN) - 1,
	};

	options_parse(argc, argv, &o);
	log_set_level(LOG_WARNING);
	return (o.kind == BENCH_SUITE ? bench_suite(&o) : run_one(&o)) == 0 ? 0 : 1;
}

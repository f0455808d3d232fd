/* SPDX-License-Identifier: BSD-3-Clause */
/* fairlead-bench: options, the EAL on one core, and the report. See bench.h. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>

#include "base/log.h"
#include "bench.h"

static const char usage[] =
	"usage: fairlead-bench l4 --mode dr|nat|fullnat|tunnel [OPTIONS]\n"
	"\n"
	"Measures the cycles a worker spends on a packet, with 100 services and a pool of 100 "
	"servers.\n"
	"\n"
	"  --mode MODE       forwarding mode: dr, tunnel; nat and fullnat: every second burst is "
	"of\n"
	"                    servers' answers\n"
	"  --encapsulation ipip|gre|gue\n"
	"                    mode tunnel: what packets travel in (ipip)\n"
	"  --flows N         established flows, packets go to them at random (10000)\n"
	"  --packet BYTES    on the wire, the frame's checksum included (64)\n"
	"  --new             measure first packets, while as many old flows expire\n"
	"  --family 4|6      IPv4 or IPv6 (4)\n"
	"  --rounds R        the best of so many, of 8192 packets each, counts (64)\n"
	"  --packets N       packets made at a time, each in an mbuf of its own (65536)\n"
	"  --core C          core to run on (the last one)\n"
	"  --no-huge         no hugepages even where there are some\n"
	"  --json            one line of JSON, for programs\n"
	"\n"
	"Without hugepages figures are higher: each packet and each flow costs a TLB miss more.\n"
	"They are used when enough are free, e.g. after: sysctl vm.nr_hugepages=1024\n";

/* ---- options -------------------------------------------------------------------------------- */

static void number(const char *name, const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || v < least || v > most) {
		fprintf(stderr, "fairlead-bench: --%s: \"%s\" is not a number from %u to %u\n",
			name, text, least, most);
		exit(2);
	}
	*out = (uint32_t)v;
}

static void parse_mode(const char *text, struct bench_options *o)
{
	for (int m = 0; m < MODE_COUNT; m++)
		if (strcmp(mode_name((enum mode)m), text) == 0) {
			o->mode = (enum mode)m;
			return;
		}
	fprintf(stderr, "fairlead-bench: --mode: \"%s\" is not dr, nat, fullnat or tunnel\n", text);
	exit(2);
}

static void parse_encap(const char *text, struct bench_options *o)
{
	for (int e = 0; e < ENCAP_COUNT; e++)
		if (strcmp(encap_name((enum encap)e), text) == 0) {
			o->encap = (enum encap)e;
			return;
		}
	fprintf(stderr, "fairlead-bench: --encapsulation: \"%s\" is not ipip, gre or gue\n", text);
	exit(2);
}

static void parse_options(int argc, char **argv, struct bench_options *o)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "encapsulation", required_argument, NULL, 'e' },
		{ "flows", required_argument, NULL, 'f' },
		{ "packet", required_argument, NULL, 'p' },
		{ "new", no_argument, NULL, 'n' },
		{ "family", required_argument, NULL, '6' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "packets", required_argument, NULL, 'b' },
		{ "core", required_argument, NULL, 'c' },
		{ "no-huge", no_argument, NULL, 'H' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	bool mode = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'm':
			parse_mode(optarg, o);
			mode = true;
			break;
		case 'e':
			parse_encap(optarg, o);
			break;
		case 'f':
			number("flows", optarg, 1, 1u << 28, &o->flows);
			break;
		case 'p':
			number("packet", optarg, 64, 1518, &o->packet);
			break;
		case 'n':
			o->new_flows = true;
			break;
		case '6':
			number("family", optarg, 4, 6, &o->family);
			break;
		case 'r':
			number("rounds", optarg, 1, 10000, &o->rounds);
			break;
		case 'b':
			number("packets", optarg, BENCH_ROUND, 1u << 22, &o->packets);
			o->packets -= o->packets % BENCH_ROUND;
			break;
		case 'c':
			number("core", optarg, 0, 1023, &o->core);
			break;
		case 'H':
			o->no_huge = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	if (!mode || optind != argc || o->family == 5) {
		fputs(usage, stderr);
		exit(2);
	}
}

/* ---- EAL ------------------------------------------------------------------------------------ */

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

/* Decides o->no_huge, too. */
static int start_eal(struct bench_options *o)
{
	const uint64_t need = rig_memory(o), mib = (need + need / 8) >> 20;
	/* rte_eal_init() wants writable strings. */
	char words[10][32] = { "fairlead-bench", "", "--no-pci", "--no-telemetry",
		"--log-level=lib.eal:error", "-l", "", "--no-huge", "-m", "" };
	char *argv[11] = { NULL };
	int argc;

	if (!o->no_huge && huge_free() >> 20 < mib)
		o->no_huge = true;
	/* No files, so that it runs beside a daemon. */
	strcpy(words[1], o->no_huge ? "--no-shconf" : "--in-memory");
	snprintf(words[6], sizeof(words[6]), "%u", o->core);
	snprintf(words[9], sizeof(words[9]), "%lu", (unsigned long)mib + 32);
	for (argc = 0; argc < (o->no_huge ? 10 : 7); argc++)
		argv[argc] = words[argc];
	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "fairlead-bench: the EAL does not start on core %u with %lu MiB\n",
			o->core, (unsigned long)mib);
		return -1;
	}
	return 0;
}

/* ---- report --------------------------------------------------------------------------------- */

static void print_table(const struct bench_options *o, const struct bench_result *r)
{
	printf("mode      %s, IPv%u, %s\n", mode_name(o->mode), o->family,
		o->new_flows ? "first packets" : "established");
	printf("flows     %u open, %.1f bytes each\n", r->flows_open, r->bytes_per_flow);
	printf("memory    %s\n",
		o->no_huge ? "no hugepages: TLB misses are part of the figures" : "hugepages");
	printf("clock     %.0f MHz\n", (double)rte_get_tsc_hz() / 1e6);
	printf("packets   %lu of %u bytes, best of %u rounds\n", (unsigned long)r->packets,
		o->packet, o->rounds);
	printf("dropped   %lu\n", (unsigned long)r->dropped);
	printf("burst     p99.9 %.2f us, max %.2f us\n", r->burst_p999_us, r->burst_max_us);
	printf("cycles    %.1f a packet\n", r->cycles_per_packet);
	for (int s = 0; s < STAGE_COUNT; s++)
		printf("  %-8s%.1f\n", stage_name((enum stage)s), r->stage[s]);
}

static void print_json(const struct bench_options *o, const struct bench_result *r)
{
	printf("{\"bench\": \"l4\", \"mode\": \"%s\", \"family\": %u, \"flows\": %u, \"packet\": "
	       "%u, "
	       "\"new\": %s, \"rounds\": %u, \"packets\": %lu, \"hugepages\": %s, \"tsc_mhz\": "
	       "%.0f, "
	       "\"cycles_per_packet\": %.2f, \"dropped\": %lu, \"bytes_per_flow\": %.2f, "
	       "\"burst_p999_us\": %.3f, \"burst_max_us\": %.3f, \"stages\": {",
		mode_name(o->mode), o->family, o->flows, o->packet, o->new_flows ? "true" : "false",
		o->rounds, (unsigned long)r->packets, o->no_huge ? "false" : "true",
		(double)rte_get_tsc_hz() / 1e6, r->cycles_per_packet, (unsigned long)r->dropped,
		r->bytes_per_flow, r->burst_p999_us, r->burst_max_us);
	for (int s = 0; s < STAGE_COUNT; s++)
		printf("%s\"%s\": %.2f", s ? ", " : "", stage_name((enum stage)s), r->stage[s]);
	printf("}}\n");
}

int main(int argc, char **argv)
{
	struct bench_options o = {
		.family = 4,
		.flows = 10000,
		.packet = 64,
		.rounds = 64,
		.packets = 65536,
		.core = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN) - 1,
	};
	struct bench_result result = { 0 };
	struct rig rig;
	int rc;

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc < 2 || strcmp(argv[1], "l4") != 0) {
		fputs(usage, stderr);
		return 2;
	}
	parse_options(argc - 1, argv + 1, &o);
	log_set_level(LOG_WARNING);
	if (start_eal(&o) < 0)
		return 1;
	rc = rig_open(&rig, &o);
	if (rc == 0) {
		rc = bench_l4(&rig, &o, &result);
		rig_print_drops(&rig);
	}
	if (rc == 0 && o.json)
		print_json(&o, &result);
	else if (rc == 0)
		print_table(&o, &result);
	rig_close(&rig);
	rte_eal_cleanup();
	return rc == 0 ? 0 : 1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* fairlead-bench's command line. */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const char usage[] =
	"usage: fairlead-bench l4 --mode dr|nat|fullnat|tunnel [OPTIONS]\n"
	"       fairlead-bench l4 --life [--mode MODE] [OPTIONS]\n"
	"       fairlead-bench l4 --suite [--quick] [OPTIONS]\n"
	"       fairlead-bench l7 --proto echo [OPTIONS]: see fairlead-bench l7 --help\n"
	"\n"
	"Measures the cycles a worker spends on a packet.\n"
	"\n"
	"  --life             many flows are made, held, hit and expire (16 M flows, mode nat)\n"
	"  --suite            the table of docs/performance.md, each row with its goal; --flows is "
	"the\n"
	"                     most that a row has\n"
	"  --quick            its most important rows\n"
	"\n"
	"What is forwarded:\n"
	"  --mode MODE        forwarding mode: dr, tunnel; nat and fullnat: every second burst is\n"
	"                     of servers' answers\n"
	"  --encapsulation ipip|gre|gue\n"
	"                     mode tunnel: what packets travel in (ipip)\n"
	"  --family 4|6|64    IPv4, IPv6, or with fullnat IPv6 clients of IPv4 servers (4)\n"
	"  --protocol tcp|udp (tcp)\n"
	"  --packet BYTES     of a frame, its checksum included; IPv6 has at least 78 (64)\n"
	"  --flows N          flows that are open (10000)\n"
	"  --new              every packet begins a flow, while as many old ones expire\n"
	"  --mix PERCENT      so many packets begin one; the others belong to the N flows\n"
	"  --cookies syn|ack  modes nat and fullnat: SYNs that are answered with cookies, or ACKs "
	"that\n"
	"                     bring them back, each of which opens a flow and sends the server a "
	"SYN\n"
	"  --scheduler NAME   of the pool (round-robin)\n"
	"  --services N       (100)\n"
	"  --servers N        (100)\n"
	"\n"
	"Workers:\n"
	"  --workers N        each on a core of its own if there are so many, else in turn on one "
	"(1)\n"
	"  --stepped          in turn on one core in any case\n"
	"  --handoff none|all|random\n"
	"                     packets come in at the worker they belong to, at another one, at any "
	"(none)\n"
	"  --steering nic|software\n"
	"                     whose a packet is follows from a hash that came with it, or is "
	"computed (nic)\n"
	"  --core C           core to run on, the highest one of several (the last one)\n"
	"\n"
	"How:\n"
	"  --rounds R         the best of so many, of 8192 packets each, counts; there are up to "
	"16\n"
	"                     times as many, until R / 8 are within 2 % of the best (64)\n"
	"  --passes N         with --suite: each row is measured so often, and the best counts "
	"(2)\n"
	"  --packets N        packets made at a time, each in an mbuf of its own (65536)\n"
	"  --no-huge          no hugepages even where there are some\n"
	"  --json             one line of JSON, for programs\n"
	"\n"
	"Without hugepages figures are higher: each packet and each flow costs a TLB miss more.\n"
	"They are used when enough are free, e.g. after: sysctl vm.nr_hugepages=1024\n";

void options_wrong(const char *option, const char *text, const char *right)
{
	fprintf(stderr, "fairlead-bench: --%s: \"%s\" is not %s\n", option, text, right);
	exit(2);
}

uint32_t options_number(const char *option, const char *text, uint32_t least, uint32_t most)
{
	char right[64], *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || v < least || v > most) {
		snprintf(right, sizeof(right), "a number from %u to %u", least, most);
		options_wrong(option, text, right);
	}
	return (uint32_t)v;
}

static enum mode parse_mode(const char *text)
{
	for (int m = 0; m < MODE_COUNT; m++)
		if (strcmp(mode_name((enum mode)m), text) == 0)
			return (enum mode)m;
	options_wrong("mode", text, "dr, nat, fullnat or tunnel");
	return MODE_COUNT;
}

static enum encap parse_encap(const char *text)
{
	for (int e = 0; e < ENCAP_COUNT; e++)
		if (strcmp(encap_name((enum encap)e), text) == 0)
			return (enum encap)e;
	options_wrong("encapsulation", text, "ipip, gre or gue");
	return ENCAP_COUNT;
}

const char *handoff_name(enum handoff h)
{
	static const char *const names[HANDOFF_COUNT] = { "none", "all", "random" };

	return names[h];
}

static enum handoff parse_handoff(const char *text)
{
	for (int h = 0; h < HANDOFF_COUNT; h++)
		if (strcmp(handoff_name((enum handoff)h), text) == 0)
			return (enum handoff)h;
	options_wrong("handoff", text, "none, all or random");
	return HANDOFF_COUNT;
}

const char *cookies_name(enum cookies c)
{
	static const char *const names[COOKIES_COUNT] = { "none", "syn", "ack" };

	return names[c];
}

/* Whether the text is the second word, where it has to be one of two. */
static bool second(const char *option, const char *text, const char *a, const char *b)
{
	char right[64];

	if (strcmp(text, a) == 0)
		return false;
	snprintf(right, sizeof(right), "%s or %s", a, b);
	if (strcmp(text, b) != 0)
		options_wrong(option, text, right);
	return true;
}

static void parse_family(const char *text, struct bench_options *o)
{
	const uint32_t v = options_number("family", text, 4, 64);

	if (v != 4 && v != 6 && v != 64)
		options_wrong("family", text, "4, 6 or 64");
	o->family = v == 64 ? 6 : v;
	o->server_family = v == 64 ? 4 : v;
}

static void parse_scheduler(const char *text, struct bench_options *o)
{
	char right[256] = "one of:";

	if (!sched_find(text)) {
		for (const struct sched_ops *const *s = sched_list; *s; s++) {
			size_t n = strlen(right);

			snprintf(right + n, sizeof(right) - n, " %s", (*s)->name);
		}
		options_wrong("scheduler", text, right);
	}
	o->scheduler = text;
}

static void help(int status)
{
	fputs(usage, status ? stderr : stdout);
	exit(status);
}

/* What to measure; false: not one of these. */
static bool parse_load(int c, const char *text, struct bench_options *o)
{
	switch (c) {
	case 'm':
		o->mode = parse_mode(text);
		return true;
	case 'e':
		o->encap = parse_encap(text);
		return true;
	case '6':
		parse_family(text, o);
		return true;
	case 'P':
		o->proto = second("protocol", text, "tcp", "udp") ? IPPROTO_UDP : IPPROTO_TCP;
		return true;
	case 'p':
		o->packet = options_number("packet", text, 64, 1518);
		return true;
	case 'f':
		o->flows = options_number("flows", text, 1, 1u << 28);
		return true;
	case 'n':
		o->mix = 100;
		return true;
	case 'x':
		o->mix = options_number("mix", text, 1, 100);
		return true;
	case 'k':
		o->cookies = second("cookies", text, "syn", "ack") ? COOKIES_ACK : COOKIES_SYN;
		return true;
	case 's':
		parse_scheduler(text, o);
		return true;
	case 'S':
		o->services = options_number("services", text, 1, BENCH_SERVICES_MAX);
		return true;
	case 'V':
		o->servers = options_number("servers", text, 1, BENCH_SERVERS_MAX);
		return true;
	default:
		return false;
	}
}

/* How to measure it. */
static bool parse_how(int c, const char *text, struct bench_options *o)
{
	switch (c) {
	case 'l':
		o->kind = BENCH_LIFE;
		return true;
	case 'u':
		o->kind = BENCH_SUITE;
		return true;
	case 'q':
		o->quick = true;
		return true;
	case 'w':
		o->workers = options_number("workers", text, 1, BENCH_WORKERS_MAX);
		return true;
	case 't':
		o->stepped = true;
		return true;
	case 'o':
		o->handoff = parse_handoff(text);
		return true;
	case 'g':
		o->software = second("steering", text, "nic", "software");
		return true;
	case 'c':
		o->core = options_number("core", text, 0, 1023);
		return true;
	case 'r':
		o->rounds = options_number("rounds", text, 1, 10000);
		return true;
	case 'a':
		o->passes = options_number("passes", text, 1, 100);
		return true;
	case 'b':
		o->packets = options_number("packets", text, BENCH_ROUND, 1u << 22);
		o->packets -= o->packets % BENCH_ROUND;
		return true;
	case 'H':
		o->no_huge = true;
		return true;
	case 'j':
		o->json = true;
		return true;
	default:
		return false;
	}
}

static void check(const struct bench_options *o)
{
	const char *fault = NULL;

	if (o->family != o->server_family && o->mode != MODE_FULLNAT)
		fault = "--family 64 needs --mode fullnat";
	else if (o->handoff != HANDOFF_NONE && o->workers == 1)
		fault = "--handoff needs --workers 2 or more";
	else if (o->kind == BENCH_LIFE && (o->mix || o->handoff))
		fault = "--life goes without --new, --mix and --handoff";
	else if (o->cookies && (o->mode == MODE_DR || o->mode == MODE_TUNNEL))
		fault = "--cookies needs --mode nat or fullnat";
	else if (o->cookies && (o->proto != IPPROTO_TCP || o->mix || o->workers > 1))
		fault = "--cookies is for TCP, and goes without --new, --mix and --workers";
	else if (o->cookies && o->kind != BENCH_ONE)
		fault = "--cookies goes without --life and --suite";
	else if (o->quick && o->kind != BENCH_SUITE)
		fault = "--quick is for --suite";
	else if (rig_sources(o) > BENCH_SOURCES_MAX || rig_sources(o) * o->servers > LPORT_SETS_MAX)
		fault = "so many flows need more servers, each of which has 64,512 local ports an "
			"address, or so many servers fewer flows";
	if (!fault)
		return;
	fprintf(stderr, "fairlead-bench: %s\n", fault);
	exit(2);
}

void options_parse(int argc, char **argv, struct bench_options *o)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "encapsulation", required_argument, NULL, 'e' },
		{ "family", required_argument, NULL, '6' },
		{ "protocol", required_argument, NULL, 'P' },
		{ "packet", required_argument, NULL, 'p' },
		{ "flows", required_argument, NULL, 'f' },
		{ "new", no_argument, NULL, 'n' },
		{ "mix", required_argument, NULL, 'x' },
		{ "cookies", required_argument, NULL, 'k' },
		{ "scheduler", required_argument, NULL, 's' },
		{ "services", required_argument, NULL, 'S' },
		{ "servers", required_argument, NULL, 'V' },
		{ "workers", required_argument, NULL, 'w' },
		{ "stepped", no_argument, NULL, 't' },
		{ "handoff", required_argument, NULL, 'o' },
		{ "steering", required_argument, NULL, 'g' },
		{ "life", no_argument, NULL, 'l' },
		{ "suite", no_argument, NULL, 'u' },
		{ "quick", no_argument, NULL, 'q' },
		{ "core", required_argument, NULL, 'c' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "passes", required_argument, NULL, 'a' },
		{ "packets", required_argument, NULL, 'b' },
		{ "no-huge", no_argument, NULL, 'H' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	static const uint32_t flows_unless_told[] = {
		[BENCH_ONE] = 10000, [BENCH_LIFE] = 16000000, [BENCH_SUITE] = 16000000
	};
	bool mode = false;
	int c;

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		help(0);
	if (argc > 1 && strcmp(argv[1], "l7") == 0) {
		l7_options_parse(argc - 1, argv + 1, o);
		return;
	}
	if (argc < 2 || strcmp(argv[1], "l4") != 0)
		help(2);
	argc--;
	argv++;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h')
			help(0);
		mode |= c == 'm';
		if (!parse_load(c, optarg, o) && !parse_how(c, optarg, o))
			exit(2);
	}
	if (optind != argc || (!mode && o->kind == BENCH_ONE))
		help(2);
	if (o->flows == 0)
		o->flows = flows_unless_told[o->kind];
	check(o);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of fairlead-bench l7. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const char usage[] =
	"usage: fairlead-bench l7 --proto echo [OPTIONS]\n"
	"\n"
	"Measures the cycles a worker spends on connections that end in it: for one from SYN to\n"
	"the last ACK with a byte each way, and for a byte of those that pass in segments of "
	"1460.\n"
	"\n"
	"  --proto echo       the application sends back what it gets\n"
	"  --family 4|6       (4)\n"
	"  --connections N    connections that are made at a time (10000)\n"
	"  --streams N        connections that data passes over at a time (16)\n"
	"  --idle N           so many more are open and do nothing (0)\n"
	"  --time-wait N      and so many are in TIME-WAIT (0)\n"
	"  --rounds R         the best of so many counts (16)\n"
	"  --core C           core to run on (the last one)\n"
	"  --no-huge          no hugepages even where there are some\n"
	"  --json             one line of JSON, for programs\n"
	"\n"
	"The clients are the bench's own, on the same core between the polls of the worker; the\n"
	"polls alone are measured, checksums in software included.\n";

static void help(int status)
{
	fputs(usage, status ? stderr : stdout);
	exit(status);
}

static void parse_proto(const char *text)
{
	if (strcmp(text, "echo") != 0)
		options_wrong("proto", text, "echo");
}

static void parse_family(const char *text, struct bench_options *o)
{
	o->family = options_number("family", text, 4, 6);
	if (o->family == 5)
		options_wrong("family", text, "4 or 6");
	o->server_family = o->family;
}

static void parse(int c, const char *text, struct bench_options *o)
{
	switch (c) {
	case 'p':
		parse_proto(text);
		break;
	case '6':
		parse_family(text, o);
		break;
	case 'n':
		o->connections = options_number("connections", text, 1, 1000000);
		break;
	case 's':
		o->streams = options_number("streams", text, 1, 1000);
		break;
	case 'i':
		o->idle = options_number("idle", text, 0, 10000000);
		break;
	case 'w':
		o->time_wait = options_number("time-wait", text, 0, 10000000);
		break;
	case 'r':
		o->rounds = options_number("rounds", text, 1, 10000);
		break;
	case 'c':
		o->core = options_number("core", text, 0, 1023);
		break;
	case 'H':
		o->no_huge = true;
		break;
	case 'j':
		o->json = true;
		break;
	case 'h':
		help(0);
		break;
	default:
		exit(2);
	}
}

void l7_options_parse(int argc, char **argv, struct bench_options *o)
{
	static const struct option options[] = {
		{ "proto", required_argument, NULL, 'p' },
		{ "family", required_argument, NULL, '6' },
		{ "connections", required_argument, NULL, 'n' },
		{ "streams", required_argument, NULL, 's' },
		{ "idle", required_argument, NULL, 'i' },
		{ "time-wait", required_argument, NULL, 'w' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "core", required_argument, NULL, 'c' },
		{ "no-huge", no_argument, NULL, 'H' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	bool proto = false;
	int c;

	o->kind = BENCH_L7;
	o->mode = MODE_TCP;
	o->services = ECHO_ROLES;
	o->servers = 1;
	o->rounds = 16;
	o->connections = 10000;
	o->streams = 16;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		proto |= c == 'p';
		parse(c, optarg, o);
	}
	if (optind != argc || !proto)
		help(2);
	o->flows = o->idle + o->time_wait + o->connections + ECHO_ROLES * o->streams;
}

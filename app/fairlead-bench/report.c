/* SPDX-License-Identifier: BSD-3-Clause */
/* A result, for people and for programs. */
#include <netinet/in.h>
#include <stdio.h>

#include "bench.h"

static const char *protocol(const struct bench_options *o)
{
	return o->proto == IPPROTO_UDP ? "UDP" : "TCP";
}

static const char *steering(const struct bench_options *o)
{
	return o->software ? "software" : "nic";
}

static void text_workers(const struct bench_options *o, const struct bench_result *r)
{
	if (o->workers == 1)
		return;
	printf("workers   %u, %s; steering by %s; hand-off %s\n", o->workers,
		r->threads ? "each on a core of its own" : "in turn on one core", steering(o),
		handoff_name(o->handoff));
	for (unsigned int i = 0; i < o->workers; i++)
		printf("  %-8u%.1f cycles a packet\n", i, r->cost.worker[i]);
	if (o->handoff)
		printf("hand-off  %+.1f cycles a packet: %.1f without one\n",
			r->cost.cycles_per_packet - r->direct, r->direct);
}

void report_text(const struct bench_options *o, const struct bench_result *r)
{
	printf("mode      %s, IPv%u%s, %s, ", mode_name(o->mode), o->family,
		o->family == o->server_family ? "" : " to IPv4", protocol(o));
	if (o->cookies)
		printf(o->cookies == COOKIES_SYN ? "SYNs answered with cookies\n"
						 : "ACKs that bring cookies back\n");
	else if (o->mix == 0)
		printf("established\n");
	else if (o->mix == 100)
		printf("first packets\n");
	else
		printf("%u %% first packets\n", o->mix);
	printf("services  %u, %u servers by %s\n", o->services, o->servers, o->scheduler);
	printf("flows     %u open, %.1f bytes each\n", r->flows_open, r->bytes_per_flow);
	printf("memory    %s\n",
		r->hugepages ? "hugepages" : "no hugepages: TLB misses are part of the figures");
	printf("clock     %.0f MHz; reading it is %.1f of the cycles a packet\n", r->tsc_mhz,
		r->clock);
	printf("packets   %lu of %u bytes, best of %u rounds or more\n", (unsigned long)r->packets,
		o->packet, o->rounds);
	printf("dropped   %lu\n", (unsigned long)r->dropped);
	printf("burst     p99.9 %.2f us, max %.2f us\n", r->cost.p999_us, r->cost.max_us);
	text_workers(o, r);
	printf("cycles    %.1f a packet%s\n", r->cost.cycles_per_packet,
		o->mix || o->handoff ? ", with the rest of a poll" : "");
	for (int s = 0; s < STAGE_COUNT; s++)
		printf("  %-8s%.1f\n", stage_name((enum stage)s), r->stage[s]);
	printf("poll      %.1f cycles a packet%s\n", r->cost.poll,
		o->mix || o->handoff ? "" : " besides");
}

static void json_options(const struct bench_options *o)
{
	printf("{\"bench\": \"l4\", \"mode\": \"%s\", ", mode_name(o->mode));
	if (o->mode == MODE_TUNNEL)
		printf("\"encapsulation\": \"%s\", ", encap_name(o->encap));
	printf("\"family\": %u, \"server_family\": %u, \"protocol\": \"%s\", \"flows\": %u, ",
		o->family, o->server_family, o->proto == IPPROTO_UDP ? "udp" : "tcp", o->flows);
	printf("\"packet\": %u, \"new\": %s, \"mix\": %u, \"cookies\": \"%s\", ", o->packet,
		o->mix == 100 ? "true" : "false", o->mix, cookies_name(o->cookies));
	printf("\"scheduler\": \"%s\", ", o->scheduler);
	printf("\"services\": %u, \"servers\": %u, \"workers\": %u, \"handoff\": \"%s\", ",
		o->services, o->servers, o->workers, handoff_name(o->handoff));
	printf("\"steering\": \"%s\", \"rounds\": %u, ", steering(o), o->rounds);
}

void report_json(const struct bench_options *o, const struct bench_result *r)
{
	json_options(o);
	printf("\"threads\": %s, \"packets\": %lu, \"hugepages\": %s, \"tsc_mhz\": %.0f, "
	       "\"clock_cycles_per_packet\": %.2f, ",
		r->threads ? "true" : "false", (unsigned long)r->packets,
		r->hugepages ? "true" : "false", r->tsc_mhz, r->clock);
	printf("\"flows_open\": %u, \"cycles_per_packet\": %.2f, \"dropped\": %lu, ", r->flows_open,
		r->cost.cycles_per_packet, (unsigned long)r->dropped);
	printf("\"bytes_per_flow\": %.2f, \"table_bytes\": %lu, ", r->bytes_per_flow,
		(unsigned long)r->table_bytes);
	printf("\"burst_p999_us\": %.3f, \"burst_max_us\": %.3f, ", r->cost.p999_us,
		r->cost.max_us);
	printf("\"poll_cycles_per_packet\": %.2f, ", r->cost.poll);
	if (o->handoff)
		printf("\"direct_cycles_per_packet\": %.2f, \"handoff_cycles_per_packet\": %.2f, ",
			r->direct, r->cost.cycles_per_packet - r->direct);
	printf("\"handed_over\": %lu, \"worker_cycles_per_packet\": [",
		(unsigned long)r->handed_over);
	for (unsigned int i = 0; i < o->workers; i++)
		printf("%s%.2f", i ? ", " : "", r->cost.worker[i]);
	printf("], \"stages\": {");
	for (int s = 0; s < STAGE_COUNT; s++)
		printf("%s\"%s\": %.2f", s ? ", " : "", stage_name((enum stage)s), r->stage[s]);
	printf("}}");
}

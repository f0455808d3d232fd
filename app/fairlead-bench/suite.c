/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of docs/performance.md in one run: each row is measured in a process of its own, so
 * that memory begins anew, and printed with its goal when it is done. With --json, a line with all
 * of it comes last.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_version.h>

#include "bench.h"

#define ROWS_MAX 128
#define K        1000u
#define M        1000000u

enum section { ESTABLISHED, CURVE, FAMILIES, SIZES, UDP, FIRST, COOKIES, MIXED, WORKERS, SECTIONS };

static const struct {
	const char *name, *title;
} sections[SECTIONS] = {
	[ESTABLISHED] = { "established", "Established flows, IPv4, 64 bytes" },
	[CURVE] = { "curve", "The same, with as many flows as DPVS was measured with" },
	[FAMILIES] = { "families", "Established flows, IPv6, and IPv6 clients of IPv4 servers" },
	[SIZES] = { "sizes", "Established flows, longer packets, checksums in software" },
	[UDP] = { "udp", "UDP" },
	[FIRST] = { "new", "First packets, as many old flows expire" },
	[COOKIES] = { "cookies", "SYN cookies: SYNs that are answered, and ACKs that open flows" },
	[MIXED] = { "mix", "A mix" },
	[WORKERS] = { "workers", "Two workers, and what it costs to hand a packet over" },
};

struct row {
	struct bench_options o;
	enum section section;
	unsigned int goal; /* cycles a packet; 0: none */
	bool failed;
	struct bench_result result;
};

struct suite {
	const struct bench_options *base;
	struct row row[ROWS_MAX];
	unsigned int n;
};

/* ---- what is measured ----------------------------------------------------------------------- */

/* One more row like the base, with at most as many flows as --flows says. */
static struct row *add(struct suite *s, enum section section, enum mode mode, uint32_t flows)
{
	struct row *r = &s->row[s->n++];

	*r = (struct row){ .o = *s->base, .section = section };
	r->o.kind = BENCH_ONE;
	r->o.mode = mode;
	r->o.flows = RTE_MIN(flows, s->base->flows);
	return r;
}

/* Of docs/performance.md, by mode and flows. */
static unsigned int goal(enum mode mode, uint32_t flows)
{
	const unsigned int size = flows <= 10 * K ? 0 : flows <= M ? 1 : 2;
	static const unsigned int dr[] = { 60, 90, 110 }, tunnel[] = { 70, 100, 120 },
				  nat[] = { 80, 120, 150 };

	return mode == MODE_DR ? dr[size] : mode == MODE_TUNNEL ? tunnel[size] : nat[size];
}

static const enum mode modes[] = { MODE_DR, MODE_TUNNEL, MODE_NAT, MODE_FULLNAT };

static void add_established(struct suite *s, const uint32_t *flows, unsigned int n)
{
	for (unsigned int m = 0; m < RTE_DIM(modes); m++)
		for (unsigned int f = 0; f < n; f++)
			add(s, ESTABLISHED, modes[m], flows[f])->goal = goal(modes[m], flows[f]);
}

static void add_curve(struct suite *s)
{
	for (unsigned int m = 0; m < RTE_DIM(modes); m++) {
		add(s, CURVE, modes[m], K);
		add(s, CURVE, modes[m], 64 * K);
	}
}

static void add_families(struct suite *s)
{
	static const uint32_t flows[] = { 10 * K, M };

	for (unsigned int f = 0; f < RTE_DIM(flows); f++) {
		for (unsigned int m = 0; m < RTE_DIM(modes); m++) {
			struct row *r = add(s, FAMILIES, modes[m], flows[f]);

			r->o.family = r->o.server_family = 6;
		}
		add(s, FAMILIES, MODE_FULLNAT, flows[f])->o.family = 6;
	}
}

static void add_sizes_and_udp(struct suite *s)
{
	static const unsigned int sizes[] = { 512, 1518 };

	for (unsigned int p = 0; p < RTE_DIM(sizes); p++) {
		add(s, SIZES, MODE_DR, M)->o.packet = sizes[p];
		add(s, SIZES, MODE_NAT, M)->o.packet = sizes[p];
	}
	for (unsigned int m = 0; m < RTE_DIM(modes); m++) {
		struct row *r = add(s, UDP, modes[m], M);

		r->o.proto = IPPROTO_UDP;
		r = add(s, UDP, modes[m], M);
		r->o.proto = IPPROTO_UDP;
		r->o.mix = 100;
		r->goal = 400;
	}
}

static void add_first(struct suite *s, enum mode mode, uint32_t flows, const char *scheduler)
{
	struct row *r = add(s, FIRST, mode, flows);

	r->o.mix = 100;
	r->o.scheduler = scheduler;
	r->goal = 400;
}

static void add_firsts(struct suite *s, uint32_t flows, const char *scheduler)
{
	for (unsigned int m = 0; m < RTE_DIM(modes); m++)
		add_first(s, modes[m], flows, scheduler);
}

static void add_cookies(struct suite *s, enum mode mode, unsigned int family)
{
	for (int c = COOKIES_SYN; c < COOKIES_COUNT; c++) {
		struct row *r = add(s, COOKIES, mode, M);

		r->o.cookies = (enum cookies)c;
		r->o.family = r->o.server_family = family;
	}
}

static void add_workers(struct suite *s)
{
	static const enum mode some[] = { MODE_DR, MODE_NAT };

	for (unsigned int m = 0; m < RTE_DIM(some); m++) {
		add(s, MIXED, some[m], M)->o.mix = 10;
		add(s, WORKERS, some[m], M)->goal = 0;
		for (int h = 0; h < HANDOFF_COUNT; h++) {
			struct row *r = add(s, WORKERS, some[m], M);

			r->o.workers = 2;
			r->o.handoff = (enum handoff)h;
		}
	}
}

static void plan(struct suite *s, bool quick)
{
	static const uint32_t flows[] = { 10 * K, M, 16 * M };

	add_established(s, flows, quick ? 2 : 3);
	if (quick) {
		add_firsts(s, M, "round-robin");
		add_cookies(s, MODE_NAT, 4);
		return;
	}
	add_curve(s);
	add_families(s);
	add_sizes_and_udp(s);
	add_firsts(s, 10 * K, "round-robin");
	for (const struct sched_ops *const *sched = sched_list; *sched; sched++)
		add_firsts(s, M, (*sched)->name);
	add_first(s, MODE_DR, 16 * M, "round-robin");
	add_first(s, MODE_NAT, 16 * M, "round-robin");
	add_cookies(s, MODE_NAT, 4);
	add_cookies(s, MODE_NAT, 6);
	add_cookies(s, MODE_FULLNAT, 4);
	add_workers(s);
}

/* ---- a row ---------------------------------------------------------------------------------- */

/* In a process of its own; its result comes through a pipe. 0 or -1. */
static int measure(const struct row *r, struct bench_result *out)
{
	int fd[2], status = 1;
	ssize_t n = 0;
	pid_t pid;

	fflush(stdout);
	if (pipe(fd) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		struct bench_options o = r->o;
		const int rc = bench_run(&o, out);

		if (rc == 0 && write(fd[1], out, sizeof(*out)) != sizeof(*out))
			_exit(1);
		_exit(rc == 0 ? 0 : 1);
	}
	close(fd[1]);
	if (pid > 0) {
		n = read(fd[0], out, sizeof(*out));
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(fd[0]);
	return status == 0 && n == (ssize_t)sizeof(*out) ? 0 : -1;
}

/* Keeps the better of two results; a packet dropped in either is a packet dropped. */
static void improve(struct row *r, unsigned int pass)
{
	struct bench_result now, *best = &r->result;
	uint64_t dropped = best->dropped;

	if (measure(r, &now) < 0) {
		r->failed = true;
		return;
	}
	dropped += now.dropped;
	if (pass == 0 || now.cost.cycles_per_packet < best->cost.cycles_per_packet)
		*best = now;
	best->dropped = dropped;
}

static void describe(const struct row *r, char *out, size_t size)
{
	static const char *const names[] = { [MODE_DR] = "DR",
		[MODE_NAT] = "NAT",
		[MODE_FULLNAT] = "FULLNAT",
		[MODE_TUNNEL] = "tunnel" };
	const struct bench_options *o = &r->o;
	size_t n = (size_t)snprintf(out, size, "%s, IPv%u%s", names[o->mode], o->family,
		o->family == o->server_family ? "" : " to IPv4");

	if (o->proto == IPPROTO_UDP)
		n += (size_t)snprintf(out + n, size - n, ", UDP");
	if (o->cookies)
		n += (size_t)snprintf(out + n, size - n, ", %s",
			o->cookies == COOKIES_SYN ? "SYNs" : "ACKs with cookies");
	if (o->mix == 100)
		n += (size_t)snprintf(out + n, size - n, ", first packets, %s", o->scheduler);
	else if (o->mix)
		n += (size_t)snprintf(out + n, size - n, ", %u %% first packets", o->mix);
	if (o->packet != 64)
		n += (size_t)snprintf(out + n, size - n, ", %u bytes", o->packet);
	if (o->workers > 1)
		n += (size_t)snprintf(out + n, size - n, ", %u workers%s", o->workers,
			r->result.threads ? "" : " in turn");
	if (o->handoff)
		n += (size_t)snprintf(out + n, size - n, ", hand-off %s: %+.0f",
			handoff_name(o->handoff),
			r->result.cost.cycles_per_packet - r->result.direct);
	if (!r->result.hugepages)
		snprintf(out + n, size - n, ", no hugepages");
}

static void print_flows(uint32_t flows)
{
	if (flows >= M && flows % M == 0)
		printf("%u M", flows / M);
	else if (flows >= K && flows % K == 0)
		printf("%u k", flows / K);
	else
		printf("%u", flows);
}

static void print_row(const struct row *r)
{
	const struct bench_result *b = &r->result;
	char what[128];

	describe(r, what, sizeof(what));
	printf("| %s | ", what);
	print_flows(r->o.flows);
	if (r->failed) {
		printf(" | failed\n");
		return;
	}
	printf(" | %.0f | ", b->cost.cycles_per_packet);
	if (r->goal)
		printf("%u", r->goal);
	for (int i = 0; i < STAGE_COUNT; i++)
		printf(" | %.0f", b->stage[i]);
	printf(" | %.0f | %.1f | %.0f | %lu |\n", b->cost.poll, b->cost.p999_us, b->bytes_per_flow,
		(unsigned long)b->dropped);
}

static void print_head(enum section section)
{
	printf("\n%s:\n\n| | flows | cycles | goal", sections[section].title);
	for (int i = 0; i < STAGE_COUNT; i++)
		printf(" | %s", stage_name((enum stage)i));
	printf(" | poll | burst, µs | bytes a flow | dropped |\n|");
	for (int i = 0; i < STAGE_COUNT + 8; i++)
		printf("---|");
	printf("\n");
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* The processor's name, without what JSON would stumble over. */
static void processor(char *out, size_t size)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "r");

	snprintf(out, size, "unknown");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) {
			snprintf(out, size, "%.*s", (int)strcspn(strchr(line, ':') + 2, "\"\\\n"),
				strchr(line, ':') + 2);
			break;
		}
	if (f)
		fclose(f);
}

static void print_json(const struct suite *s, bool quick)
{
	struct utsname kernel;
	char cpu[128];
	bool first = true;

	processor(cpu, sizeof(cpu));
	uname(&kernel);
	printf("\n{\"bench\": \"l4-suite\", \"quick\": %s, \"hardware\": {\"cpu\": \"%s\", "
	       "\"cores\": %ld, "
	       "\"kernel\": \"%s\", \"dpdk\": \"%s\"}, \"rows\": [",
		quick ? "true" : "false", cpu, sysconf(_SC_NPROCESSORS_ONLN), kernel.release,
		rte_version());
	for (unsigned int i = 0; i < s->n; i++) {
		const struct row *r = &s->row[i];

		if (r->failed)
			continue;
		printf("%s{\"section\": \"%s\", \"goal\": %u, \"result\": ", first ? "" : ", ",
			sections[r->section].name, r->goal);
		report_json(&r->o, &r->result);
		printf("}");
		first = false;
	}
	printf("]}\n");
}

/* Whether nothing failed or was dropped. */
static bool print_section(const struct suite *s, enum section section)
{
	bool ok = true, any = false;

	for (unsigned int i = 0; i < s->n; i++) {
		const struct row *r = &s->row[i];

		if (r->section != section)
			continue;
		if (!any)
			print_head(section);
		any = true;
		print_row(r);
		ok &= !r->failed && r->result.dropped == 0;
	}
	return ok;
}

int bench_suite(const struct bench_options *base)
{
	struct suite *s = calloc(1, sizeof(*s));
	bool ok = true;

	if (!s)
		return -1;
	s->base = base;
	plan(s, base->quick);
	for (unsigned int pass = 0; pass < base->passes; pass++)
		for (unsigned int i = 0; i < s->n; i++) {
			if (isatty(STDERR_FILENO))
				fprintf(stderr, "\rpass %u of %u, row %u of %u ", pass + 1,
					base->passes, i + 1, s->n);
			improve(&s->row[i], pass);
		}
	for (int section = 0; section < SECTIONS; section++)
		ok &= print_section(s, (enum section)section);
	if (base->json)
		print_json(s, base->quick);
	free(s);
	return ok ? 0 : -1;
}

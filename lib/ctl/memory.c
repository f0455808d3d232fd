/* SPDX-License-Identifier: BSD-3-Clause */
/* What a configuration costs in memory, and what hugepages the machine has for it. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "config.h"
#include "l4/synproxy.h"
#include "l7/relay.h"
#include "net/port.h"

/* Packet buffers of the control core, and what a buffer costs beside its room. */
#define CONTROL_PACKETS 1024
#define KERNEL_PACKETS  256 /* of an interface of the kernel's share */
#define PAGE            UINT64_C(4096)
#define PACKET_OVERHEAD (sizeof(struct rte_mbuf) + sizeof(struct rte_mempool_objhdr) + 64)

static uint64_t packet_bytes(const struct config *c)
{
	uint64_t room = RTE_MBUF_DEFAULT_BUF_SIZE;

	for (unsigned int i = 0; i < c->n_devices; i++)
		if (c->device_mtu[i] + 256u > room)
			room = c->device_mtu[i] + 256u;
	return room + PACKET_OVERHEAD;
}

/* Sets of local ports that a worker may come to need: one a server and source, in two protocols. */
static unsigned int lport_sets(const struct model_conf *m)
{
	unsigned int sets = 0;
	bool wanted = false;

	for (unsigned int i = 0; i < m->n_services; i++)
		wanted |= m->services[i].mode == MODE_FULLNAT || m->services[i].mode == MODE_TCP;
	for (unsigned int i = 0; wanted && i < m->n_pools; i++)
		for (unsigned int j = 0; j < m->pools[i].n_servers; j++)
			sets += 2 * RTE_MAX(1u, m->pools[i].servers[j].n_sources);
	return RTE_MIN(sets, (unsigned int)LPORT_SETS_MAX);
}

uint32_t config_persistence(const struct config *c)
{
	uint32_t part = c->limits.persistence / c->n_workers;

	return c->n_workers == 1 ? part : part + part / 16 + 64;
}

uint32_t config_source_rates(const struct config *c)
{
	return c->limits.source_rates / c->n_workers;
}

uint32_t config_relays(const struct config *c)
{
	return c->limits.connections / c->n_workers;
}

void config_tcp(const struct config *c, struct tcp_conf *out)
{
	const uint32_t pairs = config_relays(c);

	*out = tcp_conf_defaults;
	/* Both sides of a pair, and what is closed and not over. */
	out->max_orphans = pairs;
	out->max_conns = 3 * pairs;
	out->max_half_open = RTE_MAX(pairs / 4, 16u);
	out->max_segments = RTE_MAX(16 * pairs, 16384u);
}

/* What TCP of the workers takes: its instances, and the packets they send. */
static uint64_t tcp_memory(const struct config *c)
{
	struct tcp_conf conf;

	config_tcp(c, &conf);
	/* Without hugepages no packet lies across pages. */
	return c->n_workers * (tcp_bytes(&conf) + relays_bytes(config_relays(c)) +
				      c->limits.packets * RTE_ALIGN_CEIL(packet_bytes(c), PAGE));
}

void config_memory(const struct config *c, struct memory_plan *out)
{
	struct flow_conf flow = {
		.max_v4 = c->limits.flows_v4 / c->n_workers,
		.max_v6 = c->limits.flows_v6 / c->n_workers,
	};
	uint64_t slots = MODEL_SERVICES_MAX + MODEL_SERVERS_MAX;
	/* A worker's counters and picks by slot, its rings, hold queue and use of neighbours. */
	uint64_t worker = slots * (sizeof(struct traffic) + 3 * sizeof(uint32_t)) +
			  MODEL_SERVICES_MAX * sizeof(struct guarded) +
			  rate_bytes(config_source_rates(c)) + c->neighbour.max * sizeof(uint32_t) +
			  c->neighbour.hold_max * 64u + lport_bytes(lport_sets(&c->model)) +
			  (4u << 20);

	worker += frag_bytes(&c->fragments) + synproxy_bytes();
	*out = (struct memory_plan){
		.connections = tcp_memory(c),
		.packets = ((uint64_t)c->limits.packets * c->n_workers + CONTROL_PACKETS +
				   (uint64_t)c->n_kernels * KERNEL_PACKETS) *
			   packet_bytes(c),
		.flows = flow_table_bytes(&flow) * c->n_workers,
		.persistence = persist_bytes(config_persistence(c)) * c->n_workers,
		.neighbours = c->neighbour.max * UINT64_C(192),
		/* Two snapshots of routes and schedulers' tables, and the drivers' own. */
		.rest = worker * (c->n_workers + 1) + (32u << 20),
	};
	out->total = out->packets + out->connections + out->flows + out->persistence +
		     out->neighbours + out->rest;
}

static uint64_t file_number(const char *folder, const char *name)
{
	unsigned long long n = 0;
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/%s", folder, name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

uint64_t memory_hugepages_free(void)
{
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	uint64_t total = 0;

	if (!dir)
		return 0;
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		unsigned long long kib;

		if (sscanf(e->d_name, "hugepages-%llukB", &kib) == 1)
			total += file_number(e->d_name, "free_hugepages") * kib * 1024;
	}
	closedir(dir);
	return total;
}

void memory_check(const struct memory_plan *plan, uint64_t free_bytes, struct faults *faults)
{
	/* The same figure and the same advice as at the start. */
	const struct eal_plan eal = { .memory = plan->total };
	unsigned long long need = eal_plan_mib(&eal);

	if (need > free_bytes >> 20)
		fault_warn(faults, "limits",
			"%llu MiB of hugepages are planned, free are %llu MiB: reserve them with "
			"scripts/bind-nic hugepages %lluM, lower \"limits\", or do without: -- "
			"--no-huge",
			need, (unsigned long long)(free_bytes >> 20), need);
}

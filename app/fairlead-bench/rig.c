/* SPDX-License-Identifier: BSD-3-Clause */
/* A balancer of one worker for the bench: made with the daemon's own constructors, on rings that
 * nobody fills. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "bench.h"
#include "sched/sched.h"

#define WAN_GATEWAY BENCH_IPV4(192, 0, 2, 254)

static const struct model_sched scheduling = {
	.find = sched_find, .build = sched_pool_build, .destroy = sched_pool_destroy
};

/* Entries of the flow table: with --new, those that are over but not yet looked at too. */
static uint32_t table_size(const struct bench_options *o)
{
	return o->new_flows ? o->flows + o->flows / 8 + 4096 : o->flows;
}

static struct flow_conf table_conf(const struct bench_options *o)
{
	return (struct flow_conf){
		.max_v4 = o->family == 4 ? table_size(o) : 0,
		.max_v6 = o->family == 6 ? table_size(o) : 0,
	};
}

uint64_t rig_memory(const struct bench_options *o)
{
	struct flow_conf flows = table_conf(o);

	return flow_table_bytes(&flows) + (uint64_t)o->packets * (RTE_MBUF_DEFAULT_BUF_SIZE + 256) +
	       (64u << 20);
}

static int open_nic(struct rig *r, uint16_t id)
{
	struct faults faults = { 0 };
	struct rte_ring *rings[3];
	char name[32], device[48];
	struct nic_conf conf = { .id = id, .device = device, .want_rxqs = 1, .want_txqs = 2 };

	for (unsigned int i = 0; i < RTE_DIM(rings); i++) {
		snprintf(name, sizeof(name), "bench%hu_%u", id, i);
		rings[i] = rte_ring_create(name, 1024, SOCKET_ID_ANY, 0);
		if (!rings[i])
			return -1;
	}
	snprintf(name, sizeof(name), "bench%hu", id);
	snprintf(device, sizeof(device), "net_ring_%s", name);
	if (rte_eth_from_rings(name, &rings[0], 1, &rings[1], 2, 0) < 0)
		return -1;
	r->nic[id] = nic_open(&conf, r->pool, &faults);
	for (size_t i = 0; i < faults.n; i++)
		fprintf(stderr, "fairlead-bench: %s: %s\n", faults.list[i].path,
			faults.list[i].text);
	faults_free(&faults);
	if (!r->nic[id])
		return -1;
	r->nic[id]->mac = (struct rte_ether_addr){ { 2, 0, 0, 0, 0, (uint8_t)(id + 1) } };
	r->nic[id]->up = true;
	return 0;
}

/* ---- the configuration ---------------------------------------------------------------------- */

struct parts {
	struct port_conf port[BENCH_NICS];
	struct prefix address[BENCH_NICS];
	struct addr gateway;
	struct server_conf server[BENCH_SERVERS];
	char server_name[BENCH_SERVERS][16];
	struct pool_conf pool;
	struct service_conf service[BENCH_SERVICES];
	char service_name[BENCH_SERVICES][16];
	struct vip vip[BENCH_SERVICES];
};

static void describe_ports(struct parts *p, const struct rig *r, const struct bench_options *o)
{
	static const char *const names[] = { "wan", "lan" };

	p->gateway = frame_addr(o->family, WAN_GATEWAY);
	for (unsigned int i = 0; i < BENCH_NICS; i++) {
		p->address[i] = (struct prefix){ frame_addr(o->family, frame_self(i)),
			o->family == 4 ? 24 : 120 };
		p->port[i] = (struct port_conf){
			.nic = (uint8_t)i,
			.mac = r->nic[i]->mac,
			.addresses = &p->address[i],
			.n_addresses = 1,
			.gateways = &p->gateway,
			.n_gateways = i == BENCH_WAN,
		};
		snprintf(p->port[i].name, sizeof(p->port[i].name), "%s", names[i]);
	}
}

static void describe_services(struct parts *p, const struct bench_options *o)
{
	for (unsigned int i = 0; i < BENCH_SERVERS; i++) {
		snprintf(p->server_name[i], sizeof(p->server_name[i]), "server%u", i);
		p->server[i] = (struct server_conf){
			.name = p->server_name[i],
			.weight = 1,
			.endpoint = { frame_addr(o->family, frame_server(i)),
				o->mode == MODE_DR || o->mode == MODE_TUNNEL ? 0 : 8080 },
		};
	}
	p->pool = (struct pool_conf){ .name = "pool",
		.scheduler = "round-robin",
		.servers = p->server,
		.n_servers = BENCH_SERVERS };
	for (unsigned int i = 0; i < BENCH_SERVICES; i++) {
		snprintf(p->service_name[i], sizeof(p->service_name[i]), "service%u", i);
		p->vip[i] = (struct vip){ frame_addr(o->family, frame_service(i)), { 80, 80 } };
		p->service[i] = (struct service_conf){
			.name = p->service_name[i],
			.pool = "pool",
			.mode = o->mode,
			.encap = o->encap,
			.proto = IPPROTO_TCP,
			.timeouts = { 30000, 900000, 60000, 60000, 10000, 30000, 180000 },
			.vips = &p->vip[i],
			.n_vips = 1,
		};
	}
}

static int publish(struct rig *r, const struct bench_options *o)
{
	struct parts *p = calloc(1, sizeof(*p));
	struct model_idle idle = workers_idle(r->workers);
	struct faults faults = { 0 };
	struct model *m = NULL;

	if (!p)
		return -1;
	describe_ports(p, r, o);
	describe_services(p, o);
	struct model_conf conf = {
		.net = { .ports = p->port, .n_ports = BENCH_NICS },
		.pools = &p->pool,
		.n_pools = 1,
		.services = p->service,
		.n_services = BENCH_SERVICES,
		.cluster_key = { { 1, 2 } },
	};
	m = model_build(&conf, r->slots, NULL, &idle, &scheduling, &faults);
	for (size_t i = 0; i < faults.n; i++)
		fprintf(stderr, "fairlead-bench: %s: %s\n", faults.list[i].path,
			faults.list[i].text);
	faults_free(&faults);
	free(p);
	return m ? snapshot_publish(&r->snapshot, m, r->rcu, &scheduling) : -1;
}

/* ---- neighbours ----------------------------------------------------------------------------- */

/* Every server and the gateway have answered. */
static void introduce(struct rig *r, const struct bench_options *o)
{
	struct net_worker *control = r->workers->net[1];

	control->table = r->snapshot.model->net;
	control->now_ms = (uint32_t)(r->ns / 1000000);
	control->epoch = neigh_epoch(r->neigh);
	for (unsigned int i = 0; i <= BENCH_SERVERS; i++) {
		const bool server = i < BENCH_SERVERS;
		struct addr a = frame_addr(o->family, server ? frame_server(i) : WAN_GATEWAY);
		uint8_t port = server ? BENCH_LAN : BENCH_WAN;
		struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);

		neigh_need(r->neigh, control, port, &a);
		frame_neighbour(m, r, port, &a);
		neigh_input(r->neigh, control, m);
	}
	net_flush(control);
}

/* ---- life ----------------------------------------------------------------------------------- */

static int make_worker(struct rig *r, const struct bench_options *o)
{
	struct rte_mempool *pools[2] = { r->pool, r->pool };
	struct neigh_conf neigh = neigh_defaults;
	struct flow_conf flows = table_conf(o);
	struct faults faults = { 0 };
	struct workers_conf conf = {
		.n = 1,
		.nics = r->nic,
		.n_nics = BENCH_NICS,
		.neigh_conf = &neigh,
		.pools = pools,
		.snapshot = &r->snapshot,
		.tsc_hz = 1000000000,
		.max_v4 = flows.max_v4,
		.max_v6 = flows.max_v6,
	};

	neigh.workers = 2;
	r->rcu = conf.rcu = rcu_create(1);
	r->slots = model_slots_create();
	if (!r->rcu || !r->slots)
		return -1;
	r->neigh = conf.neigh = neigh_create(&neigh, r->rcu);
	if (!r->neigh)
		return -1;
	r->workers = workers_create(&conf, &faults);
	faults_free(&faults);
	if (!r->workers)
		return -1;
	r->worker = r->workers->worker[0];
	return 0;
}

int rig_open(struct rig *r, const struct bench_options *o)
{
	memset(r, 0, sizeof(*r));
	r->ns = 1000000000;
	r->pool = rte_pktmbuf_pool_create(
		"bench", o->packets + 1024, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!r->pool) {
		fprintf(stderr, "fairlead-bench: no memory for %u packets: %s\n", o->packets,
			rte_strerror(rte_errno));
		return -1;
	}
	for (uint16_t i = 0; i < BENCH_NICS; i++)
		if (open_nic(r, i) < 0)
			return -1;
	if (make_worker(r, o) < 0) {
		fprintf(stderr, "fairlead-bench: no memory for %u flows\n", o->flows);
		return -1;
	}
	if (publish(r, o) < 0)
		return -1;
	worker_poll(r->worker, r->ns);
	introduce(r, o);
	worker_poll(r->worker, r->ns);
	return 0;
}

void rig_close(struct rig *r)
{
	if (r->workers)
		workers_destroy(r->workers);
	if (r->snapshot.model)
		model_free(r->snapshot.model, &scheduling);
	if (r->neigh)
		neigh_destroy(r->neigh);
	if (r->slots)
		model_slots_destroy(r->slots);
	if (r->rcu)
		rcu_destroy(r->rcu);
	for (unsigned int i = 0; i < BENCH_NICS; i++)
		if (r->nic[i])
			nic_close(r->nic[i]);
}

uint64_t rig_dropped(const struct rig *r)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < DROP_MAX; i++)
		n += r->worker->net->drop[i];
	return n;
}

void rig_print_drops(const struct rig *r)
{
	for (unsigned int i = 0; i < DROP_MAX; i++)
		if (r->worker->net->drop[i])
			fprintf(stderr, "fairlead-bench: dropped %lu: %s\n",
				(unsigned long)r->worker->net->drop[i],
				drop_text((enum drop_reason)i));
}

unsigned int rig_collect(struct rig *r, struct rte_mbuf **out)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < BENCH_NICS; i++) {
		struct tx_buffer *tx = &r->worker->net->tx[i];

		memcpy(out + n, tx->mbuf, tx->n * sizeof(tx->mbuf[0]));
		n += tx->n;
		tx->n = tx->tried = 0;
	}
	return n;
}

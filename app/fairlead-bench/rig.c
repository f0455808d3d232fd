/* SPDX-License-Identifier: BSD-3-Clause */
/* A balancer for the bench: made with the daemon's own constructors, on rings that nobody fills. */
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
#define POOL_CACHE  256 /* where TCP takes packets out of pools: as the daemon's */

static const struct model_sched scheduling = {
	.find = sched_find, .build = sched_pool_build, .destroy = sched_pool_destroy
};

uint32_t rig_embryos(const struct bench_options *o)
{
	const uint32_t share = (uint32_t)((uint64_t)o->flows * o->mix / 100);

	if (o->mix == 0 || o->mix == 100)
		return share;
	return RTE_MAX(share, 4096u);
}

unsigned int rig_sources(const struct bench_options *o)
{
	const uint64_t each = (uint64_t)LPORT_COUNT * o->servers;

	if (o->mode != MODE_FULLNAT)
		return 0;
	/* Schedulers and hashes do not fill all alike. */
	return 1 + (unsigned int)(((uint64_t)o->flows + rig_embryos(o)) * 5 / 4 / each);
}

/* Entries of a worker's table: first packets that are over but not yet looked at too, and with
 * several workers what one may have more than another. */
static uint32_t table_size(const struct bench_options *o)
{
	const uint32_t embryos = rig_embryos(o);
	uint32_t n = (o->mix == 100 ? 0 : o->flows) + embryos;

	if (o->workers > 1)
		n = n / o->workers + n / o->workers / 32 + 1024;
	if (o->cookies) /* whose clients have proved themselves and not yet given up */
		n = RTE_MAX(n, (uint32_t)BENCH_ROUND);
	return n + (embryos ? embryos / o->workers / 8 + 4096 : 0);
}

static struct flow_conf table_conf(const struct bench_options *o)
{
	const bool v6 = o->family == 6 || o->server_family == 6;

	return (struct flow_conf){
		.max_v4 = v6 ? 0 : table_size(o),
		.max_v6 = v6 ? table_size(o) : 0,
	};
}

/* Packets that a stream may have under way, or in queues. */
#define STREAM_PACKETS 256

/* Without hugepages no packet lies across two pages. */
#define PACKET_BYTES      (RTE_MBUF_DEFAULT_BUF_SIZE + 256)
#define PACKET_PAGE_BYTES 4160

/* Packets that TCP makes, and as many that its clients do. */
static unsigned int tcp_packets(const struct bench_options *o)
{
	return 4 * o->connections + STREAM_PACKETS * o->streams + 8192;
}

static struct tcp_conf tcp_numbers(const struct bench_options *o)
{
	struct tcp_conf conf = tcp_conf_defaults;

	conf.max_conns = o->idle + o->connections + ECHO_ROLES * o->streams;
	conf.max_half_open = conf.max_orphans = conf.max_conns;
	conf.max_segments = tcp_packets(o);
	return conf;
}

static unsigned int pool_size(const struct bench_options *o)
{
	if (o->mode == MODE_TCP)
		return tcp_packets(o);
	return (o->packets + 1024) * o->workers;
}

uint64_t rig_memory(const struct bench_options *o)
{
	const struct flow_conf flows = table_conf(o);
	const uint64_t worker =
		flow_table_bytes(&flows) + lport_bytes(rig_sources(o) * o->servers) + (32u << 20);

	const struct tcp_conf tcp = tcp_numbers(o);
	const bool local = o->mode == MODE_TCP;
	const uint64_t packets = (uint64_t)pool_size(o) + (local ? tcp_packets(o) : 0);

	return worker * o->workers + packets * (o->no_huge ? PACKET_PAGE_BYTES : PACKET_BYTES) +
	       (local ? tcp_bytes(&tcp) : 0) + (64u << 20);
}

static struct rte_ring *open_ring(uint16_t nic, const char *what, unsigned int queue)
{
	char name[32];

	snprintf(name, sizeof(name), "bench%hu_%s%u", nic, what, queue);
	return rte_ring_create(name, RIG_COLLECT_MAX, SOCKET_ID_ANY, 0);
}

/* A queue a worker, and one more to send for the control core. */
static int open_nic(struct rig *r, const struct bench_options *o, uint16_t id)
{
	const uint16_t n = (uint16_t)o->workers;
	struct faults faults = { 0 };
	struct rte_ring **rx = r->rx[id];
	char name[16], device[32];
	struct nic_conf conf = {
		.id = id, .device = device, .want_rxqs = n, .want_txqs = n + 1, .mtu = BENCH_MTU
	};

	for (unsigned int i = 0; i <= n; i++) {
		r->tx[id][i] = open_ring(id, "tx", i);
		if (i < n)
			rx[i] = open_ring(id, "rx", i);
		if (!r->tx[id][i] || (i < n && !rx[i]))
			return -1;
	}
	snprintf(name, sizeof(name), "bench%hu", id);
	snprintf(device, sizeof(device), "net_ring_%s", name);
	if (rte_eth_from_rings(name, rx, n, r->tx[id], n + 1, 0) < 0)
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
	struct addr source[BENCH_SOURCES_MAX];
	struct server_conf server[BENCH_SERVERS_MAX];
	char server_name[BENCH_SERVERS_MAX][24];
	struct pool_conf pool;
	struct service_conf service[BENCH_SERVICES_MAX];
	char service_name[BENCH_SERVICES_MAX][24];
	struct vip vip[BENCH_SERVICES_MAX];
};

static void describe_ports(struct parts *p, const struct rig *r, const struct bench_options *o)
{
	static const char *const names[] = { "wan", "lan" };

	p->gateway = frame_addr(o->family, WAN_GATEWAY);
	for (unsigned int i = 0; i < BENCH_NICS; i++) {
		const unsigned int family = frame_family(o, i);

		p->address[i] = (struct prefix){ frame_addr(family, frame_self(i)),
			(family == 4 ? 0 : 96) + (i == BENCH_WAN ? 24 : 16) };
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

static void describe_pool(struct parts *p, const struct bench_options *o)
{
	const unsigned int sources = rig_sources(o);

	for (unsigned int i = 0; i < sources; i++)
		p->source[i] = frame_addr(o->server_family, frame_source(i));
	for (unsigned int i = 0; i < o->servers; i++) {
		snprintf(p->server_name[i], sizeof(p->server_name[i]), "server%u", i);
		p->server[i] = (struct server_conf){
			.name = p->server_name[i],
			.weight = 1,
			.endpoint = { frame_addr(o->server_family, frame_server(i)),
				o->mode == MODE_DR || o->mode == MODE_TUNNEL ? 0 : 8080 },
			.sources = p->source,
			.n_sources = sources,
		};
	}
	p->pool = (struct pool_conf){
		.name = "pool",
		.scheduler = o->scheduler,
		.servers = p->server,
		.n_servers = o->servers,
	};
}

static void describe_services(struct parts *p, const struct bench_options *o)
{
	for (unsigned int i = 0; i < o->services; i++) {
		snprintf(p->service_name[i], sizeof(p->service_name[i]), "service%u", i);
		p->vip[i] = (struct vip){ frame_addr(o->family, frame_service(i)), { 80, 80 } };
		p->service[i] = (struct service_conf){
			.name = p->service_name[i],
			.pool = "pool",
			.mode = o->mode,
			.encap = o->encap,
			.proto = o->proto,
			.syn_proxy = { .mode = o->cookies ? SYN_PROXY_ALWAYS : SYN_PROXY_OFF,
				.mss = 1440,
				.window = 14600,
				.wscale = 7,
				.sack = true,
				.timestamps = true },
			.timeouts = { .tcp_syn = BENCH_SYN_MS,
				.tcp_established = BENCH_ESTABLISHED_MS,
				.tcp_fin = 60000,
				.tcp_time_wait = 60000,
				.tcp_reset = 10000,
				.udp = BENCH_SYN_MS,
				.udp_stream = BENCH_ESTABLISHED_MS },
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
	describe_pool(p, o);
	describe_services(p, o);
	struct model_conf conf = {
		.net = { .ports = p->port, .n_ports = BENCH_NICS },
		.pools = &p->pool,
		.n_pools = 1,
		.services = p->service,
		.n_services = o->services,
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

static void introduce_one(struct rig *r, unsigned int port, struct addr a)
{
	struct net_worker *control = r->workers->net[r->workers->n];
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);

	neigh_need(r->neigh, control, (uint8_t)port, &a);
	frame_neighbour(m, r, port, &a);
	neigh_input(r->neigh, control, m);
	net_flush(control);
	/* What it asked. */
	for (unsigned int i = 0; i < BENCH_NICS; i++)
		while (rte_ring_dequeue(r->tx[i][r->workers->n], (void **)&m) == 0)
			rte_pktmbuf_free(m);
}

/* Every server and the gateway have answered. */
static void introduce(struct rig *r, const struct bench_options *o)
{
	struct net_worker *control = r->workers->net[r->workers->n];

	control->table = r->snapshot.model->net;
	control->now_ms = (uint32_t)(RIG_START_NS / 1000000);
	control->epoch = neigh_epoch(r->neigh);
	introduce_one(r, BENCH_WAN, frame_addr(o->family, WAN_GATEWAY));
	for (unsigned int i = 0; i < o->servers; i++)
		introduce_one(r, BENCH_LAN, frame_addr(o->server_family, frame_server(i)));
}

/* ---- life ----------------------------------------------------------------------------------- */

/* What connections that end here are for; NULL: there are none, or no memory. */
static const struct local_app *make_app(struct rig *r, const struct bench_options *o)
{
	if (o->mode != MODE_TCP)
		return NULL;
	r->tcp_pool = rte_pktmbuf_pool_create(
		"tcp", tcp_packets(o), POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!r->tcp_pool)
		return NULL;
	r->echo.pool = r->tcp_pool;
	r->echo_ctx = &r->echo;
	r->app = (struct local_app){
		.ops = &echo_ops,
		.ctx = &r->echo_ctx,
		.how = tcp_how_defaults,
		.conf = tcp_numbers(o),
		.pools = &r->tcp_pool,
	};
	/* What one poll can bring about fits a transmit ring. */
	r->app.how.sndbuf = 32 << 10;
	return &r->app;
}

static int make_workers(struct rig *r, const struct bench_options *o)
{
	struct rte_mempool *pools[BENCH_WORKERS_MAX + 1];
	struct neigh_conf neigh = neigh_defaults;
	const struct flow_conf flows = table_conf(o);
	struct faults faults = { 0 };
	struct workers_conf conf = {
		.n = o->workers,
		.nics = r->nic,
		.n_nics = BENCH_NICS,
		.neigh_conf = &neigh,
		.pools = pools,
		.snapshot = &r->snapshot,
		.tsc_hz = 1000000000,
		.max_v4 = flows.max_v4,
		.max_v6 = flows.max_v6,
		.local = make_app(r, o),
	};

	if (o->mode == MODE_TCP && !conf.local)
		return -1;
	for (unsigned int i = 0; i <= o->workers; i++)
		pools[i] = r->pool;
	neigh.workers = o->workers + 1;
	r->rcu = conf.rcu = rcu_create(o->workers);
	r->slots = model_slots_create();
	if (!r->rcu || !r->slots)
		return -1;
	r->neigh = conf.neigh = neigh_create(&neigh, r->rcu);
	if (!r->neigh)
		return -1;
	r->workers = workers_create(&conf, &faults);
	faults_free(&faults);
	return r->workers ? 0 : -1;
}

/* As if the nics computed what ctl/steering.c would ask of them. */
static void choose_steering(struct rig *r, const struct bench_options *o)
{
	const bool split = mode_by_client(o->mode);

	if (o->software || o->workers == 1)
		return;
	r->nic[BENCH_WAN]->hash = split ? NIC_HASH_SOURCE : NIC_HASH_TUPLE;
	r->nic[BENCH_LAN]->hash = split ? NIC_HASH_DESTINATION : NIC_HASH_TUPLE;
	steer_use(r->workers->steer, o->workers, split ? STEER_SPLIT : STEER_TUPLE, r->nic,
		BENCH_NICS);
}

static void poll_all(struct rig *r)
{
	for (unsigned int i = 0; i < r->workers->n; i++)
		worker_poll(r->workers->worker[i], RIG_START_NS);
}

int rig_open(struct rig *r, const struct bench_options *o)
{
	memset(r, 0, sizeof(*r));
	r->pool = rte_pktmbuf_pool_create("bench", pool_size(o),
		o->mode == MODE_TCP ? POOL_CACHE : 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!r->pool) {
		fprintf(stderr, "fairlead-bench: no memory for %u packets: %s\n", pool_size(o),
			rte_strerror(rte_errno));
		return -1;
	}
	for (uint16_t i = 0; i < BENCH_NICS; i++)
		if (open_nic(r, o, i) < 0)
			return -1;
	if (make_workers(r, o) < 0) {
		fprintf(stderr, "fairlead-bench: no memory for %u flows\n", o->flows);
		return -1;
	}
	choose_steering(r, o);
	if (publish(r, o) < 0)
		return -1;
	poll_all(r);
	introduce(r, o);
	poll_all(r);
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

static uint64_t dropped_for(const struct rig *r, unsigned int reason)
{
	uint64_t n = 0;

	for (unsigned int w = 0; w < r->workers->n; w++)
		n += r->workers->net[w]->drop[reason];
	return n;
}

uint64_t rig_dropped(const struct rig *r)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < DROP_MAX; i++)
		n += dropped_for(r, i);
	return n;
}

void rig_print_drops(const struct rig *r)
{
	for (unsigned int i = 0; i < DROP_MAX; i++)
		if (dropped_for(r, i))
			fprintf(stderr, "fairlead-bench: dropped %lu: %s\n",
				(unsigned long)dropped_for(r, i), drop_text((enum drop_reason)i));
}

struct flow_stats rig_flows(const struct rig *r)
{
	struct flow_stats all = { 0 }, one;

	for (unsigned int w = 0; w < r->workers->n; w++) {
		flow_stats(r->workers->worker[w]->l4.flows, &one);
		all.v4 += one.v4;
		all.v6 += one.v6;
		all.max_v4 += one.max_v4;
		all.max_v6 += one.max_v6;
		all.bytes += one.bytes;
		all.overflow += one.overflow;
	}
	return all;
}

unsigned int rig_collect(struct rig *r, const struct worker *w, struct rte_mbuf **out)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < BENCH_NICS; i++) {
		struct tx_buffer *tx = &w->net->tx[i];

		n += rte_ring_dequeue_burst(r->tx[i][w->id], (void **)out + n,
			RIG_COLLECT_MAX / BENCH_NICS - BURST_MAX, NULL);
		memcpy(out + n, tx->mbuf, tx->n * sizeof(tx->mbuf[0]));
		n += tx->n;
		tx->n = tx->tried = 0;
	}
	return n;
}

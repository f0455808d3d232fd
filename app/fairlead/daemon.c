/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "base/log.h"
#include "ctl/profile.h"

#define POOL_CACHE 256
/* Packets the control core may hold: questions to neighbours, answers on their way. */
#define CONTROL_PACKETS 1024
/* And that an interface of the kernel's share keeps ready. */
#define KERNEL_PACKETS 256

int daemon_configure(struct daemon *d, struct faults *faults)
{
	d->document = config_load(d->options.config_path, faults);
	if (!d->document)
		return -EINVAL;
	d->config = config_read(d->document, faults);
	return d->config && !faults->errors ? 0 : -EINVAL;
}

static const char *socket_path(const struct daemon *d)
{
	return d->options.socket_path ? d->options.socket_path : d->config->socket.path;
}

/* ---- steps of the start --------------------------------------------------------------------- */

static int start_folder(struct daemon *d, struct faults *faults)
{
	return ctl_folder_check(socket_path(d), faults);
}

/* Room for the largest frame of any device in one segment. */
static uint16_t packet_room(const struct config *c)
{
	unsigned int room = RTE_MBUF_DEFAULT_BUF_SIZE;

	for (unsigned int i = 0; i < c->n_devices; i++)
		room = RTE_MAX(room, c->device_mtu[i] + 2u * RTE_VLAN_HLEN + RTE_ETHER_HDR_LEN +
					     RTE_PKTMBUF_HEADROOM);
	return (uint16_t)room;
}

static int start_eal(struct daemon *d, struct faults *faults)
{
	const struct config *c = d->config;
	struct memory_plan memory;
	int rc;

	d->profiles = profiles_load(c->devices, c->n_devices, faults);
	if (!d->profiles)
		return -EINVAL;
	config_memory(c, &memory);
	struct eal_plan plan = {
		.program = "fairlead",
		.devices = c->devices,
		.n_devices = c->n_devices,
		.profiles = (const struct nic_profile *const *)d->profiles,
		.kernels = c->kernels,
		.n_kernels = c->n_kernels,
		.workers = c->workers,
		.n_workers = c->n_workers,
		.control = c->control,
		.lcores = d->options.lcores,
		.memory = memory.total,
		.extra = d->options.eal_args,
		.n_extra = d->options.n_eal_args,
	};
	rc = eal_start(&plan, faults);
	if (rc < 0)
		return rc;
	d->eal = true;
	rc = profiles_found(d->profiles, c->devices, c->n_devices, faults);
	if (rc < 0)
		return rc;
	log_info("memory: %u MiB (packets %u, flows %u, neighbours %u, other %u)",
		(unsigned int)(memory.total >> 20), (unsigned int)(memory.packets >> 20),
		(unsigned int)(memory.flows >> 20), (unsigned int)(memory.neighbours >> 20),
		(unsigned int)(memory.rest >> 20));
	return 0;
}

/* The pool of a NUMA node, made when first asked for. */
static struct rte_mempool *pool_on(struct daemon *d, int socket, struct faults *faults)
{
	const struct config *c = d->config;
	unsigned int n =
		c->limits.packets * c->n_workers + CONTROL_PACKETS + c->n_kernels * KERNEL_PACKETS;
	unsigned int at = socket < 0 ? rte_socket_id() : (unsigned int)socket;
	char name[RTE_MEMPOOL_NAMESIZE];

	if (d->pools[at])
		return d->pools[at];
	snprintf(name, sizeof(name), "packets_%u", at);
	d->pools[at] = rte_pktmbuf_pool_create(name, n, POOL_CACHE, 0, packet_room(c), (int)at);
	if (!d->pools[at])
		fault_add(faults, "limits.packets",
			"no memory for %u packets on NUMA node %u; lower limits.packets or give "
			"more memory",
			n, at);
	return d->pools[at];
}

static int start_pools(struct daemon *d, struct faults *faults)
{
	const struct config *c = d->config;

	d->pools = calloc(RTE_MAX_NUMA_NODES, sizeof(*d->pools));
	d->worker_pools = calloc(c->n_workers + 1, sizeof(*d->worker_pools));
	if (!d->pools || !d->worker_pools)
		return -ENOMEM;
	for (unsigned int i = 0; i <= c->n_workers; i++) {
		unsigned int core = i < c->n_workers ? c->workers[i] : c->control;

		d->worker_pools[i] = pool_on(d, (int)rte_lcore_to_socket_id(core), faults);
		if (!d->worker_pools[i])
			return -ENOMEM;
	}
	return 0;
}

/* As many packets for TCP to send as there are to receive into. */
static int start_tcp(struct daemon *d, struct faults *faults)
{
	const struct config *c = d->config;

	d->tcp_pools = calloc(c->n_workers, sizeof(*d->tcp_pools));
	if (!d->tcp_pools)
		return -ENOMEM;
	for (unsigned int i = 0; i < c->n_workers; i++) {
		char name[RTE_MEMPOOL_NAMESIZE];

		snprintf(name, sizeof(name), "tcp_%u", i);
		d->tcp_pools[i] = rte_pktmbuf_pool_create(name, c->limits.packets, POOL_CACHE, 0,
			packet_room(c), (int)rte_lcore_to_socket_id(c->workers[i]));
		if (!d->tcp_pools[i]) {
			fault_add(faults, "limits.packets", "no memory for %u packets of TCP",
				c->limits.packets);
			return -ENOMEM;
		}
	}
	return 0;
}

static unsigned int relay_turn(
	void *ctx, const struct model *m, struct tcp *t, uint32_t now_ms, unsigned int max)
{
	return relays_turn(ctx, m, t, now_ms, max);
}

/* Of both sides of a relayed connection: what one may be ahead of the other. */
static struct tcp_how relay_how(void)
{
	struct tcp_how how = tcp_how_defaults;

	how.rcvbuf = how.sndbuf = 512 << 10;
	return how;
}

/* Connections to services of mode tcp are relayed, where nobody else wants them. */
static int start_relays(struct daemon *d, struct faults *faults)
{
	const struct config *c = d->config;

	if (!d->local) {
		d->relays = calloc(c->n_workers, sizeof(*d->relays));
		d->relay_app = (struct local_app){
			.turn = relay_turn,
			.ops = &relays_accept,
			.ctx = (void *const *)d->relays,
			.how = relay_how(),
		};
		config_tcp(c, &d->relay_app.conf);
		d->local = &d->relay_app;
	}
	for (unsigned int i = 0; d->relays && i < c->n_workers; i++) {
		const struct relays_conf conf = {
			.max = config_relays(c),
			.socket = (int)rte_lcore_to_socket_id(c->workers[i]),
			.toward_servers = relay_how(),
		};

		d->relays[i] = relays_create(&conf);
		if (!d->relays[i]) {
			fault_add(faults, "limits.connections", "no memory for %u connections",
				c->limits.connections);
			return -ENOMEM;
		}
	}
	if (d->relays && relays_join(d->relays, c->n_workers) < 0) {
		fault_add(faults, "workers", "no memory for what workers ask each other");
		return -ENOMEM;
	}
	d->local->pools = d->tcp_pools;
	return 0;
}

static int start_nics(struct daemon *d, struct faults *faults)
{
	const struct config *c = d->config;
	int nodes[RTE_MAX_LCORE];

	for (unsigned int i = 0; i < c->n_workers; i++)
		nodes[i] = (int)rte_lcore_to_socket_id(c->workers[i]);
	if (steering_plan(&d->steering, c, (const struct nic_profile *const *)d->profiles, faults))
		return -EINVAL;
	for (unsigned int i = 0; i < c->n_devices; i++) {
		struct rte_mempool *pool = pool_on(d, nic_device_socket(c->devices[i], i), faults);
		struct nic_conf conf = {
			.id = (uint16_t)i,
			.device = c->devices[i],
			.device_index = i,
			.profile = d->profiles[i],
			.want_rxqs = (uint16_t)c->n_workers,
			.want_txqs = (uint16_t)(c->n_workers + 1),
			.hash = (enum nic_hash)d->steering.hash[i],
			.mtu = c->device_mtu[i],
			.worker_sockets = nodes,
			.n_worker_sockets = c->n_workers,
		};

		d->nics[i] = pool ? nic_open(&conf, pool, faults) : NULL;
		if (!d->nics[i])
			return -ENODEV;
	}
	return steering_settle(&d->steering, c, d->nics, faults);
}

static int start_kernel(struct daemon *d, struct faults *faults)
{
	const struct config *c = d->config;

	if (c->n_kernels == 0)
		return 0;
	d->kernel = kernel_open(c->kernels, c->n_kernels, d->nics, c->n_devices,
		d->worker_pools[c->n_workers], faults);
	return d->kernel ? 0 : -errno;
}

static int start_workers(struct daemon *d, struct faults *faults)
{
	const struct config *c = d->config;
	struct neigh_conf neighbours = c->neighbour;

	neighbours.workers = c->n_workers + 1;
	d->rcu = rcu_create(c->n_workers);
	d->neigh = d->rcu ? neigh_create(&neighbours, d->rcu) : NULL;
	if (!d->neigh) {
		fault_add(
			faults, "limits.neighbours", "no memory for %u neighbours", neighbours.max);
		return -ENOMEM;
	}
	struct workers_conf conf = {
		.n = c->n_workers,
		.lcores = c->workers,
		.nics = d->nics,
		.n_nics = c->n_devices,
		.neigh = d->neigh,
		.neigh_conf = &neighbours,
		.pools = d->worker_pools,
		.rcu = d->rcu,
		.snapshot = &d->snapshot,
		.max_v4 = c->limits.flows_v4 / c->n_workers,
		.max_v6 = c->limits.flows_v6 / c->n_workers,
		.persistence = config_persistence(c),
		.source_rates = config_source_rates(c),
		.frag = c->fragments,
		.local = d->local,
		.idle = c->idle,
	};
	d->workers = workers_create(&conf, faults);
	if (!d->workers)
		return -ENOMEM;
	for (unsigned int i = 0; d->relays && i < c->n_workers; i++) {
		struct worker *w = d->workers->worker[i];

		relays_use(d->relays[i], &w->l4, w->now_ms);
	}
	steering_use(&d->steering, d->workers, d->nics, c->n_devices);
	return 0;
}

/* Administrative state of the last run, if there was one. */
static int start_admin(struct daemon *d, struct faults *faults)
{
	char path[PATH_MAX];
	int rc = admin_path(
		d->config->state, getenv("STATE_DIRECTORY"), socket_path(d), path, sizeof(path));

	if (rc)
		return rc;
	d->admin = admin_create();
	return d->admin ? admin_open(d->admin, path, faults) : -ENOMEM;
}

static int start_snapshot(struct daemon *d, struct faults *faults)
{
	d->slots = model_slots_create();
	d->connlog = connlog_create();
	if (!d->slots || !d->connlog)
		return -ENOMEM;
	d->ctl.config_path = d->options.config_path;
	d->ctl.target = (struct config_target){
		.admin = d->admin,
		.slots = d->slots,
		.snapshot = &d->snapshot,
		.workers = d->workers,
		.neigh = d->neigh,
		.rcu = d->rcu,
		.nics = d->nics,
		.n_nics = d->config->n_devices,
		.steering = &d->steering,
		.kernel = d->kernel,
		.relays = d->relays,
		.connlog = d->connlog,
	};
	return config_apply(&d->ctl.target, d->document, faults);
}

static int worker_main(void *arg)
{
	worker_run(arg);
	return 0;
}

static int start_cores(struct daemon *d, struct faults *faults)
{
	d->launched = true;
	for (unsigned int i = 0; i < d->workers->n; i++) {
		struct worker *w = d->workers->worker[i];

		if (rte_eal_remote_launch(worker_main, w, w->lcore) < 0) {
			fault_add(faults, "workers", "core %u does not start", w->lcore);
			return -EBUSY;
		}
	}
	return 0;
}

static int start_control(struct daemon *d, struct faults *faults)
{
	int rc = ctl_open(&d->ctl, socket_path(d), faults);

	d->control = rc == 0;
	return rc;
}

int daemon_start(struct daemon *d, struct faults *faults)
{
	static int (*const steps[])(struct daemon *, struct faults *) = {
		start_folder,
		start_eal,
		start_pools,
		start_tcp,
		start_nics,
		start_kernel,
		start_relays,
		start_workers,
		start_admin,
		start_snapshot,
		start_cores,
		start_control,
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < RTE_DIM(steps); i++)
		rc = steps[i](d, faults);
	if (rc < 0 && !faults->errors)
		fault_add(faults, "", "cannot start: %s", strerror(-rc));
	return rc;
}

/* ---- stop ----------------------------------------------------------------------------------- */

static void stop_cores(struct daemon *d)
{
	for (unsigned int i = 0; i < d->workers->n; i++)
		worker_stop(d->workers->worker[i]);
	rte_eal_mp_wait_lcore();
}

static void stop_devices(struct daemon *d)
{
	kernel_close(d->kernel);
	for (unsigned int i = 0; i < NIC_MAX; i++)
		if (d->nics[i])
			nic_close(d->nics[i]);
	if (d->pools)
		for (unsigned int i = 0; i < RTE_MAX_NUMA_NODES; i++)
			rte_mempool_free(d->pools[i]);
	for (unsigned int i = 0; d->tcp_pools && i < d->config->n_workers; i++)
		rte_mempool_free(d->tcp_pools[i]);
	free(d->tcp_pools);
	free(d->worker_pools);
	free(d->pools);
	if (d->eal)
		eal_stop();
}

void daemon_stop(struct daemon *d)
{
	if (d->launched)
		stop_cores(d);
	if (d->control)
		ctl_close(&d->ctl);
	workers_destroy(d->workers);
	for (unsigned int i = 0; d->relays && i < d->config->n_workers; i++)
		relays_destroy(d->relays[i]);
	free(d->relays);
	if (d->neigh)
		neigh_destroy(d->neigh);
	if (d->rcu)
		rcu_destroy(d->rcu);
	config_target_clear(&d->ctl.target);
	connlog_destroy(d->connlog);
	model_slots_destroy(d->slots);
	admin_destroy(d->admin);
	stop_devices(d);
	profiles_free(d->profiles, d->config ? d->config->n_devices : 0);
	config_free(d->config);
	json_decref(d->document);
}

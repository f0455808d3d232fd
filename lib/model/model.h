/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The snapshot: everything a worker reads that an administrator or a health check can change. Built
 * by ctl/config.c through model_build(), published by worker/publish.c, never written afterwards.
 *
 *   model -> net_table      ports, addresses, routes
 *         -> services       by slot, and indexed by (virtual address, protocol, port)
 *         -> pools -> servers; each server has a slot of its own, unique over all pools
 *
 * Slots. What outlives a burst (flows, counters) names a service or a server by (slot, generation).
 * A slot keeps its generation as long as the same thing has it: a server of the same pool, name,
 * address and port, a service of the same name, mode and protocol. When that goes, the slot rests
 * until no worker has a flow of it and gets the next generation with its next owner. Slot 0 is
 * never given out, so that zeroed memory names nothing; flows of the gateway, which belong to no
 * service, have the service of slot 0 and no server.
 *
 * Sharing. Pools and services are reference counted; model_build() takes over from the previous
 * snapshot each one whose description is equal, its compiled scheduler table with it.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/fault.h"
#include "base/hash.h"
#include "net/encap.h"
#include "model/gateway_rules.h"
#include "net/net.h"

#define MODEL_NAME_MAX     64   /* with the NUL */
#define MODEL_SERVICES_MAX 4096 /* slots, slot 0 included */
#define MODEL_SERVERS_MAX  16384
#define MODEL_POOLS_MAX    4096
#define MODEL_WEIGHT_MAX   65535

/* The modes a service may have come first. */
enum mode {
	MODE_DR,
	MODE_NAT,
	MODE_FULLNAT,
	MODE_TUNNEL,
	MODE_COUNT,
	MODE_MASQUERADE = MODE_COUNT,
	/* Of flows of nat and fullnat that began with a SYN cookie. */
	MODE_NAT_PROXIED,
	MODE_FULLNAT_PROXIED,
	/* Connections end here, for an application: worker/local.h. No flow of l4's has it. */
	MODE_TCP,
	MODE_ALL
};
const char *mode_name(enum mode m); /* "dr"; proxied ones as the service's mode */
/* Whether servers answer the client itself, through us: only its end tells what belongs together.
 */
bool mode_by_client(enum mode m);

/* Drained: no new flows. Disabled: no flows at all, those there are end. */
enum admin { ADMIN_ENABLED, ADMIN_DRAIN, ADMIN_DISABLED };
const char *admin_name(enum admin a); /* "enabled", "drain", "disabled" */

struct server {
	char name[MODEL_NAME_MAX];
	uint64_t id; /* hash of "pool/name": equal after a restart and on another balancer */
	struct addr addr;
	uint16_t port; /* 0: the port the client asked for */
	uint16_t slot, gen;
	uint16_t weight;           /* as configured */
	uint16_t effective_weight; /* 0 while drained or disabled */
	uint8_t admin;             /* enum admin */
	uint32_t limit;            /* flows at a time, over all workers; 0: as many as there are */
	uint8_t proxy_header;      /* mode tcp: connections to it begin with one of this version of
				    * the PROXY protocol; 0: with none */
	/* Addresses to speak to it from, of its family; where the configuration names none, that of
	 * the port that leads to it. Inside the pool's memory; there may be none. */
	uint16_t n_sources;
	const struct addr *sources;
};

struct sched_ops; /* sched/sched.h */

/* What becomes of a new flow whose server is at its limit: another one, or a refusal. */
enum when_full { WHEN_FULL_NEXT, WHEN_FULL_REFUSE };

struct pool {
	uint32_t refs;
	uint16_t slot;
	uint16_t gen; /* another number whenever servers or weights are others */
	uint16_t n_servers;
	uint16_t backup;   /* slot of the pool that is used when this one takes nothing; 0: none */
	bool limited;      /* some server has a limit */
	uint8_t when_full; /* enum when_full */
	char name[MODEL_NAME_MAX];
	const struct sched_ops *sched;
	void *sched_table;       /* compiled by sched->build(), immutable */
	void *maglev_table;      /* for packets without an entry (DR, tunnel); NULL where no service
				    needs it */
	const uint16_t *by_addr; /* indices of servers in the order of their addresses */
	struct server servers[]; /* in configuration order */
};

struct port_range {
	uint16_t first, last; /* host order, both included; {0, 65535}: all ports */
};

/* Where a service listens: an address, or each of a network, with a port, a range of ports, or all
 * of them. */
struct vip {
	struct addr addr;
	struct port_range ports;
	uint8_t host_bits; /* of a network: the low bits that are free, 0 in addr; 0: one address */
};

static inline struct prefix vip_prefix(const struct vip *v)
{
	return (struct prefix){ v->addr,
		(uint8_t)((addr_is_v4(&v->addr) ? 32 : 128) - v->host_bits) };
}

/* Whether a packet to this address is one to v's. */
static inline bool vip_holds(const struct vip *v, const struct addr *a)
{
	const struct addr network = addr_network(a, v->host_bits);

	return addr_equal(&network, &v->addr);
}

/* Idle time-outs in milliseconds. */
struct timeouts {
	uint32_t tcp_syn; /* SYN seen, no answer yet */
	uint32_t tcp_established;
	uint32_t tcp_fin;       /* one side has closed */
	uint32_t tcp_time_wait; /* both sides have closed */
	uint32_t tcp_reset;     /* RST seen */
	uint32_t udp;           /* one packet or more, no answer */
	uint32_t udp_stream;    /* answers seen (NAT), or several packets (DR) */
};

enum no_flow { NO_FLOW_DROP, NO_FLOW_RESET };

/* How a server that sees another source address is told the client's. */
enum client_address { CLIENT_ADDRESS_NONE, CLIENT_ADDRESS_TOA };

/* What the client of a new flow hears that no server takes. */
enum refuse { REFUSE_DROP, REFUSE_RESET, REFUSE_ICMP };

/* A client, or a network of clients, keeps its server. */
struct persistence {
	uint64_t scope;      /* whose entries: a hash of the group's or the service's name */
	uint32_t timeout_ms; /* after the last new flow; 0: no persistence */
	uint8_t prefix_v4, prefix_v6;
};

/* An entry of an access list. */
struct access_entry {
	struct prefix prefix;
	bool allow;
};

struct acl; /* guard/acl.h */

/* Which clients may open flows; belongs to all snapshots and services that refer to it. */
struct access {
	uint32_t refs;
	bool deny_others; /* clients that no entry holds may not */
	unsigned int n;
	struct acl *acl;             /* compiled */
	struct access_entry entry[]; /* in order of their prefixes */
};

/* How many new flows a client, or a network of clients, may open; guard/rate.h. */
struct source_rate {
	uint64_t scope;       /* whose count: a hash of the service's name, or that of all */
	uint32_t connections; /* a second; 0: as many as come */
	uint32_t burst;       /* of them at once, after a pause */
	uint8_t prefix_v4, prefix_v6;
};
#define MODEL_RATE_MAX 1000000 /* connections, burst */

enum syn_proxy_mode { SYN_PROXY_OFF, SYN_PROXY_AUTO, SYN_PROXY_ALWAYS };

/* When SYNs are answered with cookies, and what is offered to clients on behalf of servers. */
struct syn_proxy {
	uint32_t rate; /* AUTO: SYNs a second, over all workers, above which it is */
	uint16_t mss, window;
	uint8_t mode; /* enum syn_proxy_mode */
	uint8_t wscale;
	bool sack, timestamps;
};

/* Mode tcp: which connections are logged when they end: none, all, or those that carried bytes or
 * failed. */
enum connection_log { CONNECTION_LOG_NONE, CONNECTION_LOG_ALL, CONNECTION_LOG_CARRIED };

/* Mode tcp: how long each phase of a connection may take, ms, and how often a server is tried. */
struct proxy_rules {
	uint32_t connect_ms;           /* for the server's SYN-ACK, each time */
	uint32_t client_ms, server_ms; /* without anything to or from it */
	uint32_t tunnel_ms;            /* in place of those two, of either side; 0: not */
	uint32_t half_closed_ms;       /* in place of all three, after one side has closed */
	uint32_t retries;   /* connections to servers that may fail before the client's does */
	uint32_t header_ms; /* for a PROXY header, of clients that it is wanted from */
	uint32_t max_connections; /* at a time, over all workers; 0: as many as there are */
	uint32_t queue_ms;        /* for a server to have room; 0: refused at once */
	uint32_t queue_max;       /* clients that wait for the pool; 0: as many as there are */
	uint32_t abort_on_close;  /* a client that closes its half while it waits has left */
};

struct service {
	uint32_t refs;
	char name[MODEL_NAME_MAX];
	uint64_t id;
	uint16_t slot, gen;
	uint8_t mode;    /* enum mode */
	uint8_t proto;   /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t encap;   /* enum encap: mode tunnel */
	uint8_t no_flow; /* enum no_flow: NAT packets that are no first ones and have no entry */
	uint8_t client_address; /* enum client_address */
	uint8_t refuse;         /* enum refuse */
	uint8_t log;            /* enum connection_log */
	uint16_t pool;          /* slot: model.pools[pool] */
	/* Who serves a new flow is more than a scheduler's pick: a rate of its source, persistence,
	 * a limit, a backup. */
	bool assigned;
	/* Its flows have servers that Maglev does not name: persistence, a limit. */
	bool tied;
	uint32_t new_flows;          /* a second and worker; 0: as many as come */
	bool guarded;                /* there is an access list: its own, or that of all */
	const struct access *access; /* its own; NULL: none */
	/* Mode tcp. Whose connections begin with a PROXY header, which is believed; whose are
	 * closed at once. NULL: nobody's. */
	const struct access *trusted, *monitor;
	struct source_rate source_rate;
	/* Packets toward some server are longer than the client's: of another family. */
	bool grows;
	struct syn_proxy syn_proxy;
	struct proxy_rules proxy;
	struct persistence persistence;
	struct timeouts timeouts;
	unsigned int n_vips;
	struct vip vips[]; /* in configuration order */
};

struct service_index; /* index.c */

struct model {
	uint64_t version; /* one more at each publish */
	/* Another number whenever a generation below is another: what flows were checked against
	 * then is still true as long as it stays. */
	uint32_t generations;
	struct net_table *net;
	const struct service *service[MODEL_SERVICES_MAX]; /* by slot, NULL where none */
	const struct pool *pools[MODEL_POOLS_MAX];
	const struct server *server[MODEL_SERVERS_MAX]; /* by slot; inside its pool */
	/* Generation by slot, 0 where nothing is or a server is disabled: what flows are checked
	 * against. */
	uint16_t service_gen[MODEL_SERVICES_MAX];
	uint16_t server_gen[MODEL_SERVERS_MAX];
	uint16_t server_pool[MODEL_SERVERS_MAX];     /* server slot -> pool slot */
	unsigned int n_services, n_pools, n_servers; /* in use */
	uint32_t new_flows[2];                       /* as model_conf.new_flows */
	struct service_index *index;
	struct gateway *gateway;          /* NULL: off */
	const struct access *access;      /* for every service; NULL: none */
	struct source_rate source_rate;   /* over all services */
	const struct server **by_address; /* [n_servers], for model_servers_at() */
	struct hash_key cluster_key; /* equal on every balancer of a cluster: Maglev, source hash */
};

/* ---- packet path ---------------------------------------------------------------------------- */

/* The server of a pool that has this address, the first one of several; NULL if there is none. */
const struct server *model_server_at(const struct pool *pool, const struct addr *addr);

/* The service of a destination: what is for the address itself before what is for a network around
 * it, the smaller before the larger; of those, exact port before range, range before all ports.
 * port in network order. NULL if there is none. */
const struct service *model_service(
	const struct model *m, const struct addr *dst, uint8_t proto, rte_be16_t port);

/* The servers of an address, in order of their slots; *n: how many. */
const struct server *const *model_servers_at(
	const struct model *m, const struct addr *a, unsigned int *n);

/* ---- building: control core ------------------------------------------------------------------ */

struct server_conf {
	const char *name;
	struct endpoint endpoint;
	uint16_t weight;
	enum admin admin;
	const struct addr *sources; /* of any family: the server gets those of its own */
	unsigned int n_sources;
	uint32_t limit; /* flows at a time; 0: none */
	uint8_t proxy_header;
};

struct pool_conf {
	const char *name;
	const char *scheduler;
	const struct server_conf *servers;
	unsigned int n_servers;
	const char *backup; /* name of a pool, or NULL */
	enum when_full when_full;
};

/* A prefix that was found wrong before, and is passed over. */
#define ACCESS_UNKNOWN UINT8_MAX

/* Zeroed: everybody may. */
struct access_conf {
	bool deny_others;
	const struct access_entry *entries; /* those allowed, then those denied */
	unsigned int n_allow, n_deny;
};

struct source_rate_conf {
	uint32_t connections, burst; /* connections 0: none */
	uint8_t prefix_v4, prefix_v6;
};

struct service_conf {
	const char *name;
	const char *pool;
	enum mode mode;
	uint8_t proto;
	enum encap encap;
	enum no_flow no_flow;
	enum client_address client_address;
	enum refuse refuse;
	uint32_t new_flows; /* a second and worker; 0: as many as come */
	struct syn_proxy syn_proxy;
	struct proxy_rules proxy;
	enum connection_log log;
	struct {
		const char *group; /* NULL: the service's own entries */
		uint32_t timeout_ms;
		uint8_t prefix_v4, prefix_v6;
	} persistence; /* timeout_ms 0: none */
	struct access_conf access;
	struct access_conf trusted, monitor; /* those allowed; zeroed: nobody */
	struct source_rate_conf source_rate;
	struct timeouts timeouts;
	const struct vip *vips;
	unsigned int n_vips;
	bool vip_list; /* the document has a list: faults name "address[J]", not "address" */
};

struct model_conf {
	/* Without virtuals and networks: model_build() collects them from the services, and adds
	 * the servers' sources. */
	struct net_conf net;
	const struct pool_conf *pools;
	unsigned int n_pools;
	const struct service_conf *services;
	unsigned int n_services;
	struct gateway_conf gateway;
	struct access_conf access;           /* of all services */
	struct source_rate_conf source_rate; /* over all services */
	struct timeouts timeouts;            /* of the gateway's flows */
	/* IPv4, IPv6: new flows a second and worker of the modes that can go without an entry,
	 * before they do; 0: as many as come. */
	uint32_t new_flows[2];
	struct hash_key cluster_key;
};

/* What remembers slots and generations between snapshots. NULL with errno. */
struct model_slots;
struct model_slots *model_slots_create(void);
void model_slots_destroy(struct model_slots *s);

/*
 * Tells whether a slot that lost its owner may be given out again: no worker has flows of it.
 * Called while building. model_build() takes NULL for "always".
 */
struct model_idle {
	bool (*service)(void *arg, uint16_t slot);
	bool (*server)(void *arg, uint16_t slot);
	void *arg;
};

/*
 * The scheduler a name stands for and what builds its tables, sched_find() and friends; and what
 * compiles access lists, acl_build() and acl_free(). Handed in because sched and guard are a layer
 * above.
 */
struct model_sched {
	const struct sched_ops *(*find)(const char *name);
	/* Fills pool->sched_table, and maglev_table if wanted. 0 or -errno. */
	int (*build)(struct pool *pool, const struct hash_key *key, bool want_maglev);
	void (*destroy)(struct pool *pool);
	/* NULL with errno. */
	struct acl *(*acl_build)(
		const struct access_entry *entry, unsigned int n, bool deny_others);
	void (*acl_free)(struct acl *a);
};

/* Whether conf is free of errors. Adds a fault for each, in one pass, with the JSON path of the
 * thing
 * ("services[1].pool"): names twice, unknown pool, same address and port twice, too many, and those
 * of net_conf_check(). Names that are NULL and addresses that are zero have been found wrong before
 * and are passed over. Needs no EAL. */
bool model_check(
	const struct model_conf *conf, const struct model_sched *sched, struct faults *faults);

/*
 * Checks and builds a snapshot. On faults returns NULL, and slots are as before. previous may be
 * NULL; conf is not needed afterwards.
 */
struct model *model_build(const struct model_conf *conf, struct model_slots *slots,
	const struct model *previous, const struct model_idle *idle,
	const struct model_sched *sched, struct faults *faults);
/* Drops the references; for rcu_retire(). */
void model_free(struct model *m, const struct model_sched *sched);

/* The scope of a persistence group's entries; a service's own is its id. */
uint64_t model_group_scope(const char *group);

/* By name; NULL if there is none. Control core. */
const struct service *model_service_by_name(const struct model *m, const char *name);
const struct pool *model_pool_by_name(const struct model *m, const char *name);
const struct server *model_server_by_name(
	const struct model *m, const char *pool, const char *server);

#endif

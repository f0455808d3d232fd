/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole balancer on one thread and one clock: worker objects on nics made of memory rings, the
 * control core's part of the work, and the hosts around it, which answer ARP and ND. A test gives
 * frames to a receive queue, turns the crank and looks at what came out.
 *
 *   nic 0 "wan"  192.0.2.1/24    2001:db8:1::1/64  gateways 192.0.2.254 and 2001:db8:1::fe
 *   nic 1 "lan"  10.0.0.1/24     2001:db8:2::1/64  servers 10.0.0.11 .. .14 and 2001:db8:2::11 ..
 * ::14
 *
 * The configurations are the files *.json of this folder, read and applied by the product's own
 * code.
 */
#ifndef PACKET_HARNESS_H
#define PACKET_HARNESS_H

#include <rte_mempool.h>
#include <rte_ring.h>

#include "ctl/config.h"
#include "worker/worker.h"

#include "frame.h"

#define HARNESS_NICS    2
#define HARNESS_WORKERS 4
#define HARNESS_QUEUES  (HARNESS_WORKERS + 1)
#define HARNESS_HOSTS   32
#define WAN             0
#define LAN             1
#define ANY_QUEUE       UINT16_MAX /* another one each time */

struct harness_conf {
	const char *file; /* configuration, in this folder */
	unsigned int workers;
	uint16_t rxqs, txqs;         /* queues of each nic; 0: one a worker, and one more to send */
	uint32_t flows_v4, flows_v6; /* entries a worker; 0: 4096 */
	uint32_t persistence;        /* entries a worker; 0: 1024 */
	uint32_t source_rates;       /* likewise */
	unsigned int packets;        /* mbufs; 0: 8192 */
	bool apart;                  /* frames that are injected are of a pool of their own */
	uint32_t neighbours, hold;   /* entries of these tables; 0: the default */
	uint32_t up_ms;              /* how long the machine has been up */
	bool to_owner;               /* ANY_QUEUE is the one of the packet's owner, if it has one */
	bool linear;                 /* the nics take packets of one segment alone */
	/* What services of mode tcp are for; its pools are the harness's. NULL: there are none. */
	const struct local_app *local;
};

/* A station on a link: answers for one address. */
struct harness_host {
	uint16_t nic, vlan;
	uint8_t family, addr[16], mac[6];
	bool silent;
	unsigned int asked; /* questions it has heard */
};

struct captured {
	uint16_t nic, queue, len, segments;
	bool hashed; /* the mbuf still says that a nic has hashed it */
	uint8_t data[FRAME_MAX];
};

struct harness {
	struct harness_conf conf;
	struct rte_mempool *pool, *frames; /* frames: what is injected is made of */
	struct local_app local;
	struct rte_mempool *tcp_pool[HARNESS_WORKERS];
	struct nic *nic[HARNESS_NICS];
	uint16_t rxqs, txqs;
	struct rte_ring *rx[HARNESS_NICS][HARNESS_QUEUES], *tx[HARNESS_NICS][HARNESS_QUEUES];
	char dev[HARNESS_NICS][64];
	struct rcu *rcu;
	struct neigh_table *neigh;
	struct snapshot snapshot;
	struct workers *workers;
	struct config_target target;
	uint64_t tsc; /* 1 GHz */
	struct harness_host host[HARNESS_HOSTS];
	unsigned int n_hosts;
	bool all_answer;      /* there is a host for every address that is asked for */
	unsigned int turn;    /* of ANY_QUEUE */
	struct captured *out; /* frames sent by the balancer, without ARP and ND */
	unsigned int n_out, next, room;
	uint64_t sent;      /* frames given to it by tests */
	uint64_t host_sent; /* and by the hosts */
	uint64_t punted;    /* packets workers gave to the control core */
	uint64_t asked;     /* ARP requests and neighbour solicitations it sent */
	uint64_t announced; /* gratuitous ARP, unsolicited NA */
	uint64_t answered;  /* ARP replies and solicited NA for its own addresses */
};

/* Starts the EAL, once a program. */
void harness_init(void);

/* Fails the test where something does not come up. */
struct harness *harness_create(const struct harness_conf *conf);
/* Lets what waits time out; fails the test if a packet was lost from the pool. */
void harness_destroy(struct harness *h);

/* Turns everything until nothing moves, or once. */
void harness_step(struct harness *h);
unsigned int harness_turn(struct harness *h);
/* What is around the workers, once: the control core's part and the hosts'. For tests whose workers
 * run on threads of their own; h->tsc is theirs to set. */
unsigned int harness_around(struct harness *h);
/* Moves the clock, turning every 50 ms and at the end. */
void harness_advance(struct harness *h, uint32_t ms);

/* Moves the clock at once, by less than half its range. */
void harness_jump(struct harness *h, uint32_t ms);

/* Gives a frame to a receive queue. False when the queue is full. */
bool harness_inject(struct harness *h, uint16_t nic, uint16_t queue, const void *data, size_t len);

/* Likewise; takes the mbuf, also when the queue is full. */
bool harness_inject_mbuf(struct harness *h, uint16_t nic, uint16_t queue, struct rte_mbuf *m);

/* Builds the frame, to the MAC of the nic from its gateway or server unless these are set, injects
 * it at any queue and turns. */
void harness_send(struct harness *h, uint16_t nic, const struct frame *f);

/* The same without turning. */
void harness_give(struct harness *h, uint16_t nic, const struct frame *f);

/* The next frame the balancer sent, or NULL. Fails the test when the reader finds it malformed. f
 * may be NULL. The pointer is good until the next injection. */
const struct captured *harness_next(struct harness *h, struct frame *f);
/* The same without reading it. */
const struct captured *harness_take(struct harness *h);

/* Forgets what was not looked at. */
void harness_forget(struct harness *h);

/* harness_send() and the one frame that must come out of it, through nic out. */
struct frame harness_through(struct harness *h, uint16_t in, const struct frame *f, uint16_t out);
/* harness_send() and nothing comes out; dropped once under this reason. */
void harness_dropped(
	struct harness *h, uint16_t in, const struct frame *f, enum drop_reason reason);

struct harness_host *harness_host(struct harness *h, uint16_t nic, uint16_t vlan, const char *addr);
const struct harness_host *harness_find_host(
	const struct harness *h, uint16_t nic, const uint8_t *addr, uint8_t family);

/* Makes a host that there is answer nothing, or answer again. */
struct harness_host *harness_silence(
	struct harness *h, uint16_t nic, const char *addr, bool silent);

/* Drops of all workers, and of the control core's sender. */
uint64_t harness_drops(const struct harness *h, enum drop_reason reason);
uint64_t harness_all_drops(const struct harness *h);
void harness_print_drops(const struct harness *h);

/* Flows in all the workers' tables. */
unsigned int harness_flows(const struct harness *h);

/* Lists or counts flows through the workers' requests. */
unsigned int harness_sessions(struct harness *h, const struct flow_filter *filter,
	struct flow_info *out, unsigned int max);
uint64_t harness_count(struct harness *h, enum request_kind kind, const struct flow_filter *filter);

/* Applies a document as "config reload" does, and turns. doc NULL: the running one again. Takes
 * doc. */
void harness_apply(struct harness *h, json_t *doc);
/* A copy of the running document, for harness_apply() after changing it. */
json_t *harness_document(const struct harness *h);
/* By name. */
json_t *harness_named(json_t *doc, const char *list, const char *name);

/* The slot of a server, or fails. */
const struct server *harness_server(const struct harness *h, const char *pool, const char *name);

#endif

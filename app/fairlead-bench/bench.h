/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fairlead-bench: what a worker spends, measured in cycles of the time-stamp counter on the
 * daemon's own code.
 *
 *   main.c    options, EAL, the report
 *   rig.c     a balancer of one worker on nics nobody polls: 100 services, a pool of 100 servers
 *   frames.c  the frames of flow number i
 *   l4.c      the measurement: flows opened, rounds of bursts, stages
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "worker/worker.h"

#define BENCH_SERVICES 100
#define BENCH_SERVERS  100
#define BENCH_WAN      0
#define BENCH_LAN      1
#define BENCH_NICS     2
#define BENCH_ROUND    8192 /* packets of a round */

/* Host order. RTE_IPV4() shifts an int into its sign bit: undefined where a is 128 or more. */
#define BENCH_IPV4(a, b, c, d) RTE_IPV4((uint32_t)(a), b, c, d)

struct bench_options {
	enum mode mode;
	enum encap encap;    /* of mode tunnel */
	bool new_flows;      /* measure first packets instead of established flows */
	unsigned int family; /* 4 or 6 */
	uint32_t flows;
	unsigned int packet; /* bytes of a frame on the wire, its checksum included */
	unsigned int rounds;
	unsigned int packets; /* mbufs: whole rounds of them */
	unsigned int core;
	bool json;
	bool no_huge; /* do without hugepages even if there are some */
};

struct bench_result {
	double cycles_per_packet;
	double bytes_per_flow;
	double burst_p999_us, burst_max_us; /* of the best round */
	uint64_t packets;                   /* of one round */
	uint64_t dropped;                   /* in all rounds */
	uint32_t flows_open;
	double stage[STAGE_COUNT]; /* cycles a packet, in a round of its own */
	bool staged;
};

/* ---- rig.c ---------------------------------------------------------------------------------- */

struct rig {
	struct rte_mempool *pool;
	struct nic *nic[BENCH_NICS];
	struct rcu *rcu;
	struct neigh_table *neigh;
	struct model_slots *slots;
	struct snapshot snapshot;
	struct workers *workers;
	struct worker *worker;
	uint64_t ns; /* the worker's clock: virtual, 1 GHz */
};

/* Bytes of memory the rig takes. */
uint64_t rig_memory(const struct bench_options *o);
/* 0, or -1 with a message on standard error. */
int rig_open(struct rig *r, const struct bench_options *o);
void rig_close(struct rig *r);
uint64_t rig_dropped(const struct rig *r);
/* The reasons, on standard error. */
void rig_print_drops(const struct rig *r);
/* Takes back what the worker has ready to send; returns how many. */
unsigned int rig_collect(struct rig *r, struct rte_mbuf **out);

/* ---- frames.c ------------------------------------------------------------------------------- */

enum frame_kind { FRAME_SYN, FRAME_SYN_ACK, FRAME_ACK, FRAME_ANSWER };

/* Where the addresses of the bench are: host order, IPv4; IPv6 ones end in the same 32 bits. */
uint32_t frame_service(unsigned int i);
uint32_t frame_server(unsigned int i);
uint32_t frame_self(unsigned int nic);
struct addr frame_addr(unsigned int family, uint32_t v4);

/* How a flow looks on the servers' side. */
struct bench_flow {
	uint16_t server;
	rte_be16_t port; /* the client's, or with fullnat the balancer's */
};

/* Writes the frame of flow number i into m: from its client, or from its server, which sees it as
 * flow says. */
void frame_write(struct rte_mbuf *m, const struct rig *r, const struct bench_options *o,
	enum frame_kind kind, uint32_t i, const struct bench_flow *flow);
/* What a forwarded frame says of its flow. */
struct bench_flow frame_chosen(const struct rte_mbuf *m, unsigned int family);

/* An answer to ARP or ND about a neighbour, as the control core is given it. */
void frame_neighbour(
	struct rte_mbuf *m, const struct rig *r, unsigned int nic, const struct addr *a);

/* ---- l4.c ----------------------------------------------------------------------------------- */

int bench_l4(struct rig *r, const struct bench_options *o, struct bench_result *out);

#endif

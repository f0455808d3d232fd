/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fairlead-bench: what a worker spends, measured in cycles of the time-stamp counter on the
 * daemon's own code.
 *
 *   main.c     the EAL, and what to run
 *   options.c  the command line
 *   rig.c      a balancer on nics nobody polls: services, a pool of servers, workers
 *   frames.c   the frames of flow number i
 *   run.c      batches of packets through the workers: the clock runs here
 *   idle.c     time without packets: timers
 *   l4.c       the measurement: rounds, stages
 *   life.c     flows made, held, hit and expired
 *   suite.c    the table of docs/performance.md
 *   report.c   a result, for people and for programs
 *
 * And of connections that end in the worker:
 *
 *   l7_options.c  the command line
 *   echo.c        the application
 *   peers.c       the other ends: the clock runs here
 *   l7.c          the measurement, and the result
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "worker/worker.h"

#define BENCH_SERVICES_MAX (MODEL_SERVICES_MAX - 1)
#define BENCH_SERVERS_MAX  10000
#define BENCH_WORKERS_MAX  16
#define BENCH_SOURCES_MAX  256 /* addresses toward the servers, with fullnat */
#define BENCH_WAN          0
#define BENCH_LAN          1
#define BENCH_NICS         2
#define BENCH_ROUND        8192 /* packets of a round, of each worker */
#define BENCH_MTU          1600 /* of both ports: room for what tunnel and translation add */

/* Idle time-outs: of first packets that nobody answered, and of everything else. */
#define BENCH_SYN_MS         30000
#define BENCH_ESTABLISHED_MS 900000

/* Host order. RTE_IPV4() shifts an int into its sign bit: undefined where a is 128 or more. */
#define BENCH_IPV4(a, b, c, d) RTE_IPV4((uint32_t)(a), b, c, d)

/* Where packets come in: at the worker that owns them, at another one, at any. */
enum handoff { HANDOFF_NONE, HANDOFF_ALL, HANDOFF_RANDOM, HANDOFF_COUNT };
const char *handoff_name(enum handoff h);

/* What is measured of SYN cookies: SYNs that are answered with one, or ACKs that bring one back. */
enum cookies { COOKIES_NONE, COOKIES_SYN, COOKIES_ACK, COOKIES_COUNT };
const char *cookies_name(enum cookies c);

enum bench_kind { BENCH_ONE, BENCH_LIFE, BENCH_SUITE, BENCH_L7 };

struct bench_options {
	enum bench_kind kind;
	bool quick;          /* of the suite: its most important rows */
	unsigned int passes; /* over all rows of the suite */
	enum mode mode;
	enum encap encap;           /* of mode tunnel */
	enum cookies cookies;       /* nobody is served without one */
	unsigned int mix;           /* percent of packets that begin a flow */
	unsigned int family;        /* of clients: 4 or 6 */
	unsigned int server_family; /* another one with fullnat alone */
	uint8_t proto;              /* IPPROTO_TCP or _UDP */
	const char *scheduler;
	unsigned int services, servers;
	uint32_t flows;      /* of all workers together */
	unsigned int packet; /* bytes of a frame on the wire, its checksum included */
	unsigned int rounds;
	unsigned int packets; /* mbufs a worker: whole rounds of them */
	unsigned int workers;
	enum handoff handoff;
	bool software;     /* owners by a CRC; otherwise by a hash that the nic has computed */
	bool stepped;      /* workers in turn on one core even where there are more */
	unsigned int core; /* the highest core to run on */
	/* Of l7, whose mode is tcp: */
	uint32_t connections;     /* that are made at a time */
	uint32_t streams;         /* that data passes over at a time */
	uint32_t idle, time_wait; /* that there are besides */
	bool json;
	bool no_huge; /* do without hugepages even if there are some */
};

/* Of one direction of measurement: the best round. */
struct bench_cost {
	double cycles_per_packet;
	double worker[BENCH_WORKERS_MAX]; /* each worker's own */
	double p999_us, max_us;           /* of bursts */
	double poll;                      /* cycles a packet of the rest of a poll */
};

struct bench_result {
	struct bench_cost cost;
	double direct; /* with a hand-off: cycles a packet in the same run without one; else 0 */
	double bytes_per_flow;
	uint64_t table_bytes;
	uint64_t packets; /* of one round */
	uint64_t dropped; /* in all rounds */
	uint64_t handed_over;
	uint32_t flows_open;
	double stage[STAGE_COUNT]; /* cycles a packet, in a round of its own */
	bool threads;              /* each worker on a core of its own */
	bool hugepages;
	double tsc_mhz;
	double clock; /* cycles a packet of reading the clock, which are part of the cost */
};

/* ---- options.c ------------------------------------------------------------------------------ */

/* Leaves the program where there is nothing to run. */
void options_parse(int argc, char **argv, struct bench_options *o);

/* For other command lines: a number, or a message and the end; the message by itself. */
uint32_t options_number(const char *option, const char *text, uint32_t least, uint32_t most);
void options_wrong(const char *option, const char *text, const char *right);

/* ---- l7_options.c --------------------------------------------------------------------------- */

/* Likewise of what follows "l7". */
void l7_options_parse(int argc, char **argv, struct bench_options *o);

/* ---- echo.c --------------------------------------------------------------------------------- */

/* What a connection is for: the number of its service. */
enum echo_role { ECHO_BACK, ECHO_TAKE, ECHO_GIVE, ECHO_ROLES };

/* The application: sends back what comes, takes it, or gives as long as there is something to give.
 * It closes when its peer does, or says ECHO_LEAVE. */
#define ECHO_LEAVE 'q'
struct echo {
	uint64_t opened, failed;
	uint64_t taken; /* bytes */
	uint64_t give;  /* bytes still to be given */
	struct rte_mempool *pool;
};
extern const struct tcp_ops echo_ops; /* tcp_ctx(): a struct echo */

/* ---- rig.c ---------------------------------------------------------------------------------- */

struct rig {
	struct rte_mempool *pool;
	struct nic *nic[BENCH_NICS];
	struct rte_ring *rx[BENCH_NICS][BENCH_WORKERS_MAX];
	/* Of l7: */
	struct echo echo;
	void *echo_ctx; /* for app.ctx */
	struct rte_mempool *tcp_pool;
	struct local_app app;
	struct rte_ring *tx[BENCH_NICS][BENCH_WORKERS_MAX + 1];
	struct rcu *rcu;
	struct neigh_table *neigh;
	struct model_slots *slots;
	struct snapshot snapshot;
	struct workers *workers;
};

/* When the clocks of workers start: virtual ones, 1 GHz. */
#define RIG_START_NS UINT64_C(1000000000)

/* Bytes of memory the rig takes. */
uint64_t rig_memory(const struct bench_options *o);
/* 0, or -1 with a message on standard error. */
int rig_open(struct rig *r, const struct bench_options *o);
void rig_close(struct rig *r);
uint64_t rig_dropped(const struct rig *r);
/* The reasons, on standard error. */
void rig_print_drops(const struct rig *r);
/* All workers' flow tables together. */
struct flow_stats rig_flows(const struct rig *r);
/* Takes back what worker w has ready to send, and what it has sent; returns how many. out: room for
 * RIG_COLLECT_MAX. */
#define RIG_COLLECT_MAX 1024
unsigned int rig_collect(struct rig *r, const struct worker *w, struct rte_mbuf **out);

/* First packets that are open at a time while they are measured. */
uint32_t rig_embryos(const struct bench_options *o);
/* Source addresses toward the servers, with fullnat. */
unsigned int rig_sources(const struct bench_options *o);

/* ---- frames.c ------------------------------------------------------------------------------- */

/* SYN and ACK stand for a first and a later datagram with UDP. PROOF is the ACK of a cookie, RESET
 * the RST of a client that has sent one. */
enum frame_kind {
	FRAME_SYN,
	FRAME_SYN_ACK,
	FRAME_ACK,
	FRAME_ANSWER,
	FRAME_PROOF,
	FRAME_RESET,
	FRAME_KINDS
};

/* Where the addresses of the bench are: host order, IPv4; IPv6 ones end in the same 32 bits. */
uint32_t frame_service(unsigned int i);
uint32_t frame_server(unsigned int i);
uint32_t frame_source(unsigned int i);
uint32_t frame_self(unsigned int nic);
struct addr frame_addr(unsigned int family, uint32_t v4);
/* Of the addresses on a nic. */
unsigned int frame_family(const struct bench_options *o, unsigned int nic);

/* How a flow looks on the servers' side; or, with cookies, what its client was told. */
struct bench_flow {
	union {
		struct {
			uint16_t server;
			uint16_t source; /* fullnat: which address of the balancer's */
		};
		uint32_t cookie; /* host order */
	};
	rte_be16_t port; /* the client's, or with fullnat the balancer's */
};

/* What a packet of flow number i has: from its client, or from its server, which sees the flow as
 * flow says. */
struct tuple frame_tuple(const struct bench_options *o, enum frame_kind kind, uint32_t i,
	const struct bench_flow *flow);
/* Writes such a frame into m. ack: what a FRAME_PROOF acknowledges. */
void frame_write(struct rte_mbuf *m, const struct rig *r, const struct bench_options *o,
	enum frame_kind kind, const struct tuple *t, uint32_t ack);
/* A segment of a client; numbers in host order. */
struct frame_segment {
	uint32_t seq, ack;
	uint16_t window, len; /* len: of the payload, which is zero but for its first byte */
	uint8_t flags, first;
};
/* Writes it into m. t: its tuple. A SYN has the options that clients have. */
void frame_segment(struct rte_mbuf *m, const struct rig *r, const struct tuple *t,
	const struct frame_segment *s);
/* The number of the flow that a frame to a client is of. */
uint32_t frame_flow(const struct rte_mbuf *m, unsigned int family);
/* What a forwarded frame says of its flow, or a SYN-ACK of its cookie. */
struct bench_flow frame_chosen(const struct bench_options *o, const struct rte_mbuf *m);

/* An answer to ARP or ND about a neighbour, as the control core is given it. */
void frame_neighbour(
	struct rte_mbuf *m, const struct rig *r, unsigned int nic, const struct addr *a);

/* ---- peers.c -------------------------------------------------------------------------------- */

/* What the other ends are about. */
enum peers_task {
	PEERS_LIFE,   /* connect, a byte each way, close */
	PEERS_STAY,   /* connect */
	PEERS_LEAVE,  /* connect, and have the balancer close first: TIME-WAIT there */
	PEERS_STREAM, /* on connections that stay: data, as their roles have it */
};

struct peer {
	uint32_t seq, ack; /* next to be sent, expected */
	uint32_t una;      /* up to here of seq has been acknowledged, or has come back */
	uint8_t task;      /* enum peers_task */
	uint8_t unsaid;    /* segments that have come and are not acknowledged */
};

struct peers {
	struct rig *rig;
	const struct bench_options *o;
	struct peer *peer; /* by number of the flow */
	uint32_t n;
	struct rte_mbuf **queue; /* to be sent: a ring of mask + 1 */
	size_t head, tail, mask;
	struct rte_mbuf **said; /* by the balancer, to be heard later: mask + 1 at most */
	size_t n_said;
	uint64_t random;
	uint64_t ns;     /* the worker's clock */
	uint64_t cycles; /* of its polls */
	uint64_t errors; /* what should not have been said, or not been lost */
	uint64_t done;   /* connections that have come to the end of their task */
	uint64_t left;   /* bytes that streams have still to send */
	uint64_t heard;  /* bytes of data that have come in them */
};

/* 0, or -1 without memory. */
int peers_open(struct peers *p, struct rig *r, const struct bench_options *o);
void peers_close(struct peers *p);
/* n connections of a role from the first-th on have a task, at most o->connections of them at a
 * time; returns when all is said. The number of them that came to its end: see peers.done. */
void peers_do(
	struct peers *p, enum peers_task task, enum echo_role role, uint32_t first, uint32_t n);

/* ---- l7.c ----------------------------------------------------------------------------------- */

/* 0, or -1 when something went wrong with a connection. */
int bench_l7(struct rig *r, const struct bench_options *o);

/* ---- run.c ---------------------------------------------------------------------------------- */

struct item {
	struct rte_mbuf *mbuf;
	uint32_t flow;
	uint32_t hash; /* that a nic gives it, where one does */
	uint16_t nic, len;
};

/* A worker, and all that happens on its core. */
struct lane {
	struct run *run;
	struct worker *worker;
	unsigned int id;
	uint64_t ns; /* the worker's clock */
	double ns_left;
	uint64_t random;
	double back_due; /* fraction of a burst of answers */
	uint32_t next;   /* the flow to begin next */
	struct item *item;
	unsigned int n_items, at,
		until;          /* the batch: how many, the next one, the end of the round */
	struct rte_mbuf **back; /* mbufs at hand for the next batch */
	unsigned int n_back;
	uint64_t sent, collected; /* since the beginning */
	/* Of this round: */
	uint64_t cycles, rest; /* counted; of the polls besides, counted or not */
	unsigned int packets;  /* that came in here */
	uint64_t *burst;       /* cycles of each burst */
	unsigned int n_bursts;
};

struct run {
	struct rig *rig;
	const struct bench_options *o;
	unsigned int n; /* lanes */
	struct lane *lane;
	enum handoff handoff; /* of this phase */
	unsigned int mix;     /* likewise */
	bool polls;           /* what the rest of a poll takes counts too */
	bool threads;
	bool two_way;            /* the mode sees answers */
	double ns_burst;         /* virtual time that a burst takes */
	unsigned int arrived;    /* threads at the start of the round */
	unsigned int sending;    /* lanes with packets still to come */
	bool failed;             /* no memory */
	bool proved;             /* the last round's clients have sent their ACKs */
	struct bench_flow *flow; /* by flow, where the mode sees answers */
	uint8_t *owner;          /* by flow, where there are several workers */
};

/* Cycles of all rounds of a kind. */
struct tally {
	uint64_t packets, cycles;
	double best; /* cycles a packet of the best round; 0: none yet */
};

/* 0, or -1 without memory. */
int run_open(struct run *run, struct rig *r, const struct bench_options *o);
void run_close(struct run *run);
/* Opens flows 0 to o->flows - 1. tally: by enum frame_kind, may be NULL. 0, or -1 with a message.
 */
int run_establish(struct run *run, struct tally *tally);
/* Starts with a fresh batch: the phase is another one. */
void run_phase(struct run *run, enum handoff handoff, unsigned int mix);
/* A round of every lane: BENCH_ROUND packets each, or as many as are left of a batch. 0 or -1. */
int run_round(struct run *run);
/* What was given to the workers and has not come out again, or has been counted as a drop. */
uint64_t run_lost(const struct run *run);

/* ---- idle.c --------------------------------------------------------------------------------- */

/* Polls without packets that did something: timers. */
#define IDLE_ROUND 256
struct idle {
	uint64_t polls, cycles;
	double p999_us, max_us; /* of all polls */
	double round_max_us;    /* of IDLE_ROUND in a row that did the most, the best of several */
};

/* Virtual time goes by without packets. out may be NULL. */
void run_idle(struct run *run, uint32_t ms, struct idle *out);

/* ---- l4.c ----------------------------------------------------------------------------------- */

int bench_l4(struct rig *r, const struct bench_options *o, struct bench_result *out);
/* The best of o->rounds rounds or more. stage: what stages took in it, which costs a little itself;
 * may be NULL. 0 or -1. */
int bench_rounds(struct run *run, struct bench_cost *best, double *stage);
double bench_bytes_per_flow(const struct flow_stats *s);

/* ---- life.c, suite.c, main.c ---------------------------------------------------------------- */

/* 0, or -1 when not all flows lived, or packets were dropped. */
int bench_life(struct rig *r, const struct bench_options *o);
/* 0, or -1 when a row failed or dropped packets. The EAL must not have been started. */
int bench_suite(const struct bench_options *base);
/* One measurement, with the EAL started for it. */
int bench_run(struct bench_options *o, struct bench_result *out);

/* ---- report.c ------------------------------------------------------------------------------- */

void report_text(const struct bench_options *o, const struct bench_result *r);
/* One object, without a newline. */
void report_json(const struct bench_options *o, const struct bench_result *r);

#endif

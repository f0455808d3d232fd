/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An instance of the TCP with nothing around it but what it needs: a flow table, local ports, a
 * clock that goes when it is told, and a wire whose other end is the script. What it sends is read,
 * its checksums and the bytes of its streams are looked at, and kept until somebody asks.
 *
 * Connection n is of port 40000 + n of the peer and our port 80, or of our port 5000 + n and the
 * peer's port 9000 + n where we open it.
 */
#ifndef TCP_LAB_H
#define TCP_LAB_H

#include "rules.h"
#include "script.h"
#include "tcp/tcp.h"

struct lab_conf {
	struct tcp_conf tcp;
	struct tcp_how how;
	uint16_t mtu; /* of an IPv4 packet; of IPv6 ones 20 more, so that segments are the same */
	uint8_t cookies;
};

struct lab_conn {
	unsigned int number;
	struct lab *lab;
	struct tcp_conn *c; /* as long as it is the application's */
	uint16_t our_port, peer_port;
	struct seg_base base;
	struct rules rules;
	uint32_t former_seq; /* our first sequence number of the connection before */
	bool has_ts;
	bool stamps;         /* segments of the peer have timestamps by themselves: of the clock, */
	uint32_t ts_recent;  /* and the last that it got */
	uint32_t last_ack;   /* that the peer sent */
	uint32_t sent_end;   /* the number behind everything that we sent */
	uint32_t events;     /* that have come and not been asked for */
	uint32_t sent, read; /* bytes of the application's */
	struct step *reaction[8]; /* by the event's bit */
};

/* Runs one step of the application's inside an event. */
typedef bool lab_react(struct lab *lab, const struct step *step);

#define LAB_POOLS 3

struct lab {
	bool v6, listening;
	struct lab_conf conf;
	struct tcp_listener listener;
	struct tcp *tcp;
	struct flow_table *flows;
	struct steer **steer;
	struct lport_table *lports;
	uint64_t now_us, began_us;
	uint32_t began_ms;
	struct lab_conn conn[CONNS];
	/* What was sent: from first on nobody has asked for. */
	unsigned int first, n_sent, room;
	struct seg_sent *sent;
	bool last_dropped;
	enum drop_reason last_reason;
	struct rte_mbuf *taken;       /* by lab_starve(), by mbuf.next */
	unsigned int used[LAB_POOLS]; /* packets of each pool before it began */
	lab_react *react;
	char fault[SEG_TEXT]; /* what went wrong, other than a script would expect */
};

/* Once a process. */
void lab_init(void);

/* A lab whose instance is made by lab_start(), after its conf has been changed. device: it makes
 * checksums and cuts up what is sent. */
struct lab *lab_create(bool v6, bool device);
void lab_start(struct lab *lab);
/* Ends everything and looks at what is left behind, which goes to lab->fault. */
void lab_finish(struct lab *lab);
void lab_destroy(struct lab *lab);

/* Time goes on to at_us, or until something is sent. */
void lab_run(struct lab *lab, uint64_t at_us, bool until_sent);

/* A segment of the peer. last: the burst ends with it. */
void lab_input(struct lab *lab, struct lab_conn *n, const struct segment *s, bool last);

/* Sends what the application's calls left to be sent. */
void lab_flush(struct lab *lab);

void lab_icmp(struct lab *lab, struct lab_conn *n, enum tcp_icmp what, uint32_t seq, uint16_t mtu);

/* 0, or -errno. any_port: ours is for the instance to choose. */
int lab_connect(struct lab *lab, struct lab_conn *n, bool any_port);

void __attribute__((format(printf, 2, 3))) lab_fault(struct lab *lab, const char *format, ...);

/* Leaves so many packets in the pool of what comes (rx) or is sent, and gives back what was taken
 * before. */
void lab_starve(struct lab *lab, bool rx, unsigned int left);
void lab_feed(struct lab *lab);

/* An mbuf for the application to write. */
struct rte_mbuf *lab_mbuf(void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP (RFC 9293) as a library: packets in, packets out, a clock handed in.
 *
 * An instance belongs to one owner (a worker, the control core, a test), which alone calls it. It
 * shares the owner's flow table: a connection is found by the one lookup that every packet gets,
 * as an entry of kind FLOW_LOCAL that holds the connection's number. One in TIME-WAIT is such an
 * entry and nothing else.
 *
 *   each turn:   tcp_advance()               clock, timers
 *                tcp_input()                 each segment: of a connection, or to a listener
 *                tcp_flush()                 upcalls, then whatever is to be sent, once for all
 *                                            segments of the burst
 *   due flows:   tcp_flow_due()              TIME-WAIT is over
 *
 * A connection is the application's from tcp_connect() or its first event until tcp_close() or
 * tcp_abort(), whatever becomes of it in between, errors included. All functions of a connection
 * may be called from within its events or those of others. Events come from tcp_flush() alone.
 *
 * Data moves as mbufs, by reference. What is read is the reader's; what is written becomes the
 * connection's and is held until it has been acknowledged, so it may be shared but not changed.
 */
#ifndef TCP_TCP_H
#define TCP_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/hash.h"
#include "flow/flow.h"
#include "flow/lport.h"
#include "net/pkt.h"

struct tcp;
struct tcp_conn;

/* RFC 9293 3.3.2. LISTEN is no state of a connection: see struct tcp_listener. */
enum tcp_state {
	TCP_CLOSED,
	TCP_SYN_SENT,
	TCP_SYN_RECEIVED,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_LAST_ACK,
	TCP_TIME_WAIT,
	TCP_STATES
};
const char *tcp_state_name(enum tcp_state s);

/* What tcp_event says. */
#define TCP_EV_OPEN  0x01 /* established */
#define TCP_EV_READ  0x02 /* more to read, or the end of it */
#define TCP_EV_WRITE 0x04 /* room to write again, after tcp_writable() was 0 */
#define TCP_EV_ERROR 0x08 /* it is over: tcp_error() */

struct tcp_ops {
	void (*event)(struct tcp_conn *c, uint32_t events);
};

struct tcp_cc_ops; /* tcp_cc.h */

/* How a connection is to behave. tcp_how_defaults has a good value for all. */
struct tcp_how {
	const struct tcp_cc_ops *cc;
	uint32_t rcvbuf; /* bytes that may wait to be read: the window */
	uint32_t sndbuf; /* bytes that may wait to be sent or acknowledged */
	uint16_t mss;    /* never more in one segment, either way; 0: what the link takes */
	bool timestamps, sack, window_scale, ecn;
	bool nagle;                /* hold small segments back while others are on their way */
	uint8_t syn_retries;       /* retransmissions of a SYN or SYN-ACK before it fails */
	uint8_t retries;           /* time-outs in a row before the connection fails */
	uint8_t keep_count;        /* probes without an answer before the connection fails */
	uint32_t keep_idle_ms;     /* silence before the first keep-alive probe; 0: none is sent */
	uint32_t keep_interval_ms; /* between them */
	uint32_t fin_wait_ms;      /* a closed connection waits for the peer's FIN so long */
	uint32_t linger_ms;        /* and may wait so long for the peer to take more of its data */
};
extern const struct tcp_how tcp_how_defaults;

/* When SYNs are answered with cookies. */
enum tcp_cookies { TCP_COOKIES_AUTO, TCP_COOKIES_ALWAYS, TCP_COOKIES_NEVER };

/* Who accepts connections to an address; read when a segment comes that is of none. */
struct tcp_listener {
	const struct tcp_ops *ops; /* outlive the connections, */
	void *ctx;                 /* as does this, which is theirs at first: tcp_ctx() */
	struct tcp_how how;
	uint8_t cookies; /* enum tcp_cookies */
	uint32_t tag;    /* theirs likewise: tcp_tag() */
};

/* The way of packets of a connection; the owner's to fill: zero at first. */
struct tcp_hop {
	uint32_t epoch;
	uint16_t adj;
	uint16_t pad_;
};

/* What the owner does for an instance. */
struct tcp_net_ops {
	/* Sends an IP packet to dst and takes it. It begins at the mbuf's data, with headroom for a
	 * link header before it; it may have several segments, unless tcp_conf.linear. With
	 * tcp_conf.offload its flags and lengths say what the device is to do, but for l2_len. */
	void (*output)(void *arg, struct rte_mbuf *m, const struct addr *dst, struct tcp_hop *hop);
	/* The largest IP packet that the link toward dst takes, or 0 where there is no way. */
	uint16_t (*mtu)(void *arg, const struct addr *dst);
};

struct tcp_conf {
	uint32_t max_conns;     /* connections that are open or opening */
	uint32_t max_half_open; /* of them, how many clients that have not proved their address */
	uint32_t max_orphans;   /* closed by the application and not yet by the peer */
	uint32_t max_segments;  /* sent and not acknowledged, or come out of order, in all */
	uint32_t time_wait_ms;  /* 2 MSL */
	int socket;
	bool linear;              /* packets to send must be of one segment */
	bool offload;             /* checksums of packets sent are the device's work; */
	uint32_t segmentation;    /* and cutting up packets of so many bytes (TSO); 0: it is not */
	struct flow_table *flows; /* the owner's */
	struct lport_table *lports; /* the owner's; NULL: tcp_connect() wants a port to be given */
	struct rte_mempool *pool; /* for headers and copies; not the one that ports receive into */
	struct rte_mempool *rx; /* the one that they do, to look at how empty it is; may be NULL */
	struct hash_key secret; /* of sequence numbers (RFC 6528) */
	struct hash_key cookie; /* equal in all instances that one address is served by */
	const struct tcp_net_ops *net;
	void *net_arg;
};
/* Defaults of the numbers. */
extern const struct tcp_conf tcp_conf_defaults;

/* NULL with errno. All memory but that of queued data is taken here: tcp_bytes() says how much.
 * now_us, now_ms: see tcp_advance(). */
struct tcp *tcp_create(const struct tcp_conf *conf, uint64_t now_us, uint32_t now_ms);
/* Frees connections and what they hold, without a word to peers or applications. */
void tcp_destroy(struct tcp *t);
uint64_t tcp_bytes(const struct tcp_conf *conf);

/* ---- the owner's turn ----------------------------------------------------------------------- */

/* The time, and what it makes due: at most max connections. Returns how many there were; max of
 * them means that there may be more. now_us never goes back; now_ms is the clock of the flow table,
 * in step with it. */
unsigned int tcp_advance(struct tcp *t, uint64_t now_us, uint32_t now_ms, unsigned int max);

/*
 * A TCP segment that has been parsed (net/parse.h). f: its flow of kind FLOW_LOCAL, or NULL; then
 * listener is who accepts connections to its destination, or NULL, when it gets a RST. Its checksum
 * is looked at here. Afterwards p is PKT_TAKEN, PKT_DROP with a reason, or, where f was given,
 * PKT_GO: a SYN for which a connection in TIME-WAIT has made room (RFC 6191), and which is to be
 * given here again as one of no flow. Flows may have been opened and closed.
 */
void tcp_input(struct tcp *t, struct pkt *p, struct flow *f, const struct tcp_listener *listener);

/* Fetches what tcp_input() will look at for a segment of this flow. */
void tcp_prefetch(const struct tcp *t, const struct flow *f);

/* Events, then sending, until nothing is left to do. Returns how many connections had any. */
unsigned int tcp_flush(struct tcp *t);

/* A FLOW_LOCAL flow whose timer fired: its TIME-WAIT is over, and the flow is closed. */
void tcp_flow_due(struct tcp *t, struct flow *f);

/*
 * An ICMP error about a segment that this instance sent. f: the flow of the quoted tuple's answers.
 * seq: the quoted sequence number (RFC 5927 4.1: if it is not in flight nothing happens). The ways
 * to fail say what connecting ends with; of an open connection they end nothing.
 */
enum tcp_icmp { TCP_ICMP_TOO_BIG, TCP_ICMP_HOST, TCP_ICMP_PORT };
void tcp_icmp_error(struct tcp *t, struct flow *f, enum tcp_icmp what, uint32_t seq, uint16_t mtu);

/* ---- connections ---------------------------------------------------------------------------- */

struct tcp_target {
	struct addr local;   /* source address: none that a service has, for packets to those go
			      * to the workers of clients */
	uint16_t local_port; /* 0: one whose answers come to this instance */
	struct endpoint remote;
};

/* Opens a connection: TCP_EV_OPEN or TCP_EV_ERROR follows. NULL with errno: EADDRNOTAVAIL: every
 * local port toward this endpoint is in use; EADDRINUSE: local_port is; ENOBUFS: no entry is free;
 * ENETUNREACH. */
struct tcp_conn *tcp_connect(struct tcp *t, const struct tcp_target *to, const struct tcp_how *how,
	const struct tcp_ops *ops, void *ctx);

void *tcp_ctx(const struct tcp_conn *c);
void tcp_set_ctx(struct tcp_conn *c, void *ctx);
void tcp_set_ops(struct tcp_conn *c, const struct tcp_ops *ops);
uint32_t tcp_tag(const struct tcp_conn *c);
struct tcp *tcp_of(const struct tcp_conn *c);

/* Bytes that can be read; of which the first mbufs are tcp_peek() (a chain by mbuf.next; not to be
 * changed or freed). */
uint32_t tcp_readable(const struct tcp_conn *c);
const struct rte_mbuf *tcp_peek(const struct tcp_conn *c);

/* Whether the peer's FIN has come and everything before it has been read. */
bool tcp_at_end(const struct tcp_conn *c);

/* Takes whole mbufs from the front, as many as have no more than max bytes together, but at least
 * one; NULL if there is none or max is 0. A chain by mbuf.next, whose nb_segs and pkt_len are not
 * set; *len, unless NULL: its bytes. The window opens. */
struct rte_mbuf *tcp_read(struct tcp_conn *c, uint32_t max, uint32_t *len);

/* Copies at most len bytes from the front and takes them. Returns how many. */
uint32_t tcp_read_copy(struct tcp_conn *c, void *data, uint32_t len);

/* Bytes that there is room for; 0: TCP_EV_WRITE will follow. A write is never refused for want of
 * room; who goes on after 0 queues without bound. */
uint32_t tcp_writable(struct tcp_conn *c);

/* Queues a chain of mbufs by mbuf.next and takes it, also on error: -EPIPE after tcp_shutdown() or
 * where the connection is over. */
int tcp_write(struct tcp_conn *c, struct rte_mbuf *chain);

/* Queues a copy: all of it, 0; or nothing: -EPIPE, -ENOBUFS. */
int tcp_write_copy(struct tcp_conn *c, const void *data, uint32_t len);

/* FIN after all that was written; reading goes on. */
void tcp_shutdown(struct tcp_conn *c);

/* The application is done: FIN after all that was written, or RST where something has not been read
 * (RFC 2525 2.17). c is not to be used any more. */
void tcp_close(struct tcp_conn *c);

/* RST, and gone. */
void tcp_abort(struct tcp_conn *c);

/* Why it is over: 0 as long as it is not; -ECONNREFUSED, -ECONNRESET, -ETIMEDOUT, -EHOSTUNREACH,
 * -ENETUNREACH. */
int tcp_error(const struct tcp_conn *c);

/* The connection's packets as they come in: source is the peer. */
struct tuple tcp_tuple(const struct tcp_conn *c);

struct tcp_info {
	enum tcp_state state;
	uint32_t cwnd, ssthresh; /* bytes */
	uint32_t srtt_us, rttvar_us, rto_ms, min_rtt_us;
	uint32_t snd_wnd, rcv_wnd;
	uint32_t unacked, unsent; /* bytes */
	uint32_t queued;          /* to be read */
	uint32_t retransmitted;   /* segments */
	uint16_t mss;             /* what a segment carries now */
	uint8_t snd_wscale, rcv_wscale;
	bool timestamps, sack, ecn;
	bool recovering;
};
void tcp_info(const struct tcp_conn *c, struct tcp_info *out);

/* ---- figures -------------------------------------------------------------------------------- */

enum tcp_count {
#define TCP_COUNT(name, text) TCP_COUNT_##name,
#include "tcp_count.def"
#undef TCP_COUNT
	TCP_COUNTS
};
const char *tcp_count_name(enum tcp_count c);
const char *tcp_count_text(enum tcp_count c);

struct tcp_stats {
	uint64_t count[TCP_COUNTS];
	uint32_t conns, half_open, orphans, time_wait, segments; /* that there are */
	uint64_t bytes; /* memory of the instance, without the flow table and queued data */
};
/* Any core; values of slightly different moments. */
void tcp_stats(const struct tcp *t, struct tcp_stats *out);

#endif

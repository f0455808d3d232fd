/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of lib/tcp share. Variables have the names of RFC 9293 3.3.1.
 *
 *   tcp.c         life of instances and connections, events
 *   tcp_app.c     what the application asks for
 *   tcp_in.c      a segment of a connection, in the order of RFC 9293 3.10.7
 *   tcp_listen.c  segments of no connection, or of one in TIME-WAIT
 *   tcp_ack.c     what an acknowledgement says: windows, SACK, loss, recovery
 *   tcp_out.c     what is to be sent now
 *   tcp_build.c   a segment's bytes
 *   tcp_timer.c   when nothing came
 *   tcp_queue.c   data that waits: to be read, out of order, to be sent
 *   tcp_cc.c      congestion control
 *   tcp_icmp.c    errors from the network
 *   tcp_info.c    figures
 */
#ifndef TCP_TCP_PRIV_H
#define TCP_TCP_PRIV_H

#include <errno.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "base/counter.h"
#include "base/invariant.h"
#include "base/wheel.h"
#include "guard/syncookie.h"
#include "net/parse.h"
#include "net/tcpopt.h"
#include "tcp.h"
#include "tcp_cc.h"

#define TCP_ECE          0x40 /* RFC 3168 */
#define TCP_CWR          0x80

#define IPV4_HEADER      20
#define IPV6_HEADER      40
#define TCP_HEADER       20
#define STAMP_ROOM       12 /* of timestamps, padded */

#define SEGMENTS_INITIAL 10 /* RFC 6928 */
#define DUPACKS          3
#define RTO_INITIAL_MS   1000
#define RTO_SYN_LOST_MS  3000
#define RTO_MIN_MS       200
#define RTO_MAX_MS       60000
#define ACK_DELAY_MS     40
#define QUICK_ACKS       16  /* segments of a new connection that are acknowledged at once */
#define CHALLENGE_MS     500 /* between answers to what is not in the window */
#define PROBE_MIN_MS     2   /* of a tail loss probe */
#define MSS_DEFAULT_V4   536 /* RFC 9293 3.7.1 */
#define MSS_DEFAULT_V6   1220
#define MSS_MIN          64 /* less is not believed */
#define SACKS_MAX        4
#define HOLES_MAX        512  /* runs that a connection holds out of order */
#define SEGMENTS_SURE    16   /* descriptors of a list, however few are left */
#define RESETS_PER_S     1000 /* to segments of no connection */
#define RETRY_MS         10   /* for want of a buffer */
#define STAMP_LIFE_MS    (24u * 86400 * 1000)

/* tcp.pressure */
#define PRESSURE_PORTS 1 /* their buffers run low: copy out of them */
#define PRESSURE_OWN   2 /* ours do: windows do not grow, what is out of order is not kept */

/* flow.conn of one in TIME-WAIT. */
#define TCP_NO_CONN UINT32_MAX

/* And what flow_room() has then. */
struct tcp_wait {
	uint32_t snd_nxt, rcv_nxt, ts_recent;
};

/* flow.adj[1] of ours: */
#define TCP_FLOW_PORT   0x01 /* its local port is to be given back */
#define TCP_FLOW_STAMPS 0x02 /* TIME-WAIT: timestamps were in use */

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? b : a;
}

/* ---- data ----------------------------------------------------------------------------------- */

/* A chain of mbufs by mbuf.next. */
struct tcp_queue {
	struct rte_mbuf *head, *tail;
	uint32_t bytes;
};

#define SEG_SYN    0x01
#define SEG_FIN    0x02
#define SEG_SACKED 0x04
#define SEG_LOST   0x08 /* and not sent again since */
#define SEG_AGAIN  0x10 /* sent more than once */

/* Something sent and not acknowledged; or a run of bytes that came out of order. */
struct tcp_seg {
	struct tcp_seg *next;  /* in order of sequence numbers */
	struct rte_mbuf *buf;  /* the first byte's mbuf, */
	struct rte_mbuf *tail; /* out of order: the last one's */
	uint32_t seq;
	uint32_t len;     /* bytes of data */
	uint32_t sent_us; /* for the last time */
	uint16_t off;     /* and where in buf it is */
	uint8_t flags;
	uint8_t pad_;
};

static inline uint32_t seg_end(const struct tcp_seg *s)
{
	return s->seq + s->len + !!(s->flags & (SEG_SYN | SEG_FIN));
}

/* ---- a connection --------------------------------------------------------------------------- */

enum tcp_timer {
	TIMER_RTX,  /* conn.rtx says for what */
	TIMER_ACK,  /* delayed acknowledgement */
	TIMER_LONG, /* keep-alive; of a closed one, its end */
	TIMERS
};

enum rtx_kind { RTX_TIMEOUT, RTX_PROBE, RTX_REORDER, RTX_PERSIST };

enum recovery { RECOVERY_NONE, RECOVERY_FAST, RECOVERY_LOSS };

/* conn.flags */
#define CONN_SACK        0x0001 /* agreed on: */
#define CONN_STAMPS      0x0002
#define CONN_ECN         0x0004
#define CONN_V6          0x0008
#define CONN_PASSIVE     0x0010 /* opened by the peer */
#define CONN_OWNED       0x0020 /* by the application */
#define CONN_FIN         0x0040 /* to be sent after the last byte, */
#define CONN_FIN_SENT    0x0080
#define CONN_FIN_GOT     0x0100 /* and the peer's has come, in order */
#define CONN_PENDING     0x0200 /* on the list of tcp_flush() */
#define CONN_ACK_NOW     0x0400
#define CONN_FULL        0x0800 /* TCP_EV_WRITE is wanted */
#define CONN_ECE         0x1000 /* a mark has come, and no CWR since */
#define CONN_CWR         0x2000 /* to be said with the next data */
#define CONN_LIMITED     0x4000 /* the congestion window has been used up */
#define CONN_REORDERS    0x8000 /* the path has been seen to */
#define CONN_WAS_OPEN    0x10000
#define CONN_RENEW       0x20000  /* the window is to be announced */
#define CONN_PROBED      0x40000  /* a tail loss probe is out: conn.probe_end */
#define CONN_PROBE_AGAIN 0x80000  /* and it was a retransmission */
#define CONN_HALF_OPEN   0x100000 /* counted in tcp.n_half_open */
#define CONN_DEAD        0x200000 /* to be freed when it is off the list */
#define CONN_SCALE       0x800000 /* agreed on */
#define CONN_ORPHAN      0x400000 /* closed by the application; counted in tcp.n_orphans */

struct tcp_conn {
	struct wheel_node timer;
	uint32_t armed_ms;
	uint32_t flags;
	uint8_t state;    /* enum tcp_state */
	uint8_t timers;   /* bit of each that runs */
	uint8_t rtx;      /* enum rtx_kind */
	uint8_t recovery; /* enum recovery */
	uint8_t events;   /* for the application */
	uint8_t snd_wscale, rcv_wscale;
	uint8_t backoff; /* time-outs in a row */
	/* sending */
	uint32_t snd_una, snd_nxt, snd_wnd, snd_wl1, snd_wl2;
	uint32_t max_wnd; /* the largest that the peer has offered */
	uint32_t iss;
	uint16_t mss;      /* bytes of data a segment carries without SACK blocks */
	uint16_t peer_mss; /* what it said, options not taken off */
	uint16_t path_mss; /* what the path takes, likewise */
	struct tcp_queue snd;
	uint32_t head_off; /* bytes of snd.head that are acknowledged */
	uint16_t nxt_off;  /* the first byte that was never sent: in nxt_buf, */
	uint8_t dupacks;
	uint8_t keep_sent;
	struct rte_mbuf *nxt_buf; /* NULL: everything has been sent */
	struct tcp_seg *sent, *sent_tail;
	uint32_t pipe;             /* bytes believed to be on their way */
	uint32_t sacked;           /* bytes of sent that are */
	uint32_t lost;             /* segments of sent that are */
	uint32_t n_sent, n_sacked; /* segments of sent; of them */
	/* receiving */
	uint32_t rcv_nxt;
	uint32_t rcv_adv;  /* the right edge that has been announced */
	uint32_t last_ack; /* the last rcv_nxt that the peer was told */
	uint32_t irs;
	struct tcp_queue rcv;
	struct tcp_seg *ooo, *ooo_tail;
	uint32_t ooo_bytes;
	uint16_t n_ooo;
	uint8_t quick; /* segments still to be acknowledged at once */
	uint8_t n_recent;
	uint32_t recent[SACKS_MAX]; /* a byte of each of the last runs that grew, the last first */
	uint32_t dsack[2];          /* to be reported; equal: nothing */
	uint32_t fin_seq;           /* of a FIN that came out of order, with ooo_fin */
	/* congestion, loss */
	uint32_t cwnd, ssthresh;
	uint32_t recover; /* recovery is over when this is acknowledged */
	uint32_t prr_delivered, prr_out, recover_fs; /* RFC 6937 */
	uint32_t undo_cwnd, undo_ssthresh;
	uint32_t undo_una, undo_ts;
	int32_t undo_left; /* retransmissions not yet reported as duplicates; < 0: none to undo */
	uint32_t ecn_end;  /* no other reduction for marks before this is acknowledged */
	uint32_t rack_us, rack_end, rack_rtt_us; /* RFC 8985 */
	uint32_t fack;                           /* the highest number delivered */
	uint32_t reo_end;
	uint8_t reo_mult, reo_keep;
	bool ooo_fin;
	uint8_t mtu_fails; /* time-outs of large segments in a row */
	uint32_t probe_end;
	uint32_t srtt_us, rttvar_us, min_rtt_us, min_rtt_ms;
	uint32_t rto_ms;
	uint32_t sent_ms; /* the last data */
	struct tcp_cc_state cc;
	/* time */
	uint32_t deadline[TIMERS];
	uint32_t ts_recent, ts_recent_ms;
	uint32_t heard_ms; /* the last segment */
	uint32_t challenge_ms;
	bool challenged; /* challenge_ms is set */
	uint16_t
		pseudo; /* sum of what does not change of the pseudo header and the ports, folded */
	struct tcp_hop hop;
	int error;
	uint32_t tag;
	uint32_t retransmitted;
	struct tcp_conn *next; /* on the list; of those that are free */
	struct flow *flow;     /* NULL: none any more */
	struct tcp *tcp;
	const struct tcp_ops *ops;
	void *ctx;
	struct tcp_how how;
};

_Static_assert(sizeof(struct tcp_conn) <= 832, "an idle connection is at most 1 KiB with its flow");

struct tcp {
	struct tcp_conf conf;
	uint64_t now_us;
	uint32_t now_ms;
	uint8_t pressure; /* PRESSURE_* */
	uint32_t copies;  /* buffers that data may take until the pool is looked at again */
	struct tcp_conn *pending, *pending_tail;
	struct tcp_conn *free_conn;
	struct tcp_seg *free_seg;
	struct tcp_conn *conn; /* [max_conns] */
	struct tcp_seg *seg;   /* [max_segments] */
	uint32_t n_conns, n_half_open, n_orphans, n_time_wait, n_segs;
	uint32_t reset_ms, reset_tokens;
	uint32_t pressure_ms;          /* when it was last looked at */
	uint32_t cookie_ms;            /* when the last cookie was sent, */
	bool cookies;                  /* if one was */
	bool behind;                   /* the SYN at hand is this one: */
	const struct rte_mbuf *reused; /* the last for which one in TIME-WAIT made room, */
	uint32_t reused_nxt;           /* that had this snd_nxt; until the next tcp_advance() */
	struct syncookie cookie;
	uint64_t count[TCP_COUNTS];
	struct wheel wheel;
};

#define tcp_counted(t, name) counter_add(&(t)->count[TCP_COUNT_##name], 1)

static inline uint32_t tcp_stamp(const struct tcp *t)
{
	return syncookie_clock(&t->cookie, t->now_ms);
}

static inline bool conn_is_open(const struct tcp_conn *c)
{
	return c->state >= TCP_ESTABLISHED && c->state < TCP_TIME_WAIT;
}

/* Whether data of ours may still have to be sent. */
static inline bool conn_may_send(const struct tcp_conn *c)
{
	return c->state >= TCP_ESTABLISHED && c->state <= TCP_LAST_ACK &&
	       c->state != TCP_FIN_WAIT_2;
}

static inline uint32_t conn_unsent(const struct tcp_conn *c)
{
	const uint32_t flight = c->snd_nxt - c->snd_una; /* a FIN is in it until all of it is not */

	return c->snd.bytes - (flight - (flight && (c->flags & CONN_FIN_SENT)));
}

/* Bytes on their way. Without SACK each duplicate acknowledgement says that a segment has left the
 * network (RFC 3042, RFC 6582). */
static inline uint32_t conn_in_flight(const struct tcp_conn *c)
{
	const uint32_t gone = c->flags & CONN_SACK ? 0 : (uint32_t)c->dupacks * c->mss;

	return c->pipe - RTE_MIN(c->pipe, gone);
}

/* ---- a segment that came -------------------------------------------------------------------- */

/* Numbers in host order. */
struct arrival {
	struct pkt *p;
	uint32_t seq, ack;
	uint32_t len; /* bytes of data */
	uint16_t wnd; /* as it stands there */
	uint8_t flags;
	bool marked;  /* congestion experienced */
	bool capable; /* ECT or CE */
	struct tcp_options o;
};

/* Sequence space it takes. */
static inline uint32_t arrival_length(const struct arrival *a)
{
	return a->len + !!(a->flags & TCP_SYN) + !!(a->flags & TCP_FIN);
}

/* What goes into a segment that is made here. */
struct outgoing {
	uint32_t seq, ack;
	uint16_t wnd;
	uint8_t flags;
	bool capable;  /* ECT(0) */
	uint16_t size; /* bytes of data that one segment carries: tcp_room() */
	struct tcp_options o;
	uint8_t n_sacks;
	uint32_t sack[2 * SACKS_MAX]; /* start and end of each */
};

/* ---- tcp.c ---------------------------------------------------------------------------------- */

/* A connection for the flow of in (source: the peer), which becomes its; both or neither. NULL with
 * *reason. */
struct tcp_conn *tcp_conn_new(struct tcp *t, const struct tuple *in, const struct tcp_how *how,
	const struct tcp_ops *ops, void *ctx, enum drop_reason *reason);
uint32_t tcp_isn(const struct tcp *t, const struct tuple *in);
void tcp_pend(struct tcp_conn *c);
void tcp_raise(struct tcp_conn *c, uint32_t event);
void tcp_established(struct tcp_conn *c);
/* The connection ends without another word. error: 0 or what the application hears. */
void tcp_end(struct tcp_conn *c, int error);
/* RST, and tcp_end(). */
void tcp_break(struct tcp_conn *c, int error);
void tcp_enter(struct tcp_conn *c, enum tcp_state next);
void tcp_time_wait(struct tcp_conn *c);
/* Frees the entry of one that is over, unless the application still has it. */
void tcp_drop_entry(struct tcp_conn *c);
void tcp_flow_close(struct tcp *t, struct flow *f);
/* The most that a segment to peer carries, options included; 0: there is no way. */
uint16_t tcp_mss_of(const struct tcp *t, const struct tcp_how *how, const struct addr *peer);
/* What a segment carries follows from the peer, the path and the options. */
void tcp_set_mss(struct tcp_conn *c);

/* ---- tcp_in.c ------------------------------------------------------------------------------- */

void tcp_conn_input(struct tcp_conn *c, struct arrival *a);
void tcp_agree(struct tcp_conn *c, const struct tcp_options *o);
/* Answers what is not acceptable, at most once in CHALLENGE_MS. */
void tcp_challenge(struct tcp_conn *c);

/* ---- tcp_listen.c --------------------------------------------------------------------------- */

void tcp_listen_input(struct tcp *t, struct arrival *a, const struct tcp_listener *l);
/* False: it is a SYN for which the flow has been closed, and of no connection now. */
bool tcp_wait_input(struct tcp *t, struct arrival *a, struct flow *f);

/* ---- tcp_ack.c ------------------------------------------------------------------------------ */

void tcp_ack(struct tcp_conn *c, const struct arrival *a);
void tcp_rtt_sample(struct tcp_conn *c, uint32_t us);
/* Marks what RACK says is lost; arms the timer where some may be soon. Whether any was. */
bool tcp_rack_detect(struct tcp_conn *c);
void tcp_mark_lost(struct tcp_conn *c, struct tcp_seg *s);
void tcp_enter_recovery(struct tcp_conn *c, enum recovery how);
uint32_t tcp_initial_window(uint16_t mss);

/* ---- tcp_out.c ------------------------------------------------------------------------------ */

void tcp_output(struct tcp_conn *c);
void tcp_send_ack(struct tcp_conn *c);
/* The first SYN, or SYN-ACK. Where there is no descriptor for it the timer tries again. */
void tcp_send_syn(struct tcp_conn *c);
/* A segment without data one before what the peer expects: it answers. */
void tcp_send_probe(struct tcp_conn *c);
/* Sends a segment of the list again. False: there is no buffer. */
bool tcp_resend(struct tcp_conn *c, struct tcp_seg *s);
/* One more segment than windows allow: new data where there is some, else the last again. */
void tcp_send_tail(struct tcp_conn *c);
/* What the window has room for, be it little. */
void tcp_send_small(struct tcp_conn *c);
/* Bytes of data a segment has room for now. */
uint32_t tcp_room(const struct tcp_conn *c);
/* Whether reading has opened the window far enough to say so. */
bool tcp_window_grew(const struct tcp_conn *c);

/* ---- tcp_build.c ---------------------------------------------------------------------------- */

/* Sends a segment with len bytes from (buf, off) on, which the device cuts up where they are more
 * than tcp_room(). False, counted: there is no buffer. */
bool tcp_emit(struct tcp_conn *c, const struct outgoing *out, const struct rte_mbuf *buf,
	uint32_t off, uint32_t len);
/* One without data that is of no connection; to: the tuple it has. */
bool tcp_emit_alone(struct tcp *t, const struct tuple *to, const struct outgoing *out);
/* The answer to a segment that is of no connection (RFC 9293 3.10.7.1), within limits. */
void tcp_reset_reply(struct tcp *t, const struct arrival *a);
uint16_t tcp_pseudo(const struct tuple *to);

/* So that it carries len bytes; the rest of it follows. False: there is no descriptor. */
bool tcp_seg_split(struct tcp_conn *c, struct tcp_seg *s, uint32_t len);

/* ---- tcp_timer.c ---------------------------------------------------------------------------- */

void tcp_timer_set(struct tcp_conn *c, enum tcp_timer which, uint32_t after_ms);
static inline void tcp_timer_stop(struct tcp_conn *c, enum tcp_timer which)
{
	c->timers &= (uint8_t) ~(1u << which);
}
static inline bool tcp_timer_runs(const struct tcp_conn *c, enum tcp_timer which)
{
	return c->timers & 1u << which;
}
/* After sending or an acknowledgement: what to wait for. */
void tcp_rearm(struct tcp_conn *c);
/* After tcp_output(): the same, where something was sent or still waits. */
void tcp_sent(struct tcp_conn *c, bool anything);
/* A timer that begins anew with each segment that comes, for the state it is in. */
void tcp_long_timer(struct tcp_conn *c);
void tcp_timer_fire(struct tcp_conn *c);

/* ---- tcp_queue.c ---------------------------------------------------------------------------- */

/* NULL: there is none, or few are left and the connection's list has many: `have`. */
struct tcp_seg *tcp_seg_take(struct tcp *t, uint32_t have);
void tcp_seg_give(struct tcp *t, struct tcp_seg *s);
void tcp_queue_free(struct tcp_queue *q);
void tcp_queue_add(
	struct tcp_queue *q, struct rte_mbuf *head, struct rte_mbuf *tail, uint32_t bytes);
/* Takes the data of a segment: [a->seq, a->seq + a->len), at least one byte of which is new and in
 * the window. Whether rcv_nxt moved. p becomes PKT_TAKEN, or PKT_DROP: there are no buffers. */
bool tcp_queue_segment(struct tcp_conn *c, struct arrival *a);
/* What was acknowledged leaves the queue. */
void tcp_queue_drop(struct tcp_conn *c, uint32_t bytes);
void tcp_queue_free_ooo(struct tcp_conn *c);
void tcp_queue_free_sent(struct tcp_conn *c);
/* What waits to be read and lies in the ports' buffers, though it is little, is copied out. */
void tcp_queue_settle(struct tcp_conn *c);
/* Adds a chain to what waits to be sent; takes it. */
void tcp_queue_write(struct tcp_conn *c, struct rte_mbuf *chain);
/* Likewise a copy: all of it and 0, or -ENOBUFS. */
int tcp_queue_put(struct tcp_conn *c, const void *data, uint32_t len);
/* Copies into mbufs of the instance. 0 or -ENOBUFS. */
int tcp_queue_copy(struct tcp *t, struct tcp_queue *q, const void *data, uint32_t len);
void tcp_pressure(struct tcp *t);

#endif

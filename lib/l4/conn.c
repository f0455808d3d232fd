/* SPDX-License-Identifier: BSD-3-Clause */
/* States of forwarded connections; the diagram is in conn.h. */
#include "conn.h"

#include <netinet/in.h>

#include "base/invariant.h"

static const char *const names[CONN_STATES] = {
	[CONN_NONE] = "none",
	[CONN_SYN] = "syn",
	[CONN_SYN_ACK] = "syn-ack",
	[CONN_ESTABLISHED] = "established",
	[CONN_FIN] = "fin",
	[CONN_TIME_WAIT] = "time-wait",
	[CONN_RESET] = "reset",
	[CONN_UDP] = "udp",
	[CONN_UDP_STREAM] = "udp-stream",
};

const char *conn_state_name(enum conn_state s)
{
	return (unsigned int)s < CONN_STATES ? names[s] : "?";
}

enum conn_state conn_state_find(const char *name)
{
	for (unsigned int s = CONN_NONE + 1; s < CONN_STATES; s++)
		if (strcmp(names[s], name) == 0)
			return (enum conn_state)s;
	return CONN_NONE;
}

static enum conn_state udp_next(struct flow *f, uint8_t dir)
{
	bool answered = f->flags & FLOW_RETURN ? dir == DIR_RETURN : f->state != CONN_NONE;

	return answered || f->state == CONN_UDP_STREAM ? CONN_UDP_STREAM : CONN_UDP;
}

static enum conn_state closing(struct flow *f, uint8_t dir)
{
	f->flags |= dir == DIR_FORWARD ? FLOW_FIN_FWD : FLOW_FIN_RET;
	return (f->flags & FLOW_FIN_FWD) && (f->flags & FLOW_FIN_RET) ? CONN_TIME_WAIT : CONN_FIN;
}

/*
 * After a RST: segments that go on in every direction we see mean that its receiver did not believe
 * it (it was forged, RFC 5961), so the connection is taken up again.
 */
static enum conn_state reset_next(struct flow *f, uint8_t dir, uint8_t tcp_flags)
{
	uint8_t both = FLOW_ALIVE_FWD | (f->flags & FLOW_RETURN ? FLOW_ALIVE_RET : 0);

	if (tcp_flags & TCP_ACK)
		f->flags |= dir == DIR_FORWARD ? FLOW_ALIVE_FWD : FLOW_ALIVE_RET;
	return (f->flags & both) == both ? CONN_ESTABLISHED : CONN_RESET;
}

enum conn_state conn_next(struct flow *f, uint8_t dir, uint8_t tcp_flags)
{
	bool two_way = f->flags & FLOW_RETURN;

	if (f->proto != IPPROTO_TCP)
		return udp_next(f, dir);
	if (tcp_flags & TCP_RST) {
		f->flags &= (uint8_t) ~(FLOW_ALIVE_FWD | FLOW_ALIVE_RET);
		return CONN_RESET;
	}
	switch ((enum conn_state)f->state) {
	case CONN_NONE:
		return tcp_flags & TCP_SYN ? CONN_SYN : CONN_ESTABLISHED;
	case CONN_SYN:
		/* Nobody can have closed what the server has not answered: whoever says so would
		 * have a flow that lasts longer and is never evicted. */
		if ((tcp_flags & TCP_FIN) && !two_way)
			return closing(f, dir);
		if (two_way)
			return dir == DIR_RETURN && (tcp_flags & TCP_SYN) && (tcp_flags & TCP_ACK)
				       ? CONN_SYN_ACK
				       : CONN_SYN;
		return !(tcp_flags & TCP_SYN) && (tcp_flags & TCP_ACK) ? CONN_ESTABLISHED
								       : CONN_SYN;
	case CONN_SYN_ACK:
		if (tcp_flags & TCP_FIN)
			return closing(f, dir);
		return dir == DIR_FORWARD && !(tcp_flags & TCP_SYN) && (tcp_flags & TCP_ACK)
			       ? CONN_ESTABLISHED
			       : CONN_SYN_ACK;
	case CONN_ESTABLISHED:
	case CONN_FIN:
		if (tcp_flags & TCP_FIN)
			return closing(f, dir);
		return (enum conn_state)f->state;
	case CONN_RESET:
		return reset_next(f, dir, tcp_flags);
	default:
		return (enum conn_state)f->state;
	}
}

uint32_t conn_timeout(const struct timeouts *t, enum conn_state s)
{
	switch (s) {
	case CONN_SYN:
	case CONN_SYN_ACK:
		return t->tcp_syn;
	case CONN_ESTABLISHED:
		return t->tcp_established;
	case CONN_FIN:
		return t->tcp_fin;
	case CONN_TIME_WAIT:
		return t->tcp_time_wait;
	case CONN_RESET:
		return t->tcp_reset;
	case CONN_UDP:
		return t->udp;
	case CONN_UDP_STREAM:
		return t->udp_stream;
	default:
		x_assert(!"a flow without a state");
		return t->tcp_syn;
	}
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* See serve.h. */
#include "session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "base/counter.h"

#define CHUNK 32768u

static uint8_t pattern[CHUNK + PATTERN_PERIOD];

void serve_init(void)
{
	for (unsigned int i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i % PATTERN_PERIOD);
}

void free_chain(struct rte_mbuf *m)
{
	while (m) {
		struct rte_mbuf *next = m->next;

		m->next = NULL;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
}

/* ---- the services --------------------------------------------------------------------------- */

static bool echo_turn(struct session *s)
{
	uint32_t room;

	while ((room = tcp_writable(s->conn)) > 0) {
		struct rte_mbuf *m = tcp_read(s->conn, room, NULL);

		if (!m)
			break;
		if (tcp_write(s->conn, m) < 0)
			return true;
	}
	return tcp_at_end(s->conn);
}

static bool discard_turn(struct session *s)
{
	free_chain(tcp_read(s->conn, UINT32_MAX, NULL));
	return tcp_at_end(s->conn);
}

bool session_send_pattern(struct session *s)
{
	uint32_t room;

	while (s->left && (room = tcp_writable(s->conn)) > 0) {
		const uint32_t n = (uint32_t)RTE_MIN((uint64_t)RTE_MIN(room, CHUNK), s->left);

		if (tcp_write_copy(s->conn, pattern + s->at % PATTERN_PERIOD, n) < 0) {
			counter_add(&s->host->starved, 1);
			return false;
		}
		s->at += n;
		s->left -= n;
	}
	return true;
}

/* Until the peer has enough. */
static bool source_turn(struct session *s)
{
	s->left = UINT64_MAX;
	return !session_send_pattern(s) || discard_turn(s);
}

bool session_read_line(struct session *s, const char *end)
{
	const unsigned int room = sizeof(s->line) - 1 - s->used;
	char *found;

	s->used += tcp_read_copy(s->conn, s->line + s->used, room);
	s->line[s->used] = '\0';
	found = strstr(s->line, end);
	if (found)
		*found = '\0';
	return found != NULL;
}

static bool body_turn(struct session *s)
{
	return !session_send_pattern(s) || s->left == 0;
}

static bool http_turn(struct session *s)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
				   "Content-Length: %" PRIu64 "\r\n\r\n";
	char answer[sizeof(head) + 32];

	if (!session_read_line(s, "\r\n\r\n"))
		return tcp_at_end(s->conn) || s->used == sizeof(s->line) - 1;
	if (sscanf(s->line, "GET /%" SCNu64, &s->left) != 1)
		return true;
	snprintf(answer, sizeof(answer), head, s->left);
	if (tcp_write_copy(s->conn, answer, (uint32_t)strlen(answer)) < 0)
		return true;
	s->turn = body_turn;
	return body_turn(s);
}

static session_turn *turn_of(const struct tcp_conn *c)
{
	switch (rte_be_to_cpu_16(tcp_tuple(c).dport)) {
	case 1:
		return calls_turn;
	case 7:
		return echo_turn;
	case 19:
		return source_turn;
	case 80:
		return http_turn;
	default:
		return discard_turn;
	}
}

/* ---- sessions ------------------------------------------------------------------------------- */

struct session *session_new(struct host *host, session_turn *turn)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->host = host;
	s->turn = turn;
	counter_add(&host->sessions, 1);
	return s;
}

void session_end(struct session *s)
{
	if (s->other)
		call_over(s);
	if (s->conn)
		tcp_close(s->conn);
	counter_add(&s->host->sessions, (uint64_t)-1);
	free(s);
}

static void session_event(struct tcp_conn *c, uint32_t events)
{
	struct session *s = tcp_ctx(c);

	if (events & TCP_EV_ERROR)
		counter_add(&s->host->failed, 1);
	else if (!s->turn(s))
		return;
	session_end(s);
}

const struct tcp_ops session_ops = { .event = session_event };

/* The first event of a connection that was accepted. */
static void server_event(struct tcp_conn *c, uint32_t events)
{
	struct session *s = session_new(tcp_ctx(c), turn_of(c));

	if (!s) {
		tcp_abort(c);
		return;
	}
	s->conn = c;
	tcp_set_ctx(c, s);
	tcp_set_ops(c, &session_ops);
	session_event(c, events);
}

const struct tcp_ops server_ops = { .event = server_event };

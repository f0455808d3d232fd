/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections that the program opens: see serve.h. */
#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_mbuf.h>

static void check_pattern(struct session *s, const struct rte_mbuf *m)
{
	for (; m; m = m->next) {
		const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);

		for (unsigned int i = 0; i < m->data_len; i++)
			s->wrong |= data[i] != (s->got + i) % PATTERN_PERIOD;
		s->got += m->data_len;
	}
}

static bool call_turn(struct session *s)
{
	struct rte_mbuf *m = tcp_read(s->conn, UINT32_MAX, NULL);

	check_pattern(s, m);
	free_chain(m);
	if (!session_send_pattern(s))
		return true;
	if (s->left == 0)
		tcp_shutdown(s->conn);
	return tcp_at_end(s->conn);
}

/* The answer to who asked. error: 0 or -errno. */
static void answer(struct session *asker, const struct session *call, int error)
{
	char text[160];

	snprintf(text, sizeof(text),
		"{\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"intact\": %s, "
		"\"error\": \"%s\"}\n",
		call ? call->at : 0, call ? call->got : 0, call && !call->wrong ? "true" : "false",
		error ? strerror(-error) : "");
	tcp_write_copy(asker->conn, text, (uint32_t)strlen(text));
}

void call_over(struct session *s)
{
	struct session *other = s->other;

	other->other = NULL;
	if (s->turn != call_turn)
		return;
	if (s->wants_back && s->got != s->at)
		s->wrong = true;
	answer(other, s, tcp_error(s->conn));
	if (tcp_at_end(other->conn))
		session_end(other);
}

static int call_begin(struct session *asker)
{
	char what[8], address[64];
	struct tcp_target to = { 0 };
	struct session *s;
	uint64_t n;

	if (sscanf(asker->line, "%7s %63s %hu %" SCNu64, what, address, &to.remote.port, &n) != 4 ||
		addr_parse(address, &to.remote.addr) < 0)
		return -EINVAL;
	to.local = asker->host->from[!addr_is_v4(&to.remote.addr)];
	s = session_new(asker->host, call_turn);
	if (!s)
		return -ENOMEM;
	s->left = n;
	s->wants_back = strcmp(what, "echo") == 0;
	s->conn = tcp_connect(tcp_of(asker->conn), &to, &asker->host->how, &session_ops, s);
	if (!s->conn) {
		const int rc = -errno;

		session_end(s);
		return rc;
	}
	s->other = asker;
	asker->other = s;
	return 0;
}

bool calls_turn(struct session *s)
{
	if (!s->other && session_read_line(s, "\n")) {
		int rc = call_begin(s);

		s->used = 0;
		if (rc < 0)
			answer(s, NULL, rc);
	}
	return !s->other && tcp_at_end(s->conn);
}

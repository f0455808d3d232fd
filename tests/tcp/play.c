/* SPDX-License-Identifier: BSD-3-Clause */
#include "play.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"

#define READ_MAX (1u << 20)

/* A step fails where it is played from an event, too, with no player at hand. */
static bool __attribute__((format(printf, 2, 3))) wrong(struct lab *lab, const char *format, ...)
{
	char text[SEG_TEXT];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	lab_fault(lab, "%s", text);
	return false;
}

/* ---- values --------------------------------------------------------------------------------- */

static bool compare(int64_t v, const char *with)
{
	static const struct {
		const char *sign;
		bool less, same, more;
	} signs[] = {
		{ ">=", false, true, true },
		{ "<=", true, true, false },
		{ "!=", true, false, true },
		{ ">", false, false, true },
		{ "<", true, false, false },
		{ "=", false, true, false },
		{ "", false, true, false },
	};
	const char *dots = strstr(with, "..");
	unsigned int i = 0;
	int64_t to, from;

	if (dots) {
		char low[40];

		snprintf(low, sizeof(low), "%.*s", (int)(dots - with), with);
		return number_parse(low, &from) && number_parse(dots + 2, &to) && v >= from &&
		       v <= to;
	}
	while (strncmp(with, signs[i].sign, strlen(signs[i].sign)) != 0)
		i++;
	if (!number_parse(with + strlen(signs[i].sign), &to))
		return false;
	return v < to ? signs[i].less : v > to ? signs[i].more : signs[i].same;
}

static bool expect(struct lab *lab, const char *what, int64_t v, const char *with)
{
	return compare(v, with) || wrong(lab, "%s is %" PRId64 ", expected %s", what, v, with);
}

static int64_t number_of(const char *text)
{
	int64_t v = 0;

	number_parse(text, &v);
	return v;
}

static const struct {
	const char *name;
	int number;
} errors[] = {
	{ "none", 0 },
	{ "ECONNREFUSED", ECONNREFUSED },
	{ "ECONNRESET", ECONNRESET },
	{ "ETIMEDOUT", ETIMEDOUT },
	{ "EHOSTUNREACH", EHOSTUNREACH },
	{ "ENETUNREACH", ENETUNREACH },
	{ "EPIPE", EPIPE },
	{ "ENOBUFS", ENOBUFS },
	{ "EADDRINUSE", EADDRINUSE },
	{ "EADDRNOTAVAIL", EADDRNOTAVAIL },
};

static bool expect_error(struct lab *lab, int got, const char *name)
{
	for (unsigned int i = 0; i < RTE_DIM(errors); i++)
		if (strcmp(errors[i].name, name) == 0)
			return -got == errors[i].number ||
			       wrong(lab, "error %d (%s), expected %s", got, strerror(-got), name);
	return wrong(lab, "\"%s\" is no error", name);
}

/* ---- settings ------------------------------------------------------------------------------- */

struct setting {
	const char *name;
	size_t at, size;
};
#define HOW(f)                                                                                     \
	{                                                                                          \
#f, offsetof(struct tcp_how, f), sizeof(((struct tcp_how *)0)->f)                  \
	}
#define CONF(f)                                                                                    \
	{                                                                                          \
#f, offsetof(struct tcp_conf, f), sizeof(((struct tcp_conf *)0)->f)                \
	}

static const struct setting how_settings[] = { HOW(rcvbuf), HOW(sndbuf), HOW(mss), HOW(timestamps),
	HOW(sack), HOW(window_scale), HOW(ecn), HOW(nagle), HOW(syn_retries), HOW(retries),
	HOW(keep_count), HOW(keep_idle_ms), HOW(keep_interval_ms), HOW(fin_wait_ms), HOW(linger_ms),
	{ NULL, 0, 0 } };
static const struct setting conf_settings[] = { CONF(max_conns), CONF(max_half_open),
	CONF(max_orphans), CONF(max_segments), CONF(time_wait_ms), CONF(linear), CONF(offload),
	{ NULL, 0, 0 } };

static bool set(void *to, const struct setting *settings, const char *word)
{
	const char *value = strchr(word, '=') + 1;
	int64_t v = strcmp(value, "on") == 0 ? 1 : number_of(value);

	while (settings->name &&
		(strlen(settings->name) != (size_t)(value - 1 - word) ||
			strncmp(settings->name, word, strlen(settings->name)) != 0))
		settings++;
	if (!settings->name)
		return false;
	/* Little-endian, as all that DPDK knows and we run on. */
	memcpy((char *)to + settings->at, &v, settings->size);
	return true;
}

static bool set_conf(struct lab *lab, const char *word)
{
	if (strncmp(word, "mtu=", 4) == 0)
		lab->conf.mtu = (uint16_t)number_of(word + 4);
	else if (strcmp(word, "cookies=always") == 0)
		lab->conf.cookies = TCP_COOKIES_ALWAYS;
	else if (strcmp(word, "cookies=never") == 0)
		lab->conf.cookies = TCP_COOKIES_NEVER;
	else if (lab->tcp || !set(&lab->conf.tcp, conf_settings, word))
		return wrong(lab, "\"%s\" is no setting, or it is too late for it", word);
	return true;
}

static bool set_peer(struct lab_conn *n, const char *word)
{
	if (strncmp(word, "stamps=", 7) == 0)
		n->stamps = strcmp(word + 7, "on") == 0;
	else if (strncmp(word, "port=", 5) == 0)
		n->peer_port = (uint16_t)number_of(word + 5);
	else if (strncmp(word, "seq=", 4) == 0)
		n->base.peer_seq = (uint32_t)number_of(word + 4);
	else
		return wrong(n->lab, "\"%s\" is nothing of a peer", word);
	return true;
}

static bool play_settings(struct lab *lab, const struct step *s)
{
	for (unsigned int i = 0; i < s->n_words; i++) {
		if (s->kind == STEP_how && !set(&lab->conf.how, how_settings, s->word[i]))
			return wrong(lab, "\"%s\" is no setting", s->word[i]);
		if (s->kind == STEP_conf && !set_conf(lab, s->word[i]))
			return false;
		if (s->kind == STEP_peer && !set_peer(&lab->conn[s->conn], s->word[i]))
			return false;
	}
	return true;
}

/* ---- the application ------------------------------------------------------------------------ */

static bool expect_stream(struct lab_conn *n, const uint8_t *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++, n->read++)
		if (data[i] != stream_byte(n->read, false))
			return wrong(n->lab, "wrong byte read at offset %u", n->read);
	return true;
}

static bool play_read(struct lab_conn *n, uint32_t len)
{
	static uint8_t data[READ_MAX];
	const uint32_t got = tcp_read_copy(n->c, data, len < READ_MAX ? len : READ_MAX);

	if (!expect_stream(n, data, got))
		return false;
	return got == len || wrong(n->lab, "%u bytes could be read", got);
}

/* Whole mbufs, which may not be cut at the place where the script wants it. */
static bool play_take(struct lab_conn *n, uint32_t len)
{
	uint32_t got = 0, of_chain;
	struct rte_mbuf *m;
	bool good = true;

	while (got < len && (m = tcp_read(n->c, len - got, &of_chain))) {
		got += of_chain;
		for (struct rte_mbuf *next; m; m = next) {
			next = m->next;
			good = good &&
			       expect_stream(n, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
			of_chain -= m->data_len;
			m->next = NULL;
			m->nb_segs = 1;
			frame_free(m);
		}
		if (of_chain)
			return wrong(n->lab, "a chain that is not as long as it is said to be");
	}
	return good && (got == len || wrong(n->lab, "%u bytes could be taken", got));
}

static int give(struct lab_conn *n, uint32_t len, uint32_t piece)
{
	struct rte_mbuf *chain = NULL, **link = &chain;

	for (uint32_t done = 0; done < len;) {
		struct rte_mbuf *m = lab_mbuf();
		const uint32_t now = RTE_MIN(len - done, piece);
		uint8_t *data = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)now);

		for (uint32_t i = 0; i < now; i++)
			data[i] = stream_byte(n->sent + done + i, true);
		done += now;
		*link = m;
		link = &m->next;
	}
	return tcp_write(n->c, chain);
}

static int write_copy(struct lab_conn *n, uint32_t len)
{
	uint8_t *data = malloc(len + 1);
	int rc;

	for (uint32_t i = 0; i < len; i++)
		data[i] = stream_byte(n->sent + i, true);
	rc = tcp_write_copy(n->c, data, len);
	free(data);
	return rc;
}

static bool play_write(struct lab_conn *n, const struct step *s)
{
	const char *last = s->word[s->n_words - 1];
	const bool fails = *last == 'E';
	const uint32_t len = (uint32_t)number_of(s->word[0]);
	const uint32_t piece = s->n_words > 1u + fails ? (uint32_t)number_of(s->word[1]) : 1000;
	const int rc = s->kind == STEP_give ? give(n, len, piece) : write_copy(n, len);

	if (rc == 0)
		n->sent += len;
	return expect_error(n->lab, rc, fails ? last : "none");
}

static void play_end(struct lab_conn *n, enum step_kind kind)
{
	struct tcp_conn *c = n->c;

	if (kind == STEP_shutdown) {
		tcp_shutdown(c);
		return;
	}
	n->c = NULL;
	n->events = 0;
	memset(n->reaction, 0, sizeof(n->reaction));
	if (kind == STEP_close)
		tcp_close(c);
	else
		tcp_abort(c);
}

/* What the application does with a connection; also from its events. */
static bool play_action(struct lab *lab, const struct step *s)
{
	struct lab_conn *n = &lab->conn[s->conn];

	if (!n->c)
		return wrong(lab, "the application has no connection %u", s->conn);
	switch (s->kind) {
	case STEP_read:
		return play_read(n, (uint32_t)number_of(s->word[0]));
	case STEP_take:
		return play_take(n, (uint32_t)number_of(s->word[0]));
	case STEP_end:
		return tcp_at_end(n->c) || wrong(lab, "not at the end");
	case STEP_readable:
		return expect(lab, "what can be read", tcp_readable(n->c), s->word[0]);
	case STEP_writable:
		return expect(lab, "what can be written", tcp_writable(n->c), s->word[0]);
	case STEP_write:
	case STEP_give:
		return play_write(n, s);
	case STEP_shutdown:
	case STEP_close:
	case STEP_abort:
		play_end(n, s->kind);
		return true;
	default:
		return wrong(lab, "no action of an application");
	}
}

static bool play_connect(struct lab *lab, const struct step *s)
{
	struct lab_conn *n = &lab->conn[s->conn];
	const char *error = "none";
	bool any_port = false;

	for (unsigned int i = 0; i < s->n_words; i++)
		if (strcmp(s->word[i], "port=any") == 0)
			any_port = true;
		else if (strncmp(s->word[i], "error=", 6) == 0)
			error = s->word[i] + 6;
	n->sent = n->read = 0;
	return expect_error(lab, lab_connect(lab, n, any_port), error);
}

/* ---- what is to be seen --------------------------------------------------------------------- */

static const char *const event_names[] = { "OPEN", "READ", "WRITE", "ERROR" };

static void format_events(uint32_t events, char text[40])
{
	text[0] = '\0';
	for (unsigned int i = 0; i < RTE_DIM(event_names); i++)
		if (events & 1u << i)
			sprintf(text + strlen(text), " %s", event_names[i]);
}

static bool play_event(struct lab *lab, const struct step *s)
{
	struct lab_conn *n = &lab->conn[s->conn];
	uint32_t want = 0, got = n->events;
	char text[40];

	for (unsigned int k = 0; k < s->n_words; k++)
		for (unsigned int i = 0; i < RTE_DIM(event_names); i++)
			want |= strcmp(s->word[k], event_names[i]) == 0 ? 1u << i : 0;
	n->events = 0;
	format_events(got, text);
	return got == want || wrong(lab, "events:%s", text);
}

static bool play_react(struct lab *lab, const struct step *s)
{
	for (unsigned int i = 0; i < RTE_DIM(event_names); i++)
		if (strcmp(s->word[0], event_names[i]) == 0) {
			lab->conn[s->conn].reaction[i] = s->reaction;
			return true;
		}
	return wrong(lab, "\"%s\" is no event", s->word[0]);
}

static bool play_state(struct lab *lab, const struct step *s)
{
	struct tcp_conn *c = lab->conn[s->conn].c;
	struct tcp_info info;

	if (!c)
		return wrong(lab, "the application has no connection %u", s->conn);
	tcp_info(c, &info);
	return strcmp(tcp_state_name(info.state), s->word[0]) == 0 ||
	       wrong(lab, "state %s", tcp_state_name(info.state));
}

#define INFO(f)                                                                                    \
	{                                                                                          \
#f, offsetof(struct tcp_info, f), sizeof(((struct tcp_info *)0)->f)                \
	}
#define STAT(f)                                                                                    \
	{                                                                                          \
#f, offsetof(struct tcp_stats, f), sizeof(((struct tcp_stats *)0)->f)              \
	}

static bool expect_field(
	struct lab *lab, const struct setting *fields, const void *of, const struct step *s)
{
	int64_t v = 0;

	while (fields->name && strcmp(fields->name, s->word[0]) != 0)
		fields++;
	if (!fields->name)
		return wrong(lab, "there is no %s", s->word[0]);
	memcpy(&v, (const char *)of + fields->at, fields->size);
	return expect(lab, s->word[0], v, s->word[1]);
}

static bool play_info(struct lab *lab, const struct step *s)
{
	static const struct setting fields[] = { INFO(cwnd), INFO(ssthresh), INFO(srtt_us),
		INFO(rttvar_us), INFO(rto_ms), INFO(min_rtt_us), INFO(snd_wnd), INFO(rcv_wnd),
		INFO(unacked), INFO(unsent), INFO(queued), INFO(retransmitted), INFO(mss),
		INFO(snd_wscale), INFO(rcv_wscale), INFO(timestamps), INFO(sack), INFO(ecn),
		INFO(recovering), { NULL, 0, 0 } };
	struct tcp_conn *c = lab->conn[s->conn].c;
	struct tcp_info info;

	if (!c)
		return wrong(lab, "the application has no connection %u", s->conn);
	tcp_info(c, &info);
	return expect_field(lab, fields, &info, s);
}

static bool play_figures(struct lab *lab, const struct step *s)
{
	static const struct setting fields[] = { STAT(conns), STAT(half_open), STAT(orphans),
		STAT(time_wait), STAT(segments), { NULL, 0, 0 } };
	struct tcp_stats stats;

	tcp_stats(lab->tcp, &stats);
	if (s->kind == STEP_stats)
		return expect_field(lab, fields, &stats, s);
	for (unsigned int i = 0; i < TCP_COUNTS; i++)
		if (strcmp(tcp_count_name(i), s->word[0]) == 0)
			return expect(lab, s->word[0], (int64_t)stats.count[i], s->word[1]);
	return wrong(lab, "nothing counts %s", s->word[0]);
}

static bool play_drop(struct lab *lab, const struct step *s)
{
	const char *got = lab->last_dropped ? drop_name(lab->last_reason) : "none";

	if (strcmp(s->word[0], "any") == 0)
		return lab->last_dropped || wrong(lab, "it was not dropped");
	return strcmp(got, s->word[0]) == 0 || wrong(lab, "drop reason %s", got);
}

/* "isn differs N": from that of connection N; "isn grew FROM TO": since the one before. */
static bool play_isn(struct lab *lab, const struct step *s)
{
	const struct lab_conn *n = &lab->conn[s->conn];
	const uint32_t grown = n->base.our_seq - n->former_seq;
	const uint32_t apart =
		n->base.our_seq - lab->conn[number_of(s->word[1]) % CONNS].base.our_seq;

	if (strcmp(s->word[0], "differs") == 0)
		return (apart > 100000 && -apart > 100000) ||
		       wrong(lab, "the numbers are %d apart", (int)apart);
	if (s->n_words < 3)
		return wrong(lab, "isn grew FROM TO");
	return (grown >= number_of(s->word[1]) && grown <= number_of(s->word[2])) ||
	       wrong(lab, "the number has grown by %u", grown);
}

/* "starve tx 0", "starve off". */
static bool play_starve(struct lab *lab, const struct step *s)
{
	if (strcmp(s->word[0], "off") == 0)
		lab_feed(lab);
	else if (s->n_words == 2)
		lab_starve(lab, strcmp(s->word[0], "rx") == 0, (unsigned int)number_of(s->word[1]));
	else
		return wrong(lab, "starve of how many?");
	return true;
}

static bool play_icmp(struct lab *lab, const struct step *s)
{
	static const char *const kinds[] = { "too-big", "host", "port" };

	for (unsigned int i = 0; i < RTE_DIM(kinds); i++)
		if (strcmp(kinds[i], s->word[0]) == 0) {
			lab_icmp(lab, &lab->conn[s->conn], i, (uint32_t)number_of(s->word[1]),
				s->n_words > 2 ? (uint16_t)number_of(s->word[2]) : 0);
			return true;
		}
	return wrong(lab, "\"%s\" is no ICMP error", s->word[0]);
}

/* ---- segments ------------------------------------------------------------------------------- */

/* The next of several segments. False: there is none. */
static bool next_piece(const struct segment *all, struct segment *one)
{
	const uint32_t end = all->seq.v + all->len;

	one->seq.v += one->len + all->gap;
	if (all->piece == 0 || (int32_t)(end - one->seq.v) <= 0)
		return false;
	one->len = RTE_MIN(all->piece, end - one->seq.v);
	return true;
}

static struct segment first_piece(const struct segment *all)
{
	struct segment one = *all;

	if (all->piece)
		one.len = RTE_MIN(all->piece, all->len);
	return one;
}

static bool play_in(struct lab *lab, const struct step *s)
{
	struct segment one = first_piece(&s->seg), this;
	bool more;

	do {
		this = one;
		more = next_piece(&s->seg, &one);
		lab_input(lab, &lab->conn[s->conn], &this, s->kind == STEP_IN && !more);
	} while (more);
	return true;
}

static bool none_is_left(struct lab *lab)
{
	char text[SEG_TEXT];
	const struct seg_sent *s;

	if (lab->first == lab->n_sent)
		return true;
	s = &lab->sent[lab->first];
	segment_format(s, &lab->conn[s->conn].base, text);
	return wrong(lab, "nobody expected: @%u +%.6f > %s", s->conn,
		(double)(s->at_us - lab->began_us) / 1000000, text);
}

static bool expect_one(struct lab *lab, const struct step *s, const struct segment *want,
	uint64_t from, uint64_t to)
{
	const struct lab_conn *n = &lab->conn[s->conn];
	const struct seg_sent *got;
	char text[SEG_TEXT], why[200];

	lab_run(lab, to, true);
	if (lab->first == lab->n_sent)
		return wrong(lab, "nothing was sent");
	got = &lab->sent[lab->first++];
	segment_format(got, &lab->conn[got->conn].base, text);
	if (got->conn != n->number)
		return wrong(lab, "of connection %u: %s", got->conn, text);
	if (got->at_us < from)
		return wrong(lab, "too early by %.6f s: %s", (double)(from - got->at_us) / 1000000,
			text);
	return segment_match(want, got, &n->base, why, sizeof(why)) ||
	       wrong(lab, "%s: %s", why, text);
}

static bool play_out(struct lab *lab, const struct step *s)
{
	const uint64_t now = lab->now_us;
	struct segment one = first_piece(&s->seg);

	do {
		if (!expect_one(lab, s, &one, now + s->when.from, now + s->when.to))
			return false;
	} while (next_piece(&s->seg, &one));
	return true;
}

/* ---- a case --------------------------------------------------------------------------------- */

static bool react(struct lab *lab, const struct step *s)
{
	return play_action(lab, s);
}

static bool play_other(struct lab *lab, const struct step *s)
{
	struct lab_conn *n = &lab->conn[s->conn];
	struct step open = *s;

	switch (s->kind) {
	case STEP_wait:
		return true;
	case STEP_listen:
	case STEP_unlisten:
		lab->listening = s->kind == STEP_listen;
		lab->listener.how = lab->conf.how;
		lab->listener.cookies = lab->conf.cookies;
		return true;
	case STEP_connect:
		return play_connect(lab, s);
	case STEP_accept:
		open.n_words = 1;
		open.word[0] = (char[]){ "OPEN" };
		return play_event(lab, &open);
	case STEP_error:
		return n->c ? expect_error(lab, tcp_error(n->c), s->word[0])
			    : wrong(lab, "the application has no connection %u", s->conn);
	case STEP_event:
		return play_event(lab, s);
	case STEP_react:
		return play_react(lab, s);
	case STEP_state:
		return play_state(lab, s);
	case STEP_count:
	case STEP_stats:
		return play_figures(lab, s);
	case STEP_info:
		return play_info(lab, s);
	case STEP_drop:
		return play_drop(lab, s);
	case STEP_icmp:
		return play_icmp(lab, s);
	case STEP_isn:
		return play_isn(lab, s);
	case STEP_starve:
		return play_starve(lab, s);
	default:
		return play_action(lab, s);
	}
}

static bool play_step(struct lab *lab, const struct step *s)
{
	const uint64_t at = lab->now_us + s->when.to;

	if (s->kind == STEP_conf || s->kind == STEP_how || s->kind == STEP_peer)
		return play_settings(lab, s);
	if (!lab->tcp)
		lab_start(lab);
	if (s->kind == STEP_OUT)
		return play_out(lab, s);
	if (s->kind == STEP_OUT_ANY) {
		lab_run(lab, at, false);
		lab->first = lab->n_sent;
		return true;
	}
	if ((s->kind == STEP_IN || s->kind == STEP_IN_MORE || s->when.to) && !none_is_left(lab))
		return false;
	lab_run(lab, at, s->kind != STEP_NOTHING);
	if (s->when.to && !none_is_left(lab))
		return false;
	if (s->kind == STEP_NOTHING)
		return none_is_left(lab);
	if (s->kind == STEP_IN || s->kind == STEP_IN_MORE)
		return play_in(lab, s);
	if (!play_other(lab, s))
		return false;
	lab_flush(lab);
	return true;
}

/* Errors that the case has not asked about are none that it expects. */
static void check_events(struct lab *lab)
{
	for (unsigned int i = 0; i < CONNS; i++)
		if (lab->conn[i].events & TCP_EV_ERROR)
			lab_fault(lab, "connection %u failed: %s", i,
				strerror(-tcp_error(lab->conn[i].c)));
}

bool play_case(const struct test_case *c, bool v6, bool device, char why[PLAY_TEXT])
{
	struct lab *lab = lab_create(v6, device);
	const struct step *s = NULL;
	bool good = true;

	lab->react = react;
	for (unsigned int i = 0; i < c->n_steps && good; i++) {
		s = &c->steps[i];
		good = play_step(lab, s) && lab->fault[0] == '\0';
	}
	if (!lab->tcp)
		lab_start(lab);
	if (good) {
		none_is_left(lab);
		check_events(lab);
	}
	if (lab->fault[0] == '\0')
		lab_finish(lab);
	good = lab->fault[0] == '\0';
	if (!good)
		snprintf(why, PLAY_TEXT, "%s:%u: at +%.6f: %s", s ? s->file : "", s ? s->line : 0,
			(double)(lab->now_us - lab->began_us) / 1000000, lab->fault);
	lab_destroy(lab);
	return good;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "segment.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>

#define ETHER_LEN 14
#define MSS       2
#define WSCALE    3
#define SACK_OK   4
#define SACK      5
#define STAMP     8

static void put2(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put4(uint8_t *p, uint32_t v)
{
	put2(p, v >> 16);
	put2(p + 2, v);
}

static uint16_t get2(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get4(const uint8_t *p)
{
	return (uint32_t)get2(p) << 16 | get2(p + 2);
}

static uint32_t absolute(const struct seg_number *n, uint32_t base)
{
	return n->kind == SEG_RELATIVE ? base + n->v : n->v;
}

/* ---- what the peer sends -------------------------------------------------------------------- */

/* The echo of a SYN without ACK echoes nothing: it is 0 as it stands. */
static bool echoes(uint8_t flags)
{
	return (flags & (SEG_SYN | SEG_ACK)) != SEG_SYN;
}

static unsigned int put_option(
	uint8_t *p, const struct seg_option *o, uint8_t flags, const struct seg_base *base)
{
	unsigned int n = 2;

	if (o->kind == SEG_RAW) {
		for (n = 0; n < o->n; n++)
			p[n] = (uint8_t)o->number[n].v;
		return n;
	}
	p[0] = (uint8_t)o->kind;
	switch (o->kind) {
	case MSS:
		put2(p + 2, o->number[0].v);
		n = 4;
		break;
	case WSCALE:
		p[2] = (uint8_t)o->number[0].v;
		n = 3;
		break;
	case SACK:
		for (; n < 2 + 4 * o->n; n += 4)
			put4(p + n, absolute(&o->number[(n - 2) / 4], base->our_seq));
		break;
	case STAMP:
		put4(p + 2, absolute(&o->number[0], base->peer_ts));
		put4(p + 6, absolute(&o->number[1], echoes(flags) ? base->our_ts : 0));
		n = 10;
		break;
	case 0:
	case 1:
		return 1;
	}
	p[1] = (uint8_t)n;
	return n;
}

static unsigned int put_l3(
	struct frame *f, const struct seg_ends *ends, unsigned int ecn, unsigned int l4_len)
{
	uint8_t *p = f->b + f->l3;

	if (f->family == 4) {
		p[0] = 0x45;
		p[1] = (uint8_t)ecn;
		put2(p + 2, 20 + l4_len);
		put2(p + 6, 0x4000);
		p[8] = 64;
		p[9] = IPPROTO_TCP;
		inet_pton(AF_INET, ends->src, p + 12);
		inet_pton(AF_INET, ends->dst, p + 16);
		return 20;
	}
	put4(p, 6u << 28 | ecn << 20);
	put2(p + 4, l4_len);
	p[6] = IPPROTO_TCP;
	p[7] = 64;
	inet_pton(AF_INET6, ends->src, p + 8);
	inet_pton(AF_INET6, ends->dst, p + 24);
	return 40;
}

void segment_build(struct frame *f, const struct segment *s, const struct seg_base *base,
	const struct seg_ends *ends)
{
	uint8_t tcp[60] = { 0 };
	unsigned int n = 20;

	for (unsigned int i = 0; i < s->n_options && n < 60; i++)
		n += put_option(tcp + n, &s->option[i], s->flags, base);
	n = (n + 3) & ~3u; /* zeros: the end of the list */
	put2(tcp, ends->sport);
	put2(tcp + 2, ends->dport);
	put4(tcp + 4, absolute(&s->seq, base->peer_seq));
	put4(tcp + 8, s->flags & SEG_ACK || s->ack.kind ? absolute(&s->ack, base->our_seq) : 0);
	tcp[12] = (uint8_t)(n << 2);
	tcp[13] = s->flags;
	put2(tcp + 14, s->win.kind ? s->win.v : 65535);
	put2(tcp + 18, s->urg.v);

	memset(f, 0, sizeof(*f));
	f->family = strchr(ends->src, ':') ? 6 : 4;
	f->proto = IPPROTO_TCP;
	put2(f->b + 12, f->family == 4 ? 0x0800 : 0x86dd);
	f->l3 = ETHER_LEN;
	f->l4 = f->l3 + put_l3(f, ends, s->ecn > 0 ? (unsigned int)s->ecn : 0, n + s->len);
	memcpy(f->b + f->l4, tcp, n);
	f->len = f->end = f->l4 + n + s->len;
	for (uint32_t i = 0; i < s->len; i++)
		f->b[f->l4 + n + i] = s->fill >= 0 ? (uint8_t)s->fill
						   : stream_byte(absolute(&s->seq, base->peer_seq) -
									 base->peer_seq - 1 +
									 !!(s->flags & SEG_SYN) + i,
							     false);
	frame_fix(f);
	if (s->bad_sum)
		f->b[f->l4 + 17] ^= 1;
}

/* ---- what we sent --------------------------------------------------------------------------- */

static const char *read_l3(struct frame *f, struct seg_sent *out)
{
	const uint8_t *p = f->b + f->l3;
	const unsigned int len = f->len - f->l3;

	f->family = p[0] >> 4;
	if (f->family == 4) {
		if (len < 20 || p[0] != 0x45 || get2(p + 2) != len)
			return "wrong IPv4 lengths";
		if (p[6] != 0x40 || p[7] != 0)
			return "it is not marked as not to be fragmented";
		f->l4 = f->l3 + 20;
		f->proto = p[9];
		out->ecn = p[1] & 3;
		if (p[8] < 32)
			return "a short time to live";
	} else {
		if (len < 40 || f->family != 6 || get2(p + 4) != len - 40)
			return "wrong IPv6 lengths";
		f->l4 = f->l3 + 40;
		f->proto = p[6];
		out->ecn = p[1] >> 4 & 3;
		if (p[7] < 32)
			return "a short hop limit";
	}
	return f->proto == IPPROTO_TCP ? NULL : "not TCP";
}

/* Options must be a list that ends where the header does. */
static const char *check_options(const struct seg_sent *s)
{
	for (unsigned int i = 0; i < s->n_options;) {
		if (s->options[i] == 0)
			break;
		if (s->options[i] == 1) {
			i++;
			continue;
		}
		if (i + 1 >= s->n_options || s->options[i + 1] < 2 ||
			i + s->options[i + 1] > s->n_options)
			return "its options are no list";
		i += s->options[i + 1];
	}
	return NULL;
}

const char *segment_read(struct frame *f, struct seg_sent *out)
{
	const char *wrong = read_l3(f, out);
	const uint8_t *tcp = f->b + f->l4;
	unsigned int header;

	if (wrong)
		return wrong;
	f->end = f->len;
	header = (tcp[12] >> 4) * 4u;
	if (f->len < f->l4 + 20 || header < 20 || f->l4 + header > f->len)
		return "wrong length of the TCP header";
	if (tcp[12] & 0xf)
		return "reserved bits are set";
	out->sport = get2(tcp);
	out->dport = get2(tcp + 2);
	out->seq = get4(tcp + 4);
	out->ack = get4(tcp + 8);
	out->flags = tcp[13];
	out->win = get2(tcp + 14);
	out->urg = get2(tcp + 18);
	out->len = f->len - f->l4 - header;
	out->n_options = (uint8_t)(header - 20);
	memcpy(out->options, tcp + 20, header - 20);
	return check_options(out);
}

const uint8_t *segment_option(const struct seg_sent *s, unsigned int kind)
{
	for (unsigned int i = 0; i < s->n_options && s->options[i] != 0;) {
		if (s->options[i] == kind)
			return s->options + i;
		i += s->options[i] == 1 ? 1 : s->options[i + 1];
	}
	return NULL;
}

/* ---- comparing ------------------------------------------------------------------------------ */

/* What is found wrong first. */
struct report {
	char *text;
	unsigned int size;
	bool wrong;
};

static void __attribute__((format(printf, 2, 3))) differ(struct report *r, const char *format, ...)
{
	va_list args;

	if (r->wrong)
		return;
	r->wrong = true;
	va_start(args, format);
	vsnprintf(r->text, r->size, format, args);
	va_end(args);
}

static void match_number(struct report *r, const char *what, const struct seg_number *want,
	uint32_t got, uint32_t base)
{
	if (want->kind == SEG_UNSAID || absolute(want, base) == got)
		return;
	if (want->kind == SEG_RELATIVE)
		differ(r, "%s %d, expected %d", what, (int)(got - base), (int)want->v);
	else
		differ(r, "%s %u, expected %u", what, got, want->v);
}

static void match_sack(struct report *r, const struct seg_option *want, const uint8_t *got,
	const struct seg_base *base)
{
	const unsigned int n = (got[1] - 2u) / 4;

	if (n != want->n) {
		differ(r, "%u SACK blocks, expected %u", n / 2, want->n / 2);
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		match_number(
			r, "SACK edge", &want->number[i], get4(got + 2 + 4 * i), base->peer_seq);
}

static void match_option(struct report *r, const struct seg_option *want, const struct seg_sent *s,
	const struct seg_base *base)
{
	const uint8_t *got = segment_option(s, want->kind);
	static const uint8_t length[] = { [MSS] = 4, [WSCALE] = 3, [SACK_OK] = 2, [STAMP] = 10 };

	if (!got) {
		differ(r, "option %u is missing", want->kind);
		return;
	}
	if (want->kind < sizeof(length) && length[want->kind] && length[want->kind] != got[1]) {
		differ(r, "option %u has length %u", want->kind, got[1]);
		return;
	}
	switch (want->kind) {
	case MSS:
		match_number(r, "MSS", &want->number[0], get2(got + 2), 0);
		break;
	case WSCALE:
		match_number(r, "window scale", &want->number[0], got[2], 0);
		break;
	case SACK:
		match_sack(r, want, got, base);
		break;
	case STAMP:
		match_number(r, "timestamp", &want->number[0], get4(got + 2), base->our_ts);
		match_number(r, "echoed timestamp", &want->number[1], get4(got + 6),
			echoes(s->flags) ? base->peer_ts : 0);
		break;
	}
}

static unsigned int count_options(const struct seg_sent *s)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n_options && s->options[i] != 0;) {
		n += s->options[i] != 1;
		i += s->options[i] == 1 ? 1 : s->options[i + 1];
	}
	return n;
}

static void match_options(struct report *r, const struct segment *want, const struct seg_sent *got,
	const struct seg_base *base)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < want->n_options; i++) {
		if (want->option[i].kind < 2)
			continue;
		match_option(r, &want->option[i], got, base);
		n++;
	}
	if (!want->more_options && count_options(got) != n)
		differ(r, "%u options, expected %u", count_options(got), n);
}

bool segment_match(const struct segment *want, const struct seg_sent *got,
	const struct seg_base *base, char *why, unsigned int why_size)
{
	struct report r = { why, why_size, false };
	/* Whether data is pushed is the sender's choice. */
	const uint8_t matters =
		(uint8_t) ~(want->free_flags | (want->flags & SEG_PSH ? 0 : SEG_PSH));

	if (!want->any_flags && (got->flags & matters) != want->flags)
		differ(&r, "other flags");
	match_number(&r, "sequence number", &want->seq, got->seq, base->our_seq);
	if (!want->any_len && got->len != want->len)
		differ(&r, "%u bytes of data, expected %u", got->len, want->len);
	if (got->flags & SEG_ACK)
		match_number(&r, "acknowledgement", &want->ack, got->ack, base->peer_seq);
	else if (got->ack != 0)
		differ(&r, "an acknowledgement number without ACK");
	match_number(&r, "window", &want->win, got->win, 0);
	match_number(&r, "urgent pointer", &want->urg, got->urg, 0);
	if (want->ecn >= 0 && got->ecn != want->ecn)
		differ(&r, "ECN bits %u, expected %d", got->ecn, want->ecn);
	if (want->has_options)
		match_options(&r, want, got, base);
	return !r.wrong;
}

/* ---- showing -------------------------------------------------------------------------------- */

struct text {
	char *p;
	unsigned int left;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->p, t->left, format, args);
	va_end(args);
	n = n < (int)t->left ? n : (int)t->left - 1;
	t->p += n;
	t->left -= (unsigned int)n;
}

static void format_option(
	struct text *t, const uint8_t *o, uint8_t flags, const struct seg_base *base)
{
	switch (o[0]) {
	case MSS:
		add(t, " mss %u", get2(o + 2));
		break;
	case WSCALE:
		add(t, " wscale %u", o[2]);
		break;
	case SACK_OK:
		add(t, " sackOK");
		break;
	case SACK:
		add(t, " sack");
		for (unsigned int i = 2; i + 8 <= o[1]; i += 8)
			add(t, " %d:%d", (int)(get4(o + i) - base->peer_seq),
				(int)(get4(o + i + 4) - base->peer_seq));
		break;
	case STAMP:
		add(t, " ts %d %d", (int)(get4(o + 2) - base->our_ts),
			(int)(get4(o + 6) - (echoes(flags) ? base->peer_ts : 0)));
		break;
	default:
		add(t, " option-%u", o[0]);
	}
}

void segment_format(const struct seg_sent *s, const struct seg_base *base, char text[SEG_TEXT])
{
	static const char names[] = "FSRP.UEW";
	struct text t = { text, SEG_TEXT };

	for (unsigned int i = 0; i < 8; i++)
		if (s->flags & 1u << i)
			add(&t, "%c", names[i]);
	if (s->flags == 0)
		add(&t, "-");
	add(&t, " %d", (int)(s->seq - base->our_seq));
	if (s->len)
		add(&t, ":%d", (int)(s->seq - base->our_seq + s->len));
	if (s->flags & SEG_ACK)
		add(&t, " ack %d", (int)(s->ack - base->peer_seq));
	add(&t, " win %u", s->win);
	if (s->urg)
		add(&t, " urg %u", s->urg);
	if (s->ecn)
		add(&t, " ecn %s", s->ecn == 3 ? "ce" : s->ecn == 2 ? "ect0" : "ect1");
	add(&t, " <");
	for (unsigned int i = 0; i < s->n_options && s->options[i] != 0;) {
		if (s->options[i] != 1)
			format_option(&t, s->options + i, s->flags, base);
		i += s->options[i] == 1 ? 1 : s->options[i + 1];
	}
	add(&t, " >");
}

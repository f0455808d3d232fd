/* SPDX-License-Identifier: BSD-3-Clause */
/* One line of a script: its time, its connection, and what it does. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

/* The words of a line, and what is wrong with them. */
struct line {
	char **word;
	unsigned int n, at;
	char *why;
	unsigned int why_size;
};

static bool __attribute__((format(printf, 2, 3))) bad(struct line *l, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(l->why, l->why_size, format, args);
	va_end(args);
	return false;
}

static const char *peek(const struct line *l)
{
	return l->at < l->n ? l->word[l->at] : "";
}

static bool next_is(struct line *l, const char *word)
{
	if (strcmp(peek(l), word) != 0)
		return false;
	l->at++;
	return true;
}

/* ---- numbers -------------------------------------------------------------------------------- */

bool number_parse(const char *text, int64_t *out)
{
	int64_t sum = 0;
	char *end;

	do {
		const char *digits = text + (*text == '+' || *text == '-');

		if (*digits < '0' || *digits > '9')
			return false;
		sum += strtoll(text, &end, 10);
		text = end;
	} while (*text == '+' || *text == '-');
	*out = sum;
	return *text == '\0';
}

/* "*": unsaid; "=5": as it stands; else by what relative is. */
static bool number(struct line *l, bool relative, struct seg_number *out)
{
	const char *text = peek(l);
	int64_t v;

	l->at++;
	if (strcmp(text, "*") == 0) {
		out->kind = SEG_UNSAID;
		return true;
	}
	if (!number_parse(text + (*text == '='), &v))
		return bad(l, "\"%s\" is no number", text);
	out->kind = relative && *text != '=' ? SEG_RELATIVE : SEG_ABSOLUTE;
	out->v = (uint32_t)v;
	return true;
}

/* ---- time ----------------------------------------------------------------------------------- */

/* Seconds with decimals; "s", "ms" or "us" may follow. */
static bool duration(const char *text, const char *end, uint64_t *us)
{
	static const struct {
		const char *name;
		double us;
	} units[] = { { "", 1e6 }, { "s", 1e6 }, { "ms", 1e3 }, { "us", 1 } };
	char word[32], *rest;
	double v;

	snprintf(word, sizeof(word), "%.*s", (int)(end - text), text);
	v = strtod(word, &rest);
	if (rest == word || v < 0)
		return false;
	for (unsigned int i = 0; i < 4; i++)
		if (strcmp(rest, units[i].name) == 0) {
			*us = (uint64_t)(v * units[i].us + 0.5);
			return true;
		}
	return false;
}

/* A timer never fires early but by the rounding of its clock, and is late by two ticks of the wheel
 * or a little more where it was set for long. */
#define EARLY_US   2000
#define LATE_US(t) (3000 + (t) / 32)
/* "*": as long as any timer may take. */
#define EVER_US (1000ull * 1000000)

static bool time_parse(struct line *l, struct when *w, bool segment)
{
	const char *text = peek(l), *end = text + strlen(text), *mark;
	uint64_t slack;

	*w = (struct when){ 0, 0 };
	if (strcmp(text, "*") == 0 && l->at == 0) {
		w->to = EVER_US;
	} else if (*text != '+') {
		return true;
	} else if ((mark = strstr(text, ".."))) {
		if (!duration(text + 1, mark, &w->from) || !duration(mark + 2, end, &w->to))
			return bad(l, "\"%s\" is no time", text);
	} else {
		mark = strchr(text, '~');
		if (!duration(text + 1, mark ? mark : end, &w->from) ||
			(mark && !duration(mark + 1, end, &slack)))
			return bad(l, "\"%s\" is no time", text);
		w->to = w->from + (!segment ? 0 : mark ? slack : LATE_US(w->from));
		slack = !segment ? 0 : mark ? slack : EARLY_US;
		w->from -= slack < w->from ? slack : w->from;
	}
	l->at++;
	return true;
}

/* ---- segments ------------------------------------------------------------------------------- */

static bool flags(struct line *l, struct segment *s)
{
	static const char names[] = "FSRP.UEW";
	const char *text = peek(l);

	l->at++;
	if (strcmp(text, "*") == 0) {
		s->any_flags = true;
		return true;
	}
	if (strcmp(text, "-") == 0)
		return true;
	for (bool maybe = false; *text != '\0'; text++) {
		const char *name = strchr(names, *text);

		if (*text == '(' || *text == ')')
			maybe = *text == '(';
		else if (!name)
			return bad(l, "\"%c\" is no flag", *text);
		else if (maybe)
			s->free_flags |= (uint8_t)(1u << (name - names));
		else
			s->flags |= (uint8_t)(1u << (name - names));
	}
	return l->word[l->at - 1][0] != '\0' || bad(l, "flags are missing");
}

/* "1", "1:1001", "1:14601/1460", "1:1001/1+9", "*". */
static bool sequence(struct line *l, struct segment *s)
{
	char text[80], *colon, *slash, *plus;
	const char *word = peek(l);
	int64_t end, piece, gap;

	s->any_len = strcmp(word, "*") == 0;
	if (s->any_len)
		return number(l, true, &s->seq);
	snprintf(text, sizeof(text), "%s", word);
	slash = strchr(text, '/');
	if (slash)
		*slash = '\0';
	colon = strchr(text, ':');
	if (colon)
		*colon = '\0';

	struct line first = *l;
	char *only = text;

	first.word = &only;
	first.at = 0;
	first.n = 1;
	if (!number(&first, true, &s->seq))
		return false;
	l->at++;
	if (!colon)
		return !slash || bad(l, "\"%s\": pieces of nothing", word);
	if (!number_parse(colon + 1, &end) || (uint32_t)end - s->seq.v > 1u << 30)
		return bad(l, "\"%s\" ends before it begins", word);
	s->len = (uint32_t)end - s->seq.v;
	plus = slash ? strchr(slash + 1, '+') : NULL;
	if (plus) {
		*plus = '\0';
		if (!number_parse(plus + 1, &gap) || gap < 1)
			return bad(l, "\"%s\": gaps of what?", word);
		s->gap = (uint32_t)gap;
	}
	if (slash && (!number_parse(slash + 1, &piece) || piece < 1))
		return bad(l, "\"%s\": pieces of what?", word);
	s->piece = slash ? (uint32_t)piece : 0;
	return true;
}

static bool sack_blocks(struct line *l, struct seg_option *o)
{
	while (strchr(peek(l), ':')) {
		char text[80], *colon;
		int64_t from, to;

		snprintf(text, sizeof(text), "%s", peek(l));
		colon = strchr(text, ':');
		*colon = '\0';
		if (o->n + 2 > SEG_NUMBERS || !number_parse(text, &from) ||
			!number_parse(colon + 1, &to))
			return bad(l, "\"%s\" is no SACK block", peek(l));
		o->number[o->n++] = (struct seg_number){ SEG_RELATIVE, (uint32_t)from };
		o->number[o->n++] = (struct seg_number){ SEG_RELATIVE, (uint32_t)to };
		l->at++;
	}
	return true;
}

static bool raw_bytes(struct line *l, struct seg_option *o)
{
	const char *text = peek(l);
	unsigned int v;

	l->at++;
	for (; *text != '\0' && o->n < SEG_NUMBERS; text += 2) {
		if (sscanf(text, "%2x", &v) != 1 || text[1] == '\0')
			return bad(l, "\"%s\" are no bytes", text);
		o->number[o->n++].v = v;
	}
	return *text == '\0' || bad(l, "too many bytes");
}

static bool option(struct line *l, struct seg_option *o)
{
	if (next_is(l, "eol"))
		return true;
	o->kind = 1;
	if (next_is(l, "nop"))
		return true;
	o->kind = 2;
	if (next_is(l, "mss"))
		return number(l, false, &o->number[0]);
	o->kind = 3;
	if (next_is(l, "wscale"))
		return number(l, false, &o->number[0]);
	o->kind = 4;
	if (next_is(l, "sackOK"))
		return true;
	o->kind = 5;
	if (next_is(l, "sack"))
		return sack_blocks(l, o);
	o->kind = 8;
	if (next_is(l, "ts"))
		return number(l, true, &o->number[0]) && number(l, true, &o->number[1]);
	o->kind = SEG_RAW;
	if (next_is(l, "raw"))
		return raw_bytes(l, o);
	return bad(l, "\"%s\" is no option", peek(l));
}

static bool options(struct line *l, struct segment *s)
{
	s->has_options = true;
	while (!next_is(l, ">")) {
		if (l->at >= l->n)
			return bad(l, "options without end");
		if (next_is(l, "...")) {
			s->more_options = true;
			continue;
		}
		if (s->n_options == SEG_OPTIONS)
			return bad(l, "too many options");
		if (!option(l, &s->option[s->n_options++]))
			return false;
	}
	return true;
}

static bool ecn(struct line *l, struct segment *s)
{
	static const char *const names[] = { "not", "ect1", "ect0", "ce" };

	for (s->ecn = 0; s->ecn < 4; s->ecn++)
		if (next_is(l, names[s->ecn]))
			return true;
	return bad(l, "\"%s\" are no ECN bits", peek(l));
}

static bool segment(struct line *l, struct segment *s, bool sent)
{
	int64_t fill;

	s->ecn = s->fill = -1;
	if (!flags(l, s) || !sequence(l, s))
		return false;
	while (l->at < l->n) {
		if (next_is(l, "ack")) {
			if (sent && next_is(l, "all"))
				s->ack.kind = SEG_ALL;
			else if (!number(l, true, &s->ack))
				return false;
		} else if (next_is(l, "win")) {
			if (!number(l, false, &s->win))
				return false;
		} else if (next_is(l, "urg")) {
			if (!number(l, false, &s->urg))
				return false;
		} else if (next_is(l, "<")) {
			if (!options(l, s))
				return false;
		} else if (next_is(l, "ecn")) {
			if (!ecn(l, s))
				return false;
		} else if (sent && next_is(l, "badsum")) {
			s->bad_sum = true;
		} else if (sent && next_is(l, "fill") && number_parse(peek(l), &fill)) {
			s->fill = (uint8_t)fill;
			l->at++;
		} else {
			return bad(l, "\"%s\" is nothing a segment has", peek(l));
		}
	}
	if (sent && (s->any_flags || s->free_flags || s->any_len || s->more_options))
		return bad(l, "what is sent must be said");
	return true;
}

/* ---- the others ----------------------------------------------------------------------------- */

static const struct verb {
	const char *name, *words;
} verbs[STEP_KINDS] = {
#define VERB(name, words) [STEP_##name] = { #name, words },
#include "verbs.def"
#undef VERB
};

static bool word_fits(const char *word, char kind)
{
	const char *dots = strstr(word, "..");
	char low[40];
	int64_t v;

	switch (kind) {
	case 'n':
		return number_parse(word, &v);
	case 'c':
		if (dots) {
			snprintf(low, sizeof(low), "%.*s", (int)(dots - word), word);
			return number_parse(low, &v) && number_parse(dots + 2, &v);
		}
		return number_parse(word + strspn(word, "<>=!"), &v);
	case 'k':
		return strchr(word, '=') != NULL;
	}
	return true;
}

static bool verb_words(struct line *l, struct step *step, const char *words)
{
	while (l->at < l->n) {
		const char kind = *words;

		/* What may be there is not. */
		if (kind && !(kind & 0x20) && words[1] && words[1] != '*' &&
			!word_fits(peek(l), (char)(kind | 0x20))) {
			words++;
			continue;
		}
		if (kind == '\0' || !word_fits(peek(l), kind & 0x20 ? kind : (char)(kind | 0x20)))
			return bad(l, "\"%s\" does not belong here", peek(l));
		if (step->n_words == STEP_WORDS)
			return bad(l, "too many words");
		step->word[step->n_words++] = l->word[l->at++];
		words += words[1] != '*';
	}
	if (*words == '\0' || words[1] == '*' || !(*words & 0x20))
		return true;
	return bad(l, "something is missing");
}

static bool verb(struct line *l, struct step *step)
{
	const char *name = peek(l);
	unsigned int k = STEP_NOTHING + 1;

	while (k < STEP_KINDS && strcmp(verbs[k].name, name) != 0)
		k++;
	if (k == STEP_KINDS)
		return bad(l, "\"%s\" is nothing a case knows", name);
	l->at++;
	step->kind = k;
	if (k != STEP_react)
		return verb_words(l, step, verbs[k].words);
	if (l->n - l->at < 2)
		return bad(l, "to what, and how?");
	step->word[step->n_words++] = l->word[l->at++];
	l->word += l->at;
	l->n -= l->at;
	step->reaction = script_alloc(step->script, sizeof(*step->reaction));
	*step->reaction =
		(struct step){ .script = step->script, .file = step->file, .line = step->line };
	return step_parse(step->reaction, l->word, l->n, l->why, l->why_size);
}

static bool connection(struct line *l, struct step *step)
{
	int64_t n;

	step->conn = 1;
	if (*peek(l) != '@')
		return true;
	if (!number_parse(peek(l) + 1, &n) || n < 1 || n >= CONNS)
		return bad(l, "connections are @1 to @%d", CONNS - 1);
	step->conn = (unsigned int)n;
	l->at++;
	return true;
}

bool step_parse(
	struct step *step, char **words, unsigned int n_words, char *why, unsigned int why_size)
{
	struct line l = { words, n_words, 0, why, why_size };
	bool expected = false;

	for (unsigned int i = 0; i + 1 < n_words && i < 3; i++)
		expected |= strcmp(words[i], ">") == 0 && strcmp(words[i + 1], "nothing") != 0 &&
			    strcmp(words[i + 1], "...") != 0;
	if (!time_parse(&l, &step->when, expected) || !connection(&l, step))
		return false;
	if (!expected && step->when.to != step->when.from)
		return bad(&l, "only what is expected may take its time");
	if (next_is(&l, ">")) {
		step->kind = STEP_OUT;
		if (next_is(&l, "..."))
			step->kind = STEP_OUT_ANY;
		else if (next_is(&l, "nothing"))
			step->kind = STEP_NOTHING;
		else
			return segment(&l, &step->seg, false);
		return l.at == l.n || bad(&l, "\"%s\" does not belong here", peek(&l));
	}
	step->kind = STEP_IN;
	if (next_is(&l, "<")) {
		if (next_is(&l, "<"))
			step->kind = STEP_IN_MORE;
		return segment(&l, &step->seg, true);
	}
	return verb(&l, step);
}

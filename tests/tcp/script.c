/* SPDX-License-Identifier: BSD-3-Clause */
/* Files of scripts: blocks of lines, and how macros, tables and matrices become cases. */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#define WORDS    64 /* of a line */
#define VALUES   64 /* names that have one at a time */
#define DEPTH    16 /* of macros that use macros */
#define TEXT_MAX 512

struct text_line {
	const char *file;
	unsigned int number;
	char *text;
};

/* A line that begins at the margin, and those under it. */
struct block {
	struct text_line head;
	unsigned int n;
	struct text_line *lines;
};

struct value {
	char name[32], text[64];
};

struct reader {
	const char *file; /* where we are, for what is wrong */
	unsigned int line;
	bool failed;
	unsigned int n_blocks;
	struct block *blocks;
	struct script *script;
	/* of the case that is being made */
	struct test_case *c;
	unsigned int n_values;
	struct value values[VALUES];
};

/* What is read is freed with the script, all at once. */
struct piece {
	struct piece *next;
	char bytes[] __rte_aligned(16);
};

void *script_alloc(struct script *s, size_t size)
{
	struct piece *p = calloc(1, sizeof(*p) + size);

	if (!p)
		abort();
	p->next = s->pieces;
	s->pieces = p;
	return p->bytes;
}

void script_free(struct script *s)
{
	while (s->pieces) {
		struct piece *p = s->pieces;

		s->pieces = p->next;
		free(p);
	}
	free(s);
}

static char *copy(struct script *s, const char *text)
{
	return strcpy(script_alloc(s, strlen(text) + 1), text);
}

/* Room for one more of an array of n. */
static void *grow(struct script *s, void *array, unsigned int n, size_t size)
{
	void *larger;

	if (n & (n - 1))
		return array;
	larger = script_alloc(s, (n ? 2 * n : 1) * size);
	if (n)
		memcpy(larger, array, n * size);
	return larger;
}

static void fail(struct reader *r, const struct text_line *at, const char *what, const char *which)
{
	fprintf(stderr, "%s:%u: %s%s%s\n", at->file, at->number, what, *which ? ": " : "", which);
	r->failed = true;
}

/* ---- lines to blocks ------------------------------------------------------------------------ */

static void read_file(struct reader *r, const char *path, unsigned int depth);

static void include(struct reader *r, const char *path, const char *name, unsigned int depth)
{
	const char *slash = strrchr(path, '/');
	const int folder = slash ? (int)(slash + 1 - path) : 0;
	char *full = script_alloc(r->script, (size_t)folder + strlen(name) + 1);

	sprintf(full, "%.*s%s", folder, path, name);
	read_file(r, full, depth + 1);
}

/* A comment begins with "#"; of a title too. */
static void trim(char *text)
{
	char *end = strchr(text, '#');

	end = end ? end : text + strlen(text);
	while (end > text && strchr(" \t\r\n", end[-1]))
		end--;
	*end = '\0';
}

static void add_line(struct reader *r, const struct text_line *line)
{
	struct block *b;

	if (!strchr(" \t", line->text[0])) {
		r->blocks = grow(r->script, r->blocks, r->n_blocks, sizeof(*r->blocks));
		r->blocks[r->n_blocks++] = (struct block){ .head = *line };
		return;
	}
	if (r->n_blocks == 0) {
		fail(r, line, "a line that belongs to nothing", "");
		return;
	}
	b = &r->blocks[r->n_blocks - 1];
	b->lines = grow(r->script, b->lines, b->n, sizeof(*b->lines));
	b->lines[b->n++] = *line;
}

static void read_file(struct reader *r, const char *path, unsigned int depth)
{
	FILE *f = depth < DEPTH ? fopen(path, "r") : NULL;
	char text[TEXT_MAX];
	struct text_line line = { .file = path };

	if (!f) {
		fprintf(stderr, "%s: cannot be read\n", path);
		r->failed = true;
		return;
	}
	while (fgets(text, sizeof(text), f)) {
		line.number++;
		trim(text);
		if (text[0] == '\0')
			continue;
		line.text = copy(r->script, text);
		if (strncmp(text, "include ", 8) == 0)
			include(r, path, line.text + 8, depth);
		else
			add_line(r, &line);
	}
	fclose(f);
}

/* ---- values --------------------------------------------------------------------------------- */

static void value_set(struct reader *r, const char *name, const char *text)
{
	unsigned int i = 0;

	while (i < r->n_values && strcmp(r->values[i].name, name) != 0)
		i++;
	if (i == VALUES)
		return;
	r->n_values += i == r->n_values;
	snprintf(r->values[i].name, sizeof(r->values[i].name), "%s", name);
	snprintf(r->values[i].text, sizeof(r->values[i].text), "%s", text);
}

static const char *value_get(const struct reader *r, const char *name, size_t len)
{
	for (unsigned int i = 0; i < r->n_values; i++)
		if (strlen(r->values[i].name) == len && strncmp(r->values[i].name, name, len) == 0)
			return r->values[i].text;
	return NULL;
}

/* Writes a line with its $names replaced. */
static bool expand(struct reader *r, const struct text_line *line, char out[TEXT_MAX])
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	unsigned int n = 0;

	for (const char *p = line->text; *p != '\0';) {
		size_t len = strspn(p + 1, letters);
		const char *value;

		if (*p != '$') {
			out[n++] = *p++;
			continue;
		}
		value = value_get(r, p + 1, len);
		if (!value || n + strlen(value) >= TEXT_MAX - 1) {
			fail(r, line, "no such value", p);
			return false;
		}
		n += (unsigned int)sprintf(out + n, "%s", value);
		p += 1 + len;
	}
	out[n] = '\0';
	return true;
}

/* Cuts text into words; "<", ">" and commas are apart. */
static unsigned int cut(struct script *s, const char *line, char *word[WORDS])
{
	/* Each bracket may need two more. */
	char *text = script_alloc(s, 3 * strlen(line) + 1), *p = text, *save = NULL;
	unsigned int n = 0;
	bool opened = false; /* a segment has begun: brackets are those of options */

	for (; *line != '\0'; line++) {
		const bool bracket = (*line == '<' || *line == '>') && line[1] != '=';

		/* ">=5" and ">5" compare, ">" and "<" alone, and "<mss", do not. */
		if (bracket && (opened || strchr(" \t<", line[1]))) {
			*p++ = ' ';
			*p++ = *line;
			*p++ = ' ';
			opened = true;
		} else {
			*p++ = *line == ',' ? ' ' : *line;
		}
	}
	*p = '\0';
	for (char *w = strtok_r(text, " \t", &save); w && n < WORDS;
		w = strtok_r(NULL, " \t", &save))
		word[n++] = w;
	return n;
}

/* ---- lines to steps ------------------------------------------------------------------------- */

static void play_lines(struct reader *r, const struct block *b, unsigned int depth);

static const struct block *find_macro(const struct reader *r, const char *name)
{
	char *word[WORDS];

	for (unsigned int i = 0; i < r->n_blocks; i++)
		if (strncmp(r->blocks[i].head.text, "macro ", 6) == 0 &&
			cut(r->script, r->blocks[i].head.text, word) > 1 &&
			strcmp(word[1], name) == 0)
			return &r->blocks[i];
	return NULL;
}

/* "use NAME VALUE...": for "macro NAME PARAMETER... PARAMETER=VALUE...". */
static void use(struct reader *r, const struct text_line *at, char **word, unsigned int n,
	unsigned int depth)
{
	const struct block *m = n > 1 ? find_macro(r, word[1]) : NULL;
	char *parameter[WORDS];
	unsigned int n_parameters;

	if (!m || depth == DEPTH) {
		fail(r, at, m ? "macros without end" : "no such macro", n > 1 ? word[1] : "");
		return;
	}
	n_parameters = cut(r->script, m->head.text, parameter);
	if (n > n_parameters)
		fail(r, at, "too many values", word[1]);
	for (unsigned int i = 2; i < n_parameters; i++) {
		char *equals = strchr(parameter[i], '=');

		if (equals)
			*equals = '\0';
		if (i < n)
			value_set(r, parameter[i], word[i]);
		else if (equals)
			value_set(r, parameter[i], equals + 1);
		else
			fail(r, at, "a value is missing", parameter[i]);
	}
	play_lines(r, m, depth + 1);
}

static void let(struct reader *r, const struct text_line *at, char **word, unsigned int n)
{
	char text[32];
	int64_t v;

	if (n != 3 || !number_parse(word[2], &v)) {
		fail(r, at, "let NAME NUMBER", "");
		return;
	}
	snprintf(text, sizeof(text), "%lld", (long long)v);
	value_set(r, word[1], text);
}

static void play_line(struct reader *r, const struct text_line *line, unsigned int depth)
{
	char text[TEXT_MAX], why[200] = "", *word[WORDS];
	struct step step = { .file = line->file, .line = line->number, .script = r->script };
	unsigned int n;

	if (!expand(r, line, text))
		return;
	n = cut(r->script, text, word);
	if (strcmp(word[0], "use") == 0) {
		use(r, line, word, n, depth);
	} else if (strcmp(word[0], "let") == 0) {
		let(r, line, word, n);
	} else if (strcmp(word[0], "only") == 0 && n == 2) {
		r->c->v4 &= strcmp(word[1], "v6") != 0;
		r->c->v6 &= strcmp(word[1], "v4") != 0;
		r->c->plain |= strcmp(word[1], "plain") == 0;
	} else if (!step_parse(&step, word, n, why, sizeof(why))) {
		fail(r, line, why, "");
	} else {
		r->c->steps = grow(r->script, r->c->steps, r->c->n_steps, sizeof(step));
		r->c->steps[r->c->n_steps++] = step;
	}
}

static void play_lines(struct reader *r, const struct block *b, unsigned int depth)
{
	for (unsigned int i = 0; i < b->n && !r->failed; i++)
		play_line(r, &b->lines[i], depth);
}

/* ---- blocks to cases ------------------------------------------------------------------------ */

static void case_begin(struct reader *r, const char *title)
{
	struct script *s = r->script;

	s->cases = grow(s, s->cases, s->n_cases, sizeof(*s->cases));
	r->c = &s->cases[s->n_cases++];
	*r->c = (struct test_case){ .title = copy(s, title), .v4 = true, .v6 = true };
	r->n_values = 0;
}

/* "table TITLE: MACRO": each line is a case, its words the values of the macro. */
static void make_table(struct reader *r, const struct block *b)
{
	const char *colon = strrchr(b->head.text, ':');
	char title[TEXT_MAX], *word[WORDS + 2], macro[64], use_word[] = "use";
	unsigned int n;

	if (!colon || sscanf(colon + 1, "%63s", macro) != 1) {
		fail(r, &b->head, "table TITLE: MACRO", "");
		return;
	}
	for (unsigned int i = 0; i < b->n && !r->failed; i++) {
		n = cut(r->script, b->lines[i].text, word + 2);
		word[0] = use_word;
		word[1] = macro;
		snprintf(title, sizeof(title), "%.*s:", (int)(colon - b->head.text - 6),
			b->head.text + 6);
		for (unsigned int k = 0; k < n; k++)
			snprintf(title + strlen(title), sizeof(title) - strlen(title), " %s",
				word[2 + k]);
		case_begin(r, title);
		use(r, &b->lines[i], word, n + 2, 0);
	}
}

static void use_part(
	struct reader *r, const struct text_line *at, const char *prefix, const char *name)
{
	char macro[100], use_word[] = "use", *word[2] = { use_word, macro };

	snprintf(macro, sizeof(macro), "%s-%s", prefix, name);
	use(r, at, word, 2, 0);
}

/* "matrix TITLE": a line of columns, then rows of a name and a word for each column. A cell is the
 * case of the macros "in-ROW", "seg-COLUMN", "then-CELL"; "." is none. */
static void make_matrix(struct reader *r, const struct block *b)
{
	char title[TEXT_MAX], *column[WORDS], *cell[WORDS];
	unsigned int n = b->n ? cut(r->script, b->lines[0].text, column) : 0;

	for (unsigned int i = 1; i < b->n && !r->failed; i++) {
		if (cut(r->script, b->lines[i].text, cell) != n + 1) {
			fail(r, &b->lines[i], "not a cell for each column", "");
			return;
		}
		for (unsigned int k = 0; k < n; k++) {
			if (strcmp(cell[k + 1], ".") == 0)
				continue;
			snprintf(title, sizeof(title), "%s: %s, %s: %s", b->head.text + 7, cell[0],
				column[k], cell[k + 1]);
			case_begin(r, title);
			value_set(r, "row", cell[0]);
			value_set(r, "column", column[k]);
			use_part(r, &b->lines[i], "in", cell[0]);
			use_part(r, &b->lines[i], "seg", column[k]);
			use_part(r, &b->lines[i], "then", cell[k + 1]);
		}
	}
}

static void make_case(struct reader *r, const struct block *b)
{
	if (strncmp(b->head.text, "case ", 5) == 0) {
		case_begin(r, b->head.text + 5);
		play_lines(r, b, 0);
	} else if (strncmp(b->head.text, "table ", 6) == 0) {
		make_table(r, b);
	} else if (strncmp(b->head.text, "matrix ", 7) == 0) {
		make_matrix(r, b);
	} else if (strncmp(b->head.text, "macro ", 6) != 0) {
		fail(r, &b->head, "neither case nor table, matrix, macro or include", b->head.text);
	}
}

struct script *script_load(const char *path)
{
	struct reader r = { .script = calloc(1, sizeof(struct script)) };

	read_file(&r, path, 0);
	for (unsigned int i = 0; i < r.n_blocks && !r.failed; i++)
		make_case(&r, &r.blocks[i]);
	if (!r.failed)
		return r.script;
	script_free(r.script);
	return NULL;
}

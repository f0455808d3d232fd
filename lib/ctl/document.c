/* SPDX-License-Identifier: BSD-3-Clause */
/* From text to a JSON document: comments out, JSON in, and messages of our own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#define DOCUMENT_MAX (64u << 20) /* bytes of a file */

/* Line and column (in characters) of an offset, both from 1. */
static void position(const char *text, size_t at, unsigned int *line, unsigned int *column)
{
	*line = *column = 1;
	for (size_t i = 0; i < at; i++) {
		if (text[i] == '\n') {
			(*line)++;
			*column = 1;
		} else if ((text[i] & 0xc0) != 0x80) {
			(*column)++;
		}
	}
}

static void fault_at(struct faults *faults, const char *text, size_t at, const char *what)
{
	unsigned int line, column;

	position(text, at, &line, &column);
	fault_add(faults, "", "line %u, column %u: %s", line, column, what);
}

/* Blanks what stands between two offsets; line ends stay. */
static void blank(char *text, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (text[i] != '\n')
			text[i] = ' ';
}

/* The offset behind the string that begins at i, or len. */
static size_t string_end(const char *text, size_t i, size_t len)
{
	for (i++; i < len && text[i] != '"' && text[i] != '\n'; i++)
		if (text[i] == '\\')
			i++;
	return i < len ? i + 1 : len;
}

/* Blanks comments outside strings. 0, or -EINVAL with *at where one begins that never ends. */
static int comments_blank(char *text, size_t len, size_t *at)
{
	size_t i = 0;

	while (i < len) {
		const char *end;
		size_t to;

		if (text[i] == '"') {
			i = string_end(text, i, len);
			continue;
		}
		if (text[i] != '/' || i + 1 == len || (text[i + 1] != '/' && text[i + 1] != '*')) {
			i++;
			continue;
		}
		if (text[i + 1] == '/') {
			end = memchr(text + i, '\n', len - i);
			to = end ? (size_t)(end - text) : len;
		} else {
			end = memmem(text + i + 2, len - i - 2, "*/", 2);
			*at = i;
			if (!end)
				return -EINVAL;
			to = (size_t)(end - text) + 2;
		}
		blank(text, i, to);
		i = to;
	}
	return 0;
}

/* What jansson found, in our words; it gives details in text. */
static void fault_json(struct faults *faults, const char *text, size_t len, const json_error_t *err)
{
	static const struct {
		enum json_error_code code;
		const char *what;
	} known[] = {
		{ json_error_premature_end_of_input,
			"the document ends too early; a bracket, brace or quote is not closed" },
		{ json_error_end_of_input_expected,
			"something stands after the end of the document; remove it" },
		{ json_error_invalid_utf8, "not UTF-8; save the file as UTF-8" },
		{ json_error_null_character, "a string with a NUL character (\\u0000); remove it" },
		{ json_error_null_byte_in_key, "a key with a NUL character (\\u0000); remove it" },
		{ json_error_duplicate_key,
			"a key that its object already has; remove one of them" },
		{ json_error_numeric_overflow, "a number that is too large" },
		{ json_error_stack_overflow, "nested too deeply" },
		{ json_error_out_of_memory, "out of memory" },
	};
	size_t at =
		err->position > 0 && (size_t)err->position <= len ? (size_t)err->position - 1 : 0;
	char what[JSON_ERROR_TEXT_LENGTH + 64];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].code == json_error_code(err)) {
			fault_at(faults, text, at, known[i].what);
			return;
		}
	snprintf(what, sizeof(what), "not JSON; %s", err->text);
	for (char *p = what; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = '?';
	fault_at(faults, text, at, what);
}

json_t *config_parse(const char *text, size_t len, struct faults *faults)
{
	char *copy = malloc(len + 1);
	json_t *doc = NULL;
	json_error_t err;
	size_t at;

	if (!copy) {
		fault_add(faults, "", "out of memory");
		return NULL;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (strlen(copy) < len) {
		fault_at(faults, text, strlen(copy), "a NUL byte; this is no text file");
		goto out;
	}
	if (comments_blank(copy, len, &at)) {
		fault_at(faults, text, at, "a comment that never ends; \"*/\" is missing");
		goto out;
	}
	if (copy[strspn(copy, " \t\r\n")] == '\0') {
		fault_add(faults, "", "empty; needed is an object");
		goto out;
	}
	doc = json_loadb(copy, len, JSON_REJECT_DUPLICATES, &err);
	if (!doc)
		fault_json(faults, text, len, &err);
out:
	free(copy);
	return doc;
}

/* The whole file, NULL with errno. */
static char *file_read(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t n = 0;

	if (!f)
		return NULL;
	for (size_t room = 65536;; room *= 2) {
		char *more = realloc(text, room);

		if (!more)
			goto fail;
		text = more;
		n += fread(text + n, 1, room - n, f);
		if (n < room)
			break;
		if (room >= DOCUMENT_MAX) {
			errno = EFBIG;
			goto fail;
		}
	}
	if (ferror(f))
		goto fail;
	fclose(f);
	*len = n;
	return text;

fail:
	free(text);
	fclose(f);
	return NULL;
}

json_t *config_load(const char *path, struct faults *faults)
{
	size_t len;
	char *text = file_read(path, &len);
	json_t *doc;

	if (!text) {
		fault_add(faults, "", "cannot be read: %s", strerror(errno));
		return NULL;
	}
	doc = config_parse(text, len, faults);
	free(text);
	return doc;
}

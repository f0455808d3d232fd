/* SPDX-License-Identifier: BSD-3-Clause */
/* Formats of strings that a schema names. */
#ifndef CTL_FORMAT_H
#define CTL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#define FORMAT_WHY 256

struct format {
	const char *name;
	const char *needed; /* "an address such as \"192.0.2.1\"": for messages and the reference */
	/* Whether text is one. why ("" before) may be given a better message than needed. */
	bool (*check)(const char *text, char why[static FORMAT_WHY]);
};

const struct format *format_find(const char *name); /* NULL if there is none */

#endif

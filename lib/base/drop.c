/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of the drop reasons; the list itself is drop.def. */
#include "drop.h"

#include <stddef.h>

static const struct {
	const char *name, *text;
} reasons[] = {
#define DROP(name, text) { #name, text },
#include "drop.def"
#undef DROP
};

const char *drop_name(enum drop_reason reason)
{
	return (unsigned int)reason < DROP_MAX ? reasons[reason].name : "?";
}

const char *drop_text(enum drop_reason reason)
{
	return (unsigned int)reason < DROP_MAX ? reasons[reason].text : "?";
}

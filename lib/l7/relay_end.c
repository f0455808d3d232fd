/* SPDX-License-Identifier: BSD-3-Clause */
/* What relay_end.def says. */
#include "relay.h"

const char *relay_end_name(enum relay_end e)
{
	static const char *const names[RELAY_ENDS] = {
#define RELAY_END(name, text) #name,
#include "relay_end.def"
#undef RELAY_END
	};

	return names[e];
}

const char *relay_end_text(enum relay_end e)
{
	static const char *const texts[RELAY_ENDS] = {
#define RELAY_END(name, text) text,
#include "relay_end.def"
#undef RELAY_END
	};

	return texts[e];
}

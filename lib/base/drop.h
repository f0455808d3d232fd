/* SPDX-License-Identifier: BSD-3-Clause */
/* Drop reasons, generated from drop.def. */
#ifndef BASE_DROP_H
#define BASE_DROP_H

enum drop_reason {
#define DROP(name, text) DROP_##name,
#include "drop.def"
#undef DROP
	DROP_MAX
};

/* The reason's name ("ip_checksum") and what it means, for stats; both constant. */
const char *drop_name(enum drop_reason reason);
const char *drop_text(enum drop_reason reason);

#endif

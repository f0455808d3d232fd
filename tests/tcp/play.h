/* SPDX-License-Identifier: BSD-3-Clause */
/* Plays cases of scripts. */
#ifndef TCP_PLAY_H
#define TCP_PLAY_H

#include "script.h"

#define PLAY_TEXT 1000

/* Whether all goes as the case says, over one family; device: see lab_create(). If not, why says
 * which line failed and how; lines are separated by newlines. */
bool play_case(const struct test_case *c, bool v6, bool device, char why[PLAY_TEXT]);

#endif

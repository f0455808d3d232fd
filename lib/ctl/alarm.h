/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How full everything is that has a size: tables, pools, queues. The control core looks once a
 * second, reading counters of the workers, and says so once when something rises above ALARM_ON per
 * cent, with what to do about it, and once when it has fallen below ALARM_OFF.
 *
 * A kind of thing that can be full is one line of the table in alarm.c.
 */
#ifndef CTL_ALARM_H
#define CTL_ALARM_H

#include <jansson.h>

#include "ctl/config.h"

#define ALARM_ON    80
#define ALARM_OFF   70
#define ALARM_KINDS 12
#define ALARM_EACH  (64 + 1) /* things of a kind: one a worker, and one of the control core */

struct alarms {
	bool on[ALARM_KINDS][ALARM_EACH];
	uint64_t look_at; /* ms: the next look */
};

/* Whether there is an alarm now; on: whether there was. */
bool alarm_next(bool on, uint64_t used, uint64_t max);

/* Once a turn of the loop: looks if it is time. */
void alarm_turn(struct alarms *a, const struct config_target *t, uint64_t now_ms);

/* Looks at once. */
void alarm_look(struct alarms *a, const struct config_target *t);

/* All there is, or what has an alarm: `resource`, `of`, `used`, `max`, `percent`, `alarm`,
 * `remedy`. A new list. */
json_t *alarm_view(const struct alarms *a, const struct config_target *t, bool all);

#endif

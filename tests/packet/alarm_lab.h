/* SPDX-License-Identifier: BSD-3-Clause */
/* What the control core says of how full things are, in a balancer that is stepped. */
#ifndef PACKET_ALARM_LAB_H
#define PACKET_ALARM_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/alarm.h"
#include "harness.h"

/* Looks, and says whether there is an alarm of the first thing of this kind, and what it has in
 * use. a: of earlier looks. */
static inline bool alarm_of(
	struct harness *h, struct alarms *a, const char *resource, uint64_t *used)
{
	json_t *all, *raised, *o;
	unsigned int n = 0;
	bool on = false;
	size_t i;

	alarm_look(a, &h->target);
	all = alarm_view(a, &h->target, true);
	raised = alarm_view(a, &h->target, false);
	*used = UINT64_MAX;
	json_array_foreach (all, i, o) {
		n += json_is_true(json_object_get(o, "alarm"));
		if (strcmp(json_string_value(json_object_get(o, "resource")), resource) != 0 ||
			*used != UINT64_MAX)
			continue;
		*used = (uint64_t)json_integer_value(json_object_get(o, "used"));
		on = json_is_true(json_object_get(o, "alarm"));
		assert_int_equal(json_integer_value(json_object_get(o, "percent")),
			*used * 100 / (uint64_t)json_integer_value(json_object_get(o, "max")));
	}
	assert_int_equal(json_array_size(raised), n);
	json_decref(all);
	json_decref(raised);
	return on;
}

#endif

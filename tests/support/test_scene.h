/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of RPC methods: calls one after the other, and what must come of each.
 */
#ifndef TEST_SCENE_H
#define TEST_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test_ctl.h"

/* One call, and what must come of it: a part of the result, or an error's code and message. */
struct scene {
	const char *method, *params;
	const char *result; /* JSON: objects may have more keys than it says, lists are whole */
	int code;
	const char *message;
};

static inline bool contains(const json_t *have, const json_t *want)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_object(want)) {
		json_object_foreach ((json_t *)want, key, value)
			if (!json_object_get(have, key) ||
				!contains(json_object_get(have, key), value))
				return false;
		return json_is_object(have);
	}
	if (json_is_array(want)) {
		json_array_foreach (want, i, value)
			if (!contains(json_array_get(have, i), value))
				return false;
		return json_array_size(have) == json_array_size(want);
	}
	return json_equal((json_t *)have, (json_t *)want);
}

static inline void fail_with(const struct scene *s, const json_t *response)
{
	char *text = json_dumps(response, JSON_COMPACT);

	print_error("%s %s\nanswered: %s\nexpected: %s%s\n", s->method,
		s->params ? s->params : "{}", text, s->result ? s->result : "",
		s->message ? s->message : "");
	free(text);
	fail();
}

static inline void play(struct test_ctl *t, const struct scene *s)
{
	json_t *response = test_call(t, s->method, s->params), *want;
	const json_t *error = json_object_get(response, "error");

	assert_non_null(response);
	if (s->message) {
		const char *message = json_string_value(json_object_get(error, "message"));

		if (!message || strcmp(message, test_json(s->message)) != 0 ||
			json_integer_value(json_object_get(error, "code")) != s->code)
			fail_with(s, response);
	} else {
		want = json_loads(test_json(s->result), JSON_DECODE_ANY, NULL);
		assert_non_null(want);
		if (!contains(json_object_get(response, "result"), want))
			fail_with(s, response);
		json_decref(want);
	}
	json_decref(response);
}

#define PLAY(t, list)                                                                              \
	for (size_t scene_ = 0; scene_ < sizeof(list) / sizeof(list[0]); scene_++)                 \
	play(t, &(list)[scene_])

#endif

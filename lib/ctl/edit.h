/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changing the configuration by RPC: a copy of the running document is edited and applied whole.
 *
 *   doc = edit_begin(c); ... change doc ...; edit_apply(c, call, doc);
 */
#ifndef CTL_EDIT_H
#define CTL_EDIT_H

#include <jansson.h>

#include "rpc.h"

/* A deep copy of the running document. */
json_t *edit_begin(const struct ctl *c);

/* The array of objects under key, made if it is not there; borrowed. */
json_t *edit_list(json_t *o, const char *key);

/* The object of that name in a list, and where; NULL if there is none. Borrowed. */
json_t *edit_find(json_t *list, const char *name, size_t *index);

/* Applies doc (taken; NULL: administrative state alone has changed) and answers the call:
 * {"warnings": [...]}, or the faults. */
void edit_apply(struct ctl *c, struct rpc_call *call, json_t *doc);

/* The same, with what result (an object, taken) has besides. */
void edit_apply_with(struct ctl *c, struct rpc_call *call, json_t *doc, json_t *result);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small schema language for our JSON: what the configuration and the parameters of RPC methods
 * look like, with the text that the reference and the messages are made of. A schema is a JSON
 * document:
 *
 *   { "types": { NAME: RULE ... }, ... }        rules that others refer to; the rest is the user's
 *
 * A RULE is an object:
 *   "type"      "object", "array", "string", "integer", "boolean" or "any"; a string may be a list
 * of them too with "list": true "ref"       instead of all else: the rule of that name in "types"
 *   "doc"       sentences for the reference
 *   "keys"      object: { KEY: RULE ... }; every other key is an error
 *   "required"  of a key: it must be there; the default is false
 *   "default"   of a key: the value taken when it is not there
 *   "restart"   of a key: a change needs a restart
 *   "items"     array: the rule of each element
 *   "min","max" integer: range; array: number of elements; formats "duration" and "size": range
 *   "format"    string: see formats in format.c: "name", "endpoint", "duration" ...
 *   "values"    string: the words that are possible
 *   "words"     string: the name of a list of words that the program hands in ("schedulers")
 */
#ifndef CTL_SCHEMA_H
#define CTL_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

#include "base/fault.h"

struct schema {
	json_t *doc;
};

/* From the text built into the program. NULL with errno. */
struct schema *schema_load(const char *text, size_t len);
void schema_free(struct schema *s);

/* The rule itself, or the one it refers to. */
const json_t *schema_rule(const struct schema *s, const json_t *rule);

/* The rule of a key of an object's rule, or NULL. */
const json_t *schema_key(const struct schema *s, const json_t *rule, const char *key);

/* Adds a fault for all that is wrong with value, each with its path: path, ".key", "[index]" on.
 * path is where value stands, "" for a document. Whether nothing was. */
bool schema_check(const struct schema *s, const json_t *rule, const json_t *value, const char *path,
	struct faults *faults);

/* The member of an object that schema_check() has passed, or its default; NULL if it has none. */
const json_t *schema_get(
	const struct schema *s, const json_t *rule, const json_t *object, const char *key);

/* The texts of schema/NAME.json. */
extern const char schema_config_text[], schema_rpc_text[];
extern const size_t schema_config_len, schema_rpc_len;

#endif

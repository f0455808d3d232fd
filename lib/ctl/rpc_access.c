/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * access.list, test, allow, deny, remove, others: which clients may open flows. Changes edit the
 * document, as those of pools do; "config save" keeps them.
 *
 * allow, deny and remove change nothing but what becomes of the clients of their prefixes. Where an
 * "allow" list would come into being, and with it a verdict about all others, the document says
 * from then on what it has meant so far.
 */
#include <stdio.h>
#include <string.h>

#include "edit.h"
#include "guard/acl.h"
#include "view.h"

#define PAGE_DEFAULT 1000

static const char *verdict(bool allow)
{
	return allow ? "allow" : "deny";
}

static const char *text(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* The service that the parameters name, or NULL for all of them. False: the call has been answered,
 * there is no such service. */
static bool service_named(
	struct ctl *c, const json_t *params, struct rpc_call *call, const struct service **out)
{
	const char *name = text(params, "service");

	*out = name ? model_service_by_name(ctl_model(c), name) : NULL;
	if (!name || *out)
		return true;
	rpc_error(call, RPC_NOT_FOUND, "no service \"%s\"", name);
	return false;
}

/* ---- looking -------------------------------------------------------------------------------- */

/* e NULL: of clients that no prefix holds. */
static json_t *row(const struct service *s, const struct access_entry *e, bool others)
{
	return json_pack("{s:o, s:o, s:s}", "service", s ? json_string(s->name) : json_null(),
		"prefix", e ? view_prefix(&e->prefix) : json_null(), "verdict",
		verdict(e ? e->allow : others));
}

/* A page of the rows of several lists, one after the other. */
struct page {
	json_t *rows;
	size_t skip, left;
	bool more;
};

static void page_add(struct page *p, const struct service *s, const struct access *a)
{
	for (unsigned int i = 0; a && i <= a->n; i++) {
		if (p->skip > 0) {
			p->skip--;
			continue;
		}
		if (p->left == 0) {
			p->more = true;
			return;
		}
		p->left--;
		json_array_append_new(
			p->rows, row(s, i < a->n ? &a->entry[i] : NULL, !a->deny_others));
	}
}

static void access_list(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const char *from = text(params, "cursor");
	const json_t *limit = json_object_get(params, "limit");
	const struct model *m = ctl_model(c);
	struct page p = { .left = limit ? (size_t)json_integer_value(limit) : PAGE_DEFAULT };
	const struct service *only;
	unsigned int start = 0;
	int end = 0;

	if (from && (sscanf(from, "%9u%n", &start, &end) != 1 || from[end] != '\0')) {
		rpc_error(call, RPC_INVALID_PARAMS, "cursor: not one that access.list gave");
		return;
	}
	if (!service_named(c, params, call, &only))
		return;
	const size_t asked = p.left;

	p.skip = start;
	p.rows = json_array();
	if (!only)
		page_add(&p, NULL, m->access);
	for (unsigned int i = 1; i < MODEL_SERVICES_MAX; i++)
		if (m->service[i] && (!only || m->service[i] == only))
			page_add(&p, m->service[i], m->service[i]->access);
	rpc_result(call, json_pack("{s:o, s:o}", "entries", p.rows, "cursor",
				 p.more ? json_sprintf("%zu", start + asked) : json_null()));
}

/* What one list says about the client, into decided; no list lets everybody in. */
static bool decide(
	json_t *decided, const struct service *s, const struct access *a, const struct addr *client)
{
	const struct access_entry *e;

	if (!a)
		return true;
	e = acl_decides(a->entry, a->n, client);
	json_array_append_new(decided, row(s, e, !a->deny_others));
	/* What workers look at, not what it was made of. */
	return acl_allows(a->acl, client);
}

static void access_test(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const struct service *s;
	struct addr client;
	json_t *decided;
	bool may;

	if (!service_named(c, params, call, &s) ||
		addr_parse(text(params, "address"), &client) != 0)
		return;
	decided = json_array();
	may = decide(decided, NULL, ctl_model(c)->access, &client);
	if (may && s)
		may = decide(decided, s, s->access, &client);
	rpc_result(call, json_pack("{s:s, s:o}", "verdict", verdict(may), "decided", decided));
}

/* ---- changing ------------------------------------------------------------------------------- */

/* The object of a list in the document, made if it is not there: that of a service, or that of all.
 */
static json_t *access_of(json_t *doc, const struct service *s)
{
	json_t *o = s ? edit_find(edit_list(doc, "services"), s->name, NULL) : doc;
	json_t *access = json_object_get(o, "access");

	if (!access) {
		access = json_object();
		json_object_set_new(o, "access", access);
	}
	return access;
}

/* Where a prefix is in a list, however it is written there; its length if it is not. */
static size_t place(const json_t *list, const struct prefix *p)
{
	const json_t *e;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)list, i, e) {
		struct prefix other;

		if (prefix_parse(json_string_value(e), false, &other) == 0 && other.len == p->len &&
			addr_equal(&other.addr, &p->addr))
			break;
	}
	return i;
}

/* Takes a prefix out of a list; whether it was there. */
static bool take_out(json_t *access, const char *key, const struct prefix *p)
{
	json_t *list = json_object_get(access, key);
	size_t at = place(list, p);

	return at < json_array_size(list) && json_array_remove(list, at) == 0;
}

/* The i-th prefix that the parameters give, one or a list; NULL beyond the last. */
static const char *prefix_given(const json_t *params, size_t i, struct prefix *out)
{
	const json_t *given = json_object_get(params, "prefix");
	const char *word = json_is_array(given) ? json_string_value(json_array_get(given, i))
			   : i == 0             ? json_string_value(given)
						: NULL;

	return word && prefix_parse(word, false, out) == 0 ? word : NULL;
}

/* Puts the prefixes into the list, out of the other one. */
static void access_put(struct ctl *c, const json_t *params, struct rpc_call *call, bool allow)
{
	const struct service *s;
	json_t *doc, *access;
	struct prefix p;
	const char *word;

	if (!service_named(c, params, call, &s))
		return;
	doc = edit_begin(c);
	access = access_of(doc, s);
	if (allow && !json_object_get(access, "allow") && !json_object_get(access, "others"))
		json_object_set_new(access, "others", json_string("allow"));
	for (size_t i = 0; (word = prefix_given(params, i, &p)) != NULL; i++) {
		json_t *list = edit_list(access, verdict(allow));

		if (place(list, &p) < json_array_size(list)) {
			rpc_error(call, RPC_EXISTS, "%s is %s already", word,
				allow ? "allowed" : "denied");
			json_decref(doc);
			return;
		}
		take_out(access, verdict(!allow), &p);
		json_array_append_new(list, json_string(word));
	}
	edit_apply(c, call, doc);
}

static void access_allow(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	access_put(c, params, call, true);
}

static void access_deny(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	access_put(c, params, call, false);
}

static void access_remove(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const struct service *s;
	json_t *doc, *access;
	struct prefix p;
	const char *word;

	if (!service_named(c, params, call, &s))
		return;
	doc = edit_begin(c);
	access = access_of(doc, s);
	for (size_t i = 0; (word = prefix_given(params, i, &p)) != NULL; i++) {
		if (take_out(access, "allow", &p) || take_out(access, "deny", &p))
			continue;
		rpc_error(call, RPC_NOT_FOUND, "%s is in no list of %s", word,
			s ? s->name : "all services");
		json_decref(doc);
		return;
	}
	edit_apply(c, call, doc);
}

static void access_others(struct ctl *c, const json_t *params, struct rpc_call *call)
{
	const struct service *s;
	json_t *doc;

	if (!service_named(c, params, call, &s))
		return;
	doc = edit_begin(c);
	json_object_set(access_of(doc, s), "others", json_object_get(params, "verdict"));
	edit_apply(c, call, doc);
}

static const struct rpc_method methods[] = {
	{ "list", access_list },
	{ "test", access_test },
	{ "allow", access_allow },
	{ "deny", access_deny },
	{ "remove", access_remove },
	{ "others", access_others },
	{ NULL, NULL },
};

const struct rpc_area rpc_area_access = { "access", methods };

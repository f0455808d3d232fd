/* SPDX-License-Identifier: BSD-3-Clause */
/* Access lists and the like, and rates of sources, as parts of a snapshot: checked, ordered, shared
 * with the snapshot before. What lists mean is guard/acl.c's, which compiles them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_priv.h"

static int prefix_order(const struct prefix *a, const struct prefix *b)
{
	int d = addr_compare(&a->addr, &b->addr);

	return d ? d : a->len - b->len;
}

static int entry_order(const void *left, const void *right)
{
	const struct access_entry *a = left, *b = right;

	return prefix_order(&a->prefix, &b->prefix);
}

/* ---- faults --------------------------------------------------------------------------------- */

/* An entry, and where the configuration has it. */
struct place {
	struct access_entry entry;
	unsigned int i;
};

static int place_order(const void *left, const void *right)
{
	const struct place *a = left, *b = right;
	int d = prefix_order(&a->entry.prefix, &b->entry.prefix);

	return d ? d : (a->i > b->i) - (a->i < b->i);
}

/* Where the configuration has a list's entries: "services[3].access.allow", "....deny". */
struct list_path {
	char allow[52], deny[52];
};

static char *place_path(const struct access_conf *conf, const struct list_path *path,
	const struct place *p, char out[static 64])
{
	if (p->entry.allow)
		snprintf(out, 64, "%s[%u]", path->allow, p->i);
	else
		snprintf(out, 64, "%s[%u]", path->deny, p->i - conf->n_allow);
	return out;
}

static int check_list(
	const struct access_conf *conf, const struct list_path *where, struct faults *faults)
{
	const unsigned int n = conf->n_allow + conf->n_deny;
	struct place *list = calloc(n + 1u, sizeof(*list));
	unsigned int known = 0;
	const struct place *first = list;

	if (!list)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		if (conf->entries[i].prefix.len != ACCESS_UNKNOWN)
			list[known++] = (struct place){ conf->entries[i], i };
	qsort(list, known, sizeof(*list), place_order);
	for (const struct place *p = list; p < list + known; p++) {
		char path[64], other[64], text[PREFIX_TEXT];

		if (prefix_order(&p->entry.prefix, &first->entry.prefix) != 0 || p == first) {
			first = p;
			continue;
		}
		place_path(conf, where, p, path);
		place_path(conf, where, first, other);
		prefix_format(&p->entry.prefix, text);
		if (p->entry.allow == first->entry.allow)
			fault_add(faults, path, "%s is in the list already, see %s", text, other);
		else
			fault_add(
				faults, path, "%s is both allowed and denied, see %s", text, other);
	}
	free(list);
	return 0;
}

/* A list of service i that allows only. */
static int check_prefixes(
	const struct access_conf *conf, unsigned int i, const char *key, struct faults *faults)
{
	struct list_path path = { .deny = "" };

	snprintf(path.allow, sizeof(path.allow), "services[%u].proxy.%s", i, key);
	return check_list(conf, &path, faults);
}

int access_check(const struct model_conf *conf, struct faults *faults)
{
	static const struct list_path all = { "access.allow", "access.deny" };
	int rc = check_list(&conf->access, &all, faults);

	for (unsigned int i = 0; rc == 0 && i < conf->n_services; i++) {
		const struct service_conf *s = &conf->services[i];
		struct list_path path;

		snprintf(path.allow, sizeof(path.allow), "services[%u].access.allow", i);
		snprintf(path.deny, sizeof(path.deny), "services[%u].access.deny", i);
		rc = check_list(&s->access, &path, faults);
		if (rc == 0)
			rc = check_prefixes(&s->trusted, i, "accept-header.trusted", faults);
		if (rc == 0)
			rc = check_prefixes(&s->monitor, i, "monitor", faults);
	}
	return rc;
}

/* ---- building ------------------------------------------------------------------------------- */

static bool access_equal(const struct access *a, const struct access *b)
{
	if (a->deny_others != b->deny_others || a->n != b->n)
		return false;
	for (unsigned int i = 0; i < a->n; i++)
		if (entry_order(&a->entry[i], &b->entry[i]) != 0 ||
			a->entry[i].allow != b->entry[i].allow)
			return false;
	return true;
}

int access_settle(const struct access_conf *conf, const struct access *former,
	const struct model_sched *sched, const struct access **out)
{
	const unsigned int n = conf->n_allow + conf->n_deny;
	struct access *a;

	*out = NULL;
	if (n == 0 && !conf->deny_others)
		return 0;
	a = calloc(1, sizeof(*a) + n * sizeof(a->entry[0]));
	if (!a)
		return -ENOMEM;
	a->refs = 1;
	a->deny_others = conf->deny_others;
	a->n = n;
	if (n > 0)
		memcpy(a->entry, conf->entries, n * sizeof(a->entry[0]));
	qsort(a->entry, n, sizeof(a->entry[0]), entry_order);
	if (former && access_equal(former, a)) {
		free(a);
		a = (struct access *)(uintptr_t)former; /* ours to count, not the workers' */
		a->refs++;
		*out = a;
		return 0;
	}
	a->acl = sched->acl_build(a->entry, n, a->deny_others);
	if (!a->acl) {
		free(a);
		return -ENOMEM;
	}
	*out = a;
	return 0;
}

void access_unref(const struct access *shared, const struct model_sched *sched)
{
	struct access *a = (struct access *)(uintptr_t)shared;

	if (!a || --a->refs > 0)
		return;
	sched->acl_free(a->acl);
	free(a);
}

struct source_rate source_rate_of(const struct source_rate_conf *conf, uint64_t scope)
{
	return (struct source_rate){
		.scope = scope,
		.connections = conf->connections,
		.burst = conf->burst,
		.prefix_v4 = conf->prefix_v4,
		.prefix_v6 = conf->prefix_v6,
	};
}

bool source_rate_equal(const struct source_rate *a, const struct source_rate *b)
{
	return a->scope == b->scope && a->connections == b->connections && a->burst == b->burst &&
	       a->prefix_v4 == b->prefix_v4 && a->prefix_v6 == b->prefix_v6;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which clients may open flows: allow and deny lists, compiled. Of the entries that hold a client
 * the one with the longest prefix decides, whichever list it is in; where none does, all the others
 * share one fate.
 *
 * Built on the control core for struct access (model/model.h), immutable, looked up by workers on a
 * miss. A list of 10,000 prefixes takes less than a millisecond to build, 130 KB, and some 130
 * cycles to look up.
 */
#ifndef GUARD_ACL_H
#define GUARD_ACL_H

#include <stdbool.h>

#include "model/model.h"

struct acl;

/* Of n entries, no prefix twice, in any order; they are not needed afterwards. deny_others: clients
 * that no entry holds may not. NULL with errno. */
struct acl *acl_build(const struct access_entry *entry, unsigned int n, bool deny_others);
void acl_free(struct acl *a);

/* Whether this client may. */
bool acl_allows(const struct acl *a, const struct addr *client);

/* The entry that decides about the client; NULL: none holds it. Looks at each of them: for people
 * who ask why. */
const struct access_entry *acl_decides(
	const struct access_entry *entry, unsigned int n, const struct addr *client);

#endif

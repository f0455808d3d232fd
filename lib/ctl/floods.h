/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Says in the log when a service begins to answer SYNs with cookies, and when it ends
 * (l4/synproxy.h is what decides). One line each, whatever the workers do meanwhile. Called by the
 * control core.
 */
#ifndef CTL_FLOODS_H
#define CTL_FLOODS_H

#include "ctl/config.h"

struct floods;

/* NULL with errno. */
struct floods *floods_create(void);
void floods_destroy(struct floods *f);

/* Looks at the services, at most once a second. now: ms. */
void floods_look(struct floods *f, const struct config_target *t, uint64_t now);

#endif

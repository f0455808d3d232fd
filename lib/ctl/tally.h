/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters as people ask for them: sums over the workers, less what a slot had counted for its
 * former owner. Workers never reset a counter, and a slot given to another service or server goes
 * on counting from where it is.
 */
#ifndef CTL_TALLY_H
#define CTL_TALLY_H

#include "ctl/config.h"
#include "l4/synproxy.h"

/* When next takes now's place (NULL: at start): remembers the sums of slots and ports that have
 * another owner. 0, or -ENOMEM. */
int tally_change(struct config_target *t, const struct model *now, const struct model *next);
void tally_free(struct config_target *t);

struct traffic tally_service(const struct config_target *t, uint16_t slot);
struct guarded tally_guarded(const struct config_target *t, uint16_t slot);
/* on: how many workers answer with cookies at present. */
struct synproxy_traffic tally_synproxy(const struct config_target *t, uint16_t slot);
struct traffic tally_server(const struct config_target *t, uint16_t slot);
/* Of struct strain, the counters alone. */
struct strain tally_strain(const struct config_target *t, uint16_t slot);
struct port_counters tally_port(const struct config_target *t, uint8_t id);

#endif

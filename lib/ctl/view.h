/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What RPC methods answer with: things of the running system as JSON. Every function returns a new
 * object. Counters are sums over the workers; keys are the same wherever a thing is shown, and
 * described in docs/reference/rpc.md.
 */
#ifndef CTL_VIEW_H
#define CTL_VIEW_H

#include <jansson.h>

#include "ctl/ctl.h"

/* The model that answers are made of: that of the document in force. */
static inline const struct model *ctl_model(const struct ctl *c)
{
	return config_model(&c->target);
}

json_t *view_addr(const struct addr *a);
json_t *view_endpoint(const struct addr *a, uint16_t port); /* port in host order */
json_t *view_prefix(const struct prefix *p);
json_t *view_mac(const struct rte_ether_addr *mac);
/* A service's own text: "192.0.2.10:80", "192.0.2.10:8000-8100", "192.0.2.10:*". */
json_t *view_vip(const struct vip *v);
const char *view_proto(uint8_t proto); /* "tcp" */

/* Sets the keys of a traffic in an object. */
void view_traffic(json_t *o, const struct traffic *t);

/* Short forms, as in lists. */
json_t *view_service(const struct ctl *c, const struct service *s);
json_t *view_pool(const struct ctl *c, const struct pool *p);
json_t *view_server(const struct ctl *c, const struct pool *p, const struct server *s);
json_t *view_port(const struct ctl *c, const struct port *p);
json_t *view_worker(const struct ctl *c, unsigned int i);

/* Packets dropped for a reason, over all workers and the control core. */
uint64_t view_dropped(const struct ctl *c, enum drop_reason reason);

/* Lists of all. servers: of one pool, or of all where pool is NULL. */
json_t *view_services(const struct ctl *c);
json_t *view_servers(const struct ctl *c, const struct pool *pool);
json_t *view_ports(const struct ctl *c);
json_t *view_workers(const struct ctl *c);

#endif

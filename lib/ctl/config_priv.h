/* SPDX-License-Identifier: BSD-3-Clause */
/* What config.c, crosscheck.c and apply.c share. */
#ifndef CTL_CONFIG_PRIV_H
#define CTL_CONFIG_PRIV_H

#include "config.h"

/* sched_find() and friends, for model_build(). */
extern const struct model_sched config_sched;

/* In config.workers: what stands there is no core. */
#define CORE_UNKNOWN UINT32_MAX

/*
 * What a schema cannot say: adds faults and warnings about things that do not fit each other. c may
 * be in part unread, where the schema found faults: NULL names, zero addresses, MODE_COUNT.
 * net_known: ports and routes are complete.
 */
void crosscheck(const struct config *c, bool net_known, struct faults *faults);

/* Its part about who serves a new flow: persistence, limits, backups. */
void crosscheck_serve(const struct config *c, struct faults *faults);

/* crosscheck_access.c: its part about access lists and rates of sources. */
void crosscheck_access(const struct config *c, struct faults *faults);

/* Its part about the addresses servers are spoken to from. */
void crosscheck_sources(const struct config *c, bool net_known, struct faults *faults);

/* crosscheck_kernel.c: its part about the kernel's share of ports. */
void crosscheck_kernel(const struct config *c, struct faults *faults);

/* Whether there is an address that the server can be spoken to from: a source, or one of the port
 * that leads there. */
bool crosscheck_has_source(const struct net_conf *net, const struct server_conf *server,
	const struct addr *virtuals, size_t n_virtuals);

/* Reading a document. */
struct reader {
	const struct schema *schema;
	const json_t *doc, *rule; /* the document and its rule */
	struct config *c;
	struct faults *faults;
	bool net_known; /* ports and routes were read whole */
};

/* Zeroed, in the configuration's arena. NULL: no memory. */
void *config_alloc(struct reader *r, size_t n, size_t size);

/* A port by its name; NET_PORT_NONE with a fault at path. */
uint8_t config_find_port(struct reader *r, const char *path, const char *name);

/* config_gateway.c: "gateway". 0 or -errno. */
int config_read_gateway(struct reader *r);

/* config_access.c: "access" and "source-rate" of o, the document or a service of it; rule: its
 * rule. 0 or -errno. */
int config_read_access(
	struct reader *r, const json_t *rule, const json_t *o, struct access_conf *out);
void config_read_source_rate(
	struct reader *r, const json_t *rule, const json_t *o, struct source_rate_conf *out);
/* A list of prefixes that allows them, and nobody else; zeroed where it has none. 0 or -errno. */
int config_read_prefixes(struct reader *r, const json_t *list, struct access_conf *out);

/* config_proxy.c: "accept-header" and "monitor" of o, a service's "proxy"; rule: its rule. 0 or
 * -errno. */
int config_read_headers(
	struct reader *r, const json_t *rule, const json_t *o, struct service_conf *s);
/* struct server.proxy_header of "none", "v1" or "v2". */
uint8_t config_proxy_header(const char *text);

/* config_connlog.c: "connection-log" of the document, before services are read; then what a service
 * has logged. */
void config_read_connlog(struct reader *r);
enum connection_log config_service_log(
	const struct reader *r, const json_t *rule, const json_t *service);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration: one JSON document, and what it means.
 *
 *   text --config_parse()--> json_t --config_read()--> struct config --config_apply()--> snapshot
 *
 * config_parse() allows comments. config_read() validates against schema/config.json (types, ranges, names, unknown
 * keys), then what a schema cannot say, and reports every fault in one pass with its JSON path. The document itself stays the
 * truth: "config show" prints it with nothing added but defaults left out, and RPCs that add or remove things edit a copy of it.
 */
#ifndef CTL_CONFIG_H
#define CTL_CONFIG_H

#include <jansson.h>
#include <sys/types.h>

#include "base/fault.h"
#include "model/model.h"
#include "net/net.h"
#include "worker/worker.h"

/* What the document says, with defaults filled in. Everything in it lives in one arena. */
struct config {
	/* fixed until restart */
	const unsigned int *workers;     /* cores */
	unsigned int n_workers;
	unsigned int control;            /* core */
	const char *const *devices;      /* distinct device strings; port_conf.nic indexes them */
	unsigned int n_devices;
	struct {
		uint32_t flows_v4, flows_v6; /* in all, over the workers */
		uint32_t neighbours;
		uint32_t packets;            /* mbufs a worker */
	} limits;
	struct {
		const char *path;
		mode_t mode;
		const char *owner, *group;   /* NULL: as the process */
		uint32_t max_request;        /* bytes */
		uint32_t max_connections;
	} socket;
	/* changeable at run time */
	struct idle_conf idle;
	struct neigh_conf neighbour;
	struct model_conf model;
	struct config_arena *arena;
};

/* A document from a file or from text; comments are blanked first, so that positions in messages are those of the text.
 * NULL with one fault that gives line and column. */
json_t *config_load(const char *path, struct faults *faults);
json_t *config_parse(const char *text, size_t len, struct faults *faults);

/* NULL with every fault found; warnings alone do not prevent a result. */
struct config *config_read(const json_t *doc, struct faults *faults);
void config_free(struct config *c);

/* Administrative state: kept apart from the configuration, survives every apply. */
struct admin_state;
struct admin_state *admin_create(void);
void admin_destroy(struct admin_state *a);
enum admin admin_get(const struct admin_state *a, const char *pool, const char *server);
int admin_set(struct admin_state *a, const char *pool, const char *server, enum admin state);

/* What is needed to turn a document into a running snapshot. */
struct config_target {
	json_t *running;                 /* the document in force */
	struct config *config;           /* and what it means */
	struct admin_state *admin;
	struct model_slots *slots;
	struct snapshot *snapshot;
	struct workers *workers;
	struct neigh_table *neigh;
	struct rcu *rcu;
	struct nic **nics;               /* by device index of config.devices */
	unsigned int n_nics;
};

/*
 * The one door. Reads doc, builds a model from it and the administrative state, publishes it, announces new addresses, has
 * orphaned flows swept. All or nothing: on faults everything is as before. A change of what is fixed until restart is a
 * fault. doc NULL: the running document again (administrative state has changed). Returns 0 or -EINVAL (faults) or -errno.
 */
int config_apply(struct config_target *t, const json_t *doc, struct faults *faults);

/* Memory the configuration needs, in bytes, with the parts named: for the start-up message and the hugepage check. */
struct memory_plan {
	uint64_t packets, flows, neighbours, rest, total;
};
void config_memory(const struct config *c, struct memory_plan *out);

#endif

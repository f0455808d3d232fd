/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration: one JSON document, and what it means.
 *
 *   text --config_parse()--> json_t --config_read()--> struct config --config_apply()--> snapshot
 *
 * config_parse() allows comments. config_read() validates against schema/config.json (types,
 * ranges, names, unknown keys), then what a schema cannot say, and reports every fault in one pass
 * with its JSON path. The document itself stays the truth: "config show" prints it, and RPCs that
 * add or remove things edit a copy of it.
 */
#ifndef CTL_CONFIG_H
#define CTL_CONFIG_H

#include <jansson.h>
#include <sys/types.h>

#include "base/fault.h"
#include "ctl/connlog.h"
#include "model/model.h"
#include "net/kernel.h"
#include "net/net.h"
#include "worker/worker.h"

struct arena;
struct relays;
struct schema;
struct steering; /* steering.h */

/* Who steers packets to workers. */
enum steering_wish { STEERING_AUTO, STEERING_SOFTWARE, STEERING_NIC };

/* What the document says, with defaults filled in. Everything in it lives in one arena. */
struct config {
	const unsigned int *workers; /* cores */
	unsigned int n_workers;
	unsigned int control; /* core */
	/* Distinct device strings in the order of the ports; port_conf.nic indexes them. */
	const char *const *devices;
	const uint16_t *device_mtu; /* the largest of its ports; 0: the driver's */
	unsigned int n_devices;
	const struct kernel_conf *kernels; /* interfaces of the kernel's share of ports */
	unsigned int n_kernels;
	struct {
		uint32_t flows_v4, flows_v6; /* in all, over the workers */
		uint32_t persistence;        /* entries in all */
		uint32_t source_rates;       /* likewise */
		uint32_t packets;            /* mbufs a worker, and as many for the control core */
		uint32_t connections;        /* relayed ones, in all */
	} limits;
	struct {
		const char *path;
		mode_t mode;
		const char *owner, *group; /* NULL: as the process */
		uint32_t max_request;      /* bytes */
		uint32_t max_connections;
	} socket;
	const char *state; /* file of the administrative state; NULL: see admin_path() */
	struct connlog_conf connlog;
	bool connlog_empty; /* connections that carried nothing too */
	enum steering_wish steering;
	struct idle_conf idle;
	struct neigh_conf neighbour;
	struct frag_conf fragments;
	struct model_conf model;
	struct arena *arena;
	struct schema *schema; /* strings of the above are its own or the document's */
	json_t *doc;
};

/* A document from a file or from text. Comments are blanked first, so that positions in messages
 * are those of the text. NULL with a fault that gives line and column. */
json_t *config_load(const char *path, struct faults *faults);
json_t *config_parse(const char *text, size_t len, struct faults *faults);

/* NULL with every fault, found in one pass and without an EAL: the schema's, what does not fit
 * together, model_check()'s. Warnings alone do not prevent a result. doc must not be modified
 * afterwards: it is kept by reference. */
struct config *config_read(const json_t *doc, struct faults *faults);
void config_free(struct config *c);

/* For "fairlead --check" and "config check": config_read(), and a warning where the machine has not
 * the memory. Whether the document is free of errors. */
bool config_check(const json_t *doc, struct faults *faults);

/* Administrative state: kept apart from the configuration, survives every apply. */
struct admin_state;
struct admin_state *admin_create(void);
void admin_destroy(struct admin_state *a);
enum admin admin_get(const struct admin_state *a, const char *pool, const char *server);
int admin_set(struct admin_state *a, const char *pool, const char *server, enum admin state);
/* Where the file is: state, what the configuration says; else in the first of folders, what systemd
 * gives as $STATE_DIRECTORY; else beside the control socket. Both may be NULL. */
int admin_path(const char *state, const char *folders, const char *socket, char *out, size_t size);
/* Reads the file, if there is one, and from now on writes what is set to it: config_poll() does. 0,
 * or -errno with a fault, and then the file is left alone: it is not ours, or cannot be written. */
int admin_open(struct admin_state *a, const char *path, struct faults *faults);
/* Writes what was set since; nothing to do is no error. A failure is told once, and again when
 * something is set, be it what it was, and cannot be saved either. */
int admin_save(struct admin_state *a);

/* What is needed to turn a document into a running snapshot. */
struct config_target {
	json_t *running;       /* the document in force */
	struct config *config; /* and what it means */
	struct admin_state *admin;
	struct model_slots *slots;
	struct snapshot *snapshot;
	struct workers *workers; /* NULL in tests of the control side alone, as the three below */
	struct neigh_table *neigh;
	struct rcu *rcu;
	struct nic **nics;
	unsigned int n_nics;
	struct steering *steering;    /* NULL in tests */
	struct relays *const *relays; /* by worker; NULL: none */
	struct connlog *connlog;      /* NULL in tests */
	struct kernel *kernel;        /* NULL: no port shares with it */
	struct config_change *change; /* apply.c's own */
	struct tally *tally;          /* tally.c's own */
};

/*
 * The one door. Reads doc, builds a model from it and the administrative state, and has it
 * published, new addresses announced and orphaned flows swept. All or nothing: on faults everything
 * is as before. A change of what is fixed until restart is a fault. doc NULL: the running document
 * again (administrative state has changed). doc must not be modified afterwards: it is kept by
 * reference. Returns 0, -EINVAL (faults), or -errno with a fault.
 *
 * The first model is published at once, later ones by config_poll(), at most one per 10 ms.
 */
int config_apply(struct config_target *t, const json_t *doc, struct faults *faults);

/* Once a turn of the control core's loop, after clients were served: publishes what is due, drives
 * the sweep of flows, saves the administrative state. Returns how much there was to do. */
unsigned int config_poll(struct config_target *t, uint64_t now_ms);

/* The model of the document in force, published or about to be: what answers to clients are made
 * of. */
const struct model *config_model(const struct config_target *t);

/* At the end, when no worker runs: drops document, meaning and models, the published one too. */
void config_target_clear(struct config_target *t);

/* Memory the configuration needs, in bytes, with the parts named: for the start-up message and the
 * hugepage check. */
struct memory_plan {
	uint64_t packets, connections, flows, persistence, neighbours, rest, total;
};
/* Persistence entries of each worker: an equal part, and some more, for clients are spread by
 * chance. */
uint32_t config_persistence(const struct config *c);
/* Likewise sources whose rate is counted; the table rounds up. */
uint32_t config_source_rates(const struct config *c);
/* Likewise connections relayed. */
uint32_t config_relays(const struct config *c);
/* The numbers of each worker's instance of TCP that this takes. */
void config_tcp(const struct config *c, struct tcp_conf *out);
void config_memory(const struct config *c, struct memory_plan *out);

/* Bytes of hugepages of all sizes that nobody uses. */
uint64_t memory_hugepages_free(void);

/* Warns where free bytes of hugepages are less than a start would ask for. */
void memory_check(const struct memory_plan *plan, uint64_t free_bytes, struct faults *faults);

#endif

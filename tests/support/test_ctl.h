/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of the control side: a control core with a configuration in force and its RPC, with
 * worker objects if wanted. Nothing is ever sent or received.
 */
#ifndef TEST_CTL_H
#define TEST_CTL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rcu.h"
#include "ctl/rpc.h"
#include "test_eal.h"

#define TEST_TSC 1000000000 /* the workers' time, which stands still: one second */

struct test_ctl {
	struct ctl c;
	struct snapshot snapshot;
	struct nic nic[2], *nics[2];
	char said[1 << 20]; /* what rpc_input() gave out since the last test_ask() */
	size_t n;
	unsigned int lines;
};

/* JSON is written with ' for " in tests. Good until the eighth call from now. */
static inline const char *test_json(const char *text)
{
	static char texts[8][8192];
	static unsigned int turn;
	char *copy = texts[turn++ % 8];

	if (strlen(text) >= sizeof(texts[0]))
		abort();
	strcpy(copy, text);
	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

static const char test_document[] =
	"{ 'workers': [1], 'control': 0,\n"
	"  'ports': [ { 'name': 'wan', 'device': 'ring:a', 'addresses': ['192.0.2.1/24', "
	"'2001:db8:1::1/64'],"
	"               'gateways': ['192.0.2.254'] },\n"
	"             { 'name': 'lan', 'device': 'ring:b', 'addresses': ['10.0.0.1/24', "
	"'2001:db8:2::1/64'] } ],\n"
	"  'pools': [ { 'name': 'web', 'servers': [ { 'name': 'webA', 'address': '10.0.0.11:80', "
	"'weight': 2 },\n"
	"                                          { 'name': 'webB', 'address': '10.0.0.12:80' } ] "
	"},\n"
	"             { 'name': 'spare', 'scheduler': 'maglev', 'servers': [] } ],\n"
	"  'services': [ { 'name': 'web', 'address': '192.0.2.10:80', 'mode': 'nat', 'pool': 'web' "
	"} ] }";

static inline void test_out(void *arg, const char *text, size_t len)
{
	struct test_ctl *t = arg;

	if (len == 0 || text[len - 1] != '\n' || memchr(text, '\n', len - 1) ||
		t->n + len >= sizeof(t->said))
		abort();
	memcpy(t->said + t->n, text, len);
	t->n += len;
	t->said[t->n] = '\0';
	t->lines++;
}

/* Says a line; what is answered at once, without the end of its last line. */
static inline const char *test_ask_n(struct test_ctl *t, const char *line, size_t len)
{
	t->n = t->lines = 0;
	t->said[0] = '\0';
	rpc_input(&t->c, line, len, test_out, t);
	if (t->n)
		t->said[t->n - 1] = '\0';
	return t->said;
}

static inline const char *test_ask(struct test_ctl *t, const char *line)
{
	return test_ask_n(t, test_json(line), strlen(line));
}

/* The answer to a call, parsed: the whole response object. */
static inline json_t *test_call(struct test_ctl *t, const char *method, const char *params)
{
	char line[4096];

	snprintf(line, sizeof(line), "{'jsonrpc':'2.0','id':1,'method':'%s','params':%s}", method,
		params ? params : "{}");
	return json_loads(test_ask(t, line), 0, NULL);
}

/* Without a configuration yet: there may be workers to come before it. */
static inline struct test_ctl *test_ctl_create(void)
{
	struct test_ctl *t = calloc(1, sizeof(*t));

	t->c.target = (struct config_target){
		.admin = admin_create(), .slots = model_slots_create(), .snapshot = &t->snapshot
	};
	t->c.rpc = rpc_create();
	t->c.epoll = t->c.signals = -1;
	return t;
}

/* Aborts when the document is refused. */
static inline void test_ctl_configure(struct test_ctl *t, const char *document)
{
	struct faults faults = { 0 };
	json_t *doc = config_parse(test_json(document), strlen(document), &faults);

	if (!doc || !t->c.rpc || config_apply(&t->c.target, doc, &faults) < 0) {
		for (size_t i = 0; i < faults.n; i++)
			fprintf(stderr, "%s: %s\n", faults.list[i].path, faults.list[i].text);
		abort();
	}
	faults_free(&faults);
	json_decref(doc);
}

static inline struct test_ctl *test_ctl_open(const char *document)
{
	struct test_ctl *t = test_ctl_create();

	test_ctl_configure(t, document);
	return t;
}

/* A control core with n workers. pool: any. */
static inline struct test_ctl *test_ctl_open_workers(
	const char *document, unsigned int n, struct rte_mempool *pool)
{
	struct test_ctl *t = test_ctl_create();
	struct config_target *target = &t->c.target;
	struct neigh_conf neighbours = neigh_defaults;
	struct rte_mempool *pools[RTE_MAX_LCORE];
	struct faults faults = { 0 };

	neighbours.workers = n + 1;
	for (unsigned int i = 0; i <= n; i++)
		pools[i] = pool;
	for (uint16_t i = 0; i < 2; i++) {
		t->nic[i] = (struct nic){ .id = i, .txqs = (uint16_t)(n + 1), .mtu = 1500 };
		t->nics[i] = &t->nic[i];
	}
	target->rcu = rcu_create(n);
	target->neigh = neigh_create(&neighbours, target->rcu);
	struct workers_conf conf = { .n = n,
		.nics = t->nics,
		.n_nics = 2,
		.neigh = target->neigh,
		.neigh_conf = &neighbours,
		.pools = pools,
		.rcu = target->rcu,
		.snapshot = &t->snapshot,
		.max_v4 = 1024,
		.max_v6 = 1024,
		.persistence = 64,
		.tsc_hz = TEST_TSC };
	target->workers = workers_create(&conf, &faults);
	if (!target->workers)
		abort();
	test_ctl_configure(t, document);
	for (unsigned int i = 0; i < n; i++) {
		rcu_online(target->rcu, i);
		worker_poll(target->workers->worker[i], TEST_TSC);
	}
	return t;
}

/* Workers and control core take turns until no call waits. */
static inline void test_ctl_settle(struct test_ctl *t)
{
	for (unsigned int i = 0; rpc_poll(&t->c); i++) {
		if (i == 100000)
			abort();
		for (unsigned int w = 0; w < t->c.target.workers->n; w++)
			worker_poll(t->c.target.workers->worker[w], TEST_TSC);
	}
}

static inline void test_ctl_close(struct test_ctl *t)
{
	struct config_target *target = &t->c.target;

	rpc_destroy(t->c.rpc);
	if (target->workers)
		for (unsigned int w = 0; w < target->workers->n; w++)
			rcu_offline(target->rcu, w);
	config_target_clear(target);
	if (target->workers) {
		workers_destroy(target->workers);
		neigh_destroy(target->neigh);
		rcu_destroy(target->rcu);
	}
	model_slots_destroy(target->slots);
	admin_destroy(target->admin);
	free(t);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What connections that end in the worker cost: cycles of the balancer's side for a connection from
 * SYN to the last ACK, and for a byte that passes over one; the best of several rounds. Before
 * that, as many connections as are wanted are made that do nothing, or are in TIME-WAIT, and stay.
 */
#include <stdio.h>

#include <rte_cycles.h>

#include "bench.h"

#define STREAM_BYTES (UINT64_C(1460) * 16384) /* of a round */

struct l7 {
	double connection;       /* cycles */
	double byte[ECHO_ROLES]; /* cycles; of ECHO_BACK: there and back */
	double bytes_per_connection, bytes_per_time_wait;
	uint32_t idle, time_wait; /* that there are, at the end */
	uint64_t errors, dropped;
};

static struct tcp_stats stats_of(const struct rig *r)
{
	struct tcp_stats s;

	tcp_stats(r->workers->worker[0]->local.tcp, &s);
	return s;
}

/* Bytes of packets that somebody holds. */
static uint64_t held_bytes(const struct rte_mempool *pool)
{
	return (uint64_t)rte_mempool_in_use_count(pool) *
	       (pool->header_size + pool->elt_size + pool->trailer_size);
}

/* An entry of TCP's and one of the flow table, and what a connection that does nothing holds. */
static double connection_bytes(const struct rig *r, const struct bench_options *o)
{
	struct tcp_conf conf = r->app.conf;
	const struct flow_stats flows = rig_flows(r);
	const uint64_t all = tcp_bytes(&conf);
	double held = (double)(held_bytes(r->pool) + held_bytes(r->tcp_pool));

	conf.max_conns = 0;
	return (double)(all - tcp_bytes(&conf)) / r->app.conf.max_conns +
	       bench_bytes_per_flow(&flows) + (o->idle ? held / o->idle : 0);
}

/* The best of all rounds of connections. */
static void measure_connections(struct peers *p, struct l7 *out)
{
	const struct bench_options *o = p->o;

	for (unsigned int round = 0; round < o->rounds; round++) {
		double each;

		p->cycles = 0;
		peers_do(p, PEERS_LIFE, ECHO_BACK, o->idle + o->time_wait, o->connections);
		each = (double)p->cycles / o->connections;
		if (round == 0 || each < out->connection)
			out->connection = each;
	}
}

static void measure_stream(struct peers *p, enum echo_role role, struct l7 *out)
{
	const struct bench_options *o = p->o;
	const uint32_t first = o->idle + o->time_wait + o->connections;
	struct echo *e = &p->rig->echo;

	peers_do(p, PEERS_STAY, role, first, o->streams);
	for (unsigned int round = 0; round < o->rounds; round++) {
		double each;

		p->cycles = p->heard = e->taken = 0;
		if (role == ECHO_GIVE)
			e->give = STREAM_BYTES;
		else
			p->left = STREAM_BYTES;
		peers_do(p, PEERS_STREAM, role, first, o->streams);
		if ((role == ECHO_TAKE ? e->taken : p->heard) != STREAM_BYTES)
			p->errors++;
		each = (double)p->cycles / (double)STREAM_BYTES;
		if (round == 0 || each < out->byte[role])
			out->byte[role] = each;
	}
}

static void measure(struct peers *p, struct l7 *out)
{
	const struct bench_options *o = p->o;
	struct rig *r = p->rig;
	struct flow_stats flows;

	peers_do(p, PEERS_STAY, ECHO_BACK, 0, o->idle);
	out->bytes_per_connection = connection_bytes(r, o);
	peers_do(p, PEERS_LEAVE, ECHO_BACK, o->idle, o->time_wait);
	measure_connections(p, out);
	out->idle = stats_of(r).conns;
	out->time_wait = stats_of(r).time_wait;
	for (int role = 0; role < ECHO_ROLES; role++)
		measure_stream(p, (enum echo_role)role, out);
	flows = rig_flows(r);
	out->bytes_per_time_wait = bench_bytes_per_flow(&flows);
	out->dropped = rig_dropped(r);
	out->errors = p->errors + r->echo.failed + (out->idle != o->idle) +
		      (out->time_wait != o->time_wait);
}

/* ---- the result ----------------------------------------------------------------------------- */

static void text(const struct bench_options *o, const struct l7 *l7)
{
	printf("proto        echo, IPv%u\n", o->family);
	printf("connections  %u at a time; %u idle, %u in TIME-WAIT\n", o->connections, l7->idle,
		l7->time_wait);
	printf("memory       %.1f bytes a connection, %.1f in TIME-WAIT; %s\n",
		l7->bytes_per_connection, l7->bytes_per_time_wait,
		o->no_huge ? "no hugepages: TLB misses are part of the figures" : "hugepages");
	printf("clock        %.0f MHz, best of %u rounds\n", (double)rte_get_tsc_hz() / 1e6,
		o->rounds);
	printf("errors       %lu, %lu packets dropped\n", (unsigned long)l7->errors,
		(unsigned long)l7->dropped);
	printf("connection   %.1f cycles: connect, a byte each way, close\n", l7->connection);
	printf("byte         %.3f cycles, there and back, over %u connections\n",
		l7->byte[ECHO_BACK], o->streams);
	printf("  received   %.3f\n", l7->byte[ECHO_TAKE]);
	printf("  sent       %.3f\n", l7->byte[ECHO_GIVE]);
}

static void json(const struct bench_options *o, const struct l7 *l7)
{
	printf("{\"bench\": \"l7\", \"proto\": \"echo\", \"family\": %u, \"connections\": %u, "
	       "\"streams\": %u, \"rounds\": %u, ",
		o->family, o->connections, o->streams, o->rounds);
	printf("\"hugepages\": %s, \"tsc_mhz\": %.0f, \"idle\": %u, \"time_wait\": %u, ",
		o->no_huge ? "false" : "true", (double)rte_get_tsc_hz() / 1e6, l7->idle,
		l7->time_wait);
	printf("\"cycles_per_connection\": %.2f, \"cycles_per_byte\": %.4f, "
	       "\"cycles_per_byte_received\": %.4f, \"cycles_per_byte_sent\": %.4f, ",
		l7->connection, l7->byte[ECHO_BACK], l7->byte[ECHO_TAKE], l7->byte[ECHO_GIVE]);
	printf("\"bytes_per_connection\": %.2f, \"bytes_per_time_wait\": %.2f, \"errors\": %lu, "
	       "\"dropped\": %lu}\n",
		l7->bytes_per_connection, l7->bytes_per_time_wait, (unsigned long)l7->errors,
		(unsigned long)l7->dropped);
}

int bench_l7(struct rig *r, const struct bench_options *o)
{
	struct l7 l7 = { 0 };
	struct peers p;
	int rc = peers_open(&p, r, o);

	if (rc == 0)
		measure(&p, &l7);
	else
		fprintf(stderr, "fairlead-bench: out of memory\n");
	peers_close(&p);
	if (rc < 0)
		return rc;
	(o->json ? json : text)(o, &l7);
	return l7.errors || l7.dropped ? -1 : 0;
}

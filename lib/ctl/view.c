/* SPDX-License-Identifier: BSD-3-Clause */
/* Things of the running system as JSON. */
#include "view.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>

#include "sched/limit.h"
#include "steering.h"
#include "tally.h"

/* ---- addresses ---------------------------------------------------------------------------- */

json_t *view_addr(const struct addr *a)
{
	char text[ADDR_TEXT];

	return json_string(addr_format(a, text));
}

json_t *view_endpoint(const struct addr *a, uint16_t port)
{
	struct endpoint e = { .addr = *a, .port = port };
	char text[ENDPOINT_TEXT];

	return json_string(endpoint_format(&e, text));
}

json_t *view_prefix(const struct prefix *p)
{
	char text[PREFIX_TEXT];

	return json_string(prefix_format(p, text));
}

json_t *view_mac(const struct rte_ether_addr *mac)
{
	char text[RTE_ETHER_ADDR_FMT_SIZE];
	const uint8_t *b = mac->addr_bytes;

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		b[5]);
	return json_string(text);
}

json_t *view_vip(const struct vip *v)
{
	const struct port_range *r = &v->ports;
	const bool v4 = addr_is_v4(&v->addr);
	const struct prefix p = vip_prefix(v);
	char addr[PREFIX_TEXT], ports[16];

	if (v->host_bits)
		prefix_format(&p, addr);
	else
		addr_format(&v->addr, addr);
	if (r->first == r->last)
		snprintf(ports, sizeof(ports), "%u", r->first);
	else if (r->first <= 1 && r->last == UINT16_MAX)
		snprintf(ports, sizeof(ports), "*");
	else
		snprintf(ports, sizeof(ports), "%u-%u", r->first, r->last);
	return json_sprintf(v4 ? "%s:%s" : "[%s]:%s", addr, ports);
}

const char *view_proto(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : proto == IPPROTO_UDP ? "udp" : "other";
}

/* ---- counters ----------------------------------------------------------------------------- */

static void set_count(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}

void view_traffic(json_t *o, const struct traffic *t)
{
	set_count(o, "active", t->flows_opened - t->flows_closed);
	set_count(o, "connections", t->flows_opened);
	set_count(o, "refused", t->refused);
	set_count(o, "overflowed", t->overflowed);
	set_count(o, "packets_in", t->packets_in);
	set_count(o, "bytes_in", t->bytes_in);
	set_count(o, "packets_out", t->packets_out);
	set_count(o, "bytes_out", t->bytes_out);
}

uint64_t view_dropped(const struct ctl *c, enum drop_reason reason)
{
	const struct workers *all = c->target.workers;
	uint64_t sum = 0;

	for (unsigned int i = 0; all && i <= all->n; i++)
		sum += counter_read(&all->net[i]->drop[reason]);
	return sum;
}

/* ---- services, pools, servers ------------------------------------------------------------- */

static void view_syn_proxy(json_t *o, const struct ctl *c, const struct service *s)
{
	const struct synproxy_traffic t = tally_synproxy(&c->target, s->slot);
	const bool on = t.on || s->syn_proxy.mode == SYN_PROXY_ALWAYS;
	json_t *cookies = json_object();

	json_object_set_new(o, "syn_proxy",
		json_string(s->syn_proxy.mode == SYN_PROXY_OFF ? "off"
			    : on                               ? "on"
							       : "ready"));
	set_count(cookies, "sent", t.sent);
	set_count(cookies, "accepted", t.accepted);
	set_count(cookies, "wrong", t.wrong);
	set_count(cookies, "failed", t.failed);
	json_object_set_new(o, "cookies", cookies);
}

json_t *view_service(const struct ctl *c, const struct service *s)
{
	const struct pool *pool = ctl_model(c)->pools[s->pool];
	struct traffic t = tally_service(&c->target, s->slot);
	struct strain strain = tally_strain(&c->target, s->slot);
	struct guarded guarded = tally_guarded(&c->target, s->slot);
	json_t *addresses = json_array();
	json_t *o;

	for (unsigned int i = 0; i < s->n_vips; i++)
		json_array_append_new(addresses, view_vip(&s->vips[i]));
	o = json_pack("{s:s, s:o, s:s, s:s, s:s}", "name", s->name, "address", addresses,
		"protocol", view_proto(s->proto), "mode", mode_name(s->mode), "pool", pool->name);
	view_traffic(o, &t);
	set_count(o, "stateless", strain.stateless);
	set_count(o, "evicted", strain.evicted);
	set_count(o, "denied", guarded.denied);
	set_count(o, "over_rate", guarded.over_rate);
	set_count(o, "cut", guarded.cut);
	view_syn_proxy(o, c, s);
	return o;
}

json_t *view_pool(const struct ctl *c, const struct pool *p)
{
	const struct model *m = ctl_model(c);
	json_t *services = json_array();
	int available = 0;

	for (unsigned int i = 1; i < MODEL_SERVICES_MAX; i++)
		if (m->service[i] && m->service[i]->pool == p->slot)
			json_array_append_new(services, json_string(m->service[i]->name));
	for (unsigned int i = 0; i < p->n_servers; i++)
		available += p->servers[i].effective_weight > 0;
	return json_pack("{s:s, s:s, s:i, s:i, s:o}", "name", p->name, "scheduler", p->sched->name,
		"servers", (int)p->n_servers, "available", available, "services", services);
}

/* Flows that count for its limit. */
static uint32_t view_current(const struct ctl *c, const struct server *s)
{
	const struct workers *all = c->target.workers;

	return all ? limit_taken(all->worker[0]->l4.sched, s->slot) : 0;
}

json_t *view_server(const struct ctl *c, const struct pool *p, const struct server *s)
{
	struct traffic t = tally_server(&c->target, s->slot);
	json_t *o = json_pack("{s:s, s:s, s:o, s:i, s:i, s:s}", "pool", p->name, "name", s->name,
		"address", view_endpoint(&s->addr, s->port), "weight", (int)s->weight,
		"effective_weight", (int)s->effective_weight, "state", admin_name(s->admin));

	set_count(o, "limit", s->limit);
	set_count(o, "current", view_current(c, s));
	view_traffic(o, &t);
	return o;
}

json_t *view_services(const struct ctl *c)
{
	const struct model *m = ctl_model(c);
	json_t *list = json_array();

	for (unsigned int i = 1; i < MODEL_SERVICES_MAX; i++)
		if (m->service[i])
			json_array_append_new(list, view_service(c, m->service[i]));
	return list;
}

json_t *view_servers(const struct ctl *c, const struct pool *pool)
{
	const struct model *m = ctl_model(c);
	json_t *list = json_array();

	for (unsigned int i = 0; i < MODEL_POOLS_MAX; i++) {
		const struct pool *p = m->pools[i];

		for (unsigned int k = 0; p && (!pool || p == pool) && k < p->n_servers; k++)
			json_array_append_new(list, view_server(c, p, &p->servers[k]));
	}
	return list;
}

/* ---- ports -------------------------------------------------------------------------------- */

static void port_counters(json_t *o, const struct ctl *c, uint8_t id)
{
	struct port_counters sum = tally_port(&c->target, id);

	set_count(o, "rx_packets", sum.rx_packets);
	set_count(o, "rx_bytes", sum.rx_bytes);
	set_count(o, "tx_packets", sum.tx_packets);
	set_count(o, "tx_bytes", sum.tx_bytes);
}

/* What the device itself has lost. */
static void nic_counters(json_t *o, const struct nic *nic)
{
	struct nic_stats stats;

	if (nic_stats_read(nic, &stats) < 0)
		return;
	set_count(o, "rx_missed", stats.rx_missed);
	set_count(o, "rx_errors", stats.rx_errors);
	set_count(o, "rx_no_buffer", stats.rx_nombuf);
	set_count(o, "tx_errors", stats.tx_errors);
}

/* The devices of a bond. */
static json_t *members(const struct nic *nic)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < nic->n_members; i++) {
		const struct nic_member *m = &nic->member[i];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:b}", "device", m->device, "link",
				      m->up ? "up" : "down", "active", m->active));
	}
	return list;
}

json_t *view_port(const struct ctl *c, const struct port *p)
{
	const struct nic *nic = p->nic < c->target.n_nics ? c->target.nics[p->nic] : NULL;
	json_t *addresses = json_array();
	json_t *o;

	for (unsigned int i = 0; i < p->n_addresses; i++)
		json_array_append_new(addresses, view_prefix(&p->addresses[i]));
	o = json_pack("{s:s, s:s, s:o, s:o, s:i}", "name", p->name, "device",
		nic ? nic->device : "", "addresses", addresses, "mac", view_mac(&p->mac), "mtu",
		(int)(p->mtu || !nic ? p->mtu : nic->mtu));
	if (p->vlan)
		json_object_set_new(o, "vlan", json_integer(p->vlan));
	if (nic) {
		json_object_set_new(o, "link", json_string(nic->up ? "up" : "down"));
		set_count(o, "speed", nic->speed);
		set_count(o, "queues", nic->rxqs);
		if (nic->n_members)
			json_object_set_new(o, "members", members(nic));
		json_object_set_new(
			o, "steering", json_string(steering_text(c->target.workers, nic)));
		nic_counters(o, nic);
	}
	port_counters(o, c, p->id);
	return o;
}

json_t *view_ports(const struct ctl *c)
{
	const struct net_table *t = ctl_model(c)->net;
	json_t *list = json_array();

	for (unsigned int i = 0; i < net_port_count(t); i++)
		json_array_append_new(list, view_port(c, net_port(t, (uint8_t)i)));
	return list;
}

/* ---- workers ------------------------------------------------------------------------------ */

/* Packets the workers received on all ports. */
static uint64_t worker_packets(const struct net_worker *net)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < NET_PORTS_MAX; i++)
		sum += counter_read(&net->port[i].rx_packets);
	return sum;
}

static void view_fragments(json_t *o, const struct net_worker *net)
{
	const struct frag_stats waiting = frag_stats(net->frags);

	set_count(o, "fragments_in", counter_read(&net->frag.fragments_in));
	set_count(o, "reassembled", counter_read(&net->frag.datagrams_in));
	set_count(o, "fragments_waiting", waiting.mbufs);
	set_count(o, "datagrams_waiting", waiting.datagrams);
	set_count(o, "split", counter_read(&net->frag.datagrams_out));
	set_count(o, "fragments_out", counter_read(&net->frag.fragments_out));
}

json_t *view_worker(const struct ctl *c, unsigned int i)
{
	const struct worker *w = c->target.workers->worker[i];
	uint64_t busy = counter_read(&w->cycles.busy), idle = counter_read(&w->cycles.idle);
	uint64_t packets = worker_packets(w->net);
	json_t *queues = json_array();
	struct lport_stats lports;
	struct rate_stats rates = { 0 };
	struct flow_stats flows;
	json_t *o;

	flow_stats(w->l4.flows, &flows);
	lport_stats(w->l4.lports, &lports);
	for (unsigned int q = 0; q < w->n_queues; q++)
		json_array_append_new(
			queues, json_sprintf("%s:%u", w->queue[q].nic->device, w->queue[q].queue));
	o = json_pack("{s:i, s:i, s:o, s:i, s:i, s:i, s:i}", "id", (int)w->id, "core",
		(int)w->lcore, "queues", queues, "flows_v4", (int)flows.v4, "flows_v6",
		(int)flows.v6, "max_flows_v4", (int)flows.max_v4, "max_flows_v6",
		(int)flows.max_v6);
	set_count(o, "embryonic",
		__atomic_load_n(&w->l4.embryos[0].n, __ATOMIC_RELAXED) +
			__atomic_load_n(&w->l4.embryos[1].n, __ATOMIC_RELAXED));
	set_count(o, "evicted", counter_read(&w->l4.evicted));
	if (w->l4.rates)
		rate_stats(w->l4.rates, &rates);
	set_count(o, "max_sources", rates.max);
	set_count(o, "sources_evicted", rates.evicted);
	set_count(o, "local_ports", lports.ports);
	set_count(o, "packets", packets);
	set_count(o, "handed_over", counter_read(&w->steer->handed_over));
	set_count(o, "taken_over", counter_read(&w->steer->taken_over));
	set_count(o, "wrong_core", counter_read(&w->steer->wrong_core));
	set_count(o, "hashes_computed", counter_read(&w->steer->computed));
	view_fragments(o, w->net);
	set_count(o, "polls", counter_read(&w->cycles.polls));
	set_count(o, "busy_polls", counter_read(&w->cycles.busy_polls));
	set_count(o, "sleeps", counter_read(&w->cycles.sleeps));
	set_count(o, "busy_cycles", busy);
	set_count(o, "idle_cycles", idle);
	json_object_set_new(
		o, "busy", json_real(busy + idle ? (double)busy / (double)(busy + idle) : 0));
	set_count(o, "cycles_per_packet", packets ? busy / packets : 0);
	return o;
}

json_t *view_workers(const struct ctl *c)
{
	json_t *list = json_array();

	for (unsigned int i = 0; c->target.workers && i < c->target.workers->n; i++)
		json_array_append_new(list, view_worker(c, i));
	return list;
}

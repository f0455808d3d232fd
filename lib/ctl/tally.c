/* SPDX-License-Identifier: BSD-3-Clause */
#include "tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What was counted before the present owner. */
struct tally {
	struct traffic service[MODEL_SERVICES_MAX];
	struct guarded guarded[MODEL_SERVICES_MAX];
	struct synproxy_traffic synproxy[MODEL_SERVICES_MAX];
	struct traffic server[MODEL_SERVERS_MAX];
	struct strain strain[MODEL_SERVICES_MAX];
	struct port_counters port[NET_PORTS_MAX];
};

static void traffic_add(struct traffic *sum, const struct traffic *t)
{
	/* Closed before opened: what is active never comes out negative. */
	sum->flows_closed += counter_read(&t->flows_closed);
	sum->flows_opened += counter_read(&t->flows_opened);
	sum->packets_in += counter_read(&t->packets_in);
	sum->bytes_in += counter_read(&t->bytes_in);
	sum->packets_out += counter_read(&t->packets_out);
	sum->bytes_out += counter_read(&t->bytes_out);
	sum->refused += counter_read(&t->refused);
	sum->overflowed += counter_read(&t->overflowed);
}

static void traffic_subtract(struct traffic *sum, const struct traffic *t)
{
	sum->flows_closed -= t->flows_closed;
	sum->flows_opened -= t->flows_opened;
	sum->packets_in -= t->packets_in;
	sum->bytes_in -= t->bytes_in;
	sum->packets_out -= t->packets_out;
	sum->bytes_out -= t->bytes_out;
	sum->refused -= t->refused;
	sum->overflowed -= t->overflowed;
}

static struct traffic service_sum(const struct config_target *t, uint16_t slot)
{
	struct traffic sum = { 0 };

	for (unsigned int i = 0; t->workers && i < t->workers->n; i++)
		traffic_add(&sum, &t->workers->worker[i]->l4.service[slot]);
	return sum;
}

static struct guarded guarded_sum(const struct config_target *t, uint16_t slot)
{
	struct guarded sum = { 0 };

	for (unsigned int i = 0; t->workers && i < t->workers->n; i++) {
		const struct guarded *g = &t->workers->worker[i]->l4.guarded[slot];

		sum.denied += counter_read(&g->denied);
		sum.over_rate += counter_read(&g->over_rate);
		sum.cut += counter_read(&g->cut);
	}
	return sum;
}

static struct synproxy_traffic synproxy_sum(const struct config_target *t, uint16_t slot)
{
	struct synproxy_traffic sum = { 0 };

	for (unsigned int i = 0; t->workers && i < t->workers->n; i++) {
		const struct synproxy_traffic *s =
			&t->workers->worker[i]->l4.synproxy->traffic[slot];

		sum.sent += counter_read(&s->sent);
		sum.accepted += counter_read(&s->accepted);
		sum.wrong += counter_read(&s->wrong);
		sum.failed += counter_read(&s->failed);
		sum.on += counter_read(&s->on);
	}
	return sum;
}

static struct traffic server_sum(const struct config_target *t, uint16_t slot)
{
	struct traffic sum = { 0 };

	for (unsigned int i = 0; t->workers && i < t->workers->n; i++)
		traffic_add(&sum, &t->workers->worker[i]->l4.server[slot]);
	return sum;
}

static struct strain strain_sum(const struct config_target *t, uint16_t slot)
{
	struct strain sum = { 0 };

	for (unsigned int i = 0; t->workers && i < t->workers->n; i++) {
		const struct strain *s = &t->workers->worker[i]->l4.strain[slot];

		sum.stateless += counter_read(&s->stateless);
		sum.evicted += counter_read(&s->evicted);
	}
	return sum;
}

static struct port_counters port_sum(const struct config_target *t, uint8_t id)
{
	struct port_counters sum = { 0 };

	for (unsigned int i = 0; t->workers && i <= t->workers->n; i++) {
		const struct port_counters *p = &t->workers->net[i]->port[id];

		sum.rx_packets += counter_read(&p->rx_packets);
		sum.rx_bytes += counter_read(&p->rx_bytes);
		sum.tx_packets += counter_read(&p->tx_packets);
		sum.tx_bytes += counter_read(&p->tx_bytes);
	}
	return sum;
}

static bool port_is_other(const struct net_table *now, const struct net_table *next, uint8_t id)
{
	return id >= net_port_count(now) ||
	       strcmp(net_port(now, id)->name, net_port(next, id)->name) != 0;
}

int tally_change(struct config_target *t, const struct model *now, const struct model *next)
{
	if (!t->tally)
		t->tally = calloc(1, sizeof(*t->tally));
	if (!t->tally)
		return -ENOMEM;
	if (!now)
		return 0;
	for (unsigned int i = 0; i < MODEL_SERVICES_MAX; i++) {
		const struct service *was = now->service[i], *is = next->service[i];

		if (is && (!was || was->id != is->id)) {
			t->tally->service[i] = service_sum(t, (uint16_t)i);
			t->tally->strain[i] = strain_sum(t, (uint16_t)i);
			t->tally->guarded[i] = guarded_sum(t, (uint16_t)i);
			t->tally->synproxy[i] = synproxy_sum(t, (uint16_t)i);
		}
	}
	for (unsigned int i = 0; i < MODEL_SERVERS_MAX; i++) {
		const struct server *was = now->server[i], *is = next->server[i];

		if (is && (!was || was->id != is->id))
			t->tally->server[i] = server_sum(t, (uint16_t)i);
	}
	for (unsigned int i = 0; i < net_port_count(next->net); i++)
		if (port_is_other(now->net, next->net, (uint8_t)i))
			t->tally->port[i] = port_sum(t, (uint8_t)i);
	return 0;
}

void tally_free(struct config_target *t)
{
	free(t->tally);
	t->tally = NULL;
}

struct traffic tally_service(const struct config_target *t, uint16_t slot)
{
	struct traffic sum = service_sum(t, slot);

	if (t->tally)
		traffic_subtract(&sum, &t->tally->service[slot]);
	return sum;
}

struct guarded tally_guarded(const struct config_target *t, uint16_t slot)
{
	struct guarded sum = guarded_sum(t, slot);

	if (t->tally) {
		sum.denied -= t->tally->guarded[slot].denied;
		sum.over_rate -= t->tally->guarded[slot].over_rate;
		sum.cut -= t->tally->guarded[slot].cut;
	}
	return sum;
}

struct synproxy_traffic tally_synproxy(const struct config_target *t, uint16_t slot)
{
	struct synproxy_traffic sum = synproxy_sum(t, slot);

	if (t->tally) {
		sum.sent -= t->tally->synproxy[slot].sent;
		sum.accepted -= t->tally->synproxy[slot].accepted;
		sum.wrong -= t->tally->synproxy[slot].wrong;
		sum.failed -= t->tally->synproxy[slot].failed;
	}
	return sum;
}

struct traffic tally_server(const struct config_target *t, uint16_t slot)
{
	struct traffic sum = server_sum(t, slot);

	if (t->tally)
		traffic_subtract(&sum, &t->tally->server[slot]);
	return sum;
}

struct strain tally_strain(const struct config_target *t, uint16_t slot)
{
	struct strain sum = strain_sum(t, slot);

	if (t->tally) {
		sum.stateless -= t->tally->strain[slot].stateless;
		sum.evicted -= t->tally->strain[slot].evicted;
	}
	return sum;
}

struct port_counters tally_port(const struct config_target *t, uint8_t id)
{
	struct port_counters sum = port_sum(t, id);

	if (t->tally) {
		sum.rx_packets -= t->tally->port[id].rx_packets;
		sum.rx_bytes -= t->tally->port[id].rx_bytes;
		sum.tx_packets -= t->tally->port[id].tx_packets;
		sum.tx_bytes -= t->tally->port[id].tx_bytes;
	}
	return sum;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The balancer on one thread: see harness.h. */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_bus_vdev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "base/log.h"
#include "test_eal.h"

#define TSC_HZ      1000000000u
#define TSC_MS      (TSC_HZ / 1000)
#define RING_DEPTH  2048
#define TCP_PACKETS 2048

/* Of a test that failed: names of rings and devices are the process's. */
static struct harness *left_over;

static const char *const hosts[][2] = {
	/* wan */
	{ "192.0.2.254", "2001:db8:1::fe" },
	/* lan */
	{ "10.0.0.11", "2001:db8:2::11" },
	{ "10.0.0.12", "2001:db8:2::12" },
	{ "10.0.0.13", "2001:db8:2::13" },
	{ "10.0.0.14", "2001:db8:2::14" },
};

void harness_init(void)
{
	test_eal_init();
	log_set_level(LOG_WARNING);
}

static void print_faults(const struct faults *f)
{
	for (size_t i = 0; i < f->n; i++)
		print_error("%s: %s\n", f->list[i].path, f->list[i].text);
}

/* ---- set-up --------------------------------------------------------------------------------- */

static void open_nic(struct harness *h, uint16_t id)
{
	static unsigned int serial;
	struct faults faults = { 0 };
	struct nic_conf conf = {
		.id = id,
		.device_index = id,
		.want_rxqs = (uint16_t)h->conf.workers,
		.want_txqs = (uint16_t)(h->conf.workers + 1),
	};
	char name[32];

	serial++;
	for (uint16_t q = 0; q < h->rxqs; q++) {
		snprintf(name, sizeof(name), "rx%u_%u", serial, q);
		h->rx[id][q] = rte_ring_create(name, RING_DEPTH, SOCKET_ID_ANY, 0);
		assert_non_null(h->rx[id][q]);
	}
	for (uint16_t q = 0; q < h->txqs; q++) {
		snprintf(name, sizeof(name), "tx%u_%u", serial, q);
		h->tx[id][q] = rte_ring_create(name, RING_DEPTH, SOCKET_ID_ANY, 0);
		assert_non_null(h->tx[id][q]);
	}
	snprintf(name, sizeof(name), "h%u", serial);
	assert_true(rte_eth_from_rings(name, h->rx[id], h->rxqs, h->tx[id], h->txqs, 0) >= 0);
	snprintf(h->dev[id], sizeof(h->dev[id]), "net_ring_%s", name);
	conf.device = h->dev[id];
	h->nic[id] = nic_open(&conf, h->pool, &faults);
	print_faults(&faults);
	assert_non_null(h->nic[id]);
	faults_free(&faults);
	h->nic[id]->mac = (struct rte_ether_addr){ { 2, 0, 0, 0, 0, (uint8_t)(id + 1) } };
	h->nic[id]->up = true;
	if (h->conf.linear)
		h->nic[id]->tx_offloads &= (uint16_t)~NIC_TX_MULTI_SEG;
}

struct harness_host *harness_host(struct harness *h, uint16_t nic, uint16_t vlan, const char *addr)
{
	struct harness_host *host = &h->host[h->n_hosts++];
	struct frame f;

	assert_true(h->n_hosts <= HARNESS_HOSTS);
	memset(host, 0, sizeof(*host));
	frame_address(&f, host->addr, addr);
	host->family = f.family;
	host->nic = nic;
	host->vlan = vlan;
	host->mac[0] = 0x0a;
	host->mac[4] = (uint8_t)nic;
	host->mac[5] = (uint8_t)h->n_hosts;
	return host;
}

/* TCP's part of the workers: what it sends is made of other packets than what comes in. */
static const struct local_app *make_local(struct harness *h)
{
	static unsigned int serial;
	char name[32];

	if (!h->conf.local)
		return NULL;
	for (unsigned int i = 0; i < h->conf.workers; i++) {
		snprintf(name, sizeof(name), "tcp%u", serial++);
		h->tcp_pool[i] = test_pool(name, TCP_PACKETS);
	}
	h->local = *h->conf.local;
	h->local.pools = h->tcp_pool;
	return &h->local;
}

static void make_workers(struct harness *h)
{
	const unsigned int n = h->conf.workers;
	struct rte_mempool *pools[HARNESS_QUEUES];
	struct neigh_conf neigh = neigh_defaults;
	struct faults faults = { 0 };
	struct workers_conf conf = {
		.n = n,
		.nics = h->nic,
		.n_nics = HARNESS_NICS,
		.neigh_conf = &neigh,
		.pools = pools,
		.snapshot = &h->snapshot,
		.tsc_hz = TSC_HZ,
		.tsc = h->tsc,
		.max_v4 = h->conf.flows_v4 ? h->conf.flows_v4 : 4096,
		.max_v6 = h->conf.flows_v6 ? h->conf.flows_v6 : 4096,
		.persistence = h->conf.persistence ? h->conf.persistence : 1024,
		.source_rates = h->conf.source_rates ? h->conf.source_rates : 1024,
		.local = make_local(h),
	};

	for (unsigned int i = 0; i <= n; i++)
		pools[i] = h->pool;
	neigh.workers = n + 1;
	if (h->conf.neighbours)
		neigh.max = h->conf.neighbours;
	if (h->conf.hold)
		neigh.hold_max = h->conf.hold;
	h->rcu = conf.rcu = rcu_create(n);
	assert_non_null(h->rcu);
	h->neigh = conf.neigh = neigh_create(&neigh, h->rcu);
	assert_non_null(h->neigh);
	h->workers = workers_create(&conf, &faults);
	print_faults(&faults);
	assert_non_null(h->workers);
	faults_free(&faults);
}

static json_t *load(const char *file)
{
	struct faults faults = { 0 };
	char path[512];
	json_t *doc;

	snprintf(path, sizeof(path), "%s/%s", PACKET_DIR, file);
	doc = config_load(path, &faults);
	print_faults(&faults);
	assert_non_null(doc);
	faults_free(&faults);
	return doc;
}

static void start_config(struct harness *h)
{
	h->target.admin = admin_create();
	h->target.slots = model_slots_create();
	h->target.snapshot = &h->snapshot;
	h->target.workers = h->workers;
	h->target.neigh = h->neigh;
	h->target.rcu = h->rcu;
	h->target.nics = h->nic;
	h->target.n_nics = HARNESS_NICS;
	harness_apply(h, load(h->conf.file));
}

static void drain(struct rte_ring *r)
{
	struct rte_mbuf *m;

	while (rte_ring_dequeue(r, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

static void tear_down(struct harness *h)
{
	config_target_clear(&h->target);
	workers_destroy(h->workers);
	neigh_destroy(h->neigh);
	rcu_destroy(h->rcu);
	model_slots_destroy(h->target.slots);
	admin_destroy(h->target.admin);
	for (unsigned int i = 0; i < HARNESS_NICS; i++) {
		nic_close(h->nic[i]);
		rte_vdev_uninit(h->dev[i]);
		for (unsigned int q = 0; q < h->rxqs; q++)
			drain(h->rx[i][q]);
		for (unsigned int q = 0; q < h->txqs; q++)
			drain(h->tx[i][q]);
	}
}

static void forget(struct harness *h)
{
	if (h->frames != h->pool)
		rte_mempool_free(h->frames);
	rte_mempool_free(h->pool);
	for (unsigned int i = 0; i < HARNESS_WORKERS; i++)
		rte_mempool_free(h->tcp_pool[i]);
	free(h->out);
	free(h);
}

struct harness *harness_create(const struct harness_conf *conf)
{
	static unsigned int serial;
	struct harness *h = calloc(1, sizeof(*h));
	char name[32];

	assert_non_null(h);
	if (left_over) {
		tear_down(left_over);
		forget(left_over);
	}
	left_over = h;
	h->conf = *conf;
	assert_in_range(h->conf.workers, 1, HARNESS_WORKERS);
	h->rxqs = (uint16_t)(conf->rxqs ? conf->rxqs : conf->workers);
	h->txqs = (uint16_t)(conf->txqs ? conf->txqs : conf->workers + 1);
	if (h->conf.packets == 0)
		h->conf.packets = 8192;
	h->tsc = TSC_HZ + conf->up_ms * (uint64_t)TSC_MS;
	snprintf(name, sizeof(name), "harness%u", serial++);
	h->pool = h->frames = test_pool(name, h->conf.packets);
	if (conf->apart) {
		snprintf(name, sizeof(name), "frames%u", serial++);
		h->frames = test_pool(name, h->conf.packets);
	}
	for (uint16_t i = 0; i < HARNESS_NICS; i++)
		open_nic(h, i);
	for (unsigned int i = 0; i < RTE_DIM(hosts); i++)
		for (int v6 = 0; v6 < 2; v6++)
			harness_host(h, i == 0 ? WAN : LAN, 0, hosts[i][v6]);
	make_workers(h);
	start_config(h);
	harness_step(h);
	return h;
}

void harness_destroy(struct harness *h)
{
	harness_advance(h, 10000); /* longer than any packet waits for a neighbour */
	if (rte_mempool_avail_count(h->pool) != h->conf.packets)
		fail_msg("%u packets of %u are missing",
			h->conf.packets - rte_mempool_avail_count(h->pool), h->conf.packets);
	tear_down(h);
	assert_int_equal(rte_mempool_avail_count(h->pool), h->conf.packets);
	assert_int_equal(rte_mempool_avail_count(h->frames), h->conf.packets);
	for (unsigned int i = 0; i < HARNESS_WORKERS; i++)
		if (h->tcp_pool[i])
			assert_int_equal(rte_mempool_avail_count(h->tcp_pool[i]), TCP_PACKETS);
	forget(h);
	left_over = NULL;
}

/* ---- the hosts ------------------------------------------------------------------------------ */

const struct harness_host *harness_find_host(
	const struct harness *h, uint16_t nic, const uint8_t *addr, uint8_t family)
{
	for (unsigned int i = 0; i < h->n_hosts; i++)
		if (h->host[i].nic == nic && h->host[i].family == family &&
			memcmp(h->host[i].addr, addr, 16) == 0)
			return &h->host[i];
	return NULL;
}

struct harness_host *harness_silence(struct harness *h, uint16_t nic, const char *addr, bool silent)
{
	struct harness_host *host;
	struct frame f;

	frame_address(&f, f.dst, addr);
	host = (struct harness_host *)harness_find_host(h, nic, f.dst, f.family);
	assert_non_null(host);
	host->silent = silent;
	return host;
}

static struct harness_host *listener(
	struct harness *h, uint16_t nic, uint16_t vlan, const uint8_t *addr, size_t len)
{
	for (unsigned int i = 0; i < h->n_hosts; i++) {
		struct harness_host *host = &h->host[i];

		if (host->nic != nic || host->vlan != vlan || memcmp(host->addr, addr, len) != 0 ||
			(host->family == 4) != (len == 4))
			continue;
		host->asked++;
		return host->silent ? NULL : host;
	}
	/* The last place is for whoever was asked for last. */
	if (!h->all_answer)
		return NULL;
	h->host[HARNESS_HOSTS - 1] = (struct harness_host){
		.nic = nic, .vlan = vlan, .mac = { 0x0a, 0, 0, 1, (uint8_t)nic, addr[len - 1] }
	};
	return &h->host[HARNESS_HOSTS - 1];
}

static void host_says(struct harness *h, const struct harness_host *host, uint8_t *data, size_t len)
{
	if (harness_inject(h, host->nic, ANY_QUEUE, data, len)) {
		h->sent--;
		h->host_sent++;
	}
}

/* An ARP frame of the balancer (RFC 826): count it, answer requests. */
static void hear_arp(struct harness *h, uint16_t nic, const struct frame *f)
{
	const uint8_t *arp = f->payload;
	struct harness_host *host;
	uint8_t reply[64] = { 0 }, *p = reply;

	assert_true(f->payload_len >= 28);
	if (memcmp(arp + 14, arp + 24, 4) == 0) {
		h->announced++;
		return;
	}
	if (arp[7] != 1) {
		h->answered++;
		return;
	}
	h->asked++;
	host = listener(h, nic, f->vlan, arp + 24, 4);
	if (!host)
		return;
	memcpy(p, f->eth_src, 6);
	memcpy(p + 6, host->mac, 6);
	p += 12;
	if (f->vlan) {
		memcpy(p, (uint8_t[]){ 0x81, 0, (uint8_t)(f->vlan >> 8), (uint8_t)f->vlan }, 4);
		p += 4;
	}
	memcpy(p, (uint8_t[]){ 8, 6, 0, 1, 8, 0, 6, 4, 0, 2 }, 10);
	memcpy(p + 10, host->mac, 6);
	memcpy(p + 16, arp + 24, 4);
	memcpy(p + 20, arp + 8, 10);
	host_says(h, host, reply, f->vlan ? 64 : 60);
}

/* Neighbour discovery of the balancer (RFC 4861). */
static void hear_nd(struct harness *h, uint16_t nic, const struct frame *f)
{
	uint8_t buf[FRAME_MAX], answer[24];
	struct harness_host *host;
	struct frame r = { .family = 6,
		.proto = 58,
		.ttl = 255,
		.icmp_type = 136,
		.icmp_rest = 0x60000000,
		.payload = answer,
		.payload_len = 24,
		.vlan = f->vlan };

	assert_true(f->payload_len >= 16 && f->ttl == 255);
	if (f->icmp_type == 136) {
		if (f->icmp_rest & 0x40000000)
			h->answered++;
		else
			h->announced++;
		return;
	}
	h->asked++;
	host = listener(h, nic, f->vlan, f->payload, 16);
	if (!host)
		return;
	memcpy(answer, f->payload, 16);
	answer[16] = 2;
	answer[17] = 1;
	memcpy(answer + 18, host->mac, 6);
	memcpy(r.eth_src, host->mac, 6);
	memcpy(r.eth_dst, f->eth_src, 6);
	memcpy(r.src, f->payload, 16);
	memcpy(r.dst, f->src, 16);
	host_says(h, host, buf, frame_build(&r, buf));
}

/* ---- turning -------------------------------------------------------------------------------- */

static void capture(struct harness *h, uint16_t nic, uint16_t queue, struct rte_mbuf *m)
{
	uint8_t copy[FRAME_MAX];
	const uint8_t *data = rte_pktmbuf_read(m, 0, m->pkt_len, copy);
	struct captured *c;
	struct frame f;

	assert_true(m->pkt_len <= FRAME_MAX);
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	if (frame_read(data, m->pkt_len, &f) == NULL) {
		if (f.ethertype == 0x0806) {
			hear_arp(h, nic, &f);
			return;
		}
		if (f.proto == 58 && (f.icmp_type == 135 || f.icmp_type == 136)) {
			hear_nd(h, nic, &f);
			return;
		}
	}
	if (h->n_out == h->room) {
		h->room = h->room ? 2 * h->room : 64;
		h->out = realloc(h->out, h->room * sizeof(*h->out));
		assert_non_null(h->out);
	}
	c = &h->out[h->n_out++];
	c->nic = nic;
	c->queue = queue;
	c->hashed = m->ol_flags & RTE_MBUF_F_RX_RSS_HASH;
	c->len = (uint16_t)m->pkt_len;
	c->segments = m->nb_segs;
	memcpy(c->data, data, c->len);
}

static unsigned int collect(struct harness *h)
{
	unsigned int n = 0;
	struct rte_mbuf *m;

	for (uint16_t i = 0; i < HARNESS_NICS; i++)
		for (uint16_t q = 0; q < h->txqs; q++)
			while (rte_ring_dequeue(h->tx[i][q], (void **)&m) == 0) {
				capture(h, i, q, m);
				rte_pktmbuf_free(m);
				n++;
			}
	return n;
}

/* What the control core does with workers and neighbours in its event loop. */
static unsigned int control(struct harness *h)
{
	struct net_worker *c = h->workers->net[h->conf.workers];
	unsigned int n = 0;
	struct rte_mbuf *m;

	c->table = h->snapshot.model->net;
	c->now_ms = (uint32_t)(h->tsc / TSC_MS);
	c->epoch = neigh_epoch(h->neigh);
	for (unsigned int i = 0; i < h->conf.workers; i++)
		while (rte_ring_dequeue(h->workers->net[i]->punt, (void **)&m) == 0) {
			neigh_input(h->neigh, c, m);
			h->punted++;
			n++;
		}
	n += config_poll(&h->target, h->tsc / TSC_MS);
	neigh_poll(h->neigh, c, c->now_ms);
	n += net_flush(c);
	rcu_reclaim(h->rcu);
	return n;
}

unsigned int harness_around(struct harness *h)
{
	unsigned int n = control(h);

	return n + collect(h);
}

unsigned int harness_turn(struct harness *h)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < h->conf.workers; i++)
		n += worker_poll(h->workers->worker[i], h->tsc);
	return n + harness_around(h);
}

void harness_step(struct harness *h)
{
	unsigned int turns = 0;

	while (harness_turn(h) > 0)
		if (++turns > 10000)
			fail_msg("the balancer does not come to rest");
}

void harness_advance(struct harness *h, uint32_t ms)
{
	while (ms > 0) {
		uint32_t slice = ms < 50 ? ms : 50;

		h->tsc += (uint64_t)slice * TSC_MS;
		ms -= slice;
		harness_step(h);
	}
}

void harness_jump(struct harness *h, uint32_t ms)
{
	h->tsc += (uint64_t)ms * TSC_MS;
	harness_step(h);
}

/* ---- frames --------------------------------------------------------------------------------- */

bool harness_inject_mbuf(struct harness *h, uint16_t nic, uint16_t queue, struct rte_mbuf *m)
{
	if (h->next == h->n_out)
		h->next = h->n_out = 0;
	if (queue == ANY_QUEUE)
		queue = (uint16_t)(h->turn++ % h->rxqs);
	if (rte_ring_enqueue(h->rx[nic][queue], m) != 0) {
		rte_pktmbuf_free(m);
		return false;
	}
	h->sent++;
	return true;
}

static struct addr address_of(const uint8_t *at, uint8_t family)
{
	uint32_t v4;

	memcpy(&v4, at, 4);
	return family == 4 ? addr_from_v4(v4) : addr_from_v6(at);
}

/* The tuple that says whose packet it is: its own, or what an ICMP error quotes, in reverse. */
static bool owner_tuple(const uint8_t *data, size_t len, struct tuple *t)
{
	const uint8_t *src, *dst, *sport, *dport;
	uint8_t ports[4];
	struct frame f;

	if (frame_read(data, len, &f) != NULL || f.family == 0)
		return false;
	t->proto = f.proto;
	if (f.proto == 1 || f.proto == 58) {
		const size_t ip = f.family == 4 ? 20 : 40;

		if (f.icmp_type == 8 || f.icmp_type >= 128 || f.payload_len < ip + 8)
			return false;
		dst = f.payload + (ip == 20 ? 12 : 8);
		src = f.payload + (ip == 20 ? 16 : 24);
		dport = f.payload + ip;
		sport = dport + 2;
		t->proto = f.payload[ip == 20 ? 9 : 6];
	} else {
		src = f.src;
		dst = f.dst;
		memcpy(ports,
			(uint8_t[]){ (uint8_t)(f.sport >> 8), (uint8_t)f.sport,
				(uint8_t)(f.dport >> 8), (uint8_t)f.dport },
			4);
		sport = ports;
		dport = ports + 2;
	}
	t->src = address_of(src, f.family);
	t->dst = address_of(dst, f.family);
	memcpy(&t->sport, sport, 2);
	memcpy(&t->dport, dport, 2);
	return t->proto == 6 || t->proto == 17;
}

static uint16_t owner_queue(const struct harness *h, const uint8_t *data, size_t len)
{
	struct tuple t;

	if (!owner_tuple(data, len, &t))
		return ANY_QUEUE;
	return (uint16_t)steer_owner(h->workers->steer[0], &t,
		net_local(h->snapshot.model->net, &t.dst, NULL) == LOCAL_VIRTUAL);
}

bool harness_inject(struct harness *h, uint16_t nic, uint16_t queue, const void *data, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(h->frames);

	if (queue == ANY_QUEUE && h->conf.to_owner)
		queue = owner_queue(h, data, len);
	assert_non_null(m);
	assert_true(len <= rte_pktmbuf_tailroom(m));
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), data, len);
	return harness_inject_mbuf(h, nic, queue, m);
}

/* The station a frame comes from, unless it says so itself: the sender on the link, or the gateway.
 */
static void address_link(const struct harness *h, uint16_t nic, struct frame *f)
{
	static const uint8_t none[6];
	const struct harness_host *from = harness_find_host(h, nic, f->src, f->family);

	if (!from)
		from = &h->host[f->family == 6];
	if (memcmp(f->eth_dst, none, 6) == 0)
		memcpy(f->eth_dst, h->nic[nic]->mac.addr_bytes, 6);
	if (memcmp(f->eth_src, none, 6) == 0)
		memcpy(f->eth_src, from->mac, 6);
}

void harness_give(struct harness *h, uint16_t nic, const struct frame *f)
{
	struct frame g = *f;
	uint8_t buf[FRAME_MAX];

	address_link(h, nic, &g);
	assert_true(harness_inject(h, nic, ANY_QUEUE, buf, frame_build(&g, buf)));
}

void harness_send(struct harness *h, uint16_t nic, const struct frame *f)
{
	harness_give(h, nic, f);
	harness_step(h);
}

const struct captured *harness_take(struct harness *h)
{
	return h->next == h->n_out ? NULL : &h->out[h->next++];
}

void harness_forget(struct harness *h)
{
	h->next = h->n_out = 0;
}

const struct captured *harness_next(struct harness *h, struct frame *f)
{
	const struct captured *c = harness_take(h);
	const char *wrong;
	struct frame mine;

	if (!c)
		return NULL;
	wrong = frame_read(c->data, c->len, f ? f : &mine);
	if (wrong)
		fail_msg("a malformed frame was sent: %s", wrong);
	return c;
}

struct frame harness_through(struct harness *h, uint16_t in, const struct frame *f, uint16_t out)
{
	const struct captured *c;
	struct frame got;

	harness_send(h, in, f);
	c = harness_next(h, &got);
	if (!c) {
		harness_print_drops(h);
		fail_msg("nothing came out");
	}
	assert_int_equal(c->nic, out);
	if (h->next != h->n_out)
		fail_msg("%u frames came out", h->n_out);
	return got;
}

void harness_dropped(struct harness *h, uint16_t in, const struct frame *f, enum drop_reason reason)
{
	uint64_t before = harness_drops(h, reason), all = harness_all_drops(h);
	struct frame got;

	harness_send(h, in, f);
	if (harness_next(h, &got))
		fail_msg("it came out with flags %x (%s was expected)", got.flags,
			drop_name(reason));
	if (harness_drops(h, reason) != before + 1 || harness_all_drops(h) != all + 1) {
		harness_print_drops(h);
		fail_msg("not one drop for %s", drop_name(reason));
	}
}

uint64_t harness_drops(const struct harness *h, enum drop_reason reason)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i <= h->conf.workers; i++)
		n += counter_read(&h->workers->net[i]->drop[reason]);
	return n;
}

uint64_t harness_all_drops(const struct harness *h)
{
	uint64_t n = 0;

	for (unsigned int r = 0; r < DROP_MAX; r++)
		n += harness_drops(h, (enum drop_reason)r);
	return n;
}

void harness_print_drops(const struct harness *h)
{
	for (unsigned int r = 0; r < DROP_MAX; r++)
		if (harness_drops(h, (enum drop_reason)r))
			print_message("# %s: %lu\n", drop_name((enum drop_reason)r),
				(unsigned long)harness_drops(h, (enum drop_reason)r));
}

unsigned int harness_flows(const struct harness *h)
{
	struct flow_stats s;
	unsigned int n = 0;

	for (unsigned int i = 0; i < h->conf.workers; i++) {
		flow_stats(h->workers->worker[i]->l4.flows, &s);
		n += s.v4 + s.v6;
	}
	return n;
}

/* Asks one worker and turns until it has answered. */
static void request(struct harness *h, unsigned int worker, struct worker_request *r)
{
	assert_int_equal(request_post(h->workers->worker[worker], r), 0);
	for (int i = 0; !request_done(r); i++) {
		assert_true(i < 1000000);
		harness_step(h);
	}
}

unsigned int harness_sessions(struct harness *h, const struct flow_filter *filter,
	struct flow_info *out, unsigned int max)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < h->conf.workers; i++) {
		uint64_t cursor = 0;

		do { /* in small pages */
			struct worker_request r = { .kind = REQUEST_LIST,
				.filter = *filter,
				.cursor = cursor,
				.out = out + n,
				.max = RTE_MIN(max - n, 3u) };

			if (max == n)
				return n;
			request(h, i, &r);
			n += r.n;
			cursor = r.cursor;
		} while (cursor);
	}
	return n;
}

uint64_t harness_count(struct harness *h, enum request_kind kind, const struct flow_filter *filter)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < h->conf.workers; i++) {
		struct worker_request r = { .kind = kind, .filter = *filter };

		request(h, i, &r);
		n += r.matched;
	}
	return n;
}

/* ---- configuration -------------------------------------------------------------------------- */

void harness_apply(struct harness *h, json_t *doc)
{
	struct faults faults = { 0 };
	int err = config_apply(&h->target, doc, &faults);

	if (err)
		print_faults(&faults);
	assert_int_equal(err, 0);
	faults_free(&faults);
	json_decref(doc);
	harness_advance(h, 20); /* one publish in 10 ms */
}

json_t *harness_document(const struct harness *h)
{
	json_t *doc = json_deep_copy(h->target.running);

	assert_non_null(doc);
	return doc;
}

json_t *harness_named(json_t *doc, const char *list, const char *name)
{
	size_t i;
	json_t *o;

	json_array_foreach (json_object_get(doc, list), i, o)
		if (strcmp(json_string_value(json_object_get(o, "name")), name) == 0)
			return o;
	fail_msg("no %s in %s", name, list);
	return NULL;
}

const struct server *harness_server(const struct harness *h, const char *pool, const char *name)
{
	const struct server *s = model_server_by_name(h->snapshot.model, pool, name);

	assert_non_null(s);
	return s;
}

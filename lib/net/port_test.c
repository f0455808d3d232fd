/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening nics on devices that need no privileges: rings and net_null. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include "port_priv.h"
#include "test_eal.h"

static struct rte_mempool *pool;

static struct rte_ring *ring(const char *name)
{
	struct rte_ring *r =
		rte_ring_create(name, 64, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);

	assert_non_null(r);
	return r;
}

/* A device with n queues each way, as the packet tests make them. */
static void ring_device(
	const char *name, struct rte_ring **rx, struct rte_ring **tx, unsigned int n)
{
	assert_true(rte_eth_from_rings(name, rx, n, tx, n, 0) >= 0);
}

static struct nic *open_nic(struct nic_conf conf, struct faults *f)
{
	memset(f, 0, sizeof(*f));
	return nic_open(&conf, pool, f);
}

static void ring_carries_packets(void **state)
{
	struct rte_ring *rx = ring("rx0"), *tx = ring("tx0");
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *got[4];
	struct nic *nic;
	struct faults f;

	ring_device("a", &rx, &tx, 1);
	nic = open_nic(
		(struct nic_conf){
			.id = 7, .device = "net_ring_a", .want_rxqs = 1, .want_txqs = 1 },
		&f);
	assert_non_null(nic);
	assert_int_equal(f.n, 0);
	assert_int_equal(nic->id, 7);
	assert_string_equal(nic->driver, "net_ring");
	assert_string_equal(nic->iface, "");
	assert_int_equal(nic->mtu, 1500);
	assert_true(nic->link_real);

	m->port = 42;
	assert_int_equal(rte_ring_enqueue(rx, m), 0);
	assert_int_equal(nic_rx(nic, 0, got, 4), 1);
	assert_ptr_equal(got[0], m);
	assert_int_equal(m->port, 7);
	assert_int_equal(nic_tx(nic, 0, &m, 1), 1);
	assert_int_equal(rte_ring_dequeue(tx, (void **)&got[0]), 0);
	assert_ptr_equal(got[0], m);
	rte_pktmbuf_free(m);
	nic_close(nic);
}

/* Every worker counts, not only the first; what is unknown is not far. */
static void far_workers(void **state)
{
	static const int nodes[] = { 1, 0, 1, -1, 2 };
	char text[128], brief[12];

	assert_true(nic_far_workers(1, nodes, 5, text, sizeof(text)));
	assert_string_equal(text, "workers[1] on node 0, workers[4] on node 2");
	assert_true(nic_far_workers(1, nodes, 5, brief, sizeof(brief)));
	assert_string_equal(brief, "workers[1] ");
	assert_false(nic_far_workers(1, nodes, 1, text, sizeof(text)));
	assert_false(nic_far_workers(-1, nodes, 5, text, sizeof(text)));
	assert_false(nic_far_workers(0, NULL, 0, text, sizeof(text)));
}

/* As many queues as are wanted, as the device has and as the profile allows. */
static void queues(void **state)
{
	static const struct {
		uint16_t rx, tx, profile, rxqs, txqs;
	} cases[] = {
		{ 1, 2, 0, 1, 2 },
		{ 3, 4, 0, 3, 4 },
		{ 8, 9, 0, 4, 4 },
		{ 3, 4, 1, 1, 1 },
		{ 0, 0, 0, 1, 1 },
	};
	struct rte_ring *r[4] = { ring("q0"), ring("q1"), ring("q2"), ring("q3") };

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct nic_profile profile = { .max_queues = cases[i].profile };
		char name[32], device[64];
		struct nic *nic;
		struct faults f;

		snprintf(name, sizeof(name), "q%zu", i);
		snprintf(device, sizeof(device), "net_ring_%s", name);
		ring_device(name, r, r, 4);
		nic = open_nic((struct nic_conf){ .device = device,
				       .profile = &profile,
				       .want_rxqs = cases[i].rx,
				       .want_txqs = cases[i].tx },
			&f);
		assert_non_null(nic);
		assert_int_equal(nic->rxqs, cases[i].rxqs);
		assert_int_equal(nic->txqs, cases[i].txqs);
		nic_close(nic);
	}
}

static void burst_of_the_profile(void **state)
{
	struct nic_profile profile = { .burst = 3 };
	struct rte_ring *r = ring("burst");
	struct rte_mbuf *got[8];
	struct nic *nic;
	struct faults f;

	ring_device("burst", &r, &r, 1);
	nic = open_nic((struct nic_conf){ .device = "net_ring_burst", .profile = &profile }, &f);
	assert_non_null(nic);
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, got, 8), 0);
	assert_int_equal(nic_tx(nic, 0, got, 8), 8);
	assert_int_equal(nic_rx(nic, 0, got, 8), 3);
	assert_int_equal(nic_rx(nic, 0, got + 3, 5), 3);
	assert_int_equal(nic_rx(nic, 0, got + 6, 2), 2);
	rte_pktmbuf_free_bulk(got, 8);
	nic_close(nic);
}

/* What the device has is used unless the profile forbids it; the rest is left to software. */
static void offloads(void **state)
{
	struct nic_profile profile = { .tx_without = NIC_TX_MULTI_SEG };
	struct rte_ring *r = ring("off");
	struct rte_eth_dev_info info;
	struct nic *nic;
	struct faults f;

	ring_device("off", &r, &r, 1);
	nic = open_nic((struct nic_conf){ .device = "net_ring_off" }, &f);
	assert_non_null(nic);
	assert_int_equal(rte_eth_dev_info_get(nic->ethdev, &info), 0);
	assert_true(info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	assert_int_equal(nic->tx_offloads, NIC_TX_MULTI_SEG);
	assert_int_equal(nic->rx_offloads, 0);
	assert_int_equal(nic->rss, 0);
	nic_close(nic);

	ring_device("off2", &r, &r, 1);
	nic = open_nic((struct nic_conf){ .device = "net_ring_off2", .profile = &profile }, &f);
	assert_non_null(nic);
	assert_int_equal(nic->tx_offloads, 0);
	nic_close(nic);
}

/* net_null has a hash: it is switched on with our key, with one queue too. */
static void rss_key(void **state)
{
	struct nic_profile none = { .rss = 0 };
	uint8_t key[NIC_RSS_KEY_ROOM];
	struct rte_eth_rss_conf conf = { .rss_key = key, .rss_key_len = sizeof(key) };
	struct rte_eth_dev_info info;
	struct nic *nic;
	struct faults f;

	assert_int_equal(rte_eal_hotplug_add("vdev", "net_null0", ""), 0);
	nic = open_nic((struct nic_conf){ .device = "net_null0" }, &f);
	assert_non_null(nic);
	assert_int_not_equal(nic->rss & NIC_RSS_TCP4, 0);
	assert_int_equal(rte_eth_dev_info_get(nic->ethdev, &info), 0);
	assert_int_equal(rte_eth_dev_rss_hash_conf_get(nic->ethdev, &conf), 0);
	if (info.hash_key_size >= NIC_RSS_KEY_SIZE)
		assert_memory_equal(key, nic_rss_key, NIC_RSS_KEY_SIZE);
	nic_close(nic);

	assert_int_equal(rte_eal_hotplug_add("vdev", "net_null1", ""), 0);
	nic = open_nic((struct nic_conf){ .device = "net_null1", .profile = &none }, &f);
	assert_non_null(nic);
	assert_int_equal(nic->rss, 0);
	assert_int_equal(nic->rx_offloads & NIC_RX_RSS_HASH, 0);
	nic_close(nic);
}

/* A device that hashes, has a table and keeps it, but gives no hash with the packet: set up all the
 * same, and not relied on. */
static void rss_table(void **state)
{
	struct rte_eth_rss_reta_entry64 reta[2] = { { .mask = UINT64_MAX },
		{ .mask = UINT64_MAX } };
	struct nic *nic;
	char why[64];
	struct faults f;

	assert_int_equal(rte_eal_hotplug_add("vdev", "net_null6", ""), 0);
	assert_int_equal(nic_device_hashes("net_null6", 0, NULL, 3, why, sizeof(why)), 0);
	assert_string_equal(why, "it does not give the hash with the packet");
	nic = open_nic((struct nic_conf){ .device = "net_null6",
			       .hash = NIC_HASH_TUPLE,
			       .want_rxqs = 3,
			       .want_txqs = 4 },
		&f);
	assert_non_null(nic);
	assert_int_equal(nic->rxqs, 3);
	assert_int_equal(nic->hash, NIC_HASH_NONE);
	assert_string_equal(nic->hash_why, "it does not give the hash with the packet");
	assert_int_equal(rte_eth_dev_rss_reta_query(nic->ethdev, reta, 128), 0);
	for (unsigned int i = 0; i < 128; i++)
		assert_int_equal(reta[i / 64].reta[i % 64], i % 3);
	nic_close(nic);
}

static void refusals(void **state)
{
	struct rte_ring *r = ring("mtu");
	struct nic *nic;
	struct faults f;

	assert_null(
		open_nic((struct nic_conf){ .device = "net_ring_gone", .device_index = 2 }, &f));
	assert_int_equal(errno, ENODEV);
	assert_string_equal(f.list[0].path, "ports[2].device");
	assert_non_null(strstr(f.list[0].text, "the EAL has no device net_ring_gone"));
	faults_free(&f);

	assert_null(open_nic((struct nic_conf){ .device = "eth0" }, &f));
	assert_non_null(strstr(f.list[0].text, "is no device"));
	faults_free(&f);

	/* Frames of this size fit no buffer of the pool, and net_null does not scatter them. */
	assert_int_equal(rte_eal_hotplug_add("vdev", "net_null2", ""), 0);
	assert_null(open_nic((struct nic_conf){ .device = "net_null2", .mtu = 9000 }, &f));
	assert_int_equal(errno, EINVAL);
	assert_non_null(strstr(f.list[0].text, "MTU 9000"));
	faults_free(&f);

	/* A ring does. */
	ring_device("mtu", &r, &r, 1);
	nic = open_nic((struct nic_conf){ .device = "net_ring_mtu", .mtu = 9000 }, &f);
	assert_non_null(nic);
	assert_int_equal(nic->mtu, 9000);
	nic_close(nic);
}

static void driver_is_known_after_probing(void **state)
{
	char driver[32];

	assert_int_equal(nic_device_driver("net_ring_a", 0, driver, sizeof(driver)), -ENODEV);
	assert_int_equal(rte_eal_hotplug_add("vdev", "net_null5", ""), 0);
	assert_int_equal(nic_device_driver("net_null5", 0, driver, sizeof(driver)), 0);
	assert_string_equal(driver, "net_null");
	assert_true(nic_probed("net_null5"));
	assert_false(nic_probed("net_null9"));
	assert_int_equal(nic_device_socket("net_null9", 0), -1);
}

/* A ring has a link from its start on: seen once, and no change after. */
static void link_of_the_driver(void **state)
{
	struct rte_ring *r = ring("link");
	struct link_watch *w = link_watch_open();
	bool changed[2];
	struct nic *nics[2] = { NULL };
	struct faults f;

	ring_device("link", &r, &r, 1);
	nics[1] = open_nic((struct nic_conf){ .device = "net_ring_link" }, &f);
	assert_non_null(nics[1]);
	assert_non_null(w);
	assert_true(link_watch_fd(w) >= 0);
	assert_int_equal(nic_poll_link(w, nics, 2, changed), 1);
	assert_true(changed[1] && !changed[0]);
	assert_true(nics[1]->up);
	assert_int_equal(nic_poll_link(w, nics, 2, changed), 0);
	assert_int_equal(nics[1]->link_changes, 1);
	link_watch_close(w);
	nic_close(nics[1]);
}

static void counters(void **state)
{
	struct rte_ring *r = ring("count");
	struct nic_stats stats = { .rx_missed = 1, .rx_nombuf = 1 };
	struct nic *nic;
	struct faults f;

	ring_device("count", &r, &r, 1);
	nic = open_nic((struct nic_conf){ .device = "net_ring_count" }, &f);
	assert_non_null(nic);
	assert_int_equal(nic_stats_read(nic, &stats), 0);
	assert_int_equal(stats.rx_missed + stats.rx_nombuf + stats.rx_errors, 0);
	nic_close(nic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_carries_packets),
		cmocka_unit_test(far_workers),
		cmocka_unit_test(queues),
		cmocka_unit_test(burst_of_the_profile),
		cmocka_unit_test(offloads),
		cmocka_unit_test(rss_key),
		cmocka_unit_test(rss_table),
		cmocka_unit_test(refusals),
		cmocka_unit_test(driver_is_known_after_probing),
		cmocka_unit_test(link_of_the_driver),
		cmocka_unit_test(counters),
	};
	int failed;

	test_eal_init();
	pool = test_pool("port", 512);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (rte_mempool_in_use_count(pool) != 0) {
		printf("Bail out! %u packets are missing\n", rte_mempool_in_use_count(pool));
		failed = 1;
	}
	return failed;
}

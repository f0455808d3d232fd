/* SPDX-License-Identifier: BSD-3-Clause */
/* What is asked of a device's hash, and who is believed to have done it: with a device made up
 * here, which does what it is told, or not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ethdev.h>

#include "port_priv.h"

#define TYPES                                                                                      \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV4_TCP |                      \
		RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_TCP |                      \
		RTE_ETH_RSS_NONFRAG_IPV6_UDP)
#define SOURCE_ONLY      (RTE_ETH_RSS_L3_SRC_ONLY | RTE_ETH_RSS_L4_SRC_ONLY)
#define DESTINATION_ONLY (RTE_ETH_RSS_L3_DST_ONLY | RTE_ETH_RSS_L4_DST_ONLY)

/* The device as it is after having been told. */
static struct {
	uint8_t key[NIC_RSS_KEY_ROOM];
	uint64_t types;
	uint16_t reta[RTE_ETH_RSS_RETA_SIZE_512];
	bool silent; /* does not tell what it hashes */
	bool deaf;   /* keeps its table */
} device;

int rte_eth_dev_rss_hash_conf_get(uint16_t port, struct rte_eth_rss_conf *conf)
{
	if (device.silent)
		return -ENOTSUP;
	conf->rss_hf = device.types;
	memcpy(conf->rss_key, device.key, conf->rss_key_len);
	return 0;
}

int rte_eth_dev_rss_reta_update(uint16_t port, struct rte_eth_rss_reta_entry64 *reta, uint16_t size)
{
	for (uint16_t i = 0; !device.deaf && i < size; i++)
		if (reta[i / 64].mask >> i % 64 & 1)
			device.reta[i] = reta[i / 64].reta[i % 64];
	return device.deaf ? -ENOTSUP : 0;
}

int rte_eth_dev_rss_reta_query(uint16_t port, struct rte_eth_rss_reta_entry64 *reta, uint16_t size)
{
	for (uint16_t i = 0; i < size; i++)
		if (reta[i / 64].mask >> i % 64 & 1)
			reta[i / 64].reta[i % 64] = device.reta[i];
	return 0;
}

static struct rte_eth_dev_info able_info(void)
{
	return (struct rte_eth_dev_info){
		.max_rx_queues = 16,
		.rx_offload_capa = RTE_ETH_RX_OFFLOAD_RSS_HASH,
		.flow_type_rss_offloads = TYPES | SOURCE_ONLY | DESTINATION_ONLY,
		.hash_key_size = 40,
		.reta_size = 128,
	};
}

#define TUPLE (1u << NIC_HASH_TUPLE)
#define ALL   (TUPLE | 1u << NIC_HASH_SOURCE | 1u << NIC_HASH_DESTINATION)

static unsigned int able(const struct rte_eth_dev_info *info, const struct nic_profile *profile,
	uint16_t rxqs, const char *want_why)
{
	char why[64];
	unsigned int hashes = rss_able(info, profile, rxqs, why, sizeof(why));

	assert_string_equal(why, want_why);
	return hashes;
}

static void test_able(void **state)
{
	struct nic_profile profile = nic_profile_default;
	struct rte_eth_dev_info info = able_info();

	assert_int_equal(able(&info, &profile, 16, ""), ALL);
	assert_int_equal(
		able(&info, &profile, 17, "it has fewer receive queues than there are workers"), 0);
	profile.max_queues = 2;
	assert_int_equal(
		able(&info, &profile, 3, "it has fewer receive queues than there are workers"), 0);
	assert_int_equal(able(&info, &profile, 2, ""), ALL);
	profile = nic_profile_default;
	profile.rx_without = NIC_RX_RSS_HASH;
	assert_int_equal(able(&info, &profile, 2, "it does not give the hash with the packet"), 0);
	profile = nic_profile_default;
	profile.rss &= (uint16_t)~NIC_RSS_UDP6;
	assert_int_equal(
		able(&info, &profile, 2, "it does not hash TCP and UDP of IPv4 and IPv6"), 0);
	profile = nic_profile_default;
	info.flow_type_rss_offloads = TYPES | SOURCE_ONLY;
	assert_int_equal(able(&info, &profile, 2, ""), TUPLE | 1u << NIC_HASH_SOURCE);
	info.flow_type_rss_offloads = TYPES | RTE_ETH_RSS_L3_DST_ONLY;
	assert_int_equal(able(&info, &profile, 2, ""), TUPLE);
	info.flow_type_rss_offloads &= ~RTE_ETH_RSS_NONFRAG_IPV6_TCP;
	assert_int_equal(
		able(&info, &profile, 2, "it does not hash TCP and UDP of IPv4 and IPv6"), 0);
	info = able_info();
	info.rx_offload_capa = 0;
	assert_int_equal(able(&info, &profile, 2, "it does not give the hash with the packet"), 0);
	info = able_info();
	info.hash_key_size = 52;
	assert_int_equal(able(&info, &profile, 2, ""), ALL);
	info.hash_key_size = 0;
	assert_int_equal(able(&info, &profile, 2, "the key of its hash cannot be ours"), 0);
}

/* 64 places lead where 128 do if the queues divide them. */
static void test_table_sizes(void **state)
{
	static const struct {
		uint16_t size, rxqs;
		bool fits;
	} cases[] = { { 0, 2, false }, { 64, 2, true }, { 64, 3, false }, { 64, 16, true },
		{ 128, 3, true }, { 512, 7, true }, { 256, 5, true }, { 1024, 2, false },
		{ 100, 2, false }, { 192, 2, false } };
	struct rte_eth_dev_info info = able_info();

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		info.reta_size = cases[i].size;
		assert_int_equal(able(&info, &nic_profile_default, cases[i].rxqs,
					 cases[i].fits ? ""
						       : "its redirection table cannot be as the "
							 "others'"),
			cases[i].fits ? ALL : 0);
	}
}

/* Configures a nic of so many queues as port.c does, and lets the device take it. */
static struct nic configure(
	enum nic_hash hash, const struct rte_eth_dev_info *info, uint64_t *asked)
{
	struct nic nic = { .rxqs = 3, .rx_offloads = NIC_RX_RSS_HASH };
	struct rte_eth_conf eth = { 0 };
	const struct rte_eth_rss_conf *rss = &eth.rx_adv_conf.rss_conf;

	memset(&device, 0, sizeof(device));
	rss_configure(&nic, &nic_profile_default, hash, info, &eth);
	*asked = rss->rss_hf;
	device.types = rss->rss_hf;
	if (rss->rss_key)
		memcpy(device.key, rss->rss_key, rss->rss_key_len);
	return nic;
}

static void settle(
	struct nic *nic, enum nic_hash hash, const struct rte_eth_dev_info *info, uint64_t asked)
{
	const struct nic_conf conf = { .want_rxqs = 3, .hash = hash };

	rss_settle(nic, &conf, info, asked);
}

static void test_honest(void **state)
{
	static const uint64_t only[] = { [NIC_HASH_TUPLE] = 0,
		[NIC_HASH_SOURCE] = SOURCE_ONLY,
		[NIC_HASH_DESTINATION] = DESTINATION_ONLY };
	static const uint16_t sizes[] = { 128, 512 };

	for (int hash = NIC_HASH_TUPLE; hash <= NIC_HASH_DESTINATION; hash++)
		for (size_t i = 0; i < RTE_DIM(sizes); i++) {
			struct rte_eth_dev_info info = able_info();
			struct nic nic;
			uint64_t asked;

			info.reta_size = sizes[i];
			info.hash_key_size = i ? 52 : 40;
			nic = configure((enum nic_hash)hash, &info, &asked);
			assert_true(asked == (TYPES | only[hash]));
			settle(&nic, (enum nic_hash)hash, &info, asked);
			assert_string_equal(nic.hash_why, "");
			assert_int_equal(nic.hash, hash);
			for (uint16_t k = 0; k < sizes[i]; k++)
				assert_int_equal(device.reta[k], k % 128 % 3);
		}
}

/* Nobody relies on it: nothing is read back, and nothing said. */
static void test_not_asked(void **state)
{
	struct rte_eth_dev_info info = able_info();
	uint64_t asked;
	struct nic nic = configure(NIC_HASH_NONE, &info, &asked);

	assert_true(asked == TYPES);
	settle(&nic, NIC_HASH_NONE, &info, asked);
	assert_int_equal(nic.hash, NIC_HASH_NONE);
	assert_string_equal(nic.hash_why, "");
}

enum lie { KEY, FIELDS, NO_FIELDS, TABLE, DEAF, SILENT, QUEUES, NO_HASH, LIES };

static void test_liars(void **state)
{
	static const char *const why[] = {
		[KEY] = "the key of its hash is another one than was set",
		[FIELDS] = "it does not hash what was asked for",
		[NO_FIELDS] = "it does not hash what was asked for",
		[TABLE] = "its redirection table is another one than was set",
		[DEAF] = "its redirection table is another one than was set",
		[SILENT] = "the driver does not tell what it hashes",
		[QUEUES] = "it has other queues than were asked for",
		[NO_HASH] = "it does not give the hash with the packet",
	};
	struct rte_eth_dev_info info = able_info();

	for (int lie = 0; lie < LIES; lie++) {
		uint64_t asked;
		struct nic nic = configure(NIC_HASH_SOURCE, &info, &asked);

		device.key[39] ^= lie == KEY;
		device.types &= lie == FIELDS ? ~RTE_ETH_RSS_NONFRAG_IPV6_UDP : UINT64_MAX;
		device.types &= lie == NO_FIELDS ? ~(uint64_t)SOURCE_ONLY : UINT64_MAX;
		device.silent = lie == SILENT;
		device.deaf = lie == DEAF;
		nic.rxqs -= lie == QUEUES;
		if (lie == NO_HASH)
			nic.rx_offloads = 0;
		if (lie == TABLE) {
			settle(&nic, NIC_HASH_SOURCE, &info, asked);
			assert_int_equal(nic.hash, NIC_HASH_SOURCE);
			nic.hash = NIC_HASH_NONE;
			device.deaf = true;
			device.reta[127] ^= 1;
		}
		settle(&nic, NIC_HASH_SOURCE, &info, asked);
		assert_int_equal(nic.hash, NIC_HASH_NONE);
		assert_string_equal(nic.hash_why, why[lie]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_able),
		cmocka_unit_test(test_table_sizes),
		cmocka_unit_test(test_honest),
		cmocka_unit_test(test_not_asked),
		cmocka_unit_test(test_liars),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

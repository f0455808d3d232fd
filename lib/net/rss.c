/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device's hash covers and which queue it leads to: asked for when a nic is opened, and read
 * back before anybody relies on it. That its hash is right as well, flow/steer.c finds out from
 * packets. Called by port.c.
 */
#include <stdio.h>
#include <string.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "base/log.h"
#include "port_priv.h"

#define RETA_MAX RTE_ETH_RSS_RETA_SIZE_512

/* Drawn once from a random source. Not symmetric: a key that hashes both directions alike throws
 * half of its output away. */
/* clang-format off */
const uint8_t nic_rss_key[NIC_RSS_KEY_ROOM] = {
	0x93, 0x2d, 0x35, 0xef, 0xfb, 0x14, 0x94, 0xdb,
	0x9e, 0x5b, 0x90, 0xb3, 0xd6, 0xe9, 0xfb, 0x74,
	0x3c, 0x4a, 0x00, 0xce, 0x41, 0xfe, 0xc3, 0xfc,
	0x63, 0x3c, 0x5e, 0x4f, 0x6a, 0x1c, 0xc5, 0x58,
	0x79, 0x30, 0x81, 0x78, 0xa8, 0xf8, 0x64, 0xf1,
};
/* clang-format on */

#define SOURCE_ONLY      (RTE_ETH_RSS_L3_SRC_ONLY | RTE_ETH_RSS_L4_SRC_ONLY)
#define DESTINATION_ONLY (RTE_ETH_RSS_L3_DST_ONLY | RTE_ETH_RSS_L4_DST_ONLY)

/* What a flow's packets are, and the hash must cover. */
#define FLOW_TYPES                                                                                 \
	(RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP |                             \
		RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)
#define FLOW_BITS (NIC_RSS_TCP4 | NIC_RSS_UDP4 | NIC_RSS_TCP6 | NIC_RSS_UDP6)

static const struct {
	uint16_t bit;
	uint64_t flags;
} rss_types[] = {
	{ NIC_RSS_IP4, RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER },
	{ NIC_RSS_TCP4, RTE_ETH_RSS_NONFRAG_IPV4_TCP },
	{ NIC_RSS_UDP4, RTE_ETH_RSS_NONFRAG_IPV4_UDP },
	{ NIC_RSS_IP6, RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER },
	{ NIC_RSS_TCP6, RTE_ETH_RSS_NONFRAG_IPV6_TCP },
	{ NIC_RSS_UDP6, RTE_ETH_RSS_NONFRAG_IPV6_UDP },
};

static uint64_t only_of(enum nic_hash hash)
{
	return hash == NIC_HASH_SOURCE ? SOURCE_ONLY
				       : (hash == NIC_HASH_DESTINATION ? DESTINATION_ONLY : 0);
}

static uint64_t types_of(const struct nic_profile *profile, uint64_t has, uint16_t *bits)
{
	uint64_t types = 0;

	*bits = 0;
	for (size_t i = 0; i < RTE_DIM(rss_types); i++)
		if ((profile->rss & rss_types[i].bit) && (has & rss_types[i].flags)) {
			*bits |= rss_types[i].bit;
			types |= has & rss_types[i].flags;
		}
	return types;
}

/* Whether a table of this size can lead the low bits of a hash to queues as all others do. */
static bool reta_fits(uint16_t size, uint16_t rxqs)
{
	return size && size <= RETA_MAX &&
	       (size % NIC_HASH_TABLE == 0 || (NIC_HASH_TABLE % size == 0 && size % rxqs == 0));
}

unsigned int rss_able(const struct rte_eth_dev_info *info, const struct nic_profile *profile,
	uint16_t rxqs, char *why, size_t size)
{
	const uint64_t has = info->flow_type_rss_offloads;
	const uint16_t queues = profile->max_queues
					? RTE_MIN(profile->max_queues, info->max_rx_queues)
					: info->max_rx_queues;
	const char *text = NULL;
	unsigned int hashes = RTE_BIT32(NIC_HASH_TUPLE);
	uint16_t bits;

	types_of(profile, has, &bits);
	if (queues < rxqs)
		text = "it has fewer receive queues than there are workers";
	else if ((bits & FLOW_BITS) != FLOW_BITS || (has & FLOW_TYPES) != FLOW_TYPES)
		text = "it does not hash TCP and UDP of IPv4 and IPv6";
	else if (!(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH) ||
		 (profile->rx_without & NIC_RX_RSS_HASH))
		text = "it does not give the hash with the packet";
	else if (info->hash_key_size < NIC_RSS_KEY_SIZE || info->hash_key_size > NIC_RSS_KEY_ROOM)
		text = "the key of its hash cannot be ours";
	else if (!reta_fits(info->reta_size, rxqs))
		text = "its redirection table cannot be as the others'";
	snprintf(why, size, "%s", text ? text : "");
	if (text)
		return 0;
	if ((has & SOURCE_ONLY) == SOURCE_ONLY)
		hashes |= RTE_BIT32(NIC_HASH_SOURCE);
	if ((has & DESTINATION_ONLY) == DESTINATION_ONLY)
		hashes |= RTE_BIT32(NIC_HASH_DESTINATION);
	return hashes;
}

/* The hash is asked for with one queue too: it comes with the packet. */
void rss_configure(struct nic *nic, const struct nic_profile *profile, enum nic_hash hash,
	const struct rte_eth_dev_info *info, struct rte_eth_conf *eth)
{
	uint64_t types = types_of(profile, info->flow_type_rss_offloads, &nic->rss);

	if (types == 0 || info->hash_key_size > sizeof(nic_rss_key)) {
		nic->rss = 0;
		nic->rx_offloads &= ~NIC_RX_RSS_HASH;
		eth->rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_RSS_HASH;
		return;
	}
	eth->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	eth->rx_adv_conf.rss_conf.rss_hf = types | (only_of(hash) & info->flow_type_rss_offloads);
	if (info->hash_key_size >= NIC_RSS_KEY_SIZE) {
		/* Kept by the driver, read at each start, never written. */
		eth->rx_adv_conf.rss_conf.rss_key = (uint8_t *)(uintptr_t)nic_rss_key;
		eth->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
	}
}

/* Place i of the redirection table leads to queue i modulo the queues, on every nic. */
static void set_reta(const struct nic *nic, uint16_t size)
{
	struct rte_eth_rss_reta_entry64 reta[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];
	int rc;

	memset(reta, 0, sizeof(reta));
	for (uint16_t i = 0; i < size; i++) {
		reta[i / RTE_ETH_RETA_GROUP_SIZE].mask |= RTE_BIT64(i % RTE_ETH_RETA_GROUP_SIZE);
		reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] =
			i % NIC_HASH_TABLE % nic->rxqs;
	}
	rc = rte_eth_dev_rss_reta_update(nic->ethdev, reta, size);
	if (rc && rc != -ENOTSUP)
		log_warn("%s: the redirection table stays as it is: %s", nic->device,
			rte_strerror(-rc));
}

static bool reta_is_ours(const struct nic *nic, uint16_t size)
{
	struct rte_eth_rss_reta_entry64 reta[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE];

	memset(reta, 0, sizeof(reta));
	for (uint16_t i = 0; i < size; i += RTE_ETH_RETA_GROUP_SIZE)
		reta[i / RTE_ETH_RETA_GROUP_SIZE].mask =
			size - i < RTE_ETH_RETA_GROUP_SIZE ? RTE_BIT64(size - i) - 1 : UINT64_MAX;
	if (rte_eth_dev_rss_reta_query(nic->ethdev, reta, size))
		return false;
	for (uint16_t i = 0; i < size; i++)
		if (reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] !=
			i % NIC_HASH_TABLE % nic->rxqs)
			return false;
	return true;
}

/* What differs from what was asked for, or NULL. */
static const char *read_back(const struct nic *nic, const struct nic_conf *conf,
	const struct rte_eth_dev_info *info, uint64_t asked)
{
	uint8_t key[NIC_RSS_KEY_ROOM] = { 0 };
	struct rte_eth_rss_conf rss = { .rss_key = key, .rss_key_len = info->hash_key_size };
	const uint64_t counts =
		FLOW_TYPES | only_of(NIC_HASH_SOURCE) | only_of(NIC_HASH_DESTINATION);

	if (nic->rxqs != conf->want_rxqs || !reta_fits(info->reta_size, nic->rxqs))
		return "it has other queues than were asked for";
	if (!(nic->rx_offloads & NIC_RX_RSS_HASH))
		return "it does not give the hash with the packet";
	if (rte_eth_dev_rss_hash_conf_get(nic->ethdev, &rss))
		return "the driver does not tell what it hashes";
	if (memcmp(key, nic_rss_key, NIC_RSS_KEY_SIZE) != 0)
		return "the key of its hash is another one than was set";
	if ((rss.rss_hf & counts) != (asked & counts) ||
		(asked & (counts & ~FLOW_TYPES)) != only_of((enum nic_hash)conf->hash))
		return "it does not hash what was asked for";
	if (!reta_is_ours(nic, info->reta_size))
		return "its redirection table is another one than was set";
	return NULL;
}

void rss_settle(struct nic *nic, const struct nic_conf *conf, const struct rte_eth_dev_info *info,
	uint64_t asked)
{
	const char *differs;

	if (nic->rss && nic->rxqs > 1 && info->reta_size && info->reta_size <= RETA_MAX)
		set_reta(nic, info->reta_size);
	if (conf->hash == NIC_HASH_NONE)
		return;
	differs = nic->rss ? read_back(nic, conf, info, asked) : "it has no hash";
	if (differs)
		snprintf(nic->hash_why, sizeof(nic->hash_why), "%s", differs);
	else
		nic->hash = (uint8_t)conf->hash;
}

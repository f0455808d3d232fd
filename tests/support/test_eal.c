/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_eal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

void test_eal_init(void)
{
	/* rte_eal_init() wants writable strings and moves them about. */
	char line[] = "test\0--no-huge\0--no-pci\0--no-shconf\0--no-telemetry\0-m\0"
		      "512\0-l\0"
		      "0\0"
		      "--iova-mode=va\0--log-level=lib.eal:error\0";
	char *argv[16];
	int argc = 0;

	for (char *p = line; *p != '\0'; p += strlen(p) + 1)
		argv[argc++] = p;
	argv[argc] = NULL;
	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "test: the EAL does not start\n");
		abort();
	}
}

struct rte_mempool *test_pool(const char *name, unsigned int n)
{
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create(name, n, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

	if (!pool) {
		fprintf(stderr, "test: no packet pool\n");
		abort();
	}
	return pool;
}

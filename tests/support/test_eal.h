/* SPDX-License-Identifier: BSD-3-Clause */
/* For unit tests: an EAL without hugepages, devices or files, and a packet pool. */
#ifndef TEST_EAL_H
#define TEST_EAL_H

#include <rte_mempool.h>

/* Once a process; aborts the test program if the EAL does not start. */
void test_eal_init(void);

/* A pool of n packets of 2 KiB; aborts if there is no memory. */
struct rte_mempool *test_pool(const char *name, unsigned int n);

#endif

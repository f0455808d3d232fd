/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP that ends here: nothing is forwarded, and no flow has this mode. It stands in the table so
 * that what is asked of a service's mode has an answer: a packet without a flow goes nowhere.
 */
#include "l4.h"

const struct fwd_ops fwd_ops_tcp = {
	.name = "tcp",
	.two_way = true,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Direct routing: the packet keeps its addresses and goes to the server's MAC address; the server
 * has the virtual address too and answers the client by itself.
 */
#include "l4.h"

static struct addr dr_next(const struct flow *f, uint8_t dir, const struct server *server)
{
	return server->addr;
}

const struct fwd_ops fwd_ops_dr = {
	.name = "dr",
	.next = dr_next,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device makes of packets whose checksums, and cutting up, are its work. */
#ifndef TCP_DEVICE_H
#define TCP_DEVICE_H

#include <stdint.h>

#include <rte_mbuf.h>

#define DEVICE_MOST 60000 /* bytes of data in a packet that is to be cut up */

typedef void device_send(void *arg, const uint8_t *packet, uint32_t len);

/* Sends the IP packet m, or those that it is cut up into. NULL, or what is wrong with what m says.
 */
const char *device_take(const struct rte_mbuf *m, device_send *send, void *arg);

#endif

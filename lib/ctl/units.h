/* SPDX-License-Identifier: BSD-3-Clause */
/* Values that the configuration writes as text. Each function returns 0, or -EINVAL and out as it
 * was. */
#ifndef CTL_UNITS_H
#define CTL_UNITS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/hash.h"
#include "model/model.h"

/* "500us", "20ms", "2s", "5m", "1h", "1d": microseconds. */
int duration_parse(const char *text, uint64_t *us);

/* "512B", "64KiB", "16MiB", "1GiB": bytes. */
int size_parse(const char *text, uint64_t *bytes);

/* "192.0.2.10:80", "192.0.2.10:8000-8010", "192.0.2.10:*", and so for "[2001:db8::10]". */
int vip_parse(const char *text, struct vip *out);

/* The largest virtual networks, in free bits. What is larger is no service's but a mistake: it
 * would take in clients and servers. */
#define NETWORK_BITS_V4 24 /* a /8 */
#define NETWORK_BITS_V6 96 /* a /32 */

static inline bool vip_too_large(const struct vip *v)
{
	return v->host_bits > (addr_is_v4(&v->addr) ? NETWORK_BITS_V4 : NETWORK_BITS_V6);
}

/* "0660". */
int mode_parse(const char *text, mode_t *out);

/* 32 hexadecimal digits. */
int key_parse(const char *text, struct hash_key *out);

#endif

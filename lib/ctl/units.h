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

/* "0660". */
int mode_parse(const char *text, mode_t *out);

/* 32 hexadecimal digits. */
int key_parse(const char *text, struct hash_key *out);

#endif

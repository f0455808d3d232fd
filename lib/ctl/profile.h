/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Driver profiles: what we know of each NIC driver (queues, RSS, offloads, descriptors, arguments),
 * as JSON files in drivers-config/. DRIVER.json is that of one driver, default.json that of all
 * others.
 *
 * The driver of a virtual device is known from its name: profiles_load() before eal_start(). That
 * of a PCI device only after it was probed: profiles_found() before nic_open().
 */
#ifndef CTL_PROFILE_H
#define CTL_PROFILE_H

#include <jansson.h>

#include "base/fault.h"
#include "net/port.h"

/* One profile a device; the device strings are valid. NULL with faults, whose paths are
 * "DRIVER.json" and the JSON path in that file. The folder is the installed one, or that of the
 * source for a program in its build tree. */
struct nic_profile **profiles_load(
	const char *const *devices, unsigned int n, struct faults *faults);
void profiles_free(struct nic_profile **profiles, unsigned int n);

/* After eal_start(): puts that of the driver found into profiles[i] of each PCI device. 0, or
 * -EINVAL with faults. */
int profiles_found(struct nic_profile **profiles, const char *const *devices, unsigned int n,
	struct faults *faults);

/* The profile of a driver from a folder. 0, or -errno with faults. */
int profile_load(
	const char *dir, const char *driver, struct nic_profile *out, struct faults *faults);

/* What a document says; file: its name, for the paths of faults. 0, or -EINVAL with every fault. */
int profile_read(
	const json_t *doc, const char *file, struct nic_profile *out, struct faults *faults);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether the interfaces of the kernel's share (`kernel` of a port) can be what they are to be.
 * Called by crosscheck.c. */
#include <stdio.h>
#include <string.h>

#include "config_priv.h"

static const char *at(char path[static 48], unsigned int port)
{
	snprintf(path, 48, "ports[%u].kernel.interface", port);
	return path;
}

static void check_device(const struct config *c, const struct kernel_conf *k, unsigned int device,
	struct faults *faults)
{
	struct device_spec spec;
	char err[8], path[48];

	if (device_parse(c->devices[device], device, &spec, err, sizeof(err)) ||
		strcmp(spec.iface, k->interface) != 0)
		return;
	fault_add(faults, at(path, k->port),
		"\"%s\" is the interface of device \"%s\"; the kernel's share needs a name of its "
		"own",
		k->interface, c->devices[device]);
}

/* Servers that are masqueraded with a port's own address take local ports of it, as the kernel
 * does. Neither knows of the other's. */
static void check_masquerades(
	const struct config *c, const struct kernel_conf *k, struct faults *faults)
{
	const struct gateway_conf *g = &c->model.gateway;
	char path[48];

	for (unsigned int i = 0; i < g->n_masquerades; i++) {
		if (g->masquerades[i].port != k->port || g->masquerades[i].n_sources)
			continue;
		snprintf(path, sizeof(path), "gateway.masquerade[%u]", i);
		fault_warn(faults, path,
			"servers get the address of ports[%u], with which the kernel (%s) speaks "
			"too: both may choose the same local port; give \"sources\"",
			k->port, k->interface);
	}
}

void crosscheck_kernel(const struct config *c, struct faults *faults)
{
	char path[48];

	for (unsigned int i = 0; i < c->n_kernels; i++) {
		const struct kernel_conf *k = &c->kernels[i];

		for (unsigned int j = 0; j < i; j++)
			if (!strcmp(c->kernels[j].interface, k->interface))
				fault_add(faults, at(path, k->port),
					"\"%s\" is the interface of ports[%u] already",
					k->interface, c->kernels[j].port);
		for (unsigned int j = 0; j < c->n_devices; j++)
			check_device(c, k, j, faults);
		check_masquerades(c, k, faults);
	}
}

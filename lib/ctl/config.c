/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a document means: a struct config with defaults filled in.
 *
 * A document with faults is read as far as it can be, so that what does not fit together is told in
 * the same pass as what is misspelt: names that are wrong stay NULL, addresses zero, and later
 * checks pass over them. Strings of a configuration are those of the document and of the schema
 * (its defaults), to which it holds references.
 */
#include "config.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "config_priv.h"
#include "guard/acl.h"
#include "sched/sched.h"
#include "schema.h"
#include "units.h"

const struct model_sched config_sched = { sched_find, sched_pool_build, sched_pool_destroy,
	acl_build, acl_free };

/* "fairlead, built in"; two balancers agree without being told. */
static const struct hash_key default_key = { { UINT64_C(0x64616c7269616600),
	UINT64_C(0x6e692d746c697562) } };

/* ---- single values -------------------------------------------------------------------------- */

static const json_t *get(
	const struct reader *r, const json_t *rule, const json_t *object, const char *key)
{
	return schema_get(r->schema, rule, object, key);
}

static uint32_t get_u32(
	const struct reader *r, const json_t *rule, const json_t *object, const char *key)
{
	return (uint32_t)json_integer_value(get(r, rule, object, key));
}

static const char *get_text(
	const struct reader *r, const json_t *rule, const json_t *object, const char *key)
{
	return json_string_value(get(r, rule, object, key));
}

/* A name that later checks may compare, or NULL. */
static const char *get_name(const json_t *object, const char *key)
{
	const char *name = json_string_value(json_object_get(object, key));

	return name && name[0] && strlen(name) < MODEL_NAME_MAX && !strchr(name, '/') ? name : NULL;
}

static uint32_t get_us(
	const struct reader *r, const json_t *rule, const json_t *object, const char *key)
{
	const char *text = get_text(r, rule, object, key);
	uint64_t us = 0;

	if (text && duration_parse(text, &us))
		us = 0;
	return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static uint32_t get_ms(
	const struct reader *r, const json_t *rule, const json_t *object, const char *key)
{
	const char *text = get_text(r, rule, object, key);
	uint64_t us = 0;

	if (text && duration_parse(text, &us))
		us = 0;
	return us / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(us / 1000);
}

void *config_alloc(struct reader *r, size_t n, size_t size)
{
	return arena_alloc(r->c->arena, n, size);
}

/* An array of the document's top level, its elements' rule, and its length. */
static const json_t *top_array(
	const struct reader *r, const char *key, const json_t **rule, unsigned int *n)
{
	const json_t *array = get(r, r->rule, r->doc, key);

	*rule = json_object_get(schema_key(r->schema, r->rule, key), "items");
	*n = (unsigned int)json_array_size(array);
	return array;
}

/* ---- cores, limits, socket ------------------------------------------------------------------ */

/* The lowest core we may run on that is no worker. */
static int free_core(const struct config *c)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -1;
	for (unsigned int i = 0; i < c->n_workers; i++)
		if (c->workers[i] < CPU_SETSIZE)
			CPU_CLR(c->workers[i], &set);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			return i;
	return -1;
}

static int read_cores(struct reader *r)
{
	const json_t *list = json_object_get(r->doc, "workers");
	const json_t *control = json_object_get(r->doc, "control");
	unsigned int n = (unsigned int)json_array_size(list);
	unsigned int *workers = config_alloc(r, n, sizeof(*workers));
	int core;

	if (!workers)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		workers[i] = json_is_integer(json_array_get(list, i))
				     ? (unsigned int)json_integer_value(json_array_get(list, i))
				     : CORE_UNKNOWN;
	r->c->workers = workers;
	r->c->n_workers = n;
	core = control ? (int)json_integer_value(control) : free_core(r->c);
	if (core < 0)
		fault_add(r->faults, "control",
			"missing, and every core is a worker; one core is "
			"needed for the control core");
	r->c->control = (unsigned int)core;
	return 0;
}

static enum steering_wish steering_of(const char *text)
{
	if (text && !strcmp(text, "software"))
		return STEERING_SOFTWARE;
	return text && !strcmp(text, "nic") ? STEERING_NIC : STEERING_AUTO;
}

/* What fills half a table in the time that a half-open connection has by default. */
#define NEW_FLOWS_PART 64

static void read_new_flows(struct reader *r)
{
	const uint32_t part = NEW_FLOWS_PART * RTE_MAX(r->c->n_workers, 1u);
	struct config *c = r->c;

	if (json_object_get(r->doc, "new-flows")) {
		c->model.new_flows[0] = get_u32(r, r->rule, r->doc, "new-flows");
		c->model.new_flows[1] = c->model.new_flows[0];
		return;
	}
	c->model.new_flows[0] = RTE_MAX(c->limits.flows_v4 / part, 1u);
	c->model.new_flows[1] = RTE_MAX(c->limits.flows_v6 / part, 1u);
}

static void read_limits(struct reader *r)
{
	const json_t *rule = schema_key(r->schema, r->rule, "limits");
	const json_t *o = get(r, r->rule, r->doc, "limits");
	struct config *c = r->c;

	c->limits.flows_v4 = get_u32(r, rule, o, "flows");
	c->limits.flows_v6 = get_u32(r, rule, o, "flows-v6");
	c->limits.persistence = get_u32(r, rule, o, "persistence");
	c->limits.source_rates = get_u32(r, rule, o, "source-rates");
	c->limits.packets = get_u32(r, rule, o, "packets");
	c->limits.connections = get_u32(r, rule, o, "connections");
	c->neighbour.max = get_u32(r, rule, o, "neighbours");
	c->neighbour.hold_max = get_u32(r, rule, o, "hold");
	c->neighbour.hold_each = get_u32(r, rule, o, "hold-each");

	read_new_flows(r);

	c->fragments.max = get_u32(r, rule, o, "fragments");
	if (c->fragments.max == 0)
		c->fragments.max = c->limits.packets / 8;
	rule = schema_key(r->schema, r->rule, "fragments");
	o = get(r, r->rule, r->doc, "fragments");
	c->fragments.timeout_ms[0] = get_ms(r, rule, o, "timeout");
	c->fragments.timeout_ms[1] = get_ms(r, rule, o, "timeout-v6");

	rule = schema_key(r->schema, r->rule, "neighbour");
	o = get(r, r->rule, r->doc, "neighbour");
	c->neighbour.workers = c->n_workers + 1;
	c->neighbour.retry_ms = get_ms(r, rule, o, "retry");
	c->neighbour.retries = get_u32(r, rule, o, "retries");
	c->neighbour.reachable_ms = get_ms(r, rule, o, "reachable");

	c->steering = steering_of(get_text(r, r->rule, r->doc, "steering"));

	rule = schema_key(r->schema, r->rule, "idle");
	o = get(r, r->rule, r->doc, "idle");
	c->idle.spins = get_u32(r, rule, o, "spins");
	c->idle.sleep_min_us = get_us(r, rule, o, "sleep-min");
	c->idle.sleep_max_us = get_us(r, rule, o, "sleep-max");
}

static void read_socket(struct reader *r)
{
	const json_t *rule = schema_key(r->schema, r->rule, "control-socket");
	const json_t *o = get(r, r->rule, r->doc, "control-socket");
	struct config *c = r->c;
	uint64_t bytes = 0;
	const char *text;

	c->socket.path = get_text(r, rule, o, "path");
	c->socket.owner = get_text(r, rule, o, "owner");
	c->socket.group = get_text(r, rule, o, "group");
	c->socket.max_connections = get_u32(r, rule, o, "max-connections");
	text = get_text(r, rule, o, "mode");
	if (text)
		mode_parse(text, &c->socket.mode);
	text = get_text(r, rule, o, "max-request");
	if (text)
		size_parse(text, &bytes);
	c->socket.max_request = (uint32_t)bytes;

	c->state = json_string_value(json_object_get(r->doc, "state"));
}

/* ---- ports and routes ----------------------------------------------------------------------- */

/* The index of a device, a new one if it was not met before. */
static uint8_t device_index(struct config *c, const char **devices, const char *device)
{
	unsigned int i;

	for (i = 0; i < c->n_devices; i++)
		if (!strcmp(devices[i], device))
			return (uint8_t)i;
	devices[c->n_devices++] = device;
	return (uint8_t)i;
}

static int read_port(struct reader *r, const json_t *rule, const json_t *o, struct port_conf *p)
{
	const json_t *addresses = get(r, rule, o, "addresses");
	const json_t *gateways = get(r, rule, o, "gateways");
	const char *name = get_name(o, "name");
	struct prefix *prefix = config_alloc(r, json_array_size(addresses), sizeof(*prefix));
	struct addr *gateway = config_alloc(r, json_array_size(gateways), sizeof(*gateway));
	const json_t *e;
	size_t i;

	if (!prefix || !gateway)
		return -ENOMEM;
	snprintf(p->name, sizeof(p->name), "%.*s", NET_NAME_MAX - 1, name ? name : "");
	p->vlan = (uint16_t)get_u32(r, rule, o, "vlan");
	p->mtu = (uint16_t)get_u32(r, rule, o, "mtu");
	p->addresses = prefix;
	json_array_foreach ((json_t *)(uintptr_t)addresses, i, e)
		if (json_is_string(e) && !prefix_parse(json_string_value(e), true, prefix))
			prefix++;
	p->n_addresses = (unsigned int)(prefix - p->addresses);
	p->gateways = gateway;
	json_array_foreach ((json_t *)(uintptr_t)gateways, i, e)
		if (json_is_string(e) && !addr_parse(json_string_value(e), gateway))
			gateway++;
	p->n_gateways = (unsigned int)(gateway - p->gateways);
	return 0;
}

/* The kernel's share, where the port has one. */
static void read_kernel(struct reader *r, const json_t *rule, const json_t *o, struct port_conf *p,
	struct kernel_conf *out)
{
	const json_t *kernel = get(r, rule, o, "kernel");
	const json_t *below = schema_key(r->schema, rule, "kernel");
	const char *interface = kernel ? get_text(r, below, kernel, "interface") : NULL;
	const char *driver = kernel ? get_text(r, below, kernel, "driver") : NULL;

	if (!interface || !interface[0] || strlen(interface) >= sizeof(p->kernel))
		return;
	snprintf(p->kernel, sizeof(p->kernel), "%s", interface);
	p->kernel_rate = get_u32(r, below, kernel, "rate");
	out->interface = interface;
	out->vhost = driver && !strcmp(driver, "virtio-user");
	r->c->n_kernels++;
}

static int read_ports(struct reader *r)
{
	const json_t *rule;
	unsigned int n;
	const json_t *array = top_array(r, "ports", &rule, &n);
	struct port_conf *ports = config_alloc(r, n, sizeof(*ports));
	const char **devices = config_alloc(r, n, sizeof(*devices));
	uint16_t *mtu = config_alloc(r, n, sizeof(*mtu));
	struct kernel_conf *kernels = config_alloc(r, n, sizeof(*kernels));

	if (!ports || !devices || !mtu || !kernels)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		const json_t *o = json_array_get(array, i);
		const char *device = json_string_value(json_object_get(o, "device"));
		int rc = read_port(r, rule, o, &ports[i]);

		if (rc)
			return rc;
		ports[i].nic = device_index(r->c, devices, device ? device : "");
		kernels[r->c->n_kernels].port = i;
		read_kernel(r, rule, o, &ports[i], &kernels[r->c->n_kernels]);
		if (ports[i].mtu > mtu[ports[i].nic])
			mtu[ports[i].nic] = ports[i].mtu;
	}
	r->c->devices = devices;
	r->c->device_mtu = mtu;
	r->c->kernels = kernels;
	r->c->model.net.ports = ports;
	r->c->model.net.n_ports = n;
	return 0;
}

uint8_t config_find_port(struct reader *r, const char *path, const char *name)
{
	const struct net_conf *net = &r->c->model.net;
	const char *names[NET_PORTS_MAX + 1] = { NULL };

	for (unsigned int i = 0; i < net->n_ports && i < NET_PORTS_MAX; i++) {
		names[i] = net->ports[i].name;
		if (!strcmp(names[i], name))
			return (uint8_t)i;
	}
	const char *guess = fault_closest(name, names);

	fault_add(r->faults, path, "no port is called \"%s\"%s%s%s", name,
		guess ? "; did you mean \"" : "", guess ? guess : "", guess ? "\"?" : "");
	return NET_PORT_NONE;
}

/* The port of a route by its name. */
static uint8_t route_port_named(struct reader *r, unsigned int route, const char *name)
{
	char path[32];
	uint8_t port;

	snprintf(path, sizeof(path), "routes[%u].port", route);
	port = config_find_port(r, path, name);
	if (port == NET_PORT_NONE)
		r->net_known = false;
	return port;
}

static int read_routes(struct reader *r)
{
	const json_t *rule;
	unsigned int n;
	const json_t *array = top_array(r, "routes", &rule, &n);
	struct route_conf *routes = config_alloc(r, n, sizeof(*routes));

	if (!routes)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		const json_t *o = json_array_get(array, i);
		const char *to = json_string_value(json_object_get(o, "to"));
		const char *via = json_string_value(json_object_get(o, "via"));
		const char *port = get_name(o, "port");

		if (to)
			prefix_parse(to, false, &routes[i].to);
		if (via)
			addr_parse(via, &routes[i].via);
		routes[i].port =
			port && r->net_known ? route_port_named(r, i, port) : NET_PORT_NONE;
	}
	r->c->model.net.routes = routes;
	r->c->model.net.n_routes = n;
	return 0;
}

/* ---- pools and services --------------------------------------------------------------------- */

/* One that is wrong counts as 1, so that it is not taken for "no new flows". */
static uint16_t get_weight(const struct reader *r, const json_t *rule, const json_t *o)
{
	const json_t *weight = get(r, rule, o, "weight");
	json_int_t n = json_integer_value(weight);

	return json_is_integer(weight) && n >= 0 && n <= MODEL_WEIGHT_MAX ? (uint16_t)n : 1;
}

/* The addresses of a list; NULL without memory. */
static const struct addr *read_sources(struct reader *r, const json_t *list, unsigned int *n)
{
	struct addr *sources = config_alloc(r, json_array_size(list), sizeof(*sources));
	const json_t *e;
	size_t i;

	*n = 0;
	json_array_foreach ((json_t *)(uintptr_t)list, i, e)
		if (sources && json_is_string(e) && !addr_parse(json_string_value(e), &sources[*n]))
			(*n)++;
	return sources;
}

/* o: the pool; what a server says itself takes the place of what the pool says. */
static int read_servers(
	struct reader *r, const json_t *o, const json_t *rule, struct pool_conf *pool)
{
	const json_t *array = get(r, rule, o, "servers");
	const json_t *server_rule =
		json_object_get(schema_key(r->schema, rule, "servers"), "items");
	unsigned int n = (unsigned int)json_array_size(array), n_sources;
	const struct addr *sources = read_sources(r, get(r, rule, o, "sources"), &n_sources);
	struct server_conf *servers = config_alloc(r, n, sizeof(*servers));

	if (!servers || !sources)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		const json_t *server = json_array_get(array, i);
		const char *address = json_string_value(json_object_get(server, "address"));
		const json_t *own = json_object_get(server, "sources");

		servers[i].name = get_name(server, "name");
		servers[i].weight = get_weight(r, server_rule, server);
		servers[i].admin = ADMIN_ENABLED;
		servers[i].limit = json_object_get(server, "max-connections")
					   ? get_u32(r, server_rule, server, "max-connections")
					   : get_u32(r, rule, o, "max-connections");
		servers[i].proxy_header = config_proxy_header(
			json_object_get(server, "proxy-header")
				? get_text(r, server_rule, server, "proxy-header")
				: get_text(r, rule, o, "proxy-header"));
		servers[i].sources = sources;
		servers[i].n_sources = n_sources;
		if (own)
			servers[i].sources = read_sources(r, own, &servers[i].n_sources);
		if (!servers[i].sources)
			return -ENOMEM;
		if (address)
			endpoint_parse(address, &servers[i].endpoint);
	}
	pool->servers = servers;
	pool->n_servers = n;
	return 0;
}

static int read_pools(struct reader *r)
{
	const json_t *rule;
	unsigned int n;
	const json_t *array = top_array(r, "pools", &rule, &n);
	struct pool_conf *pools = config_alloc(r, n, sizeof(*pools));

	if (!pools)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		const json_t *o = json_array_get(array, i);
		const char *scheduler = get_text(r, rule, o, "scheduler");
		const char *when_full = get_text(r, rule, o, "when-full");
		int rc = read_servers(r, o, rule, &pools[i]);

		if (rc)
			return rc;
		pools[i].name = get_name(o, "name");
		pools[i].scheduler = scheduler && sched_find(scheduler) ? scheduler : NULL;
		pools[i].backup = get_name(o, "backup");
		pools[i].when_full = when_full && !strcmp(when_full, "refuse") ? WHEN_FULL_REFUSE
									       : WHEN_FULL_NEXT;
	}
	r->c->model.pools = pools;
	r->c->model.n_pools = n;
	return 0;
}

/* base: what holds where the object says nothing; NULL: the schema's defaults do. */
static void read_timeouts(struct reader *r, const json_t *rule, const json_t *o,
	const struct timeouts *base, struct timeouts *out)
{
	static const struct {
		const char *key;
		size_t at;
	} fields[] = {
		{ "tcp-syn", offsetof(struct timeouts, tcp_syn) },
		{ "tcp-established", offsetof(struct timeouts, tcp_established) },
		{ "tcp-fin", offsetof(struct timeouts, tcp_fin) },
		{ "tcp-time-wait", offsetof(struct timeouts, tcp_time_wait) },
		{ "tcp-reset", offsetof(struct timeouts, tcp_reset) },
		{ "udp", offsetof(struct timeouts, udp) },
		{ "udp-stream", offsetof(struct timeouts, udp_stream) },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		uint32_t *to = (uint32_t *)((char *)out + fields[i].at);

		if (base && !json_object_get(o, fields[i].key))
			*to = *(const uint32_t *)((const char *)base + fields[i].at);
		else
			*to = get_ms(r, rule, o, fields[i].key);
	}
}

static int read_vips(struct reader *r, const json_t *address, struct service_conf *s)
{
	size_t n = json_is_array(address) ? json_array_size(address) : 1;
	struct vip *vips = config_alloc(r, n, sizeof(*vips));

	if (!vips)
		return -ENOMEM;
	s->vip_list = json_is_array(address);
	for (size_t i = 0; i < n; i++) {
		const char *text =
			json_string_value(s->vip_list ? json_array_get(address, i) : address);

		if (text && vip_parse(text, &vips[i]) == 0 && vip_too_large(&vips[i]))
			vips[i] = (struct vip){ 0 };
	}
	s->vips = vips;
	s->n_vips = (unsigned int)n;
	return 0;
}

/* ENCAP_IPIP, the default, if it is none. */
static enum encap encap_of(const char *text)
{
	enum encap e = ENCAP_IPIP;

	while (e < ENCAP_COUNT && (!text || strcmp(text, encap_name(e)) != 0))
		e++;
	return e < ENCAP_COUNT ? e : ENCAP_IPIP;
}

/* MODE_COUNT if it is none. */
static enum mode mode_of(const char *text)
{
	enum mode m = MODE_DR;

	if (text && !strcmp(text, mode_name(MODE_TCP)))
		return MODE_TCP;
	while (m < MODE_COUNT && (!text || strcmp(text, mode_name(m)) != 0))
		m++;
	return m;
}

static void read_persistence(
	struct reader *r, const json_t *service_rule, const json_t *service, struct service_conf *s)
{
	const json_t *rule = schema_key(r->schema, service_rule, "persistence");
	const json_t *o = json_object_get(service, "persistence");

	if (!json_is_object(o))
		return;
	s->persistence.group = get_name(o, "group");
	s->persistence.timeout_ms = get_ms(r, rule, o, "timeout");
	s->persistence.prefix_v4 = (uint8_t)get_u32(r, rule, o, "prefix");
	s->persistence.prefix_v6 = (uint8_t)get_u32(r, rule, o, "prefix-v6");
}

/* Modes that see one direction, and UDP, have none unless somebody asks for it: then it is a fault.
 */
static void read_syn_proxy(
	struct reader *r, const json_t *service_rule, const json_t *service, struct service_conf *s)
{
	const json_t *rule = schema_key(r->schema, service_rule, "syn-proxy");
	const json_t *o = json_object_get(service, "syn-proxy");
	const char *mode = get_text(r, rule, o, "mode");
	const bool can = (s->mode == MODE_NAT || s->mode == MODE_FULLNAT || s->mode == MODE_TCP) &&
			 s->proto == IPPROTO_TCP;

	if (!o && !can)
		return;
	s->syn_proxy = (struct syn_proxy){
		.rate = get_u32(r, rule, o, "rate"),
		.mss = (uint16_t)get_u32(r, rule, o, "mss"),
		.window = (uint16_t)get_u32(r, rule, o, "window"),
		.wscale = (uint8_t)get_u32(r, rule, o, "window-scale"),
		.sack = json_is_true(get(r, rule, o, "sack")),
		.timestamps = json_is_true(get(r, rule, o, "timestamps")),
		.mode = SYN_PROXY_AUTO,
	};
	if (mode && !strcmp(mode, "always"))
		s->syn_proxy.mode = SYN_PROXY_ALWAYS;
	else if (mode && !strcmp(mode, "off"))
		s->syn_proxy.mode = SYN_PROXY_OFF;
}

static int read_proxy(
	struct reader *r, const json_t *service_rule, const json_t *service, struct service_conf *s)
{
	static const struct {
		const char *key;
		size_t at;
	} times[] = {
		{ "connect-timeout", offsetof(struct proxy_rules, connect_ms) },
		{ "client-timeout", offsetof(struct proxy_rules, client_ms) },
		{ "server-timeout", offsetof(struct proxy_rules, server_ms) },
		{ "tunnel-timeout", offsetof(struct proxy_rules, tunnel_ms) },
		{ "half-closed-timeout", offsetof(struct proxy_rules, half_closed_ms) },
		{ "queue-timeout", offsetof(struct proxy_rules, queue_ms) },
	};
	const json_t *rule = schema_key(r->schema, service_rule, "proxy");
	const json_t *o = json_object_get(service, "proxy");

	if (s->mode != MODE_TCP && !o)
		return 0;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		const uint32_t ms = get_ms(r, rule, o, times[i].key);

		memcpy((char *)&s->proxy + times[i].at, &ms, sizeof(ms));
	}
	s->proxy.retries = get_u32(r, rule, o, "retries");
	s->proxy.max_connections = get_u32(r, rule, o, "max-connections");
	s->proxy.queue_max = get_u32(r, rule, o, "queue-max");
	s->proxy.abort_on_close = json_is_true(json_object_get(o, "abort-on-close"));
	return config_read_headers(r, rule, o, s);
}

static enum refuse refuse_of(const char *text)
{
	if (text && !strcmp(text, "reset"))
		return REFUSE_RESET;
	return text && !strcmp(text, "icmp") ? REFUSE_ICMP : REFUSE_DROP;
}

static int read_services(struct reader *r)
{
	const json_t *timeouts_rule = schema_key(r->schema, r->rule, "timeouts");
	const json_t *rule;
	unsigned int n;
	const json_t *array = top_array(r, "services", &rule, &n);
	struct service_conf *services = config_alloc(r, n, sizeof(*services));
	struct timeouts base;

	if (!services)
		return -ENOMEM;
	read_timeouts(r, timeouts_rule, get(r, r->rule, r->doc, "timeouts"), NULL, &base);
	for (unsigned int i = 0; i < n; i++) {
		const json_t *o = json_array_get(array, i);
		const char *protocol = get_text(r, rule, o, "protocol");
		const char *no_flow = get_text(r, rule, o, "no-flow");
		const char *client = get_text(r, rule, o, "client-address");
		struct service_conf *s = &services[i];
		int rc = read_vips(r, json_object_get(o, "address"), s);

		if (!rc)
			rc = config_read_access(r, rule, o, &s->access);
		if (rc)
			return rc;
		config_read_source_rate(r, rule, o, &s->source_rate);
		s->name = get_name(o, "name");
		s->pool = get_name(o, "pool");
		s->mode = mode_of(get_text(r, rule, o, "mode"));
		s->encap = encap_of(get_text(r, rule, o, "encapsulation"));
		s->proto = protocol && !strcmp(protocol, "udp") ? IPPROTO_UDP : IPPROTO_TCP;
		s->refuse = refuse_of(get_text(r, rule, o, "refuse"));
		read_persistence(r, rule, o, s);
		read_syn_proxy(r, rule, o, s);
		rc = read_proxy(r, rule, o, s);
		if (rc)
			return rc;
		if (s->mode == MODE_TCP)
			s->log = config_service_log(r, rule, o);
		s->no_flow = no_flow && !strcmp(no_flow, "drop") ? NO_FLOW_DROP : NO_FLOW_RESET;
		s->new_flows = get_u32(r, rule, o, "new-flows");
		s->client_address =
			client && !strcmp(client, "toa") ? CLIENT_ADDRESS_TOA : CLIENT_ADDRESS_NONE;
		read_timeouts(
			r, timeouts_rule, json_object_get(o, "timeouts"), &base, &s->timeouts);
	}
	r->c->model.timeouts = base;
	r->c->model.services = services;
	r->c->model.n_services = n;
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* Whether no fault since the first `from` is about ports or routes. */
static bool net_is_whole(const struct faults *faults, size_t from)
{
	for (size_t i = from; i < faults->n; i++)
		if (!strncmp(faults->list[i].path, "ports", 5) ||
			!strncmp(faults->list[i].path, "routes", 6))
			return false;
	return true;
}

static int read_all(struct reader *r)
{
	const char *key = json_string_value(json_object_get(r->doc, "cluster-key"));
	int rc = read_cores(r);

	read_limits(r);
	r->c->model.cluster_key = default_key;
	if (key)
		key_parse(key, &r->c->model.cluster_key);
	read_socket(r);
	config_read_connlog(r);
	if (!rc)
		rc = read_ports(r);
	if (!rc)
		rc = read_routes(r);
	if (!rc)
		rc = read_pools(r);
	if (!rc)
		rc = read_services(r);
	if (!rc)
		rc = config_read_access(r, r->rule, r->doc, &r->c->model.access);
	config_read_source_rate(r, r->rule, r->doc, &r->c->model.source_rate);
	return rc ? rc : config_read_gateway(r);
}

/* What the values mean together. */
static void check_all(struct reader *r)
{
	struct model_conf conf = r->c->model;

	if (!r->net_known)
		conf.net = (struct net_conf){ 0 };
	crosscheck(r->c, r->net_known, r->faults);
	model_check(&conf, &config_sched, r->faults);
}

struct config *config_read(const json_t *doc, struct faults *faults)
{
	struct schema *schema = schema_load(schema_config_text, schema_config_len);
	struct config *c = calloc(1, sizeof(*c));
	size_t errors = faults->errors, first = faults->n;

	if (!schema || !c)
		goto no_memory;
	c->arena = arena_create();
	if (!c->arena)
		goto no_memory;
	c->schema = schema;
	c->doc = json_incref((json_t *)(uintptr_t)doc);

	struct reader r = { .schema = schema, .doc = doc, .c = c, .faults = faults };
	r.rule = json_object_get(json_object_get(schema->doc, "types"), "config");
	schema_check(schema, r.rule, doc, "", faults);
	r.net_known = net_is_whole(faults, first);
	if (read_all(&r)) {
		fault_add(faults, "", "out of memory");
	} else if (json_is_object(doc)) {
		check_all(&r);
	}
	if (faults->errors == errors)
		return c;
	config_free(c);
	return NULL;

no_memory:
	fault_add(faults, "", "out of memory");
	schema_free(schema);
	free(c);
	return NULL;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	arena_destroy(c->arena);
	schema_free(c->schema);
	json_decref(c->doc);
	free(c);
}

bool config_check(const json_t *doc, struct faults *faults)
{
	const size_t errors = faults->errors;
	struct config *c = config_read(doc, faults);
	struct memory_plan plan;

	if (!c)
		return false;
	config_memory(c, &plan);
	memory_check(&plan, memory_hugepages_free(), faults);
	eal_warn_kernels(c->kernels, c->n_kernels, faults);
	connlog_check(&c->connlog, faults);
	config_free(c);
	return faults->errors == errors;
}

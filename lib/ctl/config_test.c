/* SPDX-License-Identifier: BSD-3-Clause */
/* What good documents mean, and that all that is wrong with a bad one is told at once. */
#include <netinet/in.h>
#include <sched.h>
#include <syslog.h>

#include "config_test.h"

static const struct bad_case cases[] = {
	{ AROUND("'pools': [{'name': 'web', 'scheduler': 'fast', 'servers': [{'name': 'a', "
		 "'address': '10.0.0.11:80'}, {'name': 'a', 'address': '10.0.0', 'waight': "
		 "1}]}], 'services': [{'name': 'web', 'pool': 'wbe', 'mode': 'nat', "
		 "'address': ['192.0.2.10', '192.0.2.10:80']}, {'name': 'web', 'mode': "
		 "'dr', 'pool': 'web', 'address': '192.0.2.10:80'}], 'limits': {'hold': "
		 "20}"),
		"pools[0].scheduler: \"fast\"; needed is \"round-robin\", "
		"\"least-connections\", \"source\" or \"maglev\"\n"
		"pools[0].servers[1].address: \"10.0.0\"; needed is an address with or "
		"without a port such as \"10.0.0.11:80\", \"10.0.0.11\" or "
		"\"[2001:db8::11]:80\"\n"
		"pools[0].servers[1].waight: unknown key; did you mean \"weight\"?\n"
		"services[0].address[0]: \"192.0.2.10\"; needed is an address with ports such "
		"as \"192.0.2.10:80\", \"192.0.2.10:8000-8010\", \"192.0.2.10:*\", "
		"\"[2001:db8::10]:80\" or, for a whole network, "
		"\"203.0.113.0/24:80\"\n"
		"limits.hold-each: 64 is more than all that may be held (hold, 20)\n"
		"pools[0].servers[1].name: \"a\" is the name of another one already, see "
		"pools[0].servers[0]\n"
		"services[1].name: \"web\" is the name of another one already, see "
		"services[0]\n"
		"services[0].pool: no pool is called \"wbe\"; did you mean \"web\"?\n"
		"services[1].address: port 80 of 192.0.2.10: taken already by "
		"services[0].address[1] (\"web\")\n" },
	{ "{'workers': [1, 1], 'ports': [{'name': 'wan', 'device': 'af_packet:w', "
	  "'vlan': 9999}], 'control': 1, 'pools': [{'servers': [{'name': 'a', "
	  "'address': '10.0.0.1:80'}]}], 'services': [{'name': 'x', 'pool': "
	  "'nowhere', 'mode': 'nat', 'address': '192.0.2.10:80'}]}",
		"ports[0].vlan: 9999; needed is an integer from 1 to 4094\n"
		"pools[0].name: missing; needed is a name of letters, digits, \".\", \"_\" or "
		"\"-\" that begins with a letter or digit, at most 63 characters\n"
		"control: core 1 is a worker too (workers[0]); the control core needs one of "
		"its own\n"
		"workers[1]: core 1 is workers[0] already; each worker has a core of its "
		"own\n" },
};

static void test_cases(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_case(&cases[i]);
}

static struct config *read_good(const char *text)
{
	struct faults faults = { 0 };
	json_t *doc = parse(text);
	struct config *c = config_read(doc, &faults);

	assert_faults(&faults, "");
	assert_non_null(c);
	json_decref(doc);
	return c;
}

static void assert_addr(const struct addr *a, const char *text)
{
	char buf[ADDR_TEXT];

	assert_string_equal(addr_format(a, buf), text);
}

static void test_defaults(void **state)
{
	struct config *c = read_good("{'workers': [1], 'control': 0, " PORTS "}");

	assert_int_equal(c->n_workers, 1);
	assert_int_equal(c->workers[0], 1);
	assert_int_equal(c->control, 0);
	assert_int_equal(c->limits.flows_v4, 1048576);
	assert_int_equal(c->limits.flows_v6, 262144);
	assert_int_equal(c->limits.packets, 16384);
	assert_int_equal(c->fragments.max, 2048);
	assert_int_equal(c->fragments.timeout_ms[0], 30000);
	assert_int_equal(c->fragments.timeout_ms[1], 60000);
	assert_string_equal(c->socket.path, "/run/fairlead/fairlead.sock");
	assert_int_equal(c->socket.mode, 0660);
	assert_null(c->socket.owner);
	assert_null(c->socket.group);
	assert_int_equal(c->socket.max_request, 256 * 1024);
	assert_int_equal(c->socket.max_connections, 64);
	assert_null(c->state);
	assert_int_equal(c->idle.spins, 1000);
	assert_int_equal(c->idle.sleep_min_us, 10);
	assert_int_equal(c->idle.sleep_max_us, 200);
	/* The library's own defaults and the schema's are the same. */
	assert_int_equal(c->neighbour.max, neigh_defaults.max);
	assert_int_equal(c->neighbour.hold_max, neigh_defaults.hold_max);
	assert_int_equal(c->neighbour.hold_each, neigh_defaults.hold_each);
	assert_int_equal(c->neighbour.retry_ms, neigh_defaults.retry_ms);
	assert_int_equal(c->neighbour.retries, neigh_defaults.retries);
	assert_int_equal(c->neighbour.reachable_ms, neigh_defaults.reachable_ms);
	assert_int_equal(c->neighbour.workers, 2);
	assert_int_equal(c->model.n_pools, 0);
	assert_int_equal(c->model.n_services, 0);
	assert_int_equal(c->model.net.n_routes, 0);
	config_free(c);
}

/* Without "control": the lowest core that is no worker. */
static void test_control(void **state)
{
	cpu_set_t was, two;
	struct config *c;
	int first;

	assert_int_equal(sched_getaffinity(0, sizeof(was), &was), 0);
	for (first = 0; !CPU_ISSET(first, &was);)
		first++;
	CPU_ZERO(&two);
	CPU_SET(first, &two);
	assert_int_equal(sched_setaffinity(0, sizeof(two), &two), 0);

	c = read_good("{'workers': [1023], " PORTS "}");
	assert_int_equal(c->control, first);
	config_free(c);

	struct faults faults = { 0 };
	char text[512];
	snprintf(text, sizeof(text), "{'workers': [%d], " PORTS "}", first);
	json_t *doc = parse(text);
	assert_null(config_read(doc, &faults));
	assert_faults(&faults,
		"control: missing, and every core is a worker; one core is needed for "
		"the control core\n");
	json_decref(doc);
	assert_int_equal(sched_setaffinity(0, sizeof(was), &was), 0);
}

static void test_ports(void **state)
{
	struct config *c =
		read_good("{'workers': [2, 3], 'control': 1, 'ports': ["
			  "{'name': 'wan', 'device': '0000:3b:00.0', 'vlan': 10, 'mtu': 1500,"
			  " 'addresses': ['192.0.2.1/24', '2001:db8:1::1/64'],"
			  " 'gateways': ['192.0.2.254', '2001:db8:1::fe']},"
			  "{'name': 'lan', 'device': 'af_packet:l', 'addresses': ['10.0.0.1/8']},"
			  "{'name': 'dmz', 'device': '0000:3b:00.0', 'vlan': 11, 'mtu': 9000}],"
			  "'routes': [{'to': '172.16.0.0/12', 'via': '10.0.0.9'},"
			  " {'to': '198.51.100.0/24', 'port': 'dmz'}]}");
	const struct net_conf *net = &c->model.net;

	assert_int_equal(c->n_devices, 2);
	assert_string_equal(c->devices[0], "0000:3b:00.0");
	assert_string_equal(c->devices[1], "af_packet:l");
	assert_int_equal(c->device_mtu[0], 9000);
	assert_int_equal(c->device_mtu[1], 0);
	assert_int_equal(net->n_ports, 3);
	assert_string_equal(net->ports[0].name, "wan");
	assert_int_equal(net->ports[0].nic, 0);
	assert_int_equal(net->ports[1].nic, 1);
	assert_int_equal(net->ports[2].nic, 0);
	assert_int_equal(net->ports[0].vlan, 10);
	assert_int_equal(net->ports[0].mtu, 1500);
	assert_int_equal(net->ports[1].vlan, 0);
	assert_int_equal(net->ports[0].n_addresses, 2);
	assert_addr(&net->ports[0].addresses[1].addr, "2001:db8:1::1");
	assert_int_equal(net->ports[0].addresses[1].len, 64);
	assert_int_equal(net->ports[0].n_gateways, 2);
	assert_addr(&net->ports[0].gateways[0], "192.0.2.254");
	assert_int_equal(net->n_routes, 2);
	assert_addr(&net->routes[0].via, "10.0.0.9");
	assert_int_equal(net->routes[0].port, NET_PORT_NONE);
	assert_int_equal(net->routes[1].port, 2);
	assert_true(addr_is_zero(&net->routes[1].via));
	config_free(c);
}

/* What is not said follows from the tables' sizes. */
static void test_new_flows(void **state)
{
	struct config *c = read_good("{'workers': [2, 3], 'control': 1, " PORTS "}");

	assert_int_equal(c->model.new_flows[0], 1048576 / 2 / 64);
	assert_int_equal(c->model.new_flows[1], 262144 / 2 / 64);
	config_free(c);
	c = read_good("{'workers': [2], 'control': 1, 'new-flows': 0, " PORTS "}");
	assert_int_equal(c->model.new_flows[0], 0);
	assert_int_equal(c->model.new_flows[1], 0);
	config_free(c);
	c = read_good(AROUND(SERVERS(
		"{'name': 'a', 'address': '10.0.0.11'}") ", 'new-flows': 700, 'services': ["
							 "{'name': 's', 'address': '192.0.2.9:80', "
							 "'mode': 'dr', 'pool': 'web', "
							 "'new-flows': "
							 "9},"
							 "{'name': 't', 'address': '192.0.2.9:81', "
							 "'mode': 'dr', 'pool': 'web'}]"));
	assert_int_equal(c->model.new_flows[0], 700);
	assert_int_equal(c->model.new_flows[1], 700);
	assert_int_equal(c->model.services[0].new_flows, 9);
	assert_int_equal(c->model.services[1].new_flows, 0);
	config_free(c);
}

static void test_encapsulation(void **state)
{
	struct config *c = read_good(AROUND(SERVERS(
		"{'name': 'a', 'address': '10.0.0.11'}") ", 'services': ["
							 "{'name': 'a', 'pool': 'web', 'mode': "
							 "'tunnel', 'address': '192.0.2.10:1'},"
							 "{'name': 'b', 'pool': 'web', 'mode': "
							 "'tunnel', 'address': '192.0.2.10:2',"
							 " 'encapsulation': 'gre'},"
							 "{'name': 'c', 'pool': 'web', 'mode': "
							 "'tunnel', 'address': "
							 "'[2001:db8:1::10]:3', 'encapsulation': "
							 "'gue'}]"));
	const struct service_conf *s = c->model.services;

	assert_int_equal(s[0].mode, MODE_TUNNEL);
	assert_int_equal(s[0].encap, ENCAP_IPIP);
	assert_int_equal(s[1].encap, ENCAP_GRE);
	assert_int_equal(s[2].encap, ENCAP_GUE);
	config_free(c);
}

#define LOCAL(...)                                                                                 \
	AROUND(POOL ", 'services': [{'name': 'app', 'pool': 'web', 'mode': 'tcp', 'address': "     \
		    "'192.0.2.10:80'" __VA_ARGS__ "}]")

/* Mode tcp: connections end here. */
static void test_local(void **state)
{
	static const struct bad_case bad[] = {
		{ LOCAL(", 'protocol': 'udp'"),
			"services[0].protocol: mode tcp is for protocol tcp\n" },
		{ LOCAL("}, {'name': 'x', 'pool': 'web', 'address': '192.0.2.10:81', 'mode': 't'"),
			"services[1].mode: \"t\"; needed is \"dr\", \"nat\", \"fullnat\", "
			"\"tunnel\" or \"tcp\"\n" },
	};
	struct faults faults = { 0 };
	json_t *doc = parse(LOCAL(", 'syn-proxy': {'mode': 'always'}"));
	struct config *c = config_read(doc, &faults);

	assert_faults(&faults, "");
	assert_int_equal(c->model.services[0].mode, MODE_TCP);
	assert_int_equal(c->model.services[0].syn_proxy.mode, SYN_PROXY_ALWAYS);
	config_free(c);
	json_decref(doc);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		doc = parse(bad[i].text);
		assert_null(config_read(doc, &faults));
		assert_faults(&faults, bad[i].faults);
		json_decref(doc);
	}
}

/* Headers of the PROXY protocol, and who only looks. */
static void test_headers(void **state)
{
	struct config *c = read_good(AROUND(
		"'pools': [{'name': 'web', 'proxy-header': 'v2', 'servers': [{'name': 'a', "
		"'address': '10.0.0.11'}, {'name': 'b', 'address': '10.0.0.12', 'proxy-header': "
		"'none'}, {'name': 'c', 'address': '10.0.0.13', 'proxy-header': 'v1'}]}, {'name': "
		"'plain', 'servers': [{'name': 'a', 'address': '10.0.0.11'}]}],"
		"'services': [{'name': 'a', 'mode': 'tcp', 'pool': 'web', 'address': "
		"'192.0.2.10:1', 'proxy': {'accept-header': {'trusted': ['198.51.100.0/24', "
		"'2001:db8::/32']}, 'monitor': ['203.0.113.7']}},"
		"{'name': 'b', 'mode': 'tcp', 'pool': 'plain', 'address': '192.0.2.10:2', "
		"'proxy': {'accept-header': {'trusted': ['10.0.0.0/8'], 'timeout': '300ms'}}},"
		"{'name': 'c', 'mode': 'tcp', 'pool': 'plain', 'address': '192.0.2.10:3', "
		"'proxy': {'monitor': []}}]"));
	const struct service_conf *s = c->model.services;
	const struct pool_conf *p = c->model.pools;

	assert_int_equal(p[0].servers[0].proxy_header, 2);
	assert_int_equal(p[0].servers[1].proxy_header, 0);
	assert_int_equal(p[0].servers[2].proxy_header, 1);
	assert_int_equal(p[1].servers[0].proxy_header, 0);
	assert_int_equal(s[0].trusted.n_allow, 2);
	assert_true(s[0].trusted.deny_others);
	assert_addr(&s[0].trusted.entries[1].prefix.addr, "2001:db8::");
	assert_int_equal(s[0].monitor.n_allow, 1);
	assert_true(s[0].monitor.deny_others);
	assert_addr(&s[0].monitor.entries[0].prefix.addr, "203.0.113.7");
	assert_int_equal(s[0].proxy.header_ms, 5000);
	assert_int_equal(s[1].proxy.header_ms, 300);
	assert_int_equal(s[1].trusted.n_allow, 1);
	assert_int_equal(s[1].monitor.n_allow, 0);
	/* Nobody, and not "nobody is allowed". */
	assert_false(s[1].monitor.deny_others);
	assert_false(s[2].monitor.deny_others);
	assert_false(s[2].trusted.deny_others);
	config_free(c);
}

#define LOGGED(log, service)                                                                       \
	AROUND(POOL ", 'connection-log': {" log "}, 'services': [{'name': 'app', 'pool': 'web', "  \
		    "'mode': 'tcp', 'address': '192.0.2.10:80'" service "}]")

static void test_connection_log(void **state)
{
	static const struct {
		const char *text;
		struct connlog_conf conf;
		enum connection_log of_service;
	} good[] = {
		{ LOCAL(""), { 0 }, CONNECTION_LOG_NONE },
		{ LOGGED("'file': '/a/b'", ""),
			{ .path = "/a/b", .file = true, .facility = LOG_LOCAL0 },
			CONNECTION_LOG_ALL },
		{ LOGGED("'file': '/a/b'", ", 'connection-log': false"),
			{ .path = "/a/b", .file = true, .facility = LOG_LOCAL0 },
			CONNECTION_LOG_NONE },
		{ LOGGED("'syslog': '/dev/log', 'facility': 'daemon', 'format': 'json', "
			 "'empty': false",
			  ", 'connection-log': true"),
			{ .path = "/dev/log", .json = true, .facility = LOG_DAEMON },
			CONNECTION_LOG_CARRIED },
	};
	static const struct bad_case bad[] = {
		{ LOGGED("", ""), "connection-log: neither \"file\" nor \"syslog\"; needed is "
				  "one of them\n" },
		{ LOGGED("'file': '/a', 'syslog': '/b'", ""),
			"connection-log: both \"file\" and \"syslog\"; needed is one of "
			"them\n" },
		{ LOGGED("'file': 7", ""),
			"connection-log.file: 7; needed is the absolute path of a file, at most "
			"4000 characters\n" },
	};
	struct faults faults = { 0 };
	struct config *c;
	json_t *doc;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct connlog_conf *conf = &good[i].conf;

		doc = parse(good[i].text);
		c = config_read(doc, &faults);
		assert_faults(&faults, "");
		assert_string_equal(
			c->connlog.path ? c->connlog.path : "", conf->path ? conf->path : "");
		assert_int_equal(c->connlog.file, conf->file);
		assert_int_equal(c->connlog.json, conf->json);
		assert_int_equal(c->connlog.facility, conf->facility);
		assert_int_equal(c->model.services[0].log, good[i].of_service);
		config_free(c);
		json_decref(doc);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		doc = parse(bad[i].text);
		assert_null(config_read(doc, &faults));
		assert_faults(&faults, bad[i].faults);
		json_decref(doc);
	}
}

static void test_syn_proxy(void **state)
{
	struct config *c = read_good(AROUND(
		"'pools': [{'name': 'web', 'servers': [{'name': 'a', 'address': '10.0.0.11'}]}],"
		"'services': [{'name': 'a', 'mode': 'nat', 'pool': 'web', 'address': "
		"'192.0.2.10:1',"
		" 'syn-proxy': {'mode': 'always', 'rate': 5, 'mss': 1220, 'window': 1000,"
		" 'window-scale': 2, 'sack': false, 'timestamps': false}},"
		"{'name': 'b', 'mode': 'nat', 'pool': 'web', 'address': '192.0.2.10:2',"
		" 'syn-proxy': {'mode': 'off'}},"
		"{'name': 'c', 'mode': 'dr', 'pool': 'web', 'address': '192.0.2.10:3',"
		" 'syn-proxy': {'mode': 'off'}},"
		"{'name': 'd', 'mode': 'dr', 'pool': 'web', 'address': '192.0.2.10:4'},"
		"{'name': 'e', 'mode': 'nat', 'pool': 'web', 'address': '192.0.2.10:5'}]"));
	const struct service_conf *s = c->model.services;
	const struct syn_proxy all = { 5, 1220, 1000, SYN_PROXY_ALWAYS, 2, false, false };
	const struct syn_proxy none = { 10000, 1460, 65535, SYN_PROXY_AUTO, 7, true, true };

	assert_memory_equal(&s[0].syn_proxy, &all, sizeof(all));
	assert_memory_equal(&s[4].syn_proxy, &none, sizeof(none));
	for (unsigned int i = 1; i < 4; i++)
		assert_int_equal(s[i].syn_proxy.mode, SYN_PROXY_OFF);
	config_free(c);
}

static void test_services(void **state)
{
	struct config *c = read_good(
		AROUND("'timeouts': {'udp': '5s', 'tcp-established': '1h'},"
		       "'cluster-key': '000102030405060708090A0b0c0d0e0f',"
		       "'pools': [{'name': 'web', 'scheduler': 'maglev', 'servers': ["
		       "{'name': 'a', 'address': '10.0.0.11:8080', 'weight': 7},"
		       "{'name': 'b', 'address': '10.0.0.12', 'weight': 0}]},"
		       "{'name': 'six', 'servers': [{'name': 'a', 'address': '[fd00::11]:80'}]}],"
		       "'services': [{'name': 'web', 'mode': 'fullnat', 'pool': 'web',"
		       " 'address': ['192.0.2.10:80', '192.0.2.10:8000-8010', '192.0.2.11:*'],"
		       " 'no-flow': 'drop', 'client-address': 'toa',"
		       " 'timeouts': {'udp': '7s', 'tcp-syn': '500ms'}},"
		       "{'name': 'dns', 'mode': 'nat', 'protocol': 'udp', 'pool': 'six',"
		       " 'address': '[2001:db8:1::10]:53'}]"));
	const struct model_conf *m = &c->model;
	const struct service_conf *web = &m->services[0], *dns = &m->services[1];

	assert_int_equal(m->n_pools, 2);
	assert_string_equal(m->pools[0].scheduler, "maglev");
	assert_string_equal(m->pools[1].scheduler, "round-robin");
	assert_int_equal(m->pools[0].n_servers, 2);
	assert_int_equal(m->pools[0].servers[0].weight, 7);
	assert_int_equal(m->pools[0].servers[0].endpoint.port, 8080);
	assert_int_equal(m->pools[0].servers[1].weight, 0);
	assert_int_equal(m->pools[0].servers[1].endpoint.port, 0);
	assert_int_equal(m->pools[1].servers[0].weight, 1);
	assert_addr(&m->pools[1].servers[0].endpoint.addr, "fd00::11");
	assert_int_equal(m->n_services, 2);
	assert_string_equal(web->pool, "web");
	assert_int_equal(web->mode, MODE_FULLNAT);
	assert_int_equal(web->proto, IPPROTO_TCP);
	assert_int_equal(web->no_flow, NO_FLOW_DROP);
	assert_int_equal(web->client_address, CLIENT_ADDRESS_TOA);
	assert_int_equal(dns->client_address, CLIENT_ADDRESS_NONE);
	assert_int_equal(web->syn_proxy.mode, SYN_PROXY_AUTO);
	assert_int_equal(web->syn_proxy.rate, 10000);
	assert_int_equal(dns->syn_proxy.mode, SYN_PROXY_OFF);
	assert_true(web->vip_list);
	assert_int_equal(web->n_vips, 3);
	assert_int_equal(web->vips[0].ports.first, 80);
	assert_int_equal(web->vips[0].ports.last, 80);
	assert_int_equal(web->vips[1].ports.first, 8000);
	assert_int_equal(web->vips[1].ports.last, 8010);
	assert_int_equal(web->vips[2].ports.first, 0);
	assert_int_equal(web->vips[2].ports.last, 65535);
	assert_addr(&web->vips[2].addr, "192.0.2.11");
	/* A service's own time-outs, then the document's, then the defaults. */
	assert_int_equal(web->timeouts.udp, 7000);
	assert_int_equal(web->timeouts.tcp_syn, 500);
	assert_int_equal(web->timeouts.tcp_established, 3600000);
	assert_int_equal(web->timeouts.tcp_time_wait, 60000);
	assert_int_equal(dns->timeouts.udp, 5000);
	assert_int_equal(dns->timeouts.tcp_syn, 30000);
	assert_int_equal(dns->timeouts.udp_stream, 180000);
	assert_int_equal(dns->timeouts.tcp_fin, 120000);
	assert_int_equal(dns->timeouts.tcp_reset, 10000);
	assert_int_equal(dns->proto, IPPROTO_UDP);
	assert_int_equal(dns->no_flow, NO_FLOW_RESET);
	assert_false(dns->vip_list);
	const uint8_t *key = (const uint8_t *)m->cluster_key.k;
	for (unsigned int i = 0; i < 16; i++)
		assert_int_equal(key[i], i);
	config_free(c);
}

/* A server's sources: its own list, else the pool's. */
static void test_sources(void **state)
{
	struct config *c = read_good(
		AROUND("'pools': [{'name': 'web', 'sources': ['10.0.0.5', 'fd00::5'], 'servers': ["
		       "{'name': 'a', 'address': '10.0.0.11'},"
		       "{'name': 'b', 'address': '10.0.0.12', 'sources': ['10.0.0.6']},"
		       "{'name': 'c', 'address': '10.0.0.13', 'sources': []}]},"
		       "{'name': 'dns', 'servers': [{'name': 'a', 'address': '10.0.0.14'}]}]"));
	const struct pool_conf *pools = c->model.pools;

	assert_int_equal(pools[0].servers[0].n_sources, 2);
	assert_addr(&pools[0].servers[0].sources[0], "10.0.0.5");
	assert_addr(&pools[0].servers[0].sources[1], "fd00::5");
	assert_int_equal(pools[0].servers[1].n_sources, 1);
	assert_addr(&pools[0].servers[1].sources[0], "10.0.0.6");
	assert_int_equal(pools[0].servers[2].n_sources, 0);
	assert_int_equal(pools[1].servers[0].n_sources, 0);
	config_free(c);
}

static void test_access(void **state)
{
	struct config *c = read_good(AROUND(POOL
		", 'access': {'deny': ['203.0.113.0/24', '2001:db8::/32']}, 'source-rate': "
		"{'connections': 50}, 'limits': {'source-rates': 4096}, "
		"'services': [{'name': 'a', 'pool': 'web', 'mode': 'nat', 'address': "
		"'192.0.2.10:80', 'access': {'allow': ['10.0.0.0/8'], 'deny': ['10.1.0.0/16']}, "
		"'source-rate': {'connections': 5, 'burst': 9, 'prefix': 24, 'prefix-v6': 48}}, "
		"{'name': 'b', 'pool': 'web', 'mode': 'nat', 'address': '192.0.2.10:81', "
		"'access': {'others': 'allow', 'allow': ['10.1.0.0/16'], 'deny': "
		"['10.0.0.0/8']}}, {'name': 'c', 'pool': 'web', 'mode': 'nat', 'address': "
		"'192.0.2.10:82', 'access': {'allow': ['172.16.0.0/12']}}]"));
	const struct service_conf *s = c->model.services;

	assert_int_equal(c->limits.source_rates, 4096);
	assert_int_equal(c->model.access.n_allow, 0);
	assert_int_equal(c->model.access.n_deny, 2);
	assert_false(c->model.access.deny_others);
	assert_addr(&c->model.access.entries[1].prefix.addr, "2001:db8::");
	assert_int_equal(c->model.access.entries[1].prefix.len, 32);
	assert_int_equal(c->model.source_rate.connections, 50);
	assert_int_equal(c->model.source_rate.burst, 50);
	assert_int_equal(c->model.source_rate.prefix_v4, 32);
	assert_int_equal(c->model.source_rate.prefix_v6, 64);

	assert_int_equal(s[0].access.n_allow, 1);
	assert_int_equal(s[0].access.n_deny, 1);
	assert_true(s[0].access.deny_others);
	assert_true(s[0].access.entries[0].allow);
	assert_false(s[0].access.entries[1].allow);
	assert_int_equal(s[0].source_rate.connections, 5);
	assert_int_equal(s[0].source_rate.burst, 9);
	assert_int_equal(s[0].source_rate.prefix_v4, 24);
	assert_int_equal(s[0].source_rate.prefix_v6, 48);
	assert_false(s[1].access.deny_others);
	assert_int_equal(s[1].source_rate.connections, 0);
	assert_true(s[2].access.deny_others);
	config_free(c);
}

static void test_tables(void **state)
{
	struct config *c = read_good(AROUND(
		"'limits': {'flows': 4096, 'flows-v6': 2048, 'packets': 4096, 'neighbours': 100, "
		"'hold': 32, 'hold-each': 2},"
		"'idle': {'spins': 0, 'sleep-min': '1us', 'sleep-max': '1ms'},"
		"'neighbour': {'retry': '20ms', 'retries': 9, 'reachable': '1m'},"
		"'control-socket': {'path': '/tmp/x.sock', 'mode': '600', 'owner': 'root', "
		"'group': "
		"'adm', 'max-request': '1MiB', 'max-connections': 3},"
		"'state': '/tmp/state'"));

	assert_int_equal(c->limits.flows_v4, 4096);
	assert_int_equal(c->limits.flows_v6, 2048);
	assert_int_equal(c->limits.packets, 4096);
	assert_int_equal(c->neighbour.max, 100);
	assert_int_equal(c->neighbour.hold_max, 32);
	assert_int_equal(c->neighbour.hold_each, 2);
	assert_int_equal(c->neighbour.retry_ms, 20);
	assert_int_equal(c->neighbour.retries, 9);
	assert_int_equal(c->neighbour.reachable_ms, 60000);
	assert_int_equal(c->idle.spins, 0);
	assert_int_equal(c->idle.sleep_min_us, 1);
	assert_int_equal(c->idle.sleep_max_us, 1000);
	assert_string_equal(c->socket.path, "/tmp/x.sock");
	assert_int_equal(c->socket.mode, 0600);
	assert_string_equal(c->socket.owner, "root");
	assert_string_equal(c->socket.group, "adm");
	assert_int_equal(c->socket.max_request, 1 << 20);
	assert_int_equal(c->socket.max_connections, 3);
	assert_string_equal(c->state, "/tmp/state");
	config_free(c);
}

/* More of anything costs more, and the parts are the whole. */
static void test_memory(void **state)
{
	static const char *const more[] = { "'limits': {'flows': 10485760}",
		"'limits': {'flows-v6': 2621440}", "'limits': {'packets': 163840}",
		"'limits': {'neighbours': 60000}",
		"'pools': [{'name': 'web', 'servers': [{'name': 'a', 'address': '10.0.0.11'}]}], "
		"'services': [{'name': 'web', 'pool': 'web', 'mode': 'fullnat', 'address': "
		"'192.0.2.10:80'}]",
		"'limits': {'persistence': 10000000}", "'limits': {'connections': 100000}" };
	struct config *c = read_good("{'workers': [1], 'control': 0, " PORTS "}");
	struct memory_plan base, plan;

	config_memory(c, &base);
	config_free(c);
	assert_int_equal(base.total, base.packets + base.connections + base.flows +
					     base.persistence + base.neighbours + base.rest);
	assert_true(base.persistence > 65536 * 100ull && base.persistence < 65536 * 200ull);
	assert_true(base.flows > 1048576 * 64ull);
	assert_true(base.packets > 16384 * 2048ull);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		char text[1024];

		snprintf(text, sizeof(text), AROUND("%s"), more[i]);
		c = read_good(text);
		config_memory(c, &plan);
		assert_true(plan.total > base.total);
		config_free(c);
	}
}

/* What --check says is what a start would say: 128 MiB and what comes on top. */
static void test_memory_short(void **state)
{
	const struct memory_plan plan = { .total = 128 << 20 };
	struct faults faults = { 0 };

	memory_check(&plan, 200 << 20, &faults);
	assert_int_equal(faults.n, 0);
	memory_check(&plan, 199 << 20, &faults);
	assert_int_equal(faults.n, 1);
	assert_true(faults.list[0].warning);
	assert_string_equal(faults.list[0].path, "limits");
	assert_string_equal(faults.list[0].text,
		"200 MiB of hugepages are planned, free are 199 MiB: reserve them with "
		"scripts/bind-nic hugepages 200M, lower \"limits\", or do without: -- --no-huge");
	faults_free(&faults);
}

/* 2,000 pools of 8 servers and as many services: nothing is quadratic enough to be felt. */
static void test_many(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "{'workers': [1], 'control': 0, " PORTS ", 'pools': [");
	for (unsigned int i = 0; i < 2000; i++) {
		fprintf(f, "%s{'name': 'p%u', 'servers': [", i ? "," : "", i);
		for (unsigned int j = 0; j < 8; j++)
			fprintf(f, "%s{'name': 's%u', 'address': '10.1.%u.%u'}", j ? "," : "", j,
				i / 20, i % 20 * 8 + j + 1);
		fprintf(f, "]}");
	}
	fprintf(f, "], 'services': [");
	for (unsigned int i = 0; i < 2000; i++)
		fprintf(f,
			"%s{'name': 'x%u', 'pool': 'p%u', 'mode': 'nat', 'address': "
			"'192.0.2.%u:%u'}",
			i ? "," : "", i, i, 2 + i % 200, 1000 + i);
	fprintf(f, "]}");
	fclose(f);
	struct config *c = read_good(text);
	assert_int_equal(c->model.n_services, 2000);
	config_free(c);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_syn_proxy),
		cmocka_unit_test(test_new_flows),
		cmocka_unit_test(test_encapsulation),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_connection_log),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_access),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_short),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

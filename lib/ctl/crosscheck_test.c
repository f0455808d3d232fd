/* SPDX-License-Identifier: BSD-3-Clause */
/* Configurations whose values are right one by one but do not fit together, and what is worth a
 * warning. */
#include "config_test.h"

static const struct bad_case cases[] = {
	{ AROUND("'pools': [{'name': 'web', 'check': {'type': 'http', 'request': 'HEAD /', "
		 "'interval': "
		 "'2s', 'rise': 2, 'fall': 3}, 'servers': [{'name': 'a', 'address': '10.0.0.11', "
		 "'check': {'type': 'tcp'}}]}]"),
		"warning: pools[0].check: health checks are not carried out by this version: "
		"servers count as up\n"
		"warning: pools[0].servers[0].check: health checks are not carried out by this "
		"version: servers count as up\n" },
	{ AROUND("'pools': [{'name': 'web', 'check': {'type': 'htpp', 'rise': 0}}]"),
		"pools[0].check.type: \"htpp\"; needed is \"icmp\", \"tcp\", \"http\", \"https\" "
		"or "
		"\"tls\"; did you mean \"http\"?\n"
		"pools[0].check.rise: 0; needed is an integer from 1 to 100\n"
		"warning: pools[0].check: health checks are not carried out by this version: "
		"servers count as up\n" },
	{ "{'workers': [0, 1], 'control': 1, " PORTS "}",
		"control: core 1 is a worker too (workers[1]); the control core needs one of "
		"its own\n" },
	{ "{'workers': [1, 2, 1], 'control': 0, " PORTS "}",
		"workers[2]: core 1 is workers[0] already; each worker has a core of its "
		"own\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': 'af_packet:w', "
	  "'kernel': {'interface': 'w'}}, {'name': 'lan', 'device': 'af_packet:l', 'kernel': "
	  "{'interface': 'fl'}}, {'name': 'dmz', 'device': 'af_packet:d', 'kernel': "
	  "{'interface': 'fl'}}]}",
		"ports[0].kernel.interface: \"w\" is the interface of device \"af_packet:w\"; the "
		"kernel's share needs a name of its own\n"
		"ports[2].kernel.interface: \"fl\" is the interface of ports[1] already\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': 'af_packet:w', "
	  "'kernel': {'interface': 'sixteen-letters-', 'rate': 99}}]}",
		"ports[0].kernel.interface: interface name \"sixteen-letters-\" has 16 characters, "
		"at "
		"most 15 are possible\n"
		"ports[0].kernel.rate: 99; needed is an integer from 100 to 1000000\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': 'af_packet:w', "
	  "'addresses': ['192.0.2.1/24'], 'kernel': {'interface': 'fl'}}, {'name': 'dmz', "
	  "'device': 'af_packet:d', 'addresses': ['172.16.0.1/24']}], 'gateway': {'masquerade': "
	  "[{'from': '10.0.0.0/24', 'port': 'dmz'}, {'from': '10.0.1.0/24', 'port': 'wan', "
	  "'sources': ['192.0.2.2']}, {'from': '10.0.2.0/24', 'port': 'wan'}]}}",
		"warning: gateway.masquerade[2]: servers get the address of ports[0], with which "
		"the kernel (fl) speaks too: both may choose the same local port; give "
		"\"sources\"\n" },
	{ AROUND("'idle': {'sleep-min': '1ms', 'sleep-max': '10us'}"),
		"idle.sleep-min: longer than sleep-max (1000 us > 10 us)\n" },
	{ "{'workers': [1], 'control': 0, 'idle': {'sleep-max': '60ms'}, 'ports': [{'name': "
	  "'wan', 'device': 'bond:lacp,af_packet:a,af_packet:b'}]}",
		"idle.sleep-max: 60000 us; at most 50000 with a bond of mode lacp "
		"(\"bond:lacp,af_packet:a,af_packet:b\"), whose messages wait for a worker that is "
		"awake\n" },
	{ AROUND("'limits': {'hold': 16}"),
		"limits.hold-each: 64 is more than all that may be held (hold, 16)\n" },
	{ AROUND("'limits': {'packets': 4096, 'fragments': 2049}"),
		"limits.fragments: 2049 is more than half of the packets (4096): nothing would be "
		"left to receive with\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'vlan': 1}, {'name': 'wan', 'device': 'af_packet:w', "
	  "'vlan': 2}]}",
		"ports[1].name: \"wan\" is the name of another one already, see ports[0]\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w'}, {'name': 'lan', 'device': 'af_packet:w'}]}",
		"ports[1].device: the device is already port \"wan\"; several ports on a "
		"device need a \"vlan\" each\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'addresses': ['192.0.2.1/24'], 'gateways': "
	  "['198.51.100.1']}]}",
		"ports[0].gateways[0]: 198.51.100.1 is in no network of port \"wan\"; a "
		"gateway must be reached directly\n" },
	{ AROUND("'routes': [{'to': '10.1.0.0/16', 'port': 'lam', 'via': '10.0.0.2'}]"),
		"routes[0].port: no port is called \"lam\"; did you mean \"lan\"?\n" },
	{ AROUND("'routes': [{'to': '10.1.0.0/16', 'via': '172.16.0.1'}]"),
		"routes[0].via: 172.16.0.1 is in no network of any port; a next hop must be "
		"reached directly\n" },
	{ AROUND("'routes': [{'to': '10.1.0.0/16'}]"),
		"routes[0].port: missing; a route without \"via\" needs a port\n" },
	{ AROUND("'routes': [{'to': '2001:db8:9::/48', 'via': '10.0.0.2'}]"),
		"routes[0].via: 10.0.0.2 is not of the family of the route; an IPv6 address "
		"is needed\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '10.0.0.11:80'}, {'name': 'b', 'address': "
			 "'10.0.0.11:80'}, {'name': 'c', 'address': '10.0.0.11:81'}")),
		"warning: pools[0].servers[1].address: 10.0.0.11:80 is servers[0] already: "
		"the machine gets the share of both\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '10.0.0.11:80', 'weight': 0}")),
		"warning: pools[0].servers: all weights are 0: no server takes new flows\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '10.0.0.1:80'}")),
		"pools[0].servers[0].address: 10.0.0.1 is the balancer's own address; the "
		"address of a server is needed\n" },
	{ AROUND(SERVERS(
		  "{'name': 'a', 'address': '10.0.0.11'}, {'name': 'a', 'address': '10.0.0.12'}")),
		"pools[0].servers[1].name: \"a\" is the name of another one already, see "
		"pools[0].servers[0]\n" },
	{ AROUND("'pools': [{'name': 'web'}, {'name': 'dns'}, {'name': 'web'}]"),
		"pools[2].name: \"web\" is the name of another one already, see pools[0]\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'dr', 'address': '192.0.2.10:8080'")),
		"services[0].mode: in mode dr packets arrive with the client's port, so "
		"server \"a\" (10.0.0.11:80) of pool \"web\" cannot be asked on port 80; "
		"leave the servers' ports out, or use mode nat\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'dr', 'address': '192.0.2.10:80-81'")),
		"services[0].mode: in mode dr packets arrive with the client's port, so "
		"server \"a\" (10.0.0.11:80) of pool \"web\" cannot be asked on port 80; "
		"leave the servers' ports out, or use mode nat\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'dr', 'address': ['192.0.2.10:80', '192.0.2.11:*']")),
		"services[0].mode: in mode dr packets arrive with the client's port, so "
		"server \"a\" (10.0.0.11:80) of pool \"web\" cannot be asked on port 80; "
		"leave the servers' ports out, or use mode nat\n" },
	{ AROUND(SERVERS(
		  "{'name': 'a', 'address': '10.0.0.11:81'}, {'name': 'b', 'address': "
		  "'10.0.0.12:82'}, {'name': 'c', 'address': '10.0.0.13'}") ", " SERVICE("'mode': "
											 "'dr', "
											 "'address'"
											 ": "
											 "'192.0.2."
											 "10:80'")),
		"services[0].mode: in mode dr packets arrive with the client's port, so "
		"server \"a\" (10.0.0.11:81) and 1 more of pool \"web\" cannot be asked on "
		"port 81; leave the servers' ports out, or use mode nat\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '172.16.0.11'}") ", " SERVICE(
		  "'mode': 'dr', 'address': '192.0.2.10:80'")),
		"warning: services[0].mode: server \"a\" (172.16.0.11) of pool \"web\" is in "
		"no network of a port; in mode dr a server must be a neighbour, not behind a "
		"router\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'tunnel', 'address': '192.0.2.10:8080'")),
		"services[0].mode: in mode tunnel packets arrive with the client's port, so "
		"server \"a\" (10.0.0.11:80) of pool \"web\" cannot be asked on port 80; "
		"leave the servers' ports out, or use mode nat\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'addresses': ['192.0.2.1/24']}], " SERVERS(
		  "{'name': 'a', 'address': '2001:db8:2::11'}") ", " SERVICE("'mode': 'tunnel', "
									     "'address': "
									     "'192.0.2.10:80'") "}",
		"warning: services[0].mode: no port that leads to server \"a\" "
		"(2001:db8:2::11) of pool \"web\" has an IPv6 address, which packets there "
		"would come from; give it one, or name one in the pool's \"sources\"\n" },
	{ AROUND("'pools': [{'name': 'web', 'sources': ['fd00::5'], 'servers': "
		 "[{'name': 'a', 'address': '2001:db8:2::11'}]}], " SERVICE(
			 "'mode': 'tunnel', 'address': '192.0.2.10:80'")),
		"" },
	{ AROUND(POOL ", " SERVICE(
		  "'mode': 'nat', 'encapsulation': 'gue', 'address': '192.0.2.10:80'")),
		"warning: services[0].encapsulation: without effect: the service is of mode "
		"nat, not tunnel\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': '[2001:db8:1::10]:80'")),
		"services[0].pool: server \"a\" (10.0.0.11:80) of pool \"web\" is IPv4, and "
		"the service has an IPv6 address; mode nat needs servers of the family of all "
		"addresses: make a service and a pool for each family, or use mode fullnat, which "
		"gives IPv6 clients IPv4 servers\n" },
	{ AROUND(POOL ", " SERVICE(
		  "'mode': 'nat', 'address': ['192.0.2.10:80', '[2001:db8:1::10]:80']")),
		"services[0].pool: server \"a\" (10.0.0.11:80) of pool \"web\" is IPv4, and "
		"the service has an IPv6 address; mode nat needs servers of the family of all "
		"addresses: make a service and a pool for each family, or use mode fullnat, which "
		"gives IPv6 clients IPv4 servers\n" },
	{ AROUND(POOL ", " SERVICE(
		  "'mode': 'fullnat', 'address': ['192.0.2.10:80', '[2001:db8:1::10]:80']")),
		"" },
	{ AROUND("'pools': [{'name': 'web', 'servers': [{'name': 'a', 'address': "
		 "'2001:db8:2::11'}]}], " SERVICE("'mode': 'fullnat', 'address': "
						  "['[2001:db8:1::10]:80', '192.0.2.10:80']")),
		"services[0].pool: server \"a\" (2001:db8:2::11) of pool \"web\" is IPv6, and the "
		"service has an IPv4 address; mode fullnat gives IPv6 clients IPv4 servers, but "
		"never IPv4 clients IPv6 ones: make a service and a pool for each family\n"
		"warning: services[0].mode: mode fullnat speaks to servers from an address of its "
		"own, "
		"and for server \"a\" (2001:db8:2::11) of pool \"web\" there is no IPv6 one; give "
		"the "
		"pool \"sources\", or the port that leads there an address\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': '198.51.100.10:80'")),
		"warning: services[0].address: 198.51.100.10 is in no network of a port: "
		"nobody will ask for it by ARP or ND, so a router must send it here\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': ['192.0.2.10:80', '203.0.113.1:*']")),
		"warning: services[0].address[1]: 203.0.113.1 is in no network of a port: "
		"nobody will ask for it by ARP or ND, so a router must send it here\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': '10.0.0.10:80'")),
		"warning: services[0].mode: mode nat with one arm: server \"a\" "
		"(10.0.0.11:80) of pool \"web\" can answer clients on its own network "
		"directly, past the balancer, and those connections fail; put the servers on "
		"a network of their own, with the balancer as their gateway\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'addresses': ['10.0.0.1/24', '192.0.2.1/24']}], " POOL
	  ", " SERVICE("'mode': 'nat', 'address': '192.0.2.10:80'") "}",
		"warning: services[0].mode: mode nat with one arm: server \"a\" "
		"(10.0.0.11:80) of pool \"web\" can answer clients on its own network "
		"directly, past the balancer, and those connections fail; put the servers on "
		"a network of their own, with the balancer as their gateway\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': '192.0.2.10:80'")), "" },
	{ AROUND("'pools': [{'name': 'web'}], " SERVICE(
		  "'mode': 'nat', 'address': '192.0.2.10:80'")),
		"warning: services[0].pool: pool \"web\" has no servers\n" },
	{ AROUND("'pools': [{'name': 'wob'}], " SERVICE(
		  "'mode': 'nat', 'address': '192.0.2.10:80'")),
		"services[0].pool: no pool is called \"web\"; did you mean \"wob\"?\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '192.0.2.10'}") ", " SERVICE(
		  "'mode': 'dr', 'address': '192.0.2.10:80'")),
		"pools[0].servers[0].address: 192.0.2.10 is a virtual address of a service; "
		"the address of a server is needed\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': ['192.0.2.10:80', '192.0.2.10:80']")),
		"services[0].address[1]: port 80 of 192.0.2.10: taken already by "
		"services[0].address[0] (\"web\")\n" },
	{ AROUND(POOL
		  ", " SERVICE("'mode': 'nat', 'address': ['192.0.2.10:80-90', '192.0.2.10:85']")),
		"" },
	{ AROUND(POOL ", 'services': [{'name': 'web', 'pool': 'web', 'mode': 'nat', 'address': "
		      "'192.0.2.10:80'}, {'name': 'web', 'pool': 'web', 'mode': 'nat', "
		      "'address': ['192.0.2.10:80']}]"),
		"services[1].name: \"web\" is the name of another one already, see "
		"services[0]\n"
		"services[1].address[0]: port 80 of 192.0.2.10: taken already by "
		"services[0].address (\"web\")\n" },
	{ AROUND("'pools': [{'name': 'web', 'sources': ['10.0.0.1', '10.0.0.5', 'fd00::5'], "
		 "'servers': [{'name': 'a', 'address': '10.0.0.11', 'sources': []}]}]"),
		"" },
	{ AROUND("'pools': [{'name': 'web', 'sources': ['224.0.0.1', '10.0.0.5', 'fe80::5', "
		 "'10.0.0.5', '192.0.2.10', '10.0.0.11', '172.16.0.1'], 'servers': [{'name': 'a', "
		 "'address': '10.0.0.11', 'sources': ['192.0.2.10']}]}], " SERVICE(
			 "'mode': 'nat', 'address': '192.0.2.10:80'")),
		"pools[0].sources[0]: 224.0.0.1 is a multicast address; an address of a host is "
		"needed\n"
		"pools[0].sources[2]: fe80::5 is a link-local address; one that is the same on "
		"every link is needed\n"
		"pools[0].sources[3]: 10.0.0.5 is pools[0].sources[1] already\n"
		"pools[0].sources[4]: 192.0.2.10 is a virtual address of a service, where "
		"packets are taken for clients'; another address is needed\n"
		"pools[0].sources[5]: 10.0.0.11 is the address of a server; an address of the "
		"balancer is needed\n"
		"warning: pools[0].sources[6]: 172.16.0.1 is in no network of a port: nobody "
		"will ask for it by ARP or ND, so a router must send it here\n"
		"pools[0].servers[0].sources[0]: 192.0.2.10 is a virtual address of a service, "
		"where packets are taken for clients'; another address is needed\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'dr', 'address': ['192.0.2.64/26:80', "
				   "'[2001:db8:1:0:8000::/65]:80']")),
		"services[0].pool: server \"a\" (10.0.0.11:80) of pool \"web\" is IPv4, and the "
		"service has an IPv6 address; mode dr needs servers of the family of all "
		"addresses: make a service and a pool for each family, or use mode fullnat, which "
		"gives IPv6 clients IPv4 servers\n" },
	{ AROUND("'routes': [{'to': '172.16.0.0/12', 'via': '192.0.2.200'}], " POOL
		 ", " SERVICE("'mode': 'nat', 'address': ['192.0.0.0/16:80', '192.0.2.192/26:80', "
			      "'10.0.0.0/28:80']")),
		"pools[0].servers[0].address: 10.0.0.11 is a virtual address of a service; the "
		"address of a server is needed\n"
		"services[0].address[0]: 192.0.0.0/16 takes in 192.0.2.0/24, the network of "
		"ports[0]: all neighbours there would be virtual addresses; a network beside it, "
		"or a smaller part of it, is needed\n"
		"services[0].address[0]: 192.0.0.0/16 takes in 192.0.2.200, the router of "
		"routes[0]; a network without it is needed\n"
		"warning: services[0].address[0]: 192.0.0.0/16 is in no network of a port: nobody "
		"will ask for it by ARP or ND, so a router must send it here\n"
		"services[0].address[1]: 192.0.2.192/26 takes in 192.0.2.200, the router of "
		"routes[0]; a network without it is needed\n"
		"warning: services[0].mode: mode nat with one arm: server \"a\" (10.0.0.11:80) of "
		"pool \"web\" can answer clients on its own network directly, past the balancer, "
		"and those connections fail; put the servers on a network of their own, with the "
		"balancer as their gateway\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': ['0.0.0.0/0:80', "
				   "'[2001:db8::/31]:80', '203.0.113.1/24:80']")),
		"services[0].address[0]: 0.0.0.0/0 is too large a network; needed is a /8 at most "
		"of IPv4, a /32 of IPv6\n"
		"services[0].address[1]: 2001:db8::/31 is too large a network; needed is a /8 at "
		"most of IPv4, a /32 of IPv6\n"
		"services[0].address[2]: \"203.0.113.1/24:80\"; needed is an address with ports "
		"such as \"192.0.2.10:80\", \"192.0.2.10:8000-8010\", \"192.0.2.10:*\", "
		"\"[2001:db8::10]:80\" or, for a whole network, \"203.0.113.0/24:80\"\n" },
	{ AROUND("'pools': [{'name': 'web', 'sources': ['10.0.0.5', '192.0.2.77'], 'servers': "
		 "[{'name': 'a', 'address': '10.0.0.11'}]}], " SERVICE(
			 "'mode': 'nat', 'address': '192.0.2.64/26:80'")),
		"pools[0].sources[1]: 192.0.2.77 is a virtual address of a service, where "
		"packets are taken for clients'; another address is needed\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'fullnat', 'address': '192.0.2.10:80'")), "" },
	/* On the clients' network, with one arm: what the mode is for. */
	{ AROUND(SERVERS("{'name': 'a', 'address': '192.0.2.11'}") ", " SERVICE(
		  "'mode': 'fullnat', 'client-address': 'toa', 'address': '192.0.2.10:80'")),
		"" },
	/* Each server needs an address of its family to be spoken to from. */
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'addresses': ['2001:db8:1::1/64']}, {'name': 'lan', 'device': "
	  "'af_packet:l'}], 'routes': [{'to': 'fd00::/64', 'port': 'lan'}, {'to': "
	  "'2001:db8:9::/48', 'via': '2001:db8:1::fe'}], "
	  "'pools': [{'name': 'web', 'servers': [{'name': 'a', 'address': 'fd00::11'}, "
	  "{'name': 'b', 'address': 'fd00::12', 'sources': ['2001:db8:1::5', '10.0.0.1']}, "
	  "{'name': 'c', 'address': '2001:db8:9::1'}, "
	  "{'name': 'd', 'address': 'fd00::13', 'sources': ['2001:db8:1::6']}, "
	  "{'name': 'e', 'address': 'fd00::14'}]}], " SERVICE(
		  "'mode': 'fullnat', 'address': '[2001:db8:1::10]:80'") "}",
		"warning: pools[0].servers[1].sources[1]: 10.0.0.1 is in no network of a port: "
		"nobody will ask for it by ARP or ND, so a router must send it here\n"
		"warning: services[0].mode: mode fullnat speaks to servers from an address of "
		"its own, and for server \"a\" (fd00::11) and 1 more of pool \"web\" there is "
		"no IPv6 one; give the pool \"sources\", or the port that leads there an "
		"address\n" },
	{ AROUND(POOL ", " SERVICE(
		  "'mode': 'nat', 'client-address': 'toa', 'address': '192.0.2.10:80'")),
		"services[0].client-address: in mode nat servers see the client's own address; "
		"leave this out, or use mode fullnat\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'fullnat', 'protocol': 'udp', 'client-address': "
				   "'toa', 'address': '192.0.2.10:80'")),
		"services[0].client-address: toa is an option of TCP, and the service's "
		"protocol is udp; leave this out\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'dr', 'syn-proxy': {}, 'address': '192.0.2.10:80'")),
		"services[0].syn-proxy: in mode dr servers answer clients by themselves, so that "
		"nobody else can shake hands for them; leave this out, or use mode nat or "
		"fullnat\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'dr', 'connection-log': true, 'address': "
				   "'192.0.2.10:80'")),
		"warning: services[0].connection-log: without effect: connections of mode dr are "
		"not logged\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'protocol': 'udp', 'syn-proxy': {'mode': "
				   "'always'}, 'address': '192.0.2.10:80'")),
		"services[0].syn-proxy: SYNs are TCP's, and the service's protocol is udp; leave "
		"this out\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'persistence': {}, 'address': '192.0.2.10:80'")),
		"warning: services[0].persistence.timeout: 300 s is shorter than what a connection "
		"may be idle (tcp-established, 900 s): a client can lose its server while it is "
		"connected to it\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'persistence': {'timeout': '1h'}, 'address': "
				   "'192.0.2.10:80'")),
		"" },
	{ AROUND(POOL
		  ", 'services': [{'name': 'a', 'pool': 'web', 'mode': 'nat', 'address': "
		  "'192.0.2.10:80', 'persistence': {'timeout': '1h', 'group': 'g'}}, {'name': 'b', "
		  "'pool': 'web', 'mode': 'nat', 'address': '192.0.2.10:443', 'persistence': "
		  "{'timeout': '2h', 'group': 'g'}}, {'name': 'c', 'pool': 'web', 'mode': 'nat', "
		  "'address': '192.0.2.10:444', 'persistence': {'timeout': '1h', 'group': 'g', "
		  "'prefix': 24}}]"),
		"warning: services[1].persistence: time-out 7200 s; service \"a\" of the same "
		"group \"g\" has 3600 s, and the one used last counts\n"
		"services[2].persistence: prefixes 24 and 128; service \"a\" of the same group "
		"\"g\" has 32 and 128, and what they share is found by one prefix only\n" },
	{ AROUND("'pools': [{'name': 'web', 'when-full': 'refuse', 'backup': 'c'}, {'name': 'b', "
		 "'backup': 'c', 'max-connections': 5, 'when-full': 'refuse', 'servers': "
		 "[{'name': 'a', 'address': '10.0.0.11'}]}, {'name': 'c', 'backup': 'b'}, {'name': "
		 "'d', 'backup': 'd'}, {'name': 'e', 'backup': 'wev'}]"),
		"warning: pools[0].when-full: without effect: no server of the pool has "
		"\"max-connections\"\n"
		"pools[4].backup: no pool is called \"wev\"; did you mean \"web\"?\n"
		"pools[1].backup: backups go round in a circle: \"b\" -> \"c\" -> \"b\"\n"
		"pools[3].backup: backups go round in a circle: \"d\" -> \"d\"\n" },
	{ AROUND("'pools': [{'name': 'web', 'backup': 'six', 'servers': [{'name': 'a', 'address': "
		 "'10.0.0.11'}]}, {'name': 'six', 'servers': [{'name': 'b', 'address': "
		 "'2001:db8:2::11'}]}], " SERVICE("'mode': 'nat', 'address': '192.0.2.10:80'")),
		"services[0].pool: server \"b\" (2001:db8:2::11) of pool \"six\" is IPv6, and "
		"the service has an IPv4 address; mode nat needs servers of the family of all "
		"addresses: make a service and a pool for each family\n" },
	/* Lists: twice, in both, wrong, in several ways to write. */
	{ AROUND(POOL ", 'access': {'allow': ['10.0.0.0/8', '2001:DB8::/32', '10.0.0.0/33'], "
		      "'deny': ['2001:db8:0::/32', '192.0.2.7', '192.0.2.7/32']}, " SERVICE(
			      "'mode': 'nat', 'address': '192.0.2.10:80', 'access': {'deny': "
			      "['192.0.2.1/24', 5, '192.0.2.7'], 'other': 'deny'}")),
		"access.allow[2]: \"10.0.0.0/33\"; needed is a network such as "
		"\"198.51.100.0/24\" or \"2001:db8::/32\", without bits beyond its length\n"
		"services[0].access.deny[0]: \"192.0.2.1/24\"; needed is a network such as "
		"\"198.51.100.0/24\" or \"2001:db8::/32\", without bits beyond its length\n"
		"services[0].access.deny[1]: 5; needed is a network such as "
		"\"198.51.100.0/24\" or \"2001:db8::/32\", without bits beyond its length\n"
		"services[0].access.other: unknown key; did you mean \"others\"?\n"
		"access.deny[2]: 192.0.2.7/32 is in the list already, see access.deny[1]\n"
		"access.deny[0]: 2001:db8::/32 is both allowed and denied, see access.allow[1]\n" },
	/* What a list means. */
	{ AROUND(POOL ", 'access': {'allow': []}, " SERVICE(
		  "'mode': 'nat', 'address': '192.0.2.10:80', 'access': {'others': 'allow', "
		  "'allow': ['10.0.0.0/8']}")),
		"warning: access: lets nobody in: nothing is allowed, and others are denied\n"
		"warning: services[0].access: without effect: others are allowed as well, and "
		"nothing is denied\n" },
	{ AROUND(POOL ", 'access': {'allow': ['10.0.0.0/8', '2001:db8::/32']}, " SERVICE(
		  "'mode': 'fullnat', 'address': ['192.0.2.10:80', '[2001:db8:1::10]:80'], "
		  "'access': {'allow': ['10.0.0.0/8']}")),
		"warning: services[0].access.allow: no IPv6 prefix, and the service has an IPv6 "
		"address: nobody gets in there\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'fullnat', 'address': ['192.0.2.10:80', "
				   "'[2001:db8:1::10]:80'], 'access': {'others': 'allow', "
				   "'allow': ['10.1.0.0/16'], 'deny': ['10.0.0.0/8']}")),
		"" },
	{ AROUND(POOL ", 'source-rate': {'connections': 5000, 'burst': 6}, " SERVICE(
		  "'mode': 'nat', 'address': '192.0.2.10:80', 'source-rate': {'burst': 0, "
		  "'prefix': 33}")),
		"services[0].source-rate.burst: 0; needed is an integer from 1 to 1000000\n"
		"services[0].source-rate.prefix: 33; needed is an integer from 0 to 32\n"
		"services[0].source-rate.connections: missing; needed is an integer from 1 to "
		"1000000\n"
		"warning: source-rate.burst: 6, and time is told by the millisecond: 5000 a second "
		"are not reached; 7 would be enough\n" },
	/* Headers and monitors: twice, for nobody, where they do nothing. */
	{ AROUND("'pools': [{'name': 'web', 'proxy-header': 'v2', 'backup': 'spare', 'servers': "
		 "[{'name': 'a', 'address': '10.0.0.11'}]}, {'name': 'spare', 'servers': [{'name': "
		 "'b', 'address': '10.0.0.12', 'proxy-header': 'v1'}]}, {'name': 'none', "
		 "'proxy-header': 'v1'}, {'name': 'x', 'servers': [{'name': 'c', 'address': "
		 "'10.0.0.13'}, {'name': 'd', 'address': '10.0.0.14', 'proxy-header': 'v1'}]}], "
		 "'services': [{'name': 'a', 'pool': 'web', 'mode': 'tcp', 'address': "
		 "'192.0.2.10:80'}, {'name': 'b', 'pool': 'x', 'mode': 'fullnat', 'address': "
		 "'192.0.2.10:81', 'proxy': {'monitor': ['10.0.0.1']}}]"),
		"warning: services[1].proxy: without effect: the service is of mode fullnat, not "
		"tcp\n"
		"warning: pools[3].proxy-header: without effect: no service of mode tcp uses the "
		"pool\n" },
	{ AROUND(POOL ", " SERVICE(
		  "'mode': 'tcp', 'address': '192.0.2.10:80', 'proxy': {'accept-header': "
		  "{'trusted': ['10.1.0.0/16', '192.0.2.7', '10.1.0.0/16', '2001:db8::/33']}, "
		  "'monitor': ['10.0.0.0/8', '192.0.2.7', '192.0.2.7/32', '2001:db8::/34']}")),
		"warning: services[0].proxy.accept-header.trusted[0]: without effect: \"monitor\" "
		"holds it, and their connections are closed\n"
		"warning: services[0].proxy.accept-header.trusted[1]: without effect: \"monitor\" "
		"holds it, and their connections are closed\n"
		"warning: services[0].proxy.accept-header.trusted[2]: without effect: \"monitor\" "
		"holds it, and their connections are closed\n"
		"services[0].proxy.accept-header.trusted[2]: 10.1.0.0/16 is in the list already, "
		"see services[0].proxy.accept-header.trusted[0]\n"
		"services[0].proxy.monitor[2]: 192.0.2.7/32 is in the list already, see "
		"services[0].proxy.monitor[1]\n" },
	{ AROUND(POOL
		  ", " SERVICE("'mode': 'tcp', 'address': '192.0.2.10:80', 'proxy': "
			       "{'accept-header': {'trusted': []}, 'monitor': ['10.0.0.1/8']}")),
		"services[0].proxy.accept-header.trusted: 0 elements; needed is at least 1\n"
		"services[0].proxy.monitor[0]: \"10.0.0.1/8\"; needed is a network such as "
		"\"198.51.100.0/24\" or \"2001:db8::/32\", without bits beyond its length\n" },
	/* What the schema refused already is passed over. */
	{ AROUND(POOL ", " SERVICE("'mode': 'net', 'address': '[2001:db8:1::10]:80'")),
		"services[0].mode: \"net\"; needed is \"dr\", \"nat\", \"fullnat\", \"tunnel\" or "
		"\"tcp\"; "
		"did you mean "
		"\"nat\"?\n" },
};

static void test_cases(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_case(&cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

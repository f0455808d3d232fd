/* SPDX-License-Identifier: BSD-3-Clause */
/* What the schema of the configuration refuses, value by value, and whether the schema itself is in
 * order. */
#include "config_test.h"
#include "format.h"
#include "schema.h"

static const struct bad_case cases[] = {
	{ "[]", ": a list; needed is an object\n" },
	{ "{}", "workers: missing; needed is a list, each element an integer from 0 to 1023\n"
		"ports: missing; needed is a list of objects\n" },
	{ "{'workers': 1, 'control': 0, " PORTS "}",
		"workers: 1; needed is a list, each element an integer from 0 to 1023\n" },
	{ "{'workers': [], 'control': 0, " PORTS "}",
		"workers: 0 elements; needed is at least 1\n" },
	{ "{'workers': [-1], 'control': 0, " PORTS "}",
		"workers[0]: -1; needed is an integer from 0 to 1023\n" },
	{ "{'workers': [1.5], 'control': 0, " PORTS "}",
		"workers[0]: 1.5; needed is an integer from 0 to 1023\n" },
	{ "{'workers': ['1'], 'control': 0, " PORTS "}",
		"workers[0]: \"1\"; needed is an integer from 0 to 1023\n" },
	{ "{'workers': [2000], 'control': 0, " PORTS "}",
		"workers[0]: 2000; needed is an integer from 0 to 1023\n" },
	{ "{'workers': [1], 'control': true, " PORTS "}",
		"control: true; needed is an integer from 0 to 1023\n" },
	{ "{'workers': [1], 'control': 0, 'ports': []}",
		"ports: 0 elements; needed is at least 1\n" },
	{ "{'workers': [1], 'control': 0, 'ports': {}}",
		"ports: an object; needed is a list of objects\n" },
	{ "{'workers': [1], 'control': 0, 'ports': ['wan']}",
		"ports[0]: \"wan\"; needed is an object\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{}]}",
		"ports[0].name: missing; needed is a name of letters, digits, \".\", \"_\" or "
		"\"-\" that begins with a letter or digit, at most 31 characters\n"
		"ports[0].device: missing; needed is a device such as \"0000:3b:00.0\" or "
		"\"af_packet:eth1\"\n" },
	{ AROUND("'worker': 3"), "worker: unknown key; did you mean \"workers\"?\n" },
	{ AROUND("'color': 'red'"),
		"color: unknown key; possible here is \"workers\", \"control\", \"ports\", "
		"\"routes\", \"pools\", \"services\", \"access\", \"source-rate\", \"gateway\", "
		"\"connection-log\", \"timeouts\", \"new-flows\", \"limits\", "
		"\"steering\", \"idle\", "
		"\"fragments\", \"neighbour\", \"control-socket\", \"cluster-key\" or "
		"\"state\"\n" },
	{ AROUND("'a b\\u0001': 1"),
		"[\"a b\\u0001\"]: unknown key; possible here is \"workers\", \"control\", "
		"\"ports\", \"routes\", \"pools\", \"services\", \"access\", \"source-rate\", "
		"\"gateway\", \"connection-log\", \"timeouts\", \"new-flows\", "
		"\"limits\", "
		"\"steering\", \"idle\", \"fragments\", \"neighbour\", \"control-socket\", "
		"\"cluster-key\" or "
		"\"state\"\n" },
	{ AROUND("'': 1"),
		"[\"\"]: unknown key; possible here is \"workers\", \"control\", \"ports\", "
		"\"routes\", \"pools\", \"services\", \"access\", \"source-rate\", \"gateway\", "
		"\"connection-log\", \"timeouts\", \"new-flows\", \"limits\", "
		"\"steering\", \"idle\", "
		"\"fragments\", \"neighbour\", \"control-socket\", \"cluster-key\" or "
		"\"state\"\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'vlan': 0}]}",
		"ports[0].vlan: 0; needed is an integer from 1 to 4094\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'vlan': 4095}]}",
		"ports[0].vlan: 4095; needed is an integer from 1 to 4094\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'vlan': '5'}]}",
		"ports[0].vlan: \"5\"; needed is an integer from 1 to 4094\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'mtu': 100}]}",
		"ports[0].mtu: 100; needed is an integer from 576 to 9216\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'mtu': 70000}]}",
		"ports[0].mtu: 70000; needed is an integer from 576 to 9216\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'addresses': '192.0.2.1/24'}]}",
		"ports[0].addresses: \"192.0.2.1/24\"; needed is a list, each element an "
		"address with the length of its network such as \"192.0.2.1/24\" or "
		"\"2001:db8::1/64\"\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'addresses': ['192.0.2.1']}]}",
		"ports[0].addresses[0]: \"192.0.2.1\"; needed is an address with the length "
		"of its network such as \"192.0.2.1/24\" or \"2001:db8::1/64\"\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'addresses': ['192.0.2.1/33']}]}",
		"ports[0].addresses[0]: \"192.0.2.1/33\"; needed is an address with the "
		"length of its network such as \"192.0.2.1/24\" or \"2001:db8::1/64\"\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'addresses': ['192.0.2.300/24', 7]}]}",
		"ports[0].addresses[0]: \"192.0.2.300/24\"; needed is an address with the "
		"length of its network such as \"192.0.2.1/24\" or \"2001:db8::1/64\"\n"
		"ports[0].addresses[1]: 7; needed is an address with the length of its "
		"network such as \"192.0.2.1/24\" or \"2001:db8::1/64\"\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'gateways': ['192.0.2.0/24']}]}",
		"ports[0].gateways[0]: \"192.0.2.0/24\"; needed is an address such as "
		"\"192.0.2.1\" or \"2001:db8::1\"\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'gateway': '192.0.2.254'}]}",
		"ports[0].gateway: unknown key; did you mean \"gateways\"?\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:w', 'gateways': ['192.0.2.1', '192.0.2.2', '192.0.2.3']}]}",
		"ports[0].gateways: 3 elements; possible is at most 2\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'w n', 'device': "
	  "'af_packet:w'}]}",
		"ports[0].name: \"w n\"; needed is a name of letters, digits, \".\", \"_\" or "
		"\"-\" that begins with a letter or digit, at most 31 characters\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': '', 'device': "
	  "'af_packet:w'}]}",
		"ports[0].name: \"\"; needed is a name of letters, digits, \".\", \"_\" or "
		"\"-\" that begins with a letter or digit, at most 31 characters\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': "
	  "'a234567890123456789012345678901234567890', 'device': 'af_packet:w'}]}",
		"ports[0].name: 40 characters; possible is at most 31\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan'}]}",
		"ports[0].device: missing; needed is a device such as \"0000:3b:00.0\" or "
		"\"af_packet:eth1\"\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': ''}]}",
		"ports[0].device: \"\" is no device; a device is a PCI address "
		"(0000:3b:00.0), af_packet:IFACE, af_xdp:IFACE, tap:NAME, "
		"memif:PATH[,role=server], ring:NAME, pcap:IN[,OUT], bond:MODE,DEVICE,DEVICE "
		"or a vdev string of DPDK "
		"(net_...)\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': "
	  "'af_packet:averylonginterfacename'}]}",
		"ports[0].device: interface name \"averylonginterfacename\" has 22 "
		"characters, at most 15 are possible\n" },
	{ "{'workers': [1], 'control': 0, 'ports': [{'name': 'wan', 'device': 'eth0'}]}",
		"ports[0].device: \"eth0\" is no device; a device is a PCI address "
		"(0000:3b:00.0), af_packet:IFACE, af_xdp:IFACE, tap:NAME, "
		"memif:PATH[,role=server], ring:NAME, pcap:IN[,OUT], bond:MODE,DEVICE,DEVICE "
		"or a vdev string of DPDK "
		"(net_...)\n" },
	{ AROUND("'routes': [{}]"),
		"routes[0].to: missing; needed is a network such as \"198.51.100.0/24\" or "
		"\"2001:db8::/32\", without bits beyond its length\n" },
	{ AROUND("'routes': [{'to': '10.1.0.1/16', 'via': '10.0.0.2'}]"),
		"routes[0].to: \"10.1.0.1/16\"; needed is a network such as "
		"\"198.51.100.0/24\" or \"2001:db8::/32\", without bits beyond its length\n" },
	{ AROUND("'routes': [{'to': '10.1.0.0/16', 'via': 'router'}]"),
		"routes[0].via: \"router\"; needed is an address such as \"192.0.2.1\" or "
		"\"2001:db8::1\"\n" },
	{ AROUND("'pools': [{}]"),
		"pools[0].name: missing; needed is a name of letters, digits, \".\", \"_\" or "
		"\"-\" that begins with a letter or digit, at most 63 characters\n" },
	{ AROUND("'pools': [{'name': 'web', 'scheduler': 'round-robbin'}]"),
		"pools[0].scheduler: \"round-robbin\"; needed is \"round-robin\", "
		"\"least-connections\", \"source\" or \"maglev\"; did you mean "
		"\"round-robin\"?\n" },
	{ AROUND("'pools': [{'name': 'web', 'scheduler': 'fastest'}]"),
		"pools[0].scheduler: \"fastest\"; needed is \"round-robin\", "
		"\"least-connections\", \"source\" or \"maglev\"\n" },
	{ AROUND("'pools': [{'name': 'web', 'scheduler': 1}]"),
		"pools[0].scheduler: 1; needed is \"round-robin\", \"least-connections\", "
		"\"source\" or \"maglev\"\n" },
	{ AROUND("'pools': [{'name': 'web', 'shceduler': 'maglev'}]"),
		"pools[0].shceduler: unknown key; did you mean \"scheduler\"?\n" },
	{ AROUND("'pools': [{'name': 'web', 'servers': {}}]"),
		"pools[0].servers: an object; needed is a list of objects\n" },
	{ AROUND("'pools': {'web': []}"), "pools: an object; needed is a list of objects\n" },
	{ AROUND("'routes': [{'to': '10.1.0.0/16', 'metric': 1, 'via': '10.0.0.254'}]"),
		"routes[0].metric: unknown key; possible here is \"to\", \"via\" or "
		"\"port\"\n" },
	{ AROUND(SERVERS("{}")),
		"pools[0].servers[0].name: missing; needed is a name of letters, digits, "
		"\".\", \"_\" or \"-\" that begins with a letter or digit, at most 63 "
		"characters\n"
		"pools[0].servers[0].address: missing; needed is an address with or without a "
		"port such as \"10.0.0.11:80\", \"10.0.0.11\" or \"[2001:db8::11]:80\"\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '10.0.0.300:80'}")),
		"pools[0].servers[0].address: \"10.0.0.300:80\"; needed is an address with or "
		"without a port such as \"10.0.0.11:80\", \"10.0.0.11\" or "
		"\"[2001:db8::11]:80\"\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '10.0.0.11:0'}")),
		"pools[0].servers[0].address: \"10.0.0.11:0\"; needed is an address with or "
		"without a port such as \"10.0.0.11:80\", \"10.0.0.11\" or "
		"\"[2001:db8::11]:80\"\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '10.0.0.11:65536'}")),
		"pools[0].servers[0].address: \"10.0.0.11:65536\"; needed is an address with "
		"or without a port such as \"10.0.0.11:80\", \"10.0.0.11\" or "
		"\"[2001:db8::11]:80\"\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '::ffff:10.0.0.11'}")),
		"pools[0].servers[0].address: \"::ffff:10.0.0.11\"; needed is an address with "
		"or without a port such as \"10.0.0.11:80\", \"10.0.0.11\" or "
		"\"[2001:db8::11]:80\"\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '2001:db8::1:80:'}")),
		"pools[0].servers[0].address: \"2001:db8::1:80:\"; needed is an address with "
		"or without a port such as \"10.0.0.11:80\", \"10.0.0.11\" or "
		"\"[2001:db8::11]:80\"\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '0.0.0.0:80'}")),
		"pools[0].servers[0].address: 0.0.0.0 is no address of a host; needed is one "
		"that packets can be sent to\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '224.0.0.1:80'}")),
		"pools[0].servers[0].address: 224.0.0.1 is a multicast address; needed is one "
		"that packets can be sent to\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '127.0.0.1:80'}")),
		"pools[0].servers[0].address: 127.0.0.1 is a loopback address; needed is one "
		"that packets can be sent to\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '[::]:80'}")),
		"pools[0].servers[0].address: :: is no address of a host; needed is one that "
		"packets can be sent to\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': 'fe80::1'}")),
		"pools[0].servers[0].address: fe80::1 is a link-local address; needed is one "
		"that packets can be sent to\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '10.0.0.11', 'weight': -1}")),
		"pools[0].servers[0].weight: -1; needed is an integer from 0 to 65535\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '10.0.0.11', 'weight': 65536}")),
		"pools[0].servers[0].weight: 65536; needed is an integer from 0 to 65535\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '10.0.0.11', 'weight': 1.0}")),
		"pools[0].servers[0].weight: 1.0; needed is an integer from 0 to 65535\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '10.0.0.11', 'weight': null}")),
		"pools[0].servers[0].weight: null; needed is an integer from 0 to 65535\n" },
	{ AROUND(SERVERS("{'name': 'a', 'address': '10.0.0.11', 'wieght': 2}")),
		"pools[0].servers[0].wieght: unknown key; did you mean \"weight\"?\n" },
	{ AROUND(SERVERS("{'name': 'a/b', 'address': '10.0.0.11'}")),
		"pools[0].servers[0].name: \"a/b\"; needed is a name of letters, digits, "
		"\".\", \"_\" or \"-\" that begins with a letter or digit, at most 63 "
		"characters\n" },
	{ AROUND(SERVERS("{'name': '-a', 'address': '10.0.0.11'}")),
		"pools[0].servers[0].name: \"-a\"; needed is a name of letters, digits, "
		"\".\", \"_\" or \"-\" that begins with a letter or digit, at most 63 "
		"characters\n" },
	{ AROUND(POOL ", " SERVICE("'address': '192.0.2.10:80'")),
		"services[0].mode: missing; needed is \"dr\", \"nat\", \"fullnat\", "
		"\"tunnel\" or \"tcp\"\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat'")),
		"services[0].address: missing; needed is an address with ports such as "
		"\"192.0.2.10:80\", \"192.0.2.10:8000-8010\", \"192.0.2.10:*\", "
		"\"[2001:db8::10]:80\" or, for a whole network, "
		"\"203.0.113.0/24:80\", or a list of them\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'net', 'address': '192.0.2.10:80'")),
		"services[0].mode: \"net\"; needed is \"dr\", \"nat\", \"fullnat\", \"tunnel\" or "
		"\"tcp\"; "
		"did you mean "
		"\"nat\"?\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'routed', 'address': '192.0.2.10:80'")),
		"services[0].mode: \"routed\"; needed is \"dr\", \"nat\", \"fullnat\", "
		"\"tunnel\" or \"tcp\"\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': '192.0.2.10'")),
		"services[0].address: \"192.0.2.10\"; needed is an address with ports such as "
		"\"192.0.2.10:80\", \"192.0.2.10:8000-8010\", \"192.0.2.10:*\", "
		"\"[2001:db8::10]:80\" or, for a whole network, "
		"\"203.0.113.0/24:80\", or a list of them\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': '192.0.2.10:90-80'")),
		"services[0].address: \"192.0.2.10:90-80\"; needed is an address with ports "
		"such as \"192.0.2.10:80\", \"192.0.2.10:8000-8010\", \"192.0.2.10:*\", "
		"\"[2001:db8::10]:80\" or, for a whole network, "
		"\"203.0.113.0/24:80\", or a list of them\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': '192.0.2.10:http'")),
		"services[0].address: \"192.0.2.10:http\"; needed is an address with ports "
		"such as \"192.0.2.10:80\", \"192.0.2.10:8000-8010\", \"192.0.2.10:*\", "
		"\"[2001:db8::10]:80\" or, for a whole network, "
		"\"203.0.113.0/24:80\", or a list of them\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': []")),
		"services[0].address: an empty list; needed is at least one element\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': ['192.0.2.10:80', 80]")),
		"services[0].address[1]: 80; needed is an address with ports such as "
		"\"192.0.2.10:80\", \"192.0.2.10:8000-8010\", \"192.0.2.10:*\", "
		"\"[2001:db8::10]:80\" or, for a whole network, "
		"\"203.0.113.0/24:80\"\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': {'ip': '192.0.2.10'}")),
		"services[0].address: an object; needed is an address with ports such as "
		"\"192.0.2.10:80\", \"192.0.2.10:8000-8010\", \"192.0.2.10:*\", "
		"\"[2001:db8::10]:80\" or, for a whole network, "
		"\"203.0.113.0/24:80\", or a list of them\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': '2001:db8:1::10:80'")),
		"services[0].address: \"2001:db8:1::10:80\"; needed is an address with ports "
		"such as \"192.0.2.10:80\", \"192.0.2.10:8000-8010\", \"192.0.2.10:*\", "
		"\"[2001:db8::10]:80\" or, for a whole network, "
		"\"203.0.113.0/24:80\", or a list of them\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': '255.255.255.255:80'")),
		"services[0].address: 255.255.255.255 is the broadcast address; needed is one "
		"that packets can be sent to\n"
		"warning: services[0].address: 255.255.255.255 is in no network of a port: "
		"nobody will ask for it by ARP or ND, so a router must send it here\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': '192.0.2.10:80', 'protocol': 'tpc'")),
		"services[0].protocol: \"tpc\"; needed is \"tcp\" or \"udp\"; did you mean "
		"\"tcp\"?\n" },
	{ AROUND(POOL
		  ", " SERVICE("'mode': 'nat', 'address': '192.0.2.10:80', 'protocol': 'sctp'")),
		"services[0].protocol: \"sctp\"; needed is \"tcp\" or \"udp\"\n" },
	{ AROUND(POOL ", " SERVICE("'mode': 'nat', 'address': '192.0.2.10:80', 'no-flow': 'rest'")),
		"services[0].no-flow: \"rest\"; needed is \"reset\" or \"drop\"; did you mean "
		"\"reset\"?\n" },
	{ AROUND(POOL ", " SERVICE(
		  "'mode': 'nat', 'address': '192.0.2.10:80', 'timeouts': {'tcp-sin': '1s'}")),
		"services[0].timeouts.tcp-sin: unknown key; did you mean \"tcp-syn\"?\n" },
	{ AROUND(POOL ", " SERVICE(
		  "'mode': 'nat', 'address': '192.0.2.10:80', 'timeouts': {'udp': '1'}")),
		"services[0].timeouts.udp: \"1\"; needed is a duration such as \"500us\", "
		"\"20ms\", \"2s\", \"5m\", \"1h\" or \"1d\"\n" },
	{ AROUND(POOL ", " SERVICE(
		  "'mode': 'nat', 'address': '192.0.2.10:80', 'timeouts': {'udp': 30}")),
		"services[0].timeouts.udp: 30; needed is a duration such as \"500us\", "
		"\"20ms\", \"2s\", \"5m\", \"1h\" or \"1d\"\n" },
	{ AROUND(POOL ", " SERVICE(
		  "'mode': 'nat', 'address': '192.0.2.10:80', 'timeouts': {'udp': '8d'}")),
		"services[0].timeouts.udp: \"8d\"; needed is a duration from 10ms to 7d\n" },
	{ AROUND(POOL ", " SERVICE(
		  "'mode': 'nat', 'address': '192.0.2.10:80', 'timeouts': {'udp': '1ms'}")),
		"services[0].timeouts.udp: \"1ms\"; needed is a duration from 10ms to 7d\n" },
	{ AROUND("'timeouts': {'udp': '1.5s'}"),
		"timeouts.udp: \"1.5s\"; needed is a duration such as \"500us\", \"20ms\", "
		"\"2s\", \"5m\", \"1h\" or \"1d\"\n" },
	{ AROUND("'timeouts': {'udp': '-1s'}"),
		"timeouts.udp: \"-1s\"; needed is a duration such as \"500us\", \"20ms\", "
		"\"2s\", \"5m\", \"1h\" or \"1d\"\n" },
	{ AROUND("'timeouts': {'udp': '99999999999999999999s'}"),
		"timeouts.udp: \"99999999999999999999s\"; needed is a duration such as "
		"\"500us\", \"20ms\", \"2s\", \"5m\", \"1h\" or \"1d\"\n" },
	{ AROUND("'timeouts': {'udp': '3 m'}"),
		"timeouts.udp: \"3 m\"; needed is a duration such as \"500us\", \"20ms\", "
		"\"2s\", \"5m\", \"1h\" or \"1d\"\n" },
	{ AROUND("'limits': {'flows': 1}"),
		"limits.flows: 1; needed is an integer from 1024 to 536870911\n" },
	{ AROUND("'limits': {'flows': 99999999999}"),
		"limits.flows: 99999999999; needed is an integer from 1024 to 536870911\n" },
	{ AROUND("'limits': {'flow': 5000}"),
		"limits.flow: unknown key; did you mean \"flows\"?\n" },
	{ AROUND("'limits': {'neighbours': 65535}"),
		"limits.neighbours: 65535; needed is an integer from 64 to 65534\n" },
	{ AROUND("'limits': {'packets': '16384'}"),
		"limits.packets: \"16384\"; needed is an integer from 2048 to 4194304\n" },
	{ AROUND("'idle': {'sleep-max': '2s'}"),
		"idle.sleep-max: \"2s\"; needed is a duration from 1us to 100ms\n" },
	{ AROUND("'neighbour': {'retry': '1us', 'retries': 0}"),
		"neighbour.retry: \"1us\"; needed is a duration from 10ms to 1m\n"
		"neighbour.retries: 0; needed is an integer from 1 to 100\n" },
	{ AROUND("'control-socket': {'path': 'fairlead.sock'}"),
		"control-socket.path: \"fairlead.sock\"; needed is the absolute path of a "
		"file, at most 100 characters\n" },
	{ AROUND("'control-socket': {'mode': '0888'}"),
		"control-socket.mode: \"0888\"; needed is file permissions in octal such as "
		"\"0660\"\n" },
	{ AROUND("'control-socket': {'mode': 432}"),
		"control-socket.mode: 432; needed is file permissions in octal such as "
		"\"0660\"\n" },
	{ AROUND("'control-socket': {'max-request': '256KB'}"),
		"control-socket.max-request: \"256KB\"; needed is a size such as \"512B\", "
		"\"64KiB\", \"16MiB\" or \"1GiB\"\n" },
	{ AROUND("'control-socket': {'max-request': '1GiB'}"),
		"control-socket.max-request: \"1GiB\"; needed is a size from 1KiB to 64MiB\n" },
	{ AROUND("'control-socket': {'owner': ''}"),
		"control-socket.owner: \"\"; needed is a name of the system's user or group "
		"database\n" },
	{ AROUND("'cluster-key': '00'"), "cluster-key: \"00\"; needed is 32 hexadecimal digits\n" },
	{ AROUND("'cluster-key': 'g0000000000000000000000000000000'"),
		"cluster-key: \"g0000000000000000000000000000000\"; needed is 32 hexadecimal "
		"digits\n" },
	{ AROUND("'state': '/var/lib/'"),
		"state: \"/var/lib/\"; needed is the absolute path of a file, at most 4000 "
		"characters\n" },
};

static void test_cases(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_case(&cases[i]);
}

/* ---- the schema itself ---------------------------------------------------------------------- */

static struct schema *load(const json_t **rule)
{
	struct schema *s = schema_load(schema_config_text, schema_config_len);

	assert_non_null(s);
	*rule = json_object_get(json_object_get(s->doc, "types"), "config");
	assert_non_null(*rule);
	return s;
}

static bool known_type(const char *type)
{
	static const char *const types[] = { "object", "array", "string", "integer", "boolean" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

/* Every attribute of a rule is one that schema.h describes, so that none is misspelt. */
static void assert_attributes(const json_t *rule)
{
	static const char *const known[] = { "type", "ref", "doc", "keys", "required", "default",
		"restart", "items", "min", "max", "format", "values", "words", "list" };
	const json_t *value;
	const char *name;

	json_object_foreach ((json_t *)(uintptr_t)rule, name, value) {
		bool found = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found |= !strcmp(known[i], name);
		if (!found)
			print_message("attribute \"%s\"\n", name);
		assert_true(found);
	}
}

/* In order: types and formats exist, integers have a range, keys have words for the reference,
 * defaults are valid themselves. Returns how many keys there are below. */
static unsigned int assert_rule(const struct schema *s, const json_t *rule)
{
	const json_t *real = schema_rule(s, rule);
	const json_t *items = json_object_get(real, "items"), *sub;
	const char *format = json_string_value(json_object_get(real, "format"));
	const char *key, *type;
	unsigned int n = 0;

	assert_non_null(real);
	assert_attributes(rule);
	assert_attributes(real);
	type = json_string_value(json_object_get(real, "type"));
	assert_non_null(type);
	assert_true(known_type(type));
	assert_true(!format || format_find(format));
	if (!strcmp(type, "integer"))
		assert_true(json_object_get(real, "min") && json_object_get(real, "max"));
	if (!strcmp(type, "array"))
		n += assert_rule(s, items);
	json_object_foreach (json_object_get(real, "keys"), key, sub) {
		const json_t *value = json_object_get(sub, "default");
		struct faults faults = { 0 };

		assert_non_null(json_object_get(sub, "doc"));
		if (value)
			assert_true(schema_check(s, sub, value, key, &faults));
		assert_faults(&faults, "");
		assert_false(value && json_object_get(sub, "required"));
		n += 1 + assert_rule(s, sub);
	}
	return n;
}

static void test_schema(void **state)
{
	const json_t *rule;
	struct schema *s = load(&rule);

	assert_in_range(assert_rule(s, rule), 50, 200);
	schema_free(s);
}

/* The example of the reference works as it stands. */
static void test_example(void **state)
{
	const json_t *rule;
	struct schema *s = load(&rule);
	struct faults faults = { 0 };
	struct config *c = config_read(json_object_get(s->doc, "example"), &faults);

	assert_faults(&faults, "");
	assert_non_null(c);
	config_free(c);
	schema_free(s);
}

static void test_get(void **state)
{
	const json_t *rule;
	struct schema *s = load(&rule);
	json_t *doc = parse("{'limits': {'flows': 5000}}");
	const json_t *limits = schema_key(s, rule, "limits");
	const json_t *given = schema_get(s, rule, doc, "limits");

	assert_int_equal(json_integer_value(schema_get(s, limits, given, "flows")), 5000);
	assert_int_equal(json_integer_value(schema_get(s, limits, given, "flows-v6")), 262144);
	assert_non_null(schema_get(s, rule, doc, "timeouts"));
	assert_null(schema_get(s, rule, doc, "cluster-key"));
	assert_null(schema_key(s, rule, "nothing"));
	json_decref(doc);
	schema_free(s);
}

/* Long and strange keys and values are shown cut and escaped, never raw. */
static void test_strange(void **state)
{
	const json_t *rule;
	struct schema *s = load(&rule);
	struct faults faults = { 0 };
	json_t *doc = json_object();
	char big[2000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	json_object_set_new(doc, big, json_true());
	json_object_set_new(doc, "workers", json_pack("[s]", big));
	json_object_set_new(doc, "ports",
		json_pack("[{s:s,s:s}]", "name", "a\nb\t\x1b[2J", "device", "af_packet:\xc3\xa9"));
	assert_false(schema_check(s, rule, doc, "", &faults));
	for (size_t i = 0; i < faults.n; i++) {
		assert_true(strlen(faults.list[i].path) < 100);
		assert_true(strlen(faults.list[i].text) < 500);
		for (const char *p = faults.list[i].text; *p; p++)
			assert_true((unsigned char)*p >= ' ');
	}
	assert_in_range(faults.n, 3, 4);
	faults_free(&faults);
	json_decref(doc);
	schema_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_strange),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Device strings: what the EAL is told for each, and what is said about wrong ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "port_priv.h"

static const struct {
	const char *device;
	const char *arg, *name, *driver, *iface; /* index 3 */
} good[] = {
	/* PCI */
	{ "0000:3b:00.0", "0000:3b:00.0", "0000:3b:00.0", "", "" },
	{ "3b:00.1", "0000:3b:00.1", "0000:3b:00.1", "", "" },
	{ "0000:3B:1F.7", "0000:3b:1f.7", "0000:3b:1f.7", "", "" },
	{ "10000:01:00.0", "10000:01:00.0", "10000:01:00.0", "", "" },
	{ "0:3:0.0", "0000:03:00.0", "0000:03:00.0", "", "" },
	{ "af:00.0", "0000:af:00.0", "0000:af:00.0", "", "" },
	{ "0000:3b:00.0,mprq_en=1", "0000:3b:00.0,mprq_en=1", "0000:3b:00.0", "", "" },
	/* kernel interfaces */
	{ "af_packet:lb-wan", "net_af_packet3,iface=lb-wan", "net_af_packet3", "net_af_packet",
		"lb-wan" },
	{ "af_packet:eth0.100", "net_af_packet3,iface=eth0.100", "net_af_packet3", "net_af_packet",
		"eth0.100" },
	{ "af_packet:fifteen-letters", "net_af_packet3,iface=fifteen-letters", "net_af_packet3",
		"net_af_packet", "fifteen-letters" },
	{ "af_packet:a,framecnt=64", "net_af_packet3,iface=a,framecnt=64", "net_af_packet3",
		"net_af_packet", "a" },
	{ "af_xdp:ens1", "net_af_xdp3,iface=ens1,start_queue=0,queue_count=1", "net_af_xdp3",
		"net_af_xdp", "ens1" },
	{ "af_xdp:ens1,queue_count=4", "net_af_xdp3,iface=ens1,queue_count=4", "net_af_xdp3",
		"net_af_xdp", "ens1" },
	{ "tap:fl0", "net_tap3,iface=fl0", "net_tap3", "net_tap", "fl0" },
	/* memif */
	{ "memif:/run/m.sock", "net_memif3,socket=/run/m.sock,socket-abstract=no,role=client",
		"net_memif3", "net_memif", "" },
	{ "memif:/run/m.sock,role=server",
		"net_memif3,socket=/run/m.sock,socket-abstract=no,role=server", "net_memif3",
		"net_memif", "" },
	{ "memif:/m,role=client,id=2", "net_memif3,socket=/m,socket-abstract=no,role=client,id=2",
		"net_memif3", "net_memif", "" },
	{ "memif:/m,socket-abstract=yes", "net_memif3,socket=/m,role=client,socket-abstract=yes",
		"net_memif3", "net_memif", "" },
	/* memory and files */
	{ "ring:a", "net_ring_a", "net_ring_a", "net_ring", "" },
	/* bonds */
	{ "bond:active-backup,af_packet:a,af_packet:b",
		"net_bonding3,mode=1,slave=net_af_packet400,slave=net_af_packet401", "net_bonding3",
		"net_bonding", "" },
	{ "bond:lacp,0000:3b:00.0,mprq_en=1,3b:00.1,net_null7,size=64",
		"net_bonding3,mode=4,xmit_policy=l34,slave=0000:3b:00.0,slave=0000:3b:00.1,"
		"slave=net_null7",
		"net_bonding3", "net_bonding", "" },
	{ "ring:eightchr", "net_ring_eightchr", "net_ring_eightchr", "net_ring", "" },
	{ "pcap:/tmp/in.pcap", "net_pcap3,rx_pcap=/tmp/in.pcap", "net_pcap3", "net_pcap", "" },
	{ "pcap:in,out", "net_pcap3,rx_pcap=in,tx_pcap=out", "net_pcap3", "net_pcap", "" },
	/* vdev strings as they are */
	{ "net_null0", "net_null0", "net_null0", "net_null", "" },
	{ "net_null0,size=64", "net_null0,size=64", "net_null0", "net_null", "" },
	{ "net_ring_x", "net_ring_x", "net_ring_x", "net_ring", "" },
	{ "net_af_packet7,iface=v0,qpairs=2", "net_af_packet7,iface=v0,qpairs=2", "net_af_packet7",
		"net_af_packet", "v0" },
	{ "eth_af_packet0,iface=v1", "eth_af_packet0,iface=v1", "eth_af_packet0", "net_af_packet",
		"v1" },
	{ "net_virtio_user0,path=/dev/vhost-net", "net_virtio_user0,path=/dev/vhost-net",
		"net_virtio_user0", "net_virtio_user", "" },
	{ "net_bonding0,mode=4,member=0000:3b:00.0", "net_bonding0,mode=4,member=0000:3b:00.0",
		"net_bonding0", "net_bonding", "" },
	{ "net_new12", "net_new12", "net_new12", "net_new", "" },
};

static const struct {
	const char *device, *says; /* a part of the message */
} bad[] = {
	{ "bond:lacp,af_packet:a", "2 to 8 devices, not 1" },
	{ "bond:lacp", "2 to 8 devices, not 0" },
	{ "bond:balance-rr,af_packet:a,af_packet:b", "active-backup or lacp, not \"balance-rr\"" },
	{ "bond:lacp,af_packet:a,bond:lacp,af_packet:b", "not of bonds" },
	{ "bond:lacp,af_packet:a,af_packet:b/c", "not the name of an interface" },
	{ "", "is no device" },
	{ "eth0", "is no device" },
	{ "af_packet", "is no device" },
	{ "af-packet:eth0", "is no device" },
	{ "ring", "is no device" },
	{ "af_packet:", "no interface name" },
	{ "af_packet:sixteen-letters-", "at most 15" },
	{ "af_packet:a b", "not the name of an interface" },
	{ "af_packet:a/b", "not the name of an interface" },
	{ "af_packet:a=b", "not the name of an interface" },
	{ "af_packet:a,", "behind the comma" },
	{ "af_xdp:sixteen-letters-", "at most 15" },
	{ "tap:", "no interface name" },
	{ "tap:,x=1", "no interface name" },
	{ "memif:", "absolute path" },
	{ "memif:m.sock", "absolute path" },
	{ "memif:/m,role=master", "server or client, not \"master\"" },
	{ "memif:/m,", "behind the comma" },
	{ "ring:", "wants a name" },
	{ "ring:nine-char", "at most 8" },
	{ "ring:a,b", "wants a name" },
	{ "pcap:", "one or two files" },
	{ "pcap:in,", "one or two files" },
	{ "pcap:,out", "one or two files" },
	{ "pcap:a,b,c", "one or two files" },
	{ "0000:3b:00.8", "not a PCI address" },
	{ "0000:3b:20.0", "not a PCI address" },
	{ "3b:00", "not a PCI address" },
	{ "0000:3b:00", "not a PCI address" },
	{ "0000:3b:00.0:1", "not a PCI address" },
	{ "3b:zz.0", "not a PCI address" },
	{ "0000:3b:00.0,", "behind the comma" },
	{ "net_", "names no driver" },
	{ "net_,x=1", "names no driver" },
	{ "net_null 0", "not the name of a vdev" },
	{ "net_tap0,iface=sixteen-letters-", "at most 15" },
};

static void parses(void **state)
{
	struct device_spec s;
	char err[512];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (device_parse(good[i].device, 3, &s, err, sizeof(err)))
			fail_msg("%s: %s", good[i].device, err);
		assert_string_equal(s.arg, good[i].arg);
		assert_string_equal(s.name, good[i].name);
		assert_string_equal(s.driver, good[i].driver);
		assert_string_equal(s.iface, good[i].iface);
		assert_int_equal(s.pci, good[i].driver[0] == '\0');
	}
}

static void refuses(void **state)
{
	struct device_spec s;
	char err[512];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (device_parse(bad[i].device, 0, &s, err, sizeof(err)) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i].device);
		if (!strstr(err, bad[i].says))
			fail_msg("\"%s\": \"%s\" lacks \"%s\"", bad[i].device, err, bad[i].says);
	}
}

static void refuses_what_is_too_long(void **state)
{
	char device[600], err[64];
	struct device_spec s;

	memset(device, 'x', sizeof(device) - 1);
	device[sizeof(device) - 1] = '\0';
	memcpy(device, "memif:/", 7);
	assert_int_equal(device_parse(device, 0, &s, err, sizeof(err)), -EINVAL);
	memcpy(device, "net_nul", 7);
	assert_int_equal(device_parse(device, 0, &s, err, sizeof(err)), -EINVAL);
	memcpy(device, "net_null0,size=", 15);
	assert_int_equal(device_parse(device, 0, &s, err, sizeof(err)), -EINVAL);
	memcpy(device, "af_packet:a,bc=", 15);
	assert_int_equal(device_parse(device, 0, &s, err, sizeof(err)), -EINVAL);
}

static void members_of_bonds(void **state)
{
	static const char bond[] = "bond:lacp,memif:/m,role=server,pcap:in,out,0:3:0.0,a=1,b=2";
	char text[64];

	assert_int_equal(device_member_count("af_packet:a,framecnt=64"), 0);
	assert_int_equal(device_member_count("bond:lacp"), 0);
	assert_int_equal(device_member_count(bond), 3);
	device_member(bond, 0, text, sizeof(text));
	assert_string_equal(text, "memif:/m,role=server");
	device_member(bond, 1, text, sizeof(text));
	assert_string_equal(text, "pcap:in,out");
	device_member(bond, 2, text, sizeof(text));
	assert_string_equal(text, "0:3:0.0,a=1,b=2");
	device_member(bond, 3, text, sizeof(text));
	assert_string_equal(text, "");
}

static void interfaces_of_the_kernel(void **state)
{
	const struct kernel_conf tap = { .interface = "fl-wan" };
	const struct kernel_conf vhost = { .interface = "fl-lan", .vhost = true };
	struct device_spec s;

	kernel_device(&tap, 2, &s);
	assert_string_equal(s.name, "net_tap_kernel2");
	assert_string_equal(s.arg, "net_tap_kernel2,iface=fl-wan");
	kernel_device(&vhost, 0, &s);
	assert_string_equal(s.name, "net_virtio_user_kernel0");
	assert_string_equal(s.arg, "net_virtio_user_kernel0,path=/dev/vhost-net,queues=1,"
				   "queue_size=256,iface=fl-lan");
}

static void adds_what_the_string_does_not_say(void **state)
{
	struct device_spec s;
	char err[64];

	assert_int_equal(device_parse("af_packet:v0,framesz=4096", 0, &s, err, sizeof(err)), 0);
	assert_int_equal(device_add_args(&s, "blocksz=65536,framesz=2048,framecnt=512"), 0);
	assert_string_equal(
		s.arg, "net_af_packet0,iface=v0,framesz=4096,blocksz=65536,framecnt=512");
	assert_int_equal(device_add_args(&s, ""), 0);
	/* A key is not its own beginning. */
	assert_int_equal(device_add_args(&s, "frames=1"), 0);
	assert_non_null(strstr(s.arg, ",frames=1"));
	memset(s.arg, 'a', sizeof(s.arg) - 4);
	s.arg[sizeof(s.arg) - 4] = '\0';
	assert_int_equal(device_add_args(&s, "b=1"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_what_is_too_long),
		cmocka_unit_test(members_of_bonds),
		cmocka_unit_test(interfaces_of_the_kernel),
		cmocka_unit_test(adds_what_the_string_does_not_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

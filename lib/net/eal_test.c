/* SPDX-License-Identifier: BSD-3-Clause */
/* What the EAL is told for a plan. That it starts with it is tested from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "port_priv.h"

static const unsigned int workers[] = { 3, 5 };

static struct eal_plan plan_of(const char *const *devices, unsigned int n)
{
	return (struct eal_plan){ .program = "fairlead",
		.devices = devices,
		.n_devices = n,
		.workers = workers,
		.n_workers = 2,
		.control = 1,
		.memory = 128 << 20 };
}

/* The arguments with a blank between them. */
static void expect(const struct eal_plan *plan, const char *line)
{
	struct device_spec specs[8];
	struct eal_args a = { 0 };
	char got[2048] = "", err[256];

	for (unsigned int i = 0; i < plan->n_devices; i++)
		assert_int_equal(device_parse(plan->devices[i], i, &specs[i], err, sizeof(err)), 0);
	assert_int_equal(eal_args_build(&a, plan, specs), 0);
	for (int i = 0; i < a.n; i++)
		snprintf(
			got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? " " : "", a.v[i]);
	assert_null(a.v[a.n]);
	assert_string_equal(got, line);
	eal_args_free(&a);
}

#define START "fairlead --proc-type=primary -l 1,3,5 --main-lcore 1 --file-prefix "

static void cores_and_devices(void **state)
{
	const char *const virtual[] = { "af_packet:wan", "ring:a" };
	const char *const mixed[] = { "af_packet:wan", "3b:00.0,mprq_en=1" };
	struct eal_plan plan = plan_of(virtual, 2);

	expect(&plan, START "fairlead --vdev net_af_packet0,iface=wan --vdev net_ring_a --no-pci "
			    "--huge-unlink=always");
	plan = plan_of(mixed, 2);
	plan.file_prefix = "one";
	expect(&plan, START "one --vdev net_af_packet0,iface=wan -a 0000:3b:00.0,mprq_en=1 "
			    "--huge-unlink=always");
	plan = plan_of(NULL, 0);
	expect(&plan, START "fairlead --no-pci --huge-unlink=always");
}

/* What profiles ask for is said once, what the user says comes last. */
static void profiles(void **state)
{
	const char *const devices[] = { "tap:a", "tap:b", "tap:c" };
	struct nic_profile tap = { .eal_args = "--one --two=2" }, other = { .eal_args = "--one" };
	const struct nic_profile *const list[] = { &tap, NULL, &other };
	char mine[] = "--three";
	char *extra[] = { mine };
	struct eal_plan plan = plan_of(devices, 3);

	plan.profiles = list;
	plan.extra = extra;
	plan.n_extra = 1;
	expect(&plan, START "fairlead --vdev net_tap0,iface=a --vdev net_tap1,iface=b "
			    "--vdev net_tap2,iface=c --no-pci --one --two=2 --huge-unlink=always "
			    "--three");
}

/* Members come before their bond, with the arguments of their profiles. */
static void bonds(void **state)
{
	const char *const devices[] = { "ring:a", "bond:lacp,af_packet:b,framesz=4096,3b:00.0" };
	struct nic_profile bond = { .member_args = { "framesz=2048,framecnt=64" } };
	const struct nic_profile *const list[] = { NULL, &bond };
	struct eal_plan plan = plan_of(devices, 2);

	plan.profiles = list;
	expect(&plan,
		START "fairlead --vdev net_ring_a "
		      "--vdev net_af_packet200,iface=b,framesz=4096,framecnt=64 -a 0000:3b:00.0 "
		      "--vdev net_bonding1,mode=4,xmit_policy=l34,slave=net_af_packet200,"
		      "slave=0000:3b:00.0 --huge-unlink=always");
}

static void kernel_interfaces(void **state)
{
	const char *const devices[] = { "ring:a" };
	const struct kernel_conf kernels[] = { { .interface = "fl-a" }, { .interface = "fl-b" } };
	struct eal_plan plan = plan_of(devices, 1);

	plan.kernels = kernels;
	plan.n_kernels = 2;
	expect(&plan, START "fairlead --vdev net_ring_a --vdev net_tap_kernel0,iface=fl-a "
			    "--vdev net_tap_kernel1,iface=fl-b --no-pci --huge-unlink=always");
}

static void cores_that_are_shared(void **state)
{
	struct eal_plan plan = plan_of(NULL, 0);

	plan.lcores = "1@0,(3,5)@1";
	expect(&plan, "fairlead --proc-type=primary --lcores 1@0,(3,5)@1 --main-lcore 1 "
		      "--file-prefix fairlead --no-pci --huge-unlink=always");
}

static void what_the_user_says(void **state)
{
	static const struct {
		const char *extra[3], *line;
	} cases[] = {
		{ { "--no-huge" }, START "fairlead --no-pci -m 200 --no-huge" },
		{ { "--no-huge", "-m", "64" }, START "fairlead --no-pci --no-huge -m 64" },
		{ { "--no-huge", "-m64" }, START "fairlead --no-pci --no-huge -m64" },
		{ { "--in-memory" }, START "fairlead --no-pci --in-memory" },
		/* DPDK refuses the two together. */
		{ { "--in-memory", "--no-huge" },
			START "fairlead --no-pci -m 200 --no-shconf --no-huge" },
		{ { "--huge-unlink=never" }, START "fairlead --no-pci --huge-unlink=never" },
		{ { "--single-file-segments" }, START "fairlead --no-pci --single-file-segments" },
		{ { "--file-prefix=x" }, "fairlead --proc-type=primary -l 1,3,5 --main-lcore 1 "
					 "--no-pci --huge-unlink=always "
					 "--file-prefix=x" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct eal_plan plan = plan_of(NULL, 0);
		char text[3][32];
		char *extra[3];

		while (plan.n_extra < 3 && cases[i].extra[plan.n_extra]) {
			snprintf(text[plan.n_extra], sizeof(text[0]), "%s",
				cases[i].extra[plan.n_extra]);
			extra[plan.n_extra] = text[plan.n_extra];
			plan.n_extra++;
		}
		plan.extra = extra;
		expect(&plan, cases[i].line);
	}
}

static void options_and_their_values(void **state)
{
	char a[] = "-m", b[] = "512", c[] = "--file-prefix=x", d[] = "-l0-3", e[] = "--no-hugetlb",
	     again[] = "-m7";
	char *extra[] = { a, b, c, d, e };
	struct eal_plan plan = { .extra = extra, .n_extra = 5 };
	const char *value;

	assert_true(eal_has_option(&plan, "-m", &value));
	assert_string_equal(value, "512");
	assert_true(eal_has_option(&plan, "--file-prefix", &value));
	assert_string_equal(value, "x");
	assert_string_equal(eal_file_prefix(&plan), "x");
	assert_true(eal_has_option(&plan, "-l", &value));
	assert_string_equal(value, "0-3");
	assert_false(eal_has_option(&plan, "--no-huge", NULL));
	assert_false(eal_has_option(&plan, "-a", NULL));
	plan.n_extra = 1;
	assert_true(eal_has_option(&plan, "-m", &value));
	assert_string_equal(value, "");
	extra[1] = again;
	plan.n_extra = 2;
	assert_true(eal_has_option(&plan, "-m", &value));
	assert_string_equal(value, "7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cores_and_devices),
		cmocka_unit_test(profiles),
		cmocka_unit_test(bonds),
		cmocka_unit_test(kernel_interfaces),
		cmocka_unit_test(cores_that_are_shared),
		cmocka_unit_test(what_the_user_says),
		cmocka_unit_test(options_and_their_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

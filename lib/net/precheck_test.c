/* SPDX-License-Identifier: BSD-3-Clause */
/* What eal_start() says before the EAL is tried, on machines made of files in a temporary folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "precheck.h"

/* ---- a machine of our own -------------------------------------------------------------------- */

static char root[64];

/* Writes a file below the root, with the folders to it. */
static void put(const char *path, const char *text)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = strchr(full + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(full, 0755);
		*p = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void drop(const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(unlink(full), 0);
}

static void link_to(const char *path, const char *to)
{
	char full[512];

	put(path, "");
	drop(path);
	snprintf(full, sizeof(full), "%s%s", root, path);
	assert_int_equal(symlink(to, full), 0);
}

static int fake_flags(const char *name)
{
	if (!strcmp(name, "up0"))
		return IFF_UP | IFF_RUNNING;
	return !strcmp(name, "down0") ? IFF_BROADCAST : -ENODEV;
}

/* Core 2 is in somebody else's cpuset. */
static int fake_core(unsigned int core)
{
	return core == 2 ? -EINVAL : 0;
}

static const struct host machine = {
	.root = root, .run = "/run", .iface_flags = fake_flags, .core_usable = fake_core
};

#define MEMINFO "MemTotal: 8388608 kB\nMemAvailable:    4194304 kB\nHugepagesize:       2048 kB\n"
#define HUGE_2M "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define HUGE_1G "/sys/kernel/mm/hugepages/hugepages-1048576kB/"

static void set_pages(const char *free_2m, const char *free_1g)
{
	put(HUGE_2M "nr_hugepages", "512\n");
	put(HUGE_2M "free_hugepages", free_2m);
	put(HUGE_1G "nr_hugepages", "1\n");
	put(HUGE_1G "free_hugepages", free_1g);
}

static void set_capabilities(const char *hex)
{
	char text[128];

	snprintf(text, sizeof(text), "Name:\tfairlead\nUid:\t0\nCapEff:\t%s\nCapBnd:\t0\n", hex);
	put("/proc/self/status", text);
}

/* A machine where nothing is amiss: 8 cores of which one is offline, 1 GiB of 2 MiB pages. */
static int build_machine(void **state)
{
	snprintf(root, sizeof(root), "/tmp/precheck-XXXXXX");
	assert_non_null(mkdtemp(root));
	put("/sys/devices/system/cpu/present", "0-7\n");
	put("/sys/devices/system/cpu/online", "0-4,6-7\n");
	put("/sys/devices/system/cpu/isolated", "3-4\n");
	put("/proc/meminfo", MEMINFO);
	put("/proc/mounts", "sysfs /sys sysfs rw 0 0\n"
			    "hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0\n");
	put("/dev/hugepages/keep", "");
	put("/dev/net/tun", "");
	set_pages("512\n", "0\n");
	set_capabilities("000001ffffffffff");
	put("/sys/bus/pci/devices/0000:3b:00.0/class", "0x020000\n");
	put("/sys/bus/pci/devices/0000:00:1f.0/class", "0x060100\n");
	link_to("/sys/bus/pci/devices/0000:3b:00.0/driver", "../../drivers/ixgbe");
	return 0;
}

static int remove_machine(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static const unsigned int core3[] = { 3 };

static struct eal_plan plan_of(const char *const *devices, unsigned int n)
{
	return (struct eal_plan){ .program = "fairlead",
		.devices = devices,
		.n_devices = n,
		.workers = core3,
		.n_workers = 1,
		.control = 0,
		.memory = 128 << 20 };
}

static int check(const struct eal_plan *plan, struct faults *f)
{
	struct device_spec specs[8];
	char err[512];

	for (unsigned int i = 0; i < plan->n_devices; i++)
		assert_int_equal(device_parse(plan->devices[i], i, &specs[i], err, sizeof(err)), 0);
	memset(f, 0, sizeof(*f));
	return eal_precheck(&machine, plan, specs, f);
}

/* Exactly one fault, at path, that holds each of the words (ends with NULL). */
static void one_fault(const struct eal_plan *plan, const char *path, const char *const *words)
{
	struct faults f;

	assert_int_not_equal(check(plan, &f), 0);
	if (f.n != 1)
		fail_msg("%zu faults: %s, %s ...", f.n, f.n ? f.list[0].text : "",
			f.n > 1 ? f.list[1].text : "");
	assert_string_equal(f.list[0].path, path);
	for (; *words; words++)
		if (!strstr(f.list[0].text, *words))
			fail_msg("\"%s\" lacks \"%s\"", f.list[0].text, *words);
	faults_free(&f);
}

#define ONE_FAULT(plan, path, ...) one_fault(plan, path, (const char *const[]){ __VA_ARGS__, NULL })

static void no_fault(const struct eal_plan *plan)
{
	struct faults f;

	if (check(plan, &f))
		fail_msg("%s: %s", f.list[0].path, f.list[0].text);
	assert_int_equal(f.n, 0);
}

static void device_fault(const char *device, const char *a, const char *b)
{
	struct eal_plan plan = plan_of(&device, 1);

	ONE_FAULT(&plan, "ports[0].device", device, a, b);
}

static void device_fine(const char *device)
{
	struct eal_plan plan = plan_of(&device, 1);

	no_fault(&plan);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void nothing_amiss(void **state)
{
	struct eal_plan plan = plan_of(NULL, 0);

	no_fault(&plan);
	device_fine("af_packet:up0");
	device_fine("tap:fl0");
	device_fine("af_xdp:up0");
	device_fine("ring:a");
	device_fine("net_null0");
}

static void cores(void **state)
{
	static const struct {
		unsigned int control, n, workers[3];
		const char *path, *word, *more;
	} cases[] = {
		{ 0, 1, { 8 }, "workers[0]", "core 8 does not exist", "online are 0-4,6-7" },
		{ 0, 2, { 3, 5 }, "workers[1]", "core 5 is offline", "cpu5/online" },
		{ 0, 1, { 2 }, "workers[0]", "may not run on core 2", "cpuset" },
		{ 3, 1, { 3 }, "workers[0]", "core 3 is the control core", "isolated 3-4" },
		{ 0, 3, { 3, 4, 3 }, "workers[2]", "said twice", "workers[0]" },
		{ 9, 1, { 3 }, "control", "core 9 does not exist", "isolated 3-4" },
		{ 0, 0, { 0 }, "workers", "no core at all", "online are 0-4,6-7" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct eal_plan plan = plan_of(NULL, 0);

		plan.control = cases[i].control;
		plan.workers = cases[i].workers;
		plan.n_workers = cases[i].n;
		ONE_FAULT(&plan, cases[i].path, cases[i].word, cases[i].more);
	}
}

/* They run elsewhere: what is said of cores by these numbers is of no matter. */
static void cores_that_are_shared(void **state)
{
	struct eal_plan plan = plan_of(NULL, 0);
	const unsigned int workers[] = { 5, 9 };

	plan.workers = workers;
	plan.n_workers = 2;
	plan.lcores = "0@0,(5,9)@1";
	no_fault(&plan);
}

static void cores_beyond_dpdk(void **state)
{
	struct eal_plan plan = plan_of(NULL, 0);
	const unsigned int far = 200;

	put("/sys/devices/system/cpu/present", "0-255\n");
	put("/sys/devices/system/cpu/online", "0-255\n");
	plan.workers = &far;
	ONE_FAULT(&plan, "workers[0]", "core 200", "0 to 127 only");
}

static void interfaces(void **state)
{
	device_fault("af_packet:nope", "no interface \"nope\"", "ip link");
	device_fault("af_packet:down0", "\"down0\" is down", "ip link set down0 up");
	device_fault("af_xdp:nope", "no interface \"nope\"", "ip link");
	device_fault("net_af_packet0,iface=down0", "is down", "ip link set down0 up");
}

static void capabilities(void **state)
{
	/* all but CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF and CAP_SYS_ADMIN in turn */
	set_capabilities("000001ffffffdfff");
	device_fault("af_packet:up0", "CAP_NET_RAW", "setcap");
	set_capabilities("000001ffffffefff");
	device_fault("tap:fl0", "CAP_NET_ADMIN", "as root");
	device_fault("af_xdp:up0", "CAP_NET_ADMIN", "as root");
	set_capabilities("0000017fffdfffff");
	device_fault("af_xdp:up0", "CAP_BPF", "as root");
	device_fine("af_packet:up0");
	set_capabilities("0000017fffffffff");
	device_fine("af_xdp:up0");
}

static void no_tun(void **state)
{
	drop("/dev/net/tun");
	device_fault("tap:fl0", "/dev/net/tun", "modprobe tun");
}

/* The bond is as good as its members. */
static void bonds(void **state)
{
	const char *const missing[] = { "bond:lacp,af_packet:up0,af_packet:nope" };
	const char *const twice[] = { "bond:lacp,af_packet:up0,net_null0,af_packet:up0" };
	struct eal_plan plan = plan_of(missing, 1);

	ONE_FAULT(&plan, "ports[0].device", "af_packet:nope", "no interface \"nope\"", "ip link");
	plan = plan_of(twice, 1);
	ONE_FAULT(&plan, "ports[0].device", "af_packet:up0 is a member of the bond twice");
	device_fine("bond:active-backup,af_packet:up0,net_null0");
}

static void kernel_interfaces(void **state)
{
	struct kernel_conf kernel = { .interface = "fl-wan", .port = 3 };
	struct eal_plan plan = plan_of(NULL, 0);

	plan.kernels = &kernel;
	plan.n_kernels = 1;
	no_fault(&plan);
	kernel.interface = "up0";
	ONE_FAULT(&plan, "ports[3].kernel", "\"up0\" already", "no process", "ip link del up0");
	put("/proc/77/fdinfo/5", "pos:\t0\nflags:\t02\niff:\tup0x\n");
	put("/proc/77/comm", "qemu\n");
	ONE_FAULT(&plan, "ports[3].kernel", "no process");
	put("/proc/77/fdinfo/6", "pos:\t0\nflags:\t02\niff:\tup0\n");
	ONE_FAULT(&plan, "ports[3].kernel", "\"up0\" already (qemu, pid 77)");
	kernel.interface = "fl-wan";
	set_capabilities("000001ffffffefff");
	ONE_FAULT(&plan, "ports[3].kernel", "fl-wan", "CAP_NET_ADMIN");
	set_capabilities("000001ffffffffff");
	drop("/dev/net/tun");
	ONE_FAULT(&plan, "ports[3].kernel", "/dev/net/tun is missing", "modprobe tun");
	kernel.vhost = true;
	ONE_FAULT(&plan, "ports[3].kernel", "/dev/vhost-net is missing", "modprobe vhost_net");
}

static void pci(void **state)
{
	device_fault("0000:3c:00.0", "no PCI device 0000:3c:00.0", "devices are: 0000:3b:00.0");
	device_fault("3b:00.0", "driver ixgbe holds it", "scripts/bind-nic bind 0000:3b:00.0");
	drop("/sys/bus/pci/devices/0000:3b:00.0/driver");
	device_fault("0000:3b:00.0", "no driver holds it", "scripts/bind-nic bind 0000:3b:00.0");
	link_to("/sys/bus/pci/devices/0000:3b:00.0/driver", "../../drivers/uio_pci_generic");
	device_fine("0000:3b:00.0");
}

static void pci_vfio(void **state)
{
	drop("/sys/bus/pci/devices/0000:3b:00.0/driver");
	link_to("/sys/bus/pci/devices/0000:3b:00.0/driver", "../../drivers/vfio-pci");
	device_fault("0000:3b:00.0", "no IOMMU is on", "intel_iommu=on");
	link_to("/sys/bus/pci/devices/0000:3b:00.0/iommu_group", "../../kernel/iommu_groups/42");
	device_fault("0000:3b:00.0", "/dev/vfio/42 is missing", "modprobe vfio-pci");
	put("/dev/vfio/noiommu-42", "");
	device_fine("0000:3b:00.0");
	drop("/dev/vfio/noiommu-42");
	put("/dev/vfio/42", "");
	device_fine("0000:3b:00.0");
}

static void pci_shared(void **state)
{
	drop("/sys/bus/pci/devices/0000:3b:00.0/driver");
	link_to("/sys/bus/pci/devices/0000:3b:00.0/driver", "../../drivers/mlx5_core");
	device_fault("0000:3b:00.0", "without RDMA", "modprobe mlx5_ib");
	put("/sys/bus/pci/devices/0000:3b:00.0/infiniband/mlx5_0", "");
	device_fine("0000:3b:00.0");
}

static void same_device(void **state)
{
	const char *devices[] = { "af_packet:up0", "net_af_packet0,iface=up0" };
	struct eal_plan plan = plan_of(devices, 2);

	ONE_FAULT(&plan, "ports[1].device", "the same device as af_packet:up0", "ports[0]");
}

static void files(void **state)
{
	device_fault("pcap:/nonexistent/in.pcap", "cannot read /nonexistent/in.pcap", "No such");
	device_fault("memif:/nonexistent/m.sock,role=server", "in /nonexistent", "No such");
	device_fine("memif:/nonexistent/m.sock");
}

static void hugepages_none(void **state)
{
	struct eal_plan plan = plan_of(NULL, 0);

	set_pages("0\n", "0\n");
	ONE_FAULT(&plan, "", "200 MiB of hugepages are planned", "0 of 512 pages of 2 MiB",
		"scripts/bind-nic hugepages 200M", "--no-huge");
}

static void hugepages_too_few(void **state)
{
	struct eal_plan plan = plan_of(NULL, 0);

	set_pages("99\n", "0\n");
	ONE_FAULT(&plan, "", "200 MiB", "99 of 512 pages of 2 MiB", "0 of 1 pages of 1 GiB");
	set_pages("100\n", "0\n");
	no_fault(&plan);
}

/* Pages of 1 GiB are free, but only those of 2 MiB are mounted. */
static void hugepages_not_mounted(void **state)
{
	static char in_memory[] = "--in-memory";
	char *extra[] = { in_memory };
	struct eal_plan plan = plan_of(NULL, 0);

	set_pages("0\n", "1\n");
	ONE_FAULT(&plan, "", "hugepages of 1 GiB are free", "mounted", "mount -t hugetlbfs",
		"--in-memory");
	plan.extra = extra;
	plan.n_extra = 1;
	no_fault(&plan);
	/* Too few, mounted or not: how many are needed comes first. */
	plan.n_extra = 0;
	plan.memory = 4ull << 30;
	ONE_FAULT(&plan, "", "4416 MiB of hugepages are planned", "1 of 1 pages of 1 GiB");
	plan.memory = 128 << 20;
	put("/proc/mounts", "none /dev/hugepages hugetlbfs rw,pagesize=1024M 0 0\n");
	plan.n_extra = 0;
	no_fault(&plan);
}

/* A mount without the option has pages of the default size; --huge-dir leaves the others out. */
static void hugepages_mounts(void **state)
{
	static char option[] = "--huge-dir", other[] = "/mnt/other", right[] = "/dev/hugepages";
	char *extra[] = { option, other };
	struct eal_plan plan = plan_of(NULL, 0);

	put("/proc/mounts", "none /dev/hugepages hugetlbfs rw 0 0\n");
	no_fault(&plan);
	plan.extra = extra;
	plan.n_extra = 2;
	ONE_FAULT(&plan, "", "mounted");
	extra[1] = right;
	no_fault(&plan);
}

static void hugepages_not_writable(void **state)
{
	struct eal_plan plan = plan_of(NULL, 0);
	char full[128];

	if (getuid() == 0) /* root may write everywhere: take the folder away instead */
		put("/proc/mounts", "none /nowhere hugetlbfs rw,pagesize=2M 0 0\n");
	snprintf(full, sizeof(full), "%s/dev/hugepages", root);
	chmod(full, 0500);
	ONE_FAULT(&plan, "", "no permission to write", "--in-memory");
	chmod(full, 0755);
}

static void memory_of_the_user(void **state)
{
	static char m[] = "-m", much[] = "2000", little[] = "128", no_huge[] = "--no-huge";
	static char sockets[] = "--socket-mem=1000,1000", too_little[] = "127";
	char *extra[] = { m, much, no_huge };
	char *by_socket[] = { sockets };
	struct eal_plan plan = plan_of(NULL, 0);

	plan.extra = extra;
	plan.n_extra = 2;
	ONE_FAULT(&plan, "", "2000 MiB of hugepages are planned");
	plan.extra = by_socket;
	plan.n_extra = 1;
	ONE_FAULT(&plan, "", "2000 MiB of hugepages are planned");
	plan.extra = extra;
	plan.n_extra = 3;
	extra[1] = little;
	set_pages("0\n", "0\n");
	no_fault(&plan); /* less than what comes on top of the plan: the user's to know */
	extra[1] = too_little;
	ONE_FAULT(&plan, "", "EAL argument -m", "128 MiB are planned", "\"127\" is less");
	plan.memory = 8ull << 30;
	plan.extra = extra + 2;
	plan.n_extra = 1;
	ONE_FAULT(&plan, "", "8768 MiB of memory are planned", "4096 MiB are available");
}

static void options(void **state)
{
	static char cores_option[] = "-l0-3", main_lcore[] = "--main-lcore=1",
		    fine[] = "--legacy-x";
	static char no_huge[] = "--no-huge", in_memory[] = "--in-memory";
	char *extra[] = { cores_option, no_huge };
	struct eal_plan plan = plan_of(NULL, 0);

	plan.extra = extra;
	plan.n_extra = 1;
	ONE_FAULT(&plan, "", "EAL argument -l", "\"workers\"");
	extra[0] = main_lcore;
	ONE_FAULT(&plan, "", "--main-lcore", "\"control\"");
	extra[0] = fine;
	no_fault(&plan);
	extra[0] = in_memory;
	plan.n_extra = 2;
	no_fault(&plan);
}

static void options_of_devices(void **state)
{
	static char vdev[] = "--vdev=net_null0", word_vdev[] = "--vdev", null0[] = "net_null0",
		    allow[] = "-a0000:3b:00.0", long_allow[] = "--allow=0000:3b:00.0";
	char *extra[] = { vdev, null0 };
	struct eal_plan plan = plan_of(NULL, 0);

	plan.extra = extra;
	plan.n_extra = 1;
	ONE_FAULT(&plan, "", "EAL argument --vdev", "ports[].device");
	extra[0] = allow;
	ONE_FAULT(&plan, "", "EAL argument -a", "ports[].device");
	extra[0] = long_allow;
	ONE_FAULT(&plan, "", "EAL argument --allow", "ports[].device");
	extra[0] = word_vdev;
	plan.n_extra = 2;
	ONE_FAULT(&plan, "", "EAL argument --vdev", "ports[].device");
}

/* What the EAL would stop at, and with it what follows. */
static void stray_words(void **state)
{
	static char stray[] = "stray", no_huge[] = "--no-huge", in_memory[] = "--in-memory",
		    level[] = "--log-level", debug[] = "debug", n[] = "-n", four[] = "4",
		    n4[] = "-n4", joined[] = "--log-level=8", end[] = "--", dash[] = "-";
	struct eal_plan plan = plan_of(NULL, 0);

	plan.extra = (char *[]){ stray, no_huge, in_memory };
	plan.n_extra = 3;
	ONE_FAULT(&plan, "", "\"stray\"", "neither an option");
	plan.extra = (char *[]){ no_huge, stray, in_memory };
	ONE_FAULT(&plan, "", "\"stray\"");
	plan.extra = (char *[]){ joined, stray, no_huge };
	ONE_FAULT(&plan, "", "\"stray\"");
	plan.extra = (char *[]){ n4, stray, no_huge };
	ONE_FAULT(&plan, "", "\"stray\"");
	plan.extra = (char *[]){ no_huge, end, in_memory };
	ONE_FAULT(&plan, "", "\"--\"");
	plan.extra = (char *[]){ no_huge, dash, in_memory };
	ONE_FAULT(&plan, "", "\"-\"");
	plan.extra = (char *[]){ level, debug, n, four, no_huge };
	plan.n_extra = 5;
	no_fault(&plan);
}

/* A process that holds the lock of "config", as the EAL's primary process does. */
static pid_t hold_lock(const char *path, int *ready)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 8 };
	int fds[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		int fd = open(path, O_RDWR);

		if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 || write(fds[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 1);
	*ready = fds[0];
	return pid;
}

static void second_instance(void **state)
{
	static char prefix[] = "--file-prefix=other", in_memory[] = "--in-memory";
	char *extra[] = { prefix };
	struct eal_plan plan = plan_of(NULL, 0);
	char path[128], comm[64], number[32];
	pid_t pid;
	int fd;

	put("/run/dpdk/fairlead/config", "");
	no_fault(&plan); /* left behind by one that is gone */
	snprintf(path, sizeof(path), "%s/run/dpdk/fairlead/config", root);
	pid = hold_lock(path, &fd);
	snprintf(comm, sizeof(comm), "/proc/%d/comm", (int)pid);
	put(comm, "fairlead-old\n");
	snprintf(number, sizeof(number), "pid %d, fairlead-old", (int)pid);
	ONE_FAULT(&plan, "", number, "\"fairlead\"", "--file-prefix");
	set_pages("0\n", "0\n"); /* the other has them: still the one fault */
	ONE_FAULT(&plan, "", number);
	set_pages("512\n", "0\n");
	plan.extra = extra;
	plan.n_extra = 1;
	no_fault(&plan);
	extra[0] = in_memory;
	no_fault(&plan);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
}

/* Everything is said at once. */
static void several_faults(void **state)
{
	static const unsigned int workers[] = { 8 };
	const char *devices[] = { "af_packet:nope", "af_packet:up0", "0000:3b:00.0" };
	struct eal_plan plan = plan_of(devices, 3);
	struct faults f;

	plan.workers = workers;
	set_pages("0\n", "0\n");
	assert_int_not_equal(check(&plan, &f), 0);
	assert_int_equal(f.errors, 4);
	assert_string_equal(f.list[0].path, "workers[0]");
	assert_string_equal(f.list[1].path, "ports[0].device");
	assert_string_equal(f.list[2].path, "ports[2].device");
	assert_string_equal(f.list[3].path, "");
	faults_free(&f);
}

/* What the machine itself says is taken without a crash, whatever it is. */
static void this_machine(void **state)
{
	struct eal_plan plan = plan_of(NULL, 0);
	struct faults f = { 0 };
	struct host h;

	assert_string_equal(host_real(&h)->root, "");
	eal_precheck(&h, &plan, NULL, &f);
	faults_free(&f);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, build_machine, remove_machine)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_amiss),
		TEST(cores),
		TEST(cores_that_are_shared),
		TEST(cores_beyond_dpdk),
		TEST(interfaces),
		TEST(capabilities),
		TEST(no_tun),
		TEST(bonds),
		TEST(kernel_interfaces),
		TEST(pci),
		TEST(pci_vfio),
		TEST(pci_shared),
		TEST(same_device),
		TEST(files),
		TEST(hugepages_none),
		TEST(hugepages_too_few),
		TEST(hugepages_not_mounted),
		TEST(hugepages_mounts),
		TEST(hugepages_not_writable),
		TEST(memory_of_the_user),
		TEST(options),
		TEST(options_of_devices),
		TEST(stray_words),
		TEST(second_instance),
		TEST(several_faults),
		TEST(this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The carrier of kernel interfaces, in a network namespace of the test's own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "port_priv.h"

static bool have_namespace;

/* An interface that lives as long as the descriptor; its carrier is up. -1: not here. */
static int tap_create(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	strcpy(ifr.ifr_name, name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void set_up(const char *name, bool up)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(ifr.ifr_name, name);
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
	ifr.ifr_flags = (short)(up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
	close(fd);
}

static struct nic nic_on(const char *name)
{
	struct nic nic = { .ifindex = (int)if_nametoindex(name) };

	strcpy(nic.iface, name);
	assert_int_not_equal(nic.ifindex, 0);
	return nic;
}

/* Expects the changes of two nics and where they stand after. */
static void poll_expect(
	struct link_watch *w, struct nic **nics, const bool *changed, const bool *up)
{
	bool got[2];

	assert_int_equal(nic_poll_link(w, nics, 2, got), changed[0] + changed[1]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(got[i], changed[i]);
		assert_int_equal(nics[i]->up, up[i]);
	}
}

#define EXPECT(c0, c1, up0, up1)                                                                   \
	poll_expect(w, nics, (const bool[]){ c0, c1 }, (const bool[]){ up0, up1 })

static void follows_the_carrier(void **state)
{
	struct nic lo = nic_on("lo"), gone = { .ifindex = 999, .iface = "gone" };
	struct nic *nics[] = { &lo, &gone };
	struct link_watch *w;

	set_up("lo", true);
	w = link_watch_open();
	assert_non_null(w);
	EXPECT(1, 0, 1, 0); /* what was before it was opened */
	EXPECT(0, 0, 1, 0);
	set_up("lo", false);
	EXPECT(1, 0, 0, 0);
	set_up("lo", true);
	set_up("lo", false);
	set_up("lo", true);
	EXPECT(1, 0, 1, 0);
	assert_int_equal(lo.link_changes, 5);
	set_up("lo", false);
	set_up("lo", true);
	EXPECT(1, 0, 1, 0); /* was away in between: neighbours must be told */
	set_up("lo", false);
	link_watch_close(w);
}

/* An interface that is deleted is down, and one of its name is another. */
static void follows_the_index(void **state)
{
	int fd = tap_create("tap0");
	struct nic lo = nic_on("lo"), tap;
	struct nic *nics[] = { &lo, &tap };
	struct link_watch *w;

	if (fd < 0) {
		print_message("no /dev/net/tun\n");
		skip();
	}
	tap = nic_on("tap0");
	w = link_watch_open();
	EXPECT(0, 0, 0, 0);
	set_up("tap0", true);
	EXPECT(0, 1, 0, 1);
	close(fd);
	EXPECT(0, 1, 0, 0);
	fd = tap_create("tap0");
	set_up("tap0", true);
	EXPECT(0, 0, 0, 0);
	close(fd);
	link_watch_close(w);
}

/* More messages than the socket holds: the state is asked for again, and none is missed. */
static void survives_an_overrun(void **state)
{
	struct nic lo = nic_on("lo"), tap;
	struct nic *nics[] = { &lo, &tap };
	int fd = tap_create("tap1"), small = 1;
	struct link_watch *w;

	if (fd < 0) {
		print_message("no /dev/net/tun\n");
		skip();
	}
	tap = nic_on("tap1");
	set_up("tap1", true);
	w = link_watch_open();
	EXPECT(0, 1, 0, 1);
	assert_int_equal(
		setsockopt(link_watch_fd(w), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (int i = 0; i < 50; i++) {
		set_up("lo", true);
		set_up("lo", false);
	}
	close(fd); /* its message is lost */
	set_up("lo", true);
	EXPECT(1, 1, 1, 0);
	set_up("lo", false);
	EXPECT(1, 0, 0, 0);
	link_watch_close(w);
}

static int need_namespace(void **state)
{
	return have_namespace ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(follows_the_carrier, need_namespace),
		cmocka_unit_test_setup(follows_the_index, need_namespace),
		cmocka_unit_test_setup(survives_an_overrun, need_namespace),
	};

	/* Without root, a user namespace brings the right to make a network one. */
	have_namespace = unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
	if (!have_namespace) {
		print_message("1..0 # SKIP no network namespace: %s\n", strerror(errno));
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Driver profiles: those of the tree, and what is said about wrong ones. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "profile.h"

static int read_text(const char *text, struct nic_profile *p, struct faults *f)
{
	json_error_t error;
	json_t *doc = json_loads(text, JSON_DECODE_ANY, &error);
	int rc;

	if (!doc)
		fail_msg("%s: %s", text, error.text);
	memset(f, 0, sizeof(*f));
	rc = profile_read(doc, "x.json", p, f);
	json_decref(doc);
	return rc;
}

/* Every file of the tree is sound and is that of the driver its name says. */
static void profiles_of_the_tree(void **state)
{
	struct dirent *e;
	unsigned int n = 0;
	DIR *d = opendir(SOURCE_PROFILE_DIR);

	assert_non_null(d);
	while ((e = readdir(d))) {
		struct nic_profile p;
		struct faults f = { 0 };
		char driver[64];
		char *dot = strstr(e->d_name, ".json");

		if (!dot)
			continue;
		snprintf(driver, sizeof(driver), "%.*s", (int)(dot - e->d_name), e->d_name);
		if (profile_load(SOURCE_PROFILE_DIR, driver, &p, &f))
			fail_msg("%s: %s", f.list[0].path, f.list[0].text);
		assert_string_equal(p.driver, driver);
		n++;
	}
	closedir(d);
	assert_true(n >= 15);
}

static void says_everything(void **state)
{
	struct nic_profile p;
	struct faults f;

	assert_int_equal(
		read_text(
			"{ \"driver\": \"net_x\", \"notes\": [\"a\"], \"queues\": 4, \"burst\": 16,"
			" \"descriptors\": { \"receive\": 512, \"transmit\": 256 },"
			" \"rss\": [\"ip4\", \"tcp6\"],"
			" \"offloads\": { \"without\": [\"rx-l4-checksum\", \"tx-vlan-insert\"] },"
			" \"arguments\": { \"b\": 2, \"a\": \"x\" },"
			" \"eal\": [\"--one\", \"--two=3\"] }",
			&p, &f),
		0);
	assert_string_equal(p.driver, "net_x");
	assert_int_equal(p.max_queues, 4);
	assert_int_equal(p.burst, 16);
	assert_int_equal(p.rx_descriptors, 512);
	assert_int_equal(p.tx_descriptors, 256);
	assert_int_equal(p.rss, NIC_RSS_IP4 | NIC_RSS_TCP6);
	assert_int_equal(p.rx_without, NIC_RX_L4_CKSUM);
	assert_int_equal(p.tx_without, NIC_TX_VLAN);
	assert_string_equal(p.devargs, "b=2,a=x");
	assert_string_equal(p.eal_args, "--one --two=3");
}

static void says_little(void **state)
{
	struct nic_profile p;
	struct faults f;

	assert_int_equal(read_text("{ \"driver\": \"net_x\" }", &p, &f), 0);
	assert_int_equal(p.rss, NIC_RSS_ALL);
	assert_int_equal(p.max_queues, 0);
	assert_int_equal(read_text("{ \"driver\": \"net_x\", \"rss\": [] }", &p, &f), 0);
	assert_int_equal(p.rss, 0);
}

static const struct {
	const char *text, *path, *says;
} bad[] = {
	{ "[]", "x.json", "must be an object" },
	{ "{}", "x.json: driver", "is missing" },
	{ "{\"driver\": 1}", "x.json: driver", "name of a driver" },
	{ "{\"driver\": \"\"}", "x.json: driver", "name of a driver" },
	{ "{\"driver\": \"a234567890b234567890c234567890d2\"}", "x.json: driver",
		"name of a driver" },
	{ "{\"driver\": \"x\", \"queue\": 1}", "x.json", "did you mean \"queues\"?" },
	{ "{\"driver\": \"x\", \"zzz\": 1}", "x.json", "unknown key \"zzz\"" },
	{ "{\"driver\": \"x\", \"queues\": 0}", "x.json: queues", "1 to 1024" },
	{ "{\"driver\": \"x\", \"queues\": \"4\"}", "x.json: queues", "1 to 1024" },
	{ "{\"driver\": \"x\", \"burst\": 513}", "x.json: burst", "1 to 512" },
	{ "{\"driver\": \"x\", \"descriptors\": 7}", "x.json: descriptors", "must be an object" },
	{ "{\"driver\": \"x\", \"descriptors\": {\"receive\": 65536}}",
		"x.json: descriptors.receive", "1 to 32768" },
	{ "{\"driver\": \"x\", \"descriptors\": {\"rx\": 1}}", "x.json: descriptors",
		"unknown key \"rx\"" },
	{ "{\"driver\": \"x\", \"rss\": \"ip4\"}", "x.json: rss", "list of words" },
	{ "{\"driver\": \"x\", \"rss\": [\"ip4\", \"tcp5\"]}", "x.json: rss[1]", "did you mean" },
	{ "{\"driver\": \"x\", \"rss\": [4]}", "x.json: rss[0]", "known are ip4 to udp6" },
	{ "{\"driver\": \"x\", \"offloads\": []}", "x.json: offloads", "must be an object" },
	{ "{\"driver\": \"x\", \"offloads\": {\"with\": []}}", "x.json: offloads",
		"known is without" },
	{ "{\"driver\": \"x\", \"offloads\": {\"without\": [\"rx-l4-cksum\"]}}",
		"x.json: offloads.without[0]", "known are rx-ip-checksum to tx-multi-segment" },
	{ "{\"driver\": \"x\", \"arguments\": []}", "x.json: arguments", "must be an object" },
	{ "{\"driver\": \"x\", \"arguments\": {\"a\": 1.5}}", "x.json: arguments.a",
		"without blanks" },
	{ "{\"driver\": \"x\", \"arguments\": {\"a\": \"b,c=1\"}}", "x.json: arguments.a",
		"without blanks" },
	{ "{\"driver\": \"x\", \"eal\": \"--x\"}", "x.json: eal", "list of EAL arguments" },
	{ "{\"driver\": \"x\", \"eal\": [\"--x y\"]}", "x.json: eal[0]", "one EAL argument" },
	{ "{\"driver\": \"x\", \"eal\": [\"x\"]}", "x.json: eal[0]", "one EAL argument" },
};

static void refuses(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct nic_profile p;
		struct faults f;

		if (read_text(bad[i].text, &p, &f) != -EINVAL)
			fail_msg("%s was taken", bad[i].text);
		assert_int_equal(f.n, 1);
		assert_string_equal(f.list[0].path, bad[i].path);
		if (!strstr(f.list[0].text, bad[i].says))
			fail_msg("\"%s\" lacks \"%s\"", f.list[0].text, bad[i].says);
		faults_free(&f);
	}
}

static void refuses_what_is_too_long(void **state)
{
	char text[512], word[200];
	struct nic_profile p;
	struct faults f;

	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	snprintf(text, sizeof(text), "{\"driver\": \"x\", \"arguments\": {\"a\": \"%s\"}}", word);
	assert_int_equal(read_text(text, &p, &f), -EINVAL);
	assert_non_null(strstr(f.list[0].text, "at most 127"));
	faults_free(&f);
	snprintf(text, sizeof(text), "{\"driver\": \"x\", \"eal\": [\"-%s\", \"-b\"]}", word);
	assert_int_equal(read_text(text, &p, &f), -EINVAL);
	assert_non_null(strstr(f.list[0].text, "at most 127"));
	faults_free(&f);
}

static void unknown_drivers_have_the_default(void **state)
{
	struct nic_profile p;
	struct faults f = { 0 };

	assert_int_equal(profile_load(SOURCE_PROFILE_DIR, "net_unheard_of", &p, &f), 0);
	assert_string_equal(p.driver, "default");
	assert_int_equal(profile_load("/nonexistent", "net_tap", &p, &f), -ENOENT);
	assert_int_equal(f.n, 1);
	assert_string_equal(f.list[0].path, "");
	assert_string_equal(f.list[0].text,
		"the driver profiles are not in /nonexistent: run meson install, or start the "
		"program in its build folder");
	faults_free(&f);
}

/* Virtual devices have theirs at once, others when the driver is known. */
static void devices_have_theirs(void **state)
{
	static const char *const devices[] = { "tap:a", "0000:3b:00.0", "af_packet:b" };
	struct faults f = { 0 };
	struct nic_profile **p = profiles_load(devices, 3, &f);

	assert_non_null(p);
	assert_string_equal(p[0]->driver, "net_tap");
	assert_string_equal(p[1]->driver, "");
	assert_int_equal(p[1]->rss, NIC_RSS_ALL);
	assert_string_equal(p[2]->driver, "net_af_packet");
	assert_non_null(strstr(p[2]->devargs, "framesz=2048"));
	profiles_free(p, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profiles_of_the_tree),
		cmocka_unit_test(says_everything),
		cmocka_unit_test(says_little),
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_what_is_too_long),
		cmocka_unit_test(unknown_drivers_have_the_default),
		cmocka_unit_test(devices_have_theirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

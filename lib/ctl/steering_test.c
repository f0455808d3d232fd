/* SPDX-License-Identifier: BSD-3-Clause */
/* Which way of steering is chosen, and what is said when it is not the one asked for. */
#include "steering.h"

#include "config_test.h"

#include <rte_dev.h>

#include "test_eal.h"

static struct config *read_config(const char *text)
{
	struct faults faults = { 0 };
	char *unquoted = unquote(text);
	json_t *doc = config_parse(unquoted, strlen(unquoted), &faults);
	struct config *c = config_read(doc, &faults);

	free(unquoted);
	json_decref(doc);
	for (size_t i = 0; !c && i < faults.n; i++)
		print_error("%s: %s\n", faults.list[i].path, faults.list[i].text);
	assert_non_null(c);
	faults_free(&faults);
	return c;
}

#define WAN                                                                                        \
	"{'name': 'wan', 'device': 'ring:w', 'addresses': ['192.0.2.1/24'], 'gateways': "          \
	"['192.0.2.254']}"
#define LAN       "{'name': 'lan', 'device': 'ring:l', 'addresses': ['10.0.0.1/24']}"
#define DMZ       "{'name': 'dmz', 'device': 'ring:d', 'addresses': ['172.16.0.1/24']}"
#define TAGGED(n) "{'name': 'tagged', 'device': 'ring:w', 'vlan': 7, 'addresses': ['" n "']}"
#define CONF(ports, ...)                                                                           \
	"{'workers': [1, 2], 'control': 0, 'ports': [" ports                                       \
	"], 'pools': [{'name': 'near', 'servers': [{'name': 'a', 'address': '10.0.0.11'}]}, "      \
	"{'name': 'far', 'servers': [{'name': 'a', 'address': '10.9.0.11'}]}], " __VA_ARGS__ "}"
#define SERVE(mode, address, pool)                                                                 \
	"{'name': '" mode "', 'mode': '" mode "', 'address': '" address "', 'pool': '" pool "'}"
#define SPARE(server)                                                                              \
	"{'workers': [1, 2], 'control': 0, 'ports': [" WAN ", " LAN ", " DMZ                       \
	"], 'pools': [{'name': 'near', 'backup': 'more', 'servers': [{'name': 'a', 'address': "    \
	"'10.0.0.11'}]}, {'name': 'more', 'backup': 'last', 'servers': []}, {'name': 'last', "     \
	"'servers': [{'name': 'b', 'address': '" server                                            \
	"'}]}], 'services': [" SERVE("nat", "192.0.2.10:80", "near") "]}"

/* hash: S: source, D: destination, by device; NULL: not to be split. */
static const struct {
	const char *text, *hash;
} sides[] = {
	{ CONF(WAN ", " LAN, "'services': [" SERVE("nat", "192.0.2.10:80", "near") "]"), "SD" },
	{ CONF(WAN ", " LAN, "'services': [" SERVE("nat", "192.0.2.10:80", "near") ", " SERVE(
				     "dr", "192.0.2.11:80", "near") "]"),
		"SD" },
	/* Addresses that a router sends here; a device that leads nowhere in particular. */
	{ CONF(WAN ", " LAN ", " DMZ,
		  "'services': [" SERVE("nat", "203.0.113.0/24:80", "near") "]"),
		"SDS" },
	{ CONF(LAN ", " WAN, "'services': [" SERVE("nat", "192.0.2.10:80", "near") "]"), "DS" },
	/* Servers behind a router. */
	{ CONF(WAN ", " LAN,
		  "'routes': [{'to': '10.9.0.0/16', 'via': '10.0.0.9'}], 'services': [" SERVE(
			  "nat", "192.0.2.10:80", "far") "]"),
		"SD" },
	/* No NAT: addresses and ports tell as much. */
	{ CONF(WAN ", " LAN, "'services': [" SERVE("dr", "192.0.2.10:80", "near") "]"), NULL },
	/* Answers enter toward clients, or clients toward servers. */
	{ CONF(WAN ", " LAN, "'services': [" SERVE("nat", "192.0.2.10:80", "far") "]"), NULL },
	{ CONF(WAN ", " LAN, "'services': [" SERVE("nat", "10.0.0.100:80", "near") "]"), NULL },
	{ CONF(WAN ", " LAN, "'services': [" SERVE("nat", "192.0.2.10:80", "near") ", " SERVE(
				     "dr", "10.0.0.100:80", "near") "]"),
		NULL },
	{ CONF(WAN ", " TAGGED("10.0.0.1/24"),
		  "'services': [" SERVE("nat", "192.0.2.10:80", "near") "]"),
		NULL },
	{ CONF(WAN ", " LAN, "'services': [" SERVE("nat", "192.0.2.10:80", "near") ", " SERVE(
				     "fullnat", "192.0.2.11:80", "near") "]"),
		NULL },
	{ CONF(LAN, "'services': [" SERVE("nat", "10.0.0.100:80", "near") "]"), NULL },
	/* Servers that stand in for others, elsewhere: on a nic of their own, and toward clients.
	 */
	{ SPARE("172.16.0.11"), "SDD" },
	{ SPARE("192.0.2.11"), NULL },
};

static void test_sides(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
		struct config *c = read_config(sides[i].text);
		uint8_t hash[NIC_MAX];
		bool split = steering_sides(c, hash);

		if (split != (sides[i].hash != NULL))
			fail_msg("case %zu: %s", i, sides[i].text);
		for (unsigned int k = 0; split && k < c->n_devices; k++)
			assert_int_equal(hash[k],
				sides[i].hash[k] == 'S' ? NIC_HASH_SOURCE : NIC_HASH_DESTINATION);
		config_free(c);
	}
}

#define DEVICES(n, ...)                                                                            \
	"{'workers': [" n "], 'control': 0, 'ports': [{'name': 'wan', 'device': 'net_null7'}, "    \
	"{'name': 'lan', 'device': 'net_null8'}]" __VA_ARGS__ "}"

/* net_null hashes, and does not say what. */
static void test_a_device_that_cannot(void **state)
{
	static const char why[] = "net_null7: it does not give the hash with the packet";
	struct faults faults = { 0 };
	struct steering s;
	struct config *c;

	(void)state;
	assert_int_equal(rte_eal_hotplug_add("vdev", "net_null7", ""), 0);
	assert_int_equal(rte_eal_hotplug_add("vdev", "net_null8", ""), 0);

	c = read_config(DEVICES("1, 2"));
	assert_int_equal(steering_plan(&s, c, NULL, &faults), 0);
	assert_int_equal(s.way, STEER_SOFTWARE);
	assert_string_equal(s.why, why);
	assert_int_equal(s.hash[0], NIC_HASH_NONE);
	assert_int_equal(steering_settle(&s, c, NULL, &faults), 0);
	config_free(c);

	c = read_config(DEVICES("1, 2", ", 'steering': 'nic'"));
	assert_int_equal(steering_plan(&s, c, NULL, &faults), -EINVAL);
	assert_int_equal(faults.errors, 1);
	assert_string_equal(faults.list[0].path, "steering");
	assert_string_equal(faults.list[0].text,
		"\"nic\" is not possible: net_null7: it does not give the hash with the packet; "
		"needed is \"auto\" or \"software\", or other devices");
	faults_free(&faults);
	config_free(c);

	/* Nothing to steer, or not asked for: nothing is wrong. */
	c = read_config(DEVICES("1", ", 'steering': 'nic'"));
	assert_int_equal(steering_plan(&s, c, NULL, &faults), 0);
	assert_string_equal(s.why, "");
	config_free(c);
	c = read_config(DEVICES("1, 2", ", 'steering': 'software'"));
	assert_int_equal(steering_plan(&s, c, NULL, &faults), 0);
	assert_int_equal(s.way, STEER_SOFTWARE);
	assert_string_equal(s.why, "");
	config_free(c);
}

/* A nic that took other settings than it was told: software, or a refusal. */
static void test_a_nic_that_did_not(void **state)
{
	struct nic nics[2] = { { .hash = NIC_HASH_TUPLE },
		{ .hash_why = "the key of its hash is another one than was set" } };
	struct nic *const list[] = { &nics[0], &nics[1] };
	struct config *c = read_config(DEVICES("1, 2"));
	struct steering s = { .way = STEER_TUPLE, .hash = { NIC_HASH_TUPLE, NIC_HASH_TUPLE } };
	struct faults faults = { 0 };

	(void)state;
	assert_int_equal(steering_settle(&s, c, list, &faults), 0);
	assert_int_equal(s.way, STEER_SOFTWARE);
	assert_string_equal(s.why, "net_null8: the key of its hash is another one than was set");
	config_free(c);

	c = read_config(DEVICES("1, 2", ", 'steering': 'nic'"));
	s = (struct steering){ .way = STEER_TUPLE, .hash = { NIC_HASH_TUPLE, NIC_HASH_TUPLE } };
	assert_int_equal(steering_settle(&s, c, list, &faults), -EINVAL);
	faults_free(&faults);
	nics[1].hash = NIC_HASH_TUPLE;
	s = (struct steering){ .way = STEER_TUPLE, .hash = { NIC_HASH_TUPLE, NIC_HASH_TUPLE } };
	assert_int_equal(steering_settle(&s, c, list, &faults), 0);
	assert_int_equal(s.way, STEER_TUPLE);
	config_free(c);
}

/* Told once, whatever follows. */
static void test_a_change_that_breaks_the_split(void **state)
{
	struct config *fits = read_config(sides[0].text), *swapped, *not ;
	struct steering s = { .way = STEER_SPLIT,
		.hash = { NIC_HASH_SOURCE, NIC_HASH_DESTINATION } };

	(void)state;
	not = read_config(
		CONF(WAN ", " LAN, "'services': [" SERVE("nat", "10.0.0.100:80", "near") "]"));
	swapped = read_config(sides[3].text);
	steering_changed(&s, fits);
	assert_false(s.told_changed);
	steering_changed(&s, not );
	assert_true(s.told_changed);
	s.told_changed = false;
	steering_changed(&s, swapped);
	assert_true(s.told_changed);
	s = (struct steering){ .way = STEER_TUPLE };
	steering_changed(&s, not );
	assert_false(s.told_changed);
	config_free(fits);
	config_free(not );
	config_free(swapped);
}

/* With nics that hash addresses and ports, NAT on an address moves the other flows there. */
static void test_a_change_that_moves_flows(void **state)
{
	static const char nat[] =
		CONF(WAN ", " LAN, "'services': [" SERVE("nat", "192.0.2.10:80", "near") ", " SERVE(
					   "dr", "192.0.2.10:81", "near") "]");
	static const char dr[] =
		CONF(WAN ", " LAN, "'services': [" SERVE("dr", "192.0.2.10:81", "near") "]");
	struct config *with = read_config(nat), *without = read_config(dr);
	struct config *elsewhere = read_config(sides[1].text);
	struct steering s = { .way = STEER_TUPLE };
	struct faults faults = { 0 };

	(void)state;
	steering_warn(&s, with, with, &faults);
	steering_warn(&s, elsewhere, without, &faults);
	s.way = STEER_SOFTWARE;
	steering_warn(&s, without, with, &faults);
	assert_int_equal(faults.n, 0);
	s.way = STEER_TUPLE;
	steering_warn(&s, without, with, &faults);
	assert_int_equal(faults.n, 1);
	assert_true(faults.list[0].warning);
	assert_string_equal(faults.list[0].path, "services[0].address");
	assert_string_equal(faults.list[0].text,
		"192.0.2.10/32 gets mode nat by this: nics then bring its connections to other "
		"workers, and those of other modes that there are end");
	steering_warn(&s, with, without, &faults);
	assert_int_equal(faults.n, 2);
	assert_non_null(strstr(faults.list[1].text, "192.0.2.10/32 is left by mode nat"));
	faults_free(&faults);
	config_free(with);
	config_free(without);
	config_free(elsewhere);
}

/* What "port list" says. */
static void test_text(void **state)
{
	struct nic nics[2] = { { .id = 0 }, { .id = 1 } };
	struct nic *const list[] = { &nics[0], &nics[1] };
	struct workers all = { .n = 2, .steer = steer_create(2, 64, NULL) };
	struct steering s = { .way = STEER_SPLIT };

	(void)state;
	assert_non_null(all.steer);
	assert_string_equal(steering_text(NULL, &nics[0]), "one worker");
	assert_string_equal(steering_text(&all, &nics[0]), "software");
	nics[0].hash = NIC_HASH_SOURCE;
	nics[1].hash = NIC_HASH_DESTINATION;
	steering_use(&s, &all, list, 2);
	assert_string_equal(steering_text(&all, &nics[0]), "nic, source");
	assert_string_equal(steering_text(&all, &nics[1]), "nic, destination");
	nics[0].hash = nics[1].hash = NIC_HASH_TUPLE;
	s.way = STEER_TUPLE;
	steering_use(&s, &all, list, 2);
	assert_string_equal(steering_text(&all, &nics[1]), "nic");
	steering_look(&s, &all, list, 2);
	assert_false(s.told_lies[1]);
	all.steer[1]->nic[1].doubt[3] = STEER_LIES; /* one worker has found out */
	assert_string_equal(steering_text(&all, &nics[1]), "nic, wrong hash");
	assert_string_equal(steering_text(&all, &nics[0]), "nic");
	steering_look(&s, &all, list, 2);
	assert_true(s.told_lies[1] && !s.told_lies[0]);
	steer_destroy(all.steer, 2);
	all.n = 1;
	assert_string_equal(steering_text(&all, &nics[0]), "one worker");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sides),
		cmocka_unit_test(test_a_device_that_cannot),
		cmocka_unit_test(test_a_nic_that_did_not),
		cmocka_unit_test(test_a_change_that_breaks_the_split),
		cmocka_unit_test(test_a_change_that_moves_flows),
		cmocka_unit_test(test_text),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

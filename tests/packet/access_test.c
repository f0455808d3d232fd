/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may open flows, and how fast: access lists and rates of sources, in every mode, with one
 * worker and with three. The configuration is forward.json, changed by each test while it runs.
 */
#include "alarm_lab.h"
#include "synproxy_lab.h"

#define UDP 17

/* ---- the matrix ----------------------------------------------------------------------------- */

struct path {
	const char *service, *mode, *other; /* other: a service of the same address family */
	uint8_t proto;
	const char *vip, *other_vip;
	const char *client;  /* without its last number, which has no more than 16 bits */
	const char *network; /* of clients 0x100 to 0x1ff */
	unsigned int workers;
};

#define BOTH(...)                                                                                  \
	{ __VA_ARGS__, 1 },                                                                        \
	{                                                                                          \
		__VA_ARGS__, 3                                                                     \
	}
#define V4 "192.0.2.10", "192.0.2.20", "198.51.", "198.51.1.0/24"
#define V6 "2001:db8:1::10", "2001:db8:1::20", "2001:db8:c::", "2001:db8:c::100/120"
#define N4 "192.0.2.20", "192.0.2.10", "198.51.", "198.51.1.0/24"
#define N6 "2001:db8:1::20", "2001:db8:1::10", "2001:db8:c::", "2001:db8:c::100/120"

static const struct path paths[] = {
	BOTH("dr4-tcp", "dr", "nat4-tcp", TCP, V4),
	BOTH("dr4-udp", "dr", "nat4-udp", UDP, V4),
	BOTH("dr6-tcp", "dr", "nat6-tcp", TCP, V6),
	BOTH("dr6-udp", "dr", "nat6-udp", UDP, V6),
	BOTH("dr4-tcp", "tunnel", "nat4-tcp", TCP, V4),
	BOTH("dr6-udp", "tunnel", "nat6-udp", UDP, V6),
	BOTH("nat4-tcp", "nat", "dr4-tcp", TCP, N4),
	BOTH("nat4-udp", "nat", "dr4-udp", UDP, N4),
	BOTH("nat6-tcp", "nat", "dr6-tcp", TCP, N6),
	BOTH("nat6-udp", "nat", "dr6-udp", UDP, N6),
	BOTH("nat4-tcp", "fullnat", "dr4-tcp", TCP, N4),
	BOTH("nat6-tcp", "fullnat", "dr6-tcp", TCP, N6),
	BOTH("nat6-udp", "fullnat", "dr6-udp", UDP, N6),
};

static bool one_way(const struct path *p)
{
	return !strcmp(p->mode, "dr") || !strcmp(p->mode, "tunnel");
}

static struct harness *lab(const struct path *p)
{
	struct harness *h = harness_create(
		&(struct harness_conf){ .file = "forward.json", .workers = p->workers });
	json_t *doc = harness_document(h);

	json_object_set_new(
		harness_named(doc, "services", p->service), "mode", json_string(p->mode));
	harness_apply(h, doc);
	return h;
}

/* Sets members of the document, or (service not NULL) of a service. */
static void configure(struct harness *h, const char *service, const char *fmt, const char *text)
{
	json_t *doc = harness_document(h), *more;
	char json[512];

	snprintf(json, sizeof(json), fmt, text);
	more = json_loads(json, 0, NULL);
	assert_non_null(more);
	json_object_update(service ? harness_named(doc, "services", service) : doc, more);
	json_decref(more);
	harness_apply(h, doc);
}

/* ---- packets -------------------------------------------------------------------------------- */

static struct frame packet(
	const struct path *p, const char *vip, unsigned int client, uint16_t sport, uint8_t flags)
{
	char from[64];

	snprintf(from, sizeof(from), strchr(p->client, ':') ? "%s%x" : "%s%u.%u", p->client,
		strchr(p->client, ':') ? client : client >> 8, client & 0xff);
	return frame_make(p->proto, from, sport, vip, 80, flags);
}

/* Whether the first packet of a connection, or of flags another one, reaches a server. */
static bool passes(struct harness *h, const struct path *p, const char *vip, unsigned int client,
	uint16_t sport, uint8_t flags)
{
	struct frame f = packet(p, vip, client, sport, flags);
	const struct captured *c;

	harness_send(h, WAN, &f);
	c = harness_take(h);
	if (!c)
		return false;
	assert_int_equal(c->nic, LAN);
	assert_null(harness_take(h));
	return true;
}

static bool opens(struct harness *h, const struct path *p, unsigned int client, uint16_t sport)
{
	return passes(h, p, p->vip, client, sport, FRAME_SYN);
}

/* Of n connections of a client, how many. */
static unsigned int opens_many(struct harness *h, const struct path *p, const char *vip,
	unsigned int client, uint16_t sport, unsigned int n)
{
	unsigned int opened = 0;

	for (unsigned int i = 0; i < n; i++)
		opened += passes(h, p, vip, client, (uint16_t)(sport + i), FRAME_SYN);
	return opened;
}

static struct guarded guarded(const struct harness *h, const char *service)
{
	const uint16_t slot = model_service_by_name(h->snapshot.model, service)->slot;
	struct guarded sum = { 0 };

	for (unsigned int i = 0; i < h->conf.workers; i++) {
		const struct guarded *g = &h->workers->worker[i]->l4.guarded[slot];

		sum.denied += g->denied;
		sum.over_rate += g->over_rate;
		sum.cut += g->cut;
	}
	return sum;
}

/* ---- access lists --------------------------------------------------------------------------- */

static void test_lists(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);

	/* For all services. */
	configure(h, NULL, "{\"access\": {\"deny\": [\"%s\"]}}", p->network);
	assert_true(opens(h, p, 0x200, 1000));
	assert_false(opens(h, p, 0x101, 1000));
	assert_false(opens(h, p, 0x1ff, 1000));
	assert_false(passes(h, p, p->other_vip, 0x101, 1000, FRAME_SYN));
	assert_int_equal(harness_drops(h, DROP_denied), 3);
	assert_int_equal(guarded(h, p->service).denied, 2);
	assert_int_equal(guarded(h, p->other).denied, 1);

	/* What all lets in, the service may not; and the other way round. */
	configure(h, p->service, "{\"access\": {\"allow\": [\"%s\"]}}", p->network);
	assert_false(opens(h, p, 0x101, 1001));
	assert_false(opens(h, p, 0x200, 1001));
	configure(h, NULL, "{\"access\": {\"allow\": [\"%s\"]}}", p->network);
	assert_true(opens(h, p, 0x101, 1002));
	assert_false(opens(h, p, 0x200, 1002));
	assert_false(passes(h, p, p->other_vip, 0x200, 1002, FRAME_SYN));
	assert_true(passes(h, p, p->other_vip, 0x101, 1002, FRAME_SYN));
	configure(h, NULL, "{\"access\": {\"others\": \"%s\"}}", "allow");
	assert_false(opens(h, p, 0x200, 1003));
	assert_true(passes(h, p, p->other_vip, 0x200, 1003, FRAME_SYN));

	/* None: everybody again. */
	configure(h, p->service, "{\"access\": {}%s}", "");
	assert_true(opens(h, p, 0x200, 1004));
	assert_int_equal(guarded(h, p->service).over_rate, 0);
	assert_int_equal(guarded(h, p->service).cut, 1); /* the first connection */
	harness_destroy(h);
}

/* Packets that begin nothing and have no flow: where they would go by Maglev, they are judged as
 * well; where they would be answered, denied clients hear nothing. */
static void test_stateless(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	struct frame f = packet(p, p->vip, 0x101, 999, FRAME_ACK);

	configure(h, p->service, "{\"no-flow\": \"%s\"}", "reset");
	configure(h, p->service, "{\"access\": {\"deny\": [\"%s\"]}}", p->network);
	harness_dropped(h, WAN, &f, DROP_denied);
	assert_int_equal(guarded(h, p->service).denied, 1);
	f = packet(p, p->vip, 0x200, 999, FRAME_ACK);
	harness_through(h, WAN, &f, one_way(p) ? LAN : WAN);
	harness_destroy(h);
}

/* A tightened list closes what it denies, and nothing else. */
static void test_tighten(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	const unsigned int flows = 40;
	uint64_t opened = 0;

	for (unsigned int i = 0; i < flows; i++) {
		assert_true(opens(h, p, 0x100 + i, 1000));
		assert_true(opens(h, p, 0x200 + i, 1000));
	}
	assert_true(passes(h, p, p->other_vip, 0x100, 1000, FRAME_SYN));
	assert_int_equal(harness_flows(h), 2 * flows + 1);

	/* Something else changes: nobody is looked at. */
	configure(h, p->service, "{\"timeouts\": {\"tcp-syn\": \"%s\", \"udp\": \"50s\"}}", "50s");
	assert_int_equal(harness_flows(h), 2 * flows + 1);

	configure(h, p->service, "{\"access\": {\"deny\": [\"%s\"]}}", p->network);
	assert_int_equal(harness_flows(h), flows + 1);
	assert_int_equal(guarded(h, p->service).cut, flows);
	assert_int_equal(guarded(h, p->other).cut, 0);
	for (unsigned int i = 0; i < flows; i++) {
		assert_false(passes(h, p, p->vip, 0x100 + i, 1000, FRAME_ACK));
		assert_true(passes(h, p, p->vip, 0x200 + i, 1000, FRAME_ACK));
	}

	/* Wider: nothing is closed, and they may come again. */
	configure(h, p->service, "{\"access\": {\"deny\": [\"%s\"]}}", "203.0.113.0/24");
	assert_int_equal(harness_flows(h), flows + 1);
	assert_true(opens(h, p, 0x100, 1000));

	/* By the list for all, every service's. */
	configure(h, NULL, "{\"access\": {\"deny\": [\"%s\"]}}", p->network);
	assert_int_equal(harness_flows(h), flows);
	assert_int_equal(guarded(h, p->service).cut, flows + 1);
	assert_int_equal(guarded(h, p->other).cut, 1);

	/* Nobody may. */
	configure(h, p->service, "{\"access\": {\"others\": \"%s\"}}", "deny");
	assert_int_equal(harness_flows(h), 0);
	for (unsigned int i = 0; i < p->workers; i++)
		for (unsigned int s = 1; s < MODEL_SERVICES_MAX; s++) {
			const struct traffic *t = &h->workers->worker[i]->l4.service[s];

			opened += t->flows_opened;
			assert_int_equal(t->flows_opened, t->flows_closed);
		}
	assert_int_equal(opened, 2 * flows + 2);
	harness_destroy(h);
}

/* Lists that did not change are not compiled again. */
static void test_shared(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	const struct access *all, *own;

	configure(h, NULL, "{\"access\": {\"deny\": [\"%s\", \"203.0.113.0/24\"]}}", p->network);
	configure(h, p->service, "{\"access\": {\"deny\": [\"%s\"]}}", "203.0.113.7");
	all = h->snapshot.model->access;
	own = model_service_by_name(h->snapshot.model, p->service)->access;
	assert_non_null(all);
	assert_non_null(own);
	assert_ptr_not_equal(all, own);
	configure(h, p->other, "{\"access\": {\"deny\": [\"%s\"]}}", "203.0.113.8");
	/* In another order it is the same. */
	configure(h, NULL, "{\"access\": {\"deny\": [\"203.0.113.0/24\", \"%s\"]}}", p->network);
	configure(h, p->service, "{\"refuse\": \"%s\"}", "icmp");
	assert_ptr_equal(h->snapshot.model->access, all);
	assert_ptr_equal(model_service_by_name(h->snapshot.model, p->service)->access, own);
	configure(h, NULL, "{\"access\": {\"allow\": [\"%s\"]}}", p->network);
	assert_ptr_not_equal(h->snapshot.model->access, all);
	harness_destroy(h);
}

/* ---- rates ---------------------------------------------------------------------------------- */

#define RATE "{\"source-rate\": {\"connections\": %s}}"

static void test_rate(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);

	configure(h, p->service,
		"{\"source-rate\": {\"connections\": 10, \"burst\": %s, \"prefix-v6\": 128}}",
		"20");
	/* From many ports, so that every worker has some: exactly the burst. */
	assert_int_equal(opens_many(h, p, p->vip, 0x101, 1000, 60), 20);
	assert_int_equal(harness_flows(h), 20);
	assert_int_equal(harness_drops(h, DROP_source_rate), 40);
	assert_int_equal(guarded(h, p->service).over_rate, 40);
	/* Others, and other services, are not concerned. */
	assert_int_equal(opens_many(h, p, p->vip, 0x102, 1000, 20), 20);
	assert_int_equal(opens_many(h, p, p->other_vip, 0x101, 1000, 60), 60);
	harness_advance(h, 1000);
	assert_int_equal(opens_many(h, p, p->vip, 0x101, 2000, 60), 10);
	harness_advance(h, 60000);
	assert_int_equal(opens_many(h, p, p->vip, 0x101, 3000, 60), 20);
	/* By another rule: from an empty bucket, which fills in no time. */
	configure(h, p->service, RATE, "1000000");
	opens(h, p, 0x101, 3999);
	harness_advance(h, 1);
	assert_int_equal(opens_many(h, p, p->vip, 0x101, 4000, 60), 60);
	harness_destroy(h);
}

/* The alarm for a table that is nearly full of sources, until their buckets are full. */
static void test_rate_alarm(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	struct alarms a = { 0 };
	uint64_t used;

	configure(
		h, p->service, "{\"source-rate\": {\"connections\": %s, \"prefix-v6\": 128}}", "1");
	assert_false(alarm_of(h, &a, "source-rates", &used));
	assert_int_equal(used, 0);
	for (unsigned int i = 0; i < 4096; i++)
		opens(h, p, 0x1000 + i, 1000);
	assert_true(alarm_of(h, &a, "source-rates", &used));
	harness_advance(h, 1100);
	assert_false(alarm_of(h, &a, "source-rates", &used));
	assert_int_equal(used, 0);
	harness_destroy(h);
}

/* A network of clients has one rate. */
static void test_prefix(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	unsigned int opened = 0;

	configure(h, p->service,
		"{\"source-rate\": {\"connections\": %s, \"prefix\": 24, \"prefix-v6\": 120}}",
		"15");
	for (unsigned int i = 0; i < 50; i++)
		opened += opens(h, p, 0x100 + i, 1000);
	assert_int_equal(opened, 15);
	assert_true(opens(h, p, 0x200, 1000));
	harness_destroy(h);
}

/* Over all services; what a service turns away does not count there. */
static void test_rate_of_all(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);

	configure(h, NULL, RATE, "30");
	configure(h, p->service, RATE, "10");
	assert_int_equal(opens_many(h, p, p->vip, 0x101, 1000, 50), 10);
	assert_int_equal(opens_many(h, p, p->other_vip, 0x101, 1000, 50), 20);
	assert_int_equal(guarded(h, p->service).over_rate, 40);
	assert_int_equal(guarded(h, p->other).over_rate, 30);
	/* Later, in the other order. */
	harness_advance(h, 60000);
	assert_int_equal(opens_many(h, p, p->other_vip, 0x101, 2000, 25), 25);
	assert_int_equal(opens_many(h, p, p->vip, 0x101, 2000, 50), 5);
	harness_destroy(h);
}

/* Packets of flows do not count, nor do first packets that come again, nor those that begin
 * nothing. */
static void test_what_counts(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);

	configure(h, p->service, RATE, "2");
	assert_true(opens(h, p, 0x101, 1000));
	for (unsigned int i = 0; i < 20; i++) {
		assert_true(opens(h, p, 0x101, 1000));
		assert_true(passes(h, p, p->vip, 0x101, 1000, FRAME_ACK));
	}
	if (one_way(p) && p->proto == TCP)
		for (uint16_t i = 0; i < 20; i++)
			assert_true(passes(h, p, p->vip, 0x101, (uint16_t)(5000 + i), FRAME_ACK));
	assert_int_equal(opens_many(h, p, p->vip, 0x101, 2000, 5), 1);
	/* Established flows of a source that is over its rate go on. */
	assert_true(passes(h, p, p->vip, 0x101, 1000, FRAME_ACK));
	harness_destroy(h);
}

/* A rate beside persistence, a limit and a backup: all of them hold. */
static void test_rate_and_others(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);
	json_t *doc = harness_document(h);
	const char *pool = json_string_value(
		json_object_get(harness_named(doc, "services", p->service), "pool"));

	json_object_set_new(harness_named(doc, "pools", pool), "max-connections", json_integer(12));
	harness_apply(h, doc);
	configure(h, p->service, "{\"persistence\": {\"timeout\": \"%s\"}}", "1h");
	configure(h, p->service, "{\"source-rate\": {\"connections\": %s, \"prefix-v6\": 128}}",
		"20");
	for (unsigned int client = 0; client < 2; client++)
		assert_int_equal(opens_many(h, p, p->vip, 0x101 + client, 1000, 50), 20);
	/* 48 in all. */
	assert_int_equal(opens_many(h, p, p->vip, 0x110, 1000, 50), 8);
	assert_int_equal(harness_drops(h, DROP_server_full), 12);
	assert_int_equal(harness_drops(h, DROP_source_rate), 90);
	assert_int_equal(harness_flows(h), 48);
	harness_destroy(h);
}

/* Packets whose source was asked about elsewhere count for the new flows of their worker once. */
static void test_rate_and_pace(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);

	configure(h, p->service, RATE, "1000");
	configure(h, p->service, "{\"new-flows\": %s}", p->workers > 1 ? "60" : "90");
	harness_advance(h, 1000);
	/* A third each, more or less. */
	assert_int_equal(opens_many(h, p, p->vip, 0x101, 1000, 90), 90);
	assert_int_equal(harness_flows(h), 90);
	harness_destroy(h);
}

/* A denied client uses up nothing. */
static void test_order(void **state)
{
	const struct path *p = *state;
	struct harness *h = lab(p);

	configure(h, p->service, "{\"access\": {\"deny\": [\"%s\"]}}", p->network);
	configure(h, p->service, RATE, "5");
	assert_int_equal(opens_many(h, p, p->vip, 0x101, 1000, 20), 0);
	assert_int_equal(harness_drops(h, DROP_denied), 20);
	configure(h, p->service, "{\"access\": {%s}}", "");
	assert_int_equal(opens_many(h, p, p->vip, 0x101, 1000, 20), 5);
	harness_destroy(h);
}

/* More sources than the table holds: every new one is let in, and one that is over its rate stays
 * so. */
static void test_flood(void **state)
{
	const struct path *p = *state;
	struct harness *h = harness_create(&(struct harness_conf){ .file = "forward.json",
		.workers = p->workers,
		.source_rates = 256,
		.packets = 16384 });
	json_t *doc = harness_document(h);

	json_object_set_new(
		harness_named(doc, "services", p->service), "mode", json_string(p->mode));
	harness_apply(h, doc);
	configure(h, p->service, "{\"source-rate\": {\"connections\": %s, \"prefix-v6\": 128}}",
		"10");
	assert_int_equal(opens_many(h, p, p->vip, 0x8001, 1000, 30), 10);
	for (unsigned int i = 0; i < 3000; i++)
		assert_true(opens(h, p, 0x100 + i, 1000));
	assert_int_equal(opens_many(h, p, p->vip, 0x8001, 2000, 30), 0);
	harness_destroy(h);
}

/* ---- with SYN cookies ----------------------------------------------------------------------- */

/* What is not proven counts for no rate; what is does when its flow is opened, whichever worker it
 * is at. Denied clients get no cookie. */
static void test_cookies(void **unused)
{
	for (size_t i = 0; i < N_WAYS * 2; i++) {
		const struct way *way = &ways[i / 2];
		struct harness *h = harness_create(&(struct harness_conf){
			.file = "synproxy.json", .workers = i % 2 ? 3 : 1 });
		struct conn c[20];
		struct options o;
		struct frame f;

		configure(h, way->service, "{\"source-rate\": {\"connections\": 2, \"burst\": %s}}",
			"4");
		for (uint16_t k = 0; k < 20; k++) {
			c[k] = conn_make(h, way, (uint16_t)(5000 + k));
			open_syn(&c[k]);
		}
		for (unsigned int k = 0; k < 4; k++)
			open_ack(&c[k], 33);
		for (unsigned int k = 4; k < 20; k++) {
			o = client_options(&c[k]);
			f = client_frame(&c[k], FRAME_ACK, c[k].isn + 1, c[k].cookie + 1, &o);
			harness_dropped(h, WAN, &f, DROP_source_rate);
		}
		assert_int_equal(harness_flows(h), 4);
		open_server(&c[0], server_options(&c[0]));
		/* A little later its data comes again, and it is its turn. */
		harness_advance(h, 500);
		harness_forget(h);
		open_ack(&c[9], 33);
		assert_int_equal(guarded(h, way->service).over_rate, 16);

		configure(h, NULL, "{\"access\": {\"deny\": [\"%s\"]}}", way->client);
		assert_int_equal(harness_flows(h), 0);
		harness_forget(h);
		c[0] = conn_make(h, way, 7000);
		options_write(&c[0].syn, 0);
		f = client_frame(&c[0], FRAME_SYN, c[0].isn, 0, &c[0].syn);
		harness_dropped(h, WAN, &f, DROP_denied);
		f = client_frame(&c[15], FRAME_ACK, c[15].isn + 1, c[15].cookie + 1, &o);
		harness_dropped(h, WAN, &f, DROP_denied);
		harness_destroy(h);
	}
}

/* ---- all ------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	CMUnitTestFunction run;
	uint8_t proto; /* 0: any */
} each_path[] = {
	{ "lists", test_lists, 0 },
	{ "stateless", test_stateless, TCP },
	{ "tighten", test_tighten, 0 },
	{ "shared", test_shared, 0 },
	{ "rate", test_rate, 0 },
	{ "rate alarm", test_rate_alarm, 0 },
	{ "prefix", test_prefix, 0 },
	{ "rate of all", test_rate_of_all, 0 },
	{ "what counts", test_what_counts, 0 },
	{ "rate and others", test_rate_and_others, 0 },
	{ "rate and pace", test_rate_and_pace, 0 },
	{ "order", test_order, 0 },
	{ "flood", test_flood, 0 },
};

int main(void)
{
	static char names[RTE_DIM(paths) * RTE_DIM(each_path) + 1][64];
	struct CMUnitTest tests[RTE_DIM(names)];
	size_t n = 0;

	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_cookies);
	for (size_t t = 0; t < RTE_DIM(each_path); t++)
		for (size_t i = 0; i < RTE_DIM(paths); i++) {
			if (each_path[t].proto && each_path[t].proto != paths[i].proto)
				continue;
			snprintf(names[n], sizeof(names[n]), "%s, %s, %s, %u workers",
				each_path[t].name, paths[i].service, paths[i].mode,
				paths[i].workers);
			tests[n] = (struct CMUnitTest){ names[n], each_path[t].run, NULL, NULL,
				(void *)&paths[i] };
			n++;
		}
	harness_init();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("packet_access", tests, n, NULL, NULL);
}

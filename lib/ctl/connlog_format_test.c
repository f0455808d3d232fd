/* SPDX-License-Identifier: BSD-3-Clause */
/* Each field of a line, in both formats; what is not known; the longest line there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "ctl/connlog_format.h"
#include "l7/relay.h"

static struct tuple tuple_of(const char *src, const char *dst)
{
	struct endpoint a, b;

	assert_int_equal(endpoint_parse(src, &a), 0);
	assert_int_equal(endpoint_parse(dst, &b), 0);
	return (struct tuple){ .src = a.addr,
		.dst = b.addr,
		.sport = rte_cpu_to_be_16(a.port),
		.dport = rte_cpu_to_be_16(b.port) };
}

static struct endpoint endpoint_of(const char *text)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(text, &e), 0);
	return e;
}

static struct relay_record record_of(void)
{
	return (struct relay_record){
		.client = tuple_of("192.0.2.100:40000", "192.0.2.14:80"),
		.who = endpoint_of("203.0.113.9:1234"),
		.server = tuple_of("10.0.0.11:8080", "10.0.0.1:51000"),
		.up = 78,
		.down = UINT64_C(5000000000),
		.total_ms = UINT64_C(5000000001),
		.header_ms = 1,
		.queue_ms = 2,
		.connect_ms = 3,
		.retries = 4,
		.end = RELAY_END_server_timeout,
	};
}

static struct connlog_entry entry_of(const struct relay_record *r)
{
	return (struct connlog_entry){ .record = r,
		.began_ms = UINT64_C(1795862624007),
		.service = "web",
		.pool = "servers",
		.server = "s1",
		.service_active = 7,
		.server_active = 6 };
}

static void test_text(void **state)
{
	static const char expected[] =
		"2026-11-28T10:43:44.007Z client=203.0.113.9:1234 peer=192.0.2.100:40000 "
		"address=192.0.2.14:80 "
		"service=web pool=servers server=s1 source=10.0.0.1:51000 target=10.0.0.11:8080 "
		"bytes_in=78 bytes_out=5000000000 header_ms=1 queue_ms=2 connect_ms=3 "
		"total_ms=5000000001 retries=4 end=server_timeout service_active=7 "
		"server_active=6";
	const struct relay_record r = record_of();
	const struct connlog_entry e = entry_of(&r);
	char line[CONNLOG_LINE];

	assert_int_equal(connlog_text(&e, line), strlen(expected));
	assert_string_equal(line, expected);
}

static void test_json(void **state)
{
	static const char expected[] =
		"{\"start\":\"2026-11-28T10:43:44.007Z\",\"client\":\"203.0.113.9:1234\",\"peer\":"
		"\"192.0.2.100:40000\","
		"\"address\":\"192.0.2.14:80\",\"service\":\"web\",\"pool\":\"servers\","
		"\"server\":\"s1\",\"source\":\"10.0.0.1:51000\",\"target\":\"10.0.0.11:8080\","
		"\"bytes_in\":78,\"bytes_out\":5000000000,\"header_ms\":1,\"queue_ms\":2,"
		"\"connect_ms\":3,\"total_ms\":5000000001,\"retries\":4,"
		"\"end\":\"server_timeout\",\"service_active\":7,\"server_active\":6}";
	const struct relay_record r = record_of();
	const struct connlog_entry e = entry_of(&r);
	char line[CONNLOG_LINE];

	assert_int_equal(connlog_json(&e, line), strlen(expected));
	assert_string_equal(line, expected);
}

/* No server was tried, and nobody remembers the service. */
static void test_unknown(void **state)
{
	struct relay_record r = record_of();
	struct connlog_entry e = { .record = &r, .began_ms = 0, .service_active = 9 };
	char line[CONNLOG_LINE];

	memset(&r.server, 0, sizeof(r.server));
	connlog_text(&e, line);
	assert_non_null(strstr(line, "1970-01-01T00:00:00.000Z client=203.0.113.9:1234 "
				     "peer=192.0.2.100:40000 address=192.0.2.14:80 "
				     "service=- pool=- server=- source=- target=- bytes_in=78 "));
	assert_non_null(strstr(line, " end=server_timeout service_active=- server_active=-"));
	connlog_json(&e, line);
	assert_non_null(strstr(line,
		"\"service\":null,\"pool\":null,\"server\":null,\"source\":null,\"target\":null,"));
	assert_non_null(strstr(line, "\"service_active\":null,\"server_active\":null}"));
}

/* Whatever a name might once be made of. */
static void test_escapes(void **state)
{
	static const char odd[] = "a\"b\\c\nd\te\x01\xc3\xa4";
	const struct relay_record r = record_of();
	struct connlog_entry e = entry_of(&r);
	char line[CONNLOG_LINE];
	json_t *o;

	e.service = odd;
	assert_true(connlog_json(&e, line) > 0);
	assert_null(strchr(line, '\n'));
	assert_non_null(strstr(line, "\"a\\\"b\\\\c\\nd\\te\\u0001\xc3\xa4\""));
	o = json_loads(line, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(o, "service")), odd);
	json_decref(o);
}

static void test_longest(void **state)
{
	static const char peer[] = "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535";
	char name[MODEL_NAME_MAX], line[CONNLOG_LINE];
	struct relay_record r = record_of();
	struct connlog_entry e = entry_of(&r);
	json_t *o;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	r.client = r.server = tuple_of(peer, peer);
	r.who = endpoint_of(peer);
	r.up = r.down = r.total_ms = INT64_MAX;
	r.header_ms = r.queue_ms = r.connect_ms = UINT32_MAX;
	r.retries = UINT8_MAX;
	r.end = RELAY_END_half_closed_timeout;
	e.service = e.pool = e.server = name;
	e.service_active = e.server_active = INT64_MAX;
	connlog_text(&e, line);
	assert_non_null(strstr(line, " server_active=9223372036854775807"));
	assert_true(connlog_json(&e, line) > 0);
	o = json_loads(line, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(o, "target")), peer);
	assert_int_equal(json_integer_value(json_object_get(o, "server_active")), INT64_MAX);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

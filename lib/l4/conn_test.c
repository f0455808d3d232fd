/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts of packets and the state after each: "> S" is a SYN of the client, "< SA" a SYN-ACK of
 * the server. */
#include "conn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

struct script {
	const char *name;
	uint8_t proto;
	bool two_way;
	struct {
		const char *packet;
		enum conn_state state;
	} step[10];
};

static const struct script scripts[] = {
	{ "handshake, data, close", IPPROTO_TCP, true,
		{ { "> S", CONN_SYN }, { "< SA", CONN_SYN_ACK }, { "> A", CONN_ESTABLISHED },
			{ "< A", CONN_ESTABLISHED }, { "> FA", CONN_FIN }, { "< A", CONN_FIN },
			{ "< FA", CONN_TIME_WAIT }, { "> A", CONN_TIME_WAIT } } },
	{ "SYN again", IPPROTO_TCP, true,
		{ { "> S", CONN_SYN }, { "> S", CONN_SYN }, { "< SA", CONN_SYN_ACK },
			{ "> S", CONN_SYN_ACK }, { "< SA", CONN_SYN_ACK },
			{ "> A", CONN_ESTABLISHED } } },
	{ "ACK without SYN-ACK does not establish", IPPROTO_TCP, true,
		{ { "> S", CONN_SYN }, { "> A", CONN_SYN }, { "< A", CONN_SYN } } },
	{ "FIN before the SYN-ACK is nobody's", IPPROTO_TCP, true,
		{ { "> S", CONN_SYN }, { "> FA", CONN_SYN }, { "< F", CONN_SYN },
			{ "< SA", CONN_SYN_ACK }, { "> FA", CONN_FIN } } },
	{ "SYN on established is no new connection", IPPROTO_TCP, true,
		{ { "> S", CONN_SYN }, { "< SA", CONN_SYN_ACK }, { "> A", CONN_ESTABLISHED },
			{ "> S", CONN_ESTABLISHED }, { "< A", CONN_ESTABLISHED } } },
	{ "FIN repeated is one side's", IPPROTO_TCP, true,
		{ { "> S", CONN_SYN }, { "< SA", CONN_SYN_ACK }, { "> A", CONN_ESTABLISHED },
			{ "> FA", CONN_FIN }, { "> FA", CONN_FIN }, { "< FA", CONN_TIME_WAIT } } },
	{ "server closes first", IPPROTO_TCP, true,
		{ { "> S", CONN_SYN }, { "< SA", CONN_SYN_ACK }, { "> A", CONN_ESTABLISHED },
			{ "< FA", CONN_FIN }, { "> FA", CONN_TIME_WAIT } } },
	{ "refused", IPPROTO_TCP, true, { { "> S", CONN_SYN }, { "< RA", CONN_RESET } } },
	{ "RST ends, one side's leftovers do not revive", IPPROTO_TCP, true,
		{ { "> S", CONN_SYN }, { "< SA", CONN_SYN_ACK }, { "> A", CONN_ESTABLISHED },
			{ "> R", CONN_RESET }, { "< A", CONN_RESET }, { "< A", CONN_RESET },
			{ "> R", CONN_RESET }, { "< A", CONN_RESET } } },
	{ "forged RST", IPPROTO_TCP, true,
		{ { "> S", CONN_SYN }, { "< SA", CONN_SYN_ACK }, { "> A", CONN_ESTABLISHED },
			{ "> R", CONN_RESET }, { "> A", CONN_RESET },
			{ "< A", CONN_ESTABLISHED } } },
	{ "DR: handshake and close", IPPROTO_TCP, false,
		{ { "> S", CONN_SYN }, { "> S", CONN_SYN }, { "> A", CONN_ESTABLISHED },
			{ "> FA", CONN_FIN }, { "> A", CONN_FIN } } },
	{ "DR: FIN with the ACK of the handshake lost", IPPROTO_TCP, false,
		{ { "> S", CONN_SYN }, { "> FA", CONN_FIN } } },
	{ "DR: reset", IPPROTO_TCP, false,
		{ { "> S", CONN_SYN }, { "> A", CONN_ESTABLISHED }, { "> R", CONN_RESET } } },
	{ "UDP with answers", IPPROTO_UDP, true,
		{ { "> ", CONN_UDP }, { "> ", CONN_UDP }, { "< ", CONN_UDP_STREAM },
			{ "> ", CONN_UDP_STREAM } } },
	{ "UDP one way", IPPROTO_UDP, false, { { "> ", CONN_UDP }, { "> ", CONN_UDP_STREAM } } },
};

static uint8_t flags_of(const char *text)
{
	uint8_t flags = 0;

	for (; *text; text++)
		flags |= *text == 'S'   ? TCP_SYN
			 : *text == 'A' ? TCP_ACK
			 : *text == 'F' ? TCP_FIN
			 : *text == 'R' ? TCP_RST
					: 0;
	return flags;
}

static void test_scripts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		const struct script *s = &scripts[i];
		struct flow f = { .proto = s->proto, .flags = s->two_way ? FLOW_RETURN : 0 };

		for (int n = 0; s->step[n].packet; n++) {
			uint8_t dir = s->step[n].packet[0] == '>' ? DIR_FORWARD : DIR_RETURN;

			f.state = (uint8_t)conn_next(&f, dir, flags_of(s->step[n].packet + 2));
			if (f.state != s->step[n].state)
				fail_msg("%s, step %d (%s): %s, not %s", s->name, n,
					s->step[n].packet, conn_state_name(f.state),
					conn_state_name(s->step[n].state));
		}
	}
}

static void test_names(void **state)
{
	(void)state;
	for (int s = CONN_NONE + 1; s < CONN_STATES; s++)
		assert_int_equal(conn_state_find(conn_state_name((enum conn_state)s)), s);
	assert_int_equal(conn_state_find("nothing"), CONN_NONE);
}

static void test_every_state_has_a_timeout(void **state)
{
	(void)state;
	const struct timeouts t = { 1, 2, 3, 4, 5, 6, 7 };

	for (int s = CONN_NONE + 1; s < CONN_STATES; s++)
		assert_true(conn_timeout(&t, (enum conn_state)s) > 0);
	assert_int_equal(conn_timeout(&t, CONN_TIME_WAIT), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_every_state_has_a_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

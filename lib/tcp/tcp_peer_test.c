/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What no well-behaved peer sends, what comes when memory is short, and what happens when nothing
 * comes.
 */
#include <stdlib.h>

#include "tcp_cc.h"
#include "test_tcp.h"

#define DAY_MS (24u * 3600 * 1000)

/* ---- nothing waits for ever ----------------------------------------------------------------- */

/* RACK waits for a segment that then is reported; what it sent again meanwhile is lost, too. */
static void test_reorder_timer_ends(void **state)
{
	const struct extra sack = { .sack_ok = true, .mss = 1000 };
	struct extra x = { 0 };

	open_from_afar(100, &sack);
	write_bytes(it.conn, 1000);
	pass(100);
	say(TCP_ACK, 1, 1001, 65535, 0, NULL);
	write_bytes(it.conn, 1000); /* A */
	pass(40);
	write_bytes(it.conn, 1000); /* B */
	pass(1);
	write_bytes(it.conn, 1000); /* C */
	pass(105);
	x.blocks = 1;
	x.sack[0] = 3001;
	x.sack[1] = 4001;
	it.n = 0;
	say(TCP_ACK, 1, 1001, 65535, 0, &x);
	assert_int_equal(it.n, 1);
	assert_int_equal(last()->seq, 1001); /* A again */
	x.sack[0] = 2001;
	say(TCP_ACK, 1, 1001, 65535, 0, &x);
	assert_int_equal(it.n, 1);
	assert_true(wait_for_segment(3000));
	assert_int_equal(last()->seq, 1001);
}

static void few_segments(struct tcp_conf *conf)
{
	conf->max_segments = 64;
}

static void no_segments(struct tcp_conf *conf)
{
	conf->max_segments = 1;
}

/* Another connection has the last descriptor. */
static void test_syn_without_descriptor(void **state)
{
	struct tcp_stats s;

	open_by_peer(NULL);
	write_bytes(it.conn, 10);
	it.in.sport = rte_cpu_to_be_16(1001);
	it.n = 0;
	say(TCP_SYN, 0, 0, 65535, 0, NULL);
	assert_int_equal(it.n, 0);
	it.in.sport = rte_cpu_to_be_16(1000);
	say(TCP_ACK, 1, 11, 65535, 0, NULL);
	assert_true(wait_for_segment(5000));
	assert_int_equal(last()->flags, TCP_SYN | TCP_ACK);
	assert_int_equal(last()->port, 1001);
	for (unsigned int i = 0; i < 200; i++)
		pass(1000);
	tcp_stats(it.tcp, &s);
	assert_int_equal(s.half_open, 0);

	write_bytes(it.conn, 10);
	it.events = 0;
	assert_non_null(connect_to_peer(81));
	for (unsigned int i = 0; i < 300 && !(it.events & TCP_EV_ERROR); i++)
		pass(1000);
	assert_true(it.events & TCP_EV_ERROR);
}

/* All buffers are taken by what is to be sent, and headers need some, too. */
static void test_writer_leaves_buffers(void **state)
{
	uint8_t data[4000] = { 0 };
	unsigned int written = 0;

	it.how.sndbuf = 10 << 20;
	open_by_peer(NULL);
	while (written < 1000 && tcp_write_copy(it.conn, data, sizeof(data)) == 0)
		written++;
	assert_true(written < 1000);
	it.n = 0;
	tcp_flush(it.tcp);
	for (unsigned int i = 0; i < 500 && it.n == 0; i++)
		pass(10);
	assert_true(it.n > 0);
}

/* For minutes there are no buffers, not even for headers: that is nobody's silence. */
static void test_no_buffer_is_no_time_out(void **state)
{
	struct rte_mbuf *own[POOL];
	unsigned int n = 0;

	open_by_peer(&(struct extra){ .mss = 1460 });
	write_bytes(it.conn, 1460);
	while ((own[n] = rte_pktmbuf_alloc(it.pool)))
		n++;
	for (unsigned int i = 0; i < 1200; i++)
		pass(1000);
	assert_int_equal(it.events & TCP_EV_ERROR, 0);
	rte_pktmbuf_free_bulk(own, n);
	assert_true(wait_for_segment(1000));
	assert_int_equal(last()->seq, 1);
	assert_int_equal(last()->len, 1460);
}

/* The path has become narrower, and there is no descriptor for the rest of a segment. */
static void test_narrow_path_without_descriptor(void **state)
{
	uint8_t dir;

	open_by_peer(&(struct extra){ .mss = 1460 });
	write_bytes(it.conn, 1460);
	it.n = 0;
	tcp_icmp_error(
		it.tcp, flow_find(it.flows, &it.in, &dir), TCP_ICMP_TOO_BIG, it.iss + 1, 600);
	tcp_flush(it.tcp);
	assert_int_equal(it.n, 1);
	assert_int_equal(last()->seq, 1);
	assert_int_equal(last()->len, 560);
	say(TCP_ACK, 1, 561, 65535, 0, NULL);
	assert_true(wait_for_segment(1000));
	assert_int_equal(last()->seq, 561);
}

/* A size of segments that leaves nothing beside the options. */
static void test_tiny_segments(void **state)
{
	const struct extra x = { .stamps = true, .tsval = 1 };

	it.how.mss = 10;
	open_by_peer(&x);
	it.n = 0;
	write_bytes(it.conn, 52);
	assert_int_equal(it.n, 1);
	assert_int_equal(last()->len, 52);
}

/* The window opens by less than is worth a segment; what waits goes soon all the same. */
static void test_small_window_after_long(void **state)
{
	open_by_peer(NULL);
	write_bytes(it.conn, 1000);
	say(TCP_ACK, 1, 537, 65535, 0, NULL);
	say(TCP_ACK, 1, 1001, 0, 0, NULL);
	write_bytes(it.conn, 1000);
	for (unsigned int i = 0; i < 30; i++) {
		assert_true(wait_for_segment(70000));
		say(TCP_ACK, 1, 1001, 0, 0, NULL);
	}
	it.n = 0;
	say(TCP_ACK, 1, 1001, 100, 0, NULL);
	assert_true(wait_for_segment(2000));
	assert_int_equal(last()->len, 100);
}

/* What was sent found the window closed, and was sent again in vain many times. */
static void test_window_opens_for_what_was_lost(void **state)
{
	open_by_peer(NULL);
	write_bytes(it.conn, 500);
	say(TCP_ACK, 1, 1, 0, 0, NULL);
	for (unsigned int i = 0; i < 20; i++) {
		assert_true(wait_for_segment(70000));
		say(TCP_ACK, 1, 1, 0, 0, NULL);
	}
	it.n = 0;
	say(TCP_ACK, 1, 1, 1000, 0, NULL);
	assert_true(it.n > 0);
	assert_int_equal(last()->seq, 1);
	assert_int_equal(last()->len, 500);
}

/* ---- what is taken in ----------------------------------------------------------------------- */

/* A byte a segment and nobody reads: rounding does not let the window grow without end. */
static void test_window_closes_byte_by_byte(void **state)
{
	const struct extra scale = { .wscale = 1, .mss = 1000 };
	uint32_t at = 1;

	it.how.rcvbuf = 100000;
	open_by_peer(&scale);
	/* All but a little. */
	while (info().rcv_wnd > 1000) {
		say(TCP_ACK, at, 1, 65535, RTE_MIN(info().rcv_wnd - 900, 1000u), NULL);
		at = 1 + info().queued;
	}
	for (unsigned int i = 0; i < 3000; i++) {
		say(TCP_ACK, at, 1, 65535, 1, NULL);
		pass(50);
		at = 1 + info().queued;
	}
	assert_in_range(info().queued, 100000, 100000 + 2);
	assert_int_equal(last()->wnd, 0);
}

/* A FIN that ends the window exactly. */
static void test_fin_at_the_edge(void **state)
{
	it.how.rcvbuf = 2000;
	it.how.window_scale = false;
	open_by_peer(NULL);
	say(TCP_ACK, 1, 1, 65535, 1000, NULL);
	say(TCP_ACK | TCP_FIN, 1001, 1, 65535, 1000, NULL);
	assert_int_equal(last()->ack, 2002);
	assert_int_equal(last()->wnd, 0);
	assert_int_equal(info().rcv_wnd, 0);
	it.n = 0;
	say(TCP_ACK, 2002 + 100000, 1, 65535, 100, NULL); /* not in any window */
	assert_int_equal(counted(TCP_COUNT_challenges), 1);
}

/* The application has closed; the peer sends its last data again, now with its FIN. */
static void test_old_data_with_fin_after_close(void **state)
{
	uint8_t data[100];

	open_by_peer(NULL);
	say(TCP_ACK, 1, 1, 65535, 100, NULL);
	assert_int_equal(tcp_read_copy(it.conn, data, sizeof(data)), 100);
	tcp_close(it.conn);
	tcp_flush(it.tcp);
	it.n = 0;
	say(TCP_ACK | TCP_FIN, 1, 2, 65535, 100, NULL);
	assert_int_equal(it.n, 1);
	assert_int_equal(last()->flags, TCP_ACK);
	assert_int_equal(last()->ack, 102);
	assert_int_equal(counted(TCP_COUNT_resets_out), 0);
	pass(200000);
}

/* After 24 days what the peer's clock says counts, even if it is less. */
static void test_old_stamp_is_replaced(void **state)
{
	struct extra x = { .stamps = true, .tsval = 0x70000000 };

	open_by_peer(&x);
	for (unsigned int i = 0; i < 25; i++)
		pass(DAY_MS);
	x.tsval = 0x6fffff00;
	say(TCP_ACK, 1, 1, 65535, 10, &x);
	assert_int_equal(last()->ack, 11);
	assert_int_equal(last()->o.tsecr, x.tsval);
}

/* Bytes here and there, with gaps: they are not what the ports' buffers are held for. */
static void test_runs_are_copied_out(void **state)
{
	open_by_peer(NULL);
	for (uint32_t i = 0; i < 60; i++)
		say(TCP_ACK, 101 + 2 * i, 1, 65535, 1, NULL);
	assert_int_equal(rte_mempool_avail_count(it.rx), FRAMES);
}

/* Both pools are nearly empty: nothing is taken in until there is room again. */
static void test_no_buffers_at_all(void **state)
{
	struct rte_mbuf *own[POOL], *rx[FRAMES];
	const unsigned int n_own = POOL * 9 / 10, n_rx = FRAMES * 8 / 10;
	uint8_t data[1000];

	open_by_peer(NULL);
	assert_int_equal(rte_pktmbuf_alloc_bulk(it.pool, own, n_own), 0);
	assert_int_equal(rte_pktmbuf_alloc_bulk(it.rx, rx, n_rx), 0);
	pass(2);
	for (uint32_t i = 0; i < 50; i++)
		say(TCP_ACK, 1 + 1000 * i, 1, 65535, 1000, NULL);
	assert_int_equal(rte_mempool_avail_count(it.rx), FRAMES - n_rx);
	rte_pktmbuf_free_bulk(own, n_own);
	rte_pktmbuf_free_bulk(rx, n_rx);
	pass(2);
	say(TCP_ACK, 1, 1, 65535, 1000, NULL);
	pass(50);
	assert_int_equal(last()->ack, 1001);
	assert_int_equal(tcp_read_copy(it.conn, data, sizeof(data)), 1000);
}

/* ---- descriptors ---------------------------------------------------------------------------- */

/* One connection has sent much that nobody acknowledges; others can still send. */
static void test_descriptors_are_shared(void **state)
{
	const struct extra small = { .mss = 64 };
	uint32_t acked = 1;
	struct tcp_stats s;

	open_by_peer(&small);
	for (unsigned int i = 0; i < 8; i++) {
		write_bytes(it.conn, 4000 - info().unsent);
		acked += info().unacked;
		if (i < 7)
			say(TCP_ACK, 1, acked, 65535, 0, NULL);
	}
	tcp_stats(it.tcp, &s);
	assert_in_range(s.segments, 12, 20);
	it.in.sport = rte_cpu_to_be_16(1001);
	open_by_peer(&small);
	it.n = 0;
	write_bytes(it.conn, 640);
	assert_int_equal(it.n, 10);
}

static void segmenting(struct tcp_conf *conf)
{
	conf->offload = true;
	conf->segmentation = 60000;
	conf->max_segments = 4096;
}

/* Reports of single bytes do not cut what was sent into as many pieces. */
static void test_reports_of_bytes(void **state)
{
	struct extra x = { .sack_ok = true, .mss = 1000, .wscale = 8 };
	struct tcp_stats s;
	uint32_t acked = 1;

	it.how.sndbuf = 200000;
	open_by_peer(&x);
	/* Let the window grow, so that packets are large. */
	for (unsigned int i = 0; i < 12; i++) {
		write_bytes(it.conn, 60000 - info().unsent);
		pass(10);
		acked += info().unacked;
		say(TCP_ACK, 1, acked, 65535, 0, NULL);
	}
	write_bytes(it.conn, 60000 - info().unsent);
	x.blocks = 1;
	for (uint32_t i = 1; i < 3000; i += 2) {
		x.sack[0] = acked + i;
		x.sack[1] = acked + i + 1;
		say(TCP_ACK, 1, acked, 65535, 0, &x);
	}
	tcp_stats(it.tcp, &s);
	assert_true(s.segments < 300);
}

/* ---- congestion ----------------------------------------------------------------------------- */

/* A probe of the tail was for nothing, and the peer says so, after it has acknowledged all. */
static void test_probe_for_nothing(void **state)
{
	struct extra x = { .sack_ok = true, .mss = 1000 };
	uint32_t before;

	open_from_afar(100, &x);
	write_bytes(it.conn, 1000);
	pass(100);
	say(TCP_ACK, 1, 1001, 65535, 0, NULL);
	write_bytes(it.conn, 2000);
	assert_true(wait_for_segment(1000));
	assert_int_equal(counted(TCP_COUNT_probes), 1);
	say(TCP_ACK, 1, 3001, 65535, 0, NULL);
	x.blocks = 1;
	x.sack[0] = 2001;
	x.sack[1] = 3001;
	say(TCP_ACK, 1, 3001, 65535, 0, &x);
	before = info().cwnd;
	write_bytes(it.conn, 1000);
	pass(100);
	say(TCP_ACK, 1, 4001, 65535, 0, NULL);
	assert_true(info().cwnd >= before);
}

/* A duplicate of what was sent before the loss says nothing of it. */
static void test_report_of_something_else(void **state)
{
	struct extra x = { .sack_ok = true, .mss = 1000 };

	open_from_afar(100, &x);
	write_bytes(it.conn, 1000);
	pass(100);
	say(TCP_ACK, 1, 1001, 65535, 0, NULL);
	write_bytes(it.conn, 5000);
	pass(100);
	x.blocks = 1;
	x.sack[0] = 2001;
	x.sack[1] = 6001;
	say(TCP_ACK, 1, 1001, 65535, 0, &x);
	assert_true(info().recovering);
	pass(100);
	say(TCP_ACK, 1, 6001, 65535, 0, NULL);
	x.sack[0] = 1;
	x.sack[1] = 1001;
	say(TCP_ACK, 1, 6001, 65535, 0, &x);
	assert_int_equal(counted(TCP_COUNT_undone), 0);
}

/* What was acknowledged with something sent again waited for it: that is no round trip. */
static void test_round_trip_behind_a_loss(void **state)
{
	open_from_afar(20, &(struct extra){ .mss = 1000 });
	write_bytes(it.conn, 1000);
	pass(20);
	say(TCP_ACK, 1, 1001, 65535, 0, NULL);
	write_bytes(it.conn, 2000);
	it.n = 0;
	assert_true(wait_for_segment(1000)); /* the first again */
	pass(20);
	say(TCP_ACK, 1, 3001, 65535, 0, NULL);
	assert_int_equal(info().srtt_us, 20000);
}

/* Half of what was on its way, lost or not (RFC 5681 3.1). */
static void test_half_of_the_flight(void **state)
{
	struct extra x = { .sack_ok = true, .mss = 1000 };

	it.how.cc = &tcp_cc_reno;
	open_from_afar(100, &x);
	write_bytes(it.conn, 10000);
	pass(100);
	x.blocks = 1;
	x.sack[0] = 6001;
	x.sack[1] = 10001;
	say(TCP_ACK, 1, 1, 65535, 0, &x);
	assert_true(info().recovering);
	assert_int_equal(info().ssthresh, 5000);
}

/* Both opened at once: the window of the SYN-ACK is not scaled either. */
static void test_window_of_crossing_syns(void **state)
{
	struct extra x = { .mss = 500, .wscale = 8 };

	assert_non_null(connect_to_peer(80));
	say(TCP_SYN, 0, 0, 1000, 0, &x);
	assert_int_equal(last()->flags, TCP_SYN | TCP_ACK);
	say(TCP_SYN | TCP_ACK, 0, 1, 1000, 0, &x);
	assert_non_null(it.conn);
	assert_in_range(info().snd_wnd, 256, 1000);
}

static void test_nothing_unsent_after_fin(void **state)
{
	open_by_peer(NULL);
	tcp_shutdown(it.conn);
	tcp_flush(it.tcp);
	say(TCP_ACK, 1, 2, 65535, 0, NULL);
	assert_int_equal(info().state, TCP_FIN_WAIT_2);
	assert_int_equal(info().unsent, 0);
}

/* One flight of all that the window lets go, and its acknowledgement 50 ms later. */
static void round_trip(uint32_t *at)
{
	write_bytes(it.conn, 200000 - info().unsent);
	pass(50);
	*at += info().unacked;
	say(TCP_ACK, 1, *at, 65535, 0, NULL);
}

/* A pause is no time in which CUBIC's window grows (RFC 9438 4.2). */
static void test_cubic_pauses(void **state)
{
	struct extra x = { .sack_ok = true, .mss = 1000, .wscale = 8 };
	uint32_t at = 1, before;

	open_from_afar(50, &x);
	for (unsigned int i = 0; i < 4; i++)
		round_trip(&at);
	write_bytes(it.conn, 200000 - info().unsent);
	pass(50);
	before = info().cwnd;
	x.blocks = 1;
	x.sack[0] = at + 1000;
	x.sack[1] = at + info().unacked;
	say(TCP_ACK, 1, at, 65535, 0, &x); /* the first is lost */
	for (unsigned int i = 0; i < 4; i++)
		round_trip(&at);
	assert_in_range(info().cwnd, before / 2, before);
	while (info().unacked) {
		pass(50);
		at += info().unacked;
		say(TCP_ACK, 1, at, 65535, 0, NULL);
	}
	pass(60000);
	for (unsigned int i = 0; i < 12; i++)
		round_trip(&at);
	assert_in_range(info().cwnd, before / 2, before * 11 / 10);
}

/* One that sent faster than the clock of numbers goes ends, and begins again. */
static void test_numbers_after_time_wait(void **state)
{
	uint32_t at = 1, iss;

	open_by_peer(&(struct extra){ .mss = 1460, .wscale = 8 });
	for (unsigned int i = 0; i < 40; i++) {
		pass(1);
		write_bytes(it.conn, 100000);
		while (info().unacked) {
			at += info().unacked;
			say(TCP_ACK, 1, at, 65535, 0, NULL);
		}
	}
	tcp_close(it.conn);
	tcp_flush(it.tcp);
	say(TCP_ACK | TCP_FIN, 1, at + 1, 65535, 0, NULL);
	iss = it.iss;
	say(TCP_SYN, 100, 0, 65535, 0, NULL);
	assert_int_equal(counted(TCP_COUNT_time_wait_reused), 1);
	assert_int_equal(last()->flags, TCP_SYN | TCP_ACK);
	assert_true((int32_t)(it.iss - (iss + at)) > 0);
}

#define TEST(f)         cmocka_unit_test_setup_teardown(f, begin, end)
#define TEST_WITH(f, c) cmocka_unit_test_prestate_setup_teardown(f, begin, end, c)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reorder_timer_ends),
		TEST_WITH(test_syn_without_descriptor, no_segments),
		TEST(test_writer_leaves_buffers),
		TEST(test_no_buffer_is_no_time_out),
		TEST_WITH(test_narrow_path_without_descriptor, no_segments),
		TEST(test_tiny_segments),
		TEST(test_small_window_after_long),
		TEST(test_window_opens_for_what_was_lost),
		TEST(test_window_closes_byte_by_byte),
		TEST(test_fin_at_the_edge),
		TEST(test_old_data_with_fin_after_close),
		TEST(test_old_stamp_is_replaced),
		TEST(test_runs_are_copied_out),
		TEST(test_no_buffers_at_all),
		TEST_WITH(test_descriptors_are_shared, few_segments),
		TEST_WITH(test_reports_of_bytes, segmenting),
		TEST(test_probe_for_nothing),
		TEST(test_report_of_something_else),
		TEST(test_round_trip_behind_a_loss),
		TEST(test_half_of_the_flight),
		TEST(test_window_of_crossing_syns),
		TEST(test_nothing_unsent_after_fin),
		TEST(test_cubic_pauses),
		TEST(test_numbers_after_time_wait),
	};

	test_eal_init();
	it.pool = test_pool("own", POOL);
	it.rx = test_pool("rx", FRAMES);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Congestion avoidance: Reno (RFC 5681) and CUBIC (RFC 9438). Windows are in bytes, the cubic's
 * time in milliseconds.
 */
#include "tcp_priv.h"

/* ---- Reno ----------------------------------------------------------------------------------- */

/* A segment more for each window acknowledged (RFC 5681 3.1, with RFC 3465's count of bytes). */
static void reno_acked(struct tcp_conn *c, uint32_t bytes)
{
	c->cc.left += bytes;
	if (c->cc.left < c->cwnd)
		return;
	c->cc.left -= c->cwnd;
	c->cwnd += c->mss;
}

static uint32_t reno_reduce(struct tcp_conn *c)
{
	c->cc.left = 0;
	return RTE_MAX((c->snd_nxt - c->snd_una) / 2, 2u * c->mss);
}

const struct tcp_cc_ops tcp_cc_reno = {
	.name = "reno",
	.acked = reno_acked,
	.reduce = reno_reduce,
};

/* ---- CUBIC ---------------------------------------------------------------------------------- */

/* beta is 0.7, C is 0.4 (RFC 9438 4.1.2, 4.6, 5). */
#define BETA_NUM 7
#define BETA_DEN 10
#define PAUSE_US 10000 /* that acknowledgements may be delayed by is none */

/* Cube root, rounded down (Newton's iteration from above). */
static uint32_t cube_root(uint64_t v)
{
	uint64_t x, next = 1ull << 22;

	if (v == 0)
		return 0;
	do {
		x = next;
		next = (2 * x + v / (x * x)) / 3;
	} while (next < x);
	return (uint32_t)x;
}

/* The cubic through w_max is at the window of now k_ms later: K = cbrt((W_max - cwnd) / C), in
 * segments and seconds (4.2). */
static void cubic_begin(struct tcp_conn *c)
{
	struct tcp_cc_state *s = &c->cc;
	const uint32_t gap = s->w_max > c->cwnd ? s->w_max - c->cwnd : 0;

	s->epoch_us = c->tcp->now_us;
	s->w_est = c->cwnd;
	s->left = 0;
	if (gap == 0)
		s->w_max = c->cwnd;
	/* In milliseconds: the cube of a thousand, divided by 0.4. */
	s->k_ms = cube_root((uint64_t)gap * 2500000000ull / c->mss);
}

/* W_cubic(t), bytes: C * (t - K)^3 + W_max. */
static uint32_t cubic_at(const struct tcp_conn *c, uint64_t ms)
{
	const int64_t off = (int64_t)ms - c->cc.k_ms;
	const int64_t most = 2000000; /* its cube times a segment fits */
	const int64_t d = off > most ? most : off < -most ? -most : off;
	const __int128 cube = (__int128)d * d * d * c->mss;
	const int64_t w = (int64_t)c->cc.w_max + (int64_t)(cube * 2 / 5 / 1000000000);

	return w < 0 ? 0 : w > 1 << 30 ? 1 << 30 : (uint32_t)w;
}

/* What Reno with the same average would have by now (4.3). */
static void cubic_estimate(struct tcp_conn *c, uint32_t bytes)
{
	struct tcp_cc_state *s = &c->cc;
	/* alpha is 3 * (1 - beta) / (1 + beta) = 9 / 17 until the window is where it was. */
	const uint64_t step = s->w_est < s->prior ? (uint64_t)bytes * 9 / 17 : bytes;

	s->w_est += (uint32_t)(step * c->mss / RTE_MAX(c->cwnd, 1u));
}

/* Time in which the window was not used up does not count (4.2, 5.8). */
static void cubic_pause(struct tcp_conn *c)
{
	struct tcp_cc_state *s = &c->cc;
	const uint64_t now = c->tcp->now_us;

	if (s->epoch_us && now - s->grown_us > 2ull * c->srtt_us + PAUSE_US)
		s->epoch_us += now - s->grown_us - c->srtt_us;
	s->grown_us = now;
}

static void cubic_acked(struct tcp_conn *c, uint32_t bytes)
{
	struct tcp_cc_state *s = &c->cc;
	uint32_t target;
	uint64_t step;

	cubic_pause(c);
	if (s->epoch_us == 0)
		cubic_begin(c);
	cubic_estimate(c, bytes);
	target = cubic_at(c, (c->tcp->now_us - s->epoch_us + c->srtt_us) / 1000);
	if (target < c->cwnd)
		target = c->cwnd;
	else if (target > c->cwnd + c->cwnd / 2)
		target = c->cwnd + c->cwnd / 2;
	/* (target - cwnd) / cwnd of what was acknowledged (4.4); parts of bytes are kept. */
	step = (uint64_t)(target - c->cwnd) * bytes + s->left;
	s->left = (uint32_t)(step % c->cwnd);
	c->cwnd += (uint32_t)(step / c->cwnd);
	if (c->cwnd < s->w_est)
		c->cwnd = s->w_est;
}

static uint32_t cubic_reduce(struct tcp_conn *c)
{
	struct tcp_cc_state *s = &c->cc;

	s->epoch_us = 0;
	s->prior = c->cwnd;
	/* Another flow wants room: less than it was last time (fast convergence, 4.7). */
	s->w_max = c->cwnd < s->w_max
			   ? (uint32_t)((uint64_t)c->cwnd * (BETA_DEN + BETA_NUM) / (2 * BETA_DEN))
			   : c->cwnd;
	return RTE_MAX((uint32_t)((uint64_t)c->cwnd * BETA_NUM / BETA_DEN), 2u * c->mss);
}

static void cubic_undo(struct tcp_conn *c)
{
	c->cc.w_max = RTE_MAX(c->cc.w_max, c->cc.prior);
	c->cc.epoch_us = 0;
}

const struct tcp_cc_ops tcp_cc_cubic = {
	.name = "cubic",
	.acked = cubic_acked,
	.reduce = cubic_reduce,
	.undo = cubic_undo,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lossy link for end-to-end tests: forwards the frames of two interfaces to each other, and
 * harms them as the options say and the seed decides. Started by tests/support/relay.py.
 *
 * One thread: frames come in (wire), go through the way to the other interface (way), and leave
 * when a timer says so. SIGUSR1 asks for the counters, a line of JSON; SIGTERM and SIGINT for the
 * same and the end.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "way.h"
#include "wire.h"

#define SECOND 1000000000ull
#define MS     1000000.0

/* Way i leads from interface i to the other one. */
struct options {
	const char *iface[2];
	struct way_profile profile[2];
	uint64_t seed;
};

struct relay {
	struct options options;
	struct wire wire[2];
	struct way way[2];
	int epoll, timer, signals;
	uint64_t armed; /* what the timer is set to */
};

enum source { WIRE_A, WIRE_B, TIMER, SIGNALS, SOURCES };

static const char usage[] =
	"usage: relay A B [OPTIONS]\n"
	"\n"
	"Forwards the frames of the interfaces A and B to each other, and harms them on the way. "
	"ARP,\n"
	"ND and MLD are forwarded unharmed, at once. Prints \"relay: ready\" to standard error "
	"when it\n"
	"has begun, and its counters as a line of JSON on SIGUSR1 and at its end (SIGTERM, "
	"SIGINT).\n"
	"\n"
	"  --seed N           of all that is decided by chance (1). The same seed decides the same "
	"for\n"
	"                     the nth frame of a direction.\n"
	"  --way ab|ba|both   direction that the options behind it are for (both)\n"
	"  --loss PCT         share of frames that is lost, in per cent\n"
	"  --burst N          they are lost in runs of N on average; the share stays the same\n"
	"  --reorder PCT      share that is held back until later ones have passed\n"
	"  --hold-frames N    so many (3),\n"
	"  --hold MS          or until this time is over (10)\n"
	"  --duplicate PCT    share that is sent twice\n"
	"  --corrupt PCT      share in which a bit behind the Ethernet header is flipped; "
	"checksums stay\n"
	"  --delay MS         of each frame\n"
	"  --jitter MS        the delay is as much longer or shorter at most; the order stays\n"
	"  --rate MBIT        megabits a second, of frames without their checksum\n"
	"  --queue BYTES      that wait for the rate at most (65536); what comes then is dropped\n"
	"  --mtu BYTES        larger packets are dropped, without a word\n"
	"  --help\n";

/* ---- options -------------------------------------------------------------------------------- */

static void __attribute__((noreturn)) wrong(const char *option, const char *text)
{
	fprintf(stderr, "relay: --%s %s: cannot be\n%s", option, text, usage);
	exit(2);
}

static double number(const char *option, const char *text, double least, double most)
{
	char *end;
	const double v = strtod(text, &end);

	if (*end != '\0' || end == text || !(v >= least && v <= most))
		wrong(option, text);
	return v;
}

static uint64_t whole(const char *option, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	const uint64_t v = strtoull(text, &end, 10);

	if (*end != '\0' || end == text || *text == '-' || v < least || v > most)
		wrong(option, text);
	return v;
}

static unsigned int ways_of(const char *text)
{
	static const char *const names[] = { "", "ab", "ba", "both" };

	for (unsigned int i = 1; i < 4; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	wrong("way", text);
}

static void profile_option(struct way_profile *p, int c, const char *name)
{
	switch (c) {
	case 'l':
		p->harm.loss = number(name, optarg, 0, 100) / 100;
		break;
	case 'b':
		p->harm.burst = number(name, optarg, 1, 1e6);
		break;
	case 'r':
		p->harm.reorder = number(name, optarg, 0, 100) / 100;
		break;
	case 'n':
		p->hold_frames = (unsigned int)whole(name, optarg, 1, 1000);
		break;
	case 'h':
		p->hold_ns = (uint64_t)(number(name, optarg, 0, 10000) * MS);
		break;
	case 'd':
		p->harm.duplicate = number(name, optarg, 0, 100) / 100;
		break;
	case 'c':
		p->harm.corrupt = number(name, optarg, 0, 100) / 100;
		break;
	case 'e':
		p->delay_ns = (uint64_t)(number(name, optarg, 0, 10000) * MS);
		break;
	case 'j':
		p->jitter_ns = (uint64_t)(number(name, optarg, 0, 10000) * MS);
		break;
	case 'm':
		p->byte_ns = 8000 / number(name, optarg, 0.001, 100000);
		break;
	case 'q':
		p->queue = (uint32_t)whole(name, optarg, 1, 1 << 30);
		break;
	case 'u':
		p->mtu = (uint32_t)whole(name, optarg, 68, 65535);
		break;
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

static void options_check(const struct options *o)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct way_profile *p = &o->profile[i];
		const char *fault = NULL;

		if (p->jitter_ns > p->delay_ns)
			fault = "the jitter is more than the delay";
		/* Even with one frame alone between two runs there would be too few. */
		if (p->harm.burst > 0 && p->harm.loss > p->harm.burst * (1 - p->harm.loss))
			fault = "runs of losses are too short for so many losses";
		if (fault) {
			fprintf(stderr, "relay: %s\n", fault);
			exit(2);
		}
	}
}

static void options_read(struct options *o, int argc, char **argv)
{
	static const struct option known[] = { { "seed", 1, NULL, 's' }, { "way", 1, NULL, 'w' },
		{ "loss", 1, NULL, 'l' }, { "burst", 1, NULL, 'b' }, { "reorder", 1, NULL, 'r' },
		{ "hold-frames", 1, NULL, 'n' }, { "hold", 1, NULL, 'h' },
		{ "duplicate", 1, NULL, 'd' }, { "corrupt", 1, NULL, 'c' },
		{ "delay", 1, NULL, 'e' }, { "jitter", 1, NULL, 'j' }, { "rate", 1, NULL, 'm' },
		{ "queue", 1, NULL, 'q' }, { "mtu", 1, NULL, 'u' }, { "help", 0, NULL, 'H' },
		{ NULL, 0, NULL, 0 } };
	const struct way_profile usual = {
		.hold_frames = 3, .hold_ns = 10 * (uint64_t)MS, .queue = 65536
	};
	unsigned int ways = 3;
	int c, at;

	*o = (struct options){ .profile = { usual, usual }, .seed = 1 };
	while ((c = getopt_long(argc, argv, "", known, &at)) != -1) {
		if (c == 'H') {
			fputs(usage, stdout);
			exit(0);
		}
		if (c == 's')
			o->seed = whole("seed", optarg, 0, UINT64_MAX);
		else if (c == 'w')
			ways = ways_of(optarg);
		else
			for (unsigned int i = 0; i < 2; i++)
				if (ways & 1u << i)
					profile_option(
						&o->profile[i], c, c == '?' ? "" : known[at].name);
	}
	if (argc - optind != 2) {
		fputs(usage, stderr);
		exit(2);
	}
	o->iface[0] = argv[optind];
	o->iface[1] = argv[optind + 1];
	options_check(o);
}

/* ---- the counters --------------------------------------------------------------------------- */

static void report_way(struct relay *r, unsigned int i)
{
	const struct way_counters *c = &r->way[i].counters;

	wire_look(&r->wire[i]);
	printf("\"%s\": {\"received\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"sent\": %" PRIu64
	       ", \"link\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"held\": %" PRIu64
	       ", \"reordered\": %" PRIu64 ", \"duplicated\": %" PRIu64 ", \"corrupted\": %" PRIu64
	       ", \"too_big\": %" PRIu64 ", \"queue_full\": %" PRIu64 ", \"missed\": %" PRIu64
	       ", \"refused\": %" PRIu64 "}",
		i ? "ba" : "ab", c->received, c->bytes, c->out - r->wire[!i].refused, c->link,
		c->lost, c->held, c->reordered, c->duplicated, c->corrupted, c->too_big,
		c->queue_full, r->wire[i].missed, r->wire[!i].refused);
}

static void report(struct relay *r)
{
	printf("{\"seed\": %" PRIu64 ", ", r->options.seed);
	report_way(r, 0);
	printf(", ");
	report_way(r, 1);
	printf("}\n");
	fflush(stdout);
}

/* ---- forwarding ----------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static int receive(struct relay *r, unsigned int i)
{
	struct wire *from = &r->wire[i];
	const unsigned int n = wire_receive(from);
	const uint64_t now = now_ns();
	int rc = 0;

	for (unsigned int k = 0; k < n && !rc; k++)
		rc = way_put(&r->way[i], from->data[k], from->msgs[k].msg_len, now);
	return rc;
}

/* All that has to leave by now. */
static void forward(struct relay *r, unsigned int i, uint64_t now)
{
	struct frame *frames[WIRE_BATCH];
	struct iovec iov[WIRE_BATCH];
	unsigned int n;

	do {
		for (n = 0; n < WIRE_BATCH; n++) {
			frames[n] = way_take(&r->way[i], now);
			if (!frames[n])
				break;
			iov[n] = (struct iovec){ frames[n]->data, frames[n]->len };
		}
		wire_send(&r->wire[!i], iov, n);
		for (unsigned int k = 0; k < n; k++)
			free(frames[k]);
	} while (n == WIRE_BATCH);
}

static int arm(struct relay *r)
{
	const uint64_t a = way_next(&r->way[0]), b = way_next(&r->way[1]), next = a < b ? a : b;
	struct itimerspec at = { 0 };

	if (next == r->armed)
		return 0;
	r->armed = next;
	if (next != UINT64_MAX) /* else none */
		at.it_value = (struct timespec){ (time_t)(next / SECOND), (long)(next % SECOND) };
	return timerfd_settime(r->timer, TFD_TIMER_ABSTIME, &at, NULL) ? -errno : 0;
}

/* 0 to go on, 1 to end, or -errno. */
static int on_event(struct relay *r, enum source source)
{
	struct signalfd_siginfo signal;
	uint64_t times;

	switch (source) {
	case TIMER:
		r->armed = UINT64_MAX;
		/* Nothing to read where the timer has been set anew since. */
		return read(r->timer, &times, sizeof(times)) < 0 && errno != EAGAIN ? -errno : 0;
	case SIGNALS:
		if (read(r->signals, &signal, sizeof(signal)) != sizeof(signal))
			return -errno;
		if (signal.ssi_signo != SIGUSR1)
			return 1;
		report(r);
		return 0;
	default:
		return receive(r, source);
	}
}

static int run(struct relay *r)
{
	struct epoll_event events[SOURCES];
	uint64_t now;
	int n, rc = 0;

	while (!rc) {
		n = epoll_wait(r->epoll, events, SOURCES, -1);
		if (n < 0)
			return -errno;
		for (int i = 0; i < n && !rc; i++)
			rc = on_event(r, events[i].data.u32);
		now = now_ns();
		forward(r, 0, now);
		forward(r, 1, now);
		if (!rc)
			rc = arm(r);
	}
	return rc > 0 ? 0 : rc;
}

/* ---- start ---------------------------------------------------------------------------------- */

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int start(struct relay *r)
{
	int fds[SOURCES];

	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	r->signals = open_signals();
	r->armed = UINT64_MAX;
	for (unsigned int i = 0; i < 2; i++) {
		const int rc = wire_open(&r->wire[i], r->options.iface[i]);

		if (rc) {
			fprintf(stderr, "relay: %s: %s\n", r->options.iface[i], strerror(-rc));
			return rc;
		}
		way_init(&r->way[i], &r->options.profile[i], r->options.seed, i);
		fds[i] = r->wire[i].fd;
	}
	fds[TIMER] = r->timer;
	fds[SIGNALS] = r->signals;
	for (unsigned int i = 0; i < SOURCES; i++)
		if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, fds[i],
			    &(struct epoll_event){ .events = EPOLLIN, .data.u32 = i }))
			return -errno;
	return 0;
}

int main(int argc, char **argv)
{
	struct relay *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return 1;
	options_read(&r->options, argc, argv);
	if (start(r))
		return 1;
	fprintf(stderr, "relay: ready\n");
	rc = run(r);
	report(r);
	if (rc)
		fprintf(stderr, "relay: %s\n", strerror(-rc));
	for (unsigned int i = 0; i < 2; i++) {
		way_clear(&r->way[i]);
		wire_close(&r->wire[i]);
	}
	free(r);
	return rc ? 1 : 0;
}

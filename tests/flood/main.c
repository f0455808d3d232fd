/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A flood for the end-to-end tests: packets from random sources through shared memory, as fast as
 * one core makes them, into a port of the balancer whose device is "memif:PATH,role=server". It
 * plays the port's gateway: it answers ARP and ND for that address, so that what the balancer
 * answers to the sources has somewhere to go, and takes all of it out of the ring.
 *
 * A packet is sent when the ring has taken it. Where the ring is full the packet is tried again and
 * counted as refused, so that the rate is reached when the balancer keeps up. At the end one line
 * of JSON says what happened. Started by tests/e2e and scripts/bench.
 */
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_tcp.h>

#include "flood.h"

/* 2^14 packets: 5 ms of 3 M a second, so that the generator may be away from its core as long as
 * that. */
#define RING_LOG2 14
/* Bytes of a buffer in the rings. In those of 2048, the usual, the first lines would all fall into
 * few sets of the caches. Larger packets get larger ones: the driver is not to chain them. */
#define BUFFER     256
#define POOL       8191
#define NAP_US     50
#define MOST_A_LAP 16384

const char *const flood_kind_names[FLOOD_KINDS] = { "syn", "ack", "forged", "connect", "rst", "udp",
	"fragment" };

struct options {
	const char *memif;
	enum flood_kind kind;
	uint64_t rate, seed;
	unsigned int seconds, core, wait;
	uint16_t size;
	struct endpoint target[FLOOD_TARGETS];
	unsigned int n_targets;
	struct flood_end end;
};

struct flood {
	const struct options *o;
	struct flood_end end;
	struct flood_shape shape[FLOOD_TARGETS][2];
	unsigned int shapes; /* used of each target, in turn */
	uint16_t port;
	struct rte_mempool *pool;
	uint64_t random, sent, refused, answered, work; /* work: cycles of making and sending */
};

static const char usage[] =
	"usage: flood --memif PATH --kind KIND --to ADDRESS:PORT --address A --via B [OPTIONS]\n"
	"\n"
	"  --memif PATH     socket of the balancer's port\n"
	"  --kind KIND      syn, ack, forged, connect, rst, udp or fragment\n"
	"  --to A:PORT      target; up to 16 of them, which get the same\n"
	"  --address A      the generator's IPv4 address, the balancer's gateway\n"
	"  --address6 A     the same for IPv6\n"
	"  --via B          the balancer's IPv4 address on the link\n"
	"  --rate PPS       packets a second in all (3000000)\n"
	"  --seconds S      how long (10)\n"
	"  --size BYTES     of a frame without its checksum, where it is more than its headers\n"
	"  --core C         core to run on (0)\n"
	"  --wait S         how long the balancer may take to be there (10)\n"
	"  --seed N         of the random sources (1)\n";

/* ---- options -------------------------------------------------------------------------------- */

static void __attribute__((noreturn)) wrong(const char *option, const char *text)
{
	fprintf(stderr, "flood: --%s %s: cannot be\n%s", option, text, usage);
	exit(2);
}

static uint64_t number(const char *option, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	const uint64_t v = strtoull(text, &end, 10);

	if (*end != '\0' || end == text || v < least || v > most)
		wrong(option, text);
	return v;
}

static enum flood_kind kind_of(const char *text)
{
	for (unsigned int k = 0; k < FLOOD_KINDS; k++)
		if (strcmp(text, flood_kind_names[k]) == 0)
			return k;
	wrong("kind", text);
}

static void address_of(const char *option, const char *text, bool v4, struct addr *out)
{
	if (addr_parse(text, out) || addr_is_v4(out) != v4)
		wrong(option, text);
}

static void target_of(struct options *o, const char *text)
{
	struct endpoint *e = &o->target[o->n_targets];

	if (o->n_targets == FLOOD_TARGETS || endpoint_parse(text, e) || e->port == 0)
		wrong("to", text);
	o->n_targets++;
}

static void option(struct options *o, int c, const char *name)
{
	switch (c) {
	case 'm':
		o->memif = optarg;
		break;
	case 'k':
		o->kind = kind_of(optarg);
		break;
	case 't':
		target_of(o, optarg);
		break;
	case 'a':
		address_of(name, optarg, true, &o->end.address);
		break;
	case '6':
		address_of(name, optarg, false, &o->end.address6);
		break;
	case 'v':
		address_of(name, optarg, true, &o->end.via);
		break;
	case 'r':
		o->rate = number(name, optarg, 1, 100000000);
		break;
	case 's':
		o->seconds = (unsigned int)number(name, optarg, 1, 3600);
		break;
	case 'z':
		o->size = (uint16_t)number(name, optarg, 60, FLOOD_FRAME_MAX);
		break;
	case 'c':
		o->core = (unsigned int)number(name, optarg, 0, 1023);
		break;
	case 'w':
		o->wait = (unsigned int)number(name, optarg, 1, 600);
		break;
	case 'e':
		o->seed = number(name, optarg, 0, UINT64_MAX);
		break;
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

static void options_read(struct options *o, int argc, char **argv)
{
	static const struct option known[] = { { "memif", 1, NULL, 'm' }, { "kind", 1, NULL, 'k' },
		{ "to", 1, NULL, 't' }, { "address", 1, NULL, 'a' }, { "address6", 1, NULL, '6' },
		{ "via", 1, NULL, 'v' }, { "rate", 1, NULL, 'r' }, { "seconds", 1, NULL, 's' },
		{ "size", 1, NULL, 'z' }, { "core", 1, NULL, 'c' }, { "wait", 1, NULL, 'w' },
		{ "seed", 1, NULL, 'e' }, { NULL, 0, NULL, 0 } };
	int c, at;

	*o = (struct options){ .rate = 3000000, .seed = 1, .seconds = 10, .wait = 10 };
	while ((c = getopt_long(argc, argv, "", known, &at)) != -1)
		option(o, c, c == '?' ? "" : known[at].name);
	if (!o->memif || o->n_targets == 0 || addr_is_zero(&o->end.address) ||
		addr_is_zero(&o->end.via) || optind < argc) {
		fputs(usage, stderr);
		exit(2);
	}
	for (unsigned int i = 0; i < o->n_targets; i++)
		if (o->kind == FLOOD_FRAGMENT && !addr_is_v4(&o->target[i].addr))
			wrong("kind", "fragment with IPv6");
}

/* ---- the device ----------------------------------------------------------------------------- */

static int start_eal(const struct options *o)
{
	char vdev[256], core[16];
	char *argv[] = { (char[]){ "flood" }, (char[]){ "-l" }, core, (char[]){ "--no-pci" },
		(char[]){ "--no-huge" }, (char[]){ "--no-shconf" }, (char[]){ "--no-telemetry" },
		(char[]){ "-m" }, (char[]){ "64" }, (char[]){ "--iova-mode=va" },
		(char[]){ "--log-level=lib.eal:error" }, vdev };

	snprintf(core, sizeof(core), "%u", o->core);
	snprintf(vdev, sizeof(vdev),
		"--vdev=net_memif0,role=client,socket=%s,socket-abstract=no,rsize=%d,bsize=%d",
		o->memif, RING_LOG2, RTE_MAX(BUFFER, (int)RTE_ALIGN_CEIL(o->size, 64)));
	return rte_eal_init(RTE_DIM(argv), argv) < 0 ? -1 : 0;
}

static int start_device(struct flood *f)
{
	const struct rte_eth_conf conf = { 0 };

	f->pool = rte_pktmbuf_pool_create(
		"flood", POOL, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!f->pool || rte_eth_dev_get_port_by_name("net_memif0", &f->port) ||
		rte_eth_dev_configure(f->port, 1, 1, &conf) ||
		rte_eth_rx_queue_setup(f->port, 0, 1 << RING_LOG2, SOCKET_ID_ANY, NULL, f->pool) ||
		rte_eth_tx_queue_setup(f->port, 0, 1 << RING_LOG2, SOCKET_ID_ANY, NULL) ||
		rte_eth_dev_start(f->port) || rte_eth_macaddr_get(f->port, &f->end.mac))
		return -1;
	return 0;
}

/* ---- the flood ------------------------------------------------------------------------------ */

/* Answers go into the ring even where the flood has filled it: without those to ARP and ND nothing
 * comes back. */
static void send_answers(struct flood *f, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t sent = 0;

	for (unsigned int tries = 0; sent < n && tries < 200; tries++) {
		if (tries)
			usleep(NAP_US);
		sent += rte_eth_tx_burst(f->port, 0, mbufs + sent, n - sent);
	}
	f->answered += sent;
	rte_pktmbuf_free_bulk(mbufs + sent, n - sent);
}

/* All that has come. */
static void drain(struct flood *f)
{
	struct rte_mbuf *in[FLOOD_BURST], *out[FLOOD_BURST];
	uint16_t n, answers;

	do {
		n = rte_eth_rx_burst(f->port, 0, in, FLOOD_BURST);
		answers = 0;
		for (uint16_t i = 0; i < n; i++)
			if (flood_answer(&f->end, in[i]))
				out[answers++] = in[i];
			else
				rte_pktmbuf_free(in[i]);
		send_answers(f, out, answers);
	} while (n == FLOOD_BURST);
}

/* It sleeps most of the time, and should wake when it wants to: in front of everything else on its
 * core, where that is allowed. Not before the EAL has its threads, which it waits for by spinning.
 */
static void be_punctual(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0); /* naps of some microseconds are to be just that */
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		fprintf(stderr, "flood: no real-time priority\n");
}

/* Asks for the balancer's MAC until it answers. */
static int meet(struct flood *f)
{
	const uint64_t hz = rte_get_tsc_hz(), end = rte_rdtsc() + f->o->wait * hz;
	uint64_t ask = 0;

	while (!f->end.peer_known) {
		const uint64_t now = rte_rdtsc();
		struct rte_mbuf *m;

		if (now > end)
			return -1;
		if (now >= ask && (m = rte_pktmbuf_alloc(f->pool)) != NULL) {
			flood_ask(&f->end, m);
			if (rte_eth_tx_burst(f->port, 0, &m, 1) == 0)
				rte_pktmbuf_free(m);
			ask = now + hz / 10;
		}
		drain(f);
		usleep(1000);
	}
	return 0;
}

static void make_shapes(struct flood *f)
{
	static const uint8_t flags[FLOOD_KINDS][2] = {
		[FLOOD_SYN] = { RTE_TCP_SYN_FLAG },
		[FLOOD_ACK] = { RTE_TCP_ACK_FLAG },
		[FLOOD_FORGED] = { RTE_TCP_SYN_FLAG, RTE_TCP_ACK_FLAG },
		[FLOOD_CONNECT] = { RTE_TCP_SYN_FLAG },
		[FLOOD_RST] = { RTE_TCP_RST_FLAG },
	};
	const enum flood_kind kind = f->o->kind;

	f->shapes = kind == FLOOD_FORGED ? 2 : 1;
	for (unsigned int t = 0; t < f->o->n_targets; t++)
		for (unsigned int i = 0; i < f->shapes; i++) {
			const struct flood_look look = { .flags = flags[kind][i],
				.fragment = kind == FLOOD_FRAGMENT,
				/* So that the third packet needs none either. */
				.mss_only = kind == FLOOD_CONNECT,
				.size = f->o->size,
				.from = f->end.mac,
				.to = f->end.peer };

			flood_shape_make(&f->shape[t][i], &f->o->target[t], &look);
		}
}

/* A burst to one target; how many the ring took. */
static unsigned int send_burst(struct flood *f, unsigned int target, unsigned int n)
{
	struct rte_mbuf *mbufs[FLOOD_BURST];
	struct flood_origin origin = { 0 };
	unsigned int sent;

	if (rte_pktmbuf_alloc_bulk(f->pool, mbufs, n))
		return 0;
	for (unsigned int i = 0; i < n; i++) {
		const unsigned int k = i % f->shapes;

		if (k == 0)
			flood_origin_draw(&origin, &f->random);
		else
			origin.seq = rte_cpu_to_be_32(rte_be_to_cpu_32(origin.seq) + 1);
		flood_shape_stamp(&f->shape[target][k], &origin, mbufs[i]);
	}
	sent = rte_eth_tx_burst(f->port, 0, mbufs, (uint16_t)n);
	rte_pktmbuf_free_bulk(mbufs + sent, n - sent);
	f->sent += sent;
	f->refused += n - sent;
	return sent;
}

/* Sends until the flood is at its rate or the ring full. */
static void catch_up(struct flood *f, uint64_t due)
{
	const uint64_t since = rte_rdtsc();
	unsigned int target = (unsigned int)(f->sent / FLOOD_BURST % f->o->n_targets);
	bool full = false;

	while (f->sent < due && !full) {
		const unsigned int n = (unsigned int)RTE_MIN((uint64_t)FLOOD_BURST, due - f->sent);

		full = send_burst(f, target, n) < n;
		target = (target + 1) % f->o->n_targets;
	}
	f->work += rte_rdtsc() - since;
}

/* The length of the flood in cycles. */
static uint64_t run(struct flood *f)
{
	const uint64_t hz = rte_get_tsc_hz(), start = rte_rdtsc();
	const uint64_t end = start + f->o->seconds * hz;
	const uint64_t all = f->o->rate * f->o->seconds;
	uint64_t now;

	while ((now = rte_rdtsc()) < end && f->sent < all) {
		const uint64_t due = (uint64_t)((double)(now - start) / hz * f->o->rate);

		catch_up(f, RTE_MIN(due, f->sent + MOST_A_LAP));
		drain(f);
		/* Also where the ring is full, and this core has better things to do than try. */
		usleep(NAP_US);
	}
	catch_up(f, all);
	return now - start;
}

static void report(const struct flood *f, uint64_t cycles)
{
	const struct flood_received *r = &f->end.received;
	const double seconds = (double)cycles / rte_get_tsc_hz();

	printf("{\"kind\": \"%s\", \"seconds\": %.3f, \"sent\": %" PRIu64 ", \"rate\": %.0f, "
	       "\"refused\": %" PRIu64 ", \"answered\": %" PRIu64 ", \"cycles_per_packet\": %.0f, "
	       "\"received\": {\"packets\": %" PRIu64 ", \"syn-ack\": %" PRIu64
	       ", \"rst\": %" PRIu64 ", \"other-tcp\": %" PRIu64 ", \"udp\": %" PRIu64
	       ", \"icmp\": %" PRIu64 ", \"neighbour\": %" PRIu64 ", \"others\": %" PRIu64 "}}\n",
		flood_kind_names[f->o->kind], seconds, f->sent, f->sent / seconds, f->refused,
		f->answered, f->sent ? (double)f->work / f->sent : 0, r->packets, r->syn_acks,
		r->rsts, r->other_tcp, r->udp, r->icmp, r->neighbour, r->others);
}

int main(int argc, char **argv)
{
	static struct options o;
	static struct flood f;
	uint64_t cycles;

	options_read(&o, argc, argv);
	f.o = &o;
	f.end = o.end;
	f.end.connect = o.kind == FLOOD_CONNECT;
	f.random = o.seed;
	if (start_eal(&o) || start_device(&f)) {
		fprintf(stderr, "flood: the device does not start: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	if (meet(&f)) {
		fprintf(stderr, "flood: nobody answers at %s\n", o.memif);
		return 1;
	}
	be_punctual();
	fprintf(stderr, "flood: begins\n");
	make_shapes(&f);
	cycles = run(&f);
	for (unsigned int i = 0; i < 100; i++) { /* what is still on its way */
		drain(&f);
		usleep(1000);
	}
	report(&f, cycles);
	rte_eth_dev_stop(f.port);
	rte_eth_dev_close(f.port);
	rte_eal_cleanup();
	return 0;
}

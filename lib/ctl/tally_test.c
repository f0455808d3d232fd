/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums over workers, and a slot's new owner beginning at nought. */
#include "ctl/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test_eal.h"

#define SLOT 7

struct bed {
	struct config_target target;
	struct workers all;
	struct worker worker[2], *workers[2];
	struct synproxy synproxy[2];
	struct net_worker net[3], *nets[3];
	struct model *now, *next;
	struct service service[2];
	struct server server[2];
};

static struct bed *bed_make(void)
{
	struct faults faults = { 0 };
	struct bed *b = aligned_alloc(_Alignof(struct bed), sizeof(*b));

	assert_non_null(b);
	memset(b, 0, sizeof(*b));
	for (int i = 0; i < 2; i++) {
		b->worker[i].l4.service = calloc(MODEL_SERVICES_MAX, sizeof(struct traffic));
		b->worker[i].l4.strain = calloc(MODEL_SERVICES_MAX, sizeof(struct strain));
		b->worker[i].l4.guarded = calloc(MODEL_SERVICES_MAX, sizeof(struct guarded));
		b->worker[i].l4.server = calloc(MODEL_SERVERS_MAX, sizeof(struct traffic));
		b->synproxy[i].traffic =
			calloc(MODEL_SERVICES_MAX, sizeof(struct synproxy_traffic));
		b->worker[i].l4.synproxy = &b->synproxy[i];
		b->workers[i] = &b->worker[i];
		b->service[i].id = b->server[i].id = 100u + (unsigned int)i;
	}
	for (int i = 0; i < 3; i++)
		b->nets[i] = &b->net[i];
	b->all = (struct workers){ .n = 2, .worker = b->workers, .net = b->nets };
	b->target.workers = &b->all;
	b->now = calloc(1, sizeof(*b->now));
	b->next = calloc(1, sizeof(*b->next));
	b->now->net = b->next->net = net_table_build(&(struct net_conf){ 0 }, NULL, &faults);
	assert_non_null(b->now->net);
	return b;
}

static void bed_free(struct bed *b)
{
	for (int i = 0; i < 2; i++) {
		free(b->worker[i].l4.service);
		free(b->worker[i].l4.guarded);
		free(b->worker[i].l4.server);
		free(b->worker[i].l4.strain);
		free(b->synproxy[i].traffic);
	}
	tally_free(&b->target);
	net_table_free(b->now->net);
	free(b->now);
	free(b->next);
	free(b);
}

static void count(struct bed *b, uint64_t n)
{
	for (int i = 0; i < 2; i++) {
		b->worker[i].l4.service[SLOT].packets_in += n;
		b->worker[i].l4.strain[SLOT].stateless += n;
		b->worker[i].l4.strain[SLOT].evicted += n;
		b->worker[i].l4.guarded[SLOT].denied += n;
		b->worker[i].l4.guarded[SLOT].over_rate += n;
		b->worker[i].l4.guarded[SLOT].cut += n;
		b->synproxy[i].traffic[SLOT].sent += n;
		b->synproxy[i].traffic[SLOT].accepted += n;
		b->synproxy[i].traffic[SLOT].wrong += n;
		b->synproxy[i].traffic[SLOT].failed += n;
		b->worker[i].l4.server[SLOT].flows_opened += n;
		b->worker[i].l4.server[SLOT].flows_closed += n;
	}
}

static void assert_sums(struct bed *b, uint64_t sum)
{
	assert_int_equal(tally_service(&b->target, SLOT).packets_in, sum);
	assert_int_equal(tally_strain(&b->target, SLOT).stateless, sum);
	assert_int_equal(tally_strain(&b->target, SLOT).evicted, sum);
	assert_int_equal(tally_guarded(&b->target, SLOT).denied, sum);
	assert_int_equal(tally_guarded(&b->target, SLOT).over_rate, sum);
	assert_int_equal(tally_guarded(&b->target, SLOT).cut, sum);
	assert_int_equal(tally_synproxy(&b->target, SLOT).sent, sum);
	assert_int_equal(tally_synproxy(&b->target, SLOT).accepted, sum);
	assert_int_equal(tally_synproxy(&b->target, SLOT).wrong, sum);
	assert_int_equal(tally_synproxy(&b->target, SLOT).failed, sum);
	assert_int_equal(tally_server(&b->target, SLOT).flows_opened, sum);
	assert_int_equal(tally_server(&b->target, SLOT).flows_closed, sum);
	assert_int_equal(tally_service(&b->target, SLOT + 1).packets_in, 0);
}

static void test_new_owner_begins_at_nought(void **state)
{
	(void)state;
	struct bed *b = bed_make();

	b->now->service[SLOT] = &b->service[0];
	b->now->server[SLOT] = &b->server[0];
	assert_int_equal(tally_change(&b->target, NULL, b->now), 0);
	count(b, 5);
	assert_sums(b, 10);

	/* The same owner in the next snapshot goes on. */
	b->next->service[SLOT] = &b->service[0];
	b->next->server[SLOT] = &b->server[0];
	assert_int_equal(tally_change(&b->target, b->now, b->next), 0);
	assert_sums(b, 10);

	b->next->service[SLOT] = &b->service[1];
	b->next->server[SLOT] = &b->server[1];
	assert_int_equal(tally_change(&b->target, b->now, b->next), 0);
	assert_sums(b, 0);
	count(b, 3);
	assert_sums(b, 6);

	/* Empty in between. */
	b->now->service[SLOT] = NULL;
	b->now->server[SLOT] = NULL;
	assert_int_equal(tally_change(&b->target, b->next, b->now), 0);
	assert_int_equal(tally_change(&b->target, b->now, b->next), 0);
	assert_sums(b, 0);
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_owner_begins_at_nought),
	};

	test_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

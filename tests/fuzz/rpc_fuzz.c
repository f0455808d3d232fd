/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket's language on arbitrary lines, against a control core with two workers. Every
 * line is answered with at most one line of JSON, the configuration in force stays one that is
 * good, and no call is left waiting.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "test_ctl.h"
#include "test_eal.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rte_mempool *pool;
static struct test_ctl *ctl;
static const json_t *document;

static void start(void)
{
	ctl = test_ctl_open_workers(test_document, 2, pool);
	document = ctl->c.target.running;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	test_eal_init();
	pool = test_pool("rpc_fuzz", 64);
	start();
	return 0;
}

static void check_answers(void)
{
	json_t *answer;

	if (ctl->lines > 1)
		abort();
	if (ctl->lines == 0)
		return;
	answer = json_loadb(ctl->said, ctl->n, 0, NULL);
	if (!answer)
		abort();
	json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct faults faults = { 0 };

	if (memchr(data, '\n', size) || size > 65536)
		return 0;
	test_ask_n(ctl, (const char *)data, size);
	if (ctl->n)
		ctl->said[ctl->n - 1] = '\n';
	test_ctl_settle(ctl);
	check_answers();
	if (ctl->c.target.running == document)
		return 0;
	/* It has changed something: begin anew, so that an input does the same wherever it stands.
	 */
	if (!config_check(ctl->c.target.running, &faults))
		abort();
	faults_free(&faults);
	test_ctl_close(ctl);
	start();
	return 0;
}

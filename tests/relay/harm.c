/* SPDX-License-Identifier: BSD-3-Clause */
#include "harm.h"

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* 2^53 for 1: more than the 53 bits of any random number, so that 1 is always. */
static uint64_t threshold(double share)
{
	return (uint64_t)(share * (double)(1ull << 53));
}

static bool below(uint64_t random, uint64_t limit)
{
	return random >> 11 < limit;
}

void harm_init(struct harm *h, const struct harm_profile *p, uint64_t seed, unsigned int way)
{
	*h = (struct harm){ .loss = threshold(p->loss),
		.reorder = threshold(p->reorder),
		.duplicate = threshold(p->duplicate),
		.corrupt = threshold(p->corrupt),
		.bursts = p->burst > 0 };
	/* A way's numbers begin where the seed's own number for it says. */
	for (unsigned int i = 0; i <= way; i++)
		h->random = draw(&seed);
	if (h->bursts) {
		/* Two states (Gilbert 1960): runs of losses end with probability 1/burst, and begin
		 * as often as makes `loss` the share of frames that are in one. */
		h->end = threshold(1 / p->burst);
		h->begin = threshold(p->loss / (p->burst * (1 - p->loss)));
	}
}

static bool lost(struct harm *h, uint64_t random)
{
	if (!h->bursts)
		return below(random, h->loss);
	if (h->losing)
		h->losing = !below(random, h->end);
	else
		h->losing = below(random, h->begin);
	return h->losing;
}

void harm_choose(struct harm *h, struct harm_choice *out)
{
	uint64_t r[6];

	for (unsigned int i = 0; i < 6; i++)
		r[i] = draw(&h->random);
	*out = (struct harm_choice){ .lose = lost(h, r[0]) };
	if (out->lose)
		return;
	out->reorder = below(r[1], h->reorder);
	out->duplicate = below(r[2], h->duplicate);
	out->corrupt = below(r[3], h->corrupt);
	out->bit = r[4];
	out->jitter = (double)(r[5] >> 11) / (double)(1ull << 52) - 1;
}

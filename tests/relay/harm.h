/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is to happen to each frame of one direction of the relay, out of a seed.
 *
 * Choice number n depends on the seed, the direction, the profile and n alone: each choice draws
 * the same count of random numbers, whatever comes of them. So another share of duplicates, say,
 * leaves the frames that are lost the same.
 */
#ifndef RELAY_HARM_H
#define RELAY_HARM_H

#include <stdbool.h>
#include <stdint.h>

/* Shares are from 0 to 1. Those of reorder, duplicate and corrupt are of the frames not lost. */
struct harm_profile {
	double loss;
	/* Mean length of a run of losses, in frames, at least 1 and loss / (1 - loss); 0: each
	 * frame is lost by itself. */
	double burst;
	double reorder, duplicate, corrupt;
};

struct harm_choice {
	bool lose, reorder, duplicate, corrupt;
	uint64_t bit;  /* random: which bit of the frame to flip, modulo the bits there are */
	double jitter; /* from -1 to 1, evenly */
};

/* Private to harm.c. Thresholds are of the upper 53 bits of a random number. */
struct harm {
	uint64_t random;
	uint64_t loss, begin, end, reorder, duplicate, corrupt;
	bool bursts, losing;
};

/* Directions of one seed, told apart by `way`, have choices that know nothing of each other. */
void harm_init(struct harm *h, const struct harm_profile *p, uint64_t seed, unsigned int way);

/* The choice for the next frame. */
void harm_choose(struct harm *h, struct harm_choice *out);

#endif

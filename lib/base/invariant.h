/* SPDX-License-Identifier: BSD-3-Clause */
/* Invariants, checked in builds with -Dx_assert=true (tests, fuzzing) and absent elsewhere. */
#ifndef BASE_INVARIANT_H
#define BASE_INVARIANT_H

#include <stdio.h>
#include <stdlib.h>

#ifdef X_ASSERT
#define x_assert(cond)                                                                             \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s: %s does not hold\n", __FILE__, __LINE__,       \
				__func__, #cond);                                                  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)
#else
#define x_assert(cond) ((void)sizeof(cond))
#endif

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of a configuration: given out zeroed, freed all at once. */
#ifndef CTL_ARENA_H
#define CTL_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_create(void);                          /* NULL without memory */
void *arena_alloc(struct arena *a, size_t n, size_t size); /* n elements; NULL without memory */
void arena_destroy(struct arena *a);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing a configuration file. */
#ifndef CTL_SAVE_H
#define CTL_SAVE_H

#include <jansson.h>

/* Replaces the file by the document in one step: a crash leaves the old one or the new one. Mode
 * and owner stay as they were; a symbolic link stays, and what it points to is replaced. 0 or
 * -errno, and then the file is as before. */
int save_document(const char *path, const json_t *doc);

#endif

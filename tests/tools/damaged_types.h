/* SPDX-License-Identifier: MIT */
/* Type information of C++ in damaged snapshots: of objects as a C++ program has them, which this one makes by hand. */
#ifndef HAK_TESTS_DAMAGED_TYPES_H
#define HAK_TESTS_DAMAGED_TYPES_H

#include "profile.h"
#include "reader/recorder.h"
#include "reader/snapshot_file.h"

/* The first word of an object. */
uintptr_t damaged_types_word(void);

/* Records what a snapshot has of it. */
void damaged_types_record(struct recorder *recorder, const struct remote_memory *memory);

/* A profile with the loaded objects of a snapshot; NULL without memory. */
struct profile *damaged_types_profile(const struct snapshot_file *file);

/* Reads the names of types for the words that were added; how many of these objects' were found, or -1 for a bad name. */
int damaged_types_read(struct profile *profile, const struct remote_memory *memory);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Race points: named places between the steps of the lock-free operations.
 *
 * In debug builds, when the option race_seed is not 0, a thread that passes one
 * goes on, yields or sleeps, by a hash of seed, name and the number of points
 * passed so far. So threads meet in states that are rare otherwise, and another
 * seed makes them meet in others. Release builds hold none of it.
 */
#ifndef HAK_CORE_RACE_H
#define HAK_CORE_RACE_H

#include <stdint.h>

#include "base/compiler.h"
#include "core/options.h"

void hak__race_pause(const char *name);

/* How often a race point has made its thread yield or sleep; 0 in release builds. */
uint64_t hak__race_pauses(void);

HAK_INLINE void hak__race_point(const char *name)
{
    if (HAK_DEBUG && hak_unlikely(hak__option(HAK_OPTION_RACE_SEED) != 0))
        hak__race_pause(name);
}

#endif

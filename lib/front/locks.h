/* SPDX-License-Identifier: MIT */
/* All locks of locks.def, for fork and statistics. */
#ifndef HAK_FRONT_LOCKS_H
#define HAK_FRONT_LOCKS_H

#include "os/lock.h"

enum {
#define HAK_LOCK(lock, name) HAK_LOCK_AT_##lock,
#include "front/locks.def"
#undef HAK_LOCK
    HAK_LOCK_COUNT
};

struct hak_named_lock {
    struct hak_lock *lock;
    const char *name;
};

extern const struct hak_named_lock hak__locks[HAK_LOCK_COUNT];

/* How often a thread had to wait for any of them. */
uint64_t hak__lock_waits(void);

#endif

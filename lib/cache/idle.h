/* SPDX-License-Identifier: MIT */
/*
 * What threads keep and do not use: blocks in bins and chains, spans, slabs of their own. Another
 * thread gives it back for them, whatever they do meanwhile (enter.h).
 */
#ifndef HAK_CACHE_IDLE_H
#define HAK_CACHE_IDLE_H

#include <stdbool.h>
#include <stddef.h>

#include "os/lock.h"

/* Whoever looks, and takes; a fork waits for it. */
extern struct hak_lock hak__idle_lock;

/*
 * Looks at all heaps and gives back what nobody has used in so many looks, this one included; whether
 * there was any. The caller has prepared barriers (os.h). Without locks held.
 */
bool hak__idle_scan(unsigned looks);

#endif

/* SPDX-License-Identifier: MIT */
/* The one reader of statistics that needs no other process. */
#ifndef HAK_API_OWN_SNAPSHOT_H
#define HAK_API_OWN_SNAPSHOT_H

#include "api/snapshot.h"

/* hak__snapshot_read of this process. Any thread. */
void hak__snapshot(struct hak_snapshot *snapshot);

#endif

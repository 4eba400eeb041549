/* SPDX-License-Identifier: MIT */
/* PARTIAL slabs, and the hints by which they are found (super_set.h). */
#ifndef HAK_SLAB_SUPERSLAB_PARTIAL_H
#define HAK_SLAB_SUPERSLAB_PARTIAL_H

#include <stdbool.h>

#include "slab/slab_meta.h"

/* Shows a slab that the caller has made PARTIAL. It may be anybody's by now. Any thread. */
void hak__superslab_show(TinySlabMeta *slab, unsigned class_idx);

/* Claims a PARTIAL slab of a class, which is then CURRENT; NULL when none is shown. Any thread. */
TinySlabMeta *hak__superslab_claim(unsigned class_idx);

/* Whether a search would find the slab as PARTIAL; for checks, at rest. */
bool hak__superslab_shows(TinySlabMeta *slab, unsigned class_idx);

#endif

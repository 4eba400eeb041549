/* SPDX-License-Identifier: MIT */
#include "api/summary.h"

#include <string.h>

#include "base/params.h"
#include "cache/heap.h"
#include "core/meta.h"
#include "page/arena.h"
#include "page/huge.h"
#include "page/retain.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/superslab.h"

struct walk {
    struct hak_summary *summary;
    size_t slab_bytes;
};

static void visit(TinySlabMeta *slab, void *context)
{
    struct walk *walk = context;
    struct slab_view view = slab_freelist_view(slab);
    if (view.state < SLAB_CURRENT)
        return;
    /* the word alone is safe to read while others work */
    const struct hak_class_info *info = &hak__class_info[view.class_idx];
    size_t out = view.carved - view.free;
    walk->summary->class[view.class_idx].slabs++;
    walk->summary->class[view.class_idx].capacity += info->capacity;
    walk->summary->class[view.class_idx].out += out;
    walk->summary->small_bytes += out * info->size;
    walk->slab_bytes += (size_t)1 << info->slab_shift;
}

void hak__summarise(struct hak_summary *summary)
{
    memset(summary, 0, sizeof *summary);
    struct walk walk = {summary, 0};
    hak__superslab_visit(visit, &walk);
    summary->live_bytes = hak_load_relaxed(&hak__live_bytes);
    summary->retained_bytes = hak_load_relaxed(&hak__retained_bytes);
    summary->committed_bytes = hak__arena_committed();
    summary->metadata_bytes = hak__meta_mapped();
    summary->huge_bytes = hak__huge_live(&summary->huge_blocks);
    if (summary->live_bytes > walk.slab_bytes)
        summary->large_bytes = summary->live_bytes - walk.slab_bytes;
    summary->superslabs = hak__superslab_count();
    summary->heaps = hak__heap_count();
}

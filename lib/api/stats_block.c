/* SPDX-License-Identifier: MIT */
#include "api/stats_block.h"

#include "cache/heap_list.h"
#include "core/disabled.h"
#include "core/meta.h"
#include "front/front.h"
#include "page/arena.h"
#include "page/huge.h"
#include "page/region.h"
#include "page/retain.h"

static_assert(sizeof(PACKAGE_VERSION) <= sizeof hak__stats_block.version, "the version fits");

/* Named by the note alone as far as the compiler can see. */
__attribute__((used)) const struct hak_stats_block hak__stats_block = {
    .magic = HAK_STATS_MAGIC,
    .layout = HAK_STATS_LAYOUT,
    .size = sizeof(struct hak_stats_block),
    .version = PACKAGE_VERSION,
    .pointer_size = sizeof(void *),
    .debug = HAK_DEBUG,
    .super_chunk_size = sizeof(struct super_chunk),
    .superslab_size = sizeof(SuperSlab),
    .heap_size = sizeof(struct hak_heap),
    .counters_size = sizeof(struct hak_counters),
    .lock_size = sizeof(struct hak_lock),
    .page_map_size = sizeof(struct hak_pagemap),
    .class_count = HAK_CLASS_COUNT,
    .stat_count = HAK_STAT_COUNT,
    .lock_count = HAK_LOCK_COUNT,
    .records_sum = HAK_RECORDS_SUM,
    .checks = HAK_CHECKS,
    .live_bytes = &hak__live_bytes,
    .retained_bytes = &hak__retained_bytes,
    .taken_bytes = &hak__taken_bytes,
    .committed_bytes = &hak__committed_bytes,
    .metadata_bytes = &hak__metadata_bytes,
    .huge_bytes = &hak__huge_bytes,
    .huge_blocks = &hak__huge_blocks,
    .superslabs = &hak__superslabs_in_use,
    .heaps = &hak__heaps_in_use,
    .counters = &hak__counters_newest,
    .all_heaps = &hak__heaps,
    .disabled = (const uint8_t *)&hak__disabled,
    .chunks = &hak__super_chunks,
    .locks = hak__locks,
    .starter = &hak__starter,
    .page_map = &hak__pagemap,
    .profile = &hak__profile,
    .secret = &hak__heap_secret,
    .meta_newest = &hak__meta_newest,
    .huge_newest = &hak__huge_newest,
};

__asm__(".pushsection .note.hakmem, \"a\", %note\n"
        ".balign 4\n"
        ".long 7, 4, 1\n" /* lengths of name and description, type */
        ".asciz \"" HAK_STATS_NOTE "\"\n"
        ".balign 4\n"
        ".long hak__stats_block - .\n"
        ".popsection");

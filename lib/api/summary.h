/* SPDX-License-Identifier: MIT */
/* Totals of the process, for statistics and the C library's interfaces. */
#ifndef HAK_API_SUMMARY_H
#define HAK_API_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

#include "slab/size_class.h"

struct hak_summary {
    struct {
        size_t slabs, capacity, out; /* out: blocks that are live, cached or in a chain */
    } class[HAK_CLASS_COUNT];
    size_t live_bytes;      /* slabs, spans and mappings that serve blocks */
    size_t retained_bytes;  /* unused memory that may still be resident */
    size_t committed_bytes; /* readable and writable regions of the page arena */
    size_t metadata_bytes;
    size_t small_bytes;     /* blocks out of slabs */
    size_t large_bytes;     /* spans and mappings that are blocks */
    size_t huge_bytes, huge_blocks;
    size_t superslabs;
    size_t heaps;
};

void hak__summarise(struct hak_summary *summary);

#endif

/* SPDX-License-Identifier: MIT */
/* Questions about blocks; hakmem.h describes the functions. */
#include <hakmem/hakmem.h>

#include "api/sized.h"
#include "base/bits.h"
#include "base/params.h"
#include "cache/heap_check.h"
#include "cache/inspect.h"
#include "front/front.h"
#include "harden/blocks.h"
#include "harden/zero_size.h"
#include "page/huge.h"
#include "page/pagemap.h"
#include "slab/starter.h"

bool hak_owns(const void *address)
{
    return hak__owns(address) || hak__zero_size_covers(address);
}

static hak_block_kind_t kind_of(uint32_t code)
{
    return code == HAK_CODE_LARGE  ? HAK_BLOCK_LARGE
           : code == HAK_CODE_HUGE ? HAK_BLOCK_HUGE
                                   : HAK_BLOCK_SMALL;
}

static hak_block_info_t describe(const struct hak_inspected *inspected, uint32_t index)
{
    struct hak_starter_block block = {inspected->base + index * inspected->block_size, inspected->code - 1,
                                      hak__inspected_is_live(inspected, index)};
    if (inspected->code == HAK_CODE_STARTER && !hak__starter_find(block.start, &block))
        block.class_idx = 0;
    hak_block_info_t info = {.struct_size = sizeof info,
                             .start = (void *)block.start,
                             .usable_size = inspected->block_size,
                             .kind = kind_of(inspected->code),
                             .class_index = -1};
    if (block.live)
        info.state = HAK_CHECKS || info.kind == HAK_BLOCK_HUGE ? HAK_BLOCK_LIVE : HAK_BLOCK_UNKNOWN;
    else
        info.state = HAK_BLOCK_FREE;
    if (HAK_HARDENED && block.live)
        info.usable_size = hak__harden_size(info.start, inspected->code);
    if (info.kind == HAK_BLOCK_SMALL) {
        info.class_index = (int)block.class_idx;
        if (!HAK_HARDENED || !block.live)
            info.usable_size = hak__class_size(block.class_idx) - HAK_TRAILER;
        info.owner = inspected->owner;
        info.owner_alive = inspected->owner_alive;
        info.slab = (void *)inspected->base;
        info.slab_size = inspected->size;
    }
    return info;
}

int hak_block_info(const void *address, hak_block_info_t *info)
{
    struct hak_inspected inspected;
    if (!hak__sized_is_known(info->struct_size, sizeof *info))
        return -1;
    if (!hak__inspect((uintptr_t)address, &inspected) ||
        ((uintptr_t)address - inspected.base) / inspected.block_size >= inspected.carved) {
        errno = ENOENT;
        return -1;
    }
    hak_block_info_t found =
        describe(&inspected, (uint32_t)(((uintptr_t)address - inspected.base) / inspected.block_size));
    hak__sized_fill(info, info->struct_size, &found, sizeof found);
    return 0;
}

static bool visit_blocks(const struct hak_inspected *inspected, hak_block_visitor_t *visit, void *context)
{
    for (uint32_t i = 0; i < inspected->carved; i++) {
        if (!hak__inspected_is_live(inspected, i))
            continue;
        hak_block_info_t info = describe(inspected, i);
        if (!visit(&info, context))
            return false;
    }
    return true;
}

int hak_heap_walk(hak_block_visitor_t *visit, void *context)
{
    struct hak_inspected inspected;
    uintptr_t end = 0; /* of what was visited */
    if (!HAK_CHECKS) {
        errno = ENOTSUP;
        return -1;
    }
    for (uintptr_t address = 0; hak__pagemap_find(&address);) {
        bool found = hak__look_at(address, &inspected);
        bool seen = !found || inspected.base < end; /* it has grown meanwhile */
        if (!seen && !visit_blocks(&inspected, visit, context))
            break;
        address += HAK_GRANULE;
        if (!found || inspected.base + inspected.size < address)
            continue;
        end = inspected.base + inspected.size;
        address = hak__align_up(end, HAK_GRANULE); /* what ends within a granule has it to itself */
    }
    return 0;
}

const char *hak_check(const void **where)
{
    struct hak_heap_check check;
    hak__heap_check(&check);
    if (where != NULL)
        *where = check.where;
    return check.wrong;
}

/* SPDX-License-Identifier: MIT */
#include "harden/blocks.h"

#include <string.h>

#include "page/pagemap.h"

static bool is_small(uint32_t word)
{
    return (word & 0xff) - 1 < HAK_CLASS_COUNT;
}

static bool is_large(uint32_t word)
{
    return word == HAK_CODE_LARGE || word == HAK_CODE_HUGE;
}

static void set_large(struct hak_span *span, size_t size, enum hak_kind kind)
{
    char *block = hak__span_block(span);
    span->requested = size;
    span->kind = kind;
    if (hak__harden.canary && !span->guarded)
        hak__canary_store(block + size, hak__canary_of(block) & HAK_CANARY_BEHIND);
}

void *hak__harden_live(void *block, size_t size, enum hak_kind kind)
{
    if (block == NULL)
        return NULL;
    uint32_t word = hak__pagemap_word((uintptr_t)block);
    if (is_small(word))
        hak__harden_begin(block, (word & 0xff) - 1, size, kind);
    else if (is_large(word))
        set_large(hak__pagemap_record((uintptr_t)block), size, kind);
    return block;
}

/* What the trailer says, which may be of anybody's if it is not right. */
static bool read_trailer(const void *block, size_t room, size_t *size)
{
    *size = room;
    return !hak__harden.canary || hak__canary_size(block, room, ~HAK_TRAILER_SLACK & ~HAK_TRAILER_KIND, HAK_KIND_MALLOC, size);
}

size_t hak__harden_room(const void *block, uint32_t word)
{
    if (is_small(word))
        return hak__class_size((word & 0xff) - 1) - HAK_TRAILER;
    const struct hak_span *span = hak__pagemap_record((uintptr_t)block);
    return span->guarded ? span->asked : span->size - HAK_TRAILER;
}

size_t hak__harden_size(const void *block, uint32_t word)
{
    size_t room = hak__harden_room(block, word), size = room;
    if (is_small(word))
        return read_trailer(block, room, &size) ? size : room;
    const struct hak_span *span = hak__pagemap_record((uintptr_t)block);
    return span->requested;
}

enum hak_kind hak__harden_kind(const void *block, uint32_t word)
{
    if (!is_small(word))
        return ((const struct hak_span *)hak__pagemap_record((uintptr_t)block))->kind;
    uint64_t trailer = hak__canary_load((const char *)block + hak__harden_room(block, word));
    return (enum hak_kind)((trailer & HAK_TRAILER_KIND) >> HAK_KIND_SHIFT);
}

void hak__harden_clear(void *block, size_t block_size)
{
    size_t room = block_size - HAK_TRAILER, size = room;
    read_trailer(block, room, &size);
    hak__harden_clear_used(block, room, size);
}

void hak__harden_resize(void *block, uint32_t word, size_t old, size_t size)
{
    enum hak_kind kind = hak__harden_kind(block, word);
    if (!is_small(word)) {
        set_large(hak__pagemap_record((uintptr_t)block), size, kind);
    } else if (hak__harden.canary) {
        hak__harden_set_end(block, hak__harden_room(block, word), old, size, kind);
    }
}

/*
 * The canary of a large block has no trailer behind it. A guarded block has none: its end is that of its pages, or a
 * pattern that is looked at when it is freed.
 */
static bool ends_whole(const void *block, uint32_t word, size_t room, size_t size)
{
    if (is_small(word))
        return hak__canary_is_whole(block, room, size);
    const struct hak_span *span = hak__pagemap_record((uintptr_t)block);
    return span->guarded || hak__canary_is_whole(block, size + HAK_TRAILER, size);
}

/* Whether a call may have any block, as one that asks for its size may. */
static bool takes_any_kind(const char *call)
{
    return strstr(call, "usable_size") != NULL || strstr(call, "resize") != NULL;
}

const char *hak__harden_fault(const void *block, uint32_t word, const char *call, size_t *size)
{
    size_t room = hak__harden_room(block, word);
    if (!hak__harden.canary)
        return NULL;
    bool right = true;
    if (is_small(word))
        right = read_trailer(block, room, size);
    else
        *size = hak__harden_size(block, word);
    if (!right || !ends_whole(block, word, room, *size)) {
        *size = right ? *size : room;
        return "written behind its end: a block";
    }
    bool kinds = (hak__harden.trailer_bits & HAK_TRAILER_KIND) != 0 && !takes_any_kind(call);
    enum hak_kind kind = hak__harden_kind(block, word);
    if (!kinds || kind == hak__harden_kind_of(call))
        return NULL;
    return kind == HAK_KIND_MALLOC ? "allocated by malloc, not by operator new: a block"
           : kind == HAK_KIND_NEW  ? "allocated by operator new: a block"
                                   : "allocated by operator new[]: a block";
}

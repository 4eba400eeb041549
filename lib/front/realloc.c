/* SPDX-License-Identifier: MIT */
/* realloc: in place where the block's size allows it, by moving pages, or by copying. */
#include <errno.h>
#include <string.h>

#include "base/annotate.h"
#include "base/params.h"
#include "core/disabled.h"
#include "front/fast.h"
#include "front/large.h"
#include "harden/blocks.h"
#include "harden/zero_size.h"

/* A block stays where it is unless less than half of it would be used. */
static bool stays(size_t usable, size_t size)
{
    return size <= usable && (size >= usable / 2 || usable <= 2 * HAK_ALIGNMENT);
}

/* The hardened variant: a block without bytes, which has no room for any. */
static void *grow_from_none(void *block, size_t size, const char *call)
{
    if (!hak__zero_size_is_live(block))
        hak__misuse(call, block, "double free, or not the start of a block: of no bytes", 0);
    void *fresh = size != 0 ? hak__malloc(size) : NULL;
    if (fresh != NULL || size == 0)
        hak__zero_size_free(block);
    return fresh;
}

static void *foreign(void *block, size_t size, const char *call)
{
    hak__init();
    if (hak__zero_size_covers(block))
        return grow_from_none(block, size, call);
    if (hak__is_disabled())
        return hak__other_realloc(block, size);
    if (!hak__is_libc_block(block))
        hak__misuse_foreign(call, block, 0);
    return hak__libc_realloc(block, size);
}

/* Growing blocks from here on get room for more; smaller ones are copied in no time. */
enum { ROOM_LEAST = 1024, ROOM_PAGE = 4096 };

/* The class in which a block has room: half as much again, above a page twice as much at most. */
static size_t with_room(size_t size)
{
    size_t most = size < ROOM_PAGE ? size + size / 2 : size * 2;
    if (most > HAK_SMALL_MAX)
        most = HAK_SMALL_MAX;
    unsigned class_idx = hak__class_of(most);
    if (HAK_HARDENED)
        return hak__class_size(class_idx - 1) - HAK_TRAILER > size ? hak__class_size(class_idx - 1) - HAK_TRAILER : size;
    return hak__class_size(class_idx) <= most ? hak__class_size(class_idx)
                                              : hak__class_size(class_idx - 1);
}

/* In the hardened variant: of a block that has room for more, the program gets no more than it asked for. */
HAK_INLINE void end_at(void *block, size_t size)
{
    uint32_t word = hak__pagemap_word((uintptr_t)block);
    if (word != HAK_CODE_NONE)
        hak__harden_resize(block, word, hak__harden_size(block, word), size);
}

/*
 * The place of a block in its thread's notes of those that have grown; false and the place of the
 * oldest if it has none.
 */
static bool find_grown(const struct hak_heap *heap, const void *block, unsigned *place)
{
    for (unsigned i = 0; i < HAK_GROWN_PLACES; i++)
        if (heap->grown[i] == block) {
            *place = i;
            return true;
        }
    *place = heap->grown_place;
    return false;
}

/* A small block is of another size for the profiler than what its record says. */
static void note_size(const void *block, uint32_t word, size_t size)
{
    if (hak_unlikely(hak__owner_of(word) == HAK_OWNER_SAMPLED))
        hak__sample_resize(block, size);
}

/*
 * A larger block for one that is outgrown; it is likely to grow further if it has done so before. In
 * the child of a signal handler that forks and returns the thread may have lost its heap meanwhile.
 */
static void *larger(const void *block, size_t size)
{
    if (size > HAK_SMALL_MAX) {
        void *large = hak__block_annotate_live(hak__large_alloc_to_grow(hak__harden_padded(size)), size, false);
        return large != NULL ? large : hak__malloc(size);
    }
    struct hak_heap *heap = hak__heap;
    if (size < ROOM_LEAST || hak__is_watched() || !hak__heap_is_real(heap))
        return hak__malloc(size);
    void *fresh = NULL;
    unsigned place = 0;
    bool again = find_grown(heap, block, &place);
    if (again && size > HAK_SMALL_MAX / 2)
        fresh = hak__block_annotate_live(hak__large_alloc_to_grow(hak__harden_padded(size)), size, false);
    if (fresh == NULL)
        fresh = hak__malloc(again ? with_room(size) : size);
    if (HAK_HARDENED && again)
        end_at(fresh, size);
    note_size(fresh, hak__pagemap_word((uintptr_t)fresh), size);
    if (!again)
        heap->grown_place = (place + 1) % HAK_GROWN_PLACES;
    heap->grown[place] = fresh;
    return fresh;
}

static void *copy(void *block, uint32_t word, size_t usable, size_t size, const char *call)
{
    void *fresh = size > usable ? larger(block, size) : hak__malloc(size);
    if (fresh == NULL)
        return NULL;
    hak__annotate_rest(block, usable);
    memcpy(fresh, block, usable < size ? usable : size);
    if (usable > HAK_SMALL_MAX && !HAK_HARDENED) {
        hak__block_annotate_free(block);
        hak__large_release(block, word, call, NULL);
    } else {
        hak__free(block, call);
    }
    return fresh;
}

/* A guarded block that becomes smaller moves: its ends are where it has them. */
static bool ends_exactly(const void *block, uint32_t word, size_t usable, size_t size)
{
    if (word != HAK_CODE_HUGE || usable == size)
        return false;
    const struct hak_span *span = hak__pagemap_record((uintptr_t)block);
    return span->guarded;
}

/* Under a checker every block moves, as with the realloc of the checkers: old pointers show. */
static HAK_NOINLINE void *resize(void *block, uint32_t word, size_t usable, size_t size, const char *call)
{
    if (hak_unlikely(word == HAK_CODE_NONE))
        return foreign(block, size, call);
    if (hak_unlikely(usable == 0))
        usable = hak__checked_size(block, word, call);
    if (size == 0) {
        hak__free(block, call);
        return NULL;
    }
    if (size > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    if ((word & 0xff) > HAK_CODE_STARTER && !hak__is_watched()) {
        void *moved = hak__large_resize(block, word, hak__harden_padded(size));
        if (moved != NULL) {
            if (HAK_HARDENED)
                hak__harden_resize(moved, word, usable, size);
            return moved;
        }
    }
    if (stays(HAK_HARDENED ? hak__harden_room(block, word) : usable, size) && !hak__is_watched() &&
        !ends_exactly(block, word, usable, size)) {
        if (HAK_HARDENED)
            hak__harden_resize(block, word, usable, size);
        note_size(block, word, size);
        return block;
    }
    int saved = errno;
    void *fresh = copy(block, word, usable, size, call);
    if (fresh == NULL && size <= usable) {
        errno = saved;
        return block;
    }
    return fresh;
}

/*
 * HOT: the same in the hardened variant: whether a block of this thread's heap that is live, and as the
 * program may leave it, has got another size where it is.
 */
HAK_INLINE bool resized_hardened(void *block, uint32_t word, size_t size)
{
    const struct hak_heap *heap = hak__heap;
    size_t code = word ^ heap->owner_tag, old = 0;
    if (hak_unlikely(code > HAK_GROWING + HAK_CLASS_COUNT) || size == 0 || !hak__harden.canary)
        return false;
    size_t class_idx = (size_t)(uint8_t)code - 1, room = hak__class_size((unsigned)class_idx) - HAK_TRAILER;
    if (hak_unlikely(!hak__is_block_start((uintptr_t)block & heap->slab_mask[class_idx], heap->reciprocal[class_idx],
                                          heap->bound[code - 1])) ||
        hak_unlikely(*hak__block_mark(block) == hak__mark_of(heap->secret, block)) || !stays(room, size) ||
        !hak__canary_size(block, room, hak__harden.trailer_bits, HAK_KIND_MALLOC, &old) ||
        !hak__canary_is_whole(block, room, old))
        return false;
    if (size != old)
        hak__harden_set_end(block, room, old, size, HAK_KIND_MALLOC);
    return true;
}

/* HOT: what grows by small steps most often has room for the next one. */
void *hak__realloc(void *block, size_t size, const char *call)
{
    if (block == NULL)
        return hak__malloc(size);
    HAK_UNSEEN;
    uint32_t word = hak__pagemap_word((uintptr_t)block);
    if (HAK_HARDENED && hak_likely(resized_hardened(block, word, size)))
        return block;
    size_t usable = hak__own_size(block, word);
    if (!HAK_HARDENED && hak_likely(!hak__is_watched()) && hak_likely(size != 0) &&
        (stays(usable, size) || hak__large_stays(block, word, size)))
        return block;
    return resize(block, word, usable, size, call);
}

/* Exactly max, or as near as there is room; a guarded block stays as it is. */
static size_t resize_hardened(void *block, uint32_t word, size_t usable, size_t min, size_t max)
{
    const struct hak_span *span = word == HAK_CODE_HUGE ? hak__pagemap_record((uintptr_t)block) : NULL;
    if (span != NULL && span->guarded)
        return min <= usable ? usable : 0;
    if ((word & 0xff) > HAK_CODE_STARTER && max <= PTRDIFF_MAX)
        hak__large_resize_in_place(block, word, hak__harden_padded(min), hak__harden_padded(max));
    size_t room = hak__harden_room(block, word);
    if (room < min)
        return 0;
    size_t size = max < room ? max : room;
    hak__harden_resize(block, word, usable, size);
    note_size(block, word, size);
    return size;
}

size_t hak__resize_in_place(void *block, size_t min, size_t max, const char *call)
{
    uint32_t word = hak__pagemap_word((uintptr_t)block);
    if (hak_unlikely(word == HAK_CODE_NONE)) {
        size_t usable = hak__usable_size(block, call);
        return min <= usable ? usable : 0;
    }
    HAK_UNSEEN;
    size_t usable = hak__checked_size(block, word, call);
    if (HAK_HARDENED)
        return resize_hardened(block, word, usable, min, max);
    if (hak__is_watched() && max < usable)
        max = usable; /* what it gave up would be another's before the checker was told */
    if ((word & 0xff) > HAK_CODE_STARTER && max <= PTRDIFF_MAX)
        usable = hak__large_resize_in_place(block, word, min, max);
    if (min <= usable)
        note_size(block, word, max < usable ? max : usable);
    if (hak__is_watched() && min <= usable)
        hak__annotate_whole(block, usable);
    return min <= usable ? usable : 0;
}

void *hak__reallocarray(void *block, size_t count, size_t size, const char *call)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return hak__realloc(block, bytes, call);
}

size_t hak__usable_size(const void *block, const char *call)
{
    if (block == NULL)
        return 0;
    uint32_t word = hak__pagemap_word((uintptr_t)block);
    if (hak_likely(word != HAK_CODE_NONE)) {
        size_t usable = hak__checked_size(block, word, call);
        hak__annotate_whole((void *)(uintptr_t)block, usable); /* who asks may use it */
        return usable;
    }
    hak__init();
    if (hak__zero_size_covers(block)) {
        if (!hak__zero_size_is_live(block))
            hak__misuse(call, block, "double free, or not the start of a block: of no bytes", 0);
        return 0;
    }
    if (hak__is_disabled())
        return hak__other_usable_size((void *)(uintptr_t)block);
    if (!hak__is_libc_block(block))
        hak__misuse_foreign(call, block, word);
    return hak__libc_usable_size(block);
}

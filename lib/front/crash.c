/* SPDX-License-Identifier: MIT */
/*
 * Crash reports: what happened, and what the heap knows about the addresses that were involved.
 *
 * Runs in a signal handler that may have interrupted the library itself: it reads the page map
 * and records, which are never unmapped, takes no lock, and reads the program's memory through
 * a call that can fail. Each line is whole by itself, so that what comes before a second fault
 * is of use.
 */
#include <string.h>

#include "base/annotate.h"
#include "base/params.h"
#include "cache/span_cache.h"
#include "cache/thread_cache.h"
#include "core/report.h"
#include "front/front.h"
#include "os/crash.h"
#include "page/guarded.h"
#include "page/pagemap.h"
#include "page/pieces.h"
#include "page/span.h"
#include "profile/frame_text.h"
#include "profile/unwind.h"
#include "slab/size_class.h"
#include "slab/slab_freelist_atomic.h"
#include "slab/starter.h"

enum { STANDARD_ERROR = 2 };

static bool is_marked(uintptr_t block, bool *known)
{
    uint64_t mark = 0;
    *known = HAK_CHECKS &&
             hak__os_peek((uintptr_t)hak__block_mark((void *)block), &mark, sizeof mark);
    return *known && mark == hak__mark_of(hak__heap_secret, (void *)block);
}

static void say_block(struct hak_text *text, const char *state, const char *kind, size_t size,
                      uintptr_t block, uintptr_t address)
{
    hak__text_string(text, "in a ");
    hak__text_string(text, state);
    hak__text_string(text, kind);
    hak__text_unsigned(text, size);
    hak__text_string(text, " bytes at ");
    hak__text_pointer(text, (void *)block);
    hak__text_string(text, ", offset ");
    hak__text_unsigned(text, address - block);
}

static const char *state_of(uintptr_t block)
{
    bool known;
    if (is_marked(block, &known))
        return "freed ";
    return known ? "live " : "";
}

static void say_slab(struct hak_text *text, uintptr_t address, uint32_t word)
{
    const struct hak_class_info *info = &hak__class_info[(word & 0xff) - 1];
    uintptr_t offset = address & (((uintptr_t)1 << info->slab_shift) - 1);
    uintptr_t number = offset / info->size;
    if (number >= info->capacity) {
        hak__text_string(text, "behind the last block of a slab of blocks of ");
        hak__text_unsigned(text, info->size);
        hak__text_string(text, " bytes");
        return;
    }
    TinySlabMeta *slab = hak__pagemap_record(address);
    uintptr_t block = address - offset + number * info->size;
    const char *state = slab_freelist_view(slab).carved <= number ? "never used " : state_of(block);
    say_block(text, state, "block of ", info->size, block, address);
}

static void say_starter(struct hak_text *text, uintptr_t address)
{
    struct hak_starter_block block;
    if (hak__starter_find(address, &block))
        say_block(text, block.live ? "live " : "freed ", "block of ",
                  hak__class_size(block.class_idx), block.start, address);
    else
        hak__text_string(text, "in memory of small blocks that was never used");
}

HAK_INLINE size_t large_size(const struct hak_span *span)
{
    return HAK_HARDENED ? span->requested : span->size;
}

/* first is the first granule of what covers the address, and code that granule's. */
static void say_large(struct hak_text *text, uintptr_t address, uintptr_t first, uint32_t code)
{
    const struct hak_span *span =
        code == HAK_CODE_LARGE || code == HAK_CODE_HUGE ? hak__pagemap_record(first) : NULL;
    if (span == NULL) {
        hak__text_string(text, "in a large block that is changing");
        return;
    }
    uintptr_t block = (uintptr_t)hak__span_block(span);
    if (address < block) {
        hak__text_string(text, "in front of a large block of ");
        hak__text_unsigned(text, large_size(span));
        hak__text_string(text, " bytes at ");
        hak__text_pointer(text, (void *)block);
        return;
    }
    say_block(text, hak__span_is_cached(span) ? "freed " : "live ", "large block of ", large_size(span),
              block, address);
}

static void say_guarded(struct hak_text *text, const struct hak_guard *guard, uintptr_t address)
{
    const char *state = hak__guard_state(guard) == HAK_GUARD_LIVE ? "live " : "freed ";
    ptrdiff_t distance = hak__guard_distance(guard, address);
    if (distance == 0) {
        say_block(text, state, "guarded block of ", guard->span.asked, hak__guard_block(guard), address);
        return;
    }
    hak__text_unsigned(text, (uint64_t)(distance < 0 ? -distance : distance - 1));
    hak__text_string(text, distance < 0 ? " bytes in front of the start of a " : " bytes behind the end of a ");
    hak__text_string(text, state);
    hak__text_string(text, "guarded block of ");
    hak__text_unsigned(text, guard->span.asked);
    hak__text_string(text, " bytes at ");
    hak__text_pointer(text, (void *)hak__guard_block(guard));
}

/* What the heap knows of an address: a part of a sentence. False, and nothing, if nothing. */
static bool say_place(struct hak_text *text, uintptr_t address)
{
    const struct hak_guard *guard = hak__guard_near(address);
    if (guard != NULL) {
        say_guarded(text, guard, address);
        return true;
    }
    uintptr_t first = hak__pieces_first(address);
    uint32_t word = hak__pagemap_word(first);
    uint32_t code = word & 0xff;
    if (code == HAK_CODE_NONE)
        return false;
    if (code - 1 < HAK_CLASS_COUNT)
        say_slab(text, address, word);
    else if (code == HAK_CODE_STARTER)
        say_starter(text, address);
    else if (code == HAK_CODE_SLAB_FREE)
        hak__text_string(text, "in memory of small blocks that were all freed");
    else if (code == HAK_CODE_SPAN_FREE || code == HAK_CODE_SPAN_INSIDE)
        hak__text_string(text, "in free memory of the page arena");
    else
        say_large(text, address, first, code);
    return true;
}

static void line(struct hak_text *text, const char *start)
{
    hak__text_message(text);
    hak__text_string(text, start);
}

static void end_line(struct hak_text *text)
{
    hak__text_string(text, "\n");
    hak__text_end(text);
}

static void say_signal(const struct hak_crash *crash)
{
    struct hak_text text;
    line(&text, "crash: ");
    hak__text_string(&text, crash->name);
    hak__text_string(&text, " (code ");
    hak__text_signed(&text, crash->code);
    hak__text_string(&text, ")");
    if (crash->has_address) {
        hak__text_string(&text, " at address ");
        hak__text_pointer(&text, (void *)crash->address);
    }
    hak__text_string(&text, ", pc ");
    hak__text_pointer(&text, (void *)crash->at.value[HAK_REGISTER_PC]);
    hak__text_string(&text, ", process ");
    hak__text_signed(&text, crash->process);
    hak__text_string(&text, ", thread ");
    hak__text_signed(&text, crash->thread);
    hak__text_string(&text, ", hakmem " PACKAGE_VERSION);
    hak__text_string(&text, HAK_DEBUG ? " (debug)" : HAK_HARDENED ? " (hardened)" : " (release)");
    end_line(&text);
}

static void say_frame(unsigned number, uintptr_t address)
{
    static HAK_SPARSE struct hak_code code; /* one thread reports at a time */
    struct hak_text text;
    hak__text_begin(&text, STANDARD_ERROR);
    hak__text_frame(&text, number, address, &code);
    hak__text_end(&text);
}

/* Frames are where calls return to, or 0 where nothing is known. */
static void say_stack(const char *what, const struct hak_guard_stack *stack)
{
    struct hak_text text;
    line(&text, "the block was ");
    hak__text_string(&text, what);
    hak__text_string(&text, " by thread ");
    hak__text_unsigned(&text, stack->thread);
    hak__text_string(&text, ":");
    end_line(&text);
    for (unsigned i = 0; i < stack->depth && i < HAK_GUARD_FRAMES; i++)
        if (stack->frame[i] != 0)
            say_frame(i, (uintptr_t)stack->frame[i] - 1);
}

static void say_stacks(uintptr_t address)
{
    const struct hak_guard *guard = hak__guard_near(address);
    if (guard == NULL)
        return;
    say_stack("allocated", &guard->allocated);
    if (guard->freed.depth != 0)
        say_stack("freed", &guard->freed);
}

static void say_address(const struct hak_crash *crash)
{
    struct hak_text text;
    line(&text, "the address is ");
    if (!say_place(&text, crash->address))
        hak__text_string(&text, "not in the heap");
    end_line(&text);
    say_stacks(crash->address);
}

/* A message about the pointer has been written, which this goes on. */
static void say_misused(void)
{
    uintptr_t pointer = (uintptr_t)hak_load_relaxed(&hak__misused);
    if (pointer != 0)
        say_stacks(pointer);
}

static void say_registers(const struct hak_crash *crash)
{
    for (size_t i = 0; i < crash->registers; i++) {
        struct hak_text text;
        line(&text, crash->register_name[i]);
        hak__text_string(&text, " ");
        hak__text_pointer(&text, (void *)crash->register_value[i]);
        hak__text_string(&text, " points ");
        if (say_place(&text, crash->register_value[i]))
            end_line(&text);
    }
}

static void say_backtrace(const struct hak_crash *crash)
{
    enum { MOST = 64 };
    struct hak_walk walk;
    hak__walk_begin(&walk, &crash->at);
    unsigned number = 0;
    if (crash->at.known != 0)
        do
            say_frame(number++, hak__walk_place(&walk));
        while (number < MOST && hak__walk_step(&walk));
}

static void report(const struct hak_crash *crash)
{
    HAK_UNSEEN;
    struct hak_text text;
    say_signal(crash);
    if (crash->has_address)
        say_address(crash);
    else
        say_misused();
    say_registers(crash);
    line(&text, "backtrace:");
    end_line(&text);
    say_backtrace(crash);
}

void hak__crash_start(void)
{
    hak__os_on_crash(report);
}

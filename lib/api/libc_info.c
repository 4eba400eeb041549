/* SPDX-License-Identifier: MIT */
/*
 * The GNU C library's interfaces to its allocator's state: mallinfo(3),
 * malloc_info(3), malloc_stats(3), malloc_trim(3), mallopt(3). Where libc serves the program, they
 * are libc's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <hakmem/hakmem.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

#include "api/own_snapshot.h"
#include "api/snapshot.h"
#include "base/atomic.h"
#include "core/disabled.h"
#include "front/front.h"

HAK_EXPORT struct mallinfo mallinfo(void);
HAK_EXPORT struct mallinfo2 mallinfo2(void);
HAK_EXPORT int malloc_info(int options, FILE *stream);
HAK_EXPORT void malloc_stats(void);
HAK_EXPORT int malloc_trim(size_t pad);
HAK_EXPORT int mallopt(int parameter, int value);

/* The next library's function of the name while this one is disabled, else NULL. */
static void *passed_to(const char *name)
{
    hak__init();
    return hak__is_disabled() ? dlsym(RTLD_NEXT, name) : NULL;
}

static size_t value_of(const struct hak_snapshot *snapshot, enum hak_stat stat)
{
    return (size_t)snapshot->value[stat];
}

static uint64_t above(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* All that is not huge. Statistics are of slightly different moments: nothing may wrap. */
static uint64_t system_bytes(const struct hak_snapshot *snapshot)
{
    const uint64_t *value = snapshot->value;
    return above(value[HAK_STAT_LIVE_BYTES] + value[HAK_STAT_RETAINED_BYTES],
                 value[HAK_STAT_HUGE_BYTES]);
}

struct mallinfo2 mallinfo2(void)
{
    __typeof__(mallinfo2) *libc = (__typeof__(mallinfo2) *)passed_to("mallinfo2");
    if (libc != NULL)
        return libc();
    struct hak_snapshot snapshot;
    hak__snapshot(&snapshot);
    size_t arena = (size_t)system_bytes(&snapshot);
    size_t huge = value_of(&snapshot, HAK_STAT_HUGE_BYTES);
    size_t retained = value_of(&snapshot, HAK_STAT_RETAINED_BYTES);
    size_t used = value_of(&snapshot, HAK_STAT_ALLOCATED_BYTES);
    struct mallinfo2 info = {
        .arena = arena,
        .ordblks = value_of(&snapshot, HAK_STAT_SUPERSLABS),
        .hblks = value_of(&snapshot, HAK_STAT_HUGE_BLOCKS),
        .hblkhd = huge,
        .uordblks = used,
        .fordblks = (size_t)above(arena + huge, used),
        .keepcost = retained,
    };
    return info;
}

static int to_int(size_t value)
{
    return value > INT_MAX ? INT_MAX : (int)value;
}

/* Fields that do not fit an int hold INT_MAX; mallinfo2 has them whole. */
struct mallinfo mallinfo(void)
{
    struct mallinfo2 whole = mallinfo2();
    struct mallinfo info = {
        .arena = to_int(whole.arena),
        .ordblks = to_int(whole.ordblks),
        .hblks = to_int(whole.hblks),
        .hblkhd = to_int(whole.hblkhd),
        .uordblks = to_int(whole.uordblks),
        .fordblks = to_int(whole.fordblks),
        .keepcost = to_int(whole.keepcost),
    };
    return info;
}

/*
 * The state in the terms of the GNU C library: memory that it would have from brk or arenas is all
 * that is no huge block, "fast" are the blocks in thread caches, "rest" what else is free.
 */
struct system_view {
    uint64_t current, max, fast, fast_blocks, rest, rest_blocks, committed;
};

/* What was seen at most, by a call of malloc_info; any thread raises it. */
static uint64_t largest_seen(uint64_t current)
{
    static _Atomic(size_t) largest;
    size_t seen = hak_load_relaxed(&largest);
    while (seen < current && !hak_cas_relaxed(&largest, &seen, (size_t)current))
        continue;
    return seen > current ? seen : current;
}

static struct system_view view_of(const struct hak_snapshot *snapshot)
{
    const uint64_t *value = snapshot->value;
    struct system_view view = {.current = system_bytes(snapshot)};
    view.max = largest_seen(view.current);
    uint64_t used = above(value[HAK_STAT_ALLOCATED_BYTES], value[HAK_STAT_HUGE_BYTES]);
    uint64_t unused = above(view.current, used);
    view.fast = value[HAK_STAT_CACHED_BYTES] < unused ? value[HAK_STAT_CACHED_BYTES] : unused;
    view.rest = unused - view.fast;
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        view.fast_blocks += snapshot->class[i].cached;
        view.rest_blocks += snapshot->class[i].free;
    }
    view.committed = value[HAK_STAT_COMMITTED_BYTES] > view.current
                         ? value[HAK_STAT_COMMITTED_BYTES]
                         : view.current;
    return view;
}

static void print_total(FILE *stream, const char *type, uint64_t count, uint64_t size)
{
    fprintf(stream, "<total type=\"%s\" count=\"%" PRIu64 "\" size=\"%" PRIu64 "\"/>\n", type, count,
            size);
}

static void print_system(FILE *stream, const struct system_view *view)
{
    fprintf(stream,
            "<system type=\"current\" size=\"%" PRIu64 "\"/>\n"
            "<system type=\"max\" size=\"%" PRIu64 "\"/>\n"
            "<aspace type=\"total\" size=\"%" PRIu64 "\"/>\n"
            "<aspace type=\"mprotect\" size=\"%" PRIu64 "\"/>\n",
            view->current, view->max, view->committed, view->committed);
}

/* The free blocks of each class, which are those that requests of `from` to `to` bytes get. */
static void print_sizes(FILE *stream, const struct hak_snapshot *snapshot)
{
    fputs("<sizes>\n", stream);
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        uint64_t count = snapshot->class[i].free + snapshot->class[i].cached;
        if (count != 0)
            fprintf(stream,
                    "  <size from=\"%zu\" to=\"%zu\" total=\"%" PRIu64 "\" count=\"%" PRIu64
                    "\"/>\n",
                    i == 0 ? (size_t)1 : hak__class_size(i - 1) + 1, hak__class_size(i),
                    count * hak__class_size(i), count);
    }
    fputs("</sizes>\n", stream);
}

/* In the form of the GNU C library, for which parsers exist, with one heap for all threads. */
int malloc_info(int options, FILE *stream)
{
    __typeof__(malloc_info) *libc = (__typeof__(malloc_info) *)passed_to("malloc_info");
    if (libc != NULL)
        return libc(options, stream);
    if (options != 0) {
        errno = EINVAL;
        return -1;
    }
    struct hak_snapshot snapshot;
    hak__snapshot(&snapshot);
    struct system_view view = view_of(&snapshot);
    fputs("<malloc version=\"1\">\n<heap nr=\"0\">\n", stream);
    print_sizes(stream, &snapshot);
    print_total(stream, "fast", view.fast_blocks, view.fast);
    print_total(stream, "rest", view.rest_blocks, view.rest);
    print_system(stream, &view);
    fputs("</heap>\n", stream);
    print_total(stream, "fast", view.fast_blocks, view.fast);
    print_total(stream, "rest", view.rest_blocks, view.rest);
    print_total(stream, "mmap", snapshot.value[HAK_STAT_HUGE_BLOCKS],
                snapshot.value[HAK_STAT_HUGE_BYTES]);
    print_system(stream, &view);
    fputs("</malloc>\n", stream);
    return ferror(stream) ? -1 : 0;
}

void malloc_stats(void)
{
    __typeof__(malloc_stats) *libc = (__typeof__(malloc_stats) *)passed_to("malloc_stats");
    if (libc != NULL)
        libc();
    else
        hak_stats_print(2, HAK_STATS_TEXT);
}

/* The pad is not used: what is live decides what stays. */
int malloc_trim(size_t pad)
{
    __typeof__(malloc_trim) *libc = (__typeof__(malloc_trim) *)passed_to("malloc_trim");
    if (libc != NULL)
        return libc(pad);
    return hak__purge() > 0;
}

/*
 * Parameters of mallopt(3) are accepted without effect, as programs set them in
 * the belief that they speak to the GNU C library's allocator; others get 0.
 */
int mallopt(int parameter, int value)
{
    __typeof__(mallopt) *libc = (__typeof__(mallopt) *)passed_to("mallopt");
    if (libc != NULL)
        return libc(parameter, value);
    switch (parameter) {
    case M_MXFAST:
    case M_TRIM_THRESHOLD:
    case M_TOP_PAD:
    case M_MMAP_THRESHOLD:
    case M_MMAP_MAX:
    case M_CHECK_ACTION:
    case M_PERTURB:
    case M_ARENA_TEST:
    case M_ARENA_MAX:
        return 1;
    default:
        return 0;
    }
}

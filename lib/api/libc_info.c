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

#include "api/snapshot.h"
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
    return hak__disabled ? dlsym(RTLD_NEXT, name) : NULL;
}

static size_t value_of(const struct hak_snapshot *snapshot, enum hak_stat stat)
{
    return (size_t)snapshot->value[stat];
}

struct mallinfo2 mallinfo2(void)
{
    __typeof__(mallinfo2) *libc = (__typeof__(mallinfo2) *)passed_to("mallinfo2");
    if (libc != NULL)
        return libc();
    struct hak_snapshot snapshot;
    hak__snapshot(&snapshot);
    size_t live = value_of(&snapshot, HAK_STAT_LIVE_BYTES);
    size_t huge = value_of(&snapshot, HAK_STAT_HUGE_BYTES);
    size_t retained = value_of(&snapshot, HAK_STAT_RETAINED_BYTES);
    size_t used = value_of(&snapshot, HAK_STAT_ALLOCATED_BYTES);
    struct mallinfo2 info = {
        .arena = live + retained - huge,
        .ordblks = value_of(&snapshot, HAK_STAT_SUPERSLABS),
        .hblks = value_of(&snapshot, HAK_STAT_HUGE_BLOCKS),
        .hblkhd = huge,
        .uordblks = used,
        .fordblks = live + retained > used ? live + retained - used : 0,
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
    fprintf(stream, "<malloc version=\"hakmem-" PACKAGE_VERSION "\">\n<sizes>\n");
    for (unsigned i = 0; i < HAK_CLASS_COUNT; i++) {
        const struct hak_class_snapshot *class = &snapshot.class[i];
        if (class->slabs != 0)
            fprintf(stream,
                    "<size to=\"%zu\" slabs=\"%" PRIu64 "\" count=\"%" PRIu64
                    "\" capacity=\"%" PRIu64 "\"/>\n",
                    hak__class_size(i), class->slabs, hak__class_live(class), class->capacity);
    }
    fprintf(stream, "</sizes>\n<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n",
            value_of(&snapshot, HAK_STAT_SUPERSLABS), value_of(&snapshot, HAK_STAT_RETAINED_BYTES));
    fprintf(stream, "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n",
            value_of(&snapshot, HAK_STAT_HUGE_BLOCKS), value_of(&snapshot, HAK_STAT_HUGE_BYTES));
    fprintf(stream, "<system type=\"current\" size=\"%zu\"/>\n</malloc>\n",
            value_of(&snapshot, HAK_STAT_FOOTPRINT_BYTES));
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

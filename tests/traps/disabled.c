/* SPDX-License-Identifier: MIT */
/*
 * `disabled WHO`: every public function keeps its contract, and all blocks are WHO's: of hakmem, of
 * libc, or of the allocator in other.c ("other", or "plain" for the one without aligned blocks,
 * which hakmem then has to serve). `disabled --list` names the functions that are tried.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <hakmem/hakmem.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cases.h"

bool other_owns(const void *block) __attribute__((weak));
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);
void cfree(void *block);

static bool libc, other, plain;

static void require_owner(void *block, bool aligned)
{
    bool ours = (!libc && !other) || (plain && aligned);
    REQUIRE(hak_owns(block) == ours);
    REQUIRE(other_owns == NULL || other_owns(block) == (other && !ours));
}

/* What allocates. The alignment is a power of two from 8 on, which a size is a multiple of. */
#define OPERATORS_NEW(row)                                                                         \
    row(_Znwm, plain, (size_t), (size))                                                            \
    row(_Znam, plain, (size_t), (size))                                                            \
    row(_ZnwmSt11align_val_t, aligned, (size_t, size_t), (size, alignment))                        \
    row(_ZnamSt11align_val_t, aligned, (size_t, size_t), (size, alignment))
#define OPERATORS_DELETE(row)                                                                      \
    row(_ZdlPv, (void *), (block))                                                                 \
    row(_ZdaPv, (void *), (block))                                                                 \
    row(_ZdlPvm, (void *, size_t), (block, size))                                                  \
    row(_ZdaPvm, (void *, size_t), (block, size))                                                  \
    row(_ZdlPvSt11align_val_t, (void *, size_t), (block, alignment))                               \
    row(_ZdaPvSt11align_val_t, (void *, size_t), (block, alignment))                               \
    row(_ZdlPvmSt11align_val_t, (void *, size_t, size_t), (block, size, alignment))                \
    row(_ZdaPvmSt11align_val_t, (void *, size_t, size_t), (block, size, alignment))

#define DECLARE_NEW(name, kind, parameters, arguments) void *name parameters;
#define DECLARE_DELETE(name, parameters, arguments) void name parameters;
OPERATORS_NEW(DECLARE_NEW)
OPERATORS_DELETE(DECLARE_DELETE)

struct maker {
    const char *name;
    bool aligned, zero;
    void *(*make)(size_t alignment, size_t size);
};

#define MAKER(name, ...)                                                                           \
    static void *make_##name(size_t alignment, size_t size)                                        \
    {                                                                                              \
        void *block = NULL;                                                                        \
        (void)alignment, (void)size;                                                               \
        __VA_ARGS__;                                                                               \
        return opaque(block);                                                                      \
    }
#define MAKER_NEW(name, kind, parameters, arguments) MAKER(name, block = name arguments)

MAKER(malloc, block = malloc(size))
MAKER(calloc, block = calloc(size, 1))
MAKER(realloc, block = realloc(NULL, size))
MAKER(reallocarray, block = reallocarray(NULL, size, 1))
MAKER(posix_memalign, REQUIRE(posix_memalign(&block, alignment, size) == 0))
MAKER(aligned_alloc, block = aligned_alloc(alignment, size))
MAKER(memalign, block = memalign(alignment, size))
MAKER(hak_malloc, block = hak_malloc(size))
MAKER(hak_calloc, block = hak_calloc(1, size))
MAKER(hak_realloc, block = hak_realloc(NULL, size))
MAKER(hak_reallocarray, block = hak_reallocarray(NULL, 1, size))
MAKER(hak_aligned_alloc, block = hak_aligned_alloc(alignment, size))
MAKER(hak_posix_memalign, REQUIRE(hak_posix_memalign(&block, alignment, size) == 0))
MAKER(hak_alloc, block = hak_alloc(size, hak_alloc_align(alignment)))
MAKER(hak_alloc_zero, block = hak_alloc(size, hak_alloc_align(alignment) | HAK_ALLOC_ZERO))
MAKER(hak_alloc_pages, block = hak_alloc(size, hak_alloc_align(alignment) | HAK_ALLOC_HUGE_PAGES |
                                                   HAK_ALLOC_ZERO | HAK_ALLOC_NO_CACHE))
MAKER(hak_alloc_batch, REQUIRE(hak_alloc_batch(size, 1, &block) == 1))
OPERATORS_NEW(MAKER_NEW)

#define ROW_NEW(name, kind, parameters, arguments)                                                 \
    {#name, #kind[0] == 'a', false, make_##name},
#define ROW(name, aligned, zero) {#name, aligned, zero, make_##name}
static const struct maker makers[] = {
    ROW(malloc, false, false),
    ROW(calloc, false, true),
    ROW(realloc, false, false),
    ROW(reallocarray, false, false),
    ROW(posix_memalign, true, false),
    ROW(aligned_alloc, true, false),
    ROW(memalign, true, false),
    ROW(hak_malloc, false, false),
    ROW(hak_calloc, false, true),
    ROW(hak_realloc, false, false),
    ROW(hak_reallocarray, false, false),
    ROW(hak_aligned_alloc, true, false),
    ROW(hak_posix_memalign, true, false),
    ROW(hak_alloc, true, false),
    ROW(hak_alloc_zero, true, true),
    ROW(hak_alloc_pages, true, true),
    ROW(hak_alloc_batch, false, false),
    OPERATORS_NEW(ROW_NEW)
};

struct dropper {
    const char *name;
    void (*drop)(void *block, size_t alignment, size_t size);
};

#define DROPPER(name, ...)                                                                         \
    static void drop_##name(void *block, size_t alignment, size_t size)                            \
    {                                                                                              \
        (void)alignment, (void)size;                                                               \
        __VA_ARGS__;                                                                               \
    }
#define DROPPER_DELETE(name, parameters, arguments) DROPPER(name, name arguments)

DROPPER(free, free(block))
DROPPER(cfree, cfree(block))
DROPPER(free_sized, free_sized(block, size))
DROPPER(free_aligned_sized, free_aligned_sized(block, alignment, size))
DROPPER(realloc_0, void *rest = opaque(realloc(block, (size_t)(uintptr_t)opaque(NULL)));
        REQUIRE(block == NULL || rest == NULL); free(rest))
DROPPER(hak_free, hak_free(block))
DROPPER(hak_free_sized, hak_free_sized(block, size))
DROPPER(hak_free_aligned_sized, hak_free_aligned_sized(block, alignment, size))
DROPPER(hak_free_batch, hak_free_batch(&block, 1))
OPERATORS_DELETE(DROPPER_DELETE)

#define ROW_DROP(name) {#name, drop_##name}
#define ROW_DELETE(name, parameters, arguments) ROW_DROP(name),
static const struct dropper droppers[] = {
    ROW_DROP(free),
    ROW_DROP(cfree),
    ROW_DROP(free_sized),
    ROW_DROP(free_aligned_sized),
    ROW_DROP(realloc_0),
    ROW_DROP(hak_free),
    ROW_DROP(hak_free_sized),
    ROW_DROP(hak_free_aligned_sized),
    ROW_DROP(hak_free_batch),
    OPERATORS_DELETE(ROW_DELETE)
};

enum { MAKERS = sizeof makers / sizeof *makers, DROPPERS = sizeof droppers / sizeof *droppers };

static bool all(const unsigned char *block, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != value)
            return false;
    return true;
}

/* A block keeps all that its maker promises, and grows and shrinks with its contents. */
static void *tried(const struct maker *maker, size_t alignment, size_t size)
{
    free(memset(opaque(malloc(size)), 1, size)); /* what comes next is not zero by itself */
    unsigned char *block = maker->make(alignment, size);
    bool good = block != NULL && (uintptr_t)block % (maker->aligned ? alignment : HAK_MIN_ALIGNMENT) == 0;
    if (!good)
        fprintf(stderr, "%s(%zu, %zu) = %p\n", maker->name, alignment, size, (void *)block);
    REQUIRE(good);
    require_owner(block, maker->aligned && alignment > HAK_MIN_ALIGNMENT);
    REQUIRE(!maker->zero || all(block, size, 0));
    size_t usable = malloc_usable_size(block);
    REQUIRE(usable >= size && hak_usable_size(block) == usable);
    memset(block, 7, usable);
    return block;
}

static void every_maker_with_every_dropper(void)
{
    static const size_t alignments[] = {8, 16, 64, 4096, 65536};
    static const size_t units[] = {1, 3, 40};
    for (unsigned m = 0; m < MAKERS; m++)
        for (unsigned d = 0; d < DROPPERS; d++)
            for (unsigned i = 0; i < 15; i++) {
                size_t alignment = alignments[i / 3], size = alignment * units[i % 3];
                if (size > 300000 && d % 8 != 0)
                    continue;
                void *block = tried(&makers[m], alignment, size);
                droppers[d].drop(block, makers[m].aligned ? alignment : HAK_MIN_ALIGNMENT, size);
                droppers[d].drop(opaque(NULL), alignment, size);
            }
}

static void resizing(void)
{
    for (unsigned m = 0; m < MAKERS; m++) {
        size_t size = 640;
        unsigned char *block = tried(&makers[m], 64, size);
        block = opaque(realloc(block, 100000));
        REQUIRE(block != NULL && all(block, size, 7));
        block = opaque(hak_realloc(block, 100));
        REQUIRE(block != NULL && all(block, 100, 7));
        block = opaque(reallocarray(block, 50, 1000));
        block = opaque(hak_reallocarray(block, 10, 1000));
        REQUIRE(block != NULL && all(block, 100, 7) && malloc_usable_size(block) >= 10000);
        errno = 0;
        volatile size_t half = SIZE_MAX / 2;
        REQUIRE(hak_reallocarray(block, half, 4) == NULL && errno == ENOMEM);
        errno = 0;
        REQUIRE(hak_realloc(block, half + 2) == NULL && errno == ENOMEM && all(block, 100, 7));
        size_t usable = hak_usable_size(block);
        REQUIRE(hak_resize_in_place(block, 1, usable) >= 1 && all(block, 100, 7));
        errno = 0;
        REQUIRE(hak_resize_in_place(block, half, half) == 0 && errno == ENOMEM);
        errno = 0;
        REQUIRE(hak_resize_in_place(block, 2, 1) == 0 && errno == EINVAL);
        free(block);
    }
}

static int failures;

static bool fail_again(size_t size)
{
    (void)size;
    return ++failures % 3 != 0;
}

static void failing(void)
{
    void *out = NULL;
    volatile size_t half = SIZE_MAX / 2, most = PTRDIFF_MAX - 100000;
    REQUIRE(posix_memalign(&out, 3, 1000) == EINVAL && hak_posix_memalign(&out, 4, 8) == EINVAL);
    errno = 0;
    REQUIRE(opaque(aligned_alloc(24, 8)) == NULL && errno == EINVAL);
    errno = 0;
    REQUIRE(opaque(hak_alloc(8, 1u << 20)) == NULL && errno == EINVAL);
    errno = 0;
    REQUIRE(opaque(calloc(half, 4)) == NULL && errno == ENOMEM);
    REQUIRE(hak_oom_handler_set(fail_again) == NULL);
    void *(*const large[])(size_t, size_t) = {make_malloc, make_hak_malloc, make_calloc, make_realloc,
                                              make_hak_alloc, make_memalign};
    for (unsigned i = 0; i < sizeof large / sizeof *large; i++) {
        failures = errno = 0;
        REQUIRE(large[i](64, most) == NULL && errno == ENOMEM && failures == 3);
    }
    REQUIRE(hak_oom_handler_set(NULL) == fail_again);
}

static bool count_block(const hak_block_info_t *block, void *count)
{
    ++*(unsigned *)count;
    return block->start != NULL;
}

static void questions(void)
{
    unsigned count = 0;
    char *block = filled(100), text[64];
    hak_block_info_t info = {.struct_size = sizeof info};
    hak_stats_t stats = {.struct_size = sizeof stats};
    hak_class_stats_t class = {.struct_size = sizeof class};
    hak_option_info_t option = {.struct_size = sizeof option};
    bool ours = !libc && !other;
    REQUIRE((hak_block_info(block, &info) == 0) == ours && !hak_owns(&count));
    REQUIRE(hak_heap_walk(count_block, &count) == 0 || errno == ENOTSUP);
    REQUIRE(hak_check(NULL) == NULL);
    REQUIRE(hak_stats_get(&stats) == 0 && hak_class_stats_get(0, &class) == 0);
    REQUIRE(hak_option_info(0, &option) == 0 && hak_option_get(option.key, text, sizeof text) > 0);
    REQUIRE(hak_option_set("no such", "1") == -1 && errno == ENOENT);
    for (size_t size = 1; size < 100000; size = size * 3 + 1) {
        void *sized = filled(size);
        REQUIRE(hak_good_size(size) >= size && hak_good_size(size) <= hak_usable_size(sized));
        hak_free(sized);
    }
    hak_purge(HAK_PURGE_PROCESS, 0);
    hak_thread_flush();
    REQUIRE(hak_secret_renew() == 0 || (ours && errno == EBUSY));
    REQUIRE(hak_limit_set(HAK_LIMIT_SOFT, (size_t)1 << 40) == 0 &&
            hak_limit_get(HAK_LIMIT_SOFT) == (size_t)1 << 40 && hak_limit_set(HAK_LIMIT_SOFT, 0) == 0);
    REQUIRE(hak_error_handler_set(NULL) == NULL && hak_version()[0] != '\0');
    int nowhere = open("/dev/null", O_WRONLY);
    REQUIRE(hak_stats_print(nowhere, HAK_STATS_JSON) == 0);
    errno = 0;
    REQUIRE((hak_profile_start(1) == 0) == ours && (ours || errno == ENOTSUP));
    hak_profile_reset();
    REQUIRE(hak_profile_write(nowhere, HAK_PROFILE_IN_USE, HAK_PROFILE_HEAP_V2) == 0);
    free(filled(1000));
    hak_profile_stop();
    free(block);
}

static void libc_names(void)
{
    char *block = opaque(valloc(100));
    REQUIRE((uintptr_t)block % 4096 == 0);
    free(block);
    block = opaque(pvalloc(100));
    REQUIRE((uintptr_t)block % 4096 == 0 && malloc_usable_size(block) >= 4096);
    free(block);
    struct mallinfo2 before = mallinfo2();
    block = filled((size_t)50 << 20);
    struct mallinfo2 after = mallinfo2();
    bool counted = after.uordblks + after.hblkhd >= before.uordblks + before.hblkhd + ((size_t)50 << 20);
    REQUIRE(counted || other);
    free(block);
    REQUIRE(mallinfo().uordblks >= 0);
    malloc_trim(0);
    REQUIRE(mallopt(M_ARENA_MAX, 1) == 1);
    FILE *nowhere = fopen("/dev/null", "w");
    REQUIRE(nowhere != NULL && malloc_info(0, nowhere) == 0 && fclose(nowhere) == 0);
    if (libc || other)
        malloc_stats();
}

static void *churn(void *unused)
{
    char *block[256] = {NULL};
    unsigned state = 5;
    for (int i = 0; i < 20000; i++) {
        state = state * 1664525u + 1013904223u;
        char **slot = &block[(state >> 8) % 256];
        size_t size = 1 + (state >> 14) % ((state >> 4) % 100 == 0 ? 300000 : 700);
        *slot = i % 3 == 0 ? realloc(*slot, size) : (free(*slot), filled(size));
        REQUIRE(*slot != NULL && malloc_usable_size(*slot) >= size);
    }
    for (int i = 0; i < 256; i++)
        free(block[i]);
    return unused;
}

int main(int count, char **arguments)
{
    static const char *const others[] = {
        "malloc_usable_size", "valloc", "pvalloc", "mallinfo", "mallinfo2", "malloc_trim", "mallopt",
        "malloc_info", "malloc_stats", "hak_usable_size", "hak_good_size", "hak_owns", "hak_purge",
        "hak_stats_print", "hak_option_get", "hak_option_set", "hak_version", "hak_resize_in_place",
        "hak_block_info", "hak_heap_walk", "hak_check", "hak_thread_flush", "hak_limit_set",
        "hak_limit_get", "hak_oom_handler_set", "hak_error_handler_set", "hak_stats_get",
        "hak_class_stats_get", "hak_option_info", "hak_profile_start", "hak_profile_stop",
        "hak_profile_reset", "hak_profile_write", "hak_secret_renew"};
    const char *who = count > 1 ? arguments[1] : "";
    if (strcmp(who, "--list") == 0) {
        for (unsigned i = 0; i < MAKERS; i++)
            puts(makers[i].name);
        for (unsigned i = 0; i < DROPPERS; i++)
            puts(droppers[i].name);
        for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
            puts(others[i]);
        return 0;
    }
    libc = strcmp(who, "libc") == 0;
    plain = strcmp(who, "plain") == 0;
    other = plain || strcmp(who, "other") == 0;
    every_maker_with_every_dropper();
    resizing();
    failing();
    questions();
    libc_names();
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, churn, NULL) == 0);
    churn(NULL);
    REQUIRE(pthread_join(thread, NULL) == 0);
    return 0;
}

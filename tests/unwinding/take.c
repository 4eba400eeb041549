/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "take.h"

#ifdef WITH_LIBUNWIND
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#endif
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hakmem/hakmem.h>

enum { MOST = 128, TAKEN = 64, SMALLEST = 3001, LARGEST = 300001, TEXT_SIZE = 8 << 20 };

struct stack {
    const char *name;
    void *block;
    size_t size; /* by which the block is found in the profile: nothing else has it */
    int count;
    uintptr_t frame[MOST]; /* where calls return to, and what was interrupted */
};

static struct stack taken[TAKEN];
static int count;
static int file = -1;
static char *text;
unsigned long take_stacks, take_frames;

bool take_is_quick(void)
{
    return getenv("TAKE_QUICK") != NULL;
}

void take_start(void)
{
    if (file < 0) {
        file = memfd_create("profile", 0);
        text = mmap(NULL, TEXT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (file < 0 || text == MAP_FAILED || hak_profile_start(1) != 0) {
        fputs("cannot start the profiler\n", stderr);
        exit(1);
    }
}

/* From the caller of take on. */
static inline __attribute__((always_inline)) void ask_libunwind(struct stack *stack)
{
    stack->count = 0;
#ifdef WITH_LIBUNWIND
    unw_context_t context;
    unw_cursor_t cursor;
    unw_word_t pc = 0;
    unw_getcontext(&context);
    unw_init_local(&cursor, &context);
    while (stack->count < MOST && unw_step(&cursor) > 0 && unw_get_reg(&cursor, UNW_REG_IP, &pc) == 0 && pc != 0)
        stack->frame[stack->count++] = pc;
#endif
}

FRAME void take(const char *name)
{
    if (count == TAKEN) {
        fputs("too many\n", stderr);
        abort();
    }
    struct stack *stack = &taken[count];
    stack->name = name;
    stack->size = (size_t)(count % 2 == 0 ? SMALLEST : LARGEST) + (size_t)count;
    count++;
    stack->block = malloc(stack->size);
    ask_libunwind(stack);
}

/* The line of the profile in which a block stands alone. */
static char *find_line(const struct stack *stack)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\n1: %zu [1: %zu] @", stack->size, stack->size);
    char *line = strstr(text, wanted);
    return line != NULL ? line + strlen(wanted) : NULL;
}

static int read_frames(const struct stack *stack, uintptr_t *frame)
{
    int frames = 0;
    char *at = find_line(stack);
    while (at != NULL && *at == ' ' && frames < MOST)
        frame[frames++] = (uintptr_t)strtoull(at, &at, 16);
    return frames;
}

static void tell(const char *who, const uintptr_t *frame, int frames)
{
    printf("  %s:", who);
    for (int i = 0; i < frames; i++)
        printf(" %#" PRIxPTR, frame[i]);
    printf("\n");
}

/* A profile has the place behind the first byte of what was interrupted. */
static bool are_same(const uintptr_t *frame, const uintptr_t *other, int frames)
{
    for (int i = 0; i < frames; i++)
        if (frame[i] != other[i] && frame[i] != other[i] + 1)
            return false;
    return true;
}

/* The library's own are in front where it is part of the program: take's is found by what comes behind it. */
static bool is_same(const struct stack *stack, const uintptr_t *frame, int frames)
{
    enum { OWN = 12 };
    for (int skipped = 1; skipped < OWN && skipped < frames; skipped++) {
        int both = frames - skipped;
        bool cut = frames == MOST && both < stack->count;
        if ((both == stack->count || cut) && are_same(&frame[skipped], stack->frame, both))
            return true;
    }
    return false;
}

static bool read_profile(void)
{
    if (ftruncate(file, 0) != 0 || lseek(file, 0, SEEK_SET) != 0 ||
        hak_profile_write(file, HAK_PROFILE_IN_USE, HAK_PROFILE_HEAP_V2) != 0)
        return false;
    ssize_t length = pread(file, text, TEXT_SIZE - 1, 0);
    if (length > 0)
        text[length] = '\0';
    return length > 0;
}

int take_compare(void)
{
    int wrong = 0;
    uintptr_t frame[MOST];
    if (!read_profile()) {
        puts("no profile");
        return 1;
    }
    for (int i = 0; i < count; i++) {
        int frames = read_frames(&taken[i], frame);
        bool same = is_same(&taken[i], frame, frames);
#ifndef WITH_LIBUNWIND
        same = frames > 1;
#endif
        if (!same) {
            printf("%s: other frames\n", taken[i].name);
            tell("profile", frame, frames);
            tell("libunwind", taken[i].frame, taken[i].count);
            wrong++;
        }
        take_stacks += same;
        take_frames += same ? (unsigned long)frames - 1 : 0;
        free(taken[i].block);
    }
    count = 0;
    return wrong;
}

FRAME void take_and_compare(const char *name)
{
    hak_profile_reset();
    take(name);
    if (take_compare() != 0)
        exit(1);
}

/* SPDX-License-Identifier: MIT */
/* What all attacks share: children, targets, and which blocks are live. */
#define _GNU_SOURCE
#include "attack.h"

#include <dlfcn.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum outcome { NOTHING, ADDRESS, OVERLAP, NOT_MADE, OUTCOMES };
enum { MOST = 20000, GRANULE = 65536 };

static uint64_t random_state;
static struct {
    uintptr_t start, size;
} live[MOST];
static size_t live_count;
unsigned char *target[TARGETS];

uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % bound;
}

void not_made(void)
{
    _exit(NOT_MADE);
}

void *taken(void *block, size_t size)
{
    uintptr_t start = (uintptr_t)block;
    if (block == NULL)
        return NULL;
    for (int i = 0; i < TARGETS; i++)
        if (start - (uintptr_t)target[i] < TARGET_SIZE || (uintptr_t)target[i] - start < size)
            _exit(ADDRESS);
    for (size_t i = 0; i < live_count; i++)
        if (start - live[i].start < live[i].size || live[i].start - start < size)
            _exit(start == live[i].start ? OVERLAP : ADDRESS);
    if (live_count < MOST) {
        live[live_count].start = start;
        live[live_count++].size = size;
    }
    return block;
}

void *take(size_t size)
{
    return opaque(taken(malloc(size), size));
}

void forget(const void *block)
{
    for (size_t i = 0; i < live_count; i++)
        if (live[i].start == (uintptr_t)block) {
            live[i] = live[--live_count];
            return;
        }
}

void give(void *block)
{
    forget(block);
    free(block);
}

void flush(void)
{
    void (*thread_flush)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "hak_thread_flush");
    if (thread_flush != NULL)
        thread_flush();
}

/* Looks like blocks of many allocators: a size in front of what may be a start. */
static void fill_target(unsigned char *at)
{
    enum { SIZE_AND_FLAG = 0x81 };
    for (size_t i = 0; i < TARGET_SIZE; i += 8)
        memcpy(at + i, &(uint64_t){SIZE_AND_FLAG}, 8);
}

static void choose_targets(unsigned char *on_stack)
{
    static unsigned char global[TARGET_SIZE] __attribute__((aligned(64)));
    unsigned char *pages = mmap(NULL, 2 * GRANULE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(pages != MAP_FAILED);
    target[0] = on_stack;
    target[1] = global;
    target[2] = pages + (GRANULE - (uintptr_t)pages % GRANULE) % GRANULE;
    target[3] = opaque(malloc(TARGET_SIZE));
    for (int i = 0; i < TARGETS; i++)
        fill_target(target[i]);
}

/* The first blocks of a process come from a slab of their own, which no attack gets anything of. */
static _Noreturn void attempt(const struct attempt *a)
{
    unsigned char on_stack[TARGET_SIZE] __attribute__((aligned(64)));
    int null = open("/dev/null", O_WRONLY);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    dup2(null, STDERR_FILENO);
    alarm(60);
    free(opaque(malloc(1)));
    malloc_trim(0);
    choose_targets(opaque(on_stack));
    a->run();
    _exit(NOTHING);
}

static const char *describe(int status, enum outcome *outcome)
{
    static const char *const names[OUTCOMES] = {"nothing", "an address", "a live block", "not made"};
    *outcome = NOTHING;
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGABRT ? "abort" : strsignal(WTERMSIG(status));
    *outcome = WEXITSTATUS(status) < OUTCOMES ? (enum outcome)WEXITSTATUS(status) : NOT_MADE;
    return names[*outcome];
}

int main(int argc, char **argv)
{
    int result = 0;
    REQUIRE(argc >= 2);
    for (size_t i = 0; i < attempt_count; i++) {
        const struct attempt *a = &attempts[i];
        int status = 0;
        random_state = strtoull(argv[1], NULL, 10) * 1000 + i;
        random_below(1);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0)
            attempt(a);
        REQUIRE(waitpid(child, &status, 0) == child);
        enum outcome outcome;
        const char *got = describe(status, &outcome);
        bool wins = outcome == ADDRESS || (outcome == OVERLAP && !a->may_overlap);
        if (argc > 2 || wins || outcome == NOT_MADE)
            printf("%s, seed %s: %s\n", a->name, argv[1], got);
        if (wins)
            result = 1;
        else if (outcome == NOT_MADE && result == 0)
            result = 2;
    }
    return result;
}

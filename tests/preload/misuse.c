/* SPDX-License-Identifier: MIT */
/*
 * Every misuse of the heap ends in one line on standard error, which names the
 * call, the pointer and the reason, and SIGABRT.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

enum call { FREE, REALLOC, USABLE_SIZE };
static const char *const call_names[] = {"free", "realloc", "malloc_usable_size"};

static void *volatile sink;

/* What the child tells its parent before it sins. */
static int tell;

static void misuse(enum call call, void *pointer)
{
    REQUIRE(write(tell, &pointer, sizeof pointer) == (ssize_t)sizeof pointer);
    pointer = opaque(pointer);
    switch (call) {
    case FREE:
        free(pointer);
        break;
    case REALLOC:
        sink = realloc(pointer, 100);
        break;
    case USABLE_SIZE:
        sink = (void *)malloc_usable_size(pointer);
        break;
    }
}

static void *free_it(void *block)
{
    free(block);
    return NULL;
}

static char static_bytes[64] __attribute__((aligned(16)));

enum pointer_kind {
    FREED_16, FREED_100, FREED_5000, FREED_50000, FREED_300000, FREED_HUGE,
    FREED_LONG_AGO, FREED_BY_THREAD, STACK, STATIC, INTERIOR, INTERIOR_LARGE, INTERIOR_HUGE,
    MISALIGNED, NEVER_HANDED_OUT, BEHIND_THE_LAST, UNMAPPED, KERNEL_HALF, SMALL_NUMBER, FOREIGN_MAPPING, KINDS
};

static const char *const reasons[KINDS] = {
    "double free", "double free", "double free", "double free", "free", "freed before",
    "free", "double free", "not allocated", "not allocated", "not the start",
    "not the start", "not the start", "not the start", "not allocated", "not the start",
    "not allocated", "not allocated", "not allocated", "not allocated"};

enum { GRANULE = 1 << 16 };

/* Where a slab could have a block that nobody has had: half of one is more than a cache takes. */
static void *never_handed_out(void)
{
    uintptr_t block = 0;
    for (int i = 0; i < 16; i++) /* the first may come from a larger class */
        block = (uintptr_t)opaque(malloc(1024));
    return (void *)((block & ~(uintptr_t)(GRANULE - 1)) + GRANULE / 4 * 3);
}

/* Between the last block of a slab and its end: 48 does not divide a granule. */
static void *behind_the_last(void)
{
    uintptr_t block = (uintptr_t)opaque(malloc(48));
    return (void *)((block & ~(uintptr_t)(GRANULE - 1)) + GRANULE / 48 * 48);
}

static void *long_ago(void)
{
    enum { MANY = 100000 };
    void **block = malloc(MANY * sizeof *block);
    for (int i = 0; i < MANY; i++)
        block[i] = opaque(malloc(100));
    for (int i = 0; i < MANY; i++)
        free(block[i]);
    return block[MANY / 2];
}

static void *by_thread(void)
{
    pthread_t thread;
    void *block = opaque(malloc(200));
    REQUIRE(pthread_create(&thread, NULL, free_it, block) == 0);
    pthread_join(thread, NULL);
    return block;
}

static void *make(enum pointer_kind kind)
{
    static const size_t sizes[] = {16, 100, 5000, 50000, 300000, (size_t)80 << 20};
    char *block = NULL;
    switch (kind) {
    case FREED_16: case FREED_100: case FREED_5000: case FREED_50000: case FREED_300000:
    case FREED_HUGE:
        return freed(sizes[kind - FREED_16]);
    case FREED_LONG_AGO:
        return long_ago();
    case FREED_BY_THREAD:
        return by_thread();
    case STACK:
        return opaque(&block);
    case STATIC:
        return static_bytes;
    case INTERIOR:
        block = opaque(malloc(200));
        return block + 16;
    case INTERIOR_LARGE:
        block = opaque(malloc(300000));
        return block + 131072;
    case INTERIOR_HUGE:
        block = opaque(malloc((size_t)64 << 20));
        return block + 16;
    case MISALIGNED:
        block = opaque(malloc(64));
        return block + 1;
    case NEVER_HANDED_OUT:
        return never_handed_out();
    case BEHIND_THE_LAST:
        return behind_the_last();
    case UNMAPPED:
        return (void *)(uintptr_t)0x123450;
    case KERNEL_HALF:
        return (void *)(UINTPTR_MAX - 0xffff);
    case SMALL_NUMBER:
        return (void *)(uintptr_t)1;
    default:
        return mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
}

static size_t read_all(int fd, char *text, size_t size)
{
    size_t length = 0;
    ssize_t got = 0;
    while (length < size && (got = read(fd, text + length, size - length)) > 0)
        length += (size_t)got;
    return length;
}

static void check(void (*sin)(int), int argument, const char *call, const char *reason)
{
    int told[2], said[2];
    REQUIRE(pipe(told) == 0 && pipe(said) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL); /* no report of the debug build */
        tell = told[1];
        dup2(said[1], 2);
        sin(argument);
        _exit(0);
    }
    close(told[1]);
    close(said[1]);
    void *pointer = NULL;
    char text[1000], expected[200];
    REQUIRE(read(told[0], &pointer, sizeof pointer) == (ssize_t)sizeof pointer);
    size_t length = read_all(said[0], text, sizeof text - 1);
    text[length] = '\0';
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    snprintf(expected, sizeof expected, "hakmem[%.64s:%d]: %s(%p): ",
             program_invocation_short_name, (int)child, call, pointer);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT ||
        strncmp(text, expected, strlen(expected)) != 0 || strstr(text, reason) == NULL ||
        strchr(text, '\n') != text + length - 1) {
        fprintf(stderr, "expected '%s…%s', status %d, got '%s'\n", expected, reason, status, text);
        exit(1);
    }
    close(told[0]);
    close(said[0]);
}

static void sin_by_number(int number)
{
    misuse((enum call)(number / KINDS), make((enum pointer_kind)(number % KINDS)));
}

static void wrong_size(int argument)
{
    void (*sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
    void *block = opaque(malloc(64));
    REQUIRE(write(tell, &block, sizeof block) == (ssize_t)sizeof block);
    sized(block, (size_t)argument);
}

/* Debug builds look for changes when the block is handed out again. */
static void write_after_free(int argument)
{
    char *block = freed(100);
    REQUIRE(write(tell, &block, sizeof block) == (ssize_t)sizeof block);
    ((char *)opaque(block))[argument] = 7;
    for (int i = 0; i < 100; i++)
        sink = malloc(100);
}

static int *handled; /* how often a handler ran; shared with the child */

static void misuse_again(int signal_number)
{
    if (++*handled > 3)
        _exit(3);
    free(static_bytes + 16);
    signal(signal_number, SIG_DFL);
}

static void misuse_in_error_handler(const char *message)
{
    misuse_again(message != NULL ? SIGABRT : 0);
}

enum where { IN_SIGABRT, IN_SIGABRT_REENTERED, IN_ERROR_HANDLER, AFTER_LEAVING, PLACES };

static sigjmp_buf outside;

static void leave(int signal_number)
{
    (void)signal_number;
    if (++*handled > 3)
        _exit(3);
    siglongjmp(outside, 1);
}

/* A mistake, and another while the first is handled or after the handler was left. */
static void twice(enum where where)
{
    typedef void handler_fn(const char *message);
    struct sigaction action = {.sa_handler = where == AFTER_LEAVING ? leave : misuse_again};
    action.sa_flags = where == IN_SIGABRT_REENTERED ? SA_NODEFER : 0;
    handler_fn *(*set)(handler_fn *) =
        (handler_fn * (*)(handler_fn *))dlsym(RTLD_DEFAULT, "hak_error_handler_set");
    if (where == IN_ERROR_HANDLER)
        set(misuse_in_error_handler);
    else
        sigaction(SIGABRT, &action, NULL);
    sigsetjmp(outside, 1);
    free(opaque(static_bytes));
}

/* The handler runs once, and two lines say what happened. */
static void check_twice(enum where where)
{
    int said[2], status = 0;
    char text[1000];
    *handled = 0;
    REQUIRE(pipe(said) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(said[1], 2);
        twice(where);
        _exit(0);
    }
    close(said[1]);
    text[read_all(said[0], text, sizeof text - 1)] = '\0';
    close(said[0]);
    REQUIRE(waitpid(child, &status, 0) == child);
    char expected[200];
    snprintf(expected, sizeof expected, "hakmem[%.64s:%d]: free(", program_invocation_short_name,
             (int)child);
    const char *second = strchr(text, '\n');
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || *handled != 1 || second == NULL ||
        strncmp(second + 1, expected, strlen(expected)) != 0) {
        fprintf(stderr, "place %d: %d handlers, status %d, '%s'\n", where, *handled, status, text);
        exit(1);
    }
}

int main(void)
{
    handled = mmap(NULL, sizeof *handled, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(handled != MAP_FAILED);
    for (int where = 0; where < PLACES; where++)
        check_twice((enum where)where);
    for (int number = 0; number < 3 * KINDS; number++)
        check(sin_by_number, number, call_names[number / KINDS], reasons[number % KINDS]);
    check(wrong_size, 4000, "free_sized", "wrong size");
    Dl_info info;
    REQUIRE(dladdr((void *)(uintptr_t)dlsym(RTLD_DEFAULT, "malloc"), &info) != 0);
    if (strstr(info.dli_fname, "debug") != NULL)
        check(write_after_free, 50, "malloc", "written after free");
    return 0;
}

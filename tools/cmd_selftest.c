/* SPDX-License-Identifier: MIT */
/*
 * hakmem selftest: whether the allocator under this process keeps the promises of malloc(3). Its
 * output is the same on every allocator that does, so that two runs can be compared.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "number_text.h"

enum { SMALL = 1024, LARGEST = 1 << 20, LIVE = 97, THREADS = 4, REPORTS = 4 };

static const char usage[] =
    "usage: hakmem selftest\n"
    "\n"
    "Test the allocator that the command itself runs with: alignment, contents,\n"
    "failures, threads, and fork. Without libhakmem, that is the C library's\n"
    "allocator. To test libhakmem, run:\n"
    "    hakmem run hakmem selftest\n"
    "\n"
    "Exit status: 0 if the allocator keeps what malloc(3) promises, 1 if it does not.\n";

struct held {
    unsigned char *bytes;
    size_t size;
};

/* What one thread tests with; nobody else's. */
struct tester {
    struct held live[LIVE];
    unsigned turn;
    unsigned long blocks;
    unsigned wrong;
};

typedef void *allocate_fn(size_t size, size_t *alignment);

static void complain(struct tester *tester, const char *call, size_t size, const char *what)
{
    if (tester->wrong++ < REPORTS)
        command_error("selftest: %s of %zu bytes: %s", call, size, what);
}

/* The compiler believes what malloc(3) promises; what comes from here it knows nothing of. */
static void *opaque(void *pointer)
{
    __asm__ volatile("" : "+r"(pointer)::"memory"); /* compilers take errno for unchanged, too */
    return pointer;
}

static void *by_malloc(size_t size, size_t *alignment)
{
    *alignment = alignof(max_align_t);
    return opaque(malloc(size));
}

static void *by_calloc(size_t size, size_t *alignment)
{
    *alignment = alignof(max_align_t);
    return opaque(calloc(size, 1));
}

static void *by_realloc(size_t size, size_t *alignment)
{
    *alignment = alignof(max_align_t);
    void *half = opaque(malloc(size / 2 + 1));
    if (half != NULL)
        memset(half, 0x5a, size / 2 + 1);
    unsigned char *whole = opaque(realloc(half, size + 1));
    for (size_t i = 0; whole != NULL && i < size / 2 + 1; i++)
        if (whole[i] != 0x5a) {
            free(whole);
            return NULL;
        }
    return whole;
}

static void *by_posix_memalign(size_t size, size_t *alignment)
{
    void *block = NULL;
    *alignment = (size_t)8 << (size % 10);
    return posix_memalign(&block, *alignment, size) == 0 ? opaque(block) : NULL;
}

static void *by_aligned_alloc(size_t size, size_t *alignment)
{
    *alignment = (size_t)16 << (size % 9);
    return opaque(aligned_alloc(*alignment, (size + *alignment - 1) / *alignment * *alignment));
}

static const struct {
    const char *name;
    allocate_fn *allocate;
} ways[] = {{"malloc", by_malloc},
            {"calloc", by_calloc},
            {"realloc", by_realloc},
            {"posix_memalign", by_posix_memalign},
            {"aligned_alloc", by_aligned_alloc}};

static unsigned char pattern(const struct held *held)
{
    return (unsigned char)(held->size * 31 + 1);
}

/* Whether nobody wrote into the block; then it is freed. */
static void end(struct tester *tester, struct held *held)
{
    for (size_t i = 0; held->bytes != NULL && i < held->size; i++)
        if (held->bytes[i] != pattern(held)) {
            complain(tester, "a block", held->size, "its contents have changed");
            break;
        }
    free(held->bytes);
    *held = (struct held){NULL, 0};
}

static void begin(struct tester *tester, const char *call, allocate_fn *allocate, size_t size)
{
    size_t alignment = 1;
    struct held *held = &tester->live[tester->turn++ % LIVE];
    end(tester, held);
    *held = (struct held){allocate(size, &alignment), size};
    tester->blocks++;
    if (held->bytes == NULL) {
        complain(tester, call, size, "failed, or lost the contents");
        return;
    }
    if ((uintptr_t)held->bytes % alignment != 0)
        complain(tester, call, size, "the block is not aligned correctly");
    if (malloc_usable_size(held->bytes) < size)
        complain(tester, call, size, "the usable size is smaller");
    for (size_t i = 0; allocate == by_calloc && i < size; i++)
        if (held->bytes[i] != 0) {
            complain(tester, call, size, "the block is not zero");
            break;
        }
    memset(held->bytes, pattern(held), size);
}

static size_t next_size(size_t size)
{
    return size < SMALL ? size + 1 : size + size / 5 + 1;
}

static void end_all(struct tester *tester)
{
    for (int i = 0; i < LIVE; i++)
        end(tester, &tester->live[i]);
}

static void test_sizes(struct tester *tester)
{
    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++)
        for (size_t size = 0; size <= LARGEST; size = next_size(size))
            begin(tester, ways[way].name, ways[way].allocate, size);
}

static void expect_failure(struct tester *tester, const char *call, size_t size, void *block)
{
    if (block != NULL)
        complain(tester, call, size, "succeeded, but must fail");
    else if (errno != ENOMEM)
        complain(tester, call, size, "failed, but errno is not ENOMEM");
    errno = 0;
}

static void test_failures(struct tester *tester)
{
    static const size_t sizes[] = {(size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4096, SIZE_MAX};
    errno = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        volatile size_t size = sizes[i]; /* or the compiler warns of what is wanted */
        char *block = opaque(malloc(24));
        expect_failure(tester, "malloc", size, opaque(malloc(size)));
        expect_failure(tester, "calloc", size, opaque(calloc(size / 2, 3)));
        expect_failure(tester, "realloc", size, opaque(realloc(opaque(block), size)));
        free(block);
    }
    void *unset = NULL;
    volatile size_t odd = 24;
    if (posix_memalign(&unset, odd, 8) != EINVAL)
        complain(tester, "posix_memalign", 8, "accepted an alignment of 24");
}

static void *test_thread(void *argument)
{
    test_sizes(argument);
    return NULL;
}

/* Each in a thread of its own; what is left is freed here. */
static void test_threads(struct tester *total)
{
    static struct tester testers[THREADS];
    pthread_t threads[THREADS];
    int started = 0;
    while (started < THREADS &&
           pthread_create(&threads[started], NULL, test_thread, &testers[started]) == 0)
        started++;
    for (int i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
        end_all(&testers[i]);
        total->blocks += testers[i].blocks;
        total->wrong += testers[i].wrong;
    }
    if (started < THREADS)
        complain(total, "a thread", 0, "cannot be started");
}

static void test_fork(struct tester *tester)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        tester->wrong = 0;
        test_sizes(tester);
        end_all(tester);
        _exit(tester->wrong != 0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        complain(tester, "a child", 0, "failed");
}

int cmd_selftest(int argc, char **argv)
{
    static struct tester tester;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        return command_end_output(COMMAND_OK);
    }
    if (argc > 1) {
        fputs(usage, stderr);
        return COMMAND_USAGE;
    }
    static void (*const parts[])(struct tester *) = {test_sizes, test_failures, test_threads,
                                                     test_fork, end_all};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && tester.wrong == 0; i++)
        parts[i](&tester);
    if (tester.wrong > 0)
        command_error("selftest: %u failure%s", tester.wrong, number_s(tester.wrong));
    else
        printf("selftest: %lu block%s, no failures\n", tester.blocks, number_s(tester.blocks));
    return command_end_output(tester.wrong > 0 ? COMMAND_FAILED : COMMAND_OK);
}

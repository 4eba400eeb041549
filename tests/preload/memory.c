/* SPDX-License-Identifier: MIT */
/*
 * How memory is used and given back, and what happens when there is none: each
 * case in a process of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

/* Nothing but the blocks is allocated: the last of their frees is the last call. */
static void fill_and_free(size_t size, size_t total)
{
    size_t count = total / size;
    char **block = mmap(NULL, count * sizeof *block, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(block != MAP_FAILED);
    for (size_t i = 0; i < count; i++) {
        block[i] = opaque(malloc(size));
        REQUIRE(block[i] != NULL);
        memset(block[i], 1, size);
    }
    for (size_t i = 0; i < count; i++)
        free(block[i]);
    munmap(block, count * sizeof *block);
}

static void case_single(size_t size)
{
    fill_and_free(size, 64 * MIB);
}

/* The memory of one class serves another. */
static void case_pair(size_t size)
{
    fill_and_free(size, 64 * MIB);
    fill_and_free(size * 5, 64 * MIB);
}

static void case_burst(size_t size)
{
    fill_and_free(size, 256 * MIB);
    long left = status_field("VmRSS:");
    if (left >= 32 * KIB) {
        fprintf(stderr, "%ld KiB are left after a burst of %zu-byte blocks\n", left, size);
        exit(1);
    }
}

static void case_limit(size_t megabytes)
{
    struct rlimit limit = {megabytes * MIB, megabytes * MIB};
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    static char *block[200000];
    int count = 0;
    size_t size = 16;
    bool failed = false;
    while (count < 200000 && !failed) {
        errno = 0;
        block[count] = opaque(malloc(size));
        failed = block[count] == NULL;
        REQUIRE(!failed || errno == ENOMEM);
        if (!failed) {
            memset(block[count], count & 127, size);
            count++;
        }
        size = size * 7 % 300007 + 1;
    }
    REQUIRE(failed);
    for (int i = 0; i < count; i++)
        REQUIRE(block[i][0] == (i & 127));
    for (int i = 0; i < count; i++)
        free(block[i]);
    char *again = opaque(malloc(100000));
    REQUIRE(again != NULL);
    free(again);
}

/* Runs a case; its peak in KiB. */
static long run(void (*function)(size_t), size_t argument)
{
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        function(argument);
        exit(0);
    }
    int status = 0;
    struct rusage usage;
    REQUIRE(wait4(child, &status, 0, &usage) == child);
    REQUIRE(status == 0);
    return usage.ru_maxrss;
}

int main(void)
{
    static const size_t sizes[] = {16, 48, 200, 1000, 8000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        long one = run(case_single, sizes[i]);
        long other = run(case_single, sizes[i] * 5);
        long both = run(case_pair, sizes[i]);
        long larger = one > other ? one : other;
        if (both * 10 > larger * 11) {
            fprintf(stderr, "%zu then %zu bytes: peak %ld KiB, alone %ld and %ld\n", sizes[i],
                    sizes[i] * 5, both, one, other);
            return 1;
        }
        run(case_burst, sizes[i]);
    }
    run(case_burst, 100000);
    run(case_burst, 3 * MIB);
    for (size_t megabytes = 8; megabytes <= 256; megabytes *= 2)
        run(case_limit, megabytes);
    return 0;
}

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

#include "config.h"
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

enum { LOWEST = 16, KINDS = 3, IN_ORDER = 0, BACKWARDS = 1, AT_RANDOM = 2 };

static uint64_t random_state = 88172645463325252;

static size_t random_below(size_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}

/* Of this size, or up to 1000 bytes for 0, or for 1 up to 8 MiB, as many of each binary logarithm. */
static size_t next_size(size_t size)
{
    if (size == 0)
        return LOWEST + random_below(1000 - LOWEST);
    size_t power = (size_t)LOWEST << random_below(19);
    return size > 1 ? size : power + random_below(power);
}

static void shuffle(char **block, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = random_below(i);
        char *swapped = block[i - 1];
        block[i - 1] = block[other];
        block[other] = swapped;
    }
}

/* Everything is freed; no call comes after the last free. */
static void case_burst(size_t argument)
{
    /* in the hardened variant each block in quarantine keeps pages of its slab, most after frees at random */
    enum { TOTAL = 256 * MIB, RESTS = HAK_HARDENED ? 16 * KIB : 0, LEFT = 16 * KIB + RESTS, MOST = TOTAL / LOWEST };
    size_t size = argument / KINDS, count = 0;
    long before = status_field("VmRSS:");
    char **block = mmap(NULL, MOST * sizeof *block, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(block != MAP_FAILED);
    for (size_t total = 0, next; total < TOTAL; total += next) {
        next = next_size(size);
        block[count] = opaque(malloc(next));
        REQUIRE(block[count] != NULL);
        memset(block[count++], 1, next);
    }
    if (argument % KINDS == AT_RANDOM)
        shuffle(block, count);
    for (size_t i = 0; i < count; i++)
        free(block[argument % KINDS == BACKWARDS ? count - 1 - i : i]);
    munmap(block, MOST * sizeof *block);
    long left = status_field("VmRSS:") - before;
    if (left >= LEFT) {
        fprintf(stderr, "%ld KiB are left after a burst of %zu-byte blocks, order %zu\n", left, size,
                argument % KINDS);
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
    }
    static const size_t bursts[] = {0, 1, 16, 64, 300, 1000, 8000, 20000, 70000, 200000, 700000, 3 * MIB, 6 * MIB};
    for (size_t i = 0; i < sizeof bursts / sizeof *bursts; i++)
        for (size_t order = IN_ORDER; order < KINDS; order++)
            run(case_burst, bursts[i] * KINDS + order);
    for (size_t megabytes = 8; megabytes <= 256; megabytes *= 2)
        run(case_limit, megabytes);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Little address space, little data, few mappings, little that may be locked: an allocation
 * succeeds or fails with ENOMEM, nothing is lost, and what was freed serves again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

enum { BLOCKS = 60000, UNPRIVILEGED = 65534, NO_LIMIT_HERE = 77 };

#define MIB ((size_t)1 << 20)

static char *block[BLOCKS];

static size_t size_of(int i)
{
    static const size_t sizes[] = {16, 100, 700, 5000, 50000, 200000, 1500000, 40000};
    return sizes[i % 8];
}

/* How many blocks there were to be had. */
static int fill(void)
{
    int count = 0;
    for (; count < BLOCKS; count++) {
        errno = 0;
        block[count] = opaque(malloc(size_of(count)));
        if (block[count] == NULL) {
            REQUIRE(errno == ENOMEM);
            break;
        }
        memset(block[count], count & 127, size_of(count));
    }
    return count;
}

static void verify(int count, int step)
{
    for (int i = 0; i < count; i += step)
        REQUIRE(block[i][0] == (i & 127) && block[i][size_of(i) - 1] == (i & 127));
}

static void drop(int count, int first, int step)
{
    for (int i = first; i < count; i += step)
        free(block[i]);
}

/* To the end, half of it, and once more. */
static int use_up(void)
{
    int count = fill();
    verify(count, 1);
    drop(count, 1, 2);
    verify(count, 2);
    for (int i = 1; i < count; i += 2) {
        block[i] = opaque(calloc(1, size_of(i)));
        for (size_t at = 0; block[i] != NULL && at < size_of(i); at++)
            REQUIRE(block[i][at] == 0);
    }
    verify(count, 2);
    drop(count, 0, 1);
    malloc_trim(0);
    int again = fill();
    REQUIRE(again >= count / 2);
    drop(again, 0, 1);
    return count;
}

static void in_child(void (*function)(size_t), size_t argument)
{
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        function(argument);
        exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    if (status != 0)
        fprintf(stderr, "%zu: status %d\n", argument, status);
    REQUIRE(status == 0);
}

static size_t mapped_now(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    REQUIRE(file != NULL && fscanf(file, "%zu", &pages) == 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void limit(int resource, size_t bytes)
{
    struct rlimit most = {bytes, bytes};
    REQUIRE(setrlimit((__rlimit_resource_t)resource, &most) == 0);
}

static void climb(size_t more)
{
    limit(RLIMIT_AS, mapped_now() + more);
    use_up();
}

static void case_ladder(void)
{
    for (size_t more = 2 * MIB; more <= 48 * MIB; more += more / 2)
        in_child(climb, more);
}

static void *live(void *unused)
{
    free(filled(300000));
    return unused;
}

/* What the allocator keeps for itself leaves room for others, also after it has had everything. */
static void case_others(void)
{
    limit(RLIMIT_AS, 200 * MIB);
    drop(fill(), 0, 1);
    malloc_trim(0);
    for (int i = 0; i < 20; i++) {
        pthread_t thread[4];
        for (int j = 0; j < 4; j++)
            REQUIRE(pthread_create(&thread[j], NULL, live, NULL) == 0);
        for (int j = 0; j < 4; j++)
            REQUIRE(pthread_join(thread[j], NULL) == 0);
        FILE *file = fopen("/proc/self/maps", "r");
        REQUIRE(file != NULL && fgetc(file) != EOF);
        fclose(file);
    }
}

static void charge(size_t bytes)
{
    limit(RLIMIT_DATA, bytes);
    REQUIRE(use_up() > 0);
}

/* Charges what is private and writable at the time of the mapping, as strict overcommit does. */
static void case_data(void)
{
    for (size_t bytes = 8 * MIB; bytes <= 64 * MIB; bytes *= 2)
        in_child(charge, bytes);
}

/* Every second page has another protection, so that each is a mapping of its own. */
static void case_mappings(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = 300000;
    int before = 3000;
    for (int i = 0; i < before; i++)
        block[i] = filled(size_of(i) / 4 + 1);
    drop(before, 0, 3);
    char *sieve = mmap(NULL, pages * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(sieve != MAP_FAILED);
    size_t at = 0;
    while (at < pages && mprotect(sieve + at * page, page, PROT_READ) == 0)
        at += 2;
    if (at >= pages) {
        puts("no limit of mappings here");
        exit(NO_LIMIT_HERE);
    }
    for (int i = 1; i < before; i += 3)
        free(block[i]);
    for (int i = 2; i < before; i += 3) {
        char *other = realloc(block[i], size_of(i) * 2);
        free(other != NULL ? other : block[i]);
    }
    malloc_trim(0);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 60000; size < 80 * MIB; size = size * 5 / 3) {
            errno = 0;
            char *large = opaque(malloc(size));
            REQUIRE(large != NULL || errno == ENOMEM);
            char *larger = large != NULL ? realloc(large, size + size / 2) : NULL;
            free(larger != NULL ? larger : large);
        }
        malloc_trim(0);
    }
    munmap(sieve, pages * page);
    free(filled(3 * MIB));
}

/* What systems set by themselves, and which root would not heed. */
static void limit_locked(void)
{
    limit(RLIMIT_MEMLOCK, 8 * MIB);
    if (getuid() == 0)
        REQUIRE(setresgid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED) == 0 &&
                setresuid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED) == 0);
    free(filled(100));
}

/* All address space counts here, reserved or used: a small program shall stay below the limit. */
static void case_all_locked(void)
{
    limit_locked();
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        int error = errno;
        perror("mlockall");
        exit(error == ENOMEM ? 1 : NO_LIMIT_HERE);
    }
    REQUIRE(use_up() > 0);
}

/* Locked memory cannot be given back in part, so it does not read as zero afterwards. */
static void case_locked(void)
{
    limit_locked();
    if (mlockall(MCL_FUTURE) != 0) {
        perror("mlockall");
        exit(NO_LIMIT_HERE);
    }
    for (int round = 0; round < 3; round++) {
        char *some[2];
        for (int i = 0; i < 2; i++)
            some[i] = filled(MIB);
        for (int i = 0; i < 2; i++)
            free(some[i]);
        malloc_trim(0);
        char *zero = opaque(calloc(2, MIB));
        REQUIRE(zero != NULL);
        for (size_t i = 0; i < 2 * MIB; i++)
            REQUIRE(zero[i] == 0);
        free(zero);
    }
    REQUIRE(use_up() > 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"ladder", case_ladder},     {"others", case_others}, {"data", case_data},
        {"mappings", case_mappings}, {"locked", case_locked}, {"all-locked", case_all_locked},
    };
    return RUN_CASE(cases, argc > 1 ? argv[1] : NULL);
}

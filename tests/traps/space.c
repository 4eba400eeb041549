/* SPDX-License-Identifier: MIT */
/*
 * Little address space, little data, few mappings, little that may be locked: an allocation
 * succeeds or fails with ENOMEM, nothing is lost, and what was freed serves again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
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

/* The largest mapping that the program can make, in steps of 5 MiB. */
static size_t room(void)
{
    for (size_t size = 1000 * MIB; size > 0; size -= 5 * MIB) {
        void *there = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (there != MAP_FAILED) {
            munmap(there, size);
            return size;
        }
    }
    return 0;
}

static void allocate(size_t bytes, size_t size)
{
    size_t count = bytes / size;
    char **all = malloc(count * sizeof *all);
    REQUIRE(all != NULL);
    size_t before = room();
    for (size_t i = 0; i < count; i++)
        REQUIRE((all[i] = opaque(malloc(size))) != NULL);
    REQUIRE(room() + bytes + bytes / 8 + 60 * MIB >= before);
    for (size_t i = 0; i < count; i++)
        free(all[i]);
    free(all);
    malloc_trim(0);
    REQUIRE(room() + 60 * MIB >= 1000 * MIB);
}

/*
 * Beside what is allocated the address space is the program's, and afterwards all of it; also where
 * the limit is set when there is memory already, and for ever.
 */
static void case_limited(void)
{
    static const size_t sizes[] = {48, 2000, 60000, 250000, 1 * MIB, 5 * MIB, 40 * MIB};
    allocate(100 * MIB, 3000);
    limit(RLIMIT_AS, 1024 * MIB);
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            allocate((i % 2 == 0 ? 500 : 300) * MIB, sizes[i]);
}

/* What is private and writable is charged where overcommit is off: what was freed and trimmed is not. */
static void case_charge(void)
{
    static const size_t sizes[] = {2000, 60000, 250000, 5 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        long before = status_field("VmData:");
        for (int round = 0; round < 2; round++) {
            int count = (int)(100 * MIB / sizes[i]);
            for (int at = 0; at < count; at++)
                block[at] = filled(sizes[i]);
            REQUIRE(status_field("VmData:") > before + (90 << 10) / 2);
            drop(count, 0, 1);
            malloc_trim(0);
        }
        REQUIRE(status_field("VmData:") < before + (12 << 10));
    }
}

/* Whether a mapping in which a block begins has one of the flags, as smaps names them. */
static bool some_flagged(int count, const char *flags)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    unsigned long start = 0, end = 0, from, to;
    bool found = false;
    REQUIRE(file != NULL);
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            start = from;
            end = to;
        } else if (strncmp(line, "VmFlags:", 8) == 0) {
            bool flagged = false;
            for (const char *flag = flags; *flag != '\0'; flag += 3)
                flagged |= strstr(line, (char[]){' ', flag[0], flag[1], '\0'}) != NULL;
            for (int i = 0; flagged && i < count; i++)
                found |= (uintptr_t)block[i] >= start && (uintptr_t)block[i] < end;
        }
    }
    fclose(file);
    return found;
}

static void advise(char *start, size_t size, int round)
{
    static const int advice[] = {MADV_HUGEPAGE, MADV_DONTFORK, MADV_WIPEONFORK, MADV_DONTDUMP};
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    char *from = (char *)(((uintptr_t)start + page - 1) & ~(page - 1));
    size -= (size_t)(from - start);
    if (round == 4)
        mlock(from, size & ~(page - 1));
    else
        madvise(from, size & ~(page - 1), advice[round]);
}

/* What a program asked of the pages of its arrays does not hold for smaller blocks that come after. */
static void case_advice(void)
{
    enum { ARRAYS = 12, ROUNDS = 5 };
    static const size_t sizes[] = {2 * MIB, 4 * MIB + 5000, 8 * MIB, 31 * MIB};
    static char *array[ARRAYS];
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < ARRAYS; i++) {
            size_t size = sizes[i % 4];
            array[i] = opaque(malloc(size));
            REQUIRE(array[i] != NULL);
            advise(array[i], size, round);
            memset(array[i], 1, size);
            if (i % 3 == 0)
                array[i] = realloc(array[i], size / 4 * 3); /* what it gives up is advised, too */
        }
        for (int i = 0; i < ARRAYS; i++)
            free(array[i]);
        int count = 0;
        for (; count < 400; count++)
            block[count] = filled(size_of(count) > MIB ? MIB : size_of(count));
        REQUIRE(!some_flagged(count, "hg,dc,wf,dd,lo,"));
        drop(count, 0, 1);
    }
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
static void limit_locked(size_t most)
{
    limit(RLIMIT_MEMLOCK, most);
    if (getuid() == 0)
        REQUIRE(setresgid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED) == 0 &&
                setresuid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED) == 0);
    free(filled(100));
}

/* All address space counts here, reserved or used: a small program shall stay below the limit. */
static void case_all_locked(void)
{
    limit_locked(8 * MIB);
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
        int error = errno;
        perror("mlockall");
        exit(error == ENOMEM ? 1 : NO_LIMIT_HERE);
    }
    /* most of the limit is the program's, in small blocks as well */
    int count = 0;
    while (count < BLOCKS && (block[count] = opaque(malloc(1000))) != NULL)
        count++;
    REQUIRE((size_t)count * 1000 > 2 * MIB);
    drop(count, 0, 1);
    REQUIRE(use_up() > 0);
}

/* Whether the mapping with the address is a locked one. */
static bool is_locked(const void *address)
{
    static char text[1 << 20];
    size_t size = 0;
    ssize_t got;
    int file = open("/proc/self/smaps", O_RDONLY);
    REQUIRE(file >= 0);
    while ((got = read(file, text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)got;
    close(file);
    text[size] = '\0';
    bool inside = false;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        uintptr_t start, end;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2)
            inside = (uintptr_t)address >= start && (uintptr_t)address < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            return strstr(line, " lo") != NULL;
    }
    return false;
}

/* A mapping with three pages behind the end of its file, and of a path longer than PATH_MAX. */
static void map_past_end(void)
{
    enum { DEPTH = 45, LENGTH = 200 };
    char top[] = "/tmp/space-XXXXXX", name[LENGTH + 1] = {0};
    memset(name, 'd', LENGTH);
    REQUIRE(mkdtemp(top) != NULL && chdir(top) == 0);
    for (int i = 0; i < DEPTH; i++)
        REQUIRE(mkdir(name, 0700) == 0 && chdir(name) == 0);
    FILE *file = fopen("file", "w+");
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    REQUIRE(file != NULL && ftruncate(fileno(file), (off_t)page) == 0);
    REQUIRE(mmap(NULL, 4 * page, PROT_READ, MAP_SHARED, fileno(file), 0) != MAP_FAILED);
    fclose(file);
    remove("file");
    for (int i = 0; i < DEPTH; i++)
        REQUIRE(chdir("..") == 0 && rmdir(name) == 0);
    REQUIRE(chdir("/") == 0 && rmdir(top) == 0);
}

/* What is far above the limit is refused as soon as that is known, and leaves nothing locked. */
static void refuse_locking(void)
{
    size_t size = (size_t)16 << 40;
    void *large = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (large == MAP_FAILED)
        return; /* a system that does not overcommit */
    clock_t start = clock();
    errno = 0;
    REQUIRE(mlockall(MCL_CURRENT | MCL_FUTURE) == -1 && errno == ENOMEM);
    REQUIRE(clock() - start < CLOCKS_PER_SEC / 5);
    REQUIRE(status_field("VmLck:") == 0);
    munmap(large, size);
}

static void allocate_locked(bool locked)
{
    enum { COUNT = 40 };
    static char *some[COUNT];
    for (int i = 0; i < COUNT; i++) {
        some[i] = filled(i % 8 == 0 ? 70000 : 10000);
        REQUIRE(is_locked(some[i]) == locked);
    }
    char *grown = opaque(realloc(some[0], 200000));
    REQUIRE(grown != NULL && is_locked(grown) == locked && is_locked(grown + 199999) == locked);
    some[0] = grown;
    for (int i = 0; i < COUNT; i++)
        free(some[i]);
}

/* What small blocks have locked serves large ones when they have been freed. */
static void use_up_in_sizes(void)
{
    static const size_t sizes[] = {1000, 300000, 70000, 100};
    size_t most = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int count = 0;
        while (count < BLOCKS && (block[count] = opaque(malloc(sizes[i]))) != NULL)
            count++;
        REQUIRE((size_t)count * sizes[i] >= most / 2);
        if ((size_t)count * sizes[i] > most)
            most = (size_t)count * sizes[i];
        drop(count, 0, 1);
    }
}

/* What is mapped ahead is more than may be locked, what is used is less: that is locked, then and later. */
static void case_used_locked(void)
{
    static char data[] = "data";
    limit_locked(7 * MIB);
    char *before = filled(100);
    if (syscall(SYS_mlockall, MCL_CURRENT) == 0)
        exit(NO_LIMIT_HERE);
    refuse_locking();
    map_past_end();
    REQUIRE(mlockall(MCL_CURRENT) == 0 && mlockall(MCL_FUTURE) == 0);
    allocate_locked(true);
    REQUIRE(munlockall() == 0 && mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    REQUIRE(is_locked(before) && is_locked(data) && is_locked(&before));
    allocate_locked(true);
    pid_t child = fork();
    if (child == 0) {
        REQUIRE(!is_locked(before));
        allocate_locked(false);
        _exit(0);
    }
    int status = 0;
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    use_up_in_sizes();
    REQUIRE(use_up() > 0);
    REQUIRE(munlockall() == 0 && !is_locked(before));
    allocate_locked(false);
    /* more than may be locked in any case: refused, and as before */
    limit(RLIMIT_MEMLOCK, MIB);
    errno = 0;
    REQUIRE(mlockall(MCL_CURRENT | MCL_FUTURE) == -1 && errno == ENOMEM);
    REQUIRE(status_field("VmLck:") == 0 && !is_locked(filled(50000)));
    free(before);
}

/* Locked memory cannot be given back in part, so it does not read as zero afterwards. */
static void case_locked(void)
{
    limit_locked(8 * MIB);
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
        {"limited", case_limited},   {"charge", case_charge}, {"advice", case_advice},
        {"used-locked", case_used_locked},
    };
    return RUN_CASE(cases, argc > 1 ? argv[1] : NULL);
}

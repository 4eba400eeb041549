/* SPDX-License-Identifier: MIT */
/*
 * faults: workloads while the system calls of lib/os fail, by chance and one after
 * the other; each in a child of its own, of which all must end well.
 * faults WORKLOAD SEED,RATE,BURST,SITE,NTH: one of these cases again, as a failure names it.
 * faults --sites: the sites that were compiled in.
 * faults --pretend-purge: all workloads where madvise gives nothing back and says it did.
 * faults --page-size BYTES: all workloads where pages have that size, without and with failures.
 *
 * Prints for each site how often it was called, how often it failed, and whether it can at all.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <hakmem/hakmem.h>

#include "cache/heap.h"
#include "cache/heap_check.h"
#include "cache/heap_list.h"
#include "inject.h"
#include "page/retain.h"
#include "workload.h"

enum { ALL = -1, ROUNDS = 2, QUIET_ROUNDS = 12, CHILD_SECONDS = 120 };
enum { UNNOTICED_MAX = 20 }; /* heaps of ended threads, while nobody is told of their ends */
#define FOREVER (1u << 30)

static size_t resident_max = 8 << 20; /* after everything was freed and purged */
static struct fault_plan current;

_Noreturn void workload_fail(const char *what)
{
    fault_begin(NULL);
    fprintf(stderr, "faults: %s, with seed %llu\n", what, (unsigned long long)current.seed);
    abort();
}

/* Bytes of address space and of resident memory. */
static void measure(size_t *space, size_t *resident)
{
    FILE *file = fopen("/proc/self/statm", "r");
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (file == NULL || fscanf(file, "%zu %zu", space, resident) != 2)
        workload_fail("cannot read /proc/self/statm");
    fclose(file);
    *space *= page;
    *resident *= page;
}

/* Everything was freed and nothing fails any more: all is there, and all goes back. */
static void check(void)
{
    struct hak_heap_check check;
    hak_purge(HAK_PURGE_PROCESS, 0);
    hak__heap_check(&check);
    if (check.wrong != NULL)
        workload_fail(check.wrong);
    if (check.live != 0 || check.large_bytes != 0)
        workload_fail("blocks are left over although all were freed");
    if (hak_load_relaxed(&hak__retained_bytes) != 0)
        workload_fail("memory is kept although all was purged");
    bool told = current.rate == 0 && current.nth == 0;
    if (hak__heap_count() > (told ? 1 : 1 + UNNOTICED_MAX))
        workload_fail("heaps of threads that have ended are still in use");
    if (fault_lost_canaries() != 0)
        workload_fail("a mapping of somebody else was unmapped");
}

/*
 * Rounds with faults, then some without that do the same each: when the library has all that it
 * needs for one of these, not each further one takes more address space.
 */
static void run_case(const struct workload *workload, struct fault_plan plan, int rounds)
{
    size_t space = 0, before = 0, resident = 0;
    int growing = 0; /* rounds in a row that took more, from the second on */
    for (int i = 0; i < rounds; i++, plan.seed++) {
        current = plan;
        fault_begin(&plan);
        workload->run((uint32_t)plan.seed);
        fault_begin(NULL);
        check();
    }
    for (int i = 0; workload->steady && rounds > 1 && i < QUIET_ROUNDS && i <= growing + 1; i++) {
        workload->run((uint32_t)plan.seed);
        check();
        before = space;
        measure(&space, &resident);
        growing = i > 1 && space > before ? growing + 1 : 0;
    }
    if (growing == QUIET_ROUNDS - 2)
        workload_fail("address space grows without end");
    if (resident > resident_max)
        workload_fail("memory is resident that serves nothing");
}

/* Whether the case ends well in a process of its own. */
static bool in_child(const struct workload *workload, const struct fault_plan *plan, int rounds)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        alarm(CHILD_SECONDS);
        run_case(workload, *plan, rounds);
        _exit(0);
    }
    int status = 0;
    if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
        return true;
    fprintf(stderr, "faults: wait status %#x of: faults %s %llu,%u,%u,%d,%lu\n", (unsigned)status,
            workload->name, (unsigned long long)plan->seed, plan->rate, plan->burst, plan->site,
            plan->nth);
    return false;
}

static int all_workloads(uint64_t seed, unsigned rate, unsigned burst)
{
    int failed = 0;
    for (int w = 0; w < workload_count; w++, seed += 10) {
        struct fault_plan plan = {seed, rate, burst, ALL, 0};
        failed += !in_child(&workloads[w], &plan, ROUNDS);
    }
    return failed;
}

static int by_chance(void)
{
    return all_workloads(1, 64, 0) + all_workloads(101, 16, 40) + all_workloads(201, 2, FOREVER) +
           all_workloads(301, 1024, 0);
}

static int with_pretended_purge(void)
{
    fault_pretend_purge();
    resident_max = SIZE_MAX;
    return all_workloads(1, 0, 0) + all_workloads(101, 64, 0);
}

static int with_pages_of(size_t size)
{
    fault_set_page_size(size);
    int failed = all_workloads(1, 0, 0) + all_workloads(101, 64, 0);
    if (fault_off_page() != 0) {
        fprintf(stderr, "faults: %lu calls at addresses where no page begins\n", fault_off_page());
        failed++;
    }
    return failed;
}

/* Calls of one site alone: by chance, then each of the first few, and all from it on. */
static int site_by_site(void)
{
    enum { CALLS = 2 };
    int failed = 0;
    for (int site = 0; site < fault_sites(); site++) {
        for (int w = 0; w < workload_count; w++) {
            struct fault_plan often = {(uint64_t)site, 300, 0, site, 0};
            if (fault_is_possible(site) && w % 8 == site % 8)
                failed += !in_child(&workloads[w], &often, 1);
        }
        for (unsigned long nth = 1; nth <= CALLS && fault_is_possible(site); nth++) {
            struct fault_plan once = {nth, 0, 0, site, nth};
            struct fault_plan from_there_on = {nth, 0, FOREVER, site, nth};
            failed += !in_child(&brief_workload, &once, 1);
            failed += !in_child(&brief_workload, &from_there_on, 1);
        }
    }
    return failed;
}

/* What is called by chance alone, as a wait for a lock is, is tried until it has failed once. */
static int what_never_failed(void)
{
    enum { TRIES = 20, ALWAYS = 1024 };
    int failed = 0;
    for (int site = 0; site < fault_sites(); site++)
        for (int i = 0; i < TRIES * workload_count && fault_is_possible(site) &&
                        fault_failures(site) == 0 && failed == 0; i++) {
            struct fault_plan always = {(uint64_t)i, ALWAYS, 0, site, 0};
            failed += !in_child(&workloads[i % workload_count], &always, 1);
        }
    return failed;
}

static void print_sites(bool with_counts)
{
    char name[80];
    for (int i = 0; i < fault_sites(); i++) {
        printf("%s", fault_name(i, name, sizeof name));
        if (with_counts)
            printf(" %lu %lu %s", fault_calls(i), fault_failures(i),
                   fault_is_possible(i) ? "can-fail" : "cannot-fail");
        printf("\n");
    }
}

static int one_case(const char *name, const char *text)
{
    struct fault_plan plan = {.site = ALL};
    unsigned long long seed = 0;
    if (sscanf(text, "%llu,%u,%u,%d,%lu", &seed, &plan.rate, &plan.burst, &plan.site,
               &plan.nth) < 2)
        return 2;
    plan.seed = seed;
    for (int w = 0; w < workload_count; w++)
        if (strcmp(workloads[w].name, name) == 0)
            return !in_child(&workloads[w], &plan, ROUNDS);
    if (strcmp(brief_workload.name, name) == 0)
        return !in_child(&brief_workload, &plan, 1);
    return 2;
}

int main(int argc, char **argv)
{
    int failed = 0;
    if (argc == 2 && strcmp(argv[1], "--pretend-purge") == 0) {
        return with_pretended_purge() == 0 ? 0 : 1;
    } else if (argc == 3 && strcmp(argv[1], "--page-size") == 0) {
        return with_pages_of(strtoul(argv[2], NULL, 0)) == 0 ? 0 : 1;
    } else if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        puts("usage: faults [WORKLOAD SEED,RATE,BURST,SITE,NTH]\n"
             "       faults --sites | --pretend-purge | --page-size BYTES");
        return 0;
    } else if (argc == 2 && strcmp(argv[1], "--sites") == 0) {
        print_sites(false);
        return 0;
    } else if (argc == 3) {
        failed = one_case(argv[1], argv[2]);
    } else {
        failed += by_chance();
        failed += site_by_site();
        failed += what_never_failed();
    }
    print_sites(true);
    return failed == 0 ? 0 : 1;
}

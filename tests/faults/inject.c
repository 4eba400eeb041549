/* SPDX-License-Identifier: MIT */
#include "inject.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifdef SYS_mmap2
#define MAPPING_CALL SYS_mmap2
#else
#define MAPPING_CALL SYS_mmap
#endif

enum { SITES_MAX = 128, CANARIES_MAX = 64, ERRORS_MAX = 8, ANY = -1, FUTEX_BITS = FUTEX_CMD_MASK };

extern const struct fault_site __start_fault_sites[], __stop_fault_sites[];

/* What the system can answer where lib/os calls it; where a row has no error it cannot fail. */
static const struct {
    long number, operation;
    int error[ERRORS_MAX];
} answers[] = {
    {MAPPING_CALL, ANY, {ENOMEM, EAGAIN, EPERM, EACCES, EINVAL}},
    {SYS_munmap, ANY, {ENOMEM, EINVAL, EPERM}},
    {SYS_mprotect, ANY, {ENOMEM, EACCES, EINVAL, EPERM}},
    {SYS_mlock, ANY, {ENOMEM, EAGAIN, EPERM}},
    {SYS_mlock2, ANY, {ENOMEM, EAGAIN, EPERM, ENOSYS}},
    {SYS_mremap, ANY, {ENOMEM, EAGAIN, EFAULT, EINVAL, EPERM}},
    {SYS_madvise, ANY, {EAGAIN, EINVAL, ENOMEM, EPERM, EIO, EFAULT}},
    {SYS_prlimit64, ANY, {EPERM, ENOSYS}},
    {SYS_getrusage, ANY, {EPERM, ENOSYS}},
    {SYS_membarrier, ANY, {ENOSYS, EINVAL, EPERM}},
    {SYS_prctl, ANY, {0}},
    {SYS_getrandom, ANY, {EAGAIN, EINTR, ENOSYS, EPERM}},
    {SYS_fcntl, ANY, {EINVAL, EMFILE, EBADF}},
    {SYS_openat, ANY, {ENOENT, EACCES, EMFILE, ENFILE, ENOMEM, EINTR}},
    {SYS_statx, ANY, {ENOSYS, EACCES, ENOMEM, EPERM}},
    {SYS_readlinkat, ANY, {EACCES, ENOENT, ENOMEM, EINVAL}},
    {SYS_read, ANY, {EIO, EAGAIN, EINTR, EISDIR}},
    {SYS_close, ANY, {EIO, EINTR}},
    {SYS_write, ANY, {EIO, EAGAIN, EBADF, EINTR, ENOSPC, EPIPE}},
#ifdef SYS_futex
    {SYS_futex, FUTEX_WAIT, {EAGAIN, EINTR}},
    {SYS_futex, FUTEX_WAKE, {0}},
    {SYS_futex, FUTEX_CMP_REQUEUE, {EAGAIN, EFAULT, ENOSYS, EPERM}},
#endif
    {SYS_nanosleep, ANY, {EINTR}},
    {SYS_brk, ANY, {0}},
    {SYS_getpid, ANY, {0}},
    {SYS_getppid, ANY, {0}},
    {SYS_gettid, ANY, {0}},
    {SYS_rt_sigprocmask, ANY, {EFAULT, ENOSYS, EPERM}},
    {SYS_renameat2, ANY, {EACCES, ENOENT, ENOSPC, EROFS, ENOSYS}},
    {SYS_unlinkat, ANY, {EACCES, ENOENT, EROFS, ENOSYS}},
    {SYS_getsid, ANY, {0}},
    {SYS_sched_yield, ANY, {0}},
};

static struct {
    atomic_ulong calls, failures;
    atomic_int impossible; /* it was called, and cannot fail */
} *counts;                 /* by site, shared with forked children */

static struct fault_plan plan; /* changes while no other thread is in the library */
static atomic_bool active;
static atomic_long burst_left;
static atomic_ulong since_begin[SITES_MAX];

static struct canary {
    unsigned char *at;
    size_t size;
} canaries[CANARIES_MAX];
static atomic_int canary_count;

/* FAULTS=seed,rate,burst,site,nth is the plan of the process's start. */
static void read_environment(void)
{
    const char *text = getenv("FAULTS");
    struct fault_plan first = {.site = ANY};
    unsigned long long seed = 0;
    if (text != NULL && sscanf(text, "%llu,%u,%u,%d,%lu", &seed, &first.rate, &first.burst,
                               &first.site, &first.nth) >= 2) {
        first.seed = seed;
        fault_begin(&first);
    }
}

/* Before the first call of the library, which is while the process has one thread. */
static void start(void)
{
    if (counts != NULL)
        return;
    counts = mmap(NULL, SITES_MAX * sizeof *counts, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (counts == MAP_FAILED || fault_sites() > SITES_MAX) {
        fprintf(stderr, "faults: no memory for the counts, or more than %d calls\n", SITES_MAX);
        abort();
    }
    read_environment();
}

int fault_sites(void)
{
    return (int)(__stop_fault_sites - __start_fault_sites);
}

const char *fault_name(int site, char *text, size_t size)
{
    const struct fault_site *of = &__start_fault_sites[site];
    snprintf(text, size, "%s %.*s", of->function, (int)strcspn(of->call, ","), of->call);
    return text;
}

bool fault_is_possible(int site)
{
    return atomic_load(&counts[site].impossible) == 0;
}

unsigned long fault_calls(int site)
{
    return atomic_load(&counts[site].calls);
}

unsigned long fault_failures(int site)
{
    return atomic_load(&counts[site].failures);
}

void fault_begin(const struct fault_plan *next)
{
    atomic_store(&active, false);
    if (next == NULL)
        return;
    plan = *next;
    atomic_store(&burst_left, 0);
    for (int i = 0; i < SITES_MAX; i++)
        atomic_store(&since_begin[i], 0);
    atomic_store(&active, true);
}

static uint64_t mixed(uint64_t bits)
{
    bits = (bits ^ bits >> 32) * 0xd6e8feb86659fd93u;
    bits = (bits ^ bits >> 32) * 0xd6e8feb86659fd93u;
    return bits ^ bits >> 32;
}

/* Bits that follow from the seed, the site and how often it was called. */
static uint64_t chance_of(int site, unsigned long call)
{
    return mixed(plan.seed + mixed((uint64_t)site << 32 | call));
}

static bool shall_fail(int site, unsigned long call, uint64_t chance)
{
    if (plan.site != ANY && plan.site != site)
        return false;
    if (atomic_load(&burst_left) > 0 && atomic_fetch_sub(&burst_left, 1) > 0)
        return true;
    if (plan.nth != 0 ? call != plan.nth : chance % 1024 >= plan.rate)
        return false;
    atomic_store(&burst_left, plan.burst);
    return true;
}

/* Counts a call; the error that it shall meet, or 0. */
static int decide(int site, const int *error, uint64_t *chance)
{
    int kinds = 0;
    while (kinds < ERRORS_MAX && error[kinds] != 0)
        kinds++;
    atomic_fetch_add(&counts[site].calls, 1);
    if (kinds == 0)
        atomic_store(&counts[site].impossible, 1);
    if (kinds == 0 || !atomic_load(&active))
        return 0;
    unsigned long call = atomic_fetch_add(&since_begin[site], 1) + 1;
    *chance = chance_of(site, call);
    if (!shall_fail(site, call, *chance))
        return 0;
    atomic_fetch_add(&counts[site].failures, 1);
    return error[*chance / 1024 % (unsigned)kinds];
}

/* What another thread maps where the system has just taken a mapping away. */
static void place_canary(unsigned char *target, size_t size)
{
    int number = atomic_fetch_add(&canary_count, 1);
    if (number >= CANARIES_MAX) {
        atomic_store(&canary_count, CANARIES_MAX);
        return;
    }
    if (mmap(target, size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != target)
        abort();
    target[0] = 0xca;
    canaries[number] = (struct canary){target, size};
}

int fault_lost_canaries(void)
{
    int lost = 0;
    for (int i = 0; i < atomic_load(&canary_count); i++) {
        unsigned char resident = 0;
        unsigned char *at = canaries[i].at;
        if (mincore(at, 1, &resident) != 0 || at[0] != 0xca)
            lost++;
        else
            munmap(at, canaries[i].size);
    }
    atomic_store(&canary_count, 0);
    return lost;
}

/* A call that fails may have done a part of its work, or have cleared the way for it. */
static void leave_traces(long number, va_list arguments)
{
    if (number != SYS_madvise && number != SYS_mprotect && number != SYS_mremap)
        return;
    char *address = va_arg(arguments, void *);
    size_t size = va_arg(arguments, size_t);
    size_t half = size / 2 & ~(size_t)0xffff;
    if (number == SYS_mremap) {
        size_t new_size = va_arg(arguments, size_t);
        if ((va_arg(arguments, int) & MREMAP_FIXED) != 0)
            place_canary(va_arg(arguments, void *), new_size);
    } else {
        syscall(number, address, half, va_arg(arguments, int));
    }
}

/* ---- other systems ------------------------------------------------------ */

static size_t page_size;
static atomic_ulong *off_page; /* shared with forked children */

void fault_set_page_size(size_t size)
{
    off_page = mmap(NULL, sizeof *off_page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                    0);
    if (off_page == MAP_FAILED)
        abort();
    page_size = size;
}

unsigned long fault_off_page(void)
{
    return off_page != NULL ? atomic_load(off_page) : 0;
}

/* Debug builds ask before main, and ask but once. */
static void set_page_size_of_start(void)
{
    const char *text = getenv("FAULTS_PAGE_SIZE");
    if (page_size == 0 && text != NULL)
        fault_set_page_size(strtoul(text, NULL, 0));
}

unsigned long fault_auxiliary(unsigned long type)
{
    set_page_size_of_start();
    return type == AT_PAGESZ && page_size != 0 ? page_size : __getauxval(type);
}

static size_t whole_pages(long size)
{
    return ((size_t)size + page_size - 1) & ~(page_size - 1);
}

static long map_pages(long number, size_t size, long protection, long flags)
{
    long start = hak__call6(number, 0, (long)(size + page_size), protection, flags, -1, 0);
    if (hak__call_failed(start))
        return start;
    size_t head = whole_pages(start) - (size_t)start;
    if (head != 0)
        syscall(SYS_munmap, start, head);
    if (head != page_size)
        syscall(SYS_munmap, start + (long)(head + size), page_size - head);
    return start + (long)head;
}

static bool pretends_purge;

void fault_pretend_purge(void)
{
    pretends_purge = true;
}

long fault_system(long number, long a, long b, long c, long d, long e, long f)
{
    if (pretends_purge && number == SYS_madvise && c == MADV_DONTNEED)
        return 0;
    if (page_size == 0)
        return hak__call6(number, a, b, c, d, e, f);
    if (number == MAPPING_CALL && (d & (MAP_FIXED | MAP_ANONYMOUS)) == MAP_ANONYMOUS)
        return map_pages(number, whole_pages(b), c, d);
    if (number != MAPPING_CALL && number != SYS_munmap && number != SYS_mprotect && number != SYS_madvise &&
        number != SYS_mremap)
        return hak__call6(number, a, b, c, d, e, f);
    if (((size_t)a & (page_size - 1)) != 0) {
        atomic_fetch_add(off_page, 1);
        return -EINVAL;
    }
    b = (long)whole_pages(b);
    return hak__call6(number, a, b, number == SYS_mremap ? (long)whole_pages(c) : c, d, e, f);
}

static const int *answers_to(long number, long operation)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (answers[i].number == number &&
            (answers[i].operation == ANY || answers[i].operation == operation))
            return answers[i].error;
    fprintf(stderr, "faults: what system call %ld answers is not in the table\n", number);
    abort();
}

int fault_of_call(const struct fault_site *site, long number, ...)
{
    start();
    va_list arguments;
    long operation = ANY;
#ifdef SYS_futex
    if (number == SYS_futex) {
        va_start(arguments, number);
        (void)va_arg(arguments, void *);
        operation = va_arg(arguments, int) & FUTEX_BITS;
        va_end(arguments);
    }
#endif
    int saved = errno;
    uint64_t chance = 0;
    int error = decide((int)(site - __start_fault_sites), answers_to(number, operation), &chance);
    if (error != 0 && (chance >> 40 & 1)) {
        va_start(arguments, number);
        leave_traces(number, arguments);
        va_end(arguments);
    }
    errno = saved;
    return error;
}

int fault_of_function(const struct fault_site *site)
{
    static const int errors[ERRORS_MAX] = {ENOMEM, EAGAIN};
    start();
    uint64_t chance = 0;
    return decide((int)(site - __start_fault_sites), errors, &chance);
}

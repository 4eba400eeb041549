/* SPDX-License-Identifier: MIT */
/*
 * Allocates behind a filter like those of OpenSSH and Chromium, as sandbox ACTION WAY THREADS:
 *
 *   ACTION  errno or kill, for everything but the calls and flags below
 *   WAY     prctl or seccomp, the call by which the filter is set
 *   THREADS 0, or how many allocate beside the main thread; they start before the filter; or
 *           locked, for a process whose memory is locked before, as far as it is used
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../preload/test.h"

#define LOW(i) (offsetof(struct seccomp_data, args) + 8 * (i))
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define ALLOW(number) IS(number, 0, 1), RETURN(SECCOMP_RET_ALLOW)
/* an argument must be one of two values */
#define ALLOW_TWO(number, argument, one, other)                                                    \
    IS(number, 0, 5), LOAD(LOW(argument)), IS(one, 1, 0), IS(other, 0, 1),                         \
        RETURN(SECCOMP_RET_ALLOW), RETURN(ACTION)

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

static int set_filter(unsigned action, int by_prctl)
{
#ifdef ARCHITECTURE
    enum { ACTION = 0 }; /* stands for the one that was asked for */
    struct sock_filter filter[] = {
        LOAD(offsetof(struct seccomp_data, arch)),
        IS(ARCHITECTURE, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_munmap),
        ALLOW(SYS_mremap),
        ALLOW(SYS_futex),
        ALLOW(SYS_mlockall),
        ALLOW(SYS_write),
        ALLOW(SYS_exit),
        ALLOW(SYS_exit_group),
        /* what abort and the ending of a thread take */
        ALLOW(SYS_rt_sigprocmask),
        ALLOW_TWO(SYS_madvise, 2, MADV_DONTNEED, MADV_FREE),
        ALLOW_TWO(SYS_mprotect, 2, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE),
        ALLOW_TWO(SYS_mmap, 3, MAP_PRIVATE | MAP_ANONYMOUS, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED),
        RETURN(ACTION),
    };
    for (size_t i = 0; i < sizeof filter / sizeof filter[0]; i++)
        if (filter[i].code == (BPF_RET | BPF_K) && filter[i].k == ACTION)
            filter[i].k = action;
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    return by_prctl ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)
                    : (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                   SECCOMP_FILTER_FLAG_TSYNC, &program);
#else
    (void)action;
    (void)by_prctl;
    errno = ENOSYS;
    return -1;
#endif
}

enum { SLOTS = 500 };

static void churn(unsigned state, int count)
{
    static const size_t largest[] = {200, 2000, 30000, 300000, 6000000};
    void **slots = calloc(SLOTS, sizeof *slots);
    REQUIRE(slots != NULL);
    for (int i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        void **slot = &slots[(state >> 6) % SLOTS];
        size_t size = 1 + (state >> 8) % largest[(state >> 3) % (i % 64 == 0 ? 5 : 3)];
        if (state >> 30 == 0) {
            *slot = realloc(*slot, size);
        } else {
            free(*slot);
            *slot = opaque(malloc(size));
        }
        REQUIRE(*slot != NULL);
        memset(*slot, 1, size < 5000 ? size : 5000);
    }
    for (int i = 0; i < SLOTS; i++)
        free(slots[i]);
    free(slots);
}

/* Many of one size, as a program that grows: new slabs, new regions, all given back. */
static void grow(size_t size, size_t count)
{
    void **all = malloc(count * sizeof *all);
    REQUIRE(all != NULL);
    for (size_t i = 0; i < count; i++)
        REQUIRE((all[i] = opaque(malloc(size))) != NULL);
    for (size_t i = 0; i < count; i++)
        free(all[i]);
    free(all);
}

static pthread_barrier_t started, sealed;

static void *work(void *number)
{
    churn((unsigned)(size_t)number, 100);
    pthread_barrier_wait(&started);
    pthread_barrier_wait(&sealed);
    churn((unsigned)(size_t)number + 77, 20000);
    grow(48, 100000);
    return NULL;
}

/* mlock is no call that a filter must allow; what was locked stays so. */
static int locked(unsigned action, int by_prctl)
{
    enum { LIMIT = 7 << 20, UNPRIVILEGED = 65534, COUNT = 40 };
    struct rlimit most = {LIMIT, LIMIT};
    free(opaque(malloc(100)));
    if (setrlimit(RLIMIT_MEMLOCK, &most) != 0 ||
        (getuid() == 0 && setresuid(UNPRIVILEGED, UNPRIVILEGED, UNPRIVILEGED) != 0) ||
        mlockall(MCL_CURRENT | MCL_FUTURE) != 0 || set_filter(action, by_prctl) != 0) {
        perror("no filter, or nothing locked");
        return 77;
    }
    for (int i = 0; i < COUNT; i++)
        REQUIRE(opaque(malloc(i % 20 == 0 ? 70000 : 10000)) != NULL);
    mlockall(MCL_CURRENT);
    return 0;
}

int main(int count, char **arguments)
{
    REQUIRE(count == 4);
    unsigned action = strcmp(arguments[1], "kill") == 0 ? SECCOMP_RET_KILL_PROCESS
                                                        : SECCOMP_RET_ERRNO | EPERM;
    if (strcmp(arguments[3], "locked") == 0)
        _exit(locked(action, strcmp(arguments[2], "prctl") == 0));
    unsigned threads = (unsigned)atoi(arguments[3]);
    pthread_t thread[8];
    REQUIRE(threads <= 8);
    pthread_barrier_init(&started, NULL, threads + 1);
    pthread_barrier_init(&sealed, NULL, threads + 1);
    for (size_t i = 0; i < threads; i++)
        REQUIRE(pthread_create(&thread[i], NULL, work, (void *)i) == 0);
    churn(1, 100);
    pthread_barrier_wait(&started);
    if (set_filter(action, strcmp(arguments[2], "prctl") == 0) != 0) {
        perror("no filter");
        return 77;
    }
    pthread_barrier_wait(&sealed);
    churn(2, 20000);
    grow(48, 400000);
    grow(3000, 20000);
    grow(200000, 300);
    grow(5000000, 10);
    for (size_t i = 0; i < threads; i++)
        REQUIRE(pthread_join(thread[i], NULL) == 0);
    static const char said[] = "done\n";
    _exit(write(1, said, sizeof said - 1) != (ssize_t)sizeof said - 1);
}

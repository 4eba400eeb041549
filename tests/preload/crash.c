/* SPDX-License-Identifier: MIT */
/* crash CASE: crashes in one of many ways; tests/crash.sh looks at what is said. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

static struct sigaction old;
static sigjmp_buf recovered;
static char *guard;

static void write_to(void *address)
{
    *(volatile char *)opaque(address) = 1;
}

/* Nobody may write to the block any more, if it is there still; says where it is. */
static void *sealed(void *block)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    printf("%p\n", block);
    fflush(stdout);
    void *start = (void *)((uintptr_t)block & ~(page - 1));
    REQUIRE(mprotect(start, page, PROT_READ) == 0 || errno == ENOMEM);
    return block;
}

static void *crash_here(void *address)
{
    write_to(address);
    return NULL;
}

static void in_thread(void)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, crash_here, (void *)0x1230) == 0);
    pthread_join(thread, NULL);
}

static void own(int number)
{
    (void)number;
    static const char text[] = "the program's own handler\n";
    _exit(write(1, text, sizeof text - 1) > 0 ? 3 : 4);
}

/* As a virtual machine does: faults in its guard page are its business, others its predecessor's. */
static void recover(int number, siginfo_t *info, void *context)
{
    if (info->si_addr == guard)
        siglongjmp(recovered, 1);
    if (old.sa_flags & SA_SIGINFO)
        old.sa_sigaction(number, info, context);
    else
        sigaction(number, &old, NULL);
}

static void recovering(void)
{
    guard = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sigaction action = {.sa_sigaction = recover, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, &old);
    for (volatile int i = 0; i < 3; i++)
        if (sigsetjmp(recovered, 1) == 0)
            write_to(guard);
    puts("recovered");
    fflush(stdout);
    write_to((void *)0x4560);
}

typedef void function(void);

static void call(function *where)
{
    where();
    puts("came back");
}

static volatile int deepest = INT_MAX;

static int deeper(int depth)
{
    volatile char frame[10000];
    frame[depth % 10000] = 1;
    return depth == deepest ? 0 : deeper(depth + 1) + frame[(depth + 1) % 10000];
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "null") == 0)
        write_to(NULL);
    else if (strcmp(name, "freed") == 0)
        write_to((char *)sealed(freed(100)) + 20);
    else if (strcmp(name, "freed-large") == 0)
        write_to((char *)sealed(freed(200000)) + 20);
    else if (strcmp(name, "live") == 0)
        write_to((char *)sealed(opaque(malloc(100))) + 20);
    else if (strcmp(name, "inside") == 0)
        write_to((char *)sealed((char *)opaque(malloc(1000000)) + 300000) + 20);
    else if (strcmp(name, "deep-inside") == 0)
        write_to((char *)sealed((char *)opaque(malloc((size_t)100 << 20)) + 60000000) + 20);
    else if (strcmp(name, "thread") == 0)
        in_thread();
    else if (strcmp(name, "abort") == 0)
        abort();
    else if (strcmp(name, "nowhere") == 0)
        call((function *)(uintptr_t)opaque(NULL));
    else if (strcmp(name, "kill") == 0)
        kill(getpid(), SIGSEGV);
    else if (strcmp(name, "double-free") == 0)
        free(opaque(freed(100)));
    else if (strcmp(name, "stack") == 0)
        return deeper(0);
    else if (strcmp(name, "recover") == 0)
        recovering();
    else if (strcmp(name, "load") == 0) {
        alarm(60); /* ends a report that waits for the dynamic linker */
        dlopen("./load.so", RTLD_NOW);
    } else if (strcmp(name, "stripped") == 0) {
        write_to(NULL);
    } else if (strcmp(name, "gone") == 0) {
        unlink(argv[0]);
        write_to(NULL);
    } else if (strcmp(name, "own") == 0) {
        signal(SIGSEGV, own);
        write_to(NULL);
    }
    return 0;
}

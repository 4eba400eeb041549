/* SPDX-License-Identifier: MIT */
/* main --list | [--end] CASE: see cases.h. With --end the program ends in place of waiting. */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"

#define MUST(condition) ((condition) ? (void)0 : failed(#condition, __LINE__))

enum { FOUND_MAX = 4096, STACK = 1 << 20 };

static struct {
    uintptr_t inverted;
    enum verdict verdict;
} found[FOUND_MAX];
static size_t found_count;
static uintptr_t inverted;
static bool ends;
static sem_t ready;

static void failed(const char *condition, int line)
{
    fprintf(stderr, "main.c:%d: not true: %s\n", line, condition);
    exit(99);
}

void *block(size_t size)
{
    void *pointer = malloc(size);
    MUST(pointer != NULL);
    return memset(pointer, 0, malloc_usable_size(pointer));
}

void *lost(enum verdict verdict, void *address)
{
    MUST(found_count < FOUND_MAX);
    found[found_count].inverted = ~(uintptr_t)address;
    found[found_count++].verdict = verdict;
    return address;
}

void hide(void *pointer)
{
    inverted = ~(uintptr_t)pointer;
}

void *hidden(void)
{
    return (void *)~inverted;
}

static void *call(void *function)
{
    void (*run)(void);
    memcpy(&run, &function, sizeof run);
    run();
    return NULL;
}

static void *pointer_to(void (*function)(void))
{
    void *pointer;
    memcpy(&pointer, &function, sizeof pointer);
    return pointer;
}

/* On a stack that is empty then. Its addresses stay its own: the caller still has some of them. */
static void without_trace(void (*function)(void))
{
    static void *stack;
    if (stack == NULL)
        stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(stack != MAP_FAILED);
    pthread_attr_t attributes;
    pthread_t thread;
    MUST(pthread_attr_init(&attributes) == 0);
    MUST(pthread_attr_setstack(&attributes, stack, STACK) == 0);
    MUST(pthread_create(&thread, &attributes, call, pointer_to(function)) == 0);
    MUST(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
    MUST(madvise(stack, STACK, MADV_DONTNEED) == 0);
}

void held(void)
{
    MUST(sem_post(&ready) == 0);
}

void on_thread_that_stays(void (*function)(void))
{
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, call, pointer_to(function)) == 0);
    pthread_detach(thread);
    while (sem_wait(&ready) != 0)
        ;
}

void on_thread_that_ends(void (*function)(void))
{
    pthread_t thread;
    MUST(pthread_create(&thread, NULL, call, pointer_to(function)) == 0);
    MUST(pthread_join(thread, NULL) == 0);
}

static void print_found(void)
{
    static const char *const names[VERDICTS] = {"direct", "indirect", "ring"};
    dprintf(STDOUT_FILENO, "process %d", (int)getpid());
    for (unsigned verdict = 0; verdict < VERDICTS; verdict++) {
        dprintf(STDOUT_FILENO, " %s", names[verdict]);
        for (size_t i = 0; i < found_count; i++) {
            if (found[i].verdict == verdict)
                dprintf(STDOUT_FILENO, " 0x%zx", (size_t)~found[i].inverted);
        }
    }
    dprintf(STDOUT_FILENO, " end\n");
}

/* A function may leave anything in the registers that its caller does not expect to survive. */
static void clear_registers(void)
{
#if defined __x86_64__
    __asm__ volatile(
        "xor %%eax, %%eax\n\txor %%ecx, %%ecx\n\txor %%edx, %%edx\n\txor %%esi, %%esi\n\t"
        "xor %%edi, %%edi\n\txor %%r8d, %%r8d\n\txor %%r9d, %%r9d\n\t"
        "xor %%r10d, %%r10d\n\txor %%r11d, %%r11d"
        :
        :
        : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
    if (__builtin_cpu_supports("avx"))
        __asm__ volatile("vzeroall");
    else
        __asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1" : : : "xmm0", "xmm1");
#endif
}

void stay(void)
{
    clear_registers();
    for (;;)
        pause();
}

void wait_here(void)
{
    without_trace(print_found);
    if (ends)
        exit(0);
    stay();
}

int main(int argc, char **argv)
{
    const struct leak_case *tables[] = {shape_cases, root_cases, other_root_cases, memory_cases,
                                        container_cases};
    ends = argc > 2 && strcmp(argv[1], "--end") == 0;
    const char *name = argc > 1 ? argv[argc - 1] : "--list";
    MUST(sem_init(&ready, 0, 0) == 0);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        for (const struct leak_case *one = tables[i]; one->name != NULL; one++) {
            if (strcmp(name, "--list") == 0)
                printf("%-16s %s\n", one->name, one->what);
            if (strcmp(name, one->name) != 0)
                continue;
            if (one->run != NULL)
                without_trace(one->run);
            if (one->hold != NULL)
                one->hold();
            wait_here();
        }
    }
    return strcmp(name, "--list") == 0 ? 0 : 2;
}

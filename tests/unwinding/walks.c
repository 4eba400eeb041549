/* SPDX-License-Identifier: MIT */
/* Stacks of many kinds, each walked from within malloc. */
#define _GNU_SOURCE
#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "take.h"

static volatile int sink = 1;

/* ---- frames of functions --------------------------------------------------- */

static FRAME int plain(int a, int b, double c)
{
    take("plain");
    return a + b + (int)c + sink;
}

static FRAME int with_alloca(size_t size)
{
    char *area = alloca(size);
    memset(area, sink, size);
    int result = plain(1, 2, 3.0) + area[size / 2];
    STAY();
    return result;
}

static FRAME int aligned(int n)
{
    _Alignas(64) volatile char area[256];
    area[n] = (char)n;
    int result = with_alloca((size_t)n * 10) + area[n];
    STAY();
    return result;
}

static FRAME int aligned_with_vla(int n)
{
    _Alignas(128) volatile char area[n * 10];
    area[n] = (char)n;
    int result = aligned(n) + area[n];
    STAY();
    return result;
}

static FRAME int large(int n)
{
    volatile char area[100000];
    area[n] = 1;
    int result = aligned_with_vla(n) + area[n];
    STAY();
    return result;
}

/* Arguments on the stack, and all registers in use. */
static FRAME int many(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j)
{
    int first = a * b + sink, second = c * d + sink, third = e * f + sink, fourth = g * h + sink, fifth = i * j;
    int result = large(50) + large(51);
    STAY();
    return result + first + second + third + fourth + fifth;
}

static FRAME int deep(int depth)
{
    int result = depth;
    if (depth > 0)
        result += deep(depth - 1);
    else
        take("deep");
    STAY();
    return result;
}

/* ---- called by libraries --------------------------------------------------- */

static bool compare_takes;

static FRAME int compare(const void *left, const void *right)
{
    if (compare_takes)
        take("called by qsort");
    compare_takes = false;
    return *(const int *)left - *(const int *)right;
}

static FRAME void sort(int most)
{
    int numbers[3000];
    for (int i = 0; i < most; i++)
        numbers[i] = i * 7919 % 3001;
    qsort(numbers, (size_t)most, sizeof *numbers, compare);
    sink = numbers[0];
    STAY();
}

static FRAME void once(void)
{
    take("called by pthread_once");
    STAY();
}

static void __attribute__((constructor)) before_main(void)
{
    take_start();
    take("constructor");
    STAY();
}

/* What the dynamic linker allocates is for a debugger to compare. */
static FRAME void libraries(void)
{
    pthread_once_t control = PTHREAD_ONCE_INIT;
    compare_takes = true;
    sort(100);
    compare_takes = true;
    sort(3000);
    pthread_once(&control, once);
#ifndef STATIC
    void *handle = dlopen("libanl.so.1", RTLD_LAZY);
    if (handle != NULL)
        dlclose(handle);
#endif
}

/* ---- signals --------------------------------------------------------------- */

static FRAME void in_handler(int number)
{
    take("signal");
    if (number == SIGUSR1)
        raise(SIGUSR2);
    STAY();
}

static FRAME void interrupted(void)
{
    raise(SIGUSR1);
    STAY();
}

static void set_handler(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(number, &action, NULL);
}

static sigjmp_buf out;

static FRAME void fault_handler(int number)
{
    take(number == SIGSEGV ? "fault" : "division");
    siglongjmp(out, 1);
}

static FRAME int faulty(volatile int *null)
{
    return *null;
}

static FRAME int divides(int by)
{
    volatile int zero = by;
    return 1 / zero;
}

static FRAME void signals(void)
{
    static volatile int *null;
    set_handler(SIGUSR1, in_handler, 0);
    set_handler(SIGUSR2, in_handler, 0);
    interrupted();
    size_t size = (size_t)sysconf(_SC_SIGSTKSZ) + 65536;
    stack_t stack = {.ss_sp = malloc(size), .ss_size = size};
    sigaltstack(&stack, NULL);
    set_handler(SIGUSR1, in_handler, SA_ONSTACK);
    set_handler(SIGSEGV, fault_handler, SA_ONSTACK);
    set_handler(SIGFPE, fault_handler, SA_ONSTACK);
    interrupted();
    if (sigsetjmp(out, 1) == 0)
        sink = faulty(null);
#if defined(__x86_64__) || defined(__i386__)
    if (sigsetjmp(out, 1) == 0)
        sink = divides(0);
#endif
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    free(stack.ss_sp);
}

/* ---- other stacks ---------------------------------------------------------- */

enum { STACK_SIZE = 64 << 10 };
static ucontext_t back, coroutine;

static FRAME void deeper(int depth, const char *name)
{
    if (depth > 0)
        deeper(depth - 1, name);
    else
        take(name);
    STAY();
}

static FRAME void in_coroutine(void)
{
    deeper(3, "coroutine");
    swapcontext(&coroutine, &back);
    deeper(5, "coroutine, entered again");
    STAY();
}

static FRAME void coroutines(void)
{
    void *stack = malloc(STACK_SIZE);
    getcontext(&coroutine);
    coroutine.uc_stack.ss_sp = stack;
    coroutine.uc_stack.ss_size = STACK_SIZE;
    coroutine.uc_link = &back;
    makecontext(&coroutine, in_coroutine, 0);
    swapcontext(&back, &coroutine);
    swapcontext(&back, &coroutine);
    free(stack);
}

#if defined(__x86_64__)
/* Of the kind that libraries of coroutines make by hand: without tables, and with 0 where the stack begins. */
static void *own_sp;
static FRAME __attribute__((used)) void on_own_stack(void)
{
    deeper(4, "stack made by hand");
    STAY();
}
void switch_to(void *top, void **from);
__asm__(".text\n.globl switch_to\n.type switch_to, @function\nswitch_to:\n\t"
        "push %rbp\n\tpush %rbx\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
        "mov %rsp, (%rsi)\n\tmov %rdi, %rsp\n\txor %ebp, %ebp\n\tjmp enter_own\n"
        "enter_own:\n\tmov %rsi, %rbx\n\tcall *(%rsp)\n\tmov (%rbx), %rsp\n\t"
        "pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbx\n\tpop %rbp\n\tret\n\t.size switch_to, . - switch_to");

static FRAME void own_stack(void)
{
    char *stack = calloc(1, STACK_SIZE);
    void **top = (void **)(void *)(stack + STACK_SIZE) - 4;
    top[0] = (void *)on_own_stack;
    switch_to(top, &own_sp);
    free(stack);
    STAY();
}
#else
static void own_stack(void) {}
#endif

/* ---- threads --------------------------------------------------------------- */

static FRAME void cleanup(void *unused)
{
    (void)unused;
    take("while a thread is cancelled");
}

static FRAME void leave(void)
{
    pthread_exit(NULL);
}

static FRAME void *in_thread(void *unused)
{
    deeper(2, "thread");
    pthread_cleanup_push(cleanup, NULL);
    if (unused != NULL)
        leave();
    pthread_cleanup_pop(0);
    STAY();
    return unused;
}

static FRAME void thread_of(size_t size, void *(*start)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, size);
    if (pthread_create(&thread, &attributes, start, argument) != 0)
        abort();
    pthread_join(thread, NULL);
}

/* ---- at each instruction --------------------------------------------------- */

#if defined(__x86_64__)
static volatile bool over;
static unsigned long places;

static void at_instruction(int number)
{
    (void)number;
    if (over)
        return;
    places++;
    take_and_compare("an instruction");
}

static FRAME int busy(int n)
{
    char copied[64], line[64];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* in the vDSO */
    int numbers[5] = {5, n, 2, 4, 1};
    qsort(numbers, 5, sizeof *numbers, compare);
    snprintf(line, sizeof line, "%d", n);
    strcpy(copied, line);
    int result = (int)strlen(copied) + numbers[0] + (now.tv_nsec == 1);
    STAY();
    return result;
}

static FRAME void stepped(void)
{
    set_handler(SIGTRAP, at_instruction, 0);
    sink = busy(7);
    over = false;
    __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq" : : : "memory", "cc");
    sink = busy(7);
    over = true;
    __asm__ volatile("pushfq; andl $0xfffffeff, (%%rsp); popfq" : : : "memory", "cc");
    printf("%lu instructions\n", places);
}
#else
static void stepped(void) {}
#endif

int main(void)
{
    many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    deep(20);
    deep(300);
    libraries();
    signals();
    coroutines();
    own_stack();
    thread_of(256 << 10, in_thread, NULL);
    thread_of(256 << 10, in_thread, &coroutine);
    int wrong = take_compare();
#ifdef WITH_LIBUNWIND
    if (!take_is_quick())
        stepped();
#endif
    printf("%lu stacks, %lu frames, %d differ\n", take_stacks, take_frames, wrong);
    return wrong != 0;
}

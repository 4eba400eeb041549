/* SPDX-License-Identifier: MIT */
/* Blocks that threads hold: in their stacks, registers and variables; and what is left of threads.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "cases.h"

static __thread void *of_thread;

static void store_in_thread(void)
{
    of_thread = block(100);
    *(void **)of_thread = block(200);
}

static void hold_in_main_thread(void)
{
    store_in_thread();
    wait_here();
}

static void store_in_thread_and_stay(void)
{
    store_in_thread();
    held();
    stay();
}

static void keep_in_thread(void)
{
    on_thread_that_stays(store_in_thread_and_stay);
}

static void store_in_ending_thread(void)
{
    of_thread = lost(DIRECT, block(100));
    *(void **)of_thread = lost(INDIRECT, block(200));
}

static void lose_in_thread(void)
{
    on_thread_that_ends(store_in_ending_thread);
}

/* keys of two levels: the second is allocated by the C library, and reachable from the thread alone
 */
static void store_by_keys(void)
{
    for (int i = 0; i < 100; i++) {
        pthread_key_t key;
        if (pthread_key_create(&key, NULL) != 0 || pthread_setspecific(key, block(30)) != 0)
            abort();
    }
    held();
    stay();
}

static void keep_by_keys(void)
{
    on_thread_that_stays(store_by_keys);
}

__attribute__((noinline)) static void on_stack(void (*then)(void))
{
    void *volatile local[50];
    for (int i = 0; i < 50; i++)
        local[i] = block(70);
    then();
    (void)local[0];
}

static void hold_on_main_stack(void)
{
    on_stack(wait_here);
}

static void held_and_stay(void)
{
    held();
    stay();
}

static void store_on_stack(void)
{
    on_stack(held_and_stay);
}

static void keep_on_stack(void)
{
    on_thread_that_stays(store_on_stack);
}

/* The C library keeps the stack of an ended thread for the next one, with what is on it. */
__attribute__((noinline)) static void leave_shallow(void)
{
    void *volatile local[2];
    local[0] = lost(DIRECT, block(70));
    local[1] = lost(DIRECT, block(70));
    (void)local[0];
}

__attribute__((noinline)) static void leave_deep(void)
{
    volatile char room[100000];
    leave_shallow();
    room[0] = 0;
    (void)room[0];
}

static void lose_on_shallow_stack(void)
{
    on_thread_that_ends(leave_shallow);
}

static void lose_on_deep_stack(void)
{
    on_thread_that_ends(leave_deep);
}

/* So often that what the C library runs at the end of a thread does not overwrite all of it. */
__attribute__((noinline)) static void leave_many_times(void)
{
    void *volatile local[1500];
    void *address = lost(DIRECT, block(70));
    for (int i = 0; i < 1500; i++)
        local[i] = address;
    (void)local[0];
}

/* The stack is mapped below other memory, which is in use, and the kernel joins the two where both are for stacks. */
static void lose_on_joined_stack(void)
{
    enum { ABOVE = 64 << 10 };
    pthread_attr_t defaults;
    size_t size;
    if (pthread_attr_init(&defaults) != 0 || pthread_attr_getstacksize(&defaults, &size) != 0)
        abort();
    pthread_attr_destroy(&defaults);
    char *place = mmap(NULL, size + ABOVE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (place == MAP_FAILED)
        abort();
    *(void **)(void *)(place + size) = block(50);
    munmap(place, size);
    on_thread_that_ends(leave_many_times);
}

static void *do_nothing(void *nothing)
{
    return nothing;
}

/* The C library keeps only stacks that it has mapped itself: this one is the program's again, as for a coroutine. */
static void keep_on_own_stack(void)
{
    enum { GUARD = 64 << 10, SIZE = 256 << 10 };
    pthread_attr_t attributes;
    pthread_t thread;
    char *place = mmap(NULL, GUARD + SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *stack = place + GUARD;
    if (place == MAP_FAILED || mprotect(stack, SIZE, PROT_READ | PROT_WRITE) != 0 ||
        pthread_attr_init(&attributes) != 0 || pthread_attr_setstack(&attributes, stack, SIZE) != 0 ||
        pthread_create(&thread, &attributes, do_nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
        abort();
    pthread_attr_destroy(&attributes);
    *(void **)(void *)(stack + SIZE / 2) = block(60);
}

/* what a function that has returned left below the stack of a thread that goes on */
static void leave_and_stay(void)
{
    leave_deep();
    held();
    stay();
}

static void lose_below_stack(void)
{
    on_thread_that_stays(leave_and_stay);
}

/* the same, beside words of the stack that look like the place and size of a stack in struct pthread */
static void leave_and_mislead(void)
{
    volatile uintptr_t like[3];
    leave_deep();
    like[0] = ((uintptr_t)like - 1024) & ~(uintptr_t)15;
    like[1] = 4096;
    like[2] = 0;
    held();
    stay();
    (void)like[0];
}

static void lose_below_misleading_stack(void)
{
    on_thread_that_stays(leave_and_mislead);
}

/*
 * The thread waits in pause with the address in one register, which the system call preserves, or
 * in the red zone below its stack pointer, and nowhere else.
 */
static void hold_in_register(void)
{
#if defined __x86_64__
    __asm__ volatile("mov %0, %%r13\n\tnot %%r13\n1:\tmov %1, %%eax\n\tsyscall\n\tjmp 1b"
                     :
                     : "r"(~(uintptr_t)hidden()), "i"(SYS_pause)
                     : "r13", "rax", "rcx", "r11", "memory");
#endif
}

static void hold_in_red_zone(void)
{
#if defined __x86_64__
    __asm__ volatile("mov %0, %%r13\n\tnot %%r13\n\tmov %%r13, -120(%%rsp)\n\txor %%r13, %%r13\n"
                     "1:\tmov %1, %%eax\n\tsyscall\n\tjmp 1b"
                     :
                     : "r"(~(uintptr_t)hidden()), "i"(SYS_pause)
                     : "r13", "rax", "rcx", "r11", "memory");
#endif
}

/* In a vector register: calls leave anything there, and so what stands there during one made by the C library is dead. */
static void lose_in_vector_register(void)
{
#if defined __x86_64__
    __asm__ volatile("mov %0, %%r13\n\tnot %%r13\n\tmovq %%r13, %%xmm8\n\txor %%r13, %%r13"
                     :
                     : "r"(~(uintptr_t)hidden())
                     : "r13", "xmm8");
#endif
    for (;;)
        pause();
}

/* The kernel preserves it, and so may the compiler have it there around this instruction. */
static void hold_in_vector_register(void)
{
#if defined __x86_64__
    __asm__ volatile("mov %0, %%r13\n\tnot %%r13\n\tmovq %%r13, %%xmm8\n\txor %%r13, %%r13\n"
                     "1:\tmov %1, %%eax\n\tsyscall\n\tjmp 1b"
                     :
                     : "r"(~(uintptr_t)hidden()), "i"(SYS_pause)
                     : "r13", "rax", "rcx", "r11", "xmm8", "memory");
#endif
}

static void run_with_vector_register(void)
{
#if defined __x86_64__
    __asm__ volatile("mov %0, %%r13\n\tnot %%r13\n\tmovq %%r13, %%xmm8\n\txor %%r13, %%r13\n"
                     "1:\tpause\n\tjmp 1b"
                     :
                     : "r"(~(uintptr_t)hidden())
                     : "r13", "xmm8", "memory");
#endif
}

/* hidden() leaves the address in no register: the compiler folds the two inversions */
static void hold_in_register_of_thread(void)
{
    held();
    hold_in_register();
    on_stack(stay); /* elsewhere than on x86-64 */
}

static void hold_in_red_zone_of_thread(void)
{
    held();
    hold_in_red_zone();
    on_stack(stay);
}

static void hold_in_vector_register_of_thread(void)
{
    held();
    hold_in_vector_register();
    on_stack(stay);
}

static void run_with_vector_register_in_thread(void)
{
    held();
    run_with_vector_register();
    on_stack(stay);
}

static void keep_in_vector_register(void)
{
#if defined __x86_64__
    hide(block(300));
#endif
    on_thread_that_stays(hold_in_vector_register_of_thread);
}

static void keep_in_vector_register_of_running(void)
{
#if defined __x86_64__
    hide(block(300));
#endif
    on_thread_that_stays(run_with_vector_register_in_thread);
}

static void leave_in_vector_register_of_thread(void)
{
    held();
    lose_in_vector_register();
}

static void leave_in_vector_register(void)
{
    hide(lost(DIRECT, block(300)));
    on_thread_that_stays(leave_in_vector_register_of_thread);
}

static void keep_in_register(void)
{
#if defined __x86_64__
    hide(block(300));
#endif
    on_thread_that_stays(hold_in_register_of_thread);
}

static void keep_in_red_zone(void)
{
#if defined __x86_64__
    hide(block(300));
#endif
    on_thread_that_stays(hold_in_red_zone_of_thread);
}

/* in a signal handler on a stack of its own: the thread's stack pointer is there, and the thread's
 * stack, and the registers that the kernel has saved, are as live as before */
static void handle(int number)
{
    (void)number;
    void *volatile local = block(90);
    held();
    stay();
    (void)local;
}

static void raise_signal(void)
{
    pthread_kill(pthread_self(), SIGUSR1);
}

static void in_handler(void)
{
    stack_t stack = {.ss_sp = block(64 << 10), .ss_size = 64 << 10};
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
    if (sigaltstack(&stack, NULL) != 0 || sigaction(SIGUSR1, &action, NULL) != 0)
        abort();
    on_stack(raise_signal);
}

static void keep_under_handler(void)
{
    on_thread_that_stays(in_handler);
}

static void handle_and_wait(int number)
{
    (void)number;
    wait_here();
}

static void hold_under_main_handler(void)
{
    static char bytes[256 << 10];
    stack_t stack = {.ss_sp = bytes, .ss_size = sizeof bytes};
    struct sigaction action = {.sa_handler = handle_and_wait, .sa_flags = SA_ONSTACK};
    if (sigaltstack(&stack, NULL) != 0 || sigaction(SIGUSR1, &action, NULL) != 0)
        abort();
    on_stack(raise_signal);
}

/* coroutines: one runs on a stack that is a block, another waits, with its registers in a static
 * record */
static ucontext_t waiting, other, runs;

static void wait_in_coroutine(void)
{
    if (swapcontext(&other, &runs) != 0)
        abort();
}

static void first_coroutine(void)
{
    on_stack(wait_in_coroutine);
}

static void second_coroutine(void)
{
    on_stack(held_and_stay);
}

static void start(ucontext_t *context, void *stack, size_t size, void (*function)(void))
{
    if (getcontext(context) != 0)
        abort();
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = size;
    makecontext(context, function, 0);
}

static void switch_to_coroutines(void)
{
    if (swapcontext(&waiting, &other) != 0)
        abort();
}

static void begin_coroutines(void)
{
    enum { SIZE = 128 << 10 };
    start(&other, block(SIZE), SIZE, first_coroutine);
    start(&runs, mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), SIZE,
          second_coroutine);
    on_stack(switch_to_coroutines);
}

static void keep_by_coroutines(void)
{
    on_thread_that_stays(begin_coroutines);
}

const struct leak_case root_cases[] = {
    {"thread-main", NULL, hold_in_main_thread, "in a thread-local variable of the main thread"},
    {"thread-other", keep_in_thread, NULL, "in a thread-local variable of another thread"},
    {"thread-ended", lose_in_thread, NULL, "in a thread-local variable of an ended thread: lost"},
    {"keys", keep_by_keys, NULL, "by pthread_setspecific, more than fit into the thread's record"},
    {"stack-main", NULL, hold_on_main_stack, "on the stack of the main thread"},
    {"stack-other", keep_on_stack, NULL, "on the stack of another thread"},
    {"stack-ended", lose_on_shallow_stack, NULL, "on the stack of an ended thread: lost"},
    {"stack-deep", lose_on_deep_stack, NULL, "deep on the stack of an ended thread: lost"},
    {"stack-joined", lose_on_joined_stack, NULL, "on the stack of an ended thread, joined with other memory: lost"},
    {"stack-own", keep_on_own_stack, NULL, "on a stack that the program had mapped for a thread, which has ended"},
    {"stack-below", lose_below_stack, NULL, "below the stack of a thread: lost"},
    {"stack-misleading", lose_below_misleading_stack, NULL,
     "below the stack of a thread that has words like those of struct pthread: lost"},
    {"register", keep_in_register, NULL, "in a register of a thread"},
    {"vector-ended", leave_in_vector_register, NULL,
     "in a vector register of a thread that is in a call of the C library: lost"},
    {"vector-call", keep_in_vector_register, NULL, "in a vector register of a thread that makes a system call itself"},
    {"vector-running", keep_in_vector_register_of_running, NULL, "in a vector register of a thread that runs"},
    {"red-zone", keep_in_red_zone, NULL, "in the red zone below the stack of a thread"},
    {"handler", keep_under_handler, NULL,
     "on a stack whose thread is in a signal handler elsewhere"},
    {"handler-main", NULL, hold_under_main_handler, "on the main stack, in a handler elsewhere"},
    {"coroutines", keep_by_coroutines, NULL, "on stacks that are blocks or mapped, and below them"},
    {NULL, NULL, NULL, NULL},
};

/* SPDX-License-Identifier: MIT */
/* The way back through code without tables that changes stacks by hand, as Go's does to call C. */
#include "unwind_far.h"

#include <stdint.h>

#include "profile/unwind.h"

#if defined(__x86_64__) && defined(__LP64__)
enum { APART_SIZE = 2048, DEPTH = 64 }; /* as in unwind_test.c */

static uintptr_t place[DEPTH];
static int count;

static __attribute__((noinline)) void follow_far(void)
{
    struct hak_registers registers;
    struct hak_walk walk;
    hak__registers_here(&registers);
    hak__walk_begin(&walk, &registers);
    count = 0;
    do
        place[count++] = hak__walk_place(&walk);
    while (count < DEPTH && hak__walk_step(&walk));
}

void on_stack(void (*call)(void), void *stack);
__asm__(".text\n\t.globl on_stack\n\t.type on_stack, @function\non_stack:\n\t"
        "pushq %rbp\n\tmovq %rsp, %rbp\n\tcall change_stack\n\tpopq %rbp\n\tret\n\t"
        ".size on_stack, . - on_stack\n\t.type change_stack, @function\nchange_stack:\n\t"
        "movq %rsp, %rax\n\tmovq %rsi, %rsp\n\tpushq %rax\n\tpushq %rax\n\tcall *%rdi\n\t"
        "popq %rax\n\tpopq %rsp\n\tret\n\t.size change_stack, . - change_stack");

static __attribute__((noinline)) void calls_far(void)
{
    static _Alignas(16) char stack[64 << 10];
    on_stack(follow_far, stack + sizeof stack);
    __asm__ volatile("" : : : "memory");
}

START_TEST(stack_changed_by_hand)
{
    int times = 0;
    calls_far();
    for (int i = 0; i < count; i++)
        times += place[i] - (uintptr_t)calls_far < APART_SIZE;
    ck_assert_int_eq(times, 1);
}
END_TEST

void add_far_tests(TCase *tests)
{
    tcase_add_test(tests, stack_changed_by_hand);
}
#else
void add_far_tests(TCase *tests)
{
    (void)tests;
}
#endif

/* SPDX-License-Identifier: MIT */
/* The way back from a place in the program to its callers. */
#define _GNU_SOURCE
#include "profile/unwind.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "base/compiler.h"
#include "unit.h"
#include "unwind_far.h"

/* Functions stand so far apart (tests/Makemodule.am): by its address one tells which one a place is in. */
enum { APART_SIZE = 2048 };
#define APART __attribute__((noinline))
/* After a call, so that it is none in place of a return. */
#define STAY() __asm__ volatile("" : : : "memory")

enum { MOST = 256 };

struct found {
    uintptr_t place[MOST];
    int count;
};

static void follow(const struct hak_registers *registers, struct found *found)
{
    struct hak_walk walk;
    hak__walk_begin(&walk, registers);
    found->count = 0;
    do
        found->place[found->count++] = hak__walk_place(&walk);
    while (found->count < MOST && hak__walk_step(&walk));
}

static APART void follow_here(struct found *found)
{
    struct hak_registers registers;
    hak__registers_here(&registers);
    follow(&registers, found);
    STAY();
}

static bool is_in(uintptr_t place, const void *function)
{
    return place - (uintptr_t)function < APART_SIZE;
}

/* How many of the places are in a function. */
static int times(const struct found *found, const void *function)
{
    int count = 0;
    for (int i = 0; i < found->count; i++)
        count += is_in(found->place[i], function);
    return count;
}

/* ---- what others find ------------------------------------------------------ */

static APART int aligned_deep(int depth, struct found *found, void **others, int *count);

static APART int deep(int depth, struct found *found, void **others, int *count)
{
    int result = depth;
    if (depth > 0) {
        result += aligned_deep(depth - 1, found, others, count);
    } else {
        errno = 1234;
        follow_here(found);
        ck_assert_int_eq(errno, 1234);
        *count = backtrace(others, MOST);
    }
    STAY();
    return result;
}

/* Its frame is found by an expression. */
static APART int aligned_deep(int depth, struct found *found, void **others, int *count)
{
    _Alignas(64) volatile char aligned[100];
    aligned[0] = (char)depth;
    int result = deep(depth, found, others, count) + aligned[0];
    STAY();
    return result;
}

START_TEST(same_as_libgcc)
{
    struct found found;
    void *others[MOST];
    int count = 0;
    for (int round = 0; round < 2; round++) { /* by the tables, then from the cache */
        deep(30, &found, others, &count);
        /* the first are in follow_here and where deep makes its two calls */
        ck_assert_int_eq(found.count, count + 1);
        ck_assert_int_eq(times(&found, (void *)deep), 31);
        for (int i = 2; i < found.count; i++)
            ck_assert_uint_eq(found.place[i] + 1, (uintptr_t)others[i - 1]);
    }
}
END_TEST

/* ---- at every instruction -------------------------------------------------- */

#if defined(__x86_64__)
static struct {
    volatile bool over;
    unsigned long places, lost, deepest;
    uintptr_t first_lost;
} stepped;

static APART void single(void);

static void read_context(struct hak_registers *registers, const ucontext_t *context)
{
    static const int order[HAK_REGISTERS] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                             REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                             REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    for (int i = 0; i < HAK_REGISTERS; i++)
        registers->value[i] = (uintptr_t)context->uc_mcontext.gregs[order[i]];
    registers->known = ((uint64_t)1 << HAK_REGISTERS) - 1;
}

static void at_instruction(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (stepped.over)
        return;
    struct hak_registers registers;
    struct found found;
    read_context(&registers, context);
    follow(&registers, &found);
    stepped.places++;
    if ((unsigned long)found.count > stepped.deepest)
        stepped.deepest = (unsigned long)found.count;
    if (times(&found, (void *)single) == 0 && stepped.lost++ == 0)
        stepped.first_lost = registers.value[HAK_REGISTER_PC];
}

static APART int compare(const void *left, const void *right)
{
    return *(const int *)left - *(const int *)right;
}

/* Calls through the PLT and back, frames with and without saved registers. */
static APART int busy(int depth)
{
    char text[64];
    int numbers[24];
    for (int i = 0; i < 24; i++)
        numbers[i] = i * 7919 % 64;
    qsort(numbers, 24, sizeof *numbers, compare);
    snprintf(text, sizeof text, "%d %s %f", depth, "text", depth * 1.5);
    int result = numbers[3] + text[0];
    if (depth > 0)
        result += busy(depth - 1);
    STAY();
    return result;
}

static APART void single(void)
{
    raise(SIGUSR2); /* so that all functions are bound */
    __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq" : : : "memory", "cc");
    busy(2);
    raise(SIGUSR2); /* through the frame of a signal */
    stepped.over = true; /* what moves the stack pointer now says so in no table */
    __asm__ volatile("pushfq; andl $0xfffffeff, (%%rsp); popfq" : : : "memory", "cc");
}

static void do_busy(int signal)
{
    (void)signal;
    busy(1);
}

START_TEST(every_instruction)
{
    struct sigaction action = {.sa_sigaction = at_instruction, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, NULL);
    signal(SIGUSR2, do_busy);
    busy(2);
    single();
    ck_assert_uint_gt(stepped.places, 5000);
    ck_assert_uint_gt(stepped.deepest, 8);
    ck_assert_msg(stepped.lost == 0, "%lu of %lu, the first at %#jx", stepped.lost, stepped.places,
                  (uintmax_t)stepped.first_lost);
}
END_TEST

/* ---- a signal at the first instruction of a function ------------------------- */

void at_its_first(void);
__asm__(".text\n\t.p2align 11\n\t.globl at_its_first\n\t.type at_its_first, @function\nat_its_first:\n\t.cfi_startproc\n\t"
        "ud2\n\tret\n\t.cfi_endproc\n\t.size at_its_first, . - at_its_first");

static struct found interrupted_at;

static APART void pass_over(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    enum { UD2_SIZE = 2 };
    follow_here(&interrupted_at);
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += UD2_SIZE;
}

static APART void calls_it(void)
{
    at_its_first();
    STAY();
}

START_TEST(signal_at_the_first_instruction)
{
    struct sigaction action = {.sa_sigaction = pass_over, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    calls_it();
    ck_assert_int_eq(times(&interrupted_at, (void *)at_its_first), 1);
    ck_assert_int_eq(times(&interrupted_at, (void *)calls_it), 1);
}
END_TEST

/* ---- a table with an offset where an expression gives the frame -------------- */

static struct found odd_found;
void follow_odd(void);
APART void follow_odd(void)
{
    follow_here(&odd_found);
    STAY();
}

/* rsp + 16, by an expression, then an offset, which makes no sense */
void odd(void);
__asm__(".text\n\t.p2align 11\n\t.globl odd\n\t.type odd, @function\nodd:\n\t.cfi_startproc\n\tsubq $8, %rsp\n\t"
        ".cfi_escape 0x0f, 2, 0x77, 16\n\t.cfi_escape 0x0e, 0x80, 0x80, 0x80, 0x80, 0x07\n\t"
        "call follow_odd\n\taddq $8, %rsp\n\tret\n\t.cfi_endproc\n\t.size odd, . - odd");

static APART void calls_odd(void)
{
    odd();
    STAY();
}

START_TEST(offset_of_an_expression)
{
    calls_odd();
    ck_assert_int_eq(times(&odd_found, (void *)odd), 1);
    ck_assert_int_eq(times(&odd_found, (void *)calls_odd), 1);
}
END_TEST

/* ---- a signal whose context leads to itself ---------------------------------- */

static uintptr_t restorer;

static APART void take_restorer(int signal)
{
    (void)signal;
    restorer = (uintptr_t)__builtin_return_address(0);
}

START_TEST(signals_in_a_circle)
{
    static ucontext_t context;
    signal(SIGUSR1, take_restorer);
    raise(SIGUSR1);
    context.uc_mcontext.gregs[REG_RIP] = (greg_t)restorer;
    context.uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)&context;
    struct hak_registers registers = {.known = ((uint64_t)1 << HAK_REGISTERS) - 1};
    registers.value[HAK_REGISTER_PC] = restorer;
    registers.value[HAK_REGISTER_SP] = (uintptr_t)&context;
    struct hak_walk walk;
    hak__walk_begin(&walk, &registers);
    int steps = 0;
    while (steps < 10000 && hak__walk_step(&walk))
        steps++;
    ck_assert_int_lt(steps, 1000);
}
END_TEST

/* ---- stacks in disorder ---------------------------------------------------- */

static uint64_t drawn = 88172645463325252ULL;

static uint64_t draw(void)
{
    drawn ^= drawn << 13;
    drawn ^= drawn >> 7;
    return drawn ^= drawn << 17;
}

static struct hak_registers broken_start;
static uint64_t stack_copy[512]; /* what was above the place */

static void take_stack(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    read_context(&broken_start, context);
    memcpy(stack_copy, (void *)broken_start.value[HAK_REGISTER_SP], sizeof stack_copy);
}

static uintptr_t somewhere(uintptr_t usual)
{
    static const uintptr_t codes[] = {(uintptr_t)busy, (uintptr_t)deep, (uintptr_t)follow_here};
    switch (draw() % 6) {
    case 0:
        return draw();
    case 1:
        return draw() & 0x7fffffffffff;
    case 2:
        return codes[draw() % 3] + draw() % 300;
    case 3:
        return (uintptr_t)snprintf + draw() % 100000;
    case 4:
        return usual ^ (uintptr_t)1 << draw() % 64;
    default:
        return usual + draw() % 4096;
    }
}

START_TEST(never_a_fault)
{
    struct sigaction action = {.sa_sigaction = take_stack, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR2, &action, NULL);
    raise(SIGUSR2);
    /* the last page of three can't be read */
    uint64_t *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t *end = pages + 8192 / sizeof *pages;
    mprotect(end, 4096, PROT_NONE);
    for (int round = 0; round < 200000; round++) {
        uint64_t *words = end - HAK_COUNT_OF(stack_copy);
        uintptr_t moved = (uintptr_t)words - broken_start.value[HAK_REGISTER_SP];
        for (size_t i = 0; i < HAK_COUNT_OF(stack_copy); i++) { /* what points into the stack still does */
            uint64_t from = stack_copy[i] - broken_start.value[HAK_REGISTER_SP];
            words[i] = stack_copy[i] + (from < sizeof stack_copy ? moved : 0);
        }
        struct hak_registers registers = broken_start;
        registers.value[HAK_REGISTER_SP] = (uintptr_t)words;
        for (uint64_t i = draw() % 8; i > 0; i--)
            words[draw() % 64] = somewhere(words[0]);
        for (uint64_t i = draw() % 4; i > 0; i--) {
            uint64_t number = draw() % HAK_REGISTERS;
            registers.value[number] = somewhere(registers.value[number]);
        }
        struct found found;
        follow(&registers, &found);
        ck_assert_int_le(found.count, MOST);
    }
    munmap(pages, 3 * 4096);
}
END_TEST

/* ---- code without tables --------------------------------------------------- */

START_TEST(code_made_at_run_time)
{
    static const unsigned char with[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0xff, 0xd0, 0x5d, 0xc3};
    static const unsigned char without[] = {0x48, 0x83, 0xec, 0x08, 0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7,
                                            0xff, 0xd0, 0x48, 0x83, 0xc4, 0x08, 0xc3};
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(code, with, sizeof with);
    memcpy(code + 1024, without, sizeof without);
    mprotect(code, 4096, PROT_READ | PROT_EXEC);
    struct found found;
    ((void (*)(void (*)(struct found *), struct found *))(uintptr_t)code)(follow_here, &found);
    ck_assert_int_eq(times(&found, code), 1);
    ck_assert_int_eq(times(&found, (void *)code_made_at_run_time_fn), 1);
    ((void (*)(void (*)(struct found *), struct found *))(uintptr_t)(code + 1024))(follow_here, &found);
    ck_assert_int_ge(times(&found, code + 1024), 1);
    munmap(code, 4096);
}
END_TEST

/* ---- stubs without tables ----------------------------------------------------- */

START_TEST(stub_without_tables)
{
    static const unsigned char stubs[] = {0xff, 0x35, 0, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0, 0x0f, 0x1f, 0x40, 0x00, /* the first */
                                          0xff, 0x25, 0, 0, 0, 0, 0x68, 1, 0, 0, 0, 0xe9, 0, 0, 0, 0,
                                          0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 0, 0, 0, 0};
    static const struct { unsigned at, pushed; } places[] = {{0, 1}, {6, 2}, {16, 0}, {22, 0}, {27, 1}, {32, 0}, {36, 0}};
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(code + 64, stubs, sizeof stubs);
    for (size_t i = 0; i < HAK_COUNT_OF(places); i++) {
        uintptr_t stack[4] = {1, 1, 1, 1};
        stack[places[i].pushed] = (uintptr_t)busy + 5;
        struct hak_registers registers = {.known = ((uint64_t)1 << HAK_REGISTERS) - 1};
        registers.value[HAK_REGISTER_PC] = (uintptr_t)code + 64 + places[i].at;
        registers.value[HAK_REGISTER_SP] = (uintptr_t)stack;
        struct hak_walk walk;
        hak__walk_begin(&walk, &registers);
        ck_assert_msg(hak__walk_step(&walk), "place %zu", i);
        ck_assert_uint_eq(walk.registers.value[HAK_REGISTER_PC], (uintptr_t)busy + 5);
        ck_assert_uint_eq(walk.registers.value[HAK_REGISTER_SP], (uintptr_t)&stack[places[i].pushed + 1]);
    }
    munmap(code, 4096);
}
END_TEST

/* ---- a coroutine whose maker kept something else in its frame pointer ---------- */

static struct found in_last;
static APART void in_last_coroutine(void)
{
    follow_here(&in_last);
    STAY();
}

START_TEST(coroutine_with_a_frame_pointer)
{
    static struct { char stack[32768]; uintptr_t frame[2]; } area;
    static ucontext_t returns, runs;
    area.frame[1] = (uintptr_t)busy + 5;
    getcontext(&runs);
    runs.uc_stack.ss_sp = area.stack;
    runs.uc_stack.ss_size = sizeof area.stack;
    runs.uc_link = &returns;
    makecontext(&runs, in_last_coroutine, 0);
    runs.uc_mcontext.gregs[REG_RBP] = (greg_t)(uintptr_t)area.frame;
    swapcontext(&returns, &runs);
    ck_assert_int_eq(times(&in_last, (void *)in_last_coroutine), 1);
    ck_assert_int_eq(times(&in_last, (void *)busy), 0);
}
END_TEST
#endif

/* ---- other stacks ---------------------------------------------------------- */

static struct found elsewhere;
static ucontext_t back, coroutine;

static APART void in_coroutine(void)
{
    follow_here(&elsewhere);
    STAY();
}

START_TEST(coroutine_ends_where_it_began)
{
    static char stack[16384];
    getcontext(&coroutine);
    coroutine.uc_stack.ss_sp = stack;
    coroutine.uc_stack.ss_size = sizeof stack;
    coroutine.uc_link = &back;
    makecontext(&coroutine, in_coroutine, 0);
    swapcontext(&back, &coroutine);
    ck_assert_int_eq(times(&elsewhere, (void *)in_coroutine), 1);
    ck_assert_int_le(elsewhere.count, 3);
}
END_TEST

static APART void on_other_stack(int signal)
{
    (void)signal;
    follow_here(&elsewhere);
    STAY();
}

static APART void interrupted(void)
{
    raise(SIGUSR1);
    STAY();
}

START_TEST(from_an_alternate_stack)
{
    static char stack[65536];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    struct sigaction action = {.sa_handler = on_other_stack, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    interrupted();
    ck_assert_int_eq(times(&elsewhere, (void *)on_other_stack), 1);
    ck_assert_int_eq(times(&elsewhere, (void *)interrupted), 1);
}
END_TEST

static struct found *from_large;

static APART int large_frame(size_t at)
{
    volatile char large[24 << 20];
    large[at] = 1;
    follow_here(from_large);
    return large[at];
}

static APART void *calls_large(void *unused)
{
    large_frame(1);
    STAY();
    return unused;
}

START_TEST(frame_of_24_mib)
{
    static struct found found;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 32 << 20);
    from_large = &found;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, &attributes, calls_large, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(times(&found, (void *)large_frame), 1);
    ck_assert_int_eq(times(&found, (void *)calls_large), 1);
}
END_TEST

static APART void *in_thread(void *unused)
{
    follow_here(&elsewhere);
    STAY();
    return unused;
}

START_TEST(small_thread)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, &attributes, in_thread, NULL), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(times(&elsewhere, (void *)in_thread), 1);
    ck_assert_int_le(elsewhere.count, 5);
}
END_TEST

static APART _Noreturn void last_call(struct found *found, jmp_buf out)
{
    follow_here(found);
    longjmp(out, 1);
}

/* Where it returns to is behind the function that calls it. */
static APART void ends_in_call(struct found *found, jmp_buf out)
{
    last_call(found, out);
}

START_TEST(call_at_the_end)
{
    static struct found found;
    jmp_buf out;
    if (setjmp(out) == 0)
        ends_in_call(&found, out);
    ck_assert_int_eq(times(&found, (void *)ends_in_call), 1);
}
END_TEST

static void add(TCase *tests)
{
    if (!UNIT_SANITIZED) /* whose backtrace is another one */
        tcase_add_test(tests, same_as_libgcc);
#if defined(__x86_64__)
    if (!UNIT_SANITIZED) {
        tcase_add_test(tests, every_instruction);
        tcase_add_test(tests, signal_at_the_first_instruction);
        tcase_add_test(tests, offset_of_an_expression);
        tcase_add_test(tests, signals_in_a_circle);
        tcase_add_test(tests, never_a_fault);
        tcase_add_test(tests, code_made_at_run_time);
        tcase_add_test(tests, stub_without_tables);
        tcase_add_test(tests, coroutine_with_a_frame_pointer);
    }
#endif
    if (!UNIT_SANITIZED)
        add_far_tests(tests);
    tcase_add_test(tests, coroutine_ends_where_it_began);
    tcase_add_test(tests, from_an_alternate_stack);
    tcase_add_test(tests, small_thread);
    tcase_add_test(tests, frame_of_24_mib);
    tcase_add_test(tests, call_at_the_end);
}

int main(void)
{
    return unit_run("unwind", add);
}

/* SPDX-License-Identifier: MIT */
/*
 * Signal handlers that stand in front of others.
 *
 * A handler may interrupt anything, so nothing here allocates or takes a lock.
 */
#define _GNU_SOURCE
#include "os/crash.h"

#include <errno.h>
#include <signal.h>
#include <sys/uio.h>
#include <ucontext.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "os/call.h"
#include "os/os.h"
#include "os/self.h"

enum { SIGNALS = 3, PATIENCE_MS = 2000, STACK_SIZE = 64 << 10 };

static const int signals[SIGNALS] = {SIGSEGV, SIGBUS, SIGABRT};
static const char *const signal_names[SIGNALS] = {"SIGSEGV", "SIGBUS", "SIGABRT"};

/* Both are written once, before a handler can run. */
static HAK_SPARSE struct sigaction before[SIGNALS];
static void (*reporter)(const struct hak_crash *crash);

/*
 * hak__thread_self() of the thread that reports, or 0. Taken by CAS-acquire, given up by a
 * store-release, so that reports do not mix; nothing else hangs on it.
 */
static _Atomic uintptr_t reporting;

static void add_register(struct hak_crash *crash, const char *name, uintptr_t value)
{
    crash->register_name[crash->registers] = name;
    crash->register_value[crash->registers++] = value;
}

static void set_register(struct hak_registers *registers, int number, uintptr_t value)
{
    registers->value[number] = value;
    registers->known |= (uint64_t)1 << number;
}

#if (defined(__x86_64__) && defined(__LP64__)) || defined(__i386__)
/* Where registers stand in a context, by their numbers, and the names of those that are printed. */
static const struct {
    int index;
    char name[4];
} places[HAK_REGISTERS] = {
#if defined(__x86_64__)
    {REG_RAX, "rax"}, {REG_RDX, "rdx"}, {REG_RCX, "rcx"}, {REG_RBX, "rbx"}, {REG_RSI, "rsi"}, {REG_RDI, "rdi"},
    {REG_RBP, "rbp"}, {REG_RSP, ""},    {REG_R8, "r8"},   {REG_R9, "r9"},   {REG_R10, "r10"}, {REG_R11, "r11"},
    {REG_R12, "r12"}, {REG_R13, "r13"}, {REG_R14, "r14"}, {REG_R15, "r15"}, {REG_RIP, ""},
#else
    {REG_EAX, "eax"}, {REG_ECX, "ecx"}, {REG_EDX, "edx"}, {REG_EBX, "ebx"}, {REG_ESP, ""},
    {REG_EBP, "ebp"}, {REG_ESI, "esi"}, {REG_EDI, "edi"}, {REG_EIP, ""},
#endif
};

static void read_registers(struct hak_crash *crash, const ucontext_t *context)
{
    for (int i = 0; i < HAK_REGISTERS; i++) {
        set_register(&crash->at, i, (uintptr_t)context->uc_mcontext.gregs[places[i].index]);
        if (places[i].name[0] != '\0')
            add_register(crash, places[i].name, crash->at.value[i]);
    }
}
#elif defined(__aarch64__) && defined(__LP64__)
static void read_registers(struct hak_crash *crash, const ucontext_t *context)
{
    static const char names[][4] = {
        "x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",  "x9",  "x10",
        "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",
        "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30"};
    for (int i = 0; i < (int)HAK_COUNT_OF(names); i++) {
        add_register(crash, names[i], context->uc_mcontext.regs[i]);
        if (i < HAK_REGISTER_SP)
            set_register(&crash->at, i, context->uc_mcontext.regs[i]);
    }
    set_register(&crash->at, HAK_REGISTER_FP, context->uc_mcontext.regs[29]);
    set_register(&crash->at, HAK_REGISTER_SP, context->uc_mcontext.sp);
    set_register(&crash->at, HAK_REGISTER_PC, context->uc_mcontext.pc);
}
#else
static void read_registers(struct hak_crash *crash, const ucontext_t *context)
{
    (void)context;
    (void)crash;
    (void)add_register;
    (void)set_register;
}
#endif

/* True when this thread may report now. */
static bool begin_report(void)
{
    uintptr_t self = hak__thread_self();
    for (int waited = 0; waited < PATIENCE_MS; waited++) {
        uintptr_t expected = 0;
        if (hak_cas_acquire(&reporting, &expected, self))
            return true;
        if (expected == self)
            return false;
        hak__os_sleep_us(1000);
    }
    return false;
}

/* Lets the signal do what it would have done; a fault comes again by itself. */
static void act_by_default(int signal, const siginfo_t *info)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(signal, &action, NULL);
    if (info->si_code <= 0)
        hak__call(SYS_tgkill, hak__call(SYS_getpid), hak__call(SYS_gettid), signal);
}

HAK_NORETURN void hak__os_end_by_abort(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t only_this;
    sigemptyset(&only_this);
    sigaddset(&only_this, SIGABRT);
    sigaction(SIGABRT, &action, NULL);
    hak__call(SYS_tgkill, hak__call(SYS_getpid), hak__call(SYS_gettid), SIGABRT);
    sigprocmask(SIG_UNBLOCK, &only_this, NULL); /* here it ends; else somebody set a handler */
    for (;;)
        hak__call(SYS_exit_group, 127);
}

static void pass_on(int which, siginfo_t *info, void *context)
{
    const struct sigaction *action = &before[which];
    if (action->sa_flags & SA_SIGINFO)
        action->sa_sigaction(signals[which], info, context);
    else if (action->sa_handler == SIG_IGN && info->si_code <= 0)
        return;
    else if (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN)
        act_by_default(signals[which], info);
    else
        action->sa_handler(signals[which]);
}

static void handle(int signal, siginfo_t *info, void *context)
{
    int saved = errno;
    int which = 0;
    while (which < SIGNALS - 1 && signals[which] != signal)
        which++;
    struct hak_crash crash = {.signal = signal, .code = info->si_code, .name = signal_names[which]};
    /* the kernel knows no address where an instruction used one that no page can have */
    crash.has_address = info->si_code > 0 && info->si_code != SI_KERNEL;
    crash.address = crash.has_address ? (uintptr_t)info->si_addr : 0;
    crash.process = hak__call(SYS_getpid);
    crash.thread = hak__call(SYS_gettid);
    read_registers(&crash, context);
    if (begin_report()) {
        reporter(&crash);
        hak_store_release(&reporting, 0);
    }
    errno = saved;
    pass_on(which, info, context);
}

/* So that running out of stack can be reported, in the main thread. */
static void give_stack(void)
{
    stack_t stack;
    if (sigaltstack(NULL, &stack) != 0 || !(stack.ss_flags & SS_DISABLE))
        return;
    stack = (stack_t){.ss_sp = hak__os_map_record(STACK_SIZE), .ss_size = STACK_SIZE};
    if (stack.ss_sp != NULL)
        sigaltstack(&stack, NULL);
}

void hak__os_on_crash(void (*report)(const struct hak_crash *crash))
{
    int saved = errno;
    reporter = report;
    give_stack();
    for (int i = 0; i < SIGNALS; i++) {
        sigaction(signals[i], NULL, &before[i]);
        struct sigaction action = {.sa_sigaction = handle, .sa_mask = before[i].sa_mask};
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | (before[i].sa_flags & SA_RESTART);
        sigaction(signals[i], &action, NULL);
    }
    errno = saved;
}

bool hak__os_peek(uintptr_t address, void *bytes, size_t size)
{
    struct iovec here = {bytes, size};
    struct iovec there = {(void *)address, size};
    long got = hak__call(SYS_process_vm_readv, hak__call(SYS_getpid), &here, 1, &there, 1);
    return got == (long)size;
}

/* SPDX-License-Identifier: MIT */
/*
 * dlopen(3), which looks at RTLD_DEEPBIND.
 *
 * A library that is opened with that flag looks for free in its own dependencies first, which is
 * the C library's, and hands it blocks of ours. So before the first one the C library's names are
 * taken (deepbind.c), and where that cannot be the flag is dropped; unless the program does not
 * run on this malloc or the option deepbind asks for two heaps.
 *
 * The C library's dlopen goes by its return address to find out whose search path counts. So
 * this one leaves by a jump, with nothing on the stack: in assembly, since no compiler promises
 * that. On other machines the flag stays, and nothing is interposed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "api/deepbind.h"
#include "base/atomic.h"
#include "core/disabled.h"
#include "core/options.h"
#include "front/front.h"

/* What the jump needs; called by it alone. */
__attribute__((visibility("hidden"))) int hak__dlopen_flags(int flags);
__attribute__((visibility("hidden"))) void *hak__dlopen_next(void);

#if defined(__x86_64__)

__asm__(".text\n"
        ".p2align 4\n"
        ".globl dlopen\n"
        ".type dlopen, @function\n"
        "dlopen:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rdi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    subq $16, %rsp\n"
        "    .cfi_adjust_cfa_offset 16\n"
        "    movl %esi, %edi\n"
        "    call hak__dlopen_flags\n"
        "    movl %eax, 8(%rsp)\n"
        "    call hak__dlopen_next\n"
        "    movl 8(%rsp), %esi\n"
        "    addq $16, %rsp\n"
        "    .cfi_adjust_cfa_offset -16\n"
        "    popq %rdi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    jmp *%rax\n"
        "    .cfi_endproc\n"
        ".size dlopen, . - dlopen\n");

#elif defined(__i386__)

/* The argument's place on the stack belongs to the callee, which writes the new flags there. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl dlopen\n"
        ".type dlopen, @function\n"
        "dlopen:\n"
        "    .cfi_startproc\n"
        "    endbr32\n"
        "    subl $12, %esp\n"
        "    .cfi_adjust_cfa_offset 12\n"
        "    movl 20(%esp), %eax\n"
        "    movl %eax, (%esp)\n"
        "    call hak__dlopen_flags\n"
        "    movl %eax, 20(%esp)\n"
        "    call hak__dlopen_next\n"
        "    addl $12, %esp\n"
        "    .cfi_adjust_cfa_offset -12\n"
        "    jmp *%eax\n"
        "    .cfi_endproc\n"
        ".size dlopen, . - dlopen\n");

#elif defined(__aarch64__)

__asm__(".text\n"
        ".p2align 4\n"
        ".globl dlopen\n"
        ".type dlopen, %function\n"
        "dlopen:\n"
        "    .cfi_startproc\n"
        "    hint #34\n" /* bti c */
        "    stp x29, x30, [sp, #-32]!\n"
        "    .cfi_def_cfa_offset 32\n"
        "    .cfi_offset 29, -32\n"
        "    .cfi_offset 30, -24\n"
        "    str x0, [sp, #16]\n"
        "    mov w0, w1\n"
        "    bl hak__dlopen_flags\n"
        "    str w0, [sp, #24]\n"
        "    bl hak__dlopen_next\n"
        "    mov x16, x0\n"
        "    ldr x0, [sp, #16]\n"
        "    ldr w1, [sp, #24]\n"
        "    ldp x29, x30, [sp], #32\n"
        "    .cfi_def_cfa_offset 0\n"
        "    br x16\n"
        "    .cfi_endproc\n"
        ".size dlopen, . - dlopen\n");

#elif HAK_DLOPEN
#error "core/options.h tells users that there is a dlopen here"
#endif

__attribute__((used)) int hak__dlopen_flags(int flags)
{
    if ((flags & RTLD_DEEPBIND) == 0)
        return flags;
    hak__init();
    if (hak__is_disabled() || hak__option(HAK_OPTION_DEEPBIND) || !hak__malloc_is_ours())
        return flags;
    return hak__take_libc_names() ? flags : flags & ~RTLD_DEEPBIND;
}

static void *cannot(const char *path, int flags)
{
    (void)path;
    (void)flags;
    return NULL;
}

/* The C library's, or that of a library between us and it. */
__attribute__((used)) void *hak__dlopen_next(void)
{
    static _Atomic(void *) next;
    void *function = hak_load_relaxed(&next);
    if (hak_unlikely(function == NULL)) {
        function = dlsym(RTLD_NEXT, "dlopen");
        if (function == NULL)
            return (void *)cannot;
        hak_store_relaxed(&next, function);
    }
    return function;
}

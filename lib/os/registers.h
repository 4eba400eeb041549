/* SPDX-License-Identifier: MIT */
/* The registers of a processor by which calls are followed back, by their numbers in DWARF. */
#ifndef HAK_OS_REGISTERS_H
#define HAK_OS_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

#if defined(__x86_64__) && defined(__LP64__)
enum { HAK_REGISTERS = 17, HAK_REGISTER_FP = 6, HAK_REGISTER_SP = 7, HAK_REGISTER_PC = 16 };
#elif defined(__aarch64__) && defined(__LP64__)
/* 30 holds where a call returns to; the program counter has no number there and gets one of ours. */
enum { HAK_REGISTERS = 33, HAK_REGISTER_FP = 29, HAK_REGISTER_SP = 31, HAK_REGISTER_PC = 32 };
#elif defined(__i386__)
enum { HAK_REGISTERS = 9, HAK_REGISTER_FP = 5, HAK_REGISTER_SP = 4, HAK_REGISTER_PC = 8 };
#else
enum { HAK_REGISTERS = 3, HAK_REGISTER_FP = 0, HAK_REGISTER_SP = 1, HAK_REGISTER_PC = 2 };
#endif

/*
 * What a frame pointer leads to, in words: the caller's frame pointer, where the call returns to, and what
 * the stack pointer is then. On powerpc frames are a chain from the stack pointer on, and where a call
 * returns to is in the frame of who called.
 */
#if defined(__riscv)
enum { HAK_FRAME_NEXT = -2, HAK_FRAME_RETURN = -1, HAK_FRAME_END = 0, HAK_FRAME_IS_CHAIN = 0 };
#elif defined(__powerpc64__)
enum { HAK_FRAME_NEXT = 0, HAK_FRAME_RETURN = 2, HAK_FRAME_END = 0, HAK_FRAME_IS_CHAIN = 1 };
#else
enum { HAK_FRAME_NEXT = 0, HAK_FRAME_RETURN = 1, HAK_FRAME_END = 2, HAK_FRAME_IS_CHAIN = 0 };
#endif

struct hak_registers {
    uintptr_t value[HAK_REGISTERS];
    uint64_t known; /* bit i: value[i] is */
};

HAK_INLINE bool hak__register_is_known(const struct hak_registers *registers, uint64_t number)
{
    return number < HAK_REGISTERS && (registers->known >> number & 1) != 0;
}

/*
 * Those of the caller where it stands, which go on being right as long as it does not return. What a
 * call may change is not among them. None on machines of which this is not known.
 */
HAK_INLINE void hak__registers_here(struct hak_registers *registers)
{
#if defined(__x86_64__) && defined(__LP64__)
    uintptr_t pc = 0;
    __asm__ volatile("movq %%rbx, 24(%1)\n\tmovq %%rbp, 48(%1)\n\tmovq %%rsp, 56(%1)\n\t"
                     "movq %%r12, 96(%1)\n\tmovq %%r13, 104(%1)\n\tmovq %%r14, 112(%1)\n\t"
                     "movq %%r15, 120(%1)\n\tleaq 0(%%rip), %0"
                     : "=&r"(pc)
                     : "r"(registers->value)
                     : "memory");
    registers->value[HAK_REGISTER_PC] = pc;
    registers->known = 1 << 3 | 1 << 6 | 1 << 7 | 0xf << 12 | 1 << 16;
#elif defined(__aarch64__) && defined(__LP64__)
    uintptr_t pc = 0, sp = 0;
    __asm__ volatile("stp x19, x20, [%2, 152]\n\tstp x21, x22, [%2, 168]\n\tstp x23, x24, [%2, 184]\n\t"
                     "stp x25, x26, [%2, 200]\n\tstp x27, x28, [%2, 216]\n\tstp x29, x30, [%2, 232]\n\t"
                     "mov %1, sp\n\tadr %0, ."
                     : "=&r"(pc), "=&r"(sp)
                     : "r"(registers->value)
                     : "memory");
    registers->value[HAK_REGISTER_SP] = sp;
    registers->value[HAK_REGISTER_PC] = pc;
    registers->known = 0x7ffULL << 19 | 1ULL << 30 | 1ULL << 31 | 1ULL << 32;
#elif defined(__i386__)
    uintptr_t pc = 0;
    __asm__ volatile("movl %%ebx, 12(%1)\n\tmovl %%esp, 16(%1)\n\tmovl %%ebp, 20(%1)\n\t"
                     "movl %%esi, 24(%1)\n\tmovl %%edi, 28(%1)\n\tcall 1f\n1:\tpopl %0"
                     : "=&r"(pc)
                     : "r"(registers->value)
                     : "memory");
    registers->value[HAK_REGISTER_PC] = pc;
    registers->known = 0x1f << 3 | 1 << 8;
#elif defined(__riscv) || defined(__powerpc64__)
    uintptr_t pc = 0, sp = 0;
#if defined(__riscv)
    __asm__ volatile("auipc %0, 0\n\tmv %1, sp" : "=r"(pc), "=r"(sp));
#else
    __asm__ volatile("bcl 20, 31, $+4\n\tmflr %0\n\tmr %1, 1" : "=r"(pc), "=r"(sp) : : "lr");
#endif
    registers->value[HAK_REGISTER_FP] = (uintptr_t)__builtin_frame_address(0);
    registers->value[HAK_REGISTER_SP] = sp;
    registers->value[HAK_REGISTER_PC] = pc;
    registers->known = 1 << HAK_REGISTER_FP | 1 << HAK_REGISTER_SP | 1 << HAK_REGISTER_PC;
#else
    registers->known = 0;
#endif
}

#endif

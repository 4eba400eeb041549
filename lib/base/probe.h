/* SPDX-License-Identifier: MIT */
/*
 * Probes for tracers (USDT): places at which bpftrace, perf, SystemTap, gdb or an eBPF profiler can
 * stop the program for a moment and read the arguments. Written by hand, so that the library is
 * built without sys/sdt.h.
 *
 *     HAK_PROBE2(hakmem, superslab_new, address, size);
 *
 *       movzwl listeners + 6(%rip), %eax        .note.stapsdt:
 *       test   %ax, %ax                           where the nop is, where the number of listeners is,
 *       jne    1f ─────────┐                      "hakmem", "superslab_new", "8@%rdi 8@%rsi"
 *     2:          …        ▼
 *                       1: load the arguments
 *                          nop                  a tracer puts a breakpoint here
 *                          jmp 2b
 *
 * A probe without listeners costs a load and a branch that is not taken; its arguments are not even
 * computed. Still only slow paths have probes. Arguments are words, in the registers in which a
 * function gets its first three: readers that know only the calling convention find them as well.
 *
 * The kernel counts the listeners, in the process's own copy of the page: hence the section .probes
 * is writable and in the file. Tracers find out by the address of .stapsdt.base whether prelink(8)
 * moved the file, so all notes of a file have to name one base: probe.c has ours, which a program
 * that contains the archive shares with its own probes.
 */
#ifndef HAK_BASE_PROBE_H
#define HAK_BASE_PROBE_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"

enum hak_probe {
#define HAK_PROBE_ROW(provider, name, arguments) HAK_PROBE_##provider##_##name,
#include "base/probe.def"
    HAK_PROBE_COUNT
};

/* How many listeners each probe has. The kernel writes, any thread reads; late, it misses an event. */
extern __attribute__((visibility("hidden"))) _Atomic uint16_t hak__probe_listeners[HAK_PROBE_COUNT];

#if defined(__x86_64__) && defined(__LP64__)
#define HAK_PROBES 1
#define HAK_PROBE_WORD "8"
#define HAK_PROBE_1 "rdi"
#define HAK_PROBE_2 "rsi"
#define HAK_PROBE_3 "rdx"
#define HAK_PROBE_MARK "@%%"
#elif defined(__i386__)
#define HAK_PROBES 1
#define HAK_PROBE_WORD "4"
#define HAK_PROBE_1 "eax"
#define HAK_PROBE_2 "edx"
#define HAK_PROBE_3 "ecx"
#define HAK_PROBE_MARK "@%%"
#elif defined(__aarch64__) && defined(__LP64__)
#define HAK_PROBES 1
#define HAK_PROBE_WORD "8"
#define HAK_PROBE_1 "x0"
#define HAK_PROBE_2 "x1"
#define HAK_PROBE_3 "x2"
#define HAK_PROBE_MARK "@"
#else
#define HAK_PROBES 0
#endif

#if HAK_PROBES

#define HAK_PROBE_FORMAT1 HAK_PROBE_WORD HAK_PROBE_MARK HAK_PROBE_1
#define HAK_PROBE_FORMAT2 HAK_PROBE_FORMAT1 " " HAK_PROBE_WORD HAK_PROBE_MARK HAK_PROBE_2
#define HAK_PROBE_FORMAT3 HAK_PROBE_FORMAT2 " " HAK_PROBE_WORD HAK_PROBE_MARK HAK_PROBE_3

/* For what it costs something to compute. */
#define HAK_PROBE_IS_HEARD(provider, name)                                                         \
    hak_unlikely(hak_load_relaxed(&hak__probe_listeners[HAK_PROBE_##provider##_##name]) != 0)

/* The place and its note, version 3 of the format; the operands are the arguments. */
#define HAK_PROBE_PLACE(provider, name, format, ...)                                               \
    __asm__ volatile("991:\tnop\n"                                                                 \
                     "\t.pushsection .note.stapsdt, \"\", %%note\n"                                \
                     "\t.balign 4\n"                                                               \
                     "\t.4byte 993f - 992f, 995f - 994f, 3\n"                                      \
                     "992:\t.asciz \"stapsdt\"\n"                                                  \
                     "993:\t.balign 4\n"                                                           \
                     "994:\t." HAK_PROBE_WORD "byte 991b, _.stapsdt.base\n"                        \
                     "\t." HAK_PROBE_WORD "byte hak__probe_listeners + %c[listeners]\n"            \
                     "\t.asciz \"" #provider "\"\n"                                                \
                     "\t.asciz \"" #name "\"\n"                                                    \
                     "\t.asciz \"" format "\"\n"                                                   \
                     "995:\t.balign 4\n"                                                           \
                     "\t.popsection"                                                               \
                     :                                                                             \
                     : [listeners] "i"(HAK_PROBE_##provider##_##name * sizeof(uint16_t)),          \
                       __VA_ARGS__)

/* A register is taken when all arguments are there: computing one of them may use it. */
#define HAK_PROBE_ARGUMENT(number, value)                                                          \
    register uintptr_t hak_in_##number __asm__(HAK_PROBE_##number) = (value)

#define HAK_PROBE1(provider, name, first)                                                          \
    do {                                                                                           \
        if (HAK_PROBE_IS_HEARD(provider, name)) {                                                  \
            uintptr_t hak_first = (uintptr_t)(first);                                              \
            HAK_PROBE_ARGUMENT(1, hak_first);                                                      \
            HAK_PROBE_PLACE(provider, name, HAK_PROBE_FORMAT1, "r"(hak_in_1));                     \
        }                                                                                          \
    } while (0)
#define HAK_PROBE2(provider, name, first, second)                                                  \
    do {                                                                                           \
        if (HAK_PROBE_IS_HEARD(provider, name)) {                                                  \
            uintptr_t hak_first = (uintptr_t)(first), hak_second = (uintptr_t)(second);            \
            HAK_PROBE_ARGUMENT(1, hak_first);                                                      \
            HAK_PROBE_ARGUMENT(2, hak_second);                                                     \
            HAK_PROBE_PLACE(provider, name, HAK_PROBE_FORMAT2, "r"(hak_in_1), "r"(hak_in_2));      \
        }                                                                                          \
    } while (0)
#define HAK_PROBE3(provider, name, first, second, third)                                           \
    do {                                                                                           \
        if (HAK_PROBE_IS_HEARD(provider, name)) {                                                  \
            uintptr_t hak_first = (uintptr_t)(first), hak_second = (uintptr_t)(second);            \
            uintptr_t hak_third = (uintptr_t)(third);                                              \
            HAK_PROBE_ARGUMENT(1, hak_first);                                                      \
            HAK_PROBE_ARGUMENT(2, hak_second);                                                     \
            HAK_PROBE_ARGUMENT(3, hak_third);                                                      \
            HAK_PROBE_PLACE(provider, name, HAK_PROBE_FORMAT3, "r"(hak_in_1), "r"(hak_in_2),       \
                            "r"(hak_in_3));                                                        \
        }                                                                                          \
    } while (0)

#else

#define HAK_PROBE_IS_HEARD(provider, name) 0
#define HAK_PROBE1(provider, name, first) ((void)(first))
#define HAK_PROBE2(provider, name, first, second) ((void)(first), (void)(second))
#define HAK_PROBE3(provider, name, first, second, third)                                           \
    ((void)(first), (void)(second), (void)(third))

#endif

#endif

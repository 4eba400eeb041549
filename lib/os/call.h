/* SPDX-License-Identifier: MIT */
/*
 * The system by two ways. Results are the kernel's: an error is its number, negated; errno stays.
 *
 * hak__call enters the kernel itself: no name of the C library is used in front of which a program
 * may put a function that allocates, so locks may be held. The way of nearly all calls.
 *
 * hak__told goes through munmap(3), madvise(3), mremap(3) and mmap(3) of the C library, by the names
 * that a program or another library may interpose or patch. Libraries that register memory with a
 * device do that to learn which registrations have ended. It is the way of all calls that take
 * memory away which a program had: unmapping, purging, moving, and mapping anew over it. Memory that
 * no program has had goes without.
 *
 * What stands in front of these functions may call malloc and free, so no lock is held around
 * hak__told but the one that is only ever tried (hak__purge_lock), and no heap is in disorder.
 * Until the library's constructor has run the C library may not be ready, its interposers even less:
 * until then these calls enter the kernel, too. In a child of vfork, whose memory is its parent's,
 * in signal handlers and behind a filter of system calls they are made as always: the C library's
 * functions make the same system calls.
 */
#ifndef HAK_OS_CALL_H
#define HAK_OS_CALL_H

#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include "base/compiler.h"

#if defined(__x86_64__) && defined(__LP64__)

HAK_INLINE long hak__call6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__)

HAK_INLINE long hak__call6(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

#elif defined(__i386__)

/* The sixth argument goes in ebp, which is the compiler's: it is swapped in around the call. */
HAK_INLINE long hak__call6(long number, long a, long b, long c, long d, long e, long f)
{
    const long sixth_and_number[2] = {f, number};
    long result = (long)sixth_and_number;
    __asm__ volatile("pushl %%ebp\n\t"
                     "movl (%%eax), %%ebp\n\t"
                     "movl 4(%%eax), %%eax\n\t"
                     "int $0x80\n\t"
                     "popl %%ebp"
                     : "+a"(result)
                     : "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "memory");
    return result;
}

#else

#include <errno.h>
#include <unistd.h>

HAK_INLINE long hak__call6(long number, long a, long b, long c, long d, long e, long f)
{
    int saved = errno;
    long result = syscall(number, a, b, c, d, e, f);
    if (result == -1)
        result = -errno;
    errno = saved;
    return result;
}

#endif

/* hak__call(number, argument, …): integers or pointers, up to six. */
#define hak__call(...) HAK_CALL_PICK(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define HAK_CALL_PICK(number, a, b, c, d, e, f, ...)                                               \
    hak__call6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* The same through the C library, for SYS_munmap, SYS_madvise, SYS_mremap and HAK_SYS_MMAP at offset 0. */
#define hak__told(...) HAK_TOLD_PICK(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define HAK_TOLD_PICK(number, a, b, c, d, e, f, ...)                                               \
    hak__told6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
long hak__told6(long number, long a, long b, long c, long d, long e, long f);

/* Which call maps memory differs, and in which units it counts offsets. */
#ifdef SYS_mmap2
#define HAK_SYS_MMAP SYS_mmap2
#define HAK_MMAP_UNIT_SHIFT 12
#else
#define HAK_SYS_MMAP SYS_mmap
#define HAK_MMAP_UNIT_SHIFT 0
#endif

/* By the library's constructor. */
void hak__call_libc_from_now_on(void);
/* Whether that has run. */
bool hak__libc_is_ready(void);

HAK_INLINE bool hak__call_failed(long result)
{
    return (unsigned long)result > -4096UL;
}

#ifdef __GLIBC__
/* getauxval(3) by a name that is the implementation's alone; libgcc calls it by this one, too. */
extern __typeof__(getauxval) __getauxval;
#else
#define __getauxval getauxval
#endif

/* An entry of the auxiliary vector, or 0. */
HAK_INLINE unsigned long hak__auxiliary(unsigned long type)
{
    return __getauxval(type);
}

#endif

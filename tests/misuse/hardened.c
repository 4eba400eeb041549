/* SPDX-License-Identifier: MIT */
/*
 * What the hardened variant alone finds.
 *
 *   hardened NAME   says on standard output what has to be said on standard error, and makes the mistake
 *   hardened        lists the names, each with the option without which the mistake passes unnoticed
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

extern void *_Znwm(size_t size);
extern void *_Znam(size_t size);
extern void _ZdlPv(void *block);
extern void _ZdaPv(void *block);
extern void _ZdlPvm(void *block, size_t size);
#pragma weak _Znwm
#pragma weak _Znam
#pragma weak _ZdlPv
#pragma weak _ZdaPv
#pragma weak _ZdlPvm

static void *opaque(void *block)
{
    __asm__ volatile("" : "+r"(block) : : "memory");
    return block;
}

static void announce(const char *call, const void *block, const char *reason, size_t size)
{
    printf("hakmem[%s:%d]: %s(%p): %s", program_invocation_short_name, (int)getpid(), call, block, reason);
    if (size != 0)
        printf(" of %zu bytes", size);
    puts("");
    fflush(stdout);
}

static void announce_fault(void)
{
    puts("fault");
    fflush(stdout);
}

static void fault(int signal)
{
    (void)signal;
    static const char text[] = "fault\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) > 0)
        _exit(1);
}

static void overflow(size_t size, size_t bytes)
{
    char *block = opaque(malloc(size));
    announce("free", block, "written behind its end: a block", size);
    memset(block + size, 'x', bytes);
    free(opaque(block));
}

static void overflow_by_1(void)
{
    for (size_t size = 1; size < 200; size++) /* these are whole */
        free(memset(opaque(malloc(size)), 'x', size));
    overflow(100, 1);
}

static void overflow_by_8(void)
{
    overflow(24, 1);
}

static void overflow_of_full(void)
{
    overflow(104, 1);
}

static void overflow_of_large(void)
{
    overflow(100001, 1);
}

static void overflow_of_full_large(void)
{
    overflow(8 * 65536 - 8, 1);
}

static void overflow_of_huge(void)
{
    overflow(((size_t)40 << 20) + 1, 1);
}

static void overflow_before_realloc(void)
{
    char *block = opaque(malloc(100));
    announce("realloc", block, "written behind its end: a block", 100);
    block[100] = 'x';
    free(realloc(opaque(block), 5000));
}

static void write_after_free(size_t size, size_t at)
{
    enum { BLOCKS = 20000 };
    static void *block[BLOCKS];
    char *freed = opaque(malloc(size));
    size_t room = (size + 8 + 15) / 16 * 16;
    free(opaque(freed));
    announce("malloc", freed, "found written after free: a block", room);
    ((char *)opaque(freed))[at] ^= 'x'; /* whatever the byte was */
    for (size_t i = 0; i < BLOCKS; i++) {
        free(malloc(size));
        block[i] = malloc(size);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        free(block[i]);
}

static void write_after_free_to_start(void)
{
    write_after_free(100, 0);
}

static void write_after_free_to_mark(void)
{
    write_after_free(100, 9);
}

static void write_after_free_to_middle(void)
{
    write_after_free(100, 70);
}

static void free_of_new(void)
{
    void *block = opaque(_Znwm(40));
    announce("free", block, "allocated by operator new: a block", 40);
    free(block);
}

static void delete_of_malloc(void)
{
    void *block = opaque(malloc(40));
    announce("operator delete", block, "allocated by malloc, not by operator new: a block", 40);
    _ZdlPv(block);
}

static void delete_of_array(void)
{
    void *block = opaque(_Znam(70000));
    announce("operator delete", block, "allocated by operator new[]: a block", 70000);
    _ZdlPv(block);
}

static void delete_array_of_one(void)
{
    void *block = opaque(_Znwm(40));
    announce("operator delete[]", block, "allocated by operator new: a block", 40);
    _ZdaPv(block);
}

static void delete_of_other_size(void)
{
    void *block = opaque(_Znwm(40));
    announce("operator delete", block, "wrong size 32: this is a block", 40);
    _ZdlPvm(block, 32);
}

static void read_of_none(void)
{
    char *block = opaque(malloc(0));
    announce_fault();
    if (*block == 'x')
        puts("x");
    free(block);
}

static void none_freed_twice(void)
{
    void *block = opaque(malloc(0));
    announce("free", block, "double free, or not the start of a block: of no bytes", 0);
    free(block);
    free(opaque(block));
}

/* A block that was just freed is not the next one, and its contents are gone. */
static void reuse_at_once(void)
{
    unsigned again = 0;
    for (int i = 0; i < 1000; i++) {
        void *block = opaque(malloc(100));
        free(block);
        void *next = opaque(malloc(100));
        again += next == block;
        free(next);
    }
    puts("fault");
    fflush(stdout);
    if (again == 0)
        fault(0);
}

static void contents_stay(void)
{
    char *block = memset(opaque(malloc(3000)), 'x', 3000);
    free(opaque(block));
    size_t left = 0;
    for (size_t i = 16; i < 3000; i++)
        left += ((volatile char *)opaque(block))[i] == 'x';
    puts("fault");
    fflush(stdout);
    if (left == 0)
        fault(0);
}

static void access_to_freed_large(void)
{
    char *block = memset(opaque(malloc(100000)), 'x', 100000);
    free(opaque(block));
    announce_fault();
    if (((volatile char *)opaque(block))[70000] == 'x')
        ((volatile char *)opaque(block))[70000] = 'y';
}

static void large_freed_twice(void)
{
    char *block = opaque(malloc(100000));
    announce("free", block, "double free or use after free of a large block", 0);
    free(opaque(block));
    free(opaque(block));
}

/* The blocks of a new slab come in the order of their addresses. */
static void order_is_known(void)
{
    enum { BLOCKS = 64 };
    char *block[BLOCKS];
    unsigned neighbours = 0;
    for (int i = 0; i < BLOCKS; i++)
        block[i] = opaque(malloc(400));
    for (int i = 1; i < BLOCKS; i++)
        neighbours += block[i] - block[i - 1] == 416;
    puts("fault");
    fflush(stdout);
    if (neighbours < BLOCKS / 2)
        fault(0);
}

static const struct {
    const char *name;
    void (*make)(void);
    const char *without;
} rows[] = {
    {"overflow-by-1", overflow_by_1, "harden_canary"},
    {"overflow-by-8", overflow_by_8, "harden_canary"},
    {"overflow-of-full", overflow_of_full, "harden_canary"},
    {"overflow-of-large", overflow_of_large, "harden_canary"},
    {"overflow-of-full-large", overflow_of_full_large, "harden_canary"},
    {"overflow-of-huge", overflow_of_huge, "harden_canary"},
    {"overflow-before-realloc", overflow_before_realloc, "harden_canary"},
    {"write-after-free-to-start", write_after_free_to_start, "none"},
    {"write-after-free-to-mark", write_after_free_to_mark, "none"},
    {"write-after-free-to-middle", write_after_free_to_middle, "harden_verify"},
    {"free-of-new", free_of_new, "harden_mismatch"},
    {"delete-of-malloc", delete_of_malloc, "harden_mismatch"},
    {"delete-of-array", delete_of_array, "harden_mismatch"},
    {"delete-array-of-one", delete_array_of_one, "harden_mismatch"},
    {"delete-of-other-size", delete_of_other_size, "harden_canary"},
    {"read-of-none", read_of_none, "harden_zero_size"},
    {"none-freed-twice", none_freed_twice, "none"},
    {"reuse-at-once", reuse_at_once, "harden_quarantine"},
    {"contents-stay", contents_stay, "harden_zero"},
    {"access-to-freed-large", access_to_freed_large, "harden_quarantine_large"},
    {"large-freed-twice", large_freed_twice, "none"},
    {"order-is-known", order_is_known, "harden_random"},
};

int main(int argc, char **argv)
{
    signal(SIGSEGV, fault);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (argc < 2)
            printf("%s %s\n", rows[i].name, rows[i].without);
        else if (strcmp(argv[1], rows[i].name) == 0)
            rows[i].make();
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * double-free: frees a block twice, with others freed in between, and then allocates three
 * blocks of its size. An allocator that does not notice hands one block out twice.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

enum { SIZE = 100, OTHERS = 7 };

/* The compiler knows what malloc and free do. */
static void *opaque(void *pointer)
{
    __asm__ volatile("" : "+r"(pointer)::"memory");
    return pointer;
}

int main(int argc, char **argv)
{
    bench_help(argc, argv, "usage: double-free\n", 0, 0);
    void *others[OTHERS];
    for (int i = 0; i < OTHERS; i++)
        others[i] = opaque(malloc(SIZE));
    void *volatile block = malloc(SIZE);
    void *between = opaque(malloc(SIZE));
    for (int i = 0; i < OTHERS; i++)
        free(others[i]);
    free(block);
    free(between);
    free(block);
    for (int i = 0; i < OTHERS; i++)
        others[i] = opaque(malloc(SIZE));
    void *again[3];
    for (int i = 0; i < 3; i++)
        again[i] = opaque(malloc(SIZE));
    if (again[0] == again[1] || again[0] == again[2] || again[1] == again[2])
        puts("one block was handed out twice");
    else
        puts("nothing was seen");
    return 0;
}

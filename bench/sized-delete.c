/* SPDX-License-Identifier: MIT */
/*
 * sized-delete SIZE COUNT: a new and a delete of C++ in turn, where the delete is told the
 * size, as compilers do since C++14 for each object whose type is known.
 *
 * The program is in C and calls the operators by the names that compilers give them. It
 * takes them from the preloaded allocator if it has them, else from libstdc++; without that
 * it exits with status 77.
 *
 * SIZE   of the blocks in bytes; the first byte is written
 * COUNT  of blocks. A new is an operation, and a delete.
 */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "bench.h"

enum { MISSING = 77 };

static void *find(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    if (found == NULL)
        bench_fail("an operator of C++ is missing");
    return found;
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: sized-delete SIZE COUNT\n"
                                "e.g.   sized-delete 64 10000000\n";
    bench_help(argc, argv, usage, 2, 2);
    size_t size = (size_t)bench_number(argv[1], 1, 1 << 30, "SIZE");
    uint64_t count = bench_number(argv[2], 1, INT64_MAX, "COUNT");
    if (dlopen("libstdc++.so.6", RTLD_NOW | RTLD_GLOBAL) == NULL)
        exit(MISSING);
    void *(*operator_new)(size_t) = (void *(*)(size_t))find("_Znwm");
    void (*operator_delete)(void *, size_t) = (void (*)(void *, size_t))find("_ZdlPvm");
    double start = bench_now();
    for (uint64_t i = 0; i < count; i++) {
        char *block = operator_new(size);
        block[0] = (char)i;
        bench_use(block);
        operator_delete(block, size);
    }
    bench_report((double)count * 2, bench_now() - start);
    return 0;
}

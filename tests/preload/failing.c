/* SPDX-License-Identifier: MIT */
/*
 * The system refuses memory from one moment on: every mmap, mprotect, mremap,
 * munmap and madvise fails. Then allocations fail with ENOMEM or succeed, and
 * nothing is lost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "test.h"

#ifdef SYS_mmap2
#define MAPPING_CALL SYS_mmap2
#else
#define MAPPING_CALL SYS_mmap
#endif

enum { BLOCKS = 100000, SKIPPED = 77 };

static int refuse_memory(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAPPING_CALL, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mremap, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

static size_t size_of(int i)
{
    static const size_t sizes[] = {16, 100, 1000, 7000, 50000, 200000, 3000000};
    return sizes[i % 7];
}

static int fill(char **block, int from)
{
    int i = from;
    for (; i < BLOCKS; i++) {
        errno = 0;
        block[i] = opaque(malloc(size_of(i)));
        if (block[i] == NULL) {
            REQUIRE(errno == ENOMEM);
            break;
        }
        memset(block[i], i & 127, size_of(i));
    }
    return i;
}

static void verify(char **block, int count)
{
    for (int i = 0; i < count; i++)
        REQUIRE(block[i][0] == (i & 127) && block[i][size_of(i) - 1] == (i & 127));
}

int main(void)
{
    static char *block[BLOCKS];
    int before = 70;
    for (int i = 0; i < before; i++) {
        block[i] = opaque(malloc(size_of(i)));
        REQUIRE(block[i] != NULL);
        memset(block[i], i & 127, size_of(i));
    }
    if (refuse_memory() != 0) {
        puts("no seccomp here");
        return SKIPPED;
    }
    int count = fill(block, before);
    REQUIRE(count < BLOCKS);
    verify(block, count);
    errno = 0;
    REQUIRE(opaque(realloc(opaque(block[6]), 30000000)) == NULL && errno == ENOMEM);
    REQUIRE(opaque(calloc(1, 30000000)) == NULL && opaque(aligned_alloc(4096, 30000000)) == NULL);
    verify(block, count);
    for (int i = 0; i < count; i++)
        free(block[i]);
    /* what was there is still there */
    int again = fill(block, 0);
    REQUIRE(again >= count / 2);
    verify(block, again);
    for (int i = 0; i < again; i++)
        free(block[i]);
    return 0;
}

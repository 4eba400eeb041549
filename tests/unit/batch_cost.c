/* SPDX-License-Identifier: MIT */
/*
 * What a batch of blocks costs beside as many pairs of malloc and free, in instructions: a child
 * does both step by step, and its parent counts the steps.
 */
#include <hakmem/hakmem.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SKIPPED = 77, BLOCKS = 32, SIZE = 64, MOST_PERCENT = 60 };
enum phase { OTHER, PAIRS, ONE_BY_ONE, BATCH, PHASES };

static volatile enum phase *phase; /* shared with the child */

static __attribute__((noinline)) void pairs(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        void *block = hak_malloc(SIZE);
        __asm__ volatile("" : : "r"(block) : "memory");
        hak_free(block);
    }
}

static __attribute__((noinline)) void one_by_one(void **blocks)
{
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = hak_malloc(SIZE);
    for (int i = 0; i < BLOCKS; i++)
        hak_free(blocks[i]);
}

static __attribute__((noinline)) void batch(void **blocks)
{
    if (hak_alloc_batch(SIZE, BLOCKS, blocks) == BLOCKS)
        hak_free_batch(blocks, BLOCKS);
}

static _Noreturn void child(void)
{
    void *blocks[BLOCKS];
    for (int warm = 0; warm < 100; warm++) {
        one_by_one(blocks);
        batch(blocks);
    }
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(SKIPPED);
    kill(getpid(), SIGSTOP);
    *phase = PAIRS;
    pairs();
    *phase = ONE_BY_ONE;
    one_by_one(blocks);
    *phase = BATCH;
    batch(blocks);
    *phase = OTHER;
    _exit(0);
}

int main(void)
{
    long steps[PHASES] = {0};
    phase = mmap(NULL, sizeof *phase, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (phase == MAP_FAILED)
        return 1;
    pid_t pid = fork();
    if (pid == 0)
        child();
    int status = 0;
    while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
        steps[*phase]++;
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0)
            break;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || steps[BATCH] == 0) {
        puts("no child can be traced here");
        return SKIPPED;
    }
    long least = steps[PAIRS] < steps[ONE_BY_ONE] ? steps[PAIRS] : steps[ONE_BY_ONE];
    long percent = 100 * steps[BATCH] / least;
    printf("%d blocks of %d bytes: %ld instructions in pairs, %ld one after the other, %ld in a "
           "batch, %ld %%\n",
           BLOCKS, SIZE, steps[PAIRS], steps[ONE_BY_ONE], steps[BATCH], percent);
    return percent <= MOST_PERCENT ? 0 : 1;
}

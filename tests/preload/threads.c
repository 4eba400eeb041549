/* SPDX-License-Identifier: MIT */
/* fork while threads allocate; thread exit with destructors that allocate; what is left; readings. */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

enum { THREADS = 4, FORKS = 60, ROUNDS = 4, ENDINGS = 300 };

static atomic_bool stop;

static void churn(unsigned state, int count)
{
    char *block[64] = {NULL};
    for (int i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        char **slot = &block[(state >> 8) % 64];
        free(*slot);
        size_t size = 1 + (state >> 14) % ((state >> 4) % 50 == 0 ? 200000 : 600);
        *slot = opaque(malloc(size));
        REQUIRE(*slot != NULL);
        memset(*slot, (int)state, size);
    }
    for (int i = 0; i < 64; i++)
        free(block[i]);
}

static void *allocate(void *seed)
{
    unsigned state = (unsigned)(size_t)seed;
    while (!atomic_load(&stop))
        churn(state++, 500);
    return NULL;
}

static void *allocate_once(void *seed)
{
    churn((unsigned)(size_t)seed, 2000);
    return NULL;
}

static void child(void)
{
    alarm(60); /* a deadlock fails the test instead of hanging it */
    churn(7, 2000);
    pthread_t thread[2];
    for (size_t i = 0; i < 2; i++)
        REQUIRE(pthread_create(&thread[i], NULL, allocate_once, (void *)(i + 1)) == 0);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    pid_t grandchild = fork();
    REQUIRE(grandchild >= 0);
    if (grandchild == 0) {
        churn(9, 500);
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    int status = 0;
    REQUIRE(waitpid(grandchild, &status, 0) == grandchild && status == 0);
    _exit(0);
}

static void handler(void)
{
    churn(11, 50);
}

static void forks(void)
{
    pthread_t thread[THREADS];
    /* runs while the library's own handlers hold its locks */
    pthread_atfork(handler, handler, handler);
    for (size_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&thread[i], NULL, allocate, (void *)(i + 100)) == 0);
    for (int i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0)
            child();
        int status = 0;
        REQUIRE(waitpid(pid, &status, 0) == pid);
        REQUIRE(status == 0);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

enum { HANDED = 40000, FREEING = 3, FREEING_FORKS = 300 };

static void *passed_on[FREEING][HANDED];
static pthread_barrier_t all_are_handed;

/* Frees by the ten thousand what another thread has allocated, and allocates as many. */
static void *free_others(void *number)
{
    size_t mine = (size_t)number, other = (mine + 1) % FREEING;
    for (int i = 0; i < HANDED; i++)
        passed_on[mine][i] = opaque(malloc(64));
    pthread_barrier_wait(&all_are_handed);
    while (!atomic_load(&stop)) {
        for (int i = 0; i < HANDED; i++)
            free(passed_on[other][i]);
        for (int i = 0; i < HANDED; i++)
            passed_on[other][i] = opaque(malloc(64));
    }
    return NULL;
}

/* A fork between any two steps of their frees; the child frees more than its cache holds. */
static void forks_beside_frees(void)
{
    enum { FREED = 2000 };
    void *block[FREED];
    pthread_t thread[FREEING];
    for (int i = 0; i < FREED; i++)
        block[i] = opaque(malloc(128));
    atomic_store(&stop, false);
    pthread_barrier_init(&all_are_handed, NULL, FREEING + 1);
    for (size_t i = 0; i < FREEING; i++)
        REQUIRE(pthread_create(&thread[i], NULL, free_others, (void *)i) == 0);
    pthread_barrier_wait(&all_are_handed);
    for (int i = 0; i < FREEING_FORKS; i++) {
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            alarm(60);
            for (int j = 0; j < FREED; j++)
                free(block[j]);
            _exit(0);
        }
        int status = 0;
        REQUIRE(waitpid(pid, &status, 0) == pid && status == 0);
        usleep((unsigned)i * 7919 % 2000);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < FREEING; i++)
        pthread_join(thread[i], NULL);
}

static pthread_key_t key[2];
static atomic_int destructions;

struct late {
    int round;
    char *kept;
};

static void destroy(void *value)
{
    struct late *late = value;
    atomic_fetch_add(&destructions, 1);
    free(late->kept);
    churn(5, 200);
    if (++late->round < ROUNDS) {
        late->kept = opaque(malloc(100));
        pthread_setspecific(key[late->round % 2], late);
    } else {
        free(late);
    }
}

static void *ends(void *handed)
{
    struct late *late = calloc(1, sizeof *late);
    REQUIRE(pthread_setspecific(key[0], late) == 0);
    free(handed);
    churn(3, 300);
    return opaque(malloc(1000));
}

static void endings(void)
{
    REQUIRE(pthread_key_create(&key[0], destroy) == 0 && pthread_key_create(&key[1], destroy) == 0);
    void *handed = malloc(1000);
    for (int i = 0; i < ENDINGS; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, ends, handed) == 0);
        pthread_join(thread, &handed);
    }
    free(handed);
    REQUIRE(atomic_load(&destructions) >= ENDINGS);
}

/* A slab of a thread that has ended becomes a large block, which nobody writes to. */
static void *fill_slabs(void *unused)
{
    enum { BLOCKS = 20000 };
    static void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = opaque(malloc(600));
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    return unused;
}

static void untouched(void)
{
    void *blocks[100];
    for (int round = 0; round < 10; round++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, fill_slabs, NULL) == 0);
        REQUIRE(pthread_join(thread, NULL) == 0);
        for (int i = 0; i < 100; i++)
            blocks[i] = opaque(malloc(100000));
        for (int i = 0; i < 100; i++)
            free(blocks[i]);
    }
}

static atomic_bool readings_done;

static void *come_and_go(void *unused)
{
    while (!atomic_load(&readings_done)) {
        void *block = opaque(malloc(40 << 20));
        free(block);
    }
    return unused;
}

/* What mallinfo2 finds one after the other never gives a difference below zero. */
static void readings(void)
{
    enum { READINGS = 60000 };
    const size_t absurd = SIZE_MAX / 4;
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, come_and_go, NULL) == 0);
    for (int i = 0; i < READINGS; i++) {
        struct mallinfo2 info = mallinfo2();
        REQUIRE(info.arena < absurd && info.hblkhd < absurd && info.uordblks < absurd);
        REQUIRE(info.fordblks < absurd && info.keepcost < absurd);
    }
    atomic_store(&readings_done, true);
    pthread_join(thread, NULL);
}

int main(void)
{
    readings();
    untouched();
    endings();
    forks();
    forks_beside_frees();
    return 0;
}

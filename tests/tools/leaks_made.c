/* SPDX-License-Identifier: MIT */
/*
 * A program that leaks in many ways, and keeps blocks in as many; run with the library preloaded. It says
 * "direct ADDRESS SIZE", "indirect ADDRESS SIZE" or "circle ADDRESS SIZE" for what it loses, not by stdio,
 * which allocates; and "kept ADDRESS by WHAT LINKS" of some blocks that it keeps, with the length of the shortest chain.
 * Then it says "ready" and waits. Arguments: "none" loses nothing; "busy" goes on to move
 * what it keeps; "churn" goes on to allocate and free by four threads; "large" keeps so much that it is not stopped for long; "end" ends in place of waiting, with 5,
 * "thread" as well, by another thread, and "abort" by a signal.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct node {
    struct node *next, *previous;
    char text[40];
};

static void *volatile variable, *volatile array[100], *volatile bulk;
static _Thread_local void *volatile local;
static void *volatile *mapped;
static struct node ring = {&ring, &ring, ""};
static struct node *volatile chain_begin;
static pthread_barrier_t begun;

static void say(const char *what, const void *block, size_t size)
{
    dprintf(STDOUT_FILENO, "%s %p %zu\n", what, block, size);
}

static void *allocate(size_t size)
{
    void *block = calloc(1, size);
    if (block == NULL)
        exit(1);
    return block;
}

/* ---- leaks; not inlined, so that main's frame has no addresses of theirs ---- */

__attribute__((noinline)) static void lose_one(size_t size)
{
    say("direct", allocate(size), size);
}

__attribute__((noinline)) static void lose_list(void)
{
    struct node *first = NULL;
    for (int i = 0; i < 1000; i++) {
        struct node *node = allocate(sizeof *node);
        node->next = first;
        first = node;
    }
    say("direct", first, sizeof *first);
    for (first = first->next; first != NULL; first = first->next)
        say("indirect", first, sizeof *first);
}

/* A circle, from which a list leads away that was there before it, and so has lower addresses. */
__attribute__((noinline)) static void lose_circle(void)
{
    struct node *circle[3], *behind = allocate(sizeof *behind);
    for (int i = 0; i < 3; i++)
        circle[i] = allocate(sizeof *circle[i]);
    for (int i = 0; i < 3; i++) {
        circle[i]->next = circle[(i + 1) % 3];
        say("circle", circle[i], sizeof *circle[i]);
    }
    circle[1]->previous = behind;
    say("indirect", behind, sizeof *behind);
}

/* In a large block that is lost, by an address within. */
__attribute__((noinline)) static void lose_with_large(void)
{
    char **large = allocate(3000000);
    char *within = allocate(700);
    large[200000] = within + 300;
    say("direct", large, 3000000);
    say("indirect", within, 700);
}

static void *end_soon(void *none)
{
    void *volatile on_stack = allocate(1234);
    local = allocate(2345);
    say("direct", on_stack, 1234);
    say("direct", local, 2345);
    return none;
}

__attribute__((noinline)) static void lose_all(void)
{
    static const size_t sizes[] = {1, 24, 100, 1000, 5000, 50000, 300000, 40000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        lose_one(sizes[i]);
    lose_list();
    lose_circle();
    lose_with_large();
    pthread_t thread;
    if (pthread_create(&thread, NULL, end_soon, NULL) != 0 || pthread_join(thread, NULL) != 0)
        exit(1);
    memset(&thread, 0, sizeof thread);
}

/* ---- what is kept ------------------------------------------------------ */

static void say_kept(const void *block, const char *what, int links)
{
    dprintf(STDOUT_FILENO, "kept %p by %s %d\n", block, what, links);
}

static void *wait_for_ever(void *none)
{
    void *volatile on_stack = allocate(777);
    local = allocate(888);
    say_kept(on_stack, "stack", 1);
    say_kept(local, "tls", 1);
    pthread_barrier_wait(&begun);
    for (;;)
        pause();
    free(on_stack);
    return none;
}

/* Nodes leave the ring and come back elsewhere; some are new ones. */
static void *move(void *none)
{
    unsigned state = 1;
    for (;;) {
        struct node *node = ring.next, *place = &ring;
        state = state * 1103515245 + 12345;
        node->previous->next = node->next;
        node->next->previous = node->previous;
        if (state >> 28 == 0) {
            free(node);
            node = allocate(sizeof *node);
        }
        for (unsigned steps = state >> 16 & 63; steps > 0; steps--)
            place = place->previous;
        node->next = place;
        node->previous = place->previous;
        place->previous->next = node;
        place->previous = node;
    }
    return none;
}

/* Large blocks come into a place, and those that were there are freed, mostly by another thread. */
static void *churn(void *none)
{
    enum { PLACES = 64, BATCH = 8 };
    static _Atomic(void *) place[PLACES];
    unsigned state = (unsigned)(uintptr_t)&none >> 4;
    for (;;) {
        void *batch[BATCH];
        for (int i = 0; i < BATCH; i++) {
            state = state * 1103515245 + 12345;
            void *block = malloc(60000 + (state >> 9 & 0xfffff));
            *(volatile char *)block = 1;
            batch[i] = atomic_exchange(&place[state >> 8 & (PLACES - 1)], block);
        }
        for (int i = 0; i < BATCH; i++)
            free(batch[i]);
    }
    return none;
}

static void *end_all(void *none)
{
    _exit(5);
    return none;
}

static void begin(void *(*function)(void *))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, function, NULL) != 0)
        exit(1);
}

/* From each node to the next one, and from the first one to the last but one. */
__attribute__((noinline)) static void keep_chain(void)
{
    struct node *node[6];
    for (int i = 0; i < 6; i++)
        node[i] = allocate(sizeof *node[i]);
    for (int i = 0; i < 5; i++)
        node[i]->next = node[i + 1];
    node[0]->previous = node[4];
    chain_begin = node[0];
    say_kept(node[0], "data", 1);
    say_kept(node[3], "data", 4);
    say_kept((char *)node[5] + 60, "data", 3);
}

static void keep_all(void)
{
    keep_chain();
    variable = allocate(10);
    local = allocate(20);
    mapped = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        exit(1);
    mapped[0] = allocate(30);
    mapped[1000] = (char *)allocate(1000) + 999;
    for (int i = 0; i < 100; i++)
        array[i] = allocate((size_t)(i * i * 10 + 1));
    for (int i = 0; i < 100; i += 3) {
        free(array[i]);
        array[i] = NULL;
    }
    for (int i = 0; i < 2000; i++) {
        struct node *node = allocate(sizeof *node);
        node->next = &ring;
        node->previous = ring.previous;
        ring.previous->next = node;
        ring.previous = node;
    }
    pthread_barrier_init(&begun, NULL, 2);
    begin(wait_for_ever);
    pthread_barrier_wait(&begun);
}

__attribute__((noinline)) static void wipe_stack(void)
{
    volatile char unused[1 << 15];
    memset((void *)unused, 0, sizeof unused);
}

static bool has(int argc, char **argv, const char *word)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    keep_all();
    void *volatile on_stack = allocate(50);
    void *freed = allocate(45000000); /* whose memory the library keeps */
    memset(freed, 1, 45000000);
    if (!has(argc, argv, "none"))
        lose_all();
    free(freed);
    freed = NULL;
    if (has(argc, argv, "large")) {
        bulk = allocate(600 << 20);
        for (size_t i = 0; i < 600 << 20; i += 4096)
            ((char *)bulk)[i] = 1;
    }
    if (has(argc, argv, "busy"))
        begin(move);
    for (int i = 0; i < 4 && has(argc, argv, "churn"); i++)
        begin(churn);
    wipe_stack();
    if (has(argc, argv, "end"))
        exit(5);
    if (has(argc, argv, "abort"))
        abort();
    dprintf(STDOUT_FILENO, "ready\n"); /* it allocates, which another thread must not end halfway */
    if (has(argc, argv, "thread"))
        begin(end_all);
    for (;;)
        pause();
    return on_stack == NULL;
}

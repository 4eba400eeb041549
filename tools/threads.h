/* SPDX-License-Identifier: MIT */
/* The threads of a process, each with what its heap has cached and what it has requested. */
#ifndef HAK_TOOLS_THREADS_H
#define HAK_TOOLS_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "api/snapshot.h"

enum { THREADS_MOST = 4096, THREAD_NAME = 16 };

struct thread {
    pid_t tid;
    uint32_t own_tid;         /* the same as the process sees it, in its PID namespace */
    char name[THREAD_NAME];   /* printable; empty: not known */
    bool has_heap;            /* else it has not allocated small blocks yet, or does not any more */
    bool has_rate;
    uint64_t cached_bytes;    /* freed blocks in its cache */
    uint64_t requested_bytes; /* so far, by this thread */
    double rate;              /* requested bytes per second */
};

struct threads {
    double when;      /* these were read, of CLOCK_MONOTONIC */
    bool named;       /* false: they are known from their heaps alone */
    size_t room;      /* of list */
    size_t count;
    size_t left_out;  /* threads for which there was no room */
    /*
     * What no thread of the list has: heaps that wait for a thread, threads that have ended, and those
     * without a heap. Only the numbers count.
     */
    struct thread rest;
    struct thread list[]; /* by rising TID */
};

#define THREADS_SIZE(room) (sizeof(struct threads) + (room) * sizeof(struct thread))

void threads_begin(struct threads *threads, size_t room);

/* For hak__snapshot_read_heaps: adds a heap to the struct threads. */
void threads_add_heap(const struct hak_heap_snapshot *heap, void *threads);

/* After all heaps, of a process that runs: finds out which threads there are and which heaps are theirs. */
void threads_find(struct threads *threads, pid_t pid, uint64_t requested);

/* The same of a process that does not: the names of its threads are known, or not. */
struct thread_name {
    uint32_t own_tid;
    const char *name; /* not printable, perhaps; ended */
};
void threads_name(struct threads *threads, const struct thread_name *names, size_t count, uint64_t requested);

/* A copy without room, to be freed; NULL without memory, or of NULL. */
struct threads *threads_copy(const struct threads *threads);

/* Finds the rates since another look. */
void threads_compare(struct threads *now, const struct threads *before);

/* The thread of that TID, or NULL. */
const struct thread *threads_of(const struct threads *threads, pid_t tid);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Work that several threads do, and that makes more of it: numbers, in the order in which they were put there.
 *
 * Who takes one is busy until it says that it has done it. The queue is at its end when it is empty and none is busy.
 */
#ifndef HAK_TOOLS_READER_QUEUE_H
#define HAK_TOOLS_READER_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* something is there for a thread that waits, or nothing will be */
    bool is_shared;         /* else there is no need for the lock */
    unsigned busy, waiting; /* threads */
    uint64_t *item;         /* a ring */
    size_t room, first, count;
};

/* Never more items than there is room for; false without memory. */
bool queue_make(struct queue *queue, size_t room);
void queue_free(struct queue *queue);

void queue_put(struct queue *queue, uint64_t item);
/* Waits for an item; false at the end. */
bool queue_take(struct queue *queue, uint64_t *item);
/* The thread is busy without having taken anything. */
void queue_begin(struct queue *queue);
void queue_done(struct queue *queue);

#endif

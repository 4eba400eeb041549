/* SPDX-License-Identifier: MIT */
#include "reader/queue.h"

#include <stdlib.h>

/* Items for which no thread that waits is called: one more can take them. */
enum { SPARE = 8 };

bool queue_make(struct queue *queue, size_t room)
{
    *queue = (struct queue){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .room = room};
    queue->item = malloc(room * sizeof *queue->item);
    return queue->item != NULL;
}

void queue_free(struct queue *queue)
{
    free(queue->item);
}

static void lock(struct queue *queue)
{
    if (queue->is_shared)
        pthread_mutex_lock(&queue->lock);
}

static void unlock(struct queue *queue)
{
    if (queue->is_shared)
        pthread_mutex_unlock(&queue->lock);
}

void queue_put(struct queue *queue, uint64_t item)
{
    lock(queue);
    size_t last = queue->first + queue->count++;
    queue->item[last < queue->room ? last : last - queue->room] = item;
    if (queue->waiting > 0 && queue->count > SPARE)
        pthread_cond_signal(&queue->changed);
    unlock(queue);
}

bool queue_take(struct queue *queue, uint64_t *item)
{
    bool is_there;
    lock(queue);
    while (queue->count == 0 && queue->busy > 0) {
        queue->waiting++;
        pthread_cond_wait(&queue->changed, &queue->lock);
        queue->waiting--;
    }
    is_there = queue->count > 0;
    if (is_there) {
        *item = queue->item[queue->first];
        queue->first = queue->first + 1 < queue->room ? queue->first + 1 : 0;
        queue->count--;
        queue->busy++;
    }
    unlock(queue);
    return is_there;
}

void queue_begin(struct queue *queue)
{
    lock(queue);
    queue->busy++;
    unlock(queue);
}

void queue_done(struct queue *queue)
{
    lock(queue);
    queue->busy--;
    if (queue->waiting > 0 && queue->busy == 0 && queue->count == 0) /* else this thread takes it */
        pthread_cond_broadcast(&queue->changed);
    unlock(queue);
}

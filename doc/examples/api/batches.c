/* SPDX-License-Identifier: MIT */
/*
 * batches: messages that arrive many at a time are allocated and freed many at a time.
 *
 *     cc batches.c $(pkg-config --cflags --libs hakmem)
 */
#include <hakmem/hakmem.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 4, BURST = 32 };

struct message {
    struct message *next;
    char text[56];
};

/* Puts up to count new messages in front of a list; if memory is short there are fewer. */
static struct message *receive(struct message *list, int round, size_t count)
{
    void *blocks[BURST];
    size_t got = hak_alloc_batch(sizeof(struct message), count, blocks);
    for (size_t i = 0; i < got; i++) {
        struct message *message = blocks[i];
        snprintf(message->text, sizeof message->text, "message %zu of burst %d", i + 1, round);
        message->next = list;
        list = message;
    }
    if (got < count)
        fprintf(stderr, "%zu messages lost\n", count - got);
    return list;
}

/* Frees a list, so many messages at a time as the array takes. */
static size_t discard(struct message *list)
{
    void *blocks[BURST];
    size_t count = 0, all = 0;
    for (; list != NULL; all++) {
        blocks[count++] = list;
        list = list->next;
        if (count == BURST || list == NULL) {
            hak_free_batch(blocks, count);
            count = 0;
        }
    }
    return all;
}

int main(void)
{
    struct message *list = NULL;
    for (int round = 1; round <= ROUNDS; round++)
        list = receive(list, round, BURST);
    printf("the last one: %s\n", list != NULL ? list->text : "none");
    printf("%zu messages freed\n", discard(list));
    return EXIT_SUCCESS;
}

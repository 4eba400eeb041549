/* SPDX-License-Identifier: MIT */
/*
 * in-place: a buffer that grows where it is if it can, and is moved if it cannot.
 *
 *     cc in-place.c $(pkg-config --cflags --libs hakmem)
 */
#include <hakmem/hakmem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct buffer {
    char *data;
    size_t used, room;
    unsigned grown, moved; /* how often: in place, by realloc */
};

/* Makes room for more bytes: twice what there is, but in place a quarter more is worth it too. */
static bool reserve(struct buffer *buffer, size_t more)
{
    size_t needed = buffer->used + more, room = buffer->room;
    size_t least = needed > room + room / 4 ? needed : room + room / 4;
    size_t wanted = needed > 2 * room ? needed : 2 * room;
    if (buffer->data != NULL) {
        size_t got = hak_resize_in_place(buffer->data, least, wanted);
        if (got > 0) {
            buffer->room = got;
            buffer->grown++;
            return true;
        }
    }
    char *moved = hak_realloc(buffer->data, wanted);
    if (moved == NULL)
        return false;
    buffer->data = moved;
    buffer->room = wanted;
    buffer->moved++;
    return true;
}

static bool append(struct buffer *buffer, const char *bytes, size_t count)
{
    if (count > buffer->room - buffer->used && !reserve(buffer, count))
        return false;
    memcpy(buffer->data + buffer->used, bytes, count);
    buffer->used += count;
    return true;
}

int main(void)
{
    static struct buffer buffer;
    for (int i = 0; i < 1000000; i++)
        if (!append(&buffer, "0123456789abcdef", 16))
            return EXIT_FAILURE;
    printf("%zu bytes: grew %u times in place, moved %u times\n", buffer.used, buffer.grown,
           buffer.moved);
    hak_free(buffer.data);
    return EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
#include "protobuf.h"

#include <stdlib.h>
#include <string.h>

enum { FORM_VARINT = 0, FORM_BYTES = 2, VARINT_MOST = 10 };

/* Room for so many bytes more, or NULL. */
static unsigned char *grow(struct protobuf *message, size_t size)
{
    if (message->failed)
        return NULL;
    if (size > message->room - message->size) {
        size_t room = 2 * message->room + size + 64;
        unsigned char *more = room > size ? realloc(message->bytes, room) : NULL;
        if (more == NULL) {
            message->failed = true;
            return NULL;
        }
        message->bytes = more;
        message->room = room;
    }
    return message->bytes + message->size;
}

/* Seven bits a byte, the lowest first; all bytes but the last have the eighth bit set. */
void protobuf_item(struct protobuf *list, uint64_t value)
{
    unsigned char *to = grow(list, VARINT_MOST);
    if (to == NULL)
        return;
    for (; value >= 0x80; value >>= 7)
        *to++ = (unsigned char)(value | 0x80);
    *to++ = (unsigned char)value;
    list->size = (size_t)(to - list->bytes);
}

static void put_key(struct protobuf *message, unsigned field, unsigned form)
{
    protobuf_item(message, (uint64_t)field << 3 | form);
}

void protobuf_number(struct protobuf *message, unsigned field, uint64_t value)
{
    if (value == 0)
        return;
    put_key(message, field, FORM_VARINT);
    protobuf_item(message, value);
}

void protobuf_bytes(struct protobuf *message, unsigned field, const void *bytes, size_t size)
{
    put_key(message, field, FORM_BYTES);
    protobuf_item(message, size);
    unsigned char *to = grow(message, size);
    if (to == NULL || size == 0)
        return;
    memcpy(to, bytes, size);
    message->size += size;
}

void protobuf_inner(struct protobuf *message, unsigned field, struct protobuf *inner)
{
    protobuf_bytes(message, field, inner->bytes, inner->size);
    message->failed = message->failed || inner->failed;
    inner->size = 0;
}

void protobuf_free(struct protobuf *message)
{
    free(message->bytes);
    *message = (struct protobuf){0};
}

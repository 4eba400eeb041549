/* SPDX-License-Identifier: MIT */
/*
 * Encodes protocol buffers: a message is a row of fields, each a number that says which field and
 * of what form, then a value (protobuf.dev, "Encoding").
 */
#ifndef HAK_TOOLS_PROTOBUF_H
#define HAK_TOOLS_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A message, or a part of one; zeroed it is empty. Without memory it fails, and what follows is
 * ignored. */
struct protobuf {
    unsigned char *bytes;
    size_t size, room; /* size <= room */
    bool failed;
};

/* A field of an integer, boolean or enumerated type; 0 is the default and takes no space. */
void protobuf_number(struct protobuf *message, unsigned field, uint64_t value);
/* A string, or any other bytes. */
void protobuf_bytes(struct protobuf *message, unsigned field, const void *bytes, size_t size);
/* A message within a message, or a packed list of numbers; the inner one is empty afterwards. */
void protobuf_inner(struct protobuf *message, unsigned field, struct protobuf *inner);
/* Appends a number to a packed list. */
void protobuf_item(struct protobuf *list, uint64_t value);

void protobuf_free(struct protobuf *message);

#endif

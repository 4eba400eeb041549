/* SPDX-License-Identifier: MIT */
/* Reading a table byte by byte, and never behind its end. */
#ifndef HAK_PROFILE_BYTES_H
#define HAK_PROFILE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

/* Once something was missing, "short" stays true and all that is read is 0. */
struct hak_bytes {
    const unsigned char *at, *end;
    bool is_short;
};

HAK_INLINE bool hak__bytes_need(struct hak_bytes *bytes, uint64_t count)
{
    if (hak_unlikely(bytes->is_short || (size_t)(bytes->end - bytes->at) < count))
        bytes->is_short = true;
    return !bytes->is_short;
}

HAK_INLINE void hak__bytes_skip(struct hak_bytes *bytes, uint64_t count)
{
    if (hak__bytes_need(bytes, count))
        bytes->at += (size_t)count;
}

#define HAK_BYTES_READ(name, type)                                                                 \
    HAK_INLINE type hak__bytes_##name(struct hak_bytes *bytes)                                     \
    {                                                                                              \
        type value = 0;                                                                            \
        if (hak__bytes_need(bytes, sizeof value)) {                                                \
            memcpy(&value, bytes->at, sizeof value);                                               \
            bytes->at += sizeof value;                                                             \
        }                                                                                          \
        return value;                                                                              \
    }
HAK_BYTES_READ(u8, uint8_t)
HAK_BYTES_READ(u16, uint16_t)
HAK_BYTES_READ(u32, uint32_t)
HAK_BYTES_READ(u64, uint64_t)
HAK_BYTES_READ(word, uintptr_t)
#undef HAK_BYTES_READ

/* Numbers of any length, seven bits a byte, lowest first. What does not fit is cut off. */
HAK_INLINE uint64_t hak__bytes_uleb(struct hak_bytes *bytes)
{
    uint64_t value = 0;
    uint8_t byte = 0x80;
    for (unsigned shift = 0; (byte & 0x80) != 0 && !bytes->is_short; shift += 7) {
        byte = hak__bytes_u8(bytes);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
    }
    return value;
}

HAK_INLINE int64_t hak__bytes_sleb(struct hak_bytes *bytes)
{
    uint64_t value = 0;
    uint8_t byte = 0x80;
    unsigned shift = 0;
    for (; (byte & 0x80) != 0 && !bytes->is_short; shift += 7) {
        byte = hak__bytes_u8(bytes);
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
    }
    if (shift < 64 && (byte & 0x40) != 0)
        value |= ~(uint64_t)0 << shift;
    return (int64_t)value;
}

#endif

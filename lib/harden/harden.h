/* SPDX-License-Identifier: MIT */
/*
 * The protections of the hardened variant: what the other layers call. In the other variants HAK_HARDENED
 * is 0 and all that depends on it is compiled away.
 *
 *     a live block   [ size bytes, the program's | canary, 8 bytes |  zeroes  | trailer, 8 bytes ]
 *     a free block   [ zero word | mark | zeroes                                                ]
 *
 * The block ends with its trailer, so at the fullest the trailer is the canary. All words of a free block
 * but the mark of thread_cache.h are zero while it is in a bin or in quarantine, and that is looked at
 * before it is handed out again.
 */
#ifndef HAK_HARDEN_HARDEN_H
#define HAK_HARDEN_HARDEN_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/params.h"

/* What the options of this variant have switched on. Set when the process begins, read by all threads. */
struct hak_harden {
    uint64_t secret;        /* of the canaries */
    uint64_t trailer_bits;  /* of a trailer, those that have to be right */
    size_t verified;        /* bytes of a free block that have to be zero when it is handed out */
    size_t rests;           /* bytes of freed blocks of a class that a thread keeps in quarantine */
    size_t large_rests;     /* bytes of freed large blocks that a thread keeps inaccessible */
    uint8_t canary, zero, random, zero_size; /* 0 or 1 */
};
extern struct hak_harden hak__harden;

/* Before the first allocation. Until the options have been read all protections are on. */
void hak__harden_start(void);
/* Follows the options. A protection that has been on may go, for no block of before is taken for another then. */
void hak__harden_options(void);
/* The program has operators of its own: how a block was allocated does not tell how it is freed. */
void hak__harden_forget_kinds(void);

/* What is behind the bytes of a block that the program asked for. */
enum { HAK_TRAILER = HAK_HARDENED ? 8 : 0 };

/* The size of which a block has room for so many bytes; one that no block has stays so. */
HAK_INLINE size_t hak__harden_padded(size_t size)
{
    return HAK_HARDENED && size <= SIZE_MAX - HAK_TRAILER ? size + HAK_TRAILER : size;
}

/* Whether a size takes the slow path: none, and those that would wrap when they are padded. */
HAK_INLINE bool hak__harden_is_odd(size_t size)
{
    return HAK_HARDENED && hak_unlikely(size - 1 >= PTRDIFF_MAX);
}

/* The parts of a trailer (canary.h). */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
enum { HAK_SLACK_SHIFT = 0, HAK_FIRST_BYTES_LOW = 0 };
#define HAK_CANARY_BEHIND (~(uint64_t)0 >> 8)
#else
enum { HAK_SLACK_SHIFT = 8, HAK_FIRST_BYTES_LOW = 1 };
#define HAK_CANARY_BEHIND (~(uint64_t)0 << 8)
#endif
enum { HAK_SLACK_BITS = 16, HAK_KIND_SHIFT = HAK_SLACK_SHIFT + HAK_SLACK_BITS, HAK_KIND_BITS = 2 };
static_assert(HAK_SMALL_MAX <= (size_t)1 << HAK_SLACK_BITS, "the slack of any block has room");

#define HAK_BITS_OF(shift, bits) ((((uint64_t)1 << (bits)) - 1) << (shift))
#define HAK_TRAILER_SLACK HAK_BITS_OF(HAK_SLACK_SHIFT, HAK_SLACK_BITS)
#define HAK_TRAILER_KIND HAK_BITS_OF(HAK_KIND_SHIFT, HAK_KIND_BITS)
#define HAK_TRAILER_CANARY (HAK_CANARY_BEHIND & ~HAK_TRAILER_SLACK & ~HAK_TRAILER_KIND)

/* By which function a block was allocated. */
enum hak_kind { HAK_KIND_MALLOC, HAK_KIND_NEW, HAK_KIND_NEW_ARRAY };

/* What a call that frees expects, by its name in messages: "free", "operator delete", "operator delete[]". */
HAK_INLINE enum hak_kind hak__harden_kind_of(const char *call)
{
    enum { BRACKET = sizeof "operator delete" - 1 };
    if (hak_likely(call[0] != 'o'))
        return HAK_KIND_MALLOC;
    return call[BRACKET] == '[' ? HAK_KIND_NEW_ARRAY : HAK_KIND_NEW;
}

#endif

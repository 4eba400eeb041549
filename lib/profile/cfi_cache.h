/* SPDX-License-Identifier: MIT */
/*
 * Rows of places that walks have come by, in a table of a fixed size; those of the usual kind only.
 * Takes no lock, allocates nothing; in any thread and signal handler.
 */
#ifndef HAK_PROFILE_CFI_CACHE_H
#define HAK_PROFILE_CFI_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "profile/cfi.h"

/*
 * What a row of the usual kind says, by which the frame is a register and an offset, and what a function
 * keeps for its caller is saved below the frame's start, if at all: for each register that calls keep
 * how many words below, 0 where it is still in its place.
 */
#if defined(__x86_64__)
enum { HAK_KEPT_BITS = 9, HAK_KEPT_WORDS = 1, HAK_RETURN_REGISTER = 16 };
#define HAK_KEPT_BY_CALLS 3, 6, 12, 13, 14, 15, HAK_RETURN_REGISTER
#elif defined(__i386__)
enum { HAK_KEPT_BITS = 12, HAK_KEPT_WORDS = 1, HAK_RETURN_REGISTER = 8 };
#define HAK_KEPT_BY_CALLS 3, 5, 6, 7, HAK_RETURN_REGISTER
#else
enum { HAK_KEPT_BITS = 10, HAK_KEPT_WORDS = 2, HAK_RETURN_REGISTER = 30 };
#define HAK_KEPT_BY_CALLS 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, HAK_RETURN_REGISTER
#endif
enum { HAK_KEPT_A_WORD = 64 / HAK_KEPT_BITS, HAK_KEPT_LOST = (1 << HAK_KEPT_BITS) - 1 };

struct hak_cfi_usual {
    int32_t frame_offset;
    uint32_t frame_register;
    uint64_t kept[HAK_KEPT_WORDS]; /* HAK_KEPT_BITS for each of HAK_KEPT_BY_CALLS; HAK_KEPT_LOST: the caller's is lost */
};

/* The row of a place in a file, if it is kept. */
bool hak__cfi_cache_find(const struct hak_cfi_file *file, uintptr_t place, struct hak_cfi_usual *usual);

/* Keeps a row, if it is of the usual kind, in place of another one. */
void hak__cfi_cache_add(const struct hak_cfi_file *file, uintptr_t place, const struct hak_cfi_row *row);

#endif

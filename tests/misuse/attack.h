/* SPDX-License-Identifier: MIT */
/*
 * Attacks: programs that misuse the heap on purpose, by a seed and with the library's source at hand,
 * to get a chosen address out of malloc. `attack-NAME SEED [-v]` ends with 0 if no attempt got one,
 * with 1 if one did, and with 2 if an attempt could not be made.
 *
 * Each attempt is a child of its own, since most end by abort. An address counts as chosen if it is in
 * one of the targets, or inside of a live block without being its start. Two live blocks that are the
 * same are less than that, and only some attempts may get so far: those by which hakmem(3) says that
 * a block may be handed out twice, and those that could read and write free blocks at will.
 */
#ifndef HAK_TESTS_ATTACK_H
#define HAK_TESTS_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../preload/test.h"

struct attempt {
    const char *name;
    void (*run)(void);
    bool may_overlap; /* it may get a live block once more */
};

/* Of the program. */
extern const struct attempt attempts[];
extern const size_t attempt_count;

uint32_t random_below(uint32_t bound);
/* Ends the attempt: what it needs cannot be had. */
_Noreturn void not_made(void);

/* Memory that malloc must never return: on the stack, static, mapped, and a live block of another size. */
enum { TARGETS = 4, TARGET_SIZE = 4096 };
extern unsigned char *target[TARGETS];

/* A block that stays live. Ends the attempt if it is in a target or shares memory with another one. */
void *take(size_t size);
/* The same of a block that was got in another way. */
void *taken(void *block, size_t size);
/* Frees a live block. */
void give(void *block);
/* A block is taken for dead: what a dangling pointer will be used on. */
void forget(const void *block);
/* From the thread's cache to the slabs, as any longer use does; nothing on other allocators. */
void flush(void);

#endif

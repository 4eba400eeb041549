/* SPDX-License-Identifier: MIT */
/*
 * Call frame information: what a loaded file's .eh_frame says of how to get from one place in its
 * code to the caller (DWARF 5, 6.4; Linux Standard Base, .eh_frame and .eh_frame_hdr).
 *
 * Takes no lock, allocates nothing, and reads nothing but loaded files' tables. The tables are part
 * of the program as its code is, yet no length or offset in them leads out of the file that has them.
 */
#ifndef HAK_PROFILE_CFI_H
#define HAK_PROFILE_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/registers.h"

enum hak_rule_kind {
    HAK_RULE_SAME,           /* as it is */
    HAK_RULE_UNDEFINED,      /* the caller's is lost; of the program counter: there is no caller */
    HAK_RULE_SAVED,          /* at the frame's address + offset */
    HAK_RULE_VALUE,          /* is the frame's address + offset */
    HAK_RULE_REGISTER,       /* in the register of this number */
    HAK_RULE_SAVED_COMPUTED, /* at what an expression gives */
    HAK_RULE_COMPUTED        /* is what an expression gives */
};

/* How the caller's value of a register is had. */
struct hak_rule {
    uint8_t kind;
    int32_t offset; /* or the register, or where the expression stands from the start of the file */
};

/* A file in memory: all that is read of it is between start and end. */
struct hak_cfi_file {
    uintptr_t start, end;
    uintptr_t table; /* .eh_frame_hdr */
};

/* How to get from a place to the caller of its function. */
struct hak_cfi_row {
    uint8_t frame_kind;   /* HAK_RULE_VALUE: register + offset, or HAK_RULE_COMPUTED */
    uint8_t frame_register;
    int32_t frame_offset;
    uint8_t return_register; /* whose rule is the program counter's */
    bool is_signal;          /* the caller was interrupted: it is to go on at its pc, not behind a call */
    uint64_t ruled; /* bit i: rule[i] is set; all others are HAK_RULE_SAME */
    struct hak_rule rule[HAK_REGISTERS]; /* nothing where ruled is not set */
};

/* A row without rules. */
HAK_INLINE void hak__cfi_begin(struct hak_cfi_row *row, uint8_t return_register, bool is_signal)
{
    row->frame_kind = HAK_RULE_SAME;
    row->frame_register = HAK_REGISTERS;
    row->frame_offset = 0;
    row->return_register = return_register;
    row->is_signal = is_signal;
    row->ruled = 0;
}

HAK_INLINE void hak__cfi_set(struct hak_cfi_row *row, unsigned number, enum hak_rule_kind kind, int32_t offset)
{
    uint64_t bit = (uint64_t)1 << number;
    row->ruled = kind == HAK_RULE_SAME ? row->ruled & ~bit : row->ruled | bit;
    row->rule[number] = (struct hak_rule){(uint8_t)kind, offset};
}

/* Reads a word of the program's memory; false where it cannot be read. */
typedef bool hak_read_word(void *reader, uintptr_t address, uintptr_t *word);

/* The loaded file that a place is in; false if it is in none, or in one without a table. */
bool hak__cfi_locate(uintptr_t place, struct hak_cfi_file *file);

/* The row of a place in a file's code; false if the file has none. */
bool hak__cfi_find(const struct hak_cfi_file *file, uintptr_t place, struct hak_cfi_row *row);

/*
 * A value by the expression at an offset from the file's start, which begins with the frame's address if
 * one is given; false if it is none or leads nowhere.
 */
bool hak__cfi_compute(const struct hak_cfi_file *file, int32_t expression, const uintptr_t *frame,
                      const struct hak_registers *registers, hak_read_word *read, void *reader,
                      uintptr_t *value);

#endif

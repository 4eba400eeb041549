/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "profile/unwind.h"

#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "os/os.h"
#include "profile/cfi_cache.h"

enum { FRAME_MAX = 1 << 30 }; /* bytes of a function's frame; more is a stack in disorder */

/* The owner may write to the page at any time, and checkers have their own idea of stacks. */
__attribute__((no_sanitize("address", "thread"))) static uintptr_t load(uintptr_t address)
{
    return hak_plain_load_relaxed((const uintptr_t *)address);
}

/*
 * A word that lies across pages is in no stack. Pages are asked about once, as the walk comes to them,
 * which most often is once for all.
 */
static bool read_word(void *reader, uintptr_t address, uintptr_t *word)
{
    struct hak_walk *walk = reader;
    if (address % sizeof *word != 0)
        return false;
    if (address < walk->readable_start || address >= walk->readable_end) {
        size_t size = hak__os_page_size();
        uintptr_t page = hak__align_down(address, size);
        if (!hak__os_can_read((const void *)address))
            return false;
        if (page == walk->readable_end) {
            walk->readable_end += size;
        } else {
            walk->readable_start = page;
            walk->readable_end = page + size;
        }
    }
    *word = load(address);
    return true;
}

/* Without the bits by which return addresses are signed. */
static uintptr_t plain_address(uintptr_t address)
{
#if defined(__aarch64__)
    register uintptr_t x30 __asm__("x30") = address;
    __asm__("hint 7" : "+r"(x30)); /* xpaclri, which older processors pass over */
    return x30;
#else
    return address;
#endif
}

/* The caller's value of a register; false if it is lost. */
static bool apply(struct hak_walk *walk, const struct hak_cfi_file *file, struct hak_rule rule, uintptr_t frame,
                  uintptr_t *value)
{
    const struct hak_registers *registers = &walk->registers;
    uintptr_t place = frame + (uintptr_t)(intptr_t)rule.offset;
    switch (rule.kind) {
    case HAK_RULE_SAVED:
        return read_word(walk, place, value);
    case HAK_RULE_VALUE:
        *value = place;
        return true;
    case HAK_RULE_REGISTER:
        if (!hak__register_is_known(registers, (unsigned)rule.offset))
            return false;
        *value = registers->value[rule.offset];
        return true;
    case HAK_RULE_SAVED_COMPUTED:
        return HAK_CALL_FRAMES && hak__cfi_compute(file, rule.offset, &frame, registers, read_word, walk, &place) &&
               read_word(walk, place, value);
    case HAK_RULE_COMPUTED:
        return HAK_CALL_FRAMES && hak__cfi_compute(file, rule.offset, &frame, registers, read_word, walk, value);
    default:
        return false;
    }
}

static bool find_frame(struct hak_walk *walk, const struct hak_cfi_file *file, const struct hak_cfi_row *row,
                       uintptr_t *frame)
{
    const struct hak_registers *registers = &walk->registers;
    if (row->frame_kind == HAK_RULE_COMPUTED)
        return HAK_CALL_FRAMES && hak__cfi_compute(file, row->frame_offset, NULL, registers, read_word, walk, frame);
    if (!hak__register_is_known(registers, row->frame_register))
        return false;
    *frame = registers->value[row->frame_register] + (uintptr_t)(intptr_t)row->frame_offset;
    return true;
}

/* The caller's registers become the walk's, if the walk gets on: a stack has an end, and so has this. */
static bool go_on(struct hak_walk *walk, const struct hak_registers *caller, bool is_signal)
{
    enum { SIGNALS_MAX = 64 };
    uintptr_t sp = walk->registers.value[HAK_REGISTER_SP], next = caller->value[HAK_REGISTER_SP];
    uintptr_t pc = caller->value[HAK_REGISTER_PC];
    bool only_code = next == sp && !walk->is_return; /* a function that has not begun a frame */
    bool gets_on = is_signal ? ++walk->signals <= SIGNALS_MAX : only_code || next - sp - 1 < FRAME_MAX;
    if (pc == 0 || !gets_on)
        return false;
    walk->registers = *caller;
    walk->is_return = !is_signal;
    return true;
}

static bool step_by_table(struct hak_walk *walk, const struct hak_cfi_file *file, const struct hak_cfi_row *row)
{
    uintptr_t frame = 0;
    if (!find_frame(walk, file, row, &frame))
        return false;
    struct hak_registers caller = walk->registers;
    caller.known &= ~row->ruled;
    for (uint64_t left = row->ruled; left != 0; left &= left - 1) {
        int i = __builtin_ctzll(left);
        if (apply(walk, file, row->rule[i], frame, &caller.value[i]))
            caller.known |= left & -left;
    }
    if (!hak__register_is_known(&caller, row->return_register))
        return false;
    caller.value[HAK_REGISTER_PC] = plain_address(caller.value[row->return_register]);
    caller.known |= (uint64_t)1 << HAK_REGISTER_PC;
    /* where the stack pointer has no rule of its own, it is where the frame begins */
    if ((row->ruled >> HAK_REGISTER_SP & 1) == 0) {
        caller.value[HAK_REGISTER_SP] = frame;
        caller.known |= (uint64_t)1 << HAK_REGISTER_SP;
    }
    return hak__register_is_known(&caller, HAK_REGISTER_SP) && go_on(walk, &caller, row->is_signal);
}

/*
 * A call that led nowhere, through a pointer that is NULL or worse: what calls is where it would have
 * returned to.
 */
static bool step_from_nowhere(struct hak_walk *walk)
{
    struct hak_registers caller = walk->registers;
    uintptr_t pc = caller.value[HAK_REGISTER_PC];
    struct hak_cfi_file file;
    if (!HAK_CALL_FRAMES || walk->is_return || hak__os_can_read((const void *)hak__align_down(pc, 4)))
        return false;
#if defined(__aarch64__)
    caller.value[HAK_REGISTER_PC] = plain_address(caller.value[30]);
#else
    uintptr_t sp = caller.value[HAK_REGISTER_SP];
    if (!read_word(walk, sp, &caller.value[HAK_REGISTER_PC]))
        return false;
    caller.value[HAK_REGISTER_SP] = sp + sizeof(uintptr_t);
#endif
    return hak__cfi_locate(caller.value[HAK_REGISTER_PC] - 1, &file) && go_on(walk, &caller, false);
}

/* A frame pointer points at the caller's, behind which stands where the call returns to. */
static bool step_by_pointer(struct hak_walk *walk)
{
    const struct hak_registers *registers = &walk->registers;
    uintptr_t frame = registers->value[HAK_REGISTER_FP], sp = registers->value[HAK_REGISTER_SP];
    struct hak_registers caller = {.known = 0};
    if (!hak__register_is_known(registers, HAK_REGISTER_FP) || frame - sp >= FRAME_MAX ||
        !read_word(walk, frame, &caller.value[HAK_REGISTER_FP]) ||
        !read_word(walk, frame + sizeof(uintptr_t), &caller.value[HAK_REGISTER_PC]))
        return false;
    caller.value[HAK_REGISTER_PC] = plain_address(caller.value[HAK_REGISTER_PC]);
    caller.value[HAK_REGISTER_SP] = frame + 2 * sizeof(uintptr_t);
    caller.known = (uint64_t)1 << HAK_REGISTER_FP | (uint64_t)1 << HAK_REGISTER_SP | (uint64_t)1 << HAK_REGISTER_PC;
    return go_on(walk, &caller, false);
}

#if defined(__aarch64__)
/*
 * Where a signal handler returns to no table leads on from, by the will of the kernel: it is told by its
 * two instructions, mov x8, #139 and svc #0. Above the stack pointer stand siginfo_t and the context.
 */
static bool step_by_signal(struct hak_walk *walk)
{
    const struct hak_registers *registers = &walk->registers;
    uintptr_t pc = registers->value[HAK_REGISTER_PC], sp = registers->value[HAK_REGISTER_SP], code[2] = {0, 0};
    uintptr_t from = sp + sizeof(siginfo_t) + offsetof(ucontext_t, uc_mcontext.regs);
    struct hak_registers caller = {.known = ((uint64_t)1 << HAK_REGISTERS) - 1};
    if (pc % 4 != 0 || !read_word(walk, pc & ~(uintptr_t)7, &code[0]) ||
        !read_word(walk, (pc & ~(uintptr_t)7) + 8, &code[1]) ||
        (pc % 8 == 0 ? code[0] : code[0] >> 32 | code[1] << 32) != 0xd4000001d2801168)
        return false;
    for (unsigned i = 0; i < HAK_REGISTERS; i++) /* x0 to x30, sp, pc */
        if (!read_word(walk, from + i * sizeof(uintptr_t), &caller.value[i]))
            return false;
    return go_on(walk, &caller, true);
}
#else
static bool step_by_signal(struct hak_walk *walk)
{
    (void)walk;
    return false;
}
#endif

void hak__walk_begin(struct hak_walk *walk, const struct hak_registers *registers)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), size = hak__os_page_size();
    *walk = (struct hak_walk){.registers = *registers, .readable_start = hak__align_down(here, size)};
    walk->readable_end = walk->readable_start + size;
}

bool hak__walk_step(struct hak_walk *walk)
{
    uintptr_t place = hak__walk_place(walk);
    struct hak_cfi_file file;
    struct hak_cfi_row row;
    if (HAK_CALL_FRAMES && hak__cfi_locate(place, &file) && hak__cfi_recall(&file, place, &row))
        return step_by_table(walk, &file, &row);
    return step_from_nowhere(walk) || step_by_signal(walk) || step_by_pointer(walk);
}

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

/* Pages are asked about once, as the walk comes to them, which most often is once for all. */
static HAK_NOINLINE bool ask(struct hak_walk *walk, uintptr_t address)
{
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
    return true;
}

/* A word that lies across pages is in no stack. */
static bool read_word(void *reader, uintptr_t address, uintptr_t *word)
{
    struct hak_walk *walk = reader;
    bool known = address - walk->readable_start < walk->readable_end - walk->readable_start;
    if (address % sizeof *word != 0 || (hak_unlikely(!known) && !ask(walk, address)))
        return false;
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
static bool apply(struct hak_walk *walk, struct hak_rule rule, uintptr_t frame, uintptr_t *value)
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
        return HAK_CALL_FRAMES &&
               hak__cfi_compute(&walk->file, rule.offset, &frame, registers, read_word, walk, &place) &&
               read_word(walk, place, value);
    case HAK_RULE_COMPUTED:
        return HAK_CALL_FRAMES && hak__cfi_compute(&walk->file, rule.offset, &frame, registers, read_word, walk, value);
    default:
        return false;
    }
}

static bool find_frame(struct hak_walk *walk, const struct hak_cfi_row *row, uintptr_t *frame)
{
    const struct hak_registers *registers = &walk->registers;
    if (row->frame_kind == HAK_RULE_COMPUTED)
        return HAK_CALL_FRAMES &&
               hak__cfi_compute(&walk->file, row->frame_offset, NULL, registers, read_word, walk, frame);
    if (!hak__register_is_known(registers, row->frame_register))
        return false;
    *frame = registers->value[row->frame_register] + (uintptr_t)(intptr_t)row->frame_offset;
    return true;
}

static uint64_t bit(unsigned number)
{
    return (uint64_t)1 << number;
}

/* To the caller, if the walk gets on: a stack has an end, and so has this. The other registers are the walk's still. */
static bool go_on(struct hak_walk *walk, uintptr_t pc, uintptr_t sp, bool is_signal)
{
    enum { SIGNALS_MAX = 64 };
    struct hak_registers *registers = &walk->registers;
    uintptr_t before = registers->value[HAK_REGISTER_SP];
    bool only_code = sp == before && !walk->is_return; /* a function that has not begun a frame */
    bool gets_on = is_signal ? ++walk->signals <= SIGNALS_MAX : only_code || sp - before - 1 < FRAME_MAX;
    if (pc == 0 || !gets_on)
        return false;
    registers->value[HAK_REGISTER_PC] = pc;
    registers->value[HAK_REGISTER_SP] = sp;
    registers->known |= bit(HAK_REGISTER_PC) | bit(HAK_REGISTER_SP);
    walk->is_return = !is_signal;
    return true;
}

static bool step_by_table(struct hak_walk *walk, const struct hak_cfi_row *row)
{
    struct hak_registers *registers = &walk->registers;
    uintptr_t frame = 0, value[HAK_REGISTERS]; /* the caller's, of those that have a rule */
    uint64_t found = 0;
    if (!find_frame(walk, row, &frame))
        return false;
    for (uint64_t left = row->ruled; left != 0; left &= left - 1) {
        int i = __builtin_ctzll(left);
        if (apply(walk, row->rule[i], frame, &value[i]))
            found |= left & -left;
    }
    /* where the stack pointer has no rule of its own, it is where the frame begins */
    if ((row->ruled & bit(HAK_REGISTER_SP)) == 0) {
        value[HAK_REGISTER_SP] = frame;
        found |= bit(HAK_REGISTER_SP);
    }
    unsigned by = row->return_register;
    uintptr_t pc = (found & bit(by)) != 0 ? value[by] : registers->value[by];
    registers->known = (registers->known & ~row->ruled) | found;
    if (!hak__register_is_known(registers, by) || (found & bit(HAK_REGISTER_SP)) == 0 ||
        !go_on(walk, plain_address(pc), value[HAK_REGISTER_SP], row->is_signal))
        return false;
    for (uint64_t left = found & ~bit(HAK_REGISTER_PC); left != 0; left &= left - 1)
        registers->value[__builtin_ctzll(left)] = value[__builtin_ctzll(left)];
    return true;
}

static bool step_by_usual(struct hak_walk *walk, const struct hak_cfi_usual *usual)
{
    static const uint8_t kept_by_calls[] = {HAK_KEPT_BY_CALLS};
    struct hak_registers *registers = &walk->registers;
    if (!hak__register_is_known(registers, usual->frame_register))
        return false;
    uintptr_t frame = registers->value[usual->frame_register] + (uintptr_t)(intptr_t)usual->frame_offset;
    for (unsigned i = 0; i < HAK_COUNT_OF(kept_by_calls); i++) {
        unsigned words = usual->kept[i / HAK_KEPT_A_WORD] >> i % HAK_KEPT_A_WORD * HAK_KEPT_BITS & HAK_KEPT_LOST;
        unsigned number = kept_by_calls[i];
        if (words == 0)
            continue;
        if (words != HAK_KEPT_LOST && read_word(walk, frame - words * sizeof(uintptr_t), &registers->value[number]))
            registers->known |= bit(number);
        else
            registers->known &= ~bit(number);
    }
    return hak__register_is_known(registers, HAK_RETURN_REGISTER) &&
           go_on(walk, plain_address(registers->value[HAK_RETURN_REGISTER]), frame, false);
}

/*
 * A call that led nowhere, through a pointer that is NULL or worse: what calls is where it would have
 * returned to.
 */
static bool step_from_nowhere(struct hak_walk *walk)
{
    const struct hak_registers *registers = &walk->registers;
    uintptr_t pc = registers->value[HAK_REGISTER_PC], sp = registers->value[HAK_REGISTER_SP], back = 0;
    struct hak_cfi_file file;
    if (!HAK_CALL_FRAMES || walk->is_return || hak__os_can_read((const void *)pc))
        return false;
#if defined(__aarch64__)
    back = plain_address(registers->value[30]);
#else
    if (!read_word(walk, sp, &back))
        return false;
    sp += sizeof(uintptr_t);
#endif
    return hak__cfi_locate(back - 1, &file) && go_on(walk, back, sp, false);
}

#if defined(__x86_64__) || defined(__i386__)
static bool read_code(struct hak_walk *walk, uintptr_t at, unsigned char *bytes, unsigned count)
{
    const unsigned size = sizeof(uintptr_t);
    for (unsigned i = 0; i < count; i++) {
        uintptr_t word = 0;
        if (!read_word(walk, hak__align_down(at + i, size), &word))
            return false;
        bytes[i] = (unsigned char)(word >> (at + i) % size * 8);
    }
    return true;
}

/* Instructions that jump to, or push, a word in memory. */
static bool is_jump(const unsigned char *code)
{
    return code[0] == 0xff && (code[1] == 0x25 || code[1] == 0xa3);
}
static bool is_push(const unsigned char *code)
{
    return code[0] == 0xff && (code[1] == 0x35 || code[1] == 0xb3);
}

/*
 * How many words a stub by which one file calls into another has pushed:
 *
 *     jmp *slot; push number; jmp first
 *     first: push word; jmp *word
 */
static bool is_stub(const unsigned char *before, const unsigned char *code, unsigned *pushed)
{
    enum { PUSH_NUMBER = 0x68, PUSH_NUMBER_SIZE = 5, JUMP = 0xe9, JUMP_SIZE = 6 };
    bool is_begin = code[0] == 0xf3 && code[1] == 0x0f && code[2] == 0x1e; /* endbr */
    if (is_jump(code))
        *pushed = is_push(before + 6 - JUMP_SIZE) ? 2 : 0;
    else if (is_push(code) || (code[0] == JUMP && before[6 - PUSH_NUMBER_SIZE] == PUSH_NUMBER))
        *pushed = 1;
    else
        *pushed = 0;
    return is_begin || is_jump(code) || code[0] == PUSH_NUMBER || *pushed != 0;
}

/* Some linkers write stubs without tables: interrupted there, what has called is on the stack. */
static bool step_from_stub(struct hak_walk *walk)
{
    enum { BEFORE = 6, BEHIND = 3 };
    unsigned char code[BEFORE + BEHIND];
    uintptr_t pc = walk->registers.value[HAK_REGISTER_PC], sp = walk->registers.value[HAK_REGISTER_SP], back = 0;
    struct hak_cfi_file file;
    unsigned pushed = 0;
    if (!HAK_CALL_FRAMES || walk->is_return || !read_code(walk, pc - BEFORE, code, sizeof code) ||
        !is_stub(code, code + BEFORE, &pushed))
        return false;
    sp += pushed * sizeof(uintptr_t);
    return read_word(walk, sp, &back) && hak__cfi_locate(back - 1, &file) &&
           go_on(walk, back, sp + sizeof(uintptr_t), false);
}
#elif defined(__aarch64__)
/*
 * Stubs by which one file calls into another have no tables: adrp x16; ldr x17, [x16]; add x16, x16; br x17.
 * Interrupted there, what has called is in its register.
 */
static bool step_from_stub(struct hak_walk *walk)
{
    const struct hak_registers *registers = &walk->registers;
    uintptr_t pc = registers->value[HAK_REGISTER_PC], word = 0;
    struct hak_cfi_file file;
    if (!HAK_CALL_FRAMES || walk->is_return || pc % 4 != 0 || !hak__register_is_known(registers, 30) ||
        !read_word(walk, hak__align_down(pc, 8), &word))
        return false;
    uint32_t code = (uint32_t)(word >> pc % 8 * 8);
    bool is_stub = code == 0xd503245f || (code & 0x9f00001f) == 0x90000010 || (code & 0xffc003ff) == 0xf9400211 ||
                   (code & 0xffc003ff) == 0x91000210 || code == 0xd61f0220;
    uintptr_t back = plain_address(registers->value[30]);
    return is_stub && hak__cfi_locate(back - 1, &file) && go_on(walk, back, registers->value[HAK_REGISTER_SP], false);
}
#else
static bool step_from_stub(struct hak_walk *walk)
{
    (void)walk;
    return false;
}
#endif

/* The caller's frame pointer, where the call returns to, and what the stack pointer is then. */
static bool read_frame(struct hak_walk *walk, uintptr_t frame, uintptr_t *next, uintptr_t *pc, uintptr_t *sp)
{
    const intptr_t word = sizeof(uintptr_t);
    if (!read_word(walk, frame + (uintptr_t)(HAK_FRAME_NEXT * word), next))
        return false;
    uintptr_t from = HAK_FRAME_IS_CHAIN ? *next : frame;
    *sp = from + (uintptr_t)(HAK_FRAME_END * word);
    return read_word(walk, from + (uintptr_t)(HAK_FRAME_RETURN * word), pc);
}

/*
 * A frame pointer points at the caller's, beside which stands where the call returns to. Code that has
 * no table in a file that has one may have changed stacks by hand, as Go does to call C: its frame
 * pointer is still one of the other stack, and believed if it leads to a file's code.
 */
static bool step_by_pointer(struct hak_walk *walk, bool in_file)
{
    struct hak_registers *registers = &walk->registers;
    uintptr_t frame = registers->value[HAK_REGISTER_FP], sp = registers->value[HAK_REGISTER_SP];
    uintptr_t next = 0, pc = 0, end = 0;
    bool far = frame - sp >= FRAME_MAX;
    struct hak_cfi_file other;
    if (!hak__register_is_known(registers, HAK_REGISTER_FP) || (far && !in_file) ||
        !read_frame(walk, frame, &next, &pc, &end))
        return false;
    pc = plain_address(pc);
    if ((far && !(HAK_CALL_FRAMES && hak__cfi_locate(pc - 1, &other))) ||
        !go_on(walk, pc, end, far))
        return false;
    walk->is_return = true;
    registers->value[HAK_REGISTER_FP] = next;
    registers->known = bit(HAK_REGISTER_FP) | bit(HAK_REGISTER_SP) | bit(HAK_REGISTER_PC);
    return true;
}

#if defined(__aarch64__)
/*
 * Where a signal handler returns to no table leads on from, by the will of the kernel: it is told by its
 * two instructions, mov x8, #139 and svc #0. Above the stack pointer stand siginfo_t and the context.
 */
static bool step_by_signal(struct hak_walk *walk)
{
    uintptr_t pc = walk->registers.value[HAK_REGISTER_PC], sp = walk->registers.value[HAK_REGISTER_SP];
    uintptr_t from = sp + sizeof(siginfo_t) + offsetof(ucontext_t, uc_mcontext.regs), code[2] = {0, 0};
    struct hak_registers caller = {.known = bit(HAK_REGISTERS) - 1};
    if (pc % 4 != 0 || !read_word(walk, pc & ~(uintptr_t)7, &code[0]) ||
        !read_word(walk, (pc & ~(uintptr_t)7) + 8, &code[1]) ||
        (pc % 8 == 0 ? code[0] : code[0] >> 32 | code[1] << 32) != 0xd4000001d2801168)
        return false;
    for (unsigned i = 0; i < HAK_REGISTERS; i++) /* x0 to x30, sp, pc */
        if (!read_word(walk, from + i * sizeof(uintptr_t), &caller.value[i]))
            return false;
    if (!go_on(walk, caller.value[HAK_REGISTER_PC], caller.value[HAK_REGISTER_SP], true))
        return false;
    walk->registers = caller;
    return true;
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

/* One file has many of the calls that follow one upon another. */
static bool find_file(struct hak_walk *walk, uintptr_t place)
{
    return HAK_CALL_FRAMES &&
           (place - walk->file.start < walk->file.end - walk->file.start || hak__cfi_locate(place, &walk->file));
}

bool hak__walk_step(struct hak_walk *walk)
{
    uintptr_t place = hak__walk_place(walk);
    struct hak_cfi_usual usual;
    struct hak_cfi_row row;
    bool in_file = find_file(walk, place);
    if (in_file) {
        if (hak__cfi_cache_find(&walk->file, place, &usual))
            return step_by_usual(walk, &usual);
        if (hak__cfi_find(&walk->file, place, &row)) {
            hak__cfi_cache_add(&walk->file, place, &row);
            return step_by_table(walk, &row);
        }
        /* nothing calls, but a function begins: the end of a stack that makecontext has made */
        if (walk->is_return && hak__cfi_find(&walk->file, place + 1, &row))
            return false;
    }
    return step_from_nowhere(walk) || step_by_signal(walk) || step_from_stub(walk) || step_by_pointer(walk, in_file);
}

/* SPDX-License-Identifier: MIT */
/* DWARF expressions (DWARF 5, 2.5), as far as call frame information uses them. */
#include "base/bits.h"
#include "profile/bytes.h"
#include "profile/cfi.h"

enum { DEPTH = 16, STEPS = 256 };

struct machine {
    struct hak_bytes program;
    const unsigned char *first;
    const struct hak_registers *registers;
    hak_read_word *read;
    void *reader;
    uintptr_t stack[DEPTH];
    unsigned depth;
    bool failed;
};

static void push(struct machine *machine, uintptr_t value)
{
    if (machine->depth == DEPTH)
        machine->failed = true;
    else
        machine->stack[machine->depth++] = value;
}

static uintptr_t pop(struct machine *machine)
{
    if (machine->depth == 0) {
        machine->failed = true;
        return 0;
    }
    return machine->stack[--machine->depth];
}

/* What is so far below the top. */
static uintptr_t below(struct machine *machine, unsigned count)
{
    if (count >= machine->depth) {
        machine->failed = true;
        return 0;
    }
    return machine->stack[machine->depth - 1 - count];
}

static uintptr_t register_value(struct machine *machine, uint64_t number)
{
    if (!hak__register_is_known(machine->registers, number)) {
        machine->failed = true;
        return 0;
    }
    return machine->registers->value[number];
}

/* The first bytes of a word, as they lie in it. */
static uintptr_t load(struct machine *machine, uintptr_t address, size_t size)
{
    uintptr_t word = 0, value = 0;
    if (size > sizeof word || !machine->read(machine->reader, address, &word)) {
        machine->failed = true;
        return 0;
    }
    memcpy(&value, &word, size);
    return value;
}

static void jump(struct machine *machine, int16_t by)
{
    const unsigned char *at = machine->program.at;
    if (by < machine->first - at || by > machine->program.end - at)
        machine->failed = true;
    else
        machine->program.at = at + by;
}

static bool constant(struct machine *machine, uint8_t code)
{
    struct hak_bytes *bytes = &machine->program;
    switch (code) {
    case 0x03: /* an address */
        push(machine, hak__bytes_word(bytes));
        return true;
    case 0x0e:
    case 0x0f:
        push(machine, (uintptr_t)hak__bytes_u64(bytes));
        return true;
    case 0x08:
        push(machine, hak__bytes_u8(bytes));
        return true;
    case 0x09:
        push(machine, (uintptr_t)(intptr_t)(int8_t)hak__bytes_u8(bytes));
        return true;
    case 0x0a:
        push(machine, hak__bytes_u16(bytes));
        return true;
    case 0x0b:
        push(machine, (uintptr_t)(intptr_t)(int16_t)hak__bytes_u16(bytes));
        return true;
    case 0x0c:
        push(machine, hak__bytes_u32(bytes));
        return true;
    case 0x0d:
        push(machine, (uintptr_t)(intptr_t)(int32_t)hak__bytes_u32(bytes));
        return true;
    case 0x10:
        push(machine, (uintptr_t)hak__bytes_uleb(bytes));
        return true;
    case 0x11:
        push(machine, (uintptr_t)hak__bytes_sleb(bytes));
        return true;
    default:
        break;
    }
    if (code - 0x30U < 32) /* a small number */
        push(machine, code - 0x30U);
    else if (code - 0x70U < 32) { /* a register and an offset */
        uintptr_t base = register_value(machine, code - 0x70U);
        push(machine, base + (uintptr_t)hak__bytes_sleb(bytes));
    } else if (code == 0x92) {
        uintptr_t base = register_value(machine, hak__bytes_uleb(bytes));
        push(machine, base + (uintptr_t)hak__bytes_sleb(bytes));
    } else
        return false;
    return true;
}

static bool rearrange(struct machine *machine, uint8_t code)
{
    uintptr_t first = 0, second = 0, third = 0;
    switch (code) {
    case 0x12: /* duplicate */
        push(machine, below(machine, 0));
        return true;
    case 0x13: /* drop */
        pop(machine);
        return true;
    case 0x14: /* over */
        push(machine, below(machine, 1));
        return true;
    case 0x15: /* pick */
        push(machine, below(machine, hak__bytes_u8(&machine->program)));
        return true;
    case 0x16: /* swap */
        first = pop(machine);
        second = pop(machine);
        push(machine, first);
        push(machine, second);
        return true;
    case 0x17: /* rotate */
        first = pop(machine);
        second = pop(machine);
        third = pop(machine);
        push(machine, first);
        push(machine, third);
        push(machine, second);
        return true;
    default:
        return false;
    }
}

static bool of_one(struct machine *machine, uint8_t code)
{
    switch (code) {
    case 0x06:
        push(machine, load(machine, pop(machine), sizeof(uintptr_t)));
        return true;
    case 0x94: {
        size_t size = hak__bytes_u8(&machine->program);
        push(machine, load(machine, pop(machine), size));
        return true;
    }
    case 0x1f:
        push(machine, 0 - pop(machine));
        return true;
    case 0x20:
        push(machine, ~pop(machine));
        return true;
    case 0x23:
        push(machine, pop(machine) + (uintptr_t)hak__bytes_uleb(&machine->program));
        return true;
    case 0x28: { /* go on elsewhere, if it is not 0 */
        int16_t by = (int16_t)hak__bytes_u16(&machine->program);
        if (pop(machine) != 0)
            jump(machine, by);
        return true;
    }
    case 0x2f:
        jump(machine, (int16_t)hak__bytes_u16(&machine->program));
        return true;
    default:
        return false;
    }
}

static uintptr_t shifted(uint8_t code, uintptr_t value, uintptr_t by)
{
    enum { LEFT = 0x24, RIGHT = 0x25 };
    if (by >= sizeof value * 8)
        return code == LEFT || code == RIGHT || (intptr_t)value >= 0 ? 0 : UINTPTR_MAX;
    if (code == LEFT)
        return value << by;
    uintptr_t result = value >> by;
    if (code != RIGHT && (intptr_t)value < 0)
        result |= ~(UINTPTR_MAX >> by);
    return result;
}

static bool of_two(struct machine *machine, uint8_t code)
{
    if (code != 0x1a && code != 0x1c && code != 0x1e && code != 0x21 && code != 0x22 &&
        (code < 0x24 || code > 0x2e || code == 0x28))
        return false;
    uintptr_t right = pop(machine), left = pop(machine);
    intptr_t signed_left = (intptr_t)left, signed_right = (intptr_t)right;
    switch (code) {
    case 0x1a:
        push(machine, left & right);
        break;
    case 0x1c:
        push(machine, left - right);
        break;
    case 0x1e:
        push(machine, left * right);
        break;
    case 0x21:
        push(machine, left | right);
        break;
    case 0x22:
        push(machine, left + right);
        break;
    case 0x27:
        push(machine, left ^ right);
        break;
    case 0x29:
        push(machine, left == right);
        break;
    case 0x2a:
        push(machine, signed_left >= signed_right);
        break;
    case 0x2b:
        push(machine, signed_left > signed_right);
        break;
    case 0x2c:
        push(machine, signed_left <= signed_right);
        break;
    case 0x2d:
        push(machine, signed_left < signed_right);
        break;
    case 0x2e:
        push(machine, left != right);
        break;
    default:
        push(machine, shifted(code, left, right));
    }
    return true;
}

bool hak__cfi_compute(const struct hak_cfi_file *file, int32_t expression, const uintptr_t *frame,
                      const struct hak_registers *registers, hak_read_word *read, void *reader,
                      uintptr_t *value)
{
    enum { NOTHING = 0x96 };
    struct hak_bytes bytes = {(const unsigned char *)(file->start + (uintptr_t)(intptr_t)expression),
                              (const unsigned char *)file->end, false};
    uint64_t length = hak__bytes_uleb(&bytes);
    if (!hak__bytes_need(&bytes, length))
        return false;
    bytes.end = bytes.at + (size_t)length;
    struct machine machine = {
        .program = bytes, .first = bytes.at, .registers = registers, .read = read, .reader = reader};
    if (frame != NULL)
        push(&machine, *frame);
    for (unsigned steps = 0; machine.program.at < machine.program.end; steps++) {
        uint8_t code = hak__bytes_u8(&machine.program);
        bool known = code == NOTHING || constant(&machine, code) || rearrange(&machine, code) ||
                     of_one(&machine, code) || of_two(&machine, code);
        if (!known || machine.failed || machine.program.is_short || steps == STEPS)
            return false;
    }
    *value = pop(&machine);
    return !machine.failed;
}

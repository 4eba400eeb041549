/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "profile/cfi.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include "base/bits.h"
#include "os/call.h"
#include "profile/bytes.h"

/* How tables write pointers: the low four bits are the form, the others what it counts from. */
enum {
    POINTER_NATIVE = 0x00, POINTER_U32 = 0x03, POINTER_U64 = 0x04, POINTER_S32 = 0x0b, POINTER_S64 = 0x0c,
    POINTER_FORM = 0x0f, FROM_HERE = 0x10, FROM_TABLE = 0x30, FROM = 0x70, INDIRECT = 0x80
};

/* What is common to the functions that lead to one record ("CIE"). */
struct common {
    uint64_t code_step;
    int64_t data_step;
    uint64_t return_register;
    uint8_t pointers; /* how the functions' records write theirs */
    bool has_size;    /* before their own additions */
    bool is_signal;
    struct hak_bytes program;
};

static struct hak_bytes bytes_from(uintptr_t at, uintptr_t end)
{
    return (struct hak_bytes){(const unsigned char *)at, (const unsigned char *)end, at > end};
}

static uintptr_t place_of(const struct hak_bytes *bytes)
{
    return (uintptr_t)bytes->at;
}

/* A pointer as a table writes it; what it counts from is added if the caller says so. */
static uintptr_t read_pointer(struct hak_bytes *bytes, uint8_t encoding, bool relative)
{
    uintptr_t base = relative && (encoding & FROM) == FROM_HERE ? place_of(bytes) : 0;
    if ((encoding & INDIRECT) != 0 || ((encoding & FROM) != 0 && (encoding & FROM) != FROM_HERE))
        bytes->is_short = true;
    switch (encoding & POINTER_FORM) {
    case POINTER_NATIVE:
        return base + hak__bytes_word(bytes);
    case POINTER_U64:
    case POINTER_S64:
        return base + (uintptr_t)hak__bytes_u64(bytes);
    case POINTER_U32:
        return base + hak__bytes_u32(bytes);
    case POINTER_S32:
        return base + (uintptr_t)(intptr_t)(int32_t)hak__bytes_u32(bytes);
    default:
        bytes->is_short = true;
        return 0;
    }
}

static void skip_pointer(struct hak_bytes *bytes, uint8_t encoding)
{
    static const uint8_t sizes[8] = {sizeof(uintptr_t), 0, 2, 4, 8, 0, 0, 0}; /* LEB, which have none, are never used here */
    size_t size = sizes[encoding & 7];
    bytes->is_short |= size == 0;
    hak__bytes_skip(bytes, size);
}

/* What an entry of .eh_frame has behind its length. */
static struct hak_bytes entry_at(uintptr_t at, const struct hak_cfi_file *file)
{
    struct hak_bytes bytes = bytes_from(at, at < file->start ? 0 : file->end);
    uint32_t length = hak__bytes_u32(&bytes); /* that of longer ones, UINT32_MAX, is too much for any */
    if (hak__bytes_need(&bytes, length))
        bytes.end = bytes.at + length;
    return bytes;
}

static bool read_additions(struct hak_bytes *bytes, struct common *common, const unsigned char *letter)
{
    struct hak_bytes own = *bytes;
    uint64_t length = hak__bytes_uleb(&own);
    if (!hak__bytes_need(&own, length))
        return false;
    bytes->at = own.at + (size_t)length;
    common->has_size = true;
    for (; *letter != '\0'; letter++) {
        if (*letter == 'R')
            common->pointers = hak__bytes_u8(&own);
        else if (*letter == 'L')
            hak__bytes_skip(&own, 1);
        else if (*letter == 'P')
            skip_pointer(&own, hak__bytes_u8(&own));
        else if (*letter == 'S')
            common->is_signal = true;
        else if (*letter != 'B' && *letter != 'G')
            break; /* its length is known, its meaning not needed */
    }
    return !own.is_short;
}

static bool read_common(uintptr_t at, const struct hak_cfi_file *file, struct common *common)
{
    struct hak_bytes bytes = entry_at(at, file);
    *common = (struct common){.pointers = POINTER_NATIVE};
    if (hak__bytes_u32(&bytes) != 0)
        return false;
    uint8_t version = hak__bytes_u8(&bytes);
    if (bytes.is_short || (version != 1 && version != 3))
        return false;
    const unsigned char *letters = bytes.at;
    while (hak__bytes_u8(&bytes) != '\0')
        ;
    common->code_step = hak__bytes_uleb(&bytes);
    common->data_step = hak__bytes_sleb(&bytes);
    common->return_register = version == 1 ? hak__bytes_u8(&bytes) : hak__bytes_uleb(&bytes);
    if (bytes.is_short || (*letters != '\0' && *letters != 'z') ||
        (*letters == 'z' && !read_additions(&bytes, common, letters + 1)))
        return false;
    common->program = bytes;
    return true;
}

/* A program builds the rows of a function one behind the other, up to the one that is wanted. */
struct machine {
    const struct common *common;
    uintptr_t start;     /* of the file */
    uint64_t place, now; /* the row that is wanted, and where the program has come to; from the function's start */
    struct hak_cfi_row *row;
    const struct hak_cfi_row *initial; /* as the common program has left it */
    struct hak_cfi_row remembered[3];
    unsigned depth;
};

static void set_rule(struct machine *machine, uint64_t number, enum hak_rule_kind kind, int64_t offset)
{
    if (number >= HAK_REGISTERS)
        return; /* one that calls are not followed by */
    hak__cfi_set(machine->row, (unsigned)number, kind, (int32_t)offset);
}

static void set_frame(struct machine *machine, uint64_t number, int64_t offset)
{
    machine->row->frame_kind = HAK_RULE_VALUE;
    machine->row->frame_register = number < HAK_REGISTERS ? (uint8_t)number : HAK_REGISTERS;
    machine->row->frame_offset = (int32_t)offset;
}

/* One that an expression gives has none: its place stands there. */
static void set_frame_offset(struct machine *machine, int64_t offset)
{
    if (machine->row->frame_kind != HAK_RULE_COMPUTED)
        machine->row->frame_offset = (int32_t)offset;
}

static void restore(struct machine *machine, uint64_t number)
{
    const struct hak_cfi_row *initial = machine->initial;
    if (number >= HAK_REGISTERS || initial == NULL)
        return;
    if ((initial->ruled >> number & 1) != 0)
        set_rule(machine, number, initial->rule[number].kind, initial->rule[number].offset);
    else
        set_rule(machine, number, HAK_RULE_SAME, 0);
}

/* Where an expression stands, which is passed over. */
static int64_t read_expression(struct machine *machine, struct hak_bytes *bytes)
{
    int64_t at = (int64_t)(place_of(bytes) - machine->start);
    bytes->is_short |= at > INT32_MAX; /* which no rule can hold */
    hak__bytes_skip(bytes, hak__bytes_uleb(bytes));
    return at;
}

static void remember(struct machine *machine, struct hak_bytes *bytes)
{
    if (machine->depth == HAK_COUNT_OF(machine->remembered))
        bytes->is_short = true;
    else
        machine->remembered[machine->depth++] = *machine->row;
}

static void recall(struct machine *machine, struct hak_bytes *bytes)
{
    if (machine->depth == 0)
        bytes->is_short = true;
    else
        *machine->row = machine->remembered[--machine->depth];
}

/* The frame, and what is of no register; false for other instructions. */
static bool step_frame(struct machine *machine, struct hak_bytes *bytes, uint8_t code)
{
    const int64_t unit = machine->common->data_step;
    uint64_t number = 0;
    switch (code) {
    case 0x00: /* nop */
    case 0x2d: /* window save; where return addresses are signed, that one is: the signature is taken off anyway */
        return true;
    case 0x0a:
        remember(machine, bytes);
        return true;
    case 0x0b:
        recall(machine, bytes);
        return true;
    case 0x0c: /* the frame: register, offset */
        number = hak__bytes_uleb(bytes);
        set_frame(machine, number, (int64_t)hak__bytes_uleb(bytes));
        return true;
    case 0x0d:
        set_frame(machine, hak__bytes_uleb(bytes), machine->row->frame_offset);
        return true;
    case 0x0e:
        set_frame_offset(machine, (int64_t)hak__bytes_uleb(bytes));
        return true;
    case 0x0f:
        machine->row->frame_offset = (int32_t)read_expression(machine, bytes);
        machine->row->frame_kind = HAK_RULE_COMPUTED;
        return true;
    case 0x12:
        number = hak__bytes_uleb(bytes);
        set_frame(machine, number, hak__bytes_sleb(bytes) * unit);
        return true;
    case 0x13:
        set_frame_offset(machine, hak__bytes_sleb(bytes) * unit);
        return true;
    case 0x2e: /* bytes of arguments */
        hak__bytes_uleb(bytes);
        return true;
    default:
        return false;
    }
}

/* The rule of a register. */
static void step_rule(struct machine *machine, struct hak_bytes *bytes, uint8_t code)
{
    const int64_t unit = machine->common->data_step;
    uint64_t number = hak__bytes_uleb(bytes);
    switch (code) {
    case 0x05:
        set_rule(machine, number, HAK_RULE_SAVED, (int64_t)hak__bytes_uleb(bytes) * unit);
        break;
    case 0x06:
        restore(machine, number);
        break;
    case 0x07:
        set_rule(machine, number, HAK_RULE_UNDEFINED, 0);
        break;
    case 0x08:
        set_rule(machine, number, HAK_RULE_SAME, 0);
        break;
    case 0x09:
        set_rule(machine, number, HAK_RULE_REGISTER, (int64_t)hak__bytes_uleb(bytes));
        break;
    case 0x10:
        set_rule(machine, number, HAK_RULE_SAVED_COMPUTED, read_expression(machine, bytes));
        break;
    case 0x11:
        set_rule(machine, number, HAK_RULE_SAVED, hak__bytes_sleb(bytes) * unit);
        break;
    case 0x14:
        set_rule(machine, number, HAK_RULE_VALUE, (int64_t)hak__bytes_uleb(bytes) * unit);
        break;
    case 0x15:
        set_rule(machine, number, HAK_RULE_VALUE, hak__bytes_sleb(bytes) * unit);
        break;
    case 0x16:
        set_rule(machine, number, HAK_RULE_COMPUTED, read_expression(machine, bytes));
        break;
    default:
        bytes->is_short = true; /* what is not known is not passed over */
    }
}

/* How far an instruction goes on in the function; false if it is of another kind. */
static bool is_advance(struct hak_bytes *bytes, uint8_t code, uint64_t *by)
{
    if (code >> 6 == 1)
        *by = code & 0x3f;
    else if (code == 0x02)
        *by = hak__bytes_u8(bytes);
    else if (code == 0x03)
        *by = hak__bytes_u16(bytes);
    else if (code == 0x04)
        *by = hak__bytes_u32(bytes);
    else
        return false;
    return true;
}

static bool run(struct machine *machine, struct hak_bytes program)
{
    while (program.at < program.end && !program.is_short) {
        uint8_t code = hak__bytes_u8(&program);
        uint64_t by = 0;
        if (is_advance(&program, code, &by)) {
            machine->now += by * machine->common->code_step;
            if (machine->now > machine->place)
                break;
        } else if (code >> 6 == 2) {
            set_rule(machine, code & 0x3f, HAK_RULE_SAVED,
                     (int64_t)hak__bytes_uleb(&program) * machine->common->data_step);
        } else if (code >> 6 == 3) {
            restore(machine, code & 0x3f);
        } else if (!step_frame(machine, &program, code)) {
            step_rule(machine, &program, code);
        }
    }
    return !program.is_short;
}

/* The record of the last function that does not begin behind a place, by the sorted table; or 0. */
static uintptr_t search(uintptr_t table, uintptr_t end, uintptr_t place)
{
    enum { ITS_VERSION = 1, SORTED = FROM_TABLE | POINTER_S32, PLACE_SIZE = 8 };
    struct hak_bytes bytes = bytes_from(table, end);
    uint8_t version = hak__bytes_u8(&bytes), frames = hak__bytes_u8(&bytes);
    uint8_t counts = hak__bytes_u8(&bytes), entries = hak__bytes_u8(&bytes);
    if (version != ITS_VERSION || counts != POINTER_U32 || entries != SORTED)
        return 0;
    skip_pointer(&bytes, frames);
    size_t low = 0, high = hak__bytes_u32(&bytes);
    if (!hak__bytes_need(&bytes, (uint64_t)high * PLACE_SIZE))
        return 0;
    const unsigned char *places = bytes.at;
    intptr_t wanted = (intptr_t)(place - table);
    int32_t offsets[2] = {0, 0}; /* of the function and of its record, from the table */
    while (high - low > 0) {
        size_t middle = low + (high - low) / 2;
        memcpy(offsets, places + middle * PLACE_SIZE, sizeof offsets);
        if (offsets[0] <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return 0;
    memcpy(offsets, places + (low - 1) * PLACE_SIZE, sizeof offsets);
    return table + (uintptr_t)(intptr_t)offsets[1];
}

static bool read_row(const struct hak_cfi_file *file, uintptr_t record, uintptr_t place, struct hak_cfi_row *row)
{
    struct hak_bytes bytes = entry_at(record, file);
    uintptr_t here = place_of(&bytes);
    uint32_t back = hak__bytes_u32(&bytes);
    struct common common;
    if (bytes.is_short || back == 0 || !read_common(here - back, file, &common))
        return false;
    uintptr_t function = read_pointer(&bytes, common.pointers, true);
    uintptr_t length = read_pointer(&bytes, common.pointers & POINTER_FORM, false);
    if (common.has_size)
        hak__bytes_skip(&bytes, hak__bytes_uleb(&bytes));
    if (bytes.is_short || place - function >= length || common.return_register >= HAK_REGISTERS)
        return false;
    hak__cfi_begin(row, (uint8_t)common.return_register, common.is_signal);
    struct machine machine = {.common = &common, .start = file->start, .row = row};
    if (!run(&machine, common.program))
        return false;
    struct hak_cfi_row initial = *row;
    machine.initial = &initial;
    machine.place = place - function;
    return run(&machine, bytes);
}

/* In a static program what is found reaches over its code alone: all that the system has loaded of it. */
static void widen_to_program(struct hak_cfi_file *file)
{
    uintptr_t headers = hak__auxiliary(AT_PHDR);
    size_t count = hak__auxiliary(AT_PHNUM);
    const ElfW(Phdr) *header = (const ElfW(Phdr) *)headers;
    uintptr_t moved = headers - sizeof(ElfW(Ehdr)), start = UINTPTR_MAX, end = 0;
    for (size_t i = 0; headers != 0 && i < count; i++)
        if (header[i].p_type == PT_LOAD && header[i].p_offset == 0)
            moved -= header[i].p_vaddr;
    for (size_t i = 0; headers != 0 && i < count; i++) {
        uintptr_t from = moved + header[i].p_vaddr;
        if (header[i].p_type == PT_LOAD && from < start)
            start = from;
        if (header[i].p_type == PT_LOAD && from + header[i].p_filesz > end)
            end = from + header[i].p_filesz;
    }
    if (start <= file->start && end >= file->end) {
        file->start = start;
        file->end = end;
    }
}

bool hak__cfi_locate(uintptr_t place, struct hak_cfi_file *file)
{
    struct dl_find_object found;
    if (_dl_find_object((void *)place, &found) != 0 || found.dlfo_eh_frame == NULL)
        return false;
    *file = (struct hak_cfi_file){(uintptr_t)found.dlfo_map_start, (uintptr_t)found.dlfo_map_end,
                                  (uintptr_t)found.dlfo_eh_frame};
    if (hak_unlikely(file->table < file->start || file->table >= file->end))
        widen_to_program(file);
    return true;
}

bool hak__cfi_find(const struct hak_cfi_file *file, uintptr_t place, struct hak_cfi_row *row)
{
    uintptr_t record = search(file->table, file->end, place);
    return record != 0 && read_row(file, record, place, row);
}

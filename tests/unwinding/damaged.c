/* SPDX-License-Identifier: MIT */
/*
 * Damaged tables: a copy of the tables of this program and of its libraries, with some bytes changed,
 * which end where memory ends. Nothing is read behind them, and everything comes to an end. Under sanitizers
 * in particular. Arguments: how many rounds, and a seed.
 *
 * Built with -DFUZZER and -fsanitize=fuzzer the bytes to change are the fuzzer's.
 */
#define _GNU_SOURCE
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/cfi.h"

enum { FILES = 8, PLACES_A_ROUND = 16 };

/* From .eh_frame_hdr to the end of the segment, in which .eh_frame follows. */
struct tables {
    const unsigned char *original;
    unsigned char *copy;
    size_t size;
    intptr_t code; /* from the table */
    size_t code_size;
};
static struct tables files[FILES];
static unsigned count;
static unsigned long found, computed;

static uint64_t drawn = 88172645463325252ULL;
static uint64_t draw(void)
{
    drawn ^= drawn << 13;
    drawn ^= drawn >> 7;
    return drawn ^= drawn << 17;
}

static void find_segments(const struct dl_phdr_info *info, const ElfW(Phdr) **table, const ElfW(Phdr) **around,
                          const ElfW(Phdr) **code)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_GNU_EH_FRAME)
            *table = header;
        if (header->p_type == PT_LOAD && (header->p_flags & PF_X) != 0)
            *code = header;
    }
    for (int i = 0; *table != NULL && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_LOAD && (*table)->p_vaddr - header->p_vaddr < header->p_filesz)
            *around = header;
    }
}

static int add_file(struct dl_phdr_info *info, size_t size, void *unused)
{
    enum { LARGEST = 256 << 10 };
    const ElfW(Phdr) *table = NULL, *around = NULL, *code = NULL;
    (void)size;
    (void)unused;
    find_segments(info, &table, &around, &code);
    if (count == FILES || around == NULL || code == NULL)
        return 0;
    struct tables *added = &files[count];
    added->original = (const unsigned char *)(info->dlpi_addr + table->p_vaddr);
    added->size = around->p_vaddr + around->p_filesz - table->p_vaddr;
    added->code = (intptr_t)(code->p_vaddr - table->p_vaddr);
    added->code_size = code->p_memsz;
    if (added->size > LARGEST)
        return 0;
    added->copy = malloc(added->size);
    memcpy(added->copy, added->original, added->size);
    count++;
    return 0;
}

/* Some words can be read, most of them at addresses that are none. */
static bool read_any(void *reader, uintptr_t address, uintptr_t *word)
{
    (void)reader;
    *word = address * 0x9e3779b97f4a7c15ULL;
    return address % 7 != 0;
}

static void compute(const struct hak_cfi_file *file, const struct hak_cfi_row *row)
{
    struct hak_registers registers = {.known = draw() | draw()};
    uintptr_t frame = (uintptr_t)draw(), value = 0;
    for (unsigned i = 0; i < HAK_REGISTERS; i++)
        registers.value[i] = (uintptr_t)draw();
    if (row->frame_kind == HAK_RULE_COMPUTED)
        computed += hak__cfi_compute(file, row->frame_offset, NULL, &registers, read_any, NULL, &value);
    for (uint64_t left = row->ruled; left != 0; left &= left - 1) {
        const struct hak_rule *rule = &row->rule[__builtin_ctzll(left)];
        if (rule->kind == HAK_RULE_COMPUTED || rule->kind == HAK_RULE_SAVED_COMPUTED)
            computed += hak__cfi_compute(file, rule->offset, &frame, &registers, read_any, NULL, &value);
    }
}

static void look_at(const struct tables *tables, uintptr_t place)
{
    uintptr_t start = (uintptr_t)tables->copy;
    struct hak_cfi_file file = {.start = start, .end = start + tables->size, .table = start};
    struct hak_cfi_row row;
    if (hak__cfi_find(&file, start + (uintptr_t)tables->code + place, &row)) {
        found++;
        compute(&file, &row);
    }
}

#ifdef FUZZER
/* The first bytes choose the file and the place; the others, four and one, which byte becomes what. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (count == 0)
        dl_iterate_phdr(add_file, NULL);
    if (size < 6)
        return 0;
    struct tables *tables = &files[data[0] % count];
    uint32_t number = 0;
    memcpy(&number, data + 1, sizeof number);
    drawn = number * 2654435761ULL + 1;
    for (size_t i = 5; i + 5 <= size; i += 5) {
        uint32_t at = 0;
        memcpy(&at, data + i, sizeof at);
        tables->copy[at % tables->size] = data[i + 4];
    }
    look_at(tables, number % tables->code_size);
    for (size_t i = 5; i + 5 <= size; i += 5) {
        uint32_t at = 0;
        memcpy(&at, data + i, sizeof at);
        tables->copy[at % tables->size] = tables->original[at % tables->size];
    }
    return 0;
}
#else
static unsigned char byte_instead(unsigned char usual)
{
    switch (draw() % 4) {
    case 0:
        return (unsigned char)draw();
    case 1:
        return usual ^ (unsigned char)(1 << draw() % 8);
    case 2:
        return draw() % 2 != 0 ? 0xff : 0x80;
    default:
        return (unsigned char)(draw() % 0x31); /* an instruction, or a small number */
    }
}

/* Bytes near each other, or near the beginning, or anywhere. */
static void damage(struct tables *tables)
{
    size_t near = (size_t)draw() % tables->size;
    for (uint64_t i = 1 + (draw() % 16 == 0 ? draw() % 500 : draw() % 50); i > 0; i--) {
        size_t within = draw() % 3 == 0 ? tables->size - near : tables->size - near < 64 ? tables->size - near : 64;
        size_t at = draw() % 400 == 0 ? draw() % (tables->size < 16 ? tables->size : 16) : near + draw() % within;
        tables->copy[at] = byte_instead(tables->copy[at]);
        if (draw() % 8 == 0)
            near = (size_t)draw() % tables->size;
    }
}

/* An expression of any bytes, most of which mean something. */
static void compute_any(void)
{
    static const uint8_t jumps[] = {0x28, 0x2f};
    size_t size = 2 + draw() % 60;
    unsigned char *bytes = malloc(size);
    bytes[0] = (unsigned char)(size - 1 - (draw() % 8 == 0));
    for (size_t i = 1; i < size; i++)
        bytes[i] = draw() % 16 == 0 ? jumps[draw() % 2] : (unsigned char)(draw() % 0xa0);
    struct hak_cfi_file file = {.start = (uintptr_t)bytes, .end = (uintptr_t)bytes + size};
    struct hak_cfi_row row;
    hak__cfi_begin(&row, 0, false);
    hak__cfi_set(&row, 0, HAK_RULE_COMPUTED, 0);
    compute(&file, &row);
    free(bytes);
}

int main(int arguments, char **argument)
{
    unsigned long rounds = arguments > 1 ? strtoul(argument[1], NULL, 10) : 20000;
    if (arguments > 2)
        drawn ^= strtoull(argument[2], NULL, 10) * 0x9e3779b97f4a7c15ULL;
    dl_iterate_phdr(add_file, NULL);
    if (count == 0) {
        puts("no tables");
        return 77;
    }
    for (unsigned i = 0; i < count; i++) /* as they are */
        for (int j = 0; j < 1000; j++)
            look_at(&files[i], (uintptr_t)draw() % files[i].code_size);
    unsigned long whole = found;
    for (unsigned long round = 0; round < rounds; round++) {
        struct tables *tables = &files[round % count];
        damage(tables);
        for (int i = 0; i < PLACES_A_ROUND; i++)
            look_at(tables, (uintptr_t)draw() % tables->code_size);
        for (int i = 0; i < PLACES_A_ROUND; i++)
            compute_any();
        if (draw() % 4 == 0)
            memcpy(tables->copy, tables->original, tables->size);
    }
    printf("%u files: %lu rows as they are, %lu in %lu rounds of damage, %lu values computed\n", count, whole,
           found - whole, rounds, computed);
    return whole == 0;
}
#endif
